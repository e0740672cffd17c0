/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/cpu.h - an x86 processor's state: CPUID, the entry, and the way back to power-on
 */
#ifndef ENLIGHT_VMM_CPU_H
#define ENLIGHT_VMM_CPU_H

#include <linux/kvm.h>

#include "vmm/boot/boot.h"

#define ENLM_CPUID_MAX 256u
#define ENLM_MSR_MAX   512u

/* Registers as they were before the first KVM_RUN. */
struct enlm_cpu_state {
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_fpu fpu;
    struct kvm_lapic_state lapic;
    struct kvm_vcpu_events events;
    struct kvm_mp_state mp;
    struct kvm_debugregs debug;
    struct kvm_xcrs xcrs;
    bool has_xcrs;
    uint32_t msr_count;
    struct kvm_msr_entry msrs[ENLM_MSR_MAX];
};

/*
 * The CPUID leaves that KVM offers, as those of the processor with this index among count;
 * free() it. NULL: the kernel refused. Thread: any.
 */
struct kvm_cpuid2 *enlm_cpu_cpuid(int kvm_fd, uint32_t index, uint32_t count);
/* Physical address bits of a processor with these leaves. */
uint32_t enlm_cpu_address_bits(const struct kvm_cpuid2 *cpuid);

/* What firmware would have set: memory is cached. Returns 0 or -ENL_E_NOMEM. Thread: as below. */
ENL_MUST_CHECK int enlm_cpu_init(int vcpu_fd);
/* Keep the state, or put it back. Returns 0 or -ENL_E_IO. Thread: one, while it does not run. */
ENL_MUST_CHECK int enlm_cpu_save(int kvm_fd, int vcpu_fd, struct enlm_cpu_state *out);
ENL_MUST_CHECK int enlm_cpu_restore(int vcpu_fd, const struct enlm_cpu_state *state);

/* Have the boot processor start here. Returns 0 or -ENL_E_IO. Thread: as above. */
ENL_MUST_CHECK int enlm_cpu_enter(int vcpu_fd, const struct enlm_entry *entry);

#endif
