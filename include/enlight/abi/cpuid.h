/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/cpuid.h - what a partition is told about its hypervisor
 *
 * Data only. [TLFS feature discovery] The hypervisor writes all of it, a guest reads it:
 * on x86 as CPUID leaves, elsewhere as 128-bit registers (register.h) that hold the same
 * four words in the order EAX, EBX, ECX, EDX.
 */
#ifndef ENLIGHT_ABI_CPUID_H
#define ENLIGHT_ABI_CPUID_H

#include "enlight/abi/base.h"

/* Leaf 1, ECX: a hypervisor is present. */
#define ENL_CPUID_1_ECX_HYPERVISOR (1u << 31)

#define ENL_CPUID_BASE           0x40000000u /* EAX largest leaf; EBX ECX EDX vendor */
#define ENL_CPUID_INTERFACE      0x40000001u /* EAX ENL_INTERFACE_SIGNATURE */
#define ENL_CPUID_VERSION        0x40000002u /* see ENL_VERSION_ below */
#define ENL_CPUID_FEATURES       0x40000003u /* EAX EBX ENL_PRIV_, ECX EDX ENL_FEAT_ */
#define ENL_CPUID_HINTS          0x40000004u /* EAX ENL_HINT_, EBX spin count, ECX bits */
#define ENL_CPUID_LIMITS         0x40000005u /* EAX max VPs, EBX max LPs, ECX vectors */
#define ENL_CPUID_HARDWARE       0x40000006u /* EAX ENL_HARDWARE_ */
#define ENL_CPUID_CPU_MANAGEMENT 0x40000007u /* the root's; zero for a guest */
#define ENL_CPUID_SVM            0x40000008u /* shared virtual memory; zero for a guest */
#define ENL_CPUID_NESTED_L1      0x40000009u /* what a nested hypervisor may use of its own */
#define ENL_CPUID_NESTED         0x4000000Au /* EAX EBX ENL_NESTED_ */
#define ENL_CPUID_IPT            0x4000000Bu
#define ENL_CPUID_ISOLATION      0x4000000Cu /* EAX EBX ENL_ISOLATION_ */

/* The smallest and the largest answer of ENL_CPUID_BASE that a guest believes. */
#define ENL_CPUID_LEAF_MIN 0x40000005u
#define ENL_CPUID_LEAF_MAX 0x4000FFFFu

#define ENL_CPUID_VS_BASE       0x40000080u /* EAX largest leaf; EBX ECX EDX vendor */
#define ENL_CPUID_VS_INTERFACE  0x40000081u /* EAX ENL_VS_INTERFACE_SIGNATURE */
#define ENL_CPUID_VS_PROPERTIES 0x40000082u /* EAX ENL_VS_ */

/* "Microsoft Hv" in EBX, ECX, EDX of ENL_CPUID_BASE. */
#define ENL_VENDOR_EBX 0x7263694Du
#define ENL_VENDOR_ECX 0x666F736Fu
#define ENL_VENDOR_EDX 0x76482074u

#define ENL_INTERFACE_SIGNATURE    0x31237648u /* "Hv#1" */
#define ENL_VS_INTERFACE_SIGNATURE 0x31235356u /* "VS#1" */

/*
 * ENL_CPUID_VERSION: EAX build; EBX major 31:16, minor 15:0; ECX service pack;
 * EDX service branch 31:24, service number 23:0.
 */
#define ENL_VERSION_MAJOR_SHIFT  16u
#define ENL_VERSION_MINOR_MASK   0xFFFFu
#define ENL_VERSION_BRANCH_SHIFT 24u
#define ENL_VERSION_NUMBER_MASK  0xFFFFFFu

/*
 * The privilege mask of a partition. [TLFS HV_PARTITION_PRIVILEGE_MASK] Its low half is
 * EAX of ENL_CPUID_FEATURES, its high half EBX.
 */
#define ENL_PRIV_VP_RUNTIME        (UINT64_C(1) << 0)
#define ENL_PRIV_TIME_REF_COUNT    (UINT64_C(1) << 1)
#define ENL_PRIV_SYNIC             (UINT64_C(1) << 2)
#define ENL_PRIV_STIMER            (UINT64_C(1) << 3)
#define ENL_PRIV_APIC              (UINT64_C(1) << 4) /* EOI, ICR, TPR, VP assist page */
#define ENL_PRIV_HYPERCALL         (UINT64_C(1) << 5) /* GUEST_OS_ID and HYPERCALL */
#define ENL_PRIV_VP_INDEX          (UINT64_C(1) << 6)
#define ENL_PRIV_RESET             (UINT64_C(1) << 7)
#define ENL_PRIV_STATS_REGS        (UINT64_C(1) << 8)
#define ENL_PRIV_REFERENCE_TSC     (UINT64_C(1) << 9)
#define ENL_PRIV_GUEST_IDLE        (UINT64_C(1) << 10)
#define ENL_PRIV_FREQUENCY         (UINT64_C(1) << 11)
#define ENL_PRIV_DEBUG             (UINT64_C(1) << 12)
#define ENL_PRIV_REENLIGHTENMENT   (UINT64_C(1) << 13)
#define ENL_PRIV_ROOT_SCHEDULER    (UINT64_C(1) << 14)
#define ENL_PRIV_TSC_INVARIANT     (UINT64_C(1) << 15)
#define ENL_PRIV_CREATE_PARTITIONS (UINT64_C(1) << 32)
#define ENL_PRIV_PARTITION_ID      (UINT64_C(1) << 33)
#define ENL_PRIV_MEMORY_POOL       (UINT64_C(1) << 34)
#define ENL_PRIV_MESSAGE_BUFFERS   (UINT64_C(1) << 35)
#define ENL_PRIV_POST_MESSAGES     (UINT64_C(1) << 36)
#define ENL_PRIV_SIGNAL_EVENTS     (UINT64_C(1) << 37)
#define ENL_PRIV_CREATE_PORT       (UINT64_C(1) << 38)
#define ENL_PRIV_CONNECT_PORT      (UINT64_C(1) << 39)
#define ENL_PRIV_STATS             (UINT64_C(1) << 40)
#define ENL_PRIV_DEBUGGING         (UINT64_C(1) << 43)
#define ENL_PRIV_CPU_MANAGEMENT                                                          \
    (UINT64_C(1) << 44) /* a guest with it thinks it is the root */
#define ENL_PRIV_PROFILER            (UINT64_C(1) << 45)
#define ENL_PRIV_EXIT_TRACING        (UINT64_C(1) << 46)
#define ENL_PRIV_EXT_GVA_RANGES      (UINT64_C(1) << 47)
#define ENL_PRIV_VSM                 (UINT64_C(1) << 48)
#define ENL_PRIV_VP_REGISTERS        (UINT64_C(1) << 49)
#define ENL_PRIV_FAST_OUTPUT         (UINT64_C(1) << 51)
#define ENL_PRIV_EXTENDED_HYPERCALLS (UINT64_C(1) << 52)
#define ENL_PRIV_START_VP            (UINT64_C(1) << 53)
#define ENL_PRIV_ISOLATION           (UINT64_C(1) << 54)

/* ECX of ENL_CPUID_FEATURES. */
#define ENL_FEAT_ECX_HPET_FOR_C3        (1u << 4)
#define ENL_FEAT_ECX_INVARIANT_MPERF    (1u << 5)
#define ENL_FEAT_ECX_SHADOW_STACK       (1u << 6)
#define ENL_FEAT_ECX_PMU                (1u << 7)
#define ENL_FEAT_ECX_EXCEPTION_TRAP     (1u << 8)
#define ENL_FEAT_ECX_DISPATCH_INJECTION (1u << 9)
#define ENL_FEAT_ECX_GHCB_ROOT_MAPPING  (1u << 10)

/* EDX of ENL_CPUID_FEATURES on x86. */
#define ENL_FEAT_MWAIT               (1u << 0) /* deprecated */
#define ENL_FEAT_DEBUGGING           (1u << 1)
#define ENL_FEAT_PERFORMANCE_MONITOR (1u << 2)
#define ENL_FEAT_CPU_PARTITIONING    (1u << 3)
#define ENL_FEAT_XMM_INPUT           (1u << 4)
#define ENL_FEAT_GUEST_IDLE          (1u << 5)
#define ENL_FEAT_SLEEP_STATE         (1u << 6)
#define ENL_FEAT_NUMA_DISTANCE       (1u << 7)
#define ENL_FEAT_FREQUENCY           (1u << 8)
#define ENL_FEAT_MACHINE_CHECK       (1u << 9)
#define ENL_FEAT_CRASH               (1u << 10)
#define ENL_FEAT_DEBUG               (1u << 11)
#define ENL_FEAT_NPIEP               (1u << 12)
#define ENL_FEAT_DISABLE_HYPERVISOR  (1u << 13)
#define ENL_FEAT_EXT_GVA_RANGES      (1u << 14)
#define ENL_FEAT_XMM_OUTPUT          (1u << 15)
#define ENL_FEAT_SVM                 (1u << 16)
#define ENL_FEAT_SINT_POLLING        (1u << 17)
#define ENL_FEAT_HYPERCALL_LOCK      (1u << 18)
#define ENL_FEAT_DIRECT_STIMER       (1u << 19)
#define ENL_FEAT_PAT_REGISTER        (1u << 20)
#define ENL_FEAT_BNDCFGS_REGISTER    (1u << 21)
#define ENL_FEAT_WATCHDOG            (1u << 22)
#define ENL_FEAT_TIME_UNHALTED       (1u << 23)
#define ENL_FEAT_DEVICE_DOMAINS      (1u << 24)
#define ENL_FEAT_S1_DEVICE_DOMAINS   (1u << 25)
#define ENL_FEAT_LBR                 (1u << 26)
#define ENL_FEAT_IPT                 (1u << 27)
#define ENL_FEAT_CROSS_VTL_FLUSH     (1u << 28)
#define ENL_FEAT_IDLE_SPEC_CTRL      (1u << 29)
#define ENL_FEAT_TRANSLATE_GVA_FLAGS (1u << 30)
#define ENL_FEAT_APIC_EOI_INTERCEPT  (1u << 31)

/* The third word of ENL_REG_PRIVILEGES on arm64: the features there. */
#define ENL_FEAT_ARM64_GUEST_IDLE    (1u << 3)
#define ENL_FEAT_ARM64_FREQUENCY     (1u << 6)
#define ENL_FEAT_ARM64_CRASH         (1u << 8)
#define ENL_FEAT_ARM64_SINT_POLLING  (1u << 12)
#define ENL_FEAT_ARM64_DIRECT_STIMER (1u << 13)

/* EAX of ENL_CPUID_HINTS on x86: what the hypervisor recommends. */
#define ENL_HINT_ADDRESS_SPACE_SWITCH (1u << 0)
#define ENL_HINT_LOCAL_FLUSH          (1u << 1)
#define ENL_HINT_REMOTE_FLUSH         (1u << 2)
#define ENL_HINT_APIC_MSRS            (1u << 3)
#define ENL_HINT_RESET_MSR            (1u << 4)
#define ENL_HINT_RELAXED_TIMING       (1u << 5)
#define ENL_HINT_DMA_REMAPPING        (1u << 6)
#define ENL_HINT_INTERRUPT_REMAPPING  (1u << 7)
#define ENL_HINT_X2APIC_MSRS          (1u << 8)
#define ENL_HINT_NO_AUTO_EOI          (1u << 9)
#define ENL_HINT_CLUSTER_IPI          (1u << 10)
#define ENL_HINT_EX_PROCESSOR_MASKS   (1u << 11)
#define ENL_HINT_NESTED               (1u << 12)
#define ENL_HINT_INT_FOR_MBEC         (1u << 13)
#define ENL_HINT_ENLIGHTENED_VMCS     (1u << 14)
#define ENL_HINT_SYNCED_TIMELINE      (1u << 15)
#define ENL_HINT_CORE_SCHEDULER       (1u << 16)
#define ENL_HINT_DIRECT_LOCAL_FLUSH   (1u << 17)
#define ENL_HINT_NO_CORE_SHARING      (1u << 18)
#define ENL_HINT_X2APIC               (1u << 19)
#define ENL_HINT_RESTORE_TIME         (1u << 20)
#define ENL_HINT_MMIO_HYPERCALLS      (1u << 21)
#define ENL_HINT_GPA_PINNING          (1u << 22)
#define ENL_HINT_WAKE_VPS             (1u << 23)

/* The first word of ENL_REG_HINTS on arm64. */
#define ENL_HINT_ARM64_RESET              (1u << 0)
#define ENL_HINT_ARM64_RELAXED_TIMING     (1u << 1)
#define ENL_HINT_ARM64_CLUSTER_IPI        (1u << 2)
#define ENL_HINT_ARM64_EX_PROCESSOR_MASKS (1u << 3)
#define ENL_HINT_ARM64_NESTED             (1u << 4)

/* EBX of ENL_CPUID_HINTS: spins before NOTIFY_LONG_SPIN_WAIT; 0 means the same as never. */
#define ENL_SPIN_NEVER 0xFFFFFFFFu

/* ECX of ENL_CPUID_HINTS: physical address bits. */
#define ENL_HINT_ECX_ADDRESS_BITS_MASK 0x7Fu

/* EAX of ENL_CPUID_HARDWARE: what the hypervisor itself uses. */
#define ENL_HARDWARE_APIC_OVERLAY        (1u << 0)
#define ENL_HARDWARE_MSR_BITMAPS         (1u << 1)
#define ENL_HARDWARE_PERF_COUNTERS       (1u << 2)
#define ENL_HARDWARE_SLAT                (1u << 3)
#define ENL_HARDWARE_DMA_REMAPPING       (1u << 4)
#define ENL_HARDWARE_INTERRUPT_REMAPPING (1u << 5)
#define ENL_HARDWARE_PATROL_SCRUBBER     (1u << 6)
#define ENL_HARDWARE_DMA_PROTECTION      (1u << 7)
#define ENL_HARDWARE_HPET                (1u << 8)
#define ENL_HARDWARE_VOLATILE_STIMER     (1u << 9)

/* EAX of ENL_CPUID_NESTED. */
#define ENL_NESTED_VMCS_LOW_MASK   0x000000FFu
#define ENL_NESTED_VMCS_HIGH_MASK  0x0000FF00u
#define ENL_NESTED_VMCS_HIGH_SHIFT 8u
#define ENL_NESTED_DIRECT_FLUSH    (1u << 17)
#define ENL_NESTED_GPA_FLUSH       (1u << 18)
#define ENL_NESTED_MSR_BITMAP      (1u << 19)
#define ENL_NESTED_PF_EXCEPTION    (1u << 20)
#define ENL_NESTED_DEBUGCTL        (1u << 21)
#define ENL_NESTED_NPT_TLB         (1u << 22)

/* EBX of ENL_CPUID_NESTED. */
#define ENL_NESTED_EBX_PERF_GLOBAL_CTRL (1u << 0)

/* EAX and EBX of ENL_CPUID_ISOLATION. */
#define ENL_ISOLATION_PARAVISOR               (1u << 0)
#define ENL_ISOLATION_EBX_TYPE_MASK           0xFu
#define ENL_ISOLATION_EBX_BOUNDARY_ACTIVE     (1u << 5)
#define ENL_ISOLATION_EBX_BOUNDARY_BITS_MASK  0x00000FC0u
#define ENL_ISOLATION_EBX_BOUNDARY_BITS_SHIFT 6u
#define ENL_ISOLATION_NONE                    0u
#define ENL_ISOLATION_VBS                     1u
#define ENL_ISOLATION_SNP                     2u
#define ENL_ISOLATION_TDX                     3u

/* EAX of ENL_CPUID_VS_PROPERTIES. */
#define ENL_VS_PORTABLE           (1u << 0)
#define ENL_VS_DEBUG_DEVICE       (1u << 1)
#define ENL_VS_EXTENDED_IOAPIC    (1u << 2) /* 15-bit destinations without remapping */
#define ENL_VS_CONFIDENTIAL_VMBUS (1u << 3)

/* The four words of a leaf, and of the register that says the same. */
struct enl_cpuid_leaf {
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
};
ENL_ABI_SIZE(struct enl_cpuid_leaf, 16);

#endif
