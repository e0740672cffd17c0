/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/net_rig.h - a NIC on a fake bus, over a fake network, with a driver made by hand
 */
#ifndef TEST_UNIT_NET_RIG_H
#define TEST_UNIT_NET_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "enlight/abi/nvsp.h"
#include "enlight/abi/rndis.h"
#include "fake_channel.h"
#include "fake_net.h"
#include "host/dev/net/net.h"

/* Where the driver keeps things, in region 0. */
#define RIG_RECEIVE_GPA 0x100000u
#define RIG_RECEIVE_LEN 0x100000u
#define RIG_SEND_GPA    0x200000u
#define RIG_SEND_LEN    0x20000u
#define RIG_FRAME_GPA   0x300000u
#define RIG_RECEIVE     0x11u /* GPADL handles */
#define RIG_SEND        0x12u
#define RIG_FILTER                                                                       \
    (ENL_NDIS_FILTER_DIRECTED | ENL_NDIS_FILTER_BROADCAST | ENL_NDIS_FILTER_ALL_MULTICAST)

struct net_rig {
    struct fake f;
    struct enlh_vmbus bus;
    struct fake_net net;
    struct enlh_nic_config config;
    struct enlh_nic *nic;
    struct enlh_channel *channel;                    /* the primary one, open */
    struct enl_nvsp_receive_buffer_complete receive; /* what the host has said */
    uint32_t request_id;
    uint32_t destroyed;
};

extern const uint8_t rig_mac[6];

/* A NIC that is offered; config and net may be changed between init and create. */
void net_rig_init(struct net_rig *rig);
void net_rig_create(struct net_rig *rig);
/* ... and a driver of this version, ready for data, filter set. */
void net_rig_boot(struct net_rig *rig, uint32_t version);
/* The same as far as SEND_BUFFER. */
void net_rig_connect(struct net_rig *rig, uint32_t version);
void net_rig_stop(struct net_rig *rig);
/* Two sub-channels, open. */
void net_rig_subchannels(struct net_rig *rig, uint32_t count);

/* One NVSP message; answers with the completion's payload. */
struct enl_nvsp_message net_rig_nvsp(struct net_rig *rig,
                                     const struct enl_nvsp_message *message);
/* INIT with this version; returns the status. */
uint32_t net_rig_version(struct net_rig *rig, uint32_t version);

/*
 * A control request through a GPA-direct packet: its bytes, and the answer's. Completes the
 * answer. Returns the answer's length, 0: there was none.
 */
uint32_t net_rig_control(struct net_rig *rig, const void *request, uint32_t len,
                         void *answer, uint32_t max);
/* Returns the status; *len is as long as value is, and then what came. */
uint32_t net_rig_query(struct net_rig *rig, uint32_t oid, void *value, uint32_t *len);
uint32_t net_rig_set(struct net_rig *rig, uint32_t oid, const void *value, uint32_t len);

/* ---- data ---- */

/* Ethernet, IPv4, TCP (or UDP) and payload bytes that count up. Returns the length. */
uint32_t net_rig_tcp4(uint8_t *frame, uint32_t payload_len);
uint32_t net_rig_udp4(uint8_t *frame, uint32_t payload_len);
uint32_t net_rig_tcp6(uint8_t *frame, uint32_t payload_len);

struct rig_info {
    uint32_t type, value;
};
/* An RNDIS message of a frame with records, at to. Returns its length. */
uint32_t net_rig_message(uint8_t *to, const uint8_t *frame, uint32_t len,
                         const struct rig_info *infos, uint32_t info_count);
/* Put bytes at RIG_FRAME_GPA and send them as a data packet; run; the answer's status. */
uint32_t net_rig_send(struct net_rig *rig, struct enlh_channel *channel,
                      const uint8_t *bytes, uint32_t len);
/* All in one: a frame with records. */
uint32_t net_rig_send_frame(struct net_rig *rig, const uint8_t *frame, uint32_t len,
                            const struct rig_info *infos, uint32_t info_count);
/* What the guest got: a frame in a range of a packet. */
struct rig_received {
    struct enl_rndis_packet packet;
    uint8_t frame[2048];
    uint32_t len;
    uint32_t checksum, vlan, hash, fragment;
    bool has_checksum, has_vlan, has_hash, has_fragment;
};
void net_rig_read(struct net_rig *rig, const struct enl_transfer_range *range,
                  struct rig_received *out);
/* Run, take one packet of transfer pages; false: there is none. */
bool net_rig_take(struct net_rig *rig, struct enlh_channel *channel,
                  struct fake_answer *out);
void net_rig_complete(struct enlh_channel *channel, uint64_t transaction_id);

#endif
