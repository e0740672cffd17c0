/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/ipi.c - interrupts to many processors
 *
 * Run by the kernel, in the middle of whatever it does. Nothing here comes from a host but
 * a status. A set of VPs below 64 goes in two registers; others need memory for the Ex
 * form. [TLFS HvCallSendSyntheticClusterIpi, its Ex form]
 * Tests: test/unit/guest_calls.c, test/loop/core.c.
 */
#include "enlight/guest/ipi.h"
#include "guest/core/vpset.h"

bool
enlg_ipi_is_offered(const struct enlg_partition *partition)
{
    return part_in(partition)->calls && has_hints(partition, ENL_HINT_CLUSTER_IPI);
}

static int
send_ex(const struct enlg_partition *partition, void *input, uint32_t vector,
        const struct enlg_vpset *vps)
{
    struct enl_hv_send_ipi_ex *ipi = input;
    uint32_t varhead;

    if (!has_hints(partition, ENL_HINT_EX_PROCESSOR_MASKS))
        return -ENL_E_NOTSUP;
    if (!input || !ENLG_PAGE_ALIGNED(input))
        return -ENL_E_INVAL;
    memset(ipi, 0, sizeof(*ipi));
    ipi->vector = vector;
    varhead = enlg_vpset_write(vps, &ipi->vp_set);
    return enlg_hypercall_memory(partition, ENL_CALL_SEND_IPI_EX, varhead, ipi, NULL);
}

int
enlg_ipi_send(const struct enlg_partition *partition, void *input, uint32_t vector,
              const struct enlg_vpset *vps)
{
    if (vector < ENL_IPI_VECTOR_MIN || vector > ENL_IPI_VECTOR_MAX ||
        vps->word_count > ENLG_VPSET_WORDS)
        return -ENL_E_INVAL;
    if (!enlg_ipi_is_offered(partition))
        return -ENL_E_NOTSUP;
    switch (enlg_vpset_form(vps)) {
    case VPSET_EMPTY:
        return 0;
    case VPSET_MASK:
        return enlg_hypercall_fast16(partition, ENL_CALL_SEND_IPI, vector, vps->word[0]);
    default:
        return send_ex(partition, input, vector, vps);
    }
}
