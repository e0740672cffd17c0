/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/block/file.c - a disk on a descriptor: a raw file, a block device, a fixed VHD
 *
 * Opens and locks a path for the tool, sizes a descriptor, and joins it to one of the two
 * engines. Runs when the user attaches a disk. Trusts the user's word for the format and
 * nothing in the file; the size is read once, and changes only when the user says so.
 * [Linux: fcntl(2), "Open file description locks"; open(2), O_DIRECT, O_EXCL]
 * Tests: test/unit/block_file.c, block_direct.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/block/work.h"

enum {
    SECTOR = 512,
    BLOCK_BIG = 4096,
    THREADS_USUAL = 4,
    THREADS_MAX = 16,
};

void
enlb_file_config_defaults(struct enlb_file_config *config)
{
    *config = (struct enlb_file_config){.size = sizeof(*config)};
}

static int
refuse(char *reason, int error, const char *text)
{
    if (reason)
        snprintf(reason, ENLB_REASON_LEN, "%s", text);
    return error;
}

/* ---- opening a path ---- */

static int
refuse_open(char *reason, int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return refuse(reason, -ENL_E_NOENT, "no such file");
    case EACCES:
    case EPERM:
        return refuse(reason, -ENL_E_ACCESS, "no permission");
    case EROFS:
        return refuse(reason, -ENL_E_ROFS, "it is read-only, and the disk is writable");
    case EBUSY:
        return refuse(reason, -ENL_E_BUSY, "the device is mounted or otherwise in use");
    case EISDIR:
    case ENXIO:
        return refuse(reason, -ENL_E_INVAL, "neither a file nor a block device");
    default:
        return refuse(reason, -ENL_E_IO, strerror(number));
    }
}

/* O_EXCL on a block device is refused while it is mounted. */
static int
reopen_exclusive(int *fd, int flags, char *reason)
{
    char path[40];
    int again;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
    again = open(path, flags | O_EXCL);
    if (again < 0)
        return refuse_open(reason, errno);
    close(*fd);
    *fd = again;
    return 0;
}

static int
lock(int fd, bool readonly, char *reason)
{
    struct flock whole = {
        .l_type = readonly ? F_RDLCK : F_WRLCK,
        .l_whence = SEEK_SET,
    };

    if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return refuse(reason, -ENL_E_BUSY, "another machine has it open");
    return refuse(reason, -ENL_E_IO, "it cannot be locked");
}

/*
 * Off again, once it is known to be no FIFO. Linux before 6.5: io_uring does not wait on
 * a descriptor with O_NONBLOCK, and completes with EAGAIN where the device cannot be asked
 * without waiting. [Linux 6.1: io_uring/rw.c, io_rw_init_file]
 */
static int
wait_for_io(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -ENL_E_IO;
    if (!(flags & O_NONBLOCK))
        return 0;
    return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0 ? 0 : -ENL_E_IO;
}

static int
check_and_lock(int *fd, int flags, bool readonly, char *reason)
{
    struct stat st;
    int error;

    if (fstat(*fd, &st) != 0)
        return refuse_open(reason, errno);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return refuse(reason, -ENL_E_INVAL, "neither a file nor a block device");
    if (S_ISBLK(st.st_mode) && !readonly) {
        error = reopen_exclusive(fd, flags, reason);
        if (error)
            return error;
    }
    if (wait_for_io(*fd))
        return refuse(reason, -ENL_E_IO, "its flags cannot be set");
    return lock(*fd, readonly, reason);
}

int
enlb_file_open(const char *path, const struct enlb_file_config *config, int *fd,
               char *reason)
{
    /* Non-blocking, or a FIFO of that name would hold us up. */
    int flags =
        (config->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int opened = open(path, flags);
    int error;

    if (reason)
        reason[0] = '\0';
    if (opened < 0)
        return refuse_open(reason, errno);
    error = check_and_lock(&opened, flags, config->readonly, reason);
    if (error) {
        close(opened);
        return error;
    }
    *fd = opened;
    return 0;
}

/* ---- sizing a descriptor ---- */

struct shape {
    uint64_t bytes;
    uint32_t block_size, physical_block_size;
    bool discards, is_file;
};

static int
shape_device(int fd, struct shape *shape)
{
    unsigned int physical = SECTOR;
    int logical = SECTOR;

    if (ioctl(fd, BLKGETSIZE64, &shape->bytes) != 0 ||
        ioctl(fd, BLKSSZGET, &logical) != 0)
        return -ENL_E_IO;
    if (ioctl(fd, BLKPBSZGET, &physical) != 0 || physical < (unsigned int)logical)
        physical = (unsigned int)logical;
    shape->block_size = (uint32_t)logical;
    shape->physical_block_size = physical;
    shape->discards = true;
    return 0;
}

/* A hole behind the end changes nothing, and says whether holes can be made at all. */
static bool
punches_holes(int fd, off_t size)
{
    off_t behind = (size / BLOCK_BIG + 1) * BLOCK_BIG;

    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, behind, BLOCK_BIG) ==
           0;
}

static int
shape_of(int fd, bool readonly, struct shape *shape)
{
    struct stat st;

    *shape = (struct shape){.block_size = SECTOR, .physical_block_size = BLOCK_BIG};
    if (fstat(fd, &st) != 0)
        return -ENL_E_IO;
    if (S_ISBLK(st.st_mode))
        return shape_device(fd, shape);
    if (!S_ISREG(st.st_mode))
        return -ENL_E_INVAL;
    shape->bytes = (uint64_t)st.st_size;
    shape->is_file = true;
    shape->discards = !readonly && punches_holes(fd, st.st_size);
    return 0;
}

static int
strip_footer(int fd, struct shape *shape, char *reason)
{
    const char *text = NULL;
    uint8_t footer[512];
    int error;

    if (shape->bytes < sizeof(footer))
        return refuse(reason, -ENL_E_PROTO, "too short for a VHD");
    if (pread(fd, footer, sizeof(footer), (off_t)(shape->bytes - sizeof(footer))) !=
        (ssize_t)sizeof(footer))
        return refuse(reason, -ENL_E_IO, "the VHD footer cannot be read");
    error = enlb_vhd_parse(footer, shape->bytes, &shape->bytes, &text);
    return error ? refuse(reason, error, text) : 0;
}

/* ---- direct I/O ---- */

static bool
direct_reads(int fd, uint8_t *page, size_t unit)
{
    /* An odd multiple of the unit: alignment to more than that would fail. */
    return pread(fd, page + unit, unit, (off_t)unit) >= 0;
}

/* Which unit of address, offset and length direct I/O takes here: found by trying. */
static int
make_direct(int fd, uint32_t *unit)
{
    int flags = fcntl(fd, F_GETFL);
    int error = 0;
    void *pages;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0)
        return -ENL_E_NOTSUP;
    if (posix_memalign(&pages, BLOCK_BIG, (size_t)2 * BLOCK_BIG) != 0)
        return -ENL_E_NOMEM;
    if (direct_reads(fd, pages, SECTOR))
        *unit = SECTOR;
    else if (direct_reads(fd, pages, BLOCK_BIG))
        *unit = BLOCK_BIG;
    else
        error = -ENL_E_NOTSUP;
    free(pages);
    return error;
}

/* ---- the disk ---- */

static int
check_config(int fd, const struct enlb_file_config *config, char *reason)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || config->size < sizeof(*config) || config->threads > THREADS_MAX)
        return refuse(reason, -ENL_E_INVAL, "a bad descriptor or setting");
    if (!config->readonly && (flags & O_ACCMODE) != O_RDWR)
        return refuse(reason, -ENL_E_ROFS, "it is open for reading only");
    if (config->aio == ENLB_AIO_IO_URING && !enlb_uring_available())
        return refuse(reason, -ENL_E_NOTSUP, "the kernel has no io_uring, or forbids it");
    return 0;
}

static int
check_shape(const struct shape *shape, char *reason)
{
    if (shape->block_size != SECTOR && shape->block_size != BLOCK_BIG)
        return refuse(reason, -ENL_E_RANGE, "its blocks are neither 512 nor 4096 bytes");
    if (shape->bytes == 0)
        return refuse(reason, -ENL_E_RANGE, "it has 0 bytes");
    if (shape->bytes % shape->block_size == 0)
        return 0;
    if (shape->block_size == BLOCK_BIG)
        return refuse(reason, -ENL_E_RANGE, "its size is no multiple of 4096 bytes");
    return refuse(reason, -ENL_E_RANGE, "its size is no multiple of 512 bytes");
}

static int
measure(int fd, const struct enlb_file_config *config, struct shape *shape, char *reason)
{
    uint32_t unit = SECTOR;
    int error = shape_of(fd, config->readonly, shape);

    if (!error)
        error = wait_for_io(fd);
    if (error == -ENL_E_INVAL)
        return refuse(reason, error, "neither a file nor a block device");
    if (error)
        return refuse(reason, error, "its size cannot be read");
    /* Before direct I/O is on: the footer need not be aligned for it. */
    if (config->format == ENLB_FORMAT_VHD)
        error = strip_footer(fd, shape, reason);
    if (error)
        return error;
    error = config->direct ? make_direct(fd, &unit) : 0;
    if (error)
        return refuse(reason, error, "no direct I/O on this file");
    if (shape->block_size < unit)
        shape->block_size = unit;
    return check_shape(shape, reason);
}

static struct enlb_file *
make(int fd, const struct enlb_file_config *config, const struct shape *shape)
{
    struct enlb_file *file = calloc(1, sizeof(*file));
    bool uring = config->aio == ENLB_AIO_IO_URING ||
                 (config->aio == ENLB_AIO_AUTO && enlb_uring_available());

    if (!file)
        return NULL;
    file->fd = fd;
    file->info = (struct enlh_block_info){
        .size = shape->bytes,
        .block_size = shape->block_size,
        .physical_block_size = shape->physical_block_size,
        .readonly = config->readonly,
        .discards = shape->discards && !config->readonly,
        .volatile_cache = !config->readonly,
    };
    file->is_vhd = config->format == ENLB_FORMAT_VHD;
    file->may_resize = shape->is_file && !file->is_vhd;
    file->memory_align = config->direct ? shape->block_size : 0;
    file->aio = uring ? ENLB_AIO_IO_URING : ENLB_AIO_THREADS;
    file->aio_forced = config->aio != ENLB_AIO_AUTO;
    file->thread_count = config->threads ? config->threads : THREADS_USUAL;
    atomic_init(&file->zero_way, ENLB_ZERO_RANGE);
    return file;
}

static void
file_info(void *backend, struct enlh_block_info *out)
{
    *out = ((const struct enlb_file *)backend)->info;
}

/*
 * A file is cut or grows by a hole; a block device is as large as it is. The size is told
 * first when it shrinks, and last when it grows: no request goes beyond the file.
 */
static int
file_resize(void *backend, uint64_t size)
{
    struct enlb_file *file = backend;
    uint64_t old = file->info.size;
    struct shape shape;

    if (!size || size % file->info.block_size || size > INT64_MAX)
        return -ENL_E_RANGE;
    if (file->info.readonly)
        return -ENL_E_ROFS;
    if (!file->may_resize) {
        if (file->is_vhd || shape_of(file->fd, false, &shape) || shape.bytes != size)
            return -ENL_E_NOTSUP;
    } else if (size > old && ftruncate(file->fd, (off_t)size) < 0) {
        return errno == ENOSPC || errno == EFBIG ? -ENL_E_NOSPC : -ENL_E_IO;
    }
    __atomic_store_n(&file->info.size, size, __ATOMIC_RELEASE);
    if (file->may_resize && size < old && ftruncate(file->fd, (off_t)size) < 0)
        return -ENL_E_IO;
    return 0;
}

/* Without a descriptor to wake, or with no more rings to be had, threads do it. */
static int
file_queue_open(void *backend, const struct enlh_partition *partition, uint32_t depth,
                const struct enlh_wake *wake, struct enlh_block_queue **out)
{
    struct enlb_file *file = backend;
    int error = -ENL_E_IO;

    if (depth == 0 || (wake->fd < 0 && !wake->fn))
        return -ENL_E_INVAL;
    if (file->aio == ENLB_AIO_IO_URING && wake->fd >= 0)
        error = enlb_uring_engine.open(file, partition, depth, wake, out);
    if (error && !(file->aio_forced && file->aio == ENLB_AIO_IO_URING))
        error = enlb_threads_engine.open(file, partition, depth, wake, out);
    return error;
}

static void
file_queue_close(void *backend, struct enlh_block_queue *queue)
{
    (void)backend;
    queue->engine->close(queue);
}

static int
file_submit(struct enlh_block_queue *queue, struct enlh_block_request *request)
{
    return queue->engine->submit(queue, request);
}

static void
file_kick(struct enlh_block_queue *queue)
{
    queue->engine->kick(queue);
}

static uint32_t
file_reap(struct enlh_block_queue *queue)
{
    return queue->engine->reap(queue);
}

static const struct enlh_block_ops file_ops = {
    .size = sizeof(file_ops),
    .info = file_info,
    .queue_open = file_queue_open,
    .queue_close = file_queue_close,
    .submit = file_submit,
    .kick = file_kick,
    .reap = file_reap,
    .resize = file_resize,
};

int
enlb_file_create(int fd, const struct enlb_file_config *config, struct enlh_block *out,
                 char *reason)
{
    struct enlb_file *file;
    struct shape shape;
    int error;

    if (reason)
        reason[0] = '\0';
    error = check_config(fd, config, reason);
    if (!error)
        error = measure(fd, config, &shape, reason);
    if (error)
        return error;
    file = make(fd, config, &shape);
    if (!file)
        return refuse(reason, -ENL_E_NOMEM, "no memory");
    *out = (struct enlh_block){.ops = &file_ops, .backend = file};
    return 0;
}

void
enlb_file_destroy(struct enlh_block *block)
{
    struct enlb_file *file = block->backend;

    if (!file)
        return;
    enlb_threads_end(file->pool);
    close(file->fd);
    free(file);
    *block = (struct enlh_block){0};
}

enum enlb_aio
enlb_file_aio(const struct enlh_block *block)
{
    return ((const struct enlb_file *)block->backend)->aio;
}
