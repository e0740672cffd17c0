/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/vcpu.c - one vCPU: what is set up before it runs, and around each KVM_RUN
 *
 * Run by the embedder: once to add it and give it its CPUID, then on the VP's thread. The
 * guest drives the exits; each costs a bounded amount of work. The CPUID that the guest
 * sees has the partition's leaves in place of KVM's. Seen: Linux takes the hypervisor with
 * the highest base leaf, so KVM's own leaves beside ours would hide ours.
 * Tests: test/unit/kvm_cpuid.c, test/os, test/guest (S22).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "enlight/abi/cpuid.h"
#include "enlight/abi/msr.h"
#include "kvm/internal.h"

#define CPUID_ENTRIES    256u
#define HYPERVISOR_FIRST 0x40000000u
#define HYPERVISOR_LAST  0x4FFFFFFFu
#define KVM_LEAVES       0x40000100u
#define INVARIANT_LEAF   0x80000007u
#define INVARIANT_EDX    (1u << 8)

static int
enable(int fd, uint32_t cap, uint64_t arg)
{
    struct kvm_enable_cap enable_cap;

    memset(&enable_cap, 0, sizeof(enable_cap));
    enable_cap.cap = cap;
    enable_cap.args[0] = arg;
    return ioctl(fd, KVM_ENABLE_CAP, &enable_cap);
}

/* Seen: KVM turns SCONTROL on with the capability; a VP starts with it off. [TLFS 11.8] */
static int
enable_synic(struct enlk_vcpu *vcpu)
{
    if (enable(vcpu->fd, KVM_CAP_HYPERV_SYNIC2, 0) < 0)
        return -ENL_E_IO;
    return enlk_msr_set(vcpu, ENL_MSR_SCONTROL, 0);
}

int
enlk_vcpu_add(struct enlk_engine *engine, uint32_t vp, int vcpu_fd, struct kvm_run *run)
{
    struct enlk_vcpu *vcpu = enlk_vcpu_at(engine, vp);
    int err;

    if (!vcpu)
        return -ENL_E_RANGE;
    vcpu->fd = vcpu_fd;
    vcpu->run = run;
    vcpu->apic_id = vp;
    err = enlk_clock_join(engine, vcpu);
    if (!err && engine->config.kind == ENLK_KERNEL)
        err = enable_synic(vcpu);
    if (!err && engine->config.kind == ENLK_USER) {
        run->kvm_valid_regs = KVM_SYNC_X86_REGS;
        err = enlk_timer_init(vcpu);
    }
    if (!err)
        err = enlk_interrupt_init(vcpu);
    return err;
}

/* ---- CPUID ---- */

static bool
push(struct kvm_cpuid2 *to, const struct kvm_cpuid_entry2 *entry)
{
    if (to->nent >= CPUID_ENTRIES)
        return false;
    to->entries[to->nent++] = *entry;
    return true;
}

static bool
is_synthetic(uint32_t leaf)
{
    return leaf >= HYPERVISOR_FIRST && leaf <= HYPERVISOR_LAST;
}

static bool
announces(const struct enlk_engine *engine, enum enlh_feature feature)
{
    const struct enlh_config *config = enlh_partition_config(engine->partition);

    return config->features.set & ENLH_F_BIT(feature);
}

static void
adapt(const struct enlk_engine *engine, struct enlk_vcpu *vcpu,
      struct kvm_cpuid_entry2 *e)
{
    if (e->function == 1 && announces(engine, ENLH_F_BASE))
        e->ecx |= ENL_CPUID_1_ECX_HYPERVISOR;
    if (e->function == INVARIANT_LEAF && announces(engine, ENLH_F_TSC_INVARIANT))
        e->edx |= INVARIANT_EDX;
    if (e->function == 0xB)
        vcpu->apic_id = e->edx;
}

/* KVM's two leaves, where QEMU has them beside those of Hyper-V. */
static bool
push_kvm_leaf(struct kvm_cpuid2 *to, const struct kvm_cpuid_entry2 *e)
{
    struct kvm_cpuid_entry2 moved = *e;

    moved.function += KVM_LEAVES - HYPERVISOR_FIRST;
    if (e->function == HYPERVISOR_FIRST)
        moved.eax = KVM_LEAVES + 1;
    return push(to, &moved);
}

static bool
merge_base(struct enlk_engine *engine, struct enlk_vcpu *vcpu,
           const struct kvm_cpuid2 *base, struct kvm_cpuid2 *to)
{
    bool kvm_too = announces(engine, ENLH_F_KVM_LEAVES), fits = true;

    for (uint32_t i = 0; fits && i < base->nent; i++) {
        struct kvm_cpuid_entry2 e = base->entries[i];

        if (is_synthetic(e.function)) {
            if (kvm_too && e.function <= HYPERVISOR_FIRST + 1)
                fits = push_kvm_leaf(to, &e);
            continue;
        }
        adapt(engine, vcpu, &e);
        fits = push(to, &e);
    }
    return fits;
}

static bool
merge_synthetic(const struct enlk_engine *engine, struct kvm_cpuid2 *to)
{
    struct enlh_cpuid leaves[16];
    uint32_t count = enlh_x64_cpuid(engine->partition, leaves);
    bool fits = true;

    for (uint32_t i = 0; fits && i < count; i++) {
        struct kvm_cpuid_entry2 e;

        memset(&e, 0, sizeof(e));
        e.function = leaves[i].leaf;
        e.eax = leaves[i].eax;
        e.ebx = leaves[i].ebx;
        e.ecx = leaves[i].ecx;
        e.edx = leaves[i].edx;
        fits = push(to, &e);
    }
    return fits;
}

/* Where the partition shows no Hyper-V, or KVM lacks the capability, there is no harm. */
static int
enforce(struct enlk_engine *engine, struct enlk_vcpu *vcpu)
{
    if (engine->caps.pv_enforce &&
        enable(vcpu->fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1) < 0)
        return -ENL_E_IO;
    if (engine->config.kind == ENLK_KERNEL &&
        enable(vcpu->fd, KVM_CAP_HYPERV_ENFORCE_CPUID, 1) < 0)
        return -ENL_E_IO;
    return 0;
}

int
enlk_vcpu_set_cpuid(struct enlk_engine *engine, uint32_t vp,
                    const struct kvm_cpuid2 *base)
{
    struct enlk_vcpu *vcpu = enlk_vcpu_at(engine, vp);
    struct kvm_cpuid2 *merged;
    int err = 0;

    if (!vcpu)
        return -ENL_E_RANGE;
    merged = calloc(1, sizeof(*merged) + CPUID_ENTRIES * sizeof(merged->entries[0]));
    if (!merged)
        return -ENL_E_NOMEM;
    if (!merge_base(engine, vcpu, base, merged) || !merge_synthetic(engine, merged))
        err = -ENL_E_NOSPC;
    else if (ioctl(vcpu->fd, KVM_SET_CPUID2, merged) < 0)
        err = -ENL_E_IO;
    free(merged);
    return err ? err : enforce(engine, vcpu);
}

/* ---- around KVM_RUN ---- */

void
enlk_vcpu_enter(struct enlk_engine *engine, uint32_t vp)
{
    struct enlk_vcpu *vcpu = &engine->vcpus[vp];

    enlh_vp_enter(vcpu->vp);
    if (engine->config.kind == ENLK_KERNEL)
        enlk_sint_enter(vcpu);
    else
        enlk_interrupt_enter(vcpu);
    atomic_store(&vcpu->running, true);
    enlk_tlb_enter(vcpu);
}

void
enlk_vcpu_leave(struct enlk_engine *engine, uint32_t vp)
{
    atomic_store(&engine->vcpus[vp].running, false);
    engine->vcpus[vp].unfinished = false;
}

static enum enlk_exit
hyperv_exit(struct enlk_vcpu *vcpu)
{
    const struct kvm_hyperv_exit *hv = &vcpu->run->hyperv;

    if (hv->type == KVM_EXIT_HYPERV_HCALL)
        return enlk_hypercall_kernel(vcpu);
    if (hv->type != KVM_EXIT_HYPERV_SYNIC)
        return ENLK_EXIT_NOT_MINE;
    enlk_count(&vcpu->engine->counters.synic_exits);
    /* KVM has taken the value already: a page outside RAM is simply never written. */
    if (enlh_vp_synic_changed(vcpu->vp, hv->u.synic.control, hv->u.synic.evt_page,
                              hv->u.synic.msg_page))
        enlk_log(vcpu->engine, ENLH_LOG_WARN,
                 "the guest put a SynIC page outside its memory");
    return ENLK_EXIT_HANDLED;
}

static enum enlk_exit
system_event(struct enlk_vcpu *vcpu)
{
    struct enlh_event event;

    if (vcpu->run->system_event.type != KVM_SYSTEM_EVENT_RESET)
        return ENLK_EXIT_NOT_MINE;
    memset(&event, 0, sizeof(event));
    event.kind = ENLH_EVENT_RESET;
    event.vp = vcpu->index;
    vcpu->engine->callbacks.event(vcpu->engine->ctx, &event);
    return ENLK_EXIT_HANDLED;
}

static bool
is_access(uint32_t exit_reason)
{
    return exit_reason == KVM_EXIT_IO || exit_reason == KVM_EXIT_MMIO ||
           exit_reason == KVM_EXIT_X86_RDMSR || exit_reason == KVM_EXIT_X86_WRMSR ||
           exit_reason == KVM_EXIT_HYPERV;
}

enum enlk_exit
enlk_vcpu_exit(struct enlk_engine *engine, uint32_t vp)
{
    struct enlk_vcpu *vcpu = &engine->vcpus[vp];

    vcpu->unfinished = is_access(vcpu->run->exit_reason);
    switch (vcpu->run->exit_reason) {
    case KVM_EXIT_IO:
        return enlk_hypercall_port(vcpu);
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        return enlk_msr_exit(vcpu);
    case KVM_EXIT_HYPERV:
        return hyperv_exit(vcpu);
    case KVM_EXIT_SYSTEM_EVENT:
        return system_event(vcpu);
    default:
        return ENLK_EXIT_NOT_MINE;
    }
}
