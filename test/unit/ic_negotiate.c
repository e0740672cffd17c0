/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/ic_negotiate.c - the offers, and which versions a service and a guest agree on */
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/vmbus.h"
#include "fake_pipe.h"

#define V(major, minor) ((uint32_t)(major) << 16 | (minor))

enum {
    BODY = sizeof(struct enl_ic_message),
    LIST = BODY + sizeof(struct enl_ic_negotiate)
};

static struct fake_pipe pipe;

static int
setup(void **state)
{
    (void)state;
    pipe_start(&pipe);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    pipe_stop(&pipe);
    return 0;
}

static struct enlh_shutdown *
shutdown_service(void)
{
    struct enlh_shutdown *shutdown = NULL;

    assert_int_equal(enlh_shutdown_create(&pipe.bus, &pipe.config, &shutdown), 0);
    return shutdown;
}

/* ---- offers ---- */

static void
check_offer(const struct enl_guid *class_id, const struct enl_guid *instance)
{
    assert_memory_equal(&pipe.offer.type, class_id, sizeof(*class_id));
    if (instance)
        assert_memory_equal(&pipe.offer.instance, instance, sizeof(*instance));
    assert_int_equal(pipe.offer.subchannel, 0);
    assert_true(pipe.offer.flags & ENL_OFFER_NAMED_PIPE);
    assert_int_equal(pipe.offer.user_defined[0], ENL_PIPE_TYPE_MESSAGE);
}

static void
each_service_is_offered_as_its_class(void **state)
{
    static const struct enl_guid classes[] = {ENL_GUID_HEARTBEAT, ENL_GUID_TIMESYNC,
                                              ENL_GUID_SHUTDOWN};
    static const struct enl_guid timesync_instance = ENL_GUID_TIMESYNC_INSTANCE;
    static const struct enl_guid shutdown_instance = ENL_GUID_SHUTDOWN_INSTANCE;
    struct enlh_heartbeat *heartbeat;
    struct enlh_timesync *timesync;
    struct enlh_shutdown *shutdown;
    struct enl_guid first;

    (void)state;
    assert_int_equal(enlh_heartbeat_create(&pipe.bus, &pipe.config, &heartbeat), 0);
    check_offer(&classes[0], NULL);
    first = pipe.offer.instance;
    enlh_heartbeat_destroy(heartbeat);
    assert_int_equal(enlh_heartbeat_create(&pipe.bus, &pipe.config, &heartbeat), 0);
    check_offer(&classes[0], &first); /* the same on every start */
    enlh_heartbeat_destroy(heartbeat);
    assert_int_equal(enlh_timesync_create(&pipe.bus, &pipe.config, &timesync), 0);
    check_offer(&classes[1], &timesync_instance);
    enlh_timesync_destroy(timesync);
    assert_int_equal(enlh_shutdown_create(&pipe.bus, &pipe.config, &shutdown), 0);
    check_offer(&classes[2], &shutdown_instance);
    enlh_shutdown_destroy(shutdown);
}

static void
failed_offer_leaves_nothing_behind(void **state)
{
    struct enlh_heartbeat *heartbeat = NULL;

    (void)state;
    pipe.offer_result = -ENL_E_EXIST;
    assert_int_equal(enlh_heartbeat_create(&pipe.bus, &pipe.config, &heartbeat),
                     -ENL_E_EXIST);
    assert_null(heartbeat);
    pipe.offer_result = 0;
    pipe.fake->alloc_countdown = 0;
    assert_int_equal(enlh_heartbeat_create(&pipe.bus, &pipe.config, &heartbeat),
                     -ENL_E_NOMEM);
    pipe.fake->alloc_countdown = -1;
    enlh_heartbeat_destroy(NULL);
}

/* ---- the list ---- */

static void
opening_sends_both_lists_oldest_first(void **state)
{
    struct enlh_shutdown *shutdown = shutdown_service();
    struct pipe_message message;
    struct enl_ic_negotiate counts;

    (void)state;
    pipe_assert_silent(&pipe);
    pipe_open(&pipe);
    pipe_take(&pipe, &message);
    pipe_assert_silent(&pipe);
    assert_int_equal(message.len, LIST + 6 * 4);
    assert_int_equal(message.head.pipe.type, ENL_PIPE_DATA);
    assert_int_equal(message.head.pipe.size, message.len - 8);
    assert_int_equal(message.head.ic.message_type, ENL_IC_NEGOTIATE);
    assert_int_equal(message.head.ic.size, message.len - BODY);
    assert_int_equal(message.head.ic.flags,
                     ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST);
    memcpy(&counts, message.bytes + BODY, sizeof(counts));
    assert_int_equal(counts.framework_count, 2);
    assert_int_equal(counts.message_count, 4);
    assert_int_equal(pipe_version(&message, 0), V(1, 0));
    assert_int_equal(pipe_version(&message, 1), V(3, 0));
    assert_int_equal(pipe_version(&message, 2), V(1, 0));
    assert_int_equal(pipe_version(&message, 3), V(3, 0));
    assert_int_equal(pipe_version(&message, 4), V(3, 1));
    assert_int_equal(pipe_version(&message, 5), V(3, 2));
    enlh_shutdown_destroy(shutdown);
}

static void
list_waits_for_room_in_the_ring(void **state)
{
    struct enlh_shutdown *shutdown = shutdown_service();

    (void)state;
    pipe.send_result = -ENL_E_AGAIN;
    pipe_open(&pipe);
    pipe_run(&pipe);
    pipe_assert_silent(&pipe);
    pipe.send_result = 0;
    pipe_run(&pipe);
    pipe_run(&pipe);
    pipe_negotiate(&pipe); /* one list, and no more */
    pipe_assert_event(&pipe, 1, ENLH_IC_READY);
    enlh_shutdown_destroy(shutdown);
}

/* ---- the choice ---- */

static void
guest_may_choose_any_pair_that_was_offered(void **state)
{
    static const uint32_t frameworks[] = {V(1, 0), V(3, 0)};
    static const uint32_t versions[] = {V(1, 0), V(3, 0), V(3, 1), V(3, 2)};
    struct enlh_shutdown *shutdown = shutdown_service();
    uint32_t count = 0;

    (void)state;
    for (int f = 0; f < 2; f++) {
        for (int v = 0; v < 4; v++) {
            pipe_open(&pipe);
            assert_int_equal(pipe_choose(&pipe, frameworks[f], versions[v]), 0);
            pipe_assert_event(&pipe, ++count, ENLH_IC_READY);
            assert_int_equal(pipe.events[count - 1].framework, frameworks[f]);
            assert_int_equal(pipe.events[count - 1].version, versions[v]);
            pipe_close(&pipe);
        }
    }
    enlh_shutdown_destroy(shutdown);
}

static void
version_that_was_not_offered_breaks_the_protocol(void **state)
{
    static const uint32_t bad[][2] = {{V(3, 0), V(4, 0)},
                                      {V(3, 0), V(2, 0)},
                                      {V(2, 0), V(3, 2)},
                                      {V(0, 0), V(0, 0)},
                                      {V(3, 1), V(3, 1)}};
    struct enlh_shutdown *shutdown = shutdown_service();

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pipe_open(&pipe);
        assert_int_equal(pipe_choose(&pipe, bad[i][0], bad[i][1]), -ENL_E_PROTO);
        pipe_close(&pipe);
    }
    assert_int_equal(pipe.event_count, 0);
    enlh_shutdown_destroy(shutdown);
}

/* Answer with these counts, and a body of that many bytes. */
static int
answer_counts(uint16_t framework, uint16_t version, uint16_t size)
{
    struct enl_ic_negotiate counts = {framework, version, 0};
    struct pipe_message message;

    pipe_take(&pipe, &message);
    message.head.ic.size = size;
    memcpy(message.bytes + BODY, &counts, sizeof(counts));
    return pipe_answer(&pipe, &message);
}

static void
refusal_is_told_and_ends_the_talk(void **state)
{
    static const uint16_t refusals[][2] = {{0, 0}, {0, 1}, {1, 0}};
    struct enlh_heartbeat *heartbeat;

    (void)state;
    assert_int_equal(enlh_heartbeat_create(&pipe.bus, &pipe.config, &heartbeat), 0);
    for (uint32_t i = 0; i < 3; i++) {
        pipe_open(&pipe);
        assert_int_equal(answer_counts(refusals[i][0], refusals[i][1], 16), 0);
        pipe_assert_event(&pipe, i + 1, ENLH_IC_REFUSED);
        assert_int_equal(pipe.events[i].version, 0);
        assert_int_not_equal(pipe.events[i].status, ENL_IC_STATUS_SUCCESS);
        enlh_heartbeat_tick(heartbeat);
        pipe_run(&pipe);
        pipe_assert_silent(&pipe);
        pipe_close(&pipe);
    }
    enlh_heartbeat_destroy(heartbeat);
}

static void
other_counts_and_short_choices_break_the_protocol(void **state)
{
    static const uint16_t bad[][3] = {{2, 1, 16}, {1, 2, 16},     {65535, 65535, 16},
                                      {1, 1, 15}, {1, 1, 8},      {1, 1, 0},
                                      {0, 0, 7},  {2, 65535, 16}, {1, 1, 12}};
    struct enlh_shutdown *shutdown = shutdown_service();

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pipe_open(&pipe);
        assert_int_equal(answer_counts(bad[i][0], bad[i][1], bad[i][2]), -ENL_E_PROTO);
        pipe_close(&pipe);
    }
    assert_int_equal(pipe.event_count, 0);
    enlh_shutdown_destroy(shutdown);
}

/* ---- caps ---- */

static void
cap_shortens_the_list(void **state)
{
    struct enlh_shutdown *shutdown;
    struct pipe_message message;
    struct enl_ic_negotiate counts;

    (void)state;
    pipe.config.max_version = V(3, 1);
    shutdown = shutdown_service();
    pipe_open(&pipe);
    message = pipe.sent[pipe.sent_first];
    memcpy(&counts, message.bytes + BODY, sizeof(counts));
    assert_int_equal(counts.message_count, 3);
    assert_int_equal(message.len, LIST + 5 * 4);
    assert_int_equal(pipe_version(&message, 4), V(3, 1));
    assert_int_equal(pipe_choose(&pipe, V(3, 0), V(3, 2)), -ENL_E_PROTO);
    enlh_shutdown_destroy(shutdown);
}

static void
cap_between_versions_takes_the_older(void **state)
{
    struct enlh_timesync *timesync;

    (void)state;
    pipe.config.max_version = V(3, 5);
    assert_int_equal(enlh_timesync_create(&pipe.bus, &pipe.config, &timesync), 0);
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    assert_int_equal(pipe.events[0].version, V(3, 0));
    enlh_timesync_destroy(timesync);
}

static void
cap_below_every_version_is_refused(void **state)
{
    struct enlh_shutdown *shutdown;

    (void)state;
    pipe.config.max_version = V(0, 9);
    assert_int_equal(enlh_shutdown_create(&pipe.bus, &pipe.config, &shutdown),
                     -ENL_E_INVAL);
    pipe.config.max_version = 0;
    pipe.config.size--;
    assert_int_equal(enlh_shutdown_create(&pipe.bus, &pipe.config, &shutdown),
                     -ENL_E_INVAL);
}

/* ---- again ---- */

static void
reopening_negotiates_again(void **state)
{
    struct enlh_shutdown *shutdown = shutdown_service();
    struct pipe_message old;

    (void)state;
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    pipe_close(&pipe);
    pipe_open(&pipe);
    old = pipe.sent[pipe.sent_first];
    assert_int_equal(old.head.ic.message_type, ENL_IC_NEGOTIATE);
    assert_int_equal(pipe_choose(&pipe, V(1, 0), V(1, 0)), 0);
    pipe_assert_event(&pipe, 2, ENLH_IC_READY);
    assert_int_equal(pipe.events[1].version, V(1, 0));
    enlh_shutdown_destroy(shutdown);
}

static void
events_are_optional(void **state)
{
    struct enlh_shutdown *shutdown;

    (void)state;
    pipe.config.event = NULL;
    shutdown = shutdown_service();
    pipe_open(&pipe);
    pipe_negotiate(&pipe);
    assert_int_equal(enlh_shutdown_request(shutdown, ENLH_SHUTDOWN_POWEROFF, false, NULL),
                     0);
    pipe_close(&pipe);
    enlh_shutdown_destroy(shutdown);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(each_service_is_offered_as_its_class),
        CASE(failed_offer_leaves_nothing_behind),
        CASE(opening_sends_both_lists_oldest_first),
        CASE(list_waits_for_room_in_the_ring),
        CASE(guest_may_choose_any_pair_that_was_offered),
        CASE(version_that_was_not_offered_breaks_the_protocol),
        CASE(refusal_is_told_and_ends_the_talk),
        CASE(other_counts_and_short_choices_break_the_protocol),
        CASE(cap_shortens_the_list),
        CASE(cap_between_versions_takes_the_older),
        CASE(cap_below_every_version_is_refused),
        CASE(reopening_negotiates_again),
        CASE(events_are_optional),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
