/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session with the bus: a guest that posts any bytes as control messages, at any length,
 * in any state, and a host that offers, takes back, resets and runs out of memory at any
 * time; workers and the loop in any order. The guest and the embedder make it run.
 *
 * Promises: the embedder's callbacks come in their order; a reset of the machine brings
 * every worker home and leaves no GPADL; an offer that was taken back is removed once;
 * memory is bounded by the quota and all given back.
 */
#include <string.h>

#include "enlight/abi/hvsock.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/abi/vmbus.h"
#include "host/vmbus/channel.h"
#include "rig_bus.h"

#define OFFERS 8u

/* A device that does what the input says. */
struct device {
    struct enlh_channel *channel; /* NULL: not offered */
    struct session *session;
    uint32_t opens; /* open now: 0 or 1 */
    bool rescinded;
};

struct session {
    struct rig_bus bus;
    struct device device[OFFERS];
    int open_result, packet_result;
    bool busy, echo;
    uint32_t lend; /* handle that the devices borrow in open(), 0: none */
};

/* ---- the devices ---- */

static int
dev_open(void *ctx, struct enlh_channel *channel)
{
    struct device *dev = ctx;
    const struct enlh_span *spans;
    uint32_t count;

    RIG_CHECK(dev->channel == channel && dev->opens == 0);
    if (dev->session->open_result < 0)
        return dev->session->open_result;
    dev->opens++;
    if (dev->session->lend &&
        enlh_channel_gpadl(channel, dev->session->lend, &spans, &count) == 0)
        for (uint32_t i = 0; i < count; i++)
            RIG_CHECK(enlh_mem_span_host(enlh_channel_partition(channel), &spans[i]));
    return 0;
}

static void
dev_close(void *ctx, struct enlh_channel *channel)
{
    struct device *dev = ctx;

    RIG_CHECK(dev->channel == channel && dev->opens == 1);
    dev->opens--;
}

static int
dev_packet(void *ctx, struct enlh_channel *channel, const struct enlh_packet *packet)
{
    struct device *dev = ctx;
    int result = dev->session->packet_result;

    RIG_CHECK(dev->opens == 1);
    if (result == 0 && dev->session->echo)
        (void)!enlh_channel_complete(channel, packet->transaction_id, packet->payload,
                                     packet->payload_len);
    return result;
}

static void
dev_run(void *ctx, struct enlh_channel *channel)
{
    struct device *dev = ctx;

    if (dev->session->lend && !dev->session->busy)
        enlh_channel_gpadl_put(channel, dev->session->lend);
}

static bool
dev_quiesce(void *ctx, struct enlh_channel *channel)
{
    struct device *dev = ctx;
    (void)channel;

    return !dev->session->busy;
}

static void
dev_removed(void *ctx, struct enlh_channel *channel)
{
    struct device *dev = ctx;

    RIG_CHECK(dev->channel == channel && dev->opens == 0 && dev->rescinded);
    dev->channel = NULL;
}

static const struct enlh_channel_ops dev_ops = {
    .size = sizeof(dev_ops),
    .max_payload = 256,
    .max_spans = 4,
    .open = dev_open,
    .close = dev_close,
    .packet = dev_packet,
    .run = dev_run,
    .quiesce = dev_quiesce,
    .removed = dev_removed,
};

static void
offer(struct session *s, uint32_t i)
{
    struct device *dev = &s->device[i];
    struct enlh_offer offer = {.size = sizeof(offer), .name = "fuzz"};

    if (dev->channel)
        return;
    offer.instance.b[0] = (uint8_t)(i / 2);
    offer.subchannel = i % 2;
    *dev = (struct device){.session = s};
    if (enlh_channel_offer(s->bus.bus, &offer, &dev_ops, dev, &dev->channel) < 0)
        dev->channel = NULL;
}

static void
take_back(struct session *s, uint32_t i)
{
    struct device *dev = &s->device[i];

    if (!dev->channel)
        return;
    dev->rescinded = true;
    enlh_channel_rescind(dev->channel);
}

/* ---- the guest's messages ---- */

static void
say(struct session *s, const void *message, uint32_t len)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t how = rig_u8(in);
    uint32_t connection = how & 1 ? 4 : 1;

    if (how >= 0xf0)
        len = rig_u8(in) % 241;
    (void)rig_post(&s->bus.rig, how >> 1 & 1, connection, how >= 0xfc ? how : 1, message,
                   len);
    if (!(how & 4))
        rig_bus_poll(&s->bus);
}

static void
say_anything(struct session *s)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t bytes[256] = {0};
    uint32_t len = rig_u8(in) % 241;

    bytes[0] = rig_u8(in) % 32;
    rig_bytes(in, bytes + 8, len);
    say(s, bytes, len);
}

static void
say_contact(struct session *s)
{
    static const uint32_t versions[] = {
        ENL_VMBUS_VERSION_WS2022,    ENL_VMBUS_VERSION_WIN8,
        ENL_VMBUS_VERSION_WIN8_1,    ENL_VMBUS_VERSION_WIN10,
        ENL_VMBUS_VERSION_WIN10_4_1, ENL_VMBUS_VERSION_WIN10_5_0,
        ENL_VMBUS_VERSION_WIN10_5_1, ENL_VMBUS_VERSION_6_0,
    };
    struct rig_input *in = &s->bus.rig.in;
    uint8_t message[240] = {0};
    struct enl_vmbus_initiate_contact contact = {
        .head = {.type = ENL_VMBUS_INITIATE_CONTACT}};

    contact.version = versions[rig_below(in, 8)];
    contact.target_vp = rig_below(in, 16) % 3;
    contact.u.target.sint = rig_below(in, 8) ? RIG_SINT : rig_u8(in);
    memcpy(message, &contact, sizeof(contact));
    say(s, message, sizeof(contact));
}

/* Mostly one of the first offers. */
static uint32_t
pick_relid(struct session *s)
{
    uint8_t i = rig_u8(&s->bus.rig.in);

    return i < 0xc0 ? 1 + i % 3u : i % 32u;
}

/* A small handle, or one of those that rig_bus_open() uses. */
static uint32_t
pick_handle(struct session *s)
{
    uint32_t i = rig_below(&s->bus.rig.in, 12);

    return i < 8 ? i : 0x100 + i - 8;
}

/* A header only, or with a relid. */
static void
say_small(struct session *s, uint32_t type)
{
    uint8_t message[240] = {0};
    struct enl_vmbus_gpadl_teardown body = {.head = {.type = type}};

    body.relid = pick_relid(s);
    body.gpadl = pick_handle(s);
    memcpy(message, &body, sizeof(body));
    say(s, message, sizeof(body));
}

static void
say_open(struct session *s)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t message[240] = {0};
    struct enl_vmbus_open open = {.head = {.type = ENL_VMBUS_OPEN_CHANNEL}};

    open.relid = pick_relid(s);
    open.ring_gpadl = pick_handle(s);
    open.target_vp = rig_below(in, 16) % 5 - 1u;
    open.downstream_offset = rig_below(in, 8);
    memcpy(message, &open, sizeof(open));
    say(s, message, sizeof(open));
}

/* Ranges: so many pages from there, which the input may spoil. */
static uint32_t
put_ranges(struct session *s, uint8_t *to, uint32_t room)
{
    struct rig_input *in = &s->bus.rig.in;
    struct enl_gpa_range range;
    uint32_t pages = rig_below(in, 64), len = sizeof(range);
    uint64_t pfn = rig_gpa(in) >> ENL_PAGE_SHIFT;
    uint8_t how = rig_u8(in);

    range.byte_count = how >= 0xf8 ? rig_u32(in) : pages * ENL_PAGE_SIZE;
    range.byte_offset = how >= 0xfc ? rig_u16(in) : 0;
    memcpy(to, &range, sizeof(range));
    for (uint32_t i = 0; i < pages && len + 8 <= room; i++, len += 8) {
        uint64_t at = how & 1 ? pfn : pfn + i * (how >> 1 & 3);

        memcpy(to + len, &at, sizeof(at));
    }
    return len;
}

static void
say_gpadl(struct session *s)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t message[240] = {0};
    struct enl_vmbus_gpadl_header header = {.head = {.type = ENL_VMBUS_GPADL_HEADER}};
    uint32_t len;
    uint8_t how;

    header.relid = pick_relid(s);
    header.gpadl = pick_handle(s);
    header.range_count = 1;
    len = put_ranges(s, message + sizeof(header), sizeof(message) - sizeof(header));
    header.range_buf_len = (uint16_t)len;
    how = rig_u8(in);
    if (how >= 0xc0)
        header.range_buf_len = (uint16_t)(len + 8u * (how & 0x3f));
    if (how >= 0xf0)
        header.range_buf_len = rig_u16(in);
    if (how >= 0xf8)
        header.range_count = rig_u16(in);
    memcpy(message, &header, sizeof(header));
    say(s, message, (uint32_t)sizeof(header) + len);
}

static void
say_body(struct session *s)
{
    uint8_t message[240] = {0};
    struct enl_vmbus_gpadl_body body = {.head = {.type = ENL_VMBUS_GPADL_BODY}};
    uint32_t len;

    body.gpadl = pick_handle(s);
    len = put_ranges(s, message + sizeof(body), sizeof(message) - sizeof(body));
    memcpy(message, &body, sizeof(body));
    say(s, message, (uint32_t)sizeof(body) + len);
}

/* ---- everything else ---- */

/* A device that has finished something wakes its channel. */
static void
set_busy(struct session *s, bool busy)
{
    s->busy = busy;
    for (uint32_t i = 0; i < OFFERS && !busy; i++)
        if (s->device[i].channel)
            enlh_channel_wake(s->device[i].channel);
}

static void
turn_knob(struct session *s)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t value = rig_u8(in);

    switch (value % 8) {
    case 0:
        set_busy(s, value >> 3 & 1);
        break;
    case 1:
        s->open_result = value >> 3 & 1 ? -ENL_E_IO : 0;
        break;
    case 2:
        s->packet_result = value >> 3 & 1 ? -ENL_E_AGAIN : 0;
        break;
    case 3:
        s->packet_result = value >> 3 & 1 ? -ENL_E_PROTO : 0;
        break;
    case 4:
        s->lend = pick_handle(s);
        break;
    case 5:
        s->bus.refuse_start = value >> 3 & 1;
        break;
    case 6:
        s->echo = !(value >> 3 & 1);
        break;
    default:
        s->bus.rig.alloc_countdown = value >> 3 & 7;
        break;
    }
}

/* The guest writes anywhere: ring headers, packets, its own SynIC pages. */
static void
poke(struct session *s)
{
    uint64_t gpa = rig_gpa(&s->bus.rig.in) + rig_below(&s->bus.rig.in, 32) * 4u;
    uint32_t value = rig_u32(&s->bus.rig.in);

    if (gpa <= RIG_RAM_LEN - 4)
        memcpy(s->bus.rig.ram + gpa, &value, sizeof(value));
}

/* A packet into what may be a ring, its header on this page. */
static void
push(struct session *s)
{
    struct rig_input *in = &s->bus.rig.in;
    uint32_t page = rig_below(in, 2 * RIG_RAM_LEN / ENL_PAGE_SIZE - 2);
    uint8_t *ring;
    struct enl_packet packet = {.type = ENL_PACKET_INBAND, .offset8 = 2, .len8 = 3};
    uint32_t index;

    if (page > RIG_RAM_LEN / ENL_PAGE_SIZE - 2)
        page = RIG_RING_GPA / ENL_PAGE_SIZE;
    ring = s->bus.rig.ram + page * ENL_PAGE_SIZE;
    memcpy(&index, ring, sizeof(index));
    if (index > ENL_PAGE_SIZE - 32 || index % 8)
        index = 0;
    memcpy(ring + ENL_PAGE_SIZE + index, &packet, sizeof(packet));
    index += 32;
    memcpy(ring, &index, sizeof(index));
    (void)rig_signal(&s->bus.rig, 0, 0x2000u | pick_relid(s), 0);
}

static void
switch_synic(struct session *s)
{
    uint8_t value = rig_u8(&s->bus.rig.in);
    struct enlh_vp *vp = rig_vp(&s->bus.rig, value & 1);

    if (value & 2)
        enlh_vp_reset(vp);
    else
        (void)enlh_vp_set_reg(vp, ENL_REG_SCONTROL, value >> 2 & 1);
}

static void
signal(struct session *s)
{
    uint32_t relid = pick_relid(s);
    uint8_t how = rig_u8(&s->bus.rig.in);

    (void)rig_signal(&s->bus.rig, 0,
                     how >= 0xf0 ? rig_u32(&s->bus.rig.in) : 0x2000 | relid, how == 0xef);
}

static void
guest_step(struct session *s, uint8_t action)
{
    static const uint8_t small[] = {
        ENL_VMBUS_REQUEST_OFFERS, ENL_VMBUS_CLOSE_CHANNEL,  ENL_VMBUS_GPADL_TEARDOWN,
        ENL_VMBUS_RELID_RELEASED, ENL_VMBUS_MODIFY_CHANNEL, ENL_VMBUS_UNLOAD,
    };

    switch (action % 16) {
    case 0:
        say_anything(s);
        break;
    case 1:
        say_contact(s);
        break;
    case 2:
    case 3:
        say_open(s);
        break;
    case 4:
    case 5:
        say_gpadl(s);
        break;
    case 6:
        say_body(s);
        break;
    case 7:
        if (action & 0x10)
            push(s);
        else
            poke(s);
        break;
    case 8:
        signal(s);
        break;
    case 9:
        switch_synic(s);
        break;
    default:
        say_small(s, small[action % 16 - 10]);
        break;
    }
}

static void
host_step(struct session *s, uint8_t action)
{
    struct rig_input *in = &s->bus.rig.in;

    switch (action % 8) {
    case 0:
        (void)enlh_vmbus_poll(s->bus.bus);
        break;
    case 1:
        (void)rig_bus_turn(&s->bus, rig_u8(in));
        break;
    case 2:
        rig_bus_work(&s->bus);
        break;
    case 3:
        (void)rig_bus_listen(&s->bus, rig_below(in, RIG_BUS_VPS), 64);
        break;
    case 4:
        offer(s, rig_below(in, OFFERS));
        break;
    case 5:
        take_back(s, rig_below(in, OFFERS));
        break;
    case 6:
        turn_knob(s);
        break;
    default:
        enlh_vmbus_reset(s->bus.bus);
        break;
    }
}

static void
check_bounds(struct session *s)
{
    struct enlh_vmbus_counters counters;

    enlh_vmbus_counters(s->bus.bus, &counters);
    RIG_CHECK(counters.gpadls <= 8192);
    RIG_CHECK(counters.gpadl_bytes <= s->bus.config.gpadl_limit);
    RIG_CHECK(s->bus.bus->outbox.count <= ENLH_OUTBOX_LEN);
    RIG_CHECK(s->bus.bus->quota.host_bytes <= 16u << 20);
}

/* Back to a host that does everything right: what is left must go. */
static void
end(struct session *s)
{
    set_busy(s, false);
    s->bus.rig.alloc_countdown = -1;
    rig_bus_reset(&s->bus);
    RIG_CHECK(s->bus.bus->quota.host_bytes == 0 && s->bus.bus->outbox.count == 0);
    for (uint32_t i = 0; i < OFFERS; i++)
        take_back(s, i);
    rig_bus_work(&s->bus);
    for (uint32_t i = 0; i < OFFERS; i++)
        RIG_CHECK(s->device[i].channel == NULL);
    rig_bus_stop(&s->bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session s;

    memset(&s, 0, sizeof(s));
    rig_bus_init(&s.bus, data, size);
    s.bus.config.gpadl_limit = 4u << 20;
    s.echo = true;
    rig_bus_start(&s.bus);
    for (uint32_t i = 0; i < 3; i++)
        offer(&s, i);
    if (rig_u8(&s.bus.rig.in) & 1) {
        struct rig_guest guest;

        rig_bus_connect(&s.bus, ENL_VMBUS_VERSION_WS2022);
        RIG_CHECK(rig_bus_open(&s.bus, &guest, 1, 0));
    }
    for (uint32_t steps = 0; s.bus.rig.in.left > 0 && steps < 600; steps++) {
        uint8_t action = rig_u8(&s.bus.rig.in);

        if (action & 0x80)
            host_step(&s, action);
        else
            guest_step(&s, action);
        check_bounds(&s);
    }
    end(&s);
    return 0;
}
