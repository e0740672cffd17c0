/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/utf16_text.c - text between UTF-8 and UTF-16LE, and what is no text
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/utf16.h"

/* One character at each border: 1, 2, 3 and 4 bytes, and around the surrogates. */
static const char text8[] = "A\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80"
                            "\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";
static const uint8_t text16[] = {0x41, 0x00, 0x7F, 0x00, 0x80, 0x00, 0xFF, 0x07,
                                 0x00, 0x08, 0xFF, 0xD7, 0x00, 0xE0, 0xFF, 0xFF,
                                 0x00, 0xD8, 0x00, 0xDC, 0xFF, 0xDB, 0xFF, 0xDF};

static void
borders_convert_both_ways(void **state)
{
    uint8_t wide[sizeof(text16)];
    char narrow[sizeof(text8)];

    (void)state;
    assert_int_equal(enl_utf16_from_utf8(text8, sizeof(text8) - 1, wide, sizeof(wide)),
                     sizeof(text16));
    assert_memory_equal(wide, text16, sizeof(text16));
    assert_int_equal(enl_utf16_to_utf8(text16, sizeof(text16), narrow, sizeof(narrow)),
                     sizeof(text8) - 1);
    assert_memory_equal(narrow, text8, sizeof(text8) - 1);
}

static void
every_character_survives_the_way_and_back(void **state)
{
    uint8_t wide[4];
    char narrow[4], again[4];

    (void)state;
    for (uint32_t code = 0; code < 0x10000; code++) {
        int len;

        wide[0] = (uint8_t)code;
        wide[1] = (uint8_t)(code >> 8);
        len = enl_utf16_to_utf8(wide, 2, narrow, sizeof(narrow));
        if (code >= 0xD800 && code < 0xE000) {
            assert_int_equal(len, -ENL_E_INVAL);
            continue;
        }
        assert_true(len > 0);
        assert_int_equal(enl_utf16_from_utf8(narrow, (size_t)len, wide, 4), 2);
        assert_int_equal(enl_utf16_to_utf8(wide, 2, again, sizeof(again)), len);
        assert_memory_equal(narrow, again, (size_t)len);
        assert_int_equal(wide[0] | wide[1] << 8, code);
    }
}

static void
bad_utf8_is_refused(void **state)
{
    static const char *const bad[] = {
        "\x80", /* a follower with no start */
        "\xC3",
        "\xE2\x82", /* cut short */
        "\xC0\x80",
        "\xC1\xBF", /* overlong */
        "\xE0\x9F\xBF",
        "\xF0\x8F\xBF\xBF",
        "\xED\xA0\x80", /* a surrogate */
        "\xED\xBF\xBF",
        "\xF4\x90\x80\x80", /* above the last */
        "\xF5\x80\x80\x80",
        "\xFF",
        "\xC3\x28",
        "\xE2\x82\x28",
    };
    uint8_t out[16];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(enl_utf16_from_utf8(bad[i], strlen(bad[i]), out, sizeof(out)),
                         -ENL_E_INVAL);
}

static void
bad_utf16_is_refused(void **state)
{
    static const uint8_t lone_high[] = {0x00, 0xD8}, lone_low[] = {0x00, 0xDC},
                         two_high[] = {0x00, 0xD8, 0x00, 0xD8},
                         high_then_letter[] = {0xFF, 0xDB, 0x41, 0x00}, odd[] = {0x41};
    char out[16];

    (void)state;
    assert_int_equal(enl_utf16_to_utf8(lone_high, 2, out, 16), -ENL_E_INVAL);
    assert_int_equal(enl_utf16_to_utf8(lone_low, 2, out, 16), -ENL_E_INVAL);
    assert_int_equal(enl_utf16_to_utf8(two_high, 4, out, 16), -ENL_E_INVAL);
    assert_int_equal(enl_utf16_to_utf8(high_then_letter, 4, out, 16), -ENL_E_INVAL);
    assert_int_equal(enl_utf16_to_utf8(odd, 1, out, 16), -ENL_E_INVAL);
}

static void
nothing_is_written_beyond_the_room(void **state)
{
    uint8_t wide[sizeof(text16) + 1];
    char narrow[sizeof(text8) + 1];

    (void)state;
    for (size_t room = 0; room < sizeof(text16); room++) {
        memset(wide, 0x5A, sizeof(wide));
        assert_int_equal(enl_utf16_from_utf8(text8, sizeof(text8) - 1, wide, room),
                         -ENL_E_MSGSIZE);
        assert_int_equal(wide[room], 0x5A);
    }
    for (size_t room = 0; room < sizeof(text8) - 1; room++) {
        memset(narrow, 0x5A, sizeof(narrow));
        assert_int_equal(enl_utf16_to_utf8(text16, sizeof(text16), narrow, room),
                         -ENL_E_MSGSIZE);
        assert_int_equal(narrow[room], 0x5A);
    }
    assert_int_equal(enl_utf16_from_utf8("", 0, wide, 0), 0);
    assert_int_equal(enl_utf16_to_utf8(wide, 0, narrow, 0), 0);
}

static void
length_ends_at_a_wide_zero(void **state)
{
    static const uint8_t text[] = {0x41, 0x00, 0x00, 0x01, 0x00, 0x00, 0x42, 0x00};

    (void)state;
    assert_int_equal(enl_utf16_len(text, 8), 4);
    assert_int_equal(enl_utf16_len(text, 4), 4);
    assert_int_equal(enl_utf16_len(text, 3), 2);
    assert_int_equal(enl_utf16_len(text, 1), 0);
    assert_int_equal(enl_utf16_len(text, 0), 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(borders_convert_both_ways),
        cmocka_unit_test(every_character_survives_the_way_and_back),
        cmocka_unit_test(bad_utf8_is_refused),
        cmocka_unit_test(bad_utf16_is_refused),
        cmocka_unit_test(nothing_is_written_beyond_the_room),
        cmocka_unit_test(length_ends_at_a_wide_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
