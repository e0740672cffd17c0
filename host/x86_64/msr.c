/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR numbers and register names. The guest chooses the number; one that has no name here
 * does not exist. Everything else is the register's room's. [TLFS 2.4.4, appendix B]
 * Tests: msr_names.
 */
#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"
#include "enlight/host/x86_64.h"

struct msr_row {
    uint32_t msr;
    uint32_t reg;
    uint32_t count; /* of consecutive numbers with consecutive names */
};

static const struct msr_row msr_table[] = {
    {ENL_MSR_GUEST_OS_ID, ENL_REG_GUEST_OS_ID, 1},
    {ENL_MSR_HYPERCALL, ENL_REG_HYPERCALL, 1},
    {ENL_MSR_VP_INDEX, ENL_REG_VP_INDEX, 1},
    {ENL_MSR_RESET, ENL_REG_RESET, 1},
    {ENL_MSR_VP_RUNTIME, ENL_REG_VP_RUNTIME, 1},
    {ENL_MSR_TIME_REF_COUNT, ENL_REG_TIME_REF_COUNT, 1},
    {ENL_MSR_REFERENCE_TSC, ENL_REG_REFERENCE_TSC, 1},
    {ENL_MSR_TSC_FREQUENCY, ENL_REG_TSC_FREQUENCY, 1},
    {ENL_MSR_APIC_FREQUENCY, ENL_REG_APIC_FREQUENCY, 1},
    {ENL_MSR_EOI, ENL_REG_EOI, 1},
    {ENL_MSR_ICR, ENL_REG_ICR, 1},
    {ENL_MSR_TPR, ENL_REG_TPR, 1},
    {ENL_MSR_VP_ASSIST_PAGE, ENL_REG_VP_ASSIST_PAGE, 1},
    {ENL_MSR_SCONTROL, ENL_REG_SCONTROL, 1},
    {ENL_MSR_SVERSION, ENL_REG_SVERSION, 1},
    {ENL_MSR_SIEFP, ENL_REG_SIEFP, 1},
    {ENL_MSR_SIMP, ENL_REG_SIMP, 1},
    {ENL_MSR_EOM, ENL_REG_EOM, 1},
    {ENL_MSR_SINT0, ENL_REG_SINT0, ENL_SINT_COUNT},
    {ENL_MSR_STIMER0_CONFIG, ENL_REG_STIMER0_CONFIG, 2 * ENL_STIMER_COUNT},
    {ENL_MSR_CRASH_P0, ENL_REG_CRASH_P0, ENL_CRASH_PARAMS},
    {ENL_MSR_CRASH_CTL, ENL_REG_CRASH_CTL, 1},
    {ENL_MSR_REENLIGHTENMENT_CONTROL, ENL_REG_REENLIGHTENMENT_CONTROL, 1},
    {ENL_MSR_TSC_EMULATION_CONTROL, ENL_REG_TSC_EMULATION_CONTROL, 1},
    {ENL_MSR_TSC_EMULATION_STATUS, ENL_REG_TSC_EMULATION_STATUS, 1},
    {ENL_MSR_TSC_INVARIANT_CONTROL, ENL_REG_TSC_INVARIANT_CONTROL, 1},
};

#define MSR_ROWS (sizeof(msr_table) / sizeof(msr_table[0]))

/* The register of an MSR, or 0, which is no register. */
static uint32_t
msr_register(uint32_t msr)
{
    for (uint32_t i = 0; i < MSR_ROWS; i++) {
        if (msr - msr_table[i].msr < msr_table[i].count)
            return msr_table[i].reg + (msr - msr_table[i].msr);
    }
    return 0;
}

/* Register 0 is in no room's row, so what is unknown here is refused and counted there. */
int
enlh_x64_msr_read(struct enlh_vp *vp, uint32_t msr, uint64_t *value)
{
    return enlh_vp_get_reg(vp, msr_register(msr), value);
}

int
enlh_x64_msr_write(struct enlh_vp *vp, uint32_t msr, uint64_t value)
{
    return enlh_vp_set_reg(vp, msr_register(msr), value);
}

uint32_t
enlh_x64_msr_of(uint32_t reg)
{
    for (uint32_t i = 0; i < MSR_ROWS; i++) {
        if (reg - msr_table[i].reg < msr_table[i].count)
            return msr_table[i].msr + (reg - msr_table[i].reg);
    }
    return 0;
}
