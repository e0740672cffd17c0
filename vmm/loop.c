/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/loop.c - epoll, timerfds and one eventfd
 *
 * Run by the machine's main thread; the bell by any thread and by signal handlers. What a
 * source does on its call is bounded by that source.
 * Tests: test/unit/vmm_loop.c.
 */
#include "vmm/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BELL UINT64_MAX

static int
watch(struct enlm_loop *loop, int operation, int fd, uint64_t data, uint32_t events)
{
    struct epoll_event ev = {.events = events};

    ev.data.u64 = data;
    if (epoll_ctl(loop->epoll_fd, operation, fd, &ev) == 0)
        return 0;
    return errno == EPERM ? -ENL_E_PERM : -ENL_E_IO;
}

int
enlm_loop_init(struct enlm_loop *loop, enlm_loop_fn rung, void *ctx)
{
    memset(loop, 0, sizeof(*loop));
    loop->rung = rung;
    loop->ctx = ctx;
    for (uint32_t i = 0; i < ENLM_LOOP_SOURCES; i++)
        loop->sources[i].fd = -1;
    loop->bell_fd = loop->epoll_fd = -1;
    if (pthread_mutex_init(&loop->lock, NULL))
        return -ENL_E_NOMEM;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->bell_fd < 0) {
        enlm_loop_fini(loop);
        return -ENL_E_IO;
    }
    return watch(loop, EPOLL_CTL_ADD, loop->bell_fd, BELL, EPOLLIN);
}

void
enlm_loop_fini(struct enlm_loop *loop)
{
    for (uint32_t i = 0; i < ENLM_LOOP_SOURCES; i++) {
        if (loop->sources[i].fd >= 0 && loop->sources[i].owned)
            close(loop->sources[i].fd);
        loop->sources[i].fd = -1;
    }
    if (loop->bell_fd >= 0)
        close(loop->bell_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->bell_fd = loop->epoll_fd = -1;
    pthread_mutex_destroy(&loop->lock);
}

/* The place of fd (-1: one that is free), or ENLM_LOOP_SOURCES. The lock is held. */
static uint32_t
place_of(const struct enlm_loop *loop, int fd)
{
    uint32_t i = 0;

    while (i < ENLM_LOOP_SOURCES && loop->sources[i].fd != fd)
        i++;
    return i;
}

static uint64_t
mark_of(const struct enlm_loop *loop, uint32_t place)
{
    return (uint64_t)loop->sources[place].round << 32 | place;
}

static int
add(struct enlm_loop *loop, const struct enlm_loop_source *source)
{
    int err = -ENL_E_NOSPC;
    uint32_t place;

    pthread_mutex_lock(&loop->lock);
    place = place_of(loop, -1);
    if (place < ENLM_LOOP_SOURCES) {
        uint32_t round = loop->sources[place].round + 1;

        loop->sources[place] = *source;
        loop->sources[place].round = round;
        err = watch(loop, EPOLL_CTL_ADD, source->fd, mark_of(loop, place), EPOLLIN);
        if (err)
            loop->sources[place].fd = -1;
    }
    pthread_mutex_unlock(&loop->lock);
    return err;
}

int
enlm_loop_add(struct enlm_loop *loop, int fd, enlm_loop_fn fn, void *ctx)
{
    struct enlm_loop_source source = {.fd = fd, .fn = fn, .ctx = ctx};

    return add(loop, &source);
}

void
enlm_loop_remove(struct enlm_loop *loop, int fd)
{
    uint32_t place;

    pthread_mutex_lock(&loop->lock);
    place = place_of(loop, fd);
    if (place < ENLM_LOOP_SOURCES) {
        (void)!watch(loop, EPOLL_CTL_DEL, fd, 0, 0);
        loop->sources[place].fd = -1;
    }
    pthread_mutex_unlock(&loop->lock);
}

void
enlm_loop_listen(struct enlm_loop *loop, int fd, bool input, bool output)
{
    uint32_t events = (input ? EPOLLIN : 0u) | (output ? EPOLLOUT : 0u);
    uint32_t place;

    pthread_mutex_lock(&loop->lock);
    place = place_of(loop, fd);
    /* Without events a hang-up would still be told, over and over: so take it out. */
    if (place < ENLM_LOOP_SOURCES && !events)
        (void)!watch(loop, EPOLL_CTL_DEL, fd, 0, 0);
    else if (place < ENLM_LOOP_SOURCES &&
             watch(loop, EPOLL_CTL_MOD, fd, mark_of(loop, place), events))
        (void)!watch(loop, EPOLL_CTL_ADD, fd, mark_of(loop, place), events);
    pthread_mutex_unlock(&loop->lock);
}

int
enlm_loop_every(struct enlm_loop *loop, uint32_t period_ms, enlm_loop_fn fn, void *ctx)
{
    struct enlm_loop_source source = {
        .owned = true, .is_timer = true, .fn = fn, .ctx = ctx};
    struct itimerspec spec;
    int err;

    source.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (source.fd < 0)
        return -ENL_E_IO;
    memset(&spec, 0, sizeof(spec));
    spec.it_interval.tv_sec = period_ms / 1000;
    spec.it_interval.tv_nsec = (long)(period_ms % 1000) * 1000000;
    spec.it_value = spec.it_interval;
    timerfd_settime(source.fd, 0, &spec, NULL);
    err = add(loop, &source);
    if (err)
        close(source.fd);
    return err;
}

void
enlm_loop_cancel(struct enlm_loop *loop, enlm_loop_fn fn, void *ctx)
{
    int fd = -1;

    pthread_mutex_lock(&loop->lock);
    for (uint32_t i = 0; i < ENLM_LOOP_SOURCES; i++) {
        const struct enlm_loop_source *source = &loop->sources[i];

        if (source->fd >= 0 && source->is_timer && source->fn == fn && source->ctx == ctx)
            fd = source->fd;
    }
    pthread_mutex_unlock(&loop->lock);
    if (fd < 0)
        return;
    enlm_loop_remove(loop, fd);
    close(fd);
}

void
enlm_loop_ring(struct enlm_loop *loop)
{
    uint64_t one = 1;
    int saved = errno;

    (void)!write(loop->bell_fd, &one, sizeof(one));
    errno = saved;
}

static void
drain(int fd)
{
    uint64_t count;

    (void)!read(fd, &count, sizeof(count));
}

static void
dispatch(struct enlm_loop *loop, uint64_t data)
{
    struct enlm_loop_source source;

    if (data == BELL) {
        drain(loop->bell_fd);
        loop->rung(loop->ctx);
        return;
    }
    pthread_mutex_lock(&loop->lock);
    source = loop->sources[data & UINT32_MAX];
    pthread_mutex_unlock(&loop->lock);
    /* One that was handled before it in the same turn may have removed it. */
    if (source.fd < 0 || source.round != data >> 32)
        return;
    if (source.is_timer)
        drain(source.fd);
    source.fn(source.ctx);
}

void
enlm_loop_once(struct enlm_loop *loop, int timeout_ms)
{
    struct epoll_event events[ENLM_LOOP_SOURCES + 1];
    int count = epoll_wait(loop->epoll_fd, events, ENLM_LOOP_SOURCES + 1, timeout_ms);

    for (int i = 0; i < count; i++)
        dispatch(loop, events[i].data.u64);
}
