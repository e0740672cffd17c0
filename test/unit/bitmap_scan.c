/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/bitmap_scan.c - sets of small numbers find what is in them and what is not
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/bitmap.h"

enum { COUNT = 200 };

static void
scan_agrees_with_looking_at_every_bit(void **state)
{
    uint64_t map[ENL_BITMAP_WORDS(COUNT)];

    (void)state;
    for (uint32_t stride = 1; stride < COUNT; stride += 7) {
        uint32_t members = 0;

        memset(map, 0, sizeof(map));
        for (uint32_t bit = stride / 2; bit < COUNT; bit += stride, members++)
            enl_bitmap_set(map, bit);
        assert_int_equal(enl_bitmap_weight(map, COUNT), members);
        for (uint32_t from = 0; from <= COUNT; from++) {
            uint32_t set = from, clear = from;

            while (set < COUNT && !enl_bitmap_test(map, set))
                set++;
            while (clear < COUNT && enl_bitmap_test(map, clear))
                clear++;
            assert_int_equal(enl_bitmap_next(map, from, COUNT), set);
            assert_int_equal(enl_bitmap_next_clear(map, from, COUNT), clear);
        }
    }
}

static void
full_and_empty_maps_have_no_other_bit(void **state)
{
    uint64_t map[ENL_BITMAP_WORDS(COUNT)] = {0};

    (void)state;
    assert_int_equal(enl_bitmap_next(map, 0, COUNT), COUNT);
    for (uint32_t bit = 0; bit < COUNT; bit++)
        enl_bitmap_set(map, bit);
    assert_int_equal(enl_bitmap_next_clear(map, 0, COUNT), COUNT);
    assert_int_equal(enl_bitmap_weight(map, COUNT), COUNT);
    enl_bitmap_clear(map, COUNT - 1);
    assert_int_equal(enl_bitmap_next_clear(map, 0, COUNT), COUNT - 1);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_agrees_with_looking_at_every_bit),
        cmocka_unit_test(full_and_empty_maps_have_no_other_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
