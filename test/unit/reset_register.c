/* SPDX-License-Identifier: BSD-2-Clause */
/* M04: a 1 in the reset register is an event, and nothing else is. */
#include "core_rig.h"

static void
reset_of_one_is_an_event(void **state)
{
    (void)state;
    assert_int_equal(fake_get(&f, 0, ENL_REG_RESET), 0);
    fake_set(&f, 1, ENL_REG_RESET, 1);
    assert_int_equal(f.reset_count, 1);
    assert_int_equal(fake_get(&f, 0, ENL_REG_RESET), 0);
}

static void
reset_of_zero_is_nothing(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_RESET, 0);
    fake_set(&f, 0, ENL_REG_RESET, 2);
    assert_int_equal(f.reset_count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reset_of_one_is_an_event),
        CASE(reset_of_zero_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
