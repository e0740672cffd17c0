/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/scsi.c - the machine's SCSI controllers
 *
 * Run by the loop and by the machine's maker. Every controller has an instance of its own,
 * the same at each start, because a guest that resumes looks for it again. A controller
 * that leaves takes its disks along, and goes when its guest has let go of them.
 * Tests: test/unit/vmm_hotplug.c, test/os (DS01 to DS03).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/internal.h"

#define SUBCHANNELS_MAX 15u

static void
scsi_done(void *ctx)
{
    struct enlm_scsi *scsi = ctx;

    enlm_disk_drop_all(scsi);
    scsi->device.machine->scsi[scsi->index] = NULL;
    enlm_device_gone(&scsi->device);
}

/* The guest's requests so far, those that were refused included. */
static uint64_t
requests(const struct enlm_device *device)
{
    struct enlh_storage_counters n;

    enlh_storage_counters(((const struct enlm_scsi *)device)->storage, &n);
    return n.reads + n.writes + n.flushes + n.discards + n.others + n.refused;
}

static bool
has_disks(const struct enlm_device *device)
{
    return enlm_disk_is_any((const struct enlm_scsi *)device);
}

static void
rescind(struct enlm_device *device)
{
    struct enlm_scsi *scsi = (struct enlm_scsi *)device;

    enlm_disk_leave_all(scsi);
    enlh_storage_destroy(scsi->storage, scsi_done, scsi);
}

static const struct enlm_settle_ops settle_ops = {requests, has_disks, rescind};

/* First the disks, which the guest is told, then the controller. */
static void
scsi_unplug(struct enlm_device *device)
{
    struct enlm_scsi *scsi = (struct enlm_scsi *)device;

    if (enlm_settle_start(&scsi->settle, device, &settle_ops))
        enlm_disk_unplug_all(scsi);
    else
        rescind(device);
}

static void
scsi_free(struct enlm_device *device)
{
    free(device);
}

static const struct enlm_device_ops scsi_ops = {"scsi", scsi_unplug, scsi_free};

static int
create_storage(struct enlm_scsi *scsi)
{
    /* f8b3781a-1e82-4818-a1c3-63d806ec15bb and those after it */
    struct enl_guid instance = {{0x1a, 0x78, 0xb3, 0xf8, 0x82, 0x1e, 0x18, 0x48, 0xa1,
                                 0xc3, 0x63, 0xd8, 0x06, 0xec, 0x15, 0xbb}};
    struct enlm_machine *machine = scsi->device.machine;
    struct enlh_storage_config config;
    uint32_t others = machine->config.cpus - 1;

    instance.b[0] = (uint8_t)(instance.b[0] + scsi->index);
    memset(&config, 0, sizeof(config));
    config.size = sizeof(config);
    config.instance = instance;
    config.name = scsi->device.id;
    config.max_subchannels =
        (uint16_t)(others < SUBCHANNELS_MAX ? others : SUBCHANNELS_MAX);
    config.wake_fd = enlm_channels_wake_fd;
    config.wake_ctx = machine;
    return enlh_storage_create(machine->bus, &config, &scsi->storage);
}

static int
plug(struct enlm_scsi *scsi, const char *id)
{
    int err = enlm_device_add(&scsi->device, id);

    if (err) {
        free(scsi);
        return err;
    }
    err = create_storage(scsi);
    if (err)
        enlm_device_gone(&scsi->device);
    return err;
}

int
enlm_scsi_add(struct enlm_machine *machine, uint32_t index, const char *id,
              char why[ENLM_WHY])
{
    struct enlm_scsi *scsi;
    char own_id[ENLM_ID_LEN];
    int err;

    if (machine->scsi[index])
        return enlm_refuse(why, -ENL_E_EXIST, "SCSI controller %u is there already",
                           index);
    scsi = calloc(1, sizeof(*scsi));
    if (!scsi)
        return enlm_refuse(why, -ENL_E_NOMEM, "no memory");
    scsi->device.ops = &scsi_ops;
    scsi->device.machine = machine;
    scsi->index = index;
    snprintf(own_id, sizeof(own_id), "scsi%u", index);
    err = plug(scsi, id ? id : own_id);
    if (err)
        return enlm_refuse(why, err, "SCSI controller %u cannot be made: %s", index,
                           enlm_device_why(err));
    machine->scsi[index] = scsi;
    return 0;
}

static uint32_t
count(const struct enlm_machine *machine)
{
    uint32_t n = machine->config.controllers;

    for (size_t i = 0; i < machine->config.disk_count; i++) {
        if (machine->disks[i].controller >= n)
            n = machine->disks[i].controller + 1;
    }
    return n;
}

int
enlm_scsi_init(struct enlm_machine *machine, char why[ENLM_WHY])
{
    uint32_t n = count(machine);

    int err = 0;

    for (uint32_t i = 0; !err && i < n; i++)
        err = enlm_scsi_add(machine, i, NULL, why);
    return err;
}
