/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session with a SCSI controller through real channels: any packet in any state, SRBs
 * with any command over any buffer, sub-channels, resets, closes and rescinds, disks that
 * come, go and change their size, over a disk whose requests end late, out of order, with
 * errors, or not before they are waited for, and over the disk in memory. The guest and
 * the embedder make it run.
 *
 * Promises: a backend never sees a request that its contract forbids; an answer comes at
 * most once, with a transaction id that was sent, as long as its question; a disk that was
 * detached is gone once; everything lets go when the channel is closed.
 */
#include <string.h>

#include "enlight/abi/scsi.h"
#include "enlight/abi/storage.h"
#include "enlight/abi/vmbus.h"
#include "enlight/backend/block.h"
#include "enlight/host/storage.h"
#include "rig_bus.h"
#include "rig_disk.h"

#define CHANNELS 3u
#define IDS      256u

struct session {
    struct rig_bus bus;
    struct rig_disk disk;
    struct enlh_block memory;
    struct enlh_storage *storage;
    bool gone;
    uint32_t detached, left;          /* disks that were to go; that have gone */
    struct rig_guest guest[CHANNELS]; /* relid i + 1 */
    uint8_t waiting[CHANNELS][IDS];   /* answers that are due, by transaction id */
};

static const uint8_t opcodes[] = {
    ENL_SCSI_READ_10,
    ENL_SCSI_WRITE_10,
    ENL_SCSI_READ_6,
    ENL_SCSI_WRITE_6,
    ENL_SCSI_READ_12,
    ENL_SCSI_WRITE_12,
    ENL_SCSI_READ_16,
    ENL_SCSI_WRITE_16,
    ENL_SCSI_INQUIRY,
    ENL_SCSI_MODE_SENSE_6,
    ENL_SCSI_MODE_SENSE_10,
    ENL_SCSI_MODE_SELECT_6,
    ENL_SCSI_MODE_SELECT_10,
    ENL_SCSI_READ_CAPACITY_10,
    ENL_SCSI_SERVICE_ACTION_IN_16,
    ENL_SCSI_UNMAP,
    ENL_SCSI_UNMAP,
    ENL_SCSI_WRITE_SAME_10,
    ENL_SCSI_WRITE_SAME_16,
    ENL_SCSI_SYNCHRONIZE_CACHE_10,
    ENL_SCSI_SYNCHRONIZE_CACHE_16,
    ENL_SCSI_REPORT_LUNS,
    ENL_SCSI_MAINTENANCE_IN,
    ENL_SCSI_VERIFY_10,
    ENL_SCSI_VERIFY_16,
    ENL_SCSI_WRITE_VERIFY_10,
    ENL_SCSI_REQUEST_SENSE,
    ENL_SCSI_START_STOP_UNIT,
    ENL_SCSI_TEST_UNIT_READY,
    ENL_SCSI_PERSISTENT_IN,
    ENL_SCSI_PERSISTENT_OUT,
    ENL_SCSI_ATA_PASS_THROUGH_16,
};

/* ---- the guest ---- */

/* Mostly as many blocks as the longest list of pieces has. */
static uint8_t
pick_blocks(struct rig_input *in)
{
    uint8_t count = rig_u8(in);

    return count < 0xe0 ? count % 33 : count;
}

/* A command whose fields are small, or as the input has them. */
static void
make_cdb(struct rig_input *in, uint8_t cdb[16])
{
    uint8_t kind = rig_u8(in);

    memset(cdb, 0, 16);
    cdb[0] = opcodes[kind % sizeof(opcodes)];
    if (kind >= 0xc0) {
        rig_bytes(in, cdb + (kind & 1), 15);
        return;
    }
    cdb[1] = rig_below(in, 4) ? 0 : rig_u8(in);
    cdb[2] = cdb[0] == ENL_SCSI_INQUIRY ? rig_u8(in) : 0;
    switch (cdb[0] >> 5) {
    case 0: /* 6 bytes */
        cdb[3] = rig_u8(in);
        cdb[4] = pick_blocks(in);
        break;
    case 4: /* 16 bytes */
        cdb[9] = rig_u8(in);
        cdb[13] = pick_blocks(in);
        break;
    case 5: /* 12 bytes */
        cdb[5] = rig_u8(in);
        cdb[9] = pick_blocks(in);
        break;
    default:
        cdb[5] = rig_u8(in);
        cdb[8] = pick_blocks(in);
        break;
    }
}

static void
make_srb(struct rig_input *in, struct enl_storage_packet *packet, uint32_t len)
{
    struct enl_srb *srb = &packet->u.srb;
    uint8_t kind = rig_u8(in);

    packet->operation = ENL_STORAGE_EXECUTE_SRB;
    srb->length = ENL_SRB_LEN_WIN8;
    srb->lun = kind & 1;
    srb->target = kind >= 0xf0;
    srb->path = kind >= 0xf8;
    srb->cdb_len = kind & 2 ? 16 : 10;
    srb->sense_len = kind & 4 ? 20 : rig_u8(in);
    srb->data_in = kind >> 3 & 3;
    srb->data_transfer_len = len;
    if (kind & 0x20)
        srb->data_transfer_len = rig_u32(in);
    if (kind & 0x40)
        srb->srb_flags = rig_u16(in);
    make_cdb(in, srb->cdb_or_sense);
}

/* As many pieces of 512 bytes as a disk in scattered memory could have. */
static uint32_t
make_pieces(uint8_t *to, uint64_t pfn, uint32_t *bytes)
{
    const struct enl_gpa_range range = {.byte_count = 512};
    uint32_t count = 32, len = 8;

    memcpy(to + 4, &count, sizeof(count));
    for (uint32_t i = 0; i < count; i++, len += 16) {
        uint64_t at = pfn ^ (i % 2);

        memcpy(to + len, &range, sizeof(range));
        memcpy(to + len + 8, &at, sizeof(at));
    }
    *bytes = count * 512;
    return len;
}

/* Ranges of so many pages; the input writes what an UNMAP or MODE SELECT would have. */
static uint32_t
make_buffer(struct session *s, uint8_t *to, uint32_t *bytes)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t kind = rig_u8(in);
    struct enl_gpa_range range = {.byte_count = (1u + (kind & 0xfu)) * 512u};
    uint64_t pfn = rig_gpa(in) >> 12;
    uint32_t len = 8 + sizeof(range), one = 1, pages;
    uint8_t *host = enlh_mem_at(s->bus.rig.partition, (enl_gpa){pfn << 12}, 512);

    if ((kind & 0x0f) == 0x0f)
        return make_pieces(to, pfn, bytes);
    if (kind & 0x10)
        range.byte_count = (1u + rig_below(in, 40)) * 4096u;
    if (kind & 0x20)
        range.byte_offset = rig_u16(in) % 4096u;
    pages = (range.byte_offset + range.byte_count + 4095u) / 4096u;
    if (host && (kind & 0x40) && (pfn < 16 || pfn > 64))
        rig_bytes(in, host, 64);
    memcpy(to + 4, &one, sizeof(one));
    memcpy(to + 8, &range, sizeof(range));
    for (uint32_t i = 0; i < pages; i++, len += 8) {
        uint64_t at = kind & 0x80 ? pfn + i % 2 : pfn + i;

        memcpy(to + len, &at, sizeof(at));
    }
    *bytes = range.byte_count;
    return len;
}

static void
send_packet(struct session *s, uint32_t i, const struct enl_storage_packet *packet,
            const uint8_t *ranges, uint32_t ranges_len)
{
    static const uint8_t lengths[] = {64, 64, 64, 48, 12, 63, 80, 200};
    struct rig_guest *guest = &s->guest[i];
    uint8_t kind = rig_u8(&s->bus.rig.in), body[256] = {0}, id;
    uint32_t len = lengths[kind & 7];
    struct enl_ring_piece piece[2] = {{ranges, ranges_len}, {body, len}};
    uint16_t flags = kind >> 7 ? 0 : (uint16_t)ENL_PACKET_FLAG_COMPLETION;
    uint16_t type = ranges_len ? ENL_PACKET_GPA_DIRECT : ENL_PACKET_INBAND;

    if (!guest->open)
        return;
    id = rig_u8(&s->bus.rig.in);
    memcpy(body, packet, sizeof(*packet));
    if (enl_ring_put(&guest->out, type, flags, id, piece, 2, ranges_len) < 0)
        return;
    s->waiting[i][id]++;
    (void)enl_ring_publish(&guest->out);
    (void)rig_signal(&s->bus.rig, 0, 0x2000u | guest->relid, 0);
}

static void
send_srb(struct session *s, uint32_t i)
{
    struct enl_storage_packet packet = {0};
    uint8_t ranges[2048] = {0};
    uint32_t len = 0, bytes = 0;

    if (rig_below(&s->bus.rig.in, 8))
        len = make_buffer(s, ranges, &bytes);
    make_srb(&s->bus.rig.in, &packet, bytes);
    send_packet(s, i, &packet, ranges, len);
}

static void
send_control(struct session *s, uint32_t i)
{
    struct enl_storage_packet packet = {0};
    uint8_t kind = rig_u8(&s->bus.rig.in);

    packet.operation = kind & 0x0f;
    if (kind >= 0xf0)
        rig_bytes(&s->bus.rig.in, &packet, sizeof(packet));
    else if (packet.operation == ENL_STORAGE_QUERY_VERSION)
        packet.u.version.version =
            kind & 0x10 ? (uint16_t)ENL_STORAGE_VERSION_WIN10 : rig_u16(&s->bus.rig.in);
    else
        packet.u.sub_channel_count = (uint16_t)(kind >> 4 & 3);
    send_packet(s, i, &packet, NULL, 0);
}

static void
say_hello(struct session *s)
{
    static const uint8_t operations[] = {
        ENL_STORAGE_BEGIN_INIT, ENL_STORAGE_QUERY_VERSION, ENL_STORAGE_QUERY_PROPERTIES,
        ENL_STORAGE_CREATE_SUB_CHANNELS, ENL_STORAGE_END_INIT};

    for (uint32_t i = 0; i < sizeof(operations); i++) {
        struct enl_storage_packet packet = {.operation = operations[i]};

        if (operations[i] == ENL_STORAGE_QUERY_VERSION)
            packet.u.version.version = ENL_STORAGE_VERSION_WIN10;
        if (operations[i] == ENL_STORAGE_CREATE_SUB_CHANNELS)
            packet.u.sub_channel_count = CHANNELS - 1;
        s->waiting[0][i]++;
        (void)rig_bus_send(&s->bus, &s->guest[0], ENL_PACKET_INBAND, i, &packet,
                           sizeof(packet));
    }
    rig_bus_work(&s->bus);
    (void)rig_bus_listen(&s->bus, 0, 64);
}

static void
receive(struct session *s, uint32_t i)
{
    struct enl_storage_packet answer;
    struct enl_ring_packet packet;
    int len;

    while (s->guest[i].open && (len = rig_bus_receive(&s->bus, &s->guest[i], &answer,
                                                      sizeof(answer), &packet)) >= 0) {
        if (packet.type != ENL_PACKET_COMPLETION)
            continue;
        RIG_CHECK(packet.transaction_id < IDS);
        RIG_CHECK(s->waiting[i][packet.transaction_id] > 0);
        s->waiting[i][packet.transaction_id]--;
        RIG_CHECK(len >= 12 && len <= 64);
        RIG_CHECK(answer.operation == ENL_STORAGE_COMPLETE_IO);
    }
}

static void
open_close(struct session *s, uint32_t i)
{
    if (s->guest[i].open) {
        rig_bus_close(&s->bus, &s->guest[i]);
    } else {
        rig_bus_work(&s->bus);
        memset(s->waiting[i], 0, sizeof(s->waiting[i]));
        (void)rig_bus_open(&s->bus, &s->guest[i], i + 1, i);
    }
    (void)rig_bus_listen(&s->bus, 0, 64);
}

/* ---- the host ---- */

static void
gone(void *ctx)
{
    struct session *s = ctx;

    RIG_CHECK(!s->gone);
    s->gone = true;
}

static void
destroy(struct session *s)
{
    if (s->storage)
        enlh_storage_destroy(s->storage, gone, s);
    s->storage = NULL;
}

static void
attach(struct session *s, uint8_t lun, struct enlh_block block, bool readonly)
{
    struct enlh_disk disk = {.block = block,
                             .lun = lun,
                             .readonly = readonly,
                             .vendor = "ENL",
                             .product = "FUZZ",
                             .serial = "1"};

    if (s->storage)
        (void)!enlh_storage_attach(s->storage, &disk);
}

static void
disk_left(void *ctx)
{
    struct session *s = ctx;

    s->left++;
    RIG_CHECK(s->left <= s->detached);
}

static void
detach(struct session *s, uint8_t lun)
{
    if (s->storage && enlh_storage_detach(s->storage, lun, disk_left, s) == 0)
        s->detached++;
}

/* The disk has any number of LUNs, and all hear of it. */
static void
resize(struct session *s, bool half)
{
    s->disk.info.size = half ? RIG_DISK_LEN / 2 : RIG_DISK_LEN;
    for (uint8_t lun = 0; s->storage && lun < 8; lun++)
        (void)!enlh_storage_resize(s->storage, lun);
}

static void
turn_knob(struct session *s)
{
    static const int results[] = {0, -ENL_E_IO, -ENL_E_NOSPC, -ENL_E_CANCELED};
    struct rig_input *in = &s->bus.rig.in;
    uint8_t kind = rig_u8(in);

    switch (kind & 7) {
    case 0:
        s->disk.hold = kind >> 3 & 1;
        break;
    case 1:
        s->disk.newest = kind >> 3 & 1;
        break;
    case 2:
        s->disk.result = results[kind >> 3 & 3];
        break;
    case 3:
        s->disk.refuse = kind >> 3 & 7;
        break;
    case 4:
        s->disk.refuse_open = kind >> 3 & 1;
        break;
    case 5:
        s->bus.rig.alloc_countdown = kind >> 3 & 7;
        break;
    case 6:
        if (kind >> 4 == 7)
            destroy(s);
        else if (kind >> 4 & 8)
            resize(s, kind >> 4 & 1);
        break;
    default:
        if (kind & 0x40)
            detach(s, kind >> 3 & 7);
        else
            attach(s, kind >> 3 & 7, rig_disk_block(&s->disk), kind >> 7);
        break;
    }
}

static void
finish(void *ctx)
{
    struct session *s = ctx;

    rig_disk_finish(&s->disk, RIG_DISK_DEPTH);
}

static void
step(struct session *s)
{
    uint8_t action = rig_u8(&s->bus.rig.in);
    uint32_t i = action >> 6 < CHANNELS ? action >> 6 : 0;

    switch (action & 15) {
    default:
        send_srb(s, i);
        break;
    case 7:
        send_control(s, i);
        break;
    case 8:
    case 9:
        (void)rig_bus_turn(&s->bus, i);
        break;
    case 10:
        receive(s, i);
        break;
    case 11:
        rig_disk_finish(&s->disk, rig_below(&s->bus.rig.in, 4));
        break;
    case 12:
        rig_bus_poll(&s->bus);
        (void)rig_bus_listen(&s->bus, 0, 64);
        break;
    case 13:
        if (action & 0x20)
            open_close(s, i);
        break;
    case 14:
        turn_knob(s);
        break;
    }
}

static void
start(struct session *s)
{
    struct enlh_storage_config config = {.size = sizeof(config),
                                         .name = "fuzz",
                                         .max_subchannels = CHANNELS - 1,
                                         .max_transfer = 0x20000,
                                         .queue_depth = 8};
    uint8_t kind = rig_u8(&s->bus.rig.in);

    rig_bus_start(&s->bus);
    s->bus.finish = finish;
    s->bus.ctx = s;
    rig_disk_init(&s->disk, kind & 1 ? 4096 : 512);
    s->disk.partition = s->bus.rig.partition;
    RIG_CHECK(enlb_memory_create(RIG_DISK_LEN, 512, &s->memory) == 0);
    config.instance.b[0] = 1;
    RIG_CHECK(enlh_storage_create(s->bus.bus, &config, &s->storage) == 0);
    attach(s, 0, rig_disk_block(&s->disk), kind >> 1 & 1);
    attach(s, 1, s->memory, kind >> 2 & 1);
    rig_bus_connect(&s->bus,
                    kind & 8 ? ENL_VMBUS_VERSION_WIN8 : ENL_VMBUS_VERSION_WS2022);
    RIG_CHECK(rig_bus_open(&s->bus, &s->guest[0], 1, 0));
    if (kind & 0x10)
        return;
    say_hello(s);
    if (kind & 0x20)
        return;
    for (uint32_t i = 1; i < CHANNELS; i++)
        (void)rig_bus_open(&s->bus, &s->guest[i], i + 1, i);
}

static void
end(struct session *s)
{
    s->bus.rig.alloc_countdown = -1;
    rig_bus_reset(&s->bus);
    destroy(s);
    rig_bus_work(&s->bus);
    RIG_CHECK(s->gone);
    rig_bus_stop(&s->bus);
    enlb_memory_destroy(&s->memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session s;

    memset(&s, 0, sizeof(s));
    rig_bus_init(&s.bus, data, size);
    start(&s);
    for (uint32_t steps = 0; s.bus.rig.in.left > 0 && steps < 300; steps++)
        step(&s);
    end(&s);
    return 0;
}
