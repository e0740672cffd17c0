/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI commands as a pure function: for each CDB what it means, and for each refusal its
 * sense. No VMBus and no guest memory here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "host/dev/storage/scsi.h"

#define ILLEGAL ENL_SCSI_KEY_ILLEGAL_REQUEST

static const struct enlh_scsi_unit plain = {
    .block_count = 1000,
    .block_len = 512,
    .block_shift = 9,
    .max_blocks = 256,
    .physical_exponent = 3,
    .discards = true,
    .volatile_cache = true,
    .naa = {0x31, 2, 3, 4, 5, 6, 7, 8},
    .serial_len = 4,
    .vendor = "VENDOR  ",
    .product = "PRODUCT         ",
    .revision = "REV1",
    .serial = "S123",
};

static struct enlh_scsi_action action;
static uint8_t response[ENLH_SCSI_RESPONSE_MAX];

static void
decode(const struct enlh_scsi_unit *unit, const uint8_t cdb[16])
{
    memset(&action, 0xa5, sizeof(action));
    memset(response, 0xa5, sizeof(response));
    enlh_scsi_decode(unit, cdb, 16, &action, response);
}

#define DECODE(unit, ...) decode(unit, (const uint8_t[16]){__VA_ARGS__})

static void
assert_refused(uint8_t key, uint16_t asc)
{
    assert_int_equal(action.verb, ENLH_SCSI_ANSWER);
    assert_int_equal(action.key, key);
    assert_int_equal(action.asc, asc);
    assert_int_equal(action.response_len, 0);
}

static void
assert_moves(enum enlh_scsi_verb verb, uint64_t lba, uint64_t count)
{
    assert_int_equal(action.verb, verb);
    assert_int_equal(action.key, 0);
    assert_int_equal(action.offset, lba * 512);
    assert_int_equal(action.len, count * 512);
}

static void
assert_good(uint32_t response_len)
{
    assert_int_equal(action.verb, ENLH_SCSI_ANSWER);
    assert_int_equal(action.key, 0);
    assert_int_equal(action.response_len, response_len);
}

/* ---- the table ---- */

static const uint8_t known[] = {
    0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2a, 0x2f, 0x35,
    0x41, 0x42, 0x55, 0x5a, 0x88, 0x8a, 0x8f, 0x91, 0x93, 0x9e, 0xa8, 0xaa, 0xaf,
};

static void
scsi_unknown_opcodes_are_refused(void **state)
{
    (void)state;
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        if (memchr(known, (int)opcode, sizeof(known)))
            continue;
        DECODE(&plain, (uint8_t)opcode);
        assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_OPCODE);
    }
}

static void
scsi_short_cdb_is_refused(void **state)
{
    const uint8_t lens[8] = {6, 10, 10, 0, 16, 12, 0, 0};
    uint8_t cdb[16] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(known); i++) {
        uint8_t need = lens[known[i] >> 5];

        cdb[0] = known[i];
        enlh_scsi_decode(&plain, cdb, (uint8_t)(need - 1), &action, response);
        assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
        enlh_scsi_decode(&plain, cdb, 0, &action, response);
        assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    }
}

/* Any CDB gives an action within the unit and within the response. */
static void
scsi_any_cdb_stays_in_bounds(void **state)
{
    uint64_t seed = 1;
    uint8_t cdb[16];

    (void)state;
    for (uint32_t i = 0; i < 300000; i++) {
        for (size_t at = 0; at < sizeof(cdb); at++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            cdb[at] = (seed >> 40 & 3) ? (uint8_t)(seed >> 56) : 0;
        }
        if (i & 1)
            cdb[0] = known[i / 2 % sizeof(known)];
        decode(&plain, cdb);
        assert_true(action.verb <= ENLH_SCSI_UNMAP);
        assert_true(action.response_len <= ENLH_SCSI_RESPONSE_MAX);
        if (action.verb == ENLH_SCSI_READ || action.verb == ENLH_SCSI_WRITE ||
            action.verb == ENLH_SCSI_ZERO) {
            assert_in_range(action.len, 512, UINT64_C(1000) * 512);
            assert_true(action.offset + action.len <= UINT64_C(1000) * 512);
        }
        if (action.verb == ENLH_SCSI_UNMAP)
            assert_in_range(action.data_len, 8, ENLH_SCSI_UNMAP_LIST_MAX);
    }
}

/* ---- reading and writing ---- */

static void
scsi_read_and_write_of_each_length(void **state)
{
    (void)state;
    DECODE(&plain, 0x08, 0x00, 0x01, 0x02, 3);
    assert_moves(ENLH_SCSI_READ, 0x102, 3);
    DECODE(&plain, 0x0a, 0x00, 0x00, 0x01, 2);
    assert_moves(ENLH_SCSI_WRITE, 1, 2);
    DECODE(&plain, 0x28, 0, 0, 0, 1, 4, 0, 0, 5);
    assert_moves(ENLH_SCSI_READ, 0x104, 5);
    DECODE(&plain, 0x2a, 0, 0, 0, 1, 4, 0, 1, 0);
    assert_moves(ENLH_SCSI_WRITE, 0x104, 256);
    DECODE(&plain, 0xa8, 0, 0, 0, 1, 4, 0, 0, 0, 7);
    assert_moves(ENLH_SCSI_READ, 0x104, 7);
    DECODE(&plain, 0xaa, 0, 0, 0, 1, 4, 0, 0, 0, 8);
    assert_moves(ENLH_SCSI_WRITE, 0x104, 8);
    DECODE(&plain, 0x88, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 9);
    assert_moves(ENLH_SCSI_READ, 0x104, 9);
    DECODE(&plain, 0x8a, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 10);
    assert_moves(ENLH_SCSI_WRITE, 0x104, 10);
}

static void
scsi_read_6_of_zero_means_256(void **state)
{
    (void)state;
    DECODE(&plain, 0x08, 0, 0, 0, 0);
    assert_moves(ENLH_SCSI_READ, 0, 256);
    /* The high bits of byte 1 once were a LUN: they are no part of the address. */
    DECODE(&plain, 0x08, 0xe0, 0, 1, 1);
    assert_moves(ENLH_SCSI_READ, 1, 1);
}

static void
scsi_read_of_nothing_is_good(void **state)
{
    (void)state;
    DECODE(&plain, 0x28, 0, 0, 0, 0, 5, 0, 0, 0);
    assert_good(0);
    DECODE(&plain, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0x03, 0xe8);
    assert_good(0);
}

static void
scsi_last_block_is_reachable_and_no_more(void **state)
{
    (void)state;
    DECODE(&plain, 0x28, 0, 0, 0, 0x03, 0xe7, 0, 0, 1);
    assert_moves(ENLH_SCSI_READ, 999, 1);
    DECODE(&plain, 0x28, 0, 0, 0, 0x03, 0xe7, 0, 0, 2);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
    DECODE(&plain, 0x28, 0, 0, 0, 0x03, 0xe8, 0, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
    DECODE(&plain, 0x28, 0, 0, 0, 0x03, 0xe9, 0, 0, 0);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
}

static void
scsi_lba_that_overflows_is_refused(void **state)
{
    (void)state;
    DECODE(&plain, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
    DECODE(&plain, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
    /* This many blocks times their length would wrap to 0. */
    DECODE(&plain, 0x88, 0, 0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
}

static void
scsi_transfer_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    DECODE(&plain, 0x28, 0, 0, 0, 0, 0, 0, 1, 0);
    assert_moves(ENLH_SCSI_READ, 0, 256);
    DECODE(&plain, 0x28, 0, 0, 0, 0, 0, 0, 1, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
}

static void
scsi_fua_is_passed_on(void **state)
{
    (void)state;
    DECODE(&plain, 0x2a, ENL_SCSI_RW_FUA, 0, 0, 0, 0, 0, 0, 1);
    assert_true(action.fua);
    DECODE(&plain, 0x8a, ENL_SCSI_RW_FUA, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    assert_true(action.fua);
    DECODE(&plain, 0x2a, ENL_SCSI_RW_DPO, 0, 0, 0, 0, 0, 0, 1);
    assert_moves(ENLH_SCSI_WRITE, 0, 1);
    assert_false(action.fua);
    DECODE(&plain, 0x0a, ENL_SCSI_RW_FUA, 0, 0, 1);
    assert_false(action.fua);
}

static void
scsi_protection_information_is_refused(void **state)
{
    (void)state;
    DECODE(&plain, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x8f, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
}

static void
scsi_write_protected_refuses_every_change(void **state)
{
    static const uint8_t changes[] = {0x0a, 0x2a, 0xaa, 0x8a, 0x41, 0x93, 0x42};
    struct enlh_scsi_unit unit = plain;
    uint8_t cdb[16] = {0};

    (void)state;
    unit.readonly = true;
    for (size_t i = 0; i < sizeof(changes); i++) {
        cdb[0] = changes[i];
        decode(&unit, cdb);
        assert_refused(ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_WRITE_PROTECTED);
    }
    DECODE(&unit, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    assert_moves(ENLH_SCSI_READ, 0, 1);
    DECODE(&unit, 0x35);
    assert_int_equal(action.verb, ENLH_SCSI_FLUSH);
}

/* ---- the cache, verifying, erasing ---- */

static void
scsi_synchronize_flushes_within_the_medium(void **state)
{
    (void)state;
    DECODE(&plain, 0x35);
    assert_int_equal(action.verb, ENLH_SCSI_FLUSH);
    DECODE(&plain, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9);
    assert_int_equal(action.verb, ENLH_SCSI_FLUSH);
    DECODE(&plain, 0x35, 0, 0, 0, 0x03, 0xe8, 0, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
}

static void
scsi_verify_without_comparison_flushes(void **state)
{
    (void)state;
    DECODE(&plain, 0x2f, 0, 0, 0, 0, 1, 0, 0, 9);
    assert_int_equal(action.verb, ENLH_SCSI_FLUSH);
    DECODE(&plain, 0xaf, 0, 0, 0, 0, 1, 0, 0, 0, 9);
    assert_int_equal(action.verb, ENLH_SCSI_FLUSH);
    DECODE(&plain, 0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9);
    assert_int_equal(action.verb, ENLH_SCSI_FLUSH);
    DECODE(&plain, 0x2f, 0x02, 0, 0, 0, 1, 0, 0, 9);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x2f, 0, 0, 0, 0x03, 0xe7, 0, 0, 2);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
}

static void
scsi_write_same_zeroes(void **state)
{
    (void)state;
    DECODE(&plain, 0x41, 0, 0, 0, 0, 5, 0, 0, 7);
    assert_moves(ENLH_SCSI_ZERO, 5, 7);
    assert_int_equal(action.data_len, 512);
    DECODE(&plain, 0x93, ENL_SCSI_WS_UNMAP, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7);
    assert_moves(ENLH_SCSI_ZERO, 5, 7);
    assert_int_equal(action.data_len, 512);
    DECODE(&plain, 0x93, ENL_SCSI_WS_NDOB, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7);
    assert_moves(ENLH_SCSI_ZERO, 5, 7);
    assert_int_equal(action.data_len, 0);
}

static void
scsi_write_same_refuses_what_it_cannot(void **state)
{
    struct enlh_scsi_unit unit = plain;

    (void)state;
    DECODE(&plain, 0x41, ENL_SCSI_WS_NDOB, 0, 0, 0, 5, 0, 0, 7);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x93, ENL_SCSI_WS_ANCHOR, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x93, 0, 0, 0, 0, 0, 0, 0, 0x03, 0xe8, 0, 0, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);

    unit.discards = false;
    DECODE(&unit, 0x93, ENL_SCSI_WS_UNMAP, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    unit.block_count = UINT64_C(1) << 40;
    DECODE(&unit, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0, 1);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&unit, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0, 0);
    assert_moves(ENLH_SCSI_ZERO, 0, 0x80000);
}

static void
scsi_unmap_wants_a_list(void **state)
{
    struct enlh_scsi_unit unit = plain;

    (void)state;
    DECODE(&plain, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
    assert_int_equal(action.verb, ENLH_SCSI_UNMAP);
    assert_int_equal(action.data_len, 24);
    DECODE(&plain, 0x42);
    assert_good(0);
    DECODE(&plain, 0x42, 0, 0, 0, 0, 0, 0, 0, 7);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_PARAMETER_LIST_LENGTH);
    DECODE(&plain, 0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_PARAMETER_LIST_LENGTH);
    DECODE(&plain, 0x42, 1, 0, 0, 0, 0, 0, 0, 24);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    unit.discards = false;
    DECODE(&unit, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_OPCODE);
}

/* A list of `said` descriptor bytes, with blocks lba[i], count[i]. */
static uint32_t
unmap_list(uint16_t said, uint32_t len, const uint64_t *lba, const uint32_t *count,
           uint32_t extents, struct enlh_scsi_extent *out)
{
    uint8_t list[ENLH_SCSI_UNMAP_LIST_MAX] = {0};

    enlh_scsi_put16(list + 2, said);
    for (uint32_t i = 0; i < extents; i++) {
        enlh_scsi_put64(list + 8 + 16 * i, lba[i]);
        enlh_scsi_put32(list + 16 + 16 * i, count[i]);
    }
    action = (struct enlh_scsi_action){.verb = ENLH_SCSI_UNMAP};
    return enlh_scsi_unmap_list(&plain, list, len, &action, out);
}

static void
scsi_unmap_list_gives_extents(void **state)
{
    const uint64_t lba[] = {10, 20, 999};
    const uint32_t count[] = {5, 0, 1};
    struct enlh_scsi_extent out[ENLH_SCSI_UNMAP_DESCRIPTORS];

    (void)state;
    /* A descriptor of no blocks is legal and does nothing. */
    assert_int_equal(unmap_list(48, 56, lba, count, 3, out), 2);
    assert_int_equal(action.key, 0);
    assert_int_equal(out[0].offset, 10 * 512);
    assert_int_equal(out[0].len, 5 * 512);
    assert_int_equal(out[1].offset, 999 * 512);
    assert_int_equal(out[1].len, 512);
    /* Neither the list's length nor what it says of itself is exceeded. */
    assert_int_equal(unmap_list(0xffff, 24, lba, count, 1, out), 1);
    assert_int_equal(unmap_list(16, 56, lba, count, 3, out), 1);
    assert_int_equal(unmap_list(31, 39, lba, count, 2, out), 1);
    assert_int_equal(unmap_list(0, 56, lba, count, 3, out), 0);
    assert_int_equal(action.key, 0);
}

static void
scsi_unmap_list_refuses_bad_extents(void **state)
{
    const uint64_t lba[] = {10, UINT64_MAX};
    const uint32_t count[] = {5, 2};
    struct enlh_scsi_extent out[ENLH_SCSI_UNMAP_DESCRIPTORS];

    (void)state;
    assert_int_equal(unmap_list(32, 40, lba, count, 2, out), 0);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
    assert_int_equal(unmap_list(32, 7, lba, count, 2, out), 0);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_PARAMETER_LIST_LENGTH);
}

static void
scsi_unmap_list_is_bounded_in_all(void **state)
{
    struct enlh_scsi_extent out[ENLH_SCSI_UNMAP_DESCRIPTORS];
    struct enlh_scsi_unit unit = plain;
    uint8_t list[40] = {0, 0, 0, 32};
    uint32_t half = (uint32_t)(ENLH_SCSI_UNMAP_BYTES / 512 / 2);

    (void)state;
    unit.block_count = UINT64_C(1) << 40;
    enlh_scsi_put32(list + 16, half);
    enlh_scsi_put32(list + 32, half);
    action = (struct enlh_scsi_action){.verb = ENLH_SCSI_UNMAP};
    assert_int_equal(enlh_scsi_unmap_list(&unit, list, sizeof(list), &action, out), 2);
    enlh_scsi_put32(list + 32, half + 1);
    assert_int_equal(enlh_scsi_unmap_list(&unit, list, sizeof(list), &action, out), 0);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);
}

/* ---- who the disk is ---- */

static void
scsi_inquiry_names_the_disk(void **state)
{
    (void)state;
    DECODE(&plain, 0x12, 0, 0, 0, 36);
    assert_good(36);
    assert_int_equal(response[0], ENL_SCSI_TYPE_DISK);
    assert_int_equal(response[2], 6);
    assert_int_equal(response[3] & 0x0f, 2);
    assert_int_equal(response[4], 31);
    assert_memory_equal(response + 8, "VENDOR  PRODUCT         REV1", 28);
}

static void
scsi_inquiry_is_cut_to_its_allocation(void **state)
{
    (void)state;
    DECODE(&plain, 0x12, 0, 0, 0, 5);
    assert_good(5);
    DECODE(&plain, 0x12, 0, 0, 0xff, 0xff);
    assert_good(36);
    DECODE(&plain, 0x12, 0, 0, 0, 0);
    assert_good(0);
}

static void
scsi_vpd_lists_its_pages_and_has_them(void **state)
{
    uint8_t pages[16];
    uint32_t count;

    (void)state;
    DECODE(&plain, 0x12, 1, 0x00, 0, 255);
    count = response[3];
    assert_good(4 + count);
    assert_int_equal(count, 6);
    memcpy(pages, response + 4, count);
    for (uint32_t i = 0; i < count; i++) {
        DECODE(&plain, 0x12, 1, pages[i], 0, 255);
        assert_int_equal(action.key, 0);
        assert_int_equal(response[1], pages[i]);
        assert_int_equal(action.response_len, 4u + enlh_scsi_get16(response + 2));
    }
    DECODE(&plain, 0x12, 1, 0xb3, 0, 255);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x12, 0, 0x80, 0, 255);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
}

static void
scsi_vpd_serial_and_names(void **state)
{
    (void)state;
    DECODE(&plain, 0x12, 1, 0x80, 0, 255);
    assert_good(8);
    assert_memory_equal(response + 4, "S123", 4);
    DECODE(&plain, 0x12, 1, 0x83, 0, 255);
    assert_good(4 + 12 + 4 + 12);
    assert_int_equal(response[4], 1);
    assert_int_equal(response[5], 3);
    assert_int_equal(response[7], 8);
    assert_memory_equal(response + 8, plain.naa, 8);
    assert_int_equal(response[16], 2);
    assert_int_equal(response[17], 1);
    assert_int_equal(response[19], 12);
    assert_memory_equal(response + 20, "VENDOR  S123", 12);
}

static void
scsi_vpd_limits_and_provisioning(void **state)
{
    struct enlh_scsi_unit unit = plain;

    (void)state;
    DECODE(&plain, 0x12, 1, 0xb0, 0, 255);
    assert_good(64);
    assert_int_equal(response[4] & 1, 1);
    assert_int_equal(enlh_scsi_get16(response + 6), 8);
    assert_int_equal(enlh_scsi_get32(response + 8), 256);
    assert_int_equal(enlh_scsi_get32(response + 20), ENLH_SCSI_UNMAP_BYTES / 512);
    assert_int_equal(enlh_scsi_get32(response + 24), ENLH_SCSI_UNMAP_DESCRIPTORS);
    assert_int_equal(enlh_scsi_get32(response + 28), 8);
    assert_int_equal(enlh_scsi_get64(response + 36), ENLH_SCSI_WRITE_SAME_BYTES / 512);
    DECODE(&plain, 0x12, 1, 0xb1, 0, 255);
    assert_int_equal(enlh_scsi_get16(response + 4), 1);
    DECODE(&plain, 0x12, 1, 0xb2, 0, 255);
    assert_good(8);
    assert_int_equal(response[5], 0xe0);
    assert_int_equal(response[6] & 7, 2);

    unit.discards = false;
    DECODE(&unit, 0x12, 1, 0xb0, 0, 255);
    assert_int_equal(enlh_scsi_get32(response + 20), 0);
    DECODE(&unit, 0x12, 1, 0xb2, 0, 255);
    assert_int_equal(response[5], 0);
    assert_int_equal(response[6], 0);
}

static void
scsi_capacity_of_both_lengths(void **state)
{
    struct enlh_scsi_unit unit = plain;

    (void)state;
    DECODE(&plain, 0x25);
    assert_good(8);
    assert_int_equal(enlh_scsi_get32(response), 999);
    assert_int_equal(enlh_scsi_get32(response + 4), 512);
    DECODE(&plain, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
    assert_good(32);
    assert_int_equal(enlh_scsi_get64(response), 999);
    assert_int_equal(enlh_scsi_get32(response + 8), 512);
    assert_int_equal(response[13], 3);
    assert_int_equal(response[14], ENL_SCSI_RC16_LBPME);
    DECODE(&plain, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12);
    assert_good(12);
    DECODE(&plain, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);

    unit.block_count = UINT64_C(0x100000000) + 1;
    unit.discards = false;
    DECODE(&unit, 0x25);
    assert_int_equal(enlh_scsi_get32(response), UINT32_MAX);
    DECODE(&unit, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
    assert_int_equal(enlh_scsi_get64(response), UINT64_C(0x100000000));
    assert_int_equal(response[14], 0);
}

/* ---- mode pages ---- */

static void
scsi_mode_sense_tells_cache_and_protection(void **state)
{
    struct enlh_scsi_unit unit = plain;

    (void)state;
    DECODE(&unit, 0x1a, ENL_SCSI_MODE_DBD, 0x08, 0, 255);
    assert_good(24);
    assert_int_equal(response[0], 23);
    assert_int_equal(response[2], ENL_SCSI_MODE_DPOFUA);
    assert_int_equal(response[3], 0);
    assert_int_equal(response[4], 0x08);
    assert_int_equal(response[5], 18);
    assert_int_equal(response[6], ENL_SCSI_CACHING_WCE);

    unit.readonly = true;
    unit.volatile_cache = false;
    DECODE(&unit, 0x5a, ENL_SCSI_MODE_DBD, 0x08, 0, 0, 0, 0, 0, 255);
    assert_good(28);
    assert_int_equal(enlh_scsi_get16(response), 26);
    assert_int_equal(response[3], ENL_SCSI_MODE_DPOFUA | ENL_SCSI_MODE_WP);
    assert_int_equal(response[10], 0);
}

static void
scsi_mode_sense_has_a_block_descriptor(void **state)
{
    (void)state;
    DECODE(&plain, 0x1a, 0, 0x0a, 0, 255);
    assert_good(4 + 8 + 12);
    assert_int_equal(response[3], 8);
    assert_int_equal(enlh_scsi_get32(response + 4), 1000);
    assert_int_equal(enlh_scsi_get32(response + 8), 512);
    assert_int_equal(response[12], 0x0a);
    DECODE(&plain, 0x5a, 0, 0x0a, 0, 0, 0, 0, 0, 255);
    assert_good(8 + 8 + 12);
    assert_int_equal(enlh_scsi_get16(response + 6), 8);
}

static void
scsi_mode_sense_all_pages_in_order(void **state)
{
    (void)state;
    DECODE(&plain, 0x1a, ENL_SCSI_MODE_DBD, 0x3f, 0, 255);
    assert_good(4 + 20 + 12 + 12);
    assert_int_equal(response[4], 0x08);
    assert_int_equal(response[24], 0x0a);
    assert_int_equal(response[36], 0x1c);
    DECODE(&plain, 0x1a, ENL_SCSI_MODE_DBD, 0x3f, 0xff, 4);
    assert_good(4);
}

static void
scsi_mode_sense_changeable_is_nothing(void **state)
{
    (void)state;
    DECODE(&plain, 0x1a, ENL_SCSI_MODE_DBD, 0x40 | 0x08, 0, 255);
    assert_int_equal(response[6], 0);
}

static void
scsi_mode_sense_refuses_what_is_not_there(void **state)
{
    (void)state;
    DECODE(&plain, 0x1a, 0, 0x02, 0, 255);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x1a, 0, 0x0a, 0x05, 255);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x1a, 0, 0xc0 | 0x08, 0, 255);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_SAVING_NOT_SUPPORTED);
}

static void
scsi_mode_select_changes_nothing(void **state)
{
    (void)state;
    DECODE(&plain, 0x15, 0x10, 0, 0, 0);
    assert_good(0);
    DECODE(&plain, 0x15, 0x10, 0, 0, 24);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);
    DECODE(&plain, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 24);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);
    DECODE(&plain, 0x15, 0x11, 0, 0, 24);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
}

/* ---- the rest ---- */

static void
scsi_test_unit_ready_and_prevent_are_good(void **state)
{
    (void)state;
    DECODE(&plain, 0x00);
    assert_good(0);
    DECODE(&plain, 0x1e, 0, 0, 0, 1);
    assert_good(0);
}

static void
scsi_stop_flushes_start_does_not(void **state)
{
    (void)state;
    DECODE(&plain, 0x1b, 0, 0, 0, 0);
    assert_int_equal(action.verb, ENLH_SCSI_FLUSH);
    DECODE(&plain, 0x1b, 0, 0, 0, ENL_SCSI_START_START);
    assert_good(0);
    DECODE(&plain, 0x1b, 0, 0, 0, ENL_SCSI_START_LOEJ);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    DECODE(&plain, 0x1b, 0, 0, 0, 0x10);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
}

static void
scsi_request_sense_has_none(void **state)
{
    (void)state;
    DECODE(&plain, 0x03, 0, 0, 0, 252);
    assert_good(18);
    assert_int_equal(response[0], 0x70);
    assert_int_equal(response[2], 0);
    assert_int_equal(response[7], 10);
    DECODE(&plain, 0x03, 1, 0, 0, 252);
    assert_good(8);
    assert_int_equal(response[0], 0x72);
    DECODE(&plain, 0x03, 0, 0, 0, 4);
    assert_good(4);
}

static void
scsi_report_luns_lists_the_mask(void **state)
{
    const uint8_t all[16] = {0xa0, 0, 0, 0, 0, 0, 0, 0, 2, 8};
    const uint8_t known_only[16] = {0xa0, 0, 1, 0, 0, 0, 0, 0, 2, 8};
    const uint8_t odd[16] = {0xa0, 0, 3, 0, 0, 0, 0, 0, 2, 8};

    (void)state;
    memset(response, 0xa5, sizeof(response));
    enlh_scsi_report_luns(UINT64_C(0x8000000000000005), all, 12, &action, response);
    assert_good(32);
    assert_int_equal(enlh_scsi_get32(response), 24);
    assert_int_equal(enlh_scsi_get32(response + 4), 0);
    assert_int_equal(enlh_scsi_get64(response + 8), 0);
    assert_int_equal(enlh_scsi_get64(response + 16), UINT64_C(0x0002000000000000));
    assert_int_equal(enlh_scsi_get64(response + 24), UINT64_C(0x003f000000000000));
    enlh_scsi_report_luns(UINT64_MAX, all, 12, &action, response);
    assert_good(520);
    enlh_scsi_report_luns(0, all, 12, &action, response);
    assert_good(8);
    enlh_scsi_report_luns(UINT64_MAX, known_only, 12, &action, response);
    assert_good(8);
    enlh_scsi_report_luns(UINT64_MAX, odd, 12, &action, response);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    enlh_scsi_report_luns(UINT64_MAX, all, 11, &action, response);
    assert_refused(ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
}

static void
scsi_absent_unit_answers_inquiry_only(void **state)
{
    const uint8_t inquiry[16] = {0x12, 0, 0, 0, 36};
    const uint8_t page[16] = {0x12, 1, 0x80, 0, 36};
    const uint8_t ready[16] = {0};

    (void)state;
    memset(response, 0xa5, sizeof(response));
    assert_true(enlh_scsi_no_unit(inquiry, &action, response));
    assert_good(36);
    assert_int_equal(response[0], 0x7f);
    assert_int_equal(response[4], 31);
    for (size_t i = 8; i < 36; i++)
        assert_int_equal(response[i], 0);
    assert_false(enlh_scsi_no_unit(page, &action, response));
    assert_false(enlh_scsi_no_unit(ready, &action, response));
}

static void
scsi_response_is_zeroed_before_use(void **state)
{
    (void)state;
    DECODE(&plain, 0x12, 0, 0, 0, 36);
    for (size_t i = 36; i < sizeof(response); i++)
        assert_int_equal(response[i], 0);
}

static void
scsi_sense_is_fixed_format(void **state)
{
    uint8_t sense[ENL_SCSI_SENSE_LEN];

    (void)state;
    memset(sense, 0xa5, sizeof(sense));
    enlh_scsi_sense(ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_SPACE_ALLOCATION, sense);
    assert_memory_equal(sense, "\x70\0\x07\0\0\0\0\x0a\0\0\0\0\x27\x07\0\0\0\0", 18);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scsi_unknown_opcodes_are_refused),
        cmocka_unit_test(scsi_short_cdb_is_refused),
        cmocka_unit_test(scsi_any_cdb_stays_in_bounds),
        cmocka_unit_test(scsi_read_and_write_of_each_length),
        cmocka_unit_test(scsi_read_6_of_zero_means_256),
        cmocka_unit_test(scsi_read_of_nothing_is_good),
        cmocka_unit_test(scsi_last_block_is_reachable_and_no_more),
        cmocka_unit_test(scsi_lba_that_overflows_is_refused),
        cmocka_unit_test(scsi_transfer_beyond_the_limit_is_refused),
        cmocka_unit_test(scsi_fua_is_passed_on),
        cmocka_unit_test(scsi_protection_information_is_refused),
        cmocka_unit_test(scsi_write_protected_refuses_every_change),
        cmocka_unit_test(scsi_synchronize_flushes_within_the_medium),
        cmocka_unit_test(scsi_verify_without_comparison_flushes),
        cmocka_unit_test(scsi_write_same_zeroes),
        cmocka_unit_test(scsi_write_same_refuses_what_it_cannot),
        cmocka_unit_test(scsi_unmap_wants_a_list),
        cmocka_unit_test(scsi_unmap_list_gives_extents),
        cmocka_unit_test(scsi_unmap_list_refuses_bad_extents),
        cmocka_unit_test(scsi_unmap_list_is_bounded_in_all),
        cmocka_unit_test(scsi_inquiry_names_the_disk),
        cmocka_unit_test(scsi_inquiry_is_cut_to_its_allocation),
        cmocka_unit_test(scsi_vpd_lists_its_pages_and_has_them),
        cmocka_unit_test(scsi_vpd_serial_and_names),
        cmocka_unit_test(scsi_vpd_limits_and_provisioning),
        cmocka_unit_test(scsi_capacity_of_both_lengths),
        cmocka_unit_test(scsi_mode_sense_tells_cache_and_protection),
        cmocka_unit_test(scsi_mode_sense_has_a_block_descriptor),
        cmocka_unit_test(scsi_mode_sense_all_pages_in_order),
        cmocka_unit_test(scsi_mode_sense_changeable_is_nothing),
        cmocka_unit_test(scsi_mode_sense_refuses_what_is_not_there),
        cmocka_unit_test(scsi_mode_select_changes_nothing),
        cmocka_unit_test(scsi_test_unit_ready_and_prevent_are_good),
        cmocka_unit_test(scsi_stop_flushes_start_does_not),
        cmocka_unit_test(scsi_request_sense_has_none),
        cmocka_unit_test(scsi_report_luns_lists_the_mask),
        cmocka_unit_test(scsi_absent_unit_answers_inquiry_only),
        cmocka_unit_test(scsi_response_is_zeroed_before_use),
        cmocka_unit_test(scsi_sense_is_fixed_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
