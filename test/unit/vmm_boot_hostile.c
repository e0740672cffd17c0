/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernels made to hurt: every answer is a refusal or a load within guest memory. */
#include "boot_rig.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <string.h>

#define MIB UINT64_C(0x100000)

static struct boot_rig rig, elf;
static uint8_t packed[RIG_FILE / 2];
static size_t packed_len;

static int
setup(void **state)
{
    (void)state;
    boot_rig_init(&rig, 32 * MIB);
    boot_rig_init(&elf, 16 * MIB);
    rig_elf(&elf, false);
    packed_len = rig_pack_xz(&elf, packed, sizeof(packed));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    boot_rig_fini(&rig);
    boot_rig_fini(&elf);
    return 0;
}

static struct setup_header *
header(void)
{
    return (struct setup_header *)(rig.file + 0x1F1);
}

static Elf64_Ehdr *
elf_header(void)
{
    return (Elf64_Ehdr *)(void *)rig.file;
}

static Elf64_Phdr *
segment(void)
{
    return (Elf64_Phdr *)(void *)(rig.file + sizeof(Elf64_Ehdr));
}

static void
hostile_neither_format_is_named(void **state)
{
    (void)state;
    memset(rig.file, 0x5A, 4096);
    for (size_t len = 0; len <= 1200; len += 3) {
        rig.len = len;
        assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
        assert_non_null(strstr(rig.why, "neither"));
    }
}

static void
hostile_truncated_files_are_refused(void **state)
{
    size_t full;

    (void)state;
    rig_elf(&rig, true);
    for (full = rig.len, rig.len = 4; rig.len < full; rig.len += 5)
        assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_bzimage(&rig, packed, packed_len);
    for (full = rig.len, rig.len = 0; rig.len < full; rig.len += 7)
        assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
}

static void
hostile_bzimage_lengths_are_refused(void **state)
{
    (void)state;
    rig_bzimage(&rig, packed, packed_len);
    header()->payload_offset = 0xFFFFFFF0;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_bzimage(&rig, packed, packed_len);
    header()->payload_length = 0xFFFFFFFF;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_bzimage(&rig, packed, packed_len);
    header()->setup_sects = 0xFF;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
}

static void
hostile_bzimage_addresses_are_refused(void **state)
{
    static const uint64_t bad[] = {0,        0x1000,     0xFF000,
                                   33 * MIB, 0xF8000000, UINT64_MAX - 8};

    (void)state;
    rig.config.keep_packed = true;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rig_bzimage(&rig, packed, packed_len);
        header()->pref_address = bad[i];
        assert_int_not_equal(rig_load(&rig), 0);
    }
    rig_bzimage(&rig, packed, packed_len);
    header()->init_size = 0xFFFFFFFF;
    assert_int_equal(rig_load(&rig), -ENL_E_INVAL);
}

static void
hostile_old_bzimage_is_refused(void **state)
{
    (void)state;
    rig_bzimage(&rig, packed, packed_len);
    header()->version = 0x20B;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_bzimage(&rig, packed, packed_len);
    header()->xloadflags = 0;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
}

/* A payload that lies about its length, or is damaged, is left to the guest's own stub. */
static void
hostile_payload_never_writes_past_its_length(void **state)
{
    static const uint32_t lies[] = {0, 1, 0x1FFF, 0x2001, 0x20000000, 0xFFFFFFFF};

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        rig_bzimage(&rig, packed, packed_len);
        memcpy(rig.file + rig.len - 4, &lies[i], 4);
        assert_int_equal(rig_load(&rig), 0);
        assert_int_equal(rig.entry.rip, RIG_LOAD + 0x200);
    }
}

static void
hostile_payload_bits_flip(void **state)
{
    uint64_t entries = 0;

    (void)state;
    for (size_t i = 0; i + 4 < packed_len; i++) {
        rig_bzimage(&rig, packed, packed_len);
        rig.file[rig.len - packed_len + i] ^= 0x10;
        assert_int_equal(rig_load(&rig), 0);
        entries += rig.entry.rip == RIG_LOAD + 0x200;
    }
    assert_true(entries > packed_len / 2); /* xz carries a checksum */
}

static void
hostile_elf_segments_are_refused(void **state)
{
    static const struct {
        uint64_t offset, filesz, paddr, memsz;
    } bad[] = {
        {0x1000, 0x1001, RIG_LOAD, 0x2000},           /* beyond the file */
        {UINT64_MAX - 8, 0x1000, RIG_LOAD, 0x2000},   /* wraps */
        {0x1000, 0x1000, RIG_LOAD, 0xFFF},            /* longer than its memory */
        {0x1000, 0x1000, 0x1000, 0x2000},             /* on the boot parameters */
        {0x1000, 0x1000, 0xFF000, 0x2000},            /* on the ACPI tables */
        {0x1000, 0x1000, 32 * MIB - 0x1000, 0x2000},  /* beyond RAM */
        {0x1000, 0x1000, UINT64_MAX - 0xFFF, 0x2000}, /* wraps */
        {0x1000, 0x1000, RIG_LOAD, UINT64_MAX},       /* wraps */
        {0x1000, 0x1000, 0xFEE00000, 0x2000},         /* the local APIC */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rig_elf(&rig, false);
        segment()->p_offset = bad[i].offset;
        segment()->p_filesz = bad[i].filesz;
        segment()->p_paddr = bad[i].paddr;
        segment()->p_memsz = bad[i].memsz;
        elf_header()->e_entry = bad[i].paddr;
        assert_int_not_equal(rig_load(&rig), 0);
    }
}

static void
hostile_elf_headers_are_refused(void **state)
{
    (void)state;
    rig_elf(&rig, false);
    elf_header()->e_phoff = UINT64_MAX - 10;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_elf(&rig, false);
    elf_header()->e_phnum = 0xFFFF;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_elf(&rig, false);
    elf_header()->e_phnum = 0;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_elf(&rig, false);
    elf_header()->e_machine = EM_AARCH64;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
    rig_elf(&rig, false);
    elf_header()->e_entry = 0x500;
    assert_int_equal(rig_load(&rig), -ENL_E_PROTO);
}

static void
hostile_elf_notes_are_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        for (unsigned value = 0; value < 256; value += 51) {
            rig_elf(&rig, true);
            rig.file[0x400 + i] = (uint8_t)value;
            if (rig_load(&rig) == 0)
                assert_true(rig.entry.rip >= RIG_LOAD &&
                            rig.entry.rip < RIG_LOAD + 0x2000);
        }
    }
}

static void
hostile_headers_bit_by_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            rig_elf(&rig, false);
            rig.file[i] = (uint8_t)(rig.file[i] ^ 1u << bit);
            if (rig_load(&rig) == 0)
                assert_true(rig.entry.rip < 32 * MIB);
        }
    }
    for (size_t i = 0x1F1; i < 0x268; i++) {
        rig_bzimage(&rig, packed, packed_len);
        rig.file[i] ^= 0xFF;
        if (rig_load(&rig) == 0)
            assert_true(rig.entry.rip < 32 * MIB);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_neither_format_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_truncated_files_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hostile_bzimage_lengths_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hostile_bzimage_addresses_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hostile_old_bzimage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_payload_never_writes_past_its_length,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_payload_bits_flip, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_elf_segments_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hostile_elf_headers_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_elf_notes_are_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_headers_bit_by_bit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
