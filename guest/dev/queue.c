/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/queue.c - one channel of a device that may have several: its life
 *
 * Run by the kernel's bus thread. Requests that are the host's end only here or by an
 * answer: here, when nothing of the channel is the host's any more.
 * Tests: test/unit/guest_storage.c, test/unit/guest_net.c.
 */
#include "guest/dev/queue.h"

bool
enlg_queue_is_alive(const struct queue *queue)
{
    const struct queue *q = *queue->list;

    while (q && q != queue)
        q = q->next;
    return q != NULL;
}

static void
list_remove(struct queue *q)
{
    struct queue **at = q->list;

    while (*at && *at != q)
        at = &(*at)->next;
    if (*at)
        *at = q->next;
}

static void
closed(struct queue *q, int status)
{
    int result = status == -ENL_E_TIMEDOUT ? status : -ENL_E_CANCELED;
    void *cookie;

    list_remove(q);
    while ((cookie = enlg_requests_take_any(&q->requests)))
        q->ops->ended(q, cookie, result);
    q->ops->closed(q);
}

static void
channel_event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event event,
              int status)
{
    struct queue *q = ctx;

    (void)channel;
    switch (event) {
    case ENLG_CHANNEL_OPENED:
        if (status)
            q->ops->lost(q);
        else
            q->ops->opened(q);
        break;
    case ENLG_CHANNEL_RESCINDED:
        q->ops->lost(q);
        break;
    case ENLG_CHANNEL_CLOSED:
        closed(q, status);
        break;
    case ENLG_CHANNEL_MOVED:
        break;
    }
}

static void
channel_signal(void *ctx, struct enlg_channel *channel)
{
    struct queue *q = ctx;

    (void)channel;
    q->ops->signal(q);
}

int
enlg_queue_open(struct queue *q, struct enlg_channel *channel,
                struct enlg_channel_config config)
{
    int rc;

    config.size = sizeof(config);
    config.event = channel_event;
    config.signal = channel_signal;
    config.ctx = q;
    q->channel = channel;
    rc = enlg_channel_open(channel, &config);
    if (rc)
        return rc;
    q->next = *q->list;
    *q->list = q;
    return 0;
}

/* The channel of one that has ended may be another's by now. */
int
enlg_queue_close(struct queue *q)
{
    return enlg_queue_is_alive(q) ? enlg_channel_close(q->channel) : -ENL_E_INVAL;
}

int
enlg_queue_close_others(struct queue *first)
{
    struct queue *next;
    int failed = 0;

    for (struct queue *q = *first->list; q; q = next) {
        int rc;

        next = q->next; /* CLOSED may come from within, and q is the kernel's again */
        rc = q == first ? 0 : enlg_channel_close(q->channel);
        if (rc != -ENL_E_INVAL && !failed)
            failed = rc;
    }
    return failed;
}

int
enlg_queue_make_room(struct queue *q, uint32_t payload_len, uint32_t desc_len)
{
    int rc = enlg_packet_publish(q->channel);

    if (rc)
        return rc;
    return enlg_packet_wait(q->channel, payload_len, desc_len) ? 0 : -ENL_E_AGAIN;
}
