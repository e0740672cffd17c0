/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/hypercall.h - the calls of a guest into its hypervisor
 *
 * Data only. [TLFS hypercall interface] The guest writes a control word and an input; the
 * hypervisor answers with a result word. In memory, input and output are 8-byte aligned,
 * stay inside one page each and do not overlap. A fast call has its input in registers.
 *
 *   x86-64   RCX control, RDX input GPA, R8 output GPA, RAX result
 *   x86-32   EDX:EAX control, EBX:ECX input, EDI:ESI output, EDX:EAX result
 *   arm64    HVC with X0 = ENL_SMCCC_HYPERCALL, X1 control, X2 input, X3 output, X0 result
 */
#ifndef ENLIGHT_ABI_HYPERCALL_H
#define ENLIGHT_ABI_HYPERCALL_H

#include "enlight/abi/base.h"

/* The control word. */
#define ENL_HCALL_CODE            UINT64_C(0xFFFF)
#define ENL_HCALL_FAST            (UINT64_C(1) << 16)
#define ENL_HCALL_VARHEAD_SHIFT   17u /* variable header, in units of 8 bytes */
#define ENL_HCALL_VARHEAD         (UINT64_C(0x3FF) << 17)
#define ENL_HCALL_NESTED          (UINT64_C(1) << 31)
#define ENL_HCALL_REP_COUNT_SHIFT 32u
#define ENL_HCALL_REP_COUNT       (UINT64_C(0xFFF) << 32)
#define ENL_HCALL_REP_START_SHIFT 48u
#define ENL_HCALL_REP_START       (UINT64_C(0xFFF) << 48)
#define ENL_HCALL_RESERVED        UINT64_C(0xF000F00078000000)

/* The result word: reps done counts from the list's start, not from REP_START. */
#define ENL_HCALL_STATUS         UINT64_C(0xFFFF)
#define ENL_HCALL_REP_DONE_SHIFT 32u
#define ENL_HCALL_REP_DONE       (UINT64_C(0xFFF) << 32)

#define ENL_HCALL_ALIGN     8u
#define ENL_HCALL_XMM_INPUT 112u /* bytes: RDX, R8, XMM0 to XMM5 */

#define ENL_SMCCC_HYPERCALL  0x46000001u
#define ENL_SMCCC_VENDOR_UID 0x8600FF01u

/* The answer to ENL_SMCCC_VENDOR_UID in W0 to W3. */
#define ENL_SMCCC_UID_W0 0x4D32BA58u
#define ENL_SMCCC_UID_W1 0xCD244764u
#define ENL_SMCCC_UID_W2 0x8EEF6C75u
#define ENL_SMCCC_UID_W3 0x16597024u

/* Call codes. */
#define ENL_CALL_SWITCH_ADDRESS_SPACE       0x0001u
#define ENL_CALL_FLUSH_SPACE                0x0002u
#define ENL_CALL_FLUSH_LIST                 0x0003u /* rep */
#define ENL_CALL_NOTIFY_LONG_SPIN_WAIT      0x0008u
#define ENL_CALL_SEND_IPI                   0x000Bu
#define ENL_CALL_MODIFY_VTL_PROTECTION      0x000Cu
#define ENL_CALL_ENABLE_PARTITION_VTL       0x000Du
#define ENL_CALL_ENABLE_VP_VTL              0x000Fu
#define ENL_CALL_VTL_CALL                   0x0011u
#define ENL_CALL_VTL_RETURN                 0x0012u
#define ENL_CALL_FLUSH_SPACE_EX             0x0013u
#define ENL_CALL_FLUSH_LIST_EX              0x0014u /* rep */
#define ENL_CALL_SEND_IPI_EX                0x0015u
#define ENL_CALL_GET_PARTITION_ID           0x0046u
#define ENL_CALL_GET_VP_REGISTERS           0x0050u /* rep */
#define ENL_CALL_SET_VP_REGISTERS           0x0051u /* rep */
#define ENL_CALL_TRANSLATE_ADDRESS          0x0052u
#define ENL_CALL_POST_MESSAGE               0x005Cu
#define ENL_CALL_SIGNAL_EVENT               0x005Du
#define ENL_CALL_POST_DEBUG_DATA            0x0069u
#define ENL_CALL_RETRIEVE_DEBUG_DATA        0x006Au
#define ENL_CALL_RESET_DEBUG_SESSION        0x006Bu
#define ENL_CALL_RETARGET_DEVICE_INTERRUPT  0x007Eu
#define ENL_CALL_ASSERT_VIRTUAL_INTERRUPT   0x0094u
#define ENL_CALL_START_VP                   0x0099u
#define ENL_CALL_GET_VP_INDEX_FROM_APIC_ID  0x009Au /* rep */
#define ENL_CALL_FLUSH_GPA_SPACE            0x00AFu
#define ENL_CALL_FLUSH_GPA_LIST             0x00B0u /* rep */
#define ENL_CALL_SIGNAL_EVENT_DIRECT        0x00C0u
#define ENL_CALL_POST_MESSAGE_DIRECT        0x00C1u
#define ENL_CALL_MODIFY_HOST_VISIBILITY     0x00DBu
#define ENL_CALL_MMIO_READ                  0x0106u
#define ENL_CALL_MMIO_WRITE                 0x0107u
#define ENL_CALL_EXT_FIRST                  0x8000u
#define ENL_CALL_EXT_QUERY_CAPABILITIES     0x8001u
#define ENL_CALL_EXT_GET_BOOT_ZEROED_MEMORY 0x8002u
#define ENL_CALL_EXT_MEMORY_HEAT_HINT       0x8003u

/* Status codes. [TLFS HV_STATUS] */
#define ENL_HV_STATUS_SUCCESS                 0x0000u
#define ENL_HV_STATUS_INVALID_HYPERCALL_CODE  0x0002u
#define ENL_HV_STATUS_INVALID_HYPERCALL_INPUT 0x0003u
#define ENL_HV_STATUS_INVALID_ALIGNMENT       0x0004u
#define ENL_HV_STATUS_INVALID_PARAMETER       0x0005u
#define ENL_HV_STATUS_ACCESS_DENIED           0x0006u
#define ENL_HV_STATUS_INVALID_PARTITION_STATE 0x0007u
#define ENL_HV_STATUS_OPERATION_DENIED        0x0008u
#define ENL_HV_STATUS_UNKNOWN_PROPERTY        0x0009u
#define ENL_HV_STATUS_PROPERTY_OUT_OF_RANGE   0x000Au
#define ENL_HV_STATUS_INSUFFICIENT_MEMORY     0x000Bu
#define ENL_HV_STATUS_INVALID_PARTITION_ID    0x000Du
#define ENL_HV_STATUS_INVALID_VP_INDEX        0x000Eu
#define ENL_HV_STATUS_NOT_FOUND               0x0010u
#define ENL_HV_STATUS_INVALID_PORT_ID         0x0011u
#define ENL_HV_STATUS_INVALID_CONNECTION_ID   0x0012u
#define ENL_HV_STATUS_INSUFFICIENT_BUFFERS    0x0013u
#define ENL_HV_STATUS_NOT_ACKNOWLEDGED        0x0014u
#define ENL_HV_STATUS_INVALID_VP_STATE        0x0015u
#define ENL_HV_STATUS_ACKNOWLEDGED            0x0016u
#define ENL_HV_STATUS_INVALID_SAVE_STATE      0x0017u
#define ENL_HV_STATUS_INVALID_SYNIC_STATE     0x0018u
#define ENL_HV_STATUS_OBJECT_IN_USE           0x0019u
#define ENL_HV_STATUS_NO_DATA                 0x001Bu
#define ENL_HV_STATUS_INACTIVE                0x001Cu
#define ENL_HV_STATUS_NO_RESOURCES            0x001Du
#define ENL_HV_STATUS_FEATURE_UNAVAILABLE     0x001Eu
#define ENL_HV_STATUS_INSUFFICIENT_BUFFER     0x0033u
#define ENL_HV_STATUS_INVALID_REGISTER_VALUE  0x0050u
#define ENL_HV_STATUS_INVALID_VTL_STATE       0x0051u
#define ENL_HV_STATUS_INVALID_DEVICE_ID       0x0057u
#define ENL_HV_STATUS_OPERATION_FAILED        0x0071u
#define ENL_HV_STATUS_TIMEOUT                 0x0078u
#define ENL_HV_STATUS_VTL_ALREADY_ENABLED     0x0086u
#define ENL_HV_STATUS_UNKNOWN_REGISTER_NAME   0x0087u

#define ENL_PARTITION_SELF UINT64_C(0xFFFFFFFFFFFFFFFF)

/*
 * POST_MESSAGE, guest to hypervisor. The message type may not have ENL_MESSAGE_HYPERVISOR
 * (synic.h); payload_len is at most 240. INSUFFICIENT_BUFFERS asks for another try.
 */
#define ENL_POST_MESSAGE_PAYLOAD 240u

struct enl_hv_post_message {
    uint32_t connection_id;
    uint32_t reserved;
    uint32_t message_type;
    uint32_t payload_len;
    uint8_t payload[ENL_POST_MESSAGE_PAYLOAD];
};
ENL_ABI_SIZE(struct enl_hv_post_message, 256);
ENL_ABI_AT(struct enl_hv_post_message, message_type, 8);
ENL_ABI_AT(struct enl_hv_post_message, payload, 16);

/* SIGNAL_EVENT, guest to hypervisor. As a fast call: the same 8 bytes in a register. */
struct enl_hv_signal_event {
    uint32_t connection_id;
    uint16_t flag_number;
    uint16_t reserved;
};
ENL_ABI_SIZE(struct enl_hv_signal_event, 8);
ENL_ABI_AT(struct enl_hv_signal_event, flag_number, 4);

#define ENL_CONNECTION_ID_MASK 0x00FFFFFFu /* the rest is reserved, and must be zero */

/*
 * A set of VPs, the last fixed part of an Ex call. One 64-bit bank follows for each bit of
 * bank_mask, lowest first; bank n holds the VPs from 64n on. format: ENL_VP_SET_
 */
#define ENL_VP_SET_SPARSE    0u
#define ENL_VP_SET_ALL       1u
#define ENL_VP_SET_MAX_BANKS 64u
#define ENL_VP_SET_BANK_VPS  64u

struct enl_hv_vp_set {
    uint64_t format;
    uint64_t bank_mask;
};
ENL_ABI_SIZE(struct enl_hv_vp_set, 16);

/* FLUSH_SPACE and FLUSH_LIST, guest to hypervisor; the list of FLUSH_LIST follows. */
struct enl_hv_flush {
    uint64_t address_space; /* CR3 */
    uint64_t flags;         /* ENL_FLUSH_ */
    uint64_t vp_mask;       /* VPs 0 to 63 */
};
ENL_ABI_SIZE(struct enl_hv_flush, 24);

/* The Ex forms: the banks of the set follow, then the list. */
struct enl_hv_flush_ex {
    uint64_t address_space;
    uint64_t flags; /* ENL_FLUSH_ */
    struct enl_hv_vp_set vp_set;
};
ENL_ABI_SIZE(struct enl_hv_flush_ex, 32);
ENL_ABI_AT(struct enl_hv_flush_ex, vp_set, 16);

#define ENL_FLUSH_ALL_VPS         UINT64_C(1)
#define ENL_FLUSH_ALL_SPACES      UINT64_C(2)
#define ENL_FLUSH_NON_GLOBAL_ONLY UINT64_C(4)
#define ENL_FLUSH_EXT_RANGES      UINT64_C(8)

/* A list element: the page's address, and how many more pages follow it. */
#define ENL_FLUSH_RANGE_VA    UINT64_C(0xFFFFFFFFFFFFF000)
#define ENL_FLUSH_RANGE_EXTRA UINT64_C(0xFFF)

/* The element under ENL_FLUSH_EXT_RANGES: with LARGE, pages are of 2 MiB, or 1 GiB with HUGE. */
#define ENL_FLUSH_EXT_EXTRA UINT64_C(0x7FF)
#define ENL_FLUSH_EXT_LARGE (UINT64_C(1) << 11)
#define ENL_FLUSH_EXT_HUGE  (UINT64_C(1) << 12)

/* SEND_IPI, guest to hypervisor. As a fast call: the two words in registers. */
struct enl_hv_send_ipi {
    uint32_t vector; /* ENL_IPI_VECTOR_ */
    uint8_t target_vtl;
    uint8_t reserved[3];
    uint64_t vp_mask; /* VPs 0 to 63 */
};
ENL_ABI_SIZE(struct enl_hv_send_ipi, 16);
ENL_ABI_AT(struct enl_hv_send_ipi, target_vtl, 4);
ENL_ABI_AT(struct enl_hv_send_ipi, vp_mask, 8);

/* SEND_IPI_EX: the banks of the set follow. */
struct enl_hv_send_ipi_ex {
    uint32_t vector;
    uint8_t target_vtl;
    uint8_t reserved[3];
    struct enl_hv_vp_set vp_set;
};
ENL_ABI_SIZE(struct enl_hv_send_ipi_ex, 24);
ENL_ABI_AT(struct enl_hv_send_ipi_ex, vp_set, 8);

#define ENL_IPI_VECTOR_MIN 0x10u
#define ENL_IPI_VECTOR_MAX 0xFFu

/* NOTIFY_LONG_SPIN_WAIT, guest to hypervisor, a fast call: how often the lock was tried. */
struct enl_hv_long_spin_wait {
    uint64_t spin_info;
};
ENL_ABI_SIZE(struct enl_hv_long_spin_wait, 8);

/*
 * GET_VP_REGISTERS and SET_VP_REGISTERS: the header; a list of names (GET), or of name and
 * value (SET), follows. GET answers with a list of struct enl_reg_value (register.h).
 */
struct enl_hv_vp_registers {
    uint64_t partition_id; /* ENL_PARTITION_SELF */
    uint32_t vp_index;     /* or ENL_VP_SELF */
    uint8_t target_vtl;
    uint8_t reserved[3];
};
ENL_ABI_SIZE(struct enl_hv_vp_registers, 16);

struct enl_hv_set_register {
    uint32_t name; /* ENL_REG_ */
    uint32_t reserved[3];
    uint64_t low;
    uint64_t high;
};
ENL_ABI_SIZE(struct enl_hv_set_register, 32);
ENL_ABI_AT(struct enl_hv_set_register, low, 16);

/* EXT_QUERY_CAPABILITIES: the hypervisor answers with a mask of these. */
#define ENL_EXT_CAP_BOOT_ZEROED_MEMORY (UINT64_C(1) << 0)
#define ENL_EXT_CAP_COLD_DISCARD_HINT  (UINT64_C(1) << 8)

#endif
