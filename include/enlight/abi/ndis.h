/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/ndis.h - the NDIS structures that RNDIS's OIDs (rndis.h) carry
 *
 * Data only. Most begin with a header that names type, revision and size; a later revision
 * is longer. An offset within a structure counts from its start.
 */
#ifndef ENLIGHT_ABI_NDIS_H
#define ENLIGHT_ABI_NDIS_H

#include "enlight/abi/base.h"

/* What most of them start with. */
struct enl_ndis_header {
    uint8_t type; /* ENL_NDIS_OBJECT_ */
    uint8_t revision;
    uint16_t size; /* bytes of this revision */
};
ENL_ABI_SIZE(struct enl_ndis_header, 4);

#define ENL_NDIS_OBJECT_DEFAULT               0x80u
#define ENL_NDIS_OBJECT_RSS_CAPABILITIES      0x88u
#define ENL_NDIS_OBJECT_RSS_PARAMETERS        0x89u
#define ENL_NDIS_OBJECT_OFFLOAD               0xA7u
#define ENL_NDIS_OBJECT_OFFLOAD_ENCAPSULATION 0xA8u

/* Encapsulations. */
#define ENL_NDIS_ENCAPSULATION_8023 0x2u

/* What a checksum offload can do; a field without room for one of them has it not. */
#define ENL_NDIS_CHECKSUM_IP_OPTIONS  0x001u /* IPv6: extension headers */
#define ENL_NDIS_CHECKSUM_TCP_OPTIONS 0x004u
#define ENL_NDIS_CHECKSUM_TCP         0x010u
#define ENL_NDIS_CHECKSUM_UDP         0x040u
#define ENL_NDIS_CHECKSUM_IP_HEADER   0x100u /* IPv4 */

struct enl_ndis_checksum_offload {
    uint32_t ipv4_tx_encapsulation; /* ENL_NDIS_ENCAPSULATION_ */
    uint32_t ipv4_tx;               /* ENL_NDIS_CHECKSUM_ */
    uint32_t ipv4_rx_encapsulation;
    uint32_t ipv4_rx;
    uint32_t ipv6_tx_encapsulation;
    uint32_t ipv6_tx;
    uint32_t ipv6_rx_encapsulation;
    uint32_t ipv6_rx;
};
ENL_ABI_SIZE(struct enl_ndis_checksum_offload, 32);

#define ENL_NDIS_LSO_IPV6_EXTENSIONS  0x1u
#define ENL_NDIS_LSO_IPV6_TCP_OPTIONS 0x4u

struct enl_ndis_lso_offload {
    uint32_t ipv4_encapsulation; /* ENL_NDIS_ENCAPSULATION_ */
    uint32_t ipv4_max_len;       /* bytes of TCP payload in one frame */
    uint32_t ipv4_min_segments;
    uint32_t ipv6_encapsulation;
    uint32_t ipv6_max_len;
    uint32_t ipv6_min_segments;
    uint32_t ipv6_flags; /* ENL_NDIS_LSO_ */
};
ENL_ABI_SIZE(struct enl_ndis_lso_offload, 28);

/* OFFLOAD_CAPABILITIES and OFFLOAD_CURRENT, host to guest. */
struct enl_ndis_offload {
    struct enl_ndis_header head; /* ENL_NDIS_OBJECT_OFFLOAD */
    struct enl_ndis_checksum_offload checksum;
    uint32_t lso_v1[4];
    uint32_t ipsec_v1[7];
    struct enl_ndis_lso_offload lso;
    uint32_t flags;
    uint32_t ipsec_v2[8]; /* from revision 2 */
    uint8_t rsc_ipv4;     /* from revision 3 */
    uint8_t rsc_ipv6;
    uint8_t reserved[2];
    uint32_t encapsulated_gre[2];
};
ENL_ABI_SIZE(struct enl_ndis_offload, 156);
ENL_ABI_AT(struct enl_ndis_offload, lso, 80);
ENL_ABI_AT(struct enl_ndis_offload, rsc_ipv4, 144);
#define ENL_NDIS_OFFLOAD_LEN_1 112u /* revision 1 */
#define ENL_NDIS_OFFLOAD_LEN_2 144u
#define ENL_NDIS_OFFLOAD_LEN_3 156u

/* Members of OFFLOAD_PARAMETERS: a checksum; LSO and RSC. */
#define ENL_NDIS_PARAMETER_NO_CHANGE      0u
#define ENL_NDIS_PARAMETER_CHECKSUM_OFF   1u
#define ENL_NDIS_PARAMETER_CHECKSUM_TX    2u
#define ENL_NDIS_PARAMETER_CHECKSUM_RX    3u
#define ENL_NDIS_PARAMETER_CHECKSUM_TX_RX 4u
#define ENL_NDIS_PARAMETER_DISABLED       1u
#define ENL_NDIS_PARAMETER_ENABLED        2u

/* OFFLOAD_PARAMETERS, guest to host. What is behind flags may be missing. */
struct enl_ndis_offload_parameters {
    struct enl_ndis_header head; /* ENL_NDIS_OBJECT_DEFAULT */
    uint8_t ipv4_checksum;       /* of the header */
    uint8_t tcp4_checksum;
    uint8_t udp4_checksum;
    uint8_t tcp6_checksum;
    uint8_t udp6_checksum;
    uint8_t lso_v1;
    uint8_t ipsec_v1;
    uint8_t lso_ipv4;
    uint8_t lso_ipv6;
    uint8_t tcp_connection_ipv4;
    uint8_t tcp_connection_ipv6;
    uint8_t reserved;
    uint32_t flags;
    uint8_t ipsec_v2;
    uint8_t ipsec_v2_ipv4;
    uint8_t rsc_ipv4;
    uint8_t rsc_ipv6;
    uint8_t encapsulated;
    uint8_t encapsulation_types;
    uint8_t reserved2[2];
};
ENL_ABI_SIZE(struct enl_ndis_offload_parameters, 28);
ENL_ABI_AT(struct enl_ndis_offload_parameters, lso_ipv4, 11);
ENL_ABI_AT(struct enl_ndis_offload_parameters, flags, 16);
ENL_ABI_AT(struct enl_ndis_offload_parameters, rsc_ipv4, 22);
#define ENL_NDIS_OFFLOAD_PARAMETERS_LEN_1 20u

/* OFFLOAD_ENCAPSULATION, guest to host. */
struct enl_ndis_offload_encapsulation {
    struct enl_ndis_header head; /* ENL_NDIS_OBJECT_OFFLOAD_ENCAPSULATION */
    uint32_t ipv4_enabled;       /* 1 on, 2 off */
    uint32_t ipv4_type;          /* ENL_NDIS_ENCAPSULATION_ */
    uint32_t ipv4_header_len;
    uint32_t ipv6_enabled;
    uint32_t ipv6_type;
    uint32_t ipv6_header_len;
};
ENL_ABI_SIZE(struct enl_ndis_offload_encapsulation, 28);

/* What can be hashed, and how; the type of a frame's hash. */
#define ENL_NDIS_HASH_FUNCTION_MASK 0x000000FFu
#define ENL_NDIS_HASH_TOEPLITZ      0x00000001u
#define ENL_NDIS_HASH_IPV4          0x00000100u
#define ENL_NDIS_HASH_TCP_IPV4      0x00000200u
#define ENL_NDIS_HASH_IPV6          0x00000400u
#define ENL_NDIS_HASH_IPV6_EX       0x00000800u
#define ENL_NDIS_HASH_TCP_IPV6      0x00001000u
#define ENL_NDIS_HASH_TCP_IPV6_EX   0x00002000u
#define ENL_NDIS_HASH_UDP_IPV4      0x00004000u
#define ENL_NDIS_HASH_UDP_IPV6      0x00008000u

/* flags of RSS_CAPABILITIES; the low byte names hash functions. */
#define ENL_NDIS_RSS_CAN_TOEPLITZ 0x00000001u
#define ENL_NDIS_RSS_CAN_TCP_IPV4 0x00000100u
#define ENL_NDIS_RSS_CAN_TCP_IPV6 0x00000200u
#define ENL_NDIS_RSS_CAN_UDP_IPV4 0x00000800u
#define ENL_NDIS_RSS_CAN_UDP_IPV6 0x00001000u
#define ENL_NDIS_RSS_CAN_ISR      0x02000000u
#define ENL_NDIS_RSS_CAN_DPC      0x04000000u

/* RSS_CAPABILITIES, host to guest. */
struct enl_ndis_rss_capabilities {
    struct enl_ndis_header head; /* ENL_NDIS_OBJECT_RSS_CAPABILITIES */
    uint32_t flags;              /* ENL_NDIS_RSS_CAN_ */
    uint32_t interrupt_count;
    uint32_t queue_count;
    uint16_t table_count; /* entries; from revision 2 */
    uint16_t reserved;
};
ENL_ABI_SIZE(struct enl_ndis_rss_capabilities, 20);
#define ENL_NDIS_RSS_CAPABILITIES_LEN_1 16u
#define ENL_NDIS_RSS_CAPABILITIES_LEN_2 18u /* with table_count */

/* flags of RSS_PARAMETERS. */
#define ENL_NDIS_RSS_BASE_CPU_SAME 0x01u
#define ENL_NDIS_RSS_HASH_SAME     0x02u
#define ENL_NDIS_RSS_TABLE_SAME    0x04u
#define ENL_NDIS_RSS_KEY_SAME      0x08u
#define ENL_NDIS_RSS_DISABLE       0x10u

#define ENL_NDIS_RSS_TABLE_MAX 128u
#define ENL_NDIS_RSS_KEY_LEN   40u

/* RSS_PARAMETERS, guest to host: the table has a uint32_t, a channel, in each entry. */
struct enl_ndis_rss_parameters {
    struct enl_ndis_header head; /* ENL_NDIS_OBJECT_RSS_PARAMETERS */
    uint16_t flags;              /* ENL_NDIS_RSS_ */
    uint16_t base_cpu;
    uint32_t hash;      /* ENL_NDIS_HASH_ */
    uint16_t table_len; /* bytes */
    uint16_t reserved;
    uint32_t table_offset;
    uint16_t key_len; /* bytes */
    uint16_t reserved2;
    uint32_t key_offset;
    uint32_t masks_offset;
    uint32_t masks_count;
    uint32_t masks_entry_len;
};
ENL_ABI_SIZE(struct enl_ndis_rss_parameters, 40);
ENL_ABI_AT(struct enl_ndis_rss_parameters, table_offset, 16);
ENL_ABI_AT(struct enl_ndis_rss_parameters, key_offset, 24);

/* LINK_STATE, host to guest. */
struct enl_ndis_link_state {
    struct enl_ndis_header head; /* ENL_NDIS_OBJECT_DEFAULT */
    uint32_t connected;          /* 1 yes, 2 no */
    uint32_t duplex;             /* 2 full */
    uint32_t reserved;
    uint64_t tx_speed; /* bit/s */
    uint64_t rx_speed;
    uint32_t pause;
    uint32_t negotiated;
};
ENL_ABI_SIZE(struct enl_ndis_link_state, 40);
ENL_ABI_AT(struct enl_ndis_link_state, tx_speed, 16);

/* CONFIG_PARAMETER, guest to host: UTF-16 without an end. */
#define ENL_NDIS_PARAMETER_INTEGER 0u
#define ENL_NDIS_PARAMETER_STRING  2u
#define ENL_NDIS_ADDRESS_PARAMETER "NetworkAddress" /* its value: 12 hexadecimal digits */

struct enl_ndis_config_parameter {
    uint32_t name_offset;
    uint32_t name_len; /* bytes */
    uint32_t type;     /* ENL_NDIS_PARAMETER_INTEGER or _STRING */
    uint32_t value_offset;
    uint32_t value_len; /* bytes */
};
ENL_ABI_SIZE(struct enl_ndis_config_parameter, 20);

#endif
