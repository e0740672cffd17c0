/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/block_work.c - which system calls a request becomes, and what their results
 * make of it, without making any
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "block_rig.h"
#include "backend/block/work.h"

enum { DISK = 1 << 30, PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };

/* A queue of one slot on a disk that does not exist; its rig is only there for its RAM. */
struct bench {
    struct rig rig;
    struct enlh_block memory;
    struct enlb_file file;
    struct enlh_block_queue queue;
    struct rig_io io;
    struct enlb_work *work;
    struct enlb_step step;
    struct iovec iov[ENLB_IOV_MAX];
};

static int
setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    const struct enlh_wake wake = {.fd = -1};

    assert_non_null(b);
    assert_int_equal(enlb_memory_create(4096, 512, &b->memory), 0);
    rig_start(&b->rig, &b->memory, 1);
    b->file.info.size = DISK;
    b->file.info.block_size = 512;
    assert_int_equal(
        enlb_work_queue_init(&b->queue, &b->file, b->rig.partition, 1, &wake), 0);
    *state = b;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *b = *state;

    enlb_work_queue_fini(&b->queue);
    rig_stop(&b->rig);
    enlb_memory_destroy(&b->memory);
    free(b);
    return 0;
}

static void
begin(struct bench *b, enum enlh_block_op op, uint64_t len, bool fua)
{
    if (b->work)
        enlb_work_finish(b->work);
    rig_io_init(&b->io, &b->rig, op, 4096, len, 0);
    b->io.request.fua = fua;
    b->work = enlb_work_take(&b->queue, &b->io.request);
    assert_non_null(b->work);
    assert_int_equal(b->work->result, 0);
}

static void
step(struct bench *b)
{
    enlb_work_step(b->work, b->iov, ENLB_IOV_MAX, &b->step);
}

static void
forced_write_is_a_synchronous_write(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_WRITE, 4096, true);
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_WRITE);
    assert_int_equal(b->step.flags, RWF_DSYNC);
    assert_int_equal(b->step.offset, 4096);
    begin(b, ENLH_BLOCK_WRITE, 4096, false);
    step(b);
    assert_int_equal(b->step.flags, 0);
    begin(b, ENLH_BLOCK_READ, 4096, true);
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_READ);
    assert_int_equal(b->step.flags, 0);
}

/* A resumed write is as forced as its beginning. */
static void
rest_of_a_forced_write_is_forced(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_WRITE, 4096, true);
    step(b);
    assert_false(enlb_work_result(b->work, 1000));
    step(b);
    assert_int_equal(b->step.flags, RWF_DSYNC);
    assert_int_equal(b->step.offset, 5096);
    assert_int_equal(b->step.iov_count, 1);
    assert_ptr_equal(b->iov[0].iov_base, b->rig.ram + 1000);
    assert_int_equal(b->iov[0].iov_len, 3096);
    assert_true(enlb_work_result(b->work, 3096));
    assert_int_equal(b->work->result, 0);
}

static void
forced_zeros_end_with_a_sync(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_ZERO, 4096, true);
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_ALLOCATE);
    assert_false(enlb_work_result(b->work, 0));
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_SYNC);
    assert_true(enlb_work_result(b->work, 0));
    begin(b, ENLH_BLOCK_ZERO, 4096, false);
    step(b);
    assert_true(enlb_work_result(b->work, 0));
}

static void
flush_is_a_sync_and_its_failure_is_told(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_FLUSH, 0, false);
    assert_false(enlb_work_is_over(b->work));
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_SYNC);
    assert_true(enlb_work_result(b->work, -EIO));
    assert_int_equal(b->work->result, -ENL_E_IO);
}

/* Of another queue, too: Linux tells one of them only, and of the next sync nothing. */
static void
failed_sync_is_the_last_one(void **state)
{
    static const enum enlh_block_op writes[] = {ENLH_BLOCK_WRITE, ENLH_BLOCK_ZERO};
    const struct enlh_wake wake = {.fd = -1};
    struct enlh_block_queue other;
    struct bench *b = *state;
    struct enlb_work *beside;
    struct rig_io io;

    assert_int_equal(enlb_work_queue_init(&other, &b->file, b->rig.partition, 1, &wake),
                     0);
    rig_io_init(&io, &b->rig, ENLH_BLOCK_FLUSH, 0, 0, 0);
    beside = enlb_work_take(&other, &io.request);
    enlb_work_step(beside, b->iov, ENLB_IOV_MAX, &b->step);
    begin(b, ENLH_BLOCK_FLUSH, 0, false);
    step(b);
    assert_true(enlb_work_result(b->work, -ENOSPC));
    assert_true(enlb_work_result(beside, 0));
    assert_int_equal(beside->result, -ENL_E_NOSPC);
    enlb_work_finish(beside);
    rig_io_init(&io, &b->rig, ENLH_BLOCK_FLUSH, 0, 0, 0);
    beside = enlb_work_take(&other, &io.request);
    assert_true(enlb_work_is_over(beside));
    assert_int_equal(beside->result, -ENL_E_NOSPC);
    for (uint32_t i = 0; i < 2; i++) {
        enlb_work_finish(beside);
        rig_io_init(&io, &b->rig, writes[i], 0, 4096, 0);
        io.request.fua = true;
        beside = enlb_work_take(&other, &io.request);
        assert_int_equal(beside->result, -ENL_E_NOSPC);
    }
    enlb_work_queue_fini(&other);
    begin(b, ENLH_BLOCK_WRITE, 4096, false); /* promises nothing */
    begin(b, ENLH_BLOCK_READ, 4096, true);
}

static void
failed_forced_write_is_a_failed_sync(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_WRITE, 4096, false);
    step(b);
    assert_true(enlb_work_result(b->work, -EIO));
    begin(b, ENLH_BLOCK_WRITE, 4096, true); /* the file was not said to be synced yet */
    step(b);
    assert_true(enlb_work_result(b->work, -EIO));
    enlb_work_finish(b->work);
    rig_io_init(&b->io, &b->rig, ENLH_BLOCK_FLUSH, 0, 0, 0);
    b->work = enlb_work_take(&b->queue, &b->io.request);
    assert_int_equal(b->work->result, -ENL_E_IO);
}

static void
zeros_try_each_way_once(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_ZERO, 8192, false);
    step(b);
    assert_int_equal(b->step.flags, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
    assert_int_equal(b->step.len, 8192);
    assert_false(enlb_work_result(b->work, -EOPNOTSUPP));
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_ALLOCATE);
    assert_int_equal(b->step.flags, PUNCH);
    assert_false(enlb_work_result(b->work, -EOPNOTSUPP));
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_WRITE);
    assert_true(enlb_work_result(b->work, 8192));
    assert_int_equal(b->work->result, 0);
    begin(b, ENLH_BLOCK_ZERO, 8192, false); /* the file is known now */
    step(b);
    assert_int_equal(b->step.kind, ENLB_STEP_WRITE);
}

/* Another request found out meanwhile: this one goes on with the next way, not the last. */
static void
way_that_moved_on_is_not_skipped(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_ZERO, 8192, false);
    step(b);
    atomic_store(&b->file.zero_way, ENLB_ZERO_PUNCH);
    assert_false(enlb_work_result(b->work, -EOPNOTSUPP));
    step(b);
    assert_int_equal(b->step.flags, PUNCH);
}

static void
step_of_written_zeros_is_bounded(void **state)
{
    struct bench *b = *state;
    uint64_t total = 0;

    atomic_store(&b->file.zero_way, ENLB_ZERO_WRITE);
    begin(b, ENLH_BLOCK_ZERO, 3 << 20, false);
    step(b);
    for (uint32_t i = 0; i < b->step.iov_count; i++) {
        total += b->iov[i].iov_len;
        assert_int_equal(*(const uint8_t *)b->iov[i].iov_base, 0);
    }
    assert_int_equal(total, 1 << 20);
    assert_false(enlb_work_result(b->work, 1 << 20));
    step(b);
    assert_int_equal(b->step.offset, 4096 + (1 << 20));
}

static void
discard_is_advice(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_DISCARD, 8192, false);
    step(b);
    assert_int_equal(b->step.flags, PUNCH);
    assert_true(enlb_work_result(b->work, -EOPNOTSUPP));
    assert_int_equal(b->work->result, 0);
    begin(b, ENLH_BLOCK_DISCARD, 8192, false);
    step(b);
    assert_true(enlb_work_result(b->work, -EIO));
    assert_int_equal(b->work->result, -ENL_E_IO);
}

static void
interrupted_step_is_tried_again_for_a_while(void **state)
{
    struct bench *b = *state;
    int tries = 0;

    begin(b, ENLH_BLOCK_READ, 4096, false);
    do {
        step(b);
        tries++;
    } while (!enlb_work_result(b->work, -EINTR) && tries < 1000);
    assert_int_equal(tries, 17);
    assert_int_equal(b->work->result, -ENL_E_IO);
}

static void
end_of_file_is_an_error(void **state)
{
    struct bench *b = *state;

    begin(b, ENLH_BLOCK_READ, 4096, false);
    step(b);
    assert_true(enlb_work_result(b->work, 0));
    assert_int_equal(b->work->result, -ENL_E_IO);
}

/* Direct I/O goes on at a whole block, or it would be refused. */
static void
short_direct_transfer_goes_on_at_a_block(void **state)
{
    struct bench *b = *state;

    b->file.memory_align = 512;
    begin(b, ENLH_BLOCK_READ, 4096, false);
    step(b);
    assert_false(enlb_work_result(b->work, 1000));
    step(b);
    assert_int_equal(b->step.offset, 4096 + 512);
    assert_ptr_equal(b->iov[0].iov_base, b->rig.ram + 512);
}

static void
request_that_makes_no_sense_is_refused(void **state)
{
    struct bench *b = *state;

    rig_io_init(&b->io, &b->rig, ENLH_BLOCK_READ, 0, 1024, 0);
    b->io.few[0].len = 1536;
    assert_int_equal(enlb_work_check(&b->file.info, &b->io.request), -ENL_E_INVAL);
    b->io.few[0].len = 1024;
    rig_io_span(&b->io, 4096, 0);
    assert_int_equal(enlb_work_check(&b->file.info, &b->io.request), -ENL_E_INVAL);
    b->io.few[1].len = UINT64_MAX;
    assert_int_equal(enlb_work_check(&b->file.info, &b->io.request), -ENL_E_INVAL);
    rig_io_init(&b->io, &b->rig, (enum enlh_block_op)5, 0, 512, 0);
    assert_int_equal(enlb_work_check(&b->file.info, &b->io.request), -ENL_E_INVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(forced_write_is_a_synchronous_write),
        CASE(rest_of_a_forced_write_is_forced),
        CASE(forced_zeros_end_with_a_sync),
        CASE(flush_is_a_sync_and_its_failure_is_told),
        CASE(failed_sync_is_the_last_one),
        CASE(failed_forced_write_is_a_failed_sync),
        CASE(zeros_try_each_way_once),
        CASE(way_that_moved_on_is_not_skipped),
        CASE(step_of_written_zeros_is_bounded),
        CASE(discard_is_advice),
        CASE(interrupted_step_is_tried_again_for_a_while),
        CASE(end_of_file_is_an_error),
        CASE(short_direct_transfer_goes_on_at_a_block),
        CASE(request_that_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
