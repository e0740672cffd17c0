/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/net/queue.c - one channel of a NIC: its life, its packets, frames going out
 *
 * Run by the kernel's submit and poll. A frame goes out as an RNDIS message: a header in
 * the kernel's own object, and behind it the frame where it lies; both are the host's until
 * its completion, or until the channel is closed. A transaction id finds its frame once.
 * [enlight/abi/nvsp.h, enlight/abi/rndis.h]
 * Tests: test/unit/guest_net*.c, test/loop/net.c.
 */
#include "guest/dev/net/net.h"

#define POLL_MAX         64
#define FRAME_HEAD_LEN   14u
#define VLAN_TAG_LEN     4u
#define TCP_HEAD_LEN_MAX 60u

static struct net_queue *
queue_of(struct enlg_net_queue *queue)
{
    return (struct net_queue *)queue;
}

static struct net_queue *
of(struct queue *q)
{
    return (struct net_queue *)q;
}

/* ---- life; the bus's thread ---- */

static void
queue_tell(struct net_queue *q, enum enlg_net_event event)
{
    if (q->config.event)
        q->config.event(q->config.ctx, (struct enlg_net *)q->net, event);
}

static void
on_signal(struct queue *queue)
{
    struct net_queue *q = of(queue);

    if (q->config.signal)
        q->config.signal(q->config.ctx);
}

static void
on_lost(struct queue *q)
{
    queue_tell(of(q), ENLG_NET_LOST);
}

static void
on_ended(struct queue *q, void *cookie, int result)
{
    struct enlg_net_send *send = cookie;

    if (cookie == of(q)->net) /* a question */
        return;
    send->result = result;
    send->done(send->ctx, send);
}

static uint32_t
bit_of(const struct net_queue *q)
{
    return 1u << enlg_channel_info(q->queue.channel)->subchannel;
}

/* The NIC's own end is told last: its queues point to it. */
static void
on_closed(struct queue *queue)
{
    struct net_queue *q = of(queue);
    struct net *n = q->net;

    __atomic_and_fetch(&n->open_queues, ~bit_of(q), __ATOMIC_RELEASE);
    if (!net_queue_is_first(q))
        queue_tell(q, ENLG_NET_STOPPED);
    if (!n->queues)
        enlg_net_tell(n, ENLG_NET_STOPPED);
}

/* What stop() left to do until the host has answered. */
static void
stop_go_on(struct net *n)
{
    int rc = n->lent ? enlg_gpadl_teardown(&n->receive)
                     : enlg_channel_close(n->first.queue.channel);

    if (rc)
        log_line(n->partition, ENLG_LOG_WARN,
                 "net: the host cannot be told; its memory stays shared");
}

static void
gpadl_event(void *ctx, struct enlg_gpadl *gpadl, enum enlg_gpadl_event event, int status)
{
    struct net *n = ctx;

    (void)gpadl;
    n->lending = false;
    n->lent = event == ENLG_GPADL_CREATED && status == 0;
    if (n->stopping) {
        stop_go_on(n);
    } else if (n->lent) {
        queue_set_open(&n->first.queue);
        on_signal(&n->first.queue);
    } else {
        enlg_net_tell(n, ENLG_NET_LOST);
    }
}

/* The first channel lends the receive buffer, and is ready for use when the host has it. */
static int
buffer_lend(struct net *n)
{
    const struct enlg_gpadl_config config = {
        .base = n->first.config.receive_buffer,
        .len = n->first.config.receive_len,
        .event = gpadl_event,
        .ctx = n,
    };
    int rc = enlg_gpadl_create(&n->receive, n->first.queue.channel, &config);

    n->lending = rc == 0;
    return rc;
}

static void
on_opened(struct queue *queue)
{
    struct net_queue *q = of(queue);
    struct net *n = q->net;

    if (net_queue_is_first(q)) {
        if (buffer_lend(n) != 0)
            queue_tell(q, ENLG_NET_LOST);
        return;
    }
    queue_set_open(queue);
    __atomic_or_fetch(&n->open_queues, bit_of(q), __ATOMIC_RELEASE);
    on_signal(&n->first.queue); /* it tells the host */
}

static const struct queue_ops ops = {
    .opened = on_opened,
    .lost = on_lost,
    .ended = on_ended,
    .closed = on_closed,
    .signal = on_signal,
};

static bool
config_is_good(const struct enlg_net_config *config)
{
    return config->slots && config->slot_count != 0 && config->slot_count <= UINT16_MAX &&
           config->buffer && (uintptr_t)config->buffer % 8 == 0 && config->room &&
           config->frame;
}

int
enlg_net_queue_open(struct net_queue *q, struct net *n, struct enlg_channel *channel,
                    const struct enlg_net_config *config)
{
    q->net = n;
    q->queue.ops = &ops;
    q->queue.list = &n->queues;
    if (!config_is_good(config))
        return -ENL_E_INVAL;
    q->config = *config;
    enlg_requests_init(&q->queue.requests, config->slots, config->slot_count);
    return enlg_queue_open(&q->queue, channel,
                           (struct enlg_channel_config){
                               .ring = config->ring,
                               .send_len = config->send_len,
                               .recv_len = config->recv_len,
                               .vp = config->vp,
                           });
}

int
enlg_net_queue_start(struct enlg_net_queue *out, struct enlg_net *net,
                     struct enlg_channel *channel, const struct enlg_net_config *config)
{
    struct net *n = (struct net *)net;
    uint16_t index = enlg_channel_info(channel)->subchannel;

    if (config->size != sizeof(*config) || !enlg_queue_is_alive(&n->first.queue) ||
        n->stopping || index == 0 || index >= ENLG_NET_QUEUES_MAX ||
        enlg_channel_first(channel) != n->first.queue.channel)
        return -ENL_E_INVAL;
    memset(out, 0, sizeof(*out));
    return enlg_net_queue_open(queue_of(out), n, channel, config);
}

int
enlg_net_queue_stop(struct enlg_net_queue *queue)
{
    struct net_queue *q = queue_of(queue);

    return net_queue_is_first(q) ? -ENL_E_INVAL : enlg_queue_close(&q->queue);
}

/* ---- packets of the host; the channel's thread from here on ---- */

int
enlg_net_queue_break(struct net_queue *q, int error, const char *why)
{
    q->queue.error = error;
    if (net_queue_is_first(q))
        net_set_state(q->net, NET_BROKEN);
    log_line(q->net->partition, ENLG_LOG_ERROR, why);
    return error;
}

static int
completion_take(struct net_queue *q, const struct enlg_packet *packet,
                const struct enl_nvsp_message *m)
{
    void *cookie = enlg_requests_put(&q->queue.requests, packet->transaction_id);
    struct enlg_net_send *send = cookie;

    if (!cookie)
        return enlg_net_queue_break(q, -ENL_E_PROTO,
                                    "net: an answer that nobody asked for");
    if (cookie == q->net)
        return enlg_net_answered(q->net, m);
    send->result = m->type == ENL_NVSP_RNDIS_COMPLETE &&
                           m->u.rndis_complete.status == ENL_NVSP_STATUS_SUCCESS
                       ? 0
                       : -ENL_E_IO;
    send->done(send->ctx, send);
    return 0;
}

/* Give a packet's pieces of the receive buffer back. Returns 0, or -ENL_E_AGAIN. */
static int
owed_pay(struct net_queue *q)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_RNDIS_COMPLETE,
        .u.rndis_complete.status = ENL_NVSP_STATUS_SUCCESS,
    };
    int rc = 0;

    if (q->owed)
        rc = enlg_packet_complete(q->queue.channel, q->owed_id, &m, ENLG_NET_MESSAGE_LEN);
    if (rc == 0)
        q->owed = false;
    return rc;
}

static int
packet_take(struct net_queue *q, const struct enlg_packet *packet)
{
    struct enl_nvsp_message m = {0};
    int rc;

    memcpy(&m, packet->payload,
           packet->payload_len < sizeof(m) ? packet->payload_len : sizeof(m));
    switch (packet->type) {
    case ENL_PACKET_COMPLETION:
        return completion_take(q, packet, &m);
    case ENL_PACKET_TRANSFER_PAGES:
        rc = enlg_net_receive(q, packet, &m);
        q->owed = true; /* whatever it held */
        q->owed_id = packet->transaction_id;
        return rc;
    case ENL_PACKET_INBAND: /* which queue to send through, a second way: as one likes */
        return 0;
    default:
        return enlg_net_queue_break(q, -ENL_E_PROTO, "net: a packet of a wrong type");
    }
}

/* Returns 1 when a packet was taken, 0 when there is none or no room for its answer. */
static int
packet_next(struct net_queue *q)
{
    struct enlg_packet packet;
    int rc = owed_pay(q);

    if (rc)
        return rc == -ENL_E_AGAIN ? 0 : rc;
    rc =
        enlg_packet_get(q->queue.channel, q->config.buffer, ENLG_NET_BUFFER_LEN, &packet);
    if (rc == -ENL_E_MSGSIZE)
        return enlg_net_queue_break(q, -ENL_E_PROTO, "net: a packet that is too long");
    if (rc == -ENL_E_PROTO)
        return enlg_net_queue_break(q, rc, "net: the ring is broken");
    if (rc <= 0)
        return rc;
    rc = packet_take(q, &packet);
    return rc ? rc : 1;
}

/* Up to POLL_MAX packets, what they lead to, and what was submitted. */
static int
turn(struct net_queue *q, int *count)
{
    int rc = 0;

    while (*count < POLL_MAX && (rc = packet_next(q)) == 1)
        ++*count;
    if (rc < 0)
        return rc;
    rc = net_queue_is_first(q) ? enlg_net_go_on(q->net) : 0;
    if (rc)
        return rc;
    rc = owed_pay(q);
    if (rc && rc != -ENL_E_AGAIN)
        return rc;
    return enlg_packet_publish(q->queue.channel);
}

/* Sleep only when nothing is there and nothing is owed; true: go on. */
static bool
is_awake(struct net_queue *q)
{
    if (!q->owed)
        return enlg_packet_sleep(q->queue.channel);
    return enlg_packet_wait(q->queue.channel, ENLG_NET_MESSAGE_LEN, 0);
}

int
enlg_net_queue_poll(struct enlg_net_queue *queue)
{
    struct net_queue *q = queue_of(queue);
    int count = 0, rc = q->queue.error;

    if (rc || !queue_is_open(&q->queue))
        return rc;
    do {
        rc = turn(q, &count);
        if (rc)
            return rc;
        if (count == POLL_MAX) {
            rc = enlg_packet_release(q->queue.channel);
            return rc ? rc : count;
        }
    } while (is_awake(q));
    return count;
}

/* ---- frames out ---- */

uint32_t
enlg_net_queue_pages(struct net_queue *q, uint32_t page_count, const void *data,
                     uint32_t len)
{
    const uint8_t *at = data;

    while (len != 0) {
        uint32_t offset = (uint32_t)((uintptr_t)at & ENL_PAGE_MASK);
        uint32_t piece = ENL_PAGE_SIZE - offset < len ? ENL_PAGE_SIZE - offset : len;

        if (page_count == ENLG_NET_PAGES)
            return 0;
        q->pages[page_count++] = (struct enlg_page_buffer){
            .len = piece,
            .offset = offset,
            .pfn = gpa_of(q->net->partition, at) >> ENL_PAGE_SHIFT,
        };
        at += piece;
        len -= piece;
    }
    return page_count;
}

int
enlg_net_queue_put(struct net_queue *q, const struct enl_nvsp_message *m,
                   uint32_t page_count, void *cookie)
{
    struct enlg_send send = {
        .payload = m,
        .payload_len = ENLG_NET_MESSAGE_LEN,
        .wants_completion = true,
    };
    uint32_t desc_len =
        (uint32_t)(sizeof(struct enl_packet_gpa_direct) - sizeof(struct enl_packet)) +
        page_count * (uint32_t)sizeof(q->pages[0]);
    int rc = enlg_requests_get(&q->queue.requests, cookie, &send.transaction_id);

    if (rc)
        return rc;
    rc = enlg_packet_put_pages(q->queue.channel, &send, q->pages, page_count);
    if (rc == -ENL_E_AGAIN) {
        rc = enlg_queue_make_room(&q->queue, ENLG_NET_MESSAGE_LEN, desc_len);
        if (!rc)
            rc = enlg_packet_put_pages(q->queue.channel, &send, q->pages, page_count);
    }
    if (rc)
        (void)enlg_requests_put(&q->queue.requests, send.transaction_id);
    return rc;
}

/* An RNDIS message up to its frame. */
struct frame_head {
    struct enl_rndis_header head;
    struct enl_rndis_packet packet;
    struct {
        struct enl_rndis_info info;
        uint32_t value;
    } infos[2];
};
ENL_STATIC_ASSERT(sizeof(struct frame_head) <= sizeof(((struct enlg_net_send *)0)->head),
                  "a frame's head fits");

static void
info_add(struct frame_head *h, uint32_t type, uint32_t value)
{
    uint32_t i = h->packet.info_len / ENL_RNDIS_INFO_LEN;

    h->infos[i].info = (struct enl_rndis_info){
        .size = ENL_RNDIS_INFO_LEN, .type = type, .offset = sizeof(h->infos[i].info)};
    h->infos[i].value = value;
    h->packet.info_offset = sizeof(h->packet);
    h->packet.info_len += ENL_RNDIS_INFO_LEN;
}

static uint32_t
segment_value(const struct enlg_net_send *send)
{
    return send->segment_len |
           (uint32_t)send->header_offset << ENL_RNDIS_LSO_OFFSET_SHIFT |
           ENL_RNDIS_LSO_VERSION_2 |
           (send->checksum & ENLG_NET_IPV6 ? ENL_RNDIS_LSO_IPV6 : 0);
}

static uint32_t
checksum_value(const struct enlg_net_send *send)
{
    uint32_t value = send->checksum & ENLG_NET_IPV6 ? ENL_RNDIS_TX_CHECKSUM_IPV6
                                                    : ENL_RNDIS_TX_CHECKSUM_IPV4;

    if (send->checksum & ENLG_NET_CHECKSUM_IP)
        value |= ENL_RNDIS_TX_CHECKSUM_IP_HEADER;
    if (send->checksum & ENLG_NET_CHECKSUM_TCP)
        value |= ENL_RNDIS_TX_CHECKSUM_TCP | (uint32_t)send->header_offset
                                                 << ENL_RNDIS_TX_CHECKSUM_OFFSET_SHIFT;
    if (send->checksum & ENLG_NET_CHECKSUM_UDP)
        value |= ENL_RNDIS_TX_CHECKSUM_UDP;
    return value;
}

static uint32_t
vlan_value(uint16_t vlan)
{
    return (uint32_t)(vlan & ENL_RNDIS_VLAN_ID_MASK) << ENL_RNDIS_VLAN_ID_SHIFT |
           (vlan >> 13 & ENL_RNDIS_VLAN_PRIORITY_MASK);
}

/* Returns how long it is. */
static uint32_t
head_fill(struct enlg_net_send *send, uint32_t frame_len)
{
    struct frame_head *h = (void *)send->head;

    memset(h, 0, sizeof(*h));
    if (send->segment_len)
        info_add(h, ENL_RNDIS_INFO_LSO, segment_value(send));
    else if (send->checksum & ~ENLG_NET_IPV6)
        info_add(h, ENL_RNDIS_INFO_CHECKSUM, checksum_value(send));
    if (send->vlan != ENLG_NET_NO_VLAN)
        info_add(h, ENL_RNDIS_INFO_VLAN, vlan_value(send->vlan));
    h->packet.data_offset = (uint32_t)sizeof(h->packet) + h->packet.info_len;
    h->packet.data_len = frame_len;
    h->head.type = ENL_RNDIS_PACKET;
    h->head.len = (uint32_t)sizeof(h->head) + h->packet.data_offset + frame_len;
    return h->head.len - frame_len;
}

/* Offloads that were agreed on, and a frame that can have them. */
static bool
offloads_are_good(const struct enlg_net_info *info, const struct enlg_net_send *send)
{
    bool is_ipv6 = (send->checksum & ENLG_NET_IPV6) != 0;
    uint32_t agreed = is_ipv6 ? info->checksum_ipv6 : info->checksum;

    if (send->header_offset > ENL_RNDIS_LSO_OFFSET_MASK)
        return false;
    if (send->segment_len)
        return (is_ipv6 ? info->segment_ipv6 : info->segment) != 0;
    return (send->checksum & ~(agreed | ENLG_NET_IPV6)) == 0;
}

static uint32_t
frame_len_max(const struct enlg_net_info *info, const struct enlg_net_send *send)
{
    if (!send->segment_len)
        return FRAME_HEAD_LEN + VLAN_TAG_LEN + info->mtu;
    return send->header_offset + TCP_HEAD_LEN_MAX +
           (send->checksum & ENLG_NET_IPV6 ? info->segment_ipv6 : info->segment);
}

/* Bytes of the frame; 0: none that can be sent. */
static uint32_t
frame_len_of(const struct net *n, const struct enlg_net_send *send)
{
    uint32_t most = frame_len_max(&n->info, send);
    uint32_t len = 0;

    for (uint32_t i = 0; i < send->piece_count; i++) {
        if (send->pieces[i].len > most - len)
            return 0;
        len += send->pieces[i].len;
    }
    return len >= FRAME_HEAD_LEN ? len : 0;
}

static uint32_t
pages_fill(struct net_queue *q, const struct enlg_net_send *send, uint32_t head_len)
{
    uint32_t count = enlg_net_queue_pages(q, 0, send->head, head_len);

    for (uint32_t i = 0; i < send->piece_count && count != 0; i++)
        count = enlg_net_queue_pages(q, count, send->pieces[i].data, send->pieces[i].len);
    return count;
}

int
enlg_net_queue_submit(struct enlg_net_queue *queue, struct enlg_net_send *send)
{
    struct net_queue *q = queue_of(queue);
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {ENL_NVSP_CHANNEL_DATA, ENL_NVSP_NO_SECTION, 0},
    };
    uint32_t len, count;

    if (net_state(q->net) != NET_READY || !queue_is_open(&q->queue) || !send->done ||
        send->piece_count == 0 || send->piece_count > ENLG_NET_PAGES ||
        !offloads_are_good(&q->net->info, send))
        return -ENL_E_INVAL;
    len = frame_len_of(q->net, send);
    count = len ? pages_fill(q, send, head_fill(send, len)) : 0;
    if (count == 0)
        return -ENL_E_RANGE;
    return enlg_net_queue_put(q, &m, count, send);
}

int
enlg_net_queue_kick(struct enlg_net_queue *queue)
{
    return enlg_packet_publish(queue_of(queue)->queue.channel);
}
