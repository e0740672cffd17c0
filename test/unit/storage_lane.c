/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lane's requests: how many, in which order answered, what happens when the guest's ring
 * or a backend is full, and how it lets go. What runs between open and close allocates
 * nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "storage_rig.h"

static void
depth_of_eight(struct enlh_storage_config *config)
{
    config->queue_depth = 8;
}

static int
setup_eight(void **state)
{
    struct rig *rig = rig_new(depth_of_eight);

    rig_start(rig);
    *state = rig;
    return 0;
}

static void
put_reads(struct rig *rig, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct enl_storage_packet packet = rig_read(i, 1);

        rig_put_srb(rig, &packet);
    }
}

static void
lane_full_of_requests_leaves_packets_in_the_ring(void **state)
{
    struct rig *rig = *state;

    rig->disks[0].hold = true;
    put_reads(rig, 20);
    assert_int_equal(fake_channel_run(rig->channel), 8);
    assert_int_equal(fake_disk_in_flight(&rig->disks[0]), 8);
    assert_int_equal(fake_channel_run(rig->channel), 0);
    fake_disk_finish(&rig->disks[0], 3);
    assert_int_equal(fake_channel_run(rig->channel), 3);
    assert_int_equal(fake_disk_in_flight(&rig->disks[0]), 8);
    for (uint32_t i = 0; i < 3; i++)
        (void)rig_answer(rig, rig->transaction_id - 19 + i, 64);
    rig_silent(rig);
    rig->disks[0].hold = false;
    for (uint32_t i = 0; i < 8; i++)
        (void)fake_channel_run(rig->channel);
    for (uint32_t i = 3; i < 20; i++)
        (void)rig_answer(rig, rig->transaction_id - 19 + i, 64);
    rig_silent(rig);
}

static void
lane_answers_as_the_backend_finishes(void **state)
{
    struct rig *rig = *state;

    rig->disks[0].hold = true;
    rig->disks[0].reverse = true;
    put_reads(rig, 5);
    (void)fake_channel_run(rig->channel);
    fake_disk_finish(&rig->disks[0], 5);
    (void)fake_channel_run(rig->channel);
    for (uint32_t i = 0; i < 5; i++)
        (void)rig_answer(rig, rig->transaction_id - i, 64);
    rig_silent(rig);
}

static void
lane_batch_has_one_kick_and_one_publish(void **state)
{
    struct rig *rig = *state;
    uint32_t kicks = rig->disks[0].kicks, publishes = rig->channel->publishes;

    put_reads(rig, 8);
    assert_int_equal(fake_channel_run(rig->channel), 8);
    assert_int_equal(rig->disks[0].kicks, kicks + 1);
    assert_int_equal(rig->channel->publishes, publishes + 1);
    assert_int_equal(rig->channel->answer_count, 8);
}

static void
lane_idle_run_touches_no_backend(void **state)
{
    struct rig *rig = *state;
    uint32_t kicks = rig->disks[0].kicks, reaps = rig->disks[0].reaps;

    (void)fake_channel_run(rig->channel);
    assert_int_equal(rig->disks[0].kicks, kicks);
    assert_int_equal(rig->disks[0].reaps, reaps);
}

static void
lane_completion_wakes_the_channel(void **state)
{
    struct rig *rig = *state;

    rig->disks[0].hold = true;
    put_reads(rig, 1);
    (void)fake_channel_run(rig->channel);
    assert_int_equal(atomic_load(&rig->channel->wakes), 0);
    fake_disk_finish(&rig->disks[0], 1);
    assert_int_equal(atomic_load(&rig->channel->wakes), 1);
}

static void
lane_answers_wait_for_room_in_order(void **state)
{
    struct rig *rig = *state;
    uint64_t first = rig->transaction_id + 1;

    rig->channel->room = 2;
    put_reads(rig, 8);
    assert_int_equal(fake_channel_run(rig->channel), 8);
    assert_int_equal(rig->channel->answer_count, 2);
    /* All requests are taken by answers that wait: a packet must not get lost. */
    put_reads(rig, 3);
    assert_int_equal(fake_channel_run(rig->channel), 2);
    assert_int_equal(fake_channel_run(rig->channel), 0);
    rig->channel->room = 3;
    assert_int_equal(fake_channel_run(rig->channel), 1);
    assert_int_equal(rig->channel->answer_count, 5);
    rig->channel->room = -1;
    (void)fake_channel_run(rig->channel);
    for (uint32_t i = 0; i < 11; i++)
        (void)rig_answer(rig, first + i, 64);
    rig_silent(rig);
}

/* Answers that need no disk wait like the others. */
static void
lane_quick_answers_wait_for_room_too(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet ready = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0x00);
    uint64_t first = rig->transaction_id + 1;

    rig->channel->room = 0;
    for (uint32_t i = 0; i < 4; i++)
        rig_put_srb(rig, &ready);
    assert_int_equal(fake_channel_run(rig->channel), 4);
    rig->channel->room = -1;
    rig_put_srb(rig, &ready);
    (void)fake_channel_run(rig->channel);
    for (uint32_t i = 0; i < 5; i++)
        (void)rig_answer(rig, first + i, 64);
    rig_silent(rig);
}

static struct enl_storage_packet
put_scattered(struct rig *rig)
{
    struct enl_storage_packet packet = rig_read(0, 100);
    struct enlh_span spans[100];

    rig_make_spans(rig, spans, 100, 512, 1024);
    rig_put(rig, &packet, sizeof(packet), spans, 100);
    return packet;
}

static void
lane_out_of_long_arrays_leaves_packets_in_the_ring(void **state)
{
    struct rig *rig = *state;

    rig->disks[0].hold = true;
    for (uint32_t i = 0; i < 20; i++)
        (void)put_scattered(rig);
    put_reads(rig, 1);
    assert_int_equal(fake_channel_run(rig->channel), 16);
    assert_int_equal(fake_disk_in_flight(&rig->disks[0]), 16);
    assert_int_equal(rig_counters(rig).reads, 16);
    fake_disk_finish(&rig->disks[0], 1);
    assert_int_equal(fake_channel_run(rig->channel), 1);
    rig->disks[0].hold = false;
    for (uint32_t i = 0; i < 4; i++)
        (void)fake_channel_run(rig->channel);
    for (uint32_t i = 0; i < 21; i++)
        (void)rig_answer(rig, rig->transaction_id - 20 + i, 64);
    assert_int_equal(rig_counters(rig).reads, 21);
}

static void
lane_allocates_nothing_while_it_is_open(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet;

    rig->fake.alloc_countdown = 0;
    for (uint32_t round = 0; round < 50; round++) {
        (void)put_scattered(rig);
        put_reads(rig, 5);
        packet = rig_packet(ENL_STORAGE_RESET_LUN);
        rig_put(rig, &packet, sizeof(packet), NULL, 0);
        packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0xff);
        rig_put_srb(rig, &packet);
        for (uint32_t turn = 0; turn < 3; turn++)
            (void)fake_channel_run(rig->channel);
    }
    assert_int_equal(rig->channel->answer_count, 50 * 8);
    rig->fake.alloc_countdown = -1;
}

/* ---- letting go ---- */

static void
lane_quiesce_waits_for_the_backend(void **state)
{
    struct rig *rig = *state;

    rig->disks[0].hold = true;
    put_reads(rig, 4);
    (void)fake_channel_run(rig->channel);
    assert_false(fake_channel_try_close(rig->channel, 5));
    fake_disk_finish(&rig->disks[0], 3);
    assert_false(fake_channel_try_close(rig->channel, 5));
    assert_int_equal(rig->channel->answer_count, 3);
    fake_disk_finish(&rig->disks[0], 1);
    assert_true(fake_channel_try_close(rig->channel, 1));
    assert_int_equal(rig->channel->answer_count, 4);
}

static void
lane_quiesce_does_not_wait_for_the_guest(void **state)
{
    struct rig *rig = *state;

    rig->channel->room = 0;
    put_reads(rig, 4);
    (void)fake_channel_run(rig->channel);
    assert_true(fake_channel_try_close(rig->channel, 1));
    rig_silent(rig);
}

static void
lane_quiesce_ends_an_unmap(void **state)
{
    struct rig *rig = *state;
    uint8_t *list = rig_memory(rig, RIG_BUFFER);
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_WRITE, 72, 0x42, 0, 0, 0, 0, 0, 0, 0, 72);

    memset(list, 0, 72);
    list[3] = 64;
    for (uint32_t i = 0; i < 4; i++)
        list[8 + 16 * i + 11] = 1;
    rig->disks[0].hold = true;
    rig_put_srb(rig, &packet);
    (void)fake_channel_run(rig->channel);
    rig->disks[0].hold = false;
    assert_true(fake_channel_try_close(rig->channel, 10));
    assert_int_equal(rig->disks[0].count[ENLH_BLOCK_DISCARD], 4);
}

static void
lane_reopens_with_all_its_requests(void **state)
{
    struct rig *rig = *state;

    for (uint32_t i = 0; i < 3; i++) {
        put_reads(rig, 8);
        (void)fake_channel_run(rig->channel);
        fake_channel_close(rig->channel);
        while (rig->channel->answer_count)
            (void)rig_answer(rig, rig->transaction_id - rig->channel->answer_count + 1,
                             64);
        rig_start(rig);
    }
    assert_int_equal(rig->disks[0].opens, 4);
    assert_int_equal(rig->disks[0].closes, 3);
}

/* ---- opening ---- */

static void
lane_open_without_memory_fails_clean(void **state)
{
    struct rig *rig = rig_new(NULL);
    uint64_t before = rig->fake.alloc_bytes;
    int32_t countdown = 0;
    int result;

    (void)state;
    assert_int_equal(rig_attach(rig, 1, 1), 0);
    before = rig->fake.alloc_bytes;
    do {
        rig->fake.alloc_countdown = countdown++;
        result = fake_channel_open(rig->channel);
        rig->fake.alloc_countdown = -1;
        if (result < 0) {
            assert_int_equal(result, -ENL_E_NOMEM);
            assert_int_equal(rig->fake.alloc_bytes, before);
        }
    } while (result < 0);
    assert_in_range(countdown, 3, 10);
    rig_free(rig);
}

static void
lane_open_with_a_broken_backend_fails_clean(void **state)
{
    struct rig *rig = rig_new(NULL);
    uint64_t before;

    (void)state;
    assert_int_equal(rig_attach(rig, 1, 1), 0);
    before = rig->fake.alloc_bytes;
    rig->disks[1].open_result = -ENL_E_IO;
    assert_int_equal(fake_channel_open(rig->channel), -ENL_E_IO);
    assert_int_equal(rig->fake.alloc_bytes, before);
    assert_int_equal(rig->disks[0].opens, rig->disks[0].closes);
    rig->disks[1].open_result = 0;
    assert_int_equal(fake_channel_open(rig->channel), 0);
    rig_free(rig);
}

static int
wake_fd_of(void *ctx, struct enlh_channel *channel)
{
    assert_ptr_equal(ctx, &wake_fd_of);
    assert_non_null(channel);
    return 77;
}

static void
with_wake_fd(struct enlh_storage_config *config)
{
    config->wake_fd = wake_fd_of;
    config->wake_ctx = (void *)&wake_fd_of;
}

static void
lane_passes_the_workers_descriptor_on(void **state)
{
    struct rig *rig = rig_new(with_wake_fd);

    (void)state;
    rig_start(rig);
    assert_int_equal(rig->disks[0].queues[0].wake.fd, 77);
    assert_ptr_equal(rig->disks[0].queues[0].wake.ctx, rig->channel);
    assert_int_equal(rig->disks[0].queues[0].depth, 256);
    rig_free(rig);
}

#define EIGHT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_eight, rig_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        EIGHT_TEST(lane_full_of_requests_leaves_packets_in_the_ring),
        EIGHT_TEST(lane_answers_as_the_backend_finishes),
        EIGHT_TEST(lane_batch_has_one_kick_and_one_publish),
        EIGHT_TEST(lane_idle_run_touches_no_backend),
        EIGHT_TEST(lane_completion_wakes_the_channel),
        EIGHT_TEST(lane_answers_wait_for_room_in_order),
        EIGHT_TEST(lane_quick_answers_wait_for_room_too),
        RIG_TEST(lane_out_of_long_arrays_leaves_packets_in_the_ring),
        RIG_TEST(lane_allocates_nothing_while_it_is_open),
        EIGHT_TEST(lane_quiesce_waits_for_the_backend),
        EIGHT_TEST(lane_quiesce_does_not_wait_for_the_guest),
        EIGHT_TEST(lane_quiesce_ends_an_unmap),
        EIGHT_TEST(lane_reopens_with_all_its_requests),
        cmocka_unit_test(lane_open_without_memory_fails_clean),
        cmocka_unit_test(lane_open_with_a_broken_backend_fails_clean),
        cmocka_unit_test(lane_passes_the_workers_descriptor_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
