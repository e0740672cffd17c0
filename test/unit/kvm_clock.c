/* SPDX-License-Identifier: BSD-2-Clause */
/* T01 to T06: the counter, and the TSC page that computes the same. */
#include "fake_kvm.h"

#include <sys/timerfd.h>
#include <x86intrin.h>

#include "kvm/internal.h"

static uint64_t
now(void)
{
    return enlk_engine_ops(k.engine)->time_100ns(k.engine);
}

static uint64_t
by_page(const struct enlh_tsc_page *page, uint64_t tsc)
{
    return (uint64_t)(((unsigned __int128)tsc * page->scale) >> 64) +
           (uint64_t)page->offset;
}

static void
clock_scale_is_exact_to_a_tick_in_a_year(void **state)
{
    static const uint64_t khz[] = {10001, 999999, 2000000, 2893299, 4700000};

    (void)state;
    for (size_t i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
        uint64_t seconds = 366 * 86400u;
        unsigned __int128 ticks = (unsigned __int128)khz[i] * 1000u * seconds;
        uint64_t time = (uint64_t)((ticks * enlk_clock_scale(khz[i])) >> 64);

        assert_in_range(seconds * 10000000u - time, 0, 1);
    }
}

static void
clock_never_goes_back_when_the_page_is_given_out(void **state)
{
    struct enlh_tsc_page page;
    uint64_t before, after;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    k.clock_flags = KVM_CLOCK_TSC_STABLE;
    before = now();
    assert_int_equal(enlk_engine_ops(k.engine)->tsc_page(k.engine, &page), 0);
    after = now();
    assert_true(after >= before);
    assert_true(after - before < 10000000); /* a second is no jump of a clock */
    fake_kvm_fini();
}

static void
clock_and_page_are_the_same_function(void **state)
{
    struct enlh_tsc_page page;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    k.clock_flags = KVM_CLOCK_TSC_STABLE;
    assert_int_equal(enlk_engine_ops(k.engine)->tsc_page(k.engine, &page), 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t first = by_page(&page, __rdtsc() + 0x1000), time = now();
        uint64_t last = by_page(&page, __rdtsc() + 0x1000);

        assert_true(first <= time && time <= last);
    }
    fake_kvm_fini();
}

static void
clock_page_of_a_later_moment_is_the_same(void **state)
{
    struct enlh_tsc_page first, second;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    k.clock_flags = KVM_CLOCK_TSC_STABLE;
    assert_int_equal(enlk_engine_ops(k.engine)->tsc_page(k.engine, &first), 0);
    assert_int_equal(enlk_engine_ops(k.engine)->tsc_page(k.engine, &second), 0);
    assert_int_equal(first.scale, second.scale);
    assert_int_equal(first.offset, second.offset);
    fake_kvm_fini();
}

static void
clock_without_a_stable_tsc_there_is_no_page(void **state)
{
    struct enlh_tsc_page page;
    uint64_t before;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    assert_int_equal(enlk_engine_ops(k.engine)->tsc_page(k.engine, &page), -ENL_E_NOTSUP);
    before = now();
    assert_true(now() >= before);
    fake_kvm_fini();
}

static void
clock_of_the_kernel_engine_is_kvms(void **state)
{
    struct enlh_tsc_page page;

    (void)state;
    fake_kvm_init(ENLK_KERNEL, 1, 0);
    k.clock_flags = KVM_CLOCK_TSC_STABLE;
    k.clock_ns = 123456789;
    assert_int_equal(now(), 1234567);
    assert_int_equal(enlk_engine_ops(k.engine)->tsc_page(k.engine, &page), -ENL_E_NOTSUP);
    fake_kvm_fini();
}

static void
clock_of_all_vcpus_has_one_offset(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 3, 0);
    for (uint32_t vp = 0; vp < 3; vp++)
        assert_int_equal(k.vcpu[vp].tsc_offset, 0x1000);
    fake_kvm_fini();
}

#define STOP_NS UINT64_C(20000000000)

/* As if the host's clocks had gone on for 20 s: all that counts from one counts from before. */
static void
host_goes_on(void)
{
    struct enlk_clock *clock = &k.engine->clock;
    uint64_t ticks = 20000 * clock->tsc_khz;

    clock->frozen_ns -= STOP_NS;
    clock->start_ns -= STOP_NS;
    clock->frozen_tsc -= ticks;
    clock->tsc_delta += ticks;
    k.clock_ns += STOP_NS;
}

static void
stop_for_20_s(void)
{
    enlk_engine_freeze(k.engine);
    host_goes_on();
    enlk_engine_thaw(k.engine);
}

static void
clock_says_the_same_while_it_stands_still(void **state)
{
    uint64_t first;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    enlk_engine_freeze(k.engine);
    first = now();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(now(), first);
    enlk_engine_thaw(k.engine);
    assert_true(now() >= first);
    fake_kvm_fini();
}

static void
clock_does_not_jump_over_a_stop(void **state)
{
    uint64_t before;

    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    before = now();
    stop_for_20_s();
    assert_in_range(now() - before, 0, 10000000);
    fake_kvm_fini();
}

static void
clock_page_and_tsc_do_not_jump_over_a_stop(void **state)
{
    struct enlh_tsc_page page;
    uint64_t before, first, last;

    (void)state;
    fake_kvm_init(ENLK_USER, 3, 0);
    k.clock_flags = KVM_CLOCK_TSC_STABLE;
    assert_int_equal(enlk_engine_ops(k.engine)->tsc_page(k.engine, &page), 0);
    before = now();
    stop_for_20_s();
    assert_in_range(now() - before, 0, 10000000);
    for (uint32_t vp = 1; vp < 3; vp++)
        assert_int_equal(k.vcpu[vp].tsc_offset, k.vcpu[0].tsc_offset);
    first = by_page(&page, __rdtsc() + k.vcpu[0].tsc_offset);
    last = now();
    assert_true(first <= last && last - first < 10000000);
    fake_kvm_fini();
}

static void
clock_of_kvm_does_not_jump_over_a_stop(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_KERNEL, 2, 0);
    k.clock_ns = 123456789;
    stop_for_20_s();
    assert_int_equal(k.clock_ns, 123456789);
    assert_int_equal(now(), 1234567);
    assert_in_range(0x1000 - k.vcpu[1].tsc_offset, 1, 1000 * k.engine->clock.tsc_khz);
    assert_int_equal(k.vcpu[1].tsc_offset, k.vcpu[0].tsc_offset);
    fake_kvm_fini();
}

static uint64_t
timer_left_ns(void)
{
    struct itimerspec spec;

    timerfd_gettime(k.engine->vcpus[0].timer_fd, &spec);
    return (uint64_t)spec.it_value.tv_sec * 1000000000u + (uint64_t)spec.it_value.tv_nsec;
}

static void
clock_that_stands_still_brings_no_timer(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 1, 0);
    enlk_engine_ops(k.engine)->timer_arm(k.engine, 0, now() + UINT64_C(36000000000));
    assert_true(timer_left_ns() > 0);
    enlk_engine_freeze(k.engine);
    assert_int_equal(timer_left_ns(), 0);
    host_goes_on();
    enlk_engine_thaw(k.engine);
    assert_in_range(timer_left_ns(), UINT64_C(3590000000000), UINT64_C(3600000000000));
    fake_kvm_fini();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_scale_is_exact_to_a_tick_in_a_year),
        cmocka_unit_test(clock_never_goes_back_when_the_page_is_given_out),
        cmocka_unit_test(clock_and_page_are_the_same_function),
        cmocka_unit_test(clock_page_of_a_later_moment_is_the_same),
        cmocka_unit_test(clock_without_a_stable_tsc_there_is_no_page),
        cmocka_unit_test(clock_of_the_kernel_engine_is_kvms),
        cmocka_unit_test(clock_of_all_vcpus_has_one_offset),
        cmocka_unit_test(clock_says_the_same_while_it_stands_still),
        cmocka_unit_test(clock_does_not_jump_over_a_stop),
        cmocka_unit_test(clock_page_and_tsc_do_not_jump_over_a_stop),
        cmocka_unit_test(clock_of_kvm_does_not_jump_over_a_stop),
        cmocka_unit_test(clock_that_stands_still_brings_no_timer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
