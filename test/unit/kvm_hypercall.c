/* SPDX-License-Identifier: BSD-2-Clause */
/* H01, H50, K04: hypercalls by port and by KVM's exit, and who may make them. */
#include "fake_kvm.h"

#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/msr.h"

#define TRAP        0xE4u
#define SIGNAL      0xE8u
#define OS_ID       UINT64_C(0x8100000000000001)
#define SIGNAL_FAST UINT64_C(0x1005D)
#define CONNECTION  0x2001u

static uint32_t signals;

static uint16_t
on_signal(void *ctx, uint32_t connection_id, uint16_t flag)
{
    (void)ctx;
    assert_int_equal(connection_id, CONNECTION);
    assert_int_equal(flag, 0);
    signals++;
    return ENL_HV_STATUS_SUCCESS;
}

static void
start(enum enlk_kind kind)
{
    fake_kvm_init(kind, 1, 0);
    signals = 0;
    assert_int_equal(enlh_port_events(k.partition, CONNECTION, 1, on_signal, NULL), 0);
    assert_int_equal(fake_kvm_wrmsr(0, ENL_MSR_GUEST_OS_ID, OS_ID), 0);
}

static struct kvm_regs *
synced(void)
{
    return &k.vcpu[0].run->s.regs.regs;
}

static void
trap_in_long_mode_takes_rcx_rdx_r8(void **state)
{
    (void)state;
    start(ENLK_USER);
    k.vcpu[0].regs.rcx = SIGNAL_FAST;
    k.vcpu[0].regs.rdx = CONNECTION;
    k.vcpu[0].regs.rax = 77;
    assert_int_equal(fake_kvm_out(0, TRAP, 1, 0), ENLK_EXIT_HANDLED);
    assert_int_equal(signals, 1);
    assert_int_equal(synced()->rax, 0);
    assert_int_equal(k.vcpu[0].run->kvm_dirty_regs, KVM_SYNC_X86_REGS);
    k.vcpu[0].regs.rcx = 0x7FFF;
    assert_int_equal(fake_kvm_out(0, TRAP, 1, 0), ENLK_EXIT_HANDLED);
    assert_int_equal(synced()->rax, ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
    fake_kvm_fini();
}

static void
trap_in_32_bit_mode_takes_register_pairs(void **state)
{
    (void)state;
    start(ENLK_USER);
    k.vcpu[0].sregs.efer = 0;
    k.vcpu[0].regs.rax = SIGNAL_FAST;
    k.vcpu[0].regs.rcx = CONNECTION;
    assert_int_equal(fake_kvm_out(0, TRAP, 1, 0), ENLK_EXIT_HANDLED);
    assert_int_equal(signals, 1);
    k.vcpu[0].regs.rax = 0x7FFF;
    k.vcpu[0].regs.rdx = 0;
    assert_int_equal(fake_kvm_out(0, TRAP, 1, 0), ENLK_EXIT_HANDLED);
    assert_int_equal(synced()->rax, ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
    assert_int_equal(synced()->rdx, 0);
    fake_kvm_fini();
}

static void
assert_refused(uint16_t port, uint8_t size)
{
    k.vcpu[0].regs.rip = 0x1234;
    k.vcpu[0].regs.rcx = SIGNAL_FAST;
    k.vcpu[0].regs.rdx = CONNECTION;
    k.vcpu[0].events.exception.injected = 0;
    assert_int_equal(fake_kvm_out(0, port, size, CONNECTION), ENLK_EXIT_HANDLED);
    assert_int_equal(signals, 0);
    assert_int_equal(k.vcpu[0].events.exception.injected, 1);
    assert_int_equal(k.vcpu[0].events.exception.nr, 6);
    assert_int_equal(k.vcpu[0].regs.rip, 0x1234);
    /* The OUT was finished first, or KVM would skip the first instruction of the handler. */
    assert_int_equal(k.vcpu[0].runs, k.vcpu[0].set_regs);
}

static void
trap_from_user_mode_is_an_undefined_opcode(void **state)
{
    (void)state;
    start(ENLK_USER);
    k.vcpu[0].sregs.ss.dpl = 3;
    assert_refused(TRAP, 1);
    assert_refused(SIGNAL, 4);
    fake_kvm_fini();
}

static void
trap_from_real_mode_is_an_undefined_opcode(void **state)
{
    (void)state;
    start(ENLK_USER);
    k.vcpu[0].sregs.cr0 = 0x60000010;
    k.vcpu[0].sregs.efer = 0;
    assert_refused(TRAP, 1);
    assert_refused(SIGNAL, 4);
    fake_kvm_fini();
}

/* H07: flush, fast, with 24 bytes of input. */
static void
flush_by_xmm(uint64_t features)
{
    fake_kvm_init(ENLK_USER, 1, features);
    assert_int_equal(fake_kvm_wrmsr(0, ENL_MSR_GUEST_OS_ID, OS_ID), 0);
    k.vcpu[0].regs.rip = 0x1234;
    k.vcpu[0].regs.rax = 77;
    k.vcpu[0].regs.rcx = ENL_CALL_FLUSH_SPACE | ENL_HCALL_FAST;
    k.vcpu[0].regs.rdx = 0;
    k.vcpu[0].regs.r8 = ENL_FLUSH_ALL_VPS;
    assert_int_equal(fake_kvm_out(0, TRAP, 1, 0), ENLK_EXIT_HANDLED);
}

#define FLUSHES                                                                          \
    (ENLH_F_BIT(ENLH_F_BASE) | ENLH_F_BIT(ENLH_F_VPINDEX) | ENLH_F_BIT(ENLH_F_TLBFLUSH))

static void
trap_with_xmm_input_is_as_announced(void **state)
{
    (void)state;
    flush_by_xmm(FLUSHES);
    assert_int_equal(k.vcpu[0].events.exception.injected, 1);
    assert_int_equal(k.vcpu[0].events.exception.nr, 6);
    assert_int_equal(k.vcpu[0].regs.rip, 0x1234);
    assert_int_equal(k.vcpu[0].regs.rax, 77);
    fake_kvm_fini();
    flush_by_xmm(FLUSHES | ENLH_F_BIT(ENLH_F_XMM_INPUT));
    assert_int_equal(k.vcpu[0].events.exception.injected, 0);
    assert_int_equal(synced()->rax, ENL_HV_STATUS_SUCCESS);
    fake_kvm_fini();
    /* Whether the call itself is allowed comes first. */
    flush_by_xmm(FLUSHES & ~ENLH_F_BIT(ENLH_F_TLBFLUSH));
    assert_int_equal(k.vcpu[0].events.exception.injected, 0);
    assert_int_equal(synced()->rax, ENL_HV_STATUS_ACCESS_DENIED);
    fake_kvm_fini();
}

static void
signal_port_answers_in_rdx(void **state)
{
    (void)state;
    start(ENLK_USER);
    k.vcpu[0].regs.rdx = SIGNAL;
    assert_int_equal(fake_kvm_out(0, SIGNAL, 4, CONNECTION), ENLK_EXIT_HANDLED);
    assert_int_equal(signals, 1);
    assert_int_equal(k.vcpu[0].run->kvm_dirty_regs, 0);
    assert_int_equal(fake_kvm_out(0, SIGNAL, 4, 0x2002), ENLK_EXIT_HANDLED);
    assert_int_equal(signals, 1);
    assert_int_equal(synced()->rdx, SIGNAL + ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(k.vcpu[0].run->kvm_dirty_regs, KVM_SYNC_X86_REGS);
    fake_kvm_fini();
}

static void
trap_other_accesses_are_not_ours(void **state)
{
    (void)state;
    start(ENLK_USER);
    assert_int_equal(fake_kvm_out(0, 0x3F8, 1, 0), ENLK_EXIT_NOT_MINE);
    assert_int_equal(fake_kvm_out(0, TRAP, 2, 0), ENLK_EXIT_NOT_MINE);
    assert_int_equal(fake_kvm_out(0, SIGNAL, 1, 0), ENLK_EXIT_NOT_MINE);
    k.vcpu[0].run->io.direction = KVM_EXIT_IO_IN;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_NOT_MINE);
    fake_kvm_fini();
    start(ENLK_KERNEL);
    assert_int_equal(fake_kvm_out(0, TRAP, 1, 0), ENLK_EXIT_NOT_MINE);
    fake_kvm_fini();
}

static void
kernel_signal_from_memory_is_fast_already(void **state)
{
    struct kvm_run *run;

    (void)state;
    start(ENLK_KERNEL);
    run = k.vcpu[0].run;
    run->exit_reason = KVM_EXIT_HYPERV;
    run->hyperv.type = KVM_EXIT_HYPERV_HCALL;
    run->hyperv.u.hcall.input = ENL_CALL_SIGNAL_EVENT;
    run->hyperv.u.hcall.params[0] = CONNECTION;
    run->hyperv.u.hcall.result = 99;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_HANDLED);
    assert_int_equal(run->hyperv.u.hcall.result, 0);
    assert_int_equal(signals, 1);
    fake_kvm_fini();
}

static void
kernel_unknown_calls_get_their_status(void **state)
{
    struct kvm_run *run;

    (void)state;
    start(ENLK_KERNEL);
    run = k.vcpu[0].run;
    run->exit_reason = KVM_EXIT_HYPERV;
    run->hyperv.type = KVM_EXIT_HYPERV_HCALL;
    run->hyperv.u.hcall.input = 0x7FFF;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_HANDLED);
    assert_int_equal(run->hyperv.u.hcall.result, ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
    run->hyperv.type = KVM_EXIT_HYPERV_SYNDBG;
    assert_int_equal(fake_kvm_exit(0), ENLK_EXIT_NOT_MINE);
    fake_kvm_fini();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_in_long_mode_takes_rcx_rdx_r8),
        cmocka_unit_test(trap_in_32_bit_mode_takes_register_pairs),
        cmocka_unit_test(trap_from_user_mode_is_an_undefined_opcode),
        cmocka_unit_test(trap_from_real_mode_is_an_undefined_opcode),
        cmocka_unit_test(trap_with_xmm_input_is_as_announced),
        cmocka_unit_test(signal_port_answers_in_rdx),
        cmocka_unit_test(trap_other_accesses_are_not_ours),
        cmocka_unit_test(kernel_signal_from_memory_is_fast_already),
        cmocka_unit_test(kernel_unknown_calls_get_their_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
