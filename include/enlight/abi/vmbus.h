/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/vmbus.h - the control messages of VMBus
 *
 * Data only. A guest posts a message with POST_MESSAGE (hypercall.h); the host puts one
 * into the message slot of the VMBus SINT (synic.h), on the VP that INITIATE_CONTACT
 * named. Both have the SynIC message type ENL_MESSAGE_VMBUS. A message is at most 240
 * bytes, begins with struct enl_vmbus_header, and may be longer than its structure here:
 * what is behind it is not looked at.
 *
 * Each structure says who sends it and since which version it is there or has that form.
 */
#ifndef ENLIGHT_ABI_VMBUS_H
#define ENLIGHT_ABI_VMBUS_H

#include "enlight/abi/base.h"

#define ENL_VMBUS_MESSAGE_MAX 240u

/* Versions: major 31:16, minor 15:0. Each is the one that came with this Windows. */
#define ENL_VMBUS_VERSION(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))
#define ENL_VMBUS_VERSION_WS2008        ENL_VMBUS_VERSION(0, 13)
#define ENL_VMBUS_VERSION_WIN7          ENL_VMBUS_VERSION(1, 1)
#define ENL_VMBUS_VERSION_WIN8          ENL_VMBUS_VERSION(2, 4)
#define ENL_VMBUS_VERSION_WIN8_1        ENL_VMBUS_VERSION(3, 0)
#define ENL_VMBUS_VERSION_WIN10         ENL_VMBUS_VERSION(4, 0)
#define ENL_VMBUS_VERSION_WIN10_4_1     ENL_VMBUS_VERSION(4, 1)
#define ENL_VMBUS_VERSION_WIN10_5_0     ENL_VMBUS_VERSION(5, 0)
#define ENL_VMBUS_VERSION_WIN10_5_1     ENL_VMBUS_VERSION(5, 1)
#define ENL_VMBUS_VERSION_WIN10_5_2     ENL_VMBUS_VERSION(5, 2)
#define ENL_VMBUS_VERSION_WS2022        ENL_VMBUS_VERSION(5, 3)
#define ENL_VMBUS_VERSION_6_0           ENL_VMBUS_VERSION(6, 0)

/* Connection ids. */
#define ENL_VMBUS_CONNECTION_MESSAGE    1u /* below 5.0 */
#define ENL_VMBUS_CONNECTION_EVENT      2u /* with the shared interrupt page */
#define ENL_VMBUS_CONNECTION_MONITOR    3u
#define ENL_VMBUS_CONNECTION_MESSAGE_5  4u /* from 5.0: INITIATE_CONTACT */
#define ENL_VMBUS_CONNECTION_REDIRECTED 0x800074u

#define ENL_VMBUS_RELID_MIN            1u
#define ENL_VMBUS_RELID_MAX            2047u
#define ENL_VMBUS_INTERRUPT_TO_HOST_AT 2048u /* in the shared interrupt page */

/* Status of a message: an NTSTATUS or an HRESULT. */
#define ENL_VMBUS_STATUS_SUCCESS            0u
#define ENL_VMBUS_STATUS_FAILED             0x8000FFFFu
#define ENL_VMBUS_STATUS_INVALID_PARAMETER  0xC000000Du
#define ENL_VMBUS_STATUS_NO_RESOURCES       0xC000009Au
#define ENL_VMBUS_STATUS_CONNECTION_REFUSED 0xC0000236u

#define ENL_VMBUS_OFFER_CHANNEL            1u  /* host to guest */
#define ENL_VMBUS_RESCIND_OFFER            2u  /* host to guest */
#define ENL_VMBUS_REQUEST_OFFERS           3u  /* guest to host */
#define ENL_VMBUS_ALL_OFFERS_DELIVERED     4u  /* host to guest */
#define ENL_VMBUS_OPEN_CHANNEL             5u  /* guest to host */
#define ENL_VMBUS_OPEN_RESULT              6u  /* host to guest */
#define ENL_VMBUS_CLOSE_CHANNEL            7u  /* guest to host */
#define ENL_VMBUS_GPADL_HEADER             8u  /* guest to host */
#define ENL_VMBUS_GPADL_BODY               9u  /* guest to host */
#define ENL_VMBUS_GPADL_CREATED            10u /* host to guest */
#define ENL_VMBUS_GPADL_TEARDOWN           11u /* guest to host */
#define ENL_VMBUS_GPADL_TORNDOWN           12u /* host to guest */
#define ENL_VMBUS_RELID_RELEASED           13u /* guest to host */
#define ENL_VMBUS_INITIATE_CONTACT         14u /* guest to host */
#define ENL_VMBUS_VERSION_RESPONSE         15u /* host to guest */
#define ENL_VMBUS_UNLOAD                   16u /* guest to host */
#define ENL_VMBUS_UNLOAD_RESPONSE          17u /* host to guest */
#define ENL_VMBUS_OPEN_RESERVED            18u /* guest to host */
#define ENL_VMBUS_CLOSE_RESERVED           19u /* guest to host */
#define ENL_VMBUS_CLOSE_RESERVED_RESPONSE  20u /* host to guest */
#define ENL_VMBUS_TL_CONNECT_REQUEST       21u /* guest to host */
#define ENL_VMBUS_MODIFY_CHANNEL           22u /* guest to host */
#define ENL_VMBUS_TL_CONNECT_RESULT        23u /* host to guest */
#define ENL_VMBUS_MODIFY_CHANNEL_RESPONSE  24u /* host to guest */
#define ENL_VMBUS_MODIFY_CONNECTION        25u /* guest to host */
#define ENL_VMBUS_MODIFY_CONNECTION_RESULT 26u /* host to guest */
#define ENL_VMBUS_PAUSE                    27u /* guest to host */
#define ENL_VMBUS_PAUSE_RESPONSE           28u /* host to guest */
#define ENL_VMBUS_RESUME                   29u /* guest to host */

/*
 * The start of every message, and the whole of REQUEST_OFFERS, ALL_OFFERS_DELIVERED,
 * UNLOAD, UNLOAD_RESPONSE (from 3.0), PAUSE, PAUSE_RESPONSE and RESUME (from 6.0).
 */
struct enl_vmbus_header {
    uint32_t type; /* ENL_VMBUS_ */
    uint32_t reserved;
};
ENL_ABI_SIZE(struct enl_vmbus_header, 8);

/* Feature words of 6.0. */
#define ENL_VMBUS_FEATURE_SIGNAL_PARAMETERS     0x01u /* OPEN_CHANNEL's second form */
#define ENL_VMBUS_FEATURE_INTERRUPT_REDIRECTION 0x02u /* OPEN_CHANNEL's second form */
#define ENL_VMBUS_FEATURE_MODIFY_CONNECTION     0x04u
#define ENL_VMBUS_FEATURE_CLIENT_ID             0x08u
#define ENL_VMBUS_FEATURE_CONFIDENTIAL_CHANNELS 0x10u
#define ENL_VMBUS_FEATURE_PAUSE_RESUME          0x20u
#define ENL_VMBUS_FEATURE_HOST_MONITOR_PAGES    0x40u
#define ENL_VMBUS_FEATURE_GPA_PINNING           0x80u

/*
 * INITIATE_CONTACT, guest to host; answered by VERSION_RESPONSE. In any state it ends
 * what was before. Up to 4.1 the eight bytes at 16 are the interrupt page's GPA; from 5.0
 * they say where messages go. 6.0 may add the client's id at 40.
 */
struct enl_vmbus_target {
    uint8_t sint;
    uint8_t vtl;
    uint16_t reserved;
    uint32_t feature_flags; /* 6.0: ENL_VMBUS_FEATURE_ */
};
ENL_ABI_SIZE(struct enl_vmbus_target, 8);

struct enl_vmbus_initiate_contact {
    struct enl_vmbus_header head;
    uint32_t version;
    uint32_t target_vp;
    union {
        uint64_t interrupt_page_gpa;
        struct enl_vmbus_target target;
    } u;
    uint64_t monitor_to_guest_gpa;
    uint64_t monitor_to_host_gpa;
};
ENL_ABI_SIZE(struct enl_vmbus_initiate_contact, 40);
ENL_ABI_AT(struct enl_vmbus_initiate_contact, u, 16);
struct enl_vmbus_initiate_contact_6_0 {
    struct enl_vmbus_initiate_contact base;
    struct enl_guid client_id;
};
ENL_ABI_SIZE(struct enl_vmbus_initiate_contact_6_0, 56);

#define ENL_VMBUS_CONNECTION_STATE_SUCCESS       0u
#define ENL_VMBUS_CONNECTION_STATE_LOW_RESOURCES 1u
#define ENL_VMBUS_CONNECTION_STATE_UNKNOWN       2u

/* VERSION_RESPONSE, host to guest; below 5.0, and for a refusal, this form or its start. */
struct enl_vmbus_version_response {
    struct enl_vmbus_header head;
    uint8_t supported;        /* 1 or 0 */
    uint8_t connection_state; /* ENL_VMBUS_CONNECTION_STATE_ */
    uint16_t reserved;
    uint32_t version_or_connection_id; /* from 5.0: where to post; else what was asked */
};
ENL_ABI_SIZE(struct enl_vmbus_version_response, 16);
ENL_ABI_AT(struct enl_vmbus_version_response, version_or_connection_id, 12);
#define ENL_VMBUS_VERSION_RESPONSE_MIN 10u

/* From 6.0. The monitor pages count with ENL_VMBUS_FEATURE_HOST_MONITOR_PAGES. */
struct enl_vmbus_version_response_6_0 {
    struct enl_vmbus_version_response base;
    uint32_t feature_flags; /* ENL_VMBUS_FEATURE_ */
    uint32_t reserved;
    uint64_t monitor_to_guest_gpa;
    uint64_t monitor_to_host_gpa;
};
ENL_ABI_SIZE(struct enl_vmbus_version_response_6_0, 40);
#define ENL_VMBUS_VERSION_RESPONSE_6_0_MIN 20u /* without the monitor pages */

/* flags of an offer. */
#define ENL_OFFER_ENUMERATE           0x0001u
#define ENL_OFFER_CONFIDENTIAL_RING   0x0002u
#define ENL_OFFER_CONFIDENTIAL_MEMORY 0x0004u
#define ENL_OFFER_PINNED_MEMORY       0x0008u
#define ENL_OFFER_NAMED_PIPE          0x0010u
#define ENL_OFFER_LOOPBACK            0x0100u
#define ENL_OFFER_PARENT              0x0200u
#define ENL_OFFER_MONITORED           0x0400u
#define ENL_OFFER_TLNPI               0x2000u /* a socket */

#define ENL_VMBUS_USER_DEFINED_LEN 120u

/* What user_defined of a pipe begins with; a socket is in hvsock.h. */
#define ENL_PIPE_TYPE_BYTE    0u
#define ENL_PIPE_TYPE_MESSAGE 4u

/*
 * OFFER_CHANNEL, host to guest: after REQUEST_OFFERS, and whenever a channel appears. A
 * sub-channel has the instance of its first channel and a subchannel_index that is not 0.
 */
struct enl_vmbus_offer {
    struct enl_vmbus_header head;
    struct enl_guid class_id;
    struct enl_guid instance_id;
    uint32_t reserved[4];
    uint16_t flags; /* ENL_OFFER_ */
    uint16_t mmio_megabytes;
    uint8_t user_defined[ENL_VMBUS_USER_DEFINED_LEN];
    uint16_t subchannel_index;
    uint16_t mmio_megabytes_optional;
    uint32_t relid;
    uint8_t monitor_id;
    uint8_t monitor_allocated; /* bit 0 */
    uint16_t is_dedicated;     /* bit 0, from 1.1: signal by connection_id alone */
    uint32_t connection_id;    /* from 1.1 */
};
ENL_ABI_SIZE(struct enl_vmbus_offer, 196);
ENL_ABI_AT(struct enl_vmbus_offer, flags, 56);
ENL_ABI_AT(struct enl_vmbus_offer, user_defined, 60);
ENL_ABI_AT(struct enl_vmbus_offer, relid, 184);
ENL_ABI_AT(struct enl_vmbus_offer, connection_id, 192);

/*
 * RESCIND_OFFER, host to guest, answered by RELID_RELEASED. CLOSE_CHANNEL, guest to host,
 * no answer. RELID_RELEASED, guest to host: the relid may be used again.
 * CLOSE_RESERVED_RESPONSE, host to guest.
 */
struct enl_vmbus_relid {
    struct enl_vmbus_header head;
    uint32_t relid;
};
ENL_ABI_SIZE(struct enl_vmbus_relid, 12);

/* OPEN_CHANNEL, guest to host; answered by OPEN_RESULT. */
#define ENL_VMBUS_VP_NO_INTERRUPT 0xFFFFFFFFu

struct enl_vmbus_open {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t open_id;
    uint32_t ring_gpadl;
    uint32_t target_vp;         /* or ENL_VMBUS_VP_NO_INTERRUPT */
    uint32_t downstream_offset; /* pages of the guest-to-host ring, header included */
    uint8_t user_data[ENL_VMBUS_USER_DEFINED_LEN];
};
ENL_ABI_SIZE(struct enl_vmbus_open, 148);
ENL_ABI_AT(struct enl_vmbus_open, ring_gpadl, 16);

#define ENL_OPEN_FLAG_REDIRECT_INTERRUPT 0x1u

/* From 6.0, with one of the two features that name it. */
struct enl_vmbus_open_6_0 {
    struct enl_vmbus_open base;
    uint32_t connection_id;
    uint16_t event_flag;
    uint16_t flags; /* ENL_OPEN_FLAG_ */
};
ENL_ABI_SIZE(struct enl_vmbus_open_6_0, 156);

/* OPEN_RESULT, host to guest. */
struct enl_vmbus_open_result {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t open_id;
    uint32_t status; /* ENL_VMBUS_STATUS_ */
};
ENL_ABI_SIZE(struct enl_vmbus_open_result, 20);

/*
 * GPADL_HEADER, guest to host; answered by GPADL_CREATED. range_buf_len bytes of ranges
 * (struct enl_gpa_range with page numbers, ring.h) follow, as far as they fit; the rest
 * comes in GPADL_BODY messages, in order.
 */
struct enl_vmbus_gpadl_header {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t gpadl; /* chosen by the guest, unique while it lasts */
    uint16_t range_buf_len;
    uint16_t range_count;
};
ENL_ABI_SIZE(struct enl_vmbus_gpadl_header, 20);
#define ENL_VMBUS_GPADL_HEADER_DATA 216u /* bytes of ranges that fit: 27 times 8 */

/* GPADL_BODY, guest to host: page numbers follow. */
struct enl_vmbus_gpadl_body {
    struct enl_vmbus_header head;
    uint32_t message_number; /* nobody looks at it */
    uint32_t gpadl;
};
ENL_ABI_SIZE(struct enl_vmbus_gpadl_body, 16);
#define ENL_VMBUS_GPADL_BODY_DATA 224u /* 28 page numbers */

/* GPADL_CREATED, host to guest. */
struct enl_vmbus_gpadl_created {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t gpadl;
    uint32_t status; /* ENL_VMBUS_STATUS_ */
};
ENL_ABI_SIZE(struct enl_vmbus_gpadl_created, 20);

/* GPADL_TEARDOWN, guest to host; answered by GPADL_TORNDOWN. */
struct enl_vmbus_gpadl_teardown {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t gpadl;
};
ENL_ABI_SIZE(struct enl_vmbus_gpadl_teardown, 16);

/* GPADL_TORNDOWN, host to guest: the host has let go of the memory. */
struct enl_vmbus_gpadl_torndown {
    struct enl_vmbus_header head;
    uint32_t gpadl;
};
ENL_ABI_SIZE(struct enl_vmbus_gpadl_torndown, 12);

/* MODIFY_CHANNEL, guest to host, from 4.1; answered by a response from 5.3. */
struct enl_vmbus_modify_channel {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t target_vp; /* or ENL_VMBUS_VP_NO_INTERRUPT */
};
ENL_ABI_SIZE(struct enl_vmbus_modify_channel, 16);

/* MODIFY_CHANNEL_RESPONSE, host to guest, from 5.3. */
struct enl_vmbus_modify_channel_response {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t status; /* ENL_VMBUS_STATUS_ */
};
ENL_ABI_SIZE(struct enl_vmbus_modify_channel_response, 16);

/* OPEN_RESERVED, guest to host, from 4.0; answered by OPEN_RESULT with open id 0. */
struct enl_vmbus_open_reserved {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t target_vp;
    uint32_t target_sint;
    uint32_t ring_gpadl;
    uint32_t downstream_offset;
};
ENL_ABI_SIZE(struct enl_vmbus_open_reserved, 28);

/* CLOSE_RESERVED, guest to host, without a connection too; its response goes there. */
struct enl_vmbus_close_reserved {
    struct enl_vmbus_header head;
    uint32_t relid;
    uint32_t target_vp;
    uint32_t target_sint;
};
ENL_ABI_SIZE(struct enl_vmbus_close_reserved, 20);

/* MODIFY_CONNECTION, guest to host, from 6.0; answered by MODIFY_CONNECTION_RESULT. */
struct enl_vmbus_modify_connection {
    struct enl_vmbus_header head;
    uint64_t monitor_to_guest_gpa;
    uint64_t monitor_to_host_gpa;
};
ENL_ABI_SIZE(struct enl_vmbus_modify_connection, 24);

/* MODIFY_CONNECTION_RESULT, host to guest, from 6.0; on the wire only the first 9 bytes. */
struct enl_vmbus_modify_connection_result {
    struct enl_vmbus_header head;
    uint8_t connection_state; /* ENL_VMBUS_CONNECTION_STATE_ */
    uint8_t reserved[3];
};
ENL_ABI_SIZE(struct enl_vmbus_modify_connection_result, 12);

#endif
