/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/clock.c - the reference counter, and the TSC page that agrees with it
 *
 * Run by any thread that asks for the time. On the user engine the counter follows
 * CLOCK_MONOTONIC until the guest is given a TSC page; from then on both are one function
 * of the guest's TSC (host TSC + KVM_VCPU_TSC_OFFSET), so page and register cannot
 * disagree. On the kernel engine the counter is KVM's clock, which fills the page itself.
 * Only KVM_CLOCK_TSC_STABLE says that all vCPUs may share a page. [TLFS 12.6, 12.7]
 * A machine that is stopped has clocks that stand still: the TSC, and all that follow it.
 * Tests: test/unit/kvm_clock.c for the arithmetic, test/os for the rest.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <x86intrin.h>

#include "kvm/internal.h"

static uint64_t
clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* 2^64 * 10^7 / Hz: what a tick of the TSC is in 100 ns units, as a 64-bit fraction. */
uint64_t
enlk_clock_scale(uint64_t tsc_khz)
{
    return (uint64_t)(((unsigned __int128)10000u << 64) / tsc_khz);
}

static uint64_t
scaled(uint64_t tsc, uint64_t scale)
{
    return (uint64_t)(((unsigned __int128)tsc * scale) >> 64);
}

int
enlk_clock_init(struct enlk_clock *clock)
{
    clock->start_ns = clock_ns(CLOCK_MONOTONIC);
    return pthread_mutex_init(&clock->lock, NULL) ? -ENL_E_NOMEM : 0;
}

void
enlk_clock_fini(struct enlk_clock *clock)
{
    pthread_mutex_destroy(&clock->lock);
}

static int
tsc_offset(struct enlk_vcpu *vcpu, unsigned long request, uint64_t *value)
{
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = KVM_VCPU_TSC_OFFSET,
        .addr = (uint64_t)(uintptr_t)value,
    };

    return ioctl(vcpu->fd, request, &attr) < 0 ? -ENL_E_IO : 0;
}

static int
set_tsc_delta(const struct enlk_engine *engine, struct enlk_vcpu *vcpu)
{
    uint64_t delta = atomic_load(&engine->clock.tsc_delta);

    return tsc_offset(vcpu, KVM_SET_DEVICE_ATTR, &delta);
}

/* The first vCPU says what the guest's TSC is; the others are given the same. */
int
enlk_clock_join(struct enlk_engine *engine, struct enlk_vcpu *vcpu)
{
    struct enlk_clock *clock = &engine->clock;
    uint64_t delta = 0;
    int khz, err;

    if (vcpu->index != 0)
        return engine->caps.tsc_offset ? set_tsc_delta(engine, vcpu) : 0;
    khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
    if (khz <= 0)
        return -ENL_E_IO;
    clock->tsc_khz = (uint64_t)khz;
    clock->scale = enlk_clock_scale(clock->tsc_khz);
    if (!engine->caps.tsc_offset)
        return 0;
    err = tsc_offset(vcpu, KVM_GET_DEVICE_ATTR, &delta);
    atomic_store(&clock->tsc_delta, delta);
    return err;
}

static uint64_t
monotonic(const struct enlk_clock *clock)
{
    return (clock_ns(CLOCK_MONOTONIC) - atomic_load(&clock->start_ns)) / 100u;
}

/* In ns. */
static uint64_t
kvm_clock(const struct enlk_engine *engine)
{
    struct kvm_clock_data data;

    memset(&data, 0, sizeof(data));
    if (ioctl(engine->config.vm_fd, KVM_GET_CLOCK, &data) < 0)
        return 0;
    return data.clock;
}

static bool
tsc_is_stable(const struct enlk_engine *engine)
{
    struct kvm_clock_data data;

    memset(&data, 0, sizeof(data));
    return engine->caps.tsc_offset &&
           ioctl(engine->config.vm_fd, KVM_GET_CLOCK, &data) == 0 &&
           (data.flags & KVM_CLOCK_TSC_STABLE);
}

uint64_t
enlk_clock_now(const struct enlk_engine *engine)
{
    const struct enlk_clock *clock = &engine->clock;

    if (atomic_load(&clock->is_frozen))
        return clock->frozen_time;
    if (engine->config.kind == ENLK_KERNEL)
        return kvm_clock(engine) / 100u;
    /* Pairs with the release in switch_to_tsc(): scale and offset are there. */
    if (atomic_load_explicit(&clock->from_tsc, memory_order_acquire))
        return scaled(__rdtsc() + clock->tsc_delta, clock->scale) +
               (uint64_t)clock->offset;
    return monotonic(clock);
}

uint64_t
enlk_clock_time(void *ctx)
{
    return enlk_clock_now(ctx);
}

/* The TSC is read first: being stopped between the two reads makes time jump forward only. */
static void
switch_to_tsc(struct enlk_clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    if (!atomic_load_explicit(&clock->from_tsc, memory_order_relaxed)) {
        uint64_t tsc = __rdtsc() + clock->tsc_delta;

        clock->offset = (int64_t)(monotonic(clock) - scaled(tsc, clock->scale));
        atomic_store_explicit(&clock->from_tsc, true, memory_order_release);
    }
    pthread_mutex_unlock(&clock->lock);
}

int
enlk_clock_page(void *ctx, struct enlh_tsc_page *page)
{
    struct enlk_engine *engine = ctx;

    if (engine->config.kind == ENLK_KERNEL || !tsc_is_stable(engine))
        return -ENL_E_NOTSUP;
    switch_to_tsc(&engine->clock);
    page->scale = engine->clock.scale;
    page->offset = engine->clock.offset;
    return 0;
}

uint64_t
enlk_clock_runtime(void *ctx, uint32_t vp)
{
    (void)ctx;
    (void)vp;
    return clock_ns(CLOCK_THREAD_CPUTIME_ID) / 100u;
}

/* ---- standing still ---- */

/* The time is read before the TSC: what is lost between the two makes it jump forward only. */
void
enlk_clock_freeze(struct enlk_engine *engine)
{
    struct enlk_clock *clock = &engine->clock;

    clock->frozen_time = enlk_clock_now(engine);
    if (engine->config.kind == ENLK_KERNEL)
        clock->frozen_kvm = kvm_clock(engine);
    clock->frozen_ns = clock_ns(CLOCK_MONOTONIC);
    clock->frozen_tsc = __rdtsc();
    atomic_store(&clock->is_frozen, true);
}

/*
 * The guest's TSC goes on where it stood, and so do the counter and the page that follow
 * from it. On the kernel engine KVM fills the page anew when its clock is set.
 */
void
enlk_clock_thaw(struct enlk_engine *engine)
{
    struct enlk_clock *clock = &engine->clock;
    struct kvm_clock_data data;

    atomic_fetch_sub(&clock->tsc_delta, __rdtsc() - clock->frozen_tsc);
    atomic_fetch_add(&clock->start_ns, clock_ns(CLOCK_MONOTONIC) - clock->frozen_ns);
    for (uint32_t vp = 0; engine->caps.tsc_offset && vp < engine->config.vp_count; vp++) {
        if (set_tsc_delta(engine, &engine->vcpus[vp]))
            enlk_log(engine, ENLH_LOG_WARN, "a guest's TSC cannot be set back");
    }
    memset(&data, 0, sizeof(data));
    data.clock = clock->frozen_kvm;
    if (engine->config.kind == ENLK_KERNEL &&
        ioctl(engine->config.vm_fd, KVM_SET_CLOCK, &data) < 0)
        enlk_log(engine, ENLH_LOG_WARN, "KVM's clock cannot be set back");
    atomic_store(&clock->is_frozen, false);
}
