/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_net_rig.h - a NIC driver whose host is the test
 *
 * On top of guest_bus_rig.h: one NIC on the bus's channel, its receive buffer in the rig's
 * pages, and the host's ends of the rings. What the driver sends is taken one packet at a
 * time; what it asks by RNDIS is gathered from the pages that it names.
 */
#ifndef TEST_UNIT_GUEST_NET_RIG_H
#define TEST_UNIT_GUEST_NET_RIG_H

#include "enlight/guest/net.h"
#include "guest_bus_rig.h"

#define NIC_SLOTS       4u
#define NIC_RECEIVE_LEN 65536u
#define NIC_HEAD_LEN    8u /* of an RNDIS message */

struct nic_rig {
    struct enlg_net net;
    char events[16]; /* one letter for each: R ready, L link, l lost, s stopped */
    struct enlg_net_send send;
    uint32_t done;
    struct enl_ring_packet taken;    /* the last packet of the driver */
    struct enl_nvsp_message message; /* ... its payload */
    uint8_t rndis[2048];             /* ... and what its pages hold */
    uint32_t rndis_len;
    uint8_t frame_bytes[9000];
    struct enlg_net_frame frame; /* the last that came in */
    uint32_t frames;
    bool no_room;
    uint64_t host_id; /* of the host's last packet */
};

extern struct nic_rig nic;

/* The receive buffer. */
uint8_t *nic_receive_buffer(void);
struct enlg_net_config nic_config(uint16_t sub_channels);

/* Open the channel; returns the receive buffer's GPADL, not created yet. */
uint32_t nic_start_lending(uint16_t sub_channels);
/* The same, created: the driver asks its first question. */
void nic_start(uint16_t sub_channels);
/* Everything up to READY, with all offloads over IPv4. */
void nic_become_ready(uint16_t sub_channels);
/* The steps of that. */
void nic_accept_version(void);
void nic_accept_buffer(void);
void nic_accept_initialize(void);

/* As bus_posted(), whatever was signalled before. */
void nic_posted(uint32_t type, void *out, uint32_t len);
/* The next packet of the driver has this NVSP type; or there is none. */
void nic_take(uint32_t type);
void nic_take_nothing(void);
/* The next is an RNDIS question of this type, about oid unless that is 0. */
void nic_take_question(uint32_t type, uint32_t oid);
uint32_t nic_request_id(void);
/* The next gives the host's last packet back. */
void nic_taken_back(void);

/* The host says; each returns what the poll that follows does. */
int nic_say(uint16_t type, uint64_t id, const void *payload, uint32_t len);
int nic_complete(const struct enl_nvsp_message *m);
int nic_carried(void);
/* One packet with count pieces of the receive buffer, that claims to have others. */
int nic_say_pieces(const struct enl_transfer_range *ranges, uint32_t count,
                   uint32_t claimed);
int nic_say_message(uint32_t type, const void *body, uint32_t len);
/* The question that was taken is the driver's again, and has this answer. */
int nic_answer(uint32_t type, uint32_t status, const void *value, uint32_t len);
void nic_good_query(uint32_t oid, const void *value, uint32_t len);
void nic_good_set(uint32_t oid);

/* nic.send has one piece of first bytes, and another of second unless that is 0. */
void nic_send_pieces(uint32_t first, uint32_t second);
/* The next packet is a frame; and a record of it. */
struct enl_rndis_packet nic_sent_packet(void);
uint32_t nic_sent_info(const struct enl_rndis_packet *packet, uint32_t i, uint32_t type);
/* A frame's message into the receive buffer; infos: type and value of each record. */
uint32_t nic_frame_write(uint32_t offset, uint32_t len, const uint32_t *infos,
                         uint32_t info_count);

#endif
