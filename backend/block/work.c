/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/work.c - a request, taken apart into system calls
 *
 * Checks a request, says what its next system call is, and takes the result. Runs on the
 * thread of a channel (and of the pool) for each request that a disk device makes; the
 * guest chose offset, length and buffers, and the device has checked them against the
 * disk, which is done here once more. Spans are trusted to be the partition's own, as
 * enlh_mem_span() made them; the bytes in them may change at any time, and nothing here
 * looks at them.
 * A step never covers more than ENLB_IOV_MAX buffers, one bounce buffer or 1 MiB of
 * written zeros, so that each is bounded. [Linux: readv(2), fallocate(2), io_uring(7)]
 * Tests: test/unit/block_engines.c, block_errors.c, block_direct.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/block/work.h"

enum {
    ZEROS_LEN = 64 * 1024,
    ZEROS_IOV = 16,
    RETRIES_MAX = 16,
};

static const uint8_t zeros[ZEROS_LEN] __attribute__((aligned(4096)));

/* ---- queues and slots ---- */

int
enlb_work_queue_init(struct enlh_block_queue *queue, struct enlb_file *file,
                     const struct enlh_partition *partition, uint32_t depth,
                     const struct enlh_wake *wake)
{
    struct enlb_work *slots = calloc(depth, sizeof(*slots));

    if (!slots)
        return -ENL_E_NOMEM;
    queue->file = file;
    queue->partition = partition;
    queue->wake = *wake;
    queue->depth = depth;
    queue->slots = slots;
    queue->free = NULL;
    for (uint32_t i = depth; i-- > 0;) {
        slots[i].queue = queue;
        slots[i].next = queue->free;
        queue->free = &slots[i];
    }
    return 0;
}

void
enlb_work_queue_fini(struct enlh_block_queue *queue)
{
    free(queue->slots);
    queue->slots = NULL;
    queue->free = NULL;
}

void
enlb_work_wake(const struct enlh_wake *wake)
{
    static const uint64_t one = 1;
    ssize_t n;

    if (wake->fd < 0) {
        wake->fn(wake->ctx);
        return;
    }
    do
        n = write(wake->fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so the sleeper is awake anyway. */
}

/* ---- checks ---- */

static bool
spans_sum(const struct enlh_block_request *request)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < request->span_count; i++) {
        if (request->spans[i].len == 0 ||
            __builtin_add_overflow(sum, request->spans[i].len, &sum))
            return false;
    }
    return sum == request->len;
}

int
enlb_work_check(const struct enlh_block_info *info,
                const struct enlh_block_request *request)
{
    uint64_t size = __atomic_load_n(&info->size, __ATOMIC_ACQUIRE);

    if (request->op > ENLH_BLOCK_ZERO)
        return -ENL_E_INVAL;
    if (request->op == ENLH_BLOCK_FLUSH)
        return 0;
    if (request->offset % info->block_size || request->len % info->block_size)
        return -ENL_E_INVAL;
    if (request->len > size || request->offset > size - request->len)
        return -ENL_E_INVAL;
    if (request->op != ENLH_BLOCK_READ && info->readonly)
        return -ENL_E_ROFS;
    if (request->op != ENLH_BLOCK_READ && request->op != ENLH_BLOCK_WRITE)
        return 0;
    return spans_sum(request) ? 0 : -ENL_E_INVAL;
}

/*
 * Direct I/O takes an address that the device can use, and whole blocks. Whole blocks in
 * each span, so that a step may end behind any of them.
 */
static bool
needs_bounce(const struct enlh_block_queue *queue,
             const struct enlh_block_request *request)
{
    const struct enlb_file *file = queue->file;

    if (!file->memory_align)
        return false;
    if (request->op != ENLH_BLOCK_READ && request->op != ENLH_BLOCK_WRITE)
        return false;
    for (uint32_t i = 0; i < request->span_count; i++) {
        const void *host = enlh_mem_span_host(queue->partition, &request->spans[i]);

        if ((uintptr_t)host % file->memory_align)
            return true;
        if (request->spans[i].len % file->info.block_size)
            return true;
    }
    return false;
}

/* Its success says that what is on the disk stays there. */
static bool
is_promise(const struct enlh_block_request *request)
{
    bool writes = request->op == ENLH_BLOCK_WRITE || request->op == ENLH_BLOCK_ZERO;

    return request->op == ENLH_BLOCK_FLUSH || (writes && request->fua);
}

static int
sync_error(const struct enlb_work *work)
{
    return is_promise(work->request) ? atomic_load(&work->queue->file->sync_error) : 0;
}

struct enlb_work *
enlb_work_take(struct enlh_block_queue *queue, struct enlh_block_request *request)
{
    struct enlb_work *work = queue->free;

    if (!work)
        return NULL;
    queue->free = work->next;
    *work = (struct enlb_work){.queue = queue, .request = request};
    work->result = enlb_work_check(&queue->file->info, request);
    if (work->result == 0)
        work->result = sync_error(work);
    if (work->result == 0)
        work->bounced = needs_bounce(queue, request);
    return work;
}

void
enlb_work_finish(struct enlb_work *work)
{
    struct enlh_block_queue *queue = work->queue;
    struct enlh_block_request *request = work->request;
    int result = work->result;

    work->request = NULL;
    work->next = queue->free;
    queue->free = work;
    request->done(request, result);
}

bool
enlb_work_is_over(const struct enlb_work *work)
{
    const struct enlh_block_request *request = work->request;

    return work->result != 0 || (request->op != ENLH_BLOCK_FLUSH && request->len == 0);
}

/* ---- steps ---- */

/* iovecs of what is left of the spans. Returns how many. */
static uint32_t
map_spans(const struct enlb_work *work, struct iovec *iov, uint32_t iov_max)
{
    const struct enlh_block_request *request = work->request;
    uint64_t skip = work->span_at;
    uint32_t n = 0;

    for (uint32_t i = work->span; i < request->span_count && n < iov_max; i++, n++) {
        uint8_t *host = enlh_mem_span_host(work->queue->partition, &request->spans[i]);

        iov[n].iov_base = host + skip;
        iov[n].iov_len = request->spans[i].len - skip;
        skip = 0;
    }
    return n;
}

/* Step over n bytes of the spans; with copy, move them from or to the bounce buffer. */
static void
advance(struct enlb_work *work, uint64_t n, bool copy)
{
    const struct enlh_block_request *request = work->request;
    uint8_t *bounce = work->bounce;

    work->progress += n;
    while (n > 0) {
        const struct enlh_span *span = &request->spans[work->span];
        uint64_t left = span->len - work->span_at;
        uint64_t part = n < left ? n : left;
        uint8_t *host = enlh_mem_span_host(work->queue->partition, span);

        if (copy && request->op == ENLH_BLOCK_READ)
            memcpy(host + work->span_at, bounce, part);
        else if (copy)
            memcpy(bounce, host + work->span_at, part);
        if (copy)
            bounce += part;
        n -= part;
        work->span_at += part;
        if (work->span_at == span->len) {
            work->span++;
            work->span_at = 0;
        }
    }
}

/* A write's bytes go into the bounce buffer; the cursor moves when they are on the disk. */
static uint32_t
map_bounce(struct enlb_work *work, struct iovec *iov)
{
    uint64_t left = work->request->len - work->progress;
    struct enlb_work here = *work;

    iov->iov_base = work->bounce;
    iov->iov_len = left < ENLB_BOUNCE_LEN ? left : ENLB_BOUNCE_LEN;
    if (work->request->op == ENLH_BLOCK_WRITE)
        advance(&here, iov->iov_len, true);
    return 1;
}

static void
step_transfer(struct enlb_work *work, struct iovec *iov, uint32_t iov_max,
              struct enlb_step *step)
{
    bool writes = work->request->op == ENLH_BLOCK_WRITE;

    step->kind = writes ? ENLB_STEP_WRITE : ENLB_STEP_READ;
    step->flags = writes && work->request->fua ? RWF_DSYNC : 0;
    step->iov_count =
        work->bounced ? map_bounce(work, iov) : map_spans(work, iov, iov_max);
}

static uint32_t
map_zeros(uint64_t left, struct iovec *iov, uint32_t iov_max)
{
    uint32_t n = 0;

    while (left > 0 && n < iov_max && n < ZEROS_IOV) {
        iov[n].iov_base = (void *)(uintptr_t)zeros;
        iov[n].iov_len = left < ZEROS_LEN ? left : ZEROS_LEN;
        left -= iov[n].iov_len;
        n++;
    }
    return n;
}

static void
step_zero(struct enlb_work *work, struct iovec *iov, uint32_t iov_max,
          struct enlb_step *step)
{
    uint64_t left = work->request->len - work->progress;
    int way = atomic_load_explicit(&work->queue->file->zero_way, memory_order_relaxed);

    /* Once begun with writing, it stays with writing. */
    if (way == ENLB_ZERO_WRITE || work->progress > 0) {
        step->kind = ENLB_STEP_WRITE;
        step->flags = 0;
        step->iov_count = map_zeros(left, iov, iov_max);
        return;
    }
    work->zero_way = way;
    step->kind = ENLB_STEP_ALLOCATE;
    step->flags = way == ENLB_ZERO_RANGE ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
    step->flags |= FALLOC_FL_KEEP_SIZE;
    step->len = left;
}

void
enlb_work_step(struct enlb_work *work, struct iovec *iov, uint32_t iov_max,
               struct enlb_step *step)
{
    const struct enlh_block_request *request = work->request;

    *step = (struct enlb_step){.offset = request->offset + work->progress};
    if (work->syncing || request->op == ENLH_BLOCK_FLUSH) {
        step->kind = ENLB_STEP_SYNC;
    } else if (request->op == ENLH_BLOCK_DISCARD) {
        step->kind = ENLB_STEP_ALLOCATE;
        step->flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        step->len = request->len;
    } else if (request->op == ENLH_BLOCK_ZERO) {
        step_zero(work, iov, iov_max, step);
    } else {
        step_transfer(work, iov, iov_max, step);
    }
    work->kind = step->kind;
}

/* ---- results ---- */

int
enlb_work_error(int number)
{
    switch (number) {
    case 0:
        return 0;
    case ENOSPC:
    case EDQUOT:
        return -ENL_E_NOSPC;
    case EROFS:
        return -ENL_E_ROFS;
    case ECANCELED:
        return -ENL_E_CANCELED;
    default:
        return -ENL_E_IO;
    }
}

static bool
finish(struct enlb_work *work, int result)
{
    work->result = result;
    return true;
}

/*
 * All bytes are done; zeros have no RWF_DSYNC of their own. A sync beside a failed one is
 * told of success by the kernel, since only one is told of the failure.
 */
static bool
done(struct enlb_work *work)
{
    if (work->request->op == ENLH_BLOCK_ZERO && work->request->fua && !work->syncing) {
        work->syncing = true;
        return false;
    }
    return finish(work, sync_error(work));
}

/*
 * Linux tells of lost pages once, takes them for clean, and syncs without an error from
 * then on: the disk must remember it, until it is made anew. Pages are lost for want of
 * space, too. Direct I/O is no exception: what was in the device's cache may be as lost.
 * [Linux: fsync(2), Documentation/filesystems/vfs.rst, "Handling errors during writeback"]
 */
static void
remember(struct enlb_work *work, int error)
{
    const struct enlh_block_request *request = work->request;
    int none = 0;

    /* A forced write is written and synced in one step: which of them failed, is not told. */
    if (work->kind == ENLB_STEP_SYNC || (request->op == ENLH_BLOCK_WRITE && request->fua))
        atomic_compare_exchange_strong(&work->queue->file->sync_error, &none, error);
}

/* The file cannot do that: leave a discard, look for another way to write zeros. */
static bool
unsupported(struct enlb_work *work)
{
    int way = work->zero_way;

    if (work->request->op == ENLH_BLOCK_DISCARD)
        return finish(work, 0);
    /* When this exchange fails, another work has found out already. */
    atomic_compare_exchange_strong(&work->queue->file->zero_way, &way, way + 1);
    return false;
}

static bool
failed(struct enlb_work *work, int number)
{
    if ((number == EINTR || number == EAGAIN) && work->retries++ < RETRIES_MAX)
        return false;
    if (work->kind == ENLB_STEP_ALLOCATE &&
        (number == EOPNOTSUPP || number == ENOSYS || number == ENODEV))
        return unsupported(work);
    remember(work, enlb_work_error(number));
    return finish(work, enlb_work_error(number));
}

/* Part of the bytes, or all of them. Nothing at all: the file has shrunk under us. */
static bool
transferred(struct enlb_work *work, uint64_t n)
{
    struct enlb_file *file = work->queue->file;
    uint64_t left = work->request->len - work->progress;

    if (file->memory_align)
        n -= n % file->info.block_size;
    if (n == 0 || n > left)
        return finish(work, -ENL_E_IO);
    work->retries = 0;
    if (work->request->op == ENLH_BLOCK_ZERO)
        work->progress += n;
    else
        advance(work, n, work->bounced && work->request->op == ENLH_BLOCK_READ);
    return n == left ? done(work) : false;
}

bool
enlb_work_result(struct enlb_work *work, int64_t got)
{
    if (got < 0)
        return failed(work, (int)-got);
    if (work->kind == ENLB_STEP_READ || work->kind == ENLB_STEP_WRITE)
        return transferred(work, (uint64_t)got);
    return done(work);
}
