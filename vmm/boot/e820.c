/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/e820.c - the memory map that the guest is told
 *
 * Run by the loader. RAM, and the reserved part of the first megabyte that holds the ACPI
 * tables; everything else is not named, and so is nobody's.
 * Tests: test/unit/vmm_layout.c.
 */
#include "vmm/boot/boot.h"

static uint32_t
add(struct enlm_e820 *out, uint32_t n, uint64_t gpa, uint64_t len, uint32_t type)
{
    if (!len)
        return n;
    out[n].gpa = gpa;
    out[n].len = len;
    out[n].type = type;
    return n + 1;
}

uint32_t
enlm_e820_build(const struct enlm_layout *layout, struct enlm_e820 out[ENLM_E820_MAX])
{
    uint32_t n = 0;

    n = add(out, n, 0, ENLM_BOOT_LOW_END, ENLM_E820_RAM);
    n = add(out, n, ENLM_BOOT_ACPI, ENLM_BOOT_HIGH - ENLM_BOOT_ACPI, ENLM_E820_RESERVED);
    n = add(out, n, ENLM_BOOT_HIGH, layout->low_len - ENLM_BOOT_HIGH, ENLM_E820_RAM);
    return add(out, n, ENLM_4G, layout->high_len, ENLM_E820_RAM);
}
