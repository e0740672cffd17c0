/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lane: an open channel's requests, from their packet to their answer.
 *
 * Runs: a channel's thread, for the guest's packets and for backends' completions; the
 * loop opens and closes it while there is no worker. Nothing is allocated between open and
 * close: requests and long span arrays come from the lane, and when there are none left
 * the packet stays in the ring. A backend's done() only puts the request on a list, so
 * that no backend is called from within its own reap().
 * Reads no guest memory; trusts backends to call done() once.
 * Tests: test/unit/storage_lane.c.
 */
#include "host/dev/storage/controller.h"

#include <string.h>

static size_t
lane_requests_len(const struct enlh_lane *lane)
{
    return (size_t)lane->depth * sizeof(struct enlh_lane_request);
}

static size_t
lane_large_len(const struct enlh_lane *lane)
{
    return (size_t)ENLH_LANE_LARGE * lane->storage->max_spans * sizeof(struct enlh_span);
}

static enum enlh_slot_phase
lane_phase(const struct enlh_lane_slot *slot)
{
    return (enum enlh_slot_phase)atomic_load_explicit(&slot->phase, memory_order_acquire);
}

static void
lane_set_phase(struct enlh_lane_slot *slot, enum enlh_slot_phase phase)
{
    atomic_store_explicit(&slot->phase, (unsigned)phase, memory_order_release);
}

/* There is one: a LUN is free only when no lane has a slot for its last disk. */
static struct enlh_lane_slot *
lane_free_slot(struct enlh_lane *lane)
{
    struct enlh_lane_slot *slot = lane->slots;

    while (lane_phase(slot) != ENLH_SLOT_FREE)
        slot++;
    return slot;
}

static void
lane_woken(void *ctx)
{
    enlh_channel_wake(ctx);
}

int
enlh_lane_prepare(struct enlh_lane *lane, struct enlh_storage_disk *disk)
{
    const struct enlh_storage_config *config = &lane->storage->config;
    struct enlh_wake wake = {.fn = lane_woken, .ctx = lane->channel, .fd = -1};
    struct enlh_lane_slot *slot = lane_free_slot(lane);
    struct enlh_block_queue *queue;
    int result;

    if (config->wake_fd)
        wake.fd = config->wake_fd(config->wake_ctx, lane->channel);
    result = disk->block.ops->queue_open(disk->block.backend, lane->storage->partition,
                                         lane->depth, &wake, &queue);
    if (result < 0)
        return result;
    slot->disk = disk;
    slot->queue = queue;
    return 0;
}

static void
lane_close_slot(struct enlh_lane_slot *slot)
{
    const struct enlh_block *block = &slot->disk->block;

    block->ops->queue_close(block->backend, slot->queue);
    slot->disk = NULL;
    slot->queue = NULL;
}

void
enlh_lane_cancel(struct enlh_lane *lane)
{
    lane_close_slot(lane_free_slot(lane));
}

/* The channel's thread may be running: it finds the slot by these two stores, complete. */
void
enlh_lane_publish(struct enlh_lane *lane)
{
    struct enlh_lane_slot *slot = lane_free_slot(lane);
    unsigned count = (unsigned)(slot - lane->slots) + 1;

    lane_set_phase(slot, ENLH_SLOT_USED);
    atomic_store_explicit(&lane->by_lun[slot->disk->lun], slot, memory_order_release);
    if (count > atomic_load_explicit(&lane->slot_count, memory_order_relaxed))
        atomic_store_explicit(&lane->slot_count, count, memory_order_release);
}

/* Found under no LUN any more, the slot gets no new request. */
void
enlh_lane_want(struct enlh_lane *lane, struct enlh_storage_disk *disk)
{
    struct enlh_lane_slot *slot =
        atomic_load_explicit(&lane->by_lun[disk->lun], memory_order_relaxed);

    atomic_store_explicit(&lane->by_lun[disk->lun], NULL, memory_order_release);
    disk->holders++;
    lane_set_phase(slot, ENLH_SLOT_WANTED);
    atomic_fetch_add(&lane->wanted_slots, 1);
    enlh_channel_wake(lane->channel);
}

void
enlh_lane_collect(struct enlh_lane *lane)
{
    unsigned count = atomic_load_explicit(&lane->slot_count, memory_order_relaxed);

    for (unsigned i = 0; i < count; i++) {
        struct enlh_lane_slot *slot = &lane->slots[i];

        if (lane_phase(slot) != ENLH_SLOT_BACK)
            continue;
        slot->disk->holders--;
        lane_close_slot(slot);
        lane_set_phase(slot, ENLH_SLOT_FREE);
    }
}

/* A request that is finished and not answered yet may still look at its slot. */
static bool
lane_uses(const struct enlh_lane *lane, const struct enlh_lane_slot *slot)
{
    const struct enlh_lane_request *request = lane->finished;

    while (request && (request->slot != slot || request->phase == ENLH_PHASE_ANSWERED))
        request = request->next;
    return slot->in_flight || request;
}

/* Give back what the loop wants and nothing uses. Thread: channel. */
static void
lane_give_back(struct enlh_lane *lane)
{
    unsigned count = atomic_load_explicit(&lane->slot_count, memory_order_acquire);
    struct enlh_storage *storage = lane->storage;

    for (unsigned i = 0; i < count; i++) {
        struct enlh_lane_slot *slot = &lane->slots[i];

        if (lane_phase(slot) != ENLH_SLOT_WANTED || lane_uses(lane, slot))
            continue;
        slot->dirty = false;
        atomic_fetch_sub(&lane->wanted_slots, 1);
        lane_set_phase(slot, ENLH_SLOT_BACK);
        enlh_vmbus_defer(storage->bus, &storage->collect);
    }
}

static int
lane_add_all(struct enlh_lane *lane)
{
    for (uint32_t lun = 0; lun < ENLH_SCSI_LUNS; lun++) {
        struct enlh_storage_disk *disk = lane->storage->disks[lun];
        int result;

        if (!disk || disk->leaving)
            continue;
        result = enlh_lane_prepare(lane, disk);
        if (result < 0)
            return result;
        enlh_lane_publish(lane);
    }
    return 0;
}

int
enlh_lane_open(struct enlh_storage_port *port, struct enlh_channel *channel,
               struct enlh_lane **out)
{
    struct enlh_storage *storage = port->storage;
    struct enlh_lane *lane = enlh_storage_alloc(storage, sizeof(*lane));
    int result = -ENL_E_NOMEM;

    if (!lane)
        return result;
    lane->storage = storage;
    lane->port = port;
    lane->channel = channel;
    lane->state = port->index ? ENLH_STORVSP_READY : ENLH_STORVSP_BEGIN;
    lane->depth = storage->config.queue_depth;
    lane->requests = enlh_storage_alloc(storage, lane_requests_len(lane));
    lane->large = enlh_storage_alloc(storage, lane_large_len(lane));
    if (!lane->requests || !lane->large)
        goto fail;
    for (uint32_t i = 0; i < ENLH_LANE_LARGE; i++)
        lane->large_free[i] = lane->large + (size_t)i * storage->max_spans;
    lane->large_count = ENLH_LANE_LARGE;
    result = lane_add_all(lane);
    if (result < 0)
        goto fail;
    *out = lane;
    return 0;
fail:
    enlh_lane_close(lane);
    return result;
}

void
enlh_lane_close(struct enlh_lane *lane)
{
    unsigned count = atomic_load_explicit(&lane->slot_count, memory_order_relaxed);

    for (unsigned i = 0; i < count; i++) {
        struct enlh_lane_slot *slot = &lane->slots[i];

        if (lane_phase(slot) == ENLH_SLOT_FREE)
            continue;
        if (slot->disk->leaving)
            slot->disk->holders--;
        lane_close_slot(slot);
    }
    if (lane->large)
        enlh_storage_free(lane->storage, lane->large, lane_large_len(lane));
    if (lane->requests)
        enlh_storage_free(lane->storage, lane->requests, lane_requests_len(lane));
    enlh_storage_free(lane->storage, lane, sizeof(*lane));
}

/* The one used last comes first: what is warm in the cache, and few pages in all. */
struct enlh_lane_request *
enlh_lane_get(struct enlh_lane *lane)
{
    struct enlh_lane_request *request = lane->free;

    if (request) {
        lane->free = request->next;
        return request;
    }
    if (lane->fresh == lane->depth)
        return NULL;
    request = &lane->requests[lane->fresh++];
    request->lane = lane;
    return request;
}

void
enlh_lane_put(struct enlh_lane_request *request)
{
    struct enlh_lane *lane = request->lane;

    if (request->large) {
        lane->large_free[lane->large_count++] = request->large;
        request->large = NULL;
    }
    request->next = lane->free;
    lane->free = request;
}

struct enlh_span *
enlh_lane_get_large(struct enlh_lane_request *request)
{
    struct enlh_lane *lane = request->lane;

    if (!lane->large_count)
        return NULL;
    request->large = lane->large_free[--lane->large_count];
    return request->large;
}

static void
lane_append_finished(struct enlh_lane_request *request)
{
    struct enlh_lane *lane = request->lane;

    request->next = NULL;
    if (lane->finished)
        lane->finished_last->next = request;
    else
        lane->finished = request;
    lane->finished_last = request;
}

/*
 * false: no room. Any other failure means that the guest broke its ring; then the answer
 * has nowhere to go, and the bus gives the channel up.
 */
static bool
lane_send(struct enlh_lane_request *request)
{
    int result = enlh_channel_complete(request->lane->channel, request->transaction_id,
                                       &request->packet, request->packet_len);

    if (result == -ENL_E_AGAIN)
        return false;
    enlh_lane_put(request);
    return true;
}

void
enlh_lane_answer(struct enlh_lane_request *request)
{
    request->phase = ENLH_PHASE_ANSWERED;
    if (!lane_send(request))
        lane_append_finished(request);
}

static void
lane_done(struct enlh_block_request *block, int result)
{
    struct enlh_lane_request *request =
        (struct enlh_lane_request *)((char *)block -
                                     offsetof(struct enlh_lane_request, block));

    request->result = result;
    request->slot->in_flight--;
    request->lane->in_flight--;
    lane_append_finished(request);
}

int
enlh_lane_submit(struct enlh_lane_request *request)
{
    struct enlh_lane_slot *slot = request->slot;
    int result;

    request->block.done = lane_done;
    result = slot->disk->block.ops->submit(slot->queue, &request->block);
    if (result < 0)
        return result;
    slot->in_flight++;
    request->lane->in_flight++;
    slot->dirty = true;
    return 0;
}

static void
lane_reap(struct enlh_lane *lane)
{
    unsigned count = atomic_load_explicit(&lane->slot_count, memory_order_acquire);

    for (unsigned i = 0; i < count && lane->in_flight; i++) {
        struct enlh_lane_slot *slot = &lane->slots[i];

        if (slot->in_flight)
            slot->disk->block.ops->reap(slot->queue);
    }
}

/* Returns whether anything was started. */
static bool
lane_kick(struct enlh_lane *lane)
{
    unsigned count = atomic_load_explicit(&lane->slot_count, memory_order_acquire);
    bool kicked = false;

    for (unsigned i = 0; i < count; i++) {
        struct enlh_lane_slot *slot = &lane->slots[i];

        if (!slot->dirty)
            continue;
        slot->dirty = false;
        slot->disk->block.ops->kick(slot->queue);
        kicked = true;
    }
    return kicked;
}

/* Answer one request; false: there is no room. */
static bool
lane_answer_finished(struct enlh_lane_request *request)
{
    if (request->phase != ENLH_PHASE_ANSWERED) {
        if (!enlh_srb_finish(request))
            return true;
        request->phase = ENLH_PHASE_ANSWERED;
    }
    return lane_send(request);
}

/*
 * Answer what is finished, as far as there is room. A reset is answered last of all that
 * was in flight.
 */
static void
lane_drain(struct enlh_lane *lane)
{
    struct enlh_lane_request *request;

    while ((request = lane->finished)) {
        lane->finished = request->next;
        if (lane_answer_finished(request))
            continue;
        if (!lane->finished)
            lane->finished_last = request;
        request->next = lane->finished;
        lane->finished = request;
        return;
    }
    if (lane->reset && !lane->in_flight && lane_send(lane->reset))
        lane->reset = NULL;
}

void
enlh_lane_run(void *dev, struct enlh_channel *channel)
{
    struct enlh_storage_port *port = dev;

    (void)channel;
    lane_reap(port->lane);
    lane_drain(port->lane);
    if (atomic_load_explicit(&port->lane->wanted_slots, memory_order_relaxed))
        lane_give_back(port->lane);
    if (!port->index && atomic_load_explicit(&port->storage->news, memory_order_relaxed))
        enlh_storvsp_tell(port->lane);
}

/*
 * A backend that works in memory is done at once: its answers still go out with this
 * run's. What it leaves for later starts with the second kick.
 */
void
enlh_lane_flush(void *dev, struct enlh_channel *channel)
{
    struct enlh_lane *lane = ((struct enlh_storage_port *)dev)->lane;

    (void)channel;
    if (!lane_kick(lane))
        return;
    lane_reap(lane);
    lane_drain(lane);
    lane_kick(lane);
}

/*
 * What is in flight is waited for; an answer that the guest gives no room to is not: it
 * goes with the lane. The bus flushes after this.
 */
bool
enlh_lane_quiesce(void *dev, struct enlh_channel *channel)
{
    struct enlh_lane *lane = ((struct enlh_storage_port *)dev)->lane;

    (void)channel;
    lane_reap(lane);
    lane_drain(lane);
    return !lane->in_flight;
}
