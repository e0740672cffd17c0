/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outbox: messages to the guest that its VP's queue has not taken yet.
 *
 * Runs: the loop. A guest that does not empty its message slot stops the flow here, and
 * with it the reading of its own messages: each step of the loop asks for room first, so
 * the ring is of fixed length. What is many at once (offers, rescinds, torn GPADLs) waits
 * as state of its object and is made into a message when there is room. Reads no guest
 * memory. [TLFS 11.6; VMBus]
 * Tests: test/unit/vmbus_offers.c.
 */
#include <string.h>

#include "enlight/abi/synic.h"
#include "host/vmbus/channel.h"

bool
enlh_outbox_room(const struct enlh_vmbus *bus)
{
    return ENLH_OUTBOX_LEN - bus->outbox.count >= ENLH_OUTBOX_RESERVE;
}

static struct enlh_outbox_entry *
enlh_outbox_at(struct enlh_vmbus *bus, uint32_t i)
{
    return &bus->outbox.ring[(bus->outbox.head + i) % ENLH_OUTBOX_LEN];
}

void
enlh_outbox_put_to(struct enlh_vmbus *bus, uint32_t vp, uint32_t sint,
                   const void *message, uint32_t len)
{
    struct enlh_outbox_entry *entry = enlh_outbox_at(bus, bus->outbox.count);

    ENLH_BUG_ON(bus->partition, bus->outbox.count >= ENLH_OUTBOX_LEN);
    ENLH_BUG_ON(bus->partition, len > sizeof(entry->data));
    entry->vp = vp;
    entry->sint = sint;
    entry->len = len;
    entry->signal_relid = 0;
    memcpy(entry->data, message, len);
    bus->outbox.count++;
}

void
enlh_outbox_put(struct enlh_vmbus *bus, const void *message, uint32_t len)
{
    enlh_outbox_put_to(bus, bus->conn.vp, bus->conn.sint, message, len);
}

void
enlh_outbox_signal_after(struct enlh_vmbus *bus, uint32_t relid)
{
    enlh_outbox_at(bus, bus->outbox.count - 1)->signal_relid = relid;
}

/*
 * A guest may unmask the ring before it is told that the channel is open, and lose the
 * first interrupt: one more after the answer costs it one look into an empty ring.
 * Seen: OpenVMM does so 100 ms after every open.
 */
static void
enlh_outbox_signal(struct enlh_vmbus *bus, uint32_t relid)
{
    struct enlh_channel *channel = bus->by_relid[relid];
    uint32_t target;

    if (!channel || !atomic_load(&channel->is_open))
        return;
    target = atomic_load(&channel->hand.target_vp);
    if (target != ENL_VMBUS_VP_NO_INTERRUPT)
        (void)enlh_vp_signal_event(enlh_partition_vp(bus->partition, target),
                                   channel->wire.sint, relid);
}

static void
enlh_outbox_sent(struct enlh_vmbus *bus, const struct enlh_outbox_entry *entry)
{
    struct enl_vmbus_header head;

    memcpy(&head, entry->data, sizeof(head));
    enlh_log(bus->partition, ENLH_LOG_DEBUG, "vmbus: to VP %u: %s", entry->vp,
             enlh_message_name(head.type));
    if (entry->signal_relid)
        enlh_outbox_signal(bus, entry->signal_relid);
}

void
enlh_outbox_flush(struct enlh_vmbus *bus)
{
    while (bus->outbox.count) {
        const struct enlh_outbox_entry *entry = enlh_outbox_at(bus, 0);
        struct enlh_vp *vp = enlh_partition_vp(bus->partition, entry->vp);

        /* Before the attempt: the queue may drain between its refusal and a later store. */
        atomic_store(&bus->outbox.blocked, true);
        if (enlh_vp_post_message(vp, entry->sint, ENL_MESSAGE_VMBUS,
                                 ENL_VMBUS_CONNECTION_MESSAGE, entry->data,
                                 entry->len) < 0)
            return;
        enlh_outbox_sent(bus, entry);
        bus->outbox.head = (bus->outbox.head + 1) % ENLH_OUTBOX_LEN;
        bus->outbox.count--;
    }
    atomic_store(&bus->outbox.blocked, false);
}

void
enlh_outbox_clear(struct enlh_vmbus *bus)
{
    bus->outbox.count = 0;
}
