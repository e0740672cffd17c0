/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/tool_check.c - the layer in front of an initramfs, and what follows from a console */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tool/check/check.h"
#include "tool/status.h"

static struct enlt_check_boot boot;
static struct enlt_check_row rows[ENLT_CHECK_ROWS];

static int
setup(void **state)
{
    (void)state;
    memset(&boot, 0, sizeof(boot));
    return 0;
}

static void
say(const char *line)
{
    enlt_check_line(&boot, line);
}

static void
say_all(void)
{
    say("[    0.1] Linux version");
    say("enlight-check: kernel 6.1.0-test");
    say("enlight-check: hypervisor Microsoft Hyper-V");
    say("enlight-check: vmbus 5.3");
    say("enlight-check: device ba6163d9-04a1-4d29-b605-72e2ffb1dc7f hv_storvsc");
    say("enlight-check: device 57164f39-9115-4e78-ab55-382f3bd5422d hv_utils");
    say("enlight-check: service Heartbeat 3.0");
    say("enlight-check: disk sda 16384");
    say("enlight-check: end");
}

/* The verdict of the row with this text, or -1. */
static int
verdict_of(const char *what)
{
    size_t count = enlt_check_judge(&boot, rows);

    for (size_t i = 0; i < count; i++)
        if (strstr(rows[i].what, what))
            return (int)rows[i].verdict;
    return -1;
}

static void
good_boot_passes(void **state)
{
    (void)state;
    say_all();
    size_t count = enlt_check_judge(&boot, rows);
    for (size_t i = 0; i < count; i++)
        assert_int_not_equal(rows[i].verdict, ENLT_CHECK_FAILED);
    assert_int_equal(verdict_of("root file system"), ENLT_CHECK_SKIPPED);
    assert_int_equal(verdict_of("hv_storvsc"), ENLT_CHECK_PASSED);
    assert_int_equal(verdict_of("hv_netvsc"), -1);
}

static void
missing_driver_is_named(void **state)
{
    (void)state;
    say("enlight-check: kernel 6.1.0-test");
    say("enlight-check: device ba6163d9-04a1-4d29-b605-72e2ffb1dc7f none");
    assert_int_equal(verdict_of("hv_storvsc is bound"), ENLT_CHECK_FAILED);
    assert_int_equal(verdict_of("disk"), ENLT_CHECK_FAILED);
    assert_int_equal(verdict_of("hv_vmbus"), ENLT_CHECK_FAILED);
    assert_int_equal(verdict_of("Hyper-V"), ENLT_CHECK_FAILED);
    assert_int_equal(verdict_of("powers off"), ENLT_CHECK_FAILED);
}

static void
another_version_than_asked_for_fails(void **state)
{
    (void)state;
    say_all();
    boot.vmbus = "4.1";
    assert_int_equal(verdict_of("hv_vmbus"), ENLT_CHECK_FAILED);
    boot.vmbus = "5.3";
    assert_int_equal(verdict_of("hv_vmbus"), ENLT_CHECK_PASSED);
}

static void
root_must_mount_where_there_is_one(void **state)
{
    (void)state;
    say_all();
    boot.has_root = true;
    assert_int_equal(verdict_of("root file system"), ENLT_CHECK_FAILED);
    say("enlight-check: root none /dev/sda is ext4, and cannot be mounted");
    assert_int_equal(verdict_of("root file system"), ENLT_CHECK_FAILED);
}

static void
traffic_has_an_address_and_packets(void **state)
{
    (void)state;
    say_all();
    boot.has_nic = true;
    say("enlight-check: nic eth0 none 0 4");
    assert_int_equal(verdict_of("traffic"), ENLT_CHECK_FAILED);
    assert_int_equal(verdict_of("hv_netvsc"), ENLT_CHECK_FAILED);
    setup(NULL);
    say_all();
    boot.has_nic = true;
    say("enlight-check: device f8615163-df3e-46c5-913f-f2d2f965ed0e hv_netvsc");
    say("enlight-check: nic eth0 10.0.2.15 3 4");
    assert_int_equal(verdict_of("traffic"), ENLT_CHECK_PASSED);
    assert_int_equal(verdict_of("hv_netvsc"), ENLT_CHECK_PASSED);
}

static void
silent_boot_fails_at_its_start(void **state)
{
    (void)state;
    boot.timed_out = true;
    assert_int_equal(verdict_of("first program"), ENLT_CHECK_FAILED);
    assert_int_equal(enlt_check_judge(&boot, rows), 2);
}

/* A guest may say anything, for ever. */
static void
console_is_bounded(void **state)
{
    char line[4 * ENLT_CHECK_LINE];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "enlight-check: ", 15);
    line[sizeof(line) - 1] = 0;
    for (int i = 0; i < 1000; i++)
        say(line);
    assert_int_equal(boot.fact_count, ENLT_CHECK_FACTS);
    assert_int_equal(boot.lines, 1000);
    assert_int_equal(verdict_of("first program"), ENLT_CHECK_FAILED);
}

/* Only enlight knows what a driver and its device agreed on. */
static void
protocol_versions_are_told(void **state)
{
    (void)state;
    say_all();
    say("[  1.0] scsienlight: info: scsi0: storage protocol 6.2");
    assert_int_equal(verdict_of("hv_storvsc"), ENLT_CHECK_PASSED);
    size_t count = enlt_check_judge(&boot, rows);
    bool told = false;
    for (size_t i = 0; i < count; i++)
        told |= strcmp(rows[i].detail, "by hv_storvsc, storage protocol 6.2") == 0;
    assert_true(told);
}

/* The first words of a panic say why, and not the status that follows. */
static void
panic_is_the_reason(void **state)
{
    (void)state;
    say("[  1.0] Kernel panic - not syncing: VFS: Unable to mount root fs");
    say("[  1.1] ---[ end Kernel panic - not syncing: VFS ]---");
    boot.status = ENLT_CRASH;
    assert_int_equal(enlt_check_judge(&boot, rows), 2);
    for (int i = 0; i < 2; i++)
        assert_string_equal(rows[i].detail,
                            "Kernel panic - not syncing: VFS: Unable to mount root fs");
    setup(NULL);
    say("enlight-check: kernel 6.1.0-test");
    boot.status = ENLT_RESET;
    assert_int_equal(verdict_of("powers off"), ENLT_CHECK_FAILED);
    boot.status = 0;
    assert_int_equal(verdict_of("powers off"), ENLT_CHECK_FAILED);
    say("enlight-check: end");
    assert_int_equal(verdict_of("powers off"), ENLT_CHECK_PASSED);
    boot.status = ENLT_RESET;
    assert_int_equal(verdict_of("powers off"), ENLT_CHECK_FAILED);
    boot.status = 0;
    boot.timed_out = true;
    assert_int_equal(verdict_of("powers off"), ENLT_CHECK_FAILED);
}

/* A guest makes no directive of TAP, and nothing that a terminal obeys. */
static void
tap_escapes_what_a_guest_says(void **state)
{
    char *text = NULL;
    size_t len, number = 4;
    FILE *file = open_memstream(&text, &len);

    (void)state;
    say("enlight-check: kernel 6.1 # SKIP \x1b[2J\\");
    boot.vmbus = "4.1";
    size_t count = enlt_check_judge(&boot, rows);
    assert_true(enlt_check_tap(file, &boot, rows, count, &number) > 0);
    fclose(file);
    assert_int_equal(number, 4 + count);
    assert_memory_equal(text, "ok 5 - VMBus 4.1: ", 18);
    assert_non_null(strstr(text, "6.1 \\# SKIP ?[2J\\\\\n"));
    assert_non_null(strstr(text, "\nnot ok 6 - VMBus 4.1: "));
    assert_non_null(strstr(text, "\n# console: enlight-check: kernel 6.1 # SKIP ?[2J"));
    assert_null(strchr(text, 0x1b));
    free(text);
}

static void
junit_escapes_what_a_guest_says(void **state)
{
    char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);

    (void)state;
    say("enlight-check: kernel <&\"\x01");
    enlt_check_junit(file, &boot, rows, enlt_check_judge(&boot, rows));
    fclose(file);
    assert_non_null(strstr(text, "&lt;&amp;&quot;?"));
    assert_non_null(strstr(text, "<failure message="));
    assert_non_null(strstr(text, "<system-out>enlight-check: kernel &lt;"));
    free(text);
}

/* ---- the layer ---- */

static uint32_t
hex(const char *at)
{
    char digits[9] = {0};

    memcpy(digits, at, 8);
    return (uint32_t)strtoul(digits, NULL, 16);
}

static void
layer_is_an_archive_of_whole_blocks(void **state)
{
    static const char *const names[] = {"enlight-check", "enlight-check/busybox",
                                        "enlight-check/init", "enlight-check/modprobe",
                                        "TRAILER!!!"};
    char *text = NULL;
    size_t len, at = 0;
    FILE *file = open_memstream(&text, &len);

    (void)state;
    enlt_check_write_layer(file, "program", 7);
    fclose(file);
    assert_int_equal(len % 512, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint32_t name_len = hex(text + at + 94), data_len = hex(text + at + 54);

        assert_memory_equal(text + at, "070701", 6);
        assert_string_equal(text + at + 110, names[i]);
        assert_int_equal(name_len, strlen(names[i]) + 1);
        at = (at + 110 + name_len + 3) & ~(size_t)3;
        if (i == 1)
            assert_memory_equal(text + at, "program", 7);
        if (i == 2)
            assert_memory_equal(text + at, "#!/enlight-check/busybox sh\n", 28);
        at = (at + data_len + 3) & ~(size_t)3;
    }
    for (; at < len; at++)
        assert_int_equal(text[at], 0);
    free(text);
}

static void
only_a_static_program_will_do(void **state)
{
    unsigned char elf[64 + 56] = {0x7f, 'E', 'L', 'F', 2, 1};
    const char *text = (const char *)elf;

    (void)state;
    elf[32] = 64; /* the table's place, the size of its entries, their number */
    elf[54] = 56;
    elf[56] = 1;
    elf[64] = 1; /* PT_LOAD */
    assert_true(enlt_check_is_static(text, sizeof(elf)));
    elf[64] = 3; /* PT_INTERP */
    assert_false(enlt_check_is_static(text, sizeof(elf)));
    elf[64] = 1;
    assert_false(enlt_check_is_static(text, sizeof(elf) - 1));
    elf[56] = 2;
    assert_false(enlt_check_is_static(text, sizeof(elf)));
    elf[56] = 1;
    elf[39] = 0xff; /* a table beyond any file */
    assert_false(enlt_check_is_static(text, sizeof(elf)));
    assert_false(enlt_check_is_static("#!/bin/sh", 9));
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(good_boot_passes),
        CASE(missing_driver_is_named),
        CASE(another_version_than_asked_for_fails),
        CASE(root_must_mount_where_there_is_one),
        CASE(traffic_has_an_address_and_packets),
        CASE(silent_boot_fails_at_its_start),
        CASE(console_is_bounded),
        CASE(protocol_versions_are_told),
        CASE(panic_is_the_reason),
        CASE(tap_escapes_what_a_guest_says),
        CASE(junit_escapes_what_a_guest_says),
        CASE(layer_is_an_archive_of_whole_blocks),
        CASE(only_a_static_program_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
