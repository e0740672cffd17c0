/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VP assist page, and the EOI, ICR and TPR registers. The page is an overlay that
 * starts as zeros; nothing here ever sets its "no EOI" bit, which a guest reads as "write
 * the EOI". The three APIC registers are the embedder's: it has the APIC. Without it they
 * do not exist, and the vapic feature is not announced. [TLFS 7.8, 10.2]
 *
 * Each VP's own thread makes it run.
 * Tests: assist_page.
 */
#include "host/core/assist.h"

#include "enlight/abi/register.h"
#include "host/core/ops.h"

int
enlh_assist_init(struct enlh_vp *vp)
{
    (void)vp;
    return 0;
}

void
enlh_assist_reset(struct enlh_vp *vp)
{
    struct enlh_overlay *page = &vp->assist.page;

    if (enlh_overlay_value(page) != 0)
        (void)enlh_ops_forward(vp, ENL_REG_VP_ASSIST_PAGE, 0);
    enlh_overlay_reset(vp->partition, page);
}

void
enlh_assist_fini(struct enlh_vp *vp)
{
    enlh_overlay_fini(vp->partition, &vp->assist.page);
}

static int
assist_apic(struct enlh_vp *vp, uint32_t reg, bool write, uint64_t *value)
{
    const struct enlh_partition *partition = vp->partition;

    if (partition->ops.apic_reg == NULL)
        return -ENL_E_NOENT;
    return partition->ops.apic_reg(partition->ctx, vp->index, reg, write, value);
}

int
enlh_assist_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    if (reg != ENL_REG_VP_ASSIST_PAGE)
        return assist_apic(vp, reg, false, value);
    *value = enlh_overlay_value(&vp->assist.page);
    return 0;
}

int
enlh_assist_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    struct enlh_overlay_write write = {
        .overlay = &vp->assist.page, .reg = reg, .value = value};

    if (reg != ENL_REG_VP_ASSIST_PAGE)
        return assist_apic(vp, reg, true, &value);
    return enlh_overlay_set(vp, &write);
}

void
enlh_assist_save(struct enlh_vp *vp, struct enlh_assist_state *out)
{
    enlh_overlay_save(vp->partition, &vp->assist.page, &out->page);
}

int
enlh_assist_restore(struct enlh_vp *vp, const struct enlh_assist_state *state)
{
    return enlh_overlay_restore(vp->partition, &vp->assist.page, &state->page);
}
