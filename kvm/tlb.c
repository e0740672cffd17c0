/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kvm/tlb.c - flushes of other VPs' translations, for the user engine
 *
 * Run by a VP whose guest made a flush hypercall; the targets come from the core, checked.
 * Each target toggles CR4.PGE on its own thread before it runs guest code again, which
 * makes KVM drop its translations. The caller waits only for targets that are within
 * KVM_RUN, and is not within it itself, so two callers cannot wait for each other.
 * [TLFS 10 HvCallFlushVirtualAddressSpace]
 * Tests: test/unit/kvm_tlb.c counts targets and toggles.
 */
#include <sched.h>
#include <sys/ioctl.h>

#include "kvm/internal.h"

#define CR4_PGE (UINT64_C(1) << 7)

static void
toggle_pge(struct enlk_vcpu *vcpu)
{
    struct kvm_sregs sregs;

    if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return;
    sregs.cr4 ^= CR4_PGE;
    ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
    sregs.cr4 ^= CR4_PGE;
    ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
    enlk_count(&vcpu->engine->counters.tlb_flushes);
}

/*
 * After running was set: either this sees flush_due, or the one who set it sees running
 * and kicks. Both are sequentially consistent for that.
 */
void
enlk_tlb_enter(struct enlk_vcpu *vcpu)
{
    if (!atomic_load(&vcpu->flush_due))
        return;
    toggle_pge(vcpu);
    atomic_store(&vcpu->flush_due, false);
}

static bool
is_target(const uint64_t *mask, uint32_t word_count, uint32_t vp)
{
    return vp / 64 < word_count && (mask[vp / 64] >> vp % 64 & 1);
}

void
enlk_tlb_flush(void *ctx, uint32_t vp, const uint64_t *mask, uint32_t word_count)
{
    struct enlk_engine *engine = ctx;

    for (uint32_t i = 0; i < engine->config.vp_count; i++) {
        struct enlk_vcpu *target = &engine->vcpus[i];

        if (!is_target(mask, word_count, i))
            continue;
        atomic_store(&target->flush_due, true);
        if (i != vp && atomic_load(&target->running))
            engine->callbacks.kick(engine->ctx, i);
    }
    for (uint32_t i = 0; i < engine->config.vp_count; i++) {
        struct enlk_vcpu *target = &engine->vcpus[i];

        if (i == vp || !is_target(mask, word_count, i))
            continue;
        while (atomic_load(&target->flush_due) && atomic_load(&target->running))
            sched_yield();
    }
}
