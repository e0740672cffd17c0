/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/schedule.c - who runs next: a seed decides; or everybody, on threads
 *
 * A turn is a VP that enters the guest, one poll of the loop, one run of a worker, or one
 * request of a disk that becomes ready. Only who has a reason to run is chosen, so that
 * nobody being left means that everybody waits for somebody.
 */
#include <stdlib.h>

#include "test/loop/machine.h"

#define STEPS_MAX 3000000u

/* ---- the schedule ---- */

static bool
vp_wants(struct loop *loop, struct loop_vp *vp)
{
    bool pending = false;

    for (int k = 0; k < 4; k++)
        pending |= atomic_load(&vp->pending[k]) != 0;
    return pending || atomic_load(&vp->kicked) ||
           (loop->guest_wants && loop->guest_wants(loop->guest, vp->index));
}

static void
vp_turn(struct loop *loop, struct loop_vp *vp)
{
    loop_current = vp;
    atomic_store(&vp->kicked, false);
    enlh_vp_enter(vp->vp);
    loop_fault_turn(vp);
    if (loop->guest_step)
        loop->guest_step(loop->guest, vp->index);
    loop_current = NULL;
}

static void
worker_turn(struct loop_worker *worker)
{
    enum enlh_run run;

    atomic_store(&worker->woken, false);
    run = enlh_channel_run(worker->channel);
    if (run == ENLH_RUN_MORE)
        atomic_store(&worker->woken, true);
    if (run == ENLH_RUN_STOPPED)
        worker->stopped = true;
}

static bool
timers_turn(struct loop *loop)
{
    uint64_t now = atomic_fetch_add(&loop->now, 1 + loop_rand_below(&loop->rand, 500));

    for (uint32_t i = 0; i < loop->config.vps; i++) {
        if (atomic_load(&loop->vp[i].deadline) > now)
            continue;
        atomic_store(&loop->vp[i].deadline, UINT64_MAX);
        enlh_vp_timer(loop->vp[i].vp);
        return true;
    }
    return false;
}

enum turn { TURN_VP, TURN_LOOP, TURN_WORKER, TURN_DISK, TURN_WIRE };

struct choice {
    uint8_t turn;
    uint16_t which;
    struct loop_disk *disk;
};

#define CHOICES (LOOP_VPS + LOOP_WORKERS + 64)

static uint32_t
host_choices(struct loop *loop, struct choice *out)
{
    bool polls = loop->config.knobs.drop_signals != 0;
    uint32_t n = 0;

    if (atomic_load(&loop->loop_woken))
        out[n++] = (struct choice){.turn = TURN_LOOP};
    for (uint32_t i = 0; i < LOOP_WORKERS; i++) {
        struct loop_worker *w = &loop->worker[i];

        if (w->channel && !w->stopped && (polls || atomic_load(&w->woken)))
            out[n++] = (struct choice){.turn = TURN_WORKER, .which = (uint16_t)i};
    }
    for (struct loop_disk *d = loop->disks; d && n < CHOICES - LOOP_VPS; d = d->next) {
        if (loop_disk_busy(d))
            out[n++] = (struct choice){.turn = TURN_DISK, .disk = d};
    }
    if (loop->wire && wire_busy(loop->wire))
        out[n++] = (struct choice){.turn = TURN_WIRE};
    return n;
}

static uint32_t
vp_choices(struct loop *loop, struct choice *out)
{
    bool any = loop_rand_percent(&loop->rand, loop->config.knobs.spurious_runs);
    uint32_t n = 0;

    for (uint32_t i = 0; i < loop->config.vps; i++) {
        if (vp_wants(loop, &loop->vp[i]))
            out[n++] = (struct choice){.turn = TURN_VP, .which = (uint16_t)i};
    }
    if (any) /* one more, who may have nothing to do */
        out[n++] = (struct choice){
            .turn = TURN_VP,
            .which = (uint16_t)loop_rand_below(&loop->rand, loop->config.vps)};
    return n;
}

static void
turn_take(struct loop *loop, const struct choice *choice)
{
    switch (choice->turn) {
    case TURN_VP:
        vp_turn(loop, &loop->vp[choice->which]);
        break;
    case TURN_LOOP:
        atomic_store(&loop->loop_woken, false);
        if (enlh_vmbus_poll(loop->bus))
            atomic_store(&loop->loop_woken, true);
        break;
    case TURN_WORKER:
        worker_turn(&loop->worker[choice->which]);
        break;
    case TURN_WIRE:
        wire_turn(loop->wire);
        break;
    default:
        if (!loop_fault_disk(loop))
            loop_disk_finish_one(choice->disk, (uint32_t)loop_rand_next(&loop->rand));
        break;
    }
}

/* A turn for one of the host's. */
bool
loop_host_turn(struct loop *loop)
{
    struct choice choices[CHOICES];
    uint32_t n = host_choices(loop, choices);

    if (n == 0)
        return false;
    turn_take(loop, &choices[loop_rand_below(&loop->rand, n)]);
    return true;
}

/* Somebody sleeps until a time that comes. */
static bool
timer_is_set(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->config.vps; i++) {
        if (atomic_load(&loop->vp[i].deadline) != UINT64_MAX)
            return true;
    }
    return false;
}

bool
loop_step(struct loop *loop)
{
    struct choice choices[CHOICES];
    uint32_t n;

    loop->steps++;
    if (timers_turn(loop))
        return true;
    n = host_choices(loop, choices);
    n += vp_choices(loop, choices + n);
    if (n == 0)
        return timer_is_set(loop);
    turn_take(loop, &choices[loop_rand_below(&loop->rand, n)]);
    return true;
}

/* Like loop_step(), without turns that nobody asked for: the truth about who is idle. */
static bool
is_idle(struct loop *loop)
{
    struct choice choices[CHOICES];
    uint32_t n = host_choices(loop, choices);

    for (uint32_t i = 0; i < loop->config.vps; i++)
        n += vp_wants(loop, &loop->vp[i]);
    return n == 0 && !timer_is_set(loop);
}

void
loop_run_until(struct loop *loop, bool (*done)(void *ctx), void *ctx, const char *what)
{
    for (uint32_t n = 0; !done(ctx); n++) {
        if (is_idle(loop))
            loop_fail("nobody runs any more, and this is missing: %s", what);
        if (n == STEPS_MAX)
            loop_fail("too many turns, and this is missing: %s", what);
        (void)loop_step(loop);
    }
}

void
loop_run_idle(struct loop *loop)
{
    for (uint32_t n = 0; !is_idle(loop); n++) {
        if (n == STEPS_MAX)
            loop_fail("somebody never stops running");
        (void)loop_step(loop);
    }
}

/* ---- threads ---- */

/* Sleep until the flag is set, or quit. Returns false on quit. */
static bool
sleep_until(pthread_mutex_t *lock, pthread_cond_t *cond, atomic_bool *flag,
            const volatile bool *quit)
{
    bool go = true;

    pthread_mutex_lock(lock);
    while (!atomic_load(flag) && !*quit)
        pthread_cond_wait(cond, lock);
    if (*quit)
        go = false;
    pthread_mutex_unlock(lock);
    return go;
}

void *
loop_worker_main(void *arg)
{
    struct loop_worker *worker = arg;
    enum enlh_run run = ENLH_RUN_IDLE;

    while (run != ENLH_RUN_STOPPED) {
        if (run == ENLH_RUN_IDLE &&
            !sleep_until(&worker->lock, &worker->wake, &worker->woken, &worker->quit))
            break;
        atomic_store(&worker->woken, false);
        run = enlh_channel_run(worker->channel);
    }
    return NULL;
}

static void
loop_take_call(struct loop *loop)
{
    void (*call)(void *) = NULL;

    pthread_mutex_lock(&loop->loop_lock);
    call = loop->call;
    pthread_mutex_unlock(&loop->loop_lock);
    if (!call)
        return;
    call(loop->call_ctx);
    pthread_mutex_lock(&loop->loop_lock);
    loop->call = NULL;
    pthread_cond_broadcast(&loop->loop_wake);
    pthread_mutex_unlock(&loop->loop_lock);
}

void
loop_call(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&loop->loop_lock);
    loop->call_ctx = ctx;
    loop->call = fn;
    atomic_store(&loop->loop_woken, true);
    pthread_cond_broadcast(&loop->loop_wake);
    while (loop->call)
        pthread_cond_wait(&loop->loop_wake, &loop->loop_lock);
    pthread_mutex_unlock(&loop->loop_lock);
}

void
loop_wait_until(struct loop *loop, bool (*done)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&loop->main_lock);
    while (!done(ctx))
        pthread_cond_wait(&loop->main_wake, &loop->main_lock);
    pthread_mutex_unlock(&loop->main_lock);
}

static void *
loop_main_thread(void *arg)
{
    struct loop *loop = arg;

    while (!atomic_load(&loop->quit)) {
        pthread_mutex_lock(&loop->loop_lock);
        while (!atomic_load(&loop->loop_woken) && !atomic_load(&loop->quit))
            pthread_cond_wait(&loop->loop_wake, &loop->loop_lock);
        pthread_mutex_unlock(&loop->loop_lock);
        atomic_store(&loop->loop_woken, false);
        loop_take_call(loop);
        while (enlh_vmbus_poll(loop->bus))
            ;
        loop_wake(loop, &loop->main_lock, &loop->main_wake);
    }
    return NULL;
}

static void *
vp_main_thread(void *arg)
{
    struct loop_vp *vp = arg;
    struct loop *loop = vp->loop;

    while (!atomic_load(&loop->quit)) {
        pthread_mutex_lock(&vp->lock);
        while (!vp_wants(loop, vp) && !atomic_load(&loop->quit))
            pthread_cond_wait(&vp->wake, &vp->lock);
        pthread_mutex_unlock(&vp->lock);
        vp_turn(loop, vp);
        loop_wake(loop, &loop->main_lock, &loop->main_wake);
    }
    return NULL;
}

void
loop_threads_start(struct loop *loop)
{
    loop_check(loop->config.threads);
    loop_check(pthread_create(&loop->loop_thread, NULL, loop_main_thread, loop) == 0);
    for (struct loop_disk *disk = loop->disks; disk; disk = disk->next)
        loop_disk_thread_start(disk);
    for (uint32_t i = 0; i < loop->config.vps; i++)
        loop_check(
            pthread_create(&loop->vp[i].thread, NULL, vp_main_thread, &loop->vp[i]) == 0);
}

void
loop_threads_stop(struct loop *loop)
{
    atomic_store(&loop->quit, true);
    for (uint32_t i = 0; i < loop->config.vps; i++) {
        loop_vp_wake(&loop->vp[i]);
        pthread_join(loop->vp[i].thread, NULL);
    }
    atomic_store(&loop->loop_woken, true);
    loop_wake(loop, &loop->loop_lock, &loop->loop_wake);
    pthread_join(loop->loop_thread, NULL);
    for (struct loop_disk *disk = loop->disks; disk; disk = disk->next)
        loop_disk_thread_stop(disk);
}
