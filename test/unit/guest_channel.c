/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_channel.c - a channel's life and the memory that it shares
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_bus_rig.h"

static void
posted_relid(uint32_t type)
{
    struct enl_vmbus_relid m;

    bus_posted(type, &m, sizeof(m));
    assert_int_equal(m.relid, BUS_RELID);
}

static void
posted_teardown(uint32_t gpadl)
{
    struct enl_vmbus_gpadl_teardown m;

    bus_posted(ENL_VMBUS_GPADL_TEARDOWN, &m, sizeof(m));
    assert_int_equal(m.relid, BUS_RELID);
    assert_int_equal(m.gpadl, gpadl);
}

static uint32_t
open_and_share(void)
{
    struct enl_vmbus_gpadl_header header;

    assert_int_equal(bus_open(), 0);
    bus_posted(ENL_VMBUS_GPADL_HEADER, &header, sizeof(header));
    return header.gpadl;
}

/* ---- open ---- */

static void
open_shares_the_rings_then_asks(void **state)
{
    struct enl_vmbus_open m;
    struct enl_ring_header *header = (void *)bus_ring();
    uint32_t gpadl;

    (void)state;
    memset(bus_ring(), 0x77, BUS_SEND_LEN + BUS_RECV_LEN);
    gpadl = open_and_share();
    bus_posted_nothing();
    assert_int_equal(header->read_index, 0x77777777); /* not before CREATED */
    bus_say_created(BUS_RELID, gpadl, 0);
    bus_posted(ENL_VMBUS_OPEN_CHANNEL, &m, sizeof(m));
    assert_int_equal(m.relid, BUS_RELID);
    assert_int_equal(m.ring_gpadl, gpadl);
    assert_int_equal(m.target_vp, 3);
    assert_int_equal(m.downstream_offset, BUS_SEND_LEN / 4096);
    assert_memory_equal(m.user_data, "hello\0\0", 7);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(header->write_index | header->read_index, 0);
        assert_int_equal(header->interrupt_mask | header->pending_send_size, 0);
        assert_int_equal(header->feature_bits, 1);
        header = (void *)(bus_ring() + BUS_SEND_LEN);
    }
    bus_events_are("");
    assert_false(enlg_channel_is_open(bus.channel));
    bus_say_opened(BUS_RELID, 0);
    bus_events_are("o");
    assert_int_equal(bus.status, 0);
    assert_int_equal(bus.signals, 1); /* what was signalled before is not lost */
    assert_int_equal(bus_open(), -ENL_E_BUSY);
}

static void
open_refused_by_the_device_gives_the_memory_back(void **state)
{
    uint32_t gpadl = open_and_share();

    (void)state;
    bus_say_created(BUS_RELID, gpadl, 0);
    bus_posted(ENL_VMBUS_OPEN_CHANNEL, NULL, 148);
    bus_say_opened(BUS_RELID, ENL_VMBUS_STATUS_FAILED);
    bus_events_are("e");
    assert_int_equal(bus.status, -ENL_E_IO);
    posted_teardown(gpadl);
    bus_say_torndown(gpadl);
    bus_events_are("c");
    assert_int_equal(bus_open(), 0);
}

static void
open_without_memory_on_the_host_fails(void **state)
{
    uint32_t gpadl = open_and_share();

    (void)state;
    bus_say_created(BUS_RELID, gpadl, ENL_VMBUS_STATUS_NO_RESOURCES);
    bus_events_are("ec");
    bus_posted_nothing();
    assert_int_equal(open_and_share(), gpadl + 1);
}

static void
open_that_cannot_be_posted_leaves_it_closed(void **state)
{
    (void)state;
    rig.result[0] = ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    rig.result_count = 1;
    assert_int_equal(bus_open(), -ENL_E_INVAL);
    bus_events_are("");
    rig_forget();
    bus.next = 0;
    open_and_share();
}

static void
open_checks_its_config(void **state)
{
    struct enlg_channel_config c = *bus_open_config();

    (void)state;
    c.ring = bus_ring() + 16;
    assert_int_equal(enlg_channel_open(bus.channel, &c), -ENL_E_INVAL);
    c = *bus_open_config();
    c.send_len = 4096;
    assert_int_equal(enlg_channel_open(bus.channel, &c), -ENL_E_INVAL);
    c.send_len = 8192 + 512;
    assert_int_equal(enlg_channel_open(bus.channel, &c), -ENL_E_INVAL);
    c = *bus_open_config();
    c.user_data_len = 121;
    assert_int_equal(enlg_channel_open(bus.channel, &c), -ENL_E_INVAL);
    bus_posted_nothing();
}

/* ---- close ---- */

static void
close_takes_the_memory_back_before_it_says_closed(void **state)
{
    (void)state;
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    posted_relid(ENL_VMBUS_CLOSE_CHANNEL);
    posted_teardown(bus.ring_gpadl);
    bus_events_are("");
    assert_int_equal(enlg_channel_close(bus.channel), -ENL_E_INVAL);
    assert_int_equal(bus_open(), -ENL_E_BUSY);
    bus_say_torndown(bus.ring_gpadl);
    bus_events_are("c");
    assert_int_equal(enlg_channel_close(bus.channel), -ENL_E_INVAL);
    open_and_share();
}

static void
close_while_opening_waits_for_the_answer(void **state)
{
    uint32_t gpadl = open_and_share();

    (void)state;
    bus_say_created(BUS_RELID, gpadl, 0);
    bus_posted(ENL_VMBUS_OPEN_CHANNEL, NULL, 148);
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    bus_posted_nothing();
    bus_say_opened(BUS_RELID, 0);
    bus_events_are("e");
    assert_int_equal(bus.status, -ENL_E_CANCELED);
    posted_relid(ENL_VMBUS_CLOSE_CHANNEL);
    posted_teardown(gpadl);
    bus_say_torndown(gpadl);
    bus_events_are("c");
}

static void
close_while_sharing_opens_nothing(void **state)
{
    uint32_t gpadl = open_and_share();

    (void)state;
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    bus_say_created(BUS_RELID, gpadl, 0);
    bus_events_are("e");
    posted_teardown(gpadl);
    bus_say_torndown(gpadl);
    bus_events_are("c");
}

/* ---- rescind ---- */

static void
rescind_of_an_open_channel_is_released_after_the_close(void **state)
{
    (void)state;
    bus_say_rescind(BUS_RELID);
    bus_events_are("r");
    assert_true(enlg_channel_is_rescinded(bus.channel));
    bus_posted_nothing();
    bus_say_rescind(BUS_RELID);
    bus_events_are("");
    assert_int_equal(bus_malformed(), 1);
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    posted_relid(ENL_VMBUS_CLOSE_CHANNEL);
    posted_teardown(bus.ring_gpadl);
    bus_posted_nothing();
    bus_say_torndown(bus.ring_gpadl);
    posted_relid(ENL_VMBUS_RELID_RELEASED);
    bus_events_are("c-");
    assert_null(enlg_vmbus_channel(&bus.bus, 0));
}

static void
rescind_while_opening_ends_the_wait(void **state)
{
    uint32_t gpadl = open_and_share();

    (void)state;
    bus_say_created(BUS_RELID, gpadl, 0);
    bus_posted(ENL_VMBUS_OPEN_CHANNEL, NULL, 148);
    bus_say_rescind(BUS_RELID);
    bus_events_are("e");
    assert_int_equal(bus.status, -ENL_E_CONNRESET);
    posted_teardown(gpadl);
    bus_say_opened(BUS_RELID, 0); /* crossed it */
    bus_events_are("");
    bus_say_torndown(gpadl);
    posted_relid(ENL_VMBUS_RELID_RELEASED);
    bus_events_are("c-");
    assert_int_equal(bus_malformed(), 0);
}

static void
rescind_while_sharing_ends_the_wait(void **state)
{
    uint32_t gpadl = open_and_share();

    (void)state;
    bus_say_rescind(BUS_RELID);
    bus_events_are("e");
    posted_teardown(gpadl);
    bus_say_created(BUS_RELID, gpadl, 0); /* crossed it */
    bus_events_are("");
    bus_say_torndown(gpadl);
    posted_relid(ENL_VMBUS_RELID_RELEASED);
    bus_events_are("c-");
    assert_int_equal(bus_malformed(), 0);
}

static void
rescind_while_closing_ends_the_wait(void **state)
{
    (void)state;
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    posted_relid(ENL_VMBUS_CLOSE_CHANNEL);
    posted_teardown(bus.ring_gpadl);
    bus_say_rescind(BUS_RELID);
    posted_relid(ENL_VMBUS_RELID_RELEASED);
    bus_events_are("c-");
    bus_say_torndown(bus.ring_gpadl); /* all the same */
    assert_int_equal(bus_malformed(), 0);
}

static void
rescinded_instance_may_come_back_before_it_is_gone(void **state)
{
    struct enlg_channel *old = bus.channel;

    (void)state;
    bus_say_rescind(BUS_RELID);
    bus_events_are("r");
    bus_say_offer(BUS_RELID + 1, 1);
    bus_events_are("+");
    assert_ptr_not_equal(bus.channel, old);
    assert_false(enlg_channel_is_rescinded(bus.channel));
    bus.channel = old;
    assert_int_equal(bus_open(), -ENL_E_CONNRESET);
}

/* ---- move ---- */

static void
say_moved(uint32_t status)
{
    struct enl_vmbus_modify_channel_response m = {
        .head.type = ENL_VMBUS_MODIFY_CHANNEL_RESPONSE,
        .relid = BUS_RELID,
        .status = status,
    };

    bus_say(&m, sizeof(m));
}

static void
move_takes_effect_with_the_answer(void **state)
{
    struct enl_vmbus_modify_channel m;

    (void)state;
    assert_int_equal(enlg_channel_move(bus.channel, 1), 0);
    bus_posted(ENL_VMBUS_MODIFY_CHANNEL, &m, sizeof(m));
    assert_int_equal(m.relid, BUS_RELID);
    assert_int_equal(m.target_vp, 1);
    bus_events_are("");
    assert_int_equal(enlg_channel_vp(bus.channel), 3);
    assert_int_equal(enlg_channel_move(bus.channel, 2), -ENL_E_BUSY);
    say_moved(0);
    bus_events_are("m");
    assert_int_equal(enlg_channel_vp(bus.channel), 1);
    assert_int_equal(enlg_channel_move(bus.channel, 2), 0);
    say_moved(ENL_VMBUS_STATUS_FAILED);
    bus_events_are("m");
    assert_int_equal(bus.status, -ENL_E_IO);
    assert_int_equal(enlg_channel_vp(bus.channel), 1);
}

static void
move_depends_on_the_version(void **state)
{
    static const uint32_t versions[] = {ENL_VMBUS_VERSION_WIN10,
                                        ENL_VMBUS_VERSION_WIN10_4_1,
                                        ENL_VMBUS_VERSION_WIN10_5_2};
    uint32_t gpadl;

    (void)state;
    for (int i = 0; i < 3; i++) {
        bus_setup(NULL);
        bus_connect(versions[i]);
        bus_say_offer(BUS_RELID, 1);
        gpadl = open_and_share();
        bus_say_created(BUS_RELID, gpadl, 0);
        bus_say_opened(BUS_RELID, 0);
        bus_events_are("+o");
        assert_int_equal(enlg_channel_move(bus.channel, 1), i ? 0 : -ENL_E_NOTSUP);
        bus_events_are(i ? "m" : ""); /* at once: no answer will come */
        assert_int_equal(enlg_channel_vp(bus.channel), i ? 1 : 3);
    }
}

/* ---- GPADLs ---- */

static struct enlg_gpadl gpadl;
static char gpadl_events[8];
static int gpadl_status;

static void
gpadl_event(void *ctx, struct enlg_gpadl *g, enum enlg_gpadl_event event, int status)
{
    assert_ptr_equal(ctx, gpadl_events);
    assert_ptr_equal(g, &gpadl);
    gpadl_events[strlen(gpadl_events)] = event == ENLG_GPADL_CREATED ? 'c' : 't';
    gpadl_status = status;
}

static int
share(void *base, uint64_t len)
{
    struct enlg_gpadl_config config = {
        .base = base, .len = len, .event = gpadl_event, .ctx = gpadl_events};

    memset(gpadl_events, 0, sizeof(gpadl_events));
    rig_forget();
    bus.next = 0;
    return enlg_gpadl_create(&gpadl, bus.channel, &config);
}

/* The page numbers of all messages, in order; returns how many. */
static uint32_t
collect(uint64_t *pfns, uint32_t max)
{
    uint32_t len, count = 0, left;
    const uint8_t *m = rig_posted(bus.next++, &len, NULL);
    uint32_t handle = enlg_gpadl_handle(&gpadl), number = 0;

    assert_true(len >= 28 && (len - 28) % 8 == 0);
    left = (uint32_t)(m[16] | m[17] << 8) / 8 - 1; /* range_buf_len, less the range */
    for (uint32_t at = 28; at < len; at += 8)
        memcpy(&pfns[count++], m + at, 8);
    while (count < left) {
        struct enl_vmbus_gpadl_body body;

        m = rig_posted(bus.next++, &len, NULL);
        memcpy(&body, m, sizeof(body));
        assert_int_equal(body.head.type, ENL_VMBUS_GPADL_BODY);
        assert_int_equal(body.gpadl, handle);
        assert_int_equal(body.message_number, number++);
        assert_true(len > 16 && (len - 16) % 8 == 0 && len <= 240);
        for (uint32_t at = 16; at < len && count < max; at += 8)
            memcpy(&pfns[count++], m + at, 8);
    }
    assert_int_equal(count, left);
    bus_posted_nothing();
    return count;
}

static void
gpadl_lists_every_page_in_order(void **state)
{
    static const uint32_t lens[] = {
        1, 4096, 4097, 26 * 4096, 26 * 4096 + 1, 54 * 4096, 55 * 4096, 60 * 4096};
    struct enl_vmbus_gpadl_header header;
    struct enl_gpa_range range;
    uint64_t pfns[64];

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (uint32_t offset = 0; offset < 4096; offset += 1365) {
            uint8_t *base = (uint8_t *)rig_page(0) + offset;
            uint32_t want = (offset + lens[i] + 4095) / 4096;

            assert_int_equal(share(base, lens[i]), 0);
            memcpy(&header, rig_posted(0, NULL, NULL), sizeof(header));
            memcpy(&range, (const uint8_t *)rig_posted(0, NULL, NULL) + 20,
                   sizeof(range));
            assert_int_equal(header.head.type, ENL_VMBUS_GPADL_HEADER);
            assert_int_equal(header.range_count, 1);
            assert_int_equal(range.byte_count, lens[i]);
            assert_int_equal(range.byte_offset, offset);
            assert_int_equal(collect(pfns, 64), want);
            for (uint32_t page = 0; page < want; page++)
                assert_ptr_equal(rig_at(pfns[page] << 12), rig_page(page));
            bus_say_created(BUS_RELID, enlg_gpadl_handle(&gpadl), 0);
            assert_int_equal(enlg_gpadl_teardown(&gpadl), 0);
            bus_say_torndown(enlg_gpadl_handle(&gpadl));
            assert_string_equal(gpadl_events, "ct");
        }
    }
}

static void
gpadl_has_a_longest_length(void **state)
{
    uint64_t max = (uint64_t)ENLG_GPADL_PAGES * 4096;

    (void)state;
    rig.call_count = 0;
    assert_int_equal(share(rig_page(0), max + 1), -ENL_E_RANGE);
    assert_int_equal(share((uint8_t *)rig_page(0) + 1, max), -ENL_E_RANGE);
    assert_int_equal(share(rig_page(0), UINT64_MAX), -ENL_E_RANGE);
    assert_int_equal(share(rig_page(0), 0), -ENL_E_INVAL);
    assert_int_equal(rig.call_count, 0);
    assert_int_equal(share(rig_page(0), max), 0);
    assert_int_equal(rig.call_count, 1 + (ENLG_GPADL_PAGES - 26 + 27) / 28);
}

/* The words of all messages of the last create, in order; returns how many. */
static uint32_t
collect_words(uint64_t *words, uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig.call_count; i++) {
        uint32_t len, at = i ? 16 : 20;
        const uint8_t *m = rig_posted(i, &len, NULL);

        for (; at < len && count < max; at += 8)
            memcpy(&words[count++], m + at, 8);
    }
    return count;
}

static int
share_ranges(const struct enlg_gpadl_range *ranges, uint32_t count)
{
    struct enlg_gpadl_config config = {.ranges = ranges,
                                       .range_count = count,
                                       .event = gpadl_event,
                                       .ctx = gpadl_events};

    memset(gpadl_events, 0, sizeof(gpadl_events));
    rig_forget();
    bus.next = 0;
    return enlg_gpadl_create(&gpadl, bus.channel, &config);
}

static void
gpadl_of_several_ranges_lists_each(void **state)
{
    /* The second range's head is the last word of the header message. */
    const struct enlg_gpadl_range ranges[] = {{rig_page(0), 25 * 4096},
                                              {(uint8_t *)rig_page(40) + 512, 4096},
                                              {rig_page(50), 100}};
    struct enl_vmbus_gpadl_header header;
    uint64_t words[64];

    (void)state;
    assert_int_equal(share_ranges(ranges, 3), 0);
    memcpy(&header, rig_posted(0, NULL, NULL), sizeof(header));
    assert_int_equal(header.range_count, 3);
    assert_int_equal(header.range_buf_len, (26 + 3 + 2) * 8);
    assert_int_equal(rig.call_count, 2);
    assert_int_equal(collect_words(words, 64), 31);
    assert_int_equal(words[0], 25 * 4096);
    assert_ptr_equal(rig_at(words[25] << 12), rig_page(24));
    assert_true(words[26] == (4096 | UINT64_C(512) << 32));
    assert_ptr_equal(rig_at(words[27] << 12), rig_page(40));
    assert_ptr_equal(rig_at(words[28] << 12), rig_page(41));
    assert_int_equal(words[29], 100);
    assert_ptr_equal(rig_at(words[30] << 12), rig_page(50));
    bus_say_created(BUS_RELID, enlg_gpadl_handle(&gpadl), 0);
    assert_string_equal(gpadl_events, "c");
}

static void
gpadl_of_several_ranges_has_a_longest_list(void **state)
{
    struct enlg_gpadl_range ranges[2] = {{rig_page(0), 8188 * UINT64_C(4096)},
                                         {rig_page(0), 4096}};

    (void)state;
    assert_int_equal(share_ranges(ranges, 2), 0); /* 1 + 8188 + 1 + 1 words */
    bus_say_created(BUS_RELID, enlg_gpadl_handle(&gpadl), ENL_VMBUS_STATUS_FAILED);
    ranges[1].len = 4097;
    assert_int_equal(share_ranges(ranges, 2), -ENL_E_RANGE);
    ranges[1].len = 0;
    assert_int_equal(share_ranges(ranges, 2), -ENL_E_INVAL);
    ranges[1] = (struct enlg_gpadl_range){NULL, 4096};
    assert_int_equal(share_ranges(ranges, 2), -ENL_E_INVAL);
    assert_int_equal(share_ranges(ranges, 0), -ENL_E_INVAL);
    assert_int_equal(rig.call_count, 0);
}

/* 2 GiB and a bit, which no list can hold: piece after piece, a GPADL each. */
static void
gpadl_pieces_make_a_buffer_of_any_size(void **state)
{
    static struct enlg_gpadl pieces[66];
    uint64_t left = (UINT64_C(2) << 30) + 5000, shared = 0;
    uint8_t *at = (uint8_t *)rig_page(0) + 100;
    uint32_t count = 0;

    (void)state;
    while (left) {
        struct enlg_gpadl_config config = {.base = at,
                                           .len = enlg_gpadl_fit(at, left),
                                           .event = gpadl_event,
                                           .ctx = gpadl_events};

        assert_true(config.len != 0 && count < 66);
        rig_forget();
        assert_int_equal(enlg_gpadl_create(&pieces[count], bus.channel, &config), 0);
        assert_true(left == config.len || ((uintptr_t)at + config.len) % 4096 == 0);
        shared += config.len;
        left -= config.len;
        at = (uint8_t *)((uintptr_t)at + config.len);
        count++;
    }
    assert_true(shared == (UINT64_C(2) << 30) + 5000);
    assert_int_equal(count, 65);
    assert_int_equal(enlg_gpadl_handle(&pieces[64]) - enlg_gpadl_handle(&pieces[0]), 64);
}

/* A kernel whose own pages are 64 KiB: each 4 KiB of them is a page to the host. */
static void
gpadl_unit_is_4_kib_whatever_the_kernel_has(void **state)
{
    static _Alignas(65536) uint8_t memory[2 * 65536];
    uint64_t words[64];

    (void)state;
    assert_int_equal(share(memory + 61440, 8192), 0);
    assert_int_equal(collect_words(words, 64), 3);
    assert_ptr_equal(rig_at(words[1] << 12), memory + 61440);
    assert_ptr_equal(rig_at(words[2] << 12), memory + 65536);
}

static void
gpadl_that_cannot_be_posted_whole_is_free_again(void **state)
{
    (void)state;
    rig_forget();
    rig.result[0] = 0;
    rig.result[1] = ENL_HV_STATUS_INVALID_HYPERCALL_INPUT;
    rig.result_count = 2;
    bus.next = 0;
    memset(gpadl_events, 0, sizeof(gpadl_events));
    assert_int_equal(enlg_gpadl_create(&gpadl, bus.channel,
                                       &(struct enlg_gpadl_config){
                                           .base = rig_page(0),
                                           .len = 60 * 4096,
                                           .event = gpadl_event,
                                           .ctx = gpadl_events,
                                       }),
                     -ENL_E_INVAL);
    assert_string_equal(gpadl_events, "");
    bus_say_created(BUS_RELID, enlg_gpadl_handle(&gpadl), 0);
    assert_int_equal(bus_malformed(), 1);
    rig_forget();
    assert_int_equal(enlg_channel_close(bus.channel), 0);
}

static void
gpadl_handles_are_never_the_same(void **state)
{
    uint32_t last = bus.ring_gpadl;

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(share(rig_page(0), 100), 0);
        assert_true(enlg_gpadl_handle(&gpadl) > last);
        last = enlg_gpadl_handle(&gpadl);
        bus_say_created(BUS_RELID, last, ENL_VMBUS_STATUS_FAILED);
        assert_string_equal(gpadl_events, "c");
        assert_int_equal(gpadl_status, -ENL_E_IO);
    }
}

static void
gpadl_answers_count_only_when_they_are_due(void **state)
{
    uint32_t handle;

    (void)state;
    assert_int_equal(share(rig_page(0), 100), 0);
    handle = enlg_gpadl_handle(&gpadl);
    assert_int_equal(enlg_gpadl_teardown(&gpadl), -ENL_E_INVAL); /* not created yet */
    bus_say_torndown(handle);
    assert_int_equal(bus_malformed(), 1);
    bus_say_created(BUS_RELID, handle, 0);
    bus_say_created(BUS_RELID, handle, 0);
    assert_int_equal(bus_malformed(), 2);
    bus_say_torndown(handle);
    assert_int_equal(bus_malformed(), 3);
    assert_string_equal(gpadl_events, "c");
    assert_int_equal(enlg_channel_close(bus.channel), -ENL_E_BUSY);
    assert_int_equal(enlg_gpadl_teardown(&gpadl), 0);
    assert_int_equal(enlg_gpadl_teardown(&gpadl), -ENL_E_INVAL);
    bus_say_torndown(handle);
    assert_string_equal(gpadl_events, "ct");
    assert_int_equal(enlg_channel_close(bus.channel), 0);
}

static void
gpadl_of_a_rescinded_channel_comes_back(void **state)
{
    uint32_t handle;

    (void)state;
    assert_int_equal(share(rig_page(0), 100), 0);
    handle = enlg_gpadl_handle(&gpadl);
    bus.next = rig.call_count;
    bus_say_rescind(BUS_RELID); /* CREATED has not come */
    posted_teardown(handle);
    bus_events_are("r");
    assert_int_equal(enlg_channel_close(bus.channel), -ENL_E_BUSY);
    bus_say_created(BUS_RELID, handle, 0);
    assert_string_equal(gpadl_events, "");
    bus_say_torndown(handle);
    assert_string_equal(gpadl_events, "c");
    assert_int_equal(gpadl_status, -ENL_E_CONNRESET);
    assert_int_equal(enlg_channel_close(bus.channel), 0);
}

static void
gpadl_that_is_live_at_an_unload_comes_back(void **state)
{
    (void)state;
    assert_int_equal(share(rig_page(0), 100), 0);
    bus_say_created(BUS_RELID, enlg_gpadl_handle(&gpadl), 0);
    assert_int_equal(enlg_vmbus_unload(&bus.bus), 0);
    bus_say_type(ENL_VMBUS_UNLOAD_RESPONSE);
    assert_string_equal(gpadl_events, "ct");
    assert_int_equal(gpadl_status, -ENL_E_CONNRESET);
    bus_events_are("c-U");
}

/* ---- the second mapping ---- */

static uint32_t twice_count;
static bool twice_refused;

/* As good as a mapping for one that is never used: the ring is put elsewhere. */
static void *
map_twice(void *data, size_t len)
{
    static _Alignas(4096) uint8_t memory[2][4 * ENL_PAGE_SIZE];

    assert_true(data == bus_ring() + ENL_PAGE_SIZE ||
                data == bus_ring() + BUS_SEND_LEN + ENL_PAGE_SIZE);
    assert_true(2 * len <= sizeof(memory[0]));
    if (twice_refused)
        return NULL;
    return memory[twice_count++];
}

static void
unmap_twice(void *twice, size_t len)
{
    (void)len;
    assert_non_null(twice);
    twice_count--;
}

static int
setup_twice(void **state)
{
    twice_count = 0;
    twice_refused = false;
    bus_setup_offered(state);
    rig.map_twice = map_twice;
    rig.unmap_twice = unmap_twice;
    return 0;
}

static void
ring_uses_the_second_mapping(void **state)
{
    struct enlg_send send = {"payload", 7, false, 1};
    struct enl_ring_header *header = (struct enl_ring_header *)bus_ring();
    uint64_t word;

    (void)state;
    assert_int_equal(bus_open(), 0);
    bus_say_open(BUS_RELID, bus_ring());
    assert_int_equal(twice_count, 2);
    assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    assert_int_equal(header->write_index, 32);
    memcpy(&word, bus_ring() + ENL_PAGE_SIZE, sizeof(word));
    assert_true(word == 0); /* the packet is in the mapping */
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    assert_int_equal(twice_count, 2); /* until the host has let go */
    bus_say_torndown(bus.ring_gpadl);
    assert_int_equal(twice_count, 0);
}

static void
ring_does_without_a_second_mapping(void **state)
{
    struct enlg_send send = {"payload", 7, false, 1};
    struct enl_ring_packet p;

    (void)state;
    twice_refused = true;
    assert_int_equal(bus_open(), 0);
    bus_say_open(BUS_RELID, bus_ring());
    assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    assert_int_equal(enl_ring_get(&bus.from_guest, &p), 1);
}

#define TWICE(f)   cmocka_unit_test_setup(f, setup_twice)
#define OFFERED(f) cmocka_unit_test_setup(f, bus_setup_offered)
#define OPEN(f)    cmocka_unit_test_setup(f, bus_setup_open)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        OFFERED(open_shares_the_rings_then_asks),
        OFFERED(open_refused_by_the_device_gives_the_memory_back),
        OFFERED(open_without_memory_on_the_host_fails),
        OFFERED(open_that_cannot_be_posted_leaves_it_closed),
        OFFERED(open_checks_its_config),
        OPEN(close_takes_the_memory_back_before_it_says_closed),
        OFFERED(close_while_opening_waits_for_the_answer),
        OFFERED(close_while_sharing_opens_nothing),
        OPEN(rescind_of_an_open_channel_is_released_after_the_close),
        OFFERED(rescind_while_opening_ends_the_wait),
        OFFERED(rescind_while_sharing_ends_the_wait),
        OPEN(rescind_while_closing_ends_the_wait),
        OPEN(rescinded_instance_may_come_back_before_it_is_gone),
        OPEN(move_takes_effect_with_the_answer),
        OFFERED(move_depends_on_the_version),
        OPEN(gpadl_lists_every_page_in_order),
        OPEN(gpadl_has_a_longest_length),
        OPEN(gpadl_of_several_ranges_lists_each),
        OPEN(gpadl_of_several_ranges_has_a_longest_list),
        OPEN(gpadl_pieces_make_a_buffer_of_any_size),
        OPEN(gpadl_unit_is_4_kib_whatever_the_kernel_has),
        OPEN(gpadl_that_cannot_be_posted_whole_is_free_again),
        OPEN(gpadl_handles_are_never_the_same),
        OPEN(gpadl_answers_count_only_when_they_are_due),
        OPEN(gpadl_of_a_rescinded_channel_comes_back),
        OPEN(gpadl_that_is_live_at_an_unload_comes_back),
        TWICE(ring_uses_the_second_mapping),
        TWICE(ring_does_without_a_second_mapping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
