/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_fence.c - of two sides that store and then look, at least one sees the other
 *
 * Each round the two ends of a ring meet and then make, at the same moment give or take a
 * few instructions, the two calls that decide together whether somebody is woken. The
 * header's cache line is shared when they start, so that a store without its fence is seen
 * late. No doorbell and no time limit: one unlucky round is a failed assertion. Each side
 * has a processor of its own, where there are two: on a single one nothing is seen late.
 */
#define _GNU_SOURCE
#include "ring_rig.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

/* The thread sanitizer sees no fence, and is slow. */
#if defined(__SANITIZE_THREAD__)
enum { ROUNDS = 5000 };
#else
enum { ROUNDS = 300000 };
#endif

/* Of the large ones a ring of one page holds a single packet. */
enum { SMALL = 8, LARGE = 2104 };

struct duel;

/* What a side does in a round: get ready, and the call. */
struct moves {
    bool (*producer_ready)(struct duel *duel);
    bool (*producer)(struct duel *duel); /* true: the consumer is signalled, or I go on */
    bool (*consumer_ready)(struct duel *duel);
    bool (*consumer)(struct duel *duel); /* true: the producer is signalled, or I go on */
};

struct duel {
    struct ring_rig rig;
    const struct moves *moves;
    uint32_t at[2]
        __attribute__((aligned(64))); /* how often each side came to a meeting */
    bool ready; /* the producer's answers, each read between two meetings */
    bool awake;
    uint32_t lost;
    cpu_set_t allowed;
};

/* The first processor that we may use is the producer's, the last one the consumer's. */
static void
settle(int side, const cpu_set_t *allowed)
{
    cpu_set_t mine;
    size_t cpu = CPU_SETSIZE;

    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, allowed) && (side == 1 || cpu == CPU_SETSIZE))
            cpu = i;
    }
    CPU_ZERO(&mine);
    CPU_SET(cpu, &mine);
    (void)sched_setaffinity(0, sizeof(mine), &mine);
}

static void
meet(struct duel *duel, int side)
{
    uint32_t turn = duel->at[side] + 1;
    uint32_t spins = 0;

    __atomic_store_n(&duel->at[side], turn, __ATOMIC_RELEASE);
    while ((int32_t)(__atomic_load_n(&duel->at[!side], __ATOMIC_ACQUIRE) - turn) < 0) {
        if (++spins % 4096 == 0)
            sched_yield();
    }
}

/*
 * Both sides get a copy of the header's line, then a moment that differs each time: of up
 * to a cache miss, or of up to a fence.
 */
static void
take_aim(struct duel *duel, uint32_t round, int side)
{
    uint32_t n = (round * 2 + (uint32_t)side) * 2654435761u >> (round % 2 != 0 ? 22 : 26);

    (void)__atomic_load_n(&duel->rig.header->write_index, __ATOMIC_RELAXED);
    for (; n > 0; n--)
        __asm__ volatile("" ::: "memory");
}

/* The producer gets ready first: the consumer may want its packet. */
static void *
produce(void *opaque)
{
    struct duel *duel = opaque;

    settle(0, &duel->allowed);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        duel->ready = duel->moves->producer_ready(duel);
        meet(duel, 0);
        meet(duel, 0);
        take_aim(duel, i, 0);
        duel->awake = duel->moves->producer(duel);
        meet(duel, 0);
    }
    return NULL;
}

static void
consume(struct duel *duel)
{
    settle(1, &duel->allowed);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        bool ready, awake;

        meet(duel, 1);
        ready = duel->ready && duel->moves->consumer_ready(duel);
        meet(duel, 1);
        take_aim(duel, i, 1);
        awake = duel->moves->consumer(duel);
        meet(duel, 1);
        if (!ready || (!awake && !duel->awake))
            duel->lost++;
    }
}

static void
fight(const struct moves *moves)
{
    static struct duel duel;
    pthread_t thread;

    memset(&duel, 0, sizeof(duel));
    duel.moves = moves;
    ring_rig_start(&duel.rig, RIG_FLAT, 1);
    assert_int_equal(sched_getaffinity(0, sizeof(duel.allowed), &duel.allowed), 0);
    assert_int_equal(pthread_create(&thread, NULL, produce, &duel), 0);
    consume(&duel);
    pthread_join(thread, NULL);
    assert_int_equal(sched_setaffinity(0, sizeof(duel.allowed), &duel.allowed), 0);
    assert_int_equal(duel.lost, 0);
    ring_rig_stop(&duel.rig);
}

static bool
put(struct duel *duel, uint32_t len, int expect)
{
    static const uint8_t bytes[LARGE];
    struct enl_ring_piece piece = {bytes, len};

    return enl_ring_put(&duel->rig.p, ENL_PACKET_INBAND, 0, 0, &piece, 1, 0) == expect;
}

static bool
put_small(struct duel *duel)
{
    return put(duel, SMALL, 0);
}

/* One large packet is shown, and a second one does not fit. */
static bool
put_until_full(struct duel *duel)
{
    bool ok = put(duel, LARGE, 0);

    enl_ring_publish(&duel->rig.p);
    return put(duel, LARGE, -ENL_E_AGAIN) && ok;
}

static bool
publish(struct duel *duel)
{
    return enl_ring_publish(&duel->rig.p);
}

static bool
wait_space(struct duel *duel)
{
    return enl_ring_wait_space(&duel->rig.p,
                               enl_ring_packet_size(sizeof(struct enl_packet), LARGE));
}

static bool
take_all(struct duel *duel)
{
    struct enl_ring_packet packet;
    int got;

    while ((got = enl_ring_get(&duel->rig.c, &packet)) == 1)
        continue;
    return got == 0;
}

static bool
take_and_mask(struct duel *duel)
{
    bool ok = take_all(duel);

    enl_ring_release(&duel->rig.c);
    enl_ring_mask(&duel->rig.c, true);
    return ok;
}

static bool
unmask(struct duel *duel)
{
    return enl_ring_unmask(&duel->rig.c);
}

static bool
release(struct duel *duel)
{
    return enl_ring_release(&duel->rig.c);
}

/* The consumer goes to sleep only if it sees no packet after it gave up its last one. */
static bool
release_and_look(struct duel *duel)
{
    enl_ring_release(&duel->rig.c);
    return enl_ring_readable(&duel->rig.c);
}

static void
packet_at_the_moment_of_unmasking_wakes(void **state)
{
    static const struct moves moves = {put_small, publish, take_and_mask, unmask};

    (void)state;
    fight(&moves);
}

static void
packet_at_the_moment_of_the_last_look_wakes(void **state)
{
    static const struct moves moves = {put_small, publish, take_all, release_and_look};

    (void)state;
    fight(&moves);
}

static void
space_at_the_moment_of_asking_for_it_wakes(void **state)
{
    static const struct moves moves = {put_until_full, wait_space, take_all, release};

    (void)state;
    fight(&moves);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_at_the_moment_of_unmasking_wakes),
        cmocka_unit_test(packet_at_the_moment_of_the_last_look_wakes),
        cmocka_unit_test(space_at_the_moment_of_asking_for_it_wakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
