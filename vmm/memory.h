/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/memory.h - where the guest's RAM and its MMIO windows are, and the file behind RAM
 *
 *   0            RAM
 *   low_window   MMIO for VMBus devices, up to the IOAPIC
 *   0xFEC00000   IOAPIC, TPM hole, local APIC, nothing else
 *   4 GiB        RAM, what did not fit below
 *   high_window  MMIO for VMBus devices
 */
#ifndef ENLIGHT_VMM_MEMORY_H
#define ENLIGHT_VMM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/machine.h"

#define ENLM_4G         (UINT64_C(1) << 32)
#define ENLM_IOAPIC_GPA UINT64_C(0xFEC00000)
#define ENLM_LAPIC_GPA  UINT64_C(0xFEE00000)

/* [start, start + len) lies within [0, limit), whoever chose the three. */
static inline bool
enlm_within(uint64_t start, uint64_t len, uint64_t limit)
{
    return len <= limit && start <= limit - len;
}

struct enlm_layout {
    uint64_t low_len;  /* RAM from 0 */
    uint64_t high_len; /* RAM from 4 GiB */
    uint64_t low_window, low_window_len;
    uint64_t high_window, high_window_len;
};

/*
 * Lay memory bytes of RAM and two windows out; a window of 0 bytes gets its default.
 * Returns 0, or -ENL_E_INVAL with a sentence. Thread: any.
 */
ENL_MUST_CHECK int enlm_layout_plan(const struct enlm_machine_config *config,
                                    uint32_t address_bits, struct enlm_layout *out,
                                    char why[ENLM_WHY]);

struct enlm_memory {
    struct enlm_layout layout;
    int fd;        /* a memfd of layout.low_len + layout.high_len bytes, or -1: private */
    uint8_t *base; /* all of it: high RAM follows low RAM */
    uint64_t len;
};

/*
 * Make RAM, and give it to the machine vm_fd. shared: it is a file that another process can
 * map, in any case. Returns 0, -ENL_E_NOMEM, -ENL_E_IO.
 */
ENL_MUST_CHECK int enlm_memory_init(struct enlm_memory *memory,
                                    const struct enlm_layout *layout, bool shared);
ENL_MUST_CHECK int enlm_memory_map(const struct enlm_memory *memory, int vm_fd);
void enlm_memory_fini(struct enlm_memory *memory);

/* All zeros again, and the host's pages given back. Returns 0, or -ENL_E_IO. */
ENL_MUST_CHECK int enlm_memory_clear(struct enlm_memory *memory);

/* The host address of [gpa, gpa + len) in RAM, or NULL. Thread: any. */
void *enlm_memory_at(const struct enlm_memory *memory, uint64_t gpa, uint64_t len);

#endif
