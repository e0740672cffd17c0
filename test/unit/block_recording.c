/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/block_recording.c - the recording disk and its trace tell a power loss right,
 * and a guest's journal survives every one of them
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/block/trace.h"
#include "block_rig.h"
#include "enlight/backend/trace.h"

enum { DISK = 64 * 1024, SEEDS = 40 };

struct fixture {
    struct rig rig;
    struct enlh_block disk, block;
    int fd;       /* of the trace, another one than the disk's */
    int image_fd; /* of what a power loss leaves */
    uint8_t image[DISK];
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->fd = memfd_create("trace", MFD_CLOEXEC);
    f->image_fd = memfd_create("image", MFD_CLOEXEC);
    assert_true(f->fd >= 0 && f->image_fd >= 0);
    assert_int_equal(enlb_memory_create(DISK, 512, &f->disk), 0);
    assert_int_equal(enlb_record_create(&f->disk, NULL, dup(f->fd), &f->block), 0);
    rig_start(&f->rig, &f->block, 8);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    rig_stop(&f->rig);
    assert_int_equal(enlb_record_error(&f->block), 0);
    enlb_record_destroy(&f->block);
    enlb_memory_destroy(&f->disk);
    close(f->fd);
    close(f->image_fd);
    free(f);
    return 0;
}

static void
write_byte(struct fixture *f, uint64_t offset, uint8_t value)
{
    memset(f->rig.ram, value, 512);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, offset, 512, 0), 0);
}

static void
flush(struct fixture *f)
{
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_FLUSH, 0, 0, 0), 0);
}

static struct enlb_trace *
trace_of(struct fixture *f)
{
    struct enlb_trace *trace;
    uint64_t at;

    assert_int_equal(enlb_trace_open(f->fd, &trace, &at), 0);
    assert_int_equal(enlb_trace_disk_size(trace), DISK);
    return trace;
}

/* The disk after a power loss at a point; it was all zeros before. */
static const uint8_t *
image_of(struct fixture *f, const struct enlb_trace *trace, uint64_t point, uint64_t seed)
{
    assert_int_equal(ftruncate(f->image_fd, 0), 0);
    assert_int_equal(ftruncate(f->image_fd, DISK), 0);
    assert_int_equal(enlb_trace_replay(trace, point, seed, f->image_fd), 0);
    assert_int_equal(pread(f->image_fd, f->image, DISK, 0), DISK);
    return f->image;
}

static const uint8_t *
image(struct fixture *f, uint64_t point, uint64_t seed)
{
    struct enlb_trace *trace = trace_of(f);
    const uint8_t *bytes = image_of(f, trace, point, seed);

    enlb_trace_close(trace);
    return bytes;
}

static const uint8_t *
image_now(struct fixture *f, uint64_t seed)
{
    return image(f, UINT64_MAX - 1, seed);
}

static void
unflushed_write_is_lost(void **state)
{
    struct fixture *f = *state;

    write_byte(f, 0, 1);
    assert_int_equal(enlb_memory_bytes(&f->disk)[0], 1);
    assert_int_equal(image_now(f, 0)[0], 0);
}

static void
flushed_write_stays(void **state)
{
    struct fixture *f = *state;

    write_byte(f, 0, 1);
    flush(f);
    write_byte(f, 0, 2);
    assert_int_equal(image_now(f, 0)[0], 1);
    assert_int_equal(image(f, 3, 0)[0], 0); /* the flush was begun, not done */
    assert_int_equal(image(f, 4, 0)[0], 1);
}

static void
forced_write_stays(void **state)
{
    struct fixture *f = *state;
    struct rig_io io;

    memset(f->rig.ram, 7, 512);
    rig_io_init(&io, &f->rig, ENLH_BLOCK_WRITE, 512, 512, 0);
    io.request.fua = true;
    rig_submit(&io);
    rig_wait(&f->rig, 1);
    assert_int_equal(image_now(f, 0)[512], 7);
    assert_int_equal(image(f, 1, 0)[512], 0);
}

/* A flush covers what was done when it began, not what is in flight beside it. */
static void
flush_covers_only_what_was_done_before(void **state)
{
    struct fixture *f = *state;
    struct rig_io write, sync;

    memset(f->rig.ram, 5, 512);
    rig_io_init(&write, &f->rig, ENLH_BLOCK_WRITE, 0, 512, 0);
    rig_io_init(&sync, &f->rig, ENLH_BLOCK_FLUSH, 0, 0, 0);
    assert_int_equal(f->block.ops->submit(f->rig.queue, &write.request), 0);
    assert_int_equal(f->block.ops->submit(f->rig.queue, &sync.request), 0);
    f->block.ops->kick(f->rig.queue);
    rig_wait(&f->rig, 2);
    assert_int_equal(image_now(f, 0)[0], 0);
}

static void
zeros_are_lost_like_writes(void **state)
{
    struct fixture *f = *state;

    write_byte(f, 0, 9);
    flush(f);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_ZERO, 0, 512, 0), 0);
    assert_int_equal(image_now(f, 0)[0], 9);
    flush(f);
    assert_int_equal(image_now(f, 0)[0], 0);
}

static void
seed_tears_a_write_at_sectors(void **state)
{
    struct fixture *f = *state;
    bool torn = false;

    memset(f->rig.ram, 3, 8192);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 8192, 0), 0);
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        const uint8_t *disk = image_now(f, seed);
        int there = 0;

        for (int i = 0; i < 16; i++) {
            assert_int_equal(disk[i * 512], disk[i * 512 + 511]);
            there += disk[i * 512] == 3;
        }
        torn |= there > 0 && there < 16;
    }
    assert_true(torn);
}

/* A journal of one record: data at 4096, then a commit at 0 that names it. */
static void
transaction(struct fixture *f, uint8_t number, bool careful)
{
    write_byte(f, 4096, number);
    if (careful)
        flush(f);
    write_byte(f, 0, number);
    flush(f);
}

/* How many images have a commit whose data are not there. */
static int
broken_images(struct fixture *f)
{
    struct enlb_trace *trace = trace_of(f);
    int broken = 0;

    for (uint64_t point = 0; point <= enlb_trace_count(trace); point++) {
        for (uint32_t seed = 0; seed <= SEEDS; seed++) {
            const uint8_t *disk = image_of(f, trace, point, seed);

            broken += disk[0] > disk[4096];
        }
    }
    enlb_trace_close(trace);
    return broken;
}

static void
careful_journal_survives_every_point(void **state)
{
    struct fixture *f = *state;

    for (uint8_t i = 1; i <= 5; i++)
        transaction(f, i, true);
    assert_int_equal(broken_images(f), 0);
    assert_int_equal(image_now(f, 0)[0], 5);
}

/* The proof can fail: a journal that forgets its first flush is caught. */
static void
careless_journal_is_caught(void **state)
{
    struct fixture *f = *state;

    for (uint8_t i = 1; i <= 5; i++)
        transaction(f, i, false);
    assert_true(broken_images(f) > 0);
}

/* ---- the trace as a file ---- */

static void
trace_lists_what_happened(void **state)
{
    struct fixture *f = *state;
    struct enlb_trace *trace;
    struct enlb_trace_event event;

    write_byte(f, 1024, 1);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 0, 512, 0), 0);
    flush(f);
    trace = trace_of(f);
    assert_int_equal(enlb_trace_count(trace), 4);
    event = enlb_trace_event(trace, 0);
    assert_false(event.done);
    assert_int_equal(event.op, ENLH_BLOCK_WRITE);
    assert_int_equal(event.offset, 1024);
    assert_int_equal(event.len, 512);
    event = enlb_trace_event(trace, 3);
    assert_true(event.done);
    assert_int_equal(event.op, ENLH_BLOCK_FLUSH);
    assert_int_equal(event.number, 1);
    assert_int_equal(event.result, 0);
    enlb_trace_close(trace);
}

/* The machine was killed while it wrote: what is whole counts. */
static void
trace_may_end_anywhere(void **state)
{
    struct fixture *f = *state;
    struct enlb_trace *trace;
    off_t end;

    write_byte(f, 0, 1);
    flush(f);
    end = lseek(f->fd, 0, SEEK_END);
    for (off_t len = end; len >= (off_t)sizeof(struct enlb_trace_head); len -= 8) {
        assert_int_equal(ftruncate(f->fd, len), 0);
        trace = trace_of(f);
        assert_true(enlb_trace_count(trace) <= 4);
        enlb_trace_close(trace);
    }
}

/* Bytes that no recorder wrote: refused, and the place is told. */
static void
damaged_trace_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } damage[] = {
        {0, 'X'}, {8, 9},              /* head: magic, version */
        {64, 1},  {68, 3},    {69, 9}, /* event: magic, kind, op */
        {72, 5},                       /* number */
        {80, 1},  {87, 0x80},          /* offset */
        {88, 1},  {95, 0x80},          /* len */
    };
    struct fixture *f = *state;
    uint8_t old;

    write_byte(f, 0, 1);
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        struct enlb_trace *trace = NULL;
        uint64_t at;

        assert_int_equal(pread(f->fd, &old, 1, (off_t)damage[i].at), 1);
        assert_int_equal(pwrite(f->fd, &damage[i].byte, 1, (off_t)damage[i].at), 1);
        assert_int_equal(enlb_trace_open(f->fd, &trace, &at), -ENL_E_PROTO);
        assert_int_equal(at, damage[i].at < 64 ? 0 : 64);
        assert_int_equal(pwrite(f->fd, &old, 1, (off_t)damage[i].at), 1);
    }
}

/* A trace with a gap would prove nothing: what it cannot tell does not happen. */
static void
full_trace_fails_what_changes_the_disk(void **state)
{
    struct fixture *f = *state;
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);

    assert_true(full >= 0);
    rig_stop(&f->rig);
    assert_int_equal(enlb_record_error(&f->block), 0);
    enlb_record_destroy(&f->block);
    assert_int_equal(enlb_record_create(&f->disk, NULL, full, &f->block), -ENL_E_NOSPC);
    close(full);
    close(f->fd);
    f->fd = memfd_create("trace", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(enlb_record_create(&f->disk, NULL, dup(f->fd), &f->block), 0);
    assert_int_equal(fcntl(f->fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    rig_start(&f->rig, &f->block, 8);
    memset(f->rig.ram, 7, 512);
    assert_int_not_equal(rig_do(&f->rig, ENLH_BLOCK_WRITE, 0, 512, 0), 0);
    assert_int_equal(enlb_memory_bytes(&f->disk)[0], 0);
    assert_int_equal(rig_do(&f->rig, ENLH_BLOCK_READ, 0, 512, 0), 0);
    rig_stop(&f->rig);
    assert_int_not_equal(enlb_record_error(&f->block), 0);
    enlb_record_destroy(&f->block);
    assert_int_equal(enlb_record_create(&f->disk, NULL, memfd_create("t", 0), &f->block),
                     0);
    rig_start(&f->rig, &f->block, 8);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(unflushed_write_is_lost),
        CASE(flushed_write_stays),
        CASE(forced_write_stays),
        CASE(flush_covers_only_what_was_done_before),
        CASE(zeros_are_lost_like_writes),
        CASE(seed_tears_a_write_at_sectors),
        CASE(careful_journal_survives_every_point),
        CASE(careless_journal_is_caught),
        CASE(trace_lists_what_happened),
        CASE(trace_may_end_anywhere),
        CASE(damaged_trace_is_refused),
        CASE(full_trace_fails_what_changes_the_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
