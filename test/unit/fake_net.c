/* SPDX-License-Identifier: BSD-2-Clause */
/* A network backend that the test holds in its hands. */
#include "fake_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define must(ok)                                                                         \
    do {                                                                                 \
        if (!(ok)) {                                                                     \
            fprintf(stderr, "fake_net: line %d: %s\n", __LINE__, #ok);                   \
            abort();                                                                     \
        }                                                                                \
    } while (0)

static struct fake_net_queue *
of(struct enlh_net_queue *queue)
{
    return (struct fake_net_queue *)(void *)queue;
}

static void
net_info(void *backend, struct enlh_net_info *out)
{
    *out = ((struct fake_net *)backend)->info;
}

static void
net_link(void *backend, struct enlh_net_link *out)
{
    *out = ((struct fake_net *)backend)->link;
}

static void
net_setup(void *backend, const struct enlh_net_setup *setup)
{
    struct fake_net *net = backend;

    must(!(setup->offloads & ~net->info.offloads));
    must(setup->mtu <= net->info.max_mtu);
    net->setup = *setup;
    net->setups++;
}

static int
net_queue_open(void *backend, uint32_t index, const struct enlh_partition *partition,
               const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    struct fake_net *net = backend;
    struct fake_net_queue *queue = &net->queues[index];

    must(index < net->info.max_queues && !queue->is_open);
    if (net->open_result < 0)
        return net->open_result;
    queue->net = net;
    queue->is_open = true;
    queue->wake = *wake;
    queue->partition = partition;
    *out = (struct enlh_net_queue *)(void *)queue;
    *fd = net->fd;
    return 0;
}

static void
net_queue_close(void *backend, struct enlh_net_queue *base)
{
    must(of(base)->is_open && of(base)->net == backend && !of(base)->held_count);
    of(base)->is_open = false;
}

/* Reads what the frame says, as a backend would. */
static void
write_down(struct fake_net_queue *queue, const struct enlh_net_frame *frame)
{
    struct fake_frame *sent = &queue->sent[queue->sent_count++];
    uint32_t at = frame->head_len;

    must(queue->sent_count <= FAKE_NET_FRAMES && frame->len <= ENLH_NET_FRAME_MAX);
    must(frame->head_len <= frame->len && frame->head_len <= ENLH_NET_HEAD_MAX);
    sent->offload = frame->offload;
    sent->len = frame->len;
    sent->head_len = frame->head_len;
    sent->bytes = malloc(frame->len);
    must(sent->bytes);
    memcpy(sent->bytes, frame->head, frame->head_len);
    for (uint32_t i = 0; i < frame->span_count; i++) {
        must(frame->spans[i].len <= frame->len - at);
        memcpy(sent->bytes + at, enlh_mem_span_host(queue->partition, &frame->spans[i]),
               frame->spans[i].len);
        at += (uint32_t)frame->spans[i].len;
    }
    must(at == frame->len);
}

static int
net_transmit(struct enlh_net_queue *base, struct enlh_net_frame *frame)
{
    struct fake_net_queue *queue = of(base);

    must(queue->is_open && frame->done);
    if (queue->net->full)
        return -ENL_E_AGAIN;
    write_down(queue, frame);
    if (!queue->net->hold)
        return 1;
    must(queue->held_count < FAKE_NET_FRAMES);
    queue->held[queue->held_count++] = frame;
    return 0;
}

static void
net_kick(struct enlh_net_queue *base)
{
    of(base)->kicks++;
}

static uint32_t
net_reap(struct enlh_net_queue *base)
{
    struct fake_net_queue *queue = of(base);
    uint32_t count = queue->held_count;

    if (queue->net->hold)
        return 0;
    queue->held_count = 0;
    for (uint32_t i = 0; i < count; i++)
        queue->held[i]->done(queue->held[i]);
    return count;
}

static void
net_cancel(struct enlh_net_queue *base)
{
    struct fake_net_queue *queue = of(base);
    bool hold = queue->net->hold;

    queue->cancels++;
    queue->net->hold = false;
    net_reap(base);
    queue->net->hold = hold;
}

/* Returns the pieces that it took, or 0: it does not fit. */
static uint32_t
fill(struct fake_net_queue *queue, const struct fake_frame *frame,
     const struct enlh_net_piece *pieces, uint32_t piece_count)
{
    uint32_t at = 0, used = 0;

    for (; used < piece_count && at < frame->len; used++) {
        const struct enlh_net_piece *piece = &pieces[used];

        for (uint32_t i = 0; i < piece->span_count && at < frame->len; i++) {
            uint32_t len = frame->len - at;

            if (len > piece->spans[i].len)
                len = (uint32_t)piece->spans[i].len;
            memcpy(enlh_mem_span_host(queue->partition, &piece->spans[i]),
                   frame->bytes + at, len);
            at += len;
        }
    }
    return at == frame->len ? used : 0;
}

static uint32_t
net_receive(struct enlh_net_queue *base, const struct enlh_net_piece *pieces,
            uint32_t piece_count, struct enlh_net_received *frames, uint32_t frame_count)
{
    struct fake_net_queue *queue = of(base);
    uint32_t count = 0, used = 0;

    queue->receives++;
    while (count < frame_count && queue->waiting_at < queue->waiting_count) {
        struct fake_frame *frame = &queue->waiting[queue->waiting_at];
        uint32_t took = fill(queue, frame, pieces + used, piece_count - used);

        if (!took)
            break;
        frames[count++] = (struct enlh_net_received){
            .offload = frame->offload, .len = frame->len, .piece_count = took};
        used += took;
        free(frame->bytes);
        frame->bytes = NULL;
        queue->waiting_at++;
    }
    return count;
}

static const struct enlh_net_ops net_ops = {
    .size = sizeof(net_ops),
    .info = net_info,
    .link = net_link,
    .setup = net_setup,
    .queue_open = net_queue_open,
    .queue_close = net_queue_close,
    .transmit = net_transmit,
    .kick = net_kick,
    .reap = net_reap,
    .cancel = net_cancel,
    .receive = net_receive,
};

static void
keep(void *backend)
{
    (void)backend;
}

void
fake_net_init(struct fake_net *net)
{
    memset(net, 0, sizeof(*net));
    net->destroy = keep;
    net->net = (struct enlh_net){.ops = &net_ops, .backend = net};
    net->info = (struct enlh_net_info){
        .offloads = ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6,
        .max_mtu = 9000,
        .max_queues = FAKE_NET_QUEUES,
    };
    net->link = (struct enlh_net_link){.up = true};
    net->fd = -1;
}

void
fake_net_fini(struct fake_net *net)
{
    for (uint32_t i = 0; i < FAKE_NET_QUEUES; i++) {
        struct fake_net_queue *queue = &net->queues[i];

        must(!queue->is_open);
        for (uint32_t j = 0; j < queue->sent_count; j++)
            free(queue->sent[j].bytes);
        for (uint32_t j = queue->waiting_at; j < queue->waiting_count; j++)
            free(queue->waiting[j].bytes);
    }
}

void
fake_net_finish(struct fake_net *net, uint32_t queue)
{
    net->hold = false;
    net->queues[queue].wake.fn(net->queues[queue].wake.ctx);
}

void
fake_net_bring(struct fake_net *net, uint32_t index, const void *bytes, uint32_t len,
               const struct enlh_net_offload *offload)
{
    struct fake_net_queue *queue = &net->queues[index];
    struct fake_frame *frame = &queue->waiting[queue->waiting_count++];

    must(queue->waiting_count <= FAKE_NET_FRAMES);
    *frame = (struct fake_frame){.len = len, .bytes = malloc(len)};
    must(frame->bytes);
    memcpy(frame->bytes, bytes, len);
    if (offload)
        frame->offload = *offload;
}
