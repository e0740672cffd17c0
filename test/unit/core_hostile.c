/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that means harm: registers, hypercalls, pages and time at random, from a seed.
 * Under the sanitizers this is the proof that no value reaches outside guest memory; the
 * assertions here are those that must hold whatever a guest does.
 */
#include "core_rig.h"

#include "enlight/abi/hypercall.h"
#include "enlight/abi/msr.h"
#include "enlight/host/x86_64.h"

#define STEPS 30000u

static uint64_t seed;

static uint64_t
next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A number that matters more often than a random one does. */
static uint64_t
number(void)
{
    static const uint64_t edge[] = {0,
                                    1,
                                    0xf3,
                                    0x200001,
                                    0x201001,
                                    0x202001,
                                    FAKE_RAM_LEN - 0xfff,
                                    FAKE_RAM_LEN | 1,
                                    FAKE_HIGH_GPA | 1,
                                    UINT64_C(0x7fffffffffffffff),
                                    UINT64_C(0xfffffffffffff001),
                                    UINT64_MAX};
    uint64_t r = next_random();

    switch (r % 4) {
    case 0:
        return edge[(r >> 8) % (sizeof(edge) / sizeof(edge[0]))];
    case 1:
        return (r >> 8) & 0x3fffff;
    case 2:
        return ((r >> 8) & 0x3ff000) | 1;
    default:
        return next_random();
    }
}

static void
hostile_register(uint32_t vp)
{
    uint32_t msr = ENL_MSR_FIRST + (uint32_t)(next_random() % 0x120);
    uint64_t value;

    if (next_random() % 3 == 0)
        (void)!enlh_x64_msr_read(fake_vp(&f, vp), msr, &value);
    else
        (void)!enlh_x64_msr_write(fake_vp(&f, vp), msr, number());
}

static void
hostile_call(uint32_t vp)
{
    static const uint16_t code[] = {0x02, 0x03, 0x08, 0x0b, 0x13, 0x14, 0x15, 0x5c, 0x5d};
    uint64_t xmm[12];
    struct enlh_hypercall call = {.control = code[next_random() % 9],
                                  .input = number(),
                                  .output = number(),
                                  .xmm = xmm};
    uint64_t *words = fake_at(&f, FAKE_INPUT_GPA, 4096);

    for (uint32_t i = 0; i < 12; i++)
        xmm[i] = number();
    for (uint32_t i = 0; i < 8; i++)
        words[next_random() % 512] = number();
    if (next_random() % 2 == 0)
        call.input = FAKE_INPUT_GPA + (next_random() & 0xff8);
    call.control |= next_random() & (ENL_HCALL_FAST | ENL_HCALL_VARHEAD);
    call.control |= (next_random() % 16) << 32 | (next_random() % 16) << 48;
    if (next_random() % 16 == 0)
        call.control = next_random();
    (void)!enlh_vp_hypercall(fake_vp(&f, vp), &call);
}

/* The guest's other VPs write what they like into the pages that they share. */
static void
hostile_memory(void)
{
    uint64_t gpa = 0x200000 + (next_random() & 0x3ff8);
    uint64_t value = number();

    memcpy(fake_at(&f, gpa, 8), &value, 8);
}

static void
hostile_step(uint32_t vp)
{
    switch (next_random() % 8) {
    case 0:
    case 1:
    case 2:
        hostile_register(vp);
        break;
    case 3:
        hostile_call(vp);
        break;
    case 4:
        hostile_memory();
        break;
    case 5:
        (void)!enlh_vp_post_message(fake_vp(&f, vp), (uint32_t)next_random() % 17, 1, 0,
                                    "hostile", 7);
        break;
    case 6:
        (void)!enlh_vp_signal_event(fake_vp(&f, vp), (uint32_t)next_random() % 17,
                                    (uint32_t)next_random() % 2050);
        break;
    default:
        f.now_100ns += next_random() % 20000;
        enlh_vp_timer(fake_vp(&f, vp));
        break;
    }
    enlh_vp_enter(fake_vp(&f, vp));
    if (next_random() % 512 == 0)
        enlh_vp_reset(fake_vp(&f, vp));
    fake_forget(&f);
}

static uint16_t
any_message(void *ctx, struct enlh_vp *vp, uint32_t type, const void *message,
            uint32_t len)
{
    (void)ctx;
    (void)message;
    assert_non_null(vp);
    assert_int_not_equal(type, 0);
    assert_int_equal(type & ENL_MESSAGE_HYPERVISOR, 0);
    assert_in_range(len, 0, 240);
    return 0;
}

static uint16_t
any_event(void *ctx, uint32_t connection_id, uint16_t flag)
{
    (void)ctx;
    (void)flag;
    assert_in_range(connection_id, 0, 0xf3);
    return 0;
}

static void
hostile_run(uint64_t start_seed)
{
    seed = start_seed;
    assert_int_equal(enlh_port_message(f.partition, 0x200001, any_message, NULL), 0);
    assert_int_equal(enlh_port_events(f.partition, 0, 0xf4, any_event, NULL), 0);
    for (uint32_t i = 0; i < STEPS; i++)
        hostile_step((uint32_t)next_random() % 2);
}

static void
hostile_guest_does_no_harm(void **state)
{
    (void)state;
    hostile_run(0x9e3779b97f4a7c15);
    assert_in_range(f.alloc_bytes, 1, 400000);
}

static void
hostile_guest_does_no_harm_below(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    hostile_run(0xdeadbeefcafef00d);
    for (uint32_t i = 0; i < 2000; i++) {
        (void)!enlh_vp_synic_changed(fake_vp(&f, i % 2), number(), number(), number());
        enlh_vp_slot_freed(fake_vp(&f, i % 2));
        hostile_step(i % 2);
    }
}

/* Whatever pages were laid where: a reset brings every byte of the first day back. */
static void
hostile_pages_all_come_back(void **state)
{
    static const uint32_t reg[] = {ENL_REG_SIMP,           ENL_REG_SIEFP,
                                   ENL_REG_VP_ASSIST_PAGE, ENL_REG_REFERENCE_TSC,
                                   ENL_REG_HYPERCALL,      ENL_REG_GUEST_OS_ID};

    (void)state;
    seed = 4711;
    for (uint32_t i = 0; i < STEPS; i++) {
        uint64_t gpa = 0x200000 + next_random() % 8 * 0x1000;

        (void)!rig_set((uint32_t)next_random() % 2, reg[next_random() % 6],
                       gpa | next_random() % 2);
        fake_set(&f, 0, ENL_REG_GUEST_OS_ID, next_random() % 4);
    }
    enlh_partition_reset(f.partition);
    for (uint64_t gpa = 0; gpa < FAKE_RAM_LEN; gpa += ENL_PAGE_SIZE)
        assert_true(rig_page_is(gpa, 0xa5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hostile_guest_does_no_harm),
        CASE_BELOW(hostile_guest_does_no_harm_below),
        CASE(hostile_pages_all_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
