/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/memory.c - a disk in memory
 *
 * For tests and for benchmarks that shall not measure a disk. Runs on the thread of a
 * channel: kick carries out, reap reports. The guest chose offset, length and buffers;
 * they are checked as for a file. Its size is the user's, and pages that were never
 * written, or were discarded, take no memory.
 * Two queues may write one sector at the same time; what it holds then is either or a
 * mixture, as on a real disk.
 * Tests: test/unit/block_memory.c.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/block/work.h"

enum { PAGE = 4096 };

struct memory {
    struct enlh_block_info info;
    uint8_t *bytes;
};

/* A ring of requests: begun (not carried out), then carried out, then told. */
struct memory_queue {
    const struct memory *memory;
    const struct enlh_partition *partition;
    struct enlh_wake wake;
    uint32_t depth;
    uint64_t told, carried, begun; /* counts; told <= carried <= begun <= told + depth */
    struct {
        struct enlh_block_request *request;
        int result;
    } ring[];
};

static struct memory_queue *
of(struct enlh_block_queue *queue)
{
    return (struct memory_queue *)(void *)queue;
}

static void
memory_info(void *backend, struct enlh_block_info *out)
{
    *out = ((const struct memory *)backend)->info;
}

static int
memory_queue_open(void *backend, const struct enlh_partition *partition, uint32_t depth,
                  const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct memory_queue *queue;

    if (depth == 0 || (wake->fd < 0 && !wake->fn))
        return -ENL_E_INVAL;
    queue = calloc(1, sizeof(*queue) + depth * sizeof(queue->ring[0]));
    if (!queue)
        return -ENL_E_NOMEM;
    queue->memory = backend;
    queue->partition = partition;
    queue->wake = *wake;
    queue->depth = depth;
    *out = (struct enlh_block_queue *)(void *)queue;
    return 0;
}

static void
memory_queue_close(void *backend, struct enlh_block_queue *queue)
{
    (void)backend;
    free(of(queue));
}

static int
memory_submit(struct enlh_block_queue *base, struct enlh_block_request *request)
{
    struct memory_queue *queue = of(base);

    if (queue->begun - queue->told == queue->depth)
        return -ENL_E_AGAIN;
    queue->ring[queue->begun % queue->depth].request = request;
    queue->begun++;
    return 0;
}

static void
copy(const struct memory_queue *queue, const struct enlh_block_request *request)
{
    uint8_t *at = queue->memory->bytes + request->offset;

    for (uint32_t i = 0; i < request->span_count; i++) {
        void *host = enlh_mem_span_host(queue->partition, &request->spans[i]);

        if (request->op == ENLH_BLOCK_READ)
            memcpy(host, at, request->spans[i].len);
        else
            memcpy(at, host, request->spans[i].len);
        at += request->spans[i].len;
    }
}

/* Whole pages go back to the system; what is left at the ends is written. */
static void
clear(uint8_t *from, uint64_t len)
{
    uint64_t head = (PAGE - (uintptr_t)from % PAGE) % PAGE;
    uint64_t pages;

    head = head < len ? head : len;
    memset(from, 0, head);
    pages = (len - head) / PAGE * PAGE;
    if (pages && madvise(from + head, pages, MADV_DONTNEED) != 0)
        memset(from + head, 0, pages);
    memset(from + head + pages, 0, len - head - pages);
}

static int
carry_out(const struct memory_queue *queue, const struct enlh_block_request *request)
{
    int error = enlb_work_check(&queue->memory->info, request);

    if (error)
        return error;
    switch (request->op) {
    case ENLH_BLOCK_READ:
    case ENLH_BLOCK_WRITE:
        copy(queue, request);
        break;
    case ENLH_BLOCK_DISCARD:
    case ENLH_BLOCK_ZERO:
        clear(queue->memory->bytes + request->offset, request->len);
        break;
    case ENLH_BLOCK_FLUSH:
        break;
    }
    return 0;
}

static void
memory_kick(struct enlh_block_queue *base)
{
    struct memory_queue *queue = of(base);

    if (queue->carried == queue->begun)
        return;
    while (queue->carried != queue->begun) {
        uint64_t slot = queue->carried % queue->depth;

        queue->ring[slot].result = carry_out(queue, queue->ring[slot].request);
        queue->carried++;
    }
    enlb_work_wake(&queue->wake);
}

static uint32_t
memory_reap(struct enlh_block_queue *base)
{
    struct memory_queue *queue = of(base);
    /* done() may submit and kick again: those are for the next reap. */
    uint32_t count = (uint32_t)(queue->carried - queue->told);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t slot = queue->told % queue->depth;
        struct enlh_block_request *request = queue->ring[slot].request;
        int result = queue->ring[slot].result;

        queue->told++;
        request->done(request, result);
    }
    return count;
}

static const struct enlh_block_ops memory_ops = {
    .size = sizeof(memory_ops),
    .info = memory_info,
    .queue_open = memory_queue_open,
    .queue_close = memory_queue_close,
    .submit = memory_submit,
    .kick = memory_kick,
    .reap = memory_reap,
};

int
enlb_memory_create(uint64_t size, uint32_t block_size, struct enlh_block *out)
{
    struct memory *memory;
    void *bytes;

    if ((block_size != 512 && block_size != 4096) || size == 0 || size % block_size ||
        size > SIZE_MAX / 2)
        return -ENL_E_RANGE;
    memory = calloc(1, sizeof(*memory));
    bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!memory || bytes == MAP_FAILED) {
        if (bytes != MAP_FAILED)
            munmap(bytes, size);
        free(memory);
        return -ENL_E_NOMEM;
    }
    memory->bytes = bytes;
    memory->info = (struct enlh_block_info){
        .size = size,
        .block_size = block_size,
        .physical_block_size = block_size,
        .discards = true,
    };
    *out = (struct enlh_block){.ops = &memory_ops, .backend = memory};
    return 0;
}

void
enlb_memory_destroy(struct enlh_block *block)
{
    struct memory *memory = block->backend;

    if (!memory)
        return;
    munmap(memory->bytes, memory->info.size);
    free(memory);
    *block = (struct enlh_block){0};
}

uint8_t *
enlb_memory_bytes(const struct enlh_block *block)
{
    return ((const struct memory *)block->backend)->bytes;
}
