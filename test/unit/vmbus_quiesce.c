/* SPDX-License-Identifier: BSD-2-Clause */
/* Letting go: nothing of an open channel goes before its worker has acknowledged. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;
static struct rig_guest guest;
static struct enlh_channel *channel;

/* An open channel whose device has a request in flight. */
static void
start_busy(void)
{
    channel = rig_open_one(&r, &guest);
    r.dev.busy = true;
}

static void
assert_ring_is_held(void)
{
    assert_ptr_equal(r.worker[guest.relid].channel, channel);
    assert_int_equal(r.dev.closes, 0);
    assert_non_null(channel->wire.pages);
    assert_non_null(channel->wire.payload);
    assert_true(r.bus->quota.count >= 1);
}

static void
assert_ring_is_free(void)
{
    assert_null(r.worker[guest.relid].channel);
    assert_int_equal(r.dev.closes, 1);
    assert_int_equal(r.worker[guest.relid].stops, 1);
}

/* ---- each way to lose a channel, with a request in flight ---- */

static void
quiesce_close_waits_for_requests_in_flight(void **state)
{
    (void)state;
    start_busy();
    rig_close(&r, &guest);
    assert_true(r.dev.quiesces > 0);
    assert_false(enlh_channel_is_open(channel));
    assert_ring_is_held();
    rig_finish(&r);
    assert_ring_is_free();
    rig_stop(&r);
}

/* X01: the answer is what lets the guest use its memory for something else. */
static void
quiesce_unload_is_answered_after_the_worker_let_go(void **state)
{
    (void)state;
    start_busy();
    rig_post_head(&r, ENL_VMBUS_UNLOAD);
    rig_settle(&r);
    rig_expect_none(&r);
    assert_ring_is_held();
    assert_false(enlh_vmbus_idle(r.bus));
    rig_finish(&r);
    assert_ring_is_free();
    rig_expect(&r, ENL_VMBUS_UNLOAD_RESPONSE, NULL, 0);
    assert_int_equal(r.bus->quota.count, 0);
    assert_true(enlh_vmbus_idle(r.bus));
    rig_stop(&r);
}

/* V39 */
static void
quiesce_contact_is_answered_after_the_worker_let_go(void **state)
{
    (void)state;
    start_busy();
    rig_contact(&r, ENL_VMBUS_VERSION_WIN10);
    rig_settle(&r);
    rig_expect_none(&r);
    assert_ring_is_held();
    assert_int_equal(enlh_vmbus_version(r.bus), 0);
    rig_finish(&r);
    assert_ring_is_free();
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    assert_int_equal(enlh_vmbus_version(r.bus), ENL_VMBUS_VERSION_WIN10);
    rig_stop(&r);
}

/* A refused version ends the old connection just as well. */
static void
quiesce_refusal_waits_too(void **state)
{
    struct enl_vmbus_version_response response;

    (void)state;
    start_busy();
    rig_contact(&r, ENL_VMBUS_VERSION_6_0);
    rig_settle(&r);
    rig_expect_none(&r);
    rig_finish(&r);
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, &response, sizeof(response));
    assert_int_equal(response.supported, 0);
    rig_stop(&r);
}

/* While it waits, the guest may have changed its mind, or be another one. */
static void
quiesce_only_the_last_contact_is_answered(void **state)
{
    struct enl_vmbus_version_response response;

    (void)state;
    start_busy();
    rig_post_head(&r, ENL_VMBUS_UNLOAD);
    rig_contact(&r, ENL_VMBUS_VERSION_WS2022);
    rig_contact(&r, ENL_VMBUS_VERSION_WIN10);
    rig_finish(&r);
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, &response, sizeof(response));
    assert_int_equal(response.version_or_connection_id, ENL_VMBUS_VERSION_WIN10);
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
quiesce_an_unload_replaces_a_contact_that_waits(void **state)
{
    (void)state;
    start_busy();
    rig_contact(&r, ENL_VMBUS_VERSION_WIN10);
    rig_post_head(&r, ENL_VMBUS_UNLOAD);
    rig_finish(&r);
    rig_expect(&r, ENL_VMBUS_UNLOAD_RESPONSE, NULL, 0);
    rig_expect_none(&r);
    assert_int_equal(enlh_vmbus_version(r.bus), 0);
    rig_stop(&r);
}

static void
quiesce_reset_waits_for_requests_in_flight(void **state)
{
    (void)state;
    start_busy();
    enlh_vmbus_reset(r.bus);
    rig_settle(&r);
    assert_false(enlh_vmbus_idle(r.bus));
    assert_ring_is_held();
    rig_finish(&r);
    assert_true(enlh_vmbus_idle(r.bus));
    assert_ring_is_free();
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
quiesce_rescind_is_told_after_the_worker_let_go(void **state)
{
    (void)state;
    start_busy();
    enlh_channel_rescind(channel);
    enlh_channel_rescind(channel); /* twice is once */
    rig_settle(&r);
    rig_expect_none(&r);
    assert_ring_is_held();
    rig_finish(&r);
    assert_ring_is_free();
    rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, NULL, 0);
    rig_expect_none(&r);
    assert_int_equal(r.dev.removed, 0);
    rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, guest.relid);
    assert_int_equal(r.dev.removed, 1);
    rig_stop(&r);
}

static void
quiesce_many_channels_before_one_answer(void **state)
{
    struct rig_guest ends[8];

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 8; i++)
        rig_offer(&r, i, 0);
    assert_int_equal(rig_request_offers(&r), 8);
    for (uint32_t i = 0; i < 8; i++)
        rig_open(&r, &ends[i], i + 1);
    r.dev.busy = true;
    rig_post_head(&r, ENL_VMBUS_UNLOAD);
    r.dev.busy = false;
    for (uint32_t i = 1; i <= 8; i++) {
        rig_expect_none(&r);
        assert_int_equal(r.bus->worker_count, 9 - i);
        r.worker[i].stopped = enlh_channel_run(r.worker[i].channel) == ENLH_RUN_STOPPED;
        assert_true(r.worker[i].stopped);
        rig_poll(&r);
    }
    rig_expect(&r, ENL_VMBUS_UNLOAD_RESPONSE, NULL, 0);
    rig_stop(&r);
}

/* ---- what the device may still say ---- */

static void
complete_one(struct rig_device *dev, struct enlh_channel *ch)
{
    dev->on_run = NULL;
    assert_int_equal(enlh_channel_complete(ch, 42, "abcdefgh", 8), 0);
}

/* A guest that is told later gets the answers to what it asked before. */
static void
quiesce_for_a_rescind_still_completes(void **state)
{
    struct enl_ring_packet packet;

    (void)state;
    start_busy();
    enlh_channel_rescind(channel);
    r.dev.on_run = complete_one;
    rig_finish(&r);
    assert_true(rig_receive(&guest, &packet, NULL, 0));
    assert_int_equal(packet.transaction_id, 42);
    assert_true(rig_interrupted(&r, 0, guest.relid));
    rig_stop(&r);
}

/* A guest that does not read cannot hold up the removal. */
static void
quiesce_for_a_rescind_drops_what_finds_no_room(void **state)
{
    (void)state;
    start_busy();
    while (enlh_channel_send(channel, 1, false, "abcdefgh", 8) == 0)
        ;
    enlh_channel_rescind(channel);
    r.dev.on_run = complete_one;
    rig_finish(&r);
    assert_null(r.dev.on_run);
    assert_ring_is_free();
    rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, NULL, 0);
    rig_stop(&r);
}

/* A ring that was closed, or whose guest is gone, is not written any more. */
static void
quiesce_for_the_guest_writes_nothing(void **state)
{
    static uint8_t before[8 * 4096];
    const uint8_t *rings;

    (void)state;
    for (int way = 0; way < 3; way++) {
        start_busy();
        rings = fake_at(&r.f, guest.gpa, sizeof(before));
        rig_send(&guest, 1, "abcdefgh", 8);
        memcpy(before, rings, sizeof(before));
        if (way == 0)
            rig_post_relid(&r, ENL_VMBUS_CLOSE_CHANNEL, guest.relid);
        else if (way == 1)
            rig_post_head(&r, ENL_VMBUS_UNLOAD);
        else
            rig_contact(&r, ENL_VMBUS_VERSION_WS2022);
        r.dev.on_run = complete_one;
        rig_finish(&r);
        assert_null(r.dev.on_run); /* it did complete */
        assert_memory_equal(rings, before, sizeof(before));
        assert_false(rig_interrupted(&r, 0, guest.relid));
        rig_stop(&r);
    }
}

/* The guest closes a channel that is being taken back. */
static void
quiesce_close_during_a_rescind_silences(void **state)
{
    struct enl_ring_packet packet;

    (void)state;
    start_busy();
    enlh_channel_rescind(channel);
    rig_post_relid(&r, ENL_VMBUS_CLOSE_CHANNEL, guest.relid);
    r.dev.on_run = complete_one;
    rig_finish(&r);
    assert_false(rig_receive(&guest, &packet, NULL, 0));
    rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, NULL, 0);
    rig_stop(&r);
}

static void
quiesce_takes_no_new_packets(void **state)
{
    (void)state;
    start_busy();
    rig_post_relid(&r, ENL_VMBUS_CLOSE_CHANNEL, guest.relid);
    rig_send(&guest, 1, "abcdefgh", 8);
    rig_settle(&r);
    assert_int_equal(r.dev.packets, 0);
    rig_stop(&r);
}

static void
quiesce_of_a_broken_ring_waits_for_requests_in_flight(void **state)
{
    (void)state;
    start_busy();
    guest.out.view.header->write_index = 1;
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_ring_is_held();
    assert_int_equal(enlh_channel_complete(channel, 1, "abcdefgh", 8), -ENL_E_PROTO);
    rig_finish(&r);
    assert_ring_is_free();
    assert_int_equal(channel->state, ENLH_CH_BROKEN);
    rig_stop(&r);
}

/* Once stopped, always stopped: a late wake finds nobody. */
static void
quiesce_a_stopped_worker_stays_stopped(void **state)
{
    uint32_t runs;

    (void)state;
    channel = rig_open_one(&r, &guest);
    rig_post_relid(&r, ENL_VMBUS_CLOSE_CHANNEL, guest.relid);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_STOPPED);
    runs = r.dev.runs;
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_STOPPED);
    assert_int_equal(r.dev.runs, runs);
    r.worker[guest.relid].stopped = true;
    rig_settle(&r);
    assert_ring_is_free();
    rig_stop(&r);
}

/* ---- rescind in each state ---- */

static void
quiesce_rescind_in_each_state_ends_in_removed(void **state)
{
    (void)state;
    for (int scene = 0; scene < 9; scene++) {
        rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
        channel = rig_offer(&r, 1, 0);
        if (scene >= 1)
            assert_int_equal(rig_request_offers(&r), 1);
        if (scene >= 2)
            rig_open(&r, &guest, 1);
        r.dev.busy = scene >= 3 && scene != 6;
        if (scene == 3 || scene == 4 || scene == 5)
            rig_close(&r, &guest); /* closing */
        if (scene == 4)
            rig_post_open(&r, &guest, 0); /* reopening */
        if (scene == 5)
            rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1); /* leaving */
        if (scene == 6) {                                    /* broken */
            guest.out.view.header->write_index = 1;
            rig_signal(&r, &guest);
            rig_settle(&r);
        }
        if (scene == 7)
            rig_post_head(&r, ENL_VMBUS_UNLOAD); /* disconnecting */
        rig_settle(&r);
        enlh_channel_rescind(channel);
        if (scene == 8)
            rig_contact(&r, ENL_VMBUS_VERSION_WS2022); /* after it */
        rig_finish(&r);
        if (scene == 1 || scene == 2 || scene == 3 || scene == 4 || scene == 6) {
            assert_int_equal(r.dev.removed, 0);
            rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, NULL, 0);
            rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1);
        }
        rig_drain(&r);
        assert_int_equal(r.dev.removed, 1);
        assert_int_equal(r.dev.opens, r.dev.closes);
        rig_stop(&r);
    }
}

/* ---- the door ---- */

static bool at_the_door;

static void
visit(void *ctx, struct enlh_channel *ch)
{
    struct rig *rig = ctx;

    (void)ch;
    if (!at_the_door)
        return;
    at_the_door = false;
    /* Another thread is in here while the loop wants to take the worker away. */
    rig->worker[guest.relid].stopped =
        enlh_channel_run(rig->worker[guest.relid].channel) == ENLH_RUN_STOPPED;
    assert_true(rig->worker[guest.relid].stopped);
    rig_poll(rig);
    assert_non_null(rig->worker[guest.relid].channel);
    assert_int_equal(rig->dev.closes, 0);
    rig->loop_wakes = 0;
}

/* The worker is not taken away while somebody is waking it; who leaves last says so. */
static void
quiesce_nobody_is_left_at_the_door(void **state)
{
    (void)state;
    channel = rig_open_one(&r, &guest);
    rig_post_relid(&r, ENL_VMBUS_CLOSE_CHANNEL, guest.relid);
    r.bus->ops.channel_wake = visit;
    at_the_door = true;
    enlh_channel_wake(channel);
    assert_false(at_the_door);
    assert_true(r.loop_wakes > 0);
    rig_poll(&r);
    assert_ring_is_free();
    rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiesce_close_waits_for_requests_in_flight),
        cmocka_unit_test(quiesce_unload_is_answered_after_the_worker_let_go),
        cmocka_unit_test(quiesce_contact_is_answered_after_the_worker_let_go),
        cmocka_unit_test(quiesce_refusal_waits_too),
        cmocka_unit_test(quiesce_only_the_last_contact_is_answered),
        cmocka_unit_test(quiesce_an_unload_replaces_a_contact_that_waits),
        cmocka_unit_test(quiesce_reset_waits_for_requests_in_flight),
        cmocka_unit_test(quiesce_rescind_is_told_after_the_worker_let_go),
        cmocka_unit_test(quiesce_many_channels_before_one_answer),
        cmocka_unit_test(quiesce_for_a_rescind_still_completes),
        cmocka_unit_test(quiesce_for_a_rescind_drops_what_finds_no_room),
        cmocka_unit_test(quiesce_for_the_guest_writes_nothing),
        cmocka_unit_test(quiesce_close_during_a_rescind_silences),
        cmocka_unit_test(quiesce_takes_no_new_packets),
        cmocka_unit_test(quiesce_of_a_broken_ring_waits_for_requests_in_flight),
        cmocka_unit_test(quiesce_a_stopped_worker_stays_stopped),
        cmocka_unit_test(quiesce_rescind_in_each_state_ends_in_removed),
        cmocka_unit_test(quiesce_nobody_is_left_at_the_door),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
