/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening and closing: the rings, the scratch memory and the worker of a channel.
 *
 * Runs: the loop, when the guest opens a channel and when a worker has let go. The rings
 * are looked at here for the first time: before OPEN the guest may still be writing
 * their headers. The GPADL is frozen while it is the ring, so the addresses taken here
 * stay good. Trusts the GPADL's spans, not what OPEN says about them.
 * [VMBus; no chapter in the TLFS]
 * Tests: test/unit/vmbus_channel.c, vmbus_quiesce.c.
 */
#include <string.h>

#include "enlight/abi/ring.h"
#include "host/vmbus/channel.h"

#define ENLH_RING_PAGES_MIN 2u /* a header and one page of data */

uint32_t
enlh_open_status(int error)
{
    switch (error) {
    case 0:
        return ENL_VMBUS_STATUS_SUCCESS;
    case -ENL_E_NOMEM:
    case -ENL_E_NOSPC:
        return ENL_VMBUS_STATUS_NO_RESOURCES;
    case -ENL_E_INVAL:
    case -ENL_E_NOENT:
    case -ENL_E_PROTO:
        return ENL_VMBUS_STATUS_INVALID_PARAMETER;
    default:
        return ENL_VMBUS_STATUS_FAILED;
    }
}

/* ---- the rings ---- */

/* Pages of the GPADL, or 0 when a piece of it is not made of whole pages. */
static uint32_t
enlh_open_count_pages(const struct enlh_gpadl *gpadl)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < gpadl->span_count; i++) {
        const struct enlh_span *span = &gpadl->spans[i];

        if (span->offset & ENL_PAGE_MASK || span->len & ENL_PAGE_MASK)
            return 0;
        count += span->len >> ENL_PAGE_SHIFT;
    }
    return (uint32_t)count;
}

static void
enlh_open_list_pages(struct enlh_channel *channel, const struct enlh_gpadl *gpadl)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < gpadl->span_count; i++) {
        uint8_t *host = enlh_mem_span_host(channel->bus->partition, &gpadl->spans[i]);

        for (uint64_t at = 0; at < gpadl->spans[i].len; at += ENL_PAGE_SIZE)
            channel->wire.pages[n++] = host + at;
    }
}

/* One ring over pages[0 .. count): addressed at once when they follow one another. */
static struct enl_ring_view
enlh_open_view(uint8_t **pages, uint32_t count)
{
    struct enl_ring_view view = {
        .header = (struct enl_ring_header *)(void *)pages[0],
        .base = pages[1],
        .size = (count - 1) * ENL_PAGE_SIZE,
    };

    for (uint32_t i = 2; i < count; i++)
        if (pages[i] != pages[i - 1] + ENL_PAGE_SIZE) {
            view.base = NULL;
            view.pages = &pages[1];
            break;
        }
    return view;
}

static int
enlh_open_rings(struct enlh_channel *channel, const struct enlh_gpadl *gpadl)
{
    struct enlh_wire *wire = &channel->wire;
    uint32_t count = enlh_open_count_pages(gpadl);
    uint32_t split = channel->request.downstream_offset;
    struct enl_ring_view view;
    int r;

    if (split < ENLH_RING_PAGES_MIN || count < split ||
        count - split < ENLH_RING_PAGES_MIN)
        return -ENL_E_INVAL;
    wire->pages = enlh_bus_alloc(channel->bus, count * sizeof(*wire->pages));
    if (!wire->pages)
        return -ENL_E_NOMEM;
    wire->page_count = count;
    enlh_open_list_pages(channel, gpadl);
    view = enlh_open_view(wire->pages, split);
    r = enl_ring_consumer_init(&wire->in, &view, true);
    if (r < 0)
        return r;
    view = enlh_open_view(wire->pages + split, count - split);
    return enl_ring_producer_init(&wire->out, &view, true);
}

/* ---- the scratch memory ---- */

static int
enlh_open_scratch(struct enlh_channel *channel)
{
    struct enlh_wire *wire = &channel->wire;

    wire->payload = enlh_bus_alloc(channel->bus, wire->payload_len);
    wire->ranges = enlh_bus_alloc(channel->bus, wire->ranges_len);
    wire->spans =
        enlh_bus_alloc(channel->bus, channel->ops.max_spans * sizeof(*wire->spans));
    if (!wire->payload || !wire->ranges || (channel->ops.max_spans && !wire->spans))
        return -ENL_E_NOMEM;
    return 0;
}

static void
enlh_open_undo(struct enlh_channel *channel)
{
    struct enlh_vmbus *bus = channel->bus;
    struct enlh_wire *wire = &channel->wire;

    enlh_bus_free(bus, wire->payload, wire->payload_len);
    enlh_bus_free(bus, wire->ranges, wire->ranges_len);
    enlh_bus_free(bus, wire->spans, channel->ops.max_spans * sizeof(*wire->spans));
    enlh_bus_free(bus, wire->pages, wire->page_count * sizeof(*wire->pages));
    wire->payload = NULL;
    wire->ranges = NULL;
    wire->spans = NULL;
    wire->pages = NULL;
    enlh_gpadl_unused(channel);
}

/* ---- the worker ---- */

static uint32_t
enlh_open_connection(const struct enlh_channel *channel)
{
    return ENLH_BUS_DOOR_BASE | channel->relid;
}

static void
enlh_open_reset_wire(struct enlh_channel *channel)
{
    struct enlh_wire *wire = &channel->wire;

    wire->sint = channel->bus->conn.sint;
    wire->broken = false;
    wire->held = false;
    wire->hold = (struct enlh_hold){.goal = 1};
    wire->payload_len = (channel->ops.max_payload + 7u) & ~7u;
    if (!wire->payload_len)
        wire->payload_len = 8;
    /* Each range may have one page: a count, and 16 bytes for each. */
    wire->ranges_len = channel->ops.max_spans * 16u + 8u;
    atomic_store(&channel->hand.order, ENLH_ORDER_RUN);
    atomic_store(&channel->hand.stopped, false);
    atomic_store(&channel->hand.signalling, false);
    atomic_store(&channel->hand.modify_waits, false);
    atomic_store(&channel->hand.target_vp, channel->request.target_vp);
    atomic_store(&channel->protocol, 0);
}

/* The device first: when the worker starts, all is ready. */
static int
enlh_open_worker(struct enlh_channel *channel)
{
    struct enlh_vmbus *bus = channel->bus;
    int r = 0;

    if (channel->ops.open)
        r = channel->ops.open(channel->dev, channel);
    if (r < 0)
        return r;
    r = bus->ops.channel_start(bus->ctx, channel, enlh_open_connection(channel));
    if (r < 0) {
        if (channel->ops.close)
            channel->ops.close(channel->dev, channel);
        return r;
    }
    bus->worker_count++;
    enlh_door_open(bus, channel->relid, channel);
    /* Whoever rang before the door was open was not heard. */
    enlh_door_ring(bus, channel->relid);
    return 0;
}

int
enlh_open_start(struct enlh_channel *channel)
{
    const struct enlh_open_request *request = &channel->request;
    struct enlh_gpadl *gpadl = enlh_gpadl_ready(channel, request->ring_gpadl);
    int r;

    enlh_open_reset_wire(channel);
    if (!gpadl)
        return -ENL_E_NOENT;
    if (request->target_vp != ENL_VMBUS_VP_NO_INTERRUPT &&
        request->target_vp >= channel->bus->vp_count)
        return -ENL_E_INVAL;
    enlh_gpadl_use_ring(channel, gpadl);
    r = enlh_open_rings(channel, gpadl);
    if (r == 0)
        r = enlh_open_scratch(channel);
    if (r == 0)
        r = enlh_open_worker(channel);
    if (r < 0)
        enlh_open_undo(channel);
    return r;
}

void
enlh_open_ask_stop(struct enlh_channel *channel, enum enlh_order order)
{
    atomic_store(&channel->hand.order, order);
    enlh_door_ring(channel->bus, channel->relid);
}

bool
enlh_open_stop(struct enlh_channel *channel)
{
    struct enlh_vmbus *bus = channel->bus;

    if (!enlh_door_close(bus, channel->relid))
        return false;
    atomic_store(&channel->hand.stopped, false);
    bus->ops.channel_stop(bus->ctx, channel, enlh_open_connection(channel));
    bus->worker_count--;
    if (channel->ops.close)
        channel->ops.close(channel->dev, channel);
    enlh_open_undo(channel);
    return true;
}
