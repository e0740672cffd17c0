/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/vp_assist.h - the VP assist page, one for each virtual processor
 *
 * Data only. [TLFS virtual processors, HV_VP_ASSIST_PAGE] The guest chooses the page with
 * VP_ASSIST_PAGE (register.h); both sides write it.
 */
#ifndef ENLIGHT_ABI_VP_ASSIST_H
#define ENLIGHT_ABI_VP_ASSIST_H

#include "enlight/abi/base.h"

/*
 * apic_assist, x86 only. The hypervisor sets it when the interrupt in service needs no
 * EOI; the guest tests and clears it in place of an EOI, and writes the EOI if it was
 * clear. The hypervisor takes it back before it injects something that needs the EOI.
 */
#define ENL_APIC_ASSIST_NO_EOI 0x1u

/* vtl_entry_reason, written by the hypervisor. */
#define ENL_VTL_ENTRY_CALL      1u
#define ENL_VTL_ENTRY_INTERRUPT 2u
#define ENL_VTL_ENTRY_INTERCEPT 3u

/* nested_features and nested_controls, written by a guest that is a hypervisor. */
#define ENL_NESTED_FEATURE_DIRECT_HYPERCALL 0x1u
#define ENL_NESTED_CONTROL_INTER_PARTITION  0x1u

struct enl_vp_assist_page {
    uint32_t apic_assist; /* both; ENL_APIC_ASSIST_ */
    uint32_t reserved;
    uint32_t vtl_entry_reason; /* hypervisor; ENL_VTL_ENTRY_ */
    uint8_t vina_status;       /* hypervisor */
    uint8_t reserved1[3];
    uint64_t vtl_return_rax;   /* guest */
    uint64_t vtl_return_rcx;   /* guest */
    uint32_t nested_features;  /* guest; ENL_NESTED_FEATURE_ */
    uint32_t nested_controls;  /* guest; ENL_NESTED_CONTROL_ */
    uint8_t enlighten_vmentry; /* guest: 1 when current_nested_vmcs counts */
    uint8_t reserved2[7];
    uint64_t current_nested_vmcs;  /* guest: a GPA */
    uint8_t time_unhalted_expired; /* hypervisor sets, guest clears */
    uint8_t reserved3[7];
    uint8_t fault_information[40]; /* hypervisor */
    uint8_t reserved4[8];
    uint8_t intercept_message[256];  /* hypervisor */
    uint8_t vtl_return_actions[256]; /* guest */
    uint8_t reserved5[3472];
};
ENL_ABI_SIZE(struct enl_vp_assist_page, 4096);
ENL_ABI_AT(struct enl_vp_assist_page, vtl_entry_reason, 0x8);
ENL_ABI_AT(struct enl_vp_assist_page, vtl_return_rax, 0x10);
ENL_ABI_AT(struct enl_vp_assist_page, nested_features, 0x20);
ENL_ABI_AT(struct enl_vp_assist_page, enlighten_vmentry, 0x28);
ENL_ABI_AT(struct enl_vp_assist_page, current_nested_vmcs, 0x30);
ENL_ABI_AT(struct enl_vp_assist_page, time_unhalted_expired, 0x38);
ENL_ABI_AT(struct enl_vp_assist_page, fault_information, 0x40);
ENL_ABI_AT(struct enl_vp_assist_page, intercept_message, 0x70);
ENL_ABI_AT(struct enl_vp_assist_page, vtl_return_actions, 0x170);

#endif
