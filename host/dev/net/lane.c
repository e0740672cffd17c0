/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lane: an open channel of a NIC, its backend queue, and the answers to its packets.
 *
 * Runs: a channel's thread, for the guest's packets and the backend's wakes; the loop opens
 * and closes it while there is no worker. Memory comes at open, but for the receive pieces,
 * which the guest's receive buffer brings: when slots or frames are used up, packets stay
 * in the ring. One turn sends its answers together and shows them once.
 * Reads no guest memory; trusts backends to give back each frame once.
 * Tests: test/unit/net_tx.c, net_rx.c, net_offers.c.
 */
#include "host/dev/net/net.h"

#include "enlight/abi/ring.h"

static void
lane_woken(void *ctx)
{
    enlh_channel_wake(ctx);
}

static int
lane_open_queue(struct enlh_net_lane *lane)
{
    const struct enlh_nic_config *config = &lane->nic->config;
    const struct enlh_net *net = &config->net;
    struct enlh_wake wake = {.fn = lane_woken, .ctx = lane->channel, .fd = -1};
    int result;

    if (config->wake_fd)
        wake.fd = config->wake_fd(config->wake_ctx, lane->channel);
    result = net->ops->queue_open(net->backend, lane->port->index, lane->nic->partition,
                                  &wake, &lane->queue, &lane->fd);
    if (result < 0) {
        lane->queue = NULL;
        lane->fd = -1;
        return result;
    }
    if (lane->fd < 0)
        return 0;
    result = config->watch ? config->watch(config->wake_ctx, lane->channel, lane->fd)
                           : -ENL_E_NOTSUP;
    if (result < 0)
        lane->fd = -1;
    return result;
}

static int
lane_make_lists(struct enlh_net_lane *lane)
{
    lane->slots = enlh_net_alloc(lane->nic, ENLH_NET_SLOTS * sizeof(*lane->slots));
    lane->txs = enlh_net_alloc(lane->nic, ENLH_NET_TXS * sizeof(*lane->txs));
    if (!lane->slots || !lane->txs)
        return -ENL_E_NOMEM;
    for (uint32_t i = ENLH_NET_SLOTS; i-- > 0;) {
        lane->slots[i].next = lane->slot_free;
        lane->slot_free = &lane->slots[i];
    }
    for (uint32_t i = ENLH_NET_TXS; i-- > 0;) {
        lane->txs[i].next = lane->tx_free;
        lane->txs[i].lane = lane;
        lane->tx_free = &lane->txs[i];
    }
    lane->tx_free_count = ENLH_NET_TXS;
    return 0;
}

/* What the primary channel has set up already, a sub-channel finds. */
static int
lane_take_buffers(struct enlh_net_lane *lane)
{
    struct enlh_nic *nic = lane->nic;
    struct enlh_net_buffer *receive;
    int result;

    if (!lane->port->index)
        return 0;
    lane->send = enlh_net_buffer_get(nic, &nic->send);
    receive = enlh_net_buffer_get(nic, &nic->receive);
    if (!receive)
        return 0;
    result = enlh_net_rx_open(lane, receive);
    if (result < 0)
        enlh_net_buffer_put(nic, receive);
    return result;
}

int
enlh_net_lane_open(struct enlh_net_port *port, struct enlh_channel *channel,
                   struct enlh_net_lane **out)
{
    struct enlh_net_lane *lane = enlh_net_alloc(port->nic, sizeof(*lane));
    int result;

    if (!lane)
        return -ENL_E_NOMEM;
    lane->nic = port->nic;
    lane->port = port;
    lane->channel = channel;
    lane->fd = -1;
    lane->opening = ++port->nic->openings;
    enlh_net_refresh(lane);
    result = lane_make_lists(lane);
    if (result == 0)
        result = lane_take_buffers(lane);
    if (result == 0)
        result = lane_open_queue(lane);
    if (result < 0) {
        enlh_net_lane_close(lane);
        return result;
    }
    *out = lane;
    return 0;
}

void
enlh_net_lane_close(struct enlh_net_lane *lane)
{
    struct enlh_nic *nic = lane->nic;
    const struct enlh_net *net = &nic->config.net;

    if (lane->fd >= 0)
        nic->config.unwatch(nic->config.wake_ctx, lane->channel, lane->fd);
    if (lane->queue)
        net->ops->queue_close(net->backend, lane->queue);
    enlh_net_rx_close(lane);
    if (lane->send)
        enlh_net_buffer_put(nic, lane->send);
    if (lane->slots)
        enlh_net_free(nic, lane->slots, ENLH_NET_SLOTS * sizeof(*lane->slots));
    if (lane->txs)
        enlh_net_free(nic, lane->txs, ENLH_NET_TXS * sizeof(*lane->txs));
    enlh_net_free(nic, lane, sizeof(*lane));
}

/* ---- slots ---- */

struct enlh_net_slot *
enlh_net_slot_get(struct enlh_net_lane *lane, const struct enlh_packet *packet)
{
    struct enlh_net_slot *slot = lane->slot_free;

    if (!slot)
        return NULL;
    lane->slot_free = slot->next;
    *slot = (struct enlh_net_slot){
        .transaction_id = packet->transaction_id,
        .silent = !packet->wants_completion,
        .answer_len = lane->settings.version == ENL_NVSP_VERSION_6_1 ? ENL_NVSP_LEN_6_1
                                                                     : ENL_NVSP_LEN_1,
    };
    return slot;
}

/* false: no room. Any other failure means that the guest broke its ring. */
static bool
slot_send(struct enlh_net_lane *lane, struct enlh_net_slot *slot)
{
    if (!slot->silent &&
        enlh_channel_complete(lane->channel, slot->transaction_id, &slot->answer,
                              slot->answer_len) == -ENL_E_AGAIN)
        return false;
    slot->next = lane->slot_free;
    lane->slot_free = slot;
    return true;
}

/* Answers keep their order: one that waits makes those behind it wait. */
void
enlh_net_slot_answer(struct enlh_net_lane *lane, struct enlh_net_slot *slot)
{
    if (!lane->answers && slot_send(lane, slot))
        return;
    slot->next = NULL;
    if (lane->answers)
        lane->answers_last->next = slot;
    else
        lane->answers = slot;
    lane->answers_last = slot;
}

void
enlh_net_slot_status(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
                     uint32_t status)
{
    slot->answer.type = ENL_NVSP_RNDIS_COMPLETE;
    slot->answer.u.rndis_complete.status = status;
    enlh_net_slot_answer(lane, slot);
}

static void
lane_drain(struct enlh_net_lane *lane)
{
    while (lane->answers) {
        struct enlh_net_slot *slot = lane->answers;

        lane->answers = slot->next;
        if (slot_send(lane, slot))
            continue;
        slot->next = lane->answers;
        lane->answers = slot;
        if (!slot->next)
            lane->answers_last = slot;
        return;
    }
}

/* ---- turns ---- */

/* Frames of the send buffer that a backend still has keep it. */
static void
lane_let_go(struct enlh_net_lane *lane)
{
    struct enlh_net_rx *rx = &lane->rx;

    if (lane->send && !lane->in_flight &&
        atomic_load_explicit(&lane->send->revoked, memory_order_acquire)) {
        enlh_net_buffer_put(lane->nic, lane->send);
        lane->send = NULL;
    }
    if (rx->buffer && atomic_load_explicit(&rx->buffer->revoked, memory_order_acquire)) {
        enlh_net_buffer_put(lane->nic, rx->buffer);
        rx->buffer = NULL;
    }
}

static void
lane_reap(struct enlh_net_lane *lane)
{
    lane->nic->config.net.ops->reap(lane->queue);
}

void
enlh_net_lane_run(void *dev, struct enlh_channel *channel)
{
    struct enlh_net_lane *lane = ((struct enlh_net_port *)dev)->lane;

    (void)channel;
    enlh_net_refresh(lane);
    lane_reap(lane);
    lane_drain(lane);
    enlh_net_tx_retry(lane);
    enlh_net_rndis_drain(lane);
    if (lane->port->index)
        return;
    enlh_net_rndis_link(lane);
    enlh_net_nvsp_table(lane);
}

/* A backend that works at once is done by now: its answers go out with this turn's. */
void
enlh_net_lane_flush(void *dev, struct enlh_channel *channel)
{
    struct enlh_net_lane *lane = ((struct enlh_net_port *)dev)->lane;

    (void)channel;
    lane->nic->config.net.ops->kick(lane->queue);
    lane_reap(lane);
    lane_drain(lane);
    lane_let_go(lane);
    if (!lane->quiescing)
        enlh_net_rx_run(lane);
}

/*
 * Frames are taken back from the backend, sent or not: a network may lose them. Answers
 * that the guest gives no room to go with the lane.
 */
bool
enlh_net_lane_quiesce(void *dev, struct enlh_channel *channel)
{
    struct enlh_net_lane *lane = ((struct enlh_net_port *)dev)->lane;

    (void)channel;
    lane->quiescing = true;
    enlh_net_tx_drop(lane);
    lane->nic->config.net.ops->cancel(lane->queue);
    lane_reap(lane);
    lane_drain(lane);
    return !lane->in_flight;
}
