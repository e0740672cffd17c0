/* SPDX-License-Identifier: BSD-2-Clause */
/* T02, T03, M07, O04: the reference TSC page. */
#include <pthread.h>

#include "core_rig.h"

#define PAGE UINT64_C(0x300000)
#define ON   ENL_REFERENCE_TSC_ENABLE

static struct enl_reference_tsc_page *
tsc_page(void)
{
    return fake_at(&f, PAGE, ENL_PAGE_SIZE);
}

static void
clock_page_tells_scale_and_offset(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_equal(tsc_page()->sequence, 1);
    assert_int_equal(tsc_page()->scale, f.tsc.scale);
    assert_int_equal(tsc_page()->offset, f.tsc.offset);
    for (size_t i = 24; i < ENL_PAGE_SIZE; i++)
        assert_int_equal(((uint8_t *)tsc_page())[i], 0);
    assert_int_equal(fake_get(&f, 1, ENL_REG_REFERENCE_TSC), PAGE | ON);
}

static void
clock_page_of_an_unstable_tsc_points_to_the_register(void **state)
{
    (void)state;
    f.tsc_stable = false;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_true(rig_page_is(PAGE, 0));
    /* It has become unstable since: a page that was valid is no more. */
    f.tsc_stable = true;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_not_equal(tsc_page()->sequence, 0);
    f.tsc_stable = false;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_equal(tsc_page()->sequence, 0);
}

static void
clock_page_change_gets_a_new_sequence(void **state)
{
    uint32_t first;

    (void)state;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    first = tsc_page()->sequence;
    f.tsc.scale++;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_equal(tsc_page()->scale, f.tsc.scale);
    assert_int_not_equal(tsc_page()->sequence, first);
    /* Also across off and on: a reader may have slept in between. */
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, 0);
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_equal(tsc_page()->sequence, 3);
}

static void
clock_page_sequence_skips_what_means_invalid(void **state)
{
    struct enlh_clock_state saved;

    (void)state;
    enlh_clock_save(f.partition, &saved);
    saved.sequence = UINT32_MAX - 1;
    assert_int_equal(enlh_clock_restore(f.partition, &saved), 0);
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_equal(tsc_page()->sequence, 1);
    enlh_partition_reset(f.partition);
    saved.sequence = UINT32_MAX;
    assert_int_equal(enlh_clock_restore(f.partition, &saved), 0);
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_equal(tsc_page()->sequence, 1);
}

/* A guest that is scribbling over the page's address when it is set does no harm. */
static void
clock_page_off_is_not_written(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE);
    assert_true(rig_page_is(PAGE, 0xa5));
}

/* A reader that follows the protocol never pairs one scale with another's offset. */
static void *
read_page(void *arg)
{
    struct enl_reference_tsc_page *page = arg;
    uintptr_t torn = 0;

    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t before = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
        uint64_t scale = __atomic_load_n(&page->scale, __ATOMIC_ACQUIRE);
        int64_t offset = __atomic_load_n(&page->offset, __ATOMIC_ACQUIRE);
        uint32_t after = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);

        if (before == after && before != 0 && scale != (uint64_t)offset)
            torn++;
    }
    return (void *)torn;
}

static void
clock_page_is_never_torn(void **state)
{
    pthread_t reader;
    void *torn;

    (void)state;
    f.tsc = (struct enlh_tsc_page){.scale = 1, .offset = 1};
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_int_equal(pthread_create(&reader, NULL, read_page, tsc_page()), 0);
    for (uint32_t i = 2; i < 20000; i++) {
        f.tsc = (struct enlh_tsc_page){.scale = i, .offset = i};
        fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    }
    assert_int_equal(pthread_join(reader, &torn), 0);
    assert_ptr_equal(torn, NULL);
}

/* The hypervisor below fills the page; ours is zeros. */
static void
clock_page_is_left_to_the_hypervisor_below(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE | ON);
    assert_true(rig_page_is(PAGE, 0));
    assert_int_equal(f.forward_count, 1);
    assert_int_equal(f.forward[0].reg, ENL_REG_REFERENCE_TSC);
    assert_int_equal(f.forward[0].value, PAGE | ON);
    enlh_partition_reset(f.partition);
    assert_int_equal(f.forward[1].value, 0);
    assert_true(rig_page_is(PAGE, 0xa5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(clock_page_tells_scale_and_offset),
        CASE(clock_page_of_an_unstable_tsc_points_to_the_register),
        CASE(clock_page_change_gets_a_new_sequence),
        CASE(clock_page_sequence_skips_what_means_invalid),
        CASE(clock_page_off_is_not_written),
        CASE(clock_page_is_never_torn),
        CASE_BELOW(clock_page_is_left_to_the_hypervisor_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
