/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/base.h - what every wire header stands on
 *
 * Data only. The wire is little-endian, and its page is 4096 bytes whatever the
 * guest's own page size is. A wire structure says its size and the offset of each
 * field that the specification fixes with the two assertions below.
 */
#ifndef ENLIGHT_ABI_BASE_H
#define ENLIGHT_ABI_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ENL_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define ENL_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

/* ENL_ABI_SIZE(struct enl_message, 256): the structure is exactly this long. */
#define ENL_ABI_SIZE(type, size) ENL_STATIC_ASSERT(sizeof(type) == (size), #type " size")

/* ENL_ABI_AT(struct enl_message, payload, 16): the field is at this offset. */
#define ENL_ABI_AT(type, field, at)                                                      \
    ENL_STATIC_ASSERT(offsetof(type, field) == (at), #type "." #field " offset")

ENL_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

#define ENL_PAGE_SIZE  4096u
#define ENL_PAGE_SHIFT 12u
#define ENL_PAGE_MASK  4095u

/* A guest physical address. A type of its own, so that it mixes with no length. */
typedef struct enl_gpa {
    uint64_t v;
} enl_gpa;

/* A GUID in its wire order: the first three groups little-endian. */
struct enl_guid {
    uint8_t b[16];
};
ENL_ABI_SIZE(struct enl_guid, 16);

#endif
