/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/settle.c - has a guest let go of what is to leave
 *
 * Run by the loop. Its only input is a count that the guest drives, so the turns have a bound.
 * Tests: test/unit/vmm_settle.c.
 */
#include "vmm/settle.h"

void
enlm_settle_begin(struct enlm_settle *settle, uint64_t heard)
{
    *settle = (struct enlm_settle){.heard = heard};
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
