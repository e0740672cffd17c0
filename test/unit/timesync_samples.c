/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/timesync_samples.c - which time a guest is told, when, and in which form */
#include <string.h>

#include "enlight/abi/timesync.h"
#include "fake_pipe.h"

#define V(major, minor) ((uint32_t)(major) << 16 | (minor))

enum { BODY = sizeof(struct enl_ic_message) };

static const uint64_t noon = ENL_TIMESYNC_UNIX_EPOCH + 17000000000000000u;

static struct fake_pipe pipe;
static struct enlh_timesync *timesync;

static int
setup(void **state)
{
    (void)state;
    pipe_start(&pipe);
    assert_int_equal(enlh_timesync_create(&pipe.bus, &pipe.config, &timesync), 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlh_timesync_destroy(timesync);
    pipe_stop(&pipe);
    return 0;
}

static void
start(uint32_t version)
{
    pipe_open(&pipe);
    assert_int_equal(pipe_choose(&pipe, V(3, 0), version), 0);
}

static void
tick(uint64_t utc, uint64_t reference, bool sync)
{
    enlh_timesync_tick(timesync, utc, reference, sync);
    pipe_run(&pipe);
}

/* Take a sample of 4.0 and answer it, as a guest does. Returns its flags. */
static uint8_t
take(struct enl_timesync_4_0 *body)
{
    struct pipe_message message;

    pipe_take(&pipe, &message);
    assert_int_equal(message.head.ic.message_type, ENL_IC_TIMESYNC);
    assert_int_equal(message.head.ic.flags,
                     ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST);
    assert_int_equal(message.head.ic.size, sizeof(*body));
    memcpy(body, message.bytes + BODY, sizeof(*body));
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    return body->flags;
}

static void
version_4_carries_the_reference_time(void **state)
{
    struct enl_timesync_4_0 body;

    (void)state;
    start(V(4, 0));
    tick(noon, 123456, false);
    take(&body);
    assert_int_equal(body.parent_time, noon);
    assert_int_equal(body.reference_time, 123456);
    assert_int_equal(body.leap_indicator, 0);
    assert_int_equal(body.stratum, 0);
    pipe_assert_silent(&pipe);
}

static void
older_versions_carry_the_time_alone(void **state)
{
    static const uint32_t versions[] = {V(1, 0), V(3, 0)};
    struct pipe_message message;
    struct enl_timesync body;

    (void)state;
    for (int i = 0; i < 2; i++) {
        start(versions[i]);
        tick(noon, 99, true);
        pipe_take(&pipe, &message);
        assert_int_equal(message.head.ic.size, sizeof(body));
        assert_true(message.len - BODY >= ENL_TIMESYNC_LEN_MIN);
        memcpy(&body, message.bytes + BODY, sizeof(body));
        assert_int_equal(body.parent_time, noon);
        assert_int_equal(body.child_time, 0);
        assert_int_equal(body.round_trip_time, 0);
        assert_int_equal(body.flags, ENL_TIMESYNC_FLAG_SYNC);
        pipe_close(&pipe);
    }
}

static void
first_sample_after_an_opening_sets_the_clock(void **state)
{
    struct enl_timesync_4_0 body;

    (void)state;
    for (int i = 0; i < 2; i++) {
        start(V(4, 0));
        tick(noon, 1, false);
        assert_int_equal(take(&body), ENL_TIMESYNC_FLAG_SYNC);
        tick(noon + 1, 2, false);
        assert_int_equal(take(&body), ENL_TIMESYNC_FLAG_SAMPLE);
        tick(noon + 2, 3, true);
        assert_int_equal(take(&body), ENL_TIMESYNC_FLAG_SYNC);
        tick(noon + 3, 4, false);
        assert_int_equal(take(&body), ENL_TIMESYNC_FLAG_SAMPLE);
        pipe_close(&pipe);
    }
}

/* The guest would take it for the present. */
static void
time_of_before_the_agreement_is_never_sent(void **state)
{
    struct enl_timesync_4_0 body;

    (void)state;
    enlh_timesync_tick(timesync, noon, 1, true);
    assert_int_equal(pipe.wakes, 0);
    pipe_open(&pipe);
    enlh_timesync_tick(timesync, noon + 1, 2, true);
    assert_int_equal(pipe_choose(&pipe, V(3, 0), V(4, 0)), 0);
    pipe_run(&pipe);
    pipe_assert_silent(&pipe);
    tick(noon + 100, 101, false);
    assert_int_equal(take(&body), ENL_TIMESYNC_FLAG_SYNC);
    assert_int_equal(body.parent_time, noon + 100);
    enlh_timesync_tick(timesync, noon + 200, 201, false);
    pipe_close(&pipe);
    start(V(4, 0));
    pipe_run(&pipe);
    pipe_assert_silent(&pipe);
}

static void
newer_sample_replaces_one_that_waits_and_keeps_its_sync(void **state)
{
    struct enl_timesync_4_0 body;

    (void)state;
    start(V(4, 0));
    tick(noon, 1, false);
    take(&body);
    enlh_timesync_tick(timesync, noon + 1, 2, true);
    enlh_timesync_tick(timesync, noon + 2, 3, false);
    pipe_run(&pipe);
    assert_int_equal(take(&body), ENL_TIMESYNC_FLAG_SYNC);
    assert_int_equal(body.parent_time, noon + 2);
    pipe_assert_silent(&pipe);
}

static void
sample_that_cannot_go_now_is_dropped_its_sync_is_not(void **state)
{
    struct enl_timesync_4_0 body;

    (void)state;
    start(V(4, 0));
    pipe.send_result = -ENL_E_AGAIN;
    tick(noon, 1, true);
    pipe.send_result = 0;
    pipe_run(&pipe);
    pipe_assert_silent(&pipe);
    tick(noon + 5, 6, false);
    assert_int_equal(take(&body), ENL_TIMESYNC_FLAG_SYNC);
    assert_int_equal(body.parent_time, noon + 5);
}

static void
guest_that_does_not_answer_gets_no_heap_of_samples(void **state)
{
    struct pipe_message message;

    (void)state;
    start(V(4, 0));
    for (uint64_t i = 0; i < 50; i++)
        tick(noon + i, i, false);
    assert_int_equal(pipe.sent_count, 2);
    pipe_take(&pipe, &message);
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_take(&pipe, &message);
    pipe_assert_silent(&pipe); /* what was dropped stays dropped */
    tick(noon + 50, 50, false);
    assert_int_equal(pipe.sent_count, 1);
}

static void
answer_changes_nothing(void **state)
{
    struct pipe_message message;

    (void)state;
    start(V(4, 0));
    tick(noon, 1, false);
    pipe_take(&pipe, &message);
    memset(message.bytes + BODY, 0xff, 24);
    message.head.ic.status = ENL_IC_STATUS_FAIL;
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
    pipe_assert_silent(&pipe);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(version_4_carries_the_reference_time),
        CASE(older_versions_carry_the_time_alone),
        CASE(first_sample_after_an_opening_sets_the_clock),
        CASE(time_of_before_the_agreement_is_never_sent),
        CASE(newer_sample_replaces_one_that_waits_and_keeps_its_sync),
        CASE(sample_that_cannot_go_now_is_dropped_its_sync_is_not),
        CASE(guest_that_does_not_answer_gets_no_heap_of_samples),
        CASE(answer_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
