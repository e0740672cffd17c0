/* SPDX-License-Identifier: BSD-2-Clause */
/* test/loop/pool.c - the guest's key-value pairs: one pool without gaps, and an adapter */
#include <string.h>

#include "test/loop/guest.h"

static struct enlg_kvp_item *
find(struct guest *guest, const char *key)
{
    for (uint32_t i = 0; i < GUEST_ITEMS; i++)
        if (strcmp(guest->items[i].key, key) == 0)
            return &guest->items[i];
    return NULL;
}

static int
pool_get(void *ctx, uint32_t pool, struct enlg_kvp_item *item)
{
    const struct enlg_kvp_item *found = find(ctx, item->key);

    if (pool != ENL_KVP_POOL_GUEST)
        return -ENL_E_NOTSUP;
    if (!found)
        return -ENL_E_NOENT;
    *item = *found;
    return 0;
}

static int
pool_set(void *ctx, uint32_t pool, const struct enlg_kvp_item *item)
{
    struct enlg_kvp_item *to = find(ctx, item->key);

    (void)pool;
    if (!to)
        to = find(ctx, "");
    if (!to)
        return -ENL_E_NOSPC;
    *to = *item;
    return 0;
}

static int
pool_remove(void *ctx, uint32_t pool, const char *key)
{
    struct guest *guest = ctx;
    struct enlg_kvp_item *found = find(guest, key);

    (void)pool;
    if (!found)
        return -ENL_E_NOENT;
    for (; found < &guest->items[GUEST_ITEMS - 1]; found++)
        *found = found[1];
    memset(found, 0, sizeof(*found));
    return 0;
}

static int
pool_list(void *ctx, uint32_t pool, uint32_t index, struct enlg_kvp_item *item)
{
    struct guest *guest = ctx;

    (void)pool;
    if (index >= GUEST_ITEMS || !guest->items[index].key[0])
        return -ENL_E_NOENT;
    *item = guest->items[index];
    return 0;
}

static int
pool_get_ip(void *ctx, struct enlg_kvp_ip *ip)
{
    (void)ctx;
    if (strcmp(ip->adapter, "00:15:5D:01:02:03") != 0)
        return -ENL_E_NOENT;
    ip->families = ENL_KVP_IPV4;
    strcpy(ip->address, "192.168.0.7");
    strcpy(ip->dns, "192.168.0.1");
    return 0;
}

const struct enlg_kvp_ops guest_pool_ops = {
    .get = pool_get,
    .set = pool_set,
    .remove = pool_remove,
    .list = pool_list,
    .get_ip = pool_get_ip,
};
