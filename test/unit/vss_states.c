/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/vss_states.c - freeze and thaw: whatever happens, the guest is told to thaw */
#include <string.h>

#include "enlight/abi/vss.h"
#include "enlight/host/vss.h"
#include "fake_pipe.h"

enum { BODY = sizeof(struct enl_ic_message) };

static struct fake_pipe pipe;
static struct enlh_vss *service;
/* One letter for each event: R ready, F frozen, x failed, e expired, T thawed. */
static char events[16];
static uint32_t status; /* of the last one */
static struct pipe_message message;

static void
on_event(void *ctx, enum enlh_vss_event event, uint32_t with)
{
    assert_ptr_equal(ctx, &pipe);
    assert_true(strlen(events) < sizeof(events) - 1);
    events[strlen(events)] = "RFxeT"[event];
    status = with;
}

/* The events since the last call. */
static void
assert_events(const char *want)
{
    assert_string_equal(events, want);
    memset(events, 0, sizeof(events));
}

static int
setup(void **state)
{
    struct enlh_vss_config config = {
        .size = sizeof(config), .event = on_event, .ctx = &pipe};

    (void)state;
    memset(events, 0, sizeof(events));
    pipe_start(&pipe);
    assert_int_equal(enlh_vss_create(&pipe.bus, &config, &service), 0);
    assert_int_equal(enlh_vss_freeze(service, 0), -ENL_E_AGAIN);
    assert_int_equal(enlh_vss_thaw(service), -ENL_E_AGAIN);
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    assert_events("R");
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlh_vss_destroy(service);
    pipe_stop(&pipe);
    return 0;
}

static void
freeze(uint32_t hold)
{
    assert_int_equal(enlh_vss_freeze(service, hold), 0);
    pipe_run(&pipe);
}

static void
thaw(void)
{
    assert_int_equal(enlh_vss_thaw(service), 0);
    pipe_run(&pipe);
}

static void
tick(uint32_t count)
{
    while (count-- > 0) {
        enlh_vss_tick(service);
        pipe_run(&pipe);
    }
}

/* The next message says this. */
static void
take(uint8_t operation)
{
    pipe_take(&pipe, &message);
    assert_int_equal(message.head.ic.message_type, ENL_IC_VSS);
    assert_int_equal(message.head.ic.size, operation == ENL_VSS_FREEZE
                                               ? sizeof(struct enl_vss_freeze)
                                               : sizeof(struct enl_vss_flags));
    assert_int_equal(message.bytes[BODY], operation);
    for (uint32_t i = 1; i < message.head.ic.size; i++)
        assert_int_equal(message.bytes[BODY + i], 0);
}

static void
answer(uint32_t with)
{
    message.head.ic.status = with;
    assert_int_equal(pipe_answer(&pipe, &message), 0);
}

static void
exchange(uint8_t operation, uint32_t with)
{
    take(operation);
    answer(with);
}

static void
reach_frozen(uint32_t hold)
{
    freeze(hold);
    exchange(ENL_VSS_CHECK, ENL_IC_STATUS_SUCCESS);
    exchange(ENL_VSS_FREEZE, ENL_IC_STATUS_SUCCESS);
    assert_events("F");
    pipe_assert_silent(&pipe);
}

static void
freeze_and_thaw(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        reach_frozen(0);
        thaw();
        exchange(ENL_VSS_THAW, ENL_IC_STATUS_SUCCESS);
        assert_events("T");
        assert_int_equal(status, ENL_IC_STATUS_SUCCESS);
        pipe_assert_silent(&pipe);
    }
}

static void
one_freeze_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(enlh_vss_freeze(service, ENLH_VSS_HOLD_MAX + 1), -ENL_E_INVAL);
    freeze(0);
    assert_int_equal(enlh_vss_freeze(service, 0), -ENL_E_BUSY);
    exchange(ENL_VSS_CHECK, ENL_IC_STATUS_SUCCESS);
    exchange(ENL_VSS_FREEZE, ENL_IC_STATUS_SUCCESS);
    assert_int_equal(enlh_vss_freeze(service, 0), -ENL_E_BUSY);
    thaw();
    assert_int_equal(enlh_vss_freeze(service, 0), -ENL_E_BUSY);
    exchange(ENL_VSS_THAW, ENL_IC_STATUS_SUCCESS);
    freeze(0);
    take(ENL_VSS_CHECK);
}

static void
guest_that_cannot_is_left_alone(void **state)
{
    (void)state;
    freeze(0);
    exchange(ENL_VSS_CHECK, ENL_IC_STATUS_NOT_SUPPORTED);
    assert_events("xT");
    pipe_assert_silent(&pipe);
    freeze(0);
    take(ENL_VSS_CHECK);
}

/* Some of its file systems may be frozen. One thaw is enough: it may have none. */
static void
refused_freeze_is_thawed_once(void **state)
{
    (void)state;
    freeze(0);
    exchange(ENL_VSS_CHECK, ENL_IC_STATUS_SUCCESS);
    exchange(ENL_VSS_FREEZE, ENL_IC_STATUS_FAIL);
    assert_events("x");
    assert_int_equal(status, ENL_IC_STATUS_FAIL);
    exchange(ENL_VSS_THAW, ENL_IC_STATUS_FAIL);
    assert_events("T");
    tick(ENLH_VSS_THAW_TICKS);
    pipe_assert_silent(&pipe);
}

static void
freeze_without_an_answer_is_thawed(void **state)
{
    struct pipe_message late;

    (void)state;
    freeze(0);
    exchange(ENL_VSS_CHECK, ENL_IC_STATUS_SUCCESS);
    take(ENL_VSS_FREEZE);
    late = message;
    tick(ENLH_VSS_FREEZE_TICKS - 1);
    assert_events("");
    tick(1);
    assert_events("x");
    assert_int_equal(status, ENL_IC_STATUS_TIMEOUT);
    /* It freezes after all, and then thaws: the thaw waits behind the freeze. */
    take(ENL_VSS_THAW);
    late.head.ic.status = ENL_IC_STATUS_SUCCESS;
    assert_int_equal(pipe_answer(&pipe, &late), 0);
    assert_events("");
    answer(ENL_IC_STATUS_SUCCESS);
    assert_events("T");
}

static void
check_without_an_answer_ends(void **state)
{
    (void)state;
    freeze(0);
    take(ENL_VSS_CHECK);
    tick(ENLH_VSS_FREEZE_TICKS);
    assert_events("xT");
    answer(ENL_IC_STATUS_SUCCESS); /* late */
    assert_events("");
    pipe_assert_silent(&pipe);
}

static void
guest_is_not_held_for_ever(void **state)
{
    (void)state;
    reach_frozen(7);
    tick(6);
    assert_events("");
    pipe_assert_silent(&pipe);
    tick(1);
    assert_events("e");
    exchange(ENL_VSS_THAW, ENL_IC_STATUS_SUCCESS);
    assert_events("T");
    reach_frozen(0);
    tick(ENLH_VSS_HOLD);
    assert_events("e");
}

/* The guest's daemon died and comes back. */
static void
thaw_is_said_again_until_it_works(void **state)
{
    (void)state;
    reach_frozen(0);
    thaw();
    for (int i = 0; i < 4; i++) {
        exchange(ENL_VSS_THAW, ENL_IC_STATUS_FAIL);
        tick(ENLH_VSS_THAW_TICKS - 1);
        pipe_assert_silent(&pipe);
        tick(1);
    }
    assert_events("");
    exchange(ENL_VSS_THAW, ENL_IC_STATUS_SUCCESS);
    assert_events("T");
    assert_int_equal(status, ENL_IC_STATUS_SUCCESS);
    tick(ENLH_VSS_THAW_TICKS);
    pipe_assert_silent(&pipe);
}

static void
thaw_without_an_answer_is_given_up(void **state)
{
    (void)state;
    reach_frozen(0);
    thaw();
    tick(ENLH_VSS_THAW_TICKS * ENLH_VSS_THAWS_MAX - 1);
    assert_events("");
    assert_int_equal(pipe.sent_count, 4); /* the window */
    tick(1);
    assert_events("T");
    assert_int_equal(status, ENL_IC_STATUS_TIMEOUT);
}

/* The guest was slow: its answer to the first thaw comes after the second was said. */
static void
earlier_thaw_is_as_good_as_the_last(void **state)
{
    struct pipe_message early;

    (void)state;
    reach_frozen(0);
    thaw();
    take(ENL_VSS_THAW);
    early = message;
    tick(ENLH_VSS_THAW_TICKS);
    take(ENL_VSS_THAW);
    early.head.ic.status = ENL_IC_STATUS_SUCCESS;
    assert_int_equal(pipe_answer(&pipe, &early), 0);
    assert_events("T");
    answer(ENL_IC_STATUS_SUCCESS);
    assert_events("");
}

static void
thaw_gives_up_a_freeze(void **state)
{
    (void)state;
    freeze(0);
    exchange(ENL_VSS_CHECK, ENL_IC_STATUS_SUCCESS);
    take(ENL_VSS_FREEZE);
    thaw();
    assert_events("x");
    assert_int_equal(status, ENL_IC_STATUS_CANCELLED);
    exchange(ENL_VSS_THAW, ENL_IC_STATUS_SUCCESS);
    assert_events("T");
    /* Before the channel had its turn. */
    assert_int_equal(enlh_vss_freeze(service, 0), 0);
    thaw();
    assert_events("x");
    exchange(ENL_VSS_THAW, ENL_IC_STATUS_SUCCESS);
    assert_events("T");
}

static void
thaw_without_a_freeze_is_said_once(void **state)
{
    (void)state;
    thaw();
    exchange(ENL_VSS_THAW, ENL_IC_STATUS_FAIL);
    assert_events("T");
    assert_int_equal(status, ENL_IC_STATUS_FAIL);
    tick(ENLH_VSS_THAW_TICKS);
    pipe_assert_silent(&pipe);
}

static void
second_thaw_ends_with_the_first(void **state)
{
    (void)state;
    reach_frozen(0);
    thaw();
    take(ENL_VSS_THAW);
    assert_int_equal(enlh_vss_thaw(service), 0);
    answer(ENL_IC_STATUS_SUCCESS);
    assert_events("T");
    pipe_run(&pipe);
    pipe_assert_silent(&pipe);
    assert_int_equal(enlh_vss_freeze(service, 0), 0);
}

static void
full_ring_only_delays(void **state)
{
    (void)state;
    pipe.send_result = -ENL_E_AGAIN;
    freeze(0);
    pipe_assert_silent(&pipe);
    pipe.send_result = 0;
    pipe_run(&pipe);
    exchange(ENL_VSS_CHECK, ENL_IC_STATUS_SUCCESS);
    exchange(ENL_VSS_FREEZE, ENL_IC_STATUS_SUCCESS);
    assert_events("F");
}

static void
close_ends_what_is_under_way(void **state)
{
    (void)state;
    freeze(0);
    pipe_close(&pipe);
    assert_events("xT");
    assert_int_equal(status, ENL_IC_STATUS_DEVICE_NOT_CONNECTED);
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    assert_events("R");
    reach_frozen(0);
    pipe_close(&pipe);
    assert_events("eT");
    pipe_open(&pipe);
    pipe_close(&pipe);
    assert_events("");
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    assert_events("R");
    pipe_assert_silent(&pipe);
    assert_int_equal(enlh_vss_freeze(service, 0), 0);
    pipe_close(&pipe); /* before a turn */
    assert_events("xT");
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    assert_events("R");
    assert_int_equal(enlh_vss_thaw(service), 0);
    pipe_close(&pipe); /* there was no freeze that could fail */
    assert_events("T");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(freeze_and_thaw),
        CASE(one_freeze_at_a_time),
        CASE(guest_that_cannot_is_left_alone),
        CASE(refused_freeze_is_thawed_once),
        CASE(freeze_without_an_answer_is_thawed),
        CASE(check_without_an_answer_ends),
        CASE(guest_is_not_held_for_ever),
        CASE(thaw_is_said_again_until_it_works),
        CASE(thaw_without_an_answer_is_given_up),
        CASE(earlier_thaw_is_as_good_as_the_last),
        CASE(thaw_gives_up_a_freeze),
        CASE(thaw_without_a_freeze_is_said_once),
        CASE(second_thaw_ends_with_the_first),
        CASE(full_ring_only_delays),
        CASE(close_ends_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
