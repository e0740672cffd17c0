/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/fault.c - faults that a test expects, user mode, the APIC's registers
 *
 * Run by the processor. A fault within cpu_catch() ends the function that made it; any
 * other is the end of the guest, told with its address. The boot processor has tables of
 * its own, with a way into user mode and back.
 */
#include "test/guest/kernel/kernel.h"

#define CODE64    0x08u
#define DATA      0x10u
#define TASK      0x30u
#define GATE_LEN  16u
#define GATE_TYPE 5u
#define GATE_USER 0xEEu
#define PAGE_USER UINT64_C(4)
#define GIB       4u
#define RFLAGS_1  UINT64_C(2)
#define RFLAGS_IF UINT64_C(0x200)
#define APIC_ISR  0x100u
#define EOI_TRIES 256u

struct pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct task {
    uint32_t reserved;
    uint32_t rsp0[2];
    uint32_t rest[22];
    uint16_t reserved2, port_map; /* beyond the end: user mode may use no port */
};

extern uint64_t boot_cr3[], pages_1g[], pages_2m[];
extern const uint8_t trap_caught[];
int trap_catch(void (*fn)(void *), void *arg, uint64_t *resume);

/* Of each processor: the stack that a fault goes back to, or 0. */
static uint64_t resume[CPUS_MAX];
static struct task task;
static uint8_t user_entry_stack[PAGE] __attribute__((aligned(16)));
static uint64_t gdt[] = {
    0,
    0x00af9b000000ffff, /* 08 code, 64-bit */
    0x00cf93000000ffff, /* 10 data */
    0x00cf9b000000ffff, /* 18 code, 32-bit */
    0x00affb000000ffff, /* 20 user code, 64-bit */
    0x00cff3000000ffff, /* 28 user data */
    0,                  /* 30 the task, of 16 bytes */
    0,
};

/* ---- faults ---- */

static void
fault_resume(struct frame *frame)
{
    frame->rax = frame->vector;
    frame->rip = (uintptr_t)trap_caught;
    frame->rsp = resume[cpu_this()->index];
    frame->cs = CODE64;
    frame->ss = DATA;
    frame->rflags = RFLAGS_1 | (frame->rflags & RFLAGS_IF);
}

void
kernel_fault(struct frame *frame)
{
    const struct cpu *cpu = cpu_this();

    if (resume[cpu->index] != 0) {
        fault_resume(frame);
        return;
    }
    say("Bail out! CPU %u: vector %lu, error %lx, rip %lx, rsp %lx\n", cpu->index,
        (unsigned long)frame->vector, (unsigned long)frame->error,
        (unsigned long)frame->rip, (unsigned long)frame->rsp);
    power_off();
}

void
fault_from_user(struct frame *frame)
{
    if ((frame->cs & 3) != 0)
        fault_resume(frame);
}

int
cpu_catch(void (*fn)(void *), void *arg)
{
    return trap_catch(fn, arg, &resume[cpu_this()->index]);
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

bool
apic_in_service(uint8_t vector)
{
    uint32_t word = (uint32_t)msr_read(X2APIC(APIC_ISR + vector / 32u * 16u));

    return (word >> vector % 32u & 1) != 0;
}

void
apic_eoi_all(void)
{
    for (uint32_t tries = 0; tries < EOI_TRIES; tries++) {
        uint32_t any = 0;

        for (uint32_t i = 0; i < 8; i++)
            any |= (uint32_t)msr_read(X2APIC(APIC_ISR + i * 16));
        if (!any)
            return;
        apic_eoi();
    }
}

/* ---- user mode ---- */

static void
pages_init(void)
{
    boot_cr3[0] |= PAGE_USER;
    for (uint32_t i = 0; i < GIB; i++)
        pages_1g[i] |= PAGE_USER;
    for (uint32_t i = 0; i < GIB * 512; i++)
        pages_2m[i] |= PAGE_USER;
    __asm__ volatile("mov %0, %%cr3" : : "r"(boot_cr3) : "memory");
}

static void
task_init(void)
{
    uint64_t at = (uintptr_t)&task;
    uint64_t stack = (uintptr_t)&user_entry_stack[PAGE];

    task.port_map = sizeof(task);
    task.rsp0[0] = (uint32_t)stack;
    task.rsp0[1] = (uint32_t)(stack >> 32);
    gdt[TASK / 8] = (sizeof(task) - 1) | (at & 0xFFFFFF) << 16 | UINT64_C(0x89) << 40 |
                    (at >> 24 & 0xFF) << 56;
    gdt[TASK / 8 + 1] = at >> 32;
}

void
fault_init(void)
{
    struct pointer tables = {sizeof(gdt) - 1, (uintptr_t)gdt}, idt;

    pages_init();
    task_init();
    __asm__ volatile("lgdt %0; ltr %w1" : : "m"(tables), "r"(TASK));
    __asm__ volatile("sidt %0" : "=m"(idt));
    ((uint8_t *)(uintptr_t)idt.base)[USER_DONE * GATE_LEN + GATE_TYPE] = GATE_USER;
}
