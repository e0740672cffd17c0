/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/block_memory.c - the disk in memory */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "block_rig.h"

enum { DISK = 1 << 20 };

static void
bytes_read_back(void **state)
{
    struct enlh_block block;
    struct rig rig;

    (void)state;
    assert_int_equal(enlb_memory_create(DISK, 512, &block), 0);
    rig_start(&rig, &block, 4);
    rig_fill(rig.ram, 65536, 1);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 512, 65536, 0), 0);
    assert_memory_equal(enlb_memory_bytes(&block) + 512, rig.ram, 65536);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_READ, 512, 65536, 1 << 20), 0);
    assert_memory_equal(rig.ram + (1 << 20), rig.ram, 65536);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_FLUSH, 0, 0, 0), 0);
    rig_stop(&rig);
    enlb_memory_destroy(&block);
}

static void
zeros_reach_exactly_as_far_as_asked(void **state)
{
    static const uint64_t ranges[][2] = {{0, 512},     {512, 512},   {512, 4096},
                                         {4096, 8192}, {3584, 1024}, {1024, 100 * 512}};
    struct enlh_block block;
    struct rig rig;

    (void)state;
    assert_int_equal(enlb_memory_create(DISK, 512, &block), 0);
    rig_start(&rig, &block, 4);
    memset(rig.ram, 0xaa, DISK);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        const uint8_t *bytes = enlb_memory_bytes(&block);
        uint64_t from = ranges[i][0];
        uint64_t to = from + ranges[i][1];

        assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 0, DISK, 0), 0);
        assert_int_equal(rig_do(&rig, i % 2 ? ENLH_BLOCK_ZERO : ENLH_BLOCK_DISCARD, from,
                                to - from, 0),
                         0);
        for (uint64_t at = 0; at < 128 * 1024; at++)
            assert_int_equal(bytes[at], at >= from && at < to ? 0 : 0xaa);
    }
    rig_stop(&rig);
    enlb_memory_destroy(&block);
}

static void
what_is_not_on_the_disk_is_refused(void **state)
{
    struct enlh_block block;
    struct rig rig;

    (void)state;
    assert_int_equal(enlb_memory_create(DISK, 4096, &block), 0);
    rig_start(&rig, &block, 4);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_READ, DISK, 4096, 0), -ENL_E_INVAL);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 0, 512, 0), -ENL_E_INVAL);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_ZERO, 4096, DISK, 0), -ENL_E_INVAL);
    rig_stop(&rig);
    enlb_memory_destroy(&block);
}

static void
sizes_are_whole_blocks(void **state)
{
    struct enlh_block block;

    (void)state;
    assert_int_equal(enlb_memory_create(0, 512, &block), -ENL_E_RANGE);
    assert_int_equal(enlb_memory_create(1000, 512, &block), -ENL_E_RANGE);
    assert_int_equal(enlb_memory_create(512, 4096, &block), -ENL_E_RANGE);
    assert_int_equal(enlb_memory_create(1024, 1024, &block), -ENL_E_RANGE);
    assert_int_equal(enlb_memory_create(UINT64_MAX - 511, 512, &block), -ENL_E_RANGE);
}

static void
depth_is_the_bound(void **state)
{
    struct rig_io ios[4];
    struct enlh_block block;
    struct rig rig;

    (void)state;
    assert_int_equal(enlb_memory_create(DISK, 512, &block), 0);
    rig_start(&rig, &block, 3);
    for (uint32_t i = 0; i < 4; i++)
        rig_io_init(&ios[i], &rig, ENLH_BLOCK_READ, 0, 512, 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(block.ops->submit(rig.queue, &ios[i].request), 0);
    assert_int_equal(block.ops->submit(rig.queue, &ios[3].request), -ENL_E_AGAIN);
    block.ops->kick(rig.queue);
    assert_int_equal(block.ops->submit(rig.queue, &ios[3].request), -ENL_E_AGAIN);
    rig_wait(&rig, 3);
    rig_submit(&ios[3]);
    rig_wait(&rig, 4);
    assert_int_equal(ios[3].result, 0);
    rig_stop(&rig);
    enlb_memory_destroy(&block);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_read_back),
        cmocka_unit_test(zeros_reach_exactly_as_far_as_asked),
        cmocka_unit_test(what_is_not_on_the_disk_is_refused),
        cmocka_unit_test(sizes_are_whole_blocks),
        cmocka_unit_test(depth_is_the_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
