/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hold: answers that wait for more of their kind, so that one interrupt tells of many.
 *
 * Runs: the channel's worker, at the end of each turn. A guest with many requests under way
 * gets its answers in bunches; one that waits for each gets it at once. How many make a
 * bunch is learnt: it doubles while the guest keeps that many under way, and is halved when
 * the guest had no more to send. Time is counted in turns that brought nothing, as there is
 * no clock here: a guest that waits in vain loses a tenth of a millisecond or two, and for
 * some bunches nobody tries more. While the device has requests a bunch waits much
 * shorter, and all its waiting counts, so that a slow device delays nobody: only one that
 * is done within a few turns fills it. Whoever works for it gets the processor between two
 * turns (ENLH_RUN_MORE). Reads no guest memory. [Policy]
 * Tests: test/unit/vmbus_hold.c.
 */
#include "host/vmbus/channel.h"

enum {
    GOAL_MAX = 16, /* half of what guests usually keep under way: they never run dry */
    LOOKS = 400,   /* turns: more than a guest takes from one request to the next */
    AT_WORK = 6,   /* what a turn counts that waits for the device */
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
    if (hold->under_way > 0)
        hold->looks += news ? 0 : AT_WORK;
    else
        hold->looks = news ? 0 : hold->looks + 1;
    if (!hold->answers || enlh_hold_reached(hold, deep))
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
    hold->looks = 0;
    if (!hold->answers)
        return;
    hold->answers = 0;
    if (hold->calm)
        hold->calm--;
}
