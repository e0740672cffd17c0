/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/kvp.h - the text of key-value pairs: UTF-16LE in a field of fixed size, and UTF-8
 *
 * A string ends at its first zero, or where its length or its field ends.
 */
#ifndef ENLIGHT_COMMON_KVP_H
#define ENLIGHT_COMMON_KVP_H

#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/kvp.h"
#include "enlight/error.h"

/*
 * Read a field of len bytes into out, with a zero at its end. Returns the bytes before that
 * zero, or -ENL_E_INVAL (not UTF-16), -ENL_E_MSGSIZE (out[size] is too small).
 */
ENL_MUST_CHECK int enl_kvp_read(const uint8_t *field, size_t len, char *out, size_t size);
/* The key, and the value as text, numbers in decimal. Returns as above; a length beyond its
 * field and an unknown type are -ENL_E_INVAL. */
ENL_MUST_CHECK int enl_kvp_read_key(const struct enl_kvp_value *data, char *out,
                                    size_t size);
ENL_MUST_CHECK int enl_kvp_read_value(const struct enl_kvp_value *data, char *out,
                                      size_t size);

/*
 * Fill all len bytes of a field with text (which ends at its zero, or after text_max bytes),
 * a zero, and zeros. Returns the bytes up to and with the zero, or -ENL_E_INVAL (not UTF-8),
 * -ENL_E_MSGSIZE (too long).
 */
ENL_MUST_CHECK int enl_kvp_write(uint8_t *field, size_t len, const char *text,
                                 size_t text_max);

#endif
