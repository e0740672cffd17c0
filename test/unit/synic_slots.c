/* SPDX-License-Identifier: BSD-2-Clause */
/* S03 to S05, S08, S11, S12, S16: messages, their slot, and the queue behind it. */
#include "core_rig.h"

#define SINT 2u

static int
post(uint32_t vp, uint8_t byte)
{
    uint8_t payload[240];

    memset(payload, byte, sizeof(payload));
    return enlh_vp_post_message(fake_vp(&f, vp), SINT, 1, 0x1234, payload, byte);
}

static void
enter(uint32_t vp)
{
    enlh_vp_enter(fake_vp(&f, vp));
}

static void
synic_message_arrives_whole(void **state)
{
    const struct enl_message *slot;

    (void)state;
    fake_synic_on(&f, 1, SINT);
    memset(fake_slot(&f, 1, SINT)->payload, 0xee, 240); /* an old one's */
    assert_int_equal(post(1, 100), 0);
    assert_int_equal(f.interrupt_count, 0);
    enter(1);
    slot = fake_slot(&f, 1, SINT);
    assert_int_equal(slot->type, 1);
    assert_int_equal(slot->payload_len, 100);
    assert_int_equal(slot->flags, 0);
    assert_int_equal(slot->reserved, 0);
    assert_int_equal(slot->sender, 0x1234);
    for (uint32_t i = 0; i < 240; i++)
        assert_int_equal(slot->payload[i], i < 100 ? 100 : 0);
    assert_int_equal(f.interrupt_count, 1);
    assert_int_equal(f.interrupt[0].vp, 1);
    assert_int_equal(f.interrupt[0].vector, FAKE_VECTOR);
    assert_false(f.interrupt[0].auto_eoi);
    assert_true(enlh_vp_messages_done(fake_vp(&f, 1), SINT));
    /* Nothing of it reached the other VP. */
    enter(0);
    assert_int_equal(f.interrupt_count, 1);
}

/* Only the VP's own thread writes slots; a post makes it come. */
static void
synic_post_writes_no_slot_but_kicks(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    enter(0);
    assert_int_equal(post(0, 1), 0);
    assert_int_equal(fake_slot(&f, 0, SINT)->type, 0);
    assert_int_equal(f.kick_count[0], 1);
    assert_false(enlh_vp_messages_done(fake_vp(&f, 0), SINT));
    /* One kick is enough until it has come. */
    assert_int_equal(post(0, 2), 0);
    assert_int_equal(f.kick_count[0], 1);
    enter(0);
    assert_int_equal(fake_slot(&f, 0, SINT)->type, 1);
    assert_int_equal(post(0, 3), 0);
    assert_int_equal(f.kick_count[0], 2);
}

/* S05 */
static void
synic_full_slot_sets_pending(void **state)
{
    struct enl_message *slot;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(post(0, 1), 0);
    enter(0);
    slot = fake_slot(&f, 0, SINT);
    assert_int_equal(slot->flags, 0);
    assert_int_equal(post(0, 2), 0);
    enter(0);
    assert_int_equal(slot->payload[0], 1);
    assert_int_equal(slot->flags, ENL_MESSAGE_FLAG_PENDING);
    assert_int_equal(f.interrupt_count, 1);
}

static void
synic_message_that_leaves_others_says_so(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(post(0, 1), 0);
    assert_int_equal(post(0, 2), 0);
    enter(0);
    assert_int_equal(fake_slot(&f, 0, SINT)->flags, ENL_MESSAGE_FLAG_PENDING);
    assert_int_equal(fake_slot(&f, 0, SINT)->payload[0], 1);
}

static void
synic_eom_brings_the_next(void **state)
{
    struct enl_message *slot;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(post(0, 1), 0);
    assert_int_equal(post(0, 2), 0);
    enter(0);
    slot = fake_slot(&f, 0, SINT);
    slot->type = 0;
    enter(0); /* without an EOM the queue is not looked at */
    assert_int_equal(slot->type, 0);
    fake_set(&f, 0, ENL_REG_EOM, 0);
    enter(0);
    assert_int_equal(slot->type, 1);
    assert_int_equal(slot->payload[0], 2);
    assert_int_equal(slot->flags, 0);
    assert_int_equal(f.interrupt_count, 2);
}

/* A crashed kernel frees every VP's slot from the VP that still runs. */
static void
synic_eom_of_another_vp_brings_the_next(void **state)
{
    uint32_t kicks;

    (void)state;
    fake_synic_on(&f, 1, SINT);
    assert_int_equal(post(1, 1), 0);
    assert_int_equal(post(1, 2), 0);
    enter(1);
    assert_int_equal(fake_slot(&f, 1, SINT)->payload_len, 1);
    kicks = f.kick_count[1];
    fake_slot(&f, 1, SINT)->type = 0;
    fake_set(&f, 0, ENL_REG_EOM, 0);
    assert_int_equal(f.kick_count[1], kicks + 1);
    enter(1);
    assert_int_equal(fake_slot(&f, 1, SINT)->payload_len, 2);
}

/* A taken slot is the guest's, whatever it wrote there. */
static void
synic_never_overwrites_a_taken_slot(void **state)
{
    struct enl_message before;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    memset(fake_slot(&f, 0, SINT), 0x5a, 256);
    assert_int_equal(post(0, 1), 0);
    before = *fake_slot(&f, 0, SINT);
    enter(0);
    before.flags |= ENL_MESSAGE_FLAG_PENDING;
    assert_memory_equal(fake_slot(&f, 0, SINT), &before, sizeof(before));
    assert_int_equal(f.interrupt_count, 0);
}

/* S04 */
static void
synic_queue_holds_sixteen_in_order(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    for (uint8_t i = 1; i <= 16; i++)
        assert_int_equal(post(0, i), 0);
    assert_err(post(0, 17), ENL_E_AGAIN);
    assert_int_equal(rig_counters().messages_dropped, 1);
    enter(0);
    assert_int_equal(post(0, 17), 0); /* one has gone to the slot */
    assert_err(post(0, 18), ENL_E_AGAIN);
    for (uint8_t i = 1; i <= 17; i++) {
        assert_true(fake_take_message(&f, 0, SINT, &message));
        assert_int_equal(message.payload[0], i);
        assert_int_equal(message.payload_len, i);
    }
    assert_false(fake_take_message(&f, 0, SINT, &message));
    assert_true(enlh_vp_messages_done(fake_vp(&f, 0), SINT));
    assert_int_equal(rig_counters().messages, 17);
    assert_int_equal(f.interrupt_count, 17);
}

static void
synic_counts_messages_that_waited(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(post(0, 1), 0);
    enter(0);
    assert_int_equal(post(0, 2), 0);
    enter(0);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_int_equal(rig_counters().messages, 2);
    assert_int_equal(rig_counters().messages_waited, 1);
}

static void
synic_sints_have_queues_of_their_own(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    fake_set(&f, 0, ENL_REG_SINT0 + 5, 0x41);
    for (uint8_t i = 1; i <= 16; i++)
        assert_int_equal(post(0, i), 0);
    assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), 5, 3, 7, "abc", 3), 0);
    assert_true(fake_take_message(&f, 0, 5, &message));
    assert_int_equal(message.type, 3);
    assert_int_equal(f.interrupt[1].vector, 0x41);
}

/* S08 */
static void
synic_auto_eoi_is_passed_on(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    fake_set(&f, 0, ENL_REG_SINT0 + SINT, 0xf3 | ENL_SINT_AUTO_EOI);
    assert_int_equal(post(0, 1), 0);
    enter(0);
    assert_true(f.interrupt[0].auto_eoi);
    assert_int_equal(enlh_vp_signal_event(fake_vp(&f, 0), SINT, 3), 1);
    assert_true(f.interrupt[1].auto_eoi);
}

/* S11, S12, S28: the slot is written, for a guest that polls; no interrupt. */
static void
synic_masked_or_polling_sint_is_silent(void **state)
{
    static const uint64_t silent[] = {ENL_SINT_MASKED, 0xf3 | ENL_SINT_MASKED,
                                      0xf3 | ENL_SINT_POLLING,
                                      0xf3 | ENL_SINT_POLLING | ENL_SINT_MASKED};
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
        fake_set(&f, 0, ENL_REG_SINT0 + SINT, silent[i]);
        assert_int_equal(post(0, 9), 0);
        assert_true(fake_take_message(&f, 0, SINT, &message));
        assert_int_equal(f.interrupt_count, 0);
    }
}

static void
synic_off_takes_no_message(void **state)
{
    (void)state;
    assert_err(post(0, 1), ENL_E_AGAIN);
    fake_set(&f, 0, ENL_REG_SCONTROL, 1);
    assert_err(post(0, 1), ENL_E_AGAIN);
    fake_set(&f, 0, ENL_REG_SIMP, FAKE_SIMP_GPA(0) | 1);
    assert_int_equal(post(0, 1), 0);
    fake_set(&f, 0, ENL_REG_SCONTROL, 0);
    assert_err(post(0, 1), ENL_E_AGAIN);
    assert_int_equal(rig_counters().messages_dropped, 3);
}

/* S02: the next kernel must not find the last one's mail. */
static void
synic_off_forgets_what_waits(void **state)
{
    static const uint32_t off[] = {ENL_REG_SCONTROL, ENL_REG_SIMP};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fake_synic_on(&f, 0, SINT);
        assert_int_equal(post(0, 1), 0);
        assert_int_equal(post(0, 2), 0);
        enter(0);
        assert_int_equal(fake_slot(&f, 0, SINT)->payload[0], 1);
        fake_set(&f, 0, off[i], 0);
        assert_true(enlh_vp_messages_done(fake_vp(&f, 0), SINT));
        fake_synic_off(&f, 0);
        fake_synic_on(&f, 0, SINT);
        enter(0);
        assert_int_equal(fake_slot(&f, 0, SINT)->type, 0);
        fake_synic_off(&f, 0);
    }
}

/* A page that moves takes later messages to its new place. */
static void
synic_page_that_moves_is_followed(void **state)
{
    struct enl_message_page *page = fake_at(&f, 0x300000, 4096);

    (void)state;
    fake_synic_on(&f, 0, SINT);
    fake_set(&f, 0, ENL_REG_SIMP, 0x300001);
    assert_int_equal(post(0, 7), 0);
    enter(0);
    assert_int_equal(page->slot[SINT].type, 1);
    assert_true(rig_page_is(FAKE_SIMP_GPA(0), 0xa5));
}

static void
synic_post_checks_its_caller(void **state)
{
    struct enlh_vp *vp = fake_vp(&f, 0);
    uint8_t payload[241] = {0};

    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_err(enlh_vp_post_message(vp, 16, 1, 0, payload, 1), ENL_E_RANGE);
    assert_err(enlh_vp_post_message(vp, 2, 0, 0, payload, 1), ENL_E_INVAL);
    assert_err(enlh_vp_post_message(vp, 2, 0x80000000, 0, payload, 1), ENL_E_INVAL);
    assert_err(enlh_vp_post_message(vp, 2, 1, 0, payload, 241), ENL_E_INVAL);
    assert_int_equal(enlh_vp_post_message(vp, 2, 1, 0, payload, 240), 0);
    assert_int_equal(enlh_vp_post_message(vp, 2, 1, 0, NULL, 0), 0);
}

static void
synic_without_memory_for_a_queue_is_full(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    f.alloc_countdown = 0;
    assert_err(post(0, 1), ENL_E_AGAIN);
    f.alloc_countdown = -1;
    assert_int_equal(post(0, 1), 0);
}

/*
 * A guest that frees the slot as fast as it is filled does not keep the VP outside, and
 * what is left over at the bound has been announced by the flag in the last message.
 */
static uint32_t refills;
static uint8_t last_flags;
static void
free_the_slot_again(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    struct fake *fake = ctx;

    (void)vector;
    (void)auto_eoi;
    last_flags = fake_slot(fake, vp, SINT)->flags;
    fake_slot(fake, vp, SINT)->type = 0;
    refills++;
    (void)!post(vp, 5);
}

static void
synic_delivery_is_bounded(void **state)
{
    (void)state;
    fake_fini(&f);
    fake_init(&f);
    f.ops.interrupt = free_the_slot_again;
    fake_start(&f);
    fake_synic_on(&f, 0, SINT);
    refills = 0;
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(post(0, 1), 0);
    enter(0);
    assert_in_range(refills, 16, 20);
    assert_false(enlh_vp_messages_done(fake_vp(&f, 0), SINT));
    assert_int_equal(last_flags, ENL_MESSAGE_FLAG_PENDING);
}

/* Whoever was refused hears of room, once, and only then. */
static uint32_t drained;
static void
on_drained(void *ctx)
{
    assert_ptr_equal(ctx, &drained);
    drained++;
}

static void
synic_refused_sender_is_told_of_room(void **state)
{
    struct enl_message message;

    (void)state;
    drained = 0;
    enlh_vp_on_drained(fake_vp(&f, 0), on_drained, &drained);
    assert_err(post(0, 1), ENL_E_AGAIN); /* the SynIC is off */
    enter(0);
    assert_int_equal(drained, 0);
    fake_synic_on(&f, 0, SINT);
    enter(0);
    assert_int_equal(drained, 1);
    for (uint8_t i = 1; i <= 16; i++)
        assert_int_equal(post(0, i), 0);
    fake_slot(&f, 0, SINT)->type = 1; /* taken */
    assert_err(post(0, 17), ENL_E_AGAIN);
    enter(0);
    assert_int_equal(drained, 1);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_int_equal(drained, 2);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_int_equal(drained, 2);
}

/* ---- with a hypervisor below: it raises the SINT, and tells when a slot is free ---- */

static void
synic_below_raises_the_sint(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 1, SINT);
    assert_int_equal(post(1, 1), 0);
    assert_int_equal(post(1, 2), 0);
    enter(1);
    assert_int_equal(f.interrupt_count, 1);
    assert_int_equal(f.interrupt[0].vp, 1);
    assert_int_equal(f.interrupt[0].sint, SINT);
    assert_true(fake_take_message(&f, 1, SINT, &message));
    assert_true(fake_take_message(&f, 1, SINT, &message));
    assert_int_equal(message.payload[0], 2);
}

static void
synic_below_freed_slot_kicks_only_for_a_message(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    enter(0);
    enlh_vp_slot_freed(fake_vp(&f, 0));
    assert_int_equal(f.kick_count[0], 0);
    assert_int_equal(post(0, 1), 0);
    assert_int_equal(post(0, 2), 0);
    enter(0);
    fake_forget(&f);
    fake_slot(&f, 0, SINT)->type = 0;
    enlh_vp_slot_freed(fake_vp(&f, 0));
    assert_int_equal(f.kick_count[0], 1);
    enter(0);
    assert_int_equal(fake_slot(&f, 0, SINT)->payload[0], 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(synic_message_arrives_whole),
        CASE(synic_post_writes_no_slot_but_kicks),
        CASE(synic_full_slot_sets_pending),
        CASE(synic_message_that_leaves_others_says_so),
        CASE(synic_eom_brings_the_next),
        CASE(synic_eom_of_another_vp_brings_the_next),
        CASE(synic_never_overwrites_a_taken_slot),
        CASE(synic_queue_holds_sixteen_in_order),
        CASE(synic_counts_messages_that_waited),
        CASE(synic_sints_have_queues_of_their_own),
        CASE(synic_auto_eoi_is_passed_on),
        CASE(synic_masked_or_polling_sint_is_silent),
        CASE(synic_off_takes_no_message),
        CASE(synic_off_forgets_what_waits),
        CASE(synic_page_that_moves_is_followed),
        CASE(synic_post_checks_its_caller),
        CASE(synic_without_memory_for_a_queue_is_full),
        CASE(synic_delivery_is_bounded),
        CASE(synic_refused_sender_is_told_of_room),
        CASE_BELOW(synic_below_raises_the_sint),
        CASE_BELOW(synic_below_freed_slot_kicks_only_for_a_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
