/* SPDX-License-Identifier: BSD-2-Clause */
/* Save and restore, room by room: into a second partition over the same guest memory. */
#include "core_rig.h"

#define SINT 2u

static struct fake g; /* the machine that the guest moves to */

/* The same VPs and features, and RAM with the same bytes. */
static void
start_other(void)
{
    fake_init(&g);
    g.config = f.config;
    fake_start(&g);
    memcpy(g.ram, f.ram, FAKE_RAM_LEN);
    g.now_100ns = f.now_100ns;
}

static void
save_synic_moves_messages_and_pages(void **state)
{
    static struct enlh_synic_state saved;
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 1, SINT);
    for (uint8_t i = 1; i <= 3; i++)
        assert_int_equal(enlh_vp_post_message(fake_vp(&f, 1), SINT, 1, i, &i, 1), 0);
    enlh_vp_enter(fake_vp(&f, 1)); /* the first one is in the slot */
    enlh_synic_save(fake_vp(&f, 1), &saved);
    start_other();
    assert_int_equal(enlh_synic_restore(fake_vp(&g, 1), &saved), 0);
    assert_int_equal(fake_get(&g, 1, ENL_REG_SINT0 + SINT), FAKE_VECTOR);
    assert_int_equal(fake_get(&g, 1, ENL_REG_SIMP), FAKE_SIMP_GPA(1) | 1);
    for (uint8_t i = 1; i <= 3; i++) {
        assert_true(fake_take_message(&g, 1, SINT, &message));
        assert_int_equal(message.sender, i);
    }
    assert_int_equal(enlh_vp_signal_event(fake_vp(&g, 1), SINT, 4), 1);
    assert_true(fake_take_event(&g, 1, SINT, 4));
    /* What was below the pages came along. */
    fake_synic_off(&g, 1);
    for (uint64_t gpa = FAKE_SIMP_GPA(1); gpa <= FAKE_SIEFP_GPA(1);
         gpa += ENL_PAGE_SIZE) {
        uint8_t *page = fake_at(&g, gpa, ENL_PAGE_SIZE);

        assert_int_equal(page[0], 0xa5);
        assert_int_equal(page[4095], 0xa5);
    }
    fake_fini(&g);
}

static void
save_synic_refuses_what_cannot_be(void **state)
{
    static struct enlh_synic_state saved;

    (void)state;
    start_other();
    enlh_synic_save(fake_vp(&f, 0), &saved);
    saved.queued[3] = 17;
    assert_err(enlh_synic_restore(fake_vp(&g, 0), &saved), ENL_E_INVAL);
    saved.queued[3] = 1;
    saved.message[3][0].len = 241;
    assert_err(enlh_synic_restore(fake_vp(&g, 0), &saved), ENL_E_INVAL);
    saved.queued[3] = 0;
    saved.sint[0] = 3;
    assert_err(enlh_synic_restore(fake_vp(&g, 0), &saved), ENL_E_INVAL);
    saved.sint[0] = ENL_SINT_MASKED;
    saved.simp.value = FAKE_RAM_LEN | 1;
    assert_err(enlh_synic_restore(fake_vp(&g, 0), &saved), ENL_E_FAULT);
    fake_fini(&g);
}

static void
save_stimer_goes_on_where_it_was(void **state)
{
    static struct enlh_synic_state synic;
    struct enlh_stimer_state saved;
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    fake_set(&f, 0, ENL_REG_STIMER0_CONFIG, ENL_STIMER_AUTO_ENABLE | 2u << 16);
    fake_set(&f, 0, ENL_REG_STIMER0_COUNT, 1); /* its message waits */
    fake_set(&f, 0, ENL_REG_STIMER0_CONFIG + 2,
             ENL_STIMER_AUTO_ENABLE | ENL_STIMER_PERIODIC | ENL_STIMER_DIRECT |
                 0x40u << 4);
    fake_set(&f, 0, ENL_REG_STIMER0_COUNT + 2, 10000);
    enlh_synic_save(fake_vp(&f, 0), &synic);
    enlh_stimer_save(fake_vp(&f, 0), &saved);
    start_other();
    assert_int_equal(enlh_synic_restore(fake_vp(&g, 0), &synic), 0);
    assert_int_equal(enlh_stimer_restore(fake_vp(&g, 0), &saved), 0);
    assert_int_equal(g.deadline_100ns[0], 11000);
    assert_true(fake_take_message(&g, 0, SINT, &message));
    assert_int_equal(message.type, ENL_MESSAGE_TIMER_EXPIRED);
    fake_forget(&g);
    fake_time(&g, 11000);
    assert_int_equal(g.interrupt_count, 1);
    assert_int_equal(g.interrupt[0].vector, 0x40);
    assert_int_equal(fake_get(&g, 0, ENL_REG_STIMER0_COUNT + 2), 10000);
    fake_fini(&g);
}

/* The other machine has another TSC: its page says so, under a new sequence. */
static void
save_clock_shows_the_new_tsc(void **state)
{
    static struct enlh_clock_state saved;
    const struct enl_reference_tsc_page *page;

    (void)state;
    fake_set(&f, 0, ENL_REG_REFERENCE_TSC, 0x300001);
    fake_set(&f, 0, ENL_REG_TSC_INVARIANT_CONTROL, 1);
    fake_set(&f, 0, ENL_REG_REENLIGHTENMENT_CONTROL, 0x100ee);
    enlh_clock_save(f.partition, &saved);
    start_other();
    g.tsc.scale = 0x4711;
    assert_int_equal(enlh_clock_restore(g.partition, &saved), 0);
    page = fake_at(&g, 0x300000, ENL_PAGE_SIZE);
    assert_int_equal(page->scale, 0x4711);
    assert_int_equal(page->sequence, 2);
    assert_int_equal(fake_get(&g, 0, ENL_REG_TSC_INVARIANT_CONTROL), 1);
    assert_int_equal(fake_get(&g, 0, ENL_REG_REENLIGHTENMENT_CONTROL), 0x100ee);
    fake_set(&g, 0, ENL_REG_REFERENCE_TSC, 0);
    assert_int_equal(((const uint8_t *)page)[0], 0xa5);
    fake_fini(&g);
}

static void
save_crash_hypercall_and_assist(void **state)
{
    struct enlh_crash_state crash;
    static struct enlh_hypercall_state hypercall;
    static struct enlh_assist_state assist;

    (void)state;
    fake_set(&f, 0, ENL_REG_CRASH_P3, 33);
    fake_set(&f, 0, ENL_REG_HYPERCALL, 0x300001);
    fake_set(&f, 1, ENL_REG_VP_ASSIST_PAGE, 0x301001);
    enlh_crash_save(f.partition, &crash);
    enlh_hypercall_save(f.partition, &hypercall);
    enlh_assist_save(fake_vp(&f, 1), &assist);
    start_other();
    assert_int_equal(enlh_crash_restore(g.partition, &crash), 0);
    assert_int_equal(enlh_hypercall_restore(g.partition, &hypercall), 0);
    assert_int_equal(enlh_assist_restore(fake_vp(&g, 1), &assist), 0);
    assert_int_equal(fake_get(&g, 0, ENL_REG_CRASH_P3), 33);
    assert_int_equal(fake_get(&g, 0, ENL_REG_GUEST_OS_ID), FAKE_OS_ID);
    assert_int_equal(fake_get(&g, 0, ENL_REG_HYPERCALL), 0x300001);
    assert_int_equal(fake_get(&g, 1, ENL_REG_VP_ASSIST_PAGE), 0x301001);
    fake_set(&g, 0, ENL_REG_GUEST_OS_ID, 0);
    fake_set(&g, 1, ENL_REG_VP_ASSIST_PAGE, 0);
    assert_int_equal(*(uint8_t *)fake_at(&g, 0x300000, 1), 0xa5);
    assert_int_equal(*(uint8_t *)fake_at(&g, 0x301000, 1), 0xa5);
    fake_fini(&g);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(save_synic_moves_messages_and_pages),
        CASE(save_synic_refuses_what_cannot_be),
        CASE(save_stimer_goes_on_where_it_was),
        CASE(save_clock_shows_the_new_tsc),
        CASE(save_crash_hypercall_and_assist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
