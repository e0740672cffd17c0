/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any registers with any values, by several VPs, with what a host does in between: posts,
 * event flags, time, resets. The guest and the embedder make it run; nothing they write is
 * trusted.
 *
 * Promises: no register but the page registers changes guest memory, and every page that
 * an overlay covered has its old bytes when the overlay is gone; so after a reset of the
 * machine memory is what the guest itself wrote. A failed write changes no register. What
 * waits for a VP is bounded.
 */
#include <string.h>

#include "enlight/abi/msr.h"
#include "enlight/abi/register.h"
#include "enlight/abi/synic.h"
#include "enlight/host/x86_64.h"
#include "host/core/overlay.h"
#include "host/core/stimer.h"
#include "host/core/synic.h"
#include "rig.h"

#define VPS 3u

/* What memory shall be without the overlays. */
static uint8_t shadow[RIG_RAM_LEN];
static bool shadow_lost; /* a damaged state was restored, which says what lies below */

static const uint32_t regs[] = {
    ENL_REG_CRASH_P0,
    ENL_REG_CRASH_P0 + 3,
    ENL_REG_CRASH_P0 + 4,
    ENL_REG_CRASH_CTL,
    ENL_REG_TSC_FREQUENCY,
    ENL_REG_APIC_FREQUENCY,
    ENL_REG_GUEST_IDLE,
    ENL_REG_VP_RUNTIME,
    ENL_REG_HYPERCALL,
    ENL_REG_GUEST_OS_ID,
    ENL_REG_VP_INDEX,
    ENL_REG_TIME_REF_COUNT,
    ENL_REG_EOI,
    ENL_REG_ICR,
    ENL_REG_TPR,
    ENL_REG_VP_ASSIST_PAGE,
    ENL_REG_REFERENCE_TSC,
    ENL_REG_SINT0,
    ENL_REG_SINT0 + 2,
    ENL_REG_SINT0 + 4,
    ENL_REG_SINT15,
    ENL_REG_SCONTROL,
    ENL_REG_SVERSION,
    ENL_REG_SIEFP,
    ENL_REG_SIMP,
    ENL_REG_EOM,
    ENL_REG_SIRBP,
    ENL_REG_STIMER0_CONFIG,
    ENL_REG_STIMER0_COUNT,
    ENL_REG_STIMER0_CONFIG + 2,
    ENL_REG_STIMER0_COUNT + 2,
    ENL_REG_STIMER0_CONFIG + 6,
    ENL_REG_STIMER3_COUNT,
    ENL_REG_RESET,
    ENL_REG_REENLIGHTENMENT_CONTROL,
    ENL_REG_TSC_EMULATION_CONTROL,
    ENL_REG_TSC_EMULATION_STATUS,
    ENL_REG_TSC_INVARIANT_CONTROL,
    ENL_REG_NPIEP_CONFIG,
    ENL_REG_SYNDBG_CONTROL,
};
#define REG_COUNT (uint32_t)(sizeof(regs) / sizeof(regs[0]))

static uint32_t
pick_reg(struct rig_input *in)
{
    uint32_t i = rig_u8(in);

    return i < 250 ? regs[i % REG_COUNT] : rig_u32(in);
}

/* A value that the register may like, or any. */
static uint64_t
pick_value(struct rig *rig, uint32_t reg)
{
    struct rig_input *in = &rig->in;
    uint8_t kind = rig_u8(in);

    if (kind >= 0xf0)
        return rig_u64(in);
    switch (reg) {
    case ENL_REG_CRASH_CTL:
        return (uint64_t)kind << 56;
    case ENL_REG_CRASH_P0 + 3:
        return rig_gpa(in);
    case ENL_REG_CRASH_P0 + 4:
        return rig_u16(in);
    case ENL_REG_HYPERCALL:
    case ENL_REG_VP_ASSIST_PAGE:
    case ENL_REG_REFERENCE_TSC:
    case ENL_REG_SIEFP:
    case ENL_REG_SIMP:
        return (rig_gpa(in) & ~3ull) | (kind & 3);
    default:
        break;
    }
    if (reg >= ENL_REG_SINT0 && reg <= ENL_REG_SINT15)
        return rig_u8(in) | (uint64_t)(kind & 0x1f) << 16;
    if (reg >= ENL_REG_STIMER0_CONFIG && reg <= ENL_REG_STIMER3_COUNT)
        return reg % 2 == 0 ? rig_u32(in) : rig->now_100ns + rig_u16(in) * (uint64_t)kind;
    return kind;
}

static void
set_reg(struct rig *rig, struct enlh_vp *vp)
{
    uint32_t reg = pick_reg(&rig->in);
    uint64_t value = pick_value(rig, reg), before = 0, after = 0;
    int readable = enlh_vp_get_reg(vp, reg, &before);

    if (enlh_vp_set_reg(vp, reg, value) == 0)
        return;
    RIG_CHECK(enlh_vp_get_reg(vp, reg, &after) == readable);
    RIG_CHECK(before == after);
}

static void
get_reg(struct rig *rig, struct enlh_vp *vp)
{
    uint64_t value;

    (void)enlh_vp_get_reg(vp, pick_reg(&rig->in), &value);
}

static void
use_msr(struct rig *rig, struct enlh_vp *vp)
{
    uint32_t msr = ENLH_X64_MSR_FIRST + rig_u16(&rig->in) % (ENLH_X64_MSR_COUNT + 2);
    uint8_t kind = rig_u8(&rig->in);
    uint64_t value = 0;

    enlh_x64_set_long_mode(vp, (kind & 2) != 0);
    if (kind & 1)
        (void)enlh_x64_msr_read(vp, msr, &value);
    else
        (void)enlh_x64_msr_write(vp, msr, rig_gpa(&rig->in) | (kind >> 4));
}

static void
post(struct rig *rig, struct enlh_vp *vp)
{
    uint8_t payload[256];
    uint32_t sint = rig_below(&rig->in, 18), len = rig_u8(&rig->in), type;
    int result;

    type = rig_below(&rig->in, 4) ? 1 : rig_u32(&rig->in);
    memset(payload, 0xa5, sizeof(payload));
    result = enlh_vp_post_message(vp, sint, type, 7, payload, len);
    if (sint >= 16)
        RIG_CHECK(result == -ENL_E_RANGE);
    else if (len > 240 || type == 0 || type >> 31)
        RIG_CHECK(result == -ENL_E_INVAL);
    else
        RIG_CHECK(result == 0 || result == -ENL_E_AGAIN);
}

/* Under the VP's page no more messages wait than queues and timers can hold. */
static void
enter(struct rig *rig, struct enlh_vp *vp)
{
    uint64_t raised = rig->interrupts;

    enlh_vp_enter(vp);
    RIG_CHECK(rig->interrupts - raised <= 16 * 20);
}

/* The guest writes a word; under an overlay it is gone with it. */
static void
poke(struct rig *rig)
{
    uint64_t gpa = rig_gpa(&rig->in) + (rig_u16(&rig->in) & 0xff8u);
    uint64_t value = rig_u32(&rig->in);

    if (gpa > RIG_RAM_LEN - 8)
        return;
    memcpy(rig->ram + gpa, &value, sizeof(value));
    if (!enlh_overlay_covers(rig->partition, gpa))
        memcpy(shadow + gpa, &value, sizeof(value));
}

/* The guest frees the slots of its page. */
static void
free_slots(struct rig *rig, struct enlh_vp *vp)
{
    struct enl_message_page *page;
    uint64_t value;

    if (enlh_vp_get_reg(vp, ENL_REG_SIMP, &value) != 0 || !(value & 1))
        return;
    page = rig_at(rig, value & ~0xfffull, ENL_PAGE_SIZE);
    for (uint32_t i = 0; i < ENL_MESSAGE_SLOTS; i++)
        page->slot[i].type = ENL_MESSAGE_NONE;
}

static void
below(struct rig *rig, struct enlh_vp *vp)
{
    uint8_t kind = rig_u8(&rig->in);
    uint64_t siefp = rig_gpa(&rig->in) | (kind & 1);
    uint64_t simp = rig_gpa(&rig->in) | (kind >> 1 & 1);

    if (rig->ops.raise_sint != NULL)
        (void)enlh_vp_synic_changed(vp, kind >> 2 & 1, siefp, simp);
    enlh_vp_slot_freed(vp);
    rig->forward_result = kind >= 0xf0 ? -1 : 0;
}

/* What was saved comes back the same; what was damaged since is refused or does no harm. */
static void
save_restore(struct rig *rig, struct enlh_vp *vp)
{
    static struct enlh_synic_state synic, again;
    static struct enlh_stimer_state stimer;
    uint32_t damage = rig_below(&rig->in, 4);
    int result;

    enlh_synic_save(vp, &synic);
    enlh_stimer_save(vp, &stimer);
    enlh_vp_reset(vp);
    for (uint32_t i = 0; i < damage; i++) {
        uint32_t at = rig_u32(&rig->in);
        uint8_t value = rig_u8(&rig->in);

        if (at & 1)
            ((uint8_t *)&stimer)[(at >> 1) % sizeof(stimer)] = value;
        else
            ((uint8_t *)&synic)[(at >> 1) % sizeof(synic)] = value;
    }
    shadow_lost |= damage > 0;
    result = enlh_synic_restore(vp, &synic);
    if (result == 0) {
        enlh_synic_save(vp, &again);
        RIG_CHECK(damage > 0 || memcmp(&synic, &again, sizeof(again)) == 0);
        (void)!enlh_stimer_restore(vp, &stimer);
    } else {
        RIG_CHECK(damage > 0 || result == -ENL_E_NOMEM);
        enlh_vp_reset(vp);
    }
}

static void
step(struct rig *rig)
{
    uint8_t action = rig_u8(&rig->in);
    struct enlh_vp *vp = rig_vp(rig, (action >> 6) % VPS);

    switch (action & 0x1f) {
    default:
        set_reg(rig, vp);
        break;
    case 0:
    case 1:
        get_reg(rig, vp);
        break;
    case 2:
    case 3:
        use_msr(rig, vp);
        break;
    case 4:
    case 5:
    case 6:
        post(rig, vp);
        break;
    case 7:
    case 8:
        (void)enlh_vp_signal_event(vp, rig_below(&rig->in, 17), rig_u16(&rig->in) % 2050);
        break;
    case 9:
    case 10:
    case 11:
        enter(rig, vp);
        break;
    case 12:
    case 13:
        rig_pass(rig, rig_u16(&rig->in) * 16u);
        break;
    case 14:
        rig_pass(rig, rig_u64(&rig->in) >> 2);
        break;
    case 15:
        enlh_vp_timer(vp);
        break;
    case 16:
        enlh_vp_reset(vp);
        break;
    case 17:
        if (action >> 6 == 3)
            enlh_partition_reset(rig->partition);
        break;
    case 18:
        poke(rig);
        break;
    case 19:
        free_slots(rig, vp);
        break;
    case 20:
        below(rig, vp);
        break;
    case 22:
        save_restore(rig, vp);
        break;
    case 21:
        rig->alloc_countdown = (int32_t)rig_below(&rig->in, 4);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rig rig;
    uint8_t kind;

    rig_init(&rig, data, size);
    rig.config.vp_count = VPS;
    kind = rig_u8(&rig.in);
    if (kind & 1)
        rig_use_below(&rig);
    if (kind & 2)
        rig.config.features.set ^= ENLH_F_BIT(rig_below(&rig.in, ENLH_F_COUNT));
    if (enlh_features_check(&rig.config.features, &(enum enlh_feature){0},
                            &(enum enlh_feature){0}) != 0)
        return 0;
    rig_start(&rig);
    memset(rig.ram, 0x5a, RIG_RAM_LEN);
    memset(shadow, 0x5a, RIG_RAM_LEN);
    shadow_lost = false;
    for (uint32_t steps = 0; rig.in.left > 0 && steps < 1000; steps++)
        step(&rig);
    enlh_partition_reset(rig.partition);
    RIG_CHECK(shadow_lost || memcmp(rig.ram, shadow, RIG_RAM_LEN) == 0);
    rig_stop(&rig);
    return 0;
}
