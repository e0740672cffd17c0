/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/clock.h - what the guest can read the time from */
#ifndef HOST_CORE_CLOCK_H
#define HOST_CORE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "host/core/overlay.h"

struct enlh_clock {
    struct enlh_overlay tsc_page;
    uint32_t sequence; /* of the page, under the partition's lock; never 0 while valid */
    _Atomic uint64_t reenlightenment;
    _Atomic uint64_t emulation_control;
    _Atomic uint64_t emulation_status;
    _Atomic uint64_t invariant;
};

int enlh_clock_init(struct enlh_partition *partition);
void enlh_clock_reset(struct enlh_partition *partition);
void enlh_clock_fini(struct enlh_partition *partition);
int enlh_clock_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_clock_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

struct enlh_clock_state {
    struct enlh_overlay_state tsc_page;
    uint32_t sequence;
    uint32_t reserved;
    uint64_t reenlightenment, emulation_control, emulation_status, invariant;
};
void enlh_clock_save(struct enlh_partition *partition, struct enlh_clock_state *out);
int enlh_clock_restore(struct enlh_partition *partition,
                       const struct enlh_clock_state *state);

#endif
