/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/vpset.h - sets of VPs, as hypercalls name them */
#ifndef HOST_CORE_VPSET_H
#define HOST_CORE_VPSET_H

#include <stdint.h>

#include "enlight/abi/hypercall.h"

struct enlh_partition;

#define ENLH_VPSET_WORDS 32u /* 2048 VPs */

/* One bit for each VP; none beyond the partition's count. */
struct enlh_vpset {
    uint64_t word[ENLH_VPSET_WORDS];
    uint32_t word_count; /* as many as the partition has VPs for */
};

void enlh_vpset_all(const struct enlh_partition *partition, struct enlh_vpset *out);
/* VPs 0 to 63. */
void enlh_vpset_mask(const struct enlh_partition *partition, uint64_t mask,
                     struct enlh_vpset *out);
/*
 * A sparse set and the banks behind it. Returns ENL_HV_STATUS_SUCCESS, or the status that
 * the call gets: a format that is not known, or another number of banks than its mask has.
 * VPs that do not exist are left out.
 */
uint16_t enlh_vpset_read(const struct enlh_partition *partition,
                         const struct enl_hv_vp_set *set, const uint64_t *bank,
                         uint32_t bank_count, struct enlh_vpset *out);

#endif
