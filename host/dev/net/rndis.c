/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RNDIS control: requests of the driver and their answers, and what the NIC tells on its own.
 *
 * Runs: the guest, on the primary channel's thread; a link that changed, in that thread's
 * next turn. A request was copied as a whole before it comes here; each length and offset
 * in it is checked against that copy. An answer takes a control piece of the receive
 * buffer: there is one, or the request has stayed in the ring.
 *
 *   uninitialized --INITIALIZE--> initialized --HALT--> uninitialized
 *
 * QUERY, SET and indications belong to initialized. [MS-RNDIS 2.2, 3.2]
 * Tests: test/unit/net_rndis.c.
 */
#include "host/dev/net/net.h"

#include <string.h>

#include "common/checked.h"

#define HEADER_LEN ((uint32_t)sizeof(struct enl_rndis_header))

/* ---- towards the guest ---- */

void
enlh_net_rndis_drain(struct enlh_net_lane *lane)
{
    while (lane->reply_count && !lane->answers) {
        const struct enlh_net_reply *reply = &lane->replies[lane->reply_head];

        if (!enlh_net_rx_send(lane, reply->piece, reply->len))
            return;
        lane->reply_head = (lane->reply_head + 1) % ENLH_NET_CONTROL;
        lane->reply_count--;
    }
}

/*
 * Send lane->reply: a header, then len bytes. A guest that has taken its receive buffer
 * back hears nothing.
 */
static void
rndis_send(struct enlh_net_lane *lane, uint32_t type, uint32_t len)
{
    struct enl_rndis_header head = {.type = type, .len = HEADER_LEN + len};
    struct enlh_net_rx *rx = &lane->rx;
    uint32_t piece;

    if (!rx->control_count)
        return;
    memcpy(lane->reply, &head, sizeof(head));
    piece = rx->control_free[rx->control_count - 1];
    if (enlh_net_rx_write(lane, piece, lane->reply, head.len) < 0)
        return;
    rx->control_count--;
    lane->replies[(lane->reply_head + lane->reply_count++) % ENLH_NET_CONTROL] =
        (struct enlh_net_reply){.piece = piece, .len = head.len};
    enlh_net_rndis_drain(lane);
}

static void *
rndis_body(struct enlh_net_lane *lane, size_t len)
{
    memset(lane->reply, 0, HEADER_LEN + len);
    return lane->reply + HEADER_LEN;
}

static void
rndis_complete(struct enlh_net_lane *lane, uint32_t type, uint32_t request_id,
               uint32_t status)
{
    struct enl_rndis_complete *complete = rndis_body(lane, sizeof(*complete));

    complete->request_id = request_id;
    complete->status = status;
    rndis_send(lane, type | ENL_RNDIS_COMPLETION, sizeof(*complete));
}

static void
rndis_indicate(struct enlh_net_lane *lane, uint32_t status, const void *value,
               uint32_t len)
{
    struct enl_rndis_indicate *indicate = rndis_body(lane, sizeof(*indicate) + len);

    indicate->status = status;
    indicate->buffer_len = len;
    indicate->buffer_offset = len ? sizeof(*indicate) : 0;
    if (len)
        memcpy(indicate + 1, value, len);
    rndis_send(lane, ENL_RNDIS_INDICATE, (uint32_t)sizeof(*indicate) + len);
}

/* In units of 100 bit/s, as far as 32 bits go. */
static uint32_t
rndis_speed(uint64_t speed)
{
    return speed / 100 > UINT32_MAX ? UINT32_MAX : (uint32_t)(speed / 100);
}

/* Only a driver with the teaming capability wants to hear of the speed. */
void
enlh_net_rndis_link(struct enlh_net_lane *lane)
{
    struct enlh_net_rx *rx = &lane->rx;
    struct enlh_net_link link;
    uint32_t speed;

    if (!lane->rndis || rx->control_count < 2)
        return;
    enlh_net_link_now(lane->nic, &link);
    if (link.up != lane->told_up) {
        lane->told_up = link.up;
        rndis_indicate(lane,
                       link.up ? ENL_RNDIS_STATUS_MEDIA_CONNECT
                               : ENL_RNDIS_STATUS_MEDIA_DISCONNECT,
                       NULL, 0);
    }
    if (link.speed == lane->told_speed)
        return;
    lane->told_speed = link.speed;
    speed = rndis_speed(link.speed);
    if (lane->settings.capabilities & ENL_NVSP_CAPABILITY_TEAMING)
        rndis_indicate(lane, ENL_RNDIS_STATUS_LINK_SPEED, &speed, sizeof(speed));
}

/* ---- requests ---- */

static void
rndis_initialize(struct enlh_net_lane *lane, const void *body)
{
    const struct enl_rndis_initialize *request = body;
    struct enl_rndis_initialize_complete *complete = rndis_body(lane, sizeof(*complete));
    struct enlh_net_link link;

    complete->request_id = request->request_id;
    complete->status = request->major == ENL_RNDIS_VERSION_MAJOR
                           ? ENL_RNDIS_STATUS_SUCCESS
                           : ENL_RNDIS_STATUS_FAILURE;
    complete->major = ENL_RNDIS_VERSION_MAJOR;
    complete->minor = ENL_RNDIS_VERSION_MINOR;
    complete->device_flags = ENL_RNDIS_DEVICE_CONNECTIONLESS;
    complete->medium = ENL_RNDIS_MEDIUM_802_3;
    complete->max_packets = ENLH_NET_PACKETS;
    complete->max_transfer = ENLH_NET_TRANSFER;
    complete->alignment = 3;
    if (complete->status == ENL_RNDIS_STATUS_SUCCESS && !lane->rndis) {
        lane->rndis = true;
        enlh_net_link_now(lane->nic, &link);
        lane->told_up = link.up;
        lane->told_speed = link.speed;
    }
    rndis_send(lane, ENL_RNDIS_INITIALIZE | ENL_RNDIS_COMPLETION, sizeof(*complete));
}

/* Nothing comes to the guest any more, and what it had set is forgotten. */
static void
rndis_halt(struct enlh_net_lane *lane, const void *body)
{
    (void)body;
    lane->rndis = false;
    lane->settings.filter = 0;
    lane->settings.multicast_count = 0;
    enlh_net_set(lane);
}

/* The guest's buffer within the message; NULL: it is not wholly in it. */
static const uint8_t *
rndis_buffer(const struct enlh_net_lane *lane, const struct enl_rndis_query *query,
             uint32_t message_len)
{
    if (!enl_within(query->buffer_offset, query->buffer_len, message_len - HEADER_LEN))
        return NULL;
    return lane->request + HEADER_LEN + query->buffer_offset;
}

static uint32_t
rndis_message_len(const struct enlh_net_lane *lane)
{
    return ((const struct enl_rndis_header *)(const void *)lane->request)->len;
}

static void
rndis_query(struct enlh_net_lane *lane, const void *body)
{
    const struct enl_rndis_query *query = body;
    const uint8_t *in = rndis_buffer(lane, query, rndis_message_len(lane));
    struct enl_rndis_query_complete *complete = rndis_body(lane, sizeof(*complete));
    struct enlh_net_value value = {
        .bytes = (uint8_t *)(complete + 1),
        .max = sizeof(lane->reply) - HEADER_LEN - sizeof(*complete),
    };

    complete->request_id = query->request_id;
    complete->status = ENL_RNDIS_STATUS_INVALID_DATA;
    if (in && lane->rndis)
        complete->status = enlh_net_oid_query(lane, query->oid, &value);
    complete->buffer_len = value.len;
    complete->buffer_offset = value.len ? sizeof(*complete) : 0;
    rndis_send(lane, ENL_RNDIS_QUERY | ENL_RNDIS_COMPLETION,
               (uint32_t)sizeof(*complete) + value.len);
}

static void
rndis_set(struct enlh_net_lane *lane, const void *body)
{
    const struct enl_rndis_query *query = body;
    const uint8_t *in = rndis_buffer(lane, query, rndis_message_len(lane));
    uint32_t status = ENL_RNDIS_STATUS_INVALID_DATA;

    if (in && lane->rndis)
        status = enlh_net_oid_set(lane, query->oid, in, query->buffer_len);
    rndis_complete(lane, ENL_RNDIS_SET, query->request_id, status);
}

static void
rndis_reset(struct enlh_net_lane *lane, const void *body)
{
    struct enl_rndis_reset_complete *complete = rndis_body(lane, sizeof(*complete));

    (void)body;
    complete->status = ENL_RNDIS_STATUS_SUCCESS;
    rndis_send(lane, ENL_RNDIS_RESET | ENL_RNDIS_COMPLETION, sizeof(*complete));
}

static void
rndis_keepalive(struct enlh_net_lane *lane, const void *body)
{
    const struct enl_rndis_request *request = body;

    rndis_complete(lane, ENL_RNDIS_KEEPALIVE, request->request_id,
                   ENL_RNDIS_STATUS_SUCCESS);
}

/* By type; len is the least that a body has. */
static const struct {
    void (*fn)(struct enlh_net_lane *lane, const void *body);
    uint32_t len;
} rndis_operations[] = {
    [ENL_RNDIS_INITIALIZE] = {rndis_initialize, sizeof(struct enl_rndis_initialize)},
    [ENL_RNDIS_HALT] = {rndis_halt, sizeof(struct enl_rndis_request)},
    [ENL_RNDIS_QUERY] = {rndis_query, sizeof(struct enl_rndis_query)},
    [ENL_RNDIS_SET] = {rndis_set, sizeof(struct enl_rndis_query)},
    [ENL_RNDIS_RESET] = {rndis_reset, sizeof(struct enl_rndis_request)},
    [ENL_RNDIS_KEEPALIVE] = {rndis_keepalive, sizeof(struct enl_rndis_request)},
};

static bool
rndis_is_request(const struct enl_rndis_header *head, uint32_t len)
{
    return len >= HEADER_LEN && head->len >= HEADER_LEN && head->len <= len &&
           head->type < sizeof(rndis_operations) / sizeof(rndis_operations[0]) &&
           rndis_operations[head->type].fn &&
           head->len - HEADER_LEN >= rndis_operations[head->type].len;
}

/* Its packet is answered first: older drivers free with the answer what the packet holds. */
void
enlh_net_rndis_control(struct enlh_net_lane *lane, struct enlh_net_slot *slot,
                       uint32_t len)
{
    const struct enl_rndis_header *head = (const void *)lane->request;

    if (!rndis_is_request(head, len)) {
        enlh_net_count(&lane->port->counts.refused, 1);
        enlh_net_slot_status(lane, slot, ENL_NVSP_STATUS_INVALID_RNDIS);
        return;
    }
    enlh_net_slot_status(lane, slot, ENL_NVSP_STATUS_SUCCESS);
    enlh_net_count(&lane->port->counts.control, 1);
    rndis_operations[head->type].fn(lane, head + 1);
}
