/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/fake_disk.h - a block backend in memory that finishes when it is told to
 *
 * Requests are done by themselves in the next reap() after a kick(), or, with hold, only
 * when the test lets them. They can be done in reverse order or with an error. It aborts
 * the test when its caller breaks the contract of enlight/host/block.h: more than depth
 * requests, a length that is not the spans' sum or no multiple of the block, a range
 * beyond the disk, a queue closed with requests in flight, a request submitted twice.
 */
#ifndef TEST_UNIT_FAKE_DISK_H
#define TEST_UNIT_FAKE_DISK_H

#include "enlight/host/block.h"

#define FAKE_DISK_REQUESTS 4096u
#define FAKE_DISK_QUEUES   16u

struct fake_disk;

struct enlh_block_queue {
    struct fake_disk *disk;
    const struct enlh_partition *partition;
    uint32_t depth;
    struct enlh_wake wake;
    struct enlh_block_request *taken[FAKE_DISK_REQUESTS]; /* in order of submission */
    uint32_t taken_count, kicked_count;                   /* the first ones are kicked */
    bool in_reap, open;
};

struct fake_disk {
    struct enlh_block_info info;
    uint8_t *data; /* info.size bytes */
    bool hold;     /* nothing finishes but what fake_disk_finish() lets */
    uint32_t allowed;
    bool reverse;           /* the youngest first */
    int result;             /* what requests end with; below 0 nothing is done */
    int32_t refuse_submits; /* this many submit() return -ENL_E_AGAIN */
    int open_result;        /* below 0: what queue_open() returns */
    uint32_t open_limit;    /* not 0: queues that can be open at once */
    uint32_t kicks, reaps, opens, closes;
    uint32_t count[5]; /* finished requests, by operation */
    uint32_t fua_count;
    uint64_t max_spans;   /* the most in one request */
    uint32_t spans_total; /* over all requests */
    struct enlh_block_queue queues[FAKE_DISK_QUEUES];
};

void fake_disk_init(struct fake_disk *disk, uint64_t size, uint32_t block_size);
void fake_disk_fini(struct fake_disk *disk);
struct enlh_block fake_disk_block(struct fake_disk *disk);
/* With hold: let count requests finish in the next reaps, and wake their queues. */
void fake_disk_finish(struct fake_disk *disk, uint32_t count);
/* Something would finish in the next reap(): a real backend would wake its queue. */
bool fake_disk_ready(const struct fake_disk *disk);
/* Requests that backends have now. */
uint32_t fake_disk_in_flight(const struct fake_disk *disk);

#endif
