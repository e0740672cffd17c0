/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS clock: the time in each format, and no endless update. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vmm/rtc.h"

static struct enlm_rtc rtc;

/* 2024-02-29 23:59:58 UTC, a Thursday */
static time_t
leap_day(void *ctx)
{
    (void)ctx;
    return 1709251198;
}

static time_t
midnight(void *ctx)
{
    (void)ctx;
    return 1709164800;
}

static uint8_t
get(uint8_t index)
{
    enlm_rtc_write(&rtc, 0, index);
    return enlm_rtc_read(&rtc, 1);
}

static void
set(uint8_t index, uint8_t value)
{
    enlm_rtc_write(&rtc, 0, index);
    enlm_rtc_write(&rtc, 1, value);
}

static void
rtc_tells_the_time_in_bcd(void **state)
{
    static const uint8_t expected[][2] = {
        {0, 0x58}, {2, 0x59}, {4, 0x23}, {6, 5},
        {7, 0x29}, {8, 0x02}, {9, 0x24}, {0x32, 0x20},
    };

    (void)state;
    enlm_rtc_init(&rtc, leap_day, NULL);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(get(expected[i][0]), expected[i][1]);
}

static void
rtc_obeys_the_format(void **state)
{
    (void)state;
    enlm_rtc_init(&rtc, leap_day, NULL);
    set(0xB, 0x06); /* binary, 24 hours */
    assert_int_equal(get(0), 58);
    assert_int_equal(get(4), 23);
    set(0xB, 0x00); /* BCD, 12 hours */
    assert_int_equal(get(4), 0x91);
    enlm_rtc_init(&rtc, midnight, NULL);
    set(0xB, 0x00);
    assert_int_equal(get(4), 0x12);
}

static void
rtc_is_never_updating_and_valid(void **state)
{
    (void)state;
    enlm_rtc_init(&rtc, leap_day, NULL);
    assert_int_equal(get(0xA) & 0x80, 0);
    set(0xA, 0xFF);
    assert_int_equal(get(0xA) & 0x80, 0);
    assert_int_equal(get(0xD), 0x80);
    assert_int_equal(get(0xC), 0);
    set(0xB, 0x70);
    assert_int_equal(get(0xB) & 0x70, 0); /* interrupts that never come */
}

static void
rtc_remembers_its_memory_and_not_the_time(void **state)
{
    (void)state;
    enlm_rtc_init(&rtc, leap_day, NULL);
    set(0, 0x11);
    assert_int_equal(get(0), 0x58);
    set(0x8F, 0x5A); /* bit 7 is the NMI's */
    assert_int_equal(get(0x0F), 0x5A);
    for (unsigned index = 0; index < 256; index++) {
        set((uint8_t)index, (uint8_t)index);
        get((uint8_t)index);
    }
    assert_int_equal(enlm_rtc_read(&rtc, 0), 0xFF);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rtc_tells_the_time_in_bcd),
        cmocka_unit_test(rtc_obeys_the_format),
        cmocka_unit_test(rtc_is_never_updating_and_valid),
        cmocka_unit_test(rtc_remembers_its_memory_and_not_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
