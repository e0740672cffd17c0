/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Channels: what state each is in, and the messages that open, move and close it.
 *
 * Runs: the guest, by OPEN_CHANNEL, CLOSE_CHANNEL and MODIFY_CHANNEL on the loop; the
 * device, by taking its offer back; the worker, by letting go. One table says which event
 * is allowed in which state; what is not in it is the guest's fault and changes nothing.
 * Nothing of an open channel is freed before its worker has acknowledged: the states
 * CLOSING to REMOVING wait for that. Trusts the worker, not the guest.
 * [VMBus; no chapter in the TLFS] Tests: test/unit/vmbus_channel.c, vmbus_messages.c,
 * vmbus_quiesce.c, test/model/channel.pml.
 */
#include <string.h>

#include "host/vmbus/channel.h"

/* ---- the state machine ---- */

static void enlh_channel_start(struct enlh_channel *channel);
static void enlh_channel_reopen(struct enlh_channel *channel);
static void enlh_channel_stop_quietly(struct enlh_channel *channel);
static void enlh_channel_stop_politely(struct enlh_channel *channel);
static void enlh_channel_refuse_reopen(struct enlh_channel *channel);
static void enlh_channel_notify(struct enlh_channel *channel);
static void enlh_channel_forget(struct enlh_channel *channel);
static void enlh_channel_broke(struct enlh_channel *channel);
static void enlh_channel_reap_soon(struct enlh_channel *channel);

struct enlh_channel_way {
    bool there;
    enum enlh_channel_state next;
    void (*act)(struct enlh_channel *channel); /* after the step; or NULL */
};

#define TO(state, act)                                                                   \
    {                                                                                    \
        true, ENLH_CH_##state, act                                                       \
    }

/* clang-format off */
static const struct enlh_channel_way ways[ENLH_CH_STATES][ENLH_CH_EVENTS] = {
    [ENLH_CH_UNOFFERED] = {
        [ENLH_EV_OFFER]       = TO(OFFERED, NULL),
        [ENLH_EV_DISCONNECT]  = TO(UNOFFERED, enlh_channel_forget),
        [ENLH_EV_RESCIND]     = TO(REMOVED, enlh_channel_reap_soon),
    },
    [ENLH_CH_OFFERED] = {
        [ENLH_EV_OPEN]        = TO(OPEN, enlh_channel_start),
        [ENLH_EV_RELEASE]     = TO(UNOFFERED, enlh_channel_forget),
        [ENLH_EV_DISCONNECT]  = TO(UNOFFERED, enlh_channel_forget),
        [ENLH_EV_RESCIND]     = TO(RESCINDED, enlh_channel_notify),
    },
    [ENLH_CH_OPEN] = {
        [ENLH_EV_OPEN_FAILED] = TO(OFFERED, NULL),
        [ENLH_EV_CLOSE]       = TO(CLOSING, enlh_channel_stop_quietly),
        [ENLH_EV_DISCONNECT]  = TO(LEAVING, enlh_channel_stop_quietly),
        [ENLH_EV_RESCIND]     = TO(RESCINDING, enlh_channel_stop_politely),
        [ENLH_EV_STOPPED]     = TO(BROKEN, enlh_channel_broke),
    },
    [ENLH_CH_CLOSING] = {
        [ENLH_EV_OPEN]        = TO(REOPENING, NULL),
        [ENLH_EV_RELEASE]     = TO(LEAVING, NULL),
        [ENLH_EV_DISCONNECT]  = TO(LEAVING, NULL),
        [ENLH_EV_RESCIND]     = TO(RESCINDING, NULL),
        [ENLH_EV_STOPPED]     = TO(OFFERED, NULL),
    },
    [ENLH_CH_REOPENING] = {
        [ENLH_EV_CLOSE]       = TO(CLOSING, enlh_channel_refuse_reopen),
        [ENLH_EV_DISCONNECT]  = TO(LEAVING, NULL),
        [ENLH_EV_RESCIND]     = TO(RESCINDING, NULL),
        [ENLH_EV_STOPPED]     = TO(OFFERED, enlh_channel_reopen),
    },
    [ENLH_CH_RESCINDING] = {
        [ENLH_EV_OPEN_FAILED] = TO(RESCINDED, enlh_channel_notify),
        [ENLH_EV_CLOSE]       = TO(RESCINDING, enlh_channel_stop_quietly),
        [ENLH_EV_DISCONNECT]  = TO(REMOVING, enlh_channel_stop_quietly),
        [ENLH_EV_STOPPED]     = TO(RESCINDED, enlh_channel_notify),
    },
    [ENLH_CH_RESCINDED] = {
        [ENLH_EV_CLOSE]       = TO(RESCINDED, NULL),
        [ENLH_EV_RELEASE]     = TO(REMOVED, enlh_channel_reap_soon),
        [ENLH_EV_DISCONNECT]  = TO(REMOVED, enlh_channel_reap_soon),
    },
    [ENLH_CH_BROKEN] = {
        [ENLH_EV_CLOSE]       = TO(OFFERED, NULL),
        [ENLH_EV_RELEASE]     = TO(UNOFFERED, enlh_channel_forget),
        [ENLH_EV_DISCONNECT]  = TO(UNOFFERED, enlh_channel_forget),
        [ENLH_EV_RESCIND]     = TO(RESCINDED, enlh_channel_notify),
    },
    [ENLH_CH_LEAVING] = {
        [ENLH_EV_DISCONNECT]  = TO(LEAVING, NULL),
        [ENLH_EV_RESCIND]     = TO(REMOVING, NULL),
        [ENLH_EV_STOPPED]     = TO(UNOFFERED, enlh_channel_forget),
    },
    [ENLH_CH_REMOVING] = {
        [ENLH_EV_DISCONNECT]  = TO(REMOVING, NULL),
        [ENLH_EV_STOPPED]     = TO(REMOVED, enlh_channel_reap_soon),
    },
    [ENLH_CH_REMOVED] = {
        [ENLH_EV_DISCONNECT]  = TO(REMOVED, NULL),
    },
};
/* clang-format on */

static const char *const state_names[ENLH_CH_STATES] = {
    [ENLH_CH_UNOFFERED] = "unoffered", [ENLH_CH_OFFERED] = "offered",
    [ENLH_CH_OPEN] = "open",           [ENLH_CH_CLOSING] = "closing",
    [ENLH_CH_REOPENING] = "reopening", [ENLH_CH_RESCINDING] = "rescinding",
    [ENLH_CH_RESCINDED] = "rescinded", [ENLH_CH_BROKEN] = "broken",
    [ENLH_CH_LEAVING] = "leaving",     [ENLH_CH_REMOVING] = "removing",
    [ENLH_CH_REMOVED] = "removed",
};

const char *
enlh_channel_state_name(enum enlh_channel_state state)
{
    return state_names[state];
}

/* The only place where a state changes. */
static void
enlh_channel_set_state(struct enlh_channel *channel, enum enlh_channel_state state)
{
    if (channel->state == state)
        return;
    channel->state = state;
    atomic_store(&channel->is_open, state == ENLH_CH_OPEN);
    enlh_log(channel->bus->partition, ENLH_LOG_DEBUG, "vmbus: %s (relid %u): %s",
             channel->name, channel->relid, state_names[state]);
}

bool
enlh_channel_accepts(const struct enlh_channel *channel, enum enlh_channel_event event)
{
    return ways[channel->state][event].there;
}

bool
enlh_channel_event(struct enlh_channel *channel, enum enlh_channel_event event)
{
    const struct enlh_channel_way *way = &ways[channel->state][event];

    if (!way->there)
        return false;
    enlh_channel_set_state(channel, way->next);
    if (way->act)
        way->act(channel);
    return true;
}

/* ---- what belongs to the steps ---- */

static void
enlh_channel_answer(struct enlh_vmbus *bus, uint32_t relid, uint32_t open_id,
                    uint32_t status)
{
    struct enl_vmbus_open_result result = {
        .head = {.type = ENL_VMBUS_OPEN_RESULT},
        .relid = relid,
        .open_id = open_id,
        .status = status,
    };

    enlh_outbox_put(bus, &result, sizeof(result));
}

static void
enlh_channel_start(struct enlh_channel *channel)
{
    struct enlh_vmbus *bus = channel->bus;
    uint32_t open_id = channel->request.open_id;
    int r = enlh_open_start(channel);

    enlh_channel_answer(bus, channel->relid, open_id, enlh_open_status(r));
    if (r < 0) {
        enlh_message_bad(bus, channel->name, "cannot be opened this way");
        (void)enlh_channel_event(channel, ENLH_EV_OPEN_FAILED);
        return;
    }
    enlh_outbox_signal_after(bus, channel->relid);
    enlh_bus_count(&bus->counts.opens);
    enlh_log(bus->partition, ENLH_LOG_INFO, "vmbus: %s (relid %u): opened, VP %d",
             channel->name, channel->relid, (int)channel->request.target_vp);
}

static void
enlh_channel_reopen(struct enlh_channel *channel)
{
    (void)enlh_channel_event(channel, ENLH_EV_OPEN);
}

static void
enlh_channel_refuse_reopen(struct enlh_channel *channel)
{
    enlh_channel_answer(channel->bus, channel->relid, channel->request.open_id,
                        ENL_VMBUS_STATUS_FAILED);
}

/* The guest has closed it, or is gone: its memory may be in other use soon. */
static void
enlh_channel_stop_quietly(struct enlh_channel *channel)
{
    enlh_open_ask_stop(channel, ENLH_ORDER_SILENCE);
}

/* The guest does not know yet: it gets the answers to what is in flight. */
static void
enlh_channel_stop_politely(struct enlh_channel *channel)
{
    enlh_open_ask_stop(channel, ENLH_ORDER_QUIESCE);
}

/* RESCIND goes behind the offers that wait. */
static void
enlh_channel_notify(struct enlh_channel *channel)
{
    enlh_list_remove(&channel->notice);
    enlh_list_append(&channel->bus->notices, &channel->notice);
}

/* The guest does not hold it any more. */
static void
enlh_channel_forget(struct enlh_channel *channel)
{
    enlh_list_remove(&channel->notice);
    enlh_gpadl_drop(channel);
}

static void
enlh_channel_reap_soon(struct enlh_channel *channel)
{
    enlh_channel_forget(channel);
    enlh_bus_attend(channel->bus);
}

static void
enlh_channel_broke(struct enlh_channel *channel)
{
    enlh_message_bad(channel->bus, channel->name,
                     "broke the ring's protocol; given up until it is closed");
}

/* Below 5.3 the guest expects no answer. */
static void
enlh_channel_modified(struct enlh_vmbus *bus, uint32_t relid, uint32_t status)
{
    struct enl_vmbus_modify_channel_response response = {
        .head = {.type = ENL_VMBUS_MODIFY_CHANNEL_RESPONSE},
        .relid = relid,
        .status = status,
    };

    if (bus->conn.version >= ENL_VMBUS_VERSION_WS2022)
        enlh_outbox_put(bus, &response, sizeof(response));
}

void
enlh_channel_progress(struct enlh_channel *channel)
{
    struct enlh_vmbus *bus = channel->bus;

    enlh_gpadl_returned(channel);
    if (atomic_load(&channel->hand.modify_waits) &&
        !atomic_load(&channel->hand.signalling)) {
        atomic_store(&channel->hand.modify_waits, false);
        enlh_channel_modified(bus, channel->relid, ENL_VMBUS_STATUS_SUCCESS);
    }
    if (!atomic_load(&channel->hand.stopped) || !enlh_open_stop(channel))
        return;
    enlh_bus_count(&bus->counts.closes);
    enlh_log(bus->partition, ENLH_LOG_INFO, "vmbus: %s (relid %u): closed", channel->name,
             channel->relid);
    (void)enlh_channel_event(channel, ENLH_EV_STOPPED);
}

/* ---- the messages ---- */

struct enlh_channel *
enlh_channel_held(struct enlh_vmbus *bus, uint32_t relid)
{
    struct enlh_channel *channel = relid < ENLH_BUS_RELIDS ? bus->by_relid[relid] : NULL;

    if (!channel || channel->state == ENLH_CH_UNOFFERED ||
        channel->state >= ENLH_CH_LEAVING)
        return NULL;
    return channel;
}

/* No fault where the host has taken it back: the message may have crossed RESCIND. */
static void
enlh_channel_bad(struct enlh_vmbus *bus, const struct enlh_channel *channel,
                 const char *message, const char *why)
{
    if (channel &&
        (channel->state == ENLH_CH_RESCINDING || channel->state == ENLH_CH_RESCINDED))
        return;
    enlh_message_bad(bus, channel ? channel->name : message, why);
}

/* An answer in every case: the guest waits for it without a time-out. */
void
enlh_channel_open(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_open open;
    struct enlh_channel *channel;

    memcpy(&open, entry->data, sizeof(open));
    channel = enlh_channel_held(bus, open.relid);
    if (!channel || !enlh_channel_accepts(channel, ENLH_EV_OPEN)) {
        enlh_channel_bad(bus, channel, "OPEN_CHANNEL", "cannot be opened now");
        enlh_channel_answer(bus, open.relid, open.open_id, ENL_VMBUS_STATUS_FAILED);
        return;
    }
    channel->request = (struct enlh_open_request){
        .open_id = open.open_id,
        .ring_gpadl = open.ring_gpadl,
        .target_vp = open.target_vp,
        .downstream_offset = open.downstream_offset,
    };
    (void)enlh_channel_event(channel, ENLH_EV_OPEN);
}

void
enlh_channel_close(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_relid close;
    struct enlh_channel *channel;

    memcpy(&close, entry->data, sizeof(close));
    channel = enlh_channel_held(bus, close.relid);
    if (!channel || !enlh_channel_event(channel, ENLH_EV_CLOSE))
        enlh_channel_bad(bus, channel, "CLOSE_CHANNEL", "is not open");
}

/* Interrupts can be moved, neither switched on nor off, and once at a time. */
static bool
enlh_channel_may_move(const struct enlh_channel *channel, uint32_t target_vp)
{
    return channel && channel->state == ENLH_CH_OPEN &&
           !atomic_load(&channel->hand.modify_waits) &&
           channel->request.target_vp != ENL_VMBUS_VP_NO_INTERRUPT &&
           target_vp < channel->bus->vp_count;
}

/*
 * After the answer the guest may take the old VP offline: no interrupt may go there any
 * more. Either the worker sees the new target, or this sees that it is signalling, and
 * the answer waits. Sequentially consistent on both sides; pairs with
 * enlh_packet_signal().
 */
void
enlh_channel_modify(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_modify_channel modify;
    struct enlh_channel *channel;

    memcpy(&modify, entry->data, sizeof(modify));
    channel = enlh_channel_held(bus, modify.relid);
    if (!enlh_channel_may_move(channel, modify.target_vp)) {
        enlh_channel_bad(bus, channel, "MODIFY_CHANNEL", "cannot be moved there");
        enlh_channel_modified(bus, modify.relid, ENL_VMBUS_STATUS_FAILED);
        return;
    }
    atomic_store(&channel->hand.target_vp, modify.target_vp);
    if (bus->conn.version >= ENL_VMBUS_VERSION_WS2022) {
        atomic_store(&channel->hand.modify_waits, true);
        enlh_channel_progress(channel);
    }
}

/* ---- who it is ---- */

struct enlh_partition *
enlh_channel_partition(const struct enlh_channel *channel)
{
    return channel->bus->partition;
}

struct enlh_vmbus *
enlh_channel_bus(const struct enlh_channel *channel)
{
    return channel->bus;
}

uint32_t
enlh_channel_relid(const struct enlh_channel *channel)
{
    return channel->relid;
}

uint16_t
enlh_channel_subchannel(const struct enlh_channel *channel)
{
    return channel->offer.subchannel;
}

const char *
enlh_channel_name(const struct enlh_channel *channel)
{
    return channel->name;
}

uint32_t
enlh_channel_target_vp(const struct enlh_channel *channel)
{
    return atomic_load(&channel->hand.target_vp);
}

bool
enlh_channel_is_open(const struct enlh_channel *channel)
{
    return atomic_load(&channel->is_open);
}

void
enlh_channel_set_data(struct enlh_channel *channel, void *data)
{
    channel->data = data;
}

void *
enlh_channel_data(const struct enlh_channel *channel)
{
    return channel->data;
}

void
enlh_channel_set_worker(struct enlh_channel *channel, void *worker)
{
    channel->worker = worker;
}

void *
enlh_channel_worker(const struct enlh_channel *channel)
{
    return channel->worker;
}

void
enlh_channel_wake(struct enlh_channel *channel)
{
    enlh_door_ring(channel->bus, channel->relid);
}

void
enlh_channel_counters(const struct enlh_channel *channel,
                      struct enlh_channel_counters *out)
{
    const struct enlh_wire_counts *counts = &channel->wire.counts;

    *out = (struct enlh_channel_counters){
        .packets_in = atomic_load_explicit(&counts->packets_in, memory_order_relaxed),
        .packets_out = atomic_load_explicit(&counts->packets_out, memory_order_relaxed),
        .signals_in = atomic_load_explicit(&counts->signals_in, memory_order_relaxed),
        .signals_out = atomic_load_explicit(&counts->signals_out, memory_order_relaxed),
        .ring_full = atomic_load_explicit(&counts->ring_full, memory_order_relaxed),
    };
}
