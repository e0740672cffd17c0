/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in a frame: Ethernet, one 802.1Q tag, IPv4 or IPv6, TCP or UDP; and Internet sums.
 *
 * Runs on any thread, on private copies of a frame's first bytes. The frame is the guest's
 * or comes from the network: every field may say anything. A header counts only when it is
 * there as a whole; no loop goes beyond the length given.
 * [RFC 791, 8200, 1071; IEEE 802.1Q]
 * Tests: test/unit/net_rss.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86DDu
#define ETHERTYPE_TAG  0x8100u

#define IPV6_EXTENSIONS 6 /* more make a frame that nobody offloads */

static uint32_t
min_transport(uint8_t protocol)
{
    return protocol == ENLH_NET_TCP ? 20 : 8;
}

static void
headers_transport(uint32_t len, uint32_t at, uint8_t protocol,
                  struct enlh_net_headers *out)
{
    out->l4 = (uint16_t)at;
    if ((protocol == ENLH_NET_TCP || protocol == ENLH_NET_UDP) &&
        len - at >= min_transport(protocol))
        out->protocol = protocol;
}

static void
headers_ipv4(const uint8_t *head, uint32_t len, struct enlh_net_headers *out)
{
    const uint8_t *ip = head + out->l3;
    uint32_t ip_len;

    if (len - out->l3 < 20 || ip[0] >> 4 != 4)
        return;
    ip_len = (ip[0] & 0xfu) * 4;
    if (ip_len < 20 || len - out->l3 < ip_len)
        return;
    out->ip = 4;
    out->fragment = (enlh_net_get16(ip + 6) & 0x3fff) != 0;
    if ((enlh_net_get16(ip + 6) & 0x1fff) == 0)
        headers_transport(len, out->l3 + ip_len, ip[9], out);
}

/* Hop-by-hop and destination options, routing; a fragment header ends the walk. */
static void
headers_ipv6(const uint8_t *head, uint32_t len, struct enlh_net_headers *out)
{
    uint32_t at = out->l3 + 40u;
    uint8_t next;

    if (len - out->l3 < 40 || head[out->l3] >> 4 != 6)
        return;
    out->ip = 6;
    next = head[out->l3 + 6];
    for (int i = 0; i < IPV6_EXTENSIONS; i++) {
        if (next == 44) {
            out->fragment = true;
            return;
        }
        if (next != 0 && next != 43 && next != 60) {
            headers_transport(len, at, next, out);
            return;
        }
        if (len - at < 8)
            return;
        next = head[at];
        at += 8u + head[at + 1] * 8u;
        if (at > len)
            return;
    }
}

void
enlh_net_headers_parse(const uint8_t *head, uint32_t len, struct enlh_net_headers *out)
{
    uint32_t type;

    memset(out, 0, sizeof(*out));
    if (len < ENLH_NET_ETHERNET)
        return;
    out->l3 = ENLH_NET_ETHERNET;
    type = enlh_net_get16(head + 12);
    if (type == ETHERTYPE_TAG && len >= ENLH_NET_ETHERNET + ENLH_NET_TAG) {
        out->l3 += ENLH_NET_TAG;
        type = enlh_net_get16(head + 16);
    }
    if (type == ETHERTYPE_IPV4)
        headers_ipv4(head, len, out);
    else if (type == ETHERTYPE_IPV6)
        headers_ipv6(head, len, out);
}

/* ---- sums ---- */

uint64_t
enlh_net_sum(const uint8_t *bytes, uint64_t len, uint64_t seed)
{
    uint64_t sum = 0, tail = 0;
    uint64_t i;

    /* Any order of 16-bit words has the same sum: take four at a time. */
    for (i = 0; i + 8 <= len; i += 8) {
        uint64_t word;

        memcpy(&word, bytes + i, 8);
        sum += (word & 0xffffffffu) + (word >> 32);
    }
    memcpy(&tail, bytes + i, len - i);
    sum += (tail & 0xffffffffu) + (tail >> 32);
    /* Little-endian words: the folded sum has its bytes swapped. */
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    sum = (sum & 0xffffu) + (sum >> 16);
    return seed + ((sum & 0xff) << 8 | sum >> 8);
}

uint16_t
enlh_net_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)sum;
}

uint16_t
enlh_net_pseudo(const uint8_t *head, const struct enlh_net_headers *headers, uint32_t len)
{
    uint64_t sum = (uint64_t)headers->protocol + (len >> 16) + (len & 0xffffu);

    if (headers->ip == 4)
        return enlh_net_fold(enlh_net_sum(head + headers->l3 + 12, 8, sum));
    return enlh_net_fold(enlh_net_sum(head + headers->l3 + 8, 32, sum));
}
