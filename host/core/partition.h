/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/partition.h - all that belongs to one guest, and to none of its VPs */
#ifndef HOST_CORE_PARTITION_H
#define HOST_CORE_PARTITION_H

#include <stdatomic.h>

#include "enlight/host/partition.h"
#include "host/core/clock.h"
#include "host/core/crash.h"
#include "host/core/hypercall.h"
#include "host/core/log.h"
#include "host/core/memory.h"
#include "host/core/overlay.h"
#include "host/core/port.h"

/* struct enlh_counters, as it grows. */
struct enlh_count {
    _Atomic uint64_t hypercalls;
    _Atomic uint64_t hypercalls_refused;
    _Atomic uint64_t register_faults;
    _Atomic uint64_t messages;
    _Atomic uint64_t messages_waited;
    _Atomic uint64_t messages_dropped;
    _Atomic uint64_t events;
    _Atomic uint64_t interrupts;
    _Atomic uint64_t timers;
};

#define ENLH_COUNT(partition, what)                                                      \
    atomic_fetch_add_explicit(&(partition)->count.what, 1, memory_order_relaxed)

struct enlh_partition {
    struct enlh_config config; /* completed, constant */
    struct enlh_ops ops;       /* a copy: a caller built earlier has a shorter one */
    void *ctx;
    struct enlh_mem mem;
    struct enlh_vp *vps; /* config.vp_count of them */
    struct enlh_count count;
    _Atomic uint32_t guest_lines; /* log lines that the guest has caused */

    void *lock; /* protects what follows, but for its atomics */
    struct enlh_overlay_list overlays;
    struct enlh_ports ports;
    struct enlh_hypercall_page hypercall;
    struct enlh_clock clock;
    struct enlh_crash crash;
};

#endif
