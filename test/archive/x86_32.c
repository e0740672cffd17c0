/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/archive/x86_32.c - what is other with 32 bits, in a process with nothing but the library
 *
 * The hypercall's convention, the arithmetic of the clock's page, and sets of VPs. There is
 * no libc for 32 bits here: the four mem functions, write and exit are below. Prints TAP.
 */
#include <stdbool.h>
#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/guest/clock.h"
#include "enlight/guest/hypercall.h"
#include "enlight/guest/ipi.h"
#include "enlight/guest/x86_64.h"

/* ---- a process of its own ---- */

void *
memcpy(void *restrict to, const void *restrict from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *
memset(void *to, int value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((volatile char *)to)[i] = (char)value;
    return to;
}

static long
system_call(long number, long a, const void *b, long c)
{
    long result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c)
                     : "memory");
    return result;
}

static void
say(const char *text)
{
    long len = 0;

    while (text[len])
        len++;
    (void)system_call(4, 1, text, len);
}

static bool failed;

static void
verdict(const char *name, bool good)
{
    say(good ? "ok - " : "not ok - ");
    say(name);
    say("\n");
    failed = failed || !good;
}

/* ---- a hypervisor ---- */

/* Stands in for the hypercall page; every register that may change does. */
uint32_t seen[6];
__asm__(".pushsection .text\n"
        "page_code:\n"
        "    mov %eax, seen\n"
        "    mov %edx, seen+4\n"
        "    mov %ecx, seen+8\n"
        "    mov %ebx, seen+12\n"
        "    mov %esi, seen+16\n"
        "    mov %edi, seen+20\n"
        "    mov $0x11111111, %ebx\n"
        "    mov %ebx, %ecx\n"
        "    mov %ebx, %esi\n"
        "    mov %ebx, %edi\n"
        "    mov $0x9000, %edx\n"
        "    mov $0x33330000, %eax\n"
        "    ret\n"
        ".popsection\n");
extern const uint8_t page_code[];

static _Alignas(4096) uint8_t pages[3][ENL_PAGE_SIZE];
static uint64_t hypercall_reg, tsc;

static void
fake_cpuid(void *ctx, uint32_t leaf, struct enl_cpuid_leaf *out)
{
    (void)ctx;
    memset(out, 0, sizeof(*out));
    if (leaf == 1)
        out->ecx = ENL_CPUID_1_ECX_HYPERVISOR;
    else if (leaf == ENL_CPUID_BASE)
        out->eax = ENL_CPUID_LIMITS;
    else if (leaf == ENL_CPUID_INTERFACE)
        out->eax = ENL_INTERFACE_SIGNATURE;
    else if (leaf == ENL_CPUID_FEATURES)
        out->eax = (uint32_t)(ENL_PRIV_HYPERCALL | ENL_PRIV_VP_INDEX |
                              ENL_PRIV_TIME_REF_COUNT | ENL_PRIV_REFERENCE_TSC);
    else if (leaf == ENL_CPUID_HINTS)
        out->eax = ENL_HINT_CLUSTER_IPI | ENL_HINT_EX_PROCESSOR_MASKS;
}

static int
fake_get_reg(void *ctx, uint32_t reg, uint64_t *value)
{
    (void)ctx;
    *value = reg == ENL_REG_HYPERCALL ? hypercall_reg : 0;
    return 0;
}

static int
fake_set_reg(void *ctx, uint32_t reg, uint64_t value)
{
    (void)ctx;
    if (reg == ENL_REG_HYPERCALL)
        hypercall_reg = value;
    return 0;
}

static uint64_t
fake_tsc(void *ctx)
{
    (void)ctx;
    return tsc;
}

/* Physical addresses have more than 32 bits here. */
static enl_gpa
fake_gpa(void *ctx, const void *address)
{
    (void)ctx;
    return (enl_gpa){(uintptr_t)address | UINT64_C(0x7) << 36};
}

static int
fake_map_exec(void *ctx, void *page, const void **code)
{
    (void)ctx;
    (void)page;
    *code = page_code;
    return 0;
}

static void
fake_pause(void *ctx, uint32_t attempt)
{
    (void)ctx;
    (void)attempt;
}

static const struct enlg_platform platform = {
    .size = sizeof(platform),
    .cpuid = fake_cpuid,
    .get_reg = fake_get_reg,
    .set_reg = fake_set_reg,
    .hypercall = enlg_x64_hypercall,
    .tsc = fake_tsc,
    .gpa = fake_gpa,
    .map_exec = fake_map_exec,
    .pause = fake_pause,
};

/* ---- tests ---- */

static bool
seen_is(uint64_t control, uint64_t input, uint64_t output)
{
    return seen[0] == (uint32_t)control && seen[1] == (uint32_t)(control >> 32) &&
           seen[2] == (uint32_t)input && seen[3] == (uint32_t)(input >> 32) &&
           seen[4] == (uint32_t)output && seen[5] == (uint32_t)(output >> 32);
}

static bool
operands_are_in_pairs(void)
{
    uint64_t result =
        enlg_x64_hypercall(NULL, page_code, UINT64_C(0x0102030405060708),
                           UINT64_C(0x1112131415161718), UINT64_C(0x2122232425262728));

    return result == UINT64_C(0x900033330000) &&
           seen_is(UINT64_C(0x0102030405060708), UINT64_C(0x1112131415161718),
                   UINT64_C(0x2122232425262728));
}

static bool
calls_name_memory_above_4_gib(const struct enlg_partition *partition)
{
    uint64_t input = fake_gpa(NULL, pages[1]).v;

    /* The status is in the low 16 bits, all zero here. */
    return enlg_hypercall_memory(partition, 0x13, 16, pages[1], NULL) == 0 &&
           seen_is(0x13 | 2 << 17, input, 0);
}

static bool
set_of_vps_fits(const struct enlg_partition *partition)
{
    static const uint64_t vps[64] = {[33] = UINT64_C(1) << 63, [63] = 5};
    struct enlg_vpset set = {vps, 64};
    const uint64_t *words = (const uint64_t *)(const void *)pages[1];

    return enlg_ipi_send(partition, pages[1], 0xfb, &set) == 0 && words[0] == 0xfb &&
           words[2] == (UINT64_C(1) << 33 | UINT64_C(1) << 63) &&
           words[3] == UINT64_C(1) << 63 && words[4] == 5;
}

static bool
clock_multiplies_128_bits(const struct enlg_partition *partition)
{
    static const struct {
        uint64_t tsc, scale, offset, time;
    } row[] = {
        {UINT64_MAX, UINT64_MAX, 0, UINT64_MAX - 1},
        {1, UINT64_MAX, 7, 7},
        {UINT64_C(1) << 32, UINT64_C(1) << 32, 0, 1},
        {UINT64_C(0x4DA4F9FC3C6DA5D7), UINT64_C(0xB8A1ABCD1A6916C7),
         UINT64_C(0x7A656412A9), UINT64_C(0x37FF9D04508F2F21)},
        {UINT64_C(0x1710CF5327AC435A), UINT64_C(0x512BD1311072231),
         UINT64_C(0x8C66CEAB36), UINT64_C(0x7504D0BB465C68)},
        {UINT64_C(0x4A14876AEAFF1A09), UINT64_C(0xFD724452CCEA71FF),
         UINT64_C(0xFC3E1B258), UINT64_C(0x49575ACE25946F01)},
        {UINT64_C(0x8534F45738D048EC), UINT64_C(0x5C3902B38963DC6E),
         UINT64_C(0xC746D4AC7A), UINT64_C(0x2FFCB2C8DC18016D)},
    };
    struct enl_reference_tsc_page *page = (void *)pages[2];
    struct enlg_clock clock;
    bool good = enlg_clock_init(&clock, partition, page) == 0;

    for (uint32_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        tsc = row[i].tsc;
        page->scale = row[i].scale;
        page->offset = (int64_t)row[i].offset;
        page->sequence = 1;
        good = good && enlg_clock_read(&clock) == row[i].time;
    }
    return good;
}

__attribute__((used)) static void
test_main(void)
{
    static struct enlg_partition partition;

    verdict("x86_32_hypercall_has_its_operands_in_pairs", operands_are_in_pairs());
    verdict("x86_32_partition_is_found",
            enlg_partition_init(&partition, &platform) == 0 &&
                enlg_hypercall_enable(&partition, pages[0], 1) == 0 &&
                hypercall_reg == (fake_gpa(NULL, pages[0]).v | ENL_HYPERCALL_ENABLE));
    verdict("x86_32_calls_name_memory_above_4_gib",
            calls_name_memory_above_4_gib(&partition));
    verdict("x86_32_set_of_vps_fits", set_of_vps_fits(&partition));
    verdict("x86_32_clock_multiplies_128_bits", clock_multiplies_128_bits(&partition));
    (void)system_call(1, failed, NULL, 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    and $-16, %esp\n"
        "    call test_main\n");
