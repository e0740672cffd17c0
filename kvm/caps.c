/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/caps.c - what a KVM can do, and what each engine needs and serves
 *
 * Run by the embedder, before there is a guest. Trusts the kernel. The user engine needs no
 * Hyper-V of KVM; the kernel engine serves what KVM_GET_SUPPORTED_HV_CPUID announces, and
 * what a filtered register adds to it. Policy: nested is the kernel's or nobody's.
 * Tests: test/unit/kvm_caps.c.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "enlight/abi/cpuid.h"
#include "kvm/internal.h"

#define HV_LEAVES 64u
#define HOST_CLOCKSOURCE                                                                 \
    "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* The head, and room for the entries behind it. */
union hv_cpuid {
    struct kvm_cpuid2 head;
    unsigned char
        room[sizeof(struct kvm_cpuid2) + HV_LEAVES * sizeof(struct kvm_cpuid_entry2)];
};

/* The features that need nothing of KVM beyond the core's own answers. */
#define CORE_FEATURES                                                                    \
    (ENLH_F_BIT(ENLH_F_BASE) | ENLH_F_BIT(ENLH_F_VPINDEX) | ENLH_F_BIT(ENLH_F_RELAXED) | \
     ENLH_F_BIT(ENLH_F_CRASH) | ENLH_F_BIT(ENLH_F_NO_AUTO_EOI) |                         \
     ENLH_F_BIT(ENLH_F_SPINLOCKS) | ENLH_F_BIT(ENLH_F_NO_CORESHARING) |                  \
     ENLH_F_BIT(ENLH_F_STACK_INTERFACE) | ENLH_F_BIT(ENLH_F_KVM_LEAVES) |                \
     ENLH_F_BIT(ENLH_F_EX_PROCESSOR_MASKS))

#define USER_FEATURES                                                                    \
    (CORE_FEATURES | ENLH_F_BIT(ENLH_F_RUNTIME) | ENLH_F_BIT(ENLH_F_TIME) |              \
     ENLH_F_BIT(ENLH_F_FREQUENCIES) | ENLH_F_BIT(ENLH_F_SYNIC) |                         \
     ENLH_F_BIT(ENLH_F_STIMER) | ENLH_F_BIT(ENLH_F_STIMER_DIRECT) |                      \
     ENLH_F_BIT(ENLH_F_RESET) | ENLH_F_BIT(ENLH_F_TLBFLUSH) |                            \
     ENLH_F_BIT(ENLH_F_TLBFLUSH_EXT) | ENLH_F_BIT(ENLH_F_IPI) |                          \
     ENLH_F_BIT(ENLH_F_XMM_INPUT) | ENLH_F_BIT(ENLH_F_REENLIGHTENMENT))

/* A feature of the kernel engine, and the bit of KVM's leaves that it stands on. */
static const struct {
    enum enlh_feature feature;
    uint64_t privilege;
    uint32_t edx, hint;
} kernel_features[] = {
    {ENLH_F_RUNTIME, ENL_PRIV_VP_RUNTIME, 0, 0},
    {ENLH_F_TIME, ENL_PRIV_TIME_REF_COUNT | ENL_PRIV_REFERENCE_TSC, 0, 0},
    {ENLH_F_FREQUENCIES, ENL_PRIV_FREQUENCY, ENL_FEAT_FREQUENCY, 0},
    {ENLH_F_SYNIC, ENL_PRIV_SYNIC | ENL_PRIV_POST_MESSAGES | ENL_PRIV_SIGNAL_EVENTS, 0,
     0},
    {ENLH_F_STIMER, ENL_PRIV_STIMER, 0, 0},
    {ENLH_F_STIMER_DIRECT, ENL_PRIV_STIMER, ENL_FEAT_DIRECT_STIMER, 0},
    {ENLH_F_RESET, ENL_PRIV_RESET, 0, 0},
    {ENLH_F_VAPIC, ENL_PRIV_APIC, 0, ENL_HINT_APIC_MSRS},
    {ENLH_F_TLBFLUSH, 0, 0, ENL_HINT_REMOTE_FLUSH},
    {ENLH_F_TLBFLUSH_EXT, 0, ENL_FEAT_EXT_GVA_RANGES, 0},
    {ENLH_F_IPI, 0, 0, ENL_HINT_CLUSTER_IPI},
    {ENLH_F_XMM_INPUT, 0, ENL_FEAT_XMM_INPUT, 0},
    {ENLH_F_REENLIGHTENMENT, ENL_PRIV_REENLIGHTENMENT, 0, 0},
};

static bool
has(int fd, unsigned long cap)
{
    return ioctl(fd, KVM_CHECK_EXTENSION, cap) > 0;
}

static bool
has_sync_regs(int fd)
{
    int mask = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);

    return mask > 0 && ((unsigned)mask & KVM_SYNC_X86_REGS);
}

static void
read_hv_leaves(int kvm_fd, struct enlk_caps *out)
{
    union hv_cpuid cpuid;

    memset(&cpuid, 0, sizeof(cpuid));
    cpuid.head.nent = HV_LEAVES;
    if (!has(kvm_fd, KVM_CAP_SYS_HYPERV_CPUID) ||
        ioctl(kvm_fd, KVM_GET_SUPPORTED_HV_CPUID, &cpuid) < 0)
        return;
    out->hv_cpuid = true;
    for (uint32_t i = 0; i < cpuid.head.nent && i < HV_LEAVES; i++) {
        const struct kvm_cpuid_entry2 *e = &cpuid.head.entries[i];

        switch (e->function) {
        case ENL_CPUID_BASE:
            out->hv_max_leaf = e->eax;
            break;
        case ENL_CPUID_FEATURES:
            out->hv_privileges = e->eax | (uint64_t)e->ebx << 32;
            out->hv_features_edx = e->edx;
            break;
        case ENL_CPUID_HINTS:
            out->hv_hints = e->eax;
            break;
        case ENL_CPUID_NESTED:
            out->hv_nested_eax = e->eax;
            out->hv_nested_ebx = e->ebx;
            break;
        default:
            break;
        }
    }
}

/* The kernel keeps its time by the TSC: it has watched it, or was told tsc=reliable. */
static bool
host_keeps_time_by_tsc(void)
{
    char name[8] = "";
    int fd = open(HOST_CLOCKSOURCE, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t len = read(fd, name, sizeof(name) - 1);
    close(fd);
    return len > 0 && strcmp(name, "tsc\n") == 0;
}

/* An emulated CPU does not say so in CPUID, and yet its kernel may know. */
static bool
host_tsc_is_invariant(void)
{
    unsigned eax, ebx, ecx, edx;

    if (__get_cpuid(0x80000007u, &eax, &ebx, &ecx, &edx) && (edx & 1u << 8))
        return true;
    return host_keeps_time_by_tsc();
}

void
enlk_caps_probe(int kvm_fd, int vm_fd, struct enlk_caps *out)
{
    int fd = vm_fd >= 0 ? vm_fd : kvm_fd;

    memset(out, 0, sizeof(*out));
    out->size = sizeof(*out);
    out->irqchip = has(fd, KVM_CAP_IRQCHIP);
    out->user_msr = has(fd, KVM_CAP_X86_USER_SPACE_MSR);
    out->msr_filter = has(fd, KVM_CAP_X86_MSR_FILTER);
    out->immediate_exit = has(fd, KVM_CAP_IMMEDIATE_EXIT);
    out->sync_regs = has_sync_regs(fd);
    out->signal_msi = has(fd, KVM_CAP_SIGNAL_MSI);
    out->ioeventfd = has(fd, KVM_CAP_IOEVENTFD);
    out->pv_enforce = has(fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID);
    out->tsc_offset = has(fd, KVM_CAP_VCPU_ATTRIBUTES);
    out->hv_synic2 = has(fd, KVM_CAP_HYPERV_SYNIC2);
    out->hv_vp_index = has(fd, KVM_CAP_HYPERV_VP_INDEX);
    out->hv_eventfd = has(fd, KVM_CAP_HYPERV_EVENTFD);
    out->hv_enforce_cpuid = has(fd, KVM_CAP_HYPERV_ENFORCE_CPUID);
    out->irqfd_resample = has(fd, KVM_CAP_IRQFD_RESAMPLE);
    out->invariant_tsc = host_tsc_is_invariant();
    read_hv_leaves(kvm_fd, out);
}

/* The first line whose capability is absent. */
struct need {
    bool there;
    const char *name;
};

static const char *
first_absent(const struct need *needs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!needs[i].there)
            return needs[i].name;
    }
    return NULL;
}

static const char *
missing_anywhere(const struct enlk_caps *c)
{
    const struct need needs[] = {
        {c->irqchip, "KVM_CAP_IRQCHIP"},
        {c->immediate_exit, "KVM_CAP_IMMEDIATE_EXIT"},
        {c->signal_msi, "KVM_CAP_SIGNAL_MSI"},
        {c->user_msr, "KVM_CAP_X86_USER_SPACE_MSR"},
        {c->msr_filter, "KVM_CAP_X86_MSR_FILTER"},
        {c->sync_regs, "KVM_CAP_SYNC_REGS"},
        {c->ioeventfd, "KVM_CAP_IOEVENTFD"},
    };

    return first_absent(needs, sizeof(needs) / sizeof(needs[0]));
}

static const char *
missing_kernel(const struct enlk_caps *c)
{
    const struct need needs[] = {
        {c->hv_cpuid, "KVM_CAP_SYS_HYPERV_CPUID"},
        {c->hv_synic2, "KVM_CAP_HYPERV_SYNIC2"},
        {c->hv_vp_index, "KVM_CAP_HYPERV_VP_INDEX"},
        {c->hv_eventfd, "KVM_CAP_HYPERV_EVENTFD"},
        {c->hv_enforce_cpuid, "KVM_CAP_HYPERV_ENFORCE_CPUID"},
        {c->irqfd_resample, "KVM_CAP_IRQFD_RESAMPLE"},
    };

    return first_absent(needs, sizeof(needs) / sizeof(needs[0]));
}

const char *
enlk_caps_missing(const struct enlk_caps *caps, enum enlk_kind kind)
{
    const char *name = missing_anywhere(caps);

    if (!name && kind == ENLK_KERNEL)
        name = missing_kernel(caps);
    return name;
}

enum enlk_kind
enlk_caps_choose(const struct enlk_caps *caps, enum enlk_kind wish)
{
    if (wish != ENLK_AUTO)
        return wish;
    return enlk_caps_missing(caps, ENLK_KERNEL) ? ENLK_USER : ENLK_KERNEL;
}

static uint64_t
kernel_served(const struct enlk_caps *c)
{
    uint64_t set = CORE_FEATURES;
    size_t count = sizeof(kernel_features) / sizeof(kernel_features[0]);

    for (size_t i = 0; i < count; i++) {
        if ((c->hv_privileges & kernel_features[i].privilege) ==
                kernel_features[i].privilege &&
            (c->hv_features_edx & kernel_features[i].edx) == kernel_features[i].edx &&
            (c->hv_hints & kernel_features[i].hint) == kernel_features[i].hint)
            set |= ENLH_F_BIT(kernel_features[i].feature);
    }
    if (c->hv_max_leaf >= ENL_CPUID_NESTED && (c->hv_nested_eax | c->hv_nested_ebx))
        set |= ENLH_F_BIT(ENLH_F_NESTED);
    return set;
}

uint64_t
enlk_caps_features(const struct enlk_caps *caps, enum enlk_kind kind)
{
    uint64_t set = kind == ENLK_KERNEL ? kernel_served(caps) : USER_FEATURES;

    if (caps->invariant_tsc)
        set |= ENLH_F_BIT(ENLH_F_TSC_INVARIANT);
    return set;
}

uint64_t
enlk_caps_costly(const struct enlk_caps *caps, enum enlk_kind kind)
{
    (void)caps;
    if (kind == ENLK_KERNEL)
        return 0;
    return ENLH_F_BIT(ENLH_F_TLBFLUSH) | ENLH_F_BIT(ENLH_F_TLBFLUSH_EXT) |
           ENLH_F_BIT(ENLH_F_IPI);
}
