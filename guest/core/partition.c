/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/core/partition.c - finds the hypervisor and reads what it announces
 *
 * Run by the kernel at its start; no host can make it run. Reads CPUID leaves through the
 * platform and believes only those below the largest leaf. Touches no register before its
 * privilege is known. [TLFS feature discovery]
 * Tests: test/unit/guest_core.c, test/loop/contact.c.
 */
#include "guest/core/core.h"

/* How far a platform must reach to have every function that is not optional. */
#define PLATFORM_MIN (offsetof(struct enlg_platform, pause) + sizeof(void (*)(void)))

static bool
platform_is_complete(const struct enlg_platform *p)
{
    return p->size >= PLATFORM_MIN && p->cpuid && p->get_reg && p->set_reg &&
           p->hypercall && p->gpa && p->pause;
}

static struct enl_cpuid_leaf
leaf_read(const struct enlg_platform *p, uint32_t leaf)
{
    struct enl_cpuid_leaf out = {0};

    p->cpuid(p->ctx, leaf, &out);
    return out;
}

static bool
hypervisor_is_ours(const struct enlg_platform *p, uint32_t *max_leaf)
{
    struct enl_cpuid_leaf leaf = leaf_read(p, 1);

    if (!(leaf.ecx & ENL_CPUID_1_ECX_HYPERVISOR))
        return false;
    leaf = leaf_read(p, ENL_CPUID_BASE);
    *max_leaf = leaf.eax;
    if (leaf.eax < ENL_CPUID_LEAF_MIN || leaf.eax > ENL_CPUID_LEAF_MAX)
        return false;
    /* The interface counts, not the vendor: a host may sign itself as it likes. */
    return leaf_read(p, ENL_CPUID_INTERFACE).eax == ENL_INTERFACE_SIGNATURE;
}

static void
features_read_base(const struct enlg_platform *p, struct enlg_features *f)
{
    struct enl_cpuid_leaf leaf = leaf_read(p, ENL_CPUID_VERSION);

    f->build = leaf.eax;
    f->major = (uint16_t)(leaf.ebx >> ENL_VERSION_MAJOR_SHIFT);
    f->minor = (uint16_t)(leaf.ebx & ENL_VERSION_MINOR_MASK);

    leaf = leaf_read(p, ENL_CPUID_FEATURES);
    f->privileges = (uint64_t)leaf.ebx << 32 | leaf.eax;
    f->features_ecx = leaf.ecx;
    f->features = leaf.edx;

    leaf = leaf_read(p, ENL_CPUID_HINTS);
    f->hints = leaf.eax;
    f->spin_retries = leaf.ebx != 0 ? leaf.ebx : ENL_SPIN_NEVER;
    f->address_bits = leaf.ecx & ENL_HINT_ECX_ADDRESS_BITS_MASK;

    f->max_vps = leaf_read(p, ENL_CPUID_LIMITS).eax;
}

static void
features_read_more(const struct enlg_platform *p, struct enlg_features *f)
{
    if (f->max_leaf >= ENL_CPUID_HARDWARE)
        f->hardware = leaf_read(p, ENL_CPUID_HARDWARE).eax;
    if (f->max_leaf >= ENL_CPUID_NESTED)
        f->nested = leaf_read(p, ENL_CPUID_NESTED).eax;
    if (f->max_leaf >= ENL_CPUID_ISOLATION)
        f->isolation =
            leaf_read(p, ENL_CPUID_ISOLATION).ebx & ENL_ISOLATION_EBX_TYPE_MASK;
}

/* A platform that was compiled against an older header has no more than it says. */
static void
platform_copy(struct enlg_platform *to, const struct enlg_platform *from)
{
    memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
    to->size = sizeof(*to);
}

int
enlg_partition_init(struct enlg_partition *partition,
                    const struct enlg_platform *platform)
{
    struct part *part = part_of(partition);
    uint32_t max_leaf = 0;

    if (!platform_is_complete(platform))
        return -ENL_E_INVAL;
    memset(partition, 0, sizeof(*partition));
    if (!hypervisor_is_ours(platform, &max_leaf))
        return -ENL_E_NODEV;
    platform_copy(&part->platform, platform);
    part->features.max_leaf = max_leaf;
    features_read_base(platform, &part->features);
    features_read_more(platform, &part->features);
    if (!enlg_partition_has(partition, ENL_PRIV_HYPERCALL | ENL_PRIV_VP_INDEX))
        return -ENL_E_ACCESS;
    return 0;
}

const struct enlg_features *
enlg_partition_features(const struct enlg_partition *partition)
{
    return &part_in(partition)->features;
}

bool
enlg_partition_has(const struct enlg_partition *partition, uint64_t privileges)
{
    return (part_in(partition)->features.privileges & privileges) == privileges;
}

int
enlg_partition_vp_index(const struct enlg_partition *partition, uint32_t *index)
{
    uint64_t value = 0;
    int rc = reg_get(partition, ENL_REG_VP_INDEX, &value);

    *index = (uint32_t)value;
    return rc;
}
