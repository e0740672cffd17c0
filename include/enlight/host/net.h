/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/net.h - the contract between a NIC and the network that it stands on
 *
 * A backend takes Ethernet frames from the guest and brings others, both in batches. Payload
 * is never copied by the NIC: frames are spans of guest memory. What a frame leaves to be
 * done (a checksum, the cutting into segments) is said as virtio_net_hdr says it, so that
 * a frame of 64 KiB passes whole.
 *
 *   guest -> network   transmit() takes a frame and owns it until done()
 *   network -> guest   receive() fills pieces of guest memory that are lent for the call
 *
 * Each channel opens a queue of its own and is the only one to call it. A backend that has
 * something for a queue while nobody is inside makes it known by wake, or by a descriptor
 * of its own. Nothing here is a pointer that a process of its own could not have.
 */
#ifndef ENLIGHT_HOST_NET_H
#define ENLIGHT_HOST_NET_H

#include "enlight/abi/ndis.h"
#include "enlight/host/memory.h"
#include "enlight/host/wake.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a side can do with frames of the other. */
#define ENLH_NET_CAN_CHECKSUM                                                            \
    0x1u                       /* takes a PARTIAL checksum, IPv4 and IPv6, TCP and UDP */
#define ENLH_NET_CAN_TSO4 0x2u /* takes TCP over IPv4 that is still to be cut */
#define ENLH_NET_CAN_TSO6 0x4u

/* flags of a frame. */
#define ENLH_NET_CHECKSUM_PARTIAL 0x1u /* the field holds the pseudo header's sum only */
#define ENLH_NET_CHECKSUM_GOOD    0x2u /* nobody needs to look at it */

enum enlh_net_gso {
    ENLH_NET_GSO_NONE,
    ENLH_NET_GSO_TCP4,
    ENLH_NET_GSO_TCP6,
};

struct enlh_net_offload {
    uint8_t flags;            /* ENLH_NET_CHECKSUM_; PARTIAL with every GSO */
    uint8_t gso;              /* enum enlh_net_gso */
    bool ecn;                 /* GSO of a segment with CWR */
    uint16_t header_len;      /* with GSO: bytes up to the TCP payload */
    uint16_t segment_len;     /* with GSO: payload bytes of each segment */
    uint16_t checksum_start;  /* PARTIAL: where the sum starts */
    uint16_t checksum_offset; /* ... and from there, where it goes */
};

#define ENLH_NET_FRAME_MAX (65535u + 18u) /* an IP packet, Ethernet header, 802.1Q tag */
#define ENLH_NET_HEAD_MAX  192u

struct enlh_net_frame;
typedef void (*enlh_net_done_fn)(struct enlh_net_frame *frame);

/*
 * A frame from the guest: head, then the spans. The caller's storage; the backend owns it
 * from transmit() until done.
 */
struct enlh_net_frame {
    struct enlh_net_offload offload;
    uint32_t len;                    /* bytes of all of it, at most ENLH_NET_FRAME_MAX */
    uint32_t head_len;               /* 0 with the whole frame in the spans */
    uint32_t span_count;             /* 0 with the whole frame in head */
    const struct enlh_span *spans;   /* borrowed until done */
    enlh_net_done_fn done;           /* called within reap(), on the queue's thread */
    uint64_t backend[2];             /* the backend's own, until done */
    uint8_t head[ENLH_NET_HEAD_MAX]; /* headers, as the NIC has made them */
};

/* A place for a frame, or for a part of one. Lent for the time of a call. */
struct enlh_net_piece {
    const struct enlh_span *spans;
    uint32_t span_count;
    uint32_t len; /* the sum of the spans */
};

/* A frame that receive() has put into the next piece_count pieces, filling each in turn. */
struct enlh_net_received {
    struct enlh_net_offload offload;
    uint32_t len;
    uint32_t piece_count;
};

/* Which queue a received frame belongs to: receive-side scaling. */
struct enlh_net_steering {
    uint32_t hash; /* ENL_NDIS_HASH_ of the headers that count; 0: all to queue 0 */
    uint8_t key[ENL_NDIS_RSS_KEY_LEN];
    uint8_t table[ENL_NDIS_RSS_TABLE_MAX]; /* queues, by the hash's low seven bits */
};

/* What the guest takes. Until the first one: no offload, MTU 1500, no steering. */
struct enlh_net_setup {
    uint32_t offloads; /* ENLH_NET_CAN_ */
    uint32_t mtu;      /* payload bytes of a frame that needs no cutting */
    struct enlh_net_steering steering;
};

/* What there is. */
struct enlh_net_info {
    uint32_t offloads;   /* ENLH_NET_CAN_: of what it takes, and of what it may bring */
    uint32_t max_mtu;    /* bytes behind the Ethernet header, 68 to 65535 */
    uint32_t max_queues; /* that may be open at a time, at least 1 */
};

struct enlh_net_link {
    bool up;
    uint64_t speed; /* bit/s; 0: whatever the NIC says */
};

struct enlh_net_queue; /* the backend's */

struct enlh_net_ops {
    size_t size;
    /* Stays the same for the life of the backend. Thread: any. */
    void (*info)(void *backend, struct enlh_net_info *out);
    /* When it changes, every queue is woken. Thread: any. */
    void (*link)(void *backend, struct enlh_net_link *out);
    /*
     * Take effect for frames that come from now on, as soon as may be. A backend that
     * cannot steer puts a frame into any queue. Copies setup. Thread: channel of queue 0.
     */
    void (*setup)(void *backend, const struct enlh_net_setup *setup);
    /*
     * Open queue index, below max_queues and not open. Borrows partition (for its memory);
     * copies wake. *fd is a descriptor that has an edge to readable when receive() has
     * something, and to readable or writable when transmit() goes on; -1 when all comes by
     * wake. Returns 0, or -ENL_E_NOMEM, -ENL_E_IO, -ENL_E_INVAL. Thread: loop.
     */
    int (*queue_open)(void *backend, uint32_t index,
                      const struct enlh_partition *partition,
                      const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd);
    /* No frame is in flight. Thread: loop. */
    void (*queue_close)(void *backend, struct enlh_net_queue *queue);
    /*
     * Take a frame. A link that is down takes it and loses it. Returns 0: done() follows;
     * 1: it is sent, without done(); or -ENL_E_AGAIN: not now, wake follows.
     * Thread: channel.
     */
    int (*transmit)(struct enlh_net_queue *queue, struct enlh_net_frame *frame);
    /* Start everything taken so far. Thread: channel. */
    void (*kick)(struct enlh_net_queue *queue);
    /* Call done() of everything that is finished. Returns how many. Thread: channel. */
    uint32_t (*reap)(struct enlh_net_queue *queue);
    /*
     * Give every frame that it still has back, sent or not, by done() within this call or
     * within reap() soon: the queue is about to close. Thread: channel.
     */
    void (*cancel)(struct enlh_net_queue *queue);
    /*
     * Fill pieces, from the first one on, with up to frame_count frames; each frame starts
     * a piece. Stops when there is no more (wake follows when there is), or when the
     * pieces left could not take the longest frame that setup allows. A frame that is
     * longer than that is lost. Returns how many. Thread: channel.
     */
    uint32_t (*receive)(struct enlh_net_queue *queue, const struct enlh_net_piece *pieces,
                        uint32_t piece_count, struct enlh_net_received *frames,
                        uint32_t frame_count);
};

/* A backend: its operations and its own pointer. */
struct enlh_net {
    const struct enlh_net_ops *ops;
    void *backend;
};

/*
 * For backends with one stream of frames and several queues: the queue of a frame, from
 * its first len bytes. Thread: any; does not block.
 */
uint32_t enlh_net_steer(const struct enlh_net_steering *steering, const uint8_t *head,
                        uint32_t len);

/* The longest frame that a guest takes with this setup. Thread: any. */
uint32_t enlh_net_frame_max(const struct enlh_net_setup *setup);

#ifdef __cplusplus
}
#endif
#endif
