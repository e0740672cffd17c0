/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/stage.c - queues of packets between channels and a network of one thread
 *
 * Run by channels' threads on one side and by the network's thread on the other; one lock,
 * held for the moving of a pointer. A side is woken once for all that the other did in a
 * turn. Frames are copied on the channels' threads, so that the network's thread has no
 * guest memory in its hands. Both directions are bounded: a guest that sends more than the
 * network takes waits, and what comes for a guest that does not take it is lost, as on any
 * wire.
 * Tests: test/unit/net_stage.c.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/net/net.h"

#define GOING_MAX  512u
#define GOING_LEN  (4u << 20)
#define COMING_MAX 2048u
#define COMING_LEN (8u << 20)
#define EAGER_LEN  (128u << 10) /* the other side begins while there is more */

static struct enlb_stage_queue *
of(struct enlh_net_queue *queue)
{
    return (struct enlb_stage_queue *)(void *)queue;
}

int
enlb_stage_init(struct enlb_stage *stage, const struct enlh_net_info *info,
                void (*notify)(void *ctx), void *ctx)
{
    if (pthread_mutex_init(&stage->lock, NULL))
        return -ENL_E_NOMEM;
    stage->info = *info;
    stage->setup.mtu = ENLB_NET_MTU;
    stage->notify = notify;
    stage->ctx = ctx;
    enlb_packet_list_init(&stage->going);
    for (uint32_t i = 0; i < ENLB_NET_QUEUES_MAX; i++) {
        stage->queues[i].stage = stage;
        stage->queues[i].index = i;
        enlb_packet_list_init(&stage->queues[i].coming);
        enlb_packet_list_init(&stage->queues[i].pending);
    }
    return 0;
}

void
enlb_stage_fini(struct enlb_stage *stage)
{
    enlb_packet_list_clear(&stage->going);
    for (uint32_t i = 0; i < ENLB_NET_QUEUES_MAX; i++) {
        enlb_packet_list_clear(&stage->queues[i].coming);
        enlb_packet_list_clear(&stage->queues[i].pending);
    }
    pthread_mutex_destroy(&stage->lock);
}

/* ---- the network's side ---- */

static void
wake_all(struct enlb_stage *stage, bool held_only)
{
    for (uint32_t i = 0; i < stage->info.max_queues; i++) {
        struct enlb_stage_queue *queue = &stage->queues[i];
        struct enlh_wake wake;
        bool wanted;

        pthread_mutex_lock(&stage->lock);
        wanted = queue->is_open && (queue->is_held || !held_only);
        queue->is_held = false;
        wake = queue->wake;
        if (wanted)
            enlb_net_wake(&wake);
        pthread_mutex_unlock(&stage->lock);
    }
}

void
enlb_stage_take(struct enlb_stage *stage, struct enlb_packet_list *out)
{
    bool any;

    pthread_mutex_lock(&stage->lock);
    any = stage->going.count != 0;
    *out = stage->going;
    if (!out->first)
        out->last = &out->first;
    enlb_packet_list_init(&stage->going);
    pthread_mutex_unlock(&stage->lock);
    if (any)
        wake_all(stage, true);
}

/* With the lock held. */
static void
tell(struct enlb_stage_queue *queue)
{
    queue->has_news = false;
    enlb_net_wake(&queue->wake);
}

/* A queue that is not open gives what is its to the first one. */
void
enlb_stage_bring(struct enlb_stage *stage, struct enlb_packet *packet)
{
    struct enlb_stage_queue *queue;
    bool fits;

    pthread_mutex_lock(&stage->lock);
    queue =
        &stage
             ->queues[enlh_net_steer(&stage->setup.steering, packet->bytes, packet->len) %
                      stage->info.max_queues];
    if (!queue->is_open)
        queue = &stage->queues[0];
    fits = queue->is_open && queue->coming.count < COMING_MAX &&
           queue->coming.bytes + packet->len < COMING_LEN;
    queue->has_news |= fits && !queue->coming.count;
    if (fits)
        enlb_packet_list_add(&queue->coming, packet);
    if (queue->has_news && queue->coming.bytes >= EAGER_LEN)
        tell(queue);
    pthread_mutex_unlock(&stage->lock);
    if (!fits)
        free(packet);
}

void
enlb_stage_show(struct enlb_stage *stage)
{
    pthread_mutex_lock(&stage->lock);
    for (uint32_t i = 0; i < stage->info.max_queues; i++) {
        if (stage->queues[i].has_news)
            tell(&stage->queues[i]);
    }
    pthread_mutex_unlock(&stage->lock);
}

void
enlb_stage_set_link(struct enlb_stage *stage, bool up)
{
    if (atomic_exchange(&stage->up, up) != up)
        wake_all(stage, false);
}

/* ---- the NIC's side ---- */

void
enlb_stage_setup(struct enlb_stage *stage, const struct enlh_net_setup *setup)
{
    atomic_store(&stage->offloads, setup->offloads);
    pthread_mutex_lock(&stage->lock);
    stage->setup = *setup;
    pthread_mutex_unlock(&stage->lock);
}

int
enlb_stage_open(struct enlb_stage *stage, uint32_t index,
                const struct enlh_partition *partition, const struct enlh_wake *wake,
                struct enlh_net_queue **out)
{
    struct enlb_stage_queue *queue = &stage->queues[index];

    if (index >= stage->info.max_queues || (wake->fd < 0 && !wake->fn))
        return -ENL_E_INVAL;
    pthread_mutex_lock(&stage->lock);
    queue->is_open = true;
    queue->is_held = false;
    queue->wake = *wake;
    queue->partition = partition;
    pthread_mutex_unlock(&stage->lock);
    *out = (struct enlh_net_queue *)(void *)queue;
    return 0;
}

void
enlb_stage_close(struct enlb_stage *stage, struct enlh_net_queue *base)
{
    struct enlb_stage_queue *queue = of(base);

    enlb_stage_kick(base);
    pthread_mutex_lock(&stage->lock);
    queue->is_open = queue->has_news = false;
    enlb_packet_list_clear(&queue->coming);
    pthread_mutex_unlock(&stage->lock);
    enlb_packet_list_clear(&queue->pending);
}

int
enlb_stage_transmit(struct enlh_net_queue *base, struct enlh_net_frame *frame)
{
    struct enlb_stage_queue *queue = of(base);
    struct enlb_stage *stage = queue->stage;
    struct enlb_packet *packet;
    bool full, eager;

    if (!atomic_load(&stage->up))
        return 1;
    packet = enlb_packet_of(frame, queue->partition);
    if (!packet)
        return 1; /* lost, as when a wire has no room */
    enlb_packet_checksum(packet);
    pthread_mutex_lock(&stage->lock);
    full = stage->going.count >= GOING_MAX || stage->going.bytes >= GOING_LEN;
    queue->is_held |= full;
    queue->must_notify |= !full && !stage->going.count;
    if (!full)
        enlb_packet_list_add(&stage->going, packet);
    eager = stage->going.bytes >= EAGER_LEN;
    pthread_mutex_unlock(&stage->lock);
    if (full)
        free(packet);
    if (eager)
        enlb_stage_kick(base);
    return full ? -ENL_E_AGAIN : 1;
}

void
enlb_stage_kick(struct enlh_net_queue *base)
{
    struct enlb_stage_queue *queue = of(base);

    if (queue->must_notify)
        queue->stage->notify(queue->stage->ctx);
    queue->must_notify = false;
}

/* Every frame was done when it was taken. */
uint32_t
enlb_stage_reap(struct enlh_net_queue *base)
{
    (void)base;
    return 0;
}

void
enlb_stage_cancel(struct enlh_net_queue *base)
{
    (void)base;
}

static void
refill(struct enlb_stage_queue *queue)
{
    struct enlb_stage *stage = queue->stage;

    pthread_mutex_lock(&stage->lock);
    queue->pending = queue->coming;
    if (!queue->pending.first)
        queue->pending.last = &queue->pending.first;
    enlb_packet_list_init(&queue->coming);
    queue->has_news = false;
    queue->frame_max = enlh_net_frame_max(&stage->setup);
    pthread_mutex_unlock(&stage->lock);
}

/*
 * While a call has nothing to show, it looks for more: the wake for what has come may be
 * gone, and no other follows.
 */
static struct enlb_packet *
next_packet(struct enlb_stage_queue *queue, bool more)
{
    if (!queue->pending.count && more)
        refill(queue);
    return queue->pending.first;
}

uint32_t
enlb_stage_receive(struct enlh_net_queue *base, const struct enlh_net_piece *pieces,
                   uint32_t piece_count, struct enlh_net_received *frames,
                   uint32_t frame_count)
{
    struct enlb_stage_queue *queue = of(base);
    uint32_t count = 0, used = 0;
    struct enlb_packet *packet;

    while (count < frame_count && (packet = next_packet(queue, count == 0))) {
        uint32_t took = 0;

        if (packet->len <= queue->frame_max) {
            took = enlb_packet_to_pieces(packet, queue->partition, pieces + used,
                                         piece_count - used);
            if (!took)
                break;
            frames[count++] = (struct enlh_net_received){
                .offload = packet->offload, .len = packet->len, .piece_count = took};
        }
        used += took;
        free(enlb_packet_list_take(&queue->pending));
    }
    return count;
}
