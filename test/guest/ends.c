/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/ends.c - the ways in which a guest ends other than by power-off
 *
 * After the tests, by the command line: end=NAME. The exit status and the words of the
 * VMM are the runner's to check. [TLFS 2.6, 7.4]
 */
#include <string.h>

#include "test/guest/synic_rig.h"

#define REBOOT_UNTIL UINT64_C(30000000) /* 3 s, in 100 ns */

/* The host takes the text by address and length; the rest of the page is not its. */
static void
crash(bool with_text)
{
    static const char text[] =
        "tiny guest: first line\ntiny guest: second line\nnot this";
    size_t len = sizeof(text) - sizeof("not this");

    msr_write(ENL_MSR_GUEST_OS_ID, GUEST_OS_ID);
    msr_write(ENL_MSR_CRASH_P0, 0xC0FFEE);
    msr_write(ENL_MSR_CRASH_P0 + 1, 0x1001);
    msr_write(ENL_MSR_CRASH_P0 + 2, 0x2002);
    msr_write(ENL_MSR_CRASH_P0 + 3, with_text ? (uintptr_t)text : 0x3003);
    msr_write(ENL_MSR_CRASH_P0 + 4, with_text ? len : 0x4004);
    msr_write(ENL_MSR_CRASH_CTL,
              ENL_CRASH_CTL_NOTIFY | (with_text ? ENL_CRASH_CTL_MESSAGE : 0));
}

static void
triple_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = {0, 0};

    interrupts_off();
    __asm__ volatile("lidt %0; ud2" : : "m"(idt));
}

/*
 * Reset with everything on, timers running, until the machine is three seconds old: each
 * start runs the tests again, which begin with the registers' reset values.
 */
static void
reboot(void)
{
    if (reference_time() > REBOOT_UNTIL)
        return;
    hypercall_page_on();
    rig_on();
    rig_sint(2, VECTOR_A);
    msr_write(ENL_MSR_VP_ASSIST_PAGE, 0x300000 | ENL_VP_ASSIST_ENABLE);
    msr_write(ENL_MSR_REFERENCE_TSC, 0x301000 | ENL_REFERENCE_TSC_ENABLE);
    msr_write(ENL_MSR_STIMER0_COUNT, 10000);
    msr_write(ENL_MSR_STIMER0_CONFIG,
              (2u << ENL_STIMER_SINT_SHIFT) | ENL_STIMER_PERIODIC | ENL_STIMER_ENABLE);
    spin_us(5000);
    msr_write(ENL_MSR_RESET, ENL_RESET_RESET);
    spin_us(5000000);
    say("not ok - the reset register does nothing (M04)\n");
}

void
ends_run(void)
{
    if (option_is("end", "reset"))
        msr_write(ENL_MSR_RESET, ENL_RESET_RESET);
    else if (option_is("end", "acpi-reset"))
        machine_reset();
    else if (option_is("end", "crash"))
        crash(false);
    else if (option_is("end", "crash-text"))
        crash(true);
    else if (option_is("end", "triple-fault"))
        triple_fault();
    else if (option_is("end", "reboot"))
        reboot();
    else
        return;
    if (!option_is("end", "reboot"))
        spin_us(5000000);
}

/* Not in tests=all: what it does lasts until a reset. */
static void
locked_hypercall_page_stays(void)
{
    uint64_t value =
        (uintptr_t)hypercall_page | ENL_HYPERCALL_ENABLE | ENL_HYPERCALL_LOCKED;

    REQUIRE(has_priv(ENL_PRIV_HYPERCALL));
    msr_write(ENL_MSR_GUEST_OS_ID, GUEST_OS_ID);
    msr_write(ENL_MSR_HYPERCALL, value);
    (void)msr_try_write(ENL_MSR_HYPERCALL, 0);
    EQUAL(msr_read(ENL_MSR_HYPERCALL), value);
    (void)msr_try_write(ENL_MSR_HYPERCALL, 0x300000 | ENL_HYPERCALL_ENABLE);
    EQUAL(msr_read(ENL_MSR_HYPERCALL), value);
    EQUAL(hypercall(0x7777, 0, 0), ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
}

const struct test lock_tests[] = {
    {"locked_hypercall_page_stays", "M02", locked_hypercall_page_stays},
    {NULL, NULL, NULL},
};
