/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/fake_kvm.h - a KVM that remembers what it was told
 *
 * Stands in for the ioctl of the C library: descriptors that it handed out are a machine
 * and its vCPUs, every other goes to the kernel. The engine and the partition above it are
 * real. The test is the guest: it fills in a struct kvm_run and has the engine look at it.
 *
 *   fake_kvm_init(kind, vp_count, features);   // k.engine, k.partition, started
 *   k.vcpu[0].run->exit_reason = ...
 *   fake_kvm_exit(0);
 *   fake_kvm_fini();
 */
#ifndef TEST_UNIT_FAKE_KVM_H
#define TEST_UNIT_FAKE_KVM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "enlight/host/memory.h"
#include "enlight/host/vp.h"
#include "enlight/host/x86_64.h"
#include "enlight/kvm/engine.h"

#define FAKE_VCPUS  4u
#define FAKE_MSRS   64u
#define FAKE_ROUTES 4096u /* KVM_MAX_IRQ_ROUTES */
#define FAKE_ALL    UINT64_MAX
#define FAKE_NONE   (UINT64_C(1) << 63) /* features: an empty set; 0 is the preset */
#define FAKE_MEMORY (UINT64_C(1) << 20)

struct fake_msr {
    uint32_t index;
    uint64_t value;
};

struct fake_vcpu {
    int fd;
    struct kvm_run *run;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_fpu fpu;
    struct kvm_vcpu_events events;
    struct kvm_mp_state mp;
    struct fake_msr msrs[FAKE_MSRS]; /* written, in order */
    uint32_t msr_count, runs, set_regs, set_events, set_sregs;
    uint64_t cr4_seen[8]; /* by KVM_SET_SREGS */
    uint64_t tsc_offset;
    uint32_t caps[8], cap_count;
    struct kvm_cpuid_entry2 cpuid[256];
    uint32_t cpuid_count;
};

struct fake_kvm {
    int vm_fd;
    struct fake_vcpu vcpu[FAKE_VCPUS];
    struct enlk_caps caps;
    struct enlk_engine *engine;
    struct enlh_partition *partition;
    uint8_t *memory;
    /* told to the machine */
    struct kvm_msi msi;
    struct kvm_irq_level line;
    struct kvm_irqfd irqfd[FAKE_VCPUS];
    struct kvm_ioeventfd ioeventfd;
    struct kvm_hyperv_eventfd hv_eventfd;
    struct kvm_irq_routing_entry routes[FAKE_ROUTES];
    struct kvm_msr_filter filter;
    uint32_t msis, lines, irqfds, ioeventfds, hv_eventfds, route_count;
    int doorbell_error; /* errno for the next doorbell */
    /* answers */
    uint64_t clock_ns;
    uint32_t clock_flags;
    uint64_t kvm_absent; /* a capability that is not there; FAKE_ALL: none */
    struct kvm_cpuid_entry2 hv[4];
    uint32_t hv_count;
    /* from the engine */
    _Atomic uint32_t kicks[FAKE_VCPUS];
    uint32_t events;
    enum enlh_event_kind event;
};
extern struct fake_kvm k;

/* All capabilities are there; the vCPUs are in 64-bit kernel mode with interrupts on. */
void fake_kvm_init(enum enlk_kind kind, uint32_t vp_count, uint64_t features);
/* The kernel engine, with so many routes of its embedder's. */
void fake_kvm_init_routes(uint32_t vp_count, uint32_t route_count);
void fake_kvm_fini(void);
/* enlk_vcpu_enter(), a KVM_RUN that ends as run says, enlk_vcpu_leave(), enlk_vcpu_exit(). */
enum enlk_exit fake_kvm_exit(uint32_t vp);
/* An MSR exit. Returns run->msr.error. */
int fake_kvm_wrmsr(uint32_t vp, uint32_t msr, uint64_t value);
int fake_kvm_rdmsr(uint32_t vp, uint32_t msr, uint64_t *value);
/* A port write. */
enum enlk_exit fake_kvm_out(uint32_t vp, uint16_t port, uint8_t size, uint32_t data);
/* The last value written to this MSR of the vCPU by KVM_SET_MSRS; false: none. */
bool fake_kvm_msr(uint32_t vp, uint32_t msr, uint64_t *value);

#endif
