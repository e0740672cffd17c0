/* SPDX-License-Identifier: BSD-2-Clause */
/* A bad line: what is lost comes from the seed, what is late comes later, nothing stays. */
#include "net_stack.h"

#include <string.h>

static struct net_stack s;
static struct fake_net inner;

static void
start(const struct enlb_link_config *config)
{
    net_stack_begin(&s);
    fake_net_init(&inner);
    assert_int_equal(enlb_link_create(&inner.net, config, &s.net), 0);
    net_stack_open(&s);
}

static void
stop(void)
{
    net_stack_end(&s);
    fake_net_fini(&inner);
}

static uint64_t
survivors(uint64_t seed)
{
    const struct enlb_link_config config = {
        .size = sizeof(config), .loss = 0.25, .seed = seed};
    uint64_t hash = 0;

    start(&config);
    for (uint32_t i = 0; i < 200; i++)
        net_stack_send(&s, 60, (uint8_t)i);
    s.net.ops->reap(s.queue);
    assert_true(inner.queues[0].sent_count > 120 && inner.queues[0].sent_count < 180);
    for (uint32_t i = 0; i < inner.queues[0].sent_count; i++)
        hash = hash * 31 + inner.queues[0].sent[i].bytes[0];
    stop();
    return hash;
}

static void
link_what_is_lost_comes_from_the_seed(void **state)
{
    (void)state;
    assert_true(survivors(1) == survivors(1));
    assert_true(survivors(1) != survivors(2));
}

static void
link_a_frame_that_is_late_comes_later(void **state)
{
    const struct enlb_link_config config = {.size = sizeof(config), .delay_ms = 30};
    struct enlh_net_received got;
    uint8_t frame[80] = {1};

    (void)state;
    start(&config);
    assert_int_equal(net_stack_send(&s, 60, 1), 0);
    s.net.ops->reap(s.queue);
    assert_int_equal(inner.queues[0].sent_count, 0);
    fake_net_bring(&inner, 0, frame, sizeof(frame), NULL);
    assert_int_equal(net_stack_receive(&s, false, &got), 0);
    assert_int_equal(net_stack_receive(&s, true, &got), 80);
    while (!inner.queues[0].sent_count) {
        s.net.ops->reap(s.queue);
        if (!inner.queues[0].sent_count)
            net_stack_wait(&s);
    }
    assert_int_equal(s.done, 1);
    stop();
}

static void
link_a_slow_line_sends_one_after_the_other(void **state)
{
    const struct enlb_link_config config = {.size = sizeof(config), .rate = 8000};
    struct enlh_net_link link;

    (void)state;
    start(&config);
    s.net.ops->link(s.net.backend, &link);
    assert_int_equal(link.speed, 8000);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(net_stack_send(&s, 60, 1), 0); /* 60 ms each */
    s.net.ops->reap(s.queue);
    assert_true(inner.queues[0].sent_count < 10);
    stop(); /* what is on the line comes back */
    assert_int_equal(s.done, 10);
}

static void
link_what_waits_is_bounded(void **state)
{
    const struct enlb_link_config config = {.size = sizeof(config), .delay_ms = 60000};
    uint32_t count = 0;

    (void)state;
    start(&config);
    while (net_stack_send(&s, 20, 1) == 0)
        assert_true(++count < 5000);
    assert_int_equal(count, 1024);
    stop();
    assert_int_equal(s.done, 1024);
}

static void
link_a_config_that_is_none_is_refused(void **state)
{
    struct enlb_link_config config = {.size = sizeof(config), .loss = 1.5};
    struct enlh_net out;

    (void)state;
    fake_net_init(&inner);
    assert_int_equal(enlb_link_create(&inner.net, &config, &out), -ENL_E_INVAL);
    config.loss = 0;
    config.reorder = -1;
    assert_int_equal(enlb_link_create(&inner.net, &config, &out), -ENL_E_INVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_what_is_lost_comes_from_the_seed),
        cmocka_unit_test(link_a_frame_that_is_late_comes_later),
        cmocka_unit_test(link_a_slow_line_sends_one_after_the_other),
        cmocka_unit_test(link_what_waits_is_bounded),
        cmocka_unit_test(link_a_config_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
