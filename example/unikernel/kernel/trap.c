/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/trap.c - one table of interrupts for all processors, and their local APICs
 *
 * Run by the processor, through boot.S. An interrupt is counted, handled and acknowledged
 * at the APIC, unless its vector is one that the hypervisor acknowledges.
 */
#include "kernel.h"

#define CODE64        0x08u
#define FAULTS        32u
#define GATE_KERNEL   0x8Eu
#define MSR_GS_BASE   0xC0000101u
#define MSR_APIC_BASE 0x1Bu
#define APIC_X2       (UINT64_C(3) << 10)
#define APIC_ID       0x20u
#define APIC_TPR      0x80u
#define APIC_SPURIOUS 0xF0u
#define APIC_ICR      0x300u
#define PIC_MASK      0x21u
#define PIC2_MASK     0xA1u

struct trap_gate {
    uint16_t offset0, selector;
    uint8_t ist, type;
    uint16_t offset1;
    uint32_t offset2, reserved;
};

extern const uint8_t trap_stubs[];
void trap_handle(struct frame *frame);
void trap_init(uint32_t index);

struct cpu cpus[CPUS_MAX];
void (*trap_eoi)(void) = apic_eoi;
static struct trap_gate gates[256];

void
trap_handle(struct frame *frame)
{
    struct cpu *cpu = cpu_this();
    uint8_t vector = (uint8_t)frame->vector;

    if (vector < FAULTS) {
        kernel_fault(frame);
        return;
    }
    cpu->irqs[vector]++;
    if (cpu->handler[vector])
        cpu->handler[vector](frame);
    if (!cpu->no_eoi[vector])
        trap_eoi();
}

/* This register does not wait for earlier stores. [Intel SDM 3A, x2APIC] */
void
apic_send(uint32_t cpu, uint32_t command)
{
    __asm__ volatile("mfence; lfence" ::: "memory");
    msr_write(X2APIC(APIC_ICR), (uint64_t)cpus[cpu].apic_id << 32 | command);
}

static void
apic_init(struct cpu *cpu)
{
    msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_X2);
    msr_write(X2APIC(APIC_TPR), 0);
    msr_write(X2APIC(APIC_SPURIOUS), 0x1FF);
    cpu->apic_id = (uint32_t)msr_read(X2APIC(APIC_ID));
}

static void
gates_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint64_t at = (uintptr_t)trap_stubs + i * 16u;

        gates[i].offset0 = (uint16_t)at;
        gates[i].offset1 = (uint16_t)(at >> 16);
        gates[i].offset2 = (uint32_t)(at >> 32);
        gates[i].selector = CODE64;
        gates[i].type = GATE_KERNEL;
    }
}

void
trap_init(uint32_t index)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = {sizeof(gates) - 1, (uintptr_t)gates};
    struct cpu *cpu = &cpus[index];

    if (index == 0) {
        gates_init();
        /* A firmware's timer still comes through the 8259, by a fault's number. */
        out8(PIC_MASK, 0xFF);
        out8(PIC2_MASK, 0xFF);
    }
    cpu->self = cpu;
    cpu->index = index;
    msr_write(MSR_GS_BASE, (uintptr_t)cpu);
    __asm__ volatile("lidt %0" : : "m"(idt));
    apic_init(cpu);
}
