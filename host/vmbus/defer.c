/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work that other threads hand to the loop, on a lock-protected list of entries that the
 * devices own.
 *
 * Runs: any thread of the embedder queues, the loop calls. A guest makes entries come (a
 * request for sub-channels), but an entry is queued at most once, so the list is bounded
 * by the devices. Reads no guest memory and trusts its callers. No specification: this is
 * the threading policy of the library.
 * Tests: test/unit/vmbus_defer.c.
 */
#include "host/vmbus/defer.h"

static void
enlh_defer_lock(struct enlh_defer_queue *queue)
{
    if (queue->lock)
        queue->ops->lock(queue->ops_ctx, queue->lock);
}

static void
enlh_defer_unlock(struct enlh_defer_queue *queue)
{
    if (queue->lock)
        queue->ops->unlock(queue->ops_ctx, queue->lock);
}

int
enlh_defer_init(struct enlh_defer_queue *queue, const struct enlh_ops *ops, void *ops_ctx,
                void (*loop_wake)(void *ctx), void *wake_ctx)
{
    void *lock = NULL;

    if (ops->lock_create) {
        lock = ops->lock_create(ops_ctx);
        if (!lock)
            return -ENL_E_NOMEM;
    }
    *queue = (struct enlh_defer_queue){
        .ops = ops,
        .ops_ctx = ops_ctx,
        .lock = lock,
        .loop_wake = loop_wake,
        .wake_ctx = wake_ctx,
    };
    return 0;
}

void
enlh_defer_fini(struct enlh_defer_queue *queue)
{
    if (queue->lock)
        queue->ops->lock_destroy(queue->ops_ctx, queue->lock);
    *queue = (struct enlh_defer_queue){0};
}

void
enlh_vmbus_defer(struct enlh_vmbus *bus, struct enlh_deferred *work)
{
    struct enlh_defer_queue *queue = enlh_vmbus_deferred(bus);
    bool was_empty = false;

    enlh_defer_lock(queue);
    if (!work->queued) {
        work->queued = true;
        work->next = NULL;
        was_empty = !queue->head;
        if (was_empty)
            queue->head = work;
        else
            queue->tail->next = work;
        queue->tail = work;
        queue->count++;
    }
    enlh_defer_unlock(queue);
    if (was_empty)
        queue->loop_wake(queue->wake_ctx);
}

void
enlh_vmbus_undefer(struct enlh_vmbus *bus, struct enlh_deferred *work)
{
    struct enlh_defer_queue *queue = enlh_vmbus_deferred(bus);
    struct enlh_deferred *before = NULL;

    enlh_defer_lock(queue);
    for (struct enlh_deferred *at = queue->head; at; before = at, at = at->next) {
        if (at != work)
            continue;
        if (before)
            before->next = at->next;
        else
            queue->head = at->next;
        if (queue->tail == at)
            queue->tail = before;
        queue->count--;
        work->queued = false;
        break;
    }
    enlh_defer_unlock(queue);
}

static struct enlh_deferred *
enlh_defer_take(struct enlh_defer_queue *queue)
{
    struct enlh_deferred *work;

    enlh_defer_lock(queue);
    work = queue->head;
    if (work) {
        queue->head = work->next;
        if (!queue->head)
            queue->tail = NULL;
        queue->count--;
        work->queued = false;
    }
    enlh_defer_unlock(queue);
    return work;
}

/*
 * The turn is bounded by a count, not by an entry: an entry may be taken back by the very
 * work that runs before it.
 */
bool
enlh_vmbus_run_deferred(struct enlh_vmbus *bus)
{
    struct enlh_defer_queue *queue = enlh_vmbus_deferred(bus);
    struct enlh_deferred *work;
    uint32_t turn;
    bool more;

    enlh_defer_lock(queue);
    turn = queue->count;
    enlh_defer_unlock(queue);

    while (turn-- && (work = enlh_defer_take(queue)))
        work->fn(work->ctx);

    enlh_defer_lock(queue);
    more = queue->head != NULL;
    enlh_defer_unlock(queue);
    return more;
}
