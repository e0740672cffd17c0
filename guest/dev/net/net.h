/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/net/net.h - what the NIC and its queues share
 *
 * net.c starts the NIC on its first channel, question by question; rndis.c has the form of
 * these questions and of their answers; queue.c has the frames on their way out of one
 * channel, the first or another; receive.c those that come in.
 */
#ifndef GUEST_DEV_NET_NET_H
#define GUEST_DEV_NET_NET_H

#include "enlight/guest/net.h"
#include "enlight/guest/packet.h"
#include "guest/core/core.h"
#include "guest/dev/queue.h"

#define ENLG_NET_MESSAGE_LEN ((uint32_t)sizeof(struct enl_nvsp_message))
/* Pieces of a page that a host takes in one packet; the RNDIS header is one or two. */
#define ENLG_NET_PAGES       32u
#define ENLG_NET_CONTROL_LEN 1024u /* bytes of an answer that is looked at */

/* Each state between OPENING and READY asks one question when it is entered. */
enum net_state {
    NET_OPENING,      /* the channel is not open, or the receive buffer is not lent yet */
    NET_VERSION,      /* INIT */
    NET_BUFFER,       /* NDIS_CONFIG and NDIS_VERSION said, RECEIVE_BUFFER asked */
    NET_INITIALIZE,   /* RNDIS: INITIALIZE */
    NET_ADDRESS,      /* QUERY of the MAC address */
    NET_CAPABILITIES, /* QUERY of what can be offloaded */
    NET_OFFLOADS,     /* SET of what shall be */
    NET_MEDIA,        /* QUERY of the link */
    NET_SPEED,        /* QUERY of its speed */
    NET_CHANNELS,     /* SUBCHANNEL, where more than one channel is wanted */
    NET_FILTER,       /* SET of which frames come in */
    NET_READY,        /* asks SET of how they are spread when queues come and go */
    NET_BROKEN,       /* given up: the first queue's error says why */
};

struct net_queue {
    struct queue queue;
    struct net *net;
    struct enlg_net_config config;
    struct enlg_page_buffer pages[ENLG_NET_PAGES];
    uint64_t owed_id; /* a packet of the host that has not been given back yet */
    bool owed;
};
ENLG_FITS(struct net_queue, struct enlg_net_queue);

struct net {
    struct net_queue first;
    struct queue *queues; /* bus: all whose channel is not closed */
    const struct enlg_partition *partition;
    struct enlg_gpadl receive; /* bus: the receive buffer */
    bool lent;                 /* bus: receive is live */
    bool lending;              /* bus: its CREATED is to come */
    bool stopping;             /* bus */
    uint8_t state;             /* enum net_state; written by the first channel's thread */
    uint8_t version;           /* index of the versions */
    bool
        carried; /* the host has let go of the message below; else wait before the next */
    bool waiting;          /* for the answer to it */
    uint32_t open_queues;  /* a bit for each that is open; set by the bus */
    uint32_t spread_over;  /* those that the host was told of */
    uint32_t spread_asked; /* those of the question that waits */
    uint32_t request_id;
    struct enlg_net_info info;
    uint64_t message[80]; /* the RNDIS question that is on its way */
};
ENLG_FITS(struct net, struct enlg_net);

static inline enum net_state
net_state(const struct net *n)
{
    return (enum net_state)__atomic_load_n(&n->state, __ATOMIC_ACQUIRE);
}

static inline void
net_set_state(struct net *n, enum net_state state)
{
    __atomic_store_n(&n->state, (uint8_t)state, __ATOMIC_RELEASE);
}

static inline bool
net_queue_is_first(const struct net_queue *q)
{
    return q == &q->net->first;
}

/* net.c */
void enlg_net_tell(struct net *n, enum enlg_net_event event);
/* The next question, if it is time for one. Thread: the first channel's, as the next two. */
int enlg_net_go_on(struct net *n);
/* An NVSP answer to the question of the state. */
int enlg_net_answered(struct net *n, const struct enl_nvsp_message *m);
/* An RNDIS message that is not data: len bytes of it, a private copy. */
int enlg_net_control(struct net *n, const uint8_t *m, uint32_t len);

/* rndis.c: fill in n->message; returns its length. */
uint32_t enlg_rndis_initialize(struct net *n);
/* value (optional): what the question holds; len: room for the answer. */
uint32_t enlg_rndis_query(struct net *n, uint32_t oid, const void *value, uint32_t len);
uint32_t enlg_rndis_set(struct net *n, uint32_t oid, const void *value, uint32_t len);
uint32_t enlg_rndis_set_spread(struct net *n, uint32_t queues);
/* The value of an answer to QUERY; cut or padded with zeros to len bytes. False: none. */
bool enlg_rndis_value(const uint8_t *m, uint32_t m_len, void *value, uint32_t len);

/* queue.c */
int enlg_net_queue_open(struct net_queue *q, struct net *n, struct enlg_channel *channel,
                        const struct enlg_net_config *config);
int enlg_net_queue_break(struct net_queue *q, int error, const char *why);
/* Send a message with these pages, and have cookie get its completion. */
int enlg_net_queue_put(struct net_queue *q, const struct enl_nvsp_message *m,
                       uint32_t page_count, void *cookie);
/* Add [data, data + len) to the q->pages. Returns how many there are, 0: too many. */
uint32_t enlg_net_queue_pages(struct net_queue *q, uint32_t page_count, const void *data,
                              uint32_t len);

/* receive.c: a packet that names pieces of the receive buffer. */
int enlg_net_receive(struct net_queue *q, const struct enlg_packet *packet,
                     const struct enl_nvsp_message *m);

#endif
