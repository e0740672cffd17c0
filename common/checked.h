/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/checked.h - sums and products of sizes that somebody else chose
 *
 * Each answers false when the result does not fit; then *out is not to be used.
 */
#ifndef ENLIGHT_COMMON_CHECKED_H
#define ENLIGHT_COMMON_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool
enl_add32(uint32_t a, uint32_t b, uint32_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool
enl_add64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool
enl_mul32(uint32_t a, uint32_t b, uint32_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* [start, start + len) lies within [0, limit). */
static inline bool
enl_within(uint64_t start, uint64_t len, uint64_t limit)
{
    return len <= limit && start <= limit - len;
}

#endif
