/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/pcap.c - a capture of what passes between a NIC and its network
 *
 * Run by channels' threads; the file has a lock, and a record goes out in one write. Frames
 * are read out of guest memory, where they may change under the reader: what is written
 * was there at some time. A file that cannot be written any more ends the capture and
 * nothing else.
 * Tests: test/unit/net_pcap.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "backend/net/net.h"

#define MAGIC    0xa1b2c3d4u
#define ETHERNET 1u
#define IOV_LEN  256

struct pcap_file {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snap_len, link_type;
};

struct pcap_record {
    uint32_t seconds, microseconds, len, frame_len;
};

struct pcap;

struct pcap_queue {
    struct pcap *pcap;
    struct enlh_net_queue *inner;
    const struct enlh_partition *partition;
};

struct pcap {
    struct enlb_net_base base;
    struct enlh_net inner;
    pthread_mutex_t lock;
    int fd; /* -1: it has ended */
    struct pcap_queue queues[ENLB_NET_QUEUES_MAX];
};

static struct pcap_queue *
of(struct enlh_net_queue *queue)
{
    return (struct pcap_queue *)(void *)queue;
}

/* iov[0] is for the record's head. */
static void
pcap_write(struct pcap *pcap, struct iovec *iov, int count, uint32_t len)
{
    struct pcap_record record = {.len = len, .frame_len = len};
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    record.seconds = (uint32_t)now.tv_sec;
    record.microseconds = (uint32_t)(now.tv_nsec / 1000);
    iov[0] = (struct iovec){&record, sizeof(record)};
    pthread_mutex_lock(&pcap->lock);
    if (pcap->fd >= 0 &&
        writev(pcap->fd, iov, count) != (ssize_t)(sizeof(record) + len)) {
        close(pcap->fd);
        pcap->fd = -1;
    }
    pthread_mutex_unlock(&pcap->lock);
}

static int
pcap_add_spans(const struct pcap_queue *queue, struct iovec *iov, int count,
               const struct enlh_span *spans, uint32_t span_count, uint32_t *left)
{
    for (uint32_t i = 0; i < span_count && *left && count < IOV_LEN; i++) {
        uint32_t len = spans[i].len < *left ? (uint32_t)spans[i].len : *left;

        iov[count++] =
            (struct iovec){enlh_mem_span_host(queue->partition, &spans[i]), len};
        *left -= len;
    }
    return count;
}

static void
pcap_sent(struct pcap_queue *queue, const struct enlh_net_frame *frame)
{
    struct iovec iov[IOV_LEN];
    uint32_t left = frame->len - frame->head_len;
    int count = 1;

    if (frame->head_len)
        iov[count++] = (struct iovec){(void *)(uintptr_t)frame->head, frame->head_len};
    count = pcap_add_spans(queue, iov, count, frame->spans, frame->span_count, &left);
    pcap_write(queue->pcap, iov, count, frame->len - left);
}

static void
pcap_received(struct pcap_queue *queue, const struct enlh_net_received *frame,
              const struct enlh_net_piece *pieces)
{
    struct iovec iov[IOV_LEN];
    uint32_t left = frame->len;
    int count = 1;

    for (uint32_t i = 0; i < frame->piece_count; i++)
        count = pcap_add_spans(queue, iov, count, pieces[i].spans, pieces[i].span_count,
                               &left);
    pcap_write(queue->pcap, iov, count, frame->len - left);
}

/* ---- the contract ---- */

static void
pcap_info(void *backend, struct enlh_net_info *out)
{
    const struct enlh_net *inner = &((struct pcap *)backend)->inner;

    inner->ops->info(inner->backend, out);
}

static void
pcap_link(void *backend, struct enlh_net_link *out)
{
    const struct enlh_net *inner = &((struct pcap *)backend)->inner;

    inner->ops->link(inner->backend, out);
}

static void
pcap_setup(void *backend, const struct enlh_net_setup *setup)
{
    const struct enlh_net *inner = &((struct pcap *)backend)->inner;

    inner->ops->setup(inner->backend, setup);
}

static int
pcap_queue_open(void *backend, uint32_t index, const struct enlh_partition *partition,
                const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    struct pcap *pcap = backend;
    struct pcap_queue *queue = &pcap->queues[index];
    int err = pcap->inner.ops->queue_open(pcap->inner.backend, index, partition, wake,
                                          &queue->inner, fd);

    if (err)
        return err;
    queue->pcap = pcap;
    queue->partition = partition;
    *out = (struct enlh_net_queue *)(void *)queue;
    return 0;
}

static void
pcap_queue_close(void *backend, struct enlh_net_queue *queue)
{
    const struct enlh_net *inner = &((struct pcap *)backend)->inner;

    inner->ops->queue_close(inner->backend, of(queue)->inner);
}

/* The guest is told within reap() or after this at the earliest: the frame is there yet. */
static int
pcap_transmit(struct enlh_net_queue *base, struct enlh_net_frame *frame)
{
    struct pcap_queue *queue = of(base);
    int result = queue->pcap->inner.ops->transmit(queue->inner, frame);

    if (result != -ENL_E_AGAIN)
        pcap_sent(queue, frame);
    return result;
}

static void
pcap_kick(struct enlh_net_queue *queue)
{
    of(queue)->pcap->inner.ops->kick(of(queue)->inner);
}

static uint32_t
pcap_reap(struct enlh_net_queue *queue)
{
    return of(queue)->pcap->inner.ops->reap(of(queue)->inner);
}

static void
pcap_cancel(struct enlh_net_queue *queue)
{
    of(queue)->pcap->inner.ops->cancel(of(queue)->inner);
}

static uint32_t
pcap_receive(struct enlh_net_queue *base, const struct enlh_net_piece *pieces,
             uint32_t piece_count, struct enlh_net_received *frames, uint32_t frame_count)
{
    struct pcap_queue *queue = of(base);
    uint32_t used = 0;
    uint32_t count = queue->pcap->inner.ops->receive(queue->inner, pieces, piece_count,
                                                     frames, frame_count);

    for (uint32_t i = 0; i < count; i++) {
        pcap_received(queue, &frames[i], pieces + used);
        used += frames[i].piece_count;
    }
    return count;
}

static const struct enlh_net_ops pcap_ops = {
    .size = sizeof(pcap_ops),
    .info = pcap_info,
    .link = pcap_link,
    .setup = pcap_setup,
    .queue_open = pcap_queue_open,
    .queue_close = pcap_queue_close,
    .transmit = pcap_transmit,
    .kick = pcap_kick,
    .reap = pcap_reap,
    .cancel = pcap_cancel,
    .receive = pcap_receive,
};

static void
pcap_destroy(void *backend)
{
    struct pcap *pcap = backend;

    enlb_net_destroy(&pcap->inner);
    if (pcap->fd >= 0)
        close(pcap->fd);
    pthread_mutex_destroy(&pcap->lock);
    free(pcap);
}

int
enlb_pcap_create(const struct enlh_net *inner, int fd, struct enlh_net *out)
{
    const struct pcap_file head = {.magic = MAGIC,
                                   .major = 2,
                                   .minor = 4,
                                   .snap_len = ENLH_NET_FRAME_MAX,
                                   .link_type = ETHERNET};
    struct pcap *pcap = calloc(1, sizeof(*pcap));

    if (!pcap)
        return -ENL_E_NOMEM;
    if (write(fd, &head, sizeof(head)) != (ssize_t)sizeof(head)) {
        free(pcap);
        return -ENL_E_IO;
    }
    pcap->base.destroy = pcap_destroy;
    pcap->inner = *inner;
    pcap->fd = fd;
    pthread_mutex_init(&pcap->lock, NULL);
    *out = (struct enlh_net){.ops = &pcap_ops, .backend = pcap};
    return 0;
}
