/* SPDX-License-Identifier: BSD-2-Clause */
/* The port table: who answers, and what an absent device looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "vmm/pio.h"

static uint8_t registers[4];

static uint8_t
read_register(void *ctx, uint16_t offset)
{
    assert_true(offset < 4);
    return ((uint8_t *)ctx)[offset];
}

static void
write_register(void *ctx, uint16_t offset, uint8_t value)
{
    assert_true(offset < 4);
    ((uint8_t *)ctx)[offset] = value;
}

static struct enlm_pio
table(uint16_t first)
{
    struct enlm_pio pio = {.count = 0};
    struct enlm_pio_range range = {first, 4, read_register, write_register, registers};

    memset(registers, 0, sizeof(registers));
    assert_int_equal(enlm_pio_add(&pio, &range), 0);
    return pio;
}

static void
pio_absent_ports_read_as_ones(void **state)
{
    struct enlm_pio pio = table(0x100);
    uint8_t data[4] = {0};

    (void)state;
    enlm_pio_read(&pio, 0xF0, data, 4);
    assert_memory_equal(data, "\xff\xff\xff\xff", 4);
    enlm_pio_write(&pio, 0xF0, data, 4);
    assert_memory_equal(registers, "\0\0\0\0", 4);
}

static void
pio_wide_accesses_are_bytes(void **state)
{
    struct enlm_pio pio = table(0x100);
    uint8_t data[4] = {1, 2, 3, 4};

    (void)state;
    enlm_pio_write(&pio, 0x100, data, 4);
    assert_memory_equal(registers, data, 4);
    /* Two within, two beyond. */
    enlm_pio_read(&pio, 0x102, data, 4);
    assert_memory_equal(data, "\x03\x04\xff\xff", 4);
}

static void
pio_the_last_port_does_not_wrap(void **state)
{
    struct enlm_pio pio = table(0);
    uint8_t data[4] = {9, 9, 9, 9};

    (void)state;
    enlm_pio_write(&pio, 0xFFFE, data, 4);
    assert_memory_equal(registers, "\0\0\0\0", 4);
    enlm_pio_read(&pio, 0xFFFE, data, 4);
    assert_memory_equal(data, "\xff\xff\xff\xff", 4);
}

static void
pio_overlaps_and_too_many_are_refused(void **state)
{
    struct enlm_pio pio = table(0x100);
    struct enlm_pio_range range = {0x103, 1, read_register, write_register, registers};

    (void)state;
    assert_int_equal(enlm_pio_add(&pio, &range), -ENL_E_EXIST);
    for (uint32_t i = 1; i < ENLM_PIO_RANGES; i++) {
        range.first = (uint16_t)(0x200 + i * 8);
        assert_int_equal(enlm_pio_add(&pio, &range), 0);
    }
    range.first = 0x300;
    assert_int_equal(enlm_pio_add(&pio, &range), -ENL_E_NOSPC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pio_absent_ports_read_as_ones),
        cmocka_unit_test(pio_wide_accesses_are_bytes),
        cmocka_unit_test(pio_the_last_port_does_not_wrap),
        cmocka_unit_test(pio_overlaps_and_too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
