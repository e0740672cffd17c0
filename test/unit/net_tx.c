/* SPDX-License-Identifier: BSD-2-Clause */
/* From the guest to the network: RNDIS messages, their records, and frames in flight. */
#include "net_rig.h"

#include <string.h>

#include "enlight/abi/ring.h"

static struct net_rig r;
static uint8_t frame[ENLH_NET_FRAME_MAX];
static uint8_t bytes[2 * ENLH_NET_FRAME_MAX];

#define SENT (r.net.queues[0].sent)

/* The sum over a transport header, its pseudo header already in it, is all ones. */
static bool
sum_is_good(const uint8_t *at, uint32_t start, uint32_t len, uint16_t pseudo)
{
    return enlh_net_fold(enlh_net_sum(at + start, len - start, pseudo)) == 0xffff;
}

static void
tx_a_frame_arrives_as_it_was(void **state)
{
    uint32_t len = net_rig_tcp4(frame, 1000);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(net_rig_send_frame(&r, frame, len, NULL, 0),
                     ENL_NVSP_STATUS_SUCCESS);
    assert_int_equal(r.net.queues[0].sent_count, 1);
    assert_int_equal(SENT[0].len, len);
    assert_memory_equal(SENT[0].bytes, frame, len);
    assert_int_equal(SENT[0].head_len, 0); /* nothing was copied */
    assert_int_equal(SENT[0].offload.flags, 0);
    net_rig_stop(&r);
}

static void
tx_a_small_frame_travels_by_value(void **state)
{
    uint32_t len = net_rig_tcp4(frame, 10);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_1);
    net_rig_send_frame(&r, frame, len, NULL, 0);
    assert_int_equal(SENT[0].head_len, len);
    assert_memory_equal(SENT[0].bytes, frame, len);
    net_rig_stop(&r);
}

/* DN07: several messages in one packet, and one message in the send buffer. */
static void
tx_several_messages_in_one_packet(void **state)
{
    uint32_t len = 0;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t frame_len = net_rig_tcp4(frame, 100 * (i + 1) + 2);

        len += net_rig_message(bytes + len, frame, frame_len, NULL, 0);
    }
    assert_int_equal(net_rig_send(&r, r.channel, bytes, len), ENL_NVSP_STATUS_SUCCESS);
    assert_int_equal(r.net.queues[0].sent_count, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(SENT[i].len, 54 + 100 * (i + 1) + 2);
    net_rig_stop(&r);
}

static void
tx_more_messages_than_were_agreed_are_refused(void **state)
{
    uint32_t frame_len = net_rig_tcp4(frame, 20), len = 0;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    for (uint32_t i = 0; i < ENLH_NET_PACKETS + 1; i++)
        len += net_rig_message(bytes + len, frame, frame_len, NULL, 0);
    assert_int_equal(net_rig_send(&r, r.channel, bytes, len),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    assert_int_equal(r.net.queues[0].sent_count, ENLH_NET_PACKETS);
    net_rig_stop(&r);
}

static uint32_t
send_section(uint32_t index, uint32_t section_len, const uint8_t *rest, uint32_t rest_len)
{
    const struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {.section_index = index, .section_len = section_len}};
    const struct enlh_span span = {.offset = RIG_FRAME_GPA, .len = rest_len};
    struct enl_nvsp_message out = {0};
    struct fake_answer answer;

    if (rest_len)
        memcpy(fake_at(&r.f, RIG_FRAME_GPA, rest_len), rest, rest_len);
    fake_channel_put(r.channel, rest_len ? ENL_PACKET_GPA_DIRECT : ENL_PACKET_INBAND, 7,
                     &message, sizeof(message), &span, rest_len ? 1 : 0);
    fake_channel_run(r.channel);
    assert_true(fake_channel_take(r.channel, &answer));
    memcpy(&out, answer.data, answer.len);
    return out.u.rndis_complete.status;
}

/* DN05, DN07 */
static void
tx_a_section_of_the_send_buffer(void **state)
{
    uint32_t frame_len = net_rig_tcp4(frame, 1200);
    uint32_t len = net_rig_message(bytes, frame, frame_len, NULL, 0);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    memcpy(fake_at(&r.f, RIG_SEND_GPA + 3 * 6144, len), bytes, len);
    assert_int_equal(send_section(3, len, NULL, 0), ENL_NVSP_STATUS_SUCCESS);
    assert_memory_equal(SENT[0].bytes, frame, frame_len);
    /* the header in a section, the rest in the packet's pages */
    assert_int_equal(send_section(3, 60, bytes + 60, len - 60), ENL_NVSP_STATUS_SUCCESS);
    assert_memory_equal(SENT[1].bytes, frame, frame_len);
    net_rig_stop(&r);
}

static void
tx_a_section_beyond_the_buffer_is_refused(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(send_section(RIG_SEND_LEN / 6144 + 1, 100, NULL, 0),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    assert_int_equal(send_section(0xfffffffe, 100, NULL, 0),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    assert_int_equal(send_section(0, 6145, NULL, 0), ENL_NVSP_STATUS_INVALID_RNDIS);
    assert_int_equal(send_section(0, 0, NULL, 0), ENL_NVSP_STATUS_INVALID_RNDIS);
    net_rig_stop(&r);
}

/* DN14 */
static void
tx_a_tag_goes_into_the_frame(void **state)
{
    const struct rig_info vlan = {ENL_RNDIS_INFO_VLAN, 3 | 5 << ENL_RNDIS_VLAN_ID_SHIFT};
    uint32_t len = net_rig_tcp4(frame, 1000);
    static const uint8_t tag[] = {0x81, 0x00, 0x60, 0x05};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(net_rig_send_frame(&r, frame, len, &vlan, 1),
                     ENL_NVSP_STATUS_SUCCESS);
    assert_int_equal(SENT[0].len, len + 4);
    assert_memory_equal(SENT[0].bytes, frame, 12);
    assert_memory_equal(SENT[0].bytes + 12, tag, 4);
    assert_memory_equal(SENT[0].bytes + 16, frame + 12, len - 12);
    net_rig_stop(&r);
}

/* DN11, DN28 */
static void
tx_a_checksum_is_left_to_the_backend(void **state)
{
    const struct rig_info checksum = {
        ENL_RNDIS_INFO_CHECKSUM, ENL_RNDIS_TX_CHECKSUM_IPV4 | ENL_RNDIS_TX_CHECKSUM_TCP |
                                     34u << ENL_RNDIS_TX_CHECKSUM_OFFSET_SHIFT};
    const struct rig_info udp = {ENL_RNDIS_INFO_CHECKSUM,
                                 ENL_RNDIS_TX_CHECKSUM_IPV4 | ENL_RNDIS_TX_CHECKSUM_UDP};
    uint32_t len = net_rig_tcp4(frame, 1000);
    uint8_t zero[2] = {0};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_send_frame(&r, frame, len, &checksum, 1);
    assert_int_equal(SENT[0].offload.flags, ENLH_NET_CHECKSUM_PARTIAL);
    assert_int_equal(SENT[0].offload.gso, ENLH_NET_GSO_NONE);
    assert_int_equal(SENT[0].offload.checksum_start, 34);
    assert_int_equal(SENT[0].offload.checksum_offset, 16);
    /* src + dst + protocol + length */
    assert_int_equal(enlh_net_get16(SENT[0].bytes + 50),
                     enlh_net_fold(0x0a00 + 0x020f + 0x0a00 + 0x0202 + 6 + 1020));
    len = net_rig_udp4(frame, 300);
    net_rig_send_frame(&r, frame, len, &udp, 1);
    assert_int_equal(SENT[1].offload.checksum_offset, 6);
    /* a wish that does not fit the frame changes nothing */
    net_rig_send_frame(&r, frame, len, &checksum, 1);
    assert_int_equal(SENT[2].offload.flags, 0);
    assert_memory_equal(SENT[2].bytes + 40, zero, 2);
    net_rig_stop(&r);
}

/* DN12: 64 KiB reach the backend whole, with lengths and sums that NDIS leaves out. */
static void
tx_a_large_frame_stays_whole(void **state)
{
    const struct rig_info lso = {ENL_RNDIS_INFO_LSO,
                                 1448 | 34u << ENL_RNDIS_LSO_OFFSET_SHIFT |
                                     ENL_RNDIS_LSO_VERSION_2};
    uint32_t len = net_rig_tcp4(frame, 60000);

    (void)state;
    enlh_net_put16(frame + 16, 0);
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(net_rig_send_frame(&r, frame, len, &lso, 1),
                     ENL_NVSP_STATUS_SUCCESS);
    assert_int_equal(SENT[0].len, len);
    assert_int_equal(SENT[0].head_len, 188);
    assert_int_equal(SENT[0].offload.gso, ENLH_NET_GSO_TCP4);
    assert_int_equal(SENT[0].offload.segment_len, 1448);
    assert_int_equal(SENT[0].offload.header_len, 54);
    assert_int_equal(SENT[0].offload.flags, ENLH_NET_CHECKSUM_PARTIAL);
    assert_int_equal(enlh_net_get16(SENT[0].bytes + 16), len - 14);
    assert_true(sum_is_good(SENT[0].bytes, 14, 34, 0));
    assert_memory_equal(SENT[0].bytes + 54, frame + 54, len - 54);
    net_rig_stop(&r);
}

static void
tx_a_large_frame_of_ipv6(void **state)
{
    const struct rig_info lso = {ENL_RNDIS_INFO_LSO,
                                 1428 | 54u << ENL_RNDIS_LSO_OFFSET_SHIFT |
                                     ENL_RNDIS_LSO_VERSION_2 | ENL_RNDIS_LSO_IPV6};
    uint32_t len = net_rig_tcp6(frame, 30000);

    (void)state;
    enlh_net_put16(frame + 18, 0);
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_send_frame(&r, frame, len, &lso, 1);
    assert_int_equal(SENT[0].offload.gso, ENLH_NET_GSO_TCP6);
    assert_int_equal(SENT[0].offload.header_len, 74);
    assert_int_equal(enlh_net_get16(SENT[0].bytes + 18), 30020);
    /* one segment is no large frame */
    len = net_rig_tcp6(frame, 1000);
    net_rig_send_frame(&r, frame, len, &lso, 1);
    assert_int_equal(SENT[1].offload.gso, ENLH_NET_GSO_NONE);
    assert_int_equal(SENT[1].offload.flags, ENLH_NET_CHECKSUM_PARTIAL);
    net_rig_stop(&r);
}

/* A frame that asks to be cut and cannot be is no message. */
static void
tx_a_large_frame_that_cannot_be_cut_is_refused(void **state)
{
    struct rig_info lso = {ENL_RNDIS_INFO_LSO, ENL_RNDIS_LSO_VERSION_2};
    uint32_t len = net_rig_tcp4(frame, 5000);

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(net_rig_send_frame(&r, frame, len, &lso, 1),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    lso.value |= 1448;
    frame[46] = 0x10; /* a TCP header of 4 bytes */
    assert_int_equal(net_rig_send_frame(&r, frame, len, &lso, 1),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    len = net_rig_udp4(frame, 5000);
    assert_int_equal(net_rig_send_frame(&r, frame, len, &lso, 1),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    assert_int_equal(r.net.queues[0].sent_count, 0);
    assert_int_equal(r.net.queues[0].held_count, 0);
    net_rig_stop(&r);
}

/* ---- bad input ---- */

static void
put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

static void
tx_lengths_and_offsets_stay_in_the_message(void **state)
{
    static const struct {
        uint32_t at, value;
    } wrong[] = {
        {0, 2},          {0, 0},           {4, 0},           {4, 43},
        {4, 0xffffffff}, {8, 0xffffffff},  {8, 2000},        {12, 0xffffffff},
        {12, 2000},      {12, 13},         {12, 0},          {28, 0xffffffff},
        {28, 2000},      {32, 0xffffffff}, {32, 1000},       {44, 0},
        {44, 11},        {44, 17},         {44, 0xffffffff}, {44, 0x80000000},
    };
    const struct rig_info info = {ENL_RNDIS_INFO_HASH, 7};
    uint32_t frame_len = net_rig_tcp4(frame, 600), len;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        len = net_rig_message(bytes, frame, frame_len, &info, 1);
        put32(bytes + wrong[i].at, wrong[i].value);
        if (net_rig_send(&r, r.channel, bytes, len) != ENL_NVSP_STATUS_INVALID_RNDIS)
            fail_msg("wrong[%zu] was taken", i);
    }
    assert_int_equal(r.net.queues[0].sent_count, 0);
    len = net_rig_message(bytes, frame, frame_len, &info, 1);
    assert_int_equal(net_rig_send(&r, r.channel, bytes, 7),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    assert_int_equal(net_rig_send(&r, r.channel, bytes, len - 1),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    assert_int_equal(net_rig_send(&r, r.channel, bytes, len), ENL_NVSP_STATUS_SUCCESS);
    net_rig_stop(&r);
}

/* A record that reaches beyond itself says nothing, and records may lie over the frame. */
static void
tx_records_may_overlap_the_frame(void **state)
{
    const struct rig_info info = {ENL_RNDIS_INFO_VLAN, 0xffffffff};
    uint32_t frame_len = net_rig_tcp4(frame, 600), len;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    len = net_rig_message(bytes, frame, frame_len, &info, 1);
    put32(bytes + 52, 13);
    assert_int_equal(net_rig_send(&r, r.channel, bytes, len), ENL_NVSP_STATUS_SUCCESS);
    len = net_rig_message(bytes, frame, frame_len, &info, 1);
    put32(bytes + 8, 36); /* the frame begins with the record */
    assert_int_equal(net_rig_send(&r, r.channel, bytes, len), ENL_NVSP_STATUS_SUCCESS);
    net_rig_stop(&r);
}

/* ---- in flight ---- */

static uint32_t
answers(void)
{
    struct fake_answer answer;
    uint32_t count = 0;

    while (fake_channel_take(r.channel, &answer))
        count++;
    return count;
}

/* Each packet that waits in the ring has its frame elsewhere. */
static void
put_frame(uint32_t payload_len)
{
    const struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS, .u.rndis = {.section_index = ENL_NVSP_NO_SECTION}};
    uint32_t len =
        net_rig_message(bytes, frame, net_rig_tcp4(frame, payload_len), NULL, 0);
    uint64_t at = RIG_FRAME_GPA + r.channel->packet_count * 2048;
    const struct enlh_span span = {.offset = at, .len = len};

    memcpy(fake_at(&r.f, at, len), bytes, len);
    fake_channel_put(r.channel, ENL_PACKET_GPA_DIRECT, 5, &message, sizeof(message),
                     &span, 1);
}

static void
tx_a_packet_is_answered_when_its_frames_are_done(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.net.hold = true;
    put_frame(500);
    put_frame(600);
    assert_int_equal(fake_channel_run(r.channel), 2);
    assert_int_equal(answers(), 0);
    fake_net_finish(&r.net, 0);
    fake_channel_run(r.channel);
    assert_int_equal(answers(), 2);
    net_rig_stop(&r);
}

/* A backend that takes no more makes packets wait in the ring, and their order stays. */
static void
tx_a_full_backend_holds_the_ring(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.net.full = true;
    put_frame(500);
    put_frame(600);
    put_frame(700);
    assert_int_equal(fake_channel_run(r.channel), 1);
    assert_int_equal(answers(), 0);
    r.net.full = false;
    assert_int_equal(fake_channel_run(r.channel), 2);
    assert_int_equal(answers(), 3);
    assert_int_equal(SENT[0].len, 554);
    assert_int_equal(SENT[1].len, 654);
    assert_int_equal(SENT[2].len, 754);
    net_rig_stop(&r);
}

static void
tx_frames_are_bounded(void **state)
{
    uint32_t taken;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.net.hold = true;
    for (uint32_t i = 0; i < ENLH_NET_TXS + 10; i++)
        put_frame(500);
    taken = fake_channel_run(r.channel);
    assert_true(taken <= ENLH_NET_TXS && taken >= ENLH_NET_TXS - ENLH_NET_PACKETS);
    fake_net_finish(&r.net, 0);
    fake_channel_run(r.channel);
    fake_channel_run(r.channel);
    assert_int_equal(answers(), ENLH_NET_TXS + 10);
    net_rig_stop(&r);
}

/* A backend that has stalled does not hold a channel that closes. */
static void
tx_a_close_takes_frames_back(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.net.hold = true;
    put_frame(500);
    fake_channel_run(r.channel);
    r.net.full = true;
    put_frame(500);
    fake_channel_run(r.channel);
    fake_channel_close(r.channel);
    assert_int_equal(r.net.queues[0].cancels, 1);
    net_rig_stop(&r);
}

/* The send buffer is the guest's again only when no frame lies in it any more. */
static void
tx_a_revoked_send_buffer_waits_for_its_frames(void **state)
{
    struct enl_nvsp_message message = {.type = ENL_NVSP_REVOKE_SEND_BUFFER};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.net.hold = true;
    put_frame(500);
    fake_channel_run(r.channel);
    net_rig_nvsp(&r, &message);
    fake_bus_poll(&r.bus);
    fake_channel_run(r.channel);
    fake_bus_poll(&r.bus);
    assert_true(fake_channel_is_lent(r.channel, RIG_SEND));
    fake_net_finish(&r.net, 0);
    fake_channel_run(r.channel);
    fake_bus_poll(&r.bus);
    assert_false(fake_channel_is_lent(r.channel, RIG_SEND));
    net_rig_stop(&r);
}

static void
tx_without_a_cable_frames_are_lost(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    enlh_nic_set_link(r.nic, false);
    put_frame(500);
    fake_channel_run(r.channel);
    assert_int_equal(r.net.queues[0].sent_count, 0);
    net_rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tx_a_frame_arrives_as_it_was),
        cmocka_unit_test(tx_a_small_frame_travels_by_value),
        cmocka_unit_test(tx_several_messages_in_one_packet),
        cmocka_unit_test(tx_more_messages_than_were_agreed_are_refused),
        cmocka_unit_test(tx_a_section_of_the_send_buffer),
        cmocka_unit_test(tx_a_section_beyond_the_buffer_is_refused),
        cmocka_unit_test(tx_a_tag_goes_into_the_frame),
        cmocka_unit_test(tx_a_checksum_is_left_to_the_backend),
        cmocka_unit_test(tx_a_large_frame_stays_whole),
        cmocka_unit_test(tx_a_large_frame_of_ipv6),
        cmocka_unit_test(tx_a_large_frame_that_cannot_be_cut_is_refused),
        cmocka_unit_test(tx_lengths_and_offsets_stay_in_the_message),
        cmocka_unit_test(tx_records_may_overlap_the_frame),
        cmocka_unit_test(tx_a_packet_is_answered_when_its_frames_are_done),
        cmocka_unit_test(tx_a_full_backend_holds_the_ring),
        cmocka_unit_test(tx_frames_are_bounded),
        cmocka_unit_test(tx_a_close_takes_frames_back),
        cmocka_unit_test(tx_a_revoked_send_buffer_waits_for_its_frames),
        cmocka_unit_test(tx_without_a_cable_frames_are_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
