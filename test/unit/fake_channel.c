/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bus and its channels without rings and without a guest. abort() and not a cmocka
 * assertion where the device breaks the contract: a callback may run on any thread, and
 * the fuzzer uses this too.
 */
#include "fake_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define must(ok)                                                                         \
    do {                                                                                 \
        if (!(ok)) {                                                                     \
            fprintf(stderr, "fake_channel: line %d: %s\n", __LINE__, #ok);               \
            abort();                                                                     \
        }                                                                                \
    } while (0)

/* ---- the bus ---- */

static void
bus_woken(void *ctx)
{
    struct enlh_vmbus *bus = ctx;

    atomic_fetch_add(&bus->loop_wakes, 1);
}

void
fake_bus_init(struct enlh_vmbus *bus, struct fake *fake)
{
    memset(bus, 0, sizeof(*bus));
    bus->fake = fake;
    bus->partition = fake->partition;
    must(enlh_defer_init(&bus->deferred, &fake->ops, fake, bus_woken, bus) == 0);
}

/* With the worker gone nothing is lent any more. */
static void
channel_tear(struct enlh_channel *channel)
{
    for (uint32_t i = 0; i < FAKE_GPADLS; i++) {
        free(channel->gpadls[i].spans);
        channel->gpadls[i] = (struct fake_gpadl){0};
    }
}

static void
channel_free(struct enlh_channel *channel)
{
    fake_channel_drop_packets(channel);
    channel_tear(channel);
    free(channel);
}

/* The guest has let go of everything that was taken back. */
static void
bus_remove(struct enlh_vmbus *bus)
{
    for (uint32_t i = 0; i < FAKE_CHANNELS; i++) {
        struct enlh_channel *channel = bus->channels[i];

        if (!channel || !channel->rescinded || channel->is_open)
            continue;
        bus->channels[i] = NULL;
        bus->removed++;
        if (channel->ops.removed)
            channel->ops.removed(channel->dev, channel);
        channel_free(channel);
    }
}

void
fake_bus_poll(struct enlh_vmbus *bus)
{
    enlh_vmbus_run_deferred(bus);
    for (uint32_t i = 0; i < FAKE_CHANNELS; i++) {
        struct enlh_channel *channel = bus->channels[i];

        if (channel && channel->rescinded && channel->is_open)
            fake_channel_close(channel);
    }
    bus_remove(bus);
}

void
fake_bus_fini(struct enlh_vmbus *bus)
{
    for (uint32_t i = 0; i < FAKE_CHANNELS; i++) {
        if (bus->channels[i] && bus->channels[i]->is_open)
            fake_channel_close(bus->channels[i]);
        must(!bus->channels[i] || bus->channels[i]->rescinded);
    }
    bus_remove(bus);
    enlh_defer_fini(&bus->deferred);
}

struct enlh_channel *
fake_bus_channel(struct enlh_vmbus *bus, uint16_t subchannel)
{
    for (uint32_t i = 0; i < FAKE_CHANNELS; i++) {
        struct enlh_channel *channel = bus->channels[i];

        if (channel && !channel->rescinded && channel->offer.subchannel == subchannel)
            return channel;
    }
    return NULL;
}

struct enlh_defer_queue *
enlh_vmbus_deferred(struct enlh_vmbus *bus)
{
    return &bus->deferred;
}

struct enlh_partition *
enlh_vmbus_partition(const struct enlh_vmbus *bus)
{
    return bus->partition;
}

/* ---- what a device calls ---- */

int
enlh_channel_offer(struct enlh_vmbus *bus, const struct enlh_offer *offer,
                   const struct enlh_channel_ops *ops, void *dev,
                   struct enlh_channel **out)
{
    struct enlh_channel *channel;
    uint32_t at = FAKE_CHANNELS;

    must(offer->size == sizeof(*offer) && ops->size == sizeof(*ops));
    if (bus->offer_result < 0)
        return bus->offer_result;
    for (uint32_t i = FAKE_CHANNELS; i-- > 0;) {
        if (!bus->channels[i])
            at = i;
        else if (!memcmp(&bus->channels[i]->offer.instance, &offer->instance, 16) &&
                 bus->channels[i]->offer.subchannel == offer->subchannel)
            return -ENL_E_EXIST;
    }
    if (at == FAKE_CHANNELS)
        return -ENL_E_NOSPC;
    channel = calloc(1, sizeof(*channel));
    must(channel);
    channel->bus = bus;
    channel->ops = *ops;
    channel->offer = *offer;
    channel->dev = dev;
    channel->room = -1;
    if (offer->name)
        strncpy(channel->name, offer->name, sizeof(channel->name) - 1);
    bus->channels[at] = channel;
    bus->offers++;
    *out = channel;
    return 0;
}

void
enlh_channel_rescind(struct enlh_channel *channel)
{
    must(!channel->rescinded);
    channel->rescinded = true;
    channel->bus->rescinds++;
}

void
enlh_channel_wake(struct enlh_channel *channel)
{
    atomic_fetch_add(&channel->wakes, 1);
}

static int
channel_add(struct enlh_channel *channel, const struct fake_answer *head,
            const void *payload, uint32_t len)
{
    struct fake_answer *answer;

    must(channel->in_run && channel->is_open);
    must(len <= FAKE_ANSWER_MAX);
    if (!channel->room)
        return -ENL_E_AGAIN;
    if (channel->room > 0)
        channel->room--;
    must(channel->answer_count < FAKE_ANSWERS);
    answer =
        &channel
             ->answers[(channel->answer_head + channel->answer_count++) % FAKE_ANSWERS];
    *answer = *head;
    answer->len = len;
    memcpy(answer->data, payload, len);
    return 0;
}

int
enlh_channel_complete(struct enlh_channel *channel, uint64_t transaction_id,
                      const void *payload, uint32_t len)
{
    const struct fake_answer head = {.is_completion = true,
                                     .transaction_id = transaction_id};

    return channel_add(channel, &head, payload, len);
}

int
enlh_channel_send(struct enlh_channel *channel, uint64_t transaction_id,
                  bool wants_completion, const void *payload, uint32_t len)
{
    const struct fake_answer head = {.wants_completion = wants_completion,
                                     .transaction_id = transaction_id};

    return channel_add(channel, &head, payload, len);
}

int
enlh_channel_send_pages(struct enlh_channel *channel, uint64_t transaction_id,
                        const struct enlh_page_ranges *pages, const void *payload,
                        uint32_t len)
{
    struct fake_answer head = {.wants_completion = true,
                               .transaction_id = transaction_id,
                               .pageset_id = pages->pageset_id,
                               .range_count = pages->count};

    must(pages->count && pages->count <= FAKE_RANGES);
    memcpy(head.ranges, pages->ranges, pages->count * sizeof(*pages->ranges));
    return channel_add(channel, &head, payload, len);
}

/* ---- GPADLs ---- */

static struct fake_gpadl *
channel_gpadl(struct enlh_channel *channel, uint32_t handle)
{
    for (uint32_t i = 0; i < FAKE_GPADLS; i++) {
        if (channel->gpadls[i].handle == handle)
            return &channel->gpadls[i];
    }
    return NULL;
}

void
fake_channel_lend(struct enlh_channel *channel, uint32_t handle,
                  const struct enlh_span *spans, uint32_t span_count)
{
    struct fake_gpadl *gpadl = channel_gpadl(channel, 0);

    must(handle && gpadl && span_count);
    gpadl->spans = malloc(span_count * sizeof(*spans));
    must(gpadl->spans);
    memcpy(gpadl->spans, spans, span_count * sizeof(*spans));
    gpadl->span_count = span_count;
    gpadl->handle = handle;
}

bool
fake_channel_is_lent(const struct enlh_channel *channel, uint32_t handle)
{
    const struct fake_gpadl *gpadl =
        channel_gpadl((struct enlh_channel *)(uintptr_t)channel, handle);

    return gpadl && gpadl->is_lent;
}

int
enlh_channel_gpadl(struct enlh_channel *channel, uint32_t handle,
                   const struct enlh_span **spans, uint32_t *span_count)
{
    struct fake_gpadl *gpadl = handle ? channel_gpadl(channel, handle) : NULL;

    if (!gpadl)
        return -ENL_E_NOENT;
    gpadl->is_lent = true;
    *spans = gpadl->spans;
    *span_count = gpadl->span_count;
    return 0;
}

void
enlh_channel_gpadl_put(struct enlh_channel *channel, uint32_t handle)
{
    struct fake_gpadl *gpadl = handle ? channel_gpadl(channel, handle) : NULL;

    if (gpadl)
        gpadl->is_lent = false;
}

void
enlh_channel_publish(struct enlh_channel *channel)
{
    must(channel->in_run);
    channel->publishes++;
}

struct enlh_partition *
enlh_channel_partition(const struct enlh_channel *channel)
{
    return channel->bus->partition;
}

struct enlh_vmbus *
enlh_channel_bus(const struct enlh_channel *channel)
{
    return channel->bus;
}

uint16_t
enlh_channel_subchannel(const struct enlh_channel *channel)
{
    return channel->offer.subchannel;
}

const char *
enlh_channel_name(const struct enlh_channel *channel)
{
    return channel->name;
}

bool
enlh_channel_is_open(const struct enlh_channel *channel)
{
    return channel->is_open;
}

void
enlh_channel_set_protocol(struct enlh_channel *channel, uint32_t version)
{
    channel->protocol = version;
}

void
enlh_channel_set_data(struct enlh_channel *channel, void *data)
{
    channel->data = data;
}

void *
enlh_channel_data(const struct enlh_channel *channel)
{
    return channel->data;
}

/* ---- what the guest and the worker do ---- */

int
fake_channel_open(struct enlh_channel *channel)
{
    int result = 0;

    must(!channel->is_open);
    if (channel->ops.open)
        result = channel->ops.open(channel->dev, channel);
    if (result < 0)
        return result;
    channel->is_open = true;
    channel->broken = false;
    return 0;
}

static bool
channel_quiesce(struct enlh_channel *channel)
{
    bool done = true;

    channel->in_run = true;
    if (channel->ops.run)
        channel->ops.run(channel->dev, channel);
    if (channel->ops.quiesce)
        done = channel->ops.quiesce(channel->dev, channel);
    if (channel->ops.flush)
        channel->ops.flush(channel->dev, channel);
    channel->in_run = false;
    return done;
}

bool
fake_channel_try_close(struct enlh_channel *channel, uint32_t turns)
{
    must(channel->is_open);
    while (turns--) {
        if (!channel_quiesce(channel))
            continue;
        if (channel->ops.close)
            channel->ops.close(channel->dev, channel);
        channel->is_open = false;
        fake_channel_drop_packets(channel);
        channel_tear(channel);
        return true;
    }
    return false;
}

void
fake_channel_close(struct enlh_channel *channel)
{
    must(fake_channel_try_close(channel, 1000));
}

void
fake_channel_put(struct enlh_channel *channel, uint16_t type, uint64_t transaction_id,
                 const void *payload, uint32_t payload_len, const struct enlh_span *spans,
                 uint32_t span_count)
{
    struct fake_packet *packet;

    must(channel->packet_count < FAKE_PACKETS && payload_len <= FAKE_PAYLOAD_MAX);
    packet =
        &channel
             ->packets[(channel->packet_head + channel->packet_count++) % FAKE_PACKETS];
    packet->type = type;
    packet->transaction_id = transaction_id;
    packet->payload_len = payload_len;
    memcpy(packet->payload, payload, payload_len);
    packet->spans = NULL;
    packet->span_count = span_count;
    if (!span_count)
        return;
    packet->spans = malloc(span_count * sizeof(*spans));
    must(packet->spans);
    memcpy(packet->spans, spans, span_count * sizeof(*spans));
}

/* Give the device one packet, in memory that is gone when it returns. */
static int
channel_deliver(struct enlh_channel *channel, const struct fake_packet *from)
{
    struct enlh_packet packet = {
        .type = from->type,
        .wants_completion = true,
        .transaction_id = from->transaction_id,
        .payload_len = from->payload_len,
        .span_count = from->span_count,
    };
    void *payload = malloc(from->payload_len ? from->payload_len : 1);
    struct enlh_span *spans = NULL;
    int result;

    must(payload && from->span_count <= channel->ops.max_spans &&
         from->payload_len <= channel->ops.max_payload);
    memcpy(payload, from->payload, from->payload_len);
    packet.payload = payload;
    if (from->span_count) {
        spans = malloc(from->span_count * sizeof(*spans));
        must(spans);
        memcpy(spans, from->spans, from->span_count * sizeof(*spans));
        packet.spans = spans;
        for (uint32_t i = 0; i < from->span_count; i++)
            packet.span_len += spans[i].len;
    }
    result = channel->ops.packet(channel->dev, channel, &packet);
    free(payload);
    free(spans);
    return result;
}

uint32_t
fake_channel_run(struct enlh_channel *channel)
{
    uint32_t sent = channel->answer_count, taken = 0;

    must(channel->is_open);
    channel->in_run = true;
    if (channel->ops.run)
        channel->ops.run(channel->dev, channel);
    while (channel->packet_count && !channel->broken) {
        struct fake_packet *packet = &channel->packets[channel->packet_head];
        int result = channel_deliver(channel, packet);

        if (result == -ENL_E_AGAIN)
            break;
        if (result < 0) {
            channel->broken = true;
            channel->gave_up++;
        }
        free(packet->spans);
        channel->packet_head = (channel->packet_head + 1) % FAKE_PACKETS;
        channel->packet_count--;
        taken++;
    }
    if (channel->ops.flush)
        channel->ops.flush(channel->dev, channel);
    channel->in_run = false;
    if (channel->answer_count > sent)
        channel->publishes++;
    return taken;
}

bool
fake_channel_take(struct enlh_channel *channel, struct fake_answer *out)
{
    if (!channel->answer_count)
        return false;
    *out = channel->answers[channel->answer_head];
    channel->answer_head = (channel->answer_head + 1) % FAKE_ANSWERS;
    channel->answer_count--;
    return true;
}

void
fake_channel_drop_packets(struct enlh_channel *channel)
{
    while (channel->packet_count) {
        free(channel->packets[channel->packet_head].spans);
        channel->packet_head = (channel->packet_head + 1) % FAKE_PACKETS;
        channel->packet_count--;
    }
}
