/* SPDX-License-Identifier: BSD-2-Clause */
/* A partition's creation, what it refuses, its reset, and its end without a trace. */
#include "core_rig.h"

static int
create(void)
{
    struct enlh_partition *partition = NULL;
    int err = enlh_partition_create(&f.config, &f.ops, &f, &partition);

    if (err == 0)
        enlh_partition_destroy(partition);
    else
        assert_null(partition);
    return err;
}

static int
rig_init(void **state)
{
    (void)state;
    fake_init(&f);
    return 0;
}

static void
partition_refuses_bad_counts_and_features(void **state)
{
    (void)state;
    assert_int_equal(create(), 0);
    f.config.vp_count = 0;
    assert_err(create(), ENL_E_INVAL);
    f.config.vp_count = 2049;
    assert_err(create(), ENL_E_INVAL);
    f.config.vp_count = 2048;
    assert_int_equal(create(), 0);
    f.config.features.set |= UINT64_C(1) << 63;
    assert_err(create(), ENL_E_INVAL);
    f.config.features.set = ENLH_F_BIT(ENLH_F_STIMER);
    assert_err(create(), ENL_E_INVAL);
    f.config.features.set = 0;
    assert_int_equal(create(), 0);
    f.config.vendor[12] = 'x';
    assert_err(create(), ENL_E_INVAL);
}

static void
partition_refuses_missing_callbacks(void **state)
{
    struct enlh_ops whole = f.ops;

    (void)state;
    f.ops.kick = NULL;
    assert_err(create(), ENL_E_INVAL);
    f.ops = whole;
    f.ops.unlock = NULL;
    assert_err(create(), ENL_E_INVAL);
    f.ops = whole;
    f.ops.lock = NULL;
    assert_err(create(), ENL_E_INVAL);
    f.ops = whole;
    f.ops.time_100ns = NULL;
    assert_err(create(), ENL_E_INVAL);
    f.ops = whole;
    f.ops.log = NULL;
    f.ops.bug = NULL;
    f.ops.tsc_page = NULL;
    f.ops.vp_runtime_100ns = NULL;
    f.ops.flush_tlb = NULL;
    assert_int_equal(create(), 0);
}

/* An embedder that was built against an older header has a shorter struct. */
static int
never_called(void *ctx, uint32_t vp, uint32_t reg, bool write, uint64_t *value)
{
    (void)ctx;
    (void)vp;
    (void)reg;
    (void)write;
    (void)value;
    fail();
    return 0;
}

static void
partition_takes_a_shorter_struct(void **state)
{
    const struct enlh_config *config;

    (void)state;
    f.ops.apic_reg = never_called;
    f.ops.size = offsetof(struct enlh_ops, apic_reg);
    f.config.nested_ebx = 77;
    f.config.size = offsetof(struct enlh_config, nested_ebx);
    fake_start(&f);
    config = enlh_partition_config(f.partition);
    assert_int_equal(config->nested_ebx, 0);
    assert_int_equal(config->features.set & ENLH_F_BIT(ENLH_F_VAPIC), 0);
    assert_int_not_equal(config->features.set & ENLH_F_BIT(ENLH_F_SYNIC), 0);
    assert_err(rig_set(0, ENL_REG_EOI, 0), ENL_E_ACCESS);
}

/* Each allocation in turn fails: an error, and nothing left behind. */
static void
partition_survives_any_lack_of_memory(void **state)
{
    int32_t i = 0;

    (void)state;
    f.config.vp_count = 4;
    for (;; i++) {
        f.alloc_countdown = i;
        if (create() == 0)
            break;
        assert_int_equal(f.alloc_bytes, 0);
        assert_int_equal(f.lock_count, 0);
    }
    assert_in_range(i, 2, 100);
}

static uint32_t locks_left;
static void *(*make_lock)(void *ctx);
static void *
few_locks(void *ctx)
{
    return locks_left-- > 0 ? make_lock(ctx) : NULL;
}

static void
partition_survives_a_lack_of_locks(void **state)
{
    (void)state;
    f.config.vp_count = 3;
    make_lock = f.ops.lock_create;
    f.ops.lock_create = few_locks;
    for (uint32_t i = 0; i < 4; i++) {
        locks_left = i;
        assert_err(create(), ENL_E_NOMEM);
        assert_int_equal(f.lock_count, 0);
    }
    locks_left = 4;
    assert_int_equal(create(), 0);
}

static void
partition_completes_its_configuration(void **state)
{
    (void)state;
    f.config.features.set &= ~ENLH_F_BIT(ENLH_F_SPINLOCKS);
    fake_start(&f);
    assert_int_equal(enlh_partition_config(f.partition)->max_vp_count, 64);
    assert_int_equal(enlh_partition_config(f.partition)->features.spin_retries,
                     UINT32_MAX);
    assert_string_equal(enlh_partition_config(f.partition)->vendor, "Microsoft Hv");
}

/* X-rows: the next kernel finds a machine that is as new. */
static void
partition_reset_makes_it_new(void **state)
{
    static const uint32_t reg[] = {ENL_REG_GUEST_OS_ID,
                                   ENL_REG_HYPERCALL,
                                   ENL_REG_REFERENCE_TSC,
                                   ENL_REG_SIMP,
                                   ENL_REG_SIEFP,
                                   ENL_REG_SCONTROL,
                                   ENL_REG_STIMER0_CONFIG,
                                   ENL_REG_STIMER0_COUNT,
                                   ENL_REG_CRASH_P0,
                                   ENL_REG_VP_ASSIST_PAGE,
                                   ENL_REG_REENLIGHTENMENT_CONTROL,
                                   ENL_REG_TSC_INVARIANT_CONTROL};

    (void)state;
    fake_start(&f);
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    fake_set(&f, 0, ENL_REG_HYPERCALL, 0x200001);
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, 0x201001);
    fake_set(&f, 0, ENL_REG_VP_ASSIST_PAGE, 0x202001);
    fake_set(&f, 0, ENL_REG_CRASH_P0, 1);
    fake_set(&f, 0, ENL_REG_REENLIGHTENMENT_CONTROL, 1);
    fake_set(&f, 0, ENL_REG_TSC_INVARIANT_CONTROL, 1);
    fake_synic_on(&f, 0, 2);
    fake_set(&f, 0, ENL_REG_STIMER0_CONFIG,
             ENL_STIMER_AUTO_ENABLE | 2u << ENL_STIMER_SINT_SHIFT);
    fake_set(&f, 0, ENL_REG_STIMER0_COUNT, 50000);
    assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), 2, 1, 0, "a", 1), 0);

    enlh_partition_reset(f.partition);
    for (size_t i = 0; i < sizeof(reg) / sizeof(reg[0]); i++)
        assert_int_equal(fake_get(&f, 0, reg[i]), 0);
    assert_int_equal(fake_get(&f, 0, ENL_REG_SINT0 + 2), ENL_SINT_RESET_VALUE);
    assert_int_equal(f.deadline_100ns[0], UINT64_MAX);
    assert_true(enlh_vp_messages_done(fake_vp(&f, 0), 2));
    for (uint64_t gpa = 0; gpa < FAKE_RAM_LEN; gpa += ENL_PAGE_SIZE)
        assert_true(rig_page_is(gpa, 0xa5));
    /* Nothing of the past is delivered to the new one. */
    fake_forget(&f);
    fake_time(&f, 60000);
    fake_synic_on(&f, 0, 2);
    enlh_vp_enter(fake_vp(&f, 0));
    assert_int_equal(fake_slot(&f, 0, 2)->type, 0);
    assert_int_equal(f.interrupt_count, 0);
}

#define CASE_INIT(name) cmocka_unit_test_setup_teardown(name, rig_init, rig_fini)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_INIT(partition_refuses_bad_counts_and_features),
        CASE_INIT(partition_refuses_missing_callbacks),
        CASE_INIT(partition_takes_a_shorter_struct),
        CASE_INIT(partition_survives_any_lack_of_memory),
        CASE_INIT(partition_survives_a_lack_of_locks),
        CASE_INIT(partition_completes_its_configuration),
        CASE_INIT(partition_reset_makes_it_new),
    };

    (void)rig_boot;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
