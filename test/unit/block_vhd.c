/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/block_vhd.c - the footer of a fixed VHD: what is taken and what is refused */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_rig.h"
#include "backend/block/work.h"

static void
put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void
seal(uint8_t footer[512])
{
    uint32_t sum = 0;

    put32(footer + 64, 0);
    for (int i = 0; i < 512; i++)
        sum += footer[i];
    put32(footer + 64, ~sum);
}

/* A fixed disk of 1 MiB, as the specification lays it out. */
static void
make(uint8_t footer[512])
{
    memset(footer, 0, 512);
    memcpy(footer, "conectix", 8);
    put32(footer + 8, 2);
    put32(footer + 12, 0x00010000);
    memset(footer + 16, 0xff, 8);
    memcpy(footer + 28, "enl ", 4);
    put32(footer + 44, 1 << 20);
    put32(footer + 52, 1 << 20);
    put32(footer + 60, 2);
    seal(footer);
}

static int
parse(const uint8_t footer[512], uint64_t file_size, uint64_t *disk)
{
    const char *reason = NULL;
    int error = enlb_vhd_parse(footer, file_size, disk, &reason);

    assert_true(error == 0 || (reason && reason[0] != '\0'));
    return error;
}

static void
disk_is_the_file_without_its_footer(void **state)
{
    uint8_t footer[512];
    uint64_t disk = 0;

    (void)state;
    make(footer);
    assert_int_equal(parse(footer, (1 << 20) + 512, &disk), 0);
    assert_int_equal(disk, 1 << 20);
}

/* Every byte that the checksum covers counts, and its own bytes as well. */
static void
any_flipped_byte_is_noticed(void **state)
{
    uint8_t footer[512];
    uint64_t disk = 0;

    (void)state;
    make(footer);
    for (int i = 0; i < 512; i++) {
        footer[i] ^= 0x10;
        assert_int_not_equal(parse(footer, (1 << 20) + 512, &disk), 0);
        footer[i] ^= 0x10;
    }
    assert_int_equal(disk, 0);
}

static void
other_kinds_are_not_supported(void **state)
{
    uint8_t footer[512];
    uint64_t disk = 0;

    (void)state;
    for (uint32_t type = 0; type < 8; type++) {
        make(footer);
        put32(footer + 60, type);
        seal(footer);
        if (type != 2)
            assert_int_equal(parse(footer, (1 << 20) + 512, &disk), -ENL_E_NOTSUP);
    }
    make(footer);
    put32(footer + 12, 0x00020000);
    seal(footer);
    assert_int_equal(parse(footer, (1 << 20) + 512, &disk), -ENL_E_NOTSUP);
}

static void
size_must_be_that_of_the_file(void **state)
{
    uint8_t footer[512];
    uint64_t disk = 0;

    (void)state;
    make(footer);
    assert_int_equal(parse(footer, 1 << 20, &disk), -ENL_E_PROTO);
    assert_int_equal(parse(footer, (1 << 20) + 1024, &disk), -ENL_E_PROTO);
    assert_int_equal(parse(footer, 511, &disk), -ENL_E_PROTO);
    memset(footer + 48, 0xff, 8);
    seal(footer);
    assert_int_equal(parse(footer, 511, &disk), -ENL_E_PROTO);
}

/* The whole way: the file opens as a disk of 1 MiB, and the footer cannot be reached. */
static void
vhd_file_is_a_disk_without_its_footer(void **state)
{
    struct enlb_file_config config;
    struct enlh_block_info info;
    struct enlh_block block;
    uint8_t footer[512];
    struct rig rig;
    int fd = rig_file((1 << 20) + 512);

    (void)state;
    make(footer);
    assert_int_equal(pwrite(fd, footer, 512, 1 << 20), 512);
    enlb_file_config_defaults(&config);
    config.format = ENLB_FORMAT_VHD;
    assert_int_equal(enlb_file_create(fd, &config, &block, NULL), 0);
    block.ops->info(block.backend, &info);
    assert_int_equal(info.size, 1 << 20);
    rig_start(&rig, &block, 4);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, (1 << 20) - 512, 512, 0), 0);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 1 << 20, 512, 0), -ENL_E_INVAL);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

static void
raw_file_is_no_vhd(void **state)
{
    struct enlb_file_config config;
    struct enlh_block block;
    char reason[ENLB_REASON_LEN];
    int fd = rig_file(1 << 20);

    (void)state;
    enlb_file_config_defaults(&config);
    config.format = ENLB_FORMAT_VHD;
    assert_int_equal(enlb_file_create(fd, &config, &block, reason), -ENL_E_PROTO);
    assert_string_not_equal(reason, "");
    close(fd);
    fd = rig_file(100);
    assert_int_equal(enlb_file_create(fd, &config, &block, reason), -ENL_E_PROTO);
    close(fd);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(disk_is_the_file_without_its_footer),
        cmocka_unit_test(any_flipped_byte_is_noticed),
        cmocka_unit_test(other_kinds_are_not_supported),
        cmocka_unit_test(size_must_be_that_of_the_file),
        cmocka_unit_test(vhd_file_is_a_disk_without_its_footer),
        cmocka_unit_test(raw_file_is_no_vhd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
