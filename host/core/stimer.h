/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/core/stimer.h - the four synthetic timers of a VP
 *
 *   config.enable, count   deadline        what happens at it
 *   off, or count 0        none
 *   one-shot               count           fires, disables itself
 *   periodic               n * period      fires; lazy skips what it missed, else it
 *                                          catches up at twice the rate, within bounds
 */
#ifndef HOST_CORE_STIMER_H
#define HOST_CORE_STIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "enlight/abi/register.h"

struct enlh_vp;
struct enlh_synic_message;

#define ENLH_STIMER_NEVER UINT64_MAX

struct enlh_stimer {
    uint64_t config;
    uint64_t count;
    uint64_t nominal;   /* the expiration time that the guest is told */
    uint64_t deadline;  /* when to look: nominal, or later while catching up */
    bool message_waits; /* at most one is outstanding */
    uint64_t message_ticket;
    uint64_t message_nominal;
};

/* Under the VP's lock. */
struct enlh_stimers {
    struct enlh_stimer timer[ENL_STIMER_COUNT];
    uint64_t armed; /* the deadline that the embedder has, or is about to get */
};

int enlh_stimer_init(struct enlh_vp *vp);
void enlh_stimer_reset(struct enlh_vp *vp);
void enlh_stimer_fini(struct enlh_vp *vp);
int enlh_stimer_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_stimer_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

/* Fire what has expired. Thread: any. */
void enlh_stimer_run(struct enlh_vp *vp);

/* For the SynIC, with the VP's lock held: the timer whose message is first for this SINT. */
bool enlh_stimer_waits(const struct enlh_vp *vp, uint32_t sint, uint32_t *timer,
                       uint64_t *ticket);
/* Make that message; it is outstanding no more. */
void enlh_stimer_take(struct enlh_vp *vp, uint32_t timer, uint64_t now_100ns,
                      struct enlh_synic_message *out);
/* The SynIC is switched off: no message is outstanding. */
void enlh_stimer_forget(struct enlh_vp *vp);

struct enlh_stimer_state {
    struct {
        uint64_t config, count, nominal, deadline;
        uint64_t message_waits, message_ticket, message_nominal;
    } timer[ENL_STIMER_COUNT];
};
void enlh_stimer_save(struct enlh_vp *vp, struct enlh_stimer_state *out);
int enlh_stimer_restore(struct enlh_vp *vp, const struct enlh_stimer_state *state);

#endif
