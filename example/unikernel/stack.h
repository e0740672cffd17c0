/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stack.h - a small IPv4 network: frames in, frames out; it knows neither kernel nor NIC
 *
 * A stack belongs to one queue of the NIC, and so to one processor: nothing in it is
 * locked. What all stacks share is the station, which the first one fills in before the
 * others start. An answer goes to the address that the question came from, so there is no
 * table of neighbours. The network is hostile: every length is checked, memory is fixed.
 */
#ifndef UNIKERNEL_STACK_H
#define UNIKERNEL_STACK_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_CONNS  8u    /* of one stack */
#define TCP_BUFFER 8192u /* bytes of a connection that are on their way out */
#define FRAME_ROOM (TCP_BUFFER + 256u)
#define FRAME_HEAD 34u /* Ethernet, IPv4 without options */

#define BROADCAST 0xFFFFFFFFu

struct stack;
struct tcp_conn;

/* ---- below: the NIC ---- */

/* What is left to be done for a frame. */
struct offload {
    uint16_t tcp_at;      /* not 0: the checksum of the TCP header there, for the rest */
    uint16_t segment_len; /* not 0: cut the payload into segments of so many bytes */
};

struct stack_ops {
    /* FRAME_ROOM bytes for a frame, or NULL: none is free now. send() follows. */
    uint8_t *(*room)(void *ctx);
    void (*send)(void *ctx, uint8_t *frame, uint32_t len, const struct offload *offload);
};

struct station {
    uint8_t mac[6], gateway_mac[6];
    uint32_t address, gateway; /* 0: not known */
    bool has_gateway_mac, pinged;
    uint32_t mtu;
    bool offload_tcp;     /* the NIC computes the checksum of TCP */
    uint32_t segment_max; /* bytes that it cuts up; 0: it does not */
    uint32_t secret;      /* of the numbers that connections begin with */
    const struct tcp_service *services;
    uint32_t service_count;
};

/* ---- a connection ---- */

enum tcp_state { TCP_FREE, TCP_SYN_RECEIVED, TCP_OPEN, TCP_TIME_WAIT };

struct peer {
    uint8_t mac[6];
    uint16_t port;
    uint32_t address;
};

struct tcp_conn {
    enum tcp_state state;
    struct peer peer;
    const struct tcp_service *service;
    bool done;      /* nothing is written any more: a FIN goes behind the last byte */
    bool peer_done; /* its FIN has come */
    bool lingers;   /* ours was out by then */
    bool is_acked;  /* ours has been acknowledged */
    bool owes_ack;
    uint32_t tries;
    uint32_t mss;
    uint32_t first_kept, next, highest; /* sequence numbers: of out[0], to send, sent */
    uint32_t window, window_seq;        /* the peer's, and of the segment that told it */
    uint32_t wanted, edge; /* of what comes: the next, the end of the window */
    uint64_t resend_ms, idle_ms;
    uint32_t out_len;
    uint8_t out[TCP_BUFFER]; /* sent and not acknowledged, then not sent */
    uint8_t memory[32];      /* the service's; zeros at first */
};

struct tcp_service {
    uint16_t port;
    bool echoes; /* what comes goes back: no more may come than can be kept */
    void (*data)(struct tcp_conn *conn, const uint8_t *data, uint32_t len);
};
/* Returns how many bytes there was room for. */
uint32_t tcp_write(struct tcp_conn *conn, const void *data, uint32_t len);
static inline void
tcp_close(struct tcp_conn *conn)
{
    conn->done = true;
}

struct stack {
    const struct stack_ops *ops;
    void *ctx;
    struct station *station;
    uint64_t now_ms;
    uint64_t frames_in, frames_out, frames_bad, connections, resent;
    struct {
        uint32_t id, offered, server;
        uint64_t next_ms;
    } dhcp;
    struct tcp_conn conns[TCP_CONNS];
};

/* ---- ip.c ---- */

/* A frame, and whether somebody vouches for its checksums of IPv4 and TCP. */
void stack_input(struct stack *s, const uint8_t *frame, uint32_t len, bool ip_is_good,
                 bool tcp_is_good);
/* Time goes on, and room may be free again. */
void stack_step(struct stack *s, uint64_t now_ms);
/* Ask the gateway for an answer; station->pinged says that it came. */
void stack_ping(struct stack *s);

/* The payload is at frame + FRAME_HEAD; offload as struct stack_ops, or NULL. */
void ip_send(struct stack *s, uint8_t *frame, const struct peer *to, uint8_t protocol,
             uint32_t len, const struct offload *offload);
uint8_t *frame_room(struct stack *s);
/* The sum of 16-bit words, going on from another; sum_end() makes it a checksum. */
uint32_t sum_add(uint32_t sum, const uint8_t *data, uint32_t len);
uint16_t sum_end(uint32_t sum);
/* Of the pseudo header; len is that of header and payload. */
uint32_t sum_pseudo(uint32_t from, uint32_t to, uint8_t protocol, uint32_t len);

/* ---- dhcp.c, tcp.c ---- */

/* Until the station has an address. */
void dhcp_step(struct stack *s);
void dhcp_input(struct stack *s, const uint8_t *m, uint32_t len);
/* A segment for the station from a unicast address. */
void tcp_input(struct stack *s, const struct peer *from, const uint8_t *m, uint32_t len,
               bool is_good);
void tcp_step(struct stack *s);

/* ---- http.c: what listens here ---- */

extern const struct tcp_service services_of_tcp[2];
/* The status page, at most room bytes. Returns its length. */
uint32_t status_page(char *to, uint32_t room);

/* ---- the network's byte order ---- */

static inline uint16_t
get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void
put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void
put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

#endif
