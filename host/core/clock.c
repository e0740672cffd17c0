/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clocks: reference counter, reference TSC page, frequencies, the invariant TSC
 * control, reenlightenment, and the time that a VP has run. The embedder tells the time
 * and how it follows from the TSC; the guest reads registers and chooses the page. What
 * the guest stores here is given back to it and otherwise not used. [TLFS 12]
 *
 * Linux sets the TSC page up before it says who it is, so nothing here asks for
 * GUEST_OS_ID.
 * Tests: clock_registers, clock_page.
 */
#include "host/core/clock.h"

#include <string.h>

#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "host/core/ops.h"

int
enlh_clock_init(struct enlh_partition *partition)
{
    enlh_clock_reset(partition);
    return 0;
}

void
enlh_clock_reset(struct enlh_partition *partition)
{
    struct enlh_clock *clock = &partition->clock;

    if (enlh_overlay_value(&clock->tsc_page) != 0)
        (void)enlh_ops_forward(&partition->vps[0], ENL_REG_REFERENCE_TSC, 0);
    enlh_overlay_reset(partition, &clock->tsc_page);
    clock->sequence = 0;
    atomic_store(&clock->reenlightenment, 0);
    atomic_store(&clock->emulation_control, 0);
    atomic_store(&clock->emulation_status, 0);
    atomic_store(&clock->invariant, 0);
}

void
enlh_clock_fini(struct enlh_partition *partition)
{
    enlh_overlay_fini(partition, &partition->clock.tsc_page);
}

/* 0 means "read the register instead", and older guests take all ones for the same. */
static uint32_t
clock_next_sequence(uint32_t sequence)
{
    sequence++;
    return sequence == 0 || sequence == UINT32_MAX ? 1 : sequence;
}

/*
 * Show scale and offset to a guest that may be reading: the sequence is invalid while they
 * change. Release orders them before the new sequence; it pairs with the guest's two reads
 * of the sequence around its read of them.
 */
static void
clock_show(struct enlh_partition *partition, const struct enlh_tsc_page *tsc)
{
    struct enlh_clock *clock = &partition->clock;
    struct enl_reference_tsc_page *page;

    enlh_ops_lock(partition, partition->lock);
    page = enlh_overlay_page(&clock->tsc_page);
    if (page != NULL) {
        __atomic_store_n(&page->sequence, ENL_TSC_SEQUENCE_INVALID, __ATOMIC_SEQ_CST);
        if (tsc != NULL) {
            clock->sequence = clock_next_sequence(clock->sequence);
            __atomic_store_n(&page->scale, tsc->scale, __ATOMIC_RELEASE);
            __atomic_store_n(&page->offset, tsc->offset, __ATOMIC_RELEASE);
            __atomic_store_n(&page->sequence, clock->sequence, __ATOMIC_RELEASE);
        }
    }
    enlh_ops_unlock(partition, partition->lock);
}

static int
clock_set_tsc_page(struct enlh_vp *vp, uint64_t value)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_overlay_write write = {.overlay = &partition->clock.tsc_page,
                                       .reg = ENL_REG_REFERENCE_TSC,
                                       .value = value};
    struct enlh_tsc_page tsc = {0};
    bool stable;
    int err = enlh_overlay_set(vp, &write);

    if (err != 0 || enlh_ops_forwards(partition) ||
        (value & ENL_REFERENCE_TSC_ENABLE) == 0)
        return err;
    stable = partition->ops.tsc_page != NULL &&
             partition->ops.tsc_page(partition->ctx, &tsc) == 0;
    clock_show(partition, stable ? &tsc : NULL);
    return 0;
}

/* Once set it stays: the guest has built on it. [TLFS 12, Seen: Linux 6.12's KVM] */
static int
clock_set_invariant(struct enlh_vp *vp, uint64_t value)
{
    struct enlh_clock *clock = &vp->partition->clock;

    if ((value & ~ENL_TSC_INVARIANT_EXPOSE) != 0)
        return -ENL_E_INVAL;
    value |= atomic_load(&clock->invariant);
    if (enlh_ops_forward(vp, ENL_REG_TSC_INVARIANT_CONTROL, value) != 0)
        return -ENL_E_INVAL;
    atomic_fetch_or(&clock->invariant, value);
    return 0;
}

int
enlh_clock_get_reg(struct enlh_vp *vp, uint32_t reg, uint64_t *value)
{
    struct enlh_partition *partition = vp->partition;
    struct enlh_clock *clock = &partition->clock;

    switch (reg) {
    case ENL_REG_TIME_REF_COUNT:
        *value = enlh_ops_time(partition);
        return 0;
    case ENL_REG_REFERENCE_TSC:
        *value = enlh_overlay_value(&clock->tsc_page);
        return 0;
    case ENL_REG_VP_RUNTIME:
        *value = partition->ops.vp_runtime_100ns(partition->ctx, vp->index);
        return 0;
    case ENL_REG_TSC_FREQUENCY:
        *value = partition->config.tsc_hz;
        return 0;
    case ENL_REG_APIC_FREQUENCY:
        *value = partition->config.apic_hz;
        return 0;
    case ENL_REG_REENLIGHTENMENT_CONTROL:
        *value = atomic_load(&clock->reenlightenment);
        return 0;
    case ENL_REG_TSC_EMULATION_CONTROL:
        *value = atomic_load(&clock->emulation_control);
        return 0;
    case ENL_REG_TSC_EMULATION_STATUS:
        *value = atomic_load(&clock->emulation_status);
        return 0;
    case ENL_REG_TSC_INVARIANT_CONTROL:
        *value = atomic_load(&clock->invariant);
        return 0;
    default:
        return -ENL_E_NOENT;
    }
}

int
enlh_clock_set_reg(struct enlh_vp *vp, uint32_t reg, uint64_t value)
{
    struct enlh_clock *clock = &vp->partition->clock;

    switch (reg) {
    case ENL_REG_REFERENCE_TSC:
        return clock_set_tsc_page(vp, value);
    case ENL_REG_TSC_INVARIANT_CONTROL:
        return clock_set_invariant(vp, value);
    case ENL_REG_REENLIGHTENMENT_CONTROL:
        atomic_store(&clock->reenlightenment, value);
        return 0;
    case ENL_REG_TSC_EMULATION_CONTROL:
        atomic_store(&clock->emulation_control, value);
        return 0;
    case ENL_REG_TSC_EMULATION_STATUS:
        atomic_store(&clock->emulation_status, value);
        return 0;
    default:
        return -ENL_E_NOENT;
    }
}

void
enlh_clock_save(struct enlh_partition *partition, struct enlh_clock_state *out)
{
    const struct enlh_clock *clock = &partition->clock;

    memset(out, 0, sizeof(*out));
    enlh_overlay_save(partition, &clock->tsc_page, &out->tsc_page);
    out->sequence = clock->sequence;
    out->reenlightenment = atomic_load(&clock->reenlightenment);
    out->emulation_control = atomic_load(&clock->emulation_control);
    out->emulation_status = atomic_load(&clock->emulation_status);
    out->invariant = atomic_load(&clock->invariant);
}

/* The page is shown anew: this machine's TSC is not that of the saved one. */
int
enlh_clock_restore(struct enlh_partition *partition, const struct enlh_clock_state *state)
{
    struct enlh_clock *clock = &partition->clock;
    struct enlh_tsc_page tsc = {0};
    bool stable;
    int err = enlh_overlay_restore(partition, &clock->tsc_page, &state->tsc_page);

    if (err != 0)
        return err;
    clock->sequence = state->sequence;
    atomic_store(&clock->reenlightenment, state->reenlightenment);
    atomic_store(&clock->emulation_control, state->emulation_control);
    atomic_store(&clock->emulation_status, state->emulation_status);
    atomic_store(&clock->invariant, state->invariant & ENL_TSC_INVARIANT_EXPOSE);
    if (enlh_ops_forwards(partition) ||
        (state->tsc_page.value & ENL_REFERENCE_TSC_ENABLE) == 0)
        return 0;
    stable = partition->ops.tsc_page != NULL &&
             partition->ops.tsc_page(partition->ctx, &tsc) == 0;
    clock_show(partition, stable ? &tsc : NULL);
    return 0;
}
