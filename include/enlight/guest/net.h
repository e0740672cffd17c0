/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/net.h - a synthetic NIC (ENL_GUID_NETWORK): Ethernet frames out and in
 *
 * Start it when its first channel comes. It opens the channel, lends the host a receive
 * buffer, agrees on versions and offloads, and is READY. Frames go out from the caller's
 * memory, whose pages the host is told until done(). A frame that comes in is copied once:
 * out of the receive buffer, where the host could still change it, to where room() says.
 *
 * Each channel is a queue with frames and a thread of its own. The first belongs to the
 * NIC; for others set sub_channels, and start a queue on each sub-channel that the host
 * then offers. Received flows are spread over the queues that are open; a frame may be sent
 * through any.
 *
 * Nothing here waits, allocates or needs an interrupt. A boot loader with interrupts off and
 * one stack goes round in enlg_vmbus_poll() and enlg_net_poll().
 *
 * Threads as in enlight/guest/vmbus.h.
 */
#ifndef ENLIGHT_GUEST_NET_H
#define ENLIGHT_GUEST_NET_H

#include "enlight/abi/ndis.h"
#include "enlight/abi/nvsp.h"
#include "enlight/abi/rndis.h"
#include "enlight/guest/channel.h"
#include "enlight/guest/requests.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_net_queue {
    uint64_t opaque[104];
};

struct enlg_net {
    uint64_t opaque[224];
};

enum enlg_net_event {
    ENLG_NET_READY, /* frames go out and come in. Thread: channel */
    /* enlg_net_info() says something else about the link than before. Thread: channel */
    ENLG_NET_LINK,
    /* The host took the channel away, or did not open it: stop. Thread: bus */
    ENLG_NET_LOST,
    /*
     * Ring, slots and buffers are the caller's, and every frame is done; of a NIC after all
     * of its queues. Thread: bus
     */
    ENLG_NET_STOPPED,
};

/* What offloads a frame asks for, or has had. */
#define ENLG_NET_CHECKSUM_IP  0x1u /* IPv4 header */
#define ENLG_NET_CHECKSUM_TCP 0x2u
#define ENLG_NET_CHECKSUM_UDP 0x4u
#define ENLG_NET_IPV6         0x8u /* to be sent: TCP or UDP over IPv6, not IPv4 */

#define ENLG_NET_NO_VLAN 0xFFFFu

/* A frame that came in, without its VLAN tag; good for the call. */
struct enlg_net_frame {
    void *data;    /* where room() said */
    uint32_t len;  /* bytes, from the Ethernet header on */
    uint32_t good; /* ENLG_NET_CHECKSUM_*: the host vouches for these */
    uint32_t bad;  /* ... and has found these wrong */
    uint16_t vlan; /* 802.1Q: priority 15:13, id 11:0; or ENLG_NET_NO_VLAN */
    bool has_hash; /* of its flow, by the host */
    uint32_t hash;
};

/* Bytes that hold any packet of the host: private, 8-byte aligned. */
#define ENLG_NET_BUFFER_LEN 8192u

#define ENLG_NET_QUEUES_MAX 16u /* of one NIC, the first included */

struct enlg_net_config {
    size_t size;
    void *ring;        /* send_len + recv_len bytes, page aligned */
    uint32_t send_len; /* bytes, as struct enlg_channel_config */
    uint32_t recv_len;
    uint32_t vp;                     /* VP index to interrupt */
    struct enlg_request_slot *slots; /* one for each frame on its way out; borrowed */
    uint32_t slot_count;             /* 1 to 65535 */
    void *buffer;                    /* ENLG_NET_BUFFER_LEN bytes */
    /*
     * Where a frame of this length shall be copied to, 8-byte alignment not needed; NULL: it
     * is dropped. The call of frame() follows before the next. Thread: channel.
     */
    void *(*room)(void *ctx, uint32_t len);
    void (*frame)(void *ctx, const struct enlg_net_frame *frame); /* Thread: channel */
    /* Of a queue: LOST and STOPPED, with its own ctx. */
    void (*event)(void *ctx, struct enlg_net *net, enum enlg_net_event event);
    void (*signal)(void *ctx); /* (optional) There is something to poll. Thread: any */
    void *ctx;

    /* ---- of the NIC; a queue leaves these zero ---- */

    void *receive_buffer;  /* page aligned; the host's until STOPPED */
    uint32_t receive_len;  /* bytes, whole pages: 64 KiB to ENLG_GPADL_PAGES of them */
    uint16_t mtu;          /* bytes behind the Ethernet header; 0: 1500 */
    uint16_t sub_channels; /* to ask the host for, below ENLG_NET_QUEUES_MAX */
    bool promiscuous;      /* take frames for others as well */
};

/*
 * Open the channel and start. Copies config. Returns 0, or -ENL_E_INVAL, or as
 * enlg_channel_open(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_net_start(struct enlg_net *net, struct enlg_channel *channel,
                                  const struct enlg_net_config *config);
/*
 * Take the receive buffer back and close, after the queues that are left; frames on their
 * way end with -ENL_E_CANCELED, then STOPPED. Nobody polls any more. When the kernel
 * abandons the bus they end with -ENL_E_TIMEDOUT, and memory may still be the host's.
 * Returns as enlg_channel_close(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_net_stop(struct enlg_net *net);

/*
 * Take at most 64 packets of the host, call frame() and done(), send what was submitted.
 * Works with interrupts off. Returns how many packets; -ENL_E_CONNRESET: not open any more;
 * -ENL_E_PROTO: the host broke the protocol; -ENL_E_NOTSUP: no common version; -ENL_E_IO: it
 * refused to start; on each, enlg_net_stop(). Thread: channel.
 */
int enlg_net_poll(struct enlg_net *net);

/* Thread: any. */
bool enlg_net_is_ready(const struct enlg_net *net);

struct enlg_net_info {
    uint8_t address[6];
    uint16_t mtu; /* bytes that a frame may have behind its Ethernet header */
    bool link_up;
    uint32_t link_mbit; /* 0: not told */
    uint32_t checksum;  /* ENLG_NET_CHECKSUM_* that the host does for IPv4 */
    uint32_t checksum_ipv6;
    uint32_t segment; /* bytes of a TCP payload over IPv4 that it cuts up; 0: not */
    uint32_t segment_ipv6;
    uint32_t version;      /* ENL_NVSP_VERSION_* */
    uint16_t sub_channels; /* that the host agreed to offer */
};
/* What was agreed on. Thread: channel, of the NIC, when ready. */
void enlg_net_info(const struct enlg_net *net, struct enlg_net_info *out);

/* ---- more queues: as the functions of the NIC, on a channel of their own ---- */

/*
 * Open a sub-channel of the NIC. Returns as enlg_net_start(); -ENL_E_INVAL also: no
 * sub-channel of this NIC. Thread: bus.
 */
ENL_MUST_CHECK int enlg_net_queue_start(struct enlg_net_queue *queue,
                                        struct enlg_net *net,
                                        struct enlg_channel *channel,
                                        const struct enlg_net_config *config);
ENL_MUST_CHECK int enlg_net_queue_stop(struct enlg_net_queue *queue);
int enlg_net_queue_poll(struct enlg_net_queue *queue);
/* The queue of the NIC's first channel. */
struct enlg_net_queue *enlg_net_queue_first(struct enlg_net *net);

/* ---- frames out ---- */

struct enlg_net_piece {
    const void *data; /* any address */
    uint32_t len;     /* bytes */
};

struct enlg_net_send;
/* The frame is the caller's again. Thread: channel, or bus for one that did not end. */
typedef void (*enlg_net_done_fn)(void *ctx, struct enlg_net_send *send);

/*
 * One frame: the caller's until it is submitted, and again from done() on. A checksum that
 * the host computes holds that of the pseudo header; with segment_len the pseudo header has
 * length 0, and so has the IPv4 header, whose checksum is 0.
 */
struct enlg_net_send {
    const struct enlg_net_piece *pieces; /* one behind the other; the list for the call */
    uint32_t piece_count;
    uint32_t checksum;      /* ENLG_NET_*: what the host shall compute */
    uint16_t header_offset; /* of the TCP or UDP header, when one is to be computed */
    uint16_t
        segment_len; /* not 0: cut the TCP payload into segments of that many bytes */
    uint16_t vlan;   /* as struct enlg_net_frame */
    enlg_net_done_fn done;
    void *ctx;
    /* 0; -ENL_E_IO: the host did not take it; -ENL_E_CANCELED; -ENL_E_TIMEDOUT. */
    int result;
    uint64_t head[12]; /* the library's */
};

/*
 * Send a frame; it starts with enlg_net_kick() or the next poll. Returns 0, or
 *   -ENL_E_AGAIN     as many as can be are on their way: after the next done;
 *   -ENL_E_RANGE     too long, or in more than 30 pages;
 *   -ENL_E_INVAL     not ready, a field that cannot be, an offload that was not agreed on;
 *   -ENL_E_CONNRESET, -ENL_E_PROTO: stop.
 * Thread: channel.
 */
ENL_MUST_CHECK int enlg_net_submit(struct enlg_net *net, struct enlg_net_send *send);
/* Show the host what was submitted. Returns 0, -ENL_E_CONNRESET, or as hypercall.h. */
ENL_MUST_CHECK int enlg_net_kick(struct enlg_net *net);
ENL_MUST_CHECK int enlg_net_queue_submit(struct enlg_net_queue *queue,
                                         struct enlg_net_send *send);
ENL_MUST_CHECK int enlg_net_queue_kick(struct enlg_net_queue *queue);

#ifdef __cplusplus
}
#endif
#endif
