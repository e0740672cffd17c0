/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disk says of itself: INQUIRY and its pages, capacity, mode pages, the list of
 * units.
 */
#include "scsi_rig.h"

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
