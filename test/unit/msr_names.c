/* SPDX-License-Identifier: BSD-2-Clause */
/* MSR numbers are other names of registers, and a number without a name is a #GP. */
#include "core_rig.h"

#include "enlight/abi/msr.h"
#include "enlight/host/x86_64.h"

static int
msr_read(uint32_t msr, uint64_t *value)
{
    return enlh_x64_msr_read(fake_vp(&f, 1), msr, value);
}

static int
msr_write(uint32_t msr, uint64_t value)
{
    return enlh_x64_msr_write(fake_vp(&f, 1), msr, value);
}

static void
msr_reaches_its_register(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(msr_read(0x40000000, &value), 0);
    assert_int_equal(value, FAKE_OS_ID);
    assert_int_equal(msr_read(0x40000002, &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(msr_write(0x40000092, 0xf3), 0);
    assert_int_equal(fake_get(&f, 1, ENL_REG_SINT0 + 2), 0xf3);
    assert_int_equal(msr_write(0x400000b7, 77), 0);
    assert_int_equal(fake_get(&f, 1, ENL_REG_STIMER3_COUNT), 77);
    assert_int_equal(msr_write(0x40000104, 9), 0);
    assert_int_equal(fake_get(&f, 1, ENL_REG_CRASH_P4), 9);
}

/* Of every register that has an MSR: no other has the same, and it answers the same. */
static void
msr_names_are_one_to_one(void **state)
{
    static const uint32_t range[][2] = {
        {0x00000, 0x300},
        {0x90000, 0x90020},
        {0xa0000, 0xa0020},
        {0xb0000, 0xb0110},
        {ENL_REG_PRIVATE_FIRST, ENL_REG_PRIVATE_FIRST + 0x20}};
    static bool seen[ENL_MSR_COUNT];
    uint32_t names = 0;

    (void)state;
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < sizeof(range) / sizeof(range[0]); i++) {
        for (uint32_t reg = range[i][0]; reg < range[i][1]; reg++) {
            uint32_t msr = enlh_x64_msr_of(reg);
            uint64_t by_reg = 0, by_msr = 0;

            if (msr == 0)
                continue;
            assert_in_range(msr, ENL_MSR_FIRST, ENL_MSR_FIRST + ENL_MSR_COUNT - 1);
            assert_false(seen[msr - ENL_MSR_FIRST]);
            seen[msr - ENL_MSR_FIRST] = true;
            assert_int_equal(msr_read(msr, &by_msr),
                             enlh_vp_get_reg(fake_vp(&f, 1), reg, &by_reg));
            assert_int_equal(by_msr, by_reg);
            names++;
        }
    }
    /* 13 of the base, 5 of the SynIC, 16 SINTs, 8 of the timers, 6 and 4 more. */
    assert_int_equal(names, 13 + 5 + 16 + 8 + 6 + 4);
    assert_int_equal(enlh_x64_msr_of(ENL_REG_GUEST_IDLE), 0);
}

static void
msr_without_a_name_is_refused(void **state)
{
    static const uint32_t unknown[] = {0x40000004, 0x4000001f, 0x40000040, 0x400000a0,
                                       0x400000b8, 0x400000f0, 0x40000114, 0x40000fff,
                                       0x40001080, 0,          0xffffffff};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_err(msr_read(unknown[i], &value), ENL_E_NOENT);
        assert_err(msr_write(unknown[i], 0), ENL_E_NOENT);
    }
    assert_int_equal(rig_counters().register_faults, 2 * 11);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(msr_reaches_its_register),
        CASE(msr_names_are_one_to_one),
        CASE(msr_without_a_name_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
