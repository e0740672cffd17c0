/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/gpadl.c - memory shared with a channel's device: header, bodies, teardown
 *
 * Run by the kernel's bus thread; answers come from the host as control messages. A list
 * of 4 KiB page numbers goes out in as many messages as it needs, whatever the kernel's
 * own page size is. The memory is the host's from the first message to TORNDOWN; an answer
 * to something that was not asked is counted and dropped.
 * Tests: test/unit/guest_channel.c, test/loop/life.c.
 */
#include "enlight/abi/ring.h"
#include "guest/vmbus/bus.h"

#define HEADER_PFNS                                                                      \
    ((ENL_VMBUS_GPADL_HEADER_DATA - sizeof(struct enl_gpa_range)) / sizeof(uint64_t))
#define BODY_PFNS (ENL_VMBUS_GPADL_BODY_DATA / sizeof(uint64_t))
ENL_STATIC_ASSERT(sizeof(struct enl_gpa_range) + ENLG_GPADL_PAGES * sizeof(uint64_t) <=
                      UINT16_MAX,
                  "the length of the longest list fits its field");

static struct gpadl *
gpadl_of(struct enlg_gpadl *gpadl)
{
    return (struct gpadl *)gpadl;
}

static void
list_remove(struct gpadl *gpadl)
{
    struct gpadl **at = &gpadl->chan->gpadls;

    while (*at && *at != gpadl)
        at = &(*at)->next;
    if (*at)
        *at = gpadl->next;
}

static struct gpadl *
list_find(struct chan *chan, uint32_t handle)
{
    struct gpadl *gpadl = chan->gpadls;

    while (gpadl && gpadl->handle != handle)
        gpadl = gpadl->next;
    return gpadl;
}

static bool
is_ring(const struct gpadl *gpadl)
{
    return gpadl == &gpadl->chan->ring;
}

/* The host has it, or has refused it. The object may be used again by the callback. */
static void
gpadl_tell(struct gpadl *gpadl, enum enlg_gpadl_event event, int status)
{
    struct enlg_gpadl_config config = gpadl->config;

    if (!is_ring(gpadl))
        config.event(config.ctx, (struct enlg_gpadl *)gpadl, event, status);
    else if (event == ENLG_GPADL_CREATED)
        enlg_channel_ring_created(gpadl->chan, status);
    else
        enlg_channel_ring_torndown(gpadl->chan);
}

static void
gpadl_end(struct gpadl *gpadl)
{
    bool unwanted = gpadl->unwanted;

    list_remove(gpadl);
    gpadl->state = GPADL_FREE;
    if (unwanted)
        gpadl_tell(gpadl, ENLG_GPADL_CREATED, -ENL_E_CONNRESET);
    else
        gpadl_tell(gpadl, ENLG_GPADL_TORNDOWN, 0);
}

/* ---- sharing ---- */

static uint64_t
pfn_at(const struct bus *bus, uintptr_t first_page, uint32_t i)
{
    const void *page = (const void *)(first_page + (uintptr_t)i * ENL_PAGE_SIZE);

    return gpa_of(bus->partition, page) >> ENL_PAGE_SHIFT;
}

/* Write up to max page numbers from number i on; how many. */
static uint32_t
pfns_fill(const struct gpadl *gpadl, uint64_t *to, uint32_t i, uint32_t count,
          uint32_t max)
{
    uintptr_t first = (uintptr_t)gpadl->config.base & ~(uintptr_t)ENL_PAGE_MASK;
    uint32_t n = count - i < max ? count - i : max;

    for (uint32_t k = 0; k < n; k++)
        to[k] = pfn_at(gpadl->chan->bus, first, i + k);
    return n;
}

/* The list starts 20 bytes into the message: its numbers are not aligned there. */
static int
header_post(struct gpadl *gpadl, uint32_t count, uint32_t *sent)
{
    struct bus *bus = gpadl->chan->bus;
    struct enl_vmbus_gpadl_header *m = enlg_vmbus_message(bus, ENL_VMBUS_GPADL_HEADER);
    struct enl_gpa_range range = {
        .byte_count = (uint32_t)gpadl->config.len,
        .byte_offset = (uint32_t)((uintptr_t)gpadl->config.base & ENL_PAGE_MASK),
    };
    uint64_t pfns[HEADER_PFNS];
    uint8_t *to = (uint8_t *)(m + 1);

    m->relid = gpadl->chan->info.relid;
    m->gpadl = gpadl->handle;
    m->range_buf_len = (uint16_t)(sizeof(range) + count * sizeof(uint64_t));
    m->range_count = 1;
    *sent = pfns_fill(gpadl, pfns, 0, count, HEADER_PFNS);
    memcpy(to, &range, sizeof(range));
    memcpy(to + sizeof(range), pfns, *sent * sizeof(uint64_t));
    return enlg_vmbus_post(
        bus, (uint32_t)(sizeof(*m) + sizeof(range) + *sent * sizeof(uint64_t)));
}

static int
body_post(struct gpadl *gpadl, uint32_t number, uint32_t count, uint32_t *sent)
{
    struct bus *bus = gpadl->chan->bus;
    struct enl_vmbus_gpadl_body *m = enlg_vmbus_message(bus, ENL_VMBUS_GPADL_BODY);
    uint32_t n;

    m->message_number = number;
    m->gpadl = gpadl->handle;
    n = pfns_fill(gpadl, (uint64_t *)(m + 1), *sent, count, BODY_PFNS);
    *sent += n;
    return enlg_vmbus_post(bus, (uint32_t)(sizeof(*m) + n * sizeof(uint64_t)));
}

static uint32_t
handle_new(struct bus *bus)
{
    uint32_t handle = bus->next_gpadl++;

    if (bus->next_gpadl == 0)
        bus->next_gpadl = 1;
    return handle;
}

static bool
handle_was_given(const struct bus *bus, uint32_t handle)
{
    return handle - ENLG_GPADL_FIRST < bus->next_gpadl - ENLG_GPADL_FIRST;
}

int
enlg_gpadl_start(struct gpadl *gpadl, struct chan *chan,
                 const struct enlg_gpadl_config *config)
{
    uint64_t offset = (uintptr_t)config->base & ENL_PAGE_MASK;
    uint32_t count, sent = 0;
    int rc;

    if (config->len == 0)
        return -ENL_E_INVAL;
    if (config->len > (uint64_t)ENLG_GPADL_PAGES * ENL_PAGE_SIZE - offset)
        return -ENL_E_RANGE;
    count = (uint32_t)((offset + config->len + ENL_PAGE_MASK) >> ENL_PAGE_SHIFT);
    memset(gpadl, 0, sizeof(*gpadl));
    gpadl->chan = chan;
    gpadl->config = *config;
    gpadl->handle = handle_new(chan->bus);
    rc = header_post(gpadl, count, &sent);
    if (rc)
        return rc;
    gpadl->state = GPADL_CREATING;
    gpadl->next = chan->gpadls;
    chan->gpadls = gpadl;
    for (uint32_t number = 0; sent < count; number++) {
        rc = body_post(gpadl, number, count, &sent);
        if (rc)
            return rc;
    }
    return 0;
}

int
enlg_gpadl_create(struct enlg_gpadl *gpadl, struct enlg_channel *channel,
                  const struct enlg_gpadl_config *config)
{
    struct chan *chan = chan_of(channel);

    if (!config->event || !config->base || chan_state(chan) != CHAN_OPEN)
        return -ENL_E_INVAL;
    if (chan_is_rescinded(chan))
        return -ENL_E_CONNRESET;
    return enlg_gpadl_start(gpadl_of(gpadl), chan, config);
}

int
enlg_gpadl_stop(struct gpadl *gpadl)
{
    struct bus *bus = gpadl->chan->bus;
    struct enl_vmbus_gpadl_teardown *m =
        enlg_vmbus_message(bus, ENL_VMBUS_GPADL_TEARDOWN);
    int rc;

    m->relid = gpadl->chan->info.relid;
    m->gpadl = gpadl->handle;
    rc = enlg_vmbus_post(bus, sizeof(*m));
    if (!rc)
        gpadl->state = GPADL_TEARING;
    return rc;
}

int
enlg_gpadl_teardown(struct enlg_gpadl *out)
{
    struct gpadl *gpadl = gpadl_of(out);

    return gpadl->state == GPADL_LIVE ? enlg_gpadl_stop(gpadl) : -ENL_E_INVAL;
}

uint32_t
enlg_gpadl_handle(const struct enlg_gpadl *gpadl)
{
    return ((const struct gpadl *)gpadl)->handle;
}

/* ---- answers ---- */

static int
status_error(uint32_t status)
{
    if (status == ENL_VMBUS_STATUS_SUCCESS)
        return 0;
    return status == ENL_VMBUS_STATUS_NO_RESOURCES ? -ENL_E_NOMEM : -ENL_E_IO;
}

void
enlg_gpadl_created(struct bus *bus, const struct enl_vmbus_gpadl_created *m)
{
    struct chan *chan = enlg_offer_find(bus, m->relid);
    struct gpadl *gpadl = chan ? list_find(chan, m->gpadl) : NULL;
    int rc = status_error(m->status);

    /* The answer may have been on its way when a rescind had the guest take it back. */
    if (gpadl && gpadl->state == GPADL_TEARING && chan_is_rescinded(chan))
        return;
    if (!gpadl || gpadl->state != GPADL_CREATING) {
        enlg_vmbus_malformed(bus);
        return;
    }
    if (rc) {
        list_remove(gpadl);
        gpadl->state = GPADL_FREE;
    } else {
        gpadl->state = GPADL_LIVE;
    }
    gpadl_tell(gpadl, ENLG_GPADL_CREATED, rc);
}

void
enlg_gpadl_torndown(struct bus *bus, uint32_t handle)
{
    struct gpadl *gpadl = NULL;

    for (uint32_t i = 0; i < bus->config.channel_count && !gpadl; i++) {
        struct chan *chan = bus_slot(bus, i);

        if (chan_state(chan) != CHAN_FREE)
            gpadl = list_find(chan, handle);
    }
    if (gpadl && gpadl->state == GPADL_TEARING)
        gpadl_end(gpadl);
    /* One that a rescind ended is not there any more; the host may answer all the same. */
    else if (gpadl || !handle_was_given(bus, handle))
        enlg_vmbus_malformed(bus);
}

void
enlg_gpadl_rescind(struct chan *chan)
{
    struct gpadl *next;

    for (struct gpadl *gpadl = chan->gpadls; gpadl; gpadl = next) {
        next = gpadl->next;
        if (gpadl->state == GPADL_TEARING) {
            gpadl_end(gpadl);
        } else if (gpadl->state == GPADL_CREATING) {
            gpadl->unwanted = !is_ring(gpadl);
            (void)enlg_gpadl_stop(gpadl);
        }
    }
}

void
enlg_gpadl_drop(struct chan *chan)
{
    while (chan->gpadls) {
        struct gpadl *gpadl = chan->gpadls;

        chan->gpadls = gpadl->next;
        gpadl->state = GPADL_FREE;
        if (!is_ring(gpadl))
            gpadl_tell(gpadl, ENLG_GPADL_TORNDOWN, -ENL_E_CONNRESET);
    }
}
