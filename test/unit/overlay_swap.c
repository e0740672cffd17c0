/* SPDX-License-Identifier: BSD-2-Clause */
/* O01 to O06: what an overlay covers comes back, and no two overlays cover one page. */
#include "core_rig.h"

#define PAGE_A UINT64_C(0x200000)
#define PAGE_B UINT64_C(0x201000)
#define ON     ENL_PAGE_REG_ENABLE

/* The page registers, of the two VPs and of the partition. */
static const struct {
    uint32_t vp, reg;
} pages[] = {
    {0, ENL_REG_SIMP},          {0, ENL_REG_SIEFP},          {1, ENL_REG_SIMP},
    {1, ENL_REG_SIEFP},         {0, ENL_REG_VP_ASSIST_PAGE}, {1, ENL_REG_VP_ASSIST_PAGE},
    {0, ENL_REG_REFERENCE_TSC}, {0, ENL_REG_HYPERCALL},
};
#define PAGES (sizeof(pages) / sizeof(pages[0]))

static void
fill(uint64_t gpa, uint8_t byte)
{
    memset(fake_at(&f, gpa, ENL_PAGE_SIZE), byte, ENL_PAGE_SIZE);
}

static void
overlay_covered_bytes_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        fill(PAGE_A, 0x5a);
        assert_int_equal(rig_set(pages[i].vp, pages[i].reg, PAGE_A | ON), 0);
        assert_false(rig_page_is(PAGE_A, 0x5a));
        fill(PAGE_A, 0x77); /* the guest's writes go to the overlay */
        assert_int_equal(rig_set(pages[i].vp, pages[i].reg, 0), 0);
        assert_true(rig_page_is(PAGE_A, 0x5a));
    }
}

static void
overlay_starts_as_zeros(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_SIMP, PAGE_A | ON);
    assert_true(rig_page_is(PAGE_A, 0));
    fake_set(&f, 0, ENL_REG_SIEFP, PAGE_B | ON);
    assert_true(rig_page_is(PAGE_B, 0));
    fake_set(&f, 0, ENL_REG_VP_ASSIST_PAGE, (PAGE_B + 0x1000) | ON);
    assert_true(rig_page_is(PAGE_B + 0x1000, 0));
}

static void
overlay_moves_and_gives_both_pages_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        fill(PAGE_A, 0x11);
        fill(PAGE_B, 0x22);
        assert_int_equal(rig_set(pages[i].vp, pages[i].reg, PAGE_A | ON), 0);
        assert_int_equal(rig_set(pages[i].vp, pages[i].reg, PAGE_B | ON), 0);
        assert_true(rig_page_is(PAGE_A, 0x11));
        assert_false(rig_page_is(PAGE_B, 0x22));
        assert_int_equal(rig_set(pages[i].vp, pages[i].reg, PAGE_A | ON), 0);
        assert_true(rig_page_is(PAGE_B, 0x22));
        assert_int_equal(rig_set(pages[i].vp, pages[i].reg, PAGE_A), 0);
        assert_true(rig_page_is(PAGE_A, 0x11));
        assert_int_equal(fake_get(&f, pages[i].vp, pages[i].reg), PAGE_A);
    }
}

/* A second write of the same value is no second overlay, and keeps what is there. */
static void
overlay_stays_when_its_register_does(void **state)
{
    (void)state;
    fill(PAGE_A, 0x33);
    fake_set(&f, 0, ENL_REG_SIMP, PAGE_A | ON);
    fill(PAGE_A, 0x44);
    fake_set(&f, 0, ENL_REG_SIMP, PAGE_A | ON);
    assert_true(rig_page_is(PAGE_A, 0x44));
    fake_set(&f, 0, ENL_REG_SIMP, 0);
    assert_true(rig_page_is(PAGE_A, 0x33));
}

static void
overlay_keeps_reserved_bits_of_its_register(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_SIMP, PAGE_A | 0xabe | ON);
    assert_int_equal(fake_get(&f, 0, ENL_REG_SIMP), PAGE_A | 0xabe | ON);
}

/* O06 */
static void
overlay_collision_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        for (size_t j = 0; j < PAGES; j++) {
            uint64_t before;

            if (i == j)
                continue;
            assert_int_equal(rig_set(pages[i].vp, pages[i].reg, PAGE_A | ON), 0);
            fill(PAGE_A, 0x66);
            assert_int_equal(rig_set(pages[j].vp, pages[j].reg, PAGE_B | ON), 0);
            before = fake_get(&f, pages[j].vp, pages[j].reg);
            assert_err(rig_set(pages[j].vp, pages[j].reg, PAGE_A | ON), ENL_E_FAULT);
            assert_int_equal(fake_get(&f, pages[j].vp, pages[j].reg), before);
            assert_true(rig_page_is(PAGE_A, 0x66));
            assert_int_equal(rig_set(pages[i].vp, pages[i].reg, 0), 0);
            assert_int_equal(rig_set(pages[j].vp, pages[j].reg, 0), 0);
        }
    }
}

/* After the first has let go the page is free. */
static void
overlay_page_is_free_again(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_SIMP, PAGE_A | ON);
    fake_set(&f, 0, ENL_REG_SIMP, 0);
    fake_set(&f, 1, ENL_REG_SIEFP, PAGE_A | ON);
    fake_set(&f, 1, ENL_REG_SIEFP, PAGE_B | ON);
    fake_set(&f, 0, ENL_REG_SIMP, PAGE_A | ON);
}

static void
overlay_outside_ram_faults(void **state)
{
    static const uint64_t outside[] = {FAKE_RAM_LEN, FAKE_HIGH_GPA - 0x1000,
                                       FAKE_HIGH_GPA + FAKE_HIGH_LEN,
                                       UINT64_C(0xfffffffffffff000)};

    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        for (size_t j = 0; j < sizeof(outside) / sizeof(outside[0]); j++) {
            assert_err(rig_set(pages[i].vp, pages[i].reg, outside[j] | ON), ENL_E_FAULT);
            assert_int_equal(fake_get(&f, pages[i].vp, pages[i].reg), 0);
            assert_int_equal(rig_set(pages[i].vp, pages[i].reg, outside[j]), 0);
            assert_int_equal(rig_set(pages[i].vp, pages[i].reg, 0), 0);
        }
    }
}

static void
overlay_last_page_of_a_region_works(void **state)
{
    (void)state;
    fake_set(&f, 0, ENL_REG_SIMP, (FAKE_HIGH_GPA + FAKE_HIGH_LEN - 0x1000) | ON);
    fake_set(&f, 0, ENL_REG_SIMP, (FAKE_RAM_LEN - 0x1000) | ON);
    fake_set(&f, 0, ENL_REG_SIMP, ON);
    assert_true(rig_page_is(0, 0));
}

static void
overlay_without_memory_faults_and_changes_nothing(void **state)
{
    (void)state;
    fill(PAGE_A, 0x12);
    f.alloc_countdown = 0;
    assert_err(rig_set(0, ENL_REG_SIMP, PAGE_A | ON), ENL_E_NOMEM);
    assert_true(rig_page_is(PAGE_A, 0x12));
    f.alloc_countdown = -1;
    assert_int_equal(rig_set(0, ENL_REG_SIMP, PAGE_A | ON), 0);
}

/* A machine reset gives every page back. */
static void
overlay_reset_uncovers_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        fill(PAGE_A + i * 0x1000, (uint8_t)(i + 1));
        fake_set(&f, pages[i].vp, pages[i].reg, (PAGE_A + i * 0x1000) | ON);
    }
    enlh_partition_reset(f.partition);
    for (size_t i = 0; i < PAGES; i++) {
        assert_true(rig_page_is(PAGE_A + i * 0x1000, (uint8_t)(i + 1)));
        assert_int_equal(fake_get(&f, pages[i].vp, pages[i].reg), 0);
    }
}

/* A VP's INIT gives its own pages back and leaves the others. */
static void
overlay_vp_reset_uncovers_its_own(void **state)
{
    (void)state;
    fill(PAGE_A, 1);
    fill(PAGE_B, 2);
    fake_set(&f, 0, ENL_REG_SIMP, PAGE_A | ON);
    fake_set(&f, 1, ENL_REG_SIMP, PAGE_B | ON);
    enlh_vp_reset(fake_vp(&f, 1));
    assert_true(rig_page_is(PAGE_B, 2));
    assert_true(rig_page_is(PAGE_A, 0));
}

/* Many pages share a bucket of the list. */
static void
overlay_list_holds_many(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_boot(&f, 64);
    for (uint32_t i = 0; i < 64; i++)
        fake_set(&f, i, ENL_REG_SIMP, (0x100000 + i * 0x4000) | ON);
    for (uint32_t i = 0; i < 64; i++)
        assert_err(rig_set((i + 1) % 64, ENL_REG_SIEFP, (0x100000 + i * 0x4000) | ON),
                   ENL_E_FAULT);
    for (uint32_t i = 0; i < 64; i += 2)
        fake_set(&f, i, ENL_REG_SIMP, 0);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(rig_set(i, ENL_REG_SIEFP, (0x100000 + i * 0x4000) | ON),
                         i % 2 == 0 ? 0 : -ENL_E_FAULT);
}

/*
 * Two VPs change one register at the same time: while the first one's change is on its
 * way to the hypervisor below, the second is refused, and the first stands.
 */
static int second;
static int
change_again(void *ctx, uint32_t vp, uint32_t reg, uint64_t value)
{
    struct fake *fake = ctx;

    if (reg == ENL_REG_REFERENCE_TSC && vp == 0 && value != 0)
        second = enlh_vp_set_reg(fake_vp(fake, 1), reg, PAGE_B | ON);
    return 0;
}

static void
overlay_change_within_a_change_is_refused(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    fake_use_below(&f);
    f.config.vp_count = 2;
    f.ops.forward_reg = change_again;
    fake_start(&f);
    second = 0;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, PAGE_A | ON);
    assert_err(second, ENL_E_BUSY);
    assert_int_equal(fake_get(&f, 1, ENL_REG_REFERENCE_TSC), PAGE_A | ON);
    assert_true(rig_page_is(PAGE_B, 0xa5));
    assert_int_equal(rig_set(1, ENL_REG_REFERENCE_TSC, PAGE_B | ON), 0);
    assert_true(rig_page_is(PAGE_A, 0xa5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(overlay_covered_bytes_come_back),
        CASE(overlay_starts_as_zeros),
        CASE(overlay_moves_and_gives_both_pages_back),
        CASE(overlay_stays_when_its_register_does),
        CASE(overlay_keeps_reserved_bits_of_its_register),
        CASE(overlay_collision_changes_nothing),
        CASE(overlay_page_is_free_again),
        CASE(overlay_outside_ram_faults),
        CASE(overlay_last_page_of_a_region_works),
        CASE(overlay_without_memory_faults_and_changes_nothing),
        CASE(overlay_reset_uncovers_all),
        CASE(overlay_vp_reset_uncovers_its_own),
        CASE(overlay_list_holds_many),
        CASE(overlay_change_within_a_change_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
