/* SPDX-License-Identifier: BSD-2-Clause */
/* T07 to T09, T11, M17: the four timers, their modes, and the one deadline. */
#include "core_rig.h"

#define CONFIG(n)   (ENL_REG_STIMER0_CONFIG + 2 * (n))
#define COUNT(n)    (ENL_REG_STIMER0_COUNT + 2 * (n))
#define ENABLE      ENL_STIMER_ENABLE
#define PERIODIC    ENL_STIMER_PERIODIC
#define LAZY        ENL_STIMER_LAZY
#define AUTO        ENL_STIMER_AUTO_ENABLE
#define DIRECT(vec) (ENL_STIMER_DIRECT | (uint64_t)(vec) << ENL_STIMER_VECTOR_SHIFT)
#define NEVER       UINT64_MAX

static void
set(uint32_t n, uint64_t config, uint64_t count)
{
    fake_set(&f, 0, CONFIG(n), config);
    fake_set(&f, 0, COUNT(n), count);
}

static uint32_t
fired(uint8_t vector)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f.interrupt_count; i++)
        count += f.interrupt[i].vector == vector;
    return count;
}

static bool
enabled(uint32_t n)
{
    return (fake_get(&f, 0, CONFIG(n)) & ENABLE) != 0;
}

/* As Linux programs it. */
static void
stimer_one_shot_fires_once(void **state)
{
    (void)state;
    set(0, ENABLE | AUTO | DIRECT(0xed), 5000);
    assert_int_equal(f.deadline_100ns[0], 5000);
    fake_time(&f, 4999);
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(f.interrupt_count, 0);
    assert_true(enabled(0));
    fake_time(&f, 5000);
    assert_int_equal(f.interrupt_count, 1);
    assert_int_equal(f.interrupt[0].vector, 0xed);
    assert_false(f.interrupt[0].auto_eoi);
    assert_false(enabled(0));
    assert_int_equal(f.deadline_100ns[0], NEVER);
    fake_time(&f, 900000);
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(f.interrupt_count, 1);
    /* A new count starts it again, by auto-enable. */
    fake_set(&f, 0, COUNT(0), 1000000);
    assert_true(enabled(0));
    assert_int_equal(f.deadline_100ns[0], 1000000);
    assert_int_equal(rig_counters().timers, 1);
}

/* T08 */
static void
stimer_past_deadline_fires_at_once(void **state)
{
    (void)state;
    f.now_100ns = 7000;
    set(0, ENABLE | AUTO | DIRECT(0xed), 6999);
    assert_int_equal(f.interrupt_count, 1);
    assert_false(enabled(0));
    assert_int_equal(f.deadline_100ns[0], NEVER);
    fake_set(&f, 0, COUNT(0), 7000);
    assert_int_equal(f.interrupt_count, 2);
    fake_set(&f, 0, COUNT(0), 1);
    assert_int_equal(f.interrupt_count, 3);
}

/* Without auto-enable the count alone starts nothing. */
static void
stimer_without_auto_enable_waits_for_enable(void **state)
{
    (void)state;
    set(1, DIRECT(0x40), 5000);
    assert_false(enabled(1));
    assert_int_equal(f.deadline_100ns[0], NEVER);
    fake_set(&f, 0, CONFIG(1), DIRECT(0x40) | ENABLE);
    assert_int_equal(f.deadline_100ns[0], 5000);
    assert_int_equal(fake_get(&f, 0, COUNT(1)), 5000);
    fake_set(&f, 0, CONFIG(1), DIRECT(0x40));
    assert_int_equal(f.deadline_100ns[0], NEVER);
}

static void
stimer_count_of_zero_stops_it(void **state)
{
    (void)state;
    set(0, ENABLE | AUTO | DIRECT(0xed), 5000);
    fake_set(&f, 0, COUNT(0), 0);
    assert_false(enabled(0));
    assert_int_equal(f.deadline_100ns[0], NEVER);
    fake_time(&f, 6000);
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(f.interrupt_count, 0);
}

static void
stimer_periodic_keeps_its_beat(void **state)
{
    (void)state;
    f.now_100ns = 50000;
    set(0, PERIODIC | ENABLE | AUTO | DIRECT(0x50), 10000);
    assert_int_equal(f.deadline_100ns[0], 60000);
    for (uint64_t i = 1; i <= 5; i++) {
        fake_time(&f, 50000 + i * 10000 + 7); /* a little late, each time */
        assert_int_equal(fired(0x50), i);
        assert_int_equal(f.deadline_100ns[0], 60000 + i * 10000);
    }
    assert_true(enabled(0));
}

/* [TLFS 12.3.1] Periods that were missed are skipped by a lazy timer. */
static void
stimer_lazy_skips_what_it_missed(void **state)
{
    (void)state;
    f.now_100ns = 0;
    set(0, PERIODIC | LAZY | ENABLE | AUTO | DIRECT(0x50), 10000);
    fake_time(&f, 75000);
    assert_int_equal(fired(0x50), 1);
    assert_int_equal(f.deadline_100ns[0], 80000);
    fake_time(&f, 80000);
    assert_int_equal(fired(0x50), 2);
    assert_int_equal(f.deadline_100ns[0], 90000);
}

/* ... and worked off by another one, at twice the rate, until it has caught up. */
static void
stimer_periodic_catches_up_at_twice_the_rate(void **state)
{
    uint64_t now = 47000;

    (void)state;
    f.now_100ns = 0;
    set(0, PERIODIC | ENABLE | AUTO | DIRECT(0x50), 10000);
    fake_time(&f, now);
    assert_int_equal(fired(0x50), 1);
    for (uint32_t i = 2; f.deadline_100ns[0] % 10000 != 0; i++) {
        assert_int_equal(f.deadline_100ns[0], now + 5000);
        now = f.deadline_100ns[0];
        fake_time(&f, now);
        assert_int_equal(fired(0x50), i);
        assert_in_range(i, 1, 20);
    }
    /* None was lost: as many as whole periods have passed. */
    assert_int_equal(fired(0x50), f.deadline_100ns[0] / 10000 - 1);
}

static void
stimer_catch_up_is_bounded(void **state)
{
    (void)state;
    f.now_100ns = 0;
    set(0, PERIODIC | ENABLE | AUTO | DIRECT(0x50), 10000);
    f.now_100ns = UINT64_C(10000) * 1000000 + 1;
    enlh_vp_timer(fake_vp(&f, 0));
    for (uint32_t i = 0; f.deadline_100ns[0] % 10000 != 0; i++) {
        assert_in_range(i, 0, 40);
        fake_time(&f, f.deadline_100ns[0]);
    }
    assert_in_range(fired(0x50), 2, 40);
}

/* However often somebody looks, and however short the period, it fires once a look. */
static void
stimer_short_period_is_stretched(void **state)
{
    (void)state;
    f.now_100ns = 100000;
    set(0, PERIODIC | ENABLE | AUTO | DIRECT(0x50), 1);
    assert_int_equal(f.interrupt_count, 0);
    assert_int_equal(f.deadline_100ns[0], 101000);
    assert_int_equal(fake_get(&f, 0, COUNT(0)), 1);
    fake_time(&f, 200000);
    assert_int_equal(f.interrupt_count, 1);
    assert_true(f.deadline_100ns[0] > 200000);
}

static void
stimer_sums_saturate(void **state)
{
    (void)state;
    f.now_100ns = UINT64_MAX - 10;
    set(0, PERIODIC | ENABLE | AUTO | DIRECT(0x50), UINT64_MAX);
    assert_int_equal(f.deadline_100ns[0], NEVER);
    set(1, ENABLE | AUTO | DIRECT(0x51), UINT64_MAX);
    assert_int_equal(f.deadline_100ns[0], NEVER);
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(f.interrupt_count, 0);
    set(2, PERIODIC | ENABLE | AUTO | DIRECT(0x52), 9);
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(f.interrupt_count, 0);
}

/* T07 */
static void
stimer_has_four_and_arms_the_earliest(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        set(i, ENABLE | AUTO | DIRECT(0x40 + i), 9000 - i * 1000);
    assert_int_equal(f.deadline_100ns[0], 6000);
    assert_int_equal(f.deadline_100ns[1], NEVER);
    fake_time(&f, 6000);
    assert_int_equal(f.deadline_100ns[0], 7000);
    assert_int_equal(f.interrupt[0].vector, 0x43);
    fake_set(&f, 0, COUNT(2), 0);
    assert_int_equal(f.deadline_100ns[0], 8000);
    fake_time(&f, 9000);
    assert_int_equal(f.interrupt_count, 3);
    assert_int_equal(f.deadline_100ns[0], NEVER);
}

/* timer_arm() costs a system call: it is not called for a deadline that stays. */
static void
stimer_arms_only_changes(void **state)
{
    uint32_t before;

    (void)state;
    set(0, ENABLE | AUTO | DIRECT(0x40), 5000);
    before = f.arm_count;
    set(1, ENABLE | AUTO | DIRECT(0x41), 9000);
    set(2, AUTO | DIRECT(0x42), 0);
    assert_int_equal(f.arm_count, before);
    /* But a deadline that has gone off is set anew, even when nothing had expired. */
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(f.arm_count, before + 1);
    assert_int_equal(f.deadline_100ns[0], 5000);
}

static void
stimer_without_a_target_is_disabled(void **state)
{
    (void)state;
    set(0, ENABLE | AUTO, 5000); /* a message for SINT 0 */
    assert_false(enabled(0));
    set(1, ENABLE | AUTO | DIRECT(15), 5000);
    assert_false(enabled(1));
    assert_int_equal(f.deadline_100ns[0], NEVER);
    set(2, ENABLE | AUTO | DIRECT(16), 5000);
    assert_true(enabled(2));
}

static void
stimer_direct_mode_must_be_announced(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.config.features.set &= ~ENLH_F_BIT(ENLH_F_STIMER_DIRECT);
    fake_start(&f);
    assert_err(rig_set(0, CONFIG(0), ENABLE | DIRECT(0xed)), ENL_E_INVAL);
    assert_int_equal(fake_get(&f, 0, CONFIG(0)), 0);
    assert_int_equal(rig_set(0, CONFIG(0), ENABLE | 2u << ENL_STIMER_SINT_SHIFT), 0);
}

static void
stimer_reset_stops_all(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        set(i, PERIODIC | ENABLE | AUTO | DIRECT(0x40 + i), 9000);
    enlh_vp_reset(fake_vp(&f, 0));
    assert_int_equal(f.deadline_100ns[0], NEVER);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(fake_get(&f, 0, CONFIG(i)), 0);
        assert_int_equal(fake_get(&f, 0, COUNT(i)), 0);
    }
    fake_time(&f, 100000);
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(f.interrupt_count, 0);
}

/*
 * Between the decision and the call another thread may decide again: a callback that
 * does so in the middle must not leave the older deadline behind.
 */
static bool nested;
static uint64_t armed;
static void
arm_and_change(void *ctx, uint32_t vp, uint64_t deadline_100ns)
{
    struct fake *fake = ctx;

    if (!nested) {
        nested = true;
        fake_set(fake, vp, COUNT(1), 4000);
    }
    armed = deadline_100ns;
}

static void
stimer_last_arm_is_the_last_decision(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.ops.timer_arm = arm_and_change;
    fake_start(&f);
    nested = true;
    fake_set(&f, 0, CONFIG(0), AUTO | DIRECT(0x40));
    fake_set(&f, 0, CONFIG(1), AUTO | DIRECT(0x41));
    nested = false;
    fake_set(&f, 0, COUNT(0), 6000);
    assert_int_equal(armed, 4000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(stimer_one_shot_fires_once),
        CASE(stimer_past_deadline_fires_at_once),
        CASE(stimer_without_auto_enable_waits_for_enable),
        CASE(stimer_count_of_zero_stops_it),
        CASE(stimer_periodic_keeps_its_beat),
        CASE(stimer_lazy_skips_what_it_missed),
        CASE(stimer_periodic_catches_up_at_twice_the_rate),
        CASE(stimer_catch_up_is_bounded),
        CASE(stimer_short_period_is_stretched),
        CASE(stimer_sums_saturate),
        CASE(stimer_has_four_and_arms_the_earliest),
        CASE(stimer_arms_only_changes),
        CASE(stimer_without_a_target_is_disabled),
        CASE(stimer_direct_mode_must_be_announced),
        CASE(stimer_reset_stops_all),
        CASE(stimer_last_arm_is_the_last_decision),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
