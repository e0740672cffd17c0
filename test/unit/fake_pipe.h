/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/fake_pipe.h - a bus of one channel without rings, and a guest that answers
 *
 * Stands in for the bus under an integration service: keeps what the service sends, hands
 * it what a guest would, and writes down what it tells the embedder. Compiled into the
 * test itself, in the place of host/vmbus.
 */
#ifndef TEST_UNIT_FAKE_PIPE_H
#define TEST_UNIT_FAKE_PIPE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdatomic.h>
#include <cmocka.h>

#include "enlight/abi/ic.h"
#include "enlight/abi/ring.h"
#include "enlight/host/ic.h"
#include "fake_partition.h"

enum { PIPE_SENT = 64, PIPE_EVENTS = 64, PIPE_LEN_MAX = 8192 };

struct pipe_event {
    enum enlh_ic_event event;
    uint32_t framework, version, status;
};

/* One message of the service, as the guest reads it. */
struct pipe_message {
    uint64_t transaction_id; /* of the packet */
    uint32_t len;
    union {
        struct enl_ic_message head;
        uint8_t bytes[PIPE_LEN_MAX];
    };
};

struct enlh_vmbus {
    struct fake *fake;
    struct fake_pipe *pipe;
};

struct enlh_channel {
    struct fake_pipe *pipe;
};

struct fake_pipe {
    struct fake *fake;
    struct enlh_vmbus bus;
    struct enlh_channel channel;
    struct enlh_offer offer;
    const struct enlh_channel_ops *ops; /* NULL: nothing is offered */
    void *dev;
    int offer_result; /* what the next offer gets */
    int send_result;  /* what sending gets, while not 0 */
    atomic_uint wakes;
    bool open;
    struct pipe_message sent[PIPE_SENT];
    uint32_t sent_first, sent_count;
    struct pipe_event events[PIPE_EVENTS];
    uint32_t event_count;
    struct enlh_ic_config config; /* events come here */
};

/* A partition, a bus and a config. */
void pipe_start(struct fake_pipe *pipe);
/* Fails the test when something leaked. */
void pipe_stop(struct fake_pipe *pipe);

/* The guest opens (and the worker runs once), the guest closes, it lets go of a rescind. */
void pipe_open(struct fake_pipe *pipe);
void pipe_close(struct fake_pipe *pipe);
/* The worker's turn. */
void pipe_run(struct fake_pipe *pipe);

/* Take the oldest message that the service sent; fails the test when there is none. */
void pipe_take(struct fake_pipe *pipe, struct pipe_message *message);
/* The service has sent nothing more. */
void pipe_assert_silent(const struct fake_pipe *pipe);
/* The guest sends these bytes. Returns what packet() returns. */
int pipe_packet(struct fake_pipe *pipe, const void *payload, uint32_t len);
/* Turn a message round as a guest does: the flags of an answer. Returns as above. */
int pipe_answer(struct fake_pipe *pipe, struct pipe_message *message);
/* Take the negotiation and choose. Returns as above. */
int pipe_choose(struct fake_pipe *pipe, uint32_t framework, uint32_t version);
/* The same, with the newest of both that were offered, and it must work. */
void pipe_negotiate(struct fake_pipe *pipe);

/* The last event was this one, and there were so many. */
void pipe_assert_event(const struct fake_pipe *pipe, uint32_t count,
                       enum enlh_ic_event event);

/* Version number i (frameworks first) in a negotiation. */
uint32_t pipe_version(const struct pipe_message *message, uint32_t i);

#endif
