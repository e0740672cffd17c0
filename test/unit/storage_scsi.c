/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI commands as a pure function: for each CDB what it means, and for each refusal its
 * sense. No VMBus and no guest memory here.
 */
#include "scsi_rig.h"

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
