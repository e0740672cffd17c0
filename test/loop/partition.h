/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/partition.h - a machine with no hypervisor: both halves in one process
 *
 * The host half is embedded as a VMM would embed it, except that registers and hypercalls
 * of the guest are direct calls and interrupts are bits. Time is a number. One seed
 * decides who runs next: a VP, the loop, a channel's worker, the disk, a timer; so that
 * every run can be repeated. With threads the same machine has a thread for each VP, for
 * the loop and for each worker.
 *
 * The machine knows when nobody has anything to do: a test that still waits for something
 * then has found a lost signal.
 */
#ifndef TEST_LOOP_PARTITION_H
#define TEST_LOOP_PARTITION_H

#include <pthread.h>
#include <stdatomic.h>

#include "enlight/guest/platform.h"
#include "enlight/host/memory.h"
#include "enlight/host/partition.h"
#include "enlight/host/vmbus.h"
#include "enlight/host/vp.h"
#include "test/loop/disk.h"
#include "test/loop/rand.h"
#include "test/loop/wire.h"

#define LOOP_VPS          4u
#define LOOP_WORKERS      256u
#define LOOP_RAM_PAGES    4096u
#define LOOP_RAM_LEN      ((uint64_t)LOOP_RAM_PAGES * ENL_PAGE_SIZE)
#define LOOP_TWICE        32u
#define LOOP_VECTOR_VMBUS 0xf3
#define LOOP_POISON       0xA5 /* what free pages hold: whoever writes there is caught */

struct loop;

/* Percentages. Only spurious_runs with threads. */
struct loop_knobs {
    uint32_t drop_interrupts; /* only for guests that poll */
    uint32_t repeat_interrupts;
    uint32_t refuse_posts; /* of messages answered INSUFFICIENT_BUFFERS */
    uint32_t refuse_signals;
    uint32_t drop_signals; /* the host's workers look by themselves then */
    uint32_t repeat_signals;
    uint32_t slow_disks;     /* of a disk's turns in which it finishes nothing */
    uint32_t short_messages; /* of both sides: little works then, and nothing may break */
    uint32_t spurious_runs;  /* of turns for who has nothing to do */
};

struct loop_config {
    uint64_t seed;
    uint32_t vps;
    uint32_t max_version; /* of the host; 0: its default */
    bool threads;
    bool map_twice; /* the guest can map its rings twice */
    uint64_t offer_seed;
    struct loop_knobs knobs;
};

struct loop_vp {
    struct loop *loop;
    struct enlh_vp *vp;
    uint32_t index;
    _Atomic uint64_t pending[4]; /* vectors that were raised */
    atomic_bool kicked;
    _Atomic uint64_t deadline;
    /* threads only */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

struct loop_worker {
    struct loop *loop;
    struct enlh_channel *channel; /* NULL: no worker */
    atomic_bool woken;
    bool stopped; /* the channel has let go */
    /* threads only */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool quit;
};

struct loop {
    struct loop_config config;
    struct loop_rand rand;
    uint8_t *ram; /* the host's view: by guest physical address */
    uint8_t *va;  /* the guest's view: the same pages in another order */
    uint8_t page_used[LOOP_RAM_PAGES]; /* of va */
    _Atomic uint64_t now;
    struct {
        void *at;
        size_t len;
        const void *guest;
    } twice[LOOP_TWICE]; /* what the guest has mapped twice in a row */

    struct enlh_partition *partition;
    struct enlh_vmbus *bus;
    struct loop_vp vp[LOOP_VPS];
    struct loop_worker worker[LOOP_WORKERS];
    atomic_bool loop_woken;
    struct loop_disk *disks; /* a list */
    struct wire *wire;       /* NULL: there is none */
    struct enlg_platform platform;

    /* The guest: what a VP does when it runs, and whether it has a reason to. */
    void (*guest_step)(void *guest, uint32_t vp);
    bool (*guest_wants)(void *guest, uint32_t vp);
    void *guest;

    _Atomic int64_t allocated; /* bytes that the host half holds */
    uint64_t steps;
    uint32_t refused;        /* calls in a row */
    _Atomic uint64_t faults; /* registers that answered with #GP */
    /* threads only */
    pthread_t loop_thread;
    pthread_mutex_t loop_lock;
    pthread_cond_t loop_wake;
    void (*call)(void *ctx); /* for the loop's thread, under loop_lock */
    void *call_ctx;
    pthread_mutex_t main_lock; /* the test waits for something */
    pthread_cond_t main_wake;
    atomic_bool quit;
};

void loop_config_defaults(struct loop_config *config, uint64_t seed);
/* A machine with nothing on its bus. */
void loop_init(struct loop *loop, const struct loop_config *config);
/* Checks that nothing leaked, and that nobody wrote to free pages. */
void loop_fini(struct loop *loop);

/* A turn for somebody. Returns false when nobody has anything to do. */
bool loop_step(struct loop *loop);
/* Turns until done() says so. Fails when nobody runs any more, or after too many turns. */
void loop_run_until(struct loop *loop, bool (*done)(void *ctx), void *ctx,
                    const char *what);
/* Turns until nobody has anything to do. */
void loop_run_idle(struct loop *loop);
/* A machine reset: the guest is gone, its memory zeroed, its pages free. */
void loop_reset(struct loop *loop);

/* threads: start all, and end all. */
void loop_threads_start(struct loop *loop);
void loop_threads_stop(struct loop *loop);
/* Have the loop's thread call fn, and wait until it has. */
void loop_call(struct loop *loop, void (*fn)(void *ctx), void *ctx);
/* Wait until done() says so; it reads atomics only, and is asked after turns of VPs. */
void loop_wait_until(struct loop *loop, bool (*done)(void *ctx), void *ctx);

/* ---- for the guest ---- */

/* Pages of guest memory, zeroed; fails the test when there are none. */
void *loop_pages_get(struct loop *loop, uint32_t count);
void loop_pages_put(struct loop *loop, void *pages, uint32_t count);
/* The second mappings of a guest that is no more. */
void loop_unmap_all(struct loop *loop, const void *guest);
/* Interrupt a VP from another one. */
void loop_ipi(struct loop *loop, uint32_t vp, uint8_t vector);
/* Take the raised vectors of a VP: true when this one was among them. */
bool loop_vector_take(struct loop *loop, uint32_t vp, uint8_t vector);
/* What the guest was compiled against; current VP. */
uint32_t loop_current_vp(void);

/* ---- tests ---- */

struct loop_case {
    const char *name;
    void (*run)(uint64_t seed);
    uint64_t seeds; /* how many, unless --seeds says otherwise */
};
/*
 * --only CASE; --seed SEED: one, in this process; --seeds COUNT: of all cases together;
 * --jobs COUNT: of processes; --progress. TAP on standard output.
 */
int loop_main(int argc, char **argv, const struct loop_case *cases, uint32_t count);
/* Print why, and how to see it again; ends the process. */
_Noreturn void loop_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define loop_check(cond)                                                                 \
    do {                                                                                 \
        if (!(cond))                                                                     \
            loop_fail("%s:%d: %s", __FILE__, __LINE__, #cond);                           \
    } while (0)

#endif
