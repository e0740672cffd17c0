/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_calls.c - flushes, interrupts and waits for locks, by hypercall
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enlight/guest/ipi.h"
#include "enlight/guest/spin.h"
#include "enlight/guest/tlb.h"
#include "guest_rig.h"

static uint64_t vps[ENLG_VPSET_WORDS];

static int
setup(void **state)
{
    rig_setup(state);
    memset(vps, 0, sizeof(vps));
    rig.leaf[4].eax |=
        ENL_HINT_REMOTE_FLUSH | ENL_HINT_CLUSTER_IPI | ENL_HINT_EX_PROCESSOR_MASKS;
    rig_again();
    return 0;
}

static void
hints_are(uint32_t hints)
{
    rig.leaf[4].eax = hints;
    rig_again();
}

/* The 64-bit words of the input. */
static const uint64_t *
input(void)
{
    return rig_page(0);
}

/* ---- flushes ---- */

static int
flush(uint32_t words, const struct enlg_tlb_range *range, uint32_t count, uint32_t flags)
{
    struct enlg_tlb_flush f = {.vps = {words ? vps : NULL, words},
                               .address_space = 0x123000,
                               .flags = flags,
                               .range = range,
                               .range_count = count};

    memset(rig_page(0), 0xEE, ENL_PAGE_SIZE);
    return enlg_tlb_flush(&rig.partition, rig_page(0), &f);
}

static void
tlb_flush_of_a_space_names_its_vps(void **state)
{
    (void)state;
    vps[0] = 0x5;
    assert_int_equal(flush(1, NULL, 0, ENLG_TLB_NON_GLOBAL), 0);
    assert_int_equal(rig.call[0].control, ENL_CALL_FLUSH_SPACE);
    assert_ptr_equal(rig_at(rig.call[0].input), rig_page(0));
    assert_int_equal(rig.call[0].output, 0);
    assert_int_equal(input()[0], 0x123000);
    assert_int_equal(input()[1], ENL_FLUSH_NON_GLOBAL_ONLY);
    assert_int_equal(input()[2], 0x5);
    assert_int_equal(flush(0, NULL, 0, ENLG_TLB_ALL_SPACES), 0);
    assert_int_equal(rig.call[1].control, ENL_CALL_FLUSH_SPACE);
    assert_int_equal(input()[1], ENL_FLUSH_ALL_VPS | ENL_FLUSH_ALL_SPACES);
    assert_int_equal(input()[2], 0);
}

static void
tlb_flush_list_has_4096_pages_in_an_entry(void **state)
{
    const struct enlg_tlb_range ranges[] = {
        {0xFFFF800000001234, 1}, {0x7000, 0}, {0x200000, 4097}};

    (void)state;
    vps[0] = 0x2;
    assert_int_equal(flush(1, NULL, 0, 0), 0);
    rig.result[1] = (uint64_t)3 << 32;
    rig.result_count = 2;
    assert_int_equal(flush(1, ranges, 3, ENLG_TLB_NON_GLOBAL), 0);
    assert_true(rig.call[1].control == (ENL_CALL_FLUSH_LIST | (uint64_t)3 << 32));
    assert_int_equal(input()[1], 0); /* no such flag with ranges */
    assert_true(input()[3] == 0xFFFF800000001000);
    assert_int_equal(input()[4], 0x200000 | 4095);
    assert_int_equal(input()[5], 0x200000 + 4096 * 4096);
    assert_true(input()[6] == 0xEEEEEEEEEEEEEEEE);
}

static void
tlb_flush_of_nothing_is_no_call(void **state)
{
    const struct enlg_tlb_range nothing = {0x1000, 0};

    (void)state;
    assert_int_equal(flush(ENLG_VPSET_WORDS, NULL, 0, 0), 0);
    assert_int_equal(flush(0, &nothing, 1, 0), 0);
    assert_int_equal(rig.call_count, 0);
}

static void
tlb_flush_list_too_long_becomes_everything(void **state)
{
    /* 24 bytes of header leave place for 509 entries. */
    struct enlg_tlb_range range = {0x1000, 509 * 4096};

    (void)state;
    vps[0] = 1;
    rig.result[0] = (uint64_t)509 << 32;
    rig.result_count = 1;
    assert_int_equal(flush(1, &range, 1, 0), 0);
    assert_true(rig.call[0].control == (ENL_CALL_FLUSH_LIST | (uint64_t)509 << 32));
    range.pages++;
    assert_int_equal(flush(1, &range, 1, 0), 0);
    assert_int_equal(rig.call[1].control, ENL_CALL_FLUSH_SPACE);
    range.pages = UINT64_MAX;
    assert_int_equal(flush(1, &range, 1, 0), 0);
    assert_int_equal(rig.call[2].control, ENL_CALL_FLUSH_SPACE);
}

static void
tlb_flush_beyond_64_vps_is_sparse(void **state)
{
    struct enlg_tlb_range range = {0x5000, 2};

    (void)state;
    vps[0] = 0x10;
    vps[63] = UINT64_C(1) << 63;
    assert_int_equal(flush(64, NULL, 0, 0), 0);
    assert_int_equal(rig.call[0].control, ENL_CALL_FLUSH_SPACE_EX | 2 << 17);
    assert_int_equal(input()[1], 0);
    assert_int_equal(input()[2], ENL_VP_SET_SPARSE);
    assert_true(input()[3] == (UINT64_C(1) | UINT64_C(1) << 63));
    assert_int_equal(input()[4], 0x10);
    assert_true(input()[5] == UINT64_C(1) << 63);
    rig.result[1] = (uint64_t)1 << 32;
    rig.result_count = 2;
    assert_int_equal(flush(64, &range, 1, 0), 0);
    assert_true(rig.call[1].control ==
                (ENL_CALL_FLUSH_LIST_EX | 2 << 17 | (uint64_t)1 << 32));
    assert_int_equal(input()[6], 0x5001);
}

static void
tlb_flush_goes_on_where_the_hypervisor_stopped(void **state)
{
    const struct enlg_tlb_range range = {0, 10 * 4096};

    (void)state;
    vps[0] = 1;
    rig.result[0] = (uint64_t)4 << 32;
    rig.result[1] = (uint64_t)10 << 32;
    rig.result_count = 2;
    assert_int_equal(flush(1, &range, 1, 0), 0);
    assert_int_equal(rig.call_count, 2);
    assert_true(rig.call[1].control ==
                (ENL_CALL_FLUSH_LIST | (uint64_t)10 << 32 | (uint64_t)4 << 48));
}

/* A kernel that believed one of these would go on with stale translations. */
static void
tlb_flush_that_is_not_done_is_told(void **state)
{
    static const uint64_t results[] = {
        ENL_HV_STATUS_INVALID_HYPERCALL_CODE, /* not there after all */
        ENL_HV_STATUS_INSUFFICIENT_MEMORY,
        0x4711,                /* no status at all */
        0,                     /* success, and nothing done */
        (uint64_t)2 << 32,     /* more than there is */
        (uint64_t)1 << 32 | 5, /* done, and a failure */
    };
    const struct enlg_tlb_range range = {0, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        rig_forget();
        rig.result[0] = results[i];
        rig.result_count = 1;
        assert_true(flush(0, &range, 1, 0) < 0);
        assert_int_equal(rig.call_count, 1);
    }
}

static void
tlb_flush_is_left_to_the_kernel_unless_offered(void **state)
{
    (void)state;
    assert_true(enlg_tlb_is_offered(&rig.partition));
    vps[1] = 1;
    hints_are(ENL_HINT_REMOTE_FLUSH);
    assert_int_equal(flush(2, NULL, 0, 0), -ENL_E_NOTSUP);
    vps[0] = 1;
    assert_int_equal(flush(1, NULL, 0, 0), 0);
    hints_are(0);
    assert_int_equal(flush(1, NULL, 0, 0), -ENL_E_NOTSUP);
    assert_false(enlg_tlb_is_offered(&rig.partition));
    hints_are(ENL_HINT_REMOTE_FLUSH);
    enlg_hypercall_disable(&rig.partition);
    assert_int_equal(flush(1, NULL, 0, 0), -ENL_E_NOTSUP);
    assert_int_equal(rig.call_count, 1);
}

static void
tlb_flush_needs_a_page_and_a_set(void **state)
{
    struct enlg_tlb_flush f = {.vps = {vps, ENLG_VPSET_WORDS + 1}};

    (void)state;
    assert_int_equal(enlg_tlb_flush(&rig.partition, rig_page(0), &f), -ENL_E_INVAL);
    f.vps.word_count = 1;
    assert_int_equal(enlg_tlb_flush(&rig.partition, NULL, &f), -ENL_E_INVAL);
    assert_int_equal(enlg_tlb_flush(&rig.partition, (uint8_t *)rig_page(0) + 8, &f),
                     -ENL_E_INVAL);
}

/* ---- interrupts ---- */

static int
ipi(uint32_t words, uint32_t vector)
{
    struct enlg_vpset set = {words ? vps : NULL, words};

    memset(rig_page(0), 0xEE, ENL_PAGE_SIZE);
    return enlg_ipi_send(&rig.partition, rig_page(0), vector, &set);
}

static void
ipi_below_64_vps_needs_no_memory(void **state)
{
    struct enlg_vpset set = {vps, 2};

    (void)state;
    vps[0] = 0x9;
    assert_int_equal(enlg_ipi_send(&rig.partition, NULL, 0xfb, &set), 0);
    assert_int_equal(rig.call[0].control, ENL_CALL_SEND_IPI | ENL_HCALL_FAST);
    assert_int_equal(rig.call[0].input, 0xfb);
    assert_int_equal(rig.call[0].output, 0x9);
    vps[1] = 1;
    assert_int_equal(enlg_ipi_send(&rig.partition, NULL, 0xfb, &set), -ENL_E_INVAL);
    set.word = NULL;
    assert_int_equal(enlg_ipi_send(&rig.partition, NULL, 0xfb, &set), -ENL_E_INVAL);
    assert_int_equal(rig.call_count, 1);
}

static void
ipi_to_others_is_a_set(void **state)
{
    (void)state;
    vps[0] = 1;
    vps[2] = 6;
    assert_int_equal(ipi(3, 0x20), 0);
    assert_int_equal(rig.call[0].control, ENL_CALL_SEND_IPI_EX | 2 << 17);
    assert_int_equal(input()[0], 0x20);
    assert_int_equal(input()[1], ENL_VP_SET_SPARSE);
    assert_int_equal(input()[2], 5);
    assert_int_equal(input()[3], 1);
    assert_int_equal(input()[4], 6);
    assert_int_equal(ipi(0, 0x20), 0);
    assert_int_equal(rig.call[1].control, ENL_CALL_SEND_IPI_EX);
    assert_int_equal(input()[1], ENL_VP_SET_ALL);
    assert_int_equal(input()[2], 0);
    assert_true(input()[3] == 0xEEEEEEEEEEEEEEEE);
}

static void
ipi_is_left_to_the_kernel_unless_offered(void **state)
{
    (void)state;
    vps[0] = 2;
    rig.result[0] = ENL_HV_STATUS_INVALID_HYPERCALL_CODE;
    rig.result_count = 1;
    assert_true(enlg_ipi_is_offered(&rig.partition));
    assert_int_equal(ipi(1, 0x20), -ENL_E_NOTSUP);
    assert_int_equal(ipi(1, 0x0f), -ENL_E_INVAL);
    assert_int_equal(ipi(1, 0x100), -ENL_E_INVAL);
    assert_int_equal(ipi(ENLG_VPSET_WORDS + 1, 0x20), -ENL_E_INVAL);
    vps[0] = 0;
    assert_int_equal(ipi(1, 0x20), 0);
    vps[1] = 2;
    hints_are(ENL_HINT_CLUSTER_IPI);
    assert_int_equal(ipi(2, 0x20), -ENL_E_NOTSUP);
    assert_int_equal(ipi(0, 0x20), -ENL_E_NOTSUP);
    hints_are(ENL_HINT_EX_PROCESSOR_MASKS);
    assert_int_equal(ipi(2, 0x20), -ENL_E_NOTSUP);
    assert_int_equal(rig.call_count, 1);
}

/* ---- waits ---- */

static void
spin_tells_at_each_limit(void **state)
{
    uint32_t tries = 0, told = 0;

    (void)state;
    rig.leaf[4].ebx = 10;
    rig_again();
    assert_int_equal(enlg_spin_limit(&rig.partition), 10);
    for (uint32_t i = 1; i <= 25; i++) {
        bool now = enlg_spin_wait(&rig.partition, &tries);

        assert_int_equal(now, i % 10 == 0);
        told += now;
    }
    assert_int_equal(told, 2);
    assert_int_equal(rig.call_count, 2);
    assert_int_equal(rig.call[1].control,
                     ENL_CALL_NOTIFY_LONG_SPIN_WAIT | ENL_HCALL_FAST);
    assert_int_equal(rig.call[1].input, 20);
}

static void
spin_without_a_limit_never_tells(void **state)
{
    static const uint32_t limits[] = {0, ENL_SPIN_NEVER};
    uint32_t tries = ENL_SPIN_NEVER - 2;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rig.leaf[4].ebx = limits[i];
        rig_again();
        assert_int_equal(enlg_spin_limit(&rig.partition), ENL_SPIN_NEVER);
        for (uint32_t n = 0; n < 5; n++)
            assert_false(enlg_spin_wait(&rig.partition, &tries));
    }
    rig.leaf[4].ebx = 1;
    rig_again();
    enlg_hypercall_disable(&rig.partition);
    assert_false(enlg_spin_wait(&rig.partition, &tries));
    assert_int_equal(rig.call_count, 0);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(tlb_flush_of_a_space_names_its_vps),
        CASE(tlb_flush_list_has_4096_pages_in_an_entry),
        CASE(tlb_flush_of_nothing_is_no_call),
        CASE(tlb_flush_list_too_long_becomes_everything),
        CASE(tlb_flush_beyond_64_vps_is_sparse),
        CASE(tlb_flush_goes_on_where_the_hypervisor_stopped),
        CASE(tlb_flush_that_is_not_done_is_told),
        CASE(tlb_flush_is_left_to_the_kernel_unless_offered),
        CASE(tlb_flush_needs_a_page_and_a_set),
        CASE(ipi_below_64_vps_needs_no_memory),
        CASE(ipi_to_others_is_a_set),
        CASE(ipi_is_left_to_the_kernel_unless_offered),
        CASE(spin_tells_at_each_limit),
        CASE(spin_without_a_limit_never_tells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
