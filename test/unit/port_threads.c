/* SPDX-License-Identifier: BSD-2-Clause */
/* A port that is taken away while VPs call it: when that returns, nobody is inside. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core_rig.h"

#include "enlight/abi/hypercall.h"

static _Atomic bool alive;    /* the port's owner still exists */
static _Atomic bool trespass; /* a call ran without one */
static _Atomic bool stop;
static _Atomic uint64_t calls;
static _Atomic bool inside;
static _Atomic bool hold;

static uint16_t
on_event(void *ctx, uint32_t connection_id, uint16_t flag)
{
    (void)ctx;
    (void)connection_id;
    (void)flag;
    atomic_store(&inside, true);
    while (atomic_load(&hold))
        sched_yield();
    if (!atomic_load(&alive))
        atomic_store(&trespass, true);
    atomic_fetch_add(&calls, 1);
    return ENL_HV_STATUS_SUCCESS;
}

static void *
vp_thread(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop))
        (void)!fake_signal(&f, 1, 7, 0);
    return NULL;
}

static void
port_is_empty_after_its_disconnect(void **state)
{
    pthread_t vp;

    (void)state;
    assert_int_equal(pthread_create(&vp, NULL, vp_thread, NULL), 0);
    for (uint32_t i = 0; i < 300 || atomic_load(&calls) < 100; i++) {
        atomic_store(&alive, true);
        assert_int_equal(enlh_port_events(f.partition, 7, 1, on_event, NULL), 0);
        sched_yield();
        assert_int_equal(enlh_port_events(f.partition, 7, 1, NULL, NULL), 0);
        atomic_store(&alive, false);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(vp, NULL), 0);
    assert_false(atomic_load(&trespass));
}

static void *
disconnect_thread(void *arg)
{
    _Atomic bool *returned = arg;

    (void)!enlh_port_events(f.partition, 7, 1, NULL, NULL);
    atomic_store(returned, true);
    return NULL;
}

static void *
one_call_thread(void *arg)
{
    (void)arg;
    (void)!fake_signal(&f, 1, 7, 0);
    return NULL;
}

/* Deterministically: a call is held inside, and the disconnect does not return. */
static void
port_disconnect_waits_for_the_call_inside(void **state)
{
    static _Atomic bool returned;
    pthread_t vp, loop;

    (void)state;
    atomic_store(&alive, true);
    atomic_store(&inside, false);
    atomic_store(&hold, true);
    assert_int_equal(enlh_port_events(f.partition, 7, 1, on_event, NULL), 0);
    assert_int_equal(pthread_create(&vp, NULL, one_call_thread, NULL), 0);
    while (!atomic_load(&inside))
        sched_yield();
    assert_int_equal(pthread_create(&loop, NULL, disconnect_thread, &returned), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_false(atomic_load(&returned));
        sched_yield();
    }
    atomic_store(&hold, false);
    assert_int_equal(pthread_join(loop, NULL), 0);
    assert_true(atomic_load(&returned));
    assert_int_equal(pthread_join(vp, NULL), 0);
    assert_int_equal(fake_signal(&f, 0, 7, 0), ENL_HV_STATUS_INVALID_CONNECTION_ID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(port_is_empty_after_its_disconnect),
        CASE(port_disconnect_waits_for_the_call_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
