/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/kvp.h - key-value pairs: what the guest tells of itself, and is told
 *
 * One more integration service (enlight/host/ic.h). Requests are queued and go to the guest
 * one at a time; each ends with a call of its fn. All text is UTF-8 with a zero at its
 * end; what comes from the guest has been copied and checked.
 */
#ifndef ENLIGHT_HOST_KVP_H
#define ENLIGHT_HOST_KVP_H

#include "enlight/abi/kvp.h"
#include "enlight/host/ic.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_kvp;

/*
 * Offer the service; ENLH_IC_READY says that a guest takes requests. Returns 0 and an owned
 * service, or as enlh_heartbeat_create(). Copies config. Thread: as there.
 */
ENL_MUST_CHECK int enlh_kvp_create(struct enlh_vmbus *bus,
                                   const struct enlh_ic_config *config,
                                   struct enlh_kvp **out);
/* Rescind: what waits ends; the memory goes when the guest has let go. Thread: loop. */
void enlh_kvp_destroy(struct enlh_kvp *kvp);

struct enlh_kvp_item {
    const char *key;
    const char *value; /* numbers in decimal */
};

/* Lists are parted by semicolons. */
struct enlh_kvp_ip {
    /* GET_IP: "00:15:5D:..."; SET_IP: the NIC's instance, in braces. Capitals or not. */
    const char *adapter;
    uint32_t families; /* ENL_KVP_IPV4, ENL_KVP_IPV6 */
    bool dhcp;
    const char *address;
    const char *subnet; /* of each address: a mask, or a slash and its bits */
    const char *gateway;
    const char *dns;
};

enum enlh_kvp_operation {
    ENLH_KVP_GET,    /* key: its value. Linux's daemon answers with an empty one: LIST */
    ENLH_KVP_SET,    /* key, value */
    ENLH_KVP_DELETE, /* key */
    ENLH_KVP_LIST,   /* all items of the pool, at most 1024 */
    ENLH_KVP_GET_IP, /* ip->adapter; from version 4.0 */
    ENLH_KVP_SET_IP, /* ip; from version 4.0 */
};

/* Borrowed for the call. */
struct enlh_kvp_answer {
    /* Nothing more comes. Not so with each item of a LIST, which then ends without one. */
    bool last;
    /*
     * 0, or
     *   -ENL_E_NOENT      no such item, or no such adapter;
     *   -ENL_E_NOTSUP     the guest has no such pool or operation;
     *   -ENL_E_NODEV      nobody in the guest serves its pools;
     *   -ENL_E_IO         the guest failed, as status says;
     *   -ENL_E_PROTO      its answer cannot be read;
     *   -ENL_E_NOSPC      a LIST was cut off;
     *   -ENL_E_TIMEDOUT   no answer within ENLH_KVP_TIMEOUT ticks;
     *   -ENL_E_CONNRESET  the guest closed the service, or its owner destroys it.
     */
    int result;
    uint32_t status;                  /* the guest's word, ENL_IC_STATUS_ */
    const struct enlh_kvp_item *item; /* GET and LIST, or NULL */
    const struct enlh_kvp_ip *ip;     /* GET_IP, or NULL */
};
/* May ask again. Thread: channel, or the loop when the service ends. */
typedef void (*enlh_kvp_fn)(void *ctx, const struct enlh_kvp_answer *answer);

struct enlh_kvp_request {
    size_t size;
    enum enlh_kvp_operation operation;
    uint32_t pool; /* ENL_KVP_POOL_ */
    const char *key;
    const char *value; /* NULL: empty */
    const struct enlh_kvp_ip *ip;
    enlh_kvp_fn fn;
    void *ctx;
};

#define ENLH_KVP_QUEUE   16u /* requests, with the one under way */
#define ENLH_KVP_TIMEOUT 60u /* ticks; Linux gives its daemon 30 s */

/*
 * Ask the guest. Copies the request. Returns 0 (fn will be called), or
 *   -ENL_E_AGAIN    no guest has opened the service, or the queue is full;
 *   -ENL_E_NOTSUP   the version agreed on has no such operation;
 *   -ENL_E_INVAL    no such operation or pool, no key, or text that is not UTF-8;
 *   -ENL_E_MSGSIZE  text too long: 255 characters of a key, 1023 of a value;
 *   -ENL_E_NOMEM.
 * Thread: any.
 */
ENL_MUST_CHECK int enlh_kvp_ask(struct enlh_kvp *kvp,
                                const struct enlh_kvp_request *request);

/* A second has passed: requests without an answer grow old. Thread: any. */
void enlh_kvp_tick(struct enlh_kvp *kvp);

#ifdef __cplusplus
}
#endif
#endif
