/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hold: answers that wait for more of their kind, so that one interrupt tells of many.
 *
 * Runs: the channel's worker, at the end of each turn. A guest with many requests under way
 * gets its answers in bunches; one that waits for each gets it at once. How many make a
 * bunch is learnt: it doubles while the guest keeps that many under way, and is halved when
 * the guest had no more to send. Time is counted in turns that brought nothing, as there is
 * no clock here; a guest that waits in vain loses a few microseconds, and for some bunches
 * nobody tries more. While the device has requests nothing is held: to look again and again
 * would take the processor from whoever carries them out. Reads no guest memory. [Policy]
 * Tests: test/unit/vmbus_hold.c.
 */
#include "host/vmbus/channel.h"

enum {
    GOAL_MAX = 16, /* half of what guests usually keep under way: they never run dry */
    LOOKS = 100,   /* some 20 us of empty turns */
    CALM = 16,     /* bunches before a bigger one is tried again */
};

static bool
enlh_hold_reached(struct enlh_hold *hold, bool deep)
{
    if (hold->answers < hold->goal)
        return false;
    if (!hold->calm && (deep || hold->goal > 1) && hold->goal < GOAL_MAX)
        hold->goal *= 2;
    return true;
}

bool
enlh_hold_turn(struct enlh_hold *hold, uint32_t news, bool deep)
{
    hold->looks = news ? 0 : hold->looks + 1;
    if (!hold->answers || hold->under_way > 0 || enlh_hold_reached(hold, deep))
        return false;
    if (hold->looks < LOOKS)
        return true;
    hold->goal /= 2;
    hold->calm = CALM;
    return false;
}

void
enlh_hold_shown(struct enlh_hold *hold)
{
    if (!hold->answers)
        return;
    hold->answers = 0;
    hold->looks = 0;
    if (hold->calm)
        hold->calm--;
}
