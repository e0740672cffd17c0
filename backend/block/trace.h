/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/trace.h - the trace that a recording disk writes: a file's format
 *
 * A head, then events, one behind the other, in the order in which they happened. Numbers
 * are little-endian. Behind the begin of a WRITE come its len bytes of data. The trace ends
 * with the file, or with an event whose magic is 0, or with one that is not whole: a machine
 * that was killed leaves a good trace, and a block device can take one.
 */
#ifndef ENLIGHT_BACKEND_BLOCK_TRACE_H
#define ENLIGHT_BACKEND_BLOCK_TRACE_H

#include <stdint.h>

#define ENLB_TRACE_MAGIC       UINT64_C(0x45434152544c4e45) /* "ENLTRACE" */
#define ENLB_TRACE_VERSION     1u
#define ENLB_TRACE_EVENT_MAGIC 0x544e5645u /* "EVNT" */

struct enlb_trace_head {
    uint64_t magic;
    uint32_t version;
    uint32_t physical_block_size; /* bytes that a power loss does not tear */
    uint64_t disk_size;           /* bytes */
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct enlb_trace_head) == 64, "as the format says");

/* kind: the guest asked for it, and it may reach the disk from now on; it was told */
#define ENLB_TRACE_BEGIN 1u
#define ENLB_TRACE_DONE  2u

struct enlb_trace_record {
    uint32_t magic;
    uint8_t kind;
    uint8_t op;  /* enum enlh_block_op; of BEGIN */
    uint8_t fua; /* of BEGIN: a write that is safe when done */
    uint8_t reserved;
    uint64_t number; /* of the request: 0, 1, 2 ...; DONE repeats it */
    uint64_t offset; /* bytes; of BEGIN */
    uint64_t len;    /* bytes of BEGIN; of DONE the result, 0 or -ENL_E_* */
};
_Static_assert(sizeof(struct enlb_trace_record) == 32, "as the format says");

#endif
