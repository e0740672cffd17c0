/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/vmbus.h - the bus: connection, offers, channels, GPADLs
 *
 * The bus answers the guest's control messages, offers channels for devices, and lends
 * each open channel to a worker of the embedder. A device fills a struct
 * enlh_channel_ops; devices of this library (enlight/host/storage.h, ...) do that
 * themselves, and an embedder's own device uses the same interface.
 *
 * Guest messages arrive on VP threads, are copied to a bounded inbox, and are handled in
 * their order by enlh_vmbus_poll() on the loop thread.
 *
 * A channel's life: offered, opening (GPADL, OPEN), open with a worker, quiescing (the
 * worker lets go), closed, rescinded, released. Only the loop moves it from one to the
 * next; closing waits until the worker has acknowledged.
 */
#ifndef ENLIGHT_HOST_VMBUS_H
#define ENLIGHT_HOST_VMBUS_H

#include "enlight/abi/ring.h"
#include "enlight/host/memory.h"
#include "enlight/host/partition.h"
#include "enlight/host/vp.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_vmbus;
struct enlh_channel;

/* What the embedder does for the bus. */
struct enlh_vmbus_ops {
    size_t size;
    /* Have the loop thread call enlh_vmbus_poll() soon. Thread: any. */
    void (*loop_wake)(void *ctx);
    /*
     * The guest opened this channel. Give it a worker: a thread, or a turn of one, that
     * calls enlh_channel_run() once now and after each channel_wake(). A SignalEvent for
     * connection_id may be matched in the kernel and wake the worker directly; one that is
     * not arrives as channel_wake(). The channel is borrowed until channel_stop() returns.
     * Returns 0, or -ENL_E_NOMEM: the guest's open fails. Thread: loop.
     */
    int (*channel_start)(void *ctx, struct enlh_channel *channel, uint32_t connection_id);
    /* Take the worker away: on return it is not inside the channel. Thread: loop. */
    void (*channel_stop)(void *ctx, struct enlh_channel *channel, uint32_t connection_id);
    /* Have the worker call enlh_channel_run() soon. Thread: any. */
    void (*channel_wake)(void *ctx, struct enlh_channel *channel);
};

struct enlh_vmbus_config {
    size_t size;
    uint32_t max_version; /* newest ENL_VMBUS_VERSION_* that is accepted */
    uint64_t gpadl_limit; /* bytes that all GPADLs may cover; 0: as the real host */
    uint64_t offer_seed;  /* not 0: offers come in a random order from this seed */
};
void enlh_vmbus_config_defaults(struct enlh_vmbus_config *config);

/*
 * Put a bus on a partition that has the SynIC feature. Borrows partition, ops and ctx until
 * destroy; copies config. Returns 0 and an owned bus, or -ENL_E_INVAL, -ENL_E_NOMEM.
 * Thread: one, before the first VP runs.
 */
ENL_MUST_CHECK int enlh_vmbus_create(struct enlh_partition *partition,
                                     const struct enlh_vmbus_config *config,
                                     const struct enlh_vmbus_ops *ops, void *ctx,
                                     struct enlh_vmbus **out);
/* All channels must have been removed. Thread: one, no other inside. */
void enlh_vmbus_destroy(struct enlh_vmbus *bus);

/* Handle what waits, at most 64 messages. Returns true when more wait. Thread: loop. */
bool enlh_vmbus_poll(struct enlh_vmbus *bus);

/*
 * A machine reset, as if the guest had gone: channels close, GPADLs go, the connection is
 * forgotten; offers stay. Asks the workers to let go; done when
 * enlh_vmbus_idle() says so, after more polls. Thread: loop, no VP running.
 */
void enlh_vmbus_reset(struct enlh_vmbus *bus);
bool enlh_vmbus_idle(const struct enlh_vmbus *bus);

/*
 * Work that another thread hands to the loop: a device embeds one for each thing it may
 * ask for. Zeroed before its first use; fn and ctx are the device's, the rest is ours.
 */
struct enlh_deferred {
    void (*fn)(void *ctx); /* Thread: loop. May call anything that loop may. */
    void *ctx;
    struct enlh_deferred *next;
    bool queued;
};

/*
 * Have the loop call work->fn() once, soon, after everything deferred before it. Queued
 * already: nothing happens, and the one call is still to come. Borrows work until fn is
 * called or enlh_vmbus_undefer() returns. Thread: any; neither allocates nor waits.
 */
void enlh_vmbus_defer(struct enlh_vmbus *bus, struct enlh_deferred *work);
/* Take it back: on return fn will not be called for it any more. Thread: loop. */
void enlh_vmbus_undefer(struct enlh_vmbus *bus, struct enlh_deferred *work);

/* The partition that it was created on. Thread: any. */
struct enlh_partition *enlh_vmbus_partition(const struct enlh_vmbus *bus);

/* The version that the guest negotiated, 0 while there is none. Thread: loop. */
uint32_t enlh_vmbus_version(const struct enlh_vmbus *bus);

struct enlh_vmbus_counters {
    uint64_t messages;           /* from the guest, handled */
    uint64_t messages_malformed; /* short, unknown, or in a wrong state */
    uint64_t offers, rescinds, opens, closes;
    uint64_t gpadls;      /* there now */
    uint64_t gpadl_bytes; /* covered by them now */
};
void enlh_vmbus_counters(const struct enlh_vmbus *bus, struct enlh_vmbus_counters *out);

/* ---- devices ---- */

/* One packet from the guest, all of it copied or checked. Valid during the call. */
struct enlh_packet {
    uint16_t type; /* ENL_PACKET_* */
    bool wants_completion;
    uint64_t transaction_id;
    const void *payload; /* a private copy, 8-byte aligned */
    uint32_t payload_len;
    const struct enlh_span *spans; /* GPA-direct: the guest's buffer, in order */
    uint32_t span_count;
    uint64_t span_len; /* sum of the spans' lengths */
};

/*
 * One device's answers. dev is the pointer given to the offer. Loop functions and channel
 * functions of one channel never run at the same time; those of two channels of a device
 * may.
 */
struct enlh_channel_ops {
    size_t size;
    uint32_t
        max_payload;    /* longest payload in bytes that the device takes, up to 64 KiB */
    uint32_t max_spans; /* most spans in a packet, up to 8192 */
    /* (optional) The guest opens. Returns 0, or an error that OPEN_RESULT tells. Thread: loop. */
    int (*open)(void *dev, struct enlh_channel *channel);
    /* (optional) The worker is gone. Thread: loop. */
    void (*close)(void *dev, struct enlh_channel *channel);
    /*
     * One packet. Returns 0; -ENL_E_AGAIN: not now (offer it again on the next run); or
     * -ENL_E_PROTO: the guest broke the protocol, the channel is given up. Thread: channel.
     */
    int (*packet)(void *dev, struct enlh_channel *channel,
                  const struct enlh_packet *packet);
    /* (optional) Each run, before packets are read: completions, timers. Thread: channel. */
    void (*run)(void *dev, struct enlh_channel *channel);
    /* (optional) Each run, after packets were read: submit what was collected. Thread: channel. */
    void (*flush)(void *dev, struct enlh_channel *channel);
    /*
     * (optional) Let go: take no new work. Returns true when nothing is in flight any
     * more; else it is asked again on the next run. Thread: channel.
     */
    bool (*quiesce)(void *dev, struct enlh_channel *channel);
    /* (optional) The channel was rescinded and the guest has released it: the last call. Thread: loop. */
    void (*removed)(void *dev, struct enlh_channel *channel);
};

struct enlh_offer {
    size_t size;
    struct enl_guid type;     /* the class */
    struct enl_guid instance; /* unique for each (instance, subchannel) */
    uint16_t subchannel;      /* 0: the primary channel */
    uint16_t flags;           /* ENL_OFFER_* */
    uint16_t mmio_mib;
    uint16_t mmio_optional_mib;
    uint8_t user_defined[120];
    const char *name; /* for people: "scsi0"; copied, at most 31 characters */
};

/*
 * Offer a channel. Borrows ops and dev until removed(). Returns 0 and a channel that lives
 * until removed(), or -ENL_E_EXIST (that instance and subchannel is there),
 * -ENL_E_NOSPC (2047 channels), -ENL_E_NOMEM. Thread: loop, or one before the VPs run.
 */
ENL_MUST_CHECK int enlh_channel_offer(struct enlh_vmbus *bus,
                                      const struct enlh_offer *offer,
                                      const struct enlh_channel_ops *ops, void *dev,
                                      struct enlh_channel **out);
/*
 * Take the channel back, whatever it is doing: quiesce, RESCIND, and when the guest has
 * released the relid (or there is no guest) removed(). Thread: loop.
 */
void enlh_channel_rescind(struct enlh_channel *channel);

/*
 * The worker's turn. Returns
 *   ENLH_RUN_IDLE     sleep until the next wake;
 *   ENLH_RUN_MORE     the budget was used up: call again, after others had their turn;
 *   ENLH_RUN_STOPPED  the channel has let go: do not call again.
 * Thread: channel.
 */
enum enlh_run { ENLH_RUN_IDLE, ENLH_RUN_MORE, ENLH_RUN_STOPPED };
enum enlh_run enlh_channel_run(struct enlh_channel *channel);

/* Thread: any, while the channel lives. Have the worker run: a completion has come. */
void enlh_channel_wake(struct enlh_channel *channel);

/*
 * Send towards the guest. Packets of one run are published together when it ends, with one
 * fence and at most one interrupt; enlh_channel_publish() does it now.
 * Returns 0, or -ENL_E_AGAIN: no room; run() is called again when there is;
 * -ENL_E_MSGSIZE: never fits; -ENL_E_PROTO: the guest broke the ring, and nothing can be
 * sent any more. While the channel lets go, what the guest cannot be told any more is
 * dropped with 0. Thread: channel.
 */
ENL_MUST_CHECK int enlh_channel_complete(struct enlh_channel *channel,
                                         uint64_t transaction_id, const void *payload,
                                         uint32_t len);
ENL_MUST_CHECK int enlh_channel_send(struct enlh_channel *channel,
                                     uint64_t transaction_id, bool wants_completion,
                                     const void *payload, uint32_t len);
/*
 * Pieces of a buffer that the guest has lent (enlh_channel_gpadl()) and the two sides have
 * given a number; the guest answers with a completion when it is done with all of them.
 */
#define ENLH_PAGE_RANGES_MAX 4096u
struct enlh_page_ranges {
    uint16_t pageset_id;
    uint32_t count; /* 1 to ENLH_PAGE_RANGES_MAX */
    const struct enl_transfer_range *ranges;
};
ENL_MUST_CHECK int enlh_channel_send_pages(struct enlh_channel *channel,
                                           uint64_t transaction_id,
                                           const struct enlh_page_ranges *pages,
                                           const void *payload, uint32_t len);
void enlh_channel_publish(struct enlh_channel *channel);

/* Who it is. Thread: any, while the channel lives. */
struct enlh_partition *enlh_channel_partition(const struct enlh_channel *channel);
struct enlh_vmbus *enlh_channel_bus(const struct enlh_channel *channel);
uint32_t enlh_channel_relid(const struct enlh_channel *channel);
uint16_t enlh_channel_subchannel(const struct enlh_channel *channel);
const char *enlh_channel_name(const struct enlh_channel *channel);
uint32_t enlh_channel_target_vp(const struct enlh_channel *channel);
bool enlh_channel_is_open(const struct enlh_channel *channel);
/* A pointer of the device's, one for each channel. Thread: channel or loop. */
void enlh_channel_set_data(struct enlh_channel *channel, void *data);
void *enlh_channel_data(const struct enlh_channel *channel);
/* A pointer of the embedder's (its worker). Thread: loop, set in channel_start(). */
void enlh_channel_set_worker(struct enlh_channel *channel, void *worker);
void *enlh_channel_worker(const struct enlh_channel *channel);

struct enlh_channel_counters {
    uint64_t packets_in, packets_out; /* taken from and put into the rings */
    uint64_t signals_in;              /* runs of the worker */
    uint64_t signals_out;             /* event flags set */
    uint64_t ring_full;               /* sends that found no room */
};
void enlh_channel_counters(const struct enlh_channel *channel,
                           struct enlh_channel_counters *out);

/* The version of its protocol that a device has agreed with the guest: major << 16 | minor. */
void enlh_channel_set_protocol(struct enlh_channel *channel, uint32_t version);

/* ---- looking at all of it, for people ---- */

/* What a channel is and does. The ring's numbers are momentary, and 0 while it is closed. */
struct enlh_channel_info {
    const char *name;  /* valid while the channel lives */
    const char *state; /* "open"; static */
    struct enl_guid type, instance;
    uint32_t relid;
    uint16_t subchannel;
    bool is_open;
    uint32_t target_vp;          /* while it is open; ENL_VMBUS_VP_NO_INTERRUPT: none */
    uint32_t protocol;           /* major << 16 | minor; 0: none is agreed */
    uint32_t in_used, in_size;   /* bytes of the ring from the guest */
    uint32_t out_used, out_size; /* and of the one to it */
};
struct enlh_gpadl_info {
    uint32_t relid, handle;
    const char *state; /* static */
    uint64_t bytes;    /* of guest memory that it covers, in whole pages */
    uint32_t spans;
    bool is_ring;
};
typedef void (*enlh_channel_info_fn)(void *ctx, const struct enlh_channel *channel,
                                     const struct enlh_channel_info *info);
typedef void (*enlh_gpadl_info_fn)(void *ctx, const struct enlh_gpadl_info *info);
/*
 * Call fn for each, channels in the order of their offers. fn may offer and rescind
 * nothing. Thread: loop.
 */
void enlh_vmbus_each_channel(const struct enlh_vmbus *bus, enlh_channel_info_fn fn,
                             void *ctx);
void enlh_vmbus_each_gpadl(const struct enlh_vmbus *bus, enlh_gpadl_info_fn fn,
                           void *ctx);

/*
 * The bytes of a GPADL that the guest established on this channel, as spans (a NIC's
 * receive buffer). Returns 0 with the spans borrowed until the guest tears it down, which
 * waits until the channel has been quiesced; or -ENL_E_NOENT. Thread: channel or loop.
 */
ENL_MUST_CHECK int enlh_channel_gpadl(struct enlh_channel *channel, uint32_t handle,
                                      const struct enlh_span **spans,
                                      uint32_t *span_count);
/*
 * Give the spans back before the channel closes: a teardown that waits for them goes on.
 * Thread: channel or loop.
 */
void enlh_channel_gpadl_put(struct enlh_channel *channel, uint32_t handle);

#ifdef __cplusplus
}
#endif
#endif
