/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/internal.h - what the rooms of the KVM glue share
 *
 * One struct enlk_engine for each machine, one struct enlk_vcpu for each VP. A vCPU's
 * plain fields belong to its own thread; those marked _Atomic are for any.
 */
#ifndef ENLIGHT_KVM_INTERNAL_H
#define ENLIGHT_KVM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "enlight/host/vp.h"
#include "enlight/host/x86_64.h"
#include "enlight/kvm/engine.h"

/* Code 0x5D with the fast bit: HvCallSignalEvent with its input in registers. */
#define ENLK_SIGNAL_EVENT_FAST UINT64_C(0x1005D)

/* How time follows from the guest's TSC: 100 ns units, 64 fractional bits. */
struct enlk_clock {
    _Atomic uint64_t start_ns; /* CLOCK_MONOTONIC when the counter was 0 */
    uint64_t tsc_khz;
    _Atomic uint64_t tsc_delta; /* guest TSC - host TSC */
    uint64_t scale;
    int64_t offset;
    _Atomic bool from_tsc; /* set once, after the fields above */
    pthread_mutex_t lock;  /* of the one change of from_tsc */

    /* while the clocks stand still: what they say, and where the host's stood */
    _Atomic bool is_frozen;
    uint64_t frozen_time, frozen_tsc, frozen_ns, frozen_kvm;
};

struct enlk_vcpu {
    int fd;
    uint32_t index;
    struct kvm_run *run;
    struct enlk_engine *engine;
    struct enlh_vp *vp;
    uint32_t apic_id;
    bool unfinished; /* user space has answered an access; the next KVM_RUN finishes it */

    /* timer: the descriptor, and the deadline that it is armed for */
    int timer_fd;
    pthread_mutex_t timer_lock;
    uint64_t deadline;

    /* acknowledgements of SINT 2 (kernel engine) */
    int sint_fd, ack_fd;
    _Atomic bool ack_armed;

    /* AutoEOI: vectors that wait for a way past the LAPIC, and the next try */
    _Atomic uint64_t auto_eoi[4];
    int retry_fd;
    uint32_t retry_us;

    /* TLB: a flush is due; the vCPU may be within KVM_RUN */
    _Atomic bool flush_due;
    _Atomic bool running;
};

struct enlk_engine {
    struct enlk_config config;
    struct enlk_caps caps;
    struct enlk_callbacks callbacks;
    void *ctx;
    struct enlh_ops ops;
    struct enlh_partition *partition;
    struct enlk_clock clock;
    int epoll_fd;
    struct enlk_vcpu *vcpus;
    bool xmm; /* the partition announces XMM fast input */
    struct {
        _Atomic uint64_t msr_exits, hypercall_exits, signal_exits, synic_exits;
        _Atomic uint64_t timers, tlb_flushes, auto_eoi, auto_eoi_late;
    } counters;
};

/* What an epoll event is about: the kind in the low 8 bits of its data. */
enum enlk_source { ENLK_SOURCE_TIMER, ENLK_SOURCE_ACK, ENLK_SOURCE_RETRY };

static inline void
enlk_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline struct enlk_vcpu *
enlk_vcpu_at(struct enlk_engine *engine, uint32_t vp)
{
    return vp < engine->config.vp_count ? &engine->vcpus[vp] : NULL;
}

void enlk_log(struct enlk_engine *engine, enum enlh_log_level level, const char *text);
int enlk_source_add(struct enlk_engine *engine, int fd, enum enlk_source source,
                    uint32_t vp);

/* clock.c */
int enlk_clock_init(struct enlk_clock *clock);
void enlk_clock_fini(struct enlk_clock *clock);
int enlk_clock_join(struct enlk_engine *engine, struct enlk_vcpu *vcpu);
uint64_t enlk_clock_now(const struct enlk_engine *engine);
void enlk_clock_freeze(struct enlk_engine *engine);
void enlk_clock_thaw(struct enlk_engine *engine);
uint64_t enlk_clock_time(void *ctx);
int enlk_clock_page(void *ctx, struct enlh_tsc_page *page);
uint64_t enlk_clock_runtime(void *ctx, uint32_t vp);
uint64_t enlk_clock_scale(uint64_t tsc_khz);

/* timer.c */
int enlk_timer_init(struct enlk_vcpu *vcpu);
void enlk_timer_fini(struct enlk_vcpu *vcpu);
void enlk_timer_arm(void *ctx, uint32_t vp, uint64_t deadline_100ns);
void enlk_timer_expired(struct enlk_vcpu *vcpu);
/* Program the descriptor for its deadline again: time has stopped, or goes on. */
void enlk_timer_again(struct enlk_vcpu *vcpu);

/* interrupt.c */
int enlk_interrupt_init(struct enlk_vcpu *vcpu);
void enlk_interrupt_fini(struct enlk_vcpu *vcpu);
void enlk_interrupt_raise(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi);
void enlk_interrupt_enter(struct enlk_vcpu *vcpu);
void enlk_interrupt_retry(struct enlk_vcpu *vcpu);
void enlk_interrupt_reset(struct enlk_vcpu *vcpu);

/* tlb.c */
void enlk_tlb_flush(void *ctx, uint32_t vp, const uint64_t *mask, uint32_t word_count);
void enlk_tlb_enter(struct enlk_vcpu *vcpu);

/* sint.c: the kernel engine's SINTs */
/* As many SINTs of each VP as there are GSIs and routes for; 0: none. */
uint32_t enlk_sint_per_vp(const struct enlk_config *config);
int enlk_sint_start(struct enlk_engine *engine);
void enlk_sint_fini(struct enlk_vcpu *vcpu);
void enlk_sint_raise(void *ctx, uint32_t vp, uint32_t sint);
void enlk_sint_enter(struct enlk_vcpu *vcpu);
void enlk_sint_acked(struct enlk_vcpu *vcpu);

/* msr.c */
int enlk_msr_filter(struct enlk_engine *engine);
int enlk_msr_set(struct enlk_vcpu *vcpu, uint32_t msr, uint64_t value);
int enlk_msr_forward(void *ctx, uint32_t vp, uint32_t reg, uint64_t value);
void enlk_msr_reset(struct enlk_engine *engine);
enum enlk_exit enlk_msr_exit(struct enlk_vcpu *vcpu);

/* hypercall.c */
enum enlk_exit enlk_hypercall_port(struct enlk_vcpu *vcpu);
enum enlk_exit enlk_hypercall_kernel(struct enlk_vcpu *vcpu);
bool enlk_hypercall_long_mode(const struct kvm_sregs *sregs);

#endif
