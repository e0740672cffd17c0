/* SPDX-License-Identifier: BSD-2-Clause */
/* M10, M11, O05: the assist page of each VP, and the embedder's APIC. */
#include "core_rig.h"

#include "enlight/abi/cpuid.h"
#include "enlight/abi/vp_assist.h"
#include "enlight/host/x86_64.h"

#define PAGE UINT64_C(0x300000)
#define ON   ENL_VP_ASSIST_ENABLE

static struct {
    uint32_t vp, reg;
    uint64_t value;
    bool write;
} apic;

static int
apic_reg(void *ctx, uint32_t vp, uint32_t reg, bool write, uint64_t *value)
{
    (void)ctx;
    apic.vp = vp;
    apic.reg = reg;
    apic.write = write;
    if (write && *value == UINT64_MAX)
        return -ENL_E_INVAL;
    if (write)
        apic.value = *value;
    else
        *value = 0x77;
    return 0;
}

static int
start_with_apic(void **state)
{
    (void)state;
    fake_init(&f);
    f.config.vp_count = 2;
    f.ops.apic_reg = apic_reg;
    fake_start(&f);
    return 0;
}

static void
assist_page_is_each_vps_own(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_VP_ASSIST_PAGE, PAGE | ON);
    fake_set(&f, 1, ENL_REG_VP_ASSIST_PAGE, (PAGE + 0x1000) | ON);
    assert_int_equal(fake_get(&f, 0, ENL_REG_VP_ASSIST_PAGE), PAGE | ON);
    assert_int_equal(fake_get(&f, 1, ENL_REG_VP_ASSIST_PAGE), (PAGE + 0x1000) | ON);
    assert_true(rig_page_is(PAGE, 0));
    assert_true(rig_page_is(PAGE + 0x1000, 0));
}

/* An EOI that the guest left out would leave the in-service bit set for ever. */
static void
assist_page_never_says_no_eoi(void **state)
{
    struct enl_vp_assist_page *page = fake_at(&f, PAGE, sizeof(*page));

    (void)state;
    fake_set(&f, 0, ENL_REG_VP_ASSIST_PAGE, PAGE | ON);
    fake_synic_on(&f, 0, 2);
    assert_int_equal(enlh_vp_signal_event(fake_vp(&f, 0), 2, 1), 1);
    assert_int_equal(page->apic_assist & ENL_APIC_ASSIST_NO_EOI, 0);
}

static void
assist_apic_is_the_embedders(void **state)
{
    (void)state;
    fake_set(&f, 1, ENL_REG_EOI, 0);
    assert_int_equal(apic.reg, ENL_REG_EOI);
    assert_int_equal(apic.vp, 1);
    assert_true(apic.write);
    fake_set(&f, 0, ENL_REG_TPR, 0x20);
    assert_int_equal(apic.value, 0x20);
    assert_int_equal(fake_get(&f, 0, ENL_REG_ICR), 0x77);
    assert_false(apic.write);
    assert_err(rig_set(0, ENL_REG_ICR, UINT64_MAX), ENL_E_INVAL);
    /* EOI has nothing to read. */
    assert_err(rig_get(0, ENL_REG_EOI), ENL_E_INVAL);
}

static void
assist_apic_is_announced_where_there_is_one(void **state)
{
    struct enlh_cpuid leaf[16];

    (void)state;
    assert_true(enlh_x64_cpuid(f.partition, leaf) >= 5);
    assert_int_equal(leaf[3].eax & ENL_PRIV_APIC, ENL_PRIV_APIC);
    assert_int_equal(leaf[4].eax & ENL_HINT_APIC_MSRS, ENL_HINT_APIC_MSRS);
}

static void
assist_without_an_apic_has_only_the_page(void **state)
{
    (void)state;
    assert_err(rig_set(0, ENL_REG_EOI, 0), ENL_E_ACCESS);
    assert_err(rig_get(0, ENL_REG_TPR), ENL_E_ACCESS);
    assert_int_equal(rig_set(0, ENL_REG_VP_ASSIST_PAGE, PAGE | ON), 0);
}

/* The hypervisor below hears of it after the page is laid, and before it is lifted. */
static bool page_was_zero;
static int
look_at_the_page(void *ctx, uint32_t vp, uint32_t reg, uint64_t value)
{
    (void)ctx;
    (void)vp;
    (void)reg;
    (void)value;
    page_was_zero = rig_page_is(PAGE, 0);
    return 0;
}

static void
assist_page_is_covered_while_the_one_below_hears(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    fake_use_below(&f);
    f.ops.forward_reg = look_at_the_page;
    fake_start(&f);
    fake_set(&f, 0, ENL_REG_VP_ASSIST_PAGE, PAGE | ON);
    assert_true(page_was_zero);
    page_was_zero = false;
    fake_set(&f, 0, ENL_REG_VP_ASSIST_PAGE, 0);
    assert_true(page_was_zero);
    assert_true(rig_page_is(PAGE, 0xa5));
}

static void
assist_page_that_is_refused_below_is_not_laid(void **state)
{
    (void)state;
    f.forward_result = -1;
    assert_err(rig_set(0, ENL_REG_VP_ASSIST_PAGE, PAGE | ON), ENL_E_INVAL);
    assert_true(rig_page_is(PAGE, 0xa5));
    assert_int_equal(fake_get(&f, 0, ENL_REG_VP_ASSIST_PAGE), 0);
    f.forward_result = 0;
    fake_set(&f, 0, ENL_REG_VP_ASSIST_PAGE, PAGE | ON);
    f.forward_result = -1;
    assert_err(rig_set(0, ENL_REG_VP_ASSIST_PAGE, 0), ENL_E_INVAL);
    assert_int_equal(fake_get(&f, 0, ENL_REG_VP_ASSIST_PAGE), PAGE | ON);
    assert_true(rig_page_is(PAGE, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(assist_page_is_each_vps_own),
        CASE(assist_page_never_says_no_eoi),
        cmocka_unit_test_setup_teardown(assist_apic_is_the_embedders, start_with_apic,
                                        rig_fini),
        cmocka_unit_test_setup_teardown(assist_apic_is_announced_where_there_is_one,
                                        start_with_apic, rig_fini),
        CASE(assist_without_an_apic_has_only_the_page),
        CASE(assist_page_is_covered_while_the_one_below_hears),
        CASE_BELOW(assist_page_that_is_refused_below_is_not_laid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
