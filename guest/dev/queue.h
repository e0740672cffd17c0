/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/queue.h - what the channels of a device have in common: one list, one end
 *
 * A device has a queue for each of its channels, the first of them within the device. From
 * open to CLOSED a queue is in its device's list; then every request that the host has not
 * answered ends, and the device is told. A device's own queue begins with a struct queue.
 */
#ifndef GUEST_DEV_QUEUE_H
#define GUEST_DEV_QUEUE_H

#include "enlight/guest/packet.h"
#include "enlight/guest/requests.h"

struct queue;

/* Thread: bus, but signal(), which comes on any. */
struct queue_ops {
    void (*opened)(struct queue *q);
    /* The host took the channel away, or did not open it. */
    void (*lost)(struct queue *q);
    /* The host will not answer this request. It is out of the list. */
    void (*ended)(struct queue *q, void *cookie, int result);
    /* The last of it. */
    void (*closed)(struct queue *q);
    void (*signal)(struct queue *q);
};

struct queue {
    const struct queue_ops *ops;
    struct queue **list; /* bus: all of the device whose channel is not closed */
    struct queue *next;
    struct enlg_channel *channel;
    struct enlg_requests requests;
    int error;   /* 0, or why the channel's thread gave it up */
    bool opened; /* set by the bus, read by the channel's thread */
};

/*
 * Open the channel, with the rings and the processor that config names, and join the list.
 * ops, list and requests are there. Returns as enlg_channel_open(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_queue_open(struct queue *q, struct enlg_channel *channel,
                                   struct enlg_channel_config config);
/* Its channel is not closed yet. Thread: bus. */
bool enlg_queue_is_alive(const struct queue *q);
/* Returns as enlg_channel_close(). Thread: bus. */
ENL_MUST_CHECK int enlg_queue_close(struct queue *q);
/*
 * Close all queues of the list but this one. Returns the first failure; one that is closing
 * already is none. Thread: bus.
 */
ENL_MUST_CHECK int enlg_queue_close_others(struct queue *first);

/* The device may use the channel. Thread: any. */
static inline bool
queue_is_open(const struct queue *q)
{
    return __atomic_load_n(&q->opened, __ATOMIC_ACQUIRE);
}

/* From here on it may. Thread: bus. */
static inline void
queue_set_open(struct queue *q)
{
    __atomic_store_n(&q->opened, true, __ATOMIC_RELEASE);
}

/*
 * A packet of this size did not fit: the ring is full of what is not shown yet, or of what
 * the host has not read. Returns 0: try once more; -ENL_E_AGAIN: the host signals when
 * there is room. Thread: channel.
 */
ENL_MUST_CHECK int enlg_queue_make_room(struct queue *q, uint32_t payload_len,
                                        uint32_t desc_len);

#endif
