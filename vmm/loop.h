/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/loop.h - the one event loop: descriptors, periods, and a bell that anyone may ring
 */
#ifndef ENLIGHT_VMM_LOOP_H
#define ENLIGHT_VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "enlight/error.h"

#define ENLM_LOOP_SOURCES 16u

/* Thread: loop. */
typedef void (*enlm_loop_fn)(void *ctx);

struct enlm_loop_source {
    int fd;
    bool owned; /* a timer of ours, closed at the end */
    bool is_timer;
    enlm_loop_fn fn;
    void *ctx;
};

struct enlm_loop {
    int epoll_fd, bell_fd;
    enlm_loop_fn rung;
    void *ctx;
    struct enlm_loop_source sources[ENLM_LOOP_SOURCES];
    uint32_t count;
};

/* rung is called on the loop after enlm_loop_ring(). Returns 0, or -ENL_E_IO. */
ENL_MUST_CHECK int enlm_loop_init(struct enlm_loop *loop, enlm_loop_fn rung, void *ctx);
void enlm_loop_fini(struct enlm_loop *loop);

/* Call fn when fd is readable. Borrows fd. Returns 0, -ENL_E_NOSPC, -ENL_E_PERM, -ENL_E_IO. */
ENL_MUST_CHECK int enlm_loop_add(struct enlm_loop *loop, int fd, enlm_loop_fn fn,
                                 void *ctx);
/* Listen or do not listen to a descriptor that was added: for input, for room to write. */
void enlm_loop_listen(struct enlm_loop *loop, int fd, bool input, bool output);
/* Call fn every period_ms, for the first time after that long. */
ENL_MUST_CHECK int enlm_loop_every(struct enlm_loop *loop, uint32_t period_ms,
                                   enlm_loop_fn fn, void *ctx);

/* Thread: any, and signal handlers. */
void enlm_loop_ring(struct enlm_loop *loop);
/* Wait, and do what there is to do. timeout_ms -1: as long as it takes. Thread: loop. */
void enlm_loop_once(struct enlm_loop *loop, int timeout_ms);

#endif
