/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_net_hostile.c - the NIC driver, and hosts that lie
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_net_rig.h"

static void
piece_beyond_the_buffer_gives_the_nic_up(void **state)
{
    static const struct enl_transfer_range wrong[] = {{100, NIC_RECEIVE_LEN - 99},
                                                      {NIC_RECEIVE_LEN + 1, 0},
                                                      {16, UINT32_MAX - 8},
                                                      {4, 0}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        bus_setup_offered(NULL);
        nic_become_ready(0);
        assert_int_equal(nic_say_pieces(&wrong[i], 1, 1), -ENL_E_PROTO);
        assert_int_equal(enlg_net_poll(&nic.net), -ENL_E_PROTO);
        assert_int_equal(nic.frames, 0);
    }
}

static void
packet_that_claims_more_pieces_gives_the_nic_up(void **state)
{
    struct enl_transfer_range range;

    (void)state;
    nic_become_ready(0);
    /* What is behind the list, NVSP's type, would be a piece that holds this frame. */
    range = (struct enl_transfer_range){nic_frame_write(0, 40, NULL, 0), 0};
    assert_true(range.byte_count < ENL_NVSP_RNDIS);
    assert_int_equal(nic_say_pieces(&range, 1, 2), -ENL_E_PROTO);
    assert_int_equal(nic.frames, 0);
}

/* Word i of a frame's message is value. */
static int
say_frame_with(uint32_t word, uint32_t value)
{
    static const uint32_t infos[] = {ENL_RNDIS_INFO_HASH, 1};
    struct enl_transfer_range range = {nic_frame_write(0, 64, infos, 2), 0};

    memcpy(nic_receive_buffer() + word * 4, &value, 4);
    return nic_say_pieces(&range, 1, 1);
}

static void
lengths_of_a_frame_are_checked(void **state)
{
    static const struct {
        uint32_t word, value;
    } wrong[] = {
        {1, 7},            /* of the message */
        {1, 8 + 35},       /* ... */
        {1, 4096},         /* ... */
        {2, 36 + 16 + 1},  /* data_offset */
        {2, UINT32_MAX},   /* ... */
        {3, 65},           /* data_len */
        {3, UINT32_MAX},   /* ... */
        {7, 36 + 16 + 65}, /* info_offset */
        {8, 65 + 16 + 1},  /* info_len */
        {8, UINT32_MAX},   /* ... */
        {8, 7},            /* ... */
        {11, 11},          /* a record's size */
        {11, 17},          /* ... */
        {11, 0},           /* ... */
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        bus_setup_offered(NULL);
        nic_become_ready(0);
        assert_int_equal(say_frame_with(wrong[i].word, wrong[i].value), -ENL_E_PROTO);
        assert_int_equal(nic.frames, 0);
    }
}

static void
record_without_a_value_is_skipped(void **state)
{
    (void)state;
    nic_become_ready(0);
    assert_int_equal(say_frame_with(13, 16), 1); /* the value's offset: no room behind */
    assert_int_equal(nic.frames, 1);
    assert_false(nic.frame.has_hash);
}

static void
answer_to_no_question_gives_the_nic_up(void **state)
{
    const uint32_t body[2] = {99, 0};
    const struct enl_nvsp_message m = {.type = ENL_NVSP_RNDIS_COMPLETE};

    (void)state;
    nic_become_ready(0);
    assert_int_equal(nic_say_message(ENL_RNDIS_SET | ENL_RNDIS_COMPLETION, body, 8),
                     -ENL_E_PROTO);
    bus_setup_offered(NULL);
    nic_become_ready(0);
    assert_int_equal(nic_say(ENL_PACKET_COMPLETION, 12345, &m, sizeof(m)), -ENL_E_PROTO);
    bus_setup_offered(NULL);
    nic_become_ready(0);
    assert_int_equal(nic_say_message(ENL_RNDIS_QUERY, body, 8), -ENL_E_PROTO);
}

static void
answer_of_another_kind_gives_the_nic_up(void **state)
{
    const struct enl_nvsp_message m = {.type = ENL_NVSP_SEND_BUFFER_COMPLETE};

    (void)state;
    nic_start(0);
    nic_take(ENL_NVSP_INIT);
    assert_int_equal(nic_complete(&m), -ENL_E_PROTO);
}

static void
value_beyond_its_answer_is_none(void **state)
{
    struct {
        struct enl_rndis_query_complete head;
        uint8_t value[6];
    } a = {.head = {0, 0, 6, sizeof(a.head) + 1}};
    struct enlg_net_info info;

    (void)state;
    nic_start(0);
    nic_accept_version();
    nic_take(ENL_NVSP_NDIS_CONFIG);
    nic_take(ENL_NVSP_NDIS_VERSION);
    nic_accept_buffer();
    nic_accept_initialize();
    nic_take_question(ENL_RNDIS_QUERY, ENL_OID_PERMANENT_ADDRESS);
    a.head.request_id = nic_request_id();
    memset(a.value, 0xEE, 6);
    assert_int_equal(nic_carried(), 1);
    assert_int_equal(nic_say_message(ENL_RNDIS_QUERY | ENL_RNDIS_COMPLETION, &a, 22), 1);
    enlg_net_info(&nic.net, &info);
    assert_memory_equal(info.address, "\0\0\0\0\0\0", 6);
}

static void
packet_of_a_wrong_type_gives_the_nic_up(void **state)
{
    (void)state;
    nic_become_ready(0);
    assert_int_equal(nic_say(ENL_PACKET_GPADL, 1, "01234567", 8), -ENL_E_PROTO);
}

static void
inband_message_changes_nothing(void **state)
{
    const struct enl_nvsp_message m = {.type = ENL_NVSP_SEND_INDIRECTION_TABLE,
                                       .u.send_table = {UINT32_MAX, UINT32_MAX}};

    (void)state;
    nic_become_ready(0);
    assert_int_equal(nic_say(ENL_PACKET_INBAND, 0, &m, sizeof(m)), 1);
    nic_take_nothing();
}

#define TEST(f) cmocka_unit_test_setup(f, bus_setup_offered)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(piece_beyond_the_buffer_gives_the_nic_up),
        TEST(packet_that_claims_more_pieces_gives_the_nic_up),
        TEST(lengths_of_a_frame_are_checked),
        TEST(record_without_a_value_is_skipped),
        TEST(answer_to_no_question_gives_the_nic_up),
        TEST(answer_of_another_kind_gives_the_nic_up),
        TEST(value_beyond_its_answer_is_none),
        TEST(packet_of_a_wrong_type_gives_the_nic_up),
        TEST(inband_message_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
