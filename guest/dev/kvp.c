/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/kvp.c - the host reads and writes the kernel's key-value pairs
 *
 * Run by the host, through guest/dev/ic.c, with a private copy of its message, which
 * becomes the answer. A message shorter than its operation, a string that is not UTF-16
 * and a length beyond its field never reach the kernel. Text is decoded into the part of
 * the caller's buffer that lies behind the message.
 * Tests: test/unit/guest_kvp.c, test/loop/contact.c.
 */
#include "common/kvp.h"
#include "guest/dev/ic.h"

static const struct enl_ic_version versions[] = {ENL_KVP_VERSION_4_0, ENL_KVP_VERSION_3_0,
                                                 ENL_KVP_VERSION_1_0};

union scratch {
    struct enlg_kvp_item item;
    struct enlg_kvp_ip ip;
};
ENL_STATIC_ASSERT(sizeof(union scratch) <= ENLG_KVP_BUFFER_LEN - ENLG_IC_BUFFER_LEN,
                  "the text of any message fits behind it");

static union scratch *
scratch_of(struct ic *ic)
{
    return (void *)((uint8_t *)ic->config.buffer + ENLG_IC_BUFFER_LEN);
}

/* How the kernel's answer is told; none is what it lacks. */
static uint32_t
status_of(int result, uint32_t none)
{
    switch (result) {
    case 0:
        return ENL_IC_STATUS_SUCCESS;
    case -ENL_E_NOENT:
        return none;
    case -ENL_E_NOTSUP:
        return ENL_IC_STATUS_NOT_SUPPORTED;
    default:
        return ENL_IC_STATUS_FAIL;
    }
}

/* ---- items: data lies 4-byte aligned within the message ---- */

static uint32_t
key_read(const struct enl_kvp_value *data, struct enlg_kvp_item *item)
{
    return enl_kvp_read_key(data, item->key, sizeof(item->key)) > 0
               ? ENL_IC_STATUS_SUCCESS
               : ENL_IC_STATUS_INVALID_ARGUMENT;
}

static uint32_t
value_write(struct enl_kvp_value *data, const struct enlg_kvp_item *item)
{
    int len =
        enl_kvp_write(data->value, sizeof(data->value), item->value, sizeof(item->value));

    if (len < 0)
        return ENL_IC_STATUS_FAIL;
    data->value_type = ENL_KVP_STRING;
    data->value_len = (uint32_t)len;
    return ENL_IC_STATUS_SUCCESS;
}

static uint32_t
item_get(struct ic *ic, uint8_t *body)
{
    struct enl_kvp_item *message = (void *)body;
    struct enlg_kvp_item *item = &scratch_of(ic)->item;
    uint32_t status = key_read(&message->data, item);

    if (status != ENL_IC_STATUS_SUCCESS)
        return status;
    if (!ic->u.kvp->get)
        return ENL_IC_STATUS_NOT_SUPPORTED;
    item->value[0] = '\0';
    status = status_of(ic->u.kvp->get(ic->config.ctx, message->header.pool, item),
                       ENL_IC_STATUS_NO_MORE_ITEMS);
    return status == ENL_IC_STATUS_SUCCESS ? value_write(&message->data, item) : status;
}

static uint32_t
item_set(struct ic *ic, uint8_t *body)
{
    const struct enl_kvp_item *message = (const void *)body;
    struct enlg_kvp_item *item = &scratch_of(ic)->item;
    uint32_t status = key_read(&message->data, item);

    if (status != ENL_IC_STATUS_SUCCESS)
        return status;
    if (enl_kvp_read_value(&message->data, item->value, sizeof(item->value)) < 0)
        return ENL_IC_STATUS_INVALID_ARGUMENT;
    if (!ic->u.kvp->set)
        return ENL_IC_STATUS_NOT_SUPPORTED;
    return status_of(ic->u.kvp->set(ic->config.ctx, message->header.pool, item),
                     ENL_IC_STATUS_NO_MORE_ITEMS);
}

static uint32_t
item_delete(struct ic *ic, uint8_t *body)
{
    const struct enl_kvp_delete *message = (const void *)body;
    char *key = scratch_of(ic)->item.key;

    if (message->key_len > sizeof(message->key) ||
        enl_kvp_read(message->key, message->key_len, key, ENLG_KVP_KEY_LEN) <= 0)
        return ENL_IC_STATUS_INVALID_ARGUMENT;
    if (!ic->u.kvp->remove)
        return ENL_IC_STATUS_NOT_SUPPORTED;
    return status_of(ic->u.kvp->remove(ic->config.ctx, message->header.pool, key),
                     ENL_IC_STATUS_NO_MORE_ITEMS);
}

static uint32_t
item_list(struct ic *ic, uint8_t *body)
{
    struct enl_kvp_enumerate *message = (void *)body;
    struct enlg_kvp_item *item = &scratch_of(ic)->item;
    uint32_t status;
    int len;

    if (!ic->u.kvp->list)
        return ENL_IC_STATUS_NOT_SUPPORTED;
    item->key[0] = item->value[0] = '\0';
    status = status_of(
        ic->u.kvp->list(ic->config.ctx, message->header.pool, message->index, item),
        ENL_IC_STATUS_NO_MORE_ITEMS);
    if (status != ENL_IC_STATUS_SUCCESS)
        return status;
    len = enl_kvp_write(message->data.key, sizeof(message->data.key), item->key,
                        sizeof(item->key));
    if (len < 0)
        return ENL_IC_STATUS_FAIL;
    message->data.key_len = (uint32_t)len;
    return value_write(&message->data, item);
}

/* ---- addresses ---- */

static bool
ip_read(const struct enl_kvp_ip *message, struct enlg_kvp_ip *ip)
{
    ip->families = message->families;
    ip->dhcp = message->dhcp != 0;
    return enl_kvp_read(message->address, sizeof(message->address), ip->address,
                        sizeof(ip->address)) >= 0 &&
           enl_kvp_read(message->subnet, sizeof(message->subnet), ip->subnet,
                        sizeof(ip->subnet)) >= 0 &&
           enl_kvp_read(message->gateway, sizeof(message->gateway), ip->gateway,
                        sizeof(ip->gateway)) >= 0 &&
           enl_kvp_read(message->dns, sizeof(message->dns), ip->dns, sizeof(ip->dns)) >=
               0;
}

static bool
ip_write(struct enl_kvp_ip *message, const struct enlg_kvp_ip *ip)
{
    message->families = (uint8_t)ip->families;
    message->dhcp = ip->dhcp;
    return enl_kvp_write(message->address, sizeof(message->address), ip->address,
                         sizeof(ip->address)) >= 0 &&
           enl_kvp_write(message->subnet, sizeof(message->subnet), ip->subnet,
                         sizeof(ip->subnet)) >= 0 &&
           enl_kvp_write(message->gateway, sizeof(message->gateway), ip->gateway,
                         sizeof(ip->gateway)) >= 0 &&
           enl_kvp_write(message->dns, sizeof(message->dns), ip->dns, sizeof(ip->dns)) >=
               0;
}

static uint32_t
ip_get(struct ic *ic, uint8_t *body)
{
    struct enl_kvp_ip *message = (void *)body;
    struct enlg_kvp_ip *ip = &scratch_of(ic)->ip;
    uint32_t status;

    memset(ip, 0, sizeof(*ip));
    if (enl_kvp_read(message->adapter, sizeof(message->adapter), ip->adapter,
                     sizeof(ip->adapter)) < 0)
        return ENL_IC_STATUS_INVALID_ARGUMENT;
    if (!ic->u.kvp->get_ip)
        return ENL_IC_STATUS_NOT_SUPPORTED;
    status = status_of(ic->u.kvp->get_ip(ic->config.ctx, ip), ENL_IC_STATUS_NOT_FOUND);
    if (status != ENL_IC_STATUS_SUCCESS)
        return status;
    return ip_write(message, ip) ? ENL_IC_STATUS_SUCCESS : ENL_IC_STATUS_FAIL;
}

static uint32_t
ip_set(struct ic *ic, uint8_t *body)
{
    const struct enl_kvp_ip *message = (const void *)body;
    struct enlg_kvp_ip *ip = &scratch_of(ic)->ip;

    if (enl_kvp_read(message->adapter, sizeof(message->adapter), ip->adapter,
                     sizeof(ip->adapter)) < 0 ||
        !ip_read(message, ip))
        return ENL_IC_STATUS_INVALID_ARGUMENT;
    if (!ic->u.kvp->set_ip)
        return ENL_IC_STATUS_NOT_SUPPORTED;
    return status_of(ic->u.kvp->set_ip(ic->config.ctx, ip), ENL_IC_STATUS_NOT_FOUND);
}

/* ---- the service ---- */

static const struct {
    uint32_t len; /* of the message, at least */
    uint32_t (*fn)(struct ic *ic, uint8_t *body);
} operations[] = {
    [ENL_KVP_GET] = {sizeof(struct enl_kvp_item), item_get},
    [ENL_KVP_SET] = {sizeof(struct enl_kvp_item), item_set},
    [ENL_KVP_DELETE] = {sizeof(struct enl_kvp_delete), item_delete},
    [ENL_KVP_ENUMERATE] = {sizeof(struct enl_kvp_enumerate), item_list},
    [ENL_KVP_GET_IP] = {sizeof(struct enl_kvp_ip), ip_get},
    [ENL_KVP_SET_IP] = {sizeof(struct enl_kvp_ip), ip_set},
};

static uint32_t
kvp_request(struct ic *ic, uint8_t *body, uint32_t len)
{
    if (len < sizeof(struct enl_kvp_header))
        return ENL_IC_STATUS_FAIL;
    if (body[0] >= sizeof(operations) / sizeof(operations[0]))
        return ENL_IC_STATUS_NOT_SUPPORTED;
    if (body[1] >= ENL_KVP_POOLS || len < operations[body[0]].len)
        return ENL_IC_STATUS_INVALID_ARGUMENT;
    return operations[body[0]].fn(ic, body);
}

static const struct ic_service service = {
    .message_type = ENL_IC_KVP,
    .versions = versions,
    .version_count = sizeof(versions) / sizeof(versions[0]),
    .request = kvp_request,
};

int
enlg_kvp_start(struct enlg_ic *out, struct enlg_channel *channel,
               const struct enlg_ic_config *config, const struct enlg_kvp_ops *ops)
{
    memset(out, 0, sizeof(*out));
    ((struct ic *)out)->u.kvp = ops;
    return enlg_ic_start(out, channel, config, &service);
}
