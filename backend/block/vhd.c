/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/vhd.c - the footer of a fixed VHD
 *
 * A fixed VHD is the raw disk followed by 512 bytes, big-endian, that say so. Runs when
 * the user attaches a disk whose format is vhd; the guest cannot reach it, except that it
 * may have written anything into a file that is later called a VHD. Trusts nothing in the
 * footer: it must have its checksum and must agree with the length of the file.
 * Specification: Virtual Hard Disk Image Format 1.0, "Hard Disk Footer Format".
 * Tests: test/unit/block_vhd.c.
 */
#include <string.h>

#include "backend/block/work.h"

enum {
    AT_VERSION = 12,
    AT_CURRENT_SIZE = 48,
    AT_DISK_TYPE = 60,
    AT_CHECKSUM = 64,
    TYPE_FIXED = 2,
    TYPE_DYNAMIC = 3,
    TYPE_DIFFERENCING = 4,
    FOOTER_LEN = 512,
};

static uint32_t
be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t
be64(const uint8_t *at)
{
    return (uint64_t)be32(at) << 32 | be32(at + 4);
}

/* The complement of the sum of all bytes but the checksum's own. */
static uint32_t
checksum(const uint8_t *footer)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < FOOTER_LEN; i++) {
        if (i < AT_CHECKSUM || i >= AT_CHECKSUM + 4)
            sum += footer[i];
    }
    return ~sum;
}

static int
refuse(const char **reason, const char *text, int error)
{
    *reason = text;
    return error;
}

int
enlb_vhd_parse(const uint8_t footer[512], uint64_t file_size, uint64_t *disk_size,
               const char **reason)
{
    uint32_t type = be32(footer + AT_DISK_TYPE);
    uint64_t size = be64(footer + AT_CURRENT_SIZE);

    if (memcmp(footer, "conectix", 8) != 0)
        return refuse(reason, "no VHD footer in the last 512 bytes", -ENL_E_PROTO);
    if (be32(footer + AT_CHECKSUM) != checksum(footer))
        return refuse(reason, "the VHD footer's checksum is wrong", -ENL_E_PROTO);
    if (be32(footer + AT_VERSION) >> 16 != 1)
        return refuse(reason, "a VHD of an unknown version", -ENL_E_NOTSUP);
    if (type == TYPE_DYNAMIC || type == TYPE_DIFFERENCING)
        return refuse(reason, "a dynamic or differencing VHD: convert it to fixed",
                      -ENL_E_NOTSUP);
    if (type != TYPE_FIXED)
        return refuse(reason, "a VHD of an unknown type", -ENL_E_NOTSUP);
    if (file_size < FOOTER_LEN || size != file_size - FOOTER_LEN)
        return refuse(reason, "the VHD footer's size is not that of the file",
                      -ENL_E_PROTO);
    *disk_size = size;
    return 0;
}
