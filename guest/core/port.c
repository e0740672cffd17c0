/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/port.c - post message and signal event, with the policy for refusals
 *
 * Run by the bus and by drivers. A hypervisor without buffers, or a connection that was
 * there and is not now, is asked again a bounded number of times; everything else that it
 * answers is final. [TLFS HvCallPostMessage, HvCallSignalEvent]
 * Tests: test/unit/guest_core.c, test/loop/life.c.
 */
#include "enlight/guest/port.h"
#include "enlight/abi/synic.h"
#include "guest/core/core.h"

/* An input of 256 bytes on a boundary of its own size never crosses a page. */
static struct enl_hv_post_message *
input_in(struct enlg_post_buffer *buffer)
{
    uintptr_t at = (uintptr_t)buffer->opaque;

    return (struct enl_hv_post_message *)((at + ENL_MESSAGE_SIZE - 1) &
                                          ~(uintptr_t)(ENL_MESSAGE_SIZE - 1));
}
ENL_STATIC_ASSERT(sizeof(struct enlg_post_buffer) >= 2 * ENL_MESSAGE_SIZE - 8,
                  "an aligned message fits wherever the buffer is");

void *
enlg_port_payload(struct enlg_post_buffer *buffer)
{
    struct enl_hv_post_message *input = input_in(buffer);

    memset(input, 0, sizeof(*input));
    return input->payload;
}

static bool
may_retry(int rc, uint32_t flags)
{
    return rc == -ENL_E_AGAIN || (rc == -ENL_E_NOENT && (flags & ENLG_POST_CONNECTED));
}

int
enlg_port_post(const struct enlg_partition *partition, struct enlg_post_buffer *buffer,
               uint32_t connection_id, uint32_t len, uint32_t flags)
{
    struct enl_hv_post_message *input = input_in(buffer);
    const struct enlg_platform *p = platform_of(partition);
    int rc = 0;

    if (len > ENL_POST_MESSAGE_PAYLOAD)
        return -ENL_E_INVAL;
    input->connection_id = connection_id;
    input->reserved = 0;
    input->message_type = ENL_MESSAGE_VMBUS;
    input->payload_len = len;
    for (uint32_t attempt = 1; attempt <= ENLG_POST_TRIES; attempt++) {
        rc = enlg_hypercall_memory(partition, ENL_CALL_POST_MESSAGE, 0, input, NULL);
        if (!may_retry(rc, flags))
            return rc;
        p->pause(p->ctx, attempt);
    }
    return rc;
}

int
enlg_port_signal(const struct enlg_partition *partition, uint32_t connection_id,
                 uint16_t flag)
{
    const struct enlg_platform *p = platform_of(partition);
    uint64_t input = connection_id | (uint64_t)flag << 32;
    int rc = 0;

    if (connection_id & ~ENL_CONNECTION_ID_MASK)
        return -ENL_E_INVAL;
    for (uint32_t attempt = 1; attempt <= ENLG_POST_TRIES; attempt++) {
        rc = enlg_hypercall_fast8(partition, ENL_CALL_SIGNAL_EVENT, input);
        if (!may_retry(rc, 0))
            return rc;
        p->pause(p->ctx, attempt);
    }
    return rc;
}
