/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flushing, zeroing and unmapping, and write protection.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "storage_rig.h"

#define ILLEGAL ENL_SCSI_KEY_ILLEGAL_REQUEST

/* ---- the other operations ---- */

static void
srb_fua_reaches_the_backend_of_a_write(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_write(0, 1);

    packet.u.srb.cdb_or_sense[1] = ENL_SCSI_RW_FUA;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 512);
    assert_int_equal(rig->disks[0].fua_count, 1);
    packet = rig_write(0, 1);
    (void)rig_exec_srb(rig, &packet);
    assert_int_equal(rig->disks[0].fua_count, 1);
}

static void
srb_synchronize_reaches_the_backend(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0x35);

    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 0);
    assert_int_equal(rig->disks[0].count[ENLH_BLOCK_FLUSH], 1);
    assert_int_equal(rig_counters(rig).flushes, 1);
}

static void
srb_write_same_of_zeros_zeroes(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_WRITE, 512, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3);
    struct enl_storage_packet answer;

    memset(rig_memory(rig, RIG_BUFFER), 0, 512);
    answer = rig_exec_srb(rig, &packet);
    rig_assert_good(&answer, 512);
    for (uint32_t i = 4 * 512; i < 7 * 512; i++)
        assert_int_equal(rig->disks[0].data[i], 0);
    assert_int_not_equal(rig->disks[0].data[7 * 512], 0);
    assert_int_equal(rig_counters(rig).discards, 1);

    rig_memory(rig, RIG_BUFFER)[511] = 1;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_sense(&answer, ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);
    rig_memory(rig, RIG_BUFFER)[511] = 0;
    rig_memory(rig, RIG_BUFFER)[0] = 1;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_sense(&answer, ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);

    packet.u.srb.data_transfer_len = 511;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&answer);
}

static void
srb_write_same_without_data(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0x93, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3);

    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 0);
    assert_int_equal(rig->disks[0].data[4 * 512 + 5], 0);
}

/* An UNMAP list in guest memory, of count extents of one block at every other LBA. */
static struct enl_storage_packet
make_unmap(struct rig *rig, uint32_t count)
{
    uint32_t len = 8 + 16 * count;
    uint8_t *list = rig_memory(rig, RIG_BUFFER);

    memset(list, 0, len);
    list[2] = (uint8_t)(16 * count >> 8);
    list[3] = (uint8_t)(16 * count);
    for (uint32_t i = 0; i < count; i++) {
        list[8 + 16 * i + 7] = (uint8_t)(2 * i);
        list[8 + 16 * i + 11] = 1;
    }
    return RIG_SRB(ENL_STORAGE_DATA_WRITE, len, 0x42, 0, 0, 0, 0, 0, 0,
                   (uint8_t)(len >> 8), (uint8_t)len);
}

static void
srb_unmap_discards_each_extent(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = make_unmap(rig, 32);

    memset(rig->disks[0].data, 1, RIG_DISK_LEN);
    rig_put_srb(rig, &packet);
    for (uint32_t i = 0; i < 40; i++)
        (void)fake_channel_run(rig->channel);
    packet = rig_answer(rig, rig->transaction_id, 64);
    rig_assert_good(&packet, 8 + 16 * 32);
    assert_int_equal(rig->disks[0].count[ENLH_BLOCK_DISCARD], 32);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(rig->disks[0].data[i * 512] == 0xdd, i % 2 == 0);
    assert_int_equal(rig_counters(rig).discards, 1);
}

/* Nobody but the backend wakes the channel, and still it comes to the end. */
static void
srb_unmap_needs_no_other_wakes(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = make_unmap(rig, 32);

    rig_put_srb(rig, &packet);
    (void)fake_channel_run(rig->channel);
    while (fake_disk_ready(&rig->disks[0]))
        (void)fake_channel_run(rig->channel);
    packet = rig_answer(rig, rig->transaction_id, 64);
    rig_assert_good(&packet, 8 + 16 * 32);
}

/* The list is read once: what the guest does to it afterwards changes nothing. */
static void
srb_unmap_list_is_private(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = make_unmap(rig, 3);

    rig->disks[0].hold = true;
    rig_put_srb(rig, &packet);
    (void)fake_channel_run(rig->channel);
    memset(rig_memory(rig, RIG_BUFFER), 0xff, 64);
    for (uint32_t i = 0; i < 3; i++) {
        rig_silent(rig);
        fake_disk_finish(&rig->disks[0], 1);
        (void)fake_channel_run(rig->channel);
    }
    packet = rig_answer(rig, rig->transaction_id, 64);
    rig_assert_good(&packet, 56);
    assert_int_equal(rig->disks[0].data[4 * 512], 0xdd);
}

static void
srb_unmap_stops_at_the_first_failure(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = make_unmap(rig, 3);

    rig->disks[0].hold = true;
    rig_put_srb(rig, &packet);
    (void)fake_channel_run(rig->channel);
    fake_disk_finish(&rig->disks[0], 1);
    (void)fake_channel_run(rig->channel);
    rig->disks[0].result = -ENL_E_IO;
    fake_disk_finish(&rig->disks[0], 1);
    (void)fake_channel_run(rig->channel);
    packet = rig_answer(rig, rig->transaction_id, 64);
    rig_assert_sense(&packet, ENL_SCSI_KEY_MEDIUM_ERROR, ENL_SCSI_ASC_WRITE_ERROR);
    assert_int_equal(rig->disks[0].count[ENLH_BLOCK_DISCARD], 2);
    assert_int_equal(rig_counters(rig).errors, 1);
}

static void
srb_unmap_of_nothing_is_good(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = make_unmap(rig, 0);

    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 8);
}

static void
srb_unmap_with_a_short_buffer_is_malformed(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = make_unmap(rig, 2);

    packet.u.srb.data_transfer_len = 39;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&packet);
    assert_int_equal(rig->disks[0].count[ENLH_BLOCK_DISCARD], 0);
}

static void
srb_read_only_disk_refuses_writes(void **state)
{
    struct rig *rig = *state;
    const struct enlh_disk disk = {
        .block = fake_disk_block(&rig->disks[1]),
        .lun = 1,
        .readonly = true,
    };
    struct enl_storage_packet packet = rig_write(0, 1);

    assert_int_equal(enlh_storage_attach(rig->storage, &disk), 0);
    packet.u.srb.lun = 1;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_sense(&packet, ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_WRITE_PROTECTED);
    assert_int_equal(rig->disks[1].count[ENLH_BLOCK_WRITE], 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(srb_fua_reaches_the_backend_of_a_write),
        RIG_TEST(srb_synchronize_reaches_the_backend),
        RIG_TEST(srb_write_same_of_zeros_zeroes),
        RIG_TEST(srb_write_same_without_data),
        RIG_TEST(srb_unmap_discards_each_extent),
        RIG_TEST(srb_unmap_needs_no_other_wakes),
        RIG_TEST(srb_unmap_list_is_private),
        RIG_TEST(srb_unmap_stops_at_the_first_failure),
        RIG_TEST(srb_unmap_of_nothing_is_good),
        RIG_TEST(srb_unmap_with_a_short_buffer_is_malformed),
        RIG_TEST(srb_read_only_disk_refuses_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
