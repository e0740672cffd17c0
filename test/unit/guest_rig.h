/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_rig.h - a platform with a hypervisor that does what the test says
 *
 * Registers are an array, hypercalls are written down and answered from a list, memory is
 * the process's own: the physical address of a byte is its address, with the page number
 * turned into something else so that nobody mistakes one for the other.
 */
#ifndef TEST_UNIT_GUEST_RIG_H
#define TEST_UNIT_GUEST_RIG_H

#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/abi/vmbus.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/partition.h"
#include "enlight/guest/synic.h"

#define RIG_GPA_FLIP (UINT64_C(0x5A5) << 36)
#define RIG_OS_ID    (ENL_GUEST_OS_ID_OPEN_SOURCE | 0x100)
#define RIG_CALLS    256u
#define RIG_REGS     64u

struct rig_call {
    uint64_t control, input, output;
    uint8_t data[256]; /* of a posted message, and of a fast call: the input */
};

struct guest_rig {
    struct enlg_platform platform;
    struct enlg_partition partition;
    struct enl_cpuid_leaf leaf[16]; /* 0x40000000 and up */
    bool no_hypervisor;
    struct {
        uint32_t reg;
        uint64_t value;
        uint32_t writes;
    } regs[RIG_REGS];
    uint32_t reg_count;
    uint32_t write_order[256]; /* names, in the order of the writes */
    uint32_t write_count;
    uint32_t refuse_reg; /* a write of this one fails */
    uint32_t unread_reg; /* a read of this one fails */
    uint32_t ignore_reg; /* a write of this one changes nothing */
    struct rig_call call[RIG_CALLS];
    uint32_t call_count;
    uint64_t result[RIG_CALLS]; /* answers, in order; beyond them: the last */
    uint32_t result_count;
    uint32_t pauses;
    uint64_t tsc;
    uint64_t tsc_step; /* added by each read */
    void (*on_tsc)(void);
    void (*on_eom)(void); /* EOM was written */
    uint32_t mapped;
    bool map_fails;
    bool enabled_when_mapped;
    uint64_t *code;
    void *(*map_twice)(void *data, size_t len); /* NULL: no */
    void (*unmap_twice)(void *twice, size_t len);
};

extern struct guest_rig rig;

/* Everything announced, nothing enabled. Also fits cmocka's setup. */
int rig_setup(void **state);
/* The same, with the partition found and the hypercall page enabled. */
int rig_setup_calls(void **state);
/* Read the leaves again, and enable the page again. */
void rig_again(void);
uint64_t rig_reg(uint32_t reg);
void rig_reg_set(uint32_t reg, uint64_t value);
uint32_t rig_reg_writes(uint32_t reg);
/* The place of a register's first write in the order of all, or UINT32_MAX. */
uint32_t rig_order(uint32_t reg);
/* The address behind a physical one. */
void *rig_at(uint64_t gpa);
/* 4 KiB, aligned, static: page i of 64. */
void *rig_page(uint32_t i);

/* The SynIC of the only VP, with its pages. */
extern struct enlg_synic rig_synic;
struct enl_message *rig_slot(uint32_t sint);
struct enl_event_flags *rig_flags(uint32_t sint);
void rig_synic_up(void);
/* Put a VMBus message into slot 2, as the host would. */
void rig_deliver(const void *message, uint32_t len);
/* The payload of posted message number i, its header checked; its length in *len. */
const void *rig_posted(uint32_t i, uint32_t *len, uint32_t *connection_id);
/* Forget the calls so far. */
void rig_forget(void);

#endif
