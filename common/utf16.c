/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/utf16.c - text between UTF-8 and the UTF-16LE of the wire
 *
 * The guest's messages (KVP, file copy) and the embedder's make this run; it reads copies
 * that its caller made, trusts no byte of them, and calls nothing. Each direction reads a
 * code point and writes it: one function per half. Tests: test/unit/utf16_text.c.
 */
#include "common/utf16.h"

#include <stdint.h>

#define LAST_CODE_POINT 0x10FFFFu
#define INVALID         0xFFFFFFFFu

static int
is_surrogate(uint32_t code)
{
    return code >= 0xD800 && code <= 0xDFFF;
}

/* How many bytes follow the first one of a UTF-8 sequence; -1 when none starts so. */
static int
utf8_follow(uint8_t first)
{
    if (first < 0x80)
        return 0;
    if (first >= 0xC2 && first <= 0xDF)
        return 1;
    if (first >= 0xE0 && first <= 0xEF)
        return 2;
    if (first >= 0xF0 && first <= 0xF4)
        return 3;
    return -1;
}

/* Read one code point at *at and step over it, or return INVALID. */
static uint32_t
utf8_get(const char *text, size_t len, size_t *at)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)text[*at];
    int follow = utf8_follow(first);
    uint32_t code;

    if (follow < 0 || len - *at <= (size_t)follow)
        return INVALID;
    code = follow == 0 ? first : first & (0x3Fu >> follow);
    for (int i = 1; i <= follow; i++) {
        uint8_t next = (uint8_t)text[*at + (size_t)i];

        if ((next & 0xC0) != 0x80)
            return INVALID;
        code = code << 6 | (next & 0x3Fu);
    }
    if (code < least[follow] || code > LAST_CODE_POINT || is_surrogate(code))
        return INVALID;
    *at += (size_t)follow + 1;
    return code;
}

static void
unit_put(uint8_t *out, uint32_t unit)
{
    out[0] = (uint8_t)unit;
    out[1] = (uint8_t)(unit >> 8);
}

static uint32_t
unit_get(const uint8_t *text)
{
    return text[0] | (uint32_t)text[1] << 8;
}

int
enl_utf16_from_utf8(const char *text, size_t len, uint8_t *out, size_t size)
{
    size_t at = 0, used = 0;

    while (at < len) {
        uint32_t code = utf8_get(text, len, &at);
        size_t need = code > 0xFFFF ? 4 : 2;

        if (code == INVALID)
            return -ENL_E_INVAL;
        if (size - used < need || used > INT32_MAX - need)
            return -ENL_E_MSGSIZE;
        if (need == 4) {
            unit_put(out + used, 0xD800 + ((code - 0x10000) >> 10));
            unit_put(out + used + 2, 0xDC00 + (code & 0x3FF));
        } else {
            unit_put(out + used, code);
        }
        used += need;
    }
    return (int)used;
}

/* Read one code point of UTF-16 at *at and step over it, or return INVALID. */
static uint32_t
utf16_get(const uint8_t *text, size_t len, size_t *at)
{
    uint32_t high, low;

    if (len - *at < 2)
        return INVALID;
    high = unit_get(text + *at);
    *at += 2;
    if (!is_surrogate(high))
        return high;
    if (high >= 0xDC00 || len - *at < 2)
        return INVALID;
    low = unit_get(text + *at);
    *at += 2;
    if (low < 0xDC00 || low > 0xDFFF)
        return INVALID;
    return 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
}

/* Write a code point of which need bytes are wanted. */
static void
utf8_put(char *out, uint32_t code, size_t need)
{
    static const uint8_t mark[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = need - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(mark[need] | code);
}

int
enl_utf16_to_utf8(const uint8_t *text, size_t len, char *out, size_t size)
{
    size_t at = 0, used = 0;

    while (at < len) {
        uint32_t code = utf16_get(text, len, &at);
        size_t need = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

        if (code == INVALID)
            return -ENL_E_INVAL;
        if (size - used < need || used > INT32_MAX - need)
            return -ENL_E_MSGSIZE;
        utf8_put(out + used, code, need);
        used += need;
    }
    return (int)used;
}

size_t
enl_utf16_len(const uint8_t *text, size_t len)
{
    size_t at = 0;

    while (len - at >= 2 && unit_get(text + at) != 0)
        at += 2;
    return at;
}
