/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/interrupt.c - vectors into a VP's local APIC, and past it for AutoEOI
 *
 * Run by the core on any thread; the AutoEOI part on the VP's own thread. An ordinary
 * vector is one MSI. A vector of an AutoEOI SINT must leave no in-service bit behind, so
 * it is injected by KVM_SET_VCPU_EVENTS when the guest could take it; when it could not,
 * the vCPU is kicked again after a back-off of 20 us to 2 ms. A guest can hold an
 * interrupt off as long as it likes; that costs one timer at a time.
 * [TLFS 11.6 AutoEOI] Seen: KVM offers no window exit beside an in-kernel LAPIC.
 * Tests: test/unit/kvm_interrupt.c, test/guest (S08).
 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "kvm/internal.h"

#define MSI_ADDRESS    0xFEE00000u
#define MSI_DEST_SHIFT 12u
#define RFLAGS_IF      (UINT64_C(1) << 9)
#define RETRY_MIN_US   20u
#define RETRY_MAX_US   2000u

int
enlk_interrupt_init(struct enlk_vcpu *vcpu)
{
    vcpu->retry_us = RETRY_MIN_US;
    vcpu->retry_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (vcpu->retry_fd < 0)
        return -ENL_E_IO;
    return enlk_source_add(vcpu->engine, vcpu->retry_fd, ENLK_SOURCE_RETRY, vcpu->index);
}

void
enlk_interrupt_fini(struct enlk_vcpu *vcpu)
{
    if (vcpu->retry_fd >= 0)
        close(vcpu->retry_fd);
}

static void
signal_msi(struct enlk_vcpu *vcpu, uint8_t vector)
{
    struct kvm_msi msi;

    memset(&msi, 0, sizeof(msi));
    msi.address_lo = MSI_ADDRESS | (vcpu->apic_id & 0xFFu) << MSI_DEST_SHIFT;
    msi.address_hi = vcpu->apic_id & ~0xFFu;
    msi.data = vector;
    ioctl(vcpu->engine->config.vm_fd, KVM_SIGNAL_MSI, &msi);
}

void
enlk_interrupt_raise(void *ctx, uint32_t vp, uint8_t vector, bool auto_eoi)
{
    struct enlk_engine *engine = ctx;
    struct enlk_vcpu *vcpu = enlk_vcpu_at(engine, vp);

    if (!vcpu)
        return;
    if (!auto_eoi) {
        signal_msi(vcpu, vector);
        return;
    }
    atomic_fetch_or(&vcpu->auto_eoi[vector / 64], UINT64_C(1) << vector % 64);
    engine->callbacks.kick(engine->ctx, vp);
}

/* The highest vector that waits, or -1. */
static int
highest(struct enlk_vcpu *vcpu)
{
    for (int word = 3; word >= 0; word--) {
        uint64_t bits = atomic_load(&vcpu->auto_eoi[word]);

        if (bits)
            return word * 64 + 63 - __builtin_clzll(bits);
    }
    return -1;
}

static bool
can_take(const struct kvm_vcpu_events *ev, const struct kvm_regs *regs)
{
    return (regs->rflags & RFLAGS_IF) && !ev->interrupt.injected &&
           !ev->interrupt.shadow && !ev->exception.injected && !ev->exception.pending &&
           !ev->nmi.injected;
}

static bool
inject(struct enlk_vcpu *vcpu, int vector)
{
    struct kvm_vcpu_events ev;
    struct kvm_regs regs;
    struct kvm_mp_state state;

    memset(&ev, 0, sizeof(ev));
    if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
        ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &ev) < 0 || !can_take(&ev, &regs))
        return false;
    ev.interrupt.injected = 1;
    ev.interrupt.nr = (uint8_t)vector;
    ev.interrupt.soft = 0;
    ev.flags = 0;
    if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev) < 0)
        return false;
    if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &state) == 0 &&
        state.mp_state == KVM_MP_STATE_HALTED) {
        state.mp_state = KVM_MP_STATE_RUNNABLE;
        ioctl(vcpu->fd, KVM_SET_MP_STATE, &state);
    }
    return true;
}

static void
try_later(struct enlk_vcpu *vcpu)
{
    struct itimerspec spec;

    memset(&spec, 0, sizeof(spec));
    spec.it_value.tv_nsec = (long)vcpu->retry_us * 1000;
    timerfd_settime(vcpu->retry_fd, 0, &spec, NULL);
    if (vcpu->retry_us == RETRY_MIN_US)
        enlk_count(&vcpu->engine->counters.auto_eoi_late);
    if (vcpu->retry_us < RETRY_MAX_US)
        vcpu->retry_us *= 2;
}

void
enlk_interrupt_enter(struct enlk_vcpu *vcpu)
{
    int vector = highest(vcpu);

    if (vector < 0)
        return;
    if (vcpu->unfinished) {
        __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        return;
    }
    if (!inject(vcpu, vector)) {
        try_later(vcpu);
        return;
    }
    atomic_fetch_and(&vcpu->auto_eoi[vector / 64], ~(UINT64_C(1) << vector % 64));
    enlk_count(&vcpu->engine->counters.auto_eoi);
    vcpu->retry_us = RETRY_MIN_US;
    if (highest(vcpu) >= 0)
        try_later(vcpu);
}

/* On the loop: bring the vCPU to enlk_interrupt_enter() again. */
void
enlk_interrupt_retry(struct enlk_vcpu *vcpu)
{
    uint64_t count;

    if (read(vcpu->retry_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
        vcpu->engine->callbacks.kick(vcpu->engine->ctx, vcpu->index);
}

void
enlk_interrupt_reset(struct enlk_vcpu *vcpu)
{
    for (int word = 0; word < 4; word++)
        atomic_store(&vcpu->auto_eoi[word], 0);
    vcpu->retry_us = RETRY_MIN_US;
}
