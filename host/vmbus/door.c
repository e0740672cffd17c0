/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doors: how other threads wake a channel's worker without holding on to the channel.
 *
 * Runs: the guest, by HvCallSignalEvent on a VP thread; devices and backends on any
 * thread. A door belongs to the bus and so outlives every channel behind it. A visitor
 * counts itself in before it looks who is there; the loop closes the door and then looks
 * whether anybody is inside. Both use sequentially consistent operations: either the loop
 * sees the visitor, or the visitor sees the closed door. Nobody waits; the last visitor
 * out of a closing door calls the loop. [TLFS 11.10]
 * Tests: test/unit/vmbus_quiesce.c.
 */
#include "enlight/abi/hypercall.h"
#include "host/vmbus/bus.h"

void
enlh_door_ring(struct enlh_vmbus *bus, uint32_t relid)
{
    struct enlh_door *door = &bus->doors[relid];
    struct enlh_channel *channel;

    atomic_fetch_add(&door->inside, 1);
    channel = atomic_load(&door->channel);
    if (channel)
        bus->ops.channel_wake(bus->ctx, channel);
    if (atomic_fetch_sub(&door->inside, 1) == 1 && atomic_load(&door->closing))
        enlh_bus_attend(bus);
}

void
enlh_door_open(struct enlh_vmbus *bus, uint32_t relid, struct enlh_channel *channel)
{
    struct enlh_door *door = &bus->doors[relid];

    atomic_store(&door->closing, false);
    atomic_store(&door->channel, channel);
}

bool
enlh_door_close(struct enlh_vmbus *bus, uint32_t relid)
{
    struct enlh_door *door = &bus->doors[relid];

    atomic_store(&door->closing, true);
    atomic_store(&door->channel, NULL);
    if (atomic_load(&door->inside) != 0)
        return false;
    atomic_store(&door->closing, false);
    return true;
}

/*
 * A signal for a channel that is not open is no fault: the guest may close it while
 * another of its VPs signals.
 */
static uint16_t
enlh_door_signalled(void *ctx, uint32_t connection_id, uint16_t flag)
{
    struct enlh_vmbus *bus = ctx;
    uint32_t relid = connection_id - ENLH_BUS_DOOR_BASE;

    if (relid >= ENLH_BUS_RELIDS || !atomic_load(&bus->doors[relid].known))
        return ENL_HV_STATUS_INVALID_CONNECTION_ID;
    if (flag)
        return ENL_HV_STATUS_INVALID_PORT_ID;
    enlh_door_ring(bus, relid);
    return ENL_HV_STATUS_SUCCESS;
}

int
enlh_door_connect(struct enlh_vmbus *bus)
{
    return enlh_port_events(bus->partition, ENLH_BUS_DOOR_BASE, ENLH_BUS_RELIDS,
                            enlh_door_signalled, bus);
}
