/* SPDX-License-Identifier: BSD-2-Clause */
/* INITIATE_CONTACT, VERSION_RESPONSE, UNLOAD, and the inbox in front of them. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;

static const uint32_t versions[] = {
    ENL_VMBUS_VERSION_WIN8,      ENL_VMBUS_VERSION_WIN8_1,    ENL_VMBUS_VERSION_WIN10,
    ENL_VMBUS_VERSION_WIN10_4_1, ENL_VMBUS_VERSION_WIN10_5_0, ENL_VMBUS_VERSION_WIN10_5_1,
    ENL_VMBUS_VERSION_WIN10_5_2, ENL_VMBUS_VERSION_WS2022,
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* ---- versions ---- */

static void
connect_each_version_is_answered_in_its_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERSIONS; i++) {
        struct enl_vmbus_version_response response;

        rig_init(&r);
        rig_start(&r, 1);
        response = rig_negotiate(&r, versions[i]);
        assert_int_equal(response.supported, 1);
        assert_int_equal(response.connection_state, 0);
        assert_int_equal(response.version_or_connection_id,
                         versions[i] >= ENL_VMBUS_VERSION_WIN10_5_0 ? 1 : versions[i]);
        assert_int_equal(enlh_vmbus_version(r.bus), versions[i]);
        rig_stop(&r);
    }
}

static void
connect_unknown_versions_are_refused(void **state)
{
    static const uint32_t refused[] = {
        ENL_VMBUS_VERSION_WS2008,
        ENL_VMBUS_VERSION_WIN7,
        ENL_VMBUS_VERSION_6_0,
        ENL_VMBUS_VERSION(5, 4),
        ENL_VMBUS_VERSION(4, 2),
        0,
        0xffffffff,
    };

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct enl_vmbus_version_response response = rig_negotiate(&r, refused[i]);

        assert_int_equal(response.supported, 0);
        assert_int_equal(response.version_or_connection_id, 0);
        assert_int_equal(enlh_vmbus_version(r.bus), 0);
    }
    rig_stop(&r);
}

/* V13, V14: the cap, met version by version from the newest. */
static void
connect_cap_makes_the_guest_step_down(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < VERSIONS; cap++) {
        size_t at = VERSIONS;

        rig_init(&r);
        r.config.max_version = versions[cap];
        rig_start(&r, 1);
        while (at-- > cap + 1)
            assert_int_equal(rig_negotiate(&r, versions[at]).supported, 0);
        assert_int_equal(rig_negotiate(&r, versions[cap]).supported, 1);
        assert_int_equal(enlh_vmbus_version(r.bus), versions[cap]);
        rig_stop(&r);
    }
}

static void
connect_a_cap_that_is_no_version_is_refused(void **state)
{
    struct enlh_vmbus_ops ops = {.size = sizeof(ops)};
    struct enlh_vmbus *bus;

    (void)state;
    rig_init(&r);
    fake_start(&r.f);
    r.config.max_version = ENL_VMBUS_VERSION_6_0;
    assert_int_equal(enlh_vmbus_create(r.f.partition, &r.config, &ops, NULL, &bus),
                     -ENL_E_INVAL);
    fake_fini(&r.f);
}

/* V01: below 5.0 the second port is not there, and says so with the status that makes a
 * guest step down. */
static void
connect_port_4_is_there_from_5_0_on(void **state)
{
    struct enl_vmbus_header head = {.type = ENL_VMBUS_UNLOAD};

    (void)state;
    for (size_t i = 0; i < VERSIONS; i++) {
        uint16_t want = versions[i] >= ENL_VMBUS_VERSION_WIN10_5_0
                            ? ENL_HV_STATUS_SUCCESS
                            : ENL_HV_STATUS_INVALID_CONNECTION_ID;

        rig_init(&r);
        r.config.max_version = versions[i];
        rig_start(&r, 1);
        assert_int_equal(fake_post(&r.f, 0, 4, ENL_MESSAGE_VMBUS, &head, sizeof(head)),
                         want);
        assert_int_equal(fake_post(&r.f, 0, 1, ENL_MESSAGE_VMBUS, &head, sizeof(head)),
                         ENL_HV_STATUS_SUCCESS);
        assert_int_equal(fake_post(&r.f, 0, 5, ENL_MESSAGE_VMBUS, &head, sizeof(head)),
                         ENL_HV_STATUS_INVALID_CONNECTION_ID);
        rig_stop(&r);
    }
}

/* ---- where answers go ---- */

static void
contact_to(uint32_t version, uint32_t target_vp, uint8_t sint, uint8_t vtl)
{
    struct enl_vmbus_initiate_contact contact = {
        .head = {.type = ENL_VMBUS_INITIATE_CONTACT},
        .version = version,
        .target_vp = target_vp,
        .u.target = {.sint = sint, .vtl = vtl},
    };

    rig_post(&r, &contact, sizeof(contact));
}

static struct enl_vmbus_version_response
take_response(uint32_t vp, uint32_t sint)
{
    struct enl_vmbus_version_response response;
    struct enl_message message;

    assert_true(fake_take_message(&r.f, vp, sint, &message));
    memcpy(&response, message.payload, sizeof(response));
    assert_int_equal(response.head.type, ENL_VMBUS_VERSION_RESPONSE);
    return response;
}

static void
connect_messages_go_to_the_vp_that_was_named(void **state)
{
    (void)state;
    rig_init(&r);
    rig_start(&r, 4);
    contact_to(ENL_VMBUS_VERSION_WS2022, 3, RIG_SINT, 0);
    assert_int_equal(take_response(3, RIG_SINT).supported, 1);
    contact_to(ENL_VMBUS_VERSION_WIN8_1, 2, 0, 0);
    assert_int_equal(take_response(2, RIG_SINT).supported, 1);
    rig_post_head(&r, ENL_VMBUS_UNLOAD);
    r.vp = 2;
    rig_expect(&r, ENL_VMBUS_UNLOAD_RESPONSE, NULL, 0);
    rig_stop(&r);
}

static void
connect_before_3_0_messages_go_to_vp_0(void **state)
{
    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    contact_to(ENL_VMBUS_VERSION_WIN8, 1, 0, 0);
    assert_int_equal(take_response(0, RIG_SINT).supported, 1);
    rig_stop(&r);
}

static void
connect_a_vp_that_does_not_exist_fails_on_vp_0(void **state)
{
    struct enl_vmbus_version_response response;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    contact_to(ENL_VMBUS_VERSION_WS2022, 2, RIG_SINT, 0);
    response = take_response(0, RIG_SINT);
    assert_int_equal(response.supported, 1);
    assert_int_equal(response.connection_state, ENL_VMBUS_CONNECTION_STATE_UNKNOWN);
    assert_int_equal(enlh_vmbus_version(r.bus), 0);
    rig_stop(&r);
}

static void
connect_port_4_takes_the_sint_that_was_named(void **state)
{
    struct enlh_channel *channel;
    struct rig_guest guest;
    struct enl_message message;

    (void)state;
    rig_init(&r);
    r.post_connection = 4;
    rig_start(&r, 1);
    fake_synic_on(&r.f, 0, 5);
    contact_to(ENL_VMBUS_VERSION_WS2022, 0, 5, 0);
    assert_int_equal(take_response(0, 5).supported, 1);
    channel = rig_offer(&r, 1, 0);
    rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    assert_true(fake_take_message(&r.f, 0, 5, &message));
    assert_true(fake_take_message(&r.f, 0, 5, &message));
    guest = (struct rig_guest){
        .relid = enlh_channel_relid(channel), .handle = 7, .split = RIG_RING_LEN};
    memset(fake_at(&r.f, RIG_RAM_GPA, 0x8000), 0, 0x8000);
    rig_post_gpadl(&r, guest.relid, guest.handle, RIG_RAM_GPA, 8);
    rig_post_open(&r, &guest, 0);
    rig_settle(&r);
    assert_true(enlh_channel_is_open(channel));
    assert_true(fake_take_message(&r.f, 0, 5, &message));
    assert_true(fake_take_message(&r.f, 0, 5, &message));
    rig_settle(&r);
    assert_true(fake_take_event(&r.f, 0, 5, guest.relid));
    assert_false(fake_take_event(&r.f, 0, 2, guest.relid));
    rig_stop(&r);
}

static void
connect_a_bad_sint_or_vtl_is_refused(void **state)
{
    static const uint8_t bad[][2] = {{0, 0}, {16, 0}, {255, 0}, {2, 1}, {2, 2}};

    (void)state;
    rig_init(&r);
    r.post_connection = 4;
    rig_start(&r, 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        contact_to(ENL_VMBUS_VERSION_WS2022, 0, bad[i][0], bad[i][1]);
        assert_int_equal(take_response(0, RIG_SINT).supported, 0);
    }
    rig_stop(&r);
}

static void
connect_port_1_ignores_sint_and_vtl(void **state)
{
    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    contact_to(ENL_VMBUS_VERSION_WS2022, 0, 9, 2);
    assert_int_equal(take_response(0, RIG_SINT).supported, 1);
    rig_stop(&r);
}

/* ---- the end ---- */

static void
connect_unload_is_answered_from_3_0_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERSIONS; i++) {
        rig_boot(&r, versions[i]);
        rig_post_head(&r, ENL_VMBUS_UNLOAD);
        if (versions[i] >= ENL_VMBUS_VERSION_WIN8_1)
            rig_expect(&r, ENL_VMBUS_UNLOAD_RESPONSE, NULL, 0);
        rig_expect_none(&r);
        assert_int_equal(enlh_vmbus_version(r.bus), 0);
        rig_stop(&r);
    }
}

static void
connect_a_second_unload_is_answered_again(void **state)
{
    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (int i = 0; i < 2; i++) {
        rig_post_head(&r, ENL_VMBUS_UNLOAD);
        rig_expect(&r, ENL_VMBUS_UNLOAD_RESPONSE, NULL, 0);
    }
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
connect_an_unload_before_any_contact_is_a_fault(void **state)
{
    struct enlh_vmbus_counters counters;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    rig_post_head(&r, ENL_VMBUS_UNLOAD);
    rig_expect_none(&r);
    enlh_vmbus_counters(r.bus, &counters);
    assert_int_equal(counters.messages_malformed, 1);
    rig_stop(&r);
}

/* V39, X14: the next kernel says nothing but INITIATE_CONTACT. */
static void
connect_a_second_contact_starts_anew(void **state)
{
    struct rig_guest guest;
    struct enlh_channel *channel = rig_open_one(&r, &guest);

    (void)state;
    rig_contact(&r, ENL_VMBUS_VERSION_WIN10);
    rig_settle(&r);
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    assert_int_equal(enlh_vmbus_version(r.bus), ENL_VMBUS_VERSION_WIN10);
    assert_false(enlh_channel_is_open(channel));
    assert_int_equal(r.dev.closes, 1);
    assert_int_equal(r.bus->quota.count, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    rig_open(&r, &guest, enlh_channel_relid(channel));
    rig_stop(&r);
}

static void
connect_a_refused_contact_ends_the_connection_too(void **state)
{
    struct rig_guest guest;
    struct enlh_channel *channel = rig_open_one(&r, &guest);

    (void)state;
    rig_contact(&r, ENL_VMBUS_VERSION_6_0);
    rig_settle(&r);
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    assert_int_equal(enlh_vmbus_version(r.bus), 0);
    assert_false(enlh_channel_is_open(channel));
    rig_stop(&r);
}

static void
connect_reset_forgets_guest_and_messages(void **state)
{
    struct enl_vmbus_header unload = {.type = ENL_VMBUS_UNLOAD};
    struct rig_guest guest;
    struct enlh_channel *channel = rig_open_one(&r, &guest);

    (void)state;
    assert_int_equal(rig_post_raw(&r, &unload, sizeof(unload)), 0);
    enlh_vmbus_reset(r.bus);
    assert_false(enlh_vmbus_idle(r.bus));
    rig_settle(&r);
    assert_true(enlh_vmbus_idle(r.bus));
    assert_false(enlh_channel_is_open(channel));
    rig_expect_none(&r);
    assert_int_equal(rig_negotiate(&r, ENL_VMBUS_VERSION_WIN8).supported, 1);
    assert_int_equal(rig_request_offers(&r), 1);
    rig_stop(&r);
}

/* ---- the inbox ---- */

static void
connect_a_full_inbox_asks_the_guest_to_wait(void **state)
{
    struct enl_vmbus_relid message = {.head = {.type = ENL_VMBUS_CLOSE_CHANNEL}};
    struct enlh_vmbus_counters counters;
    uint32_t taken = 0;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    while (rig_post_raw(&r, &message, sizeof(message)) == ENL_HV_STATUS_SUCCESS) {
        taken++;
        assert_true(taken < 1000);
    }
    assert_int_equal(taken, ENLH_INBOX_LEN);
    assert_int_equal(rig_post_raw(&r, &message, sizeof(message)),
                     ENL_HV_STATUS_INSUFFICIENT_BUFFERS);
    assert_true(enlh_vmbus_poll(r.bus)); /* a bounded turn */
    assert_int_equal(rig_post_raw(&r, &message, sizeof(message)), ENL_HV_STATUS_SUCCESS);
    rig_poll(&r);
    enlh_vmbus_counters(r.bus, &counters);
    assert_int_equal(counters.messages, 1 + taken + 1);
    rig_stop(&r);
}

static void
connect_a_poll_handles_64_messages(void **state)
{
    struct enl_vmbus_relid message = {.head = {.type = ENL_VMBUS_CLOSE_CHANNEL}};
    struct enlh_vmbus_counters before, after;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rig_post_raw(&r, &message, sizeof(message)), 0);
    enlh_vmbus_counters(r.bus, &before);
    assert_true(enlh_vmbus_poll(r.bus));
    enlh_vmbus_counters(r.bus, &after);
    assert_int_equal(after.messages - before.messages, 64);
    assert_false(enlh_vmbus_poll(r.bus));
    rig_stop(&r);
}

/* V40 */
static void
connect_messages_are_handled_in_their_order(void **state)
{
    struct enl_vmbus_gpadl_created created;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint32_t i = 0; i < 12; i++) {
        struct {
            struct enl_vmbus_gpadl_header header;
            struct enl_gpa_range range;
            uint64_t pfn;
        } __attribute__((packed)) message = {
            .header = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                       .relid = 1,
                       .gpadl = 100 + i,
                       .range_buf_len = 16,
                       .range_count = 1},
            .range = {.byte_count = 4096},
            .pfn = 1 + i,
        };

        assert_int_equal(rig_post_raw(&r, &message, 36), 0);
    }
    for (uint32_t i = 0; i < 12; i++) {
        rig_expect(&r, ENL_VMBUS_GPADL_CREATED, &created, sizeof(created));
        assert_int_equal(created.gpadl, 100 + i);
    }
    rig_stop(&r);
}

/*
 * A guest that never empties its slot fills the outbox and then the inbox, and crashes.
 * The next kernel gets in, with an answer to nothing but its own contact.
 */
static void
connect_a_stuck_guest_does_not_lock_the_next_one_out(void **state)
{
    struct enl_vmbus_open open = {.head = {.type = ENL_VMBUS_OPEN_CHANNEL}, .relid = 1};
    struct enl_vmbus_initiate_contact contact = {
        .head = {.type = ENL_VMBUS_INITIATE_CONTACT},
        .version = ENL_VMBUS_VERSION_WS2022,
        .target_vp = 1,
    };
    uint32_t taken = 0;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (; rig_post_raw(&r, &open, sizeof(open)) == ENL_HV_STATUS_SUCCESS; taken++) {
        assert_true(taken < 1000);
        rig_poll(&r);
    }
    assert_true(taken > ENLH_INBOX_LEN);
    assert_int_equal(rig_post_raw(&r, &contact, sizeof(contact)), ENL_HV_STATUS_SUCCESS);
    r.vp = 1;
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
connect_a_stuck_guest_leaves_room_for_a_later_contact(void **state)
{
    struct enl_vmbus_open open = {.head = {.type = ENL_VMBUS_OPEN_CHANNEL}, .relid = 1};

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (int i = 0; i < 100; i++)
        rig_post(&r, &open, sizeof(open)); /* part of them waits in the inbox */
    assert_false(enlh_inbox_empty(r.bus));
    r.vp = 1;
    rig_contact(&r, ENL_VMBUS_VERSION_WIN10);
    rig_expect(&r, ENL_VMBUS_VERSION_RESPONSE, NULL, 0);
    assert_true(enlh_inbox_empty(r.bus));
    rig_stop(&r);
}

static void
connect_each_message_wakes_the_loop(void **state)
{
    struct enl_vmbus_header head = {.type = ENL_VMBUS_REQUEST_OFFERS};

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    r.loop_wakes = 0;
    assert_int_equal(rig_post_raw(&r, &head, sizeof(head)), 0);
    assert_true(r.loop_wakes > 0);
    rig_stop(&r);
}

static void
connect_another_synic_type_is_counted_and_forgotten(void **state)
{
    struct enl_vmbus_header head = {.type = ENL_VMBUS_REQUEST_OFFERS};
    struct enlh_vmbus_counters counters;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    assert_int_equal(fake_post(&r.f, 0, 1, 2, &head, sizeof(head)),
                     ENL_HV_STATUS_SUCCESS);
    rig_expect_none(&r);
    enlh_vmbus_counters(r.bus, &counters);
    assert_int_equal(counters.messages_malformed, 1);
    rig_stop(&r);
}

/* ---- create ---- */

static void
connect_create_gives_everything_back_when_memory_runs_out(void **state)
{
    struct enlh_vmbus_ops ops = {.size = sizeof(ops)};
    int result = -ENL_E_NOMEM;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    rig_stop(&r);
    for (int32_t i = 0; result < 0; i++) {
        struct enlh_vmbus *bus = NULL;

        assert_true(i < 100);
        rig_init(&r);
        fake_start(&r.f);
        rig_start_ops(&ops);
        r.f.alloc_countdown = i;
        result = enlh_vmbus_create(r.f.partition, &r.config, &ops, &r, &bus);
        r.f.alloc_countdown = -1;
        if (result == 0)
            enlh_vmbus_destroy(bus);
        else
            assert_true(result == -ENL_E_NOMEM || result == -ENL_E_NOSPC);
        fake_fini(&r.f);
    }
}

static void
connect_a_second_bus_is_refused_and_harms_nothing(void **state)
{
    struct enlh_vmbus_ops ops = {.size = sizeof(ops)};
    struct enlh_vmbus *bus;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_start_ops(&ops);
    assert_true(enlh_vmbus_create(r.f.partition, &r.config, &ops, &r, &bus) < 0);
    assert_int_equal(rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022).supported, 1);
    rig_stop(&r);
}

static void
connect_a_tl_request_is_refused_from_4_1_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERSIONS; i++) {
        struct {
            struct enl_vmbus_header head;
            struct enl_guid endpoint, service;
        } request = {.head = {.type = ENL_VMBUS_TL_CONNECT_REQUEST},
                     .endpoint = {{1}},
                     .service = {{2}}};
        struct {
            struct enl_vmbus_header head;
            struct enl_guid endpoint, service;
            uint32_t status;
        } result;

        rig_boot(&r, versions[i]);
        rig_post(&r, &request, sizeof(request));
        if (versions[i] >= ENL_VMBUS_VERSION_WIN10_4_1) {
            rig_expect(&r, ENL_VMBUS_TL_CONNECT_RESULT, &result, sizeof(result));
            assert_int_equal(result.status, 0xc0000236);
            assert_int_equal(result.endpoint.b[0], 1);
            assert_int_equal(result.service.b[0], 2);
        }
        rig_expect_none(&r);
        rig_stop(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_each_version_is_answered_in_its_layout),
        cmocka_unit_test(connect_unknown_versions_are_refused),
        cmocka_unit_test(connect_cap_makes_the_guest_step_down),
        cmocka_unit_test(connect_a_cap_that_is_no_version_is_refused),
        cmocka_unit_test(connect_port_4_is_there_from_5_0_on),
        cmocka_unit_test(connect_messages_go_to_the_vp_that_was_named),
        cmocka_unit_test(connect_before_3_0_messages_go_to_vp_0),
        cmocka_unit_test(connect_a_vp_that_does_not_exist_fails_on_vp_0),
        cmocka_unit_test(connect_port_4_takes_the_sint_that_was_named),
        cmocka_unit_test(connect_a_bad_sint_or_vtl_is_refused),
        cmocka_unit_test(connect_port_1_ignores_sint_and_vtl),
        cmocka_unit_test(connect_unload_is_answered_from_3_0_on),
        cmocka_unit_test(connect_a_second_unload_is_answered_again),
        cmocka_unit_test(connect_an_unload_before_any_contact_is_a_fault),
        cmocka_unit_test(connect_a_second_contact_starts_anew),
        cmocka_unit_test(connect_a_refused_contact_ends_the_connection_too),
        cmocka_unit_test(connect_reset_forgets_guest_and_messages),
        cmocka_unit_test(connect_a_full_inbox_asks_the_guest_to_wait),
        cmocka_unit_test(connect_a_poll_handles_64_messages),
        cmocka_unit_test(connect_messages_are_handled_in_their_order),
        cmocka_unit_test(connect_a_stuck_guest_does_not_lock_the_next_one_out),
        cmocka_unit_test(connect_a_stuck_guest_leaves_room_for_a_later_contact),
        cmocka_unit_test(connect_each_message_wakes_the_loop),
        cmocka_unit_test(connect_another_synic_type_is_counted_and_forgotten),
        cmocka_unit_test(connect_create_gives_everything_back_when_memory_runs_out),
        cmocka_unit_test(connect_a_second_bus_is_refused_and_harms_nothing),
        cmocka_unit_test(connect_a_tl_request_is_refused_from_4_1_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
