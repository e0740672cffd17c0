/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/hvsock.h - sockets between a guest and its host: a channel for a connection
 *
 * Data only. An offer of a socket has ENL_OFFER_TLNPI and struct enl_hvsock_params as its
 * user_defined (vmbus.h). Its class is the service that listens, its instance the side
 * that connects. The guest asks for a connection with TL_CONNECT_REQUEST; the answer is an
 * offer, or TL_CONNECT_RESULT with a failure.
 */
#ifndef ENLIGHT_ABI_HVSOCK_H
#define ENLIGHT_ABI_HVSOCK_H

#include "enlight/abi/base.h"
#include "enlight/abi/vmbus.h"

#define ENL_HVSOCK_VERSION_NO_SILO 0u
#define ENL_HVSOCK_VERSION_SILO    1u

/* user_defined of a socket's offer, host to guest. */
struct enl_hvsock_params {
    uint32_t pipe_type;          /* ENL_PIPE_TYPE_ */
    uint8_t is_for_guest_accept; /* 1: the host connects; 0: the answer to a guest */
    uint8_t is_for_container;
    uint32_t version; /* ENL_HVSOCK_VERSION_ */
    struct enl_guid silo_id;
} __attribute__((packed));
ENL_ABI_SIZE(struct enl_hvsock_params, 26);
ENL_ABI_AT(struct enl_hvsock_params, version, 6);
ENL_ABI_AT(struct enl_hvsock_params, silo_id, 10);

/* TL_CONNECT_REQUEST, guest to host, from 4.0. */
struct enl_vmbus_tl_connect_request {
    struct enl_vmbus_header head;
    struct enl_guid endpoint_id;
    struct enl_guid service_id;
};
ENL_ABI_SIZE(struct enl_vmbus_tl_connect_request, 40);

/* From 5.2; the shorter form stays allowed. */
struct enl_vmbus_tl_connect_request_5_2 {
    struct enl_vmbus_tl_connect_request base;
    struct enl_guid silo_id;
};
ENL_ABI_SIZE(struct enl_vmbus_tl_connect_request_5_2, 56);

/* TL_CONNECT_RESULT, host to guest, from 4.1. */
struct enl_vmbus_tl_connect_result {
    struct enl_vmbus_header head;
    struct enl_guid endpoint_id;
    struct enl_guid service_id;
    uint32_t status; /* ENL_VMBUS_STATUS_ */
};
ENL_ABI_SIZE(struct enl_vmbus_tl_connect_result, 44);

/* A stream packet: this, then the bytes. A size of 0 ends the direction. */
#define ENL_HVSOCK_PACKET_DATA 1u
#define ENL_HVSOCK_PAYLOAD_MAX 16384u

struct enl_hvsock_packet {
    uint32_t type; /* ENL_HVSOCK_PACKET_DATA */
    uint32_t size;
};
ENL_ABI_SIZE(struct enl_hvsock_packet, 8);

#endif
