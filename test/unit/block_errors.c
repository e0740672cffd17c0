/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/block_errors.c - the host's trouble reaches the request as what it is
 *
 * A file system of 64 KiB, private to this process, is full soon.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "block_rig.h"
#include "backend/block/work.h"

static char dir[200];
static bool mounted;

static void
mount_small(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(dir, sizeof(dir), "%s/enlight-full-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return;
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return;
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    mounted = mount("none", dir, "tmpfs", 0, "size=64k") == 0;
}

static void
unmount_small(void)
{
    if (mounted)
        umount(dir);
    rmdir(dir);
}

static int
open_small(struct enlh_block *block, enum enlb_aio aio)
{
    struct enlb_file_config config;
    char path[256];
    int fd, error;

    if (!mounted) {
        print_message("# SKIP a small file system cannot be mounted here\n");
        skip();
    }
    snprintf(path, sizeof(path), "%.200s/disk", dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    enlb_file_config_defaults(&config);
    config.aio = aio;
    error = enlb_file_create(fd, &config, block, NULL);
    if (error == -ENL_E_NOTSUP) {
        close(fd);
        print_message("# SKIP this kernel has no io_uring, or forbids it\n");
        skip();
    }
    return error;
}

static void
full_file_system_is_no_space(void **state)
{
    struct enlh_block block;
    struct rig rig;

    assert_int_equal(open_small(&block, *(const enum enlb_aio *)*state), 0);
    rig_start(&rig, &block, 4);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 0, 32 << 10, 0), 0);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 32 << 10, 128 << 10, 0),
                     -ENL_E_NOSPC);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_READ, 0, 32 << 10, 0), 0);
    /* Space that is discarded can be used again. */
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_DISCARD, 0, 1 << 20, 0), 0);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 512 << 10, 32 << 10, 0), 0);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

/* tmpfs knows no ZERO_RANGE: a hole takes its place, and needs no space. */
static void
zeros_find_another_way(void **state)
{
    struct enlh_block block;
    struct rig rig;

    assert_int_equal(open_small(&block, *(const enum enlb_aio *)*state), 0);
    rig_start(&rig, &block, 4);
    rig_fill(rig.ram, 8192, 1);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 0, 8192, 0), 0);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_ZERO, 4096, 512 << 10, 0), 0);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_READ, 0, 12288, 65536), 0);
    assert_memory_equal(rig.ram + 65536, rig.ram, 4096);
    for (size_t i = 4096; i < 12288; i++)
        assert_int_equal(rig.ram[65536 + i], 0);
    rig_stop(&rig);
    enlb_file_destroy(&block);
}

/* The last way: zeros are written, step by step, and no further than asked. */
static void
zeros_are_written_where_holes_are_not(void **state)
{
    const enum enlb_aio aio = *(const enum enlb_aio *)*state;
    struct enlb_file_config config;
    struct enlh_block block;
    struct rig rig;
    int fd = rig_file(8 << 20);
    int view = dup(fd);
    static uint8_t bytes[8 << 20];

    enlb_file_config_defaults(&config);
    config.aio = aio;
    if (enlb_file_create(fd, &config, &block, NULL) == -ENL_E_NOTSUP) {
        print_message("# SKIP this kernel has no io_uring, or forbids it\n");
        skip();
    }
    atomic_store(&((struct enlb_file *)block.backend)->zero_way, ENLB_ZERO_WRITE);
    rig_start(&rig, &block, 4);
    rig_fill(rig.ram, 8 << 20, 1);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 0, 8 << 20, 0), 0);
    assert_int_equal(rig_do(&rig, ENLH_BLOCK_ZERO, 512, (7 << 20) + 512, 0), 0);
    assert_int_equal(pread(view, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
    assert_memory_equal(bytes, rig.ram, 512);
    for (size_t i = 512; i < (7 << 20) + 1024; i++)
        assert_int_equal(bytes[i], 0);
    assert_memory_equal(bytes + (7 << 20) + 1024, rig.ram + (7 << 20) + 1024,
                        (1 << 20) - 1024);
    rig_stop(&rig);
    enlb_file_destroy(&block);
    close(view);
}

static void
errno_becomes_a_result(void **state)
{
    (void)state;
    assert_int_equal(enlb_work_error(0), 0);
    assert_int_equal(enlb_work_error(EIO), -ENL_E_IO);
    assert_int_equal(enlb_work_error(ENOSPC), -ENL_E_NOSPC);
    assert_int_equal(enlb_work_error(EDQUOT), -ENL_E_NOSPC);
    assert_int_equal(enlb_work_error(EROFS), -ENL_E_ROFS);
    assert_int_equal(enlb_work_error(ECANCELED), -ENL_E_CANCELED);
    assert_int_equal(enlb_work_error(EINVAL), -ENL_E_IO);
}

static const enum enlb_aio uring = ENLB_AIO_IO_URING;
static const enum enlb_aio threads = ENLB_AIO_THREADS;

#define CASE(name)                                                                       \
    {"uring_" #name, name, NULL, NULL, (void *)(uintptr_t)&uring},                       \
    {                                                                                    \
        "threads_" #name, name, NULL, NULL, (void *)(uintptr_t)&threads                  \
    }

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(full_file_system_is_no_space),
        CASE(zeros_find_another_way),
        CASE(zeros_are_written_where_holes_are_not),
        cmocka_unit_test(errno_becomes_a_result),
    };
    int failed;

    mount_small();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unmount_small();
    return failed;
}
