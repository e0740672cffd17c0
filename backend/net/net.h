/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/net.h - what the networks share
 *
 *   base     how any of them is destroyed: its first member
 *   packet   a frame in memory of ours
 *   merge    segments of a TCP stream become one frame
 *   stage    for a network that is one thread with one stream of frames: queues of packets
 *            between it and the channels' threads
 */
#ifndef ENLIGHT_BACKEND_NET_NET_H
#define ENLIGHT_BACKEND_NET_NET_H

#include <pthread.h>
#include <stdatomic.h>

#include "enlight/backend/net.h"

struct enlb_net_base {
    void (*destroy)(void *backend);
};

struct enlb_packet {
    struct enlb_packet *next;
    struct enlh_net_offload offload;
    uint64_t due_ns; /* link.c's */
    uint32_t len;
    uint8_t bytes[];
};

struct enlb_packet_list {
    struct enlb_packet *first, **last;
    uint32_t count;
    uint64_t bytes;
};

void enlb_packet_list_init(struct enlb_packet_list *list);
void enlb_packet_list_add(struct enlb_packet_list *list, struct enlb_packet *packet);
struct enlb_packet *enlb_packet_list_take(struct enlb_packet_list *list);
void enlb_packet_list_clear(struct enlb_packet_list *list);

/* A packet of len bytes, not filled; NULL: no memory. Freed with free(). */
struct enlb_packet *enlb_packet_make(uint32_t len);
/* All bytes of a frame, in a packet of ours. */
struct enlb_packet *enlb_packet_of(const struct enlh_net_frame *frame,
                                   const struct enlh_partition *partition);
/*
 * The Internet sum of bytes behind another one of an even length (0: none), in the order of
 * memory.
 */
uint16_t enlb_packet_sum(const uint8_t *bytes, uint32_t len, uint16_t before);
/* Put the checksum in that the frame leaves to us. */
void enlb_packet_checksum(struct enlb_packet *packet);
/*
 * Copy a packet into pieces. Returns how many it took, or 0: they do not hold it.
 */
uint32_t enlb_packet_to_pieces(const struct enlb_packet *packet,
                               const struct enlh_partition *partition,
                               const struct enlh_net_piece *pieces, uint32_t count);

/* ---- merge.c ---- */

struct enlb_merge {
    struct enlb_packet *packet; /* the frame in the making, or NULL */
    uint32_t at;                /* where its TCP header is */
    uint32_t segment_len;       /* data of its first segment */
    uint32_t next;              /* the sequence number that follows */
    uint32_t room;              /* bytes that packet has room for */
    bool whole;                 /* nothing may follow */
};

/* Put a frame of len bytes behind what there is; false: it does not belong there. */
bool enlb_merge_add(struct enlb_merge *merge, const uint8_t *bytes, uint32_t len);
/* Take packet, with which a frame may begin, while there is none; false: it passes alone. */
bool enlb_merge_begin(struct enlb_merge *merge, struct enlb_packet *packet);
/* The frame in the making, for the caller to have; NULL: there is none. */
struct enlb_packet *enlb_merge_take(struct enlb_merge *merge);

/* ---- stage.c ---- */

struct enlb_stage;

struct enlb_stage_queue {
    struct enlb_stage *stage;
    uint32_t index;
    bool is_open;     /* stage->lock */
    bool is_held;     /* stage->lock: its channel found no room */
    bool has_news;    /* stage->lock: its channel has not been told of what comes */
    bool must_notify; /* the channel's thread: nobody was told of what goes */
    struct enlh_wake wake;
    const struct enlh_partition *partition;
    struct enlb_packet_list coming;  /* stage->lock */
    struct enlb_packet_list pending; /* the channel's thread */
    uint32_t frame_max;              /* the channel's thread: as of the last look */
};

struct enlb_stage {
    pthread_mutex_t lock;
    struct enlh_net_info info;
    struct enlh_net_setup setup;
    atomic_uint offloads; /* those of setup */
    struct enlb_packet_list going;
    struct enlb_stage_queue queues[ENLB_NET_QUEUES_MAX];
    void (*notify)(void *ctx); /* something is in going */
    void *ctx;
    atomic_bool up;
};

ENL_MUST_CHECK int enlb_stage_init(struct enlb_stage *stage,
                                   const struct enlh_net_info *info,
                                   void (*notify)(void *ctx), void *ctx);
void enlb_stage_fini(struct enlb_stage *stage);

/* The network's side: take what the guest sends, bring it what comes. Thread: its own. */
void enlb_stage_take(struct enlb_stage *stage, struct enlb_packet_list *out);
/* Takes packet. Its channel knows of it with the next enlb_stage_show(). */
void enlb_stage_bring(struct enlb_stage *stage, struct enlb_packet *packet);
void enlb_stage_show(struct enlb_stage *stage);
void enlb_stage_set_link(struct enlb_stage *stage, bool up);

/* The NIC's side: functions for struct enlh_net_ops, but for stage as backend. */
void enlb_stage_setup(struct enlb_stage *stage, const struct enlh_net_setup *setup);
int enlb_stage_open(struct enlb_stage *stage, uint32_t index,
                    const struct enlh_partition *partition, const struct enlh_wake *wake,
                    struct enlh_net_queue **out);
void enlb_stage_close(struct enlb_stage *stage, struct enlh_net_queue *queue);
int enlb_stage_transmit(struct enlh_net_queue *queue, struct enlh_net_frame *frame);
void enlb_stage_kick(struct enlh_net_queue *queue);
uint32_t enlb_stage_reap(struct enlh_net_queue *queue);
void enlb_stage_cancel(struct enlh_net_queue *queue);
uint32_t enlb_stage_receive(struct enlh_net_queue *queue,
                            const struct enlh_net_piece *pieces, uint32_t piece_count,
                            struct enlh_net_received *frames, uint32_t frame_count);

/* Wake a queue as it wants to be woken. Thread: any. */
void enlb_net_wake(const struct enlh_wake *wake);

#endif
