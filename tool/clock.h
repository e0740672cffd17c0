/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/clock.h - the time that waiting is measured by
 */
#ifndef ENLIGHT_TOOL_CLOCK_H
#define ENLIGHT_TOOL_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC. */
static inline int64_t
enlt_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
