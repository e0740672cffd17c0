/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/tool_options.c - the command line says what it means, and refuses the rest
 *
 * Promises of tool/option.c, tool/hv.c and tool/guest.c; nothing is opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tool/guest.h"
#include "tool/status.h"
#include "tool/verb.h"

static struct enlt_guest guest;

int
enlt_run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* Parses the words (a NULL-terminated list) into guest. */
static int
parse(char **words)
{
    int argc = 0;

    while (words[argc])
        argc++;
    enlt_guest_defaults(&guest);
    return enlt_options_parse(enlt_run_options, "run", argc, words, &guest);
}
#define PARSE(...) parse((char *[]){"run", __VA_ARGS__, NULL})

static void
value_may_follow_or_be_joined(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--kernel", "a"), 0);
    assert_string_equal(guest.kernel, "a");
    assert_int_equal(PARSE("--kernel=b", "-ic", "--append", "d=e,f"), 0);
    assert_string_equal(guest.kernel, "b");
    assert_string_equal(guest.initrd, "c");
    assert_string_equal(guest.cmdline, "d=e,f");
}

static void
unknown_words_are_usage_errors(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--frob"), ENLT_USAGE);
    assert_int_equal(PARSE("word"), ENLT_USAGE);
    assert_int_equal(PARSE("-"), ENLT_USAGE);
    assert_int_equal(PARSE("--"), ENLT_USAGE);
    assert_int_equal(PARSE("--kernel"), ENLT_USAGE);
    assert_int_equal(PARSE("--dry-run=yes"), ENLT_USAGE);
}

static void
sizes_have_units_and_bounds(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--memory", "256"), 0);
    assert_int_equal(guest.memory, UINT64_C(256) << 20);
    assert_int_equal(PARSE("-m", "size=3G"), 0);
    assert_int_equal(guest.memory, UINT64_C(3) << 30);
    assert_int_equal(PARSE("-m", "64k"), 0);
    assert_int_equal(guest.memory, 65536);
    const char *bad[] = {"", "-1", "1X", "1MM", "99999999999999999999", "17000000000000T",
                         "x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(PARSE("-m", (char *)bad[i]), ENLT_USAGE);
}

static void
disk_takes_its_keys(void **state)
{
    (void)state;
    assert_int_equal(
        PARSE("-d", "path=a,,b.raw,format=vhd,readonly=on,controller=2,lun=5"), 0);
    assert_string_equal(guest.disks[0].path, "a,b.raw");
    assert_int_equal(guest.disks[0].file.format, ENLB_FORMAT_VHD);
    assert_true(guest.disks[0].file.readonly);
    assert_int_equal(guest.disks[0].controller, 2);
    assert_int_equal(guest.disks[0].lun, 5);
    assert_int_equal(guest.controllers, 3);
    assert_string_equal(guest.disks[0].record, "");
    assert_int_equal(PARSE("-d", "path=a,record=b,,trace"), 0);
    assert_string_equal(guest.disks[0].record, "b,trace");
}

static void
disks_get_free_luns_and_refuse_taken_ones(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-d", "a", "-d", "path=b", "-d", "path=c,lun=7"), 0);
    assert_int_equal(guest.disks[0].lun, 0);
    assert_int_equal(guest.disks[1].lun, 1);
    assert_int_equal(guest.disks[2].lun, 7);
    assert_int_equal(PARSE("-d", "path=a,lun=3", "-d", "path=b,lun=3"), ENLT_USAGE);
    assert_int_equal(PARSE("-d", "lun=3"), ENLT_USAGE);
    assert_int_equal(PARSE("-d", "path=a,lun=64"), ENLT_USAGE);
    assert_int_equal(PARSE("-d", "path=a,frob=1"), ENLT_USAGE);
    assert_int_equal(PARSE("-d", "path=a,record="), ENLT_USAGE);
    assert_int_equal(PARSE("-d", "path=a,record=b,readonly=on"), ENLT_USAGE);
    assert_int_equal(PARSE("-d", "path=a,format=qcow2"), ENLT_USAGE);
}

static void
words_ask_for_the_same_guest(void **state)
{
    (void)state;
    struct enlt_words words = {0};
    static struct enlt_guest first;

    assert_int_equal(PARSE("-k", "k", "-d", "path=x,,y,lun=2,record=t,,u", "--cpus", "3",
                           "--engine", "user", "--hv", "linux,-stimer-direct", "--acpi",
                           "s4=on", "--vmbus", "max-version=4.1,offer-seed=9",
                           "--on-crash", "continue", "-m", "300"),
                     0);
    first = guest;
    enlt_words_add(&words, "run");
    enlt_guest_words(&first, &words);
    assert_int_equal(parse(words.word), 0);
    assert_string_equal(guest.disks[0].path, first.disks[0].path);
    assert_string_equal(guest.disks[0].record, "t,u");
    assert_int_equal(guest.memory, first.memory);
    assert_int_equal(guest.cpus, 3);
    assert_int_equal(guest.engine, first.engine);
    assert_int_equal(guest.hv.features.set, first.hv.features.set);
    assert_int_equal(guest.max_vmbus_version, 0x40001);
    assert_int_equal(guest.offer_seed, 9);
    assert_true(guest.acpi_s4 && guest.on_crash_continue && !guest.no_reboot);
    for (size_t i = 0; i < words.count; i++)
        free(words.word[i]);
    free(words.word);
}

static void
hv_names_add_and_remove(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--hv", "none,hv-vpindex,synic=on"), 0);
    assert_true(guest.hv.features.set & ENLH_F_BIT(ENLH_F_VPINDEX));
    assert_true(guest.hv.asked & ENLH_F_BIT(ENLH_F_SYNIC));
    assert_false(guest.hv.features.set & ENLH_F_BIT(ENLH_F_STIMER));
    assert_int_equal(
        PARSE("--hv", "spinlocks=0x1fff,version-id-build=99,vendor-id=123456789012"), 0);
    assert_int_equal(guest.hv.features.spin_retries, 0x1fff);
    assert_int_equal(guest.hv.identity.build, 99);
    assert_string_equal(guest.hv.identity.vendor, "123456789012");
    assert_int_equal(PARSE("--hv", "frob"), ENLT_USAGE);
    assert_int_equal(PARSE("--hv", "vendor-id=short"), ENLT_USAGE);
}

static void
hv_unmet_need_is_named(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--hv", "linux,-synic,stimer"), 0);
    assert_int_equal(enlt_hv_resolve(&guest.hv, NULL, ENLK_AUTO), ENLT_USAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_may_follow_or_be_joined),
        cmocka_unit_test(unknown_words_are_usage_errors),
        cmocka_unit_test(sizes_have_units_and_bounds),
        cmocka_unit_test(disk_takes_its_keys),
        cmocka_unit_test(disks_get_free_luns_and_refuse_taken_ones),
        cmocka_unit_test(words_ask_for_the_same_guest),
        cmocka_unit_test(hv_names_add_and_remove),
        cmocka_unit_test(hv_unmet_need_is_named),
    };

    /* The sentences go where the test's user does not look. */
    freopen("/dev/null", "w", stderr);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
