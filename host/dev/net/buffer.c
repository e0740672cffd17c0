/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that the guest has lent to a NIC, and bytes that lie in several spans.
 *
 * Runs: the guest lends and revokes on the primary channel's thread, and closes channels
 * on the loop; lanes of other channels hold buffers meanwhile on their own threads. A buffer
 * has its own copy of the GPADL's spans, so that it outlives the channel it came by; the
 * GPADL goes back to the bus, on the loop, when the last lane has let go. Lengths and
 * offsets are the guest's: each is checked against the buffer.
 * Tests: test/unit/net_nvsp.c, net_tx.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#include "common/checked.h"
#include "host/core/ops.h"

/* ---- bytes in spans ---- */

/* Leave at most len bytes of a span, behind skip. */
static struct enlh_span
bytes_part(const struct enlh_span *span, uint64_t skip, uint64_t len)
{
    struct enlh_span part = *span;

    part.offset += skip;
    part.len -= skip;
    if (part.len > len)
        part.len = len;
    return part;
}

int
enlh_net_bytes_slice(const struct enlh_net_bytes *bytes, uint64_t offset, uint64_t len,
                     struct enlh_span *out, uint32_t max)
{
    uint32_t count = 0;

    if (!enl_within(offset, len, bytes->len))
        return -ENL_E_RANGE;
    for (uint32_t i = 0; i < bytes->span_count && len; i++) {
        const struct enlh_span *span = &bytes->spans[i];

        if (offset >= span->len) {
            offset -= span->len;
            continue;
        }
        if (count == max)
            return -ENL_E_RANGE;
        out[count] = bytes_part(span, offset, len);
        len -= out[count++].len;
        offset = 0;
    }
    return (int)count;
}

/* Walks the bytes; to or from is NULL. */
static int
bytes_copy(const struct enlh_nic *nic, const struct enlh_net_bytes *bytes,
           uint64_t offset, uint8_t *to, const uint8_t *from, uint32_t len)
{
    if (!enl_within(offset, len, bytes->len))
        return -ENL_E_RANGE;
    for (uint32_t i = 0; i < bytes->span_count && len; i++) {
        struct enlh_span part;
        uint8_t *host;

        if (offset >= bytes->spans[i].len) {
            offset -= bytes->spans[i].len;
            continue;
        }
        part = bytes_part(&bytes->spans[i], offset, len);
        host = enlh_mem_span_host(nic->partition, &part);
        offset = 0;
        len -= (uint32_t)part.len;
        if (to) {
            memcpy(to, host, part.len);
            to += part.len;
        } else {
            memcpy(host, from, part.len);
            from += part.len;
        }
    }
    return 0;
}

int
enlh_net_bytes_read(const struct enlh_nic *nic, const struct enlh_net_bytes *bytes,
                    uint64_t offset, void *to, uint32_t len)
{
    return bytes_copy(nic, bytes, offset, to, NULL, len);
}

int
enlh_net_bytes_write(const struct enlh_nic *nic, const struct enlh_net_bytes *bytes,
                     uint64_t offset, const void *from, uint32_t len)
{
    return bytes_copy(nic, bytes, offset, NULL, from, len);
}

/* A part that starts at an odd place counts with its bytes swapped. */
uint64_t
enlh_net_bytes_sum(const struct enlh_nic *nic, const struct enlh_net_bytes *bytes,
                   uint64_t offset, uint64_t len, uint64_t seed)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < bytes->span_count && len; i++) {
        struct enlh_span part;
        uint32_t sum;

        if (offset >= bytes->spans[i].len) {
            offset -= bytes->spans[i].len;
            continue;
        }
        part = bytes_part(&bytes->spans[i], offset, len);
        sum = enlh_net_fold(
            enlh_net_sum(enlh_mem_span_host(nic->partition, &part), part.len, 0));
        seed += done % 2 ? (sum >> 8 | (sum & 0xff) << 8) : sum;
        offset = 0;
        done += part.len;
        len -= part.len;
    }
    return seed;
}

/* ---- buffers ---- */

static void
buffer_free(struct enlh_nic *nic, struct enlh_net_buffer *buffer)
{
    if (buffer->spans)
        enlh_net_free(nic, buffer->spans, buffer->span_count * sizeof(*buffer->spans));
    if (buffer->starts)
        enlh_net_free(nic, buffer->starts, buffer->span_count * sizeof(*buffer->starts));
    enlh_net_free(nic, buffer, sizeof(*buffer));
}

static int
buffer_copy_spans(struct enlh_nic *nic, struct enlh_net_buffer *buffer,
                  const struct enlh_span *spans)
{
    buffer->spans = enlh_net_alloc(nic, buffer->span_count * sizeof(*buffer->spans));
    buffer->starts = enlh_net_alloc(nic, buffer->span_count * sizeof(*buffer->starts));
    if (!buffer->spans || !buffer->starts)
        return -ENL_E_NOMEM;
    for (uint32_t i = 0; i < buffer->span_count; i++) {
        buffer->spans[i] = spans[i];
        buffer->starts[i] = buffer->len;
        buffer->len += spans[i].len;
    }
    return 0;
}

int
enlh_net_buffer_take(struct enlh_net_lane *lane, uint32_t handle,
                     struct enlh_net_buffer **out)
{
    struct enlh_nic *nic = lane->nic;
    const struct enlh_span *spans;
    struct enlh_net_buffer *buffer;
    uint32_t count;
    int result = enlh_channel_gpadl(lane->channel, handle, &spans, &count);

    if (result < 0)
        return result;
    buffer = enlh_net_alloc(nic, sizeof(*buffer));
    if (!buffer) {
        enlh_channel_gpadl_put(lane->channel, handle);
        return -ENL_E_NOMEM;
    }
    buffer->handle = handle;
    buffer->opening = lane->opening;
    buffer->span_count = count;
    buffer->users = 1;
    result = buffer_copy_spans(nic, buffer, spans);
    if (result < 0) {
        enlh_channel_gpadl_put(lane->channel, handle);
        buffer_free(nic, buffer);
        return result;
    }
    *out = buffer;
    return 0;
}

void
enlh_net_buffer_offer(struct enlh_nic *nic, struct enlh_net_buffer **current,
                      struct enlh_net_buffer *buffer)
{
    enlh_ops_lock(nic->partition, nic->lock);
    *current = buffer;
    enlh_ops_unlock(nic->partition, nic->lock);
}

struct enlh_net_buffer *
enlh_net_buffer_get(struct enlh_nic *nic, struct enlh_net_buffer **current)
{
    struct enlh_net_buffer *buffer;

    enlh_ops_lock(nic->partition, nic->lock);
    buffer = *current;
    if (buffer)
        buffer->users++;
    enlh_ops_unlock(nic->partition, nic->lock);
    return buffer;
}

void
enlh_net_buffer_put(struct enlh_nic *nic, struct enlh_net_buffer *buffer)
{
    bool last;

    enlh_ops_lock(nic->partition, nic->lock);
    last = --buffer->users == 0;
    if (last) {
        buffer->next = nic->returned;
        nic->returned = buffer;
    }
    enlh_ops_unlock(nic->partition, nic->lock);
    if (last)
        enlh_net_spread(nic);
}

/* Lanes let go of it in their next turn. */
void
enlh_net_buffer_revoke(struct enlh_nic *nic, struct enlh_net_buffer **current)
{
    enlh_ops_lock(nic->partition, nic->lock);
    if (*current)
        atomic_store_explicit(&(*current)->revoked, true, memory_order_release);
    *current = NULL;
    enlh_ops_unlock(nic->partition, nic->lock);
    enlh_net_spread(nic);
}

/* A channel that was opened anew may have another GPADL of the same number. */
void
enlh_net_buffer_settle(struct enlh_nic *nic)
{
    struct enlh_net_buffer *list, *next;

    enlh_ops_lock(nic->partition, nic->lock);
    list = nic->returned;
    nic->returned = NULL;
    enlh_ops_unlock(nic->partition, nic->lock);
    for (; list; list = next) {
        next = list->next;
        if (nic->ports[0].lane && nic->ports[0].lane->opening == list->opening)
            enlh_channel_gpadl_put(nic->ports[0].channel, list->handle);
        buffer_free(nic, list);
    }
}

int
enlh_net_buffer_slice(const struct enlh_net_buffer *buffer, uint64_t offset, uint64_t len,
                      struct enlh_span *out, uint32_t max)
{
    uint32_t low = 0, high = buffer->span_count;
    struct enlh_net_bytes rest;

    if (!enl_within(offset, len, buffer->len) || !len)
        return -ENL_E_RANGE;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (buffer->starts[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    rest = (struct enlh_net_bytes){
        .spans = &buffer->spans[low],
        .span_count = buffer->span_count - low,
        .len = buffer->len - buffer->starts[low],
    };
    return enlh_net_bytes_slice(&rest, offset - buffer->starts[low], len, out, max);
}
