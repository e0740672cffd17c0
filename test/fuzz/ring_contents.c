/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings whose memory changes between and within the calls: first both ends of one ring,
 * then a host channel with packets of every type. The peer makes it run; it writes every
 * word of the shared memory at any time.
 *
 * Promises: nothing outside the ring is touched; a packet is within the ring; between two
 * honest ends every packet arrives as it was sent; a device sees spans of guest memory
 * only, and a packet's length and spans agree.
 */
#include "rig_ring.h"

#include <stdlib.h>
#include <string.h>

#include "enlight/abi/vmbus.h"
#include "rig_bus.h"

/* ---- both ends of one ring ---- */

#define PAGES_MAX 4u
#define SENT_MAX  64u

struct pair {
    struct rig_input in;
    struct enl_ring_view view;
    struct enl_ring_producer p;
    struct enl_ring_consumer c;
    uint8_t *pages[PAGES_MAX];
    uint8_t *flat;
    bool honest;
    struct {
        uint64_t id;
        uint32_t len;
        uint8_t seed;
    } sent[SENT_MAX];
    uint32_t sent_first, sent_count;
};

static void *
new_page(size_t pages)
{
    void *page = aligned_alloc(ENL_PAGE_SIZE, pages * ENL_PAGE_SIZE);

    RIG_CHECK(page != NULL);
    memset(page, 0, pages * ENL_PAGE_SIZE);
    return page;
}

static void
pair_start(struct pair *pair, uint8_t kind)
{
    uint32_t count = 1 + (kind & 3) % PAGES_MAX;

    pair->view.header = new_page(1);
    pair->view.size = count * ENL_PAGE_SIZE;
    if (kind & 4) {
        pair->flat = new_page(count);
        pair->view.base = pair->flat;
    } else {
        for (uint32_t i = 0; i < count; i++)
            pair->pages[i] = new_page(1);
        pair->view.pages = pair->pages;
    }
    enl_ring_header_init(pair->view.header);
    if (kind & 8) {
        pair->view.header->write_index = pair->view.size - 8;
        pair->view.header->read_index = pair->view.size - 8;
    }
    RIG_CHECK(enl_ring_producer_init(&pair->p, &pair->view, true) == 0);
    RIG_CHECK(enl_ring_consumer_init(&pair->c, &pair->view, true) == 0);
}

static void
pair_stop(struct pair *pair)
{
    free(pair->view.header);
    free(pair->flat);
    for (uint32_t i = 0; i < PAGES_MAX; i++)
        free(pair->pages[i]);
}

static void
pair_put(struct pair *pair)
{
    uint8_t body[8192], seed = rig_u8(&pair->in);
    uint32_t len = rig_u16(&pair->in) % sizeof(body), extra = seed & 0x38;
    uint64_t id = rig_u8(&pair->in);
    struct enl_ring_piece piece[2] = {{body, len / 3}, {body + len / 3, len - len / 3}};
    uint32_t at;
    int result;

    memset(body, seed, sizeof(body));
    result = enl_ring_put(&pair->p, 6, seed & 1, id, piece, 2, extra);
    RIG_CHECK(result == 0 || result == -ENL_E_AGAIN || result == -ENL_E_MSGSIZE ||
              (result == -ENL_E_PROTO && !pair->honest));
    if (result == -ENL_E_AGAIN)
        (void)enl_ring_wait_space(&pair->p, enl_ring_packet_size(16, len));
    if (result != 0 || !pair->honest)
        return;
    at = (pair->sent_first + pair->sent_count++) % SENT_MAX;
    pair->sent[at].id = id;
    pair->sent[at].len = len;
    pair->sent[at].seed = seed;
}

/* An honest producer's packet comes whole and in its turn. */
static void
pair_expect(struct pair *pair, const struct enl_ring_packet *packet, const uint8_t *body)
{
    uint32_t at = pair->sent_first, len;

    RIG_CHECK(pair->sent_count > 0);
    len = pair->sent[at].len;
    RIG_CHECK(packet->transaction_id == pair->sent[at].id && packet->type == 6);
    RIG_CHECK(packet->desc_len == 16 + (pair->sent[at].seed & 0x38u));
    RIG_CHECK(packet->desc_len + packet->payload_len == 16 + ((len + 7) & ~7u));
    for (uint32_t i = 0; i < ((len + 7) & ~7u); i++)
        RIG_CHECK(body[i] == (i < len ? pair->sent[at].seed : 0));
    pair->sent_first = (at + 1) % SENT_MAX;
    pair->sent_count--;
}

static void
pair_get(struct pair *pair)
{
    struct enl_ring_packet packet;
    uint8_t body[0x20000];
    uint64_t len;
    int result = enl_ring_get(&pair->c, &packet);

    RIG_CHECK(result == 0 || result == 1 || (result == -ENL_E_PROTO && !pair->honest));
    if (result != 1)
        return;
    len = (uint64_t)packet.desc_len + packet.payload_len;
    RIG_CHECK(packet.desc_len >= 16 && len + 8 <= pair->view.size);
    RIG_CHECK(enl_ring_copy(&pair->c, &packet, 1, body, (uint32_t)len) == -ENL_E_RANGE);
    RIG_CHECK(enl_ring_copy(&pair->c, &packet, 16, body, (uint32_t)len - 16) == 0);
    if (pair->honest)
        pair_expect(pair, &packet, body);
}

static void
pair_step(struct pair *pair)
{
    switch (rig_below(&pair->in, 10)) {
    case 0:
    case 1:
        if (pair->sent_count < SENT_MAX)
            pair_put(pair);
        break;
    case 2:
    case 3:
        pair_get(pair);
        break;
    case 4:
        (void)enl_ring_publish(&pair->p);
        break;
    case 5:
        (void)enl_ring_release(&pair->c);
        break;
    case 6:
        enl_ring_mask(&pair->c, true);
        (void)enl_ring_unmask(&pair->c);
        break;
    case 7:
        RIG_CHECK(enl_ring_free(&pair->p) <= pair->view.size);
        (void)enl_ring_readable(&pair->c);
        break;
    case 8:
        (void)enl_ring_wait_space(&pair->p, rig_u16(&pair->in));
        break;
    default:
        if (!pair->honest)
            spoil_now(&pair->in);
        break;
    }
}

static void
run_pair(struct rig_input in, uint8_t kind)
{
    static struct pair pair;

    memset(&pair, 0, sizeof(pair));
    pair.in = in;
    pair.honest = (kind & 0x10) != 0;
    pair_start(&pair, kind);
    spoiler = (struct spoiler){.in = &pair.in, .view = {&pair.view, &pair.view}};
    spoiler.wait = pair.honest ? 0 : rig_u8(&pair.in);
    spoiler.active = true;
    for (uint32_t i = 0; pair.in.left > 0 && i < 400; i++)
        pair_step(&pair);
    spoiler.active = false;
    pair_stop(&pair);
}

/* ---- a host channel ---- */

struct session {
    struct rig_bus bus;
    struct rig_guest guest;
    struct enlh_channel *channel;
    bool removed;
};

/* Sum up a packet's spans, and touch them. */
static void
check_spans(struct session *s, const struct enlh_packet *packet)
{
    uint64_t sum = 0;

    RIG_CHECK(packet->span_count <= 8);
    for (uint32_t i = 0; i < packet->span_count; i++) {
        const struct enlh_span *span = &packet->spans[i];
        volatile uint8_t *at = enlh_mem_span_host(s->bus.rig.partition, span);

        RIG_CHECK(span->len > 0 && span->len <= RIG_RAM_LEN);
        at[0] = at[span->len - 1];
        sum += span->len;
    }
    RIG_CHECK(sum == packet->span_len);
}

static int
dev_packet(void *ctx, struct enlh_channel *channel, const struct enlh_packet *packet)
{
    struct session *s = ctx;
    uint8_t how = rig_u8(&s->bus.rig.in), copy[512];
    int result;

    RIG_CHECK(packet->payload_len <= sizeof(copy));
    memcpy(copy, packet->payload, packet->payload_len);
    RIG_CHECK(packet->type == ENL_PACKET_GPA_DIRECT || packet->span_count == 0);
    check_spans(s, packet);
    if ((how & 7) == 7)
        return how & 8 ? -ENL_E_AGAIN : -ENL_E_PROTO;
    if (how & 1)
        result = enlh_channel_complete(channel, packet->transaction_id, copy,
                                       packet->payload_len);
    else
        result = enlh_channel_send(channel, how, (how & 2) != 0, copy,
                                   rig_u16(&s->bus.rig.in) % sizeof(copy));
    if (how & 4)
        enlh_channel_publish(channel);
    RIG_CHECK(result == 0 || result == -ENL_E_AGAIN || result == -ENL_E_PROTO);
    return result == -ENL_E_AGAIN ? result : 0;
}

static void
dev_removed(void *ctx, struct enlh_channel *channel)
{
    struct session *s = ctx;

    RIG_CHECK(!s->removed && s->channel == channel);
    s->removed = true;
}

static const struct enlh_channel_ops dev_ops = {
    .size = sizeof(dev_ops),
    .max_payload = 509,
    .max_spans = 8,
    .packet = dev_packet,
    .removed = dev_removed,
};

/* A GPA-direct packet whose ranges are nearly right. */
static uint32_t
make_ranges(struct rig_input *in, uint8_t *body, uint32_t *extra)
{
    uint32_t count = rig_below(in, 5), at = 8, ranges = count;
    struct enl_gpa_range range;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t kind = rig_u8(in);
        uint32_t pages = 1 + (kind & 0xfu);
        uint64_t pfn = rig_gpa(in) >> 12;

        range.byte_offset = kind & 0x80 ? rig_u16(in) % 4200 : 0;
        range.byte_count = pages * 4096u - 3584u - range.byte_offset;
        if (kind & 0x40)
            range.byte_count = rig_u32(in);
        memcpy(body + at, &range, sizeof(range));
        at += 8;
        for (uint32_t page = 0; page < pages; page++, at += 8) {
            memcpy(body + at, &pfn, sizeof(pfn));
            pfn = kind & 0x20 ? pfn ^ 2 : pfn + 1;
        }
    }
    if (rig_below(in, 32) == 31)
        ranges = rig_u32(in);
    memcpy(body + 4, &ranges, sizeof(ranges));
    *extra = at;
    return at + rig_u8(in);
}

static void
guest_send(struct session *s)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t body[2048] = {0}, kind = rig_u8(in);
    uint32_t extra = 0, len = rig_u16(in) % 520;
    uint16_t type = kind % 16;
    struct enl_ring_piece piece = {.data = body};

    if (kind & 0x10) {
        type = ENL_PACKET_GPA_DIRECT;
        len = make_ranges(in, body, &extra);
    } else if (kind & 0x20) {
        type = ENL_PACKET_INBAND;
    }
    piece.len = len;
    if (enl_ring_put(&s->guest.out, type, kind >> 7, rig_u8(in), &piece, 1, extra) == 0)
        (void)enl_ring_publish(&s->guest.out);
}

static void
guest_receive(struct session *s)
{
    struct enl_ring_packet packet;
    uint8_t body[64];

    for (uint32_t i = 0; i < 8; i++)
        if (rig_bus_receive(&s->bus, &s->guest, body, sizeof(body), &packet) < 0)
            break;
}

static void
channel_step(struct session *s)
{
    switch (rig_below(&s->bus.rig.in, 16)) {
    default:
        guest_send(s);
        break;
    case 5:
    case 6:
    case 7:
        (void)rig_signal(&s->bus.rig, 0, 0x2000u | s->guest.relid, 0);
        spoiler.active = true;
        (void)rig_bus_turn(&s->bus, 0);
        spoiler.active = false;
        break;
    case 8:
        guest_receive(s);
        break;
    case 9:
        spoil_now(&s->bus.rig.in);
        break;
    case 10:
        spoiler.wait = rig_u8(&s->bus.rig.in);
        break;
    case 11:
        enlh_channel_wake(s->channel);
        break;
    case 12:
        rig_bus_poll(&s->bus);
        (void)rig_bus_listen(&s->bus, 0, 64);
        break;
    case 13:
        rig_bus_close(&s->bus, &s->guest);
        rig_bus_work(&s->bus);
        (void)rig_bus_listen(&s->bus, 0, 64);
        (void)rig_bus_open(&s->bus, &s->guest, s->guest.relid, 0);
        break;
    }
}

static void
run_channel(struct rig_input in, uint8_t kind)
{
    static struct session s;
    struct enlh_offer offer = {.size = sizeof(offer), .name = "ring"};

    memset(&s, 0, sizeof(s));
    spoiler = (struct spoiler){.in = &s.bus.rig.in};
    rig_bus_init(&s.bus, in.at, in.left);
    rig_bus_start(&s.bus);
    RIG_CHECK(enlh_channel_offer(s.bus.bus, &offer, &dev_ops, &s, &s.channel) == 0);
    rig_bus_connect(&s.bus, kind & 1 ? ENL_VMBUS_VERSION_WS2022 : ENL_VMBUS_VERSION_WIN8);
    RIG_CHECK(rig_bus_open(&s.bus, &s.guest, enlh_channel_relid(s.channel), 0));
    spoiler.view[0] = &s.guest.out.view;
    spoiler.view[1] = &s.guest.in.view;
    for (uint32_t i = 0; s.bus.rig.in.left > 0 && i < 300; i++)
        channel_step(&s);
    rig_bus_reset(&s.bus);
    enlh_channel_rescind(s.channel);
    rig_bus_stop(&s.bus);
    RIG_CHECK(s.removed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rig_input in = {.at = data, .left = size};
    uint8_t kind = rig_u8(&in);

    if (kind & 0x80)
        run_channel(in, kind);
    else
        run_pair(in, kind);
    return 0;
}
