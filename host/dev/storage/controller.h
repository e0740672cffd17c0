/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/storage/controller.h - a SCSI controller from the inside: what its rooms share
 *
 *   controller    the loop's: disks, ports, how many sub-channels the guest wants
 *   port          one for each channel that may be offered; outlives the channel's opening
 *   lane          a port while it is open: requests, spans, a backend queue for each disk
 *   request       one packet of the guest, until it has been answered
 *
 * A lane belongs to its channel's thread. The loop makes it and takes it away while there
 * is no worker. It adds a disk at any time by publishing a slot, and takes one away by
 * asking for it back: the slot is the loop's again when the thread has let it go.
 */
#ifndef ENLH_STORAGE_CONTROLLER_H
#define ENLH_STORAGE_CONTROLLER_H

#include <stdatomic.h>

#include "enlight/abi/storage.h"
#include "enlight/host/storage.h"
#include "host/dev/storage/scsi.h"

#define ENLH_STORAGE_TRANSFER    (4u << 20) /* bytes of one request, unless configured */
#define ENLH_STORAGE_DEPTH       256u
#define ENLH_STORAGE_DEPTH_MAX   4096u
#define ENLH_STORAGE_SUBCHANNELS 2046u /* a bus has no more beside the primary one */
#define ENLH_STORAGE_PAYLOAD_MAX 256u  /* more than any version sends */
#define ENLH_STORAGE_NAME_LEN    32u

/*
 * Spans of a small request are in the request. Larger ones take one of a few long arrays,
 * and wait when all are taken: few requests are large, and memory is bounded.
 */
#define ENLH_LANE_SPANS 24u
#define ENLH_LANE_LARGE 16u

struct enlh_lane;
struct enlh_lane_request;

/* What a disk's next command shall hear of; bits, any thread sets them. */
#define ENLH_ATTENTION_CAPACITY 0x1u
#define ENLH_ATTENTION_LUNS     0x2u

/* What a guest's driver shall be told; bits, for the primary channel's thread. */
#define ENLH_NEWS_ENUMERATE 0x1u
#define ENLH_NEWS_REMOVE    0x2u

/* A disk that has been attached, until no lane has a slot for it. */
struct enlh_storage_disk {
    struct enlh_scsi_unit unit;
    struct enlh_block block;
    uint8_t lun;
    atomic_uint attention; /* ENLH_ATTENTION_ */
    bool leaving;          /* it was detached */
    uint32_t holders;      /* loop: slots that were asked back and are not there yet */
    void (*done)(void *ctx);
    void *done_ctx;
};

/* Counted by a port's channel, read by any thread. */
struct enlh_port_counts {
    _Atomic uint64_t reads, writes, flushes, discards, others;
    _Atomic uint64_t read_bytes, write_bytes;
    _Atomic uint64_t errors, refused;
};

struct enlh_storage_port {
    struct enlh_port_counts counts;
    struct enlh_storage *storage;
    struct enlh_channel *channel; /* NULL: not offered */
    struct enlh_lane *lane;       /* NULL: not open */
    uint16_t index;               /* 0: the primary channel */
    bool rescinded;
    bool announced;    /* primary: people were told that a driver is there */
    uint8_t apart[64]; /* the counts of two channels share no cache line */
};

struct enlh_storage {
    struct enlh_vmbus *bus;
    struct enlh_partition *partition;
    struct enlh_storage_config config; /* completed; its name is the one below */
    char name[ENLH_STORAGE_NAME_LEN];
    uint32_t max_spans;
    struct enlh_channel_ops ops;
    struct enlh_storage_disk *disks[ENLH_SCSI_LUNS];
    struct enlh_storage_port *ports;
    uint32_t port_count;
    uint32_t offered; /* channels that exist, and one more while it is looking at them */
    atomic_uint wanted; /* sub-channels that the guest asked for */
    atomic_uint news;   /* ENLH_NEWS_ */
    struct enlh_deferred adjust;
    struct enlh_deferred collect; /* slots that lanes have let go */
    bool destroying;
    void (*done)(void *ctx);
    void *done_ctx;
};

/* Whose a slot is. */
enum enlh_slot_phase {
    ENLH_SLOT_FREE,   /* the loop's */
    ENLH_SLOT_USED,   /* the channel's thread has it */
    ENLH_SLOT_WANTED, /* ... and the loop has asked for it */
    ENLH_SLOT_BACK,   /* the thread does not touch it any more: the loop's again */
};

/* A disk as one lane sees it. The loop writes disk and queue while the slot is its own. */
struct enlh_lane_slot {
    struct enlh_storage_disk *disk;
    struct enlh_block_queue *queue;
    atomic_uint phase;  /* enum enlh_slot_phase */
    uint32_t in_flight; /* the thread's, and so is the next; 0 when it lets go */
    bool dirty;         /* submitted to, and not kicked yet */
};

enum enlh_lane_phase {
    ENLH_PHASE_BLOCK,    /* the backend has it */
    ENLH_PHASE_UNMAP,    /* the backend has one of its extents */
    ENLH_PHASE_ANSWERED, /* its packet is the answer, and waits for room in the ring */
};

struct enlh_lane_request {
    struct enlh_block_request block;
    struct enlh_lane *lane;
    struct enlh_lane_slot *slot;
    struct enlh_lane_request *next; /* free, or finished */
    struct enlh_span *large;        /* a long array that it holds, or NULL */
    uint64_t transaction_id;
    enum enlh_lane_phase phase;
    int result;
    uint32_t moved;                /* bytes of the guest's buffer, once it succeeds */
    uint16_t extent, extent_count; /* of an UNMAP */
    uint32_t packet_len;           /* as the guest sent it, at most the packet's size */
    struct enl_storage_packet packet; /* the guest's, then the answer, in place */
    union {
        struct enlh_span spans[ENLH_LANE_SPANS];
        struct enlh_scsi_extent extents[ENLH_SCSI_UNMAP_DESCRIPTORS];
    } u;
};

/* Where a lane is; a sub-channel's starts at READY. storvsp.c has the table. */
enum enlh_storvsp_state {
    ENLH_STORVSP_BEGIN,      /* just opened: BEGIN_INIT comes first */
    ENLH_STORVSP_VERSION,    /* no version agreed yet */
    ENLH_STORVSP_PROPERTIES, /* QUERY_PROPERTIES is next */
    ENLH_STORVSP_END,        /* sub-channels may be asked for; END_INIT is next */
    ENLH_STORVSP_READY,      /* requests */
};

struct enlh_lane {
    struct enlh_storage *storage;
    struct enlh_storage_port *port;
    struct enlh_channel *channel;
    enum enlh_storvsp_state state;
    uint16_t version; /* agreed, 0 before that */

    struct enlh_lane_request *requests; /* depth of them */
    uint32_t depth, fresh;              /* requests[fresh] and above were never used */
    struct enlh_lane_request *free;
    struct enlh_lane_request *finished, *finished_last;
    struct enlh_lane_request *reset; /* answered when nothing is in flight */
    uint32_t in_flight;              /* requests that backends have */

    struct enlh_span *large; /* ENLH_LANE_LARGE arrays of max_spans */
    struct enlh_span *large_free[ENLH_LANE_LARGE];
    uint32_t large_count;

    struct enlh_lane_slot slots[ENLH_SCSI_LUNS];
    atomic_uint slot_count;   /* the highest that was ever used, and one */
    atomic_uint wanted_slots; /* that the loop waits for */
    _Atomic(struct enlh_lane_slot *) by_lun[ENLH_SCSI_LUNS];

    uint8_t response[ENLH_SCSI_RESPONSE_MAX];
    uint8_t scratch[ENL_PAGE_SIZE]; /* parameters of the guest, for one command's time */
};

/* ---- storage.c ---- */

void *enlh_storage_alloc(const struct enlh_storage *storage, size_t len);
void enlh_storage_free(const struct enlh_storage *storage, void *memory, size_t len);
/* The guest wants this many sub-channels in all. Thread: channel. */
void enlh_storage_want(struct enlh_storage *storage, uint16_t count);

static inline void
enlh_storage_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ---- disk.c ---- */

/* Check what the embedder and the backend say of a disk. Returns 0, or -ENL_E_INVAL. */
ENL_MUST_CHECK int enlh_disk_describe(struct enlh_scsi_unit *unit,
                                      const struct enlh_disk *disk,
                                      const struct enlh_storage_config *config);

/* ---- lane.c ---- */

/* Open a lane with all disks. Returns 0, -ENL_E_NOMEM or a backend's error. Thread: loop. */
ENL_MUST_CHECK int enlh_lane_open(struct enlh_storage_port *port,
                                  struct enlh_channel *channel, struct enlh_lane **out);
/* Nothing is in flight. Thread: loop. */
void enlh_lane_close(struct enlh_lane *lane);
/*
 * Let a lane, open or being opened, use one more disk: prepare, then publish or cancel.
 * Returns as open. Thread: loop.
 */
ENL_MUST_CHECK int enlh_lane_prepare(struct enlh_lane *lane,
                                     struct enlh_storage_disk *disk);
void enlh_lane_publish(struct enlh_lane *lane);
void enlh_lane_cancel(struct enlh_lane *lane);
/* Ask for the slot of this disk; enlh_lane_collect() closes what came back. Thread: loop. */
void enlh_lane_want(struct enlh_lane *lane, struct enlh_storage_disk *disk);
void enlh_lane_collect(struct enlh_lane *lane);

/* An unused request, or NULL: try again after the next completion. Thread: channel. */
struct enlh_lane_request *enlh_lane_get(struct enlh_lane *lane);
void enlh_lane_put(struct enlh_lane_request *request);
/* A long array of spans for the request, or NULL: all are in use. Thread: channel. */
struct enlh_span *enlh_lane_get_large(struct enlh_lane_request *request);
/* Send its packet as the answer, now or when there is room. Thread: channel. */
void enlh_lane_answer(struct enlh_lane_request *request);
/* Give request->block to its slot's disk. Returns 0, or -ENL_E_AGAIN. Thread: channel. */
ENL_MUST_CHECK int enlh_lane_submit(struct enlh_lane_request *request);

/* Functions of struct enlh_channel_ops; dev is the port. */
void enlh_lane_run(void *dev, struct enlh_channel *channel);
void enlh_lane_flush(void *dev, struct enlh_channel *channel);
bool enlh_lane_quiesce(void *dev, struct enlh_channel *channel);

/* ---- storvsp.c ---- */

/* Send what the guest shall be told, as far as there is room. Thread: channel. */
void enlh_storvsp_tell(struct enlh_lane *lane);
int enlh_storvsp_packet(void *dev, struct enlh_channel *channel,
                        const struct enlh_packet *packet);

/* ---- srb.c ---- */

/*
 * Do the request's SRB: answer it, or submit it. packet has its buffer. Returns 0, or
 * -ENL_E_AGAIN with nothing done: offer it again. Thread: channel.
 */
ENL_MUST_CHECK int enlh_srb_execute(struct enlh_lane_request *request,
                                    const struct enlh_packet *packet);
/* The backend is done with it: true when its packet is the answer, false: more to do. */
bool enlh_srb_finish(struct enlh_lane_request *request);

#endif
