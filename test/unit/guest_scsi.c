/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_scsi.c - commands as they are on the wire, and answers that lie
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/guest/storage.h"

static struct enlg_storage_io io;

static int
setup(void **state)
{
    (void)state;
    memset(&io, 0xA5, sizeof(io));
    io.result = 0;
    return 0;
}

static void
discard_lists_one_range(void **state)
{
    uint8_t list[ENLG_STORAGE_DISCARD_LEN];

    (void)state;
    enlg_storage_discard(&io, 0x0102030405060708, 0x0A0B0C0D, list);
    assert_memory_equal(io.cdb, "\x42\0\0\0\0\0\0\0\x18\0\0\0\0\0\0\0", 16);
    assert_int_equal(io.cdb_len, 10);
    assert_int_equal(io.data_in, ENL_STORAGE_DATA_WRITE);
    assert_ptr_equal(io.data, list);
    assert_int_equal(io.data_len, 24);
    assert_memory_equal(list,
                        "\0\x16\0\x10\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x0A\x0B"
                        "\x0C\x0D\0\0\0\0",
                        24);
}

static void
capacity_is_not_believed_blindly(void **state)
{
    uint8_t answer[32] = {0};
    uint64_t blocks;
    uint32_t size;

    (void)state;
    enlg_storage_capacity(&io, answer);
    assert_int_equal(io.cdb[0], ENL_SCSI_SERVICE_ACTION_IN_16);
    assert_int_equal(io.cdb[13], 32);
    io.moved = 32;
    answer[7] = 99;
    answer[10] = 2;
    assert_int_equal(enlg_storage_capacity_parse(&io, &blocks, &size), 0);
    assert_int_equal(blocks, 100);
    assert_int_equal(size, 512);
    io.moved = 11;
    assert_int_equal(enlg_storage_capacity_parse(&io, &blocks, &size), -ENL_E_PROTO);
    io.moved = 32;
    answer[11] = 1; /* 513 */
    assert_int_equal(enlg_storage_capacity_parse(&io, &blocks, &size), -ENL_E_PROTO);
    answer[10] = answer[11] = 0;
    assert_int_equal(enlg_storage_capacity_parse(&io, &blocks, &size), -ENL_E_PROTO);
    memset(answer, 0xFF, 8);
    answer[10] = 2;
    assert_int_equal(enlg_storage_capacity_parse(&io, &blocks, &size), -ENL_E_PROTO);
}

static void
capacity_says_whether_it_discards(void **state)
{
    uint8_t answer[32] = {0};

    (void)state;
    enlg_storage_capacity(&io, answer);
    io.moved = 32;
    assert_false(enlg_storage_capacity_discards(&io));
    answer[14] = ENL_SCSI_RC16_LBPME;
    assert_true(enlg_storage_capacity_discards(&io));
    io.moved = 14;
    assert_false(enlg_storage_capacity_discards(&io));
    io.moved = 32;
    io.result = -ENL_E_IO;
    assert_false(enlg_storage_capacity_discards(&io));
}

static void
luns_are_those_that_fit(void **state)
{
    uint8_t answer[8 + 4 * 8] = {0}, luns[4] = {9, 9, 9, 9};

    (void)state;
    enlg_storage_luns(&io, answer, sizeof(answer));
    assert_memory_equal(io.cdb, "\xA0\0\0\0\0\0\0\0\0\x28\0\0", 12);
    assert_int_equal(io.cdb_len, 12);
    assert_int_equal(io.data_len, sizeof(answer));
    io.moved = sizeof(answer);
    answer[3] = 32;
    answer[8 + 1] = 0;
    answer[16 + 1] = 5;
    answer[24] = 0x40; /* a flat number: not ours */
    answer[32 + 1] = 63;
    assert_int_equal(enlg_storage_luns_parse(&io, luns, 4), 3);
    assert_memory_equal(luns, "\0\x05\x3F", 3);
    assert_int_equal(enlg_storage_luns_parse(&io, luns, 2), 2);
    memset(answer, 0xFF, 4); /* a length beyond everything */
    assert_int_equal(enlg_storage_luns_parse(&io, luns, 4), 3);
    io.moved = 8 + 8 + 7;
    assert_int_equal(enlg_storage_luns_parse(&io, luns, 4), 1);
    io.moved = 7;
    assert_int_equal(enlg_storage_luns_parse(&io, luns, 4), -ENL_E_PROTO);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(discard_lists_one_range),
        CASE(capacity_is_not_believed_blindly),
        CASE(capacity_says_whether_it_discards),
        CASE(luns_are_those_that_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
