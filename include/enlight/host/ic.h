/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/ic.h - the integration services: heartbeat, time synchronisation, shutdown
 *
 * Each service is one VMBus offer with the same framing and negotiation. Time is an
 * argument: the embedder calls enlh_ic_tick() of a service as often as its period says.
 */
#ifndef ENLIGHT_HOST_IC_H
#define ENLIGHT_HOST_IC_H

#include "enlight/host/vmbus.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_heartbeat;
struct enlh_timesync;
struct enlh_shutdown;

/* What a service tells its embedder. Thread: channel; what a close ends, loop. */
enum enlh_ic_event {
    ENLH_IC_READY,    /* negotiated: versions as major << 16 | minor */
    ENLH_IC_ALIVE,    /* heartbeat: the guest answered, after being new or lost */
    ENLH_IC_LOST,     /* heartbeat: no answer to several in a row */
    ENLH_IC_ACCEPTED, /* shutdown: the guest will shut down */
    /*
     * shutdown: the guest will not, or it closed the service with the request unanswered;
     * or, with version 0, a negotiation without a common version. status says why.
     */
    ENLH_IC_REFUSED,
};
typedef void (*enlh_ic_event_fn)(void *ctx, enum enlh_ic_event event, uint32_t framework,
                                 uint32_t version, uint32_t status);

struct enlh_ic_config {
    size_t size;
    uint32_t max_version;   /* newest to offer, as major << 16 | minor; 0: all */
    enlh_ic_event_fn event; /* (optional) */
    void *ctx;
};

/*
 * Each returns 0 and an owned service, or -ENL_E_INVAL (max_version is older than all), or
 * as enlh_channel_offer(). Copies config. Thread: as there.
 */
ENL_MUST_CHECK int enlh_heartbeat_create(struct enlh_vmbus *bus,
                                         const struct enlh_ic_config *config,
                                         struct enlh_heartbeat **out);
ENL_MUST_CHECK int enlh_timesync_create(struct enlh_vmbus *bus,
                                        const struct enlh_ic_config *config,
                                        struct enlh_timesync **out);
ENL_MUST_CHECK int enlh_shutdown_create(struct enlh_vmbus *bus,
                                        const struct enlh_ic_config *config,
                                        struct enlh_shutdown **out);
/* Rescind; the memory goes when the guest has let go. Thread: loop. */
void enlh_heartbeat_destroy(struct enlh_heartbeat *heartbeat);
void enlh_timesync_destroy(struct enlh_timesync *timesync);
void enlh_shutdown_destroy(struct enlh_shutdown *shutdown);

/* Send one heartbeat, and count the missing answers. Every 2 s. Thread: any. */
void enlh_heartbeat_tick(struct enlh_heartbeat *heartbeat);

/*
 * Tell the guest the time: in 100 ns since 1601-01-01 UTC, and the partition's reference
 * time of that moment. sync: the guest shall set its clock; else it is a sample.
 * Every 5 s a sample; sync after a resume, or on a user's word. The first that a guest gets
 * after it has opened the service is a sync by itself, and a sync that finds the service
 * closed is not forgotten. Thread: any.
 */
void enlh_timesync_tick(struct enlh_timesync *timesync, uint64_t utc_100ns,
                        uint64_t reference_100ns, bool sync);

enum enlh_shutdown_kind {
    ENLH_SHUTDOWN_POWEROFF,
    ENLH_SHUTDOWN_REBOOT,
    ENLH_SHUTDOWN_HIBERNATE
};
/*
 * Ask the guest to shut down. reason (optional) is text for people, cut at 2047 bytes.
 * Returns 0 (the answer is an event), or
 *   -ENL_E_AGAIN   the guest has not opened the service, or a request waits for its answer;
 *   -ENL_E_NOTSUP  the negotiated version has no such kind;
 *   -ENL_E_INVAL   no such kind.
 * Thread: any.
 */
ENL_MUST_CHECK int enlh_shutdown_request(struct enlh_shutdown *shutdown,
                                         enum enlh_shutdown_kind kind, bool force,
                                         const char *reason);

#ifdef __cplusplus
}
#endif
#endif
