/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session with a NIC: NVSP and RNDIS of any form on the primary channel and up to three
 * sub-channels, a backend that holds frames, refuses them and brings others, completions
 * that are late, twice or for nothing, revokes, closes and a NIC that is taken back. The
 * guest, the backend and the embedder make it run.
 *
 * Promises: a frame that the backend gets is within its bounds and is done once; what is
 * lent is within guest memory and lent for a call only; a link, a filter or a table that the
 * guest sets never reaches beyond what there is; everything goes when the NIC does.
 */
#include <string.h>

#include "enlight/abi/nvsp.h"
#include "enlight/abi/rndis.h"
#include "enlight/abi/vmbus.h"
#include "enlight/host/nic.h"
#include "rig_bus.h"

#define CHANNELS   4u
#define HELD       64u
#define BUFFER_GPA 0x30000u /* 12 pages of receive buffer, then four of the send buffer */
#define RECEIVE    0x21u
#define SEND       0x22u
#define FRAMES     0x8000u /* where frames of the guest are */

struct session;

struct queue {
    struct session *session;
    bool is_open;
    struct enlh_net_frame *held[HELD];
    uint32_t held_count;
    uint32_t waiting; /* frames for the guest */
};

struct session {
    struct rig_bus bus;
    struct enlh_nic *nic;
    struct rig_guest guest[CHANNELS]; /* relid i + 1 */
    struct queue queue[CHANNELS];
    uint32_t offloads;
    bool hold, full, up;
    uint64_t taken[16]; /* transactions of the host, to be completed */
    uint32_t taken_count;
};

/* ---- the network ---- */

static struct queue *
of(struct enlh_net_queue *queue)
{
    struct queue *q = (struct queue *)(void *)queue;

    RIG_CHECK(q->is_open);
    return q;
}

static void
net_info(void *backend, struct enlh_net_info *out)
{
    *out = (struct enlh_net_info){.offloads = ((struct session *)backend)->offloads,
                                  .max_mtu = 9000,
                                  .max_queues = CHANNELS};
}

static void
net_link(void *backend, struct enlh_net_link *out)
{
    *out = (struct enlh_net_link){.up = ((struct session *)backend)->up};
}

static void
net_setup(void *backend, const struct enlh_net_setup *setup)
{
    RIG_CHECK(!(setup->offloads & ~((struct session *)backend)->offloads));
    RIG_CHECK(setup->mtu >= 68 && setup->mtu <= 9000);
    for (uint32_t i = 0; i < sizeof(setup->steering.table); i++)
        RIG_CHECK(setup->steering.table[i] < CHANNELS);
}

static int
net_open(void *backend, uint32_t index, const struct enlh_partition *partition,
         const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    struct session *s = backend;

    (void)partition;
    RIG_CHECK(index < CHANNELS && !s->queue[index].is_open && wake->fn);
    s->queue[index].is_open = true;
    s->queue[index].session = s;
    *out = (struct enlh_net_queue *)(void *)&s->queue[index];
    *fd = -1;
    return 0;
}

static void
net_close(void *backend, struct enlh_net_queue *queue)
{
    (void)backend;
    RIG_CHECK(of(queue)->held_count == 0);
    of(queue)->is_open = false;
}

static void
check_offload(const struct enlh_net_frame *frame)
{
    const struct enlh_net_offload *offload = &frame->offload;
    uint32_t end = (uint32_t)offload->checksum_start + offload->checksum_offset + 2;

    RIG_CHECK(offload->gso <= ENLH_NET_GSO_TCP6);
    if (offload->flags & ENLH_NET_CHECKSUM_PARTIAL)
        RIG_CHECK(end <= frame->head_len);
    if (offload->gso == ENLH_NET_GSO_NONE)
        return;
    RIG_CHECK((offload->flags & ENLH_NET_CHECKSUM_PARTIAL) && offload->segment_len);
    RIG_CHECK(offload->header_len <= frame->head_len);
}

static void
check_frame(const struct session *s, const struct enlh_net_frame *frame)
{
    uint64_t len = frame->head_len;

    RIG_CHECK(frame->len >= 14 && frame->len <= ENLH_NET_FRAME_MAX);
    RIG_CHECK(frame->head_len <= ENLH_NET_HEAD_MAX && frame->done);
    for (uint32_t i = 0; i < frame->span_count; i++) {
        const struct enlh_span *span = &frame->spans[i];
        uint64_t region = span->region ? RIG_HIGH_LEN : RIG_RAM_LEN;

        RIG_CHECK(span->region < 2 && span->len && span->len <= region &&
                  span->offset <= region - span->len);
        RIG_CHECK(enlh_mem_span_host(s->bus.rig.partition, span));
        len += span->len;
    }
    RIG_CHECK(len == frame->len);
    check_offload(frame);
}

static int
net_transmit(struct enlh_net_queue *queue, struct enlh_net_frame *frame)
{
    struct queue *q = of(queue);

    check_frame(q->session, frame);
    for (uint32_t i = 0; i < q->held_count; i++)
        RIG_CHECK(q->held[i] != frame);
    if (q->session->full || q->held_count == HELD)
        return -ENL_E_AGAIN;
    if (!q->session->hold)
        return 1;
    q->held[q->held_count++] = frame;
    return 0;
}

static void
net_kick(struct enlh_net_queue *queue)
{
    (void)of(queue);
}

static uint32_t
give_back(struct queue *q)
{
    uint32_t count = q->held_count;

    q->held_count = 0;
    for (uint32_t i = 0; i < count; i++)
        q->held[i]->done(q->held[i]);
    return count;
}

static uint32_t
net_reap(struct enlh_net_queue *queue)
{
    return of(queue)->session->hold ? 0 : give_back(of(queue));
}

static void
net_cancel(struct enlh_net_queue *queue)
{
    (void)give_back(of(queue));
}

/* Frames of any length that fits, with any bytes that are there. */
static uint32_t
net_receive(struct enlh_net_queue *queue, const struct enlh_net_piece *pieces,
            uint32_t piece_count, struct enlh_net_received *frames, uint32_t frame_count)
{
    struct queue *q = of(queue);
    struct rig_input *in = &q->session->bus.rig.in;
    uint32_t count = 0, used = 0;

    RIG_CHECK(piece_count && frame_count);
    while (q->waiting && count < frame_count && used < piece_count) {
        uint32_t take =
            1 + rig_below(in, piece_count - used < 4 ? piece_count - used : 4);
        uint32_t len = 0;

        for (uint32_t i = 0; i < take; i++) {
            const struct enlh_net_piece *piece = &pieces[used + i];

            for (uint32_t j = 0; j < piece->span_count; j++)
                rig_bytes(
                    in,
                    enlh_mem_span_host(q->session->bus.rig.partition, &piece->spans[j]),
                    piece->spans[j].len < 60 ? piece->spans[j].len : 60);
            len += piece->len;
        }
        len -= rig_below(in, 256) % pieces[used + take - 1].len;
        frames[count++] = (struct enlh_net_received){
            .offload = {.flags = rig_u8(in) & 3,
                        .gso = (uint8_t)rig_below(in, 3),
                        .checksum_start = rig_u16(in),
                        .checksum_offset = rig_u16(in)},
            .len = len,
            .piece_count = take,
        };
        used += take;
        q->waiting--;
    }
    return count;
}

static const struct enlh_net_ops net_ops = {
    .size = sizeof(net_ops),
    .info = net_info,
    .link = net_link,
    .setup = net_setup,
    .queue_open = net_open,
    .queue_close = net_close,
    .transmit = net_transmit,
    .kick = net_kick,
    .reap = net_reap,
    .cancel = net_cancel,
    .receive = net_receive,
};

/* ---- the guest ---- */

static void
put(struct session *s, uint32_t i, const struct enl_nvsp_message *message, uint32_t len,
    uint64_t gpa, uint32_t bytes)
{
    struct {
        uint32_t reserved, count;
        struct enl_gpa_range range;
        uint64_t pages[9];
    } ranges = {.count = 1, .range = {.byte_count = bytes, .byte_offset = gpa & 4095}};
    uint32_t pages = (uint32_t)((gpa & 4095) + bytes + 4095) / 4096;
    struct enl_ring_piece piece[2] = {{&ranges, 16 + 8 * pages}, {message, len}};
    struct rig_guest *guest = &s->guest[i];

    if (!guest->open)
        return;
    for (uint32_t page = 0; page < pages && page < 9; page++)
        ranges.pages[page] = gpa / 4096 + page;
    if (!bytes)
        piece[0].len = 0;
    if (enl_ring_put(&guest->out, bytes ? ENL_PACKET_GPA_DIRECT : ENL_PACKET_INBAND,
                     ENL_PACKET_FLAG_COMPLETION, i, piece, 2, piece[0].len) < 0)
        return;
    (void)enl_ring_publish(&guest->out);
    (void)rig_signal(&s->bus.rig, 0, 0x2000u | guest->relid, 0);
}

static void
say(struct session *s, uint32_t type, const void *body, uint32_t len)
{
    struct enl_nvsp_message message = {.type = type};

    memcpy(message.u.bytes, body, len);
    put(s, 0, &message, sizeof(message), 0, 0);
    rig_bus_work(&s->bus);
}

/* A message of any type, its fields small numbers or any. */
static void
say_anything(struct session *s, uint32_t i)
{
    static const uint8_t types[] = {1,   100, 101, 103, 104, 106, 107, 125,
                                    129, 131, 133, 134, 108, 2,   135, 0};
    struct rig_input *in = &s->bus.rig.in;
    struct enl_nvsp_message message = {.type = types[rig_below(in, 16)]};
    uint32_t words[9];

    for (uint32_t w = 0; w < 9; w++)
        words[w] = rig_u8(in) & 1 ? rig_u32(in) : rig_u8(in);
    if (message.type == ENL_NVSP_RECEIVE_BUFFER)
        words[0] = RECEIVE;
    if (message.type == ENL_NVSP_SEND_BUFFER)
        words[0] = SEND;
    memcpy(message.u.bytes, words, sizeof(words));
    put(s, i, &message, 4 + rig_below(in, 37), 0, 0);
}

/* A TCP frame over IPv4 or IPv6, or what looks like one. */
static void
make_frame(uint8_t *at, bool ipv6)
{
    static const uint8_t start[] = {
        2, 0, 0,  0, 0, 1, 2,  0, 0, 0,  0,  2, 8, 0, 0x45, 0,    0, 0,  0, 0,
        0, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2, 0x9c, 0x40, 0, 80, 0, 0};

    memcpy(at, start, sizeof(start));
    at[46] = 0x50;
    if (!ipv6)
        return;
    at[12] = 0x86;
    at[13] = 0xdd;
    at[14] = 0x60;
    at[20] = 6;
    at[66] = 0x50;
}

/* Records that the bits of kind name, behind the header. Returns their length. */
static uint32_t
make_infos(uint8_t *at, uint8_t kind)
{
    static const uint32_t infos[4][2] = {
        {ENL_RNDIS_INFO_CHECKSUM, 0x5 | 0x10 | 34u << 16},
        {ENL_RNDIS_INFO_LSO, 1000 | 34u << 20 | 0x40000000u},
        {ENL_RNDIS_INFO_VLAN, 0x53},
        {ENL_RNDIS_INFO_HASH, 7}};
    uint32_t len = 0;

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t record[4] = {16, infos[i][0], 12, infos[i][1]};

        if (!(kind >> i & 1))
            continue;
        memcpy(at + len, record, sizeof(record));
        len += sizeof(record);
    }
    return len;
}

static uint32_t
make_packet(struct rig_input *in, uint8_t *at)
{
    uint8_t kind = rig_u8(in);
    uint32_t frame_len = 60 + rig_u8(in) * (kind & 0x40 ? 60u : 1u);
    uint32_t infos_len = make_infos(at + 44, kind);
    uint32_t words[11] = {ENL_RNDIS_PACKET, 44 + infos_len + frame_len, 36 + infos_len,
                          frame_len};

    words[7] = infos_len ? 36 : 0;
    words[8] = infos_len;
    memcpy(at, words, sizeof(words));
    make_frame(at + 44 + infos_len, kind & 0x20);
    return words[1];
}

static uint32_t
make_request(struct rig_input *in, uint8_t *at)
{
    static const uint32_t oids[] = {ENL_OID_PACKET_FILTER,
                                    ENL_OID_RSS_PARAMETERS,
                                    ENL_OID_OFFLOAD_PARAMETERS,
                                    ENL_OID_CONFIG_PARAMETER,
                                    ENL_OID_MULTICAST_LIST,
                                    ENL_OID_OFFLOAD_CAPABILITIES,
                                    ENL_OID_FRIENDLY_NAME,
                                    ENL_OID_SUPPORTED_LIST,
                                    ENL_OID_RSS_CAPABILITIES,
                                    ENL_OID_MEDIA_CONNECT_STATUS,
                                    ENL_OID_PERMANENT_ADDRESS,
                                    ENL_OID_LINK_STATE,
                                    ENL_OID_LINK_SPEED,
                                    ENL_OID_MAXIMUM_FRAME_SIZE,
                                    ENL_OID_XMIT_OK,
                                    ENL_OID_CURRENT_LOOKAHEAD};
    uint8_t kind = rig_u8(in);
    uint32_t words[7] = {4 + (kind >> 4 & 1), 628, 1, oids[kind & 15], 600, 20};
    struct enl_ndis_rss_parameters rss = {.hash = 0x701,
                                          .table_len = 512,
                                          .table_offset = 40,
                                          .key_len = 40,
                                          .key_offset = 552};

    if (kind & 0x20)
        words[0] = kind >> 6 ? ENL_RNDIS_KEEPALIVE + (kind >> 6) - 3 : ENL_RNDIS_HALT;
    memset(at, 0, 628);
    memcpy(at, words, sizeof(words));
    at[28] = 0x2f; /* a filter that takes all */
    if (words[3] == ENL_OID_RSS_PARAMETERS)
        memcpy(at + 28, &rss, sizeof(rss));
    if (words[3] == ENL_OID_OFFLOAD_PARAMETERS)
        memset(at + 32, rig_u8(in) & 7, 24);
    return 628;
}

/* An RNDIS message in guest memory, well formed but for some words. */
static void
send_rndis(struct session *s, uint32_t i, bool control)
{
    struct rig_input *in = &s->bus.rig.in;
    uint8_t *at = rig_at(&s->bus.rig, FRAMES, 0x6000);
    uint32_t len = control ? make_request(in, at) : make_packet(in, at);
    struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {.channel_type = control, .section_index = ENL_NVSP_NO_SECTION}};
    uint8_t wrong = rig_u8(in);

    for (uint32_t n = wrong & 3; n; n--) {
        uint32_t value = rig_u8(in) & 1 ? rig_u32(in) : rig_u8(in);

        memcpy(at + 4 * rig_below(in, 40), &value, 4);
    }
    if ((wrong & 0x1c) == 0x1c)
        message.u.rndis = (struct enl_nvsp_rndis){control, rig_u8(in) & 3, rig_u16(in)};
    put(s, i, &message, sizeof(message), FRAMES, len);
}

static void
listen(struct session *s, uint32_t i)
{
    struct enl_ring_packet packet;
    uint8_t payload[64];

    for (uint32_t n = 0; n < 8 && s->guest[i].open; n++) {
        if (rig_bus_receive(&s->bus, &s->guest[i], payload, sizeof(payload), &packet) < 0)
            return;
        if (packet.type == ENL_PACKET_TRANSFER_PAGES && s->taken_count < 16)
            s->taken[s->taken_count++] = packet.transaction_id;
    }
}

static void
complete(struct session *s, uint32_t i)
{
    uint32_t status[2] = {ENL_NVSP_RNDIS_COMPLETE, 1};
    struct rig_input *in = &s->bus.rig.in;
    uint8_t kind = rig_u8(in);
    uint64_t id = s->taken_count ? s->taken[--s->taken_count] : rig_u8(in);

    if (kind >= 0xf0)
        id = rig_u64(in);
    if (kind >= 0xe0 && s->taken_count < 16)
        s->taken[s->taken_count++] = id; /* and once more */
    if (s->guest[i].open)
        (void)rig_bus_send(&s->bus, &s->guest[i], ENL_PACKET_COMPLETION, id, status,
                           sizeof(status));
}

static void
lend(struct session *s, uint32_t handle, uint64_t gpa, uint32_t pages)
{
    struct {
        struct enl_vmbus_gpadl_header head;
        struct enl_gpa_range range;
        uint64_t pages[26];
    } __attribute__((packed))
    message = {.head = {.head = {.type = ENL_VMBUS_GPADL_HEADER},
                        .relid = s->guest[0].relid,
                        .gpadl = handle,
                        .range_buf_len = (uint16_t)(8 + 8 * pages),
                        .range_count = 1},
               .range = {.byte_count = pages * 4096}};

    for (uint32_t i = 0; i < pages; i++)
        message.pages[i] = gpa / 4096 + i;
    (void)rig_post(&s->bus.rig, 0, ENL_VMBUS_CONNECTION_MESSAGE_5, 1, &message,
                   (uint32_t)(sizeof(message.head) + 8 + 8 * pages));
    rig_bus_poll(&s->bus);
    (void)rig_bus_listen(&s->bus, 0, 64);
}

/* As a driver does it, as far as kind says. */
static void
handshake(struct session *s, uint8_t kind)
{
    static const uint32_t versions[] = {0x60001, 0x60001, 0x60001, 0x60000,
                                        0x50000, 0x40000, 0x30002, 2};
    uint32_t version[2] = {versions[kind & 7], versions[kind & 7]};
    uint32_t config[4] = {1514, 0,
                          ENL_NVSP_CAPABILITY_8021Q | ENL_NVSP_CAPABILITY_RSC |
                              ENL_NVSP_CAPABILITY_TEAMING};
    uint32_t receive[2] = {RECEIVE, 0xcafe}, send[2] = {SEND, 0}, more[2] = {1, 3};
    uint32_t start[6] = {ENL_RNDIS_INITIALIZE, 24, 1, 1, 0, 0x4000};
    uint32_t filter[8] = {ENL_RNDIS_SET, 32, 2, ENL_OID_PACKET_FILTER, 4, 20, 0, 0x2f};
    struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {.channel_type = 1, .section_index = ENL_NVSP_NO_SECTION}};

    lend(s, RECEIVE, BUFFER_GPA, 12);
    lend(s, SEND, BUFFER_GPA + 12 * 4096, 4);
    if (kind & 0x80)
        return;
    say(s, ENL_NVSP_INIT, version, 8);
    say(s, ENL_NVSP_NDIS_CONFIG, config, 16);
    say(s, ENL_NVSP_RECEIVE_BUFFER, receive, 8);
    say(s, ENL_NVSP_SEND_BUFFER, send, 8);
    memcpy(rig_at(&s->bus.rig, FRAMES, 24), start, 24);
    put(s, 0, &message, sizeof(message), FRAMES, 24);
    rig_bus_work(&s->bus);
    memcpy(rig_at(&s->bus.rig, FRAMES, 32), filter, 32);
    put(s, 0, &message, sizeof(message), FRAMES, 32);
    rig_bus_work(&s->bus);
    listen(s, 0);
    if (kind & 0x40)
        say(s, ENL_NVSP_SUBCHANNEL, more, 8);
    rig_bus_poll(&s->bus);
    (void)rig_bus_listen(&s->bus, 0, 64);
}

static void
open_close(struct session *s, uint32_t i)
{
    if (s->guest[i].open)
        rig_bus_close(&s->bus, &s->guest[i]);
    else
        (void)rig_bus_open(&s->bus, &s->guest[i], i + 1, i);
}

static void
turn_backend(struct session *s, uint8_t action)
{
    s->hold = action & 0x10;
    s->full = (action & 0x60) == 0x60;
    s->up = !(action & 0x80);
    for (uint32_t i = 0; i < CHANNELS; i++)
        s->queue[i].waiting = rig_below(&s->bus.rig.in, 9);
}

static void
step(struct session *s)
{
    uint8_t action = rig_u8(&s->bus.rig.in);
    uint32_t i = (action >> 6) % CHANNELS;

    switch (action & 15) {
    case 0:
    case 1:
        say_anything(s, i);
        break;
    case 2:
    case 3:
        send_rndis(s, i, true);
        break;
    case 4:
    case 5:
    case 6:
        send_rndis(s, i, false);
        break;
    case 7:
        turn_backend(s, action);
        break;
    case 8:
        listen(s, i);
        break;
    case 9:
        complete(s, i);
        break;
    case 10:
        if (action & 0x20)
            open_close(s, i);
        break;
    case 11:
        if (s->nic)
            enlh_nic_set_link(s->nic, action & 0x20);
        break;
    default:
        (void)rig_bus_turn(&s->bus, i);
        rig_bus_poll(&s->bus);
        (void)rig_bus_listen(&s->bus, 0, 16);
        break;
    }
}

static void
start(struct session *s)
{
    uint8_t kind = rig_u8(&s->bus.rig.in);
    struct enlh_nic_config config = {.size = sizeof(config),
                                     .instance = {{7}},
                                     .name = "net0",
                                     .mac = {2, 0, 0, 0, 0, 1},
                                     .max_subchannels = CHANNELS - 1,
                                     .net = {&net_ops, s}};

    s->offloads = kind & 0x20 ? 0 : 7;
    s->up = true;
    rig_bus_start(&s->bus);
    RIG_CHECK(enlh_nic_create(s->bus.bus, &config, &s->nic) == 0);
    rig_bus_connect(&s->bus, ENL_VMBUS_VERSION_WS2022);
    RIG_CHECK(rig_bus_open(&s->bus, &s->guest[0], 1, 0));
    handshake(s, kind);
}

/* Backends give everything back when workers shall go. */
static void
finish(void *ctx)
{
    struct session *s = ctx;

    s->hold = s->full = false;
}

static void
end(struct session *s)
{
    rig_bus_reset(&s->bus);
    enlh_nic_destroy(s->nic, NULL, NULL);
    rig_bus_poll(&s->bus);
    for (uint32_t i = 0; i < CHANNELS; i++)
        RIG_CHECK(!s->queue[i].is_open && !s->queue[i].held_count);
    rig_bus_stop(&s->bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct session s;

    memset(&s, 0, sizeof(s));
    rig_bus_init(&s.bus, data, size);
    s.bus.finish = finish;
    s.bus.ctx = &s;
    start(&s);
    for (uint32_t steps = 0; s.bus.rig.in.left > 0 && steps < 400; steps++)
        step(&s);
    end(&s);
    return 0;
}
