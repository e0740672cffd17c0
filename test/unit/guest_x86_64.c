/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/guest_x86_64.c - the guest half's register names, against the host half's
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "enlight/abi/register.h"
#include "enlight/guest/x86_64.h"
#include "enlight/host/x86_64.h"

static const uint32_t names[] = {
    ENL_REG_GUEST_OS_ID,
    ENL_REG_HYPERCALL,
    ENL_REG_VP_INDEX,
    ENL_REG_RESET,
    ENL_REG_VP_RUNTIME,
    ENL_REG_TIME_REF_COUNT,
    ENL_REG_REFERENCE_TSC,
    ENL_REG_TSC_FREQUENCY,
    ENL_REG_APIC_FREQUENCY,
    ENL_REG_EOI,
    ENL_REG_ICR,
    ENL_REG_TPR,
    ENL_REG_VP_ASSIST_PAGE,
    ENL_REG_SCONTROL,
    ENL_REG_SVERSION,
    ENL_REG_SIEFP,
    ENL_REG_SIMP,
    ENL_REG_EOM,
    ENL_REG_CRASH_CTL,
    ENL_REG_REENLIGHTENMENT_CONTROL,
    ENL_REG_TSC_EMULATION_CONTROL,
    ENL_REG_TSC_EMULATION_STATUS,
    ENL_REG_TSC_INVARIANT_CONTROL,
};

static void
msr_is_the_same_on_both_sides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_not_equal(enlg_x64_msr_of(names[i]), 0);
        assert_int_equal(enlg_x64_msr_of(names[i]), enlh_x64_msr_of(names[i]));
    }
    for (uint32_t i = 0; i < ENL_SINT_COUNT; i++)
        assert_int_equal(enlg_x64_msr_of(ENL_REG_SINT0 + i),
                         enlh_x64_msr_of(ENL_REG_SINT0 + i));
    for (uint32_t i = 0; i < 2 * ENL_STIMER_COUNT; i++)
        assert_int_equal(enlg_x64_msr_of(ENL_REG_STIMER0_CONFIG + i),
                         enlh_x64_msr_of(ENL_REG_STIMER0_CONFIG + i));
    for (uint32_t i = 0; i < ENL_CRASH_PARAMS; i++)
        assert_int_equal(enlg_x64_msr_of(ENL_REG_CRASH_P0 + i),
                         enlh_x64_msr_of(ENL_REG_CRASH_P0 + i));
}

static void
register_without_an_msr_is_refused(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(enlg_x64_msr_of(ENL_REG_SIRBP), 0);
    assert_int_equal(enlg_x64_msr_of(ENL_REG_SINT0 + ENL_SINT_COUNT + 8), 0);
    assert_int_equal(enlg_x64_get_reg(NULL, ENL_REG_SIRBP, &value), -ENL_E_ACCESS);
    assert_int_equal(enlg_x64_set_reg(NULL, ENL_REG_SIRBP, 0), -ENL_E_ACCESS);
}

static uint64_t msr_value;
static uint32_t msr_seen;

/* RDMSR and WRMSR outside the kernel fault; this does what the kernel's processor does. */
static void
on_fault(int signal, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)(uintptr_t)r[REG_RIP];

    (void)signal;
    (void)info;
    if (code[0] != 0x0F || (code[1] != 0x32 && code[1] != 0x30))
        _Exit(1);
    msr_seen = (uint32_t)r[REG_RCX];
    if (code[1] == 0x32) {
        r[REG_RAX] = (uint32_t)msr_value;
        r[REG_RDX] = (greg_t)(msr_value >> 32);
    } else {
        msr_value = (uint64_t)r[REG_RDX] << 32 | (uint32_t)r[REG_RAX];
    }
    r[REG_RIP] += 2;
}

static void
registers_are_read_and_written_whole(void **state)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
    struct enlg_platform platform;
    uint64_t value = 0;

    (void)state;
    memset(&platform, 0, sizeof(platform));
    enlg_x64_platform(&platform);
    assert_int_equal(sigaction(SIGSEGV, &action, &old), 0);
    assert_int_equal(platform.set_reg(NULL, ENL_REG_SIMP, UINT64_C(0x123456789ABCDEF1)),
                     0);
    assert_int_equal(msr_seen, 0x40000083);
    assert_true(msr_value == UINT64_C(0x123456789ABCDEF1));
    assert_int_equal(platform.get_reg(NULL, ENL_REG_TIME_REF_COUNT, &value), 0);
    assert_int_equal(msr_seen, 0x40000020);
    assert_true(value == msr_value);
    assert_int_equal(sigaction(SIGSEGV, &old, NULL), 0);
    assert_int_equal(platform.size, sizeof(platform));
    assert_null(platform.hypercall_fast);
    assert_false(platform.no_hypercall_page);
}

static uint64_t seen[3];

/* Stands in for the hypercall page: RCX control, RDX input, R8 output, RAX result. */
__asm__(".pushsection .text\n"
        "page_code:\n"
        "    mov %rcx, seen(%rip)\n"
        "    mov %rdx, seen+8(%rip)\n"
        "    mov %r8, seen+16(%rip)\n"
        "    mov $0x4711, %eax\n"
        "    ret\n"
        ".popsection\n");
extern const uint8_t page_code[] __attribute__((visibility("hidden")));

static void
hypercall_has_its_operands_in_the_right_registers(void **state)
{
    (void)state;
    __asm__ volatile("" : : "m"(seen));
    assert_int_equal(enlg_x64_hypercall(NULL, page_code, 1, 2, 3), 0x4711);
    assert_int_equal(__atomic_load_n(&seen[0], __ATOMIC_SEQ_CST), 1);
    assert_int_equal(__atomic_load_n(&seen[1], __ATOMIC_SEQ_CST), 2);
    assert_int_equal(__atomic_load_n(&seen[2], __ATOMIC_SEQ_CST), 3);
}

static uint64_t fast_seen[3 + 12], fast_words[ENLG_FAST_WORDS];
static uint64_t kept[2] = {0x1234, 0x5678}, after[2];

/* The same for a fast call; XMM0 to XMM5 are not as they were. */
__asm__(".pushsection .text\n"
        "page_code_fast:\n"
        "    mov %rcx, fast_seen(%rip)\n"
        "    mov %rdx, fast_seen+8(%rip)\n"
        "    mov %r8, fast_seen+16(%rip)\n"
        "    movups %xmm0, fast_seen+24(%rip)\n"
        "    movups %xmm1, fast_seen+40(%rip)\n"
        "    movups %xmm2, fast_seen+56(%rip)\n"
        "    movups %xmm3, fast_seen+72(%rip)\n"
        "    movups %xmm4, fast_seen+88(%rip)\n"
        "    movups %xmm5, fast_seen+104(%rip)\n"
        "    mov $0x4712, %eax\n"
        "    ret\n"
        ".popsection\n");
extern const uint8_t page_code_fast[] __attribute__((visibility("hidden")));

static void
hypercall_fast_has_its_words_in_the_right_registers(void **state)
{
    uint64_t result;

    (void)state;
    for (uint32_t i = 0; i < ENLG_FAST_WORDS; i++)
        fast_words[i] = 0x100 + i;
    /* The compiler may keep something below the stack pointer. */
    __asm__ volatile("sub $128, %%rsp\n"
                     "movups kept(%%rip), %%xmm5\n"
                     "call enlg_x64_hypercall_fast\n"
                     "movups %%xmm5, after(%%rip)\n"
                     "add $128, %%rsp\n"
                     : "=a"(result), "+m"(fast_seen), "=m"(after)
                     : "D"(0), "S"(page_code_fast), "d"(7), "c"(fast_words), "m"(kept),
                       "m"(fast_words)
                     : "r8", "r9", "r10", "r11", "xmm5", "memory", "cc");
    assert_int_equal(result, 0x4712);
    assert_memory_equal(kept, after, sizeof(kept));
    assert_int_equal(fast_seen[0], 7);
    for (uint32_t i = 0; i < ENLG_FAST_WORDS; i++)
        assert_int_equal(fast_seen[1 + i], 0x100 + i);
}

static void
tsc_and_cpuid_answer(void **state)
{
    struct enl_cpuid_leaf leaf;
    uint64_t first = enlg_x64_tsc(NULL);

    (void)state;
    assert_true(enlg_x64_tsc(NULL) >= first);
    enlg_x64_cpuid(NULL, 0, &leaf);
    assert_true(leaf.eax >= 1 && leaf.ebx != 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(msr_is_the_same_on_both_sides),
        cmocka_unit_test(register_without_an_msr_is_refused),
        cmocka_unit_test(registers_are_read_and_written_whole),
        cmocka_unit_test(hypercall_has_its_operands_in_the_right_registers),
        cmocka_unit_test(hypercall_fast_has_its_words_in_the_right_registers),
        cmocka_unit_test(tsc_and_cpuid_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
