/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/ic.c - the framing and the negotiation of the integration services
 *
 * Run by the kernel's poll; the host sends requests, each copied out of the ring before it
 * is looked at. A request shorter than its headers breaks the protocol; one of another
 * service, or before versions are agreed on, is answered with a failure.
 * Tests: test/unit/guest_ic.c, test/loop/contact.c.
 */
#include "guest/dev/ic.h"

#define POLL_MAX 16

static struct ic *
ic_of(struct enlg_ic *ic)
{
    return (struct ic *)ic;
}

/* ---- life ---- */

static void
channel_event(void *ctx, struct enlg_channel *channel, enum enlg_channel_event event,
              int status)
{
    struct ic *ic = ctx;

    (void)channel;
    if (event == ENLG_CHANNEL_OPENED && status == 0)
        __atomic_store_n(&ic->opened, true, __ATOMIC_RELEASE);
    if (event == ENLG_CHANNEL_RESCINDED && ic->config.signal)
        ic->config.signal(ic->config.ctx);
    if (event == ENLG_CHANNEL_CLOSED && ic->config.stopped)
        ic->config.stopped(ic->config.ctx);
}

static void
channel_signal(void *ctx, struct enlg_channel *channel)
{
    struct ic *ic = ctx;

    (void)channel;
    if (ic->config.signal)
        ic->config.signal(ic->config.ctx);
}

int
enlg_ic_start(struct enlg_ic *out, struct enlg_channel *channel,
              const struct enlg_ic_config *config, const struct ic_service *service)
{
    struct ic *ic = ic_of(out);
    struct enlg_channel_config c = {
        .size = sizeof(c),
        .ring = config->ring,
        .send_len = ENLG_IC_RING_LEN,
        .recv_len = ENLG_IC_RING_LEN,
        .vp = config->vp,
        .event = channel_event,
        .signal = channel_signal,
        .ctx = ic,
    };

    if (config->size != sizeof(*config) || !config->buffer ||
        ((uintptr_t)config->buffer & 7) != 0)
        return -ENL_E_INVAL;
    ic->channel = channel;
    ic->service = service;
    ic->config = *config;
    return enlg_channel_open(channel, &c);
}

int
enlg_ic_stop(struct enlg_ic *ic)
{
    return enlg_channel_close(ic_of(ic)->channel);
}

/* ---- negotiation ---- */

static const struct enl_ic_version frameworks[] = {ENL_IC_FRAMEWORK_3_0,
                                                   ENL_IC_FRAMEWORK_1_0};

/* The newest of ours that is in the host's list. */
static bool
version_choose(const struct enl_ic_version *ours, uint32_t our_count, const uint8_t *list,
               uint32_t count, struct enl_ic_version *out)
{
    for (uint32_t i = 0; i < our_count; i++) {
        for (uint32_t k = 0; k < count; k++) {
            struct enl_ic_version v;

            memcpy(&v, list + k * sizeof(v), sizeof(v));
            if (v.major == ours[i].major && v.minor == ours[i].minor) {
                *out = v;
                return true;
            }
        }
    }
    return false;
}

/* The choice takes the place of the lists; count 0 and 0 refuses. */
static void
negotiate_answer(struct ic *ic, uint8_t *body, bool agreed)
{
    struct enl_ic_negotiate head = {.framework_count = agreed, .message_count = agreed};

    memcpy(body, &head, sizeof(head));
    if (!agreed) {
        memset(&ic->framework, 0, sizeof(ic->framework));
        memset(&ic->version, 0, sizeof(ic->version));
        return;
    }
    memcpy(body + sizeof(head), &ic->framework, sizeof(ic->framework));
    memcpy(body + sizeof(head) + sizeof(ic->framework), &ic->version,
           sizeof(ic->version));
}

static uint32_t
negotiate(struct ic *ic, uint8_t *body, uint32_t len)
{
    const struct ic_service *s = ic->service;
    const uint32_t each = sizeof(struct enl_ic_version);
    struct enl_ic_negotiate head;
    const uint8_t *list = body + sizeof(head);
    bool agreed;

    if (len < sizeof(head) + 2 * each)
        return ENL_IC_STATUS_FAIL;
    memcpy(&head, body, sizeof(head));
    if ((uint32_t)head.framework_count + head.message_count > (len - sizeof(head)) / each)
        return ENL_IC_STATUS_FAIL;
    agreed =
        version_choose(frameworks, 2, list, head.framework_count, &ic->framework) &&
        version_choose(s->versions, s->version_count, list + head.framework_count * each,
                       head.message_count, &ic->version);
    negotiate_answer(ic, body, agreed);
    return ENL_IC_STATUS_SUCCESS;
}

/* ---- requests ---- */

static uint32_t
request_answer(struct ic *ic, uint16_t type, uint8_t *body, uint32_t len)
{
    if (type == ENL_IC_NEGOTIATE)
        return negotiate(ic, body, len);
    if (type != ic->service->message_type || ic->version.major == 0)
        return ENL_IC_STATUS_FAIL;
    ic->answered++;
    return ic->service->request(ic, body, len);
}

/* Make the message in the buffer its own answer. Returns 0, or -ENL_E_PROTO. */
static int
message_answer(struct ic *ic, uint8_t *message, uint32_t len)
{
    struct enl_ic_message head;

    if (len < sizeof(head))
        return -ENL_E_PROTO;
    memcpy(&head, message, sizeof(head));
    if (head.pipe.type != ENL_PIPE_DATA || head.ic.size > len - sizeof(head) ||
        !(head.ic.flags & ENL_IC_FLAG_REQUEST))
        return -ENL_E_PROTO;
    head.ic.status =
        request_answer(ic, head.ic.message_type, message + sizeof(head), head.ic.size);
    head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE;
    memcpy(message, &head, sizeof(head));
    return 0;
}

/* Returns 1 when the answer went out, 0 when it has to wait, or a failure. */
static int
answer_send(struct ic *ic)
{
    struct enlg_send send = {
        .payload = ic->config.buffer,
        .payload_len = ic->waiting_len,
        .transaction_id = ic->transaction_id,
    };
    int rc = enlg_packet_put(ic->channel, &send);

    if (rc == -ENL_E_AGAIN)
        return enlg_packet_wait(ic->channel, ic->waiting_len, 0) ? answer_send(ic) : 0;
    if (rc)
        return rc;
    ic->waiting_len = 0;
    rc = enlg_packet_publish(ic->channel);
    if (rc)
        return rc;
    if (ic->service->answered)
        ic->service->answered(ic);
    return 1;
}

/* Returns 1 when a message was answered, 0 when there is none, or a failure. */
static int
message_take(struct ic *ic)
{
    struct enlg_packet packet;
    int rc;

    if (ic->waiting_len)
        return answer_send(ic);
    rc = enlg_packet_get(ic->channel, ic->config.buffer, ENLG_IC_BUFFER_LEN, &packet);
    if (rc == -ENL_E_MSGSIZE)
        return -ENL_E_PROTO;
    if (rc <= 0)
        return rc;
    if (packet.type != ENL_PACKET_INBAND || packet.desc_len != 0)
        return -ENL_E_PROTO;
    rc = message_answer(ic, ic->config.buffer, packet.payload_len);
    if (rc)
        return rc;
    ic->waiting_len = packet.payload_len;
    ic->transaction_id = packet.transaction_id;
    return answer_send(ic);
}

int
enlg_ic_poll(struct enlg_ic *out)
{
    struct ic *ic = ic_of(out);
    int count = 0;

    if (!__atomic_load_n(&ic->opened, __ATOMIC_ACQUIRE))
        return 0;
    do {
        int rc = 1;

        while (count < POLL_MAX && (rc = message_take(ic)) == 1)
            count++;
        if (rc < 0)
            return rc;
        if (count == POLL_MAX)
            return count;
        /* An answer without room: its signal comes, and what came in waits behind it. */
    } while (enlg_packet_sleep(ic->channel) && ic->waiting_len == 0);
    return count;
}

/* ---- questions ---- */

static uint32_t
version_number(struct enl_ic_version v)
{
    return (uint32_t)v.major << 16 | v.minor;
}

uint32_t
enlg_ic_framework(const struct enlg_ic *ic)
{
    return version_number(((const struct ic *)ic)->framework);
}

uint32_t
enlg_ic_version(const struct enlg_ic *ic)
{
    return version_number(((const struct ic *)ic)->version);
}

uint64_t
enlg_ic_answered(const struct enlg_ic *ic)
{
    return ((const struct ic *)ic)->answered;
}
