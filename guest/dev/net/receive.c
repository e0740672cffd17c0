/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/net/receive.c - from a packet's pieces of the receive buffer to frames
 *
 * Run by the host's packets. The packet itself is a private copy; the pieces that it names
 * are in memory that the host can write at any time, so each RNDIS message is copied in
 * parts, the checked part first, and the frame straight to where the kernel wants it. An
 * offset or a length beyond what it lies in gives the channel up.
 * [enlight/abi/nvsp.h, enlight/abi/rndis.h]
 * Tests: test/unit/guest_net*.c, test/loop/net.c.
 */
#include "guest/dev/net/net.h"

#define INFO_LEN_MAX 256u /* Policy: hosts send up to six records of 16 bytes */

static int
receive_break(struct net_queue *q, const char *why)
{
    return enlg_net_queue_break(q, -ENL_E_PROTO, why);
}

/* ---- what the host says about a frame ---- */

static void
checksum_take(struct enlg_net_frame *frame, uint32_t value)
{
    static const struct {
        uint32_t good, bad, mine;
    } bits[] = {
        {ENL_RNDIS_RX_CHECKSUM_IP_SUCCEEDED, ENL_RNDIS_RX_CHECKSUM_IP_FAILED,
         ENLG_NET_CHECKSUM_IP},
        {ENL_RNDIS_RX_CHECKSUM_TCP_SUCCEEDED, ENL_RNDIS_RX_CHECKSUM_TCP_FAILED,
         ENLG_NET_CHECKSUM_TCP},
        {ENL_RNDIS_RX_CHECKSUM_UDP_SUCCEEDED, ENL_RNDIS_RX_CHECKSUM_UDP_FAILED,
         ENLG_NET_CHECKSUM_UDP},
    };

    for (uint32_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if (value & bits[i].bad)
            frame->bad |= bits[i].mine;
        else if (value & bits[i].good)
            frame->good |= bits[i].mine;
    }
}

static void
info_take(struct enlg_net_frame *frame, uint32_t type, uint32_t value)
{
    switch (type) {
    case ENL_RNDIS_INFO_CHECKSUM:
        checksum_take(frame, value);
        break;
    case ENL_RNDIS_INFO_VLAN:
        frame->vlan =
            (uint16_t)((value & ENL_RNDIS_VLAN_PRIORITY_MASK) << 13 |
                       (value >> ENL_RNDIS_VLAN_ID_SHIFT & ENL_RNDIS_VLAN_ID_MASK));
        break;
    case ENL_RNDIS_INFO_HASH:
        frame->has_hash = true;
        frame->hash = value;
        break;
    default: /* nothing that a frame has */
        break;
    }
}

/* len bytes of records, a private copy. Returns false when one is beyond the end. */
static bool
infos_take(struct enlg_net_frame *frame, const uint8_t *records, uint32_t len)
{
    struct enl_rndis_info info;
    uint32_t value;

    while (len >= sizeof(info)) {
        memcpy(&info, records, sizeof(info));
        if (info.size < sizeof(info) || info.size > len)
            return false;
        if (info.offset >= sizeof(info) && info.offset <= info.size &&
            info.size - info.offset >= sizeof(value)) {
            memcpy(&value, records + info.offset, sizeof(value));
            info_take(frame, info.type, value);
        }
        records += info.size;
        len -= info.size;
    }
    return len == 0;
}

/* ---- one message ---- */

static bool
is_within(uint32_t offset, uint32_t len, uint32_t room)
{
    return offset <= room && len <= room - offset;
}

static int
frame_take(struct net_queue *q, const uint8_t *body, uint32_t body_len)
{
    struct enlg_net_frame frame = {.vlan = ENLG_NET_NO_VLAN};
    struct enl_rndis_packet packet;
    uint64_t infos[INFO_LEN_MAX / 8];

    if (body_len < sizeof(packet))
        return receive_break(q, "net: a frame's message that is too short");
    memcpy(&packet, body, sizeof(packet));
    if (!is_within(packet.data_offset, packet.data_len, body_len) ||
        !is_within(packet.info_offset, packet.info_len, body_len) ||
        packet.info_len > INFO_LEN_MAX)
        return receive_break(q, "net: a frame beyond the end of its message");
    memcpy(infos, body + packet.info_offset, packet.info_len);
    if (!infos_take(&frame, (const uint8_t *)infos, packet.info_len))
        return receive_break(q, "net: a record beyond the end of its list");
    frame.len = packet.data_len;
    frame.data = q->config.room(q->config.ctx, frame.len);
    if (!frame.data)
        return 0;
    memcpy(frame.data, body + packet.data_offset, frame.len);
    q->config.frame(q->config.ctx, &frame);
    return 0;
}

static int
control_take(struct net_queue *q, const uint8_t *message, uint32_t len)
{
    /* The packet is at the buffer's start, and never that long. */
    uint8_t *copy =
        (uint8_t *)q->config.buffer + ENLG_NET_BUFFER_LEN - ENLG_NET_CONTROL_LEN;
    uint32_t copy_len = len < ENLG_NET_CONTROL_LEN ? len : ENLG_NET_CONTROL_LEN;

    if (!net_queue_is_first(q))
        return receive_break(q, "net: a control message on a sub-channel");
    memcpy(copy, message, copy_len);
    return enlg_net_control(q->net, copy, copy_len);
}

/* piece_len bytes of the receive buffer hold one message. */
static int
message_take(struct net_queue *q, const uint8_t *piece, uint32_t piece_len)
{
    struct enl_rndis_header head;

    if (piece_len < sizeof(head))
        return receive_break(q, "net: a message that is too short");
    memcpy(&head, piece, sizeof(head));
    if (head.len < sizeof(head) || head.len > piece_len)
        return receive_break(q, "net: a message beyond the end of its piece");
    if (head.type != ENL_RNDIS_PACKET)
        return control_take(q, piece, head.len);
    if (net_state(q->net) != NET_READY)
        return 0; /* nobody is there yet */
    return frame_take(q, piece + sizeof(head), head.len - (uint32_t)sizeof(head));
}

/* ---- one packet ---- */

int
enlg_net_receive(struct net_queue *q, const struct enlg_packet *packet,
                 const struct enl_nvsp_message *m)
{
    struct {
        uint16_t pageset_id;
        uint16_t flags;
        uint32_t range_count;
    } tail;
    const struct enlg_net_config *nic = &q->net->first.config;
    struct enl_transfer_range range;
    int rc = 0;

    if (packet->desc_len < sizeof(tail) || m->type != ENL_NVSP_RNDIS)
        return receive_break(q, "net: a packet of a wrong form");
    memcpy(&tail, packet->desc, sizeof(tail));
    if (tail.pageset_id != ENL_NVSP_RECEIVE_BUFFER_ID ||
        tail.range_count > (packet->desc_len - sizeof(tail)) / sizeof(range))
        return receive_break(q, "net: a packet of a wrong form");
    for (uint32_t i = 0; i < tail.range_count && rc == 0; i++) {
        memcpy(&range, packet->desc + sizeof(tail) + i * sizeof(range), sizeof(range));
        if (!is_within(range.byte_offset, range.byte_count, nic->receive_len))
            return receive_break(q, "net: a piece beyond the receive buffer");
        rc = message_take(q, (const uint8_t *)nic->receive_buffer + range.byte_offset,
                          range.byte_count);
    }
    return rc;
}
