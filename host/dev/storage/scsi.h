/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/dev/storage/scsi.h - a SCSI disk as a pure function: command in, action out
 *
 * Nothing here knows VMBus, guest memory or a backend. The caller copies a CDB out of the
 * guest's packet, asks enlh_scsi_decode() what it means for a unit, and does it.
 * [SPC-4, SBC-3]
 */
#ifndef ENLH_STORAGE_SCSI_H
#define ENLH_STORAGE_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/abi/scsi.h"

#define ENLH_SCSI_CDB_LEN      16u
#define ENLH_SCSI_LUNS         64u
#define ENLH_SCSI_RESPONSE_MAX (8u + 8u * ENLH_SCSI_LUNS) /* REPORT LUNS is the longest */

/* Policy: what one command may ask for, announced in VPD page B0h. */
#define ENLH_SCSI_UNMAP_DESCRIPTORS 32u
#define ENLH_SCSI_UNMAP_LIST_MAX    (8u + 16u * ENLH_SCSI_UNMAP_DESCRIPTORS)
#define ENLH_SCSI_UNMAP_BYTES       (UINT64_C(4) << 30) /* of all descriptors together */
#define ENLH_SCSI_WRITE_SAME_BYTES  (UINT64_C(256) << 20)

/* What a disk is. Fixed when it is attached, but for its size. */
struct enlh_scsi_unit {
    _Atomic uint64_t block_count;
    uint32_t block_len;
    uint32_t max_blocks; /* of one READ or WRITE */
    uint8_t block_shift;
    uint8_t physical_exponent; /* a physical block is block_len << this */
    bool readonly;
    bool discards;
    bool volatile_cache;
    uint8_t naa[8];
    uint8_t serial_len;
    /* ASCII, padded with spaces, without a zero at the end. */
    char vendor[8], product[16], revision[4], serial[32];
};

enum enlh_scsi_verb {
    ENLH_SCSI_ANSWER, /* nothing to do any more: the sense, or response_len bytes */
    ENLH_SCSI_READ,   /* from offset, len bytes, to the guest */
    ENLH_SCSI_WRITE,  /* to offset, len bytes, from the guest */
    ENLH_SCSI_FLUSH,
    ENLH_SCSI_ZERO,  /* [offset, len); data_len bytes of the guest must be zeros */
    ENLH_SCSI_UNMAP, /* what the data_len bytes of the guest list */
};

struct enlh_scsi_action {
    enum enlh_scsi_verb verb;
    uint64_t offset, len; /* bytes on the disk */
    uint32_t data_len;    /* bytes that the guest must supply as parameters */
    uint32_t response_len;
    uint16_t asc; /* ENL_SCSI_ASC_, with key */
    uint8_t key;  /* ENL_SCSI_KEY_; 0: GOOD */
    bool fua;
};

struct enlh_scsi_extent {
    uint64_t offset, len; /* bytes */
};

/*
 * What this command means for the unit. cdb has 16 bytes of which the guest gave cdb_len;
 * response has ENLH_SCSI_RESPONSE_MAX bytes, of which response_len are set on return.
 */
void enlh_scsi_decode(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                      uint8_t cdb_len, struct enlh_scsi_action *action,
                      uint8_t *response);

/*
 * Check an UNMAP parameter list of len bytes. Returns how many extents it has (0 to
 * ENLH_SCSI_UNMAP_DESCRIPTORS); on a bad list 0, and the action is an answer with sense.
 */
uint32_t enlh_scsi_unmap_list(const struct enlh_scsi_unit *unit, const uint8_t *list,
                              uint32_t len, struct enlh_scsi_action *action,
                              struct enlh_scsi_extent *extents);

/* Make the action an answer with this sense. */
void enlh_scsi_refuse(struct enlh_scsi_action *action, uint8_t key, uint16_t asc);
/* Fixed-format sense data. */
void enlh_scsi_sense(uint8_t key, uint16_t asc, uint8_t sense[ENL_SCSI_SENSE_LEN]);

/* REPORT LUNS of a target that has the units of this mask. As enlh_scsi_decode(). */
void enlh_scsi_report_luns(uint64_t lun_mask, const uint8_t *cdb, uint8_t cdb_len,
                           struct enlh_scsi_action *action, uint8_t *response);
/* INQUIRY to a logical unit that is not there; false: not that command, or a VPD page. */
bool enlh_scsi_no_unit(const uint8_t *cdb, struct enlh_scsi_action *action,
                       uint8_t *response);

/* In scsi_inquiry.c and scsi_mode.c; as enlh_scsi_decode(). response is zeroed. */
void enlh_scsi_inquiry(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                       struct enlh_scsi_action *action, uint8_t *response);
void enlh_scsi_mode_sense(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                          struct enlh_scsi_action *action, uint8_t *response);

static inline uint16_t
enlh_scsi_get16(const uint8_t *at)
{
    return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static inline uint32_t
enlh_scsi_get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t
enlh_scsi_get64(const uint8_t *at)
{
    return (uint64_t)enlh_scsi_get32(at) << 32 | enlh_scsi_get32(at + 4);
}

static inline void
enlh_scsi_put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void
enlh_scsi_put32(uint8_t *at, uint32_t value)
{
    enlh_scsi_put16(at, (uint16_t)(value >> 16));
    enlh_scsi_put16(at + 2, (uint16_t)value);
}

static inline void
enlh_scsi_put64(uint8_t *at, uint64_t value)
{
    enlh_scsi_put32(at, (uint32_t)(value >> 32));
    enlh_scsi_put32(at + 4, (uint32_t)value);
}

#endif
