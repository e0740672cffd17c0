/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_net_frames.c - frames out of the NIC driver and into it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_net_rig.h"

/* ---- frames out ---- */

static void
frame_goes_out_where_it_lies(void **state)
{
    struct enl_rndis_packet packet;

    (void)state;
    nic_become_ready(0);
    nic_send_pieces(20, 200);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
    nic_take_nothing();
    assert_int_equal(enlg_net_kick(&nic.net), 0);
    packet = nic_sent_packet();
    assert_int_equal(packet.data_offset, sizeof(packet));
    assert_int_equal(packet.data_len, 220);
    assert_int_equal(packet.info_len, 0);
    assert_int_equal(nic.rndis[44], 0xA1);
    assert_int_equal(nic.rndis[44 + 20], 0xB2);
    assert_int_equal(nic.rndis[44 + 20 + 95], 0xB2);
    assert_int_equal(nic.rndis[44 + 20 + 96], 0xC3);
    assert_int_equal(nic.done, 0);
    assert_int_equal(nic_carried(), 1);
    assert_int_equal(nic.done, 1);
    assert_int_equal(nic.send.result, 0);
}

static void
frame_asks_for_its_offloads(void **state)
{
    struct enl_rndis_packet packet;

    (void)state;
    nic_become_ready(0);
    nic_send_pieces(100, 0);
    nic.send.checksum = ENLG_NET_CHECKSUM_TCP;
    nic.send.header_offset = 34;
    nic.send.vlan = 3 << 13 | 5;
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
    assert_int_equal(enlg_net_kick(&nic.net), 0);
    packet = nic_sent_packet();
    assert_int_equal(packet.info_len, 32);
    assert_int_equal(nic_sent_info(&packet, 0, ENL_RNDIS_INFO_CHECKSUM),
                     ENL_RNDIS_TX_CHECKSUM_IPV4 | ENL_RNDIS_TX_CHECKSUM_TCP | 34u << 16);
    assert_int_equal(nic_sent_info(&packet, 1, ENL_RNDIS_INFO_VLAN), 5u << 4 | 3);
    assert_int_equal(packet.data_offset, sizeof(packet) + 32);
    assert_int_equal(nic_carried(), 1);

    nic.send.segment_len = 1460;
    nic.send.vlan = ENLG_NET_NO_VLAN;
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
    assert_int_equal(enlg_net_kick(&nic.net), 0);
    packet = nic_sent_packet();
    assert_int_equal(packet.info_len, 16);
    assert_int_equal(nic_sent_info(&packet, 0, ENL_RNDIS_INFO_LSO),
                     1460 | 34u << 20 | ENL_RNDIS_LSO_VERSION_2);
}

static void
frame_has_no_offload_that_was_not_agreed_on(void **state)
{
    (void)state;
    nic_become_ready(0);
    nic_send_pieces(100, 0);
    nic.send.checksum = ENLG_NET_IPV6 | ENLG_NET_CHECKSUM_TCP;
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_INVAL);
    nic.send.checksum = ENLG_NET_IPV6;
    nic.send.segment_len = 1000;
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_INVAL);
    nic.send.segment_len = 0;
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
}

static void
frame_that_is_too_long_or_short_is_refused(void **state)
{
    (void)state;
    nic_become_ready(0);
    nic_send_pieces(1518, 0);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
    nic_send_pieces(1519, 0);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_RANGE);
    nic_send_pieces(13, 0);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_RANGE);
    nic_send_pieces(20, UINT32_MAX - 10);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_RANGE);
    nic.send.piece_count = 0;
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_INVAL);
}

static void
frames_on_their_way_are_bounded(void **state)
{
    (void)state;
    nic_become_ready(0);
    nic_send_pieces(100, 0);
    for (uint32_t i = 0; i < NIC_SLOTS; i++)
        assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), -ENL_E_AGAIN);
    assert_int_equal(enlg_net_kick(&nic.net), 0);
    (void)nic_sent_packet();
    assert_int_equal(nic_carried(), 1);
    assert_int_equal(enlg_net_submit(&nic.net, &nic.send), 0);
}

/* ---- frames in ---- */

static void
frames_of_a_packet_come_in(void **state)
{
    struct enl_transfer_range ranges[2];

    (void)state;
    nic_become_ready(0);
    ranges[0] = (struct enl_transfer_range){nic_frame_write(0x11, 60, NULL, 0), 0x11};
    ranges[1] =
        (struct enl_transfer_range){nic_frame_write(0x2022, 1514, NULL, 0), 0x2022};
    assert_int_equal(nic_say_pieces(ranges, 2, 2), 1);
    assert_int_equal(nic.frames, 2);
    assert_int_equal(nic.frame.len, 1514);
    assert_int_equal(nic.frame_bytes[0], 0x22);
    assert_int_equal(nic.frame_bytes[1513], 0x22);
    assert_int_equal(nic.frame.vlan, ENLG_NET_NO_VLAN);
    assert_false(nic.frame.has_hash);
    nic_taken_back();
    nic_take_nothing();
}

static void
frame_comes_with_what_the_host_knows(void **state)
{
    static const uint32_t infos[] = {
        ENL_RNDIS_INFO_CHECKSUM,
        ENL_RNDIS_RX_CHECKSUM_IP_SUCCEEDED | ENL_RNDIS_RX_CHECKSUM_TCP_FAILED,
        ENL_RNDIS_INFO_VLAN,
        7u << 4 | 2,
        ENL_RNDIS_INFO_HASH,
        0xDEADBEEF,
        0x4711, /* nothing that is known */
        1,
    };
    struct enl_transfer_range range = {nic_frame_write(0, 100, infos, 8), 0};

    (void)state;
    nic_become_ready(0);
    range.byte_count = nic_frame_write(0, 100, infos, 8);
    assert_int_equal(nic_say_pieces(&range, 1, 1), 1);
    assert_int_equal(nic.frame.good, ENLG_NET_CHECKSUM_IP);
    assert_int_equal(nic.frame.bad, ENLG_NET_CHECKSUM_TCP);
    assert_int_equal(nic.frame.vlan, 2 << 13 | 7);
    assert_true(nic.frame.has_hash);
    assert_int_equal(nic.frame.hash, 0xDEADBEEF);
}

static void
frame_without_room_is_dropped_and_given_back(void **state)
{
    struct enl_transfer_range range;

    (void)state;
    nic_become_ready(0);
    nic.no_room = true;
    range = (struct enl_transfer_range){nic_frame_write(0, 100, NULL, 0), 0};
    assert_int_equal(nic_say_pieces(&range, 1, 1), 1);
    assert_int_equal(nic.frames, 0);
    nic_taken_back();
}

static void
pieces_that_cannot_be_given_back_wait(void **state)
{
    struct enl_transfer_range range;
    uint32_t sent = 0;

    (void)state;
    nic_become_ready(0);
    /* Fill the ring to the host: it reads nothing. */
    while (enl_ring_free(&bus.to_guest) > 200 && sent < 200) {
        range = (struct enl_transfer_range){nic_frame_write(0, 100, NULL, 0), 0};
        assert_true(nic_say_pieces(&range, 1, 1) >= 0);
        sent++;
    }
    assert_true(nic.frames < sent);
    assert_true(((struct enl_ring_header *)bus_ring())->pending_send_size != 0);
    for (uint32_t back = 0; back < sent; back++) {
        nic_take(ENL_NVSP_RNDIS_COMPLETE);
        assert_true(enlg_net_poll(&nic.net) >= 0);
    }
    assert_int_equal(nic.frames, sent);
    nic_take_nothing();
}

static void
link_that_changes_is_told(void **state)
{
    struct enl_rndis_indicate body = {.status = ENL_RNDIS_STATUS_MEDIA_DISCONNECT};
    const struct {
        struct enl_rndis_indicate head;
        uint32_t speed;
    } faster = {{ENL_RNDIS_STATUS_LINK_SPEED, 4, sizeof(body)}, 10000000};
    struct enlg_net_info info;

    (void)state;
    nic_become_ready(0);
    assert_int_equal(nic_say_message(ENL_RNDIS_INDICATE, &body, sizeof(body)), 1);
    enlg_net_info(&nic.net, &info);
    assert_false(info.link_up);
    body.status = ENL_RNDIS_STATUS_MEDIA_CONNECT;
    assert_int_equal(nic_say_message(ENL_RNDIS_INDICATE, &body, sizeof(body)), 1);
    assert_int_equal(nic_say_message(ENL_RNDIS_INDICATE, &faster, sizeof(faster)), 1);
    enlg_net_info(&nic.net, &info);
    assert_true(info.link_up);
    assert_int_equal(info.link_mbit, 1000);
    assert_string_equal(nic.events, "RLLL");
}

#define TEST(f) cmocka_unit_test_setup(f, bus_setup_offered)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frame_goes_out_where_it_lies),
        TEST(frame_asks_for_its_offloads),
        TEST(frame_has_no_offload_that_was_not_agreed_on),
        TEST(frame_that_is_too_long_or_short_is_refused),
        TEST(frames_on_their_way_are_bounded),
        TEST(frames_of_a_packet_come_in),
        TEST(frame_comes_with_what_the_host_knows),
        TEST(frame_without_room_is_dropped_and_given_back),
        TEST(pieces_that_cannot_be_given_back_wait),
        TEST(link_that_changes_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
