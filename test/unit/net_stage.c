/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets between channels and a network of one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/net.h"
#include "fake_partition.h"

static struct fake f;
static struct enlb_stage stage;
static uint32_t notified, woken[4];
static struct enlh_net_queue *queues[4];

static void
notify(void *ctx)
{
    (void)ctx;
    notified++;
}

static void
wake(void *ctx)
{
    ++*(uint32_t *)ctx;
}

static int
start(void **state)
{
    const struct enlh_net_info info = {.max_mtu = 1500, .max_queues = 4};

    (void)state;
    fake_boot(&f, 1);
    memset(&stage, 0, sizeof(stage));
    memset(woken, 0, sizeof(woken));
    notified = 0;
    assert_int_equal(enlb_stage_init(&stage, &info, notify, NULL), 0);
    atomic_store(&stage.up, true);
    for (uint32_t i = 0; i < 4; i++) {
        const struct enlh_wake how = {.fn = wake, .ctx = &woken[i], .fd = -1};

        assert_int_equal(enlb_stage_open(&stage, i, f.partition, &how, &queues[i]), 0);
    }
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        enlb_stage_close(&stage, queues[i]);
    enlb_stage_fini(&stage);
    fake_fini(&f);
    return 0;
}

static struct enlh_net_frame
frame_of(uint32_t len)
{
    static struct enlh_span spans[2];
    struct enlh_net_frame frame = {.len = len, .head_len = 20, .spans = spans};

    for (uint32_t i = 0; i < len - 20; i++)
        *(uint8_t *)fake_at(&f, 0x10000 + i, 1) = (uint8_t)i;
    memset(frame.head, 0x77, 20);
    spans[0] = (struct enlh_span){.offset = 0x10000, .len = 7};
    spans[1] = (struct enlh_span){.offset = 0x10007, .len = len - 27};
    frame.span_count = 2;
    return frame;
}

static void
stage_a_frame_is_copied_whole(void **state)
{
    struct enlh_net_frame frame = frame_of(500);
    struct enlb_packet_list list;
    struct enlb_packet *packet;

    (void)state;
    assert_int_equal(enlb_stage_transmit(queues[1], &frame), 1);
    assert_int_equal(enlb_stage_transmit(queues[1], &frame), 1);
    assert_int_equal(notified, 0);
    enlb_stage_kick(queues[1]);
    assert_int_equal(notified, 1);
    assert_int_equal(enlb_stage_transmit(queues[2], &frame), 1);
    enlb_stage_kick(queues[2]);
    assert_int_equal(notified, 1); /* it has not looked yet */
    memset(fake_at(&f, 0x10000, 500), 0, 500);
    enlb_stage_take(&stage, &list);
    assert_int_equal(list.count, 3);
    packet = enlb_packet_list_take(&list);
    assert_int_equal(packet->len, 500);
    assert_int_equal(packet->bytes[19], 0x77);
    assert_int_equal(packet->bytes[20 + 300], 300 & 0xff);
    free(packet);
    enlb_packet_list_clear(&list);
}

static void
stage_a_checksum_is_filled_in(void **state)
{
    struct enlh_net_frame frame = frame_of(100);
    struct enlb_packet_list list;
    uint32_t sum = 0;

    (void)state;
    frame.offload = (struct enlh_net_offload){
        .flags = ENLH_NET_CHECKSUM_PARTIAL, .checksum_start = 14, .checksum_offset = 4};
    enlb_stage_transmit(queues[0], &frame);
    enlb_stage_take(&stage, &list);
    for (uint32_t i = 14; i < 100; i += 2)
        sum += (uint32_t)list.first->bytes[i] << 8 | list.first->bytes[i + 1];
    sum += 0x7777; /* what the field held, and went into the sum */
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
    enlb_packet_list_clear(&list);
}

/* Large frames do not wait for the end of a turn. */
static void
stage_much_that_goes_is_told_at_once(void **state)
{
    struct enlh_net_frame frame = frame_of(60000);
    struct enlb_packet_list list;

    (void)state;
    enlb_stage_transmit(queues[0], &frame);
    enlb_stage_transmit(queues[0], &frame);
    assert_int_equal(notified, 0);
    enlb_stage_transmit(queues[0], &frame);
    assert_int_equal(notified, 1);
    enlb_stage_kick(queues[0]);
    assert_int_equal(notified, 1);
    enlb_stage_take(&stage, &list);
    enlb_packet_list_clear(&list);
}

/* A channel may close before its turn's end; what it gave goes all the same. */
static void
stage_what_goes_outlives_its_queue(void **state)
{
    struct enlh_net_frame frame = frame_of(200);
    struct enlb_packet_list list;

    (void)state;
    enlb_stage_transmit(queues[1], &frame);
    assert_int_equal(notified, 0);
    enlb_stage_close(&stage, queues[1]);
    assert_int_equal(notified, 1);
    enlb_stage_take(&stage, &list);
    assert_int_equal(list.count, 1);
    enlb_packet_list_clear(&list);
}

/* A guest that is faster than the network waits, and is woken when it may go on. */
static void
stage_what_goes_is_bounded(void **state)
{
    struct enlh_net_frame frame = frame_of(200);
    struct enlb_packet_list list;
    uint32_t taken = 0;

    (void)state;
    while (enlb_stage_transmit(queues[3], &frame) == 1)
        assert_true(++taken < 10000);
    assert_int_equal(woken[3], 0);
    enlb_stage_take(&stage, &list);
    assert_int_equal(list.count, taken);
    enlb_packet_list_clear(&list);
    assert_int_equal(woken[3], 1);
    assert_int_equal(enlb_stage_transmit(queues[3], &frame), 1);
}

static void
bring(uint32_t len, uint8_t first)
{
    struct enlb_packet *packet = enlb_packet_make(len);

    assert_non_null(packet);
    memset(packet->bytes, first, len);
    enlb_stage_bring(&stage, packet);
    enlb_stage_show(&stage);
}

static uint32_t
receive(uint32_t queue, uint32_t pieces, struct enlh_net_received *frames)
{
    static struct enlh_span spans[8];
    struct enlh_net_piece list[4];

    for (uint32_t i = 0; i < pieces; i++) {
        spans[2 * i] = (struct enlh_span){.offset = 0x20000 + i * 0x1000, .len = 500};
        spans[2 * i + 1] = (struct enlh_span){.offset = 0x28000 + i * 0x1000, .len = 500};
        list[i] =
            (struct enlh_net_piece){.spans = &spans[2 * i], .span_count = 2, .len = 1000};
    }
    return enlb_stage_receive(queues[queue], list, pieces, frames, 4);
}

/* A channel that has taken what there was is not woken for it. */
static void
stage_what_was_taken_is_no_news(void **state)
{
    struct enlh_net_received frames[4];
    struct enlb_packet *packet = enlb_packet_make(60);

    (void)state;
    memset(packet->bytes, 0, 60);
    enlb_stage_bring(&stage, packet);
    assert_int_equal(receive(0, 4, frames), 1);
    enlb_stage_show(&stage);
    assert_int_equal(woken[0], 0);
    bring(60, 1);
    assert_int_equal(woken[0], 1);
}

static void
stage_frames_fill_pieces_in_turn(void **state)
{
    struct enlh_net_received frames[4];

    (void)state;
    bring(600, 1);
    bring(1400, 2);
    bring(100, 3);
    assert_int_equal(woken[0], 1);
    assert_int_equal(receive(0, 2, frames), 1); /* the second needs two pieces */
    assert_int_equal(frames[0].len, 600);
    assert_int_equal(frames[0].piece_count, 1);
    assert_int_equal(*(uint8_t *)fake_at(&f, 0x20000 + 499, 1), 1);
    assert_int_equal(*(uint8_t *)fake_at(&f, 0x28000 + 99, 1), 1);
    assert_int_equal(receive(0, 4, frames), 2);
    assert_int_equal(frames[0].piece_count, 2);
    assert_int_equal(*(uint8_t *)fake_at(&f, 0x21000 + 399, 1), 2);
    assert_int_equal(frames[1].len, 100);
    assert_int_equal(receive(0, 4, frames), 0);
}

static void
stage_a_frame_longer_than_the_guest_takes_is_lost(void **state)
{
    struct enlh_net_received frames[4];

    (void)state;
    bring(1519, 1);
    bring(700, 2);
    assert_int_equal(receive(0, 4, frames), 1);
    assert_int_equal(frames[0].len, 700);
}

/* Its wake was for a channel that had no pieces, and is gone. */
static void
stage_what_waits_behind_lost_frames_is_found(void **state)
{
    struct enlh_net_received frames[4];

    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        bring(700, 1);
    bring(1519, 2);
    assert_int_equal(receive(0, 4, frames), 4);
    bring(600, 3);
    bring(1519, 4);
    assert_int_equal(receive(0, 4, frames), 1);
    assert_int_equal(frames[0].len, 600);
    assert_int_equal(receive(0, 4, frames), 0);
    bring(500, 5);
    assert_int_equal(woken[0], 3);
    assert_int_equal(receive(0, 4, frames), 1);
}

static void
stage_what_comes_is_bounded(void **state)
{
    struct enlh_net_received frames[4];
    uint32_t count = 0;

    (void)state;
    for (uint32_t i = 0; i < 5000; i++)
        bring(60, 1);
    while (receive(0, 4, frames))
        count += 4;
    assert_int_equal(count, 2048);
}

static void
stage_frames_are_steered(void **state)
{
    struct enlh_net_setup setup = {.mtu = 1500};
    struct enlh_net_received frames[4];
    struct enlb_packet *packet = enlb_packet_make(60);

    (void)state;
    setup.steering.hash = ENL_NDIS_HASH_IPV4;
    memset(setup.steering.table, 2, sizeof(setup.steering.table));
    enlb_stage_setup(&stage, &setup);
    memset(packet->bytes, 0, 60);
    packet->bytes[12] = 8;
    packet->bytes[14] = 0x45;
    enlb_stage_bring(&stage, packet);
    assert_int_equal(woken[2], 0);
    enlb_stage_show(&stage);
    assert_int_equal(woken[2], 1);
    assert_int_equal(receive(2, 4, frames), 1);
    bring(60, 9); /* no IP: the first queue's */
    assert_int_equal(receive(0, 4, frames), 1);
}

static void
stage_a_link_that_changes_wakes_every_queue(void **state)
{
    struct enlh_net_frame frame = frame_of(100);

    (void)state;
    enlb_stage_set_link(&stage, false);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(woken[i], 1);
    enlb_stage_set_link(&stage, false);
    assert_int_equal(woken[0], 1);
    assert_int_equal(enlb_stage_transmit(queues[0], &frame), 1);
    assert_int_equal(notified, 0); /* lost */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stage_a_frame_is_copied_whole, start, stop),
        cmocka_unit_test_setup_teardown(stage_a_checksum_is_filled_in, start, stop),
        cmocka_unit_test_setup_teardown(stage_much_that_goes_is_told_at_once, start,
                                        stop),
        cmocka_unit_test_setup_teardown(stage_what_goes_outlives_its_queue, start, stop),
        cmocka_unit_test_setup_teardown(stage_what_was_taken_is_no_news, start, stop),
        cmocka_unit_test_setup_teardown(stage_what_goes_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(stage_frames_fill_pieces_in_turn, start, stop),
        cmocka_unit_test_setup_teardown(stage_a_frame_longer_than_the_guest_takes_is_lost,
                                        start, stop),
        cmocka_unit_test_setup_teardown(stage_what_waits_behind_lost_frames_is_found,
                                        start, stop),
        cmocka_unit_test_setup_teardown(stage_what_comes_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(stage_frames_are_steered, start, stop),
        cmocka_unit_test_setup_teardown(stage_a_link_that_changes_wakes_every_queue,
                                        start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
