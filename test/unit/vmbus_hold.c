/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers in bunches: for a guest with many requests under way, and for no other. */
#include <string.h>

#include "vmbus_rig.h"

enum { PATIENCE = 1000 }; /* more turns than answers are ever held */

static struct rig r;
static struct rig_guest guest;
static struct enlh_channel *channel;

static void
start(void)
{
    channel = rig_open_one(&r, &guest);
    r.dev.echo = true;
}

static uint64_t
signals(void)
{
    struct enlh_channel_counters out;

    enlh_channel_counters(channel, &out);
    return out.signals_out;
}

static void
send(uint32_t count)
{
    while (count-- > 0)
        (void)rig_send(&guest, 1, "12345678", 8);
}

static uint32_t
receive(void)
{
    struct enl_ring_packet packet;
    uint8_t payload[8];
    uint32_t count = 0;

    while (rig_receive(&guest, &packet, payload, sizeof(payload)))
        count++;
    (void)enl_ring_release(&guest.in);
    return count;
}

/* Turns until the worker sleeps; the guest does nothing. Returns how many. */
static uint32_t
run_to_sleep(void)
{
    uint32_t turns = 1;

    while (enlh_channel_run(channel) == ENLH_RUN_MORE)
        assert_true(turns++ < PATIENCE);
    return turns;
}

/*
 * A guest that keeps depth requests under way: two at once to begin with, then one in each
 * turn, as long as there are fewer; then it waits.
 */
static void
keep_under_way(uint32_t depth, uint32_t count)
{
    uint32_t free = depth - 2;

    send(2);
    while (count > 0) {
        (void)enlh_channel_run(channel);
        if (!free)
            (void)run_to_sleep();
        free += receive();
        if (!free)
            continue;
        send(1);
        free--;
        count--;
    }
    (void)run_to_sleep();
    (void)receive();
}

static void
hold_single_request_is_answered_at_once(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 50; i++) {
        send(1);
        assert_int_equal(run_to_sleep(), 1);
        assert_int_equal(receive(), 1);
    }
    assert_int_equal(signals(), 50);
    rig_stop(&r);
}

static void
hold_many_under_way_share_an_interrupt(void **state)
{
    (void)state;
    start();
    keep_under_way(32, 1000);
    assert_true(signals() < 1000 / 10);
    rig_stop(&r);
}

/* The guest's depth is 4: there is no bunch of 16 to wait for, time after time. */
static void
hold_learns_what_the_guest_has_under_way(void **state)
{
    uint32_t turns = 0;

    (void)state;
    start();
    keep_under_way(32, 200);
    for (int i = 0; i < 100; i++) {
        send(4);
        turns += run_to_sleep();
        assert_int_equal(receive(), 4);
    }
    assert_true(turns < 100 + 10 * 110);
    rig_stop(&r);
}

/* From deep to one at a time: a few answers are late, by a bounded number of turns. */
static void
hold_ends_when_the_guest_waits(void **state)
{
    (void)state;
    start();
    keep_under_way(32, 200);
    for (int i = 0; i < 10; i++) {
        send(1);
        assert_true(run_to_sleep() < 120);
        assert_int_equal(receive(), 1);
    }
    send(1);
    assert_int_equal(run_to_sleep(), 1);
    assert_int_equal(receive(), 1);
    rig_stop(&r);
}

/* A guest that polls is interrupted by nothing, so nothing is gained by waiting. */
static void
hold_spares_a_guest_that_polls(void **state)
{
    (void)state;
    start();
    keep_under_way(32, 200);
    enl_ring_mask(&guest.in, true);
    send(1);
    assert_int_equal(run_to_sleep(), 1);
    assert_int_equal(receive(), 1);
    rig_stop(&r);
}

/* To look again and again would take the processor from whoever works for the device. */
static void
hold_spares_a_device_that_works(void **state)
{
    (void)state;
    start();
    keep_under_way(32, 200);
    r.dev.echo = false;
    send(1);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    r.dev.echo = true;
    send(1);
    assert_int_equal(run_to_sleep(), 1);
    assert_int_equal(receive(), 1);
    rig_stop(&r);
}

/* What is held is not lost when the channel lets go. */
static void
hold_ends_with_the_channel(void **state)
{
    (void)state;
    start();
    keep_under_way(32, 200);
    send(2);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_MORE);
    assert_int_equal(receive(), 0);
    enlh_channel_rescind(channel);
    rig_settle(&r);
    assert_int_equal(receive(), 2);
    rig_stop(&r);
}

/* Space that the guest waits for is given back while answers are held. */
static void
hold_gives_space_back(void **state)
{
    (void)state;
    start();
    keep_under_way(32, 200);
    send(2);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_MORE);
    assert_int_equal(guest.out.view.header->read_index, guest.out.published);
    rig_stop(&r);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(hold_single_request_is_answered_at_once),
        cmocka_unit_test(hold_many_under_way_share_an_interrupt),
        cmocka_unit_test(hold_learns_what_the_guest_has_under_way),
        cmocka_unit_test(hold_ends_when_the_guest_waits),
        cmocka_unit_test(hold_spares_a_guest_that_polls),
        cmocka_unit_test(hold_spares_a_device_that_works),
        cmocka_unit_test(hold_ends_with_the_channel),
        cmocka_unit_test(hold_gives_space_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
