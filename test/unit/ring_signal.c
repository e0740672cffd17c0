/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_signal.c - who must be woken, and when: empty, full, mask, waiting
 */
#include "ring_rig.h"

static struct ring_rig rig;

static int
setup(void **state)
{
    (void)state;
    ring_rig_start(&rig, RIG_FLAT, 1);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    ring_rig_stop(&rig);
    return 0;
}

/* A packet of 128 bytes in the ring, put or taken. */
static int
put_128(void)
{
    return ring_rig_put(&rig, 104, 5);
}

static void
get_128(void)
{
    ring_rig_expect(&rig, 104, 5);
}

static void
fill_the_ring(void)
{
    while (put_128() == 0)
        ;
    enl_ring_publish(&rig.p);
}

static void
first_packet_signals_and_later_ones_do_not(void **state)
{
    (void)state;
    assert_int_equal(put_128(), 0);
    assert_true(enl_ring_publish(&rig.p));
    assert_int_equal(put_128(), 0);
    assert_false(enl_ring_publish(&rig.p));
    get_128();
    enl_ring_release(&rig.c);
    assert_int_equal(put_128(), 0);
    assert_false(enl_ring_publish(&rig.p));
    get_128();
    get_128();
    enl_ring_release(&rig.c);
    assert_int_equal(put_128(), 0);
    assert_true(enl_ring_publish(&rig.p));
}

static void
batch_into_an_empty_ring_signals_once(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(put_128(), 0);
    assert_true(enl_ring_publish(&rig.p));
    assert_false(enl_ring_publish(&rig.p));
}

static void
taken_but_not_released_is_not_empty(void **state)
{
    (void)state;
    assert_int_equal(put_128(), 0);
    assert_true(enl_ring_publish(&rig.p));
    get_128();
    assert_int_equal(put_128(), 0);
    assert_false(enl_ring_publish(&rig.p));
}

static void
masked_consumer_is_not_signalled(void **state)
{
    (void)state;
    enl_ring_mask(&rig.c, true);
    assert_true(rig.header->interrupt_mask != 0);
    assert_int_equal(put_128(), 0);
    assert_false(enl_ring_publish(&rig.p));
    enl_ring_mask(&rig.c, false);
    assert_int_equal(rig.header->interrupt_mask, 0);
}

static void
unmask_sees_what_came_while_masked(void **state)
{
    (void)state;
    enl_ring_mask(&rig.c, true);
    assert_false(enl_ring_unmask(&rig.c));
    enl_ring_mask(&rig.c, true);
    assert_int_equal(put_128(), 0);
    assert_false(enl_ring_publish(&rig.p));
    assert_true(enl_ring_unmask(&rig.c));
    get_128();
    enl_ring_release(&rig.c);
    assert_false(enl_ring_unmask(&rig.c));
}

static void
unmask_does_not_let_sleep_on_unreleased_packets(void **state)
{
    (void)state;
    assert_int_equal(put_128(), 0);
    enl_ring_publish(&rig.p);
    get_128();
    assert_true(enl_ring_unmask(&rig.c));
    enl_ring_release(&rig.c);
    assert_false(enl_ring_unmask(&rig.c));
}

static void
full_ring_refuses_until_space_is_released(void **state)
{
    uint32_t count = 0;

    (void)state;
    while (put_128() == 0)
        count++;
    assert_int_equal(count, 4096 / 128 - 1);
    assert_int_equal(enl_ring_free(&rig.p), 128);
    assert_int_equal(put_128(), -ENL_E_AGAIN);
    assert_int_equal(ring_rig_put(&rig, 96, 1), 0);
    assert_int_equal(enl_ring_free(&rig.p), 8);
    assert_int_equal(ring_rig_put(&rig, 0, 1), -ENL_E_AGAIN);
    enl_ring_publish(&rig.p);
    get_128();
    assert_int_equal(put_128(), -ENL_E_AGAIN);
    enl_ring_release(&rig.c);
    assert_int_equal(put_128(), 0);
}

static void
full_ring_is_not_an_empty_one(void **state)
{
    (void)state;
    fill_the_ring();
    assert_true(rig.header->write_index != rig.header->read_index);
    for (int i = 0; i < 4096 / 128 - 1; i++)
        get_128();
    assert_false(enl_ring_readable(&rig.c));
}

static void
release_wakes_a_waiting_producer_once(void **state)
{
    (void)state;
    fill_the_ring(); /* 128 bytes free */
    assert_false(enl_ring_wait_space(&rig.p, 300));
    assert_int_equal(rig.header->pending_send_size, 300);
    get_128();
    assert_false(enl_ring_release(&rig.c)); /* 256 */
    get_128();
    assert_true(enl_ring_release(&rig.c)); /* 384 */
    get_128();
    assert_false(enl_ring_release(&rig.c)); /* it was enough before */
}

static void
exactly_the_size_is_not_enough(void **state)
{
    (void)state;
    fill_the_ring();
    assert_false(enl_ring_wait_space(&rig.p, 256));
    get_128();
    assert_false(enl_ring_release(&rig.c));
    get_128();
    assert_true(enl_ring_release(&rig.c));
}

static void
waiting_for_all_of_the_ring_wakes_when_it_is_empty(void **state)
{
    (void)state;
    fill_the_ring();
    rig.header->pending_send_size = rig.view.size - 1;
    for (int i = 0; i < 4096 / 128 - 2; i++) {
        get_128();
        assert_false(enl_ring_release(&rig.c));
    }
    get_128();
    assert_true(enl_ring_release(&rig.c));
}

static void
nobody_waits_and_nobody_is_woken(void **state)
{
    (void)state;
    fill_the_ring();
    get_128();
    assert_false(enl_ring_release(&rig.c));
    assert_false(enl_ring_release(&rig.c)); /* nothing taken since */
}

static void
producer_without_the_feature_is_not_woken(void **state)
{
    (void)state;
    fill_the_ring();
    assert_false(enl_ring_wait_space(&rig.p, 128));
    rig.header->feature_bits = 0;
    get_128();
    assert_false(enl_ring_release(&rig.c));
}

static void
wait_is_taken_back_when_the_space_is_there(void **state)
{
    (void)state;
    fill_the_ring();
    get_128();
    get_128();
    enl_ring_release(&rig.c);
    assert_true(enl_ring_wait_space(&rig.p, 256));
    assert_int_equal(rig.header->pending_send_size, 0);
    assert_int_equal(put_128(), 0);
}

static void
packet_that_goes_in_ends_the_wait(void **state)
{
    (void)state;
    fill_the_ring();
    assert_false(enl_ring_wait_space(&rig.p, 128));
    get_128();
    assert_true(enl_ring_release(&rig.c));
    assert_int_equal(rig.header->pending_send_size, 128);
    assert_int_equal(put_128(), 0);
    assert_int_equal(rig.header->pending_send_size, 0);
    assert_false(enl_ring_wait_space(&rig.p, 3000));
    assert_true(enl_ring_wait_space(&rig.p, 0));
    assert_int_equal(rig.header->pending_send_size, 0);
}

static void
both_ends_say_and_see_the_feature(void **state)
{
    (void)state;
    rig.header->feature_bits = 0;
    rig.header->pending_send_size = 77;
    assert_false(enl_ring_peer_wakes(&rig.c));
    assert_int_equal(enl_ring_producer_init(&rig.p, &rig.view, true), 0);
    assert_int_equal(rig.header->feature_bits, ENL_RING_FEATURE_PENDING_SEND_SIZE);
    assert_int_equal(rig.header->pending_send_size, 0);
    assert_true(enl_ring_peer_wakes(&rig.c));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(first_packet_signals_and_later_ones_do_not),
        CASE(batch_into_an_empty_ring_signals_once),
        CASE(taken_but_not_released_is_not_empty),
        CASE(masked_consumer_is_not_signalled),
        CASE(unmask_sees_what_came_while_masked),
        CASE(unmask_does_not_let_sleep_on_unreleased_packets),
        CASE(full_ring_refuses_until_space_is_released),
        CASE(full_ring_is_not_an_empty_one),
        CASE(release_wakes_a_waiting_producer_once),
        CASE(exactly_the_size_is_not_enough),
        CASE(waiting_for_all_of_the_ring_wakes_when_it_is_empty),
        CASE(nobody_waits_and_nobody_is_woken),
        CASE(producer_without_the_feature_is_not_woken),
        CASE(wait_is_taken_back_when_the_space_is_there),
        CASE(packet_that_goes_in_ends_the_wait),
        CASE(both_ends_say_and_see_the_feature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
