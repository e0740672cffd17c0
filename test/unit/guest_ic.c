/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_ic.c - heartbeat, shutdown and time in the guest, and hosts that lie
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/abi/ic.h"
#include "enlight/abi/shutdown.h"
#include "enlight/abi/timesync.h"
#include "enlight/guest/ic.h"
#include "guest_ic_rig.h"

static struct enlg_ic ic;
static uint32_t stopped, went, asked, heard;
static int accept_result;
static enum enlg_shutdown_kind went_kind;
static bool went_force;
static struct enlg_timesync_sample sample;

static void
on_stopped(void *ctx)
{
    (void)ctx;
    stopped++;
}

static int
on_accept(void *ctx, enum enlg_shutdown_kind kind, bool force)
{
    (void)ctx;
    (void)kind;
    (void)force;
    asked++;
    return accept_result;
}

static void
on_go(void *ctx, enum enlg_shutdown_kind kind, bool force)
{
    struct enl_ring_packet p;

    (void)ctx;
    /* The answer is out before the guest goes down. */
    assert_true(enl_ring_readable(&bus.from_guest));
    assert_int_equal(enl_ring_get(&bus.from_guest, &p), 1);
    bus.from_guest.read = bus.from_guest.released;
    went++;
    went_kind = kind;
    went_force = force;
}

static void
on_time(void *ctx, const struct enlg_timesync_sample *s)
{
    (void)ctx;
    heard++;
    sample = *s;
}

static void
start(uint32_t service)
{
    static const struct enlg_shutdown_ops ops = {on_accept, on_go};
    struct enlg_ic_config config = {.size = sizeof(config),
                                    .ring = ic_rings(),
                                    .buffer = rig_page(40),
                                    .stopped = on_stopped};

    stopped = went = asked = heard = 0;
    accept_result = 0;
    if (service == ENL_IC_HEARTBEAT)
        assert_int_equal(enlg_heartbeat_start(&ic, bus.channel, &config), 0);
    else if (service == ENL_IC_SHUTDOWN)
        assert_int_equal(enlg_shutdown_start(&ic, bus.channel, &config, &ops), 0);
    else
        assert_int_equal(enlg_timesync_start(&ic, bus.channel, &config, on_time), 0);
    ic_opens(&ic);
}

/* ---- negotiation ---- */

static void
negotiate_takes_the_newest_common_versions(void **state)
{
    struct ic_negotiation n = {{2, 4, 0},
                               {{1, 0}, {3, 0}, {1, 0}, {3, 1}, {3, 0}, {9, 9}}};
    struct enl_ic_negotiate head;
    struct enl_ic_version chosen[2];

    (void)state;
    start(ENL_IC_SHUTDOWN);
    assert_int_equal(ic_negotiate(&ic, &n), ENL_IC_STATUS_SUCCESS);
    memcpy(&head, ic_answer, sizeof(head));
    memcpy(chosen, ic_answer + sizeof(head), sizeof(chosen));
    assert_int_equal(head.framework_count, 1);
    assert_int_equal(head.message_count, 1);
    assert_int_equal(chosen[0].major, 3);
    assert_int_equal(chosen[1].major, 3);
    assert_int_equal(chosen[1].minor, 1);
    assert_int_equal(enlg_ic_framework(&ic), 3 << 16);
    assert_int_equal(enlg_ic_version(&ic), 3 << 16 | 1);
}

static void
negotiate_refuses_with_zero_and_zero(void **state)
{
    struct ic_negotiation n = {{1, 1, 0}, {{3, 0}, {7, 7}}};
    struct enl_ic_negotiate head;
    uint64_t sequence = 5;

    (void)state;
    start(ENL_IC_HEARTBEAT);
    assert_int_equal(ic_negotiate(&ic, &n), ENL_IC_STATUS_SUCCESS);
    memcpy(&head, ic_answer, sizeof(head));
    assert_int_equal(head.framework_count | head.message_count, 0);
    ic_ask(ENL_IC_HEARTBEAT, &sequence, sizeof(sequence));
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_FAIL);
    assert_int_equal(enlg_ic_answered(&ic), 0);
}

static void
negotiate_believes_no_count_beyond_the_message(void **state)
{
    struct ic_negotiation n = {{0xFFFF, 0xFFFF, 0}, {{3, 0}, {3, 0}}};

    (void)state;
    start(ENL_IC_HEARTBEAT);
    assert_int_equal(ic_negotiate(&ic, &n), ENL_IC_STATUS_FAIL);
    n.head.framework_count = 6;
    n.head.message_count = 1;
    assert_int_equal(ic_negotiate(&ic, &n), ENL_IC_STATUS_FAIL);
    ic_ask(ENL_IC_NEGOTIATE, &n, 8);
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_FAIL);
}

/* ---- services ---- */

static void
heartbeat_adds_one(void **state)
{
    uint64_t body[5] = {41};

    (void)state;
    start(ENL_IC_HEARTBEAT);
    ic_agree(&ic, 3, 0);
    ic_ask(ENL_IC_HEARTBEAT, body, sizeof(body));
    ic_ask(ENL_IC_HEARTBEAT, body, sizeof(body));
    assert_int_equal(enlg_ic_poll(&ic), 2);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_SUCCESS);
    memcpy(body, ic_answer, 8);
    assert_int_equal(body[0], 42);
    assert_int_equal(enlg_ic_answered(&ic), 2);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_SUCCESS);
    ic_ask(ENL_IC_HEARTBEAT, body, 4);
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_FAIL);
    ic_ask(ENL_IC_SHUTDOWN, body, 8);
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_FAIL);
}

static void
shutdown_of_every_kind(void **state)
{
    static const struct {
        uint32_t flags;
        enum enlg_shutdown_kind kind;
        bool force;
    } kinds[] = {
        {0, ENLG_SHUTDOWN_POWER_OFF, false}, {1, ENLG_SHUTDOWN_POWER_OFF, true},
        {2, ENLG_SHUTDOWN_RESTART, false},   {3, ENLG_SHUTDOWN_RESTART, true},
        {4, ENLG_SHUTDOWN_HIBERNATE, false}, {5, ENLG_SHUTDOWN_HIBERNATE, true},
    };
    static struct enl_shutdown body;

    (void)state;
    start(ENL_IC_SHUTDOWN);
    ic_agree(&ic, 3, 2);
    for (uint32_t i = 0; i < 6; i++) {
        body.flags = kinds[i].flags;
        ic_ask(ENL_IC_SHUTDOWN, &body, sizeof(body));
        assert_int_equal(enlg_ic_poll(&ic), 1);
        assert_int_equal(ic_answered(), ENL_IC_STATUS_SUCCESS);
        assert_int_equal(went, i + 1);
        assert_int_equal(went_kind, kinds[i].kind);
        assert_int_equal(went_force, kinds[i].force);
    }
}

static void
shutdown_may_be_declined(void **state)
{
    static struct enl_shutdown body;

    (void)state;
    start(ENL_IC_SHUTDOWN);
    ic_agree(&ic, 3, 0);
    accept_result = -ENL_E_NOTSUP;
    ic_ask(ENL_IC_SHUTDOWN, &body, sizeof(body));
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_FAIL);
    body.flags = 0x80;
    ic_ask(ENL_IC_SHUTDOWN, &body, sizeof(body));
    ic_ask(ENL_IC_SHUTDOWN, &body, 8);
    assert_int_equal(enlg_ic_poll(&ic), 2);
    assert_int_equal(asked, 1);
    assert_int_equal(went, 0);
}

static void
timesync_of_both_forms(void **state)
{
    struct enl_timesync_4_0 four = {
        .parent_time = 1000, .reference_time = 7, .flags = ENL_TIMESYNC_FLAG_SAMPLE};
    struct enl_timesync three = {.parent_time = 2000, .flags = ENL_TIMESYNC_FLAG_SYNC};

    (void)state;
    start(ENL_IC_TIMESYNC);
    ic_agree(&ic, 4, 0);
    ic_ask(ENL_IC_TIMESYNC, &four, sizeof(four));
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(heard, 1);
    assert_int_equal(sample.utc_100ns, 1000);
    assert_int_equal(sample.reference_100ns, 7);
    assert_false(sample.sync);
    ic_ask(ENL_IC_TIMESYNC, &four, ENL_TIMESYNC_4_0_LEN_MIN - 1);
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_FAIL);
    ic_agree(&ic, 3, 0);
    ic_ask(ENL_IC_TIMESYNC, &three, ENL_TIMESYNC_LEN_MIN);
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(heard, 2);
    assert_int_equal(sample.utc_100ns, 2000);
    assert_int_equal(sample.reference_100ns, 0);
    assert_true(sample.sync);
}

/* ---- lies ---- */

static int
raw(uint16_t type, const void *data, uint32_t len)
{
    struct enl_ring_piece piece = {data, len};

    assert_int_equal(enl_ring_put(&bus.to_guest, type, 0, 1, &piece, 1, 0), 0);
    (void)enl_ring_publish(&bus.to_guest);
    return enlg_ic_poll(&ic);
}

static void
message_of_a_wrong_form_breaks_the_protocol(void **state)
{
    struct enl_ic_message good = {
        .pipe = {ENL_PIPE_DATA, 20},
        .ic = {.message_type = ENL_IC_HEARTBEAT, .flags = ENL_IC_FLAG_REQUEST},
    };
    struct enl_ic_message bad;
    static uint8_t huge[ENLG_IC_BUFFER_LEN + 8];

    (void)state;
    start(ENL_IC_HEARTBEAT);
    assert_int_equal(raw(ENL_PACKET_INBAND, &good, 16), -ENL_E_PROTO);
    bad = good;
    bad.ic.size = 100;
    assert_int_equal(raw(ENL_PACKET_INBAND, &bad, sizeof(bad)), -ENL_E_PROTO);
    bad = good;
    bad.pipe.type = 2;
    assert_int_equal(raw(ENL_PACKET_INBAND, &bad, sizeof(bad)), -ENL_E_PROTO);
    bad = good;
    bad.ic.flags = ENL_IC_FLAG_RESPONSE;
    assert_int_equal(raw(ENL_PACKET_INBAND, &bad, sizeof(bad)), -ENL_E_PROTO);
    assert_int_equal(raw(ENL_PACKET_COMPLETION, &good, sizeof(good)), -ENL_E_PROTO);
    assert_int_equal(raw(ENL_PACKET_INBAND, huge, sizeof(huge)), -ENL_E_PROTO);
    assert_int_equal(raw(ENL_PACKET_INBAND, &good, sizeof(good)), 1);
}

static void
poll_is_bounded(void **state)
{
    uint64_t body[5] = {1};

    (void)state;
    start(ENL_IC_HEARTBEAT);
    ic_agree(&ic, 3, 0);
    for (int i = 0; i < 20; i++)
        ic_ask(ENL_IC_HEARTBEAT, body, sizeof(body));
    assert_int_equal(enlg_ic_poll(&ic), 16);
    assert_int_equal(enlg_ic_poll(&ic), 4);
}

static void
answer_waits_for_room(void **state)
{
    static struct enl_shutdown body;
    struct enl_ring_header *header = (void *)ic_rings();
    int n = 0;

    (void)state;
    start(ENL_IC_SHUTDOWN);
    ic_agree(&ic, 3, 2);
    for (int i = 0; i < 5; i++)
        ic_ask(ENL_IC_SHUTDOWN, &body, sizeof(body));
    n = enlg_ic_poll(&ic);
    ic_ask(ENL_IC_SHUTDOWN, &body, sizeof(body));
    n += enlg_ic_poll(&ic);
    assert_int_equal(n, 5); /* of 2,120 bytes, in a ring of 12,288 */
    assert_true(header->pending_send_size != 0);
    assert_int_equal(went, 5);
    for (int i = 0; i < 5; i++)
        (void)ic_answered();
    assert_int_equal(enlg_ic_poll(&ic), 1);
    assert_int_equal(ic_answered(), ENL_IC_STATUS_SUCCESS);
    assert_int_equal(went, 6);
    assert_int_equal(header->pending_send_size, 0);
}

static void
service_that_is_rescinded_stops(void **state)
{
    (void)state;
    start(ENL_IC_HEARTBEAT);
    bus_say_rescind(BUS_RELID);
    assert_int_equal(enlg_ic_poll(&ic), -ENL_E_CONNRESET);
    assert_int_equal(enlg_ic_stop(&ic), 0);
    assert_int_equal(stopped, 0);
    bus_say_torndown(bus.ring_gpadl);
    assert_int_equal(stopped, 1);
}

#define CASE(f) cmocka_unit_test_setup(f, bus_setup_offered)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(negotiate_takes_the_newest_common_versions),
        CASE(negotiate_refuses_with_zero_and_zero),
        CASE(negotiate_believes_no_count_beyond_the_message),
        CASE(heartbeat_adds_one),
        CASE(shutdown_of_every_kind),
        CASE(shutdown_may_be_declined),
        CASE(timesync_of_both_forms),
        CASE(message_of_a_wrong_form_breaks_the_protocol),
        CASE(poll_is_bounded),
        CASE(answer_waits_for_room),
        CASE(service_that_is_rescinded_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
