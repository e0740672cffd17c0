/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/block_file.c - opening, locking and sizing: each refusal, with its reason */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block_rig.h"

struct place {
    char dir[200];
    char file[256];
};

static int
setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    const char *tmp = getenv("TMPDIR");
    int fd;

    assert_non_null(place);
    snprintf(place->dir, sizeof(place->dir), "%s/enlight-file-XXXXXX",
             tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(place->dir));
    snprintf(place->file, sizeof(place->file), "%s/disk", place->dir);
    fd = open(place->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    close(fd);
    *state = place;
    return 0;
}

static int
teardown(void **state)
{
    struct place *place = *state;

    unlink(place->file);
    rmdir(place->dir);
    free(place);
    return 0;
}

static int
open_as(const char *path, bool readonly, int *fd)
{
    struct enlb_file_config config;
    char reason[ENLB_REASON_LEN];
    int error;

    memset(reason, 'x', sizeof(reason));
    enlb_file_config_defaults(&config);
    config.readonly = readonly;
    error = enlb_file_open(path, &config, fd, reason);
    assert_non_null(memchr(reason, 0, sizeof(reason)));
    assert_int_equal(error != 0, reason[0] != '\0');
    return error;
}

static int
create_from(int fd, bool readonly)
{
    struct enlb_file_config config;
    struct enlh_block block;
    char reason[ENLB_REASON_LEN];
    int error;

    enlb_file_config_defaults(&config);
    config.readonly = readonly;
    error = enlb_file_create(fd, &config, &block, reason);
    assert_int_equal(error != 0, reason[0] != '\0');
    if (!error)
        enlb_file_destroy(&block);
    return error;
}

static void
writable_image_opens_once(void **state)
{
    struct place *place = *state;
    int first, second;

    assert_int_equal(open_as(place->file, false, &first), 0);
    assert_int_equal(open_as(place->file, false, &second), -ENL_E_BUSY);
    assert_int_equal(open_as(place->file, true, &second), -ENL_E_BUSY);
    close(first);
    assert_int_equal(open_as(place->file, false, &second), 0);
    close(second);
}

static void
readonly_image_is_shared_with_readers_only(void **state)
{
    struct place *place = *state;
    int first, second, third;

    assert_int_equal(open_as(place->file, true, &first), 0);
    assert_int_equal(open_as(place->file, true, &second), 0);
    assert_int_equal(open_as(place->file, false, &third), -ENL_E_BUSY);
    close(first);
    close(second);
}

/* Closing some other descriptor of the file, as any library may, must not unlock it. */
static void
lock_belongs_to_the_open_file(void **state)
{
    struct place *place = *state;
    int first, second, stray;

    assert_int_equal(open_as(place->file, false, &first), 0);
    stray = open(place->file, O_RDWR | O_CLOEXEC);
    close(stray);
    assert_int_equal(open_as(place->file, false, &second), -ENL_E_BUSY);
    close(first);
}

static void
disk_keeps_the_lock_until_destroyed(void **state)
{
    struct place *place = *state;
    struct enlb_file_config config;
    struct enlh_block block;
    int fd, second;

    enlb_file_config_defaults(&config);
    assert_int_equal(enlb_file_open(place->file, &config, &fd, NULL), 0);
    assert_int_equal(enlb_file_create(fd, &config, &block, NULL), 0);
    assert_int_equal(open_as(place->file, false, &second), -ENL_E_BUSY);
    enlb_file_destroy(&block);
    assert_int_equal(open_as(place->file, false, &second), 0);
    close(second);
}

/* The kernel has let go of the file, too, at once. */
static void
used_disk_can_be_opened_again_at_once(void **state)
{
    struct place *place = *state;
    struct enlb_file_config config;
    struct enlh_block block;
    struct rig rig;
    int fd;

    enlb_file_config_defaults(&config);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(enlb_file_open(place->file, &config, &fd, NULL), 0);
        assert_int_equal(enlb_file_create(fd, &config, &block, NULL), 0);
        rig_start(&rig, &block, 4);
        assert_int_equal(rig_do(&rig, ENLH_BLOCK_WRITE, 0, 4096, 0), 0);
        rig_stop(&rig);
        enlb_file_destroy(&block);
    }
}

/* A device that is asked without waiting may say no. */
static void
disk_waits_for_its_io(void **state)
{
    struct place *place = *state;
    struct enlb_file_config config;
    struct enlh_block block;
    int fd;

    assert_int_equal(open_as(place->file, false, &fd), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    fd = open(place->file, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    enlb_file_config_defaults(&config);
    assert_int_equal(enlb_file_create(fd, &config, &block, NULL), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    enlb_file_destroy(&block);
}

static void
missing_file_is_named_so(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(open_as("/nonexistent/disk", false, &fd), -ENL_E_NOENT);
    assert_int_equal(open_as("/dev/null/disk", false, &fd), -ENL_E_NOENT);
}

static void
other_kinds_of_file_are_refused(void **state)
{
    struct place *place = *state;
    char fifo[256];
    int fd;

    assert_int_equal(open_as(place->dir, false, &fd), -ENL_E_INVAL);
    assert_int_equal(open_as(place->dir, true, &fd), -ENL_E_INVAL);
    assert_int_equal(open_as("/dev/zero", false, &fd), -ENL_E_INVAL);
    snprintf(fifo, sizeof(fifo), "%.200s/fifo", place->dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(open_as(fifo, true, &fd), -ENL_E_INVAL);
    unlink(fifo);
    fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    assert_int_equal(create_from(fd, false), -ENL_E_INVAL);
    close(fd);
    assert_int_equal(create_from(-1, false), -ENL_E_INVAL);
}

static void
no_permission_is_named_so(void **state)
{
    struct place *place = *state;
    bool root = geteuid() == 0;
    int fd;

    chmod(place->file, 0);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    assert_int_equal(open_as(place->file, false, &fd), -ENL_E_ACCESS);
    if (root)
        assert_int_equal(seteuid(0), 0);
}

static void
odd_sizes_are_refused(void **state)
{
    static const uint64_t bad[] = {0, 1, 511, 513, (1 << 20) + 100};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = rig_file(bad[i]);

        assert_int_equal(create_from(fd, false), -ENL_E_RANGE);
        assert_int_equal(create_from(fd, true), -ENL_E_RANGE);
        assert_true(fcntl(fd, F_GETFD) >= 0); /* still the caller's */
        close(fd);
    }
    assert_int_equal(create_from(rig_file(512), false), 0);
}

static void
readonly_descriptor_makes_no_writable_disk(void **state)
{
    struct place *place = *state;
    int fd = open(place->file, O_RDONLY | O_CLOEXEC);

    assert_int_equal(create_from(fd, false), -ENL_E_ROFS);
    assert_int_equal(create_from(fd, true), 0);
}

static void
info_tells_what_the_file_is(void **state)
{
    struct enlb_file_config config;
    struct enlh_block_info info;
    struct enlh_block block;

    (void)state;
    enlb_file_config_defaults(&config);
    assert_int_equal(enlb_file_create(rig_file(1 << 20), &config, &block, NULL), 0);
    block.ops->info(block.backend, &info);
    assert_int_equal(info.size, 1 << 20);
    assert_int_equal(info.block_size, 512);
    assert_int_equal(info.physical_block_size, 4096);
    assert_false(info.readonly);
    assert_true(info.volatile_cache);
    enlb_file_destroy(&block);
    config.readonly = true;
    assert_int_equal(enlb_file_create(rig_file(1 << 20), &config, &block, NULL), 0);
    block.ops->info(block.backend, &info);
    assert_true(info.readonly);
    assert_false(info.discards);
    enlb_file_destroy(&block);
}

static void
bad_settings_are_refused(void **state)
{
    struct enlb_file_config config;
    struct enlh_block block;
    int fd = rig_file(4096);

    (void)state;
    enlb_file_config_defaults(&config);
    config.threads = 17;
    assert_int_equal(enlb_file_create(fd, &config, &block, NULL), -ENL_E_INVAL);
    enlb_file_config_defaults(&config);
    config.size = 4;
    assert_int_equal(enlb_file_create(fd, &config, &block, NULL), -ENL_E_INVAL);
    close(fd);
}

static void
size_changes_with_the_file(void **state)
{
    struct enlb_file_config config;
    struct enlh_block_info info;
    struct enlh_block block;
    struct stat st;
    int fd = rig_file(1 << 20), same = dup(fd);

    (void)state;
    enlb_file_config_defaults(&config);
    assert_int_equal(enlb_file_create(fd, &config, &block, NULL), 0);
    assert_int_equal(block.ops->resize(block.backend, 3 << 20), 0);
    block.ops->info(block.backend, &info);
    assert_int_equal(info.size, 3 << 20);
    assert_int_equal(fstat(same, &st), 0);
    assert_int_equal(st.st_size, 3 << 20);
    assert_int_equal(block.ops->resize(block.backend, 512), 0);
    assert_int_equal(fstat(same, &st), 0);
    assert_int_equal(st.st_size, 512);
    assert_int_equal(block.ops->resize(block.backend, 0), -ENL_E_RANGE);
    assert_int_equal(block.ops->resize(block.backend, 1000), -ENL_E_RANGE);
    block.ops->info(block.backend, &info);
    assert_int_equal(info.size, 512);
    enlb_file_destroy(&block);
    close(same);
    config.readonly = true;
    assert_int_equal(enlb_file_create(rig_file(1 << 20), &config, &block, NULL), 0);
    assert_int_equal(block.ops->resize(block.backend, 2 << 20), -ENL_E_ROFS);
    enlb_file_destroy(&block);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(writable_image_opens_once),
        CASE(readonly_image_is_shared_with_readers_only),
        CASE(lock_belongs_to_the_open_file),
        CASE(disk_keeps_the_lock_until_destroyed),
        CASE(used_disk_can_be_opened_again_at_once),
        CASE(disk_waits_for_its_io),
        CASE(missing_file_is_named_so),
        CASE(other_kinds_of_file_are_refused),
        CASE(no_permission_is_named_so),
        CASE(odd_sizes_are_refused),
        CASE(readonly_descriptor_makes_no_writable_disk),
        CASE(info_tells_what_the_file_is),
        CASE(bad_settings_are_refused),
        CASE(size_changes_with_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
