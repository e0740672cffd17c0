/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/core/synic.h - messages, event flags and interrupts of one VP
 *
 *   post (any thread) --> queue of the SINT --> slot --> interrupt
 *   timer (any thread) -> its one message -----^  written by enlh_vp_enter() only,
 *                                                 on the VP's thread
 *   signal (any thread) -> event flag, at once -> interrupt
 *
 * A slot belongs to the guest from the moment that its type is not 0. While it is taken,
 * messages wait, its pending flag says so, and EOM brings enlh_vp_enter() back to them.
 */
#ifndef HOST_CORE_SYNIC_H
#define HOST_CORE_SYNIC_H

#include <stdbool.h>
#include <stdint.h>

#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/host/vp.h"
#include "host/core/overlay.h"

#define ENLH_SYNIC_QUEUE 16u /* messages a SINT: [TLFS 11.4, guest message buffers] */

struct enlh_synic_message {
    uint32_t type;
    uint32_t len;
    uint64_t sender;
    uint64_t ticket; /* its place in the order of all messages of this VP */
    bool waited;     /* behind a slot that was taken */
    uint8_t payload[ENL_MESSAGE_PAYLOAD];
};

struct enlh_synic_queue {
    struct enlh_synic_message message[ENLH_SYNIC_QUEUE];
    uint32_t first;
    uint32_t count;
};

/* Under the VP's lock, but for the overlays, which have their own rule. */
struct enlh_synic {
    uint64_t scontrol;
    uint64_t sint[ENL_SINT_COUNT];
    struct enlh_overlay simp;
    struct enlh_overlay siefp;
    struct enl_message_page *messages;              /* NULL: SIMP is off */
    struct enl_event_page *events;                  /* NULL: SIEFP is off */
    struct enlh_synic_queue *queue[ENL_SINT_COUNT]; /* made at the first message */
    uint32_t waiting; /* a bit for each SINT that a message waits for */
    uint32_t refused; /* a bit for each SINT whose queue has refused a message since */
    enlh_vp_drained_fn drained; /* who wants to hear when it takes messages again */
    void *drained_ctx;
    uint64_t ticket; /* the last one given */
};

int enlh_synic_init(struct enlh_vp *vp);
void enlh_synic_reset(struct enlh_vp *vp);
void enlh_synic_fini(struct enlh_vp *vp);
int enlh_synic_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_synic_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

/* The public functions of the same meaning in enlight/host/vp.h. */
int enlh_synic_changed(struct enlh_vp *vp, uint64_t scontrol, uint64_t siefp,
                       uint64_t simp);
int enlh_synic_post(struct enlh_vp *vp, uint32_t sint,
                    const struct enlh_synic_message *message);
int enlh_synic_signal(struct enlh_vp *vp, uint32_t sint, uint32_t flag);
bool enlh_synic_done(struct enlh_vp *vp, uint32_t sint);
bool enlh_synic_waits(struct enlh_vp *vp);

/* The guest freed a slot somewhere: each VP with a waiting message, but except, looks. */
void enlh_synic_wake_waiting(struct enlh_partition *partition,
                             const struct enlh_vp *except);
void enlh_synic_on_drained(struct enlh_vp *vp, enlh_vp_drained_fn fn, void *ctx);

/* Put waiting messages into free slots, and tell who was refused. Thread: vp. */
void enlh_synic_deliver(struct enlh_vp *vp);

/* A timer's message waits for this SINT from now on. The VP's lock is held. */
uint64_t enlh_synic_ticket(struct enlh_vp *vp, uint32_t sint);

struct enlh_synic_state {
    uint64_t scontrol;
    uint64_t sint[ENL_SINT_COUNT];
    struct enlh_overlay_state simp;
    struct enlh_overlay_state siefp;
    uint64_t ticket;
    uint32_t queued[ENL_SINT_COUNT];
    struct enlh_synic_message message[ENL_SINT_COUNT][ENLH_SYNIC_QUEUE];
};
void enlh_synic_save(struct enlh_vp *vp, struct enlh_synic_state *out);
int enlh_synic_restore(struct enlh_vp *vp, const struct enlh_synic_state *state);

#endif
