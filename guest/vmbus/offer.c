/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/offer.c - offers at any time and in any order, rescinds, released relids
 *
 * Run by the host through control messages, which are private copies here. A relid names
 * one channel until the guest has released it; a host that offers a relid or an instance
 * twice is not believed. The map from relid to channel is read by other processors when
 * an event flag arrives, so a channel is complete before it is entered there.
 * Tests: test/unit/guest_vmbus.c, test/loop/contact.c, test/loop/life.c.
 */
#include "guest/vmbus/bus.h"

static void
map_set(struct bus *bus, uint32_t relid, uint32_t value)
{
    __atomic_store_n(&bus->by_relid[relid], (uint16_t)value, __ATOMIC_RELEASE);
}

struct chan *
enlg_offer_find(const struct bus *bus, uint32_t relid)
{
    uint16_t slot = 0;

    if (relid <= ENL_VMBUS_RELID_MAX)
        slot = __atomic_load_n(&bus->by_relid[relid], __ATOMIC_ACQUIRE);
    return slot ? bus_slot(bus, slot - 1u) : NULL;
}

/* The same device is there already. A rescinded one may come back before it is gone. */
static bool
instance_is_there(const struct bus *bus, const struct enl_vmbus_offer *offer)
{
    for (uint32_t i = 0; i < bus->config.channel_count; i++) {
        const struct chan *chan = bus_slot(bus, i);

        if (chan_state(chan) == CHAN_FREE || chan_is_rescinded(chan))
            continue;
        if (chan->info.subchannel == offer->subchannel_index &&
            memcmp(&chan->info.instance, &offer->instance_id,
                   sizeof(offer->instance_id)) == 0)
            return true;
    }
    return false;
}

static struct chan *
slot_find_free(const struct bus *bus, uint32_t *slot)
{
    for (*slot = 0; *slot < bus->config.channel_count; (*slot)++) {
        struct chan *chan = bus_slot(bus, *slot);

        if (chan_state(chan) == CHAN_FREE)
            return chan;
    }
    return NULL;
}

static void
info_fill(struct enlg_channel_info *info, const struct enl_vmbus_offer *offer)
{
    info->type = offer->class_id;
    info->instance = offer->instance_id;
    info->relid = offer->relid;
    info->connection_id = offer->connection_id;
    info->subchannel = offer->subchannel_index;
    info->flags = offer->flags;
    info->mmio_mib = offer->mmio_megabytes;
    info->mmio_optional_mib = offer->mmio_megabytes_optional;
    info->dedicated = (offer->is_dedicated & 1) != 0;
    memcpy(info->user_defined, offer->user_defined, sizeof(info->user_defined));
}

static void
offer_refuse(struct bus *bus, const char *why)
{
    if (bus->counters.offers_refused++ == 0)
        log_line(bus->partition, ENLG_LOG_WARN, why);
}

void
enlg_offer_received(struct bus *bus, const struct enl_vmbus_offer *offer)
{
    struct chan *chan;
    uint32_t slot;

    if (offer->relid < ENL_VMBUS_RELID_MIN || offer->relid > ENL_VMBUS_RELID_MAX ||
        enlg_offer_find(bus, offer->relid) || instance_is_there(bus, offer)) {
        offer_refuse(bus, "vmbus: an offer repeats a relid or an instance");
        return;
    }
    chan = slot_find_free(bus, &slot);
    if (!chan) {
        offer_refuse(bus, "vmbus: more offers than the kernel has places for");
        return;
    }
    /* Not the whole slot: a processor may still look at the one that was here before. */
    __atomic_store_n(&chan->rescinded, false, __ATOMIC_RELEASE);
    chan->bus = bus;
    chan->driver = NULL;
    chan->data = NULL;
    chan->gpadls = NULL;
    info_fill(&chan->info, offer);
    chan_set_state(chan, CHAN_OFFERED);
    map_set(bus, offer->relid, slot + 1);
    enlg_driver_offered(chan);
}

static void
relid_release(struct bus *bus, uint32_t relid)
{
    struct enl_vmbus_relid *m = enlg_vmbus_message(bus, ENL_VMBUS_RELID_RELEASED);

    m->relid = relid;
    /* A host that does not hear it keeps the relid: nothing that this side depends on. */
    if (enlg_vmbus_post(bus, sizeof(*m)))
        log_line(bus->partition, ENLG_LOG_WARN, "vmbus: a relid could not be released");
}

void
enlg_offer_release(struct chan *chan)
{
    struct bus *bus = chan->bus;

    map_set(bus, chan->info.relid, 0);
    relid_release(bus, chan->info.relid);
    enlg_driver_gone(chan);
    chan_set_state(chan, CHAN_FREE);
}

void
enlg_offer_rescinded(struct bus *bus, uint32_t relid)
{
    struct chan *chan = enlg_offer_find(bus, relid);

    if (relid < ENL_VMBUS_RELID_MIN || relid > ENL_VMBUS_RELID_MAX ||
        (chan && chan_is_rescinded(chan))) {
        enlg_vmbus_malformed(bus);
        return;
    }
    if (!chan) { /* an offer that had no place */
        relid_release(bus, relid);
        return;
    }
    __atomic_store_n(&chan->rescinded, true, __ATOMIC_RELEASE);
    if (chan_state(chan) == CHAN_OFFERED)
        enlg_offer_release(chan);
    else
        enlg_channel_rescind(chan);
}

void
enlg_offer_drop_all(struct bus *bus, int why)
{
    for (uint32_t i = 0; i < bus->config.channel_count; i++) {
        struct chan *chan = bus_slot(bus, i);

        if (chan_state(chan) == CHAN_FREE)
            continue;
        map_set(bus, chan->info.relid, 0);
        enlg_channel_drop(chan, why);
        enlg_driver_gone(chan);
        chan_set_state(chan, CHAN_FREE);
    }
}
