/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream of frames to the guest, any of them changed anywhere, through the merging of
 * segments as a user-mode network does it. The network makes it run.
 *
 * Promises: no byte of data is lost, added or moved; a frame that nothing was put behind
 * leaves as it came; one that grew is no longer than IP allows, its length and sums are
 * right, and it is cut again into what it was made of.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/net/net.h"
#include "rig.h"

#define FRAMES_MAX 400u
#define LONGEST    (14u + 65535u)

struct stream {
    struct rig_input in;
    struct enlb_merge merge;
    uint8_t want[LONGEST]; /* the frame in the making, were it never cut */
    uint32_t want_len, parts;
    uint32_t sequence, segment_len; /* of what comes next */
    uint32_t follows;               /* the sequence number that may be put behind */
};

static void
put(uint8_t *at, uint32_t value, uint32_t len)
{
    while (len--) {
        at[len] = (uint8_t)value;
        value >>= 8;
    }
}

static uint32_t
get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t
get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

/* The next segment of the stream, or what has come of it; now and then after a loss. */
static struct enlb_packet *
make_frame(struct stream *s)
{
    uint8_t kind = rig_u8(&s->in);
    bool ip6 = kind & 1;
    uint32_t at = ip6 ? 54 : 34, data_len = s->segment_len;
    struct enlb_packet *packet;

    if ((kind & 0x60) == 0x40)
        s->sequence += rig_u8(&s->in);
    if (kind & 2)
        data_len = rig_u16(&s->in) % 9000;
    packet = enlb_packet_make(at + 20 + data_len);
    RIG_CHECK(packet != NULL);
    memset(packet->bytes, 0, packet->len);
    put(packet->bytes + 12, ip6 ? 0x86dd : 0x0800, 2);
    packet->bytes[14] = ip6 ? 0x60 : 0x45;
    packet->bytes[ip6 ? 20 : 23] = 6;
    put(packet->bytes + (ip6 ? 18 : 16), ip6 ? 20 + data_len : 40 + data_len, 2);
    put(packet->bytes + at + 4, s->sequence, 4);
    packet->bytes[at + 12] = 0x50;
    packet->bytes[at + 13] = kind & 4 ? 0x18 : 0x10;
    for (uint32_t i = 0; i < data_len; i++)
        packet->bytes[at + 20 + i] = (uint8_t)(s->sequence + i);
    s->sequence += data_len;
    for (uint32_t n = kind >> 6; kind & 0x20 && n; n--)
        packet->bytes[rig_u8(&s->in) % packet->len] ^= rig_u8(&s->in);
    if ((kind & 0x18) == 0x18)
        packet->len = 1 + rig_u16(&s->in) % packet->len;
    return packet;
}

static uint16_t
sum_of(const uint8_t *bytes, uint32_t len)
{
    return enlb_packet_sum(bytes, len, 0);
}

/* Headers of a frame that grew. */
static void
check_grown(const struct enlb_packet *packet)
{
    const uint8_t *ip = packet->bytes + 14;
    const struct enlh_net_offload *offload = &packet->offload;
    uint32_t at = offload->checksum_start;

    RIG_CHECK(packet->len <= LONGEST && offload->header_len == at + 20);
    RIG_CHECK(offload->flags == ENLH_NET_CHECKSUM_PARTIAL);
    RIG_CHECK(offload->checksum_offset == 16 && offload->segment_len);
    RIG_CHECK(packet->len > at + 20 + offload->segment_len);
    if (offload->gso == ENLH_NET_GSO_TCP4) {
        RIG_CHECK(at == 34 && get16(ip + 2) == packet->len - 14);
        RIG_CHECK(sum_of(ip, 20) == 0xffff);
    } else {
        RIG_CHECK(offload->gso == ENLH_NET_GSO_TCP6);
        RIG_CHECK(at == 54 && get16(ip + 4) == packet->len - at);
    }
}

/* What the guest gets is what came. */
static void
take(struct stream *s)
{
    struct enlb_packet *packet = enlb_merge_take(&s->merge);
    uint32_t data;

    RIG_CHECK(!packet == !s->parts);
    if (!packet)
        return;
    RIG_CHECK(packet->len == s->want_len);
    data = s->parts > 1 ? packet->offload.header_len : 0;
    if (s->parts > 1)
        check_grown(packet);
    RIG_CHECK(!memcmp(packet->bytes + data, s->want + data, s->want_len - data));
    s->parts = 0;
    free(packet);
}

static void
frame_comes(struct stream *s)
{
    struct enlb_packet *packet = make_frame(s);
    uint32_t head = s->merge.at + 20, segment_len = s->merge.segment_len;

    if (enlb_merge_add(&s->merge, packet->bytes, packet->len)) {
        RIG_CHECK(s->parts && packet->len > head && packet->len - head <= segment_len);
        RIG_CHECK((s->want_len - head) % segment_len == 0);
        RIG_CHECK(get32(packet->bytes + head - 16) == s->follows);
        s->follows += packet->len - head;
        RIG_CHECK(s->want_len + packet->len - head <= sizeof(s->want));
        memcpy(s->want + s->want_len, packet->bytes + head, packet->len - head);
        s->want_len += packet->len - head;
        s->parts++;
        free(packet);
        return;
    }
    take(s);
    if (!enlb_merge_begin(&s->merge, packet)) {
        free(packet);
        return;
    }
    memcpy(s->want, packet->bytes, packet->len);
    s->want_len = packet->len;
    s->follows = get32(packet->bytes + s->merge.at + 4) + packet->len - s->merge.at - 20;
    s->parts = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stream s;

    s = (struct stream){.in = {.at = data, .left = size}};
    s.segment_len = 1 + rig_u16(&s.in) % 1500;
    s.sequence = rig_u32(&s.in);
    for (uint32_t i = 0; i < FRAMES_MAX && s.in.left; i++)
        frame_comes(&s);
    take(&s);
    return 0;
}
