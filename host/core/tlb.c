/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB flush hypercalls. Whatever the guest names (an address space, ranges), the targets'
 * whole TLBs are flushed by the embedder: flushing more than was asked is always right,
 * and a list of ranges costs nothing. The guest makes it run; its flags are checked, its
 * addresses are not used. [TLFS HvCallFlushVirtualAddressSpace, ...List and their Ex]
 * Tests: tlb_flush.
 */
#include "host/core/tlb.h"

#include <string.h>

#include "host/core/feature.h"
#include "host/core/hypercall.h"
#include "host/core/ops.h"
#include "host/core/vpset.h"

/* is_list: what the form with ranges forbids and allows. */
static bool
tlb_flags_ok(const struct enlh_vp *vp, uint64_t flags, bool is_list)
{
    uint64_t known = ENL_FLUSH_ALL_VPS | ENL_FLUSH_ALL_SPACES;

    if (!is_list)
        known |= ENL_FLUSH_NON_GLOBAL_ONLY;
    else if (enlh_feature_on(&vp->partition->config.features, ENLH_F_TLBFLUSH_EXT))
        known |= ENL_FLUSH_EXT_RANGES;
    return (flags & ~known) == 0;
}

static uint16_t
tlb_flush(struct enlh_vp *vp, struct enlh_call *call, const struct enlh_vpset *set)
{
    struct enlh_partition *partition = vp->partition;

    if (partition->ops.flush_tlb == NULL)
        return ENL_HV_STATUS_INVALID_HYPERCALL_CODE;
    partition->ops.flush_tlb(partition->ctx, vp->index, set->word, set->word_count);
    call->rep_done = call->rep_count;
    return ENL_HV_STATUS_SUCCESS;
}

static uint16_t
tlb_flush_mask(struct enlh_vp *vp, struct enlh_call *call, bool is_list)
{
    struct enl_hv_flush input;
    struct enlh_vpset set;

    memcpy(&input, call->input, sizeof(input));
    if (!tlb_flags_ok(vp, input.flags, is_list))
        return ENL_HV_STATUS_INVALID_PARAMETER;
    if ((input.flags & ENL_FLUSH_ALL_VPS) != 0)
        enlh_vpset_all(vp->partition, &set);
    else
        enlh_vpset_mask(vp->partition, input.vp_mask, &set);
    return tlb_flush(vp, call, &set);
}

static uint16_t
tlb_flush_set(struct enlh_vp *vp, struct enlh_call *call, bool is_list)
{
    struct enl_hv_flush_ex input;
    struct enlh_vpset set;
    uint16_t status;

    memcpy(&input, call->input, sizeof(input));
    if (!tlb_flags_ok(vp, input.flags, is_list))
        return ENL_HV_STATUS_INVALID_PARAMETER;
    if ((input.flags & ENL_FLUSH_ALL_VPS) != 0) {
        enlh_vpset_all(vp->partition, &set);
        return tlb_flush(vp, call, &set);
    }
    status = enlh_vpset_read(vp->partition, &input.vp_set,
                             &call->input[sizeof(input) / 8], call->varhead_count, &set);
    return status == ENL_HV_STATUS_SUCCESS ? tlb_flush(vp, call, &set) : status;
}

uint16_t
enlh_tlb_flush_call(struct enlh_vp *vp, struct enlh_call *call)
{
    return tlb_flush_mask(vp, call, false);
}

uint16_t
enlh_tlb_flush_list_call(struct enlh_vp *vp, struct enlh_call *call)
{
    return tlb_flush_mask(vp, call, true);
}

uint16_t
enlh_tlb_flush_ex_call(struct enlh_vp *vp, struct enlh_call *call)
{
    return tlb_flush_set(vp, call, false);
}

uint16_t
enlh_tlb_flush_list_ex_call(struct enlh_vp *vp, struct enlh_call *call)
{
    return tlb_flush_set(vp, call, true);
}
