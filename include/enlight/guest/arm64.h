/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/arm64.h - the processor's part of the platform, for kernels on arm64
 *
 * The hypervisor is called with HVC, by the SMC calling convention; registers are read and
 * written with two hypercalls; there is no hypercall page, and no CPUID: what is announced
 * comes from registers, and is told in the words and bits of enlight/abi/cpuid.h. Each
 * function that fits one of struct enlg_platform's ignores ctx and runs at EL1.
 *
 * A kernel finds out first that it runs on Hyper-V, by one of the two ways below: without
 * a hypervisor HVC is an undefined instruction. Then enlg_arm64_identify(), then
 * enlg_partition_init(), then enlg_hypercall_enable() without a page.
 * [TLFS hypercall interface, arm64; SMC calling convention 1.2]
 */
#ifndef ENLIGHT_GUEST_ARM64_H
#define ENLIGHT_GUEST_ARM64_H

#include "enlight/guest/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ACPI: the 8 bytes "hypervisor vendor identity" of the FADT name it. */
bool enlg_arm64_is_named(const void *identity);
/* Device tree: the hypervisor's UID does. Only where PSCI's conduit is HVC. */
bool enlg_arm64_has_uid(void);

/*
 * Say who this guest is, before anything else is asked (guest_os_id: ENL_GUEST_OS_ID_).
 * Returns 0, or -ENL_E_NODEV: nobody knows this call. Thread: one.
 */
ENL_MUST_CHECK int enlg_arm64_identify(uint64_t guest_os_id);

/*
 * Fill in size, cpuid, get_reg, set_reg, hypercall, hypercall_fast, tsc and
 * no_hypercall_page; leaves the rest as it is.
 */
void enlg_arm64_platform(struct enlg_platform *platform);

void enlg_arm64_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out);
int enlg_arm64_get_reg(void *ctx, uint32_t reg, uint64_t *value);
int enlg_arm64_set_reg(void *ctx, uint32_t reg, uint64_t value);
uint64_t enlg_arm64_hypercall(void *ctx, const void *code, uint64_t control,
                              uint64_t input, uint64_t output);
uint64_t enlg_arm64_hypercall_fast(void *ctx, const void *code, uint64_t control,
                                   const uint64_t *input);
/* The virtual counter, which the reference TSC page is about on arm64. */
uint64_t enlg_arm64_tsc(void *ctx);

/* The register that says what a leaf says on x86, or 0 for a leaf without one. */
uint32_t enlg_arm64_reg_of(uint32_t leaf);
/* Turn what that register holds into the words and bits of the leaf. */
void enlg_arm64_translate(uint32_t leaf, struct enl_cpuid_leaf *words);

#ifdef __cplusplus
}
#endif
#endif
