/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines for people, through the embedder's log callback: this library prints nothing and
 * has no printf. Any room can make it run; a guest can, too, so a line has a fixed size
 * and lines that a guest causes are counted down. A text that comes from the guest is
 * never a format. A bug ends in the embedder's bug callback, or in a trap.
 * Tests: log_format.
 */
#include "host/core/log.h"

#include "host/core/partition.h"

#define LOG_LINE 160

struct log_text {
    char *to;
    size_t size;
    size_t len;
};

static void
log_char(struct log_text *text, char c)
{
    if (text->len + 1 < text->size)
        text->to[text->len++] = c;
}

static void
log_string(struct log_text *text, const char *s)
{
    for (s = s != NULL ? s : "(none)"; *s != '\0'; s++)
        log_char(text, *s);
}

static void
log_number(struct log_text *text, uint64_t value, uint32_t base)
{
    char digit[20];
    uint32_t count = 0;

    do {
        digit[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0)
        log_char(text, digit[--count]);
}

/* What stands between '%' and the letter. */
struct log_spec {
    bool alternate;
    bool wide;
};

static const char *
log_spec_read(const char *format, struct log_spec *spec)
{
    *spec = (struct log_spec){0};
    for (;; format++) {
        if (*format == '#')
            spec->alternate = true;
        else if (*format == 'l' || *format == 'z')
            spec->wide = true;
        else if (*format < '0' || *format > '9')
            return format;
    }
}

static void
log_signed(struct log_text *text, int64_t value)
{
    if (value < 0)
        log_char(text, '-');
    log_number(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

/* long, long long and size_t are all 64 bits wide where this runs. */
static void
log_argument(struct log_text *text, char letter, const struct log_spec *spec,
             va_list *args)
{
    switch (letter) {
    case 's':
        log_string(text, va_arg(*args, const char *));
        break;
    case 'c':
        log_char(text, (char)va_arg(*args, int));
        break;
    case 'd':
        log_signed(text, spec->wide ? va_arg(*args, int64_t) : va_arg(*args, int));
        break;
    case 'u':
        log_number(text, spec->wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned),
                   10);
        break;
    case 'x':
        if (spec->alternate)
            log_string(text, "0x");
        log_number(text, spec->wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned),
                   16);
        break;
    default:
        log_char(text, letter);
        break;
    }
}

size_t
enlh_log_format(char *to, size_t size, const char *format, va_list args)
{
    struct log_text text = {.to = to, .size = size};
    va_list list;

    va_copy(list, args);
    for (; *format != '\0'; format++) {
        struct log_spec spec;

        if (*format != '%') {
            log_char(&text, *format);
            continue;
        }
        format = log_spec_read(format + 1, &spec);
        if (*format == '\0')
            break;
        log_argument(&text, *format, &spec, &list);
    }
    va_end(list);
    if (size > 0)
        to[text.len] = '\0';
    return text.len;
}

static void
log_line(const struct enlh_partition *partition, enum enlh_log_level level,
         const char *format, va_list args)
{
    char line[LOG_LINE];

    if (partition->ops.log == NULL)
        return;
    enlh_log_format(line, sizeof(line), format, args);
    partition->ops.log(partition->ctx, level, line);
}

void
enlh_log(const struct enlh_partition *partition, enum enlh_log_level level,
         const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(partition, level, format, args);
    va_end(args);
}

void
enlh_log_guest(struct enlh_partition *partition, const char *format, ...)
{
    va_list args;
    uint32_t used = atomic_load_explicit(&partition->guest_lines, memory_order_relaxed);

    if (used >= ENLH_LOG_GUEST_LINES)
        return;
    atomic_fetch_add_explicit(&partition->guest_lines, 1, memory_order_relaxed);
    va_start(args, format);
    log_line(partition, ENLH_LOG_WARN, format, args);
    va_end(args);
}

_Noreturn void
enlh_log_bug(const struct enlh_partition *partition, const char *file, int line,
             const char *what)
{
    if (partition != NULL && partition->ops.bug != NULL)
        partition->ops.bug(partition->ctx, file, line, what);
    __builtin_trap();
}
