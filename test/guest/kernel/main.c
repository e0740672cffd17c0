/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/main.c - start, find the hypervisor, run the tests, power off
 *
 * Run on the boot processor. The command line says which lists of tests:
 * tests=all, or names with commas. The output is TAP; a line of "done" ends it, without
 * which whoever reads it must not believe the rest.
 */
#include <string.h>

#include "enlight/guest/hypercall.h"
#include "enlight/guest/x86_64.h"
#include "test/guest/kernel/kernel.h"
#include "vmm/acpi.h"

void call_raw(const void *code, struct call_regs *regs);
void call_user(const void *code, const struct call_regs *regs, uint64_t flags);

struct enlg_partition guest_partition;
const struct enlg_features *features;
uint32_t cpu_count = 1;
uint8_t hypercall_page[PAGE] __attribute__((aligned(4096)));

static struct enlg_platform platform;
static const char *skip_reason;
static uint32_t failures;
static uint32_t passed, failed, skipped;

/* ---- checks ---- */

#define FAILURES_TOLD 8u

void
check(bool ok, const char *what, int line)
{
    if (!ok && failures++ < FAILURES_TOLD)
        say("# line %d: not so: %s\n", line, what);
}

void
check_equal(uint64_t got, uint64_t wanted, const char *what, int line)
{
    if (got != wanted && failures++ < FAILURES_TOLD)
        say("# line %d: %s is 0x%lx, not 0x%lx\n", line, what, (unsigned long)got,
            (unsigned long)wanted);
}

void
test_skip(const char *reason)
{
    skip_reason = reason;
}

bool
test_failed(void)
{
    return failures != 0;
}

static void
tests_run(const struct test *tests)
{
    for (; tests->name; tests++) {
        failures = 0;
        skip_reason = NULL;
        tests->run();
        interrupts_on();
        if (features)
            synthetic_reset();
        if (failures) {
            failed++;
            say("not ok - %s (%s)\n", tests->name, tests->rows);
        } else if (skip_reason) {
            skipped++;
            say("ok - %s (%s) # SKIP %s\n", tests->name, tests->rows, skip_reason);
        } else {
            passed++;
            say("ok - %s (%s)\n", tests->name, tests->rows);
        }
    }
}

/* ---- the hypervisor ---- */

void
hypercall_page_on(void)
{
    msr_write(ENL_MSR_GUEST_OS_ID, GUEST_OS_ID);
    msr_write(ENL_MSR_HYPERCALL, (uintptr_t)hypercall_page | ENL_HYPERCALL_ENABLE);
}

void
hypercall_page_off(void)
{
    msr_write(ENL_MSR_HYPERCALL, 0);
    msr_write(ENL_MSR_GUEST_OS_ID, 0);
}

uint64_t
hypercall(uint64_t control, uint64_t input, uint64_t output)
{
    return enlg_x64_hypercall(NULL, hypercall_page, control, input, output);
}

struct call_try {
    const void *code;
    struct call_regs *regs;
    uint64_t flags;
};

static void
call_try_raw(void *arg)
{
    const struct call_try *call = arg;

    call_raw(call->code, call->regs);
}

static void
call_try_user(void *arg)
{
    const struct call_try *call = arg;

    call_user(call->code, call->regs, call->flags);
}

int
call_try(const void *code, struct call_regs *regs)
{
    struct call_try call = {code, regs, 0};

    return cpu_catch(call_try_raw, &call);
}

int
call_user_try(const void *code, const struct call_regs *regs, uint64_t flags)
{
    struct call_regs copy = *regs;
    struct call_try call = {code, &copy, flags};

    return cpu_catch(call_try_user, &call);
}

static void
user_mode_on(void)
{
    cpu_this()->handler[USER_DONE] = fault_from_user;
    cpu_this()->no_eoi[USER_DONE] = true;
}

static void
synic_registers_reset(void)
{
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        msr_write(ENL_MSR_SINT0 + i, ENL_SINT_RESET_VALUE);
    msr_write(ENL_MSR_SCONTROL, 0);
    msr_write(ENL_MSR_SIMP, 0);
    msr_write(ENL_MSR_SIEFP, 0);
}

void
synthetic_reset(void)
{
    struct cpu *cpu = cpu_this();

    for (uint32_t i = 0; i < ENL_STIMER_COUNT && has_priv(ENL_PRIV_STIMER); i++) {
        msr_write(ENL_MSR_STIMER0_CONFIG + 2 * i, 0);
        msr_write(ENL_MSR_STIMER0_COUNT + 2 * i, 0);
    }
    if (has_priv(ENL_PRIV_SYNIC))
        synic_registers_reset();
    apic_eoi_all();
    for (uint32_t i = 0; i < 256; i++) {
        cpu->irqs[i] = 0;
        cpu->no_eoi[i] = false;
        cpu->handler[i] = NULL;
    }
    user_mode_on();
}

static enl_gpa
gpa_of(void *ctx, const void *address)
{
    (void)ctx;
    return (enl_gpa){(uintptr_t)address};
}

static void
pause_before(void *ctx, uint32_t attempt)
{
    (void)ctx;
    spin_us(attempt < 10 ? 1000 : 10000);
}

static void
hypervisor_find(void)
{
    enlg_x64_platform(&platform);
    platform.gpa = gpa_of;
    platform.pause = pause_before;
    if (enlg_partition_init(&guest_partition, &platform) != 0)
        return;
    features = enlg_partition_features(&guest_partition);
    if (has_priv(ENL_PRIV_FREQUENCY))
        tsc_per_us = msr_read(ENL_MSR_TSC_FREQUENCY) / 1000000;
}

/* ---- start and end ---- */

void
machine_reset(void)
{
    out8(ENLM_ACPI_PORT + ENLM_ACPI_RESET, ENLM_ACPI_RESET_VALUE);
}

static void
run_lists(void)
{
    static const struct {
        const char *name;
        const struct test *tests;
    } lists[] = {
        {"registers", registers_tests}, {"overlay", overlay_tests},
        {"hypercall", hypercall_tests}, {"synic", synic_tests},
        {"stimer", stimer_tests},       {"clock", clock_tests},
        {"vmbus", vmbus_tests},         {"processors", processors_tests},
        {"hostile", hostile_tests},
    };

    for (size_t i = 0; i < COUNT(lists); i++) {
        if (option_is("tests", "all") || option_is("tests", lists[i].name))
            tests_run(lists[i].tests);
    }
    if (option_is("tests", "lock"))
        tests_run(lock_tests);
}

void
kernel_main(void)
{
    uint32_t listed;

    fault_init();
    user_mode_on();
    hypervisor_find();
    interrupts_on();
    cpu_count = smp_start(&listed);
    if (cpu_count != listed)
        say("not ok - %u of %u processors started (P10)\n", cpu_count, listed);
    if (features)
        run_lists();
    else
        tests_run(none_tests);
    say("done: %u passed, %u failed, %u skipped\n", passed, failed, skipped);
    ends_run();
    power_off();
}
