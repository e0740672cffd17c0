/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.c - the first NIC: a queue for each processor, an address, a page to look at
 *
 * Queue n has a stack of its own, and processor n polls it: the boot processor the first
 * one, beside the bus, and the others nothing else until the end. The host keeps a flow on
 * its queue, so that a connection stays where it began. A frame that comes in is a private
 * copy, and one that goes out belongs to the host until its done().
 */
#include <enlight/guest/net.h>
#include <string.h>

#include "stack.h"
#include "unikernel.h"

#define SENDS       16u
#define RING_LEN    32768u
#define RECEIVE_LEN (64u * PAGE)
#define FRAME_MAX   2048u
#define BEAT_MS     100u
#define PING_MS     500u

struct out {
    struct enlg_net_send send;
    struct enlg_net_piece piece;
    bool is_busy;
    uint8_t bytes[FRAME_ROOM];
};

static struct queue {
    struct stack stack;
    struct enlg_net_queue queue; /* not of the first, which is the NIC's */
    struct enlg_channel *channel;
    bool has_worker;
    volatile bool is_stopped, is_broken, leave;
    struct enlg_request_slot slots[SENDS + 1];
    struct out outs[SENDS];
    uint64_t buffer[ENLG_NET_BUFFER_LEN / 8];
    uint8_t frame[FRAME_MAX];
    uint8_t ring[2 * RING_LEN] __attribute__((aligned(4096)));
} queues[CPUS_MAX];

static struct {
    struct enlg_net net;
    struct enlg_net_info info;
    bool is_started, is_leaving;
    volatile bool is_ready, is_lost;
    uint64_t beat_ms, ping_ms;
    uint32_t queue_count;
} nic;

static struct station station = {.services = services_of_tcp,
                                 .service_count = sizeof(services_of_tcp) /
                                                  sizeof(services_of_tcp[0])};
static uint8_t receive_buffer[RECEIVE_LEN] __attribute__((aligned(4096)));

static uint32_t
index_of(const struct queue *q)
{
    return (uint32_t)(q - queues);
}

static struct enlg_net_queue *
handle_of(struct queue *q)
{
    return q == queues ? enlg_net_queue_first(&nic.net) : &q->queue;
}

/* ---- frames; the queue's processor ---- */

static uint8_t *
out_room(void *ctx)
{
    struct queue *q = ctx;

    for (uint32_t i = 0; i < SENDS; i++) {
        if (!q->outs[i].is_busy)
            return q->outs[i].bytes;
    }
    return NULL;
}

static void
out_done(void *ctx, struct enlg_net_send *send)
{
    (void)send; /* a frame that was lost is TCP's to repair */
    ((struct out *)ctx)->is_busy = false;
}

static void
out_send(void *ctx, uint8_t *frame, uint32_t len, const struct offload *offload)
{
    struct out *out = (void *)(frame - offsetof(struct out, bytes));

    out->piece = (struct enlg_net_piece){frame, len};
    out->send = (struct enlg_net_send){
        .pieces = &out->piece,
        .piece_count = 1,
        .checksum = offload->tcp_at ? ENLG_NET_CHECKSUM_TCP : 0,
        .header_offset = offload->tcp_at,
        .segment_len = offload->segment_len,
        .vlan = ENLG_NET_NO_VLAN,
        .done = out_done,
        .ctx = out,
    };
    out->is_busy = enlg_net_queue_submit(handle_of(ctx), &out->send) == 0;
}

static const struct stack_ops stack_ops = {.room = out_room, .send = out_send};

static void *
frame_room_in(void *ctx, uint32_t len)
{
    return len <= FRAME_MAX ? ((struct queue *)ctx)->frame : NULL;
}

static void
frame_in(void *ctx, const struct enlg_net_frame *frame)
{
    struct queue *q = ctx;

    if (frame->bad)
        q->stack.frames_bad++;
    else
        stack_input(&q->stack, frame->data, frame->len,
                    frame->good & ENLG_NET_CHECKSUM_IP,
                    frame->good & ENLG_NET_CHECKSUM_TCP);
}

/* Returns whether there may be more. */
static bool
queue_step(struct queue *q)
{
    int rc = q->is_broken ? 0 : enlg_net_queue_poll(handle_of(q));

    if (rc < 0)
        q->is_broken = nic.is_lost = true;
    if (!nic.is_ready || q->is_broken)
        return false;
    stack_step(&q->stack, clock_now() / MS_100NS);
    if (enlg_net_queue_kick(handle_of(q)) < 0)
        q->is_broken = nic.is_lost = true;
    return rc > 0;
}

static void
queue_work(void *arg)
{
    struct queue *q = arg;

    while (!q->leave) {
        if (!queue_step(q))
            cpus_rest();
    }
}

/* ---- the library calls ---- */

/* From here on the first stack is at work. */
static void
net_ready(void)
{
    enlg_net_info(&nic.net, &nic.info);
    memcpy(station.mac, nic.info.address, 6);
    station.mtu = nic.info.mtu;
    station.offload_tcp = nic.info.checksum & ENLG_NET_CHECKSUM_TCP;
    station.segment_max = station.offload_tcp ? nic.info.segment : 0;
    station.secret = (uint32_t)(tsc_read() * UINT64_C(0x9E3779B97F4A7C15) >> 32);
    queues[0].stack.dhcp.id = station.secret >> 1;
    nic.is_ready = true;
}

static void
net_event(void *ctx, struct enlg_net *net, enum enlg_net_event event)
{
    struct queue *q = ctx;

    (void)net;
    if (event == ENLG_NET_READY)
        net_ready();
    if (event == ENLG_NET_LOST)
        nic.is_lost = true;
    if (event == ENLG_NET_STOPPED)
        q->is_stopped = true;
}

static void
net_signal(void *ctx)
{
    cpus_wake(index_of(ctx));
}

static struct enlg_net_config
queue_config(struct queue *q)
{
    q->stack.ops = &stack_ops;
    q->stack.ctx = q;
    q->stack.station = &station;
    return (struct enlg_net_config){
        .size = sizeof(struct enlg_net_config),
        .ring = q->ring,
        .send_len = RING_LEN,
        .recv_len = RING_LEN,
        .vp = enlg_synic_vp(&synics[index_of(q)]),
        .slots = q->slots,
        .slot_count = SENDS + 1,
        .buffer = q->buffer,
        .room = frame_room_in,
        .frame = frame_in,
        .event = net_event,
        .signal = net_signal,
        .ctx = q,
    };
}

/* Channels are taken now, and opened when their turn comes. */
int
net_probe(void *ctx, struct enlg_channel *channel)
{
    (void)ctx;
    if (queues[0].channel) /* one is enough here */
        return -ENL_E_BUSY;
    queues[0].channel = channel;
    return 0;
}

int
net_probe_sub(void *ctx, struct enlg_channel *channel, struct enlg_channel *first)
{
    uint32_t index = enlg_channel_info(channel)->subchannel;

    (void)ctx;
    (void)first;
    if (index == 0 || index >= cpu_count)
        return -ENL_E_RANGE;
    queues[index].channel = channel;
    return 0;
}

/* ---- start ---- */

static void
say_mac(const char *title, const uint8_t mac[6])
{
    say("# %s", title);
    for (int i = 0; i < 6; i++)
        say("%c%x%x", i ? ':' : ' ', mac[i] >> 4, mac[i] & 15u);
    say("\n");
}

static int
nic_start(void)
{
    struct enlg_net_config config = queue_config(&queues[0]);
    int rc;

    config.receive_buffer = receive_buffer;
    config.receive_len = RECEIVE_LEN;
    config.sub_channels = (uint16_t)(cpu_count - 1);
    rc = enlg_net_start(&nic.net, queues[0].channel, &config);
    if (rc)
        return rc;
    nic.is_started = true;
    if (!BUS_UNTIL(nic.is_ready || nic.is_lost) || nic.is_lost)
        return -ENL_E_TIMEDOUT;
    say_mac("the NIC's address", station.mac);
    return 0;
}

/* Digits and dots; returns where they end. */
static const char *
address_parse(const char *text, uint32_t *address)
{
    *address = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t part = 0;

        while (*text >= '0' && *text <= '9')
            part = part * 10 + (uint32_t)(*text++ - '0');
        *address = *address << 8 | (part & 0xFF);
        text += i < 3 && *text == '.';
    }
    return text;
}

static void
say_address(const char *title, uint32_t address)
{
    say("%s%u.%u.%u.%u", title, address >> 24, address >> 16 & 0xFF, address >> 8 & 0xFF,
        address & 0xFF);
}

static void
find_address(void)
{
    const char *given = option_find("ip");
    bool is_leased = BUS_UNTIL(station.address);

    if (!is_leased && given) {
        given = address_parse(given, &station.address);
        if (*given == ',')
            (void)address_parse(given + 1, &station.gateway);
    }
    report(station.address != 0, "U11", "an address %s",
           is_leased ? "by DHCP" : "of the command line");
    say_address("# address ", station.address);
    say_address(", gateway ", station.gateway);
    say("\n");
}

static bool
is_pinged(void)
{
    uint64_t now = clock_now() / MS_100NS;

    if (!station.pinged && now >= nic.ping_ms) {
        stack_ping(&queues[0].stack);
        nic.ping_ms = now + (station.has_gateway_mac ? PING_MS : 10);
    }
    return station.pinged;
}

/* A stack for each processor, once the first has found what all of them share. */
static void
start_queues(void)
{
    uint32_t wanted = 1u + nic.info.sub_channels, open = 1;

    for (uint32_t i = 1; i < wanted; i++) {
        struct queue *q = &queues[i];
        struct enlg_net_config config = queue_config(q);

        if (!BUS_UNTIL(q->channel) ||
            enlg_net_queue_start(&q->queue, &nic.net, q->channel, &config) != 0 ||
            !BUS_UNTIL(enlg_channel_is_open(q->channel)))
            continue;
        q->has_worker = smp_begin(i, queue_work, q);
        open += q->has_worker;
    }
    nic.queue_count = wanted;
    report(open == wanted, "U11", "%u of %u queues are open", open, wanted);
}

void
net_check(void)
{
    int rc;

    if (!queues[0].channel) {
        report_skip("U11", "a NIC", "the host offers no NIC");
        return;
    }
    rc = nic_start();
    report_rc(rc, "U11",
              "a NIC, protocol %u.%u, link %s at %u Mbit/s, checksums 0x%x, segments %u",
              nic.info.version >> 16, nic.info.version & 0xFFFF,
              nic.info.link_up ? "up" : "down", nic.info.link_mbit, nic.info.checksum,
              nic.info.segment);
    if (rc)
        return;
    find_address();
    if (station.address && station.gateway)
        report(BUS_UNTIL(is_pinged()), "U11", "the gateway answers a ping");
    start_queues();
}

/* ---- work, and the end ---- */

static void
nic_leave(void)
{
    nic.is_leaving = true;
    for (uint32_t i = 1; i < cpu_count; i++) {
        if (!queues[i].has_worker)
            continue;
        queues[i].leave = true;
        cpus_wake(i);
        if (!smp_end(i))
            report(false, "U11", "processor %u does not let go", i);
    }
    report_rc(enlg_net_stop(&nic.net), "U11", "the NIC stops");
}

void
net_poll(void)
{
    uint64_t now;

    if (!nic.is_started || nic.is_leaving)
        return;
    if (nic.is_lost) { /* the host took it away, or broke the protocol */
        nic_leave();
        return;
    }
    if (queue_step(&queues[0]))
        cpus_wake(0);
    now = clock_now() / MS_100NS;
    if (now >= nic.beat_ms) { /* connections of the others have time-outs as well */
        nic.beat_ms = now + BEAT_MS;
        for (uint32_t i = 1; i < nic.queue_count; i++)
            cpus_wake(i);
    }
}

void
net_status(struct text *to)
{
    if (!nic.is_started)
        return;
    text_add(to,
             "nic: protocol %u.%u, link %s at %u Mbit/s, checksums 0x%x, segments %u\n",
             nic.info.version >> 16, nic.info.version & 0xFFFF,
             nic.info.link_up ? "up" : "down", nic.info.link_mbit, nic.info.checksum,
             nic.info.segment);
    for (uint32_t i = 0; i < nic.queue_count; i++) {
        const struct stack *s = &queues[i].stack;

        text_add(to,
                 "queue %u: %lu frames in, %lu out, %lu bad, %lu connections, "
                 "%lu sent again\n",
                 i, (unsigned long)s->frames_in, (unsigned long)s->frames_out,
                 (unsigned long)s->frames_bad, (unsigned long)s->connections,
                 (unsigned long)s->resent);
    }
}

void
net_stop(void)
{
    if (!nic.is_started)
        return;
    for (uint32_t i = 0; i < nic.queue_count; i++)
        say("# queue %u: %lu connections, %lu frames in, %lu out\n", i,
            (unsigned long)queues[i].stack.connections,
            (unsigned long)queues[i].stack.frames_in,
            (unsigned long)queues[i].stack.frames_out);
    if (!nic.is_leaving)
        nic_leave();
    report(BUS_UNTIL(queues[0].is_stopped), "V28", "the NIC is closed");
}
