/* SPDX-License-Identifier: BSD-2-Clause */
/* S01, S15, S22, M12 to M16: the SynIC's registers and what they refuse. */
#include "core_rig.h"

static void
synic_resets_to_off_and_masked(void **state)
{
    (void)state;
    for (uint32_t pass = 0; pass < 2; pass++) {
        assert_int_equal(fake_get(&f, 1, ENL_REG_SCONTROL), 0);
        assert_int_equal(fake_get(&f, 1, ENL_REG_SIMP), 0);
        assert_int_equal(fake_get(&f, 1, ENL_REG_SIEFP), 0);
        assert_int_equal(fake_get(&f, 1, ENL_REG_SVERSION), 1);
        for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
            assert_int_equal(fake_get(&f, 1, ENL_REG_SINT0 + i), 0x10000);
        fake_synic_on(&f, 1, 7);
        enlh_vp_reset(fake_vp(&f, 1));
    }
}

/* M16 */
static void
synic_vector_below_16_is_refused_unless_masked(void **state)
{
    (void)state;
    for (uint32_t vector = 0; vector < 16; vector++) {
        assert_err(rig_set(0, ENL_REG_SINT0 + 2, vector), ENL_E_INVAL);
        assert_err(rig_set(0, ENL_REG_SINT0 + 2, vector | ENL_SINT_AUTO_EOI),
                   ENL_E_INVAL);
        assert_int_equal(fake_get(&f, 0, ENL_REG_SINT0 + 2), ENL_SINT_RESET_VALUE);
        assert_int_equal(rig_set(0, ENL_REG_SINT0 + 3, vector | ENL_SINT_MASKED), 0);
    }
    assert_int_equal(rig_set(0, ENL_REG_SINT0 + 2, 16), 0);
    assert_int_equal(rig_set(0, ENL_REG_SINT0 + 2, 255), 0);
}

static void
synic_registers_are_each_vps_own(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_SINT0 + 2, 0xf3);
    fake_set(&f, 1, ENL_REG_SINT0 + 2, 0x41 | ENL_SINT_AUTO_EOI);
    fake_set(&f, 1, ENL_REG_SCONTROL, 1);
    assert_int_equal(fake_get(&f, 0, ENL_REG_SINT0 + 2), 0xf3);
    assert_int_equal(fake_get(&f, 1, ENL_REG_SINT0 + 2), 0x41 | ENL_SINT_AUTO_EOI);
    assert_int_equal(fake_get(&f, 0, ENL_REG_SCONTROL), 0);
}

static void
synic_registers_keep_reserved_bits(void **state)
{
    uint64_t value = UINT64_C(0xfffffffffff8ff00) | 0xf3;

    (void)state;
    fake_set(&f, 0, ENL_REG_SINT0, value);
    assert_int_equal(fake_get(&f, 0, ENL_REG_SINT0), value);
    fake_set(&f, 0, ENL_REG_SCONTROL, UINT64_MAX);
    assert_int_equal(fake_get(&f, 0, ENL_REG_SCONTROL), UINT64_MAX);
}

static void
synic_eom_reads_as_zero(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_EOM, 0x1234);
    assert_int_equal(fake_get(&f, 0, ENL_REG_EOM), 0);
}

/* The hypervisor below reports the pages: laid, zeroed, and given back. */
static void
synic_below_lays_the_pages_it_is_told(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, 2);
    assert_true(rig_page_is(FAKE_SIMP_GPA(0), 0));
    assert_true(rig_page_is(FAKE_SIEFP_GPA(0), 0));
    assert_int_equal(enlh_vp_signal_event(fake_vp(&f, 0), 2, 9), 1);
    /* The same again changes nothing. */
    fake_synic_on(&f, 0, 2);
    assert_true(fake_take_event(&f, 0, 2, 9));
    fake_synic_off(&f, 0);
    assert_true(rig_page_is(FAKE_SIMP_GPA(0), 0xa5));
    assert_true(rig_page_is(FAKE_SIEFP_GPA(0), 0xa5));
}

static void
synic_below_refuses_a_page_outside_ram(void **state)
{
    (void)state;
    assert_err(enlh_vp_synic_changed(fake_vp(&f, 0), 1, 0, FAKE_RAM_LEN | 1),
               ENL_E_FAULT);
    assert_err(enlh_vp_synic_changed(fake_vp(&f, 0), 1, 0x200001, 0x200001), ENL_E_FAULT);
    assert_err(enlh_vp_signal_event(fake_vp(&f, 0), 2, 9), ENL_E_AGAIN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(synic_resets_to_off_and_masked),
        CASE(synic_vector_below_16_is_refused_unless_masked),
        CASE(synic_registers_are_each_vps_own),
        CASE(synic_registers_keep_reserved_bits),
        CASE(synic_eom_reads_as_zero),
        CASE_BELOW(synic_below_lays_the_pages_it_is_told),
        CASE_BELOW(synic_below_refuses_a_page_outside_ram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
