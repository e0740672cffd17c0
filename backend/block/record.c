/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/record.c - a disk that writes down what happens to another
 *
 * Runs on the threads of channels, between a disk device and the disk that does the work.
 * Each write, flush, discard and zeroing is noted in the trace before the other disk hears
 * of it, and once more when it is done; so at each moment the trace knows at least what the
 * disk may hold, and promises no more than the guest was promised. All queues of a disk
 * share the trace and its lock. When the trace cannot be written any more the guest's
 * writes fail: a trace with a gap would prove nothing. Trusts the partition's spans, and
 * the other disk to call done() once.
 * Tests: test/unit/block_recording.c, test/os (DS09).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/block/trace.h"
#include "backend/block/work.h"

struct record {
    struct enlh_block inner;
    void (*release)(struct enlh_block *inner); /* (optional) */
    int fd;
    pthread_mutex_t lock; /* of what follows */
    uint64_t at;          /* where the next event goes */
    uint64_t requests;
    int error; /* the first one; nothing is written behind it */
};

/* A request on its way through the other disk. */
struct passage {
    struct enlh_block_request inner; /* first: done() finds the rest by it */
    struct enlh_block_request *outer;
    struct record_queue *queue;
    struct passage *next; /* free, or failed */
    uint64_t number;
    bool noted;
    int result; /* of a failed one */
};

struct record_queue {
    struct record *record;
    const struct enlh_partition *partition;
    struct enlh_block_queue *inner;
    struct enlh_wake wake;
    struct passage *passages, *free;
    struct passage *failed; /* told in the next reap */
};

static struct record_queue *
of(struct enlh_block_queue *queue)
{
    return (struct record_queue *)(void *)queue;
}

/* ---- the trace ---- */

/* At *at, which moves on. The lock is held. After an error nothing is written. */
static void
put(struct record *record, uint64_t *at, const void *data, size_t len)
{
    const uint8_t *from = data;

    while (!record->error && len > 0) {
        ssize_t n = pwrite(record->fd, from, len, (off_t)*at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            record->error = n < 0 ? enlb_work_error(errno) : -ENL_E_NOSPC;
            return;
        }
        from += n;
        len -= (size_t)n;
        *at += (uint64_t)n;
    }
}

/*
 * The data first: an event is there as soon as its head is. Returns 0, or the trace's
 * error: the request must not be carried out.
 */
static int
note_begin(struct passage *passage)
{
    const struct record_queue *queue = passage->queue;
    const struct enlh_block_request *request = passage->outer;
    struct record *record = queue->record;
    struct enlb_trace_record event = {
        .magic = ENLB_TRACE_EVENT_MAGIC,
        .kind = ENLB_TRACE_BEGIN,
        .op = (uint8_t)request->op,
        .fua = request->fua,
        .offset = request->offset,
        .len = request->op == ENLH_BLOCK_FLUSH ? 0 : request->len,
    };
    uint64_t head_at, at;
    int error;

    pthread_mutex_lock(&record->lock);
    event.number = passage->number = record->requests++;
    head_at = record->at;
    at = head_at + sizeof(event);
    for (uint32_t i = 0; request->op == ENLH_BLOCK_WRITE && i < request->span_count; i++)
        put(record, &at, enlh_mem_span_host(queue->partition, &request->spans[i]),
            request->spans[i].len);
    put(record, &head_at, &event, sizeof(event));
    record->at = at;
    error = record->error;
    pthread_mutex_unlock(&record->lock);
    return error;
}

static void
note_done(const struct passage *passage, int result)
{
    struct record *record = passage->queue->record;
    const struct enlb_trace_record event = {
        .magic = ENLB_TRACE_EVENT_MAGIC,
        .kind = ENLB_TRACE_DONE,
        .number = passage->number,
        .len = (uint64_t)(int64_t)result,
    };

    pthread_mutex_lock(&record->lock);
    put(record, &record->at, &event, sizeof(event));
    pthread_mutex_unlock(&record->lock);
}

/* ---- requests ---- */

static void
finish(struct passage *passage, int result)
{
    struct enlh_block_request *outer = passage->outer;

    passage->next = passage->queue->free;
    passage->queue->free = passage;
    outer->done(outer, result);
}

static void
passage_done(struct enlh_block_request *inner, int result)
{
    struct passage *passage = (struct passage *)inner;

    if (passage->noted)
        note_done(passage, result);
    finish(passage, result);
}

static int
record_submit(struct enlh_block_queue *base, struct enlh_block_request *request)
{
    struct record_queue *queue = of(base);
    const struct enlh_block_ops *ops = queue->record->inner.ops;
    struct passage *passage = queue->free;
    int error = 0;

    if (!passage)
        return -ENL_E_AGAIN;
    queue->free = passage->next;
    passage->inner = *request;
    passage->inner.done = passage_done;
    passage->outer = request;
    /* What the disk refuses changes nothing there, and has no place in a trace. */
    passage->noted = request->op != ENLH_BLOCK_READ;
    if (passage->noted)
        error = note_begin(passage);
    if (error) {
        passage->result = error;
        passage->next = queue->failed;
        queue->failed = passage;
        return 0;
    }
    error = ops->submit(queue->inner, &passage->inner);
    if (!error)
        return 0;
    if (passage->noted)
        note_done(passage, error);
    passage->next = queue->free;
    queue->free = passage;
    return error;
}

static void
record_kick(struct enlh_block_queue *base)
{
    struct record_queue *queue = of(base);

    queue->record->inner.ops->kick(queue->inner);
    if (queue->failed)
        enlb_work_wake(&queue->wake);
}

static uint32_t
record_reap(struct enlh_block_queue *base)
{
    struct record_queue *queue = of(base);
    struct passage *failed = queue->failed;
    uint32_t count = queue->record->inner.ops->reap(queue->inner);

    /* done() may submit again: what fails then is for the next reap. */
    queue->failed = NULL;
    while (failed) {
        struct passage *next = failed->next;

        finish(failed, failed->result);
        failed = next;
        count++;
    }
    return count;
}

/* ---- queues ---- */

static void
record_info(void *backend, struct enlh_block_info *out)
{
    const struct record *record = backend;

    record->inner.ops->info(record->inner.backend, out);
    out->volatile_cache = !out->readonly;
}

static int
record_queue_open(void *backend, const struct enlh_partition *partition, uint32_t depth,
                  const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct record *record = backend;
    struct record_queue *queue = calloc(1, sizeof(*queue));
    struct passage *passages = calloc(depth, sizeof(*passages));
    int error = -ENL_E_NOMEM;

    if (queue && passages)
        error = record->inner.ops->queue_open(record->inner.backend, partition, depth,
                                              wake, &queue->inner);
    if (error) {
        free(passages);
        free(queue);
        return error;
    }
    queue->record = record;
    queue->partition = partition;
    queue->wake = *wake;
    queue->passages = passages;
    for (uint32_t i = depth; i-- > 0;) {
        passages[i].queue = queue;
        passages[i].next = queue->free;
        queue->free = &passages[i];
    }
    *out = (struct enlh_block_queue *)(void *)queue;
    return 0;
}

static void
record_queue_close(void *backend, struct enlh_block_queue *base)
{
    struct record *record = backend;
    struct record_queue *queue = of(base);

    record->inner.ops->queue_close(record->inner.backend, queue->inner);
    free(queue->passages);
    free(queue);
}

static const struct enlh_block_ops record_ops = {
    .size = sizeof(record_ops),
    .info = record_info,
    .queue_open = record_queue_open,
    .queue_close = record_queue_close,
    .submit = record_submit,
    .kick = record_kick,
    .reap = record_reap,
};

/* ---- the disk ---- */

static int
begin_trace(struct record *record)
{
    struct enlb_trace_head head = {
        .magic = ENLB_TRACE_MAGIC,
        .version = ENLB_TRACE_VERSION,
    };
    struct enlh_block_info info;

    record->inner.ops->info(record->inner.backend, &info);
    head.physical_block_size = info.physical_block_size;
    head.disk_size = info.size;
    put(record, &record->at, &head, sizeof(head));
    return record->error;
}

int
enlb_record_create(const struct enlh_block *inner,
                   void (*release)(struct enlh_block *inner), int fd,
                   struct enlh_block *out)
{
    struct record *record = calloc(1, sizeof(*record));
    int error;

    if (!record)
        return -ENL_E_NOMEM;
    record->inner = *inner;
    record->release = release;
    record->fd = fd;
    error = begin_trace(record);
    if (error) {
        free(record);
        return error;
    }
    pthread_mutex_init(&record->lock, NULL);
    *out = (struct enlh_block){.ops = &record_ops, .backend = record};
    return 0;
}

int
enlb_record_error(const struct enlh_block *block)
{
    struct record *record = block->backend;
    int error;

    pthread_mutex_lock(&record->lock);
    error = record->error;
    pthread_mutex_unlock(&record->lock);
    return error;
}

void
enlb_record_destroy(struct enlh_block *block)
{
    struct record *record = block->backend;

    if (!record)
        return;
    pthread_mutex_destroy(&record->lock);
    close(record->fd);
    if (record->release)
        record->release(&record->inner);
    free(record);
    *block = (struct enlh_block){0};
}
