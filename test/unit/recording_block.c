/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/recording_block.c - a disk that remembers every write and flush */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "recording_block.h"

enum { SECTOR = 512 };
#define NEVER SIZE_MAX

/* A write, a discard, zeros, or a flush. */
struct entry {
    enum enlh_block_op op;
    bool fua;
    uint64_t offset, len;
    uint8_t *data; /* of a write; NULL: zeros */
    size_t begun;  /* numbers of its two events */
    size_t done;   /* NEVER: not, or not with success */
};

struct recording {
    const struct enlh_block *inner;
    pthread_mutex_t lock;
    struct entry *entries; /* in the order of their begin */
    size_t count, room;
    size_t events;
};

struct recording_queue {
    struct recording *recording;
    const struct enlh_partition *partition;
    struct enlh_block_queue *inner;
};

/* A request on its way through the other disk. */
struct passage {
    struct enlh_block_request inner; /* first: done() finds the rest by it */
    struct enlh_block_request *outer;
    struct recording *recording;
    size_t entry; /* its number, or NEVER for a read */
};

static struct recording_queue *
of(struct enlh_block_queue *queue)
{
    return (struct recording_queue *)(void *)queue;
}

/* ---- the log ---- */

static uint8_t *
copy_of(const struct recording_queue *queue, const struct enlh_block_request *request)
{
    uint8_t *data = malloc(request->len ? request->len : 1);
    uint64_t at = 0;

    for (uint32_t i = 0; data && i < request->span_count; i++) {
        const struct enlh_span *span = &request->spans[i];

        if (span->len > request->len - at)
            break;
        memcpy(data + at, enlh_mem_span_host(queue->partition, span), span->len);
        at += span->len;
    }
    return data;
}

/* Returns the entry's number, or NEVER when there is no memory. */
static size_t
log_begin(struct recording_queue *queue, const struct enlh_block_request *request)
{
    struct recording *r = queue->recording;
    struct entry *grown = NULL;
    size_t number = NEVER;

    pthread_mutex_lock(&r->lock);
    if (r->count == r->room) {
        grown = realloc(r->entries, (r->room * 2 + 64) * sizeof(*grown));
        if (!grown)
            goto out;
        r->entries = grown;
        r->room = r->room * 2 + 64;
    }
    number = r->count++;
    r->entries[number] = (struct entry){
        .op = request->op,
        .fua = request->fua,
        .offset = request->offset,
        .len = request->op == ENLH_BLOCK_FLUSH ? 0 : request->len,
        .begun = r->events++,
        .done = NEVER,
    };
    if (request->op == ENLH_BLOCK_WRITE)
        r->entries[number].data = copy_of(queue, request);
out:
    pthread_mutex_unlock(&r->lock);
    return number;
}

static void
log_done(struct recording *r, size_t number, int result)
{
    pthread_mutex_lock(&r->lock);
    if (result == 0)
        r->entries[number].done = r->events;
    r->events++;
    pthread_mutex_unlock(&r->lock);
}

size_t
recording_length(struct recording *r)
{
    size_t events;

    pthread_mutex_lock(&r->lock);
    events = r->events;
    pthread_mutex_unlock(&r->lock);
    return events;
}

size_t
recording_flushes(struct recording *r, size_t point)
{
    size_t flushes = 0;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++)
        flushes += r->entries[i].op == ENLH_BLOCK_FLUSH && r->entries[i].done < point;
    pthread_mutex_unlock(&r->lock);
    return flushes;
}

/* ---- what is left ---- */

/* The last moment that a flush which is done at this point has covered: its begin. */
static size_t
covered_until(const struct recording *r, size_t point)
{
    size_t until = 0;

    for (size_t i = 0; i < r->count; i++) {
        const struct entry *e = &r->entries[i];

        if (e->op == ENLH_BLOCK_FLUSH && e->done < point && e->begun > until)
            until = e->begun;
    }
    return until;
}

static uint32_t
coin(uint32_t seed, size_t entry, uint64_t sector)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) +
                 entry * UINT64_C(0xbf58476d1ce4e5b9) +
                 sector * UINT64_C(0x94d049bb133111eb);

    x ^= x >> 31;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(x >> 63);
}

static void
apply(const struct entry *e, size_t number, bool safe, uint32_t seed, uint8_t *image)
{
    for (uint64_t at = 0; at < e->len; at += SECTOR) {
        if (!safe && (seed == 0 || coin(seed, number, at / SECTOR) == 0))
            continue;
        if (e->data)
            memcpy(image + e->offset + at, e->data + at, SECTOR);
        else
            memset(image + e->offset + at, 0, SECTOR);
    }
}

static const struct recording *sorted; /* qsort has no context; the lock is held */

static int
by_end(const void *a, const void *b)
{
    const struct entry *x = &sorted->entries[*(const size_t *)a];
    const struct entry *y = &sorted->entries[*(const size_t *)b];

    if (x->done != y->done)
        return x->done < y->done ? -1 : 1;
    return x->begun < y->begun ? -1 : 1;
}

void
recording_image(struct recording *r, size_t point, uint32_t seed, uint8_t *image)
{
    size_t until, *order;

    pthread_mutex_lock(&r->lock);
    until = covered_until(r, point);
    order = malloc((r->count + 1) * sizeof(*order));
    for (size_t i = 0; order && i < r->count; i++)
        order[i] = i;
    sorted = r;
    if (order)
        qsort(order, r->count, sizeof(*order), by_end);
    for (size_t i = 0; order && i < r->count; i++) {
        const struct entry *e = &r->entries[order[i]];
        bool safe = e->done < point && (e->done < until || e->fua);

        if (e->begun < point)
            apply(e, order[i], safe, seed, image);
    }
    free(order);
    pthread_mutex_unlock(&r->lock);
}

/* ---- the disk ---- */

static void
passage_done(struct enlh_block_request *inner, int result)
{
    struct passage *passage = (struct passage *)inner;
    struct enlh_block_request *outer = passage->outer;

    if (passage->entry != NEVER)
        log_done(passage->recording, passage->entry, result);
    free(passage);
    outer->done(outer, result);
}

static void
recording_info(void *backend, struct enlh_block_info *out)
{
    const struct recording *r = backend;

    r->inner->ops->info(r->inner->backend, out);
    out->volatile_cache = true;
}

static int
recording_queue_open(void *backend, const struct enlh_partition *partition,
                     uint32_t depth, const struct enlh_wake *wake,
                     struct enlh_block_queue **out)
{
    struct recording *r = backend;
    struct recording_queue *queue = calloc(1, sizeof(*queue));
    int error = -ENL_E_NOMEM;

    if (queue)
        error = r->inner->ops->queue_open(r->inner->backend, partition, depth, wake,
                                          &queue->inner);
    if (error) {
        free(queue);
        return error;
    }
    queue->recording = r;
    queue->partition = partition;
    *out = (struct enlh_block_queue *)(void *)queue;
    return 0;
}

static void
recording_queue_close(void *backend, struct enlh_block_queue *base)
{
    struct recording *r = backend;

    r->inner->ops->queue_close(r->inner->backend, of(base)->inner);
    free(of(base));
}

/* The other disk starts at kick, so an entry that is made after submit is not late. */
static int
recording_submit(struct enlh_block_queue *base, struct enlh_block_request *request)
{
    struct recording_queue *queue = of(base);
    struct recording *r = queue->recording;
    struct passage *passage = calloc(1, sizeof(*passage));
    int error;

    if (!passage)
        return -ENL_E_AGAIN;
    passage->inner = *request;
    passage->inner.done = passage_done;
    passage->outer = request;
    passage->recording = r;
    error = r->inner->ops->submit(queue->inner, &passage->inner);
    if (error) {
        free(passage);
        return error;
    }
    passage->entry = request->op == ENLH_BLOCK_READ ? NEVER : log_begin(queue, request);
    return 0;
}

static void
recording_kick(struct enlh_block_queue *base)
{
    of(base)->recording->inner->ops->kick(of(base)->inner);
}

static uint32_t
recording_reap(struct enlh_block_queue *base)
{
    return of(base)->recording->inner->ops->reap(of(base)->inner);
}

static const struct enlh_block_ops recording_ops = {
    .size = sizeof(recording_ops),
    .info = recording_info,
    .queue_open = recording_queue_open,
    .queue_close = recording_queue_close,
    .submit = recording_submit,
    .kick = recording_kick,
    .reap = recording_reap,
};

int
recording_create(const struct enlh_block *inner, struct recording **out,
                 struct enlh_block *block)
{
    struct recording *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENL_E_NOMEM;
    r->inner = inner;
    pthread_mutex_init(&r->lock, NULL);
    *block = (struct enlh_block){.ops = &recording_ops, .backend = r};
    *out = r;
    return 0;
}

void
recording_destroy(struct recording *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->entries[i].data);
    free(r->entries);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
