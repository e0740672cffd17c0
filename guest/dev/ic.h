/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/ic.h - what a service adds to the framing that all of them share
 */
#ifndef GUEST_DEV_IC_H
#define GUEST_DEV_IC_H

#include "enlight/abi/ic.h"
#include "enlight/guest/ic.h"
#include "enlight/guest/kvp.h"
#include "enlight/guest/packet.h"
#include "guest/core/core.h"

struct ic;

struct ic_service {
    uint16_t message_type;
    uint16_t version_count;
    const struct enl_ic_version *versions; /* newest first */
    /*
     * Answer a request in place: body has len bytes, all of them received. Returns an
     * ENL_IC_STATUS_*.
     */
    uint32_t (*request)(struct ic *ic, uint8_t *body, uint32_t len);
    /* (optional) The answer has been sent. */
    void (*answered)(struct ic *ic);
};

struct ic {
    struct enlg_channel *channel;
    const struct ic_service *service;
    struct enlg_ic_config config;
    union {
        struct enlg_shutdown_ops shutdown;
        enlg_timesync_fn timesync;
        const struct enlg_kvp_ops *kvp;
    } u;
    uint64_t answered;
    uint64_t transaction_id; /* of the answer that waits for room */
    uint32_t waiting_len;    /* bytes of it, 0: none waits */
    struct enl_ic_version framework;
    struct enl_ic_version version;
    uint8_t shutdown_kind; /* enum enlg_shutdown_kind */
    bool shutdown_force;
    bool shutdown_go;
    bool opened; /* set by the bus, read by the channel's thread */
};
ENLG_FITS(struct ic, struct enlg_ic);

int enlg_ic_start(struct enlg_ic *ic, struct enlg_channel *channel,
                  const struct enlg_ic_config *config, const struct ic_service *service);

#endif
