/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/wire.c - a network that sends every frame back, as late as the schedule says
 *
 * Called by channel threads with a queue of their own, and by turns. A queue has the
 * frames that it was given, in order, and those that wait to come in; one lock for all.
 */
#include "test/loop/wire.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/host/memory.h"
#include "test/loop/partition.h"

#define TAKEN_MAX 64u
#define MTU       9000u

struct brought {
    struct brought *next;
    uint32_t len;
    uint8_t bytes[];
};

struct wire_queue {
    struct wire *wire;
    const struct enlh_partition *partition;
    struct enlh_wake wake;
    struct enlh_net_frame *taken[TAKEN_MAX]; /* the oldest first */
    uint32_t taken_count;
    uint32_t ready;     /* of these: done with, for the next reap() */
    struct brought *in; /* for the guest, the oldest first */
    struct brought **in_end;
    bool told; /* wake has been called, and receive() not since */
};

static void
wire_info(void *backend, struct enlh_net_info *out)
{
    const struct wire *wire = backend;

    *out = (struct enlh_net_info){
        .offloads = ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6,
        .max_mtu = MTU,
        .max_queues = wire->max_queues,
    };
}

static void
wire_link(void *backend, struct enlh_net_link *out)
{
    (void)backend;
    *out = (struct enlh_net_link){.up = true};
}

static void
wire_setup(void *backend, const struct enlh_net_setup *setup)
{
    struct wire *wire = backend;

    pthread_mutex_lock(&wire->lock);
    wire->setup = *setup;
    pthread_mutex_unlock(&wire->lock);
}

static int
queue_open(void *backend, uint32_t index, const struct enlh_partition *partition,
           const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    struct wire *wire = backend;
    struct wire_queue *q = calloc(1, sizeof(*q));

    loop_check(q && index < wire->max_queues);
    q->wire = wire;
    q->partition = partition;
    q->wake = *wake;
    q->in_end = &q->in;
    pthread_mutex_lock(&wire->lock);
    loop_check(!wire->queue[index]);
    wire->queue[index] = q;
    pthread_mutex_unlock(&wire->lock);
    *out = (struct enlh_net_queue *)q;
    *fd = -1;
    return 0;
}

static void
queue_close(void *backend, struct enlh_net_queue *queue)
{
    struct wire *wire = backend;
    struct wire_queue *q = (struct wire_queue *)queue;

    loop_check(q->taken_count == 0);
    pthread_mutex_lock(&wire->lock);
    for (uint32_t i = 0; i < WIRE_QUEUES; i++) {
        if (wire->queue[i] == q)
            wire->queue[i] = NULL;
    }
    pthread_mutex_unlock(&wire->lock);
    while (q->in) {
        struct brought *frame = q->in;

        q->in = frame->next;
        free(frame);
    }
    free(q);
}

/* ---- from the guest ---- */

static uint8_t *
frame_read(const struct wire_queue *q, const struct enlh_net_frame *frame)
{
    uint8_t *bytes = malloc(frame->len);
    uint32_t at = frame->head_len;

    loop_check(bytes && at <= frame->len);
    memcpy(bytes, frame->head, at);
    for (uint32_t i = 0; i < frame->span_count; i++) {
        const struct enlh_span *span = &frame->spans[i];

        loop_check(span->len <= frame->len - at);
        memcpy(bytes + at, enlh_mem_span_host(q->partition, span), span->len);
        at += (uint32_t)span->len;
    }
    loop_check(at == frame->len);
    return bytes;
}

static struct wire_queue *
queue_of(struct wire *wire, const uint8_t *bytes, uint32_t len)
{
    uint32_t index =
        wire->setup.steering.hash ? enlh_net_steer(&wire->setup.steering, bytes, len) : 0;

    return index < WIRE_QUEUES && wire->queue[index] ? wire->queue[index]
                                                     : wire->queue[0];
}

/* Under the lock. Returns the queue that is to be told. */
static struct wire_queue *
bring(struct wire *wire, const uint8_t *bytes, uint32_t len)
{
    struct wire_queue *q = queue_of(wire, bytes, len);
    struct brought *frame;

    if (!q)
        return NULL;
    frame = malloc(sizeof(*frame) + len);
    loop_check(frame);
    frame->next = NULL;
    frame->len = len;
    memcpy(frame->bytes, bytes + 6, 6);
    memcpy(frame->bytes + 6, bytes, 6);
    memcpy(frame->bytes + 12, bytes + 12, len - 12);
    *q->in_end = frame;
    q->in_end = &frame->next;
    wire->brought++;
    return q;
}

/* What the network does with a frame: it is the guest's again afterwards. */
static void
carry(struct wire_queue *q, const struct enlh_net_frame *frame)
{
    struct wire *wire = q->wire;
    uint8_t *bytes = frame_read(q, frame);
    struct wire_queue *to = NULL;
    bool large = frame->offload.gso != ENLH_NET_GSO_NONE;
    bool partial = (frame->offload.flags & ENLH_NET_CHECKSUM_PARTIAL) != 0;

    loop_check(frame->len >= 14 && (large || frame->len <= MTU + 18));
    loop_check(!large || (partial && frame->offload.segment_len));
    pthread_mutex_lock(&wire->lock);
    wire->taken++;
    wire->large += large;
    wire->summed += partial;
    if (!large)
        to = bring(wire, bytes, frame->len);
    if (to && to->told)
        to = NULL;
    if (to)
        to->told = true;
    if (to)
        to->wake.fn(to->wake.ctx);
    pthread_mutex_unlock(&wire->lock);
    free(bytes);
}

static int
transmit(struct enlh_net_queue *queue, struct enlh_net_frame *frame)
{
    struct wire_queue *q = (struct wire_queue *)queue;

    if (q->wire->threads) {
        carry(q, frame);
        return 1;
    }
    if (q->taken_count == TAKEN_MAX)
        return -ENL_E_AGAIN;
    q->taken[q->taken_count++] = frame;
    return 0;
}

static void
kick(struct enlh_net_queue *queue)
{
    (void)queue;
}

static uint32_t
reap(struct enlh_net_queue *queue)
{
    struct wire_queue *q = (struct wire_queue *)queue;
    uint32_t count = q->ready;

    for (uint32_t i = 0; i < count; i++)
        q->taken[i]->done(q->taken[i]);
    memmove(q->taken, q->taken + count, (q->taken_count - count) * sizeof(q->taken[0]));
    q->taken_count -= count;
    q->ready = 0;
    return count;
}

static void
cancel(struct enlh_net_queue *queue)
{
    struct wire_queue *q = (struct wire_queue *)queue;

    q->ready = q->taken_count;
}

/* ---- to the guest ---- */

static uint32_t
piece_fill(const struct wire_queue *q, const struct enlh_net_piece *piece,
           const uint8_t *bytes, uint32_t len)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < piece->span_count && at < len; i++) {
        const struct enlh_span *span = &piece->spans[i];
        uint32_t part = span->len < len - at ? (uint32_t)span->len : len - at;

        memcpy(enlh_mem_span_host(q->partition, span), bytes + at, part);
        at += part;
    }
    loop_check(at <= piece->len);
    return at;
}

/* Into pieces from the first on. Returns how many that took, 0: there are too few. */
static uint32_t
pieces_fill(const struct wire_queue *q, const struct enlh_net_piece *pieces,
            uint32_t count, const struct brought *frame)
{
    uint32_t at = 0, i;

    for (i = 0; i < count && at < frame->len; i++)
        at += piece_fill(q, &pieces[i], frame->bytes + at, frame->len - at);
    return at == frame->len ? i : 0;
}

static uint32_t
receive(struct enlh_net_queue *queue, const struct enlh_net_piece *pieces,
        uint32_t piece_count, struct enlh_net_received *frames, uint32_t frame_count)
{
    struct wire_queue *q = (struct wire_queue *)queue;
    uint32_t used = 0, count = 0;

    pthread_mutex_lock(&q->wire->lock);
    q->told = false;
    while (q->in && count < frame_count) {
        struct brought *frame = q->in;
        uint32_t took = pieces_fill(q, pieces + used, piece_count - used, frame);

        if (took == 0)
            break;
        frames[count++] = (struct enlh_net_received){
            .offload.flags = ENLH_NET_CHECKSUM_GOOD,
            .len = frame->len,
            .piece_count = took,
        };
        used += took;
        q->in = frame->next;
        if (!q->in)
            q->in_end = &q->in;
        free(frame);
    }
    pthread_mutex_unlock(&q->wire->lock);
    return count;
}

/* ---- turns ---- */

static struct wire_queue *
busy_queue(struct wire *wire, uint32_t first)
{
    for (uint32_t i = 0; i < WIRE_QUEUES; i++) {
        struct wire_queue *q = wire->queue[(first + i) % WIRE_QUEUES];

        if (q && q->ready < q->taken_count)
            return q;
    }
    return NULL;
}

bool
wire_busy(struct wire *wire)
{
    return !wire->threads && busy_queue(wire, 0) != NULL;
}

void
wire_turn(struct wire *wire)
{
    struct wire_queue *q = busy_queue(wire, loop_rand_below(&wire->rand, WIRE_QUEUES));

    carry(q, q->taken[q->ready]);
    q->ready++;
    q->wake.fn(q->wake.ctx);
}

void
wire_init(struct wire *wire, uint64_t seed, bool threads)
{
    memset(wire, 0, sizeof(*wire));
    wire->threads = threads;
    wire->rand.state = seed;
    wire->max_queues = WIRE_QUEUES;
    loop_check(pthread_mutex_init(&wire->lock, NULL) == 0);
}

void
wire_fini(struct wire *wire)
{
    for (uint32_t i = 0; i < WIRE_QUEUES; i++)
        loop_check(!wire->queue[i]);
    pthread_mutex_destroy(&wire->lock);
}

static const struct enlh_net_ops ops = {
    .size = sizeof(ops),
    .info = wire_info,
    .link = wire_link,
    .setup = wire_setup,
    .queue_open = queue_open,
    .queue_close = queue_close,
    .transmit = transmit,
    .kick = kick,
    .reap = reap,
    .cancel = cancel,
    .receive = receive,
};

struct enlh_net
wire_net(struct wire *wire)
{
    return (struct enlh_net){.ops = &ops, .backend = wire};
}
