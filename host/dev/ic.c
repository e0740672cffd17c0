/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/ic.c - what the integration services share: frame, negotiation, transactions
 *
 * Runs on a channel's worker when the guest has opened a service: it sends the list of
 * versions, takes the guest's choice, and from then on lets the service send requests.
 * The guest can send anything at any time. A packet that has not the frame of this
 * protocol costs it the channel; a packet in the frame that answers nothing we asked, in
 * the wrong state, of another type, without the answer's flags or with an id that is not
 * waiting, is counted and dropped. So an answer is taken once, and nothing unasked is.
 * Each opening starts anew: a guest negotiates again after a restart or a resume.
 * [Seen: Linux 6.12, hv_util.c and channel_mgmt.c: the guest turns the very packet round]
 * Tests: test/unit/ic_negotiate.c, ic_discipline.c.
 */
#include "host/dev/ic.h"

#include <string.h>

#include "enlight/abi/ring.h"
#include "enlight/abi/vmbus.h"
#include "host/core/log.h"
#include "host/core/ops.h"

#define REQUEST (ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST)
#define ANSWER  (ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE)
#define ALL     (ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_REQUEST | ENL_IC_FLAG_RESPONSE)

enum {
    HEAD_LEN = sizeof(struct enl_ic_message),
    IC_LEN = sizeof(struct enl_ic_header),
    PIPE_LEN = sizeof(struct enl_pipe_header),
    PAYLOAD_MAX = 8192, /* no answer is longer than what was asked, rounded up */
    FRAMEWORKS = 2,
};

/* Oldest first: guests before 2012 look for 3.0 in the second place. [Seen: Linux 3.2] */
static const struct enl_ic_version frameworks[FRAMEWORKS] = {
    ENL_IC_FRAMEWORK_1_0,
    ENL_IC_FRAMEWORK_3_0,
};

static uint32_t
number_of(struct enl_ic_version version)
{
    return (uint32_t)version.major << 16 | version.minor;
}

static struct enl_ic_version
version_of(uint32_t number)
{
    return (struct enl_ic_version){(uint16_t)(number >> 16), (uint16_t)number};
}

void
enlh_ic_lock(struct enlh_ic *ic)
{
    enlh_ops_lock(ic->partition, ic->lock);
}

void
enlh_ic_unlock(struct enlh_ic *ic)
{
    enlh_ops_unlock(ic->partition, ic->lock);
}

void
enlh_ic_tell(struct enlh_ic *ic, enum enlh_ic_event event, uint32_t status)
{
    if (ic->config.event)
        ic->config.event(ic->config.ctx, event, ic->framework, ic->version, status);
}

/* ready follows the state, for the threads that may not look at it. */
static void
set_state(struct enlh_ic *ic, enum enlh_ic_state state)
{
    enlh_log(ic->partition, ENLH_LOG_DEBUG, "%s: state %d, was %d", ic->service->name,
             state, ic->state);
    ic->state = state;
    enlh_ic_lock(ic);
    ic->ready = state == ENLH_IC_STATE_RUNNING;
    enlh_ic_unlock(ic);
}

/* ---- towards the guest ---- */

uint64_t
enlh_ic_next(const struct enlh_ic *ic)
{
    return ic->sent;
}

static int
send_message(struct enlh_ic *ic, uint16_t type, const void *body, uint32_t len)
{
    uint8_t id = (uint8_t)ic->sent;
    struct enl_ic_message head = {
        .pipe = {ENL_PIPE_DATA, IC_LEN + len},
        .ic =
            {
                .framework = version_of(ic->framework),
                .message_type = type,
                .message_version = version_of(ic->version),
                .size = (uint16_t)len,
                .transaction_id = id,
                .flags = REQUEST,
            },
    };
    int result;

    if (len > ENLH_IC_BODY_MAX)
        return -ENL_E_MSGSIZE;
    /* 256 requests ago, and still no answer: two of one id could not be told apart. */
    if (enl_bitmap_test(ic->waiting, id))
        return -ENL_E_AGAIN;
    memcpy(ic->buffer, &head, HEAD_LEN);
    memcpy(ic->buffer + HEAD_LEN, body, len);
    result = enlh_channel_send(ic->channel, ic->sent, false, ic->buffer, HEAD_LEN + len);
    if (result < 0)
        return result;
    enl_bitmap_set(ic->waiting, id);
    ic->waiting_count++;
    ic->sent++;
    return 0;
}

int
enlh_ic_request(struct enlh_ic *ic, const void *body, uint32_t len)
{
    if (ic->waiting_count >= ic->service->window)
        return -ENL_E_AGAIN;
    return send_message(ic, ic->service->message_type, body, len);
}

/* On failure for want of room it is asked again: the state stays. */
static void
ask_versions(struct enlh_ic *ic)
{
    const struct enl_ic_negotiate counts = {
        .framework_count = FRAMEWORKS,
        .message_count = (uint16_t)ic->offered,
    };
    uint8_t body[sizeof(counts) + sizeof(frameworks) + sizeof(ic->service->versions)];
    uint32_t versions_len = ic->offered * (uint32_t)sizeof(struct enl_ic_version);

    memcpy(body, &counts, sizeof(counts));
    memcpy(body + sizeof(counts), frameworks, sizeof(frameworks));
    memcpy(body + sizeof(counts) + sizeof(frameworks), ic->service->versions,
           versions_len);
    if (send_message(ic, ENL_IC_NEGOTIATE, body,
                     (uint32_t)(sizeof(counts) + sizeof(frameworks)) + versions_len) == 0)
        set_state(ic, ENLH_IC_STATE_WAITING);
}

static void
ic_run(void *dev, struct enlh_channel *channel)
{
    struct enlh_ic *ic = dev;

    (void)channel;
    if (ic->state == ENLH_IC_STATE_ASKING)
        ask_versions(ic);
    else if (ic->state == ENLH_IC_STATE_RUNNING)
        ic->service->run(ic);
}

/* ---- from the guest ---- */

/* Well framed, and not what was asked for. */
static int
refuse(struct enlh_ic *ic, const struct enl_ic_header *head, const char *why)
{
    ic->refused++;
    enlh_log_guest(ic->partition, "%s: a message of type %u, flags %x, id %u refused: %s",
                   ic->service->name, (unsigned)head->message_type, (unsigned)head->flags,
                   (unsigned)head->transaction_id, why);
    return 0;
}

static bool
was_offered(const struct enl_ic_version *list, uint32_t count,
            struct enl_ic_version version)
{
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].major == version.major && list[i].minor == version.minor)
            return true;
    }
    return false;
}

static void
reject(struct enlh_ic *ic, uint32_t status)
{
    enlh_log_guest(ic->partition, "%s: the guest takes none of the versions",
                   ic->service->name);
    set_state(ic, ENLH_IC_STATE_REJECTED);
    enlh_ic_tell(ic, ENLH_IC_REFUSED,
                 status == ENL_IC_STATUS_SUCCESS ? ENL_IC_STATUS_NOT_SUPPORTED : status);
}

static void
agree(struct enlh_ic *ic, struct enl_ic_version framework, struct enl_ic_version version)
{
    ic->framework = number_of(framework);
    enlh_ic_lock(ic);
    ic->version = number_of(version);
    enlh_ic_unlock(ic);
    enlh_channel_set_protocol(ic->channel, number_of(version));
    enlh_log(ic->partition, ENLH_LOG_INFO, "%s: version %u.%u, framework %u.%u",
             ic->service->name, (unsigned)version.major, (unsigned)version.minor,
             (unsigned)framework.major, (unsigned)framework.minor);
    if (ic->service->ready)
        ic->service->ready(ic);
    set_state(ic, ENLH_IC_STATE_RUNNING);
    enlh_ic_tell(ic, ENLH_IC_READY, ENL_IC_STATUS_SUCCESS);
    ic->service->run(ic);
}

/* The counts say how many versions follow: one and one is a choice, none is a refusal. */
static int
negotiated(struct enlh_ic *ic, const struct enlh_ic_answer *answer)
{
    struct enl_ic_version chosen[2];
    struct enl_ic_negotiate counts;

    if (answer->len < sizeof(counts))
        return -ENL_E_PROTO;
    memcpy(&counts, answer->body, sizeof(counts));
    if (counts.framework_count == 0 || counts.message_count == 0) {
        reject(ic, answer->status);
        return 0;
    }
    if (counts.framework_count != 1 || counts.message_count != 1 ||
        answer->len < sizeof(counts) + sizeof(chosen))
        return -ENL_E_PROTO;
    memcpy(chosen, answer->body + sizeof(counts), sizeof(chosen));
    if (!was_offered(frameworks, FRAMEWORKS, chosen[0]) ||
        !was_offered(ic->service->versions, ic->offered, chosen[1]))
        return -ENL_E_PROTO;
    agree(ic, chosen[0], chosen[1]);
    return 0;
}

/* What is wrong with the header, or NULL when it answers a request of ours. */
static const char *
undisciplined(const struct enlh_ic *ic, const struct enl_ic_header *head)
{
    uint16_t type = ic->state == ENLH_IC_STATE_WAITING ? (uint16_t)ENL_IC_NEGOTIATE
                                                       : ic->service->message_type;

    if (ic->state != ENLH_IC_STATE_WAITING && ic->state != ENLH_IC_STATE_RUNNING)
        return "nothing was asked";
    if ((head->flags & ALL) != ANSWER)
        return "not the flags of an answer";
    if (head->message_type != type)
        return "not the type that was asked for";
    if (!enl_bitmap_test(ic->waiting, head->transaction_id))
        return "no such transaction";
    return NULL;
}

/* The frame. Lengths are those of the guest's packet, which has been copied. */
static bool
unwrap(const struct enlh_packet *packet, struct enl_ic_message *head)
{
    if (packet->type != ENL_PACKET_INBAND || packet->payload_len < HEAD_LEN)
        return false;
    memcpy(head, packet->payload, HEAD_LEN);
    if (head->pipe.type != ENL_PIPE_DATA || head->pipe.size < IC_LEN ||
        head->pipe.size > packet->payload_len - PIPE_LEN)
        return false;
    return head->ic.size <= head->pipe.size - IC_LEN;
}

static int
ic_packet(void *dev, struct enlh_channel *channel, const struct enlh_packet *packet)
{
    struct enlh_ic *ic = dev;
    struct enlh_ic_answer answer;
    struct enl_ic_message head;
    const char *why;

    (void)channel;
    if (!unwrap(packet, &head))
        return -ENL_E_PROTO;
    why = undisciplined(ic, &head.ic);
    if (why)
        return refuse(ic, &head.ic, why);
    enl_bitmap_clear(ic->waiting, head.ic.transaction_id);
    ic->waiting_count--;
    answer = (struct enlh_ic_answer){
        /* The last number whose low byte is the id. */
        .number = ic->sent - 1 - (uint8_t)(ic->sent - 1 - head.ic.transaction_id),
        .status = head.ic.status,
        .body = (const uint8_t *)packet->payload + HEAD_LEN,
        .len = head.ic.size,
    };
    if (ic->state == ENLH_IC_STATE_WAITING)
        return negotiated(ic, &answer);
    if (ic->service->answer(ic, &answer) < 0)
        return refuse(ic, &head.ic, "not an answer to it");
    /* The window has room again. */
    ic->service->run(ic);
    return 0;
}

/* ---- a channel's life ---- */

static int
ic_open(void *dev, struct enlh_channel *channel)
{
    struct enlh_ic *ic = dev;

    (void)channel;
    ic->framework = 0;
    ic->sent = 0;
    ic->waiting_count = 0;
    memset(ic->waiting, 0, sizeof(ic->waiting));
    enlh_ic_lock(ic);
    ic->version = 0;
    enlh_ic_unlock(ic);
    set_state(ic, ENLH_IC_STATE_ASKING);
    return 0;
}

static void
ic_close(void *dev, struct enlh_channel *channel)
{
    struct enlh_ic *ic = dev;

    (void)channel;
    set_state(ic, ENLH_IC_STATE_CLOSED);
    if (ic->service->closed)
        ic->service->closed(ic);
}

static void
ic_removed(void *dev, struct enlh_channel *channel)
{
    struct enlh_ic *ic = dev;

    (void)channel;
    enlh_ops_lock_destroy(ic->partition, ic->lock);
    enlh_ops_free(ic->partition, ic, ic->len);
}

static const struct enlh_channel_ops ic_ops = {
    .size = sizeof(ic_ops),
    .max_payload = PAYLOAD_MAX,
    .open = ic_open,
    .close = ic_close,
    .packet = ic_packet,
    .run = ic_run,
    .removed = ic_removed,
};

static int
offer(struct enlh_vmbus *bus, struct enlh_ic *ic)
{
    struct enlh_offer pipe = {
        .size = sizeof(pipe),
        .type = ic->service->class_id,
        .instance = ic->service->instance,
        .flags = ENL_OFFER_ENUMERATE | ENL_OFFER_NAMED_PIPE,
        .user_defined = {ENL_PIPE_TYPE_MESSAGE},
        .name = ic->service->name,
    };

    return enlh_channel_offer(bus, &pipe, &ic_ops, ic, &ic->channel);
}

/* How many versions the cap leaves. */
static uint32_t
capped(const struct enlh_ic_service *service, uint32_t max_version)
{
    uint32_t count = service->version_count;

    while (max_version && count && number_of(service->versions[count - 1]) > max_version)
        count--;
    return count;
}

int
enlh_ic_create(struct enlh_vmbus *bus, const struct enlh_ic_config *config,
               const struct enlh_ic_service *service, size_t len, struct enlh_ic **out)
{
    struct enlh_partition *partition = enlh_vmbus_partition(bus);
    struct enlh_ic *ic;
    int result;

    if (config->size != sizeof(*config) || capped(service, config->max_version) == 0)
        return -ENL_E_INVAL;
    ic = enlh_ops_alloc(partition, len);
    if (!ic)
        return -ENL_E_NOMEM;
    ic->service = service;
    ic->config = *config;
    ic->partition = partition;
    ic->len = len;
    ic->offered = capped(service, config->max_version);
    ic->lock = enlh_ops_lock_create(partition);
    result = offer(bus, ic);
    if (result < 0) {
        ic_removed(ic, NULL);
        return result;
    }
    *out = ic;
    return 0;
}

void
enlh_ic_destroy(struct enlh_ic *ic)
{
    if (ic)
        enlh_channel_rescind(ic->channel);
}
