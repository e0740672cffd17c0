/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/timesync.h - the time synchronization service's message bodies
 *
 * Data only. Host to guest; the guest returns the message. Wall clock times are UTC in
 * 100 ns since the year 1601. A body starts 4-byte aligned, so its times may not be aligned.
 */
#ifndef ENLIGHT_ABI_TIMESYNC_H
#define ENLIGHT_ABI_TIMESYNC_H

#include "enlight/abi/base.h"

/* Message versions: initialisers of struct enl_ic_version (ic.h). */
#define ENL_TIMESYNC_VERSION_1_0                                                         \
    {                                                                                    \
        1, 0                                                                             \
    }
#define ENL_TIMESYNC_VERSION_3_0                                                         \
    {                                                                                    \
        3, 0                                                                             \
    }
#define ENL_TIMESYNC_VERSION_4_0                                                         \
    {                                                                                    \
        4, 0                                                                             \
    }

/* From 1601 to 1970, in 100 ns. */
#define ENL_TIMESYNC_UNIX_EPOCH UINT64_C(116444736000000000)

/* flags: SYNC sets the clock at once, SAMPLE only disciplines it. */
#define ENL_TIMESYNC_FLAG_PROBE  0x0u
#define ENL_TIMESYNC_FLAG_SYNC   0x1u
#define ENL_TIMESYNC_FLAG_SAMPLE 0x2u

/* Versions 1.0 and 3.0. A guest asks for 25 bytes at least. */
struct enl_timesync {
    uint64_t parent_time;
    uint64_t child_time;
    uint64_t round_trip_time;
    uint8_t flags; /* ENL_TIMESYNC_FLAG_ */
    uint8_t reserved[3];
} __attribute__((packed));
ENL_ABI_SIZE(struct enl_timesync, 28);
ENL_ABI_AT(struct enl_timesync, flags, 24);
#define ENL_TIMESYNC_LEN_MIN 25u

/* From 4.0. A guest asks for 22 bytes at least. */
struct enl_timesync_4_0 {
    uint64_t parent_time;
    uint64_t reference_time; /* TIME_REF_COUNT at the moment of parent_time */
    uint8_t flags;           /* ENL_TIMESYNC_FLAG_ */
    uint8_t leap_indicator;
    uint8_t stratum;
    uint8_t reserved[5];
};
ENL_ABI_SIZE(struct enl_timesync_4_0, 24);
ENL_ABI_AT(struct enl_timesync_4_0, flags, 16);
#define ENL_TIMESYNC_4_0_LEN_MIN 22u

#endif
