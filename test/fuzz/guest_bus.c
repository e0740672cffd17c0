/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every message that a host can send, in any order, to a kernel that connects, opens,
 * closes, moves, shares, unloads, gives up and connects again; with packets of any form on
 * what is open, and hypercalls that are refused. The host and the kernel make it run.
 *
 * Promises: an open that was taken is told once that it opened or did not, and closed once
 * and last; a channel is gone only when it is closed; a GPADL ends once; a driver that was
 * bound is removed; nothing is touched after that.
 */
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/guest/driver.h"
#include "enlight/guest/place.h"
#include "rig_kernel.h"

#define GPADLS 4u

struct share {
    struct enlg_gpadl *gpadl; /* NULL: free */
    void *memory;
    bool live;
};

/* What the kernel knows of a channel. */
struct life {
    bool there, bound;
    bool owned, told, closing; /* open() was taken; OPENED came; close() was taken */
    uint8_t *ring;
    struct share shares[GPADLS];
};

struct session {
    struct kernel k;
    struct life lives[KERNEL_CHANNELS];
};

static struct session session;

static struct life *
life_of(const struct enlg_channel *channel)
{
    return &session.lives[channel - session.k.channels];
}

/* ---- the kernel ---- */

static void
channel_event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event event,
              int status)
{
    struct life *life = life_of(channel);

    RIG_CHECK(ctx == &session && life->there && life->owned);
    switch (event) {
    case ENLG_CHANNEL_OPENED:
        RIG_CHECK(!life->told);
        life->told = true;
        if (status == 0)
            RIG_CHECK(enlg_channel_is_open(channel) && !life->closing);
        break;
    case ENLG_CHANNEL_MOVED:
    case ENLG_CHANNEL_RESCINDED:
        RIG_CHECK(life->told);
        break;
    case ENLG_CHANNEL_CLOSED:
        RIG_CHECK(life->told);
        for (uint32_t i = 0; i < GPADLS; i++)
            RIG_CHECK(!life->shares[i].gpadl);
        kernel_memory_free(&session.k, life->ring);
        life->ring = NULL;
        life->owned = false;
        break;
    }
}

static void
channel_signal(void *ctx, struct enlg_channel *channel)
{
    RIG_CHECK(ctx == &session && life_of(channel)->owned);
}

static void
channel_open(struct enlg_channel *channel)
{
    struct life *life = life_of(channel);
    struct enlg_channel_config config = {
        .size = sizeof(config),
        .send_len = KERNEL_SEND_LEN,
        .recv_len = KERNEL_RECV_LEN,
        .vp = rig_below(&session.k.in, 4),
        .event = channel_event,
        .signal = channel_signal,
        .ctx = &session,
    };

    if (life->owned)
        return;
    life->ring = kernel_memory(&session.k, KERNEL_SEND_LEN + KERNEL_RECV_LEN);
    config.ring = life->ring;
    life->owned = true;
    life->told = life->closing = false;
    if (enlg_channel_open(channel, &config) == 0)
        return;
    life->owned = false;
    kernel_memory_free(&session.k, life->ring);
}

static void
appeared(struct enlg_channel *channel, bool bound)
{
    struct life *life = life_of(channel);

    RIG_CHECK(!life->owned && !life->bound);
    life->there = true;
    life->bound = bound;
}

static void
went(struct enlg_channel *channel)
{
    struct life *life = life_of(channel);

    RIG_CHECK(!life->owned);
    life->there = life->bound = false;
}

static int
probe(void *ctx, struct enlg_channel *channel)
{
    (void)ctx;
    if (rig_below(&session.k.in, 8) == 7)
        return -ENL_E_NODEV;
    appeared(channel, true);
    if (rig_below(&session.k.in, 2))
        channel_open(channel);
    return 0;
}

static int
probe_sub(void *ctx, struct enlg_channel *channel, struct enlg_channel *first)
{
    RIG_CHECK(life_of(first)->bound && first == enlg_channel_first(channel));
    return probe(ctx, channel);
}

static void
removed(void *ctx, struct enlg_channel *channel)
{
    struct life *life = life_of(channel);

    (void)ctx;
    RIG_CHECK(life->bound && !life->owned);
    life->bound = false;
}

static const struct enlg_driver drivers[] = {
    {ENL_GUID_SCSI, probe, probe_sub, removed, NULL},
};

static void
bus_event(void *ctx, struct enlg_vmbus *bus, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    RIG_CHECK(ctx == &session && bus == &session.k.bus);
    if (event == ENLG_VMBUS_EVENT_OFFER)
        appeared(channel, false);
    else if (event == ENLG_VMBUS_EVENT_GONE)
        went(channel);
    else if (event == ENLG_VMBUS_EVENT_UNLOADED || event == ENLG_VMBUS_EVENT_FAILED)
        for (uint32_t i = 0; i < KERNEL_CHANNELS; i++)
            RIG_CHECK(!session.lives[i].owned && !session.lives[i].bound);
}

static void
gpadl_event(void *ctx, struct enlg_gpadl *gpadl, enum enlg_gpadl_event event, int status)
{
    struct share *share = ctx;

    RIG_CHECK(share->gpadl == gpadl);
    if (event == ENLG_GPADL_CREATED && status == 0) {
        RIG_CHECK(!share->live);
        share->live = true;
        return;
    }
    RIG_CHECK(share->live == (event == ENLG_GPADL_TORNDOWN) ||
              status == -ENL_E_TIMEDOUT || status == -ENL_E_CONNRESET);
    kernel_memory_free(&session.k, share->memory);
    free(gpadl);
    share->gpadl = NULL;
}

static void
gpadl_create(struct enlg_channel *channel, struct share *share)
{
    struct rig_input *in = &session.k.in;
    uint32_t len = 1 + rig_u16(in) % 0x8000;
    struct enlg_gpadl_range ranges[2];
    struct enlg_gpadl_config config = {.event = gpadl_event, .ctx = share};

    if (share->gpadl)
        return;
    share->memory = kernel_memory(&session.k, 0x8000);
    share->gpadl = calloc(1, sizeof(*share->gpadl));
    share->live = false;
    ranges[0] = (struct enlg_gpadl_range){share->memory, len};
    ranges[1] = (struct enlg_gpadl_range){(uint8_t *)share->memory + len / 2, len / 2};
    config.ranges = ranges;
    config.range_count = 1 + rig_below(in, 2);
    if (enlg_gpadl_create(share->gpadl, channel, &config) == 0)
        return;
    kernel_memory_free(&session.k, share->memory);
    free(share->gpadl);
    share->gpadl = NULL;
}

/* Send and receive something. */
static void
channel_use(struct enlg_channel *channel)
{
    uint64_t buffer[32] = {0};
    struct enlg_send send = {buffer, rig_u8(&session.k.in), true, 1};
    uint64_t pfns[2] = {1, 2};
    struct enlg_multipage pages = {.len = 5000, .pfns = pfns, .page_count = 2};
    struct enlg_packet packet;
    int rc = 1;

    for (uint32_t i = 0; i < 4 && rc == 1; i++) {
        rc = enlg_packet_get(channel, buffer, sizeof(buffer), &packet);
        if (rc == 1)
            RIG_CHECK(packet.payload_len <= sizeof(buffer) &&
                      packet.payload >= (uint8_t *)buffer &&
                      packet.payload + packet.payload_len <=
                          (uint8_t *)buffer + sizeof(buffer));
    }
    rc = rig_below(&session.k.in, 2) ? enlg_packet_put(channel, &send)
                                     : enlg_packet_put_multipage(channel, &send, &pages);
    if (rc == -ENL_E_AGAIN)
        (void)enlg_packet_wait(channel, send.payload_len, 0);
    rc = enlg_packet_publish(channel);
    RIG_CHECK(rc <= 0);
    (void)enlg_packet_sleep(channel);
}

static void
channel_move(struct enlg_channel *channel)
{
    static const uint32_t others[] = {0, 2};
    int rc;

    if (rig_below(&session.k.in, 2)) {
        rc = enlg_channel_move(channel, rig_below(&session.k.in, 4));
        RIG_CHECK(rc != -ENL_E_PROTO);
        return;
    }
    rc = enlg_place_evacuate(&session.k.bus, 1, others, 2);
    RIG_CHECK(rc <= (int)KERNEL_CHANNELS);
    if (rc == 0)
        RIG_CHECK(!enlg_place_channel(&session.k.bus, 1, 0));
}

static void
channel_step(struct enlg_channel *channel, uint8_t kind)
{
    struct life *life = life_of(channel);
    struct share *share = &life->shares[kind % GPADLS];
    int rc = 0;

    life->there = true; /* a sub-channel that waits comes without a word */
    switch (kind / GPADLS % 8) {
    case 0:
    case 1:
        channel_open(channel);
        break;
    case 2:
        rc = enlg_channel_close(channel);
        life->closing |= rc == 0;
        break;
    case 3:
        gpadl_create(channel, share);
        break;
    case 4:
        if (share->gpadl)
            rc = enlg_gpadl_teardown(share->gpadl);
        break;
    case 5:
        channel_use(channel);
        break;
    case 6:
        channel_move(channel);
        break;
    default:
        rc = life->bound ? enlg_driver_unbind(channel) : enlg_driver_bind(channel);
        break;
    }
    RIG_CHECK(rc <= 0);
}

static void
kernel_step(void)
{
    struct kernel *k = &session.k;
    uint8_t kind = rig_u8(&k->in);
    struct enlg_channel *channel = enlg_vmbus_channel(&k->bus, kind & 3);
    int rc = 0;

    if (channel && kind < 0xF0)
        channel_step(channel, kind >> 2);
    else if ((kind & 7) < 4)
        rc = enlg_vmbus_connect(&k->bus);
    else if ((kind & 7) < 6)
        rc = enlg_vmbus_unload(&k->bus);
    else if ((kind & 7) == 6)
        enlg_vmbus_abandon(&k->bus);
    else
        k->refuse = 1 + rig_u8(&k->in);
    RIG_CHECK(rc <= 0);
}

/* ---- the host ---- */

/* A message of a type that there is, with fields that may be right. */
static void
say_likely(struct kernel *k)
{
    static const uint8_t types[] = {2, 4, 6, 10, 12, 15, 17, 24};
    uint32_t m[6] = {types[rig_below(&k->in, sizeof(types))]};

    m[2] = rig_below(&k->in, KERNEL_RELIDS + 1);
    m[3] = rig_below(&k->in, 2) ? m[2] : 0xE1E10u + rig_u8(&k->in);
    if (m[0] == ENL_VMBUS_GPADL_TORNDOWN)
        m[2] = m[3];
    m[4] = rig_below(&k->in, 4) ? 0 : rig_u32(&k->in);
    kernel_say(k, m, rig_below(&k->in, 16) ? sizeof(m) : rig_u8(&k->in) % sizeof(m));
}

static void
say_any(struct kernel *k)
{
    uint8_t m[240] = {0};

    m[0] = rig_u8(&k->in);
    rig_bytes(&k->in, m + 1, 1 + rig_u8(&k->in) % 200);
    kernel_say(k, m, rig_u8(&k->in));
}

static void
say_offer(struct kernel *k)
{
    static const struct enl_guid types[] = {ENL_GUID_SCSI, ENL_GUID_NET,
                                            ENL_GUID_HEARTBEAT};
    uint8_t kind = rig_u8(&k->in);

    kernel_say_offer(k, rig_below(&k->in, KERNEL_RELIDS), kind & 3, kind >> 2 & 3,
                     types[(kind >> 4) % 3]);
}

static void
host_step(uint8_t kind)
{
    struct kernel *k = &session.k;
    struct kernel_end *end = kernel_end_of(k, kind & 7);

    switch (kind >> 3 & 7) {
    default:
        (void)kernel_answer(k);
        break;
    case 2:
        (void)kernel_answer_nearly(k);
        break;
    case 3:
        say_offer(k);
        break;
    case 4:
        say_likely(k);
        break;
    case 5:
        say_any(k);
        break;
    case 6:
        k->flags->word[rig_below(&k->in, 64)] = rig_u32(&k->in);
        (void)enlg_vmbus_events(&k->bus, &k->synic);
        break;
    case 7:
        if (end)
            kernel_put_any(k, end);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kernel *k = &session.k;

    memset(&session, 0, sizeof(session));
    kernel_init(k, data, size);
    k->config.event = bus_event;
    k->config.ctx = &session;
    k->config.drivers = drivers;
    k->config.driver_count = 1;
    if (rig_below(&k->in, 4) == 0)
        k->config.max_version = ENL_VMBUS_VERSION_WIN8;
    kernel_start(k);
    if (enlg_vmbus_connect(&k->bus) == 0)
        kernel_settle(k);
    for (uint32_t i = 0; k->in.left > 0 && i < 500; i++) {
        uint8_t kind = rig_u8(&k->in);

        if (kind & 0x40)
            kernel_step();
        else
            host_step(kind);
    }
    k->refuse = 0;
    kernel_stop(k);
    return 0;
}
