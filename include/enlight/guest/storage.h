/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/storage.h - a synthetic SCSI controller (ENL_GUID_SCSI), and its disks
 *
 * Start it when its first channel comes. It opens the channel, agrees on a version and is
 * READY; then requests go out and come back through enlg_storage_poll(). Each request is
 * the caller's storage until its done(). Data moves straight between the disk and the
 * caller's memory, whose pages the host is told for the time of the request.
 *
 * Each channel is a queue with requests and a thread of its own. The first belongs to the
 * controller; for others set sub_channels, and start a queue on each sub-channel that the
 * host then offers. Any disk can be reached through any queue.
 *
 * Nothing here waits, allocates or needs an interrupt, and a frame is at most 512 bytes. A
 * boot loader with interrupts off and one stack goes round in enlg_vmbus_poll() and
 * enlg_storage_poll() until is_ready() or its request's done().
 *
 * Threads as in enlight/guest/vmbus.h.
 */
#ifndef ENLIGHT_GUEST_STORAGE_H
#define ENLIGHT_GUEST_STORAGE_H

#include "enlight/abi/scsi.h"
#include "enlight/abi/storage.h"
#include "enlight/guest/channel.h"
#include "enlight/guest/requests.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_storage_queue {
    uint64_t opaque[28];
};

struct enlg_storage {
    uint64_t opaque[40];
};

enum enlg_storage_event {
    ENLG_STORAGE_READY, /* requests are taken. Thread: channel */
    /* Disks came, went or changed: ask what is there. Thread: channel, of any queue */
    ENLG_STORAGE_RESCAN,
    /* The host took the channel away, or did not open it: stop. Thread: bus */
    ENLG_STORAGE_LOST,
    /*
     * The requests are done, ring and slots are the caller's; of a controller after all of
     * its queues. Thread: bus
     */
    ENLG_STORAGE_STOPPED,
};

struct enlg_storage_config {
    size_t size;
    void *ring;        /* send_len + recv_len bytes, page aligned */
    uint32_t send_len; /* bytes, as struct enlg_channel_config */
    uint32_t recv_len;
    uint32_t vp;                     /* VP index to interrupt */
    struct enlg_request_slot *slots; /* one for each request in flight; borrowed */
    uint32_t slot_count;             /* 1 to 65535 */
    uint64_t *pfns;                  /* room for the pages of one request; borrowed */
    uint32_t pfn_count; /* transfers are at most (pfn_count - 1) * 4096 bytes */
    /* Of a queue: LOST and STOPPED, with its own ctx. */
    void (*event)(void *ctx, struct enlg_storage *storage, enum enlg_storage_event event);
    void (*signal)(void *ctx); /* (optional) There is something to poll. Thread: any */
    void *ctx;
    uint16_t sub_channels; /* to ask the host for, beside the first. Not of a queue */
};

/*
 * Open the channel and start. Copies config. Returns 0, or -ENL_E_INVAL, or as
 * enlg_channel_open(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_storage_start(struct enlg_storage *storage,
                                      struct enlg_channel *channel,
                                      const struct enlg_storage_config *config);
/*
 * Close, after the queues that are left; requests in flight end with -ENL_E_CANCELED, then
 * STOPPED. Nobody polls any more. When the kernel abandons the bus they end with
 * -ENL_E_TIMEDOUT, and their memory may still be the host's.
 * Returns as enlg_channel_close(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_storage_stop(struct enlg_storage *storage);

/*
 * Take at most 64 answers, call their done(), send what was submitted. Works with
 * interrupts off. Returns how many answers; -ENL_E_CONNRESET: not open any more;
 * -ENL_E_PROTO: the host broke the protocol; -ENL_E_NOTSUP: no common version; on each,
 * enlg_storage_stop(). Thread: channel.
 */
int enlg_storage_poll(struct enlg_storage *storage);

/* Thread: any. */
bool enlg_storage_is_ready(const struct enlg_storage *storage);
/* Bytes that one request may move. Thread: channel, when ready. */
uint32_t enlg_storage_max_transfer(const struct enlg_storage *storage);
/* ENL_STORAGE_VERSION_* agreed on. Thread: channel, when ready. */
uint16_t enlg_storage_version(const struct enlg_storage *storage);
/* Sub-channels that the host agreed to offer. Thread: channel, when ready. */
uint16_t enlg_storage_sub_channels(const struct enlg_storage *storage);

/* ---- more queues: as the functions of the controller, on a channel of their own ---- */

/*
 * Open a sub-channel of the controller; its own pfn_count also bounds its transfers.
 * Returns as enlg_storage_start(); -ENL_E_INVAL also: no sub-channel of this controller;
 * -ENL_E_NOSPC: more than were wanted. Thread: bus.
 */
ENL_MUST_CHECK int enlg_storage_queue_start(struct enlg_storage_queue *queue,
                                            struct enlg_storage *storage,
                                            struct enlg_channel *channel,
                                            const struct enlg_storage_config *config);
ENL_MUST_CHECK int enlg_storage_queue_stop(struct enlg_storage_queue *queue);
int enlg_storage_queue_poll(struct enlg_storage_queue *queue);
/* The queue of the controller's first channel. */
struct enlg_storage_queue *enlg_storage_queue_first(struct enlg_storage *storage);

/* ---- requests ---- */

struct enlg_storage_io;
/* The request is the caller's again. Thread: channel, or bus for one that did not end. */
typedef void (*enlg_storage_done_fn)(void *ctx, struct enlg_storage_io *io);

/* One SCSI request. */
struct enlg_storage_io {
    /* ---- set by the caller, or by a function below ---- */
    uint8_t path, target, lun;
    uint8_t data_in; /* ENL_STORAGE_DATA_* */
    uint8_t cdb_len;
    uint8_t cdb[ENL_SRB_CDB_LEN];
    void *data;        /* any address */
    uint32_t data_len; /* bytes */
    enlg_storage_done_fn done;
    void *ctx;
    /* ---- set before done ---- */
    /*
     * 0; -ENL_E_IO; -ENL_E_NODEV: no such disk; -ENL_E_ROFS; -ENL_E_RANGE: beyond the end;
     * -ENL_E_BUSY: once more, later, as after a unit attention; -ENL_E_CANCELED;
     * -ENL_E_TIMEDOUT: abandoned.
     */
    int result;
    uint32_t moved; /* bytes, never more than data_len */
    uint8_t srb_status, scsi_status;
    uint8_t sense_len;
    uint8_t sense[ENL_SRB_SENSE_LEN_8];
};

/*
 * Send a request; it starts with enlg_storage_kick() or the next poll. Returns 0, or
 *   -ENL_E_AGAIN     as many as can be are in flight: after the next done;
 *   -ENL_E_RANGE     longer than enlg_storage_max_transfer();
 *   -ENL_E_INVAL     not ready, or a field that cannot be;
 *   -ENL_E_CONNRESET, -ENL_E_PROTO: stop.
 * Thread: channel.
 */
ENL_MUST_CHECK int enlg_storage_submit(struct enlg_storage *storage,
                                       struct enlg_storage_io *io);
/* Show the host what was submitted. Returns 0, -ENL_E_CONNRESET, or as hypercall.h. */
ENL_MUST_CHECK int enlg_storage_kick(struct enlg_storage *storage);
ENL_MUST_CHECK int enlg_storage_queue_submit(struct enlg_storage_queue *queue,
                                             struct enlg_storage_io *io);
ENL_MUST_CHECK int enlg_storage_queue_kick(struct enlg_storage_queue *queue);

/* ---- fill in a request; path, target, lun, done and ctx are the caller's ---- */

/* Blocks of the disk from block lba on; data_len is block_count times the block size. */
void enlg_storage_read(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                       void *data, uint32_t data_len);
void enlg_storage_write(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                        const void *data, uint32_t data_len);
/* What was written before is on stable storage when this is done. */
void enlg_storage_flush(struct enlg_storage_io *io);
/* These blocks are not needed any more. list: bytes that the host reads until done. */
#define ENLG_STORAGE_DISCARD_LEN 24u
void enlg_storage_discard(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                          void *list);
/* Ask for the size; answer is ENLG_STORAGE_CAPACITY_LEN bytes for the calls below. */
#define ENLG_STORAGE_CAPACITY_LEN 32u
void enlg_storage_capacity(struct enlg_storage_io *io, void *answer);
/* Returns 0 with the disk's size, or -ENL_E_PROTO: not an answer that a disk gives. */
ENL_MUST_CHECK int enlg_storage_capacity_parse(const struct enlg_storage_io *io,
                                               uint64_t *block_count,
                                               uint32_t *block_size);
/* The same answer says that the disk can discard. */
bool enlg_storage_capacity_discards(const struct enlg_storage_io *io);

/* Ask which LUNs this target has; io's lun does not matter. answer: 8 bytes and 8 a LUN. */
void enlg_storage_luns(struct enlg_storage_io *io, void *answer, uint32_t answer_len);
/* Up to max of them into luns. Returns how many, or -ENL_E_PROTO. */
ENL_MUST_CHECK int enlg_storage_luns_parse(const struct enlg_storage_io *io,
                                           uint8_t *luns, uint32_t max);

#ifdef __cplusplus
}
#endif
#endif
