/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/gpadl.c - memory shared with a channel's device: header, bodies, teardown
 *
 * Run by the kernel's bus thread; answers come from the host as control messages. A list
 * of ranges and 4 KiB page numbers goes out in as many messages as it needs, whatever the
 * kernel's own page size is. The memory is the host's from the first message to TORNDOWN; an answer
 * to something that was not asked is counted and dropped.
 * Tests: test/unit/guest_channel.c, test/loop/life.c.
 */
#include "enlight/abi/ring.h"
#include "guest/vmbus/bus.h"

/* The list is 8-byte words: for each range its head, then its page numbers. */
#define HEADER_WORDS ((uint32_t)(ENL_VMBUS_GPADL_HEADER_DATA / sizeof(uint64_t)))
#define BODY_WORDS   ((uint32_t)(ENL_VMBUS_GPADL_BODY_DATA / sizeof(uint64_t)))
#define LIST_WORDS   (UINT16_MAX / (uint32_t)sizeof(uint64_t))
ENL_STATIC_ASSERT(LIST_WORDS == ENLG_GPADL_PAGES + 1, "one range and its pages fit");
ENL_STATIC_ASSERT(sizeof(struct enl_gpa_range) == sizeof(uint64_t),
                  "the head of a range is a word");

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
    if (!is_ring(gpadl))
        gpadl->event(gpadl->ctx, (struct enlg_gpadl *)gpadl, event, status);
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

static uint32_t
offset_of(const struct enlg_gpadl_range *range)
{
    return (uint32_t)((uintptr_t)range->base & ENL_PAGE_MASK);
}

/* 4 KiB pages that a range touches; one that is too long for any list: UINT32_MAX. */
static uint32_t
pages_of(const struct enlg_gpadl_range *range)
{
    if (range->len > (uint64_t)ENLG_GPADL_PAGES * ENL_PAGE_SIZE - offset_of(range))
        return UINT32_MAX;
    return (uint32_t)((offset_of(range) + range->len + ENL_PAGE_MASK) >> ENL_PAGE_SHIFT);
}

/* Where a list is written from: what comes next. */
struct list {
    const struct bus *bus;
    const struct enlg_gpadl_range *range;
    uint32_t page;  /* 0: the head of the range; else the page after this many */
    uint32_t words; /* of the list still to come */
};

static uint64_t
list_next(struct list *list)
{
    const struct enlg_gpadl_range *range = list->range;
    uintptr_t first = (uintptr_t)range->base & ~(uintptr_t)ENL_PAGE_MASK;
    uint32_t page = list->page++;

    list->words--;
    if (page == 0)
        return range->len | (uint64_t)offset_of(range) << 32;
    if (page == pages_of(range)) {
        list->range++;
        list->page = 0;
    }
    return gpa_of(list->bus->partition,
                  (const void *)(first + (page - 1) * (uintptr_t)ENL_PAGE_SIZE)) >>
           ENL_PAGE_SHIFT;
}

/* Write up to max words at to, which need not be aligned. Returns how many bytes. */
static uint32_t
list_write(struct list *list, uint8_t *to, uint32_t max)
{
    uint32_t count = list->words < max ? list->words : max;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t word = list_next(list);

        memcpy(to + i * sizeof(word), &word, sizeof(word));
    }
    return count * (uint32_t)sizeof(uint64_t);
}

static int
header_post(const struct gpadl *gpadl, struct list *list, uint32_t range_count)
{
    struct bus *bus = gpadl->chan->bus;
    struct enl_vmbus_gpadl_header *m = enlg_vmbus_message(bus, ENL_VMBUS_GPADL_HEADER);

    m->relid = gpadl->chan->info.relid;
    m->gpadl = gpadl->handle;
    m->range_buf_len = (uint16_t)(list->words * sizeof(uint64_t));
    m->range_count = (uint16_t)range_count;
    return enlg_vmbus_post(bus, (uint32_t)sizeof(*m) +
                                    list_write(list, (uint8_t *)(m + 1), HEADER_WORDS));
}

static int
body_post(const struct gpadl *gpadl, struct list *list, uint32_t number)
{
    struct bus *bus = gpadl->chan->bus;
    struct enl_vmbus_gpadl_body *m = enlg_vmbus_message(bus, ENL_VMBUS_GPADL_BODY);

    m->message_number = number;
    m->gpadl = gpadl->handle;
    return enlg_vmbus_post(bus, (uint32_t)sizeof(*m) +
                                    list_write(list, (uint8_t *)(m + 1), BODY_WORDS));
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

/* Words of the list. Returns 0, or -ENL_E_INVAL, -ENL_E_RANGE. */
static int
list_count(const struct enlg_gpadl_range *ranges, uint32_t range_count, uint32_t *words)
{
    uint32_t count = 0;

    if (range_count == 0)
        return -ENL_E_INVAL;
    for (uint32_t i = 0; i < range_count; i++) {
        uint32_t pages = pages_of(&ranges[i]);

        if (!ranges[i].base || ranges[i].len == 0)
            return -ENL_E_INVAL;
        if (pages > ENLG_GPADL_PAGES || 1 + pages > LIST_WORDS - count)
            return -ENL_E_RANGE;
        count += 1 + pages;
    }
    *words = count;
    return 0;
}

int
enlg_gpadl_start(struct gpadl *gpadl, struct chan *chan,
                 const struct enlg_gpadl_config *config)
{
    struct enlg_gpadl_range one = {config->base, config->len};
    struct list list = {.bus = chan->bus,
                        .range = config->ranges ? config->ranges : &one};
    uint32_t range_count = config->ranges ? config->range_count : 1;
    int rc = list_count(list.range, range_count, &list.words);

    if (rc)
        return rc;
    memset(gpadl, 0, sizeof(*gpadl));
    gpadl->chan = chan;
    gpadl->event = config->event;
    gpadl->ctx = config->ctx;
    gpadl->handle = handle_new(chan->bus);
    rc = header_post(gpadl, &list, range_count);
    if (rc)
        return rc;
    gpadl->state = GPADL_CREATING;
    gpadl->next = chan->gpadls;
    chan->gpadls = gpadl;
    for (uint32_t number = 0; list.words; number++) {
        rc = body_post(gpadl, &list, number);
        if (rc)
            break;
    }
    if (rc) { /* a list that is not complete shares nothing */
        list_remove(gpadl);
        gpadl->state = GPADL_FREE;
    }
    return rc;
}

uint64_t
enlg_gpadl_fit(const void *base, uint64_t len)
{
    uint64_t most =
        (uint64_t)ENLG_GPADL_PAGES * ENL_PAGE_SIZE - ((uintptr_t)base & ENL_PAGE_MASK);

    return len < most ? len : most;
}

int
enlg_gpadl_create(struct enlg_gpadl *gpadl, struct enlg_channel *channel,
                  const struct enlg_gpadl_config *config)
{
    struct chan *chan = chan_of(channel);

    if (!config->event || chan_state(chan) != CHAN_OPEN)
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

static struct gpadl *
list_find_state(struct chan *chan, enum gpadl_state state)
{
    struct gpadl *gpadl = chan->gpadls;

    while (gpadl && gpadl->state != state)
        gpadl = gpadl->next;
    return gpadl;
}

void
enlg_gpadl_rescind(struct chan *chan)
{
    struct gpadl *gpadl;

    /* From the start each time: what is told may change the list. */
    while ((gpadl = list_find_state(chan, GPADL_TEARING)))
        gpadl_end(gpadl);
    for (gpadl = chan->gpadls; gpadl; gpadl = gpadl->next) {
        if (gpadl->state == GPADL_CREATING) {
            gpadl->unwanted = !is_ring(gpadl);
            (void)enlg_gpadl_stop(gpadl);
        }
    }
}

void
enlg_gpadl_drop(struct chan *chan, int why)
{
    while (chan->gpadls) {
        struct gpadl *gpadl = chan->gpadls;

        chan->gpadls = gpadl->next;
        gpadl->state = GPADL_FREE;
        if (!is_ring(gpadl))
            gpadl_tell(gpadl, ENLG_GPADL_TORNDOWN, why);
    }
}
