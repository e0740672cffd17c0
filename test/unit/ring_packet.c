/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_packet.c - a packet comes out as it went in, wherever it lies
 */
#include "ring_rig.h"

#include <string.h>

static void
packet_survives_a_wrap_at_every_offset(void **state)
{
    static const uint32_t lens[] = {0, 1, 7, 8, 9, 40, 61, 64, 4097, 8100};
    struct ring_rig rig;

    (void)state;
    for (int kind = 0; kind < RIG_KINDS; kind++) {
        ring_rig_start(&rig, (enum ring_rig_kind)kind, 3);
        for (uint32_t at = 0; at < rig.view.size; at += 8) {
            for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
                ring_rig_at(&rig, at);
                assert_int_equal(ring_rig_put(&rig, lens[i], at + i), 0);
                enl_ring_publish(&rig.p);
                ring_rig_expect(&rig, lens[i], at + i);
            }
        }
        ring_rig_stop(&rig);
    }
}

static void
packets_follow_each_other_around_the_ring(void **state)
{
    struct ring_rig rig;

    (void)state;
    for (int kind = 0; kind < RIG_KINDS; kind++) {
        ring_rig_start(&rig, (enum ring_rig_kind)kind, 1);
        for (uint32_t i = 0; i < 2000; i++) {
            uint32_t len = i * 13 % 900;

            assert_int_equal(ring_rig_put(&rig, len, i), 0);
            assert_int_equal(ring_rig_put(&rig, 900 - len, i + 1), 0);
            enl_ring_publish(&rig.p);
            ring_rig_expect(&rig, len, i);
            ring_rig_expect(&rig, 900 - len, i + 1);
            enl_ring_release(&rig.c);
        }
        ring_rig_stop(&rig);
    }
}

static void
nothing_shows_before_publish(void **state)
{
    struct ring_rig rig;
    struct enl_ring_packet packet;

    (void)state;
    ring_rig_start(&rig, RIG_FLAT, 1);
    assert_int_equal(ring_rig_put(&rig, 10, 1), 0);
    assert_int_equal(ring_rig_put(&rig, 20, 2), 0);
    assert_int_equal(rig.header->write_index, 0);
    assert_int_equal(enl_ring_get(&rig.c, &packet), 0);
    enl_ring_publish(&rig.p);
    ring_rig_expect(&rig, 10, 1);
    ring_rig_expect(&rig, 20, 2);
    assert_int_equal(enl_ring_get(&rig.c, &packet), 0);
    ring_rig_stop(&rig);
}

static void
space_comes_back_with_release_only(void **state)
{
    struct ring_rig rig;

    (void)state;
    ring_rig_start(&rig, RIG_FLAT, 1);
    assert_int_equal(ring_rig_put(&rig, 100, 1), 0);
    enl_ring_publish(&rig.p);
    ring_rig_expect(&rig, 100, 1);
    assert_int_equal(enl_ring_free(&rig.p), 4096 - 128);
    enl_ring_release(&rig.c);
    assert_int_equal(enl_ring_free(&rig.p), 4096);
    ring_rig_stop(&rig);
}

static void
packet_on_the_wire_is_head_body_padding_trailer(void **state)
{
    static const uint8_t body[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct enl_ring_piece piece = {body, sizeof(body)};
    struct ring_rig rig;

    (void)state;
    ring_rig_start(&rig, RIG_FLAT, 1);
    ring_rig_at(&rig, 4080);
    assert_int_equal(enl_ring_put(&rig.p, 9, 1, 0x1122334455667788, &piece, 1, 8), 0);
    enl_ring_publish(&rig.p);
    assert_true(ring_rig_word(&rig, 4080) == 0x0001000400030009);
    assert_true(ring_rig_word(&rig, 4088) == 0x1122334455667788);
    assert_true(ring_rig_word(&rig, 0) == 0x0807060504030201);
    assert_true(ring_rig_word(&rig, 8) == 0x00000000000B0A09);
    assert_true(ring_rig_word(&rig, 16) == UINT64_C(4080) << 32);
    assert_int_equal(rig.header->write_index, 24);
    ring_rig_stop(&rig);
}

static void
descriptor_may_be_longer_than_its_head(void **state)
{
    uint64_t ranges[3] = {1, 2, 3}, got[3];
    char data[5] = "data";
    struct enl_ring_piece pieces[] = {{ranges, sizeof(ranges)}, {data, sizeof(data)}};
    struct enl_ring_packet packet;
    struct ring_rig rig;

    (void)state;
    ring_rig_start(&rig, RIG_PAGES, 2);
    assert_int_equal(enl_ring_put(&rig.p, 9, 0, 7, pieces, 2, sizeof(ranges)), 0);
    enl_ring_publish(&rig.p);
    assert_int_equal(enl_ring_get(&rig.c, &packet), 1);
    assert_int_equal(packet.desc_len, 40);
    assert_int_equal(packet.payload_len, 8);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 16, got, sizeof(got)), 0);
    assert_memory_equal(got, ranges, sizeof(got));
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 40, data, sizeof(data)), 0);
    assert_string_equal(data, "data");
    ring_rig_stop(&rig);
}

static void
copy_stays_within_the_packet(void **state)
{
    uint8_t to[64];
    struct enl_ring_packet packet;
    struct ring_rig rig;

    (void)state;
    ring_rig_start(&rig, RIG_FLAT, 1);
    assert_int_equal(ring_rig_put(&rig, 24, 1), 0);
    enl_ring_publish(&rig.p);
    assert_int_equal(enl_ring_get(&rig.c, &packet), 1);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 0, to, 40), 0);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 40, to, 0), 0);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 0, to, 41), -ENL_E_RANGE);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 41, to, 0), -ENL_E_RANGE);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, UINT32_MAX, to, 2), -ENL_E_RANGE);
    assert_int_equal(enl_ring_copy(&rig.c, &packet, 16, to, UINT32_MAX), -ENL_E_RANGE);
    ring_rig_stop(&rig);
}

static void
packet_that_never_fits_is_refused(void **state)
{
    static uint8_t bytes[16];
    struct enl_ring_piece huge[] = {{bytes, UINT32_MAX}, {bytes, 16}};
    struct enl_ring_piece one = {bytes, 16};
    struct ring_rig rig;

    (void)state;
    ring_rig_start(&rig, RIG_FLAT, 1);
    assert_int_equal(ring_rig_put(&rig, 4096 - 24 - 8, 1), 0);
    ring_rig_at(&rig, 0);
    assert_int_equal(ring_rig_put(&rig, 4096 - 24 - 7, 1), -ENL_E_MSGSIZE);
    assert_int_equal(enl_ring_put(&rig.p, 6, 0, 0, huge, 1, 0), -ENL_E_MSGSIZE);
    assert_int_equal(enl_ring_put(&rig.p, 6, 0, 0, huge, 2, 0), -ENL_E_MSGSIZE);
    assert_int_equal(enl_ring_put(&rig.p, 6, 0, 0, &one, 1, 4), -ENL_E_MSGSIZE);
    assert_int_equal(enl_ring_put(&rig.p, 6, 0, 0, &one, 1, 24), -ENL_E_MSGSIZE);
    assert_int_equal(rig.p.write, 0);
    ring_rig_stop(&rig);
}

static void
packet_size_counts_padding_and_trailer(void **state)
{
    (void)state;
    assert_int_equal(enl_ring_packet_size(16, 0), 24);
    assert_int_equal(enl_ring_packet_size(16, 1), 32);
    assert_int_equal(enl_ring_packet_size(40, 8), 56);
    assert_int_equal(enl_ring_packet_size(16, 4096), 4120);
    assert_true(enl_ring_packet_size(UINT32_MAX, UINT32_MAX) == UINT32_MAX);
    assert_true(enl_ring_packet_size(16, UINT32_MAX - 16) == UINT32_MAX);
}

static void
resume_goes_on_where_the_header_says(void **state)
{
    struct ring_rig rig;

    (void)state;
    ring_rig_start(&rig, RIG_PAGES, 2);
    for (uint32_t i = 0; i < 60; i++)
        assert_int_equal(ring_rig_put(&rig, 90, i), 0);
    enl_ring_publish(&rig.p);
    for (uint32_t i = 0; i < 30; i++)
        ring_rig_expect(&rig, 90, i);
    enl_ring_release(&rig.c);
    assert_int_equal(enl_ring_producer_init(&rig.p, &rig.view, true), 0);
    assert_int_equal(enl_ring_consumer_init(&rig.c, &rig.view, true), 0);
    assert_int_equal(ring_rig_put(&rig, 90, 60), 0);
    enl_ring_publish(&rig.p);
    for (uint32_t i = 30; i <= 60; i++)
        ring_rig_expect(&rig, 90, i);
    assert_false(enl_ring_readable(&rig.c));
    ring_rig_stop(&rig);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_survives_a_wrap_at_every_offset),
        cmocka_unit_test(packets_follow_each_other_around_the_ring),
        cmocka_unit_test(nothing_shows_before_publish),
        cmocka_unit_test(space_comes_back_with_release_only),
        cmocka_unit_test(packet_on_the_wire_is_head_body_padding_trailer),
        cmocka_unit_test(descriptor_may_be_longer_than_its_head),
        cmocka_unit_test(copy_stays_within_the_packet),
        cmocka_unit_test(packet_that_never_fits_is_refused),
        cmocka_unit_test(packet_size_counts_padding_and_trailer),
        cmocka_unit_test(resume_goes_on_where_the_header_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
