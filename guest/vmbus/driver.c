/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/driver.c - binds channels to the drivers of the kernel's table
 *
 * Run by the host, which offers and takes away in any order, and by the kernel. What an
 * offer says is a private copy by now. A sub-channel that comes before its first channel
 * waits for it without a word.
 * Tests: test/unit/guest_driver.c.
 */
#include "enlight/guest/driver.h"
#include "guest/vmbus/bus.h"

static bool
is_class(const struct enlg_driver *driver, const struct chan *chan)
{
    return memcmp(&driver->type, &chan->info.type, sizeof(driver->type)) == 0;
}

/* Returns 0 when the driver takes the channel. */
static int
driver_try(const struct enlg_driver *driver, struct chan *chan, struct chan *first)
{
    int rc = -ENL_E_NODEV;

    chan->driver = driver;
    if (!first)
        rc = driver->probe(driver->ctx, chan_public(chan));
    else if (driver->probe_sub)
        rc = driver->probe_sub(driver->ctx, chan_public(chan), chan_public(first));
    if (rc)
        chan->driver = NULL;
    return rc;
}

/* The driver of a sub-channel is that of its first channel, or nobody. */
static int
driver_find_sub(struct chan *chan)
{
    struct chan *first = chan_of(enlg_channel_first(chan_public(chan)));

    return first && first->driver ? driver_try(first->driver, chan, first) : -ENL_E_NODEV;
}

/* The sub-channels that were there before their first channel. */
static void
subs_bind(struct bus *bus, const struct chan *first)
{
    for (uint32_t i = 0; i < bus->config.channel_count; i++) {
        struct chan *chan = bus_slot(bus, i);

        if (chan_state(chan) == CHAN_OFFERED && chan->info.subchannel != 0 &&
            !chan->driver && !chan_is_rescinded(chan) &&
            enlg_channel_first(chan_public(chan)) == (const void *)first)
            (void)driver_find_sub(chan);
    }
}

static int
driver_find(struct chan *chan)
{
    const struct enlg_vmbus_config *config = &chan->bus->config;

    if (chan->info.subchannel != 0)
        return driver_find_sub(chan);
    for (uint32_t i = 0; i < config->driver_count; i++) {
        if (!is_class(&config->drivers[i], chan) ||
            driver_try(&config->drivers[i], chan, NULL))
            continue;
        subs_bind(chan->bus, chan);
        return 0;
    }
    return -ENL_E_NODEV;
}

/* A sub-channel whose first channel may still come, and find a driver. */
static bool
waits_for_first(const struct chan *chan)
{
    const struct enlg_vmbus_config *config = &chan->bus->config;

    if (chan->info.subchannel == 0 || enlg_channel_first((const void *)chan))
        return false;
    for (uint32_t i = 0; i < config->driver_count; i++) {
        if (is_class(&config->drivers[i], chan))
            return true;
    }
    return false;
}

void
enlg_driver_offered(struct chan *chan)
{
    if (driver_find(chan) && !waits_for_first(chan))
        enlg_vmbus_tell(chan->bus, ENLG_VMBUS_EVENT_OFFER, chan);
}

static void
driver_remove(struct chan *chan)
{
    const struct enlg_driver *driver = chan->driver;

    chan->driver = NULL;
    if (driver->remove)
        driver->remove(driver->ctx, chan_public(chan));
}

void
enlg_driver_gone(struct chan *chan)
{
    if (chan->driver)
        driver_remove(chan);
    else
        enlg_vmbus_tell(chan->bus, ENLG_VMBUS_EVENT_GONE, chan);
}

int
enlg_driver_bind(struct enlg_channel *channel)
{
    struct chan *chan = chan_of(channel);

    if (chan->driver || chan_state(chan) != CHAN_OFFERED)
        return -ENL_E_BUSY;
    if (chan_is_rescinded(chan))
        return -ENL_E_CONNRESET;
    return driver_find(chan) ? -ENL_E_NODEV : 0;
}

int
enlg_driver_unbind(struct enlg_channel *channel)
{
    struct chan *chan = chan_of(channel);

    if (!chan->driver)
        return -ENL_E_INVAL;
    if (chan_state(chan) != CHAN_OFFERED)
        return -ENL_E_BUSY;
    driver_remove(chan);
    return 0;
}

const struct enlg_driver *
enlg_driver_of(const struct enlg_channel *channel)
{
    return ((const struct chan *)channel)->driver;
}
