/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/loop.h - the one event loop: descriptors, periods, and a bell that anyone may ring
 */
#ifndef ENLIGHT_VMM_LOOP_H
#define ENLIGHT_VMM_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "enlight/error.h"

#define ENLM_LOOP_SOURCES 64u

/* Thread: loop. */
typedef void (*enlm_loop_fn)(void *ctx);

struct enlm_loop_source {
    int fd;     /* -1: none */
    bool owned; /* a timer of ours, closed at the end */
    bool is_timer;
    uint32_t round; /* how often this place was given away: an old event is not for it */
    enlm_loop_fn fn;
    void *ctx;
};

struct enlm_loop {
    int epoll_fd, bell_fd;
    enlm_loop_fn rung;
    void *ctx;
    pthread_mutex_t lock; /* of the sources */
    struct enlm_loop_source sources[ENLM_LOOP_SOURCES];
};

/* rung is called on the loop after enlm_loop_ring(). Returns 0, or -ENL_E_IO. */
ENL_MUST_CHECK int enlm_loop_init(struct enlm_loop *loop, enlm_loop_fn rung, void *ctx);
void enlm_loop_fini(struct enlm_loop *loop);

/*
 * Call fn when fd is readable. Borrows fd until it is removed.
 * Returns 0, -ENL_E_NOSPC, -ENL_E_PERM, -ENL_E_IO.
 */
ENL_MUST_CHECK int enlm_loop_add(struct enlm_loop *loop, int fd, enlm_loop_fn fn,
                                 void *ctx);
/* On return fn is not called for fd any more. Before fd is closed. Thread: loop. */
void enlm_loop_remove(struct enlm_loop *loop, int fd);
/*
 * Listen or do not listen to a descriptor that was added: for input, for room to write.
 * Thread: any.
 */
void enlm_loop_listen(struct enlm_loop *loop, int fd, bool input, bool output);
/* Call fn every period_ms, for the first time after that long. */
ENL_MUST_CHECK int enlm_loop_every(struct enlm_loop *loop, uint32_t period_ms,
                                   enlm_loop_fn fn, void *ctx);
/* No more: on return fn is not called for ctx, if it was. Thread: loop. */
void enlm_loop_cancel(struct enlm_loop *loop, enlm_loop_fn fn, void *ctx);

/* Thread: any, and signal handlers. */
void enlm_loop_ring(struct enlm_loop *loop);
/* Wait, and do what there is to do. timeout_ms -1: as long as it takes. Thread: loop. */
void enlm_loop_once(struct enlm_loop *loop, int timeout_ms);

#endif
