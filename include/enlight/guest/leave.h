/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/leave.h - give back every page that the hypervisor shares with this kernel
 *
 * For a kernel that another one follows in the same memory: a reboot without the
 * firmware, an exit to the next stage, a crash. Both calls write registers and nothing
 * else: no lock, no callback but the platform's set_reg(), no object but the partition,
 * so that they work when little else does.
 *
 * In order:
 *   - unload the bus (enlight/guest/vmbus.h), from any one processor;
 *   - enlg_leave_vp() on each processor, or after a crash on the one that still runs;
 *   - enlg_leave_partition() on one.
 * The pages of a processor that did not come along stay the hypervisor's: who follows
 * must not use them before it has enabled its own on that processor.
 */
#ifndef ENLIGHT_GUEST_LEAVE_H
#define ENLIGHT_GUEST_LEAVE_H

#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Stop the timers of the processor that runs this, mask its SINTs, take its SynIC's pages
 * and its VP assist page back. Its enlg_synic, enlg_stimer and enlg_assist are void then.
 * Thread: that processor, with its interrupts off.
 */
void enlg_leave_vp(const struct enlg_partition *partition);

/*
 * End reenlightenment, take the clock's and the hypercall page back, and forget who we
 * are. An executable view of the hypercall page is not unmapped. The clock still reads,
 * by register; the partition can be enabled again. Thread: one, and no other calls.
 */
void enlg_leave_partition(struct enlg_partition *partition);

#ifdef __cplusplus
}
#endif
#endif
