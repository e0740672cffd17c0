/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/x86_64.h - the partition in the terms of x86: CPUID, MSRs, #GP
 *
 * Translation only: every MSR is a register of enlight/abi/register.h. [TLFS 2, 3.13]
 */
#ifndef ENLIGHT_HOST_X86_64_H
#define ENLIGHT_HOST_X86_64_H

#include "enlight/host/vp.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_cpuid {
    uint32_t leaf, eax, ebx, ecx, edx;
};

/*
 * The synthetic leaves of this partition, in ascending order, at most 16.
 * Returns how many; 0 when the partition shows no Hyper-V. Thread: any.
 */
uint32_t enlh_x64_cpuid(const struct enlh_partition *partition,
                        struct enlh_cpuid out[16]);

/* MSRs 0x40000000 to 0x400001ff are ours: any other number is not for these. */
#define ENLH_X64_MSR_FIRST 0x40000000u
#define ENLH_X64_MSR_COUNT 0x200u

/* Returns as enlh_vp_get_reg() and enlh_vp_set_reg(); failure is #GP. Thread: vp. */
ENL_MUST_CHECK int enlh_x64_msr_read(struct enlh_vp *vp, uint32_t msr, uint64_t *value);
ENL_MUST_CHECK int enlh_x64_msr_write(struct enlh_vp *vp, uint32_t msr, uint64_t value);

/* The MSR of a register, or 0 when x86 has none. Thread: any. */
uint32_t enlh_x64_msr_of(uint32_t reg);

/*
 * The hypercall page's code where the embedder traps it by a port write: a SignalEvent in
 * registers (control word 0x1005d) goes as a dword write to signal_port and returns 0;
 * every other call is a write of AL to trap_port, after which the embedder has put the
 * result into RAX (EDX:EAX in 32-bit mode). Set it before the first VP runs; without it
 * the hypervisor below fills the page. trap_port is below 0x100: RDX is the guest's.
 * signal_port 0: no short cut.
 *
 * An embedder that answers a write to signal_port itself (nothing matched its id, which
 * is in EAX) adds the status of the call to RDX, and changes no other register: after the
 * OUT the page computes the result from what RDX has become.
 * Thread: one, before the first VP runs.
 */
struct enlh_x64_trap {
    uint16_t trap_port;
    uint16_t signal_port;
};
void enlh_x64_set_trap(struct enlh_partition *partition,
                       const struct enlh_x64_trap *trap);

/* Which of the two codes the page gets at its next enabling; default 64-bit. Thread: vp. */
void enlh_x64_set_long_mode(struct enlh_vp *vp, bool long_mode);

#ifdef __cplusplus
}
#endif
#endif
