/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/services.c - the integration services: heartbeat, time, shutdown, KVP, VSS
 *
 * Run by the loop, but for the services' events, which come on channel threads. The order
 * of the offers is the order here.
 * Tests: test/os (DI01 to DI13).
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmm/control/machine.h"
#include "vmm/internal.h"

#define HEARTBEAT_MS 2000u
#define TIMESYNC_MS  5000u
#define PATIENCE_MS  1000u                        /* KVP and VSS count it */
#define UNIX_TO_1601 UINT64_C(116444736000000000) /* 100 ns */

static void
tell_heartbeat(struct enlm_machine *machine, bool ok)
{
    atomic_store(&machine->heartbeat, ok ? ENLM_HEARTBEAT_OK : ENLM_HEARTBEAT_LOST);
    enlm_note(machine, ok ? ENLM_NOTE_HEARTBEAT : ENLM_NOTE_HEARTBEAT_LOST);
    enlm_tell(machine, ENLM_CONTROL_HV_HEARTBEAT,
              json_pack("{ss}", "state", ok ? "ok" : "lost"));
}

static void
heartbeat_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
                uint32_t status)
{
    struct enlm_machine *machine = ctx;

    (void)framework;
    (void)version;
    (void)status;
    if (event == ENLH_IC_ALIVE || event == ENLH_IC_LOST)
        tell_heartbeat(machine, event == ENLH_IC_ALIVE);
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
kvp_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
          uint32_t status)
{
    char text[16];

    (void)framework;
    (void)status;
    if (event != ENLH_IC_READY)
        return;
    snprintf(text, sizeof(text), "%u.%u", version >> 16, version & 0xFFFFu);
    enlm_tell(ctx, ENLM_CONTROL_HV_KVP, json_pack("{ss}", "version", text));
}

static void
vss_event(void *ctx, enum enlh_vss_event event, uint32_t status)
{
    static const char *const states[] = {"ready", "frozen", "failed", "expired",
                                         "thawed"};
    char text[16];

    snprintf(text, sizeof(text), "0x%08x", status);
    enlm_control_vss_event(ctx, event, status);
    enlm_tell(ctx, ENLM_CONTROL_HV_VSS,
              json_pack("{ss, ss}", "state", states[event], "status", text));
}

static void
patience_tick(void *ctx)
{
    struct enlm_machine *machine = ctx;

    enlh_kvp_tick(machine->services.kvp);
    enlh_vss_tick(machine->services.vss);
}

static void
heartbeat_tick(void *ctx)
{
    struct enlm_machine *machine = ctx;

    /* One that does not run is not expected to answer. */
    if (!machine->stopped)
        enlh_heartbeat_tick(machine->services.heartbeat);
}

static void
timesync_tick(void *ctx)
{
    enlm_services_tell_time(ctx);
}

static int
start_ticks(struct enlm_machine *machine)
{
    int err = enlm_loop_every(&machine->loop, HEARTBEAT_MS, heartbeat_tick, machine);

    if (!err)
        err = enlm_loop_every(&machine->loop, PATIENCE_MS, patience_tick, machine);
    return err ? err
               : enlm_loop_every(&machine->loop, TIMESYNC_MS, timesync_tick, machine);
}

int
enlm_services_init(struct enlm_machine *machine)
{
    struct enlh_vss_config vss = {
        .size = sizeof(vss), .event = vss_event, .ctx = machine};
    struct enlh_ic_config config = {.size = sizeof(config), .ctx = machine};
    int err;

    config.event = heartbeat_event;
    err = enlh_heartbeat_create(machine->bus, &config, &machine->services.heartbeat);
    if (err)
        return err;
    config.event = timesync_event;
    err = enlh_timesync_create(machine->bus, &config, &machine->services.timesync);
    if (err)
        return err;
    config.event = shutdown_event;
    err = enlh_shutdown_create(machine->bus, &config, &machine->services.shutdown);
    if (err)
        return err;
    config.event = kvp_event;
    err = enlh_kvp_create(machine->bus, &config, &machine->services.kvp);
    if (err)
        return err;
    err = enlh_vss_create(machine->bus, &vss, &machine->services.vss);
    if (err)
        return err;
    return start_ticks(machine);
}

void
enlm_services_tell_time(struct enlm_machine *machine)
{
    const struct enlh_ops *ops = enlk_engine_ops(machine->engine);
    bool sync = atomic_exchange(&machine->time_sync, false);
    uint64_t reference, utc;
    struct timespec now;

    if (!machine->services.timesync)
        return;
    reference = ops->time_100ns(machine->engine);
    clock_gettime(CLOCK_REALTIME, &now);
    utc = (uint64_t)now.tv_sec * 10000000u + (uint64_t)now.tv_nsec / 100u + UNIX_TO_1601;
    enlh_timesync_tick(machine->services.timesync, utc, reference, sync);
}

void
enlm_services_powerdown(struct enlm_machine *machine)
{
    if (!machine->services.shutdown || !machine->powerdown_waits)
        return;
    if (enlh_shutdown_request(machine->services.shutdown, ENLH_SHUTDOWN_POWEROFF, false,
                              "the host asks for it") == 0)
        machine->powerdown_waits = false;
}

void
enlm_services_fini(struct enlm_machine *machine)
{
    struct enlm_services *services = &machine->services;

    /* The loop may still turn for a device that leaves. */
    enlm_loop_cancel(&machine->loop, heartbeat_tick, machine);
    enlm_loop_cancel(&machine->loop, patience_tick, machine);
    enlm_loop_cancel(&machine->loop, timesync_tick, machine);
    if (services->heartbeat)
        enlh_heartbeat_destroy(services->heartbeat);
    if (services->timesync)
        enlh_timesync_destroy(services->timesync);
    if (services->shutdown)
        enlh_shutdown_destroy(services->shutdown);
    if (services->kvp)
        enlh_kvp_destroy(services->kvp);
    if (services->vss)
        enlh_vss_destroy(services->vss);
    memset(services, 0, sizeof(*services));
}
