/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session with the integration services: heartbeat, time synchronisation and shutdown on
 * real channels, asked and ticked at any time, with answers of any shape, late, twice,
 * unasked or never. The guest and the embedder make it run.
 *
 * Promises: what the host sends is well framed, of the right type and no longer than its
 * frame says; versions that the embedder hears of were offered; a shutdown has at most one
 * answer; everything goes when the service is destroyed.
 */
#include <string.h>

#include "enlight/abi/ic.h"
#include "enlight/abi/vmbus.h"
#include "enlight/host/ic.h"
#include "rig_ic.h"

#define SERVICES 3u

struct session {
    struct rig_bus bus;
    struct enlh_heartbeat *heartbeat;
    struct enlh_timesync *timesync;
    struct enlh_shutdown *shutdown;
    struct rig_ic guest[SERVICES]; /* relid i + 1 */
    uint32_t asked;                /* shutdown requests without an answer */
};

/* ---- what the embedder hears ---- */

static void
event(void *ctx, enum enlh_ic_event kind, uint32_t framework, uint32_t version,
      uint32_t status)
{
    struct session *s = ctx;

    (void)status;
    RIG_CHECK(s->bus.rig.held == 0 && kind <= ENLH_IC_REFUSED);
    if (kind == ENLH_IC_READY)
        RIG_CHECK((framework == 0x10000 || framework == 0x30000) && version >= 0x10000 &&
                  version <= 0x40000);
    if (kind != ENLH_IC_ACCEPTED && (kind != ENLH_IC_REFUSED || version == 0))
        return;
    RIG_CHECK(s->asked == 1);
    s->asked--;
}

/* ---- the host ---- */

static void
tick(struct session *s, uint32_t i)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t kind = rig_u8(in);

    if (i == 0 && s->heartbeat)
        enlh_heartbeat_tick(s->heartbeat);
    if (i == 1 && s->timesync)
        enlh_timesync_tick(s->timesync, rig_u64(in), rig_u64(in), kind & 1);
    if (i != 2 || !s->shutdown)
        return;
    s->asked++;
    if (enlh_shutdown_request(s->shutdown, kind & 3, kind >> 2 & 1,
                              kind & 8 ? "because" : NULL) < 0)
        s->asked--;
}

static void
destroy(struct session *s, uint32_t i)
{
    if (i == 0 && s->heartbeat) {
        enlh_heartbeat_destroy(s->heartbeat);
        s->heartbeat = NULL;
    }
    if (i == 1 && s->timesync) {
        enlh_timesync_destroy(s->timesync);
        s->timesync = NULL;
    }
    if (i == 2 && s->shutdown) {
        enlh_shutdown_destroy(s->shutdown);
        s->shutdown = NULL;
    }
}

static void
step(struct session *s)
{
    uint8_t action = rig_u8(&s->bus.rig.in);
    uint32_t i = (action >> 6) % SERVICES;

    switch (action & 15) {
    default:
        (void)rig_ic_answer(&s->bus, &s->guest[i], (action & 0x10) != 0);
        break;
    case 1:
    case 2:
    case 3:
        tick(s, i);
        break;
    case 4:
    case 5:
    case 6:
        (void)rig_bus_turn(&s->bus, i);
        break;
    case 7:
    case 8:
    case 9:
        rig_ic_receive(&s->bus, &s->guest[i], 1 + (action >> 4 & 3));
        break;
    case 10:
        rig_ic_send_anything(&s->bus, &s->guest[i]);
        break;
    case 11:
        rig_bus_work(&s->bus);
        (void)rig_bus_listen(&s->bus, 0, 64);
        break;
    case 12:
        if (action & 0x20)
            rig_ic_open_close(&s->bus, &s->guest[i], i);
        break;
    case 13:
        if ((action & 0x30) == 0x30)
            destroy(s, i);
        break;
    }
}

static void
start(struct session *s)
{
    static const uint16_t types[] = {ENL_IC_HEARTBEAT, ENL_IC_TIMESYNC, ENL_IC_SHUTDOWN};
    static const uint32_t newest[] = {0,       0,       0,       0x10000,
                                      0x30000, 0x30001, 0x30002, 0x40000};
    uint8_t kind = rig_u8(&s->bus.rig.in);
    struct enlh_ic_config config = {.size = sizeof(config),
                                    .max_version = newest[kind & 7],
                                    .event = event,
                                    .ctx = s};

    rig_bus_start(&s->bus);
    RIG_CHECK(enlh_heartbeat_create(s->bus.bus, &config, &s->heartbeat) == 0);
    RIG_CHECK(enlh_timesync_create(s->bus.bus, &config, &s->timesync) == 0);
    RIG_CHECK(enlh_shutdown_create(s->bus.bus, &config, &s->shutdown) == 0);
    rig_bus_connect(&s->bus, ENL_VMBUS_VERSION_WS2022);
    for (uint32_t i = 0; i < SERVICES; i++)
        s->guest[i].type = types[i];
    for (uint32_t i = 0; i < SERVICES; i++)
        if (!(kind >> (3 + i) & 1))
            RIG_CHECK(rig_bus_open(&s->bus, &s->guest[i].guest, i + 1, i));
}

static void
end(struct session *s)
{
    rig_bus_reset(&s->bus);
    RIG_CHECK(s->asked == 0);
    for (uint32_t i = 0; i < SERVICES; i++)
        destroy(s, i);
    rig_bus_stop(&s->bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session s;

    memset(&s, 0, sizeof(s));
    rig_bus_init(&s.bus, data, size);
    start(&s);
    for (uint32_t steps = 0; s.bus.rig.in.left > 0 && steps < 400; steps++)
        step(&s);
    end(&s);
    return 0;
}
