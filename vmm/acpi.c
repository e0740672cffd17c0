/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/acpi.c - the ACPI tables of a generation 2 machine
 *
 * Run by the machine before the guest and at each reset. DSDT and SSDT are compiled from
 * vmm/acpi at build time; here the DSDT's Names get this machine's values, and the SSDT is
 * cut behind its last processor. No SCI, no fixed hardware: sleep, reset and nothing else.
 * [ACPI 6.4, chapters 4.1, 5.2]
 * Tests: test/unit/vmm_acpi.c.
 */
#include "vmm/acpi.h"

#include <string.h>

#include "enlight/abi/base.h"

#include "dsdt.h"
#include "dsdt_cpus.h"

#define OEM_ID    "ENLGHT"
#define OEM_TABLE "ENLIGHT "
#define CREATOR   "ENL "
#define ALIGN     16u

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt, len;
    uint64_t xsdt;
    uint8_t checksum2, reserved[3];
} __attribute__((packed));
ENL_ABI_SIZE(struct rsdp, 36);

struct header {
    char signature[4];
    uint32_t len;
    uint8_t revision, checksum;
    char oem_id[6], oem_table[8];
    uint32_t oem_revision;
    char creator[4];
    uint32_t creator_revision;
} __attribute__((packed));
ENL_ABI_SIZE(struct header, 36);

/* A generic address. */
struct gas {
    uint8_t space, bit_width, bit_offset, access;
    uint64_t address;
} __attribute__((packed));
#define SPACE_IO    1u
#define ACCESS_BYTE 1u

struct fadt {
    struct header header;
    uint32_t facs, dsdt;
    uint8_t reserved, profile;
    uint8_t fixed1[62]; /* the fixed hardware that there is not */
    uint8_t century;
    uint16_t boot_arch;
    uint8_t reserved2;
    uint32_t flags;
    struct gas reset;
    uint8_t reset_value;
    uint16_t arm_boot_arch;
    uint8_t minor;
    uint64_t x_facs, x_dsdt;
    struct gas fixed2[8];
    struct gas sleep_control, sleep_status;
    char hypervisor[8];
} __attribute__((packed));
ENL_ABI_SIZE(struct fadt, 276);
ENL_ABI_AT(struct fadt, boot_arch, 109);
ENL_ABI_AT(struct fadt, flags, 112);
ENL_ABI_AT(struct fadt, reset, 116);
ENL_ABI_AT(struct fadt, x_dsdt, 140);
ENL_ABI_AT(struct fadt, sleep_control, 244);
ENL_ABI_AT(struct fadt, hypervisor, 268);

#define FADT_WBINVD       (1u << 0)
#define FADT_POWER_BUTTON (1u << 4) /* a control method device, if any */
#define FADT_SLEEP_BUTTON (1u << 5)
#define FADT_RESET        (1u << 10)
#define FADT_HW_REDUCED   (1u << 20)
#define BOOT_ARCH_NO_VGA  (1u << 2)
#define RTC_CENTURY       0x32u

struct madt {
    struct header header;
    uint32_t lapic, flags;
} __attribute__((packed));

struct madt_lapic {
    uint8_t type, len, uid, apic_id;
    uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
    uint8_t type, len, id, reserved;
    uint32_t address, gsi;
} __attribute__((packed));

#define MADT_LAPIC   0u
#define MADT_IOAPIC  1u
#define MADT_ENABLED 1u

/* Where the next table goes. */
struct area {
    uint8_t *base;
    uint64_t gpa;
    size_t len, used;
};

static uint8_t
checksum(const void *data, size_t len)
{
    const uint8_t *at = data;
    uint8_t sum = 0;

    while (len--)
        sum = (uint8_t)(sum + *at++);
    return (uint8_t)-sum;
}

/* Zeroed room for a table, or NULL. */
static void *
take(struct area *area, size_t len, uint64_t *gpa)
{
    size_t at = (area->used + ALIGN - 1) & ~(size_t)(ALIGN - 1);

    if (at > area->len || len > area->len - at)
        return NULL;
    area->used = at + len;
    memset(area->base + at, 0, len);
    *gpa = area->gpa + at;
    return area->base + at;
}

static void
finish(struct header *header, const char *signature, uint8_t revision, size_t len)
{
    memcpy(header->signature, signature, sizeof(header->signature));
    header->len = (uint32_t)len;
    header->revision = revision;
    memcpy(header->oem_id, OEM_ID, sizeof(header->oem_id));
    memcpy(header->oem_table, OEM_TABLE, sizeof(header->oem_table));
    header->oem_revision = 1;
    memcpy(header->creator, CREATOR, sizeof(header->creator));
    header->creator_revision = 1;
    header->checksum = 0;
    header->checksum = checksum(header, len);
}

/* ---- DSDT and SSDT ---- */

/* Name (NAME, value): 08 NAME, then 0C and a dword, or 0E and a qword. */
static void
set_name(uint8_t *table, size_t len, const char *name, uint64_t value)
{
    for (size_t i = sizeof(struct header); i + 14 <= len; i++) {
        if (table[i] != 0x08 || memcmp(table + i + 1, name, 4))
            continue;
        memcpy(table + i + 6, &value, table[i + 5] == 0x0E ? 8 : 4);
        return;
    }
}

/* The object stays, under a name that means nothing. */
static void
rename_object(uint8_t *table, size_t len, const char *from, const char *to)
{
    for (size_t i = sizeof(struct header); i + 5 <= len; i++) {
        if (table[i] == 0x08 && !memcmp(table + i + 1, from, 4))
            memcpy(table + i + 1, to, 4);
    }
}

static bool
build_dsdt(struct area *area, const struct enlm_acpi_config *config, uint64_t *gpa)
{
    size_t len = sizeof(dsdt_aml_code);
    uint8_t *table = take(area, len, gpa);
    struct header *header = (struct header *)table;

    if (!table)
        return false;
    memcpy(table, dsdt_aml_code, len);
    set_name(table, len, "LMIN", config->layout.low_window);
    set_name(table, len, "LLEN", config->layout.low_window_len);
    set_name(table, len, "HMIN", config->layout.high_window);
    set_name(table, len, "HLEN", config->layout.high_window_len);
    if (!config->s4)
        rename_object(table, len, "_S4_", "NOS4");
    header->checksum = 0;
    header->checksum = checksum(table, len);
    return true;
}

/* Bytes of the first count devices: 5B 82, then a package length of one or two bytes. */
static size_t
devices_len(const uint8_t *aml, size_t len, uint32_t count)
{
    size_t at = 0;

    while (count-- && at + 4 <= len && aml[at] == 0x5B && aml[at + 1] == 0x82) {
        size_t first = aml[at + 2];
        size_t package = first < 0x40 ? first : (first & 0x0F) | (size_t)aml[at + 3] << 4;

        at += 2 + package;
    }
    return at;
}

static bool
build_ssdt(struct area *area, const struct enlm_acpi_config *config, uint64_t *gpa)
{
    const uint8_t *aml = dsdt_cpus_aml_code + sizeof(struct header);
    size_t len = sizeof(struct header) +
                 devices_len(aml, sizeof(dsdt_cpus_aml_code) - sizeof(struct header),
                             config->cpus);
    struct header *header = take(area, len, gpa);

    if (!header)
        return false;
    memcpy(header, dsdt_cpus_aml_code, len);
    header->len = (uint32_t)len;
    header->checksum = 0;
    header->checksum = checksum(header, len);
    return true;
}

/* ---- FADT and MADT ---- */

static struct gas
port(uint32_t offset)
{
    struct gas gas = {SPACE_IO, 8, 0, ACCESS_BYTE, ENLM_ACPI_PORT + offset};

    return gas;
}

static bool
build_fadt(struct area *area, uint64_t dsdt, uint64_t *gpa)
{
    struct fadt *fadt = take(area, sizeof(*fadt), gpa);

    if (!fadt)
        return false;
    fadt->dsdt = (uint32_t)dsdt;
    fadt->x_dsdt = dsdt;
    fadt->century = RTC_CENTURY;
    fadt->boot_arch = BOOT_ARCH_NO_VGA;
    fadt->flags = FADT_WBINVD | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_RESET |
                  FADT_HW_REDUCED;
    fadt->reset = port(ENLM_ACPI_RESET);
    fadt->reset_value = ENLM_ACPI_RESET_VALUE;
    fadt->minor = 4;
    fadt->sleep_control = port(ENLM_ACPI_SLEEP);
    fadt->sleep_status = port(ENLM_ACPI_STATUS);
    memcpy(fadt->hypervisor, "MsHyperV", sizeof(fadt->hypervisor));
    finish(&fadt->header, "FACP", 6, sizeof(*fadt));
    return true;
}

static bool
build_madt(struct area *area, uint32_t cpus, uint64_t *gpa)
{
    size_t len = sizeof(struct madt) + sizeof(struct madt_ioapic) +
                 cpus * sizeof(struct madt_lapic);
    struct madt *madt = take(area, len, gpa);
    struct madt_ioapic *ioapic;
    struct madt_lapic *lapic;

    if (!madt)
        return false;
    ioapic = (struct madt_ioapic *)(madt + 1);
    lapic = (struct madt_lapic *)(ioapic + 1);
    madt->lapic = (uint32_t)ENLM_LAPIC_GPA;
    *ioapic = (struct madt_ioapic){
        MADT_IOAPIC, sizeof(*ioapic), 0, 0, (uint32_t)ENLM_IOAPIC_GPA, 0,
    };
    for (uint32_t i = 0; i < cpus; i++) {
        lapic[i] = (struct madt_lapic){
            MADT_LAPIC, sizeof(*lapic), (uint8_t)i, (uint8_t)i, MADT_ENABLED,
        };
    }
    finish(&madt->header, "APIC", 5, len);
    return true;
}

/* ---- the roots ---- */

static bool
build_xsdt(struct area *area, const uint64_t *tables, size_t count, uint64_t *gpa)
{
    size_t len = sizeof(struct header) + count * sizeof(tables[0]);
    struct header *xsdt = take(area, len, gpa);

    if (!xsdt)
        return false;
    memcpy(xsdt + 1, tables, count * sizeof(tables[0]));
    finish(xsdt, "XSDT", 1, len);
    return true;
}

static void
fill_rsdp(struct rsdp *rsdp, uint64_t xsdt)
{
    memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
    memcpy(rsdp->oem_id, OEM_ID, sizeof(rsdp->oem_id));
    rsdp->revision = 2;
    rsdp->len = sizeof(*rsdp);
    rsdp->xsdt = xsdt;
    rsdp->checksum = checksum(rsdp, 20); /* what ACPI 1.0 knew of it */
    rsdp->checksum2 = checksum(rsdp, sizeof(*rsdp));
}

int
enlm_acpi_build(const struct enlm_acpi_config *config, uint64_t gpa, void *to, size_t len)
{
    struct area area = {to, gpa, len, 0};
    uint64_t rsdp_gpa, dsdt, xsdt, tables[3];
    struct rsdp *rsdp = take(&area, sizeof(*rsdp), &rsdp_gpa);

    if (!rsdp || !build_dsdt(&area, config, &dsdt) ||
        !build_fadt(&area, dsdt, &tables[0]) ||
        !build_madt(&area, config->cpus, &tables[1]) ||
        !build_ssdt(&area, config, &tables[2]) ||
        !build_xsdt(&area, tables, sizeof(tables) / sizeof(tables[0]), &xsdt))
        return -ENL_E_NOSPC;
    fill_rsdp(rsdp, xsdt);
    return 0;
}
