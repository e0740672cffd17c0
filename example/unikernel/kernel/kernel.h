/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/kernel.h - what any kernel has already: text, interrupts, processors, power
 *
 * Nothing here knows Hyper-V. One address space, virtual equals physical. kernel_main()
 * runs on the boot processor; the others sleep until smp_run() gives them a function.
 */
#ifndef UNIKERNEL_KERNEL_H
#define UNIKERNEL_KERNEL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUS_MAX 16u
#define PAGE     4096u

#define VECTOR_WAKE 0xFDu

/* What the processor left when it was interrupted. */
struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* ---- yours ---- */

/* Interrupts are off. Does not return. */
_Noreturn void kernel_main(void);
/* Vectors 0 to 31. What it does not change in the frame is what it returns to. */
void kernel_fault(struct frame *frame);

/* ---- text ---- */

/* %s %c %d %u %x %lu %lx; nothing else. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_list(const char *format, va_list args);
/* The same into memory: what does not fit is cut. */
struct text {
    char *at, *end;
};
void text_add(struct text *to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- from the VMM ---- */

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp;
};
extern const struct start_info *boot_info;

/* The value of the word "name=value", up to a blank; NULL: there is none. */
const char *option_find(const char *name);
/* It has the word "name=value", or "name=..." with value between commas. */
bool option_is(const char *name, const char *value);

/* ---- one processor ---- */

struct cpu {
    struct cpu *self; /* GS:0 */
    uint32_t index;
    uint32_t apic_id;
    volatile bool is_up;
    void (*volatile work)(void *arg);
    void *work_arg;
    volatile uint32_t irqs[256]; /* interrupts taken */
    bool no_eoi[256];            /* the hypervisor acknowledges it itself */
    void (*handler[256])(struct frame *frame);
};
extern struct cpu cpus[CPUS_MAX];

static inline struct cpu *
cpu_this(void)
{
    struct cpu *cpu;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

static inline void
cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline void
interrupts_on(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void
interrupts_off(void)
{
    __asm__ volatile("cli" ::: "memory");
}

/* With interrupts off: on, and halt. None is taken between the two. */
static inline void
interrupts_wait(void)
{
    __asm__ volatile("sti; hlt" ::: "memory");
}

static inline void
out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void
out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t
in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t
msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void
msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t
tsc_read(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* x2APIC. command: the low half of the ICR. */
#define X2APIC(reg) (0x800u + (reg) / 16u)
#define APIC_EOI    0xB0u
#define ICR_INIT    0x4500u
#define ICR_SIPI    0x4600u
#define ICR_ASSERT  0x4000u
void apic_send(uint32_t cpu, uint32_t command);

static inline void
apic_eoi(void)
{
    msr_write(X2APIC(APIC_EOI), 0);
}
/* How an interrupt is ended: apic_eoi(), until somebody knows a cheaper way. */
extern void (*trap_eoi)(void);

/* ---- time: the TSC; only for what must not take for ever ---- */

extern uint64_t tsc_per_us; /* a guess until somebody knows better */
uint64_t time_us(void);
void spin_us(uint64_t us);
/* Until the 32-bit word is at least value; false after ten seconds. Interrupts on. */
bool wait_word(volatile uint32_t *word, uint32_t value);
/*
 * Ten seconds of waiting. What stands still longer than one turn takes, as the whole machine
 * does under a debugger or where it is emulated and paused, counts as one turn: whoever is
 * waited for has stood still as well.
 */
struct wait {
    uint64_t last_us;
    uint64_t spent_us;
};
struct wait wait_begin(void);
bool wait_goes_on(struct wait *wait);
/* The condition is evaluated until it is so once, and not again. */
#define WAIT_UNTIL(condition)                                                            \
    ({                                                                                   \
        struct wait wait_until = wait_begin();                                           \
        bool wait_ok;                                                                    \
        while (!(wait_ok = (condition)) && wait_goes_on(&wait_until))                    \
            cpu_relax();                                                                 \
        wait_ok;                                                                         \
    })

/* ---- other processors ---- */

/* Start all that the firmware lists, at most CPUS_MAX: *listed. Returns how many run. */
uint32_t smp_start(uint32_t *listed);
/* INIT and SIPI for one that runs: it loses what it did. False: it did not come. */
bool smp_restart(uint32_t cpu);
/* Give it a function; false when it does not take it. */
bool smp_begin(uint32_t cpu, void (*fn)(void *), void *arg);
/* It has finished; false after ten seconds. */
bool smp_end(uint32_t cpu);
bool smp_run(uint32_t cpu, void (*fn)(void *), void *arg);

/* ---- the firmware's tables ---- */

/* APIC ids of the processors that can be used, at most max. Returns how many there are. */
uint32_t acpi_cpus(uint32_t *ids, uint32_t max);
_Noreturn void power_off(void);

#endif
