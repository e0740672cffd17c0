/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/ipi.h - interrupt many processors with one call
 *
 * Whoever gets a failure interrupts as on bare hardware. NMI and INIT never go this way.
 * [TLFS HvCallSendSyntheticClusterIpi, its Ex form]
 */
#ifndef ENLIGHT_GUEST_IPI_H
#define ENLIGHT_GUEST_IPI_H

#include "enlight/guest/partition.h"
#include "enlight/guest/vpset.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Raise vector (16 to 255) in every VP of the set, the caller's own too if it is there.
 * input: 4096 bytes, aligned, this processor's own until the call returns; NULL will do
 * for a set without VPs from 64 on that does not say "every VP".
 * Returns 0, or
 *   -ENL_E_NOTSUP  not announced, or not for this set: interrupt without the hypervisor;
 *   -ENL_E_INVAL   such a vector, an input that is missing or not aligned, a set with too
 *                  many words;
 *   another failure of hypercall.h: interrupt without the hypervisor.
 * Thread: any processor, in a state in which it cannot be moved to another.
 */
ENL_MUST_CHECK int enlg_ipi_send(const struct enlg_partition *partition, void *input,
                                 uint32_t vector, const struct enlg_vpset *vps);

/* The hypervisor wants to be asked for interrupts of other processors. Thread: any. */
bool enlg_ipi_is_offered(const struct enlg_partition *partition);

#ifdef __cplusplus
}
#endif
#endif
