/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/rand.h - numbers that a seed decides
 */
#ifndef TEST_LOOP_RAND_H
#define TEST_LOOP_RAND_H

#include <stdbool.h>
#include <stdint.h>

struct loop_rand {
    uint64_t state;
};

/* splitmix64: every seed, also a small one, is as good as any other. */
static inline uint64_t
loop_rand_next(struct loop_rand *r)
{
    uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* 0 to n - 1; n is not 0. */
static inline uint32_t
loop_rand_below(struct loop_rand *r, uint32_t n)
{
    return (uint32_t)(loop_rand_next(r) % n);
}

static inline bool
loop_rand_percent(struct loop_rand *r, uint32_t percent)
{
    return loop_rand_below(r, 100) < percent;
}

#endif
