/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/overlay.c - pages that the hypervisor lays over the guest's, and takes away
 *
 * What was in a page comes back, byte for byte, when its register lets go, whichever of
 * the five registers it was and however it let go. [TLFS 5.2.1]
 */
#include <string.h>

#include "test/guest/kernel/kernel.h"

#define MARK_AT 0x900u

static uint8_t page_a[PAGE] __attribute__((aligned(4096)));
static uint8_t page_b[PAGE] __attribute__((aligned(4096)));

static void
fill(uint8_t *page, uint8_t seed)
{
    for (uint32_t i = 0; i < PAGE; i++)
        page[i] = (uint8_t)(seed + i * 7 + i / 256);
}

/* The first byte that is not as fill() left it, or PAGE. */
static uint32_t
differs_at(const uint8_t *page, uint8_t seed)
{
    uint32_t i = 0;

    while (i < PAGE &&
           ((const volatile uint8_t *)page)[i] == (uint8_t)(seed + i * 7 + i / 256))
        i++;
    return i;
}

static bool
is_zero_from(const uint8_t *page, uint32_t at)
{
    while (at < PAGE && ((const volatile uint8_t *)page)[at] == 0)
        at++;
    return at == PAGE;
}

static uint64_t
on(const uint8_t *page)
{
    return (uintptr_t)page | ENL_PAGE_REG_ENABLE;
}

/* header: bytes that the hypervisor fills; behind them the page is zero. */
static void
check_overlay(uint32_t msr, uint32_t header, bool may_write)
{
    fill(page_a, 0x11);
    fill(page_b, 0x77);
    msr_write(msr, on(page_a));
    EQUAL(msr_read(msr), on(page_a));
    CHECK(differs_at(page_a, 0x11) < PAGE);
    CHECK(is_zero_from(page_a, header));
    if (may_write)
        page_a[MARK_AT] = 0xEE;
    /* The same address again changes nothing. */
    msr_write(msr, on(page_a));
    if (may_write)
        EQUAL(((volatile uint8_t *)page_a)[MARK_AT], 0xEE);
    msr_write(msr, on(page_b));
    EQUAL(differs_at(page_a, 0x11), PAGE);
    CHECK(is_zero_from(page_b, header));
    msr_write(msr, (uintptr_t)page_b);
    EQUAL(differs_at(page_b, 0x77), PAGE);
    msr_write(msr, on(page_a));
    CHECK(is_zero_from(page_a, header));
    msr_write(msr, 0);
    EQUAL(differs_at(page_a, 0x11), PAGE);
    EQUAL(msr_read(msr), 0);
}

static void
simp_covers_and_uncovers(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC));
    check_overlay(ENL_MSR_SIMP, 0, true);
}

static void
siefp_covers_and_uncovers(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC));
    check_overlay(ENL_MSR_SIEFP, 0, true);
}

static void
reference_tsc_covers_and_uncovers(void)
{
    REQUIRE(has_priv(ENL_PRIV_REFERENCE_TSC));
    check_overlay(ENL_MSR_REFERENCE_TSC, 40, false);
}

/* KVM uses the first word of it. */
static void
vp_assist_covers_and_uncovers(void)
{
    REQUIRE(has_priv(ENL_PRIV_HYPERCALL));
    check_overlay(ENL_MSR_VP_ASSIST_PAGE, 4, true);
}

static void
hypercall_page_covers_and_uncovers(void)
{
    hypercall_page_on();
    check_overlay(ENL_MSR_HYPERCALL, 256, false);
    hypercall_page_off();
}

static void
hypercall_page_goes_with_guest_os_id(void)
{
    fill(page_a, 0x33);
    msr_write(ENL_MSR_GUEST_OS_ID, 0);
    msr_write(ENL_MSR_HYPERCALL, on(page_a));
    EQUAL(differs_at(page_a, 0x33), PAGE);
    EQUAL(msr_read(ENL_MSR_HYPERCALL) & ENL_HYPERCALL_ENABLE, 0);
    msr_write(ENL_MSR_GUEST_OS_ID, GUEST_OS_ID);
    EQUAL(msr_read(ENL_MSR_GUEST_OS_ID), GUEST_OS_ID);
    msr_write(ENL_MSR_HYPERCALL, on(page_a));
    CHECK(differs_at(page_a, 0x33) < PAGE);
    msr_write(ENL_MSR_GUEST_OS_ID, 0);
    EQUAL(msr_read(ENL_MSR_HYPERCALL) & ENL_HYPERCALL_ENABLE, 0);
    EQUAL(differs_at(page_a, 0x33), PAGE);
    msr_write(ENL_MSR_HYPERCALL, 0);
}

/* Two registers at one page: refused or ignored, and nothing is lost either way. */
static void
two_overlays_on_a_page_lose_nothing(void)
{
    int fault;

    REQUIRE(has_priv(ENL_PRIV_SYNIC));
    fill(page_a, 0x55);
    msr_write(ENL_MSR_SIMP, on(page_a));
    page_a[MARK_AT] = 0xEE;
    fault = msr_try_write(ENL_MSR_VP_ASSIST_PAGE, on(page_a));
    EQUAL(fault, FAULT_GP);
    EQUAL(msr_read(ENL_MSR_VP_ASSIST_PAGE), 0);
    EQUAL(((volatile uint8_t *)page_a)[MARK_AT], 0xEE);
    fault = msr_try_write(ENL_MSR_SIEFP, on(page_a));
    CHECK(fault == FAULT_GP || fault == FAULT_NONE);
    EQUAL(((volatile uint8_t *)page_a)[MARK_AT], 0xEE);
    msr_write(ENL_MSR_SIMP, 0);
    msr_write(ENL_MSR_SIEFP, 0);
    EQUAL(differs_at(page_a, 0x55), PAGE);
}

/* What is filtered for the core faults on both engines; KVM itself takes any SIMP. */
static void
overlays_outside_of_memory_are_refused(void)
{
    static const uint64_t outside[] = {UINT64_C(0xFE000000), UINT64_C(1) << 36,
                                       UINT64_C(1) << 46, UINT64_C(0xFFFFFFFFFFFFF000)};
    static const uint32_t faulting[] = {ENL_MSR_HYPERCALL, ENL_MSR_REFERENCE_TSC,
                                        ENL_MSR_VP_ASSIST_PAGE};

    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_REFERENCE_TSC));
    msr_write(ENL_MSR_GUEST_OS_ID, GUEST_OS_ID);
    for (size_t i = 0; i < COUNT(outside); i++) {
        for (size_t j = 0; j < COUNT(faulting); j++) {
            EQUAL(msr_try_write(faulting[j], outside[i] | 1), FAULT_GP);
            EQUAL(msr_read(faulting[j]), 0);
        }
        (void)msr_try_write(ENL_MSR_SIMP, outside[i] | 1);
        (void)msr_try_write(ENL_MSR_SIEFP, outside[i] | 1);
        msr_write(ENL_MSR_SIMP, 0);
        msr_write(ENL_MSR_SIEFP, 0);
    }
    check_overlay(ENL_MSR_SIMP, 0, true);
    msr_write(ENL_MSR_GUEST_OS_ID, 0);
}

const struct test overlay_tests[] = {
    {"simp_covers_and_uncovers", "O01 O03 M14", simp_covers_and_uncovers},
    {"siefp_covers_and_uncovers", "O01 O03 M14", siefp_covers_and_uncovers},
    {"reference_tsc_covers_and_uncovers", "O01 O04 M07",
     reference_tsc_covers_and_uncovers},
    {"vp_assist_covers_and_uncovers", "O01 O05 M11", vp_assist_covers_and_uncovers},
    {"hypercall_page_covers_and_uncovers", "O01 O02 M02",
     hypercall_page_covers_and_uncovers},
    {"hypercall_page_goes_with_guest_os_id", "M01 M02",
     hypercall_page_goes_with_guest_os_id},
    {"two_overlays_on_a_page_lose_nothing", "O06", two_overlays_on_a_page_lose_nothing},
    {"overlays_outside_of_memory_are_refused", "O06",
     overlays_outside_of_memory_are_refused},
    {NULL, NULL, NULL},
};
