/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip.c - Ethernet, ARP, IPv4 and ICMP: from a frame to what it is for, and back
 *
 * Fragments and options that route are not for a station like this: dropped.
 * [RFC 826, 791, 792]
 */
#include <string.h>

#include "stack.h"

#define ETHERNET_HEAD 14u
#define TYPE_IP       0x0800u
#define TYPE_ARP      0x0806u
#define ARP_LEN       28u
#define ARP_FORM      0x00010800u /* Ethernet, IPv4 */
#define ARP_LENGTHS   0x0604u
#define ARP_REQUEST   1u
#define ARP_REPLY     2u
#define IP_HEAD       20u
#define IP_FRAGMENT   0x3FFFu /* more of them, or an offset */
#define PROTOCOL_ICMP 1u
#define PROTOCOL_TCP  6u
#define PROTOCOL_UDP  17u
#define ECHO_REPLY    0u
#define ECHO_REQUEST  8u
#define ICMP_HEAD     8u
#define UDP_HEAD      8u
#define DHCP_CLIENT   68u
#define PING_ID       0x454Eu

static const uint8_t everyone[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

/* ---- checksums ---- */

uint32_t
sum_add(uint32_t sum, const uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i + 1 < len; i += 2)
        sum += get16(data + i);
    return sum + (len & 1 ? (uint32_t)data[len - 1] << 8 : 0);
}

uint16_t
sum_end(uint32_t sum)
{
    sum = (sum >> 16) + (sum & 0xFFFF);
    return (uint16_t) ~((sum >> 16) + sum);
}

uint32_t
sum_pseudo(uint32_t from, uint32_t to, uint8_t protocol, uint32_t len)
{
    return (from >> 16) + (from & 0xFFFF) + (to >> 16) + (to & 0xFFFF) + protocol + len;
}

/* ---- out ---- */

uint8_t *
frame_room(struct stack *s)
{
    return s->ops->room(s->ctx);
}

static void
frame_send(struct stack *s, uint8_t *frame, const uint8_t to[6], uint32_t type,
           uint32_t len)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, s->station->mac, 6);
    put16(frame + 12, type);
    s->frames_out++;
    s->ops->send(s->ctx, frame, ETHERNET_HEAD + len, &(struct offload){0});
}

/* A frame that will be cut has neither length nor checksum: each part gets its own. */
void
ip_send(struct stack *s, uint8_t *frame, const struct peer *to, uint8_t protocol,
        uint32_t len, const struct offload *offload)
{
    const struct offload none = {0};
    const struct offload *wanted = offload ? offload : &none;
    uint8_t *ip = frame + ETHERNET_HEAD;

    memcpy(frame, to->mac, 6);
    memcpy(frame + 6, s->station->mac, 6);
    put16(frame + 12, TYPE_IP);
    memset(ip, 0, IP_HEAD);
    ip[0] = 0x45;
    ip[6] = 0x40; /* not to be fragmented */
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, s->station->address);
    put32(ip + 16, to->address);
    if (!wanted->segment_len) {
        put16(ip + 2, IP_HEAD + len);
        put16(ip + 10, sum_end(sum_add(0, ip, IP_HEAD)));
    }
    s->frames_out++;
    s->ops->send(s->ctx, frame, FRAME_HEAD + len, wanted);
}

static void
arp_send(struct stack *s, uint16_t operation, const uint8_t mac[6], uint32_t address)
{
    uint8_t *frame = frame_room(s), *arp;

    if (!frame)
        return;
    arp = frame + ETHERNET_HEAD;
    put32(arp, ARP_FORM);
    put16(arp + 4, ARP_LENGTHS);
    put16(arp + 6, operation);
    memcpy(arp + 8, s->station->mac, 6);
    put32(arp + 14, s->station->address);
    memcpy(arp + 18, mac, 6);
    put32(arp + 24, address);
    frame_send(s, frame, mac, TYPE_ARP, ARP_LEN);
}

static void
echo_send(struct stack *s, const struct peer *to, uint8_t type, const uint8_t *m,
          uint32_t len)
{
    uint8_t *frame = frame_room(s), *icmp;

    if (!frame)
        return;
    icmp = frame + FRAME_HEAD;
    memcpy(icmp, m, len);
    icmp[0] = type;
    put16(icmp + 2, 0);
    put16(icmp + 2, sum_end(sum_add(0, icmp, len)));
    ip_send(s, frame, to, PROTOCOL_ICMP, len, NULL);
}

void
stack_ping(struct stack *s)
{
    struct station *station = s->station;
    struct peer gateway = {.address = station->gateway};
    uint8_t request[ICMP_HEAD] = {0};

    if (!station->has_gateway_mac) {
        arp_send(s, ARP_REQUEST, everyone, station->gateway);
        return;
    }
    memcpy(gateway.mac, station->gateway_mac, 6);
    put16(request + 4, PING_ID);
    echo_send(s, &gateway, ECHO_REQUEST, request, sizeof(request));
}

/* ---- in; false: not what it should be ---- */

static bool
arp_input(struct stack *s, const uint8_t *arp, uint32_t len)
{
    struct station *station = s->station;

    if (len < ARP_LEN || get32(arp) != ARP_FORM || get16(arp + 4) != ARP_LENGTHS)
        return false;
    if (!station->address || get32(arp + 24) != station->address)
        return true; /* not for us */
    if (get16(arp + 6) == ARP_REQUEST)
        arp_send(s, ARP_REPLY, arp + 8, get32(arp + 14));
    else if (get32(arp + 14) == station->gateway && !station->has_gateway_mac) {
        memcpy(station->gateway_mac, arp + 8, 6);
        station->has_gateway_mac = true;
    }
    return true;
}

static bool
icmp_input(struct stack *s, const struct peer *from, const uint8_t *m, uint32_t len)
{
    if (len < ICMP_HEAD || sum_end(sum_add(0, m, len)) != 0)
        return false;
    if (m[0] == ECHO_REQUEST && m[1] == 0 && len <= s->station->mtu - IP_HEAD)
        echo_send(s, from, ECHO_REPLY, m, len);
    if (m[0] == ECHO_REPLY && get16(m + 4) == PING_ID &&
        from->address == s->station->gateway)
        s->station->pinged = true;
    return true;
}

/* The sum is optional, and what a lease says has been checked by nobody else. */
static bool
udp_input(struct stack *s, uint32_t from, uint32_t to, const uint8_t *m, uint32_t len)
{
    uint32_t own = len < UDP_HEAD ? 0 : get16(m + 4);

    if (own < UDP_HEAD || own > len)
        return false;
    if (get16(m + 6) &&
        sum_end(sum_add(sum_pseudo(from, to, PROTOCOL_UDP, own), m, own)) != 0)
        return false;
    if (get16(m + 2) == DHCP_CLIENT)
        dhcp_input(s, m + UDP_HEAD, own - UDP_HEAD);
    return true;
}

static bool
is_unicast(uint32_t address)
{
    return address >> 24 != 0 && address >> 24 < 224 && address >> 24 != 127;
}

static bool
ip_input(struct stack *s, const uint8_t *frame, uint32_t len, bool is_good, bool tcp_good)
{
    const uint8_t *ip = frame + ETHERNET_HEAD;
    uint32_t head_len, to;
    struct peer from = {0};

    if (len < IP_HEAD || ip[0] >> 4 != 4)
        return false;
    head_len = (ip[0] & 15u) * 4;
    if (head_len < IP_HEAD || get16(ip + 2) < head_len || get16(ip + 2) > len ||
        (!is_good && sum_end(sum_add(0, ip, head_len)) != 0))
        return false;
    len = get16(ip + 2) - head_len; /* a short frame is padded */
    from.address = get32(ip + 12);
    to = get32(ip + 16);
    memcpy(from.mac, frame + 6, 6);
    if (get16(ip + 6) & IP_FRAGMENT || !is_unicast(from.address) ||
        from.address == s->station->address)
        return false;
    if (ip[9] == PROTOCOL_UDP)
        return udp_input(s, from.address, to, ip + head_len, len);
    if (!s->station->address || to != s->station->address)
        return true;
    if (ip[9] == PROTOCOL_ICMP)
        return icmp_input(s, &from, ip + head_len, len);
    if (ip[9] == PROTOCOL_TCP)
        tcp_input(s, &from, ip + head_len, len, tcp_good);
    return true;
}

void
stack_input(struct stack *s, const uint8_t *frame, uint32_t len, bool ip_is_good,
            bool tcp_is_good)
{
    bool ok = len >= ETHERNET_HEAD && !(frame[6] & 1); /* nobody is sent by a group */

    s->frames_in++;
    if (ok && get16(frame + 12) == TYPE_ARP)
        ok = arp_input(s, frame + ETHERNET_HEAD, len - ETHERNET_HEAD);
    else if (ok && get16(frame + 12) == TYPE_IP)
        ok = ip_input(s, frame, len - ETHERNET_HEAD, ip_is_good, tcp_is_good);
    s->frames_bad += !ok;
}

void
stack_step(struct stack *s, uint64_t now_ms)
{
    s->now_ms = now_ms;
    if (!s->station->address)
        dhcp_step(s);
    tcp_step(s);
}
