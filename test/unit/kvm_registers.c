/* SPDX-License-Identifier: BSD-2-Clause */
/* M01 to M28: which MSRs come here, which go on to KVM, and what a reset writes. */
#include "fake_kvm.h"

#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"

static bool
is_filtered(uint32_t msr)
{
    for (uint32_t i = 0; i < 16; i++) {
        const struct kvm_msr_filter_range *range = &k.filter.ranges[i];

        if (msr >= range->base && msr - range->base < range->nmsrs)
            return !(range->bitmap[(msr - range->base) / 8] &
                     1u << (msr - range->base) % 8);
    }
    return false;
}

static void
user_engine_filters_the_whole_range(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++)
        assert_true(is_filtered(msr));
    assert_false(is_filtered(0x3FFFFFFF));
    assert_false(is_filtered(0x40000200));
    assert_int_equal(k.vcpu[0].cap_count, 0);
    fake_kvm_fini();
}

static void
kernel_engine_filters_pages_crash_and_tsc(void **state)
{
    uint32_t count = 0;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 1, 0);
    for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++)
        count += is_filtered(msr);
    assert_int_equal(count, 2 + 1 + 1 + 6 + 1);
    assert_true(is_filtered(ENL_MSR_HYPERCALL));
    assert_true(is_filtered(ENL_MSR_CRASH_CTL));
    assert_false(is_filtered(ENL_MSR_STIMER0_CONFIG));
    assert_int_equal(k.vcpu[0].caps[0], KVM_CAP_HYPERV_SYNIC2);
    fake_kvm_fini();
}

/* S22: KVM turns it on with the capability. */
static void
kernel_engine_starts_with_scontrol_off(void **state)
{
    uint64_t value = 1;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 2, 0);
    for (uint32_t vp = 0; vp < 2; vp++) {
        assert_true(fake_kvm_msr(vp, ENL_MSR_SCONTROL, &value));
        assert_int_equal(value, 0);
    }
    fake_kvm_fini();
}

static void
registers_are_answered_and_refused(void **state)
{
    uint64_t value = 0;

    (void)state;
    fake_kvm_init(ENLK_USER, 2, 0);
    assert_int_equal(fake_kvm_rdmsr(1, ENL_MSR_VP_INDEX, &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(fake_kvm_wrmsr(1, ENL_MSR_VP_INDEX, 5), 1);
    assert_int_equal(fake_kvm_rdmsr(0, 0x400001FF, &value), 1);
    assert_int_equal(fake_kvm_rdmsr(0, ENL_MSR_TSC_FREQUENCY, &value), 0);
    assert_int_equal(value, UINT64_C(2000000000));
    fake_kvm_fini();
}

static void
registers_of_others_are_not_ours(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    k.vcpu[0].run->exit_reason = KVM_EXIT_X86_RDMSR;
    k.vcpu[0].run->msr.index = 0x40000200;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_NOT_MINE);
    k.vcpu[0].run->msr.index = 0x10;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_NOT_MINE);
    fake_kvm_fini();
}

static void
kernel_engine_forwards_what_the_core_took(void **state)
{
    uint64_t value = 0;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 2, 0);
    assert_int_equal(fake_kvm_wrmsr(1, ENL_MSR_GUEST_OS_ID, 0x8100000000000001), 0);
    assert_true(fake_kvm_msr(1, ENL_MSR_GUEST_OS_ID, &value));
    assert_int_equal(value, 0x8100000000000001);
    assert_false(fake_kvm_msr(0, ENL_MSR_GUEST_OS_ID, &value));
    assert_int_equal(fake_kvm_wrmsr(1, ENL_MSR_HYPERCALL, 0x5001), 0);
    assert_true(fake_kvm_msr(1, ENL_MSR_HYPERCALL, &value));
    assert_int_equal(value & ~UINT64_C(2), 0x5001);
    /* A page outside of RAM is #GP, and KVM never hears of it. */
    assert_int_equal(fake_kvm_wrmsr(1, ENL_MSR_REFERENCE_TSC, 0xFFFFF001), 1);
    assert_false(fake_kvm_msr(1, ENL_MSR_REFERENCE_TSC, &value));
    fake_kvm_fini();
}

static void
user_engine_writes_the_page_for_the_callers_mode(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    assert_int_equal(fake_kvm_wrmsr(0, ENL_MSR_GUEST_OS_ID, 0x8100000000000001), 0);
    assert_int_equal(fake_kvm_wrmsr(0, ENL_MSR_HYPERCALL, 0x5001), 0);
    assert_memory_equal(k.memory + 0x5000, "\xf3\x0f\x1e\xfa", 4); /* endbr64 */
    assert_int_equal(fake_kvm_wrmsr(0, ENL_MSR_HYPERCALL, 0), 0);
    k.vcpu[0].sregs.efer = 0;
    assert_int_equal(fake_kvm_wrmsr(0, ENL_MSR_HYPERCALL, 0x5001), 0);
    assert_memory_equal(k.memory + 0x5000, "\xf3\x0f\x1e\xfb", 4); /* endbr32 */
    fake_kvm_fini();
}

static void
reset_writes_every_register_that_kvm_keeps(void **state)
{
    static const uint32_t zero[] = {
        ENL_MSR_SIMP,
        ENL_MSR_SIEFP,
        ENL_MSR_SCONTROL,
        ENL_MSR_VP_ASSIST_PAGE,
    };
    uint64_t value = 1;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 2, 0);
    enlk_engine_reset(k.engine);
    for (uint32_t vp = 0; vp < 2; vp++) {
        for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
            assert_true(fake_kvm_msr(vp, zero[i], &value));
            assert_int_equal(value, 0);
        }
        for (uint32_t n = 0; n < 8; n++) {
            assert_true(fake_kvm_msr(vp, ENL_MSR_STIMER0_CONFIG + n, &value));
            assert_int_equal(value, 0);
        }
        for (uint32_t n = 0; n < 16; n++) {
            assert_true(fake_kvm_msr(vp, ENL_MSR_SINT0 + n, &value));
            assert_int_equal(value, 0x10000);
        }
    }
    assert_true(fake_kvm_msr(0, ENL_MSR_GUEST_OS_ID, &value));
    assert_true(fake_kvm_msr(0, ENL_MSR_HYPERCALL, &value));
    assert_true(fake_kvm_msr(0, ENL_MSR_REFERENCE_TSC, &value));
    fake_kvm_fini();
}

static void
reset_by_register_is_told(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_KERNEL, 1, 0);
    k.vcpu[0].run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    k.vcpu[0].run->system_event.type = KVM_SYSTEM_EVENT_RESET;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_HANDLED);
    assert_int_equal(k.events, 1);
    assert_int_equal(k.event, ENLH_EVENT_RESET);
    k.vcpu[0].run->system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_NOT_MINE);
    fake_kvm_fini();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_engine_filters_the_whole_range),
        cmocka_unit_test(kernel_engine_filters_pages_crash_and_tsc),
        cmocka_unit_test(kernel_engine_starts_with_scontrol_off),
        cmocka_unit_test(registers_are_answered_and_refused),
        cmocka_unit_test(registers_of_others_are_not_ours),
        cmocka_unit_test(kernel_engine_forwards_what_the_core_took),
        cmocka_unit_test(user_engine_writes_the_page_for_the_callers_mode),
        cmocka_unit_test(reset_writes_every_register_that_kvm_keeps),
        cmocka_unit_test(reset_by_register_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
