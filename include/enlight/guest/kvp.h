/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/kvp.h - key-value pairs: what the host may read of this guest, and write
 *
 * One more integration service (ENL_GUID_KVP), polled and stopped as enlight/guest/ic.h
 * says. The pools are the kernel's: the service asks for one item at a time and puts it in
 * the wire's form. All text is UTF-8 with a zero at its end.
 */
#ifndef ENLIGHT_GUEST_KVP_H
#define ENLIGHT_GUEST_KVP_H

#include "enlight/abi/kvp.h"
#include "enlight/guest/ic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that hold any key and any value of the wire: 3 of UTF-8 for 2 of UTF-16. */
#define ENLG_KVP_KEY_LEN   768u
#define ENLG_KVP_VALUE_LEN 3072u

struct enlg_kvp_item {
    char key[ENLG_KVP_KEY_LEN];
    char value[ENLG_KVP_VALUE_LEN]; /* numbers in decimal */
};

/* Lists are parted by semicolons. */
struct enlg_kvp_ip {
    char adapter[384]; /* its MAC address, or its instance in braces */
    uint32_t families; /* ENL_KVP_IPV4, ENL_KVP_IPV6 */
    bool dhcp;
    char address[1024];
    char subnet[1024];
    char gateway[512];
    char dns[1024];
};

/* The length of config.buffer: this service needs more than the others. */
#define ENLG_KVP_BUFFER_LEN (ENLG_IC_BUFFER_LEN + 4096u)

/*
 * The kernel's pools (ENL_KVP_POOL_*). Each is optional: the host hears that it is not
 * supported. Each returns 0, or
 *   -ENL_E_NOENT   no such item, index or adapter;
 *   -ENL_E_NOTSUP  not for this pool;
 *   anything else  a failure.
 * Items and addresses are borrowed for the call. Thread: channel.
 */
struct enlg_kvp_ops {
    /* Fill in the value of item->key. */
    int (*get)(void *ctx, uint32_t pool, struct enlg_kvp_item *item);
    int (*set)(void *ctx, uint32_t pool, const struct enlg_kvp_item *item);
    int (*remove)(void *ctx, uint32_t pool, const char *key);
    /* Fill in key and value of the item that has this index: 0 and up, without gaps. */
    int (*list)(void *ctx, uint32_t pool, uint32_t index, struct enlg_kvp_item *item);
    /* Fill in all but the adapter. */
    int (*get_ip)(void *ctx, struct enlg_kvp_ip *ip);
    int (*set_ip)(void *ctx, const struct enlg_kvp_ip *ip);
};

/*
 * Serve the pools; config.buffer has ENLG_KVP_BUFFER_LEN bytes. Borrows ops until the
 * service has stopped. Returns 0, or as enlg_channel_open(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_kvp_start(struct enlg_ic *ic, struct enlg_channel *channel,
                                  const struct enlg_ic_config *config,
                                  const struct enlg_kvp_ops *ops);

#ifdef __cplusplus
}
#endif
#endif
