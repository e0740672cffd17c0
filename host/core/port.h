/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/port.h - what the guest's connection ids reach */
#ifndef HOST_CORE_PORT_H
#define HOST_CORE_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "enlight/host/vp.h"

/* A range of connection ids and the function behind it. */
struct enlh_port {
    uint32_t first;
    uint32_t count;
    bool is_event;
    enlh_port_message_fn message;
    enlh_port_event_fn event;
    void *ctx;
    _Atomic uint32_t inside; /* calls that have not returned */
};

#define ENLH_PORT_MAX 8192u /* more ranges than 2047 channels and their services need */

/* Sorted by first; the loop thread alone changes it, under the partition's lock. */
struct enlh_ports {
    struct enlh_port **port;
    uint32_t count;
    uint32_t room;
};

void enlh_port_fini(struct enlh_partition *partition);

/* HvCallPostMessage and HvCallSignalEvent, their input checked. Returns ENL_HV_STATUS_. */
struct enlh_call;
uint16_t enlh_port_post_call(struct enlh_vp *vp, struct enlh_call *call);
uint16_t enlh_port_signal_call(struct enlh_vp *vp, struct enlh_call *call);

#endif
