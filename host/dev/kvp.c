/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/kvp.c - read and write the guest's key-value pairs and addresses
 *
 * The embedder's requests wait in a bounded queue and go to the guest one at a time: the
 * guest can keep one only [Seen: Linux 6.12, hv_kvp.c]. A request that grows too old ends;
 * the next one then waits until the late answer has come, and is no better off with a guest
 * that never answers. The guest's answers are read with the checks of common/kvp.c: what is
 * no text ends a GET, and is passed over in a LIST, whose other items are worth having.
 * Tests: test/unit/kvp_requests.c, test/loop/contact.c, test/fuzz/kvp_session.c.
 */
#include <string.h>

#include "common/kvp.h"
#include "enlight/abi/guids.h"
#include "enlight/host/kvp.h"
#include "host/core/ops.h"
#include "host/dev/ic.h"

#define VERSION_4_0 0x00040000u
#define ITEMS_MAX   1024u /* of a LIST: a guest may have an item for every index */

/* Any field of the wire in UTF-8, and a zero. */
struct text {
    char key[768], value[3072];
};
struct ip_text {
    char adapter[384], address[3072], subnet[3072], gateway[1536], dns[3072];
};

struct request {
    struct request *next;
    enlh_kvp_fn fn;
    void *ctx;
    enum enlh_kvp_operation operation;
    uint32_t age; /* ticks without a word of the guest */
    bool sent;
    uint32_t len; /* of the body that follows */
    union {
        struct enl_kvp_item item;
        struct enl_kvp_delete gone;
        struct enl_kvp_enumerate list;
        struct enl_kvp_ip ip;
    } body; /* the shorter ones end before the union does */
};

struct enlh_kvp {
    struct enlh_ic ic; /* first */
    union {
        struct text item;
        struct ip_text ip;
    } text; /* the channel's: what an answer says */
    /* Under the lock. Only the channel, or the loop without one, takes from the queue. */
    struct request *first, **last;
    uint32_t count;
    uint32_t ticks; /* that have not been counted yet */
};

static struct enlh_kvp *
of(struct enlh_ic *ic)
{
    return (struct enlh_kvp *)ic;
}

static struct request *
first(struct enlh_kvp *kvp)
{
    struct request *request;

    enlh_ic_lock(&kvp->ic);
    request = kvp->first;
    enlh_ic_unlock(&kvp->ic);
    return request;
}

/* ---- into the wire's form ---- */

/* Returns the bytes that text takes, or as enl_kvp_write(). */
static int
encode(uint8_t *field, size_t len, const char *text)
{
    return enl_kvp_write(field, len, text ? text : "", len * 2);
}

static int
encode_key(uint8_t field[ENL_KVP_KEY_LEN], uint32_t *len, const char *key)
{
    int used = key && key[0] ? encode(field, ENL_KVP_KEY_LEN, key) : -ENL_E_INVAL;

    *len = used < 0 ? 0 : (uint32_t)used;
    return used < 0 ? used : 0;
}

static int
encode_value(struct request *request, const struct enlh_kvp_request *from)
{
    struct enl_kvp_value *data = &request->body.item.data;
    int used = encode(data->value, sizeof(data->value),
                      from->operation == ENLH_KVP_SET ? from->value : NULL);

    if (used < 0)
        return used;
    data->value_type = ENL_KVP_STRING;
    data->value_len = (uint32_t)used;
    return encode_key(data->key, &data->key_len, from->key);
}

static int
encode_delete(struct request *request, const struct enlh_kvp_request *from)
{
    struct enl_kvp_delete *gone = &request->body.gone;

    return encode_key(gone->key, &gone->key_len, from->key);
}

static int
encode_list(struct request *request, const struct enlh_kvp_request *from)
{
    (void)from;
    request->body.list.data.value_type = ENL_KVP_STRING;
    return 0;
}

/*
 * Linux's daemon compares letter by letter: a MAC address in capitals, an instance in small
 * ones. [Seen: Linux 6.1, tools/hv/hv_kvp_daemon.c]
 */
static void
spell(uint8_t *field, int len, char first)
{
    for (int i = 0; i < len; i += 2)
        if (field[i] >= first && field[i] < first + 26 && !field[i + 1])
            field[i] ^= 'a' ^ 'A';
}

static int
encode_ip(struct request *request, const struct enlh_kvp_request *from)
{
    struct enl_kvp_ip *to = &request->body.ip;
    const struct enlh_kvp_ip *ip = from->ip;
    bool set = from->operation == ENLH_KVP_SET_IP;
    int used;

    if (!ip || !ip->adapter || !ip->adapter[0])
        return -ENL_E_INVAL;
    to->families = (uint8_t)(ip->families & (ENL_KVP_IPV4 | ENL_KVP_IPV6));
    to->dhcp = set && ip->dhcp;
    used = encode(to->adapter, sizeof(to->adapter), ip->adapter);
    spell(to->adapter, used, set ? 'A' : 'a');
    if (used < 0 || !set)
        return used < 0 ? used : 0;
    used = encode(to->address, sizeof(to->address), ip->address);
    if (used >= 0)
        used = encode(to->subnet, sizeof(to->subnet), ip->subnet);
    if (used >= 0)
        used = encode(to->gateway, sizeof(to->gateway), ip->gateway);
    if (used >= 0)
        used = encode(to->dns, sizeof(to->dns), ip->dns);
    return used < 0 ? used : 0;
}

/* ---- how a request ends ---- */

static void
release(struct enlh_kvp *kvp, struct request *request)
{
    enlh_ops_free(kvp->ic.partition, request,
                  offsetof(struct request, body) + request->len);
}

/* Take it out of the queue, and tell. */
static void
finish(struct enlh_kvp *kvp, struct request *request, struct enlh_kvp_answer *answer)
{
    struct request **at;

    enlh_ic_lock(&kvp->ic);
    for (at = &kvp->first; *at != request; at = &(*at)->next)
        ;
    *at = request->next;
    if (!request->next)
        kvp->last = at;
    kvp->count--;
    enlh_ic_unlock(&kvp->ic);
    answer->last = true;
    request->fn(request->ctx, answer);
    release(kvp, request);
}

static void
finish_with(struct enlh_kvp *kvp, struct request *request, int result, uint32_t status)
{
    struct enlh_kvp_answer answer = {.result = result, .status = status};

    finish(kvp, request, &answer);
}

static int
result_of(uint32_t status)
{
    switch (status) {
    case ENL_IC_STATUS_SUCCESS:
        return 0;
    case ENL_IC_STATUS_NO_MORE_ITEMS:
    case ENL_IC_STATUS_NOT_FOUND:
        return -ENL_E_NOENT;
    case ENL_IC_STATUS_NOT_SUPPORTED:
        return -ENL_E_NOTSUP;
    case ENL_IC_STATUS_DEVICE_NOT_CONNECTED:
        return -ENL_E_NODEV;
    default:
        return -ENL_E_IO;
    }
}

/* ---- towards the guest ---- */

/* Every request grows older; the oldest of them end. */
static void
pass_time(struct enlh_kvp *kvp)
{
    struct request *request, *next;
    uint32_t ticks;

    enlh_ic_lock(&kvp->ic);
    ticks = kvp->ticks;
    kvp->ticks = 0;
    request = ticks ? kvp->first : NULL;
    for (struct request *each = request; each; each = each->next)
        each->age += ticks;
    enlh_ic_unlock(&kvp->ic);
    for (; request; request = next) {
        enlh_ic_lock(&kvp->ic);
        next = request->next;
        enlh_ic_unlock(&kvp->ic);
        if (request->age >= ENLH_KVP_TIMEOUT)
            finish_with(kvp, request, -ENL_E_TIMEDOUT, ENL_IC_STATUS_TIMEOUT);
    }
}

static void
kvp_run(struct enlh_ic *ic)
{
    struct enlh_kvp *kvp = of(ic);
    struct request *request;

    pass_time(kvp);
    while ((request = first(kvp)) && !request->sent) {
        int result = enlh_ic_request(ic, &request->body, request->len);

        if (result == -ENL_E_AGAIN)
            return;
        if (result < 0) {
            finish_with(kvp, request, result, ENL_IC_STATUS_FAIL);
            continue;
        }
        request->sent = true;
    }
}

/* ---- from the guest: bodies lie 4-byte aligned in a private copy ---- */

static int
read_value(struct enlh_kvp *kvp, const struct enl_kvp_value *data)
{
    return enl_kvp_read_value(data, kvp->text.item.value, sizeof(kvp->text.item.value));
}

static void
answer_get(struct enlh_kvp *kvp, struct request *request, const uint8_t *body)
{
    const struct enl_kvp_item *message = (const void *)body;
    struct text *text = &kvp->text.item;
    struct enlh_kvp_item item = {text->key, text->value};
    struct enlh_kvp_answer answer = {.item = &item};

    if (read_value(kvp, &message->data) < 0 ||
        enl_kvp_read_key(&request->body.item.data, text->key, sizeof(text->key)) < 0)
        finish_with(kvp, request, -ENL_E_PROTO, ENL_IC_STATUS_SUCCESS);
    else
        finish(kvp, request, &answer);
}

static void
answer_list(struct enlh_kvp *kvp, struct request *request, const uint8_t *body)
{
    const struct enl_kvp_enumerate *message = (const void *)body;
    struct text *text = &kvp->text.item;
    struct enlh_kvp_item item = {text->key, text->value};
    struct enlh_kvp_answer answer = {.item = &item};

    if (enl_kvp_read_key(&message->data, text->key, sizeof(text->key)) > 0 &&
        read_value(kvp, &message->data) >= 0)
        request->fn(request->ctx, &answer);
    else
        kvp->ic.refused++;
    request->sent = false;
    request->age = 0;
    if (++request->body.list.index == ITEMS_MAX)
        finish_with(kvp, request, -ENL_E_NOSPC, ENL_IC_STATUS_SUCCESS);
}

static bool
read_ip(struct ip_text *text, const struct enl_kvp_ip *message)
{
    const struct {
        const uint8_t *field;
        size_t len;
        char *out;
        size_t size;
    } all[] = {
        {message->adapter, sizeof(message->adapter), text->adapter,
         sizeof(text->adapter)},
        {message->address, sizeof(message->address), text->address,
         sizeof(text->address)},
        {message->subnet, sizeof(message->subnet), text->subnet, sizeof(text->subnet)},
        {message->gateway, sizeof(message->gateway), text->gateway,
         sizeof(text->gateway)},
        {message->dns, sizeof(message->dns), text->dns, sizeof(text->dns)},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (enl_kvp_read(all[i].field, all[i].len, all[i].out, all[i].size) < 0)
            return false;
    return true;
}

static void
answer_ip(struct enlh_kvp *kvp, struct request *request, const uint8_t *body)
{
    const struct enl_kvp_ip *message = (const void *)body;
    struct ip_text *text = &kvp->text.ip;
    struct enlh_kvp_ip ip = {.adapter = text->adapter,
                             .families = message->families,
                             .dhcp = message->dhcp != 0,
                             .address = text->address,
                             .subnet = text->subnet,
                             .gateway = text->gateway,
                             .dns = text->dns};
    struct enlh_kvp_answer answer = {.ip = &ip};

    if (read_ip(text, message))
        finish(kvp, request, &answer);
    else
        finish_with(kvp, request, -ENL_E_PROTO, ENL_IC_STATUS_SUCCESS);
}

static void
answer_done(struct enlh_kvp *kvp, struct request *request, const uint8_t *body)
{
    (void)body;
    finish_with(kvp, request, 0, ENL_IC_STATUS_SUCCESS);
}

static const struct {
    uint8_t code; /* on the wire */
    uint32_t len; /* of the message there */
    uint32_t version;
    int (*encode)(struct request *request, const struct enlh_kvp_request *from);
    void (*answer)(struct enlh_kvp *kvp, struct request *request, const uint8_t *body);
} operations[] = {
    [ENLH_KVP_GET] = {ENL_KVP_GET, ENL_KVP_ITEM_LEN, 0, encode_value, answer_get},
    [ENLH_KVP_SET] = {ENL_KVP_SET, ENL_KVP_ITEM_LEN, 0, encode_value, answer_done},
    [ENLH_KVP_DELETE] = {ENL_KVP_DELETE, ENL_KVP_ITEM_LEN, 0, encode_delete, answer_done},
    [ENLH_KVP_LIST] = {ENL_KVP_ENUMERATE, ENL_KVP_ITEM_LEN, 0, encode_list, answer_list},
    [ENLH_KVP_GET_IP] = {ENL_KVP_GET_IP, sizeof(struct enl_kvp_ip), VERSION_4_0,
                         encode_ip, answer_ip},
    [ENLH_KVP_SET_IP] = {ENL_KVP_SET_IP, sizeof(struct enl_kvp_ip), VERSION_4_0,
                         encode_ip, answer_done},
};

static int
kvp_answer(struct enlh_ic *ic, const struct enlh_ic_answer *answer)
{
    struct enlh_kvp *kvp = of(ic);
    struct request *request = first(kvp);
    int result = result_of(answer->status);

    /* Late: its request has ended, and kept the window closed for the next. */
    if (!request || !request->sent)
        return 0;
    if (result == -ENL_E_NOENT && request->operation == ENLH_KVP_LIST)
        finish_with(kvp, request, 0, answer->status);
    else if (result < 0)
        finish_with(kvp, request, result, answer->status);
    else if (answer->len < request->len)
        finish_with(kvp, request, -ENL_E_PROTO, answer->status);
    else
        operations[request->operation].answer(kvp, request, answer->body);
    return 0;
}

static void
kvp_closed(struct enlh_ic *ic)
{
    struct enlh_kvp *kvp = of(ic);
    struct request *request;

    while ((request = first(kvp)))
        finish_with(kvp, request, -ENL_E_CONNRESET, ENL_IC_STATUS_DEVICE_NOT_CONNECTED);
}

/* ---- the service ---- */

static const struct enlh_ic_service service = {
    .name = "kvp",
    .class_id = ENL_GUID_KVP,
    .instance = ENL_GUID_KVP_INSTANCE,
    .message_type = ENL_IC_KVP,
    .window = 1,
    .versions = {ENL_KVP_VERSION_1_0, ENL_KVP_VERSION_3_0, ENL_KVP_VERSION_4_0},
    .version_count = 3,
    .run = kvp_run,
    .answer = kvp_answer,
    .closed = kvp_closed,
};

int
enlh_kvp_create(struct enlh_vmbus *bus, const struct enlh_ic_config *config,
                struct enlh_kvp **out)
{
    struct enlh_ic *ic;
    int result = enlh_ic_create(bus, config, &service, sizeof(**out), &ic);

    if (result < 0)
        return result;
    of(ic)->last = &of(ic)->first;
    *out = of(ic);
    return 0;
}

void
enlh_kvp_destroy(struct enlh_kvp *kvp)
{
    enlh_ic_destroy(kvp ? &kvp->ic : NULL);
}

void
enlh_kvp_tick(struct enlh_kvp *kvp)
{
    bool wake;

    enlh_ic_lock(&kvp->ic);
    wake = kvp->ic.ready && kvp->first;
    if (wake)
        kvp->ticks++;
    enlh_ic_unlock(&kvp->ic);
    if (wake)
        enlh_channel_wake(kvp->ic.channel);
}

/* ---- the embedder's requests ---- */

/* Operation and pool are in the same place in every message. */
static int
fill(struct request *request, const struct enlh_kvp_request *from)
{
    request->fn = from->fn;
    request->ctx = from->ctx;
    request->operation = from->operation;
    request->len = operations[from->operation].len;
    request->body.item.header.operation = operations[from->operation].code;
    request->body.item.header.pool = (uint8_t)from->pool;
    return operations[from->operation].encode(request, from);
}

/* The lock is held. */
static int
enqueue(struct enlh_kvp *kvp, struct request *request)
{
    if (!kvp->ic.ready || kvp->count == ENLH_KVP_QUEUE)
        return -ENL_E_AGAIN;
    if (kvp->ic.version < operations[request->operation].version)
        return -ENL_E_NOTSUP;
    *kvp->last = request;
    kvp->last = &request->next;
    kvp->count++;
    return 0;
}

int
enlh_kvp_ask(struct enlh_kvp *kvp, const struct enlh_kvp_request *from)
{
    struct request *request;
    int result;

    if (from->size != sizeof(*from) || !from->fn || from->pool >= ENL_KVP_POOLS ||
        (size_t)from->operation >= sizeof(operations) / sizeof(operations[0]))
        return -ENL_E_INVAL;
    request = enlh_ops_alloc(kvp->ic.partition, offsetof(struct request, body) +
                                                    operations[from->operation].len);
    if (!request)
        return -ENL_E_NOMEM;
    result = fill(request, from);
    if (result == 0) {
        enlh_ic_lock(&kvp->ic);
        result = enqueue(kvp, request);
        enlh_ic_unlock(&kvp->ic);
    }
    if (result < 0)
        release(kvp, request);
    else
        enlh_channel_wake(kvp->ic.channel);
    return result;
}
