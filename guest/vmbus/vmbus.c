/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/vmbus.c - contact, versions from newest to oldest, unload; messages in
 *
 * Run by the kernel's bus thread, and through the message slot by the host. A message is a
 * private copy by the time it comes here; its length is checked by its type, and it counts
 * only in the state that expects it. Everything else is counted and dropped.
 * [VMBus control messages: enlight/abi/vmbus.h]
 * Tests: test/unit/guest_vmbus.c, test/loop/contact.c, test/loop/life.c.
 */
#include "enlight/guest/place.h"
#include "guest/vmbus/bus.h"

/* Most messages that one poll handles: the host must not hold the kernel here. */
#define POLL_MAX 64u

static const uint32_t versions[] = {
    ENL_VMBUS_VERSION_6_0,       ENL_VMBUS_VERSION_WS2022,    ENL_VMBUS_VERSION_WIN10_5_2,
    ENL_VMBUS_VERSION_WIN10_5_1, ENL_VMBUS_VERSION_WIN10_5_0, ENL_VMBUS_VERSION_WIN10_4_1,
    ENL_VMBUS_VERSION_WIN10,     ENL_VMBUS_VERSION_WIN8_1,    ENL_VMBUS_VERSION_WIN8,
};

void
enlg_vmbus_config_defaults(struct enlg_vmbus_config *config)
{
    memset(config, 0, sizeof(*config));
    config->size = sizeof(*config);
    config->sint = ENL_SINT_VMBUS;
    config->max_version = ENL_VMBUS_VERSION_WS2022;
    config->min_version = ENL_VMBUS_VERSION_WIN8;
}

static bool
config_is_good(const struct enlg_vmbus_config *c)
{
    return c->size == sizeof(*c) && c->synic && c->event && c->channels &&
           c->channel_count != 0 && c->channel_count <= ENL_VMBUS_RELID_MAX &&
           (c->drivers || c->driver_count == 0) && c->sint < ENL_SINT_COUNT &&
           ENLG_PAGE_ALIGNED(c->interrupt_page) &&
           ENLG_PAGE_ALIGNED(c->monitor_pages[0]) &&
           ENLG_PAGE_ALIGNED(c->monitor_pages[1]);
}

int
enlg_vmbus_init(struct enlg_vmbus *out, const struct enlg_partition *partition,
                const struct enlg_vmbus_config *config)
{
    struct bus *bus = bus_of(out);

    if (!config_is_good(config))
        return -ENL_E_INVAL;
    if (!enlg_partition_has(partition, ENL_PRIV_SYNIC | ENL_PRIV_POST_MESSAGES |
                                           ENL_PRIV_SIGNAL_EVENTS))
        return -ENL_E_ACCESS;
    memset(out, 0, sizeof(*out));
    memset(config->channels, 0, config->channel_count * sizeof(*config->channels));
    bus->partition = partition;
    bus->config = *config;
    bus->next_gpadl = ENLG_GPADL_FIRST;
    bus->state = ENLG_VMBUS_IDLE;
    return 0;
}

/* ---- out ---- */

void *
enlg_vmbus_message(struct bus *bus, uint32_t type)
{
    struct enl_vmbus_header *head = enlg_port_payload(&bus->post);

    head->type = type;
    return head;
}

int
enlg_vmbus_post(struct bus *bus, uint32_t len)
{
    if (bus->state != ENLG_VMBUS_CONNECTED)
        return -ENL_E_CONNRESET;
    return enlg_port_post(bus->partition, &bus->post, bus->connection_id, len,
                          ENLG_POST_CONNECTED);
}

void
enlg_vmbus_tell(struct bus *bus, enum enlg_vmbus_event event, struct chan *chan)
{
    bus->config.event(bus->config.ctx, (struct enlg_vmbus *)bus, event,
                      chan ? chan_public(chan) : NULL);
}

void
enlg_vmbus_malformed(struct bus *bus)
{
    bus->counters.messages_malformed++;
}

static void
connection_fail(struct bus *bus, const char *why)
{
    bus->state = ENLG_VMBUS_FAILED;
    bus->version = 0;
    log_line(bus->partition, ENLG_LOG_ERROR, why);
}

/* The newest version below this one that may be asked for; 0: none is left. */
static uint32_t
version_below(const struct bus *bus, uint32_t above)
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        uint32_t v = versions[i];

        if (v >= above || v > bus->config.max_version || v < bus->config.min_version)
            continue;
        if (v < ENL_VMBUS_VERSION_WIN10_5_0 &&
            (!bus->config.interrupt_page || bus->config.sint != ENL_SINT_VMBUS))
            continue;
        return v;
    }
    return 0;
}

static uint64_t
page_gpa(const struct bus *bus, const void *page)
{
    return page ? gpa_of(bus->partition, page) : 0;
}

/* Returns 0, or a failure of the post. */
static int
contact_post(struct bus *bus, uint32_t version)
{
    struct enl_vmbus_initiate_contact_6_0 *m =
        enlg_vmbus_message(bus, ENL_VMBUS_INITIATE_CONTACT);
    bool five = version >= ENL_VMBUS_VERSION_WIN10_5_0;

    m->base.version = version;
    m->base.target_vp = enlg_synic_vp(bus->config.synic);
    if (five)
        m->base.u.target.sint = (uint8_t)bus->config.sint;
    else
        m->base.u.interrupt_page_gpa = page_gpa(bus, bus->config.interrupt_page);
    m->base.monitor_to_guest_gpa = page_gpa(bus, bus->config.monitor_pages[0]);
    m->base.monitor_to_host_gpa = page_gpa(bus, bus->config.monitor_pages[1]);
    bus->connection_id =
        five ? ENL_VMBUS_CONNECTION_MESSAGE_5 : ENL_VMBUS_CONNECTION_MESSAGE;
    return enlg_port_post(bus->partition, &bus->post, bus->connection_id,
                          version >= ENL_VMBUS_VERSION_6_0 ? sizeof(*m) : sizeof(m->base),
                          0);
}

/*
 * Ask for the next version below; a host without that connection refuses at once, as it
 * refuses with an answer. Returns 0 when one was asked for.
 */
static int
contact_below(struct bus *bus, uint32_t above)
{
    uint32_t version = version_below(bus, above);
    int rc = -ENL_E_NODEV;

    for (; version; version = version_below(bus, version)) {
        bus->version = version;
        rc = contact_post(bus, version);
        if (rc != -ENL_E_NOENT)
            break;
    }
    if (rc)
        connection_fail(bus, "vmbus: the host accepts no version");
    return rc;
}

int
enlg_vmbus_connect(struct enlg_vmbus *out)
{
    struct bus *bus = bus_of(out);

    if (bus->state != ENLG_VMBUS_IDLE && bus->state != ENLG_VMBUS_FAILED)
        return -ENL_E_BUSY;
    /*
     * What an earlier kernel did not take holds the slot, and its interrupt may have come
     * before anybody polled.
     */
    (void)enlg_vmbus_poll(out);
    bus->state = ENLG_VMBUS_CONTACTING;
    bus->all_offers = false;
    bus->offers_seen = false;
    return contact_below(bus, UINT32_MAX);
}

static void
unload_finish(struct bus *bus)
{
    enlg_offer_drop_all(bus, -ENL_E_CONNRESET);
    bus->state = ENLG_VMBUS_IDLE;
    bus->version = 0;
    enlg_vmbus_tell(bus, ENLG_VMBUS_EVENT_UNLOADED, NULL);
}

static bool
channels_are_used(const struct bus *bus)
{
    for (uint32_t slot = 0; slot < bus->config.channel_count; slot++) {
        if (chan_state(bus_slot(bus, slot)) > CHAN_OFFERED)
            return true;
    }
    return false;
}

int
enlg_vmbus_unload(struct enlg_vmbus *out)
{
    struct bus *bus = bus_of(out);
    bool answered = bus->version >= ENL_VMBUS_VERSION_WIN8_1;
    int rc;

    if (bus->state != ENLG_VMBUS_CONNECTED)
        return -ENL_E_INVAL;
    /* Without an answer nobody could say when the host has let go of a ring. */
    if (!answered && channels_are_used(bus))
        return -ENL_E_BUSY;
    enlg_vmbus_message(bus, ENL_VMBUS_UNLOAD);
    rc = enlg_vmbus_post(bus, sizeof(struct enl_vmbus_header));
    if (rc)
        return rc;
    bus->state = ENLG_VMBUS_UNLOADING;
    if (!answered)
        unload_finish(bus);
    return 0;
}

void
enlg_vmbus_abandon(struct enlg_vmbus *out)
{
    struct bus *bus = bus_of(out);

    if (bus->state == ENLG_VMBUS_IDLE || bus->state == ENLG_VMBUS_FAILED)
        return;
    connection_fail(bus, "vmbus: given up, as the host does not answer");
    enlg_offer_drop_all(bus, -ENL_E_TIMEDOUT);
    enlg_vmbus_tell(bus, ENLG_VMBUS_EVENT_FAILED, NULL);
}

/* ---- in ---- */

static void
contact_accepted(struct bus *bus, const struct enl_vmbus_version_response *m)
{
    if (m->connection_state != ENL_VMBUS_CONNECTION_STATE_SUCCESS) {
        connection_fail(bus, "vmbus: the host knows the version, and has no room");
        enlg_vmbus_tell(bus, ENLG_VMBUS_EVENT_FAILED, NULL);
        return;
    }
    if (bus->version >= ENL_VMBUS_VERSION_WIN10_5_0)
        bus->connection_id = m->version_or_connection_id;
    bus->state = ENLG_VMBUS_CONNECTED;
    enlg_vmbus_message(bus, ENL_VMBUS_REQUEST_OFFERS);
    if (enlg_vmbus_post(bus, sizeof(struct enl_vmbus_header))) {
        connection_fail(bus, "vmbus: the host takes no messages where it said it does");
        enlg_vmbus_tell(bus, ENLG_VMBUS_EVENT_FAILED, NULL);
        return;
    }
    enlg_vmbus_tell(bus, ENLG_VMBUS_EVENT_CONNECTED, NULL);
}

static void
contact_refused(struct bus *bus)
{
    bus->state = ENLG_VMBUS_CONTACTING;
    if (contact_below(bus, bus->version))
        enlg_vmbus_tell(bus, ENLG_VMBUS_EVENT_FAILED, NULL);
}

/*
 * An answer does not say which question it belongs to, and one for an earlier kernel may
 * have been taken for ours: then ours comes when we think that we are connected. The host
 * handles messages in order, so what it offers comes behind the answer that counts.
 */
static void
version_response_again(struct bus *bus, const struct enl_vmbus_version_response *m)
{
    if (bus->all_offers || bus->offers_seen)
        enlg_vmbus_malformed(bus);
    else if (!m->supported)
        contact_refused(bus);
    else if (bus->version >= ENL_VMBUS_VERSION_WIN10_5_0)
        bus->connection_id = m->version_or_connection_id;
}

/*
 * Yes to what was asked: not to a version that nobody offered, nor to what an earlier kernel
 * asked. Seen: QEMU ends the message before the last field, and others put 0 there.
 */
static bool
is_yes_to_us(const struct bus *bus, const struct enl_vmbus_version_response *m,
             uint32_t len)
{
    bool whole = len >= sizeof(*m);

    if (bus->version >= ENL_VMBUS_VERSION_WIN10_5_0)
        return whole;
    return !whole || m->version_or_connection_id == 0 ||
           m->version_or_connection_id == bus->version;
}

static void
version_response(struct bus *bus, const struct enl_vmbus_version_response *m,
                 uint32_t len)
{
    if (bus->state != ENLG_VMBUS_CONNECTED && bus->state != ENLG_VMBUS_CONTACTING)
        return;
    if (m->supported && !is_yes_to_us(bus, m, len))
        enlg_vmbus_malformed(bus);
    else if (bus->state == ENLG_VMBUS_CONNECTED)
        version_response_again(bus, m);
    else if (m->supported)
        contact_accepted(bus, m);
    else
        contact_refused(bus);
}

static void
unload_response(struct bus *bus)
{
    if (bus->state == ENLG_VMBUS_UNLOADING)
        unload_finish(bus);
    else if (bus->state == ENLG_VMBUS_CONNECTED)
        enlg_vmbus_malformed(bus);
}

static void
all_offers(struct bus *bus)
{
    if (bus->all_offers) {
        enlg_vmbus_malformed(bus);
        return;
    }
    bus->all_offers = true;
    enlg_vmbus_tell(bus, ENLG_VMBUS_EVENT_ALL_OFFERS, NULL);
}

static void
open_result(struct bus *bus, const struct enl_vmbus_open_result *m)
{
    struct chan *chan = enlg_offer_find(bus, m->relid);

    if (chan && m->open_id == m->relid)
        enlg_channel_open_result(chan, m->status);
    else
        enlg_vmbus_malformed(bus);
}

static void
modify_response(struct bus *bus, const struct enl_vmbus_modify_channel_response *m)
{
    struct chan *chan = enlg_offer_find(bus, m->relid);

    if (chan)
        enlg_channel_move_result(chan, m->status);
    else
        enlg_vmbus_malformed(bus);
}

/* The shortest message of a type that the host may send; 0: it may not. */
static uint32_t
length_of(uint32_t type)
{
    switch (type) {
    case ENL_VMBUS_OFFER_CHANNEL:
        return sizeof(struct enl_vmbus_offer);
    case ENL_VMBUS_RESCIND_OFFER:
        return sizeof(struct enl_vmbus_relid);
    case ENL_VMBUS_ALL_OFFERS_DELIVERED:
    case ENL_VMBUS_UNLOAD_RESPONSE:
        return sizeof(struct enl_vmbus_header);
    case ENL_VMBUS_OPEN_RESULT:
        return sizeof(struct enl_vmbus_open_result);
    case ENL_VMBUS_GPADL_CREATED:
        return sizeof(struct enl_vmbus_gpadl_created);
    case ENL_VMBUS_GPADL_TORNDOWN:
        return sizeof(struct enl_vmbus_gpadl_torndown);
    case ENL_VMBUS_VERSION_RESPONSE:
        return ENL_VMBUS_VERSION_RESPONSE_MIN;
    case ENL_VMBUS_MODIFY_CHANNEL_RESPONSE:
        return sizeof(struct enl_vmbus_modify_channel_response);
    default:
        return 0;
    }
}

static void
message_connected(struct bus *bus, uint32_t type, const void *m)
{
    switch (type) {
    case ENL_VMBUS_OFFER_CHANNEL:
        bus->offers_seen = true;
        enlg_offer_received(bus, m);
        break;
    case ENL_VMBUS_RESCIND_OFFER:
        enlg_offer_rescinded(bus, ((const struct enl_vmbus_relid *)m)->relid);
        break;
    case ENL_VMBUS_ALL_OFFERS_DELIVERED:
        all_offers(bus);
        break;
    case ENL_VMBUS_OPEN_RESULT:
        open_result(bus, m);
        break;
    case ENL_VMBUS_GPADL_CREATED:
        enlg_gpadl_created(bus, m);
        break;
    case ENL_VMBUS_GPADL_TORNDOWN:
        enlg_gpadl_torndown(bus, ((const struct enl_vmbus_gpadl_torndown *)m)->gpadl);
        break;
    case ENL_VMBUS_MODIFY_CHANNEL_RESPONSE:
        modify_response(bus, m);
        break;
    default:
        enlg_vmbus_malformed(bus);
        break;
    }
}

static void
message_handle(struct bus *bus, const struct enl_message *message)
{
    const void *m = message->payload;
    struct enl_vmbus_header head;

    bus->counters.messages++;
    memcpy(&head, m, sizeof(head));
    if (message->payload_len < sizeof(head) || length_of(head.type) == 0 ||
        message->payload_len < length_of(head.type)) {
        enlg_vmbus_malformed(bus);
        return;
    }
    if (head.type == ENL_VMBUS_VERSION_RESPONSE)
        version_response(bus, m, message->payload_len);
    else if (head.type == ENL_VMBUS_UNLOAD_RESPONSE)
        unload_response(bus);
    /*
     * Else it was on its way when the connection ended, or was meant for the kernel before
     * this one.
     */
    else if (bus->state == ENLG_VMBUS_CONNECTED)
        message_connected(bus, head.type, m);
}

uint32_t
enlg_vmbus_poll_synic(struct enlg_vmbus *out, struct enlg_synic *synic)
{
    struct bus *bus = bus_of(out);
    struct enl_message message;
    uint32_t count = 0;

    while (count < POLL_MAX && enlg_synic_message(synic, bus->config.sint, &message)) {
        count++;
        if (message.type == ENL_MESSAGE_VMBUS)
            message_handle(bus, &message);
        else if (bus->config.message)
            bus->config.message(bus->config.ctx, &message);
    }
    return count;
}

uint32_t
enlg_vmbus_poll(struct enlg_vmbus *bus)
{
    return enlg_vmbus_poll_synic(bus, bus_of(bus)->config.synic);
}

/* ---- signals ---- */

static void
flag_taken(void *ctx, uint32_t flag)
{
    const struct bus *bus = ctx;
    struct chan *chan = enlg_offer_find(bus, flag);

    if (chan && chan_state(chan) == CHAN_OPEN && chan->config.signal)
        chan->config.signal(chan->config.ctx, chan_public(chan));
}

uint32_t
enlg_vmbus_events(struct enlg_vmbus *bus, struct enlg_synic *synic)
{
    return enlg_synic_events(synic, bus_of(bus)->config.sint, flag_taken, bus_of(bus));
}

/* ---- questions ---- */

enum enlg_vmbus_state
enlg_vmbus_state(const struct enlg_vmbus *bus)
{
    return (enum enlg_vmbus_state)((const struct bus *)bus)->state;
}

uint32_t
enlg_vmbus_version(const struct enlg_vmbus *out)
{
    const struct bus *bus = (const struct bus *)out;
    bool agreed =
        bus->state == ENLG_VMBUS_CONNECTED || bus->state == ENLG_VMBUS_UNLOADING;

    return agreed ? bus->version : 0;
}

const struct enlg_partition *
enlg_vmbus_partition(const struct enlg_vmbus *bus)
{
    return ((const struct bus *)bus)->partition;
}

struct enlg_channel *
enlg_vmbus_channel(struct enlg_vmbus *out, uint32_t i)
{
    struct bus *bus = bus_of(out);

    for (uint32_t slot = 0; slot < bus->config.channel_count; slot++) {
        if (chan_state(bus_slot(bus, slot)) != CHAN_FREE && i-- == 0)
            return &bus->config.channels[slot];
    }
    return NULL;
}

bool
enlg_vmbus_uses_vp(const struct enlg_vmbus *out, uint32_t vp)
{
    const struct bus *bus = (const struct bus *)out;

    if (bus->state != ENLG_VMBUS_IDLE && enlg_synic_vp(bus->config.synic) == vp)
        return true;
    return enlg_place_channel(out, vp, 0) != NULL;
}

void
enlg_vmbus_counters(const struct enlg_vmbus *bus, struct enlg_vmbus_counters *out)
{
    *out = ((const struct bus *)bus)->counters;
}
