/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's RAM: regions, and the one place where a guest physical address becomes a
 * host address. The embedder adds regions before the guest runs; the guest chooses every
 * address and length that is looked up here, so nothing is assumed of them and sums are
 * checked. Finding an address reads no guest memory. MMIO and holes are no RAM.
 * [TLFS 5.2, the GPA space]
 * Tests: memory_regions.
 */
#include "host/core/memory.h"

#include <string.h>

#include "common/checked.h"
#include "host/core/partition.h"

/* No x86 and no arm64 processor addresses more. */
#define MEM_ADDRESS_LIMIT (UINT64_C(1) << 52)

static bool
mem_overlaps(const struct enlh_mem_region *region, uint64_t gpa, uint64_t len)
{
    return gpa < region->gpa + region->len && region->gpa < gpa + len;
}

int
enlh_mem_add(struct enlh_partition *partition, enl_gpa gpa, void *host, uint64_t len)
{
    struct enlh_mem *mem = &partition->mem;

    if (host == NULL || len == 0 || ((uintptr_t)host & ENL_PAGE_MASK) != 0 ||
        (gpa.v & ENL_PAGE_MASK) != 0 || (len & ENL_PAGE_MASK) != 0 ||
        !enl_within(gpa.v, len, MEM_ADDRESS_LIMIT))
        return -ENL_E_INVAL;
    for (uint32_t i = 0; i < mem->count; i++) {
        if (mem_overlaps(&mem->region[i], gpa.v, len))
            return -ENL_E_EXIST;
    }
    if (mem->count == ENLH_MEM_REGIONS)
        return -ENL_E_NOSPC;
    mem->region[mem->count] = (struct enlh_mem_region){gpa.v, len, host};
    return (int)mem->count++;
}

/* The region that holds gpa, and where in it; NULL when none does. */
static const struct enlh_mem_region *
mem_find(const struct enlh_partition *partition, uint64_t gpa, uint64_t *offset)
{
    const struct enlh_mem *mem = &partition->mem;

    for (uint32_t i = 0; i < mem->count; i++) {
        /* Below the region the difference wraps to more than any length. */
        uint64_t at = gpa - mem->region[i].gpa;

        if (at < mem->region[i].len) {
            *offset = at;
            return &mem->region[i];
        }
    }
    return NULL;
}

void *
enlh_mem_at(const struct enlh_partition *partition, enl_gpa gpa, uint64_t len)
{
    uint64_t offset;
    const struct enlh_mem_region *region = mem_find(partition, gpa.v, &offset);

    if (region == NULL || len > region->len - offset)
        return NULL;
    return region->host + offset;
}

int
enlh_mem_span(const struct enlh_partition *partition, enl_gpa gpa, uint64_t len,
              struct enlh_span *out)
{
    uint64_t offset;
    const struct enlh_mem_region *region = mem_find(partition, gpa.v, &offset);

    if (region == NULL || len == 0 || len > region->len - offset)
        return -ENL_E_FAULT;
    *out = (struct enlh_span){
        .region = (uint32_t)(region - partition->mem.region),
        .offset = offset,
        .len = len,
    };
    return 0;
}

void *
enlh_mem_span_host(const struct enlh_partition *partition, const struct enlh_span *span)
{
    return partition->mem.region[span->region].host + span->offset;
}

/* The whole range is RAM; regions that touch count as one. */
static bool
mem_is_ram(const struct enlh_partition *partition, uint64_t gpa, size_t len)
{
    while (len > 0) {
        uint64_t offset;
        const struct enlh_mem_region *region = mem_find(partition, gpa, &offset);
        uint64_t piece;

        if (region == NULL)
            return false;
        piece = region->len - offset;
        if (piece >= len)
            return true;
        gpa += piece;
        len -= (size_t)piece;
    }
    return true;
}

/* A piece of [gpa, gpa + len) that is contiguous for the host. */
static uint8_t *
mem_piece(const struct enlh_partition *partition, uint64_t gpa, size_t len, size_t *piece)
{
    uint64_t offset = 0;
    const struct enlh_mem_region *region = mem_find(partition, gpa, &offset);
    uint64_t room = region->len - offset;

    *piece = room < len ? (size_t)room : len;
    return region->host + offset;
}

int
enlh_mem_read(const struct enlh_partition *partition, enl_gpa gpa, void *to, size_t len)
{
    uint8_t *out = to;

    if (!mem_is_ram(partition, gpa.v, len))
        return -ENL_E_FAULT;
    while (len > 0) {
        size_t piece;
        const uint8_t *at = mem_piece(partition, gpa.v, len, &piece);

        memcpy(out, at, piece);
        gpa.v += piece;
        out += piece;
        len -= piece;
    }
    return 0;
}

int
enlh_mem_write(const struct enlh_partition *partition, enl_gpa gpa, const void *from,
               size_t len)
{
    const uint8_t *in = from;

    if (!mem_is_ram(partition, gpa.v, len))
        return -ENL_E_FAULT;
    while (len > 0) {
        size_t piece;
        uint8_t *at = mem_piece(partition, gpa.v, len, &piece);

        memcpy(at, in, piece);
        gpa.v += piece;
        in += piece;
        len -= piece;
    }
    return 0;
}
