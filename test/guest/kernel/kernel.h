/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/kernel.h - the tiny kernel below the tests, and what they check with
 *
 * One address space, virtual equals physical. The boot processor runs the tests; the
 * others sleep until smp_run() gives them a function. Up to four processors.
 */
#ifndef ENLIGHT_TEST_GUEST_KERNEL_H
#define ENLIGHT_TEST_GUEST_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/cpuid.h"
#include "enlight/abi/hypercall.h"
#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/guest/partition.h"

#define CPUS_MAX 4u
#define PAGE     4096u
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define FAULT_NONE (-1)
#define FAULT_UD   6
#define FAULT_GP   13
#define USER_DONE  0x80 /* user mode has come back without a fault */

#define VECTOR_WAKE 0xFDu
#define VECTOR_A    0x60u /* for tests: a priority class each */
#define VECTOR_B    0x70u
#define VECTOR_C    0x90u

/* ---- text ---- */

/* %s %c %d %u %x %lu %lx; nothing else. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- one processor ---- */

struct cpu {
    struct cpu *self; /* GS:0 */
    uint64_t resume;  /* the stack that a fault goes back to, or 0 */
    uint32_t index;
    int caught; /* the vector of that fault */
    volatile bool is_up;
    void (*volatile work)(void *arg);
    void *work_arg;
    volatile uint32_t irqs[256]; /* interrupts taken */
    bool no_eoi[256];            /* the handler writes no EOI */
    void (*handler[256])(void);
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

static inline void
out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
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

/* Run fn. Returns FAULT_NONE, or the vector of the fault that ended it. */
int cpu_catch(void (*fn)(void *), void *arg);
/* The same for one access. value may be NULL. */
int msr_try_read(uint32_t msr, uint64_t *value);
int msr_try_write(uint32_t msr, uint64_t value);

/* x2APIC */
void apic_eoi(void);
void apic_eoi_all(void);
bool apic_in_service(uint8_t vector);
void apic_send(uint32_t cpu, uint32_t command); /* command: the low half of the ICR */

/* ---- time: the TSC; only for what must not take for ever ---- */

uint64_t time_us(void);
void spin_us(uint64_t us);
/* Until the 32-bit word is at least value; false after ten seconds. Interrupts on. */
bool wait_word(volatile uint32_t *word, uint32_t value);
/* The condition is evaluated until it is so once, and not again. */
#define WAIT_UNTIL(condition)                                                            \
    ({                                                                                   \
        uint64_t wait_end = time_us() + 10000000;                                        \
        bool wait_ok;                                                                    \
        while (!(wait_ok = (condition)) && time_us() < wait_end)                         \
            cpu_relax();                                                                 \
        wait_ok;                                                                         \
    })

/* ---- other processors ---- */

/* Start all; returns how many run, this one included. */
uint32_t smp_start(uint32_t wanted);
/* INIT and SIPI for one that runs: it loses what it did. False: it did not come. */
bool smp_restart(uint32_t cpu);
/* Give it a function; false when it does not take it. */
bool smp_begin(uint32_t cpu, void (*fn)(void *), void *arg);
/* It has finished; false after ten seconds. */
bool smp_end(uint32_t cpu);
bool smp_run(uint32_t cpu, void (*fn)(void *), void *arg);

/* ---- the hypervisor ---- */

extern struct enlg_partition guest_partition;
extern const struct enlg_features *features; /* NULL: no Hyper-V here */
extern uint32_t cpu_count;

#define GUEST_OS_ID (ENL_GUEST_OS_ID_OPEN_SOURCE | UINT64_C(0x7E) << 56 | 0x10000)

static inline bool
has_priv(uint64_t privileges)
{
    return (features->privileges & privileges) == privileges;
}

/* This processor's synthetic registers as after a reset, and no interrupt in service. */
void synthetic_reset(void);
/* The hypercall page on or off, with who we are. */
void hypercall_page_on(void);
void hypercall_page_off(void);
/* The page's own address. */
extern uint8_t hypercall_page[PAGE];

/* Registers of a call, in the order of kernel/boot.S. */
struct call_regs {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
};
/* A call through code with these registers. Returns the fault. */
int call_try(const void *code, struct call_regs *regs);
int call_user_try(const void *code, const struct call_regs *regs, uint64_t flags);
void call_compat(uint32_t words[6], uint32_t code);

/* The result word of a hypercall through the page, ENL_HCALL_STATUS and more. */
uint64_t hypercall(uint64_t control, uint64_t input, uint64_t output);

/* ---- tests ---- */

struct test {
    const char *name; /* a promise */
    const char *rows;
    void (*run)(void);
};
extern const struct test registers_tests[], overlay_tests[], hypercall_tests[],
    synic_tests[], stimer_tests[], clock_tests[], vmbus_tests[], processors_tests[],
    hostile_tests[], lock_tests[];
/* What comes after the tests, if the command line asks for it. */
void ends_run(void);
/* The only test where no hypervisor shows itself. */
extern const struct test none_tests[];

/* "engine=user" and so on. */
bool option_is(const char *name, const char *value);

void check(bool ok, const char *what, int line);
void check_equal(uint64_t got, uint64_t wanted, const char *what, int line);
void test_skip(const char *reason);
bool test_failed(void);

#define CHECK(condition) check(condition, #condition, __LINE__)
#define EQUAL(got, wanted)                                                               \
    check_equal((uint64_t)(got), (uint64_t)(wanted), #got, __LINE__)

#define REQUIRE(condition)                                                               \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            test_skip("not announced: " #condition);                                     \
            return;                                                                      \
        }                                                                                \
    } while (0)
/* For what KVM does otherwise: the reason stands with the test. */
#define REQUIRE_USER_ENGINE()                                                            \
    do {                                                                                 \
        if (!option_is("engine", "user")) {                                              \
            test_skip("KVM has its own way");                                            \
            return;                                                                      \
        }                                                                                \
    } while (0)
#define REQUIRE_CPUS(n)                                                                  \
    do {                                                                                 \
        if (cpu_count < (n)) {                                                           \
            test_skip("one processor");                                                  \
            return;                                                                      \
        }                                                                                \
    } while (0)

/* ---- power ---- */

_Noreturn void power_off(void);
void machine_reset(void); /* by the ACPI register */

#endif
