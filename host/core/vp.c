/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtual processor: the public functions of a VP, each handed to its room. The
 * embedder makes it run, on the VP's thread for what the guest does, on any thread for
 * what is done to the VP. Whether anything waits is one atomic word, so that entering the
 * guest costs one load when nothing does.
 * Tests: vp_enter, and those of the rooms.
 */
#include "host/core/vp.h"

#include <string.h>

#include "host/core/ops.h"
#include "host/core/reg.h"

int
enlh_vp_init(struct enlh_partition *partition, uint32_t index)
{
    struct enlh_vp *vp = &partition->vps[index];

    vp->partition = partition;
    vp->index = index;
    vp->lock = enlh_ops_lock_create(partition);
    if (partition->ops.lock != NULL && vp->lock == NULL)
        return -ENL_E_NOMEM;
    (void)enlh_synic_init(vp);
    (void)enlh_stimer_init(vp);
    return enlh_assist_init(vp);
}

void
enlh_vp_fini(struct enlh_vp *vp)
{
    enlh_assist_fini(vp);
    enlh_stimer_fini(vp);
    enlh_synic_fini(vp);
    enlh_ops_lock_destroy(vp->partition, vp->lock);
}

struct enlh_vp *
enlh_partition_vp(struct enlh_partition *partition, uint32_t index)
{
    return index < partition->config.vp_count ? &partition->vps[index] : NULL;
}

int
enlh_vp_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    return enlh_reg_get(vp, reg, value);
}

int
enlh_vp_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    return enlh_reg_set(vp, reg, value);
}

uint64_t
enlh_vp_hypercall(struct enlh_vp *vp, const struct enlh_hypercall *call)
{
    return enlh_hypercall_run(vp, call);
}

/*
 * The word is cleared before the queues are looked at, and set after they are filled: what
 * is queued too late for this look is seen by the next.
 */
void
enlh_vp_enter(struct enlh_vp *vp)
{
    if (atomic_load_explicit(&vp->work, memory_order_acquire) == 0)
        return;
    atomic_store_explicit(&vp->work, 0, memory_order_seq_cst);
    enlh_synic_deliver(vp);
}

/* Whoever sets the word kicks; who finds it set knows that a kick is under way. */
void
enlh_vp_wake(struct enlh_vp *vp)
{
    const struct enlh_partition *partition = vp->partition;

    if (atomic_fetch_or_explicit(&vp->work, 1, memory_order_seq_cst) == 0)
        partition->ops.kick(partition->ctx, vp->index);
}

void
enlh_vp_timer(struct enlh_vp *vp)
{
    enlh_stimer_run(vp);
}

int
enlh_vp_synic_changed(struct enlh_vp *vp, uint64_t scontrol, uint64_t siefp,
                      uint64_t simp)
{
    return enlh_synic_changed(vp, scontrol, siefp, simp);
}

void
enlh_vp_slot_freed(struct enlh_vp *vp)
{
    enlh_synic_wake_waiting(vp->partition, NULL);
}

void
enlh_vp_reset(struct enlh_vp *vp)
{
    enlh_stimer_reset(vp);
    enlh_synic_reset(vp);
    enlh_assist_reset(vp);
    atomic_store(&vp->work, 0);
}

int
enlh_vp_post_message(struct enlh_vp *vp, uint32_t sint, uint32_t type, uint64_t port,
                     const void *payload, uint32_t len)
{
    struct enlh_synic_message message = {.type = type, .len = len, .sender = port};

    if (sint >= ENL_SINT_COUNT)
        return -ENL_E_RANGE;
    if (type == ENL_MESSAGE_NONE || (type & ENL_MESSAGE_HYPERVISOR) != 0 ||
        len > sizeof(message.payload))
        return -ENL_E_INVAL;
    if (len > 0)
        memcpy(message.payload, payload, len);
    return enlh_synic_post(vp, sint, &message);
}

bool
enlh_vp_messages_done(struct enlh_vp *vp, uint32_t sint)
{
    return sint >= ENL_SINT_COUNT || enlh_synic_done(vp, sint);
}

void
enlh_vp_on_drained(struct enlh_vp *vp, enlh_vp_drained_fn fn, void *ctx)
{
    enlh_synic_on_drained(vp, fn, ctx);
}

int
enlh_vp_signal_event(struct enlh_vp *vp, uint32_t sint, uint32_t flag)
{
    if (sint >= ENL_SINT_COUNT || flag >= ENL_EVENT_FLAGS)
        return -ENL_E_RANGE;
    return enlh_synic_signal(vp, sint, flag);
}
