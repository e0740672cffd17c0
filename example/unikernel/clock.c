/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c - the reference time by register and by page, and a timer on each processor
 *
 * A timer raises a vector of its own where the hypervisor can do that (direct mode), else
 * it puts a message into the slot of its source.
 */
#include <enlight/abi/cpuid.h>
#include <enlight/guest/clock.h>
#include <enlight/guest/stimer.h>

#include "unikernel.h"

#define READS        200u
#define SLACK        100u /* page and register are rounded, and a host's clock is slewed */
#define DELAY        (5u * MS_100NS)
#define TICK         (10u * MS_100NS)
#define TICKS_WANTED 10u

static uint8_t tsc_page[PAGE] __attribute__((aligned(4096)));
static struct enlg_clock by_page, by_register;

static struct timer {
    struct enlg_stimer timer;
    volatile uint32_t count;
    volatile uint64_t fired_at;
} timers[CPUS_MAX];

uint64_t
clock_now(void)
{
    return enlg_clock_read(&by_page);
}

/* ---- the clock ---- */

static struct {
    uint64_t last;
    uint32_t backwards, apart;
} seen;

/* One processor after the other, and the time goes on from one to the next. */
static void
read_clocks(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < READS; i++) {
        uint64_t before = enlg_clock_read(&by_register);
        uint64_t between = enlg_clock_read(&by_page);
        uint64_t after = enlg_clock_read(&by_register);

        seen.backwards += before < seen.last || after < before;
        seen.apart += between + SLACK < before || between > after + SLACK;
        seen.last = after;
    }
}

static void
check_clocks(void)
{
    int rc = enlg_clock_init(&by_register, &partition, NULL);

    if (rc == -ENL_E_ACCESS) {
        report_skip("T01", "the clock", "not announced");
        return;
    }
    if (!rc)
        rc = enlg_clock_init(&by_page, &partition, tsc_page);
    if (rc) {
        report_rc(rc, "T01", "the clock starts");
        return;
    }
    cpus_each(read_clocks, NULL);
    report(seen.backwards == 0 && seen.last != 0, "T01",
           "the counter goes on from processor to processor: %lu ms",
           (unsigned long)(seen.last / MS_100NS));
    if (enlg_clock_is_fast(&by_page))
        report(seen.apart == 0, "T02", "the TSC page says the same");
    else
        report_skip("T02", "the TSC page",
                    "the host cannot vouch for its TSC: sequence 0");
}

/* ---- timers ---- */

static void
timer_fired(struct timer *timer)
{
    timer->fired_at = clock_now();
    timer->count++;
    cpus_wake(cpu_this()->index);
}

static void
timer_interrupt(struct frame *frame)
{
    (void)frame;
    timer_fired(&timers[cpu_this()->index]);
}

static void
timer_message(struct frame *frame)
{
    struct timer *timer = &timers[cpu_this()->index];
    struct enl_message message;

    (void)frame;
    while (enlg_synic_message(&synics[cpu_this()->index], SINT_TIMER, &message)) {
        if (enlg_stimer_message(&timer->timer, &message, NULL))
            timer_fired(timer);
    }
}

static bool
is_direct(void)
{
    return (enlg_partition_features(&partition)->features & ENL_FEAT_DIRECT_STIMER) != 0;
}

static int
timer_init(struct timer *timer)
{
    cpu_this()->handler[VECTOR_TIMER] = timer_interrupt;
    cpu_this()->handler[VECTOR_TIMER_MESSAGE] = timer_message;
    if (is_direct())
        return enlg_stimer_init_direct(&timer->timer, &partition, 0, VECTOR_TIMER);
    return enlg_stimer_init_message(&timer->timer, &partition, 0, SINT_TIMER);
}

/* Late is what an emulated machine may be; early is wrong. */
static void
try_timer(void *arg)
{
    struct timer *timer = &timers[cpu_this()->index];
    uint32_t *good = arg;
    uint64_t deadline;

    if (timer_init(timer) != 0)
        return;
    deadline = clock_now() + DELAY;
    if (enlg_stimer_at(&timer->timer, deadline) == 0 && wait_word(&timer->count, 1))
        *good += timer->count == 1 && timer->fired_at + SLACK >= deadline;
}

static void
start_tick(void)
{
    uint64_t start = clock_now(), took;
    int rc;

    timers[0].count = 0;
    rc = enlg_stimer_every(&timers[0].timer, TICK);
    if (rc == 0 && !wait_word(&timers[0].count, TICKS_WANTED))
        rc = -ENL_E_TIMEDOUT;
    took = clock_now() - start;
    if (rc == 0 && took + SLACK < TICKS_WANTED * TICK)
        rc = -ENL_E_RANGE;
    report_rc(rc, "T09", "%u ticks of 10 ms in %lu ms", timers[0].count,
              (unsigned long)(took / MS_100NS));
}

void
clock_start(void)
{
    uint32_t good = 0;

    check_clocks();
    if (!enlg_partition_has(&partition, ENL_PRIV_STIMER)) {
        report_skip("T11", "timers", "not announced");
        return;
    }
    cpus_each(try_timer, &good);
    report(good == cpu_count, is_direct() ? "T11" : "T10",
           "a timer in %s mode, once and not early, on %u processors",
           is_direct() ? "direct" : "message", good);
    start_tick(); /* goes on: the boot processor never sleeps for long */
}
