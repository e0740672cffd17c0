/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/engine.c - the engine as a whole: its life, and the partition's callbacks
 *
 * Run by the embedder. Everything that the partition asks of KVM is wired here, for both
 * engines; what it asks of libc (memory, locks) is answered here, and the embedder's own
 * three callbacks are passed on. Trusts the embedder's descriptors; no guest reaches this
 * room but through the tables.
 * Tests: test/unit/kvm_caps.c for the choice of an engine, test/os for the rest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "enlight/abi/register.h"
#include "kvm/internal.h"

#define APIC_HZ      1000000000u /* KVM's local APIC timer counts in ns */
#define GSI_MIN      24u         /* behind the pins of the IOAPIC */
#define DISPATCH_MAX 64

/* ---- callbacks that libc answers ---- */

static void *
op_alloc(void *ctx, size_t len)
{
    (void)ctx;
    return calloc(1, len);
}

static void
op_free(void *ctx, void *memory, size_t len)
{
    (void)ctx;
    (void)len;
    free(memory);
}

static void *
op_lock_create(void *ctx)
{
    pthread_mutex_t *lock = calloc(1, sizeof(*lock));

    (void)ctx;
    if (lock && pthread_mutex_init(lock, NULL)) {
        free(lock);
        return NULL;
    }
    return lock;
}

static void
op_lock_destroy(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_destroy(lock);
    free(lock);
}

static void
op_lock(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_lock(lock);
}

static void
op_unlock(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_unlock(lock);
}

/* ---- callbacks that the embedder answers ---- */

void
enlk_log(struct enlk_engine *engine, enum enlh_log_level level, const char *text)
{
    if (engine->callbacks.log)
        engine->callbacks.log(engine->ctx, level, text);
}

static void
op_kick(void *ctx, uint32_t vp)
{
    struct enlk_engine *engine = ctx;

    engine->callbacks.kick(engine->ctx, vp);
}

static void
op_event(void *ctx, const struct enlh_event *event)
{
    struct enlk_engine *engine = ctx;

    engine->callbacks.event(engine->ctx, event);
}

static void
op_log(void *ctx, enum enlh_log_level level, const char *text)
{
    enlk_log(ctx, level, text);
}

static void
op_bug(void *ctx, const char *file, int line, const char *what)
{
    char text[256];

    snprintf(text, sizeof(text), "bug: %s:%d: %s", file, line, what);
    enlk_log(ctx, ENLH_LOG_ERROR, text);
    __builtin_trap();
}

static void
fill_ops(struct enlk_engine *engine)
{
    struct enlh_ops *ops = &engine->ops;
    bool user = engine->config.kind == ENLK_USER;

    *ops = (struct enlh_ops){
        .size = sizeof(*ops),
        .alloc = op_alloc,
        .free = op_free,
        .lock_create = op_lock_create,
        .lock_destroy = op_lock_destroy,
        .lock = op_lock,
        .unlock = op_unlock,
        .time_100ns = enlk_clock_time,
        .tsc_page = enlk_clock_page,
        .vp_runtime_100ns = enlk_clock_runtime,
        .timer_arm = enlk_timer_arm,
        .kick = op_kick,
        .interrupt = enlk_interrupt_raise,
        .raise_sint = user ? NULL : enlk_sint_raise,
        .forward_reg = user ? NULL : enlk_msr_forward,
        .flush_tlb = user ? enlk_tlb_flush : NULL,
        .event = op_event,
        .log = op_log,
        .bug = op_bug,
    };
}

/* ---- life ---- */

void
enlk_config_defaults(struct enlk_config *config)
{
    *config = (struct enlk_config){
        .size = sizeof(*config),
        .kind = ENLK_USER,
        .vm_fd = -1,
        .vp_count = 1,
        .trap_port = 0xE4,
        .signal_port = 0xE8,
        .first_gsi = GSI_MIN,
    };
}

static bool
is_valid(const struct enlk_config *c, const struct enlk_callbacks *callbacks)
{
    /* The VMBus SINT is number 2, so each VP needs three at least. */
    return c->size == sizeof(*c) && (c->kind == ENLK_USER || c->kind == ENLK_KERNEL) &&
           c->vm_fd >= 0 && c->vp_count >= 1 && c->first_gsi >= GSI_MIN &&
           enlk_sint_per_vp(c) > ENL_SINT_VMBUS && c->trap_port <= 0xFF &&
           c->trap_port != c->signal_port && callbacks->kick && callbacks->event;
}

int
enlk_source_add(struct enlk_engine *engine, int fd, enum enlk_source source, uint32_t vp)
{
    struct epoll_event ev = {.events = EPOLLIN};

    ev.data.u64 = (uint64_t)vp << 8 | source;
    return epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -ENL_E_IO : 0;
}

static int
make_vcpus(struct enlk_engine *engine)
{
    engine->vcpus = calloc(engine->config.vp_count, sizeof(*engine->vcpus));
    if (!engine->vcpus)
        return -ENL_E_NOMEM;
    for (uint32_t vp = 0; vp < engine->config.vp_count; vp++) {
        struct enlk_vcpu *vcpu = &engine->vcpus[vp];

        vcpu->index = vp;
        vcpu->engine = engine;
        vcpu->fd = vcpu->timer_fd = vcpu->sint_fd = vcpu->ack_fd = vcpu->retry_fd = -1;
    }
    return 0;
}

int
enlk_engine_create(const struct enlk_config *config, const struct enlk_caps *caps,
                   const struct enlk_callbacks *callbacks, void *ctx,
                   struct enlk_engine **out)
{
    struct enlk_engine *engine;
    int err;

    if (!is_valid(config, callbacks))
        return -ENL_E_INVAL;
    if (enlk_caps_missing(caps, config->kind))
        return -ENL_E_NOTSUP;
    engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENL_E_NOMEM;
    engine->config = *config;
    engine->caps = *caps;
    engine->callbacks = *callbacks;
    engine->ctx = ctx;
    fill_ops(engine);
    err = enlk_clock_init(&engine->clock);
    if (err) {
        free(engine);
        return err;
    }
    engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    err = engine->epoll_fd < 0 ? -ENL_E_IO : make_vcpus(engine);
    if (err) {
        enlk_engine_destroy(engine);
        return err;
    }
    *out = engine;
    return 0;
}

void
enlk_engine_destroy(struct enlk_engine *engine)
{
    if (!engine)
        return;
    for (uint32_t vp = 0; engine->vcpus && vp < engine->config.vp_count; vp++) {
        enlk_timer_fini(&engine->vcpus[vp]);
        enlk_interrupt_fini(&engine->vcpus[vp]);
        enlk_sint_fini(&engine->vcpus[vp]);
    }
    if (engine->epoll_fd >= 0)
        close(engine->epoll_fd);
    enlk_clock_fini(&engine->clock);
    free(engine->vcpus);
    free(engine);
}

void
enlk_engine_complete(const struct enlk_engine *engine, struct enlh_config *config)
{
    config->tsc_hz = engine->clock.tsc_khz * 1000u;
    config->apic_hz = APIC_HZ;
    if (engine->config.kind == ENLK_KERNEL) {
        config->nested_eax = engine->caps.hv_nested_eax;
        config->nested_ebx = engine->caps.hv_nested_ebx;
    }
}

const struct enlh_ops *
enlk_engine_ops(struct enlk_engine *engine)
{
    return &engine->ops;
}

int
enlk_engine_start(struct enlk_engine *engine, struct enlh_partition *partition)
{
    const struct enlh_config *config = enlh_partition_config(partition);
    int err;

    engine->partition = partition;
    engine->xmm = config->features.set & ENLH_F_BIT(ENLH_F_XMM_INPUT);
    for (uint32_t vp = 0; vp < engine->config.vp_count; vp++) {
        engine->vcpus[vp].vp = enlh_partition_vp(partition, vp);
        if (!engine->vcpus[vp].vp)
            return -ENL_E_RANGE;
    }
    if (engine->config.kind == ENLK_USER) {
        struct enlh_x64_trap trap = {engine->config.trap_port,
                                     engine->config.signal_port};

        enlh_x64_set_trap(partition, &trap);
    }
    err = enlk_msr_filter(engine);
    if (!err && engine->config.kind == ENLK_KERNEL)
        err = enlk_sint_start(engine);
    return err;
}

void
enlk_engine_reset(struct enlk_engine *engine)
{
    for (uint32_t vp = 0; vp < engine->config.vp_count; vp++) {
        if (engine->config.kind == ENLK_USER)
            enlk_timer_arm(engine, vp, UINT64_MAX);
        enlk_interrupt_reset(&engine->vcpus[vp]);
        atomic_store(&engine->vcpus[vp].flush_due, false);
    }
    if (engine->config.kind == ENLK_KERNEL)
        enlk_msr_reset(engine);
}

static void
timers_again(struct enlk_engine *engine)
{
    for (uint32_t vp = 0; vp < engine->config.vp_count; vp++) {
        if (engine->config.kind == ENLK_USER)
            enlk_timer_again(&engine->vcpus[vp]);
    }
}

void
enlk_engine_freeze(struct enlk_engine *engine)
{
    if (atomic_load(&engine->clock.is_frozen))
        return;
    enlk_clock_freeze(engine);
    timers_again(engine);
}

void
enlk_engine_thaw(struct enlk_engine *engine)
{
    if (!atomic_load(&engine->clock.is_frozen))
        return;
    enlk_clock_thaw(engine);
    timers_again(engine);
}

/* ---- the loop's part ---- */

int
enlk_engine_fd(const struct enlk_engine *engine)
{
    return engine->epoll_fd;
}

static void
dispatch(struct enlk_engine *engine, uint64_t data)
{
    struct enlk_vcpu *vcpu = &engine->vcpus[data >> 8];

    switch ((enum enlk_source)(data & 0xFF)) {
    case ENLK_SOURCE_TIMER:
        enlk_timer_expired(vcpu);
        break;
    case ENLK_SOURCE_ACK:
        enlk_sint_acked(vcpu);
        break;
    case ENLK_SOURCE_RETRY:
        enlk_interrupt_retry(vcpu);
        break;
    }
}

void
enlk_engine_dispatch(struct enlk_engine *engine)
{
    struct epoll_event events[DISPATCH_MAX];
    int count = epoll_wait(engine->epoll_fd, events, DISPATCH_MAX, 0);

    for (int i = 0; i < count; i++)
        dispatch(engine, events[i].data.u64);
}

void
enlk_engine_counters(const struct enlk_engine *engine, struct enlk_counters *out)
{
    out->msr_exits = atomic_load(&engine->counters.msr_exits);
    out->hypercall_exits = atomic_load(&engine->counters.hypercall_exits);
    out->signal_exits = atomic_load(&engine->counters.signal_exits);
    out->synic_exits = atomic_load(&engine->counters.synic_exits);
    out->timers = atomic_load(&engine->counters.timers);
    out->tlb_flushes = atomic_load(&engine->counters.tlb_flushes);
    out->auto_eoi = atomic_load(&engine->counters.auto_eoi);
    out->auto_eoi_late = atomic_load(&engine->counters.auto_eoi_late);
}
