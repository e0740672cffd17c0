/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/vmbus_rig.h - a bus with a guest made by hand, a device and its workers
 *
 * Everything runs on one thread and only when the test says so: rig_poll() is the loop,
 * rig_work() gives each woken worker its turns. The guest side writes messages and rings
 * itself. Failures of the rig's own expectations fail the test.
 */
#ifndef TEST_UNIT_VMBUS_RIG_H
#define TEST_UNIT_VMBUS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/ring.h"
#include "enlight/abi/hypercall.h"
#include "enlight/abi/vmbus.h"
#include "fake_partition.h"
#include "host/vmbus/channel.h"

#define RIG_RAM_GPA  0x200000ull /* where rings and buffers of the guest begin */
#define RIG_SINT     2u
#define RIG_RING_LEN 4u /* pages of each direction */

/* A device that writes down what happens to it, and does what the test says. */
struct rig_device {
    int open_result;
    int packet_result; /* what packet() answers */
    int packet_after;  /* ... after this many packets; before that 0 */
    bool busy;         /* quiesce() is not done */
    bool echo;         /* answer each packet with a completion of its payload */
    uint32_t opens, closes, packets, runs, flushes, quiesces, removed;
    uint32_t lose; /* completions that found no room */
    struct enlh_packet last;
    uint8_t last_payload[4096];
    struct enlh_span last_spans[64];
    struct enlh_channel *channel; /* the last one that called */
    /* (optional) more to do within run() */
    void (*on_run)(struct rig_device *dev, struct enlh_channel *channel);
    void *ctx;
};

/* The worker of one channel. */
struct rig_worker {
    struct enlh_channel *channel; /* NULL: none */
    uint32_t connection_id;
    bool woken;
    bool stopped; /* run() has said so */
    uint32_t starts, stops, wakes;
};

struct rig {
    struct fake f;
    struct enlh_vmbus *bus;
    struct enlh_vmbus_config config; /* for rig_start() */
    struct rig_device dev;
    struct rig_worker worker[ENLH_BUS_RELIDS];
    int start_result; /* what channel_start() answers */
    uint32_t loop_wakes;
    uint32_t vp;              /* where the guest takes its messages */
    uint32_t post_connection; /* where it posts them */
    uint64_t next_gpa;        /* of memory that nobody uses yet */
    uint32_t next_handle;
};

/* The guest's end of one open channel. */
struct rig_guest {
    uint32_t relid, handle;
    uint64_t gpa;
    uint32_t pages; /* of both rings */
    uint32_t split;
    struct enl_ring_producer out; /* guest to host */
    struct enl_ring_consumer in;  /* host to guest */
};

/* rig_init() sets the defaults, rig_start() creates partition and bus, SynICs on. */
void rig_init(struct rig *rig);
void rig_start(struct rig *rig, uint32_t vp_count);
/* Both, and a guest connected with this version. */
void rig_boot(struct rig *rig, uint32_t version);
/* The operations that rig_start() gives to the bus; ctx is the rig. */
void rig_start_ops(struct enlh_vmbus_ops *ops);
/* The device's requests in flight are done: quiesce() will say so. */
void rig_finish(struct rig *rig);
/* Takes all channels back and destroys everything; leaks fail. */
void rig_stop(struct rig *rig);

/* The loop, until it has nothing more to do. */
void rig_poll(struct rig *rig);
/* Turns of every woken worker, until all sleep. */
void rig_work(struct rig *rig);
/* Both in turns until nothing moves. */
void rig_settle(struct rig *rig);

/* ---- the guest ---- */

/* Post, and poll. Returns the hypercall's status. */
uint16_t rig_post_raw(struct rig *rig, const void *message, uint32_t len);
void rig_post(struct rig *rig, const void *message, uint32_t len);
/* A message of one relid: CLOSE_CHANNEL, RELID_RELEASED. */
void rig_post_relid(struct rig *rig, uint32_t type, uint32_t relid);
void rig_post_head(struct rig *rig, uint32_t type);
/* The next message must be of this type; len bytes of it go to out (may be NULL). */
void rig_expect(struct rig *rig, uint32_t type, void *out, uint32_t len);
void rig_expect_none(struct rig *rig);
/* Take what comes and forget it. */
uint32_t rig_drain(struct rig *rig);

void rig_contact(struct rig *rig, uint32_t version);
struct enl_vmbus_version_response rig_negotiate(struct rig *rig, uint32_t version);
/* REQUEST_OFFERS, and count the offers up to ALL_OFFERS_DELIVERED. */
uint32_t rig_request_offers(struct rig *rig);

/* ---- devices ---- */

extern const struct enlh_channel_ops rig_ops;
/* An offer whose instance ends in number. */
struct enlh_offer rig_offer_of(uint16_t number, uint16_t subchannel);
struct enlh_channel *rig_offer(struct rig *rig, uint16_t number, uint16_t subchannel);

/* ---- memory and channels ---- */

uint64_t rig_pages(struct rig *rig, uint32_t count);
void rig_post_gpadl(struct rig *rig, uint32_t relid, uint32_t handle, uint64_t gpa,
                    uint32_t pages);
/* The same, and the answer; returns its status. */
uint32_t rig_gpadl(struct rig *rig, uint32_t relid, uint32_t handle, uint64_t gpa,
                   uint32_t pages);
void rig_post_teardown(struct rig *rig, uint32_t relid, uint32_t handle);
void rig_post_open(struct rig *rig, const struct rig_guest *guest, uint32_t target_vp);
uint32_t rig_expect_open(struct rig *rig, uint32_t relid);
/* A GPADL and zeroed rings, not opened. */
void rig_prepare(struct rig *rig, struct rig_guest *guest, uint32_t relid);
/* All of it; the worker has had its first turn. */
void rig_open(struct rig *rig, struct rig_guest *guest, uint32_t relid);
void rig_close(struct rig *rig, const struct rig_guest *guest);

/* One channel, offered, and opened by a guest of 5.3: where most tests begin. */
struct enlh_channel *rig_open_one(struct rig *rig, struct rig_guest *guest);

/* Write an inband packet into the ring and publish it; returns whether to signal. */
bool rig_send(struct rig_guest *guest, uint64_t id, const void *payload, uint32_t len);
void rig_signal(struct rig *rig, const struct rig_guest *guest);
/* Take the next packet of the host; its payload goes to out. Returns false when empty. */
bool rig_receive(struct rig_guest *guest, struct enl_ring_packet *packet, void *out,
                 uint32_t len);
/* Both event flag and its clearing. */
bool rig_interrupted(struct rig *rig, uint32_t vp, uint32_t relid);

#endif
