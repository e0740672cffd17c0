/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/block_rig.c - a partition with some RAM and one queue on a disk */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block_rig.h"

enum { PATIENCE_MS = 30000 };

static void *
ops_alloc(void *ctx, size_t len)
{
    (void)ctx;
    return calloc(1, len);
}

static void
ops_free(void *ctx, void *memory, size_t len)
{
    (void)ctx;
    (void)len;
    free(memory);
}

static uint64_t
ops_time(void *ctx)
{
    (void)ctx;
    return 0;
}

static int
ops_tsc_page(void *ctx, struct enlh_tsc_page *page)
{
    (void)ctx;
    (void)page;
    return -ENL_E_NOTSUP;
}

static void
ops_timer_arm(void *ctx, uint32_t vp, uint64_t deadline)
{
    (void)ctx;
    (void)vp;
    (void)deadline;
}

static void
ops_kick(void *ctx, uint32_t vp)
{
    (void)ctx;
    (void)vp;
}

static void
ops_interrupt(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    (void)ctx;
    (void)vp;
    (void)vector;
    (void)auto_eoi;
}

static void
ops_event(void *ctx, const struct enlh_event *event)
{
    (void)ctx;
    (void)event;
}

static const struct enlh_ops ops = {
    .size = sizeof(ops),
    .alloc = ops_alloc,
    .free = ops_free,
    .time_100ns = ops_time,
    .tsc_page = ops_tsc_page,
    .timer_arm = ops_timer_arm,
    .kick = ops_kick,
    .interrupt = ops_interrupt,
    .event = ops_event,
};

void
rig_start(struct rig *rig, const struct enlh_block *block, uint32_t depth)
{
    struct enlh_config config;
    struct enlh_wake wake = {0};

    *rig = (struct rig){.block = *block};
    rig->ram =
        mmap(NULL, RIG_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(rig->ram, MAP_FAILED);
    enlh_config_defaults(&config);
    assert_int_equal(enlh_partition_create(&config, &ops, rig, &rig->partition), 0);
    assert_int_equal(enlh_mem_add(rig->partition, (enl_gpa){0}, rig->ram, RIG_RAM), 0);
    rig->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(rig->wake_fd >= 0);
    wake.fd = rig->wake_fd;
    assert_int_equal(
        block->ops->queue_open(block->backend, rig->partition, depth, &wake, &rig->queue),
        0);
}

void
rig_stop(struct rig *rig)
{
    rig->block.ops->queue_close(rig->block.backend, rig->queue);
    enlh_partition_destroy(rig->partition);
    munmap(rig->ram, RIG_RAM);
    close(rig->wake_fd);
}

static void
io_done(struct enlh_block_request *request, int result)
{
    struct rig_io *io = (struct rig_io *)request;

    io->result = result;
    io->done_count++;
    io->done_at = io->rig->finished++;
}

void
rig_io_span(struct rig_io *io, uint64_t ram_at, uint64_t len)
{
    assert_true(io->request.span_count < 8);
    io->few[io->request.span_count++] = (struct enlh_span){.offset = ram_at, .len = len};
}

void
rig_io_init(struct rig_io *io, struct rig *rig, enum enlh_block_op op, uint64_t offset,
            uint64_t len, uint64_t ram_at)
{
    *io = (struct rig_io){.rig = rig, .result = 1};
    io->request.op = op;
    io->request.offset = offset;
    io->request.len = len;
    io->request.spans = io->few;
    io->request.done = io_done;
    if (len && (op == ENLH_BLOCK_READ || op == ENLH_BLOCK_WRITE))
        rig_io_span(io, ram_at, len);
}

void
rig_submit(struct rig_io *io)
{
    const struct enlh_block_ops *block = io->rig->block.ops;

    assert_int_equal(block->submit(io->rig->queue, &io->request), 0);
    block->kick(io->rig->queue);
}

void
rig_wait(struct rig *rig, uint32_t finished)
{
    struct pollfd fd = {.fd = rig->wake_fd, .events = POLLIN};
    uint64_t count;

    while (rig->finished < finished) {
        if (poll(&fd, 1, PATIENCE_MS) == 0)
            fail_msg("no wake: %u of %u are done", rig->finished, finished);
        if (read(rig->wake_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
            rig->block.ops->reap(rig->queue);
    }
}

int
rig_do(struct rig *rig, enum enlh_block_op op, uint64_t offset, uint64_t len,
       uint64_t ram_at)
{
    struct rig_io io;

    rig_io_init(&io, rig, op, offset, len, ram_at);
    rig_submit(&io);
    rig_wait(rig, rig->finished + 1);
    assert_int_equal(io.done_count, 1);
    return io.result;
}

void
rig_fill(uint8_t *at, size_t len, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        at[i] = (uint8_t)(x >> 24);
    }
}

int
rig_file(uint64_t size)
{
    const char *dir = getenv("TMPDIR");
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/enlight-block-XXXXXX", dir ? dir : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}
