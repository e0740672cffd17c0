/* SPDX-License-Identifier: BSD-2-Clause */
/* S06, S11, S17: event flags, and when they interrupt. */
#include "core_rig.h"

#define SINT 2u

static int
signal_event(uint32_t vp, uint32_t flag)
{
    return enlh_vp_signal_event(fake_vp(&f, vp), SINT, flag);
}

static void
synic_event_interrupts_from_0_to_1_only(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(signal_event(0, 5), 1);
    assert_int_equal(signal_event(0, 5), 0);
    assert_int_equal(f.interrupt_count, 1);
    assert_int_equal(f.interrupt[0].vector, FAKE_VECTOR);
    assert_int_equal(signal_event(0, 6), 1);
    assert_int_equal(f.interrupt_count, 2);
    assert_true(fake_take_event(&f, 0, SINT, 5));
    assert_int_equal(signal_event(0, 5), 1);
    assert_int_equal(f.interrupt_count, 3);
    assert_int_equal(rig_counters().events, 3);
    assert_int_equal(rig_counters().interrupts, 3);
}

/* At once, from any thread: no kick and no entry is needed. */
static void
synic_event_needs_no_entry(void **state)
{
    (void)state;
    fake_synic_on(&f, 1, SINT);
    enlh_vp_enter(fake_vp(&f, 1));
    assert_int_equal(signal_event(1, 2047), 1);
    assert_int_equal(f.kick_count[1], 0);
    assert_int_equal(f.interrupt[0].vp, 1);
}

/* Each of the 2048 flags is its own bit in its own SINT's 256 bytes. */
static void
synic_event_sets_exactly_its_bit(void **state)
{
    uint8_t *page;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    page = fake_at(&f, FAKE_SIEFP_GPA(0), 4096);
    for (uint32_t flag = 0; flag < 2048; flag += 31) {
        assert_int_equal(signal_event(0, flag), 1);
        for (uint32_t i = 0; i < 4096; i++)
            assert_int_equal(page[i], i == 256 * SINT + flag / 8 ? 1u << (flag % 8) : 0);
        assert_true(fake_take_event(&f, 0, SINT, flag));
    }
}

static void
synic_event_leaves_the_other_flags(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    memset(fake_at(&f, FAKE_SIEFP_GPA(0) + 256 * SINT, 256), 0x55, 256);
    assert_int_equal(signal_event(0, 0), 0);
    assert_int_equal(signal_event(0, 1), 1);
    assert_int_equal(*(uint8_t *)fake_at(&f, FAKE_SIEFP_GPA(0) + 256 * SINT, 1), 0x57);
}

/* S11 */
static void
synic_event_is_refused_where_something_is_off(void **state)
{
    (void)state;
    assert_err(signal_event(0, 1), ENL_E_AGAIN);
    fake_synic_on(&f, 0, SINT);
    fake_set(&f, 0, ENL_REG_SINT0 + SINT, 0xf3 | ENL_SINT_MASKED);
    assert_err(signal_event(0, 1), ENL_E_AGAIN);
    fake_set(&f, 0, ENL_REG_SINT0 + SINT, 0xf3);
    fake_set(&f, 0, ENL_REG_SCONTROL, 0);
    assert_err(signal_event(0, 1), ENL_E_AGAIN);
    fake_set(&f, 0, ENL_REG_SCONTROL, 1);
    assert_int_equal(signal_event(0, 1), 1);
    fake_set(&f, 0, ENL_REG_SIEFP, 0);
    assert_err(signal_event(0, 2), ENL_E_AGAIN);
    assert_true(rig_page_is(FAKE_SIEFP_GPA(0), 0xa5));
}

static void
synic_event_of_a_polling_sint_is_silent(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    fake_set(&f, 0, ENL_REG_SINT0 + SINT, ENL_SINT_MASKED | ENL_SINT_POLLING);
    assert_int_equal(signal_event(0, 1), 1);
    assert_true(fake_take_event(&f, 0, SINT, 1));
    assert_int_equal(f.interrupt_count, 0);
}

static void
synic_event_checks_its_caller(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_err(enlh_vp_signal_event(fake_vp(&f, 0), 16, 0), ENL_E_RANGE);
    assert_err(enlh_vp_signal_event(fake_vp(&f, 0), SINT, 2048), ENL_E_RANGE);
}

static void
synic_event_below_raises_the_sint(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(signal_event(0, 1), 1);
    assert_int_equal(signal_event(0, 1), 0);
    assert_int_equal(f.interrupt_count, 1);
    assert_int_equal(f.interrupt[0].sint, SINT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(synic_event_interrupts_from_0_to_1_only),
        CASE(synic_event_needs_no_entry),
        CASE(synic_event_sets_exactly_its_bit),
        CASE(synic_event_leaves_the_other_flags),
        CASE(synic_event_is_refused_where_something_is_off),
        CASE(synic_event_of_a_polling_sint_is_silent),
        CASE(synic_event_checks_its_caller),
        CASE_BELOW(synic_event_below_raises_the_sint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
