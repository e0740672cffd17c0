/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/vp.h - one virtual processor */
#ifndef HOST_CORE_VP_H
#define HOST_CORE_VP_H

#include "enlight/host/vp.h"
#include "host/core/assist.h"
#include "host/core/partition.h"
#include "host/core/stimer.h"
#include "host/core/synic.h"

struct enlh_vp {
    struct enlh_partition *partition;
    uint32_t index;
    /* Which form of the hypercall page's code this VP wants; its own thread writes it. */
    uint32_t code_form;
    /* Not 0: enlh_vp_enter() has something to deliver. */
    _Atomic uint32_t work;

    void *lock; /* protects what follows */
    struct enlh_synic synic;
    struct enlh_stimers stimers;
    struct enlh_assist assist;
};

int enlh_vp_init(struct enlh_partition *partition, uint32_t index);
void enlh_vp_fini(struct enlh_vp *vp);

/* Have enlh_vp_enter() look for messages; the VP's own thread says so. */
static inline void
enlh_vp_note(struct enlh_vp *vp)
{
    atomic_fetch_or_explicit(&vp->work, 1, memory_order_seq_cst);
}

/* The same from any thread: the VP is made to leave guest code. Not with a lock held. */
void enlh_vp_wake(struct enlh_vp *vp);

#endif
