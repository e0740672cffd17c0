/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dhcp.c - an address for the station: discover, offer, request, acknowledge
 *
 * A lease is not renewed: this kernel does not live that long. [RFC 2131, 2132]
 */
#include <string.h>

#include "stack.h"

#define SERVER_PORT  67u
#define CLIENT_PORT  68u
#define UDP_HEAD     8u
#define PROTOCOL_UDP 17u
#define HEAD_LEN     240u /* with the cookie, up to the options */
#define MESSAGE_LEN  300u /* what the oldest relays want */
#define COOKIE       0x63825363u
#define TRY_MS       1000u

#define OPTION_PAD     0u
#define OPTION_ROUTER  3u
#define OPTION_ADDRESS 50u
#define OPTION_TYPE    53u
#define OPTION_SERVER  54u
#define OPTION_ASK     55u
#define OPTION_END     255u

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };

struct options {
    uint8_t type;
    uint32_t server, router;
};

/* ---- out ---- */

static uint8_t *
option32(uint8_t *at, uint8_t code, uint32_t value)
{
    at[0] = code;
    at[1] = 4;
    put32(at + 2, value);
    return at + 6;
}

static uint32_t
message_fill(const struct stack *s, uint8_t *m, uint8_t type)
{
    uint8_t *at = m + HEAD_LEN;

    memset(m, 0, MESSAGE_LEN);
    m[0] = 1; /* a request, Ethernet, addresses of 6 bytes */
    m[1] = 1;
    m[2] = 6;
    put32(m + 4, s->dhcp.id);
    m[10] = 0x80; /* answer to everyone: this station has no address */
    memcpy(m + 28, s->station->mac, 6);
    put32(m + 236, COOKIE);
    memcpy(at, (const uint8_t[]){OPTION_TYPE, 1, type, OPTION_ASK, 1, OPTION_ROUTER}, 6);
    at += 6;
    if (type == REQUEST) {
        at = option32(at, OPTION_ADDRESS, s->dhcp.offered);
        at = option32(at, OPTION_SERVER, s->dhcp.server);
    }
    *at = OPTION_END;
    return MESSAGE_LEN;
}

static void
message_send(struct stack *s, uint8_t type)
{
    const struct peer everyone = {.mac = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
                                  .address = BROADCAST};
    uint8_t *frame = frame_room(s), *udp;
    uint32_t len;

    if (!frame)
        return;
    udp = frame + FRAME_HEAD;
    len = UDP_HEAD + message_fill(s, udp + UDP_HEAD, type);
    put16(udp, CLIENT_PORT);
    put16(udp + 2, SERVER_PORT);
    put16(udp + 4, len);
    put16(udp + 6, 0);
    put16(udp + 6,
          sum_end(sum_add(sum_pseudo(0, BROADCAST, PROTOCOL_UDP, len), udp, len)));
    ip_send(s, frame, &everyone, PROTOCOL_UDP, len, NULL);
}

void
dhcp_step(struct stack *s)
{
    if (s->now_ms < s->dhcp.next_ms)
        return;
    s->dhcp.next_ms = s->now_ms + TRY_MS;
    s->dhcp.id++;
    s->dhcp.offered = 0;
    message_send(s, DISCOVER);
}

/* ---- in ---- */

static bool
options_take(struct options *o, const uint8_t *at, uint32_t len)
{
    while (len && *at != OPTION_END) {
        uint32_t size = *at == OPTION_PAD ? 1 : len < 2 ? len + 1 : 2u + at[1];

        if (size > len)
            return false;
        if (*at == OPTION_TYPE && size == 3)
            o->type = at[2];
        if (*at == OPTION_SERVER && size == 6)
            o->server = get32(at + 2);
        if (*at == OPTION_ROUTER && size >= 6)
            o->router = get32(at + 2);
        at += size;
        len -= size;
    }
    return o->type != 0;
}

void
dhcp_input(struct stack *s, const uint8_t *m, uint32_t len)
{
    struct options o = {0};
    uint32_t yours;

    if (s->station->address || len < HEAD_LEN || m[0] != 2 ||
        get32(m + 4) != s->dhcp.id || get32(m + 236) != COOKIE ||
        memcmp(m + 28, s->station->mac, 6) != 0 ||
        !options_take(&o, m + HEAD_LEN, len - HEAD_LEN))
        return;
    yours = get32(m + 16);
    if (o.type == OFFER && yours && !s->dhcp.offered) {
        s->dhcp.offered = yours;
        s->dhcp.server = o.server;
        message_send(s, REQUEST);
    } else if (o.type == ACK && yours && yours == s->dhcp.offered) {
        s->station->gateway = o.router;
        s->station->address = yours;
    } else if (o.type == NAK) {
        s->dhcp.offered = 0; /* from the start, at the next try */
    }
}
