/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the network to the guest: frames in pieces of the receive buffer.
 *
 * Runs on a channel's thread: for what the backend brings, and for the guest's completions,
 * which give pieces back. The backend writes payload straight into guest memory; the NIC
 * writes RNDIS's header before it. A piece is with the guest from the packet that names it
 * until the completion of that packet: a completion for anything else costs the channel.
 * What the guest does to its own buffer meanwhile changes nothing here: all numbers are in
 * private memory, and a header that is looked at was copied first.
 *
 *   |<- ENLH_NET_RX_HEAD ->|<---------- lent to the backend --------->|
 *   | RNDIS header, records|  frame, or its next part                 |
 *
 * Frames go out in packets of up to ENLH_NET_BATCH pieces; those of one frame are in one
 * packet, each with a record that says first, last or neither.
 * Tests: test/unit/net_rx.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#include "host/core/log.h"

#define HEADER_LEN ((uint32_t)sizeof(struct enl_rndis_header))
#define LOOK_MAX   128u /* bytes of a frame that are looked at */
#define NO_PIECE   UINT32_MAX
#define ROUNDS     4u  /* calls of the backend in one turn */
#define FRAMES     64u /* of each */

/* What the guest is told about a frame, the same in each of its pieces. */
struct rx_about {
    uint32_t checksum, vlan, hash, hash_type;
    bool has_checksum, has_vlan;
    uint32_t shift; /* bytes that the frame begins later: a tag was taken out */
};

/* ---- pieces ---- */

static uint64_t
rx_offset(const struct enlh_net_rx *rx, uint32_t piece)
{
    return (uint64_t)(rx->first + piece) * rx->piece_len;
}

static bool
rx_usable(const struct enlh_net_rx *rx)
{
    return rx->buffer &&
           !atomic_load_explicit(&rx->buffer->revoked, memory_order_acquire);
}

/* No piece is scattered beyond what its users have room for. */
static int
rx_make_pieces(struct enlh_net_rx *rx)
{
    struct enlh_span whole[ENLH_NET_PIECE_SPANS];

    for (uint32_t i = 0; i < rx->count; i++) {
        struct enlh_span *spans = &rx->spans[(size_t)i * rx->piece_spans];
        uint32_t len = rx->piece_len - ENLH_NET_RX_HEAD;
        int count = enlh_net_buffer_slice(rx->buffer, rx_offset(rx, i) + ENLH_NET_RX_HEAD,
                                          len, spans, rx->piece_spans);

        if (count < 0 ||
            enlh_net_buffer_slice(rx->buffer, rx_offset(rx, i), rx->piece_len, whole,
                                  ENLH_NET_PIECE_SPANS) < 0)
            return -ENL_E_INVAL;
        rx->pieces[i] = (struct enlh_net_piece){
            .spans = spans, .span_count = (uint32_t)count, .len = len};
    }
    for (uint32_t i = rx->count; i-- > rx->control;)
        rx->free[rx->free_count++] = i;
    for (uint32_t i = rx->control; i-- > 0;)
        rx->control_free[rx->control_count++] = i;
    return 0;
}

/* The control pieces come first in the buffer, and are the primary channel's. */
static void
rx_share(struct enlh_net_lane *lane)
{
    const struct enlh_net_settings *settings = &lane->settings;
    struct enlh_net_rx *rx = &lane->rx;

    rx->piece_len = settings->piece_len;
    rx->piece_spans = settings->piece_len / ENL_PAGE_SIZE + 2;
    rx->count = settings->share;
    rx->first = settings->control_count + lane->port->index * settings->share;
    rx->head = NO_PIECE;
    if (lane->port->index)
        return;
    rx->control = settings->control_count;
    rx->count += rx->control;
    rx->first = 0;
}

int
enlh_net_rx_open(struct enlh_net_lane *lane, struct enlh_net_buffer *buffer)
{
    struct enlh_nic *nic = lane->nic;
    struct enlh_net_rx *rx = &lane->rx;
    int result = -ENL_E_NOMEM;

    rx_share(lane);
    rx->buffer = buffer;
    rx->pieces = enlh_net_alloc(nic, rx->count * sizeof(*rx->pieces));
    rx->spans =
        enlh_net_alloc(nic, (size_t)rx->count * rx->piece_spans * sizeof(*rx->spans));
    rx->next = enlh_net_alloc(nic, rx->count * sizeof(*rx->next));
    rx->states = enlh_net_alloc(nic, rx->count * sizeof(*rx->states));
    rx->free = enlh_net_alloc(nic, rx->count * sizeof(*rx->free));
    if (rx->pieces && rx->spans && rx->next && rx->states && rx->free)
        result = rx_make_pieces(rx);
    if (result < 0) {
        rx->buffer = NULL; /* the caller's again */
        enlh_net_rx_close(lane);
    }
    return result;
}

void
enlh_net_rx_close(struct enlh_net_lane *lane)
{
    struct enlh_nic *nic = lane->nic;
    struct enlh_net_rx *rx = &lane->rx;

    if (rx->pieces)
        enlh_net_free(nic, rx->pieces, rx->count * sizeof(*rx->pieces));
    if (rx->spans)
        enlh_net_free(nic, rx->spans,
                      (size_t)rx->count * rx->piece_spans * sizeof(*rx->spans));
    if (rx->next)
        enlh_net_free(nic, rx->next, rx->count * sizeof(*rx->next));
    if (rx->states)
        enlh_net_free(nic, rx->states, rx->count * sizeof(*rx->states));
    if (rx->free)
        enlh_net_free(nic, rx->free, rx->count * sizeof(*rx->free));
    if (rx->buffer)
        enlh_net_buffer_put(nic, rx->buffer);
    memset(rx, 0, sizeof(*rx));
}

/* ---- packets ---- */

/* The transaction is the first piece's number, and one more: 0 is nobody's. */
static bool
rx_send(struct enlh_net_lane *lane, uint32_t head,
        const struct enl_transfer_range *ranges, uint32_t count, uint32_t channel_type)
{
    const struct enlh_page_ranges pages = {
        .pageset_id = ENL_NVSP_RECEIVE_BUFFER_ID, .count = count, .ranges = ranges};
    const struct enl_nvsp_message message = {
        .type = ENL_NVSP_RNDIS,
        .u.rndis = {.channel_type = channel_type, .section_index = ENL_NVSP_NO_SECTION},
    };
    uint32_t len = lane->settings.version >= ENL_NVSP_VERSION_6_1 ? ENL_NVSP_LEN_6_1
                                                                  : ENL_NVSP_LEN_1;

    return enlh_channel_send_pages(lane->channel, (uint64_t)head + 1, &pages, &message,
                                   len) != -ENL_E_AGAIN;
}

/* The lane holds the buffer, and the piece was sliced when it was made: it is there. */
static void
rx_write(struct enlh_net_lane *lane, uint32_t piece, const void *bytes, uint32_t len)
{
    struct enlh_net_rx *rx = &lane->rx;
    struct enlh_span spans[ENLH_NET_PIECE_SPANS];
    struct enlh_net_bytes to = {.spans = spans, .len = len};
    int count = enlh_net_buffer_slice(rx->buffer, rx_offset(rx, piece), len, spans,
                                      ENLH_NET_PIECE_SPANS);

    ENLH_BUG_ON(lane->nic->partition, count < 0);
    to.span_count = (uint32_t)count;
    (void)!enlh_net_bytes_write(lane->nic, &to, 0, bytes, len);
}

int
enlh_net_rx_write(struct enlh_net_lane *lane, uint32_t piece, const void *message,
                  uint32_t len)
{
    if (!rx_usable(&lane->rx) || len > lane->rx.piece_len)
        return -ENL_E_NOENT;
    rx_write(lane, piece, message, len);
    return 0;
}

bool
enlh_net_rx_send(struct enlh_net_lane *lane, uint32_t piece, uint32_t len)
{
    struct enlh_net_rx *rx = &lane->rx;
    const struct enl_transfer_range range = {
        .byte_count = len, .byte_offset = (uint32_t)rx_offset(rx, piece)};

    if (!rx_send(lane, piece, &range, 1, ENL_NVSP_CHANNEL_CONTROL))
        return false;
    rx->states[piece] = ENLH_PIECE_HEAD;
    rx->next[piece] = NO_PIECE;
    return true;
}

/* Show the guest the packet in the making; false: there is no room. */
static bool
rx_show(struct enlh_net_lane *lane)
{
    struct enlh_net_rx *rx = &lane->rx;

    if (!rx->range_count)
        return true;
    if (!rx_send(lane, rx->head, rx->ranges, rx->range_count, ENL_NVSP_CHANNEL_DATA))
        return false;
    rx->states[rx->head] = ENLH_PIECE_HEAD;
    rx->range_count = 0;
    rx->head = NO_PIECE;
    return true;
}

static void
rx_add(struct enlh_net_rx *rx, uint32_t piece, uint32_t len)
{
    rx->ranges[rx->range_count++] = (struct enl_transfer_range){
        .byte_count = len, .byte_offset = (uint32_t)rx_offset(rx, piece)};
    rx->states[piece] = ENLH_PIECE_BODY;
    rx->next[piece] = NO_PIECE;
    if (rx->head == NO_PIECE)
        rx->head = piece;
    else
        rx->next[rx->last] = piece;
    rx->last = piece;
}

static void
rx_give_back(struct enlh_net_rx *rx, uint32_t piece)
{
    rx->states[piece] = ENLH_PIECE_FREE;
    if (piece < rx->control)
        rx->control_free[rx->control_count++] = piece;
    else
        rx->free[rx->free_count++] = piece;
}

int
enlh_net_rx_completed(struct enlh_net_lane *lane, uint64_t transaction_id)
{
    struct enlh_net_rx *rx = &lane->rx;
    uint32_t piece, next;

    if (!transaction_id || transaction_id > rx->count ||
        rx->states[transaction_id - 1] != ENLH_PIECE_HEAD) {
        enlh_net_count(&lane->port->counts.refused, 1);
        return -ENL_E_PROTO;
    }
    for (piece = (uint32_t)transaction_id - 1; piece != NO_PIECE; piece = next) {
        next = rx->next[piece];
        rx_give_back(rx, piece);
    }
    return 0;
}

/* ---- one frame ---- */

static bool
rx_is_multicast(const struct enlh_net_settings *settings, const uint8_t *mac)
{
    for (uint32_t i = 0; i < settings->multicast_count; i++) {
        if (!memcmp(settings->multicast[i], mac, 6))
            return true;
    }
    return false;
}

/* The permanent address always is: a next kernel starts with it. */
static bool
rx_is_own(const struct enlh_net_lane *lane, const uint8_t *mac)
{
    return !memcmp(mac, lane->settings.mac, 6) || !memcmp(mac, lane->nic->config.mac, 6);
}

static bool
rx_wanted(const struct enlh_net_lane *lane, const uint8_t *mac)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct enlh_net_settings *settings = &lane->settings;
    uint32_t filter = settings->filter;

    if (!atomic_load_explicit(&lane->nic->cable, memory_order_relaxed))
        return false;
    if (filter & ENL_NDIS_FILTER_PROMISCUOUS)
        return true;
    if (!(mac[0] & 1))
        return (filter & ENL_NDIS_FILTER_DIRECTED) && rx_is_own(lane, mac);
    if (!memcmp(mac, broadcast, 6))
        return (filter & ENL_NDIS_FILTER_BROADCAST) != 0;
    return (filter & ENL_NDIS_FILTER_ALL_MULTICAST) ||
           ((filter & ENL_NDIS_FILTER_MULTICAST) && rx_is_multicast(settings, mac));
}

/* A checksum that nobody has computed is filled in: the guest may send the frame on. */
static void
rx_fill_checksum(struct enlh_net_lane *lane, const struct enlh_net_received *frame,
                 const struct enlh_net_bytes *bytes)
{
    uint32_t start = frame->offload.checksum_start;
    uint32_t at = start + frame->offload.checksum_offset;
    uint8_t field[2];
    uint16_t sum;

    if (at + sizeof(field) > bytes->len)
        return;
    sum =
        enlh_net_fold(enlh_net_bytes_sum(lane->nic, bytes, start, bytes->len - start, 0));
    sum = (uint16_t)~sum;
    /* 0 says "none" in UDP; its other form is as good anywhere. */
    enlh_net_put16(field, sum ? sum : 0xffffu);
    if (enlh_net_bytes_write(lane->nic, bytes, at, field, sizeof(field)) < 0)
        enlh_net_count(&lane->port->counts.refused, 1);
}

static void
rx_tell_checksum(struct enlh_net_lane *lane, const struct enlh_net_received *frame,
                 const struct enlh_net_headers *headers, struct rx_about *about)
{
    const uint8_t known = ENLH_NET_CHECKSUM_GOOD | ENLH_NET_CHECKSUM_PARTIAL;

    if (!lane->settings.rx_checksum || !(frame->offload.flags & known))
        return;
    if (headers->protocol == ENLH_NET_TCP)
        about->checksum = ENL_RNDIS_RX_CHECKSUM_TCP_SUCCEEDED;
    else if (headers->protocol == ENLH_NET_UDP)
        about->checksum = ENL_RNDIS_RX_CHECKSUM_UDP_SUCCEEDED;
    if (about->checksum && headers->ip == 4)
        about->checksum |= ENL_RNDIS_RX_CHECKSUM_IP_SUCCEEDED;
    about->has_checksum = about->checksum != 0;
}

/* The tag goes into a record, and the addresses move to where it was. */
static void
rx_take_tag(struct enlh_net_lane *lane, const uint8_t *head, uint32_t len,
            const struct enlh_net_bytes *bytes, struct rx_about *about)
{
    uint32_t tag;

    if (!(lane->settings.capabilities & ENL_NVSP_CAPABILITY_8021Q) ||
        len < ENLH_NET_ETHERNET + ENLH_NET_TAG || enlh_net_get16(head + 12) != 0x8100)
        return;
    if (enlh_net_bytes_write(lane->nic, bytes, ENLH_NET_TAG, head, 12) < 0)
        return;
    tag = enlh_net_get16(head + 14);
    about->vlan = tag >> 13 | (tag & 0xfff) << ENL_RNDIS_VLAN_ID_SHIFT;
    if (tag & 0x1000)
        about->vlan |= ENL_RNDIS_VLAN_DROPPABLE;
    about->has_vlan = true;
    about->shift = ENLH_NET_TAG;
}

static uint8_t *
rx_record(uint8_t *at, uint32_t type, uint32_t value)
{
    const struct enl_rndis_info info = {
        .size = ENL_RNDIS_INFO_LEN, .type = type, .offset = sizeof(info)};

    memcpy(at, &info, sizeof(info));
    memcpy(at + sizeof(info), &value, sizeof(value));
    return at + ENL_RNDIS_INFO_LEN;
}

static uint32_t
rx_fragment(uint32_t part, uint32_t part_count)
{
    struct enl_rndis_fragment fragment = {.version = ENL_RNDIS_FRAGMENT_VERSION,
                                          .flags = ENL_RNDIS_FRAGMENT_ANY};
    uint32_t value;

    if (part == 0)
        fragment.flags |= ENL_RNDIS_FRAGMENT_FIRST;
    if (part == part_count - 1)
        fragment.flags |= ENL_RNDIS_FRAGMENT_LAST;
    memcpy(&value, &fragment, sizeof(value));
    return value;
}

/* RNDIS's header and records, and zeros up to the frame. */
static void
rx_head(uint8_t head[ENLH_NET_RX_HEAD], const struct rx_about *about, uint32_t len,
        uint32_t part, uint32_t part_count)
{
    struct enl_rndis_header *header = (void *)head;
    struct enl_rndis_packet *packet = (void *)(head + HEADER_LEN);
    uint8_t *first = head + HEADER_LEN + sizeof(*packet), *at = first;
    uint32_t shift = part ? 0 : about->shift;

    memset(head, 0, ENLH_NET_RX_HEAD);
    if (about->has_checksum)
        at = rx_record(at, ENL_RNDIS_INFO_CHECKSUM, about->checksum);
    if (about->has_vlan)
        at = rx_record(at, ENL_RNDIS_INFO_VLAN, about->vlan);
    if (about->hash_type) {
        at = rx_record(at, ENL_RNDIS_INFO_HASH, about->hash);
        at = rx_record(at, ENL_RNDIS_INFO_HASH_TYPE,
                       about->hash_type | ENL_NDIS_HASH_TOEPLITZ);
    }
    if (part_count > 1)
        at = rx_record(at, ENL_RNDIS_INFO_FRAGMENT, rx_fragment(part, part_count));
    header->type = ENL_RNDIS_PACKET;
    header->len = ENLH_NET_RX_HEAD + len;
    packet->data_offset = ENLH_NET_RX_HEAD - HEADER_LEN + shift;
    packet->data_len = len - shift;
    packet->info_len = (uint32_t)(at - first);
    packet->info_offset = packet->info_len ? (uint32_t)sizeof(*packet) : 0;
}

/* Look at the frame's first bytes. Returns false: it is not for this guest. */
static bool
rx_look(struct enlh_net_lane *lane, const struct enlh_net_received *frame,
        const struct enlh_net_piece *piece, struct rx_about *about)
{
    uint32_t len = frame->len < piece->len ? frame->len : piece->len;
    const struct enlh_net_bytes bytes = {
        .spans = piece->spans, .span_count = piece->span_count, .len = len};
    uint32_t look = len < LOOK_MAX ? len : LOOK_MAX;
    struct enlh_net_headers headers;
    uint8_t head[LOOK_MAX];

    if (frame->len < ENLH_NET_ETHERNET ||
        enlh_net_bytes_read(lane->nic, &bytes, 0, head, look) < 0 ||
        !rx_wanted(lane, head))
        return false;
    enlh_net_headers_parse(head, look, &headers);
    if ((frame->offload.flags & ENLH_NET_CHECKSUM_PARTIAL) && frame->piece_count == 1 &&
        frame->offload.gso == ENLH_NET_GSO_NONE)
        rx_fill_checksum(lane, frame, &bytes);
    rx_tell_checksum(lane, frame, &headers, about);
    about->hash =
        enlh_net_hash(&lane->settings.steering, head, &headers, &about->hash_type);
    rx_take_tag(lane, head, look, &bytes, about);
    return true;
}

static void
rx_add_parts(struct enlh_net_lane *lane, const struct enlh_net_received *frame,
             const uint32_t *pieces, const struct rx_about *about)
{
    struct enlh_net_rx *rx = &lane->rx;
    uint8_t head[ENLH_NET_RX_HEAD] __attribute__((aligned(8)));
    uint32_t left = frame->len;

    for (uint32_t i = 0; i < frame->piece_count; i++) {
        uint32_t room = rx->piece_len - ENLH_NET_RX_HEAD;
        uint32_t len = left < room ? left : room;

        rx_head(head, about, len, i, frame->piece_count);
        rx_write(lane, pieces[i], head, sizeof(head));
        left -= len;
        rx_add(rx, pieces[i], ENLH_NET_RX_HEAD + len);
    }
}

static bool
rx_takes_large(const struct enlh_net_lane *lane)
{
    return lane->settings.rsc4 || lane->settings.rsc6;
}

/* Put a frame into the packet in the making, which has room for it; false: it is lost. */
static bool
rx_frame(struct enlh_net_lane *lane, const struct enlh_net_received *frame,
         const struct enlh_net_piece *first, const uint32_t *pieces)
{
    struct enlh_net_counts *counts = &lane->port->counts;
    struct rx_about about = {0};

    if (frame->piece_count > 1 && !rx_takes_large(lane)) {
        enlh_net_count(&counts->rx_long, 1);
        return false;
    }
    if (!rx_look(lane, frame, first, &about)) {
        enlh_net_count(&counts->rx_filtered, 1);
        return false;
    }
    rx_add_parts(lane, frame, pieces, &about);
    enlh_net_count(&counts->rx_frames, 1);
    enlh_net_count(&counts->rx_bytes, frame->len);
    if (frame->piece_count > 1)
        enlh_net_count(&counts->rx_large, 1);
    return true;
}

/* ---- a turn ---- */

/* Pieces that a frame of the greatest length takes. */
static uint32_t
rx_most(const struct enlh_net_lane *lane)
{
    uint32_t room = lane->rx.piece_len - ENLH_NET_RX_HEAD;

    return rx_takes_large(lane) ? (ENLH_NET_FRAME_MAX + room - 1) / room : 1;
}

static void
rx_lend(struct enlh_net_rx *rx)
{
    while (rx->lent_count < ENLH_NET_LENT && rx->free_count) {
        uint32_t piece = rx->free[--rx->free_count];

        rx->lent[rx->lent_count] = rx->pieces[piece];
        rx->lent_at[rx->lent_count++] = piece;
    }
}

/* The first count of what was lent are used up. */
static void
rx_lent_used(struct enlh_net_rx *rx, uint32_t count)
{
    rx->lent_count -= count;
    memmove(rx->lent, rx->lent + count, rx->lent_count * sizeof(*rx->lent));
    memmove(rx->lent_at, rx->lent_at + count, rx->lent_count * sizeof(*rx->lent_at));
}

/*
 * A round's frames fit into one packet: it is empty at the start, and no more than
 * ENLH_NET_BATCH pieces are shown to the backend.
 */
static uint32_t
rx_round(struct enlh_net_lane *lane)
{
    struct enlh_net_rx *rx = &lane->rx;
    struct enlh_net_received frames[FRAMES];
    uint32_t lent, count, used = 0;

    rx_lend(rx);
    lent = rx->lent_count < ENLH_NET_BATCH ? rx->lent_count : ENLH_NET_BATCH;
    if (lent < rx_most(lane)) {
        enlh_net_count(&lane->port->counts.rx_waits, 1);
        return 0;
    }
    count =
        lane->nic->config.net.ops->receive(lane->queue, rx->lent, lent, frames, FRAMES);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *pieces = rx->lent_at + used;

        if (!rx_frame(lane, &frames[i], &rx->lent[used], pieces)) {
            for (uint32_t j = 0; j < frames[i].piece_count; j++)
                rx_give_back(rx, pieces[j]);
        }
        used += frames[i].piece_count;
    }
    rx_lent_used(rx, used);
    return count;
}

void
enlh_net_rx_run(struct enlh_net_lane *lane)
{
    struct enlh_net_rx *rx = &lane->rx;
    uint32_t i;

    if (!rx_show(lane))
        return;
    if (!lane->settings.filter)
        return;
    for (i = 0; i < ROUNDS && rx_usable(rx); i++) {
        uint32_t count = rx_round(lane);

        if (!rx_show(lane) || !count)
            return;
    }
    if (i == ROUNDS)
        enlh_channel_wake(lane->channel);
}
