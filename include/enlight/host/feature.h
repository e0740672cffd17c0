/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/feature.h - the enlightenments by name: what each announces and needs
 *
 * One table drives CPUID, the refusal of what is not announced, the command line's --hv
 * and its manual. Names are QEMU's without "hv-".
 */
#ifndef ENLIGHT_HOST_FEATURE_H
#define ENLIGHT_HOST_FEATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [TLFS 2.4 to 2.6] Values are stable: they may be stored. New ones are added last. */
enum enlh_feature {
    ENLH_F_BASE,               /* leaves 0x40000000 to 5, hypercall page, GUEST_OS_ID */
    ENLH_F_VPINDEX,            /* VP_INDEX */
    ENLH_F_RELAXED,            /* no watchdogs on this host */
    ENLH_F_RUNTIME,            /* VP_RUNTIME */
    ENLH_F_TIME,               /* reference counter and reference TSC page */
    ENLH_F_FREQUENCIES,        /* TSC and APIC frequency registers */
    ENLH_F_SYNIC,              /* SynIC, post message, signal event */
    ENLH_F_STIMER,             /* synthetic timers, message mode */
    ENLH_F_STIMER_DIRECT,      /* direct mode */
    ENLH_F_CRASH,              /* crash registers and the panic text */
    ENLH_F_RESET,              /* reset register */
    ENLH_F_VAPIC,              /* VP assist page; EOI, ICR and TPR registers */
    ENLH_F_NO_AUTO_EOI,        /* hint: do not use AutoEOI (QEMU: avic) */
    ENLH_F_TLBFLUSH,           /* flush hypercalls, hint */
    ENLH_F_TLBFLUSH_EXT,       /* extended GVA ranges */
    ENLH_F_IPI,                /* cluster IPI hypercalls, hint */
    ENLH_F_EX_PROCESSOR_MASKS, /* sparse sets */
    ENLH_F_SPINLOCKS,          /* spin retry count and NotifyLongSpinWait */
    ENLH_F_XMM_INPUT,          /* fast hypercalls with XMM registers */
    ENLH_F_REENLIGHTENMENT,    /* reenlightenment and TSC emulation registers */
    ENLH_F_TSC_INVARIANT,      /* 0x40000118: the guest may rely on the TSC */
    ENLH_F_NO_CORESHARING,     /* no non-architectural core sharing */
    ENLH_F_NESTED,             /* leaf 0x4000000A */
    ENLH_F_STACK_INTERFACE,    /* leaves 0x40000080 to 82, "VS#1" */
    ENLH_F_KVM_LEAVES,         /* KVM's own leaves at 0x40000100: Linux then ignores us */
    ENLH_F_COUNT
};

#define ENLH_F_BIT(feature) (UINT64_C(1) << (feature))

struct enlh_features {
    uint64_t set;          /* ENLH_F_BIT() of each feature that is on */
    uint32_t spin_retries; /* with ENLH_F_SPINLOCKS; 0xffffffff: never notify */
};

/* What the table says of one feature. Static storage. */
struct enlh_feature_info {
    enum enlh_feature feature;
    const char *name;    /* "stimer-direct" */
    const char *alias;   /* libvirt's or an older name, or NULL */
    const char *summary; /* one line for people */
    uint64_t needs;      /* ENLH_F_BIT() of what must be on as well */
    bool takes_value;    /* "spinlocks=0x1fff" */
};

/* The table's line number i, or NULL beyond its end. Thread: any. */
const struct enlh_feature_info *enlh_feature_at(size_t i);

/* Find a feature by name or alias, with or without "hv-" or "hv_"; NULL if unknown. */
const struct enlh_feature_info *enlh_feature_find(const char *name);

/*
 * Fill in a preset: none; portable: what the core answers well alone; linux: that, and what
 * a hypervisor below answers better than the core; windows; max.
 * Returns 0, or -ENL_E_NOENT. Thread: any.
 */
ENL_MUST_CHECK int enlh_features_preset(const char *name, struct enlh_features *out);

/*
 * Look for a feature whose need is not met. Returns 0, or -ENL_E_INVAL with the feature
 * and the first thing it lacks. Thread: any.
 */
ENL_MUST_CHECK int enlh_features_check(const struct enlh_features *features,
                                       enum enlh_feature *which,
                                       enum enlh_feature *lacks);

#ifdef __cplusplus
}
#endif
#endif
