/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_core.c - detection, the hypercall page, the forms of a call, the posts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/guest/port.h"
#include "guest_rig.h"

static int
init(void)
{
    return enlg_partition_init(&rig.partition, &rig.platform);
}

/* ---- partition ---- */

static void
partition_needs_the_hypervisor_bit(void **state)
{
    (void)state;
    rig.no_hypervisor = true;
    assert_int_equal(init(), -ENL_E_NODEV);
}

static void
partition_needs_the_interface_not_the_vendor(void **state)
{
    (void)state;
    rig.leaf[0].ebx = 0;
    assert_int_equal(init(), 0);
    rig.leaf[1].eax = 0x12345678;
    assert_int_equal(init(), -ENL_E_NODEV);
}

static void
partition_refuses_an_impossible_largest_leaf(void **state)
{
    (void)state;
    rig.leaf[0].eax = ENL_CPUID_LEAF_MIN - 1;
    assert_int_equal(init(), -ENL_E_NODEV);
    rig.leaf[0].eax = ENL_CPUID_LEAF_MAX + 1;
    assert_int_equal(init(), -ENL_E_NODEV);
    rig.leaf[0].eax = ENL_CPUID_LEAF_MIN;
    assert_int_equal(init(), 0);
}

static void
partition_reads_no_leaf_above_the_largest(void **state)
{
    (void)state;
    rig.leaf[0xA].eax = 0x1111;
    rig.leaf[0xC].ebx = ENL_ISOLATION_SNP;
    rig.leaf[0].eax = ENL_CPUID_LIMITS;
    assert_int_equal(init(), 0);
    assert_int_equal(enlg_partition_features(&rig.partition)->nested, 0);
    assert_int_equal(enlg_partition_features(&rig.partition)->isolation, 0);
    rig.leaf[0].eax = ENL_CPUID_ISOLATION;
    assert_int_equal(init(), 0);
    assert_int_equal(enlg_partition_features(&rig.partition)->nested, 0x1111);
    assert_int_equal(enlg_partition_features(&rig.partition)->isolation,
                     ENL_ISOLATION_SNP);
}

static void
partition_tells_what_is_announced(void **state)
{
    const struct enlg_features *f = enlg_partition_features(&rig.partition);

    (void)state;
    assert_int_equal(init(), 0);
    assert_true(f->privileges == ((uint64_t)0x30 << 32 | 0x2FFF));
    assert_int_equal(f->spin_retries, 0xFFF);
    assert_int_equal(f->address_bits, 46);
    assert_int_equal(f->max_vps, 240);
    assert_int_equal(f->build, 20348);
    assert_int_equal(f->major, 10);
    assert_int_equal(f->minor, 5);
    assert_true(enlg_partition_has(&rig.partition, ENL_PRIV_POST_MESSAGES));
    assert_false(
        enlg_partition_has(&rig.partition, ENL_PRIV_POST_MESSAGES | ENL_PRIV_VSM));
    rig.leaf[4].ebx = 0;
    assert_int_equal(init(), 0);
    assert_int_equal(f->spin_retries, ENL_SPIN_NEVER);
}

static void
partition_without_hypercalls_is_no_use(void **state)
{
    (void)state;
    rig.leaf[3].eax &= ~(uint32_t)ENL_PRIV_HYPERCALL;
    assert_int_equal(init(), -ENL_E_ACCESS);
}

static void
partition_needs_a_whole_platform(void **state)
{
    (void)state;
    rig.platform.size = offsetof(struct enlg_platform, pause);
    assert_int_equal(init(), -ENL_E_INVAL);
    rig.platform.size = sizeof(rig.platform);
    rig.platform.gpa = NULL;
    assert_int_equal(init(), -ENL_E_INVAL);
}

static void
partition_copies_no_more_than_the_platform_says(void **state)
{
    (void)state;
    rig.platform.size = offsetof(struct enlg_platform, hypercall_fast);
    rig.leaf[3].edx |= ENL_FEAT_XMM_INPUT;
    rig_again();
    memset(&rig.platform, 0, sizeof(rig.platform));
    assert_int_equal(enlg_hypercall_fast8(&rig.partition, 8, 0), 0);
    assert_int_equal(enlg_hypercall_fast(&rig.partition, 8, 0, "12345678", 8),
                     -ENL_E_NOTSUP);
    assert_int_equal(rig.call_count, 1);
}

/* ---- hypercall page ---- */

static int
enable(void)
{
    return enlg_hypercall_enable(&rig.partition, rig_page(0), RIG_OS_ID);
}

static void
hypercall_page_is_enabled_before_it_is_executable(void **state)
{
    (void)state;
    assert_int_equal(init(), 0);
    assert_int_equal(enable(), 0);
    assert_true(rig_order(ENL_REG_GUEST_OS_ID) < rig_order(ENL_REG_HYPERCALL));
    assert_true(rig.enabled_when_mapped);
    assert_int_equal(rig.mapped, 1);
    assert_ptr_equal(rig_at(rig_reg(ENL_REG_HYPERCALL) & ENL_HYPERCALL_GPA), rig_page(0));
    enlg_hypercall_disable(&rig.partition);
    assert_int_equal(rig.mapped, 0);
    assert_int_equal(rig_reg(ENL_REG_HYPERCALL), 0);
    assert_int_equal(rig_reg(ENL_REG_GUEST_OS_ID), 0);
    assert_int_equal(enlg_hypercall_fast8(&rig.partition, 8, 0), -ENL_E_INVAL);
}

static void
hypercall_page_that_is_locked_stays(void **state)
{
    (void)state;
    assert_int_equal(init(), 0);
    rig_reg_set(ENL_REG_HYPERCALL, ENL_HYPERCALL_LOCKED | ENL_HYPERCALL_ENABLE | 0x7000);
    assert_int_equal(enable(), -ENL_E_BUSY);
    assert_int_equal(rig_reg_writes(ENL_REG_HYPERCALL), 0);
    assert_int_equal(rig_reg(ENL_REG_GUEST_OS_ID), 0);
}

static void
hypercall_page_that_does_not_enable_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(init(), 0);
    rig.ignore_reg = ENL_REG_HYPERCALL;
    assert_int_equal(enable(), -ENL_E_IO);
    assert_int_equal(rig_reg_writes(ENL_REG_HYPERCALL), 2); /* and taken back */
    rig.ignore_reg = 0;
    rig.map_fails = true;
    assert_int_equal(enable(), -ENL_E_NOMEM);
    assert_int_equal(rig_reg(ENL_REG_HYPERCALL), 0);
    assert_int_equal(enlg_hypercall_enable(&rig.partition, (uint8_t *)rig_page(0) + 8, 1),
                     -ENL_E_INVAL);
    assert_int_equal(enlg_hypercall_enable(&rig.partition, rig_page(0), 0), -ENL_E_INVAL);
}

static void
hypercalls_without_a_page_touch_none(void **state)
{
    (void)state;
    rig.platform.no_hypercall_page = true;
    assert_int_equal(init(), 0);
    assert_int_equal(enlg_hypercall_enable(&rig.partition, NULL, RIG_OS_ID), 0);
    assert_int_equal(rig_reg(ENL_REG_GUEST_OS_ID), RIG_OS_ID);
    assert_int_equal(enlg_hypercall_fast8(&rig.partition, 8, 0), 0);
    enlg_hypercall_disable(&rig.partition);
    assert_int_equal(rig_reg_writes(ENL_REG_HYPERCALL), 0);
    assert_int_equal(rig_reg(ENL_REG_GUEST_OS_ID), 0);
    assert_int_equal(rig.mapped, 0);
    rig.platform.no_hypercall_page = false;
    assert_int_equal(init(), 0);
    assert_int_equal(enlg_hypercall_enable(&rig.partition, NULL, RIG_OS_ID),
                     -ENL_E_INVAL);
}

/* ---- forms ---- */

static void
hypercall_forms_build_the_control_word(void **state)
{
    uint64_t in[4] = {1, 2, 3, 4}, out[4];

    (void)state;
    assert_int_equal(enlg_hypercall_fast8(&rig.partition, 0x5d, 77), 0);
    assert_int_equal(rig.call[0].control, 0x1005d);
    assert_int_equal(rig.call[0].input, 77);
    assert_int_equal(enlg_hypercall_fast16(&rig.partition, 0xb, 5, 6), 0);
    assert_int_equal(rig.call[1].input, 5);
    assert_int_equal(rig.call[1].output, 6);
    assert_int_equal(enlg_hypercall_memory(&rig.partition, 0x15, 16, in, out), 0);
    assert_int_equal(rig.call[2].control, 0x15 | 2 << 17);
    assert_ptr_equal(rig_at(rig.call[2].input), in);
    assert_ptr_equal(rig_at(rig.call[2].output), out);
    assert_int_equal(enlg_hypercall_memory(&rig.partition, 1, 0, (uint8_t *)in + 4, NULL),
                     -ENL_E_INVAL);
    assert_int_equal(enlg_hypercall_memory(&rig.partition, 1, 12, in, NULL),
                     -ENL_E_INVAL);
    assert_int_equal(rig.call_count, 3);
}

static void
hypercall_fast_needs_both_sides(void **state)
{
    uint64_t in[14] = {1, 2, 3, 4, 5};

    (void)state;
    assert_int_equal(enlg_hypercall_fast(&rig.partition, 0x13, 8, in, 40), -ENL_E_NOTSUP);
    rig.leaf[3].edx |= ENL_FEAT_XMM_INPUT;
    rig_again();
    rig.result[0] = ENL_HV_STATUS_ACCESS_DENIED;
    rig.result_count = 1;
    assert_int_equal(enlg_hypercall_fast(&rig.partition, 0x13, 8, in, 32), -ENL_E_ACCESS);
    assert_int_equal(rig.call[0].control, 0x13 | 1 << 16 | 1 << 17);
    in[4] = 0; /* beyond the length: not sent */
    assert_memory_equal(rig.call[0].data, in, sizeof(in));
    assert_int_equal(enlg_hypercall_fast(&rig.partition, 1, 0, in, 120), -ENL_E_INVAL);
    assert_int_equal(enlg_hypercall_fast(&rig.partition, 1, 0, in, 12), -ENL_E_INVAL);
    assert_int_equal(enlg_hypercall_fast(&rig.partition, 1, 4, in, 8), -ENL_E_INVAL);
    assert_int_equal(rig.call_count, 1);
}

static void
hypercall_rep_goes_on_where_it_stopped(void **state)
{
    uint64_t in[8] = {0};
    struct enlg_rep rep = {.code = 0x50, .count = 10, .varhead = 8, .input = in};

    (void)state;
    rig.result[0] = (uint64_t)4 << 32;
    rig.result[1] = (uint64_t)10 << 32;
    rig.result_count = 2;
    assert_int_equal(enlg_hypercall_rep(&rig.partition, &rep), 0);
    assert_int_equal(rep.done, 10);
    assert_int_equal(rig.call_count, 2);
    assert_true(rig.call[0].control == (0x50 | 1 << 17 | (uint64_t)10 << 32));
    assert_true(rig.call[1].control ==
                (0x50 | 1 << 17 | (uint64_t)10 << 32 | (uint64_t)4 << 48));
}

static void
hypercall_rep_believes_no_impossible_count(void **state)
{
    static const uint64_t results[] = {
        (uint64_t)4 << 32,     /* success, nothing done: would loop for ever */
        (uint64_t)11 << 32,    /* beyond the list */
        (uint64_t)2 << 32 | 5, /* back, with a failure */
    };
    uint64_t in[8] = {0};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct enlg_rep rep = {.code = 0x50, .count = 10, .input = in, .done = 4};

        rig_forget();
        rig.result[0] = results[i];
        rig.result[1] = ENL_HV_STATUS_TIMEOUT; /* not the last word */
        rig.result_count = 2;
        assert_int_equal(enlg_hypercall_rep(&rig.partition, &rep), -ENL_E_IO);
        assert_int_equal(rep.done, 4);
        assert_int_equal(rig.call_count, 1);
    }
}

static void
hypercall_rep_says_how_far_it_came(void **state)
{
    uint64_t in[8] = {0};
    struct enlg_rep rep = {.code = 0x50, .count = 10, .input = in};

    (void)state;
    rig.result[0] = (uint64_t)7 << 32 | ENL_HV_STATUS_ACCESS_DENIED;
    rig.result_count = 1;
    assert_int_equal(enlg_hypercall_rep(&rig.partition, &rep), -ENL_E_ACCESS);
    assert_int_equal(rep.done, 7);
}

/* ---- posts and signals ---- */

static struct enlg_post_buffer buffer;

static int
post(uint32_t flags)
{
    uint8_t *payload = enlg_port_payload(&buffer);

    payload[0] = 42;
    return enlg_port_post(&rig.partition, &buffer, 4, 12, flags);
}

static void
results_are(uint32_t count, uint64_t first, uint64_t then)
{
    for (uint32_t i = 0; i < count; i++)
        rig.result[i] = first;
    rig.result[count] = then;
    rig.result_count = count + 1;
}

static void
port_post_lies_within_one_page(void **state)
{
    uint8_t *area = rig_page(1);
    uint32_t len, id;

    (void)state;
    for (uint32_t at = 0; at + sizeof(buffer) <= 2 * ENL_PAGE_SIZE; at += 8) {
        struct enlg_post_buffer *b = (struct enlg_post_buffer *)(area + at);
        uint8_t *payload = enlg_port_payload(b);
        uint64_t gpa;

        assert_true(payload >= (uint8_t *)b &&
                    payload + 240 <= (uint8_t *)b + sizeof(*b));
        payload[239] = 7;
        rig_forget();
        assert_int_equal(enlg_port_post(&rig.partition, b, 4, 240, 0), 0);
        gpa = rig.call[0].input;
        assert_int_equal(gpa & 7, 0);
        assert_true((gpa & ENL_PAGE_MASK) + 256 <= ENL_PAGE_SIZE);
        payload = (uint8_t *)(uintptr_t)rig_posted(0, &len, &id);
        assert_int_equal(payload[239], 7);
        assert_int_equal(len, 240);
        assert_int_equal(id, 4);
    }
    assert_int_equal(enlg_port_post(&rig.partition, &buffer, 4, 241, 0), -ENL_E_INVAL);
}

static void
port_post_asks_again_while_buffers_lack(void **state)
{
    (void)state;
    results_are(99, ENL_HV_STATUS_INSUFFICIENT_BUFFERS, 0);
    assert_int_equal(post(0), 0);
    assert_int_equal(rig.call_count, 100);
    assert_int_equal(rig.pauses, 99);
    rig_forget();
    results_are(5, ENL_HV_STATUS_INSUFFICIENT_MEMORY, 0);
    assert_int_equal(post(0), 0);
    assert_int_equal(rig.call_count, 6);
}

static void
port_post_gives_up_after_its_tries(void **state)
{
    (void)state;
    results_are(200, ENL_HV_STATUS_INSUFFICIENT_BUFFERS, 0);
    assert_int_equal(post(0), -ENL_E_AGAIN);
    assert_int_equal(rig.call_count, ENLG_POST_TRIES);
}

static void
port_post_without_connection_is_final_only_at_first(void **state)
{
    (void)state;
    results_are(3, ENL_HV_STATUS_INVALID_CONNECTION_ID, 0);
    assert_int_equal(post(0), -ENL_E_NOENT);
    assert_int_equal(rig.call_count, 1);
    rig_forget();
    results_are(3, ENL_HV_STATUS_INVALID_CONNECTION_ID, 0);
    assert_int_equal(post(ENLG_POST_CONNECTED), 0);
    assert_int_equal(rig.call_count, 4);
}

static void
port_post_refused_otherwise_is_final(void **state)
{
    (void)state;
    results_are(1, ENL_HV_STATUS_INVALID_HYPERCALL_INPUT, 0);
    assert_int_equal(post(ENLG_POST_CONNECTED), -ENL_E_INVAL);
    assert_int_equal(rig.call_count, 1);
}

static void
port_signal_asks_again_while_buffers_lack(void **state)
{
    (void)state;
    results_are(99, ENL_HV_STATUS_INSUFFICIENT_BUFFERS, 0);
    assert_int_equal(enlg_port_signal(&rig.partition, 0x2005, 0), 0);
    assert_int_equal(rig.call_count, 100);
    assert_int_equal(rig.pauses, 99);
    rig_forget();
    results_are(200, ENL_HV_STATUS_INSUFFICIENT_BUFFERS, 0);
    assert_int_equal(enlg_port_signal(&rig.partition, 0x2005, 0), -ENL_E_AGAIN);
    assert_int_equal(rig.call_count, ENLG_POST_TRIES);
}

static void
port_signal_refused_otherwise_is_final(void **state)
{
    (void)state;
    results_are(2, ENL_HV_STATUS_INVALID_CONNECTION_ID, 0);
    assert_int_equal(enlg_port_signal(&rig.partition, 0x2005, 0), -ENL_E_NOENT);
    assert_int_equal(rig.call_count, 1);
}

static void
port_signal_is_one_fast_call(void **state)
{
    (void)state;
    assert_int_equal(enlg_port_signal(&rig.partition, 0x2005, 3), 0);
    assert_int_equal(rig.call[0].control, 0x1005d);
    assert_true(rig.call[0].input == (0x2005 | (uint64_t)3 << 32));
    assert_int_equal(enlg_port_signal(&rig.partition, 0x01000000, 0), -ENL_E_INVAL);
    assert_int_equal(rig.call_count, 1);
}

#define BARE(f)  cmocka_unit_test_setup(f, rig_setup)
#define CALLS(f) cmocka_unit_test_setup(f, rig_setup_calls)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        BARE(partition_needs_the_hypervisor_bit),
        BARE(partition_needs_the_interface_not_the_vendor),
        BARE(partition_refuses_an_impossible_largest_leaf),
        BARE(partition_reads_no_leaf_above_the_largest),
        BARE(partition_tells_what_is_announced),
        BARE(partition_without_hypercalls_is_no_use),
        BARE(partition_needs_a_whole_platform),
        BARE(partition_copies_no_more_than_the_platform_says),
        BARE(hypercall_page_is_enabled_before_it_is_executable),
        BARE(hypercall_page_that_is_locked_stays),
        BARE(hypercall_page_that_does_not_enable_is_noticed),
        BARE(hypercalls_without_a_page_touch_none),
        CALLS(hypercall_forms_build_the_control_word),
        CALLS(hypercall_fast_needs_both_sides),
        CALLS(hypercall_rep_goes_on_where_it_stopped),
        CALLS(hypercall_rep_believes_no_impossible_count),
        CALLS(hypercall_rep_says_how_far_it_came),
        CALLS(port_post_lies_within_one_page),
        CALLS(port_post_asks_again_while_buffers_lack),
        CALLS(port_post_gives_up_after_its_tries),
        CALLS(port_post_without_connection_is_final_only_at_first),
        CALLS(port_post_refused_otherwise_is_final),
        CALLS(port_signal_asks_again_while_buffers_lack),
        CALLS(port_signal_refused_otherwise_is_final),
        CALLS(port_signal_is_one_fast_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
