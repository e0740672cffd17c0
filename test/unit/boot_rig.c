/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernels made by hand: see boot_rig.h. */
#define _GNU_SOURCE
#include "boot_rig.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define SEGMENT_AT  0x1000u
#define SEGMENT_LEN 0x1000u
#define NOTE_AT     0x400u
#define SETUP_LEN   (2 * 512u)

void
boot_rig_init(struct boot_rig *rig, uint64_t memory)
{
    struct enlm_layout layout = {.low_len = memory, .low_window = 0xF8000000};

    memset(rig, 0, sizeof(*rig));
    assert_int_equal(enlm_memory_init(&rig->memory, &layout, true), 0);
    rig->config.initrd_fd = -1;
    rig->config.rsdp = ENLM_BOOT_ACPI;
}

void
boot_rig_fini(struct boot_rig *rig)
{
    enlm_memory_fini(&rig->memory);
    if (rig->config.initrd_fd >= 0)
        close(rig->config.initrd_fd);
}

static void
put_note(struct boot_rig *rig)
{
    const Elf64_Nhdr note = {.n_namesz = 4, .n_descsz = 8, .n_type = 18};
    const uint64_t entry = RIG_LOAD + 0x100;
    uint8_t *at = rig->file + NOTE_AT;

    memcpy(at, &note, sizeof(note));
    memcpy(at + sizeof(note), "Xen", 4);
    memcpy(at + sizeof(note) + 4, &entry, sizeof(entry));
}

void
rig_elf(struct boot_rig *rig, bool with_pvh_note)
{
    Elf64_Ehdr header = {
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = 1,
        .e_entry = RIG_LOAD,
        .e_phoff = sizeof(header),
        .e_ehsize = sizeof(header),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = with_pvh_note ? 2 : 1,
    };
    Elf64_Phdr ph[2] = {
        {.p_type = PT_LOAD,
         .p_offset = SEGMENT_AT,
         .p_vaddr = 0xFFFFFFFF81000000,
         .p_paddr = RIG_LOAD,
         .p_filesz = SEGMENT_LEN,
         .p_memsz = 2 * SEGMENT_LEN},
        {.p_type = PT_NOTE, .p_offset = NOTE_AT, .p_filesz = 24, .p_align = 4},
    };

    memset(rig->file, 0, sizeof(rig->file));
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    memcpy(rig->file, &header, sizeof(header));
    memcpy(rig->file + sizeof(header), ph, sizeof(ph));
    put_note(rig);
    memset(rig->file + SEGMENT_AT, 0xC3, SEGMENT_LEN);
    rig->len = SEGMENT_AT + SEGMENT_LEN;
}

void
rig_bzimage(struct boot_rig *rig, const uint8_t *payload, size_t len)
{
    struct setup_header header = {
        .setup_sects = 1,
        .boot_flag = 0xAA55,
        .jump = 0x66EB, /* the header ends at 0x202 + 0x66 */
        .header = 0x53726448,
        .version = 0x20F,
        .loadflags = LOADED_HIGH,
        .initrd_addr_max = 0x7FFFFFFF,
        .kernel_alignment = 0x200000,
        .relocatable_kernel = 1,
        .xloadflags = XLF_KERNEL_64,
        .cmdline_size = 2047,
        .payload_offset = 0x400,
        .payload_length = (uint32_t)len,
        .pref_address = RIG_LOAD,
        .init_size = 0x400000,
    };

    memset(rig->file, 0, sizeof(rig->file));
    memcpy(rig->file + 0x1F1, &header, sizeof(header));
    memset(rig->file + SETUP_LEN, 0x90, 0x400);
    memcpy(rig->file + SETUP_LEN + 0x400, payload, len);
    rig->len = SETUP_LEN + 0x400 + len;
}

static size_t
add_trailer(const struct boot_rig *elf, uint8_t *to, size_t len)
{
    uint32_t size = (uint32_t)elf->len;

    memcpy(to + len, &size, sizeof(size));
    return len + sizeof(size);
}

size_t
rig_pack_xz(const struct boot_rig *elf, uint8_t *to, size_t room)
{
    size_t len = 0;

    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, elf->file,
                                             elf->len, to, &len, room),
                     LZMA_OK);
    return add_trailer(elf, to, len);
}

size_t
rig_pack_gzip(const struct boot_rig *elf, uint8_t *to, size_t room)
{
    z_stream z;

    memset(&z, 0, sizeof(z));
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    z.next_in = (z_const Bytef *)elf->file;
    z.avail_in = (uInt)elf->len;
    z.next_out = to;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out; /* gzip ends with the length itself */
}

size_t
rig_pack_zstd(const struct boot_rig *elf, uint8_t *to, size_t room)
{
    size_t len = ZSTD_compress(to, room, elf->file, elf->len, 19);

    assert_false(ZSTD_isError(len));
    return add_trailer(elf, to, len);
}

void
rig_initrd(struct boot_rig *rig, const void *bytes, uint64_t len)
{
    if (rig->config.initrd_fd >= 0)
        close(rig->config.initrd_fd);
    rig->config.initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
    assert_true(rig->config.initrd_fd >= 0);
    assert_int_equal(ftruncate(rig->config.initrd_fd, (off_t)len), 0);
    if (bytes)
        assert_int_equal(pwrite(rig->config.initrd_fd, bytes, (size_t)len, 0),
                         (ssize_t)len);
}

int
rig_load(struct boot_rig *rig)
{
    int fd = memfd_create("kernel", MFD_CLOEXEC), err;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, rig->file, rig->len), (ssize_t)rig->len);
    rig->config.kernel_fd = fd;
    rig->why[0] = 0;
    err = enlm_boot_load(&rig->config, &rig->memory, &rig->entry, rig->why);
    close(fd);
    assert_true((err == 0) == (rig->why[0] == 0));
    return err;
}
