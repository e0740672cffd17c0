/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/guid.c - GUIDs as text
 *
 * The user's command line and the embedder make this run; it reads memory of its caller
 * only, trusts no character of a text, and calls nothing but mem*. Tests:
 * test/unit/guid_text.c.
 */
#include "common/guid.h"

#include <string.h>

/* Where the text's bytes go, in the order in which they are written; -1 is a dash. */
static const signed char order[] = {3,  2, 1, 0,  -1, 5,  4,  -1, 7,  6,
                                    -1, 8, 9, -1, 10, 11, 12, 13, 14, 15};

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int
enl_guid_parse(const char *text, size_t len, struct enl_guid *out)
{
    struct enl_guid guid;

    if (len == ENL_GUID_TEXT_LEN + 2 && text[0] == '{' && text[len - 1] == '}') {
        text++;
        len -= 2;
    }
    if (len != ENL_GUID_TEXT_LEN)
        return -ENL_E_INVAL;
    for (size_t i = 0; i < sizeof(order); i++) {
        int high, low;

        if (order[i] < 0) {
            if (*text++ != '-')
                return -ENL_E_INVAL;
            continue;
        }
        high = hex_value(*text++);
        low = hex_value(*text++);
        if (high < 0 || low < 0)
            return -ENL_E_INVAL;
        guid.b[(size_t)order[i]] = (uint8_t)(high << 4 | low);
    }
    *out = guid;
    return 0;
}

void
enl_guid_format(const struct enl_guid *guid, char out[ENL_GUID_TEXT_LEN + 1])
{
    static const char digit[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(order); i++) {
        if (order[i] < 0) {
            *out++ = '-';
            continue;
        }
        *out++ = digit[guid->b[(size_t)order[i]] >> 4];
        *out++ = digit[guid->b[(size_t)order[i]] & 15];
    }
    *out = '\0';
}

bool
enl_guid_equal(const struct enl_guid *a, const struct enl_guid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

bool
enl_guid_is_zero(const struct enl_guid *guid)
{
    static const struct enl_guid zero;

    return enl_guid_equal(guid, &zero);
}
