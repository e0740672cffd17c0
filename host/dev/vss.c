/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/vss.c - hold the guest's file systems still
 *
 * A state machine on the channel's thread: the embedder's wishes and its ticks are flags
 * under the lock. The guest's answers only move it on, and silence does so as well, each
 * towards the thaw. A thaw that finds nobody (the guest's daemon may have died with its
 * file systems frozen, and may come back [Seen: Linux 6.1, hv_snapshot.c]) is sent again,
 * a bounded number of times; after a freeze that the guest itself refused one is enough.
 * Tests: test/unit/vss_states.c, test/os (DI09).
 */
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/vss.h"
#include "enlight/host/vss.h"
#include "host/core/log.h"
#include "host/dev/ic.h"

enum enlh_vss_state {
    ENLH_VSS_STATE_THAWED,   /* nothing is asked */
    ENLH_VSS_STATE_CHECKING, /* can the guest be frozen? */
    ENLH_VSS_STATE_FREEZING, /* its answer is to come */
    ENLH_VSS_STATE_FROZEN,   /* it is */
    ENLH_VSS_STATE_THAWING,  /* until the guest says that it is not */
};

/* What the embedder wants, and the time that has passed. */
struct wish {
    bool freeze, thaw;
    uint32_t hold, ticks;
};

struct enlh_vss {
    struct enlh_ic ic; /* first */
    enlh_vss_event_fn event;
    void *ctx;
    /* The channel's. */
    enum enlh_vss_state state;
    bool sent;       /* what the state has to say */
    uint64_t number; /* of that message; of the first one, while thawing */
    uint32_t age;    /* ticks in this state */
    uint32_t thaws;  /* messages of this thaw */
    uint32_t hold;
    bool insist; /* thaw until it works: the guest is frozen, or may be */
    /* Under the lock. */
    bool busy; /* from freeze() or thaw() to THAWED */
    struct wish wish;
};

static struct enlh_vss *
of(struct enlh_ic *ic)
{
    return (struct enlh_vss *)ic;
}

static void
tell(struct enlh_vss *vss, enum enlh_vss_event event, uint32_t status)
{
    if (vss->event)
        vss->event(vss->ctx, event, status);
}

static void
set_state(struct enlh_vss *vss, enum enlh_vss_state state)
{
    enlh_log(vss->ic.partition, ENLH_LOG_DEBUG, "vss: state %d, was %d", state,
             vss->state);
    vss->state = state;
    vss->sent = false;
    vss->age = 0;
    vss->thaws = 0;
}

/* The end, also of a thaw that was wished for meanwhile: there may be another freeze. */
static void
thawed(struct enlh_vss *vss, uint32_t status)
{
    set_state(vss, ENLH_VSS_STATE_THAWED);
    enlh_ic_lock(&vss->ic);
    vss->busy = false;
    vss->wish.thaw = false;
    enlh_ic_unlock(&vss->ic);
    tell(vss, ENLH_VSS_THAWED, status);
}

static void
start_thaw(struct enlh_vss *vss, bool insist)
{
    set_state(vss, ENLH_VSS_STATE_THAWING);
    vss->insist = insist;
}

static bool
is_freezing(const struct enlh_vss *vss)
{
    return vss->state == ENLH_VSS_STATE_CHECKING || vss->state == ENLH_VSS_STATE_FREEZING;
}

/* ---- towards the guest ---- */

/* The time of each state is up once; a thaw's several times. */
static void
pass_time(struct enlh_vss *vss, uint32_t ticks)
{
    vss->age += ticks;
    switch (vss->state) {
    case ENLH_VSS_STATE_THAWED:
        break;
    case ENLH_VSS_STATE_CHECKING:
        if (vss->age < ENLH_VSS_FREEZE_TICKS)
            break;
        tell(vss, ENLH_VSS_FAILED, ENL_IC_STATUS_TIMEOUT);
        thawed(vss, ENL_IC_STATUS_SUCCESS);
        break;
    case ENLH_VSS_STATE_FREEZING:
        if (vss->age < ENLH_VSS_FREEZE_TICKS)
            break;
        start_thaw(vss, true);
        tell(vss, ENLH_VSS_FAILED, ENL_IC_STATUS_TIMEOUT);
        break;
    case ENLH_VSS_STATE_FROZEN:
        if (vss->age < vss->hold)
            break;
        start_thaw(vss, true);
        tell(vss, ENLH_VSS_EXPIRED, ENL_IC_STATUS_TIMEOUT);
        break;
    case ENLH_VSS_STATE_THAWING:
        if (vss->age >= ENLH_VSS_THAW_TICKS * ENLH_VSS_THAWS_MAX)
            thawed(vss, ENL_IC_STATUS_TIMEOUT);
        else if (vss->age >= ENLH_VSS_THAW_TICKS * vss->thaws)
            vss->sent = false;
        break;
    }
}

/* The embedder gives up what is under way, or has done its copy. */
static void
obey_thaw(struct enlh_vss *vss)
{
    bool failed =
        vss->state == ENLH_VSS_STATE_CHECKING || vss->state == ENLH_VSS_STATE_FREEZING;

    if (vss->state == ENLH_VSS_STATE_THAWING)
        return;
    start_thaw(vss, vss->state != ENLH_VSS_STATE_THAWED);
    if (failed)
        tell(vss, ENLH_VSS_FAILED, ENL_IC_STATUS_CANCELLED);
}

/* Returns as enlh_ic_request(); 0 when there is nothing to say. */
static int
say(struct enlh_vss *vss)
{
    static const struct enl_vss_flags check = {.operation = ENL_VSS_CHECK};
    static const struct enl_vss_freeze freeze = {.operation = ENL_VSS_FREEZE};
    static const struct enl_vss_flags thaw = {.operation = ENL_VSS_THAW};
    struct enlh_ic *ic = &vss->ic;

    switch (vss->state) {
    case ENLH_VSS_STATE_CHECKING:
        return enlh_ic_request(ic, &check, sizeof(check));
    case ENLH_VSS_STATE_FREEZING:
        return enlh_ic_request(ic, &freeze, sizeof(freeze));
    case ENLH_VSS_STATE_THAWING:
        return enlh_ic_request(ic, &thaw, sizeof(thaw));
    default:
        return 0;
    }
}

static void
speak(struct enlh_vss *vss)
{
    uint64_t number = enlh_ic_next(&vss->ic);

    /* What finds no room, or is never heard, has the time of its state. */
    if (vss->sent || say(vss) < 0 || enlh_ic_next(&vss->ic) == number)
        return;
    vss->sent = true;
    if (vss->state != ENLH_VSS_STATE_THAWING || vss->thaws++ == 0)
        vss->number = number;
}

static void
vss_run(struct enlh_ic *ic)
{
    struct enlh_vss *vss = of(ic);
    bool was_idle = vss->state == ENLH_VSS_STATE_THAWED;
    struct wish wish;

    enlh_ic_lock(ic);
    wish = vss->wish;
    memset(&vss->wish, 0, sizeof(vss->wish));
    enlh_ic_unlock(ic);
    pass_time(vss, wish.ticks);
    if (wish.freeze) {
        set_state(vss, ENLH_VSS_STATE_CHECKING);
        vss->hold = wish.hold;
    }
    /* What time has ended needs no thaw any more. */
    if (wish.thaw && (was_idle || vss->state != ENLH_VSS_STATE_THAWED))
        obey_thaw(vss);
    speak(vss);
}

/* ---- from the guest ---- */

static void
answer_to_thaw(struct enlh_vss *vss, uint32_t status)
{
    if (status == ENL_IC_STATUS_SUCCESS || !vss->insist)
        thawed(vss, status);
    /* Else its time says when it is said again. */
}

static int
vss_answer(struct enlh_ic *ic, const struct enlh_ic_answer *answer)
{
    struct enlh_vss *vss = of(ic);
    bool good = answer->status == ENL_IC_STATUS_SUCCESS;

    /* Of a state that is over; an earlier thaw is as good as the last. */
    if (answer->number < vss->number || (!vss->sent && vss->thaws == 0))
        return 0;
    switch (vss->state) {
    case ENLH_VSS_STATE_CHECKING:
        if (good) {
            set_state(vss, ENLH_VSS_STATE_FREEZING);
        } else {
            tell(vss, ENLH_VSS_FAILED, answer->status);
            thawed(vss, ENL_IC_STATUS_SUCCESS);
        }
        break;
    case ENLH_VSS_STATE_FREEZING:
        if (good)
            set_state(vss, ENLH_VSS_STATE_FROZEN);
        else
            start_thaw(vss, false);
        tell(vss, good ? ENLH_VSS_FROZEN : ENLH_VSS_FAILED, answer->status);
        break;
    case ENLH_VSS_STATE_THAWING:
        answer_to_thaw(vss, answer->status);
        break;
    default:
        break;
    }
    return 0;
}

/* The guest is gone, and what it held with it. */
static void
vss_closed(struct enlh_ic *ic)
{
    struct enlh_vss *vss = of(ic);
    struct wish wish;
    bool busy;

    enlh_ic_lock(ic);
    busy = vss->busy;
    wish = vss->wish;
    memset(&vss->wish, 0, sizeof(vss->wish));
    enlh_ic_unlock(ic);
    if (vss->state == ENLH_VSS_STATE_FROZEN)
        tell(vss, ENLH_VSS_EXPIRED, ENL_IC_STATUS_DEVICE_NOT_CONNECTED);
    else if (wish.freeze || is_freezing(vss))
        tell(vss, ENLH_VSS_FAILED, ENL_IC_STATUS_DEVICE_NOT_CONNECTED);
    if (busy)
        thawed(vss, ENL_IC_STATUS_DEVICE_NOT_CONNECTED);
}

static void
ic_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
         uint32_t status)
{
    (void)framework;
    (void)version;
    if (event == ENLH_IC_READY)
        tell(ctx, ENLH_VSS_READY, status);
}

/* ---- the service ---- */

/* The instance is ours: the real host has one for each machine. */
static const struct enlh_ic_service service = {
    .name = "vss",
    .class_id = ENL_GUID_VSS,
    .instance = ENL_GUID_INIT(0x3a1e7c4du, 0x90b2u, 0x4f6au, 0x8e, 0x15, 0x27, 0xd0, 0x6b,
                              0x44, 0xc9, 0x38),
    .message_type = ENL_IC_VSS,
    .window = 4, /* a thaw may overtake the patience with a freeze, and be said again */
    .versions = {ENL_VSS_VERSION_5_0},
    .version_count = 1,
    .run = vss_run,
    .answer = vss_answer,
    .closed = vss_closed,
};

int
enlh_vss_create(struct enlh_vmbus *bus, const struct enlh_vss_config *config,
                struct enlh_vss **out)
{
    struct enlh_ic_config ic_config = {.size = sizeof(ic_config), .event = ic_event};
    struct enlh_vss *vss;
    struct enlh_ic *ic;
    int result;

    if (config->size != sizeof(*config))
        return -ENL_E_INVAL;
    result = enlh_ic_create(bus, &ic_config, &service, sizeof(**out), &ic);
    if (result < 0)
        return result;
    vss = of(ic);
    ic->config.ctx = vss;
    vss->event = config->event;
    vss->ctx = config->ctx;
    *out = vss;
    return 0;
}

void
enlh_vss_destroy(struct enlh_vss *vss)
{
    enlh_ic_destroy(vss ? &vss->ic : NULL);
}

/* ---- the embedder ---- */

int
enlh_vss_freeze(struct enlh_vss *vss, uint32_t hold)
{
    int result = 0;

    if (hold > ENLH_VSS_HOLD_MAX)
        return -ENL_E_INVAL;
    enlh_ic_lock(&vss->ic);
    if (!vss->ic.ready) {
        result = -ENL_E_AGAIN;
    } else if (vss->busy) {
        result = -ENL_E_BUSY;
    } else {
        vss->busy = true;
        vss->wish.freeze = true;
        vss->wish.hold = hold ? hold : ENLH_VSS_HOLD;
    }
    enlh_ic_unlock(&vss->ic);
    if (result == 0)
        enlh_channel_wake(vss->ic.channel);
    return result;
}

int
enlh_vss_thaw(struct enlh_vss *vss)
{
    bool ready;

    enlh_ic_lock(&vss->ic);
    ready = vss->ic.ready;
    if (ready) {
        vss->busy = true;
        vss->wish.thaw = true;
    }
    enlh_ic_unlock(&vss->ic);
    if (!ready)
        return -ENL_E_AGAIN;
    enlh_channel_wake(vss->ic.channel);
    return 0;
}

void
enlh_vss_tick(struct enlh_vss *vss)
{
    bool wake;

    enlh_ic_lock(&vss->ic);
    wake = vss->ic.ready && vss->busy;
    if (wake)
        vss->wish.ticks++;
    enlh_ic_unlock(&vss->ic);
    if (wake)
        enlh_channel_wake(vss->ic.channel);
}
