/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/block_direct.c - past the page cache: any buffer of a guest works, aligned or not */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_rig.h"
#include "backend/block/work.h"

enum { DISK = 4 << 20, HALF = RIG_RAM / 2 };

struct fixture {
    struct rig rig;
    struct enlh_block block;
    uint32_t unit;
    int fd;
};

static int
setup(void **state)
{
    enum enlb_aio aio = *(const enum enlb_aio *)*state;
    struct fixture *f = calloc(1, sizeof(*f));
    struct enlb_file_config config;
    struct enlh_block_info info;
    int fd = rig_file(DISK);

    enlb_file_config_defaults(&config);
    config.aio = aio;
    config.direct = true;
    assert_non_null(f);
    f->fd = dup(fd);
    *state = f;
    if (enlb_file_create(fd, &config, &f->block, NULL) != 0) {
        close(fd);
        return 0;
    }
    assert_true(fcntl(fd, F_GETFL) & O_DIRECT);
    rig_start(&f->rig, &f->block, 16);
    f->block.ops->info(f->block.backend, &info);
    f->unit = info.block_size;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    if (f->unit) {
        rig_stop(&f->rig);
        enlb_file_destroy(&f->block);
    }
    close(f->fd);
    free(f);
    return 0;
}

static struct fixture *
fixture(void **state)
{
    struct fixture *f = *state;

    if (!f->unit) {
        print_message("# SKIP no direct I/O or no io_uring here\n");
        skip();
    }
    return f;
}

static void
aligned_buffers_work(void **state)
{
    struct fixture *f = fixture(state);

    rig_fill(f->rig.ram, 1 << 20, 1);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 4096, 1 << 20, 0), 0);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 4096, 1 << 20, HALF), 0);
    assert_memory_equal(f->rig.ram + HALF, f->rig.ram, 1 << 20);
}

/* 1 MiB at an odd address: four bounce buffers in turn. */
static void
unaligned_buffer_works_beyond_one_bounce(void **state)
{
    struct fixture *f = fixture(state);

    rig_fill(f->rig.ram, (1 << 20) + 8, 2);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 1 << 20, 5), 0);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 0, 1 << 20, HALF + 3), 0);
    assert_memory_equal(f->rig.ram + HALF + 3, f->rig.ram + 5, 1 << 20);
    assert_int_equal(f->rig.ram[HALF + 2], 0);
    assert_int_equal(f->rig.ram[HALF + 3 + (1 << 20)], 0);
}

/* Spans whose lengths are no whole blocks, though their sum is. */
static void
odd_spans_work(void **state)
{
    struct fixture *f = fixture(state);
    struct rig_io io;

    rig_fill(f->rig.ram, 8192, 3);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 8192, 0), 0);
    rig_io_init(&io, &f->rig, ENLH_BLOCK_READ, 0, 8192, 0);
    io.request.span_count = 0;
    rig_io_span(&io, HALF, 101);
    rig_io_span(&io, HALF + 4096, 8000);
    rig_io_span(&io, HALF + 65536, 91);
    rig_submit(&io);
    rig_wait(&f->rig, f->rig.finished + 1);
    assert_int_equal(io.result, 0);
    assert_memory_equal(f->rig.ram + HALF, f->rig.ram, 101);
    assert_memory_equal(f->rig.ram + HALF + 4096, f->rig.ram + 101, 8000);
    assert_memory_equal(f->rig.ram + HALF + 65536, f->rig.ram + 8101, 91);
}

/* More unaligned requests than there are bounce buffers: the rest waits its turn. */
static void
all_unaligned_requests_get_their_turn(void **state)
{
    struct fixture *f = fixture(state);
    static struct rig_io ios[16];
    const uint64_t each = 64 << 10;

    rig_fill(f->rig.ram, 16 * each, 4);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 16 * each, 0), 0);
    for (uint32_t i = 0; i < 16; i++) {
        rig_io_init(&ios[i], &f->rig, ENLH_BLOCK_READ, i * each, each,
                    HALF + i * (each + 4096) + 1 + i);
        assert_int_equal(f->block.ops->submit(f->rig.queue, &ios[i].request), 0);
    }
    f->block.ops->kick(f->rig.queue);
    rig_wait(&f->rig, 17);
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(ios[i].result, 0);
        assert_memory_equal(f->rig.ram + ios[i].few[0].offset, f->rig.ram + i * each,
                            each);
    }
}

static void
zeros_and_discard_work(void **state)
{
    struct fixture *f = fixture(state);
    struct enlb_file *file = f->block.backend;

    rig_fill(f->rig.ram, 1 << 20, 6);
    for (int way = ENLB_ZERO_RANGE; way <= ENLB_ZERO_WRITE; way++) {
        atomic_store(&file->zero_way, way);
        assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 1 << 20, 0), 0);
        assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_ZERO, 4096, 512 << 10, 0), 0);
        assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 0, 1 << 20, HALF), 0);
        assert_memory_equal(f->rig.ram + HALF, f->rig.ram, 4096);
        for (size_t i = 4096; i < 4096 + (512 << 10); i++)
            assert_int_equal(f->rig.ram[HALF + i], 0);
    }
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_DISCARD, 0, 1 << 20, 0), 0);
}

/* What it had made by then is given back: the sanitizers watch. */
static void
queue_that_cannot_wake_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    const struct enlh_wake wake = {.fd = f->fd}; /* no eventfd */
    struct enlh_block_queue *queue;

    if (enlb_file_aio(&f->block) != ENLB_AIO_IO_URING)
        return;
    assert_int_equal(
        f->block.ops->queue_open(f->block.backend, f->rig.partition, 4, &wake, &queue),
        -ENL_E_IO);
}

static const enum enlb_aio uring = ENLB_AIO_IO_URING;
static const enum enlb_aio threads = ENLB_AIO_THREADS;

#define CASE(name)                                                                       \
    {"uring_" #name, name, setup, teardown, (void *)(uintptr_t)&uring},                  \
    {                                                                                    \
        "threads_" #name, name, setup, teardown, (void *)(uintptr_t)&threads             \
    }

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(aligned_buffers_work),   CASE(unaligned_buffer_works_beyond_one_bounce),
        CASE(odd_spans_work),         CASE(all_unaligned_requests_get_their_turn),
        CASE(zeros_and_discard_work), CASE(queue_that_cannot_wake_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
