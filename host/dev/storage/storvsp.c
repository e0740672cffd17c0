/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The storage protocol: which operation a channel takes in which state, and the answers
 * that need no disk.
 *
 * Runs: the guest, with any packet in any state, on a channel's thread. The packet is
 * copied once and answered in place, as long as it came. Every answer is a completion with
 * operation COMPLETE_IO. An operation that does not belong to the state is refused and
 * counted; a packet without a whole header, or of another type, costs the channel.
 *
 *              BEGIN_INIT   QUERY_VERSION   QUERY_PROPERTIES   END_INIT
 *   BEGIN ----------> VERSION ----------> PROPERTIES ----------> END ----------> READY
 *
 * CREATE_SUB_CHANNELS belongs to END and READY of a primary channel; SRBs and resets to
 * READY. A sub-channel is READY from the start.
 * Tests: test/unit/storage_storvsp.c.
 */
#include "host/dev/storage/controller.h"

#include <string.h>

#include "enlight/abi/ring.h"
#include "host/core/log.h"

#define STORVSP_HEADER_LEN 12u

#define IN(state) (1u << (state))

/* Answers by its return value, an ENL_STORAGE_STATUS_; the union is zeroed before. */
typedef uint32_t (*storvsp_fn)(struct enlh_lane *lane,
                               const struct enl_storage_packet *packet,
                               struct enl_storage_packet *answer);

struct storvsp_operation {
    storvsp_fn fn;
    uint8_t states; /* where it is legal */
    bool primary;   /* not on a sub-channel */
};

/* A guest may come here as often as it likes: only the first time is worth a line. */
static void
storvsp_set_state(struct enlh_lane *lane, enum enlh_storvsp_state state)
{
    struct enlh_storage_port *port = lane->port;

    lane->state = state;
    if (state != ENLH_STORVSP_READY)
        return;
    enlh_log(lane->storage->partition, port->announced ? ENLH_LOG_DEBUG : ENLH_LOG_INFO,
             "%s: storage protocol %u.%u", lane->storage->name, lane->version >> 8u,
             lane->version & 0xffu);
    port->announced = true;
}

static uint32_t
storvsp_begin(struct enlh_lane *lane, const struct enl_storage_packet *packet,
              struct enl_storage_packet *answer)
{
    (void)packet;
    (void)answer;
    storvsp_set_state(lane, ENLH_STORVSP_VERSION);
    return ENL_STORAGE_STATUS_SUCCESS;
}

static bool
storvsp_knows(uint16_t version)
{
    return version == ENL_STORAGE_VERSION_WIN10 ||
           version == ENL_STORAGE_VERSION_WIN8_1 || version == ENL_STORAGE_VERSION_WIN8 ||
           version == ENL_STORAGE_VERSION_WIN7 || version == ENL_STORAGE_VERSION_WIN6;
}

static uint32_t
storvsp_version(struct enlh_lane *lane, const struct enl_storage_packet *packet,
                struct enl_storage_packet *answer)
{
    answer->u.version.version = packet->u.version.version;
    if (!storvsp_knows(packet->u.version.version))
        return ENL_STORAGE_STATUS_REVISION_MISMATCH;
    lane->version = packet->u.version.version;
    enlh_channel_set_protocol(lane->channel,
                              (lane->version & 0xff00u) << 8u | (lane->version & 0xffu));
    storvsp_set_state(lane, ENLH_STORVSP_PROPERTIES);
    return ENL_STORAGE_STATUS_SUCCESS;
}

static uint16_t
storvsp_max_subchannels(const struct enlh_lane *lane)
{
    return lane->version >= ENL_STORAGE_VERSION_WIN8
               ? lane->storage->config.max_subchannels
               : 0;
}

static uint32_t
storvsp_properties(struct enlh_lane *lane, const struct enl_storage_packet *packet,
                   struct enl_storage_packet *answer)
{
    struct enl_storage_properties *properties = &answer->u.properties;

    (void)packet;
    properties->max_sub_channels = storvsp_max_subchannels(lane);
    if (properties->max_sub_channels)
        properties->flags = ENL_STORAGE_PROPERTY_MULTI_CHANNEL;
    properties->max_transfer_len = lane->storage->config.max_transfer;
    storvsp_set_state(lane, ENLH_STORVSP_END);
    return ENL_STORAGE_STATUS_SUCCESS;
}

static uint32_t
storvsp_end(struct enlh_lane *lane, const struct enl_storage_packet *packet,
            struct enl_storage_packet *answer)
{
    (void)packet;
    (void)answer;
    storvsp_set_state(lane, ENLH_STORVSP_READY);
    return ENL_STORAGE_STATUS_SUCCESS;
}

static uint32_t
storvsp_subchannels(struct enlh_lane *lane, const struct enl_storage_packet *packet,
                    struct enl_storage_packet *answer)
{
    (void)answer;
    if (packet->u.sub_channel_count > storvsp_max_subchannels(lane))
        return ENL_STORAGE_STATUS_INVALID_PARAMETER;
    enlh_storage_want(lane->storage, packet->u.sub_channel_count);
    return ENL_STORAGE_STATUS_SUCCESS;
}

/*
 * Resets have no function: they are answered when nothing is in flight. Nor have SRBs: in
 * READY they never come here.
 */
static const struct storvsp_operation storvsp_operations[] = {
    [ENL_STORAGE_EXECUTE_SRB] = {NULL, IN(ENLH_STORVSP_READY), false},
    [ENL_STORAGE_RESET_LUN] = {NULL, IN(ENLH_STORVSP_READY), false},
    [ENL_STORAGE_RESET_ADAPTER] = {NULL, IN(ENLH_STORVSP_READY), false},
    [ENL_STORAGE_RESET_BUS] = {NULL, IN(ENLH_STORVSP_READY), false},
    [ENL_STORAGE_BEGIN_INIT] = {storvsp_begin, IN(ENLH_STORVSP_BEGIN), true},
    [ENL_STORAGE_END_INIT] = {storvsp_end, IN(ENLH_STORVSP_END), true},
    [ENL_STORAGE_QUERY_VERSION] = {storvsp_version, IN(ENLH_STORVSP_VERSION), true},
    [ENL_STORAGE_QUERY_PROPERTIES] = {storvsp_properties, IN(ENLH_STORVSP_PROPERTIES),
                                      true},
    [ENL_STORAGE_CREATE_SUB_CHANNELS] = {storvsp_subchannels,
                                         IN(ENLH_STORVSP_END) | IN(ENLH_STORVSP_READY),
                                         true},
};

/* The operation, if it is legal here and now; else NULL and why. */
static const struct storvsp_operation *
storvsp_find(const struct enlh_lane *lane, uint32_t number, uint32_t *status)
{
    const struct storvsp_operation *operation = NULL;

    if (number < sizeof(storvsp_operations) / sizeof(storvsp_operations[0]))
        operation = &storvsp_operations[number];
    *status = ENL_STORAGE_STATUS_INVALID_DEVICE_REQUEST;
    if (!operation || !operation->states)
        return NULL;
    *status = ENL_STORAGE_STATUS_INVALID_DEVICE_STATE;
    if (!(operation->states & IN(lane->state)) ||
        (operation->primary && lane->port->index))
        return NULL;
    return operation;
}

static void
storvsp_control(struct enlh_lane_request *request)
{
    struct enlh_lane *lane = request->lane;
    struct enl_storage_packet packet = request->packet;
    struct enl_storage_packet *answer = &request->packet;
    const struct storvsp_operation *operation;
    uint32_t status;

    memset(answer, 0, sizeof(*answer));
    answer->operation = ENL_STORAGE_COMPLETE_IO;
    operation = storvsp_find(lane, packet.operation, &status);
    if (!operation) {
        enlh_storage_count(&lane->port->counts.refused, 1);
    } else if (operation->fn) {
        status = operation->fn(lane, &packet, answer);
    } else if (lane->in_flight) {
        lane->reset = request;
        return;
    } else {
        status = ENL_STORAGE_STATUS_SUCCESS;
    }
    answer->status = status;
    enlh_lane_answer(request);
}

static void
storvsp_take(struct enlh_lane_request *request, const struct enlh_packet *packet)
{
    uint32_t len = packet->payload_len;

    if (len >= sizeof(request->packet)) {
        len = sizeof(request->packet);
    } else {
        memset(&request->packet, 0, sizeof(request->packet));
    }
    memcpy(&request->packet, packet->payload, len);
    request->packet_len = len;
    request->transaction_id = packet->transaction_id;
}

/* After a reset nothing new starts until what was before it is done. */
int
enlh_storvsp_packet(void *dev, struct enlh_channel *channel,
                    const struct enlh_packet *packet)
{
    struct enlh_storage_port *port = dev;
    struct enlh_lane *lane = port->lane;
    struct enlh_lane_request *request;
    int result = 0;

    (void)channel;
    if (packet->payload_len < STORVSP_HEADER_LEN ||
        (packet->type != ENL_PACKET_INBAND && packet->type != ENL_PACKET_GPA_DIRECT)) {
        enlh_storage_count(&port->counts.refused, 1);
        return -ENL_E_PROTO;
    }
    if (lane->reset)
        return -ENL_E_AGAIN;
    request = enlh_lane_get(lane);
    if (!request)
        return -ENL_E_AGAIN;

    storvsp_take(request, packet);
    if (request->packet.operation == ENL_STORAGE_EXECUTE_SRB &&
        lane->state == ENLH_STORVSP_READY)
        result = enlh_srb_execute(request, packet);
    else
        storvsp_control(request);
    if (result < 0)
        enlh_lane_put(request);
    return result;
}

/* Returns false when there is no room. */
static bool
storvsp_notify(struct enlh_lane *lane, uint32_t operation)
{
    struct enl_storage_packet packet;

    memset(&packet, 0, sizeof(packet));
    packet.operation = operation;
    return enlh_channel_send(lane->channel, 0, false, &packet, sizeof(packet)) !=
           -ENL_E_AGAIN;
}

/*
 * A driver that is not ready yet looks for itself when it is. Both say the same to Linux:
 * look at every unit that there was, and for new ones.
 */
void
enlh_storvsp_tell(struct enlh_lane *lane)
{
    struct enlh_storage *storage = lane->storage;
    unsigned news;

    if (lane->state != ENLH_STORVSP_READY)
        return;
    news = atomic_exchange(&storage->news, 0);
    if ((news & ENLH_NEWS_REMOVE) && storvsp_notify(lane, ENL_STORAGE_REMOVE_DEVICE))
        news &= ~ENLH_NEWS_REMOVE;
    if ((news & ENLH_NEWS_ENUMERATE) && storvsp_notify(lane, ENL_STORAGE_ENUMERATE_BUS))
        news &= ~ENLH_NEWS_ENUMERATE;
    if (news)
        atomic_fetch_or(&storage->news, news);
}
