/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/synic.c - message slots and SINTs, with timer messages as the sender
 *
 * [TLFS 11]
 */
#include <string.h>

#include "test/guest/synic_rig.h"

#define SINT        3u
#define CONFIG(n)   (ENL_MSR_STIMER0_CONFIG + 2 * (n))
#define COUNT_OF(n) (ENL_MSR_STIMER0_COUNT + 2 * (n))
#define TO_SINT     ((uint64_t)SINT << ENL_STIMER_SINT_SHIFT)
#define GARBAGE     0x5A5A5A5Au

struct enl_message_page rig_messages[CPUS_MAX] __attribute__((aligned(4096)));
struct enl_event_page rig_events[CPUS_MAX] __attribute__((aligned(4096)));

/* ---- the rig ---- */

void
rig_on(void)
{
    uint32_t cpu = cpu_this()->index;

    msr_write(ENL_MSR_SIMP, (uintptr_t)&rig_messages[cpu] | ENL_SIMP_ENABLE);
    msr_write(ENL_MSR_SIEFP, (uintptr_t)&rig_events[cpu] | ENL_SIEFP_ENABLE);
    msr_write(ENL_MSR_SCONTROL, ENL_SCONTROL_ENABLE);
}

void
rig_sint(uint32_t sint, uint64_t value)
{
    msr_write(ENL_MSR_SINT0 + sint, value);
}

bool
rig_wait(uint32_t sint)
{
    volatile struct enl_message *slot = rig_slot(cpu_this()->index, sint);

    return WAIT_UNTIL(slot->type != ENL_MESSAGE_NONE);
}

void
rig_take(uint32_t sint, struct enl_message *out)
{
    struct enl_message *slot = &rig_messages[cpu_this()->index].slot[sint];

    __asm__ volatile("" ::: "memory");
    memcpy(out, slot, sizeof(*out));
    __atomic_store_n(&slot->type, ENL_MESSAGE_NONE, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & ENL_MESSAGE_FLAG_PENDING)
        msr_write(ENL_MSR_EOM, 0);
}

/* ---- tests ---- */

/* One message of timer 0, at once. */
static void
send_one(void)
{
    msr_write(CONFIG(0), TO_SINT | ENL_STIMER_AUTO_ENABLE);
    msr_write(COUNT_OF(0), 1);
}

/* Its interrupt was taken count times, and its message lies in the slot. */
static bool
came(uint32_t count)
{
    struct enl_message message;

    if (!rig_wait(SINT) || !wait_word(&cpu_this()->irqs[VECTOR_A], count))
        return false;
    rig_take(SINT, &message);
    return message.type == ENL_MESSAGE_TIMER_EXPIRED;
}

static void
auto_eoi_needs_no_eoi(void)
{
    struct cpu *cpu = cpu_this();

    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    cpu->no_eoi[VECTOR_A] = true;
    rig_on();
    rig_sint(SINT, VECTOR_A | ENL_SINT_AUTO_EOI);
    for (uint32_t i = 1; i <= 4; i++) {
        send_one();
        CHECK(came(i));
        CHECK(!apic_in_service(VECTOR_A));
    }
}

/* The same without the bit: the second waits for the EOI of the first. */
static void
without_auto_eoi_the_next_waits(void)
{
    struct cpu *cpu = cpu_this();
    struct enl_message message;

    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    cpu->no_eoi[VECTOR_A] = true;
    rig_on();
    rig_sint(SINT, VECTOR_A);
    send_one();
    CHECK(came(1));
    CHECK(apic_in_service(VECTOR_A));
    send_one();
    CHECK(rig_wait(SINT));
    spin_us(5000);
    EQUAL(cpu->irqs[VECTOR_A], 1);
    apic_eoi();
    CHECK(wait_word(&cpu->irqs[VECTOR_A], 2));
    rig_take(SINT, &message);
    EQUAL(message.type, ENL_MESSAGE_TIMER_EXPIRED);
}

static void
taken_slot_is_not_overwritten(void)
{
    volatile struct enl_message *slot = rig_slot(0, SINT);
    struct enl_message message;

    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    rig_on();
    rig_sint(SINT, VECTOR_A);
    slot->sender = 0x1122334455667788;
    slot->payload[239] = 0x99;
    slot->type = GARBAGE;
    send_one();
    CHECK(WAIT_UNTIL(slot->flags & ENL_MESSAGE_FLAG_PENDING));
    spin_us(2000);
    EQUAL(slot->type, GARBAGE);
    EQUAL(slot->sender, 0x1122334455667788);
    EQUAL(slot->payload[239], 0x99);
    EQUAL(cpu_this()->irqs[VECTOR_A], 0);
    rig_take(SINT, &message);
    CHECK(rig_wait(SINT));
    EQUAL(slot->type, ENL_MESSAGE_TIMER_EXPIRED);
    CHECK(wait_word(&cpu_this()->irqs[VECTOR_A], 1));
}

/* Messages go to the slots of their own SINT. */
static void
each_sint_has_its_slot(void)
{
    static const uint32_t sints[] = {1, 2, 7, 15};

    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    rig_on();
    for (uint32_t i = 0; i < COUNT(sints); i++)
        rig_sint(sints[i], VECTOR_A);
    for (uint32_t i = 0; i < COUNT(sints); i++) {
        msr_write(CONFIG(i),
                  (uint64_t)sints[i] << ENL_STIMER_SINT_SHIFT | ENL_STIMER_AUTO_ENABLE);
        msr_write(COUNT_OF(i), 1);
        CHECK(rig_wait(sints[i]));
        EQUAL(rig_slot(0, sints[i])->payload[0], i);
    }
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++) {
        bool used = i == 1 || i == 2 || i == 7 || i == 15;

        EQUAL(rig_slot(0, i)->type, used ? ENL_MESSAGE_TIMER_EXPIRED : 0);
    }
}

/* Seen: KVM's timers ask nobody for SCONTROL; messages of the host do (vmbus.c). */
static void
no_timer_message_while_scontrol_is_off(void)
{
    struct enl_message message;

    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    REQUIRE_USER_ENGINE();
    rig_on();
    rig_sint(SINT, VECTOR_A);
    msr_write(ENL_MSR_SCONTROL, 0);
    send_one();
    spin_us(5000);
    EQUAL(rig_slot(0, SINT)->type, ENL_MESSAGE_NONE);
    EQUAL(cpu_this()->irqs[VECTOR_A], 0);
    msr_write(CONFIG(0), 0);
    msr_write(ENL_MSR_SCONTROL, ENL_SCONTROL_ENABLE);
    send_one();
    CHECK(rig_wait(SINT));
    rig_take(SINT, &message);
    EQUAL(message.type, ENL_MESSAGE_TIMER_EXPIRED);
}

static void
polled_sint_interrupts_nobody(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC | ENL_PRIV_STIMER));
    REQUIRE(features->features & ENL_FEAT_SINT_POLLING);
    rig_on();
    rig_sint(SINT, VECTOR_A | ENL_SINT_POLLING);
    send_one();
    CHECK(rig_wait(SINT));
    spin_us(2000);
    EQUAL(cpu_this()->irqs[VECTOR_A], 0);
}

const struct test synic_tests[] = {
    {"each_sint_has_its_slot", "S03 T10", each_sint_has_its_slot},
    {"taken_slot_is_not_overwritten", "S03 S05", taken_slot_is_not_overwritten},
    {"auto_eoi_needs_no_eoi", "S08", auto_eoi_needs_no_eoi},
    {"without_auto_eoi_the_next_waits", "S09", without_auto_eoi_the_next_waits},
    {"no_timer_message_while_scontrol_is_off", "S01 M12",
     no_timer_message_while_scontrol_is_off},
    {"polled_sint_interrupts_nobody", "S12", polled_sint_interrupts_nobody},
    {NULL, NULL, NULL},
};
