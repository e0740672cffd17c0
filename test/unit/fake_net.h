/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/fake_net.h - a network backend that the test holds in its hands
 *
 * Frames of the guest are written down, at once or when the test lets them go; frames for
 * the guest are put in by the test. Broken rules of the contract abort the test.
 */
#ifndef TEST_UNIT_FAKE_NET_H
#define TEST_UNIT_FAKE_NET_H

#include "enlight/host/net.h"

#define FAKE_NET_QUEUES 8u
#define FAKE_NET_FRAMES 512u

struct fake_frame {
    struct enlh_net_offload offload;
    uint32_t len;
    uint32_t head_len; /* of a frame that was sent */
    uint8_t *bytes;    /* owned */
};

struct fake_net_queue {
    struct fake_net *net;
    bool is_open;
    struct enlh_wake wake;
    const struct enlh_partition *partition;
    struct fake_frame sent[FAKE_NET_FRAMES];
    uint32_t sent_count;
    struct enlh_net_frame *held[FAKE_NET_FRAMES]; /* taken, not done */
    uint32_t held_count;
    struct fake_frame waiting[FAKE_NET_FRAMES]; /* for the guest */
    uint32_t waiting_at, waiting_count;
    uint32_t kicks, receives, cancels;
};

struct fake_net {
    void (*destroy)(void *backend); /* first, for what is stacked on it: does nothing */
    struct enlh_net net;            /* give this to the device */
    struct enlh_net_info info;
    struct enlh_net_link link;
    struct enlh_net_setup setup; /* the last one */
    uint32_t setups;
    int open_result;
    int fd;    /* what queue_open() says */
    bool hold; /* keep frames until fake_net_finish() */
    bool full; /* transmit() says not now */
    struct fake_net_queue queues[FAKE_NET_QUEUES];
};

void fake_net_init(struct fake_net *net);
void fake_net_fini(struct fake_net *net);
/* Held frames are done at the next reap. */
void fake_net_finish(struct fake_net *net, uint32_t queue);
/* A frame for the guest; copies it. */
void fake_net_bring(struct fake_net *net, uint32_t queue, const void *bytes, uint32_t len,
                    const struct enlh_net_offload *offload);

#endif
