/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bus.c - the connection to VMBus, and who gets the devices that are offered
 *
 * The library never waits: it is polled by the boot processor when an interrupt said so.
 */
#include <enlight/abi/guids.h>
#include <enlight/guest/driver.h>

#include "unikernel.h"

#define CHANNELS 64u

static struct enlg_vmbus bus;
static struct enlg_channel channels[CHANNELS];
/* For hosts that are older than 5.0. */
static uint8_t interrupt_page[PAGE] __attribute__((aligned(4096)));

static const struct enlg_driver drivers[] = {
    {.type = ENL_GUID_HEARTBEAT, .probe = heartbeat_probe},
    {.type = ENL_GUID_SHUTDOWN, .probe = shutdown_probe},
    {.type = ENL_GUID_TIMESYNC, .probe = timesync_probe},
    {.type = ENL_GUID_SCSI, .probe = disk_probe},
    {.type = ENL_GUID_NET, .probe = net_probe, .probe_sub = net_probe_sub},
};

static bool has_all_offers, has_failed, is_unloaded;

/* ---- in ---- */

static void
bus_event(void *ctx, struct enlg_vmbus *from, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    (void)ctx;
    (void)from;
    (void)channel;
    if (event == ENLG_VMBUS_EVENT_ALL_OFFERS)
        has_all_offers = true;
    if (event == ENLG_VMBUS_EVENT_FAILED)
        has_failed = true;
    if (event == ENLG_VMBUS_EVENT_UNLOADED)
        is_unloaded = true;
}

/* Events are looked at here, on the processor that has them; messages by bus_step(). */
void
bus_interrupt(struct frame *frame)
{
    (void)frame;
    (void)enlg_vmbus_events(&bus, &synics[cpu_this()->index]);
    cpus_wake(cpu_this()->index);
}

void
bus_step(void)
{
    (void)enlg_vmbus_poll(&bus);
    services_poll();
    net_poll();
    cpus_rest();
}

void
bus_status(struct text *to)
{
    uint32_t version = enlg_vmbus_version(&bus);

    text_add(to, "bus: VMBus %u.%u\n", version >> 16, version & 0xFFFF);
}

/* ---- start and end ---- */

bool
bus_start(void)
{
    struct enlg_vmbus_config config;
    uint32_t offers = 0;
    int rc;

    enlg_vmbus_config_defaults(&config);
    config.synic = &synics[0];
    config.channels = channels;
    config.channel_count = CHANNELS;
    config.interrupt_page = interrupt_page;
    config.event = bus_event;
    config.drivers = drivers;
    config.driver_count = sizeof(drivers) / sizeof(drivers[0]);
    rc = enlg_vmbus_init(&bus, &partition, &config);
    if (rc == -ENL_E_ACCESS) {
        report_skip("U07", "VMBus", "not announced");
        return false;
    }
    if (!rc)
        rc = enlg_vmbus_connect(&bus);
    if (rc || !BUS_UNTIL(has_all_offers || has_failed) || has_failed) {
        report_rc(rc ? rc : -ENL_E_TIMEDOUT, "U07", "no connection to VMBus");
        return false;
    }
    while (enlg_vmbus_channel(&bus, offers))
        offers++;
    report(true, "U07", "VMBus %u.%u, %u channels offered",
           enlg_vmbus_version(&bus) >> 16, enlg_vmbus_version(&bus) & 0xFFFF, offers);
    return true;
}

void
bus_stop(void)
{
    int rc = enlg_vmbus_unload(&bus);

    if (!rc && !BUS_UNTIL(is_unloaded)) {
        rc = -ENL_E_TIMEDOUT;
        enlg_vmbus_abandon(&bus);
    }
    report_rc(rc, "V33", "the host has let go of everything");
}
