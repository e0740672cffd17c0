/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/net/net.h - a NIC from the inside: what its rooms share
 *
 *   nic       the loop's: ports, the cable, how many sub-channels the guest wants
 *   port      one for each channel that may be offered; outlives the channel's opening
 *   lane      a port while it is open: a backend queue, slots, frames, receive pieces
 *   slot      one packet of the guest, until it has been answered
 *   tx        one frame of the guest, until the backend is done with it
 *   piece     one part of the receive buffer: free, lent to the backend, or with the guest
 *   buffer    memory that the guest has lent: the receive buffer or the send buffer
 *
 * A lane belongs to its channel's thread, and no two lanes share what the data path
 * writes: each has its own queue and its own share of the receive buffer. What the guest
 * sets on the primary channel is in settings, of which every lane has a copy; a number
 * says when the copy is old. Buffers are counted: the guest gets one back when the last
 * lane has let go of it.
 */
#ifndef ENLH_NET_NET_H
#define ENLH_NET_NET_H

#include <stdatomic.h>

#include "enlight/abi/nvsp.h"
#include "enlight/abi/rndis.h"
#include "enlight/host/nic.h"

#define ENLH_NET_SUBCHANNELS 63u
#define ENLH_NET_NAME_LEN    32u
#define ENLH_NET_FRIENDLY    512u /* bytes of UTF-16, its zero included */
#define ENLH_NET_SPEED       UINT64_C(10000000000)
#define ENLH_NET_MTU_MIN     68u
#define ENLH_NET_MTU_DEFAULT 1500u
#define ENLH_NET_ETHERNET    14u
#define ENLH_NET_TAG         4u
#define ENLH_NET_PAYLOAD_MAX 256u /* of a ring packet: more than any version sends */
#define ENLH_NET_MULTICAST   32u

#define ENLH_NET_SLOTS    256u
#define ENLH_NET_TXS      256u
#define ENLH_NET_PACKETS  8u       /* RNDIS messages of the guest in one packet */
#define ENLH_NET_TRANSFER 0x20000u /* bytes of them */
#define ENLH_NET_SPANS    64u      /* of a ring packet */
#define ENLH_NET_TX_SPANS (ENLH_NET_SPANS + 8u) /* with a section of the send buffer */

/*
 * A piece begins with room for RNDIS's header and records; Hyper-V's own pieces of 1728
 * bytes are kept for the usual MTU.
 */
#define ENLH_NET_RX_HEAD     128u
#define ENLH_NET_PIECE_MIN   1728u
#define ENLH_NET_PIECE_SPANS 20u /* 64 KiB of scattered pages */
#define ENLH_NET_CONTROL     16u /* pieces for RNDIS's answers and indications */
#define ENLH_NET_BATCH       64u /* pieces in one packet */
#define ENLH_NET_LENT        (2 * ENLH_NET_BATCH)
#define ENLH_NET_SECTION     6144u /* bytes of the send buffer, Hyper-V's own */
#define ENLH_NET_REQUEST_MAX 2048u
#define ENLH_NET_REPLY_MAX   1024u

struct enlh_net_lane;

/* Counted by a port's channel, read by any thread. */
struct enlh_net_counts {
    _Atomic uint64_t tx_frames, tx_bytes, tx_large;
    _Atomic uint64_t rx_frames, rx_bytes, rx_large;
    _Atomic uint64_t rx_filtered, rx_long, rx_waits;
    _Atomic uint64_t control, refused;
};

struct enlh_net_port {
    struct enlh_net_counts counts;
    struct enlh_nic *nic;
    struct enlh_channel *channel; /* NULL: not offered */
    struct enlh_net_lane *lane;   /* NULL: not open */
    uint16_t index;               /* 0: the primary channel */
    bool rescinded;
    bool announced;    /* primary: people were told that a driver is there */
    uint8_t apart[64]; /* the counts of two channels share no cache line */
};

/* Guest memory behind one GPADL. */
struct enlh_net_buffer {
    uint32_t handle;
    uint32_t span_count;
    uint64_t len;
    uint32_t opening;             /* of the primary channel: the GPADL ends with it */
    uint32_t users;               /* nic->lock: lanes that hold it */
    atomic_bool revoked;          /* hold it no longer */
    struct enlh_net_buffer *next; /* nic->lock: nobody holds it any more */
    struct enlh_span *spans;
    uint64_t *starts; /* offset of each span in the buffer */
};

/* What the guest has set on the primary channel. */
struct enlh_net_settings {
    uint32_t version; /* agreed, 0 before that; ENL_NVSP_VERSION_ */
    uint32_t mtu;
    uint32_t capabilities;                                 /* ENL_NVSP_CAPABILITY_ */
    uint32_t piece_len, piece_count, control_count, share; /* of the receive buffer */
    uint32_t filter; /* ENL_NDIS_FILTER_; 0: nothing is received */
    uint8_t mac[6];
    uint32_t multicast_count;
    uint8_t multicast[ENLH_NET_MULTICAST][6];
    bool rx_checksum; /* tell what is known about checksums */
    bool rsc4, rsc6;
    struct enlh_net_steering steering;
};

struct enlh_nic {
    struct enlh_vmbus *bus;
    struct enlh_partition *partition;
    struct enlh_nic_config config; /* completed; its names are those below */
    struct enlh_net_info info;
    char name[ENLH_NET_NAME_LEN];
    uint8_t friendly[ENLH_NET_FRIENDLY];
    uint32_t friendly_len; /* with the zero */
    struct enlh_channel_ops ops;
    struct enlh_net_port *ports;
    uint32_t port_count;
    uint32_t openings;    /* lanes that there have been */
    uint32_t offered;     /* channels that exist, and one more while it looks at them */
    atomic_uint wanted;   /* sub-channels that the guest asked for */
    atomic_uint opened;   /* sub-channels that are open */
    atomic_bool cable;    /* what enlh_nic_set_link() said */
    _Atomic uint64_t mac; /* the address in use, first byte lowest */

    void *lock; /* what follows, and users of buffers */
    struct enlh_net_settings settings;
    atomic_uint generation;                 /* of settings */
    struct enlh_net_buffer *receive, *send; /* the current ones, not revoked */
    struct enlh_net_buffer *returned;       /* nobody holds them any more */

    struct enlh_deferred adjust; /* offer or take back sub-channels */
    struct enlh_deferred spread; /* wake every channel; give buffers back */
    bool destroying;
    void (*done)(void *ctx);
    void *done_ctx;
};

/* A packet of the guest, and the answer to it. */
struct enlh_net_slot {
    struct enlh_net_slot *next; /* free, or to be sent */
    uint64_t transaction_id;
    uint32_t frames; /* that the backend still has */
    bool silent;     /* the guest wants no answer */
    uint32_t answer_len;
    struct enl_nvsp_message answer;
};

struct enlh_net_tx {
    struct enlh_net_frame frame;
    struct enlh_net_lane *lane;
    struct enlh_net_slot *slot;
    struct enlh_net_tx *next; /* free, or not taken by the backend yet */
    struct enlh_span spans[ENLH_NET_TX_SPANS];
};

enum enlh_net_piece_state {
    ENLH_PIECE_FREE, /* or lent to the backend for a call */
    ENLH_PIECE_HEAD, /* with the guest, first of its packet: its number is the transaction */
    ENLH_PIECE_BODY, /* with the guest, behind such a one */
};

/* A lane's share of the receive buffer. Numbers of pieces are the lane's own. */
struct enlh_net_rx {
    struct enlh_net_buffer *buffer; /* NULL: none, or given back */
    uint32_t first;                 /* number of piece 0 in the buffer */
    uint32_t count, control;        /* pieces; of these, for control */
    uint32_t piece_len, piece_spans;
    struct enlh_net_piece *pieces; /* the part behind ENLH_NET_RX_HEAD */
    struct enlh_span *spans;       /* piece_spans of each */
    uint32_t *next;                /* in a packet that the guest has; UINT32_MAX ends */
    uint8_t *states;               /* enum enlh_net_piece_state */
    uint32_t *free;                /* a stack */
    uint32_t free_count;
    uint32_t control_free[ENLH_NET_CONTROL];
    uint32_t control_count;

    /* offered to the backend in the next call, in this order */
    struct enlh_net_piece lent[ENLH_NET_LENT];
    uint32_t lent_at[ENLH_NET_LENT];
    uint32_t lent_count;

    /* a packet in the making */
    struct enl_transfer_range ranges[ENLH_NET_BATCH];
    uint32_t range_count;
    uint32_t head, last;
};

/* An answer of RNDIS that waits for room in the ring. */
struct enlh_net_reply {
    uint32_t piece;
    uint32_t len;
};

struct enlh_net_lane {
    struct enlh_nic *nic;
    struct enlh_net_port *port;
    struct enlh_channel *channel;
    struct enlh_net_queue *queue;
    int fd;           /* of queue, watched; or -1 */
    uint32_t opening; /* counts the lanes of this NIC */
    bool quiescing;
    struct enlh_net_settings settings;
    uint32_t generation;

    struct enlh_net_slot *slots, *slot_free;
    struct enlh_net_slot *answers, *answers_last;
    struct enlh_net_tx *txs, *tx_free;
    uint32_t tx_free_count;
    struct enlh_net_tx *tx_wait, *tx_wait_last;
    uint32_t in_flight; /* frames that the backend has, or that wait for it */
    struct enlh_net_buffer *send;

    struct enlh_net_rx rx;

    /* the primary channel's */
    bool has_receive, has_send; /* the guest has given one in this opening */
    bool rndis;                 /* initialized */
    uint32_t granted;           /* sub-channels */
    bool table_told;
    bool told_up;
    uint64_t told_speed;
    struct enlh_net_reply replies[ENLH_NET_CONTROL];
    uint32_t reply_head, reply_count;

    uint8_t request[ENLH_NET_REQUEST_MAX] __attribute__((aligned(8)));
    uint8_t reply[ENLH_NET_REPLY_MAX] __attribute__((aligned(8)));
};

static inline void
enlh_net_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ---- nic.c ---- */

void *enlh_net_alloc(const struct enlh_nic *nic, size_t len);
void enlh_net_free(const struct enlh_nic *nic, void *memory, size_t len);
/* The guest wants this many sub-channels in all. Thread: channel. */
void enlh_net_want(struct enlh_nic *nic, uint32_t count);
/* Have every channel run, and buffers that nobody holds given back. Thread: any. */
void enlh_net_spread(struct enlh_nic *nic);
/* Publish the primary lane's settings: the backend and the other lanes follow. */
void enlh_net_set(struct enlh_net_lane *lane);
/* Make the lane's copy of the settings a new one, if they have changed. Thread: channel. */
void enlh_net_refresh(struct enlh_net_lane *lane);
/* Whether the cable is in at both ends, and how fast it is. Thread: any. */
void enlh_net_link_now(const struct enlh_nic *nic, struct enlh_net_link *out);

/* ---- buffer.c ---- */

/*
 * The guest lends a buffer on the primary channel: a new one with one user. Returns 0, or
 * -ENL_E_NOENT, -ENL_E_NOMEM. Thread: channel.
 */
ENL_MUST_CHECK int enlh_net_buffer_take(struct enlh_net_lane *lane, uint32_t handle,
                                        struct enlh_net_buffer **out);
/* Make it the current receive or send buffer, for lanes that come. Thread: channel. */
void enlh_net_buffer_offer(struct enlh_nic *nic, struct enlh_net_buffer **current,
                           struct enlh_net_buffer *buffer);
/* One more user of the current receive or send buffer; NULL: there is none. Thread: any. */
struct enlh_net_buffer *enlh_net_buffer_get(struct enlh_nic *nic,
                                            struct enlh_net_buffer **current);
/* One user less. Thread: any. */
void enlh_net_buffer_put(struct enlh_nic *nic, struct enlh_net_buffer *buffer);
/* The guest wants it back, or its channel is gone. Thread: channel or loop. */
void enlh_net_buffer_revoke(struct enlh_nic *nic, struct enlh_net_buffer **current);
/* Give the guest those that nobody holds. Thread: loop. */
void enlh_net_buffer_settle(struct enlh_nic *nic);
/* Returns how many spans [offset, offset + len) is, or -ENL_E_RANGE: not in it, or more. */
ENL_MUST_CHECK int enlh_net_buffer_slice(const struct enlh_net_buffer *buffer,
                                         uint64_t offset, uint64_t len,
                                         struct enlh_span *out, uint32_t max);

/* Bytes of spans, as if they were one buffer. */
struct enlh_net_bytes {
    const struct enlh_span *spans;
    uint32_t span_count;
    uint64_t len;
};
/* Returns 0, or -ENL_E_RANGE: they are not all there. Thread: any. */
ENL_MUST_CHECK int enlh_net_bytes_read(const struct enlh_nic *nic,
                                       const struct enlh_net_bytes *bytes,
                                       uint64_t offset, void *to, uint32_t len);
ENL_MUST_CHECK int enlh_net_bytes_write(const struct enlh_nic *nic,
                                        const struct enlh_net_bytes *bytes,
                                        uint64_t offset, const void *from, uint32_t len);
/* As enlh_net_buffer_slice(). */
ENL_MUST_CHECK int enlh_net_bytes_slice(const struct enlh_net_bytes *bytes,
                                        uint64_t offset, uint64_t len,
                                        struct enlh_span *out, uint32_t max);
/* The Internet sum of [offset, offset + len), not folded, not inverted, from seed on. */
uint64_t enlh_net_bytes_sum(const struct enlh_nic *nic,
                            const struct enlh_net_bytes *bytes, uint64_t offset,
                            uint64_t len, uint64_t seed);

/* ---- headers.c ---- */

#define ENLH_NET_TCP 6u
#define ENLH_NET_UDP 17u

/* Where the headers of a frame are; each is there as far as len says. */
struct enlh_net_headers {
    uint16_t l3, l4;  /* offsets; l4 is 0 in a fragment behind the first */
    uint8_t ip;       /* 4, 6, or 0: another protocol, or cut short */
    uint8_t protocol; /* ENLH_NET_TCP, ENLH_NET_UDP, or 0: another, or cut short */
    bool fragment;
};

void enlh_net_headers_parse(const uint8_t *head, uint32_t len,
                            struct enlh_net_headers *out);
/* The Internet sum of bytes at an even offset, not folded. */
uint64_t enlh_net_sum(const uint8_t *bytes, uint64_t len, uint64_t seed);
uint16_t enlh_net_fold(uint64_t sum);
/* The folded sum of a pseudo header for len bytes of TCP or UDP. */
uint16_t enlh_net_pseudo(const uint8_t *head, const struct enlh_net_headers *headers,
                         uint32_t len);
static inline uint16_t
enlh_net_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static inline void
enlh_net_put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* ---- rss.c ---- */

/* The hash of a frame, and in *type which of ENL_NDIS_HASH_ it is, or 0: none of them. */
uint32_t enlh_net_hash(const struct enlh_net_steering *steering, const uint8_t *head,
                       const struct enlh_net_headers *headers, uint32_t *type);

/* ---- lane.c ---- */

/* Returns 0, -ENL_E_NOMEM or the backend's error. Thread: loop. */
ENL_MUST_CHECK int enlh_net_lane_open(struct enlh_net_port *port,
                                      struct enlh_channel *channel,
                                      struct enlh_net_lane **out);
/* Nothing is in flight. Thread: loop. */
void enlh_net_lane_close(struct enlh_net_lane *lane);
/* An unused slot for this packet, or NULL: try again later. Thread: channel. */
struct enlh_net_slot *enlh_net_slot_get(struct enlh_net_lane *lane,
                                        const struct enlh_packet *packet);
/* Send slot->answer, now or when there is room. Thread: channel. */
void enlh_net_slot_answer(struct enlh_net_lane *lane, struct enlh_net_slot *slot);
/* The same, an RNDIS_COMPLETE of this status. */
void enlh_net_slot_status(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
                          uint32_t status);

/* Functions of struct enlh_channel_ops; dev is the port. */
void enlh_net_lane_run(void *dev, struct enlh_channel *channel);
void enlh_net_lane_flush(void *dev, struct enlh_channel *channel);
bool enlh_net_lane_quiesce(void *dev, struct enlh_channel *channel);

/* ---- nvsp.c ---- */

int enlh_net_nvsp_packet(void *dev, struct enlh_channel *channel,
                         const struct enlh_packet *packet);
/* Tell the guest which channel its frames shall take, once. Thread: channel. */
void enlh_net_nvsp_table(struct enlh_net_lane *lane);

/* ---- rndis.c ---- */

/* A control message of len bytes in lane->request; a control piece is free. */
void enlh_net_rndis_control(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
                            uint32_t len);
/* Tell the guest what has become of the link. Thread: channel of the primary. */
void enlh_net_rndis_link(struct enlh_net_lane *lane);
/* Send answers that wait for room. */
void enlh_net_rndis_drain(struct enlh_net_lane *lane);

/* ---- oid.c ---- */

/* Where a query's answer goes: at most max bytes. */
struct enlh_net_value {
    uint8_t *bytes;
    uint32_t max, len;
};
/* Both return an ENL_RNDIS_STATUS_. Thread: channel of the primary. */
uint32_t enlh_net_oid_query(struct enlh_net_lane *lane, uint32_t oid,
                            struct enlh_net_value *value);
uint32_t enlh_net_oid_set(struct enlh_net_lane *lane, uint32_t oid, const uint8_t *in,
                          uint32_t in_len);

/* ---- tx.c ---- */

/*
 * Data of the guest: all RNDIS messages in bytes. The slot is answered when the backend is
 * done with their frames. ENLH_NET_PACKETS of tx are free.
 */
void enlh_net_tx_packet(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
                        const struct enlh_net_bytes *bytes);
/* Give the backend what it would not take before; false: it still does not. */
bool enlh_net_tx_retry(struct enlh_net_lane *lane);
/* Lose the frames that no backend has taken. */
void enlh_net_tx_drop(struct enlh_net_lane *lane);

/* ---- rx.c ---- */

/* Take the lane's share of the receive buffer. Returns 0, -ENL_E_NOMEM, -ENL_E_INVAL. */
ENL_MUST_CHECK int enlh_net_rx_open(struct enlh_net_lane *lane,
                                    struct enlh_net_buffer *buffer);
void enlh_net_rx_close(struct enlh_net_lane *lane);
/* Bring frames to the guest, as many as may be in one turn. */
void enlh_net_rx_run(struct enlh_net_lane *lane);
/* The guest is done with a packet. Returns 0, or -ENL_E_PROTO: it never had it. */
ENL_MUST_CHECK int enlh_net_rx_completed(struct enlh_net_lane *lane,
                                         uint64_t transaction_id);
/* Copy an RNDIS message into a piece. Returns 0, or -ENL_E_NOENT: the buffer is gone. */
ENL_MUST_CHECK int enlh_net_rx_write(struct enlh_net_lane *lane, uint32_t piece,
                                     const void *message, uint32_t len);
/* Show the guest what is in a control piece; false: there is no room. */
bool enlh_net_rx_send(struct enlh_net_lane *lane, uint32_t piece, uint32_t len);

#endif
