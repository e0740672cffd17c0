/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/packet.c - packets over a channel's two rings: three ways to send, one to get
 *
 * Run by the driver's thread. Everything that the host wrote is copied out of the ring
 * before it is looked at; the ring itself is common/ring.c, which checks every index and
 * length. A host that breaks the ring gets its channel closed by the driver.
 * Tests: test/unit/guest_packet.c, test/loop/life.c.
 */
#include "enlight/guest/packet.h"
#include "guest/vmbus/bus.h"

static int
chan_check(const struct chan *chan)
{
    if (chan_state(chan) != CHAN_OPEN || chan_is_rescinded(chan))
        return -ENL_E_CONNRESET;
    return 0;
}

static uint16_t
flags_of(const struct enlg_send *send)
{
    return send->wants_completion ? ENL_PACKET_FLAG_COMPLETION : 0;
}

int
enlg_packet_put(struct enlg_channel *channel, const struct enlg_send *send)
{
    struct chan *chan = chan_of(channel);
    struct enl_ring_piece piece = {send->payload, send->payload_len};
    int rc = chan_check(chan);

    if (rc)
        return rc;
    return enl_ring_put(&chan->send, ENL_PACKET_INBAND, flags_of(send),
                        send->transaction_id, &piece, send->payload_len ? 1 : 0, 0);
}

/* What a GPA-direct descriptor has behind the first 16 bytes. */
struct direct_tail {
    uint32_t reserved;
    uint32_t range_count;
};
ENL_STATIC_ASSERT(sizeof(struct enl_packet) + sizeof(struct direct_tail) ==
                      sizeof(struct enl_packet_gpa_direct),
                  "the tail ends the descriptor");

int
enlg_packet_put_pages(struct enlg_channel *channel, const struct enlg_send *send,
                      const struct enlg_page_buffer *pages, uint32_t page_count)
{
    struct chan *chan = chan_of(channel);
    struct direct_tail tail = {.range_count = page_count};
    uint32_t list_len;
    struct enl_ring_piece pieces[3];
    int rc = chan_check(chan);

    if (rc)
        return rc;
    if (page_count == 0 || page_count > ENL_PACKET_LEN_MAX / sizeof(*pages))
        return -ENL_E_MSGSIZE;
    list_len = page_count * (uint32_t)sizeof(*pages);
    pieces[0] = (struct enl_ring_piece){&tail, sizeof(tail)};
    pieces[1] = (struct enl_ring_piece){pages, list_len};
    pieces[2] = (struct enl_ring_piece){send->payload, send->payload_len};
    return enl_ring_put(&chan->send, ENL_PACKET_GPA_DIRECT, flags_of(send),
                        send->transaction_id, pieces, 3,
                        (uint32_t)sizeof(tail) + list_len);
}
ENL_STATIC_ASSERT(sizeof(struct enlg_page_buffer) ==
                      sizeof(struct enl_gpa_range) + sizeof(uint64_t),
                  "a page buffer is a range with one page number");

/* 4 KiB pages that a buffer touches. */
static uint32_t
pages_of(uint32_t offset, uint32_t len)
{
    return (uint32_t)(((uint64_t)offset + len + ENL_PAGE_MASK) >> ENL_PAGE_SHIFT);
}

int
enlg_packet_put_multipage(struct enlg_channel *channel, const struct enlg_send *send,
                          const struct enlg_multipage *buffer)
{
    struct chan *chan = chan_of(channel);
    struct {
        struct direct_tail tail;
        struct enl_gpa_range range;
    } head = {{.range_count = 1}, {buffer->len, buffer->offset}};
    uint32_t list_len;
    struct enl_ring_piece pieces[3];
    int rc = chan_check(chan);

    if (rc)
        return rc;
    if (buffer->len == 0 || buffer->offset >= ENL_PAGE_SIZE ||
        buffer->page_count != pages_of(buffer->offset, buffer->len) ||
        buffer->page_count > ENL_PACKET_LEN_MAX / sizeof(uint64_t))
        return -ENL_E_MSGSIZE;
    list_len = buffer->page_count * (uint32_t)sizeof(uint64_t);
    pieces[0] = (struct enl_ring_piece){&head, sizeof(head)};
    pieces[1] = (struct enl_ring_piece){buffer->pfns, list_len};
    pieces[2] = (struct enl_ring_piece){send->payload, send->payload_len};
    return enl_ring_put(&chan->send, ENL_PACKET_GPA_DIRECT, flags_of(send),
                        send->transaction_id, pieces, 3,
                        (uint32_t)sizeof(head) + list_len);
}

int
enlg_packet_pages_of(const struct enlg_partition *partition, const void *base,
                     uint32_t len, uint64_t *pfns, uint32_t max,
                     struct enlg_multipage *out)
{
    uint32_t offset = (uint32_t)((uintptr_t)base & ENL_PAGE_MASK);
    uint32_t count = pages_of(offset, len);
    const uint8_t *page = (const uint8_t *)base - offset;

    if (len == 0 || count > max)
        return -ENL_E_RANGE;
    for (uint32_t i = 0; i < count; i++, page += ENL_PAGE_SIZE)
        pfns[i] = gpa_of(partition, page) >> ENL_PAGE_SHIFT;
    *out = (struct enlg_multipage){
        .len = len, .offset = offset, .pfns = pfns, .page_count = count};
    return 0;
}

int
enlg_packet_complete(struct enlg_channel *channel, uint64_t transaction_id,
                     const void *payload, uint32_t payload_len)
{
    struct chan *chan = chan_of(channel);
    struct enl_ring_piece piece = {payload, payload_len};
    int rc = chan_check(chan);

    if (rc)
        return rc;
    return enl_ring_put(&chan->send, ENL_PACKET_COMPLETION, 0, transaction_id, &piece,
                        payload_len ? 1 : 0, 0);
}

/* Below 5.0 a channel without an interrupt of its own also sets its bit in the page. */
static int
host_signal(const struct chan *chan)
{
    const struct bus *bus = chan->bus;
    uint32_t relid = chan->info.relid;

    if (!chan->info.dedicated && bus->config.interrupt_page &&
        bus->version < ENL_VMBUS_VERSION_WIN10_5_0) {
        uint32_t *words = (uint32_t *)((uint8_t *)bus->config.interrupt_page +
                                       ENL_VMBUS_INTERRUPT_TO_HOST_AT);

        __atomic_fetch_or(&words[relid / 32], 1u << relid % 32, __ATOMIC_SEQ_CST);
    }
    return enlg_port_signal(bus->partition, chan->info.connection_id, 0);
}

int
enlg_packet_publish(struct enlg_channel *channel)
{
    struct chan *chan = chan_of(channel);
    int rc = chan_check(chan);

    if (rc)
        return rc;
    return enl_ring_publish(&chan->send) ? host_signal(chan) : 0;
}

bool
enlg_packet_wait(struct enlg_channel *channel, uint32_t payload_len, uint32_t desc_len)
{
    struct chan *chan = chan_of(channel);
    uint32_t size =
        enl_ring_packet_size((uint32_t)sizeof(struct enl_packet) + desc_len, payload_len);

    return chan_check(chan) != 0 || enl_ring_wait_space(&chan->send, size);
}

int
enlg_packet_get(struct enlg_channel *channel, void *buffer, uint32_t buffer_len,
                struct enlg_packet *packet)
{
    const uint32_t head_len = sizeof(struct enl_packet);
    struct chan *chan = chan_of(channel);
    struct enl_ring_packet ring;
    int rc = chan_check(chan);

    if (rc)
        return rc;
    rc = enl_ring_get(&chan->recv, &ring);
    if (rc <= 0)
        return rc;
    packet->type = ring.type;
    packet->wants_completion = (ring.flags & ENL_PACKET_FLAG_COMPLETION) != 0;
    packet->transaction_id = ring.transaction_id;
    packet->desc = buffer;
    packet->desc_len = ring.desc_len - head_len;
    packet->payload = packet->desc + packet->desc_len;
    packet->payload_len = ring.payload_len;
    if (packet->desc_len > buffer_len ||
        packet->payload_len > buffer_len - packet->desc_len)
        return -ENL_E_MSGSIZE;
    rc = enl_ring_copy(&chan->recv, &ring, head_len, buffer,
                       packet->desc_len + packet->payload_len);
    return rc ? rc : 1;
}

int
enlg_packet_release(struct enlg_channel *channel)
{
    struct chan *chan = chan_of(channel);
    int rc = chan_check(chan);

    if (rc)
        return rc;
    return enl_ring_release(&chan->recv) ? host_signal(chan) : 0;
}

void
enlg_packet_mask(struct enlg_channel *channel)
{
    if (chan_check(chan_of(channel)) == 0)
        enl_ring_mask(&chan_of(channel)->recv, true);
}

bool
enlg_packet_sleep(struct enlg_channel *channel)
{
    if (enlg_packet_release(channel) != 0)
        return false;
    return enl_ring_unmask(&chan_of(channel)->recv);
}
