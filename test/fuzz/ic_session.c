/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session with the integration services: heartbeat, time synchronisation and shutdown on
 * real channels, asked and ticked at any time, with answers of any shape, late, twice,
 * unasked or never. The guest and the embedder make it run.
 *
 * Promises: what the host sends is well framed, of the right type and no longer than its
 * frame says; versions that the embedder hears of were offered; a shutdown has at most one
 * answer; everything goes when the service is destroyed.
 */
#include <string.h>

#include "enlight/abi/ic.h"
#include "enlight/abi/ring.h"
#include "enlight/abi/vmbus.h"
#include "enlight/host/ic.h"
#include "rig_bus.h"

#define SERVICES 3u

struct session {
    struct rig_bus bus;
    struct enlh_heartbeat *heartbeat;
    struct enlh_timesync *timesync;
    struct enlh_shutdown *shutdown;
    struct rig_guest guest[SERVICES]; /* relid i + 1 */
    uint8_t last[SERVICES][4096];     /* what the host sent last */
    uint32_t last_len[SERVICES];
    uint32_t asked; /* shutdown requests without an answer */
};

/* ---- what the embedder hears ---- */

static void
event(void *ctx, enum enlh_ic_event kind, uint32_t framework, uint32_t version,
      uint32_t status)
{
    struct session *s = ctx;

    (void)status;
    RIG_CHECK(s->bus.rig.held == 0 && kind <= ENLH_IC_REFUSED);
    if (kind == ENLH_IC_READY)
        RIG_CHECK((framework == 0x10000 || framework == 0x30000) && version >= 0x10000 &&
                  version <= 0x40000);
    if (kind != ENLH_IC_ACCEPTED && (kind != ENLH_IC_REFUSED || version == 0))
        return;
    RIG_CHECK(s->asked == 1);
    s->asked--;
}

/* ---- the guest ---- */

static void
check_message(const uint8_t *bytes, uint32_t len, uint32_t service)
{
    static const uint16_t types[] = {ENL_IC_HEARTBEAT, ENL_IC_TIMESYNC, ENL_IC_SHUTDOWN};
    struct enl_ic_message head;

    RIG_CHECK(len >= sizeof(head));
    memcpy(&head, bytes, sizeof(head));
    RIG_CHECK(head.pipe.type == ENL_PIPE_DATA && head.pipe.size <= len - 8);
    RIG_CHECK(head.ic.size == head.pipe.size - sizeof(head.ic));
    RIG_CHECK(head.ic.flags == (ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST));
    RIG_CHECK(head.ic.message_type == ENL_IC_NEGOTIATE ||
              head.ic.message_type == types[service]);
    RIG_CHECK(head.ic.status == 0 && head.ic.reserved[0] == 0 &&
              head.ic.reserved[1] == 0);
}

static void
receive(struct session *s, uint32_t i, uint32_t limit)
{
    struct enl_ring_packet packet;
    int len;

    while (limit-- > 0 && s->guest[i].open &&
           (len = rig_bus_receive(&s->bus, &s->guest[i], s->last[i], sizeof(s->last[i]),
                                  &packet)) >= 0) {
        RIG_CHECK(packet.type == ENL_PACKET_INBAND &&
                  (uint32_t)len <= sizeof(s->last[i]));
        s->last_len[i] = (uint32_t)len;
        check_message(s->last[i], s->last_len[i], i);
    }
}

/* The guest's choice out of what was offered; how picks which. */
static void
choose(uint8_t *bytes, uint8_t how)
{
    struct enl_ic_version versions[16];
    struct enl_ic_negotiate counts;
    uint32_t frameworks, messages;

    memcpy(&counts, bytes + sizeof(struct enl_ic_message), sizeof(counts));
    memcpy(versions, bytes + sizeof(struct enl_ic_message) + sizeof(counts),
           sizeof(versions));
    frameworks = counts.framework_count;
    messages = counts.message_count;
    if (frameworks == 0 || messages == 0 || frameworks + messages > 16)
        return;
    versions[0] = versions[(how & 3) % frameworks];
    versions[1] = versions[frameworks + (how >> 2 & 7) % messages];
    counts.framework_count = how >= 0xf8 ? 0 : 1;
    counts.message_count = how >= 0xf0 ? 0 : 1;
    memcpy(bytes + sizeof(struct enl_ic_message), &counts, sizeof(counts));
    memcpy(bytes + sizeof(struct enl_ic_message) + sizeof(counts), versions, 8);
}

/* A packet that has not the frame of the protocol costs the guest the channel. */
static void
send(struct session *s, uint32_t i, uint16_t type, const uint8_t *bytes, uint32_t len)
{
    struct enl_ic_message head;
    bool framed = type == ENL_PACKET_INBAND;
    uint32_t padded = (len + 7) & ~7u;

    memcpy(&head, bytes, sizeof(head));
    framed = framed && padded >= sizeof(head) && head.pipe.type == ENL_PIPE_DATA &&
             head.pipe.size >= sizeof(head.ic) && head.pipe.size <= padded - 8 &&
             head.ic.size <= head.pipe.size - sizeof(head.ic);
    if (!rig_bus_send(&s->bus, &s->guest[i], type, 0, bytes, len) || framed)
        return;
    rig_bus_work(&s->bus);
    RIG_CHECK(!rig_bus_works(&s->bus, s->guest[i].relid));
}

/* Turn the last message round, as a guest does, and then spoil it a little. */
static void
answer(struct session *s, uint32_t i, bool spoil)
{
    struct rig_input *in = &s->bus.rig.in;
    struct enl_ic_message head;
    uint8_t bytes[4096];
    uint32_t len = s->last_len[i];

    if (len < sizeof(head) || !s->guest[i].open)
        return;
    memcpy(bytes, s->last[i], sizeof(bytes));
    memcpy(&head, bytes, sizeof(head));
    if (head.ic.message_type == ENL_IC_NEGOTIATE)
        choose(bytes, rig_u8(in));
    head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE;
    head.ic.status = rig_below(in, 4) == 3 ? rig_u32(in) : 0;
    memcpy(bytes, &head, sizeof(head));
    for (uint32_t n = spoil ? 1 + rig_below(in, 3) : 0; n > 0; n--)
        bytes[rig_u8(in) % len] = rig_u8(in);
    if (spoil && rig_below(in, 4) == 3)
        len = rig_u16(in) % sizeof(bytes);
    send(s, i, ENL_PACKET_INBAND, bytes, len);
}

static void
send_anything(struct session *s, uint32_t i)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t bytes[4200] = {0};
    uint32_t len = rig_u16(in) % sizeof(bytes);
    uint8_t type = rig_u8(in) % 16;

    rig_bytes(in, bytes, 64);
    if (s->guest[i].open)
        send(s, i, type == 0 ? ENL_PACKET_INBAND : type, bytes, len);
}

static void
open_close(struct session *s, uint32_t i)
{
    if (s->guest[i].open)
        rig_bus_close(&s->bus, &s->guest[i]);
    else
        (void)rig_bus_open(&s->bus, &s->guest[i], i + 1, i);
    (void)rig_bus_listen(&s->bus, 0, 64);
    s->last_len[i] = 0;
}

/* ---- the host ---- */

static void
tick(struct session *s, uint32_t i)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t kind = rig_u8(in);

    if (i == 0 && s->heartbeat)
        enlh_heartbeat_tick(s->heartbeat);
    if (i == 1 && s->timesync)
        enlh_timesync_tick(s->timesync, rig_u64(in), rig_u64(in), kind & 1);
    if (i != 2 || !s->shutdown)
        return;
    s->asked++;
    if (enlh_shutdown_request(s->shutdown, kind & 3, kind >> 2 & 1,
                              kind & 8 ? "because" : NULL) < 0)
        s->asked--;
}

static void
destroy(struct session *s, uint32_t i)
{
    if (i == 0 && s->heartbeat) {
        enlh_heartbeat_destroy(s->heartbeat);
        s->heartbeat = NULL;
    }
    if (i == 1 && s->timesync) {
        enlh_timesync_destroy(s->timesync);
        s->timesync = NULL;
    }
    if (i == 2 && s->shutdown) {
        enlh_shutdown_destroy(s->shutdown);
        s->shutdown = NULL;
    }
}

static void
step(struct session *s)
{
    uint8_t action = rig_u8(&s->bus.rig.in);
    uint32_t i = (action >> 6) % SERVICES;

    switch (action & 15) {
    default:
        answer(s, i, (action & 0x10) != 0);
        break;
    case 1:
    case 2:
    case 3:
        tick(s, i);
        break;
    case 4:
    case 5:
    case 6:
        (void)rig_bus_turn(&s->bus, i);
        break;
    case 7:
    case 8:
    case 9:
        receive(s, i, 1 + (action >> 4 & 3));
        break;
    case 10:
        send_anything(s, i);
        break;
    case 11:
        rig_bus_work(&s->bus);
        (void)rig_bus_listen(&s->bus, 0, 64);
        break;
    case 12:
        if (action & 0x20)
            open_close(s, i);
        break;
    case 13:
        if ((action & 0x30) == 0x30)
            destroy(s, i);
        break;
    }
}

static void
start(struct session *s)
{
    static const uint32_t newest[] = {0,       0,       0,       0x10000,
                                      0x30000, 0x30001, 0x30002, 0x40000};
    uint8_t kind = rig_u8(&s->bus.rig.in);
    struct enlh_ic_config config = {.size = sizeof(config),
                                    .max_version = newest[kind & 7],
                                    .event = event,
                                    .ctx = s};

    rig_bus_start(&s->bus);
    RIG_CHECK(enlh_heartbeat_create(s->bus.bus, &config, &s->heartbeat) == 0);
    RIG_CHECK(enlh_timesync_create(s->bus.bus, &config, &s->timesync) == 0);
    RIG_CHECK(enlh_shutdown_create(s->bus.bus, &config, &s->shutdown) == 0);
    rig_bus_connect(&s->bus, ENL_VMBUS_VERSION_WS2022);
    for (uint32_t i = 0; i < SERVICES; i++)
        if (!(kind >> (3 + i) & 1))
            RIG_CHECK(rig_bus_open(&s->bus, &s->guest[i], i + 1, i));
}

static void
end(struct session *s)
{
    rig_bus_reset(&s->bus);
    RIG_CHECK(s->asked == 0);
    for (uint32_t i = 0; i < SERVICES; i++)
        destroy(s, i);
    rig_bus_stop(&s->bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session s;

    memset(&s, 0, sizeof(s));
    rig_bus_init(&s.bus, data, size);
    start(&s);
    for (uint32_t steps = 0; s.bus.rig.in.left > 0 && steps < 400; steps++)
        step(&s);
    end(&s);
    return 0;
}
