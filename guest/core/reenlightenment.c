/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/reenlightenment.c - notices of another TSC rate, and the old one emulated
 *
 * Run by a kernel that has told others the TSC's rate, and by the notice's vector. A host
 * that sends no notice, or too many, changes nothing here: there is no state.
 * [TLFS reenlightenment]
 * Tests: test/unit/guest_state.c, test/loop/core.c.
 */
#include "enlight/guest/reenlightenment.h"
#include "enlight/guest/clock.h"
#include "guest/core/core.h"

static bool
is_announced(const struct enlg_partition *partition)
{
    return enlg_partition_has(partition, ENL_PRIV_REENLIGHTENMENT);
}

int
enlg_reenlightenment_enable(const struct enlg_partition *partition, uint8_t vector,
                            uint32_t target_vp)
{
    uint64_t control = vector | ENL_REENLIGHTENMENT_ENABLE |
                       (uint64_t)target_vp << ENL_REENLIGHTENMENT_TARGET_VP_SHIFT;
    int rc;

    if (!is_announced(partition))
        return -ENL_E_NOTSUP;
    if (vector < ENL_SINT_VECTOR_MIN)
        return -ENL_E_INVAL;
    rc = reg_set(partition, ENL_REG_REENLIGHTENMENT_CONTROL, control);
    if (!rc)
        rc = reg_set(partition, ENL_REG_TSC_EMULATION_CONTROL, ENL_TSC_EMULATION_ENABLE);
    return rc;
}

void
enlg_reenlightenment_disable(const struct enlg_partition *partition)
{
    if (!is_announced(partition))
        return;
    (void)reg_set(partition, ENL_REG_REENLIGHTENMENT_CONTROL, 0);
    (void)reg_set(partition, ENL_REG_TSC_EMULATION_CONTROL, 0);
}

bool
enlg_reenlightenment_is_emulating(const struct enlg_partition *partition)
{
    uint64_t status = 0;

    return is_announced(partition) &&
           reg_get(partition, ENL_REG_TSC_EMULATION_STATUS, &status) == 0 &&
           (status & ENL_TSC_EMULATION_IN_PROGRESS);
}

int
enlg_reenlightenment_done(const struct enlg_partition *partition, uint64_t *tsc_hz)
{
    int rc;

    if (!is_announced(partition))
        return -ENL_E_NOTSUP;
    rc = reg_set(partition, ENL_REG_TSC_EMULATION_STATUS, 0);
    if (rc || !tsc_hz)
        return rc;
    if (enlg_clock_frequencies(partition, tsc_hz, NULL) != 0)
        *tsc_hz = 0;
    return 0;
}
