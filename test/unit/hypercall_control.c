/* SPDX-License-Identifier: BSD-2-Clause */
/* H09, H13 to H15, H19: the control word, who may call, and the result word. */
#include "core_rig.h"

#include "enlight/abi/hypercall.h"
#include "host/core/hypercall.h"

#define FAST       ENL_HCALL_FAST
#define SPIN       ENL_CALL_NOTIFY_LONG_SPIN_WAIT
#define REPS(n)    ((uint64_t)(n) << ENL_HCALL_REP_COUNT_SHIFT)
#define START(n)   ((uint64_t)(n) << ENL_HCALL_REP_START_SHIFT)
#define VARHEAD(n) ((uint64_t)(n) << ENL_HCALL_VARHEAD_SHIFT)
#define INPUT      FAKE_INPUT_GPA

static uint16_t
status(uint64_t control)
{
    return (uint16_t)fake_hypercall(&f, 0, control, INPUT, 0);
}

static void
start(uint64_t without)
{
    fake_fini(&f);
    fake_init(&f);
    f.config.features.set &= ~without;
    fake_start(&f);
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
}

/* H19 */
static void
hypercall_without_guest_os_id_is_refused(void **state)
{
    (void)state;
    assert_int_equal(status(SPIN | FAST), ENL_HV_STATUS_SUCCESS);
    fake_set(&f, 1, ENL_REG_GUEST_OS_ID, 0);
    assert_int_equal(status(SPIN | FAST), ENL_HV_STATUS_OPERATION_DENIED);
    assert_int_equal(status(0xffff), ENL_HV_STATUS_OPERATION_DENIED);
    fake_set(&f, 1, ENL_REG_GUEST_OS_ID, 1);
    assert_int_equal(status(SPIN | FAST), ENL_HV_STATUS_SUCCESS);
}

/* H14: every code but nine, whatever else the control word says. */
static void
hypercall_unknown_code_is_status_2(void **state)
{
    static const uint16_t known[] = {0x02, 0x03, 0x08, 0x0b, 0x13,
                                     0x14, 0x15, 0x5c, 0x5d};

    (void)state;
    for (uint32_t code = 0; code < 0x10000; code++) {
        bool is_known = false;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            is_known |= known[i] == code;
        if (!is_known)
            assert_int_equal(status(code), ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
        else
            assert_int_not_equal(status(code), ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
    }
}

/* H13 */
static void
hypercall_without_privilege_is_status_6(void **state)
{
    static const struct {
        uint64_t without;
        uint16_t code[5];
    } row[] = {
        {ENLH_F_BIT(ENLH_F_TLBFLUSH) | ENLH_F_BIT(ENLH_F_TLBFLUSH_EXT),
         {0x02, 0x03, 0x13, 0x14}},
        {ENLH_F_BIT(ENLH_F_EX_PROCESSOR_MASKS), {0x13, 0x14, 0x15}},
        {ENLH_F_BIT(ENLH_F_IPI), {0x0b, 0x15}},
        {ENLH_F_BIT(ENLH_F_SPINLOCKS), {0x08}},
        {ENLH_F_BIT(ENLH_F_SYNIC) | ENLH_F_BIT(ENLH_F_STIMER) |
             ENLH_F_BIT(ENLH_F_STIMER_DIRECT),
         {0x5c, 0x5d}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        start(row[i].without);
        for (const uint16_t *code = row[i].code; *code != 0; code++) {
            assert_int_equal(status(*code), ENL_HV_STATUS_ACCESS_DENIED);
            /* Before anything else is said about the call. */
            assert_int_equal(status(*code | ENL_HCALL_RESERVED),
                             ENL_HV_STATUS_ACCESS_DENIED);
        }
    }
}

/* H15: each bit alone. */
static void
hypercall_reserved_bits_are_status_3(void **state)
{
    uint64_t reserved = ENL_HCALL_RESERVED | ENL_HCALL_NESTED;
    uint32_t count = 0;

    (void)state;
    for (uint32_t bit = 0; bit < 64; bit++) {
        if ((reserved & (UINT64_C(1) << bit)) == 0)
            continue;
        count++;
        assert_int_equal(status(SPIN | FAST | UINT64_C(1) << bit),
                         ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    }
    assert_int_equal(count, 13);
}

static void
hypercall_simple_call_takes_no_reps(void **state)
{
    (void)state;
    assert_int_equal(status(SPIN | FAST | REPS(1)),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(status(SPIN | FAST | START(1)),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(status(SPIN | FAST | VARHEAD(1)),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
}

static void
hypercall_rep_call_needs_reps_and_a_start_below(void **state)
{
    (void)state;
    memset(fake_at(&f, INPUT, 4096), 0, 4096);
    assert_int_equal(status(ENL_CALL_FLUSH_LIST), ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(status(ENL_CALL_FLUSH_LIST | REPS(3) | START(3)),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(status(ENL_CALL_FLUSH_LIST | REPS(3) | START(0xfff)),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(status(ENL_CALL_FLUSH_LIST | REPS(3) | START(2)), 0);
}

/* H09: absolute, whatever the start was. */
static void
hypercall_reps_done_count_from_the_lists_start(void **state)
{
    (void)state;
    memset(fake_at(&f, INPUT, 4096), 0, 4096);
    assert_int_equal(
        fake_hypercall(&f, 0, ENL_CALL_FLUSH_LIST | REPS(10) | START(5), INPUT, 0),
        REPS(10));
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_FLUSH_LIST | REPS(7), INPUT, 0),
                     REPS(7));
    /* A refused call has done none. */
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_FLUSH_LIST | REPS(7), INPUT + 1, 0),
                     ENL_HV_STATUS_INVALID_ALIGNMENT);
}

/* A call of our own that stops in the middle of its list, as one that fails there does. */
static uint32_t seen_start;
static uint64_t seen_list[4];
static uint16_t
stop_in_the_middle(struct enlh_vp *vp, struct enlh_call *call)
{
    (void)vp;
    seen_start = call->rep_start;
    memcpy(seen_list, call->list, sizeof(seen_list));
    call->rep_done = 2;
    return ENL_HV_STATUS_INVALID_PARAMETER;
}

static void
hypercall_failed_rep_says_how_far_it_came(void **state)
{
    static const struct enlh_call_info table[] = {
        {.code = 0x77,
         .flags = ENLH_CALL_REP | ENLH_CALL_VARHEAD,
         .input_len = 16,
         .element_len = 8,
         .run = stop_in_the_middle}};
    struct enlh_hypercall call = {.control = 0x77 | REPS(4) | START(1) | VARHEAD(2),
                                  .input = INPUT};
    uint64_t *input = fake_at(&f, INPUT, 4096);

    (void)state;
    for (uint32_t i = 0; i < 8; i++)
        input[i] = i;
    assert_int_equal(enlh_hypercall_dispatch(fake_vp(&f, 0), &call, table, 1),
                     ENL_HV_STATUS_INVALID_PARAMETER | REPS(2));
    assert_int_equal(seen_start, 1);
    /* The list lies behind both parts of the header. */
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(seen_list[i], 4 + i);
}

static void
hypercall_counts_and_refusals_are_counted(void **state)
{
    (void)state;
    status(SPIN | FAST);
    status(0x7777);
    status(SPIN | FAST | REPS(1));
    assert_int_equal(rig_counters().hypercalls, 3);
    assert_int_equal(rig_counters().hypercalls_refused, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hypercall_without_guest_os_id_is_refused),
        CASE(hypercall_unknown_code_is_status_2),
        CASE(hypercall_without_privilege_is_status_6),
        CASE(hypercall_reserved_bits_are_status_3),
        CASE(hypercall_simple_call_takes_no_reps),
        CASE(hypercall_rep_call_needs_reps_and_a_start_below),
        CASE(hypercall_reps_done_count_from_the_lists_start),
        CASE(hypercall_failed_rep_says_how_far_it_came),
        CASE(hypercall_counts_and_refusals_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
