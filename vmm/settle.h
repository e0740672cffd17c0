/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/settle.h - has a guest let go of what is to leave
 *
 * A guest does not say that it has dropped a device. It is looked at in turns: one that has
 * asked nothing for some of them is done, and one that never ends asking is not waited for.
 */
#ifndef ENLIGHT_VMM_SETTLE_H
#define ENLIGHT_VMM_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#define ENLM_SETTLE_TURN_MS 500u
#define ENLM_SETTLE_QUIET   4u  /* so many turns without a request */
#define ENLM_SETTLE_TURNS   60u /* and never more than these */

struct enlm_settle {
    uint64_t heard; /* requests, at the last turn */
    uint32_t quiet, turns;
};

/* heard: how many requests the guest has made in all. */
void enlm_settle_begin(struct enlm_settle *settle, uint64_t heard);
/* A turn later. is_busy: there is work that is not done. Returns whether to wait no longer. */
bool enlm_settle_turn(struct enlm_settle *settle, uint64_t heard, bool is_busy);

#endif
