/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/nic.c - frames that tell their number go out, and must come back whole, once
 *
 * VP 0 opens and closes, and frees memory only when the library and the threads both have
 * let go. A frame is Ethernet, IPv4, TCP and bytes that follow from its number; its port
 * is its flow.
 */
#include "test/loop/nic.h"

#include <string.h>

#include "enlight/abi/guids.h"
#include "test/loop/client.h"

#define HEAD_LEN    54u /* Ethernet, IPv4, TCP */
#define TCP_AT      34u
#define LARGE_LEN   6000u
#define SEGMENT_LEN 1000u
#define RING_PAGES  3u
#define MTU_FRAME   1514u

static uint32_t
receive_pages(const struct nic *nic)
{
    return nic->guest->config.nic_receive_pages;
}

/* ---- frames; a queue's thread ---- */

static void
frame_fill(uint8_t *bytes, uint32_t len, uint32_t number, const uint8_t address[6])
{
    const uint8_t ip[20] = {0x45,
                            0,
                            (uint8_t)((len - 14) >> 8),
                            (uint8_t)(len - 14),
                            0,
                            0,
                            0,
                            0,
                            64,
                            6,
                            0,
                            0,
                            10,
                            0,
                            0,
                            1,
                            10,
                            0,
                            0,
                            2};

    memset(bytes, 0, HEAD_LEN);
    memcpy(bytes, (const uint8_t[6]){2, 0, 0, 0, 0, 9}, 6);
    memcpy(bytes + 6, address, 6);
    bytes[12] = 8;
    memcpy(bytes + 14, ip, sizeof(ip));
    bytes[TCP_AT + 1] = (uint8_t)(number % 61); /* the port: a flow */
    memcpy(bytes + TCP_AT + 4, &number, 4);
    bytes[TCP_AT + 12] = 5 << 4;
    for (uint32_t i = HEAD_LEN; i < len; i++)
        bytes[i] = (uint8_t)(number * 7 + i);
}

static void *
frame_room(void *ctx, uint32_t len)
{
    struct nic_queue *q = ctx;

    loop_check(len >= HEAD_LEN && len <= MTU_FRAME && len <= sizeof(q->frame));
    return q->frame;
}

static void
frame_in(void *ctx, const struct enlg_net_frame *frame)
{
    struct nic_queue *q = ctx;
    uint32_t number;

    memcpy(&number, q->frame + TCP_AT + 4, 4);
    for (uint32_t i = HEAD_LEN; i < frame->len; i++) {
        if (q->frame[i] != (uint8_t)(number * 7 + i))
            loop_fail("frame %u has a wrong byte at %u of %u", number, i, frame->len);
    }
    loop_check(frame->good & ENLG_NET_CHECKSUM_TCP);
    loop_check(frame->vlan == ENLG_NET_NO_VLAN);
    atomic_fetch_add(&q->nic->back, 1);
}

static void
send_done(void *ctx, struct enlg_net_send *send)
{
    struct nic_send *s = ctx;
    struct nic_queue *q = s->queue;

    loop_check(s->busy && q->flying > 0);
    loop_check(send->result == 0 || send->result == -ENL_E_CANCELED);
    s->busy = false;
    q->flying--;
}

static struct nic_send *
send_free(struct nic_queue *q)
{
    for (uint32_t i = 0; i < NIC_SENDS; i++) {
        if (!q->sends[i].busy)
            return &q->sends[i];
    }
    return NULL;
}

/* In up to three pieces, cut anywhere. */
static void
pieces_cut(struct nic_queue *q, struct nic_send *s, uint8_t *bytes, uint32_t len)
{
    uint32_t first = loop_rand_below(&q->rand, len);
    uint32_t second = loop_rand_below(&q->rand, len - first);

    s->pieces[0] = (struct enlg_net_piece){bytes, first};
    s->pieces[1] = (struct enlg_net_piece){bytes + first, second};
    s->pieces[2] = (struct enlg_net_piece){bytes + first + second, len - first - second};
    s->send.pieces = s->pieces;
    s->send.piece_count = 3;
}

/* A frame at random. Returns whether it will come back. */
static bool
send_make(struct nic_queue *q, struct nic_send *s, const struct enlg_net_info *info)
{
    bool large = info->segment && loop_rand_percent(&q->rand, 10);
    uint32_t len = HEAD_LEN + loop_rand_below(&q->rand, large ? LARGE_LEN
                                                              : MTU_FRAME - HEAD_LEN + 1);
    uint8_t *bytes = s->bytes + loop_rand_below(&q->rand, 1024);
    uint32_t number = (uint32_t)loop_rand_next(&q->rand);

    len += large ? SEGMENT_LEN + 1 : 0; /* something to cut */
    memset(&s->send, 0, sizeof(s->send));
    frame_fill(bytes, len, number, info->address);
    pieces_cut(q, s, bytes, len);
    s->send.vlan = ENLG_NET_NO_VLAN;
    s->send.header_offset = TCP_AT;
    s->send.segment_len = large ? SEGMENT_LEN : 0;
    if (large || loop_rand_percent(&q->rand, 30))
        s->send.checksum = info->checksum & ENLG_NET_CHECKSUM_TCP;
    s->send.done = send_done;
    s->send.ctx = s;
    s->queue = q;
    return !large;
}

static int
queue_submit(struct nic_queue *q, struct nic_send *s)
{
    return q->index ? enlg_net_queue_submit(&q->queue, &s->send)
                    : enlg_net_submit(&q->nic->net, &s->send);
}

static int
queue_kick(struct nic_queue *q)
{
    return q->index ? enlg_net_queue_kick(&q->queue) : enlg_net_kick(&q->nic->net);
}

static void
frames_send(struct nic_queue *q)
{
    struct enlg_net_info info;
    struct nic_send *s;
    int rc;

    enlg_net_info(&q->nic->net, &info);
    while (q->left && !q->blocked && (s = send_free(q))) {
        bool comes_back = send_make(q, s, &info);

        /* It may be back before submit returns. */
        atomic_fetch_add(&q->nic->expected, comes_back);
        s->busy = true;
        q->flying++;
        rc = queue_submit(q, s);
        if (rc == 0) {
            q->left--;
            continue;
        }
        loop_check(rc == -ENL_E_AGAIN || rc == -ENL_E_CONNRESET || rc == -ENL_E_INVAL);
        atomic_fetch_sub(&q->nic->expected, comes_back);
        s->busy = false;
        q->flying--;
        q->blocked = true;
    }
    rc = queue_kick(q);
    loop_check(rc == 0 || rc == -ENL_E_CONNRESET);
}

static void
nic_lose(struct nic *nic)
{
    atomic_store(&nic->lost, true);
    loop_ipi(nic->guest->loop, 0, VECTOR_IPI);
}

static uint32_t
vp_of(const struct nic_queue *q)
{
    return q->index % q->nic->guest->loop->config.vps;
}

static void
queue_work(struct nic_queue *q)
{
    int rc;

    if (atomic_exchange(&q->signal, false)) {
        q->blocked = false;
        rc = q->index ? enlg_net_queue_poll(&q->queue) : enlg_net_poll(&q->nic->net);
        if (rc < 0) {
            if (rc != -ENL_E_CONNRESET)
                loop_fail("the NIC's driver gave up: %d", rc);
            nic_lose(q->nic);
            q->blocked = true;
            return;
        }
        if (rc == 64)
            atomic_store(&q->signal, true);
    }
    if (enlg_net_is_ready(&q->nic->net) && !q->blocked)
        frames_send(q);
    if (q->left == 0 && q->flying == 0)
        atomic_store(&q->finished, true);
}

static void
queue_step(struct nic_queue *q)
{
    int phase = atomic_load(&q->phase);

    if (phase == NIC_PARK) {
        atomic_store(&q->phase, NIC_PARKED);
        loop_ipi(q->nic->guest->loop, 0, VECTOR_IPI);
    } else if (phase == NIC_RUNNING &&
               !loop_rand_percent(&q->rand, q->nic->guest->config.lazy)) {
        queue_work(q);
    }
}

void
nic_step(struct nic *nic, uint32_t vp)
{
    for (uint32_t i = 0; i < NIC_QUEUES; i++) {
        if (vp_of(&nic->queue[i]) == vp)
            queue_step(&nic->queue[i]);
    }
}

static bool
queue_wants(struct nic_queue *q)
{
    int phase = atomic_load(&q->phase);

    if (phase == NIC_PARK)
        return true;
    if (phase != NIC_RUNNING)
        return false;
    return atomic_load(&q->signal) ||
           (enlg_net_is_ready(&q->nic->net) && !q->blocked && q->left && send_free(q));
}

bool
nic_wants(struct nic *nic, uint32_t vp)
{
    for (uint32_t i = 0; i < NIC_QUEUES; i++) {
        if (vp_of(&nic->queue[i]) == vp && queue_wants(&nic->queue[i]))
            return true;
    }
    return false;
}

/* ---- life; VP 0 ---- */

static void
queue_signal(void *ctx)
{
    struct nic_queue *q = ctx;

    atomic_store(&q->signal, true);
    loop_ipi(q->nic->guest->loop, vp_of(q), VECTOR_IPI);
}

/* READY comes on the first queue's thread, and the others may begin. */
static void
others_signal(struct nic *nic)
{
    for (uint32_t i = 0; i < NIC_QUEUES; i++)
        queue_signal(&nic->queue[i]);
}

static void
net_event(void *ctx, struct enlg_net *net, enum enlg_net_event event)
{
    struct nic_queue *q = ctx;

    (void)net;
    switch (event) {
    case ENLG_NET_READY:
        others_signal(q->nic);
        break;
    case ENLG_NET_LINK:
        break;
    case ENLG_NET_LOST:
        nic_lose(q->nic);
        break;
    case ENLG_NET_STOPPED:
        loop_check(q->flying == 0);
        atomic_store(&q->stopped, true);
        if (q->index == 0)
            atomic_store(&q->nic->stopped, true);
        loop_ipi(q->nic->guest->loop, 0, VECTOR_IPI);
        break;
    }
}

static struct enlg_net_config
queue_config(struct nic_queue *q)
{
    struct guest *guest = q->nic->guest;

    q->ring = guest_pages(guest, 2 * RING_PAGES);
    for (uint32_t i = 0; i < NIC_SENDS; i++)
        q->sends[i].bytes = guest_pages(guest, NIC_PAGES + 1);
    q->left = guest->config.nic_frames;
    q->blocked = false;
    q->rand.state = loop_rand_next(&guest->rand);
    atomic_store(&q->finished, false);
    atomic_store(&q->stopped, false);
    return (struct enlg_net_config){
        .size = sizeof(struct enlg_net_config),
        .ring = q->ring,
        .send_len = RING_PAGES * ENL_PAGE_SIZE,
        .recv_len = RING_PAGES * ENL_PAGE_SIZE,
        .vp = vp_of(q),
        .slots = q->slots,
        .slot_count = NIC_SENDS + 1,
        .buffer = q->buffer,
        .room = frame_room,
        .frame = frame_in,
        .event = net_event,
        .signal = queue_signal,
        .ctx = q,
    };
}

static void
first_start(struct nic *nic, struct enlg_channel *channel)
{
    struct nic_queue *q = &nic->queue[0];
    struct enlg_net_config config = queue_config(q);

    nic->receive = guest_pages(nic->guest, receive_pages(nic));
    config.receive_buffer = nic->receive;
    config.receive_len = receive_pages(nic) * ENL_PAGE_SIZE;
    config.sub_channels = (uint16_t)nic->guest->config.nic_sub_channels;
    atomic_store(&nic->lost, false);
    atomic_store(&nic->stopped, false);
    atomic_store(&nic->back, 0);
    atomic_store(&nic->expected, 0);
    nic->stopping = false;
    q->channel = channel;
    loop_check(enlg_net_start(&nic->net, channel, &config) == 0);
    nic->open = true;
    atomic_store(&q->phase, NIC_RUNNING);
}

static void
other_start(struct nic_queue *q, struct enlg_channel *channel)
{
    struct enlg_net_config config = queue_config(q);

    q->channel = channel;
    loop_check(enlg_net_queue_start(&q->queue, &q->nic->net, channel, &config) == 0);
    atomic_store(&q->phase, NIC_RUNNING);
}

bool
nic_park(struct nic *nic)
{
    bool all = true;

    for (uint32_t i = 0; i < NIC_QUEUES; i++) {
        struct nic_queue *q = &nic->queue[i];
        int running = NIC_RUNNING;

        if (atomic_compare_exchange_strong(&q->phase, &running, NIC_PARK))
            loop_ipi(nic->guest->loop, vp_of(q), VECTOR_IPI);
        all &= atomic_load(&q->phase) != NIC_PARK;
    }
    return all;
}

static void
memory_free(struct nic *nic)
{
    for (uint32_t i = 0; i < NIC_QUEUES; i++) {
        struct nic_queue *q = &nic->queue[i];

        if (atomic_load(&q->phase) == NIC_FREE)
            continue;
        loop_check(atomic_load(&q->stopped));
        guest_pages_free(nic->guest, q->ring);
        for (uint32_t k = 0; k < NIC_SENDS; k++) {
            loop_check(!q->sends[k].busy);
            guest_pages_free(nic->guest, q->sends[k].bytes);
        }
        atomic_store(&q->phase, NIC_FREE);
    }
    guest_pages_free(nic->guest, nic->receive);
    nic->open = false;
}

/* A channel that nobody has opened. */
static void
channel_bind(struct nic *nic, struct enlg_channel *channel)
{
    uint32_t i = enlg_channel_info(channel)->subchannel;

    if (i == 0 && !nic->open)
        first_start(nic, channel);
    else if (i != 0 && i < NIC_QUEUES && nic->open && !nic->stopping &&
             enlg_channel_first(channel) == nic->queue[0].channel &&
             atomic_load(&nic->queue[i].phase) == NIC_FREE)
        other_start(&nic->queue[i], channel);
}

static void
channels_bind(struct nic *nic)
{
    const struct enl_guid net = ENL_GUID_NET;
    struct guest *guest = nic->guest;
    struct enlg_channel *channel;

    if (enlg_vmbus_state(&guest->bus) != ENLG_VMBUS_CONNECTED || !guest->connected ||
        guest->hold || atomic_load(&guest->ask_unload))
        return;
    for (uint32_t i = 0; (channel = enlg_vmbus_channel(&guest->bus, i)); i++) {
        if (memcmp(&enlg_channel_info(channel)->type, &net, sizeof(net)) == 0 &&
            !enlg_channel_is_rescinded(channel))
            channel_bind(nic, channel);
    }
}

static void
nic_leave(struct nic *nic)
{
    int rc;

    if (nic->stopping || !nic_park(nic))
        return;
    nic->stopping = true;
    rc = enlg_net_stop(&nic->net);
    /* What an unload has ended is stopped already. */
    loop_check(rc == 0 || rc == -ENL_E_CONNRESET || rc == -ENL_E_INVAL);
}

void
nic_bus_step(struct nic *nic)
{
    if (nic->open && (atomic_load(&nic->lost) || atomic_load(&nic->ask_close)))
        nic_leave(nic);
    if (nic->open && atomic_load(&nic->stopped) && nic_park(nic)) {
        memory_free(nic);
        atomic_store(&nic->ask_close, false);
    }
    channels_bind(nic);
}

struct nic *
nic_create(struct guest *guest)
{
    uint32_t pages = (uint32_t)((sizeof(struct nic) + ENL_PAGE_SIZE - 1) / ENL_PAGE_SIZE);
    struct nic *nic = guest_pages(guest, pages);

    nic->guest = guest;
    for (uint32_t i = 0; i < NIC_QUEUES; i++) {
        nic->queue[i].nic = nic;
        nic->queue[i].index = i;
    }
    return nic;
}

bool
nic_has_finished(const struct nic *nic)
{
    uint32_t wanted = 1 + nic->guest->config.nic_sub_channels;

    for (uint32_t i = 0; i < wanted; i++) {
        if (atomic_load(&nic->queue[i].phase) != NIC_RUNNING ||
            !atomic_load(&nic->queue[i].finished))
            return false;
    }
    return atomic_load(&nic->back) == atomic_load(&nic->expected);
}

bool
nic_is_free(const struct nic *nic)
{
    return atomic_load(&nic->queue[0].phase) == NIC_FREE;
}

void
nic_close(struct nic *nic)
{
    atomic_store(&nic->ask_close, true);
    loop_ipi(nic->guest->loop, 0, VECTOR_IPI);
}
