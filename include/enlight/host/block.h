/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/block.h - the contract between a disk device and what it stands on
 *
 * A backend answers reads, writes, flushes, discards and writes of zeros, in units of
 * bytes that are multiples of its block size. Requests carry spans of guest memory, so
 * nothing is copied and the backend may live in another process.
 *
 * Each channel opens a queue of its own and is the only one to call it. A backend finishes
 * requests within reap(); when one is ready while nobody is inside, it calls wake.
 */
#ifndef ENLIGHT_HOST_BLOCK_H
#define ENLIGHT_HOST_BLOCK_H

#include "enlight/host/memory.h"
#include "enlight/host/wake.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_block_info {
    uint64_t size;       /* bytes, a multiple of block_size */
    uint32_t block_size; /* bytes of a logical block: 512 or 4096 */
    uint32_t physical_block_size;
    uint32_t max_transfer; /* most bytes of a READ or WRITE; 0: no bound of its own */
    bool readonly;
    bool discards;       /* DISCARD frees space */
    bool volatile_cache; /* what was written is safe only after FLUSH */
};

enum enlh_block_op {
    ENLH_BLOCK_READ,
    ENLH_BLOCK_WRITE,
    ENLH_BLOCK_FLUSH,   /* everything completed before it is on stable storage */
    ENLH_BLOCK_DISCARD, /* [offset, offset + len) may read as anything that is allowed */
    ENLH_BLOCK_ZERO,    /* ... reads as zeros afterwards */
};

struct enlh_block_request;
/* result: 0, or -ENL_E_IO, -ENL_E_NOSPC, -ENL_E_ROFS, -ENL_E_INVAL, -ENL_E_CANCELED. */
typedef void (*enlh_block_done_fn)(struct enlh_block_request *request, int result);

/* The caller's storage; the backend owns it from submit until done. */
struct enlh_block_request {
    enum enlh_block_op op;
    bool fua;                      /* a write that is safe when done */
    uint64_t offset;               /* bytes */
    uint64_t len;                  /* bytes; for READ and WRITE the sum of the spans */
    const struct enlh_span *spans; /* borrowed until done */
    uint32_t span_count;
    enlh_block_done_fn done; /* called within reap(), on the queue's thread */
    uint64_t backend[4];     /* the backend's own, until done */
};

struct enlh_block_queue; /* the backend's */

struct enlh_block_ops {
    size_t size;
    /* Thread: any. */
    void (*info)(void *backend, struct enlh_block_info *out);
    /*
     * Returns 0 and a queue for up to depth requests in flight, or -ENL_E_NOMEM,
     * -ENL_E_IO, -ENL_E_INVAL (depth 0, or a wake with neither fd nor fn). Borrows
     * partition (for its memory) and copies wake. Thread: loop.
     */
    int (*queue_open)(void *backend, const struct enlh_partition *partition,
                      uint32_t depth, const struct enlh_wake *wake,
                      struct enlh_block_queue **out);
    /* No request is in flight. Thread: loop. */
    void (*queue_close)(void *backend, struct enlh_block_queue *queue);
    /*
     * Take a request; it may start now or at kick(). Returns 0, or -ENL_E_AGAIN: depth
     * requests are in flight. Thread: channel.
     */
    int (*submit)(struct enlh_block_queue *queue, struct enlh_block_request *request);
    /* Start everything taken so far. Thread: channel. */
    void (*kick)(struct enlh_block_queue *queue);
    /* Call done() of everything that is finished. Returns how many. Thread: channel. */
    uint32_t (*reap)(struct enlh_block_queue *queue);
    /*
     * (optional) Have another size, a multiple of the block size; info() tells it from then
     * on. Returns 0, or -ENL_E_RANGE, -ENL_E_ROFS, -ENL_E_NOTSUP, -ENL_E_NOSPC, -ENL_E_IO.
     * Thread: loop, while queues are at work.
     */
    int (*resize)(void *backend, uint64_t size);
};

/* A backend: its operations and its own pointer. */
struct enlh_block {
    const struct enlh_block_ops *ops;
    void *backend;
};

#ifdef __cplusplus
}
#endif
#endif
