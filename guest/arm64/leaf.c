/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/arm64/leaf.c - what arm64's registers announce, in the words of CPUID
 *
 * Run by the partition at its start. Translation only: the registers hold the words of the
 * leaves with the same numbers, but what is a feature or a hint has other bits on arm64.
 * Compiles for every processor. [TLFS HvRegisterPrivilegesAndFeaturesInfo, ...FeaturesInfo]
 * Tests: test/unit/guest_arm64.c.
 */
#pragma GCC visibility push(hidden)
#include "enlight/abi/register.h"
#include "enlight/guest/arm64.h"
#pragma GCC visibility pop

struct bit_map {
    uint32_t there; /* on arm64 */
    uint32_t here;  /* on x86 */
};

static const struct bit_map features[] = {
    {ENL_FEAT_ARM64_GUEST_IDLE, ENL_FEAT_GUEST_IDLE},
    {ENL_FEAT_ARM64_FREQUENCY, ENL_FEAT_FREQUENCY},
    {ENL_FEAT_ARM64_CRASH, ENL_FEAT_CRASH},
    {ENL_FEAT_ARM64_SINT_POLLING, ENL_FEAT_SINT_POLLING},
    {ENL_FEAT_ARM64_DIRECT_STIMER, ENL_FEAT_DIRECT_STIMER},
};

static const struct bit_map hints[] = {
    {ENL_HINT_ARM64_RESET, ENL_HINT_RESET_MSR},
    {ENL_HINT_ARM64_RELAXED_TIMING, ENL_HINT_RELAXED_TIMING},
    {ENL_HINT_ARM64_CLUSTER_IPI, ENL_HINT_CLUSTER_IPI},
    {ENL_HINT_ARM64_EX_PROCESSOR_MASKS, ENL_HINT_EX_PROCESSOR_MASKS},
    {ENL_HINT_ARM64_NESTED, ENL_HINT_NESTED},
};

static uint32_t
bits_of(const struct bit_map *map, size_t count, uint32_t there)
{
    uint32_t here = 0;

    for (size_t i = 0; i < count; i++) {
        if (there & map[i].there)
            here |= map[i].here;
    }
    return here;
}

uint32_t
enlg_arm64_reg_of(uint32_t leaf)
{
    switch (leaf) {
    case ENL_CPUID_VERSION:
        return ENL_REG_VERSION;
    case ENL_CPUID_FEATURES:
        return ENL_REG_PRIVILEGES;
    case ENL_CPUID_HINTS:
        return ENL_REG_HINTS;
    case ENL_CPUID_LIMITS:
        return ENL_REG_LIMITS;
    default:
        return 0;
    }
}

void
enlg_arm64_translate(uint32_t leaf, struct enl_cpuid_leaf *words)
{
    if (leaf == ENL_CPUID_FEATURES) {
        /*
         * Who answers has hypercalls, and the VP index is a register like others. Seen:
         * Linux 6.12 looks at neither bit on arm64. More than two words of input always
         * fit into registers here.
         */
        words->eax |= (uint32_t)(ENL_PRIV_HYPERCALL | ENL_PRIV_VP_INDEX);
        words->edx =
            ENL_FEAT_XMM_INPUT |
            bits_of(features, sizeof(features) / sizeof(features[0]), words->ecx);
        words->ecx = 0;
    } else if (leaf == ENL_CPUID_HINTS) {
        /* No interrupt controller here ends an interrupt by itself. */
        words->eax = ENL_HINT_NO_AUTO_EOI |
                     bits_of(hints, sizeof(hints) / sizeof(hints[0]), words->eax);
    }
}
