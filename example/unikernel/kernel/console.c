/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/console.c - text on the serial line
 *
 * Run by whoever has something to say; one processor at a time. The line is a 16550 that
 * takes 16 bytes before it is asked again.
 */
#include "kernel.h"

#define COM1          0x3F8u
#define COM1_LSR      (COM1 + 5u)
#define LSR_THR_EMPTY 0x20u
#define FIFO_BYTES    16u

static void
put(char c)
{
    static uint32_t sent;

    if (sent++ % FIFO_BYTES == 0) {
        while (!(in8(COM1_LSR) & LSR_THR_EMPTY))
            cpu_relax();
    }
    out8(COM1, (uint8_t)c);
}

static void
put_number(uint64_t value, uint32_t base)
{
    char digits[20];
    uint32_t n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put(digits[--n]);
}

static void
put_signed(int value)
{
    if (value < 0)
        put('-');
    put_number(value < 0 ? 0u - (unsigned)value : (unsigned)value, 10);
}

static void
put_text(const char *text)
{
    while (*text)
        put(*text++);
}

void
say_list(const char *format, va_list args)
{
    for (const char *at = format; *at; at++) {
        bool is_long;

        if (*at != '%') {
            put(*at);
            continue;
        }
        at++;
        is_long = *at == 'l';
        at += is_long;
        if (*at == 's')
            put_text(va_arg(args, const char *));
        else if (*at == 'c')
            put((char)va_arg(args, int));
        else if (*at == 'd')
            put_signed(va_arg(args, int));
        else if (is_long)
            put_number(va_arg(args, unsigned long), *at == 'x' ? 16 : 10);
        else
            put_number(va_arg(args, unsigned), *at == 'x' ? 16 : 10);
    }
}

void
say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_list(format, args);
    va_end(args);
}
