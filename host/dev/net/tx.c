/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the guest to the network: RNDIS messages become frames of the backend.
 *
 * Runs: the guest, on a channel's thread, with any bytes in any spans; the backend, when it
 * gives a frame back. Headers that the NIC works on (a tag to put in, a checksum or
 * segmentation to prepare) are copied once, changed in the copy, and travel with the
 * frame; payload stays where the guest has it. A message that is none gets INVALID_RNDIS,
 * and those behind it in the packet are not looked at.
 *
 * NDIS leaves the IP length and the checksum of a large frame to the NIC, and the pseudo
 * header's sum with or without a length in it: all of it is computed here.
 * [MS-RNDIS 2.2.14; NDIS_TCP_LARGE_SEND_OFFLOAD_V2]
 * Tests: test/unit/net_tx.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#include "common/checked.h"

#define HEADER_LEN ((uint32_t)sizeof(struct enl_rndis_header))
#define INFO_MAX   256u /* bytes of records in one message */

/* What a message's records ask for. */
struct tx_wish {
    uint32_t checksum, lso, vlan;
    bool has_checksum, has_lso, has_vlan;
};

/* One message, its frame at [data, data + len) of all bytes. */
struct tx_message {
    struct tx_wish wish;
    uint64_t data;
    uint32_t len;
    uint32_t message_len;
};

/* ---- reading ---- */

static bool
tx_info(const uint8_t *info, uint32_t len, struct tx_wish *wish)
{
    while (len) {
        struct enl_rndis_info record;
        uint32_t value = 0;

        if (len < sizeof(record))
            return false;
        memcpy(&record, info, sizeof(record));
        if (record.size < sizeof(record) || record.size > len)
            return false;
        if (enl_within(record.offset, sizeof(value), record.size))
            memcpy(&value, info + record.offset, sizeof(value));
        switch (record.type) {
        case ENL_RNDIS_INFO_CHECKSUM:
            wish->checksum = value;
            wish->has_checksum = true;
            break;
        case ENL_RNDIS_INFO_LSO:
            wish->lso = value;
            wish->has_lso = true;
            break;
        case ENL_RNDIS_INFO_VLAN:
            wish->vlan = value;
            wish->has_vlan = true;
            break;
        default:
            break;
        }
        info += record.size;
        len -= record.size;
    }
    return true;
}

/* The message at offset of bytes, checked. */
static bool
tx_read(struct enlh_net_lane *lane, const struct enlh_net_bytes *bytes, uint64_t offset,
        struct tx_message *out)
{
    struct {
        struct enl_rndis_header head;
        struct enl_rndis_packet packet;
    } message;
    uint8_t info[INFO_MAX];
    uint32_t body_len;

    memset(out, 0, sizeof(*out));
    if (enlh_net_bytes_read(lane->nic, bytes, offset, &message, sizeof(message)) < 0 ||
        message.head.type != ENL_RNDIS_PACKET || message.head.len < sizeof(message) ||
        message.head.len > bytes->len - offset)
        return false;
    body_len = message.head.len - HEADER_LEN;
    if (!enl_within(message.packet.data_offset, message.packet.data_len, body_len) ||
        !enl_within(message.packet.info_offset, message.packet.info_len, body_len) ||
        message.packet.info_len > sizeof(info) ||
        message.packet.data_len < ENLH_NET_ETHERNET ||
        message.packet.data_len > ENLH_NET_FRAME_MAX - ENLH_NET_TAG)
        return false;
    out->data = offset + HEADER_LEN + message.packet.data_offset;
    out->len = message.packet.data_len;
    out->message_len = message.head.len;
    if (!message.packet.info_len)
        return true;
    return enlh_net_bytes_read(lane->nic, bytes,
                               offset + HEADER_LEN + message.packet.info_offset, info,
                               message.packet.info_len) == 0 &&
           tx_info(info, message.packet.info_len, &out->wish);
}

/* ---- headers ---- */

static void
tx_insert_tag(struct enlh_net_frame *frame, uint32_t vlan)
{
    uint32_t priority = vlan & ENL_RNDIS_VLAN_PRIORITY_MASK;
    uint32_t droppable = vlan & ENL_RNDIS_VLAN_DROPPABLE ? 1 : 0;
    uint32_t id = vlan >> ENL_RNDIS_VLAN_ID_SHIFT & ENL_RNDIS_VLAN_ID_MASK;

    memmove(frame->head + 16, frame->head + 12, frame->head_len - 12);
    enlh_net_put16(frame->head + 12, 0x8100);
    enlh_net_put16(frame->head + 14, priority << 13 | droppable << 12 | id);
    frame->head_len += ENLH_NET_TAG;
    frame->len += ENLH_NET_TAG;
}

static void
tx_ip_checksum(uint8_t *ip)
{
    uint32_t len = (ip[0] & 0xfu) * 4;

    enlh_net_put16(ip + 10, 0);
    enlh_net_put16(ip + 10, (uint16_t)~enlh_net_fold(enlh_net_sum(ip, len, 0)));
}

/* Bytes of TCP or UDP, header included, as IP's own length or the frame's has it. */
static uint32_t
tx_transport_len(const struct enlh_net_frame *frame,
                 const struct enlh_net_headers *headers, bool whole)
{
    const uint8_t *ip = frame->head + headers->l3;
    uint32_t rest = frame->len - headers->l4;
    uint32_t end;

    if (whole)
        return rest;
    end = headers->ip == 4 ? headers->l3 + enlh_net_get16(ip + 2)
                           : headers->l3 + 40u + enlh_net_get16(ip + 4);
    return end >= headers->l4 && end - headers->l4 < rest ? end - headers->l4 : rest;
}

static void
tx_partial(struct enlh_net_frame *frame, const struct enlh_net_headers *headers,
           bool whole)
{
    uint32_t at = headers->protocol == ENLH_NET_TCP ? 16 : 6;
    uint16_t pseudo =
        enlh_net_pseudo(frame->head, headers, tx_transport_len(frame, headers, whole));

    enlh_net_put16(frame->head + headers->l4 + at, pseudo);
    frame->offload.flags = ENLH_NET_CHECKSUM_PARTIAL;
    frame->offload.checksum_start = headers->l4;
    frame->offload.checksum_offset = (uint16_t)at;
}

/* A frame that asks for what its headers do not allow is sent as it is. */
static void
tx_checksum(struct enlh_net_frame *frame, const struct enlh_net_headers *headers,
            uint32_t wish)
{
    uint32_t transport = 0;

    if (headers->protocol == ENLH_NET_TCP)
        transport = ENL_RNDIS_TX_CHECKSUM_TCP;
    else if (headers->protocol == ENLH_NET_UDP)
        transport = ENL_RNDIS_TX_CHECKSUM_UDP;
    if (headers->ip == 4 && (wish & ENL_RNDIS_TX_CHECKSUM_IP_HEADER))
        tx_ip_checksum(frame->head + headers->l3);
    if (wish & transport)
        tx_partial(frame, headers, false);
}

static bool
tx_segments(struct enlh_net_frame *frame, const struct enlh_net_headers *headers,
            uint32_t wish)
{
    uint32_t mss = wish & ENL_RNDIS_LSO_MSS_MASK;
    uint8_t *ip = frame->head + headers->l3, *tcp = frame->head + headers->l4;
    uint32_t ip_len = frame->len - headers->l3;
    uint32_t header_len;

    if (headers->protocol != ENLH_NET_TCP || !mss || mss > UINT16_MAX ||
        headers->fragment)
        return false;
    header_len = headers->l4 + (tcp[12] >> 4) * 4u;
    if (header_len < headers->l4 + 20u || header_len > frame->head_len ||
        ip_len > UINT16_MAX)
        return false;
    if (headers->ip == 4) {
        enlh_net_put16(ip + 2, ip_len);
        tx_ip_checksum(ip);
    } else {
        enlh_net_put16(ip + 4, ip_len - 40);
    }
    tx_partial(frame, headers, true);
    if (frame->len - header_len <= mss)
        return true;
    frame->offload.gso = headers->ip == 4 ? ENLH_NET_GSO_TCP4 : ENLH_NET_GSO_TCP6;
    frame->offload.ecn = (tcp[13] & 0x80) != 0;
    frame->offload.header_len = (uint16_t)header_len;
    frame->offload.segment_len = (uint16_t)mss;
    return true;
}

static bool
tx_prepare(struct enlh_net_frame *frame, const struct tx_wish *wish)
{
    struct enlh_net_headers headers;

    if (wish->has_vlan)
        tx_insert_tag(frame, wish->vlan);
    if (!wish->has_lso && !wish->has_checksum)
        return true;
    enlh_net_headers_parse(frame->head, frame->head_len, &headers);
    if (wish->has_lso)
        return tx_segments(frame, &headers, wish->lso);
    tx_checksum(frame, &headers, wish->checksum);
    return true;
}

/* ---- frames ---- */

/* Small frames travel by value; of others the head, when there is something to do to it. */
static bool
tx_make(struct enlh_net_tx *tx, const struct enlh_net_bytes *bytes,
        const struct tx_message *message)
{
    const struct tx_wish *wish = &message->wish;
    struct enlh_net_frame *frame = &tx->frame;
    uint32_t room = ENLH_NET_HEAD_MAX - ENLH_NET_TAG;
    int count = 0;

    frame->offload = (struct enlh_net_offload){0};
    frame->len = message->len;
    frame->head_len = 0;
    if (message->len <= room)
        frame->head_len = message->len;
    else if (wish->has_vlan || wish->has_lso || wish->has_checksum)
        frame->head_len = room;
    if (frame->head_len && enlh_net_bytes_read(tx->lane->nic, bytes, message->data,
                                               frame->head, frame->head_len) < 0)
        return false;
    if (frame->head_len < frame->len) {
        count = enlh_net_bytes_slice(bytes, message->data + frame->head_len,
                                     frame->len - frame->head_len, tx->spans,
                                     ENLH_NET_TX_SPANS);
        if (count < 0)
            return false;
    }
    frame->spans = tx->spans;
    frame->span_count = (uint32_t)count;
    return tx_prepare(frame, wish);
}

static void
tx_put(struct enlh_net_tx *tx)
{
    struct enlh_net_lane *lane = tx->lane;

    tx->next = lane->tx_free;
    lane->tx_free = tx;
    lane->tx_free_count++;
}

static void
tx_finish(struct enlh_net_tx *tx)
{
    struct enlh_net_lane *lane = tx->lane;
    struct enlh_net_slot *slot = tx->slot;

    lane->in_flight--;
    tx_put(tx);
    if (--slot->frames == 0)
        enlh_net_slot_answer(lane, slot);
}

static void
tx_done(struct enlh_net_frame *frame)
{
    tx_finish(
        (struct enlh_net_tx *)((char *)frame - offsetof(struct enlh_net_tx, frame)));
}

/* true: the backend has it, or it is gone already. */
static bool
tx_give(struct enlh_net_tx *tx)
{
    struct enlh_net_lane *lane = tx->lane;
    int result = 1;

    if (atomic_load_explicit(&lane->nic->cable, memory_order_relaxed))
        result = lane->nic->config.net.ops->transmit(lane->queue, &tx->frame);
    if (result == -ENL_E_AGAIN)
        return false;
    if (result != 0)
        tx_finish(tx);
    return true;
}

bool
enlh_net_tx_retry(struct enlh_net_lane *lane)
{
    while (lane->tx_wait) {
        struct enlh_net_tx *tx = lane->tx_wait;

        lane->tx_wait = tx->next;
        if (tx_give(tx))
            continue;
        tx->next = lane->tx_wait;
        lane->tx_wait = tx;
        return false;
    }
    return true;
}

void
enlh_net_tx_drop(struct enlh_net_lane *lane)
{
    while (lane->tx_wait) {
        struct enlh_net_tx *tx = lane->tx_wait;

        lane->tx_wait = tx->next;
        tx_finish(tx);
    }
}

static void
tx_submit(struct enlh_net_lane *lane, struct enlh_net_tx *tx)
{
    struct enlh_net_counts *counts = &lane->port->counts;

    enlh_net_count(&counts->tx_frames, 1);
    enlh_net_count(&counts->tx_bytes, tx->frame.len);
    if (tx->frame.offload.gso != ENLH_NET_GSO_NONE)
        enlh_net_count(&counts->tx_large, 1);
    lane->in_flight++;
    tx->slot->frames++;
    if (!lane->tx_wait && tx_give(tx))
        return;
    tx->next = NULL;
    if (lane->tx_wait)
        lane->tx_wait_last->next = tx;
    else
        lane->tx_wait = tx;
    lane->tx_wait_last = tx;
}

static bool
tx_one(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
       const struct enlh_net_bytes *bytes, const struct tx_message *message)
{
    struct enlh_net_tx *tx = lane->tx_free;

    lane->tx_free = tx->next;
    lane->tx_free_count--;
    tx->slot = slot;
    tx->frame.done = tx_done;
    if (!tx_make(tx, bytes, message)) {
        tx_put(tx);
        return false;
    }
    tx_submit(lane, tx);
    return true;
}

/* The slot holds on to itself meanwhile: a backend may be done with a frame at once. */
void
enlh_net_tx_packet(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
                   const struct enlh_net_bytes *bytes)
{
    uint32_t status = ENL_NVSP_STATUS_SUCCESS;
    struct tx_message message;
    uint64_t offset = 0;

    slot->frames = 1;
    for (uint32_t i = 0; offset < bytes->len || !i; i++) {
        if (i == ENLH_NET_PACKETS || !tx_read(lane, bytes, offset, &message) ||
            !tx_one(lane, slot, bytes, &message)) {
            enlh_net_count(&lane->port->counts.refused, 1);
            status = ENL_NVSP_STATUS_INVALID_RNDIS;
            break;
        }
        offset += message.message_len;
    }
    slot->answer.type = ENL_NVSP_RNDIS_COMPLETE;
    slot->answer.u.rndis_complete.status = status;
    if (--slot->frames == 0)
        enlh_net_slot_answer(lane, slot);
}
