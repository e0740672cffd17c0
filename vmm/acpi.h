/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/acpi.h - the ACPI tables, and the registers that they name
 *
 * RSDP, XSDT, FADT (hardware-reduced), MADT, DSDT, SSDT. The guest powers off and resets
 * through three I/O ports.
 */
#ifndef ENLIGHT_VMM_ACPI_H
#define ENLIGHT_VMM_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/error.h"
#include "vmm/memory.h"

#define ENLM_ACPI_PORT              0x600u /* sleep control, sleep status, reset: a byte each */
#define ENLM_ACPI_PORTS             3u
#define ENLM_ACPI_SLEEP             0u
#define ENLM_ACPI_STATUS            1u
#define ENLM_ACPI_RESET             2u
#define ENLM_ACPI_RESET_VALUE       1u
#define ENLM_ACPI_SLEEP_ENABLE      0x20u
#define ENLM_ACPI_SLEEP_TYPE(value) ((value) >> 2 & 7u)
#define ENLM_ACPI_S4                4u
#define ENLM_ACPI_S5                5u

struct enlm_acpi_config {
    uint32_t cpus;
    bool s4;
    struct enlm_layout layout;
};

/*
 * Write the tables for guest address gpa into len bytes at to; the RSDP is first. Returns
 * 0, or -ENL_E_NOSPC. Thread: any.
 */
ENL_MUST_CHECK int enlm_acpi_build(const struct enlm_acpi_config *config, uint64_t gpa,
                                   void *to, size_t len);

#endif
