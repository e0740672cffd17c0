/* SPDX-License-Identifier: BSD-2-Clause */
/* C01 to C05, C33: a vCPU's leaves: the base, the partition's, never KVM's. */
#include "fake_kvm.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/abi/cpuid.h"

static struct kvm_cpuid2 *base;

static void
add(uint32_t function, uint32_t eax, uint32_t edx)
{
    struct kvm_cpuid_entry2 *e = &base->entries[base->nent++];

    e->function = function;
    e->eax = eax;
    e->edx = edx;
}

static int
setup(void **state)
{
    (void)state;
    base = calloc(1, sizeof(*base) + 300 * sizeof(base->entries[0]));
    if (!base)
        return -1;
    add(0, 0x10, 0);
    add(1, 0x663, 0);
    add(0x40000000, 0x40000001, 0x4D564B);
    add(0x40000001, 0x01007AFB, 0);
    add(0x80000007, 0, 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    free(base);
    return 0;
}

static const struct kvm_cpuid_entry2 *
leaf(uint32_t function)
{
    for (uint32_t i = 0; i < k.vcpu[0].cpuid_count; i++) {
        if (k.vcpu[0].cpuid[i].function == function)
            return &k.vcpu[0].cpuid[i];
    }
    return NULL;
}

static void
cpuid_has_our_leaves_in_place_of_kvms(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    assert_int_equal(enlk_vcpu_set_cpuid(k.engine, 0, base), 0);
    assert_int_equal(leaf(ENL_CPUID_BASE)->ebx, ENL_VENDOR_EBX);
    assert_true(leaf(ENL_CPUID_BASE)->eax >= ENL_CPUID_LEAF_MIN);
    assert_int_equal(leaf(ENL_CPUID_INTERFACE)->eax, ENL_INTERFACE_SIGNATURE);
    assert_int_equal(leaf(0)->eax, 0x10);
    assert_true(leaf(1)->ecx & ENL_CPUID_1_ECX_HYPERVISOR);
    assert_null(leaf(0x40000100));
    fake_kvm_fini();
}

static void
cpuid_of_no_features_has_no_leaf_and_no_register(void **state)
{
    uint64_t value;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, FAKE_NONE);
    assert_int_equal(enlk_vcpu_set_cpuid(k.engine, 0, base), 0);
    for (uint32_t i = 0; i < k.vcpu[0].cpuid_count; i++)
        assert_int_not_equal(k.vcpu[0].cpuid[i].function >> 28, 4);
    for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++) {
        assert_int_equal(fake_kvm_rdmsr(0, msr, &value), 1);
        assert_int_equal(fake_kvm_wrmsr(0, msr, 0), 1);
    }
    fake_kvm_fini();
}

static void
cpuid_kvm_leaves_only_by_name(void **state)
{
    struct enlh_features features;

    (void)state;
    assert_int_equal(enlh_features_preset("linux", &features), 0);
    fake_kvm_init(ENLK_USER, 1, features.set | ENLH_F_BIT(ENLH_F_KVM_LEAVES));
    assert_int_equal(enlk_vcpu_set_cpuid(k.engine, 0, base), 0);
    assert_int_equal(leaf(0x40000100)->edx, 0x4D564B);
    assert_int_equal(leaf(0x40000101)->eax, 0x01007AFB);
    assert_int_equal(leaf(ENL_CPUID_BASE)->ebx, ENL_VENDOR_EBX);
    fake_kvm_fini();
}

static void
cpuid_invariant_tsc_is_with_its_feature(void **state)
{
    struct enlh_features features;

    (void)state;
    assert_int_equal(enlh_features_preset("linux", &features), 0);
    fake_kvm_init(ENLK_USER, 1, features.set);
    assert_int_equal(enlk_vcpu_set_cpuid(k.engine, 0, base), 0);
    assert_int_equal(leaf(0x80000007)->edx, 0);
    fake_kvm_fini();
    fake_kvm_init(ENLK_USER, 1, features.set | ENLH_F_BIT(ENLH_F_TSC_INVARIANT));
    assert_int_equal(enlk_vcpu_set_cpuid(k.engine, 0, base), 0);
    assert_int_equal(leaf(0x80000007)->edx, 1u << 8);
    fake_kvm_fini();
}

static void
cpuid_kvm_keeps_to_what_is_announced(void **state)
{
    bool hv = false, pv = false;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 1, 0);
    assert_int_equal(enlk_vcpu_set_cpuid(k.engine, 0, base), 0);
    for (uint32_t i = 0; i < k.vcpu[0].cap_count; i++) {
        hv |= k.vcpu[0].caps[i] == KVM_CAP_HYPERV_ENFORCE_CPUID;
        pv |= k.vcpu[0].caps[i] == KVM_CAP_ENFORCE_PV_FEATURE_CPUID;
    }
    assert_true(hv && pv);
    fake_kvm_fini();
}

static void
cpuid_too_many_leaves_are_refused(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    while (base->nent < 256)
        add(0x20, base->nent, 0);
    assert_int_equal(enlk_vcpu_set_cpuid(k.engine, 0, base), -ENL_E_NOSPC);
    fake_kvm_fini();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cpuid_has_our_leaves_in_place_of_kvms, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cpuid_of_no_features_has_no_leaf_and_no_register,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(cpuid_kvm_leaves_only_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(cpuid_invariant_tsc_is_with_its_feature, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cpuid_kvm_keeps_to_what_is_announced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cpuid_too_many_leaves_are_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
