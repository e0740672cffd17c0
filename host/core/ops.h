/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/core/ops.h - the embedder's callbacks, called the short way
 *
 * None of them is called with a lock held, but for enlh_ops_unlock().
 */
#ifndef HOST_CORE_OPS_H
#define HOST_CORE_OPS_H

#include "host/core/vp.h"

/* Zeroed memory, or NULL. */
static inline void *
enlh_ops_alloc(const struct enlh_partition *partition, size_t len)
{
    return partition->ops.alloc(partition->ctx, len);
}

static inline void
enlh_ops_free(const struct enlh_partition *partition, void *memory, size_t len)
{
    if (memory != NULL)
        partition->ops.free(partition->ctx, memory, len);
}

/* A lock, or NULL where the embedder has none: the same call takes it. */
static inline void *
enlh_ops_lock_create(const struct enlh_partition *partition)
{
    return partition->ops.lock == NULL ? NULL
                                       : partition->ops.lock_create(partition->ctx);
}

static inline void
enlh_ops_lock_destroy(const struct enlh_partition *partition, void *lock)
{
    if (lock != NULL)
        partition->ops.lock_destroy(partition->ctx, lock);
}

/* Order: the partition's, then a channel's, then a VP's. Held for a few instructions. */
static inline void
enlh_ops_lock(const struct enlh_partition *partition, void *lock)
{
    if (lock != NULL)
        partition->ops.lock(partition->ctx, lock);
}

static inline void
enlh_ops_unlock(const struct enlh_partition *partition, void *lock)
{
    if (lock != NULL)
        partition->ops.unlock(partition->ctx, lock);
}

static inline uint64_t
enlh_ops_time(const struct enlh_partition *partition)
{
    return partition->ops.time_100ns(partition->ctx);
}

/* A hypervisor below holds SINTs, SCONTROL and the timers. */
static inline bool
enlh_ops_below(const struct enlh_partition *partition)
{
    return partition->ops.raise_sint != NULL;
}

/* A hypervisor below fills the hypercall, TSC and assist pages. */
static inline bool
enlh_ops_forwards(const struct enlh_partition *partition)
{
    return partition->ops.forward_reg != NULL;
}

/* Tell it of a register. Returns 0, or -ENL_E_INVAL: it refuses. */
static inline int
enlh_ops_forward(const struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    const struct enlh_partition *partition = vp->partition;

    if (partition->ops.forward_reg == NULL)
        return 0;
    return partition->ops.forward_reg(partition->ctx, vp->index, reg, value) == 0
               ? 0
               : -ENL_E_INVAL;
}

static inline void
enlh_ops_interrupt(struct enlh_vp *vp, uint8_t vector, bool auto_eoi)
{
    struct enlh_partition *partition = vp->partition;

    ENLH_COUNT(partition, interrupts);
    partition->ops.interrupt(partition->ctx, vp->index, vector, auto_eoi);
}

#endif
