/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/core_rig.h - what each test of host/core starts with: cmocka, one fake
 * embedder, and a partition of two VPs that is made and destroyed around every case
 */
#ifndef TEST_UNIT_CORE_RIG_H
#define TEST_UNIT_CORE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "fake_partition.h"
#include "host/core/vp.h"

static struct fake f;

static int
rig_boot(void **state)
{
    (void)state;
    fake_boot(&f, 2);
    return 0;
}

/* Another hypervisor has SINTs and timers. */
static inline int
rig_boot_below(void **state)
{
    (void)state;
    fake_init(&f);
    fake_use_below(&f);
    f.config.vp_count = 2;
    fake_start(&f);
    return 0;
}

static int
rig_fini(void **state)
{
    (void)state;
    fake_fini(&f);
    return 0;
}

static inline int
rig_set(uint32_t vp, uint32_t reg, uint64_t value)
{
    return enlh_vp_set_reg(fake_vp(&f, vp), reg, value);
}

static inline int
rig_get(uint32_t vp, uint32_t reg)
{
    uint64_t value;

    return enlh_vp_get_reg(fake_vp(&f, vp), reg, &value);
}

static inline struct enlh_counters
rig_counters(void)
{
    struct enlh_counters counters;

    enlh_partition_counters(f.partition, &counters);
    return counters;
}

/* Every byte of the page is this one. */
static inline bool
rig_page_is(uint64_t gpa, uint8_t byte)
{
    const uint8_t *page = fake_at(&f, gpa, ENL_PAGE_SIZE);

    for (uint32_t i = 0; i < ENL_PAGE_SIZE; i++) {
        if (page[i] != byte)
            return false;
    }
    return true;
}

/* Fails when they differ, and says by how much. */
#define assert_err(expression, error) assert_int_equal((expression), -(error))

#define CASE(name)       cmocka_unit_test_setup_teardown(name, rig_boot, rig_fini)
#define CASE_BELOW(name) cmocka_unit_test_setup_teardown(name, rig_boot_below, rig_fini)

#endif
