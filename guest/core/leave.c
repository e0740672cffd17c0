/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/leave.c - gives back every shared page, with register writes alone
 *
 * Run by a kernel that ends, perhaps in a crash: no object is trusted but the partition,
 * and a register that refuses does not keep the others from being written. Interrupts are
 * masked before the pages go, and the pages before the identity. [TLFS SynIC, overlays]
 * Tests: test/unit/guest_state.c, test/loop/core.c.
 */
#include "enlight/guest/leave.h"
#include "enlight/guest/reenlightenment.h"
#include "guest/core/core.h"

static void
timers_stop(const struct enlg_partition *partition)
{
    for (uint32_t i = 0; i < ENL_STIMER_COUNT; i++)
        (void)reg_set(partition, ENL_REG_STIMER0_CONFIG + 2 * i, 0);
}

static void
synic_off(const struct enlg_partition *partition)
{
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        (void)reg_set(partition, ENL_REG_SINT0 + i, ENL_SINT_RESET_VALUE);
    (void)reg_set(partition, ENL_REG_SCONTROL, 0);
    (void)reg_set(partition, ENL_REG_SIMP, 0);
    (void)reg_set(partition, ENL_REG_SIEFP, 0);
}

void
enlg_leave_vp(const struct enlg_partition *partition)
{
    if (enlg_partition_has(partition, ENL_PRIV_STIMER))
        timers_stop(partition);
    if (enlg_partition_has(partition, ENL_PRIV_SYNIC))
        synic_off(partition);
    if (enlg_partition_has(partition, ENL_PRIV_APIC))
        (void)reg_set(partition, ENL_REG_VP_ASSIST_PAGE, 0);
}

void
enlg_leave_partition(struct enlg_partition *partition)
{
    enlg_reenlightenment_disable(partition);
    if (enlg_partition_has(partition, ENL_PRIV_REFERENCE_TSC))
        (void)reg_set(partition, ENL_REG_REFERENCE_TSC, 0);
    hypercalls_end(partition);
}
