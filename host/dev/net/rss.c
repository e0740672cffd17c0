/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receive-side scaling: the Toeplitz hash of a frame, and the queue that it says.
 *
 * Runs on any thread: a backend's that has one stream for all queues, and lanes' for the
 * hash that goes to the guest. Key and table are the guest's: every value of them is valid.
 * A fragment has no ports: it is hashed by its addresses.
 * [Microsoft: RSS hashing types, "Verifying the RSS hash calculation"]
 * Tests: test/unit/net_rss.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#define INPUT_MAX 36u

/* Bit i of the input, from the first on, adds the key's 32 bits from i on. */
static uint32_t
rss_toeplitz(const uint8_t key[ENL_NDIS_RSS_KEY_LEN], const uint8_t *input, uint32_t len)
{
    uint32_t window =
        (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
    uint32_t hash = 0;

    for (uint32_t i = 0; i < len; i++) {
        uint64_t bits = (uint64_t)window << 8 | key[i + 4];

        for (uint32_t bit = 0; bit < 8; bit++) {
            if (input[i] & 0x80u >> bit)
                hash ^= (uint32_t)(bits >> (8 - bit));
        }
        window = (uint32_t)bits;
    }
    return hash;
}

static uint32_t
rss_type(uint32_t wanted, const struct enlh_net_headers *headers)
{
    uint32_t with_ports = 0, without = 0;

    if (headers->ip == 4) {
        without = ENL_NDIS_HASH_IPV4;
        if (headers->protocol == ENLH_NET_TCP)
            with_ports = ENL_NDIS_HASH_TCP_IPV4;
        else if (headers->protocol == ENLH_NET_UDP)
            with_ports = ENL_NDIS_HASH_UDP_IPV4;
    } else if (headers->ip == 6) {
        without = ENL_NDIS_HASH_IPV6;
        if (headers->protocol == ENLH_NET_TCP)
            with_ports = ENL_NDIS_HASH_TCP_IPV6;
        else if (headers->protocol == ENLH_NET_UDP)
            with_ports = ENL_NDIS_HASH_UDP_IPV6;
    }
    if (!headers->fragment && wanted & with_ports)
        return with_ports;
    return wanted & without;
}

uint32_t
enlh_net_hash(const struct enlh_net_steering *steering, const uint8_t *head,
              const struct enlh_net_headers *headers, uint32_t *type)
{
    uint32_t addresses = headers->ip == 4 ? 8 : 32;
    uint32_t at = headers->ip == 4 ? headers->l3 + 12u : headers->l3 + 8u;
    uint8_t input[INPUT_MAX];

    *type = rss_type(steering->hash, headers);
    if (!*type)
        return 0;
    memcpy(input, head + at, addresses);
    if (*type == ENL_NDIS_HASH_IPV4 || *type == ENL_NDIS_HASH_IPV6)
        return rss_toeplitz(steering->key, input, addresses);
    memcpy(input + addresses, head + headers->l4, 4);
    return rss_toeplitz(steering->key, input, addresses + 4);
}

uint32_t
enlh_net_steer(const struct enlh_net_steering *steering, const uint8_t *head,
               uint32_t len)
{
    struct enlh_net_headers headers;
    uint32_t hash, type;

    if (!steering->hash)
        return 0;
    enlh_net_headers_parse(head, len, &headers);
    hash = enlh_net_hash(steering, head, &headers, &type);
    return type ? steering->table[hash % ENL_NDIS_RSS_TABLE_MAX] : 0;
}

uint32_t
enlh_net_frame_max(const struct enlh_net_setup *setup)
{
    if (setup->offloads & (ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6))
        return ENLH_NET_FRAME_MAX;
    return setup->mtu + ENLH_NET_ETHERNET + ENLH_NET_TAG;
}
