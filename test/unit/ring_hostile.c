/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_hostile.c - a peer that breaks the protocol gets an error, and nothing else
 */
#include "ring_rig.h"

#include <string.h>

/* Indices that no index may be, in a ring of 8192 bytes. */
static const uint32_t bad_index[] = {8192, 8200, 0x80000000u, 0xFFFFFFF8u, 0xFFFFFFFFu,
                                     1,    4,    8191,        0x1000 + 2};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ring_rig rig;

static int
setup(void **state)
{
    (void)state;
    ring_rig_start(&rig, RIG_DOUBLED, 2);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    ring_rig_stop(&rig);
    return 0;
}

static void
bad_index_in_the_header_stops_a_resume(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT(bad_index); i++) {
        rig.header->write_index = bad_index[i];
        rig.header->read_index = 0;
        assert_int_equal(enl_ring_producer_init(&rig.p, &rig.view, true), -ENL_E_PROTO);
        assert_int_equal(enl_ring_consumer_init(&rig.c, &rig.view, true), -ENL_E_PROTO);
        rig.header->write_index = 0;
        rig.header->read_index = bad_index[i];
        assert_int_equal(enl_ring_producer_init(&rig.p, &rig.view, true), -ENL_E_PROTO);
        assert_int_equal(enl_ring_consumer_init(&rig.c, &rig.view, true), -ENL_E_PROTO);
    }
}

static void
size_that_no_ring_has_is_refused(void **state)
{
    static const uint32_t bad[] = {0, 8, 4095, 4097, 0x80001000u, 0xFFFFF000u};
    struct enl_ring_view view = rig.view;

    (void)state;
    for (uint32_t i = 0; i < COUNT(bad); i++) {
        view.size = bad[i];
        assert_int_equal(enl_ring_producer_init(&rig.p, &view, false), -ENL_E_INVAL);
        assert_int_equal(enl_ring_consumer_init(&rig.c, &view, false), -ENL_E_INVAL);
    }
}

static void
bad_write_index_is_an_error_to_the_consumer(void **state)
{
    struct enl_ring_packet packet;

    (void)state;
    for (uint32_t i = 0; i < COUNT(bad_index); i++) {
        rig.header->write_index = bad_index[i];
        assert_true(enl_ring_readable(&rig.c));
        assert_true(enl_ring_unmask(&rig.c));
        assert_int_equal(enl_ring_get(&rig.c, &packet), -ENL_E_PROTO);
    }
}

static void
bad_read_index_is_an_error_to_the_producer(void **state)
{
    (void)state;
    while (ring_rig_put(&rig, 500, 1) == 0)
        ;
    for (uint32_t i = 0; i < COUNT(bad_index); i++) {
        rig.header->read_index = bad_index[i];
        assert_int_equal(ring_rig_put(&rig, 500, 1), -ENL_E_PROTO);
        assert_int_equal(enl_ring_free(&rig.p), 0);
        assert_true(enl_ring_wait_space(&rig.p, 1000));
    }
}

static void
write_index_that_moves_backwards_is_an_error(void **state)
{
    struct enl_ring_packet packet;

    (void)state;
    ring_rig_at(&rig, 8000);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(ring_rig_put(&rig, 76, i), 0);
    enl_ring_publish(&rig.p);
    for (uint32_t i = 0; i < 3; i++)
        ring_rig_expect(&rig, 76, i);
    rig.header->write_index = 8; /* within what was shown, behind what was taken */
    assert_int_equal(enl_ring_get(&rig.c, &packet), -ENL_E_PROTO);
    enl_ring_release(&rig.c);
    rig.header->write_index = 200;
    assert_false(enl_ring_readable(&rig.c) && enl_ring_get(&rig.c, &packet) == 1);
}

static void
read_index_that_moves_backwards_is_an_error(void **state)
{
    (void)state;
    while (ring_rig_put(&rig, 500, 1) == 0)
        ;
    enl_ring_publish(&rig.p);
    rig.header->read_index = 528;
    assert_int_equal(ring_rig_put(&rig, 500, 1), 0);
    assert_int_equal(ring_rig_put(&rig, 500, 1), -ENL_E_AGAIN);
    rig.header->read_index = 264;
    assert_int_equal(ring_rig_put(&rig, 500, 1), -ENL_E_PROTO);
}

static void
read_index_beyond_what_was_published_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(ring_rig_put(&rig, 1000, 1), 0);
    enl_ring_publish(&rig.p);
    while (ring_rig_put(&rig, 1000, 1) == 0)
        ;
    rig.header->read_index = 2048;
    assert_int_equal(ring_rig_put(&rig, 1000, 1), -ENL_E_PROTO);
    rig.header->read_index = 1024;
    assert_int_equal(ring_rig_put(&rig, 1000, 1), 0);
}

static void
own_index_is_never_read_back(void **state)
{
    (void)state;
    assert_int_equal(ring_rig_put(&rig, 64, 1), 0);
    enl_ring_publish(&rig.p);
    ring_rig_expect(&rig, 64, 1);
    enl_ring_release(&rig.c);
    rig.header->write_index = 0xDEADBEEF;
    assert_int_equal(ring_rig_put(&rig, 64, 2), 0);
    enl_ring_publish(&rig.p);
    assert_int_equal(rig.header->write_index, 2 * 88);
    rig.header->read_index = 0xDEADBEEF;
    ring_rig_expect(&rig, 64, 2);
    enl_ring_release(&rig.c);
    assert_int_equal(rig.header->read_index, 2 * 88);
}

static void
bad_lengths_are_errors(void **state)
{
    static const struct {
        uint16_t offset8, len8;
        uint32_t end;
    } bad[] = {
        {0, 4, 40},      {1, 4, 40},           /* shorter than a head */
        {3, 2, 40},      {5, 4, 40},           /* longer than the packet */
        {2, 0, 40},      {2, 1, 40},           /* no packet */
        {2, 5, 40},      {2, 4, 32},           /* no room for the trailer */
        {2, 0xFFFF, 40}, {0xFFFF, 0xFFFF, 40}, /* far beyond */
        {2, 2, 8},       {2, 2, 16},           /* not even a head */
    };
    struct enl_ring_packet packet;

    (void)state;
    for (uint32_t i = 0; i < COUNT(bad); i++) {
        for (uint32_t at = 0; at < 8192; at += 8168) {
            ring_rig_at(&rig, at);
            ring_rig_forge(&rig, bad[i].offset8, bad[i].len8, bad[i].end);
            assert_int_equal(enl_ring_get(&rig.c, &packet), -ENL_E_PROTO);
            assert_int_equal(rig.c.read, at);
        }
    }
}

static void
smallest_and_largest_packets_are_legal(void **state)
{
    static uint8_t bytes[8192];
    struct enl_ring_packet packet;

    (void)state;
    ring_rig_at(&rig, 16);
    ring_rig_forge(&rig, 2, 2, 24);
    assert_int_equal(enl_ring_get(&rig.c, &packet), 1);
    assert_int_equal(packet.payload_len, 0);
    ring_rig_at(&rig, 16);
    ring_rig_forge(&rig, 2, 1022, 8184);
    assert_int_equal(enl_ring_get(&rig.c, &packet), 1);
    assert_int_equal(packet.payload_len, 8160);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 0, bytes, 8176), 0);
    assert_int_equal(rig.c.read, 8);
}

static void
any_pending_size_is_survived(void **state)
{
    static const uint32_t sizes[] = {1, 8191, 8192, 8193, 0x80000000u, 0xFFFFFFFFu};

    (void)state;
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        ring_rig_at(&rig, 0);
        assert_int_equal(ring_rig_put(&rig, 100, i), 0);
        enl_ring_publish(&rig.p);
        ring_rig_expect(&rig, 100, i);
        rig.header->pending_send_size = sizes[i];
        assert_int_equal(enl_ring_release(&rig.c), sizes[i] == 8191);
    }
    ring_rig_at(&rig, 0);
    assert_int_equal(ring_rig_put(&rig, 100, 1), 0);
    enl_ring_publish(&rig.p);
    ring_rig_expect(&rig, 100, 1);
    rig.header->pending_send_size = 8191;
    rig.header->write_index = 3;
    assert_false(enl_ring_release(&rig.c));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(bad_index_in_the_header_stops_a_resume),
        CASE(size_that_no_ring_has_is_refused),
        CASE(bad_write_index_is_an_error_to_the_consumer),
        CASE(bad_read_index_is_an_error_to_the_producer),
        CASE(write_index_that_moves_backwards_is_an_error),
        CASE(read_index_that_moves_backwards_is_an_error),
        CASE(read_index_beyond_what_was_published_is_an_error),
        CASE(own_index_is_never_read_back),
        CASE(bad_lengths_are_errors),
        CASE(smallest_and_largest_packets_are_legal),
        CASE(any_pending_size_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
