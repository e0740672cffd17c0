/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/console.c - text on the serial line, or into memory
 *
 * Run by whoever has something to say; on the line one processor at a time. It is a 16550
 * that takes 16 bytes before it is asked again.
 */
#include "kernel.h"

#define COM1          0x3F8u
#define COM1_LSR      (COM1 + 5u)
#define LSR_THR_EMPTY 0x20u
#define FIFO_BYTES    16u

static void
put_serial(char c)
{
    static uint32_t sent;

    if (sent++ % FIFO_BYTES == 0) {
        while (!(in8(COM1_LSR) & LSR_THR_EMPTY))
            cpu_relax();
    }
    out8(COM1, (uint8_t)c);
}

/* to: NULL is the serial line. */
static void
put(struct text *to, char c)
{
    if (!to)
        put_serial(c);
    else if (to->at < to->end)
        *to->at++ = c;
}

static void
put_number(struct text *to, uint64_t value, uint32_t base)
{
    char digits[20];
    uint32_t n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        put(to, digits[--n]);
}

static void
put_signed(struct text *to, int value)
{
    if (value < 0)
        put(to, '-');
    put_number(to, value < 0 ? 0u - (unsigned)value : (unsigned)value, 10);
}

static void
put_text(struct text *to, const char *text)
{
    while (*text)
        put(to, *text++);
}

static void
put_list(struct text *to, const char *format, va_list args)
{
    for (const char *at = format; *at; at++) {
        bool is_long;

        if (*at != '%') {
            put(to, *at);
            continue;
        }
        at++;
        is_long = *at == 'l';
        at += is_long;
        if (*at == 's')
            put_text(to, va_arg(args, const char *));
        else if (*at == 'c')
            put(to, (char)va_arg(args, int));
        else if (*at == 'd')
            put_signed(to, va_arg(args, int));
        else if (is_long)
            put_number(to, va_arg(args, unsigned long), *at == 'x' ? 16 : 10);
        else
            put_number(to, va_arg(args, unsigned), *at == 'x' ? 16 : 10);
    }
}

void
say_list(const char *format, va_list args)
{
    put_list(NULL, format, args);
}

void
text_add(struct text *to, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_list(to, format, args);
    va_end(args);
}

void
say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_list(format, args);
    va_end(args);
}
