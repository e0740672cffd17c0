/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/block_recording.c - the recording disk tells a power loss right, and a guest's
 * journal survives every one of them
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "block_rig.h"
#include "recording_block.h"

enum { DISK = 64 * 1024, SEEDS = 40 };

struct fixture {
    struct rig rig;
    struct enlh_block disk, block;
    struct recording *recording;
    uint8_t image[DISK];
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(enlb_memory_create(DISK, 512, &f->disk), 0);
    assert_int_equal(recording_create(&f->disk, &f->recording, &f->block), 0);
    rig_start(&f->rig, &f->block, 8);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    rig_stop(&f->rig);
    recording_destroy(f->recording);
    enlb_memory_destroy(&f->disk);
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

/* The disk after a power loss at a point. */
static const uint8_t *
image(struct fixture *f, size_t point, uint32_t seed)
{
    memset(f->image, 0, DISK);
    recording_image(f->recording, point, seed, f->image);
    return f->image;
}

static const uint8_t *
image_now(struct fixture *f, uint32_t seed)
{
    return image(f, recording_length(f->recording), seed);
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
    assert_int_equal(recording_flushes(f->recording, 4), 1);
    assert_int_equal(recording_flushes(f->recording, 3), 0);
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
    int broken = 0;

    for (size_t point = 0; point <= recording_length(f->recording); point++) {
        for (uint32_t seed = 0; seed <= SEEDS; seed++) {
            const uint8_t *disk = image(f, point, seed);

            broken += disk[0] > disk[4096];
        }
    }
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
