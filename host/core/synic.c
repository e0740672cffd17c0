/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The synthetic interrupt controller of a VP. The guest makes it run by register writes on
 * the VP's thread; VMBus and the timers by posting and signalling on any thread. What the
 * guest writes into its pages is not trusted: of a slot only the type is read, once for
 * each decision, and of the flags nothing but what an atomic OR returns.
 *
 * Slots are written by enlh_synic_deliver() only, on the VP's thread: a hypervisor below
 * writes its timer messages on the same thread, so the two never race. [TLFS 11]
 *
 * Policy: a SynIC or message page that is switched off forgets the messages that wait for
 * it, or they would reach the kernel that is started next.
 * Tests: synic_registers, synic_slots, synic_events, synic_threads.
 */
#include "host/core/synic.h"

#include <string.h>

#include "host/core/ops.h"
#include "host/core/stimer.h"

int
enlh_synic_init(struct enlh_vp *vp)
{
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        vp->synic.sint[i] = ENL_SINT_RESET_VALUE;
    return 0;
}

/* Messages and event flags may be sent to this VP. The lock is held. */
static bool
synic_is_on(const struct enlh_synic *synic)
{
    return (synic->scontrol & ENL_SCONTROL_ENABLE) != 0;
}

/* The lock is held. */
static void
synic_forget(struct enlh_vp *vp)
{
    struct enlh_synic *synic = &vp->synic;

    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++) {
        if (synic->queue[i] != NULL)
            synic->queue[i]->count = 0;
    }
    enlh_stimer_forget(vp);
    synic->waiting = 0;
}

void
enlh_synic_reset(struct enlh_vp *vp)
{
    struct enlh_synic *synic = &vp->synic;

    enlh_ops_lock(vp->partition, vp->lock);
    synic_forget(vp);
    synic->scontrol = 0;
    synic->messages = NULL;
    synic->events = NULL;
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        synic->sint[i] = ENL_SINT_RESET_VALUE;
    enlh_ops_unlock(vp->partition, vp->lock);
    enlh_overlay_reset(vp->partition, &synic->simp);
    enlh_overlay_reset(vp->partition, &synic->siefp);
}

void
enlh_synic_fini(struct enlh_vp *vp)
{
    struct enlh_synic *synic = &vp->synic;

    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        enlh_ops_free(vp->partition, synic->queue[i], sizeof(*synic->queue[i]));
    enlh_overlay_fini(vp->partition, &synic->simp);
    enlh_overlay_fini(vp->partition, &synic->siefp);
}

/* ---- registers ---- */

static void
synic_set_scontrol(struct enlh_vp *vp, uint64_t value)
{
    struct enlh_synic *synic = &vp->synic;

    enlh_ops_lock(vp->partition, vp->lock);
    synic->scontrol = value;
    if (!synic_is_on(synic))
        synic_forget(vp);
    enlh_ops_unlock(vp->partition, vp->lock);
    enlh_vp_note(vp);
}

static int
synic_set_simp(struct enlh_vp *vp, uint64_t value)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_synic *synic = &vp->synic;
    int err = enlh_overlay_begin(partition, &synic->simp, value, NULL, 0);

    if (err != 0)
        return err;
    enlh_ops_lock(partition, vp->lock);
    synic->messages = enlh_overlay_next(&synic->simp, value);
    if (synic->messages == NULL)
        synic_forget(vp);
    enlh_ops_unlock(partition, vp->lock);
    enlh_overlay_end(partition, &synic->simp, value, true);
    enlh_vp_note(vp);
    return 0;
}

static int
synic_set_siefp(struct enlh_vp *vp, uint64_t value)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_synic *synic = &vp->synic;
    int err = enlh_overlay_begin(partition, &synic->siefp, value, NULL, 0);

    if (err != 0)
        return err;
    enlh_ops_lock(partition, vp->lock);
    synic->events = enlh_overlay_next(&synic->siefp, value);
    enlh_ops_unlock(partition, vp->lock);
    enlh_overlay_end(partition, &synic->siefp, value, true);
    return 0;
}

static int
synic_set_sint(struct enlh_vp *vp, uint32_t sint, uint64_t value)
{
    if ((value & ENL_SINT_MASKED) == 0 && (value & ENL_SINT_VECTOR) < ENL_SINT_VECTOR_MIN)
        return -ENL_E_INVAL;
    enlh_ops_lock(vp->partition, vp->lock);
    vp->synic.sint[sint] = value;
    enlh_ops_unlock(vp->partition, vp->lock);
    return 0;
}

int
enlh_synic_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    const struct enlh_synic *synic = &vp->synic;

    switch (reg) {
    case ENL_REG_SVERSION:
        *value = ENL_SVERSION_1;
        return 0;
    case ENL_REG_EOM:
        *value = 0;
        return 0;
    case ENL_REG_SIMP:
        *value = enlh_overlay_value(&synic->simp);
        return 0;
    case ENL_REG_SIEFP:
        *value = enlh_overlay_value(&synic->siefp);
        return 0;
    default:
        break;
    }
    enlh_ops_lock(vp->partition, vp->lock);
    *value = reg == ENL_REG_SCONTROL ? synic->scontrol : synic->sint[reg - ENL_REG_SINT0];
    enlh_ops_unlock(vp->partition, vp->lock);
    return 0;
}

/*
 * A kernel that crashed frees the slots of all VPs from the one that still runs, and says
 * EOM there alone. So every VP with a waiting message looks again; without one this costs
 * a lock for each VP. Seen: Linux, vmbus_wait_for_unload().
 */
void
enlh_synic_wake_waiting(struct enlh_partition *partition, const struct enlh_vp *except)
{
    for (uint32_t i = 0; i < partition->config.vp_count; i++) {
        if (&partition->vps[i] != except && enlh_synic_waits(&partition->vps[i]))
            enlh_vp_wake(&partition->vps[i]);
    }
}

int
enlh_synic_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    switch (reg) {
    case ENL_REG_SCONTROL:
        synic_set_scontrol(vp, value);
        return 0;
    case ENL_REG_SIMP:
        return synic_set_simp(vp, value);
    case ENL_REG_SIEFP:
        return synic_set_siefp(vp, value);
    case ENL_REG_EOM:
        enlh_synic_wake_waiting(vp->partition, vp);
        enlh_vp_note(vp);
        return 0;
    default:
        return synic_set_sint(vp, reg - ENL_REG_SINT0, value);
    }
}

int
enlh_synic_changed(struct enlh_vp *vp, uint64_t scontrol, uint64_t siefp, uint64_t simp)
{
    struct enlh_synic *synic = &vp->synic;
    int err = 0;

    if (simp != enlh_overlay_value(&synic->simp))
        err = synic_set_simp(vp, simp);
    if (err == 0 && siefp != enlh_overlay_value(&synic->siefp))
        err = synic_set_siefp(vp, siefp);
    if (err == 0)
        synic_set_scontrol(vp, scontrol);
    return err;
}

/* ---- interrupts ---- */

static void
synic_raise(struct enlh_vp *vp, uint32_t sint, uint64_t value)
{
    struct enlh_partition *partition = vp->partition;

    if (enlh_ops_below(partition)) {
        ENLH_COUNT(partition, interrupts);
        partition->ops.raise_sint(partition->ctx, vp->index, sint);
        return;
    }
    if ((value & (ENL_SINT_MASKED | ENL_SINT_POLLING)) != 0)
        return;
    enlh_ops_interrupt(vp, (uint8_t)(value & ENL_SINT_VECTOR),
                       (value & ENL_SINT_AUTO_EOI) != 0);
}

/* ---- messages ---- */

/*
 * The lock is held. The queue is made at a SINT's first message: a VP has 16, and most
 * never see one. Memory is not asked for with the lock held, hence the spare.
 * Returns -ENL_E_NOMEM when the queue is missing and there is no spare.
 */
static int
synic_enqueue(struct enlh_vp *vp, uint32_t sint, const struct enlh_synic_message *message,
              struct enlh_synic_queue **spare)
{
    struct enlh_synic *synic = &vp->synic;
    struct enlh_synic_queue *queue = synic->queue[sint];
    struct enlh_synic_message *at;

    if (!synic_is_on(synic) || synic->messages == NULL) {
        synic->refused |= 1u << sint;
        return -ENL_E_AGAIN;
    }
    if (queue == NULL && *spare == NULL)
        return -ENL_E_NOMEM;
    if (queue == NULL) {
        queue = synic->queue[sint] = *spare;
        *spare = NULL;
    }
    if (queue->count == ENLH_SYNIC_QUEUE) {
        synic->refused |= 1u << sint;
        return -ENL_E_AGAIN;
    }
    at = &queue->message[(queue->first + queue->count) % ENLH_SYNIC_QUEUE];
    *at = *message;
    at->ticket = enlh_synic_ticket(vp, sint);
    queue->count++;
    return 0;
}

int
enlh_synic_post(struct enlh_vp *vp, uint32_t sint,
                const struct enlh_synic_message *message)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_synic_queue *spare = NULL;
    int err;

    do {
        enlh_ops_lock(partition, vp->lock);
        err = synic_enqueue(vp, sint, message, &spare);
        enlh_ops_unlock(partition, vp->lock);
        if (err == -ENL_E_NOMEM) {
            spare = enlh_ops_alloc(partition, sizeof(*spare));
            err = spare != NULL ? -ENL_E_NOMEM : -ENL_E_AGAIN;
        }
    } while (err == -ENL_E_NOMEM);
    enlh_ops_free(partition, spare, sizeof(*spare));
    if (err != 0)
        ENLH_COUNT(partition, messages_dropped);
    else
        enlh_vp_wake(vp);
    return err;
}

uint64_t
enlh_synic_ticket(struct enlh_vp *vp, uint32_t sint)
{
    vp->synic.waiting |= 1u << sint;
    return ++vp->synic.ticket;
}

/* Whose turn is it? Host messages and timer messages keep their common order. */
static bool
synic_timer_is_first(struct enlh_vp *vp, uint32_t sint, uint32_t *timer)
{
    const struct enlh_synic_queue *queue = vp->synic.queue[sint];
    uint64_t ticket;

    if (!enlh_stimer_waits(vp, sint, timer, &ticket))
        return false;
    return queue == NULL || queue->count == 0 ||
           ticket < queue->message[queue->first].ticket;
}

/* Take the first message that waits for the SINT. The lock is held. */
static bool
synic_dequeue(struct enlh_vp *vp, uint32_t sint, uint64_t now_100ns,
              struct enlh_synic_message *out)
{
    struct enlh_synic_queue *queue = vp->synic.queue[sint];
    uint32_t timer;

    if (synic_timer_is_first(vp, sint, &timer)) {
        enlh_stimer_take(vp, timer, now_100ns, out);
        return true;
    }
    if (queue == NULL || queue->count == 0)
        return false;
    *out = queue->message[queue->first];
    queue->first = (queue->first + 1) % ENLH_SYNIC_QUEUE;
    queue->count--;
    return true;
}

static bool
synic_has_message(struct enlh_vp *vp, uint32_t sint)
{
    const struct enlh_synic_queue *queue = vp->synic.queue[sint];
    uint32_t timer;
    uint64_t ticket;

    return (queue != NULL && queue->count > 0) ||
           enlh_stimer_waits(vp, sint, &timer, &ticket);
}

/*
 * The slot is free for us. If it is taken, ask the guest for an EOM and look again: the
 * guest frees the slot before it reads the flag, and this sets the flag before it reads
 * the type, both fully ordered, so one of the two sees the other.
 */
static bool
synic_slot_free(struct enl_message *slot)
{
    if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == ENL_MESSAGE_NONE)
        return true;
    __atomic_fetch_or(&slot->flags, ENL_MESSAGE_FLAG_PENDING, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&slot->type, __ATOMIC_SEQ_CST) == ENL_MESSAGE_NONE;
}

static void
synic_mark_waited(struct enlh_synic_queue *queue)
{
    for (uint32_t i = 0; queue != NULL && i < queue->count; i++)
        queue->message[(queue->first + i) % ENLH_SYNIC_QUEUE].waited = true;
}

/* Everything, padding included, then the type: with it the slot becomes the guest's. */
static void
synic_slot_write(struct enl_message *slot, const struct enlh_synic_message *message,
                 bool more)
{
    slot->payload_len = (uint8_t)message->len;
    slot->reserved = 0;
    slot->sender = message->sender;
    memset(slot->payload, 0, sizeof(slot->payload));
    memcpy(slot->payload, message->payload, message->len);
    __atomic_store_n(&slot->flags, more ? ENL_MESSAGE_FLAG_PENDING : 0, __ATOMIC_RELAXED);
    /* Pairs with the guest's read of type before it copies the rest. */
    __atomic_store_n(&slot->type, message->type, __ATOMIC_RELEASE);
}

/* One message into the slot, if there is one and the slot is free. The lock is held. */
static bool
synic_deliver_one(struct enlh_vp *vp, uint32_t sint, uint64_t now_100ns)
{
    struct enlh_synic *synic = &vp->synic;
    struct enlh_synic_message message;
    struct enl_message *slot;
    bool more;

    if (!synic_is_on(synic) || synic->messages == NULL)
        return false;
    if (!synic_has_message(vp, sint)) {
        synic->waiting &= ~(1u << sint);
        return false;
    }
    slot = &synic->messages->slot[sint];
    if (!synic_slot_free(slot)) {
        synic_mark_waited(synic->queue[sint]);
        return false;
    }
    synic_dequeue(vp, sint, now_100ns, &message);
    more = synic_has_message(vp, sint);
    synic_slot_write(slot, &message, more);
    ENLH_COUNT(vp->partition, messages);
    if (message.waited)
        ENLH_COUNT(vp->partition, messages_waited);
    return true;
}

/*
 * At most one queue's worth for each SINT: another VP of the guest could empty the slot as
 * fast as it is filled.
 */
static void
synic_deliver_sint(struct enlh_vp *vp, uint32_t sint, uint64_t now_100ns)
{
    struct enlh_partition *partition = vp->partition;

    for (uint32_t i = 0; i < ENLH_SYNIC_QUEUE + ENL_STIMER_COUNT; i++) {
        uint64_t value;
        bool written;

        enlh_ops_lock(partition, vp->lock);
        value = vp->synic.sint[sint];
        written = synic_deliver_one(vp, sint, now_100ns);
        enlh_ops_unlock(partition, vp->lock);
        if (!written)
            return;
        synic_raise(vp, sint, value);
    }
}

static uint32_t
synic_waiting(struct enlh_vp *vp)
{
    uint32_t waiting;

    enlh_ops_lock(vp->partition, vp->lock);
    waiting = vp->synic.waiting;
    enlh_ops_unlock(vp->partition, vp->lock);
    return waiting;
}

/* The lock is held. A queue that refused a message takes one now. */
static bool
synic_has_room(struct enlh_synic *synic)
{
    bool room = false;

    if (!synic_is_on(synic) || synic->messages == NULL)
        return false;
    for (uint32_t i = 0; synic->refused >> i != 0; i++) {
        const struct enlh_synic_queue *queue = synic->queue[i];

        if ((synic->refused & (1u << i)) == 0 ||
            (queue != NULL && queue->count == ENLH_SYNIC_QUEUE))
            continue;
        synic->refused &= ~(1u << i);
        room = true;
    }
    return room;
}

static void
synic_tell_drained(struct enlh_vp *vp)
{
    struct enlh_synic *synic = &vp->synic;
    bool room;

    enlh_ops_lock(vp->partition, vp->lock);
    room = synic_has_room(synic);
    enlh_ops_unlock(vp->partition, vp->lock);
    if (room && synic->drained != NULL)
        synic->drained(synic->drained_ctx);
}

void
enlh_synic_on_drained(struct enlh_vp *vp, enlh_vp_drained_fn fn, void *ctx)
{
    vp->synic.drained = fn;
    vp->synic.drained_ctx = ctx;
}

void
enlh_synic_deliver(struct enlh_vp *vp)
{
    uint32_t waiting = synic_waiting(vp);

    if (waiting != 0) {
        uint64_t now_100ns = enlh_ops_time(vp->partition);

        for (uint32_t i = 0; i < ENL_SINT_COUNT; i++) {
            if ((waiting & (1u << i)) != 0)
                synic_deliver_sint(vp, i, now_100ns);
        }
    }
    synic_tell_drained(vp);
}

bool
enlh_synic_done(struct enlh_vp *vp, uint32_t sint)
{
    const struct enlh_synic_queue *queue;
    bool done;

    enlh_ops_lock(vp->partition, vp->lock);
    queue = vp->synic.queue[sint];
    done = queue == NULL || queue->count == 0;
    enlh_ops_unlock(vp->partition, vp->lock);
    return done;
}

bool
enlh_synic_waits(struct enlh_vp *vp)
{
    return synic_waiting(vp) != 0;
}

/* ---- event flags ---- */

/*
 * The lock is held, so that the page does not go away under the OR. A SINT is masked where
 * its register is ours; the polling bit unmasks it without an interrupt. [TLFS 11.9]
 */
static bool
synic_takes_events(const struct enlh_vp *vp, uint32_t sint)
{
    const struct enlh_synic *synic = &vp->synic;
    uint64_t value = synic->sint[sint];

    if (!synic_is_on(synic) || synic->events == NULL)
        return false;
    return enlh_ops_below(vp->partition) || (value & ENL_SINT_MASKED) == 0 ||
           (value & ENL_SINT_POLLING) != 0;
}

int
enlh_synic_signal(struct enlh_vp *vp, uint32_t sint, uint32_t flag)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_synic *synic = &vp->synic;
    uint32_t bit = 1u << (flag % 32);
    uint32_t before = bit;
    uint64_t value;
    bool taken;

    enlh_ops_lock(partition, vp->lock);
    value = synic->sint[sint];
    taken = synic_takes_events(vp, sint);
    if (taken)
        before = __atomic_fetch_or(&synic->events->sint[sint].word[flag / 32], bit,
                                   __ATOMIC_SEQ_CST);
    enlh_ops_unlock(partition, vp->lock);
    if (!taken)
        return -ENL_E_AGAIN;
    if ((before & bit) != 0)
        return 0;
    ENLH_COUNT(partition, events);
    synic_raise(vp, sint, value);
    return 1;
}

/* ---- save, restore ---- */

static void
synic_save_queues(const struct enlh_synic *synic, struct enlh_synic_state *out)
{
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++) {
        const struct enlh_synic_queue *queue = synic->queue[i];

        if (queue == NULL)
            continue;
        out->queued[i] = queue->count;
        for (uint32_t j = 0; j < queue->count; j++)
            out->message[i][j] = queue->message[(queue->first + j) % ENLH_SYNIC_QUEUE];
    }
}

void
enlh_synic_save(struct enlh_vp *vp, struct enlh_synic_state *out)
{
    const struct enlh_synic *synic = &vp->synic;

    memset(out, 0, sizeof(*out));
    enlh_overlay_save(vp->partition, &synic->simp, &out->simp);
    enlh_overlay_save(vp->partition, &synic->siefp, &out->siefp);
    enlh_ops_lock(vp->partition, vp->lock);
    out->scontrol = synic->scontrol;
    memcpy(out->sint, synic->sint, sizeof(out->sint));
    out->ticket = synic->ticket;
    synic_save_queues(synic, out);
    enlh_ops_unlock(vp->partition, vp->lock);
}

/* A saved state may come from anywhere: what it counts is checked. */
static int
synic_check(const struct enlh_synic_state *state)
{
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++) {
        if (state->queued[i] > ENLH_SYNIC_QUEUE)
            return -ENL_E_INVAL;
        if ((state->sint[i] & ENL_SINT_MASKED) == 0 &&
            (state->sint[i] & ENL_SINT_VECTOR) < ENL_SINT_VECTOR_MIN)
            return -ENL_E_INVAL;
        for (uint32_t j = 0; j < state->queued[i]; j++) {
            if (state->message[i][j].len > ENL_MESSAGE_PAYLOAD)
                return -ENL_E_INVAL;
        }
    }
    return 0;
}

static int
synic_restore_queue(struct enlh_vp *vp, const struct enlh_synic_state *state,
                    uint32_t sint)
{
    struct enlh_synic *synic = &vp->synic;

    if (state->queued[sint] == 0)
        return 0;
    if (synic->queue[sint] == NULL)
        synic->queue[sint] = enlh_ops_alloc(vp->partition, sizeof(*synic->queue[sint]));
    if (synic->queue[sint] == NULL)
        return -ENL_E_NOMEM;
    synic->queue[sint]->first = 0;
    synic->queue[sint]->count = state->queued[sint];
    memcpy(synic->queue[sint]->message, state->message[sint],
           sizeof(synic->queue[sint]->message));
    synic->waiting |= 1u << sint;
    return 0;
}

/* On a VP that was reset and does not run yet. */
int
enlh_synic_restore(struct enlh_vp *vp, const struct enlh_synic_state *state)
{
    struct enlh_synic *synic = &vp->synic;
    int err = synic_check(state);

    if (err == 0)
        err = enlh_overlay_restore(vp->partition, &synic->simp, &state->simp);
    if (err == 0)
        err = enlh_overlay_restore(vp->partition, &synic->siefp, &state->siefp);
    for (uint32_t i = 0; err == 0 && i < ENL_SINT_COUNT; i++)
        err = synic_restore_queue(vp, state, i);
    if (err != 0)
        return err;
    synic->messages = enlh_overlay_page(&synic->simp);
    synic->events = enlh_overlay_page(&synic->siefp);
    synic->scontrol = state->scontrol;
    memcpy(synic->sint, state->sint, sizeof(synic->sint));
    synic->ticket = state->ticket;
    enlh_vp_note(vp);
    return 0;
}
