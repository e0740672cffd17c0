/* SPDX-License-Identifier: BSD-2-Clause */
/* test/unit/fake_pipe.c - a bus of one channel without rings, and a guest that answers */
#include <stdlib.h>
#include <string.h>

#include "fake_pipe.h"

/* ---- the bus ---- */

struct enlh_partition *
enlh_vmbus_partition(const struct enlh_vmbus *bus)
{
    return bus->fake->partition;
}

int
enlh_channel_offer(struct enlh_vmbus *bus, const struct enlh_offer *offer,
                   const struct enlh_channel_ops *ops, void *dev,
                   struct enlh_channel **out)
{
    struct fake_pipe *pipe = bus->pipe;

    assert_int_equal(offer->size, sizeof(*offer));
    assert_int_equal(ops->size, sizeof(*ops));
    assert_null(pipe->ops);
    if (pipe->offer_result)
        return pipe->offer_result;
    pipe->offer = *offer;
    pipe->ops = ops;
    pipe->dev = dev;
    *out = &pipe->channel;
    return 0;
}

void
enlh_channel_rescind(struct enlh_channel *channel)
{
    struct fake_pipe *pipe = channel->pipe;
    const struct enlh_channel_ops *ops = pipe->ops;

    assert_non_null(ops);
    if (pipe->open)
        pipe_close(pipe);
    pipe->ops = NULL;
    ops->removed(pipe->dev, channel);
}

void
enlh_channel_set_protocol(struct enlh_channel *channel, uint32_t version)
{
    (void)channel;
    (void)version;
}

void
enlh_channel_wake(struct enlh_channel *channel)
{
    channel->pipe->wakes++;
}

int
enlh_channel_send(struct enlh_channel *channel, uint64_t transaction_id,
                  bool wants_completion, const void *payload, uint32_t len)
{
    struct fake_pipe *pipe = channel->pipe;
    struct pipe_message *message =
        &pipe->sent[(pipe->sent_first + pipe->sent_count) % PIPE_SENT];

    assert_true(pipe->open);
    assert_false(wants_completion);
    if (pipe->send_result)
        return pipe->send_result;
    assert_true(pipe->sent_count < PIPE_SENT);
    assert_true(len <= PIPE_LEN_MAX);
    message->transaction_id = transaction_id;
    message->len = len;
    memcpy(message->bytes, payload, len);
    pipe->sent_count++;
    return 0;
}

/* ---- the embedder ---- */

static void
on_event(void *ctx, enum enlh_ic_event event, uint32_t framework, uint32_t version,
         uint32_t status)
{
    struct fake_pipe *pipe = ctx;

    assert_true(pipe->event_count < PIPE_EVENTS);
    pipe->events[pipe->event_count++] =
        (struct pipe_event){event, framework, version, status};
}

void
pipe_start(struct fake_pipe *pipe)
{
    memset(pipe, 0, sizeof(*pipe));
    pipe->fake = calloc(1, sizeof(*pipe->fake));
    assert_non_null(pipe->fake);
    fake_boot(pipe->fake, 1);
    pipe->bus = (struct enlh_vmbus){pipe->fake, pipe};
    pipe->channel.pipe = pipe;
    pipe->config.size = sizeof(pipe->config);
    pipe->config.event = on_event;
    pipe->config.ctx = pipe;
}

void
pipe_stop(struct fake_pipe *pipe)
{
    assert_null(pipe->ops);
    fake_fini(pipe->fake);
    free(pipe->fake);
}

void
pipe_run(struct fake_pipe *pipe)
{
    assert_true(pipe->open);
    pipe->ops->run(pipe->dev, &pipe->channel);
}

void
pipe_open(struct fake_pipe *pipe)
{
    assert_false(pipe->open);
    assert_int_equal(pipe->ops->open(pipe->dev, &pipe->channel), 0);
    pipe->open = true;
    pipe_run(pipe);
}

void
pipe_close(struct fake_pipe *pipe)
{
    assert_true(pipe->open);
    pipe->open = false;
    pipe->sent_count = 0;
    pipe->ops->close(pipe->dev, &pipe->channel);
}

void
pipe_assert_event(const struct fake_pipe *pipe, uint32_t count, enum enlh_ic_event event)
{
    assert_int_equal(pipe->event_count, count);
    assert_int_equal(pipe->events[count - 1].event, event);
}

/* ---- the guest ---- */

void
pipe_take(struct fake_pipe *pipe, struct pipe_message *message)
{
    assert_true(pipe->sent_count > 0);
    *message = pipe->sent[pipe->sent_first % PIPE_SENT];
    pipe->sent_first = (pipe->sent_first + 1) % PIPE_SENT;
    pipe->sent_count--;
}

void
pipe_assert_silent(const struct fake_pipe *pipe)
{
    assert_int_equal(pipe->sent_count, 0);
}

/* The payload ends where its memory ends, so that a sanitizer sees who reads on. */
int
pipe_packet(struct fake_pipe *pipe, const void *payload, uint32_t len)
{
    struct enlh_packet packet = {.type = ENL_PACKET_INBAND, .payload_len = len};
    void *copy = malloc(len ? len : 1);
    int result;

    assert_non_null(copy);
    if (len)
        memcpy(copy, payload, len);
    packet.payload = copy;
    result = pipe->ops->packet(pipe->dev, &pipe->channel, &packet);
    free(copy);
    return result;
}

int
pipe_answer(struct fake_pipe *pipe, struct pipe_message *message)
{
    message->head.ic.flags = ENL_IC_FLAG_TRANSACTION | ENL_IC_FLAG_RESPONSE;
    return pipe_packet(pipe, message->bytes, message->len);
}

static void
counts(struct pipe_message *message, uint16_t framework, uint16_t version)
{
    struct enl_ic_negotiate negotiate = {framework, version, 0};

    memcpy(message->bytes + sizeof(message->head), &negotiate, sizeof(negotiate));
}

uint32_t
pipe_version(const struct pipe_message *message, uint32_t i)
{
    struct enl_ic_version version;

    memcpy(&version,
           message->bytes + sizeof(message->head) + sizeof(struct enl_ic_negotiate) +
               i * sizeof(version),
           sizeof(version));
    return (uint32_t)version.major << 16 | version.minor;
}

int
pipe_choose(struct fake_pipe *pipe, uint32_t framework, uint32_t version)
{
    const struct enl_ic_version chosen[2] = {
        {(uint16_t)(framework >> 16), (uint16_t)framework},
        {(uint16_t)(version >> 16), (uint16_t)version},
    };
    struct pipe_message message;

    pipe_take(pipe, &message);
    assert_int_equal(message.head.ic.message_type, ENL_IC_NEGOTIATE);
    message.head.ic.size = 16;
    counts(&message, 1, 1);
    memcpy(message.bytes + sizeof(message.head) + sizeof(struct enl_ic_negotiate), chosen,
           sizeof(chosen));
    return pipe_answer(pipe, &message);
}

void
pipe_negotiate(struct fake_pipe *pipe)
{
    const struct pipe_message *message = &pipe->sent[pipe->sent_first % PIPE_SENT];
    struct enl_ic_negotiate negotiate;

    assert_int_equal(pipe->sent_count, 1);
    memcpy(&negotiate, message->bytes + sizeof(message->head), sizeof(negotiate));
    assert_int_equal(pipe_choose(pipe,
                                 pipe_version(message, negotiate.framework_count - 1u),
                                 pipe_version(message, negotiate.framework_count +
                                                           negotiate.message_count - 1u)),
                     0);
}
