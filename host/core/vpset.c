/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of VPs in hypercalls: a mask of 64, all, or a sparse set of up to 64 banks of 64.
 * The guest writes them; they were copied before. Bits of VPs that do not exist are
 * dropped here, once, so that nobody later indexes with one. [TLFS 7.8.7, HV_VP_SET]
 * Tests: vpset_sparse.
 */
#include "host/core/vpset.h"

#include <string.h>

#include "host/core/partition.h"

static void
vpset_start(const struct enlh_partition *partition, struct enlh_vpset *out)
{
    memset(out, 0, sizeof(*out));
    out->word_count = (partition->config.vp_count + 63) / 64;
}

/* Drop what is beyond the last VP. */
static void
vpset_trim(const struct enlh_partition *partition, struct enlh_vpset *out)
{
    uint32_t left = partition->config.vp_count % 64;

    if (left != 0)
        out->word[out->word_count - 1] &= (UINT64_C(1) << left) - 1;
}

void
enlh_vpset_all(const struct enlh_partition *partition, struct enlh_vpset *out)
{
    vpset_start(partition, out);
    memset(out->word, 0xff, out->word_count * sizeof(out->word[0]));
    vpset_trim(partition, out);
}

void
enlh_vpset_mask(const struct enlh_partition *partition, uint64_t mask,
                struct enlh_vpset *out)
{
    vpset_start(partition, out);
    out->word[0] = mask;
    vpset_trim(partition, out);
}

/* Not __builtin_popcountll(): without the instruction it is a call into libgcc. */
static uint32_t
vpset_count(uint64_t mask)
{
    uint32_t count = 0;

    for (; mask != 0; mask &= mask - 1)
        count++;
    return count;
}

uint16_t
enlh_vpset_read(const struct enlh_partition *partition, const struct enl_hv_vp_set *set,
                const uint64_t *bank, uint32_t bank_count, struct enlh_vpset *out)
{
    uint32_t next = 0;

    if (set->format == ENL_VP_SET_ALL) {
        enlh_vpset_all(partition, out);
        return ENL_HV_STATUS_SUCCESS;
    }
    if (set->format != ENL_VP_SET_SPARSE)
        return ENL_HV_STATUS_INVALID_PARAMETER;
    if (vpset_count(set->bank_mask) != bank_count)
        return ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    vpset_start(partition, out);
    for (uint32_t i = 0; i < out->word_count; i++) {
        if ((set->bank_mask & (UINT64_C(1) << i)) != 0)
            out->word[i] = bank[next++];
    }
    vpset_trim(partition, out);
    return ENL_HV_STATUS_SUCCESS;
}
