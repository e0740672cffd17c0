/* SPDX-License-Identifier: BSD-2-Clause */
/* K01, K05: which engine can run, what it serves, and how a lack is named. */
#include "fake_kvm.h"

#include <string.h>

#include "enlight/abi/cpuid.h"

static struct enlk_caps caps;

static void
probe(void)
{
    memset(&k, 0, sizeof(k));
    k.kvm_absent = FAKE_ALL;
    k.vm_fd = 1000; /* no real descriptor: the fake answers it */
    k.hv_count = 3;
    k.hv[0] = (struct kvm_cpuid_entry2){.function = ENL_CPUID_BASE, .eax = 0x40000005};
    k.hv[1] = (struct kvm_cpuid_entry2){
        .function = ENL_CPUID_FEATURES, .eax = 0xFFFF, .ebx = 0xFFF0, .edx = 0xFFFFFFFF};
    k.hv[2] = (struct kvm_cpuid_entry2){.function = ENL_CPUID_HINTS, .eax = 0xFFFF};
}

static void
caps_whole_kvm_runs_both(void **state)
{
    (void)state;
    probe();
    enlk_caps_probe(k.vm_fd, k.vm_fd, &caps);
    assert_null(enlk_caps_missing(&caps, ENLK_USER));
    assert_null(enlk_caps_missing(&caps, ENLK_KERNEL));
    assert_int_equal(enlk_caps_choose(&caps, ENLK_AUTO), ENLK_KERNEL);
    assert_int_equal(enlk_caps_choose(&caps, ENLK_USER), ENLK_USER);
}

static void
caps_without_hyperv_the_user_engine_is_chosen(void **state)
{
    (void)state;
    probe();
    k.kvm_absent = KVM_CAP_HYPERV_SYNIC2;
    enlk_caps_probe(k.vm_fd, k.vm_fd, &caps);
    assert_string_equal(enlk_caps_missing(&caps, ENLK_KERNEL), "KVM_CAP_HYPERV_SYNIC2");
    assert_null(enlk_caps_missing(&caps, ENLK_AUTO));
    assert_int_equal(enlk_caps_choose(&caps, ENLK_AUTO), ENLK_USER);
}

static void
caps_a_lack_is_named(void **state)
{
    static const struct {
        uint64_t cap;
        const char *name;
    } needs[] = {
        {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
        {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
        {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
        {KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR"},
        {KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER"},
        {KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"},
        {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
        probe();
        k.kvm_absent = needs[i].cap;
        enlk_caps_probe(k.vm_fd, k.vm_fd, &caps);
        assert_string_equal(enlk_caps_missing(&caps, ENLK_AUTO), needs[i].name);
        assert_string_equal(enlk_caps_missing(&caps, ENLK_USER), needs[i].name);
        assert_string_equal(enlk_caps_missing(&caps, ENLK_KERNEL), needs[i].name);
    }
}

static void
caps_kernel_serves_what_kvm_announces(void **state)
{
    uint64_t set;

    (void)state;
    probe();
    enlk_caps_probe(k.vm_fd, k.vm_fd, &caps);
    set = enlk_caps_features(&caps, ENLK_KERNEL);
    assert_true(set & ENLH_F_BIT(ENLH_F_STIMER_DIRECT));
    assert_true(set & ENLH_F_BIT(ENLH_F_TLBFLUSH));
    assert_true(set & ENLH_F_BIT(ENLH_F_VAPIC));
    assert_false(set & ENLH_F_BIT(ENLH_F_NESTED));
    k.hv[2].eax = 0;
    k.hv[1].edx = 0;
    enlk_caps_probe(k.vm_fd, k.vm_fd, &caps);
    set = enlk_caps_features(&caps, ENLK_KERNEL);
    assert_true(set & ENLH_F_BIT(ENLH_F_STIMER));
    assert_false(set & ENLH_F_BIT(ENLH_F_STIMER_DIRECT));
    assert_false(set & ENLH_F_BIT(ENLH_F_TLBFLUSH));
    assert_false(set & ENLH_F_BIT(ENLH_F_IPI));
    assert_false(set & ENLH_F_BIT(ENLH_F_FREQUENCIES));
}

static void
caps_user_hints_that_cost_are_told(void **state)
{
    uint64_t costly;

    (void)state;
    probe();
    enlk_caps_probe(k.vm_fd, k.vm_fd, &caps);
    costly = enlk_caps_costly(&caps, ENLK_USER);
    assert_int_equal(enlk_caps_costly(&caps, ENLK_KERNEL), 0);
    assert_true(costly & ENLH_F_BIT(ENLH_F_TLBFLUSH));
    assert_true(costly & ENLH_F_BIT(ENLH_F_IPI));
    assert_int_equal(costly & ~enlk_caps_features(&caps, ENLK_USER), 0);
    assert_false(enlk_caps_features(&caps, ENLK_USER) & ENLH_F_BIT(ENLH_F_VAPIC));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caps_whole_kvm_runs_both),
        cmocka_unit_test(caps_without_hyperv_the_user_engine_is_chosen),
        cmocka_unit_test(caps_a_lack_is_named),
        cmocka_unit_test(caps_kernel_serves_what_kvm_announces),
        cmocka_unit_test(caps_user_hints_that_cost_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
