/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disk is: names that stay the same and differ from each other, and the backend's
 * figures in the guest's units.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "fake_disk.h"
#include "host/dev/storage/controller.h"

static struct fake_disk backend;
static struct enlh_storage_config config;
static struct enlh_disk disk;
static struct enlh_scsi_unit unit;

static int
setup(void **state)
{
    (void)state;
    fake_disk_init(&backend, 1 << 20, 512);
    config =
        (struct enlh_storage_config){.size = sizeof(config), .max_transfer = 1 << 20};
    disk = (struct enlh_disk){.block = fake_disk_block(&backend)};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    fake_disk_fini(&backend);
    return 0;
}

static int
describe(void)
{
    memset(&unit, 0xa5, sizeof(unit));
    return enlh_disk_describe(&unit, &disk, &config);
}

static void
disk_has_the_backends_figures(void **state)
{
    (void)state;
    assert_int_equal(describe(), 0);
    assert_int_equal(unit.block_count, 2048);
    assert_int_equal(unit.block_len, 512);
    assert_int_equal(unit.block_shift, 9);
    assert_int_equal(unit.max_blocks, 2048);
    assert_int_equal(unit.physical_exponent, 3);
    assert_true(unit.discards && unit.volatile_cache && !unit.readonly);

    backend.info.block_size = 4096;
    backend.info.max_transfer = 65536;
    backend.info.discards = false;
    backend.info.volatile_cache = false;
    backend.info.readonly = true;
    assert_int_equal(describe(), 0);
    assert_int_equal(unit.block_count, 256);
    assert_int_equal(unit.block_shift, 12);
    assert_int_equal(unit.max_blocks, 16);
    assert_int_equal(unit.physical_exponent, 0);
    assert_true(!unit.discards && !unit.volatile_cache && unit.readonly);
}

static void
disk_with_odd_physical_blocks_tells_none(void **state)
{
    static const uint32_t odd[] = {0, 1, 256, 1536, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        backend.info.physical_block_size = odd[i];
        assert_int_equal(describe(), 0);
        assert_int_equal(unit.physical_exponent, 0);
    }
}

static void
disk_text_is_padded_with_spaces(void **state)
{
    (void)state;
    strcpy(disk.vendor, "Msft");
    strcpy(disk.product, "Sixteen letters!");
    strcpy(disk.revision, "2.0");
    strcpy(disk.serial, "abc");
    assert_int_equal(describe(), 0);
    assert_memory_equal(unit.vendor, "Msft    ", 8);
    assert_memory_equal(unit.product, "Sixteen letters!", 16);
    assert_memory_equal(unit.revision, "2.0 ", 4);
    assert_memory_equal(unit.serial, "abc ", 4);
    assert_int_equal(unit.serial_len, 3);
}

/* A field without a zero at its end is cut, not read beyond. */
static void
disk_text_is_cut_at_its_field(void **state)
{
    (void)state;
    memset(disk.serial, 'x', sizeof(disk.serial));
    memset(disk.vendor, 'v', sizeof(disk.vendor));
    assert_int_equal(describe(), 0);
    assert_int_equal(unit.serial_len, 32);
    assert_memory_equal(unit.vendor, "vvvvvvvv", 8);
}

static void
disk_text_must_be_ascii(void **state)
{
    char *fields[] = {disk.vendor, disk.product, disk.revision, disk.serial};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        strcpy(fields[i], "a\n");
        assert_int_equal(describe(), -ENL_E_INVAL);
        strcpy(fields[i], "\xc3\xa4");
        assert_int_equal(describe(), -ENL_E_INVAL);
        strcpy(fields[i], "ok");
        assert_int_equal(describe(), 0);
    }
}

static void
disk_name_comes_from_the_serial(void **state)
{
    struct enlh_scsi_unit first;

    (void)state;
    strcpy(disk.serial, "abc");
    assert_int_equal(describe(), 0);
    first = unit;
    assert_int_equal(first.naa[0] >> 4, 3);
    disk.lun = 7;
    config.instance.b[0] = 9;
    assert_int_equal(describe(), 0);
    assert_memory_equal(unit.naa, first.naa, 8);
    strcpy(disk.serial, "abd");
    assert_int_equal(describe(), 0);
    assert_memory_not_equal(unit.naa, first.naa, 8);
    memcpy(disk.naa, "\x50\1\2\3\4\5\6\7", 8);
    assert_int_equal(describe(), 0);
    assert_memory_equal(unit.naa, "\x50\1\2\3\4\5\6\7", 8);
}

static void
disk_without_a_serial_has_its_own(void **state)
{
    struct enlh_scsi_unit first;

    (void)state;
    assert_int_equal(describe(), 0);
    first = unit;
    assert_int_equal(first.serial_len, 16);
    assert_int_equal(describe(), 0);
    assert_memory_equal(&unit, &first, sizeof(unit));
    disk.lun = 1;
    assert_int_equal(describe(), 0);
    assert_memory_not_equal(unit.serial, first.serial, 16);
    assert_memory_not_equal(unit.naa, first.naa, 8);
    disk.lun = 0;
    config.instance.b[15] = 1;
    assert_int_equal(describe(), 0);
    assert_memory_not_equal(unit.serial, first.serial, 16);
}

static void
disk_with_impossible_figures_is_refused(void **state)
{
    (void)state;
    backend.info.block_size = 0;
    assert_int_equal(describe(), -ENL_E_INVAL);
    backend.info.block_size = 520;
    assert_int_equal(describe(), -ENL_E_INVAL);
    backend.info.block_size = 512;
    backend.info.size = 1;
    assert_int_equal(describe(), -ENL_E_INVAL);
    backend.info.size = 512;
    backend.info.max_transfer = 511;
    assert_int_equal(describe(), -ENL_E_INVAL);
    backend.info.max_transfer = 512;
    assert_int_equal(describe(), 0);
    assert_int_equal(unit.block_count, 1);
    assert_int_equal(unit.max_blocks, 1);
}

#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(disk_has_the_backends_figures),
        DISK_TEST(disk_with_odd_physical_blocks_tells_none),
        DISK_TEST(disk_text_is_padded_with_spaces),
        DISK_TEST(disk_text_is_cut_at_its_field),
        DISK_TEST(disk_text_must_be_ascii),
        DISK_TEST(disk_name_comes_from_the_serial),
        DISK_TEST(disk_without_a_serial_has_its_own),
        DISK_TEST(disk_with_impossible_figures_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
