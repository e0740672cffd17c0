/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/bench/inprocess.c - rings, round trips and clock reads, with no machine below
 *
 * Both halves in this process over the fake partition of test/loop, on a channel that a
 * device of ours offers and a driver of ours opens. Each row stands beside its limit,
 * measured in turn with it: the same bytes copied in and out by memcpy, a cache line that
 * two threads hand to and fro, a bare RDTSC. The best of several rounds counts, as other
 * work on the machine only ever makes a round slower.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "enlight/guest/x86_64.h"
#include "test/unit/fence_count.h"
#include "test/loop/guest.h"
#include "test/loop/machine.h"

#define ROUNDS      30u
#define RING_PAGES  129u /* 512 KiB each way, and a header */
#define MESSAGE_MAX 65536u
#define BATCH_BYTES (256u * 1024)
#define TRIPS       2000u
#define READS       200000u

unsigned long fence_count;

static struct {
    struct loop loop;
    struct guest *guest;
    struct enlh_channel *host;
    struct enlg_channel *channel;
    uint64_t taken; /* packets that the device took */
    bool echo;      /* the device answers each packet */
    atomic_bool quit;
} bench;

static uint8_t message[MESSAGE_MAX], buffer[MESSAGE_MAX + 64];
static uint8_t area[(RING_PAGES - 1) * ENL_PAGE_SIZE];

static double
seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- a device and its driver ---- */

static int
device_packet(void *dev, struct enlh_channel *channel, const struct enlh_packet *packet)
{
    (void)dev;
    bench.taken++;
    if (bench.echo)
        return enlh_channel_complete(channel, packet->transaction_id, packet->payload,
                                     packet->payload_len);
    return 0;
}

static const struct enlh_channel_ops device_ops = {
    .size = sizeof(device_ops),
    .max_payload = MESSAGE_MAX,
    .packet = device_packet,
};

static void
channel_event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event event,
              int status)
{
    (void)ctx;
    (void)channel;
    loop_check(event == ENLG_CHANNEL_OPENED && status == 0);
}

static bool
has_offer(void *ctx)
{
    (void)ctx;
    return bench.guest->all_offers;
}

static bool
is_open(void *ctx)
{
    (void)ctx;
    return enlg_channel_is_open(bench.channel);
}

static void
bench_start(void)
{
    struct loop_config config;
    struct guest_config guest;
    struct enlh_offer offer = {.size = sizeof(offer), .name = "bench", .type.b[0] = 1};
    struct enlg_channel_config open = {
        .size = sizeof(open),
        .send_len = RING_PAGES * ENL_PAGE_SIZE,
        .recv_len = RING_PAGES * ENL_PAGE_SIZE,
        .event = channel_event,
    };

    loop_config_defaults(&config, 1);
    config.vps = 1;
    config.map_twice = true;
    guest_config_defaults(&guest);
    guest.open_nothing = true;
    loop_init(&bench.loop, &config);
    loop_check(
        enlh_channel_offer(bench.loop.bus, &offer, &device_ops, NULL, &bench.host) == 0);
#if defined(__x86_64__)
    bench.loop.platform.tsc = enlg_x64_tsc;
#endif
    bench.guest = guest_boot(&bench.loop, &guest);
    loop_run_until(&bench.loop, has_offer, NULL, "the offer");
    bench.channel = enlg_vmbus_channel(&bench.guest->bus, 0);
    loop_current = &bench.loop.vp[0];
    open.ring = loop_pages_get(&bench.loop, 2 * RING_PAGES);
    loop_check(enlg_channel_open(bench.channel, &open) == 0);
    loop_run_until(&bench.loop, is_open, NULL, "the channel open");
    loop_run_idle(&bench.loop);
    loop_current = &bench.loop.vp[0];
    memset(message, 0x5A, sizeof(message));
}

/* ---- one way: a batch is put, shown, and taken ---- */

static void
guest_put(uint32_t len, uint32_t count)
{
    struct enlg_send send = {.payload = message, .payload_len = len};

    for (uint32_t i = 0; i < count; i++)
        loop_check(enlg_packet_put(bench.channel, &send) == 0);
    loop_check(enlg_packet_publish(bench.channel) == 0);
}

static void
host_take(uint32_t len, uint32_t count)
{
    uint64_t end = bench.taken + count;

    (void)len;
    while (bench.taken < end)
        (void)enlh_channel_run(bench.host);
}

static void
host_put(uint32_t len, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        loop_check(enlh_channel_send(bench.host, 0, false, message, len) == 0);
    enlh_channel_publish(bench.host);
}

static void
guest_take(uint32_t len, uint32_t count)
{
    struct enlg_packet packet;

    for (uint32_t i = 0; i < count; i++) {
        loop_check(enlg_packet_get(bench.channel, buffer, sizeof(buffer), &packet) == 1);
        loop_check(packet.payload_len >= len);
    }
    loop_check(enlg_packet_release(bench.channel) == 0);
}

/* The limit: in at the place where the ring would have it, and out. */
static void
copy_in(uint32_t len, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(area + (size_t)i * len, message, len);
        __asm__ volatile("" ::: "memory");
    }
}

static void
copy_out(uint32_t len, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        memcpy(buffer, area + (size_t)i * len, len);
        __asm__ volatile("" ::: "memory");
    }
}

struct way {
    const char *name;
    void (*put)(uint32_t len, uint32_t count);
    void (*take)(uint32_t len, uint32_t count);
};

static const struct way memory = {"memcpy in and out", copy_in, copy_out};
static const struct way ways[] = {
    {"guest to host", guest_put, host_take},
    {"host to guest", host_put, guest_take},
};

/* Seconds for one batch, in a round of some milliseconds. */
static double
batch_time(const struct way *way, uint32_t len, uint32_t count)
{
    const uint32_t batches = 32;
    double began = seconds();

    for (uint32_t i = 0; i < batches; i++) {
        way->put(len, count);
        way->take(len, count);
    }
    return (seconds() - began) / batches;
}

static void
way_row(const struct way *way, uint32_t len)
{
    uint32_t count = BATCH_BYTES / (len + 24 > 64 ? len + 24 : 64);
    double best = 1e9, limit = 1e9, t;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        t = batch_time(way, len, count);
        best = t < best ? t : best;
        t = batch_time(&memory, len, count);
        limit = t < limit ? t : limit;
    }
    printf("%-14s %6u B  %11.0f msg/s  %8.0f MB/s  memcpy %8.0f MB/s  ratio %.2f\n",
           way->name, len, count / best, (double)len * count / best / 1e6,
           (double)len * count / limit / 1e6, limit / best);
}

/* ---- fences ---- */

static unsigned long
fences_of(void (*call)(uint32_t len, uint32_t count), uint32_t count)
{
    unsigned long before = fence_count;

    call(64, count);
    return fence_count - before;
}

static void
fence_row(const struct way *way)
{
    unsigned long put1 = fences_of(way->put, 1), take1 = fences_of(way->take, 1);
    unsigned long put100 = fences_of(way->put, 100), take100 = fences_of(way->take, 100);

    printf("%-14s fences of a batch of 1: put %lu, take %lu; of 100: put %lu, take %lu\n",
           way->name, put1, take1, put100, take100);
}

/* ---- round trip ---- */

static cpu_set_t allowed; /* as the process was started */

/* To the first processor that we may use, or to the second. */
static void
settle(uint32_t which)
{
    cpu_set_t mine;
    uint32_t n = 0;

    CPU_ZERO(&mine);
    for (uint32_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &allowed) && n++ == which)
            CPU_SET(i, &mine);
    }
    (void)sched_setaffinity(0, sizeof(mine), &mine);
}

static void *
worker_main(void *arg)
{
    (void)arg;
    settle(1);
    while (!atomic_load_explicit(&bench.quit, memory_order_relaxed))
        (void)enlh_channel_run(bench.host);
    return NULL;
}

/* A request, and polling until its answer is there. */
static void
trips_make(uint32_t count)
{
    struct enlg_send send = {
        .payload = message, .payload_len = 64, .wants_completion = true};
    struct enlg_packet packet;
    int rc;

    for (uint32_t i = 0; i < count; i++) {
        loop_check(enlg_packet_put(bench.channel, &send) == 0);
        loop_check(enlg_packet_publish(bench.channel) == 0);
        while ((rc = enlg_packet_get(bench.channel, buffer, sizeof(buffer), &packet)) ==
               0)
            ;
        loop_check(rc == 1 && packet.payload_len == 64);
        loop_check(enlg_packet_release(bench.channel) == 0);
    }
}

static struct {
    atomic_uint go __attribute__((aligned(64)));
    atomic_uint come __attribute__((aligned(64)));
} line;

static void *
line_main(void *arg)
{
    uint32_t seen = 0, now;

    (void)arg;
    settle(1);
    while ((now = atomic_load_explicit(&line.go, memory_order_acquire)) != UINT32_MAX) {
        if (now != seen)
            atomic_store_explicit(&line.come, seen = now, memory_order_release);
    }
    return NULL;
}

static void
lines_bounce(uint32_t count)
{
    for (uint32_t i = 1; i <= count; i++) {
        atomic_store_explicit(&line.go, i, memory_order_release);
        while (atomic_load_explicit(&line.come, memory_order_acquire) != i)
            ;
    }
    atomic_store(&line.go, 0);
    while (atomic_load(&line.come) != 0)
        ;
}

/* The best seconds of a call, while a thread of its own answers. */
static double
duet(void *(*other)(void *), void (*call)(uint32_t count))
{
    double best = 1e9;
    pthread_t thread;

    atomic_store(&bench.quit, false);
    atomic_store(&line.go, 0);
    loop_check(pthread_create(&thread, NULL, other, NULL) == 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double began = seconds();

        call(TRIPS);
        began = (seconds() - began) / TRIPS;
        best = began < best ? began : best;
    }
    atomic_store(&bench.quit, true);
    atomic_store(&line.go, UINT32_MAX);
    pthread_join(thread, NULL);
    return best;
}

static void
trip_row(void)
{
    double trip, bounce;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || CPU_COUNT(&allowed) < 2) {
        printf("round trip         needs two processors\n");
        return;
    }
    settle(0);
    bench.echo = true;
    enlg_packet_mask(bench.channel); /* who polls needs no interrupt */
    bounce = duet(line_main, lines_bounce);
    trip = duet(worker_main, trips_make);
    bench.echo = false;
    printf("round trip         %7.0f ns             a cache line to and fro %4.0f ns     "
           "ratio %.1f\n",
           trip * 1e9, bounce * 1e9, trip / bounce);
}

/* ---- the clock ---- */

#if defined(__x86_64__)
static uint64_t
tsc_bare(void)
{
    return __rdtsc();
}

/* As any kernel reads it that must not see it go backwards on another processor. */
static uint64_t
tsc_ordered(void)
{
    _mm_lfence();
    return __rdtsc();
}

static uint64_t
clock_read(void)
{
    return enlg_clock_read(&bench.guest->clock);
}

static inline __attribute__((always_inline)) void
reads_time(uint64_t (*read)(void), double *best)
{
    uint64_t sum = 0;
    double began = seconds(), took;

    for (uint32_t i = 0; i < READS; i++)
        sum += read();
    __asm__ volatile("" ::"r"(sum));
    took = (seconds() - began) / READS;
    *best = took < *best ? took : *best;
}

static void
clock_row(void)
{
    double clock = 1e9, bare = 1e9, ordered = 1e9;

    loop_check(enlg_clock_is_fast(&bench.guest->clock));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        reads_time(clock_read, &clock);
        reads_time(tsc_bare, &bare);
        reads_time(tsc_ordered, &ordered);
    }
    printf("clock read         %7.1f ns             RDTSC %22.1f ns     ratio %.2f\n",
           clock * 1e9, bare * 1e9, clock / bare);
    printf(
        "                                      LFENCE; RDTSC %14.1f ns     ratio %.2f\n",
        ordered * 1e9, clock / ordered);
}
#else
static void
clock_row(void)
{
}
#endif

int
main(void)
{
    static const uint32_t lengths[] = {16, 256, 4096, 65536};

    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_start();
    for (uint32_t w = 0; w < 2; w++) {
        for (uint32_t i = 0; i < 4; i++)
            way_row(&ways[w], lengths[i]);
        fence_row(&ways[w]);
    }
    trip_row();
    clock_row();
    return 0;
}
