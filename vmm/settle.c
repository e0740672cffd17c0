/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/settle.c - has a guest let go of what is to leave
 *
 * Run by the loop. Its only input is a count that the guest drives, so the turns have a bound.
 * Tests: test/unit/vmm_settle.c, vmm_hotplug.c.
 */
#include "vmm/settle.h"

#include "vmm/internal.h"

/* ---- the rule ---- */

void
enlm_settle_begin(struct enlm_settle *settle, uint64_t heard)
{
    settle->heard = heard;
    settle->quiet = settle->turns = 0;
}

bool
enlm_settle_turn(struct enlm_settle *settle, uint64_t heard, bool is_busy)
{
    bool is_quiet = heard == settle->heard && !is_busy;

    settle->heard = heard;
    settle->quiet = is_quiet ? settle->quiet + 1 : 0;
    settle->turns++;
    return settle->quiet >= ENLM_SETTLE_QUIET || settle->turns >= ENLM_SETTLE_TURNS;
}

/* ---- a device that leaves ---- */

static bool
is_used(const struct enlm_settle *settle)
{
    return enlh_vmbus_version(settle->device->machine->bus) &&
           settle->ops->heard(settle->device);
}

/* A guest that is stopped lets go of nothing. */
static bool
is_over(struct enlm_settle *settle)
{
    struct enlm_device *device = settle->device;
    const struct enlm_settle_ops *ops = settle->ops;

    if (!is_used(settle))
        return true;
    return !device->machine->stopped &&
           enlm_settle_turn(settle, ops->heard(device),
                            ops->is_busy && ops->is_busy(device));
}

static void
turn(void *ctx)
{
    struct enlm_settle *settle = ctx;

    if (!is_over(settle))
        return;
    enlm_loop_cancel(&settle->device->machine->loop, turn, settle);
    settle->ops->rescind(settle->device);
}

bool
enlm_settle_start(struct enlm_settle *settle, struct enlm_device *device,
                  const struct enlm_settle_ops *ops)
{
    settle->device = device;
    settle->ops = ops;
    if (!is_used(settle) ||
        enlm_loop_every(&device->machine->loop, ENLM_SETTLE_TURN_MS, turn, settle))
        return false;
    enlm_settle_begin(settle, ops->heard(device));
    return true;
}
