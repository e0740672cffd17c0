/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/disk.c - the machine's disks
 *
 * Run by the loop and by the machine's maker. A disk is a LUN of a controller. What it
 * stands on was opened by the machine's owner and is given back when the disk has gone.
 * Tests: test/unit/vmm_hotplug.c, test/os (DS01 to DS22).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/internal.h"

/* A LUN of a controller. */
struct disk {
    struct enlm_device device;
    struct enlm_scsi *scsi;
    uint32_t lun;
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

static void
disk_gone(void *ctx)
{
    enlm_device_gone(ctx);
}

/* A controller that leaves takes the disk with it, whatever has been asked for here. */
static void
disk_unplug(struct enlm_device *device)
{
    struct disk *disk = (struct disk *)device;

    (void)!enlh_storage_detach(disk->scsi->storage, (uint8_t)disk->lun, disk_gone, disk);
}

static const struct enlm_device_ops disk_ops = {"disk", disk_unplug, disk_free};

static int
attach(const struct disk *disk, const struct enlm_disk *config, uint32_t number)
{
    struct enlh_disk unit;

    memset(&unit, 0, sizeof(unit));
    if (disk->lun >= ENLM_LUNS)
        return -ENL_E_NOSPC;
    unit.block = config->block;
    unit.lun = (uint8_t)disk->lun;
    unit.readonly = config->readonly;
    snprintf(unit.vendor, sizeof(unit.vendor), "Enlight");
    snprintf(unit.product, sizeof(unit.product), "Virtual Disk");
    snprintf(unit.revision, sizeof(unit.revision), "1.0");
    if (config->serial)
        snprintf(unit.serial, sizeof(unit.serial), "%s", config->serial);
    else
        snprintf(unit.serial, sizeof(unit.serial), "enlight-%u", number);
    return enlh_storage_attach(disk->scsi->storage, &unit);
}

/* The first LUN of a controller that is free, or ENLM_LUNS. */
static uint32_t
free_lun(const struct enlm_scsi *scsi)
{
    uint64_t taken = 0;
    uint32_t lun = 0;

    for (struct enlm_device *at = scsi->device.machine->devices.first; at;
         at = at->next) {
        const struct disk *disk = (const struct disk *)at;

        if (at->ops == &disk_ops && disk->scsi == scsi)
            taken |= UINT64_C(1) << disk->lun;
    }
    while (lun < ENLM_LUNS && (taken >> lun & 1))
        lun++;
    return lun;
}

/* The number of the next disk, and the id that comes of it: one that nobody has. */
static uint32_t
next_number(struct enlm_machine *machine, char id[ENLM_ID_LEN])
{
    for (;; machine->disk_number++) {
        snprintf(id, ENLM_ID_LEN, "disk%u", machine->disk_number);
        if (!enlm_device_find(machine, id))
            return machine->disk_number;
    }
}

static int
plug(struct disk *disk, const struct enlm_disk *config)
{
    struct enlm_machine *machine = disk->device.machine;
    char id[ENLM_ID_LEN];
    uint32_t number = next_number(machine, id);
    int err;

    err = enlm_device_add(&disk->device, config->id ? config->id : id);
    if (err) {
        free(disk);
        return err;
    }
    err = attach(disk, config, number);
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
enlm_disk_add(struct enlm_machine *machine, const struct enlm_disk *config,
              char why[ENLM_WHY])
{
    struct enlm_scsi *scsi =
        config->controller < ENLM_CONTROLLERS ? machine->scsi[config->controller] : NULL;
    struct disk *disk;
    uint32_t lun;
    int err;

    if (!scsi || scsi->device.is_leaving)
        return enlm_refuse(why, -ENL_E_NOENT, "there is no SCSI controller %u",
                           config->controller);
    lun = config->lun == ENLM_LUN_ANY ? free_lun(scsi) : config->lun;
    disk = calloc(1, sizeof(*disk));
    if (!disk)
        return enlm_refuse(why, -ENL_E_NOMEM, "no memory");
    disk->device.ops = &disk_ops;
    disk->device.machine = machine;
    disk->scsi = scsi;
    disk->lun = lun;
    err = plug(disk, config);
    return err ? enlm_refuse(why, err, "the disk cannot be LUN %u of controller %u: %s",
                             lun, config->controller, enlm_device_why(err))
               : 0;
}

int
enlm_disk_init(struct enlm_machine *machine, char why[ENLM_WHY])
{
    int err = 0;

    for (size_t i = 0; !err && i < machine->config.disk_count; i++)
        err = enlm_disk_add(machine, &machine->disks[i], why);
    return err;
}

static int
resize(const struct disk *disk, uint64_t size)
{
    const struct enlh_block_ops *ops = disk->block.ops;
    int err;

    if (ops->size <= offsetof(struct enlh_block_ops, resize) || !ops->resize)
        return -ENL_E_NOTSUP;
    err = ops->resize(disk->block.backend, size);
    return err ? err : enlh_storage_resize(disk->scsi->storage, (uint8_t)disk->lun);
}

int
enlm_disk_resize(struct enlm_machine *machine, const char *id, uint64_t size,
                 char why[ENLM_WHY])
{
    struct enlm_device *device = enlm_device_find(machine, id);
    int err;

    if (!device || device->ops != &disk_ops || device->is_leaving)
        return enlm_refuse(why, -ENL_E_NOENT, "there is no disk '%.40s'", id);
    err = resize((struct disk *)device, size);
    if (!err)
        return 0;
    return enlm_refuse(why, err, "the disk '%s' cannot have %llu bytes: %s", id,
                       (unsigned long long)size,
                       err == -ENL_E_RANGE ? "that is no multiple of its blocks"
                                           : strerror(-err));
}

/* ---- all disks of a controller ---- */

/* The first of them from a device on, or NULL. */
static struct enlm_device *
disk_from(const struct enlm_scsi *scsi, struct enlm_device *at)
{
    while (at && !(at->ops == &disk_ops && ((struct disk *)at)->scsi == scsi))
        at = at->next;
    return at;
}

static struct enlm_device *
disk_first(const struct enlm_scsi *scsi)
{
    return disk_from(scsi, scsi->device.machine->devices.first);
}

/* One that has nothing in flight is out of the list within unplug(), or a turn later. */
void
enlm_disk_unplug_all(struct enlm_scsi *scsi)
{
    struct enlm_device *next;

    for (struct enlm_device *at = disk_first(scsi); at; at = next) {
        next = disk_from(scsi, at->next);
        enlm_device_unplug(at);
    }
}

bool
enlm_disk_is_any(const struct enlm_scsi *scsi)
{
    return disk_first(scsi);
}

void
enlm_disk_leave_all(struct enlm_scsi *scsi)
{
    for (struct enlm_device *at = disk_first(scsi); at; at = disk_from(scsi, at->next))
        at->is_leaving = true;
}

void
enlm_disk_drop_all(struct enlm_scsi *scsi)
{
    struct enlm_device *next;

    for (struct enlm_device *at = disk_first(scsi); at; at = next) {
        next = disk_from(scsi, at->next);
        enlm_device_gone(at);
    }
}
