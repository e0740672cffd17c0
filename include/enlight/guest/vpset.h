/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/vpset.h - a set of virtual processors, for calls that reach many of them
 *
 * A kernel counts its processors in its own way; the hypervisor knows VP indices
 * (enlg_partition_vp_index() on each processor, once). [TLFS HV_VP_SET]
 */
#ifndef ENLIGHT_GUEST_VPSET_H
#define ENLIGHT_GUEST_VPSET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENLG_VPSET_WORDS 64u /* VPs 0 to 4095 */

struct enlg_vpset {
    const uint64_t
        *word;           /* borrowed; bit i % 64 of word i / 64 is VP i; NULL: every VP */
    uint32_t word_count; /* up to ENLG_VPSET_WORDS */
};

#ifdef __cplusplus
}
#endif
#endif
