/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/vss.h - hold the guest's file systems still while its disks are copied
 *
 * One more integration service (enlight/host/ic.h). Freeze, wait for ENLH_VSS_FROZEN, copy,
 * thaw. Whatever goes wrong, the guest is told to thaw: when it refuses or does not answer
 * the freeze, when the embedder holds it longer than it said, and again and again while a
 * thaw finds nobody to do it.
 *
 *   THAWED --freeze--> CHECKING --yes--> FREEZING --yes--> FROZEN --thaw--> THAWING --+
 *     ^                  | no               | no, or silence  | held too long    |    |
 *     +------------------+                  +-----------------+-----------> THAWING   |
 *     +-------------------------------- thawed, or given up -----------------------+--+
 */
#ifndef ENLIGHT_HOST_VSS_H
#define ENLIGHT_HOST_VSS_H

#include "enlight/host/ic.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_vss;

/* Thread: channel; what a close ends, loop. May call freeze() and thaw(). */
enum enlh_vss_event {
    ENLH_VSS_READY,  /* a guest has opened the service */
    ENLH_VSS_FROZEN, /* nothing is written until the thaw: copy */
    ENLH_VSS_FAILED, /* the freeze came to nothing; status says why. A thaw is under way */
    ENLH_VSS_EXPIRED, /* held too long: a thaw is under way, and the copy is worth nothing */
    ENLH_VSS_THAWED, /* the end of each freeze. Status: success, or how it was given up */
};
/* status is an ENL_IC_STATUS_. */
typedef void (*enlh_vss_event_fn)(void *ctx, enum enlh_vss_event event, uint32_t status);

struct enlh_vss_config {
    size_t size;
    enlh_vss_event_fn event; /* (optional) */
    void *ctx;
};

/*
 * Offer the service. Returns 0 and an owned service, or as enlh_heartbeat_create(). Copies
 * config. Thread: as there.
 */
ENL_MUST_CHECK int enlh_vss_create(struct enlh_vmbus *bus,
                                   const struct enlh_vss_config *config,
                                   struct enlh_vss **out);
/* Rescind; a guest that is frozen then is not thawed: thaw first. Thread: loop. */
void enlh_vss_destroy(struct enlh_vss *vss);

/* Ticks. */
#define ENLH_VSS_HOLD         30u /* that a guest is held, unless it is said otherwise */
#define ENLH_VSS_HOLD_MAX     900u
#define ENLH_VSS_FREEZE_TICKS 60u /* for the answer to a freeze: much may be unwritten */
#define ENLH_VSS_THAW_TICKS   5u  /* from one thaw without success to the next */

#define ENLH_VSS_THAWS_MAX 12u

/*
 * Ask whether the guest can, and freeze it. hold: ticks from FROZEN until it is thawed by
 * itself; 0: ENLH_VSS_HOLD. Returns 0 (an event follows), or
 *   -ENL_E_AGAIN  no guest has opened the service;
 *   -ENL_E_BUSY   the last freeze has not ended with THAWED;
 *   -ENL_E_INVAL  hold is more than ENLH_VSS_HOLD_MAX.
 * Thread: any.
 */
ENL_MUST_CHECK int enlh_vss_freeze(struct enlh_vss *vss, uint32_t hold);
/*
 * Let the guest go on: from FROZEN, or to give up a freeze under way (which then ends as
 * FAILED). With none, it thaws what somebody else may have left frozen. Returns 0 (THAWED
 * follows), or -ENL_E_AGAIN: no guest has opened the service. Thread: any.
 */
ENL_MUST_CHECK int enlh_vss_thaw(struct enlh_vss *vss);

/* A second has passed. Thread: any. */
void enlh_vss_tick(struct enlh_vss *vss);

#ifdef __cplusplus
}
#endif
#endif
