/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk for fuzzers: see rig_disk.h. A device of the library calls it; what it may not do
 * ends the process.
 */
#include "rig_disk.h"

#include <string.h>

static struct rig_disk_queue *
rig_disk_of(struct enlh_block_queue *queue)
{
    struct rig_disk_queue *q = (struct rig_disk_queue *)(void *)queue;

    RIG_CHECK(q->disk != NULL);
    return q;
}

static void
rig_disk_info(void *backend, struct enlh_block_info *out)
{
    *out = ((struct rig_disk *)backend)->info;
}

static int
rig_disk_open(void *backend, const struct enlh_partition *partition, uint32_t depth,
              const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct rig_disk *disk = backend;
    uint32_t i = 0;

    (void)partition;
    RIG_CHECK(depth <= RIG_DISK_DEPTH && wake->fn != NULL);
    if (disk->refuse_open)
        return -ENL_E_NOMEM;
    while (i < RIG_DISK_QUEUES && disk->queue[i].disk != NULL)
        i++;
    RIG_CHECK(i < RIG_DISK_QUEUES);
    disk->queue[i] = (struct rig_disk_queue){.disk = disk, .wake = *wake, .depth = depth};
    *out = (struct enlh_block_queue *)(void *)&disk->queue[i];
    return 0;
}

static void
rig_disk_close(void *backend, struct enlh_block_queue *queue)
{
    struct rig_disk_queue *q = rig_disk_of(queue);

    RIG_CHECK(q->disk == backend && q->taken_count == 0 && !q->reaping);
    q->disk = NULL;
}

static void
rig_disk_check(const struct rig_disk_queue *q, const struct enlh_block_request *request)
{
    const struct enlh_block_info *info = &q->disk->info;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < q->taken_count; i++)
        RIG_CHECK(q->taken[i] != request);
    RIG_CHECK(request->done != NULL && request->op <= ENLH_BLOCK_ZERO);
    if (request->op == ENLH_BLOCK_FLUSH)
        return;
    RIG_CHECK(request->len <= info->size && request->offset <= info->size - request->len);
    RIG_CHECK(request->len % info->block_size == 0);
    RIG_CHECK(request->offset % info->block_size == 0 && request->len > 0);
    RIG_CHECK(!info->readonly || request->op == ENLH_BLOCK_READ);
    if (request->op > ENLH_BLOCK_WRITE)
        return;
    for (uint32_t i = 0; i < request->span_count; i++) {
        RIG_CHECK(request->spans[i].len > 0);
        sum += request->spans[i].len;
    }
    RIG_CHECK(sum == request->len);
}

static int
rig_disk_submit(struct enlh_block_queue *queue, struct enlh_block_request *request)
{
    struct rig_disk_queue *q = rig_disk_of(queue);

    RIG_CHECK(!q->reaping);
    rig_disk_check(q, request);
    if (q->disk->refuse > 0 && q->disk->refuse--)
        return -ENL_E_AGAIN;
    if (q->taken_count == q->depth)
        return -ENL_E_AGAIN;
    q->taken[q->taken_count++] = request;
    return 0;
}

static void
rig_disk_move(struct rig_disk *disk, const struct enlh_block_request *request)
{
    uint8_t *at = disk->bytes + request->offset;

    if (request->op == ENLH_BLOCK_FLUSH)
        return;
    if (request->op > ENLH_BLOCK_WRITE) {
        memset(at, 0, request->len);
        return;
    }
    for (uint32_t i = 0; i < request->span_count; i++) {
        const struct enlh_span *span = &request->spans[i];
        uint8_t *host = enlh_mem_span_host(disk->partition, span);

        if (request->op == ENLH_BLOCK_READ)
            memcpy(host, at, span->len);
        else
            memcpy(at, host, span->len);
        at += span->len;
    }
}

static void
rig_disk_kick(struct enlh_block_queue *queue)
{
    struct rig_disk_queue *q = rig_disk_of(queue);

    q->kicked_count = q->taken_count;
    if (!q->disk->hold && q->kicked_count)
        q->wake.fn(q->wake.ctx);
}

static void
rig_disk_end_one(struct rig_disk_queue *q)
{
    uint32_t i = q->disk->newest ? q->kicked_count - 1 : 0;
    struct enlh_block_request *request = q->taken[i];

    q->taken_count--;
    q->kicked_count--;
    for (; i < q->taken_count; i++)
        q->taken[i] = q->taken[i + 1];
    if (q->disk->result == 0)
        rig_disk_move(q->disk, request);
    request->done(request, q->disk->result);
}

static uint32_t
rig_disk_reap(struct enlh_block_queue *queue)
{
    struct rig_disk_queue *q = rig_disk_of(queue);
    uint32_t count = q->disk->hold ? q->allowed : q->kicked_count;

    q->allowed = 0;
    if (count > q->kicked_count)
        count = q->kicked_count;
    q->reaping = true;
    for (uint32_t i = 0; i < count; i++)
        rig_disk_end_one(q);
    q->reaping = false;
    return count;
}

static const struct enlh_block_ops rig_disk_ops = {
    .size = sizeof(rig_disk_ops),
    .info = rig_disk_info,
    .queue_open = rig_disk_open,
    .queue_close = rig_disk_close,
    .submit = rig_disk_submit,
    .kick = rig_disk_kick,
    .reap = rig_disk_reap,
};

void
rig_disk_init(struct rig_disk *disk, uint32_t block_size)
{
    memset(disk, 0, sizeof(*disk));
    disk->info = (struct enlh_block_info){.size = RIG_DISK_LEN,
                                          .block_size = block_size,
                                          .physical_block_size = 4096,
                                          .discards = true,
                                          .volatile_cache = true};
}

struct enlh_block
rig_disk_block(struct rig_disk *disk)
{
    return (struct enlh_block){.ops = &rig_disk_ops, .backend = disk};
}

void
rig_disk_finish(struct rig_disk *disk, uint32_t count)
{
    for (uint32_t i = 0; i < RIG_DISK_QUEUES; i++) {
        struct rig_disk_queue *q = &disk->queue[i];

        if (q->disk == NULL || q->kicked_count == 0)
            continue;
        q->allowed = count;
        q->wake.fn(q->wake.ctx);
    }
}
