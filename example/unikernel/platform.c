/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * platform.c - the callbacks that the library asks for, and its first object
 *
 * Everything else in the library borrows the partition, and calls this kernel through
 * struct enlg_platform alone.
 */
#include <enlight/abi/hypercall.h>
#include <enlight/abi/register.h>
#include <enlight/guest/clock.h>
#include <enlight/guest/hypercall.h>
#include <enlight/guest/leave.h>
#include <enlight/guest/x86_64.h>

#include "unikernel.h"

/* Open source, a type that nobody has, version 1. */
#define OS_ID                                                                            \
    (ENL_GUEST_OS_ID_OPEN_SOURCE | UINT64_C(0x7E) << ENL_GUEST_OS_ID_TYPE_SHIFT |        \
     UINT64_C(1) << ENL_GUEST_OS_ID_VERSION_SHIFT)
#define CALL_UNKNOWN 0x7FFFu

struct enlg_partition partition;
static struct enlg_platform platform;
static uint8_t hypercall_page[PAGE] __attribute__((aligned(4096)));

/* ---- callbacks ---- */

static enl_gpa
address_of(void *ctx, const void *address)
{
    (void)ctx;
    return (enl_gpa){(uintptr_t)address}; /* virtual equals physical here */
}

static void
pause_before(void *ctx, uint32_t attempt)
{
    (void)ctx;
    spin_us(attempt < 10 ? 1000 : 10000);
}

static void
log_line(void *ctx, enum enlg_log_level level, const char *text)
{
    (void)ctx;
    say("# %s: %s\n", level == ENLG_LOG_ERROR ? "error" : "library", text);
}

/* ---- what the hypervisor announces ---- */

struct word {
    uint64_t bit;
    const char *name;
};

static const struct word privileges[] = {
    {ENL_PRIV_VP_RUNTIME, "runtime"},
    {ENL_PRIV_TIME_REF_COUNT, "counter"},
    {ENL_PRIV_SYNIC, "synic"},
    {ENL_PRIV_STIMER, "stimer"},
    {ENL_PRIV_APIC, "apic"},
    {ENL_PRIV_HYPERCALL, "hypercall"},
    {ENL_PRIV_VP_INDEX, "vpindex"},
    {ENL_PRIV_RESET, "reset"},
    {ENL_PRIV_REFERENCE_TSC, "tsc-page"},
    {ENL_PRIV_GUEST_IDLE, "idle"},
    {ENL_PRIV_FREQUENCY, "frequencies"},
    {ENL_PRIV_REENLIGHTENMENT, "reenlightenment"},
    {ENL_PRIV_TSC_INVARIANT, "tsc-invariant"},
    {ENL_PRIV_POST_MESSAGES, "post-messages"},
    {ENL_PRIV_SIGNAL_EVENTS, "signal-events"},
    {ENL_PRIV_EXTENDED_HYPERCALLS, "extended-hypercalls"},
    {0, NULL},
};
static const struct word features[] = {
    {ENL_FEAT_XMM_INPUT, "xmm-input"},
    {ENL_FEAT_XMM_OUTPUT, "xmm-output"},
    {ENL_FEAT_CRASH, "crash"},
    {ENL_FEAT_EXT_GVA_RANGES, "extended-flush"},
    {ENL_FEAT_SINT_POLLING, "sint-polling"},
    {ENL_FEAT_HYPERCALL_LOCK, "hypercall-lock"},
    {ENL_FEAT_DIRECT_STIMER, "stimer-direct"},
    {0, NULL},
};
static const struct word hints[] = {
    {ENL_HINT_REMOTE_FLUSH, "tlb-flush"},
    {ENL_HINT_CLUSTER_IPI, "ipi"},
    {ENL_HINT_EX_PROCESSOR_MASKS, "ex-processor-masks"},
    {ENL_HINT_APIC_MSRS, "apic"},
    {ENL_HINT_RELAXED_TIMING, "relaxed-timing"},
    {ENL_HINT_NO_AUTO_EOI, "no-auto-eoi"},
    {ENL_HINT_NESTED, "nested"},
    {0, NULL},
};

static void
say_words(const char *title, const struct word *words, uint64_t set)
{
    say("# %s 0x%lx:", title, (unsigned long)set);
    for (; words->name; words++) {
        if (set & words->bit)
            say(" %s", words->name);
    }
    say("\n");
}

static void
say_features(const struct enlg_features *f)
{
    say_words("privileges", privileges, f->privileges);
    say_words("features", features, f->features);
    say_words("hints", hints, f->hints);
    say("# largest leaf 0x%x, at most %u VPs, %u address bits, spin retries 0x%x\n",
        f->max_leaf, f->max_vps, f->address_bits, f->spin_retries);
    say("# hardware 0x%x, nested 0x%x, isolation %u\n", f->hardware, f->nested,
        f->isolation);
}

/* Nothing has to be measured, where the hypervisor tells it. */
static void
learn_frequency(void)
{
    uint64_t tsc_hz, apic_hz;

    if (enlg_clock_frequencies(&partition, &tsc_hz, &apic_hz) != 0)
        return;
    tsc_per_us = tsc_hz / 1000000;
    say("# TSC %lu MHz, APIC %lu MHz\n", (unsigned long)tsc_per_us,
        (unsigned long)(apic_hz / 1000000));
}

/* ---- start and end ---- */

bool
platform_start(void)
{
    const struct enlg_features *f;
    int rc;

    enlg_x64_platform(&platform); /* CPUID, registers, the hypercall, the TSC */
    platform.gpa = address_of;
    platform.pause = pause_before;
    platform.log = log_line;
    rc = enlg_partition_init(&partition, &platform);
    if (rc) {
        report_rc(rc, "U01", "there is a Hyper-V under this kernel");
        return false;
    }
    f = enlg_partition_features(&partition);
    report(true, "U01", "Hyper-V %u.%u, build %u", f->major, f->minor, f->build);
    say_features(f);
    learn_frequency();

    /* This kernel runs memory where it is written, and so needs no map_exec(). */
    rc = enlg_hypercall_enable(&partition, hypercall_page, OS_ID);
    if (!rc && enlg_hypercall_fast8(&partition, CALL_UNKNOWN, 0) != -ENL_E_NOTSUP)
        rc = -ENL_E_IO;
    report_rc(rc, "U02", "an unknown hypercall is refused");
    return rc == 0;
}

/* Who is forgotten makes no hypercalls, and the memory is all this kernel's again. */
void
platform_stop(void)
{
    uint64_t os_id = 1;

    enlg_leave_partition(&partition);
    (void)platform.get_reg(platform.ctx, ENL_REG_GUEST_OS_ID, &os_id);
    report(os_id == 0, "X01", "every page is given back");
}
