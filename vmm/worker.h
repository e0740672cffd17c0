/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/worker.h - one thread for each open channel, with one eventfd
 *
 * The eventfd is the doorbell that the kernel rings for the guest, and what a disk's queue
 * signals for a completion. A worker that was stopped waits in the pool for the next
 * channel, so its descriptor stays valid for whoever is late.
 */
#ifndef ENLIGHT_VMM_WORKER_H
#define ENLIGHT_VMM_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "enlight/host/vmbus.h"

struct enlm_worker {
    struct enlm_worker *next; /* in the pool's list of all */
    int fd;
    int epoll_fd;   /* fd and watched_fd; -1 until something was watched */
    int watched_fd; /* or -1 */
    pthread_t thread;
    bool is_running; /* thread is to be joined */
    bool is_taken;   /* a channel has it */
    struct enlh_channel *channel;
    _Atomic bool stop;
};

struct enlm_worker_pool {
    struct enlm_worker *all;
};

/* The channel's worker; a free one is given to it. NULL: no memory. Thread: loop. */
struct enlm_worker *enlm_worker_of(struct enlm_worker_pool *pool,
                                   struct enlh_channel *channel);
/*
 * Wake it at every edge of fd too, from before its thread starts until the worker stops.
 * One descriptor at a time. Returns 0, or -ENL_E_NOMEM. Thread: loop.
 */
ENL_MUST_CHECK int enlm_worker_watch(struct enlm_worker *worker, int fd);
/* Returns 0, or -ENL_E_NOMEM: no thread. Thread: loop. */
ENL_MUST_CHECK int enlm_worker_start(struct enlm_worker *worker);
/* On return the thread is gone. Thread: loop. */
void enlm_worker_stop(struct enlm_worker *worker);
/* Thread: any. */
void enlm_worker_wake(struct enlm_worker *worker);
/* No worker runs. */
void enlm_worker_fini(struct enlm_worker_pool *pool);

#endif
