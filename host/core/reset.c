/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reset register: a guest writes 1 and wants its machine reset. The embedder hears of
 * it as an event and does it when it likes; the write itself returns. [TLFS 7.4]
 * Tests: reset_register.
 */
#include "host/core/reset.h"

#include "enlight/abi/register.h"
#include "host/core/ops.h"

int
enlh_reset_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    (void)vp;
    (void)reg;
    *value = 0;
    return 0;
}

int
enlh_reset_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    const struct enlh_partition *partition = vp->partition;
    struct enlh_event event = {.kind = ENLH_EVENT_RESET, .vp = vp->index};

    (void)reg;
    if ((value & ENL_RESET_RESET) != 0)
        partition->ops.event(partition->ctx, &event);
    return 0;
}
