/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/link.c - a bad line: frames that are lost, late, out of order, or many
 *
 * Run by channels' threads: a frame of the guest waits where it is until it is due, one for
 * the guest waits in a copy. A thread of its own does nothing but wake a channel whose
 * next frame is due. What happens to a frame comes from a seed; each queue and direction
 * has a sequence of its own, so that a test sees the same line again.
 * Tests: test/unit/net_link.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/net/net.h"

#define WAITING_MAX 1024u
#define SECOND      UINT64_C(1000000000)
#define NEVER       UINT64_MAX
#define PULL        64u /* frames of inner in one call */

struct link_net;

struct link_lane {
    uint64_t random;
    uint64_t free_ns; /* when the line has sent what it has */
};

struct link_held {
    struct enlh_net_frame *frame;
    uint64_t due_ns; /* 0: inner has refused it once */
};

struct link_queue {
    struct link_net *link;
    struct enlh_net_queue *inner;
    const struct enlh_partition *partition;
    struct enlh_wake wake; /* link->lock */
    bool is_open;          /* link->lock */
    uint64_t next_ns;      /* link->lock: when to wake; NEVER */
    struct link_lane going, coming;
    struct link_held held[WAITING_MAX]; /* in the order of their times */
    uint32_t held_count;
    struct enlb_packet *waiting[WAITING_MAX]; /* the same */
    uint32_t waiting_count;
};

struct link_net {
    struct enlb_net_base base;
    struct enlh_net inner;
    struct enlb_link_config config;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, has_thread;
    pthread_t thread;
    struct link_queue *queues[ENLB_NET_QUEUES_MAX];
};

static struct link_queue *
of(struct enlh_net_queue *queue)
{
    return (struct link_queue *)(void *)queue;
}

static uint64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- fate ---- */

/* xorshift64*: 0 to 1. */
static double
draw(struct link_lane *lane)
{
    lane->random ^= lane->random >> 12;
    lane->random ^= lane->random << 25;
    lane->random ^= lane->random >> 27;
    return (double)((lane->random * UINT64_C(2685821657736338717)) >> 11) /
           9007199254740992.0;
}

/* When a frame of len bytes is through; NEVER: it is lost. */
static uint64_t
fate(const struct link_net *link, struct link_lane *lane, uint32_t len)
{
    const struct enlb_link_config *config = &link->config;
    uint64_t now = now_ns();

    if (draw(lane) < config->loss)
        return NEVER;
    if (config->rate) {
        if (lane->free_ns < now)
            lane->free_ns = now;
        lane->free_ns += (uint64_t)len * 8 * SECOND / config->rate;
        now = lane->free_ns;
    }
    if (draw(lane) < config->reorder)
        return now;
    return now + config->delay_ms * UINT64_C(1000000);
}

/* ---- the waker ---- */

static void
wake_at(struct link_queue *queue, uint64_t due_ns)
{
    struct link_net *link = queue->link;

    pthread_mutex_lock(&link->lock);
    if (due_ns < queue->next_ns) {
        queue->next_ns = due_ns;
        pthread_cond_signal(&link->changed);
    }
    pthread_mutex_unlock(&link->lock);
}

/* Wake what is due. Returns when the next is. */
static uint64_t
wake_due(struct link_net *link)
{
    uint64_t now = now_ns(), next = NEVER;

    for (uint32_t i = 0; i < ENLB_NET_QUEUES_MAX; i++) {
        struct link_queue *queue = link->queues[i];

        if (!queue || !queue->is_open)
            continue;
        if (queue->next_ns <= now) {
            queue->next_ns = NEVER;
            enlb_net_wake(&queue->wake);
        }
        if (queue->next_ns < next)
            next = queue->next_ns;
    }
    return next;
}

static void *
run(void *ctx)
{
    struct link_net *link = ctx;

    pthread_mutex_lock(&link->lock);
    while (!link->stop) {
        uint64_t next = wake_due(link);
        struct timespec until = {.tv_sec = (time_t)(next / SECOND),
                                 .tv_nsec = (long)(next % SECOND)};

        if (next == NEVER)
            pthread_cond_wait(&link->changed, &link->lock);
        else
            pthread_cond_timedwait(&link->changed, &link->lock, &until);
    }
    pthread_mutex_unlock(&link->lock);
    return NULL;
}

/* ---- from the guest ---- */

static void
hold(struct link_queue *queue, struct enlh_net_frame *frame, uint64_t due_ns)
{
    uint32_t at = queue->held_count++;

    for (; at && queue->held[at - 1].due_ns > due_ns; at--)
        queue->held[at] = queue->held[at - 1];
    queue->held[at] = (struct link_held){.frame = frame, .due_ns = due_ns};
}

static int
link_transmit(struct enlh_net_queue *base, struct enlh_net_frame *frame)
{
    struct link_queue *queue = of(base);
    uint64_t due_ns;

    if (queue->held_count == WAITING_MAX)
        return -ENL_E_AGAIN;
    due_ns = fate(queue->link, &queue->going, frame->len);
    if (due_ns == NEVER)
        return 1;
    hold(queue, frame, due_ns);
    return 0;
}

/* Returns how many of the guest's frames are through. */
static uint32_t
pass_on(struct link_queue *queue)
{
    const struct enlh_net_ops *ops = queue->link->inner.ops;
    uint64_t now = now_ns();
    uint32_t count = 0, done = 0;

    while (count < queue->held_count && queue->held[count].due_ns <= now) {
        struct enlh_net_frame *frame = queue->held[count].frame;
        int result = ops->transmit(queue->inner, frame);

        if (result == -ENL_E_AGAIN)
            break;
        if (result == 1) {
            frame->done(frame);
            done++;
        }
        count++;
    }
    queue->held_count -= count;
    memmove(queue->held, queue->held + count, queue->held_count * sizeof(*queue->held));
    if (queue->held_count && queue->held[0].due_ns > now)
        wake_at(queue, queue->held[0].due_ns);
    return done;
}

static void
link_kick(struct enlh_net_queue *base)
{
    of(base)->link->inner.ops->kick(of(base)->inner);
}

static uint32_t
link_reap(struct enlh_net_queue *base)
{
    struct link_queue *queue = of(base);
    const struct enlh_net_ops *ops = queue->link->inner.ops;
    uint32_t done = pass_on(queue);

    ops->kick(queue->inner);
    return done + ops->reap(queue->inner);
}

static void
link_cancel(struct enlh_net_queue *base)
{
    struct link_queue *queue = of(base);

    for (uint32_t i = 0; i < queue->held_count; i++)
        queue->held[i].frame->done(queue->held[i].frame);
    queue->held_count = 0;
    queue->link->inner.ops->cancel(queue->inner);
}

/* ---- to the guest ---- */

static void
keep(struct link_queue *queue, struct enlb_packet *packet)
{
    uint32_t at = queue->waiting_count;

    if (at == WAITING_MAX) {
        free(packet);
        return;
    }
    queue->waiting_count++;
    for (; at && queue->waiting[at - 1]->due_ns > packet->due_ns; at--)
        queue->waiting[at] = queue->waiting[at - 1];
    queue->waiting[at] = packet;
}

static struct enlb_packet *
copy_out(const struct link_queue *queue, const struct enlh_net_received *frame,
         const struct enlh_net_piece *pieces)
{
    struct enlb_packet *packet = enlb_packet_make(frame->len);
    uint32_t at = 0;

    if (!packet)
        return NULL;
    packet->offload = frame->offload;
    for (uint32_t i = 0; i < frame->piece_count; i++) {
        for (uint32_t j = 0; j < pieces[i].span_count && at < frame->len; j++) {
            const struct enlh_span *span = &pieces[i].spans[j];
            uint32_t len = frame->len - at;

            if (len > span->len)
                len = (uint32_t)span->len;
            memcpy(packet->bytes + at, enlh_mem_span_host(queue->partition, span), len);
            at += len;
        }
    }
    return packet;
}

/* What inner has goes through the guest's pieces into copies of ours. */
static void
pull(struct link_queue *queue, const struct enlh_net_piece *pieces, uint32_t piece_count)
{
    const struct enlh_net_ops *ops = queue->link->inner.ops;
    struct enlh_net_received frames[PULL];
    uint32_t count;

    do {
        uint32_t used = 0;

        count = ops->receive(queue->inner, pieces, piece_count, frames, PULL);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t due_ns = fate(queue->link, &queue->coming, frames[i].len);
            struct enlb_packet *packet =
                due_ns == NEVER ? NULL : copy_out(queue, &frames[i], pieces + used);

            used += frames[i].piece_count;
            if (!packet)
                continue;
            packet->due_ns = due_ns;
            keep(queue, packet);
        }
    } while (count && queue->waiting_count < WAITING_MAX);
}

static uint32_t
link_receive(struct enlh_net_queue *base, const struct enlh_net_piece *pieces,
             uint32_t piece_count, struct enlh_net_received *frames, uint32_t frame_count)
{
    struct link_queue *queue = of(base);
    uint32_t count = 0, used = 0;
    uint64_t now;

    pull(queue, pieces, piece_count);
    now = now_ns();
    while (count < frame_count && count < queue->waiting_count &&
           queue->waiting[count]->due_ns <= now) {
        struct enlb_packet *packet = queue->waiting[count];
        uint32_t took = enlb_packet_to_pieces(packet, queue->partition, pieces + used,
                                              piece_count - used);

        if (!took)
            break;
        frames[count++] = (struct enlh_net_received){
            .offload = packet->offload, .len = packet->len, .piece_count = took};
        used += took;
    }
    for (uint32_t i = 0; i < count; i++)
        free(queue->waiting[i]);
    queue->waiting_count -= count;
    memmove(queue->waiting, queue->waiting + count,
            queue->waiting_count * sizeof(*queue->waiting));
    if (queue->waiting_count && queue->waiting[0]->due_ns > now)
        wake_at(queue, queue->waiting[0]->due_ns);
    return count;
}

/* ---- the rest of the contract ---- */

static void
link_info(void *backend, struct enlh_net_info *out)
{
    const struct enlh_net *inner = &((struct link_net *)backend)->inner;

    inner->ops->info(inner->backend, out);
}

static void
link_link(void *backend, struct enlh_net_link *out)
{
    const struct link_net *link = backend;

    link->inner.ops->link(link->inner.backend, out);
    if (link->config.rate)
        out->speed = link->config.rate;
}

static void
link_setup(void *backend, const struct enlh_net_setup *setup)
{
    const struct enlh_net *inner = &((struct link_net *)backend)->inner;

    inner->ops->setup(inner->backend, setup);
}

static int
link_queue_open(void *backend, uint32_t index, const struct enlh_partition *partition,
                const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    struct link_net *link = backend;
    struct link_queue *queue = calloc(1, sizeof(*queue));
    uint64_t seed = (link->config.seed + index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    int err;

    if (!queue)
        return -ENL_E_NOMEM;
    err = link->inner.ops->queue_open(link->inner.backend, index, partition, wake,
                                      &queue->inner, fd);
    if (err) {
        free(queue);
        return err;
    }
    queue->link = link;
    queue->partition = partition;
    queue->wake = *wake;
    queue->next_ns = NEVER;
    queue->going.random = seed | 1;
    queue->coming.random = ~seed | 1;
    pthread_mutex_lock(&link->lock);
    queue->is_open = true;
    link->queues[index] = queue;
    pthread_mutex_unlock(&link->lock);
    *out = (struct enlh_net_queue *)(void *)queue;
    return 0;
}

static void
link_queue_close(void *backend, struct enlh_net_queue *base)
{
    struct link_net *link = backend;
    struct link_queue *queue = of(base);

    pthread_mutex_lock(&link->lock);
    for (uint32_t i = 0; i < ENLB_NET_QUEUES_MAX; i++) {
        if (link->queues[i] == queue)
            link->queues[i] = NULL;
    }
    pthread_mutex_unlock(&link->lock);
    link->inner.ops->queue_close(link->inner.backend, queue->inner);
    for (uint32_t i = 0; i < queue->waiting_count; i++)
        free(queue->waiting[i]);
    free(queue);
}

static const struct enlh_net_ops link_ops = {
    .size = sizeof(link_ops),
    .info = link_info,
    .link = link_link,
    .setup = link_setup,
    .queue_open = link_queue_open,
    .queue_close = link_queue_close,
    .transmit = link_transmit,
    .kick = link_kick,
    .reap = link_reap,
    .cancel = link_cancel,
    .receive = link_receive,
};

/* ---- life ---- */

static void
link_destroy(void *backend)
{
    struct link_net *link = backend;

    if (link->has_thread) {
        pthread_mutex_lock(&link->lock);
        link->stop = true;
        pthread_cond_signal(&link->changed);
        pthread_mutex_unlock(&link->lock);
        pthread_join(link->thread, NULL);
    }
    enlb_net_destroy(&link->inner);
    pthread_cond_destroy(&link->changed);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

static int
start(struct link_net *link)
{
    pthread_condattr_t attributes;
    sigset_t all, old;
    int err;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&link->lock, NULL);
    pthread_cond_init(&link->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&link->thread, NULL, run, link);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    link->has_thread = !err;
    return err ? -ENL_E_NOMEM : 0;
}

int
enlb_link_create(const struct enlh_net *inner, const struct enlb_link_config *config,
                 struct enlh_net *out)
{
    struct link_net *link;

    if (!(config->loss >= 0 && config->loss <= 1) ||
        !(config->reorder >= 0 && config->reorder <= 1))
        return -ENL_E_INVAL;
    link = calloc(1, sizeof(*link));
    if (!link)
        return -ENL_E_NOMEM;
    link->base.destroy = link_destroy;
    link->config = *config;
    if (start(link)) {
        link_destroy(link);
        return -ENL_E_NOMEM;
    }
    link->inner = *inner; /* taken now */
    *out = (struct enlh_net){.ops = &link_ops, .backend = link};
    return 0;
}
