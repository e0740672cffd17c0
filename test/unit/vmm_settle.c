/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a device that leaves is waited for no longer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settle_ends_with_a_quiet_guest),
        cmocka_unit_test(settle_begins_again_with_each_request),
        cmocka_unit_test(settle_waits_for_work_that_is_not_done),
        cmocka_unit_test(settle_does_not_wait_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
