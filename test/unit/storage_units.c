/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units that are there and units that are not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "storage_rig.h"

/* ---- units that are not there ---- */

static void
srb_absent_unit_answers_inquiry_with_7f(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_READ, 36, 0x12, 0, 0, 0, 36);

    memset(rig_memory(rig, RIG_BUFFER), 0xee, 64);
    packet.u.srb.lun = 1;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 36);
    assert_int_equal(rig_memory(rig, RIG_BUFFER)[0], 0x7f);
    assert_int_equal(rig_memory(rig, RIG_BUFFER)[4], 31);
}

/* The SRB status says it, and no CHECK CONDITION: that would want a sense. */
static void
srb_absent_unit_refuses_the_rest(void **state)
{
    static const struct {
        uint8_t path, target, lun;
    } absent[] = {{0, 0, 1}, {0, 0, 63}, {0, 0, 64}, {0, 0, 255}, {0, 1, 0}, {1, 0, 0}};
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        static const uint8_t opcodes[] = {0x00, 0x25, 0x28, 0x2a, 0x1a, 0xff};

        for (size_t j = 0; j < sizeof(opcodes); j++) {
            struct enl_storage_packet packet =
                RIG_SRB(ENL_STORAGE_DATA_READ, 512, opcodes[j]);

            packet.u.srb.path = absent[i].path;
            packet.u.srb.target = absent[i].target;
            packet.u.srb.lun = absent[i].lun;
            packet = rig_exec_srb(rig, &packet);
            assert_int_equal(packet.status, ENL_STORAGE_STATUS_DEVICE_NOT_THERE);
            assert_int_equal(packet.u.srb.srb_status, ENL_SRB_STATUS_INVALID_LUN);
            assert_int_equal(packet.u.srb.scsi_status, ENL_SCSI_STATUS_GOOD);
            assert_int_equal(packet.u.srb.data_transfer_len, 0);
        }
    }
}

static void
srb_report_luns_lists_what_is_attached(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_READ, 520, 0xa0, 0, 0, 0, 0, 0, 0, 0, 2, 8);
    struct enl_storage_packet answer;

    assert_int_equal(rig_attach(rig, 1, 5), 0);
    assert_int_equal(rig_attach(rig, 2, 63), 0);
    answer = rig_exec_srb(rig, &packet);
    rig_assert_good(&answer, 32);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER), "\0\0\0\x18\0\0\0\0", 8);
    assert_int_equal(rig_memory(rig, RIG_BUFFER)[17], 5);
    assert_int_equal(rig_memory(rig, RIG_BUFFER)[25], 63);
    /* It is the target that is asked, whatever the unit. */
    packet.u.srb.lun = 9;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_good(&answer, 32);
}

static void
srb_report_luns_of_an_absent_target_is_empty(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_READ, 520, 0xa0, 0, 0, 0, 0, 0, 0, 0, 2, 8);
    struct enl_storage_packet answer;

    memset(rig_memory(rig, RIG_BUFFER), 0xee, 64);
    packet.u.srb.target = 1;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_good(&answer, 8);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER), "\0\0\0\0\0\0\0\0\xee", 9);
    packet.u.srb.target = 0;
    packet.u.srb.path = 1;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_good(&answer, 8);
}

static void
srb_each_unit_has_its_disk(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_write(0, 1);

    assert_int_equal(rig_attach(rig, 1, 63), 0);
    memset(rig_memory(rig, RIG_BUFFER), 0x77, 512);
    packet.u.srb.lun = 63;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 512);
    assert_int_equal(rig->disks[1].data[100], 0x77);
    assert_int_not_equal(rig->disks[0].data[100], 0x77);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(srb_absent_unit_answers_inquiry_with_7f),
        RIG_TEST(srb_absent_unit_refuses_the_rest),
        RIG_TEST(srb_report_luns_lists_what_is_attached),
        RIG_TEST(srb_report_luns_of_an_absent_target_is_empty),
        RIG_TEST(srb_each_unit_has_its_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
