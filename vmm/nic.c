/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/nic.c - the machine's network adapters
 *
 * Run by the loop and by the machine's maker. Every NIC has an instance of its own and, unless
 * the user says another, an address of its own, the same at each start. What it stands on
 * was opened by the machine's owner and is given back when the guest has let go of the NIC.
 * One that leaves loses its cable first.
 * Tests: test/unit/vmm_hotplug.c, test/os (DN01 and on).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enlight/host/nic.h"
#include "vmm/internal.h"

#define QUEUES_MAX 64u
#define NICS_MAX   256u /* their instances differ in one byte */

struct nic {
    struct enlm_device device;
    struct enlh_nic *nic;
    struct enlh_net net;
    void (*release)(struct enlh_net *net);
    struct enlm_settle settle; /* while it is leaving */
    uint32_t number;           /* no other NIC has it now */
};

static void
nic_done(void *ctx)
{
    struct nic *nic = ctx;

    enlm_device_gone(&nic->device);
}

static void
rescind(struct enlm_device *device)
{
    struct nic *nic = (struct nic *)device;

    enlh_nic_destroy(nic->nic, nic_done, nic);
}

/* Frames and control messages of the guest so far, those that were refused included. */
static uint64_t
messages(const struct enlm_device *device)
{
    struct enlh_nic_counters n;

    enlh_nic_counters(((const struct nic *)device)->nic, UINT32_MAX, &n);
    return n.tx_frames + n.control + n.refused;
}

static const struct enlm_settle_ops settle_ops = {.heard = messages, .rescind = rescind};

/* A guest whose cable is out sends no more. */
static void
nic_unplug(struct enlm_device *device)
{
    struct nic *nic = (struct nic *)device;

    if (enlm_settle_start(&nic->settle, device, &settle_ops))
        enlh_nic_set_link(nic->nic, false);
    else
        rescind(device);
}

static void
nic_free(struct enlm_device *device)
{
    struct nic *nic = (struct nic *)device;

    if (nic->release && device->machine->owns_disks)
        nic->release(&nic->net);
    free(nic);
}

static const struct enlm_device_ops nic_ops = {"nic", nic_unplug, nic_free};

static uint16_t
subchannels(const struct enlm_machine *machine, uint32_t queues)
{
    uint32_t count = machine->config.cpus;

    if (queues && queues < count)
        count = queues;
    return (uint16_t)((count < QUEUES_MAX ? count : QUEUES_MAX) - 1);
}

static int
create(struct nic *nic, const struct enlm_nic *config)
{
    static const uint8_t no_mac[6];
    struct enlm_machine *machine = nic->device.machine;
    uint8_t number = (uint8_t)nic->number;
    /* 6f2ca4b8-5b19-4d3b-9e0c-0a4d9cbf1600 and those after it */
    struct enlh_nic_config own = {
        .size = sizeof(own),
        .instance = {{0xb8, 0xa4, 0x2c, 0x6f, 0x19, 0x5b, 0x3b, 0x4d, 0x9e, 0x0c, 0x0a,
                      0x4d, 0x9c, 0xbf, 0x16, number}},
        .name = nic->device.id,
        .friendly_name = nic->device.id,
        .mac = {0x00, 0x15, 0x5d, 0xe1, 0x16, number},
        .max_subchannels = subchannels(machine, config->queues),
        .mtu = config->mtu,
        .link_down = config->link_down,
        .net = config->net,
        .wake_fd = enlm_channels_wake_fd,
        .watch = enlm_channels_watch,
        .unwatch = enlm_channels_unwatch,
        .wake_ctx = machine,
    };

    if (memcmp(config->mac, no_mac, sizeof(no_mac)) != 0)
        memcpy(own.mac, config->mac, sizeof(own.mac));
    return enlh_nic_create(machine->bus, &own, &nic->nic);
}

static bool
number_is_taken(const struct enlm_machine *machine, uint32_t number)
{
    const struct enlm_device *at = machine->devices.first;

    while (at && !(at->ops == &nic_ops && ((const struct nic *)at)->number == number))
        at = at->next;
    return at;
}

/* The first that is free, and whose id is free where it becomes one. */
static int
take_number(struct nic *nic, char id[ENLM_ID_LEN], bool id_is_given)
{
    const struct enlm_machine *machine = nic->device.machine;

    for (nic->number = 0; nic->number < NICS_MAX; nic->number++) {
        snprintf(id, ENLM_ID_LEN, "net%u", nic->number);
        if (!number_is_taken(machine, nic->number) &&
            (id_is_given || !enlm_device_find(machine, id)))
            return 0;
    }
    return -ENL_E_NOSPC;
}

static int
plug(struct nic *nic, const struct enlm_nic *config)
{
    char id[ENLM_ID_LEN];
    int err = take_number(nic, id, config->id);

    if (!err)
        err = enlm_device_add(&nic->device, config->id ? config->id : id);
    if (err) {
        free(nic);
        return err;
    }
    err = create(nic, config);
    if (err) {
        enlm_device_gone(&nic->device);
        return err;
    }
    nic->net = config->net;
    nic->release = config->release;
    return 0;
}

int
enlm_nic_add(struct enlm_machine *machine, const struct enlm_nic *config,
             char why[ENLM_WHY])
{
    struct nic *nic = calloc(1, sizeof(*nic));
    int err;

    if (!nic)
        return enlm_refuse(why, -ENL_E_NOMEM, "no memory");
    nic->device.ops = &nic_ops;
    nic->device.machine = machine;
    err = plug(nic, config);
    return err ? enlm_refuse(why, err, "the NIC cannot be made: %s", enlm_device_why(err))
               : 0;
}

int
enlm_nic_init(struct enlm_machine *machine, char why[ENLM_WHY])
{
    int err = 0;

    for (size_t i = 0; !err && i < machine->config.nic_count; i++)
        err = enlm_nic_add(machine, &machine->nics[i], why);
    return err;
}

int
enlm_nic_set_link(struct enlm_machine *machine, const char *id, bool up)
{
    struct enlm_device *device = enlm_device_find(machine, id);

    if (!device || device->ops != &nic_ops || device->is_leaving)
        return -ENL_E_NOENT;
    enlh_nic_set_link(((struct nic *)device)->nic, up);
    return 0;
}
