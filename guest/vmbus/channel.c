/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/channel.c - a channel's life: open, close, move, rescind (drawing in bus.h)
 *
 * Run by the kernel's bus thread; answers come from the host as control messages, already
 * copied and matched to a channel. An answer that the state does not wait for is counted
 * and dropped. The owner hears OPENED once for each open, and CLOSED last.
 * Tests: test/unit/guest_channel.c, test/loop/life.c.
 */
#include "guest/vmbus/bus.h"

static void
chan_tell(struct chan *chan, enum enlg_channel_event event, int status)
{
    chan->config.event(chan->config.ctx, chan_public(chan), event, status);
}

static void
chan_tell_opened(struct chan *chan, int status)
{
    if (chan->opened_told)
        return;
    chan->opened_told = true;
    chan_tell(chan, ENLG_CHANNEL_OPENED, status);
}

/* ---- rings ---- */

/* The data area of a ring, behind its header page. */
static struct enl_ring_view
view_of(struct chan *chan, uint8_t *ring, uint32_t len, void **twice)
{
    const struct enlg_platform *p = platform_of(chan->bus->partition);
    struct enl_ring_view view = {
        .header = (struct enl_ring_header *)ring,
        .base = ring + ENL_PAGE_SIZE,
        .size = len - ENL_PAGE_SIZE,
    };

    *twice = p->map_twice ? p->map_twice(p->ctx, view.base, view.size) : NULL;
    if (*twice) {
        view.base = *twice;
        view.doubled = true;
    }
    return view;
}

/* The host looks at the headers only after OPEN, so they are made here. */
static int
rings_start(struct chan *chan)
{
    uint8_t *ring = chan->config.ring;
    uint32_t send_len = chan->config.send_len;
    struct enl_ring_view view = view_of(chan, ring, send_len, &chan->twice[0]);
    int rc;

    enl_ring_header_init(view.header);
    rc = enl_ring_producer_init(&chan->send, &view, false);
    if (rc)
        return rc;
    view = view_of(chan, ring + send_len, chan->config.recv_len, &chan->twice[1]);
    enl_ring_header_init(view.header);
    return enl_ring_consumer_init(&chan->recv, &view, false);
}

static void
rings_stop(struct chan *chan)
{
    const struct enlg_platform *p = platform_of(chan->bus->partition);
    uint32_t len[2] = {chan->config.send_len, chan->config.recv_len};

    for (int i = 0; i < 2; i++) {
        if (chan->twice[i] && p->unmap_twice)
            p->unmap_twice(p->ctx, chan->twice[i], len[i] - ENL_PAGE_SIZE);
        chan->twice[i] = NULL;
    }
}

/* ---- the way down ---- */

static void
chan_closed(struct chan *chan)
{
    /* A callback on the way here may have ended the connection. */
    if (chan_state(chan) != CHAN_CLOSING)
        return;
    rings_stop(chan);
    chan_set_state(chan, CHAN_OFFERED);
    chan_tell(chan, ENLG_CHANNEL_CLOSED, 0);
    /* The owner may have opened it again from the callback. */
    if (chan_is_rescinded(chan) && chan_state(chan) == CHAN_OFFERED)
        enlg_offer_release(chan);
}

/* Take the ring's memory back. Without an answer it stays the host's. */
static int
chan_take_back(struct chan *chan)
{
    int rc;

    chan_set_state(chan, CHAN_CLOSING);
    rc = enlg_gpadl_stop(&chan->ring);
    if (rc)
        chan_set_state(chan, CHAN_LOST);
    return rc;
}

/* The open does not come about, and the host knows the ring. */
static void
chan_open_failed(struct chan *chan, int status)
{
    (void)chan_take_back(chan);
    chan_tell_opened(chan, status);
}

static int
chan_shut(struct chan *chan)
{
    struct enl_vmbus_relid *m;
    int rc;

    chan_set_state(chan, CHAN_CLOSING);
    m = enlg_vmbus_message(chan->bus, ENL_VMBUS_CLOSE_CHANNEL);
    m->relid = chan->info.relid;
    rc = enlg_vmbus_post(chan->bus, sizeof(*m));
    if (rc) {
        chan_set_state(chan, CHAN_LOST);
        return rc;
    }
    return chan_take_back(chan);
}

/* ---- what the kernel asks for ---- */

static bool
ring_len_is_good(uint32_t len)
{
    return len >= 2 * ENL_PAGE_SIZE && (len & ENL_PAGE_MASK) == 0 &&
           len / ENL_PAGE_SIZE <= ENLG_GPADL_PAGES / 2;
}

static bool
config_is_good(const struct enlg_channel_config *c)
{
    return c->size == sizeof(*c) && c->event && c->ring && ENLG_PAGE_ALIGNED(c->ring) &&
           ring_len_is_good(c->send_len) && ring_len_is_good(c->recv_len) &&
           c->user_data_len <= ENL_VMBUS_USER_DEFINED_LEN &&
           (c->user_data || c->user_data_len == 0);
}

int
enlg_channel_open(struct enlg_channel *channel, const struct enlg_channel_config *config)
{
    struct chan *chan = chan_of(channel);
    struct enlg_gpadl_config ring = {
        .base = config->ring,
        .len = (uint64_t)config->send_len + config->recv_len,
    };
    int rc;

    if (!config_is_good(config))
        return -ENL_E_INVAL;
    if (chan_is_rescinded(chan))
        return -ENL_E_CONNRESET;
    if (chan_state(chan) != CHAN_OFFERED)
        return -ENL_E_BUSY;
    chan->config = *config;
    chan->closing = false;
    chan->moving = false;
    chan->opened_told = false;
    chan_set_state(chan, CHAN_SHARING);
    rc = enlg_gpadl_start(&chan->ring, chan, &ring);
    if (rc) {
        chan->opened_told = true;
        chan_set_state(chan, CHAN_OFFERED);
    }
    return rc;
}

int
enlg_channel_close(struct enlg_channel *channel)
{
    struct chan *chan = chan_of(channel);

    switch (chan_state(chan)) {
    case CHAN_SHARING:
    case CHAN_OPENING:
        chan->closing = true;
        return 0;
    case CHAN_OPEN:
        if (chan->gpadls != &chan->ring || chan->ring.next)
            return -ENL_E_BUSY;
        if (chan->bus->state != ENLG_VMBUS_CONNECTED)
            return -ENL_E_CONNRESET;
        return chan_shut(chan);
    default:
        return -ENL_E_INVAL;
    }
}

int
enlg_channel_move(struct enlg_channel *channel, uint32_t vp)
{
    struct chan *chan = chan_of(channel);
    struct bus *bus = chan->bus;
    struct enl_vmbus_modify_channel *m;
    int rc;

    if (bus->version < ENL_VMBUS_VERSION_WIN10_4_1)
        return -ENL_E_NOTSUP;
    if (chan_state(chan) != CHAN_OPEN)
        return -ENL_E_INVAL;
    if (chan->moving)
        return -ENL_E_BUSY;
    m = enlg_vmbus_message(bus, ENL_VMBUS_MODIFY_CHANNEL);
    m->relid = chan->info.relid;
    m->target_vp = vp;
    rc = enlg_vmbus_post(bus, sizeof(*m));
    if (rc)
        return rc;
    chan->moving = true;
    chan->move_vp = vp;
    if (bus->version < ENL_VMBUS_VERSION_WS2022) /* no answer will come */
        enlg_channel_move_result(chan, ENL_VMBUS_STATUS_SUCCESS);
    return 0;
}

/* ---- what the host answers ---- */

/* A signal may have been lost: have the owner look once. */
static void
chan_look(struct chan *chan)
{
    if (chan_state(chan) == CHAN_OPEN && chan->config.signal)
        chan->config.signal(chan->config.ctx, chan_public(chan));
}

static int
open_post(struct chan *chan)
{
    const struct enlg_channel_config *c = &chan->config;
    struct enl_vmbus_open *m = enlg_vmbus_message(chan->bus, ENL_VMBUS_OPEN_CHANNEL);

    m->relid = chan->info.relid;
    m->open_id = chan->info.relid;
    m->ring_gpadl = chan->ring.handle;
    m->target_vp = c->vp;
    m->downstream_offset = c->send_len / ENL_PAGE_SIZE;
    if (c->user_data_len)
        memcpy(m->user_data, c->user_data, c->user_data_len);
    return enlg_vmbus_post(chan->bus, sizeof(*m));
}

void
enlg_channel_ring_created(struct chan *chan, int status)
{
    int rc = status;

    if (rc) { /* nothing is shared */
        chan_set_state(chan, CHAN_CLOSING);
        chan_tell_opened(chan, rc);
        chan_closed(chan);
        return;
    }
    if (chan->closing)
        rc = -ENL_E_CANCELED;
    if (!rc)
        rc = rings_start(chan);
    if (!rc)
        rc = open_post(chan);
    if (rc)
        chan_open_failed(chan, rc);
    else
        chan_set_state(chan, CHAN_OPENING);
}

void
enlg_channel_ring_torndown(struct chan *chan)
{
    if (chan_state(chan) == CHAN_CLOSING)
        chan_closed(chan);
}

void
enlg_channel_open_result(struct chan *chan, uint32_t status)
{
    if (chan_state(chan) != CHAN_OPENING) {
        if (!chan_is_rescinded(
                chan)) /* else the answer crossed it: it is not waited for */
            enlg_vmbus_malformed(chan->bus);
        return;
    }
    if (status != ENL_VMBUS_STATUS_SUCCESS) {
        chan_open_failed(chan, -ENL_E_IO);
        return;
    }
    if (chan->closing) {
        (void)chan_shut(chan);
        chan_tell_opened(chan, -ENL_E_CANCELED);
        return;
    }
    chan_set_state(chan, CHAN_OPEN);
    chan_tell_opened(chan, 0);
    /* A flag that was set before the state was is lost. */
    chan_look(chan);
}

void
enlg_channel_move_result(struct chan *chan, uint32_t status)
{
    int rc = status == ENL_VMBUS_STATUS_SUCCESS ? 0 : -ENL_E_IO;

    if (!chan->moving) {
        enlg_vmbus_malformed(chan->bus);
        return;
    }
    if (chan_state(chan) != CHAN_OPEN) { /* closed in the meantime */
        chan->moving = false;
        return;
    }
    chan->moving = false;
    if (!rc)
        chan->config.vp = chan->move_vp;
    chan_tell(chan, ENLG_CHANNEL_MOVED, rc);
    /* The old processor may go offline with a flag that nobody took. */
    if (!rc)
        chan_look(chan);
}

void
enlg_channel_rescind(struct chan *chan)
{
    switch (chan_state(chan)) {
    case CHAN_SHARING:
    case CHAN_OPENING: /* Seen: no host answers the open of a channel that it took away */
        chan_open_failed(chan, -ENL_E_CONNRESET);
        break;
    case CHAN_OPEN:
        enlg_gpadl_rescind(chan);
        chan_tell(chan, ENLG_CHANNEL_RESCINDED, 0);
        break;
    default:
        enlg_gpadl_rescind(chan);
        break;
    }
}

void
enlg_channel_drop(struct chan *chan, int why)
{
    bool owned = chan_state(chan) != CHAN_OFFERED;

    enlg_gpadl_drop(chan, why);
    chan_set_state(chan, CHAN_OFFERED);
    if (!owned)
        return;
    rings_stop(chan);
    chan_tell_opened(chan, why);
    chan_tell(chan, ENLG_CHANNEL_CLOSED, why);
}

/* ---- questions ---- */

bool
enlg_channel_is_open(const struct enlg_channel *channel)
{
    return chan_state((const struct chan *)channel) == CHAN_OPEN;
}

bool
enlg_channel_is_rescinded(const struct enlg_channel *channel)
{
    return chan_is_rescinded((const struct chan *)channel);
}

uint32_t
enlg_channel_vp(const struct enlg_channel *channel)
{
    return ((const struct chan *)channel)->config.vp;
}

const struct enlg_channel_info *
enlg_channel_info(const struct enlg_channel *channel)
{
    return &((const struct chan *)channel)->info;
}

struct enlg_channel *
enlg_channel_first(const struct enlg_channel *channel)
{
    const struct enlg_channel_info *info = enlg_channel_info(channel);
    const struct bus *bus = ((const struct chan *)channel)->bus;

    for (uint32_t i = 0; i < bus->config.channel_count; i++) {
        struct chan *chan = bus_slot(bus, i);

        if (chan_state(chan) != CHAN_FREE && !chan_is_rescinded(chan) &&
            chan->info.subchannel == 0 &&
            memcmp(&chan->info.instance, &info->instance, sizeof(info->instance)) == 0 &&
            memcmp(&chan->info.type, &info->type, sizeof(info->type)) == 0)
            return chan_public(chan);
    }
    return NULL;
}

struct enlg_vmbus *
enlg_channel_bus(const struct enlg_channel *channel)
{
    return (struct enlg_vmbus *)((const struct chan *)channel)->bus;
}

void
enlg_channel_set_data(struct enlg_channel *channel, void *data)
{
    chan_of(channel)->data = data;
}

void *
enlg_channel_data(const struct enlg_channel *channel)
{
    return ((const struct chan *)channel)->data;
}
