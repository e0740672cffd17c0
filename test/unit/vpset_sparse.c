/* SPDX-License-Identifier: BSD-2-Clause */
/* H10, H22: sets of VPs, sparse ones of up to 64 banks among them. */
#include "core_rig.h"

#include "host/core/vpset.h"

static struct enlh_vpset set;

static void
start(uint32_t vp_count)
{
    fake_fini(&f);
    fake_boot(&f, vp_count);
    memset(&set, 0xa5, sizeof(set));
}

static uint16_t
sparse(uint64_t mask, const uint64_t *bank, uint32_t bank_count)
{
    struct enl_hv_vp_set head = {.format = ENL_VP_SET_SPARSE, .bank_mask = mask};

    return enlh_vpset_read(f.partition, &head, bank, bank_count, &set);
}

static uint32_t
members(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ENLH_VPSET_WORDS; i++)
        count += (uint32_t)__builtin_popcountll(set.word[i]);
    return count;
}

static void
vpset_banks_go_where_the_mask_says(void **state)
{
    const uint64_t bank[] = {0x11, 0x22, 0x33};

    (void)state;
    start(300);
    assert_int_equal(sparse(0x15, bank, 3), 0);
    assert_int_equal(set.word_count, 5);
    assert_int_equal(set.word[0], 0x11);
    assert_int_equal(set.word[1], 0);
    assert_int_equal(set.word[2], 0x22);
    assert_int_equal(set.word[3], 0);
    assert_int_equal(set.word[4], 0x33);
}

static void
vpset_leaves_out_vps_that_do_not_exist(void **state)
{
    uint64_t bank[64];

    (void)state;
    memset(bank, 0xff, sizeof(bank));
    for (uint32_t count = 1; count <= 200; count += 33) {
        start(count);
        assert_int_equal(sparse(UINT64_MAX, bank, 64), 0);
        assert_int_equal(members(), count);
        enlh_vpset_all(f.partition, &set);
        assert_int_equal(members(), count);
        enlh_vpset_mask(f.partition, UINT64_MAX, &set);
        assert_int_equal(members(), count < 64 ? count : 64);
    }
    start(64);
    enlh_vpset_all(f.partition, &set);
    assert_int_equal(members(), 64);
}

static void
vpset_of_2048_has_32_banks(void **state)
{
    uint64_t bank[64];

    (void)state;
    memset(bank, 0xff, sizeof(bank));
    start(2048);
    assert_int_equal(sparse(UINT64_MAX, bank, 64), 0);
    assert_int_equal(set.word_count, 32);
    assert_int_equal(members(), 2048);
    bank[0] = UINT64_C(1) << 63;
    assert_int_equal(sparse(UINT64_C(1) << 31, bank, 1), 0);
    assert_int_equal(members(), 1);
    assert_int_equal(set.word[31], UINT64_C(1) << 63);
    /* A bank beyond the last VP's takes its place in the list and names nobody. */
    assert_int_equal(sparse(UINT64_C(1) << 63, bank, 1), 0);
    assert_int_equal(members(), 0);
}

static void
vpset_bank_count_must_fit_the_mask(void **state)
{
    const uint64_t bank[4] = {1, 1, 1, 1};

    (void)state;
    assert_int_equal(sparse(0x7, bank, 2), ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(sparse(0x7, bank, 4), ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(sparse(0, bank, 1), ENL_HV_STATUS_INVALID_HYPERCALL_INPUT);
    assert_int_equal(sparse(0, bank, 0), 0);
    assert_int_equal(members(), 0);
}

static void
vpset_all_needs_no_banks_and_other_formats_are_refused(void **state)
{
    struct enl_hv_vp_set head = {.format = ENL_VP_SET_ALL, .bank_mask = 0};

    (void)state;
    assert_int_equal(enlh_vpset_read(f.partition, &head, NULL, 0, &set), 0);
    assert_int_equal(members(), 2);
    head.format = 2;
    assert_int_equal(enlh_vpset_read(f.partition, &head, NULL, 0, &set),
                     ENL_HV_STATUS_INVALID_PARAMETER);
    head.format = UINT64_MAX;
    assert_int_equal(enlh_vpset_read(f.partition, &head, NULL, 0, &set),
                     ENL_HV_STATUS_INVALID_PARAMETER);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(vpset_banks_go_where_the_mask_says),
        CASE(vpset_leaves_out_vps_that_do_not_exist),
        CASE(vpset_of_2048_has_32_banks),
        CASE(vpset_bank_count_must_fit_the_mask),
        CASE(vpset_all_needs_no_banks_and_other_formats_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
