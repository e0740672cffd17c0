/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/msr.h - the synthetic MSRs of x86
 *
 * Data only. Each number is another name of a register of register.h, where the fields
 * are. Scope: P one per partition, V one per virtual processor. Access is the guest's:
 * r, w, or rw; anything else is #GP, as is a register whose privilege is not announced.
 */
#ifndef ENLIGHT_ABI_MSR_H
#define ENLIGHT_ABI_MSR_H

#include "enlight/abi/base.h"

#define ENL_MSR_FIRST 0x40000000u
#define ENL_MSR_COUNT 0x00000200u /* one filter range of this many covers them */

#define ENL_MSR_GUEST_OS_ID    0x40000000u /* P rw */
#define ENL_MSR_HYPERCALL      0x40000001u /* P rw */
#define ENL_MSR_VP_INDEX       0x40000002u /* V r */
#define ENL_MSR_RESET          0x40000003u /* P rw */
#define ENL_MSR_VP_RUNTIME     0x40000010u /* V r, 100 ns */
#define ENL_MSR_TIME_REF_COUNT 0x40000020u /* P r, 100 ns */
#define ENL_MSR_REFERENCE_TSC  0x40000021u /* P rw */
#define ENL_MSR_TSC_FREQUENCY  0x40000022u /* P r, Hz */
#define ENL_MSR_APIC_FREQUENCY 0x40000023u /* P r, Hz */
#define ENL_MSR_NPIEP_CONFIG   0x40000040u /* V rw */

#define ENL_MSR_EOI            0x40000070u /* V w */
#define ENL_MSR_ICR            0x40000071u /* V rw */
#define ENL_MSR_TPR            0x40000072u /* V rw */
#define ENL_MSR_VP_ASSIST_PAGE 0x40000073u /* V rw */

#define ENL_MSR_SCONTROL 0x40000080u /* V rw */
#define ENL_MSR_SVERSION 0x40000081u /* V r */
#define ENL_MSR_SIEFP    0x40000082u /* V rw */
#define ENL_MSR_SIMP     0x40000083u /* V rw */
#define ENL_MSR_EOM      0x40000084u /* V w, reads 0 */
#define ENL_MSR_SINT0    0x40000090u /* V rw; SINTn is SINT0 + n, n up to 15 */
#define ENL_MSR_SINT15   0x4000009Fu

/* Timer n, up to 3: configuration at STIMER0_CONFIG + 2n, count at STIMER0_COUNT + 2n. */
#define ENL_MSR_STIMER0_CONFIG 0x400000B0u /* V rw */
#define ENL_MSR_STIMER0_COUNT  0x400000B1u /* V rw, 100 ns */
#define ENL_MSR_STIMER3_COUNT  0x400000B7u

#define ENL_MSR_STATS_PARTITION_RETAIL   0x400000E0u
#define ENL_MSR_STATS_PARTITION_INTERNAL 0x400000E1u
#define ENL_MSR_STATS_VP_RETAIL          0x400000E2u
#define ENL_MSR_STATS_VP_INTERNAL        0x400000E3u

#define ENL_MSR_GUEST_IDLE 0x400000F0u /* V r: the read returns at the next interrupt */

#define ENL_MSR_SYNDBG_CONTROL      0x400000F1u
#define ENL_MSR_SYNDBG_STATUS       0x400000F2u
#define ENL_MSR_SYNDBG_SEND         0x400000F3u
#define ENL_MSR_SYNDBG_RECEIVE      0x400000F4u
#define ENL_MSR_SYNDBG_PENDING_PAGE 0x400000F5u
#define ENL_MSR_SYNDBG_OPTIONS      0x400000FFu

#define ENL_MSR_CRASH_P0  0x40000100u /* P rw; Pn is P0 + n, n up to 4 */
#define ENL_MSR_CRASH_P4  0x40000104u
#define ENL_MSR_CRASH_CTL 0x40000105u /* P rw: reads what is supported, a write does it */

#define ENL_MSR_REENLIGHTENMENT_CONTROL 0x40000106u /* P rw */
#define ENL_MSR_TSC_EMULATION_CONTROL   0x40000107u /* P rw */
#define ENL_MSR_TSC_EMULATION_STATUS    0x40000108u /* P rw */
#define ENL_MSR_TIME_UNHALTED_CONFIG    0x40000114u /* V rw */
#define ENL_MSR_TIME_UNHALTED_COUNT     0x40000115u /* V rw */
#define ENL_MSR_TSC_INVARIANT_CONTROL   0x40000118u /* P rw, once set it stays */

/* The SynIC of the hypervisor below, for a guest that is told that it is nested. */
#define ENL_MSR_NESTED_SCONTROL 0x40001080u
#define ENL_MSR_NESTED_SVERSION 0x40001081u
#define ENL_MSR_NESTED_SIEFP    0x40001082u
#define ENL_MSR_NESTED_SIMP     0x40001083u
#define ENL_MSR_NESTED_EOM      0x40001084u
#define ENL_MSR_NESTED_SINT0    0x40001090u

#endif
