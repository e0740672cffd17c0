/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/rndis.h - RNDIS messages, and the OIDs that they ask for and set
 *
 * Data only. A message is struct enl_rndis_header and, right behind it, the structure of its
 * type. Every offset in a structure counts from that structure's start, which is 8 bytes
 * behind the header's. Values of OIDs that are structures are in ndis.h.
 *
 * Control: the guest asks, and an answer has the same request_id and type with
 * ENL_RNDIS_COMPLETION set. HALT and INDICATE have no answer. First INITIALIZE, then any
 * QUERY and SET; data flows while the packet filter is not 0.
 */
#ifndef ENLIGHT_ABI_RNDIS_H
#define ENLIGHT_ABI_RNDIS_H

#include "enlight/abi/base.h"

/* Types; without a tag: guest to host. */
#define ENL_RNDIS_PACKET     1u /* both ways */
#define ENL_RNDIS_INITIALIZE 2u
#define ENL_RNDIS_HALT       3u
#define ENL_RNDIS_QUERY      4u
#define ENL_RNDIS_SET        5u
#define ENL_RNDIS_RESET      6u
#define ENL_RNDIS_INDICATE   7u /* host to guest */
#define ENL_RNDIS_KEEPALIVE  8u
#define ENL_RNDIS_COMPLETION 0x80000000u /* in the type of an answer */

struct enl_rndis_header {
    uint32_t type; /* ENL_RNDIS_ */
    uint32_t len;  /* of the message, this header included */
};
ENL_ABI_SIZE(struct enl_rndis_header, 8);

/* Status of an answer, and of an INDICATE. */
#define ENL_RNDIS_STATUS_SUCCESS          0x00000000u
#define ENL_RNDIS_STATUS_MEDIA_CONNECT    0x4001000Bu /* INDICATE */
#define ENL_RNDIS_STATUS_MEDIA_DISCONNECT 0x4001000Cu /* INDICATE */
#define ENL_RNDIS_STATUS_LINK_SPEED       0x40010013u /* INDICATE, with a uint32_t */
#define ENL_RNDIS_STATUS_NETWORK_CHANGE   0x40010018u /* INDICATE */
#define ENL_RNDIS_STATUS_OFFLOAD_CONFIG   0x40020006u /* INDICATE */
#define ENL_RNDIS_STATUS_BUFFER_OVERFLOW  0x80000005u
#define ENL_RNDIS_STATUS_FAILURE          0xC0000001u
#define ENL_RNDIS_STATUS_RESOURCES        0xC000009Au
#define ENL_RNDIS_STATUS_NOT_SUPPORTED    0xC00000BBu
#define ENL_RNDIS_STATUS_MULTICAST_FULL   0xC0010009u
#define ENL_RNDIS_STATUS_INVALID_LENGTH   0xC0010014u
#define ENL_RNDIS_STATUS_INVALID_DATA     0xC0010015u
#define ENL_RNDIS_STATUS_BUFFER_TOO_SHORT 0xC0010016u
#define ENL_RNDIS_STATUS_INVALID_OID      0xC0010017u

#define ENL_RNDIS_VERSION_MAJOR 1u
#define ENL_RNDIS_VERSION_MINOR 0u

/* INITIALIZE, guest to host. */
struct enl_rndis_initialize {
    uint32_t request_id;
    uint32_t major;
    uint32_t minor;
    uint32_t max_transfer; /* bytes that the guest takes in one message */
};
ENL_ABI_SIZE(struct enl_rndis_initialize, 16);

#define ENL_RNDIS_DEVICE_CONNECTIONLESS 1u
#define ENL_RNDIS_MEDIUM_802_3          0u

/* ... its answer, host to guest. */
struct enl_rndis_initialize_complete {
    uint32_t request_id;
    uint32_t status; /* ENL_RNDIS_STATUS_ */
    uint32_t major;
    uint32_t minor;
    uint32_t device_flags; /* ENL_RNDIS_DEVICE_ */
    uint32_t medium;       /* ENL_RNDIS_MEDIUM_ */
    uint32_t max_packets;  /* RNDIS messages that the guest may put into one packet */
    uint32_t max_transfer; /* bytes of them together */
    uint32_t alignment;    /* a message starts on a multiple of 1 << this */
    uint32_t af_list_offset;
    uint32_t af_list_len;
};
ENL_ABI_SIZE(struct enl_rndis_initialize_complete, 44);

/* HALT and KEEPALIVE, guest to host. */
struct enl_rndis_request {
    uint32_t request_id;
};
ENL_ABI_SIZE(struct enl_rndis_request, 4);

/* QUERY and SET, guest to host. */
struct enl_rndis_query {
    uint32_t request_id;
    uint32_t oid; /* ENL_OID_ */
    uint32_t buffer_len;
    uint32_t buffer_offset;
    uint32_t vc_handle; /* 0 */
};
ENL_ABI_SIZE(struct enl_rndis_query, 20);

/* The answer to QUERY, host to guest. */
struct enl_rndis_query_complete {
    uint32_t request_id;
    uint32_t status; /* ENL_RNDIS_STATUS_ */
    uint32_t buffer_len;
    uint32_t buffer_offset;
};
ENL_ABI_SIZE(struct enl_rndis_query_complete, 16);

/* The answer to SET and to KEEPALIVE, host to guest. */
struct enl_rndis_complete {
    uint32_t request_id;
    uint32_t status; /* ENL_RNDIS_STATUS_ */
};
ENL_ABI_SIZE(struct enl_rndis_complete, 8);

/* RESET, guest to host: one reserved word. Its answer, host to guest, has no request id. */
struct enl_rndis_reset_complete {
    uint32_t status; /* ENL_RNDIS_STATUS_ */
    uint32_t addressing_reset;
};
ENL_ABI_SIZE(struct enl_rndis_reset_complete, 8);

/* INDICATE, host to guest. */
struct enl_rndis_indicate {
    uint32_t status; /* ENL_RNDIS_STATUS_ */
    uint32_t buffer_len;
    uint32_t buffer_offset;
};
ENL_ABI_SIZE(struct enl_rndis_indicate, 12);

/* ---- data ---- */

/* PACKET, both ways: one Ethernet frame, without its FCS. */
struct enl_rndis_packet {
    uint32_t data_offset;
    uint32_t data_len;
    uint32_t oob_offset;
    uint32_t oob_len;
    uint32_t oob_count;
    uint32_t info_offset; /* of the records below; 0 for none */
    uint32_t info_len;
    uint32_t vc_handle;
    uint32_t reserved;
};
ENL_ABI_SIZE(struct enl_rndis_packet, 36);
ENL_ABI_AT(struct enl_rndis_packet, info_offset, 20);

/* One record of what is known about a frame ("per-packet information"). */
struct enl_rndis_info {
    uint32_t size;   /* of the record, a multiple of 4 */
    uint32_t type;   /* ENL_RNDIS_INFO_ */
    uint32_t offset; /* of the value, from the record's start */
};
ENL_ABI_SIZE(struct enl_rndis_info, 12);

/* The values are a uint32_t each. */
#define ENL_RNDIS_INFO_CHECKSUM 0u /* ENL_RNDIS_TX_CHECKSUM_, ENL_RNDIS_RX_CHECKSUM_ */
#define ENL_RNDIS_INFO_LSO      2u /* guest to host; ENL_RNDIS_LSO_ */
#define ENL_RNDIS_INFO_VLAN     6u /* ENL_RNDIS_VLAN_ */
#define ENL_RNDIS_INFO_HASH                                                              \
    8u /* guest to host: whatever it likes; else a Toeplitz hash */
#define ENL_RNDIS_INFO_HASH_TYPE 9u          /* host to guest; ENL_NDIS_HASH_ */
#define ENL_RNDIS_INFO_INTERNAL  0x80000000u /* in the type: not NDIS, but this bus */
#define ENL_RNDIS_INFO_FRAGMENT  0x80000001u /* host to guest, with CAPABILITY_RSC */

/* CHECKSUM, guest to host: what the host is to compute. */
#define ENL_RNDIS_TX_CHECKSUM_IPV4      0x01u
#define ENL_RNDIS_TX_CHECKSUM_IPV6      0x02u
#define ENL_RNDIS_TX_CHECKSUM_TCP       0x04u
#define ENL_RNDIS_TX_CHECKSUM_UDP       0x08u
#define ENL_RNDIS_TX_CHECKSUM_IP_HEADER 0x10u
#define ENL_RNDIS_TX_CHECKSUM_OFFSET_SHIFT                                               \
    16u /* of the TCP header, from the frame's start */
#define ENL_RNDIS_TX_CHECKSUM_OFFSET_MASK 0x3FFu

/* CHECKSUM, host to guest: what the host has found. */
#define ENL_RNDIS_RX_CHECKSUM_TCP_FAILED        0x001u
#define ENL_RNDIS_RX_CHECKSUM_UDP_FAILED        0x002u
#define ENL_RNDIS_RX_CHECKSUM_IP_FAILED         0x004u
#define ENL_RNDIS_RX_CHECKSUM_TCP_SUCCEEDED     0x008u
#define ENL_RNDIS_RX_CHECKSUM_UDP_SUCCEEDED     0x010u
#define ENL_RNDIS_RX_CHECKSUM_IP_SUCCEEDED      0x020u
#define ENL_RNDIS_RX_CHECKSUM_LOOPBACK          0x040u
#define ENL_RNDIS_RX_CHECKSUM_TCP_VALUE_INVALID 0x080u /* the field holds no checksum */
#define ENL_RNDIS_RX_CHECKSUM_IP_VALUE_INVALID  0x100u

/* LSO, version 2: cut the TCP payload into segments of that many bytes. */
#define ENL_RNDIS_LSO_MSS_MASK     0xFFFFFu
#define ENL_RNDIS_LSO_OFFSET_SHIFT 20u /* of the TCP header, from the frame's start */
#define ENL_RNDIS_LSO_OFFSET_MASK  0x3FFu
#define ENL_RNDIS_LSO_VERSION_2    0x40000000u
#define ENL_RNDIS_LSO_IPV6         0x80000000u

/* VLAN: an 802.1Q tag that is not in the frame. */
#define ENL_RNDIS_VLAN_PRIORITY_MASK 0x7u
#define ENL_RNDIS_VLAN_DROPPABLE     0x8u
#define ENL_RNDIS_VLAN_ID_SHIFT      4u
#define ENL_RNDIS_VLAN_ID_MASK       0xFFFu

/* FRAGMENT: the frame goes on in the packet's next range. */
#define ENL_RNDIS_FRAGMENT_VERSION 1u
#define ENL_RNDIS_FRAGMENT_ANY     0x1u
#define ENL_RNDIS_FRAGMENT_FIRST   0x2u
#define ENL_RNDIS_FRAGMENT_LAST    0x4u

struct enl_rndis_fragment {
    uint8_t version; /* ENL_RNDIS_FRAGMENT_VERSION */
    uint8_t flags;   /* ENL_RNDIS_FRAGMENT_ */
    uint16_t packet_id;
};
ENL_ABI_SIZE(struct enl_rndis_fragment, 4);

#define ENL_RNDIS_INFO_LEN 16u /* of a record with one of these values */

/* ---- OIDs: what QUERY (q) and SET (s) are about ---- */

#define ENL_OID_SUPPORTED_LIST        0x00010101u /* q: uint32_t[] */
#define ENL_OID_HARDWARE_STATUS       0x00010102u /* q: uint32_t, 0 is ready */
#define ENL_OID_MEDIA_SUPPORTED       0x00010103u /* q: uint32_t[], ENL_RNDIS_MEDIUM_ */
#define ENL_OID_MEDIA_IN_USE          0x00010104u /* q: the same */
#define ENL_OID_MAXIMUM_LOOKAHEAD     0x00010105u /* q: uint32_t */
#define ENL_OID_MAXIMUM_FRAME_SIZE    0x00010106u /* q: uint32_t, without Ethernet header */
#define ENL_OID_LINK_SPEED            0x00010107u /* q: uint32_t, 100 bit/s */
#define ENL_OID_TRANSMIT_BUFFER_SPACE 0x00010108u /* q: uint32_t */
#define ENL_OID_RECEIVE_BUFFER_SPACE  0x00010109u /* q: uint32_t */
#define ENL_OID_TRANSMIT_BLOCK_SIZE   0x0001010Au /* q: uint32_t */
#define ENL_OID_RECEIVE_BLOCK_SIZE    0x0001010Bu /* q: uint32_t */
#define ENL_OID_VENDOR_ID             0x0001010Cu /* q: uint32_t */
#define ENL_OID_VENDOR_DESCRIPTION    0x0001010Du /* q: ASCII with its zero */
#define ENL_OID_PACKET_FILTER         0x0001010Eu /* qs: uint32_t, ENL_NDIS_FILTER_ */
#define ENL_OID_CURRENT_LOOKAHEAD     0x0001010Fu /* qs: uint32_t */
#define ENL_OID_DRIVER_VERSION        0x00010110u /* q: uint16_t */
#define ENL_OID_MAXIMUM_TOTAL_SIZE    0x00010111u /* q: uint32_t, with Ethernet header */
#define ENL_OID_MAC_OPTIONS           0x00010113u /* q: uint32_t */
#define ENL_OID_MEDIA_CONNECT_STATUS  0x00010114u /* q: uint32_t, ENL_NDIS_MEDIA_ */
#define ENL_OID_MAXIMUM_SEND_PACKETS  0x00010115u /* q: uint32_t */
#define ENL_OID_VENDOR_DRIVER_VERSION 0x00010116u /* q: uint32_t */
#define ENL_OID_RSS_CAPABILITIES      0x00010203u /* q: enl_ndis_rss_capabilities */
#define ENL_OID_RSS_PARAMETERS        0x00010204u /* s: enl_ndis_rss_parameters */
#define ENL_OID_LINK_STATE            0x00010207u /* q: enl_ndis_link_state */
#define ENL_OID_CONFIG_PARAMETER      0x0001021Bu /* s: enl_ndis_config_parameter */
#define ENL_OID_XMIT_OK               0x00020101u /* q: uint64_t or uint32_t, as these four */
#define ENL_OID_RCV_OK                0x00020102u
#define ENL_OID_XMIT_ERROR            0x00020103u
#define ENL_OID_RCV_ERROR             0x00020104u
#define ENL_OID_RCV_NO_BUFFER         0x00020105u
#define ENL_OID_FRIENDLY_NAME         0x00020216u /* q: UTF-16 with its zero */
#define ENL_OID_PERMANENT_ADDRESS     0x01010101u /* q: 6 bytes */
#define ENL_OID_CURRENT_ADDRESS       0x01010102u /* q: 6 bytes */
#define ENL_OID_MULTICAST_LIST        0x01010103u /* qs: 6 bytes each */
#define ENL_OID_MAXIMUM_LIST_SIZE     0x01010104u /* q: uint32_t, of the multicast list */
#define ENL_OID_OFFLOAD_ENCAPSULATION 0x0101010Au /* s: enl_ndis_offload_encapsulation */
#define ENL_OID_OFFLOAD_CURRENT       0xFC01020Bu /* q: enl_ndis_offload */
#define ENL_OID_OFFLOAD_PARAMETERS    0xFC01020Cu /* s: enl_ndis_offload_parameters */
#define ENL_OID_OFFLOAD_CAPABILITIES  0xFC01020Du /* q: enl_ndis_offload */

#define ENL_NDIS_MEDIA_CONNECTED    0u
#define ENL_NDIS_MEDIA_DISCONNECTED 1u

#define ENL_NDIS_FILTER_DIRECTED      0x01u
#define ENL_NDIS_FILTER_MULTICAST     0x02u /* what is in the multicast list */
#define ENL_NDIS_FILTER_ALL_MULTICAST 0x04u
#define ENL_NDIS_FILTER_BROADCAST     0x08u
#define ENL_NDIS_FILTER_PROMISCUOUS   0x20u

#define ENL_NDIS_MAC_OPTION_NO_LOOPBACK 0x008u
#define ENL_NDIS_MAC_OPTION_FULL_DUPLEX 0x010u
#define ENL_NDIS_MAC_OPTION_8021P       0x040u
#define ENL_NDIS_MAC_OPTION_8021Q       0x200u

#endif
