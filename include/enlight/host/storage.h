/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/storage.h - a synthetic SCSI controller and its disks
 *
 * The controller is one VMBus offer, and up to its sub-channel count more on request of
 * the guest. Disks are attached, detached and resized before the guest runs and while it
 * does.
 */
#ifndef ENLIGHT_HOST_STORAGE_H
#define ENLIGHT_HOST_STORAGE_H

#include "enlight/host/block.h"
#include "enlight/host/vmbus.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_storage;

struct enlh_storage_config {
    size_t size;
    struct enl_guid instance; /* unique for each controller */
    const char *name;         /* "scsi0"; copied */
    uint16_t max_subchannels; /* beside the primary channel; usually VPs - 1 */
    uint32_t max_transfer;    /* bytes, whole pages, below 32 MiB; 0: 4 MiB */
    uint32_t queue_depth;     /* requests in flight for each channel, to 4096; 0: 256 */
    /*
     * (optional) How a backend queue of this channel wakes its worker by descriptor.
     * Returns an eventfd that the worker waits for, or -1. Thread: loop.
     */
    int (*wake_fd)(void *ctx, struct enlh_channel *channel);
    void *wake_ctx;
};

struct enlh_disk {
    struct enlh_block block;   /* borrowed until destroy */
    uint8_t path, target, lun; /* path and target 0; lun 0 to 63 */
    bool readonly;             /* also when the backend could write */
    char vendor[9], product[17], revision[5], serial[33]; /* ASCII, for INQUIRY */
    uint8_t naa[8]; /* VPD 83h; all zero: made from the serial */
};

/*
 * Offer a controller. Copies config; borrows bus and wake_ctx until destroy. Returns 0 and
 * an owned controller, -ENL_E_INVAL for a bad config, or as enlh_channel_offer().
 * Thread: loop, or one before the VPs run.
 */
ENL_MUST_CHECK int enlh_storage_create(struct enlh_vmbus *bus,
                                       const struct enlh_storage_config *config,
                                       struct enlh_storage **out);
/*
 * Rescind; the memory goes when the guest has let go of every channel. done (optional) is
 * called then, on the loop thread. Take the disks out first, and destroy the controller when
 * enlh_storage_counters() stand still: Linux 6.1 waits without end for a request that was not
 * answered before the rescind. Thread: loop.
 */
void enlh_storage_destroy(struct enlh_storage *storage, void (*done)(void *ctx),
                          void *ctx);

/*
 * Attach a disk: channels that are open see it at once, and a guest that has a driver is
 * told to look. Copies disk. Returns 0, or
 *   -ENL_E_RANGE  path or target is not 0, or lun is above 63;
 *   -ENL_E_EXIST  that LUN has a disk;
 *   -ENL_E_INVAL  a name is no ASCII, or the backend's sizes make no disk;
 *   -ENL_E_NOMEM, -ENL_E_IO  no memory, or the backend opens no queue.
 * Thread: loop.
 */
ENL_MUST_CHECK int enlh_storage_attach(struct enlh_storage *storage,
                                       const struct enlh_disk *disk);

/*
 * Detach a disk: no new request reaches it, those in flight end and are answered, and the
 * guest is told to look. done (optional) is called on the loop thread, within a later
 * enlh_vmbus_poll(), when no channel uses the backend any more: then it may go, and the LUN
 * is free. A controller that is destroyed first does not call it. Returns 0, or
 * -ENL_E_NOENT: no disk there, or it is leaving already. Thread: loop.
 */
ENL_MUST_CHECK int enlh_storage_detach(struct enlh_storage *storage, uint8_t lun,
                                       void (*done)(void *ctx), void *ctx);

/*
 * The backend of a disk has another size: the guest is told by a unit attention, and to
 * look. Returns 0, -ENL_E_NOENT, or -ENL_E_INVAL: the backend's sizes make no disk, or its
 * block size has changed. Thread: loop.
 */
ENL_MUST_CHECK int enlh_storage_resize(struct enlh_storage *storage, uint8_t lun);

struct enlh_storage_counters {
    uint64_t reads, writes, flushes, discards, others; /* SRBs */
    uint64_t read_bytes, write_bytes;
    uint64_t errors;  /* that the host answered for the backend's trouble */
    uint64_t refused; /* the guest's malformed requests */
};
/* Thread: any; the numbers are momentary. */
void enlh_storage_counters(const struct enlh_storage *storage,
                           struct enlh_storage_counters *out);

#ifdef __cplusplus
}
#endif
#endif
