/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The storage protocol: negotiation, the table of states and operations, resets, and what
 * becomes of packets that are none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "storage_rig.h"

static uint32_t
query_version(struct rig *rig, uint16_t version, struct enl_storage_packet *answer)
{
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_QUERY_VERSION);

    packet.u.version.version = version;
    packet.u.version.revision = 77;
    *answer = rig_exec(rig, &packet, NULL, 0);
    return answer->status;
}

/* Bring a new rig into a state, by the number of steps from opening. */
static struct rig *
at_step(uint32_t steps, uint16_t version)
{
    struct rig *rig = rig_new(NULL);
    struct enl_storage_packet answer;

    assert_int_equal(fake_channel_open(rig->channel), 0);
    if (steps > 0)
        assert_int_equal(rig_control(rig, ENL_STORAGE_BEGIN_INIT), 0);
    if (steps > 1)
        assert_int_equal(query_version(rig, version, &answer), 0);
    if (steps > 2)
        assert_int_equal(rig_control(rig, ENL_STORAGE_QUERY_PROPERTIES), 0);
    if (steps > 3)
        assert_int_equal(rig_control(rig, ENL_STORAGE_END_INIT), 0);
    return rig;
}

static void
storvsp_accepts_each_known_version(void **state)
{
    static const uint16_t versions[] = {0x0602, 0x0600, 0x0501, 0x0402, 0x0200};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct rig *rig = at_step(1, 0);
        struct enl_storage_packet answer;

        assert_int_equal(query_version(rig, versions[i], &answer), 0);
        assert_int_equal(answer.u.version.version, versions[i]);
        rig_free(rig);
    }
}

static void
storvsp_unknown_version_may_be_followed_by_a_known_one(void **state)
{
    struct rig *rig = at_step(1, 0);
    struct enl_storage_packet answer;

    (void)state;
    assert_int_equal(query_version(rig, 0x0603, &answer), 0xC0000059);
    assert_int_equal(query_version(rig, 0, &answer), 0xC0000059);
    assert_int_equal(query_version(rig, 0xffff, &answer), 0xC0000059);
    assert_int_equal(query_version(rig, 0x0501, &answer), 0);
    rig_free(rig);
}

static void
storvsp_properties_tell_transfer_and_channels(void **state)
{
    struct rig *rig = at_step(2, ENL_STORAGE_VERSION_WIN8);
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_QUERY_PROPERTIES);
    struct enl_storage_packet answer;

    (void)state;
    memset(&packet.u, 0xa5, sizeof(packet.u));
    answer = rig_exec(rig, &packet, NULL, 0);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.flags, 0);
    assert_int_equal(answer.u.properties.max_sub_channels, 3);
    assert_int_equal(answer.u.properties.flags, ENL_STORAGE_PROPERTY_MULTI_CHANNEL);
    assert_int_equal(answer.u.properties.max_transfer_len, 4 << 20);
    assert_int_equal(answer.u.properties.reserved, 0);
    for (size_t i = sizeof(answer.u.properties); i < sizeof(answer.u); i++)
        assert_int_equal(answer.u.bytes[i], 0);
    rig_free(rig);
}

static void
storvsp_old_versions_have_one_channel(void **state)
{
    struct rig *rig = at_step(2, ENL_STORAGE_VERSION_WIN7);
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_QUERY_PROPERTIES);
    struct enl_storage_packet answer = rig_exec(rig, &packet, NULL, 0);

    (void)state;
    assert_int_equal(answer.u.properties.max_sub_channels, 0);
    assert_int_equal(answer.u.properties.flags, 0);
    packet = rig_packet(ENL_STORAGE_CREATE_SUB_CHANNELS);
    packet.u.sub_channel_count = 1;
    assert_int_equal(rig_exec(rig, &packet, NULL, 0).status,
                     ENL_STORAGE_STATUS_INVALID_PARAMETER);
    rig_free(rig);
}

/* What each operation answers after so many steps of the negotiation. */
static void
storvsp_each_operation_has_its_states(void **state)
{
    enum { OK = 0 };
    const uint32_t no = ENL_STORAGE_STATUS_INVALID_DEVICE_STATE;
    const uint32_t never = ENL_STORAGE_STATUS_INVALID_DEVICE_REQUEST;
    const struct {
        uint32_t operation;
        uint32_t status[5];
    } table[] = {
        {0, {never, never, never, never, never}},
        {ENL_STORAGE_COMPLETE_IO, {never, never, never, never, never}},
        {ENL_STORAGE_REMOVE_DEVICE, {never, never, never, never, never}},
        {ENL_STORAGE_EXECUTE_SRB, {no, no, no, no, OK}},
        {ENL_STORAGE_RESET_LUN, {no, no, no, no, OK}},
        {ENL_STORAGE_RESET_ADAPTER, {no, no, no, no, OK}},
        {ENL_STORAGE_RESET_BUS, {no, no, no, no, OK}},
        {ENL_STORAGE_BEGIN_INIT, {OK, no, no, no, no}},
        {ENL_STORAGE_END_INIT, {no, no, no, OK, no}},
        {ENL_STORAGE_QUERY_VERSION,
         {no, ENL_STORAGE_STATUS_REVISION_MISMATCH, no, no, no}},
        {ENL_STORAGE_QUERY_PROPERTIES, {no, no, OK, no, no}},
        {ENL_STORAGE_ENUMERATE_BUS, {never, never, never, never, never}},
        {ENL_STORAGE_FC_HBA_DATA, {never, never, never, never, never}},
        {ENL_STORAGE_CREATE_SUB_CHANNELS, {no, no, no, OK, OK}},
        {ENL_STORAGE_EVENT_NOTIFICATION, {never, never, never, never, never}},
        {15, {never, never, never, never, never}},
        {0xffffffff, {never, never, never, never, never}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (uint32_t step = 0; step < 5; step++) {
            struct rig *rig = at_step(step, ENL_STORAGE_VERSION_WIN10);
            struct enl_storage_packet packet = rig_packet(table[i].operation);

            /* As an SRB these zeros are a TEST UNIT READY. */
            if (table[i].operation == ENL_STORAGE_EXECUTE_SRB)
                packet.u.srb.cdb_len = 6;
            assert_int_equal(rig_exec(rig, &packet, NULL, 0).status,
                             table[i].status[step]);
            rig_free(rig);
        }
    }
}

static void
storvsp_refusals_are_counted(void **state)
{
    struct rig *rig = at_step(0, 0);

    (void)state;
    (void)rig_control(rig, ENL_STORAGE_END_INIT);
    (void)rig_control(rig, 99);
    assert_int_equal(rig_counters(rig).refused, 2);
    rig_free(rig);
}

static void
storvsp_answer_is_as_long_as_the_request(void **state)
{
    static const struct {
        uint32_t sent, answered;
    } lens[] = {{16, 16}, {24, 24}, {48, 48}, {64, 64}, {72, 64}, {256, 64}};
    struct rig *rig = at_step(4, ENL_STORAGE_VERSION_WIN10);
    uint8_t bytes[256] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        bytes[0] = ENL_STORAGE_RESET_BUS;
        fake_channel_put(rig->channel, ENL_PACKET_INBAND, 5, bytes, lens[i].sent, NULL,
                         0);
        assert_int_equal(fake_channel_run(rig->channel), 1);
        assert_int_equal(rig_answer(rig, 5, lens[i].answered).status, 0);
    }
    rig_free(rig);
}

static void
storvsp_packet_without_header_costs_the_channel(void **state)
{
    struct rig *rig = at_step(4, ENL_STORAGE_VERSION_WIN10);
    uint8_t bytes[8] = {ENL_STORAGE_RESET_BUS};

    (void)state;
    fake_channel_put(rig->channel, ENL_PACKET_INBAND, 5, bytes, sizeof(bytes), NULL, 0);
    (void)fake_channel_run(rig->channel);
    assert_true(rig->channel->broken);
    rig_silent(rig);
    assert_int_equal(rig_counters(rig).refused, 1);
    rig_free(rig);
}

static void
storvsp_completion_from_the_guest_costs_the_channel(void **state)
{
    struct rig *rig = at_step(4, ENL_STORAGE_VERSION_WIN10);
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_RESET_BUS);

    (void)state;
    fake_channel_put(rig->channel, ENL_PACKET_COMPLETION, 0, &packet, sizeof(packet),
                     NULL, 0);
    (void)fake_channel_run(rig->channel);
    assert_true(rig->channel->broken);
    rig_silent(rig);
    rig_free(rig);
}

static void
storvsp_reopened_channel_starts_over(void **state)
{
    struct rig *rig = at_step(4, ENL_STORAGE_VERSION_WIN10);

    (void)state;
    fake_channel_close(rig->channel);
    assert_int_equal(fake_channel_open(rig->channel), 0);
    assert_int_equal(rig_control(rig, ENL_STORAGE_END_INIT),
                     ENL_STORAGE_STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(rig_control(rig, ENL_STORAGE_BEGIN_INIT), 0);
    rig_free(rig);
}

static void
storvsp_subchannel_is_ready_and_has_no_negotiation(void **state)
{
    struct rig *rig = at_step(4, ENL_STORAGE_VERSION_WIN10);
    struct enl_storage_packet packet = rig_packet(ENL_STORAGE_CREATE_SUB_CHANNELS);

    (void)state;
    packet.u.sub_channel_count = 1;
    assert_int_equal(rig_exec(rig, &packet, NULL, 0).status, 0);
    fake_bus_poll(&rig->bus);
    rig->channel = fake_bus_channel(&rig->bus, 1);
    assert_non_null(rig->channel);
    assert_int_equal(fake_channel_open(rig->channel), 0);
    packet = rig_read(0, 1);
    packet = rig_exec_srb(rig, &packet);
    rig_assert_good(&packet, 512);
    assert_int_equal(rig_control(rig, ENL_STORAGE_RESET_LUN), 0);
    for (uint32_t op = ENL_STORAGE_BEGIN_INIT; op <= ENL_STORAGE_QUERY_PROPERTIES; op++)
        assert_int_equal(rig_control(rig, op), ENL_STORAGE_STATUS_INVALID_DEVICE_STATE);
    assert_int_equal(rig_control(rig, ENL_STORAGE_CREATE_SUB_CHANNELS),
                     ENL_STORAGE_STATUS_INVALID_DEVICE_STATE);
    rig_free(rig);
}

static void
storvsp_reset_waits_for_what_is_in_flight(void **state)
{
    struct rig *rig = at_step(4, ENL_STORAGE_VERSION_WIN10);
    struct enl_storage_packet packet = rig_read(0, 1);
    uint64_t first;

    (void)state;
    rig->disks[0].hold = true;
    rig_put_srb(rig, &packet);
    rig_put_srb(rig, &packet);
    first = rig->transaction_id - 1;
    packet = rig_packet(ENL_STORAGE_RESET_LUN);
    rig_put(rig, &packet, sizeof(packet), NULL, 0);
    packet = rig_read(1, 1);
    rig_put_srb(rig, &packet);
    assert_int_equal(fake_channel_run(rig->channel), 3);
    assert_int_equal(fake_disk_in_flight(&rig->disks[0]), 2);
    rig_silent(rig);

    fake_disk_finish(&rig->disks[0], 1);
    assert_int_equal(fake_channel_run(rig->channel), 0);
    (void)rig_answer(rig, first, 64);
    rig_silent(rig);

    fake_disk_finish(&rig->disks[0], 1);
    assert_int_equal(fake_channel_run(rig->channel), 1);
    (void)rig_answer(rig, first + 1, 64);
    assert_int_equal(rig_answer(rig, first + 2, 64).status, 0);
    rig_silent(rig);
    assert_int_equal(fake_disk_in_flight(&rig->disks[0]), 1);

    fake_disk_finish(&rig->disks[0], 1);
    (void)fake_channel_run(rig->channel);
    (void)rig_answer(rig, first + 3, 64);
    rig_free(rig);
}

static void
storvsp_reset_that_waits_does_not_stop_a_close(void **state)
{
    struct rig *rig = at_step(4, ENL_STORAGE_VERSION_WIN10);
    struct enl_storage_packet packet = rig_read(0, 1);

    (void)state;
    rig->disks[0].hold = true;
    rig_put_srb(rig, &packet);
    packet = rig_packet(ENL_STORAGE_RESET_BUS);
    rig_put(rig, &packet, sizeof(packet), NULL, 0);
    (void)fake_channel_run(rig->channel);
    rig->channel->room = 0;
    assert_false(fake_channel_try_close(rig->channel, 3));
    fake_disk_finish(&rig->disks[0], 1);
    assert_true(fake_channel_try_close(rig->channel, 1));
    rig_free(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storvsp_accepts_each_known_version),
        cmocka_unit_test(storvsp_unknown_version_may_be_followed_by_a_known_one),
        cmocka_unit_test(storvsp_properties_tell_transfer_and_channels),
        cmocka_unit_test(storvsp_old_versions_have_one_channel),
        cmocka_unit_test(storvsp_each_operation_has_its_states),
        cmocka_unit_test(storvsp_refusals_are_counted),
        cmocka_unit_test(storvsp_answer_is_as_long_as_the_request),
        cmocka_unit_test(storvsp_packet_without_header_costs_the_channel),
        cmocka_unit_test(storvsp_completion_from_the_guest_costs_the_channel),
        cmocka_unit_test(storvsp_reopened_channel_starts_over),
        cmocka_unit_test(storvsp_subchannel_is_ready_and_has_no_negotiation),
        cmocka_unit_test(storvsp_reset_waits_for_what_is_in_flight),
        cmocka_unit_test(storvsp_reset_that_waits_does_not_stop_a_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
