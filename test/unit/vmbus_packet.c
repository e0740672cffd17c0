/* SPDX-License-Identifier: BSD-2-Clause */
/* The worker's turn: packets in and out, masks, signals, a hostile ring. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;
static struct rig_guest guest;
static struct enlh_channel *channel;

static void
start(void)
{
    channel = rig_open_one(&r, &guest);
}

static struct enlh_channel_counters
counters(void)
{
    struct enlh_channel_counters out;

    enlh_channel_counters(channel, &out);
    return out;
}

/* ---- in ---- */

/* R05 */
static void
packet_inband_arrives_as_a_copy(void **state)
{
    (void)state;
    start();
    rig_send(&guest, 0x1122334455667788, "sixteen bytes !!", 16);
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_int_equal(r.dev.packets, 1);
    assert_int_equal(r.dev.last.type, ENL_PACKET_INBAND);
    assert_true(r.dev.last.wants_completion);
    assert_true(r.dev.last.transaction_id == 0x1122334455667788);
    assert_int_equal(r.dev.last.payload_len, 16);
    assert_memory_equal(r.dev.last_payload, "sixteen bytes !!", 16);
    assert_int_equal(r.dev.last.span_count, 0);
    assert_int_equal((uintptr_t)r.dev.last.payload % 8, 0);
    assert_int_equal(counters().packets_in, 1);
    rig_stop(&r);
}

static void
packet_completion_of_the_guest_arrives(void **state)
{
    struct enl_ring_piece piece = {.data = "12345678", .len = 8};

    (void)state;
    start();
    assert_int_equal(enl_ring_put(&guest.out, ENL_PACKET_COMPLETION, 0, 9, &piece, 1, 0),
                     0);
    enl_ring_publish(&guest.out);
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_int_equal(r.dev.last.type, ENL_PACKET_COMPLETION);
    assert_int_equal(r.dev.last.transaction_id, 9);
    assert_false(r.dev.last.wants_completion);
    rig_stop(&r);
}

/* A GPA-direct packet over these page numbers; the payload is "payload!". */
static void
send_direct(const struct enl_gpa_range *ranges, const uint64_t *const *pfns,
            const uint32_t *counts, uint32_t range_count)
{
    struct enl_ring_piece pieces[12];
    uint32_t rest[2] = {0, range_count};
    uint32_t n = 0, desc = 8;

    pieces[n++] = (struct enl_ring_piece){.data = rest, .len = 8};
    for (uint32_t i = 0; i < range_count && i < 4; i++) {
        pieces[n++] = (struct enl_ring_piece){.data = &ranges[i], .len = 8};
        pieces[n++] = (struct enl_ring_piece){.data = pfns[i], .len = counts[i] * 8};
        desc += 8 + counts[i] * 8;
    }
    pieces[n++] = (struct enl_ring_piece){.data = "payload!", .len = 8};
    assert_int_equal(
        enl_ring_put(&guest.out, ENL_PACKET_GPA_DIRECT, 1, 5, pieces, n, desc), 0);
    enl_ring_publish(&guest.out);
    rig_signal(&r, &guest);
    rig_settle(&r);
}

/* R06, R07, O11: several ranges, one of them of many pages, at odd offsets. */
static void
packet_gpa_direct_becomes_spans(void **state)
{
    static const uint64_t first[] = {0x301, 0x302, 0x300}, second[] = {0x310};
    const struct enl_gpa_range ranges[] = {{8192 + 1, 100}, {7, 4000}};
    const uint64_t *pfns[] = {first, second};
    const uint32_t counts[] = {3, 1};

    (void)state;
    start();
    send_direct(ranges, pfns, counts, 2);
    assert_int_equal(r.dev.packets, 1);
    assert_int_equal(r.dev.last.type, ENL_PACKET_GPA_DIRECT);
    assert_memory_equal(r.dev.last_payload, "payload!", 8);
    assert_int_equal(r.dev.last.span_count, 3);
    assert_int_equal(r.dev.last.span_len, 8192 + 8);
    assert_int_equal(r.dev.last_spans[0].offset, 0x301064);
    assert_int_equal(r.dev.last_spans[0].len, 8192 - 100);
    assert_int_equal(r.dev.last_spans[1].offset, 0x300000);
    assert_int_equal(r.dev.last_spans[1].len, 101);
    assert_int_equal(r.dev.last_spans[2].offset, 0x310fa0);
    assert_int_equal(r.dev.last_spans[2].len, 7);
    rig_stop(&r);
}

static void
packet_gpa_direct_up_to_the_device_bound(void **state)
{
    uint64_t pfns[65];
    struct enl_gpa_range range = {64 * 4096, 0};
    const uint64_t *list[] = {pfns};
    uint32_t count = 64;

    (void)state;
    for (uint32_t i = 0; i < 65; i++)
        pfns[i] = 0x300 + 2 * i % 64;
    start();
    send_direct(&range, list, &count, 1);
    assert_int_equal(r.dev.packets, 1);
    assert_int_equal(r.dev.last.span_count, 64);
    assert_true(enlh_channel_is_open(channel));
    range.byte_count = 65 * 4096;
    count = 65;
    send_direct(&range, list, &count, 1);
    assert_int_equal(r.dev.packets, 1);
    assert_false(enlh_channel_is_open(channel));
    rig_stop(&r);
}

/* ---- turns, masks, signals ---- */

static void
packet_a_turn_is_bounded(void **state)
{
    (void)state;
    start();
    r.dev.runs = 0;
    for (int i = 0; i < 300; i++)
        rig_send(&guest, 1, "12345678", 8);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_MORE);
    assert_int_equal(r.dev.packets, 128);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_MORE);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_int_equal(r.dev.packets, 300);
    assert_int_equal(r.dev.runs, 3);
    rig_stop(&r);
}

static bool mask_during_run;

static void
look_at_mask(struct rig_device *dev, struct enlh_channel *ch)
{
    (void)dev;
    (void)ch;
    mask_during_run = guest.out.view.header->interrupt_mask != 0;
}

/* R14, towards the host. */
static void
packet_signals_are_masked_during_a_turn_only(void **state)
{
    (void)state;
    start();
    r.dev.on_run = look_at_mask;
    assert_int_equal(guest.out.view.header->interrupt_mask, 0);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_true(mask_during_run);
    assert_int_equal(guest.out.view.header->interrupt_mask, 0);
    rig_stop(&r);
}

static bool sent_late;

/* The guest puts a packet when the device thinks it has read all; the ring is masked. */
static void
send_late(void *dev, struct enlh_channel *ch)
{
    (void)dev;
    (void)ch;
    if (!sent_late)
        assert_false(rig_send(&guest, 2, "12345678", 8)); /* no signal: masked */
    sent_late = true;
}

static void
packet_what_came_while_masked_is_not_lost(void **state)
{
    (void)state;
    start();
    sent_late = false;
    channel->ops.flush = send_late; /* after reading, before unmasking */
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_MORE);
    assert_int_equal(r.dev.packets, 0);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_int_equal(r.dev.packets, 1);
    rig_stop(&r);
}

/* R13: completions of one turn come with one interrupt, and are visible only at its end. */
static void
packet_a_turn_is_published_once(void **state)
{
    struct enl_ring_packet packet;
    uint8_t payload[8];

    (void)state;
    start();
    r.dev.echo = true;
    for (uint64_t i = 0; i < 50; i++)
        rig_send(&guest, i, "abcdefgh", 8);
    rig_signal(&r, &guest);
    fake_forget(&r.f);
    rig_work(&r);
    assert_int_equal(counters().packets_out, 50);
    assert_int_equal(counters().signals_out, 1);
    assert_int_equal(r.f.interrupt_count, 1);
    for (uint64_t i = 0; i < 50; i++) {
        assert_true(rig_receive(&guest, &packet, payload, 8));
        assert_int_equal(packet.type, ENL_PACKET_COMPLETION);
        assert_int_equal(packet.transaction_id, i);
        assert_memory_equal(payload, "abcdefgh", 8);
    }
    assert_false(rig_receive(&guest, &packet, NULL, 0));
    rig_stop(&r);
}

static void
packet_no_interrupt_while_the_guest_has_not_read(void **state)
{
    (void)state;
    start();
    r.dev.echo = true;
    for (int i = 0; i < 3; i++) {
        rig_send(&guest, 1, "abcdefgh", 8);
        rig_signal(&r, &guest);
        rig_settle(&r);
    }
    assert_int_equal(counters().signals_out, 1);
    rig_stop(&r);
}

/* R14, towards the guest. */
static void
packet_no_interrupt_while_the_guest_masks(void **state)
{
    (void)state;
    start();
    r.dev.echo = true;
    enl_ring_mask(&guest.in, true);
    rig_send(&guest, 1, "abcdefgh", 8);
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_int_equal(counters().signals_out, 0);
    assert_true(enl_ring_unmask(&guest.in)); /* and so it finds it */
    rig_stop(&r);
}

static void
publish_twice(struct rig_device *dev, struct enlh_channel *ch)
{
    struct enl_ring_packet packet;

    dev->on_run = NULL;
    assert_int_equal(enlh_channel_send(ch, 1, true, "abcdefgh", 8), 0);
    assert_false(rig_receive(&guest, &packet, NULL, 0));
    enlh_channel_publish(ch);
    assert_true(rig_receive(&guest, &packet, NULL, 0));
    assert_int_equal(packet.type, ENL_PACKET_INBAND);
    assert_int_equal(packet.flags, ENL_PACKET_FLAG_COMPLETION);
    assert_true(rig_interrupted(&r, 0, guest.relid));
    assert_int_equal(enlh_channel_send(ch, 2, false, "abcdefgh", 8), 0);
}

static void
packet_publish_shows_it_now(void **state)
{
    struct enl_ring_packet packet;

    (void)state;
    start();
    r.dev.on_run = publish_twice;
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_true(rig_receive(&guest, &packet, NULL, 0));
    assert_int_equal(packet.flags, 0);
    rig_stop(&r);
}

/* ---- transfer pages ---- */

static const struct enl_transfer_range two_ranges[] = {{100, 0}, {1500, 1728}};

static void
send_pages(struct rig_device *dev, struct enlh_channel *ch)
{
    struct enlh_page_ranges pages = {
        .pageset_id = 0xCAFE, .count = 2, .ranges = two_ranges};

    dev->on_run = NULL;
    assert_int_equal(enlh_channel_send_pages(ch, 77, &pages, "payload!", 8), 0);
    pages.count = 0;
    assert_int_equal(enlh_channel_send_pages(ch, 78, &pages, "payload!", 8),
                     -ENL_E_MSGSIZE);
    pages.count = ENLH_PAGE_RANGES_MAX + 1;
    assert_int_equal(enlh_channel_send_pages(ch, 78, &pages, "payload!", 8),
                     -ENL_E_MSGSIZE);
}

/* R08 */
static void
packet_transfer_pages_names_set_and_ranges(void **state)
{
    struct enl_packet_transfer_pages head;
    struct enl_transfer_range ranges[2];
    struct enl_ring_packet packet;
    uint8_t payload[8];

    (void)state;
    start();
    r.dev.on_run = send_pages;
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_true(rig_receive(&guest, &packet, payload, 8));
    assert_int_equal(packet.type, ENL_PACKET_TRANSFER_PAGES);
    assert_int_equal(packet.flags, ENL_PACKET_FLAG_COMPLETION);
    assert_int_equal(packet.transaction_id, 77);
    assert_int_equal(packet.desc_len, sizeof(head) + sizeof(ranges));
    assert_memory_equal(payload, "payload!", 8);
    assert_int_equal(enl_ring_copy(&guest.in, &packet, 0, &head, sizeof(head)), 0);
    assert_int_equal(head.pageset_id, 0xCAFE);
    assert_int_equal(head.sender_owns_set, 0);
    assert_int_equal(head.range_count, 2);
    assert_int_equal(
        enl_ring_copy(&guest.in, &packet, sizeof(head), ranges, sizeof(ranges)), 0);
    assert_memory_equal(ranges, two_ranges, sizeof(ranges));
    assert_false(rig_receive(&guest, &packet, NULL, 0));
    rig_stop(&r);
}

/* ---- no room ---- */

/* R15, host to guest: it says how much it needs, and goes on when that is there. */
static void
packet_a_full_ring_to_the_guest_waits_for_room(void **state)
{
    struct enl_ring_packet packet;
    struct enl_ring_header *header;
    uint32_t got = 0;
    bool signal = false;

    (void)state;
    start();
    header = guest.in.view.header;
    r.dev.echo = true;
    for (int i = 0; i < 320; i++) /* 40 bytes each: more than the three pages back */
        if (i < 290)
            rig_send(&guest, (uint64_t)i, "abcdefghijklmnop", 16);
    rig_signal(&r, &guest);
    rig_settle(&r);
    for (int i = 290; i < 320; i++)
        rig_send(&guest, (uint64_t)i, "abcdefghijklmnop", 16);
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_true(r.dev.lose > 0);
    assert_int_equal(header->pending_send_size, 40);
    assert_true(counters().ring_full > 0);
    while (rig_receive(&guest, &packet, NULL, 0)) {
        got++;
        signal |= enl_ring_release(&guest.in);
    }
    assert_int_equal(got + r.dev.lose, 320);
    assert_true(signal); /* the guest must tell */
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_int_equal(header->pending_send_size, 0);
    rig_stop(&r);
}

/* R15, guest to host: one that waits for room is told once there is enough. */
static void
packet_a_guest_that_waits_for_room_is_signalled(void **state)
{
    struct enl_ring_piece piece = {.data = "abcdefghijklmnop", .len = 16};
    uint32_t size = enl_ring_packet_size(16, 16);

    (void)state;
    start();
    while (enl_ring_put(&guest.out, ENL_PACKET_INBAND, 0, 1, &piece, 1, 0) == 0)
        enl_ring_publish(&guest.out);
    assert_false(enl_ring_wait_space(&guest.out, size));
    rig_signal(&r, &guest);
    rig_work(&r);
    assert_true(rig_interrupted(&r, 0, guest.relid));
    assert_int_equal(counters().signals_out, 1);
    rig_stop(&r);
}

static void
packet_that_can_never_fit_is_told_apart(void **state)
{
    static uint8_t big[4 * 4096];
    struct enl_ring_packet packet;

    (void)state;
    start();
    assert_int_equal(enlh_channel_send(channel, 1, false, big, sizeof(big)),
                     -ENL_E_MSGSIZE);
    assert_true(enlh_channel_is_open(channel));
    assert_false(rig_receive(&guest, &packet, NULL, 0));
    rig_stop(&r);
}

/* A packet that the device does not take now is offered again, and nothing behind it. */
static void
packet_refused_for_now_is_offered_again(void **state)
{
    (void)state;
    start();
    r.dev.packet_result = -ENL_E_AGAIN;
    r.dev.packet_after = 2;
    for (uint64_t i = 0; i < 5; i++)
        rig_send(&guest, i, "abcdefgh", 8);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_int_equal(r.dev.packets, 2);
    assert_int_equal(r.dev.last.transaction_id, 2);
    assert_int_not_equal(guest.out.view.header->interrupt_mask, 0);
    r.dev.last_payload[0] = 0;
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_int_equal(r.dev.last.transaction_id, 2);
    assert_memory_equal(r.dev.last_payload, "abcdefgh", 8);
    assert_int_equal(counters().packets_in, 2);
    r.dev.packet_result = 0;
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_int_equal(r.dev.packets, 5);
    assert_int_equal(r.dev.last.transaction_id, 4);
    assert_int_equal(guest.out.view.header->interrupt_mask, 0);
    rig_stop(&r);
}

/* The guest changes a packet after it was refused: the copy is what counts. */
static void
packet_held_is_not_read_twice(void **state)
{
    (void)state;
    start();
    r.dev.packet_result = -ENL_E_AGAIN;
    rig_send(&guest, 7, "abcdefgh", 8);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    memset(guest.out.view.base, 0xff, guest.out.view.size);
    r.dev.packet_result = 0;
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_int_equal(r.dev.last.transaction_id, 7);
    assert_memory_equal(r.dev.last_payload, "abcdefgh", 8);
    rig_stop(&r);
}

/* A guest without the feature will not tell of new room: the worker goes on asking. */
static void
packet_a_guest_that_does_not_tell_is_polled(void **state)
{
    struct enl_ring_packet packet;

    (void)state;
    start();
    guest.out.view.header->feature_bits = 0;
    while (enlh_channel_send(channel, 1, false, "abcdefgh", 8) == 0)
        ;
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_MORE);
    while (rig_receive(&guest, &packet, NULL, 0))
        (void)enl_ring_release(&guest.in);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    rig_stop(&r);
}

/* ---- a hostile ring ---- */

/* The channel is given up: for the guest until it closes, and only then it can open. */
static void
expect_given_up(uint32_t packets)
{
    rig_signal(&r, &guest);
    rig_settle(&r);
    assert_int_equal(r.dev.packets, packets);
    assert_false(enlh_channel_is_open(channel));
    assert_int_equal(channel->state, ENLH_CH_BROKEN);
    assert_int_equal(r.dev.closes, 1);
    assert_null(r.worker[guest.relid].channel);
    assert_int_equal(atomic_load(&r.bus->counts.malformed), 1);
    rig_expect_none(&r);
    rig_post_open(&r, &guest, 0);
    assert_int_not_equal(rig_expect_open(&r, guest.relid), 0);
    rig_post_relid(&r, ENL_VMBUS_CLOSE_CHANNEL, guest.relid);
    memset(guest.out.view.header, 0, 4096);
    memset(guest.in.view.header, 0, 4096);
    rig_post_open(&r, &guest, 0);
    assert_int_equal(rig_expect_open(&r, guest.relid), 0);
    rig_stop(&r);
}

/* R29 */
static void
packet_a_bad_index_ends_the_channel(void **state)
{
    static const uint32_t bad[] = {3 * 4096, 3 * 4096 + 8, 4, 0xffffffff, 0x80000000};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        start();
        guest.out.view.header->write_index = bad[i];
        expect_given_up(0);
    }
}

static void
forge(uint16_t type, uint16_t offset8, uint16_t len8, uint32_t end)
{
    struct enl_packet head = {.type = type, .offset8 = offset8, .len8 = len8};

    memcpy(guest.out.view.base, &head, sizeof(head));
    guest.out.view.header->write_index = end;
}

static void
packet_a_bad_length_ends_the_channel(void **state)
{
    static const struct {
        uint16_t type, offset8, len8;
        uint32_t end;
    } bad[] = {
        {ENL_PACKET_INBAND, 0, 4, 40},      /* a descriptor of nothing */
        {ENL_PACKET_INBAND, 1, 4, 40},      /* ... of less than itself */
        {ENL_PACKET_INBAND, 5, 4, 40},      /* ... longer than the packet */
        {ENL_PACKET_INBAND, 2, 0, 40},      /* a packet of nothing */
        {ENL_PACKET_INBAND, 2, 5, 40},      /* longer than what is there */
        {ENL_PACKET_INBAND, 2, 0xffff, 40}, /* longer than the ring */
        {ENL_PACKET_INBAND, 2, 4, 8},       /* cut */
        {ENL_PACKET_INBAND, 2, 515, 4128},  /* a payload beyond the device's bound */
        {ENL_PACKET_GPA_DIRECT, 2, 4, 40},  /* no room for its range count */
        {ENL_PACKET_GPA_DIRECT, 3, 4, 40},  /* no range */
        {ENL_PACKET_TRANSFER_PAGES, 3, 4, 40}, {ENL_PACKET_INVALID, 2, 4, 40},
        {ENL_PACKET_CANCEL, 2, 4, 40},         {0xffff, 2, 4, 40},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        start();
        memset(guest.out.view.base, 0, guest.out.view.size);
        forge(bad[i].type, bad[i].offset8, bad[i].len8, bad[i].end);
        expect_given_up(0);
    }
}

static void
packet_bad_ranges_end_the_channel(void **state)
{
    static const struct {
        struct enl_gpa_range range;
        uint64_t pfn;
        uint32_t range_count;
    } bad[] = {
        {{4096, 0}, 0x500, 1},      /* outside memory */
        {{4096, 0}, UINT64_MAX, 1}, /* outside everything */
        {{4096, 0}, 1ull << 52, 1}, /* wraps */
        {{0, 0}, 0x300, 1},         /* empty */
        {{4096, 1}, 0x300, 1},      /* too few page numbers */
        {{4096, 4096}, 0x300, 1},   /* an offset beyond its page */
        {{0xffffffff, 0}, 0x300, 1},
        {{4096, 0}, 0x300, 0},
        {{4096, 0}, 0x300, 0xffffffff},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct enl_ring_piece pieces[4];
        uint32_t rest[2] = {0, bad[i].range_count};

        start();
        pieces[0] = (struct enl_ring_piece){.data = rest, .len = 8};
        pieces[1] = (struct enl_ring_piece){.data = &bad[i].range, .len = 8};
        pieces[2] = (struct enl_ring_piece){.data = &bad[i].pfn, .len = 8};
        pieces[3] = (struct enl_ring_piece){.data = "payload!", .len = 8};
        assert_int_equal(
            enl_ring_put(&guest.out, ENL_PACKET_GPA_DIRECT, 1, 5, pieces, 4, 24), 0);
        enl_ring_publish(&guest.out);
        expect_given_up(0);
    }
}

/* What the device read before stays read, and its answers are not shown any more. */
static void
packet_a_device_can_give_the_channel_up(void **state)
{
    (void)state;
    start();
    r.dev.packet_result = -ENL_E_PROTO;
    r.dev.packet_after = 2;
    for (int i = 0; i < 5; i++)
        rig_send(&guest, 1, "abcdefgh", 8);
    rig_signal(&r, &guest);
    rig_settle(&r);
    r.dev.packet_result = 0;
    expect_given_up(2);
}

static void
packet_a_bad_read_index_ends_the_channel(void **state)
{
    static const uint32_t bad[] = {3 * 4096, 4, 0xfffffff8, 8};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int result;

        start();
        guest.in.view.header->read_index = bad[i];
        do
            result = enlh_channel_send(channel, 1, false, "abcdefgh", 8);
        while (result == 0);
        assert_int_equal(result, -ENL_E_PROTO);
        assert_int_equal(enlh_channel_send(channel, 1, false, "abcdefgh", 8),
                         -ENL_E_PROTO);
        expect_given_up(0);
    }
}

/* ---- memory in pieces ---- */

/* R04, R31: the ring's pages lie in any order, and packets cross them. */
static void
packet_rings_of_scattered_pages_wrap(void **state)
{
    static const uint64_t order[8] = {0x30e, 0x303, 0x30c, 0x301,
                                      0x308, 0x306, 0x30a, 0x304};
    struct {
        struct enl_vmbus_gpadl_header header;
        struct enl_gpa_range range;
        uint64_t pfn[8];
    } __attribute__((packed)) message = {
        .header = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                   .relid = 1,
                   .gpadl = 50,
                   .range_buf_len = 72,
                   .range_count = 1},
        .range = {.byte_count = 8 * 4096},
    };
    static uint8_t *pages[8];
    struct enl_ring_view view = {.size = 3 * 4096};
    uint8_t payload[808], back[808];
    struct enl_ring_packet packet;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    channel = rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    memcpy(message.pfn, order, sizeof(order));
    rig_post(&r, &message, sizeof(message));
    rig_expect(&r, ENL_VMBUS_GPADL_CREATED, NULL, 0);
    for (int i = 0; i < 8; i++) {
        pages[i] = fake_at(&r.f, order[i] << 12, 4096);
        memset(pages[i], 0, 4096);
    }
    guest = (struct rig_guest){.relid = 1, .handle = 50, .pages = 8, .split = 4};
    view.header = (struct enl_ring_header *)(void *)pages[0];
    view.pages = &pages[1];
    assert_int_equal(enl_ring_producer_init(&guest.out, &view, false), 0);
    view.header = (struct enl_ring_header *)(void *)pages[4];
    view.pages = &pages[5];
    assert_int_equal(enl_ring_consumer_init(&guest.in, &view, false), 0);
    rig_post_open(&r, &guest, 0);
    assert_int_equal(rig_expect_open(&r, 1), 0);
    r.dev.echo = true;
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t len = 8 + i % 101 * 8;

        for (uint32_t j = 0; j < len; j++)
            payload[j] = (uint8_t)(i * 7 + j * 13);
        rig_send(&guest, i, payload, len);
        rig_signal(&r, &guest);
        rig_settle(&r);
        assert_true(rig_receive(&guest, &packet, back, len));
        assert_memory_equal(back, payload, len);
        assert_int_equal(packet.transaction_id, i);
        (void)enl_ring_release(&guest.in);
    }
    rig_stop(&r);
}

/* The worker's turn asks for no memory. */
static void
packet_a_turn_allocates_nothing(void **state)
{
    (void)state;
    start();
    r.dev.echo = true;
    r.f.alloc_countdown = 0;
    for (int i = 0; i < 100; i++)
        rig_send(&guest, 1, "abcdefgh", 8);
    assert_int_equal(enlh_channel_run(channel), ENLH_RUN_IDLE);
    assert_int_equal(counters().packets_out, 100);
    r.f.alloc_countdown = -1;
    rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_inband_arrives_as_a_copy),
        cmocka_unit_test(packet_completion_of_the_guest_arrives),
        cmocka_unit_test(packet_gpa_direct_becomes_spans),
        cmocka_unit_test(packet_gpa_direct_up_to_the_device_bound),
        cmocka_unit_test(packet_a_turn_is_bounded),
        cmocka_unit_test(packet_signals_are_masked_during_a_turn_only),
        cmocka_unit_test(packet_what_came_while_masked_is_not_lost),
        cmocka_unit_test(packet_a_turn_is_published_once),
        cmocka_unit_test(packet_no_interrupt_while_the_guest_has_not_read),
        cmocka_unit_test(packet_no_interrupt_while_the_guest_masks),
        cmocka_unit_test(packet_publish_shows_it_now),
        cmocka_unit_test(packet_transfer_pages_names_set_and_ranges),
        cmocka_unit_test(packet_a_full_ring_to_the_guest_waits_for_room),
        cmocka_unit_test(packet_a_guest_that_waits_for_room_is_signalled),
        cmocka_unit_test(packet_that_can_never_fit_is_told_apart),
        cmocka_unit_test(packet_refused_for_now_is_offered_again),
        cmocka_unit_test(packet_held_is_not_read_twice),
        cmocka_unit_test(packet_a_guest_that_does_not_tell_is_polled),
        cmocka_unit_test(packet_a_bad_index_ends_the_channel),
        cmocka_unit_test(packet_a_bad_length_ends_the_channel),
        cmocka_unit_test(packet_bad_ranges_end_the_channel),
        cmocka_unit_test(packet_a_device_can_give_the_channel_up),
        cmocka_unit_test(packet_a_bad_read_index_ends_the_channel),
        cmocka_unit_test(packet_rings_of_scattered_pages_wrap),
        cmocka_unit_test(packet_a_turn_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
