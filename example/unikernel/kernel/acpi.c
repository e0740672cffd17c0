/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/acpi.c - out of the firmware's tables: the processors, and how to power off
 *
 * Run by the boot processor. The tables are found through the start info of the PVH entry,
 * and believed: they are the VMM's. [Xen, start_info.h; ACPI 6.4, chapters 4.8.3, 5.2, 7.4.2]
 */
#include <string.h>

#include "kernel.h"

#define HEADER_LEN 36u

#define RSDP_RSDT 16u
#define RSDP_XSDT 24u

#define MADT_ENTRIES  44u
#define MADT_LAPIC    0u
#define MADT_X2APIC   9u
#define LAPIC_ENABLED 1u

#define FADT_DSDT          40u
#define FADT_PM1A_CONTROL  64u
#define FADT_FLAGS         112u
#define FADT_X_DSDT        140u
#define FADT_SLEEP_CONTROL 248u /* the address of the generic address */
#define FADT_HW_REDUCED    (1u << 20)
#define PM1_SLEEP_ENABLE   (1u << 13)
#define PM1_TYPE_SHIFT     10u
#define SLEEP_ENABLE       (1u << 5)
#define SLEEP_TYPE_SHIFT   2u

#define AML_PACKAGE 0x12u
#define AML_BYTE    0x0Au

/* Little-endian, and nothing is aligned. */
static uint64_t
field(const uint8_t *table, uint32_t offset, uint32_t len)
{
    uint64_t value = 0;

    memcpy(&value, table + offset, len);
    return value;
}

static uint32_t
table_len(const uint8_t *table)
{
    return (uint32_t)field(table, 4, 4);
}

static const uint8_t *
table_find(const char *signature)
{
    const uint8_t *rsdp = (const uint8_t *)(uintptr_t)boot_info->rsdp;
    bool wide = rsdp && field(rsdp, 15, 1) >= 2;
    const uint8_t *root =
        rsdp ? (const uint8_t *)field(rsdp, wide ? RSDP_XSDT : RSDP_RSDT, wide ? 8 : 4)
             : NULL;
    uint32_t entry = wide ? 8 : 4;

    for (uint32_t at = HEADER_LEN; root && at + entry <= table_len(root); at += entry) {
        const uint8_t *table = (const uint8_t *)field(root, at, entry);

        if (memcmp(table, signature, 4) == 0)
            return table;
    }
    return NULL;
}

uint32_t
acpi_cpus(uint32_t *ids, uint32_t max)
{
    const uint8_t *madt = table_find("APIC");
    uint32_t count = 0;

    for (uint32_t at = MADT_ENTRIES; madt && at + 2 <= table_len(madt);) {
        uint32_t type = madt[at], len = madt[at + 1];
        bool x2 = type == MADT_X2APIC;

        if ((type == MADT_LAPIC || x2) &&
            (field(madt, at + (x2 ? 8 : 4), 4) & LAPIC_ENABLED)) {
            if (count < max)
                ids[count] = x2 ? (uint32_t)field(madt, at + 4, 4) : madt[at + 3];
            count++;
        }
        at += len ? len : 2;
    }
    return count;
}

/* The first element of the package that the DSDT names _S5_. */
static uint32_t
sleep_type(const uint8_t *dsdt)
{
    for (uint32_t at = HEADER_LEN; at + 9 <= table_len(dsdt); at++) {
        const uint8_t *aml = dsdt + at + 4;

        if (memcmp(dsdt + at, "_S5_", 4) != 0 || *aml != AML_PACKAGE)
            continue;
        aml += 2 + (aml[1] >> 6) + 1; /* the length's bytes, the count of elements */
        return *aml == AML_BYTE ? aml[1] : *aml;
    }
    return 0;
}

void
power_off(void)
{
    const uint8_t *fadt = table_find("FACP");
    bool reduced = fadt && (field(fadt, FADT_FLAGS, 4) & FADT_HW_REDUCED);

    interrupts_off();
    if (reduced) {
        const uint8_t *dsdt = (const uint8_t *)field(fadt, FADT_X_DSDT, 8);

        out8((uint16_t)field(fadt, FADT_SLEEP_CONTROL, 8),
             (uint8_t)(sleep_type(dsdt) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE));
    } else if (fadt) {
        const uint8_t *dsdt = (const uint8_t *)field(fadt, FADT_DSDT, 4);

        out16((uint16_t)field(fadt, FADT_PM1A_CONTROL, 4),
              (uint16_t)(sleep_type(dsdt) << PM1_TYPE_SHIFT | PM1_SLEEP_ENABLE));
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}
