/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_bus_rig.h - a guest bus whose host is the test
 *
 * On top of guest_rig.h: connects, offers, opens, and holds the host's ends of the rings
 * of one open channel. What the guest posts is read in order with bus_posted().
 */
#ifndef TEST_UNIT_GUEST_BUS_RIG_H
#define TEST_UNIT_GUEST_BUS_RIG_H

#include "common/ring.h"
#include "enlight/guest/channel.h"
#include "enlight/guest/packet.h"
#include "enlight/guest/vmbus.h"
#include "guest_rig.h"

#define BUS_CHANNELS   4u
#define BUS_SEND_LEN   8192u
#define BUS_RECV_LEN   12288u
#define BUS_RELID      5u
#define BUS_CONNECTION 0x2005u

struct bus_rig {
    struct enlg_vmbus bus;
    struct enlg_vmbus_config config;
    struct enlg_channel channels[BUS_CHANNELS];
    struct enlg_channel *channel; /* of the last OFFER */
    uint32_t next;                /* of bus_posted() */
    char events[64];              /* one letter for each event of the bus or a channel */
    int status;                   /* of the last channel event */
    uint32_t signals;
    uint32_t others; /* messages that are none of VMBus */
    struct enl_ring_consumer from_guest;
    struct enl_ring_producer to_guest;
    uint32_t ring_gpadl;
};

extern struct bus_rig bus;

/* cmocka setups: not connected; connected with 5.3; one channel offered; and open. */
int bus_setup(void **state);
int bus_setup_connected(void **state);
int bus_setup_offered(void **state);
int bus_setup_open(void **state);
void bus_connect(uint32_t version);

/* The next post: of this type, and at least len bytes; copied to out. */
void bus_posted(uint32_t type, void *out, uint32_t len);
void bus_posted_nothing(void);
/* The events since the last call are these letters: C connected, F failed, U unloaded,
 * A all offers, + offer, - gone; o opened, e open failed, r rescinded, c closed, m moved. */
void bus_events_are(const char *letters);
uint64_t bus_malformed(void);

/* The host says. */
void bus_say(const void *message, uint32_t len);
void bus_say_version(uint8_t supported, uint32_t value);
void bus_say_offer(uint32_t relid, uint8_t instance);
/* An offer with a class, or of a sub-channel. */
struct bus_offer {
    uint32_t relid;
    uint8_t instance;
    uint16_t subchannel;
    struct enl_guid type;
};
void bus_say_offer_of(const struct bus_offer *offer);
/* Open what the guest asks for next, with BUS_SEND_LEN and BUS_RECV_LEN bytes at ring. */
void bus_say_open(uint32_t relid, uint8_t *ring);
void bus_say_rescind(uint32_t relid);
void bus_say_created(uint32_t relid, uint32_t gpadl, uint32_t status);
void bus_say_torndown(uint32_t gpadl);
void bus_say_opened(uint32_t relid, uint32_t status);
void bus_say_type(uint32_t type);

int bus_open(void);
const struct enlg_channel_config *bus_open_config(void);
/* The rings' memory. */
uint8_t *bus_ring(void);

#endif
