/* SPDX-License-Identifier: BSD-2-Clause */
/* A channel's worker: it runs when woken, stops when told, and its descriptor outlives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "vmm/worker.h"

/* In place of the bus's. */
struct enlh_channel {
    void *worker;
    _Atomic uint32_t runs, budget; /* runs until IDLE */
    _Atomic bool is_stopping;
};

void *
enlh_channel_worker(const struct enlh_channel *channel)
{
    return channel->worker;
}

void
enlh_channel_set_worker(struct enlh_channel *channel, void *worker)
{
    channel->worker = worker;
}

enum enlh_run
enlh_channel_run(struct enlh_channel *channel)
{
    channel->runs++;
    if (channel->is_stopping)
        return ENLH_RUN_STOPPED;
    return channel->runs < channel->budget ? ENLH_RUN_MORE : ENLH_RUN_IDLE;
}

static void
wait_for_runs(struct enlh_channel *channel, uint32_t runs)
{
    while (channel->runs < runs)
        sched_yield();
}

static void
worker_runs_once_at_its_start_and_at_each_wake(void **state)
{
    struct enlm_worker_pool pool = {NULL};
    struct enlh_channel channel = {.worker = NULL};
    struct enlm_worker *worker = enlm_worker_of(&pool, &channel);

    (void)state;
    assert_int_equal(enlm_worker_start(worker), 0);
    wait_for_runs(&channel, 1);
    enlm_worker_wake(worker);
    wait_for_runs(&channel, 2);
    enlm_worker_stop(worker);
    assert_int_equal(channel.runs, 2);
    enlm_worker_fini(&pool);
}

static void
worker_with_more_to_do_needs_no_wake(void **state)
{
    struct enlm_worker_pool pool = {NULL};
    struct enlh_channel channel = {.budget = 50};
    struct enlm_worker *worker = enlm_worker_of(&pool, &channel);

    (void)state;
    assert_int_equal(enlm_worker_start(worker), 0);
    wait_for_runs(&channel, 50);
    enlm_worker_stop(worker);
    assert_int_equal(channel.runs, 50);
    enlm_worker_fini(&pool);
}

static void
worker_that_has_let_go_does_not_run_again(void **state)
{
    struct enlm_worker_pool pool = {NULL};
    struct enlh_channel channel = {.is_stopping = true};
    struct enlm_worker *worker = enlm_worker_of(&pool, &channel);

    (void)state;
    assert_int_equal(enlm_worker_start(worker), 0);
    wait_for_runs(&channel, 1);
    enlm_worker_wake(worker);
    enlm_worker_stop(worker);
    assert_int_equal(channel.runs, 1);
    assert_null(channel.worker);
    enlm_worker_fini(&pool);
}

static void
worker_is_one_for_each_channel_and_used_again(void **state)
{
    struct enlm_worker_pool pool = {NULL};
    struct enlh_channel a = {.worker = NULL}, b = {.worker = NULL}, c = {.worker = NULL};
    struct enlm_worker *first = enlm_worker_of(&pool, &a);
    struct enlm_worker *second = enlm_worker_of(&pool, &b);

    (void)state;
    assert_ptr_equal(enlm_worker_of(&pool, &a), first);
    assert_ptr_not_equal(first, second);
    enlm_worker_stop(first);
    assert_ptr_equal(enlm_worker_of(&pool, &c), first);
    enlm_worker_fini(&pool);
}

static void
worker_late_wake_finds_a_live_descriptor(void **state)
{
    struct enlm_worker_pool pool = {NULL};
    struct enlh_channel channel = {.worker = NULL};
    struct enlm_worker *worker = enlm_worker_of(&pool, &channel);

    (void)state;
    assert_int_equal(enlm_worker_start(worker), 0);
    enlm_worker_stop(worker);
    enlm_worker_wake(worker);
    assert_true(fcntl(worker->fd, F_GETFD) >= 0);
    enlm_worker_fini(&pool);
}

/* By edges: what stays readable wakes it once. */
static void
worker_runs_at_each_edge_of_a_watched_descriptor(void **state)
{
    struct enlm_worker_pool pool = {NULL};
    struct enlh_channel channel = {.worker = NULL};
    struct enlm_worker *worker = enlm_worker_of(&pool, &channel);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(enlm_worker_watch(worker, ends[0]), 0);
    assert_int_equal(enlm_worker_start(worker), 0);
    wait_for_runs(&channel, 1);
    assert_int_equal(write(ends[1], "a", 1), 1);
    wait_for_runs(&channel, 2);
    enlm_worker_wake(worker);
    wait_for_runs(&channel, 3);
    assert_int_equal(write(ends[1], "b", 1), 1);
    wait_for_runs(&channel, 4);
    enlm_worker_stop(worker);
    assert_int_equal(channel.runs, 4);
    assert_int_equal(worker->watched_fd, -1);
    close(ends[0]);
    close(ends[1]);
    enlm_worker_fini(&pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_runs_once_at_its_start_and_at_each_wake),
        cmocka_unit_test(worker_with_more_to_do_needs_no_wake),
        cmocka_unit_test(worker_that_has_let_go_does_not_run_again),
        cmocka_unit_test(worker_is_one_for_each_channel_and_used_again),
        cmocka_unit_test(worker_late_wake_finds_a_live_descriptor),
        cmocka_unit_test(worker_runs_at_each_edge_of_a_watched_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
