/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/status.c - the only place that writes to the user's standard error
 *
 * Text for the user is made here alone; the libraries return reasons, never print.
 */
#include "tool/status.h"

#include <stdarg.h>
#include <stdio.h>

static char *captured; /* where sentences go in place of standard error */
static size_t captured_len;

static void
print_line(const char *format, va_list args)
{
    char line[1024];

    vsnprintf(line, sizeof(line), format, args);
    fprintf(stderr, "enlight: %s\n", line);
}

int
enlt_fail(enum enlt_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (captured)
        vsnprintf(captured, captured_len, format, args);
    else
        print_line(format, args);
    va_end(args);
    return (int)status;
}

void
enlt_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

void
enlt_capture(char *text, size_t len)
{
    captured = text;
    captured_len = len;
}
