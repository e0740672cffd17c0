/* SPDX-License-Identifier: BSD-2-Clause */
/* host/core/tlb.h - the flush hypercalls; no state. Each returns ENL_HV_STATUS_. */
#ifndef HOST_CORE_TLB_H
#define HOST_CORE_TLB_H

#include <stdint.h>

struct enlh_vp;
struct enlh_call;

uint16_t enlh_tlb_flush_call(struct enlh_vp *vp, struct enlh_call *call);
uint16_t enlh_tlb_flush_list_call(struct enlh_vp *vp, struct enlh_call *call);
uint16_t enlh_tlb_flush_ex_call(struct enlh_vp *vp, struct enlh_call *call);
uint16_t enlh_tlb_flush_list_ex_call(struct enlh_vp *vp, struct enlh_call *call);

#endif
