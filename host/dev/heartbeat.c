/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/heartbeat.c - is the guest alive?
 *
 * Sends a number each time the embedder's clock ticks; the guest's driver sends it back,
 * one higher, from its interrupt handler. The guest decides whether and what it answers:
 * a wrong number, a failure status or silence count as no answer, and nothing else comes
 * of them. Unanswered heartbeats are bounded by the window.
 * Tests: test/unit/heartbeat_liveness.c.
 */
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/heartbeat.h"
#include "host/dev/ic.h"

/* Policy: so many in a row without an answer, and the guest is lost. */
#define SILENT_MAX 3u

enum enlh_heartbeat_state {
    ENLH_HEARTBEAT_NEW,   /* no answer since the opening */
    ENLH_HEARTBEAT_ALIVE, /* the last answer is not long ago */
    ENLH_HEARTBEAT_LOST,  /* it is */
};

struct enlh_heartbeat {
    struct enlh_ic ic; /* first */
    enum enlh_heartbeat_state state;
    uint32_t silent; /* ticks since the last answer */
    bool due;        /* under the lock */
};

static struct enlh_heartbeat *
of(struct enlh_ic *ic)
{
    return (struct enlh_heartbeat *)ic;
}

static void
set_state(struct enlh_heartbeat *heartbeat, enum enlh_heartbeat_state state)
{
    bool changed = heartbeat->state != state;

    heartbeat->state = state;
    if (changed && state == ENLH_HEARTBEAT_ALIVE)
        enlh_ic_tell(&heartbeat->ic, ENLH_IC_ALIVE, ENL_IC_STATUS_SUCCESS);
    if (changed && state == ENLH_HEARTBEAT_LOST)
        enlh_ic_tell(&heartbeat->ic, ENLH_IC_LOST, ENL_IC_STATUS_TIMEOUT);
}

static void
heartbeat_ready(struct enlh_ic *ic)
{
    struct enlh_heartbeat *heartbeat = of(ic);

    heartbeat->state = ENLH_HEARTBEAT_NEW;
    heartbeat->silent = 0;
    enlh_ic_lock(ic);
    heartbeat->due = false;
    enlh_ic_unlock(ic);
}

static void
heartbeat_run(struct enlh_ic *ic)
{
    struct enlh_heartbeat *heartbeat = of(ic);
    struct enl_heartbeat body = {.sequence = enlh_ic_next(ic)};
    bool due;

    enlh_ic_lock(ic);
    due = heartbeat->due;
    heartbeat->due = false;
    enlh_ic_unlock(ic);
    if (!due)
        return;
    if (heartbeat->silent >= SILENT_MAX)
        set_state(heartbeat, ENLH_HEARTBEAT_LOST);
    else
        heartbeat->silent++;
    /* One that cannot be sent is one without an answer. */
    (void)!enlh_ic_request(ic, &body, sizeof(body));
}

static int
heartbeat_answer(struct enlh_ic *ic, const struct enlh_ic_answer *answer)
{
    struct enlh_heartbeat *heartbeat = of(ic);
    uint64_t sequence;

    if (answer->status != ENL_IC_STATUS_SUCCESS || answer->len < sizeof(sequence))
        return -ENL_E_PROTO;
    memcpy(&sequence, answer->body, sizeof(sequence));
    if (sequence != answer->number + 1)
        return -ENL_E_PROTO;
    heartbeat->silent = 0;
    set_state(heartbeat, ENLH_HEARTBEAT_ALIVE);
    return 0;
}

/* The instance is ours: the real host has one for each machine. */
static const struct enlh_ic_service service = {
    .name = "heartbeat",
    .class_id = ENL_GUID_HEARTBEAT,
    .instance = ENL_GUID_INIT(0xfd149e91u, 0x82e0u, 0x4a7du, 0xaf, 0xa6, 0x2a, 0x41, 0x66,
                              0xcb, 0xd7, 0xc0),
    .message_type = ENL_IC_HEARTBEAT,
    .window = 8,
    .versions = {ENL_HEARTBEAT_VERSION_1_0, ENL_HEARTBEAT_VERSION_3_0},
    .version_count = 2,
    .ready = heartbeat_ready,
    .run = heartbeat_run,
    .answer = heartbeat_answer,
};

int
enlh_heartbeat_create(struct enlh_vmbus *bus, const struct enlh_ic_config *config,
                      struct enlh_heartbeat **out)
{
    struct enlh_ic *ic;
    int result = enlh_ic_create(bus, config, &service, sizeof(**out), &ic);

    if (result == 0)
        *out = of(ic);
    return result;
}

void
enlh_heartbeat_destroy(struct enlh_heartbeat *heartbeat)
{
    enlh_ic_destroy(heartbeat ? &heartbeat->ic : NULL);
}

void
enlh_heartbeat_tick(struct enlh_heartbeat *heartbeat)
{
    bool ready;

    enlh_ic_lock(&heartbeat->ic);
    ready = heartbeat->ic.ready;
    heartbeat->due = true;
    enlh_ic_unlock(&heartbeat->ic);
    if (ready)
        enlh_channel_wake(heartbeat->ic.channel);
}
