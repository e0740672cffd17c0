/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/heartbeat.h - the heartbeat service's message body
 *
 * Data only. The host sends one every few seconds; the guest returns it with sequence one
 * higher.
 */
#ifndef ENLIGHT_ABI_HEARTBEAT_H
#define ENLIGHT_ABI_HEARTBEAT_H

#include "enlight/abi/base.h"

/* Message versions: initialisers of struct enl_ic_version (ic.h). */
#define ENL_HEARTBEAT_VERSION_1_0                                                        \
    {                                                                                    \
        1, 0                                                                             \
    }
#define ENL_HEARTBEAT_VERSION_3_0                                                        \
    {                                                                                    \
        3, 0                                                                             \
    }

/* application_state, guest to host */
#define ENL_HEARTBEAT_UNKNOWN  0u
#define ENL_HEARTBEAT_HEALTHY  1u
#define ENL_HEARTBEAT_CRITICAL 2u
#define ENL_HEARTBEAT_STOPPED  3u

struct enl_heartbeat {
    uint64_t sequence;
    uint32_t application_state; /* from 3.0; ENL_HEARTBEAT_ */
    uint32_t reserved[7];
};
ENL_ABI_SIZE(struct enl_heartbeat, 40);
ENL_ABI_AT(struct enl_heartbeat, application_state, 8);

#endif
