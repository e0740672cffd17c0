/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/memory.h - the guest's memory, as the host half sees it
 *
 * The embedder adds its RAM regions before the first VP runs; they stay for the life of
 * the partition. A span names a piece of a region by offset, not by pointer, so that a
 * backend can live in another process that maps the same memory file.
 *
 * Guest memory is shared with a hostile guest: read each field once, into a local.
 */
#ifndef ENLIGHT_HOST_MEMORY_H
#define ENLIGHT_HOST_MEMORY_H

#include "enlight/host/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ENLH_MEM_REGIONS 16u /* as many as a partition can have */

/* A piece of guest memory within one region. */
struct enlh_span {
    uint32_t region; /* number of the region, in the order of enlh_mem_add() */
    uint32_t reserved;
    uint64_t offset; /* bytes from the region's start */
    uint64_t len;    /* bytes, never 0 */
};

/*
 * Add RAM at gpa. gpa, len and host are multiples of 4096; host is where the embedder
 * mapped it, borrowed for the life of the partition.
 * Returns the region's number, or
 *   -ENL_E_INVAL  unaligned, empty or beyond the address space;
 *   -ENL_E_EXIST  overlaps a region;
 *   -ENL_E_NOSPC  ENLH_MEM_REGIONS are there already.
 * Thread: one, before the first VP runs.
 */
ENL_MUST_CHECK int enlh_mem_add(struct enlh_partition *partition, enl_gpa gpa, void *host,
                                uint64_t len);

/*
 * The host address of [gpa, gpa + len), or NULL when it is not wholly within one region.
 * Valid for the life of the partition. Thread: any; does not block.
 */
void *enlh_mem_at(const struct enlh_partition *partition, enl_gpa gpa, uint64_t len);

/*
 * The span of [gpa, gpa + len). Returns 0, or -ENL_E_FAULT when it is not wholly within
 * one region or len is 0. Thread: any; does not block.
 */
ENL_MUST_CHECK int enlh_mem_span(const struct enlh_partition *partition, enl_gpa gpa,
                                 uint64_t len, struct enlh_span *out);

/* The host address of a span that enlh_mem_span() made. Thread: any. */
void *enlh_mem_span_host(const struct enlh_partition *partition,
                         const struct enlh_span *span);

/*
 * Copy between guest memory and a buffer; the range may cross regions that are adjacent.
 * Returns 0, or -ENL_E_FAULT, with nothing copied. Thread: any.
 */
ENL_MUST_CHECK int enlh_mem_read(const struct enlh_partition *partition, enl_gpa gpa,
                                 void *to, size_t len);
ENL_MUST_CHECK int enlh_mem_write(const struct enlh_partition *partition, enl_gpa gpa,
                                  const void *from, size_t len);

#ifdef __cplusplus
}
#endif
#endif
