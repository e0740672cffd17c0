/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a device that leaves is waited for no longer: the rule, and the turns of a machine.
 */
#include <stdlib.h>

#include "vmbus_rig.h"
#include "vmm/internal.h"
#include "vmm/settle.h"

static void
settle_ends_with_a_quiet_guest(void **state)
{
    struct enlm_settle settle;

    (void)state;
    enlm_settle_begin(&settle, 7);
    for (uint32_t i = 1; i < ENLM_SETTLE_QUIET; i++)
        assert_false(enlm_settle_turn(&settle, 7, false));
    assert_true(enlm_settle_turn(&settle, 7, false));
}

static void
settle_begins_again_with_each_request(void **state)
{
    struct enlm_settle settle;

    (void)state;
    enlm_settle_begin(&settle, 7);
    for (uint32_t i = 1; i < ENLM_SETTLE_QUIET; i++)
        assert_false(enlm_settle_turn(&settle, 7, false));
    assert_false(enlm_settle_turn(&settle, 8, false));
    for (uint32_t i = 1; i < ENLM_SETTLE_QUIET; i++)
        assert_false(enlm_settle_turn(&settle, 8, false));
    assert_true(enlm_settle_turn(&settle, 8, false));
}

static void
settle_waits_for_work_that_is_not_done(void **state)
{
    struct enlm_settle settle;

    (void)state;
    enlm_settle_begin(&settle, 7);
    for (uint32_t i = 0; i < 2 * ENLM_SETTLE_QUIET; i++)
        assert_false(enlm_settle_turn(&settle, 7, true));
    for (uint32_t i = 1; i < ENLM_SETTLE_QUIET; i++)
        assert_false(enlm_settle_turn(&settle, 7, false));
    assert_true(enlm_settle_turn(&settle, 7, false));
}

static void
settle_does_not_wait_for_ever(void **state)
{
    struct enlm_settle settle;

    (void)state;
    enlm_settle_begin(&settle, 0);
    for (uint32_t i = 1; i < ENLM_SETTLE_TURNS; i++)
        assert_false(enlm_settle_turn(&settle, i, false));
    assert_true(enlm_settle_turn(&settle, ENLM_SETTLE_TURNS, false));
}

/* ---- a device that leaves ---- */

static struct rig r;
static struct enlm_machine *machine;
static struct enlm_device device;
static struct enlm_settle leaving;
static uint64_t asked;
static unsigned rescinds;

static uint64_t
heard(const struct enlm_device *which)
{
    assert_ptr_equal(which, &device);
    return asked;
}

static void
rescind(struct enlm_device *which)
{
    assert_ptr_equal(which, &device);
    rescinds++;
}

static const struct enlm_settle_ops ops = {.heard = heard, .rescind = rescind};

static void
rung(void *ctx)
{
    (void)ctx;
}

static int
setup(void **state)
{
    (void)state;
    machine = calloc(1, sizeof(*machine));
    rig_init(&r);
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    machine->bus = r.bus;
    device.machine = machine;
    asked = 7;
    rescinds = 0;
    return enlm_loop_init(&machine->loop, rung, NULL);
}

static int
teardown(void **state)
{
    (void)state;
    enlm_loop_fini(&machine->loop);
    rig_stop(&r);
    free(machine);
    return 0;
}

/* A turn, as when its time has come; false: there is none to come. */
static bool
turn(void)
{
    for (uint32_t i = 0; i < ENLM_LOOP_SOURCES; i++) {
        const struct enlm_loop_source *source = &machine->loop.sources[i];

        if (source->fd < 0 || source->ctx != &leaving)
            continue;
        source->fn(source->ctx);
        return true;
    }
    return false;
}

static void
settle_does_not_begin_where_no_guest_uses_the_device(void **state)
{
    (void)state;
    asked = 0;
    assert_false(enlm_settle_start(&leaving, &device, &ops));
    asked = 7;
    enlh_vmbus_reset(r.bus);
    rig_settle(&r);
    assert_false(enlm_settle_start(&leaving, &device, &ops));
    assert_false(turn());
    assert_int_equal(rescinds, 0);
}

static void
settle_rescinds_once_when_the_guest_is_quiet(void **state)
{
    (void)state;
    assert_true(enlm_settle_start(&leaving, &device, &ops));
    asked++;
    for (uint32_t i = 0; i < ENLM_SETTLE_QUIET; i++)
        assert_true(turn());
    assert_int_equal(rescinds, 0);
    assert_true(turn());
    assert_int_equal(rescinds, 1);
    assert_false(turn());
}

static void
settle_counts_no_turn_of_a_guest_that_is_stopped(void **state)
{
    (void)state;
    assert_true(enlm_settle_start(&leaving, &device, &ops));
    machine->stopped = true;
    assert_true(turn());
    assert_int_equal(leaving.turns, 0);
    machine->stopped = false;
    assert_true(turn());
    assert_int_equal(leaving.turns, 1);
}

static void
settle_is_over_with_its_guest(void **state)
{
    (void)state;
    assert_true(enlm_settle_start(&leaving, &device, &ops));
    machine->stopped = true;
    enlh_vmbus_reset(r.bus);
    rig_settle(&r);
    assert_true(turn());
    assert_int_equal(rescinds, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settle_ends_with_a_quiet_guest),
        cmocka_unit_test(settle_begins_again_with_each_request),
        cmocka_unit_test(settle_waits_for_work_that_is_not_done),
        cmocka_unit_test(settle_does_not_wait_for_ever),
        CASE(settle_does_not_begin_where_no_guest_uses_the_device),
        CASE(settle_rescinds_once_when_the_guest_is_quiet),
        CASE(settle_counts_no_turn_of_a_guest_that_is_stopped),
        CASE(settle_is_over_with_its_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
