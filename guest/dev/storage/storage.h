/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/storage/storage.h - what the controller and its queues share
 *
 * storage.c starts the controller on its first channel; queue.c has the requests of one
 * channel, the first or another; scsi.c makes commands.
 */
#ifndef GUEST_DEV_STORAGE_STORAGE_H
#define GUEST_DEV_STORAGE_STORAGE_H

#include "enlight/guest/packet.h"
#include "enlight/guest/storage.h"
#include "guest/core/core.h"
#include "guest/dev/queue.h"

/* Answers are one packet; what the host sends on its own may be shorter. */
#define ENLG_STORAGE_PACKET_LEN ((uint32_t)sizeof(struct enl_storage_packet))

/* Each state but OPENING, READY and BROKEN asks one question when it is entered. */
enum storage_state {
    STORAGE_OPENING,    /* the channel is not open yet */
    STORAGE_BEGIN,      /* BEGIN_INIT asked */
    STORAGE_VERSION,    /* QUERY_VERSION asked */
    STORAGE_PROPERTIES, /* QUERY_PROPERTIES asked */
    STORAGE_END,        /* END_INIT asked */
    STORAGE_MORE,       /* CREATE_SUB_CHANNELS asked */
    STORAGE_READY,
    STORAGE_BROKEN, /* given up: the first queue's error says why */
};

struct storage_queue {
    struct queue queue;
    struct storage *storage;
    struct enlg_storage_config config;
};
ENLG_FITS(struct storage_queue, struct enlg_storage_queue);

struct storage {
    struct storage_queue first;
    struct queue *queues; /* bus: all whose channel is not closed */
    const struct enlg_partition *partition;
    uint32_t max_transfer;
    uint16_t sub_channels; /* offered by the host's leave */
    uint8_t state;         /* enum storage_state; written by the first channel's thread */
    uint8_t version;       /* index of the versions */
};
ENLG_FITS(struct storage, struct enlg_storage);

static inline enum storage_state
storage_state(const struct storage *s)
{
    return (enum storage_state)__atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
}

static inline void
storage_set_state(struct storage *s, enum storage_state state)
{
    __atomic_store_n(&s->state, (uint8_t)state, __ATOMIC_RELEASE);
}

/* storage.c */
void enlg_storage_tell(struct storage *s, enum enlg_storage_event event);
/* The first channel is open: ask the first question. */
int enlg_storage_begin(struct storage *s);
/* The answer to the question of the state. */
int enlg_storage_answered(struct storage *s, const struct enl_storage_packet *packet);

/* queue.c */
int enlg_storage_queue_open(struct storage_queue *q, struct storage *s,
                            struct enlg_channel *channel,
                            const struct enlg_storage_config *config);
int enlg_storage_queue_break(struct storage_queue *q, int error, const char *why);

#endif
