/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/relay.h - the clients of a socket over one stream
 *
 * A socket's file does not cross into the nested machine, one serial port does. Outside, a
 * relay listens where the socket should be; inside, another one connects to the real one
 * for each client. Between them are frames: who, what, and up to 4096 bytes.
 */
#ifndef ENLIGHT_TOOL_RELAY_H
#define ENLIGHT_TOOL_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENLT_RELAY_CLIENTS 16u
#define ENLT_RELAY_PIECE   4096u

/* Bytes that wait: bytes[first .. first + len). */
struct enlt_relay_buffer {
    char *bytes;
    size_t first, len, room;
};

struct enlt_relay_client {
    int fd;        /* -1: gone, or never there */
    bool in_use;   /* until both sides have said their last word */
    bool said_end; /* we have nothing more to say of it */
    bool got_end;  /* the other side has not */
    struct enlt_relay_buffer out;
};

struct enlt_relay {
    int stream;           /* nonblocking; borrowed */
    int listen_fd;        /* outside; -1 inside; borrowed */
    const char *path;     /* inside: what to connect to */
    bool may_be_detached; /* inside: the stream may have no other side for a while */
    struct enlt_relay_buffer in, out;
    struct enlt_relay_client clients[ENLT_RELAY_CLIENTS];
};

void enlt_relay_init(struct enlt_relay *relay, int stream, int listen_fd,
                     const char *path);
/*
 * Wait up to timeout_ms (-1: as long as it takes) and carry what there is. Returns 1 when
 * something moved, 0 when nothing did, and -1 at the end of the stream.
 */
int enlt_relay_turn(struct enlt_relay *relay, int timeout_ms);
void enlt_relay_fini(struct enlt_relay *relay);

#endif
