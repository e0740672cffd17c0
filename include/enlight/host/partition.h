/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/partition.h - one guest, as its hypervisor sees it
 *
 * A partition holds the virtual processors (VPs), the synthetic registers, the SynIC, the
 * timers, the overlay pages and the hypercall table of one guest. It is passive: it has no
 * thread, clock, file or memory of its own, and gets them through struct enlh_ops. VMBus
 * (enlight/host/vmbus.h) is built on top of it.
 *
 * Four kinds of thread call in, and every function says which it takes:
 *   vp       the thread that runs this VP, while the VP is not running guest code;
 *   loop     the one thread that handles VMBus control messages, offers and rescinds;
 *   channel  the one thread that serves a channel at this time;
 *   any      any thread of the embedder.
 * No callback is made with a lock held, so a callback may call in again.
 *
 * Life: enlh_partition_create(), enlh_mem_add(), then the VPs run;
 * enlh_partition_destroy() when no thread is inside any more.
 */
#ifndef ENLIGHT_HOST_PARTITION_H
#define ENLIGHT_HOST_PARTITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/base.h"
#include "enlight/error.h"
#include "enlight/host/feature.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_partition;
struct enlh_vp;

/* How the reference TSC page computes: time_100ns = (tsc * scale >> 64) + offset. */
struct enlh_tsc_page {
    uint64_t scale;
    int64_t offset;
};

enum enlh_log_level {
    ENLH_LOG_ERROR, /* the host is in trouble: a disk, the network, memory */
    ENLH_LOG_WARN,  /* the guest broke a rule; bounded, not one line for each fault */
    ENLH_LOG_INFO,  /* a state that a user cares for: connected, opened, closed */
    ENLH_LOG_DEBUG, /* every message */
};

/* Something that the embedder decides about. Borrowed for the time of the call. */
enum enlh_event_kind {
    ENLH_EVENT_RESET,        /* the guest wrote the reset register */
    ENLH_EVENT_CRASH,        /* the guest reported a crash: crash[] and text */
    ENLH_EVENT_TRIPLE_FAULT, /* not raised by the core; here for the embedder's own use */
};

struct enlh_event {
    enum enlh_event_kind kind;
    uint32_t vp;
    uint64_t crash[5]; /* P0 to P4 */
    const char *text;  /* the panic text, or NULL; not terminated by a zero */
    size_t text_len;   /* bytes of it, at most 4096 */
};

/*
 * What the embedder does for the partition. ctx is the pointer given at creation.
 * Functions marked (optional) may be NULL.
 */
struct enlh_ops {
    size_t size; /* sizeof(struct enlh_ops) as the caller compiled it */

    /* Zeroed memory, aligned for any object; NULL when there is none. Thread: any. */
    void *(*alloc)(void *ctx, size_t len);
    void (*free)(void *ctx, void *memory, size_t len);

    /* Mutual exclusion, held for a few instructions; all NULL when one thread does all. */
    void *(*lock_create)(void *ctx);
    void (*lock_destroy)(void *ctx, void *lock);
    void (*lock)(void *ctx, void *lock);
    void (*unlock)(void *ctx, void *lock);

    /* The partition's reference counter in 100 ns units since creation. Thread: any. */
    uint64_t (*time_100ns)(void *ctx);
    /*
     * Fill in how the guest computes that time from its TSC. Returns 0, or -ENL_E_NOTSUP
     * when the TSC is not stable: the page then says "use the register". Thread: vp.
     */
    int (*tsc_page)(void *ctx, struct enlh_tsc_page *page);
    /* Time that the VP ran, in 100 ns units. (optional) Thread: vp. */
    uint64_t (*vp_runtime_100ns)(void *ctx, uint32_t vp);
    /*
     * Call enlh_vp_timer() for this VP at or after that reference time; UINT64_MAX: not
     * any more. Replaces the last deadline. Thread: vp or any.
     */
    void (*timer_arm)(void *ctx, uint32_t vp, uint64_t deadline_100ns);

    /* Make the VP leave guest code, so that its thread calls enlh_vp_enter(). Thread: any. */
    void (*kick)(void *ctx, uint32_t vp);
    /*
     * Raise an interrupt vector (16 to 255) in the VP's local APIC, edge, fixed. With
     * auto_eoi the guest will not write EOI for it. Thread: any.
     */
    void (*interrupt)(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi);
    /*
     * (optional) Another hypervisor below owns the SINT registers and the timers: raise
     * this SINT there. When given, the core holds no SINT, SCONTROL or stimer of its own
     * and learns SIMP and SIEFP by enlh_vp_synic_changed(). Thread: any.
     */
    void (*raise_sint)(void *ctx, uint32_t vp, uint32_t sint);
    /*
     * (optional) That hypervisor shall hear of a write to GUEST_OS_ID, HYPERCALL,
     * REFERENCE_TSC, VP_ASSIST_PAGE or TSC_INVARIANT_CONTROL. A new overlay page is laid
     * (zeros) before the call, so that it may fill the page, and an old one is lifted
     * after it. Not 0: it refuses, and so does the core. Thread: vp, or the caller of
     * enlh_partition_reset().
     */
    int (*forward_reg)(void *ctx, uint32_t vp, uint32_t reg, uint64_t value);

    /*
     * (optional) The guest asked for these VPs' TLBs to be flushed: mask has one bit for
     * each VP, word_count words. On return no target runs with old translations.
     * Thread: vp.
     */
    void (*flush_tlb)(void *ctx, uint32_t vp, const uint64_t *mask, uint32_t word_count);

    /* A reset or a crash. Thread: vp. */
    void (*event)(void *ctx, const struct enlh_event *event);
    /* One line of text, without a newline; borrowed. (optional) Thread: any. */
    void (*log)(void *ctx, enum enlh_log_level level, const char *text);
    /* A bug in this library. (optional: the default traps) Does not return. Thread: any. */
    void (*bug)(void *ctx, const char *file, int line, const char *what);

    /*
     * (optional) The guest reads or writes its local APIC by ENL_REG_EOI, ENL_REG_ICR or
     * ENL_REG_TPR. Returns 0, or an error: #GP. Thread: vp.
     */
    int (*apic_reg)(void *ctx, uint32_t vp, uint32_t reg, bool write, uint64_t *value);
};

/* What the partition is like. Start from enlh_config_defaults(), then change it. */
struct enlh_config {
    size_t size;           /* sizeof(struct enlh_config), set by the defaults function */
    uint32_t vp_count;     /* 1 to 2048 */
    uint32_t max_vp_count; /* what leaf 5 says; 0: the larger of vp_count and 64 */
    struct enlh_features features; /* what is announced and answered */
    char vendor[13];               /* 12 characters; "Microsoft Hv" or Linux looks away */
    uint32_t build, major, minor, service_pack, branch, service_number; /* leaf 2 */
    uint32_t physical_address_bits;  /* leaf 4 ECX; 0: not told */
    uint64_t tsc_hz, apic_hz;        /* the frequency registers */
    uint32_t nested_eax, nested_ebx; /* leaf 0xA, when the nested feature is on */
};

/* Fill in a generation 2 guest with one VP and the preset "portable". Thread: any. */
void enlh_config_defaults(struct enlh_config *config);

/*
 * Create a partition. Copies config and ops; borrows ctx until enlh_partition_destroy().
 * Features that these ops cannot serve are taken out (enlh_partition_config() has the
 * rest): runtime without vp_runtime_100ns, tlbflush without flush_tlb or raise_sint, vapic
 * without apic_reg or forward_reg.
 * Returns 0 and an owned partition in *out, or
 *   -ENL_E_INVAL  a count or a feature that does not exist, a need that is not met, or
 *                 a callback that is missing;
 *   -ENL_E_NOMEM  no memory.
 * Thread: any. Allocates.
 */
ENL_MUST_CHECK int enlh_partition_create(const struct enlh_config *config,
                                         const struct enlh_ops *ops, void *ctx,
                                         struct enlh_partition **out);

/* Give everything back. No thread may be inside. The guest's pages stay as they are. */
void enlh_partition_destroy(struct enlh_partition *partition);

/*
 * A machine reset: every register back to its first value, every overlay page's old
 * contents put back, timers and queued messages dropped. Reset VMBus first.
 * Thread: one, while no VP runs.
 */
void enlh_partition_reset(struct enlh_partition *partition);

/* The configuration as it was completed. Lives as long as the partition. Thread: any. */
const struct enlh_config *enlh_partition_config(const struct enlh_partition *partition);

/* What has been counted. Thread: any; the numbers are momentary. */
struct enlh_counters {
    uint64_t hypercalls;         /* all that reached the core */
    uint64_t hypercalls_refused; /* of these, not HV_STATUS_SUCCESS */
    uint64_t register_faults;    /* accesses answered with #GP */
    uint64_t messages;           /* delivered to a slot */
    uint64_t messages_waited;    /* of these, queued behind a busy slot */
    uint64_t messages_dropped;   /* a queue was full or a SynIC off */
    uint64_t events;             /* event flags that went from 0 to 1 */
    uint64_t interrupts;         /* vectors or SINTs raised */
    uint64_t timers;             /* timer expirations */
};
void enlh_partition_counters(const struct enlh_partition *partition,
                             struct enlh_counters *out);

#ifdef __cplusplus
}
#endif
#endif
