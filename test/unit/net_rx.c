/* SPDX-License-Identifier: BSD-2-Clause */
/* From the network to the guest: pieces, packets, records, filters, completions. */
#include "net_rig.h"

#include <string.h>

#include "enlight/abi/ring.h"

static struct net_rig r;
static uint8_t frame[ENLH_NET_FRAME_MAX];
static struct fake_answer packet;
static struct rig_received got;

/* RSC on, as Linux has it. */
static void
boot_large(void)
{
    struct enl_ndis_offload_parameters parameters = {
        .head = {.type = ENL_NDIS_OBJECT_DEFAULT,
                 .revision = 3,
                 .size = sizeof(parameters)},
        .tcp4_checksum = ENL_NDIS_PARAMETER_CHECKSUM_TX_RX,
        .rsc_ipv4 = ENL_NDIS_PARAMETER_ENABLED,
        .rsc_ipv6 = ENL_NDIS_PARAMETER_ENABLED,
    };

    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(
        net_rig_set(&r, ENL_OID_OFFLOAD_PARAMETERS, &parameters, sizeof(parameters)),
        ENL_RNDIS_STATUS_SUCCESS);
}

static bool
bring(uint32_t len, const struct enlh_net_offload *offload)
{
    fake_net_bring(&r.net, 0, frame, len, offload);
    if (!net_rig_take(&r, r.channel, &packet))
        return false;
    net_rig_read(&r, &packet.ranges[0], &got);
    return true;
}

/* DN06, R08 */
static void
rx_frames_come_in_one_packet(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    for (uint32_t i = 0; i < 10; i++)
        fake_net_bring(&r.net, 0, frame, net_rig_tcp4(frame, 100 + i), NULL);
    assert_true(net_rig_take(&r, r.channel, &packet));
    assert_int_equal(packet.pageset_id, ENL_NVSP_RECEIVE_BUFFER_ID);
    assert_int_equal(packet.range_count, 10);
    for (uint32_t i = 0; i < 10; i++) {
        uint32_t len = net_rig_tcp4(frame, 100 + i);

        net_rig_read(&r, &packet.ranges[i], &got);
        assert_int_equal(got.len, len);
        assert_memory_equal(got.frame, frame, len);
        assert_true(packet.ranges[i].byte_count <= 1728);
    }
    net_rig_complete(r.channel, packet.transaction_id);
    assert_false(r.channel->broken);
    net_rig_stop(&r);
}

static void
rx_nothing_comes_before_the_filter_is_set(void **state)
{
    uint32_t filter = 0;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_set(&r, ENL_OID_PACKET_FILTER, &filter, sizeof(filter));
    assert_false(bring(net_rig_tcp4(frame, 100), NULL));
    net_rig_stop(&r);
}

/* DN22 */
static void
rx_the_filter_says_what_comes(void **state)
{
    uint32_t filter = ENL_NDIS_FILTER_DIRECTED | ENL_NDIS_FILTER_MULTICAST;
    uint32_t len = net_rig_tcp4(frame, 100);
    static const uint8_t list[12] = {1, 0, 0x5e, 0, 0, 1, 1, 0, 0x5e, 0, 0, 9};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_set(&r, ENL_OID_PACKET_FILTER, &filter, sizeof(filter));
    assert_true(bring(len, NULL));
    frame[5] ^= 1;
    assert_false(bring(len, NULL)); /* another station's */
    memset(frame, 0xff, 6);
    assert_false(bring(len, NULL)); /* broadcast */
    memcpy(frame, list + 6, 6);
    assert_false(bring(len, NULL)); /* multicast */
    net_rig_set(&r, ENL_OID_MULTICAST_LIST, list, sizeof(list));
    assert_true(bring(len, NULL));
    filter = ENL_NDIS_FILTER_BROADCAST;
    net_rig_set(&r, ENL_OID_PACKET_FILTER, &filter, sizeof(filter));
    assert_false(bring(len, NULL));
    memset(frame, 0xff, 6);
    assert_true(bring(len, NULL));
    filter = ENL_NDIS_FILTER_PROMISCUOUS;
    net_rig_set(&r, ENL_OID_PACKET_FILTER, &filter, sizeof(filter));
    memset(frame, 2, 6);
    assert_true(bring(len, NULL));
    net_rig_stop(&r);
}

/* Flow control: what the guest has not completed is not written again. */
static void
rx_pieces_come_back_by_completions(void **state)
{
    uint64_t transactions[512];
    uint32_t len = net_rig_tcp4(frame, 100), packets = 0, frames = 0;
    struct enlh_nic_counters counters;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_1);
    r.channel->room = -1;
    for (uint32_t i = 0; i < 500; i++)
        fake_net_bring(&r.net, 0, frame, len, NULL);
    while (frames < 500 && net_rig_take(&r, r.channel, &packet)) {
        transactions[packets++] = packet.transaction_id;
        frames += packet.range_count;
    }
    assert_int_equal(frames, 500);
    for (uint32_t i = 0; i < 10; i++)
        fake_net_bring(&r.net, 0, frame, len, NULL);
    for (uint32_t i = 0; i < 100; i++) {
        fake_net_bring(&r.net, 1, frame, len, NULL); /* not this one's */
    }
    /* 606 pieces, 16 of them for control: 80 more frames fit, then none */
    assert_true(net_rig_take(&r, r.channel, &packet));
    assert_int_equal(packet.range_count, 10);
    enlh_nic_counters(r.nic, 0, &counters);
    assert_int_equal(counters.rx_frames, 510);
    for (uint32_t i = 0; i < packets; i++)
        net_rig_complete(r.channel, transactions[i]);
    assert_false(r.channel->broken);
    net_rig_stop(&r);
}

static void
rx_a_used_up_buffer_waits(void **state)
{
    uint32_t len = net_rig_tcp4(frame, 100), frames = 0;
    struct enlh_nic_counters counters;
    uint64_t first = 0;

    (void)state;
    net_rig_init(&r);
    r.config.max_subchannels = 0;
    net_rig_create(&r);
    net_rig_connect(&r, ENL_NVSP_VERSION_6_1);
    {
        struct {
            struct enl_rndis_header head;
            struct enl_rndis_initialize body;
        } request = {{ENL_RNDIS_INITIALIZE, sizeof(request)}, {1, 1, 0, 0x4000}};
        uint8_t answer[64];
        uint32_t filter = RIG_FILTER;

        net_rig_control(&r, &request, sizeof(request), answer, sizeof(answer));
        net_rig_set(&r, ENL_OID_PACKET_FILTER, &filter, sizeof(filter));
    }
    for (uint32_t i = 0; i < FAKE_NET_FRAMES; i++)
        fake_net_bring(&r.net, 0, frame, len, NULL);
    while (net_rig_take(&r, r.channel, &packet)) {
        frames += packet.range_count;
        if (!first)
            first = packet.transaction_id;
    }
    assert_int_equal(frames, FAKE_NET_FRAMES);
    r.net.queues[0].waiting_at = r.net.queues[0].waiting_count = 0;
    for (uint32_t i = 0; i < 200; i++)
        fake_net_bring(&r.net, 0, frame, len, NULL);
    while (net_rig_take(&r, r.channel, &packet))
        frames += packet.range_count;
    assert_int_equal(frames, RIG_RECEIVE_LEN / 1728 - 16);
    enlh_nic_counters(r.nic, 0, &counters);
    assert_true(counters.rx_waits > 0);
    net_rig_complete(r.channel, first);
    assert_true(net_rig_take(&r, r.channel, &packet));
    net_rig_stop(&r);
}

/* A completion for what the guest never had, or has given back. */
static void
rx_a_completion_for_nothing_costs_the_channel(void **state)
{
    static const uint64_t wrong[] = {0, 1, 5, 606, 607, 1u << 20, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
        net_rig_complete(r.channel, wrong[i]);
        assert_int_equal(r.channel->gave_up, 1);
        net_rig_stop(&r);
    }
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_true(bring(net_rig_tcp4(frame, 100), NULL));
    net_rig_complete(r.channel, packet.transaction_id);
    assert_int_equal(r.channel->gave_up, 0);
    net_rig_complete(r.channel, packet.transaction_id);
    assert_int_equal(r.channel->gave_up, 1);
    net_rig_stop(&r);
}

/* A completion names a packet, not a frame in the middle of it. */
static void
rx_a_completion_for_a_part_costs_the_channel(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    fake_net_bring(&r.net, 0, frame, net_rig_tcp4(frame, 100), NULL);
    fake_net_bring(&r.net, 0, frame, net_rig_tcp4(frame, 100), NULL);
    assert_true(net_rig_take(&r, r.channel, &packet));
    net_rig_complete(r.channel, packet.ranges[1].byte_offset / 1728 + 1);
    assert_int_equal(r.channel->gave_up, 1);
    net_rig_stop(&r);
}

static void
rx_a_full_ring_keeps_the_packet(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.channel->room = 0;
    assert_false(bring(net_rig_tcp4(frame, 100), NULL));
    fake_net_bring(&r.net, 0, frame, net_rig_tcp4(frame, 200), NULL);
    r.channel->room = -1;
    assert_true(net_rig_take(&r, r.channel, &packet));
    net_rig_read(&r, &packet.ranges[0], &got);
    assert_int_equal(got.len, 154);
    assert_true(fake_channel_take(r.channel, &packet));
    net_rig_read(&r, &packet.ranges[0], &got);
    assert_int_equal(got.len, 254);
    net_rig_stop(&r);
}

/* ---- records ---- */

/* DN14 */
static void
rx_a_tag_comes_in_a_record(void **state)
{
    uint32_t len = net_rig_tcp4(frame, 100);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    memmove(frame + 16, frame + 12, len - 12);
    enlh_net_put16(frame + 12, 0x8100);
    enlh_net_put16(frame + 14, 5 << 13 | 1 << 12 | 7);
    assert_true(bring(len + 4, NULL));
    assert_true(got.has_vlan);
    assert_int_equal(got.vlan, 5 | 8 | 7 << 4);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.frame, frame, 12);
    assert_memory_equal(got.frame + 12, frame + 16, len - 12);
    net_rig_stop(&r);
}

static void
rx_an_old_driver_gets_the_tag_in_the_frame(void **state)
{
    uint32_t len = net_rig_tcp4(frame, 100);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_1);
    enlh_net_put16(frame + 12, 0x8100);
    assert_true(bring(len, NULL));
    assert_false(got.has_vlan);
    assert_memory_equal(got.frame, frame, len);
    net_rig_stop(&r);
}

/* DN11 */
static void
rx_a_known_checksum_is_told(void **state)
{
    const struct enlh_net_offload good = {.flags = ENLH_NET_CHECKSUM_GOOD};

    (void)state;
    boot_large();
    assert_true(bring(net_rig_tcp4(frame, 100), &good));
    assert_int_equal(got.checksum, ENL_RNDIS_RX_CHECKSUM_TCP_SUCCEEDED |
                                       ENL_RNDIS_RX_CHECKSUM_IP_SUCCEEDED);
    assert_true(bring(net_rig_udp4(frame, 100), &good));
    assert_int_equal(got.checksum, ENL_RNDIS_RX_CHECKSUM_UDP_SUCCEEDED |
                                       ENL_RNDIS_RX_CHECKSUM_IP_SUCCEEDED);
    assert_true(bring(net_rig_tcp4(frame, 100), NULL));
    assert_false(got.has_checksum);
    net_rig_stop(&r);
}

/* A guest that sends the frame on must have a whole checksum in it. */
static void
rx_a_partial_checksum_is_filled_in(void **state)
{
    uint32_t len = net_rig_tcp4(frame, 101);
    const struct enlh_net_offload partial = {
        .flags = ENLH_NET_CHECKSUM_PARTIAL, .checksum_start = 34, .checksum_offset = 16};
    uint16_t pseudo = enlh_net_fold(0x0a00 + 0x020f + 0x0a00 + 0x0202 + 6 + 121);

    (void)state;
    boot_large();
    enlh_net_put16(frame + 50, pseudo);
    assert_true(bring(len, &partial));
    assert_int_equal(enlh_net_fold(enlh_net_sum(got.frame + 34, got.len - 34, pseudo)),
                     0xffff);
    assert_true(got.has_checksum);
    net_rig_stop(&r);
}

static void
rx_a_partial_checksum_beyond_the_frame_is_left(void **state)
{
    const struct enlh_net_offload partial = {.flags = ENLH_NET_CHECKSUM_PARTIAL,
                                             .checksum_start = 60000,
                                             .checksum_offset = 60000};

    (void)state;
    boot_large();
    assert_true(bring(net_rig_tcp4(frame, 100), &partial));
    net_rig_stop(&r);
}

/* ---- large frames ---- */

/* DN13 */
static void
rx_a_large_frame_comes_in_pieces(void **state)
{
    const struct enlh_net_offload gso = {.flags = ENLH_NET_CHECKSUM_PARTIAL,
                                         .gso = ENLH_NET_GSO_TCP4,
                                         .header_len = 54,
                                         .segment_len = 1448};
    uint32_t len = net_rig_tcp4(frame, 60000), at = 0;

    (void)state;
    boot_large();
    fake_net_bring(&r.net, 0, frame, len, &gso);
    assert_true(net_rig_take(&r, r.channel, &packet));
    assert_int_equal(packet.range_count, (len + 1599) / 1600);
    for (uint32_t i = 0; i < packet.range_count; i++) {
        net_rig_read(&r, &packet.ranges[i], &got);
        assert_true(got.has_fragment);
        assert_int_equal(got.fragment & ENL_RNDIS_FRAGMENT_FIRST, i ? 0 : 2);
        assert_int_equal(got.fragment & ENL_RNDIS_FRAGMENT_LAST,
                         i == packet.range_count - 1 ? 4 : 0);
        assert_true(got.checksum & ENL_RNDIS_RX_CHECKSUM_TCP_SUCCEEDED);
        assert_memory_equal(got.frame, frame + at, got.len);
        at += got.len;
    }
    assert_int_equal(at, len);
    net_rig_complete(r.channel, packet.transaction_id);
    assert_int_equal(r.channel->gave_up, 0);
    net_rig_stop(&r);
}

static void
rx_a_large_frame_never_comes_in_two_packets(void **state)
{
    uint32_t len;

    (void)state;
    boot_large();
    for (uint32_t i = 0; i < 40; i++)
        fake_net_bring(&r.net, 0, frame, net_rig_tcp4(frame, 100), NULL);
    len = net_rig_tcp4(frame, 60000);
    fake_net_bring(&r.net, 0, frame, len, NULL);
    assert_true(net_rig_take(&r, r.channel, &packet));
    assert_int_equal(packet.range_count, 40);
    assert_true(fake_channel_take(r.channel, &packet));
    assert_int_equal(packet.range_count, (len + 1599) / 1600);
    net_rig_stop(&r);
}

static void
rx_the_backend_is_told_what_the_guest_takes(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(r.net.setup.offloads, 0);
    assert_int_equal(r.net.setup.mtu, 1500);
    net_rig_stop(&r);
    boot_large();
    assert_int_equal(r.net.setup.offloads,
                     ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6);
    net_rig_stop(&r);
}

static void
rx_a_large_frame_that_nobody_takes_is_lost(void **state)
{
    struct enlh_nic_counters counters;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_false(bring(net_rig_tcp4(frame, 5000), NULL));
    enlh_nic_counters(r.nic, 0, &counters);
    assert_int_equal(counters.rx_long, 1);
    assert_true(bring(net_rig_tcp4(frame, 100), NULL));
    net_rig_stop(&r);
}

/* After a revoke nothing is written into the buffer, whatever comes. */
static void
rx_a_revoked_buffer_is_not_touched(void **state)
{
    struct enl_nvsp_message message = {.type = ENL_NVSP_REVOKE_RECEIVE_BUFFER};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_subchannels(&r, 1);
    assert_true(bring(net_rig_tcp4(frame, 100), NULL));
    net_rig_nvsp(&r, &message);
    memset(fake_at(&r.f, RIG_RECEIVE_GPA, RIG_RECEIVE_LEN), 0x5a, RIG_RECEIVE_LEN);
    fake_net_bring(&r.net, 0, frame, 200, NULL);
    fake_net_bring(&r.net, 1, frame, 200, NULL);
    fake_channel_run(r.channel);
    fake_channel_run(fake_bus_channel(&r.bus, 1));
    for (uint32_t i = 0; i < RIG_RECEIVE_LEN; i++) {
        if (*(uint8_t *)fake_at(&r.f, RIG_RECEIVE_GPA + i, 1) != 0x5a)
            fail_msg("byte %u was written", i);
    }
    /* what the guest still has it may give back */
    net_rig_complete(r.channel, packet.transaction_id);
    assert_int_equal(r.channel->gave_up, 0);
    net_rig_stop(&r);
}

/* Each channel has pieces of its own: nothing is shared, nothing twice. */
static void
rx_channels_have_shares_of_their_own(void **state)
{
    static uint8_t seen[RIG_RECEIVE_LEN / 1728];
    uint32_t len = net_rig_tcp4(frame, 100);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_subchannels(&r, 3);
    memset(seen, 0, sizeof(seen));
    for (uint16_t i = 0; i <= 3; i++) {
        struct enlh_channel *channel = fake_bus_channel(&r.bus, i);

        for (uint32_t j = 0; j < 400; j++)
            fake_net_bring(&r.net, i, frame, len, NULL);
        while (net_rig_take(&r, channel, &packet)) {
            for (uint32_t j = 0; j < packet.range_count; j++) {
                uint32_t piece = packet.ranges[j].byte_offset / 1728;

                assert_true(piece >= 16 && piece < sizeof(seen));
                assert_int_equal(seen[piece]++, 0);
            }
        }
    }
    net_rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rx_frames_come_in_one_packet),
        cmocka_unit_test(rx_nothing_comes_before_the_filter_is_set),
        cmocka_unit_test(rx_the_filter_says_what_comes),
        cmocka_unit_test(rx_pieces_come_back_by_completions),
        cmocka_unit_test(rx_a_used_up_buffer_waits),
        cmocka_unit_test(rx_a_completion_for_nothing_costs_the_channel),
        cmocka_unit_test(rx_a_completion_for_a_part_costs_the_channel),
        cmocka_unit_test(rx_a_full_ring_keeps_the_packet),
        cmocka_unit_test(rx_a_tag_comes_in_a_record),
        cmocka_unit_test(rx_an_old_driver_gets_the_tag_in_the_frame),
        cmocka_unit_test(rx_a_known_checksum_is_told),
        cmocka_unit_test(rx_a_partial_checksum_is_filled_in),
        cmocka_unit_test(rx_a_partial_checksum_beyond_the_frame_is_left),
        cmocka_unit_test(rx_a_large_frame_comes_in_pieces),
        cmocka_unit_test(rx_a_large_frame_never_comes_in_two_packets),
        cmocka_unit_test(rx_the_backend_is_told_what_the_guest_takes),
        cmocka_unit_test(rx_a_large_frame_that_nobody_takes_is_lost),
        cmocka_unit_test(rx_a_revoked_buffer_is_not_touched),
        cmocka_unit_test(rx_channels_have_shares_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
