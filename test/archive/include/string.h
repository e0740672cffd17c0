/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/archive/include/string.h - all that a kernel brings for libenlight-guest
 *
 * The library is compiled with this and the compiler's own headers, and nothing else.
 */
#ifndef TEST_ARCHIVE_STRING_H
#define TEST_ARCHIVE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);

#endif
