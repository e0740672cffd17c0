/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's errors as sense for the guest, and SRBs of any bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "storage_rig.h"

/* ---- the host's trouble ---- */

static void
srb_host_errors_become_sense(void **state)
{
    struct rig *rig = *state;
    const struct {
        int result;
        bool write;
        uint8_t key;
        uint16_t asc;
    } table[] = {
        {-ENL_E_IO, false, ENL_SCSI_KEY_MEDIUM_ERROR, ENL_SCSI_ASC_READ_ERROR},
        {-ENL_E_IO, true, ENL_SCSI_KEY_MEDIUM_ERROR, ENL_SCSI_ASC_WRITE_ERROR},
        {-ENL_E_NOSPC, true, ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_SPACE_ALLOCATION},
        {-ENL_E_ROFS, true, ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_WRITE_PROTECTED},
        {-ENL_E_INVAL, false, ENL_SCSI_KEY_HARDWARE_ERROR, ENL_SCSI_ASC_INTERNAL_FAILURE},
        {-12345, true, ENL_SCSI_KEY_HARDWARE_ERROR, ENL_SCSI_ASC_INTERNAL_FAILURE},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct enl_storage_packet packet =
            table[i].write ? rig_write(0, 1) : rig_read(0, 1);

        rig->disks[0].result = table[i].result;
        packet = rig_exec_srb(rig, &packet);
        rig_assert_sense(&packet, table[i].key, table[i].asc);
    }
    assert_int_equal(rig_counters(rig).errors, 6);
    assert_int_equal(rig_counters(rig).read_bytes, 0);
    assert_int_equal(rig_counters(rig).write_bytes, 0);
    assert_int_equal(rig_counters(rig).refused, 0);
}

static void
srb_failed_flush_is_an_error(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0x35);

    rig->disks[0].result = -ENL_E_IO;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_sense(&packet, ENL_SCSI_KEY_MEDIUM_ERROR, ENL_SCSI_ASC_WRITE_ERROR);
}

static void
srb_cancelled_request_is_aborted(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    rig->disks[0].result = -ENL_E_CANCELED;
    packet = rig_exec_srb(rig, &packet);
    assert_int_equal(packet.status, ENL_STORAGE_STATUS_CANCELLED);
    assert_int_equal(packet.u.srb.srb_status, ENL_SRB_STATUS_ABORTED);
    assert_int_equal(packet.u.srb.scsi_status, ENL_SCSI_STATUS_TASK_ABORTED);
}

static void
srb_full_backend_is_busy(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    rig->disks[0].refuse_submits = 1;
    packet = rig_exec_srb(rig, &packet);
    assert_int_equal(packet.status, ENL_STORAGE_STATUS_DEVICE_BUSY);
    assert_int_equal(packet.u.srb.srb_status, ENL_SRB_STATUS_BUSY);
    assert_int_equal(packet.u.srb.scsi_status, ENL_SCSI_STATUS_TASK_SET_FULL);
}

static void
srb_errors_do_not_flood_the_log(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);
    uint32_t before = rig->fake.log_count;

    rig->disks[0].result = -ENL_E_IO;
    for (uint32_t i = 0; i < 1000; i++)
        (void)rig_exec_srb(rig, &packet);
    assert_in_range(rig->fake.log_count - before, 1, 10);
}

/* ---- anything ---- */

static uint32_t
next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

static struct enl_storage_packet
random_srb(uint64_t *seed)
{
    static const uint8_t opcodes[] = {0x28, 0x2a, 0x12, 0x42, 0x93, 0x88, 0x1a,
                                      0x9e, 0xa0, 0x41, 0x35, 0x25, 0x08, 0x5a};
    struct enl_storage_packet packet;
    uint8_t *bytes = (uint8_t *)&packet;

    for (size_t i = 0; i < sizeof(packet); i++)
        bytes[i] = next_random(seed) & 3 ? (uint8_t)(next_random(seed) & 3)
                                         : (uint8_t)next_random(seed);
    packet.operation = ENL_STORAGE_EXECUTE_SRB;
    if (next_random(seed) & 7) {
        packet.u.srb.path = 0;
        packet.u.srb.target = 0;
        packet.u.srb.lun = 0;
        packet.u.srb.cdb_len = 16;
        packet.u.srb.data_in = next_random(seed) & 1;
        packet.u.srb.data_transfer_len = next_random(seed) % 8192;
        packet.u.srb.cdb_or_sense[0] = opcodes[next_random(seed) % sizeof(opcodes)];
    }
    return packet;
}

/* Each gets exactly one answer, and only the buffer's bytes of guest memory change. */
static void
srb_any_bytes_get_one_answer(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 42;
    uint8_t *memory = rig_memory(rig, RIG_BUFFER);

    memset(memory - 4096, 0xee, 4096);
    memset(memory + 8192, 0xee, 4096);
    for (uint32_t i = 0; i < 60000; i++) {
        struct enl_storage_packet packet = random_srb(&seed);
        uint32_t len = (next_random(&seed) & 15) ? 64 : 16 + 8 * (next_random(&seed) % 7);
        uint32_t pieces = 1 + next_random(&seed) % 40;
        uint32_t piece = 8192 / pieces;
        struct enlh_span spans[40];

        rig_make_spans(rig, spans, pieces, piece, piece);
        rig_put(rig, &packet, len, spans, pieces);
        for (uint32_t turn = 0; turn < 40 && !rig->channel->answer_count; turn++)
            (void)fake_channel_run(rig->channel);
        (void)rig_answer(rig, rig->transaction_id, len);
        rig_silent(rig);
        assert_int_equal(fake_disk_in_flight(&rig->disks[0]), 0);
    }
    for (uint32_t i = 0; i < 4096; i++) {
        assert_int_equal(memory[(int)i - 4096], 0xee);
        assert_int_equal(memory[8192 + i], 0xee);
    }
    assert_false(rig->channel->broken);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(srb_host_errors_become_sense),
        RIG_TEST(srb_failed_flush_is_an_error),
        RIG_TEST(srb_cancelled_request_is_aborted),
        RIG_TEST(srb_full_backend_is_busy),
        RIG_TEST(srb_errors_do_not_flood_the_log),
        RIG_TEST(srb_any_bytes_get_one_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
