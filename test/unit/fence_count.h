/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/fence_count.h - put before a source: its full fences count themselves
 */
#ifndef TEST_UNIT_FENCE_COUNT_H
#define TEST_UNIT_FENCE_COUNT_H

/* Threads that share a ring do not count. */
extern unsigned long fence_count;

static inline void
fence_make(int order)
{
    fence_count++;
    __atomic_thread_fence(order);
}
#define __atomic_thread_fence(order) fence_make(order)

#endif
