/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/rig.c - a machine with disks on its bus, and a guest
 */
#include "test/loop/rig.h"

#include <string.h>

void
rig_init(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof(*rig));
    loop_config_defaults(&rig->config, seed);
    rig->config.map_twice = seed % 2 != 0;
    rig->config.knobs.spurious_runs = 10;
    rig->config.knobs.repeat_interrupts = 5;
    rig->config.knobs.repeat_signals = 5;
    rig->config.knobs.refuse_posts = 10;
    rig->config.knobs.refuse_signals = 10;
    guest_config_defaults(&rig->guest_config);
    rig->queue_depth = 16;
}

void
rig_small_rings(struct rig *rig)
{
    rig->disk_count = 1;
    rig->queue_depth = GUEST_IOS;
    rig->guest_config.requests = 300;
    rig->guest_config.ring_pages = 2;
    rig->guest_config.ios = GUEST_IOS;
    rig->guest_config.io_blocks = 2;
    rig->guest_config.lazy = 98;
}

void
rig_disk_offer(struct rig_disk *disk)
{
    struct enlh_storage_config config = {
        .size = sizeof(config),
        .name = "scsi",
        .max_subchannels = 1,
        .queue_depth = disk->rig->queue_depth,
    };
    struct enlh_disk lun = {
        .block = loop_disk_block(&disk->disk),
        .vendor = "Enlight",
        .product = "Loop",
        .revision = "1",
        .serial = "L0",
    };

    config.instance.b[0] = (uint8_t)disk->index;
    config.instance.b[15] = 0x5C;
    loop_check(!disk->storage);
    loop_check(enlh_storage_create(disk->rig->loop.bus, &config, &disk->storage) == 0);
    loop_check(enlh_storage_attach(disk->storage, &lun) == 0);
}

static void
disk_destroyed(void *ctx)
{
    struct rig_disk *disk = ctx;

    disk->storage = NULL;
    disk->leaving = false;
    disk->destroyed++;
}

void
rig_disk_rescind(struct rig_disk *disk)
{
    disk->leaving = true;
    enlh_storage_destroy(disk->storage, disk_destroyed, disk);
}

static bool
has_none_leaving(void *ctx)
{
    struct rig *rig = ctx;
    bool leaving = false;

    for (uint32_t i = 0; i < rig->disk_count; i++)
        leaving |= rig->disk[i].leaving;
    return !leaving;
}

void
rig_disks_back(struct rig *rig)
{
    loop_run_until(&rig->loop, has_none_leaving, rig, "the end of a disk taken back");
    for (uint32_t i = 0; i < rig->disk_count; i++) {
        if (!rig->disk[i].storage)
            rig_disk_offer(&rig->disk[i]);
    }
}

void
rig_start(struct rig *rig)
{
    loop_init(&rig->loop, &rig->config);
    for (uint32_t i = 0; i < rig->disk_count; i++) {
        struct rig_disk *disk = &rig->disk[i];

        disk->rig = rig;
        disk->index = i;
        loop_disk_init(&disk->disk, RIG_DISK_BLOCKS * 512);
        model_init(&disk->model, RIG_DISK_BLOCKS, rig->config.seed + i);
        disk->disk.next = rig->loop.disks;
        rig->loop.disks = &disk->disk;
        rig_disk_offer(disk);
        rig->guest_config.models[i] = &disk->model;
    }
    rig->guest = guest_boot(&rig->loop, &rig->guest_config);
}

/* Only then the host has certainly heard of this kernel, and forgotten the one before. */
static bool
has_offers(void *ctx)
{
    struct guest *guest = ((struct rig *)ctx)->guest;

    return guest->connected && guest->all_offers;
}

void
rig_kexec(struct rig *rig)
{
    rig->kexecs++;
    guest_abandon(rig->guest);
    rig->dead = rig->guest;
    rig->guest = guest_boot(&rig->loop, &rig->guest_config);
    rig->guest->retries = 2;
    loop_run_until(&rig->loop, has_offers, rig, "the offers to the next kernel");
    guest_bury(rig->dead);
    rig->dead = NULL;
}

void
rig_reset(struct rig *rig)
{
    guest_abandon(rig->guest);
    loop_reset(&rig->loop);
    rig->guest = guest_boot(&rig->loop, &rig->guest_config);
}

static uint32_t
disks_offered(const struct rig *rig)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < rig->disk_count; i++)
        n += rig->disk[i].storage != NULL;
    return n;
}

static bool
is_quiet(void *ctx)
{
    struct rig *rig = ctx;
    uint32_t running = 0;

    for (uint32_t i = 0; i < GUEST_CLIENTS; i++)
        running += atomic_load(&rig->guest->clients[i].phase) == CLIENT_RUNNING;
    return rig->guest->connected && running == disks_offered(rig) &&
           guest_is_quiet(rig->guest);
}

void
rig_run_quiet(struct rig *rig)
{
    loop_run_until(&rig->loop, is_quiet, rig, "every disk open and its requests done");
}

bool
rig_is_unloaded(void *ctx)
{
    return atomic_load(&((struct rig *)ctx)->guest->unloaded);
}

static bool
has_left(void *ctx)
{
    return rig_is_unloaded(ctx) && guest_clients_free(((struct rig *)ctx)->guest);
}

void
rig_leave(struct rig *rig)
{
    rig->guest->hold = true;
    guest_unload(rig->guest, false);
    loop_run_until(&rig->loop, has_left, rig, "UNLOADED, and every disk closed");
    if (!rig->guest_config.polls && !rig->config.knobs.drop_signals) /* else never idle */
        loop_run_idle(&rig->loop);
}

static bool
has_no_disks(void *ctx)
{
    return disks_offered(ctx) == 0;
}

void
rig_end(struct rig *rig)
{
    struct enlh_vmbus_counters counters;
    struct enlg_vmbus_counters guest;

    for (uint32_t i = 0; i < rig->disk_count; i++) {
        if (rig->disk[i].storage && !rig->disk[i].leaving)
            rig_disk_rescind(&rig->disk[i]);
    }
    loop_run_until(&rig->loop, has_no_disks, rig, "the end of every disk");
    enlh_vmbus_counters(rig->loop.bus, &counters);
    loop_check(counters.messages_malformed == 0 || rig->kexecs || rig->hostile);
    enlg_vmbus_counters(&rig->guest->bus, &guest);
    /* What was on its way to an earlier kernel reaches the next one. */
    loop_check(guest.messages_malformed == 0 || rig->kexecs);
    loop_check(guest.offers_refused == 0);
    loop_check(counters.gpadls == 0 && counters.gpadl_bytes == 0);
    loop_check(rig->loop.faults == 0);
    guest_bury(rig->guest);
    loop_fini(&rig->loop);
    for (uint32_t i = 0; i < rig->disk_count; i++) {
        model_check(&rig->disk[i].model, rig->disk[i].disk.data);
        model_fini(&rig->disk[i].model);
        loop_disk_fini(&rig->disk[i].disk);
    }
}
