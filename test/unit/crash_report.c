/* SPDX-License-Identifier: BSD-2-Clause */
/* M21 to M23, X-rows: five numbers and a text, all of the guest's choice. */
#include "core_rig.h"

#define NOTIFY  ENL_CRASH_CTL_NOTIFY
#define MESSAGE ENL_CRASH_CTL_MESSAGE

static void
set_params(uint64_t p3, uint64_t p4)
{
    const uint64_t param[5] = {0x10, 0x20, 0x30, p3, p4};

    for (uint32_t i = 0; i < 5; i++)
        fake_set(&f, 0, ENL_REG_CRASH_P0 + i, param[i]);
}

static void
crash_control_says_what_is_supported(void **state)
{
    (void)state;
    assert_int_equal(fake_get(&f, 0, ENL_REG_CRASH_CTL), NOTIFY | MESSAGE);
}

static void
crash_params_reach_the_embedder(void **state)
{
    (void)state;
    set_params(0x40, 0x50);
    assert_int_equal(f.crash_count, 0);
    fake_set(&f, 1, ENL_REG_CRASH_CTL, NOTIFY);
    assert_int_equal(f.crash_count, 1);
    assert_int_equal(f.crash.vp, 1);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(f.crash.crash[i], 0x10 * (i + 1));
        assert_int_equal(fake_get(&f, 1, ENL_REG_CRASH_P0 + i), 0x10 * (i + 1));
    }
    assert_null(f.crash.text);
}

static void
crash_text_is_copied(void **state)
{
    (void)state;
    memcpy(fake_at(&f, 0x3000, 12), "Oops: 0002\n", 12);
    set_params(0x3000, 11);
    fake_set(&f, 0, ENL_REG_CRASH_CTL, NOTIFY | MESSAGE);
    assert_int_equal(f.crash.text_len, 11);
    assert_memory_equal(f.crash_text, "Oops: 0002\n", 11);
}

static void
crash_text_is_bounded(void **state)
{
    static const uint64_t len[] = {4096, 4097, 8191, UINT64_C(0x100000000), UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
        set_params(0x3000, len[i]);
        memset(f.crash_text, 0, sizeof(f.crash_text));
        fake_set(&f, 0, ENL_REG_CRASH_CTL, NOTIFY | MESSAGE);
        assert_int_equal(f.crash.text_len, 4096);
        assert_int_equal(f.crash_text[4095], (char)0xa5);
    }
}

static void
crash_text_outside_ram_is_no_text(void **state)
{
    static const uint64_t bad[] = {FAKE_RAM_LEN, FAKE_RAM_LEN - 10, UINT64_MAX,
                                   UINT64_MAX - 4000};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_params(bad[i], 100);
        fake_set(&f, 0, ENL_REG_CRASH_CTL, NOTIFY | MESSAGE);
        assert_int_equal(f.crash_count, i + 1);
        assert_null(f.crash.text);
        assert_int_equal(f.crash.text_len, 0);
        assert_int_equal(f.crash.crash[3], bad[i]);
    }
    set_params(0x3000, 0);
    fake_set(&f, 0, ENL_REG_CRASH_CTL, NOTIFY | MESSAGE);
    assert_null(f.crash.text);
}

static void
crash_without_notify_is_silent(void **state)
{
    (void)state;
    set_params(0x3000, 100);
    fake_set(&f, 0, ENL_REG_CRASH_CTL, MESSAGE);
    fake_set(&f, 0, ENL_REG_CRASH_CTL, 0);
    fake_set(&f, 0, ENL_REG_CRASH_CTL, ~NOTIFY);
    assert_int_equal(f.crash_count, 0);
}

/* A kdump kernel follows, and may crash as well. */
static void
crash_can_be_reported_again(void **state)
{
    (void)state;
    set_params(1, 2);
    fake_set(&f, 0, ENL_REG_CRASH_CTL, NOTIFY);
    set_params(3, 4);
    fake_set(&f, 0, ENL_REG_CRASH_CTL, NOTIFY);
    assert_int_equal(f.crash_count, 2);
    assert_int_equal(f.crash.crash[4], 4);
    enlh_partition_reset(f.partition);
    assert_int_equal(fake_get(&f, 0, ENL_REG_CRASH_P3), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(crash_control_says_what_is_supported),
        CASE(crash_params_reach_the_embedder),
        CASE(crash_text_is_copied),
        CASE(crash_text_is_bounded),
        CASE(crash_text_outside_ram_is_no_text),
        CASE(crash_without_notify_is_silent),
        CASE(crash_can_be_reported_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
