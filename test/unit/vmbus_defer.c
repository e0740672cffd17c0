/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work that any thread hands to the loop: once, in order, and never after it was taken
 * back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <cmocka.h>

#include "fake_partition.h"
#include "host/vmbus/defer.h"

/* Of a bus, only this is needed here. */
struct enlh_vmbus {
    struct fake fake;
    struct enlh_defer_queue queue;
    atomic_uint wakes;
    char calls[64]; /* one letter for each call */
    uint32_t call_count;
};

static struct enlh_vmbus bus;

struct work {
    struct enlh_deferred deferred;
    char letter;
    struct work *again;   /* deferred from within the call */
    struct work *undefer; /* taken back from within the call */
};

struct enlh_defer_queue *
enlh_vmbus_deferred(struct enlh_vmbus *of)
{
    return &of->queue;
}

static void
wake(void *ctx)
{
    atomic_fetch_add(&((struct enlh_vmbus *)ctx)->wakes, 1);
}

static void
call(void *ctx)
{
    struct work *work = ctx;

    bus.calls[bus.call_count++] = work->letter;
    if (work->again)
        enlh_vmbus_defer(&bus, &work->again->deferred);
    if (work->undefer)
        enlh_vmbus_undefer(&bus, &work->undefer->deferred);
}

static struct work
make_work(char letter)
{
    return (struct work){.deferred = {.fn = call}, .letter = letter};
}

static void
defer(struct work *work)
{
    work->deferred.ctx = work;
    enlh_vmbus_defer(&bus, &work->deferred);
}

static int
setup(void **state)
{
    (void)state;
    memset(&bus, 0, sizeof(bus));
    fake_init(&bus.fake);
    return enlh_defer_init(&bus.queue, &bus.fake.ops, &bus.fake, wake, &bus);
}

static int
teardown(void **state)
{
    (void)state;
    enlh_defer_fini(&bus.queue);
    return bus.fake.lock_count != 0;
}

static void
defer_calls_in_order_and_once(void **state)
{
    struct work a = make_work('a'), b = make_work('b'), c = make_work('c');

    (void)state;
    defer(&a);
    defer(&b);
    defer(&a);
    defer(&c);
    assert_int_equal(bus.call_count, 0);
    assert_false(enlh_vmbus_run_deferred(&bus));
    assert_string_equal(bus.calls, "abc");
    assert_false(enlh_vmbus_run_deferred(&bus));
    defer(&a);
    assert_false(enlh_vmbus_run_deferred(&bus));
    assert_string_equal(bus.calls, "abca");
}

static void
defer_wakes_the_loop_for_the_first_only(void **state)
{
    struct work a = make_work('a'), b = make_work('b');

    (void)state;
    defer(&a);
    defer(&a);
    defer(&b);
    assert_int_equal(atomic_load(&bus.wakes), 1);
    (void)enlh_vmbus_run_deferred(&bus);
    defer(&b);
    assert_int_equal(atomic_load(&bus.wakes), 2);
}

static void
defer_from_within_waits_for_the_next_turn(void **state)
{
    struct work a = make_work('a'), b = make_work('b');

    (void)state;
    a.again = &a;
    defer(&a);
    defer(&b);
    assert_true(enlh_vmbus_run_deferred(&bus));
    assert_string_equal(bus.calls, "ab");
    a.again = NULL;
    assert_false(enlh_vmbus_run_deferred(&bus));
    assert_string_equal(bus.calls, "aba");
}

static void
undefer_takes_back_from_any_place(void **state)
{
    struct work a = make_work('a'), b = make_work('b'), c = make_work('c');
    struct work *each[] = {&a, &b, &c};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct work d = make_work('d');

        memset(bus.calls, 0, sizeof(bus.calls));
        bus.call_count = 0;
        defer(&a);
        defer(&b);
        defer(&c);
        enlh_vmbus_undefer(&bus, &each[i]->deferred);
        enlh_vmbus_undefer(&bus, &each[i]->deferred);
        defer(&d);
        assert_false(enlh_vmbus_run_deferred(&bus));
        assert_string_equal(bus.calls, i == 0 ? "bcd" : i == 1 ? "acd" : "abd");
    }
}

static void
undefer_from_within_another_call(void **state)
{
    struct work a = make_work('a'), b = make_work('b');

    (void)state;
    a.undefer = &b;
    defer(&a);
    defer(&b);
    assert_false(enlh_vmbus_run_deferred(&bus));
    assert_string_equal(bus.calls, "a");
    assert_null(bus.queue.head);
    defer(&b);
    assert_false(enlh_vmbus_run_deferred(&bus));
    assert_string_equal(bus.calls, "ab");
}

/* ---- two threads ---- */

static atomic_uint wanted, seen;

static void
look(void *ctx)
{
    (void)ctx;
    atomic_store(&seen, atomic_load(&wanted));
}

static void *
asker(void *ctx)
{
    for (unsigned i = 1; i <= 20000; i++) {
        atomic_store(&wanted, i);
        enlh_vmbus_defer(&bus, ctx);
    }
    return NULL;
}

/* What was asked for last is always seen: a wish never falls between two turns. */
static void
defer_loses_no_wish_of_another_thread(void **state)
{
    struct enlh_deferred work = {.fn = look};
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, asker, &work), 0);
    while (atomic_load(&seen) != 20000)
        (void)enlh_vmbus_run_deferred(&bus);
    pthread_join(thread, NULL);
    assert_false(enlh_vmbus_run_deferred(&bus));
}

#define DEFER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DEFER_TEST(defer_calls_in_order_and_once),
        DEFER_TEST(defer_wakes_the_loop_for_the_first_only),
        DEFER_TEST(defer_from_within_waits_for_the_next_turn),
        DEFER_TEST(undefer_takes_back_from_any_place),
        DEFER_TEST(undefer_from_within_another_call),
        DEFER_TEST(defer_loses_no_wish_of_another_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
