/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Synthetic timers. The guest programs them on its VP's thread; time passes when the
 * embedder says so, on any thread. Direct timers raise their vector where the time was
 * noticed; message timers leave a message with the SynIC, which the VP's own thread puts
 * into the slot. Of all four the earliest deadline is given to the embedder. [TLFS 12.3]
 *
 * Count and period are the guest's: sums saturate, and however short a period is, a timer
 * fires at most once each time that anybody looks.
 * Policy: a period below 100 us is taken for 100 us, or one VP would keep a host thread
 * busy. A direct timer whose vector is below 16 is disabled, as is a message timer for
 * SINT 0.
 * Tests: stimer_modes, stimer_messages.
 */
#include "host/core/stimer.h"

#include <string.h>

#include "common/checked.h"
#include "host/core/feature.h"
#include "host/core/ops.h"
#include "host/core/synic.h"

#define STIMER_MIN_PERIOD 1000u /* 100 us */
#define STIMER_MAX_MISSED 16u   /* periods that a timer tries to make up for */

int
enlh_stimer_init(struct enlh_vp *vp)
{
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++)
        vp->stimers.timer[i].deadline = ENLH_STIMER_NEVER;
    vp->stimers.armed = ENLH_STIMER_NEVER;
    return 0;
}

void
enlh_stimer_fini(struct enlh_vp *vp)
{
    memset(&vp->stimers, 0, sizeof(vp->stimers));
}

static uint64_t
stimer_add(uint64_t time, uint64_t step)
{
    uint64_t sum;

    return enl_add64(time, step, &sum) ? sum : ENLH_STIMER_NEVER;
}

static uint64_t
stimer_period(const struct enlh_stimer *timer)
{
    return timer->count < STIMER_MIN_PERIOD ? STIMER_MIN_PERIOD : timer->count;
}

static uint32_t
stimer_sint(const struct enlh_stimer *timer)
{
    return (uint32_t)((timer->config & ENL_STIMER_SINT) >> ENL_STIMER_SINT_SHIFT);
}

static uint8_t
stimer_vector(const struct enlh_stimer *timer)
{
    return (uint8_t)((timer->config & ENL_STIMER_VECTOR) >> ENL_STIMER_VECTOR_SHIFT);
}

/* Where it would fire exists. */
static bool
stimer_has_target(const struct enlh_stimer *timer)
{
    if ((timer->config & ENL_STIMER_DIRECT) != 0)
        return stimer_vector(timer) >= ENL_SINT_VECTOR_MIN;
    return stimer_sint(timer) != 0;
}

/* Config or count has changed: begin anew. The lock is held. */
static void
stimer_start(struct enlh_stimer *timer, uint64_t now_100ns)
{
    timer->message_waits = false;
    timer->deadline = ENLH_STIMER_NEVER;
    if (!stimer_has_target(timer))
        timer->config &= ~ENL_STIMER_ENABLE;
    if ((timer->config & ENL_STIMER_ENABLE) == 0 || timer->count == 0)
        return;
    timer->nominal = timer->count;
    if ((timer->config & ENL_STIMER_PERIODIC) != 0)
        timer->nominal = stimer_add(now_100ns, stimer_period(timer));
    timer->deadline = timer->nominal;
}

/*
 * The next expiration of a periodic timer that has just fired. [TLFS 12.3.1] A lazy one
 * goes on with the first that is still ahead. Others have a backlog, and work it off at
 * half the period.
 */
static void
stimer_next(struct enlh_stimer *timer, uint64_t now_100ns)
{
    uint64_t period = stimer_period(timer);
    uint64_t missed = (now_100ns - timer->nominal) / period;
    bool lazy = (timer->config & ENL_STIMER_LAZY) != 0;
    uint64_t skipped = 0;

    if (lazy)
        skipped = missed;
    else if (missed > STIMER_MAX_MISSED)
        skipped = missed - STIMER_MAX_MISSED;
    /* At most now: missed periods are behind us. Only the last step may saturate. */
    timer->nominal = stimer_add(timer->nominal + skipped * period, period);
    timer->deadline = timer->nominal;
    if (timer->nominal <= now_100ns)
        timer->deadline = stimer_add(now_100ns, period / 2);
}

/* It has expired. Returns the vector to raise, or 0. The lock is held. */
static uint8_t
stimer_fire(struct enlh_vp *vp, struct enlh_stimer *timer, uint64_t now_100ns)
{
    uint64_t nominal = timer->nominal;

    ENLH_COUNT(vp->partition, timers);
    if ((timer->config & ENL_STIMER_PERIODIC) != 0) {
        stimer_next(timer, now_100ns);
    } else {
        timer->deadline = ENLH_STIMER_NEVER;
        timer->config &= ~ENL_STIMER_ENABLE;
    }
    if ((timer->config & ENL_STIMER_DIRECT) != 0)
        return stimer_vector(timer);
    if (!timer->message_waits) {
        timer->message_waits = true;
        timer->message_nominal = nominal;
        timer->message_ticket = enlh_synic_ticket(vp, stimer_sint(timer));
    }
    return 0;
}

/* The earliest deadline of all. The lock is held. */
static uint64_t
stimer_earliest(const struct enlh_stimers *stimers)
{
    uint64_t earliest = ENLH_STIMER_NEVER;

    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++) {
        if (stimers->timer[i].deadline < earliest)
            earliest = stimers->timer[i].deadline;
    }
    return earliest;
}

/*
 * Give the embedder the deadline. Two threads may be here, and the one that decided first
 * may call last; so each looks again whether what it said is still what was decided.
 */
static void
stimer_arm(struct enlh_vp *vp, uint64_t deadline)
{
    struct enlh_partition *partition = vp->partition;

    for (;;) {
        uint64_t decided;

        partition->ops.timer_arm(partition->ctx, vp->index, deadline);
        enlh_ops_lock(partition, vp->lock);
        decided = vp->stimers.armed;
        enlh_ops_unlock(partition, vp->lock);
        if (decided == deadline)
            return;
        deadline = decided;
    }
}

/* What one look at the timers leads to, once the lock is gone. */
struct stimer_outcome {
    uint8_t vector[ENL_STIMER_COUNT]; /* 0: none */
    bool message;
    bool elsewhere; /* this may not be the VP's thread: make it leave guest code */
    bool rearm;
    uint64_t deadline;
};

/* The lock is held. fired: the embedder's timer has gone off and is not set any more. */
static struct stimer_outcome
stimer_look(struct enlh_vp *vp, uint64_t now_100ns, bool fired)
{
    struct enlh_stimers *stimers = &vp->stimers;
    struct stimer_outcome outcome = {.elsewhere = fired};

    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++) {
        struct enlh_stimer *timer = &stimers->timer[i];

        if (timer->deadline > now_100ns || timer->deadline == ENLH_STIMER_NEVER)
            continue;
        outcome.vector[i] = stimer_fire(vp, timer, now_100ns);
        outcome.message |= outcome.vector[i] == 0;
    }
    outcome.deadline = stimer_earliest(stimers);
    outcome.rearm = outcome.deadline != stimers->armed ||
                    (fired && outcome.deadline != ENLH_STIMER_NEVER);
    stimers->armed = outcome.deadline;
    return outcome;
}

static void
stimer_act(struct enlh_vp *vp, const struct stimer_outcome *outcome)
{
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++) {
        if (outcome->vector[i] != 0)
            enlh_ops_interrupt(vp, outcome->vector[i], false);
    }
    if (outcome->rearm)
        stimer_arm(vp, outcome->deadline);
    if (outcome->message && outcome->elsewhere)
        enlh_vp_wake(vp);
    else if (outcome->message)
        enlh_vp_note(vp);
}

void
enlh_stimer_run(struct enlh_vp *vp)
{
    uint64_t now_100ns = enlh_ops_time(vp->partition);
    struct stimer_outcome outcome;

    enlh_ops_lock(vp->partition, vp->lock);
    outcome = stimer_look(vp, now_100ns, true);
    enlh_ops_unlock(vp->partition, vp->lock);
    stimer_act(vp, &outcome);
}

void
enlh_stimer_reset(struct enlh_vp *vp)
{
    bool rearm;

    enlh_ops_lock(vp->partition, vp->lock);
    rearm = vp->stimers.armed != ENLH_STIMER_NEVER;
    memset(&vp->stimers, 0, sizeof(vp->stimers));
    enlh_stimer_init(vp);
    enlh_ops_unlock(vp->partition, vp->lock);
    if (rearm)
        stimer_arm(vp, ENLH_STIMER_NEVER);
}

/* ---- registers ---- */

int
enlh_stimer_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    uint32_t at = reg - ENL_REG_STIMER0_CONFIG;
    const struct enlh_stimer *timer = &vp->stimers.timer[at / 2];

    enlh_ops_lock(vp->partition, vp->lock);
    *value = at % 2 == 0 ? timer->config : timer->count;
    enlh_ops_unlock(vp->partition, vp->lock);
    return 0;
}

/* A count of 0 stops the timer; another one starts it if that is what auto-enable says. */
static void
stimer_set_count(struct enlh_stimer *timer, uint64_t value)
{
    timer->count = value;
    if (value == 0)
        timer->config &= ~ENL_STIMER_ENABLE;
    else if ((timer->config & ENL_STIMER_AUTO_ENABLE) != 0)
        timer->config |= ENL_STIMER_ENABLE;
}

int
enlh_stimer_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    struct enlh_partition *partition = vp->partition;
    uint32_t at = reg - ENL_REG_STIMER0_CONFIG;
    struct enlh_stimer *timer = &vp->stimers.timer[at / 2];
    bool is_config = at % 2 == 0;
    struct stimer_outcome outcome;
    uint64_t now_100ns;

    if (is_config && (value & ENL_STIMER_DIRECT) != 0 &&
        !enlh_feature_on(&partition->config.features, ENLH_F_STIMER_DIRECT))
        return -ENL_E_INVAL;
    now_100ns = enlh_ops_time(partition);
    enlh_ops_lock(partition, vp->lock);
    if (is_config)
        timer->config = value;
    else
        stimer_set_count(timer, value);
    stimer_start(timer, now_100ns);
    outcome = stimer_look(vp, now_100ns, false);
    enlh_ops_unlock(partition, vp->lock);
    stimer_act(vp, &outcome);
    return 0;
}

/* ---- for the SynIC ---- */

bool
enlh_stimer_waits(const struct enlh_vp *vp, uint32_t sint, uint32_t *timer,
                  uint64_t *ticket)
{
    bool found = false;

    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++) {
        const struct enlh_stimer *t = &vp->stimers.timer[i];

        if (!t->message_waits || stimer_sint(t) != sint ||
            (found && t->message_ticket > *ticket))
            continue;
        *timer = i;
        *ticket = t->message_ticket;
        found = true;
    }
    return found;
}

void
enlh_stimer_take(struct enlh_vp *vp, uint32_t timer, uint64_t now_100ns,
                 struct enlh_synic_message *out)
{
    struct enlh_stimer *t = &vp->stimers.timer[timer];
    struct enl_timer_payload payload = {.timer_index = timer,
                                        .expiration_time = t->message_nominal,
                                        .delivery_time = now_100ns};

    memset(out, 0, sizeof(*out));
    out->type = ENL_MESSAGE_TIMER_EXPIRED;
    out->len = sizeof(payload);
    memcpy(out->payload, &payload, sizeof(payload));
    t->message_waits = false;
}

void
enlh_stimer_forget(struct enlh_vp *vp)
{
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++)
        vp->stimers.timer[i].message_waits = false;
}

/* ---- save, restore ---- */

void
enlh_stimer_save(struct enlh_vp *vp, struct enlh_stimer_state *out)
{
    memset(out, 0, sizeof(*out));
    enlh_ops_lock(vp->partition, vp->lock);
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++) {
        const struct enlh_stimer *timer = &vp->stimers.timer[i];

        out->timer[i].config = timer->config;
        out->timer[i].count = timer->count;
        out->timer[i].nominal = timer->nominal;
        out->timer[i].deadline = timer->deadline;
        out->timer[i].message_waits = timer->message_waits;
        out->timer[i].message_ticket = timer->message_ticket;
        out->timer[i].message_nominal = timer->message_nominal;
    }
    enlh_ops_unlock(vp->partition, vp->lock);
}

/* After the SynIC's: its queues know nothing of the messages that wait here. */
int
enlh_stimer_restore(struct enlh_vp *vp, const struct enlh_stimer_state *state)
{
    enlh_ops_lock(vp->partition, vp->lock);
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++) {
        struct enlh_stimer *timer = &vp->stimers.timer[i];

        timer->config = state->timer[i].config;
        timer->count = state->timer[i].count;
        timer->nominal = state->timer[i].nominal;
        timer->deadline =
            stimer_has_target(timer) ? state->timer[i].deadline : ENLH_STIMER_NEVER;
        timer->message_waits = state->timer[i].message_waits != 0;
        timer->message_ticket = state->timer[i].message_ticket;
        timer->message_nominal = state->timer[i].message_nominal;
        if (timer->message_waits)
            vp->synic.waiting |= 1u << stimer_sint(timer);
    }
    enlh_ops_unlock(vp->partition, vp->lock);
    enlh_vp_note(vp);
    enlh_stimer_run(vp);
    return 0;
}
