/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/ic.h - what the integration services share: a channel that asks
 *
 * The host asks and the guest answers. A service is a table, and a structure that begins
 * with struct enlh_ic. Everything here belongs to the channel's thread (and to the loop
 * while there is no worker), but for what is said to be under the lock.
 *
 *   closed --open--> asking --list sent--> waiting --common version--> running
 *      ^                                      |--none--> rejected
 *      +---------------- close, from any state
 */
#ifndef HOST_DEV_IC_H
#define HOST_DEV_IC_H

#include "common/bitmap.h"
#include "enlight/abi/ic.h"
#include "enlight/host/ic.h"

enum enlh_ic_state {
    ENLH_IC_STATE_CLOSED,   /* the guest has not opened the channel */
    ENLH_IC_STATE_ASKING,   /* the list of versions is to be sent */
    ENLH_IC_STATE_WAITING,  /* ... its answer is to come */
    ENLH_IC_STATE_RUNNING,  /* versions are agreed */
    ENLH_IC_STATE_REJECTED, /* there is no common version: nothing more is said */
};

#define ENLH_IC_IDS      256u  /* transaction_id has 8 bits */
#define ENLH_IC_BODY_MAX 7428u /* of what the host sends: addresses (KVP) */
#define ENLH_IC_VERSIONS 4u    /* of one service */

struct enlh_ic;

/* An answer whose frame and transaction have been checked. */
struct enlh_ic_answer {
    uint64_t number; /* what enlh_ic_next() said before the request was sent */
    uint32_t status; /* ENL_IC_STATUS_ */
    const uint8_t *body;
    uint32_t len;
};

struct enlh_ic_service {
    const char *name;
    struct enl_guid class_id, instance;
    uint16_t message_type; /* ENL_IC_ */
    uint16_t window;       /* requests without an answer, at most */
    struct enl_ic_version versions[ENLH_IC_VERSIONS]; /* oldest first */
    uint32_t version_count;
    /* (optional) Versions are agreed. */
    void (*ready)(struct enlh_ic *ic);
    /* Each run while versions are agreed: send what is due. */
    void (*run)(struct enlh_ic *ic);
    /* Returns 0, or -ENL_E_PROTO: that is no answer to it; it is counted and ignored. */
    int (*answer)(struct enlh_ic *ic, const struct enlh_ic_answer *answer);
    /* (optional) Requests in flight get no answer any more. Thread: loop. */
    void (*closed)(struct enlh_ic *ic);
};

struct enlh_ic {
    const struct enlh_ic_service *service;
    struct enlh_ic_config config;
    struct enlh_partition *partition;
    struct enlh_channel *channel;
    size_t len; /* of the whole service, for its end */
    enum enlh_ic_state state;
    uint32_t offered;   /* versions, the oldest ones of the table */
    uint32_t framework; /* agreed, as major << 16 | minor */
    uint64_t sent;      /* requests since the opening, the negotiation first */
    uint64_t
        waiting[ENL_BITMAP_WORDS(ENLH_IC_IDS)]; /* transaction ids without an answer */
    uint32_t waiting_count;
    uint64_t refused; /* packets that were no answer to anything; for tests and traces */
    uint8_t buffer[sizeof(struct enl_ic_message) + ENLH_IC_BODY_MAX];

    void *
        lock; /* of what follows and what the services say; held for a few instructions */
    bool ready;       /* state is RUNNING */
    uint32_t version; /* agreed, as major << 16 | minor */
};

/*
 * Make a service of len bytes and offer it. Returns 0 and the service, or
 * -ENL_E_INVAL, -ENL_E_NOMEM, or as enlh_channel_offer(). Thread: loop.
 */
ENL_MUST_CHECK int enlh_ic_create(struct enlh_vmbus *bus,
                                  const struct enlh_ic_config *config,
                                  const struct enlh_ic_service *service, size_t len,
                                  struct enlh_ic **out);
/* Rescind; the memory goes when the guest has let go. Thread: loop. */
void enlh_ic_destroy(struct enlh_ic *ic);

void enlh_ic_lock(struct enlh_ic *ic);
void enlh_ic_unlock(struct enlh_ic *ic);

/* The number that the next request will have. Thread: channel. */
uint64_t enlh_ic_next(const struct enlh_ic *ic);
/*
 * Send a request with this body. Returns 0, or -ENL_E_AGAIN: the window is full (an answer
 * makes room) or the ring is (run() comes again), or as enlh_channel_send().
 * Thread: channel.
 */
ENL_MUST_CHECK int enlh_ic_request(struct enlh_ic *ic, const void *body, uint32_t len);

/* Tell the embedder. No lock is held. */
void enlh_ic_tell(struct enlh_ic *ic, enum enlh_ic_event event, uint32_t status);

#endif
