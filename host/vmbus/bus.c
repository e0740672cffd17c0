/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bus: its life, and the loop's turn.
 *
 * Runs: the embedder. Each turn hears what workers and devices have to say, handles a
 * bounded number of the guest's messages in their order, and sends what there is to send.
 * A message is only taken when there is room for what it may cause, so a guest that does
 * not listen is not heard either. Trusts the embedder; the guest's bytes are for the
 * other rooms. [VMBus; no chapter in the TLFS]
 * Tests: test/unit/vmbus_connect.c, vmbus_offers.c.
 */
#include <string.h>

#include "host/core/ops.h"
#include "host/core/partition.h"
#include "host/vmbus/channel.h"

#define MIB (UINT64_C(1) << 20)

/* ---- memory, locks, attention ---- */

void *
enlh_bus_alloc(struct enlh_vmbus *bus, size_t len)
{
    return len ? enlh_ops_alloc(bus->partition, len) : NULL;
}

void
enlh_bus_free(struct enlh_vmbus *bus, void *memory, size_t len)
{
    enlh_ops_free(bus->partition, memory, len);
}

int
enlh_bus_lock_create(struct enlh_vmbus *bus, void **out)
{
    *out = enlh_ops_lock_create(bus->partition);
    return *out || !bus->partition->ops.lock ? 0 : -ENL_E_NOMEM;
}

void
enlh_bus_lock_destroy(struct enlh_vmbus *bus, void *lock)
{
    enlh_ops_lock_destroy(bus->partition, lock);
}

void
enlh_bus_lock(struct enlh_vmbus *bus, void *lock)
{
    enlh_ops_lock(bus->partition, lock);
}

void
enlh_bus_unlock(struct enlh_vmbus *bus, void *lock)
{
    enlh_ops_unlock(bus->partition, lock);
}

void
enlh_bus_adopt(void *to, size_t to_len, const void *from, size_t from_len)
{
    memcpy(to, from, from_len < to_len ? from_len : to_len);
}

void
enlh_bus_attend(struct enlh_vmbus *bus)
{
    atomic_store(&bus->attention, true);
    bus->ops.loop_wake(bus->ctx);
}

struct enlh_defer_queue *
enlh_vmbus_deferred(struct enlh_vmbus *bus)
{
    return &bus->deferred;
}

/* The VP takes messages again. */
static void
enlh_bus_drained(void *ctx)
{
    struct enlh_vmbus *bus = ctx;

    if (atomic_load(&bus->outbox.blocked))
        bus->ops.loop_wake(bus->ctx);
}

/* ---- the life of a bus ---- */

void
enlh_vmbus_config_defaults(struct enlh_vmbus_config *config)
{
    *config = (struct enlh_vmbus_config){
        .size = sizeof(*config),
        .max_version = ENL_VMBUS_VERSION_WS2022,
    };
}

/* Seen: the kernel's documentation of the real host; 5.2 came with Windows Server 2019. */
static uint64_t
enlh_bus_gpadl_limit(const struct enlh_vmbus_config *config)
{
    if (config->gpadl_limit)
        return config->gpadl_limit;
    return config->max_version >= ENL_VMBUS_VERSION_WIN10_5_2 ? 1280 * MIB : 384 * MIB;
}

static bool
enlh_bus_config_ok(const struct enlh_partition *partition,
                   const struct enlh_vmbus_config *config,
                   const struct enlh_vmbus_ops *ops)
{
    const uint64_t synic = ENLH_F_BIT(ENLH_F_SYNIC);

    return config->size && enlh_connect_known(config->max_version) &&
           ops->size >= sizeof(*ops) && ops->loop_wake && ops->channel_start &&
           ops->channel_stop && ops->channel_wake &&
           (enlh_partition_config(partition)->features.set & synic);
}

static void
enlh_bus_listen(struct enlh_vmbus *bus, enlh_vp_drained_fn fn)
{
    for (uint32_t i = 0; i < bus->vp_count; i++)
        enlh_vp_on_drained(enlh_partition_vp(bus->partition, i), fn, bus);
}

/* Only what this bus has connected: there may be another bus. */
static void
enlh_bus_disconnect(struct enlh_vmbus *bus)
{
    int r = 0;

    if (bus->is_listening)
        enlh_bus_listen(bus, NULL);
    if (bus->has_doors)
        r = enlh_port_events(bus->partition, ENLH_BUS_DOOR_BASE, ENLH_BUS_RELIDS, NULL,
                             NULL);
    ENLH_BUG_ON(bus->partition, r < 0);
    for (size_t i = 0; i < sizeof(bus->ports) / sizeof(bus->ports[0]); i++) {
        if (bus->ports[i].bus)
            r = enlh_port_message(bus->partition, bus->ports[i].connection_id, NULL,
                                  NULL);
        ENLH_BUG_ON(bus->partition, r < 0);
    }
}

/* Ports come last: from then on VPs may be inside. */
static int
enlh_bus_init(struct enlh_vmbus *bus)
{
    struct enlh_partition *partition = bus->partition;
    int r;

    enlh_list_init(&bus->channels);
    enlh_list_init(&bus->notices);
    enlh_gpadl_init(bus);
    r = enlh_defer_init(&bus->deferred, &partition->ops, partition->ctx,
                        bus->ops.loop_wake, bus->ctx);
    if (r < 0)
        return r;
    r = enlh_bus_lock_create(bus, &bus->gpadl_lock);
    if (r == 0)
        r = enlh_inbox_init(bus);
    if (r < 0)
        return r;
    r = enlh_door_connect(bus);
    bus->has_doors = r == 0;
    if (r == 0)
        r = enlh_inbox_connect(bus);
    if (r < 0)
        return r;
    enlh_bus_listen(bus, enlh_bus_drained);
    bus->is_listening = true;
    return 0;
}

static void
enlh_bus_fini(struct enlh_vmbus *bus)
{
    struct enlh_partition *partition = bus->partition;

    enlh_inbox_fini(bus);
    enlh_bus_lock_destroy(bus, bus->gpadl_lock);
    enlh_defer_fini(&bus->deferred);
    enlh_ops_free(partition, bus, sizeof(*bus));
}

int
enlh_vmbus_create(struct enlh_partition *partition,
                  const struct enlh_vmbus_config *config,
                  const struct enlh_vmbus_ops *ops, void *ctx, struct enlh_vmbus **out)
{
    struct enlh_vmbus *bus;
    int r;

    if (!enlh_bus_config_ok(partition, config, ops))
        return -ENL_E_INVAL;
    bus = enlh_ops_alloc(partition, sizeof(*bus));
    if (!bus)
        return -ENL_E_NOMEM;
    bus->partition = partition;
    bus->ctx = ctx;
    bus->vp_count = enlh_partition_config(partition)->vp_count;
    enlh_bus_adopt(&bus->ops, sizeof(bus->ops), ops, ops->size);
    enlh_bus_adopt(&bus->config, sizeof(bus->config), config, config->size);
    bus->config.gpadl_limit = enlh_bus_gpadl_limit(&bus->config);
    bus->conn.sint = ENLH_BUS_SINT;
    r = enlh_bus_init(bus);
    if (r < 0) {
        enlh_bus_disconnect(bus);
        enlh_bus_fini(bus);
        return r;
    }
    *out = bus;
    return 0;
}

void
enlh_vmbus_destroy(struct enlh_vmbus *bus)
{
    ENLH_BUG_ON(bus->partition, bus->worker_count);
    enlh_bus_disconnect(bus);
    enlh_gpadl_drop_all(bus);
    enlh_offer_reap(bus);
    ENLH_BUG_ON(bus->partition, !enlh_list_empty(&bus->channels));
    enlh_bus_fini(bus);
}

/* ---- the loop's turn ---- */

/*
 * What workers have to say. Each may cause a message; who finds no room is asked again.
 * Removed ones go after that, so that no list changes under the walk.
 */
static void
enlh_bus_hear_channels(struct enlh_vmbus *bus)
{
    if (!atomic_exchange(&bus->attention, false))
        return;
    for (struct enlh_link *at = bus->channels.next; at != &bus->channels; at = at->next) {
        if (!enlh_outbox_room(bus)) {
            atomic_store(&bus->attention, true);
            break;
        }
        enlh_channel_progress(ENLH_LIST_OF(at, struct enlh_channel, bus_link));
    }
    enlh_offer_reap(bus);
}

static void
enlh_bus_settle(struct enlh_vmbus *bus)
{
    enlh_outbox_flush(bus);
    enlh_bus_hear_channels(bus);
    enlh_gpadl_settle(bus);
    enlh_offer_settle(bus);
    if (enlh_outbox_room(bus))
        enlh_connect_settle(bus);
    enlh_outbox_flush(bus);
}

/* A message can be handled: there is room for its answer, or it wants none of the others. */
static bool
enlh_bus_may_take(struct enlh_vmbus *bus)
{
    return enlh_outbox_room(bus) || enlh_inbox_skip_to_end(bus);
}

bool
enlh_vmbus_poll(struct enlh_vmbus *bus)
{
    bool more = enlh_vmbus_run_deferred(bus);
    struct enlh_inbox_entry entry;

    enlh_bus_settle(bus);
    for (uint32_t i = 0; i < ENLH_BUS_POLL_MAX; i++) {
        if (!enlh_bus_may_take(bus) || !enlh_inbox_take(bus, &entry))
            break;
        enlh_message_handle(bus, &entry);
        enlh_bus_settle(bus);
    }
    if (!enlh_outbox_room(bus))
        return more;
    return more || !enlh_inbox_empty(bus) || atomic_load(&bus->attention);
}

void
enlh_vmbus_reset(struct enlh_vmbus *bus)
{
    enlh_inbox_clear(bus);
    enlh_connect_leave(bus, ENLH_NEXT_NONE);
    bus->conn.last_version = 0;
    enlh_bus_attend(bus);
}

bool
enlh_vmbus_idle(const struct enlh_vmbus *bus)
{
    return bus->conn.state == ENLH_DISCONNECTED && bus->worker_count == 0;
}

uint32_t
enlh_vmbus_version(const struct enlh_vmbus *bus)
{
    return bus->conn.version;
}

void
enlh_vmbus_counters(const struct enlh_vmbus *bus, struct enlh_vmbus_counters *out)
{
    const struct enlh_bus_counts *counts = &bus->counts;

    *out = (struct enlh_vmbus_counters){
        .messages = atomic_load(&counts->messages),
        .messages_malformed =
            atomic_load(&counts->malformed) + atomic_load(&bus->inbox.refused),
        .offers = atomic_load(&counts->offers),
        .rescinds = atomic_load(&counts->rescinds),
        .opens = atomic_load(&counts->opens),
        .closes = atomic_load(&counts->closes),
        .gpadls = bus->quota.count,
        .gpadl_bytes = bus->quota.bytes,
    };
}

struct enlh_partition *
enlh_vmbus_partition(const struct enlh_vmbus *bus)
{
    return bus->partition;
}
