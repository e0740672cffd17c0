/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp.c - the side of TCP that listens: a handful of connections, memory fixed
 *
 * What comes in order is given to the service at once, and the rest is sent again by its
 * sender; so only what goes out is kept, until it is acknowledged. A segment is looked at
 * in the order of RFC 9293, 3.10.7.4; what could be forged from elsewhere is answered
 * rather than believed (RFC 5961).
 */
#include <string.h>

#include "stack.h"

#define TCP_HEAD     20u
#define PROTOCOL_TCP 6u
#define FIN          1u
#define SYN          2u
#define RST          4u
#define PSH          8u
#define ACK          16u
#define OPTION_END   0u
#define OPTION_NOP   1u
#define OPTION_MSS   2u
#define MSS_LEAST    536u /* what a peer takes that says nothing, and the least here */
#define RESEND_MS    1000u
#define DOUBLED_MAX  3u /* times that the wait for an answer is doubled */
#define IDLE_MS      30000u
#define LINGER_MS    2000u

struct segment {
    uint32_t seq, ack, window, flags, mss, len;
    const uint8_t *data;
};

/* a - b, on the circle of sequence numbers. */
static int32_t
ahead(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static uint32_t
least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- out ---- */

/* len bytes of payload are behind the room for the header. */
static void
segment_send(struct stack *s, uint8_t *frame, const struct peer *to,
             const struct segment *m, uint16_t port)
{
    uint8_t *tcp = frame + FRAME_HEAD;
    uint32_t head_len = TCP_HEAD + (m->flags & SYN ? 4 : 0), len = head_len + m->len;
    struct offload offload = {.tcp_at = s->station->offload_tcp ? FRAME_HEAD : 0};
    uint32_t sum;

    if (m->mss && m->len > m->mss)
        offload.segment_len = (uint16_t)m->mss;
    put16(tcp, port);
    put16(tcp + 2, to->port);
    put32(tcp + 4, m->seq);
    put32(tcp + 8, m->ack);
    put16(tcp + 12, head_len / 4 << 12 | m->flags);
    put16(tcp + 14, m->window);
    put32(tcp + 16, 0);
    if (m->flags & SYN)
        put32(tcp + TCP_HEAD, OPTION_MSS << 24 | 4 << 16 | (s->station->mtu - 40));
    sum = sum_pseudo(s->station->address, to->address, PROTOCOL_TCP,
                     offload.segment_len ? 0 : len);
    put16(tcp + 16,
          offload.tcp_at ? (uint16_t)~sum_end(sum) : sum_end(sum_add(sum, tcp, len)));
    ip_send(s, frame, to, PROTOCOL_TCP, len, &offload);
}

/* The end of the window never moves back; a small one is not worth a segment. */
static uint32_t
window_of(const struct tcp_conn *c)
{
    uint32_t told = c->edge - c->wanted;
    uint32_t room = TCP_BUFFER - (c->service->echoes ? c->out_len : 0);

    return room >= told + MSS_LEAST ? room : told;
}

/* So far that the peer should hear of it without being told anything else. */
static bool
has_opened(const struct tcp_conn *c)
{
    return window_of(c) >= c->edge - c->wanted + TCP_BUFFER / 2;
}

/* Data from next on. False: there is no room for a frame. */
static bool
conn_send(struct stack *s, struct tcp_conn *c, uint32_t flags, uint32_t len)
{
    bool says_something = len || flags & (SYN | FIN);
    struct segment m = {.ack = c->wanted, .flags = flags, .mss = c->mss};
    uint8_t *frame = frame_room(s);

    if (!frame)
        return false;
    m.seq = says_something ? c->next : c->highest;
    if (len)
        memcpy(frame + FRAME_HEAD + TCP_HEAD, c->out + (c->next - c->first_kept), len);
    m.len = len;
    m.window = window_of(c);
    c->edge = c->wanted + m.window;
    c->owes_ack = false;
    c->next += len + (flags & (SYN | FIN) ? 1 : 0);
    if (ahead(c->next, c->highest) > 0)
        c->highest = c->next;
    else if (says_something)
        s->resent++;
    segment_send(s, frame, &c->peer, &m, c->service->port);
    return true;
}

/* Where there is no connection, or none any more. */
static void
reset_send(struct stack *s, const struct peer *to, const struct segment *m, uint16_t port)
{
    struct segment answer = {.flags = RST | ACK,
                             .ack = m->seq + m->len + (m->flags & SYN ? 1 : 0) +
                                    (m->flags & FIN ? 1 : 0)};
    uint8_t *frame = m->flags & RST ? NULL : frame_room(s);

    if (!frame)
        return;
    if (m->flags & ACK)
        answer = (struct segment){.flags = RST, .seq = m->ack};
    segment_send(s, frame, to, &answer, port);
}

/* All that the peer's window and the NIC take, then the FIN, or at least what is owed. */
static void
conn_output(struct stack *s, struct tcp_conn *c)
{
    uint32_t most = s->station->segment_max > c->mss ? s->station->segment_max : c->mss;

    if (c->state == TCP_FREE)
        return;
    while (c->state == TCP_OPEN) {
        uint32_t sent = c->next - c->first_kept;
        uint32_t left = c->out_len - least(sent, c->out_len);
        uint32_t room = c->window - least(sent, c->window);
        uint32_t len = least(least(left, room), most);
        bool ends = c->done && len == left && sent <= c->out_len && !c->is_acked;
        uint32_t flags = ACK | (len ? PSH : 0) | (ends ? FIN : 0);

        if ((!len && !ends) || !conn_send(s, c, flags, len))
            break;
    }
    if (c->owes_ack || (c->state == TCP_OPEN && has_opened(c)))
        (void)conn_send(s, c, ACK, 0);
}

/* ---- the service's ---- */

uint32_t
tcp_write(struct tcp_conn *c, const void *data, uint32_t len)
{
    len = c->done ? 0 : least(len, TCP_BUFFER - c->out_len);
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
    return len;
}

/* ---- in ---- */

static uint32_t
mss_find(const uint8_t *at, uint32_t len)
{
    while (len && *at != OPTION_END) {
        uint32_t size = *at == OPTION_NOP ? 1 : len < 2 ? 0 : at[1];

        if (size == 0 || size > len || (size == 1 && *at != OPTION_NOP))
            break;
        if (*at == OPTION_MSS && size == 4)
            return get16(at + 2);
        at += size;
        len -= size;
    }
    return MSS_LEAST;
}

static bool
segment_parse(struct segment *m, const uint8_t *tcp, uint32_t len)
{
    uint32_t head_len = len < TCP_HEAD ? 0 : (tcp[12] >> 4) * 4u;

    if (head_len < TCP_HEAD || head_len > len)
        return false;
    *m = (struct segment){
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .flags = tcp[13],
        .window = get16(tcp + 14),
        .mss = mss_find(tcp + TCP_HEAD, head_len - TCP_HEAD),
        .data = tcp + head_len,
        .len = len - head_len,
    };
    return true;
}

/* A free one; else one that only lingers, or that has never been more than a SYN. */
static struct tcp_conn *
conn_room(struct stack *s)
{
    struct tcp_conn *best = NULL;

    for (uint32_t i = 0; i < TCP_CONNS; i++) {
        struct tcp_conn *c = &s->conns[i];

        if (c->state == TCP_FREE)
            return c;
        if (c->state != TCP_OPEN && (!best || c->idle_ms < best->idle_ms))
            best = c;
    }
    return best;
}

/* Not to be guessed by who does not see it; a cipher it is not. [RFC 6528] */
static uint32_t
first_number(const struct stack *s, const struct peer *from, uint16_t port)
{
    uint64_t x = s->station->secret ^
                 ((uint64_t)from->address << 32 | (uint32_t)from->port << 16 | port);

    for (int i = 0; i < 3; i++) {
        x = (x ^ x >> 31) * UINT64_C(0x9E3779B97F4A7C15);
        x ^= (uint64_t)s->station->secret << 17;
    }
    return (uint32_t)(x >> 32) + (uint32_t)s->now_ms * 250;
}

static void
conn_accept(struct stack *s, const struct tcp_service *service, const struct peer *from,
            const struct segment *m)
{
    struct tcp_conn *c = conn_room(s);
    uint32_t mss = least(m->mss, s->station->mtu - 40);

    if (!c)
        return; /* it asks again */
    memset(c, 0, sizeof(*c));
    c->state = TCP_SYN_RECEIVED;
    c->peer = *from;
    c->service = service;
    c->mss = mss < MSS_LEAST ? MSS_LEAST : mss;
    c->next = c->highest = c->first_kept = first_number(s, from, service->port);
    c->wanted = c->edge = m->seq + 1;
    c->window = m->window;
    c->window_seq = m->seq;
    c->resend_ms = s->now_ms + RESEND_MS;
    c->idle_ms = s->now_ms + IDLE_MS;
    (void)conn_send(s, c, SYN | ACK, 0);
}

/* Before anything else: is its next byte the one that is wanted? Else it is answered, and
 * dropped: it is early, or has been here before. */
static bool
is_acceptable(struct stack *s, struct tcp_conn *c, const struct segment *m)
{
    uint32_t len = m->len + (m->flags & FIN ? 1 : 0), old = c->wanted - m->seq;

    if (m->flags & RST) {
        if (old == 0)
            c->state = TCP_FREE;
        else
            c->owes_ack = m->seq - c->wanted < c->edge - c->wanted;
        return false;
    }
    if (c->state == TCP_SYN_RECEIVED && m->flags & SYN && old == 1)
        c->resend_ms = s->now_ms; /* the answer was lost */
    else if (m->flags & SYN || (old != 0 && old >= len))
        c->owes_ack = true;
    else
        return (m->flags & ACK) != 0;
    return false;
}

/* False: it acknowledges what was never sent. */
static bool
ack_take(struct stack *s, struct tcp_conn *c, const struct segment *m)
{
    uint32_t acked = m->ack - c->first_kept, bytes;

    if (ahead(m->ack, c->first_kept) < 0)
        return true; /* an old one */
    if (acked > c->highest - c->first_kept) {
        c->owes_ack = true;
        return false;
    }
    if (ahead(m->seq, c->window_seq) >= 0) {
        c->window = m->window;
        c->window_seq = m->seq;
    }
    if (!acked)
        return true;
    bytes = least(acked, c->out_len);
    c->out_len -= bytes;
    memmove(c->out, c->out + bytes, c->out_len);
    c->first_kept = m->ack;
    if (ahead(c->next, m->ack) < 0)
        c->next = m->ack;
    c->is_acked = acked > bytes; /* the one more is the FIN */
    c->tries = 0;
    c->resend_ms = s->now_ms + RESEND_MS;
    return true;
}

/* The SYN is acknowledged, and nothing else yet. */
static bool
open_take(struct stack *s, struct tcp_conn *c, const struct segment *m)
{
    if (m->ack != c->highest) {
        reset_send(s, &c->peer, m, c->service->port);
        return false;
    }
    c->state = TCP_OPEN;
    c->first_kept = c->next = m->ack;
    c->tries = 0;
    s->connections++;
    return true;
}

static void
data_take(struct tcp_conn *c, const struct segment *m)
{
    uint32_t old = c->wanted - m->seq;
    uint32_t len = least(m->len - old, c->edge - c->wanted);
    bool ends = (m->flags & FIN) != 0 && len == m->len - old && !c->peer_done;

    if (m->len - old || m->flags & FIN)
        c->owes_ack = true;
    if (len && !c->peer_done) {
        c->wanted += len;
        c->service->data(c, m->data + old, len);
    }
    if (ends) {
        c->wanted++;
        if (ahead(c->edge, c->wanted) < 0)
            c->edge = c->wanted;
        c->peer_done = true;
        c->lingers = c->is_acked || ahead(c->next, c->first_kept + c->out_len) > 0;
        c->done = true;
    }
}

static void
conn_input(struct stack *s, struct tcp_conn *c, const struct segment *m)
{
    bool is_good = is_acceptable(s, c, m);

    if (is_good && c->state == TCP_SYN_RECEIVED)
        is_good = open_take(s, c, m);
    if (is_good && c->state == TCP_OPEN && ack_take(s, c, m)) {
        c->idle_ms = s->now_ms + IDLE_MS;
        data_take(c, m);
    }
    conn_output(s, c);
    if (c->state == TCP_OPEN && c->is_acked && c->peer_done) {
        c->state = c->lingers ? TCP_TIME_WAIT : TCP_FREE;
        c->idle_ms = s->now_ms + LINGER_MS;
    }
}

static struct tcp_conn *
conn_find(struct stack *s, const struct peer *from, uint16_t port)
{
    for (uint32_t i = 0; i < TCP_CONNS; i++) {
        struct tcp_conn *c = &s->conns[i];

        if (c->state != TCP_FREE && c->peer.address == from->address &&
            c->peer.port == from->port && c->service->port == port)
            return c;
    }
    return NULL;
}

static const struct tcp_service *
service_find(const struct station *station, uint16_t port)
{
    for (uint32_t i = 0; i < station->service_count; i++) {
        if (station->services[i].port == port)
            return &station->services[i];
    }
    return NULL;
}

void
tcp_input(struct stack *s, const struct peer *peer, const uint8_t *tcp, uint32_t len,
          bool is_good)
{
    uint32_t sum = sum_pseudo(peer->address, s->station->address, PROTOCOL_TCP, len);
    struct peer from = *peer;
    const struct tcp_service *service;
    struct tcp_conn *c;
    struct segment m;
    uint16_t port;

    if (!segment_parse(&m, tcp, len) ||
        (!is_good && sum_end(sum_add(sum, tcp, len)) != 0)) {
        s->frames_bad++;
        return;
    }
    from.port = get16(tcp);
    port = get16(tcp + 2);
    c = conn_find(s, &from, port);
    if (c && c->state == TCP_TIME_WAIT && m.flags & SYN && ahead(m.seq, c->wanted) > 0)
        c->state = TCP_FREE; /* the same port again, later */
    service = service_find(s->station, port);
    if (c && c->state != TCP_FREE)
        conn_input(s, c, &m);
    else if (service && (m.flags & (SYN | ACK | RST | FIN)) == SYN)
        conn_accept(s, service, &from, &m);
    else
        reset_send(s, &from, &m, port);
}

/* ---- time ---- */

/* Everything again from the last byte that has arrived; into a closed window one byte. */
static void
conn_resend(struct stack *s, struct tcp_conn *c)
{
    c->tries = least(c->tries + 1, DOUBLED_MAX);
    c->resend_ms = s->now_ms + ((uint64_t)RESEND_MS << c->tries);
    c->next = c->first_kept;
    if (c->state == TCP_SYN_RECEIVED)
        (void)conn_send(s, c, SYN | ACK, 0);
    else if (!c->window && c->out_len)
        (void)conn_send(s, c, ACK, 1);
}

/* Who says nothing for so long makes room for others. */
static void
conn_expire(struct stack *s, struct tcp_conn *c)
{
    const struct segment last = {.flags = ACK, .ack = c->highest};

    if (c->state == TCP_OPEN)
        reset_send(s, &c->peer, &last, c->service->port);
    c->state = TCP_FREE;
}

static void
conn_step(struct stack *s, struct tcp_conn *c)
{
    bool waits = c->state == TCP_SYN_RECEIVED || c->highest != c->first_kept ||
                 c->next != c->first_kept + c->out_len;

    if (s->now_ms >= c->idle_ms) {
        conn_expire(s, c);
        return;
    }
    if (c->state == TCP_TIME_WAIT)
        return;
    if (!waits)
        c->resend_ms = s->now_ms + RESEND_MS;
    else if (s->now_ms >= c->resend_ms)
        conn_resend(s, c);
    conn_output(s, c);
}

void
tcp_step(struct stack *s)
{
    for (uint32_t i = 0; i < TCP_CONNS; i++) {
        if (s->conns[i].state != TCP_FREE)
            conn_step(s, &s->conns[i]);
    }
}
