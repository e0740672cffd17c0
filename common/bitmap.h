/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/bitmap.h - sets of small numbers: relids, virtual processors, event flags
 *
 * A map is an array of 64-bit words, ENL_BITMAP_WORDS(count) of them, zero when empty. The
 * caller keeps bit below count, and the bits behind count clear. Nothing is atomic here.
 */
#ifndef ENLIGHT_COMMON_BITMAP_H
#define ENLIGHT_COMMON_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#define ENL_BITMAP_WORDS(count) (((count) + 63u) / 64u)

static inline bool
enl_bitmap_test(const uint64_t *map, uint32_t bit)
{
    return (map[bit / 64] >> bit % 64 & 1) != 0;
}

static inline void
enl_bitmap_set(uint64_t *map, uint32_t bit)
{
    map[bit / 64] |= UINT64_C(1) << bit % 64;
}

static inline void
enl_bitmap_clear(uint64_t *map, uint32_t bit)
{
    map[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

/* The first bit from `from` on that is set (flip 0) or clear (flip ~0); count if none. */
static inline uint32_t
enl_bitmap_scan(const uint64_t *map, uint32_t from, uint32_t count, uint64_t flip)
{
    while (from < count) {
        uint64_t word = (map[from / 64] ^ flip) >> from % 64;

        if (word != 0) {
            from += (uint32_t)__builtin_ctzll(word);
            return from < count ? from : count;
        }
        from = (from | 63u) + 1;
    }
    return count;
}

/* The first member from `from` on, or count. */
static inline uint32_t
enl_bitmap_next(const uint64_t *map, uint32_t from, uint32_t count)
{
    return enl_bitmap_scan(map, from, count, 0);
}

/* The first number from `from` on that is no member, or count. */
static inline uint32_t
enl_bitmap_next_clear(const uint64_t *map, uint32_t from, uint32_t count)
{
    return enl_bitmap_scan(map, from, count, ~UINT64_C(0));
}

/* How many members below count. */
static inline uint32_t
enl_bitmap_weight(const uint64_t *map, uint32_t count)
{
    uint32_t weight = 0;

    for (uint32_t bit = enl_bitmap_next(map, 0, count); bit < count;
         bit = enl_bitmap_next(map, bit + 1, count))
        weight++;
    return weight;
}

#endif
