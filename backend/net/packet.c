/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/packet.c - frames in memory of ours
 *
 * Run by channels' threads and networks' threads. Offsets of a frame's offload come from the
 * NIC, which has checked them against the headers that it sends along; they are checked
 * against the length here once more.
 * Tests: test/unit/net_stage.c.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/net/net.h"

void
enlb_net_destroy(struct enlh_net *net)
{
    if (net->backend)
        ((struct enlb_net_base *)net->backend)->destroy(net->backend);
    *net = (struct enlh_net){0};
}

void
enlb_net_wake(const struct enlh_wake *wake)
{
    uint64_t one = 1;

    if (wake->fd >= 0)
        (void)!write(wake->fd, &one, sizeof(one));
    else if (wake->fn)
        wake->fn(wake->ctx);
}

void
enlb_packet_list_init(struct enlb_packet_list *list)
{
    *list = (struct enlb_packet_list){.last = &list->first};
}

void
enlb_packet_list_add(struct enlb_packet_list *list, struct enlb_packet *packet)
{
    packet->next = NULL;
    *list->last = packet;
    list->last = &packet->next;
    list->count++;
    list->bytes += packet->len;
}

struct enlb_packet *
enlb_packet_list_take(struct enlb_packet_list *list)
{
    struct enlb_packet *packet = list->first;

    if (!packet)
        return NULL;
    list->first = packet->next;
    if (!list->first)
        list->last = &list->first;
    list->count--;
    list->bytes -= packet->len;
    return packet;
}

void
enlb_packet_list_clear(struct enlb_packet_list *list)
{
    struct enlb_packet *packet;

    while ((packet = enlb_packet_list_take(list)))
        free(packet);
}

struct enlb_packet *
enlb_packet_make(uint32_t len)
{
    struct enlb_packet *packet = malloc(sizeof(*packet) + len);

    if (packet)
        *packet = (struct enlb_packet){.len = len};
    return packet;
}

struct enlb_packet *
enlb_packet_of(const struct enlh_net_frame *frame, const struct enlh_partition *partition)
{
    struct enlb_packet *packet = enlb_packet_make(frame->len);
    uint32_t at = frame->head_len;

    if (!packet)
        return NULL;
    packet->offload = frame->offload;
    memcpy(packet->bytes, frame->head, frame->head_len);
    for (uint32_t i = 0; i < frame->span_count; i++) {
        memcpy(packet->bytes + at, enlh_mem_span_host(partition, &frame->spans[i]),
               frame->spans[i].len);
        at += (uint32_t)frame->spans[i].len;
    }
    return packet;
}

/* Four bytes at a time: an Internet sum is the same in any order. */
uint16_t
enlb_packet_sum(const uint8_t *bytes, uint32_t len, uint16_t before)
{
    uint64_t sum = before;
    uint32_t i, word;

    for (i = 0; i + 4 <= len; i += 4) {
        memcpy(&word, bytes + i, 4);
        sum += word;
    }
    word = 0;
    memcpy(&word, bytes + i, len - i);
    sum += word;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* 0 says "none" in UDP; its other form is as good anywhere. */
void
enlb_packet_checksum(struct enlb_packet *packet)
{
    struct enlh_net_offload *offload = &packet->offload;
    uint32_t at = (uint32_t)offload->checksum_start + offload->checksum_offset;
    uint16_t sum;

    if (!(offload->flags & ENLH_NET_CHECKSUM_PARTIAL) || at + 2 > packet->len)
        return;
    sum = (uint16_t)~enlb_packet_sum(packet->bytes + offload->checksum_start,
                                     packet->len - offload->checksum_start, 0);
    if (!sum)
        sum = 0xffff;
    memcpy(packet->bytes + at, &sum, sizeof(sum));
    offload->flags = ENLH_NET_CHECKSUM_GOOD;
}

uint32_t
enlb_packet_to_pieces(const struct enlb_packet *packet,
                      const struct enlh_partition *partition,
                      const struct enlh_net_piece *pieces, uint32_t count)
{
    uint32_t at = 0, room = 0, used = 0;

    while (room < packet->len && used < count)
        room += pieces[used++].len;
    if (room < packet->len)
        return 0;
    for (uint32_t i = 0; i < used; i++) {
        for (uint32_t j = 0; j < pieces[i].span_count && at < packet->len; j++) {
            const struct enlh_span *span = &pieces[i].spans[j];
            uint32_t len = packet->len - at;

            if (len > span->len)
                len = (uint32_t)span->len;
            memcpy(enlh_mem_span_host(partition, span), packet->bytes + at, len);
            at += len;
        }
    }
    return used;
}
