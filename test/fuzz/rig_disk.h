/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/fuzz/rig_disk.h - a small disk whose requests end when and how the target says
 *
 * It checks what enlight/host/block.h asks of a caller: no more requests than depth, each
 * whole and within the disk, done once, no queue closed with one in flight.
 */
#ifndef TEST_FUZZ_RIG_DISK_H
#define TEST_FUZZ_RIG_DISK_H

#include "enlight/host/block.h"
#include "rig.h"

#define RIG_DISK_LEN    0x10000u
#define RIG_DISK_DEPTH  16u
#define RIG_DISK_QUEUES 32u

struct rig_disk;

struct rig_disk_queue {
    struct rig_disk *disk; /* NULL: not open */
    struct enlh_wake wake;
    uint32_t depth;
    struct enlh_block_request *taken[RIG_DISK_DEPTH];
    uint32_t taken_count, kicked_count; /* the first ones are kicked */
    uint32_t allowed;                   /* of these, so many may end in the next reap */
    bool reaping;
};

struct rig_disk {
    struct enlh_block_info info;
    struct enlh_partition *partition;
    struct rig_disk_queue queue[RIG_DISK_QUEUES];
    int result;       /* what requests end with */
    bool hold;        /* they end only when rig_disk_finish() says so */
    bool newest;      /* ... the newest first */
    bool refuse_open; /* queue_open answers -ENL_E_NOMEM */
    uint32_t refuse;  /* so many submits are answered -ENL_E_AGAIN */
    uint8_t bytes[RIG_DISK_LEN];
};

void rig_disk_init(struct rig_disk *disk, uint32_t block_size);
struct enlh_block rig_disk_block(struct rig_disk *disk);
/* Let so many requests of each queue end, and wake their channels. */
void rig_disk_finish(struct rig_disk *disk, uint32_t count);

#endif
