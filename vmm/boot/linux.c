/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/linux.c - the boot parameters, GDT and page tables of the 64-bit entry
 *
 * Run by the loader; writes guest memory before there is a guest. The header of the bzImage
 * is copied as it was checked. The first 4 GiB are mapped one to one by 2 MiB pages.
 * [Linux, Documentation/arch/x86/boot.rst, zero-page.rst]
 * Tests: test/unit/vmm_boot.c, test/os.
 */
#include <asm/bootparam.h>
#include <string.h>

#include "vmm/boot/boot.h"

#define LOADER_UNKNOWN 0xFFu
#define PTE_PRESENT    UINT64_C(1)
#define PTE_WRITE      UINT64_C(2)
#define PTE_LARGE      (UINT64_C(1) << 7)
#define PAGE           UINT64_C(0x1000)
#define LARGE_PAGE     (UINT64_C(2) << 20)
#define ENTRIES        512u
#define GIBS           4u

/* PML4, PDPT, and a page directory for each of the 4 GiB, one page each. */
static void
write_page_tables(const struct enlm_memory *memory)
{
    uint64_t pdpt = ENLM_BOOT_PAGE_TABLES + PAGE, pd = pdpt + PAGE;
    uint64_t *at = enlm_memory_at(memory, ENLM_BOOT_PAGE_TABLES, (2 + GIBS) * PAGE);

    memset(at, 0, (2 + GIBS) * PAGE);
    at[0] = pdpt | PTE_PRESENT | PTE_WRITE;
    for (uint32_t i = 0; i < GIBS; i++)
        at[ENTRIES + i] = (pd + i * PAGE) | PTE_PRESENT | PTE_WRITE;
    for (uint32_t i = 0; i < GIBS * ENTRIES; i++)
        at[2 * ENTRIES + i] = i * LARGE_PAGE | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

/* Null, null, 64-bit code, data, and a TSS that nothing uses: the selectors of boot.h. */
static void
write_gdt(const struct enlm_memory *memory)
{
    static const uint64_t gdt[ENLM_GDT_ENTRIES] = {
        0,
        0,
        UINT64_C(0x00AF9B000000FFFF),
        UINT64_C(0x00CF93000000FFFF),
        UINT64_C(0x00008B0000000067),
    };

    memcpy(enlm_memory_at(memory, ENLM_BOOT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

static void
write_e820(const struct enlm_memory *memory, struct boot_params *params)
{
    struct enlm_e820 map[ENLM_E820_MAX];
    uint32_t count = enlm_e820_build(&memory->layout, map);

    for (uint32_t i = 0; i < count; i++) {
        params->e820_table[i].addr = map[i].gpa;
        params->e820_table[i].size = map[i].len;
        params->e820_table[i].type = map[i].type;
    }
    params->e820_entries = (uint8_t)count;
}

void
enlm_linux_handover(const struct enlm_memory *memory, const struct enlm_handover *what)
{
    struct boot_params params;
    struct setup_header *header = &params.hdr;

    memset(&params, 0, sizeof(params));
    if (what->bzimage)
        memcpy(header, what->bzimage->header, what->bzimage->header_len);
    header->type_of_loader = LOADER_UNKNOWN;
    header->loadflags |= LOADED_HIGH;
    header->cmd_line_ptr = (uint32_t)what->cmdline;
    header->ramdisk_image = (uint32_t)what->initrd;
    header->ramdisk_size = (uint32_t)what->initrd_len;
    params.acpi_rsdp_addr = what->rsdp;
    write_e820(memory, &params);
    memcpy(enlm_memory_at(memory, ENLM_BOOT_PARAMS, sizeof(params)), &params,
           sizeof(params));
    write_gdt(memory);
    write_page_tables(memory);
}
