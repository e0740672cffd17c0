/* SPDX-License-Identifier: BSD-2-Clause */
/* T10: message mode, beside the messages of others in the same slot. */
#include "core_rig.h"

#define SINT      2u
#define CONFIG(n) (ENL_REG_STIMER0_CONFIG + 2 * (n))
#define COUNT(n)  (ENL_REG_STIMER0_COUNT + 2 * (n))
#define MODE      (ENL_STIMER_AUTO_ENABLE | (uint64_t)SINT << ENL_STIMER_SINT_SHIFT)
#define PERIODIC  (MODE | ENL_STIMER_PERIODIC)

static void
set(uint32_t n, uint64_t config, uint64_t count)
{
    fake_set(&f, 0, CONFIG(n), config);
    fake_set(&f, 0, COUNT(n), count);
}

static struct enl_timer_payload
payload_of(const struct enl_message *message)
{
    struct enl_timer_payload payload;

    assert_int_equal(message->type, ENL_MESSAGE_TIMER_EXPIRED);
    assert_int_equal(message->payload_len, sizeof(payload));
    assert_int_equal(message->sender, 0);
    memcpy(&payload, message->payload, sizeof(payload));
    return payload;
}

static void
stimer_message_tells_who_and_when(void **state)
{
    struct enl_timer_payload payload;
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    set(3, MODE, 5000);
    fake_time(&f, 5600);
    assert_int_equal(f.interrupt_count, 1);
    assert_int_equal(f.interrupt[0].vector, FAKE_VECTOR);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    payload = payload_of(&message);
    assert_int_equal(payload.timer_index, 3);
    assert_int_equal(payload.reserved, 0);
    assert_int_equal(payload.expiration_time, 5000);
    assert_int_equal(payload.delivery_time, 5600);
    assert_false(fake_take_message(&f, 0, SINT, &message));
}

/* Time may pass on any thread; the slot is written on the VP's only. */
static void
stimer_message_waits_for_the_vps_thread(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    enlh_vp_enter(fake_vp(&f, 0));
    set(0, MODE, 5000);
    f.now_100ns = 5000;
    enlh_vp_timer(fake_vp(&f, 0));
    assert_int_equal(fake_slot(&f, 0, SINT)->type, 0);
    assert_int_equal(f.kick_count[0], 1);
    enlh_vp_enter(fake_vp(&f, 0));
    assert_int_equal(fake_slot(&f, 0, SINT)->type, ENL_MESSAGE_TIMER_EXPIRED);
}

/* T08: on its own thread already, so no kick is needed. */
static void
stimer_message_of_the_past_is_there_at_the_next_entry(void **state)
{
    (void)state;
    fake_synic_on(&f, 0, SINT);
    enlh_vp_enter(fake_vp(&f, 0));
    f.now_100ns = 9000;
    set(0, MODE, 8000);
    assert_int_equal(f.kick_count[0], 0);
    enlh_vp_enter(fake_vp(&f, 0));
    assert_int_equal(fake_slot(&f, 0, SINT)->type, ENL_MESSAGE_TIMER_EXPIRED);
}

static void
stimer_message_waits_behind_a_full_slot(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), SINT, 1, 0, "a", 1), 0);
    enlh_vp_enter(fake_vp(&f, 0));
    set(0, MODE, 5000);
    fake_time(&f, 5000);
    assert_int_equal(fake_slot(&f, 0, SINT)->type, 1);
    assert_int_equal(fake_slot(&f, 0, SINT)->flags, ENL_MESSAGE_FLAG_PENDING);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    f.now_100ns = 7777;
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_int_equal(payload_of(&message).expiration_time, 5000);
}

/* Host messages and timer messages of one SINT keep the order in which they came. */
static void
stimer_message_keeps_its_place(void **state)
{
    static const uint32_t order[] = {1, ENL_MESSAGE_TIMER_EXPIRED, 2,
                                     ENL_MESSAGE_TIMER_EXPIRED, 3};
    struct enlh_vp *vp = fake_vp(&f, 0);
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    assert_int_equal(enlh_vp_post_message(vp, SINT, 1, 0, "a", 1), 0);
    set(0, MODE, 1);
    assert_int_equal(enlh_vp_post_message(vp, SINT, 2, 0, "b", 1), 0);
    set(1, MODE, 1);
    assert_int_equal(enlh_vp_post_message(vp, SINT, 3, 0, "c", 1), 0);
    for (size_t i = 0; i < 5; i++) {
        assert_true(fake_take_message(&f, 0, SINT, &message));
        assert_int_equal(message.type, order[i]);
    }
    assert_false(fake_take_message(&f, 0, SINT, &message));
}

/* A full queue of the host's does not keep a timer out. */
static void
stimer_message_needs_no_room_in_the_queue(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), SINT, 1, 0, "a", 1), 0);
    for (uint32_t n = 0; n < 4; n++)
        set(n, MODE, 1);
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(fake_take_message(&f, 0, SINT, &message));
        assert_int_equal(message.type, i < 16 ? 1 : ENL_MESSAGE_TIMER_EXPIRED);
    }
    assert_false(fake_take_message(&f, 0, SINT, &message));
}

/* One message is outstanding at most, with the time of the expiration that made it. */
static void
stimer_periodic_has_one_message_outstanding(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    f.now_100ns = 0;
    fake_slot(&f, 0, SINT)->type = 1; /* taken */
    set(0, PERIODIC, 10000);
    for (uint64_t now = 10000; now <= 50000; now += 10000)
        fake_time(&f, now);
    assert_int_equal(rig_counters().timers, 5);
    fake_slot(&f, 0, SINT)->type = 0;
    fake_set(&f, 0, ENL_REG_EOM, 0);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_int_equal(payload_of(&message).expiration_time, 10000);
    assert_false(fake_take_message(&f, 0, SINT, &message));
    fake_time(&f, 60000);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_int_equal(payload_of(&message).expiration_time, 60000);
}

/* A timer that is set anew takes its message back. */
static void
stimer_message_is_cancelled_by_a_new_setting(void **state)
{
    struct enl_message message;

    (void)state;
    fake_synic_on(&f, 0, SINT);
    set(0, MODE, 1);
    fake_set(&f, 0, COUNT(0), 500000);
    assert_false(fake_take_message(&f, 0, SINT, &message));
    set(0, MODE, 1);
    fake_set(&f, 0, CONFIG(0), 0);
    assert_false(fake_take_message(&f, 0, SINT, &message));
}

/* Set before the SynIC is on, it is delivered when it is. */
static void
stimer_message_waits_for_the_synic(void **state)
{
    struct enl_message message;

    (void)state;
    set(0, MODE, 1);
    enlh_vp_enter(fake_vp(&f, 0));
    fake_synic_on(&f, 0, SINT);
    assert_true(fake_take_message(&f, 0, SINT, &message));
    assert_int_equal(payload_of(&message).expiration_time, 1);
    /* What waits when it goes off is gone. */
    set(0, MODE, 1);
    fake_synic_off(&f, 0);
    fake_synic_on(&f, 0, SINT);
    assert_false(fake_take_message(&f, 0, SINT, &message));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(stimer_message_tells_who_and_when),
        CASE(stimer_message_waits_for_the_vps_thread),
        CASE(stimer_message_of_the_past_is_there_at_the_next_entry),
        CASE(stimer_message_waits_behind_a_full_slot),
        CASE(stimer_message_keeps_its_place),
        CASE(stimer_message_needs_no_room_in_the_queue),
        CASE(stimer_periodic_has_one_message_outstanding),
        CASE(stimer_message_is_cancelled_by_a_new_setting),
        CASE(stimer_message_waits_for_the_synic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
