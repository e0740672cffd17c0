/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_fence.c - a message that waits is never forgotten
 *
 * Each round a guest takes a message while a hypervisor with another one asks for an EOM:
 * the guest frees the slot and then looks at the flag, the hypervisor sets the flag and
 * then looks at the slot. If neither sees the other, the second message waits for ever.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_rig.h"

/* The thread sanitizer sees no fence, and is slow. */
#if defined(__SANITIZE_THREAD__)
enum { ROUNDS = 5000 };
#else
enum { ROUNDS = 400000 };
#endif

static uint32_t at[2] __attribute__((aligned(64)));
static bool hypervisor_saw;
static uint32_t eoms;

static void
meet(int side)
{
    uint32_t turn = at[side] + 1, spins = 0;

    __atomic_store_n(&at[side], turn, __ATOMIC_RELEASE);
    while ((int32_t)(__atomic_load_n(&at[!side], __ATOMIC_ACQUIRE) - turn) < 0) {
        if (++spins % 4096 == 0)
            sched_yield();
    }
}

/*
 * Both sides get a copy of the slot's line, then a moment that differs each time: a longer
 * one for the hypervisor, since the guest copies a whole message first.
 */
static void
take_aim(uint32_t round, int side)
{
    uint32_t n = (round * 2 + (uint32_t)side) * 2654435761u >> (side ? 28 : 24);

    (void)__atomic_load_n(&rig_slot(2)->type, __ATOMIC_RELAXED);
    for (; n > 0; n--)
        __asm__ volatile("" ::: "memory");
}

static void *
hypervise(void *arg)
{
    struct enl_message *slot = arg;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        __atomic_store_n(&slot->flags, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->type, ENL_MESSAGE_VMBUS, __ATOMIC_RELEASE);
        meet(0);
        take_aim(i, 0);
        __atomic_fetch_or(&slot->flags, ENL_MESSAGE_FLAG_PENDING, __ATOMIC_SEQ_CST);
        hypervisor_saw =
            __atomic_load_n(&slot->type, __ATOMIC_SEQ_CST) == ENL_MESSAGE_NONE;
        meet(0);
        meet(0);
    }
    return NULL;
}

static int
count_eom(void *ctx, uint32_t reg, uint64_t value)
{
    (void)ctx;
    (void)value;
    eoms += reg == ENL_REG_EOM;
    return 0;
}

static void
message_that_waits_is_never_forgotten(void **state)
{
    struct enl_message copy;
    pthread_t thread;
    uint32_t lost = 0;

    (void)state;
    rig_synic_up();
    rig.platform.set_reg = count_eom;
    assert_int_equal(enlg_partition_init(&rig.partition, &rig.platform), 0);
    assert_int_equal(pthread_create(&thread, NULL, hypervise, rig_slot(2)), 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t before = eoms;

        meet(1);
        take_aim(i, 1);
        assert_int_equal(enlg_synic_message(&rig_synic, 2, &copy), 1);
        meet(1);
        lost += eoms == before && !hypervisor_saw;
        meet(1);
    }
    pthread_join(thread, NULL);
    assert_int_equal(lost, 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(message_that_waits_is_never_forgotten, rig_setup_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
