/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/gparange.c - lists of guest memory: a GPADL's, or a GPA-direct packet's
 *
 * The other side of a channel makes this run, with numbers of its choice; the list is a
 * copy that the caller made. Nothing in it is trusted before enl_gparange_init() has
 * walked it once: after that every range has the page numbers that it needs, and no sum
 * overflows. The work of a call is bounded by the length of the list.
 *
 * Seen: Linux 6.12 sends ranges with one page number each (network) and one range with
 * many (storage, GPADL). Tests: test/unit/gparange_*.c.
 */
#include "common/gparange.h"

#include <string.h>

#include "common/checked.h"

/* Page numbers are below this, so that the end of a page still fits 64 bits. */
#define PFN_LIMIT ((UINT64_C(1) << (64 - ENL_PAGE_SHIFT)) - 1)

static uint64_t
pfn_at(const uint8_t *at)
{
    uint64_t pfn;

    memcpy(&pfn, at, sizeof(pfn));
    return pfn;
}

/* Offset is below a page and count below 4 GiB: the sum fits, and so does the result. */
static uint32_t
pages_of(const struct enl_gpa_range *range)
{
    return (
        uint32_t)(((uint64_t)range->byte_offset + range->byte_count + ENL_PAGE_MASK) >>
                  ENL_PAGE_SHIFT);
}

/* Check one range of at most room bytes. Returns its bytes in the list, or 0. */
static uint32_t
check_range(const uint8_t *at, uint32_t room, struct enl_gpa_range *range)
{
    uint32_t pages;

    if (room < sizeof(*range))
        return 0;
    memcpy(range, at, sizeof(*range));
    if (range->byte_count == 0 || range->byte_offset >= ENL_PAGE_SIZE)
        return 0;
    pages = pages_of(range);
    if (pages > (room - sizeof(*range)) / sizeof(uint64_t))
        return 0;
    at += sizeof(*range);
    for (uint32_t i = 0; i < pages; i++) {
        if (pfn_at(at + (size_t)i * sizeof(uint64_t)) >= PFN_LIMIT)
            return 0;
    }
    return (uint32_t)(sizeof(*range) + pages * sizeof(uint64_t));
}

int
enl_gparange_init(struct enl_gparange *list, const void *buf, uint32_t buf_len,
                  uint32_t range_count)
{
    const uint8_t *at = buf;
    uint32_t room = buf_len;
    uint64_t len = 0;

    if (range_count == 0)
        return -ENL_E_PROTO;
    for (uint32_t i = 0; i < range_count; i++) {
        struct enl_gpa_range range;
        uint32_t used = check_range(at, room, &range);

        if (used == 0)
            return -ENL_E_PROTO;
        at += used;
        room -= used;
        len += range.byte_count; /* 2^32 times 2^32 at most */
    }
    if (room != 0)
        return -ENL_E_PROTO;
    list->buf = buf;
    list->range_count = range_count;
    list->page_count = (uint32_t)((buf_len - range_count * sizeof(struct enl_gpa_range)) /
                                  sizeof(uint64_t));
    list->len = len;
    return 0;
}

/* Stand at the start of the range at iter->at. */
static void
enter_range(struct enl_gparange_iter *iter)
{
    struct enl_gpa_range range;

    memcpy(&range, iter->at, sizeof(range));
    iter->at += sizeof(range);
    iter->offset = range.byte_offset;
    iter->range_len = range.byte_count;
    iter->ranges_left--;
}

/* Step over len bytes of this range, no more than it has. */
static void
skip_in_range(struct enl_gparange_iter *iter, uint32_t len)
{
    uint64_t to = (uint64_t)iter->offset + len;

    iter->range_len -= len;
    if (iter->range_len == 0) /* also over a last page that is not used up */
        to = (to + ENL_PAGE_MASK) & ~(uint64_t)ENL_PAGE_MASK;
    iter->at += (to >> ENL_PAGE_SHIFT) * sizeof(uint64_t);
    iter->offset = (uint32_t)to & ENL_PAGE_MASK;
}

int
enl_gparange_walk(const struct enl_gparange *list, uint64_t offset, uint64_t len,
                  struct enl_gparange_iter *iter)
{
    if (!enl_within(offset, len, list->len))
        return -ENL_E_RANGE;
    iter->at = list->buf;
    iter->left = len;
    iter->ranges_left = list->range_count;
    iter->offset = 0;
    iter->range_len = 0;
    while (offset != 0) {
        uint32_t part;

        if (iter->range_len == 0)
            enter_range(iter);
        part = offset < iter->range_len ? (uint32_t)offset : iter->range_len;
        skip_in_range(iter, part);
        offset -= part;
    }
    return 0;
}

/* Take what is left of the page that iter stands in. */
static struct enl_gparange_run
next_piece(struct enl_gparange_iter *iter)
{
    struct enl_gparange_run piece;
    uint32_t len = ENL_PAGE_SIZE - iter->offset;

    piece.gpa.v = pfn_at(iter->at) << ENL_PAGE_SHIFT | iter->offset;
    if (len > iter->range_len)
        len = iter->range_len;
    if (len > iter->left)
        len = (uint32_t)iter->left;
    piece.len = len;
    iter->left -= len;
    skip_in_range(iter, len);
    return piece;
}

/* Where the next byte is; only while bytes are left. */
static uint64_t
next_gpa(struct enl_gparange_iter *iter)
{
    if (iter->range_len == 0)
        enter_range(iter);
    return pfn_at(iter->at) << ENL_PAGE_SHIFT | iter->offset;
}

bool
enl_gparange_next(struct enl_gparange_iter *iter, struct enl_gparange_run *run)
{
    if (iter->left == 0)
        return false;
    (void)next_gpa(iter);
    *run = next_piece(iter);
    while (iter->left != 0 && next_gpa(iter) == run->gpa.v + run->len)
        run->len += next_piece(iter).len;
    return true;
}
