/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/load.c - a kernel, its initrd and its command line into guest memory
 *
 * Run by the machine before the guest, and again at each reset. Nothing of the files is
 * kept, so a machine that runs holds no copy of its kernel. A bzImage is unpacked here
 * where its packing is known: the guest's own stub is slower, and under emulation by
 * seconds. What cannot be unpacked is entered as a bzImage.
 * Tests: test/unit/vmm_boot.c.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/boot/boot.h"

#define KERNEL_MAX      (UINT64_C(1) << 29)
#define ENTRY_64_OFFSET 0x200u
#define INITRD_MAX_GPA  UINT64_C(0x7FFFFFFF) /* every kernel takes it there */
#define PAGE            UINT64_C(0x1000)
#define MIB             (UINT64_C(1) << 20)

/* One kernel on its way into memory. */
struct load {
    const struct enlm_boot_config *config;
    const struct enlm_memory *memory;
    char *why;
    struct enlm_source source;
    struct enlm_blob file, unpacked; /* of a bzImage */
    struct enlm_bzimage bzimage;
    bool has_bzimage;
    uint64_t kernel_end, initrd_max;
    uint32_t cmdline_max;
    struct enlm_handover handover;
};

static int __attribute__((format(printf, 3, 4)))
refuse(struct load *l, int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(l->why, ENLM_WHY, format, args);
    va_end(args);
    return err;
}

static const char *
kernel_name(const struct load *l)
{
    return l->config->kernel_name ? l->config->kernel_name : "the kernel";
}

static int
open_kernel(struct load *l)
{
    int err = enlm_source_open(l->config->kernel_fd, &l->source);

    if (err)
        return refuse(l, err, "cannot read %s", kernel_name(l));
    if (l->source.len > KERNEL_MAX)
        return refuse(l, -ENL_E_PROTO, "%s is too long for a kernel", kernel_name(l));
    return 0;
}

/* ---- segments ---- */

static int
place_segments(struct load *l, const struct enlm_source *from, const struct enlm_elf *elf)
{
    for (uint32_t i = 0; i < elf->count; i++) {
        uint64_t gpa = elf->segment[i].gpa;
        uint64_t file_len = elf->segment[i].file_len, mem_len = elf->segment[i].mem_len;
        uint8_t *to = enlm_memory_at(l->memory, gpa, mem_len);

        if (gpa < ENLM_BOOT_HIGH || gpa >= ENLM_4G || !to)
            return refuse(l, -ENL_E_INVAL,
                          "%s needs memory at 0x%" PRIx64 " to 0x%" PRIx64
                          ", which the guest does not have",
                          kernel_name(l), gpa, gpa + mem_len);
        if (enlm_source_read(from, elf->segment[i].offset, to, file_len))
            return refuse(l, -ENL_E_IO, "cannot read %s", kernel_name(l));
        memset(to + file_len, 0, (size_t)(mem_len - file_len));
    }
    l->kernel_end = elf->end;
    return 0;
}

/* A vmlinux: 64-bit entry with boot parameters, or PVH where its note asks for it. */
static int
load_elf(struct load *l, const struct enlm_source *from, bool use_pvh,
         struct enlm_entry *entry)
{
    struct enlm_elf elf;
    int err = enlm_elf_parse(from, &elf);

    if (err == -ENL_E_NOTSUP)
        return refuse(l, -ENL_E_PROTO, "%s is an ELF file, but not for 64-bit x86",
                      kernel_name(l));
    if (err)
        return refuse(l, err, "%s is a damaged ELF file", kernel_name(l));
    if (!elf.has_entry && !(use_pvh && elf.has_pvh))
        return refuse(l, -ENL_E_PROTO, "%s has its entry outside of itself",
                      kernel_name(l));
    err = place_segments(l, from, &elf);
    if (err)
        return err;
    entry->long_mode = !(use_pvh && elf.has_pvh);
    entry->rip = entry->long_mode ? elf.entry : elf.pvh_entry;
    return 0;
}

static int
load_packed(struct load *l, struct enlm_entry *entry)
{
    const struct enlm_bzimage *b = &l->bzimage;
    uint8_t *to = enlm_memory_at(l->memory, b->load, b->init_size);

    if (!to || b->load >= ENLM_4G)
        return refuse(l, -ENL_E_INVAL,
                      "%s needs %" PRIu64 " MiB at 0x%" PRIx64
                      " to unpack itself: more memory",
                      kernel_name(l), b->init_size / MIB + 1, b->load);
    memcpy(to, l->file.data + b->code, b->code_len);
    l->kernel_end = b->load + b->init_size;
    entry->long_mode = true;
    entry->rip = b->load + ENTRY_64_OFFSET;
    return 0;
}

/* The vmlinux within. Where it cannot be had, -ENL_E_NOTSUP: enter the bzImage itself. */
static int
load_unpacked(struct load *l, struct enlm_entry *entry)
{
    struct enlm_source inner;
    struct enlm_elf elf;

    if (l->config->keep_packed || !l->bzimage.payload_len ||
        enlm_unpack(l->file.data + l->bzimage.payload, l->bzimage.payload_len,
                    &l->unpacked))
        return -ENL_E_NOTSUP;
    inner = enlm_source_of(&l->unpacked);
    if (enlm_elf_parse(&inner, &elf))
        return -ENL_E_NOTSUP;
    return load_elf(l, &inner, false, entry);
}

static int
load_bzimage(struct load *l, struct enlm_entry *entry)
{
    int err = enlm_bzimage_parse(&l->file, &l->bzimage);

    if (err == -ENL_E_NOTSUP)
        return refuse(l, -ENL_E_PROTO, "%s is a bzImage without a 64-bit entry",
                      kernel_name(l));
    if (err)
        return refuse(l, err, "%s is a damaged bzImage", kernel_name(l));
    l->has_bzimage = true;
    l->initrd_max = l->bzimage.initrd_max;
    l->cmdline_max = l->bzimage.cmdline_max;
    err = load_unpacked(l, entry);
    return err == -ENL_E_NOTSUP ? load_packed(l, entry) : err;
}

static int
load_kernel(struct load *l, struct enlm_entry *entry)
{
    int err;

    if (enlm_elf_is(&l->source))
        return load_elf(l, &l->source, true, entry);
    err = enlm_source_read_all(&l->source, &l->file);
    if (err)
        return refuse(l, err, "cannot read %s", kernel_name(l));
    if (enlm_bzimage_is(&l->file))
        return load_bzimage(l, entry);
    return refuse(l, -ENL_E_PROTO, "%s is neither a bzImage nor an ELF kernel",
                  kernel_name(l));
}

/* ---- what goes with it ---- */

/* As high as the kernel takes it, so that the kernel has room to grow. */
static int
load_initrd(struct load *l)
{
    const char *name = l->config->initrd_name ? l->config->initrd_name : "the initrd";
    uint64_t limit = l->memory->layout.low_len, len, at;
    struct enlm_source source;
    int err;

    if (l->config->initrd_fd < 0)
        return 0;
    err = enlm_source_open(l->config->initrd_fd, &source);
    if (err)
        return refuse(l, err, "cannot read %s", name);
    len = source.len;
    if (len == 0)
        return refuse(l, -ENL_E_INVAL, "%s is empty", name);
    if (limit > l->initrd_max + 1)
        limit = l->initrd_max + 1;
    if (len >= limit || ((limit - len) & ~(PAGE - 1)) < l->kernel_end)
        return refuse(l, -ENL_E_INVAL,
                      "%s (%" PRIu64 " MiB) does not fit beside the kernel: more memory",
                      name, len / MIB + 1);
    at = (limit - len) & ~(PAGE - 1);
    err = enlm_source_read(&source, 0, enlm_memory_at(l->memory, at, len), len);
    if (err)
        return refuse(l, err, "cannot read %s", name);
    l->handover.initrd = at;
    l->handover.initrd_len = len;
    return 0;
}

static int
load_cmdline(struct load *l)
{
    const char *text = l->config->cmdline ? l->config->cmdline : "";
    size_t len = strlen(text);

    if (len > l->cmdline_max || len >= ENLM_BOOT_CMDLINE_MAX)
        return refuse(l, -ENL_E_INVAL,
                      "the command line has %zu characters; this kernel takes %u", len,
                      l->cmdline_max);
    memcpy(enlm_memory_at(l->memory, ENLM_BOOT_CMDLINE, len + 1), text, len + 1);
    l->handover.cmdline = ENLM_BOOT_CMDLINE;
    l->handover.cmdline_len = len;
    return 0;
}

static void
hand_over(struct load *l, struct enlm_entry *entry)
{
    l->handover.rsdp = l->config->rsdp;
    l->handover.bzimage = l->has_bzimage ? &l->bzimage : NULL;
    if (entry->long_mode) {
        enlm_linux_handover(l->memory, &l->handover);
        entry->rsi = ENLM_BOOT_PARAMS;
    } else {
        enlm_pvh_handover(l->memory, &l->handover);
        entry->rbx = ENLM_BOOT_START_INFO;
    }
}

int
enlm_boot_load(const struct enlm_boot_config *config, const struct enlm_memory *memory,
               struct enlm_entry *entry, char why[ENLM_WHY])
{
    struct load l;
    int err;

    memset(&l, 0, sizeof(l));
    memset(entry, 0, sizeof(*entry));
    l.config = config;
    l.memory = memory;
    l.why = why;
    l.initrd_max = INITRD_MAX_GPA;
    l.cmdline_max = ENLM_BOOT_CMDLINE_MAX - 1;
    err = open_kernel(&l);
    if (!err)
        err = load_kernel(&l, entry);
    if (!err)
        err = load_initrd(&l);
    if (!err)
        err = load_cmdline(&l);
    if (!err)
        hand_over(&l, entry);
    enlm_blob_free(&l.file);
    enlm_blob_free(&l.unpacked);
    return err;
}
