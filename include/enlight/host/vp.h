/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/vp.h - one virtual processor: registers, hypercalls, messages, timers
 *
 * The embedder's VP thread turns each trap of the guest into one of these calls, and calls
 * enlh_vp_enter() before it runs guest code again. Registers have the TLFS names of
 * enlight/abi/register.h on every architecture; enlight/host/x86_64.h translates MSRs.
 * [TLFS 7 to 12]
 */
#ifndef ENLIGHT_HOST_VP_H
#define ENLIGHT_HOST_VP_H

#include "enlight/host/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

/* VP number index of the partition, or NULL beyond its count. Thread: any. */
struct enlh_vp *enlh_partition_vp(struct enlh_partition *partition, uint32_t index);

/*
 * The guest reads or writes a synthetic register. Returns 0, or what the architecture
 * turns into its fault (#GP on x86):
 *   -ENL_E_NOENT   no such register;
 *   -ENL_E_ACCESS  not announced to this guest;
 *   -ENL_E_INVAL   a value that the register cannot have, or no such access to it;
 *   -ENL_E_FAULT   an overlay page outside RAM, or on another overlay page;
 *   -ENL_E_BUSY    another VP is changing this page register;
 *   -ENL_E_NOMEM   no memory to keep what is under an overlay page.
 * Thread: vp. May call any callback.
 */
ENL_MUST_CHECK int enlh_vp_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
ENL_MUST_CHECK int enlh_vp_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

/* A hypercall, as its trap delivers it. [TLFS 3] */
struct enlh_hypercall {
    uint64_t control; /* RCX, or EDX:EAX */
    uint64_t input;   /* RDX: a GPA, or with the fast bit the first 8 bytes */
    uint64_t output;  /* R8: a GPA, or with the fast bit the second 8 bytes */
    const uint64_t
        *xmm; /* (optional) 12 words of XMM0 to 5, for XMM fast input; borrowed */
};

/*
 * Answer a hypercall of a guest in kernel mode. Returns the result word: status in bits
 * 15:0, reps completed in bits 43:32. A caller in user mode or real mode gets #UD from
 * the embedder instead, before this. Thread: vp. May call any callback.
 */
uint64_t enlh_vp_hypercall(struct enlh_vp *vp, const struct enlh_hypercall *call);

/*
 * Before the VP runs guest code: deliver queued messages to free slots, fire what has
 * expired. Thread: vp. Cheap when nothing waits: one load.
 */
void enlh_vp_enter(struct enlh_vp *vp);

/* The deadline given to timer_arm() has passed. Thread: any. */
void enlh_vp_timer(struct enlh_vp *vp);

/*
 * With raise_sint: the hypervisor below reports new values of SCONTROL, SIEFP and SIMP
 * for this VP. Returns 0, or as enlh_vp_set_reg(). Thread: vp.
 */
ENL_MUST_CHECK int enlh_vp_synic_changed(struct enlh_vp *vp, uint64_t scontrol,
                                         uint64_t siefp, uint64_t simp);

/* With raise_sint: the guest acknowledged a SINT; a waiting message may go. Thread: any. */
void enlh_vp_slot_freed(struct enlh_vp *vp);

/* INIT: SynIC, timers and assist page back to their reset values. Thread: vp. */
void enlh_vp_reset(struct enlh_vp *vp);

/* ---- towards a VP: what VMBus stands on, open to other services as well ---- */

/*
 * Queue a message for a SINT of the VP: type (bit 31 clear), payload (0 to 240 bytes,
 * copied), the port it comes from. It arrives in order behind the messages queued before.
 * Returns 0, or
 *   -ENL_E_AGAIN  the queue is full (16 a SINT), or the SynIC or its message page is off;
 *   -ENL_E_RANGE  sint is above 15;
 *   -ENL_E_INVAL  type is 0 or has bit 31, or len is above 240.
 * What waits when the guest switches the SynIC or the page off is dropped. Thread: any.
 */
ENL_MUST_CHECK int enlh_vp_post_message(struct enlh_vp *vp, uint32_t sint, uint32_t type,
                                        uint64_t port, const void *payload, uint32_t len);

/* The queue of that SINT is empty: all its messages have reached the slot. Thread: any. */
bool enlh_vp_messages_done(struct enlh_vp *vp, uint32_t sint);

/*
 * Have fn called after a queue of the VP that refused a message (-ENL_E_AGAIN) has room
 * again, once for each time it came to that, with no lock held. One listener for each VP;
 * fn NULL takes it away. Thread: one, while no VP runs; fn is called on any.
 */
typedef void (*enlh_vp_drained_fn)(void *ctx);
void enlh_vp_on_drained(struct enlh_vp *vp, enlh_vp_drained_fn fn, void *ctx);

/*
 * Set event flag (0 to 2047) of a SINT and interrupt the VP if it was clear.
 * Returns 1 when the flag was clear, 0 when it was set already, or -ENL_E_AGAIN when the
 * SynIC, the event page or the SINT is off, -ENL_E_RANGE when sint or flag is beyond its
 * bound. Thread: any.
 */
int enlh_vp_signal_event(struct enlh_vp *vp, uint32_t sint, uint32_t flag);

/* ---- from the guest: ports that its post and signal hypercalls reach ---- */

/*
 * Answers HvCallPostMessage for a connection: returns an ENL_HV_STATUS_*.
 * message is a copy of len bytes. Thread: vp.
 */
typedef uint16_t (*enlh_port_message_fn)(void *ctx, struct enlh_vp *vp, uint32_t type,
                                         const void *message, uint32_t len);
/* Answers HvCallSignalEvent. Thread: vp. */
typedef uint16_t (*enlh_port_event_fn)(void *ctx, uint32_t connection_id, uint16_t flag);

/*
 * Let a connection id (24 bits) reach a port; connect with fn NULL takes it away. On
 * return of a disconnect no call is inside fn any more: it waits for them, so fn must not
 * wait for the loop. A range goes as it came: by its first id and count.
 * Returns 0, or
 *   -ENL_E_EXIST  an id of the range is connected already;
 *   -ENL_E_NOSPC  too many ranges, or no memory;
 *   -ENL_E_INVAL  an id beyond 24 bits, or a disconnect of another range than was connected.
 * Thread: loop.
 */
ENL_MUST_CHECK int enlh_port_message(struct enlh_partition *partition,
                                     uint32_t connection_id, enlh_port_message_fn fn,
                                     void *ctx);
ENL_MUST_CHECK int enlh_port_events(struct enlh_partition *partition, uint32_t first_id,
                                    uint32_t count, enlh_port_event_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
