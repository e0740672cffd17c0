/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/unikernel_ip.c - the unikernel on its network: ARP, ping, a lease, hostile frames
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unikernel_rig.h"

#define LEASE_LEN 260u /* of a message with a few options */

static struct rig rig;
static uint8_t frame[FRAME_ROOM];

uint32_t
status_page(char *to, uint32_t room)
{
    (void)to;
    (void)room;
    return 0;
}

static int
setup(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static void
arp_fill(uint16_t operation, uint32_t from, uint32_t to)
{
    static const uint8_t form[8] = {0, 1, 8, 0, 6, 4, 0, 0};

    memset(frame, 0xFF, 6);
    memcpy(frame + 6, rig_peer_mac, 6);
    put16(frame + 12, 0x0806);
    memcpy(frame + 14, form, 8);
    put16(frame + 20, operation);
    memcpy(frame + 22, rig_peer_mac, 6);
    put32(frame + 28, from);
    memset(frame + 32, 0, 6);
    put32(frame + 38, to);
}

static void
arp_is_answered_for_this_station(void **state)
{
    (void)state;
    arp_fill(1, RIG_PEER, RIG_OWN);
    rig_frame(&rig, frame, 42);
    assert_int_equal(rig.out_count, 1);
    assert_int_equal(rig.out[0].len, 42);
    assert_memory_equal(rig.out[0].bytes, rig_peer_mac, 6);
    assert_memory_equal(rig.out[0].bytes + 12, "\x08\x06\0\x01\x08\0\x06\x04\0\x02", 10);
    assert_memory_equal(rig.out[0].bytes + 22, rig_mac, 6);
    assert_int_equal(get32(rig.out[0].bytes + 28), RIG_OWN);
    assert_memory_equal(rig.out[0].bytes + 32, rig_peer_mac, 6);
    assert_int_equal(get32(rig.out[0].bytes + 38), RIG_PEER);
    arp_fill(1, RIG_PEER, RIG_OWN + 1);
    rig_frame(&rig, frame, 42);
    assert_int_equal(rig.out_count, 1);
}

static void
ping_of_a_peer_is_answered(void **state)
{
    uint8_t ping[13] = {8, 0, 0, 0, 1, 2, 3, 4, 'h', 'e', 'l', 'l', 'o'};

    (void)state;
    put16(ping + 2, sum_end(sum_add(0, ping, sizeof(ping))));
    rig_frame(&rig, frame, rig_ip(frame, RIG_PEER, RIG_OWN, 1, ping, sizeof(ping)));
    assert_int_equal(rig.out_count, 1);
    assert_int_equal(rig.out[0].len, FRAME_HEAD + sizeof(ping));
    assert_int_equal(rig.out[0].bytes[FRAME_HEAD], 0);
    assert_memory_equal(rig.out[0].bytes + FRAME_HEAD + 4, ping + 4, 9);
    assert_int_equal(sum_end(sum_add(0, rig.out[0].bytes + FRAME_HEAD, sizeof(ping))), 0);
    ping[9]++;
    rig_frame(&rig, frame, rig_ip(frame, RIG_PEER, RIG_OWN, 1, ping, sizeof(ping)));
    assert_int_equal(rig.out_count, 1);
    assert_int_equal(rig.stack.frames_bad, 1);
}

static void
gateway_is_asked_for_and_pinged(void **state)
{
    uint8_t pong[8];

    (void)state;
    stack_ping(&rig.stack);
    assert_memory_equal(rig.out[0].bytes + 12, "\x08\x06", 2);
    assert_int_equal(get32(rig.out[0].bytes + 38), RIG_GATEWAY);
    arp_fill(2, RIG_PEER, RIG_OWN); /* of somebody else */
    rig_frame(&rig, frame, 42);
    assert_false(rig.station.has_gateway_mac);
    arp_fill(2, RIG_GATEWAY, RIG_OWN);
    rig_frame(&rig, frame, 42);
    stack_ping(&rig.stack);
    assert_int_equal(rig.out_count, 2);
    assert_memory_equal(rig.out[1].bytes, rig_peer_mac, 6);
    assert_int_equal(rig.out[1].bytes[FRAME_HEAD], 8);
    memcpy(pong, rig.out[1].bytes + FRAME_HEAD, 8);
    pong[0] = 0;
    put16(pong + 2, 0);
    put16(pong + 2, sum_end(sum_add(0, pong, 8)));
    rig_frame(&rig, frame, rig_ip(frame, RIG_PEER, RIG_OWN, 1, pong, 8));
    assert_false(rig.station.pinged);
    rig_frame(&rig, frame, rig_ip(frame, RIG_GATEWAY, RIG_OWN, 1, pong, 8));
    assert_true(rig.station.pinged);
}

/* ---- a lease ---- */

/* options: a list, LEASE_LEN - 240 bytes at most. */
static uint32_t
lease_fill(uint32_t id, uint32_t yours, const char *options, uint32_t len)
{
    uint8_t udp[8 + LEASE_LEN] = {0};

    put16(udp, 67);
    put16(udp + 2, 68);
    put16(udp + 4, 8 + 240 + len);
    udp[8] = 2;
    put32(udp + 12, id);
    put32(udp + 24, yours);
    memcpy(udp + 36, rig_mac, 6);
    put32(udp + 244, 0x63825363);
    memcpy(udp + 248, options, len);
    return rig_ip(frame, RIG_GATEWAY, BROADCAST, 17, udp, 248 + len);
}

static void
lease(uint32_t id, uint32_t yours, const char *options, uint32_t len)
{
    rig_frame(&rig, frame, lease_fill(id, yours, options, len));
}

#define OFFER   "\x35\x01\x02\x36\x04\x0A\0\x02\x02\xFF", 10
#define LEASED  "\0\x35\x01\x05\x03\x04\x0A\0\x02\x02\xFF", 11
#define REFUSED "\x35\x01\x06\xFF", 4
#define OVERRUN "\x35\x01\x05\x03\xF0\x0A\0\x02\x02", 9
#define CUT     "\x35\x01\x05\x03", 4
#define NO_TYPE "\x03\x04\x0A\0\x02\x02\xFF", 7

static void
ask_for_a_lease(void)
{
    rig.station.address = rig.station.gateway = 0;
    rig_forget(&rig);
    rig_wait(&rig, 5000);
}

static void
address_is_leased(void **state)
{
    const uint8_t *udp = rig.out[0].bytes + FRAME_HEAD;

    (void)state;
    ask_for_a_lease();
    assert_int_equal(rig.out_count, 1);
    assert_int_equal(get32(rig.out[0].bytes + 30), BROADCAST);
    assert_int_equal(get16(udp + 2), 67);
    assert_int_equal(sum_end(sum_add(sum_pseudo(0, BROADCAST, 17, get16(udp + 4)), udp,
                                     get16(udp + 4))),
                     0);
    assert_memory_equal(udp + 8 + 240, "\x35\x01\x01", 3);
    lease(78, RIG_OWN, OFFER);
    assert_int_equal(rig.out_count, 2);
    assert_memory_equal(rig.out[1].bytes + FRAME_HEAD + 8 + 240,
                        "\x35\x01\x03\x37\x01\x03\x32\x04\x0A\0\x02\x0F\x36\x04\x0A\0\x02"
                        "\x02\xFF",
                        19);
    lease(78, RIG_OWN, LEASED);
    assert_int_equal(rig.station.address, RIG_OWN);
    assert_int_equal(rig.station.gateway, RIG_GATEWAY);
}

static void
lease_that_nobody_asked_for_is_none(void **state)
{
    (void)state;
    ask_for_a_lease();
    lease(77, RIG_OWN, OFFER);
    assert_int_equal(rig.out_count, 1);
    lease(78, RIG_OWN, LEASED);
    assert_int_equal(rig.station.address, 0);
    lease(78, RIG_OWN, OFFER);
    lease(78, RIG_OWN + 1, LEASED);
    lease(78, RIG_OWN, OVERRUN);
    lease(78, RIG_OWN, CUT);
    lease(78, RIG_OWN, NO_TYPE);
    assert_int_equal(rig.station.address, 0);
    lease(78, RIG_OWN, REFUSED);
    lease(78, RIG_OWN, LEASED);
    assert_int_equal(rig.station.address, 0);
    rig_wait(&rig, 1000); /* from the start */
    assert_memory_equal(rig.out[rig.out_count - 1].bytes + FRAME_HEAD + 248, "\x35\1\1",
                        3);
}

/* ---- hostile frames ---- */

static uint32_t
syn_fill(void)
{
    const struct rig_segment syn = {.from = 4000, .to = 7, .flags = RIG_SYN, .seq = 9};

    return rig_tcp(frame, &syn);
}

static void
whole_frames_are_taken_and_parts_are_not(void **state)
{
    uint32_t len = syn_fill();

    (void)state;
    for (uint32_t i = 0; i < len; i++)
        rig_frame(&rig, frame, i);
    assert_int_equal(rig.out_count, 0);
    rig_frame(&rig, frame, len + 4); /* padded */
    assert_int_equal(rig.out_count, 1);
}

static void
changed_bits_are_seen(void **state)
{
    uint32_t len = syn_fill();

    (void)state;
    for (uint32_t i = 14; i < len; i++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            frame[i] ^= (uint8_t)(1u << bit);
            rig_frame(&rig, frame, len);
            frame[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(rig.out_count, 0);
}

/* With good checksums, so that more is looked at. */
static void
bytes_of_any_value_do_no_harm(void **state)
{
    static const uint8_t values[] = {0,    1,    4,    5,    0x0F, 0x10,
                                     0x3F, 0x45, 0x4F, 0x80, 0xFF};
    uint32_t len;

    (void)state;
    for (uint32_t kind = 0; kind < 2; kind++) {
        len = kind ? syn_fill() : lease_fill(78, RIG_OWN, LEASED);
        rig.station.address = kind ? RIG_OWN : 0;
        for (uint32_t i = 0; i < len; i++) {
            uint8_t was = frame[i], *exact;

            for (uint32_t v = 0; v < sizeof(values); v++) {
                frame[i] = values[v];
                rig_forget(&rig);
                exact = frame + sizeof(frame) - len; /* its end is that of the memory */
                memmove(exact, frame, len);
                stack_input(&rig.stack, exact, len, true, true);
                rig_wait(&rig, 1);
                assert_true(rig.out_count <= 2);
            }
            frame[i] = was;
        }
    }
}

static void
fragments_and_impossible_senders_are_dropped(void **state)
{
    static const uint32_t senders[] = {0, BROADCAST, 0x7F000001, 0xE0000001, RIG_OWN};
    uint8_t ping[8] = {8};
    uint32_t len;

    (void)state;
    put16(ping + 2, sum_end(sum_add(0, ping, sizeof(ping))));
    for (uint32_t i = 0; i < 5; i++)
        rig_frame(&rig, frame, rig_ip(frame, senders[i], RIG_OWN, 1, ping, 8));
    rig_frame(&rig, frame, rig_ip(frame, RIG_PEER, BROADCAST, 1, ping, 8));
    len = rig_ip(frame, RIG_PEER, RIG_OWN, 1, ping, 8);
    put16(frame + 20, 0x2000);
    stack_input(&rig.stack, frame, len, true, true);
    put16(frame + 20, 0x0001);
    stack_input(&rig.stack, frame, len, true, true);
    put16(frame + 20, 0);
    frame[6] |= 1; /* sent by a group */
    stack_input(&rig.stack, frame, len, true, true);
    assert_int_equal(rig.out_count, 0);
    assert_int_equal(rig.stack.frames_bad, 8);
    frame[6] &= 0xFE;
    stack_input(&rig.stack, frame, len, true, true);
    assert_int_equal(rig.out_count, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(arp_is_answered_for_this_station, setup),
        cmocka_unit_test_setup(ping_of_a_peer_is_answered, setup),
        cmocka_unit_test_setup(gateway_is_asked_for_and_pinged, setup),
        cmocka_unit_test_setup(address_is_leased, setup),
        cmocka_unit_test_setup(lease_that_nobody_asked_for_is_none, setup),
        cmocka_unit_test_setup(whole_frames_are_taken_and_parts_are_not, setup),
        cmocka_unit_test_setup(changed_bits_are_seen, setup),
        cmocka_unit_test_setup(bytes_of_any_value_do_no_harm, setup),
        cmocka_unit_test_setup(fragments_and_impossible_senders_are_dropped, setup),
    };

    return cmocka_run_group_tests_name("unikernel_ip", tests, NULL, NULL);
}
