/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/heartbeat.c - answers the host's question whether this guest lives
 *
 * Run by the host, through guest/dev/ic.c, with a private copy of its message.
 * Tests: test/unit/guest_ic.c, test/loop/contact.c.
 */
#include "enlight/abi/heartbeat.h"
#include "guest/dev/ic.h"

static const struct enl_ic_version versions[] = {ENL_HEARTBEAT_VERSION_3_0,
                                                 ENL_HEARTBEAT_VERSION_1_0};

static uint32_t
heartbeat_request(struct ic *ic, uint8_t *body, uint32_t len)
{
    uint64_t sequence;

    (void)ic;
    if (len < sizeof(sequence))
        return ENL_IC_STATUS_FAIL;
    memcpy(&sequence, body, sizeof(sequence));
    sequence++;
    memcpy(body, &sequence, sizeof(sequence));
    return ENL_IC_STATUS_SUCCESS;
}

static const struct ic_service service = {
    .message_type = ENL_IC_HEARTBEAT,
    .versions = versions,
    .version_count = sizeof(versions) / sizeof(versions[0]),
    .request = heartbeat_request,
};

int
enlg_heartbeat_start(struct enlg_ic *ic, struct enlg_channel *channel,
                     const struct enlg_ic_config *config)
{
    memset(ic, 0, sizeof(*ic));
    return enlg_ic_start(ic, channel, config, &service);
}
