/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * services.c - the integration services: answer the heartbeat, obey the shutdown, hear the time
 *
 * All three are of one kind: a channel, an object, and one poll.
 */
#include <enlight/abi/timesync.h>
#include <enlight/guest/ic.h>

#include "unikernel.h"

enum { HEARTBEAT, SHUTDOWN, TIMESYNC, SERVICES };

static struct service {
    struct enlg_ic ic;
    bool started;
    uint8_t ring[2 * ENLG_IC_RING_LEN] __attribute__((aligned(4096)));
    uint8_t buffer[ENLG_IC_BUFFER_LEN] __attribute__((aligned(8)));
} services[SERVICES];

static bool told_to_go;
static uint64_t utc_100ns;

/* ---- what the host says ---- */

static void
shutdown_go(void *ctx, enum enlg_shutdown_kind kind, bool force)
{
    (void)ctx;
    say("# the host says: %s%s\n",
        kind == ENLG_SHUTDOWN_RESTART ? "restart" : "power off", force ? ", now" : "");
    told_to_go = true;
}

static void
time_heard(void *ctx, const struct enlg_timesync_sample *sample)
{
    (void)ctx;
    utc_100ns = sample->utc_100ns;
}

/* ---- start ---- */

static struct enlg_ic_config
service_config(struct service *s)
{
    return (struct enlg_ic_config){
        .size = sizeof(struct enlg_ic_config),
        .ring = s->ring,
        .buffer = s->buffer,
        .vp = enlg_synic_vp(&synics[0]),
    };
}

int
heartbeat_probe(void *ctx, struct enlg_channel *channel)
{
    struct service *s = &services[HEARTBEAT];
    struct enlg_ic_config config = service_config(s);
    int rc = enlg_heartbeat_start(&s->ic, channel, &config);

    (void)ctx;
    s->started = rc == 0;
    return rc;
}

int
shutdown_probe(void *ctx, struct enlg_channel *channel)
{
    static const struct enlg_shutdown_ops ops = {.go = shutdown_go};
    struct service *s = &services[SHUTDOWN];
    struct enlg_ic_config config = service_config(s);
    int rc = enlg_shutdown_start(&s->ic, channel, &config, &ops);

    (void)ctx;
    s->started = rc == 0;
    return rc;
}

int
timesync_probe(void *ctx, struct enlg_channel *channel)
{
    struct service *s = &services[TIMESYNC];
    struct enlg_ic_config config = service_config(s);
    int rc = enlg_timesync_start(&s->ic, channel, &config, time_heard);

    (void)ctx;
    s->started = rc == 0;
    return rc;
}

/* ---- work ---- */

void
services_poll(void)
{
    for (int i = 0; i < SERVICES; i++) {
        struct service *s = &services[i];
        int rc = s->started ? enlg_ic_poll(&s->ic) : 0;

        if (rc > 0)
            cpus_wake(0); /* perhaps it left some: look once more */
        if (rc < 0) {     /* the host took it away, or broke the protocol */
            s->started = false;
            (void)!enlg_ic_stop(&s->ic);
        }
    }
}

/* ---- the report ---- */

static void
check_service(int which, const char *row, const char *name)
{
    const struct enlg_ic *ic = &services[which].ic;

    if (!services[which].started) {
        report_skip(row, name, "the host does not offer it");
        return;
    }
    (void)BUS_UNTIL(enlg_ic_version(ic) != 0);
    report(enlg_ic_version(ic) != 0, row, "%s %u.%u, framework %u.%u", name,
           enlg_ic_version(ic) >> 16, enlg_ic_version(ic) & 0xFFFF,
           enlg_ic_framework(ic) >> 16, enlg_ic_framework(ic) & 0xFFFF);
}

void
services_check(void)
{
    const struct enlg_ic *heartbeat = &services[HEARTBEAT].ic;

    check_service(HEARTBEAT, "DI02", "heartbeat");
    if (services[HEARTBEAT].started) {
        bool ok = BUS_UNTIL(enlg_ic_answered(heartbeat) != 0);

        report(ok, "U12", "%lu heartbeats answered",
               (unsigned long)enlg_ic_answered(heartbeat));
    }
    check_service(SHUTDOWN, "DI04", "shutdown");
    check_service(TIMESYNC, "DI03", "time");
    if (utc_100ns)
        say("# the host's time: %lu s since 1970\n",
            (unsigned long)((utc_100ns - ENL_TIMESYNC_UNIX_EPOCH) / 10000000));
}

void
services_status(struct text *to)
{
    text_add(to, "heartbeats: %lu answered\n",
             (unsigned long)enlg_ic_answered(&services[HEARTBEAT].ic));
}

void
services_await_shutdown(void)
{
    say("# waiting for the host's word\n");
    while (!told_to_go)
        bus_step();
    report(true, "DI04", "the shutdown is obeyed");
}
