/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPI hypercalls: one call raises a vector in many VPs. The guest chooses vector and set;
 * both are checked, VPs that do not exist are left out, and the work is bounded by the
 * number of those that do. [TLFS HvCallSendSyntheticClusterIpi, ...Ex]
 * Tests: ipi_send.
 */
#include "host/core/ipi.h"

#include <string.h>

#include "host/core/hypercall.h"
#include "host/core/ops.h"
#include "host/core/vpset.h"

/* There is one virtual trust level, number 0. */
static bool
ipi_ok(uint32_t vector, uint8_t target_vtl)
{
    return vector >= ENL_IPI_VECTOR_MIN && vector <= ENL_IPI_VECTOR_MAX &&
           target_vtl == 0;
}

static uint16_t
ipi_send(struct enlh_vp *vp, uint32_t vector, const struct enlh_vpset *set)
{
    for (uint32_t i = 0; i < set->word_count; i++) {
        for (uint64_t left = set->word[i]; left != 0; left &= left - 1) {
            uint32_t target = i * 64 + (uint32_t)__builtin_ctzll(left);

            enlh_ops_interrupt(&vp->partition->vps[target], (uint8_t)vector, false);
        }
    }
    return ENL_HV_STATUS_SUCCESS;
}

uint16_t
enlh_ipi_send_call(struct enlh_vp *vp, struct enlh_call *call)
{
    struct enl_hv_send_ipi input;
    struct enlh_vpset set;

    memcpy(&input, call->input, sizeof(input));
    if (!ipi_ok(input.vector, input.target_vtl))
        return ENL_HV_STATUS_INVALID_PARAMETER;
    enlh_vpset_mask(vp->partition, input.vp_mask, &set);
    return ipi_send(vp, input.vector, &set);
}

uint16_t
enlh_ipi_send_ex_call(struct enlh_vp *vp, struct enlh_call *call)
{
    struct enl_hv_send_ipi_ex input;
    struct enlh_vpset set;
    uint16_t status;

    memcpy(&input, call->input, sizeof(input));
    if (!ipi_ok(input.vector, input.target_vtl))
        return ENL_HV_STATUS_INVALID_PARAMETER;
    status = enlh_vpset_read(vp->partition, &input.vp_set,
                             &call->input[sizeof(input) / 8], call->varhead_count, &set);
    return status == ENL_HV_STATUS_SUCCESS ? ipi_send(vp, input.vector, &set) : status;
}
