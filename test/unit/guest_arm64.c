/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_arm64.c - what arm64's registers announce, in the words of CPUID
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "enlight/abi/register.h"
#include "enlight/guest/arm64.h"

static void
leaf_has_its_register(void **state)
{
    (void)state;
    assert_int_equal(enlg_arm64_reg_of(ENL_CPUID_VERSION), 0x100);
    assert_int_equal(enlg_arm64_reg_of(ENL_CPUID_FEATURES), 0x200);
    assert_int_equal(enlg_arm64_reg_of(ENL_CPUID_HINTS), 0x201);
    assert_int_equal(enlg_arm64_reg_of(ENL_CPUID_LIMITS), 0x202);
    assert_int_equal(enlg_arm64_reg_of(ENL_CPUID_BASE), 0);
    assert_int_equal(enlg_arm64_reg_of(1), 0);
}

static void
features_are_in_the_third_word(void **state)
{
    struct enl_cpuid_leaf w = {ENL_PRIV_SYNIC, 0x30, 1u << 8 | 1u << 13, 0xFFFFFFFF};

    (void)state;
    enlg_arm64_translate(ENL_CPUID_FEATURES, &w);
    assert_int_equal(w.eax, ENL_PRIV_SYNIC | ENL_PRIV_HYPERCALL | ENL_PRIV_VP_INDEX);
    assert_int_equal(w.ebx, 0x30);
    assert_int_equal(w.ecx, 0);
    assert_int_equal(w.edx, ENL_FEAT_CRASH | ENL_FEAT_DIRECT_STIMER | ENL_FEAT_XMM_INPUT);
    w = (struct enl_cpuid_leaf){0, 0, 1u << 3 | 1u << 6 | 1u << 12, 0};
    enlg_arm64_translate(ENL_CPUID_FEATURES, &w);
    assert_int_equal(w.edx, ENL_FEAT_GUEST_IDLE | ENL_FEAT_FREQUENCY |
                                ENL_FEAT_SINT_POLLING | ENL_FEAT_XMM_INPUT);
}

static void
hints_have_other_bits_and_no_auto_eoi(void **state)
{
    struct enl_cpuid_leaf w = {0xFFFFFFFF, 77, 48, 0};

    (void)state;
    enlg_arm64_translate(ENL_CPUID_HINTS, &w);
    assert_int_equal(w.eax, ENL_HINT_NO_AUTO_EOI | ENL_HINT_RESET_MSR |
                                ENL_HINT_RELAXED_TIMING | ENL_HINT_CLUSTER_IPI |
                                ENL_HINT_EX_PROCESSOR_MASKS | ENL_HINT_NESTED);
    assert_int_equal(w.ebx, 77);
    assert_int_equal(w.ecx, 48);
    /* 1 << 2 is a remote TLB flush on x86. */
    w.eax = 1u << 2;
    enlg_arm64_translate(ENL_CPUID_HINTS, &w);
    assert_int_equal(w.eax, ENL_HINT_NO_AUTO_EOI | ENL_HINT_CLUSTER_IPI);
}

static void
other_leaves_are_the_same(void **state)
{
    struct enl_cpuid_leaf w = {1, 2, 3, 4};

    (void)state;
    enlg_arm64_translate(ENL_CPUID_VERSION, &w);
    enlg_arm64_translate(ENL_CPUID_LIMITS, &w);
    assert_true(w.eax == 1 && w.ebx == 2 && w.ecx == 3 && w.edx == 4);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf_has_its_register),
        cmocka_unit_test(features_are_in_the_third_word),
        cmocka_unit_test(hints_have_other_bits_and_no_auto_eoi),
        cmocka_unit_test(other_leaves_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
