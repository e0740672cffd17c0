/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_net.c - the NIC driver's start, its queues and its end
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_net_rig.h"

/* ---- start ---- */

static void
start_asks_in_order_and_tells_what_was_agreed(void **state)
{
    struct enlg_net_info info;

    (void)state;
    nic_become_ready(0);
    enlg_net_info(&nic.net, &info);
    assert_memory_equal(info.address, "\x00\x15\x5d\x01\x02\x03", 6);
    assert_int_equal(info.mtu, 1500);
    assert_true(info.link_up);
    assert_int_equal(info.link_mbit, 10);
    assert_int_equal(info.checksum, ENLG_NET_CHECKSUM_IP | ENLG_NET_CHECKSUM_TCP |
                                        ENLG_NET_CHECKSUM_UDP);
    assert_int_equal(info.checksum_ipv6, 0);
    assert_int_equal(info.segment, 62000);
    assert_int_equal(info.segment_ipv6, 0);
    assert_int_equal(info.version, ENL_NVSP_VERSION_6_1);
}

static void
start_steps_down_to_a_common_version(void **state)
{
    static const uint32_t versions[] = {0x60001, 0x60000, 0x50000, 0x40000, 0x30002, 2};
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_INIT_COMPLETE,
        .u.init_complete = {ENL_NVSP_VERSION_NONE, 0, ENL_NVSP_STATUS_PROTOCOL_TOO_NEW},
    };

    (void)state;
    nic_start(0);
    for (int i = 0; i < 6; i++) {
        nic_take(ENL_NVSP_INIT);
        assert_int_equal(nic.message.u.init.max_version, versions[i]);
        assert_int_equal(nic_complete(&m), i < 5 ? 1 : -ENL_E_NOTSUP);
    }
    assert_int_equal(enlg_net_poll(&nic.net), -ENL_E_NOTSUP);
    assert_string_equal(nic.events, "");
}

static void
start_of_the_first_version_has_no_configuration(void **state)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_INIT_COMPLETE,
        .u.init_complete.status = ENL_NVSP_STATUS_PROTOCOL_TOO_NEW,
    };

    (void)state;
    nic_start(0);
    for (int i = 0; i < 5; i++) {
        nic_take(ENL_NVSP_INIT);
        assert_int_equal(nic_complete(&m), 1);
    }
    nic_accept_version();
    nic_take(ENL_NVSP_NDIS_VERSION);
    assert_int_equal(nic.message.u.ndis_version.minor, 1);
    nic_accept_buffer();
    nic_take_question(ENL_RNDIS_INITIALIZE, 0);
}

static void
start_waits_until_its_question_is_its_own_again(void **state)
{
    struct enl_rndis_initialize_complete a = {0};

    (void)state;
    nic_start(0);
    nic_accept_version();
    nic_take(ENL_NVSP_NDIS_CONFIG);
    nic_take(ENL_NVSP_NDIS_VERSION);
    nic_accept_buffer();
    nic_take_question(ENL_RNDIS_INITIALIZE, 0);
    a.request_id = nic_request_id();
    uint64_t id = nic.taken.transaction_id;
    assert_int_equal(
        nic_say_message(ENL_RNDIS_INITIALIZE | ENL_RNDIS_COMPLETION, &a, sizeof(a)), 1);
    nic_taken_back();
    nic_take_nothing(); /* the host may still read the question */
    nic.taken.transaction_id = id;
    assert_int_equal(nic_carried(), 1);
    nic_take_question(ENL_RNDIS_QUERY, ENL_OID_PERMANENT_ADDRESS);
}

static void
start_without_offloads_goes_on(void **state)
{
    struct enlg_net_info info;

    (void)state;
    nic_start(0);
    nic_accept_version();
    nic_take(ENL_NVSP_NDIS_CONFIG);
    nic_take(ENL_NVSP_NDIS_VERSION);
    nic_accept_buffer();
    nic_accept_initialize();
    nic_good_query(ENL_OID_PERMANENT_ADDRESS, "\x00\x15\x5d\x01\x02\x03", 6);
    nic_taken_back();
    nic_take_question(ENL_RNDIS_QUERY, ENL_OID_OFFLOAD_CAPABILITIES);
    assert_int_equal(nic_answer(ENL_RNDIS_QUERY, ENL_RNDIS_STATUS_NOT_SUPPORTED, "", 0),
                     1);
    nic_taken_back();
    nic_take_question(ENL_RNDIS_SET, ENL_OID_OFFLOAD_PARAMETERS);
    enlg_net_info(&nic.net, &info);
    assert_int_equal(info.checksum, 0);
    assert_int_equal(info.segment, 0);
}

static void
start_that_the_host_refuses_fails(void **state)
{
    (void)state;
    nic_start(0);
    nic_accept_version();
    nic_take(ENL_NVSP_NDIS_CONFIG);
    nic_take(ENL_NVSP_NDIS_VERSION);
    nic_accept_buffer();
    nic_accept_initialize();
    nic_take_question(ENL_RNDIS_QUERY, ENL_OID_PERMANENT_ADDRESS);
    assert_int_equal(nic_answer(ENL_RNDIS_QUERY, ENL_RNDIS_STATUS_FAILURE, "", 0),
                     -ENL_E_IO);
    assert_int_equal(enlg_net_poll(&nic.net), -ENL_E_IO);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_INVAL);
}

static void
start_without_a_receive_buffer_is_lost(void **state)
{
    (void)state;
    bus_say_created(BUS_RELID, nic_start_lending(0), ENL_VMBUS_STATUS_NO_RESOURCES);
    assert_string_equal(nic.events, "l");
}

static void
start_checks_its_configuration(void **state)
{
    struct enlg_net_config config = nic_config(0);

    (void)state;
    config.receive_len = 65536 - 4096;
    assert_int_equal(enlg_net_start(&nic.net, bus.channel, &config), -ENL_E_INVAL);
    config = nic_config(ENLG_NET_QUEUES_MAX);
    assert_int_equal(enlg_net_start(&nic.net, bus.channel, &config), -ENL_E_INVAL);
    config = nic_config(0);
    config.room = NULL;
    assert_int_equal(enlg_net_start(&nic.net, bus.channel, &config), -ENL_E_INVAL);
    bus_posted_nothing();
}

/* ---- more queues ---- */

#define SUB_RELID 9u

static struct enlg_net_queue queue;
static struct enlg_request_slot queue_slots[NIC_SLOTS];
static uint64_t queue_buffer[ENLG_NET_BUFFER_LEN / 8];
static char queue_events[8];

static void
on_queue_event(void *ctx, struct enlg_net *n, enum enlg_net_event event)
{
    assert_ptr_equal(ctx, queue_events);
    assert_ptr_equal(n, &nic.net);
    queue_events[strlen(queue_events)] = "RLls"[event];
}

static void
say_subchannel(void)
{
    struct enl_vmbus_offer m = {
        .head.type = ENL_VMBUS_OFFER_CHANNEL,
        .relid = SUB_RELID,
        .subchannel_index = 1,
        .is_dedicated = 1,
        .connection_id = 0x2000 | SUB_RELID,
    };

    m.instance_id.b[3] = 1;
    bus_say(&m, sizeof(m));
}

static struct enlg_channel *
start_queue(uint32_t *ring_gpadl)
{
    struct enlg_net_config config = nic_config(0);
    struct enlg_channel *sub;
    struct enl_vmbus_gpadl_header header;

    memset(queue_events, 0, sizeof(queue_events));
    say_subchannel();
    sub = bus.channel;
    config.ring = rig_page(44);
    config.send_len = 8192;
    config.recv_len = 8192;
    config.slots = queue_slots;
    config.buffer = queue_buffer;
    config.event = on_queue_event;
    config.ctx = queue_events;
    assert_int_equal(enlg_net_queue_start(&queue, &nic.net, sub, &config), 0);
    nic_posted(ENL_VMBUS_GPADL_HEADER, &header, sizeof(header));
    *ring_gpadl = header.gpadl;
    bus_say_created(SUB_RELID, header.gpadl, 0);
    nic_posted(ENL_VMBUS_OPEN_CHANNEL, NULL, 148);
    bus_say_opened(SUB_RELID, 0);
    return sub;
}

static void
spread_is_asked(uint32_t every)
{
    const struct enl_rndis_query *query = (const void *)(nic.rndis + NIC_HEAD_LEN);
    const struct enl_ndis_rss_parameters *rss = (const void *)(query + 1);
    const uint32_t *table;

    nic_take_question(ENL_RNDIS_SET, ENL_OID_RSS_PARAMETERS);
    assert_int_equal(rss->table_len, 512);
    assert_int_equal(rss->key_len, 40);
    assert_int_equal(rss->hash & 0xFF, ENL_NDIS_HASH_TOEPLITZ);
    table = (const void *)((const uint8_t *)rss + rss->table_offset);
    for (uint32_t i = 0; i < 128; i++)
        assert_int_equal(table[i], i % every);
    assert_int_equal(nic_answer(ENL_RNDIS_SET, 0, "", 0), 1);
    nic_taken_back();
}

static void
queues_that_open_and_close_are_spread_over(void **state)
{
    uint32_t ring_gpadl;

    (void)state;
    nic_become_ready(2);
    start_queue(&ring_gpadl);
    assert_int_equal(enlg_net_poll(&nic.net), 0);
    spread_is_asked(2);
    nic_take_nothing();
    assert_int_equal(enlg_net_queue_stop(&queue), 0);
    nic_posted(ENL_VMBUS_CLOSE_CHANNEL, NULL, 12);
    nic_posted(ENL_VMBUS_GPADL_TEARDOWN, NULL, 16);
    bus_say_torndown(ring_gpadl);
    assert_string_equal(queue_events, "s");
    assert_int_equal(enlg_net_poll(&nic.net), 0);
    spread_is_asked(1);
}

static void
queue_needs_a_sub_channel_of_its_nic(void **state)
{
    struct enlg_net_config config = nic_config(0);

    (void)state;
    nic_become_ready(2);
    assert_int_equal(enlg_net_queue_start(&queue, &nic.net, bus.channel, &config),
                     -ENL_E_INVAL);
}

/* ---- the end ---- */

static void
stop_takes_the_buffer_back_first(void **state)
{
    struct enl_vmbus_gpadl_teardown teardown;

    (void)state;
    nic_become_ready(0);
    nic_send_pieces(100, 0);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
    assert_int_equal(enlg_net_stop(&nic.net), 0);
    (void)nic_sent_packet();
    nic_take(ENL_NVSP_REVOKE_RECEIVE_BUFFER);
    nic_posted(ENL_VMBUS_GPADL_TEARDOWN, &teardown, sizeof(teardown));
    bus_posted_nothing();
    bus_say_torndown(teardown.gpadl);
    nic_posted(ENL_VMBUS_CLOSE_CHANNEL, NULL, 12);
    nic_posted(ENL_VMBUS_GPADL_TEARDOWN, &teardown, sizeof(teardown));
    assert_int_equal(nic.done, 0);
    bus_say_torndown(teardown.gpadl);
    assert_int_equal(nic.done, 1);
    assert_int_equal(nic.send.result, -ENL_E_CANCELED);
    assert_string_equal(nic.events, "Rs");
    assert_int_equal(enlg_net_stop(&nic.net), -ENL_E_INVAL);
}

static void
stop_while_the_buffer_is_being_lent_waits_for_it(void **state)
{
    uint32_t gpadl = nic_start_lending(0);
    struct enl_vmbus_gpadl_teardown teardown;

    (void)state;
    assert_int_equal(enlg_net_stop(&nic.net), 0);
    bus_posted_nothing();
    bus_say_created(BUS_RELID, gpadl, 0);
    nic_posted(ENL_VMBUS_GPADL_TEARDOWN, &teardown, sizeof(teardown));
    bus_say_torndown(gpadl);
    nic_posted(ENL_VMBUS_CLOSE_CHANNEL, NULL, 12);
}

static void
rescind_is_told_and_the_end_follows(void **state)
{
    struct enl_vmbus_gpadl_teardown teardown;

    (void)state;
    nic_become_ready(0);
    bus_say_rescind(BUS_RELID);
    assert_string_equal(nic.events, "Rl");
    assert_int_equal(enlg_net_poll(&nic.net), -ENL_E_CONNRESET);
    assert_int_equal(enlg_net_stop(&nic.net), 0);
    nic_posted(ENL_VMBUS_GPADL_TEARDOWN, &teardown, sizeof(teardown));
    bus_say_torndown(teardown.gpadl);
    nic_posted(ENL_VMBUS_CLOSE_CHANNEL, NULL, 12);
    nic_posted(ENL_VMBUS_GPADL_TEARDOWN, &teardown, sizeof(teardown));
    bus_say_torndown(teardown.gpadl);
    assert_string_equal(nic.events, "Rls");
}

#define TEST(f) cmocka_unit_test_setup(f, bus_setup_offered)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(start_asks_in_order_and_tells_what_was_agreed),
        TEST(start_steps_down_to_a_common_version),
        TEST(start_of_the_first_version_has_no_configuration),
        TEST(start_waits_until_its_question_is_its_own_again),
        TEST(start_without_offloads_goes_on),
        TEST(start_that_the_host_refuses_fails),
        TEST(start_without_a_receive_buffer_is_lost),
        TEST(start_checks_its_configuration),
        TEST(queues_that_open_and_close_are_spread_over),
        TEST(queue_needs_a_sub_channel_of_its_nic),
        TEST(stop_takes_the_buffer_back_first),
        TEST(stop_while_the_buffer_is_being_lent_waits_for_it),
        TEST(rescind_is_told_and_the_end_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
