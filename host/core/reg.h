/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/reg.h - which room answers which register, and for whom */
#ifndef HOST_CORE_REG_H
#define HOST_CORE_REG_H

#include <stdint.h>

struct enlh_vp;

/* As enlh_vp_get_reg() and enlh_vp_set_reg(). Thread: vp. */
int enlh_reg_get(struct enlh_vp *vp, uint32_t reg, uint64_t *value);
int enlh_reg_set(struct enlh_vp *vp, uint32_t reg, uint64_t value);

#endif
