/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/kvm/engine.h - joins a partition of the host half to the descriptors of KVM
 *
 * Two engines give the guest the same Hyper-V. With ENLK_KERNEL, KVM answers the synthetic
 * registers, timers and flushes, and the core owns VMBus and what KVM hands up. With
 * ENLK_USER, KVM needs no Hyper-V of its own: a filter sends every synthetic MSR to the
 * core, and hypercalls arrive as port writes.
 *
 * The engine is the ctx of the partition's callbacks. The embedder keeps its machine, its
 * threads and its loop, and gives the engine vm and vcpu descriptors, which it borrows.
 *
 * Order: KVM_CREATE_VM, KVM_CREATE_IRQCHIP, vCPUs in the order of VP indices;
 * enlk_caps_probe(); enlk_engine_create(); enlk_vcpu_add() for each;
 * enlk_engine_complete(); enlh_partition_create() with enlk_engine_ops() and the engine as
 * ctx; enlh_mem_add(); enlk_engine_start(); enlk_vcpu_set_cpuid() for each; then each VP
 * thread repeats enlk_vcpu_enter(), KVM_RUN, enlk_vcpu_leave(), enlk_vcpu_exit().
 */
#ifndef ENLIGHT_KVM_ENGINE_H
#define ENLIGHT_KVM_ENGINE_H

#include <linux/kvm.h>

#include "enlight/host/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

enum enlk_kind {
    ENLK_AUTO, /* a wish only: the kernel engine where KVM has it, else the user engine */
    ENLK_KERNEL,
    ENLK_USER,
};

/* What this KVM can do. */
struct enlk_caps {
    size_t size;
    /* either engine */
    bool irqchip, user_msr, msr_filter, immediate_exit, sync_regs, signal_msi, ioeventfd;
    bool pv_enforce; /* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
    bool tsc_offset; /* the attribute KVM_VCPU_TSC_OFFSET */
    /* the kernel engine */
    bool hv_cpuid, hv_synic2, hv_vp_index, hv_eventfd, hv_enforce_cpuid;
    bool irqfd_resample; /* KVM_CAP_IRQFD_RESAMPLE */
    /* what KVM_GET_SUPPORTED_HV_CPUID says; 0 without it */
    uint64_t hv_privileges;                /* leaf 0x40000003 EAX, EBX */
    uint32_t hv_features_edx;              /* leaf 0x40000003 EDX */
    uint32_t hv_hints, hv_max_leaf;        /* leaf 0x40000004 EAX, leaf 0x40000000 EAX */
    uint32_t hv_nested_eax, hv_nested_ebx; /* leaf 0x4000000A */
    bool invariant_tsc;                    /* the host's own CPUID 0x80000007 says so */
};

/*
 * Ask a KVM. kvm_fd is /dev/kvm; vm_fd a machine of it, or -1. Always fills in *out.
 * Thread: any.
 */
void enlk_caps_probe(int kvm_fd, int vm_fd, struct enlk_caps *out);

/*
 * The name of the first capability that an engine lacks here ("KVM_CAP_X86_MSR_FILTER"),
 * or NULL when it can run. With ENLK_AUTO: NULL when either can. Static storage.
 */
const char *enlk_caps_missing(const struct enlk_caps *caps, enum enlk_kind kind);

/* The engine that a wish comes to: never ENLK_AUTO. */
enum enlk_kind enlk_caps_choose(const struct enlk_caps *caps, enum enlk_kind wish);

/*
 * The features (ENLH_F_BIT) that an engine serves on this host, and those of them that
 * cost more than they save there: to be on only where the user asks for them by name.
 */
uint64_t enlk_caps_features(const struct enlk_caps *caps, enum enlk_kind kind);
uint64_t enlk_caps_costly(const struct enlk_caps *caps, enum enlk_kind kind);

struct enlk_engine;

/* What the embedder does. ctx is the pointer given to enlk_engine_create(). */
struct enlk_callbacks {
    size_t size;
    /*
     * Make the vCPU leave KVM_RUN, or not enter it, so that its thread comes to
     * enlk_vcpu_enter() again. Thread: any, also the VP's own.
     */
    void (*kick)(void *ctx, uint32_t vp);
    /* A reset or a crash. Thread: vp. */
    void (*event)(void *ctx, const struct enlh_event *event);
    /* (optional) One line, without a newline; borrowed. Thread: any. */
    void (*log)(void *ctx, enum enlh_log_level level, const char *text);
};

struct enlk_config {
    size_t size;
    enum enlk_kind kind; /* not ENLK_AUTO */
    int vm_fd;           /* borrowed until destroy; has the full in-kernel irqchip */
    uint32_t vp_count;
    uint16_t trap_port;   /* user engine: two I/O ports that nothing else uses: */
    uint16_t signal_port; /* trap_port is below 0x100, signal_port takes a dword */
    /*
     * Kernel engine: the GSI routing table is replaced by these routes (borrowed until
     * enlk_engine_start(); count 0: PIC and IOAPIC pins as KVM has them), and from
     * first_gsi on one GSI for each SINT of each VP: for all 16, or as many as both 4096
     * GSIs and 4096 routes have room for, three at least.
     */
    const struct kvm_irq_routing_entry *routes;
    uint32_t route_count;
    uint32_t first_gsi;
};

/* Ports 0xE4 and 0xE8, GSIs from 24 on, the user engine. */
void enlk_config_defaults(struct enlk_config *config);

/*
 * Make an engine. Copies config, caps and callbacks. Returns 0 and an owned engine, or
 * -ENL_E_INVAL: a field of config; -ENL_E_NOTSUP: enlk_caps_missing() tells what;
 * -ENL_E_NOMEM; -ENL_E_IO: the kernel refused a descriptor. Thread: one.
 */
ENL_MUST_CHECK int enlk_engine_create(const struct enlk_config *config,
                                      const struct enlk_caps *caps,
                                      const struct enlk_callbacks *callbacks, void *ctx,
                                      struct enlk_engine **out);
/* Destroy the partition first. No thread may be inside. */
void enlk_engine_destroy(struct enlk_engine *engine);

/*
 * Add the vCPU with VP index vp. vcpu_fd and run (its mapped struct kvm_run) are borrowed
 * until destroy. Returns 0, -ENL_E_RANGE, or -ENL_E_IO with errno of the ioctl.
 * Thread: one, before the VPs run.
 */
ENL_MUST_CHECK int enlk_vcpu_add(struct enlk_engine *engine, uint32_t vp, int vcpu_fd,
                                 struct kvm_run *run);

/* Fill in what KVM knows of the partition: frequencies, nested leaf. Thread: one. */
void enlk_engine_complete(const struct enlk_engine *engine, struct enlh_config *config);

/*
 * The partition's callbacks: memory and locks of libc, clocks, timers, interrupts and
 * registers of KVM, and the embedder's own three. Lives as long as the engine.
 */
const struct enlh_ops *enlk_engine_ops(struct enlk_engine *engine);

/*
 * Bind the partition: MSR filter, trap port, GSI routes. Borrows it until destroy.
 * Returns 0, or -ENL_E_IO with errno of the ioctl. Thread: one, before the VPs run.
 */
ENL_MUST_CHECK int enlk_engine_start(struct enlk_engine *engine,
                                     struct enlh_partition *partition);

/*
 * Give the vCPU its CPUID: the base leaves (0x40000000 to 0x4fffffff in them are ignored),
 * with the partition's leaves. Returns 0, -ENL_E_NOSPC: over 256 entries, -ENL_E_IO.
 * Thread: one, before the VP runs.
 */
ENL_MUST_CHECK int enlk_vcpu_set_cpuid(struct enlk_engine *engine, uint32_t vp,
                                       const struct kvm_cpuid2 *base);

/*
 * Right before KVM_RUN: deliver what waits for this VP (enlh_vp_enter() is in it).
 * A kick() from here on must make KVM_RUN return. May set run->immediate_exit, which the
 * embedder clears before this call, never after it. Thread: vp.
 */
void enlk_vcpu_enter(struct enlk_engine *engine, uint32_t vp);
/* Right after KVM_RUN, whatever it returned. Thread: vp. */
void enlk_vcpu_leave(struct enlk_engine *engine, uint32_t vp);

enum enlk_exit {
    ENLK_EXIT_HANDLED,  /* run again */
    ENLK_EXIT_NOT_MINE, /* untouched: for the embedder */
};
/* After a KVM_RUN that returned 0. Thread: vp. */
enum enlk_exit enlk_vcpu_exit(struct enlk_engine *engine, uint32_t vp);

/*
 * A descriptor that becomes readable when enlk_engine_dispatch() has something to do:
 * timers, acknowledged SINTs. Borrowed. Dispatch does not block. Thread: one at a time,
 * usually the loop.
 */
int enlk_engine_fd(const struct enlk_engine *engine);
void enlk_engine_dispatch(struct enlk_engine *engine);

/*
 * Let a SignalEvent to connection_id (flag 0) signal event_fd within the kernel. Remove
 * takes the same pair. Returns 0, -ENL_E_EXIST, -ENL_E_NOSPC, -ENL_E_INVAL, -ENL_E_IO:
 * then the signal reaches the core's port as before. Thread: any; may block for a short
 * while.
 */
ENL_MUST_CHECK int enlk_doorbell_add(struct enlk_engine *engine, uint32_t connection_id,
                                     int event_fd);
void enlk_doorbell_remove(struct enlk_engine *engine, uint32_t connection_id,
                          int event_fd);

/*
 * A machine reset: KVM's own synthetic registers back to their first values, timers off.
 * Before enlh_partition_reset(). Thread: one, while no VP runs.
 */
void enlk_engine_reset(struct enlk_engine *engine);

/*
 * The guest's clocks stand still from freeze to thaw: its TSC, the reference counter, the
 * reference TSC page and the synthetic timers go on where they stood. The TSC does so where
 * KVM has KVM_VCPU_TSC_OFFSET. A second call does nothing. Thread: one, while no VP runs,
 * from before the freeze to after the thaw.
 */
void enlk_engine_freeze(struct enlk_engine *engine);
void enlk_engine_thaw(struct enlk_engine *engine);

struct enlk_counters {
    uint64_t msr_exits, hypercall_exits, signal_exits, synic_exits;
    uint64_t timers;        /* expirations that were dispatched */
    uint64_t tlb_flushes;   /* of VPs, by the user engine */
    uint64_t auto_eoi;      /* interrupts injected past the LAPIC */
    uint64_t auto_eoi_late; /* of these, not possible at the first try */
};
/* Thread: any; the numbers are momentary. */
void enlk_engine_counters(const struct enlk_engine *engine, struct enlk_counters *out);

#ifdef __cplusplus
}
#endif
#endif
