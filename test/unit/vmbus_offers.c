/* SPDX-License-Identifier: BSD-2-Clause */
/* Offers: what they say, their order, taking back, relids; and the outbox behind them. */
#include <string.h>

#include "vmbus_rig.h"

static struct rig r;

static void
take_offer(struct enl_vmbus_offer *offer)
{
    rig_expect(&r, ENL_VMBUS_OFFER_CHANNEL, offer, sizeof(*offer));
}

/* REQUEST_OFFERS; the relids in the order of their arrival. Returns how many. */
static uint32_t
offered_relids(uint32_t *relids)
{
    struct enl_message message;
    struct enl_vmbus_offer offer;
    uint32_t count = 0;

    rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    for (;;) {
        rig_poll(&r);
        assert_true(fake_take_message(&r.f, r.vp, RIG_SINT, &message));
        memcpy(&offer, message.payload, sizeof(offer));
        if (offer.head.type != ENL_VMBUS_OFFER_CHANNEL)
            break;
        relids[count++] = offer.relid;
    }
    assert_int_equal(offer.head.type, ENL_VMBUS_ALL_OFFERS_DELIVERED);
    return count;
}

static void
offer_says_all_that_the_device_said(void **state)
{
    struct enlh_offer want = rig_offer_of(0x1234, 0);
    struct enl_vmbus_offer offer;
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    want.flags = ENL_OFFER_ENUMERATE | ENL_OFFER_NAMED_PIPE;
    want.mmio_mib = 8;
    want.mmio_optional_mib = 3;
    for (uint32_t i = 0; i < sizeof(want.user_defined); i++)
        want.user_defined[i] = (uint8_t)(i + 1);
    assert_int_equal(enlh_channel_offer(r.bus, &want, &rig_ops, &r.dev, &channel), 0);
    rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    take_offer(&offer);
    assert_memory_equal(&offer.class_id, &want.type, 16);
    assert_memory_equal(&offer.instance_id, &want.instance, 16);
    assert_int_equal(offer.flags, want.flags);
    assert_int_equal(offer.mmio_megabytes, 8);
    assert_int_equal(offer.mmio_megabytes_optional, 3);
    assert_memory_equal(offer.user_defined, want.user_defined, 120);
    assert_int_equal(offer.subchannel_index, 0);
    assert_int_equal(offer.relid, enlh_channel_relid(channel));
    assert_in_range(offer.relid, 1, 2047);
    assert_int_equal(offer.monitor_allocated, 0);
    assert_int_equal(offer.is_dedicated, 1);
    assert_int_equal(offer.connection_id, 0x2000u | offer.relid);
    rig_expect(&r, ENL_VMBUS_ALL_OFFERS_DELIVERED, NULL, 0);
    rig_stop(&r);
}

static void
offer_with_no_channel_there_is_only_the_end(void **state)
{
    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    assert_int_equal(rig_request_offers(&r), 0);
    rig_expect_none(&r);
    rig_stop(&r);
}

/* More offers than the VP's queue and the outbox hold. */
static void
offer_many_arrive_in_order_and_once(void **state)
{
    static uint32_t relids[300];

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 300; i++)
        rig_offer(&r, i, 0);
    assert_int_equal(offered_relids(relids), 300);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(relids[i], i + 1);
    rig_expect_none(&r);
    rig_stop(&r);
}

/* The loop is woken when the guest has emptied its queue, and only then. */
static void
offer_the_loop_goes_on_when_the_guest_has_read(void **state)
{
    struct enl_message message;
    uint32_t taken = 0;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 100; i++)
        rig_offer(&r, i, 0);
    rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    r.loop_wakes = 0;
    while (taken < 101) {
        if (fake_take_message(&r.f, 0, RIG_SINT, &message)) {
            taken++;
            continue;
        }
        assert_true(r.loop_wakes > 0); /* or the guest would wait for ever */
        r.loop_wakes = 0;
        rig_poll(&r);
    }
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
offer_a_guest_that_does_not_read_costs_no_turns(void **state)
{
    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 100; i++)
        rig_offer(&r, i, 0);
    rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    assert_false(enlh_vmbus_poll(r.bus));
    assert_int_equal(r.bus->outbox.count, ENLH_OUTBOX_LEN - ENLH_OUTBOX_RESERVE + 1);
    rig_stop(&r);
}

static void
offer_a_second_request_is_a_fault(void **state)
{
    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    rig_expect_none(&r);
    assert_int_equal(atomic_load(&r.bus->counts.malformed), 1);
    rig_stop(&r);
}

/* V42 */
static void
offer_a_seed_changes_the_order_and_repeats_it(void **state)
{
    static uint32_t order[3][50];
    static const uint64_t seeds[3] = {7, 7, 8};
    bool sorted = true, same = true, other = true;

    (void)state;
    for (int run = 0; run < 3; run++) {
        bool seen[51] = {false};

        rig_init(&r);
        r.config.offer_seed = seeds[run];
        rig_start(&r, 1);
        assert_int_equal(rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022).supported, 1);
        for (uint16_t i = 0; i < 50; i++)
            rig_offer(&r, i, 0);
        assert_int_equal(offered_relids(order[run]), 50);
        for (int i = 0; i < 50; i++) {
            assert_false(seen[order[run][i]]);
            seen[order[run][i]] = true;
        }
        rig_stop(&r);
    }
    for (uint32_t i = 0; i < 50; i++) {
        sorted &= order[0][i] == i + 1;
        same &= order[0][i] == order[1][i];
        other &= order[0][i] == order[2][i];
    }
    assert_false(sorted);
    assert_true(same);
    assert_false(other);
}

/* V45 */
static void
offer_subchannels_come_after_all_first_channels(void **state)
{
    static uint32_t relids[40];

    (void)state;
    rig_init(&r);
    r.config.offer_seed = 3;
    rig_start(&r, 1);
    assert_int_equal(rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022).supported, 1);
    for (uint16_t i = 0; i < 20; i++) {
        rig_offer(&r, i, 0);
        rig_offer(&r, i, 1);
    }
    assert_int_equal(offered_relids(relids), 40);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(enlh_channel_subchannel(r.bus->by_relid[relids[i]]), i >= 20);
    rig_stop(&r);
}

static void
offer_the_same_instance_twice_is_refused(void **state)
{
    struct enlh_offer offer = rig_offer_of(5, 0);
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_offer(&r, 5, 0);
    rig_offer(&r, 5, 1);
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel),
                     -ENL_E_EXIST);
    offer.subchannel = 1;
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel),
                     -ENL_E_EXIST);
    rig_stop(&r);
}

static void
offer_bounds_of_the_device_are_checked(void **state)
{
    struct enlh_offer offer = rig_offer_of(5, 0);
    struct enlh_channel_ops ops = rig_ops;
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    ops.max_payload = 65537;
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &ops, &r.dev, &channel),
                     -ENL_E_INVAL);
    ops = rig_ops;
    ops.max_spans = 8193;
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &ops, &r.dev, &channel),
                     -ENL_E_INVAL);
    ops = rig_ops;
    ops.packet = NULL;
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &ops, &r.dev, &channel),
                     -ENL_E_INVAL);
    r.f.alloc_countdown = 0;
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel),
                     -ENL_E_NOMEM);
    r.f.alloc_countdown = -1;
    assert_true(enlh_list_empty(&r.bus->channels));
    rig_stop(&r);
}

/* V49 */
static void
offer_there_are_2047_relids(void **state)
{
    struct enlh_offer offer = rig_offer_of(3000, 0);
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 2047; i++)
        assert_in_range(enlh_channel_relid(rig_offer(&r, i, 0)), 1, 2047);
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel),
                     -ENL_E_NOSPC);
    assert_int_equal(rig_request_offers(&r), 2047);
    rig_stop(&r);
    assert_int_equal(r.dev.removed, 2047);
}

/* V44: while the guest runs, in the order of the device's calls. */
static void
offer_hot_add_and_remove_arrive_in_order(void **state)
{
    struct enl_vmbus_offer offer;
    struct enl_vmbus_relid rescind;
    struct enlh_channel *first, *second;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    assert_int_equal(rig_request_offers(&r), 0);
    first = rig_offer(&r, 1, 0);
    rig_poll(&r);
    enlh_channel_rescind(first);
    second = rig_offer(&r, 2, 0);
    take_offer(&offer);
    assert_int_equal(offer.relid, enlh_channel_relid(first));
    rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, &rescind, sizeof(rescind));
    assert_int_equal(rescind.relid, enlh_channel_relid(first));
    take_offer(&offer);
    assert_int_equal(offer.relid, enlh_channel_relid(second));
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
offer_before_the_request_says_nothing(void **state)
{
    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_offer(&r, 1, 0);
    rig_expect_none(&r);
    rig_stop(&r);
}

static void
offer_taken_back_before_it_was_sent_is_never_seen(void **state)
{
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    channel = rig_offer(&r, 1, 0);
    enlh_channel_rescind(channel);
    assert_int_equal(r.dev.removed, 0); /* not within the call */
    rig_poll(&r);
    assert_int_equal(r.dev.removed, 1);
    assert_int_equal(rig_request_offers(&r), 0);
    channel = rig_offer(&r, 2, 0);
    enlh_channel_rescind(channel);
    rig_expect_none(&r);
    assert_int_equal(r.dev.removed, 2);
    rig_stop(&r);
}

/* V31: not while the guest holds it. */
static void
offer_a_relid_rests_until_it_is_released(void **state)
{
    struct enlh_channel *channel;
    uint32_t relid;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 2047; i++)
        rig_offer(&r, i, 0);
    assert_int_equal(rig_request_offers(&r), 2047);
    channel = r.bus->by_relid[77];
    enlh_channel_rescind(channel);
    rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, NULL, 0);
    {
        struct enlh_offer offer = rig_offer_of(3000, 0);

        assert_int_equal(enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel),
                         -ENL_E_NOSPC);
    }
    assert_int_equal(r.dev.removed, 0);
    rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 77);
    assert_int_equal(r.dev.removed, 1);
    relid = enlh_channel_relid(rig_offer(&r, 3000, 0));
    assert_int_equal(relid, 77);
    rig_stop(&r);
}

static void
offer_the_same_instance_comes_back_after_the_release(void **state)
{
    struct enlh_offer offer = rig_offer_of(1, 0);
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    channel = rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    enlh_channel_rescind(channel);
    rig_expect(&r, ENL_VMBUS_RESCIND_OFFER, NULL, 0);
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel),
                     -ENL_E_EXIST);
    rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1);
    rig_offer(&r, 1, 0);
    rig_expect(&r, ENL_VMBUS_OFFER_CHANNEL, NULL, 0);
    rig_stop(&r);
}

static void
offer_a_lost_guest_releases_what_was_taken_back(void **state)
{
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    channel = rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    enlh_channel_rescind(channel);
    rig_poll(&r);
    assert_int_equal(r.dev.removed, 0);
    rig_post_head(&r, ENL_VMBUS_UNLOAD);
    assert_int_equal(r.dev.removed, 1);
    rig_stop(&r);
}

/* A guest may give back what it never opened, and gets it again when it connects again. */
static void
offer_released_by_the_guest_itself_comes_with_the_next_contact(void **state)
{
    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    rig_offer(&r, 1, 0);
    assert_int_equal(rig_request_offers(&r), 1);
    rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1);
    assert_int_equal(r.dev.removed, 0);
    rig_post_relid(&r, ENL_VMBUS_RELID_RELEASED, 1); /* it has nothing now */
    assert_int_equal(atomic_load(&r.bus->counts.malformed), 1);
    rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022);
    assert_int_equal(rig_request_offers(&r), 1);
    rig_stop(&r);
}

/* V43 */
static void
offer_relids_stay_when_the_guest_connects_again(void **state)
{
    static uint32_t before[20], after[20];

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 20; i++)
        rig_offer(&r, i, 0);
    assert_int_equal(offered_relids(before), 20);
    rig_negotiate(&r, ENL_VMBUS_VERSION_WS2022);
    assert_int_equal(offered_relids(after), 20);
    assert_memory_equal(before, after, sizeof(before));
    rig_stop(&r);
}

/* What was on its way to the guest before means nothing to the next one. */
static void
offer_a_contact_drops_what_was_not_yet_taken(void **state)
{
    struct enl_vmbus_version_response response;
    struct enl_message message;
    uint32_t stale = 0;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    for (uint16_t i = 0; i < 200; i++)
        rig_offer(&r, i, 0);
    rig_post_head(&r, ENL_VMBUS_REQUEST_OFFERS);
    rig_contact(&r, ENL_VMBUS_VERSION_WS2022);
    for (;; stale++) {
        rig_poll(&r);
        assert_true(fake_take_message(&r.f, 0, RIG_SINT, &message));
        memcpy(&response, message.payload, sizeof(response));
        if (response.head.type == ENL_VMBUS_VERSION_RESPONSE)
            break;
    }
    assert_true(stale < 20); /* those in the VP's own queue */
    rig_expect_none(&r);
    assert_int_equal(rig_request_offers(&r), 200);
    rig_stop(&r);
}

static void
offer_names_are_copied_and_cut(void **state)
{
    char name[64];
    struct enlh_offer offer = rig_offer_of(1, 0);
    struct enlh_channel *channel;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    memset(name, 'x', sizeof(name));
    name[63] = 0;
    offer.name = name;
    assert_int_equal(enlh_channel_offer(r.bus, &offer, &rig_ops, &r.dev, &channel), 0);
    memset(name, 'y', 63);
    assert_int_equal(strlen(enlh_channel_name(channel)), 31);
    assert_int_equal(enlh_channel_name(channel)[30], 'x');
    rig_stop(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offer_says_all_that_the_device_said),
        cmocka_unit_test(offer_with_no_channel_there_is_only_the_end),
        cmocka_unit_test(offer_many_arrive_in_order_and_once),
        cmocka_unit_test(offer_the_loop_goes_on_when_the_guest_has_read),
        cmocka_unit_test(offer_a_guest_that_does_not_read_costs_no_turns),
        cmocka_unit_test(offer_a_second_request_is_a_fault),
        cmocka_unit_test(offer_a_seed_changes_the_order_and_repeats_it),
        cmocka_unit_test(offer_subchannels_come_after_all_first_channels),
        cmocka_unit_test(offer_the_same_instance_twice_is_refused),
        cmocka_unit_test(offer_bounds_of_the_device_are_checked),
        cmocka_unit_test(offer_there_are_2047_relids),
        cmocka_unit_test(offer_hot_add_and_remove_arrive_in_order),
        cmocka_unit_test(offer_before_the_request_says_nothing),
        cmocka_unit_test(offer_taken_back_before_it_was_sent_is_never_seen),
        cmocka_unit_test(offer_a_relid_rests_until_it_is_released),
        cmocka_unit_test(offer_the_same_instance_comes_back_after_the_release),
        cmocka_unit_test(offer_a_lost_guest_releases_what_was_taken_back),
        cmocka_unit_test(offer_released_by_the_guest_itself_comes_with_the_next_contact),
        cmocka_unit_test(offer_relids_stay_when_the_guest_connects_again),
        cmocka_unit_test(offer_a_contact_drops_what_was_not_yet_taken),
        cmocka_unit_test(offer_names_are_copied_and_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
