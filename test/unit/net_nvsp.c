/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol of a NIC: versions, buffers, sub-channels, and messages out of place. */
#include "net_rig.h"

#include <string.h>

#include "enlight/abi/ring.h"

static struct net_rig r;

static void
begin(void)
{
    net_rig_init(&r);
    net_rig_create(&r);
    assert_int_equal(fake_channel_open(r.channel), 0);
}

/* DN02: a guest goes down from the newest to what this host knows. */
static void
nvsp_each_version_is_agreed(void **state)
{
    static const uint32_t versions[] = {ENL_NVSP_VERSION_1, ENL_NVSP_VERSION_2,
                                        ENL_NVSP_VERSION_4, ENL_NVSP_VERSION_5,
                                        ENL_NVSP_VERSION_6, ENL_NVSP_VERSION_6_1};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        begin();
        assert_int_equal(net_rig_version(&r, 0x70000), ENL_NVSP_STATUS_FAILED);
        assert_int_equal(net_rig_version(&r, versions[i]), ENL_NVSP_STATUS_SUCCESS);
        assert_int_equal(net_rig_version(&r, versions[i]), ENL_NVSP_STATUS_FAILED);
        net_rig_stop(&r);
    }
}

static void
nvsp_an_older_host_refuses_newer_versions(void **state)
{
    (void)state;
    net_rig_init(&r);
    r.config.max_version = ENL_NVSP_VERSION_5;
    net_rig_create(&r);
    assert_int_equal(fake_channel_open(r.channel), 0);
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_6_1), ENL_NVSP_STATUS_FAILED);
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_6), ENL_NVSP_STATUS_FAILED);
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_5), ENL_NVSP_STATUS_SUCCESS);
    net_rig_stop(&r);
}

static uint32_t
answer_len(uint32_t version)
{
    const struct enl_nvsp_message message = {
        .type = ENL_NVSP_INIT,
        .u.init = {.min_version = version, .max_version = version}};
    struct fake_answer answer;

    begin();
    fake_channel_put(r.channel, ENL_PACKET_INBAND, 1, &message, ENL_NVSP_LEN_1, NULL, 0);
    fake_channel_run(r.channel);
    assert_true(fake_channel_take(r.channel, &answer));
    net_rig_stop(&r);
    return answer.len;
}

static void
nvsp_messages_have_their_versions_length(void **state)
{
    (void)state;
    assert_int_equal(answer_len(ENL_NVSP_VERSION_1), ENL_NVSP_LEN_1);
    assert_int_equal(answer_len(ENL_NVSP_VERSION_6), ENL_NVSP_LEN_1);
    assert_int_equal(answer_len(ENL_NVSP_VERSION_6_1), ENL_NVSP_LEN_6_1);
}

/* DN05 */
static void
nvsp_the_receive_buffer_is_one_section(void **state)
{
    (void)state;
    net_rig_init(&r);
    net_rig_create(&r);
    net_rig_connect(&r, ENL_NVSP_VERSION_5);
    assert_int_equal(r.receive.section_count, 1);
    assert_int_equal(r.receive.section.offset, 0);
    assert_int_equal(r.receive.section.sub_allocation_len, 1728);
    assert_int_equal(r.receive.section.sub_allocation_count, RIG_RECEIVE_LEN / 1728);
    assert_true(fake_channel_is_lent(r.channel, RIG_RECEIVE));
    net_rig_stop(&r);
}

/* DN03: the MTU makes the pieces longer. */
static void
nvsp_jumbo_frames_get_longer_pieces(void **state)
{
    struct enl_nvsp_message message = {.type = ENL_NVSP_NDIS_CONFIG,
                                       .u.ndis_config = {.mtu = 9014}};
    const struct enlh_span span = {.offset = RIG_RECEIVE_GPA, .len = RIG_RECEIVE_LEN};

    (void)state;
    begin();
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_6_1), ENL_NVSP_STATUS_SUCCESS);
    net_rig_nvsp(&r, &message);
    fake_channel_lend(r.channel, RIG_RECEIVE, &span, 1);
    message = (struct enl_nvsp_message){.type = ENL_NVSP_RECEIVE_BUFFER,
                                        .u.buffer = {.gpadl = RIG_RECEIVE}};
    message = net_rig_nvsp(&r, &message);
    assert_int_equal(message.u.receive_buffer_complete.status, ENL_NVSP_STATUS_SUCCESS);
    assert_true(message.u.receive_buffer_complete.section.sub_allocation_len >=
                128 + 18 + 9000);
    net_rig_stop(&r);
}

static void
nvsp_a_buffer_that_is_none_is_refused(void **state)
{
    struct enl_nvsp_message message = {.type = ENL_NVSP_RECEIVE_BUFFER,
                                       .u.buffer = {.gpadl = 0x99}};
    const struct enlh_span tiny = {.offset = RIG_RECEIVE_GPA, .len = 4096};

    (void)state;
    begin();
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_1), ENL_NVSP_STATUS_SUCCESS);
    assert_int_equal(net_rig_nvsp(&r, &message).u.receive_buffer_complete.status,
                     ENL_NVSP_STATUS_FAILED);
    fake_channel_lend(r.channel, 0x99, &tiny, 1);
    assert_int_equal(net_rig_nvsp(&r, &message).u.receive_buffer_complete.status,
                     ENL_NVSP_STATUS_FAILED);
    fake_bus_poll(&r.bus);
    assert_false(fake_channel_is_lent(r.channel, 0x99));
    message.type = ENL_NVSP_SEND_BUFFER;
    message.u.buffer.gpadl = 0x77;
    assert_int_equal(net_rig_nvsp(&r, &message).u.send_buffer_complete.status,
                     ENL_NVSP_STATUS_FAILED);
    net_rig_stop(&r);
}

/* A piece of a buffer whose spans are single bytes would need more of them than there is. */
static void
nvsp_a_buffer_in_crumbs_is_refused(void **state)
{
    static struct enlh_span crumbs[4096];
    struct enl_nvsp_message message = {.type = ENL_NVSP_RECEIVE_BUFFER,
                                       .u.buffer = {.gpadl = 0x99}};

    (void)state;
    for (uint32_t i = 0; i < 4096; i++)
        crumbs[i] = (struct enlh_span){.offset = RIG_RECEIVE_GPA + i * 2, .len = 1};
    crumbs[4095].len = 0x10000;
    begin();
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_1), ENL_NVSP_STATUS_SUCCESS);
    fake_channel_lend(r.channel, 0x99, crumbs, 4096);
    assert_int_equal(net_rig_nvsp(&r, &message).u.receive_buffer_complete.status,
                     ENL_NVSP_STATUS_FAILED);
    net_rig_stop(&r);
}

static void
nvsp_a_revoked_buffer_goes_back_to_the_guest(void **state)
{
    struct enl_nvsp_message message = {.type = ENL_NVSP_REVOKE_RECEIVE_BUFFER};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_nvsp(&r, &message);
    message.type = ENL_NVSP_REVOKE_SEND_BUFFER;
    net_rig_nvsp(&r, &message);
    fake_bus_poll(&r.bus);
    fake_channel_run(r.channel);
    fake_bus_poll(&r.bus);
    assert_false(fake_channel_is_lent(r.channel, RIG_RECEIVE));
    assert_false(fake_channel_is_lent(r.channel, RIG_SEND));
    net_rig_stop(&r);
}

/* A sub-channel holds on to the buffer until its own next turn. */
static void
nvsp_a_revoked_buffer_waits_for_every_channel(void **state)
{
    struct enl_nvsp_message message = {.type = ENL_NVSP_REVOKE_RECEIVE_BUFFER};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_subchannels(&r, 1);
    net_rig_nvsp(&r, &message);
    fake_channel_run(r.channel);
    fake_bus_poll(&r.bus);
    assert_true(fake_channel_is_lent(r.channel, RIG_RECEIVE));
    assert_true(fake_bus_channel(&r.bus, 1)->wakes > 0);
    fake_channel_run(fake_bus_channel(&r.bus, 1));
    fake_bus_poll(&r.bus);
    assert_false(fake_channel_is_lent(r.channel, RIG_RECEIVE));
    net_rig_stop(&r);
}

/* DN16, DN17 */
static void
nvsp_subchannels_come_and_the_table_names_them(void **state)
{
    struct enl_nvsp_message message;
    struct fake_answer answer;
    uint32_t entries[16];

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_subchannels(&r, 3);
    fake_channel_run(r.channel);
    assert_true(fake_channel_take(r.channel, &answer));
    memcpy(&message, answer.data, sizeof(message));
    assert_false(answer.is_completion);
    assert_int_equal(message.type, ENL_NVSP_SEND_INDIRECTION_TABLE);
    assert_int_equal(message.u.send_table.count, 16);
    memcpy(entries, answer.data + message.u.send_table.offset, sizeof(entries));
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(entries[i], i % 4);
    fake_channel_run(r.channel);
    assert_false(fake_channel_take(r.channel, &answer));
    net_rig_stop(&r);
}

static void
nvsp_more_subchannels_than_there_are_are_not_given(void **state)
{
    struct enl_nvsp_message message = {
        .type = ENL_NVSP_SUBCHANNEL,
        .u.subchannel = {.operation = ENL_NVSP_SUBCHANNEL_ALLOCATE, .count = 1000}};

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_5);
    assert_int_equal(net_rig_nvsp(&r, &message).u.subchannel_complete.count, 3);
    assert_int_equal(net_rig_nvsp(&r, &message).u.subchannel_complete.status,
                     ENL_NVSP_STATUS_FAILED);
    net_rig_stop(&r);
}

static void
nvsp_what_a_version_has_not_is_refused(void **state)
{
    struct enl_nvsp_message message = {
        .type = ENL_NVSP_SUBCHANNEL,
        .u.subchannel = {.operation = ENL_NVSP_SUBCHANNEL_ALLOCATE, .count = 1}};
    struct enlh_nic_counters counters;

    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_4);
    assert_int_equal(net_rig_nvsp(&r, &message).type, 0);
    message.type = 0x12345;
    assert_int_equal(net_rig_nvsp(&r, &message).type, 0);
    enlh_nic_counters(r.nic, 0, &counters);
    assert_int_equal(counters.refused, 2);
    net_rig_stop(&r);
}

static void
nvsp_data_without_a_receive_buffer_is_refused(void **state)
{
    uint8_t bytes[64] = {0};

    (void)state;
    begin();
    assert_int_equal(net_rig_version(&r, ENL_NVSP_VERSION_1), ENL_NVSP_STATUS_SUCCESS);
    assert_int_equal(net_rig_send(&r, r.channel, bytes, sizeof(bytes)),
                     ENL_NVSP_STATUS_INVALID_RNDIS);
    net_rig_stop(&r);
}

static void
nvsp_a_packet_without_a_header_costs_the_channel(void **state)
{
    (void)state;
    begin();
    fake_channel_put(r.channel, ENL_PACKET_INBAND, 1, "ab", 2, NULL, 0);
    fake_channel_run(r.channel);
    assert_int_equal(r.channel->gave_up, 1);
    net_rig_stop(&r);
}

static void
nvsp_a_new_opening_starts_anew(void **state)
{
    (void)state;
    net_rig_boot(&r, ENL_NVSP_VERSION_6_1);
    net_rig_subchannels(&r, 2);
    fake_channel_close(r.channel);
    fake_bus_poll(&r.bus);
    fake_bus_poll(&r.bus);
    assert_null(fake_bus_channel(&r.bus, 1));
    net_rig_connect(&r, ENL_NVSP_VERSION_5);
    net_rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nvsp_each_version_is_agreed),
        cmocka_unit_test(nvsp_an_older_host_refuses_newer_versions),
        cmocka_unit_test(nvsp_messages_have_their_versions_length),
        cmocka_unit_test(nvsp_the_receive_buffer_is_one_section),
        cmocka_unit_test(nvsp_jumbo_frames_get_longer_pieces),
        cmocka_unit_test(nvsp_a_buffer_that_is_none_is_refused),
        cmocka_unit_test(nvsp_a_buffer_in_crumbs_is_refused),
        cmocka_unit_test(nvsp_a_revoked_buffer_goes_back_to_the_guest),
        cmocka_unit_test(nvsp_a_revoked_buffer_waits_for_every_channel),
        cmocka_unit_test(nvsp_subchannels_come_and_the_table_names_them),
        cmocka_unit_test(nvsp_more_subchannels_than_there_are_are_not_given),
        cmocka_unit_test(nvsp_what_a_version_has_not_is_refused),
        cmocka_unit_test(nvsp_data_without_a_receive_buffer_is_refused),
        cmocka_unit_test(nvsp_a_packet_without_a_header_costs_the_channel),
        cmocka_unit_test(nvsp_a_new_opening_starts_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
