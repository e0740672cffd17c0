/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets: the worker's turn on an open channel.
 *
 * Runs: the channel's worker; the guest makes it run by a signal and feeds it through the
 * ring. Every packet is copied out of the ring before it is looked at, and its length,
 * ranges and addresses are checked against what the device asked for at the offer; what
 * does not fit ends the channel. A turn is bounded by a number of packets. There is no
 * lock, no allocation and no callback but the device's here: all memory was made at open.
 * Interrupts from the guest are masked while a turn runs; after unmasking the ring is
 * looked at once more. [VMBus; no chapter in the TLFS]
 * Tests: test/unit/vmbus_packet.c, vmbus_quiesce.c.
 */
#include <string.h>

#include "common/gparange.h"
#include "host/vmbus/channel.h"

#define ENLH_PACKET_BUDGET 128u

/* How the reading of packets ended. */
enum enlh_packet_end {
    ENLH_PACKETS_EMPTY,  /* nothing is left in the ring */
    ENLH_PACKETS_HELD,   /* the device takes no more now */
    ENLH_PACKETS_BUDGET, /* others must have their turn */
    ENLH_PACKETS_BROKEN, /* the guest broke the protocol */
};

/* ---- towards the guest ---- */

/*
 * signalling before target_vp, both sequentially consistent: either this sees the new
 * target, or the loop sees that an interrupt is on its way. Pairs with
 * enlh_channel_modify().
 */
void
enlh_packet_signal(struct enlh_channel *channel)
{
    struct enlh_handshake *hand = &channel->hand;
    uint32_t target;

    atomic_store(&hand->signalling, true);
    target = atomic_load(&hand->target_vp);
    if (target != ENL_VMBUS_VP_NO_INTERRUPT) {
        enlh_bus_count(&channel->wire.counts.signals_out);
        (void)enlh_vp_signal_event(enlh_partition_vp(channel->bus->partition, target),
                                   channel->wire.sint, channel->relid);
    }
    atomic_store(&hand->signalling, false);
    if (atomic_load(&hand->modify_waits))
        enlh_bus_attend(channel->bus);
}

/* The guest's memory may be in other use by now: write nothing there. */
static bool
enlh_packet_silenced(struct enlh_channel *channel)
{
    return atomic_load_explicit(&channel->hand.order, memory_order_acquire) ==
           ENLH_ORDER_SILENCE;
}

void
enlh_channel_publish(struct enlh_channel *channel)
{
    if (enlh_packet_silenced(channel) || channel->wire.broken)
        return;
    if (enl_ring_publish(&channel->wire.out))
        enlh_packet_signal(channel);
    enlh_hold_shown(&channel->wire.hold);
}

/*
 * No room: show the guest what is there already, or it would have nothing to take away,
 * and say how much is wanted. The guest may have made room in the meantime.
 */
static bool
enlh_packet_wait_room(struct enlh_channel *channel, uint32_t desc_len,
                      uint32_t payload_len)
{
    uint32_t size = enl_ring_packet_size(desc_len, payload_len);

    enlh_channel_publish(channel);
    return enl_ring_wait_space(&channel->wire.out, size);
}

/*
 * A channel that is being taken back does not wait for a guest that does not read: what
 * finds no room is dropped, since the guest loses it with the channel anyway.
 */
static int
enlh_packet_put_end(struct enlh_channel *channel, int result)
{
    struct enlh_wire *wire = &channel->wire;

    if (result == 0) {
        enlh_bus_count(&wire->counts.packets_out);
        wire->hold.answers++;
    }
    if (result == -ENL_E_PROTO)
        wire->broken = true;
    if (result != -ENL_E_AGAIN)
        return result;
    enlh_bus_count(&wire->counts.ring_full);
    return atomic_load(&channel->hand.order) == ENLH_ORDER_RUN ? -ENL_E_AGAIN : 0;
}

/* A packet of up to three pieces; the first extra bytes of them belong to the descriptor. */
static int
enlh_packet_put(struct enlh_channel *channel, const struct enl_packet *head,
                const struct enl_ring_piece *pieces, uint32_t piece_count, uint32_t extra)
{
    struct enlh_wire *wire = &channel->wire;
    uint32_t len = 0;
    int r;

    if (enlh_packet_silenced(channel))
        return 0;
    if (wire->broken)
        return -ENL_E_PROTO;
    for (uint32_t i = 0; i < piece_count; i++)
        len += pieces[i].len;
    r = enl_ring_put(&wire->out, head->type, head->flags, head->transaction_id, pieces,
                     piece_count, extra);
    if (r == -ENL_E_AGAIN &&
        enlh_packet_wait_room(channel, (uint32_t)sizeof(*head) + extra, len - extra))
        r = enl_ring_put(&wire->out, head->type, head->flags, head->transaction_id,
                         pieces, piece_count, extra);
    return enlh_packet_put_end(channel, r);
}

int
enlh_channel_complete(struct enlh_channel *channel, uint64_t transaction_id,
                      const void *payload, uint32_t len)
{
    const struct enl_packet head = {.type = ENL_PACKET_COMPLETION,
                                    .transaction_id = transaction_id};
    const struct enl_ring_piece piece = {.data = payload, .len = len};
    int r = enlh_packet_put(channel, &head, &piece, 1, 0);

    if (r != -ENL_E_AGAIN)
        channel->wire.hold.under_way--;
    return r;
}

int
enlh_channel_send(struct enlh_channel *channel, uint64_t transaction_id,
                  bool wants_completion, const void *payload, uint32_t len)
{
    const struct enl_packet head = {
        .type = ENL_PACKET_INBAND,
        .flags = wants_completion ? ENL_PACKET_FLAG_COMPLETION : 0,
        .transaction_id = transaction_id,
    };
    const struct enl_ring_piece piece = {.data = payload, .len = len};

    return enlh_packet_put(channel, &head, &piece, 1, 0);
}

int
enlh_channel_send_pages(struct enlh_channel *channel, uint64_t transaction_id,
                        const struct enlh_page_ranges *pages, const void *payload,
                        uint32_t len)
{
    struct enl_packet_transfer_pages head = {
        .head = {.type = ENL_PACKET_TRANSFER_PAGES,
                 .flags = ENL_PACKET_FLAG_COMPLETION,
                 .transaction_id = transaction_id},
        .pageset_id = pages->pageset_id,
        .range_count = pages->count,
    };
    const uint32_t rest = (uint32_t)(sizeof(head) - sizeof(head.head));
    const struct enl_ring_piece pieces[] = {
        {.data = (const uint8_t *)&head + sizeof(head.head), .len = rest},
        {.data = pages->ranges, .len = pages->count * (uint32_t)sizeof(*pages->ranges)},
        {.data = payload, .len = len},
    };

    if (!pages->count || pages->count > ENLH_PAGE_RANGES_MAX)
        return -ENL_E_MSGSIZE;
    return enlh_packet_put(channel, &head.head, pieces, 3, rest + pieces[1].len);
}

/* ---- from the guest ---- */

/* The ranges of a GPA-direct packet, copied and turned into spans of guest memory. */
static int
enlh_packet_spans(struct enlh_channel *channel, const struct enl_ring_packet *raw)
{
    struct enlh_wire *wire = &channel->wire;
    struct enlh_packet *packet = &wire->packet;
    const uint32_t head_len = sizeof(struct enl_packet_gpa_direct);
    struct enl_packet_gpa_direct head;
    struct enl_gparange list;
    struct enl_gparange_iter iter;
    struct enl_gparange_run run;

    if (raw->desc_len < head_len || raw->desc_len - head_len > wire->ranges_len)
        return -ENL_E_PROTO;
    if (enl_ring_copy(&wire->in, raw, 0, &head, head_len) < 0 ||
        enl_ring_copy(&wire->in, raw, head_len, wire->ranges, raw->desc_len - head_len) <
            0)
        return -ENL_E_PROTO;
    if (enl_gparange_init(&list, wire->ranges, raw->desc_len - head_len,
                          head.range_count) < 0 ||
        enl_gparange_walk(&list, 0, list.len, &iter) < 0)
        return -ENL_E_PROTO;
    while (enl_gparange_next(&iter, &run)) {
        if (packet->span_count == channel->ops.max_spans ||
            enlh_mem_span(channel->bus->partition, run.gpa, run.len,
                          &wire->spans[packet->span_count]) < 0)
            return -ENL_E_PROTO;
        packet->span_count++;
    }
    packet->span_len = list.len;
    return 0;
}

/* One packet, out of the ring into private memory. */
static int
enlh_packet_copy(struct enlh_channel *channel, const struct enl_ring_packet *raw)
{
    struct enlh_wire *wire = &channel->wire;

    wire->packet = (struct enlh_packet){
        .type = raw->type,
        .wants_completion = (raw->flags & ENL_PACKET_FLAG_COMPLETION) != 0,
        .transaction_id = raw->transaction_id,
        .payload = wire->payload,
        .payload_len = raw->payload_len,
        .spans = wire->spans,
    };
    if (raw->payload_len > channel->ops.max_payload)
        return -ENL_E_PROTO;
    switch (raw->type) {
    case ENL_PACKET_INBAND:
    case ENL_PACKET_COMPLETION:
        break;
    case ENL_PACKET_GPA_DIRECT:
        if (enlh_packet_spans(channel, raw) < 0)
            return -ENL_E_PROTO;
        break;
    default: /* Seen: no guest sends another type to its host. */
        return -ENL_E_PROTO;
    }
    return enl_ring_copy(&wire->in, raw, raw->desc_len, wire->payload, raw->payload_len);
}

/* Offer the packet that was copied last to the device. */
static int
enlh_packet_deliver(struct enlh_channel *channel)
{
    struct enlh_wire *wire = &channel->wire;
    int r = channel->ops.packet(channel->dev, channel, &wire->packet);

    wire->held = r == -ENL_E_AGAIN;
    if (r == 0)
        enlh_bus_count(&wire->counts.packets_in);
    if (r == 0 && wire->packet.wants_completion)
        wire->hold.under_way++;
    return r;
}

/* Returns 1 for a packet that the device took, 0 for an empty ring. */
static int
enlh_packet_next(struct enlh_channel *channel)
{
    struct enl_ring_packet raw;
    int r;

    if (!channel->wire.held) {
        r = enl_ring_get(&channel->wire.in, &raw);
        if (r <= 0)
            return r;
        if (enlh_packet_copy(channel, &raw) < 0)
            return -ENL_E_PROTO;
    }
    r = enlh_packet_deliver(channel);
    return r < 0 ? r : 1;
}

static enum enlh_packet_end
enlh_packet_read(struct enlh_channel *channel, uint32_t *count)
{
    for (*count = 0; *count < ENLH_PACKET_BUDGET && !channel->wire.broken; ++*count) {
        int r = enlh_packet_next(channel);

        if (r == 0)
            return ENLH_PACKETS_EMPTY;
        if (r == -ENL_E_AGAIN)
            return ENLH_PACKETS_HELD;
        if (r < 0)
            return ENLH_PACKETS_BROKEN;
    }
    return ENLH_PACKETS_BUDGET;
}

/* Give the space of what was read back, and show what was written: one signal for both. */
static void
enlh_packet_settle(struct enlh_channel *channel)
{
    bool signal;

    if (enlh_packet_silenced(channel) || channel->wire.broken)
        return;
    signal = enl_ring_release(&channel->wire.in);
    signal |= enl_ring_publish(&channel->wire.out);
    if (signal)
        enlh_packet_signal(channel);
    enlh_hold_shown(&channel->wire.hold);
}

/*
 * Show the answers of this turn later, together with more. Only where the guest would be
 * interrupted for them, and nothing waits for them.
 */
static bool
enlh_packet_hold(struct enlh_channel *channel, enum enlh_packet_end end, uint32_t news,
                 bool deep)
{
    struct enlh_wire *wire = &channel->wire;

    if (end != ENLH_PACKETS_EMPTY || enlh_packet_silenced(channel) ||
        !enlh_hold_turn(&wire->hold, news, deep) || !enl_ring_would_signal(&wire->out))
        return false;
    if (enl_ring_release(&wire->in))
        enlh_packet_signal(channel);
    return true;
}

/* ---- the turn ---- */

/*
 * Let go: the device finishes what is in flight. After stopped nothing here is touched
 * any more; the loop may free it as soon as channel_stop() has returned.
 */
static enum enlh_run
enlh_packet_quiesce(struct enlh_channel *channel)
{
    struct enlh_vmbus *bus = channel->bus;
    bool done = true;

    if (channel->ops.run)
        channel->ops.run(channel->dev, channel);
    if (channel->ops.quiesce)
        done = channel->ops.quiesce(channel->dev, channel);
    if (channel->ops.flush)
        channel->ops.flush(channel->dev, channel);
    enlh_packet_settle(channel);
    if (!done)
        return ENLH_RUN_IDLE;
    atomic_store(&channel->hand.stopped, true);
    enlh_bus_attend(bus);
    return ENLH_RUN_STOPPED;
}

/* A guest that does not promise it will not tell when it has made room. */
static bool
enlh_packet_must_poll(const struct enlh_channel *channel)
{
    return channel->wire.out.pending != 0 && !enl_ring_peer_wakes(&channel->wire.in);
}

static enum enlh_run
enlh_packet_rest(struct enlh_channel *channel, enum enlh_packet_end end)
{
    switch (end) {
    case ENLH_PACKETS_BUDGET:
        return ENLH_RUN_MORE;
    case ENLH_PACKETS_HELD: /* masked: a completion or new room is what goes on */
        return enlh_packet_must_poll(channel) ? ENLH_RUN_MORE : ENLH_RUN_IDLE;
    case ENLH_PACKETS_BROKEN:
        channel->wire.broken = true;
        return enlh_packet_quiesce(channel);
    case ENLH_PACKETS_EMPTY:
        break;
    }
    if (enlh_packet_silenced(channel) || enlh_packet_must_poll(channel))
        return ENLH_RUN_MORE;
    return enl_ring_unmask(&channel->wire.in) ? ENLH_RUN_MORE : ENLH_RUN_IDLE;
}

enum enlh_run
enlh_channel_run(struct enlh_channel *channel)
{
    struct enlh_wire *wire = &channel->wire;
    uint32_t answers = wire->hold.answers, count;
    enum enlh_packet_end end;
    bool unread;

    if (atomic_load_explicit(&channel->hand.stopped, memory_order_relaxed))
        return ENLH_RUN_STOPPED;
    enlh_bus_count(&wire->counts.signals_in);
    if (wire->broken || atomic_load_explicit(&channel->hand.order,
                                             memory_order_acquire) != ENLH_ORDER_RUN)
        return enlh_packet_quiesce(channel);
    enl_ring_mask(&wire->in, true);
    unread = answers || enl_ring_unread(&wire->out);
    if (wire->out.pending && enl_ring_free(&wire->out) > wire->out.pending)
        (void)enl_ring_wait_space(&wire->out, 0);
    if (channel->ops.run)
        channel->ops.run(channel->dev, channel);
    end = enlh_packet_read(channel, &count);
    if (channel->ops.flush)
        channel->ops.flush(channel->dev, channel);
    end = wire->broken ? ENLH_PACKETS_BROKEN : end;
    if (enlh_packet_hold(channel, end, count + wire->hold.answers - answers,
                         count > 1 || (count && unread)))
        return ENLH_RUN_MORE;
    enlh_packet_settle(channel);
    return enlh_packet_rest(channel, end);
}
