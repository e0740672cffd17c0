/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/partition.c - a machine with no hypervisor: both halves in one process
 *
 * An embedder of the host half, and a platform of the guest half. The guest's registers
 * and hypercalls are calls on the VP that has its turn; interrupts are bits that the guest
 * takes; time is a number. Memory is in memory.c, turns and threads in schedule.c.
 */

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/host/x86_64.h"
#include "test/loop/machine.h"

#define RESET_TURNS   1000000u
#define TSC_PER_100NS 100u

_Thread_local struct loop_vp *loop_current;

/* ---- what the host half asks of its embedder ---- */

static void *
host_alloc(void *ctx, size_t len)
{
    struct loop *loop = ctx;

    atomic_fetch_add(&loop->allocated, (int64_t)len);
    return calloc(1, len);
}

static void
host_free(void *ctx, void *memory, size_t len)
{
    struct loop *loop = ctx;

    if (!memory)
        return;
    atomic_fetch_sub(&loop->allocated, (int64_t)len);
    free(memory);
}

static void *
host_lock_create(void *ctx)
{
    pthread_mutex_t *lock = malloc(sizeof(*lock));

    (void)ctx;
    loop_check(lock);
    pthread_mutex_init(lock, NULL);
    return lock;
}

static void
host_lock_destroy(void *ctx, void *lock)
{
    (void)ctx;
    loop_check(pthread_mutex_destroy(lock) == 0);
    free(lock);
}

static void
host_lock(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_lock(lock);
}

static void
host_unlock(void *ctx, void *lock)
{
    (void)ctx;
    pthread_mutex_unlock(lock);
}

static uint64_t
host_time(void *ctx)
{
    return atomic_load(&((struct loop *)ctx)->now);
}

static int
host_tsc_page(void *ctx, struct enlh_tsc_page *page)
{
    (void)ctx;
    /* Rounded up, or the exact multiples would come out one too low. */
    page->scale = UINT64_MAX / TSC_PER_100NS + 1;
    page->offset = 0;
    return 0;
}

/* With threads: wake whoever waits under this lock. */
void
loop_wake(struct loop *loop, pthread_mutex_t *lock, pthread_cond_t *cond)
{
    if (!loop->config.threads)
        return;
    pthread_mutex_lock(lock);
    pthread_cond_broadcast(cond);
    pthread_mutex_unlock(lock);
}

void
loop_vp_wake(struct loop_vp *vp)
{
    atomic_store(&vp->kicked, true);
    loop_wake(vp->loop, &vp->lock, &vp->wake);
}

static void
host_timer_arm(void *ctx, uint32_t vp, uint64_t deadline)
{
    atomic_store(&((struct loop *)ctx)->vp[vp].deadline, deadline);
}

static void
host_kick(void *ctx, uint32_t vp)
{
    loop_vp_wake(&((struct loop *)ctx)->vp[vp]);
}

void
loop_vector_raise(struct loop_vp *vp, uint8_t vector)
{
    atomic_fetch_or(&vp->pending[vector / 64], UINT64_C(1) << vector % 64);
    loop_vp_wake(vp);
}

static void
host_interrupt(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    struct loop *loop = ctx;

    (void)auto_eoi;
    if (loop_fault_interrupt(loop))
        return;
    loop_vector_raise(&loop->vp[vp], vector);
}

static void
host_event(void *ctx, const struct enlh_event *event)
{
    (void)ctx;
    loop_fail("the guest caused event %d on VP %u", (int)event->kind, event->vp);
}

static void
host_log(void *ctx, enum enlh_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    if (getenv("LOOP_LOG"))
        fprintf(stderr, "host: %s\n", text);
}

static void
host_bug(void *ctx, const char *file, int line, const char *what)
{
    (void)ctx;
    loop_fail("a bug in the host half: %s:%d: %s", file, line, what);
}

static const struct enlh_ops host_ops = {
    .size = sizeof(host_ops),
    .alloc = host_alloc,
    .free = host_free,
    .lock_create = host_lock_create,
    .lock_destroy = host_lock_destroy,
    .lock = host_lock,
    .unlock = host_unlock,
    .time_100ns = host_time,
    .tsc_page = host_tsc_page,
    .timer_arm = host_timer_arm,
    .kick = host_kick,
    .interrupt = host_interrupt,
    .event = host_event,
    .log = host_log,
    .bug = host_bug,
};

/* ---- what the bus asks of its embedder ---- */

static void
bus_loop_wake(void *ctx)
{
    struct loop *loop = ctx;

    atomic_store(&loop->loop_woken, true);
    loop_wake(loop, &loop->loop_lock, &loop->loop_wake);
}

static void
worker_wake(struct loop_worker *worker)
{
    atomic_store(&worker->woken, true);
    loop_wake(worker->loop, &worker->lock, &worker->wake);
}

static int
bus_channel_start(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct loop *loop = ctx;
    struct loop_worker *worker = loop->worker;

    (void)connection_id;
    while (worker < loop->worker + LOOP_WORKERS && worker->channel)
        worker++;
    loop_check(worker < loop->worker + LOOP_WORKERS);
    worker->loop = loop;
    worker->channel = channel;
    worker->stopped = false;
    worker->quit = false;
    atomic_store(&worker->woken, true);
    enlh_channel_set_worker(channel, worker);
    if (loop->config.threads)
        loop_check(pthread_create(&worker->thread, NULL, loop_worker_main, worker) == 0);
    return 0;
}

static void
bus_channel_stop(void *ctx, struct enlh_channel *channel, uint32_t connection_id)
{
    struct loop *loop = ctx;
    struct loop_worker *worker = enlh_channel_worker(channel);

    (void)connection_id;
    loop_check(worker && worker->channel == channel);
    if (loop->config.threads) {
        pthread_mutex_lock(&worker->lock);
        worker->quit = true;
        pthread_cond_broadcast(&worker->wake);
        pthread_mutex_unlock(&worker->lock);
        pthread_join(worker->thread, NULL);
    }
    worker->channel = NULL;
    enlh_channel_set_worker(channel, NULL);
}

static void
bus_channel_wake(void *ctx, struct enlh_channel *channel)
{
    struct loop_worker *worker = enlh_channel_worker(channel);

    (void)ctx;
    if (worker)
        worker_wake(worker);
}

static const struct enlh_vmbus_ops bus_ops = {
    .size = sizeof(bus_ops),
    .loop_wake = bus_loop_wake,
    .channel_start = bus_channel_start,
    .channel_stop = bus_channel_stop,
    .channel_wake = bus_channel_wake,
};

/* ---- what the guest half asks of its platform ---- */

static void
guest_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out)
{
    struct loop *loop = ctx;
    struct enlh_cpuid leaves[16];
    uint32_t count = enlh_x64_cpuid(loop->partition, leaves);

    memset(out, 0, sizeof(*out));
    if (leaf == 1)
        out->ecx = ENL_CPUID_1_ECX_HYPERVISOR;
    for (uint32_t i = 0; i < count; i++) {
        if (leaves[i].leaf == leaf)
            *out = (struct enl_cpuid_leaf){leaves[i].eax, leaves[i].ebx, leaves[i].ecx,
                                           leaves[i].edx};
    }
}

/* Every trap ends as a VMM ends it: what waits for the VP is delivered. */
static int
trap_return(struct loop *loop, int rc)
{
    loop->faults += rc != 0;
    enlh_vp_enter(loop_current->vp);
    return rc ? -ENL_E_ACCESS : 0;
}

static int
guest_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    struct loop *loop = ctx;
    int rc = enlh_vp_get_reg(loop_current->vp, reg, value);

    return trap_return(loop, rc);
}

static int
guest_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    struct loop *loop = ctx;
    int rc = enlh_vp_set_reg(loop_current->vp, reg, value);

    return trap_return(loop, rc);
}

static uint64_t
guest_hypercall(void *ctx, const void *code, uint64_t control, uint64_t input,
                uint64_t output)
{
    struct enlh_hypercall call = {.control = control, .input = input, .output = output};
    struct enlh_hypercall again = call;
    uint64_t result = 0;

    loop_check(code);
    switch (loop_fault_hypercall(ctx, control, input)) {
    case LOOP_REFUSED:
        result = ENL_HV_STATUS_INSUFFICIENT_BUFFERS;
        break;
    case LOOP_LOST:
        break;
    case LOOP_REPEATED:
        (void)enlh_vp_hypercall(loop_current->vp, &again);
        result = enlh_vp_hypercall(loop_current->vp, &call);
        break;
    case LOOP_PASSED:
        result = enlh_vp_hypercall(loop_current->vp, &call);
        break;
    }
    (void)trap_return(ctx, 0);
    return result;
}

static uint64_t
guest_tsc(void *ctx)
{
    return atomic_load(&((struct loop *)ctx)->now) * TSC_PER_100NS;
}

/* The guest waits: the others have their turns. */
static void
guest_pause(void *ctx, uint32_t attempt)
{
    struct loop *loop = ctx;
    struct loop_vp *vp = loop_current;

    (void)attempt;
    if (loop->config.threads) {
        sched_yield();
        return;
    }
    for (uint32_t n = loop_rand_below(&loop->rand, 8); n > 0; n--)
        (void)loop_host_turn(loop);
    loop_current = vp;
}

static void
guest_log(void *ctx, enum enlg_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    if (getenv("LOOP_LOG"))
        fprintf(stderr, "guest: %s\n", text);
}

static void
platform_make(struct loop *loop)
{
    loop->platform = (struct enlg_platform){
        .size = sizeof(loop->platform),
        .ctx = loop,
        .cpuid = guest_cpuid,
        .get_reg = guest_get_reg,
        .set_reg = guest_set_reg,
        .hypercall = guest_hypercall,
        .tsc = guest_tsc,
        .gpa = loop_memory_gpa,
        .map_twice = loop_memory_map_twice,
        .unmap_twice = loop_memory_unmap_twice,
        .pause = guest_pause,
        .log = guest_log,
    };
}

void
loop_ipi(struct loop *loop, uint32_t vp, uint8_t vector)
{
    loop_vector_raise(&loop->vp[vp], vector);
}

bool
loop_vector_take(struct loop *loop, uint32_t vp, uint8_t vector)
{
    uint64_t bit = UINT64_C(1) << vector % 64;

    return (atomic_fetch_and(&loop->vp[vp].pending[vector / 64], ~bit) & bit) != 0;
}

uint32_t
loop_current_vp(void)
{
    return loop_current->index;
}

/* ---- life ---- */

void
loop_config_defaults(struct loop_config *config, uint64_t seed)
{
    memset(config, 0, sizeof(*config));
    config->seed = seed;
    config->vps = 2;
}

static void
vps_init(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->config.vps; i++) {
        struct loop_vp *vp = &loop->vp[i];

        vp->loop = loop;
        vp->index = i;
        vp->vp = enlh_partition_vp(loop->partition, i);
        atomic_store(&vp->deadline, UINT64_MAX);
        atomic_store(&vp->kicked, true);
        pthread_mutex_init(&vp->lock, NULL);
        pthread_cond_init(&vp->wake, NULL);
    }
    for (uint32_t i = 0; i < LOOP_WORKERS; i++) {
        pthread_mutex_init(&loop->worker[i].lock, NULL);
        pthread_cond_init(&loop->worker[i].wake, NULL);
    }
    pthread_mutex_init(&loop->loop_lock, NULL);
    pthread_cond_init(&loop->loop_wake, NULL);
    pthread_mutex_init(&loop->main_lock, NULL);
    pthread_cond_init(&loop->main_wake, NULL);
}

void
loop_init(struct loop *loop, const struct loop_config *config)
{
    struct enlh_config host;
    struct enlh_vmbus_config bus;

    memset(loop, 0, sizeof(*loop));
    loop->config = *config;
    loop->rand.state = config->seed;
    loop_memory_init(loop);
    enlh_config_defaults(&host);
    host.vp_count = config->vps;
    loop_check(enlh_features_preset("max", &host.features) == 0);
    loop_check(enlh_partition_create(&host, &host_ops, loop, &loop->partition) == 0);
    loop_check(enlh_mem_add(loop->partition, (enl_gpa){0}, loop->ram, LOOP_RAM_LEN) == 0);
    vps_init(loop);
    enlh_vmbus_config_defaults(&bus);
    if (config->max_version)
        bus.max_version = config->max_version;
    bus.offer_seed = config->offer_seed;
    loop_check(enlh_vmbus_create(loop->partition, &bus, &bus_ops, loop, &loop->bus) == 0);
    platform_make(loop);
}

void
loop_fini(struct loop *loop)
{
    for (uint32_t i = 0; i < LOOP_WORKERS; i++)
        loop_check(!loop->worker[i].channel);
    enlh_vmbus_destroy(loop->bus);
    enlh_partition_destroy(loop->partition);
    if (atomic_load(&loop->allocated) != 0)
        loop_fail("the host half leaks %lld bytes", (long long)loop->allocated);
    loop_memory_check(loop);
    loop_memory_free_all(loop);
}

void
loop_reset(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->config.vps; i++)
        for (int k = 0; k < 4; k++)
            atomic_store(&loop->vp[i].pending[k], 0);
    enlh_vmbus_reset(loop->bus);
    for (uint32_t n = 0; !enlh_vmbus_idle(loop->bus); n++) {
        if (n == RESET_TURNS || (!loop_host_turn(loop) && !enlh_vmbus_idle(loop->bus)))
            loop_fail("the bus does not come to rest after a reset");
    }
    enlh_partition_reset(loop->partition);
    loop_unmap_all(loop, loop->guest);
    loop_memory_check(loop);
    loop_memory_free_all(loop);
    for (uint32_t i = 0; i < loop->config.vps; i++) {
        for (int k = 0; k < 4; k++)
            atomic_store(&loop->vp[i].pending[k], 0);
        atomic_store(&loop->vp[i].kicked, true);
    }
}
