/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/vpset.h - sets of VPs on their way into a hypercall
 */
#ifndef GUEST_CORE_VPSET_H
#define GUEST_CORE_VPSET_H

#include "enlight/abi/hypercall.h"
#include "enlight/guest/vpset.h"
#include "guest/core/core.h"

/* A set, and what its calls need to be. */
enum vpset_form {
    VPSET_EMPTY,  /* nobody: there is nothing to do */
    VPSET_MASK,   /* VPs 0 to 63 only: a word is enough */
    VPSET_ALL,    /* every VP */
    VPSET_SPARSE, /* the Ex forms */
};

enum vpset_form enlg_vpset_form(const struct enlg_vpset *set);

/*
 * Write a set of any form as an Ex call has it: out, and its banks after it. Returns the
 * bytes of the banks, the call's variable header: up to 8 * ENLG_VPSET_WORDS.
 */
uint32_t enlg_vpset_write(const struct enlg_vpset *set, struct enl_hv_vp_set *out);

#endif
