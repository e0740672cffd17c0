/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/vmbus/defer.h - work that other threads hand to the loop
 *
 * One queue for each bus. What the bus provides: it holds a struct enlh_defer_queue,
 * calls init and fini with its own life, answers enlh_vmbus_deferred(), and calls
 * enlh_vmbus_run_deferred() in each enlh_vmbus_poll(). Storage of the entries is the
 * devices'.
 */
#ifndef ENLH_VMBUS_DEFER_H
#define ENLH_VMBUS_DEFER_H

#include "enlight/host/vmbus.h"

struct enlh_defer_queue {
    const struct enlh_ops *ops; /* the partition's: for its lock */
    void *ops_ctx;
    void *lock;                   /* NULL when one thread does all */
    void (*loop_wake)(void *ctx); /* as in struct enlh_vmbus_ops */
    void *wake_ctx;
    struct enlh_deferred *head;
    struct enlh_deferred *tail;
    uint32_t count;
};

/*
 * Borrows ops, its ctx and wake_ctx until fini. Returns 0, or -ENL_E_NOMEM: no lock.
 * Thread: one.
 */
ENL_MUST_CHECK int enlh_defer_init(struct enlh_defer_queue *queue,
                                   const struct enlh_ops *ops, void *ops_ctx,
                                   void (*loop_wake)(void *ctx), void *wake_ctx);
/* Whatever is still queued will not be called. Thread: one. */
void enlh_defer_fini(struct enlh_defer_queue *queue);

/* Where the bus keeps its queue: the bus's own file defines it. Thread: any. */
struct enlh_defer_queue *enlh_vmbus_deferred(struct enlh_vmbus *bus);

/*
 * Call everything that was queued when this began; what is queued meanwhile waits for the
 * next turn. Returns true when there is such. Thread: loop.
 */
bool enlh_vmbus_run_deferred(struct enlh_vmbus *bus);

#endif
