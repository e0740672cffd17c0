/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest addresses: what is RAM, what is not, and what no sum may wrap into. */
#include <stdlib.h>

#include "core_rig.h"

static uint8_t page[ENL_PAGE_SIZE] __attribute__((aligned(ENL_PAGE_SIZE)));

static int
add(uint64_t gpa, uint64_t len)
{
    return enlh_mem_add(f.partition, (enl_gpa){gpa}, page, len);
}

static void
memory_refuses_unaligned_and_empty_regions(void **state)
{
    (void)state;
    assert_err(add(0x1000000, 0), ENL_E_INVAL);
    assert_err(add(0x1000001, 0x1000), ENL_E_INVAL);
    assert_err(add(0x1000000, 0x1001), ENL_E_INVAL);
    assert_err(enlh_mem_add(f.partition, (enl_gpa){0x1000000}, page + 8, 0x1000),
               ENL_E_INVAL);
    assert_err(enlh_mem_add(f.partition, (enl_gpa){0x1000000}, NULL, 0x1000),
               ENL_E_INVAL);
}

static void
memory_refuses_regions_beyond_the_address_space(void **state)
{
    (void)state;
    assert_err(add(UINT64_MAX - 0xfff, 0x1000), ENL_E_INVAL);
    assert_err(add((UINT64_C(1) << 52) - 0x1000, 0x2000), ENL_E_INVAL);
    assert_int_equal(add((UINT64_C(1) << 52) - 0x1000, 0x1000), 2);
}

static void
memory_refuses_overlap(void **state)
{
    (void)state;
    assert_err(add(FAKE_RAM_LEN - 0x1000, 0x1000), ENL_E_EXIST);
    assert_err(add(FAKE_HIGH_GPA - 0x1000, 0x2000), ENL_E_EXIST);
    assert_int_equal(add(FAKE_RAM_LEN, 0x1000), 2);
}

static void
memory_holds_sixteen_regions(void **state)
{
    (void)state;
    for (uint32_t i = 2; i < ENLH_MEM_REGIONS; i++)
        assert_int_equal(add(0x1000000 + i * 0x1000, 0x1000), i);
    assert_err(add(0x2000000, 0x1000), ENL_E_NOSPC);
}

static void
memory_finds_only_what_is_wholly_inside(void **state)
{
    struct enlh_span span;

    (void)state;
    assert_ptr_equal(enlh_mem_at(f.partition, (enl_gpa){0x1234}, 8), f.ram + 0x1234);
    assert_ptr_equal(enlh_mem_at(f.partition, (enl_gpa){FAKE_HIGH_GPA}, FAKE_HIGH_LEN),
                     f.high);
    assert_null(enlh_mem_at(f.partition, (enl_gpa){FAKE_RAM_LEN - 4}, 8));
    assert_null(enlh_mem_at(f.partition, (enl_gpa){FAKE_RAM_LEN}, 1));
    assert_null(enlh_mem_at(f.partition, (enl_gpa){FAKE_HIGH_GPA - 1}, 1));
    assert_null(enlh_mem_at(f.partition, (enl_gpa){16}, UINT64_MAX));
    assert_null(enlh_mem_at(f.partition, (enl_gpa){UINT64_MAX}, 2));
    assert_err(enlh_mem_span(f.partition, (enl_gpa){16}, UINT64_MAX - 8, &span),
               ENL_E_FAULT);
    assert_err(enlh_mem_span(f.partition, (enl_gpa){16}, 0, &span), ENL_E_FAULT);
}

static void
memory_span_leads_back_to_the_address(void **state)
{
    struct enlh_span span;

    (void)state;
    assert_int_equal(
        enlh_mem_span(f.partition, (enl_gpa){FAKE_HIGH_GPA + 0x321}, 0x100, &span), 0);
    assert_int_equal(span.region, 1);
    assert_int_equal(span.offset, 0x321);
    assert_int_equal(span.len, 0x100);
    assert_int_equal(span.reserved, 0);
    assert_ptr_equal(enlh_mem_span_host(f.partition, &span), f.high + 0x321);
}

static void
memory_copy_crosses_adjacent_regions(void **state)
{
    uint8_t out[16] = "0123456789abcde";
    uint8_t in[16] = {0};

    (void)state;
    assert_int_equal(add(FAKE_RAM_LEN, 0x1000), 2);
    assert_int_equal(
        enlh_mem_write(f.partition, (enl_gpa){FAKE_RAM_LEN - 5}, out, sizeof(out)), 0);
    assert_memory_equal(f.ram + FAKE_RAM_LEN - 5, out, 5);
    assert_memory_equal(page, out + 5, sizeof(out) - 5);
    assert_int_equal(
        enlh_mem_read(f.partition, (enl_gpa){FAKE_RAM_LEN - 5}, in, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(out));
}

static void
memory_copy_into_a_hole_copies_nothing(void **state)
{
    uint8_t buffer[16] = {0};

    (void)state;
    assert_err(enlh_mem_write(f.partition, (enl_gpa){FAKE_RAM_LEN - 8}, buffer, 16),
               ENL_E_FAULT);
    assert_int_equal(f.ram[FAKE_RAM_LEN - 8], 0xa5);
    assert_err(enlh_mem_read(f.partition, (enl_gpa){FAKE_RAM_LEN - 8}, buffer, 16),
               ENL_E_FAULT);
    assert_int_equal(buffer[0], 0);
    assert_err(enlh_mem_read(f.partition, (enl_gpa){UINT64_MAX - 3}, buffer, 16),
               ENL_E_FAULT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(memory_refuses_unaligned_and_empty_regions),
        CASE(memory_refuses_regions_beyond_the_address_space),
        CASE(memory_refuses_overlap),
        CASE(memory_holds_sixteen_regions),
        CASE(memory_finds_only_what_is_wholly_inside),
        CASE(memory_span_leads_back_to_the_address),
        CASE(memory_copy_crosses_adjacent_regions),
        CASE(memory_copy_into_a_hole_copies_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
