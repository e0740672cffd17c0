/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/nvsp.h - the synthetic NIC: what carries RNDIS messages (rndis.h) over VMBus
 *
 * Data only. Every message is one struct enl_nvsp_message as the payload of a packet
 * (ring.h); below 6.1 its first ENL_NVSP_LEN_1 bytes are enough. The guest sends INBAND
 * packets, or GPA_DIRECT ones whose buffer is an RNDIS message; a request is answered by a
 * COMPLETION whose payload is the answer. The host sends INBAND packets, and RNDIS messages
 * as TRANSFER_PAGES: each range is a piece of the receive buffer with one RNDIS message.
 * The guest answers that with a COMPLETION, and only then is the piece free again.
 *
 * On the first channel: INIT until a version is accepted; NDIS_CONFIG (from 2); NDIS_VERSION;
 * RECEIVE_BUFFER; SEND_BUFFER; then RNDIS packets, and SUBCHANNEL (from 5). A sub-channel
 * carries RNDIS data packets at once.
 */
#ifndef ENLIGHT_ABI_NVSP_H
#define ENLIGHT_ABI_NVSP_H

#include "enlight/abi/base.h"

/* Versions: major 31:16, minor 15:0. */
#define ENL_NVSP_VERSION_1   0x00002u
#define ENL_NVSP_VERSION_2   0x30002u
#define ENL_NVSP_VERSION_4   0x40000u
#define ENL_NVSP_VERSION_5   0x50000u
#define ENL_NVSP_VERSION_6   0x60000u
#define ENL_NVSP_VERSION_6_1 0x60001u

#define ENL_NVSP_LEN_1   28u /* bytes of a message below 6.1 */
#define ENL_NVSP_LEN_6_1 40u

/* Types; without a tag: guest to host, no answer. */
#define ENL_NVSP_INIT                    1u /* answered by INIT_COMPLETE */
#define ENL_NVSP_INIT_COMPLETE           2u /* host to guest */
#define ENL_NVSP_NDIS_VERSION            100u
#define ENL_NVSP_RECEIVE_BUFFER          101u /* answered by its COMPLETE */
#define ENL_NVSP_RECEIVE_BUFFER_COMPLETE 102u /* host to guest */
#define ENL_NVSP_REVOKE_RECEIVE_BUFFER   103u
#define ENL_NVSP_SEND_BUFFER             104u /* answered by its COMPLETE */
#define ENL_NVSP_SEND_BUFFER_COMPLETE    105u /* host to guest */
#define ENL_NVSP_REVOKE_SEND_BUFFER      106u
#define ENL_NVSP_RNDIS                   107u /* both ways; answered by RNDIS_COMPLETE */
#define ENL_NVSP_RNDIS_COMPLETE          108u /* both ways */
#define ENL_NVSP_NDIS_CONFIG             125u /* from 2 */
#define ENL_NVSP_VF_ASSOCIATION          128u /* from 4; host to guest */
#define ENL_NVSP_SWITCH_DATA_PATH        129u /* from 4; the completion may be empty */
#define ENL_NVSP_OID_QUERY_EX            131u /* from 5 */
#define ENL_NVSP_OID_QUERY_EX_COMPLETE   132u /* from 5; host to guest */
#define ENL_NVSP_SUBCHANNEL              133u /* from 5; answered by itself */
#define ENL_NVSP_SEND_INDIRECTION_TABLE  134u /* from 5; host to guest */
#define ENL_NVSP_PD_API                  135u /* from 6.1 */
#define ENL_NVSP_PD_POST_BATCH           136u /* from 6.1 */

/* Status of an answer. 0 is none of them. */
#define ENL_NVSP_STATUS_NONE                 0u
#define ENL_NVSP_STATUS_SUCCESS              1u
#define ENL_NVSP_STATUS_FAILED               2u
#define ENL_NVSP_STATUS_PROTOCOL_TOO_NEW     3u
#define ENL_NVSP_STATUS_PROTOCOL_TOO_OLD     4u
#define ENL_NVSP_STATUS_INVALID_RNDIS        5u
#define ENL_NVSP_STATUS_BUSY                 6u
#define ENL_NVSP_STATUS_PROTOCOL_UNSUPPORTED 7u

/* INIT, guest to host. Newer guests put the same version into both. */
struct enl_nvsp_init {
    uint32_t min_version; /* ENL_NVSP_VERSION_ */
    uint32_t max_version;
};
ENL_ABI_SIZE(struct enl_nvsp_init, 8);

/* INIT_COMPLETE, host to guest; there is one for every INIT, refused or not. */
struct enl_nvsp_init_complete {
    uint32_t version; /* hosts say 2 here whatever was agreed; or ENL_NVSP_VERSION_NONE */
    uint32_t max_mdl_chain;
    uint32_t status; /* ENL_NVSP_STATUS_ */
};
ENL_ABI_SIZE(struct enl_nvsp_init_complete, 12);
#define ENL_NVSP_VERSION_NONE 0xFFFFFFFFu
#define ENL_NVSP_MDL_CHAIN    34u

/* NDIS_VERSION, guest to host. */
struct enl_nvsp_ndis_version {
    uint32_t major;
    uint32_t minor;
};
ENL_ABI_SIZE(struct enl_nvsp_ndis_version, 8);

/* capabilities of NDIS_CONFIG. */
#define ENL_NVSP_CAPABILITY_VMQ            0x01u
#define ENL_NVSP_CAPABILITY_CHIMNEY        0x02u
#define ENL_NVSP_CAPABILITY_SRIOV          0x04u
#define ENL_NVSP_CAPABILITY_8021Q          0x08u
#define ENL_NVSP_CAPABILITY_CORRELATION_ID 0x10u
#define ENL_NVSP_CAPABILITY_TEAMING        0x20u /* wants to hear of the link's speed */
#define ENL_NVSP_CAPABILITY_SUBNET_ID      0x40u
#define ENL_NVSP_CAPABILITY_RSC            0x80u /* from 6.1: frames in several pieces */

/* NDIS_CONFIG, guest to host, before NDIS_VERSION. Not aligned within a message. */
struct enl_nvsp_ndis_config {
    uint32_t mtu; /* bytes, the Ethernet header (14) included */
    uint32_t reserved;
    uint32_t capabilities; /* ENL_NVSP_CAPABILITY_ */
    uint32_t capabilities_high;
};
ENL_ABI_SIZE(struct enl_nvsp_ndis_config, 16);

/* RECEIVE_BUFFER and SEND_BUFFER, guest to host; gpadl belongs to this channel. */
#define ENL_NVSP_RECEIVE_BUFFER_ID 0xCAFEu
#define ENL_NVSP_SEND_BUFFER_ID    0u

struct enl_nvsp_buffer {
    uint32_t gpadl;
    uint16_t id;
    uint16_t reserved;
};
ENL_ABI_SIZE(struct enl_nvsp_buffer, 8);
ENL_ABI_AT(struct enl_nvsp_buffer, id, 4);

/* REVOKE_RECEIVE_BUFFER and REVOKE_SEND_BUFFER, guest to host: not to be touched again. */
struct enl_nvsp_revoke {
    uint16_t id;
    uint16_t reserved;
};
ENL_ABI_SIZE(struct enl_nvsp_revoke, 4);

/* How the host divides the receive buffer; guests take one section at offset 0. */
struct enl_nvsp_section {
    uint32_t offset; /* bytes into the buffer */
    uint32_t sub_allocation_len;
    uint32_t sub_allocation_count;
    uint32_t end_offset;
};
ENL_ABI_SIZE(struct enl_nvsp_section, 16);

/* RECEIVE_BUFFER_COMPLETE, host to guest. */
struct enl_nvsp_receive_buffer_complete {
    uint32_t status; /* ENL_NVSP_STATUS_ */
    uint32_t section_count;
    struct enl_nvsp_section section;
};
ENL_ABI_SIZE(struct enl_nvsp_receive_buffer_complete, 24);

/* SEND_BUFFER_COMPLETE, host to guest. */
struct enl_nvsp_send_buffer_complete {
    uint32_t status;      /* ENL_NVSP_STATUS_ */
    uint32_t section_len; /* section N of the send buffer starts at N times this */
};
ENL_ABI_SIZE(struct enl_nvsp_send_buffer_complete, 8);

/*
 * RNDIS, both ways. The message is in section section_index of the send buffer,
 * section_len bytes of it, and behind that in the packet's ranges; from the host it is in
 * the ranges alone. A data packet may hold several RNDIS messages, one behind the other.
 */
#define ENL_NVSP_CHANNEL_DATA    0u
#define ENL_NVSP_CHANNEL_CONTROL 1u
#define ENL_NVSP_NO_SECTION      0xFFFFFFFFu

struct enl_nvsp_rndis {
    uint32_t channel_type;  /* ENL_NVSP_CHANNEL_ */
    uint32_t section_index; /* or ENL_NVSP_NO_SECTION */
    uint32_t section_len;   /* bytes */
};
ENL_ABI_SIZE(struct enl_nvsp_rndis, 12);

/* RNDIS_COMPLETE, both ways: what carried the message is free again. */
struct enl_nvsp_rndis_complete {
    uint32_t status; /* ENL_NVSP_STATUS_ */
};
ENL_ABI_SIZE(struct enl_nvsp_rndis_complete, 4);

/* VF_ASSOCIATION, host to guest. */
struct enl_nvsp_vf_association {
    uint32_t allocated; /* 1 or 0 */
    uint32_t serial;    /* of the virtual function's PCI device */
};
ENL_ABI_SIZE(struct enl_nvsp_vf_association, 8);

/* SWITCH_DATA_PATH, guest to host. */
#define ENL_NVSP_DATA_PATH_SYNTHETIC 0u
#define ENL_NVSP_DATA_PATH_VF        1u

/* SUBCHANNEL, guest to host; its completion has the same type. */
#define ENL_NVSP_SUBCHANNEL_ALLOCATE 1u

struct enl_nvsp_subchannel {
    uint32_t operation; /* ENL_NVSP_SUBCHANNEL_ALLOCATE */
    uint32_t count;     /* beside the first channel */
};
ENL_ABI_SIZE(struct enl_nvsp_subchannel, 8);

struct enl_nvsp_subchannel_complete {
    uint32_t status; /* ENL_NVSP_STATUS_ */
    uint32_t count;  /* that will be offered */
};
ENL_ABI_SIZE(struct enl_nvsp_subchannel_complete, 8);

/*
 * SEND_INDIRECTION_TABLE, host to guest: entry N is the channel, 0 the first, for what the
 * guest sends with hash N modulo count. The entries follow the message.
 */
#define ENL_NVSP_SEND_TABLE_COUNT 16u

struct enl_nvsp_send_table {
    uint32_t count;  /* ENL_NVSP_SEND_TABLE_COUNT */
    uint32_t offset; /* of the entries, uint32_t each, from the message's start */
};
ENL_ABI_SIZE(struct enl_nvsp_send_table, 8);

struct enl_nvsp_message {
    uint32_t type; /* ENL_NVSP_ */
    union {
        struct enl_nvsp_init init;
        struct enl_nvsp_init_complete init_complete;
        struct enl_nvsp_ndis_version ndis_version;
        struct enl_nvsp_ndis_config ndis_config;
        struct enl_nvsp_buffer buffer;
        struct enl_nvsp_revoke revoke;
        struct enl_nvsp_receive_buffer_complete receive_buffer_complete;
        struct enl_nvsp_send_buffer_complete send_buffer_complete;
        struct enl_nvsp_rndis rndis;
        struct enl_nvsp_rndis_complete rndis_complete;
        struct enl_nvsp_vf_association vf_association;
        uint32_t data_path; /* SWITCH_DATA_PATH; ENL_NVSP_DATA_PATH_ */
        struct enl_nvsp_subchannel subchannel;
        struct enl_nvsp_subchannel_complete subchannel_complete;
        struct enl_nvsp_send_table send_table;
        uint8_t bytes[36];
    } u;
};
ENL_ABI_SIZE(struct enl_nvsp_message, ENL_NVSP_LEN_6_1);
ENL_ABI_AT(struct enl_nvsp_message, u, 4);

/* Most pieces of the receive buffer that a packet names, without and with RSC. */
#define ENL_NVSP_RANGES_MAX     375u
#define ENL_NVSP_RANGES_RSC_MAX 562u

#endif
