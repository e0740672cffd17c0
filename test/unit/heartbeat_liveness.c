/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/heartbeat_liveness.c - when a guest counts as alive, and when as lost */
#include <string.h>

#include "enlight/abi/heartbeat.h"
#include "fake_pipe.h"

enum { BODY = sizeof(struct enl_ic_message) };

static struct fake_pipe pipe;
static struct enlh_heartbeat *heartbeat;

static int
setup(void **state)
{
    (void)state;
    pipe_start(&pipe);
    assert_int_equal(enlh_heartbeat_create(&pipe.bus, &pipe.config, &heartbeat), 0);
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlh_heartbeat_destroy(heartbeat);
    pipe_stop(&pipe);
    return 0;
}

static void
tick(void)
{
    enlh_heartbeat_tick(heartbeat);
    pipe_run(&pipe);
}

/* Answer the oldest heartbeat with its number plus this. */
static int
answer(uint64_t plus)
{
    struct pipe_message message;
    struct enl_heartbeat body;

    pipe_take(&pipe, &message);
    memcpy(&body, message.bytes + BODY, sizeof(body));
    body.sequence += plus;
    memcpy(message.bytes + BODY, &body, sizeof(body));
    return pipe_answer(&pipe, &message);
}

static void
each_tick_sends_one_heartbeat(void **state)
{
    struct pipe_message message;
    struct enl_heartbeat first, second;

    (void)state;
    pipe_assert_silent(&pipe);
    tick();
    pipe_run(&pipe);
    pipe_run(&pipe);
    pipe_take(&pipe, &message);
    pipe_assert_silent(&pipe);
    assert_int_equal(message.len, BODY + sizeof(first));
    assert_int_equal(message.head.ic.message_type, ENL_IC_HEARTBEAT);
    assert_int_equal(message.head.ic.flags,
                     ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST);
    assert_int_equal(message.head.ic.size, sizeof(first));
    assert_int_equal(message.head.ic.framework.major, 3);
    assert_int_equal(message.head.ic.message_version.major, 3);
    memcpy(&first, message.bytes + BODY, sizeof(first));
    tick();
    pipe_take(&pipe, &message);
    memcpy(&second, message.bytes + BODY, sizeof(second));
    assert_int_equal(second.sequence, first.sequence + 1);
    assert_int_equal(second.application_state, 0);
}

static void
tick_wakes_the_worker_only_when_there_is_something_to_send(void **state)
{
    (void)state;
    assert_int_equal(pipe.wakes, 0);
    enlh_heartbeat_tick(heartbeat);
    assert_int_equal(pipe.wakes, 1);
    pipe_close(&pipe);
    enlh_heartbeat_tick(heartbeat);
    assert_int_equal(pipe.wakes, 1);
    pipe_open(&pipe);
    enlh_heartbeat_tick(heartbeat);
    assert_int_equal(pipe.wakes, 1);
    pipe_negotiate(&pipe);
    pipe_assert_silent(&pipe); /* ticks of before are gone */
}

static void
first_answer_says_alive_once(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        tick();
        assert_int_equal(answer(1), 0);
    }
    pipe_assert_event(&pipe, 2, ENLH_IC_ALIVE);
}

static void
three_silences_in_a_row_are_a_loss_told_once(void **state)
{
    (void)state;
    tick();
    assert_int_equal(answer(1), 0);
    tick();
    tick();
    tick();
    pipe_assert_event(&pipe, 2, ENLH_IC_ALIVE);
    tick();
    pipe_assert_event(&pipe, 3, ENLH_IC_LOST);
    for (int i = 0; i < 10; i++)
        tick();
    pipe_assert_event(&pipe, 3, ENLH_IC_LOST);
}

static void
answer_in_time_starts_the_count_anew(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        tick();
        tick();
        tick();
        assert_int_equal(answer(1), 0);
        assert_int_equal(answer(1), 0);
        assert_int_equal(answer(1), 0);
    }
    pipe_assert_event(&pipe, 2, ENLH_IC_ALIVE);
}

static void
lost_guest_that_answers_is_alive_again(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        tick();
    pipe_assert_event(&pipe, 2, ENLH_IC_LOST);
    assert_int_equal(answer(1), 0);
    pipe_assert_event(&pipe, 3, ENLH_IC_ALIVE);
}

static void
wrong_number_is_no_answer(void **state)
{
    static const uint64_t wrong[] = {0, 2, UINT64_MAX, 256, 257};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tick();
        assert_int_equal(answer(wrong[i]), 0);
    }
    pipe_assert_event(&pipe, 2, ENLH_IC_LOST);
}

static void
failure_and_short_body_are_no_answer(void **state)
{
    struct pipe_message message;

    (void)state;
    tick();
    pipe_take(&pipe, &message);
    message.bytes[BODY]++;
    message.head.ic.status = ENL_IC_STATUS_FAIL;
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    tick();
    pipe_take(&pipe, &message);
    message.bytes[BODY]++;
    message.head.ic.size = 7;
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
}

static void
full_ring_counts_as_silence(void **state)
{
    (void)state;
    pipe.send_result = -ENL_E_AGAIN;
    for (int i = 0; i < 4; i++)
        tick();
    pipe_assert_event(&pipe, 2, ENLH_IC_LOST);
    pipe.send_result = 0;
    tick();
    assert_int_equal(answer(1), 0);
    pipe_assert_event(&pipe, 3, ENLH_IC_ALIVE);
}

static void
reopened_service_is_new(void **state)
{
    (void)state;
    tick();
    assert_int_equal(answer(1), 0);
    tick();
    tick();
    tick();
    pipe_close(&pipe);
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    pipe_assert_event(&pipe, 3, ENLH_IC_READY);
    tick();
    pipe_assert_event(&pipe, 3, ENLH_IC_READY);
    assert_int_equal(answer(1), 0);
    pipe_assert_event(&pipe, 4, ENLH_IC_ALIVE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(each_tick_sends_one_heartbeat),
        CASE(tick_wakes_the_worker_only_when_there_is_something_to_send),
        CASE(first_answer_says_alive_once),
        CASE(three_silences_in_a_row_are_a_loss_told_once),
        CASE(answer_in_time_starts_the_count_anew),
        CASE(lost_guest_that_answers_is_alive_again),
        CASE(wrong_number_is_no_answer),
        CASE(failure_and_short_body_are_no_answer),
        CASE(full_ring_counts_as_silence),
        CASE(reopened_service_is_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
