/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_packet.c - three ways to send, one to receive, ids, and signals
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/guest/requests.h"
#include "guest_bus_rig.h"

static uint8_t got[4096];

/* The host takes a packet: what is behind its first 16 bytes is in got. */
static void
host_takes(struct enl_ring_packet *p)
{
    assert_int_equal(enl_ring_get(&bus.from_guest, p), 1);
    assert_true(p->desc_len - 16 + p->payload_len <= sizeof(got));
    assert_int_equal(
        enl_ring_copy(&bus.from_guest, p, 16, got, p->desc_len - 16 + p->payload_len), 0);
}

static void
host_puts(uint16_t type, uint64_t id, const void *data, uint32_t len, uint32_t desc_extra)
{
    struct enl_ring_piece piece = {data, len};

    assert_int_equal(
        enl_ring_put(&bus.to_guest, type, 1, id, &piece, len ? 1 : 0, desc_extra), 0);
    (void)enl_ring_publish(&bus.to_guest);
}

static uint32_t
signals_sent(void)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < rig.call_count; i++) {
        if (rig.call[i].control != 0x1005d)
            continue;
        assert_int_equal(rig.call[i].input, BUS_CONNECTION);
        n++;
    }
    return n;
}

static void
packet_with_data_in_it(void **state)
{
    struct enlg_send send = {"payload", 7, true, 0x1122334455667788};
    struct enl_ring_packet p;

    (void)state;
    assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    assert_int_equal(enl_ring_get(&bus.from_guest, &p), 0); /* not shown yet */
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    host_takes(&p);
    assert_int_equal(p.type, ENL_PACKET_INBAND);
    assert_int_equal(p.flags, 1);
    assert_true(p.transaction_id == 0x1122334455667788);
    assert_int_equal(p.desc_len, 16);
    assert_int_equal(p.payload_len, 8);
    assert_memory_equal(got, "payload\0", 8);
}

static void
packet_with_a_list_of_page_buffers(void **state)
{
    struct enlg_send send = {"xy", 2, false, 9};
    struct enlg_page_buffer pages[2] = {{100, 4000 - 4, 77}, {4096, 0, 78}};
    struct enl_ring_packet p;
    uint32_t words[2];

    (void)state;
    assert_int_equal(enlg_packet_put_pages(bus.channel, &send, pages, 2), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    host_takes(&p);
    assert_int_equal(p.type, ENL_PACKET_GPA_DIRECT);
    assert_int_equal(p.flags, 0);
    assert_int_equal(p.desc_len, 24 + 2 * 16);
    memcpy(words, got, 8);
    assert_int_equal(words[0], 0);
    assert_int_equal(words[1], 2);
    assert_memory_equal(got + 8, pages, sizeof(pages));
    assert_memory_equal(got + 8 + sizeof(pages), "xy", 2);
    assert_int_equal(enlg_packet_put_pages(bus.channel, &send, pages, 0), -ENL_E_MSGSIZE);
}

static void
packet_with_one_buffer_of_many_pages(void **state)
{
    struct enlg_send send = {"xy", 2, true, 9};
    uint8_t *base = (uint8_t *)rig_page(20) + 100;
    struct enlg_multipage buffer;
    struct enl_ring_packet p;
    uint64_t pfns[4];
    uint32_t words[4];

    (void)state;
    assert_int_equal(
        enlg_packet_pages_of(&rig.partition, base, 3 * 4096 - 99, pfns, 3, &buffer),
        -ENL_E_RANGE);
    assert_int_equal(
        enlg_packet_pages_of(&rig.partition, base, 3 * 4096 - 99, pfns, 4, &buffer), 0);
    assert_int_equal(enlg_packet_put_multipage(bus.channel, &send, &buffer), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    host_takes(&p);
    assert_int_equal(p.desc_len, 24 + 8 + 4 * 8);
    memcpy(words, got, 16);
    assert_int_equal(words[1], 1);
    assert_int_equal(words[2], 3 * 4096 - 99);
    assert_int_equal(words[3], 100);
    memcpy(pfns, got + 16, sizeof(pfns));
    for (uint32_t i = 0; i < 4; i++)
        assert_ptr_equal(rig_at(pfns[i] << 12), rig_page(20 + i));
    buffer.page_count = 3;
    assert_int_equal(enlg_packet_put_multipage(bus.channel, &send, &buffer),
                     -ENL_E_MSGSIZE);
}

static void
publish_signals_once_for_a_batch(void **state)
{
    struct enlg_send send = {"payload", 7, false, 1};
    struct enl_ring_packet p;

    (void)state;
    rig_forget();
    for (int i = 0; i < 5; i++)
        assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    assert_int_equal(signals_sent(), 1);
    assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    assert_int_equal(signals_sent(), 1); /* the host has not slept since */
    while (enl_ring_get(&bus.from_guest, &p) == 1)
        ;
    (void)enl_ring_release(&bus.from_guest);
    enl_ring_mask(&bus.from_guest, true);
    assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    assert_int_equal(signals_sent(), 1); /* the host asked for none */
}

static void
channel_without_an_interrupt_of_its_own_sets_its_bit(void **state)
{
    struct enl_vmbus_offer offer = {.head.type = ENL_VMBUS_OFFER_CHANNEL,
                                    .relid = 37,
                                    .connection_id = ENL_VMBUS_CONNECTION_EVENT};
    struct enlg_send send = {"payload", 7, false, 1};
    uint32_t *words = (uint32_t *)((uint8_t *)rig_page(50) + 2048);
    struct enl_vmbus_gpadl_header header;

    (void)state;
    bus_connect(ENL_VMBUS_VERSION_WIN8);
    bus_say(&offer, sizeof(offer));
    assert_int_equal(bus_open(), 0);
    bus_posted(ENL_VMBUS_GPADL_HEADER, &header, sizeof(header));
    bus_say_created(37, header.gpadl, 0);
    bus_say_opened(37, 0);
    rig_forget();
    assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    assert_int_equal(words[1], 1u << 5);
    assert_int_equal(rig.call_count, 1);
    assert_int_equal(rig.call[0].input, ENL_VMBUS_CONNECTION_EVENT);
}

static void
full_ring_waits_for_room(void **state)
{
    uint8_t payload[480];
    struct enlg_send send = {payload, sizeof(payload), false, 1};
    struct enl_ring_header *header = (void *)bus_ring();
    struct enl_ring_packet p;
    int n = 0;

    (void)state;
    memset(payload, 1, sizeof(payload));
    while (enlg_packet_put(bus.channel, &send) == 0)
        n++;
    assert_int_equal(n, 8); /* of 504 bytes; the ring is never quite full */
    assert_int_equal(enlg_packet_put(bus.channel, &send), -ENL_E_AGAIN);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
    assert_false(enlg_packet_wait(bus.channel, sizeof(payload), 0));
    assert_int_equal(header->pending_send_size, 504);
    assert_int_equal(enl_ring_get(&bus.from_guest, &p), 1);
    assert_true(enl_ring_release(&bus.from_guest)); /* the host knows to signal */
    assert_true(enlg_packet_wait(bus.channel, sizeof(payload), 0));
    assert_int_equal(enlg_packet_put(bus.channel, &send), 0);
    send.payload_len = 4096;
    assert_int_equal(enlg_packet_put(bus.channel, &send), -ENL_E_MSGSIZE);
}

static void
packet_from_the_host_is_copied_out(void **state)
{
    uint64_t buffer[8];
    uint8_t wire[24] = "descdescpayloadpayload!";
    struct enlg_packet p;

    (void)state;
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p), 0);
    host_puts(ENL_PACKET_TRANSFER_PAGES, 77, wire, sizeof(wire), 8);
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p), 1);
    assert_int_equal(p.type, ENL_PACKET_TRANSFER_PAGES);
    assert_true(p.wants_completion);
    assert_int_equal(p.transaction_id, 77);
    assert_int_equal(p.desc_len, 8);
    assert_int_equal(p.payload_len, 16);
    memset(bus_ring() + BUS_SEND_LEN + 4096, 0xFF, 64); /* the host changes its mind */
    assert_memory_equal(p.desc, "descdesc", 8);
    assert_memory_equal(p.payload, "payloadpayload!", 16);
    assert_int_equal(enlg_packet_complete(bus.channel, p.transaction_id, "ok", 2), 0);
    assert_int_equal(enlg_packet_publish(bus.channel), 0);
}

static void
packet_longer_than_the_buffer_is_lost_alone(void **state)
{
    uint64_t buffer[4];
    uint8_t wire[64] = {0};
    struct enlg_packet p;

    (void)state;
    host_puts(ENL_PACKET_INBAND, 1, wire, sizeof(wire), 0);
    host_puts(ENL_PACKET_INBAND, 2, wire, 32, 0);
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p),
                     -ENL_E_MSGSIZE);
    assert_int_equal(p.payload_len, 64);
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p), 1);
    assert_int_equal(p.transaction_id, 2);
}

static void
ring_that_the_host_broke_is_noticed(void **state)
{
    struct enl_ring_header *header = (void *)(bus_ring() + BUS_SEND_LEN);
    uint64_t buffer[4];
    struct enlg_packet p;

    (void)state;
    header->write_index = BUS_RECV_LEN;
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p),
                     -ENL_E_PROTO);
    header->write_index = 12;
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p),
                     -ENL_E_PROTO);
    header->write_index = 64; /* a packet of nothing */
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p),
                     -ENL_E_PROTO);
}

static void
sleep_looks_once_more(void **state)
{
    struct enl_ring_header *header = (void *)(bus_ring() + BUS_SEND_LEN);
    uint64_t buffer[4];
    struct enlg_packet p;

    (void)state;
    enlg_packet_mask(bus.channel);
    assert_int_equal(header->interrupt_mask, 1);
    host_puts(ENL_PACKET_INBAND, 1, NULL, 0, 0);
    assert_true(enlg_packet_sleep(bus.channel));
    assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p), 1);
    assert_int_equal(header->read_index, 0);
    assert_false(enlg_packet_sleep(bus.channel));
    assert_int_equal(header->read_index, header->write_index);
    assert_int_equal(header->interrupt_mask, 0);
}

static void
channel_that_is_rescinded_or_closed_takes_nothing(void **state)
{
    struct enlg_send send = {"payload", 7, false, 1};
    uint64_t buffer[4];
    struct enlg_packet p;

    (void)state;
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            bus_say_rescind(BUS_RELID);
        else
            assert_int_equal(enlg_channel_close(bus.channel), 0);
        rig_forget();
        assert_int_equal(enlg_packet_put(bus.channel, &send), -ENL_E_CONNRESET);
        assert_int_equal(enlg_packet_publish(bus.channel), -ENL_E_CONNRESET);
        assert_int_equal(enlg_packet_get(bus.channel, buffer, sizeof(buffer), &p),
                         -ENL_E_CONNRESET);
        assert_false(enlg_packet_sleep(bus.channel));
        assert_int_equal(rig.call_count, 0);
    }
}

/* ---- ids ---- */

static struct enlg_requests requests;
static struct enlg_request_slot slots[3];

static void
request_ids_are_good_for_one_answer(void **state)
{
    uint64_t id, other;
    int cookie;

    (void)state;
    enlg_requests_init(&requests, slots, 3);
    assert_int_equal(enlg_requests_get(&requests, &cookie, &id), 0);
    assert_true(id != 0);
    assert_null(enlg_requests_put(&requests, id + 1));
    assert_null(enlg_requests_put(&requests, id + 0x10000));
    assert_null(enlg_requests_put(&requests, 0));
    assert_null(enlg_requests_put(&requests, UINT64_MAX));
    assert_ptr_equal(enlg_requests_put(&requests, id), &cookie);
    assert_null(enlg_requests_put(&requests, id));
    assert_int_equal(enlg_requests_get(&requests, &cookie, &other), 0);
    assert_true(id != other);
    assert_null(enlg_requests_put(&requests, id)); /* of the same slot, earlier */
}

static void
request_table_has_an_end(void **state)
{
    uint64_t id[4];
    int cookies[3];

    (void)state;
    enlg_requests_init(&requests, slots, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(enlg_requests_get(&requests, &cookies[i], &id[i]), 0);
    assert_int_equal(enlg_requests_get(&requests, cookies, &id[3]), -ENL_E_AGAIN);
    assert_ptr_equal(enlg_requests_put(&requests, id[1]), &cookies[1]);
    assert_int_equal(enlg_requests_get(&requests, &cookies[1], &id[3]), 0);
    for (int i = 0; i < 3; i++)
        assert_non_null(enlg_requests_take_any(&requests));
    assert_null(enlg_requests_take_any(&requests));
}

#define OPEN(f) cmocka_unit_test_setup(f, bus_setup_open)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        OPEN(packet_with_data_in_it),
        OPEN(packet_with_a_list_of_page_buffers),
        OPEN(packet_with_one_buffer_of_many_pages),
        OPEN(publish_signals_once_for_a_batch),
        cmocka_unit_test_setup(channel_without_an_interrupt_of_its_own_sets_its_bit,
                               bus_setup),
        OPEN(full_ring_waits_for_room),
        OPEN(packet_from_the_host_is_copied_out),
        OPEN(packet_longer_than_the_buffer_is_lost_alone),
        OPEN(ring_that_the_host_broke_is_noticed),
        OPEN(sleep_looks_once_more),
        OPEN(channel_that_is_rescinded_or_closed_takes_nothing),
        cmocka_unit_test(request_ids_are_good_for_one_answer),
        cmocka_unit_test(request_table_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
