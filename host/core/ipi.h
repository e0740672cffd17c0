/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/ipi.h - the IPI hypercalls; no state. Each returns ENL_HV_STATUS_. */
#ifndef HOST_CORE_IPI_H
#define HOST_CORE_IPI_H

#include <stdint.h>

struct enlh_vp;
struct enlh_call;

uint16_t enlh_ipi_send_call(struct enlh_vp *vp, struct enlh_call *call);
uint16_t enlh_ipi_send_ex_call(struct enlh_vp *vp, struct enlh_call *call);

#endif
