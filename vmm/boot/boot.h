/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/boot.h - from a kernel file to a guest that can be entered
 *
 * Three ways in: the 64-bit entry of a bzImage, the 64-bit entry of the vmlinux that was
 * packed in it (or of an ELF without a note), and the 32-bit entry that a PVH note names.
 * The first megabyte holds what the entry needs:
 *
 *   0x00500  GDT            0x06000  PVH start info      0x07000  boot parameters
 *   0x09000  page tables    0x20000  command line        0xE0000  ACPI tables
 *   0xFFFF0  code for a restart in real mode
 */
#ifndef ENLIGHT_VMM_BOOT_H
#define ENLIGHT_VMM_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/memory.h"

#define ENLM_BOOT_GDT          UINT64_C(0x500)
#define ENLM_BOOT_START_INFO   UINT64_C(0x6000)
#define ENLM_BOOT_PARAMS       UINT64_C(0x7000)
#define ENLM_BOOT_PAGE_TABLES  UINT64_C(0x9000)
#define ENLM_BOOT_CMDLINE      UINT64_C(0x20000)
#define ENLM_BOOT_CMDLINE_MAX  0x10000u
#define ENLM_BOOT_LOW_END      UINT64_C(0xA0000)
#define ENLM_BOOT_ACPI         UINT64_C(0xE0000)
#define ENLM_BOOT_RESET_VECTOR UINT64_C(0xFFFF0)
#define ENLM_BOOT_HIGH         UINT64_C(0x100000)

#define ENLM_GDT_ENTRIES 5u
#define ENLM_GDT_CODE    0x10u
#define ENLM_GDT_DATA    0x18u
#define ENLM_GDT_TSS     0x20u

struct enlm_boot_config {
    int kernel_fd, initrd_fd; /* initrd_fd: or -1 */
    const char *kernel_name, *initrd_name, *cmdline;
    bool keep_packed;
    uint64_t rsdp; /* where the ACPI tables start */
};

/* How the boot processor starts. */
struct enlm_entry {
    bool long_mode; /* else 32-bit protected mode without paging */
    uint64_t rip;
    uint64_t rsi; /* 64-bit: the boot parameters */
    uint64_t rbx; /* PVH: the start info */
};

/*
 * Read, check, unpack and place kernel, initrd, command line and what else the entry
 * needs. Returns 0, or with a sentence -ENL_E_PROTO: neither format, or damaged;
 * -ENL_E_INVAL: does not fit the memory; -ENL_E_IO; -ENL_E_NOMEM. Thread: one, no VP runs.
 */
ENL_MUST_CHECK int enlm_boot_load(const struct enlm_boot_config *config,
                                  const struct enlm_memory *memory,
                                  struct enlm_entry *entry, char why[ENLM_WHY]);

/* ---- the rooms of this folder ---- */

struct enlm_blob {
    uint8_t *data;
    size_t len;
};
void enlm_blob_free(struct enlm_blob *blob);

/* Bytes to read from: a file, or with data a piece of memory. Borrows either. */
struct enlm_source {
    int fd;
    const uint8_t *data;
    uint64_t len;
};
/* file.c. Returns 0, or -ENL_E_IO: no regular file, or it cannot be read. */
ENL_MUST_CHECK int enlm_source_open(int fd, struct enlm_source *out);
struct enlm_source enlm_source_of(const struct enlm_blob *blob);
/* Returns 0, -ENL_E_RANGE: beyond the end, -ENL_E_IO. */
ENL_MUST_CHECK int enlm_source_read(const struct enlm_source *source, uint64_t offset,
                                    void *to, uint64_t len);
/* All of it. Returns 0 and an owned blob, -ENL_E_IO, -ENL_E_NOMEM. */
ENL_MUST_CHECK int enlm_source_read_all(const struct enlm_source *source,
                                        struct enlm_blob *out);

/* bzimage.c: what the setup header says, all of it checked against the file's length. */
struct enlm_bzimage {
    const uint8_t *header; /* at 0x1F1 of the file */
    size_t header_len;
    size_t code, code_len;       /* the protected-mode part */
    size_t payload, payload_len; /* 0 when the header names none */
    uint64_t load, init_size;
    uint64_t initrd_max;
    uint32_t cmdline_max;
};
bool enlm_bzimage_is(const struct enlm_blob *file);
ENL_MUST_CHECK int enlm_bzimage_parse(const struct enlm_blob *file,
                                      struct enlm_bzimage *out);

/* unpack.c. Returns 0 and an owned blob, -ENL_E_NOTSUP: a format without a decoder,
 * -ENL_E_PROTO: damaged, -ENL_E_NOMEM. */
ENL_MUST_CHECK int enlm_unpack(const uint8_t *packed, size_t len, struct enlm_blob *out);

/* elf.c */
#define ENLM_ELF_SEGMENTS 16u
struct enlm_elf {
    struct {
        uint64_t offset, file_len, gpa, mem_len;
    } segment[ENLM_ELF_SEGMENTS];
    uint32_t count;
    bool has_entry, has_pvh;   /* which of the two are there */
    uint64_t entry, pvh_entry; /* guest physical, within a segment */
    uint64_t end;              /* behind the last segment */
};
bool enlm_elf_is(const struct enlm_source *file);
ENL_MUST_CHECK int enlm_elf_parse(const struct enlm_source *file, struct enlm_elf *out);

/* e820.c */
struct enlm_e820 {
    uint64_t gpa, len;
    uint32_t type;
};
#define ENLM_E820_RAM      1u
#define ENLM_E820_RESERVED 2u
#define ENLM_E820_MAX      8u
uint32_t enlm_e820_build(const struct enlm_layout *layout,
                         struct enlm_e820 out[ENLM_E820_MAX]);

/* linux.c, pvh.c: the two ways of telling a kernel what it has. */
struct enlm_handover {
    const struct enlm_bzimage *bzimage; /* whose header is copied, or NULL */
    uint64_t cmdline, cmdline_len;      /* without its zero */
    uint64_t initrd, initrd_len;        /* 0: none */
    uint64_t rsdp;
};
void enlm_linux_handover(const struct enlm_memory *memory,
                         const struct enlm_handover *what);
void enlm_pvh_handover(const struct enlm_memory *memory,
                       const struct enlm_handover *what);

#endif
