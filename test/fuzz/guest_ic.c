/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session of a hostile host with the integration services: negotiations and requests of
 * any length and content, one service's to another, packets of any form, rescinds and
 * opens that fail, to heartbeat, shutdown, time and key-value pairs. The host makes it run;
 * the kernel polls, and stops what it is told to.
 *
 * Promises: an answer is as long as its question; the kernel goes down only after it said
 * yes; text for it ends within its field; a service stops once, and lets go of its memory.
 */
#include <stdlib.h>
#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/ic.h"
#include "enlight/guest/driver.h"
#include "enlight/guest/ic.h"
#include "enlight/guest/kvp.h"
#include "rig_kernel.h"

#define SERVICES 4u
#define BODY_MAX 8000u
#define ASKED    64u

enum service_kind { HEARTBEAT, SHUTDOWN, TIMESYNC, KVP };

struct service {
    struct enlg_ic *ic; /* NULL: not there */
    uint8_t *ring, *buffer;
    bool stopping;
    bool accepted;         /* of a shutdown */
    uint32_t asked[ASKED]; /* lengths of questions without an answer yet */
    uint32_t asked_first, asked_count;
};

struct session {
    struct kernel k;
    struct service services[SERVICES];
};

static struct session session;

/* ---- the kernel ---- */

static void
stopped(void *ctx)
{
    struct service *s = ctx;

    RIG_CHECK(s->ic);
    kernel_memory_free(&session.k, s->ring);
    free(s->buffer);
    free(s->ic);
    memset(s, 0, sizeof(*s));
}

static int
accept_shutdown(void *ctx, enum enlg_shutdown_kind kind, bool force)
{
    struct service *s = ctx;

    (void)force;
    RIG_CHECK(kind <= ENLG_SHUTDOWN_HIBERNATE);
    s->accepted = rig_below(&session.k.in, 2);
    return s->accepted ? 0 : -ENL_E_NOTSUP;
}

static void
go_down(void *ctx, enum enlg_shutdown_kind kind, bool force)
{
    struct service *s = ctx;

    (void)kind;
    (void)force;
    RIG_CHECK(s->accepted);
    s->accepted = false;
}

static const struct enlg_shutdown_ops shutdown_ops = {accept_shutdown, go_down};

static void
time_heard(void *ctx, const struct enlg_timesync_sample *sample)
{
    RIG_CHECK(ctx == &session.services[TIMESYNC] && sample);
}

static int
kvp_result(void)
{
    static const int results[] = {0, 0, 0, -ENL_E_NOENT, -ENL_E_NOTSUP, -ENL_E_IO};

    return results[rig_below(&session.k.in, 6)];
}

static int
kvp_get(void *ctx, uint32_t pool, struct enlg_kvp_item *item)
{
    (void)ctx;
    RIG_CHECK(pool < 8 && memchr(item->key, 0, sizeof(item->key)));
    /* The kernel's own text may be no UTF-8. */
    rig_bytes(&session.k.in, item->value, 16);
    return kvp_result();
}

static int
kvp_set(void *ctx, uint32_t pool, const struct enlg_kvp_item *item)
{
    (void)ctx;
    RIG_CHECK(pool < 8 && memchr(item->key, 0, sizeof(item->key)) &&
              memchr(item->value, 0, sizeof(item->value)));
    return kvp_result();
}

static int
kvp_remove(void *ctx, uint32_t pool, const char *key)
{
    (void)ctx;
    RIG_CHECK(pool < 8 && strlen(key) < ENLG_KVP_KEY_LEN);
    return kvp_result();
}

static int
kvp_list(void *ctx, uint32_t pool, uint32_t index, struct enlg_kvp_item *item)
{
    (void)ctx;
    (void)index;
    RIG_CHECK(pool < 8);
    memset(item, 'x', sizeof(*item)); /* without an end */
    return kvp_result();
}

static int
kvp_get_ip(void *ctx, struct enlg_kvp_ip *ip)
{
    (void)ctx;
    RIG_CHECK(memchr(ip->adapter, 0, sizeof(ip->adapter)));
    rig_bytes(&session.k.in, ip->address, 8);
    return kvp_result();
}

static int
kvp_set_ip(void *ctx, const struct enlg_kvp_ip *ip)
{
    (void)ctx;
    RIG_CHECK(memchr(ip->adapter, 0, sizeof(ip->adapter)) &&
              memchr(ip->address, 0, sizeof(ip->address)) &&
              memchr(ip->subnet, 0, sizeof(ip->subnet)) &&
              memchr(ip->gateway, 0, sizeof(ip->gateway)) &&
              memchr(ip->dns, 0, sizeof(ip->dns)));
    return kvp_result();
}

static const struct enlg_kvp_ops kvp_ops = {kvp_get,  kvp_set,    kvp_remove,
                                            kvp_list, kvp_get_ip, kvp_set_ip};

static int
service_start(struct service *s, enum service_kind kind, struct enlg_channel *channel,
              const struct enlg_ic_config *config)
{
    switch (kind) {
    case HEARTBEAT:
        return enlg_heartbeat_start(s->ic, channel, config);
    case SHUTDOWN:
        return enlg_shutdown_start(s->ic, channel, config, &shutdown_ops);
    case TIMESYNC:
        return enlg_timesync_start(s->ic, channel, config, time_heard);
    default:
        return enlg_kvp_start(s->ic, channel, config, &kvp_ops);
    }
}

static int
probe(void *ctx, struct enlg_channel *channel)
{
    struct service *s = ctx;
    struct enlg_ic_config config = {.size = sizeof(config), .stopped = stopped, .ctx = s};
    int rc;

    if (s->ic)
        return -ENL_E_BUSY;
    s->ic = calloc(1, sizeof(*s->ic));
    s->buffer = aligned_alloc(8, ENLG_KVP_BUFFER_LEN);
    memset(s->buffer, 0, ENLG_KVP_BUFFER_LEN);
    s->ring = kernel_memory(&session.k, 2 * ENLG_IC_RING_LEN);
    config.ring = s->ring;
    config.buffer = s->buffer;
    rc = service_start(s, (enum service_kind)(s - session.services), channel, &config);
    if (rc)
        stopped(s);
    return rc;
}

static const struct enl_guid types[SERVICES] = {ENL_GUID_HEARTBEAT, ENL_GUID_SHUTDOWN,
                                                ENL_GUID_TIMESYNC, ENL_GUID_KVP};
static const struct enlg_driver drivers[SERVICES] = {
    {ENL_GUID_HEARTBEAT, probe, NULL, NULL, &session.services[HEARTBEAT]},
    {ENL_GUID_SHUTDOWN, probe, NULL, NULL, &session.services[SHUTDOWN]},
    {ENL_GUID_TIMESYNC, probe, NULL, NULL, &session.services[TIMESYNC]},
    {ENL_GUID_KVP, probe, NULL, NULL, &session.services[KVP]},
};

static void
bus_event(void *ctx, struct enlg_vmbus *bus, enum enlg_vmbus_event event,
          struct enlg_channel *channel)
{
    (void)ctx;
    (void)bus;
    (void)event;
    (void)channel;
}

static void
service_poll(struct service *s)
{
    int rc;

    if (!s->ic || s->stopping)
        return;
    rc = enlg_ic_poll(s->ic);
    RIG_CHECK(rc <= 16);
    if (rc >= 0)
        return;
    s->stopping = true;
    rc = enlg_ic_stop(s->ic);
    RIG_CHECK(rc <= 0);
}

/* ---- the host ---- */

struct question {
    struct enl_ic_message head;
    uint8_t body[BODY_MAX];
};

static uint32_t
make_negotiation(struct rig_input *in, uint8_t *body)
{
    struct enl_ic_negotiate n = {1 + rig_below(in, 3), 1 + rig_below(in, 3), 0};
    struct enl_ic_version v[6];

    for (uint32_t i = 0; i < 6; i++)
        v[i] = (struct enl_ic_version){(uint16_t)(1 + rig_below(in, 5)),
                                       (uint16_t)(rig_below(in, 4) / 3)};
    if (rig_below(in, 8) == 7)
        n.message_count = rig_u16(in);
    memcpy(body, &n, sizeof(n));
    memcpy(body + sizeof(n), v, sizeof(v));
    return sizeof(n) + sizeof(v);
}

/* Zeros, with a few bytes of the input here and there. */
static uint32_t
make_body(struct rig_input *in, enum service_kind kind, uint8_t *body)
{
    static const uint32_t lens[SERVICES] = {64, 2060, 64, 2580};
    uint32_t len = rig_below(in, 8) ? lens[kind] : rig_u16(in) % BODY_MAX;

    if (kind == KVP && rig_below(in, 4) == 3)
        len = 7428;
    body[0] = rig_u8(in);
    body[1] = rig_u8(in) % 8;
    for (uint32_t pokes = rig_below(in, 16); pokes; pokes--)
        body[rig_u16(in) % BODY_MAX] = rig_u8(in);
    if (kind == KVP)
        body[0] %= 7;
    if (kind == KVP && rig_below(in, 2)) { /* lengths, and the start of a key */
        body[4 + 4] = 4;
        body[4 + 8] = 2;
        rig_bytes(in, body + 4 + 12, 4);
    }
    return len;
}

static void
host_ask(struct service *s, enum service_kind kind, struct kernel_end *end)
{
    static const uint16_t message_types[SERVICES] = {ENL_IC_HEARTBEAT, ENL_IC_SHUTDOWN,
                                                     ENL_IC_TIMESYNC, ENL_IC_KVP};
    static struct question q;
    struct rig_input *in = &session.k.in;
    uint8_t how = rig_u8(in);
    uint32_t len, before = enl_ring_free(&end->to_guest);

    memset(&q, 0, sizeof(q));
    q.head.pipe.type = ENL_PIPE_DATA;
    q.head.ic.message_type = how & 3 ? message_types[kind] : ENL_IC_NEGOTIATE;
    if (q.head.ic.message_type == ENL_IC_NEGOTIATE)
        len = make_negotiation(in, q.body);
    else
        len = make_body(in, kind, q.body);
    q.head.ic.size = (uint16_t)len;
    q.head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST;
    if (how >= 0xF0)
        ((uint8_t *)&q.head)[rig_below(in, sizeof(q.head))] = rig_u8(in);
    kernel_put(end, ENL_PACKET_INBAND, how, &q, sizeof(q.head) + len);
    if (enl_ring_free(&end->to_guest) != before)
        s->asked[(s->asked_first + s->asked_count++) % ASKED] =
            (uint32_t)(sizeof(q.head) + len + 7) & ~7u;
}

static void
host_listen(struct service *s, struct kernel_end *end)
{
    struct enl_ring_packet taken;
    struct enl_ic_message head;

    /* What a service that is on its way out has answered is not known. */
    if (s->stopping || enl_ring_get(&end->from_guest, &taken) != 1)
        return;
    RIG_CHECK(s->asked_count && taken.payload_len == s->asked[s->asked_first]);
    s->asked_first = (s->asked_first + 1) % ASKED;
    s->asked_count--;
    RIG_CHECK(enl_ring_copy(&end->from_guest, &taken, taken.desc_len, &head,
                            sizeof(head)) == 0);
    RIG_CHECK(head.ic.flags == (ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE));
    (void)enl_ring_release(&end->from_guest);
}

static void
host_message(uint8_t kind)
{
    struct kernel *k = &session.k;
    uint32_t relid = 1 + (kind & 3);
    struct enl_vmbus_relid rescind = {.head.type = ENL_VMBUS_RESCIND_OFFER,
                                      .relid = relid};

    switch (kind >> 2 & 3) {
    case 0:
        kernel_settle(k);
        break;
    case 1:
        kernel_say(k, &rescind, sizeof(rescind));
        break;
    case 2:
        kernel_say_offer(k, relid, (uint8_t)relid, 0, types[kind & 3]);
        break;
    default:
        k->refuse = 1 + rig_u8(&k->in);
        break;
    }
}

static void
step(void)
{
    uint8_t kind = rig_u8(&session.k.in);
    uint32_t which = kind & 3;
    struct service *s = &session.services[which];
    struct kernel_end *end = kernel_end_of(&session.k, 1 + which);

    switch (kind >> 2 & 15) {
    case 0:
        host_message(kind >> 4 ^ kind);
        break;
    case 1:
        if (end && rig_below(&session.k.in, 8) == 7) {
            kernel_put_any(&session.k, end);
            s->stopping = true;
            if (s->ic)
                (void)enlg_ic_poll(s->ic);
            if (s->ic)
                RIG_CHECK(enlg_ic_stop(s->ic) <= 0);
        }
        break;
    case 2:
    case 3:
    case 4:
        service_poll(s);
        break;
    case 5:
    case 6:
        if (end)
            host_listen(s, end);
        break;
    default:
        if (end && !s->stopping && s->asked_count < ASKED)
            host_ask(s, (enum service_kind)which, end);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kernel *k = &session.k;

    memset(&session, 0, sizeof(session));
    kernel_init(k, data, size);
    k->config.event = bus_event;
    k->config.drivers = drivers;
    k->config.driver_count = SERVICES;
    kernel_connect(k, ENL_VMBUS_VERSION_WS2022);
    for (uint32_t i = 0; i < SERVICES; i++)
        kernel_say_offer(k, 1 + i, (uint8_t)(1 + i), 0, types[i]);
    kernel_settle(k);
    for (uint32_t i = 0; i < SERVICES; i++)
        RIG_CHECK(session.services[i].ic);
    for (uint32_t i = 0; k->in.left > 0 && i < 300; i++)
        step();
    k->refuse = 0;
    kernel_stop(k);
    for (uint32_t i = 0; i < SERVICES; i++)
        RIG_CHECK(!session.services[i].ic);
    return 0;
}
