/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/backend/trace.h - what is left of a recorded disk after a power loss
 *
 * A trace comes from enlb_record_create(). Its events are numbered from 0; point n is the
 * moment after the first n of them. At a point, a write is safe when it was forced (fua)
 * and done, or when it was done before the begin of a flush that is done; discards and
 * zeroings count as writes of zeros. Every other write that was begun may be there, in
 * part, or not at all: each of its blocks, of the disk's physical size, as the seed decides,
 * and seed 0 drops them all. Writes take effect in the order in which they were done.
 */
#ifndef ENLIGHT_BACKEND_TRACE_H
#define ENLIGHT_BACKEND_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/error.h"
#include "enlight/host/block.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlb_trace;

struct enlb_trace_event {
    bool done;       /* the end of a request, not its begin */
    uint64_t number; /* of the request */
    enum enlh_block_op op;
    bool fua;
    uint64_t offset, len; /* bytes */
    int result;           /* of the end: 0 or -ENL_E_* */
};

/*
 * Read a trace, up to its end or to where its machine was killed. Borrows fd until close.
 * Returns 0, -ENL_E_NOMEM, -ENL_E_IO, or -ENL_E_PROTO: it is none, or it is damaged; *at
 * says where. Thread: any. Allocates.
 */
ENL_MUST_CHECK int enlb_trace_open(int fd, struct enlb_trace **out, uint64_t *at);
void enlb_trace_close(struct enlb_trace *trace);

/* Bytes of the disk that was recorded; how many events there are. */
uint64_t enlb_trace_disk_size(const struct enlb_trace *trace);
uint64_t enlb_trace_count(const struct enlb_trace *trace);
/* Event number i, below the count. */
struct enlb_trace_event enlb_trace_event(const struct enlb_trace *trace, uint64_t i);

/*
 * image holds the disk as it was before the recording, and becomes the disk that is found
 * after a power loss at that point. Returns 0, -ENL_E_NOMEM, -ENL_E_NOSPC, -ENL_E_IO.
 */
ENL_MUST_CHECK int enlb_trace_replay(const struct enlb_trace *trace, uint64_t point,
                                     uint64_t seed, int image);

#ifdef __cplusplus
}
#endif
#endif
