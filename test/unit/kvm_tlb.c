/* SPDX-License-Identifier: BSD-2-Clause */
/* H21 to H23 on the user engine: each target toggles CR4.PGE before it runs again. */
#include "fake_kvm.h"

#include <pthread.h>
#include <sched.h>

#define CR4_PGE 0x80u

static void
flush(uint32_t vp, uint64_t mask)
{
    enlk_engine_ops(k.engine)->flush_tlb(k.engine, vp, &mask, 1);
}

static int
setup(void **state)
{
    (void)state;
    fake_kvm_init(ENLK_USER, 4, 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    fake_kvm_fini();
    return 0;
}

static void
enter(uint32_t vp)
{
    enlk_vcpu_enter(k.engine, vp);
    enlk_vcpu_leave(k.engine, vp);
}

static void
tlb_targets_toggle_once_and_others_never(void **state)
{
    struct enlk_counters counters;

    (void)state;
    flush(0, 0x6);
    for (uint32_t vp = 0; vp < 4; vp++) {
        enter(vp);
        enter(vp);
        assert_int_equal(k.vcpu[vp].set_sregs, vp == 1 || vp == 2 ? 2 : 0);
    }
    assert_int_equal(k.vcpu[1].cr4_seen[0] & CR4_PGE, 0);
    assert_int_equal(k.vcpu[1].cr4_seen[1] & CR4_PGE, CR4_PGE);
    enlk_engine_counters(k.engine, &counters);
    assert_int_equal(counters.tlb_flushes, 2);
}

static void
tlb_the_caller_is_flushed_before_it_runs(void **state)
{
    (void)state;
    flush(3, 0x8);
    assert_int_equal(k.vcpu[3].set_sregs, 0);
    enter(3);
    assert_int_equal(k.vcpu[3].set_sregs, 2);
}

static void
tlb_who_does_not_run_is_not_kicked_or_waited_for(void **state)
{
    (void)state;
    flush(0, 0xF);
    for (uint32_t vp = 0; vp < 4; vp++)
        assert_int_equal(k.kicks[vp], 0);
}

static void
tlb_bits_beyond_the_vps_are_nobody(void **state)
{
    (void)state;
    flush(0, UINT64_MAX);
    enter(1);
    assert_int_equal(k.vcpu[1].set_sregs, 2);
}

/* The target is within KVM_RUN until it is kicked. */
static void *
target(void *ctx)
{
    _Atomic bool *inside = ctx;

    enlk_vcpu_enter(k.engine, 1);
    *inside = true;
    while (!k.kicks[1])
        sched_yield();
    enlk_vcpu_leave(k.engine, 1);
    enter(1);
    return NULL;
}

static void
tlb_a_running_target_is_kicked_and_waited_for(void **state)
{
    _Atomic bool inside = false;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, target, (void *)&inside), 0);
    while (!inside)
        sched_yield();
    flush(0, 0x2);
    pthread_join(thread, NULL);
    assert_int_equal(k.kicks[1], 1);
    assert_int_equal(k.vcpu[1].set_sregs, 2);
}

static void
tlb_reset_drops_what_is_due(void **state)
{
    (void)state;
    flush(0, 0xF);
    enlk_engine_reset(k.engine);
    enter(1);
    assert_int_equal(k.vcpu[1].set_sregs, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tlb_targets_toggle_once_and_others_never, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tlb_the_caller_is_flushed_before_it_runs, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tlb_who_does_not_run_is_not_kicked_or_waited_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(tlb_bits_beyond_the_vps_are_nobody, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tlb_a_running_target_is_kicked_and_waited_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(tlb_reset_drops_what_is_due, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
