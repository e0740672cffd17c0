/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/disk.h - a disk in memory whose requests take as long as the schedule says
 */
#ifndef TEST_LOOP_DISK_H
#define TEST_LOOP_DISK_H

#include <pthread.h>

#include "enlight/host/block.h"

struct loop_disk_queue;

struct loop_disk {
    struct loop_disk *next;
    uint8_t *data;
    uint64_t size;
    uint32_t queues;
    struct loop_disk_queue *open; /* a list */
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread;
    bool quit;
    uint64_t reads, writes, flushes;
};

void loop_disk_init(struct loop_disk *disk, uint64_t size);
void loop_disk_fini(struct loop_disk *disk);
struct enlh_block loop_disk_block(struct loop_disk *disk);
/* Some request is under way. */
bool loop_disk_busy(struct loop_disk *disk);
/* Finish the one of them that this number picks. */
void loop_disk_finish_one(struct loop_disk *disk, uint32_t pick);
/* With threads: one that finishes requests. */
void loop_disk_thread_start(struct loop_disk *disk);
void loop_disk_thread_stop(struct loop_disk *disk);

#endif
