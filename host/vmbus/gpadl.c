/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GPADLs: lists of guest memory that the guest gives to the host under a handle.
 *
 * Runs: the guest, by GPADL_HEADER, GPADL_BODY and GPADL_TEARDOWN on the loop; a channel's
 * worker looks a handle up. Trusts nothing: the ranges are assembled in our own memory,
 * checked as a whole, and turned into spans of guest memory, so that an address outside
 * it is refused once and for all. What a guest can make us hold is bounded three times:
 * guest memory covered, our own bytes, and the number of GPADLs.
 * A handle is unique in the whole connection, since GPADL_BODY and GPADL_TORNDOWN carry no
 * relid. One that a channel still uses is torn down when its worker has let go.
 * [VMBus; no chapter in the TLFS] Tests: test/unit/vmbus_gpadl.c.
 */
#include <string.h>

#include "common/gparange.h"
#include "host/vmbus/channel.h"

/*
 * Policy: enough for 2047 channels with a ring and two buffers each, and for the whole
 * quota of guest memory in pages that are scattered one by one.
 */
#define ENLH_GPADL_COUNT_MAX 8192u
#define ENLH_GPADL_HOST_MAX  (UINT64_C(16) << 20)

void
enlh_gpadl_init(struct enlh_vmbus *bus)
{
    for (uint32_t i = 0; i < ENLH_GPADL_BUCKETS; i++)
        enlh_list_init(&bus->gpadl_hash[i]);
    enlh_list_init(&bus->gpadl_strays);
    enlh_list_init(&bus->gpadl_torn);
    bus->quota.limit = bus->config.gpadl_limit;
}

/* Guests count their handles up. */
static struct enlh_link *
enlh_gpadl_bucket(struct enlh_vmbus *bus, uint32_t handle)
{
    return &bus->gpadl_hash[handle % ENLH_GPADL_BUCKETS];
}

static struct enlh_gpadl *
enlh_gpadl_find(struct enlh_vmbus *bus, uint32_t handle)
{
    struct enlh_link *head = enlh_gpadl_bucket(bus, handle);

    for (struct enlh_link *at = head->next; at != head; at = at->next) {
        struct enlh_gpadl *gpadl = ENLH_LIST_OF(at, struct enlh_gpadl, hash_link);

        if (gpadl->handle == handle)
            return gpadl;
    }
    return NULL;
}

/* ---- what they cost ---- */

static bool
enlh_gpadl_charge_host(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl, uint64_t len)
{
    if (len > ENLH_GPADL_HOST_MAX - bus->quota.host_bytes)
        return false;
    bus->quota.host_bytes += len;
    gpadl->host_charged += len;
    return true;
}

static void
enlh_gpadl_free_buf(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    if (!gpadl->buf)
        return;
    enlh_bus_free(bus, gpadl->buf, gpadl->buf_len);
    bus->quota.host_bytes -= gpadl->buf_len;
    gpadl->host_charged -= gpadl->buf_len;
    gpadl->buf = NULL;
}

/* Give back all but the few bytes that remember which TORNDOWN is to be sent. */
static void
enlh_gpadl_release(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    enlh_gpadl_free_buf(bus, gpadl);
    if (gpadl->spans)
        enlh_bus_free(bus, gpadl->spans, gpadl->span_count * sizeof(*gpadl->spans));
    bus->quota.host_bytes -= gpadl->host_charged;
    bus->quota.bytes -= gpadl->charged;
    gpadl->spans = NULL;
    gpadl->span_count = 0;
    gpadl->host_charged = 0;
    gpadl->charged = 0;
}

static void
enlh_gpadl_unlink(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    enlh_bus_lock(bus, bus->gpadl_lock);
    enlh_list_remove(&gpadl->owner_link);
    enlh_bus_unlock(bus, bus->gpadl_lock);
    enlh_list_remove(&gpadl->hash_link);
}

static void
enlh_gpadl_free(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    enlh_gpadl_unlink(bus, gpadl);
    enlh_list_remove(&gpadl->torn_link);
    enlh_gpadl_release(bus, gpadl);
    bus->quota.count--;
    enlh_bus_free(bus, gpadl, sizeof(*gpadl));
}

/*
 * Make room for a GPADL of that many bytes of ranges. The page numbers in them are charged
 * before they have come: a guest cannot begin more than it could finish.
 */
static struct enlh_gpadl *
enlh_gpadl_new(struct enlh_vmbus *bus, uint32_t buf_len, uint32_t range_count)
{
    struct enlh_gpadl_quota *quota = &bus->quota;
    uint64_t pages = buf_len / 8 - range_count;
    struct enlh_gpadl *gpadl;

    if (quota->count >= ENLH_GPADL_COUNT_MAX ||
        pages * ENL_PAGE_SIZE > quota->limit - quota->bytes ||
        buf_len > ENLH_GPADL_HOST_MAX - quota->host_bytes)
        return NULL;
    gpadl = enlh_bus_alloc(bus, sizeof(*gpadl));
    if (!gpadl)
        return NULL;
    gpadl->buf = enlh_bus_alloc(bus, buf_len);
    if (!gpadl->buf) {
        enlh_bus_free(bus, gpadl, sizeof(*gpadl));
        return NULL;
    }
    gpadl->buf_len = buf_len;
    gpadl->range_count = range_count;
    gpadl->charged = pages * ENL_PAGE_SIZE;
    gpadl->host_charged = buf_len;
    quota->count++;
    quota->bytes += gpadl->charged;
    quota->host_bytes += buf_len;
    return gpadl;
}

static void
enlh_gpadl_link(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    struct enlh_channel *channel = enlh_channel_held(bus, gpadl->relid);

    enlh_list_init(&gpadl->torn_link);
    enlh_list_append(enlh_gpadl_bucket(bus, gpadl->handle), &gpadl->hash_link);
    enlh_bus_lock(bus, bus->gpadl_lock);
    enlh_list_append(channel ? &channel->gpadls : &bus->gpadl_strays, &gpadl->owner_link);
    enlh_bus_unlock(bus, bus->gpadl_lock);
}

/* ---- from ranges to spans ---- */

/* Count the spans, or with out also write them. Returns -ENL_E_FAULT outside memory. */
static int
enlh_gpadl_walk(struct enlh_vmbus *bus, const struct enl_gparange *list,
                struct enlh_span *out, uint32_t *count)
{
    struct enl_gparange_iter iter;
    struct enl_gparange_run run;
    uint32_t n = 0;
    int r;

    r = enl_gparange_walk(list, 0, list->len, &iter);
    if (r < 0)
        return r;
    while (enl_gparange_next(&iter, &run)) {
        struct enlh_span span;

        r = enlh_mem_span(bus->partition, run.gpa, run.len, &span);
        if (r < 0)
            return r;
        if (out)
            out[n] = span;
        n++;
    }
    *count = n;
    return 0;
}

static int
enlh_gpadl_spans(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    struct enl_gparange list;
    struct enlh_span *spans;
    uint32_t count;
    int r;

    r = enl_gparange_init(&list, gpadl->buf, gpadl->buf_len, gpadl->range_count);
    if (r == 0)
        r = enlh_gpadl_walk(bus, &list, NULL, &count);
    if (r < 0)
        return r;
    if (!enlh_gpadl_charge_host(bus, gpadl, count * sizeof(*spans)))
        return -ENL_E_NOMEM;
    spans = enlh_bus_alloc(bus, count * sizeof(*spans));
    if (!spans)
        return -ENL_E_NOMEM;
    gpadl->spans = spans;
    gpadl->span_count = count;
    return enlh_gpadl_walk(bus, &list, spans, &count);
}

/* ---- GPADL_HEADER, GPADL_BODY ---- */

static void
enlh_gpadl_answer(struct enlh_vmbus *bus, uint32_t relid, uint32_t handle,
                  uint32_t status)
{
    struct enl_vmbus_gpadl_created created = {
        .head = {.type = ENL_VMBUS_GPADL_CREATED},
        .relid = relid,
        .gpadl = handle,
        .status = status,
    };

    enlh_outbox_put(bus, &created, sizeof(created));
}

/*
 * All its ranges are there. A channel that was taken back, or that never was, gets its
 * GPADL as well: the guest may not know yet, and would wait for the answer.
 */
static void
enlh_gpadl_complete(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    uint32_t relid = gpadl->relid, handle = gpadl->handle;
    int r = enlh_gpadl_spans(bus, gpadl);

    if (r < 0) {
        enlh_message_bad(bus, "GPADL", r == -ENL_E_NOMEM ? "no memory" : "bad ranges");
        enlh_gpadl_free(bus, gpadl);
        enlh_gpadl_answer(bus, relid, handle,
                          r == -ENL_E_NOMEM ? ENL_VMBUS_STATUS_NO_RESOURCES
                                            : ENL_VMBUS_STATUS_INVALID_PARAMETER);
        return;
    }
    enlh_gpadl_free_buf(bus, gpadl);
    enlh_bus_lock(bus, bus->gpadl_lock);
    gpadl->state = ENLH_GPADL_READY;
    enlh_bus_unlock(bus, bus->gpadl_lock);
    enlh_gpadl_answer(bus, relid, handle, ENL_VMBUS_STATUS_SUCCESS);
}

/*
 * Take what the message has, as far as it is still missing: a guest may send its longest
 * message with garbage behind the last page number. [Seen: UEFI]
 */
static void
enlh_gpadl_append(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl,
                  const struct enlh_inbox_entry *entry, uint32_t at)
{
    uint32_t len = (entry->len - at) & ~7u;

    if (len > gpadl->buf_len - gpadl->buf_have)
        len = gpadl->buf_len - gpadl->buf_have;
    memcpy(gpadl->buf + gpadl->buf_have, entry->data + at, len);
    gpadl->buf_have += len;
    if (gpadl->buf_have == gpadl->buf_len)
        enlh_gpadl_complete(bus, gpadl);
}

void
enlh_gpadl_header(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_gpadl_header header;
    struct enlh_gpadl *gpadl;
    uint32_t buf_len;

    memcpy(&header, entry->data, sizeof(header));
    buf_len = header.range_buf_len & ~7u;
    /* Each range has eight bytes and one page number at least. */
    if (!header.range_count || buf_len / 16 < header.range_count ||
        enlh_gpadl_find(bus, header.gpadl)) {
        enlh_message_bad(bus, "GPADL_HEADER", "no ranges, or a handle in use");
        enlh_gpadl_answer(bus, header.relid, header.gpadl,
                          ENL_VMBUS_STATUS_INVALID_PARAMETER);
        return;
    }
    gpadl = enlh_gpadl_new(bus, buf_len, header.range_count);
    if (!gpadl) {
        enlh_message_bad(bus, "GPADL_HEADER", "beyond the quota");
        enlh_gpadl_answer(bus, header.relid, header.gpadl, ENL_VMBUS_STATUS_NO_RESOURCES);
        return;
    }
    gpadl->relid = header.relid;
    gpadl->handle = header.gpadl;
    enlh_gpadl_link(bus, gpadl);
    enlh_gpadl_append(bus, gpadl, entry, sizeof(header));
}

/* A body that belongs nowhere has no answer: it does not say which channel it is for. */
void
enlh_gpadl_body(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_gpadl_body body;
    struct enlh_gpadl *gpadl;

    memcpy(&body, entry->data, sizeof(body));
    gpadl = enlh_gpadl_find(bus, body.gpadl);
    if (!gpadl || gpadl->state != ENLH_GPADL_ASSEMBLING) {
        enlh_message_bad(bus, "GPADL_BODY", "no such GPADL is being made");
        return;
    }
    enlh_gpadl_append(bus, gpadl, entry, sizeof(body));
}

/* ---- GPADL_TEARDOWN ---- */

static void
enlh_gpadl_torndown(struct enlh_vmbus *bus, uint32_t handle)
{
    struct enl_vmbus_gpadl_torndown torndown = {
        .head = {.type = ENL_VMBUS_GPADL_TORNDOWN},
        .gpadl = handle,
    };

    enlh_outbox_put(bus, &torndown, sizeof(torndown));
}

/* Nothing uses it any more: TORNDOWN follows when there is room. */
static void
enlh_gpadl_tear(struct enlh_vmbus *bus, struct enlh_gpadl *gpadl)
{
    enlh_gpadl_unlink(bus, gpadl);
    enlh_gpadl_release(bus, gpadl);
    gpadl->state = ENLH_GPADL_TORN;
    enlh_list_append(&bus->gpadl_torn, &gpadl->torn_link);
}

void
enlh_gpadl_teardown(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_gpadl_teardown teardown;
    struct enlh_gpadl *gpadl;
    bool used;

    memcpy(&teardown, entry->data, sizeof(teardown));
    gpadl = enlh_gpadl_find(bus, teardown.gpadl);
    if (!gpadl) {
        /* Policy: nothing is there to let go of, and a guest waits without a time-out. */
        enlh_message_bad(bus, "GPADL_TEARDOWN", "no such GPADL");
        enlh_gpadl_torndown(bus, teardown.gpadl);
        return;
    }
    if (gpadl->state != ENLH_GPADL_READY || gpadl->relid != teardown.relid) {
        enlh_message_bad(bus, "GPADL_TEARDOWN", "not complete, or another channel's");
        return;
    }
    enlh_bus_lock(bus, bus->gpadl_lock);
    used = gpadl->is_ring || gpadl->is_lent;
    gpadl->state = ENLH_GPADL_TEARING;
    enlh_bus_unlock(bus, bus->gpadl_lock);
    if (!used)
        enlh_gpadl_tear(bus, gpadl);
}

/* A guest that is leaving hears nothing more: what is torn goes with all the others. */
void
enlh_gpadl_settle(struct enlh_vmbus *bus)
{
    if (bus->conn.state != ENLH_CONNECTED)
        return;
    while (!enlh_list_empty(&bus->gpadl_torn) && enlh_outbox_room(bus)) {
        struct enlh_gpadl *gpadl =
            ENLH_LIST_OF(bus->gpadl_torn.next, struct enlh_gpadl, torn_link);

        enlh_gpadl_torndown(bus, gpadl->handle);
        enlh_gpadl_free(bus, gpadl);
    }
}

/* ---- who uses them ---- */

static struct enlh_gpadl *
enlh_gpadl_of(struct enlh_channel *channel, uint32_t handle)
{
    for (struct enlh_link *at = channel->gpadls.next; at != &channel->gpadls;
         at = at->next) {
        struct enlh_gpadl *gpadl = ENLH_LIST_OF(at, struct enlh_gpadl, owner_link);

        if (gpadl->handle == handle && gpadl->state == ENLH_GPADL_READY)
            return gpadl;
    }
    return NULL;
}

struct enlh_gpadl *
enlh_gpadl_ready(struct enlh_channel *channel, uint32_t handle)
{
    return enlh_gpadl_of(channel, handle);
}

void
enlh_gpadl_use_ring(struct enlh_channel *channel, struct enlh_gpadl *gpadl)
{
    enlh_bus_lock(channel->bus, channel->bus->gpadl_lock);
    gpadl->is_ring = true;
    enlh_bus_unlock(channel->bus, channel->bus->gpadl_lock);
}

int
enlh_channel_gpadl(struct enlh_channel *channel, uint32_t handle,
                   const struct enlh_span **spans, uint32_t *span_count)
{
    struct enlh_gpadl *gpadl;

    enlh_bus_lock(channel->bus, channel->bus->gpadl_lock);
    gpadl = enlh_gpadl_of(channel, handle);
    if (gpadl) {
        gpadl->is_lent = true;
        *spans = gpadl->spans;
        *span_count = gpadl->span_count;
    }
    enlh_bus_unlock(channel->bus, channel->bus->gpadl_lock);
    return gpadl ? 0 : -ENL_E_NOENT;
}

void
enlh_channel_gpadl_put(struct enlh_channel *channel, uint32_t handle)
{
    bool waited = false;

    enlh_bus_lock(channel->bus, channel->bus->gpadl_lock);
    for (struct enlh_link *at = channel->gpadls.next; at != &channel->gpadls;
         at = at->next) {
        struct enlh_gpadl *gpadl = ENLH_LIST_OF(at, struct enlh_gpadl, owner_link);

        if (gpadl->handle != handle)
            continue;
        gpadl->is_lent = false;
        waited = gpadl->state == ENLH_GPADL_TEARING;
        channel->put_pending |= waited;
        break;
    }
    enlh_bus_unlock(channel->bus, channel->bus->gpadl_lock);
    if (waited)
        enlh_bus_attend(channel->bus);
}

/* Tear what waits for it and is used no more. */
static void
enlh_gpadl_sweep(struct enlh_channel *channel, bool worker_gone)
{
    struct enlh_link *next;

    for (struct enlh_link *at = channel->gpadls.next; at != &channel->gpadls; at = next) {
        struct enlh_gpadl *gpadl = ENLH_LIST_OF(at, struct enlh_gpadl, owner_link);
        bool tear;

        next = at->next;
        enlh_bus_lock(channel->bus, channel->bus->gpadl_lock);
        if (worker_gone)
            gpadl->is_ring = gpadl->is_lent = false;
        tear = gpadl->state == ENLH_GPADL_TEARING && !gpadl->is_ring && !gpadl->is_lent;
        enlh_bus_unlock(channel->bus, channel->bus->gpadl_lock);
        if (tear)
            enlh_gpadl_tear(channel->bus, gpadl);
    }
}

void
enlh_gpadl_unused(struct enlh_channel *channel)
{
    enlh_gpadl_sweep(channel, true);
}

void
enlh_gpadl_returned(struct enlh_channel *channel)
{
    bool pending;

    enlh_bus_lock(channel->bus, channel->bus->gpadl_lock);
    pending = channel->put_pending;
    channel->put_pending = false;
    enlh_bus_unlock(channel->bus, channel->bus->gpadl_lock);
    if (pending)
        enlh_gpadl_sweep(channel, false);
}

void
enlh_gpadl_drop(struct enlh_channel *channel)
{
    while (!enlh_list_empty(&channel->gpadls))
        enlh_gpadl_free(channel->bus, ENLH_LIST_OF(channel->gpadls.next,
                                                   struct enlh_gpadl, owner_link));
}

void
enlh_gpadl_drop_all(struct enlh_vmbus *bus)
{
    for (uint32_t i = 0; i < ENLH_GPADL_BUCKETS; i++) {
        struct enlh_link *head = &bus->gpadl_hash[i];

        while (!enlh_list_empty(head))
            enlh_gpadl_free(bus, ENLH_LIST_OF(head->next, struct enlh_gpadl, hash_link));
    }
    while (!enlh_list_empty(&bus->gpadl_torn))
        enlh_gpadl_free(bus,
                        ENLH_LIST_OF(bus->gpadl_torn.next, struct enlh_gpadl, torn_link));
}
