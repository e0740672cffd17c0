/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/wire.h - a network that sends every frame back, as late as the schedule says
 *
 * A backend of the host's NIC. A frame of the guest comes back with its two addresses
 * exchanged, on the queue that the guest's steering picks; one that was left to be cut into
 * segments is checked and counted, and does not come back. Without threads a frame is done
 * with, and comes back, in a turn of its own.
 */
#ifndef TEST_LOOP_WIRE_H
#define TEST_LOOP_WIRE_H

#include <pthread.h>

#include "enlight/host/net.h"
#include "test/loop/rand.h"

#define WIRE_QUEUES 4u

struct wire_queue;

struct wire {
    bool threads;
    struct loop_rand rand;
    uint32_t max_queues;
    struct enlh_net_setup setup;
    struct wire_queue *queue[WIRE_QUEUES]; /* NULL: not open */
    pthread_mutex_t lock;
    uint64_t taken, brought; /* frames of the guest, frames for it */
    uint64_t large;          /* that were left to be cut */
    uint64_t summed;         /* whose checksum was left to be made */
};

void wire_init(struct wire *wire, uint64_t seed, bool threads);
void wire_fini(struct wire *wire);
struct enlh_net wire_net(struct wire *wire);
/* Some frame waits for a turn; and the turn. */
bool wire_busy(struct wire *wire);
void wire_turn(struct wire *wire);

#endif
