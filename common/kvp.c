/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/kvp.c - the text of key-value pairs
 *
 * The other half's messages make this run; it reads copies that its caller made, believes
 * no length in them, and calls nothing but common/utf16.c.
 * Tests: test/unit/kvp_text.c.
 */
#include "common/kvp.h"

#include <string.h>

#include "common/utf16.h"

int
enl_kvp_read(const uint8_t *field, size_t len, char *out, size_t size)
{
    int used;

    if (size == 0)
        return -ENL_E_MSGSIZE;
    used = enl_utf16_to_utf8(field, enl_utf16_len(field, len), out, size - 1);
    out[used < 0 ? 0 : used] = '\0';
    return used;
}

int
enl_kvp_read_key(const struct enl_kvp_value *data, char *out, size_t size)
{
    return data->key_len > sizeof(data->key)
               ? -ENL_E_INVAL
               : enl_kvp_read(data->key, data->key_len, out, size);
}

/*
 * Divide by 10; the remainder. In digits of 16 bits: on 32-bit processors a division of 64
 * bits is a call into the compiler's library.
 */
static uint32_t
divide_by_10(uint64_t *number)
{
    uint64_t quotient = 0;
    uint32_t rest = 0;

    for (int shift = 48; shift >= 0; shift -= 16) {
        rest = rest << 16 | (uint16_t)(*number >> shift);
        quotient = quotient << 16 | rest / 10;
        rest %= 10;
    }
    *number = quotient;
    return rest;
}

/* Decimal digits of a number, and a zero. */
static int
write_number(uint64_t number, char *out, size_t size)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + divide_by_10(&number));
    } while (number);
    if (count >= size)
        return -ENL_E_MSGSIZE;
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    out[count] = '\0';
    return (int)count;
}

int
enl_kvp_read_value(const struct enl_kvp_value *data, char *out, size_t size)
{
    uint64_t number = 0;

    switch (data->value_type) {
    case ENL_KVP_STRING:
    case ENL_KVP_EXPAND_STRING:
        return data->value_len > sizeof(data->value)
                   ? -ENL_E_INVAL
                   : enl_kvp_read(data->value, data->value_len, out, size);
    case ENL_KVP_U32:
    case ENL_KVP_U64:
        memcpy(&number, data->value, data->value_type == ENL_KVP_U32 ? 4 : 8);
        return write_number(number, out, size);
    default:
        return -ENL_E_INVAL;
    }
}

int
enl_kvp_write(uint8_t *field, size_t len, const char *text, size_t text_max)
{
    size_t text_len = 0;
    int used;

    while (text_len < text_max && text[text_len])
        text_len++;
    used = len < 2 ? -ENL_E_MSGSIZE : enl_utf16_from_utf8(text, text_len, field, len - 2);
    if (used < 0)
        return used;
    memset(field + used, 0, len - (size_t)used);
    return used + 2;
}
