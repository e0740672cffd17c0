/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/pio.h - which device answers an I/O port
 *
 * A few ranges, set before the guest runs. A port that nobody has reads as ones and takes
 * every write, as on a machine without a bus behind it.
 */
#ifndef ENLIGHT_VMM_PIO_H
#define ENLIGHT_VMM_PIO_H

#include <stdint.h>

#include "enlight/error.h"

#define ENLM_PIO_RANGES 8u

/* Byte accesses: a wider one is told as several. Thread: any vCPU. */
typedef uint8_t (*enlm_pio_read_fn)(void *ctx, uint16_t offset);
typedef void (*enlm_pio_write_fn)(void *ctx, uint16_t offset, uint8_t value);

struct enlm_pio_range {
    uint16_t first, count;
    enlm_pio_read_fn read;
    enlm_pio_write_fn write;
    void *ctx;
};

struct enlm_pio {
    struct enlm_pio_range ranges[ENLM_PIO_RANGES];
    uint32_t count;
};

/* Returns 0, -ENL_E_EXIST: overlaps one, -ENL_E_NOSPC. Copies range. */
ENL_MUST_CHECK int enlm_pio_add(struct enlm_pio *pio, const struct enlm_pio_range *range);

/* An access of len bytes (1, 2 or 4). Thread: any vCPU. */
void enlm_pio_read(const struct enlm_pio *pio, uint16_t port, uint8_t *data,
                   uint32_t len);
void enlm_pio_write(const struct enlm_pio *pio, uint16_t port, const uint8_t *data,
                    uint32_t len);

#endif
