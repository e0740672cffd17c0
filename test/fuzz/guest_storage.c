/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session of a hostile host with the storage driver: answers that are right, late,
 * repeated, changed, of another channel or of nobody, disks that come and go, channels that
 * are taken away at any moment, and refused hypercalls, while the kernel submits what it
 * likes on up to three queues and stops when it likes. Both make it run.
 *
 * Promises: each request that was taken is done once, and its memory is not touched after;
 * it moved no more than it asked for; a queue and a controller stop once, after all of
 * theirs is done.
 */
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/guest/driver.h"
#include "enlight/guest/storage.h"
#include "rig_kernel.h"

#define QUEUES 3u /* the first channel's among them */
#define SLOTS  4u
#define IOS    8u
#define PFNS   5u
#define IDS    16u /* requests that the host remembers, of each channel */

struct lane {
    struct enlg_storage_queue
        *queue; /* NULL: not there; the first's is the controller's */
    struct enlg_request_slot slots[SLOTS];
    uint64_t pfns[PFNS];
    uint8_t *ring;
    uint32_t relid;
    bool stopping;
};

struct work {
    struct enlg_storage_io io;
    uint8_t *data;
    uint8_t kind;
    bool busy;
};

struct session {
    struct kernel k;
    struct enlg_storage *storage;
    struct lane lanes[QUEUES];
    struct work works[IOS];
    uint64_t ids[KERNEL_RELIDS][IDS];
    uint32_t id_count[KERNEL_RELIDS];
};

static struct session session;

/* ---- the kernel ---- */

static void
lane_free(struct lane *lane)
{
    kernel_memory_free(&session.k, lane->ring);
    if (lane != &session.lanes[0])
        free(lane->queue);
    lane->queue = NULL;
}

static void
storage_event(void *ctx, struct enlg_storage *storage, enum enlg_storage_event event)
{
    struct lane *lane = ctx;

    RIG_CHECK(storage == session.storage && lane->queue);
    if (event == ENLG_STORAGE_READY)
        RIG_CHECK(enlg_storage_is_ready(storage) && lane == &session.lanes[0] &&
                  enlg_storage_sub_channels(storage) <= QUEUES - 1);
    if (event != ENLG_STORAGE_STOPPED)
        return;
    lane_free(lane);
    if (lane != &session.lanes[0])
        return;
    for (uint32_t i = 0; i < QUEUES; i++)
        RIG_CHECK(!session.lanes[i].queue);
    for (uint32_t i = 0; i < IOS; i++)
        RIG_CHECK(!session.works[i].busy);
    free(session.storage);
    session.storage = NULL;
}

static struct enlg_storage_config
lane_config(struct lane *lane, const struct enlg_channel *channel)
{
    lane->ring = kernel_memory(&session.k, KERNEL_SEND_LEN + KERNEL_RECV_LEN);
    lane->relid = enlg_channel_info(channel)->relid;
    lane->stopping = false;
    return (struct enlg_storage_config){
        .size = sizeof(struct enlg_storage_config),
        .ring = lane->ring,
        .send_len = KERNEL_SEND_LEN,
        .recv_len = KERNEL_RECV_LEN,
        .slots = lane->slots,
        .slot_count = SLOTS,
        .pfns = lane->pfns,
        .pfn_count = PFNS,
        .event = storage_event,
        .ctx = lane,
        .sub_channels = QUEUES - 1,
    };
}

static int
probe(void *ctx, struct enlg_channel *channel)
{
    struct lane *lane = &session.lanes[0];
    struct enlg_storage_config config;
    int rc;

    (void)ctx;
    if (session.storage)
        return -ENL_E_BUSY;
    session.storage = calloc(1, sizeof(*session.storage));
    lane->queue = enlg_storage_queue_first(session.storage);
    config = lane_config(lane, channel);
    rc = enlg_storage_start(session.storage, channel, &config);
    if (rc) {
        lane_free(lane);
        free(session.storage);
        session.storage = NULL;
    }
    return rc;
}

static int
probe_sub(void *ctx, struct enlg_channel *channel, struct enlg_channel *first)
{
    struct lane *lane = session.lanes[1].queue ? &session.lanes[2] : &session.lanes[1];
    struct enlg_storage_config config;
    int rc;

    (void)ctx;
    (void)first;
    if (lane->queue || !session.storage)
        return -ENL_E_BUSY;
    lane->queue = calloc(1, sizeof(*lane->queue));
    config = lane_config(lane, channel);
    rc = enlg_storage_queue_start(lane->queue, session.storage, channel, &config);
    if (rc)
        lane_free(lane);
    return rc;
}

static const struct enlg_driver drivers[] = {
    {ENL_GUID_SCSI, probe, probe_sub, NULL, NULL},
};

static void
bus_event(void *ctx, struct enlg_vmbus *bus, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    (void)ctx;
    (void)bus;
    (void)event;
    (void)channel;
}

static void
io_done(void *ctx, struct enlg_storage_io *io)
{
    struct work *work = ctx;
    uint64_t blocks;
    uint32_t size;
    uint8_t luns[4];

    RIG_CHECK(work->busy && io == &work->io && io->moved <= io->data_len &&
              io->sense_len <= sizeof(io->sense) && io->result <= 0);
    if (work->kind == 4 && enlg_storage_capacity_parse(io, &blocks, &size) == 0)
        RIG_CHECK(blocks != 0 && size >= 512);
    if (work->kind == 4)
        (void)enlg_storage_capacity_discards(io);
    if (work->kind == 5)
        RIG_CHECK(enlg_storage_luns_parse(io, luns, 4) <= 4);
    kernel_memory_free(&session.k, work->data);
    work->busy = false;
}

static void
io_make(struct work *work, uint8_t kind)
{
    struct enlg_storage_io *io = &work->io;
    uint32_t len = 512u * (1 + rig_below(&session.k.in, 40));

    work->data = kernel_memory(&session.k, 21 * 1024);
    work->kind = kind;
    switch (kind) {
    case 0:
        enlg_storage_read(io, rig_u16(&session.k.in), len / 512, work->data + 100, len);
        break;
    case 1:
        enlg_storage_write(io, rig_u16(&session.k.in), len / 512, work->data, len);
        break;
    case 2:
        enlg_storage_flush(io);
        break;
    case 3:
        enlg_storage_discard(io, 1, 2, work->data);
        break;
    case 4:
        enlg_storage_capacity(io, work->data);
        break;
    default:
        enlg_storage_luns(io, work->data, 40);
        break;
    }
    io->done = io_done;
    io->ctx = work;
}

static void
lane_submit(struct lane *lane)
{
    struct work *work = session.works;
    int rc;

    while (work < session.works + IOS && work->busy)
        work++;
    if (work == session.works + IOS)
        return;
    io_make(work, (uint8_t)rig_below(&session.k.in, 6));
    work->busy = true;
    rc = enlg_storage_queue_submit(lane->queue, &work->io);
    RIG_CHECK(rc <= 0);
    if (rc) {
        kernel_memory_free(&session.k, work->data);
        work->busy = false;
    } else if (rig_below(&session.k.in, 2)) {
        (void)!enlg_storage_queue_kick(lane->queue);
    }
}

static void
lane_stop(struct lane *lane)
{
    int rc;

    if (lane != &session.lanes[0]) {
        lane->stopping = true;
        rc = enlg_storage_queue_stop(lane->queue);
    } else {
        for (uint32_t i = 0; i < QUEUES; i++)
            session.lanes[i].stopping = true;
        rc = enlg_storage_stop(session.storage);
    }
    RIG_CHECK(rc <= 0);
}

static void
kernel_step(uint8_t kind)
{
    struct lane *lane = &session.lanes[kind % QUEUES];
    int rc;

    if (!lane->queue || lane->stopping)
        return;
    switch (kind / QUEUES % 8) {
    case 0:
    case 1:
    case 2:
        lane_submit(lane);
        break;
    case 3:
        if (rig_below(&session.k.in, 4) == 3)
            lane_stop(lane);
        break;
    default:
        rc = enlg_storage_queue_poll(lane->queue);
        RIG_CHECK(rc <= 64);
        if (rc < 0)
            lane_stop(lane);
        break;
    }
}

/* ---- the host ---- */

/* Write where the request's data goes; not when a lie has ended the request before. */
static void
host_fill(const uint8_t *desc)
{
    uint8_t *at;
    struct enl_gpa_range range;
    uint64_t pfn;
    uint8_t bytes[16];

    memcpy(&range, desc + 8, sizeof(range));
    memcpy(&pfn, desc + 16, sizeof(pfn));
    rig_bytes(&session.k.in, bytes, sizeof(bytes));
    at = (uint8_t *)(uintptr_t)(pfn << 12) + range.byte_offset;
    if (kernel_memory_is(&session.k, at, sizeof(bytes)))
        memcpy(at, bytes, sizeof(bytes));
}

/* Answer as a host would that starts: everything works. */
static void
answer_fill(struct enl_storage_packet *packet)
{
    if (packet->operation == ENL_STORAGE_QUERY_PROPERTIES)
        packet->u.properties =
            (struct enl_storage_properties){.max_sub_channels = 2,
                                            .flags = ENL_STORAGE_PROPERTY_MULTI_CHANNEL,
                                            .max_transfer_len = 0x10000};
    if (packet->operation == ENL_STORAGE_EXECUTE_SRB)
        packet->u.srb.srb_status = ENL_SRB_STATUS_SUCCESS;
    packet->operation = ENL_STORAGE_COMPLETE_IO;
    packet->status = 0;
}

static void
answer_spoil(struct enl_storage_packet *packet, uint64_t *id)
{
    struct rig_input *in = &session.k.in;

    switch (rig_below(in, 4)) {
    case 0:
        packet->u.bytes[rig_below(in, sizeof(packet->u.bytes))] = rig_u8(in);
        break;
    case 1: /* a failure with sense data */
        packet->u.srb.srb_status = rig_u8(in);
        packet->u.srb.scsi_status = rig_u8(in);
        packet->u.srb.sense_len = rig_u8(in);
        rig_bytes(in, packet->u.srb.cdb_or_sense, 20);
        break;
    case 2:
        packet->status = rig_u32(in);
        break;
    default:
        *id ^= (uint64_t)rig_u8(in) << (8 * rig_below(in, 4));
        break;
    }
}

/* Take a request of this channel, and answer it: how says whether as it should be. */
static void
host_serve(struct kernel_end *end, uint32_t relid, uint8_t how)
{
    uint8_t body[256] = {0};
    struct enl_storage_packet packet;
    struct enl_ring_packet taken;
    uint64_t id;

    if (enl_ring_get(&end->from_guest, &taken) != 1)
        return;
    RIG_CHECK(taken.payload_len == sizeof(packet) && taken.desc_len <= 128);
    RIG_CHECK(enl_ring_copy(&end->from_guest, &taken, 16, body,
                            taken.desc_len - 16 + taken.payload_len) == 0);
    (void)enl_ring_release(&end->from_guest);
    memcpy(&packet, body + taken.desc_len - 16, sizeof(packet));
    if (taken.type == ENL_PACKET_GPA_DIRECT)
        host_fill(body);
    id = taken.transaction_id;
    session.ids[relid][session.id_count[relid]++ % IDS] = id;
    answer_fill(&packet);
    if (how == 1)
        answer_spoil(&packet, &id);
    if (how != 2) /* else it is forgotten, or comes later */
        kernel_put(end, ENL_PACKET_COMPLETION, id, &packet, sizeof(packet));
}

/* An answer to a request of any channel, for a second time perhaps. */
static void
host_repeat(struct kernel_end *end)
{
    struct rig_input *in = &session.k.in;
    struct enl_storage_packet packet = {.operation = ENL_STORAGE_COMPLETE_IO};

    packet.u.srb.srb_status = rig_u8(in);
    packet.u.srb.data_transfer_len = rig_u32(in);
    kernel_put(end, ENL_PACKET_COMPLETION,
               session.ids[rig_below(in, KERNEL_RELIDS)][rig_below(in, IDS)], &packet,
               sizeof(packet) - rig_below(in, 8) / 7 * 16);
}

static void
host_tell(struct kernel_end *end)
{
    struct enl_storage_packet packet = {.operation = rig_below(&session.k.in, 16)};

    kernel_put(end, ENL_PACKET_INBAND, 0, &packet, 4 + rig_below(&session.k.in, 61));
}

static void
host_packet(uint8_t kind)
{
    uint32_t relid = 1 + (kind & 3);
    struct kernel_end *end = kernel_end_of(&session.k, relid);

    if (!end)
        return;
    switch (kind >> 2 & 7) {
    default:
        host_serve(end, relid, 0);
        break;
    case 4:
        host_serve(end, relid, 1);
        break;
    case 5:
        host_serve(end, relid, 2);
        host_repeat(end);
        break;
    case 6:
        host_tell(end);
        break;
    case 7:
        kernel_put_any(&session.k, end);
        break;
    }
}

static void
host_message(uint8_t kind)
{
    struct kernel *k = &session.k;
    struct enl_vmbus_relid rescind = {.head.type = ENL_VMBUS_RESCIND_OFFER,
                                      .relid = 1 + (kind & 3)};

    switch (kind >> 2 & 7) {
    default:
        kernel_settle(k);
        break;
    case 4:
        (void)kernel_answer_nearly(k);
        break;
    case 5:
        kernel_say(k, &rescind, sizeof(rescind));
        break;
    case 6:
        kernel_say_offer(k, 1 + (kind & 3), 1, kind & 3, (struct enl_guid)ENL_GUID_SCSI);
        break;
    case 7:
        k->refuse = 1 + rig_u8(&k->in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kernel *k = &session.k;

    memset(&session, 0, sizeof(session));
    kernel_init(k, data, size);
    k->config.event = bus_event;
    k->config.drivers = drivers;
    k->config.driver_count = 1;
    kernel_connect(k, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < QUEUES; i++)
        kernel_say_offer(k, 1 + i, 1, i, (struct enl_guid)ENL_GUID_SCSI);
    kernel_settle(k);
    for (uint32_t i = 0; k->in.left > 0 && i < 500; i++) {
        uint8_t kind = rig_u8(&k->in);

        if (kind < 0x70)
            kernel_step(kind);
        else if (kind < 0xE0)
            host_packet(kind);
        else
            host_message(kind);
    }
    k->refuse = 0;
    kernel_stop(k);
    RIG_CHECK(!session.storage);
    return 0;
}
