/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bus, its workers and a proper guest for fuzzers: see rig_bus.h. The library calls the
 * callbacks; the target calls the rest. A broken promise of the bus ends the process.
 */
#include "rig_bus.h"

#include <string.h>

#include "enlight/abi/synic.h"
#include "enlight/abi/vmbus.h"

/* ---- the embedder ---- */

static struct rig_bus *
rig_bus_of(void *ctx)
{
    struct rig_bus *bus = ctx;

    RIG_CHECK(bus->rig.held == 0);
    return bus;
}

static void
rig_bus_loop_wake(void *ctx)
{
    (void)rig_bus_of(ctx);
}

static struct rig_worker *
rig_bus_worker(struct rig_bus *bus, const struct enlh_channel *channel)
{
    for (uint32_t i = 0; i < RIG_WORKERS; i++)
        if (bus->worker[i].channel == channel)
            return &bus->worker[i];
    return NULL;
}

static int
rig_bus_channel_start(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct rig_bus *bus = rig_bus_of(ctx);
    struct rig_worker *worker;

    RIG_CHECK(rig_bus_worker(bus, channel) == NULL);
    if (bus->refuse_start)
        return -ENL_E_NOMEM;
    worker = rig_bus_worker(bus, NULL);
    RIG_CHECK(worker != NULL);
    *worker = (struct rig_worker){
        .channel = channel, .connection_id = connection_id, .woken = true};
    enlh_channel_set_worker(channel, worker);
    return 0;
}

static void
rig_bus_channel_stop(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct rig_bus *bus = rig_bus_of(ctx);
    struct rig_worker *worker = rig_bus_worker(bus, channel);

    RIG_CHECK(worker != NULL && worker == enlh_channel_worker(channel));
    RIG_CHECK(worker->stopped && worker->connection_id == connection_id);
    worker->channel = NULL;
}

static void
rig_bus_channel_wake(void *ctx, struct enlh_channel *channel)
{
    struct rig_worker *worker = rig_bus_worker(rig_bus_of(ctx), channel);

    RIG_CHECK(worker != NULL);
    worker->woken = true;
}

static const struct enlh_vmbus_ops rig_bus_ops = {
    .size = sizeof(rig_bus_ops),
    .loop_wake = rig_bus_loop_wake,
    .channel_start = rig_bus_channel_start,
    .channel_stop = rig_bus_channel_stop,
    .channel_wake = rig_bus_channel_wake,
};

/* ---- life ---- */

void
rig_bus_init(struct rig_bus *bus, const uint8_t *data, size_t size)
{
    memset(bus, 0, sizeof(*bus));
    rig_init(&bus->rig, data, size);
    bus->rig.config.vp_count = RIG_BUS_VPS;
    enlh_vmbus_config_defaults(&bus->config);
}

void
rig_bus_start(struct rig_bus *bus)
{
    rig_start(&bus->rig);
    RIG_CHECK(enlh_vmbus_create(bus->rig.partition, &bus->config, &rig_bus_ops, bus,
                                &bus->bus) == 0);
    RIG_CHECK(enlh_vp_set_reg(rig_vp(&bus->rig, 0), 0x90002, RIG_OS_ID) == 0);
    for (uint32_t i = 0; i < RIG_BUS_VPS; i++)
        rig_synic_on(&bus->rig, i, RIG_SINT);
}

void
rig_bus_poll(struct rig_bus *bus)
{
    for (uint32_t i = 0; enlh_vmbus_poll(bus->bus); i++)
        RIG_CHECK(i < 1000);
}

bool
rig_bus_turn(struct rig_bus *bus, uint32_t i)
{
    struct rig_worker *worker = &bus->worker[i % RIG_WORKERS];
    enum enlh_run run;

    if (!worker->channel || !worker->woken || worker->stopped)
        return false;
    worker->woken = false;
    run = enlh_channel_run(worker->channel);
    worker->stopped = run == ENLH_RUN_STOPPED;
    worker->woken |= run == ENLH_RUN_MORE;
    return true;
}

bool
rig_bus_works(const struct rig_bus *bus, uint32_t relid)
{
    for (uint32_t i = 0; i < RIG_WORKERS; i++)
        if (bus->worker[i].channel != NULL &&
            enlh_channel_relid(bus->worker[i].channel) == relid)
            return true;
    return false;
}

void
rig_bus_work(struct rig_bus *bus)
{
    bool worked = true;

    for (uint32_t i = 0; worked && i < 8; i++) {
        rig_bus_poll(bus);
        worked = false;
        for (uint32_t w = 0; w < RIG_WORKERS; w++)
            worked |= rig_bus_turn(bus, w);
        if (bus->finish)
            bus->finish(bus->ctx);
    }
    rig_bus_poll(bus);
}

void
rig_bus_reset(struct rig_bus *bus)
{
    struct enlh_vmbus_counters counters;

    enlh_vmbus_reset(bus->bus);
    for (uint32_t i = 0; i < 16 && !enlh_vmbus_idle(bus->bus); i++)
        rig_bus_work(bus);
    RIG_CHECK(enlh_vmbus_idle(bus->bus));
    for (uint32_t i = 0; i < RIG_WORKERS; i++)
        RIG_CHECK(bus->worker[i].channel == NULL);
    enlh_vmbus_counters(bus->bus, &counters);
    RIG_CHECK(counters.gpadls == 0 && counters.gpadl_bytes == 0);
}

void
rig_bus_stop(struct rig_bus *bus)
{
    rig_bus_work(bus);
    enlh_vmbus_destroy(bus->bus);
    rig_stop(&bus->rig);
}

/* ---- what the guest hears ---- */

uint32_t
rig_bus_listen(struct rig_bus *bus, uint32_t vp, uint32_t limit)
{
    struct enl_message message;
    uint32_t count = 0;

    while (count < limit && rig_take(&bus->rig, vp, RIG_SINT, &message))
        count++;
    return count;
}

/* ---- a guest that does as it should ---- */

static void
rig_bus_say(struct rig_bus *bus, const void *message, uint32_t len)
{
    RIG_CHECK(rig_post(&bus->rig, 0, ENL_VMBUS_CONNECTION_MESSAGE, ENL_MESSAGE_VMBUS,
                       message, len) == 0);
    rig_bus_poll(bus);
}

void
rig_bus_connect(struct rig_bus *bus, uint32_t version)
{
    struct enl_vmbus_initiate_contact contact = {
        .head = {.type = ENL_VMBUS_INITIATE_CONTACT}, .version = version};
    struct enl_vmbus_header request = {.type = ENL_VMBUS_REQUEST_OFFERS};

    contact.u.target.sint = RIG_SINT;
    rig_bus_say(bus, &contact, sizeof(contact));
    (void)rig_bus_listen(bus, 0, 100);
    rig_bus_say(bus, &request, sizeof(request));
    for (uint32_t i = 0; i < 16 && rig_bus_listen(bus, 0, 100); i++)
        rig_bus_poll(bus);
}

static void
rig_bus_give(struct rig_bus *bus, const struct rig_guest *guest)
{
    struct {
        struct enl_vmbus_gpadl_header head;
        struct enl_gpa_range range;
        uint64_t pfn[8];
    } __attribute__((packed)) gpadl = {
        .head = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                 .relid = guest->relid,
                 .gpadl = 0x100 + guest->relid,
                 .range_buf_len = sizeof(gpadl.range) + sizeof(gpadl.pfn),
                 .range_count = 1},
        .range = {.byte_count = guest->pages * ENL_PAGE_SIZE},
    };

    for (uint32_t i = 0; i < 8; i++)
        gpadl.pfn[i] = (guest->gpa >> ENL_PAGE_SHIFT) + i;
    rig_bus_say(bus, &gpadl, sizeof(gpadl));
    (void)rig_bus_listen(bus, 0, 100);
}

static struct enl_ring_view
rig_bus_view(struct rig_bus *bus, uint64_t gpa, uint32_t pages)
{
    uint8_t *at = rig_at(&bus->rig, gpa, pages * ENL_PAGE_SIZE);

    return (struct enl_ring_view){.header = (struct enl_ring_header *)(void *)at,
                                  .base = at + ENL_PAGE_SIZE,
                                  .size = (pages - 1) * ENL_PAGE_SIZE};
}

bool
rig_bus_open(struct rig_bus *bus, struct rig_guest *guest, uint32_t relid, uint32_t place)
{
    struct enl_vmbus_open open = {.head = {.type = ENL_VMBUS_OPEN_CHANNEL},
                                  .relid = relid,
                                  .ring_gpadl = 0x100 + relid,
                                  .target_vp = relid % RIG_BUS_VPS,
                                  .downstream_offset = 4};
    struct enl_ring_view out, in;

    *guest = (struct rig_guest){
        .relid = relid, .gpa = RIG_RING_GPA + place * 0x8000, .pages = 8, .split = 4};
    out = rig_bus_view(bus, guest->gpa, guest->split);
    in = rig_bus_view(bus, guest->gpa + 4 * ENL_PAGE_SIZE, guest->pages - guest->split);
    rig_bus_give(bus, guest);
    enl_ring_header_init(out.header);
    enl_ring_header_init(in.header);
    RIG_CHECK(enl_ring_producer_init(&guest->out, &out, false) == 0);
    RIG_CHECK(enl_ring_consumer_init(&guest->in, &in, false) == 0);
    rig_bus_say(bus, &open, sizeof(open));
    (void)rig_bus_listen(bus, 0, 100);
    guest->open = rig_bus_works(bus, relid);
    return guest->open;
}

void
rig_bus_close(struct rig_bus *bus, struct rig_guest *guest)
{
    struct enl_vmbus_relid close = {.head = {.type = ENL_VMBUS_CLOSE_CHANNEL},
                                    .relid = guest->relid};
    struct enl_vmbus_gpadl_teardown teardown = {
        .head = {.type = ENL_VMBUS_GPADL_TEARDOWN},
        .relid = guest->relid,
        .gpadl = 0x100 + guest->relid};

    rig_bus_say(bus, &close, sizeof(close));
    rig_bus_say(bus, &teardown, sizeof(teardown));
    guest->open = false;
}

bool
rig_bus_send(struct rig_bus *bus, struct rig_guest *guest, uint16_t type, uint64_t id,
             const void *body, uint32_t len)
{
    const struct enl_ring_piece piece = {.data = body, .len = len};

    if (enl_ring_put(&guest->out, type, ENL_PACKET_FLAG_COMPLETION, id, &piece, 1, 0) < 0)
        return false;
    (void)enl_ring_publish(&guest->out);
    (void)rig_signal(&bus->rig, 0, 0x2000u | guest->relid, 0);
    return true;
}

int
rig_bus_receive(struct rig_bus *bus, struct rig_guest *guest, void *out, uint32_t len,
                struct enl_ring_packet *packet)
{
    int result = enl_ring_get(&guest->in, packet);

    if (result <= 0)
        return -1;
    if (len > packet->payload_len)
        len = packet->payload_len;
    RIG_CHECK(enl_ring_copy(&guest->in, packet, packet->desc_len, out, len) == 0);
    if (enl_ring_release(&guest->in))
        (void)rig_signal(&bus->rig, 0, 0x2000u | guest->relid, 0);
    return (int)packet->payload_len;
}
