/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/hypercall.c - hypercalls: from the trap port's registers, and from KVM's exits
 *
 * Run by the guest, on the VP's thread. User engine: a write of AL to the trap port is a
 * hypercall with its input in registers; a dword written to the signal port, where no
 * ioeventfd matched it, is a SignalEvent. The caller's mode is looked at here: user mode or
 * real mode gets #UD [TLFS 3.13]. Kernel engine: KVM has checked that.
 * Tests: test/unit/kvm_hypercall.c, test/guest (H01 to H33).
 */
#include <string.h>
#include <sys/ioctl.h>

#include "enlight/abi/hypercall.h"
#include "kvm/internal.h"

#define CR0_PE         UINT64_C(1)
#define EFER_LMA       (UINT64_C(1) << 10)
#define EXCEPTION_UD   6u
#define CALL_CODE_MASK 0xFFFFu
#define CALL_FAST      (UINT64_C(1) << 16)
#define LOW32          UINT64_C(0xFFFFFFFF)

bool
enlk_hypercall_long_mode(const struct kvm_sregs *sregs)
{
    return (sregs->efer & EFER_LMA) && sregs->cs.l;
}

/* The OUT counts as done once KVM_RUN was entered; the exception belongs before it. */
static void
inject_ud(struct enlk_vcpu *vcpu)
{
    struct kvm_regs regs = vcpu->run->s.regs.regs;
    struct kvm_vcpu_events ev;

    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    ioctl(vcpu->fd, KVM_RUN, 0);
    vcpu->unfinished = false;
    memset(&ev, 0, sizeof(ev));
    if (ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &ev) < 0)
        return;
    ioctl(vcpu->fd, KVM_SET_REGS, &regs);
    ev.exception.injected = 1;
    ev.exception.nr = EXCEPTION_UD;
    ev.exception.has_error_code = 0;
    ev.flags = 0;
    ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev);
}

static bool
caller_may(const struct kvm_sregs *sregs)
{
    return (sregs->cr0 & CR0_PE) && sregs->ss.dpl == 0;
}

/* Six registers of 16 bytes, as twelve words. */
static bool
read_xmm(struct enlk_vcpu *vcpu, uint64_t words[12])
{
    struct kvm_fpu fpu;

    if (ioctl(vcpu->fd, KVM_GET_FPU, &fpu) < 0)
        return false;
    memcpy(words, fpu.xmm, 12 * sizeof(words[0]));
    return true;
}

static bool
wants_xmm(const struct enlk_vcpu *vcpu, uint64_t control)
{
    uint64_t code = control & CALL_CODE_MASK;

    return vcpu->engine->xmm && (control & CALL_FAST) && code != ENL_CALL_SIGNAL_EVENT &&
           code != ENL_CALL_NOTIFY_LONG_SPIN_WAIT;
}

static uint64_t
dispatch(struct enlk_vcpu *vcpu, struct enlh_hypercall *call)
{
    uint64_t words[12];

    if (wants_xmm(vcpu, call->control) && read_xmm(vcpu, words))
        call->xmm = words;
    return enlh_vp_hypercall(vcpu->vp, call);
}

/* Calls whose input is longer than two registers, and may come fast. */
static bool
is_longer_than_registers(uint64_t code)
{
    return code == ENL_CALL_FLUSH_SPACE || code == ENL_CALL_FLUSH_LIST ||
           code == ENL_CALL_FLUSH_SPACE_EX || code == ENL_CALL_FLUSH_LIST_EX ||
           code == ENL_CALL_SEND_IPI_EX;
}

/* [TLFS 3.7.2] XMM input that is not announced is #UD, once the call itself is allowed. */
static bool
is_unannounced_xmm(const struct enlk_vcpu *vcpu, uint64_t control, uint64_t result)
{
    return !vcpu->engine->xmm && (control & CALL_FAST) &&
           (result & ENL_HCALL_STATUS) == ENL_HV_STATUS_INVALID_HYPERCALL_INPUT &&
           is_longer_than_registers(control & CALL_CODE_MASK);
}

static void
trap(struct enlk_vcpu *vcpu, bool long_mode)
{
    struct kvm_regs *r = &vcpu->run->s.regs.regs;
    struct enlh_hypercall call;
    uint64_t result;

    memset(&call, 0, sizeof(call));
    if (long_mode) {
        call.control = r->rcx;
        call.input = r->rdx;
        call.output = r->r8;
    } else {
        call.control = (r->rdx & LOW32) << 32 | (r->rax & LOW32);
        call.input = (r->rbx & LOW32) << 32 | (r->rcx & LOW32);
        call.output = (r->rdi & LOW32) << 32 | (r->rsi & LOW32);
    }
    enlk_count(&vcpu->engine->counters.hypercall_exits);
    result = dispatch(vcpu, &call);
    if (is_unannounced_xmm(vcpu, call.control, result)) {
        inject_ud(vcpu);
        return;
    }
    if (long_mode) {
        r->rax = result;
    } else {
        r->rax = result & LOW32;
        r->rdx = result >> 32;
    }
    vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

/*
 * The page's code has put the port into RDX, and answers its caller with what RDX has
 * gained meanwhile. Success needs nothing.
 */
static void
signal_event(struct enlk_vcpu *vcpu, uint32_t connection_id)
{
    struct kvm_regs *r = &vcpu->run->s.regs.regs;
    struct enlh_hypercall call;
    uint64_t result;

    memset(&call, 0, sizeof(call));
    call.control = ENLK_SIGNAL_EVENT_FAST;
    call.input = connection_id;
    enlk_count(&vcpu->engine->counters.signal_exits);
    result = enlh_vp_hypercall(vcpu->vp, &call);
    if (result == 0)
        return;
    r->rdx += result;
    vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

enum enlk_exit
enlk_hypercall_port(struct enlk_vcpu *vcpu)
{
    const struct enlk_config *config = &vcpu->engine->config;
    struct kvm_run *run = vcpu->run;
    struct kvm_sregs sregs;
    bool is_trap = run->io.port == config->trap_port && run->io.size == 1;
    bool is_signal = run->io.port == config->signal_port && run->io.size == 4;
    uint32_t data = 0;

    if (config->kind != ENLK_USER || run->io.direction != KVM_EXIT_IO_OUT ||
        run->io.count != 1 || !(is_trap || is_signal))
        return ENLK_EXIT_NOT_MINE;
    if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0 || !caller_may(&sregs)) {
        inject_ud(vcpu);
        return ENLK_EXIT_HANDLED;
    }
    if (is_trap) {
        trap(vcpu, enlk_hypercall_long_mode(&sregs));
        return ENLK_EXIT_HANDLED;
    }
    memcpy(&data, (const char *)run + run->io.data_offset, sizeof(data));
    signal_event(vcpu, data);
    return ENLK_EXIT_HANDLED;
}

/*
 * Seen: KVM turns a SignalEvent with its input in memory into the fast form, without
 * saying so in the control word.
 */
enum enlk_exit
enlk_hypercall_kernel(struct enlk_vcpu *vcpu)
{
    struct kvm_hyperv_exit *hv = &vcpu->run->hyperv;
    struct enlh_hypercall call;

    memset(&call, 0, sizeof(call));
    call.control = hv->u.hcall.input;
    call.input = hv->u.hcall.params[0];
    call.output = hv->u.hcall.params[1];
    if ((call.control & CALL_CODE_MASK) == ENL_CALL_SIGNAL_EVENT)
        call.control |= CALL_FAST;
    enlk_count(&vcpu->engine->counters.hypercall_exits);
    hv->u.hcall.result = dispatch(vcpu, &call);
    return ENLK_EXIT_HANDLED;
}
