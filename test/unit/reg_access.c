/* SPDX-License-Identifier: BSD-2-Clause */
/* M28, C23: what is not announced, not known, or not accessible that way is refused. */
#include "core_rig.h"

static void
start(uint64_t set)
{
    fake_fini(&f);
    fake_init(&f);
    f.config.features.set = set;
    fake_start(&f);
}

/* Each feature, and a register that comes and goes with it. */
static const struct {
    enum enlh_feature feature;
    uint32_t reg;
    uint64_t needs;
} owned[] = {
    {ENLH_F_VPINDEX, ENL_REG_VP_INDEX, 0},
    {ENLH_F_RUNTIME, ENL_REG_VP_RUNTIME, 0},
    {ENLH_F_TIME, ENL_REG_TIME_REF_COUNT, 0},
    {ENLH_F_TIME, ENL_REG_REFERENCE_TSC, 0},
    {ENLH_F_FREQUENCIES, ENL_REG_TSC_FREQUENCY, 0},
    {ENLH_F_FREQUENCIES, ENL_REG_APIC_FREQUENCY, 0},
    {ENLH_F_SYNIC, ENL_REG_SCONTROL, ENLH_F_BIT(ENLH_F_VPINDEX)},
    {ENLH_F_SYNIC, ENL_REG_SVERSION, ENLH_F_BIT(ENLH_F_VPINDEX)},
    {ENLH_F_SYNIC, ENL_REG_SIMP, ENLH_F_BIT(ENLH_F_VPINDEX)},
    {ENLH_F_SYNIC, ENL_REG_SIEFP, ENLH_F_BIT(ENLH_F_VPINDEX)},
    {ENLH_F_SYNIC, ENL_REG_EOM, ENLH_F_BIT(ENLH_F_VPINDEX)},
    {ENLH_F_SYNIC, ENL_REG_SINT15, ENLH_F_BIT(ENLH_F_VPINDEX)},
    {ENLH_F_STIMER, ENL_REG_STIMER0_CONFIG,
     ENLH_F_BIT(ENLH_F_VPINDEX) | ENLH_F_BIT(ENLH_F_SYNIC) | ENLH_F_BIT(ENLH_F_TIME)},
    {ENLH_F_CRASH, ENL_REG_CRASH_CTL, 0},
    {ENLH_F_CRASH, ENL_REG_CRASH_P4, 0},
    {ENLH_F_RESET, ENL_REG_RESET, 0},
    {ENLH_F_REENLIGHTENMENT, ENL_REG_REENLIGHTENMENT_CONTROL, 0},
    {ENLH_F_REENLIGHTENMENT, ENL_REG_TSC_EMULATION_STATUS, 0},
    {ENLH_F_TSC_INVARIANT, ENL_REG_TSC_INVARIANT_CONTROL, 0},
};

static void
reg_comes_and_goes_with_its_feature(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
        uint64_t without = ENLH_F_BIT(ENLH_F_BASE) | owned[i].needs;

        start(without);
        assert_err(rig_get(0, owned[i].reg), ENL_E_ACCESS);
        assert_err(rig_set(0, owned[i].reg, 0), ENL_E_ACCESS);
        assert_int_equal(rig_counters().register_faults, 2);
        start(without | ENLH_F_BIT(owned[i].feature));
        assert_int_equal(rig_get(0, owned[i].reg), 0);
    }
}

static void
reg_none_answers_nothing(void **state)
{
    (void)state;
    start(0);
    for (uint32_t reg = 0x90000; reg < 0x90020; reg++) {
        assert_true(rig_get(0, reg) < 0);
        assert_true(rig_set(0, reg, 0) < 0);
    }
}

static void
reg_read_only_refuses_a_write(void **state)
{
    static const uint32_t read_only[] = {ENL_REG_VP_INDEX,       ENL_REG_VP_RUNTIME,
                                         ENL_REG_TIME_REF_COUNT, ENL_REG_TSC_FREQUENCY,
                                         ENL_REG_APIC_FREQUENCY, ENL_REG_SVERSION};

    (void)state;
    for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
        for (uint64_t value = 0; value < 0x20000; value += 0xf3)
            assert_err(rig_set(0, read_only[i], value), ENL_E_INVAL);
        assert_int_equal(rig_get(0, read_only[i]), 0);
    }
}

static void
reg_unknown_is_refused(void **state)
{
    static const uint32_t unknown[] = {0,
                                       0x90005,
                                       0xa0015,
                                       0xb0008,
                                       ENL_REG_SINT0 - 1,
                                       ENL_REG_GUEST_IDLE,
                                       ENL_REG_SIRBP,
                                       UINT32_MAX,
                                       ENL_REG_TSC_INVARIANT_CONTROL + 1};

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_err(rig_get(0, unknown[i]), ENL_E_NOENT);
        assert_err(rig_set(0, unknown[i], 0), ENL_E_NOENT);
    }
}

/* Linux writes these before it says who it is. */
static void
reg_early_writes_need_no_guest_os_id(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, 0);
    assert_int_equal(fake_get(&f, 1, ENL_REG_VP_INDEX), 1);
    assert_int_equal(rig_set(0, ENL_REG_REFERENCE_TSC, 0x200001), 0);
    assert_int_equal(rig_set(0, ENL_REG_VP_ASSIST_PAGE, 0x201001), 0);
}

/* Seen: Linux writes VP_ASSIST_PAGE whatever its privileges are. */
static void
reg_assist_page_needs_only_the_base(void **state)
{
    (void)state;
    start(ENLH_F_BIT(ENLH_F_BASE));
    assert_int_equal(rig_set(0, ENL_REG_VP_ASSIST_PAGE, 0x201001), 0);
    assert_err(rig_set(0, ENL_REG_EOI, 0), ENL_E_ACCESS);
}

/* Where a hypervisor below has them, the core has none of these. */
static void
reg_below_has_synic_and_timers(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        assert_err(rig_set(0, ENL_REG_SINT0 + i, ENL_SINT_MASKED), ENL_E_NOENT);
    assert_err(rig_get(0, ENL_REG_SCONTROL), ENL_E_NOENT);
    assert_err(rig_set(0, ENL_REG_SIMP, 0x200001), ENL_E_NOENT);
    assert_err(rig_set(0, ENL_REG_EOM, 0), ENL_E_NOENT);
    assert_err(rig_set(0, ENL_REG_STIMER0_COUNT, 1), ENL_E_NOENT);
    assert_int_equal(rig_set(0, ENL_REG_CRASH_P0, 1), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reg_comes_and_goes_with_its_feature),
        CASE(reg_none_answers_nothing),
        CASE(reg_read_only_refuses_a_write),
        CASE(reg_unknown_is_refused),
        CASE(reg_early_writes_need_no_guest_os_id),
        CASE(reg_assist_page_needs_only_the_base),
        CASE_BELOW(reg_below_has_synic_and_timers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
