/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/spin.c - notices of long waits for a lock
 *
 * Run by the kernel's locks. The hypervisor's limit is believed as it is: one that is too
 * small costs calls, and nothing else. [TLFS HvCallNotifyLongSpinWait]
 * Tests: test/unit/guest_calls.c, test/loop/core.c.
 */
#include "enlight/guest/spin.h"
#include "guest/core/core.h"

uint32_t
enlg_spin_limit(const struct enlg_partition *partition)
{
    const struct part *part = part_in(partition);

    return part->calls ? part->features.spin_retries : ENL_SPIN_NEVER;
}

bool
enlg_spin_wait(const struct enlg_partition *partition, uint32_t *tries)
{
    uint32_t limit = enlg_spin_limit(partition);

    ++*tries;
    if (limit == ENL_SPIN_NEVER || *tries % limit != 0)
        return false;
    return enlg_hypercall_fast8(partition, ENL_CALL_NOTIFY_LONG_SPIN_WAIT, *tries) == 0;
}
