/* SPDX-License-Identifier: BSD-2-Clause */
/* Entering a VP: free when nothing waits, and nothing that waits is passed by. */
#include "core_rig.h"

static uint32_t locks;
static void *
no_lock(void *ctx)
{
    return ctx;
}
static void
no_destroy(void *ctx, void *lock)
{
    (void)ctx;
    (void)lock;
}
static void
count_lock(void *ctx, void *lock)
{
    (void)ctx;
    (void)lock;
    locks++;
}
static void
no_unlock(void *ctx, void *lock)
{
    (void)ctx;
    (void)lock;
}

static void
vp_enter_takes_no_lock_when_nothing_waits(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.ops.lock_create = no_lock;
    f.ops.lock_destroy = no_destroy;
    f.ops.lock = count_lock;
    f.ops.unlock = no_unlock;
    fake_start(&f);
    fake_synic_on(&f, 0, 2);
    enlh_vp_enter(fake_vp(&f, 0));
    locks = 0;
    enlh_vp_enter(fake_vp(&f, 0));
    assert_int_equal(locks, 0);
    assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), 2, 1, 0, "a", 1), 0);
    enlh_vp_enter(fake_vp(&f, 0));
    assert_int_equal(fake_slot(&f, 0, 2)->type, 1);
    /* Behind a full slot a message waits for the EOM, not for each entry. */
    assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), 2, 1, 0, "b", 1), 0);
    enlh_vp_enter(fake_vp(&f, 0));
    locks = 0;
    enlh_vp_enter(fake_vp(&f, 0));
    assert_int_equal(locks, 0);
}

/* An embedder with one thread has no locks at all. */
static void
vp_works_without_locks(void **state)
{
    struct enl_message message;

    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.ops.lock_create = NULL;
    f.ops.lock_destroy = NULL;
    f.ops.lock = NULL;
    f.ops.unlock = NULL;
    fake_start(&f);
    assert_int_equal(f.lock_count, 0);
    fake_synic_on(&f, 0, 2);
    assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), 2, 1, 0, "a", 1), 0);
    assert_true(fake_take_message(&f, 0, 2, &message));
    assert_int_equal(enlh_vp_signal_event(fake_vp(&f, 0), 2, 1), 1);
}

/* A message that comes while others are delivered is seen by the next entry. */
static void
post_again(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    struct fake *fake = ctx;

    (void)vector;
    (void)auto_eoi;
    if (fake->interrupt_count++ == 0)
        (void)!enlh_vp_post_message(fake_vp(fake, vp), 3, 1, 0, "b", 1);
}

static void
vp_enter_misses_no_late_message(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.ops.interrupt = post_again;
    fake_start(&f);
    fake_synic_on(&f, 0, 2);
    fake_set(&f, 0, ENL_REG_SINT0 + 3, 0x40);
    enlh_vp_enter(fake_vp(&f, 0));
    fake_forget(&f);
    assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), 2, 1, 0, "a", 1), 0);
    assert_int_equal(f.kick_count[0], 1);
    enlh_vp_enter(fake_vp(&f, 0));
    /* The second post was after the look at SINT 3's queue, or not; a kick says so. */
    assert_int_equal(f.kick_count[0], 2);
    enlh_vp_enter(fake_vp(&f, 0));
    assert_int_equal(fake_slot(&f, 0, 3)->type, 1);
}

static void
vp_index_beyond_the_last_is_no_vp(void **state)
{
    (void)state;
    assert_non_null(enlh_partition_vp(f.partition, 1));
    assert_null(enlh_partition_vp(f.partition, 2));
    assert_null(enlh_partition_vp(f.partition, UINT32_MAX));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(vp_enter_takes_no_lock_when_nothing_waits),
        CASE(vp_works_without_locks),
        CASE(vp_enter_misses_no_late_message),
        CASE(vp_index_beyond_the_last_is_no_vp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
