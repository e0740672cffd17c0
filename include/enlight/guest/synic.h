/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/synic.h - the synthetic interrupt controller of one processor
 *
 * One object for each processor. Each interrupt source (SINT, 0 to 15) has a message slot
 * and 2048 event flags in two pages that the hypervisor writes. A source raises the
 * vector that the kernel chose, or none: then the kernel polls. [TLFS virtual interrupts]
 *
 * Everything that comes out is a copy: the pages are the host's to write at any moment.
 * Thread: every function runs on the processor that the object belongs to.
 */
#ifndef ENLIGHT_GUEST_SYNIC_H
#define ENLIGHT_GUEST_SYNIC_H

#include "enlight/abi/synic.h"
#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_synic {
    uint64_t opaque[8];
};

/* 4096 bytes each, aligned; the hypervisor's from enable to disable. */
struct enlg_synic_pages {
    void *messages;
    void *events;
};

/*
 * Zero the pages and hand them over; every SINT is masked. Borrows partition.
 * Returns 0, or -ENL_E_ACCESS (no SynIC announced), -ENL_E_INVAL (a page is not aligned).
 */
ENL_MUST_CHECK int enlg_synic_enable(struct enlg_synic *synic,
                                     const struct enlg_partition *partition,
                                     const struct enlg_synic_pages *pages);
/* Mask every SINT and take the pages back. */
void enlg_synic_disable(struct enlg_synic *synic);

/* The VP index of the processor. */
uint32_t enlg_synic_vp(const struct enlg_synic *synic);

/* ENLG_SINT_POLL: no interrupt. Where the hypervisor cannot do that, vector is raised. */
#define ENLG_SINT_POLL 0x1u

/*
 * Unmask a SINT with vector 16 to 255, whose handler is in place. A kernel that polls
 * with interrupts off gives any vector. The hypervisor is asked to do the EOI itself
 * unless it advises against: *auto_eoi (optional) says so, else the handler does it.
 * Returns 0, or -ENL_E_INVAL, -ENL_E_ACCESS.
 */
ENL_MUST_CHECK int enlg_synic_unmask(struct enlg_synic *synic, uint32_t sint,
                                     uint8_t vector, uint32_t flags, bool *auto_eoi);
void enlg_synic_mask(struct enlg_synic *synic, uint32_t sint);

/*
 * Take the message of a slot, and let the next one come. Returns 1 with a copy in *copy
 * (payload_len at most 240), 0 when the slot is empty.
 */
int enlg_synic_message(struct enlg_synic *synic, uint32_t sint, struct enl_message *copy);

/*
 * Take all event flags of a SINT and call fn for each, in ascending order. Returns how
 * many. fn may be called for flags that nobody set on purpose: the host chooses them.
 */
typedef void (*enlg_synic_flag_fn)(void *ctx, uint32_t flag);
uint32_t enlg_synic_events(struct enlg_synic *synic, uint32_t sint, enlg_synic_flag_fn fn,
                           void *ctx);

#ifdef __cplusplus
}
#endif
#endif
