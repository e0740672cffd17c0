/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/clock.c - the reference counter and the TSC page, on all processors
 *
 * [TLFS 12.2, 12.4]
 */
#include "enlight/guest/clock.h"
#include "test/guest/synic_rig.h"

#define READS 300u
#define SLACK                                                                            \
    100u /* 10 us: page and register are rounded, and a host's clock is slewed */

static uint8_t tsc_page[PAGE] __attribute__((aligned(4096)));
static struct enlg_clock clock;

/* Readers on several processors take turns under one lock, and never see time go back. */
static struct {
    uint32_t taken;
    uint64_t last;
    uint32_t backwards;
    bool by_page;
} shared;

static uint64_t
any_clock(void)
{
    return shared.by_page ? enlg_clock_read(&clock) : reference_time();
}

static void
read_many(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < READS; i++) {
        uint64_t now;

        while (__atomic_exchange_n(&shared.taken, 1, __ATOMIC_ACQUIRE))
            cpu_relax();
        now = any_clock();
        shared.backwards += now < shared.last;
        shared.last = now;
        __atomic_store_n(&shared.taken, 0, __ATOMIC_RELEASE);
    }
}

static void
check_monotonic(bool by_page)
{
    shared.taken = shared.backwards = 0;
    shared.last = 0;
    shared.by_page = by_page;
    for (uint32_t i = 1; i < cpu_count; i++)
        CHECK(smp_begin(i, read_many, NULL));
    read_many(NULL);
    for (uint32_t i = 1; i < cpu_count; i++)
        CHECK(smp_end(i));
    EQUAL(shared.backwards, 0);
    CHECK(shared.last != 0);
}

static void
counter_is_monotonic(void)
{
    REQUIRE(has_priv(ENL_PRIV_TIME_REF_COUNT));
    check_monotonic(false);
}

/* Whether the host can vouch for its TSC or not: the reader falls back to the counter. */
static void
page_clock_is_monotonic(void)
{
    REQUIRE(has_priv(ENL_PRIV_TIME_REF_COUNT | ENL_PRIV_REFERENCE_TSC));
    EQUAL(enlg_clock_init(&clock, &guest_partition, tsc_page), 0);
    say("# the TSC page is %s\n", enlg_clock_is_fast(&clock) ? "valid" : "not valid");
    check_monotonic(true);
    enlg_clock_fini(&clock);
}

static void
page_agrees_with_counter(void)
{
    REQUIRE(has_priv(ENL_PRIV_TIME_REF_COUNT | ENL_PRIV_REFERENCE_TSC));
    EQUAL(enlg_clock_init(&clock, &guest_partition, tsc_page), 0);
    if (!enlg_clock_is_fast(&clock))
        test_skip("the host cannot vouch for its TSC: sequence 0");
    for (uint32_t i = 0; i < 50 && enlg_clock_is_fast(&clock); i++) {
        uint64_t before = reference_time();
        uint64_t between = enlg_clock_read(&clock);
        uint64_t after = reference_time();

        CHECK(between + SLACK >= before);
        CHECK(between <= after + SLACK);
        spin_us(500);
    }
    enlg_clock_fini(&clock);
}

/* The two clocks of the machine run at the rate that is told. */
static void
counter_follows_tsc_frequency(void)
{
    uint64_t start, tsc, elapsed, wanted, off;

    REQUIRE(has_priv(ENL_PRIV_TIME_REF_COUNT | ENL_PRIV_FREQUENCY));
    start = reference_time();
    tsc = tsc_read();
    spin_us(100000);
    elapsed = reference_time() - start;
    wanted = (tsc_read() - tsc) / (msr_read(ENL_MSR_TSC_FREQUENCY) / 1000000) * 10;
    off = elapsed > wanted ? elapsed - wanted : wanted - elapsed;
    if (off >= wanted / 4)
        say("# %lu by the counter, %lu by the TSC\n", (unsigned long)elapsed,
            (unsigned long)wanted);
    CHECK(off < wanted / 4);
}

const struct test clock_tests[] = {
    {"counter_is_monotonic", "T01 M06", counter_is_monotonic},
    {"page_clock_is_monotonic", "T02 T03", page_clock_is_monotonic},
    {"page_agrees_with_counter", "T02", page_agrees_with_counter},
    {"counter_follows_tsc_frequency", "T13 M08", counter_follows_tsc_frequency},
    {NULL, NULL, NULL},
};
