/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at the bus: every channel, every GPADL.
 *
 * Runs: the embedder on the loop, for people. It changes nothing. The ring's indices are
 * the guest's as well and may be anything: they are read once, and what they say is bounded
 * by the ring's size. A worker may be running: nothing of its own is looked at.
 * Tests: test/unit/vmbus_inspect.c.
 */
#include "host/vmbus/channel.h"

/* Bytes between the indices, at most the ring's. */
static uint32_t
inspect_used(const uint8_t *page, uint32_t size)
{
    const struct enl_ring_header *header = (const void *)page;
    uint32_t write = __atomic_load_n(&header->write_index, __ATOMIC_RELAXED);
    uint32_t read = __atomic_load_n(&header->read_index, __ATOMIC_RELAXED);

    if (write >= size || read >= size)
        return 0;
    return write >= read ? write - read : size - read + write;
}

/* The loop has set the pages at the opening, and takes them away when there is no worker. */
static void
inspect_rings(const struct enlh_channel *channel, struct enlh_channel_info *info)
{
    const struct enlh_wire *wire = &channel->wire;
    uint32_t split = channel->request.downstream_offset;

    if (!wire->pages)
        return;
    info->in_size = (split - 1) * ENL_PAGE_SIZE;
    info->out_size = (wire->page_count - split - 1) * ENL_PAGE_SIZE;
    info->in_used = inspect_used(wire->pages[0], info->in_size);
    info->out_used = inspect_used(wire->pages[split], info->out_size);
    info->target_vp = atomic_load(&channel->hand.target_vp);
}

void
enlh_vmbus_each_channel(const struct enlh_vmbus *bus, enlh_channel_info_fn fn, void *ctx)
{
    for (struct enlh_link *at = bus->channels.next; at != &bus->channels; at = at->next) {
        const struct enlh_channel *channel =
            ENLH_LIST_OF(at, struct enlh_channel, bus_link);
        struct enlh_channel_info info = {
            .name = channel->name,
            .state = enlh_channel_state_name(channel->state),
            .type = channel->offer.type,
            .instance = channel->offer.instance,
            .relid = channel->relid,
            .subchannel = channel->offer.subchannel,
            .is_open = atomic_load(&channel->is_open),
            .target_vp = ENL_VMBUS_VP_NO_INTERRUPT,
            .protocol = atomic_load(&channel->protocol),
        };

        inspect_rings(channel, &info);
        fn(ctx, channel, &info);
    }
}

static const char *
inspect_state(enum enlh_gpadl_state state)
{
    switch (state) {
    case ENLH_GPADL_ASSEMBLING:
        return "assembling";
    case ENLH_GPADL_READY:
        return "ready";
    case ENLH_GPADL_TEARING:
        return "tearing";
    case ENLH_GPADL_TORN:
        break;
    }
    return "torn";
}

/* Those whose TORNDOWN waits are in no bucket any more, and cover nothing. */
void
enlh_vmbus_each_gpadl(const struct enlh_vmbus *bus, enlh_gpadl_info_fn fn, void *ctx)
{
    for (uint32_t i = 0; i < ENLH_GPADL_BUCKETS; i++) {
        const struct enlh_link *head = &bus->gpadl_hash[i];

        for (struct enlh_link *at = head->next; at != head; at = at->next) {
            const struct enlh_gpadl *gpadl =
                ENLH_LIST_OF(at, struct enlh_gpadl, hash_link);
            struct enlh_gpadl_info info = {
                .relid = gpadl->relid,
                .handle = gpadl->handle,
                .state = inspect_state(gpadl->state),
                .bytes = gpadl->charged,
                .spans = gpadl->span_count,
                .is_ring = gpadl->is_ring,
            };

            fn(ctx, &info);
        }
    }
}

void
enlh_channel_set_protocol(struct enlh_channel *channel, uint32_t version)
{
    atomic_store(&channel->protocol, version);
}
