/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_net_rig.c - a NIC driver whose host is the test
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_net_rig.h"

struct nic_rig nic;

static struct enlg_request_slot slots[NIC_SLOTS];
static uint64_t buffer[ENLG_NET_BUFFER_LEN / 8];

uint8_t *
nic_receive_buffer(void)
{
    return rig_page(20);
}

static void
on_event(void *ctx, struct enlg_net *n, enum enlg_net_event event)
{
    assert_ptr_equal(ctx, nic.events);
    assert_ptr_equal(n, &nic.net);
    nic.events[strlen(nic.events)] = "RLls"[event];
}

static void *
on_room(void *ctx, uint32_t len)
{
    assert_ptr_equal(ctx, nic.events);
    assert_true(len <= sizeof(nic.frame_bytes));
    return nic.no_room ? NULL : nic.frame_bytes;
}

static void
on_frame(void *ctx, const struct enlg_net_frame *f)
{
    assert_ptr_equal(ctx, nic.events);
    assert_ptr_equal(f->data, nic.frame_bytes);
    nic.frame = *f;
    nic.frames++;
}

static void
on_done(void *ctx, struct enlg_net_send *s)
{
    assert_ptr_equal(ctx, &nic.done);
    assert_ptr_equal(s, &nic.send);
    nic.done++;
}

struct enlg_net_config
nic_config(uint16_t sub_channels)
{
    return (struct enlg_net_config){
        .size = sizeof(struct enlg_net_config),
        .ring = bus_ring(),
        .send_len = BUS_SEND_LEN,
        .recv_len = BUS_RECV_LEN,
        .slots = slots,
        .slot_count = NIC_SLOTS,
        .buffer = buffer,
        .room = on_room,
        .frame = on_frame,
        .event = on_event,
        .ctx = nic.events,
        .receive_buffer = nic_receive_buffer(),
        .receive_len = NIC_RECEIVE_LEN,
        .sub_channels = sub_channels,
    };
}

static void
rings_init(void)
{
    struct enl_ring_view in = {
        .header = (struct enl_ring_header *)bus_ring(),
        .base = bus_ring() + ENL_PAGE_SIZE,
        .size = BUS_SEND_LEN - ENL_PAGE_SIZE,
    };
    struct enl_ring_view out = {
        .header = (struct enl_ring_header *)(bus_ring() + BUS_SEND_LEN),
        .base = bus_ring() + BUS_SEND_LEN + ENL_PAGE_SIZE,
        .size = BUS_RECV_LEN - ENL_PAGE_SIZE,
    };

    assert_int_equal(enl_ring_consumer_init(&bus.from_guest, &in, true), 0);
    assert_int_equal(enl_ring_producer_init(&bus.to_guest, &out, true), 0);
}

/* The channel opens; the GPADL of the receive buffer is posted. */
uint32_t
nic_start_lending(uint16_t sub_channels)
{
    struct enlg_net_config config = nic_config(sub_channels);
    struct enl_vmbus_gpadl_header header;

    memset(nic.events, 0, sizeof(nic.events));
    memset(&nic.send, 0, sizeof(nic.send));
    nic.send.vlan = ENLG_NET_NO_VLAN;
    nic.send.done = on_done;
    nic.send.ctx = &nic.done;
    nic.done = nic.frames = 0;
    nic.no_room = false;
    assert_int_equal(enlg_net_start(&nic.net, bus.channel, &config), 0);
    assert_int_equal(enlg_net_poll(&nic.net), 0);
    bus_posted(ENL_VMBUS_GPADL_HEADER, &header, sizeof(header));
    bus_say_created(BUS_RELID, header.gpadl, 0);
    bus_posted(ENL_VMBUS_OPEN_CHANNEL, NULL, 148);
    rings_init();
    bus_say_opened(BUS_RELID, 0);
    bus_posted(ENL_VMBUS_GPADL_HEADER, &header, sizeof(header));
    assert_int_equal(enlg_net_poll(&nic.net), 0);
    return header.gpadl;
}

void
nic_start(uint16_t sub_channels)
{
    bus_say_created(BUS_RELID, nic_start_lending(sub_channels), 0);
    assert_int_equal(enlg_net_poll(&nic.net), 0);
}

/* ---- the host's end ---- */

/* As bus_posted(), whatever was signalled before. */
void
nic_posted(uint32_t type, void *out, uint32_t len)
{
    while (bus.next < rig.call_count &&
           (rig.call[bus.next].control & ENL_HCALL_CODE) == ENL_CALL_SIGNAL_EVENT)
        bus.next++;
    bus_posted(type, out, len);
}

/* What the pages of a descriptor's tail hold goes to rndis. */
static void
pages_read(const uint8_t *tail, uint32_t len)
{
    const struct enlg_page_buffer *page = (const void *)(tail + 8);
    uint32_t count;

    nic.rndis_len = 0;
    memcpy(&count, tail + 4, 4);
    assert_int_equal(len, 8 + count * sizeof(*page));
    for (uint32_t i = 0; i < count; i++, page++) {
        assert_true(page->offset + page->len <= ENL_PAGE_SIZE);
        assert_true(nic.rndis_len + page->len <= sizeof(nic.rndis));
        memcpy(nic.rndis + nic.rndis_len,
               (uint8_t *)rig_at(page->pfn << ENL_PAGE_SHIFT) + page->offset, page->len);
        nic.rndis_len += page->len;
    }
}

void
nic_take(uint32_t type)
{
    uint64_t tail[64];
    uint32_t tail_len;

    assert_int_equal(enl_ring_get(&bus.from_guest, &nic.taken), 1);
    assert_int_equal(nic.taken.payload_len, sizeof(nic.message));
    tail_len = nic.taken.desc_len - 16;
    assert_true(tail_len <= sizeof(tail));
    assert_int_equal(enl_ring_copy(&bus.from_guest, &nic.taken, 16, tail, tail_len), 0);
    assert_int_equal(enl_ring_copy(&bus.from_guest, &nic.taken, nic.taken.desc_len,
                                   &nic.message, sizeof(nic.message)),
                     0);
    (void)enl_ring_release(&bus.from_guest);
    assert_int_equal(nic.message.type, type);
    if (nic.taken.type == ENL_PACKET_GPA_DIRECT)
        pages_read((const uint8_t *)tail, tail_len);
}

void
nic_take_nothing(void)
{
    assert_int_equal(enl_ring_get(&bus.from_guest, &nic.taken), 0);
}

int
nic_say(uint16_t type, uint64_t id, const void *payload, uint32_t len)
{
    struct enl_ring_piece piece = {payload, len};

    assert_int_equal(enl_ring_put(&bus.to_guest, type, 0, id, &piece, len ? 1 : 0, 0), 0);
    (void)enl_ring_publish(&bus.to_guest);
    return enlg_net_poll(&nic.net);
}

int
nic_complete(const struct enl_nvsp_message *m)
{
    return nic_say(ENL_PACKET_COMPLETION, nic.taken.transaction_id, m, sizeof(*m));
}

int
nic_carried(void)
{
    struct enl_nvsp_message m = {
        .type = ENL_NVSP_RNDIS_COMPLETE,
        .u.rndis_complete.status = ENL_NVSP_STATUS_SUCCESS,
    };

    return nic_complete(&m);
}

/* One packet with these pieces of the receive buffer. */
int
nic_say_pieces(const struct enl_transfer_range *ranges, uint32_t count, uint32_t claimed)
{
    const struct enl_nvsp_message m = {.type = ENL_NVSP_RNDIS};
    struct {
        uint16_t pageset_id;
        uint16_t flags;
        uint32_t range_count;
    } tail = {ENL_NVSP_RECEIVE_BUFFER_ID, 0, claimed};
    struct enl_ring_piece pieces[] = {
        {&tail, sizeof(tail)}, {ranges, count * 8}, {&m, sizeof(m)}};

    assert_int_equal(enl_ring_put(&bus.to_guest, ENL_PACKET_TRANSFER_PAGES,
                                  ENL_PACKET_FLAG_COMPLETION, ++nic.host_id, pieces, 3,
                                  8 + count * 8),
                     0);
    (void)enl_ring_publish(&bus.to_guest);
    return enlg_net_poll(&nic.net);
}

int
nic_say_message(uint32_t type, const void *body, uint32_t len)
{
    const struct enl_rndis_header head = {type, NIC_HEAD_LEN + len};
    const struct enl_transfer_range range = {NIC_HEAD_LEN + len, 4096};

    memcpy(nic_receive_buffer() + 4096, &head, sizeof(head));
    memcpy(nic_receive_buffer() + 4096 + NIC_HEAD_LEN, body, len);
    return nic_say_pieces(&range, 1, 1);
}

void
nic_taken_back(void)
{
    nic_take(ENL_NVSP_RNDIS_COMPLETE);
    assert_int_equal(nic.taken.type, ENL_PACKET_COMPLETION);
    assert_int_equal(nic.taken.transaction_id, nic.host_id);
    assert_int_equal(nic.message.u.rndis_complete.status, ENL_NVSP_STATUS_SUCCESS);
}

uint32_t
nic_request_id(void)
{
    uint32_t id;

    memcpy(&id, nic.rndis + NIC_HEAD_LEN, 4);
    return id;
}

/* Take an RNDIS question of this type, and oid unless it is 0. */
void
nic_take_question(uint32_t type, uint32_t oid)
{
    struct enl_rndis_header head;
    struct enl_rndis_query query;

    nic_take(ENL_NVSP_RNDIS);
    assert_int_equal(nic.taken.type, ENL_PACKET_GPA_DIRECT);
    assert_int_equal(nic.message.u.rndis.channel_type, ENL_NVSP_CHANNEL_CONTROL);
    assert_int_equal(nic.message.u.rndis.section_index, ENL_NVSP_NO_SECTION);
    memcpy(&head, nic.rndis, sizeof(head));
    assert_int_equal(head.type, type);
    assert_int_equal(head.len, nic.rndis_len);
    memcpy(&query, nic.rndis + NIC_HEAD_LEN, sizeof(query));
    if (oid) {
        assert_int_equal(query.oid, oid);
        assert_int_equal(query.buffer_offset + query.buffer_len,
                         nic.rndis_len - NIC_HEAD_LEN);
    }
}

/* Answer the question that was taken: both ends of it. */
int
nic_answer(uint32_t type, uint32_t status, const void *value, uint32_t len)
{
    struct {
        struct enl_rndis_query_complete head;
        uint8_t value[256];
    } a = {.head = {nic_request_id(), status, len, sizeof(a.head)}};
    int rc;

    memcpy(a.value, value, len);
    assert_int_equal(nic_carried(), 1);
    rc = nic_say_message(type | ENL_RNDIS_COMPLETION, &a, (uint32_t)sizeof(a.head) + len);
    return rc;
}

void
nic_good_query(uint32_t oid, const void *value, uint32_t len)
{
    nic_take_question(ENL_RNDIS_QUERY, oid);
    assert_int_equal(nic_answer(ENL_RNDIS_QUERY, 0, value, len), 1);
}

void
nic_good_set(uint32_t oid)
{
    nic_take_question(ENL_RNDIS_SET, oid);
    assert_int_equal(nic_answer(ENL_RNDIS_SET, 0, "", 0), 1);
}

void
nic_accept_version(void)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_INIT_COMPLETE,
        .u.init_complete = {2, ENL_NVSP_MDL_CHAIN, ENL_NVSP_STATUS_SUCCESS},
    };

    nic_take(ENL_NVSP_INIT);
    assert_int_equal(nic_complete(&m), 1);
}

void
nic_accept_buffer(void)
{
    const struct enl_nvsp_message m = {
        .type = ENL_NVSP_RECEIVE_BUFFER_COMPLETE,
        .u.receive_buffer_complete = {ENL_NVSP_STATUS_SUCCESS,
                                      1,
                                      {0, 1728, NIC_RECEIVE_LEN / 1728, NIC_RECEIVE_LEN}},
    };

    nic_take(ENL_NVSP_RECEIVE_BUFFER);
    assert_int_equal(nic.message.u.buffer.id, ENL_NVSP_RECEIVE_BUFFER_ID);
    assert_int_equal(nic_complete(&m), 1);
}

static const struct enl_ndis_offload all_offloads = {
    .head = {ENL_NDIS_OBJECT_OFFLOAD, 3, ENL_NDIS_OFFLOAD_LEN_3},
    .checksum =
        {
            .ipv4_tx = ENL_NDIS_CHECKSUM_IP_HEADER | ENL_NDIS_CHECKSUM_TCP |
                       ENL_NDIS_CHECKSUM_TCP_OPTIONS | ENL_NDIS_CHECKSUM_UDP,
            .ipv6_tx = ENL_NDIS_CHECKSUM_TCP, /* without options */
        },
    .lso = {.ipv4_encapsulation = ENL_NDIS_ENCAPSULATION_8023, .ipv4_max_len = 62000},
};

void
nic_accept_initialize(void)
{
    struct enl_rndis_initialize_complete a = {0};

    nic_take_question(ENL_RNDIS_INITIALIZE, 0);
    a.request_id = nic_request_id();
    a.max_packets = 8;
    assert_int_equal(nic_carried(), 1);
    assert_int_equal(
        nic_say_message(ENL_RNDIS_INITIALIZE | ENL_RNDIS_COMPLETION, &a, sizeof(a)), 1);
    nic_taken_back();
}

/* From the version on, without sub-channels or with two. */
void
nic_become_ready(uint16_t sub_channels)
{
    const uint32_t connected = ENL_NDIS_MEDIA_CONNECTED, speed = 100000;
    const struct enl_nvsp_message channels = {
        .type = ENL_NVSP_SUBCHANNEL,
        .u.subchannel_complete = {ENL_NVSP_STATUS_SUCCESS, 2},
    };

    nic_start(sub_channels);
    nic_accept_version();
    nic_take(ENL_NVSP_NDIS_CONFIG);
    assert_int_equal(nic.message.u.ndis_config.mtu, 1514);
    nic_take(ENL_NVSP_NDIS_VERSION);
    nic_accept_buffer();
    nic_accept_initialize();
    nic_good_query(ENL_OID_PERMANENT_ADDRESS, "\x00\x15\x5d\x01\x02\x03", 6);
    nic_taken_back();
    nic_good_query(ENL_OID_OFFLOAD_CAPABILITIES, &all_offloads, sizeof(all_offloads));
    nic_taken_back();
    nic_good_set(ENL_OID_OFFLOAD_PARAMETERS);
    nic_taken_back();
    nic_good_query(ENL_OID_MEDIA_CONNECT_STATUS, &connected, 4);
    nic_taken_back();
    nic_good_query(ENL_OID_LINK_SPEED, &speed, 4);
    nic_taken_back();
    if (sub_channels) {
        nic_take(ENL_NVSP_SUBCHANNEL);
        assert_int_equal(nic.message.u.subchannel.count, sub_channels);
        assert_int_equal(nic_complete(&channels), 1);
    }
    assert_false(enlg_net_is_ready(&nic.net));
    nic_good_set(ENL_OID_PACKET_FILTER);
    nic_taken_back();
    assert_true(enlg_net_is_ready(&nic.net));
    assert_string_equal(nic.events, "R");
    nic_take_nothing();
}

static struct enlg_net_piece two[2];

void
nic_send_pieces(uint32_t first, uint32_t second)
{
    two[0] = (struct enlg_net_piece){(uint8_t *)rig_page(40) + 100, first};
    two[1] = (struct enlg_net_piece){(uint8_t *)rig_page(42) + 4000, second};
    memset(rig_page(40), 0xA1, 4096);
    memset(rig_page(42), 0xB2, 4096);
    memset(rig_page(43), 0xC3, 4096);
    nic.send.pieces = two;
    nic.send.piece_count = second ? 2 : 1;
}

struct enl_rndis_packet
nic_sent_packet(void)
{
    struct enl_rndis_header head;
    struct enl_rndis_packet packet;

    nic_take(ENL_NVSP_RNDIS);
    assert_int_equal(nic.message.u.rndis.channel_type, ENL_NVSP_CHANNEL_DATA);
    memcpy(&head, nic.rndis, sizeof(head));
    assert_int_equal(head.type, ENL_RNDIS_PACKET);
    assert_int_equal(head.len, nic.rndis_len);
    memcpy(&packet, nic.rndis + NIC_HEAD_LEN, sizeof(packet));
    return packet;
}

/* The value of record i of the packet that was sent. */
uint32_t
nic_sent_info(const struct enl_rndis_packet *packet, uint32_t i, uint32_t type)
{
    const uint8_t *at =
        nic.rndis + NIC_HEAD_LEN + packet->info_offset + i * ENL_RNDIS_INFO_LEN;
    struct enl_rndis_info info;
    uint32_t value;

    assert_true((i + 1) * ENL_RNDIS_INFO_LEN <= packet->info_len);
    memcpy(&info, at, sizeof(info));
    assert_int_equal(info.size, ENL_RNDIS_INFO_LEN);
    assert_int_equal(info.type, type);
    memcpy(&value, at + info.offset, 4);
    return value;
}

/* A frame's message at offset of the receive buffer; returns its length. */
uint32_t
nic_frame_write(uint32_t offset, uint32_t len, const uint32_t *infos, uint32_t info_count)
{
    uint32_t info_len = info_count / 2 * ENL_RNDIS_INFO_LEN;
    struct enl_rndis_packet packet = {
        .data_offset = (uint32_t)sizeof(packet) + info_len,
        .data_len = len,
        .info_offset = info_len ? sizeof(packet) : 0,
        .info_len = info_len,
    };
    struct enl_rndis_header head = {ENL_RNDIS_PACKET,
                                    NIC_HEAD_LEN + packet.data_offset + len};
    uint8_t *at = nic_receive_buffer() + offset;

    memcpy(at, &head, sizeof(head));
    memcpy(at + NIC_HEAD_LEN, &packet, sizeof(packet));
    for (uint32_t i = 0; i < info_count; i += 2) {
        const uint32_t record[4] = {16, infos[i], 12, infos[i + 1]};

        memcpy(at + NIC_HEAD_LEN + sizeof(packet) + i / 2 * 16, record, 16);
    }
    memset(at + NIC_HEAD_LEN + packet.data_offset, (int)(offset & 0xFF), len);
    return head.len;
}
