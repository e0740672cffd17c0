/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The register table: every register that is answered, its room, what must be announced,
 * and which way it may be accessed. The guest makes it run with any number. What is not in
 * the table does not exist; there is no default. [TLFS 2.4.4, access to registers]
 *
 * VP_ASSIST_PAGE needs no more than the base: Linux 6.1 and 6.12 write it on every VP
 * without looking at the privilege, and log an error with a stack trace when that faults.
 * Tests: reg_access.
 */
#include "host/core/reg.h"

#include "enlight/abi/register.h"
#include "host/core/assist.h"
#include "host/core/feature.h"
#include "host/core/ops.h"
#include "host/core/reset.h"

struct reg_row {
    uint32_t first;
    uint32_t count;
    enum enlh_feature needs;
    int (*get)(struct enlh_vp *vp, uint32_t reg, uint64_t *value); /* NULL: write-only */
    int (*set)(struct enlh_vp *vp, uint32_t reg, uint64_t value);  /* NULL: read-only */
    bool below; /* a hypervisor below has it, if there is one */
};

static int
reg_vp_index(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    (void)reg;
    *value = vp->index;
    return 0;
}

#define RW(room) enlh_##room##_get_reg, enlh_##room##_set_reg
#define RO(room) enlh_##room##_get_reg, NULL
#define WO(room) NULL, enlh_##room##_set_reg

static const struct reg_row reg_table[] = {
    {ENL_REG_CRASH_P0, ENL_CRASH_PARAMS, ENLH_F_CRASH, RW(crash), false},
    {ENL_REG_CRASH_CTL, 1, ENLH_F_CRASH, RW(crash), false},
    {ENL_REG_TSC_FREQUENCY, 1, ENLH_F_FREQUENCIES, RO(clock), false},
    {ENL_REG_APIC_FREQUENCY, 1, ENLH_F_FREQUENCIES, RO(clock), false},
    {ENL_REG_VP_RUNTIME, 1, ENLH_F_RUNTIME, RO(clock), false},
    {ENL_REG_HYPERCALL, 1, ENLH_F_BASE, RW(hypercall), false},
    {ENL_REG_GUEST_OS_ID, 1, ENLH_F_BASE, RW(hypercall), false},
    {ENL_REG_VP_INDEX, 1, ENLH_F_VPINDEX, reg_vp_index, NULL, false},
    {ENL_REG_TIME_REF_COUNT, 1, ENLH_F_TIME, RO(clock), false},
    {ENL_REG_EOI, 1, ENLH_F_VAPIC, WO(assist), false},
    {ENL_REG_ICR, 1, ENLH_F_VAPIC, RW(assist), false},
    {ENL_REG_TPR, 1, ENLH_F_VAPIC, RW(assist), false},
    {ENL_REG_VP_ASSIST_PAGE, 1, ENLH_F_BASE, RW(assist), false},
    {ENL_REG_REFERENCE_TSC, 1, ENLH_F_TIME, RW(clock), false},
    {ENL_REG_SINT0, ENL_SINT_COUNT, ENLH_F_SYNIC, RW(synic), true},
    {ENL_REG_SCONTROL, 1, ENLH_F_SYNIC, RW(synic), true},
    {ENL_REG_SVERSION, 1, ENLH_F_SYNIC, RO(synic), true},
    {ENL_REG_SIEFP, 1, ENLH_F_SYNIC, RW(synic), true},
    {ENL_REG_SIMP, 1, ENLH_F_SYNIC, RW(synic), true},
    {ENL_REG_EOM, 1, ENLH_F_SYNIC, RW(synic), true},
    {ENL_REG_STIMER0_CONFIG, 2 * ENL_STIMER_COUNT, ENLH_F_STIMER, RW(stimer), true},
    {ENL_REG_RESET, 1, ENLH_F_RESET, RW(reset), false},
    {ENL_REG_REENLIGHTENMENT_CONTROL, 1, ENLH_F_REENLIGHTENMENT, RW(clock), false},
    {ENL_REG_TSC_EMULATION_CONTROL, 1, ENLH_F_REENLIGHTENMENT, RW(clock), false},
    {ENL_REG_TSC_EMULATION_STATUS, 1, ENLH_F_REENLIGHTENMENT, RW(clock), false},
    {ENL_REG_TSC_INVARIANT_CONTROL, 1, ENLH_F_TSC_INVARIANT, RW(clock), false},
};

/* The row of a register that this guest may know of. */
static int
reg_find(const struct enlh_vp *vp, uint32_t reg, const struct reg_row **out)
{
    const struct enlh_partition *partition = vp->partition;

    for (uint32_t i = 0; i < sizeof(reg_table) / sizeof(reg_table[0]); i++) {
        const struct reg_row *row = &reg_table[i];

        /* Below the first one the difference wraps. */
        if (reg - row->first >= row->count)
            continue;
        if (row->below && enlh_ops_below(partition))
            return -ENL_E_NOENT;
        if (!enlh_feature_on(&partition->config.features, row->needs))
            return -ENL_E_ACCESS;
        *out = row;
        return 0;
    }
    return -ENL_E_NOENT;
}

static int
reg_fault(struct enlh_vp *vp, uint32_t reg, const char *access, int err)
{
    ENLH_COUNT(vp->partition, register_faults);
    enlh_log_guest(vp->partition, "vp %u: %s of register %#x faults: %d", vp->index,
                   access, reg, err);
    return err;
}

int
enlh_reg_get(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    const struct reg_row *row;
    int err = reg_find(vp, reg, &row);

    if (err == 0)
        err = row->get != NULL ? row->get(vp, reg, value) : -ENL_E_INVAL;
    return err == 0 ? 0 : reg_fault(vp, reg, "read", err);
}

int
enlh_reg_set(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    const struct reg_row *row;
    int err = reg_find(vp, reg, &row);

    if (err == 0)
        err = row->set != NULL ? row->set(vp, reg, value) : -ENL_E_INVAL;
    return err == 0 ? 0 : reg_fault(vp, reg, "write", err);
}
