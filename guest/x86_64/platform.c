/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/x86_64/platform.c - CPUID, MSRs, the TSC and the hypercall, in ring 0 of x86
 *
 * Run by every room through struct enlg_platform. Translation only: an MSR is another
 * number of a register of enlight/abi/register.h. [TLFS 3.13 hypercall page]
 * Tests: test/unit/guest_x86_64.c, where the privileged instructions trap.
 */
#include <string.h>

/* Addresses of these functions are taken below: without a table that a kernel may lack. */
#pragma GCC visibility push(hidden)
#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"
#include "enlight/guest/x86_64.h"
#pragma GCC visibility pop

struct msr_map {
    uint32_t reg;   /* the first name */
    uint32_t msr;   /* its number */
    uint32_t count; /* how many follow in the same order */
};

static const struct msr_map map[] = {
    {ENL_REG_GUEST_OS_ID, ENL_MSR_GUEST_OS_ID, 1},
    {ENL_REG_HYPERCALL, ENL_MSR_HYPERCALL, 1},
    {ENL_REG_VP_INDEX, ENL_MSR_VP_INDEX, 1},
    {ENL_REG_RESET, ENL_MSR_RESET, 1},
    {ENL_REG_VP_RUNTIME, ENL_MSR_VP_RUNTIME, 1},
    {ENL_REG_TIME_REF_COUNT, ENL_MSR_TIME_REF_COUNT, 1},
    {ENL_REG_REFERENCE_TSC, ENL_MSR_REFERENCE_TSC, 1},
    {ENL_REG_TSC_FREQUENCY, ENL_MSR_TSC_FREQUENCY, 1},
    {ENL_REG_APIC_FREQUENCY, ENL_MSR_APIC_FREQUENCY, 1},
    {ENL_REG_EOI, ENL_MSR_EOI, 3}, /* EOI, ICR, TPR */
    {ENL_REG_VP_ASSIST_PAGE, ENL_MSR_VP_ASSIST_PAGE, 1},
    {ENL_REG_SCONTROL, ENL_MSR_SCONTROL, 5}, /* and SVERSION, SIEFP, SIMP, EOM */
    {ENL_REG_SINT0, ENL_MSR_SINT0, ENL_SINT_COUNT},
    {ENL_REG_STIMER0_CONFIG, ENL_MSR_STIMER0_CONFIG, 2 * ENL_STIMER_COUNT},
    {ENL_REG_GUEST_IDLE, ENL_MSR_GUEST_IDLE, 1},
    {ENL_REG_CRASH_P0, ENL_MSR_CRASH_P0, ENL_CRASH_PARAMS + 1},
    {ENL_REG_REENLIGHTENMENT_CONTROL, ENL_MSR_REENLIGHTENMENT_CONTROL, 3},
    {ENL_REG_TSC_INVARIANT_CONTROL, ENL_MSR_TSC_INVARIANT_CONTROL, 1},
};

uint32_t
enlg_x64_msr_of(uint32_t reg)
{
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
        if (reg >= map[i].reg && reg - map[i].reg < map[i].count)
            return map[i].msr + (reg - map[i].reg);
    }
    return 0;
}

void
enlg_x64_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out)
{
    uint32_t eax = leaf, ebx, ecx = 0, edx;

    (void)ctx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    *out = (struct enl_cpuid_leaf){.eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx};
}

int
enlg_x64_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    uint32_t msr = enlg_x64_msr_of(reg), low, high;

    (void)ctx;
    if (msr == 0)
        return -ENL_E_ACCESS;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    *value = (uint64_t)high << 32 | low;
    return 0;
}

int
enlg_x64_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    uint32_t msr = enlg_x64_msr_of(reg);

    (void)ctx;
    if (msr == 0)
        return -ENL_E_ACCESS;
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
    return 0;
}

#ifdef __x86_64__
/*
 * uint64_t enlg_x64_hypercall(ctx, code, control, input, output): control is in RDX and
 * input in RCX, the hypervisor wants them the other way round, output is in R8 already.
 * A jump, not a call: the page's code returns to the caller, and no red zone is in its way.
 */
__asm__(".pushsection .text\n"
        ".globl enlg_x64_hypercall\n"
        ".type enlg_x64_hypercall, @function\n"
        "enlg_x64_hypercall:\n"
        "    endbr64\n"
        "    xchg %rcx, %rdx\n"
        "    jmp *%rsi\n"
        ".size enlg_x64_hypercall, . - enlg_x64_hypercall\n"
        ".popsection\n");

/*
 * uint64_t enlg_x64_hypercall_fast(ctx, code, control, input): words 0 and 1 go into RDX
 * and R8, words 2 to 13 into XMM0 to XMM5, whose contents wait on the stack.
 */
__asm__(".pushsection .text\n"
        ".globl enlg_x64_hypercall_fast\n"
        ".type enlg_x64_hypercall_fast, @function\n"
        "enlg_x64_hypercall_fast:\n"
        "    endbr64\n"
        "    sub $96, %rsp\n"
        "    movups %xmm0, (%rsp)\n"
        "    movups %xmm1, 16(%rsp)\n"
        "    movups %xmm2, 32(%rsp)\n"
        "    movups %xmm3, 48(%rsp)\n"
        "    movups %xmm4, 64(%rsp)\n"
        "    movups %xmm5, 80(%rsp)\n"
        "    mov %rcx, %rax\n"
        "    mov %rdx, %rcx\n"
        "    mov (%rax), %rdx\n"
        "    mov 8(%rax), %r8\n"
        "    movups 16(%rax), %xmm0\n"
        "    movups 32(%rax), %xmm1\n"
        "    movups 48(%rax), %xmm2\n"
        "    movups 64(%rax), %xmm3\n"
        "    movups 80(%rax), %xmm4\n"
        "    movups 96(%rax), %xmm5\n"
        "    call *%rsi\n"
        "    movups (%rsp), %xmm0\n"
        "    movups 16(%rsp), %xmm1\n"
        "    movups 32(%rsp), %xmm2\n"
        "    movups 48(%rsp), %xmm3\n"
        "    movups 64(%rsp), %xmm4\n"
        "    movups 80(%rsp), %xmm5\n"
        "    add $96, %rsp\n"
        "    ret\n"
        ".size enlg_x64_hypercall_fast, . - enlg_x64_hypercall_fast\n"
        ".popsection\n");
#else
/*
 * The same of 32 bits, all operands on the stack: control goes into EDX:EAX, input into
 * EBX:ECX, output into EDI:ESI. The result comes in EDX:EAX, where C wants it.
 */
__asm__(".pushsection .text\n"
        ".globl enlg_x64_hypercall\n"
        ".type enlg_x64_hypercall, @function\n"
        "enlg_x64_hypercall:\n"
        "    endbr32\n"
        "    push %ebx\n"
        "    push %esi\n"
        "    push %edi\n"
        "    mov 24(%esp), %eax\n"
        "    mov 28(%esp), %edx\n"
        "    mov 32(%esp), %ecx\n"
        "    mov 36(%esp), %ebx\n"
        "    mov 40(%esp), %esi\n"
        "    mov 44(%esp), %edi\n"
        "    call *20(%esp)\n"
        "    pop %edi\n"
        "    pop %esi\n"
        "    pop %ebx\n"
        "    ret\n"
        ".size enlg_x64_hypercall, . - enlg_x64_hypercall\n"
        ".popsection\n");
#endif

uint64_t
enlg_x64_tsc(void *ctx)
{
    uint32_t low, high;

    (void)ctx;
    /* LFENCE: the counter must not be read before the page's values were. */
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

void
enlg_x64_platform(struct enlg_platform *platform)
{
    platform->size = sizeof(*platform);
    platform->cpuid = enlg_x64_cpuid;
    platform->get_reg = enlg_x64_get_reg;
    platform->set_reg = enlg_x64_set_reg;
    platform->hypercall = enlg_x64_hypercall;
    platform->tsc = enlg_x64_tsc;
}
