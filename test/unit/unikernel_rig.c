/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/unikernel_rig.c - frames of a station that is made up, and a look at the answers
 */
#include "unikernel_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const uint8_t rig_mac[6] = {0x00, 0x15, 0x5D, 0xE1, 0x16, 0x00};
const uint8_t rig_peer_mac[6] = {0x52, 0x55, 0x0A, 0x00, 0x02, 0x63};

static uint8_t *
out_room(void *ctx)
{
    struct rig *rig = ctx;

    if (rig->is_full || rig->out_count == RIG_FRAMES)
        return NULL;
    memset(rig->out[rig->out_count].bytes, 0xA5, FRAME_ROOM);
    return rig->out[rig->out_count].bytes;
}

static void
out_send(void *ctx, uint8_t *frame, uint32_t len, const struct offload *offload)
{
    struct rig *rig = ctx;
    struct rig_out *out = &rig->out[rig->out_count];

    assert_ptr_equal(frame, out->bytes);
    assert_true(len <= FRAME_ROOM);
    out->len = len;
    out->offload = *offload;
    rig->out_count++;
}

void
rig_init(struct rig *rig)
{
    static const struct stack_ops ops = {.room = out_room, .send = out_send};

    memset(rig, 0, sizeof(*rig));
    memcpy(rig->station.mac, rig_mac, 6);
    rig->station.address = RIG_OWN;
    rig->station.gateway = RIG_GATEWAY;
    rig->station.mtu = 1500;
    rig->station.secret = 0x5EC2E7;
    rig->station.services = services_of_tcp;
    rig->station.service_count = 2;
    rig->stack.ops = &ops;
    rig->stack.ctx = rig;
    rig->stack.station = &rig->station;
    rig->stack.dhcp.id = 77;
    rig_wait(rig, 1000);
}

void
rig_forget(struct rig *rig)
{
    rig->out_count = 0;
}

void
rig_wait(struct rig *rig, uint64_t ms)
{
    rig->now_ms += ms;
    stack_step(&rig->stack, rig->now_ms);
}

void
rig_frame(struct rig *rig, const uint8_t *frame, uint32_t len)
{
    uint8_t *exact = malloc(len ? len : 1);

    assert_non_null(exact);
    memcpy(exact, frame, len);
    stack_input(&rig->stack, exact, len, false, false);
    free(exact);
}

uint32_t
rig_ip(uint8_t *frame, uint32_t from, uint32_t to, uint8_t protocol,
       const uint8_t *payload, uint32_t len)
{
    uint8_t *ip = frame + 14;

    memcpy(frame, rig_mac, 6);
    memcpy(frame + 6, rig_peer_mac, 6);
    put16(frame + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, 20 + len);
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, sum_end(sum_add(0, ip, 20)));
    memcpy(frame + FRAME_HEAD, payload, len);
    return FRAME_HEAD + len;
}

uint32_t
rig_tcp(uint8_t *frame, const struct rig_segment *m)
{
    static uint8_t tcp[FRAME_ROOM];
    uint32_t head_len = m->flags & RIG_SYN ? 24 : 20, len = head_len + m->len;

    put16(tcp, m->from);
    put16(tcp + 2, m->to);
    put32(tcp + 4, m->seq);
    put32(tcp + 8, m->ack);
    put16(tcp + 12, head_len / 4 << 12 | m->flags);
    put16(tcp + 14, m->window);
    put32(tcp + 16, 0);
    put32(tcp + 20, 0x02040000 | 1000); /* an MSS */
    if (m->len)
        memcpy(tcp + head_len, m->data, m->len);
    put16(tcp + 16, sum_end(sum_add(sum_pseudo(RIG_PEER, RIG_OWN, 6, len), tcp, len)));
    return rig_ip(frame, RIG_PEER, RIG_OWN, 6, tcp, len);
}

void
rig_send(struct rig *rig, const struct rig_segment *segment)
{
    static uint8_t frame[FRAME_ROOM];

    rig_frame(rig, frame, rig_tcp(frame, segment));
}

struct rig_segment
rig_segment(struct rig *rig, uint32_t n)
{
    const struct rig_out *out = &rig->out[n];
    const uint8_t *ip = out->bytes + 14, *tcp = out->bytes + FRAME_HEAD;
    uint32_t len = out->len - FRAME_HEAD, head_len = (tcp[12] >> 4) * 4u;

    assert_true(n < rig->out_count);
    assert_memory_equal(out->bytes, rig_peer_mac, 6);
    assert_memory_equal(out->bytes + 6, rig_mac, 6);
    assert_int_equal(ip[9], 6);
    assert_int_equal(get32(ip + 12), RIG_OWN);
    assert_int_equal(get32(ip + 16), RIG_PEER);
    if (!out->offload.segment_len) {
        assert_int_equal(get16(ip + 2), 20 + len);
        assert_int_equal(sum_end(sum_add(0, ip, 20)), 0);
    }
    if (!out->offload.tcp_at)
        assert_int_equal(
            sum_end(sum_add(sum_pseudo(RIG_OWN, RIG_PEER, 6, len), tcp, len)), 0);
    return (struct rig_segment){
        .from = get16(tcp),
        .to = get16(tcp + 2),
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .flags = tcp[13],
        .window = get16(tcp + 14),
        .data = tcp + head_len,
        .len = len - head_len,
    };
}
