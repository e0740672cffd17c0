/* SPDX-License-Identifier: BSD-2-Clause */
/* H21 to H23, H10: whom a flush reaches. The embedder flushes; here the targets count. */
#include "core_rig.h"

#include "enlight/abi/hypercall.h"

#define INPUT      FAKE_INPUT_GPA
#define REPS(n)    ((uint64_t)(n) << ENL_HCALL_REP_COUNT_SHIFT)
#define VARHEAD(n) ((uint64_t)(n) << ENL_HCALL_VARHEAD_SHIFT)

static void
start(uint32_t vp_count, uint64_t without)
{
    fake_fini(&f);
    fake_init(&f);
    f.config.vp_count = vp_count;
    f.config.features.set &= ~without;
    fake_start(&f);
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
}

static uint64_t
flush(uint64_t control, uint64_t flags, uint64_t mask)
{
    struct enl_hv_flush *input = fake_at(&f, INPUT, 4096);

    *input =
        (struct enl_hv_flush){.address_space = 0x1000, .flags = flags, .vp_mask = mask};
    return fake_hypercall(&f, 1, control, INPUT, 0);
}

static uint64_t
flush_ex(uint64_t control, uint64_t flags, uint64_t bank_mask, uint64_t bank)
{
    struct enl_hv_flush_ex *input = fake_at(&f, INPUT, 4096);

    *input = (struct enl_hv_flush_ex){
        .flags = flags, .vp_set = {.format = ENL_VP_SET_SPARSE, .bank_mask = bank_mask}};
    ((uint64_t *)(input + 1))[0] = bank;
    ((uint64_t *)(input + 1))[1] = bank;
    return fake_hypercall(&f, 1, control, INPUT, 0);
}

static void
tlb_flush_reaches_the_mask(void **state)
{
    (void)state;
    start(70, 0);
    assert_int_equal(flush(ENL_CALL_FLUSH_SPACE, 0, 0x51), 0);
    assert_int_equal(f.flush_count, 1);
    assert_int_equal(f.flush.vp, 1);
    assert_int_equal(f.flush.word_count, 2);
    assert_int_equal(f.flush.mask[0], 0x51);
    assert_int_equal(f.flush.mask[1], 0);
}

static void
tlb_flush_of_all_ignores_the_mask(void **state)
{
    (void)state;
    start(70, 0);
    assert_int_equal(flush(ENL_CALL_FLUSH_SPACE, ENL_FLUSH_ALL_VPS, 0x51), 0);
    assert_int_equal(f.flush.mask[0], UINT64_MAX);
    assert_int_equal(f.flush.mask[1], 0x3f);
    assert_int_equal(flush_ex(ENL_CALL_FLUSH_SPACE_EX, ENL_FLUSH_ALL_VPS, 0, 0), 0);
    assert_int_equal(f.flush.mask[1], 0x3f);
}

static void
tlb_flush_list_does_every_rep(void **state)
{
    (void)state;
    assert_int_equal(flush(ENL_CALL_FLUSH_LIST | REPS(4), 0, 1), REPS(4));
    assert_int_equal(f.flush_count, 1);
    assert_int_equal(f.flush.mask[0], 1);
}

static void
tlb_flush_ex_reaches_sparse_banks(void **state)
{
    (void)state;
    start(200, 0);
    assert_int_equal(flush_ex(ENL_CALL_FLUSH_SPACE_EX | VARHEAD(2), 0, 0x5, 0x81), 0);
    assert_int_equal(f.flush.word_count, 4);
    assert_int_equal(f.flush.mask[0], 0x81);
    assert_int_equal(f.flush.mask[1], 0);
    assert_int_equal(f.flush.mask[2], 0x81);
    assert_int_equal(flush_ex(ENL_CALL_FLUSH_LIST_EX | VARHEAD(1) | REPS(2), 0, 0x2, 0x7),
                     REPS(2));
    assert_int_equal(f.flush.mask[0], 0);
    assert_int_equal(f.flush.mask[1], 0x7);
    /* More banks than the mask has bits. */
    assert_int_equal((uint16_t)flush_ex(ENL_CALL_FLUSH_SPACE_EX | VARHEAD(2), 0, 0x1, 1),
                     ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
}

static void
tlb_flush_flags_are_checked(void **state)
{
    (void)state;
    assert_int_equal(flush(ENL_CALL_FLUSH_SPACE, 0x10, 1),
                     ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(flush(ENL_CALL_FLUSH_SPACE, ENL_FLUSH_NON_GLOBAL_ONLY, 1), 0);
    assert_int_equal(
        (uint16_t)flush(ENL_CALL_FLUSH_LIST | REPS(1), ENL_FLUSH_NON_GLOBAL_ONLY, 1),
        ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(flush(ENL_CALL_FLUSH_SPACE, ENL_FLUSH_EXT_RANGES, 1),
                     ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(flush_ex(ENL_CALL_FLUSH_SPACE_EX, UINT64_MAX, 0, 0),
                     ENL_HV_STATUS_INVALID_PARAMETER);
}

static void
tlb_flush_extended_ranges_must_be_announced(void **state)
{
    uint64_t control = ENL_CALL_FLUSH_LIST | REPS(1);

    (void)state;
    assert_int_equal((uint16_t)flush(control, ENL_FLUSH_EXT_RANGES, 1), 0);
    start(2, ENLH_F_BIT(ENLH_F_TLBFLUSH_EXT));
    assert_int_equal((uint16_t)flush(control, ENL_FLUSH_EXT_RANGES, 1),
                     ENL_HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(f.flush_count, 0);
}

static void
tlb_flush_comes_in_registers_too(void **state)
{
    uint64_t xmm[12] = {0x3};
    struct enlh_hypercall call = {
        .control = ENL_CALL_FLUSH_SPACE | ENL_HCALL_FAST, .input = 0x1000, .xmm = xmm};

    (void)state;
    assert_int_equal(enlh_vp_hypercall(fake_vp(&f, 0), &call), 0);
    assert_int_equal(f.flush.mask[0], 0x3);
}

/* A hypervisor below answers these calls itself: they are announced, and unknown here. */
static void
tlb_flush_is_left_to_the_hypervisor_below(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    fake_use_below(&f);
    f.ops.flush_tlb = NULL;
    fake_start(&f);
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    assert_int_not_equal(enlh_partition_config(f.partition)->features.set &
                             ENLH_F_BIT(ENLH_F_TLBFLUSH),
                         0);
    memset(fake_at(&f, INPUT, 64), 0, 64);
    assert_int_equal(fake_hypercall(&f, 0, ENL_CALL_FLUSH_SPACE, INPUT, 0),
                     ENL_HV_STATUS_INVALID_HYPERCALL_CODE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(tlb_flush_reaches_the_mask),
        CASE(tlb_flush_of_all_ignores_the_mask),
        CASE(tlb_flush_list_does_every_rep),
        CASE(tlb_flush_ex_reaches_sparse_banks),
        CASE(tlb_flush_flags_are_checked),
        CASE(tlb_flush_extended_ranges_must_be_announced),
        CASE(tlb_flush_comes_in_registers_too),
        CASE(tlb_flush_is_left_to_the_hypervisor_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
