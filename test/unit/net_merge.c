/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments of a TCP stream that become one frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/net.h"

static struct enlb_merge merge;

static void
put(uint8_t *at, uint32_t value, uint32_t len)
{
    while (len--) {
        at[len] = (uint8_t)value;
        value >>= 8;
    }
}

static uint32_t
get(const uint8_t *at, uint32_t len)
{
    uint32_t value = 0;

    while (len--)
        value = value << 8 | *at++;
    return value;
}

/* A segment with data_len bytes, each its number in the stream. */
static struct enlb_packet *
segment(bool ip6, uint32_t number, uint32_t data_len)
{
    uint32_t at = ip6 ? 54 : 34;
    struct enlb_packet *packet = enlb_packet_make(at + 20 + data_len);
    uint8_t *bytes = packet->bytes;

    memset(bytes, 0x22, at + 20);
    put(bytes + 12, ip6 ? 0x86dd : 0x0800, 2);
    if (ip6) {
        put(bytes + 14, 0x60000000, 4);
        put(bytes + 18, 20 + data_len, 2);
        bytes[20] = 6;
    } else {
        put(bytes + 14, 0x4500, 2);
        put(bytes + 16, 40 + data_len, 2);
        put(bytes + 18, number, 2); /* each has its own identification */
        put(bytes + 20, 0, 2);
        bytes[23] = 6;
    }
    put(bytes + at + 4, 0xffffff00u + number, 4);
    put(bytes + at + 12, 0x5010, 2);
    for (uint32_t i = 0; i < data_len; i++)
        bytes[at + 20 + i] = (uint8_t)(number + i);
    packet->offload.flags = ENLH_NET_CHECKSUM_GOOD;
    return packet;
}

static bool
add(struct enlb_packet *packet)
{
    bool added = enlb_merge_add(&merge, packet->bytes, packet->len);

    free(packet);
    return added;
}

static uint32_t
folded(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
    for (uint32_t i = 0; i < len; i += 2)
        sum += get(bytes + i, 2);
    return (sum & 0xffff) + (sum >> 16);
}

static void
check(bool ip6)
{
    uint32_t at = ip6 ? 54 : 34;
    struct enlb_packet *packet;

    assert_true(enlb_merge_begin(&merge, segment(ip6, 0, 1000)));
    assert_true(add(segment(ip6, 1000, 1000)));
    assert_true(add(segment(ip6, 2000, 10))); /* the last may be shorter */
    assert_false(add(segment(ip6, 2010, 10)));
    packet = enlb_merge_take(&merge);
    assert_null(enlb_merge_take(&merge));
    assert_int_equal(packet->len, at + 20 + 2010);
    for (uint32_t i = 0; i < 2010; i++)
        assert_int_equal(packet->bytes[at + 20 + i], (uint8_t)i);
    assert_int_equal(packet->offload.gso, ip6 ? ENLH_NET_GSO_TCP6 : ENLH_NET_GSO_TCP4);
    assert_int_equal(packet->offload.flags, ENLH_NET_CHECKSUM_PARTIAL);
    assert_int_equal(packet->offload.checksum_start, at);
    assert_int_equal(packet->offload.checksum_offset, 16);
    assert_int_equal(packet->offload.header_len, at + 20);
    assert_int_equal(packet->offload.segment_len, 1000);
    if (ip6) {
        assert_int_equal(get(packet->bytes + 18, 2), 2030);
        assert_int_equal(get(packet->bytes + at + 16, 2),
                         folded(packet->bytes + 22, 32, 6 + 2030));
    } else {
        assert_int_equal(get(packet->bytes + 16, 2), 2050);
        assert_int_equal(folded(packet->bytes + 14, 20, 0), 0xffff);
        assert_int_equal(get(packet->bytes + at + 16, 2),
                         folded(packet->bytes + 26, 8, 6 + 2030));
    }
    free(packet);
}

static void
merge_segments_become_one_frame(void **state)
{
    (void)state;
    check(false);
}

static void
merge_segments_of_ipv6(void **state)
{
    (void)state;
    check(true);
}

static void
merge_one_segment_stays_as_it_was(void **state)
{
    struct enlb_packet *packet = segment(false, 0, 700);
    struct enlb_packet *same = segment(false, 0, 700);

    (void)state;
    assert_true(enlb_merge_begin(&merge, packet));
    assert_ptr_equal(enlb_merge_take(&merge), packet);
    assert_memory_equal(packet->bytes, same->bytes, packet->len);
    assert_int_equal(packet->offload.flags, ENLH_NET_CHECKSUM_GOOD);
    free(packet);
    free(same);
}

/* Does a second segment follow when the byte at has been changed? */
static bool
follows_with(bool ip6, uint32_t at, uint8_t change)
{
    struct enlb_packet *second = segment(ip6, 500, 500);
    bool added;

    assert_true(enlb_merge_begin(&merge, segment(ip6, 0, 500)));
    second->bytes[at] ^= change;
    added = add(second);
    free(enlb_merge_take(&merge));
    return added;
}

/* Only what differs from segment to segment may: identification, sums, the push flag. */
static void
merge_other_headers_stay_apart(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < 54; at++) {
        bool free_to =
            (at >= 18 && at < 20) || (at >= 24 && at < 26) || (at >= 50 && at < 52);

        assert_int_equal(follows_with(false, at, 0x01), free_to);
    }
    for (uint32_t at = 0; at < 74; at++)
        assert_int_equal(follows_with(true, at, 0x01), at >= 70 && at < 72);
    assert_true(follows_with(false, 34 + 13, 0x08));
    assert_true(follows_with(true, 54 + 13, 0x08));
}

static void
merge_a_push_or_a_longer_segment_ends_it(void **state)
{
    struct enlb_packet *pushed = segment(false, 500, 500);

    (void)state;
    pushed->bytes[34 + 13] |= 0x08;
    assert_true(enlb_merge_begin(&merge, segment(false, 0, 500)));
    assert_true(add(pushed));
    assert_false(add(segment(false, 1000, 500)));
    pushed = enlb_merge_take(&merge);
    assert_int_equal(pushed->bytes[34 + 13], 0x18);
    free(pushed);
    assert_true(enlb_merge_begin(&merge, segment(false, 0, 500)));
    assert_false(add(segment(false, 500, 501)));
    free(enlb_merge_take(&merge));
}

static void
merge_no_frame_is_longer_than_ip_allows(void **state)
{
    struct enlb_packet *packet;
    uint32_t at = 1460;

    (void)state;
    assert_true(enlb_merge_begin(&merge, segment(false, 0, 1460)));
    while (add(segment(false, at, 1460)))
        at += 1460;
    packet = enlb_merge_take(&merge);
    assert_int_equal(at, 44 * 1460);
    assert_int_equal(get(packet->bytes + 16, 2), 40 + at);
    free(packet);
}

static void
merge_nothing_begins_with_another_frame(void **state)
{
    struct enlb_packet *packet = segment(false, 0, 100);

    (void)state;
    for (uint32_t len = 0; len < packet->len; len++) {
        struct enlb_packet *copy = enlb_packet_make(len);

        memcpy(copy->bytes, packet->bytes, len);
        assert_false(enlb_merge_begin(&merge, copy)); /* cut short */
        free(copy);
    }
    packet->bytes[34 + 13] = 0x02; /* SYN */
    assert_false(enlb_merge_begin(&merge, packet));
    packet->bytes[34 + 13] = 0x10;
    packet->bytes[34 + 12] = 0x60; /* options */
    assert_false(enlb_merge_begin(&merge, packet));
    packet->bytes[34 + 12] = 0x50;
    packet->bytes[20] = 0x20; /* a fragment */
    assert_false(enlb_merge_begin(&merge, packet));
    free(packet);
    packet = segment(false, 0, 0);
    assert_false(enlb_merge_begin(&merge, packet));
    free(packet);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge_segments_become_one_frame),
        cmocka_unit_test(merge_segments_of_ipv6),
        cmocka_unit_test(merge_one_segment_stays_as_it_was),
        cmocka_unit_test(merge_other_headers_stay_apart),
        cmocka_unit_test(merge_a_push_or_a_longer_segment_ends_it),
        cmocka_unit_test(merge_no_frame_is_longer_than_ip_allows),
        cmocka_unit_test(merge_nothing_begins_with_another_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
