/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/storage.h - a synthetic SCSI controller (ENL_GUID_SCSI), and its disks
 *
 * Start it when its offer comes. It opens the channel, agrees on a version and is READY;
 * then requests go out and come back through enlg_storage_poll(). Each request is the
 * caller's storage until its done(). Data moves straight between the disk and the caller's
 * memory, whose pages the host is told for the time of the request.
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

struct enlg_storage {
    uint64_t opaque[40];
};

enum enlg_storage_event {
    ENLG_STORAGE_READY,  /* requests are taken. Thread: channel */
    ENLG_STORAGE_RESCAN, /* disks came or went. Thread: channel */
    ENLG_STORAGE_LOST,   /* the host took the controller away: stop it. Thread: bus */
    ENLG_STORAGE_STOPPED, /* all requests are done, the memory is the caller's. Thread: bus */
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
    void (*event)(void *ctx, struct enlg_storage *storage, enum enlg_storage_event event);
    void (*signal)(void *ctx); /* (optional) There is something to poll. Thread: any */
    void *ctx;
};

/*
 * Open the channel and start. Copies config. Returns 0, or -ENL_E_INVAL, or as
 * enlg_channel_open(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_storage_start(struct enlg_storage *storage,
                                      struct enlg_channel *channel,
                                      const struct enlg_storage_config *config);
/*
 * Close; requests in flight end with -ENL_E_CANCELED, then STOPPED. Nobody polls any more.
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

bool enlg_storage_is_ready(const struct enlg_storage *storage);
/* Bytes that one request may move. Thread: channel, when ready. */
uint32_t enlg_storage_max_transfer(const struct enlg_storage *storage);
/* ENL_STORAGE_VERSION_* agreed on. Thread: channel, when ready. */
uint16_t enlg_storage_version(const struct enlg_storage *storage);

struct enlg_storage_io;
/* The request is the caller's again. Thread: channel, or bus for one that was canceled. */
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
     * -ENL_E_BUSY: once more, later; -ENL_E_CANCELED.
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

/* ---- fill in a request; path, target, lun, done and ctx are the caller's ---- */

/* Blocks of the disk from block lba on; data_len is block_count times the block size. */
void enlg_storage_read(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                       void *data, uint32_t data_len);
void enlg_storage_write(struct enlg_storage_io *io, uint64_t lba, uint32_t block_count,
                        const void *data, uint32_t data_len);
/* What was written before is on stable storage when this is done. */
void enlg_storage_flush(struct enlg_storage_io *io);
/* Ask for the size; answer is ENLG_STORAGE_CAPACITY_LEN bytes for the call below. */
#define ENLG_STORAGE_CAPACITY_LEN 32u
void enlg_storage_capacity(struct enlg_storage_io *io, void *answer);
/* Returns 0 with the disk's size, or -ENL_E_PROTO: not an answer that a disk gives. */
ENL_MUST_CHECK int enlg_storage_capacity_parse(const struct enlg_storage_io *io,
                                               uint64_t *block_count,
                                               uint32_t *block_size);

#ifdef __cplusplus
}
#endif
#endif
