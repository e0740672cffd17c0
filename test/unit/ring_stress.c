/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_stress.c - two threads, two doorbells: every packet arrives, nobody sleeps
 * for ever
 *
 * Each side sleeps on a semaphore that only the other side's signal raises, so a signal
 * that is lost ends the test by its time limit. Under the thread sanitizer this also shows
 * that no byte of a packet is touched by both sides at once.
 */
#include "ring_rig.h"

#include <pthread.h>
#include <semaphore.h>

#include <string.h>

enum { PACKETS = 200000, BATCH = 7 };

struct stress {
    struct ring_rig rig;
    sem_t data;
    sem_t space;
    bool masks; /* the consumer asks for silence while it polls */
    bool failed;
};

/* The length of packet n: short ones, and some that fill a good part of the ring. */
static uint32_t
len_of(uint32_t n)
{
    return n % 61 == 0 ? 2500 : n * 37 % 300;
}

static void
publish(struct stress *s)
{
    if (enl_ring_publish(&s->rig.p))
        sem_post(&s->data);
}

static void *
produce(void *opaque)
{
    struct stress *s = opaque;
    static uint8_t bytes[2500];

    for (uint32_t n = 0; n < PACKETS; n++) {
        uint32_t len = len_of(n);
        struct enl_ring_piece piece = {bytes, len};
        int rc;

        memset(bytes, (int)n & 0xFF, len);
        while ((rc = enl_ring_put(&s->rig.p, 6, 0, n, &piece, 1, 0)) == -ENL_E_AGAIN) {
            publish(s);
            if (!enl_ring_wait_space(&s->rig.p, enl_ring_packet_size(16, len)))
                sem_wait(&s->space);
        }
        if (rc != 0)
            s->failed = true;
        if (n % BATCH == 0)
            publish(s);
    }
    publish(s);
    return NULL;
}

static void
take(struct stress *s, const struct enl_ring_packet *packet, uint32_t n)
{
    static uint8_t bytes[2504];
    uint32_t len = len_of(n);

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
        sem_post(&s->space);
}

static void
consume(struct stress *s)
{
    struct enl_ring_packet packet;
    uint32_t n = 0;

    while (n < PACKETS && !s->failed) {
        if (s->masks)
            enl_ring_mask(&s->rig.c, true);
        while (enl_ring_get(&s->rig.c, &packet) == 1) {
            take(s, &packet, n++);
            if (n % (BATCH - 2) == 0)
                release(s);
        }
        release(s);
        if (n == PACKETS)
            break;
        if (s->masks ? !enl_ring_unmask(&s->rig.c) : !enl_ring_readable(&s->rig.c))
            sem_wait(&s->data);
    }
}

static void
run(enum ring_rig_kind kind, uint32_t pages, bool masks)
{
    static struct stress s;
    pthread_t thread;

    memset(&s, 0, sizeof(s));
    ring_rig_start(&s.rig, kind, pages);
    sem_init(&s.data, 0, 0);
    sem_init(&s.space, 0, 0);
    s.masks = masks;
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
    run(RIG_FLAT, 1, true);
    run(RIG_FLAT, 1, false);
}

static void
no_packet_and_no_signal_is_lost_in_scattered_pages(void **state)
{
    (void)state;
    run(RIG_PAGES, 3, true);
    run(RIG_PAGES, 3, false);
}

static void
no_packet_and_no_signal_is_lost_in_a_doubled_ring(void **state)
{
    (void)state;
    run(RIG_DOUBLED, 2, true);
    run(RIG_DOUBLED, 2, false);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_packet_and_no_signal_is_lost_in_a_small_ring),
        cmocka_unit_test(no_packet_and_no_signal_is_lost_in_scattered_pages),
        cmocka_unit_test(no_packet_and_no_signal_is_lost_in_a_doubled_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
