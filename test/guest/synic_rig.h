/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/synic_rig.h - a SynIC of one's own for each processor, without the library
 *
 * The pages are the tests' to look into and to spoil.
 */
#ifndef ENLIGHT_TEST_GUEST_SYNIC_RIG_H
#define ENLIGHT_TEST_GUEST_SYNIC_RIG_H

#include "test/guest/kernel/kernel.h"

/* Of processor n; covered by the hypervisor between rig_on() and the test's end. */
extern struct enl_message_page rig_messages[CPUS_MAX];
extern struct enl_event_page rig_events[CPUS_MAX];

/* On this processor: both pages and SCONTROL. */
void rig_on(void);
void rig_sint(uint32_t sint, uint64_t value);

static inline volatile struct enl_message *
rig_slot(uint32_t cpu, uint32_t sint)
{
    return &rig_messages[cpu].slot[sint];
}

/* Wait until the slot of this processor has a message; false after ten seconds. */
bool rig_wait(uint32_t sint);
/* Take it: copy, free the slot, write EOM if that is asked for. */
void rig_take(uint32_t sint, struct enl_message *out);

static inline uint64_t
reference_time(void)
{
    return msr_read(ENL_MSR_TIME_REF_COUNT);
}

#endif
