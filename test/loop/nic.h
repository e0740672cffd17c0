/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/nic.h - what the small kernel does with its NIC
 *
 * It sends frames that tell their number, of all lengths, with offloads and without, through
 * every queue, and waits for each of them to come back. Queue i is worked on by VP i, modulo
 * their number; VP 0 opens and closes.
 */
#ifndef TEST_LOOP_NIC_H
#define TEST_LOOP_NIC_H

#include "enlight/guest/net.h"
#include "test/loop/guest.h"

#define NIC_QUEUES 4u
#define NIC_SENDS  12u /* in flight, of a queue */
#define NIC_PAGES  2u  /* of a frame */

struct nic;

struct nic_send {
    struct enlg_net_send send;
    struct enlg_net_piece pieces[3];
    struct nic_queue *queue;
    uint8_t *bytes; /* NIC_PAGES */
    bool busy;
};

enum nic_phase {
    NIC_FREE,
    NIC_RUNNING,
    NIC_PARK,   /* the bus wants its thread to let go */
    NIC_PARKED, /* it has */
};

struct nic_queue {
    struct nic *nic;
    uint32_t index;
    struct enlg_channel *channel;
    struct enlg_net_queue queue; /* not of the first */
    struct enlg_request_slot slots[NIC_SENDS + 1];
    struct nic_send sends[NIC_SENDS];
    uint64_t buffer[ENLG_NET_BUFFER_LEN / 8];
    uint8_t frame[2048]; /* that comes in */
    uint8_t *ring;
    struct loop_rand rand;
    atomic_int phase;
    atomic_bool signal;
    bool blocked;  /* no room: wait for a signal */
    uint32_t left; /* frames still to be sent */
    uint32_t flying;
    atomic_bool finished;
    atomic_bool stopped; /* its memory is ours */
};

struct nic {
    struct guest *guest;
    struct enlg_net net;
    struct nic_queue queue[NIC_QUEUES];
    uint8_t *receive;
    bool open;     /* VP 0: from start to STOPPED */
    bool stopping; /* VP 0: stop() was called */
    atomic_bool lost;
    atomic_bool ask_close; /* by the test */
    atomic_bool stopped;
    atomic_uint back;     /* frames that came back, of this opening */
    atomic_uint expected; /* frames that will */
};

/* guest.c calls these. VP 0. */
struct nic *nic_create(struct guest *guest);
void nic_bus_step(struct nic *nic);
/* Have its threads let go; true when they have, or there are none. */
bool nic_park(struct nic *nic);
/* Any VP. */
void nic_step(struct nic *nic, uint32_t vp);
bool nic_wants(struct nic *nic, uint32_t vp);

/* Every queue that was agreed on is open, everything is sent and has come back. */
bool nic_has_finished(const struct nic *nic);
bool nic_is_free(const struct nic *nic);
/* VP 0: close it when its threads have let go; it is opened again. Thread: any. */
void nic_close(struct nic *nic);

#endif
