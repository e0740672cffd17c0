/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_batch.c - one full fence for each published batch and direction
 *
 * The room itself is compiled here, with fences that count themselves.
 */
#include "fence_count.h"

#include "common/ring.c"
#include "ring_rig.h"

unsigned long fence_count;

static struct ring_rig rig;

static int
start(void **state)
{
    (void)state;
    ring_rig_start(&rig, RIG_FLAT, 2);
    fence_count = 0;
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    ring_rig_stop(&rig);
    return 0;
}

static void
put(uint32_t count)
{
    uint64_t word = 1;
    struct enl_ring_piece piece = {&word, sizeof(word)};

    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(enl_ring_put(&rig.p, ENL_PACKET_INBAND, 0, i, &piece, 1, 0), 0);
}

static void
take(uint32_t count)
{
    struct enl_ring_packet packet;
    uint64_t word;

    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(enl_ring_get(&rig.c, &packet), 1);
        assert_int_equal(enl_ring_copy(&rig.c, &packet, 16, &word, 8), 0);
    }
}

static void
batch_is_published_with_one_fence(void **state)
{
    (void)state;
    put(1);
    assert_int_equal(fence_count, 0);
    enl_ring_publish(&rig.p);
    assert_int_equal(fence_count, 1);
    put(100);
    assert_int_equal(fence_count, 1);
    enl_ring_publish(&rig.p);
    assert_int_equal(fence_count, 2);
    enl_ring_publish(&rig.p); /* nothing new */
    assert_int_equal(fence_count, 2);
}

static void
batch_is_released_with_one_fence(void **state)
{
    (void)state;
    put(100);
    enl_ring_publish(&rig.p);
    fence_count = 0;
    enl_ring_mask(&rig.c, true);
    take(100);
    assert_int_equal(fence_count, 0);
    enl_ring_release(&rig.c);
    assert_int_equal(fence_count, 1);
    enl_ring_release(&rig.c); /* nothing new */
    assert_int_equal(fence_count, 1);
}

static void
going_to_sleep_takes_one_fence_more(void **state)
{
    (void)state;
    assert_false(enl_ring_unmask(&rig.c));
    assert_int_equal(fence_count, 1);
    assert_true(enl_ring_wait_space(&rig.p, 64));
    assert_int_equal(fence_count, 2);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batch_is_published_with_one_fence, start, stop),
        cmocka_unit_test_setup_teardown(batch_is_released_with_one_fence, start, stop),
        cmocka_unit_test_setup_teardown(going_to_sleep_takes_one_fence_more, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
