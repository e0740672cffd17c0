/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/block_engines.c - what both engines of a file promise: each case runs with
 * io_uring and with threads
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block_rig.h"

enum { DISK = 8 * 1024 * 1024, DEPTH = 32, HALF = RIG_RAM / 2 };

static uint32_t busy; /* submissions that the kernel refuses from now on */

/* Stands in for liburing's. */
int
io_uring_submit(struct io_uring *ring)
{
    if (busy) {
        busy--;
        return -EBUSY;
    }
    return io_uring_submit_and_wait(ring, 0);
}

struct fixture {
    struct rig rig;
    struct enlh_block block;
    int fd; /* the test's own view of the file */
};

static void
open_file(struct fixture *f, enum enlb_aio aio, bool readonly)
{
    struct enlb_file_config config;
    char reason[ENLB_REASON_LEN];
    int fd = rig_file(DISK);

    f->fd = dup(fd);
    enlb_file_config_defaults(&config);
    config.aio = aio;
    config.readonly = readonly;
    assert_int_equal(enlb_file_create(fd, &config, &f->block, reason), 0);
    assert_int_equal(enlb_file_aio(&f->block), aio);
    rig_start(&f->rig, &f->block, DEPTH);
}

static void
close_file(struct fixture *f)
{
    rig_stop(&f->rig);
    enlb_file_destroy(&f->block);
    close(f->fd);
}

static bool
can(enum enlb_aio aio)
{
    struct enlb_file_config config;
    struct enlh_block block;
    int fd = rig_file(4096);
    int error;

    enlb_file_config_defaults(&config);
    config.aio = aio;
    error = enlb_file_create(fd, &config, &block, NULL);
    if (error) {
        assert_int_equal(error, -ENL_E_NOTSUP);
        close(fd);
        return false;
    }
    enlb_file_destroy(&block);
    return true;
}

static int
setup(void **state)
{
    enum enlb_aio aio = *(const enum enlb_aio *)*state;
    struct fixture *f;

    if (!can(aio)) {
        *state = NULL;
        return 0;
    }
    f = calloc(1, sizeof(*f));
    assert_non_null(f);
    open_file(f, aio, false);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    if (*state) {
        close_file(*state);
        free(*state);
    }
    return 0;
}

static struct fixture *
fixture(void **state)
{
    if (!*state) {
        print_message("# SKIP this kernel has no io_uring, or forbids it\n");
        skip();
    }
    return *state;
}

static void
file_bytes(const struct fixture *f, uint64_t at, uint8_t *to, size_t len)
{
    assert_int_equal(pread(f->fd, to, len, (off_t)at), (ssize_t)len);
}

/* ---- cases ---- */

static void
written_bytes_are_in_the_file_and_read_back(void **state)
{
    struct fixture *f = fixture(state);
    static uint8_t bytes[65536];

    rig_fill(f->rig.ram, 65536, 1);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 512, 65536, 0), 0);
    file_bytes(f, 512, bytes, 65536);
    assert_memory_equal(bytes, f->rig.ram, 65536);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 512, 65536, HALF), 0);
    assert_memory_equal(f->rig.ram + HALF, bytes, 65536);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 0, 512, HALF), 0);
    assert_int_equal(f->rig.ram[HALF], 0);
}

/* 300 random requests, up to 32 at a time and none overlapping another, against a model. */
static void
many_in_flight_keep_every_byte(void **state)
{
    struct fixture *f = fixture(state);
    static struct rig_io ios[DEPTH];
    static uint8_t model[DISK];
    const uint64_t part = DISK / DEPTH;
    uint32_t x = 7;

    memset(model, 0, sizeof(model));
    for (int round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < DEPTH; i++) {
            uint64_t len, at;
            bool write;

            x = x * 1664525u + 1013904223u;
            write = x >> 31;
            len = ((x >> 8) % 128 + 1) * 512;
            at = i * part + (x >> 16) % 256 * 512;
            rig_io_init(&ios[i], &f->rig, write ? ENLH_BLOCK_WRITE : ENLH_BLOCK_READ, at,
                        len, i * part);
            if (write) {
                rig_fill(f->rig.ram + i * part, len, x);
                memcpy(model + at, f->rig.ram + i * part, len);
            }
            assert_int_equal(f->block.ops->submit(f->rig.queue, &ios[i].request), 0);
        }
        f->block.ops->kick(f->rig.queue);
        rig_wait(&f->rig, (uint32_t)(round + 1) * DEPTH);
        for (uint32_t i = 0; i < DEPTH; i++) {
            assert_int_equal(ios[i].result, 0);
            assert_int_equal(ios[i].done_count, 1);
            assert_memory_equal(f->rig.ram + i * part, model + ios[i].request.offset,
                                ios[i].request.len);
        }
    }
}

static void
spans_are_filled_in_their_order(void **state)
{
    struct fixture *f = fixture(state);
    struct rig_io io;

    rig_fill(f->rig.ram, 4096, 3);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 4096, 4096, 0), 0);
    rig_io_init(&io, &f->rig, ENLH_BLOCK_READ, 4096, 4096, 0);
    io.request.span_count = 0;
    rig_io_span(&io, HALF + 9000, 1000);
    rig_io_span(&io, HALF + 3, 96);
    rig_io_span(&io, HALF + 20000, 3000);
    rig_submit(&io);
    rig_wait(&f->rig, f->rig.finished + 1);
    assert_int_equal(io.result, 0);
    assert_memory_equal(f->rig.ram + HALF + 9000, f->rig.ram, 1000);
    assert_memory_equal(f->rig.ram + HALF + 3, f->rig.ram + 1000, 96);
    assert_memory_equal(f->rig.ram + HALF + 20000, f->rig.ram + 1096, 3000);
}

/* More spans than one system call takes: the request is resumed until it is complete. */
static void
long_span_list_is_resumed(void **state)
{
    struct fixture *f = fixture(state);
    enum { SPANS = 5000, EACH = 512 };
    static struct enlh_span spans[SPANS];
    static uint8_t bytes[SPANS * EACH];
    struct rig_io io;

    for (uint32_t i = 0; i < SPANS; i++)
        spans[i] =
            (struct enlh_span){.offset = (uint64_t)(SPANS - 1 - i) * 1024, .len = EACH};
    rig_fill(f->rig.ram, SPANS * 1024, 5);
    rig_io_init(&io, &f->rig, ENLH_BLOCK_WRITE, 0, SPANS * EACH, 0);
    io.request.spans = spans;
    io.request.span_count = SPANS;
    rig_submit(&io);
    rig_wait(&f->rig, f->rig.finished + 1);
    assert_int_equal(io.result, 0);
    file_bytes(f, 0, bytes, sizeof(bytes));
    for (uint32_t i = 0; i < SPANS; i++)
        assert_memory_equal(bytes + i * EACH, f->rig.ram + spans[i].offset, EACH);
    memset(f->rig.ram, 0, SPANS * 1024);
    io.request.op = ENLH_BLOCK_READ;
    rig_submit(&io);
    rig_wait(&f->rig, f->rig.finished + 1);
    for (uint32_t i = 0; i < SPANS; i++)
        assert_memory_equal(bytes + i * EACH, f->rig.ram + spans[i].offset, EACH);
}

static void
depth_is_the_bound(void **state)
{
    struct fixture *f = fixture(state);
    static struct rig_io ios[DEPTH + 1];

    for (uint32_t i = 0; i <= DEPTH; i++)
        rig_io_init(&ios[i], &f->rig, ENLH_BLOCK_READ, i * 512, 512, i * 512);
    for (uint32_t i = 0; i < DEPTH; i++)
        assert_int_equal(f->block.ops->submit(f->rig.queue, &ios[i].request), 0);
    assert_int_equal(f->block.ops->submit(f->rig.queue, &ios[DEPTH].request),
                     -ENL_E_AGAIN);
    f->block.ops->kick(f->rig.queue);
    rig_wait(&f->rig, DEPTH);
    assert_int_equal(ios[DEPTH].done_count, 0);
    rig_submit(&ios[DEPTH]);
    rig_wait(&f->rig, DEPTH + 1);
    assert_int_equal(ios[DEPTH].result, 0);
}

/*
 * Whether the first bytes have a place on the disk: a file system that allocates late has
 * none for them until they are synced. Returns -1 when it does not tell.
 */
static int
placed(const struct fixture *f)
{
    union {
        struct fiemap map;
        uint8_t room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
    } ask;

    memset(&ask, 0, sizeof(ask));
    ask.map.fm_length = 4096;
    ask.map.fm_extent_count = 1;
    if (ioctl(f->fd, FS_IOC_FIEMAP, &ask.map) != 0 || ask.map.fm_mapped_extents != 1)
        return -1;
    return !(ask.map.fm_extents[0].fe_flags & FIEMAP_EXTENT_DELALLOC);
}

/* Write, in a way that does not reach the disk by itself. */
static void
write_late(struct fixture *f)
{
    rig_fill(f->rig.ram, 4096, 9);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 4096, 0), 0);
    if (placed(f) != 0) {
        print_message("# SKIP this file system does not tell what is synced\n");
        skip();
    }
}

static void
flush_puts_what_was_written_on_the_disk(void **state)
{
    struct fixture *f = fixture(state);

    write_late(f);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_FLUSH, 0, 0, 0), 0);
    assert_int_equal(placed(f), 1);
}

static void
forced_write_is_on_the_disk(void **state)
{
    struct fixture *f = fixture(state);
    struct rig_io io;
    uint8_t bytes[4096];

    write_late(f);
    rig_fill(f->rig.ram, 4096, 10);
    rig_io_init(&io, &f->rig, ENLH_BLOCK_WRITE, 0, 4096, 0);
    io.request.fua = true;
    rig_submit(&io);
    rig_wait(&f->rig, f->rig.finished + 1);
    assert_int_equal(io.result, 0);
    assert_int_equal(placed(f), 1);
    file_bytes(f, 0, bytes, 4096);
    assert_memory_equal(bytes, f->rig.ram, 4096);
}

static blkcnt_t
blocks(const struct fixture *f)
{
    struct stat st;

    fsync(f->fd);
    assert_int_equal(fstat(f->fd, &st), 0);
    return st.st_blocks;
}

static void
discard_frees_space_and_keeps_the_size(void **state)
{
    struct fixture *f = fixture(state);
    struct enlh_block_info info;
    struct stat st;
    blkcnt_t full;

    f->block.ops->info(f->block.backend, &info);
    if (!info.discards) {
        print_message("# SKIP this file system cannot punch holes\n");
        skip();
    }
    rig_fill(f->rig.ram, 4 << 20, 11);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 4 << 20, 0), 0);
    full = blocks(f);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_DISCARD, 1 << 20, 2 << 20, 0), 0);
    assert_true(blocks(f) <= full - (2 << 20) / 512);
    assert_int_equal(fstat(f->fd, &st), 0);
    assert_int_equal(st.st_size, DISK);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 0, 1 << 20, HALF), 0);
    assert_memory_equal(f->rig.ram + HALF, f->rig.ram, 1 << 20);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 3 << 20, 1 << 20, HALF), 0);
    assert_memory_equal(f->rig.ram + HALF, f->rig.ram + (3 << 20), 1 << 20);
}

static void
zero_reads_as_zeros_and_spares_its_neighbours(void **state)
{
    struct fixture *f = fixture(state);
    static uint8_t bytes[1 << 20];
    struct rig_io io;

    rig_fill(f->rig.ram, 1 << 20, 13);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 1 << 20, 0), 0);
    rig_io_init(&io, &f->rig, ENLH_BLOCK_ZERO, 512, 300 * 512, 0);
    io.request.fua = true;
    rig_submit(&io);
    rig_wait(&f->rig, f->rig.finished + 1);
    assert_int_equal(io.result, 0);
    file_bytes(f, 0, bytes, sizeof(bytes));
    assert_memory_equal(bytes, f->rig.ram, 512);
    for (size_t i = 512; i < 301 * 512; i++)
        assert_int_equal(bytes[i], 0);
    assert_memory_equal(bytes + 301 * 512, f->rig.ram + 301 * 512, (1 << 20) - 301 * 512);
}

static void
what_is_not_on_the_disk_is_refused(void **state)
{
    struct fixture *f = fixture(state);
    struct rig_io io;

    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, DISK, 512, 0), -ENL_E_INVAL);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, DISK - 512, 1024, 0),
                     -ENL_E_INVAL);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, UINT64_MAX - 511, 512, 0),
                     -ENL_E_INVAL);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_DISCARD, 0, DISK + 512, 0), -ENL_E_INVAL);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 100, 512, 0), -ENL_E_INVAL);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 100, 0), -ENL_E_INVAL);
    rig_io_init(&io, &f->rig, ENLH_BLOCK_READ, 0, 1024, 0);
    io.few[0].len = 512;
    rig_submit(&io);
    rig_wait(&f->rig, f->rig.finished + 1);
    assert_int_equal(io.result, -ENL_E_INVAL);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, DISK - 512, 512, 0), 0);
}

static void
nothing_to_transfer_is_done_at_once(void **state)
{
    struct fixture *f = fixture(state);

    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 512, 0, 0), 0);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_ZERO, 512, 0, 0), 0);
}

static void
two_queues_share_a_disk(void **state)
{
    struct fixture *f = fixture(state);
    struct rig other;

    rig_start(&other, &f->block, 4);
    rig_fill(f->rig.ram, 4096, 17);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 4096, 0), 0);
    assert_int_equal(rig_do(&other, ENLH_BLOCK_READ, 0, 4096, 0), 0);
    assert_memory_equal(other.ram, f->rig.ram, 4096);
    rig_stop(&other);
}

/* done() that keeps one request going, as a device under load does. */
struct chain {
    struct rig_io io;
    uint32_t left;
};

static void
chain_done(struct enlh_block_request *request, int result)
{
    struct chain *chain = (struct chain *)request;
    struct rig *rig = chain->io.rig;

    assert_int_equal(result, 0);
    rig->finished++;
    if (chain->left-- > 0)
        rig_submit(&chain->io);
}

static void
done_may_submit_again(void **state)
{
    struct fixture *f = fixture(state);
    struct chain chain = {.left = 100};

    rig_io_init(&chain.io, &f->rig, ENLH_BLOCK_READ, 0, 512, 0);
    chain.io.request.done = chain_done;
    rig_submit(&chain.io);
    rig_wait(&f->rig, 101);
    assert_int_equal(f->rig.finished, 101);
}

/* Nobody else submits anything meanwhile. */
static void
what_the_kernel_did_not_take_is_handed_over_again(void **state)
{
    struct fixture *f = fixture(state);

    busy = enlb_file_aio(&f->block) == ENLB_AIO_IO_URING ? 3 : 0;
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 512, 0), 0);
    assert_int_equal(busy, 0);
}

static void
readonly_disk_refuses_every_change(void **state)
{
    struct fixture *f = fixture(state);
    enum enlb_aio aio = enlb_file_aio(&f->block);
    struct fixture ro;

    open_file(&ro, aio, true);
    assert_int_equal(rig_do(&ro.rig, ENLH_BLOCK_READ, 0, 512, 0), 0);
    assert_int_equal(rig_do(&ro.rig, ENLH_BLOCK_WRITE, 0, 512, 0), -ENL_E_ROFS);
    assert_int_equal(rig_do(&ro.rig, ENLH_BLOCK_DISCARD, 0, 512, 0), -ENL_E_ROFS);
    assert_int_equal(rig_do(&ro.rig, ENLH_BLOCK_ZERO, 0, 512, 0), -ENL_E_ROFS);
    assert_int_equal(rig_do(&ro.rig, ENLH_BLOCK_FLUSH, 0, 0, 0), 0);
    close_file(&ro);
}

static void
file_that_shrank_is_an_io_error(void **state)
{
    struct fixture *f = fixture(state);

    assert_int_equal(ftruncate(f->fd, 4096), 0);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 8192, 512, 0), -ENL_E_IO);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 3584, 1024, 0), -ENL_E_IO);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 0, 512, 0), 0);
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
        CASE(written_bytes_are_in_the_file_and_read_back),
        CASE(many_in_flight_keep_every_byte),
        CASE(spans_are_filled_in_their_order),
        CASE(long_span_list_is_resumed),
        CASE(depth_is_the_bound),
        CASE(flush_puts_what_was_written_on_the_disk),
        CASE(forced_write_is_on_the_disk),
        CASE(discard_frees_space_and_keeps_the_size),
        CASE(zero_reads_as_zeros_and_spares_its_neighbours),
        CASE(what_is_not_on_the_disk_is_refused),
        CASE(nothing_to_transfer_is_done_at_once),
        CASE(two_queues_share_a_disk),
        CASE(done_may_submit_again),
        CASE(what_the_kernel_did_not_take_is_handed_over_again),
        CASE(readonly_disk_refuses_every_change),
        CASE(file_that_shrank_is_an_io_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
