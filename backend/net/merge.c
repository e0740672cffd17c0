/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/merge.c - segments of a TCP stream that follow each other become one frame
 *
 * Run by a network's thread, for a guest that takes frames which are still to be cut: one
 * frame of 64 KiB costs both sides a fraction of what its segments would. Segments belong
 * together when their headers differ in nothing but what counts them; whatever says more
 * than "here is the next data" passes alone, and in its order. What comes is this
 * machine's own network's, with whole checksums; lengths are checked all the same.
 * Tests: test/unit/net_merge.c.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/net/net.h"

#define ETHERNET  14u
#define IP4       20u
#define IP6       40u
#define TCP       20u
#define FLAG_PUSH 0x08u
#define FLAG_ACK  0x10u
#define IP_MAX    65535u
#define PROTO_TCP 6u

static uint32_t
get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t
get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

static void
put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* ---- what a frame is ---- */

/* Where TCP begins in a frame that has no more than data for it, or 0. */
static uint32_t
transport(const uint8_t *bytes, uint32_t len)
{
    const uint8_t *ip = bytes + ETHERNET;
    uint32_t at = 0, end = 0;

    if (len < ETHERNET + IP4)
        return 0;
    if (get16(bytes + 12) == 0x0800 && ip[0] == 0x45 && ip[9] == PROTO_TCP &&
        !(get16(ip + 6) & 0x3fff)) {
        at = ETHERNET + IP4;
        end = ETHERNET + get16(ip + 2);
    } else if (get16(bytes + 12) == 0x86dd && ip[0] >> 4 == 6 && ip[6] == PROTO_TCP) {
        at = ETHERNET + IP6;
        end = at + get16(ip + 4);
    }
    if (!at || end != len || len <= at + TCP || bytes[at + 12] >> 4 != TCP / 4 ||
        (bytes[at + 13] & ~FLAG_PUSH) != FLAG_ACK)
        return 0;
    return at;
}

/* The same stream, and nothing new but data: all else in the headers is as it was. */
static bool
same_stream(const uint8_t *one, const uint8_t *other, uint32_t at)
{
    bool ip4 = at == ETHERNET + IP4;
    const uint8_t *ip = one + ETHERNET, *other_ip = other + ETHERNET;

    if (memcmp(one, other, ETHERNET + 2) != 0)
        return false;
    if (ip4 ? memcmp(ip + 6, other_ip + 6, 4) || memcmp(ip + 12, other_ip + 12, 8)
            : memcmp(ip, other_ip, 4) || memcmp(ip + 6, other_ip + 6, IP6 - 6))
        return false;
    return !memcmp(one + at, other + at, 4) && !memcmp(one + at + 8, other + at + 8, 5) &&
           !memcmp(one + at + 14, other + at + 14, 2) &&
           !memcmp(one + at + 18, other + at + 18, 2);
}

/* ---- the frame in the making ---- */

static bool
grow(struct enlb_merge *merge)
{
    struct enlb_packet *packet;

    if (merge->room > merge->packet->len)
        return true;
    packet = realloc(merge->packet, sizeof(*packet) + ETHERNET + IP_MAX);
    if (!packet)
        return false;
    merge->packet = packet;
    merge->room = ETHERNET + IP_MAX;
    return true;
}

static bool
follows(const struct enlb_merge *merge, const uint8_t *bytes, uint32_t len, uint32_t at)
{
    const struct enlb_packet *packet = merge->packet;
    uint32_t data_len = len - at - TCP;

    return packet && !merge->whole && at == merge->at && data_len <= merge->segment_len &&
           packet->len + data_len <= ETHERNET + IP_MAX &&
           get32(bytes + at + 4) == merge->next && same_stream(packet->bytes, bytes, at);
}

static void
append(struct enlb_merge *merge, const uint8_t *bytes, uint32_t len)
{
    struct enlb_packet *packet = merge->packet;
    uint32_t at = merge->at, data_len = len - at - TCP;

    memcpy(packet->bytes + packet->len, bytes + at + TCP, data_len);
    packet->len += data_len;
    packet->bytes[at + 13] |= bytes[at + 13];
    merge->next += data_len;
    merge->whole = (bytes[at + 13] & FLAG_PUSH) || data_len < merge->segment_len;
}

/* The sum that a TCP header begins with which is still to be filled in. */
static uint16_t
pseudo_sum(const uint8_t *addresses, uint32_t addresses_len, uint32_t tcp_len)
{
    const uint8_t rest[4] = {0, PROTO_TCP, (uint8_t)(tcp_len >> 8), (uint8_t)tcp_len};

    return enlb_packet_sum(rest, sizeof(rest),
                           enlb_packet_sum(addresses, addresses_len, 0));
}

/* Lengths and sums as a frame has them that is still to be cut. */
static void
finish(const struct enlb_merge *merge)
{
    struct enlb_packet *packet = merge->packet;
    uint8_t *ip = packet->bytes + ETHERNET, *tcp = packet->bytes + merge->at;
    uint32_t tcp_len = packet->len - merge->at;
    uint16_t sum;

    if (merge->at == ETHERNET + IP4) {
        put16(ip + 2, packet->len - ETHERNET);
        put16(ip + 10, 0);
        sum = (uint16_t)~enlb_packet_sum(ip, IP4, 0);
        memcpy(ip + 10, &sum, sizeof(sum));
        sum = pseudo_sum(ip + 12, 8, tcp_len);
        packet->offload.gso = ENLH_NET_GSO_TCP4;
    } else {
        put16(ip + 4, tcp_len);
        sum = pseudo_sum(ip + 8, 32, tcp_len);
        packet->offload.gso = ENLH_NET_GSO_TCP6;
    }
    memcpy(tcp + 16, &sum, sizeof(sum));
    packet->offload.flags = ENLH_NET_CHECKSUM_PARTIAL;
    packet->offload.checksum_start = (uint16_t)merge->at;
    packet->offload.checksum_offset = 16;
    packet->offload.header_len = (uint16_t)(merge->at + TCP);
    packet->offload.segment_len = (uint16_t)merge->segment_len;
}

/* ---- in and out ---- */

struct enlb_packet *
enlb_merge_take(struct enlb_merge *merge)
{
    struct enlb_packet *packet = merge->packet;

    if (packet && packet->len > merge->at + TCP + merge->segment_len)
        finish(merge);
    merge->packet = NULL;
    return packet;
}

bool
enlb_merge_add(struct enlb_merge *merge, const uint8_t *bytes, uint32_t len)
{
    uint32_t at = transport(bytes, len);

    if (!at || !follows(merge, bytes, len, at) || !grow(merge))
        return false;
    append(merge, bytes, len);
    return true;
}

bool
enlb_merge_begin(struct enlb_merge *merge, struct enlb_packet *packet)
{
    uint32_t at = transport(packet->bytes, packet->len);

    if (!at)
        return false;
    *merge = (struct enlb_merge){
        .packet = packet,
        .at = at,
        .segment_len = packet->len - at - TCP,
        .next = get32(packet->bytes + at + 4) + packet->len - at - TCP,
        .room = packet->len,
        .whole = (packet->bytes[at + 13] & FLAG_PUSH) != 0,
    };
    return true;
}
