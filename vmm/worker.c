/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/worker.c - the threads that serve channels
 *
 * Started and stopped by the loop when the guest opens and closes a channel; woken by the
 * guest's doorbell, by a disk, by any thread. A turn is bounded by the library. Workers are
 * freed only with the machine: a late wake of a closed channel finds a live eventfd.
 * Tests: test/unit/vmm_worker.c, test/os.
 */
#include "vmm/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/thread.h"

static struct enlm_worker *
make(struct enlm_worker_pool *pool)
{
    struct enlm_worker *worker = calloc(1, sizeof(*worker));

    if (!worker)
        return NULL;
    worker->fd = eventfd(0, EFD_CLOEXEC);
    if (worker->fd < 0) {
        free(worker);
        return NULL;
    }
    worker->epoll_fd = worker->watched_fd = -1;
    worker->next = pool->all;
    pool->all = worker;
    return worker;
}

struct enlm_worker *
enlm_worker_of(struct enlm_worker_pool *pool, struct enlh_channel *channel)
{
    struct enlm_worker *worker = enlh_channel_worker(channel);

    if (worker)
        return worker;
    for (worker = pool->all; worker && worker->is_taken;)
        worker = worker->next;
    if (!worker)
        worker = make(pool);
    if (!worker)
        return NULL;
    worker->is_taken = true;
    worker->channel = channel;
    enlh_channel_set_worker(channel, worker);
    return worker;
}

static int
make_epoll(struct enlm_worker *worker)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = worker->fd};

    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0)
        return -ENL_E_NOMEM;
    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->fd, &event) ? -ENL_E_NOMEM
                                                                          : 0;
}

int
enlm_worker_watch(struct enlm_worker *worker, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};

    if (worker->epoll_fd < 0 && make_epoll(worker) < 0)
        return -ENL_E_NOMEM;
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event))
        return -ENL_E_NOMEM;
    worker->watched_fd = fd;
    return 0;
}

static void
unwatch(struct enlm_worker *worker)
{
    if (worker->watched_fd >= 0)
        (void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, worker->watched_fd, NULL);
    worker->watched_fd = -1;
}

/* The bell is emptied only when it rang: reading it would wait. */
static bool
wait_for_edge(struct enlm_worker *worker)
{
    struct epoll_event events[2];
    int got = epoll_wait(worker->epoll_fd, events, 2, -1);
    uint64_t count;

    for (int i = 0; i < got; i++) {
        if (events[i].data.fd == worker->fd &&
            read(worker->fd, &count, sizeof(count)) < 0 && errno != EINTR)
            return false;
    }
    return (got >= 0 || errno == EINTR) && !atomic_load(&worker->stop);
}

/* Sleep until somebody wakes. Returns false when it is time to go. */
static bool
wait_for_work(struct enlm_worker *worker)
{
    uint64_t count;

    if (worker->watched_fd >= 0)
        return wait_for_edge(worker);
    if (read(worker->fd, &count, sizeof(count)) < 0 && errno != EINTR)
        return false;
    return !atomic_load(&worker->stop);
}

static void *
run(void *ctx)
{
    struct enlm_worker *worker = ctx;
    enum enlh_run state = enlh_channel_run(worker->channel);

    while (state != ENLH_RUN_STOPPED && !atomic_load(&worker->stop)) {
        if (state == ENLH_RUN_IDLE && !wait_for_work(worker))
            break;
        state = enlh_channel_run(worker->channel);
    }
    return NULL;
}

int
enlm_worker_start(struct enlm_worker *worker)
{
    int err;

    atomic_store(&worker->stop, false);
    err = enlm_thread_start(&worker->thread, run, worker, 0);
    worker->is_running = !err;
    return err;
}

void
enlm_worker_stop(struct enlm_worker *worker)
{
    if (worker->is_running) {
        atomic_store(&worker->stop, true);
        enlm_worker_wake(worker);
        pthread_join(worker->thread, NULL);
        worker->is_running = false;
    }
    unwatch(worker);
    if (worker->channel)
        enlh_channel_set_worker(worker->channel, NULL);
    worker->channel = NULL;
    worker->is_taken = false;
}

void
enlm_worker_wake(struct enlm_worker *worker)
{
    uint64_t one = 1;

    (void)!write(worker->fd, &one, sizeof(one));
}

void
enlm_worker_fini(struct enlm_worker_pool *pool)
{
    while (pool->all) {
        struct enlm_worker *worker = pool->all;

        pool->all = worker->next;
        close(worker->fd);
        if (worker->epoll_fd >= 0)
            close(worker->epoll_fd);
        free(worker);
    }
}
