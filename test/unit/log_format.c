/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines for people: the formatter's letters, its bound, and the guest's allowance. */
#include "core_rig.h"

#include "host/core/log.h"

static char text[64];

__attribute__((format(printf, 2, 3))) static size_t
format(size_t size, const char *fmt, ...)
{
    va_list args;
    size_t len;

    memset(text, '#', sizeof(text));
    va_start(args, fmt);
    len = enlh_log_format(text, size, fmt, args);
    va_end(args);
    return len;
}

static void
log_knows_its_letters(void **state)
{
    (void)state;
    format(sizeof(text), "%s %c %d %u %x %#x %%", "ab", 'z', -42, 7u, 0xbeefu, 0x10u);
    assert_string_equal(text, "ab z -42 7 beef 0x10 %");
    format(sizeof(text), "%lu %#lx %zu", UINT64_MAX, UINT64_C(0xfedcba9876543210),
           (size_t)3);
    assert_string_equal(text, "18446744073709551615 0xfedcba9876543210 3");
    format(sizeof(text), "%ld %u %x", INT64_MIN, 0u, 0u);
    assert_string_equal(text, "-9223372036854775808 0 0");
    format(sizeof(text), "%02u|%8x", 5u, 6u);
    assert_string_equal(text, "5|6");
}

static void
log_cuts_at_the_size(void **state)
{
    (void)state;
    assert_int_equal(format(5, "%s", "abcdefgh"), 4);
    assert_string_equal(text, "abcd");
    assert_int_equal(text[5], '#');
    assert_int_equal(format(1, "%u", 12345u), 0);
    assert_string_equal(text, "");
    assert_int_equal(format(0, "%u", 12345u), 0);
    assert_int_equal(text[0], '#');
}

static void
log_of_a_guest_runs_out(void **state)
{
    uint64_t value;

    (void)state;
    for (uint32_t i = 0; i < 10 * ENLH_LOG_GUEST_LINES; i++)
        assert_err(enlh_vp_get_reg(fake_vp(&f, 0), 0xdead, &value), ENL_E_NOENT);
    assert_int_equal(f.log_count, ENLH_LOG_GUEST_LINES);
    assert_non_null(strstr(f.log_last, "0xdead"));
    enlh_log(f.partition, ENLH_LOG_ERROR, "the host's own: %s", "still here");
    assert_string_equal(f.log_last, "the host's own: still here");
}

/* A bug ends in the embedder's callback, with the place and the condition. */
static jmp_buf landing;
static void
on_bug(void *ctx, const char *file, int line, const char *what)
{
    assert_ptr_equal(ctx, &f);
    assert_non_null(strstr(file, "log_format.c"));
    assert_true(line > 0);
    assert_string_equal(what, "1 + 1 == 2");
    longjmp(landing, 1);
}

static void
log_bug_reaches_the_embedder(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.ops.bug = on_bug;
    fake_start(&f);
    if (setjmp(landing) == 0) {
        ENLH_BUG_ON(f.partition, 1 + 1 == 3);
        ENLH_BUG_ON(f.partition, 1 + 1 == 2);
        fail();
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(log_knows_its_letters),
        CASE(log_cuts_at_the_size),
        CASE(log_of_a_guest_runs_out),
        CASE(log_bug_reaches_the_embedder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
