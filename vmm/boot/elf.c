/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/elf.c - the segments, the entry and the PVH note of an ELF kernel
 *
 * Run by the loader on a file that nobody vouches for. Offsets are checked against the
 * file; addresses are checked against memory by the loader. 64-bit x86 only.
 * [ELF-64 object file format; Xen, docs/misc/pvh]
 * Tests: test/unit/vmm_boot.c.
 */
#include <elf.h>
#include <string.h>

#include "vmm/boot/boot.h"

#define NOTE_PHYS32_ENTRY 18u /* XEN_ELFNOTE_PHYS32_ENTRY */
#define HEADERS_MAX       64u
#define NOTES_MAX         64u

bool
enlm_elf_is(const struct enlm_source *file)
{
    char magic[SELFMAG];

    return enlm_source_read(file, 0, magic, sizeof(magic)) == 0 &&
           !memcmp(magic, ELFMAG, SELFMAG);
}

static int
read_header(const struct enlm_source *file, Elf64_Ehdr *header)
{
    if (enlm_source_read(file, 0, header, sizeof(*header)) ||
        memcmp(header->e_ident, ELFMAG, SELFMAG))
        return -ENL_E_PROTO;
    if (header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64)
        return -ENL_E_NOTSUP;
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
        header->e_phnum > HEADERS_MAX ||
        !enlm_within(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), file->len))
        return -ENL_E_PROTO;
    return 0;
}

static int
add_segment(const struct enlm_source *file, const Elf64_Phdr *ph, struct enlm_elf *out)
{
    uint64_t end;

    if (ph->p_memsz == 0)
        return 0;
    if (out->count == ENLM_ELF_SEGMENTS || ph->p_filesz > ph->p_memsz ||
        !enlm_within(ph->p_offset, ph->p_filesz, file->len) ||
        __builtin_add_overflow(ph->p_paddr, ph->p_memsz, &end))
        return -ENL_E_PROTO;
    out->segment[out->count].offset = ph->p_offset;
    out->segment[out->count].file_len = ph->p_filesz;
    out->segment[out->count].gpa = ph->p_paddr;
    out->segment[out->count].mem_len = ph->p_memsz;
    out->count++;
    if (end > out->end)
        out->end = end;
    return 0;
}

/* The entry may be named by its virtual address. */
static void
translate_entry(const Elf64_Ehdr *header, const Elf64_Phdr *ph, struct enlm_elf *out)
{
    uint64_t entry = header->e_entry;

    if (ph->p_vaddr != ph->p_paddr && entry >= ph->p_vaddr &&
        entry - ph->p_vaddr < ph->p_memsz)
        out->entry = ph->p_paddr + (entry - ph->p_vaddr);
}

static uint64_t
round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

static void
take_note(const struct enlm_source *file, uint64_t desc, const Elf64_Nhdr *note,
          struct enlm_elf *out)
{
    uint64_t value = 0;

    if ((note->n_descsz != 4 && note->n_descsz != 8) ||
        enlm_source_read(file, desc, &value, note->n_descsz))
        return;
    out->has_pvh = true;
    out->pvh_entry = value;
}

static bool
is_xens(const struct enlm_source *file, uint64_t name, const Elf64_Nhdr *note)
{
    char text[4];

    return note->n_namesz == sizeof(text) &&
           enlm_source_read(file, name, text, sizeof(text)) == 0 &&
           !memcmp(text, "Xen", sizeof(text));
}

/* Ends at the first note that is not wholly there, or after NOTES_MAX of them. */
static void
read_notes(const struct enlm_source *file, const Elf64_Phdr *ph, struct enlm_elf *out)
{
    uint64_t unit = ph->p_align == 8 ? 8 : 4, len = ph->p_filesz;
    uint64_t at = 0, desc;
    Elf64_Nhdr note;

    if (!enlm_within(ph->p_offset, len, file->len))
        return;
    for (uint32_t n = 0; n < NOTES_MAX && enlm_within(at, sizeof(note), len); n++) {
        if (enlm_source_read(file, ph->p_offset + at, &note, sizeof(note)))
            return;
        desc = at + sizeof(note) + round_up(note.n_namesz, unit);
        if (!enlm_within(desc, note.n_descsz, len))
            return;
        if (note.n_type == NOTE_PHYS32_ENTRY &&
            is_xens(file, ph->p_offset + at + sizeof(note), &note))
            take_note(file, ph->p_offset + desc, &note, out);
        at = desc + round_up(note.n_descsz, unit);
    }
}

static bool
is_within_a_segment(const struct enlm_elf *elf, uint64_t gpa)
{
    for (uint32_t i = 0; i < elf->count; i++) {
        if (gpa >= elf->segment[i].gpa &&
            gpa - elf->segment[i].gpa < elf->segment[i].mem_len)
            return true;
    }
    return false;
}

int
enlm_elf_parse(const struct enlm_source *file, struct enlm_elf *out)
{
    Elf64_Ehdr header;
    int err = read_header(file, &header);

    memset(out, 0, sizeof(*out));
    if (err)
        return err;
    out->entry = header.e_entry;
    for (uint32_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr ph;

        err = enlm_source_read(file, header.e_phoff + i * sizeof(ph), &ph, sizeof(ph));
        if (err)
            return err;
        if (ph.p_type == PT_LOAD) {
            err = add_segment(file, &ph, out);
            translate_entry(&header, &ph, out);
        } else if (ph.p_type == PT_NOTE) {
            read_notes(file, &ph, out);
        }
        if (err)
            return err;
    }
    out->has_entry = is_within_a_segment(out, out->entry);
    if (out->has_pvh && !is_within_a_segment(out, out->pvh_entry))
        return -ENL_E_PROTO;
    return out->has_entry || out->has_pvh ? 0 : -ENL_E_PROTO;
}
