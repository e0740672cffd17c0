/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/pio.c - I/O ports to devices, byte by byte
 *
 * Run by the guest's IN and OUT, on its vCPU's thread. A port beyond the ranges does
 * nothing. Takes no lock: each device has its own.
 * Tests: test/unit/vmm_pio.c.
 */
#include "vmm/pio.h"

#include <stddef.h>

int
enlm_pio_add(struct enlm_pio *pio, const struct enlm_pio_range *range)
{
    for (uint32_t i = 0; i < pio->count; i++) {
        const struct enlm_pio_range *r = &pio->ranges[i];

        if (range->first < r->first + r->count && r->first < range->first + range->count)
            return -ENL_E_EXIST;
    }
    if (pio->count == ENLM_PIO_RANGES)
        return -ENL_E_NOSPC;
    pio->ranges[pio->count++] = *range;
    return 0;
}

static const struct enlm_pio_range *
find(const struct enlm_pio *pio, uint32_t port)
{
    for (uint32_t i = 0; i < pio->count; i++) {
        const struct enlm_pio_range *r = &pio->ranges[i];

        if (port >= r->first && port < (uint32_t)r->first + r->count)
            return r;
    }
    return NULL;
}

void
enlm_pio_read(const struct enlm_pio *pio, uint16_t port, uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        const struct enlm_pio_range *r = find(pio, (uint32_t)port + i);

        data[i] = r ? r->read(r->ctx, (uint16_t)(port + i - r->first)) : 0xFF;
    }
}

void
enlm_pio_write(const struct enlm_pio *pio, uint16_t port, const uint8_t *data,
               uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        const struct enlm_pio_range *r = find(pio, (uint32_t)port + i);

        if (r)
            r->write(r->ctx, (uint16_t)(port + i - r->first), data[i]);
    }
}
