/* SPDX-License-Identifier: BSD-2-Clause */
/* The 16550 as a driver meets it: interrupts, queues, a slow line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "vmm/serial.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static struct enlm_serial serial;
static bool line, has_room;
static uint32_t line_changes, drained, sent_len;
static uint8_t sent[600];

static void
on_line(void *ctx, bool high)
{
    (void)ctx;
    assert_true(high != line);
    line = high;
    line_changes++;
}

static bool
on_send(void *ctx, uint8_t byte)
{
    (void)ctx;
    if (has_room)
        sent[sent_len++] = byte;
    return has_room;
}

static void
on_drained(void *ctx)
{
    (void)ctx;
    drained++;
}

static uint8_t
get(uint16_t offset)
{
    return enlm_serial_read(&serial, offset);
}

static void
put(uint16_t offset, uint8_t value)
{
    enlm_serial_write(&serial, offset, value);
}

static int
setup(void **state)
{
    static const struct enlm_serial_ops ops = {on_line, on_send, on_drained};

    (void)state;
    line = false;
    has_room = true;
    line_changes = drained = sent_len = 0;
    if (enlm_serial_init(&serial, &ops, NULL))
        return -1;
    put(MCR, 0x0B); /* DTR, RTS, OUT2 */
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlm_serial_fini(&serial);
    return 0;
}

static void
serial_sends_bytes_in_order(void **state)
{
    (void)state;
    for (const char *at = "hello"; *at; at++) {
        assert_int_equal(get(LSR) & 0x60, 0x60);
        put(DATA, (uint8_t)*at);
    }
    assert_int_equal(sent_len, 5);
    assert_memory_equal(sent, "hello", 5);
}

static void
serial_thre_interrupt_is_cleared_by_iir(void **state)
{
    (void)state;
    put(IER, 0x02);
    assert_true(line);
    assert_int_equal(get(IIR) & 0x0F, 0x02);
    assert_false(line);
    assert_int_equal(get(IIR) & 0x0F, 0x01);
    put(DATA, 'x');
    assert_true(line);
}

static void
serial_without_out2_the_line_is_low(void **state)
{
    (void)state;
    put(MCR, 0x03);
    put(IER, 0x02);
    assert_false(line);
    put(MCR, 0x0B);
    assert_true(line);
}

static void
serial_received_bytes_interrupt_until_they_are_read(void **state)
{
    (void)state;
    put(IER, 0x01);
    assert_int_equal(enlm_serial_receive(&serial, (const uint8_t *)"ab", 2), 2);
    assert_true(line);
    assert_int_equal(get(IIR) & 0x0F, 0x04);
    assert_int_equal(get(LSR) & 1, 1);
    assert_int_equal(get(DATA), 'a');
    assert_true(line);
    assert_int_equal(get(DATA), 'b');
    assert_false(line);
    assert_int_equal(get(LSR) & 1, 0);
    assert_int_equal(get(DATA), 0);
}

static void
serial_fifo_below_its_trigger_times_out(void **state)
{
    (void)state;
    put(IIR, 0xC1); /* FIFO on, trigger at 14 */
    put(IER, 0x01);
    enlm_serial_receive(&serial, (const uint8_t *)"a", 1);
    assert_int_equal(get(IIR), 0xCC);
    enlm_serial_receive(&serial, (const uint8_t *)"bbbbbbbbbbbbb", 13);
    assert_int_equal(get(IIR), 0xC4);
}

static void
serial_full_queue_takes_no_more_and_says_when_it_can(void **state)
{
    uint8_t bytes[ENLM_SERIAL_QUEUE + 10];

    (void)state;
    memset(bytes, 'q', sizeof(bytes));
    assert_int_equal(enlm_serial_receive(&serial, bytes, sizeof(bytes)),
                     ENLM_SERIAL_QUEUE);
    assert_int_equal(enlm_serial_receive(&serial, bytes, 1), 0);
    for (uint32_t i = 0; i < ENLM_SERIAL_QUEUE / 2 - 1; i++)
        get(DATA);
    assert_int_equal(drained, 0);
    get(DATA);
    assert_int_equal(drained, 1);
    get(DATA);
    assert_int_equal(drained, 1);
}

static void
serial_full_queue_that_is_cleared_has_room(void **state)
{
    uint8_t bytes[ENLM_SERIAL_QUEUE + 10];

    (void)state;
    memset(bytes, 'q', sizeof(bytes));
    enlm_serial_receive(&serial, bytes, sizeof(bytes));
    put(IIR, 0x03); /* as a driver does when it starts */
    assert_int_equal(drained, 1);
    put(IIR, 0x03);
    assert_int_equal(drained, 1);
    enlm_serial_receive(&serial, bytes, sizeof(bytes));
    enlm_serial_reset(&serial);
    assert_int_equal(drained, 2);
    enlm_serial_reset(&serial);
    assert_int_equal(drained, 2);
}

static void
serial_slow_line_keeps_the_byte(void **state)
{
    (void)state;
    put(IER, 0x02);
    get(IIR);
    has_room = false;
    put(DATA, 'a');
    assert_int_equal(get(LSR) & 0x20, 0);
    assert_false(line);
    has_room = true;
    enlm_serial_ready(&serial);
    assert_int_equal(sent_len, 1);
    assert_int_equal(sent[0], 'a');
    assert_int_equal(get(LSR) & 0x60, 0x60);
    assert_true(line);
}

static void
serial_divisor_is_not_data(void **state)
{
    (void)state;
    put(LCR, 0x83);
    put(DATA, 0x0C);
    put(IER, 0x12);
    assert_int_equal(get(DATA), 0x0C);
    assert_int_equal(get(IER), 0x12);
    put(LCR, 0x03);
    assert_int_equal(sent_len, 0);
    assert_int_equal(get(IER), 0);
}

static void
serial_loopback_stays_inside(void **state)
{
    (void)state;
    put(MCR, 0x1F);
    put(DATA, 'z');
    assert_int_equal(sent_len, 0);
    assert_int_equal(get(DATA), 'z');
    /* Seen: Linux finds a 16550 by these four lines. */
    put(MCR, 0x1A);
    assert_int_equal(get(MSR) & 0xF0, 0x90);
}

static void
serial_reset_forgets_everything(void **state)
{
    (void)state;
    put(IER, 0x03);
    put(SCR, 0x5A);
    enlm_serial_receive(&serial, (const uint8_t *)"abc", 3);
    assert_true(line);
    enlm_serial_reset(&serial);
    assert_false(line);
    assert_int_equal(get(IER), 0);
    assert_int_equal(get(SCR), 0);
    assert_int_equal(get(LSR), 0x60);
}

static void
serial_any_access_is_survived(void **state)
{
    uint32_t seed = 1;

    (void)state;
    has_room = false;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245u + 12345u;
        if (seed & 0x10000)
            put(seed >> 20 & 7, (uint8_t)(seed >> 8));
        else
            get(seed >> 20 & 7);
        if ((seed & 0xF) == 0)
            enlm_serial_receive(&serial, (const uint8_t *)"0123456789", seed >> 29);
        assert_true(serial.count <= ENLM_SERIAL_QUEUE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(serial_sends_bytes_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_thre_interrupt_is_cleared_by_iir, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(serial_without_out2_the_line_is_low, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            serial_received_bytes_interrupt_until_they_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_fifo_below_its_trigger_times_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            serial_full_queue_takes_no_more_and_says_when_it_can, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_full_queue_that_is_cleared_has_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(serial_slow_line_keeps_the_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_divisor_is_not_data, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_loopback_stays_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_reset_forgets_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(serial_any_access_is_survived, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
