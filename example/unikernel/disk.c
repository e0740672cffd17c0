/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * disk.c - the first disk of the first controller: written, flushed, read back; and moved
 *
 * One processor at a time is the worker, which sends requests and takes the answers. The
 * host interrupts the processor that the channel is for, and that one wakes the worker:
 * so the channel can move to another processor while requests are in flight.
 *
 * The end of the disk is written only with disk=scratch on the command line.
 */
#include <enlight/guest/place.h>
#include <enlight/guest/storage.h>
#include <string.h>

#include "unikernel.h"

#define QUEUE          8u
#define CHUNK          32768u
#define CHUNKS         64u
#define RING_LEN       32768u
#define LOAD_PASSES    200u
#define SIGNALS_SEEN   5u
#define CAPACITY_TRIES 5u
#define PATIENCE_US    10000000u /* a disk may take longer, and be right */

struct request {
    struct enlg_storage_io io;
    bool is_busy, is_read;
    uint32_t chunk;
    uint8_t data[CHUNK] __attribute__((aligned(4096)));
};

static struct {
    struct enlg_storage storage;
    struct enlg_channel *channel;
    struct enlg_request_slot slots[QUEUE];
    uint64_t pfns[CHUNK / PAGE + 1];
    volatile bool is_ready, is_stopped;
    volatile uint32_t worker;            /* the processor */
    volatile uint32_t signals[CPUS_MAX]; /* of the host, by processor */
    uint64_t first_lba;                  /* of the scratch area */
    uint32_t chunk_blocks;
    uint32_t sums[CHUNKS];
    volatile uint32_t done, errors;
    volatile bool stop_load;
    volatile int load_rc;
} disk;

static struct request requests[QUEUE];
static uint8_t ring[2 * RING_LEN] __attribute__((aligned(4096)));

/* ---- the library calls ---- */

static void
disk_event(void *ctx, struct enlg_storage *storage, enum enlg_storage_event event)
{
    (void)ctx;
    (void)storage;
    if (event == ENLG_STORAGE_READY)
        disk.is_ready = true;
    if (event == ENLG_STORAGE_STOPPED)
        disk.is_stopped = true;
}

static void
disk_signal(void *ctx)
{
    (void)ctx;
    disk.signals[cpu_this()->index]++;
    cpus_wake(disk.worker);
}

/* FNV-1a. */
static uint32_t
checksum(const uint8_t *data)
{
    uint32_t sum = 2166136261u;

    for (uint32_t i = 0; i < CHUNK; i += 4) {
        uint32_t word;

        memcpy(&word, data + i, sizeof(word));
        sum = (sum ^ word) * 16777619u;
    }
    return sum;
}

static void
disk_done(void *ctx, struct enlg_storage_io *io)
{
    struct request *r = ctx;

    if (io->result || io->moved != io->data_len)
        disk.errors++;
    else if (r->is_read && checksum(r->data) != disk.sums[r->chunk])
        disk.errors++;
    r->is_busy = false;
    disk.done++;
}

/* Disks are fast devices: the library spreads them over the processors. */
static uint32_t
place(const struct enlg_channel *channel)
{
    uint32_t vps[CPUS_MAX];

    for (uint32_t i = 0; i < cpu_count; i++)
        vps[i] = enlg_synic_vp(&synics[i]);
    return enlg_place_pick(channel, vps, cpu_count);
}

int
disk_probe(void *ctx, struct enlg_channel *channel)
{
    struct enlg_storage_config config = {
        .size = sizeof(config),
        .ring = ring,
        .send_len = RING_LEN,
        .recv_len = RING_LEN,
        .vp = place(channel),
        .slots = disk.slots,
        .slot_count = QUEUE,
        .pfns = disk.pfns,
        .pfn_count = CHUNK / PAGE + 1,
        .event = disk_event,
        .signal = disk_signal,
    };
    int rc;

    (void)ctx;
    if (disk.channel) /* one is enough here */
        return -ENL_E_BUSY;
    rc = enlg_storage_start(&disk.storage, channel, &config);
    if (!rc)
        disk.channel = channel;
    return rc;
}

/* ---- the worker ---- */

/* Take answers; sleep when there are none. The boot processor has the bus to look after. */
static int
take_answers(uint64_t deadline_us)
{
    int rc = enlg_storage_poll(&disk.storage);

    if (rc == 0 && time_us() > deadline_us)
        return -ENL_E_TIMEDOUT;

    if (rc == 0 && cpu_this()->index == 0)
        bus_step();
    else if (rc == 0)
        cpus_rest();
    return rc < 0 ? rc : 0;
}

/* One request from its start to its end. Returns its result. */
static int
request_run(struct request *r)
{
    uint64_t deadline = time_us() + PATIENCE_US;
    int rc;

    r->io.done = disk_done;
    r->io.ctx = r;
    r->is_busy = true;
    rc = enlg_storage_submit(&disk.storage, &r->io);
    while (!rc && r->is_busy)
        rc = take_answers(deadline);
    return rc ? rc : r->io.result;
}

static int
chunk_start(struct request *r, uint32_t chunk, bool is_read)
{
    uint64_t lba = disk.first_lba + (uint64_t)chunk * disk.chunk_blocks;

    r->io.done = disk_done;
    r->io.ctx = r;
    r->is_read = is_read;
    r->chunk = chunk;
    if (is_read) {
        memset(r->data, 0, CHUNK);
        enlg_storage_read(&r->io, lba, disk.chunk_blocks, r->data, CHUNK);
    } else {
        memset(r->data, (int)(chunk * 7 + 1), CHUNK);
        memcpy(r->data, &chunk, sizeof(chunk));
        disk.sums[chunk] = checksum(r->data);
        enlg_storage_write(&r->io, lba, disk.chunk_blocks, r->data, CHUNK);
    }
    r->is_busy = true;
    return enlg_storage_submit(&disk.storage, &r->io);
}

static int
fill_queue(uint32_t *next, bool is_read)
{
    int rc = 0;

    for (uint32_t i = 0; i < QUEUE && *next < CHUNKS && !rc; i++) {
        if (!requests[i].is_busy)
            rc = chunk_start(&requests[i], (*next)++, is_read);
    }
    return rc ? rc : enlg_storage_kick(&disk.storage);
}

/* The whole scratch area once, QUEUE requests in flight. Returns 0 or a failure. */
static int
pass(bool is_read)
{
    uint64_t deadline = time_us() + PATIENCE_US;
    uint32_t next = 0, before = disk.done;
    int rc = 0;

    while (!rc && disk.done - before < CHUNKS) {
        rc = fill_queue(&next, is_read);
        if (!rc)
            rc = take_answers(deadline);
    }
    return rc;
}

static void
load(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < LOAD_PASSES && !disk.load_rc && !disk.stop_load; i++)
        disk.load_rc = pass(true);
}

/* ---- the report ---- */

/* The first answers of a disk may be that it is new. */
static int
find_size(uint64_t *block_count, uint32_t *block_size)
{
    struct request *r = &requests[0];
    int rc = -ENL_E_BUSY;

    for (uint32_t i = 0; i < CAPACITY_TRIES && rc == -ENL_E_BUSY; i++) {
        enlg_storage_capacity(&r->io, r->data);
        r->is_read = false;
        rc = request_run(r);
    }
    disk.errors = 0;
    return rc ? rc : enlg_storage_capacity_parse(&r->io, block_count, block_size);
}

static void
check_contents(void)
{
    int rc = pass(false);

    if (!rc) {
        enlg_storage_flush(&requests[0].io);
        requests[0].is_read = false;
        rc = request_run(&requests[0]);
    }
    if (!rc)
        rc = pass(true);
    if (!rc && disk.errors)
        rc = -ENL_E_IO;
    report_rc(rc, "U10", "%u KiB written, flushed, read back: %u errors",
              CHUNKS * CHUNK / 1024, disk.errors);
}

/* From the answer on, the host interrupts this processor. */
static int
move_to(uint32_t cpu)
{
    uint32_t vp = enlg_synic_vp(&synics[cpu]), before = disk.signals[cpu];
    int rc = enlg_channel_move(disk.channel, vp);

    if (!rc && !BUS_UNTIL(enlg_channel_vp(disk.channel) == vp))
        rc = -ENL_E_TIMEDOUT;
    if (!rc && !BUS_UNTIL(disk.signals[cpu] - before >= SIGNALS_SEEN))
        rc = -ENL_E_IO;
    return rc;
}

/* As before a processor goes offline: no channel may interrupt it. */
static int
move_away_from(uint32_t cpu)
{
    struct enlg_vmbus *bus = enlg_channel_bus(disk.channel);
    uint32_t vp = enlg_synic_vp(&synics[cpu]), rest = enlg_synic_vp(&synics[0]);
    int left = 1;

    (void)BUS_UNTIL((left = enlg_place_evacuate(bus, vp, &rest, 1)) <= 0);
    return left == 0 && enlg_vmbus_uses_vp(bus, vp) ? -ENL_E_BUSY : left;
}

static void
check_move(void)
{
    uint32_t before = disk.done, other = cpu_count - 1;
    int move_rc, away_rc;

    if (cpu_count == 1) {
        report_skip("R27", "a move under load", "one processor");
        report_skip("P09", "a processor without channels", "one processor");
        return;
    }
    disk.worker = other;
    if (!smp_begin(other, load, NULL))
        disk.load_rc = -ENL_E_BUSY;
    (void)BUS_UNTIL(disk.done != before);
    move_rc = move_to(other);
    away_rc = move_away_from(other);
    disk.stop_load = true;
    if (!smp_end(other))
        disk.load_rc = -ENL_E_TIMEDOUT;
    disk.worker = 0;
    if (!move_rc)
        move_rc = disk.errors ? -ENL_E_IO : disk.load_rc;
    report_rc(move_rc, "R27", "moved to processor %u under %u reads: %u errors", other,
              disk.done - before, disk.errors);
    report_rc(away_rc, "P09", "no channel is left on processor %u", other);
}

static void
skip_disk(const char *reason)
{
    report_skip("DS01", "a disk", reason);
    report_skip("U10", "the disk's contents", reason);
    report_skip("R27", "a move under load", reason);
    report_skip("P09", "a processor without channels", reason);
}

void
disk_check(void)
{
    uint64_t blocks = 0;
    uint32_t size = 0;
    int rc = 0;

    if (!disk.channel) {
        skip_disk("the host offers no controller");
        return;
    }
    if (!BUS_UNTIL((rc = enlg_storage_poll(&disk.storage)) < 0 || disk.is_ready))
        rc = -ENL_E_TIMEDOUT;
    if (rc >= 0)
        rc = find_size(&blocks, &size);
    if (rc == -ENL_E_NODEV) {
        skip_disk("the controller has no disk");
        return;
    }
    report_rc(rc, "DS01", "a disk of %lu blocks of %u bytes, protocol %u.%u",
              (unsigned long)blocks, size, enlg_storage_version(&disk.storage) >> 8,
              enlg_storage_version(&disk.storage) & 0xFF);
    if (rc)
        return;
    if (!option_is("disk", "scratch") || size > CHUNK || blocks * size < CHUNKS * CHUNK) {
        report_skip("U10", "the disk's contents", "no disk=scratch, or a small disk");
        return;
    }
    disk.chunk_blocks = CHUNK / size;
    disk.first_lba = blocks - CHUNKS * disk.chunk_blocks;
    check_contents();
    check_move();
}

void
disk_status(struct text *to)
{
    if (disk.channel)
        text_add(to, "disk: %u requests done, %u errors\n", disk.done, disk.errors);
}

void
disk_stop(void)
{
    int rc;

    if (!disk.channel)
        return;
    rc = enlg_storage_stop(&disk.storage);
    if (!rc && !BUS_UNTIL(disk.is_stopped))
        rc = -ENL_E_TIMEDOUT;
    report_rc(rc, "V28", "the disk is closed");
}
