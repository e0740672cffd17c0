/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of plugged devices: ids, and how one leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/internal.h"

static struct enlm_machine *machine;
static struct enlm_device devices[3];
static unsigned unplugged, freed;

static void
unplug(struct enlm_device *device)
{
    (void)device;
    unplugged++;
}

static void
on_free(struct enlm_device *device)
{
    (void)device;
    freed++;
}

static const struct enlm_device_ops ops = {"thing", unplug, on_free};

static int
setup(void **state)
{
    (void)state;
    machine = calloc(1, sizeof(*machine));
    for (unsigned i = 0; i < 3; i++)
        devices[i] = (struct enlm_device){.ops = &ops, .machine = machine};
    unplugged = freed = 0;
    return machine ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    free(machine);
    return 0;
}

static void
device_is_found_by_its_id(void **state)
{
    (void)state;
    assert_int_equal(enlm_device_add(&devices[0], "a"), 0);
    assert_int_equal(enlm_device_add(&devices[1], "a.b_C-9"), 0);
    assert_ptr_equal(enlm_device_find(machine, "a"), &devices[0]);
    assert_ptr_equal(enlm_device_find(machine, "a.b_C-9"), &devices[1]);
    assert_null(enlm_device_find(machine, "b"));
}

static void
device_id_is_taken_once(void **state)
{
    (void)state;
    assert_int_equal(enlm_device_add(&devices[0], "a"), 0);
    assert_int_equal(enlm_device_add(&devices[1], "a"), -ENL_E_EXIST);
}

static void
device_id_has_plain_characters_only(void **state)
{
    static const char *const bad[] = {
        "", "a b", "a\n", "\xc3\xa4", "a/b", "a=b", "0123456789abcdef0123456789abcdef"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(enlm_device_add(&devices[0], bad[i]), -ENL_E_INVAL);
    assert_int_equal(enlm_device_add(&devices[0], "0123456789abcdef0123456789abcde"), 0);
}

static void
device_leaves_once_and_its_id_is_free_when_it_has_gone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(enlm_device_add(&devices[i], i ? "b" : "a"), 0);
    enlm_device_unplug(&devices[0]);
    enlm_device_unplug(&devices[0]);
    assert_int_equal(unplugged, 1);
    assert_int_equal(enlm_device_add(&devices[2], "a"), -ENL_E_EXIST);
    enlm_device_gone(&devices[0]);
    assert_int_equal(freed, 1);
    assert_int_equal(enlm_device_add(&devices[2], "a"), 0);
    assert_ptr_equal(machine->devices.first, &devices[1]);
    assert_ptr_equal(devices[1].next, &devices[2]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(device_is_found_by_its_id, setup, teardown),
        cmocka_unit_test_setup_teardown(device_id_is_taken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(device_id_has_plain_characters_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            device_leaves_once_and_its_id_is_free_when_it_has_gone, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
