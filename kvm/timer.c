/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/timer.c - one timerfd for each VP, armed for its next synthetic timer
 *
 * Armed by the core (the guest wrote a timer register, or one expired), dispatched by the
 * embedder's loop. The user engine only: on the kernel engine KVM has the timers. A guest
 * can arm it as often as it likes: the work is one system call, and none when the deadline
 * stays the same.
 * Tests: test/os (T07 to T16).
 */
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kvm/internal.h"

/* A longer sleep than this is done in pieces, so that no sum overflows. */
#define LONGEST_100NS (UINT64_C(3600) * 10000000u)

int
enlk_timer_init(struct enlk_vcpu *vcpu)
{
    vcpu->deadline = UINT64_MAX;
    if (pthread_mutex_init(&vcpu->timer_lock, NULL))
        return -ENL_E_NOMEM;
    vcpu->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (vcpu->timer_fd < 0) {
        pthread_mutex_destroy(&vcpu->timer_lock);
        return -ENL_E_IO;
    }
    return enlk_source_add(vcpu->engine, vcpu->timer_fd, ENLK_SOURCE_TIMER, vcpu->index);
}

void
enlk_timer_fini(struct enlk_vcpu *vcpu)
{
    if (vcpu->timer_fd < 0)
        return;
    close(vcpu->timer_fd);
    pthread_mutex_destroy(&vcpu->timer_lock);
}

/* The lock is held. Time that stands still brings no deadline nearer. */
static void
program(struct enlk_vcpu *vcpu, uint64_t now)
{
    struct itimerspec spec;
    uint64_t ns = 0;

    memset(&spec, 0, sizeof(spec));
    if (vcpu->deadline != UINT64_MAX && !atomic_load(&vcpu->engine->clock.is_frozen)) {
        uint64_t left = vcpu->deadline > now ? vcpu->deadline - now : 0;

        ns = (left < LONGEST_100NS ? left : LONGEST_100NS) * 100u;
        ns = ns ? ns : 1; /* 0 would disarm it */
    }
    spec.it_value.tv_sec = (time_t)(ns / 1000000000u);
    spec.it_value.tv_nsec = (long)(ns % 1000000000u);
    timerfd_settime(vcpu->timer_fd, 0, &spec, NULL);
}

void
enlk_timer_arm(void *ctx, uint32_t vp, uint64_t deadline_100ns)
{
    struct enlk_engine *engine = ctx;
    struct enlk_vcpu *vcpu = enlk_vcpu_at(engine, vp);

    if (!vcpu)
        return;
    pthread_mutex_lock(&vcpu->timer_lock);
    if (deadline_100ns != vcpu->deadline) {
        vcpu->deadline = deadline_100ns;
        program(vcpu, enlk_clock_now(engine));
    }
    pthread_mutex_unlock(&vcpu->timer_lock);
}

/* The host's timer may be a little early for the guest's TSC: then it sleeps on. */
void
enlk_timer_expired(struct enlk_vcpu *vcpu)
{
    uint64_t count, now = enlk_clock_now(vcpu->engine);
    bool due = false;

    pthread_mutex_lock(&vcpu->timer_lock);
    if (read(vcpu->timer_fd, &count, sizeof(count)) == (ssize_t)sizeof(count) &&
        vcpu->deadline != UINT64_MAX) {
        due = vcpu->deadline <= now;
        if (due)
            vcpu->deadline = UINT64_MAX;
        else
            program(vcpu, now);
    }
    pthread_mutex_unlock(&vcpu->timer_lock);
    if (due) {
        enlk_count(&vcpu->engine->counters.timers);
        enlh_vp_timer(vcpu->vp);
    }
}

void
enlk_timer_again(struct enlk_vcpu *vcpu)
{
    pthread_mutex_lock(&vcpu->timer_lock);
    program(vcpu, enlk_clock_now(vcpu->engine));
    pthread_mutex_unlock(&vcpu->timer_lock);
}
