/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpus.c - every processor gets its SynIC, and what makes many processors cheap
 *
 * Three pages each: messages, event flags, VP assist. Source 2 of the SynIC is VMBus's;
 * timers that send messages have a source of their own, so that nobody has to sort what
 * comes. Where the hypervisor wants it, interrupts of others and flushes of their
 * translations are hypercalls, and an interrupt may end without an exit.
 */
#include <enlight/abi/register.h>
#include <enlight/guest/assist.h>
#include <enlight/guest/ipi.h>
#include <enlight/guest/leave.h>
#include <enlight/guest/tlb.h>

#include "unikernel.h"

uint32_t cpu_count = 1;
struct enlg_synic synics[CPUS_MAX];

static struct {
    uint8_t messages[PAGE], events[PAGE], assist[PAGE];
} pages[CPUS_MAX] __attribute__((aligned(4096)));

static struct enlg_assist assists[CPUS_MAX];
static volatile bool woken[CPUS_MAX];
static uint8_t call_page[PAGE] __attribute__((aligned(4096)));

/* ---- interrupts of other processors, and their ends ---- */

/* The hypervisor counts processors in its own way. A failure means: without it. */
static int
send_by_hypercall(uint32_t cpu, uint8_t vector)
{
    uint32_t vp = enlg_synic_vp(&synics[cpu]);
    uint64_t word = UINT64_C(1) << vp % 64;
    struct enlg_vpset set = {&word, 1};

    if (vp >= 64 || !enlg_ipi_is_offered(&partition))
        return -ENL_E_NOTSUP;
    return enlg_ipi_send(&partition, NULL, vector, &set);
}

static void
end_interrupt(void)
{
    if (!enlg_assist_eoi(&assists[cpu_this()->index]))
        apic_eoi();
}

/* ---- sleep ---- */

void
cpus_wake(uint32_t cpu)
{
    woken[cpu] = true;
    if (cpu != cpu_this()->index && send_by_hypercall(cpu, VECTOR_WAKE) != 0)
        apic_send(cpu, ICR_ASSERT | VECTOR_WAKE);
}

void
cpus_rest(void)
{
    uint32_t me = cpu_this()->index;

    interrupts_off();
    if (!woken[me])
        interrupts_wait();
    interrupts_on();
    woken[me] = false;
}

void
cpus_each(void (*fn)(void *arg), void *arg)
{
    fn(arg);
    for (uint32_t i = 1; i < cpu_count; i++) {
        if (!smp_run(i, fn, arg))
            report(false, "P10", "processor %u does not answer", i);
    }
}

/* ---- start ---- */

/* The interrupt that the hypervisor acknowledges itself gets no EOI of ours. */
static int
source_on(struct enlg_synic *synic, uint32_t sint, uint8_t vector)
{
    return enlg_synic_unmask(synic, sint, vector, 0, &cpu_this()->no_eoi[vector]);
}

static void
synic_on(void *arg)
{
    uint32_t me = cpu_this()->index;
    struct enlg_synic_pages own = {pages[me].messages, pages[me].events};
    int *rc = arg;

    if (*rc)
        return;
    cpu_this()->handler[VECTOR_VMBUS] = bus_interrupt;
    *rc = enlg_synic_enable(&synics[me], &partition, &own);
    if (!*rc)
        *rc = source_on(&synics[me], ENL_SINT_VMBUS, VECTOR_VMBUS);
    if (!*rc)
        *rc = source_on(&synics[me], SINT_TIMER, VECTOR_TIMER_MESSAGE);
}

static void
assist_on(void *arg)
{
    uint32_t me = cpu_this()->index;
    int rc = enlg_assist_enable(&assists[me], &partition, pages[me].assist);

    *(int *)arg = rc ? rc : *(int *)arg;
}

static void
start_assists(void)
{
    int rc = 0;

    if (!enlg_partition_has(&partition, ENL_PRIV_APIC)) {
        report_skip("A01", "VP assist pages", "not announced");
        return;
    }
    cpus_each(assist_on, &rc);
    trap_eoi = end_interrupt;
    report_rc(rc, "A01", "a VP assist page for each of them");
}

/* ---- many at once ---- */

static void
check_ipi(void)
{
    uint32_t came = 0;

    if (!enlg_ipi_is_offered(&partition)) {
        report_skip("P05", "interrupts by hypercall", "not wanted");
        return;
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        uint32_t before = cpus[i].irqs[VECTOR_WAKE];

        came += send_by_hypercall(i, VECTOR_WAKE) == 0 &&
                wait_word(&cpus[i].irqs[VECTOR_WAKE], before + 1);
    }
    report(came == cpu_count, "P05", "interrupts by hypercall: %u of %u came", came,
           cpu_count);
}

static void
check_flush(void)
{
    static const struct enlg_tlb_range range = {(uintptr_t)call_page, 2};
    struct enlg_tlb_flush flush = {.flags = ENLG_TLB_ALL_SPACES};
    int rc;

    if (!enlg_tlb_is_offered(&partition)) {
        report_skip("P02", "flushes by hypercall", "not wanted");
        return;
    }
    rc = enlg_tlb_flush(&partition, call_page, &flush);
    flush.range = &range;
    flush.range_count = 1;
    if (!rc)
        rc = enlg_tlb_flush(&partition, call_page, &flush);
    report_rc(rc, "P02", "flushes by hypercall, of everything and of a list");
}

void
cpus_start(void)
{
    uint32_t listed;
    int rc = 0;

    interrupts_on();
    cpu_count = smp_start(&listed);
    report(cpu_count == listed, "P10", "%u of %u processors run", cpu_count, listed);
    if (enlg_partition_has(&partition, ENL_PRIV_SYNIC)) {
        cpus_each(synic_on, &rc);
        report_rc(rc, "U03", "a SynIC for each of them");
    } else {
        report_skip("U03", "a SynIC", "not announced");
    }
    start_assists();
    check_ipi();
    check_flush();
}

/* ---- the end ---- */

static void
leave(void *arg)
{
    (void)arg;
    interrupts_off();
    enlg_leave_vp(&partition);
    interrupts_on();
}

void
cpus_stop(void)
{
    trap_eoi = apic_eoi;
    cpus_each(leave, NULL);
}
