/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's channels, whose host writes any word of the rings between and within the reads
 * that the guest makes: a raw channel, a storage controller and a heartbeat. The host makes
 * it run; the guest goes on until it is told that the ring is broken.
 *
 * Promises: nothing outside rings and buffers is touched, no call goes on for ever, a
 * packet lies within the buffer that it was copied to; a driver gives the channel up with a
 * reason, and every request ends.
 */
#include "rig_ring.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/guest/driver.h"
#include "enlight/guest/ic.h"
#include "enlight/guest/storage.h"
#include "rig_kernel.h"

#define IOS  4u
#define PFNS 3u

struct session {
    struct kernel k;
    struct enlg_channel *raw;
    uint8_t *raw_ring;
    struct enlg_storage storage;
    uint8_t *storage_ring;
    struct enlg_request_slot slots[IOS];
    uint64_t pfns[PFNS];
    struct enlg_storage_io ios[IOS];
    uint8_t *data;
    bool busy[IOS];
    struct enlg_ic ic;
    uint8_t *ic_ring;
    _Alignas(8) uint8_t ic_buffer[ENLG_IC_BUFFER_LEN];
    bool has_storage, has_ic, storage_broken, ic_broken, raw_broken;
};

static struct session session;

/* ---- the kernel ---- */

static void
raw_event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event event,
          int status)
{
    (void)ctx;
    (void)channel;
    (void)status;
    if (event == ENLG_CHANNEL_CLOSED) {
        kernel_memory_free(&session.k, session.raw_ring);
        session.raw = NULL;
    }
}

static int
raw_probe(void *ctx, struct enlg_channel *channel)
{
    struct enlg_channel_config config = {
        .size = sizeof(config),
        .send_len = KERNEL_SEND_LEN,
        .recv_len = KERNEL_RECV_LEN,
        .event = raw_event,
    };

    (void)ctx;
    session.raw_ring = kernel_memory(&session.k, KERNEL_SEND_LEN + KERNEL_RECV_LEN);
    config.ring = session.raw_ring;
    session.raw = channel;
    return enlg_channel_open(channel, &config);
}

static void
storage_event(void *ctx, struct enlg_storage *storage, enum enlg_storage_event event)
{
    (void)ctx;
    (void)storage;
    if (event != ENLG_STORAGE_STOPPED)
        return;
    for (uint32_t i = 0; i < IOS; i++)
        RIG_CHECK(!session.busy[i]);
    kernel_memory_free(&session.k, session.storage_ring);
    kernel_memory_free(&session.k, session.data);
    session.has_storage = false;
}

static int
storage_probe(void *ctx, struct enlg_channel *channel)
{
    struct enlg_storage_config config = {
        .size = sizeof(config),
        .send_len = KERNEL_SEND_LEN,
        .recv_len = KERNEL_RECV_LEN,
        .slots = session.slots,
        .slot_count = IOS,
        .pfns = session.pfns,
        .pfn_count = PFNS,
        .event = storage_event,
    };

    (void)ctx;
    session.storage_ring = kernel_memory(&session.k, KERNEL_SEND_LEN + KERNEL_RECV_LEN);
    session.data = kernel_memory(&session.k, 2 * ENL_PAGE_SIZE);
    session.has_storage = true;
    config.ring = session.storage_ring;
    return enlg_storage_start(&session.storage, channel, &config);
}

static void
ic_stopped(void *ctx)
{
    (void)ctx;
    kernel_memory_free(&session.k, session.ic_ring);
    session.has_ic = false;
}

static int
ic_probe(void *ctx, struct enlg_channel *channel)
{
    struct enlg_ic_config config = {
        .size = sizeof(config),
        .buffer = session.ic_buffer,
        .stopped = ic_stopped,
    };

    (void)ctx;
    session.ic_ring = kernel_memory(&session.k, 2 * ENLG_IC_RING_LEN);
    session.has_ic = true;
    config.ring = session.ic_ring;
    return enlg_heartbeat_start(&session.ic, channel, &config);
}

static const struct enlg_driver drivers[] = {
    {ENL_GUID_NET, raw_probe, NULL, NULL, NULL},
    {ENL_GUID_SCSI, storage_probe, NULL, NULL, NULL},
    {ENL_GUID_HEARTBEAT, ic_probe, NULL, NULL, NULL},
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
    bool *busy = ctx;

    RIG_CHECK(*busy && io->moved <= io->data_len && io->sense_len <= sizeof(io->sense));
    *busy = false;
}

static void
storage_submit(void)
{
    uint32_t i = rig_below(&session.k.in, IOS);
    struct enlg_storage_io *io = &session.ios[i];

    if (session.busy[i])
        return;
    enlg_storage_read(io, 0, 4, session.data + 512 * i, 2048);
    io->done = io_done;
    io->ctx = &session.busy[i];
    session.busy[i] = true;
    if (enlg_storage_submit(&session.storage, io) != 0)
        session.busy[i] = false;
}

static void
raw_receive(void)
{
    uint64_t buffer[64];
    struct enlg_packet packet;
    uint32_t len = rig_u8(&session.k.in) * 2u;
    int rc;

    rc = enlg_packet_get(session.raw, buffer, len, &packet);
    session.raw_broken |= rc == -ENL_E_PROTO;
    if (rc == 1)
        RIG_CHECK(packet.desc == (uint8_t *)buffer &&
                  packet.payload == packet.desc + packet.desc_len &&
                  packet.desc_len + packet.payload_len <= len);
}

static void
raw_send(void)
{
    uint8_t payload[512] = {0};
    struct enlg_send send = {payload, rig_u16(&session.k.in) % 512, true, 1};
    struct enlg_page_buffer pages[2] = {{100, 0, 1}, {4096, 0, 2}};
    int rc;

    rc = rig_below(&session.k.in, 2)
             ? enlg_packet_put(session.raw, &send)
             : enlg_packet_put_pages(session.raw, &send, pages, 2);
    if (rc == -ENL_E_AGAIN)
        (void)enlg_packet_wait(session.raw, send.payload_len, 48);
    session.raw_broken |= rc == -ENL_E_PROTO;
    rc = enlg_packet_publish(session.raw);
    RIG_CHECK(rc <= 0);
}

static void
raw_step(uint8_t kind)
{
    if (!session.raw || session.raw_broken)
        return;
    switch (kind & 3) {
    case 0:
    case 1:
        raw_receive();
        break;
    case 2:
        raw_send();
        break;
    default:
        (void)enlg_packet_sleep(session.raw);
        break;
    }
}

static void
driver_step(uint8_t kind)
{
    int rc = 0;

    if (kind & 1 && session.has_ic && !session.ic_broken) {
        rc = enlg_ic_poll(&session.ic);
        session.ic_broken = rc < 0;
        RIG_CHECK(rc <= 16);
    } else if (session.has_storage && !session.storage_broken) {
        if (kind & 2)
            storage_submit();
        rc = enlg_storage_poll(&session.storage);
        session.storage_broken = rc < 0;
        RIG_CHECK(rc <= 64);
    }
    RIG_CHECK(rc >= 0 || rc == -ENL_E_PROTO || rc == -ENL_E_NOTSUP || rc == -ENL_E_IO ||
              rc == -ENL_E_AGAIN || rc == -ENL_E_MSGSIZE);
}

/* ---- the host ---- */

/* Take what is there, and say that it worked. */
static void
host_complete(struct kernel_end *end)
{
    uint8_t body[64];
    uint32_t complete = 1;
    struct enl_ring_packet taken;

    if (enl_ring_get(&end->from_guest, &taken) != 1 || taken.payload_len != sizeof(body))
        return;
    RIG_CHECK(
        enl_ring_copy(&end->from_guest, &taken, taken.desc_len, body, sizeof(body)) == 0);
    (void)enl_ring_release(&end->from_guest);
    if (body[0] == ENL_STORAGE_QUERY_PROPERTIES)
        body[12 + 13] = 1; /* a longest transfer */
    body[12 + 2] = ENL_SRB_STATUS_SUCCESS;
    memcpy(body, &complete, sizeof(complete));
    kernel_put(end, ENL_PACKET_COMPLETION, taken.transaction_id, body, sizeof(body));
}

static void
host_step(uint8_t kind)
{
    struct kernel_end *end = kernel_end_of(&session.k, 1 + kind % 3);

    if (!end)
        return;
    spoiler.view[0] = &end->from_guest.view;
    spoiler.view[1] = &end->to_guest.view;
    switch (kind / 3 % 8) {
    case 0:
        spoil_now(&session.k.in);
        break;
    case 1:
        kernel_put_any(&session.k, end);
        break;
    case 2:
        spoiler.wait = rig_u8(&session.k.in) % 64;
        break;
    default:
        host_complete(end);
        break;
    }
}

static void
run_step(void)
{
    uint8_t kind = rig_u8(&session.k.in);

    if (kind & 0x80) {
        host_step(kind & 0x7F);
        return;
    }
    spoiler.active = true;
    if (kind & 0x40)
        raw_step(kind);
    else
        driver_step(kind);
    spoiler.active = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct enl_guid types[] = {ENL_GUID_NET, ENL_GUID_SCSI,
                                            ENL_GUID_HEARTBEAT};
    struct kernel *k = &session.k;

    memset(&session, 0, sizeof(session));
    spoiler = (struct spoiler){.in = &k->in};
    kernel_init(k, data, size);
    k->config.event = bus_event;
    k->config.drivers = drivers;
    k->config.driver_count = 3;
    kernel_connect(k, ENL_VMBUS_VERSION_WS2022);
    for (uint32_t i = 0; i < 3; i++)
        kernel_say_offer(k, 1 + i, (uint8_t)(1 + i), 0, types[i]);
    kernel_settle(k);
    RIG_CHECK(session.raw && session.has_storage && session.has_ic);
    host_step(0); /* the views */
    for (uint32_t i = 0; k->in.left > 0 && i < 500; i++)
        run_step();
    kernel_stop(k);
    RIG_CHECK(!session.raw && !session.has_storage && !session.has_ic);
    return 0;
}
