/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/smp.c - the other processors: started, asleep, given work
 *
 * Run by the tests on the boot processor. A processor is started by INIT and SIPI through
 * the x2APIC, and halts until it is woken: under emulation one that spins costs the others
 * half their time. [Intel SDM 3A 8.4]
 */
#include <string.h>

#include "test/guest/kernel/kernel.h"

#define AP_PAGE     0x8000u
#define ICR_INIT    0x4500u
#define ICR_SIPI    0x4600u
#define ICR_ASSERT  0x4000u
#define START_TRIES 3u

extern const uint8_t ap_start[], ap_start_end[];
void smp_main(void);

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
    cpus[cpu].is_up = false;
    cpus[cpu].work = NULL;
    apic_send(cpu, ICR_INIT);
    spin_us(200);
    return smp_wait_up(cpu);
}

uint32_t
smp_start(uint32_t wanted)
{
    uint32_t running = 1;

    while (running < wanted && running < CPUS_MAX && smp_restart(running))
        running++;
    return running;
}

/* The interrupt may come between the look and the halt: STI holds it off until HLT. */
void
smp_main(void)
{
    struct cpu *cpu = cpu_this();

    cpu->is_up = true;
    for (;;) {
        void (*work)(void *);

        interrupts_off();
        work = cpu->work;
        if (!work) {
            __asm__ volatile("sti; hlt" ::: "memory");
            continue;
        }
        interrupts_on();
        work(cpu->work_arg);
        cpu->work = NULL;
    }
}

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
