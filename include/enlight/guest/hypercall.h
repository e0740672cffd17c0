/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/hypercall.h - calls into the hypervisor
 *
 * enlg_hypercall_enable() says who this guest is and has the hypervisor fill the caller's
 * page; then calls can be made on every processor. Input and output in memory are 8-byte
 * aligned, do not cross a 4 KiB page, and do not overlap. [TLFS hypercall interface]
 *
 * Every call returns 0, or
 *   -ENL_E_AGAIN    the hypervisor lacks memory or buffers now: try later;
 *   -ENL_E_NOENT    no such connection, port, VP or partition;
 *   -ENL_E_ACCESS   denied;
 *   -ENL_E_NOTSUP   the hypervisor does not know this call;
 *   -ENL_E_INVAL    the hypervisor, or this library, found the input wrong;
 *   -ENL_E_BUSY     the object is in use, or in a state that does not allow it;
 *   -ENL_E_TIMEDOUT, -ENL_E_IO.
 * Thread: any processor. Blocks while the hypervisor works.
 */
#ifndef ENLIGHT_GUEST_HYPERCALL_H
#define ENLIGHT_GUEST_HYPERCALL_H

#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Say who this guest is (guest_os_id: enlight/abi/register.h, not 0), enable the hypercall
 * page and map it executable. page: 4096 bytes, aligned, the hypervisor's until disable;
 * its contents come back then. NULL where the platform needs no page.
 * Returns 0, or
 *   -ENL_E_INVAL   page is missing or not aligned, or guest_os_id is 0;
 *   -ENL_E_BUSY    a page is enabled and locked elsewhere;
 *   -ENL_E_IO      the hypervisor did not enable it;
 *   or what map_exec() returned.
 * Thread: one, before other processors call.
 */
ENL_MUST_CHECK int enlg_hypercall_enable(struct enlg_partition *partition, void *page,
                                         uint64_t guest_os_id);

/* Give the page back and forget who we are. Thread: one, when no other calls any more. */
void enlg_hypercall_disable(struct enlg_partition *partition);

/* The input is one word in a register. */
ENL_MUST_CHECK int enlg_hypercall_fast8(const struct enlg_partition *partition,
                                        uint16_t code, uint64_t input);
/* The input is two words in registers. */
ENL_MUST_CHECK int enlg_hypercall_fast16(const struct enlg_partition *partition,
                                         uint16_t code, uint64_t input0, uint64_t input1);
/*
 * The input is len bytes, up to ENLG_FAST_MAX and a multiple of 8, in registers: no memory
 * is read. varhead: as below.
 * -ENL_E_NOTSUP also where the hypervisor does not announce ENL_FEAT_XMM_INPUT, or the
 * platform has no hypercall_fast(): then the input goes by memory.
 */
#define ENLG_FAST_MAX (8 * ENLG_FAST_WORDS)
ENL_MUST_CHECK int enlg_hypercall_fast(const struct enlg_partition *partition,
                                       uint16_t code, uint32_t varhead, const void *input,
                                       uint32_t len);
/*
 * Input and output in memory; either may be NULL. Borrowed for the time of the call.
 * varhead: bytes of a variable header behind the fixed one, a multiple of 8.
 */
ENL_MUST_CHECK int enlg_hypercall_memory(const struct enlg_partition *partition,
                                         uint16_t code, uint32_t varhead,
                                         const void *input, void *output);

/* A call over a list: see enlg_hypercall_rep(). */
struct enlg_rep {
    uint16_t code;
    uint16_t count;    /* elements of the list, 1 to 4095 */
    uint32_t varhead;  /* bytes of a variable header, a multiple of 8 */
    const void *input; /* borrowed */
    void *output;      /* borrowed; NULL: none */
    uint16_t done;     /* out: elements done, also after a failure */
};
/*
 * Call until every element is done: the hypervisor may stop in the middle, and is called
 * again with the rest. -ENL_E_IO: it stopped without doing anything. May be called again
 * after a failure, and then goes on from done; start with done 0.
 */
ENL_MUST_CHECK int enlg_hypercall_rep(const struct enlg_partition *partition,
                                      struct enlg_rep *rep);

/* The failure that an ENL_HV_STATUS_* stands for, as above; 0 for success. Thread: any. */
int enlg_hypercall_error(uint16_t status);

#ifdef __cplusplus
}
#endif
#endif
