/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Offers: which channels there are, and what the guest is told of them.
 *
 * Runs: devices, by offering and taking back; the guest, by REQUEST_OFFERS and
 * RELID_RELEASED; all on the loop. A relid belongs to a channel from its offer until
 * nobody holds it, so the guest never meets an old relid with a new meaning, and a guest
 * that connects again sees the same numbers. OFFER and RESCIND leave through one list, in
 * the order in which they came to be. [VMBus; no chapter in the TLFS]
 * Tests: test/unit/vmbus_offers.c, vmbus_channel.c.
 */
#include <string.h>

#include "host/vmbus/channel.h"

#define ENLH_OFFER_PAYLOAD_MAX 65536u
#define ENLH_OFFER_SPANS_MAX   8192u

/* ---- a new channel ---- */

static bool
enlh_offer_same(const struct enlh_channel *channel, const struct enlh_offer *offer)
{
    return channel->offer.subchannel == offer->subchannel &&
           memcmp(&channel->offer.instance, &offer->instance, sizeof(offer->instance)) ==
               0;
}

static bool
enlh_offer_exists(const struct enlh_vmbus *bus, const struct enlh_offer *offer)
{
    for (struct enlh_link *at = bus->channels.next; at != &bus->channels; at = at->next)
        if (enlh_offer_same(ENLH_LIST_OF(at, struct enlh_channel, bus_link), offer))
            return true;
    return false;
}

/* The next free one after the last: a number rests as long as possible. */
static uint32_t
enlh_offer_relid(struct enlh_vmbus *bus)
{
    for (uint32_t i = 1; i <= ENL_VMBUS_RELID_MAX; i++) {
        uint32_t relid =
            (bus->last_relid + i - ENL_VMBUS_RELID_MIN) % ENL_VMBUS_RELID_MAX +
            ENL_VMBUS_RELID_MIN;

        if (!bus->by_relid[relid])
            return relid;
    }
    return 0;
}

static void
enlh_offer_set_name(struct enlh_channel *channel, const char *name)
{
    for (size_t i = 0; name && name[i] && i < sizeof(channel->name) - 1; i++)
        channel->name[i] = name[i];
}

static void
enlh_offer_link(struct enlh_vmbus *bus, struct enlh_channel *channel)
{
    bus->last_relid = channel->relid;
    bus->by_relid[channel->relid] = channel;
    atomic_store(&bus->doors[channel->relid].known, true);
    enlh_list_append(&bus->channels, &channel->bus_link);
    if (bus->conn.offers_requested) {
        enlh_list_append(&bus->notices, &channel->notice);
        enlh_bus_attend(bus);
    }
}

static bool
enlh_offer_ok(const struct enlh_offer *offer, const struct enlh_channel_ops *ops)
{
    return offer->size && ops->size >= offsetof(struct enlh_channel_ops, quiesce) &&
           ops->packet && ops->max_payload <= ENLH_OFFER_PAYLOAD_MAX &&
           ops->max_spans <= ENLH_OFFER_SPANS_MAX;
}

int
enlh_channel_offer(struct enlh_vmbus *bus, const struct enlh_offer *offer,
                   const struct enlh_channel_ops *ops, void *dev,
                   struct enlh_channel **out)
{
    struct enlh_channel *channel;
    uint32_t relid;

    if (!enlh_offer_ok(offer, ops))
        return -ENL_E_INVAL;
    if (enlh_offer_exists(bus, offer))
        return -ENL_E_EXIST;
    relid = enlh_offer_relid(bus);
    if (!relid)
        return -ENL_E_NOSPC;
    channel = enlh_bus_alloc(bus, sizeof(*channel));
    if (!channel)
        return -ENL_E_NOMEM;
    channel->bus = bus;
    channel->dev = dev;
    channel->relid = relid;
    enlh_bus_adopt(&channel->ops, sizeof(channel->ops), ops, ops->size);
    enlh_bus_adopt(&channel->offer, sizeof(channel->offer), offer, offer->size);
    enlh_offer_set_name(channel, offer->name);
    channel->offer.name = channel->name;
    atomic_store(&channel->hand.target_vp, ENL_VMBUS_VP_NO_INTERRUPT);
    enlh_list_init(&channel->notice);
    enlh_list_init(&channel->gpadls);
    enlh_offer_link(bus, channel);
    *out = channel;
    return 0;
}

void
enlh_channel_rescind(struct enlh_channel *channel)
{
    struct enlh_vmbus *bus = channel->bus;

    if (!enlh_channel_event(channel, ENLH_EV_RESCIND))
        return;
    enlh_bus_count(&bus->counts.rescinds);
    enlh_log(bus->partition, ENLH_LOG_INFO, "vmbus: %s (relid %u): taken back",
             channel->name, channel->relid);
    enlh_bus_attend(bus);
}

/* ---- REQUEST_OFFERS ---- */

/* A step of a generator that is good enough to mix an order. [SplitMix64] */
static uint64_t
enlh_offer_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void
enlh_offer_shuffle(uint16_t *relids, uint32_t count, uint64_t seed)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)(enlh_offer_random(&seed) % i);
        uint16_t keep = relids[i - 1];

        relids[i - 1] = relids[j];
        relids[j] = keep;
    }
}

/* The relids of the first channels, or of the sub-channels, in the order of creation. */
static uint32_t
enlh_offer_list(struct enlh_vmbus *bus, bool subchannels, uint16_t *relids)
{
    uint32_t count = 0;

    for (struct enlh_link *at = bus->channels.next; at != &bus->channels; at = at->next) {
        const struct enlh_channel *channel =
            ENLH_LIST_OF(at, struct enlh_channel, bus_link);

        if (channel->state == ENLH_CH_UNOFFERED &&
            (channel->offer.subchannel != 0) == subchannels)
            relids[count++] = (uint16_t)channel->relid;
    }
    return count;
}

/* Sub-channels last: Linux 6.1 drops one whose first channel it does not know yet. */
void
enlh_offer_request(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    (void)entry;

    if (bus->conn.offers_requested) {
        enlh_message_bad(bus, "REQUEST_OFFERS", "asked for already");
        return;
    }
    bus->conn.offers_requested = true;
    bus->conn.all_offers_due = true;
    for (int subchannels = 0; subchannels < 2; subchannels++) {
        uint32_t count = enlh_offer_list(bus, subchannels, bus->shuffled);

        if (bus->config.offer_seed)
            enlh_offer_shuffle(bus->shuffled, count, bus->config.offer_seed);
        for (uint32_t i = 0; i < count; i++)
            enlh_list_append(&bus->notices, &bus->by_relid[bus->shuffled[i]]->notice);
    }
}

/* ---- OFFER, RESCIND, ALL_OFFERS_DELIVERED ---- */

static void
enlh_offer_send(struct enlh_vmbus *bus, struct enlh_channel *channel)
{
    const struct enlh_offer *offer = &channel->offer;
    struct enl_vmbus_offer message = {
        .head = {.type = ENL_VMBUS_OFFER_CHANNEL},
        .class_id = offer->type,
        .instance_id = offer->instance,
        .flags = offer->flags,
        .mmio_megabytes = offer->mmio_mib,
        .mmio_megabytes_optional = offer->mmio_optional_mib,
        .subchannel_index = offer->subchannel,
        .relid = channel->relid,
        .is_dedicated = 1,
        .connection_id = ENLH_BUS_DOOR_BASE | channel->relid,
    };

    memcpy(message.user_defined, offer->user_defined, sizeof(message.user_defined));
    enlh_outbox_put(bus, &message, sizeof(message));
    enlh_bus_count(&bus->counts.offers);
    (void)enlh_channel_event(channel, ENLH_EV_OFFER);
}

static void
enlh_offer_send_rescind(struct enlh_vmbus *bus, const struct enlh_channel *channel)
{
    struct enl_vmbus_relid message = {
        .head = {.type = ENL_VMBUS_RESCIND_OFFER},
        .relid = channel->relid,
    };

    enlh_outbox_put(bus, &message, sizeof(message));
}

void
enlh_offer_settle(struct enlh_vmbus *bus)
{
    struct enl_vmbus_header all = {.type = ENL_VMBUS_ALL_OFFERS_DELIVERED};

    while (!enlh_list_empty(&bus->notices) && enlh_outbox_room(bus)) {
        struct enlh_channel *channel =
            ENLH_LIST_OF(bus->notices.next, struct enlh_channel, notice);

        enlh_list_remove(&channel->notice);
        if (channel->state == ENLH_CH_UNOFFERED)
            enlh_offer_send(bus, channel);
        else
            enlh_offer_send_rescind(bus, channel);
    }
    if (bus->conn.all_offers_due && enlh_list_empty(&bus->notices) &&
        enlh_outbox_room(bus)) {
        bus->conn.all_offers_due = false;
        enlh_outbox_put(bus, &all, sizeof(all));
    }
}

/* ---- RELID_RELEASED, and the end of a channel ---- */

void
enlh_offer_released(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_relid released;
    struct enlh_channel *channel;

    memcpy(&released, entry->data, sizeof(released));
    channel = enlh_channel_held(bus, released.relid);
    if (!channel || !enlh_channel_event(channel, ENLH_EV_RELEASE))
        enlh_message_bad(bus, channel ? channel->name : "RELID_RELEASED",
                         "cannot be released now");
}

static void
enlh_offer_remove(struct enlh_vmbus *bus, struct enlh_channel *channel)
{
    enlh_list_remove(&channel->bus_link);
    enlh_list_remove(&channel->notice);
    bus->by_relid[channel->relid] = NULL;
    atomic_store(&bus->doors[channel->relid].known, false);
    if (channel->ops.removed)
        channel->ops.removed(channel->dev, channel);
    enlh_bus_free(bus, channel, sizeof(*channel));
}

void
enlh_offer_reap(struct enlh_vmbus *bus)
{
    struct enlh_link *next;

    for (struct enlh_link *at = bus->channels.next; at != &bus->channels; at = next) {
        struct enlh_channel *channel = ENLH_LIST_OF(at, struct enlh_channel, bus_link);

        next = at->next;
        if (channel->state == ENLH_CH_REMOVED)
            enlh_offer_remove(bus, channel);
    }
}
