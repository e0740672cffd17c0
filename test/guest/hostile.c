/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/hostile.c - a guest that means no good: the machine goes on, and nobody hangs
 *
 * The seed is fixed: a failure repeats. What random registers could do on purpose (reset,
 * crash, vectors of faults) is left out.
 */
#include <string.h>

#include "enlight/abi/vmbus.h"
#include "test/guest/synic_rig.h"

#define CALLS      3000u
#define SIGNALS    3000u
#define POSTS      300u
#define UNKNOWN_ID 0x7654u

static uint64_t seed = 0x9E3779B97F4A7C15;
static uint64_t garbage[PAGE / 8] __attribute__((aligned(4096)));

static uint64_t
random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t
random_of(const uint64_t *values, uint32_t count)
{
    return values[random64() % count];
}

/* Half of the codes are known ones; an IPI could raise a fault's vector, so none is sent. */
static uint64_t
random_control(void)
{
    static const uint64_t codes[] = {
        ENL_CALL_FLUSH_SPACE,           ENL_CALL_FLUSH_LIST,
        ENL_CALL_NOTIFY_LONG_SPIN_WAIT, ENL_CALL_FLUSH_SPACE_EX,
        ENL_CALL_FLUSH_LIST_EX,         ENL_CALL_POST_MESSAGE,
        ENL_CALL_SIGNAL_EVENT,          ENL_CALL_GET_VP_REGISTERS,
        ENL_CALL_POST_DEBUG_DATA,       ENL_CALL_EXT_QUERY_CAPABILITIES,
    };
    uint64_t control =
        random64() & 1 ? random_of(codes, COUNT(codes)) : random64() & 0xFFFF;

    if (control == ENL_CALL_SEND_IPI || control == ENL_CALL_SEND_IPI_EX)
        control = ENL_CALL_SIGNAL_EVENT;
    if (random64() & 1)
        control |= ENL_HCALL_FAST;
    if (random64() % 4 == 0)
        control |= random64() & ENL_HCALL_VARHEAD;
    if (random64() % 2)
        control |= random64() & (ENL_HCALL_REP_COUNT | ENL_HCALL_REP_START);
    if (random64() % 8 == 0)
        control |= random64() & ~ENL_HCALL_CODE;
    return control;
}

static uint64_t
random_input(void)
{
    const uint64_t places[] = {(uintptr_t)garbage,
                               (uintptr_t)garbage + random64() % PAGE,
                               (uintptr_t)hypercall_page,
                               0,
                               random64(),
                               random64() & 0xFFFFFFF8,
                               ENL_VMBUS_CONNECTION_MESSAGE_5,
                               UNKNOWN_ID,
                               UINT64_C(0xFFFFFFFFFFFFFFF8)};

    return random_of(places, COUNT(places));
}

/* The machine still keeps time, and interrupts come. */
static void
check_alive(void)
{
    struct enl_message message;

    if (!has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER))
        return;
    rig_on();
    rig_sint(3, VECTOR_A);
    msr_write(ENL_MSR_STIMER0_CONFIG,
              (3u << ENL_STIMER_SINT_SHIFT) | ENL_STIMER_AUTO_ENABLE);
    msr_write(ENL_MSR_STIMER0_COUNT, reference_time() + 1000);
    CHECK(rig_wait(3));
    CHECK(wait_word(&cpu_this()->irqs[VECTOR_A], 1));
    rig_take(3, &message);
    EQUAL(message.type, ENL_MESSAGE_TIMER_EXPIRED);
}

static void
call_garbage(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct call_regs regs;
        uint64_t *words = (uint64_t *)&regs;
        int fault;

        for (uint32_t j = 0; j < sizeof(regs) / 8; j++)
            words[j] = random64();
        regs.rcx = random_control();
        regs.rdx = random_input();
        regs.r8 = random_input();
        for (uint32_t j = 0; j < 64; j++)
            garbage[random64() % (PAGE / 8)] = random64() >> random64() % 64;
        fault = call_try(hypercall_page, &regs);
        if (fault != FAULT_NONE && fault != FAULT_UD)
            say("# call %u: vector %d\n", i, fault);
        CHECK(fault == FAULT_NONE || fault == FAULT_UD);
    }
}

static void
garbage_calls_are_answered(void)
{
    REQUIRE(has_priv(ENL_PRIV_HYPERCALL));
    hypercall_page_on();
    call_garbage(CALLS);
    EQUAL(hypercall(0x7777, 0, 0), ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
    check_alive();
}

static void
garbage_there(void *arg)
{
    (void)arg;
    call_garbage(CALLS / 4);
}

/* Two processors write to one garbage page while the host reads it. */
static void
garbage_calls_from_two_are_answered(void)
{
    REQUIRE(has_priv(ENL_PRIV_HYPERCALL));
    REQUIRE_CPUS(2);
    hypercall_page_on();
    CHECK(smp_begin(1, garbage_there, NULL));
    call_garbage(CALLS / 4);
    CHECK(WAIT_UNTIL(!cpus[1].work));
    CHECK(smp_end(1));
    check_alive();
}

static void
signal_flood_is_borne(void)
{
    REQUIRE(has_priv(ENL_PRIV_SIGNAL_EVENTS));
    hypercall_page_on();
    for (uint32_t i = 0; i < SIGNALS; i++)
        EQUAL(hypercall(ENL_CALL_SIGNAL_EVENT | ENL_HCALL_FAST, UNKNOWN_ID, 0),
              ENL_HV_STATUS_INVALID_CONNECTION_ID);
    check_alive();
}

/* The host may ask to wait; it may not lose the call. */
static void
post_flood_is_bounded(void)
{
    struct enl_hv_post_message *post = (void *)garbage;

    REQUIRE(has_priv(ENL_PRIV_POST_MESSAGES));
    hypercall_page_on();
    for (uint32_t i = 0; i < POSTS; i++) {
        uint64_t status;

        memset(post, 0, sizeof(*post));
        post->connection_id = ENL_VMBUS_CONNECTION_MESSAGE_5;
        post->message_type = ENL_MESSAGE_VMBUS;
        post->payload_len = 8;
        post->payload[0] = ENL_VMBUS_REQUEST_OFFERS;
        status = hypercall(ENL_CALL_POST_MESSAGE, (uintptr_t)post, 0);
        CHECK(status == 0 || status == ENL_HV_STATUS_INSUFFICIENT_BUFFERS);
    }
    check_alive();
}

/* Four periodic timers of 100 ns: the guest may be slow, but it can still stop them. */
static void
shortest_periods_are_bounded(void)
{
    uint64_t start, elapsed;

    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    REQUIRE(features->features & ENL_FEAT_DIRECT_STIMER);
    /* KVM has no shortest period: there a guest harms itself alone. */
    REQUIRE_USER_ENGINE();
    start = reference_time();
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++) {
        msr_write(ENL_MSR_STIMER0_COUNT + 2 * i, 1);
        msr_write(ENL_MSR_STIMER0_CONFIG + 2 * i,
                  ENL_STIMER_DIRECT | (uint64_t)VECTOR_A << ENL_STIMER_VECTOR_SHIFT |
                      ENL_STIMER_PERIODIC | ENL_STIMER_ENABLE);
    }
    spin_us(20000);
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++)
        msr_write(ENL_MSR_STIMER0_CONFIG + 2 * i, 0);
    elapsed = reference_time() - start;
    CHECK(cpu_this()->irqs[VECTOR_A] > 0);
    CHECK(cpu_this()->irqs[VECTOR_A] <= ENL_STIMER_COUNT * (elapsed / 500 + 2));
    cpu_this()->irqs[VECTOR_A] = 0;
    check_alive();
}

const struct test hostile_tests[] = {
    {"signal_flood_is_borne", "H33 L01", signal_flood_is_borne},
    {"post_flood_is_bounded", "H16 L03", post_flood_is_bounded},
    {"shortest_periods_are_bounded", "T09", shortest_periods_are_bounded},
    {"garbage_calls_are_answered", "H14 H15 H16", garbage_calls_are_answered},
    {"garbage_calls_from_two_are_answered", "H16 O12",
     garbage_calls_from_two_are_answered},
    {NULL, NULL, NULL},
};
