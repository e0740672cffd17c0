/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/reenlightenment.h - notice of a TSC that runs at another rate
 *
 * After a migration the TSC may count faster or slower. A guest that has given the rate to
 * others (a hypervisor with guests of its own) asks for a notice, and for the old rate to
 * be emulated until it has told them. [TLFS reenlightenment]
 *
 *     enlg_reenlightenment_enable(...);
 *     the vector: stop all who use the rate; enlg_reenlightenment_done(..., &hz); tell them
 */
#ifndef ENLIGHT_GUEST_REENLIGHTENMENT_H
#define ENLIGHT_GUEST_REENLIGHTENMENT_H

#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Ask for both; vector (16 to 255) is raised in VP target_vp, and its handler is in
 * place. Again, when that VP goes offline: with another one.
 * Returns 0, or -ENL_E_NOTSUP (not announced), -ENL_E_INVAL, -ENL_E_ACCESS.
 * Thread: one processor at a time.
 */
ENL_MUST_CHECK int enlg_reenlightenment_enable(const struct enlg_partition *partition,
                                               uint8_t vector, uint32_t target_vp);
/* No more notices and no more emulation. Thread: as above. */
void enlg_reenlightenment_disable(const struct enlg_partition *partition);

/* The TSC is being emulated at its old rate, which is slow. Thread: any. */
bool enlg_reenlightenment_is_emulating(const struct enlg_partition *partition);

/*
 * Nobody relies on the old rate any more: end the emulation. The rate from now on is in
 * *tsc_hz (optional), 0 where the hypervisor does not tell it.
 * Returns 0, or -ENL_E_NOTSUP, -ENL_E_ACCESS. Thread: one processor at a time.
 */
ENL_MUST_CHECK int enlg_reenlightenment_done(const struct enlg_partition *partition,
                                             uint64_t *tsc_hz);

#ifdef __cplusplus
}
#endif
#endif
