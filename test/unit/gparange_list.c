/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/gparange_list.c - a list of guest memory is believed only when every count fits
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "common/gparange.h"

enum { WORDS = 600 };

/* A list under construction, one byte off alignment on purpose. */
static struct {
    uint8_t pad;
    uint8_t bytes[WORDS * 8];
    uint32_t len;
} list;

static int
setup(void **state)
{
    (void)state;
    list.len = 0;
    return 0;
}

static void
add_range(uint32_t byte_count, uint32_t byte_offset)
{
    memcpy(list.bytes + list.len, &byte_count, 4);
    memcpy(list.bytes + list.len + 4, &byte_offset, 4);
    list.len += 8;
}

static void
add_pfn(uint64_t pfn)
{
    memcpy(list.bytes + list.len, &pfn, 8);
    list.len += 8;
}

static int
check(uint32_t range_count, struct enl_gparange *out)
{
    return enl_gparange_init(out, list.bytes, list.len, range_count);
}

static void
assert_bad(uint32_t range_count)
{
    struct enl_gparange out;

    assert_int_equal(check(range_count, &out), -ENL_E_PROTO);
    list.len = 0;
}

/* The next run is this one; with len 0 there is none. */
static void
expect(struct enl_gparange_iter *iter, uint64_t gpa, uint64_t len)
{
    struct enl_gparange_run run;

    assert_int_equal(enl_gparange_next(iter, &run), len != 0);
    if (len != 0) {
        assert_int_equal(run.gpa.v, gpa);
        assert_int_equal(run.len, len);
    }
}

static void
one_range_of_scattered_pages(void **state)
{
    struct enl_gparange ranges;
    struct enl_gparange_iter iter;

    (void)state;
    add_range(0x2100, 0xF80);
    add_pfn(0x10);
    add_pfn(0x20);
    add_pfn(0x7);
    add_pfn(0x30);
    assert_int_equal(check(1, &ranges), 0);
    assert_int_equal(ranges.len, 0x2100);
    assert_int_equal(ranges.page_count, 4);
    assert_int_equal(enl_gparange_walk(&ranges, 0, ranges.len, &iter), 0);
    expect(&iter, 0x10F80, 0x80);
    expect(&iter, 0x20000, 0x1000);
    expect(&iter, 0x7000, 0x1000);
    expect(&iter, 0x30000, 0x80);
    expect(&iter, 0, 0);
}

static void
pages_in_a_row_are_one_run(void **state)
{
    struct enl_gparange ranges;
    struct enl_gparange_iter iter;

    (void)state;
    add_range(512 * 4096 - 100, 100);
    for (uint64_t i = 0; i < 512; i++)
        add_pfn(0x100000 + i + (i >= 256));
    assert_int_equal(check(1, &ranges), 0);
    assert_int_equal(enl_gparange_walk(&ranges, 0, ranges.len, &iter), 0);
    expect(&iter, 0x100000064, 256 * 4096 - 100);
    expect(&iter, 0x100101000, 256 * 4096);
    expect(&iter, 0, 0);
}

static void
ranges_that_touch_are_one_run_and_others_are_not(void **state)
{
    struct enl_gparange ranges;
    struct enl_gparange_iter iter;

    (void)state;
    add_range(0x800, 0x800); /* ends with its page, and the next follows */
    add_pfn(5);
    add_range(0x1000, 0);
    add_pfn(6);
    add_range(0x10, 0); /* the same page follows, where it does not go on */
    add_pfn(7);
    add_range(0x10, 0x20);
    add_pfn(7);
    assert_int_equal(check(4, &ranges), 0);
    assert_int_equal(ranges.len, 0x1820);
    assert_int_equal(enl_gparange_walk(&ranges, 0, ranges.len, &iter), 0);
    expect(&iter, 0x5800, 0x1810);
    expect(&iter, 0x7020, 0x10);
    expect(&iter, 0, 0);
}

static void
walk_of_every_part_gives_the_bytes_of_that_part(void **state)
{
    static const uint64_t pfn[] = {9, 4, 5, 2};
    struct enl_gparange ranges;
    struct enl_gparange_iter iter;
    struct enl_gparange_run run;
    uint64_t at[0x2400];
    uint32_t n = 0;

    (void)state;
    add_range(0x1400, 0xC00); /* two pages to the last byte */
    add_pfn(pfn[0]);
    add_pfn(pfn[1]);
    add_range(0x1000, 0x900);
    add_pfn(pfn[2]);
    add_pfn(pfn[3]);
    assert_int_equal(check(2, &ranges), 0);
    for (uint32_t i = 0; i < 0x1400; i++)
        at[n++] = pfn[(0xC00 + i) / 4096] * 4096 + (0xC00 + i) % 4096;
    for (uint32_t i = 0; i < 0x1000; i++)
        at[n++] = pfn[2 + (0x900 + i) / 4096] * 4096 + (0x900 + i) % 4096;
    for (uint32_t from = 0; from <= n; from += 0x80) {
        for (uint32_t len = 0; from + len <= n; len += 0x180) {
            uint32_t i = from;

            assert_int_equal(enl_gparange_walk(&ranges, from, len, &iter), 0);
            while (enl_gparange_next(&iter, &run)) {
                for (uint64_t j = 0; j < run.len; j++)
                    assert_int_equal(at[i++], run.gpa.v + j);
            }
            assert_int_equal(i, from + len);
        }
    }
}

static void
walk_beyond_the_end_is_refused(void **state)
{
    struct enl_gparange ranges;
    struct enl_gparange_iter iter;

    (void)state;
    add_range(100, 0);
    add_pfn(1);
    assert_int_equal(check(1, &ranges), 0);
    assert_int_equal(enl_gparange_walk(&ranges, 0, 101, &iter), -ENL_E_RANGE);
    assert_int_equal(enl_gparange_walk(&ranges, 101, 0, &iter), -ENL_E_RANGE);
    assert_int_equal(enl_gparange_walk(&ranges, UINT64_MAX, 2, &iter), -ENL_E_RANGE);
    assert_int_equal(enl_gparange_walk(&ranges, 1, UINT64_MAX, &iter), -ENL_E_RANGE);
    assert_int_equal(enl_gparange_walk(&ranges, 100, 0, &iter), 0);
    expect(&iter, 0, 0);
}

static void
too_few_or_too_many_page_numbers_are_refused(void **state)
{
    (void)state;
    add_range(4097, 0);
    add_pfn(1);
    assert_bad(1);
    add_range(2, 4095);
    add_pfn(1);
    assert_bad(1);
    add_range(4096, 0);
    add_pfn(1);
    add_pfn(2);
    assert_bad(1);
    add_range(4096, 0);
    assert_bad(1);
    add_range(1, 0);
    add_pfn(1);
    list.len -= 1;
    assert_bad(1);
    add_range(1, 0);
    add_pfn(1);
    list.len += 1;
    assert_bad(1);
}

static void
wrong_range_count_is_refused(void **state)
{
    (void)state;
    assert_bad(0);
    assert_bad(1);
    add_range(1, 0);
    add_pfn(1);
    assert_bad(0);
    add_range(1, 0);
    add_pfn(1);
    assert_bad(2);
    add_range(1, 0);
    add_pfn(1);
    assert_bad(UINT32_MAX);
    list.len = 4;
    assert_bad(1);
}

static void
numbers_that_overflow_are_refused(void **state)
{
    static const uint64_t bad_pfn[] = {UINT64_MAX, UINT64_C(1) << 52,
                                       (UINT64_C(1) << 52) - 1};

    (void)state;
    add_range(0, 0);
    assert_bad(1);
    add_range(0, 0);
    add_pfn(1);
    assert_bad(1);
    add_range(1, 4096);
    add_pfn(1);
    assert_bad(1);
    add_range(1, UINT32_MAX);
    add_pfn(1);
    assert_bad(1);
    add_range(UINT32_MAX, 4095);
    add_pfn(1);
    assert_bad(1);
    add_range(UINT32_MAX, UINT32_MAX);
    add_pfn(1);
    assert_bad(1);
    for (int i = 0; i < 3; i++) {
        add_range(1, 0);
        add_pfn(bad_pfn[i]);
        assert_bad(1);
    }
}

static void
highest_page_does_not_wrap_into_the_first(void **state)
{
    struct enl_gparange ranges;
    struct enl_gparange_iter iter;

    (void)state;
    add_range(8192, 0);
    add_pfn((UINT64_C(1) << 52) - 2);
    add_pfn(0);
    assert_int_equal(check(1, &ranges), 0);
    assert_int_equal(enl_gparange_walk(&ranges, 0, 8192, &iter), 0);
    expect(&iter, UINT64_C(0xFFFFFFFFFFFFE000), 4096);
    expect(&iter, 0, 4096);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(one_range_of_scattered_pages),
        CASE(pages_in_a_row_are_one_run),
        CASE(ranges_that_touch_are_one_run_and_others_are_not),
        CASE(walk_of_every_part_gives_the_bytes_of_that_part),
        CASE(walk_beyond_the_end_is_refused),
        CASE(too_few_or_too_many_page_numbers_are_refused),
        CASE(wrong_range_count_is_refused),
        CASE(numbers_that_overflow_are_refused),
        CASE(highest_page_does_not_wrap_into_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
