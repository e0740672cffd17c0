/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inbox: control messages on their way from the VPs to the loop.
 *
 * Runs: the guest, by HvCallPostMessage on a VP thread; the loop empties it. The message
 * is the core's copy, and is copied again into a ring of fixed length: a guest that posts
 * faster than the loop reads gets INSUFFICIENT_BUFFERS and tries again. Trusts nothing in
 * the message, and looks at its type only to let the end of a connection overtake what
 * waits for room. [TLFS 11.10, VMBus]
 * Tests: test/unit/vmbus_connect.c, vmbus_messages.c.
 */
#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/synic.h"
#include "host/vmbus/bus.h"

int
enlh_inbox_init(struct enlh_vmbus *bus)
{
    bus->inbox.ring = enlh_bus_alloc(bus, ENLH_INBOX_LEN * sizeof(*bus->inbox.ring));
    if (!bus->inbox.ring)
        return -ENL_E_NOMEM;
    return enlh_bus_lock_create(bus, &bus->inbox.lock);
}

void
enlh_inbox_fini(struct enlh_vmbus *bus)
{
    enlh_bus_lock_destroy(bus, bus->inbox.lock);
    enlh_bus_free(bus, bus->inbox.ring, ENLH_INBOX_LEN * sizeof(*bus->inbox.ring));
}

/* A message after which nobody waits for an answer to what was posted before it. */
static bool
enlh_inbox_ends(const void *message, uint32_t len)
{
    struct enl_vmbus_header head;

    if (len < sizeof(head))
        return false;
    memcpy(&head, message, sizeof(head));
    return head.type == ENL_VMBUS_INITIATE_CONTACT || head.type == ENL_VMBUS_UNLOAD;
}

/*
 * A full inbox may belong to a kernel that has crashed with its message slot full; the
 * one that is started next gets in all the same.
 */
static bool
enlh_inbox_put(struct enlh_vmbus *bus, uint32_t connection_id, const void *message,
               uint32_t len)
{
    struct enlh_inbox *inbox = &bus->inbox;
    uint32_t count;
    bool room;

    enlh_bus_lock(bus, inbox->lock);
    count = atomic_load(&inbox->count);
    if (count == ENLH_INBOX_LEN && enlh_inbox_ends(message, len))
        count = 0;
    room = count < ENLH_INBOX_LEN;
    if (room) {
        struct enlh_inbox_entry *entry =
            &inbox->ring[(inbox->head + count) % ENLH_INBOX_LEN];

        entry->connection_id = connection_id;
        entry->len = len;
        memcpy(entry->data, message, len);
        atomic_store(&inbox->count, count + 1);
    }
    enlh_bus_unlock(bus, inbox->lock);
    return room;
}

/*
 * What is no VMBus message is taken and forgotten, as by a port that nobody reads: the
 * hypercall has done its part.
 */
static uint16_t
enlh_inbox_posted(void *ctx, struct enlh_vp *vp, uint32_t type, const void *message,
                  uint32_t len)
{
    struct enlh_bus_port *port = ctx;
    (void)vp;

    if (type != ENL_MESSAGE_VMBUS || len > ENL_VMBUS_MESSAGE_MAX) {
        atomic_fetch_add(&port->bus->inbox.refused, 1);
        return ENL_HV_STATUS_SUCCESS;
    }
    if (!enlh_inbox_put(port->bus, port->connection_id, message, len))
        return ENL_HV_STATUS_INSUFFICIENT_BUFFERS;
    port->bus->ops.loop_wake(port->bus->ctx);
    return ENL_HV_STATUS_SUCCESS;
}

/*
 * Below 5.0 there is no second port: its absence is what makes a guest step down without
 * a VERSION_RESPONSE. [Seen: Linux 6.1, vmbus_negotiate_version]
 */
int
enlh_inbox_connect(struct enlh_vmbus *bus)
{
    static const uint32_t ids[2] = {ENL_VMBUS_CONNECTION_MESSAGE,
                                    ENL_VMBUS_CONNECTION_MESSAGE_5};
    uint32_t count = bus->config.max_version >= ENL_VMBUS_VERSION_WIN10_5_0 ? 2 : 1;

    for (uint32_t i = 0; i < count; i++) {
        int r;

        bus->ports[i] = (struct enlh_bus_port){.bus = bus, .connection_id = ids[i]};
        r = enlh_port_message(bus->partition, ids[i], enlh_inbox_posted, &bus->ports[i]);
        if (r < 0) {
            bus->ports[i].bus = NULL;
            return r;
        }
    }
    return 0;
}

bool
enlh_inbox_take(struct enlh_vmbus *bus, struct enlh_inbox_entry *out)
{
    struct enlh_inbox *inbox = &bus->inbox;
    uint32_t count;

    enlh_bus_lock(bus, inbox->lock);
    count = atomic_load(&inbox->count);
    if (count) {
        const struct enlh_inbox_entry *entry = &inbox->ring[inbox->head];

        out->connection_id = entry->connection_id;
        out->len = entry->len;
        memcpy(out->data, entry->data, entry->len);
        inbox->head = (inbox->head + 1) % ENLH_INBOX_LEN;
        atomic_store(&inbox->count, count - 1);
    }
    enlh_bus_unlock(bus, inbox->lock);
    return count != 0;
}

bool
enlh_inbox_skip_to_end(struct enlh_vmbus *bus)
{
    struct enlh_inbox *inbox = &bus->inbox;
    uint32_t count, i;

    enlh_bus_lock(bus, inbox->lock);
    count = atomic_load(&inbox->count);
    for (i = 0; i < count; i++) {
        const struct enlh_inbox_entry *entry =
            &inbox->ring[(inbox->head + i) % ENLH_INBOX_LEN];

        if (enlh_inbox_ends(entry->data, entry->len))
            break;
    }
    if (i < count) {
        inbox->head = (inbox->head + i) % ENLH_INBOX_LEN;
        atomic_store(&inbox->count, count - i);
    }
    enlh_bus_unlock(bus, inbox->lock);
    return i < count;
}

bool
enlh_inbox_empty(struct enlh_vmbus *bus)
{
    return atomic_load(&bus->inbox.count) == 0;
}

void
enlh_inbox_clear(struct enlh_vmbus *bus)
{
    enlh_bus_lock(bus, bus->inbox.lock);
    atomic_store(&bus->inbox.count, 0);
    enlh_bus_unlock(bus, bus->inbox.lock);
}
