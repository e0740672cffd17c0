/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/stimer.c - the four timers: modes, order, what they are told and tell
 *
 * A timer may be late, as everything may under emulation, but never early: that and counts
 * is what is checked. [TLFS 12.3]
 */
#include <string.h>

#include "test/guest/synic_rig.h"

#define SINT        3u
#define MS          10000u /* in 100 ns */
#define CONFIG(n)   (ENL_MSR_STIMER0_CONFIG + 2 * (n))
#define COUNT_OF(n) (ENL_MSR_STIMER0_COUNT + 2 * (n))
#define TO_SINT     ((uint64_t)SINT << ENL_STIMER_SINT_SHIFT)
#define DIRECT(v)   (ENL_STIMER_DIRECT | (uint64_t)(v) << ENL_STIMER_VECTOR_SHIFT)

#define REQUIRE_TIMERS() REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER))
#define REQUIRE_DIRECT()                                                                 \
    REQUIRE_TIMERS();                                                                    \
    REQUIRE(features->features &ENL_FEAT_DIRECT_STIMER)

static volatile uint64_t fired_at;

static void
note_time(struct frame *frame)
{
    (void)frame;
    fired_at = reference_time();
}

static volatile uint32_t *
irqs(uint8_t vector)
{
    return &cpu_this()->irqs[vector];
}

static bool
is_enabled(uint32_t timer)
{
    return (msr_read(CONFIG(timer)) & ENL_STIMER_ENABLE) != 0;
}

/* ---- one-shot ---- */

static void
past_deadline_fires_at_once(void)
{
    REQUIRE_DIRECT();
    msr_write(COUNT_OF(0), 1);
    msr_write(CONFIG(0), DIRECT(VECTOR_A) | ENL_STIMER_ENABLE);
    CHECK(wait_word(irqs(VECTOR_A), 1));
    CHECK(!is_enabled(0));
    /* The other order, and again: a one-shot timer is spent. */
    msr_write(CONFIG(0), DIRECT(VECTOR_A) | ENL_STIMER_AUTO_ENABLE);
    msr_write(COUNT_OF(0), 1);
    CHECK(wait_word(irqs(VECTOR_A), 2));
    CHECK(!is_enabled(0));
    spin_us(3000);
    EQUAL(*irqs(VECTOR_A), 2);
}

static void
deadline_is_not_early(void)
{
    static const uint32_t delays[] = {500, 1000, 2000, 2900, MS, 3 * MS};

    REQUIRE_DIRECT();
    cpu_this()->handler[VECTOR_A] = note_time;
    msr_write(CONFIG(1), DIRECT(VECTOR_A) | ENL_STIMER_AUTO_ENABLE);
    for (uint32_t i = 0; i < COUNT(delays); i++) {
        uint64_t deadline = reference_time() + delays[i];

        msr_write(COUNT_OF(1), deadline);
        CHECK(wait_word(irqs(VECTOR_A), i + 1));
        CHECK(fired_at >= deadline);
        EQUAL(*irqs(VECTOR_A), i + 1);
    }
}

static void
halted_processor_wakes(void)
{
    REQUIRE_DIRECT();
    msr_write(CONFIG(0), DIRECT(VECTOR_A) | ENL_STIMER_AUTO_ENABLE);
    for (uint32_t i = 1; i <= 5; i++) {
        interrupts_off();
        msr_write(COUNT_OF(0), reference_time() + MS);
        while (*irqs(VECTOR_A) < i) {
            __asm__ volatile("sti; hlt" ::: "memory");
            interrupts_off();
        }
        interrupts_on();
        EQUAL(*irqs(VECTOR_A), i);
    }
}

static void
count_alone_starts_nothing(void)
{
    REQUIRE_DIRECT();
    msr_write(CONFIG(2), DIRECT(VECTOR_A));
    msr_write(COUNT_OF(2), 1);
    spin_us(5000);
    EQUAL(*irqs(VECTOR_A), 0);
    EQUAL(msr_read(COUNT_OF(2)), 1);
    msr_write(CONFIG(2), DIRECT(VECTOR_A) | ENL_STIMER_ENABLE);
    CHECK(wait_word(irqs(VECTOR_A), 1));
}

static void
auto_enable_follows_count(void)
{
    uint64_t config = DIRECT(VECTOR_A) | ENL_STIMER_AUTO_ENABLE;

    REQUIRE_DIRECT();
    msr_write(CONFIG(3), config);
    EQUAL(msr_read(CONFIG(3)), config);
    msr_write(COUNT_OF(3), reference_time() + 60000 * MS);
    CHECK(is_enabled(3));
    msr_write(COUNT_OF(3), 0);
    CHECK(!is_enabled(3));
    EQUAL(msr_read(COUNT_OF(3)), 0);
    spin_us(2000);
    EQUAL(*irqs(VECTOR_A), 0);
}

static void
later_deadline_replaces_earlier(void)
{
    uint64_t deadline;

    REQUIRE_DIRECT();
    cpu_this()->handler[VECTOR_A] = note_time;
    msr_write(CONFIG(0), DIRECT(VECTOR_A) | ENL_STIMER_AUTO_ENABLE);
    msr_write(COUNT_OF(0), reference_time() + 5 * MS);
    deadline = reference_time() + 20 * MS;
    msr_write(COUNT_OF(0), deadline);
    CHECK(wait_word(irqs(VECTOR_A), 1));
    /* The first may have passed before it was replaced. */
    if (fired_at < deadline)
        CHECK(wait_word(irqs(VECTOR_A), 2));
    CHECK(fired_at >= deadline);
}

/* ---- periodic ---- */

static void
check_periodic(uint64_t mode)
{
    uint64_t start = reference_time();
    uint32_t before;

    cpu_this()->handler[VECTOR_A] = note_time;
    *irqs(VECTOR_A) = 0;
    msr_write(COUNT_OF(0), 2 * MS);
    msr_write(CONFIG(0),
              DIRECT(VECTOR_A) | ENL_STIMER_PERIODIC | ENL_STIMER_ENABLE | mode);
    CHECK(wait_word(irqs(VECTOR_A), 5));
    CHECK(fired_at >= start + 5 * 2 * MS);
    CHECK(is_enabled(0));
    EQUAL(msr_read(COUNT_OF(0)), 2 * MS);
    msr_write(CONFIG(0), 0);
    before = *irqs(VECTOR_A);
    spin_us(6000);
    CHECK(*irqs(VECTOR_A) <= before + 1);
}

static void
periodic_goes_on_until_disabled(void)
{
    REQUIRE_DIRECT();
    check_periodic(0);
}

static void
lazy_periodic_goes_on_until_disabled(void)
{
    REQUIRE_DIRECT();
    check_periodic(ENL_STIMER_LAZY);
}

static void
count_of_zero_stops_periodic(void)
{
    uint32_t before;

    REQUIRE_DIRECT();
    msr_write(CONFIG(0), DIRECT(VECTOR_A) | ENL_STIMER_PERIODIC | ENL_STIMER_AUTO_ENABLE);
    msr_write(COUNT_OF(0), 2 * MS);
    CHECK(wait_word(irqs(VECTOR_A), 2));
    msr_write(COUNT_OF(0), 0);
    CHECK(!is_enabled(0));
    before = *irqs(VECTOR_A);
    spin_us(6000);
    CHECK(*irqs(VECTOR_A) <= before + 1);
}

/* ---- targets ---- */

static void
direct_mode_is_refused_unannounced(void)
{
    REQUIRE_TIMERS();
    if (features->features & ENL_FEAT_DIRECT_STIMER) {
        test_skip("direct mode is announced");
        return;
    }
    EQUAL(msr_try_write(CONFIG(0), DIRECT(VECTOR_A)), FAULT_GP);
    EQUAL(msr_read(CONFIG(0)), 0);
}

/* Seen: KVM lets a timer that was off before start for SINT 0. */
static void
message_timer_for_sint_0_is_off(void)
{
    REQUIRE_TIMERS();
    rig_on();
    msr_write(COUNT_OF(0), reference_time() + 10000 * MS);
    msr_write(CONFIG(0), TO_SINT | ENL_STIMER_ENABLE);
    CHECK(is_enabled(0));
    msr_write(CONFIG(0), ENL_STIMER_ENABLE);
    CHECK(!is_enabled(0));
    if (option_is("engine", "user")) {
        msr_write(COUNT_OF(1), 1);
        msr_write(CONFIG(1), ENL_STIMER_ENABLE);
        CHECK(!is_enabled(1));
    }
    spin_us(2000);
    EQUAL(rig_slot(0, 0)->type, ENL_MESSAGE_NONE);
}

static void
four_direct_timers_fire_once_each(void)
{
    static const uint8_t vectors[] = {0x60, 0x70, 0x90, 0xA0};
    uint64_t deadline;

    REQUIRE_DIRECT();
    deadline = reference_time() + 3 * MS;
    for (uint32_t i = 0; i < 4; i++) {
        msr_write(CONFIG(i), DIRECT(vectors[i]) | ENL_STIMER_AUTO_ENABLE);
        msr_write(COUNT_OF(i), deadline);
    }
    for (uint32_t i = 0; i < 4; i++)
        CHECK(wait_word(irqs(vectors[i]), 1));
    spin_us(3000);
    for (uint32_t i = 0; i < 4; i++) {
        EQUAL(*irqs(vectors[i]), 1);
        CHECK(!is_enabled(i));
    }
}

/* ---- messages ---- */

static void
check_message(const struct enl_message *message, uint32_t index, uint64_t deadline)
{
    struct enl_timer_payload payload;

    memcpy(&payload, message->payload, sizeof(payload));
    EQUAL(message->type, ENL_MESSAGE_TIMER_EXPIRED);
    EQUAL(message->payload_len, sizeof(payload));
    EQUAL(payload.timer_index, index);
    EQUAL(payload.expiration_time, deadline);
    CHECK(payload.delivery_time >= deadline);
    CHECK(payload.delivery_time <= reference_time());
}

static void
message_says_which_and_when(void)
{
    struct enl_message message;

    REQUIRE_TIMERS();
    rig_on();
    rig_sint(SINT, VECTOR_A);
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t deadline = reference_time() + 2 * MS;

        msr_write(CONFIG(i), TO_SINT | ENL_STIMER_AUTO_ENABLE);
        msr_write(COUNT_OF(i), deadline);
        CHECK(rig_wait(SINT));
        CHECK(wait_word(irqs(VECTOR_A), i + 1));
        rig_take(SINT, &message);
        check_message(&message, i, deadline);
        CHECK(!is_enabled(i));
    }
}

/* They share a slot: one lies there and says that more wait, EOM brings the next. */
static void
four_messages_wait_for_one_slot(void)
{
    struct enl_message message;
    uint64_t deadline;
    uint32_t seen = 0;

    REQUIRE_TIMERS();
    rig_on();
    rig_sint(SINT, VECTOR_A);
    deadline = reference_time() + 3 * MS;
    for (uint32_t i = 0; i < 4; i++) {
        msr_write(CONFIG(i), TO_SINT | ENL_STIMER_AUTO_ENABLE);
        msr_write(COUNT_OF(i), deadline);
    }
    CHECK(rig_wait(SINT));
    CHECK(WAIT_UNTIL(rig_slot(0, SINT)->flags & ENL_MESSAGE_FLAG_PENDING));
    for (uint32_t i = 0; i < 4 && rig_wait(SINT); i++) {
        rig_take(SINT, &message);
        seen |= 1u << message.payload[0];
        check_message(&message, message.payload[0], deadline);
    }
    EQUAL(seen, 0xF);
    spin_us(2000);
    EQUAL(rig_slot(0, SINT)->type, ENL_MESSAGE_NONE);
}

static void
periodic_messages_come_with_eom(void)
{
    struct enl_message message;

    REQUIRE_TIMERS();
    rig_on();
    rig_sint(SINT, VECTOR_A);
    msr_write(COUNT_OF(0), 2 * MS);
    msr_write(CONFIG(0), TO_SINT | ENL_STIMER_PERIODIC | ENL_STIMER_ENABLE);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK(rig_wait(SINT));
        rig_take(SINT, &message);
        EQUAL(message.type, ENL_MESSAGE_TIMER_EXPIRED);
    }
    CHECK(is_enabled(0));
}

const struct test stimer_tests[] = {
    {"past_deadline_fires_at_once", "T08 T11", past_deadline_fires_at_once},
    {"deadline_is_not_early", "T08 T11", deadline_is_not_early},
    {"halted_processor_wakes", "T08 T11", halted_processor_wakes},
    {"count_alone_starts_nothing", "T09 M17", count_alone_starts_nothing},
    {"auto_enable_follows_count", "T09 M17", auto_enable_follows_count},
    {"later_deadline_replaces_earlier", "T08", later_deadline_replaces_earlier},
    {"periodic_goes_on_until_disabled", "T09", periodic_goes_on_until_disabled},
    {"lazy_periodic_goes_on_until_disabled", "T09", lazy_periodic_goes_on_until_disabled},
    {"count_of_zero_stops_periodic", "T09 M17", count_of_zero_stops_periodic},
    {"direct_mode_is_refused_unannounced", "C23 C34", direct_mode_is_refused_unannounced},
    {"message_timer_for_sint_0_is_off", "M17", message_timer_for_sint_0_is_off},
    {"four_direct_timers_fire_once_each", "T07 T11", four_direct_timers_fire_once_each},
    {"message_says_which_and_when", "T10", message_says_which_and_when},
    {"four_messages_wait_for_one_slot", "T07 T10 S05 M15",
     four_messages_wait_for_one_slot},
    {"periodic_messages_come_with_eom", "T09 T10", periodic_messages_come_with_eom},
    {NULL, NULL, NULL},
};
