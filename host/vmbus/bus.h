/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/vmbus/bus.h - the bus from the inside: what its rooms share
 *
 * The loop thread owns everything here but
 *   the inbox       VP threads fill it, under its lock;
 *   the doors       any thread rings them, by atomic operations;
 *   the GPADL lists a channel's worker looks into them, under gpadl_lock;
 *   attention       any thread sets it.
 */
#ifndef ENLH_VMBUS_BUS_H
#define ENLH_VMBUS_BUS_H

#include <stdatomic.h>

#include "enlight/abi/vmbus.h"
#include "enlight/host/vmbus.h"
#include "host/core/log.h"
#include "host/vmbus/defer.h"
#include "host/vmbus/list.h"

#define ENLH_BUS_RELIDS     (ENL_VMBUS_RELID_MAX + 1u)
#define ENLH_BUS_DOOR_BASE  0x2000u /* connection id of a channel: this | relid */
#define ENLH_BUS_SINT       2u
#define ENLH_BUS_POLL_MAX   64u  /* messages of one poll */
#define ENLH_INBOX_LEN      256u /* a GPADL of 16 MiB comes in 150 */
#define ENLH_OUTBOX_LEN     32u
#define ENLH_OUTBOX_RESERVE 4u /* the most that one step puts there */
#define ENLH_GPADL_BUCKETS  256u

/* One message from the guest, copied. */
struct enlh_inbox_entry {
    uint32_t connection_id;
    uint32_t len;
    uint8_t data[ENL_VMBUS_MESSAGE_MAX];
};

struct enlh_inbox {
    void *lock;
    struct enlh_inbox_entry *ring; /* ENLH_INBOX_LEN of them */
    uint32_t head;
    atomic_uint count;        /* written under lock */
    _Atomic uint64_t refused; /* what was no VMBus message */
};

/* One message to the guest that its VP's queue has not taken yet. */
struct enlh_outbox_entry {
    uint32_t vp, sint;
    uint32_t len;
    uint32_t signal_relid; /* not 0: signal this channel once the message has gone */
    uint8_t data[sizeof(struct enl_vmbus_offer)];
};

struct enlh_outbox {
    struct enlh_outbox_entry ring[ENLH_OUTBOX_LEN];
    uint32_t head, count;
    atomic_bool blocked; /* the VP's queue refused: it tells when it has drained */
};

/* A channel's way in for other threads. It belongs to the bus, so it outlives the channel. */
struct enlh_door {
    _Atomic(struct enlh_channel *) channel; /* NULL while there is no worker to wake */
    atomic_uint inside;                     /* threads that may be waking it now */
    atomic_bool closing;                    /* the last one out calls the loop */
    atomic_bool known;                      /* a channel has this relid */
};

/* A message port: which connection id a message came through. */
struct enlh_bus_port {
    struct enlh_vmbus *bus;
    uint32_t connection_id;
};

enum enlh_connect_state {
    ENLH_DISCONNECTED,  /* no guest: only INITIATE_CONTACT and UNLOAD are heard */
    ENLH_DISCONNECTING, /* the workers are letting go; then comes enlh_connection.next */
    ENLH_CONNECTED,     /* a version is agreed */
};

enum enlh_connect_next {
    ENLH_NEXT_NONE,    /* the machine is being reset */
    ENLH_NEXT_UNLOAD,  /* answer UNLOAD */
    ENLH_NEXT_CONTACT, /* answer INITIATE_CONTACT */
};

/* An INITIATE_CONTACT, checked. */
struct enlh_contact {
    uint32_t version;
    uint32_t vp, sint; /* where the answer goes */
    bool refused;      /* not this version, SINT or VTL */
    bool failed;       /* no such VP */
};

struct enlh_connection {
    enum enlh_connect_state state;
    enum enlh_connect_next next;
    struct enlh_contact contact; /* with ENLH_NEXT_CONTACT */
    uint32_t version;            /* 0: not connected */
    uint32_t last_version;       /* of this connection or the one before */
    uint32_t vp, sint;           /* where messages go; kept after the end */
    bool offers_requested;
    bool all_offers_due; /* ALL_OFFERS_DELIVERED follows the offers that wait */
};

struct enlh_gpadl_quota {
    uint64_t limit, bytes; /* of guest memory that all of them cover */
    uint64_t host_bytes;   /* of our memory that they take */
    uint32_t count;
};

struct enlh_bus_counts {
    _Atomic uint64_t messages, malformed;
    _Atomic uint64_t offers, rescinds, opens, closes;
};

struct enlh_vmbus {
    struct enlh_partition *partition;
    struct enlh_vmbus_config config;
    struct enlh_vmbus_ops ops;
    void *ctx;
    uint32_t vp_count;

    struct enlh_bus_port ports[2];
    bool has_doors, is_listening; /* what is to be disconnected */
    struct enlh_inbox inbox;
    struct enlh_outbox outbox;
    struct enlh_defer_queue deferred;
    struct enlh_connection conn;
    atomic_bool attention; /* a channel may have something for the loop */

    struct enlh_link channels; /* all, in the order of their creation */
    struct enlh_link notices;  /* whose OFFER or RESCIND is to be sent */
    struct enlh_channel *by_relid[ENLH_BUS_RELIDS];
    struct enlh_door doors[ENLH_BUS_RELIDS];
    uint32_t last_relid;                /* the one given out last */
    uint32_t worker_count;              /* channels that have one */
    uint16_t shuffled[ENLH_BUS_RELIDS]; /* scratch of REQUEST_OFFERS */

    void *gpadl_lock;
    struct enlh_link gpadl_hash[ENLH_GPADL_BUCKETS];
    struct enlh_link gpadl_strays; /* of relids that the guest does not hold */
    struct enlh_link gpadl_torn;   /* whose TORNDOWN is to be sent */
    struct enlh_gpadl_quota quota;

    struct enlh_bus_counts counts;
};

/* ---- bus.c ---- */

/* Something changed that the loop must look at. Thread: any. */
void enlh_bus_attend(struct enlh_vmbus *bus);
/* Memory from the embedder, zeroed; freed with the same length. Thread: any. */
void *enlh_bus_alloc(struct enlh_vmbus *bus, size_t len);
void enlh_bus_free(struct enlh_vmbus *bus, void *memory, size_t len);
/* A lock, or NULL where one thread does all. Returns 0, or -ENL_E_NOMEM. */
ENL_MUST_CHECK int enlh_bus_lock_create(struct enlh_vmbus *bus, void **out);
void enlh_bus_lock_destroy(struct enlh_vmbus *bus, void *lock);
void enlh_bus_lock(struct enlh_vmbus *bus, void *lock);
void enlh_bus_unlock(struct enlh_vmbus *bus, void *lock);
/* Copy a caller's struct, which may be older (shorter) than ours, over our zeroed one. */
void enlh_bus_adopt(void *to, size_t to_len, const void *from, size_t from_len);

/* One more: counters are written by one thread and read by any. */
static inline void
enlh_bus_count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* ---- inbox.c ---- */

ENL_MUST_CHECK int enlh_inbox_init(struct enlh_vmbus *bus);
void enlh_inbox_fini(struct enlh_vmbus *bus);
/* Connect the message ports. Returns 0, or as enlh_port_message(). Thread: one. */
ENL_MUST_CHECK int enlh_inbox_connect(struct enlh_vmbus *bus);
bool enlh_inbox_take(struct enlh_vmbus *bus, struct enlh_inbox_entry *out);
bool enlh_inbox_empty(struct enlh_vmbus *bus);
void enlh_inbox_clear(struct enlh_vmbus *bus);
/*
 * Forget what stands before a message that ends the connection; false when there is none.
 * Thread: loop.
 */
bool enlh_inbox_skip_to_end(struct enlh_vmbus *bus);

/* ---- outbox.c ---- */

/* Room for one more step of work. Thread: loop. */
bool enlh_outbox_room(const struct enlh_vmbus *bus);
/* Queue a message (len bytes, its type in its header) for the connection's VP. */
void enlh_outbox_put(struct enlh_vmbus *bus, const void *message, uint32_t len);
/* The same for a given VP and SINT. */
void enlh_outbox_put_to(struct enlh_vmbus *bus, uint32_t vp, uint32_t sint,
                        const void *message, uint32_t len);
/* The message put last: signal this channel once it has gone. */
void enlh_outbox_signal_after(struct enlh_vmbus *bus, uint32_t relid);
void enlh_outbox_flush(struct enlh_vmbus *bus);
void enlh_outbox_clear(struct enlh_vmbus *bus);

/* ---- message.c ---- */

/* Check length, state and version of a message, and hand it to its room. Thread: loop. */
void enlh_message_handle(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
const char *enlh_message_name(uint32_t type);
/* The guest's fault: count it and say it. */
void enlh_message_bad(struct enlh_vmbus *bus, const char *name, const char *why);

/* ---- connect.c ---- */

void enlh_connect_initiate(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
void enlh_connect_unload(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
void enlh_connect_tl_request(struct enlh_vmbus *bus,
                             const struct enlh_inbox_entry *entry);
/* Drop the guest; then comes next. Thread: loop. */
void enlh_connect_leave(struct enlh_vmbus *bus, enum enlh_connect_next next);
/* Go on with it when no worker is left. Thread: loop. */
void enlh_connect_settle(struct enlh_vmbus *bus);
/* A version that a bus may have as its newest. */
bool enlh_connect_known(uint32_t version);

/* ---- offer.c ---- */

void enlh_offer_request(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
void enlh_offer_released(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
/* Send OFFER and RESCIND messages that wait, as far as there is room. */
void enlh_offer_settle(struct enlh_vmbus *bus);
/* Call removed() of channels that nobody holds any more, and free them. */
void enlh_offer_reap(struct enlh_vmbus *bus);

/* ---- door.c ---- */

ENL_MUST_CHECK int enlh_door_connect(struct enlh_vmbus *bus);
/* Wake the worker behind a door, if there is one. Thread: any. */
void enlh_door_ring(struct enlh_vmbus *bus, uint32_t relid);
void enlh_door_open(struct enlh_vmbus *bus, uint32_t relid, struct enlh_channel *channel);
/* Returns true when no thread is inside; else attention is called when the last leaves. */
bool enlh_door_close(struct enlh_vmbus *bus, uint32_t relid);

#endif
