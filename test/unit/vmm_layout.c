/* SPDX-License-Identifier: BSD-2-Clause */
/* B02, B09: where RAM and the windows are, and that they never meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "vmm/boot/boot.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TPM UINT64_C(0xFED40000)

static struct enlm_layout layout;
static char why[ENLM_WHY];

static int
plan(uint64_t memory, uint64_t low, uint64_t high, uint32_t bits)
{
    struct enlm_machine_config config = {
        .memory = memory, .mmio_low = low, .mmio_high = high};

    why[0] = 0;
    return enlm_layout_plan(&config, bits, &layout, why);
}

static void
assert_apart(void)
{
    assert_true(layout.low_len <= layout.low_window);
    assert_true(layout.low_window + layout.low_window_len <= ENLM_IOAPIC_GPA);
    assert_true(layout.low_window + layout.low_window_len <= TPM);
    assert_true(ENLM_4G + layout.high_len <= layout.high_window);
}

static void
layout_small_memory_is_all_low(void **state)
{
    (void)state;
    assert_int_equal(plan(512 * MIB, 0, 0, 40), 0);
    assert_int_equal(layout.low_len, 512 * MIB);
    assert_int_equal(layout.high_len, 0);
    assert_int_equal(layout.low_window, 0xF8000000);
    assert_apart();
}

static void
layout_large_memory_goes_on_above_4_gib(void **state)
{
    (void)state;
    assert_int_equal(plan(8 * GIB, 0, 0, 40), 0);
    assert_int_equal(layout.low_len, 0xF8000000);
    assert_int_equal(layout.low_len + layout.high_len, 8 * GIB);
    assert_apart();
}

static void
layout_never_overlaps(void **state)
{
    (void)state;
    for (uint64_t memory = 16 * MIB; memory < 12 * GIB; memory += 62 * MIB) {
        for (uint64_t low = 2 * MIB; low <= 3 * GIB; low += 254 * MIB) {
            if (plan(memory, low, 0, 36) == 0)
                assert_apart();
            else
                assert_true(why[0] != 0);
        }
    }
}

static void
layout_refuses_what_overlaps_a_window(void **state)
{
    (void)state;
    assert_int_equal(plan(60 * GIB, 0, 8 * GIB, 36), -ENL_E_INVAL);
    assert_non_null(strstr(why, "overlap"));
    assert_int_equal(plan(512 * MIB, 4 * GIB, 0, 40), -ENL_E_INVAL);
    assert_non_null(strstr(why, "overlap"));
}

static void
layout_refuses_odd_and_little_memory(void **state)
{
    (void)state;
    assert_int_equal(plan(0, 0, 0, 40), -ENL_E_INVAL);
    assert_int_equal(plan(8 * MIB, 0, 0, 40), -ENL_E_INVAL);
    assert_int_equal(plan(512 * MIB + 4096, 0, 0, 40), -ENL_E_INVAL);
    assert_int_equal(plan(UINT64_MAX & ~(2 * MIB - 1), 0, 0, 40), -ENL_E_INVAL);
    assert_int_equal(plan(UINT64_C(1) << 40, 0, 0, 40), -ENL_E_INVAL);
    assert_int_equal(plan(512 * MIB, MIB, 0, 40), -ENL_E_INVAL);
    assert_int_equal(plan(512 * MIB, 0, MIB, 40), -ENL_E_INVAL);
}

static uint64_t
ram_of(const struct enlm_e820 *map, uint32_t count)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += map[i].type == ENLM_E820_RAM ? map[i].len : 0;
    return sum;
}

static void
e820_is_sorted_and_leaves_the_windows_out(void **state)
{
    struct enlm_e820 map[ENLM_E820_MAX];
    uint32_t count;

    (void)state;
    assert_int_equal(plan(6 * GIB, 0, 0, 40), 0);
    count = enlm_e820_build(&layout, map);
    for (uint32_t i = 1; i < count; i++)
        assert_true(map[i - 1].gpa + map[i - 1].len <= map[i].gpa);
    for (uint32_t i = 0; i < count; i++) {
        assert_false(map[i].gpa < layout.low_window + layout.low_window_len &&
                     map[i].gpa + map[i].len > layout.low_window);
        assert_true(map[i].gpa + map[i].len <= layout.high_window);
    }
    assert_int_equal(ram_of(map, count), 6 * GIB - (ENLM_BOOT_HIGH - ENLM_BOOT_LOW_END));
}

static void
e820_keeps_the_acpi_tables(void **state)
{
    struct enlm_e820 map[ENLM_E820_MAX];
    uint32_t count, found = 0;

    (void)state;
    assert_int_equal(plan(64 * MIB, 0, 0, 40), 0);
    count = enlm_e820_build(&layout, map);
    for (uint32_t i = 0; i < count; i++)
        found += map[i].type == ENLM_E820_RESERVED && map[i].gpa <= ENLM_BOOT_ACPI &&
                 map[i].gpa + map[i].len == ENLM_BOOT_HIGH;
    assert_int_equal(found, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_small_memory_is_all_low),
        cmocka_unit_test(layout_large_memory_goes_on_above_4_gib),
        cmocka_unit_test(layout_never_overlaps),
        cmocka_unit_test(layout_refuses_what_overlaps_a_window),
        cmocka_unit_test(layout_refuses_odd_and_little_memory),
        cmocka_unit_test(e820_is_sorted_and_leaves_the_windows_out),
        cmocka_unit_test(e820_keeps_the_acpi_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
