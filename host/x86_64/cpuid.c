/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The synthetic CPUID leaves, from the configuration alone. The embedder puts them into
 * its processor's table; a guest reads them there, so nothing here runs on a guest's word.
 * Leaf 1 ECX bit 31 is the embedder's to set. [TLFS 2.3 to 2.6]
 *
 * The largest leaf is 0x40000005: what follows is either another configuration's (nested)
 * or says nothing. Leaves in between read as zeros, so they are listed.
 * Tests: cpuid_leaves.
 */
#include <string.h>

#include "enlight/abi/cpuid.h"
#include "enlight/host/x86_64.h"
#include "host/core/feature.h"

#define CPUID_MAX_LPS 64u

/* Twelve characters in EBX, ECX, EDX. */
static struct enlh_cpuid
cpuid_signature(uint32_t leaf, uint32_t max, const char *text)
{
    struct enlh_cpuid out = {.leaf = leaf, .eax = max};

    memcpy(&out.ebx, text, 4);
    memcpy(&out.ecx, text + 4, 4);
    memcpy(&out.edx, text + 8, 4);
    return out;
}

static struct enlh_cpuid
cpuid_version(const struct enlh_config *config)
{
    return (struct enlh_cpuid){
        .leaf = ENL_CPUID_VERSION,
        .eax = config->build,
        .ebx = config->major << ENL_VERSION_MAJOR_SHIFT |
               (config->minor & ENL_VERSION_MINOR_MASK),
        .ecx = config->service_pack,
        .edx = config->branch << ENL_VERSION_BRANCH_SHIFT |
               (config->service_number & ENL_VERSION_NUMBER_MASK),
    };
}

static struct enlh_cpuid
cpuid_features(const struct enlh_feature_bits *bits)
{
    return (struct enlh_cpuid){
        .leaf = ENL_CPUID_FEATURES,
        .eax = (uint32_t)bits->privileges,
        .ebx = (uint32_t)(bits->privileges >> 32),
        .edx = bits->misc,
    };
}

static struct enlh_cpuid
cpuid_hints(const struct enlh_config *config, const struct enlh_feature_bits *bits)
{
    return (struct enlh_cpuid){
        .leaf = ENL_CPUID_HINTS,
        .eax = bits->hints,
        .ebx = config->features.spin_retries,
        .ecx = config->physical_address_bits & ENL_HINT_ECX_ADDRESS_BITS_MASK,
    };
}

static struct enlh_cpuid
cpuid_limits(const struct enlh_config *config)
{
    return (struct enlh_cpuid){
        .leaf = ENL_CPUID_LIMITS, .eax = config->max_vp_count, .ebx = CPUID_MAX_LPS};
}

/* The stack interface: what it can do, in the order of the bits. */
static uint32_t
cpuid_stack(struct enlh_cpuid *out)
{
    out[0] = cpuid_signature(ENL_CPUID_VS_BASE, ENL_CPUID_VS_PROPERTIES, "Microsoft VS");
    out[1] = (struct enlh_cpuid){.leaf = ENL_CPUID_VS_INTERFACE,
                                 .eax = ENL_VS_INTERFACE_SIGNATURE};
    out[2] = (struct enlh_cpuid){.leaf = ENL_CPUID_VS_PROPERTIES,
                                 .eax = ENL_VS_EXTENDED_IOAPIC};
    return 3;
}

/* Leaves 6 to 9, which say nothing, and 0xA. */
static uint32_t
cpuid_nested(const struct enlh_config *config, struct enlh_cpuid *out)
{
    uint32_t count = 0;

    for (uint32_t leaf = ENL_CPUID_HARDWARE; leaf < ENL_CPUID_NESTED; leaf++)
        out[count++] = (struct enlh_cpuid){.leaf = leaf};
    out[count++] = (struct enlh_cpuid){
        .leaf = ENL_CPUID_NESTED, .eax = config->nested_eax, .ebx = config->nested_ebx};
    return count;
}

uint32_t
enlh_x64_cpuid(const struct enlh_partition *partition, struct enlh_cpuid out[16])
{
    const struct enlh_config *config = enlh_partition_config(partition);
    struct enlh_feature_bits bits = enlh_feature_bits(&config->features);
    bool nested = enlh_feature_on(&config->features, ENLH_F_NESTED);
    uint32_t count = 0;

    if (!enlh_feature_on(&config->features, ENLH_F_BASE))
        return 0;
    out[count++] = cpuid_signature(
        ENL_CPUID_BASE, nested ? ENL_CPUID_NESTED : ENL_CPUID_LIMITS, config->vendor);
    out[count++] =
        (struct enlh_cpuid){.leaf = ENL_CPUID_INTERFACE, .eax = ENL_INTERFACE_SIGNATURE};
    out[count++] = cpuid_version(config);
    out[count++] = cpuid_features(&bits);
    out[count++] = cpuid_hints(config, &bits);
    out[count++] = cpuid_limits(config);
    if (nested)
        count += cpuid_nested(config, &out[count]);
    if (enlh_feature_on(&config->features, ENLH_F_STACK_INTERFACE))
        count += cpuid_stack(&out[count]);
    return count;
}
