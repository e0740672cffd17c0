/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/arm64/platform.c - hypercalls, registers and the counter, at EL1 of arm64
 *
 * Run by every room through struct enlg_platform. Translation only: a register is a list
 * of one in a hypercall whose input and output are processor registers. A status other
 * than success is a refusal. [TLFS hypercall interface, arm64; SMC calling convention 1.2]
 * Tests: test/loop/arm64.c, where the instruction HVC is what the test says.
 */
#include <string.h>

/* Addresses of these functions are taken below: without a table that a kernel may lack. */
#pragma GCC visibility push(hidden)
#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/guest/arm64.h"
#pragma GCC visibility pop

#define REGS 15u /* X1 to X15 */

/* The words of input and output begin in X2. */
#define WORDS(regs) ((regs) + 1)
ENL_STATIC_ASSERT(ENLG_FAST_WORDS <= REGS - 1, "fast input fits the registers");

/*
 * uint64_t enlg_arm64_hvc(function, regs): HVC with X0 = function and X1 to X15 from regs,
 * which then have their values after the call. Returns X0.
 */
__asm__(".pushsection .text\n"
        ".globl enlg_arm64_hvc\n"
        ".hidden enlg_arm64_hvc\n"
        ".type enlg_arm64_hvc, %function\n"
        "enlg_arm64_hvc:\n"
        "    hint #34\n" /* BTI c */
        "    str x1, [sp, #-16]!\n"
        "    mov x16, x1\n"
        "    ldp x1, x2, [x16]\n"
        "    ldp x3, x4, [x16, #16]\n"
        "    ldp x5, x6, [x16, #32]\n"
        "    ldp x7, x8, [x16, #48]\n"
        "    ldp x9, x10, [x16, #64]\n"
        "    ldp x11, x12, [x16, #80]\n"
        "    ldp x13, x14, [x16, #96]\n"
        "    ldr x15, [x16, #112]\n"
        "    hvc #0\n"
        "    ldr x16, [sp], #16\n"
        "    stp x1, x2, [x16]\n"
        "    stp x3, x4, [x16, #16]\n"
        "    stp x5, x6, [x16, #32]\n"
        "    stp x7, x8, [x16, #48]\n"
        "    stp x9, x10, [x16, #64]\n"
        "    stp x11, x12, [x16, #80]\n"
        "    stp x13, x14, [x16, #96]\n"
        "    str x15, [x16, #112]\n"
        "    ret\n"
        ".size enlg_arm64_hvc, . - enlg_arm64_hvc\n"
        ".popsection\n");
__attribute__((visibility("hidden"))) uint64_t enlg_arm64_hvc(uint64_t function,
                                                              uint64_t regs[REGS]);

/* A fast call over a list of one. regs: the words of its input, and then of its output. */
static bool
reg_call(uint16_t code, uint64_t regs[REGS])
{
    regs[0] = code | ENL_HCALL_FAST | UINT64_C(1) << ENL_HCALL_REP_COUNT_SHIFT;
    WORDS(regs)[0] = ENL_PARTITION_SELF;
    WORDS(regs)[1] = ENL_VP_SELF;
    return (enlg_arm64_hvc(ENL_SMCCC_HYPERCALL, regs) & ENL_HCALL_STATUS) ==
           ENL_HV_STATUS_SUCCESS;
}

/* The output begins at the next multiple of 16 bytes behind the input of 20: in X6. */
static bool
reg_read(uint32_t reg, struct enl_reg_value *value)
{
    uint64_t regs[REGS] = {0};

    WORDS(regs)[2] = reg;
    if (reg >= ENL_REG_PRIVATE_FIRST || !reg_call(ENL_CALL_GET_VP_REGISTERS, regs))
        return false;
    value->low = WORDS(regs)[4];
    value->high = WORDS(regs)[5];
    return true;
}

int
enlg_arm64_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    struct enl_reg_value both;

    (void)ctx;
    if (!reg_read(reg, &both))
        return -ENL_E_ACCESS;
    *value = both.low;
    return 0;
}

int
enlg_arm64_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    uint64_t regs[REGS] = {0};

    (void)ctx;
    WORDS(regs)[2] = reg;
    WORDS(regs)[4] = value;
    if (reg >= ENL_REG_PRIVATE_FIRST || !reg_call(ENL_CALL_SET_VP_REGISTERS, regs))
        return -ENL_E_ACCESS;
    return 0;
}

static bool
leaf_read(uint32_t leaf, struct enl_cpuid_leaf *out)
{
    struct enl_reg_value value;

    if (!reg_read(enlg_arm64_reg_of(leaf), &value))
        return false;
    *out = (struct enl_cpuid_leaf){(uint32_t)value.low, (uint32_t)(value.low >> 32),
                                   (uint32_t)value.high, (uint32_t)(value.high >> 32)};
    enlg_arm64_translate(leaf, out);
    return true;
}

void
enlg_arm64_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out)
{
    struct enl_cpuid_leaf version;

    (void)ctx;
    memset(out, 0, sizeof(*out));
    if (leaf == 1) {
        out->ecx = ENL_CPUID_1_ECX_HYPERVISOR;
    } else if (enlg_arm64_reg_of(leaf) != 0) {
        (void)leaf_read(leaf, out);
    } else if (!leaf_read(ENL_CPUID_VERSION, &version)) {
        return; /* somebody else's HVC */
    } else if (leaf == ENL_CPUID_BASE) {
        *out = (struct enl_cpuid_leaf){ENL_CPUID_LIMITS, ENL_VENDOR_EBX, ENL_VENDOR_ECX,
                                       ENL_VENDOR_EDX};
    } else if (leaf == ENL_CPUID_INTERFACE) {
        out->eax = ENL_INTERFACE_SIGNATURE;
    }
}

uint64_t
enlg_arm64_hypercall(void *ctx, const void *code, uint64_t control, uint64_t input,
                     uint64_t output)
{
    uint64_t regs[REGS] = {control, input, output};

    (void)ctx;
    (void)code;
    return enlg_arm64_hvc(ENL_SMCCC_HYPERCALL, regs);
}

uint64_t
enlg_arm64_hypercall_fast(void *ctx, const void *code, uint64_t control,
                          const uint64_t *input)
{
    uint64_t regs[REGS] = {control};

    (void)ctx;
    (void)code;
    memcpy(WORDS(regs), input, ENLG_FAST_WORDS * sizeof(uint64_t));
    return enlg_arm64_hvc(ENL_SMCCC_HYPERCALL, regs);
}

uint64_t
enlg_arm64_tsc(void *ctx)
{
    uint64_t value;

    (void)ctx;
    /* ISB: the counter must not be read before the page's values were. */
    __asm__ volatile("isb\n mrs %0, cntvct_el0" : "=r"(value) : : "memory");
    return value;
}

bool
enlg_arm64_is_named(const void *identity)
{
    return memcmp(identity, "MsHyperV", 8) == 0;
}

bool
enlg_arm64_has_uid(void)
{
    uint64_t regs[REGS] = {0};
    uint32_t w0 = (uint32_t)enlg_arm64_hvc(ENL_SMCCC_VENDOR_UID, regs);

    return w0 == ENL_SMCCC_UID_W0 && (uint32_t)regs[0] == ENL_SMCCC_UID_W1 &&
           (uint32_t)regs[1] == ENL_SMCCC_UID_W2 && (uint32_t)regs[2] == ENL_SMCCC_UID_W3;
}

int
enlg_arm64_identify(uint64_t guest_os_id)
{
    return enlg_arm64_set_reg(NULL, ENL_REG_GUEST_OS_ID, guest_os_id) ? -ENL_E_NODEV : 0;
}

void
enlg_arm64_platform(struct enlg_platform *platform)
{
    platform->size = sizeof(*platform);
    platform->cpuid = enlg_arm64_cpuid;
    platform->get_reg = enlg_arm64_get_reg;
    platform->set_reg = enlg_arm64_set_reg;
    platform->hypercall = enlg_arm64_hypercall;
    platform->hypercall_fast = enlg_arm64_hypercall_fast;
    platform->tsc = enlg_arm64_tsc;
    platform->no_hypercall_page = true;
}
