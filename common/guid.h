/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/guid.h - GUIDs as text
 *
 * A GUID is 16 bytes in wire order (enlight/abi/base.h); as text it is 8-4-4-4-12
 * hexadecimal digits, of which the first three groups are little-endian numbers.
 */
#ifndef ENLIGHT_COMMON_GUID_H
#define ENLIGHT_COMMON_GUID_H

#include <stdbool.h>
#include <stddef.h>

#include "enlight/abi/base.h"
#include "enlight/error.h"

#define ENL_GUID_TEXT_LEN 36u /* without the zero that ends it */

/*
 * Read a GUID of exactly len characters: 36, or 38 with braces around it; any case.
 * Returns 0, or -ENL_E_INVAL with out untouched.
 */
ENL_MUST_CHECK int enl_guid_parse(const char *text, size_t len, struct enl_guid *out);

/* Write a GUID in lower case, without braces, with a zero at the end. */
void enl_guid_format(const struct enl_guid *guid, char out[ENL_GUID_TEXT_LEN + 1]);

bool enl_guid_equal(const struct enl_guid *a, const struct enl_guid *b);

/* All bytes are zero. */
bool enl_guid_is_zero(const struct enl_guid *guid);

#endif
