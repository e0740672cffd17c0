/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/recording_block.h - a disk that remembers every write and flush, and can say
 * what would be left of it after a power loss
 *
 * It passes each request on to another disk and logs when it was begun and when it was
 * done. The log's events are numbered from 0; point n is the moment after the first n of
 * them. At a point, a write is safe when it was forced (fua) and done, or when it was done
 * before the begin of a flush that is done; discards and zeros count as writes of zeros.
 * Every other write that was begun may be there, in part, or not at all: each of its
 * sectors of 512 bytes as the seed decides, and seed 0 drops them all.
 */
#ifndef TEST_UNIT_RECORDING_BLOCK_H
#define TEST_UNIT_RECORDING_BLOCK_H

#include "enlight/host/block.h"

struct recording;

/* Wrap inner, which is borrowed until destroy. Returns 0, or -ENL_E_NOMEM. */
ENL_MUST_CHECK int recording_create(const struct enlh_block *inner,
                                    struct recording **out, struct enlh_block *block);
/* Every queue is closed. */
void recording_destroy(struct recording *recording);

/* How many events there are. Thread: any. */
size_t recording_length(struct recording *recording);
/* How many flushes are done at a point. */
size_t recording_flushes(struct recording *recording, size_t point);

/*
 * image holds the disk as it was before the recording, info().size bytes; it becomes the
 * disk that is found after a power loss at that point.
 */
void recording_image(struct recording *recording, size_t point, uint32_t seed,
                     uint8_t *image);

#endif
