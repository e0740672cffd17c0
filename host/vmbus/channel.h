/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/vmbus/channel.h - a channel and its GPADLs from the inside
 *
 * The loop owns a channel. While it has a worker, the worker owns struct enlh_wire, and
 * the two talk through struct enlh_handshake only.
 */
#ifndef ENLH_VMBUS_CHANNEL_H
#define ENLH_VMBUS_CHANNEL_H

#include "common/ring.h"
#include "host/vmbus/bus.h"

/* Where a channel is. Only enlh_channel_event() moves it. */
enum enlh_channel_state {
    ENLH_CH_UNOFFERED,  /* the guest does not hold it: not connected, or given back */
    ENLH_CH_OFFERED,    /* the guest knows it, and may give it memory and open it */
    ENLH_CH_OPEN,       /* it has a worker */
    ENLH_CH_CLOSING,    /* the guest closed it; the worker is letting go */
    ENLH_CH_REOPENING,  /* the same, and the guest has asked to open it again */
    ENLH_CH_RESCINDING, /* the host takes it back; the worker is letting go */
    ENLH_CH_RESCINDED,  /* the guest is told, and has not released it yet */
    ENLH_CH_BROKEN,     /* the guest broke the ring: no worker until it closes */
    ENLH_CH_LEAVING,    /* the guest is gone or gave it back; the worker is letting go */
    ENLH_CH_REMOVING,   /* the same, and the host has taken it back */
    ENLH_CH_REMOVED,    /* nobody holds it: removed() is to be called */
    ENLH_CH_STATES
};

/* What can happen to it. */
enum enlh_channel_event {
    ENLH_EV_OFFER,       /* OFFER goes to the guest */
    ENLH_EV_OPEN,        /* OPEN from the guest; request says how */
    ENLH_EV_OPEN_FAILED, /* it cannot be done */
    ENLH_EV_CLOSE,       /* CLOSE from the guest */
    ENLH_EV_RELEASE,     /* RELID_RELEASED from the guest */
    ENLH_EV_DISCONNECT,  /* the guest is gone */
    ENLH_EV_RESCIND,     /* the device takes it back */
    ENLH_EV_STOPPED,     /* the worker has let go and is gone */
    ENLH_CH_EVENTS
};

/* OPEN, as the guest wants it. */
struct enlh_open_request {
    uint32_t open_id;
    uint32_t ring_gpadl;
    uint32_t target_vp;
    uint32_t downstream_offset;
};

/* What the loop tells a worker. */
enum enlh_order {
    ENLH_ORDER_RUN,
    ENLH_ORDER_QUIESCE, /* let go; what is in flight may still be answered */
    ENLH_ORDER_SILENCE, /* let go, and write nothing more into the ring */
};

struct enlh_handshake {
    atomic_uint order;        /* loop: enum enlh_order */
    atomic_bool stopped;      /* worker: it has let go and will not touch the channel */
    atomic_uint target_vp;    /* loop: where interrupts go */
    atomic_bool signalling;   /* worker: it is about to interrupt target_vp */
    atomic_bool modify_waits; /* loop: MODIFY_CHANNEL_RESPONSE waits for signalling */
};

struct enlh_wire_counts {
    _Atomic uint64_t packets_in, packets_out, signals_in, signals_out, ring_full;
};

/* Answers that are in the ring, and not shown yet. */
struct enlh_hold {
    uint32_t answers;
    uint32_t goal;     /* so many are shown at once; 1: each */
    uint32_t looks;    /* turns since the last that brought anything */
    uint32_t calm;     /* bunches until goal may grow again */
    int32_t under_way; /* packets that the device has taken, and not completed */
};

/* The worker's: both rings and its scratch memory. */
struct enlh_wire {
    struct enl_ring_consumer in;  /* guest to host */
    struct enl_ring_producer out; /* host to guest */
    uint32_t sint;
    bool broken; /* the guest broke the protocol */
    bool held;   /* packet was refused by the device, and is offered again */
    struct enlh_hold hold;
    struct enlh_packet packet;
    uint8_t *payload; /* max_payload, rounded up to 8 */
    uint32_t payload_len;
    uint8_t *ranges; /* of a GPA-direct packet */
    uint32_t ranges_len;
    struct enlh_span *spans; /* max_spans */
    uint8_t **pages;         /* of both rings */
    uint32_t page_count;
    struct enlh_wire_counts counts;
};

struct enlh_channel {
    struct enlh_vmbus *bus;
    struct enlh_channel_ops ops;
    void *dev;
    struct enlh_offer offer;
    char name[32];
    uint32_t relid;
    enum enlh_channel_state state;
    atomic_bool is_open;
    atomic_uint protocol; /* 0 from each opening on, until the device has agreed one */
    bool put_pending;     /* gpadl_lock: a lent GPADL whose teardown waits came back */
    struct enlh_open_request request;
    struct enlh_gpadl *ring;   /* while there is a worker */
    struct enlh_link bus_link; /* in enlh_vmbus.channels */
    struct enlh_link notice;   /* in enlh_vmbus.notices */
    struct enlh_link gpadls;
    void *data, *worker;
    struct enlh_handshake hand;
    struct enlh_wire wire;
};

/* ---- channel.c ---- */

/* The channel that the guest holds under this relid, or NULL. Thread: loop. */
struct enlh_channel *enlh_channel_held(struct enlh_vmbus *bus, uint32_t relid);
bool enlh_channel_accepts(const struct enlh_channel *channel,
                          enum enlh_channel_event event);
/* Go to the next state and do what belongs to it; false when it has no such way. */
bool enlh_channel_event(struct enlh_channel *channel, enum enlh_channel_event event);
const char *enlh_channel_state_name(enum enlh_channel_state state);
/* A worker may have let go, or left signalling: go on. Thread: loop. */
void enlh_channel_progress(struct enlh_channel *channel);

void enlh_channel_open(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
void enlh_channel_close(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
void enlh_channel_modify(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);

/* ---- open.c ---- */

/*
 * Map the rings of request and give the channel a worker. Returns 0, or what
 * enlh_open_status() turns into the answer: -ENL_E_INVAL, -ENL_E_NOENT, -ENL_E_PROTO,
 * -ENL_E_NOMEM, or the device's error. Thread: loop.
 */
ENL_MUST_CHECK int enlh_open_start(struct enlh_channel *channel);
uint32_t enlh_open_status(int error);
/* Ask the worker to let go. Thread: loop. */
void enlh_open_ask_stop(struct enlh_channel *channel, enum enlh_order order);
/* Take the worker away and undo the open; false: a thread is still at the door. */
bool enlh_open_stop(struct enlh_channel *channel);

/* ---- packet.c ---- */

/* Interrupt the guest for this channel. Thread: channel; loop while there is no worker. */
void enlh_packet_signal(struct enlh_channel *channel);

/* ---- hold.c ---- */

/*
 * The end of a turn that brought news, packets and answers; deep: the guest had sent a
 * packet before it took the last answer. True: let the answers wait, and look again at once.
 */
bool enlh_hold_turn(struct enlh_hold *hold, uint32_t news, bool deep);
/* All answers are shown. */
void enlh_hold_shown(struct enlh_hold *hold);

/* ---- gpadl.c ---- */

enum enlh_gpadl_state {
    ENLH_GPADL_ASSEMBLING, /* bodies are to come */
    ENLH_GPADL_READY,      /* created */
    ENLH_GPADL_TEARING,    /* the guest wants it back; the channel still uses it */
    ENLH_GPADL_TORN,       /* TORNDOWN is to be sent */
};

struct enlh_gpadl {
    struct enlh_link hash_link;
    struct enlh_link owner_link; /* a channel's gpadls, or the bus's strays */
    struct enlh_link torn_link;
    uint32_t relid, handle;
    enum enlh_gpadl_state state;
    bool is_ring, is_lent; /* gpadl_lock: what uses it */
    uint32_t range_count;
    uint8_t *buf; /* the ranges as they come in, while assembling */
    uint32_t buf_len, buf_have;
    struct enlh_span *spans;
    uint32_t span_count;
    uint64_t charged;      /* bytes of guest memory, in whole pages */
    uint64_t host_charged; /* bytes of ours */
};

void enlh_gpadl_init(struct enlh_vmbus *bus);
void enlh_gpadl_header(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
void enlh_gpadl_body(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
void enlh_gpadl_teardown(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
/* A complete GPADL of this channel, not being torn down; or NULL. Thread: loop. */
struct enlh_gpadl *enlh_gpadl_ready(struct enlh_channel *channel, uint32_t handle);
/* Mark it as ring. Thread: loop. */
void enlh_gpadl_use_ring(struct enlh_channel *channel, struct enlh_gpadl *gpadl);
/* The worker is gone: nothing of the channel is in use, teardowns that waited go on. */
void enlh_gpadl_unused(struct enlh_channel *channel);
/* A lent one came back: teardowns that waited for it go on. */
void enlh_gpadl_returned(struct enlh_channel *channel);
/* Free the GPADLs of a channel that the guest no longer holds. */
void enlh_gpadl_drop(struct enlh_channel *channel);
/* Free all: there is no guest. */
void enlh_gpadl_drop_all(struct enlh_vmbus *bus);
/* Send TORNDOWN messages, as far as there is room. */
void enlh_gpadl_settle(struct enlh_vmbus *bus);

#endif
