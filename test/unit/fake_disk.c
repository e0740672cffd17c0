/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block backend in memory that finishes when it is told to, and watches its caller.
 */
#include "fake_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define must(ok)                                                                         \
    do {                                                                                 \
        if (!(ok)) {                                                                     \
            fprintf(stderr, "fake_disk: line %d: %s\n", __LINE__, #ok);                  \
            abort();                                                                     \
        }                                                                                \
    } while (0)

static void
disk_info(void *backend, struct enlh_block_info *out)
{
    *out = ((struct fake_disk *)backend)->info;
}

static int
disk_queue_open(void *backend, const struct enlh_partition *partition, uint32_t depth,
                const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct fake_disk *disk = backend;

    if (disk->open_result < 0)
        return disk->open_result;
    must(depth <= FAKE_DISK_REQUESTS);
    if (disk->open_limit && disk->opens - disk->closes == disk->open_limit)
        return -ENL_E_NOMEM;
    for (uint32_t i = 0; i < FAKE_DISK_QUEUES; i++) {
        struct enlh_block_queue *queue = &disk->queues[i];

        if (queue->open)
            continue;
        memset(queue, 0, sizeof(*queue));
        queue->disk = disk;
        queue->partition = partition;
        queue->depth = depth;
        queue->wake = *wake;
        queue->open = true;
        disk->opens++;
        *out = queue;
        return 0;
    }
    return -ENL_E_NOMEM;
}

static void
disk_queue_close(void *backend, struct enlh_block_queue *queue)
{
    struct fake_disk *disk = backend;

    must(queue->open && !queue->taken_count && queue->disk == disk);
    queue->open = false;
    disk->closes++;
}

static void
disk_check(const struct fake_disk *disk, const struct enlh_block_request *request)
{
    uint64_t len = 0;

    must(request->done);
    if (request->op == ENLH_BLOCK_FLUSH)
        return;
    must(request->offset % disk->info.block_size == 0);
    must(request->len % disk->info.block_size == 0 && request->len);
    must(request->offset <= disk->info.size &&
         request->len <= disk->info.size - request->offset);
    if (request->op != ENLH_BLOCK_READ && request->op != ENLH_BLOCK_WRITE)
        return;
    must(!disk->info.max_transfer || request->len <= disk->info.max_transfer);
    for (uint32_t i = 0; i < request->span_count; i++) {
        must(request->spans[i].len);
        len += request->spans[i].len;
    }
    must(len == request->len);
}

static int
disk_submit(struct enlh_block_queue *queue, struct enlh_block_request *request)
{
    struct fake_disk *disk = queue->disk;

    must(queue->open && !queue->in_reap);
    if (disk->refuse_submits > 0) {
        disk->refuse_submits--;
        return -ENL_E_AGAIN;
    }
    must(queue->taken_count < queue->depth);
    for (uint32_t i = 0; i < queue->taken_count; i++)
        must(queue->taken[i] != request);
    disk_check(disk, request);
    /* The backend's own until done. */
    memset(request->backend, 0xa5, sizeof(request->backend));
    queue->taken[queue->taken_count++] = request;
    return 0;
}

static void
disk_kick(struct enlh_block_queue *queue)
{
    must(queue->open && !queue->in_reap);
    queue->disk->kicks++;
    queue->kicked_count = queue->taken_count;
}

static void
disk_transfer(const struct enlh_block_queue *queue,
              const struct enlh_block_request *request)
{
    uint8_t *at = queue->disk->data + request->offset;

    for (uint32_t i = 0; i < request->span_count; i++) {
        void *host = enlh_mem_span_host(queue->partition, &request->spans[i]);

        if (request->op == ENLH_BLOCK_READ)
            memcpy(host, at, request->spans[i].len);
        else
            memcpy(at, host, request->spans[i].len);
        at += request->spans[i].len;
    }
}

static void
disk_do(const struct enlh_block_queue *queue, const struct enlh_block_request *request)
{
    struct fake_disk *disk = queue->disk;

    disk_check(disk, request);
    disk->count[request->op]++;
    disk->fua_count += request->fua;
    disk->spans_total += request->span_count;
    if (request->span_count > disk->max_spans)
        disk->max_spans = request->span_count;
    if (disk->result < 0)
        return;
    if (request->op == ENLH_BLOCK_READ || request->op == ENLH_BLOCK_WRITE)
        disk_transfer(queue, request);
    else if (request->op == ENLH_BLOCK_DISCARD)
        memset(disk->data + request->offset, 0xdd, request->len);
    else if (request->op == ENLH_BLOCK_ZERO)
        memset(disk->data + request->offset, 0, request->len);
}

static uint32_t
disk_reap(struct enlh_block_queue *queue)
{
    struct fake_disk *disk = queue->disk;
    uint32_t done = 0;

    must(queue->open && !queue->in_reap);
    queue->in_reap = true;
    disk->reaps++;
    while (queue->kicked_count && (!disk->hold || disk->allowed)) {
        uint32_t at = disk->reverse ? queue->kicked_count - 1 : 0;
        struct enlh_block_request *request = queue->taken[at];

        memmove(&queue->taken[at], &queue->taken[at + 1],
                (queue->taken_count - at - 1) * sizeof(queue->taken[0]));
        queue->taken_count--;
        queue->kicked_count--;
        disk->allowed -= disk->hold;
        disk_do(queue, request);
        request->done(request, disk->result);
        done++;
    }
    queue->in_reap = false;
    return done;
}

static const struct enlh_block_ops disk_ops = {
    .size = sizeof(disk_ops),
    .info = disk_info,
    .queue_open = disk_queue_open,
    .queue_close = disk_queue_close,
    .submit = disk_submit,
    .kick = disk_kick,
    .reap = disk_reap,
};

void
fake_disk_init(struct fake_disk *disk, uint64_t size, uint32_t block_size)
{
    memset(disk, 0, sizeof(*disk));
    disk->info = (struct enlh_block_info){
        .size = size,
        .block_size = block_size,
        .physical_block_size = 4096,
        .discards = true,
        .volatile_cache = true,
    };
    disk->data = malloc(size);
    must(disk->data);
    for (uint64_t i = 0; i < size; i++)
        disk->data[i] = (uint8_t)(i / block_size * 7 + i % 251);
}

void
fake_disk_fini(struct fake_disk *disk)
{
    must(disk->opens == disk->closes);
    free(disk->data);
}

struct enlh_block
fake_disk_block(struct fake_disk *disk)
{
    return (struct enlh_block){.ops = &disk_ops, .backend = disk};
}

void
fake_disk_finish(struct fake_disk *disk, uint32_t count)
{
    disk->allowed += count;
    for (uint32_t i = 0; i < FAKE_DISK_QUEUES; i++) {
        struct enlh_block_queue *queue = &disk->queues[i];

        if (queue->open && queue->kicked_count)
            queue->wake.fn(queue->wake.ctx);
    }
}

bool
fake_disk_ready(const struct fake_disk *disk)
{
    for (uint32_t i = 0; i < FAKE_DISK_QUEUES; i++) {
        if (disk->queues[i].open && disk->queues[i].kicked_count)
            return !disk->hold || disk->allowed;
    }
    return false;
}

uint32_t
fake_disk_in_flight(const struct fake_disk *disk)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < FAKE_DISK_QUEUES; i++)
        count += disk->queues[i].open ? disk->queues[i].taken_count : 0;
    return count;
}
