/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/core/overlay.h - a page register and the page that it lays over guest memory
 *
 *      guest RAM      ... | A | ...            ... | B | ...
 *                           ^                        ^
 *   old register: half[0] --+     new register: half[1]
 *
 * A change of the register is a transaction: begin() lays the new page, then whoever uses
 * the page (a pointer, the hypervisor below) is moved over, then end() takes the old page
 * away, or the new one when that failed. Both are covered in between, and two changes of
 * one register never overlap.
 */
#ifndef HOST_CORE_OVERLAY_H
#define HOST_CORE_OVERLAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/base.h"

struct enlh_partition;
struct enlh_vp;

/* One covered page. host NULL: none. */
struct enlh_overlay_half {
    uint64_t gpa;
    uint8_t *host;
    uint8_t *saved; /* the 4096 bytes below; kept for the next time */
    struct enlh_overlay_half *next;
};

/* A page register; zeroed memory is its first state. */
struct enlh_overlay {
    _Atomic uint64_t value; /* the register, as the guest reads it */
    struct enlh_overlay_half half[2];
    uint32_t current; /* the half that value describes */
    bool changing;    /* between begin() and end() */
};

#define ENLH_OVERLAY_BUCKETS 64u

/* All covered pages of a partition, by page number. Under the partition's lock. */
struct enlh_overlay_list {
    struct enlh_overlay_half *bucket[ENLH_OVERLAY_BUCKETS];
};

/*
 * Lay the page that value names (nothing when it is not enabled, or stays where it is):
 * keep the bytes there, then put content and zeros in their place.
 * Returns 0; or -ENL_E_FAULT: no RAM, or another overlay is there; -ENL_E_BUSY: another
 * VP is changing this register; -ENL_E_NOMEM. On failure nothing has changed, and end()
 * must not be called.
 */
int enlh_overlay_begin(struct enlh_partition *partition, struct enlh_overlay *overlay,
                       uint64_t value, const void *content, size_t content_len);

/* Between begin() and end(): where the page will be for the host; NULL when disabled. */
void *enlh_overlay_next(const struct enlh_overlay *overlay, uint64_t value);

/* Finish: keep the new value and give the old page its bytes back, or the reverse. */
void enlh_overlay_end(struct enlh_partition *partition, struct enlh_overlay *overlay,
                      uint64_t value, bool keep);

/* begin(), the hypervisor below hears of it, end(). Returns as begin() or -ENL_E_INVAL. */
struct enlh_overlay_write {
    struct enlh_overlay *overlay;
    uint32_t reg;
    uint64_t value;
    const void *content;
    size_t content_len;
};
int enlh_overlay_set(struct enlh_vp *vp, const struct enlh_overlay_write *write);

/* Back to zero: the bytes below reappear. No VP uses the page any more. */
void enlh_overlay_reset(struct enlh_partition *partition, struct enlh_overlay *overlay);
/* Give the memory back; the guest's pages stay as they are. */
void enlh_overlay_fini(struct enlh_partition *partition, struct enlh_overlay *overlay);

/* The page as the host sees it, or NULL. Under the partition's lock, or the only writer. */
void *enlh_overlay_page(const struct enlh_overlay *overlay);

static inline uint64_t
enlh_overlay_value(const struct enlh_overlay *overlay)
{
    return atomic_load_explicit(&overlay->value, memory_order_relaxed);
}

/* Some overlay covers the page of this address. Takes the partition's lock. */
bool enlh_overlay_covers(struct enlh_partition *partition, uint64_t gpa);

/* A saved register: plain data. */
struct enlh_overlay_state {
    uint64_t value;
    uint8_t below[ENL_PAGE_SIZE]; /* when it is enabled */
};
void enlh_overlay_save(struct enlh_partition *partition,
                       const struct enlh_overlay *overlay,
                       struct enlh_overlay_state *out);
/* The guest's memory is restored already, so the page itself is not written. */
int enlh_overlay_restore(struct enlh_partition *partition, struct enlh_overlay *overlay,
                         const struct enlh_overlay_state *state);

#endif
