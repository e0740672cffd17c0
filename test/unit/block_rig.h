/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/block_rig.h - a partition with some RAM and one queue on a disk
 *
 * The rig plays the disk device: it submits requests, sleeps on the queue's eventfd, and
 * reaps. A wait that lasts longer than any disk takes fails the test.
 */
#ifndef TEST_UNIT_BLOCK_RIG_H
#define TEST_UNIT_BLOCK_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "enlight/backend/block.h"

enum { RIG_RAM = 16 * 1024 * 1024 };

struct rig {
    struct enlh_partition *partition;
    uint8_t *ram; /* page-aligned; region 0 */
    struct enlh_block block;
    struct enlh_block_queue *queue;
    int wake_fd;
    uint32_t finished; /* done() so far */
};

/* One request. The spans are the caller's when there are more than eight. */
struct rig_io {
    struct enlh_block_request request; /* first: done() finds the rest by it */
    struct enlh_span few[8];
    struct rig *rig;
    int result;
    uint32_t done_count;
    uint32_t done_at; /* finished was this many before */
};

/* RAM is zeroed. The rig borrows the block. */
void rig_start(struct rig *rig, const struct enlh_block *block, uint32_t depth);
void rig_stop(struct rig *rig);

/* One span at an offset in RAM. */
void rig_io_init(struct rig_io *io, struct rig *rig, enum enlh_block_op op,
                 uint64_t offset, uint64_t len, uint64_t ram_at);
/* Add a span; the first call replaces what rig_io_init() made. */
void rig_io_span(struct rig_io *io, uint64_t ram_at, uint64_t len);
/* Submit and kick; it must be taken. */
void rig_submit(struct rig_io *io);
/* Reap until that many are done in all. */
void rig_wait(struct rig *rig, uint32_t finished);
/* All of it: returns the result. */
int rig_do(struct rig *rig, enum enlh_block_op op, uint64_t offset, uint64_t len,
           uint64_t ram_at);

/* Bytes that depend on where they are and on the seed. */
void rig_fill(uint8_t *at, size_t len, uint32_t seed);

/* A new empty file in $TMPDIR, already unlinked; size by ftruncate. */
int rig_file(uint64_t size);

#endif
