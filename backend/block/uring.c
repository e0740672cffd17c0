/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/uring.c - requests by io_uring, a ring for each queue
 *
 * Runs on the thread of a channel: submit takes, kick hands a batch to the kernel with
 * one system call, reap reads what is finished and starts what has steps left. Trusts the
 * kernel, and what work.c has checked.
 *
 * The kernel has consumed a submission's iovecs when io_uring_submit returns
 * (IORING_FEAT_SUBMIT_STABLE), so one array serves all requests of a batch; it is used
 * anew only when nothing waits to be submitted. The queue's eventfd is registered with
 * the ring: the kernel wakes the worker itself.
 * [Linux: io_uring(7), io_uring_setup(2)]
 * Tests: test/unit/block_engines.c, block_errors.c, block_direct.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>

#include "backend/block/work.h"

enum {
    IOV_COUNT = 2 * ENLB_IOV_MAX,
    DEPTH_MAX = 4096,
    BOUNCES = 4, /* unaligned requests in flight; more of them wait */
    BOUNCE_ALIGN = 4096,
    REAP_BATCH = 32,
};

struct uring_queue {
    struct enlh_block_queue base;
    struct io_uring ring;
    struct enlb_list ready;    /* have a step to take */
    struct enlb_list thirsty;  /* have one too, once a bounce buffer is free */
    struct enlb_list finished; /* without the kernel, or in reap */
    uint32_t iov_used;
    uint8_t *bounces[BOUNCES]; /* free ones */
    uint32_t bounces_free;
    uint32_t bounces_made;
    struct iovec iov[IOV_COUNT];
};

static struct uring_queue *
of(struct enlh_block_queue *queue)
{
    return (struct uring_queue *)queue;
}

/* ---- opening ---- */

/*
 * Completions need not interrupt a worker that runs in user space, where the kernel is
 * new enough to be told so.
 */
static int
ring_init(struct io_uring *ring, uint32_t depth)
{
    struct io_uring_params params = {
        .flags =
            IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    };
    int error = io_uring_queue_init_params(depth, ring, &params);

    if (error != -EINVAL)
        return error;
    params = (struct io_uring_params){.flags = IORING_SETUP_CLAMP};
    return io_uring_queue_init_params(depth, ring, &params);
}

bool
enlb_uring_available(void)
{
    static const int needed[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
                                 IORING_OP_FALLOCATE};
    struct io_uring_probe *probe;
    struct io_uring ring;
    bool all;

    if (ring_init(&ring, 4) != 0)
        return false;
    all = (ring.features & IORING_FEAT_SUBMIT_STABLE) &&
          (ring.features & IORING_FEAT_NODROP);
    probe = io_uring_get_probe_ring(&ring);
    for (size_t i = 0; probe && i < sizeof(needed) / sizeof(needed[0]); i++)
        all = all && io_uring_opcode_supported(probe, needed[i]);
    all = all && probe;
    io_uring_free_probe(probe);
    io_uring_queue_exit(&ring);
    return all;
}

/* One is made with the queue, so that a waiting work always has somebody to wait for. */
static bool
make_bounce(struct uring_queue *queue)
{
    void *bounce;

    if (queue->bounces_made == BOUNCES ||
        posix_memalign(&bounce, BOUNCE_ALIGN, ENLB_BOUNCE_LEN) != 0)
        return false;
    queue->bounces[queue->bounces_free++] = bounce;
    queue->bounces_made++;
    return true;
}

static void
free_bounces(struct uring_queue *queue)
{
    for (uint32_t i = 0; i < queue->bounces_free; i++)
        free(queue->bounces[i]);
}

static int
uring_open(struct enlb_file *file, const struct enlh_partition *partition, uint32_t depth,
           const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct uring_queue *queue = calloc(1, sizeof(*queue));
    int error;

    if (!queue)
        return -ENL_E_NOMEM;
    depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
    error = enlb_work_queue_init(&queue->base, file, partition, depth, wake);
    if (error)
        goto no_slots;
    error = ring_init(&queue->ring, depth) ? -ENL_E_NOMEM : 0;
    if (error)
        goto no_ring;
    if (file->memory_align && !make_bounce(queue)) {
        error = -ENL_E_NOMEM;
        goto no_files;
    }
    if (io_uring_register_eventfd(&queue->ring, wake->fd) != 0 ||
        io_uring_register_files(&queue->ring, &file->fd, 1) != 0) {
        error = -ENL_E_IO;
        goto no_files;
    }
    queue->base.engine = &enlb_uring_engine;
    *out = &queue->base;
    return 0;

no_files:
    free_bounces(queue);
    io_uring_queue_exit(&queue->ring);
no_ring:
    enlb_work_queue_fini(&queue->base);
no_slots:
    free(queue);
    return error;
}

static void
uring_close(struct enlh_block_queue *base)
{
    struct uring_queue *queue = of(base);

    /* The kernel ends a ring later, and would keep the file with its lock until then. */
    (void)io_uring_unregister_files(&queue->ring);
    io_uring_queue_exit(&queue->ring);
    free_bounces(queue);
    enlb_work_queue_fini(base);
    free(queue);
}

/* ---- bounce buffers ---- */

/* Returns false when the work must wait for one. */
static bool
lend_bounce(struct uring_queue *queue, struct enlb_work *work)
{
    if (!work->bounced || work->bounce)
        return true;
    if (queue->bounces_free == 0 && !make_bounce(queue))
        return false;
    work->bounce = queue->bounces[--queue->bounces_free];
    return true;
}

static void
over(struct uring_queue *queue, struct enlb_work *work)
{
    struct enlb_work *next = NULL;

    if (work->bounce) {
        queue->bounces[queue->bounces_free++] = work->bounce;
        work->bounce = NULL;
        next = enlb_list_pop(&queue->thirsty);
    }
    if (next)
        enlb_list_push(&queue->ready, next);
    enlb_list_push(&queue->finished, work);
}

/* ---- submission ---- */

static void
prepare(struct io_uring_sqe *sqe, const struct iovec *iov, const struct enlb_step *step)
{
    switch (step->kind) {
    case ENLB_STEP_READ:
        io_uring_prep_readv2(sqe, 0, iov, step->iov_count, step->offset, step->flags);
        break;
    case ENLB_STEP_WRITE:
        io_uring_prep_writev2(sqe, 0, iov, step->iov_count, step->offset, step->flags);
        break;
    case ENLB_STEP_SYNC:
        io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
        break;
    default:
        io_uring_prep_fallocate(sqe, 0, step->flags, (off_t)step->offset,
                                (off_t)step->len);
        break;
    }
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
}

/* Hand everything prepared to the kernel. Returns false when it takes no more now. */
static bool
hand_over(struct uring_queue *queue)
{
    int n;

    do
        n = io_uring_submit(&queue->ring);
    while (n == -EINTR);
    if (io_uring_sq_ready(&queue->ring) > 0)
        return false;
    queue->iov_used = 0;
    return true;
}

/* Returns false when the work must stay where it is for now. */
static bool
start(struct uring_queue *queue, struct enlb_work *work)
{
    struct io_uring_sqe *sqe;
    struct enlb_step step;

    if (queue->iov_used + ENLB_IOV_MAX > IOV_COUNT && !hand_over(queue))
        return false;
    sqe = io_uring_get_sqe(&queue->ring);
    if (!sqe && hand_over(queue))
        sqe = io_uring_get_sqe(&queue->ring);
    if (!sqe)
        return false;
    enlb_work_step(work, queue->iov + queue->iov_used, ENLB_IOV_MAX, &step);
    prepare(sqe, queue->iov + queue->iov_used, &step);
    io_uring_sqe_set_data(sqe, work);
    queue->iov_used += step.iov_count;
    return true;
}

static void
uring_kick(struct enlh_block_queue *base)
{
    struct uring_queue *queue = of(base);
    struct enlb_work *work;
    bool stuck = false;

    while (!stuck && (work = queue->ready.head) != NULL) {
        if (!lend_bounce(queue, work))
            enlb_list_push(&queue->thirsty, enlb_list_pop(&queue->ready));
        else if (start(queue, work))
            enlb_list_pop(&queue->ready);
        else
            stuck = true;
    }
    if (io_uring_sq_ready(&queue->ring) > 0 && !hand_over(queue))
        stuck = true;
    /* No completion may come that would wake us: come back by ourselves. */
    if (stuck || queue->finished.head)
        enlb_work_wake(&base->wake);
}

static int
uring_submit(struct enlh_block_queue *base, struct enlh_block_request *request)
{
    struct uring_queue *queue = of(base);
    struct enlb_work *work = enlb_work_take(base, request);

    if (!work)
        return -ENL_E_AGAIN;
    if (enlb_work_is_over(work))
        over(queue, work);
    else
        enlb_list_push(&queue->ready, work);
    return 0;
}

/* ---- completion ---- */

static uint32_t
take_results(struct uring_queue *queue)
{
    struct io_uring_cqe *cqes[REAP_BATCH];
    unsigned n = io_uring_peek_batch_cqe(&queue->ring, cqes, REAP_BATCH);

    for (unsigned i = 0; i < n; i++) {
        struct enlb_work *work = io_uring_cqe_get_data(cqes[i]);

        if (enlb_work_result(work, cqes[i]->res))
            over(queue, work);
        else
            enlb_list_push(&queue->ready, work);
    }
    io_uring_cq_advance(&queue->ring, n);
    return n;
}

/* Each request in flight has one completion: depth bounds the work of one reap. */
static uint32_t
uring_reap(struct enlh_block_queue *base)
{
    struct uring_queue *queue = of(base);
    struct enlb_list finished;
    struct enlb_work *work;
    uint32_t count = 0;
    uint32_t seen = 0;
    uint32_t n;

    do {
        n = take_results(queue);
        seen += n;
    } while (n == REAP_BATCH && seen < base->depth);
    if (n == REAP_BATCH)
        enlb_work_wake(&base->wake);
    /* done() may submit again: what that finishes at once is for the next reap. */
    finished = queue->finished;
    queue->finished = (struct enlb_list){0};
    while ((work = enlb_list_pop(&finished)) != NULL) {
        enlb_work_finish(work);
        count++;
    }
    /* Submissions that the kernel did not take belong to nobody else. */
    if (queue->ready.head || queue->finished.head || io_uring_sq_ready(&queue->ring) > 0)
        uring_kick(base);
    return count;
}

const struct enlb_engine enlb_uring_engine = {
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .kick = uring_kick,
    .reap = uring_reap,
};
