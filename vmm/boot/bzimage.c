/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/boot/bzimage.c - the setup header of a bzImage
 *
 * Run by the loader on a file that a user names and somebody else may have made: every
 * offset and length is checked against the file before it is used. Needs protocol 2.12 and
 * the 64-bit entry, which every x86-64 kernel since 3.8 has.
 * [Linux, Documentation/arch/x86/boot.rst]
 * Tests: test/unit/vmm_boot.c.
 */
#include <asm/bootparam.h>
#include <string.h>

#include "vmm/boot/boot.h"

#define HEADER_AT    0x1F1u
#define JUMP_LEN_AT  0x201u /* the header ends this many bytes behind 0x202 */
#define JUMP_FROM    0x202u
#define BOOT_FLAG    0xAA55u
#define MAGIC        0x53726448u /* "HdrS" */
#define VERSION_2_12 0x020Cu
#define SECTOR       512u
#define SECTORS_IF_0 4u
#define CMDLINE_IF_0 255u

static void
copy_header(const struct enlm_blob *file, struct setup_header *header)
{
    memcpy(header, file->data + HEADER_AT, sizeof(*header));
}

bool
enlm_bzimage_is(const struct enlm_blob *file)
{
    struct setup_header header;

    if (file->len < HEADER_AT + sizeof(header))
        return false;
    copy_header(file, &header);
    return header.boot_flag == BOOT_FLAG && header.header == MAGIC;
}

static int
place_code(const struct enlm_blob *file, const struct setup_header *header,
           struct enlm_bzimage *out)
{
    size_t sectors = header->setup_sects ? header->setup_sects : SECTORS_IF_0;
    size_t setup = (sectors + 1) * SECTOR;

    if (setup >= file->len)
        return -ENL_E_PROTO;
    out->code = setup;
    out->code_len = file->len - setup;
    if (!header->payload_length)
        return 0;
    if (!enlm_within(header->payload_offset, header->payload_length, out->code_len))
        return -ENL_E_PROTO;
    out->payload = setup + header->payload_offset;
    out->payload_len = header->payload_length;
    return 0;
}

static int
place_target(const struct setup_header *header, struct enlm_bzimage *out)
{
    bool relocatable = header->relocatable_kernel;

    out->load =
        relocatable || header->pref_address ? header->pref_address : ENLM_BOOT_HIGH;
    out->init_size = header->init_size;
    /* Below 1 MiB is what the entry needs; a sum that overflows is no address. */
    if (out->load < ENLM_BOOT_HIGH || out->init_size > UINT64_MAX - out->load)
        return -ENL_E_PROTO;
    if (out->init_size < out->code_len)
        out->init_size = out->code_len;
    return 0;
}

int
enlm_bzimage_parse(const struct enlm_blob *file, struct enlm_bzimage *out)
{
    struct setup_header header;
    int err;

    memset(out, 0, sizeof(*out));
    if (!enlm_bzimage_is(file))
        return -ENL_E_PROTO;
    copy_header(file, &header);
    if (header.version < VERSION_2_12 || !(header.loadflags & LOADED_HIGH) ||
        !(header.xloadflags & XLF_KERNEL_64))
        return -ENL_E_NOTSUP;
    err = place_code(file, &header, out);
    if (!err)
        err = place_target(&header, out);
    if (err)
        return err;
    out->header = file->data + HEADER_AT;
    out->header_len = JUMP_FROM + file->data[JUMP_LEN_AT] - HEADER_AT;
    if (out->header_len > sizeof(header))
        out->header_len = sizeof(header);
    out->initrd_max = header.initrd_addr_max;
    out->cmdline_max = header.cmdline_size ? header.cmdline_size : CMDLINE_IF_0;
    return 0;
}
