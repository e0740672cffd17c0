/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/vss.h - the volume snapshot service's message bodies
 *
 * Data only. Before the host copies a running guest's disks it asks whether the guest can
 * be still (CHECK), has it write out and hold back what its file systems hold (FREEZE), and
 * lets it go on (THAW). Host to guest; the guest returns the message when it is done.
 */
#ifndef ENLIGHT_ABI_VSS_H
#define ENLIGHT_ABI_VSS_H

#include "enlight/abi/base.h"

/* Message version: an initialiser of struct enl_ic_version (ic.h). */
#define ENL_VSS_VERSION_5_0                                                              \
    {                                                                                    \
        5, 0                                                                             \
    }

/* operation */
#define ENL_VSS_CREATE       0u
#define ENL_VSS_DELETE       1u
#define ENL_VSS_CHECK        2u /* struct enl_vss_flags; out: ENL_VSS_NO_AUTO_RECOVERY */
#define ENL_VSS_DM_INFO      3u
#define ENL_VSS_COMPLETE     4u
#define ENL_VSS_FREEZE       5u /* struct enl_vss_freeze */
#define ENL_VSS_THAW         6u /* struct enl_vss_flags */
#define ENL_VSS_AUTO_RECOVER 7u

/* flags of CHECK's answer: the copy needs nothing done to it in a guest. */
#define ENL_VSS_NO_AUTO_RECOVERY 0x5u

struct enl_vss_flags {
    uint8_t operation; /* ENL_VSS_ */
    uint8_t reserved[7];
    uint32_t flags;
    uint8_t unused[20];
};
ENL_ABI_SIZE(struct enl_vss_flags, 32);
ENL_ABI_AT(struct enl_vss_flags, flags, 8);

#define ENL_VSS_DISKS 260u

/* Where a disk that is to be copied is plugged in. */
struct enl_vss_disk {
    uint8_t bus_type;
    uint8_t reserved[3];
    struct enl_guid controller;
    uint8_t port;
    uint8_t target;
    uint8_t lun;
    uint8_t reserved2;
};
ENL_ABI_SIZE(struct enl_vss_disk, 24);
ENL_ABI_AT(struct enl_vss_disk, controller, 4);
ENL_ABI_AT(struct enl_vss_disk, port, 20);

struct enl_vss_freeze {
    uint8_t operation; /* ENL_VSS_FREEZE */
    uint8_t reserved[7];
    uint32_t backup_type;
    uint32_t flags;
    uint32_t disk_count; /* 0: whatever the guest has mounted */
    struct enl_vss_disk disks[ENL_VSS_DISKS];
};
ENL_ABI_SIZE(struct enl_vss_freeze, 6260);
ENL_ABI_AT(struct enl_vss_freeze, disk_count, 16);
ENL_ABI_AT(struct enl_vss_freeze, disks, 20);

#endif
