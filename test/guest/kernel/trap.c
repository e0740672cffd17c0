/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/trap.c - faults that a test expects, interrupts that it counts
 *
 * Run by the processor. A fault within cpu_catch() ends the function that made it; any
 * other is the end of the guest, told with its address. An interrupt is counted, handled
 * and acknowledged at the APIC, unless its vector is one that the hypervisor acknowledges.
 */
#include "test/guest/kernel/kernel.h"

#define CODE64        0x08u
#define DATA          0x10u
#define TASK          0x30u
#define RFLAGS_1      UINT64_C(2)
#define RFLAGS_IF     UINT64_C(0x200)
#define FAULTS        32u
#define VECTOR_USER   0x80u
#define GATE_KERNEL   0x8Eu
#define GATE_USER     0xEEu
#define MSR_GS_BASE   0xC0000101u
#define MSR_APIC_BASE 0x1Bu
#define APIC_X2       (UINT64_C(3) << 10)
#define X2APIC(reg)   (0x800u + (reg) / 16u)
#define APIC_TPR      0x80u
#define APIC_EOI      0xB0u
#define APIC_SPURIOUS 0xF0u
#define APIC_ISR      0x100u
#define APIC_ICR      0x300u

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct trap_gate {
    uint16_t offset0, selector;
    uint8_t ist, type;
    uint16_t offset1;
    uint32_t offset2, reserved;
};

struct trap_task {
    uint32_t reserved;
    uint32_t rsp0[2];
    uint32_t rest[22];
    uint16_t reserved2, port_map; /* beyond the end: user mode may use no port */
};

extern uint64_t gdt[];
extern const uint8_t trap_stubs[], trap_caught[];
int trap_catch(void (*fn)(void *), void *arg, uint64_t *resume);
void trap_handle(struct trap_frame *frame);
void trap_init(uint32_t index);

struct cpu cpus[CPUS_MAX];
static struct trap_gate gates[256];
static struct trap_task tasks[CPUS_MAX];
static uint8_t user_stacks[CPUS_MAX][PAGE] __attribute__((aligned(16)));

/* ---- faults ---- */

static void
trap_resume(struct cpu *cpu, struct trap_frame *frame)
{
    cpu->caught = (int)frame->vector;
    frame->rax = frame->vector;
    frame->rip = (uintptr_t)trap_caught;
    frame->rsp = cpu->resume;
    frame->cs = CODE64;
    frame->ss = DATA;
    frame->rflags = RFLAGS_1 | (frame->rflags & RFLAGS_IF);
}

static _Noreturn void
trap_fatal(const struct cpu *cpu, const struct trap_frame *frame)
{
    say("Bail out! CPU %u: vector %lu, error %lx, rip %lx, rsp %lx\n", cpu->index,
        (unsigned long)frame->vector, (unsigned long)frame->error,
        (unsigned long)frame->rip, (unsigned long)frame->rsp);
    power_off();
}

void
trap_handle(struct trap_frame *frame)
{
    struct cpu *cpu = cpu_this();
    uint8_t vector = (uint8_t)frame->vector;

    if (vector < FAULTS || (vector == VECTOR_USER && (frame->cs & 3) != 0)) {
        if (cpu->resume == 0)
            trap_fatal(cpu, frame);
        trap_resume(cpu, frame);
        return;
    }
    cpu->irqs[vector]++;
    if (cpu->handler[vector])
        cpu->handler[vector]();
    if (!cpu->no_eoi[vector])
        apic_eoi();
}

int
cpu_catch(void (*fn)(void *), void *arg)
{
    return trap_catch(fn, arg, &cpu_this()->resume);
}

struct access {
    uint32_t msr;
    uint64_t value;
};

static void
access_read(void *arg)
{
    struct access *access = arg;

    access->value = msr_read(access->msr);
}

static void
access_write(void *arg)
{
    struct access *access = arg;

    msr_write(access->msr, access->value);
}

int
msr_try_read(uint32_t msr, uint64_t *value)
{
    struct access access = {msr, 0};
    int fault = cpu_catch(access_read, &access);

    if (value)
        *value = access.value;
    return fault;
}

int
msr_try_write(uint32_t msr, uint64_t value)
{
    struct access access = {msr, value};

    return cpu_catch(access_write, &access);
}

/* ---- the local APIC ---- */

void
apic_eoi(void)
{
    msr_write(X2APIC(APIC_EOI), 0);
}

bool
apic_in_service(uint8_t vector)
{
    uint32_t word = (uint32_t)msr_read(X2APIC(APIC_ISR + vector / 32u * 16u));

    return (word >> vector % 32u & 1) != 0;
}

void
apic_eoi_all(void)
{
    for (uint32_t tries = 0; tries < 256; tries++) {
        uint32_t any = 0;

        for (uint32_t i = 0; i < 8; i++)
            any |= (uint32_t)msr_read(X2APIC(APIC_ISR + i * 16));
        if (!any)
            return;
        apic_eoi();
    }
}

void
apic_send(uint32_t cpu, uint32_t command)
{
    msr_write(X2APIC(APIC_ICR), (uint64_t)cpu << 32 | command);
}

static void
apic_init(void)
{
    msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_X2);
    msr_write(X2APIC(APIC_TPR), 0);
    msr_write(X2APIC(APIC_SPURIOUS), 0x1FF);
}

/* ---- tables ---- */

static void
gates_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint64_t at = (uintptr_t)trap_stubs + i * 16u;

        gates[i].offset0 = (uint16_t)at;
        gates[i].offset1 = (uint16_t)(at >> 16);
        gates[i].offset2 = (uint32_t)(at >> 32);
        gates[i].selector = CODE64;
        gates[i].type = i == VECTOR_USER ? GATE_USER : GATE_KERNEL;
    }
}

static void
task_init(uint32_t index)
{
    uint64_t at = (uintptr_t)&tasks[index];
    uint64_t stack = (uintptr_t)&user_stacks[index][PAGE];
    uint32_t selector = TASK + index * 16;

    tasks[index].port_map = sizeof(struct trap_task);
    tasks[index].rsp0[0] = (uint32_t)stack;
    tasks[index].rsp0[1] = (uint32_t)(stack >> 32);
    gdt[selector / 8] = (sizeof(struct trap_task) - 1) | (at & 0xFFFFFF) << 16 |
                        UINT64_C(0x89) << 40 | (at >> 24 & 0xFF) << 56;
    gdt[selector / 8 + 1] = at >> 32;
    __asm__ volatile("ltr %w0" : : "r"(selector));
}

void
trap_init(uint32_t index)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = {sizeof(gates) - 1, (uintptr_t)gates};
    struct cpu *cpu = &cpus[index];

    if (index == 0)
        gates_init();
    cpu->self = cpu;
    cpu->index = index;
    cpu->resume = 0;
    msr_write(MSR_GS_BASE, (uintptr_t)cpu);
    __asm__ volatile("lidt %0" : : "m"(idt));
    task_init(index);
    apic_init();
}
