/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_synic.c - message slots, event flags, clock and timers of the guest half
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/guest/clock.h"
#include "enlight/guest/stimer.h"
#include "guest_rig.h"

/* ---- SynIC ---- */

static void
synic_enable_masks_zeroes_and_hands_over(void **state)
{
    (void)state;
    memset(rig_page(60), 0x11, ENL_PAGE_SIZE);
    memset(rig_page(61), 0x11, ENL_PAGE_SIZE);
    rig_synic_up();
    for (uint32_t i = 0; i < ENL_MESSAGE_SLOTS; i++)
        assert_int_equal(rig_slot(i)->type, 0);
    assert_int_equal(rig_flags(15)->word[63], 0);
    assert_int_equal(rig_reg(ENL_REG_SINT0), ENL_SINT_MASKED);
    assert_ptr_equal(rig_at(rig_reg(ENL_REG_SIMP) & ENL_SIMP_GPA), rig_page(60));
    assert_ptr_equal(rig_at(rig_reg(ENL_REG_SIEFP) & ENL_SIEFP_GPA), rig_page(61));
    assert_int_equal(rig_reg(ENL_REG_SCONTROL), 1);
    assert_int_equal(enlg_synic_vp(&rig_synic), 3);
    enlg_synic_disable(&rig_synic);
    assert_int_equal(
        rig_reg(ENL_REG_SIMP) | rig_reg(ENL_REG_SIEFP) | rig_reg(ENL_REG_SCONTROL), 0);
    assert_true(rig_reg(ENL_REG_SINT0 + 2) & ENL_SINT_MASKED);
}

static void
synic_enable_that_fails_half_way_takes_the_pages_back(void **state)
{
    struct enlg_synic_pages p = {rig_page(60), rig_page(61)};

    (void)state;
    rig.refuse_reg = ENL_REG_SIEFP;
    assert_int_equal(enlg_synic_enable(&rig_synic, &rig.partition, &p), -ENL_E_ACCESS);
    assert_int_equal(rig_reg(ENL_REG_SIMP), 0);
    p.events = (uint8_t *)rig_page(61) + 64;
    assert_int_equal(enlg_synic_enable(&rig_synic, &rig.partition, &p), -ENL_E_INVAL);
}

static void
synic_unmask_asks_for_auto_eoi_unless_advised(void **state)
{
    bool automatic = false;

    (void)state;
    rig_synic_up();
    assert_int_equal(rig_reg(ENL_REG_SINT0 + 2), 0xf3); /* hint 9 is set in the rig */
    rig.leaf[4].eax = 0;
    assert_int_equal(enlg_partition_init(&rig.partition, &rig.platform), 0);
    assert_int_equal(enlg_synic_unmask(&rig_synic, 5, 0x20, 0, &automatic), 0);
    assert_true(automatic);
    assert_int_equal(rig_reg(ENL_REG_SINT0 + 5), 0x20 | ENL_SINT_AUTO_EOI);
    assert_int_equal(enlg_synic_unmask(&rig_synic, 5, 15, 0, NULL), -ENL_E_INVAL);
    assert_int_equal(enlg_synic_unmask(&rig_synic, 16, 32, 0, NULL), -ENL_E_INVAL);
}

static void
synic_unmask_polls_where_it_can(void **state)
{
    (void)state;
    rig_synic_up();
    assert_int_equal(enlg_synic_unmask(&rig_synic, 5, 0x20, ENLG_SINT_POLL, NULL), 0);
    assert_true(rig_reg(ENL_REG_SINT0 + 5) & ENL_SINT_POLLING);
    rig.leaf[3].edx = 0;
    assert_int_equal(enlg_partition_init(&rig.partition, &rig.platform), 0);
    assert_int_equal(enlg_synic_unmask(&rig_synic, 5, 0x20, ENLG_SINT_POLL, NULL), 0);
    assert_false(rig_reg(ENL_REG_SINT0 + 5) & ENL_SINT_POLLING);
}

static void
synic_message_frees_the_slot(void **state)
{
    struct enl_message out;
    uint8_t text[20] = "twenty bytes of text";

    (void)state;
    rig_synic_up();
    assert_int_equal(enlg_synic_message(&rig_synic, 2, &out), 0);
    rig_deliver(text, sizeof(text));
    assert_int_equal(enlg_synic_message(&rig_synic, 2, &out), 1);
    assert_int_equal(rig_slot(2)->type, ENL_MESSAGE_NONE);
    assert_int_equal(out.type, ENL_MESSAGE_VMBUS);
    assert_int_equal(out.payload_len, 20);
    assert_memory_equal(out.payload, text, 20);
    assert_int_equal(rig_reg_writes(ENL_REG_EOM), 0);
    assert_int_equal(enlg_synic_message(&rig_synic, 2, &out), 0);
}

static void
synic_message_writes_eom_only_when_more_wait(void **state)
{
    struct enl_message out;

    (void)state;
    rig_synic_up();
    rig_deliver("x", 1);
    rig_slot(2)->flags = ENL_MESSAGE_FLAG_PENDING;
    assert_int_equal(enlg_synic_message(&rig_synic, 2, &out), 1);
    assert_int_equal(rig_reg_writes(ENL_REG_EOM), 1);
}

static void
synic_message_too_long_is_cut(void **state)
{
    struct enl_message out;

    (void)state;
    rig_synic_up();
    rig_deliver("x", 1);
    rig_slot(2)->payload_len = 255;
    assert_int_equal(enlg_synic_message(&rig_synic, 2, &out), 1);
    assert_int_equal(out.payload_len, 240);
}

static uint32_t seen[8], seen_count;

static void
flag_seen(void *ctx, uint32_t flag)
{
    assert_ptr_equal(ctx, seen);
    assert_true(seen_count < 8);
    seen[seen_count++] = flag;
}

static void
synic_events_are_taken_once_in_order(void **state)
{
    (void)state;
    rig_synic_up();
    seen_count = 0;
    rig_flags(2)->word[0] = 1u << 1 | 1u << 31;
    rig_flags(2)->word[63] = 1u << 31;
    rig_flags(3)->word[0] = 1u << 4;
    assert_int_equal(enlg_synic_events(&rig_synic, 2, flag_seen, seen), 3);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 31);
    assert_int_equal(seen[2], 2047);
    assert_int_equal(enlg_synic_events(&rig_synic, 2, flag_seen, seen), 0);
    assert_int_equal(rig_flags(3)->word[0], 1u << 4);
}

/* ---- clock ---- */

static struct enlg_clock clk;

static struct enl_reference_tsc_page *
tsc_page(void)
{
    return rig_page(5);
}

static void
clock_start(uint32_t sequence)
{
    rig.tsc = 1000000;
    rig_reg_set(ENL_REG_TIME_REF_COUNT, 4242);
    assert_int_equal(enlg_clock_init(&clk, &rig.partition, tsc_page()), 0);
    assert_ptr_equal(rig_at(rig_reg(ENL_REG_REFERENCE_TSC) & ENL_REFERENCE_TSC_GPA),
                     tsc_page());
    tsc_page()->sequence = sequence;
    tsc_page()->scale = UINT64_C(1) << 62; /* a quarter */
    tsc_page()->offset = -50000;
}

static void
clock_computes_from_a_valid_page(void **state)
{
    (void)state;
    clock_start(7);
    assert_true(enlg_clock_is_fast(&clk));
    assert_int_equal(enlg_clock_read(&clk), 200000);
    tsc_page()->scale = UINT64_MAX;
    tsc_page()->offset = 0;
    rig.tsc = UINT64_MAX;
    assert_true(enlg_clock_read(&clk) == UINT64_MAX - 1);
    enlg_clock_fini(&clk);
    assert_int_equal(rig_reg(ENL_REG_REFERENCE_TSC), 0);
    assert_int_equal(enlg_clock_read(&clk), 4242);
}

static void
clock_asks_the_register_when_the_page_is_invalid(void **state)
{
    (void)state;
    clock_start(ENL_TSC_SEQUENCE_INVALID);
    assert_false(enlg_clock_is_fast(&clk));
    assert_int_equal(enlg_clock_read(&clk), 4242);
}

static uint32_t changes_left, looks;

static void
page_changes(void)
{
    assert_true(++looks < 1000);
    if (changes_left) {
        changes_left--;
        tsc_page()->sequence++;
        tsc_page()->offset += 1000; /* the pair that was read is torn */
    }
}

static void
clock_reads_again_when_the_page_changed(void **state)
{
    (void)state;
    clock_start(7);
    rig.on_tsc = page_changes;
    changes_left = 3;
    looks = 0;
    assert_int_equal(enlg_clock_read(&clk), 203000);
}

static void
clock_never_loops_on_a_page_that_keeps_changing(void **state)
{
    (void)state;
    clock_start(7);
    rig.on_tsc = page_changes;
    changes_left = UINT32_MAX;
    looks = 0;
    assert_int_equal(enlg_clock_read(&clk), 4242);
}

static void
clock_without_a_tsc_uses_no_page(void **state)
{
    (void)state;
    rig.platform.tsc = NULL;
    rig_again();
    rig_reg_set(ENL_REG_TIME_REF_COUNT, 99);
    assert_int_equal(enlg_clock_init(&clk, &rig.partition, tsc_page()), 0);
    assert_int_equal(rig_reg_writes(ENL_REG_REFERENCE_TSC), 0);
    assert_int_equal(enlg_clock_read(&clk), 99);
}

/* ---- timers ---- */

static struct enlg_stimer timer;

static void
stimer_one_shot_needs_one_write_from_the_second_on(void **state)
{
    (void)state;
    assert_int_equal(enlg_stimer_init_direct(&timer, &rig.partition, 2, 0xed), 0);
    assert_int_equal(enlg_stimer_at(&timer, 5000), 0);
    assert_int_equal(rig_reg(ENL_REG_STIMER0_CONFIG + 4),
                     ENL_STIMER_DIRECT | ENL_STIMER_AUTO_ENABLE | 0xed << 4);
    assert_int_equal(rig_reg(ENL_REG_STIMER0_COUNT + 4), 5000);
    rig.write_count = 0;
    assert_int_equal(enlg_stimer_at(&timer, 0), 0);
    assert_int_equal(rig.write_count, 1);
    assert_int_equal(rig_reg(ENL_REG_STIMER0_COUNT + 4), 1);
}

static void
stimer_periodic_has_its_count_before_it_is_enabled(void **state)
{
    (void)state;
    assert_int_equal(enlg_stimer_init_message(&timer, &rig.partition, 0, 4), 0);
    rig.write_count = 0;
    assert_int_equal(enlg_stimer_every(&timer, 300), 0);
    assert_int_equal(rig.write_order[rig.write_count - 1], ENL_REG_STIMER0_CONFIG);
    assert_int_equal(rig_reg(ENL_REG_STIMER0_CONFIG),
                     ENL_STIMER_PERIODIC | ENL_STIMER_ENABLE | 4 << 16);
    assert_int_equal(rig_reg(ENL_REG_STIMER0_COUNT), 300);
    assert_int_equal(enlg_stimer_every(&timer, 0), -ENL_E_INVAL);
    assert_int_equal(enlg_stimer_at(&timer, 77), 0);
    assert_false(rig_reg(ENL_REG_STIMER0_CONFIG) & ENL_STIMER_PERIODIC);
    enlg_stimer_stop(&timer);
    assert_int_equal(rig_reg(ENL_REG_STIMER0_CONFIG), 0);
}

static void
stimer_without_direct_mode_is_refused(void **state)
{
    (void)state;
    rig.leaf[3].edx = 0;
    assert_int_equal(enlg_partition_init(&rig.partition, &rig.platform), 0);
    assert_int_equal(enlg_stimer_init_direct(&timer, &rig.partition, 0, 0xed),
                     -ENL_E_ACCESS);
    assert_int_equal(enlg_stimer_init_message(&timer, &rig.partition, 0, 0),
                     -ENL_E_INVAL);
    assert_int_equal(enlg_stimer_init_message(&timer, &rig.partition, 4, 2),
                     -ENL_E_INVAL);
}

static void
stimer_knows_its_own_message(void **state)
{
    struct enl_timer_payload payload = {.timer_index = 1, .expiration_time = 55};
    struct enl_message m = {.type = ENL_MESSAGE_TIMER_EXPIRED, .payload_len = 24};
    uint64_t when = 0;

    (void)state;
    assert_int_equal(enlg_stimer_init_message(&timer, &rig.partition, 1, 2), 0);
    memcpy(m.payload, &payload, sizeof(payload));
    assert_int_equal(enlg_stimer_message(&timer, &m, &when), 1);
    assert_int_equal(when, 55);
    m.payload_len = 23;
    assert_int_equal(enlg_stimer_message(&timer, &m, &when), 0);
    m.payload_len = 24;
    m.payload[0] = 0;
    assert_int_equal(enlg_stimer_message(&timer, &m, &when), 0);
    m.payload[0] = 1;
    m.type = ENL_MESSAGE_VMBUS;
    assert_int_equal(enlg_stimer_message(&timer, &m, &when), 0);
}

#define CASE(f) cmocka_unit_test_setup(f, rig_setup_calls)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(synic_enable_masks_zeroes_and_hands_over),
        CASE(synic_enable_that_fails_half_way_takes_the_pages_back),
        CASE(synic_unmask_asks_for_auto_eoi_unless_advised),
        CASE(synic_unmask_polls_where_it_can),
        CASE(synic_message_frees_the_slot),
        CASE(synic_message_writes_eom_only_when_more_wait),
        CASE(synic_message_too_long_is_cut),
        CASE(synic_events_are_taken_once_in_order),
        CASE(clock_computes_from_a_valid_page),
        CASE(clock_asks_the_register_when_the_page_is_invalid),
        CASE(clock_reads_again_when_the_page_changed),
        CASE(clock_never_loops_on_a_page_that_keeps_changing),
        CASE(clock_without_a_tsc_uses_no_page),
        CASE(stimer_one_shot_needs_one_write_from_the_second_on),
        CASE(stimer_periodic_has_its_count_before_it_is_enabled),
        CASE(stimer_without_direct_mode_is_refused),
        CASE(stimer_knows_its_own_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
