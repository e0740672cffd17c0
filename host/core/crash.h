/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/crash.h - the guest's last words */
#ifndef HOST_CORE_CRASH_H
#define HOST_CORE_CRASH_H

#include <stdint.h>

#include "enlight/abi/register.h"

struct enlh_partition;
struct enlh_vp;

struct enlh_crash {
    uint64_t param[ENL_CRASH_PARAMS]; /* P0 to P4, under the partition's lock */
};

int enlh_crash_init(struct enlh_partition *partition);
void enlh_crash_reset(struct enlh_partition *partition);
void enlh_crash_fini(struct enlh_partition *partition);
int enlh_crash_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_crash_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

struct enlh_crash_state {
    uint64_t param[ENL_CRASH_PARAMS];
};
void enlh_crash_save(struct enlh_partition *partition, struct enlh_crash_state *out);
int enlh_crash_restore(struct enlh_partition *partition,
                       const struct enlh_crash_state *state);

#endif
