/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/guest/kernel/kernel.h - what the tests check with, on the kernel of example/unikernel
 *
 * The boot processor runs the tests; a fault that one of them expects ends the function
 * that made it. All memory is for user mode too, so that a test can run the same code at
 * any privilege.
 */
#ifndef ENLIGHT_TEST_GUEST_KERNEL_H
#define ENLIGHT_TEST_GUEST_KERNEL_H

#include "enlight/abi/cpuid.h"
#include "enlight/abi/hypercall.h"
#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/guest/partition.h"
#include "example/unikernel/kernel/kernel.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define FAULT_NONE (-1)
#define FAULT_UD   6
#define FAULT_GP   13
#define USER_DONE  0x80 /* user mode has come back without a fault */

#define VECTOR_A 0x60u /* for tests: a priority class each */
#define VECTOR_B 0x70u
#define VECTOR_C 0x90u

/* ---- faults ---- */

/* Privileges, and the way back from user mode: once, on the boot processor. */
void fault_init(void);
/* User mode comes back by an interrupt. */
void fault_from_user(struct frame *frame);

/* Run fn. Returns FAULT_NONE, or the vector of the fault that ended it. */
int cpu_catch(void (*fn)(void *), void *arg);
/* The same for one access. value may be NULL. */
int msr_try_read(uint32_t msr, uint64_t *value);
int msr_try_write(uint32_t msr, uint64_t value);

/* ---- the local APIC ---- */

void apic_eoi_all(void);
bool apic_in_service(uint8_t vector);

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

/* Registers of a call, in the order of calls.S. */
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

void machine_reset(void); /* by the ACPI register */

#endif
