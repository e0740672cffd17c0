/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_vmbus.c - the guest's connection and offers, and a host that lies
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_bus_rig.h"

/* ---- contact ---- */

static uint32_t
asked(uint32_t i, struct enl_vmbus_initiate_contact *m)
{
    uint32_t len, id;
    const void *payload = rig_posted(i, &len, &id);

    memcpy(m, payload, sizeof(*m));
    assert_int_equal(m->head.type, ENL_VMBUS_INITIATE_CONTACT);
    assert_int_equal(m->target_vp, 3);
    assert_true(len >= sizeof(*m));
    return id;
}

static void
contact_steps_down_through_every_version(void **state)
{
    static const uint32_t versions[] = {0x50003, 0x50002, 0x50001, 0x50000,
                                        0x40001, 0x40000, 0x30000, 0x20004};
    struct enl_vmbus_initiate_contact m;

    (void)state;
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    for (uint32_t i = 0; i < 8; i++) {
        bool five = versions[i] >= 0x50000;

        assert_int_equal(rig.call_count, i + 1);
        assert_int_equal(asked(i, &m), five ? 4 : 1);
        assert_int_equal(m.version, versions[i]);
        if (five)
            assert_int_equal(m.u.target.sint, 2);
        else
            assert_ptr_equal(rig_at(m.u.interrupt_page_gpa), rig_page(50));
        assert_int_equal(enlg_vmbus_version(&bus.bus), 0);
        bus_say_version(0, 0);
    }
    bus_events_are("F");
    assert_int_equal(enlg_vmbus_state(&bus.bus), ENLG_VMBUS_FAILED);
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    assert_int_equal(asked(8, &m), 4);
}

static void
contact_takes_a_missing_connection_for_a_refusal(void **state)
{
    struct enl_vmbus_initiate_contact m;

    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        rig.result[i] = ENL_HV_STATUS_INVALID_CONNECTION_ID;
    rig.result[4] = 0;
    rig.result_count = 5;
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    assert_int_equal(rig.call_count, 5);
    assert_int_equal(rig.pauses, 0);
    assert_int_equal(asked(4, &m), 1);
    assert_int_equal(m.version, 0x40001);
}

static void
contact_refused_by_every_post_fails_at_once(void **state)
{
    (void)state;
    rig.result[0] = ENL_HV_STATUS_INVALID_CONNECTION_ID;
    rig.result_count = 1;
    assert_int_equal(enlg_vmbus_connect(&bus.bus), -ENL_E_NOENT);
    assert_int_equal(enlg_vmbus_state(&bus.bus), ENLG_VMBUS_FAILED);
    bus_events_are("");
}

static void
contact_uses_the_connection_that_the_host_names(void **state)
{
    uint32_t id;

    (void)state;
    bus_connect(ENL_VMBUS_VERSION_WS2022); /* whose answer names 7 */
    rig_posted(1, NULL, &id);
    assert_int_equal(id, 7);
    assert_int_equal(enlg_vmbus_version(&bus.bus), ENL_VMBUS_VERSION_WS2022);
    bus_setup(state);
    bus_connect(ENL_VMBUS_VERSION_WIN10);
    rig_posted(1, NULL, &id);
    assert_int_equal(id, 1);
}

static void
contact_that_the_host_has_no_room_for_fails(void **state)
{
    struct enl_vmbus_version_response m = {
        .head.type = ENL_VMBUS_VERSION_RESPONSE,
        .supported = 1,
        .connection_state = ENL_VMBUS_CONNECTION_STATE_LOW_RESOURCES,
    };

    (void)state;
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    bus_say(&m, sizeof(m));
    bus_events_are("F");
    assert_int_equal(enlg_vmbus_version(&bus.bus), 0);
}

static void
contact_hears_the_answer_that_was_its_own(void **state)
{
    struct enl_vmbus_initiate_contact m;

    (void)state;
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    bus_say_version(1, 9); /* for the kernel before this one */
    bus_events_are("C");
    bus_say_version(0, 0); /* ours */
    assert_int_equal(asked(2, &m), 4);
    assert_int_equal(m.version, 0x50002);
    bus_say_version(1, 7);
    bus_events_are("C");
    assert_int_equal(enlg_vmbus_version(&bus.bus), 0x50002);
    assert_int_equal(bus_malformed(), 0);
    bus_say_type(ENL_VMBUS_ALL_OFFERS_DELIVERED);
    bus_say_version(0, 0); /* nobody asked any more */
    assert_int_equal(enlg_vmbus_version(&bus.bus), 0x50002);
    assert_int_equal(bus_malformed(), 1);
}

static void
contact_takes_a_short_answer_below_5_0(void **state)
{
    struct enl_vmbus_version_response m = {.head.type = ENL_VMBUS_VERSION_RESPONSE,
                                           .supported = 1,
                                           .version_or_connection_id = 0x12345678};

    (void)state;
    bus.config.max_version = ENL_VMBUS_VERSION_WIN10;
    assert_int_equal(enlg_vmbus_init(&bus.bus, &rig.partition, &bus.config), 0);
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    bus_say(&m, 12); /* what is behind it is no part of it */
    bus_events_are("C");
    bus_setup(state);
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0); /* 5.3: where to post is needed */
    bus_say(&m, 12);
    bus_events_are("");
    assert_int_equal(bus_malformed(), 1);
    bus_say_version(1, 7);
    bus_events_are("C");
}

static void
contact_is_no_agreement_to_what_nobody_offered(void **state)
{
    (void)state;
    bus.config.max_version = ENL_VMBUS_VERSION_WIN10;
    assert_int_equal(enlg_vmbus_init(&bus.bus, &rig.partition, &bus.config), 0);
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    bus_say_version(1, ENL_VMBUS_VERSION_WIN8_1);
    bus_say_version(1, 0x00070000);
    bus_events_are("");
    assert_int_equal(bus_malformed(), 2);
    assert_int_equal(enlg_vmbus_state(&bus.bus), ENLG_VMBUS_CONTACTING);
    bus_say_version(1, ENL_VMBUS_VERSION_WIN10);
    bus_events_are("C");
    bus_say_version(1, ENL_VMBUS_VERSION_WIN8);
    assert_int_equal(bus_malformed(), 3);
    assert_int_equal(enlg_vmbus_version(&bus.bus), ENL_VMBUS_VERSION_WIN10);
}

static void
contact_drops_what_an_earlier_kernel_left(void **state)
{
    struct enl_vmbus_version_response m = {.head.type = ENL_VMBUS_VERSION_RESPONSE};

    (void)state;
    rig_deliver(&m, sizeof(m));
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    assert_int_equal(rig_slot(2)->type, ENL_MESSAGE_NONE);
    assert_int_equal(rig.call_count, 1);
}

static void
config_without_an_interrupt_page_stops_at_5_0(void **state)
{
    struct enl_vmbus_initiate_contact m;

    (void)state;
    bus.config.interrupt_page = NULL;
    assert_int_equal(enlg_vmbus_init(&bus.bus, &rig.partition, &bus.config), 0);
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    for (uint32_t i = 0; i < 4; i++)
        bus_say_version(0, 0);
    bus_events_are("F");
    assert_int_equal(asked(3, &m), 4);
    assert_int_equal(m.version, 0x50000);
    assert_int_equal(rig.call_count, 4);
}

/* ---- offers ---- */

static uint64_t
offers_refused(void)
{
    struct enlg_vmbus_counters counters;

    enlg_vmbus_counters(&bus.bus, &counters);
    return counters.offers_refused;
}

static void
offer_is_told_as_it_came(void **state)
{
    const struct enlg_channel_info *info = enlg_channel_info(bus.channel);

    (void)state;
    assert_int_equal(info->relid, BUS_RELID);
    assert_int_equal(info->connection_id, BUS_CONNECTION);
    assert_int_equal(info->instance.b[3], 1);
    assert_true(info->dedicated);
    assert_ptr_equal(enlg_vmbus_channel(&bus.bus, 0), bus.channel);
    assert_null(enlg_vmbus_channel(&bus.bus, 1));
}

static void
offer_twice_is_not_believed(void **state)
{
    (void)state;
    bus_say_offer(BUS_RELID, 2);
    bus_say_offer(BUS_RELID + 1, 1);
    bus_say_offer(0, 3);
    bus_say_offer(2048, 3);
    bus_say_offer(0xFFFFFFFF, 3);
    bus_events_are("");
    assert_int_equal(offers_refused(), 5);
}

static void
offer_without_a_place_is_released_at_its_rescind(void **state)
{
    struct enl_vmbus_relid m;

    (void)state;
    for (uint32_t i = 1; i < BUS_CHANNELS; i++)
        bus_say_offer(BUS_RELID + i, (uint8_t)(1 + i));
    bus_events_are("+++");
    bus_say_offer(100, 100);
    bus_events_are("");
    assert_int_equal(offers_refused(), 1);
    bus_say_rescind(100);
    bus_posted(ENL_VMBUS_RELID_RELEASED, &m, sizeof(m));
    assert_int_equal(m.relid, 100);
    bus_events_are("");
}

static void
offer_that_is_rescinded_frees_its_place(void **state)
{
    struct enl_vmbus_relid m;

    (void)state;
    for (uint32_t i = 0; i < 3 * BUS_CHANNELS; i++) {
        bus_say_rescind(BUS_RELID);
        bus_posted(ENL_VMBUS_RELID_RELEASED, &m, sizeof(m));
        assert_int_equal(m.relid, BUS_RELID);
        bus_events_are("-");
        assert_null(enlg_vmbus_channel(&bus.bus, 0));
        bus_say_offer(BUS_RELID, 1);
        bus_events_are("+");
    }
    bus_say_rescind(0);
    bus_say_rescind(2048);
    assert_int_equal(bus_malformed(), 2);
    bus_posted_nothing();
}

/* ---- lies ---- */

static void
message_too_short_is_dropped(void **state)
{
    static const struct {
        uint32_t type, len;
    } messages[] = {
        {ENL_VMBUS_OFFER_CHANNEL, 196},
        {ENL_VMBUS_RESCIND_OFFER, 12},
        {ENL_VMBUS_OPEN_RESULT, 20},
        {ENL_VMBUS_GPADL_CREATED, 20},
        {ENL_VMBUS_GPADL_TORNDOWN, 12},
        {ENL_VMBUS_VERSION_RESPONSE, 10},
        {ENL_VMBUS_UNLOAD_RESPONSE, 8},
        {ENL_VMBUS_ALL_OFFERS_DELIVERED, 8},
        {ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, 16},
    };
    uint8_t m[240] = {0};

    (void)state;
    for (uint32_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        m[0] = (uint8_t)messages[i].type;
        bus_say(m, messages[i].len - 1);
        assert_int_equal(bus_malformed(), i + 1);
    }
    bus_events_are("");
    bus_posted_nothing();
}

static void
message_that_only_a_guest_sends_is_dropped(void **state)
{
    uint64_t count = 0;

    (void)state;
    for (uint32_t type = 0; type < 40; type++) {
        struct enl_vmbus_header m = {.type = type};
        uint8_t long_message[240] = {0};
        bool hosts = type == 1 || type == 2 || type == 4 || type == 6 || type == 10 ||
                     type == 12 || type == 15 || type == 17 || type == 24;

        if (hosts)
            continue;
        memcpy(long_message, &m, sizeof(m));
        bus_say(long_message, 240);
        assert_int_equal(bus_malformed(), ++count);
    }
    bus_events_are("");
}

static void
answer_that_nobody_asked_for_is_dropped(void **state)
{
    struct enl_vmbus_modify_channel_response moved = {
        .head.type = ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, .relid = BUS_RELID};

    (void)state;
    bus_say_created(BUS_RELID, 0xE1E10, 0);
    bus_say_created(99, 1, 0);
    bus_say_torndown(0x12345678);
    bus_say_opened(BUS_RELID, 0);
    bus_say_opened(99, 0);
    bus_say(&moved, sizeof(moved));
    bus_say_type(ENL_VMBUS_UNLOAD_RESPONSE);
    bus_events_are("");
    assert_int_equal(bus_malformed(), 7);
    assert_int_equal(enlg_vmbus_state(&bus.bus), ENLG_VMBUS_CONNECTED);
    bus_say_type(ENL_VMBUS_ALL_OFFERS_DELIVERED);
    bus_say_type(ENL_VMBUS_ALL_OFFERS_DELIVERED);
    bus_events_are("A");
    assert_int_equal(bus_malformed(), 8);
}

static void
refill(void)
{
    struct enl_vmbus_header m = {.type = ENL_VMBUS_ALL_OFFERS_DELIVERED};

    rig_deliver(&m, sizeof(m));
    rig_slot(2)->flags = ENL_MESSAGE_FLAG_PENDING;
}

static void
poll_is_bounded_when_the_host_never_stops(void **state)
{
    (void)state;
    rig.on_eom = refill;
    refill();
    assert_int_equal(enlg_vmbus_poll(&bus.bus), 64);
    assert_int_equal(enlg_vmbus_poll(&bus.bus), 64);
}

static void
message_of_another_type_goes_to_who_wants_it(void **state)
{
    (void)state;
    rig_deliver("timer", 5);
    rig_slot(2)->type = ENL_MESSAGE_TIMER_EXPIRED;
    assert_int_equal(enlg_vmbus_poll(&bus.bus), 1);
    assert_int_equal(bus.others, 1);
    assert_int_equal(bus_malformed(), 0);
}

/* ---- unload ---- */

static void
unload_waits_for_the_answer(void **state)
{
    (void)state;
    assert_int_equal(enlg_vmbus_unload(&bus.bus), 0);
    bus_posted(ENL_VMBUS_UNLOAD, NULL, 8);
    bus_events_are("");
    assert_int_equal(enlg_vmbus_state(&bus.bus), ENLG_VMBUS_UNLOADING);
    bus_say_offer(77, 7); /* was on its way */
    bus_events_are("");
    assert_int_equal(bus_open(), -ENL_E_CONNRESET);
    bus_say_type(ENL_VMBUS_UNLOAD_RESPONSE);
    bus_events_are("-U");
    assert_int_equal(enlg_vmbus_state(&bus.bus), ENLG_VMBUS_IDLE);
    assert_null(enlg_vmbus_channel(&bus.bus, 0));
    bus_posted_nothing();
    assert_int_equal(enlg_vmbus_unload(&bus.bus), -ENL_E_INVAL);
}

static void
unload_with_an_open_channel_gives_its_memory_back(void **state)
{
    (void)state;
    assert_int_equal(enlg_vmbus_unload(&bus.bus), 0);
    bus_say_type(ENL_VMBUS_UNLOAD_RESPONSE);
    bus_events_are("c-U");
    assert_int_equal(bus.status, -ENL_E_CONNRESET);
}

static void
unload_below_3_0_needs_closed_channels(void **state)
{
    (void)state;
    bus_connect(ENL_VMBUS_VERSION_WIN8);
    bus_say_offer(BUS_RELID, 1);
    assert_int_equal(bus_open(), 0);
    assert_int_equal(enlg_vmbus_unload(&bus.bus), -ENL_E_BUSY);
    bus_say_created(BUS_RELID, 0xE1E10, ENL_VMBUS_STATUS_FAILED);
    bus_events_are("+ec");
    assert_int_equal(enlg_vmbus_unload(&bus.bus), 0);
    bus_events_are("-U");
}

static void
unload_answered_on_another_processor_is_heard(void **state)
{
    static _Alignas(4096) uint8_t pages[2][ENL_PAGE_SIZE];
    struct enlg_synic_pages p = {pages[0], pages[1]};
    struct enl_vmbus_header m = {.type = ENL_VMBUS_UNLOAD_RESPONSE};
    struct enl_message *slot = &((struct enl_message_page *)pages[0])->slot[2];
    struct enlg_synic other;

    (void)state;
    assert_int_equal(enlg_synic_enable(&other, &rig.partition, &p), 0);
    assert_int_equal(enlg_vmbus_unload(&bus.bus), 0);
    memcpy(slot->payload, &m, sizeof(m));
    slot->payload_len = sizeof(m);
    slot->type = ENL_MESSAGE_VMBUS;
    assert_int_equal(enlg_vmbus_poll_synic(&bus.bus, &other), 1);
    bus_events_are("-U");
}

/* ---- no answer at all ---- */

static void
abandon_ends_a_contact(void **state)
{
    (void)state;
    enlg_vmbus_abandon(&bus.bus); /* nothing to end */
    bus_events_are("");
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
    assert_int_equal(enlg_vmbus_connect(&bus.bus), -ENL_E_BUSY);
    enlg_vmbus_abandon(&bus.bus);
    bus_events_are("F");
    bus_say_version(1, 7); /* too late */
    assert_int_equal(enlg_vmbus_state(&bus.bus), ENLG_VMBUS_FAILED);
    enlg_vmbus_abandon(&bus.bus);
    bus_events_are("");
    assert_int_equal(enlg_vmbus_connect(&bus.bus), 0);
}

static void
abandon_ends_every_wait_of_a_channel(void **state)
{
    (void)state;
    /* for CREATED */
    assert_int_equal(bus_open(), 0);
    enlg_vmbus_abandon(&bus.bus);
    bus_events_are("ec-F");
    assert_int_equal(bus.status, -ENL_E_TIMEDOUT);
    /* for OPEN_RESULT, with a close that waits for it */
    bus_setup_offered(state);
    assert_int_equal(bus_open(), 0);
    bus_say_created(BUS_RELID, 0xE1E10, 0);
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    enlg_vmbus_abandon(&bus.bus);
    bus_events_are("ec-F");
    /* for TORNDOWN */
    bus_setup_open(state);
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    enlg_vmbus_abandon(&bus.bus);
    bus_events_are("c-F");
    /* for MODIFY_CHANNEL_RESPONSE */
    bus_setup_open(state);
    assert_int_equal(enlg_channel_move(bus.channel, 1), 0);
    enlg_vmbus_abandon(&bus.bus);
    bus_events_are("c-F");
    assert_int_equal(enlg_vmbus_version(&bus.bus), 0);
    bus_say_torndown(bus.ring_gpadl); /* too late */
    bus_events_are("");
    assert_null(enlg_vmbus_channel(&bus.bus, 0));
}

static void
abandon_ends_an_unload(void **state)
{
    (void)state;
    assert_int_equal(enlg_vmbus_unload(&bus.bus), 0);
    enlg_vmbus_abandon(&bus.bus);
    bus_events_are("c-F");
    bus_say_type(ENL_VMBUS_UNLOAD_RESPONSE); /* too late */
    bus_events_are("");
    bus_connect(ENL_VMBUS_VERSION_WS2022);
}

/* ---- signals ---- */

static void
signal_reaches_only_an_open_channel(void **state)
{
    (void)state;
    bus.signals = 0;
    rig_flags(2)->word[0] = 1u << BUS_RELID | 1u << 7 | 1u;
    rig_flags(2)->word[63] = 1u << 31;
    assert_int_equal(enlg_vmbus_events(&bus.bus, &rig_synic), 4);
    assert_int_equal(bus.signals, 1);
    assert_int_equal(enlg_channel_close(bus.channel), 0);
    rig_flags(2)->word[0] = 1u << BUS_RELID;
    assert_int_equal(enlg_vmbus_events(&bus.bus, &rig_synic), 1);
    assert_int_equal(bus.signals, 1);
}

static void
vp_of_an_open_channel_may_not_go_offline(void **state)
{
    (void)state;
    assert_true(enlg_vmbus_uses_vp(&bus.bus, 3)); /* also the connect VP */
    assert_false(enlg_vmbus_uses_vp(&bus.bus, 1));
    assert_int_equal(enlg_channel_move(bus.channel, 1), 0);
    assert_true(enlg_vmbus_uses_vp(&bus.bus, 1));
}

#define IDLE(f)      cmocka_unit_test_setup(f, bus_setup)
#define CONNECTED(f) cmocka_unit_test_setup(f, bus_setup_connected)
#define OFFERED(f)   cmocka_unit_test_setup(f, bus_setup_offered)
#define OPEN(f)      cmocka_unit_test_setup(f, bus_setup_open)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        IDLE(contact_steps_down_through_every_version),
        IDLE(contact_takes_a_missing_connection_for_a_refusal),
        IDLE(contact_refused_by_every_post_fails_at_once),
        IDLE(contact_uses_the_connection_that_the_host_names),
        IDLE(contact_that_the_host_has_no_room_for_fails),
        IDLE(contact_hears_the_answer_that_was_its_own),
        IDLE(contact_takes_a_short_answer_below_5_0),
        IDLE(contact_is_no_agreement_to_what_nobody_offered),
        IDLE(contact_drops_what_an_earlier_kernel_left),
        IDLE(config_without_an_interrupt_page_stops_at_5_0),
        OFFERED(offer_is_told_as_it_came),
        OFFERED(offer_twice_is_not_believed),
        OFFERED(offer_without_a_place_is_released_at_its_rescind),
        OFFERED(offer_that_is_rescinded_frees_its_place),
        CONNECTED(message_too_short_is_dropped),
        CONNECTED(message_that_only_a_guest_sends_is_dropped),
        OFFERED(answer_that_nobody_asked_for_is_dropped),
        CONNECTED(poll_is_bounded_when_the_host_never_stops),
        CONNECTED(message_of_another_type_goes_to_who_wants_it),
        OFFERED(unload_waits_for_the_answer),
        OPEN(unload_with_an_open_channel_gives_its_memory_back),
        IDLE(unload_below_3_0_needs_closed_channels),
        OFFERED(unload_answered_on_another_processor_is_heard),
        IDLE(abandon_ends_a_contact),
        OFFERED(abandon_ends_every_wait_of_a_channel),
        OPEN(abandon_ends_an_unload),
        OPEN(signal_reaches_only_an_open_channel),
        OPEN(vp_of_an_open_channel_may_not_go_offline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
