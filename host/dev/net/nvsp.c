/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol between a NIC and its driver: which message a channel takes in which state,
 * and where the RNDIS messages within go.
 *
 * Runs: the guest, with any packet in any state, on a channel's thread. The message is
 * copied once. Every packet that wants an answer gets one; a message that does not belong
 * to the state or the version is refused and counted; a packet without a whole header, of
 * another type, or a completion for what the guest never had costs the channel.
 *
 *   primary   INIT (until a version is agreed), then NDIS_CONFIG, NDIS_VERSION, the
 *             buffers, RNDIS and SUBCHANNEL, as far as the version has them
 *   others    RNDIS data
 * Tests: test/unit/net_nvsp.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#include "enlight/abi/ring.h"
#include "host/core/log.h"

/* Answers by its return value, an ENL_NVSP_STATUS_, and what it puts into the answer. */
typedef void (*nvsp_fn)(struct enlh_net_lane *lane,
                        const struct enl_nvsp_message *message,
                        struct enl_nvsp_message *answer);

struct nvsp_operation {
    uint32_t type;
    uint32_t since; /* version; 0: before one is agreed */
    nvsp_fn fn;
};

/* ---- beginning ---- */

static bool
nvsp_knows(const struct enlh_nic *nic, uint32_t version)
{
    static const uint32_t known[] = {ENL_NVSP_VERSION_1, ENL_NVSP_VERSION_2,
                                     ENL_NVSP_VERSION_4, ENL_NVSP_VERSION_5,
                                     ENL_NVSP_VERSION_6, ENL_NVSP_VERSION_6_1};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (version == known[i])
            return version <= nic->config.max_version;
    }
    return false;
}

/* A guest may come here as often as it likes: only the first time is worth a line. */
static void
nvsp_announce(struct enlh_net_lane *lane)
{
    struct enlh_net_port *port = lane->port;
    uint32_t version = lane->settings.version;

    enlh_log(lane->nic->partition, port->announced ? ENLH_LOG_DEBUG : ENLH_LOG_INFO,
             "%s: network protocol %u.%u", lane->nic->name, version >> 16,
             version & 0xffffu);
    port->announced = true;
}

static void
nvsp_init(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
          struct enl_nvsp_message *answer)
{
    struct enl_nvsp_init_complete *complete = &answer->u.init_complete;
    uint32_t version = message->u.init.max_version;

    answer->type = ENL_NVSP_INIT_COMPLETE;
    complete->version = ENL_NVSP_VERSION_NONE;
    complete->max_mdl_chain = ENL_NVSP_MDL_CHAIN;
    complete->status = ENL_NVSP_STATUS_FAILED;
    if (lane->settings.version || !nvsp_knows(lane->nic, version))
        return;
    complete->version = ENL_NVSP_VERSION_1; /* Seen: what hosts say whatever was agreed */
    complete->status = ENL_NVSP_STATUS_SUCCESS;
    lane->settings.version = version;
    nvsp_announce(lane);
}

static void
nvsp_ndis_config(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                 struct enl_nvsp_message *answer)
{
    const struct enl_nvsp_ndis_config *config = &message->u.ndis_config;
    uint32_t most = lane->nic->config.mtu;
    uint32_t mtu = config->mtu;

    (void)answer;
    /* The receive buffer is divided by the MTU: later it does not change any more. */
    if (lane->has_receive)
        return;
    mtu = mtu > ENLH_NET_ETHERNET + ENLH_NET_MTU_MIN ? mtu - ENLH_NET_ETHERNET
                                                     : ENLH_NET_MTU_MIN;
    lane->settings.mtu = mtu < most ? mtu : most;
    lane->settings.capabilities = config->capabilities;
}

static void
nvsp_ndis_version(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                  struct enl_nvsp_message *answer)
{
    (void)lane;
    (void)message;
    (void)answer;
}

/* ---- buffers ---- */

/* How the receive buffer is divided; false: it is too small for that. */
static bool
nvsp_divide(struct enlh_net_lane *lane, uint64_t len)
{
    struct enlh_net_settings *settings = &lane->settings;
    uint32_t lanes = settings->version >= ENL_NVSP_VERSION_5 ? lane->nic->port_count : 1;
    uint32_t piece =
        (ENLH_NET_RX_HEAD + ENLH_NET_ETHERNET + ENLH_NET_TAG + settings->mtu + 63) & ~63u;
    uint32_t count;

    if (piece < ENLH_NET_PIECE_MIN)
        piece = ENLH_NET_PIECE_MIN;
    if (len / piece > UINT32_MAX / 2)
        return false;
    count = (uint32_t)(len / piece);
    settings->piece_len = piece;
    settings->piece_count = count;
    settings->control_count = count / 4 < ENLH_NET_CONTROL ? count / 4 : ENLH_NET_CONTROL;
    settings->share = (count - settings->control_count) / lanes;
    return settings->control_count && settings->share;
}

static uint32_t
nvsp_use_receive(struct enlh_net_lane *lane, uint32_t handle)
{
    struct enlh_nic *nic = lane->nic;
    struct enlh_net_buffer *buffer;

    if (lane->has_receive || enlh_net_buffer_take(lane, handle, &buffer) < 0)
        return ENL_NVSP_STATUS_FAILED;
    if (!nvsp_divide(lane, buffer->len) || enlh_net_rx_open(lane, buffer) < 0) {
        enlh_net_buffer_put(nic, buffer);
        return ENL_NVSP_STATUS_FAILED;
    }
    lane->has_receive = true;
    enlh_net_buffer_offer(nic, &nic->receive, buffer);
    enlh_net_set(lane);
    return ENL_NVSP_STATUS_SUCCESS;
}

static void
nvsp_receive_buffer(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                    struct enl_nvsp_message *answer)
{
    struct enl_nvsp_receive_buffer_complete *complete =
        &answer->u.receive_buffer_complete;
    const struct enlh_net_settings *settings = &lane->settings;

    answer->type = ENL_NVSP_RECEIVE_BUFFER_COMPLETE;
    complete->status = nvsp_use_receive(lane, message->u.buffer.gpadl);
    if (complete->status != ENL_NVSP_STATUS_SUCCESS)
        return;
    complete->section_count = 1;
    complete->section = (struct enl_nvsp_section){
        .sub_allocation_len = settings->piece_len,
        .sub_allocation_count = settings->piece_count,
        .end_offset = settings->piece_len * settings->piece_count,
    };
}

static void
nvsp_send_buffer(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                 struct enl_nvsp_message *answer)
{
    struct enl_nvsp_send_buffer_complete *complete = &answer->u.send_buffer_complete;
    struct enlh_nic *nic = lane->nic;

    answer->type = ENL_NVSP_SEND_BUFFER_COMPLETE;
    complete->status = ENL_NVSP_STATUS_FAILED;
    if (lane->has_send ||
        enlh_net_buffer_take(lane, message->u.buffer.gpadl, &lane->send) < 0)
        return;
    lane->has_send = true;
    enlh_net_buffer_offer(nic, &nic->send, lane->send);
    complete->status = ENL_NVSP_STATUS_SUCCESS;
    complete->section_len = ENLH_NET_SECTION;
}

static void
nvsp_revoke_receive(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                    struct enl_nvsp_message *answer)
{
    (void)message;
    (void)answer;
    enlh_net_buffer_revoke(lane->nic, &lane->nic->receive);
}

static void
nvsp_revoke_send(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                 struct enl_nvsp_message *answer)
{
    (void)message;
    (void)answer;
    enlh_net_buffer_revoke(lane->nic, &lane->nic->send);
}

/* ---- sub-channels ---- */

static void
nvsp_subchannel(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                struct enl_nvsp_message *answer)
{
    struct enl_nvsp_subchannel_complete *complete = &answer->u.subchannel_complete;
    uint32_t count = message->u.subchannel.count;
    uint32_t most = lane->nic->port_count - 1;

    answer->type = ENL_NVSP_SUBCHANNEL;
    complete->status = ENL_NVSP_STATUS_FAILED;
    if (message->u.subchannel.operation != ENL_NVSP_SUBCHANNEL_ALLOCATE || lane->granted)
        return;
    lane->granted = count < most ? count : most;
    complete->status = ENL_NVSP_STATUS_SUCCESS;
    complete->count = lane->granted;
    enlh_net_want(lane->nic, lane->granted);
}

/* It names channels that are there: so it waits until all of them are open. */
void
enlh_net_nvsp_table(struct enlh_net_lane *lane)
{
    struct {
        struct enl_nvsp_message message;
        uint32_t entries[ENL_NVSP_SEND_TABLE_COUNT];
    } table = {.message = {.type = ENL_NVSP_SEND_INDIRECTION_TABLE,
                           .u.send_table = {.count = ENL_NVSP_SEND_TABLE_COUNT,
                                            .offset = sizeof(table.message)}}};

    if (lane->table_told || !lane->granted ||
        atomic_load_explicit(&lane->nic->opened, memory_order_acquire) != lane->granted)
        return;
    for (uint32_t i = 0; i < ENL_NVSP_SEND_TABLE_COUNT; i++)
        table.entries[i] = i % (lane->granted + 1);
    if (enlh_channel_send(lane->channel, 0, false, &table, sizeof(table)) != -ENL_E_AGAIN)
        lane->table_told = true;
}

/* ---- the rest ---- */

/* There is no virtual function behind a NIC: both paths are this one. */
static void
nvsp_data_path(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
               struct enl_nvsp_message *answer)
{
    (void)lane;
    (void)message;
    (void)answer;
}

static void
nvsp_oid_query_ex(struct enlh_net_lane *lane, const struct enl_nvsp_message *message,
                  struct enl_nvsp_message *answer)
{
    (void)lane;
    (void)message;
    answer->type = ENL_NVSP_OID_QUERY_EX_COMPLETE;
    answer->u.subchannel_complete.status = ENL_RNDIS_STATUS_NOT_SUPPORTED;
}

static const struct nvsp_operation nvsp_operations[] = {
    {ENL_NVSP_INIT, 0, nvsp_init},
    {ENL_NVSP_NDIS_VERSION, ENL_NVSP_VERSION_1, nvsp_ndis_version},
    {ENL_NVSP_RECEIVE_BUFFER, ENL_NVSP_VERSION_1, nvsp_receive_buffer},
    {ENL_NVSP_REVOKE_RECEIVE_BUFFER, ENL_NVSP_VERSION_1, nvsp_revoke_receive},
    {ENL_NVSP_SEND_BUFFER, ENL_NVSP_VERSION_1, nvsp_send_buffer},
    {ENL_NVSP_REVOKE_SEND_BUFFER, ENL_NVSP_VERSION_1, nvsp_revoke_send},
    {ENL_NVSP_NDIS_CONFIG, ENL_NVSP_VERSION_2, nvsp_ndis_config},
    {ENL_NVSP_SWITCH_DATA_PATH, ENL_NVSP_VERSION_4, nvsp_data_path},
    {ENL_NVSP_OID_QUERY_EX, ENL_NVSP_VERSION_5, nvsp_oid_query_ex},
    {ENL_NVSP_SUBCHANNEL, ENL_NVSP_VERSION_5, nvsp_subchannel},
};

/* The operation, if it is legal here and now; else NULL. */
static const struct nvsp_operation *
nvsp_find(const struct enlh_net_lane *lane, uint32_t type)
{
    if (lane->port->index)
        return NULL;
    for (size_t i = 0; i < sizeof(nvsp_operations) / sizeof(nvsp_operations[0]); i++) {
        const struct nvsp_operation *operation = &nvsp_operations[i];

        if (operation->type != type)
            continue;
        if (!operation->since ||
            (lane->settings.version && lane->settings.version >= operation->since))
            return operation;
    }
    return NULL;
}

static void
nvsp_control(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
             const struct enl_nvsp_message *message)
{
    const struct nvsp_operation *operation = nvsp_find(lane, message->type);

    if (operation) {
        operation->fn(lane, message, &slot->answer);
    } else {
        enlh_net_count(&lane->port->counts.refused, 1);
        slot->answer.u.rndis_complete.status = ENL_NVSP_STATUS_FAILED;
    }
    /* A version that has just been agreed may have longer messages. */
    if (message->type == ENL_NVSP_INIT && lane->settings.version == ENL_NVSP_VERSION_6_1)
        slot->answer_len = ENL_NVSP_LEN_6_1;
    enlh_net_slot_answer(lane, slot);
}

/* ---- RNDIS within ---- */

/* A section of the send buffer, then the packet's own spans. */
static int
nvsp_gather(struct enlh_net_lane *lane, const struct enl_nvsp_rndis *rndis,
            const struct enlh_packet *packet, struct enlh_span *spans,
            struct enlh_net_bytes *out)
{
    int count = 0;

    *out = (struct enlh_net_bytes){.spans = packet->spans,
                                   .span_count = packet->span_count,
                                   .len = packet->span_len};
    if (rndis->section_index == ENL_NVSP_NO_SECTION)
        return 0;
    if (!lane->send || rndis->section_len > ENLH_NET_SECTION)
        return -ENL_E_RANGE;
    if (rndis->section_len) {
        count = enlh_net_buffer_slice(
            lane->send, (uint64_t)rndis->section_index * ENLH_NET_SECTION,
            rndis->section_len, spans, ENLH_NET_TX_SPANS - ENLH_NET_SPANS);
        if (count < 0)
            return count;
    }
    for (uint32_t i = 0; i < packet->span_count; i++)
        spans[(uint32_t)count + i] = packet->spans[i];
    out->spans = spans;
    out->span_count = (uint32_t)count + packet->span_count;
    out->len += rndis->section_len;
    return 0;
}

static void
nvsp_rndis_control(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
                   const struct enlh_net_bytes *bytes)
{
    uint32_t len = (uint32_t)bytes->len;

    if (lane->port->index || bytes->len > sizeof(lane->request) ||
        enlh_net_bytes_read(lane->nic, bytes, 0, lane->request, len) < 0) {
        enlh_net_count(&lane->port->counts.refused, 1);
        enlh_net_slot_status(lane, slot, ENL_NVSP_STATUS_INVALID_RNDIS);
        return;
    }
    enlh_net_rndis_control(lane, slot, len);
}

static void
nvsp_rndis(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
           const struct enl_nvsp_rndis *rndis, const struct enlh_packet *packet)
{
    struct enlh_span spans[ENLH_NET_TX_SPANS];
    struct enlh_net_bytes bytes;

    if (!lane->rx.count || nvsp_gather(lane, rndis, packet, spans, &bytes) < 0) {
        enlh_net_count(&lane->port->counts.refused, 1);
        enlh_net_slot_status(lane, slot, ENL_NVSP_STATUS_INVALID_RNDIS);
    } else if (rndis->channel_type == ENL_NVSP_CHANNEL_CONTROL) {
        nvsp_rndis_control(lane, slot, &bytes);
    } else {
        enlh_net_tx_packet(lane, slot, &bytes);
    }
}

/* What a message needs to be carried out to its end is there. */
static bool
nvsp_ready(struct enlh_net_lane *lane, const struct enl_nvsp_message *message)
{
    if (message->type != ENL_NVSP_RNDIS)
        return true;
    if (message->u.rndis.channel_type == ENL_NVSP_CHANNEL_CONTROL && lane->rx.control)
        return lane->rx.control_count > 0;
    return lane->tx_free_count >= ENLH_NET_PACKETS && enlh_net_tx_retry(lane);
}

int
enlh_net_nvsp_packet(void *dev, struct enlh_channel *channel,
                     const struct enlh_packet *packet)
{
    struct enlh_net_port *port = dev;
    struct enlh_net_lane *lane = port->lane;
    struct enl_nvsp_message message = {0};
    struct enlh_net_slot *slot;

    (void)channel;
    if (packet->type == ENL_PACKET_COMPLETION)
        return enlh_net_rx_completed(lane, packet->transaction_id);
    if (packet->payload_len < sizeof(message.type) ||
        (packet->type != ENL_PACKET_INBAND && packet->type != ENL_PACKET_GPA_DIRECT)) {
        enlh_net_count(&port->counts.refused, 1);
        return -ENL_E_PROTO;
    }
    memcpy(&message, packet->payload,
           packet->payload_len < sizeof(message) ? packet->payload_len : sizeof(message));
    if (!nvsp_ready(lane, &message))
        return -ENL_E_AGAIN;
    slot = enlh_net_slot_get(lane, packet);
    if (!slot)
        return -ENL_E_AGAIN;
    if (message.type == ENL_NVSP_RNDIS)
        nvsp_rndis(lane, slot, &message.u.rndis, packet);
    else
        nvsp_control(lane, slot, &message);
    return 0;
}
