/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/fuzz/rig_bus.h - a bus on the rig, its workers, and a guest that speaks properly
 *
 * One thread plays the loop, every worker and the guest; the target says whose turn it is.
 * A worker is a mark that its channel shall run. What the embedder's callbacks are promised
 * (start before wake, stop after the worker has stopped, one of each) is checked.
 */
#ifndef TEST_FUZZ_RIG_BUS_H
#define TEST_FUZZ_RIG_BUS_H

#include "common/ring.h"
#include "enlight/host/vmbus.h"
#include "rig.h"

#define RIG_WORKERS  8u
#define RIG_SINT     2u
#define RIG_BUS_VPS  2u
#define RIG_RING_GPA 0x10000ull /* to 0x30000: four channels of eight pages */

struct rig_worker {
    struct enlh_channel *channel; /* NULL: free */
    uint32_t connection_id;
    bool woken, stopped;
};

struct rig_bus {
    struct rig rig;
    struct enlh_vmbus *bus;
    struct enlh_vmbus_config config;
    struct rig_worker worker[RIG_WORKERS];
    bool refuse_start; /* channel_start() answers -ENL_E_NOMEM */
    /* (optional) Backends finish what they have, so that workers can let go. */
    void (*finish)(void *ctx);
    void *ctx;
};

/* init, changes to config, start: a partition with its SynICs on, and a bus. */
void rig_bus_init(struct rig_bus *bus, const uint8_t *data, size_t size);
void rig_bus_start(struct rig_bus *bus);
/* The machine is reset: checks that every worker goes and every GPADL is given up. */
void rig_bus_reset(struct rig_bus *bus);
/* Destroy all; every channel must have been rescinded, or is gone after the reset. */
void rig_bus_stop(struct rig_bus *bus);

/* The loop, until it has nothing to do; it must come to an end. */
void rig_bus_poll(struct rig_bus *bus);
/* One turn of one worker that is woken; false when it sleeps. */
bool rig_bus_turn(struct rig_bus *bus, uint32_t worker);
/* This channel has a worker. */
bool rig_bus_works(const struct rig_bus *bus, uint32_t relid);
/* Some turns of everybody. */
void rig_bus_work(struct rig_bus *bus);
/*
 * The guest takes its messages of this VP, at most limit, and forgets them: its own writes may
 * have changed them. Returns how many.
 */
uint32_t rig_bus_listen(struct rig_bus *bus, uint32_t vp, uint32_t limit);

/* ---- a guest that does as it should ---- */

/* INITIATE_CONTACT of this version and REQUEST_OFFERS. */
void rig_bus_connect(struct rig_bus *bus, uint32_t version);

struct rig_guest {
    uint32_t relid;
    uint64_t gpa;
    uint32_t pages, split;
    bool open;
    struct enl_ring_producer out; /* guest to host */
    struct enl_ring_consumer in;  /* host to guest */
};
/* Give eight pages, four of each ring, at place 0 to 3, and open; false if refused. */
bool rig_bus_open(struct rig_bus *bus, struct rig_guest *guest, uint32_t relid,
                  uint32_t place);
void rig_bus_close(struct rig_bus *bus, struct rig_guest *guest);
/* Put a packet, publish it, signal; false: no room. */
bool rig_bus_send(struct rig_bus *bus, struct rig_guest *guest, uint16_t type,
                  uint64_t id, const void *body, uint32_t len);
/* Take a packet; its payload, up to len bytes, goes to out. Returns its length, or -1. */
int rig_bus_receive(struct rig_bus *bus, struct rig_guest *guest, void *out, uint32_t len,
                    struct enl_ring_packet *packet);

#endif
