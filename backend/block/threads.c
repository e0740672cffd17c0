/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/threads.c - requests by a small pool of threads
 *
 * For kernels without io_uring: each disk has a pool that serves all its queues, and a
 * thread carries one request at a time through all its steps. Runs when a channel's
 * worker submits, and on the pool's own threads; trusts what work.c has checked.
 *
 * A queue's taken list belongs to its channel's thread; the pool's list and a queue's
 * finished list have a lock each, held for a few instructions and never while a system
 * call or a wake is made. An empty finished list that becomes non-empty is worth one
 * wake; reap takes the whole list, so no wake is lost.
 * Tests: test/unit/block_engines.c, block_errors.c, block_threads.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/block/work.h"

enum { THREADS_MAX = 16, STACK_LEN = 256 * 1024, BOUNCE_ALIGN = 4096 };

struct enlb_pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct enlb_list list;
    bool stop;
    uint32_t count;
    pthread_t threads[THREADS_MAX];
};

struct threads_queue {
    struct enlh_block_queue base;
    struct enlb_pool *pool;
    struct enlb_list taken; /* the channel's thread only */
    pthread_mutex_t lock;   /* of what follows */
    pthread_cond_t quiet;
    struct enlb_list finished;
    uint32_t waking; /* threads of the pool inside a wake */
};

/* What a thread of the pool works with. */
struct tools {
    struct iovec iov[ENLB_IOV_MAX];
    uint8_t *bounce; /* made by the first request that needs it */
};

static struct threads_queue *
of(struct enlh_block_queue *queue)
{
    return (struct threads_queue *)queue;
}

/* ---- the pool's threads ---- */

static int64_t
carry_out(int fd, const struct iovec *iov, const struct enlb_step *step)
{
    int64_t got;

    switch (step->kind) {
    case ENLB_STEP_READ:
        got = preadv2(fd, iov, (int)step->iov_count, (off_t)step->offset, step->flags);
        break;
    case ENLB_STEP_WRITE:
        got = pwritev2(fd, iov, (int)step->iov_count, (off_t)step->offset, step->flags);
        break;
    case ENLB_STEP_SYNC:
        got = fdatasync(fd);
        break;
    default:
        got = fallocate(fd, step->flags, (off_t)step->offset, (off_t)step->len);
        break;
    }
    return got < 0 ? -errno : got;
}

static void
run_work(struct tools *tools, struct enlb_work *work)
{
    struct enlb_step step;
    void *bounce;

    if (work->bounced && !tools->bounce) {
        if (posix_memalign(&bounce, BOUNCE_ALIGN, ENLB_BOUNCE_LEN) != 0) {
            work->result = -ENL_E_IO;
            return;
        }
        tools->bounce = bounce;
    }
    work->bounce = tools->bounce;
    do
        enlb_work_step(work, tools->iov, ENLB_IOV_MAX, &step);
    while (!enlb_work_result(work, carry_out(work->queue->file->fd, tools->iov, &step)));
}

/* The queue may be closed as soon as its lock is free and nobody is inside a wake. */
static void
hand_back(struct enlb_work *work)
{
    struct threads_queue *queue = of(work->queue);
    bool first;

    pthread_mutex_lock(&queue->lock);
    first = !queue->finished.head;
    enlb_list_push(&queue->finished, work);
    queue->waking += first;
    pthread_mutex_unlock(&queue->lock);
    if (!first)
        return;
    enlb_work_wake(&queue->base.wake);
    pthread_mutex_lock(&queue->lock);
    queue->waking--;
    pthread_cond_signal(&queue->quiet);
    pthread_mutex_unlock(&queue->lock);
}

static struct enlb_work *
next_work(struct enlb_pool *pool)
{
    struct enlb_work *work;

    pthread_mutex_lock(&pool->lock);
    while (!pool->list.head && !pool->stop)
        pthread_cond_wait(&pool->more, &pool->lock);
    work = enlb_list_pop(&pool->list);
    pthread_mutex_unlock(&pool->lock);
    return work;
}

static void *
thread_main(void *arg)
{
    struct enlb_pool *pool = arg;
    struct tools *tools = malloc(sizeof(*tools));
    struct enlb_work *work;

    if (tools)
        tools->bounce = NULL;
    while ((work = next_work(pool)) != NULL) {
        if (tools)
            run_work(tools, work);
        else
            work->result = -ENL_E_IO;
        hand_back(work);
    }
    if (tools)
        free(tools->bounce);
    free(tools);
    return NULL;
}

static void
pool_start(struct enlb_pool *pool, uint32_t count)
{
    pthread_attr_t attr;
    sigset_t all, old;

    if (pthread_attr_init(&attr) != 0)
        return;
    /* A stack of the usual 8 MiB may cost a large page as soon as it is touched. */
    (void)pthread_attr_setstacksize(&attr, STACK_LEN);
    /* Signals belong to the embedder's own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (pool->count < count &&
           pthread_create(&pool->threads[pool->count], &attr, thread_main, pool) == 0)
        pool->count++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
}

static int
pool_get(struct enlb_file *file)
{
    struct enlb_pool *pool;

    if (file->pool)
        return 0;
    pool = calloc(1, sizeof(*pool));
    if (!pool)
        return -ENL_E_NOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    pool_start(pool, file->thread_count);
    if (pool->count == 0) {
        enlb_threads_end(pool);
        return -ENL_E_NOMEM;
    }
    file->pool = pool;
    return 0;
}

void
enlb_threads_end(struct enlb_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* ---- the channel's thread ---- */

static int
threads_open(struct enlb_file *file, const struct enlh_partition *partition,
             uint32_t depth, const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct threads_queue *queue = calloc(1, sizeof(*queue));
    int error = queue ? pool_get(file) : -ENL_E_NOMEM;

    if (!error)
        error = enlb_work_queue_init(&queue->base, file, partition, depth, wake);
    if (error) {
        free(queue);
        return error;
    }
    queue->base.engine = &enlb_threads_engine;
    queue->pool = file->pool;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->quiet, NULL);
    *out = &queue->base;
    return 0;
}

static void
threads_close(struct enlh_block_queue *base)
{
    struct threads_queue *queue = of(base);

    pthread_mutex_lock(&queue->lock);
    while (queue->waking > 0)
        pthread_cond_wait(&queue->quiet, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_destroy(&queue->quiet);
    pthread_mutex_destroy(&queue->lock);
    enlb_work_queue_fini(base);
    free(queue);
}

static int
threads_submit(struct enlh_block_queue *base, struct enlh_block_request *request)
{
    struct enlb_work *work = enlb_work_take(base, request);

    if (!work)
        return -ENL_E_AGAIN;
    enlb_list_push(&of(base)->taken, work);
    return 0;
}

static void
threads_kick(struct enlh_block_queue *base)
{
    struct threads_queue *queue = of(base);
    struct enlb_pool *pool = queue->pool;
    struct enlb_list ready = {0};
    struct enlb_work *work;

    while ((work = enlb_list_pop(&queue->taken)) != NULL) {
        if (enlb_work_is_over(work))
            hand_back(work);
        else
            enlb_list_push(&ready, work);
    }
    if (!ready.head)
        return;
    pthread_mutex_lock(&pool->lock);
    while ((work = enlb_list_pop(&ready)) != NULL) {
        enlb_list_push(&pool->list, work);
        pthread_cond_signal(&pool->more);
    }
    pthread_mutex_unlock(&pool->lock);
}

static uint32_t
threads_reap(struct enlh_block_queue *base)
{
    struct threads_queue *queue = of(base);
    struct enlb_list finished;
    struct enlb_work *work;
    uint32_t count = 0;

    pthread_mutex_lock(&queue->lock);
    finished = queue->finished;
    queue->finished = (struct enlb_list){0};
    pthread_mutex_unlock(&queue->lock);
    while ((work = enlb_list_pop(&finished)) != NULL) {
        enlb_work_finish(work);
        count++;
    }
    return count;
}

const struct enlb_engine enlb_threads_engine = {
    .open = threads_open,
    .close = threads_close,
    .submit = threads_submit,
    .kick = threads_kick,
    .reap = threads_reap,
};
