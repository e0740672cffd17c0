/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/assist.h - the VP assist page of one processor, and ends of interrupts
 *
 * Through the page the hypervisor says that the interrupt in service needs no EOI; then
 * its end costs no exit. Otherwise the EOI goes by register where the hypervisor wants
 * that, else by the kernel's own interrupt controller. On x86 only: elsewhere the page has
 * other uses, and enlg_assist_eoi() answers false. [TLFS EOI assist]
 * Thread: every function runs on the processor that the object belongs to.
 */
#ifndef ENLIGHT_GUEST_ASSIST_H
#define ENLIGHT_GUEST_ASSIST_H

#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_assist {
    uint64_t opaque[4];
};

/*
 * Zero the page and hand it over. page: 4096 bytes, aligned, the hypervisor's from enable
 * to disable. Borrows partition.
 * Returns 0, or -ENL_E_ACCESS (not announced), -ENL_E_INVAL (not aligned). After a
 * failure, enlg_assist_eoi() answers false.
 */
ENL_MUST_CHECK int enlg_assist_enable(struct enlg_assist *assist,
                                      const struct enlg_partition *partition, void *page);
/* Take the page back. No interrupt may be in service. */
void enlg_assist_disable(struct enlg_assist *assist);

/*
 * End the interrupt in service: nothing to do when the page says so, else by register.
 * Returns false when the kernel writes the EOI of its interrupt controller itself. Not
 * for an interrupt whose SINT does that alone (enlg_synic_unmask(), auto_eoi), and not
 * for a level-triggered one: those need the controller's.
 */
ENL_MUST_CHECK bool enlg_assist_eoi(struct enlg_assist *assist);

/* What else is in the page (enlight/abi/vp_assist.h), or NULL. The host writes there. */
void *enlg_assist_page(const struct enlg_assist *assist);

#ifdef __cplusplus
}
#endif
#endif
