/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/stimer.h - the four synthetic timers of one processor
 *
 * A timer goes off once at a time of enlight/guest/clock.h, or every so often. It raises
 * a vector of its own (direct mode), or puts a message into a SINT's slot, where
 * enlg_synic_message() finds it with type ENL_MESSAGE_TIMER_EXPIRED. [TLFS timers]
 * Thread: every function runs on the processor that the timer belongs to.
 */
#ifndef ENLIGHT_GUEST_STIMER_H
#define ENLIGHT_GUEST_STIMER_H

#include "enlight/abi/synic.h"
#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_stimer {
    uint64_t opaque[4];
};

/*
 * Timer index (0 to 3) with direct mode and a vector (16 to 255).
 * Returns 0, or -ENL_E_ACCESS: not announced; -ENL_E_INVAL. Borrows partition.
 */
ENL_MUST_CHECK int enlg_stimer_init_direct(struct enlg_stimer *timer,
                                           const struct enlg_partition *partition,
                                           uint32_t index, uint8_t vector);
/* Timer index with messages to an unmasked SINT (1 to 15). Returns as above. */
ENL_MUST_CHECK int enlg_stimer_init_message(struct enlg_stimer *timer,
                                            const struct enlg_partition *partition,
                                            uint32_t index, uint32_t sint);

/* Go off at a time, at once when it has passed; replaces what was set before. */
ENL_MUST_CHECK int enlg_stimer_at(struct enlg_stimer *timer, uint64_t time_100ns);
/* Go off every period, which is not 0. */
ENL_MUST_CHECK int enlg_stimer_every(struct enlg_stimer *timer, uint64_t period_100ns);
void enlg_stimer_stop(struct enlg_stimer *timer);

/*
 * What a timer's message says. Returns 1 when it is the message of this timer, with the
 * time it was set for in *expiration (optional); 0 when it is not.
 */
int enlg_stimer_message(const struct enlg_stimer *timer,
                        const struct enl_message *message, uint64_t *expiration);

#ifdef __cplusplus
}
#endif
#endif
