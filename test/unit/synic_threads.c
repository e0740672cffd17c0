/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SynIC between threads: a VP's thread that enters, a guest that empties slots while
 * it "runs", and others that post and signal. Counted: nothing is lost, nothing doubled,
 * and no wake is missed. The guest is a thread of its own, so that it races with the
 * delivery as the code of another VP does.
 */
#include <pthread.h>
#include <sched.h>

#include "core_rig.h"

#define SINT     2u
#define MESSAGES 4000u
#define EVENTS   40000u

/* What a kick and an EOM are to a real VP: reasons to leave guest code. */
static struct {
    _Atomic bool kicked;
    _Atomic bool eom;
    _Atomic bool done;
} world;

static void
world_kick(void *ctx, uint32_t vp)
{
    (void)ctx;
    (void)vp;
    atomic_store(&world.kicked, true);
}

static void
world_interrupt(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    (void)ctx;
    (void)vp;
    (void)vector;
    (void)auto_eoi;
}

static int
start(void **state)
{
    (void)state;
    fake_init(&f);
    f.ops.kick = world_kick;
    f.ops.interrupt = world_interrupt;
    fake_start(&f);
    fake_set(&f, 0, ENL_REG_GUEST_OS_ID, FAKE_OS_ID);
    memset(&world, 0, sizeof(world));
    fake_synic_on(&f, 0, SINT);
    enlh_vp_enter(fake_vp(&f, 0));
    return 0;
}

/*
 * The VP's thread. It enters only after a kick or an exit of the guest (its EOM), so a
 * missing kick or a lost pending flag hangs the test.
 */
static void *
vp_thread(void *arg)
{
    struct enlh_vp *vp = arg;

    while (!atomic_load(&world.done)) {
        bool eom = atomic_exchange(&world.eom, false);

        if (!eom && !atomic_exchange(&world.kicked, false)) {
            sched_yield();
            continue;
        }
        if (eom)
            fake_set(&f, 0, ENL_REG_EOM, 0);
        enlh_vp_enter(vp);
    }
    return NULL;
}

static void *
post_thread(void *arg)
{
    struct enlh_vp *vp = arg;

    for (uint32_t i = 1; i <= MESSAGES;) {
        if (enlh_vp_post_message(vp, SINT, 1, 0, &i, sizeof(i)) == 0)
            i++;
        else
            sched_yield();
    }
    return NULL;
}

/* The guest's handler, as the wire header says: copy, free, read the flag, EOM. */
static uint32_t
guest_take(struct enl_message *slot)
{
    uint32_t number;
    uint8_t flags;

    memcpy(&number, slot->payload, sizeof(number));
    __atomic_store_n(&slot->type, 0, __ATOMIC_SEQ_CST);
    flags = __atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST);
    if ((flags & ENL_MESSAGE_FLAG_PENDING) != 0)
        atomic_store(&world.eom, true);
    return number;
}

static void
synic_messages_all_arrive_in_order(void **state)
{
    pthread_t vp, poster;
    struct enl_message *slot = fake_slot(&f, 0, SINT);
    uint32_t next = 1;

    (void)state;
    assert_int_equal(pthread_create(&vp, NULL, vp_thread, fake_vp(&f, 0)), 0);
    assert_int_equal(pthread_create(&poster, NULL, post_thread, fake_vp(&f, 0)), 0);
    while (next <= MESSAGES) {
        if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == 0) {
            sched_yield();
            continue;
        }
        assert_int_equal(guest_take(slot), next);
        next++;
    }
    atomic_store(&world.done, true);
    assert_int_equal(pthread_join(poster, NULL), 0);
    assert_int_equal(pthread_join(vp, NULL), 0);
    assert_int_equal(rig_counters().messages, MESSAGES);
}

static void *
signal_thread(void *arg)
{
    struct enlh_vp *vp = arg;
    uintptr_t raised = 0;

    for (uint32_t i = 0; i < EVENTS; i++)
        raised += (uintptr_t)enlh_vp_signal_event(vp, SINT, i % 64);
    return (void *)raised;
}

/* Each 0 to 1 is seen by exactly one of the signallers, and taken once by the guest. */
static void
synic_events_are_neither_lost_nor_doubled(void **state)
{
    pthread_t thread[2];
    uint64_t taken = 0, raised = 0;
    void *result;

    (void)state;
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, signal_thread, fake_vp(&f, 0)),
                         0);
    for (uint32_t pass = 0; pass < 2000; pass++) {
        for (uint32_t flag = 0; flag < 64; flag++)
            taken += fake_take_event(&f, 0, SINT, flag);
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], &result), 0);
        raised += (uint64_t)(uintptr_t)result;
    }
    for (uint32_t flag = 0; flag < 64; flag++)
        taken += fake_take_event(&f, 0, SINT, flag);
    assert_int_equal(taken, raised);
    assert_int_equal(rig_counters().events, raised);
}

static void *
signal_on_thread(void *arg)
{
    struct enlh_vp *vp = arg;

    for (uint32_t i = 0; !atomic_load(&world.done); i++)
        (void)!enlh_vp_signal_event(vp, SINT, i % 31);
    return NULL;
}

static void
pause_for(uint32_t turns)
{
    for (volatile uint32_t i = 0; i < turns; i++)
        ;
}

/* A flag of the guest's own in the word where others are set: it stays as it was left. */
static void
synic_events_leave_the_rest_of_the_word(void **state)
{
    pthread_t thread;
    struct enl_event_page *page = fake_at(&f, FAKE_SIEFP_GPA(0), ENL_PAGE_SIZE);
    uint32_t *word = &page->sint[SINT].word[0];
    const uint32_t own = 1u << 31, others = own - 1;
    uint32_t wrong = 0;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, signal_on_thread, fake_vp(&f, 0)), 0);
    for (uint32_t i = 0; i < 300000; i++) {
        __atomic_fetch_and(word, ~others, __ATOMIC_SEQ_CST);
        __atomic_fetch_or(word, own, __ATOMIC_SEQ_CST);
        pause_for(i % 64);
        wrong += (__atomic_load_n(word, __ATOMIC_SEQ_CST) & own) == 0;
        __atomic_fetch_and(word, ~own, __ATOMIC_SEQ_CST);
        pause_for(i % 64);
        wrong += (__atomic_load_n(word, __ATOMIC_SEQ_CST) & own) != 0;
    }
    atomic_store(&world.done, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(wrong, 0);
}

/* ---- one slot, two sides, again and again at the same moment ---- */

#define ROUNDS 60000u

static struct {
    _Atomic uint32_t round;    /* both may begin it */
    _Atomic uint32_t answered; /* the guest has done its part of it */
    uint32_t seen_pending;     /* what the guest found in the flags */
    uint32_t half;             /* messages that were not whole */
} duel;

/* Both threads must run at once to meet; where there is one CPU they take turns. */
static void
wait_for_round(const _Atomic uint32_t *at, uint32_t round)
{
    for (uint32_t i = 0; atomic_load(at) < round; i++) {
        if (i % 4096 == 4095)
            sched_yield();
    }
}

static void *
free_slot_thread(void *arg)
{
    struct enl_message *slot = arg;

    for (uint32_t round = 1; round <= ROUNDS; round++) {
        wait_for_round(&duel.round, round);
        pause_for(round % 97);
        __atomic_store_n(&slot->type, 0, __ATOMIC_SEQ_CST);
        duel.seen_pending =
            __atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & ENL_MESSAGE_FLAG_PENDING;
        atomic_store(&duel.answered, round);
    }
    return NULL;
}

/*
 * A message waits, the slot is taken, and the guest frees it while the VP is entered:
 * either the message is in the slot now, or the guest knows that it must write EOM.
 */
static void
synic_pending_flag_is_never_too_late(void **state)
{
    pthread_t guest;
    struct enl_message *slot = fake_slot(&f, 0, SINT);
    uint32_t lost = 0;

    (void)state;
    memset(&duel, 0, sizeof(duel));
    assert_int_equal(pthread_create(&guest, NULL, free_slot_thread, slot), 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        slot->flags = 0;
        __atomic_store_n(&slot->type, 9, __ATOMIC_SEQ_CST);
        assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), SINT, 1, 0, "m", 1), 0);
        atomic_store(&duel.round, round);
        pause_for(round / 97 % 97);
        enlh_vp_enter(fake_vp(&f, 0));
        wait_for_round(&duel.answered, round);
        if (!enlh_vp_messages_done(fake_vp(&f, 0), SINT) && duel.seen_pending == 0)
            lost++;
        slot->type = 0;
        fake_set(&f, 0, ENL_REG_EOM, 0);
        enlh_vp_enter(fake_vp(&f, 0));
    }
    assert_int_equal(pthread_join(guest, NULL), 0);
    assert_int_equal(lost, 0);
}

static void *
watch_slot_thread(void *arg)
{
    struct enl_message *slot = arg;

    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint8_t copy[240];

        for (uint32_t i = 0; __atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == 0; i++) {
            if (i % 4096 == 4095)
                sched_yield();
        }
        memcpy(copy, slot->payload, sizeof(copy));
        for (uint32_t i = 0; i < sizeof(copy); i++)
            duel.half += copy[i] != (uint8_t)round;
        duel.half += slot->payload_len != sizeof(copy) || slot->sender != round;
        __atomic_store_n(&slot->type, 0, __ATOMIC_SEQ_CST);
        atomic_store(&duel.answered, round);
    }
    return NULL;
}

/* Whoever sees the type sees the rest of the message. */
static void
synic_message_is_never_seen_half(void **state)
{
    pthread_t guest;
    struct enl_message *slot = fake_slot(&f, 0, SINT);

    (void)state;
    memset(&duel, 0, sizeof(duel));
    assert_int_equal(pthread_create(&guest, NULL, watch_slot_thread, slot), 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint8_t payload[240];

        memset(payload, (int)round, sizeof(payload));
        assert_int_equal(enlh_vp_post_message(fake_vp(&f, 0), SINT, 1, round, payload,
                                              sizeof(payload)),
                         0);
        pause_for(round % 97);
        enlh_vp_enter(fake_vp(&f, 0));
        wait_for_round(&duel.answered, round);
    }
    assert_int_equal(pthread_join(guest, NULL), 0);
    assert_int_equal(duel.half, 0);
}

/* The page comes and goes while others signal and post: they hit it or are refused. */
static void
synic_pages_go_away_under_the_senders(void **state)
{
    pthread_t signaller;
    void *raised;

    (void)state;
    assert_int_equal(pthread_create(&signaller, NULL, signal_thread, fake_vp(&f, 0)), 0);
    for (uint32_t i = 0; i < 500; i++) {
        fake_set(&f, 0, ENL_REG_SIEFP, 0);
        assert_true(rig_page_is(FAKE_SIEFP_GPA(0), 0xa5));
        fake_set(&f, 0, ENL_REG_SIEFP, FAKE_SIEFP_GPA(0) | 1);
        (void)!enlh_vp_post_message(fake_vp(&f, 0), SINT, 1, 0, &i, sizeof(i));
        enlh_vp_enter(fake_vp(&f, 0));
        fake_set(&f, 0, ENL_REG_SIMP, 0);
        assert_true(rig_page_is(FAKE_SIMP_GPA(0), 0xa5));
        fake_set(&f, 0, ENL_REG_SIMP, FAKE_SIMP_GPA(0) | 1);
    }
    assert_int_equal(pthread_join(signaller, &raised), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(synic_messages_all_arrive_in_order, start,
                                        rig_fini),
        cmocka_unit_test_setup_teardown(synic_events_are_neither_lost_nor_doubled, start,
                                        rig_fini),
        cmocka_unit_test_setup_teardown(synic_events_leave_the_rest_of_the_word, start,
                                        rig_fini),
        cmocka_unit_test_setup_teardown(synic_pending_flag_is_never_too_late, start,
                                        rig_fini),
        cmocka_unit_test_setup_teardown(synic_message_is_never_seen_half, start,
                                        rig_fini),
        cmocka_unit_test_setup_teardown(synic_pages_go_away_under_the_senders, start,
                                        rig_fini),
    };

    (void)rig_boot;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
