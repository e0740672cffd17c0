/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_state.c - what a guest says by register: ends of interrupts, crashes, the
 * TSC's rate, and good-bye
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/abi/vp_assist.h"
#include "enlight/guest/assist.h"
#include "enlight/guest/clock.h"
#include "enlight/guest/crash.h"
#include "enlight/guest/leave.h"
#include "enlight/guest/reenlightenment.h"
#include "enlight/guest/stimer.h"
#include "guest_rig.h"

/* ---- the VP assist page ---- */

static struct enlg_assist assist;

static void
assist_up(uint32_t hints)
{
    rig.leaf[4].eax = hints;
    rig_again();
    memset(rig_page(1), 0xEE, ENL_PAGE_SIZE);
    assert_int_equal(enlg_assist_enable(&assist, &rig.partition, rig_page(1)), 0);
}

static void
assist_page_is_zeroed_and_handed_over(void **state)
{
    const struct enl_vp_assist_page *page = rig_page(1);

    (void)state;
    assist_up(0);
    assert_ptr_equal(enlg_assist_page(&assist), page);
    assert_int_equal(page->apic_assist, 0);
    assert_int_equal(page->vtl_return_actions[255], 0);
    assert_true(rig_reg(ENL_REG_VP_ASSIST_PAGE) & ENL_VP_ASSIST_ENABLE);
    assert_ptr_equal(rig_at(rig_reg(ENL_REG_VP_ASSIST_PAGE) & ENL_VP_ASSIST_GPA), page);
    enlg_assist_disable(&assist);
    assert_int_equal(rig_reg(ENL_REG_VP_ASSIST_PAGE), 0);
    assert_null(enlg_assist_page(&assist));
    enlg_assist_disable(&assist);
    assert_int_equal(rig_reg_writes(ENL_REG_VP_ASSIST_PAGE), 2);
}

static void
assist_says_once_that_no_eoi_is_needed(void **state)
{
    struct enl_vp_assist_page *page = rig_page(1);

    (void)state;
    assist_up(ENL_HINT_APIC_MSRS);
    page->apic_assist = ENL_APIC_ASSIST_NO_EOI;
    assert_true(enlg_assist_eoi(&assist));
    assert_int_equal(page->apic_assist, 0);
    assert_int_equal(rig_reg_writes(ENL_REG_EOI), 0);
    assert_true(enlg_assist_eoi(&assist));
    assert_int_equal(rig_reg_writes(ENL_REG_EOI), 1);
    /* Bits that nobody defined do not skip an EOI. */
    page->apic_assist = ~ENL_APIC_ASSIST_NO_EOI;
    assert_true(enlg_assist_eoi(&assist));
    assert_int_equal(rig_reg_writes(ENL_REG_EOI), 2);
}

static void
assist_leaves_the_eoi_to_the_kernel_without_the_hint(void **state)
{
    struct enl_vp_assist_page *page = rig_page(1);

    (void)state;
    assist_up(0);
    assert_false(enlg_assist_eoi(&assist));
    page->apic_assist = ENL_APIC_ASSIST_NO_EOI;
    assert_true(enlg_assist_eoi(&assist));
    assert_int_equal(rig_reg_writes(ENL_REG_EOI), 0);
    assist_up(ENL_HINT_APIC_MSRS);
    rig.refuse_reg = ENL_REG_EOI;
    assert_false(enlg_assist_eoi(&assist));
    rig.refuse_reg = 0;
    page->apic_assist = ENL_APIC_ASSIST_NO_EOI;
    enlg_assist_disable(&assist);
    assert_false(enlg_assist_eoi(&assist));
}

static void
assist_that_is_refused_ends_no_interrupt(void **state)
{
    (void)state;
    rig_again();
    assert_int_equal(enlg_assist_enable(&assist, &rig.partition, NULL), -ENL_E_INVAL);
    assert_int_equal(
        enlg_assist_enable(&assist, &rig.partition, (uint8_t *)rig_page(1) + 64),
        -ENL_E_INVAL);
    rig.refuse_reg = ENL_REG_VP_ASSIST_PAGE;
    assert_int_equal(enlg_assist_enable(&assist, &rig.partition, rig_page(1)),
                     -ENL_E_ACCESS);
    assert_false(enlg_assist_eoi(&assist));
    rig.refuse_reg = 0;
    rig.leaf[3].eax &= ~(uint32_t)ENL_PRIV_APIC;
    rig_again();
    assert_int_equal(enlg_assist_enable(&assist, &rig.partition, rig_page(1)),
                     -ENL_E_ACCESS);
    assert_false(enlg_assist_eoi(&assist));
    assert_int_equal(rig_reg_writes(ENL_REG_VP_ASSIST_PAGE), 0);
}

/* ---- crashes ---- */

static const struct enlg_crash numbers = {.param = {11, 22, 33, 44, 55}};

static void
host_takes(uint64_t control)
{
    rig.leaf[3].edx |= ENL_FEAT_CRASH;
    rig_again();
    rig_reg_set(ENL_REG_CRASH_CTL, control);
}

static struct enlg_crash
crash_text(uint32_t at, uint32_t len)
{
    struct enlg_crash crash = numbers;

    crash.text = (uint8_t *)rig_page(2) + at;
    crash.text_len = len;
    return crash;
}

static void
crash_numbers_are_there_before_the_bell(void **state)
{
    (void)state;
    host_takes(ENL_CRASH_CTL_NOTIFY);
    rig.write_count = 0;
    assert_int_equal(enlg_crash_report(&rig.partition, &numbers), 0);
    for (uint32_t i = 0; i < ENL_CRASH_PARAMS; i++) {
        assert_int_equal(rig_reg(ENL_REG_CRASH_P0 + i), 11 * (i + 1));
        assert_true(rig_order(ENL_REG_CRASH_P0 + i) < rig_order(ENL_REG_CRASH_CTL));
    }
    assert_true(rig_reg(ENL_REG_CRASH_CTL) == ENL_CRASH_CTL_NOTIFY);
}

static void
crash_text_goes_where_the_host_takes_it(void **state)
{
    struct enlg_crash crash = crash_text(100, 200);

    (void)state;
    host_takes(ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE | ENL_CRASH_CTL_NO_DUMP);
    assert_true(enlg_crash_supported(&rig.partition) ==
                (ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE));
    assert_int_equal(enlg_crash_report(&rig.partition, &crash), 1);
    assert_ptr_equal(rig_at(rig_reg(ENL_REG_CRASH_P3)), crash.text);
    assert_int_equal(rig_reg(ENL_REG_CRASH_P4), 200);
    assert_int_equal(rig_reg(ENL_REG_CRASH_P2), 33);
    assert_true(rig_reg(ENL_REG_CRASH_CTL) ==
                (ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE));
    host_takes(ENL_CRASH_CTL_NOTIFY);
    assert_int_equal(enlg_crash_report(&rig.partition, &crash), 0);
    assert_int_equal(rig_reg(ENL_REG_CRASH_P3), 44);
    assert_true(rig_reg(ENL_REG_CRASH_CTL) == ENL_CRASH_CTL_NOTIFY);
    host_takes(ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE);
    crash.text_len = 0;
    assert_int_equal(enlg_crash_report(&rig.partition, &crash), 0);
    assert_true(rig_reg(ENL_REG_CRASH_CTL) == ENL_CRASH_CTL_NOTIFY);
}

static void
crash_text_stays_in_its_page(void **state)
{
    struct enlg_crash crash = crash_text(0, 4096);

    (void)state;
    host_takes(ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE);
    assert_int_equal(enlg_crash_report(&rig.partition, &crash), 1);
    crash = crash_text(1, 4096);
    assert_int_equal(enlg_crash_report(&rig.partition, &crash), -ENL_E_INVAL);
    crash = crash_text(0, UINT32_MAX);
    assert_int_equal(enlg_crash_report(&rig.partition, &crash), -ENL_E_INVAL);
    assert_int_equal(rig_reg_writes(ENL_REG_CRASH_CTL), 1);
}

static void
crash_is_not_reported_to_who_does_not_listen(void **state)
{
    (void)state;
    rig_again();
    rig_reg_set(ENL_REG_CRASH_CTL, ENL_CRASH_CTL_NOTIFY);
    assert_int_equal(enlg_crash_report(&rig.partition, &numbers), -ENL_E_NOTSUP);
    host_takes(ENL_CRASH_CTL_MESSAGE);
    assert_int_equal(enlg_crash_report(&rig.partition, &numbers), -ENL_E_NOTSUP);
    host_takes(ENL_CRASH_CTL_NOTIFY);
    rig.unread_reg = ENL_REG_CRASH_CTL;
    assert_int_equal(enlg_crash_report(&rig.partition, &numbers), -ENL_E_NOTSUP);
    assert_int_equal(rig_reg_writes(ENL_REG_CRASH_P0), 0);
    rig.unread_reg = 0;
    rig.refuse_reg = ENL_REG_CRASH_P1;
    assert_int_equal(enlg_crash_report(&rig.partition, &numbers), -ENL_E_ACCESS);
    assert_int_equal(rig_reg_writes(ENL_REG_CRASH_CTL), 0);
}

/* ---- the TSC's rate ---- */

static void
clock_frequencies_need_both_bits(void **state)
{
    uint64_t tsc = 0, apic = 0;

    (void)state;
    rig_reg_set(ENL_REG_TSC_FREQUENCY, 2500000000);
    rig_reg_set(ENL_REG_APIC_FREQUENCY, 1000000000);
    rig_again();
    assert_int_equal(enlg_clock_frequencies(&rig.partition, &tsc, &apic), -ENL_E_NOTSUP);
    rig.leaf[3].edx |= ENL_FEAT_FREQUENCY;
    rig_again();
    assert_int_equal(enlg_clock_frequencies(&rig.partition, &tsc, &apic), 0);
    assert_true(tsc == 2500000000 && apic == 1000000000);
    rig.unread_reg = ENL_REG_APIC_FREQUENCY;
    assert_int_equal(enlg_clock_frequencies(&rig.partition, &tsc, NULL), 0);
    assert_int_equal(enlg_clock_frequencies(&rig.partition, NULL, &apic), -ENL_E_ACCESS);
    rig.leaf[3].eax &= ~(uint32_t)ENL_PRIV_FREQUENCY;
    rig_again();
    assert_int_equal(enlg_clock_frequencies(&rig.partition, &tsc, NULL), -ENL_E_NOTSUP);
}

static void
clock_invariant_tsc_is_asked_for_and_looked_at(void **state)
{
    (void)state;
    rig_again();
    assert_int_equal(enlg_clock_set_invariant(&rig.partition), -ENL_E_NOTSUP);
    assert_int_equal(rig_reg_writes(ENL_REG_TSC_INVARIANT_CONTROL), 0);
    rig.leaf[3].eax |= ENL_PRIV_TSC_INVARIANT;
    rig_again();
    assert_int_equal(enlg_clock_set_invariant(&rig.partition), 0);
    assert_int_equal(rig_reg(ENL_REG_TSC_INVARIANT_CONTROL), 1);
    rig.ignore_reg = ENL_REG_TSC_INVARIANT_CONTROL;
    rig_reg_set(ENL_REG_TSC_INVARIANT_CONTROL, 0);
    assert_int_equal(enlg_clock_set_invariant(&rig.partition), -ENL_E_IO);
    rig.refuse_reg = ENL_REG_TSC_INVARIANT_CONTROL;
    assert_int_equal(enlg_clock_set_invariant(&rig.partition), -ENL_E_ACCESS);
}

static void
reenlightenment_names_vector_and_vp(void **state)
{
    (void)state;
    rig_again();
    assert_int_equal(enlg_reenlightenment_enable(&rig.partition, 0xee, 5), 0);
    assert_true(rig_reg(ENL_REG_REENLIGHTENMENT_CONTROL) ==
                (0xee | UINT64_C(1) << 16 | UINT64_C(5) << 32));
    assert_int_equal(rig_reg(ENL_REG_TSC_EMULATION_CONTROL), 1);
    assert_true(rig_order(ENL_REG_REENLIGHTENMENT_CONTROL) <
                rig_order(ENL_REG_TSC_EMULATION_CONTROL));
    assert_int_equal(enlg_reenlightenment_enable(&rig.partition, 15, 0), -ENL_E_INVAL);
    enlg_reenlightenment_disable(&rig.partition);
    assert_int_equal(rig_reg(ENL_REG_REENLIGHTENMENT_CONTROL) |
                         rig_reg(ENL_REG_TSC_EMULATION_CONTROL),
                     0);
}

static void
reenlightenment_ends_the_emulation_and_tells_the_rate(void **state)
{
    uint64_t hz = 1;

    (void)state;
    rig_again();
    rig_reg_set(ENL_REG_TSC_EMULATION_STATUS, ENL_TSC_EMULATION_IN_PROGRESS);
    assert_true(enlg_reenlightenment_is_emulating(&rig.partition));
    assert_int_equal(enlg_reenlightenment_done(&rig.partition, &hz), 0);
    assert_int_equal(hz, 0); /* no frequency registers */
    assert_false(enlg_reenlightenment_is_emulating(&rig.partition));
    rig.leaf[3].edx |= ENL_FEAT_FREQUENCY;
    rig_again();
    rig_reg_set(ENL_REG_TSC_FREQUENCY, 3000000000);
    assert_int_equal(enlg_reenlightenment_done(&rig.partition, &hz), 0);
    assert_true(hz == 3000000000);
    rig.refuse_reg = ENL_REG_TSC_EMULATION_STATUS;
    assert_int_equal(enlg_reenlightenment_done(&rig.partition, NULL), -ENL_E_ACCESS);
}

static void
reenlightenment_unannounced_touches_nothing(void **state)
{
    (void)state;
    rig.leaf[3].eax &= ~(uint32_t)ENL_PRIV_REENLIGHTENMENT;
    rig_again();
    rig_reg_set(ENL_REG_TSC_EMULATION_STATUS, ENL_TSC_EMULATION_IN_PROGRESS);
    rig.write_count = 0;
    assert_int_equal(enlg_reenlightenment_enable(&rig.partition, 0xee, 0), -ENL_E_NOTSUP);
    assert_int_equal(enlg_reenlightenment_done(&rig.partition, NULL), -ENL_E_NOTSUP);
    enlg_reenlightenment_disable(&rig.partition);
    assert_false(enlg_reenlightenment_is_emulating(&rig.partition));
    assert_int_equal(rig.write_count, 0);
}

/* ---- leaving ---- */

static struct enlg_clock clk;
static struct enlg_stimer timer;

static void
everything_up(void)
{
    rig_again();
    rig_synic_up();
    assert_int_equal(enlg_stimer_init_direct(&timer, &rig.partition, 3, 0xed), 0);
    assert_int_equal(enlg_stimer_every(&timer, 1000), 0);
    assert_int_equal(enlg_assist_enable(&assist, &rig.partition, rig_page(1)), 0);
    rig_reg_set(ENL_REG_TIME_REF_COUNT, 4242);
    assert_int_equal(enlg_clock_init(&clk, &rig.partition, rig_page(5)), 0);
    assert_int_equal(enlg_reenlightenment_enable(&rig.partition, 0xee, 0), 0);
    rig.write_count = 0;
}

static void
leave_takes_every_page_of_the_processor_back(void **state)
{
    (void)state;
    everything_up();
    enlg_leave_vp(&rig.partition);
    assert_int_equal(rig_reg(ENL_REG_SIMP) | rig_reg(ENL_REG_SIEFP) |
                         rig_reg(ENL_REG_SCONTROL) | rig_reg(ENL_REG_VP_ASSIST_PAGE) |
                         rig_reg(ENL_REG_STIMER0_CONFIG + 6),
                     0);
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        assert_int_equal(rig_reg(ENL_REG_SINT0 + i), ENL_SINT_MASKED);
    /* Whatever arrives meanwhile finds its page still there. */
    assert_true(rig_order(ENL_REG_STIMER0_CONFIG + 6) < rig_order(ENL_REG_SINT0 + 2));
    assert_true(rig_order(ENL_REG_SINT0 + 2) < rig_order(ENL_REG_SIMP));
    assert_true(rig_reg(ENL_REG_HYPERCALL) & ENL_HYPERCALL_ENABLE);
}

static void
leave_takes_every_page_of_the_partition_back(void **state)
{
    (void)state;
    everything_up();
    enlg_leave_vp(&rig.partition);
    enlg_leave_partition(&rig.partition);
    for (uint32_t i = 0; i < rig.reg_count; i++) {
        uint32_t reg = rig.regs[i].reg;
        bool masked = reg >= ENL_REG_SINT0 && reg <= ENL_REG_SINT15;

        if (reg != ENL_REG_VP_INDEX && reg != ENL_REG_TIME_REF_COUNT &&
            reg != ENL_REG_STIMER0_COUNT + 6)
            assert_int_equal(rig.regs[i].value, masked ? ENL_SINT_MASKED : 0);
    }
    assert_true(rig_order(ENL_REG_HYPERCALL) < rig_order(ENL_REG_GUEST_OS_ID));
    assert_int_equal(enlg_hypercall_fast8(&rig.partition, 8, 0), -ENL_E_INVAL);
    assert_int_equal(enlg_clock_read(&clk), 4242);
    assert_int_equal(enlg_hypercall_enable(&rig.partition, rig_page(63), RIG_OS_ID), 0);
    assert_int_equal(enlg_hypercall_fast8(&rig.partition, 8, 0), 0);
}

static void
leave_goes_on_after_a_refusal(void **state)
{
    (void)state;
    everything_up();
    rig.refuse_reg = ENL_REG_SCONTROL;
    enlg_leave_vp(&rig.partition);
    assert_int_equal(rig_reg(ENL_REG_SIMP) | rig_reg(ENL_REG_SIEFP), 0);
    rig.refuse_reg = ENL_REG_REFERENCE_TSC;
    enlg_leave_partition(&rig.partition);
    assert_int_equal(rig_reg(ENL_REG_HYPERCALL) | rig_reg(ENL_REG_GUEST_OS_ID), 0);
}

static void
leave_touches_only_what_is_announced(void **state)
{
    (void)state;
    rig.leaf[3].eax = ENL_PRIV_HYPERCALL | ENL_PRIV_VP_INDEX;
    rig_again();
    rig.write_count = 0;
    enlg_leave_vp(&rig.partition);
    assert_int_equal(rig.write_count, 0);
    enlg_leave_partition(&rig.partition);
    assert_int_equal(rig.write_count, 2);
}

#define CASE(f) cmocka_unit_test_setup(f, rig_setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(assist_page_is_zeroed_and_handed_over),
        CASE(assist_says_once_that_no_eoi_is_needed),
        CASE(assist_leaves_the_eoi_to_the_kernel_without_the_hint),
        CASE(assist_that_is_refused_ends_no_interrupt),
        CASE(crash_numbers_are_there_before_the_bell),
        CASE(crash_text_goes_where_the_host_takes_it),
        CASE(crash_text_stays_in_its_page),
        CASE(crash_is_not_reported_to_who_does_not_listen),
        CASE(clock_frequencies_need_both_bits),
        CASE(clock_invariant_tsc_is_asked_for_and_looked_at),
        CASE(reenlightenment_names_vector_and_vp),
        CASE(reenlightenment_ends_the_emulation_and_tells_the_rate),
        CASE(reenlightenment_unannounced_touches_nothing),
        CASE(leave_takes_every_page_of_the_processor_back),
        CASE(leave_takes_every_page_of_the_partition_back),
        CASE(leave_goes_on_after_a_refusal),
        CASE(leave_touches_only_what_is_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
