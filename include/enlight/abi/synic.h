/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/synic.h - the pages of the synthetic interrupt controller and of the clock
 *
 * Data only. [TLFS inter-partition communication, timers] The guest chooses the pages with
 * SIMP, SIEFP and REFERENCE_TSC (register.h).
 *
 *   SIMP   16 message slots of 256 bytes, slot n belongs to SINTn
 *   SIEFP  16 sets of 2048 event flags, set n belongs to SINTn
 */
#ifndef ENLIGHT_ABI_SYNIC_H
#define ENLIGHT_ABI_SYNIC_H

#include "enlight/abi/base.h"

#define ENL_MESSAGE_SIZE     256u
#define ENL_MESSAGE_PAYLOAD  240u
#define ENL_MESSAGE_SLOTS    16u
#define ENL_EVENT_FLAGS      2048u /* of one SINT */
#define ENL_EVENT_FLAG_WORDS 64u   /* 32 flags each */

/* Message types. With ENL_MESSAGE_HYPERVISOR: only the hypervisor sends it. */
#define ENL_MESSAGE_NONE                    0x00000000u
#define ENL_MESSAGE_VMBUS                   0x00000001u
#define ENL_MESSAGE_HYPERVISOR              0x80000000u
#define ENL_MESSAGE_UNMAPPED_GPA            0x80000000u
#define ENL_MESSAGE_GPA_INTERCEPT           0x80000001u
#define ENL_MESSAGE_TIMER_EXPIRED           0x80000010u
#define ENL_MESSAGE_INVALID_REGISTER_VALUE  0x80000020u
#define ENL_MESSAGE_UNRECOVERABLE_EXCEPTION 0x80000021u
#define ENL_MESSAGE_UNSUPPORTED_FEATURE     0x80000022u

/* flags of a message: another one waits for this slot; write EOM when it is free. */
#define ENL_MESSAGE_FLAG_PENDING 0x01u

/*
 * A message slot.
 *
 *   hypervisor: writes only while type is NONE: all else first, type last. While the slot
 *               is taken it may only set ENL_MESSAGE_FLAG_PENDING, and looks at type again
 *               after that.
 *   guest:      copies the message, then writes NONE to type, then reads flags, and writes
 *               EOM if PENDING is there.
 */
struct enl_message {
    uint32_t type;       /* ENL_MESSAGE_ */
    uint8_t payload_len; /* at most 240 */
    uint8_t flags;       /* ENL_MESSAGE_FLAG_ */
    uint16_t reserved;
    uint64_t sender; /* the port that it came through, or the partition's id */
    uint8_t payload[ENL_MESSAGE_PAYLOAD];
};
ENL_ABI_SIZE(struct enl_message, 256);
ENL_ABI_AT(struct enl_message, payload_len, 4);
ENL_ABI_AT(struct enl_message, flags, 5);
ENL_ABI_AT(struct enl_message, sender, 8);
ENL_ABI_AT(struct enl_message, payload, 16);

struct enl_message_page {
    struct enl_message slot[ENL_MESSAGE_SLOTS];
};
ENL_ABI_SIZE(struct enl_message_page, 4096);

/*
 * The event flags of one SINT. The hypervisor sets a flag with an atomic OR and raises the
 * SINT only if it was clear; the guest takes flags with an atomic AND or exchange. Flag 0
 * of the VMBus SINT means: look into the shared interrupt page (old protocols).
 */
struct enl_event_flags {
    uint32_t word[ENL_EVENT_FLAG_WORDS];
};
ENL_ABI_SIZE(struct enl_event_flags, 256);

struct enl_event_page {
    struct enl_event_flags sint[ENL_MESSAGE_SLOTS];
};
ENL_ABI_SIZE(struct enl_event_page, 4096);

/* The payload of ENL_MESSAGE_TIMER_EXPIRED, hypervisor to guest. Times in 100 ns. */
struct enl_timer_payload {
    uint32_t timer_index;
    uint32_t reserved;
    uint64_t expiration_time;
    uint64_t delivery_time;
};
ENL_ABI_SIZE(struct enl_timer_payload, 24);
ENL_ABI_AT(struct enl_timer_payload, expiration_time, 8);

/*
 * The reference TSC page, hypervisor to guest: the time in 100 ns is the upper half of
 * TSC * scale (128 bits), plus offset. A reader reads sequence before and after and tries
 * again when it changed; ENL_TSC_SEQUENCE_INVALID means: read TIME_REF_COUNT instead.
 */
#define ENL_TSC_SEQUENCE_INVALID 0u

struct enl_reference_tsc_page {
    uint32_t sequence;
    uint32_t reserved;
    uint64_t scale;
    int64_t offset;
    uint64_t timeline_bias;
    uint64_t multiplier;
    uint8_t reserved2[4056];
};
ENL_ABI_SIZE(struct enl_reference_tsc_page, 4096);
ENL_ABI_AT(struct enl_reference_tsc_page, scale, 8);
ENL_ABI_AT(struct enl_reference_tsc_page, offset, 16);

#endif
