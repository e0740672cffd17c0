/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/msr.c - synthetic MSRs: which of them come to the core, and which go on to KVM
 *
 * Run by guest accesses to 0x40000000 to 0x400001ff, on the VP's thread. The user engine
 * filters the whole range; the kernel engine only what concerns overlay pages, crashes and
 * the invariant TSC, and forwards it. A value that the core refuses becomes #GP.
 * Seen: KVM never resets its own Hyper-V registers, hence enlk_msr_reset().
 * Tests: test/unit/kvm_registers.c, test/os on both engines (M01 to M28).
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"
#include "kvm/internal.h"

/* The head, and room for one entry behind it. */
union one_msr {
    struct kvm_msrs head;
    unsigned char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static const struct {
    uint32_t first, count;
} kernel_ranges[] = {
    {ENL_MSR_GUEST_OS_ID, 2},           {ENL_MSR_REFERENCE_TSC, 1},
    {ENL_MSR_VP_ASSIST_PAGE, 1},        {ENL_MSR_CRASH_P0, 6},
    {ENL_MSR_TSC_INVARIANT_CONTROL, 1},
};

static void
add_range(struct kvm_msr_filter *filter, uint32_t n, uint32_t first, uint32_t count)
{
    static uint8_t deny[ENL_MSR_COUNT / 8];

    filter->ranges[n].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
    filter->ranges[n].base = first;
    filter->ranges[n].nmsrs = count;
    filter->ranges[n].bitmap = deny;
}

int
enlk_msr_filter(struct enlk_engine *engine)
{
    struct kvm_enable_cap cap;
    struct kvm_msr_filter filter;
    uint32_t count = sizeof(kernel_ranges) / sizeof(kernel_ranges[0]);

    memset(&cap, 0, sizeof(cap));
    cap.cap = KVM_CAP_X86_USER_SPACE_MSR;
    cap.args[0] = KVM_MSR_EXIT_REASON_FILTER;
    if (ioctl(engine->config.vm_fd, KVM_ENABLE_CAP, &cap) < 0)
        return -ENL_E_IO;
    memset(&filter, 0, sizeof(filter));
    filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
    if (engine->config.kind == ENLK_USER)
        add_range(&filter, 0, ENL_MSR_FIRST, ENL_MSR_COUNT);
    for (uint32_t i = 0; engine->config.kind == ENLK_KERNEL && i < count; i++)
        add_range(&filter, i, kernel_ranges[i].first, kernel_ranges[i].count);
    return ioctl(engine->config.vm_fd, KVM_X86_SET_MSR_FILTER, &filter) < 0 ? -ENL_E_IO
                                                                            : 0;
}

int
enlk_msr_set(struct enlk_vcpu *vcpu, uint32_t msr, uint64_t value)
{
    union one_msr one;

    memset(&one, 0, sizeof(one));
    one.head.nmsrs = 1;
    one.head.entries[0].index = msr;
    one.head.entries[0].data = value;
    return ioctl(vcpu->fd, KVM_SET_MSRS, &one) == 1 ? 0 : -ENL_E_INVAL;
}

/*
 * The register is KVM's second: the core has applied it. Seen: KVM 6.1 has no
 * TSC_INVARIANT_CONTROL, and needs none.
 */
int
enlk_msr_forward(void *ctx, uint32_t vp, uint32_t reg, uint64_t value)
{
    struct enlk_engine *engine = ctx;
    struct enlk_vcpu *vcpu = enlk_vcpu_at(engine, vp);
    uint32_t msr = enlh_x64_msr_of(reg);
    int err;

    if (!vcpu || !msr)
        return -ENL_E_NOENT;
    err = enlk_msr_set(vcpu, msr, value);
    return reg == ENL_REG_TSC_INVARIANT_CONTROL ? 0 : err;
}

static void
reset_vcpu(struct enlk_vcpu *vcpu)
{
    for (uint32_t n = 0; n < ENL_STIMER_COUNT; n++) {
        (void)!enlk_msr_set(vcpu, ENL_MSR_STIMER0_CONFIG + 2 * n, 0);
        (void)!enlk_msr_set(vcpu, ENL_MSR_STIMER0_COUNT + 2 * n, 0);
    }
    for (uint32_t n = 0; n < ENL_SINT_COUNT; n++)
        (void)!enlk_msr_set(vcpu, ENL_MSR_SINT0 + n, ENL_SINT_RESET_VALUE);
    (void)!enlk_msr_set(vcpu, ENL_MSR_SIMP, 0);
    (void)!enlk_msr_set(vcpu, ENL_MSR_SIEFP, 0);
    (void)!enlk_msr_set(vcpu, ENL_MSR_SCONTROL, 0);
    (void)!enlk_msr_set(vcpu, ENL_MSR_VP_ASSIST_PAGE, 0);
}

/* A feature that is off has no register there, and nothing to reset: failures are that. */
void
enlk_msr_reset(struct enlk_engine *engine)
{
    static const uint32_t partition_wide[] = {
        ENL_MSR_REFERENCE_TSC,         ENL_MSR_HYPERCALL,
        ENL_MSR_GUEST_OS_ID,           ENL_MSR_REENLIGHTENMENT_CONTROL,
        ENL_MSR_TSC_EMULATION_CONTROL, ENL_MSR_TSC_EMULATION_STATUS,
    };

    for (uint32_t vp = 0; vp < engine->config.vp_count; vp++)
        reset_vcpu(&engine->vcpus[vp]);
    for (size_t i = 0; i < sizeof(partition_wide) / sizeof(partition_wide[0]); i++)
        (void)!enlk_msr_set(&engine->vcpus[0], partition_wide[i], 0);
}

static void
tell_mode(struct enlk_vcpu *vcpu)
{
    struct kvm_sregs sregs;

    if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) == 0)
        enlh_x64_set_long_mode(vcpu->vp, enlk_hypercall_long_mode(&sregs));
}

static int
write_msr(struct enlk_vcpu *vcpu, uint32_t msr, uint64_t value)
{
    int err;

    if (msr == ENL_MSR_HYPERCALL)
        tell_mode(vcpu);
    err = enlh_x64_msr_write(vcpu->vp, msr, value);
    /* Newer KVM hides the CPUID bit until it sees this write. */
    if (!err && msr == ENL_MSR_TSC_INVARIANT_CONTROL &&
        vcpu->engine->config.kind == ENLK_USER)
        (void)!enlk_msr_set(vcpu, msr, value);
    return err;
}

enum enlk_exit
enlk_msr_exit(struct enlk_vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    uint32_t msr = run->msr.index;
    uint64_t value = 0;
    int err;

    if (msr < ENLH_X64_MSR_FIRST || msr - ENLH_X64_MSR_FIRST >= ENLH_X64_MSR_COUNT)
        return ENLK_EXIT_NOT_MINE;
    enlk_count(&vcpu->engine->counters.msr_exits);
    if (run->exit_reason == KVM_EXIT_X86_RDMSR) {
        err = enlh_x64_msr_read(vcpu->vp, msr, &value);
        run->msr.data = value;
    } else {
        err = write_msr(vcpu, msr, run->msr.data);
    }
    run->msr.error = err ? 1 : 0;
    return ENLK_EXIT_HANDLED;
}
