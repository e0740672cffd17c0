/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SRBs: data between guest memory and disk, responses, sense, and a guest that lies about
 * lengths and directions.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "storage_rig.h"

#define ILLEGAL ENL_SCSI_KEY_ILLEGAL_REQUEST

/* ---- data ---- */

static void
srb_read_moves_blocks_to_the_guest(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(7, 4);
    uint8_t *memory = rig_memory(rig, RIG_BUFFER);

    memset(memory, 0xee, 4096);
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 4 * 512);
    assert_memory_equal(memory, rig->disks[0].data + 7 * 512, 4 * 512);
    assert_int_equal(memory[4 * 512], 0xee);
    assert_int_equal(rig_counters(rig).reads, 1);
    assert_int_equal(rig_counters(rig).read_bytes, 4 * 512);
}

static void
srb_write_moves_blocks_to_the_disk(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_write(9, 2);
    uint8_t after = rig->disks[0].data[11 * 512];

    memset(rig_memory(rig, RIG_BUFFER), 0x5c, 4096);
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 2 * 512);
    for (uint32_t i = 0; i < 2 * 512; i++)
        assert_int_equal(rig->disks[0].data[9 * 512 + i], 0x5c);
    assert_int_equal(rig->disks[0].data[11 * 512], after);
    assert_int_equal(rig_counters(rig).writes, 1);
    assert_int_equal(rig_counters(rig).write_bytes, 2 * 512);
    assert_int_equal(rig->disks[0].fua_count, 0);
}

static void
srb_spans_are_filled_in_their_order(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 3);
    struct enlh_span spans[3];

    memset(rig_memory(rig, FAKE_HIGH_GPA), 0xee, 1000);
    spans[0] = rig_span(rig, RIG_BUFFER + 0x5000, 100);
    spans[1] = rig_span(rig, RIG_BUFFER, 1000);
    spans[2] = rig_span(rig, FAKE_HIGH_GPA, 1000);
    packet = rig_exec(rig, &packet, spans, 3);
    rig_assert_good(&packet, 3 * 512);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER + 0x5000), rig->disks[0].data, 100);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER), rig->disks[0].data + 100, 1000);
    assert_memory_equal(rig_memory(rig, FAKE_HIGH_GPA), rig->disks[0].data + 1100, 436);
    assert_int_equal(rig_memory(rig, FAKE_HIGH_GPA)[436], 0xee);
}

static void
srb_neighbouring_spans_become_one(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 256);
    struct enlh_span spans[32];

    rig_make_spans(rig, spans, 32, 4096, 4096);
    packet = rig_exec(rig, &packet, spans, 32);
    rig_assert_good(&packet, 256 * 512);
    assert_int_equal(rig->disks[0].max_spans, 1);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER), rig->disks[0].data, 256 * 512);
}

/* Alike in their offsets, but in two regions: no neighbours. */
static void
srb_spans_of_two_regions_stay_apart(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 2);
    struct enlh_span spans[2];

    spans[0] = rig_span(rig, 0x80000, 512);
    spans[1] = rig_span(rig, FAKE_HIGH_GPA + 0x80200, 512);
    packet = rig_exec(rig, &packet, spans, 2);
    rig_assert_good(&packet, 1024);
    assert_memory_equal(rig_memory(rig, 0x80000), rig->disks[0].data, 512);
    assert_memory_equal(rig_memory(rig, FAKE_HIGH_GPA + 0x80200),
                        rig->disks[0].data + 512, 512);
}

static void
srb_many_spans_take_a_long_array(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1000);
    struct enlh_span spans[1000];

    rig_make_spans(rig, spans, 1000, 512, 1024);
    /* Twice as often as there are long arrays: each must come back. */
    for (uint32_t i = 0; i < 32; i++) {
        struct enl_storage_packet answer = rig_exec(rig, &packet, spans, 1000);

        rig_assert_good(&answer, 1000 * 512);
    }
    assert_int_equal(rig->disks[0].max_spans, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_memory_equal(rig_memory(rig, RIG_BUFFER + i * 1024),
                            rig->disks[0].data + i * 512, 512);
}

static void
srb_any_number_of_spans_is_kept(void **state)
{
    struct rig *rig = *state;
    struct enlh_span spans[64];

    for (uint32_t count = 1; count <= 64; count++) {
        struct enl_storage_packet packet = rig_write(0, (uint16_t)count);

        rig_make_spans(rig, spans, count, 512, 1024);
        for (uint32_t i = 0; i < count; i++)
            memset(rig_memory(rig, RIG_BUFFER + i * 1024), (int)(count + i), 512);
        packet = rig_exec(rig, &packet, spans, count);
        rig_assert_good(&packet, count * 512);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(rig->disks[0].data[i * 512 + 511], (uint8_t)(count + i));
    }
}

/* ---- lengths ---- */

static void
srb_longer_buffer_has_a_residual(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    memset(rig_memory(rig, RIG_BUFFER), 0xee, 4096);
    packet.u.srb.data_transfer_len = 4096;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 512);
    assert_int_equal(rig_memory(rig, RIG_BUFFER)[512], 0xee);
}

static void
srb_shorter_buffer_is_refused(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 2);

    memset(rig_memory(rig, RIG_BUFFER), 0xee, 4096);
    packet.u.srb.data_transfer_len = 1023;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_sense(&packet, ILLEGAL, ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
    assert_int_equal(rig_memory(rig, RIG_BUFFER)[0], 0xee);
    assert_int_equal(rig->disks[0].count[ENLH_BLOCK_READ], 0);
}

static void
srb_length_beyond_the_spans_is_malformed(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 2);
    struct enlh_span span = rig_span(rig, RIG_BUFFER, 1023);
    struct enl_storage_packet answer = rig_exec(rig, &packet, &span, 1);

    rig_assert_malformed(&answer);
    packet.u.srb.data_transfer_len = 0xffffffff;
    answer = rig_exec(rig, &packet, &span, 1);
    rig_assert_malformed(&answer);
    answer = rig_exec(rig, &packet, NULL, 0);
    rig_assert_malformed(&answer);
    assert_int_equal(rig_counters(rig).refused, 3);
}

static void
srb_wrong_direction_is_malformed(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1), answer;

    packet.u.srb.data_in = ENL_STORAGE_DATA_WRITE;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&answer);
    packet.u.srb.data_in = ENL_STORAGE_DATA_NONE;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&answer);
    packet.u.srb.data_in = 3;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&answer);
    packet = rig_write(0, 1);
    packet.u.srb.data_in = ENL_STORAGE_DATA_READ;
    answer = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&answer);
    packet = RIG_SRB(ENL_STORAGE_DATA_WRITE, 36, 0x12, 0, 0, 0, 36);
    answer = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&answer);
    assert_int_equal(fake_disk_in_flight(&rig->disks[0]), 0);
}

static void
srb_cdb_longer_than_its_field_is_malformed(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    packet.u.srb.cdb_len = 17;
    packet = rig_exec_srb(rig, &packet);
    rig_assert_malformed(&packet);
}

static void
srb_legacy_packet_is_served_at_its_length(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(3, 1);
    struct enlh_span span = rig_span(rig, RIG_BUFFER, 512);

    packet.u.srb.length = ENL_SRB_LEN_WIN7;
    packet.u.srb.sense_len = ENL_SRB_SENSE_LEN;
    rig_put(rig, &packet, ENL_STORAGE_PACKET_LEN_WIN7, &span, 1);
    (void)fake_channel_run(rig->channel);
    packet = rig_answer(rig, rig->transaction_id, ENL_STORAGE_PACKET_LEN_WIN7);
    rig_assert_good(&packet, 512);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER), rig->disks[0].data + 3 * 512, 512);

    packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0xff);
    rig_put(rig, &packet, ENL_STORAGE_PACKET_LEN_WIN7, NULL, 0);
    (void)fake_channel_run(rig->channel);
    packet = rig_answer(rig, rig->transaction_id, ENL_STORAGE_PACKET_LEN_WIN7);
    rig_assert_sense(&packet, ILLEGAL, ENL_SCSI_ASC_INVALID_OPCODE);
}

static void
srb_shorter_than_any_version_is_malformed(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    for (uint32_t len = 16; len < ENL_STORAGE_PACKET_LEN_WIN7; len += 8) {
        struct enl_storage_packet answer;

        rig_put(rig, &packet, len, NULL, 0);
        (void)fake_channel_run(rig->channel);
        answer = rig_answer(rig, rig->transaction_id, len);
        assert_int_equal(answer.status, ENL_STORAGE_STATUS_INVALID_DEVICE_REQUEST);
    }
}

/* ---- sense ---- */

static void
srb_sense_fits_what_the_guest_takes(void **state)
{
    struct rig *rig = *state;

    for (uint32_t len = 0; len < 256; len++) {
        struct enl_storage_packet packet =
            RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    0xff, 0xff, 0xff);
        uint8_t expect = len < 18 ? (uint8_t)len : 18;
        const uint8_t *sense = packet.u.srb.cdb_or_sense;

        packet.u.srb.sense_len = (uint8_t)len;
        packet = rig_exec_srb(rig, &packet);
        assert_int_equal(packet.u.srb.sense_len, expect);
        assert_int_equal(packet.u.srb.scsi_status, ENL_SCSI_STATUS_CHECK_CONDITION);
        assert_int_equal(packet.u.srb.srb_status & ENL_SRB_STATUS_MASK,
                         ENL_SRB_STATUS_ERROR);
        assert_int_equal(!!(packet.u.srb.srb_status & ENL_SRB_STATUS_AUTOSENSE_VALID),
                         len != 0);
        for (uint32_t i = expect; i < 20; i++)
            assert_int_equal(sense[i], 0);
        if (len > 12)
            assert_int_equal(sense[12], 0x20);
    }
}

static void
srb_autosense_can_be_declined(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0xff);

    packet.u.srb.srb_flags = ENL_SRB_FLAG_DISABLE_AUTOSENSE;
    packet = rig_exec_srb(rig, &packet);
    assert_int_equal(packet.u.srb.srb_status, ENL_SRB_STATUS_ERROR);
    assert_int_equal(packet.u.srb.sense_len, 0);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(packet.u.srb.cdb_or_sense[i], 0);
}

static void
srb_answer_keeps_the_address(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = rig_read(0, 1);

    packet.u.srb.queue_tag = 0x42;
    packet = rig_exec_srb(rig, &packet);
    assert_int_equal(packet.u.srb.length, sizeof(packet.u.srb));
    assert_int_equal(packet.u.srb.lun, 0);
    assert_int_equal(packet.u.srb.queue_tag, 0x42);
    assert_int_equal(packet.flags, 0);
}

/* ---- responses ---- */

static void
srb_response_is_written_through_spans(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_READ, 96, 0x12, 0, 0, 0, 96);
    struct enlh_span spans[2];

    memset(rig_memory(rig, RIG_BUFFER), 0xee, 8192);
    spans[0] = rig_span(rig, RIG_BUFFER + 0x1000, 10);
    spans[1] = rig_span(rig, RIG_BUFFER, 86);
    packet = rig_exec(rig, &packet, spans, 2);
    rig_assert_good(&packet, 36);
    assert_int_equal(rig_memory(rig, RIG_BUFFER + 0x1000)[4], 31);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER + 0x1008), "EN\xee", 3);
    assert_memory_equal(rig_memory(rig, RIG_BUFFER), "LIGHT Virtual Disk    1.0 \xee",
                        27);
}

static void
srb_response_beyond_the_buffer_is_an_overrun(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet =
        RIG_SRB(ENL_STORAGE_DATA_READ, 8, 0x12, 0, 0, 0, 36);

    memset(rig_memory(rig, RIG_BUFFER), 0xee, 64);
    packet = rig_exec_srb(rig, &packet);
    assert_int_equal(packet.status, ENL_STORAGE_STATUS_BUFFER_OVERFLOW);
    assert_int_equal(packet.u.srb.srb_status, ENL_SRB_STATUS_DATA_OVERRUN);
    assert_int_equal(packet.u.srb.data_transfer_len, 8);
    assert_int_equal(rig_memory(rig, RIG_BUFFER)[8], 0xee);
}

static void
srb_commands_without_data_are_good(void **state)
{
    struct rig *rig = *state;
    struct enl_storage_packet packet = RIG_SRB(ENL_STORAGE_DATA_NONE, 0, 0x00);

    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 0);
    assert_int_equal(rig_counters(rig).others, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(srb_read_moves_blocks_to_the_guest),
        RIG_TEST(srb_write_moves_blocks_to_the_disk),
        RIG_TEST(srb_spans_are_filled_in_their_order),
        RIG_TEST(srb_neighbouring_spans_become_one),
        RIG_TEST(srb_spans_of_two_regions_stay_apart),
        RIG_TEST(srb_many_spans_take_a_long_array),
        RIG_TEST(srb_any_number_of_spans_is_kept),
        RIG_TEST(srb_longer_buffer_has_a_residual),
        RIG_TEST(srb_shorter_buffer_is_refused),
        RIG_TEST(srb_length_beyond_the_spans_is_malformed),
        RIG_TEST(srb_wrong_direction_is_malformed),
        RIG_TEST(srb_cdb_longer_than_its_field_is_malformed),
        RIG_TEST(srb_legacy_packet_is_served_at_its_length),
        RIG_TEST(srb_shorter_than_any_version_is_malformed),
        RIG_TEST(srb_sense_fits_what_the_guest_takes),
        RIG_TEST(srb_autosense_can_be_declined),
        RIG_TEST(srb_answer_keeps_the_address),
        RIG_TEST(srb_response_is_written_through_spans),
        RIG_TEST(srb_response_beyond_the_buffer_is_an_overrun),
        RIG_TEST(srb_commands_without_data_are_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
