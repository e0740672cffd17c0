/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/work.h - a request on its way through an engine
 *
 * A work is a request and how far it has come. It says what the next system call is (a
 * step) and takes that call's result, until it is finished; so short transfers, long
 * span lists, unaligned buffers and missing fallocate modes are handled in one place for
 * both engines. An engine carries out the steps: one with io_uring, one with threads.
 */
#ifndef ENLIGHT_BACKEND_BLOCK_WORK_H
#define ENLIGHT_BACKEND_BLOCK_WORK_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "enlight/backend/block.h"

/* Most iovecs of one system call: the kernel's UIO_MAXIOV. */
#define ENLB_IOV_MAX 1024u
/* Bytes of a bounce buffer: the most that an unaligned request moves in one step. */
#define ENLB_BOUNCE_LEN (256u * 1024u)

/* How zeros are written; a file that refuses one way is not asked again. */
enum enlb_zero_way { ENLB_ZERO_RANGE, ENLB_ZERO_PUNCH, ENLB_ZERO_WRITE };

struct enlb_pool;

/*
 * One disk on a descriptor. Frozen after its creation, but for its size, zero_way,
 * sync_error and pool.
 */
struct enlb_file {
    int fd;
    struct enlh_block_info info; /* its size may change at any time */
    bool is_vhd, may_resize;
    uint32_t memory_align; /* direct I/O: of every buffer address; 0: any will do */
    enum enlb_aio aio;
    bool aio_forced;
    uint32_t thread_count;
    _Atomic int zero_way;   /* enum enlb_zero_way */
    _Atomic int sync_error; /* 0, or what the first sync that failed has said: -ENL_E_* */
    struct enlb_pool *pool; /* made by the first queue that needs it */
};

enum enlb_step_kind {
    ENLB_STEP_READ,
    ENLB_STEP_WRITE,
    ENLB_STEP_SYNC,
    ENLB_STEP_ALLOCATE
};

/* One system call. */
struct enlb_step {
    enum enlb_step_kind kind;
    uint64_t offset;
    uint64_t len;       /* of ALLOCATE */
    int flags;          /* RWF_* of READ and WRITE, FALLOC_FL_* of ALLOCATE */
    uint32_t iov_count; /* of READ and WRITE; the array is the engine's */
};

struct enlb_work {
    struct enlb_work *next; /* in the one list that has it */
    struct enlh_block_queue *queue;
    struct enlh_block_request *request;
    uint64_t progress; /* bytes done */
    uint64_t span_at;  /* where progress is: bytes into span number span */
    uint32_t span;
    uint32_t retries;         /* of the same step */
    int zero_way;             /* what the step under way has tried */
    enum enlb_step_kind kind; /* of the step under way */
    int result;               /* once finished */
    bool bounced;             /* direct I/O cannot use the guest's buffer */
    bool syncing;             /* the last step: zeros that must be safe when done */
    uint8_t *bounce; /* ENLB_BOUNCE_LEN bytes, lent by the engine while bounced */
};

struct enlb_list {
    struct enlb_work *head, *tail;
};

/* What an engine does for a queue; as struct enlh_block_ops says. */
struct enlb_engine {
    int (*open)(struct enlb_file *file, const struct enlh_partition *partition,
                uint32_t depth, const struct enlh_wake *wake,
                struct enlh_block_queue **out);
    void (*close)(struct enlh_block_queue *queue);
    int (*submit)(struct enlh_block_queue *queue, struct enlh_block_request *request);
    void (*kick)(struct enlh_block_queue *queue);
    uint32_t (*reap)(struct enlh_block_queue *queue);
};

/* What every queue starts with. */
struct enlh_block_queue {
    const struct enlb_engine *engine;
    struct enlb_file *file;
    const struct enlh_partition *partition;
    struct enlh_wake wake;
    uint32_t depth;
    struct enlb_work *slots; /* depth of them */
    struct enlb_work *free;  /* last in, first out: a hot slot stays hot */
};

extern const struct enlb_engine enlb_uring_engine;
extern const struct enlb_engine enlb_threads_engine;

/* The kernel has an io_uring that does all that a queue needs. */
bool enlb_uring_available(void);
void enlb_threads_end(struct enlb_pool *pool);

/* Fill in the common part. Returns 0, or -ENL_E_NOMEM. Its fini frees the slots only. */
int enlb_work_queue_init(struct enlh_block_queue *queue, struct enlb_file *file,
                         const struct enlh_partition *partition, uint32_t depth,
                         const struct enlh_wake *wake);
void enlb_work_queue_fini(struct enlh_block_queue *queue);
void enlb_work_wake(const struct enlh_wake *wake);

/* Check a request against a disk. Returns 0, -ENL_E_INVAL, -ENL_E_ROFS. */
int enlb_work_check(const struct enlh_block_info *info,
                    const struct enlh_block_request *request);

/* Begin a request in a free slot; NULL when there is none. */
struct enlb_work *enlb_work_take(struct enlh_block_queue *queue,
                                 struct enlh_block_request *request);
/* Give the slot back, then tell the request's owner. */
void enlb_work_finish(struct enlb_work *work);
/* There is no step to take: it was refused, or had nothing to do. */
bool enlb_work_is_over(const struct enlb_work *work);
/* The next step, its iovecs in iov, of which there are iov_max (at least 1). */
void enlb_work_step(struct enlb_work *work, struct iovec *iov, uint32_t iov_max,
                    struct enlb_step *step);
/* A step gave bytes or -errno. Returns true when the work is finished, with its result. */
bool enlb_work_result(struct enlb_work *work, int64_t got);
/* Errno (positive) to -ENL_E_*, as a request's result. */
int enlb_work_error(int number);

/* The disk of a fixed VHD. Returns 0, -ENL_E_PROTO, -ENL_E_NOTSUP, and a reason. */
int enlb_vhd_parse(const uint8_t footer[512], uint64_t file_size, uint64_t *disk_size,
                   const char **reason);

static inline void
enlb_list_push(struct enlb_list *list, struct enlb_work *work)
{
    work->next = NULL;
    if (list->tail)
        list->tail->next = work;
    else
        list->head = work;
    list->tail = work;
}

static inline struct enlb_work *
enlb_list_pop(struct enlb_list *list)
{
    struct enlb_work *work = list->head;

    if (work)
        list->head = work->next;
    if (!list->head)
        list->tail = NULL;
    return work;
}

#endif
