/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/gparange.h - lists of guest memory: a GPADL's, or a GPA-direct packet's
 *
 * A list is range_count times {byte_count u32, byte_offset u32, page numbers u64[]}, as
 * many page numbers as offset and count need (enlight/abi/ring.h). Whoever wrote it is
 * hostile: copy it out of shared memory first, check it with enl_gparange_init(), then
 * walk it. The bytes of all ranges count as one buffer, in order.
 *
 * The addresses may still be outside guest memory: that is for the caller to find.
 */
#ifndef ENLIGHT_COMMON_GPARANGE_H
#define ENLIGHT_COMMON_GPARANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "enlight/abi/ring.h"
#include "enlight/error.h"

/* A checked list. It borrows the buffer for as long as it is used. */
struct enl_gparange {
    const uint8_t *buf;
    uint32_t range_count;
    uint32_t page_count; /* in all ranges */
    uint64_t len;        /* bytes in all ranges */
};

/* A piece of guest memory. */
struct enl_gparange_run {
    enl_gpa gpa;
    uint64_t len;
};

struct enl_gparange_iter {
    const uint8_t *at;    /* the next page number, or the next range */
    uint64_t left;        /* bytes that are still to come */
    uint32_t ranges_left; /* that follow this one */
    uint32_t offset;      /* in the page that at says */
    uint32_t range_len;   /* bytes of this range still to come */
};

/*
 * Check a list that fills buf_len bytes at buf, which need not be aligned. Borrows buf.
 * Returns 0, or -ENL_E_PROTO: no range, an empty one, an offset beyond its page, a page
 * number beyond the address space, or more or fewer page numbers than the ranges need.
 */
ENL_MUST_CHECK int enl_gparange_init(struct enl_gparange *list, const void *buf,
                                     uint32_t buf_len, uint32_t range_count);

/*
 * Walk len bytes from offset. Borrows what the list borrows.
 * Returns 0, or -ENL_E_RANGE: they are not all in the list.
 */
ENL_MUST_CHECK int enl_gparange_walk(const struct enl_gparange *list, uint64_t offset,
                                     uint64_t len, struct enl_gparange_iter *iter);

/* Take the next run: pages that follow one another are one. False at the end. */
bool enl_gparange_next(struct enl_gparange_iter *iter, struct enl_gparange_run *run);

#endif
