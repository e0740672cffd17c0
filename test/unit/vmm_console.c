/* SPDX-License-Identifier: BSD-2-Clause */
/* The console: nothing lost to a slow reader, nothing blocked, Ctrl-a x. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "vmm/console.h"

static struct enlm_console_port console;
static struct enlm_serial serial;
static struct enlm_loop loop;
static int out[2], in[2], saved_in;
static int quits;

static void
on_line(void *ctx, bool high)
{
    (void)ctx;
    (void)high;
}

static bool
on_send(void *ctx, uint8_t byte)
{
    return enlm_console_send(ctx, byte);
}

static void
on_ring(void *ctx)
{
    (void)ctx;
}

static void
on_quit(void *ctx)
{
    (void)ctx;
    quits++;
}

/* Standard input is a pipe during the test. */
static void
start(enum enlm_console kind)
{
    static const struct enlm_serial_ops ops = {on_line, on_send, NULL};
    struct enlm_machine_config config = {.console = kind, .console_fd = out[1]};

    memset(&console, 0, sizeof(console));
    quits = 0;
    assert_int_equal(enlm_loop_init(&loop, on_ring, NULL), 0);
    assert_int_equal(enlm_serial_init(&serial, &ops, &console), 0);
    assert_int_equal(enlm_console_init(&console, &config, &loop, &serial), 0);
    console.quit = on_quit;
}

static int
setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (pipe(out) || pipe(in))
        return -1;
    saved_in = dup(STDIN_FILENO);
    return dup2(in[0], STDIN_FILENO) < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlm_console_fini(&console);
    enlm_serial_fini(&serial);
    enlm_loop_fini(&loop);
    dup2(saved_in, STDIN_FILENO);
    close(saved_in);
    close(out[0]);
    close(out[1]);
    close(in[0]);
    close(in[1]);
    return 0;
}

static void
console_writes_at_once(void **state)
{
    char text[8] = "";

    (void)state;
    start(ENLM_CONSOLE_FD);
    for (const char *at = "guest"; *at; at++)
        enlm_serial_write(&serial, 0, (uint8_t)*at);
    assert_int_equal(read(out[0], text, sizeof(text)), 5);
    assert_string_equal(text, "guest");
}

static void
console_slow_reader_loses_nothing(void **state)
{
    uint32_t sent = 0, got = 0;
    uint8_t byte;

    (void)state;
    start(ENLM_CONSOLE_FD);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    /* A driver that waits for the transmitter, and a reader that begins late. */
    while (sent < 200000) {
        while (sent < 200000 && (enlm_serial_read(&serial, 5) & 0x20))
            enlm_serial_write(&serial, 0, (uint8_t)(sent++ * 7));
        while (read(out[0], &byte, 1) == 1)
            assert_int_equal(byte, (uint8_t)(got++ * 7));
        enlm_loop_once(&loop, 0);
    }
    for (int i = 0; i < 50; i++) {
        enlm_loop_once(&loop, 0);
        while (read(out[0], &byte, 1) == 1)
            assert_int_equal(byte, (uint8_t)(got++ * 7));
    }
    assert_int_equal(got, sent);
}

static void
console_reader_that_is_gone_does_not_stop_the_guest(void **state)
{
    (void)state;
    start(ENLM_CONSOLE_FD);
    close(out[0]);
    for (int i = 0; i < 100000; i++) {
        assert_true(enlm_serial_read(&serial, 5) & 0x20);
        enlm_serial_write(&serial, 0, 'x');
    }
}

static void
console_none_takes_everything(void **state)
{
    (void)state;
    start(ENLM_CONSOLE_NONE);
    for (int i = 0; i < 100000; i++)
        assert_true(enlm_console_send(&console, 'x'));
}

static void
type(const char *text, size_t len)
{
    assert_int_equal(write(in[1], text, len), (ssize_t)len);
    enlm_loop_once(&loop, 0);
}

static void
console_input_reaches_the_guest(void **state)
{
    (void)state;
    start(ENLM_CONSOLE_STDIO);
    type("ls\r", 3);
    for (const char *at = "ls\r"; *at; at++)
        assert_int_equal(enlm_serial_read(&serial, 0), *at);
}

static void
console_ctrl_a_x_quits_and_ctrl_a_twice_is_one(void **state)
{
    (void)state;
    start(ENLM_CONSOLE_STDIO);
    type("a\x01", 2);
    type("\x01"
         "b",
         2);
    assert_int_equal(quits, 0);
    assert_int_equal(enlm_serial_read(&serial, 0), 'a');
    assert_int_equal(enlm_serial_read(&serial, 0), 1);
    assert_int_equal(enlm_serial_read(&serial, 0), 'b');
    type("\x01", 1);
    type("x", 1);
    assert_int_equal(quits, 1);
    assert_int_equal(enlm_serial_read(&serial, 5) & 1, 0);
}

static void
console_input_waits_for_a_busy_guest(void **state)
{
    char text[700];

    (void)state;
    start(ENLM_CONSOLE_STDIO);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    type(text, sizeof(text));
    for (int i = 0; i < 5; i++)
        enlm_loop_once(&loop, 0);
    for (size_t i = 0; i < sizeof(text); i++) {
        if (!(enlm_serial_read(&serial, 5) & 1)) {
            enlm_console_more(&console);
            enlm_loop_once(&loop, 0);
        }
        assert_int_equal(enlm_serial_read(&serial, 0), text[i]);
    }
}

static void
console_input_that_ends_is_left_alone(void **state)
{
    (void)state;
    start(ENLM_CONSOLE_STDIO);
    close(in[1]);
    enlm_loop_once(&loop, 0);
    assert_true(console.in_ended);
    enlm_console_more(&console);
    enlm_loop_once(&loop, 0);
    assert_int_equal(quits, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(console_writes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(console_slow_reader_loses_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            console_reader_that_is_gone_does_not_stop_the_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(console_none_takes_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(console_input_reaches_the_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(console_ctrl_a_x_quits_and_ctrl_a_twice_is_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(console_input_waits_for_a_busy_guest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(console_input_that_ends_is_left_alone, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
