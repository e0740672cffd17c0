/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guid_text.c - GUIDs between their text and the wire's byte order
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/guid.h"
#include "enlight/abi/guids.h"

#define SCSI "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f"

static const struct enl_guid scsi = ENL_GUID_SCSI;

static void
first_three_groups_are_little_endian(void **state)
{
    static const uint8_t wire[16] = {0xd9, 0x63, 0x61, 0xba, 0xa1, 0x04, 0x29, 0x4d,
                                     0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f};
    struct enl_guid guid;

    (void)state;
    assert_int_equal(enl_guid_parse(SCSI, 36, &guid), 0);
    assert_memory_equal(guid.b, wire, 16);
    assert_true(enl_guid_equal(&guid, &scsi));
}

static void
text_comes_back_in_lower_case(void **state)
{
    char text[ENL_GUID_TEXT_LEN + 1];
    struct enl_guid guid;

    (void)state;
    enl_guid_format(&scsi, text);
    assert_string_equal(text, SCSI);
    assert_int_equal(enl_guid_parse("{BA6163D9-04A1-4D29-B605-72E2FFB1DC7F}", 38, &guid),
                     0);
    assert_true(enl_guid_equal(&guid, &scsi));
}

static void
anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "ba6163d9-04a1-4d29-b605-72e2ffb1dc7",
        "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f0",
        "ba6163d9004a1-4d29-b605-72e2ffb1dc7f",
        "ba6163d9-04a1-4d29-b605-72e2ffb1dc7g",
        "ba6163d9-04a1-4d29-b605-72e2ffb1dc/f",
        "ba6163d-904a1-4d29-b605-72e2ffb1dc7f",
        "{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f",
        "(ba6163d9-04a1-4d29-b605-72e2ffb1dc7f)",
        "                                    ",
    };
    struct enl_guid guid = scsi;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(enl_guid_parse(bad[i], strlen(bad[i]), &guid), -ENL_E_INVAL);
    assert_true(enl_guid_equal(&guid, &scsi));
}

static void
equal_means_every_byte(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct enl_guid guid = scsi;

        guid.b[i] ^= 1;
        assert_false(enl_guid_equal(&guid, &scsi));
        memset(&guid, 0, sizeof(guid));
        assert_true(enl_guid_is_zero(&guid));
        guid.b[i] = 0x80;
        assert_false(enl_guid_is_zero(&guid));
    }
}

static void
socket_port_is_the_first_group(void **state)
{
    static const struct enl_guid service = ENL_GUID_HVSOCK_PORT(0x12345678);
    char text[ENL_GUID_TEXT_LEN + 1];

    (void)state;
    enl_guid_format(&service, text);
    assert_string_equal(text, "12345678-facb-11e6-bd58-64006a7986d3");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_three_groups_are_little_endian),
        cmocka_unit_test(text_comes_back_in_lower_case),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(equal_means_every_byte),
        cmocka_unit_test(socket_port_is_the_first_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
