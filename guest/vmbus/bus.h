/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/bus.h - what the rooms of the bus share: connection, channels, GPADLs
 *
 * vmbus.c owns struct bus and takes messages in; offer.c, channel.c and gpadl.c each
 * handle theirs. Everything here is the bus thread's, save what is marked.
 */
#ifndef GUEST_VMBUS_BUS_H
#define GUEST_VMBUS_BUS_H

#include "common/ring.h"
#include "enlight/guest/channel.h"
#include "enlight/guest/driver.h"
#include "guest/core/core.h"

struct chan;

/* Seen: where Linux starts to count; any number but 0 is as good. */
#define ENLG_GPADL_FIRST 0xE1E10u

enum gpadl_state {
    GPADL_FREE,     /* not shared */
    GPADL_CREATING, /* posted; the host has not answered */
    GPADL_LIVE,     /* shared */
    GPADL_TEARING,  /* taken back; the host has not answered */
};

struct gpadl {
    struct gpadl *next; /* in the channel's list */
    struct chan *chan;
    enlg_gpadl_event_fn event;
    void *ctx;
    uint32_t handle;
    uint8_t state; /* enum gpadl_state */
    bool unwanted; /* to be torn down as soon as it is created */
};
ENLG_FITS(struct gpadl, struct enlg_gpadl);

/*
 *                offer                 open()           CREATED         OPEN_RESULT 0
 *   FREE ------------------> OFFERED ---------> SHARING ---------> OPENING ---------> OPEN
 *     ^                       |   ^                |                  |                 |
 *     +--- rescind, released -+   |   TORNDOWN     v     refused      |     close()     |
 *                                 +------------ CLOSING <-------------+-----------------+
 */
enum chan_state {
    CHAN_FREE,    /* no offer in this slot */
    CHAN_OFFERED, /* there, closed */
    CHAN_SHARING, /* the ring's GPADL is on its way */
    CHAN_OPENING, /* OPEN_CHANNEL is on its way */
    CHAN_OPEN,
    CHAN_CLOSING, /* the ring's GPADL is being torn down */
    CHAN_LOST,    /* a post failed half way: the ring stays shared until the end */
};

struct chan {
    struct bus *bus;
    struct enlg_channel_info info;
    const struct enlg_driver *driver; /* who has it, or NULL */
    void *data;
    void *twice[2]; /* second mappings of the rings' data, or NULL */
    struct enlg_channel_config config;
    struct gpadl ring;
    struct gpadl *gpadls; /* the ring's among them, while not FREE */
    uint32_t move_vp;
    uint8_t state;  /* enum chan_state; written by the bus, read by any thread */
    bool rescinded; /* the same */
    bool closing;   /* close() came while SHARING or OPENING */
    bool moving;
    bool opened_told;              /* the OPENED event of this open() was made */
    struct enl_ring_producer send; /* channel thread, while OPEN */
    struct enl_ring_consumer recv;
};
ENLG_FITS(struct chan, struct enlg_channel);

struct bus {
    const struct enlg_partition *partition;
    struct enlg_vmbus_config config;
    struct enlg_vmbus_counters counters;
    struct enlg_post_buffer post;
    uint32_t version;       /* asked for, or agreed on */
    uint32_t connection_id; /* where messages go */
    uint32_t next_gpadl;
    uint8_t state;                              /* enum enlg_vmbus_state */
    bool all_offers;                            /* ALL_OFFERS_DELIVERED came */
    bool offers_seen;                           /* at least one offer came */
    uint16_t by_relid[ENL_VMBUS_RELID_MAX + 1]; /* slot + 1, or 0; read by any thread */
};
ENLG_FITS(struct bus, struct enlg_vmbus);

static inline struct bus *
bus_of(struct enlg_vmbus *bus)
{
    return (struct bus *)bus;
}

static inline struct chan *
chan_of(struct enlg_channel *channel)
{
    return (struct chan *)channel;
}

static inline struct enlg_channel *
chan_public(struct chan *chan)
{
    return (struct enlg_channel *)chan;
}

static inline struct chan *
bus_slot(const struct bus *bus, uint32_t i)
{
    return chan_of(&bus->config.channels[i]);
}

static inline uint8_t
chan_state(const struct chan *chan)
{
    return __atomic_load_n(&chan->state, __ATOMIC_ACQUIRE);
}

static inline void
chan_set_state(struct chan *chan, enum chan_state state)
{
    __atomic_store_n(&chan->state, (uint8_t)state, __ATOMIC_RELEASE);
}

static inline bool
chan_is_rescinded(const struct chan *chan)
{
    return __atomic_load_n(&chan->rescinded, __ATOMIC_ACQUIRE);
}

/* vmbus.c: a zeroed message of len bytes with its header, in the bus's buffer. */
void *enlg_vmbus_message(struct bus *bus, uint32_t type);
int enlg_vmbus_post(struct bus *bus, uint32_t len);
void enlg_vmbus_tell(struct bus *bus, enum enlg_vmbus_event event, struct chan *chan);
/* One message of a host that broke the protocol. */
void enlg_vmbus_malformed(struct bus *bus);

/* offer.c */
void enlg_offer_received(struct bus *bus, const struct enl_vmbus_offer *offer);
void enlg_offer_rescinded(struct bus *bus, uint32_t relid);
/* The channel of a relid that the host names, or NULL. */
struct chan *enlg_offer_find(const struct bus *bus, uint32_t relid);
/* A rescinded channel that is closed: tell the host, free the slot. */
void enlg_offer_release(struct chan *chan);
/* The connection is over, and with it every offer; why is what their owners hear. */
void enlg_offer_drop_all(struct bus *bus, int why);

/* driver.c */
void enlg_driver_offered(struct chan *chan);
void enlg_driver_gone(struct chan *chan);

/* channel.c */
void enlg_channel_ring_created(struct chan *chan, int status);
void enlg_channel_ring_torndown(struct chan *chan);
void enlg_channel_open_result(struct chan *chan, uint32_t status);
void enlg_channel_move_result(struct chan *chan, uint32_t status);
void enlg_channel_rescind(struct chan *chan);
/* The connection is over. */
void enlg_channel_drop(struct chan *chan, int why);

/* gpadl.c */
int enlg_gpadl_start(struct gpadl *gpadl, struct chan *chan,
                     const struct enlg_gpadl_config *config);
int enlg_gpadl_stop(struct gpadl *gpadl);
void enlg_gpadl_created(struct bus *bus, const struct enl_vmbus_gpadl_created *message);
void enlg_gpadl_torndown(struct bus *bus, uint32_t handle);
/* What waits for an answer waits no longer: the host has let go of the channel. */
void enlg_gpadl_rescind(struct chan *chan);
/* The connection is over, and with it all of the channel's GPADLs. */
void enlg_gpadl_drop(struct chan *chan, int why);

#endif
