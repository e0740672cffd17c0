/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/ic.h - what the integration services have in common
 *
 * Data only. Every message is the payload of an INBAND packet (ring.h): pipe header, IC
 * header, body. The host asks, the guest answers with a packet of its own: the same
 * message, its flags turned into a response. First the two agree on versions: the host's
 * NEGOTIATE lists what it has, the guest's answer has count 1 and 1 and its choice, or 0
 * and 0 to refuse; the host may start over with another list.
 */
#ifndef ENLIGHT_ABI_IC_H
#define ENLIGHT_ABI_IC_H

#include "enlight/abi/base.h"

#define ENL_PIPE_DATA 1u

/* In front of every message of a pipe. size counts what follows it. */
struct enl_pipe_header {
    uint32_t type; /* ENL_PIPE_DATA */
    uint32_t size;
};
ENL_ABI_SIZE(struct enl_pipe_header, 8);

struct enl_ic_version {
    uint16_t major;
    uint16_t minor;
};
ENL_ABI_SIZE(struct enl_ic_version, 4);

/* Framework versions: initialisers of struct enl_ic_version. */
#define ENL_IC_FRAMEWORK_1_0                                                             \
    {                                                                                    \
        1, 0                                                                             \
    }
#define ENL_IC_FRAMEWORK_3_0                                                             \
    {                                                                                    \
        3, 0                                                                             \
    }

/* message_type */
#define ENL_IC_NEGOTIATE  0u
#define ENL_IC_HEARTBEAT  1u
#define ENL_IC_KVP        2u
#define ENL_IC_SHUTDOWN   3u
#define ENL_IC_TIMESYNC   4u
#define ENL_IC_VSS        5u
#define ENL_IC_RDV        6u
#define ENL_IC_FCOPY      7u
#define ENL_IC_VM_SESSION 8u

/* flags: a request is TRANSACTION and REQUEST, an answer TRANSACTION and RESPONSE. */
#define ENL_IC_FLAG_TRANSACTION 0x1u
#define ENL_IC_FLAG_REQUEST     0x2u
#define ENL_IC_FLAG_RESPONSE    0x4u

/* status, an HRESULT, set by the side that answers. */
#define ENL_IC_STATUS_SUCCESS              0x00000000u
#define ENL_IC_STATUS_FAIL                 0x80004005u
#define ENL_IC_STATUS_NOT_FOUND            0x80041002u
#define ENL_IC_STATUS_NOT_SUPPORTED        0x80070032u
#define ENL_IC_STATUS_INVALID_ARGUMENT     0x80070057u
#define ENL_IC_STATUS_NO_MORE_ITEMS        0x80070103u
#define ENL_IC_STATUS_DEVICE_NOT_CONNECTED 0x8007048Fu
#define ENL_IC_STATUS_CANCELLED            0x800704C7u
#define ENL_IC_STATUS_TIMEOUT              0x800705B4u

struct enl_ic_header {
    struct enl_ic_version framework;
    uint16_t message_type; /* ENL_IC_ */
    struct enl_ic_version message_version;
    uint16_t size;   /* of the body */
    uint32_t status; /* ENL_IC_STATUS_ */
    uint8_t transaction_id;
    uint8_t flags; /* ENL_IC_FLAG_ */
    uint8_t reserved[2];
};
ENL_ABI_SIZE(struct enl_ic_header, 20);
ENL_ABI_AT(struct enl_ic_header, message_type, 4);
ENL_ABI_AT(struct enl_ic_header, message_version, 6);
ENL_ABI_AT(struct enl_ic_header, size, 10);
ENL_ABI_AT(struct enl_ic_header, status, 12);
ENL_ABI_AT(struct enl_ic_header, transaction_id, 16);

/* What every message begins with; the body follows, 28 bytes into the payload. */
struct enl_ic_message {
    struct enl_pipe_header pipe;
    struct enl_ic_header ic;
};
ENL_ABI_SIZE(struct enl_ic_message, 28);

#define ENL_IC_MESSAGE_MAX 13312u

/* NEGOTIATE: both lists of struct enl_ic_version follow, the framework's first. */
struct enl_ic_negotiate {
    uint16_t framework_count;
    uint16_t message_count;
    uint32_t reserved;
};
ENL_ABI_SIZE(struct enl_ic_negotiate, 8);

#endif
