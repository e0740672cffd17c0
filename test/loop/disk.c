/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/disk.c - a disk in memory whose requests take as long as the schedule says
 *
 * A block backend by the contract of enlight/host/block.h. Requests that were started wait
 * until loop_disk_finish_one() picks them, in any order; their data moves only when they
 * are reaped, so a host that reports too early is caught by the guest's checks.
 */
#include "test/loop/disk.h"

#include <stdlib.h>
#include <string.h>

#include "test/loop/partition.h"

struct loop_disk_queue {
    struct loop_disk_queue *next;
    struct loop_disk *disk;
    const struct enlh_partition *partition;
    struct enlh_wake wake;
    uint32_t depth, count; /* count: submitted and not done */
    uint32_t under_way;    /* the first of pending[] */
    uint32_t ready;        /* of ready_list[] */
    struct enlh_block_request **pending;
    struct enlh_block_request **ready_list;
};

static void
disk_info(void *backend, struct enlh_block_info *out)
{
    struct loop_disk *disk = backend;

    *out = (struct enlh_block_info){
        .size = disk->size,
        .block_size = 512,
        .physical_block_size = 4096,
        .volatile_cache = true,
    };
}

static int
disk_queue_open(void *backend, const struct enlh_partition *partition, uint32_t depth,
                const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct loop_disk *disk = backend;
    struct loop_disk_queue *q = calloc(1, sizeof(*q));

    loop_check(q);
    q->disk = disk;
    q->partition = partition;
    q->wake = *wake;
    q->depth = depth;
    q->pending = calloc(depth, sizeof(*q->pending));
    q->ready_list = calloc(depth, sizeof(*q->ready_list));
    loop_check(q->pending && q->ready_list);
    pthread_mutex_lock(&disk->lock);
    q->next = disk->open;
    disk->open = q;
    disk->queues++;
    pthread_mutex_unlock(&disk->lock);
    *out = (struct enlh_block_queue *)q;
    return 0;
}

static void
disk_queue_close(void *backend, struct enlh_block_queue *queue)
{
    struct loop_disk *disk = backend;
    struct loop_disk_queue *q = (struct loop_disk_queue *)queue;
    struct loop_disk_queue **at = &disk->open;

    loop_check(q->count == 0);
    pthread_mutex_lock(&disk->lock);
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    disk->queues--;
    pthread_mutex_unlock(&disk->lock);
    free(q->pending);
    free(q->ready_list);
    free(q);
}

static int
disk_submit(struct enlh_block_queue *queue, struct enlh_block_request *request)
{
    struct loop_disk_queue *q = (struct loop_disk_queue *)queue;

    if (q->count == q->depth)
        return -ENL_E_AGAIN;
    loop_check(request->done && (request->span_count == 0 || request->spans));
    q->count++;
    pthread_mutex_lock(&q->disk->lock);
    q->pending[q->under_way++] = request;
    pthread_mutex_unlock(&q->disk->lock);
    return 0;
}

static void
disk_kick(struct enlh_block_queue *queue)
{
    struct loop_disk_queue *q = (struct loop_disk_queue *)queue;

    pthread_cond_signal(&q->disk->work);
}

static int
disk_move(struct loop_disk_queue *q, struct enlh_block_request *request, bool to_guest)
{
    uint8_t *at = q->disk->data + request->offset;
    uint64_t total = 0;

    if (request->offset > q->disk->size || request->len > q->disk->size - request->offset)
        return -ENL_E_INVAL;
    for (uint32_t i = 0; i < request->span_count; i++) {
        const struct enlh_span *span = &request->spans[i];
        void *guest = enlh_mem_span_host(q->partition, span);

        loop_check(guest && span->len <= request->len - total);
        if (to_guest)
            memcpy(guest, at, span->len);
        else
            memcpy(at, guest, span->len);
        at += span->len;
        total += span->len;
    }
    loop_check(total == request->len);
    return 0;
}

/* The lock is held. */
static int
disk_do(struct loop_disk_queue *q, struct enlh_block_request *request)
{
    struct loop_disk *disk = q->disk;
    int rc = 0;

    switch (request->op) {
    case ENLH_BLOCK_READ:
        disk->reads++;
        rc = disk_move(q, request, true);
        break;
    case ENLH_BLOCK_WRITE:
        disk->writes++;
        rc = disk_move(q, request, false);
        break;
    case ENLH_BLOCK_FLUSH:
        disk->flushes++;
        break;
    default:
        rc = -ENL_E_INVAL;
        break;
    }
    return rc;
}

static uint32_t
disk_reap(struct enlh_block_queue *queue)
{
    struct loop_disk_queue *q = (struct loop_disk_queue *)queue;
    struct enlh_block_request *request;
    uint32_t count = 0;
    int rc = 0;

    do {
        pthread_mutex_lock(&q->disk->lock);
        request = q->ready ? q->ready_list[--q->ready] : NULL;
        if (request)
            rc = disk_do(q, request);
        pthread_mutex_unlock(&q->disk->lock);
        if (request) {
            q->count--;
            count++;
            request->done(request, rc);
        }
    } while (request);
    return count;
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
loop_disk_init(struct loop_disk *disk, uint64_t size)
{
    memset(disk, 0, sizeof(*disk));
    disk->size = size;
    disk->data = calloc(1, size);
    loop_check(disk->data);
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->work, NULL);
}

void
loop_disk_fini(struct loop_disk *disk)
{
    loop_check(disk->queues == 0);
    pthread_mutex_destroy(&disk->lock);
    free(disk->data);
}

struct enlh_block
loop_disk_block(struct loop_disk *disk)
{
    return (struct enlh_block){.ops = &disk_ops, .backend = disk};
}

bool
loop_disk_busy(struct loop_disk *disk)
{
    for (struct loop_disk_queue *q = disk->open; q; q = q->next) {
        if (q->under_way)
            return true;
    }
    return false;
}

void
loop_disk_finish_one(struct loop_disk *disk, uint32_t pick)
{
    uint32_t total = 0;
    struct loop_disk_queue *q;

    pthread_mutex_lock(&disk->lock);
    for (q = disk->open; q; q = q->next)
        total += q->under_way;
    pick = total ? pick % total : 0;
    for (q = disk->open; total && pick >= q->under_way; q = q->next)
        pick -= q->under_way;
    if (total) {
        q->ready_list[q->ready++] = q->pending[pick];
        q->pending[pick] = q->pending[--q->under_way];
        q->wake.fn(q->wake.ctx);
    }
    pthread_mutex_unlock(&disk->lock);
}

static void *
disk_main(void *arg)
{
    struct loop_disk *disk = arg;
    uint32_t pick = 0;
    bool quit = false;

    while (!quit) {
        pthread_mutex_lock(&disk->lock);
        while (!loop_disk_busy(disk) && !disk->quit)
            pthread_cond_wait(&disk->work, &disk->lock);
        quit = disk->quit && !loop_disk_busy(disk);
        pthread_mutex_unlock(&disk->lock);
        loop_disk_finish_one(disk, pick += 7);
    }
    return NULL;
}

void
loop_disk_thread_start(struct loop_disk *disk)
{
    disk->quit = false;
    loop_check(pthread_create(&disk->thread, NULL, disk_main, disk) == 0);
}

void
loop_disk_thread_stop(struct loop_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->quit = true;
    pthread_cond_signal(&disk->work);
    pthread_mutex_unlock(&disk->lock);
    pthread_join(disk->thread, NULL);
}
