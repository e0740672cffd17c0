/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/partition.c - a machine with no hypervisor: both halves in one process
 *
 * An embedder of the host half. The guest's registers and hypercalls are calls into it on
 * the VP that has its turn; interrupts are bits that the guest takes. Guest memory has two
 * views whose pages are in a different order, so that an address is never a physical
 * address by accident. Everything that a run does follows from its seed.
 */
#define _GNU_SOURCE
#include "test/loop/partition.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enlight/abi/hypercall.h"
#include "enlight/host/x86_64.h"

#define STEPS_MAX     3000000u
#define REFUSED_MAX   50u /* posts in a row: the guest half gives up after 100 */
#define TSC_PER_100NS 100u

static _Thread_local struct loop_vp *current;

/* ---- memory ---- */

/* Mapped once for the process: the seeds reuse it. */
static uint8_t *ram_view, *guest_view;
static uint16_t page_order[LOOP_RAM_PAGES];

static void
order_make(bool scramble)
{
    struct loop_rand rand = {12345};

    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++)
        page_order[i] = (uint16_t)i;
    for (uint32_t i = LOOP_RAM_PAGES - 1; scramble && i > 0; i--) {
        uint32_t k = loop_rand_below(&rand, i + 1);
        uint16_t t = page_order[i];

        page_order[i] = page_order[k];
        page_order[k] = t;
    }
}

static void
memory_map(bool scramble)
{
    int fd = memfd_create("loop", 0);

    loop_check(fd >= 0 && ftruncate(fd, LOOP_RAM_LEN) == 0);
    ram_view = mmap(NULL, LOOP_RAM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    loop_check(ram_view != MAP_FAILED);
    order_make(scramble);
    guest_view = ram_view;
    if (scramble) {
        guest_view =
            mmap(NULL, LOOP_RAM_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        loop_check(guest_view != MAP_FAILED);
        for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++)
            loop_check(mmap(guest_view + (size_t)i * ENL_PAGE_SIZE, ENL_PAGE_SIZE,
                            PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                            (off_t)page_order[i] * ENL_PAGE_SIZE) != MAP_FAILED);
    }
    memset(ram_view, LOOP_POISON, LOOP_RAM_LEN);
    close(fd);
}

static uint8_t *
page_va(struct loop *loop, uint32_t page)
{
    return loop->va + (size_t)page * ENL_PAGE_SIZE;
}

static void
page_check_free(struct loop *loop, uint32_t page)
{
    const uint8_t *p = page_va(loop, page);

    if (p[0] != LOOP_POISON || memcmp(p, p + 1, ENL_PAGE_SIZE - 1) != 0)
        loop_fail("somebody wrote to guest page %u (gpa %#x) after it was given back",
                  page, page_order[page] * ENL_PAGE_SIZE);
}

void *
loop_pages_get(struct loop *loop, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++) {
        run = loop->page_used[i] ? 0 : run + 1;
        if (run < count)
            continue;
        for (uint32_t page = i + 1 - count; page <= i; page++) {
            page_check_free(loop, page);
            loop->page_used[page] = 1;
        }
        return memset(page_va(loop, i + 1 - count), 0, (size_t)count * ENL_PAGE_SIZE);
    }
    loop_fail("no guest memory is left");
}

void
loop_pages_put(struct loop *loop, void *pages, uint32_t count)
{
    uint32_t first = (uint32_t)(((uint8_t *)pages - loop->va) / ENL_PAGE_SIZE);

    memset(pages, LOOP_POISON, (size_t)count * ENL_PAGE_SIZE);
    for (uint32_t page = first; page < first + count; page++) {
        loop_check(loop->page_used[page]);
        loop->page_used[page] = 0;
    }
}

static void
pages_check_all(struct loop *loop)
{
    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++) {
        if (!loop->page_used[i])
            page_check_free(loop, i);
    }
}

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
static void
wake(struct loop *loop, pthread_mutex_t *lock, pthread_cond_t *cond)
{
    if (!loop->config.threads)
        return;
    pthread_mutex_lock(lock);
    pthread_cond_broadcast(cond);
    pthread_mutex_unlock(lock);
}

static void
vp_wake(struct loop_vp *vp)
{
    atomic_store(&vp->kicked, true);
    wake(vp->loop, &vp->lock, &vp->wake);
}

static void
host_timer_arm(void *ctx, uint32_t vp, uint64_t deadline)
{
    atomic_store(&((struct loop *)ctx)->vp[vp].deadline, deadline);
}

static void
host_kick(void *ctx, uint32_t vp)
{
    vp_wake(&((struct loop *)ctx)->vp[vp]);
}

static void
vector_raise(struct loop_vp *vp, uint8_t vector)
{
    atomic_fetch_or(&vp->pending[vector / 64], UINT64_C(1) << vector % 64);
    vp_wake(vp);
}

static void
host_interrupt(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    struct loop *loop = ctx;

    (void)auto_eoi;
    if (!loop->config.threads &&
        loop_rand_percent(&loop->rand, loop->config.knobs.drop_interrupts))
        return;
    vector_raise(&loop->vp[vp], vector);
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
    wake(loop, &loop->loop_lock, &loop->loop_wake);
}

static void
worker_wake(struct loop_worker *worker)
{
    atomic_store(&worker->woken, true);
    wake(worker->loop, &worker->lock, &worker->wake);
}

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

static void *
worker_main(void *arg)
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
        loop_check(pthread_create(&worker->thread, NULL, worker_main, worker) == 0);
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
    enlh_vp_enter(current->vp);
    return rc ? -ENL_E_ACCESS : 0;
}

static int
guest_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    struct loop *loop = ctx;
    int rc = enlh_vp_get_reg(current->vp, reg, value);

    return trap_return(loop, rc);
}

static int
guest_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    struct loop *loop = ctx;
    int rc = enlh_vp_set_reg(current->vp, reg, value);

    return trap_return(loop, rc);
}

static bool
post_is_refused(struct loop *loop, uint64_t control)
{
    if ((control & ENL_HCALL_CODE) != ENL_CALL_POST_MESSAGE || loop->config.threads)
        return false;
    if (loop->posts_refused >= REFUSED_MAX ||
        !loop_rand_percent(&loop->rand, loop->config.knobs.refuse_posts)) {
        loop->posts_refused = 0;
        return false;
    }
    loop->posts_refused++;
    return true;
}

static uint64_t
guest_hypercall(void *ctx, const void *code, uint64_t control, uint64_t input,
                uint64_t output)
{
    struct enlh_hypercall call = {.control = control, .input = input, .output = output};
    uint64_t result = ENL_HV_STATUS_INSUFFICIENT_BUFFERS;

    loop_check(code);
    if (!post_is_refused(ctx, control))
        result = enlh_vp_hypercall(current->vp, &call);
    (void)trap_return(ctx, 0);
    return result;
}

static uint64_t
guest_tsc(void *ctx)
{
    return atomic_load(&((struct loop *)ctx)->now) * TSC_PER_100NS;
}

static enl_gpa
guest_gpa(void *ctx, const void *address)
{
    struct loop *loop = ctx;
    uint64_t at = (uint64_t)((const uint8_t *)address - loop->va);

    if (at >= LOOP_RAM_LEN)
        loop_fail("the guest half shares an address outside guest memory");
    return (enl_gpa){(uint64_t)page_order[at / ENL_PAGE_SIZE] * ENL_PAGE_SIZE +
                     at % ENL_PAGE_SIZE};
}

/* Page by page, the same physical pages twice in a row. */
static void *
guest_map_twice(void *ctx, void *data, size_t len)
{
    struct loop *loop = ctx;
    uint8_t *twice;

    if (!loop->config.map_twice)
        return NULL;
    twice = mmap(NULL, 2 * len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    loop_check(twice != MAP_FAILED);
    for (size_t at = 0; at < len; at += ENL_PAGE_SIZE) {
        for (int half = 0; half < 2; half++) {
            void *to = twice + (size_t)half * len + at;
            void *got = mremap((uint8_t *)data + at, 0, ENL_PAGE_SIZE,
                               MREMAP_MAYMOVE | MREMAP_FIXED, to);

            loop_check(got == to);
        }
    }
    for (uint32_t i = 0; i < LOOP_TWICE; i++) {
        if (!loop->twice[i].at) {
            loop->twice[i].at = twice;
            loop->twice[i].len = 2 * len;
            loop->twice[i].guest = loop->guest;
            return twice;
        }
    }
    loop_fail("the guest keeps too many rings mapped twice");
}

static void
guest_unmap_twice(void *ctx, void *twice, size_t len)
{
    struct loop *loop = ctx;
    uint32_t i = 0;

    while (i < LOOP_TWICE && loop->twice[i].at != twice)
        i++;
    loop_check(i < LOOP_TWICE && loop->twice[i].len == 2 * len);
    loop_check(munmap(twice, 2 * len) == 0);
    loop->twice[i].at = NULL;
}

void
loop_unmap_all(struct loop *loop, const void *guest)
{
    for (uint32_t i = 0; i < LOOP_TWICE; i++) {
        if (!loop->twice[i].at || loop->twice[i].guest != guest)
            continue;
        loop_check(munmap(loop->twice[i].at, loop->twice[i].len) == 0);
        loop->twice[i].at = NULL;
    }
}

static bool host_turn(struct loop *loop);

/* The guest waits: the others have their turns. */
static void
guest_pause(void *ctx, uint32_t attempt)
{
    struct loop *loop = ctx;
    struct loop_vp *vp = current;

    (void)attempt;
    if (loop->config.threads) {
        sched_yield();
        return;
    }
    for (uint32_t n = loop_rand_below(&loop->rand, 8); n > 0; n--)
        (void)host_turn(loop);
    current = vp;
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
        .gpa = guest_gpa,
        .map_twice = guest_map_twice,
        .unmap_twice = guest_unmap_twice,
        .pause = guest_pause,
        .log = guest_log,
    };
}

void
loop_ipi(struct loop *loop, uint32_t vp, uint8_t vector)
{
    vector_raise(&loop->vp[vp], vector);
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
    return current->index;
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

    if (!ram_view)
        memory_map(!config->threads);
    memset(loop, 0, sizeof(*loop));
    loop->config = *config;
    loop->rand.state = config->seed;
    loop->ram = ram_view;
    loop->va = guest_view;
    loop->gpa_of = page_order;
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
    pages_check_all(loop);
    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++) {
        if (loop->page_used[i])
            loop_pages_put(loop, page_va(loop, i), 1);
    }
}

void
loop_reset(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->config.vps; i++)
        for (int k = 0; k < 4; k++)
            atomic_store(&loop->vp[i].pending[k], 0);
    enlh_vmbus_reset(loop->bus);
    for (uint32_t n = 0; !enlh_vmbus_idle(loop->bus); n++) {
        if (n == STEPS_MAX || (!host_turn(loop) && !enlh_vmbus_idle(loop->bus)))
            loop_fail("the bus does not come to rest after a reset");
    }
    enlh_partition_reset(loop->partition);
    loop_unmap_all(loop, loop->guest);
    pages_check_all(loop);
    for (uint32_t i = 0; i < LOOP_RAM_PAGES; i++) {
        if (loop->page_used[i])
            loop_pages_put(loop, page_va(loop, i), 1);
    }
    for (uint32_t i = 0; i < loop->config.vps; i++) {
        for (int k = 0; k < 4; k++)
            atomic_store(&loop->vp[i].pending[k], 0);
        atomic_store(&loop->vp[i].kicked, true);
    }
}

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
    current = vp;
    atomic_store(&vp->kicked, false);
    enlh_vp_enter(vp->vp);
    if (!loop->config.threads &&
        loop_rand_percent(&loop->rand, loop->config.knobs.repeat_interrupts))
        vector_raise(vp, 0xf3);
    if (loop->guest_step)
        loop->guest_step(loop->guest, vp->index);
    current = NULL;
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

enum turn { TURN_VP, TURN_LOOP, TURN_WORKER, TURN_DISK };

struct choice {
    uint8_t turn;
    uint16_t which;
    struct loop_disk *disk;
};

#define CHOICES (LOOP_VPS + LOOP_WORKERS + 64)

static uint32_t
host_choices(struct loop *loop, struct choice *out)
{
    uint32_t n = 0;

    if (atomic_load(&loop->loop_woken))
        out[n++] = (struct choice){.turn = TURN_LOOP};
    for (uint32_t i = 0; i < LOOP_WORKERS; i++) {
        struct loop_worker *w = &loop->worker[i];

        if (w->channel && !w->stopped && atomic_load(&w->woken))
            out[n++] = (struct choice){.turn = TURN_WORKER, .which = (uint16_t)i};
    }
    for (struct loop_disk *d = loop->disks; d && n < CHOICES - LOOP_VPS; d = d->next) {
        if (loop_disk_busy(d))
            out[n++] = (struct choice){.turn = TURN_DISK, .disk = d};
    }
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
    default:
        loop_disk_finish_one(choice->disk, (uint32_t)loop_rand_next(&loop->rand));
        break;
    }
}

/* A turn for one of the host's. */
static bool
host_turn(struct loop *loop)
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
        wake(loop, &loop->main_lock, &loop->main_wake);
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
        wake(loop, &loop->main_lock, &loop->main_wake);
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
        vp_wake(&loop->vp[i]);
        pthread_join(loop->vp[i].thread, NULL);
    }
    bus_loop_wake(loop);
    pthread_join(loop->loop_thread, NULL);
    for (struct loop_disk *disk = loop->disks; disk; disk = disk->next)
        loop_disk_thread_stop(disk);
}
