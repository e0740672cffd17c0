/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/registers.c - which synthetic MSRs there are, and what may be written to them
 *
 * Everything that is announced is there, and nothing else: that holds for every list of
 * enlightenments, so the expectations come from the leaves. [TLFS 2.4, 3.1]
 */
#include "enlight/guest/x86_64.h"
#include "test/guest/kernel/kernel.h"

#define R 1u
#define W 2u /* a write of what was read faults not */

static const struct {
    uint32_t msr, count;
    uint32_t access;
    uint64_t privilege; /* or */
    uint32_t feature;   /* ENL_FEAT_ */
} announced[] = {
    {ENL_MSR_GUEST_OS_ID, 2, R, ENL_PRIV_HYPERCALL, 0},
    {ENL_MSR_VP_INDEX, 1, R, ENL_PRIV_VP_INDEX, 0},
    {ENL_MSR_RESET, 1, R, ENL_PRIV_RESET, 0},
    {ENL_MSR_VP_RUNTIME, 1, R, ENL_PRIV_VP_RUNTIME, 0},
    {ENL_MSR_TIME_REF_COUNT, 1, R, ENL_PRIV_TIME_REF_COUNT, 0},
    {ENL_MSR_REFERENCE_TSC, 1, R | W, ENL_PRIV_REFERENCE_TSC, 0},
    {ENL_MSR_TSC_FREQUENCY, 2, R, ENL_PRIV_FREQUENCY, 0},
    {ENL_MSR_TPR, 1, R | W, ENL_PRIV_APIC, 0},
    {ENL_MSR_SCONTROL, 1, R | W, ENL_PRIV_SYNIC, 0},
    {ENL_MSR_SVERSION, 1, R, ENL_PRIV_SYNIC, 0},
    {ENL_MSR_SIEFP, 3, R | W, ENL_PRIV_SYNIC, 0},
    {ENL_MSR_SINT0, ENL_SINT_COUNT, R | W, ENL_PRIV_SYNIC, 0},
    {ENL_MSR_STIMER0_CONFIG, 2 * ENL_STIMER_COUNT, R | W, ENL_PRIV_STIMER, 0},
    {ENL_MSR_CRASH_P0, 5, R | W, 0, ENL_FEAT_CRASH},
    {ENL_MSR_CRASH_CTL, 1, R, 0, ENL_FEAT_CRASH},
    {ENL_MSR_REENLIGHTENMENT_CONTROL, 3, R | W, ENL_PRIV_REENLIGHTENMENT, 0},
    {ENL_MSR_TSC_INVARIANT_CONTROL, 1, R | W, ENL_PRIV_TSC_INVARIANT, 0},
};

static bool
is_there(size_t i)
{
    return announced[i].privilege ? has_priv(announced[i].privilege)
                                  : (features->features & announced[i].feature) != 0;
}

static void
check_access(uint32_t msr, uint32_t access, bool there)
{
    uint64_t value = 0;
    int wanted = there ? FAULT_NONE : FAULT_GP;
    int fault = msr_try_read(msr, &value);

    if (fault != wanted)
        say("# MSR %x, announced %u: read\n", msr, there);
    EQUAL(fault, wanted);
    if (there && !(access & W))
        return;
    fault = msr_try_write(msr, value);
    if (fault != wanted)
        say("# MSR %x, announced %u: write of %lx\n", msr, there, (unsigned long)value);
    EQUAL(fault, wanted);
}

static void
access_follows_announcement(void)
{
    for (size_t i = 0; i < COUNT(announced); i++) {
        for (uint32_t j = 0; j < announced[i].count; j++)
            check_access(announced[i].msr + j, announced[i].access, is_there(i));
    }
}

static void
unknown_registers_fault(void)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x40000004, 0x4000000F}, {0x40000011, 0x4000001F}, {0x40000024, 0x40000027},
        {0x40000040, 0x40000041}, {0x40000074, 0x4000007F}, {0x40000085, 0x4000008F},
        {0x400000A0, 0x400000A3}, {0x400000B8, 0x400000BB}, {0x400000E0, 0x400000E3},
        {0x400000F0, 0x400000FF}, {0x40000109, 0x4000010C}, {0x40000114, 0x40000117},
        {0x40000119, 0x4000011C}, {0x400001FF, 0x40000202}, {0x40000FFF, 0x40001001},
        {0x40001080, 0x40001084},
    };

    for (size_t i = 0; i < COUNT(ranges); i++) {
        for (uint32_t msr = ranges[i].first; msr <= ranges[i].last; msr++)
            check_access(msr, R | W, false);
    }
}

static void
sversion_is_one_and_read_only(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC));
    EQUAL(msr_read(ENL_MSR_SVERSION), 1);
    EQUAL(msr_try_write(ENL_MSR_SVERSION, 1), FAULT_GP);
    EQUAL(msr_read(ENL_MSR_SVERSION), 1);
}

static void
read_only_registers_fault_on_write(void)
{
    static const struct {
        uint32_t msr;
        uint64_t privilege;
    } registers[] = {
        {ENL_MSR_VP_INDEX, ENL_PRIV_VP_INDEX},
        {ENL_MSR_VP_RUNTIME, ENL_PRIV_VP_RUNTIME},
        {ENL_MSR_TIME_REF_COUNT, ENL_PRIV_TIME_REF_COUNT},
        {ENL_MSR_TSC_FREQUENCY, ENL_PRIV_FREQUENCY},
        {ENL_MSR_APIC_FREQUENCY, ENL_PRIV_FREQUENCY},
    };

    for (size_t i = 0; i < COUNT(registers); i++) {
        if (has_priv(registers[i].privilege))
            EQUAL(msr_try_write(registers[i].msr, 0), FAULT_GP);
    }
}

static void
read_vp_index(void *arg)
{
    *(volatile uint64_t *)arg = msr_read(ENL_MSR_VP_INDEX);
}

static void
vp_index_counts_processors(void)
{
    REQUIRE(has_priv(ENL_PRIV_VP_INDEX));
    EQUAL(msr_read(ENL_MSR_VP_INDEX), 0);
    for (uint32_t i = 1; i < cpu_count; i++) {
        uint64_t index = ~UINT64_C(0);

        CHECK(smp_run(i, read_vp_index, &index));
        EQUAL(index, i);
    }
}

/* The host may count in ticks of 10 ms. */
static void
vp_runtime_grows(void)
{
    uint64_t first;

    REQUIRE(has_priv(ENL_PRIV_VP_RUNTIME));
    first = msr_read(ENL_MSR_VP_RUNTIME);
    CHECK(WAIT_UNTIL(msr_read(ENL_MSR_VP_RUNTIME) > first));
}

static void
sint_refuses_vectors_below_16(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC));
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++) {
        uint32_t msr = ENL_MSR_SINT0 + i;

        EQUAL(msr_try_write(msr, 15), FAULT_GP);
        EQUAL(msr_try_write(msr, 0), FAULT_GP);
        EQUAL(msr_read(msr), ENL_SINT_RESET_VALUE);
        EQUAL(msr_try_write(msr, 15 | ENL_SINT_MASKED), FAULT_NONE);
        EQUAL(msr_try_write(msr, 16), FAULT_NONE);
        EQUAL(msr_read(msr), 16);
        EQUAL(msr_try_write(msr, ENL_SINT_RESET_VALUE), FAULT_NONE);
    }
}

static void
tsc_invariant_stays_once_set(void)
{
    REQUIRE(has_priv(ENL_PRIV_TSC_INVARIANT));
    EQUAL(msr_try_write(ENL_MSR_TSC_INVARIANT_CONTROL, 2), FAULT_GP);
    EQUAL(msr_try_write(ENL_MSR_TSC_INVARIANT_CONTROL, 1), FAULT_NONE);
    EQUAL(msr_read(ENL_MSR_TSC_INVARIANT_CONTROL), 1);
    (void)msr_try_write(ENL_MSR_TSC_INVARIANT_CONTROL, 0);
    EQUAL(msr_read(ENL_MSR_TSC_INVARIANT_CONTROL), 1);
}

/* This list runs first: nothing was written before but what access_follows wrote back. */
static void
synic_starts_with_reset_values(void)
{
    REQUIRE(has_priv(ENL_PRIV_SYNIC));
    EQUAL(msr_read(ENL_MSR_SCONTROL), 0);
    EQUAL(msr_read(ENL_MSR_SIMP), 0);
    EQUAL(msr_read(ENL_MSR_SIEFP), 0);
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        EQUAL(msr_read(ENL_MSR_SINT0 + i), ENL_SINT_RESET_VALUE);
}

static void
crash_control_reads_what_is_supported(void)
{
    REQUIRE(features->features & ENL_FEAT_CRASH);
    EQUAL(msr_read(ENL_MSR_CRASH_CTL), ENL_CRASH_CTL_NOTIFY | ENL_CRASH_CTL_MESSAGE);
    for (uint32_t i = 0; i < 5; i++)
        msr_write(ENL_MSR_CRASH_P0 + i, UINT64_C(0x1234567800000000) + i);
    for (uint32_t i = 0; i < 5; i++)
        EQUAL(msr_read(ENL_MSR_CRASH_P0 + i), UINT64_C(0x1234567800000000) + i);
    EQUAL(msr_try_write(ENL_MSR_CRASH_CTL, 0), FAULT_NONE);
}

/* --hv none: no leaf, no register. */
static void
nothing_is_there(void)
{
    struct enl_cpuid_leaf leaf;

    enlg_x64_cpuid(NULL, ENL_CPUID_BASE, &leaf);
    CHECK(leaf.ebx != ENL_VENDOR_EBX);
    for (uint32_t msr = ENL_MSR_FIRST; msr < ENL_MSR_FIRST + ENL_MSR_COUNT; msr++)
        check_access(msr, R | W, false);
}

const struct test none_tests[] = {
    {"nothing_is_there", "C22 C23 M28", nothing_is_there},
    {NULL, NULL, NULL},
};

const struct test registers_tests[] = {
    {"synic_starts_with_reset_values", "S22 M16", synic_starts_with_reset_values},
    {"access_follows_announcement", "C23 M28", access_follows_announcement},
    {"unknown_registers_fault", "M28", unknown_registers_fault},
    {"sversion_is_one_and_read_only", "M13", sversion_is_one_and_read_only},
    {"read_only_registers_fault_on_write", "M03 M05 M06 M08",
     read_only_registers_fault_on_write},
    {"vp_index_counts_processors", "M03", vp_index_counts_processors},
    {"vp_runtime_grows", "M05", vp_runtime_grows},
    {"sint_refuses_vectors_below_16", "M16", sint_refuses_vectors_below_16},
    {"tsc_invariant_stays_once_set", "M26", tsc_invariant_stays_once_set},
    {"crash_control_reads_what_is_supported", "M21 M22",
     crash_control_reads_what_is_supported},
    {NULL, NULL, NULL},
};
