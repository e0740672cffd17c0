/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/storage/storage.c - the controller: its start, and its life with all its queues
 *
 * Run by the kernel's bus thread, and by the host's answers on the first channel, each a
 * private copy here. A host that refuses a question of the start loses the controller; one
 * that refuses sub-channels does not. [storvsp: enlight/abi/storage.h]
 * Tests: test/unit/guest_storage.c, test/loop/life.c.
 */
#include "guest/dev/storage/storage.h"

static const uint16_t versions[] = {ENL_STORAGE_VERSION_WIN10, ENL_STORAGE_VERSION_WIN8_1,
                                    ENL_STORAGE_VERSION_WIN8};
#define VERSION_COUNT (sizeof(versions) / sizeof(versions[0]))

static struct storage *
storage_of(struct enlg_storage *storage)
{
    return (struct storage *)storage;
}

void
enlg_storage_tell(struct storage *s, enum enlg_storage_event event)
{
    s->first.config.event(s->first.config.ctx, (struct enlg_storage *)s, event);
}

/* ---- life; the bus's thread ---- */

int
enlg_storage_start(struct enlg_storage *out, struct enlg_channel *channel,
                   const struct enlg_storage_config *config)
{
    struct storage *s = storage_of(out);

    if (config->size != sizeof(*config) || !config->event)
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    s->partition = enlg_vmbus_partition(enlg_channel_bus(channel));
    s->state = STORAGE_OPENING;
    return enlg_storage_queue_open(&s->first, s, channel, config);
}

int
enlg_storage_stop(struct enlg_storage *storage)
{
    struct queue *first = &storage_of(storage)->first.queue;
    int failed = enlg_queue_close_others(first);
    int rc = enlg_queue_close(first);

    return rc ? rc : failed;
}

static uint32_t
queues_count(const struct storage *s)
{
    uint32_t count = 0;

    for (const struct queue *q = s->queues; q; q = q->next)
        count += q != &s->first.queue;
    return count;
}

static bool
is_sub_channel(const struct storage *s, const struct enlg_channel *channel)
{
    const struct enlg_channel_info *first = enlg_channel_info(s->first.queue.channel);
    const struct enlg_channel_info *info = enlg_channel_info(channel);

    return info->subchannel != 0 &&
           memcmp(&info->instance, &first->instance, sizeof(info->instance)) == 0 &&
           memcmp(&info->type, &first->type, sizeof(info->type)) == 0;
}

int
enlg_storage_queue_start(struct enlg_storage_queue *queue, struct enlg_storage *storage,
                         struct enlg_channel *channel,
                         const struct enlg_storage_config *config)
{
    struct storage *s = storage_of(storage);

    if (config->size != sizeof(*config))
        return -ENL_E_INVAL;
    if (!enlg_queue_is_alive(&s->first.queue))
        return -ENL_E_CONNRESET;
    if (!is_sub_channel(s, channel))
        return -ENL_E_INVAL;
    if (queues_count(s) >= s->first.config.sub_channels)
        return -ENL_E_NOSPC;
    memset(queue, 0, sizeof(*queue));
    return enlg_storage_queue_open((struct storage_queue *)queue, s, channel, config);
}

/* ---- the start; the first channel's thread ---- */

static const uint32_t questions[] = {
    [STORAGE_BEGIN] = ENL_STORAGE_BEGIN_INIT,
    [STORAGE_VERSION] = ENL_STORAGE_QUERY_VERSION,
    [STORAGE_PROPERTIES] = ENL_STORAGE_QUERY_PROPERTIES,
    [STORAGE_END] = ENL_STORAGE_END_INIT,
    [STORAGE_MORE] = ENL_STORAGE_CREATE_SUB_CHANNELS,
};

/* Enter a state of the start, and ask its question. */
static int
question_ask(struct storage *s, enum storage_state state)
{
    struct enl_storage_packet packet = {
        .operation = questions[state],
        .flags = ENL_STORAGE_FLAG_COMPLETION,
    };
    struct enlg_send send = {
        .payload = &packet,
        .payload_len = ENLG_STORAGE_PACKET_LEN,
        .wants_completion = true,
    };
    int rc;

    if (state == STORAGE_VERSION)
        packet.u.version.version = versions[s->version];
    if (state == STORAGE_MORE)
        packet.u.sub_channel_count = s->sub_channels;
    storage_set_state(s, state);
    rc = enlg_requests_get(&s->first.queue.requests, s, &send.transaction_id);
    if (!rc)
        rc = enlg_packet_put(s->first.queue.channel, &send);
    return rc;
}

int
enlg_storage_begin(struct storage *s)
{
    return question_ask(s, STORAGE_BEGIN);
}

static int
version_refused(struct storage *s)
{
    if (++s->version == VERSION_COUNT)
        return enlg_storage_queue_break(&s->first, -ENL_E_NOTSUP,
                                        "storage: no common version");
    return question_ask(s, STORAGE_VERSION);
}

static void
properties_take(struct storage *s, const struct enl_storage_properties *p)
{
    uint64_t mine = ((uint64_t)s->first.config.pfn_count - 1) * ENL_PAGE_SIZE;
    uint16_t wanted = s->first.config.sub_channels;

    s->max_transfer = p->max_transfer_len < mine ? p->max_transfer_len : (uint32_t)mine;
    if (p->flags & ENL_STORAGE_PROPERTY_MULTI_CHANNEL)
        s->sub_channels = wanted < p->max_sub_channels ? wanted : p->max_sub_channels;
}

static int
start_is_over(struct storage *s)
{
    storage_set_state(s, STORAGE_READY);
    enlg_storage_tell(s, ENLG_STORAGE_READY);
    return 0;
}

int
enlg_storage_answered(struct storage *s, const struct enl_storage_packet *packet)
{
    bool good = packet->status == ENL_STORAGE_STATUS_SUCCESS;

    if (s->state == STORAGE_VERSION && !good)
        return version_refused(s);
    if (s->state == STORAGE_MORE && !good)
        s->sub_channels = 0;
    else if (!good)
        return enlg_storage_queue_break(&s->first, -ENL_E_IO,
                                        "storage: the host refused to start");
    switch (s->state) {
    case STORAGE_BEGIN:
        return question_ask(s, STORAGE_VERSION);
    case STORAGE_VERSION:
        return question_ask(s, STORAGE_PROPERTIES);
    case STORAGE_PROPERTIES:
        properties_take(s, &packet->u.properties);
        return question_ask(s, STORAGE_END);
    case STORAGE_END:
        return s->sub_channels ? question_ask(s, STORAGE_MORE) : start_is_over(s);
    default:
        return start_is_over(s);
    }
}

/* ---- the first queue by the controller's name ---- */

struct enlg_storage_queue *
enlg_storage_queue_first(struct enlg_storage *storage)
{
    return (struct enlg_storage_queue *)&storage_of(storage)->first;
}

int
enlg_storage_poll(struct enlg_storage *storage)
{
    return enlg_storage_queue_poll(enlg_storage_queue_first(storage));
}

int
enlg_storage_submit(struct enlg_storage *storage, struct enlg_storage_io *io)
{
    return enlg_storage_queue_submit(enlg_storage_queue_first(storage), io);
}

int
enlg_storage_kick(struct enlg_storage *storage)
{
    return enlg_storage_queue_kick(enlg_storage_queue_first(storage));
}

/* ---- questions ---- */

bool
enlg_storage_is_ready(const struct enlg_storage *storage)
{
    return storage_state((const struct storage *)storage) == STORAGE_READY;
}

uint32_t
enlg_storage_max_transfer(const struct enlg_storage *storage)
{
    return ((const struct storage *)storage)->max_transfer;
}

uint16_t
enlg_storage_version(const struct enlg_storage *storage)
{
    return versions[((const struct storage *)storage)->version];
}

uint16_t
enlg_storage_sub_channels(const struct enlg_storage *storage)
{
    return ((const struct storage *)storage)->sub_channels;
}
