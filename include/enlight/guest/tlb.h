/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/tlb.h - flush translations on many processors with one call
 *
 * A VP that is not running need not be woken for it: the hypervisor flushes before the VP
 * runs again. Whoever gets a failure flushes as on bare hardware, which is always right.
 * [TLFS HvCallFlushVirtualAddressSpace, HvCallFlushVirtualAddressList, their Ex forms]
 */
#ifndef ENLIGHT_GUEST_TLB_H
#define ENLIGHT_GUEST_TLB_H

#include "enlight/guest/partition.h"
#include "enlight/guest/vpset.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ENLG_TLB_ALL_SPACES 0x1u /* whatever the address space */
#define ENLG_TLB_NON_GLOBAL 0x2u /* global translations may stay; not with ranges */

struct enlg_tlb_range {
    uint64_t start; /* any address in the first page */
    uint64_t pages; /* of 4 KiB; 0: nothing */
};

struct enlg_tlb_flush {
    struct enlg_vpset vps;
    uint64_t address_space; /* as CR3 holds it */
    uint32_t flags;         /* ENLG_TLB_ */
    uint32_t range_count;
    const struct enlg_tlb_range *range; /* borrowed; NULL: every address */
};

/*
 * Flush, and return when every VP of the set is done or will be before it runs again.
 * input: 4096 bytes, aligned, this processor's own until the call returns; an interrupt
 * that flushes as well needs another. Ranges too many for it become every address.
 * Returns 0, or
 *   -ENL_E_NOTSUP  not announced, or not for VPs from 64 on: flush without the hypervisor;
 *   -ENL_E_INVAL   input is not aligned, or the set has too many words;
 *   another failure of hypercall.h: the same, flush without the hypervisor.
 * Thread: any processor, in a state in which it cannot be moved to another.
 */
ENL_MUST_CHECK int enlg_tlb_flush(const struct enlg_partition *partition, void *input,
                                  const struct enlg_tlb_flush *flush);

/* The hypervisor wants to be asked for flushes of other processors. Thread: any. */
bool enlg_tlb_is_offered(const struct enlg_partition *partition);

#ifdef __cplusplus
}
#endif
#endif
