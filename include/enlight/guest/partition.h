/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/partition.h - the hypervisor under this guest: is it there, what can it do
 *
 * The first object of the guest half; every other one borrows it. It holds the platform,
 * what the hypervisor announces, and the hypercall page (enlight/guest/hypercall.h).
 * [TLFS feature discovery]
 */
#ifndef ENLIGHT_GUEST_PARTITION_H
#define ENLIGHT_GUEST_PARTITION_H

#include "enlight/guest/platform.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_partition {
    uint64_t opaque[40];
};

/*
 * What the hypervisor announces, as one read of its leaves found it. The bits are those of
 * x86 on every processor; ENL_FEAT_XMM_INPUT stands for input in more than two registers.
 */
struct enlg_features {
    uint64_t privileges;   /* ENL_PRIV_* */
    uint32_t features;     /* ENL_FEAT_* */
    uint32_t features_ecx; /* ENL_FEAT_ECX_* */
    uint32_t hints;        /* ENL_HINT_* */
    uint32_t spin_retries; /* before NOTIFY_LONG_SPIN_WAIT; ENL_SPIN_NEVER: do not */
    uint32_t address_bits; /* of a physical address; 0: not told */
    uint32_t max_vps;      /* 0: not told */
    uint32_t max_leaf;     /* ENL_CPUID_* up to here have a meaning */
    uint32_t hardware;     /* ENL_HARDWARE_* */
    uint32_t nested;       /* ENL_NESTED_* */
    uint32_t isolation;    /* ENL_ISOLATION_NONE, _VBS, _SNP, _TDX */
    uint32_t build;
    uint16_t major, minor; /* of the hypervisor */
};

/*
 * Look for the hypervisor and read what it announces. Copies platform; borrows its ctx for
 * as long as the partition is used.
 * Returns 0, or
 *   -ENL_E_NODEV   no hypervisor, or not one with this interface;
 *   -ENL_E_ACCESS  it is there, but announces no hypercalls or no VP index;
 *   -ENL_E_INVAL   platform lacks a function that is not optional.
 * Thread: one, before any other use.
 */
ENL_MUST_CHECK int enlg_partition_init(struct enlg_partition *partition,
                                       const struct enlg_platform *platform);

/* What was found. Lives as long as the partition. Thread: any. */
const struct enlg_features *
enlg_partition_features(const struct enlg_partition *partition);

/* All of these ENL_PRIV_* are announced. Thread: any. */
bool enlg_partition_has(const struct enlg_partition *partition, uint64_t privileges);

/* The VP index of the processor that runs this, in *index. Returns 0 or -ENL_E_ACCESS. */
ENL_MUST_CHECK int enlg_partition_vp_index(const struct enlg_partition *partition,
                                           uint32_t *index);

#ifdef __cplusplus
}
#endif
#endif
