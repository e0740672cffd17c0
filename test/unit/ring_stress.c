/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_stress.c - two threads, two doorbells: every packet arrives, nobody sleeps
 * for ever
 *
 * Each side waits at a doorbell that only the other side's signal rings, so a signal that
 * is lost ends the test by its time limit. The wait spins, because a side that comes back
 * at once meets the other one in its narrowest moments, which is where a missing fence
 * shows. Under the thread sanitizer this also proves that no byte of a packet is touched
 * by both sides at once.
 */
#include "ring_rig.h"

#include <pthread.h>
#include <sched.h>

#include <string.h>

/* The thread sanitizer looks at who touches what; it sees no fence, and is slow. */
#if defined(__SANITIZE_THREAD__)
enum { PACKETS = 20000 };
#else
enum { PACKETS = 100000 };
#endif
enum { BATCH = 7, SINGLES = 4 * PACKETS };

/* How a run goes. */
struct plan {
    enum ring_rig_kind kind;
    uint32_t pages;
    uint32_t packets;
    bool masks;  /* the consumer asks for silence while it polls */
    bool single; /* short packets, each published and released by itself */
    bool large;  /* packets of which the ring holds one */
};

struct stress {
    struct plan plan;
    struct ring_rig rig;
    uint32_t data;  /* the consumer's doorbell */
    uint32_t space; /* the producer's */
    bool failed;
};

static void
ring_bell(uint32_t *bell)
{
    __atomic_exchange_n(bell, 1, __ATOMIC_SEQ_CST);
}

static void
wait_bell(uint32_t *bell)
{
    uint32_t spins = 0;

    while (__atomic_exchange_n(bell, 0, __ATOMIC_SEQ_CST) == 0) {
        if (++spins % 4096 == 0)
            sched_yield();
    }
}

/* A moment whose length differs each time. */
static void
dawdle(uint32_t n)
{
    for (uint32_t i = n * 2654435761u >> 27; i > 0; i--)
        __asm__ volatile("" ::: "memory");
}

static uint32_t
len_of(const struct stress *s, uint32_t n)
{
    if (s->plan.large)
        return 2100 + n % 100;
    if (s->plan.single)
        return 8;
    return n % 61 == 0 ? 2500 : n * 37 % 300;
}

static void
publish(struct stress *s)
{
    if (enl_ring_publish(&s->rig.p))
        ring_bell(&s->data);
}

static void *
produce(void *opaque)
{
    struct stress *s = opaque;
    static uint8_t bytes[2500];

    for (uint32_t n = 0; n < s->plan.packets; n++) {
        uint32_t len = len_of(s, n);
        struct enl_ring_piece piece = {bytes, len};
        int rc;

        memset(bytes, (int)n & 0xFF, len);
        while ((rc = enl_ring_put(&s->rig.p, 6, 0, n, &piece, 1, 0)) == -ENL_E_AGAIN) {
            publish(s);
            if (!enl_ring_wait_space(&s->rig.p, enl_ring_packet_size(16, len)))
                wait_bell(&s->space);
        }
        if (rc != 0)
            s->failed = true;
        if (s->plan.single || s->plan.large)
            dawdle(n);
        if (s->plan.single || s->plan.large || n % BATCH == 0)
            publish(s);
    }
    publish(s);
    return NULL;
}

static void
take(struct stress *s, const struct enl_ring_packet *packet, uint32_t n)
{
    static uint8_t bytes[2504];
    uint32_t len = len_of(s, n);

    if (packet->transaction_id != n || packet->payload_len != ((len + 7) & ~7u) ||
        enl_ring_copy(&s->rig.c, packet, 16, bytes, packet->payload_len) != 0)
        s->failed = true;
    for (uint32_t i = 0; i < len; i++) {
        if (bytes[i] != (n & 0xFF))
            s->failed = true;
    }
}

static void
release(struct stress *s)
{
    if (enl_ring_release(&s->rig.c))
        ring_bell(&s->space);
}

static void
consume(struct stress *s)
{
    struct enl_ring_packet packet;
    uint32_t n = 0;

    while (n < s->plan.packets && !s->failed) {
        if (s->plan.masks)
            enl_ring_mask(&s->rig.c, true);
        while (enl_ring_get(&s->rig.c, &packet) == 1) {
            take(s, &packet, n++);
            if (!s->plan.single && n % (BATCH - 2) == 0)
                release(s);
        }
        release(s);
        if (n == s->plan.packets)
            break;
        if (s->plan.masks ? !enl_ring_unmask(&s->rig.c) : !enl_ring_readable(&s->rig.c))
            wait_bell(&s->data);
    }
}

static void
run(struct plan plan)
{
    static struct stress s;
    pthread_t thread;

    memset(&s, 0, sizeof(s));
    s.plan = plan;
    ring_rig_start(&s.rig, plan.kind, plan.pages);
    assert_int_equal(pthread_create(&thread, NULL, produce, &s), 0);
    consume(&s);
    pthread_join(thread, NULL);
    assert_false(s.failed);
    ring_rig_stop(&s.rig);
}

static void
no_packet_and_no_signal_is_lost_in_a_small_ring(void **state)
{
    (void)state;
    run((struct plan){.pages = 1, .packets = PACKETS, .masks = true});
    run((struct plan){.pages = 1, .packets = PACKETS});
}

static void
no_packet_and_no_signal_is_lost_in_scattered_pages(void **state)
{
    (void)state;
    run((struct plan){.kind = RIG_PAGES, .pages = 3, .packets = PACKETS, .masks = true});
    run((struct plan){.kind = RIG_PAGES, .pages = 3, .packets = PACKETS});
}

static void
no_packet_and_no_signal_is_lost_in_a_doubled_ring(void **state)
{
    (void)state;
    run((struct plan){
        .kind = RIG_DOUBLED, .pages = 2, .packets = PACKETS, .masks = true});
    run((struct plan){.kind = RIG_DOUBLED, .pages = 2, .packets = PACKETS});
}

static void
ring_that_runs_empty_all_the_time_wakes_its_consumer(void **state)
{
    (void)state;
    run((struct plan){.pages = 1, .packets = SINGLES, .masks = true, .single = true});
    run((struct plan){.pages = 1, .packets = SINGLES, .single = true});
}

static void
ring_that_runs_full_all_the_time_wakes_its_producer(void **state)
{
    (void)state;
    run((struct plan){.pages = 1, .packets = PACKETS, .masks = true, .large = true});
    run((struct plan){.pages = 1, .packets = PACKETS, .large = true});
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_packet_and_no_signal_is_lost_in_a_small_ring),
        cmocka_unit_test(no_packet_and_no_signal_is_lost_in_scattered_pages),
        cmocka_unit_test(no_packet_and_no_signal_is_lost_in_a_doubled_ring),
        cmocka_unit_test(ring_that_runs_empty_all_the_time_wakes_its_consumer),
        cmocka_unit_test(ring_that_runs_full_all_the_time_wakes_its_producer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
