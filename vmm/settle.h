/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/settle.h - has a guest let go of what is to leave
 *
 * Seen: Linux 6.1 waits without end for whatever it asked on a channel that was rescinded:
 * the flush of a disk, the sending of a frame. So does every rescind after that one. So a
 * guest first learns that a device goes - its disks leave, its cable is out - and the
 * device is rescinded when nothing is asked of it any more. A guest does not say that it
 * has let go: it is looked at in turns, and one that never ends asking is not waited for.
 */
#ifndef ENLIGHT_VMM_SETTLE_H
#define ENLIGHT_VMM_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#define ENLM_SETTLE_TURN_MS 500u
#define ENLM_SETTLE_QUIET   4u  /* so many turns without a request */
#define ENLM_SETTLE_TURNS   60u /* and never more than these */

struct enlm_device;

struct enlm_settle_ops {
    /* What the guest has asked of the device in all. */
    uint64_t (*heard)(const struct enlm_device *device);
    /* (optional) There is work that is not done. */
    bool (*is_busy)(const struct enlm_device *device);
    /* Take it away now. Called once, in a turn of the loop. */
    void (*rescind)(struct enlm_device *device);
};

/* A device has one while it is leaving. */
struct enlm_settle {
    const struct enlm_settle_ops *ops;
    struct enlm_device *device;
    uint64_t heard; /* at the last turn */
    uint32_t quiet, turns;
};

/*
 * Begin to wait until the guest has let go of device; ops->rescind follows. Returns false,
 * and nothing follows, where no guest uses it. Borrows ops for good. Thread: loop.
 */
bool enlm_settle_start(struct enlm_settle *settle, struct enlm_device *device,
                       const struct enlm_settle_ops *ops);

/* The rule alone. heard: how much the guest has asked in all. */
void enlm_settle_begin(struct enlm_settle *settle, uint64_t heard);
/* A turn later. is_busy: there is work that is not done. Returns whether to wait no longer. */
bool enlm_settle_turn(struct enlm_settle *settle, uint64_t heard, bool is_busy);

#endif
