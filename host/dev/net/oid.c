/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OIDs: what the driver may ask about the NIC, and what it may set.
 *
 * Runs: the guest, on the primary channel's thread. The request is a private copy; its
 * length is checked for each OID, and offsets within it against that length. A set takes
 * effect as a whole or not at all, and reaches the other lanes through enlh_net_set().
 * [NDIS 6: OID_xxx; MS-RNDIS]
 * Tests: test/unit/net_oid.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#include "common/checked.h"
#include "common/utf16.h"

#define VENDOR_ID      0x155Du /* Hyper-V's */
#define DRIVER_VERSION 0x0600u
#define LSO_MAX        (64u << 10)

/* What a query works on. */
struct oid_query {
    struct enlh_net_lane *lane;
    struct enlh_net_value *value;
};

static uint32_t
oid_put(struct oid_query *query, const void *value, uint32_t len)
{
    if (len > query->value->max)
        return ENL_RNDIS_STATUS_BUFFER_TOO_SHORT;
    memcpy(query->value->bytes, value, len);
    query->value->len = len;
    return ENL_RNDIS_STATUS_SUCCESS;
}

static uint32_t
oid_put32(struct oid_query *query, uint32_t value)
{
    return oid_put(query, &value, sizeof(value));
}

/* ---- queries ---- */

static uint32_t
query_mac_permanent(struct oid_query *query)
{
    return oid_put(query, query->lane->nic->config.mac, 6);
}

static uint32_t
query_mac_current(struct oid_query *query)
{
    return oid_put(query, query->lane->settings.mac, 6);
}

static uint32_t
query_multicast(struct oid_query *query)
{
    return oid_put(query, query->lane->settings.multicast,
                   query->lane->settings.multicast_count * 6);
}

static uint32_t
query_frame_size(struct oid_query *query)
{
    return oid_put32(query, query->lane->settings.mtu);
}

static uint32_t
query_total_size(struct oid_query *query)
{
    return oid_put32(query, query->lane->settings.mtu + ENLH_NET_ETHERNET);
}

static uint32_t
query_speed(struct oid_query *query)
{
    struct enlh_net_link link;

    enlh_net_link_now(query->lane->nic, &link);
    link.speed /= 100;
    return oid_put32(query, link.speed > UINT32_MAX ? UINT32_MAX : (uint32_t)link.speed);
}

/* What is told here needs no indication any more. */
static uint32_t
query_connected(struct oid_query *query)
{
    struct enlh_net_link link;

    enlh_net_link_now(query->lane->nic, &link);
    query->lane->told_up = link.up;
    return oid_put32(query,
                     link.up ? ENL_NDIS_MEDIA_CONNECTED : ENL_NDIS_MEDIA_DISCONNECTED);
}

static uint32_t
query_link_state(struct oid_query *query)
{
    struct enlh_net_link link;
    struct enl_ndis_link_state state = {
        .head = {.type = ENL_NDIS_OBJECT_DEFAULT, .revision = 1, .size = sizeof(state)},
        .duplex = 2,
    };

    enlh_net_link_now(query->lane->nic, &link);
    state.connected = link.up ? 1 : 2;
    state.tx_speed = state.rx_speed = link.speed;
    return oid_put(query, &state, sizeof(state));
}

static uint32_t
query_friendly_name(struct oid_query *query)
{
    const struct enlh_nic *nic = query->lane->nic;

    return oid_put(query, nic->friendly, nic->friendly_len);
}

static uint32_t
query_filter(struct oid_query *query)
{
    return oid_put32(query, query->lane->settings.filter);
}

static uint32_t
query_zero(struct oid_query *query)
{
    return oid_put32(query, 0);
}

static uint32_t
query_vendor_description(struct oid_query *query)
{
    static const char text[] = "Enlight network adapter";

    return oid_put(query, text, sizeof(text));
}

static uint32_t
query_vendor_id(struct oid_query *query)
{
    return oid_put32(query, VENDOR_ID);
}

static uint32_t
query_driver_version(struct oid_query *query)
{
    uint16_t version = DRIVER_VERSION;

    return oid_put(query, &version, sizeof(version));
}

static uint32_t
query_mac_options(struct oid_query *query)
{
    return oid_put32(query, ENL_NDIS_MAC_OPTION_NO_LOOPBACK |
                                ENL_NDIS_MAC_OPTION_FULL_DUPLEX |
                                ENL_NDIS_MAC_OPTION_8021P | ENL_NDIS_MAC_OPTION_8021Q);
}

static uint32_t
query_list_size(struct oid_query *query)
{
    return oid_put32(query, ENLH_NET_MULTICAST);
}

static uint32_t
query_send_packets(struct oid_query *query)
{
    return oid_put32(query, ENLH_NET_PACKETS);
}

static uint32_t
query_buffer_space(struct oid_query *query)
{
    const struct enlh_net_settings *settings = &query->lane->settings;

    return oid_put32(query, settings->piece_len * settings->piece_count);
}

static uint64_t
query_sum(const struct oid_query *query, bool sent)
{
    struct enlh_nic_counters counters;

    enlh_nic_counters(query->lane->nic, UINT32_MAX, &counters);
    return sent ? counters.tx_frames : counters.rx_frames;
}

static uint32_t
query_sent(struct oid_query *query)
{
    return oid_put32(query, (uint32_t)query_sum(query, true));
}

static uint32_t
query_received(struct oid_query *query)
{
    return oid_put32(query, (uint32_t)query_sum(query, false));
}

/* ---- offloads ---- */

/* Frames in several pieces need the version, the guest's word, and a backend with them. */
static bool
offload_rsc(const struct enlh_net_lane *lane, uint32_t can)
{
    return lane->settings.version >= ENL_NVSP_VERSION_6_1 &&
           (lane->settings.capabilities & ENL_NVSP_CAPABILITY_RSC) &&
           lane->settings.share >= ENLH_NET_LENT &&
           (lane->nic->info.offloads & can) == can;
}

static void
offload_fill(const struct enlh_net_lane *lane, struct enl_ndis_offload *offload)
{
    uint32_t can = lane->nic->info.offloads;
    struct enl_ndis_checksum_offload *checksum = &offload->checksum;

    checksum->ipv4_rx_encapsulation = ENL_NDIS_ENCAPSULATION_8023;
    checksum->ipv4_rx = ENL_NDIS_CHECKSUM_TCP_OPTIONS | ENL_NDIS_CHECKSUM_TCP |
                        ENL_NDIS_CHECKSUM_UDP | ENL_NDIS_CHECKSUM_IP_OPTIONS |
                        ENL_NDIS_CHECKSUM_IP_HEADER;
    checksum->ipv6_rx_encapsulation = ENL_NDIS_ENCAPSULATION_8023;
    checksum->ipv6_rx = ENL_NDIS_CHECKSUM_TCP_OPTIONS | ENL_NDIS_CHECKSUM_TCP |
                        ENL_NDIS_CHECKSUM_UDP | ENL_NDIS_CHECKSUM_IP_OPTIONS;
    if (can & ENLH_NET_CAN_CHECKSUM) {
        checksum->ipv4_tx_encapsulation = ENL_NDIS_ENCAPSULATION_8023;
        checksum->ipv4_tx = checksum->ipv4_rx;
        checksum->ipv6_tx_encapsulation = ENL_NDIS_ENCAPSULATION_8023;
        checksum->ipv6_tx = checksum->ipv6_rx;
    }
    if (can & ENLH_NET_CAN_TSO4) {
        offload->lso.ipv4_encapsulation = ENL_NDIS_ENCAPSULATION_8023;
        offload->lso.ipv4_max_len = LSO_MAX;
        offload->lso.ipv4_min_segments = 2;
    }
    if (can & ENLH_NET_CAN_TSO6) {
        offload->lso.ipv6_encapsulation = ENL_NDIS_ENCAPSULATION_8023;
        offload->lso.ipv6_max_len = LSO_MAX;
        offload->lso.ipv6_min_segments = 2;
        offload->lso.ipv6_flags =
            ENL_NDIS_LSO_IPV6_EXTENSIONS | ENL_NDIS_LSO_IPV6_TCP_OPTIONS;
    }
    offload->rsc_ipv4 = offload_rsc(lane, ENLH_NET_CAN_TSO4);
    offload->rsc_ipv6 = offload_rsc(lane, ENLH_NET_CAN_TSO6);
}

/* As much of the structure as this version's drivers know. */
static uint32_t
query_offload(struct oid_query *query)
{
    uint32_t version = query->lane->settings.version;
    struct enl_ndis_offload offload = {.head = {.type = ENL_NDIS_OBJECT_OFFLOAD,
                                                .revision = 1,
                                                .size = ENL_NDIS_OFFLOAD_LEN_1}};

    if (version >= ENL_NVSP_VERSION_5) {
        offload.head.revision = 3;
        offload.head.size = ENL_NDIS_OFFLOAD_LEN_3;
    } else if (version >= ENL_NVSP_VERSION_4) {
        offload.head.revision = 2;
        offload.head.size = ENL_NDIS_OFFLOAD_LEN_2;
    }
    offload_fill(query->lane, &offload);
    return oid_put(query, &offload, offload.head.size);
}

/* A member that is on, off, or stays as it is. */
static void
offload_switch(bool *state, uint8_t parameter, bool possible)
{
    if (parameter == ENL_NDIS_PARAMETER_ENABLED)
        *state = possible;
    else if (parameter == ENL_NDIS_PARAMETER_DISABLED)
        *state = false;
}

/*
 * What the guest lets the host do to its frames it says with each of them: only what the
 * host brings is to be remembered.
 */
static uint32_t
set_offload(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len)
{
    struct enl_ndis_offload_parameters parameters = {0};
    struct enlh_net_settings *settings = &lane->settings;

    if (in_len < ENL_NDIS_OFFLOAD_PARAMETERS_LEN_1)
        return ENL_RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&parameters, in, in_len < sizeof(parameters) ? in_len : sizeof(parameters));
    if (parameters.tcp4_checksum == ENL_NDIS_PARAMETER_CHECKSUM_TX_RX ||
        parameters.tcp4_checksum == ENL_NDIS_PARAMETER_CHECKSUM_RX)
        settings->rx_checksum = true;
    else if (parameters.tcp4_checksum != ENL_NDIS_PARAMETER_NO_CHANGE)
        settings->rx_checksum = false;
    offload_switch(&settings->rsc4, parameters.rsc_ipv4,
                   offload_rsc(lane, ENLH_NET_CAN_TSO4));
    offload_switch(&settings->rsc6, parameters.rsc_ipv6,
                   offload_rsc(lane, ENLH_NET_CAN_TSO6));
    enlh_net_set(lane);
    return ENL_RNDIS_STATUS_SUCCESS;
}

static uint32_t
set_encapsulation(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len)
{
    (void)lane;
    (void)in;
    return in_len >= sizeof(struct enl_ndis_offload_encapsulation)
               ? ENL_RNDIS_STATUS_SUCCESS
               : ENL_RNDIS_STATUS_INVALID_LENGTH;
}

/* ---- receive-side scaling ---- */

static uint32_t
query_rss(struct oid_query *query)
{
    struct enl_ndis_rss_capabilities capabilities = {
        .head = {.type = ENL_NDIS_OBJECT_RSS_CAPABILITIES,
                 .revision = 2,
                 .size = ENL_NDIS_RSS_CAPABILITIES_LEN_2},
        .flags = ENL_NDIS_RSS_CAN_TOEPLITZ | ENL_NDIS_RSS_CAN_TCP_IPV4 |
                 ENL_NDIS_RSS_CAN_TCP_IPV6 | ENL_NDIS_RSS_CAN_UDP_IPV4 |
                 ENL_NDIS_RSS_CAN_UDP_IPV6 | ENL_NDIS_RSS_CAN_ISR | ENL_NDIS_RSS_CAN_DPC,
        .interrupt_count = query->lane->nic->port_count,
        .queue_count = query->lane->nic->port_count,
        .table_count = ENL_NDIS_RSS_TABLE_MAX,
    };

    if (query->lane->settings.version < ENL_NVSP_VERSION_5)
        return ENL_RNDIS_STATUS_NOT_SUPPORTED;
    return oid_put(query, &capabilities, ENL_NDIS_RSS_CAPABILITIES_LEN_2);
}

/* The guest's table may be shorter than ours, which then has it several times. */
static uint32_t
rss_table(struct enlh_net_lane *lane, const uint8_t *table, uint32_t count,
          struct enlh_net_steering *steering)
{
    if (!count || count > ENL_NDIS_RSS_TABLE_MAX || (count & (count - 1)))
        return ENL_RNDIS_STATUS_INVALID_DATA;
    for (uint32_t i = 0; i < ENL_NDIS_RSS_TABLE_MAX; i++) {
        uint32_t queue;

        memcpy(&queue, table + i % count * sizeof(queue), sizeof(queue));
        if (queue > lane->granted)
            return ENL_RNDIS_STATUS_INVALID_DATA;
        steering->table[i] = (uint8_t)queue;
    }
    return ENL_RNDIS_STATUS_SUCCESS;
}

static uint32_t
rss_parse(struct enlh_net_lane *lane, const struct enl_ndis_rss_parameters *parameters,
          const uint8_t *in, uint32_t in_len, struct enlh_net_steering *steering)
{
    if (!(parameters->flags & ENL_NDIS_RSS_HASH_SAME)) {
        if ((parameters->hash & ENL_NDIS_HASH_FUNCTION_MASK) != ENL_NDIS_HASH_TOEPLITZ)
            return ENL_RNDIS_STATUS_NOT_SUPPORTED;
        steering->hash = parameters->hash & ~ENL_NDIS_HASH_FUNCTION_MASK;
    }
    if (!(parameters->flags & ENL_NDIS_RSS_KEY_SAME)) {
        if (parameters->key_len != sizeof(steering->key) ||
            !enl_within(parameters->key_offset, sizeof(steering->key), in_len))
            return ENL_RNDIS_STATUS_INVALID_DATA;
        memcpy(steering->key, in + parameters->key_offset, sizeof(steering->key));
    }
    if (parameters->flags & ENL_NDIS_RSS_TABLE_SAME)
        return ENL_RNDIS_STATUS_SUCCESS;
    if (parameters->table_len % 4 ||
        !enl_within(parameters->table_offset, parameters->table_len, in_len))
        return ENL_RNDIS_STATUS_INVALID_DATA;
    return rss_table(lane, in + parameters->table_offset, parameters->table_len / 4,
                     steering);
}

static uint32_t
set_rss(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len)
{
    struct enlh_net_steering steering = lane->settings.steering;
    struct enl_ndis_rss_parameters parameters;
    uint32_t status;

    if (in_len < sizeof(parameters))
        return ENL_RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&parameters, in, sizeof(parameters));
    if (parameters.flags & ENL_NDIS_RSS_DISABLE) {
        steering.hash = 0;
    } else {
        status = rss_parse(lane, &parameters, in, in_len, &steering);
        if (status != ENL_RNDIS_STATUS_SUCCESS)
            return status;
    }
    lane->settings.steering = steering;
    enlh_net_set(lane);
    return ENL_RNDIS_STATUS_SUCCESS;
}

/* ---- addresses and filters ---- */

static uint32_t
set_filter(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len)
{
    if (in_len < sizeof(lane->settings.filter))
        return ENL_RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&lane->settings.filter, in, sizeof(lane->settings.filter));
    enlh_net_set(lane);
    return ENL_RNDIS_STATUS_SUCCESS;
}

static uint32_t
set_multicast(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len)
{
    if (in_len % 6)
        return ENL_RNDIS_STATUS_INVALID_LENGTH;
    if (in_len / 6 > ENLH_NET_MULTICAST)
        return ENL_RNDIS_STATUS_MULTICAST_FULL;
    memcpy(lane->settings.multicast, in, in_len);
    lane->settings.multicast_count = in_len / 6;
    enlh_net_set(lane);
    return ENL_RNDIS_STATUS_SUCCESS;
}

static uint32_t
set_nothing(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len)
{
    (void)lane;
    (void)in;
    return in_len >= 4 ? ENL_RNDIS_STATUS_SUCCESS : ENL_RNDIS_STATUS_INVALID_LENGTH;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 12 hexadecimal digits that name one station. */
static bool
parse_mac(const char text[12], uint8_t mac[6])
{
    uint8_t any = 0;

    for (int i = 0; i < 6; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
        any |= mac[i];
    }
    return any && !(mac[0] & 1);
}

static uint32_t
set_config(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len)
{
    static const char name[] = ENL_NDIS_ADDRESS_PARAMETER;
    struct enl_ndis_config_parameter parameter;
    char text[32];
    uint8_t mac[6];
    int len;

    if (in_len < sizeof(parameter))
        return ENL_RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&parameter, in, sizeof(parameter));
    if (!enl_within(parameter.name_offset, parameter.name_len, in_len) ||
        !enl_within(parameter.value_offset, parameter.value_len, in_len))
        return ENL_RNDIS_STATUS_INVALID_DATA;
    len = enl_utf16_to_utf8(in + parameter.name_offset, parameter.name_len, text,
                            sizeof(text));
    if (len != sizeof(name) - 1 || memcmp(text, name, sizeof(name) - 1))
        return ENL_RNDIS_STATUS_SUCCESS; /* Policy: a setting that is not known is unused */
    len = enl_utf16_to_utf8(in + parameter.value_offset, parameter.value_len, text,
                            sizeof(text));
    if (parameter.type != ENL_NDIS_PARAMETER_STRING || len != 12 || !parse_mac(text, mac))
        return ENL_RNDIS_STATUS_INVALID_DATA;
    memcpy(lane->settings.mac, mac, sizeof(mac));
    enlh_net_set(lane);
    return ENL_RNDIS_STATUS_SUCCESS;
}

/* ---- the table ---- */

static uint32_t query_list(struct oid_query *query);

static const struct {
    uint32_t oid;
    uint32_t (*query)(struct oid_query *query);
    uint32_t (*set)(struct enlh_net_lane *lane, const uint8_t *in, uint32_t in_len);
} oids[] = {
    {ENL_OID_SUPPORTED_LIST, query_list, NULL},
    {ENL_OID_HARDWARE_STATUS, query_zero, NULL},
    {ENL_OID_MEDIA_SUPPORTED, query_zero, NULL},
    {ENL_OID_MEDIA_IN_USE, query_zero, NULL},
    {ENL_OID_MAXIMUM_LOOKAHEAD, query_frame_size, NULL},
    {ENL_OID_MAXIMUM_FRAME_SIZE, query_frame_size, NULL},
    {ENL_OID_LINK_SPEED, query_speed, NULL},
    {ENL_OID_TRANSMIT_BUFFER_SPACE, query_buffer_space, NULL},
    {ENL_OID_RECEIVE_BUFFER_SPACE, query_buffer_space, NULL},
    {ENL_OID_TRANSMIT_BLOCK_SIZE, query_total_size, NULL},
    {ENL_OID_RECEIVE_BLOCK_SIZE, query_total_size, NULL},
    {ENL_OID_VENDOR_ID, query_vendor_id, NULL},
    {ENL_OID_VENDOR_DESCRIPTION, query_vendor_description, NULL},
    {ENL_OID_PACKET_FILTER, query_filter, set_filter},
    {ENL_OID_CURRENT_LOOKAHEAD, query_frame_size, set_nothing},
    {ENL_OID_DRIVER_VERSION, query_driver_version, NULL},
    {ENL_OID_MAXIMUM_TOTAL_SIZE, query_total_size, NULL},
    {ENL_OID_MAC_OPTIONS, query_mac_options, NULL},
    {ENL_OID_MEDIA_CONNECT_STATUS, query_connected, NULL},
    {ENL_OID_MAXIMUM_SEND_PACKETS, query_send_packets, NULL},
    {ENL_OID_VENDOR_DRIVER_VERSION, query_zero, NULL},
    {ENL_OID_RSS_CAPABILITIES, query_rss, NULL},
    {ENL_OID_RSS_PARAMETERS, NULL, set_rss},
    {ENL_OID_LINK_STATE, query_link_state, NULL},
    {ENL_OID_CONFIG_PARAMETER, NULL, set_config},
    {ENL_OID_XMIT_OK, query_sent, NULL},
    {ENL_OID_RCV_OK, query_received, NULL},
    {ENL_OID_XMIT_ERROR, query_zero, NULL},
    {ENL_OID_RCV_ERROR, query_zero, NULL},
    {ENL_OID_RCV_NO_BUFFER, query_zero, NULL},
    {ENL_OID_FRIENDLY_NAME, query_friendly_name, NULL},
    {ENL_OID_PERMANENT_ADDRESS, query_mac_permanent, NULL},
    {ENL_OID_CURRENT_ADDRESS, query_mac_current, NULL},
    {ENL_OID_MULTICAST_LIST, query_multicast, set_multicast},
    {ENL_OID_MAXIMUM_LIST_SIZE, query_list_size, NULL},
    {ENL_OID_OFFLOAD_ENCAPSULATION, NULL, set_encapsulation},
    {ENL_OID_OFFLOAD_CURRENT, query_offload, NULL},
    {ENL_OID_OFFLOAD_PARAMETERS, NULL, set_offload},
    {ENL_OID_OFFLOAD_CAPABILITIES, query_offload, NULL},
};
#define OID_COUNT (sizeof(oids) / sizeof(oids[0]))

static uint32_t
query_list(struct oid_query *query)
{
    uint32_t list[OID_COUNT];

    for (size_t i = 0; i < OID_COUNT; i++)
        list[i] = oids[i].oid;
    return oid_put(query, list, sizeof(list));
}

uint32_t
enlh_net_oid_query(struct enlh_net_lane *lane, uint32_t oid, struct enlh_net_value *value)
{
    struct oid_query query = {.lane = lane, .value = value};

    for (size_t i = 0; i < OID_COUNT; i++) {
        if (oids[i].oid == oid && oids[i].query)
            return oids[i].query(&query);
    }
    return ENL_RNDIS_STATUS_NOT_SUPPORTED;
}

uint32_t
enlh_net_oid_set(struct enlh_net_lane *lane, uint32_t oid, const uint8_t *in,
                 uint32_t in_len)
{
    for (size_t i = 0; i < OID_COUNT; i++) {
        if (oids[i].oid == oid && oids[i].set)
            return oids[i].set(lane, in, in_len);
    }
    return ENL_RNDIS_STATUS_NOT_SUPPORTED;
}
