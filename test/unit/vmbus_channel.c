/* SPDX-License-Identifier: BSD-2-Clause */
/* OPEN_CHANNEL, CLOSE_CHANNEL, MODIFY_CHANNEL, and what a device sees of them. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;
static struct rig_guest guest;

/* One channel offered, its rings prepared, not opened. Returns the channel. */
static struct enlh_channel *
prepared(uint32_t version)
{
    struct enlh_channel *channel;

    rig_boot(&r, version);
    channel = rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    rig_prepare(&r, &guest, enlh_channel_relid(channel));
    return channel;
}

static uint32_t
open_status(uint32_t target_vp)
{
    rig_post_open(&r, &guest, target_vp);
    return rig_expect_open(&r, guest.relid);
}

/* ---- open ---- */

static void
channel_open_gives_it_a_worker(void **state)
{
    struct enlh_channel *channel = prepared(ENL_VMBUS_VERSION_WS2022);
    struct rig_worker *worker = &r.worker[guest.relid];

    (void)state;
    assert_false(enlh_channel_is_open(channel));
    assert_int_equal(open_status(1), 0);
    assert_true(enlh_channel_is_open(channel));
    assert_int_equal(r.dev.opens, 1);
    assert_int_equal(worker->starts, 1);
    assert_true(worker->woken);
    assert_int_equal(enlh_channel_target_vp(channel), 1);
    assert_ptr_equal(enlh_channel_worker(channel), worker);
    rig_stop(&r);
    assert_int_equal(r.dev.closes, 1);
    assert_int_equal(worker->stops, 1);
}

static int (*real_start)(void *ctx, struct enlh_channel *channel, uint32_t connection_id);

/* The worker is quick: its first turn is over, and then a completion comes. */
static int
start_and_wake(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    int result = real_start(ctx, channel, connection_id);

    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    r.worker[enlh_channel_relid(channel)].woken = false;
    enlh_channel_wake(channel);
    return result;
}

static void
channel_a_wake_during_its_start_is_not_lost(void **state)
{
    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    real_start = r.bus->ops.channel_start;
    r.bus->ops.channel_start = start_and_wake;
    assert_int_equal(open_status(0), 0);
    assert_true(r.worker[guest.relid].woken);
    rig_stop(&r);
}

/* V55: whatever was lost before the guest knew that it is open. */
static void
channel_open_is_followed_by_one_signal(void **state)
{
    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    assert_int_equal(open_status(1), 0);
    assert_true(rig_interrupted(&r, 1, guest.relid));
    rig_settle(&r);
    assert_false(rig_interrupted(&r, 1, guest.relid));
    rig_stop(&r);
}

/* The guest writes the ring headers between GPADL_CREATED and OPEN. */
static void
channel_rings_are_not_touched_before_open(void **state)
{
    uint8_t *rings;
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    channel = rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    rings = fake_at(&r.f, RIG_RAM_GPA, 8 * ENL_PAGE_SIZE);
    memset(rings, 0xa5, 8 * ENL_PAGE_SIZE);
    assert_int_equal(rig_gpadl(&r, enlh_channel_relid(channel), 9, RIG_RAM_GPA, 8), 0);
    rig_settle(&r);
    for (uint32_t i = 0; i < 8 * ENL_PAGE_SIZE; i++)
        assert_int_equal(rings[i], 0xa5);
    rig_stop(&r);
}

static void
channel_open_of_garbage_headers_fails(void **state)
{
    struct enl_ring_header *header;

    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    header = fake_at(&r.f, guest.gpa, ENL_PAGE_SIZE);
    header->write_index = guest.out.view.size;
    assert_int_not_equal(open_status(0), 0);
    header->write_index = 0;
    header = fake_at(&r.f, guest.gpa + guest.split * ENL_PAGE_SIZE, ENL_PAGE_SIZE);
    header->read_index = 4;
    assert_int_not_equal(open_status(0), 0);
    header->read_index = 0;
    assert_int_equal(open_status(0), 0);
    rig_stop(&r);
}

static void
channel_open_checks_where_the_rings_part(void **state)
{
    static const uint32_t bad[] = {0, 1, 7, 8, 9, 0x80000000u, 0xffffffffu};

    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        guest.split = bad[i];
        assert_int_equal(open_status(0), ENL_VMBUS_STATUS_INVALID_PARAMETER);
        assert_int_equal(r.dev.opens, 0);
    }
    guest.split = 2;
    memset(fake_at(&r.f, guest.gpa, 8 * ENL_PAGE_SIZE), 0, 8 * ENL_PAGE_SIZE);
    assert_int_equal(open_status(0), 0);
    rig_stop(&r);
}

static void
channel_open_needs_a_complete_gpadl_of_its_own(void **state)
{
    struct enl_vmbus_gpadl_header half = {
        .head = {.type = ENL_VMBUS_GPADL_HEADER},
        .gpadl = 500,
        .range_buf_len = 72,
        .range_count = 1,
    };
    struct enlh_channel *other;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_offer(&r, 1, 0);
    other = rig_offer(&r, 2, 0);
    assert_int_equal(rig_request_offers(&r), 2);
    rig_prepare(&r, &guest, enlh_channel_relid(other));
    guest.relid = 1; /* the other one's GPADL */
    assert_int_not_equal(open_status(0), 0);
    guest.handle = 12345; /* none */
    assert_int_not_equal(open_status(0), 0);
    half.relid = 1;
    rig_post(&r, &half, sizeof(half)); /* only begun */
    guest.handle = 500;
    assert_int_not_equal(open_status(0), 0);
    rig_stop(&r);
}

static void
channel_open_needs_whole_pages(void **state)
{
    struct {
        struct enl_vmbus_gpadl_header header;
        struct enl_gpa_range range;
        uint64_t pfn[5];
    } __attribute__((packed)) message = {
        .header = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                   .gpadl = 600,
                   .range_buf_len = 48,
                   .range_count = 1},
        .range = {.byte_count = 4 * 4096, .byte_offset = 64},
        .pfn = {0x210, 0x211, 0x212, 0x213, 0x214},
    };

    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    message.header.relid = guest.relid;
    memset(fake_at(&r.f, 0x210000, 0x5000), 0, 0x5000);
    rig_post(&r, &message, sizeof(message));
    rig_expect(&r, ENL_VMBUS_GPADL_CREATED, NULL, 0);
    guest.handle = 600;
    guest.split = 2;
    assert_int_equal(open_status(0), ENL_VMBUS_STATUS_INVALID_PARAMETER);
    rig_stop(&r);
}

static void
channel_open_checks_the_target_vp(void **state)
{
    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    assert_int_equal(open_status(2), ENL_VMBUS_STATUS_INVALID_PARAMETER);
    assert_int_equal(open_status(0xfffffffe), ENL_VMBUS_STATUS_INVALID_PARAMETER);
    assert_int_equal(open_status(1), 0);
    rig_stop(&r);
}

/* R25 */
static void
channel_open_without_interrupts_never_interrupts(void **state)
{
    struct enlh_channel *channel = prepared(ENL_VMBUS_VERSION_WS2022);

    (void)state;
    r.dev.echo = true;
    assert_int_equal(open_status(ENL_VMBUS_VP_NO_INTERRUPT), 0);
    rig_send(&guest, 1, "12345678", 8);
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_int_equal(r.dev.packets, 1);
    assert_true(enl_ring_readable(&guest.in));
    assert_false(rig_interrupted(&r, 0, guest.relid));
    assert_false(rig_interrupted(&r, 1, guest.relid));
    assert_int_equal(enlh_channel_target_vp(channel), 0xffffffff);
    rig_stop(&r);
}

static void
channel_open_tells_the_device_error(void **state)
{
    struct enlh_channel *channel = prepared(ENL_VMBUS_VERSION_WS2022);

    (void)state;
    r.dev.open_result = -ENL_E_NOMEM;
    assert_int_equal(open_status(0), ENL_VMBUS_STATUS_NO_RESOURCES);
    r.dev.open_result = -ENL_E_IO;
    assert_int_equal(open_status(0), ENL_VMBUS_STATUS_FAILED);
    assert_false(enlh_channel_is_open(channel));
    r.dev.open_result = 0;
    r.start_result = -ENL_E_NOMEM;
    assert_int_equal(open_status(0), ENL_VMBUS_STATUS_NO_RESOURCES);
    assert_int_equal(r.dev.opens, 1);
    assert_int_equal(r.dev.closes, 1); /* what was opened is closed */
    r.start_result = 0;
    assert_int_equal(open_status(0), 0);
    rig_stop(&r);
}

static void
channel_open_gives_everything_back_when_memory_runs_out(void **state)
{
    uint64_t before;
    uint32_t status = 1;

    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    before = r.f.alloc_bytes;
    for (int32_t i = 0; status; i++) {
        assert_true(i < 20);
        r.f.alloc_countdown = i;
        rig_post_open(&r, &guest, 0);
        r.f.alloc_countdown = -1;
        status = rig_expect_open(&r, guest.relid);
        if (status)
            assert_int_equal(r.f.alloc_bytes, before);
    }
    rig_stop(&r);
}

/* ---- close ---- */

static void
channel_close_has_no_answer_and_can_open_again(void **state)
{
    struct enlh_channel *channel = rig_open_one(&r, &guest);

    (void)state;
    for (int i = 0; i < 5; i++) {
        rig_close(&r, &guest);
        rig_expect_none(&r);
        assert_false(enlh_channel_is_open(channel));
        assert_int_equal(open_status(0), 0); /* the same GPADL */
        rig_settle(&r);
    }
    assert_int_equal(r.dev.opens, 6);
    assert_int_equal(r.dev.closes, 5);
    rig_stop(&r);
}

static void
channel_reopen_while_closing_waits_for_the_worker(void **state)
{
    (void)state;
    rig_open_one(&r, &guest);
    r.dev.busy = true;
    rig_close(&r, &guest);
    assert_int_equal(r.dev.closes, 0);
    rig_post_open(&r, &guest, 0);
    rig_settle(&r);
    rig_expect_none(&r); /* no answer yet */
    rig_finish(&r);
    assert_int_equal(rig_expect_open(&r, guest.relid), 0);
    assert_int_equal(r.dev.closes, 1);
    assert_int_equal(r.dev.opens, 2);
    rig_stop(&r);
}

static void
channel_close_takes_a_waiting_reopen_back(void **state)
{
    struct enlh_channel *channel = rig_open_one(&r, &guest);

    (void)state;
    r.dev.busy = true;
    rig_close(&r, &guest);
    rig_post_open(&r, &guest, 0);
    rig_close(&r, &guest);
    assert_int_not_equal(rig_expect_open(&r, guest.relid), 0);
    rig_finish(&r);
    rig_expect_none(&r);
    assert_false(enlh_channel_is_open(channel));
    assert_int_equal(r.dev.opens, 1);
    rig_stop(&r);
}

/* ---- modify ---- */

static void
post_modify(uint32_t relid, uint32_t target_vp)
{
    struct enl_vmbus_modify_channel message = {.head = {.type = ENL_VMBUS_MODIFY_CHANNEL},
                                               .relid = relid,
                                               .target_vp = target_vp};

    rig_post(&r, &message, sizeof(message));
}

static uint32_t
modify_status(uint32_t relid, uint32_t target_vp)
{
    struct enl_vmbus_modify_channel_response response;

    post_modify(relid, target_vp);
    rig_expect(&r, ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, &response, sizeof(response));
    assert_int_equal(response.relid, relid);
    return response.status;
}

/* V36 */
static void
channel_modify_moves_the_interrupts(void **state)
{
    (void)state;
    rig_open_one(&r, &guest);
    r.dev.echo = true;
    assert_int_equal(modify_status(guest.relid, 1), 0);
    rig_send(&guest, 1, "12345678", 8);
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_false(rig_interrupted(&r, 0, guest.relid));
    assert_true(rig_interrupted(&r, 1, guest.relid));
    rig_stop(&r);
}

static void
channel_modify_is_answered_from_5_3_on_and_known_from_4_1_on(void **state)
{
    static const uint32_t versions[] = {
        ENL_VMBUS_VERSION_WIN10, ENL_VMBUS_VERSION_WIN10_4_1, ENL_VMBUS_VERSION_WIN10_5_2,
        ENL_VMBUS_VERSION_WS2022};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct enlh_channel *channel = prepared(versions[i]);

        assert_int_equal(open_status(0), 0);
        post_modify(guest.relid, 1);
        if (i == 3)
            rig_expect(&r, ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, NULL, 0);
        rig_expect_none(&r);
        assert_int_equal(enlh_channel_target_vp(channel), i == 0 ? 0 : 1);
        post_modify(guest.relid, 99); /* refused: the same rule for the answer */
        if (i == 3)
            rig_expect(&r, ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, NULL, 0);
        rig_expect_none(&r);
        rig_stop(&r);
    }
}

static void
channel_modify_of_anything_else_fails(void **state)
{
    (void)state;
    prepared(ENL_VMBUS_VERSION_WS2022);
    assert_int_not_equal(modify_status(guest.relid, 1), 0); /* not open */
    assert_int_not_equal(modify_status(99, 1), 0);
    assert_int_not_equal(modify_status(0, 1), 0);
    assert_int_not_equal(modify_status(0xffffffff, 1), 0);
    assert_int_equal(open_status(0), 0);
    assert_int_not_equal(modify_status(guest.relid, 2), 0); /* no such VP */
    assert_int_not_equal(modify_status(guest.relid, 0xffffffff), 0);
    assert_int_equal(modify_status(guest.relid, 1), 0);
    rig_close(&r, &guest);
    assert_int_equal(open_status(0xffffffff), 0);
    assert_int_not_equal(modify_status(guest.relid, 1), 0); /* it wanted none */
    rig_stop(&r);
}

/* The guest takes the old VP offline after the answer: no interrupt may come after it. */
static void
channel_modify_is_not_answered_while_the_worker_signals(void **state)
{
    struct enlh_channel *channel = rig_open_one(&r, &guest);

    (void)state;
    atomic_store(&channel->hand.signalling, true);
    post_modify(guest.relid, 1);
    rig_expect_none(&r);
    post_modify(guest.relid, 0); /* one at a time */
    rig_expect(&r, ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, NULL, 0);
    assert_int_equal(enlh_channel_target_vp(channel), 1);
    enlh_packet_signal(channel); /* the worker leaves, and says so */
    rig_expect(&r, ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, NULL, 0);
    rig_expect_none(&r);
    assert_int_equal(modify_status(guest.relid, 0), 0);
    rig_stop(&r);
}

/* ---- sub-channels, data, counters ---- */

static void
channel_subchannels_open_on_their_own(void **state)
{
    struct enlh_channel *channel[3];
    struct rig_guest ends[3];

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    channel[0] = rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    rig_open(&r, &ends[0], enlh_channel_relid(channel[0]));
    for (uint16_t i = 1; i < 3; i++) {
        struct enl_vmbus_offer offer;

        channel[i] = rig_offer(&r, 1, i);
        rig_expect(&r, ENL_VMBUS_OFFER_CHANNEL, &offer, sizeof(offer));
        assert_int_equal(offer.subchannel_index, i);
        assert_int_equal(offer.instance_id.b[0], 1);
        rig_open(&r, &ends[i], offer.relid);
    }
    r.dev.echo = true;
    for (int i = 0; i < 3; i++) {
        rig_send(&ends[i], 1, "12345678", 8);
        rig_signal(&r, &ends[i]);
        rig_settle(&r);
        assert_ptr_equal(r.dev.channel, channel[i]);
        assert_true(rig_interrupted(&r, 0, ends[i].relid));
    }
    rig_close(&r, &ends[0]);
    assert_true(enlh_channel_is_open(channel[1]));
    rig_stop(&r);
}

static void
channel_says_who_it_is(void **state)
{
    struct enlh_channel *channel = rig_open_one(&r, &guest);
    int data;

    (void)state;
    assert_ptr_equal(enlh_channel_partition(channel), r.f.partition);
    assert_ptr_equal(enlh_channel_bus(channel), r.bus);
    assert_string_equal(enlh_channel_name(channel), "rig");
    assert_int_equal(enlh_channel_subchannel(channel), 0);
    assert_null(enlh_channel_data(channel));
    enlh_channel_set_data(channel, &data);
    assert_ptr_equal(enlh_channel_data(channel), &data);
    rig_stop(&r);
}

/* V51: a signal for what is not there. */
static void
channel_signals_reach_only_channels(void **state)
{
    struct enlh_channel *channel = prepared(ENL_VMBUS_VERSION_WS2022);
    uint32_t id = 0x2000u | enlh_channel_relid(channel);

    (void)state;
    assert_int_equal(fake_signal(&r.f, 0, id, 0), ENL_HV_STATUS_SUCCESS); /* closed */
    assert_int_equal(fake_signal(&r.f, 0, id + 1, 0),
                     ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_signal(&r.f, 0, 0x2000, 0),
                     ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_signal(&r.f, 0, 0x27ff, 0),
                     ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(fake_signal(&r.f, 0, 0x2800, 0),
                     ENL_HV_STATUS_INVALID_CONNECTION_ID);
    assert_int_equal(open_status(0), 0);
    rig_settle(&r);
    r.worker[guest.relid].wakes = 0;
    assert_int_equal(fake_signal(&r.f, 0, id, 1), ENL_HV_STATUS_INVALID_PORT_ID);
    assert_int_equal(r.worker[guest.relid].wakes, 0);
    assert_int_equal(fake_signal(&r.f, 0, id, 0), ENL_HV_STATUS_SUCCESS);
    assert_int_equal(r.worker[guest.relid].wakes, 1);
    rig_close(&r, &guest);
    enlh_channel_wake(channel); /* closed: nobody is woken */
    rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channel_open_gives_it_a_worker),
        cmocka_unit_test(channel_a_wake_during_its_start_is_not_lost),
        cmocka_unit_test(channel_open_is_followed_by_one_signal),
        cmocka_unit_test(channel_rings_are_not_touched_before_open),
        cmocka_unit_test(channel_open_of_garbage_headers_fails),
        cmocka_unit_test(channel_open_checks_where_the_rings_part),
        cmocka_unit_test(channel_open_needs_a_complete_gpadl_of_its_own),
        cmocka_unit_test(channel_open_needs_whole_pages),
        cmocka_unit_test(channel_open_checks_the_target_vp),
        cmocka_unit_test(channel_open_without_interrupts_never_interrupts),
        cmocka_unit_test(channel_open_tells_the_device_error),
        cmocka_unit_test(channel_open_gives_everything_back_when_memory_runs_out),
        cmocka_unit_test(channel_close_has_no_answer_and_can_open_again),
        cmocka_unit_test(channel_reopen_while_closing_waits_for_the_worker),
        cmocka_unit_test(channel_close_takes_a_waiting_reopen_back),
        cmocka_unit_test(channel_modify_moves_the_interrupts),
        cmocka_unit_test(channel_modify_is_answered_from_5_3_on_and_known_from_4_1_on),
        cmocka_unit_test(channel_modify_of_anything_else_fails),
        cmocka_unit_test(channel_modify_is_not_answered_while_the_worker_signals),
        cmocka_unit_test(channel_subchannels_open_on_their_own),
        cmocka_unit_test(channel_says_who_it_is),
        cmocka_unit_test(channel_signals_reach_only_channels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
