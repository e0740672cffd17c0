/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/kvp_text.c - the text of key-value pairs: fields of fixed size, and lies in them
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/kvp.h"

static struct enl_kvp_value data;
static char out[3072];

static void
text_survives_the_way_and_back(void **state)
{
    static const char *texts[] = {"", "OSName", "gr\xC3\xBC\xC3\x9F", "\xF0\x9F\x90\xA7"};
    uint8_t field[64];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int len;

        memset(field, 0xAA, sizeof(field));
        len = enl_kvp_write(field, sizeof(field), texts[i], strlen(texts[i]) + 1);
        assert_true(len >= 2);
        for (size_t at = (size_t)len - 2; at < sizeof(field); at++)
            assert_int_equal(field[at], 0);
        assert_int_equal(enl_kvp_read(field, (size_t)len, out, sizeof(out)),
                         strlen(texts[i]));
        assert_string_equal(out, texts[i]);
    }
}

static void
field_without_end_ends_where_it_ends(void **state)
{
    static const uint8_t field[] = {'a', 0, 'b', 0, 'c', 0};

    (void)state;
    assert_int_equal(enl_kvp_read(field, sizeof(field), out, sizeof(out)), 3);
    assert_string_equal(out, "abc");
    assert_int_equal(enl_kvp_read(field, 5, out, sizeof(out)), 2);
    assert_string_equal(out, "ab");
    assert_int_equal(enl_kvp_read(field, sizeof(field), out, 4), 3);
    assert_int_equal(enl_kvp_read(field, sizeof(field), out, 3), -ENL_E_MSGSIZE);
    assert_string_equal(out, "");
    assert_int_equal(enl_kvp_read(field, sizeof(field), out, 0), -ENL_E_MSGSIZE);
}

static void
what_is_not_utf16_is_refused(void **state)
{
    static const uint8_t lone[] = {'a', 0, 0x00, 0xD8, 'b', 0, 0, 0};

    (void)state;
    memset(out, 'x', 8);
    assert_int_equal(enl_kvp_read(lone, sizeof(lone), out, sizeof(out)), -ENL_E_INVAL);
    assert_string_equal(out, "");
}

static void
length_beyond_its_field_is_refused(void **state)
{
    (void)state;
    memset(&data, 0, sizeof(data));
    memset(data.key, 'k', 1);
    data.value_type = ENL_KVP_STRING;
    data.key_len = ENL_KVP_KEY_LEN + 1;
    data.value_len = ENL_KVP_VALUE_LEN + 1;
    assert_int_equal(enl_kvp_read_key(&data, out, sizeof(out)), -ENL_E_INVAL);
    assert_int_equal(enl_kvp_read_value(&data, out, sizeof(out)), -ENL_E_INVAL);
    data.key_len = ENL_KVP_KEY_LEN;
    data.value_len = UINT32_MAX;
    assert_int_equal(enl_kvp_read_key(&data, out, sizeof(out)), 1);
    assert_int_equal(enl_kvp_read_value(&data, out, sizeof(out)), -ENL_E_INVAL);
}

static void
number_is_decimal(void **state)
{
    (void)state;
    memset(&data, 0, sizeof(data));
    memset(data.value, 0xFF, 8);
    data.value_type = ENL_KVP_U32;
    data.value_len = 4;
    assert_int_equal(enl_kvp_read_value(&data, out, sizeof(out)), 10);
    assert_string_equal(out, "4294967295");
    data.value_type = ENL_KVP_U64;
    assert_int_equal(enl_kvp_read_value(&data, out, sizeof(out)), 20);
    assert_string_equal(out, "18446744073709551615");
    assert_int_equal(enl_kvp_read_value(&data, out, 20), -ENL_E_MSGSIZE);
    memset(data.value, 0, 8);
    assert_int_equal(enl_kvp_read_value(&data, out, sizeof(out)), 1);
    assert_string_equal(out, "0");
    data.value_type = 3;
    assert_int_equal(enl_kvp_read_value(&data, out, sizeof(out)), -ENL_E_INVAL);
}

static void
text_too_long_is_refused(void **state)
{
    uint8_t field[8];

    (void)state;
    assert_int_equal(enl_kvp_write(field, sizeof(field), "abc", 9), 8);
    assert_int_equal(enl_kvp_write(field, sizeof(field), "abcd", 9), -ENL_E_MSGSIZE);
    assert_int_equal(enl_kvp_write(field, sizeof(field), "abcd", 3), 8);
    assert_int_equal(enl_kvp_write(field, sizeof(field), "\xFF", 9), -ENL_E_INVAL);
    assert_int_equal(enl_kvp_write(field, 1, "", 9), -ENL_E_MSGSIZE);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_survives_the_way_and_back),
        cmocka_unit_test(field_without_end_ends_where_it_ends),
        cmocka_unit_test(what_is_not_utf16_is_refused),
        cmocka_unit_test(length_beyond_its_field_is_refused),
        cmocka_unit_test(number_is_decimal),
        cmocka_unit_test(text_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
