/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/rig.h - a machine with disks on its bus, and a guest
 */
#ifndef TEST_LOOP_RIG_H
#define TEST_LOOP_RIG_H

#include "enlight/host/storage.h"
#include "test/loop/guest.h"

#define RIG_DISK_BLOCKS 1024u

struct rig_disk {
    struct rig *rig;
    struct loop_disk disk;
    struct model model;
    struct enlh_storage *storage; /* NULL: not offered */
    uint32_t index;
    bool leaving; /* taken back, and not gone yet */
    _Atomic uint64_t destroyed;
};

struct rig {
    /* set before rig_start() */
    struct loop_config config;
    struct guest_config guest_config;
    uint32_t disk_count;
    uint32_t queue_depth; /* requests that the host takes of a disk */

    struct loop loop;
    struct guest *guest;
    uint32_t kexecs;
    bool hostile;       /* messages were shortened */
    struct guest *dead; /* whose memory the host may still write to */
    struct rig_disk disk[GUEST_CLIENTS];
};

/* Two VPs, no disk, the milder faults. */
void rig_init(struct rig *rig, uint64_t seed);
/* Rings of one page, more requests than they hold, a guest that is slow to look. */
void rig_small_rings(struct rig *rig);
void rig_start(struct rig *rig);
/* Offer a disk's controller, or take it back: then done when storage is NULL. */
void rig_disk_offer(struct rig_disk *disk);
void rig_disk_rescind(struct rig_disk *disk);
/* Until whatever is being taken back has gone; then offer what is missing. */
void rig_disks_back(struct rig *rig);
/* Another kernel in the same machine, which knows nothing of the one before. */
void rig_kexec(struct rig *rig);
void rig_reset(struct rig *rig);
/* Until every disk that is offered has been opened and worked on to the end. */
void rig_run_quiet(struct rig *rig);

bool rig_is_unloaded(void *rig);
/* The guest unloads. */
void rig_leave(struct rig *rig);
/* Take the disks away, check that nothing is left, and what the disks hold. */
void rig_end(struct rig *rig);

#endif
