/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/ic.h - the integration services: heartbeat, shutdown, time
 *
 * Each service is one channel (ENL_GUID_HEARTBEAT, ...). Start it when its offer comes; it
 * opens the channel, agrees on versions, and answers what the host asks. All of them
 * share one object and one polling entry, enlg_ic_poll(), which waits for nothing and
 * allocates nothing: a boot loader with interrupts off calls it as often as it likes.
 */
#ifndef ENLIGHT_GUEST_IC_H
#define ENLIGHT_GUEST_IC_H

#include "enlight/guest/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_ic {
    uint64_t opaque[24];
};

/* Bytes of each ring and of the buffer that are enough for these services. */
#define ENLG_IC_RING_LEN   16384u
#define ENLG_IC_BUFFER_LEN 8192u

struct enlg_ic_config {
    size_t size;
    void *ring;   /* 2 * ENLG_IC_RING_LEN bytes, page aligned */
    void *buffer; /* ENLG_IC_BUFFER_LEN bytes, 8-byte aligned; private */
    uint32_t vp;  /* VP index to interrupt */
    /* (optional) There is something to poll. Thread: any. */
    void (*signal)(void *ctx);
    /* (optional) The service ended: ring and buffer are the caller's again. Thread: bus. */
    void (*stopped)(void *ctx);
    void *ctx;
};

/* Answer the host's heartbeats. Returns 0, or as enlg_channel_open(). Thread: bus. */
ENL_MUST_CHECK int enlg_heartbeat_start(struct enlg_ic *ic, struct enlg_channel *channel,
                                        const struct enlg_ic_config *config);

enum enlg_shutdown_kind {
    ENLG_SHUTDOWN_POWER_OFF,
    ENLG_SHUTDOWN_RESTART,
    ENLG_SHUTDOWN_HIBERNATE,
};
struct enlg_shutdown_ops {
    /* (optional) Say 0 to do it, or -ENL_E_NOTSUP. Do not shut down here. Thread: channel. */
    int (*accept)(void *ctx, enum enlg_shutdown_kind kind, bool force);
    /* The host has the answer: go. Thread: channel. */
    void (*go)(void *ctx, enum enlg_shutdown_kind kind, bool force);
};
/* Obey the host's wish to shut down. ops is copied. Returns and thread as above. */
ENL_MUST_CHECK int enlg_shutdown_start(struct enlg_ic *ic, struct enlg_channel *channel,
                                       const struct enlg_ic_config *config,
                                       const struct enlg_shutdown_ops *ops);

/* One word of the host about the time. */
struct enlg_timesync_sample {
    uint64_t utc_100ns;       /* since 1601; less ENL_TIMESYNC_UNIX_EPOCH: since 1970 */
    uint64_t reference_100ns; /* of that moment, as enlg_clock_read(); 0: not told */
    bool sync;                /* set the clock; else a sample to discipline it */
};
typedef void (*enlg_timesync_fn)(void *ctx, const struct enlg_timesync_sample *sample);
/* Hear the time. Returns and thread as above; fn on the channel thread. */
ENL_MUST_CHECK int enlg_timesync_start(struct enlg_ic *ic, struct enlg_channel *channel,
                                       const struct enlg_ic_config *config,
                                       enlg_timesync_fn fn);

/*
 * Answer what waits, at most 16 messages. Returns how many; -ENL_E_CONNRESET: the host
 * took the channel away, or it is closed; -ENL_E_PROTO: the host broke the protocol; on
 * either, enlg_ic_stop(). Thread: channel.
 */
int enlg_ic_poll(struct enlg_ic *ic);
/*
 * Close; stopped() follows. Nobody polls any more. Returns as enlg_channel_close().
 * Thread: bus.
 */
ENL_MUST_CHECK int enlg_ic_stop(struct enlg_ic *ic);

/* The versions agreed on, major << 16 | minor; 0 before that. Thread: channel. */
uint32_t enlg_ic_framework(const struct enlg_ic *ic);
uint32_t enlg_ic_version(const struct enlg_ic *ic);
/* Requests answered, without negotiations. Thread: channel. */
uint64_t enlg_ic_answered(const struct enlg_ic *ic);

#ifdef __cplusplus
}
#endif
#endif
