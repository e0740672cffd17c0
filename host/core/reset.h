/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/reset.h - the reset register: no state of its own, so two functions do */
#ifndef HOST_CORE_RESET_H
#define HOST_CORE_RESET_H

#include <stdint.h>

struct enlh_vp;

int enlh_reset_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_reset_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value);

#endif
