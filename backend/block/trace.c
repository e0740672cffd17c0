/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/trace.c - a recorded disk, read back: what a power loss leaves of it
 *
 * Run by the replay verb and by tests. A trace is a file like any other and may say
 * anything: each offset and length is checked against the disk's size and the file's.
 * What the rules of a volatile cache allow is in enlight/backend/trace.h; nothing here
 * knows a file system.
 * Tests: test/unit/block_recording.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/block/trace.h"
#include "backend/block/work.h"
#include "enlight/backend/trace.h"

enum { SECTOR = 512, CHUNK = 64 * 1024, BLOCK_MAX = 1 << 20 };
#define NEVER    UINT64_MAX
#define DISK_MAX (UINT64_C(1) << 62)

/* A request: its place in the trace's order, and where its data are. */
struct request {
    struct enlb_trace_event event;
    uint64_t data_at;      /* in the file; 0: it has none */
    uint64_t begun, ended; /* numbers of its two events; ended NEVER: not yet */
    uint64_t done;         /* ended, with success; else NEVER */
};

struct enlb_trace {
    int fd;
    uint64_t disk_size;
    uint32_t block; /* what is never torn */
    struct request *requests;
    uint64_t request_count, request_room;
    struct enlb_trace_event *events;
    uint64_t count, room;
};

/* ---- reading ---- */

/* Returns 1, 0 when the file ends before, or -ENL_E_IO. */
static int
read_whole(int fd, uint64_t at, void *to, size_t len)
{
    uint8_t *p = to;

    while (len > 0) {
        ssize_t n = pread(fd, p, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -ENL_E_IO;
        if (n == 0)
            return 0;
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 1;
}

static int
read_head(struct enlb_trace *trace)
{
    struct enlb_trace_head head;
    int r = read_whole(trace->fd, 0, &head, sizeof(head));

    if (r < 0)
        return r;
    if (r == 0 || head.magic != ENLB_TRACE_MAGIC || head.version != ENLB_TRACE_VERSION ||
        head.disk_size % SECTOR || head.disk_size > DISK_MAX ||
        head.physical_block_size % SECTOR || head.physical_block_size == 0 ||
        head.physical_block_size > BLOCK_MAX)
        return -ENL_E_PROTO;
    trace->disk_size = head.disk_size;
    trace->block = head.physical_block_size;
    return 0;
}

/* Room for one more of both. */
static int
make_room(struct enlb_trace *trace)
{
    if (trace->count == trace->room) {
        uint64_t room = trace->room * 2 + 256;
        void *grown = realloc(trace->events, room * sizeof(*trace->events));

        if (!grown)
            return -ENL_E_NOMEM;
        trace->events = grown;
        trace->room = room;
    }
    if (trace->request_count == trace->request_room) {
        uint64_t room = trace->request_room * 2 + 256;
        void *grown = realloc(trace->requests, room * sizeof(*trace->requests));

        if (!grown)
            return -ENL_E_NOMEM;
        trace->requests = grown;
        trace->request_room = room;
    }
    return 0;
}

static bool
begin_ok(const struct enlb_trace *trace, const struct enlb_trace_record *record)
{
    if (record->number != trace->request_count || record->op > ENLH_BLOCK_ZERO ||
        record->op == ENLH_BLOCK_READ)
        return false;
    return record->len <= trace->disk_size && record->len % SECTOR == 0 &&
           record->offset <= trace->disk_size - record->len &&
           record->offset % SECTOR == 0;
}

static void
take_begin(struct enlb_trace *trace, const struct enlb_trace_record *record, uint64_t at)
{
    struct request *request = &trace->requests[trace->request_count++];

    *request = (struct request){
        .event = {.number = record->number,
                  .op = (enum enlh_block_op)record->op,
                  .fua = record->fua != 0,
                  .offset = record->offset,
                  .len = record->len},
        .begun = trace->count,
        .ended = NEVER,
        .done = NEVER,
    };
    if (record->op == ENLH_BLOCK_WRITE)
        request->data_at = at + sizeof(*record);
    trace->events[trace->count++] = request->event;
}

static int
take_done(struct enlb_trace *trace, const struct enlb_trace_record *record)
{
    struct request *request;

    if (record->number >= trace->request_count)
        return -ENL_E_PROTO;
    request = &trace->requests[record->number];
    if (request->event.done)
        return -ENL_E_PROTO;
    request->event.done = true;
    request->event.result = (int)(int64_t)record->len;
    request->ended = trace->count;
    if (request->event.result == 0)
        request->done = trace->count;
    trace->events[trace->count++] = request->event;
    return 0;
}

/* One event at *at. Returns 1, 0 at the end, or an error. */
static int
take_event(struct enlb_trace *trace, uint64_t *at)
{
    struct enlb_trace_record record;
    uint64_t data = 0;
    uint8_t last;
    int r = read_whole(trace->fd, *at, &record, sizeof(record));

    if (r <= 0 || record.magic == 0)
        return r < 0 ? r : 0;
    if (record.magic != ENLB_TRACE_EVENT_MAGIC)
        return -ENL_E_PROTO;
    r = make_room(trace);
    if (r)
        return r;
    if (record.kind == ENLB_TRACE_DONE) {
        r = take_done(trace, &record);
    } else if (record.kind == ENLB_TRACE_BEGIN && begin_ok(trace, &record)) {
        data = record.op == ENLH_BLOCK_WRITE ? record.len : 0;
        if (data && read_whole(trace->fd, *at + sizeof(record) + data - 1, &last, 1) != 1)
            return 0;
        take_begin(trace, &record, *at);
    } else {
        r = -ENL_E_PROTO;
    }
    if (r)
        return r;
    *at += sizeof(record) + data;
    return 1;
}

int
enlb_trace_open(int fd, struct enlb_trace **out, uint64_t *at)
{
    struct enlb_trace *trace = calloc(1, sizeof(*trace));
    int r;

    *at = 0;
    if (!trace)
        return -ENL_E_NOMEM;
    trace->fd = fd;
    r = read_head(trace);
    if (r == 0) {
        *at = sizeof(struct enlb_trace_head);
        while ((r = take_event(trace, at)) > 0)
            ;
    }
    if (r < 0) {
        enlb_trace_close(trace);
        return r;
    }
    *out = trace;
    return 0;
}

void
enlb_trace_close(struct enlb_trace *trace)
{
    free(trace->events);
    free(trace->requests);
    free(trace);
}

uint64_t
enlb_trace_disk_size(const struct enlb_trace *trace)
{
    return trace->disk_size;
}

uint64_t
enlb_trace_count(const struct enlb_trace *trace)
{
    return trace->count;
}

struct enlb_trace_event
enlb_trace_event(const struct enlb_trace *trace, uint64_t i)
{
    return trace->events[i];
}

/* ---- what is left ---- */

/* The last moment that a flush which is done at this point has covered: its begin. */
static uint64_t
covered_until(const struct enlb_trace *trace, uint64_t point)
{
    uint64_t until = 0;

    for (uint64_t i = 0; i < trace->request_count; i++) {
        const struct request *r = &trace->requests[i];

        if (r->event.op == ENLH_BLOCK_FLUSH && r->done < point && r->begun > until)
            until = r->begun;
    }
    return until;
}

static bool
coin(uint64_t seed, uint64_t request, uint64_t block)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) +
                 request * UINT64_C(0xbf58476d1ce4e5b9) +
                 block * UINT64_C(0x94d049bb133111eb);

    x ^= x >> 31;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return x >> 63;
}

static int
write_whole(int fd, uint64_t at, const uint8_t *from, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, from, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? enlb_work_error(errno) : -ENL_E_IO;
        from += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* The blocks of a write that the seed keeps; data is len bytes at disk_at. */
static int
put_blocks(const struct enlb_trace *trace, uint64_t request, uint64_t seed, int image,
           const uint8_t *data, uint64_t disk_at, size_t len)
{
    int error = 0;

    while (len > 0 && !error) {
        uint64_t left = trace->block - disk_at % trace->block;
        size_t part = left < len ? (size_t)left : len;

        if (coin(seed, request, disk_at / trace->block))
            error = write_whole(image, disk_at, data, part);
        disk_at += part;
        data += part;
        len -= part;
    }
    return error;
}

static int
apply(const struct enlb_trace *trace, const struct request *request, bool safe,
      uint64_t seed, int image)
{
    uint8_t data[CHUNK] = {0};
    int error = 0;

    if (!safe && seed == 0)
        return 0;
    for (uint64_t at = 0; at < request->event.len && !error; at += CHUNK) {
        uint64_t left = request->event.len - at;
        size_t len = left < CHUNK ? (size_t)left : CHUNK;

        if (request->data_at &&
            read_whole(trace->fd, request->data_at + at, data, len) != 1)
            return -ENL_E_IO;
        error = safe ? write_whole(image, request->event.offset + at, data, len)
                     : put_blocks(trace, request->event.number, seed, image, data,
                                  request->event.offset + at, len);
    }
    return error;
}

static int
by_end(const void *a, const void *b)
{
    const struct request *x = *(const struct request *const *)a;
    const struct request *y = *(const struct request *const *)b;

    if (x->ended != y->ended)
        return x->ended < y->ended ? -1 : 1;
    return x->begun < y->begun ? -1 : 1;
}

int
enlb_trace_replay(const struct enlb_trace *trace, uint64_t point, uint64_t seed,
                  int image)
{
    uint64_t until = covered_until(trace, point), count = 0;
    const struct request **order = calloc(trace->request_count + 1, sizeof(*order));
    int error = 0;

    if (!order)
        return -ENL_E_NOMEM;
    for (uint64_t i = 0; i < trace->request_count; i++) {
        const struct request *r = &trace->requests[i];

        if (r->begun < point && r->event.result != -ENL_E_AGAIN)
            order[count++] = r;
    }
    qsort(order, count, sizeof(*order), by_end);
    for (uint64_t i = 0; i < count && !error; i++) {
        const struct request *r = order[i];
        bool safe = r->done < point && (r->done < until || r->event.fua);

        error = apply(trace, r, safe, seed, image);
    }
    free(order);
    return error;
}
