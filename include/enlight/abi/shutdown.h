/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/shutdown.h - the shutdown service's message body
 *
 * Data only. Host to guest; the guest answers before it goes down.
 */
#ifndef ENLIGHT_ABI_SHUTDOWN_H
#define ENLIGHT_ABI_SHUTDOWN_H

#include "enlight/abi/base.h"

/* Message versions: initialisers of struct enl_ic_version (ic.h). */
#define ENL_SHUTDOWN_VERSION_1_0                                                         \
    {                                                                                    \
        1, 0                                                                             \
    }
#define ENL_SHUTDOWN_VERSION_3_0                                                         \
    {                                                                                    \
        3, 0                                                                             \
    }
#define ENL_SHUTDOWN_VERSION_3_1                                                         \
    {                                                                                    \
        3, 1                                                                             \
    }
#define ENL_SHUTDOWN_VERSION_3_2                                                         \
    {                                                                                    \
        3, 2                                                                             \
    }

/* flags; neither RESTART nor HIBERNATE is a power off. */
#define ENL_SHUTDOWN_FORCE     0x1u
#define ENL_SHUTDOWN_RESTART   0x2u /* from 3.1 */
#define ENL_SHUTDOWN_HIBERNATE 0x4u /* from 3.2 */

#define ENL_SHUTDOWN_REASON_PLANNED 0x80000000u

struct enl_shutdown {
    uint32_t reason; /* ENL_SHUTDOWN_REASON_ */
    uint32_t timeout_s;
    uint32_t flags; /* ENL_SHUTDOWN_ */
    uint8_t text[2048];
};
ENL_ABI_SIZE(struct enl_shutdown, 2060);
ENL_ABI_AT(struct enl_shutdown, flags, 8);

#endif
