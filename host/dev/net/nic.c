/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NIC: its offers, how its channels come and go, its cable, and what all lanes know.
 *
 * Runs: the embedder on the loop thread, and the bus for the guest's opens and closes; the
 * guest asks for sub-channels on the primary channel's thread, which leaves its wish in
 * nic->wanted and defers the offering to the loop. The guest's wish is bounded by the
 * configured count. What the guest sets is published under nic->lock, and every lane makes
 * its copy when the generation has changed. Guest memory is not touched here.
 * When the guest closes the primary channel its sub-channels are taken back, and a new
 * driver asks for them again.
 * Tests: test/unit/net_offers.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#include "common/utf16.h"
#include "enlight/abi/guids.h"
#include "enlight/abi/vmbus.h"
#include "host/core/log.h"
#include "host/core/ops.h"

/* ---- what the rooms of the NIC need from the partition ---- */

void *
enlh_net_alloc(const struct enlh_nic *nic, size_t len)
{
    return enlh_ops_alloc(nic->partition, len);
}

void
enlh_net_free(const struct enlh_nic *nic, void *memory, size_t len)
{
    enlh_ops_free(nic->partition, memory, len);
}

/* ---- what all lanes know ---- */

static void
nic_setup_backend(struct enlh_nic *nic, const struct enlh_net_settings *settings)
{
    struct enlh_net_setup setup = {.mtu = settings->mtu, .steering = settings->steering};

    /* A partial checksum pays only where frames stay whole: else it is ours to fill in. */
    if (settings->rsc4)
        setup.offloads |= ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4;
    if (settings->rsc6)
        setup.offloads |= ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO6;
    setup.offloads &= nic->info.offloads;
    nic->config.net.ops->setup(nic->config.net.backend, &setup);
}

static uint64_t
nic_pack_mac(const uint8_t mac[6])
{
    uint64_t packed = 0;

    memcpy(&packed, mac, 6);
    return packed;
}

void
enlh_net_set(struct enlh_net_lane *lane)
{
    struct enlh_nic *nic = lane->nic;

    enlh_ops_lock(nic->partition, nic->lock);
    nic->settings = lane->settings;
    lane->generation =
        atomic_fetch_add_explicit(&nic->generation, 1, memory_order_release) + 1;
    enlh_ops_unlock(nic->partition, nic->lock);
    atomic_store_explicit(&nic->mac, nic_pack_mac(lane->settings.mac),
                          memory_order_relaxed);
    nic_setup_backend(nic, &lane->settings);
    enlh_net_spread(nic);
}

void
enlh_net_refresh(struct enlh_net_lane *lane)
{
    struct enlh_nic *nic = lane->nic;

    if (lane->generation == atomic_load_explicit(&nic->generation, memory_order_acquire))
        return;
    enlh_ops_lock(nic->partition, nic->lock);
    lane->settings = nic->settings;
    lane->generation = atomic_load_explicit(&nic->generation, memory_order_relaxed);
    enlh_ops_unlock(nic->partition, nic->lock);
}

/*
 * A driver that comes finds a NIC without settings, but with the address of the one before.
 * Seen: Linux 6.1 closes and opens its NIC for another MTU, and sets its address no more.
 */
static void
nic_forget_settings(struct enlh_nic *nic)
{
    struct enlh_net_settings none = {.mtu = ENLH_NET_MTU_DEFAULT};

    enlh_ops_lock(nic->partition, nic->lock);
    memcpy(none.mac, nic->settings.mac, sizeof(none.mac));
    nic->settings = none;
    atomic_fetch_add_explicit(&nic->generation, 1, memory_order_release);
    enlh_ops_unlock(nic->partition, nic->lock);
}

void
enlh_net_link_now(const struct enlh_nic *nic, struct enlh_net_link *out)
{
    *out = (struct enlh_net_link){0};
    nic->config.net.ops->link(nic->config.net.backend, out);
    if (!out->speed)
        out->speed = nic->config.speed;
    out->up &= atomic_load_explicit(&nic->cable, memory_order_acquire);
}

/* ---- sub-channels ---- */

static int
nic_offer(struct enlh_net_port *port)
{
    struct enlh_nic *nic = port->nic;
    const struct enlh_offer offer = {
        .size = sizeof(offer),
        .type = ENL_GUID_NET,
        .instance = nic->config.instance,
        .subchannel = port->index,
        .flags = ENL_OFFER_ENUMERATE,
        .name = nic->name,
    };
    int result;

    result = enlh_channel_offer(nic->bus, &offer, &nic->ops, port, &port->channel);
    if (result < 0) {
        port->channel = NULL;
        return result;
    }
    port->rescinded = false;
    nic->offered++;
    return 0;
}

/*
 * Offer the sub-channels that are wanted and not there, take back those that are there and
 * not wanted. One that is still being taken back is offered again when it has gone.
 */
static void
nic_adjust(void *ctx)
{
    struct enlh_nic *nic = ctx;
    unsigned wanted = atomic_load_explicit(&nic->wanted, memory_order_acquire);

    for (uint32_t i = 1; i < nic->port_count; i++) {
        struct enlh_net_port *port = &nic->ports[i];
        bool want = i <= wanted && !nic->destroying;

        if (want && !port->channel) {
            int result = nic_offer(port);

            if (result < 0)
                enlh_log_guest(nic->partition,
                               "%s: cannot offer sub-channel %u: error %d", nic->name, i,
                               -result);
        } else if (!want && port->channel && !port->rescinded) {
            port->rescinded = true;
            enlh_channel_rescind(port->channel);
        }
    }
}

void
enlh_net_want(struct enlh_nic *nic, uint32_t count)
{
    atomic_store_explicit(&nic->wanted, count, memory_order_release);
    enlh_vmbus_defer(nic->bus, &nic->adjust);
}

static void
nic_spread(void *ctx)
{
    struct enlh_nic *nic = ctx;

    enlh_net_buffer_settle(nic);
    for (uint32_t i = 0; i < nic->port_count; i++) {
        if (nic->ports[i].lane)
            enlh_channel_wake(nic->ports[i].channel);
    }
}

void
enlh_net_spread(struct enlh_nic *nic)
{
    enlh_vmbus_defer(nic->bus, &nic->spread);
}

/* ---- a channel's life, told by the bus ---- */

static int
nic_opened(void *dev, struct enlh_channel *channel)
{
    struct enlh_net_port *port = dev;
    struct enlh_nic *nic = port->nic;
    int result;

    if (!port->index)
        nic_forget_settings(nic);
    result = enlh_net_lane_open(port, channel, &port->lane);
    if (result < 0) {
        port->lane = NULL;
        return result;
    }
    if (!port->index)
        return 0;
    atomic_fetch_add_explicit(&nic->opened, 1, memory_order_release);
    enlh_net_spread(nic);
    return 0;
}

/* With the primary channel its GPADLs go: what the other lanes hold of them is void. */
static void
nic_closed(void *dev, struct enlh_channel *channel)
{
    struct enlh_net_port *port = dev;
    struct enlh_nic *nic = port->nic;

    (void)channel;
    enlh_net_lane_close(port->lane);
    port->lane = NULL;
    if (port->index) {
        atomic_fetch_sub_explicit(&nic->opened, 1, memory_order_release);
        return;
    }
    enlh_net_buffer_revoke(nic, &nic->receive);
    enlh_net_buffer_revoke(nic, &nic->send);
    nic_forget_settings(nic);
    atomic_store_explicit(&nic->wanted, 0, memory_order_relaxed);
    enlh_vmbus_defer(nic->bus, &nic->adjust);
}

static void
nic_free(struct enlh_nic *nic)
{
    if (nic->lock) {
        enlh_net_buffer_settle(nic);
        enlh_ops_lock_destroy(nic->partition, nic->lock);
    }
    if (nic->ports)
        enlh_net_free(nic, nic->ports, nic->port_count * sizeof(*nic->ports));
    enlh_net_free(nic, nic, sizeof(*nic));
}

/* One that kept the NIC alive is gone. */
static void
nic_release(struct enlh_nic *nic)
{
    void (*done)(void *ctx) = nic->done;
    void *done_ctx = nic->done_ctx;

    if (--nic->offered || !nic->destroying)
        return;
    enlh_vmbus_undefer(nic->bus, &nic->adjust);
    enlh_vmbus_undefer(nic->bus, &nic->spread);
    nic_free(nic);
    if (done)
        done(done_ctx);
}

/* The bus is still busy with this one: what follows waits for the loop's next turn. */
static void
nic_removed(void *dev, struct enlh_channel *channel)
{
    struct enlh_net_port *port = dev;

    (void)channel;
    port->channel = NULL;
    if (!port->nic->destroying)
        enlh_vmbus_defer(port->nic->bus, &port->nic->adjust);
    nic_release(port->nic);
}

/* ---- the embedder's ---- */

static int
nic_set_names(struct enlh_nic *nic)
{
    const char *name = nic->config.name ? nic->config.name : "net";
    const char *friendly = nic->config.friendly_name;
    size_t friendly_len = 0;
    int len;

    for (size_t i = 0; name[i] && i < sizeof(nic->name) - 1; i++)
        nic->name[i] = name[i];
    nic->config.name = nic->name;
    nic->config.friendly_name = NULL;
    if (!friendly)
        friendly = "Network Adapter";
    while (friendly[friendly_len] && friendly_len < ENLH_NET_FRIENDLY)
        friendly_len++;
    len = enl_utf16_from_utf8(friendly, friendly_len, nic->friendly,
                              sizeof(nic->friendly) - 2);
    if (len < 0)
        return -ENL_E_INVAL;
    nic->friendly_len = (uint32_t)len + 2;
    return 0;
}

static int
nic_complete_config(struct enlh_nic *nic, const struct enlh_nic_config *config)
{
    struct enlh_nic_config *own = &nic->config;

    /* A caller that was compiled before the last members came has a shorter one. */
    memcpy(own, config, config->size);
    if (!own->net.ops || (own->mac[0] & 1) || !nic_pack_mac(own->mac))
        return -ENL_E_INVAL;
    own->net.ops->info(own->net.backend, &nic->info);
    if (!nic->info.max_queues || nic->info.max_mtu < ENLH_NET_MTU_MIN ||
        nic->info.max_mtu > UINT16_MAX)
        return -ENL_E_INVAL;
    if (!own->mtu)
        own->mtu = nic->info.max_mtu;
    if (!own->speed)
        own->speed = ENLH_NET_SPEED;
    if (!own->max_version)
        own->max_version = ENL_NVSP_VERSION_6_1;
    if (own->max_subchannels >= nic->info.max_queues)
        own->max_subchannels = (uint16_t)(nic->info.max_queues - 1);
    if (own->mtu < ENLH_NET_MTU_MIN || own->mtu > nic->info.max_mtu ||
        own->max_subchannels > ENLH_NET_SUBCHANNELS)
        return -ENL_E_INVAL;
    atomic_store_explicit(&nic->cable, !own->link_down, memory_order_relaxed);
    return nic_set_names(nic);
}

static void
nic_set_ops(struct enlh_nic *nic)
{
    nic->ops = (struct enlh_channel_ops){
        .size = sizeof(nic->ops),
        .max_payload = ENLH_NET_PAYLOAD_MAX,
        .max_spans = ENLH_NET_SPANS,
        .open = nic_opened,
        .close = nic_closed,
        .packet = enlh_net_nvsp_packet,
        .run = enlh_net_lane_run,
        .flush = enlh_net_lane_flush,
        .quiesce = enlh_net_lane_quiesce,
        .removed = nic_removed,
    };
}

static int
nic_make_ports(struct enlh_nic *nic)
{
    nic->port_count = nic->config.max_subchannels + 1u;
    nic->ports = enlh_net_alloc(nic, nic->port_count * sizeof(*nic->ports));
    nic->lock = enlh_ops_lock_create(nic->partition);
    if (!nic->ports || (nic->partition->ops.lock && !nic->lock))
        return -ENL_E_NOMEM;
    for (uint32_t i = 0; i < nic->port_count; i++) {
        nic->ports[i].nic = nic;
        nic->ports[i].index = (uint16_t)i;
    }
    return 0;
}

int
enlh_nic_create(struct enlh_vmbus *bus, const struct enlh_nic_config *config,
                struct enlh_nic **out)
{
    struct enlh_partition *partition = enlh_vmbus_partition(bus);
    struct enlh_nic *nic;
    int result;

    if (!config->size || config->size > sizeof(*config))
        return -ENL_E_INVAL;
    nic = enlh_ops_alloc(partition, sizeof(*nic));
    if (!nic)
        return -ENL_E_NOMEM;
    nic->bus = bus;
    nic->partition = partition;
    nic->adjust = (struct enlh_deferred){.fn = nic_adjust, .ctx = nic};
    nic->spread = (struct enlh_deferred){.fn = nic_spread, .ctx = nic};
    result = nic_complete_config(nic, config);
    if (result == 0)
        result = nic_make_ports(nic);
    if (result == 0) {
        nic_set_ops(nic);
        memcpy(nic->settings.mac, nic->config.mac, sizeof(nic->settings.mac));
        atomic_store_explicit(&nic->mac, nic_pack_mac(nic->config.mac),
                              memory_order_relaxed);
        nic_forget_settings(nic);
        result = nic_offer(&nic->ports[0]);
    }
    if (result < 0) {
        nic_free(nic);
        return result;
    }
    *out = nic;
    return 0;
}

/* It holds on to itself meanwhile: a rescind may come back as removed() at once. */
void
enlh_nic_destroy(struct enlh_nic *nic, void (*done)(void *ctx), void *ctx)
{
    nic->destroying = true;
    nic->done = done;
    nic->done_ctx = ctx;
    nic->offered++;
    for (uint32_t i = nic->port_count; i-- > 0;) {
        struct enlh_net_port *port = &nic->ports[i];

        if (!port->channel || port->rescinded)
            continue;
        port->rescinded = true;
        enlh_channel_rescind(port->channel);
    }
    nic_release(nic);
}

void
enlh_nic_set_link(struct enlh_nic *nic, bool up)
{
    atomic_store_explicit(&nic->cable, up, memory_order_release);
    enlh_net_spread(nic);
}

bool
enlh_nic_link(const struct enlh_nic *nic)
{
    struct enlh_net_link link;

    enlh_net_link_now(nic, &link);
    return link.up;
}

void
enlh_nic_mac(const struct enlh_nic *nic, uint8_t mac[6])
{
    uint64_t packed = atomic_load_explicit(&nic->mac, memory_order_relaxed);

    memcpy(mac, &packed, 6);
}

static void
nic_add_counts(const struct enlh_net_counts *counts, struct enlh_nic_counters *out)
{
    const struct {
        const _Atomic uint64_t *from;
        uint64_t *to;
    } all[] = {
        {&counts->tx_frames, &out->tx_frames},     {&counts->tx_bytes, &out->tx_bytes},
        {&counts->tx_large, &out->tx_large},       {&counts->rx_frames, &out->rx_frames},
        {&counts->rx_bytes, &out->rx_bytes},       {&counts->rx_large, &out->rx_large},
        {&counts->rx_filtered, &out->rx_filtered}, {&counts->rx_long, &out->rx_long},
        {&counts->rx_waits, &out->rx_waits},       {&counts->control, &out->control},
        {&counts->refused, &out->refused},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        *all[i].to += atomic_load_explicit(all[i].from, memory_order_relaxed);
}

void
enlh_nic_counters(const struct enlh_nic *nic, uint32_t channel,
                  struct enlh_nic_counters *out)
{
    *out = (struct enlh_nic_counters){0};
    for (uint32_t i = 0; i < nic->port_count; i++) {
        if (channel == UINT32_MAX || channel == i)
            nic_add_counts(&nic->ports[i].counts, out);
    }
}
