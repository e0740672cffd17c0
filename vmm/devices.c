/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/devices.c - VMBus, its workers, and what is on the bus: disks and services
 *
 * Run by the loop, but for the services' events, which come on channel threads. The order
 * of the offers is the order here. Every controller has an instance of its own, the same
 * at each start, because a guest that resumes looks for it again.
 * Tests: test/os (DS01 to DS22, DI01 to DI13).
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/internal.h"

#define HEARTBEAT_MS    2000u
#define TIMESYNC_MS     5000u
#define UNIX_TO_1601    UINT64_C(116444736000000000) /* 100 ns */
#define SUBCHANNELS_MAX 15u
#define POLL_MS         10

/* ---- workers ---- */

static void
loop_wake(void *ctx)
{
    enlm_machine_ask(ctx, ENLM_ASK_VMBUS);
}

static int
channel_start(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct enlm_machine *machine = ctx;
    struct enlm_worker *worker = enlm_worker_of(&machine->workers, channel);
    int err;

    if (!worker)
        return -ENL_E_NOMEM;
    /* Without a doorbell the signal comes as channel_wake(). */
    err = enlk_doorbell_add(machine->engine, connection_id, worker->fd);
    if (err)
        enlm_log(machine, ENLH_LOG_DEBUG, "%s: no doorbell for connection 0x%x: %d",
                 enlh_channel_name(channel), connection_id, err);
    err = enlm_worker_start(worker);
    if (err) {
        enlk_doorbell_remove(machine->engine, connection_id, worker->fd);
        enlm_worker_stop(worker);
    }
    return err;
}

static void
channel_stop(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct enlm_machine *machine = ctx;
    struct enlm_worker *worker = enlh_channel_worker(channel);

    if (!worker)
        return;
    enlk_doorbell_remove(machine->engine, connection_id, worker->fd);
    enlm_worker_stop(worker);
}

static void
channel_wake(void *ctx, struct enlh_channel *channel)
{
    struct enlm_worker *worker = enlh_channel_worker(channel);

    (void)ctx;
    if (worker)
        enlm_worker_wake(worker);
}

static int
wake_fd(void *ctx, struct enlh_channel *channel)
{
    struct enlm_machine *machine = ctx;
    struct enlm_worker *worker = enlm_worker_of(&machine->workers, channel);

    return worker ? worker->fd : -1;
}

static const struct enlh_vmbus_ops bus_ops = {
    .size = sizeof(bus_ops),
    .loop_wake = loop_wake,
    .channel_start = channel_start,
    .channel_stop = channel_stop,
    .channel_wake = channel_wake,
};

/* ---- disks ---- */

static uint32_t
controllers(const struct enlm_machine *machine)
{
    uint32_t count = machine->config.controllers;

    for (size_t i = 0; i < machine->config.disk_count; i++) {
        if (machine->disks[i].controller >= count)
            count = machine->disks[i].controller + 1;
    }
    return count;
}

static int
make_controller(struct enlm_machine *machine, uint32_t index)
{
    /* f8b3781a-1e82-4818-a1c3-63d806ec15bb and those after it */
    struct enl_guid instance = {{0x1a, 0x78, 0xb3, 0xf8, 0x82, 0x1e, 0x18, 0x48, 0xa1,
                                 0xc3, 0x63, 0xd8, 0x06, 0xec, 0x15, 0xbb}};
    struct enlh_storage_config config;
    uint32_t others = machine->config.cpus - 1;
    char name[16];

    instance.b[0] = (uint8_t)(instance.b[0] + index);
    snprintf(name, sizeof(name), "scsi%u", index);
    memset(&config, 0, sizeof(config));
    config.size = sizeof(config);
    config.instance = instance;
    config.name = name;
    config.max_subchannels =
        (uint16_t)(others < SUBCHANNELS_MAX ? others : SUBCHANNELS_MAX);
    config.wake_fd = wake_fd;
    config.wake_ctx = machine;
    return enlh_storage_create(machine->bus, &config, &machine->storage[index]);
}

static int
attach(struct enlm_machine *machine, const struct enlm_disk *disk, size_t number)
{
    struct enlh_disk scsi;

    memset(&scsi, 0, sizeof(scsi));
    scsi.block = disk->block;
    scsi.lun = (uint8_t)disk->lun;
    scsi.readonly = disk->readonly;
    snprintf(scsi.vendor, sizeof(scsi.vendor), "Enlight");
    snprintf(scsi.product, sizeof(scsi.product), "Virtual Disk");
    snprintf(scsi.revision, sizeof(scsi.revision), "1.0");
    if (disk->serial)
        snprintf(scsi.serial, sizeof(scsi.serial), "%s", disk->serial);
    else
        snprintf(scsi.serial, sizeof(scsi.serial), "enlight-%zu", number);
    return enlh_storage_attach(machine->storage[disk->controller], &scsi);
}

static int
make_storage(struct enlm_machine *machine, char why[ENLM_WHY])
{
    uint32_t count = controllers(machine);

    for (; machine->storage_count < count; machine->storage_count++) {
        int err = make_controller(machine, machine->storage_count);

        if (err)
            return enlm_refuse(why, err, "no memory for SCSI controller %u",
                               machine->storage_count);
    }
    for (size_t i = 0; i < machine->config.disk_count; i++) {
        const struct enlm_disk *disk = &machine->disks[i];
        int err = attach(machine, disk, i);

        if (err)
            return enlm_refuse(why, err, "disk %zu cannot be LUN %u of controller %u: %s",
                               i, disk->lun, disk->controller, strerror(-err));
    }
    return 0;
}

/* ---- services ---- */

static void
heartbeat_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
                uint32_t status)
{
    struct enlm_machine *machine = ctx;

    (void)framework;
    (void)version;
    (void)status;
    if (event == ENLH_IC_ALIVE)
        enlm_note(machine, ENLM_NOTE_HEARTBEAT);
    else if (event == ENLH_IC_LOST)
        enlm_note(machine, ENLM_NOTE_HEARTBEAT_LOST);
}

static void
timesync_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
               uint32_t status)
{
    struct enlm_machine *machine = ctx;

    (void)framework;
    (void)version;
    (void)status;
    if (event != ENLH_IC_READY)
        return;
    atomic_store(&machine->time_sync, true);
    enlm_machine_ask(machine, ENLM_ASK_TIME);
}

static void
shutdown_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
               uint32_t status)
{
    struct enlm_machine *machine = ctx;

    (void)framework;
    (void)version;
    if (event == ENLH_IC_READY) {
        enlm_machine_ask(machine, ENLM_ASK_POWERDOWN);
    } else if (event == ENLH_IC_ACCEPTED) {
        enlm_note(machine, ENLM_NOTE_SHUTDOWN_ACCEPTED);
    } else if (event == ENLH_IC_REFUSED) {
        enlm_log(machine, ENLH_LOG_WARN, "the guest refused to shut down: 0x%x", status);
        enlm_note(machine, ENLM_NOTE_SHUTDOWN_REFUSED);
    }
}

static void
heartbeat_tick(void *ctx)
{
    struct enlm_machine *machine = ctx;

    enlh_heartbeat_tick(machine->heartbeat);
}

static void
timesync_tick(void *ctx)
{
    enlm_devices_tell_time(ctx);
}

static int
make_services(struct enlm_machine *machine)
{
    struct enlh_ic_config config = {.size = sizeof(config), .ctx = machine};
    int err;

    config.event = heartbeat_event;
    err = enlh_heartbeat_create(machine->bus, &config, &machine->heartbeat);
    if (err)
        return err;
    config.event = timesync_event;
    err = enlh_timesync_create(machine->bus, &config, &machine->timesync);
    if (err)
        return err;
    config.event = shutdown_event;
    err = enlh_shutdown_create(machine->bus, &config, &machine->shutdown);
    if (err)
        return err;
    err = enlm_loop_every(&machine->loop, HEARTBEAT_MS, heartbeat_tick, machine);
    return err ? err
               : enlm_loop_every(&machine->loop, TIMESYNC_MS, timesync_tick, machine);
}

void
enlm_devices_tell_time(struct enlm_machine *machine)
{
    const struct enlh_ops *ops = enlk_engine_ops(machine->engine);
    bool sync = atomic_exchange(&machine->time_sync, false);
    uint64_t reference, utc;
    struct timespec now;

    if (!machine->timesync)
        return;
    reference = ops->time_100ns(machine->engine);
    clock_gettime(CLOCK_REALTIME, &now);
    utc = (uint64_t)now.tv_sec * 10000000u + (uint64_t)now.tv_nsec / 100u + UNIX_TO_1601;
    enlh_timesync_tick(machine->timesync, utc, reference, sync);
}

/* A request that comes too early waits for the service to be ready. */
void
enlm_devices_powerdown(struct enlm_machine *machine)
{
    if (!machine->shutdown || !machine->powerdown_waits)
        return;
    if (enlh_shutdown_request(machine->shutdown, ENLH_SHUTDOWN_POWEROFF, false,
                              "the host asks for it") == 0)
        machine->powerdown_waits = false;
}

/* ---- life ---- */

int
enlm_devices_init(struct enlm_machine *machine, char why[ENLM_WHY])
{
    struct enlh_vmbus_config config;
    int err;

    if (!(machine->config.features.set & ENLH_F_BIT(ENLH_F_SYNIC))) {
        if (machine->config.disk_count)
            return enlm_refuse(why, -ENL_E_INVAL,
                               "disks need VMBus, and VMBus needs the feature synic");
        return 0;
    }
    enlh_vmbus_config_defaults(&config);
    if (machine->config.max_vmbus_version)
        config.max_version = machine->config.max_vmbus_version;
    config.offer_seed = machine->config.offer_seed;
    err =
        enlh_vmbus_create(machine->partition, &config, &bus_ops, machine, &machine->bus);
    if (err)
        return enlm_refuse(why, err, "cannot make VMBus: %s", strerror(-err));
    err = make_storage(machine, why);
    if (err)
        return err;
    err = make_services(machine);
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

static void
storage_gone(void *ctx)
{
    struct enlm_machine *machine = ctx;

    machine->storage_left--;
}

void
enlm_devices_fini(struct enlm_machine *machine)
{
    if (!machine->bus)
        return;
    enlm_devices_reset(machine);
    if (machine->heartbeat)
        enlh_heartbeat_destroy(machine->heartbeat);
    if (machine->timesync)
        enlh_timesync_destroy(machine->timesync);
    if (machine->shutdown)
        enlh_shutdown_destroy(machine->shutdown);
    machine->storage_left = machine->storage_count;
    for (uint32_t i = 0; i < machine->storage_count; i++)
        enlh_storage_destroy(machine->storage[i], storage_gone, machine);
    while (machine->storage_left || !enlh_vmbus_idle(machine->bus)) {
        while (enlh_vmbus_poll(machine->bus))
            ;
        if (machine->storage_left)
            enlm_loop_once(&machine->loop, POLL_MS);
    }
    enlh_vmbus_destroy(machine->bus);
    machine->bus = NULL;
    enlm_worker_fini(&machine->workers);
}
