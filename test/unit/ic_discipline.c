/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ic_discipline.c - only an answer to what was asked is taken, once; anything
 * else a guest may send is counted, or costs it the channel
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/dev/ic.h"
#include "fake_pipe.h"

enum { BODY = sizeof(struct enl_ic_message) };

static struct fake_pipe pipe;
static struct enlh_heartbeat *heartbeat;
static struct enlh_ic *ic; /* the same */

static int
setup(void **state)
{
    (void)state;
    pipe_start(&pipe);
    assert_int_equal(enlh_heartbeat_create(&pipe.bus, &pipe.config, &heartbeat), 0);
    ic = (struct enlh_ic *)heartbeat;
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

/* Open, agree, and have one heartbeat in flight. */
static void
beat(struct pipe_message *message)
{
    if (!pipe.open) {
        pipe_open(&pipe);
        pipe_negotiate(&pipe);
    }
    enlh_heartbeat_tick(heartbeat);
    pipe_run(&pipe);
    pipe_take(&pipe, message);
}

/* What a guest's driver does to a heartbeat. */
static void
increment(struct pipe_message *message)
{
    uint64_t sequence;

    memcpy(&sequence, message->bytes + BODY, sizeof(sequence));
    sequence++;
    memcpy(message->bytes + BODY, &sequence, sizeof(sequence));
}

/* It is refused: counted, with no loss of the channel. */
#define assert_refused(sending)                                                          \
    do {                                                                                 \
        uint64_t before = ic->refused;                                                   \
                                                                                         \
        assert_int_equal(sending, 0);                                                    \
        assert_int_equal(ic->refused, before + 1);                                       \
    } while (0)

static void
answer_with_other_flags_is_refused(void **state)
{
    static const uint8_t flags[] = {0, 1, 2, 3, 4, 6, 7};
    struct pipe_message message;

    (void)state;
    beat(&message);
    increment(&message);
    for (size_t i = 0; i < sizeof(flags); i++) {
        message.head.ic.flags = flags[i];
        assert_refused(pipe_packet(&pipe, message.bytes, message.len));
    }
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_assert_event(&pipe, 2, ENLH_IC_ALIVE);
    assert_int_equal(ic->refused, sizeof(flags));
}

static void
answer_counts_once(void **state)
{
    struct pipe_message message;

    (void)state;
    beat(&message);
    increment(&message);
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    assert_int_equal(ic->waiting_count, 0);
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    assert_int_equal(ic->refused, 1);
    assert_int_equal(ic->waiting_count, 0);
}

static void
answer_to_nothing_is_refused(void **state)
{
    struct pipe_message message;
    uint8_t id;

    (void)state;
    beat(&message);
    increment(&message);
    id = message.head.ic.transaction_id;
    for (unsigned other = 0; other < 256; other++) {
        message.head.ic.transaction_id = (uint8_t)other;
        if (other != id)
            assert_refused(pipe_answer(&pipe, &message));
    }
    assert_int_equal(ic->refused, 255);
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
}

static void
answer_of_another_type_is_refused(void **state)
{
    struct pipe_message message;

    (void)state;
    beat(&message);
    increment(&message);
    for (uint16_t type = 0; type < 32; type++) {
        message.head.ic.message_type = type;
        if (type != ENL_IC_HEARTBEAT)
            assert_refused(pipe_answer(&pipe, &message));
    }
    assert_int_equal(ic->refused, 31);
    assert_int_equal(ic->waiting_count, 1);
}

static void
nothing_but_the_choice_is_taken_before_the_agreement(void **state)
{
    struct pipe_message message, forged;

    (void)state;
    pipe_open(&pipe);
    message = pipe.sent[pipe.sent_first];
    forged = message;
    forged.head.ic.message_type = ENL_IC_HEARTBEAT;
    assert_refused(pipe_answer(&pipe, &forged));
    assert_int_equal(pipe.event_count, 0);
    enlh_heartbeat_tick(heartbeat);
    pipe_run(&pipe);
    pipe_negotiate(&pipe);
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
    pipe_assert_silent(&pipe);
}

static void
second_choice_is_refused(void **state)
{
    struct pipe_message message;

    (void)state;
    pipe_open(&pipe);
    message = pipe.sent[pipe.sent_first];
    pipe_negotiate(&pipe);
    assert_refused(pipe_answer(&pipe, &message));
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
}

static void
answers_from_before_a_reopening_are_refused(void **state)
{
    struct pipe_message old[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        beat(&old[i]);
        increment(&old[i]);
    }
    pipe_close(&pipe);
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    for (int i = 0; i < 3; i++)
        assert_refused(pipe_answer(&pipe, &old[i]));
    assert_int_equal(ic->waiting_count, 0);
    beat(&old[0]);
}

static void
broken_frame_costs_the_channel(void **state)
{
    struct pipe_message message, bad;
    struct enlh_packet packet = {.type = ENL_PACKET_GPA_DIRECT};

    (void)state;
    beat(&message);
    increment(&message);
    message.head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE;
    for (uint32_t len = 0; len < message.len; len++)
        assert_int_equal(pipe_packet(&pipe, message.bytes, len), -ENL_E_PROTO);
    bad = message;
    bad.head.pipe.type = 2;
    assert_int_equal(pipe_packet(&pipe, bad.bytes, bad.len), -ENL_E_PROTO);
    bad = message;
    bad.head.pipe.size = 19;
    assert_int_equal(pipe_packet(&pipe, bad.bytes, bad.len), -ENL_E_PROTO);
    bad.head.pipe.size = UINT32_MAX;
    assert_int_equal(pipe_packet(&pipe, bad.bytes, bad.len), -ENL_E_PROTO);
    bad = message;
    bad.head.ic.size++;
    assert_int_equal(pipe_packet(&pipe, bad.bytes, bad.len), -ENL_E_PROTO);
    packet.payload = message.bytes;
    packet.payload_len = message.len;
    assert_int_equal(pipe.ops->packet(pipe.dev, &pipe.channel, &packet), -ENL_E_PROTO);
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
    assert_int_equal(pipe_packet(&pipe, message.bytes, message.len), 0);
    pipe_assert_event(&pipe, 2, ENLH_IC_ALIVE);
}

/* The ring pads a packet to 8 bytes: what is behind the message does not matter. */
static void
padding_is_allowed(void **state)
{
    struct pipe_message message;

    (void)state;
    beat(&message);
    increment(&message);
    memset(message.bytes + message.len, 0xee, 16);
    message.len += 16;
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_assert_event(&pipe, 2, ENLH_IC_ALIVE);
}

static void
window_bounds_what_is_in_flight(void **state)
{
    struct pipe_message message;
    int sent = 0;

    (void)state;
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    for (int i = 0; i < 100; i++) {
        enlh_heartbeat_tick(heartbeat);
        pipe_run(&pipe);
    }
    while (pipe.sent_count > 0) {
        pipe_take(&pipe, &message);
        sent++;
    }
    assert_int_equal(sent, 8);
    increment(&message);
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    beat(&message);
}

/* One answer stays out for ever: its id is not used again, and nothing is mixed up. */
static void
transaction_ids_are_unique_while_they_wait(void **state)
{
    struct pipe_message first, message;

    (void)state;
    beat(&first);
    for (int i = 0; i < 255; i++) {
        beat(&message);
        assert_int_not_equal(message.head.ic.transaction_id,
                             first.head.ic.transaction_id);
        increment(&message);
        assert_int_equal(pipe_answer(&pipe, &message), 0);
    }
    enlh_heartbeat_tick(heartbeat);
    pipe_run(&pipe);
    pipe_assert_silent(&pipe);
    increment(&first);
    assert_int_equal(pipe_answer(&pipe, &first), 0);
    beat(&message);
    assert_int_equal(message.head.ic.transaction_id, first.head.ic.transaction_id);
    assert_int_equal(ic->refused, 0);
}

/* Answers whose bytes are changed at random, and plain noise. */
static void
noise_does_no_harm(void **state)
{
    struct pipe_message message;
    uint32_t x = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        if (pipe.open && round % 50 == 0)
            pipe_close(&pipe);
        if (!pipe.open)
            pipe_open(&pipe);
        enlh_heartbeat_tick(heartbeat);
        pipe_run(&pipe);
        memset(&message, 0, sizeof(message));
        if (pipe.sent_count > 0)
            pipe_take(&pipe, &message);
        message.head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE;
        for (int i = 0; i < round % 5; i++) {
            x = x * 1664525u + 1013904223u;
            message.bytes[(x >> 16) % 48] = (uint8_t)(x >> 8);
        }
        x = x * 1664525u + 1013904223u;
        pipe_packet(&pipe, message.bytes, x >> 30 ? message.len : (x >> 8) % 80);
        pipe.event_count = 0;
        assert_true(ic->waiting_count <= 9);
    }
}

/* ---- threads ---- */

static void *
tick_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++)
        enlh_heartbeat_tick(heartbeat);
    return NULL;
}

static void
ticks_may_come_from_any_thread(void **state)
{
    struct pipe_message message;
    pthread_t threads[2];

    (void)state;
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, tick_often, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        pipe_run(&pipe);
        if (pipe.sent_count > 0) {
            pipe_take(&pipe, &message);
            increment(&message);
            assert_int_equal(pipe_answer(&pipe, &message), 0);
        }
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(pipe.wakes, 4000);
    assert_int_equal(ic->refused, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(answer_with_other_flags_is_refused),
        CASE(answer_counts_once),
        CASE(answer_to_nothing_is_refused),
        CASE(answer_of_another_type_is_refused),
        CASE(nothing_but_the_choice_is_taken_before_the_agreement),
        CASE(second_choice_is_refused),
        CASE(answers_from_before_a_reopening_are_refused),
        CASE(broken_frame_costs_the_channel),
        CASE(padding_is_allowed),
        CASE(window_bounds_what_is_in_flight),
        CASE(transaction_ids_are_unique_while_they_wait),
        CASE(noise_does_no_harm),
        CASE(ticks_may_come_from_any_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
