/* SPDX-License-Identifier: BSD-2-Clause */
/* B03: each way in, and what the kernel finds there. */
#include "boot_rig.h"

#include <asm/bootparam.h>
#include <string.h>

#define MIB UINT64_C(0x100000)

static struct boot_rig rig, elf;
static uint8_t packed[RIG_FILE / 2];

static int
setup(void **state)
{
    (void)state;
    boot_rig_init(&rig, 64 * MIB);
    boot_rig_init(&elf, 16 * MIB);
    rig_elf(&elf, true);
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

static const struct boot_params *
params(void)
{
    return enlm_memory_at(&rig.memory, ENLM_BOOT_PARAMS, sizeof(struct boot_params));
}

static uint64_t
word(uint64_t gpa)
{
    uint64_t value;

    memcpy(&value, enlm_memory_at(&rig.memory, gpa, 8), sizeof(value));
    return value;
}

static void
boot_elf_without_a_note_is_entered_in_long_mode(void **state)
{
    (void)state;
    rig_elf(&rig, false);
    assert_int_equal(rig_load(&rig), 0);
    assert_true(rig.entry.long_mode);
    assert_int_equal(rig.entry.rip, RIG_LOAD);
    assert_int_equal(rig.entry.rsi, ENLM_BOOT_PARAMS);
    assert_int_equal(word(RIG_LOAD) & 0xFF, 0xC3);
    assert_int_equal(params()->acpi_rsdp_addr, ENLM_BOOT_ACPI);
    assert_true(params()->e820_entries >= 3);
}

static void
boot_elf_entry_may_be_virtual(void **state)
{
    uint64_t entry = 0xFFFFFFFF81000040;

    (void)state;
    rig_elf(&rig, false);
    memcpy(rig.file + 24, &entry, sizeof(entry));
    assert_int_equal(rig_load(&rig), 0);
    assert_int_equal(rig.entry.rip, RIG_LOAD + 0x40);
}

static void
boot_elf_with_a_note_is_entered_by_pvh(void **state)
{
    uint64_t info;

    (void)state;
    rig_elf(&rig, true);
    rig.config.cmdline = "quiet";
    rig_initrd(&rig, "initrd", 6);
    assert_int_equal(rig_load(&rig), 0);
    assert_false(rig.entry.long_mode);
    assert_int_equal(rig.entry.rip, RIG_LOAD + 0x100);
    info = rig.entry.rbx;
    assert_int_equal(word(info) & 0xFFFFFFFF, 0x336EC578);
    assert_int_equal(word(info + 8) >> 32, 1);
    assert_memory_equal(enlm_memory_at(&rig.memory, word(word(info + 16)), 6), "initrd",
                        6);
    assert_string_equal(enlm_memory_at(&rig.memory, word(info + 24), 6), "quiet");
    assert_int_equal(word(info + 32), ENLM_BOOT_ACPI);
    assert_int_equal(word(word(info + 40)), 0);
}

static void
boot_elf_zeros_what_the_file_does_not_hold(void **state)
{
    (void)state;
    memset(rig.memory.base, 0xEE, rig.memory.len);
    rig_elf(&rig, false);
    assert_int_equal(rig_load(&rig), 0);
    assert_int_equal(word(RIG_LOAD + 0x1000), 0);
    assert_int_equal(word(RIG_LOAD + 0x1FF8), 0);
    assert_int_equal(word(RIG_LOAD + 0x2000), UINT64_C(0xEEEEEEEEEEEEEEEE));
}

static void
boot_bzimage_is_unpacked_here(void **state)
{
    size_t (*const packers[])(const struct boot_rig *, uint8_t *,
                              size_t) = {rig_pack_xz, rig_pack_gzip, rig_pack_zstd};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        memset(rig.memory.base, 0, rig.memory.len);
        rig_bzimage(&rig, packed, packers[i](&elf, packed, sizeof(packed)));
        assert_int_equal(rig_load(&rig), 0);
        assert_true(rig.entry.long_mode);
        assert_int_equal(rig.entry.rip, RIG_LOAD);
        assert_int_equal(word(RIG_LOAD) & 0xFF, 0xC3);
        assert_int_equal(params()->hdr.init_size, 0x400000);
        assert_int_equal(params()->hdr.type_of_loader, 0xFF);
    }
}

static void
boot_bzimage_is_entered_itself_when_asked_or_unknown(void **state)
{
    size_t len = rig_pack_xz(&elf, packed, sizeof(packed));

    (void)state;
    rig.config.keep_packed = true;
    rig_bzimage(&rig, packed, len);
    assert_int_equal(rig_load(&rig), 0);
    assert_int_equal(rig.entry.rip, RIG_LOAD + 0x200);
    assert_int_equal(word(RIG_LOAD) & 0xFF, 0x90);
    rig.config.keep_packed = false;
    memcpy(packed, "\x02\x21\x4c\x18", 4); /* lz4 */
    rig_bzimage(&rig, packed, len);
    assert_int_equal(rig_load(&rig), 0);
    assert_int_equal(rig.entry.rip, RIG_LOAD + 0x200);
}

static void
boot_page_tables_map_4_gib_one_to_one(void **state)
{
    uint64_t pdpt, directory;

    (void)state;
    rig_elf(&rig, false);
    assert_int_equal(rig_load(&rig), 0);
    pdpt = word(ENLM_BOOT_PAGE_TABLES) & ~UINT64_C(0xFFF);
    for (uint64_t gib = 0; gib < 4; gib++) {
        directory = word(pdpt + 8 * gib) & ~UINT64_C(0xFFF);
        for (uint64_t i = 0; i < 512; i++)
            assert_int_equal(word(directory + 8 * i), (gib << 30 | i << 21) | 0x83);
    }
}

static void
boot_initrd_is_high_and_below_the_kernels_limit(void **state)
{
    (void)state;
    rig_initrd(&rig, NULL, 5 * MIB + 1);
    rig_bzimage(&rig, packed, rig_pack_xz(&elf, packed, sizeof(packed)));
    assert_int_equal(rig_load(&rig), 0);
    assert_int_equal(params()->hdr.ramdisk_size, 5 * MIB + 1);
    assert_int_equal(params()->hdr.ramdisk_image % 4096, 0);
    assert_int_equal(params()->hdr.ramdisk_image,
                     (64 * MIB - 5 * MIB - 1) & ~UINT64_C(4095));
    rig_bzimage(&rig, packed, rig_pack_xz(&elf, packed, sizeof(packed)));
    ((struct setup_header *)(rig.file + 0x1F1))->initrd_addr_max = 48 * MIB - 1;
    assert_int_equal(rig_load(&rig), 0);
    assert_true(params()->hdr.ramdisk_image + 5 * MIB < 48 * MIB);
}

static void
boot_initrd_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    rig_elf(&rig, false);
    rig_initrd(&rig, NULL, 60 * MIB);
    assert_int_equal(rig_load(&rig), -ENL_E_INVAL);
    rig_initrd(&rig, NULL, 1000 * MIB);
    assert_int_equal(rig_load(&rig), -ENL_E_INVAL);
    rig_initrd(&rig, NULL, 0);
    assert_int_equal(rig_load(&rig), -ENL_E_INVAL);
}

static void
boot_command_line_has_the_kernels_limit(void **state)
{
    static char line[70000];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    rig.config.cmdline = line;
    rig_elf(&rig, false);
    assert_int_equal(rig_load(&rig), -ENL_E_INVAL);
    line[2048] = 0;
    rig_bzimage(&rig, packed, rig_pack_xz(&elf, packed, sizeof(packed)));
    assert_int_equal(rig_load(&rig), -ENL_E_INVAL);
    line[2047] = 0;
    assert_int_equal(rig_load(&rig), 0);
    assert_string_equal(enlm_memory_at(&rig.memory, params()->hdr.cmd_line_ptr, 2048),
                        line);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(boot_elf_without_a_note_is_entered_in_long_mode,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(boot_elf_entry_may_be_virtual, setup, teardown),
        cmocka_unit_test_setup_teardown(boot_elf_with_a_note_is_entered_by_pvh, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(boot_elf_zeros_what_the_file_does_not_hold, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(boot_bzimage_is_unpacked_here, setup, teardown),
        cmocka_unit_test_setup_teardown(
            boot_bzimage_is_entered_itself_when_asked_or_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(boot_page_tables_map_4_gib_one_to_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(boot_initrd_is_high_and_below_the_kernels_limit,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(boot_initrd_that_does_not_fit_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(boot_command_line_has_the_kernels_limit, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
