/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/backend/block.h - what a disk stands on: a file, a block device, memory
 *
 * Each create function fills in a struct enlh_block (enlight/host/block.h) that the
 * caller hands to a disk device, and that lives until the matching destroy. A file
 * arrives as a descriptor; enlb_file_open() makes one from a path, locked so that no two
 * machines write one image. Formats are never guessed. Once a flush or a forced write of a
 * file has failed, what was written before may be lost, and a later one could not know:
 * from then on all of them fail, until the disk is made anew.
 */
#ifndef ENLIGHT_BACKEND_BLOCK_H
#define ENLIGHT_BACKEND_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/error.h"
#include "enlight/host/block.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a file's requests are carried out. */
enum enlb_aio {
    ENLB_AIO_AUTO,     /* io_uring where the kernel has it, else threads */
    ENLB_AIO_IO_URING, /* a ring for each queue */
    ENLB_AIO_THREADS,  /* a bounded pool of threads for each disk */
};

enum enlb_format {
    ENLB_FORMAT_RAW, /* the file is the disk */
    ENLB_FORMAT_VHD, /* fixed VHD: the disk, then a footer of 512 bytes */
};

struct enlb_file_config {
    size_t size; /* sizeof(struct enlb_file_config), set by the defaults function */
    enum enlb_format format;
    enum enlb_aio aio;
    bool readonly;
    bool direct;      /* past the host's page cache (cache=none) */
    uint32_t threads; /* of the pool, 1 to 16; 0: 4 */
};

/* Fill in a writable raw file, automatic aio, through the page cache. Thread: any. */
void enlb_file_config_defaults(struct enlb_file_config *config);

/* Bytes of a reason: one sentence for people, always terminated; "" when there is none. */
#define ENLB_REASON_LEN 128u

/*
 * Open and lock the file or block device at path for a disk with this config. A writable
 * disk is locked against everybody, a read-only one against writers; the lock goes with
 * the last copy of the descriptor. reason (optional) has ENLB_REASON_LEN bytes.
 * Returns 0 and an owned descriptor in *fd, or
 *   -ENL_E_NOENT   no such file;
 *   -ENL_E_ACCESS  no permission;
 *   -ENL_E_ROFS    writing was asked for, and the file system or the device is read-only;
 *   -ENL_E_BUSY    another machine has the image open, or the device is mounted;
 *   -ENL_E_INVAL   neither a file nor a block device;
 *   -ENL_E_IO      anything else.
 * Thread: any. Blocks for the time of an open.
 */
ENL_MUST_CHECK int enlb_file_open(const char *path, const struct enlb_file_config *config,
                                  int *fd, char *reason);

/*
 * Make a disk of a descriptor. Takes fd when it succeeds: destroy closes it. The size is
 * read once, here. Clears O_NONBLOCK, with which some kernels do not wait for a device.
 * reason as above. Returns 0, or
 *   -ENL_E_RANGE   0 bytes, or no multiple of the block size;
 *   -ENL_E_PROTO   the VHD footer is missing, damaged, or does not match the file;
 *   -ENL_E_NOTSUP  a VHD of another kind than fixed; no direct I/O on this file; no
 *                  io_uring here, and it was asked for by name;
 *   -ENL_E_ROFS    the descriptor is open for reading only, and the disk is not;
 *   -ENL_E_INVAL   neither a file nor a block device, or a bad config;
 *   -ENL_E_NOMEM, -ENL_E_IO.
 * Thread: any. Allocates; blocks for the time of a read.
 */
ENL_MUST_CHECK int enlb_file_create(int fd, const struct enlb_file_config *config,
                                    struct enlh_block *out, char *reason);
/* Close the file and end the threads. Every queue is closed. Thread: any. */
void enlb_file_destroy(struct enlh_block *block);

/* What AUTO has come to. Thread: any. */
enum enlb_aio enlb_file_aio(const struct enlh_block *block);

/*
 * A disk in memory, all zeros. size is a multiple of block_size, which is 512 or 4096.
 * Returns 0, -ENL_E_RANGE, -ENL_E_NOMEM. Thread: any. Allocates.
 */
ENL_MUST_CHECK int enlb_memory_create(uint64_t size, uint32_t block_size,
                                      struct enlh_block *out);
void enlb_memory_destroy(struct enlh_block *block);

/* Its bytes, info().size of them, for tests. Valid until destroy. Thread: any. */
uint8_t *enlb_memory_bytes(const struct enlh_block *block);

/*
 * A disk that passes everything on to another, and writes down in fd each write, flush,
 * discard and zeroing with its begin and its end, for enlight/backend/trace.h to read. fd
 * is an empty file, or a block device that begins with zeros. Copies *inner; destroy calls
 * release for it (optional: it is the caller's). Takes both and fd when it succeeds. When
 * the trace cannot be written any more, what would change the disk fails.
 * Returns 0, -ENL_E_NOMEM, -ENL_E_NOSPC, -ENL_E_IO. Thread: any. Allocates; blocks for the
 * time of a write.
 */
ENL_MUST_CHECK int enlb_record_create(const struct enlh_block *inner,
                                      void (*release)(struct enlh_block *inner), int fd,
                                      struct enlh_block *out);
/* 0, or why the trace is not whole. Thread: any. */
int enlb_record_error(const struct enlh_block *block);
/* Every queue is closed. Thread: any. */
void enlb_record_destroy(struct enlh_block *block);

#ifdef __cplusplus
}
#endif
#endif
