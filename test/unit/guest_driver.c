/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_driver.c - channels find their drivers, in whatever order they come
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/abi/guids.h"
#include "enlight/guest/driver.h"
#include "guest_bus_rig.h"

/* What the drivers were told: a letter for the driver, then p probe, s sub, r remove. */
static char told[64];
static bool refuse;
static struct enlg_channel *last, *last_first;

static void
note(const char *name, char what)
{
    size_t len = strlen(told);

    assert_true(len + 2 < sizeof(told));
    told[len] = name[0];
    told[len + 1] = what;
}

static void
told_is(const char *letters)
{
    assert_string_equal(told, letters);
    memset(told, 0, sizeof(told));
}

static int
probe(void *ctx, struct enlg_channel *channel)
{
    note(ctx, 'p');
    last = channel;
    return refuse ? -ENL_E_NOMEM : 0;
}

static int
probe_sub(void *ctx, struct enlg_channel *channel, struct enlg_channel *first)
{
    note(ctx, 's');
    last = channel;
    last_first = first;
    return 0;
}

static void
removed(void *ctx, struct enlg_channel *channel)
{
    note(ctx, 'r');
    last = channel;
}

static const struct enlg_driver drivers[] = {
    {ENL_GUID_SCSI, probe, probe_sub, removed, "d"},
    {ENL_GUID_SCSI, probe, NULL, NULL, "e"},
    {ENL_GUID_HEARTBEAT, probe, NULL, removed, "h"},
};
static const struct enl_guid scsi = ENL_GUID_SCSI, heart = ENL_GUID_HEARTBEAT,
                             net = ENL_GUID_NET;

static int
setup(void **state)
{
    bus_setup(state);
    memset(told, 0, sizeof(told));
    refuse = false;
    bus.config.drivers = drivers;
    bus.config.driver_count = 3;
    bus_connect(ENL_VMBUS_VERSION_WS2022);
    return 0;
}

static void
offer(uint32_t relid, uint8_t instance, uint16_t subchannel, struct enl_guid type)
{
    bus_say_offer_of(&(struct bus_offer){relid, instance, subchannel, type});
}

static void
bind_goes_by_the_class(void **state)
{
    (void)state;
    offer(1, 1, 0, heart);
    told_is("hp");
    assert_ptr_equal(enlg_driver_of(last), &drivers[2]);
    offer(2, 2, 0, scsi);
    told_is("dp");
    bus_events_are("");
    offer(3, 3, 0, net); /* nobody's */
    told_is("");
    bus_events_are("+");
    assert_null(enlg_driver_of(bus.channel));
    bus_say_rescind(3);
    bus_events_are("-");
    bus_say_rescind(1);
    told_is("hr");
    bus_events_are("");
}

static void
bind_asks_the_next_when_one_refuses(void **state)
{
    (void)state;
    refuse = true;
    offer(1, 1, 0, scsi);
    told_is("dpep");
    bus_events_are("+");
    assert_int_equal(enlg_driver_bind(bus.channel), -ENL_E_NODEV);
    told_is("dpep");
    refuse = false;
    assert_int_equal(enlg_driver_bind(bus.channel), 0);
    told_is("dp");
    assert_int_equal(enlg_driver_bind(bus.channel), -ENL_E_BUSY);
}

static void
sub_channel_goes_with_its_first(void **state)
{
    struct enlg_channel *first;

    (void)state;
    offer(1, 7, 0, scsi);
    first = last;
    offer(2, 7, 1, scsi);
    told_is("dpds");
    assert_ptr_equal(last_first, first);
    assert_ptr_equal(enlg_channel_first(last), first);
    assert_ptr_equal(enlg_channel_first(first), first);
    offer(3, 8, 1, net); /* of a device without a driver */
    bus_events_are("+");
    assert_null(enlg_channel_first(bus.channel));
    bus_say_rescind(2);
    told_is("dr");
}

static void
sub_channel_that_comes_early_waits(void **state)
{
    (void)state;
    offer(2, 7, 1, scsi);
    offer(3, 7, 2, scsi);
    offer(4, 8, 1, scsi); /* another device's */
    told_is("");
    bus_events_are("");
    offer(1, 7, 0, scsi);
    told_is("dpdsds");
    assert_int_equal(enlg_channel_info(last_first)->relid, 1);
    bus_events_are("");
    /* One whose first channel found no driver is nobody's. */
    bus_setup(state);
    bus.config.drivers = drivers;
    bus.config.driver_count = 3;
    bus_connect(ENL_VMBUS_VERSION_WS2022);
    refuse = true;
    offer(1, 7, 0, scsi);
    offer(2, 7, 1, scsi);
    told_is("dpep");
    bus_events_are("++");
}

static void
sub_channel_of_a_rescinded_device_waits_for_the_next(void **state)
{
    struct enlg_channel *old;

    (void)state;
    offer(1, 7, 0, scsi);
    old = last;
    bus.channel = old;
    assert_int_equal(bus_open(), 0);
    bus_say_open(1, bus_ring());
    bus_say_rescind(1);
    bus_events_are("or");
    offer(2, 7, 1, scsi);
    told_is("dp");
    offer(3, 7, 0, scsi);
    told_is("dpds");
    assert_ptr_not_equal(last_first, old);
    assert_int_equal(enlg_channel_close(old), 0);
    bus_say_torndown(bus.ring_gpadl);
    bus_events_are("c");
    told_is("dr");
    assert_ptr_equal(last, old);
}

static void
unbind_needs_a_closed_channel(void **state)
{
    struct enlg_channel *channel;

    (void)state;
    offer(1, 7, 0, scsi);
    channel = bus.channel = last;
    assert_int_equal(bus_open(), 0);
    assert_int_equal(enlg_driver_unbind(channel), -ENL_E_BUSY);
    bus_say_open(1, bus_ring());
    assert_int_equal(enlg_driver_unbind(channel), -ENL_E_BUSY);
    assert_int_equal(enlg_channel_close(channel), 0);
    bus_say_torndown(bus.ring_gpadl);
    assert_int_equal(enlg_driver_unbind(channel), 0);
    told_is("dpdr");
    assert_int_equal(enlg_driver_unbind(channel), -ENL_E_INVAL);
    assert_int_equal(enlg_driver_bind(channel), 0);
    told_is("dp");
    bus_events_are("oc");
}

static void
unload_removes_from_every_driver(void **state)
{
    (void)state;
    offer(1, 1, 0, heart);
    offer(2, 7, 0, scsi);
    offer(3, 7, 1, scsi);
    told_is("hpdpds");
    assert_int_equal(enlg_vmbus_unload(&bus.bus), 0);
    bus_say_type(ENL_VMBUS_UNLOAD_RESPONSE);
    told_is("hrdrdr");
    bus_events_are("U");
}

static void
bus_without_drivers_shows_every_offer(void **state)
{
    (void)state;
    bus.config.drivers = NULL;
    assert_int_equal(enlg_vmbus_init(&bus.bus, &rig.partition, &bus.config),
                     -ENL_E_INVAL);
    bus.config.driver_count = 0;
    bus_connect(ENL_VMBUS_VERSION_WS2022);
    offer(2, 7, 1, scsi);
    offer(1, 7, 0, scsi);
    bus_events_are("++");
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(bind_goes_by_the_class),
        CASE(bind_asks_the_next_when_one_refuses),
        CASE(sub_channel_goes_with_its_first),
        CASE(sub_channel_that_comes_early_waits),
        CASE(sub_channel_of_a_rescinded_device_waits_for_the_next),
        CASE(unbind_needs_a_closed_channel),
        CASE(unload_removes_from_every_driver),
        CASE(bus_without_drivers_shows_every_offer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
