/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_bus_rig.c - a guest bus whose host is the test
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_bus_rig.h"

struct bus_rig bus;

uint8_t *
bus_ring(void)
{
    return rig_page(10);
}

static void
letter(char c)
{
    size_t len = strlen(bus.events);

    assert_true(len + 1 < sizeof(bus.events));
    bus.events[len] = c;
}

void
bus_events_are(const char *letters)
{
    assert_string_equal(bus.events, letters);
    memset(bus.events, 0, sizeof(bus.events));
}

static void
bus_event(void *ctx, struct enlg_vmbus *b, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    static const char letters[] = "C+A-UF";

    assert_ptr_equal(ctx, &bus);
    assert_ptr_equal(b, &bus.bus);
    letter(letters[event]);
    if (event == ENLG_VMBUS_EVENT_OFFER)
        bus.channel = channel;
}

static void
bus_message(void *ctx, const struct enl_message *message)
{
    (void)ctx;
    (void)message;
    bus.others++;
}

int
bus_setup(void **state)
{
    rig_setup_calls(state);
    rig_synic_up();
    memset(&bus, 0, sizeof(bus));
    enlg_vmbus_config_defaults(&bus.config);
    bus.config.synic = &rig_synic;
    bus.config.channels = bus.channels;
    bus.config.channel_count = BUS_CHANNELS;
    bus.config.interrupt_page = rig_page(50);
    bus.config.event = bus_event;
    bus.config.message = bus_message;
    bus.config.ctx = &bus;
    assert_int_equal(enlg_vmbus_init(&bus.bus, &rig.partition, &bus.config), 0);
    return 0;
}

/* ---- out ---- */

void
bus_posted(uint32_t type, void *out, uint32_t len)
{
    struct enl_vmbus_header head;
    uint32_t got;
    const void *payload = rig_posted(bus.next++, &got, NULL);

    memcpy(&head, payload, sizeof(head));
    assert_int_equal(head.type, type);
    assert_int_equal(head.reserved, 0);
    assert_true(got >= len);
    if (out)
        memcpy(out, payload, len);
}

void
bus_posted_nothing(void)
{
    assert_int_equal(rig.call_count, bus.next);
}

uint64_t
bus_malformed(void)
{
    struct enlg_vmbus_counters counters;

    enlg_vmbus_counters(&bus.bus, &counters);
    return counters.messages_malformed;
}

/* ---- in ---- */

void
bus_say(const void *message, uint32_t len)
{
    rig_deliver(message, len);
    assert_int_equal(enlg_vmbus_poll(&bus.bus), 1);
}

void
bus_say_type(uint32_t type)
{
    struct enl_vmbus_header m = {.type = type};

    bus_say(&m, sizeof(m));
}

void
bus_say_version(uint8_t supported, uint32_t value)
{
    struct enl_vmbus_version_response m = {
        .head.type = ENL_VMBUS_VERSION_RESPONSE,
        .supported = supported,
        .version_or_connection_id = value,
    };

    bus_say(&m, sizeof(m));
}

void
bus_say_offer_of(const struct bus_offer *offer)
{
    struct enl_vmbus_offer m = {
        .head.type = ENL_VMBUS_OFFER_CHANNEL,
        .class_id = offer->type,
        .subchannel_index = offer->subchannel,
        .relid = offer->relid,
        .is_dedicated = 1,
        .connection_id = 0x2000 | offer->relid,
    };

    m.instance_id.b[3] = offer->instance;
    bus_say(&m, sizeof(m));
}

void
bus_say_offer(uint32_t relid, uint8_t instance)
{
    bus_say_offer_of(&(struct bus_offer){.relid = relid, .instance = instance});
}

void
bus_say_rescind(uint32_t relid)
{
    struct enl_vmbus_relid m = {.head.type = ENL_VMBUS_RESCIND_OFFER, .relid = relid};

    bus_say(&m, sizeof(m));
}

void
bus_say_created(uint32_t relid, uint32_t gpadl, uint32_t status)
{
    struct enl_vmbus_gpadl_created m = {
        .head.type = ENL_VMBUS_GPADL_CREATED,
        .relid = relid,
        .gpadl = gpadl,
        .status = status,
    };

    bus_say(&m, sizeof(m));
}

void
bus_say_torndown(uint32_t gpadl)
{
    struct enl_vmbus_gpadl_torndown m = {.head.type = ENL_VMBUS_GPADL_TORNDOWN,
                                         .gpadl = gpadl};

    bus_say(&m, sizeof(m));
}

void
bus_say_opened(uint32_t relid, uint32_t status)
{
    struct enl_vmbus_open_result m = {
        .head.type = ENL_VMBUS_OPEN_RESULT,
        .relid = relid,
        .open_id = relid,
        .status = status,
    };

    bus_say(&m, sizeof(m));
}

/* ---- a way in ---- */

void
bus_connect(uint32_t version)
{
    bus.config.max_version = version;
    assert_int_equal(enlg_vmbus_init(&bus.bus, &rig.partition, &bus.config), 0);
    rig_forget();
    bus.next = 0;
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    bus_posted(ENL_VMBUS_INITIATE_CONTACT, NULL, 40);
    bus_say_version(1, version >= ENL_VMBUS_VERSION_WIN10_5_0 ? 7 : version);
    bus_posted(ENL_VMBUS_REQUEST_OFFERS, NULL, 8);
    bus_events_are("C");
}

int
bus_setup_connected(void **state)
{
    bus_setup(state);
    bus_connect(ENL_VMBUS_VERSION_WS2022);
    return 0;
}

int
bus_setup_offered(void **state)
{
    bus_setup_connected(state);
    bus_say_offer(BUS_RELID, 1);
    bus_events_are("+");
    return 0;
}

static void
channel_event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event event,
              int status)
{
    static const char letters[] = "omrc";

    assert_ptr_equal(ctx, &bus);
    assert_ptr_equal(channel, bus.channel);
    letter(event == ENLG_CHANNEL_OPENED && status ? 'e' : letters[event]);
    bus.status = status;
}

static void
channel_signal(void *ctx, struct enlg_channel *channel)
{
    assert_ptr_equal(ctx, &bus);
    assert_ptr_equal(channel, bus.channel);
    bus.signals++;
}

const struct enlg_channel_config *
bus_open_config(void)
{
    static struct enlg_channel_config config;

    config = (struct enlg_channel_config){
        .size = sizeof(config),
        .ring = bus_ring(),
        .send_len = BUS_SEND_LEN,
        .recv_len = BUS_RECV_LEN,
        .vp = 3,
        .user_data = "hello",
        .user_data_len = 5,
        .event = channel_event,
        .signal = channel_signal,
        .ctx = &bus,
    };
    return &config;
}

int
bus_open(void)
{
    return enlg_channel_open(bus.channel, bus_open_config());
}

void
bus_say_open(uint32_t relid, uint8_t *ring)
{
    struct enl_vmbus_gpadl_header header;
    struct enl_ring_view in = {
        .header = (struct enl_ring_header *)ring,
        .base = ring + ENL_PAGE_SIZE,
        .size = BUS_SEND_LEN - ENL_PAGE_SIZE,
    };
    struct enl_ring_view out = {
        .header = (struct enl_ring_header *)(ring + BUS_SEND_LEN),
        .base = ring + BUS_SEND_LEN + ENL_PAGE_SIZE,
        .size = BUS_RECV_LEN - ENL_PAGE_SIZE,
    };

    bus_posted(ENL_VMBUS_GPADL_HEADER, &header, sizeof(header));
    assert_int_equal(header.relid, relid);
    bus.ring_gpadl = header.gpadl;
    bus_say_created(relid, header.gpadl, 0);
    bus_posted(ENL_VMBUS_OPEN_CHANNEL, NULL, 148);
    assert_int_equal(enl_ring_consumer_init(&bus.from_guest, &in, true), 0);
    assert_int_equal(enl_ring_producer_init(&bus.to_guest, &out, true), 0);
    bus_say_opened(relid, 0);
}

int
bus_setup_open(void **state)
{
    bus_setup_offered(state);
    assert_int_equal(bus_open(), 0);
    bus_say_open(BUS_RELID, bus_ring());
    bus_events_are("o");
    return 0;
}
