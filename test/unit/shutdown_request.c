/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/shutdown_request.c - asking a guest to go down: what is sent, how it ends */
#include <string.h>

#include "enlight/abi/shutdown.h"
#include "fake_pipe.h"

#define V(major, minor) ((uint32_t)(major) << 16 | (minor))

enum { BODY = sizeof(struct enl_ic_message) };

static struct fake_pipe pipe;
static struct enlh_shutdown *service;

static int
setup(void **state)
{
    (void)state;
    pipe_start(&pipe);
    assert_int_equal(enlh_shutdown_create(&pipe.bus, &pipe.config, &service), 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlh_shutdown_destroy(service);
    pipe_stop(&pipe);
    return 0;
}

static void
start(uint32_t version)
{
    pipe_open(&pipe);
    assert_int_equal(pipe_choose(&pipe, V(3, 0), version), 0);
}

static int
ask(enum enlh_shutdown_kind kind, bool force)
{
    int result = enlh_shutdown_request(service, kind, force, "because");

    pipe_run(&pipe);
    return result;
}

static void
take(struct pipe_message *message, struct enl_shutdown *body)
{
    pipe_take(&pipe, message);
    assert_int_equal(message->head.ic.message_type, ENL_IC_SHUTDOWN);
    assert_int_equal(message->head.ic.flags,
                     ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST);
    assert_int_equal(message->head.ic.size, sizeof(*body));
    assert_int_equal(message->len, BODY + sizeof(*body));
    memcpy(body, message->bytes + BODY, sizeof(*body));
}

static void
each_kind_has_its_flags(void **state)
{
    static const uint32_t flags[] = {0, 2, 4};
    struct pipe_message message;
    struct enl_shutdown body;
    uint32_t events = 1;

    (void)state;
    start(V(3, 2));
    for (uint32_t kind = 0; kind < 3; kind++) {
        for (uint32_t force = 0; force < 2; force++) {
            assert_int_equal(ask((enum enlh_shutdown_kind)kind, force), 0);
            take(&message, &body);
            assert_int_equal(body.flags, flags[kind] | force);
            assert_int_equal(body.reason, ENL_SHUTDOWN_REASON_PLANNED);
            assert_int_equal(body.timeout_s, 0);
            assert_string_equal((const char *)body.text, "because");
            for (size_t i = sizeof("because"); i < sizeof(body.text); i++)
                assert_int_equal(body.text[i], 0);
            assert_int_equal(pipe_answer(&pipe, &message), 0);
            pipe_assert_event(&pipe, ++events, ENLH_IC_ACCEPTED);
        }
    }
}

static void
refusal_comes_with_its_status(void **state)
{
    struct pipe_message message;
    struct enl_shutdown body;

    (void)state;
    start(V(3, 2));
    assert_int_equal(ask(ENLH_SHUTDOWN_HIBERNATE, false), 0);
    take(&message, &body);
    message.head.ic.status = ENL_IC_STATUS_FAIL;
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_assert_event(&pipe, 2, ENLH_IC_REFUSED);
    assert_int_equal(pipe.events[1].status, ENL_IC_STATUS_FAIL);
    assert_int_equal(pipe.events[1].version, V(3, 2));
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), 0);
}

static void
closed_service_is_not_asked(void **state)
{
    (void)state;
    assert_int_equal(enlh_shutdown_request(service, ENLH_SHUTDOWN_POWEROFF, false, NULL),
                     -ENL_E_AGAIN);
    pipe_open(&pipe);
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), -ENL_E_AGAIN);
    pipe_negotiate(&pipe);
    pipe_assert_silent(&pipe);
    assert_int_equal(pipe.wakes, 0);
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), 0);
    assert_int_equal(pipe.wakes, 1);
}

static void
one_request_at_a_time(void **state)
{
    struct pipe_message message;
    struct enl_shutdown body;

    (void)state;
    start(V(3, 2));
    assert_int_equal(enlh_shutdown_request(service, ENLH_SHUTDOWN_REBOOT, false, NULL),
                     0);
    assert_int_equal(enlh_shutdown_request(service, ENLH_SHUTDOWN_POWEROFF, false, NULL),
                     -ENL_E_AGAIN);
    pipe_run(&pipe);
    pipe_run(&pipe);
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), -ENL_E_AGAIN);
    take(&message, &body);
    pipe_assert_silent(&pipe);
    assert_int_equal(body.flags, ENL_SHUTDOWN_RESTART);
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_assert_silent(&pipe);
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), 0);
}

static void
kinds_need_their_version(void **state)
{
    (void)state;
    start(V(3, 0));
    assert_int_equal(ask(ENLH_SHUTDOWN_REBOOT, false), -ENL_E_NOTSUP);
    assert_int_equal(ask(ENLH_SHUTDOWN_HIBERNATE, false), -ENL_E_NOTSUP);
    assert_int_equal(ask((enum enlh_shutdown_kind)3, false), -ENL_E_INVAL);
    pipe_assert_silent(&pipe);
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, true), 0);
    pipe_close(&pipe);
    start(V(3, 1));
    assert_int_equal(ask(ENLH_SHUTDOWN_HIBERNATE, false), -ENL_E_NOTSUP);
    assert_int_equal(ask(ENLH_SHUTDOWN_REBOOT, false), 0);
}

static void
full_ring_only_delays(void **state)
{
    struct pipe_message message;
    struct enl_shutdown body;

    (void)state;
    start(V(3, 2));
    pipe.send_result = -ENL_E_AGAIN;
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), 0);
    pipe_assert_silent(&pipe);
    pipe.send_result = 0;
    pipe_run(&pipe);
    take(&message, &body);
    assert_int_equal(pipe_answer(&pipe, &message), 0);
    pipe_assert_event(&pipe, 2, ENLH_IC_ACCEPTED);
}

static void
ring_too_small_ends_the_request(void **state)
{
    (void)state;
    start(V(3, 2));
    pipe.send_result = -ENL_E_MSGSIZE;
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), 0);
    pipe_assert_event(&pipe, 2, ENLH_IC_REFUSED);
    pipe.send_result = 0;
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), 0);
}

/* Sent or not: the embedder waits for an event. */
static void
close_ends_the_request(void **state)
{
    (void)state;
    start(V(3, 2));
    assert_int_equal(ask(ENLH_SHUTDOWN_POWEROFF, false), 0);
    pipe_close(&pipe);
    pipe_assert_event(&pipe, 2, ENLH_IC_REFUSED);
    assert_int_equal(pipe.events[1].status, ENL_IC_STATUS_DEVICE_NOT_CONNECTED);
    start(V(3, 2));
    pipe_assert_silent(&pipe); /* the old request is not sent to the new guest */
    assert_int_equal(enlh_shutdown_request(service, ENLH_SHUTDOWN_REBOOT, false, NULL),
                     0);
    pipe_close(&pipe);
    pipe_assert_event(&pipe, 4, ENLH_IC_REFUSED);
    pipe_open(&pipe);
    pipe_close(&pipe);
    assert_int_equal(pipe.event_count, 4);
}

static void
long_reason_is_cut(void **state)
{
    static char reason[5000];
    struct pipe_message message;
    struct enl_shutdown body;

    (void)state;
    memset(reason, 'x', sizeof(reason) - 1);
    start(V(3, 2));
    assert_int_equal(
        enlh_shutdown_request(service, ENLH_SHUTDOWN_POWEROFF, false, reason), 0);
    memset(reason, 'y', sizeof(reason) - 1); /* it was copied */
    pipe_run(&pipe);
    take(&message, &body);
    assert_int_equal(body.text[0], 'x');
    assert_int_equal(body.text[sizeof(body.text) - 2], 'x');
    assert_int_equal(body.text[sizeof(body.text) - 1], 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(each_kind_has_its_flags),
        CASE(refusal_comes_with_its_status),
        CASE(closed_service_is_not_asked),
        CASE(one_request_at_a_time),
        CASE(kinds_need_their_version),
        CASE(full_ring_only_delays),
        CASE(ring_too_small_ends_the_request),
        CASE(close_ends_the_request),
        CASE(long_reason_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
