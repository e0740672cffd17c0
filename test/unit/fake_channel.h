/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/fake_channel.h - a bus and its channels without rings and without a guest
 *
 * For the tests of devices: it stands in for host/vmbus, all but the deferred work, which
 * is the real one. The test is the guest: it opens channels, puts packets, gives the
 * worker its turns and takes what the device sends. A packet's payload and spans are
 * copied to fresh memory for each call and freed after it, so that a device that keeps a
 * pointer is found by the sanitizer. Broken rules of the contract abort the test.
 *
 *   struct enlh_vmbus bus;
 *   fake_bus_init(&bus, &fake);             // struct fake of fake_partition.h, started
 *   ... the device offers ...
 *   channel = fake_bus_channel(&bus, 0);    // by sub-channel index; NULL: none
 *   fake_channel_open(channel);
 *   fake_channel_put(channel, &packet);
 *   fake_channel_run(channel);
 *   fake_channel_take(channel, &answer);
 *   fake_bus_fini(&bus);                    // closes and removes what is left
 */
#ifndef TEST_UNIT_FAKE_CHANNEL_H
#define TEST_UNIT_FAKE_CHANNEL_H

#include <stdatomic.h>

#include "enlight/host/vmbus.h"
#include "fake_partition.h"
#include "host/vmbus/defer.h"

#define FAKE_CHANNELS    16u
#define FAKE_ANSWERS     8192u
#define FAKE_ANSWER_MAX  256u
#define FAKE_PACKETS     8192u
#define FAKE_PAYLOAD_MAX 512u
#define FAKE_RANGES      64u
#define FAKE_GPADLS      8u

struct fake_answer {
    bool is_completion;
    bool wants_completion;
    uint64_t transaction_id;
    uint32_t len;
    uint8_t data[FAKE_ANSWER_MAX] __attribute__((aligned(8)));
    uint16_t pageset_id;
    uint32_t range_count; /* not 0: a packet of transfer pages */
    struct enl_transfer_range ranges[FAKE_RANGES];
};

/* A buffer that the guest has shown to the host. */
struct fake_gpadl {
    uint32_t handle; /* 0: none */
    struct enlh_span *spans;
    uint32_t span_count;
    bool is_lent;
};

/* What the guest put into the ring. */
struct fake_packet {
    uint16_t type;
    uint64_t transaction_id;
    uint32_t payload_len;
    uint8_t payload[FAKE_PAYLOAD_MAX];
    struct enlh_span *spans; /* owned */
    uint32_t span_count;
};

struct enlh_channel {
    struct enlh_vmbus *bus;
    struct enlh_channel_ops ops;
    struct enlh_offer offer;
    char name[32];
    void *dev, *data, *worker;
    uint32_t protocol;
    bool exists, is_open, quiescing, rescinded, broken;
    bool in_run;  /* the device may send */
    int32_t room; /* packets that the guest's ring takes; -1: any number */
    atomic_uint wakes;
    uint32_t publishes; /* runs that sent something */
    uint32_t gave_up;   /* packets answered with an error: the channel is lost */
    struct fake_packet packets[FAKE_PACKETS];
    uint32_t packet_head, packet_count;
    struct fake_answer answers[FAKE_ANSWERS];
    uint32_t answer_head, answer_count;
    struct fake_gpadl gpadls[FAKE_GPADLS];
};

struct enlh_vmbus {
    struct enlh_partition *partition;
    struct fake *fake;
    struct enlh_defer_queue deferred;
    atomic_uint loop_wakes;
    int offer_result; /* what the next offers return; 0: they work */
    bool loop_only;   /* set by a test: the loop's functions may be called now */
    struct enlh_channel *channels[FAKE_CHANNELS]; /* by index, NULL: none */
    uint32_t offers, rescinds, removed;
};

void fake_bus_init(struct enlh_vmbus *bus, struct fake *fake);
void fake_bus_fini(struct enlh_vmbus *bus);
/* One turn of the loop: deferred work, then removed() of channels that are gone. */
void fake_bus_poll(struct enlh_vmbus *bus);
/* The channel with this sub-channel index that is not taken back, or NULL. */
struct enlh_channel *fake_bus_channel(struct enlh_vmbus *bus, uint16_t subchannel);

/* Returns what the device's open() returned. */
int fake_channel_open(struct enlh_channel *channel);
/* Quiesce until the device lets go, then close(). Fails after turns turns. */
bool fake_channel_try_close(struct enlh_channel *channel, uint32_t turns);
void fake_channel_close(struct enlh_channel *channel);
/* Put one packet into the ring; copies all. */
void fake_channel_put(struct enlh_channel *channel, uint16_t type,
                      uint64_t transaction_id, const void *payload, uint32_t payload_len,
                      const struct enlh_span *spans, uint32_t span_count);
/* One turn of the worker. Returns how many packets the device took. */
uint32_t fake_channel_run(struct enlh_channel *channel);
/* Establish a GPADL over these spans; copies them. Gone when the channel closes. */
void fake_channel_lend(struct enlh_channel *channel, uint32_t handle,
                       const struct enlh_span *spans, uint32_t span_count);
/* The device holds it. */
bool fake_channel_is_lent(const struct enlh_channel *channel, uint32_t handle);
/* The oldest thing that the device sent; false: nothing. */
bool fake_channel_take(struct enlh_channel *channel, struct fake_answer *out);
void fake_channel_drop_packets(struct enlh_channel *channel);

#endif
