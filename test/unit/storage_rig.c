/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A SCSI controller between a fake bus and fake disks.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "storage_rig.h"

#include <stdlib.h>
#include <string.h>

static void
rig_destroyed(void *ctx)
{
    ((struct rig *)ctx)->destroyed++;
}

struct rig *
rig_new(void (*changes)(struct enlh_storage_config *config))
{
    struct enlh_storage_config config = {
        .size = sizeof(config),
        .instance = {{1, 2, 3}},
        .name = "scsi0",
        .max_subchannels = 3,
    };
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    fake_init(&rig->fake);
    fake_start(&rig->fake);
    rig->alloc_bytes = rig->fake.alloc_bytes;
    fake_bus_init(&rig->bus, &rig->fake);
    for (uint32_t i = 0; i < RIG_DISKS; i++)
        fake_disk_init(&rig->disks[i], RIG_DISK_LEN, 512);
    if (changes)
        changes(&config);
    assert_int_equal(enlh_storage_create(&rig->bus, &config, &rig->storage), 0);
    assert_int_equal(rig_attach(rig, 0, 0), 0);
    rig->channel = fake_bus_channel(&rig->bus, 0);
    assert_non_null(rig->channel);
    return rig;
}

void
rig_start(struct rig *rig)
{
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_QUERY_VERSION);

    packet.u.version.version = ENL_STORAGE_VERSION_WIN10;
    assert_int_equal(fake_channel_open(rig->channel), 0);
    assert_int_equal(rig_control(rig, ENL_STORAGE_BEGIN_INIT), 0);
    assert_int_equal(rig_exec(rig, &packet, NULL, 0).status, 0);
    assert_int_equal(rig_control(rig, ENL_STORAGE_QUERY_PROPERTIES), 0);
    assert_int_equal(rig_control(rig, ENL_STORAGE_END_INIT), 0);
}

void
rig_destroy(struct rig *rig)
{
    enlh_storage_destroy(rig->storage, rig_destroyed, rig);
    rig->storage = NULL;
    for (uint32_t i = 0; i < 4; i++)
        fake_bus_poll(&rig->bus);
    assert_int_equal(rig->destroyed, 1);
}

void
rig_free(struct rig *rig)
{
    for (uint32_t i = 0; i < RIG_DISKS; i++)
        rig->disks[i].hold = false;
    if (rig->storage)
        rig_destroy(rig);
    fake_bus_fini(&rig->bus);
    assert_int_equal(rig->fake.alloc_bytes, rig->alloc_bytes);
    for (uint32_t i = 0; i < RIG_DISKS; i++)
        fake_disk_fini(&rig->disks[i]);
    fake_fini(&rig->fake);
    free(rig);
}

int
rig_attach(struct rig *rig, uint32_t index, uint8_t lun)
{
    const struct enlh_disk disk = {
        .block = fake_disk_block(&rig->disks[index]),
        .lun = lun,
    };

    return enlh_storage_attach(rig->storage, &disk);
}

struct enlh_storage_counters
rig_counters(const struct rig *rig)
{
    struct enlh_storage_counters counters;

    enlh_storage_counters(rig->storage, &counters);
    return counters;
}

struct enlh_span
rig_span(const struct rig *rig, uint64_t gpa, uint64_t len)
{
    struct enlh_span span;

    assert_int_equal(enlh_mem_span(rig->fake.partition, (enl_gpa){gpa}, len, &span), 0);
    return span;
}

uint8_t *
rig_memory(struct rig *rig, uint64_t gpa)
{
    return fake_at(&rig->fake, gpa, 1);
}

struct enl_storage_packet
rig_packet(uint32_t operation)
{
    struct enl_storage_packet packet;

    memset(&packet, 0, sizeof(packet));
    packet.operation = operation;
    packet.flags = ENL_STORAGE_FLAG_COMPLETION;
    return packet;
}

struct enl_storage_packet
rig_srb(const uint8_t *cdb, uint8_t data_in, uint32_t data_len)
{
    static const uint8_t lens[8] = {6, 10, 10, 16, 16, 12, 16, 16};
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_EXECUTE_SRB);

    packet.u.srb.length = sizeof(packet.u.srb);
    packet.u.srb.cdb_len = lens[cdb[0] >> 5];
    packet.u.srb.sense_len = ENL_SRB_SENSE_LEN_8;
    packet.u.srb.data_in = data_in;
    packet.u.srb.data_transfer_len = data_len;
    memcpy(packet.u.srb.cdb_or_sense, cdb, ENL_SRB_CDB_LEN);
    return packet;
}

static struct enl_storage_packet
rig_move(uint8_t opcode, uint8_t data_in, uint32_t lba, uint16_t count)
{
    return RIG_SRB(data_in, count * 512u, opcode, 0, (uint8_t)(lba >> 24),
                   (uint8_t)(lba >> 16), (uint8_t)(lba >> 8), (uint8_t)lba, 0,
                   (uint8_t)(count >> 8), (uint8_t)count);
}

struct enl_storage_packet
rig_read(uint32_t lba, uint16_t count)
{
    return rig_move(ENL_SCSI_READ_10, ENL_STORAGE_DATA_READ, lba, count);
}

struct enl_storage_packet
rig_write(uint32_t lba, uint16_t count)
{
    return rig_move(ENL_SCSI_WRITE_10, ENL_STORAGE_DATA_WRITE, lba, count);
}

void
rig_put(struct rig *rig, const struct enl_storage_packet *packet, uint32_t len,
        const struct enlh_span *spans, uint32_t span_count)
{
    fake_channel_put(rig->channel, span_count ? ENL_PACKET_GPA_DIRECT : ENL_PACKET_INBAND,
                     ++rig->transaction_id, packet, len, spans, span_count);
}

void
rig_put_srb(struct rig *rig, const struct enl_storage_packet *packet)
{
    struct enlh_span span;

    if (packet->u.srb.data_transfer_len)
        span = rig_span(rig, RIG_BUFFER, packet->u.srb.data_transfer_len);
    rig_put(rig, packet, sizeof(*packet), &span, packet->u.srb.data_transfer_len != 0);
}

/* Counts what the controller says without being asked. Returns false when nothing is left. */
static bool
take(struct rig *rig, struct fake_answer *answer)
{
    while (fake_channel_take(rig->channel, answer)) {
        const struct enl_storage_packet *packet = (const void *)answer->data;

        if (answer->is_completion)
            return true;
        assert_int_equal(answer->transaction_id, 0);
        assert_int_equal(answer->len, sizeof(*packet));
        assert_false(answer->wants_completion);
        if (packet->operation == ENL_STORAGE_ENUMERATE_BUS)
            rig->enumerates++;
        else if (packet->operation == ENL_STORAGE_REMOVE_DEVICE)
            rig->removes++;
        else
            fail_msg("operation %u without being asked", packet->operation);
    }
    return false;
}

void
rig_forget(struct rig *rig)
{
    struct fake_answer answer;

    while (take(rig, &answer))
        ;
}

struct enl_storage_packet
rig_answer(struct rig *rig, uint64_t transaction_id, uint32_t len)
{
    struct enl_storage_packet packet;
    struct fake_answer answer;

    memset(&packet, 0, sizeof(packet));
    assert_true(take(rig, &answer));
    assert_int_equal(answer.transaction_id, transaction_id);
    assert_int_equal(answer.len, len);
    memcpy(&packet, answer.data, len < sizeof(packet) ? len : sizeof(packet));
    assert_int_equal(packet.operation, ENL_STORAGE_COMPLETE_IO);
    return packet;
}

void
rig_silent(const struct rig *rig)
{
    assert_int_equal(rig->channel->answer_count, 0);
}

struct enl_storage_packet
rig_exec(struct rig *rig, const struct enl_storage_packet *packet,
         const struct enlh_span *spans, uint32_t span_count)
{
    struct enl_storage_packet answer;

    rig_put(rig, packet, sizeof(*packet), spans, span_count);
    assert_int_equal(fake_channel_run(rig->channel), 1);
    answer = rig_answer(rig, rig->transaction_id, sizeof(*packet));
    rig_silent(rig);
    return answer;
}

struct enl_storage_packet
rig_exec_srb(struct rig *rig, const struct enl_storage_packet *packet)
{
    struct enlh_span span;

    if (packet->u.srb.data_transfer_len)
        span = rig_span(rig, RIG_BUFFER, packet->u.srb.data_transfer_len);
    return rig_exec(rig, packet, &span, packet->u.srb.data_transfer_len != 0);
}

uint32_t
rig_control(struct rig *rig, uint32_t operation)
{
    struct enl_storage_packet packet = rig_packet(operation);

    return rig_exec(rig, &packet, NULL, 0).status;
}

void
rig_assert_good(const struct enl_storage_packet *answer, uint32_t moved)
{
    assert_int_equal(answer->status, ENL_STORAGE_STATUS_SUCCESS);
    assert_int_equal(answer->u.srb.srb_status, ENL_SRB_STATUS_SUCCESS);
    assert_int_equal(answer->u.srb.scsi_status, ENL_SCSI_STATUS_GOOD);
    assert_int_equal(answer->u.srb.data_transfer_len, moved);
}

void
rig_assert_sense(const struct enl_storage_packet *answer, uint8_t key, uint16_t asc)
{
    const uint8_t *sense = answer->u.srb.cdb_or_sense;

    assert_int_equal(answer->status, ENL_STORAGE_STATUS_IO_DEVICE_ERROR);
    assert_int_equal(answer->u.srb.srb_status,
                     ENL_SRB_STATUS_ERROR | ENL_SRB_STATUS_AUTOSENSE_VALID);
    assert_int_equal(answer->u.srb.scsi_status, ENL_SCSI_STATUS_CHECK_CONDITION);
    assert_int_equal(answer->u.srb.sense_len, ENL_SCSI_SENSE_LEN);
    assert_int_equal(answer->u.srb.data_transfer_len, 0);
    assert_int_equal(sense[0], ENL_SCSI_SENSE_FIXED);
    assert_int_equal(sense[2], key);
    assert_int_equal(sense[12] << 8 | sense[13], asc);
}

void
rig_assert_malformed(const struct enl_storage_packet *answer)
{
    assert_int_equal(answer->status, ENL_STORAGE_STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(answer->u.srb.srb_status, ENL_SRB_STATUS_INVALID_REQUEST);
    assert_int_equal(answer->u.srb.data_transfer_len, 0);
}

void
rig_make_spans(const struct rig *rig, struct enlh_span *spans, uint32_t count,
               uint32_t len, uint32_t stride)
{
    for (uint32_t i = 0; i < count; i++)
        spans[i] = rig_span(rig, RIG_BUFFER + (uint64_t)i * stride, len);
}

int
rig_setup(void **state)
{
    struct rig *rig = rig_new(NULL);

    rig_start(rig);
    *state = rig;
    return 0;
}

int
rig_teardown(void **state)
{
    rig_free(*state);
    return 0;
}
