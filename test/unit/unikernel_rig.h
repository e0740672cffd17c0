/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/unikernel_rig.h - the unikernel's network stack between two hands
 *
 * Frames go in from a station that is made up here, in memory of exactly their length; what
 * goes out is kept until it is looked at.
 */
#ifndef TEST_UNIT_UNIKERNEL_RIG_H
#define TEST_UNIT_UNIKERNEL_RIG_H

#include "example/unikernel/stack.h"

#define RIG_OWN     0x0A00020Fu /* 10.0.2.15 */
#define RIG_GATEWAY 0x0A000202u
#define RIG_PEER    0x0A000263u
#define RIG_FRAMES  64u

#define RIG_FIN 1u
#define RIG_SYN 2u
#define RIG_RST 4u
#define RIG_PSH 8u
#define RIG_ACK 16u

struct rig_out {
    uint32_t len;
    struct offload offload;
    uint8_t bytes[FRAME_ROOM];
};

struct rig {
    struct stack stack;
    struct station station;
    struct rig_out out[RIG_FRAMES]; /* what went out since rig_forget() */
    uint32_t out_count;
    bool is_full; /* there is no room for a frame */
    uint64_t now_ms;
};

extern const uint8_t rig_mac[6], rig_peer_mac[6];

/* A segment of the peer, or one that went out. */
struct rig_segment {
    uint16_t from, to;
    uint32_t seq, ack, flags, window;
    const void *data;
    uint32_t len;
};

/* With an address, and without offloads. */
void rig_init(struct rig *rig);
void rig_forget(struct rig *rig);
/* The stack reads memory of exactly this length. */
void rig_frame(struct rig *rig, const uint8_t *frame, uint32_t len);
/* An IPv4 packet of the peer's. Returns the frame's length. */
uint32_t rig_ip(uint8_t *frame, uint32_t from, uint32_t to, uint8_t protocol,
                const uint8_t *payload, uint32_t len);
uint32_t rig_tcp(uint8_t *frame, const struct rig_segment *segment);
void rig_send(struct rig *rig, const struct rig_segment *segment);
/* The n-th that went out, whose checksums are checked. */
struct rig_segment rig_segment(struct rig *rig, uint32_t n);
void rig_wait(struct rig *rig, uint64_t ms);

#endif
