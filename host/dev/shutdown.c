/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/shutdown.c - ask the guest to shut down, restart or hibernate
 *
 * One request at a time, on the embedder's word; the guest says at once whether it will,
 * and goes down on its own time. It may also refuse, or close the service instead: then
 * the request has ended as refused. The reason is the embedder's text and is copied.
 * Tests: test/unit/shutdown_request.c.
 */
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/shutdown.h"
#include "host/dev/ic.h"

#define VERSION_3_1 0x00030001u
#define VERSION_3_2 0x00030002u

struct enlh_shutdown {
    struct enlh_ic ic; /* first */
    /* Under the lock. */
    bool busy;                /* from request() to its event */
    bool due;                 /* busy, and not sent yet */
    struct enl_shutdown body; /* request()'s until due, the channel's until not busy */
};

static struct enlh_shutdown *
of(struct enlh_ic *ic)
{
    return (struct enlh_shutdown *)ic;
}

/* Tell the end of a request; after that there may be another. */
static void
finish(struct enlh_shutdown *shutdown, uint32_t status)
{
    struct enlh_ic *ic = &shutdown->ic;

    enlh_ic_lock(ic);
    shutdown->busy = false;
    shutdown->due = false;
    enlh_ic_unlock(ic);
    enlh_ic_tell(ic, status == ENL_IC_STATUS_SUCCESS ? ENLH_IC_ACCEPTED : ENLH_IC_REFUSED,
                 status);
}

static void
shutdown_run(struct enlh_ic *ic)
{
    struct enlh_shutdown *shutdown = of(ic);
    int result;
    bool due;

    enlh_ic_lock(ic);
    due = shutdown->due;
    enlh_ic_unlock(ic);
    if (!due)
        return;
    result = enlh_ic_request(ic, &shutdown->body, sizeof(shutdown->body));
    if (result == -ENL_E_AGAIN)
        return;
    if (result < 0) {
        finish(shutdown, ENL_IC_STATUS_FAIL);
        return;
    }
    enlh_ic_lock(ic);
    shutdown->due = false;
    enlh_ic_unlock(ic);
}

static int
shutdown_answer(struct enlh_ic *ic, const struct enlh_ic_answer *answer)
{
    finish(of(ic), answer->status);
    return 0;
}

static void
shutdown_closed(struct enlh_ic *ic)
{
    struct enlh_shutdown *shutdown = of(ic);
    bool busy;

    enlh_ic_lock(ic);
    busy = shutdown->busy;
    enlh_ic_unlock(ic);
    if (busy)
        finish(shutdown, ENL_IC_STATUS_DEVICE_NOT_CONNECTED);
}

static const struct enlh_ic_service service = {
    .name = "shutdown",
    .class_id = ENL_GUID_SHUTDOWN,
    .instance = ENL_GUID_SHUTDOWN_INSTANCE,
    .message_type = ENL_IC_SHUTDOWN,
    .window = 1,
    .versions = {ENL_SHUTDOWN_VERSION_1_0, ENL_SHUTDOWN_VERSION_3_0,
                 ENL_SHUTDOWN_VERSION_3_1, ENL_SHUTDOWN_VERSION_3_2},
    .version_count = 4,
    .run = shutdown_run,
    .answer = shutdown_answer,
    .closed = shutdown_closed,
};

int
enlh_shutdown_create(struct enlh_vmbus *bus, const struct enlh_ic_config *config,
                     struct enlh_shutdown **out)
{
    struct enlh_ic *ic;
    int result = enlh_ic_create(bus, config, &service, sizeof(**out), &ic);

    if (result == 0)
        *out = of(ic);
    return result;
}

void
enlh_shutdown_destroy(struct enlh_shutdown *shutdown)
{
    enlh_ic_destroy(shutdown ? &shutdown->ic : NULL);
}

/* What each kind is on the wire, and since when. */
static const struct {
    uint32_t flags;
    uint32_t version;
} kinds[] = {
    [ENLH_SHUTDOWN_POWEROFF] = {0, 0},
    [ENLH_SHUTDOWN_REBOOT] = {ENL_SHUTDOWN_RESTART, VERSION_3_1},
    [ENLH_SHUTDOWN_HIBERNATE] = {ENL_SHUTDOWN_HIBERNATE, VERSION_3_2},
};

/* The lock is held. */
static int
take(struct enlh_shutdown *shutdown, enum enlh_shutdown_kind kind, bool force,
     const char *reason)
{
    struct enl_shutdown *body = &shutdown->body;

    if (!shutdown->ic.ready || shutdown->busy)
        return -ENL_E_AGAIN;
    if (shutdown->ic.version < kinds[kind].version)
        return -ENL_E_NOTSUP;
    memset(body, 0, sizeof(*body));
    body->reason = ENL_SHUTDOWN_REASON_PLANNED;
    body->flags = kinds[kind].flags | (force ? ENL_SHUTDOWN_FORCE : 0);
    for (size_t i = 0; reason && reason[i] && i < sizeof(body->text) - 1; i++)
        body->text[i] = (uint8_t)reason[i];
    shutdown->busy = true;
    shutdown->due = true;
    return 0;
}

int
enlh_shutdown_request(struct enlh_shutdown *shutdown, enum enlh_shutdown_kind kind,
                      bool force, const char *reason)
{
    int result;

    if ((unsigned)kind >= sizeof(kinds) / sizeof(kinds[0]))
        return -ENL_E_INVAL;
    enlh_ic_lock(&shutdown->ic);
    result = take(shutdown, kind, force, reason);
    enlh_ic_unlock(&shutdown->ic);
    if (result == 0)
        enlh_channel_wake(shutdown->ic.channel);
    return result;
}
