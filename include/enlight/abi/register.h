/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/register.h - the names of the synthetic registers, and their fields
 *
 * Data only. [TLFS HV_REGISTER_NAME] The names are the same on every architecture: arm64
 * guests use them in GET_VP_REGISTERS and SET_VP_REGISTERS, x86 guests reach the same
 * registers by MSR number (msr.h). The last group has no number in the specification; its
 * names are ours, in a range of our own that never appears on a wire, only in a saved
 * state.
 */
#ifndef ENLIGHT_ABI_REGISTER_H
#define ENLIGHT_ABI_REGISTER_H

#include "enlight/abi/base.h"

/* 128 bits each, read-only: the words of the CPUID leaves 0x40000002 and on (cpuid.h). */
#define ENL_REG_VERSION    0x00000100u
#define ENL_REG_PRIVILEGES 0x00000200u
#define ENL_REG_HINTS      0x00000201u
#define ENL_REG_LIMITS     0x00000202u
#define ENL_REG_HARDWARE   0x00000203u
#define ENL_REG_NESTED     0x00000207u

#define ENL_REG_CRASH_P0  0x00000210u /* Pn is P0 + n, n up to 4 */
#define ENL_REG_CRASH_P1  0x00000211u
#define ENL_REG_CRASH_P2  0x00000212u
#define ENL_REG_CRASH_P3  0x00000213u
#define ENL_REG_CRASH_P4  0x00000214u
#define ENL_REG_CRASH_CTL 0x00000215u

/*
 * [TLFS] ProcessorClockFrequency and InterruptClockFrequency. The MSRs of the same
 * meaning count in Hz, and so do these names here.
 */
#define ENL_REG_TSC_FREQUENCY  0x00000240u
#define ENL_REG_APIC_FREQUENCY 0x00000241u

#define ENL_REG_GUEST_IDLE 0x00000250u

#define ENL_REG_VP_RUNTIME     0x00090000u
#define ENL_REG_HYPERCALL      0x00090001u
#define ENL_REG_GUEST_OS_ID    0x00090002u
#define ENL_REG_VP_INDEX       0x00090003u
#define ENL_REG_TIME_REF_COUNT 0x00090004u
#define ENL_REG_EOI            0x00090010u
#define ENL_REG_ICR            0x00090011u
#define ENL_REG_TPR            0x00090012u
#define ENL_REG_VP_ASSIST_PAGE 0x00090013u
#define ENL_REG_REFERENCE_TSC  0x00090017u

#define ENL_REG_SINT0    0x000A0000u /* SINTn is SINT0 + n, n up to 15 */
#define ENL_REG_SINT15   0x000A000Fu
#define ENL_REG_SCONTROL 0x000A0010u
#define ENL_REG_SVERSION 0x000A0011u
#define ENL_REG_SIEFP    0x000A0012u
#define ENL_REG_SIMP     0x000A0013u
#define ENL_REG_EOM      0x000A0014u
#define ENL_REG_SIRBP    0x000A0015u

/* Timer n, up to 3: configuration at STIMER0_CONFIG + 2n, count at STIMER0_COUNT + 2n. */
#define ENL_REG_STIMER0_CONFIG 0x000B0000u
#define ENL_REG_STIMER0_COUNT  0x000B0001u
#define ENL_REG_STIMER3_COUNT  0x000B0007u

#define ENL_REG_TIME_UNHALTED_CONFIG 0x000B0100u
#define ENL_REG_TIME_UNHALTED_COUNT  0x000B0101u

#define ENL_REG_VSM_VP_STATUS 0x000D0003u

/* PRIVATE: the specification knows these as MSRs only. */
#define ENL_REG_PRIVATE_FIRST           0xFE000000u
#define ENL_REG_RESET                   0xFE000000u
#define ENL_REG_REENLIGHTENMENT_CONTROL 0xFE000001u
#define ENL_REG_TSC_EMULATION_CONTROL   0xFE000002u
#define ENL_REG_TSC_EMULATION_STATUS    0xFE000003u
#define ENL_REG_TSC_INVARIANT_CONTROL   0xFE000004u
#define ENL_REG_NPIEP_CONFIG            0xFE000005u
#define ENL_REG_SYNDBG_CONTROL          0xFE000010u
#define ENL_REG_SYNDBG_STATUS           0xFE000011u
#define ENL_REG_SYNDBG_SEND             0xFE000012u
#define ENL_REG_SYNDBG_RECEIVE          0xFE000013u
#define ENL_REG_SYNDBG_PENDING_PAGE     0xFE000014u
#define ENL_REG_SYNDBG_OPTIONS          0xFE000015u

/* How many there are of each. */
#define ENL_SINT_COUNT   16u
#define ENL_STIMER_COUNT 4u
#define ENL_CRASH_PARAMS 5u

/*
 * GUEST_OS_ID. [TLFS guest OS identity] Zero until the guest says who it is; zero again
 * ends the use of hypercalls. Open source: bit 63, type 62:56, id 55:48, version 47:16.
 */
#define ENL_GUEST_OS_ID_OPEN_SOURCE   (UINT64_C(1) << 63)
#define ENL_GUEST_OS_ID_TYPE_SHIFT    56u
#define ENL_GUEST_OS_ID_TYPE_MASK     0x7Fu
#define ENL_GUEST_OS_ID_TYPE_LINUX    1u
#define ENL_GUEST_OS_ID_TYPE_FREEBSD  2u
#define ENL_GUEST_OS_ID_VERSION_SHIFT 16u

/*
 * Page registers: HYPERCALL, REFERENCE_TSC, VP_ASSIST_PAGE, SIEFP, SIMP, SIRBP. The
 * guest chooses the page; bits that have no meaning keep what was written.
 */
#define ENL_PAGE_REG_ENABLE UINT64_C(1)
#define ENL_PAGE_REG_GPA    UINT64_C(0xFFFFFFFFFFFFF000)

#define ENL_HYPERCALL_ENABLE     ENL_PAGE_REG_ENABLE
#define ENL_HYPERCALL_LOCKED     (UINT64_C(1) << 1)
#define ENL_HYPERCALL_GPA        ENL_PAGE_REG_GPA
#define ENL_REFERENCE_TSC_ENABLE ENL_PAGE_REG_ENABLE
#define ENL_REFERENCE_TSC_GPA    ENL_PAGE_REG_GPA
#define ENL_VP_ASSIST_ENABLE     ENL_PAGE_REG_ENABLE
#define ENL_VP_ASSIST_GPA        ENL_PAGE_REG_GPA
#define ENL_SIEFP_ENABLE         ENL_PAGE_REG_ENABLE
#define ENL_SIEFP_GPA            ENL_PAGE_REG_GPA
#define ENL_SIMP_ENABLE          ENL_PAGE_REG_ENABLE
#define ENL_SIMP_GPA             ENL_PAGE_REG_GPA

#define ENL_RESET_RESET UINT64_C(1)

#define ENL_SCONTROL_ENABLE UINT64_C(1)
#define ENL_SVERSION_1      UINT64_C(1)

#define ENL_SINT_VECTOR       UINT64_C(0xFF)
#define ENL_SINT_MASKED       (UINT64_C(1) << 16)
#define ENL_SINT_AUTO_EOI     (UINT64_C(1) << 17)
#define ENL_SINT_POLLING      (UINT64_C(1) << 18)
#define ENL_SINT_AS_INTERCEPT (UINT64_C(1) << 19)
#define ENL_SINT_PROXY        (UINT64_C(1) << 20)
#define ENL_SINT_RESET_VALUE  ENL_SINT_MASKED
#define ENL_SINT_VECTOR_MIN   16u /* a smaller one in an unmasked SINT is #GP */

/* Which SINT is whose. */
#define ENL_SINT_HYPERVISOR 0u
#define ENL_SINT_VMBUS      2u

#define ENL_STIMER_ENABLE       UINT64_C(1)
#define ENL_STIMER_PERIODIC     (UINT64_C(1) << 1)
#define ENL_STIMER_LAZY         (UINT64_C(1) << 2)
#define ENL_STIMER_AUTO_ENABLE  (UINT64_C(1) << 3)
#define ENL_STIMER_VECTOR       UINT64_C(0xFF0)
#define ENL_STIMER_VECTOR_SHIFT 4u
#define ENL_STIMER_DIRECT       (UINT64_C(1) << 12)
#define ENL_STIMER_SINT         UINT64_C(0xF0000)
#define ENL_STIMER_SINT_SHIFT   16u

/*
 * CRASH_CTL. A read says what is supported. A write of NOTIFY reports P0 to P4; with
 * MESSAGE as well, P3 is the GPA of a text and P4 its bytes.
 */
#define ENL_CRASH_CTL_PRE_OS_ID       (UINT64_C(7) << 58)
#define ENL_CRASH_CTL_PRE_OS_ID_SHIFT 58u
#define ENL_CRASH_CTL_NO_DUMP         (UINT64_C(1) << 61)
#define ENL_CRASH_CTL_MESSAGE         (UINT64_C(1) << 62)
#define ENL_CRASH_CTL_NOTIFY          (UINT64_C(1) << 63)

#define ENL_REENLIGHTENMENT_VECTOR          UINT64_C(0xFF)
#define ENL_REENLIGHTENMENT_ENABLE          (UINT64_C(1) << 16)
#define ENL_REENLIGHTENMENT_TARGET_VP_SHIFT 32u
#define ENL_TSC_EMULATION_ENABLE            UINT64_C(1)
#define ENL_TSC_EMULATION_IN_PROGRESS       UINT64_C(1)
#define ENL_TSC_INVARIANT_EXPOSE            UINT64_C(1)

/* Names of virtual processors in place of an index. */
#define ENL_VP_ANY  0xFFFFFFFFu
#define ENL_VP_SELF 0xFFFFFFFEu

/* The value of a register in GET_VP_REGISTERS and SET_VP_REGISTERS. */
struct enl_reg_value {
    uint64_t low;
    uint64_t high;
};
ENL_ABI_SIZE(struct enl_reg_value, 16);

#endif
