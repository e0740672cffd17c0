/* SPDX-License-Identifier: BSD-2-Clause */
/* The hash of a frame, against the published vectors; headers and sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "host/dev/net/net.h"

/* The key of the vectors in Microsoft's "Verifying the RSS Hash Calculation". */
static struct enlh_net_steering steering = {
    .key = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
            0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
            0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
            0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa},
};

static uint8_t frame[128];

static void
ipv4(const uint8_t from[4], const uint8_t to[4], uint16_t from_port, uint16_t to_port)
{
    memset(frame, 0, sizeof(frame));
    enlh_net_put16(frame + 12, 0x0800);
    frame[14] = 0x45;
    frame[23] = ENLH_NET_TCP;
    memcpy(frame + 26, from, 4);
    memcpy(frame + 30, to, 4);
    enlh_net_put16(frame + 34, from_port);
    enlh_net_put16(frame + 36, to_port);
}

static uint32_t
hash(uint32_t wanted, uint32_t *type)
{
    struct enlh_net_headers headers;

    steering.hash = wanted;
    enlh_net_headers_parse(frame, sizeof(frame), &headers);
    return enlh_net_hash(&steering, frame, &headers, type);
}

static void
rss_the_published_vectors(void **state)
{
    static const struct {
        uint8_t from[4], to[4];
        uint16_t from_port, to_port;
        uint32_t without, with;
    } vectors[] = {
        {{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x323e8fc2, 0x51ccc178},
        {{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xd718262a, 0xc626b0ea},
        {{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0xd2d0a5de, 0x5c2b394a},
        {{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0x82989176, 0xafc7327f},
    };
    uint32_t type;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        ipv4(vectors[i].from, vectors[i].to, vectors[i].from_port, vectors[i].to_port);
        assert_int_equal(hash(ENL_NDIS_HASH_IPV4, &type), vectors[i].without);
        assert_int_equal(type, ENL_NDIS_HASH_IPV4);
        assert_int_equal(hash(ENL_NDIS_HASH_IPV4 | ENL_NDIS_HASH_TCP_IPV4, &type),
                         vectors[i].with);
        assert_int_equal(type, ENL_NDIS_HASH_TCP_IPV4);
    }
}

static void
rss_a_published_vector_of_ipv6(void **state)
{
    static const uint8_t from[16] = {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff,
                                     0,    0,    0,    0,    0,    0,    0,    7};
    static const uint8_t to[16] = {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0, 3,
                                   0,    0,    0,    0,    0,    0,    0, 1};
    uint32_t type;

    (void)state;
    memset(frame, 0, sizeof(frame));
    enlh_net_put16(frame + 12, 0x86dd);
    frame[14] = 0x60;
    frame[20] = ENLH_NET_TCP;
    memcpy(frame + 22, from, 16);
    memcpy(frame + 38, to, 16);
    enlh_net_put16(frame + 54, 2794);
    enlh_net_put16(frame + 56, 1766);
    assert_int_equal(hash(ENL_NDIS_HASH_IPV6, &type), 0x2cc18cd5);
    assert_int_equal(hash(ENL_NDIS_HASH_TCP_IPV6, &type), 0x40207d3d);
}

static void
rss_what_is_not_hashed(void **state)
{
    static const uint8_t address[4] = {1, 2, 3, 4};
    uint32_t type;

    (void)state;
    ipv4(address, address, 1, 2);
    assert_int_equal(hash(ENL_NDIS_HASH_TCP_IPV6, &type), 0);
    assert_int_equal(type, 0);
    frame[20] = 0x20; /* a fragment: by its addresses */
    hash(ENL_NDIS_HASH_IPV4 | ENL_NDIS_HASH_TCP_IPV4, &type);
    assert_int_equal(type, ENL_NDIS_HASH_IPV4);
    frame[20] = 0;
    frame[23] = ENLH_NET_UDP;
    hash(ENL_NDIS_HASH_IPV4 | ENL_NDIS_HASH_TCP_IPV4, &type);
    assert_int_equal(type, ENL_NDIS_HASH_IPV4);
    hash(ENL_NDIS_HASH_UDP_IPV4, &type);
    assert_int_equal(type, ENL_NDIS_HASH_UDP_IPV4);
    enlh_net_put16(frame + 12, 0x0806);
    hash(0xffffff00, &type);
    assert_int_equal(type, 0);
}

static void
rss_the_table_says_the_queue(void **state)
{
    static const uint8_t from[4] = {66, 9, 149, 187}, to[4] = {161, 142, 100, 80};

    (void)state;
    ipv4(from, to, 2794, 1766);
    steering.hash = ENL_NDIS_HASH_TCP_IPV4;
    steering.table[0x51ccc178 % 128] = 3;
    assert_int_equal(enlh_net_steer(&steering, frame, sizeof(frame)), 3);
    assert_int_equal(enlh_net_steer(&steering, frame, 13), 0);
    steering.hash = 0;
    assert_int_equal(enlh_net_steer(&steering, frame, sizeof(frame)), 0);
}

/* ---- headers ---- */

/* Cut at every length, with no byte read beyond the cut. */
static void
headers_count_only_when_they_are_whole(void **state)
{
    static const uint8_t address[4] = {1, 2, 3, 4};
    struct enlh_net_headers headers;

    (void)state;
    ipv4(address, address, 1, 2);
    for (uint32_t len = 0; len <= 60; len++) {
        uint8_t *copy = malloc(len ? len : 1);

        assert_non_null(copy);
        memcpy(copy, frame, len);
        enlh_net_headers_parse(copy, len, &headers);
        assert_int_equal(headers.ip, len >= 34 ? 4 : 0);
        assert_int_equal(headers.protocol, len >= 54 ? ENLH_NET_TCP : 0);
        free(copy);
    }
}

static void
headers_of_ipv6_with_options(void **state)
{
    struct enlh_net_headers headers;

    (void)state;
    memset(frame, 0, sizeof(frame));
    enlh_net_put16(frame + 12, 0x8100);
    enlh_net_put16(frame + 16, 0x86dd);
    frame[18] = 0x60;
    frame[24] = 0;            /* hop-by-hop */
    frame[58] = 60;           /* then destination options */
    frame[66] = ENLH_NET_UDP; /* then UDP */
    enlh_net_headers_parse(frame, sizeof(frame), &headers);
    assert_int_equal(headers.l3, 18);
    assert_int_equal(headers.l4, 74);
    assert_int_equal(headers.protocol, ENLH_NET_UDP);
    frame[59] = 255; /* options beyond the frame */
    enlh_net_headers_parse(frame, sizeof(frame), &headers);
    assert_int_equal(headers.protocol, 0);
    frame[59] = 0;
    frame[58] = frame[66] = 0; /* options without end */
    frame[74] = 0;
    enlh_net_headers_parse(frame, sizeof(frame), &headers);
    assert_int_equal(headers.protocol, 0);
    frame[58] = 44; /* a fragment */
    enlh_net_headers_parse(frame, sizeof(frame), &headers);
    assert_true(headers.fragment);
    assert_int_equal(headers.protocol, 0);
}

static uint16_t
plain_sum(const uint8_t *bytes, uint32_t len)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return enlh_net_fold(sum);
}

static void
headers_a_sum_is_the_same_however_it_is_taken(void **state)
{
    uint8_t bytes[100];

    (void)state;
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 200);
    for (uint32_t len = 0; len <= sizeof(bytes); len++)
        assert_int_equal(enlh_net_fold(enlh_net_sum(bytes, len, 0)),
                         plain_sum(bytes, len));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rss_the_published_vectors),
        cmocka_unit_test(rss_a_published_vector_of_ipv6),
        cmocka_unit_test(rss_what_is_not_hashed),
        cmocka_unit_test(rss_the_table_says_the_queue),
        cmocka_unit_test(headers_count_only_when_they_are_whole),
        cmocka_unit_test(headers_of_ipv6_with_options),
        cmocka_unit_test(headers_a_sum_is_the_same_however_it_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
