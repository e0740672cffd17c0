/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/x86_64.h - the processor's part of the platform, for kernels on x86
 *
 * Each function fits one of struct enlg_platform's, ignores ctx, and runs in ring 0. A
 * register that the hypervisor does not have makes the processor fault (#GP): the library
 * touches only what is announced. A kernel of 32 bits uses the same functions: the
 * hypercall then goes by the 32-bit convention. [TLFS 2.4, 3.7, 3.13]
 */
#ifndef ENLIGHT_GUEST_X86_64_H
#define ENLIGHT_GUEST_X86_64_H

#include "enlight/guest/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fill in size, cpuid, get_reg, set_reg, hypercall and tsc; leaves the rest as it is. */
void enlg_x64_platform(struct enlg_platform *platform);

void enlg_x64_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out);
/* Return 0, or -ENL_E_ACCESS for a register that has no MSR. */
int enlg_x64_get_reg(void *ctx, uint32_t reg, uint64_t *value);
int enlg_x64_set_reg(void *ctx, uint32_t reg, uint64_t value);
uint64_t enlg_x64_hypercall(void *ctx, const void *code, uint64_t control, uint64_t input,
                            uint64_t output);
#ifdef __x86_64__
/*
 * Not filled in. Uses XMM0 to XMM5 and puts back what they held: for a kernel that has
 * enabled SSE, wherever nobody can take the processor away in between.
 */
uint64_t enlg_x64_hypercall_fast(void *ctx, const void *code, uint64_t control,
                                 const uint64_t *input);
#endif
uint64_t enlg_x64_tsc(void *ctx);

/* The MSR of a register, or 0 when x86 has none. */
uint32_t enlg_x64_msr_of(uint32_t reg);

#ifdef __cplusplus
}
#endif
#endif
