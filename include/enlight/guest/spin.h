/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/spin.h - tell the hypervisor that a lock is not had for long
 *
 * The VP that holds the lock may not be running. A hypervisor that wants to know says
 * after how many tries; then it may let that VP run. [TLFS HvCallNotifyLongSpinWait]
 *
 *     uint32_t tries = 0;
 *
 *     while (!lock_try(lock)) {
 *         cpu_relax();
 *         (void)enlg_spin_wait(&partition, &tries);
 *     }
 */
#ifndef ENLIGHT_GUEST_SPIN_H
#define ENLIGHT_GUEST_SPIN_H

#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tries between two notices, or ENL_SPIN_NEVER. Thread: any. */
uint32_t enlg_spin_limit(const struct enlg_partition *partition);

/*
 * One more try has failed: counts it in *tries (0 at first, the caller's), and tells the
 * hypervisor each time that the limit is reached. Returns true when it was told.
 * Thread: any processor.
 */
bool enlg_spin_wait(const struct enlg_partition *partition, uint32_t *tries);

#ifdef __cplusplus
}
#endif
#endif
