/* SPDX-License-Identifier: BSD-2-Clause */
/* T01, T13, M05, M06, M08, M24, M26: the clocks that are read by register. */
#include "core_rig.h"

static void
clock_counts_the_embedders_time_on_every_vp(void **state)
{
    (void)state;
    f.now_100ns = 123456;
    assert_int_equal(fake_get(&f, 0, ENL_REG_TIME_REF_COUNT), 123456);
    f.now_100ns = 123457;
    assert_int_equal(fake_get(&f, 1, ENL_REG_TIME_REF_COUNT), 123457);
}

static void
clock_tells_frequencies_and_run_time(void **state)
{
    (void)state;
    assert_int_equal(fake_get(&f, 0, ENL_REG_TSC_FREQUENCY), 3000000000u);
    assert_int_equal(fake_get(&f, 0, ENL_REG_APIC_FREQUENCY), 1000000000u);
    f.runtime_100ns = 500;
    assert_int_equal(fake_get(&f, 0, ENL_REG_VP_RUNTIME), 500);
    assert_int_equal(fake_get(&f, 1, ENL_REG_VP_RUNTIME), 501);
}

static void
clock_invariant_tsc_stays_once_set(void **state)
{
    (void)state;
    assert_int_equal(fake_get(&f, 0, ENL_REG_TSC_INVARIANT_CONTROL), 0);
    assert_err(rig_set(0, ENL_REG_TSC_INVARIANT_CONTROL, 3), ENL_E_INVAL);
    assert_int_equal(fake_get(&f, 0, ENL_REG_TSC_INVARIANT_CONTROL), 0);
    fake_set(&f, 0, ENL_REG_TSC_INVARIANT_CONTROL, 1);
    fake_set(&f, 1, ENL_REG_TSC_INVARIANT_CONTROL, 0);
    assert_int_equal(fake_get(&f, 1, ENL_REG_TSC_INVARIANT_CONTROL), 1);
    enlh_partition_reset(f.partition);
    assert_int_equal(fake_get(&f, 0, ENL_REG_TSC_INVARIANT_CONTROL), 0);
}

static void
clock_keeps_reenlightenment(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_REENLIGHTENMENT_CONTROL, 0x1000100ee);
    fake_set(&f, 0, ENL_REG_TSC_EMULATION_CONTROL, 1);
    fake_set(&f, 0, ENL_REG_TSC_EMULATION_STATUS, 0);
    assert_int_equal(fake_get(&f, 1, ENL_REG_REENLIGHTENMENT_CONTROL), 0x1000100ee);
    assert_int_equal(fake_get(&f, 1, ENL_REG_TSC_EMULATION_CONTROL), 1);
    enlh_partition_reset(f.partition);
    assert_int_equal(fake_get(&f, 0, ENL_REG_REENLIGHTENMENT_CONTROL), 0);
    assert_int_equal(fake_get(&f, 0, ENL_REG_TSC_EMULATION_CONTROL), 0);
}

/* The hypervisor below must hear of it, and may refuse. */
static void
clock_invariant_tsc_is_forwarded(void **state)
{
    (void)state;
    fake_set(&f, 1, ENL_REG_TSC_INVARIANT_CONTROL, 1);
    assert_int_equal(f.forward_count, 1);
    assert_int_equal(f.forward[0].reg, ENL_REG_TSC_INVARIANT_CONTROL);
    assert_int_equal(f.forward[0].vp, 1);
    assert_int_equal(f.forward[0].value, 1);
    enlh_partition_reset(f.partition);
    f.forward_result = -1;
    assert_err(rig_set(0, ENL_REG_TSC_INVARIANT_CONTROL, 1), ENL_E_INVAL);
    assert_int_equal(fake_get(&f, 0, ENL_REG_TSC_INVARIANT_CONTROL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(clock_counts_the_embedders_time_on_every_vp),
        CASE(clock_tells_frequencies_and_run_time),
        CASE(clock_invariant_tsc_stays_once_set),
        CASE(clock_keeps_reenlightenment),
        CASE_BELOW(clock_invariant_tsc_is_forwarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
