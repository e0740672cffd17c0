/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_place.c - where channels go, and processors that channels leave
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/abi/guids.h"
#include "enlight/guest/place.h"
#include "guest_bus_rig.h"

#define CONNECT_VP 3u

static const struct enl_guid scsi = ENL_GUID_SCSI, heart = ENL_GUID_HEARTBEAT;
static const uint32_t all[] = {0, 1, 2};
static char moved[8];
static uint32_t signals;

static void
event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event e, int status)
{
    (void)ctx;
    (void)channel;
    if (e == ENLG_CHANNEL_MOVED)
        moved[strlen(moved)] = status ? 'e' : 'm';
}

static void
on_signal(void *ctx, struct enlg_channel *channel)
{
    (void)ctx;
    (void)channel;
    signals++;
}

/* Offer it and open it where it should be; its VP. */
static uint32_t
open_at_pick(uint32_t relid, uint8_t instance, uint16_t subchannel, struct enl_guid type)
{
    struct enlg_channel_config c = *bus_open_config();

    bus_say_offer_of(&(struct bus_offer){relid, instance, subchannel, type});
    c.ring = rig_page(10 + 5 * (relid - 1));
    c.vp = enlg_place_pick(bus.channel, all, 3);
    c.event = event;
    c.signal = on_signal;
    assert_int_equal(enlg_channel_open(bus.channel, &c), 0);
    bus_say_open(relid, c.ring);
    assert_int_equal(enlg_channel_vp(bus.channel), c.vp);
    return c.vp;
}

static void
say_moved(uint32_t relid, uint32_t status)
{
    struct enl_vmbus_modify_channel_response m = {
        .head.type = ENL_VMBUS_MODIFY_CHANNEL_RESPONSE, .relid = relid, .status = status};

    bus_say(&m, sizeof(m));
}

static int
setup(void **state)
{
    memset(moved, 0, sizeof(moved));
    return bus_setup_connected(state);
}

static void
pick_keeps_slow_devices_on_the_connect_vp(void **state)
{
    (void)state;
    assert_int_equal(open_at_pick(1, 1, 0, heart), CONNECT_VP);
    assert_false(enlg_place_is_fast(bus.channel));
    assert_int_equal(open_at_pick(2, 2, 0, heart), CONNECT_VP);
}

static void
pick_spreads_the_channels_of_a_device(void **state)
{
    (void)state;
    assert_int_equal(open_at_pick(1, 1, 0, scsi), 0);
    assert_true(enlg_place_is_fast(bus.channel));
    assert_int_equal(open_at_pick(2, 1, 1, scsi), 1);
    assert_int_equal(open_at_pick(3, 2, 0, scsi), 2); /* another disk: where nobody is */
    assert_int_equal(open_at_pick(4, 1, 2, scsi), 2); /* its own come first */
}

static void
evacuate_moves_what_interrupts_the_vp(void **state)
{
    static const uint32_t others[] = {1, 2};
    struct enl_vmbus_modify_channel m;
    struct enlg_channel *channel;

    (void)state;
    assert_int_equal(open_at_pick(1, 1, 0, scsi), 0);
    channel = bus.channel;
    assert_int_equal(open_at_pick(2, 1, 1, scsi), 1);
    assert_true(enlg_vmbus_uses_vp(&bus.bus, 0));
    assert_ptr_equal(enlg_place_channel(&bus.bus, 0, 0), channel);
    assert_null(enlg_place_channel(&bus.bus, 0, 1));
    signals = 0;
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 2), 1);
    bus_posted(ENL_VMBUS_MODIFY_CHANNEL, &m, sizeof(m));
    assert_int_equal(m.relid, 1);
    assert_int_equal(m.target_vp, 2); /* 1 has the other channel */
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 2), 1);
    bus_posted_nothing();
    assert_true(enlg_vmbus_uses_vp(&bus.bus, 0)); /* until the answer */
    assert_true(enlg_vmbus_uses_vp(&bus.bus, 2));
    say_moved(1, 0);
    assert_string_equal(moved, "m");
    assert_int_equal(signals, 1); /* one may have been lost on the way */
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 2), 0);
    assert_false(enlg_vmbus_uses_vp(&bus.bus, 0));
}

static void
evacuate_asks_again_after_a_refusal(void **state)
{
    static const uint32_t others[] = {1};

    (void)state;
    assert_int_equal(open_at_pick(1, 1, 0, scsi), 0);
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 1), 1);
    bus_posted(ENL_VMBUS_MODIFY_CHANNEL, NULL, 16);
    say_moved(1, ENL_VMBUS_STATUS_FAILED);
    assert_string_equal(moved, "e");
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 1), 1);
    bus_posted(ENL_VMBUS_MODIFY_CHANNEL, NULL, 16);
}

static void
evacuate_waits_for_an_open_that_is_under_way(void **state)
{
    static const uint32_t others[] = {1};
    struct enlg_channel_config c = *bus_open_config();

    (void)state;
    bus_say_offer_of(&(struct bus_offer){1, 1, 0, scsi});
    c.vp = 0;
    c.event = event;
    c.signal = NULL;
    assert_int_equal(enlg_channel_open(bus.channel, &c), 0);
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 1), 1);
    bus_say_open(1, bus_ring());
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 1), 1);
    bus_posted(ENL_VMBUS_MODIFY_CHANNEL, NULL, 16);
}

static void
evacuate_is_done_at_once_where_no_answer_comes(void **state)
{
    static const uint32_t others[] = {1, 2};

    (void)state;
    bus_setup(NULL);
    bus_connect(ENL_VMBUS_VERSION_WIN10_5_2);
    assert_int_equal(open_at_pick(1, 1, 0, scsi), 0);
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 2), 0);
    bus_setup(NULL);
    bus_connect(ENL_VMBUS_VERSION_WIN10);
    assert_int_equal(open_at_pick(1, 1, 0, scsi), 0);
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 2), -ENL_E_NOTSUP);
}

static void
connect_vp_stays(void **state)
{
    static const uint32_t others[] = {0};

    (void)state;
    assert_true(enlg_vmbus_uses_vp(&bus.bus, CONNECT_VP));
    assert_int_equal(enlg_place_evacuate(&bus.bus, CONNECT_VP, others, 1), -ENL_E_BUSY);
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 1), -ENL_E_INVAL);
    assert_int_equal(enlg_place_evacuate(&bus.bus, 0, others, 0), -ENL_E_INVAL);
}

/* The flag of a channel that was moved, in the page of the processor that it left. */
static void
signal_on_the_old_vp_is_passed_on(void **state)
{
    static _Alignas(4096) uint8_t pages[2][ENL_PAGE_SIZE];
    struct enlg_synic_pages p = {pages[0], pages[1]};
    struct enlg_synic old;

    (void)state;
    rig_reg_set(ENL_REG_VP_INDEX, 0);
    assert_int_equal(enlg_synic_enable(&old, &rig.partition, &p), 0);
    assert_int_equal(open_at_pick(1, 1, 0, scsi), 0);
    assert_int_equal(enlg_channel_move(bus.channel, 1), 0);
    say_moved(1, 0);
    signals = 0;
    ((struct enl_event_page *)pages[1])->sint[2].word[0] = 1u << 1;
    assert_int_equal(enlg_vmbus_events(&bus.bus, &old), 1);
    assert_int_equal(signals, 1);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(pick_keeps_slow_devices_on_the_connect_vp),
        CASE(pick_spreads_the_channels_of_a_device),
        CASE(evacuate_moves_what_interrupts_the_vp),
        CASE(evacuate_asks_again_after_a_refusal),
        CASE(evacuate_waits_for_an_open_that_is_under_way),
        CASE(evacuate_is_done_at_once_where_no_answer_comes),
        CASE(connect_vp_stays),
        CASE(signal_on_the_old_vp_is_passed_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
