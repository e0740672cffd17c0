/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/utf16.h - text between UTF-8 and the UTF-16LE of the wire
 *
 * Both directions are strict: no overlong form, no lone surrogate, nothing above U+10FFFF.
 * Lengths are bytes and count no zero at the end; a zero inside is a character like others.
 */
#ifndef ENLIGHT_COMMON_UTF16_H
#define ENLIGHT_COMMON_UTF16_H

#include <stddef.h>
#include <stdint.h>

#include "enlight/error.h"

/*
 * Convert. Writes at most size bytes to out, and no zero behind them. Returns the bytes
 * written, or
 *   -ENL_E_INVAL   the text is not valid, or its UTF-16 has an odd length;
 *   -ENL_E_MSGSIZE the result does not fit: out holds a part of it.
 */
ENL_MUST_CHECK int enl_utf16_from_utf8(const char *text, size_t len, uint8_t *out,
                                       size_t size);
ENL_MUST_CHECK int enl_utf16_to_utf8(const uint8_t *text, size_t len, char *out,
                                     size_t size);

/* Bytes before the first 16-bit zero, or all of len, rounded down to an even number. */
size_t enl_utf16_len(const uint8_t *text, size_t len);

#endif
