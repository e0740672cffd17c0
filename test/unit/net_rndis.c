/* SPDX-License-Identifier: BSD-2-Clause */
/* RNDIS control: its messages, their lengths, and what the NIC tells on its own. */
#include "net_rig.h"

#include <string.h>

static struct net_rig r;
static struct fake_answer packet;
static uint8_t answer[2048];

static uint32_t
word(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* DN08 */
static void
rndis_keepalive_reset_and_halt(void **state)
{
    uint32_t request[3] = {ENL_RNDIS_KEEPALIVE, 12, 77};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(net_rig_control(&r, request, 12, answer, sizeof(answer)), 16);
    assert_int_equal(word(answer), 0x80000008);
    assert_int_equal(word(answer + 8), 77);
    assert_int_equal(word(answer + 12), ENL_RNDIS_STATUS_SUCCESS);
    request[0] = ENL_RNDIS_RESET;
    assert_int_equal(net_rig_control(&r, request, 12, answer, sizeof(answer)), 16);
    assert_int_equal(word(answer), 0x80000006);
    request[0] = ENL_RNDIS_HALT;
    assert_int_equal(net_rig_control(&r, request, 12, answer, sizeof(answer)), 0);
    net_rig_stop(&r);
}

static void
rndis_a_query_before_initialize_is_refused(void **state)
{
    uint32_t value, len = sizeof(value);

    (void)state;
    net_rig_init(&r);
    net_rig_create(&r);
    net_rig_connect(&r, ENL_NVSP_VERSION_5);
    assert_int_equal(net_rig_query(&r, ENL_OID_LINK_SPEED, &value, &len),
                     ENL_RNDIS_STATUS_INVALID_DATA);
    net_rig_stop(&r);
}

static void
rndis_after_halt_nothing_comes(void **state)
{
    uint32_t halt[3] = {ENL_RNDIS_HALT, 12, 1};
    uint8_t frame[200];

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_control(&r, halt, 12, answer, sizeof(answer));
    fake_net_bring(&r.net, 0, frame, net_rig_tcp4(frame, 100), NULL);
    assert_false(net_rig_take(&r, r.channel, &packet));
    net_rig_stop(&r);
}

/* Messages that are none get no answer but their packet's, and change nothing. */
static void
rndis_lengths_and_offsets_stay_in_the_message(void **state)
{
    static const struct {
        uint32_t at, value;
    } wrong[] = {{0, 0}, {0, 1}, {0, 7},  {0, 9},          {0, 0xffffffff},
                 {4, 0}, {4, 7}, {4, 27}, {4, 0xffffffff}, {4, 33}};
    uint32_t request[8] = {ENL_RNDIS_SET, 32, 5, ENL_OID_PACKET_FILTER, 4, 20, 0, 0};
    struct enlh_nic_counters counters;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint32_t bad[8];

        memcpy(bad, request, sizeof(bad));
        bad[wrong[i].at / 4] = wrong[i].value;
        assert_int_equal(net_rig_control(&r, bad, 32, answer, sizeof(answer)), 0);
    }
    enlh_nic_counters(r.nic, 0, &counters);
    assert_int_equal(counters.refused, sizeof(wrong) / sizeof(wrong[0]));
    /* a buffer that is not in the message */
    request[5] = 0xfffffffe;
    assert_int_equal(net_rig_control(&r, request, 32, answer, sizeof(answer)), 16);
    assert_int_equal(word(answer + 12), ENL_RNDIS_STATUS_INVALID_DATA);
    request[5] = 21;
    assert_int_equal(net_rig_control(&r, request, 32, answer, sizeof(answer)), 16);
    assert_int_equal(word(answer + 12), ENL_RNDIS_STATUS_INVALID_DATA);
    request[5] = 20;
    request[4] = 0xffffffff;
    assert_int_equal(net_rig_control(&r, request, 32, answer, sizeof(answer)), 16);
    assert_int_equal(word(answer + 12), ENL_RNDIS_STATUS_INVALID_DATA);
    net_rig_stop(&r);
}

static void
rndis_a_request_longer_than_any_is_refused(void **state)
{
    static uint8_t request[ENLH_NET_REQUEST_MAX + 8];
    uint32_t head[2] = {ENL_RNDIS_SET, sizeof(request)};

    (void)state;
    memcpy(request, head, sizeof(head));
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_int_equal(
        net_rig_control(&r, request, sizeof(request), answer, sizeof(answer)), 0);
    net_rig_stop(&r);
}

/* A guest that does not take its answers gets no more, and loses nothing. */
static void
rndis_requests_wait_for_a_piece(void **state)
{
    const struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {.channel_type = ENL_NVSP_CHANNEL_CONTROL,
                    .section_index = ENL_NVSP_NO_SECTION}};
    uint32_t request[3] = {ENL_RNDIS_KEEPALIVE, 12, 1}, answers = 0;
    const struct enlh_span span = {.offset = RIG_FRAME_GPA, .len = 12};
    uint64_t first = 0;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    memcpy(fake_at(&r.f, RIG_FRAME_GPA, 12), request, 12);
    for (uint32_t i = 0; i < 20; i++)
        fake_channel_put(r.channel, 9 /* GPA-direct */, 1, &message, sizeof(message),
                         &span, 1);
    assert_int_equal(fake_channel_run(r.channel), 16);
    while (fake_channel_take(r.channel, &packet)) {
        answers += packet.range_count;
        if (packet.range_count && !first)
            first = packet.transaction_id;
    }
    assert_int_equal(answers, 16);
    assert_int_equal(fake_channel_run(r.channel), 0);
    net_rig_stop(&r);
}

static bool
take_indication(uint32_t *status, uint32_t *value)
{
    const uint8_t *at;

    if (!net_rig_take(&r, r.channel, &packet))
        return false;
    at = fake_at(&r.f, RIG_RECEIVE_GPA + packet.ranges[0].byte_offset, 24);
    assert_int_equal(word(at), ENL_RNDIS_INDICATE);
    assert_int_equal(word(at + 4), packet.ranges[0].byte_count);
    *status = word(at + 8);
    *value = word(at + 12) ? word(at + 8 + word(at + 16)) : 0;
    net_rig_complete(r.channel, packet.transaction_id);
    return true;
}

/* DN18, DN19 */
static void
rndis_the_link_is_told_when_it_changes(void **state)
{
    uint32_t status, value;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    assert_false(take_indication(&status, &value));
    enlh_nic_set_link(r.nic, false);
    fake_bus_poll(&r.bus);
    assert_true(r.channel->wakes > 0);
    assert_true(take_indication(&status, &value));
    assert_int_equal(status, ENL_RNDIS_STATUS_MEDIA_DISCONNECT);
    assert_false(enlh_nic_link(r.nic));
    enlh_nic_set_link(r.nic, true);
    assert_true(take_indication(&status, &value));
    assert_int_equal(status, ENL_RNDIS_STATUS_MEDIA_CONNECT);
    r.net.link.up = false; /* the backend's end of the cable */
    assert_true(take_indication(&status, &value));
    assert_int_equal(status, ENL_RNDIS_STATUS_MEDIA_DISCONNECT);
    net_rig_stop(&r);
}

static void
rndis_the_speed_is_told_when_it_changes(void **state)
{
    uint32_t status, value;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.net.link.speed = UINT64_C(25000000000);
    assert_true(take_indication(&status, &value));
    assert_int_equal(status, ENL_RNDIS_STATUS_LINK_SPEED);
    assert_int_equal(value, 250000000);
    assert_false(take_indication(&status, &value));
    net_rig_stop(&r);
}

static void
rndis_a_driver_without_teaming_hears_no_speed(void **state)
{
    uint32_t status, value;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_1);
    r.net.link.speed = 1000000;
    assert_false(take_indication(&status, &value));
    net_rig_stop(&r);
}

static void
rndis_an_answer_waits_for_room_in_the_ring(void **state)
{
    uint32_t request[3] = {ENL_RNDIS_KEEPALIVE, 12, 9};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    r.channel->room = 0;
    assert_int_equal(net_rig_control(&r, request, 12, answer, sizeof(answer)), 0);
    r.channel->room = -1;
    fake_channel_run(r.channel);
    assert_true(fake_channel_take(r.channel, &packet));
    assert_true(packet.is_completion);
    assert_true(fake_channel_take(r.channel, &packet));
    assert_int_equal(packet.range_count, 1);
    net_rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rndis_keepalive_reset_and_halt),
        cmocka_unit_test(rndis_a_query_before_initialize_is_refused),
        cmocka_unit_test(rndis_after_halt_nothing_comes),
        cmocka_unit_test(rndis_lengths_and_offsets_stay_in_the_message),
        cmocka_unit_test(rndis_a_request_longer_than_any_is_refused),
        cmocka_unit_test(rndis_requests_wait_for_a_piece),
        cmocka_unit_test(rndis_the_link_is_told_when_it_changes),
        cmocka_unit_test(rndis_the_speed_is_told_when_it_changes),
        cmocka_unit_test(rndis_a_driver_without_teaming_hears_no_speed),
        cmocka_unit_test(rndis_an_answer_waits_for_room_in_the_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
