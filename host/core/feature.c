/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of enlightenments. CPUID, the registers' and hypercalls' access checks, the
 * command line and the manual all read this one table, so that what is announced is what
 * is answered. Nobody hostile reaches it: names come from the embedder.
 *
 * CPU_MANAGEMENT and PARTITION_ID are in no row: a Linux guest that sees the first takes
 * itself for the root partition, and with the second it calls GetPartitionId before it
 * has a page for the answer. GUEST_IDLE and EXTENDED_HYPERCALLS are in no row because the
 * register and the calls behind them are not answered. [TLFS 2.4 to 2.6]
 * Tests: feature_table, cpuid_leaves.
 */
#include "host/core/feature.h"

#include "enlight/abi/cpuid.h"

struct feature_row {
    struct enlh_feature_info info;
    struct enlh_feature_bits bits;
};

#define B(name) ENLH_F_BIT(ENLH_F_##name)

#define ROW(id, text, other, about, need, ...)                                           \
    [ENLH_F_##id] = {.info = {.feature = ENLH_F_##id,                                    \
                              .name = (text),                                            \
                              .alias = (other),                                          \
                              .summary = (about),                                        \
                              .needs = (need)},                                          \
                     .bits = {__VA_ARGS__}}

static const struct feature_row feature_table[ENLH_F_COUNT] = {
    ROW(BASE, "base", NULL, "Hyper-V leaves, hypercall page, guest identity", 0,
        .privileges = ENL_PRIV_HYPERCALL),
    ROW(VPINDEX, "vpindex", NULL, "virtual processor index register", B(BASE),
        .privileges = ENL_PRIV_VP_INDEX),
    ROW(RELAXED, "relaxed", NULL, "hint: no watchdogs, time may be late", B(BASE),
        .hints = ENL_HINT_RELAXED_TIMING),
    ROW(RUNTIME, "runtime", NULL, "virtual processor run time register", B(BASE),
        .privileges = ENL_PRIV_VP_RUNTIME),
    ROW(TIME, "time", "hypervclock", "reference counter and reference TSC page", B(BASE),
        .privileges = ENL_PRIV_TIME_REF_COUNT | ENL_PRIV_REFERENCE_TSC),
    ROW(FREQUENCIES, "frequencies", NULL, "TSC and APIC frequency registers", B(BASE),
        .privileges = ENL_PRIV_FREQUENCY, .misc = ENL_FEAT_FREQUENCY),
    ROW(SYNIC, "synic", NULL, "synthetic interrupts, messages, events: VMBus needs it",
        B(BASE) | B(VPINDEX),
        .privileges = ENL_PRIV_SYNIC | ENL_PRIV_POST_MESSAGES | ENL_PRIV_SIGNAL_EVENTS),
    ROW(STIMER, "stimer", NULL, "synthetic timers", B(BASE) | B(SYNIC) | B(TIME),
        .privileges = ENL_PRIV_STIMER),
    ROW(STIMER_DIRECT, "stimer-direct", NULL, "synthetic timers raise a vector directly",
        B(BASE) | B(STIMER), .misc = ENL_FEAT_DIRECT_STIMER),
    ROW(CRASH, "crash", NULL, "crash registers and the panic text", B(BASE),
        .misc = ENL_FEAT_CRASH),
    ROW(RESET, "reset", NULL, "reset register", B(BASE), .privileges = ENL_PRIV_RESET),
    ROW(VAPIC, "vapic", NULL, "virtual processor assist page; EOI, ICR, TPR registers",
        B(BASE), .privileges = ENL_PRIV_APIC, .hints = ENL_HINT_APIC_MSRS),
    ROW(NO_AUTO_EOI, "avic", "no-auto-eoi", "hint: do not use AutoEOI", B(BASE),
        .hints = ENL_HINT_NO_AUTO_EOI),
    ROW(TLBFLUSH, "tlbflush", NULL, "TLB flush hypercalls", B(BASE) | B(VPINDEX),
        .hints = ENL_HINT_REMOTE_FLUSH),
    ROW(TLBFLUSH_EXT, "tlbflush-ext", "tlbflush-extended", "flush lists of large pages",
        B(BASE) | B(TLBFLUSH), .misc = ENL_FEAT_EXT_GVA_RANGES),
    ROW(IPI, "ipi", NULL, "interprocessor interrupt hypercalls", B(BASE) | B(VPINDEX),
        .hints = ENL_HINT_CLUSTER_IPI),
    ROW(EX_PROCESSOR_MASKS, "ex-processor-masks", NULL,
        "sparse processor sets in hypercalls", B(BASE) | B(VPINDEX),
        .hints = ENL_HINT_EX_PROCESSOR_MASKS),
    [ENLH_F_SPINLOCKS] = {.info = {.feature = ENLH_F_SPINLOCKS,
                                   .name = "spinlocks",
                                   .summary = "spins before the hypervisor is told",
                                   .needs = B(BASE),
                                   .takes_value = true}},
    ROW(XMM_INPUT, "xmm-input", NULL, "hypercall input in XMM registers", B(BASE),
        .misc = ENL_FEAT_XMM_INPUT),
    ROW(REENLIGHTENMENT, "reenlightenment", NULL,
        "notice of a new TSC frequency after migration", B(BASE),
        .privileges = ENL_PRIV_REENLIGHTENMENT),
    ROW(TSC_INVARIANT, "tsc-invariant", "invtsc", "the guest may rely on the TSC",
        B(BASE), .privileges = ENL_PRIV_TSC_INVARIANT),
    ROW(NO_CORESHARING, "no-nonarch-coresharing", "no-coresharing",
        "hint: VPs share a core only as the topology says", B(BASE),
        .hints = ENL_HINT_NO_CORE_SHARING),
    ROW(NESTED, "nested", "evmcs", "nested virtualization leaf", B(BASE) | B(VAPIC),
        .privileges = 0),
    ROW(STACK_INTERFACE, "stack-interface", "vs1", "leaves 0x40000080 to 82", B(BASE),
        .privileges = 0),
    ROW(KVM_LEAVES, "kvm-leaves", NULL, "KVM's own leaves: Linux then ignores Hyper-V", 0,
        .privileges = 0),
};

const struct enlh_feature_info *
enlh_feature_at(size_t i)
{
    return i < ENLH_F_COUNT ? &feature_table[i].info : NULL;
}

/* Equal but for '_' where the other has '-': libvirt writes one, QEMU the other. */
static bool
feature_name_is(const char *name, const char *wanted)
{
    for (; *name != '\0' && *wanted != '\0'; name++, wanted++) {
        if (*name != *wanted && !(*name == '_' && *wanted == '-'))
            return false;
    }
    return *name == *wanted;
}

const struct enlh_feature_info *
enlh_feature_find(const char *name)
{
    if (name[0] == 'h' && name[1] == 'v' && (name[2] == '-' || name[2] == '_'))
        name += 3;
    for (size_t i = 0; i < ENLH_F_COUNT; i++) {
        const struct enlh_feature_info *info = &feature_table[i].info;

        if (feature_name_is(name, info->name) ||
            (info->alias != NULL && feature_name_is(name, info->alias)))
            return info;
    }
    return NULL;
}

/*
 * What Linux uses and every embedder can give. The hypercalls for TLB flush and IPI are
 * left out: where the hypervisor below does not answer them they cost more than they save.
 */
#define PRESET_PORTABLE                                                                  \
    (B(BASE) | B(VPINDEX) | B(RELAXED) | B(RUNTIME) | B(TIME) | B(FREQUENCIES) |         \
     B(SYNIC) | B(STIMER) | B(STIMER_DIRECT) | B(CRASH) | B(RESET) | B(NO_AUTO_EOI))

#define PRESET_LINUX                                                                     \
    (PRESET_PORTABLE | B(VAPIC) | B(TLBFLUSH) | B(TLBFLUSH_EXT) | B(IPI) |               \
     B(EX_PROCESSOR_MASKS))

#define PRESET_WINDOWS (PRESET_LINUX | B(SPINLOCKS) | B(REENLIGHTENMENT))

/* Not the leaf that needs numbers of a real host, and not what hides us from Linux. */
#define PRESET_MAX (((ENLH_F_BIT(ENLH_F_COUNT)) - 1) & ~(B(NESTED) | B(KVM_LEAVES)))

#define SPINS_NEVER   0xffffffffu
#define SPINS_WINDOWS 0x1fffu /* what libvirt and QEMU's manual recommend */

int
enlh_features_preset(const char *name, struct enlh_features *out)
{
    static const struct {
        const char *name;
        struct enlh_features features;
    } preset[] = {
        {"none", {0, SPINS_NEVER}},
        {"portable", {PRESET_PORTABLE, SPINS_NEVER}},
        {"linux", {PRESET_LINUX, SPINS_NEVER}},
        {"windows", {PRESET_WINDOWS, SPINS_WINDOWS}},
        {"max", {PRESET_MAX, SPINS_WINDOWS}},
    };

    for (size_t i = 0; i < sizeof(preset) / sizeof(preset[0]); i++) {
        if (feature_name_is(name, preset[i].name)) {
            *out = preset[i].features;
            return 0;
        }
    }
    return -ENL_E_NOENT;
}

int
enlh_features_check(const struct enlh_features *features, enum enlh_feature *which,
                    enum enlh_feature *lacks)
{
    for (uint32_t i = 0; i < ENLH_F_COUNT; i++) {
        uint64_t missing = feature_table[i].info.needs & ~features->set;

        if (!enlh_feature_on(features, (enum enlh_feature)i) || missing == 0)
            continue;
        *which = (enum enlh_feature)i;
        *lacks = (enum enlh_feature)__builtin_ctzll(missing);
        return -ENL_E_INVAL;
    }
    return 0;
}

struct enlh_feature_bits
enlh_feature_bits(const struct enlh_features *features)
{
    struct enlh_feature_bits sum = {0};

    for (uint32_t i = 0; i < ENLH_F_COUNT; i++) {
        const struct enlh_feature_bits *bits = &feature_table[i].bits;

        if (!enlh_feature_on(features, (enum enlh_feature)i))
            continue;
        sum.privileges |= bits->privileges;
        sum.misc |= bits->misc;
        sum.hints |= bits->hints;
    }
    return sum;
}
