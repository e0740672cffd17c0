/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/disk.c - the machine's disks
 *
 * Run by the loop and by the machine's maker. A disk is a LUN of a controller. What it
 * stands on was opened by the machine's owner and is given back when the disk has gone.
 * Tests: test/os (DS01 to DS22).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/internal.h"

/* A LUN leaves with its controller. */
struct disk {
    struct enlm_device device;
    struct enlm_scsi *scsi;
    struct enlh_block block;
    void (*release)(struct enlh_block *block);
};

static void
disk_free(struct enlm_device *device)
{
    struct disk *disk = (struct disk *)device;

    if (disk->release && device->machine->owns_disks)
        disk->release(&disk->block);
    free(disk);
}

static const struct enlm_device_ops disk_ops = {"disk", NULL, disk_free};

static int
attach(struct enlm_scsi *scsi, const struct enlm_disk *disk, uint32_t number)
{
    struct enlh_disk unit;

    memset(&unit, 0, sizeof(unit));
    unit.block = disk->block;
    unit.lun = (uint8_t)disk->lun;
    unit.readonly = disk->readonly;
    snprintf(unit.vendor, sizeof(unit.vendor), "Enlight");
    snprintf(unit.product, sizeof(unit.product), "Virtual Disk");
    snprintf(unit.revision, sizeof(unit.revision), "1.0");
    if (disk->serial)
        snprintf(unit.serial, sizeof(unit.serial), "%s", disk->serial);
    else
        snprintf(unit.serial, sizeof(unit.serial), "enlight-%u", number);
    return enlh_storage_attach(scsi->storage, &unit);
}

static int
add(struct enlm_machine *machine, const struct enlm_disk *config)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    uint32_t number = machine->disk_number;
    char id[ENLM_ID];
    int err;

    if (!disk)
        return -ENL_E_NOMEM;
    disk->device.ops = &disk_ops;
    disk->device.machine = machine;
    disk->scsi = machine->scsi[config->controller];
    snprintf(id, sizeof(id), "disk%u", number);
    err = enlm_device_add(&disk->device, config->id ? config->id : id);
    if (err) {
        free(disk);
        return err;
    }
    err = attach(disk->scsi, config, number);
    if (err) {
        enlm_device_gone(&disk->device);
        return err;
    }
    disk->block = config->block;
    disk->release = config->release;
    machine->disk_number++;
    return 0;
}

int
enlm_disk_init(struct enlm_machine *machine, char why[ENLM_WHY])
{
    for (size_t i = 0; i < machine->config.disk_count; i++) {
        const struct enlm_disk *disk = &machine->disks[i];
        int err = add(machine, disk);

        if (err)
            return enlm_refuse(why, err, "disk %zu cannot be LUN %u of controller %u: %s",
                               i, disk->lun, disk->controller, strerror(-err));
    }
    return 0;
}

void
enlm_disk_drop_all(struct enlm_scsi *scsi)
{
    struct enlm_device *next;

    for (struct enlm_device *at = scsi->device.machine->devices.first; at; at = next) {
        next = at->next;
        if (at->ops == &disk_ops && ((struct disk *)at)->scsi == scsi)
            enlm_device_gone(at);
    }
}
