/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SCSI controller: its disks, its offers, and how its channels come and go.
 *
 * Runs: the embedder on the loop thread, and the bus for the guest's opens and closes; the
 * guest asks for sub-channels on the primary channel's thread, which leaves its wish in
 * storage->wanted and defers the offering to the loop. The guest's wish is bounded by the
 * configured count. Guest memory is not touched here.
 * When the guest closes the primary channel its sub-channels are taken back, and a new
 * driver asks for them again.
 * Tests: test/unit/storage_offers.c.
 */
#include "host/dev/storage/controller.h"

#include <string.h>

#include "enlight/abi/guids.h"
#include "enlight/abi/vmbus.h"
#include "host/core/log.h"
#include "host/core/ops.h"

/* ---- what the rooms of the controller need from the partition ---- */

void *
enlh_storage_alloc(const struct enlh_storage *storage, size_t len)
{
    return enlh_ops_alloc(storage->partition, len);
}

void
enlh_storage_free(const struct enlh_storage *storage, void *memory, size_t len)
{
    enlh_ops_free(storage->partition, memory, len);
}

/* ---- sub-channels ---- */

static int
storage_offer(struct enlh_storage_port *port)
{
    struct enlh_storage *storage = port->storage;
    const struct enlh_offer offer = {
        .size = sizeof(offer),
        .type = ENL_GUID_SCSI,
        .instance = storage->config.instance,
        .subchannel = port->index,
        .flags = ENL_OFFER_ENUMERATE,
        .name = storage->name,
    };
    int result;

    result =
        enlh_channel_offer(storage->bus, &offer, &storage->ops, port, &port->channel);
    if (result < 0) {
        port->channel = NULL;
        return result;
    }
    port->rescinded = false;
    storage->offered++;
    return 0;
}

/*
 * Offer the sub-channels that are wanted and not there, take back those that are there and
 * not wanted. One that is still being taken back is offered again when it has gone.
 */
static void
storage_adjust(void *ctx)
{
    struct enlh_storage *storage = ctx;
    unsigned wanted = atomic_load_explicit(&storage->wanted, memory_order_acquire);

    for (uint32_t i = 1; i < storage->port_count; i++) {
        struct enlh_storage_port *port = &storage->ports[i];
        bool want = i <= wanted && !storage->destroying;

        if (want && !port->channel) {
            int result = storage_offer(port);

            if (result < 0)
                enlh_log_guest(storage->partition,
                               "%s: cannot offer sub-channel %u: error %d", storage->name,
                               i, -result);
        } else if (!want && port->channel && !port->rescinded) {
            port->rescinded = true;
            enlh_channel_rescind(port->channel);
        }
    }
}

/* A smaller wish than before takes nothing away: the guest may have opened it already. */
void
enlh_storage_want(struct enlh_storage *storage, uint16_t count)
{
    if (count <= atomic_load_explicit(&storage->wanted, memory_order_relaxed))
        return;
    atomic_store_explicit(&storage->wanted, count, memory_order_release);
    enlh_vmbus_defer(storage->bus, &storage->adjust);
}

/* ---- a channel's life, told by the bus ---- */

/* A driver that starts looks for itself: what the last one was not told is old. */
static void
storage_forget(struct enlh_storage *storage)
{
    atomic_store(&storage->news, 0);
    for (uint32_t lun = 0; lun < ENLH_SCSI_LUNS; lun++) {
        if (storage->disks[lun])
            atomic_store(&storage->disks[lun]->attention, 0);
    }
}

static int
storage_opened(void *dev, struct enlh_channel *channel)
{
    struct enlh_storage_port *port = dev;

    if (!port->index)
        storage_forget(port->storage);
    return enlh_lane_open(port, channel, &port->lane);
}

static void
storage_closed(void *dev, struct enlh_channel *channel)
{
    struct enlh_storage_port *port = dev;
    struct enlh_storage *storage = port->storage;

    (void)channel;
    enlh_lane_close(port->lane);
    port->lane = NULL;
    enlh_vmbus_defer(storage->bus, &storage->collect);
    if (port->index)
        return;
    atomic_store_explicit(&storage->wanted, 0, memory_order_relaxed);
    enlh_vmbus_defer(storage->bus, &storage->adjust);
}

static void
storage_free(struct enlh_storage *storage)
{
    for (uint32_t lun = 0; lun < ENLH_SCSI_LUNS; lun++) {
        if (storage->disks[lun])
            enlh_storage_free(storage, storage->disks[lun], sizeof(*storage->disks[lun]));
    }
    if (storage->ports)
        enlh_storage_free(storage, storage->ports,
                          storage->port_count * sizeof(*storage->ports));
    enlh_storage_free(storage, storage, sizeof(*storage));
}

/* One that kept the controller alive is gone. */
static void
storage_release(struct enlh_storage *storage)
{
    void (*done)(void *ctx) = storage->done;
    void *done_ctx = storage->done_ctx;

    if (--storage->offered || !storage->destroying)
        return;
    enlh_vmbus_undefer(storage->bus, &storage->adjust);
    enlh_vmbus_undefer(storage->bus, &storage->collect);
    storage_free(storage);
    if (done)
        done(done_ctx);
}

/* The bus is still busy with this one: what follows waits for the loop's next turn. */
static void
storage_removed(void *dev, struct enlh_channel *channel)
{
    struct enlh_storage_port *port = dev;

    (void)channel;
    port->channel = NULL;
    if (!port->storage->destroying)
        enlh_vmbus_defer(port->storage->bus, &port->storage->adjust);
    storage_release(port->storage);
}

/* ---- disks that leave ---- */

static void
storage_remove_disk(struct enlh_storage *storage, struct enlh_storage_disk *disk)
{
    void (*done)(void *ctx) = disk->done;
    void *done_ctx = disk->done_ctx;

    storage->disks[disk->lun] = NULL;
    enlh_storage_free(storage, disk, sizeof(*disk));
    if (done)
        done(done_ctx);
}

/* Close what lanes have let go, and end the disks that no lane has any more. */
static void
storage_collect(void *ctx)
{
    struct enlh_storage *storage = ctx;

    if (storage->destroying)
        return;
    for (uint32_t i = 0; i < storage->port_count; i++) {
        if (storage->ports[i].lane)
            enlh_lane_collect(storage->ports[i].lane);
    }
    for (uint32_t lun = 0; lun < ENLH_SCSI_LUNS; lun++) {
        struct enlh_storage_disk *disk = storage->disks[lun];

        if (disk && disk->leaving && !disk->holders)
            storage_remove_disk(storage, disk);
    }
}

/*
 * Have the guest look, and the next command hear why: that to the disk whose capacity has
 * changed, or those to all others, which have a new neighbour or lost one. Without a driver
 * nobody is to be told.
 */
static void
storage_tell(struct enlh_storage *storage, unsigned news,
             const struct enlh_storage_disk *about, unsigned attention)
{
    if (!storage->ports[0].lane)
        return;
    for (uint32_t lun = 0; lun < ENLH_SCSI_LUNS; lun++) {
        struct enlh_storage_disk *disk = storage->disks[lun];
        bool luns = attention == ENLH_ATTENTION_LUNS;

        if (disk && (disk == about) != luns)
            atomic_fetch_or(&disk->attention, attention);
    }
    atomic_fetch_or(&storage->news, news);
    enlh_channel_wake(storage->ports[0].channel);
}

/* ---- the embedder's ---- */

static void
storage_set_name(struct enlh_storage *storage, const char *name)
{
    for (size_t i = 0; name[i] && i < sizeof(storage->name) - 1; i++)
        storage->name[i] = name[i];
}

static int
storage_complete_config(struct enlh_storage *storage,
                        const struct enlh_storage_config *config)
{
    struct enlh_storage_config *own = &storage->config;

    /* A caller that was compiled before the last members came has a shorter one. */
    memcpy(own, config, config->size);
    if (!own->max_transfer)
        own->max_transfer = ENLH_STORAGE_TRANSFER;
    if (!own->queue_depth)
        own->queue_depth = ENLH_STORAGE_DEPTH;
    if (own->max_transfer % ENL_PAGE_SIZE || own->queue_depth > ENLH_STORAGE_DEPTH_MAX ||
        own->max_subchannels > ENLH_STORAGE_SUBCHANNELS)
        return -ENL_E_INVAL;
    /* A buffer that starts within a page touches one page more. */
    storage->max_spans = own->max_transfer / ENL_PAGE_SIZE + 1;
    if (storage->max_spans > 8192 || storage->max_spans < 2)
        return -ENL_E_INVAL;
    storage_set_name(storage, own->name ? own->name : "scsi");
    own->name = storage->name;
    return 0;
}

static void
storage_set_ops(struct enlh_storage *storage)
{
    storage->ops = (struct enlh_channel_ops){
        .size = sizeof(storage->ops),
        .max_payload = ENLH_STORAGE_PAYLOAD_MAX,
        .max_spans = storage->max_spans,
        .open = storage_opened,
        .close = storage_closed,
        .packet = enlh_storvsp_packet,
        .run = enlh_lane_run,
        .flush = enlh_lane_flush,
        .quiesce = enlh_lane_quiesce,
        .removed = storage_removed,
    };
}

static int
storage_make_ports(struct enlh_storage *storage)
{
    storage->port_count = storage->config.max_subchannels + 1u;
    storage->ports =
        enlh_storage_alloc(storage, storage->port_count * sizeof(*storage->ports));
    if (!storage->ports)
        return -ENL_E_NOMEM;
    for (uint32_t i = 0; i < storage->port_count; i++) {
        storage->ports[i].storage = storage;
        storage->ports[i].index = (uint16_t)i;
    }
    return 0;
}

int
enlh_storage_create(struct enlh_vmbus *bus, const struct enlh_storage_config *config,
                    struct enlh_storage **out)
{
    struct enlh_partition *partition = enlh_vmbus_partition(bus);
    struct enlh_storage *storage;
    int result;

    if (!config->size || config->size > sizeof(*config))
        return -ENL_E_INVAL;
    storage = enlh_ops_alloc(partition, sizeof(*storage));
    if (!storage)
        return -ENL_E_NOMEM;
    storage->bus = bus;
    storage->partition = partition;
    storage->adjust = (struct enlh_deferred){.fn = storage_adjust, .ctx = storage};
    storage->collect = (struct enlh_deferred){.fn = storage_collect, .ctx = storage};
    result = storage_complete_config(storage, config);
    if (result == 0)
        result = storage_make_ports(storage);
    if (result == 0) {
        storage_set_ops(storage);
        result = storage_offer(&storage->ports[0]);
    }
    if (result < 0) {
        storage_free(storage);
        return result;
    }
    *out = storage;
    return 0;
}

/* It holds on to itself meanwhile: a rescind may come back as removed() at once. */
void
enlh_storage_destroy(struct enlh_storage *storage, void (*done)(void *ctx), void *ctx)
{
    storage->destroying = true;
    storage->done = done;
    storage->done_ctx = ctx;
    storage->offered++;
    for (uint32_t i = storage->port_count; i-- > 0;) {
        struct enlh_storage_port *port = &storage->ports[i];

        if (!port->channel || port->rescinded)
            continue;
        port->rescinded = true;
        enlh_channel_rescind(port->channel);
    }
    storage_release(storage);
}

/* Let every open channel use the disk, or none. */
static int
storage_add_to_lanes(struct enlh_storage *storage, struct enlh_storage_disk *disk)
{
    int result = 0;
    uint32_t i;

    for (i = 0; i < storage->port_count && result == 0; i++) {
        if (storage->ports[i].lane)
            result = enlh_lane_prepare(storage->ports[i].lane, disk);
    }
    if (result < 0) {
        for (i--; i-- > 0;) {
            if (storage->ports[i].lane)
                enlh_lane_cancel(storage->ports[i].lane);
        }
        return result;
    }
    for (i = 0; i < storage->port_count; i++) {
        if (storage->ports[i].lane)
            enlh_lane_publish(storage->ports[i].lane);
    }
    return 0;
}

int
enlh_storage_attach(struct enlh_storage *storage, const struct enlh_disk *disk)
{
    struct enlh_storage_disk *own;
    int result;

    if (disk->path || disk->target || disk->lun >= ENLH_SCSI_LUNS)
        return -ENL_E_RANGE;
    if (storage->disks[disk->lun])
        return -ENL_E_EXIST;
    own = enlh_storage_alloc(storage, sizeof(*own));
    if (!own)
        return -ENL_E_NOMEM;
    own->block = disk->block;
    own->lun = disk->lun;
    result = enlh_disk_describe(&own->unit, disk, &storage->config);
    if (result == 0)
        result = storage_add_to_lanes(storage, own);
    if (result < 0) {
        enlh_storage_free(storage, own, sizeof(*own));
        return result;
    }
    storage->disks[disk->lun] = own;
    storage_tell(storage, ENLH_NEWS_ENUMERATE, own, ENLH_ATTENTION_LUNS);
    return 0;
}

int
enlh_storage_detach(struct enlh_storage *storage, uint8_t lun, void (*done)(void *ctx),
                    void *ctx)
{
    struct enlh_storage_disk *disk = lun < ENLH_SCSI_LUNS ? storage->disks[lun] : NULL;

    if (!disk || disk->leaving)
        return -ENL_E_NOENT;
    disk->leaving = true;
    disk->done = done;
    disk->done_ctx = ctx;
    for (uint32_t i = 0; i < storage->port_count; i++) {
        if (storage->ports[i].lane)
            enlh_lane_want(storage->ports[i].lane, disk);
    }
    storage_tell(storage, ENLH_NEWS_REMOVE, disk, ENLH_ATTENTION_LUNS);
    enlh_vmbus_defer(storage->bus, &storage->collect);
    return 0;
}

int
enlh_storage_resize(struct enlh_storage *storage, uint8_t lun)
{
    struct enlh_storage_disk *disk = lun < ENLH_SCSI_LUNS ? storage->disks[lun] : NULL;
    struct enlh_block_info info = {0};

    if (!disk || disk->leaving)
        return -ENL_E_NOENT;
    disk->block.ops->info(disk->block.backend, &info);
    if (info.block_size != disk->unit.block_len || !info.size ||
        info.size % info.block_size)
        return -ENL_E_INVAL;
    atomic_store(&disk->unit.block_count, info.size / info.block_size);
    storage_tell(storage, ENLH_NEWS_ENUMERATE, disk, ENLH_ATTENTION_CAPACITY);
    return 0;
}

void
enlh_storage_counters(const struct enlh_storage *storage,
                      struct enlh_storage_counters *out)
{
    *out = (struct enlh_storage_counters){0};
    for (uint32_t i = 0; i < storage->port_count; i++) {
        const struct enlh_port_counts *counts = &storage->ports[i].counts;

        out->reads += atomic_load_explicit(&counts->reads, memory_order_relaxed);
        out->writes += atomic_load_explicit(&counts->writes, memory_order_relaxed);
        out->flushes += atomic_load_explicit(&counts->flushes, memory_order_relaxed);
        out->discards += atomic_load_explicit(&counts->discards, memory_order_relaxed);
        out->others += atomic_load_explicit(&counts->others, memory_order_relaxed);
        out->read_bytes +=
            atomic_load_explicit(&counts->read_bytes, memory_order_relaxed);
        out->write_bytes +=
            atomic_load_explicit(&counts->write_bytes, memory_order_relaxed);
        out->errors += atomic_load_explicit(&counts->errors, memory_order_relaxed);
        out->refused += atomic_load_explicit(&counts->refused, memory_order_relaxed);
    }
}
