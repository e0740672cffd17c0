/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/smp.c - the other processors: started, asleep, given work; and the time
 *
 * A processor is started by INIT and SIPI through the x2APIC, and halts until it is woken:
 * one that spins costs the others half their time where processors are emulated.
 * [Intel SDM 3A 8.4]
 */
#include <string.h>

#include "kernel.h"

#define AP_PAGE     0x8000u
#define START_TRIES 3u
#define WAIT_US     UINT64_C(10000000)
#define TURN_MAX_US UINT64_C(10000)

extern const uint8_t ap_start[], ap_start_end[];
extern volatile uint32_t ap_index;
void trap_init(uint32_t index);
void smp_entry(uint32_t index);

uint64_t tsc_per_us = 2000;

uint64_t
time_us(void)
{
    return tsc_read() / tsc_per_us;
}

void
spin_us(uint64_t us)
{
    uint64_t end = time_us() + us;

    while (time_us() < end)
        cpu_relax();
}

struct wait
wait_begin(void)
{
    return (struct wait){.last_us = time_us()};
}

bool
wait_goes_on(struct wait *wait)
{
    uint64_t now = time_us();
    uint64_t turn = now - wait->last_us;

    wait->last_us = now;
    wait->spent_us += turn < TURN_MAX_US ? turn : TURN_MAX_US;
    return wait->spent_us < WAIT_US;
}

bool
wait_word(volatile uint32_t *word, uint32_t value)
{
    return WAIT_UNTIL(*word >= value);
}

/* ---- start ---- */

static bool
smp_wait_up(uint32_t cpu)
{
    for (uint32_t i = 0; i < START_TRIES; i++) {
        apic_send(cpu, ICR_SIPI | AP_PAGE >> 12);
        if (WAIT_UNTIL(cpus[cpu].is_up))
            return true;
    }
    return false;
}

bool
smp_restart(uint32_t cpu)
{
    memcpy((void *)(uintptr_t)AP_PAGE, ap_start, (size_t)(ap_start_end - ap_start));
    ap_index = cpu;
    cpus[cpu].is_up = false;
    cpus[cpu].work = NULL;
    apic_send(cpu, ICR_INIT);
    spin_us(200);
    return smp_wait_up(cpu);
}

uint32_t
smp_start(uint32_t *listed)
{
    uint32_t ids[CPUS_MAX];
    uint32_t running = 1;

    *listed = acpi_cpus(ids, CPUS_MAX);
    for (uint32_t i = 0; i < *listed && i < CPUS_MAX; i++) {
        if (ids[i] == cpus[0].apic_id || running == CPUS_MAX)
            continue;
        cpus[running].apic_id = ids[i];
        running += smp_restart(running);
    }
    return running;
}

static _Noreturn void
smp_sleep(struct cpu *cpu)
{
    for (;;) {
        void (*work)(void *);

        interrupts_off();
        work = cpu->work;
        if (!work) {
            interrupts_wait();
            continue;
        }
        interrupts_on();
        work(cpu->work_arg);
        cpu->work = NULL;
    }
}

/* From boot.S, on each processor. */
void
smp_entry(uint32_t index)
{
    trap_init(index);
    cpus[index].is_up = true;
    if (index == 0)
        kernel_main();
    smp_sleep(&cpus[index]);
}

/* ---- work ---- */

bool
smp_begin(uint32_t cpu, void (*fn)(void *), void *arg)
{
    if (!smp_end(cpu))
        return false;
    cpus[cpu].work_arg = arg;
    cpus[cpu].work = fn;
    apic_send(cpu, ICR_ASSERT | VECTOR_WAKE);
    return true;
}

bool
smp_end(uint32_t cpu)
{
    return WAIT_UNTIL(!cpus[cpu].work);
}

bool
smp_run(uint32_t cpu, void (*fn)(void *), void *arg)
{
    return smp_begin(cpu, fn, arg) && smp_end(cpu);
}
