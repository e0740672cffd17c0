/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/place.c - spreads channels over processors, and frees a processor of them
 *
 * Run by the kernel's bus thread. Trusts nothing of the host's but what an offer's class
 * says the device is. [Seen: Linux spreads disks and networks alike, and keeps the rest on
 * the connect processor.]
 * Tests: test/unit/guest_place.c.
 */
#include "enlight/guest/place.h"
#include "enlight/abi/guids.h"
#include "guest/vmbus/bus.h"

static const struct enl_guid fast[] = {ENL_GUID_SCSI, ENL_GUID_NET, ENL_GUID_IDE,
                                       ENL_GUID_FIBRE_CHANNEL};

static bool
is_fast(const struct chan *chan)
{
    for (size_t i = 0; i < sizeof(fast) / sizeof(fast[0]); i++) {
        if (memcmp(&chan->info.type, &fast[i], sizeof(fast[i])) == 0)
            return true;
    }
    return false;
}

bool
enlg_place_is_fast(const struct enlg_channel *channel)
{
    return is_fast((const struct chan *)channel);
}

/* It interrupts the VP, or will when its move is done. */
static bool
is_on(const struct chan *chan, uint32_t vp)
{
    return chan_state(chan) > CHAN_OFFERED &&
           (chan->config.vp == vp || (chan->moving && chan->move_vp == vp));
}

static bool
same_device(const struct chan *a, const struct chan *b)
{
    return memcmp(&a->info.instance, &b->info.instance, sizeof(a->info.instance)) == 0 &&
           memcmp(&a->info.type, &b->info.type, sizeof(a->info.type)) == 0;
}

/* How little a VP suits a channel: its device's channels there, then all fast ones. */
static uint64_t
load_of(const struct chan *chan, uint32_t vp)
{
    const struct bus *bus = chan->bus;
    uint64_t own = 0, all = 0;

    for (uint32_t i = 0; i < bus->config.channel_count; i++) {
        const struct chan *other = bus_slot(bus, i);

        if (other == chan || !is_on(other, vp) || !is_fast(other))
            continue;
        all++;
        own += same_device(other, chan);
    }
    return own << 32 | all;
}

uint32_t
enlg_place_pick(const struct enlg_channel *channel, const uint32_t *vps,
                uint32_t vp_count)
{
    const struct chan *chan = (const struct chan *)channel;
    uint64_t least = UINT64_MAX;
    uint32_t best = enlg_synic_vp(chan->bus->config.synic);

    if (!is_fast(chan))
        return best;
    for (uint32_t i = 0; i < vp_count; i++) {
        uint64_t load = load_of(chan, vps[i]);

        if (load < least) {
            least = load;
            best = vps[i];
        }
    }
    return best;
}

struct enlg_channel *
enlg_place_channel(const struct enlg_vmbus *out, uint32_t vp, uint32_t i)
{
    const struct bus *bus = (const struct bus *)out;

    for (uint32_t slot = 0; slot < bus->config.channel_count; slot++) {
        if (is_on(bus_slot(bus, slot), vp) && i-- == 0)
            return chan_public(bus_slot(bus, slot));
    }
    return NULL;
}

static bool
list_is_good(uint32_t vp, const uint32_t *vps, uint32_t vp_count)
{
    for (uint32_t i = 0; i < vp_count; i++) {
        if (vps[i] == vp)
            return false;
    }
    return vp_count != 0;
}

int
enlg_place_evacuate(struct enlg_vmbus *out, uint32_t vp, const uint32_t *vps,
                    uint32_t vp_count)
{
    struct bus *bus = bus_of(out);
    int left = 0;

    if (!list_is_good(vp, vps, vp_count))
        return -ENL_E_INVAL;
    if (enlg_synic_vp(bus->config.synic) == vp)
        return -ENL_E_BUSY;
    for (uint32_t slot = 0; slot < bus->config.channel_count; slot++) {
        struct chan *chan = bus_slot(bus, slot);

        if (!is_on(chan, vp))
            continue;
        if (chan_state(chan) == CHAN_OPEN && !chan->moving) {
            int rc = enlg_channel_move(chan_public(chan),
                                       enlg_place_pick(chan_public(chan), vps, vp_count));

            if (rc)
                return rc;
        }
        left += is_on(chan, vp);
    }
    return left;
}
