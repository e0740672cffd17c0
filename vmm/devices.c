/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/devices.c - VMBus, and the coming and going of all that is on it
 *
 * Run by the machine's maker and by the loop. The order of the offers is the order here.
 * Tests: test/os (X12, X13).
 */
#include <string.h>

#include "vmm/internal.h"

#define POLL_MS 10

static int
make_bus(struct enlm_machine *machine)
{
    struct enlh_vmbus_config config;

    enlh_vmbus_config_defaults(&config);
    if (machine->config.max_vmbus_version)
        config.max_version = machine->config.max_vmbus_version;
    config.offer_seed = machine->config.offer_seed;
    return enlh_vmbus_create(machine->partition, &config, &enlm_channels_ops, machine,
                             &machine->bus);
}

int
enlm_devices_init(struct enlm_machine *machine, char why[ENLM_WHY])
{
    int err;

    if (!(machine->config.features.set & ENLH_F_BIT(ENLH_F_SYNIC))) {
        if (machine->config.disk_count || machine->config.nic_count)
            return enlm_refuse(why, -ENL_E_INVAL,
                               "disks and NICs need VMBus, and VMBus needs the feature "
                               "synic");
        return 0;
    }
    err = make_bus(machine);
    if (err)
        return enlm_refuse(why, err, "cannot make VMBus: %s", strerror(-err));
    err = enlm_scsi_init(machine, why);
    if (!err)
        err = enlm_disk_init(machine, why);
    if (!err)
        err = enlm_nic_init(machine, why);
    if (err)
        return err;
    err = enlm_services_init(machine);
    return err ? enlm_refuse(why, err, "cannot make the integration services: %s",
                             strerror(-err))
               : 0;
}

void
enlm_devices_reset(struct enlm_machine *machine)
{
    if (!machine->bus)
        return;
    enlh_vmbus_reset(machine->bus);
    for (;;) {
        while (enlh_vmbus_poll(machine->bus))
            ;
        if (enlh_vmbus_idle(machine->bus))
            return;
        enlm_loop_once(&machine->loop, POLL_MS);
    }
}

/* The first that was not unplugged yet, or NULL. */
static struct enlm_device *
next_to_unplug(const struct enlm_machine *machine)
{
    struct enlm_device *device = machine->devices.first;

    while (device && device->is_leaving)
        device = device->next;
    return device;
}

void
enlm_devices_fini(struct enlm_machine *machine)
{
    struct enlm_device *device;

    if (!machine->bus)
        return;
    enlm_devices_reset(machine);
    enlm_services_fini(machine);
    while ((device = next_to_unplug(machine)))
        enlm_device_unplug(device);
    while (machine->devices.first || !enlh_vmbus_idle(machine->bus)) {
        while (enlh_vmbus_poll(machine->bus))
            ;
        if (machine->devices.first)
            enlm_loop_once(&machine->loop, POLL_MS);
    }
    enlh_vmbus_destroy(machine->bus);
    machine->bus = NULL;
    enlm_worker_fini(&machine->workers);
}
