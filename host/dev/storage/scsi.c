/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A SCSI disk as a pure function: the table of commands, and those that move or erase
 * blocks.
 *
 * Runs: the guest, with any 16 bytes as a CDB, on a channel's thread. Everything it reads
 * is a private copy; it trusts the unit's description and nothing else. It allocates and
 * waits for nothing. INQUIRY and MODE SENSE have files of their own.
 * [SBC-3 5, SPC-4 6]
 * Tests: test/unit/storage_scsi.c.
 */
#include "host/dev/storage/scsi.h"

#include <string.h>

#include "common/checked.h"

typedef void (*scsi_fn)(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                        struct enlh_scsi_action *action, uint8_t *response);

#define SCSI_RESPONDS 0x1u /* wants a zeroed response */
#define SCSI_WRITES   0x2u /* refused by a write-protected unit */

struct scsi_command {
    scsi_fn fn;
    uint8_t cdb_len;
    uint8_t flags;
};

void
enlh_scsi_refuse(struct enlh_scsi_action *action, uint8_t key, uint16_t asc)
{
    *action = (struct enlh_scsi_action){
        .verb = ENLH_SCSI_ANSWER,
        .key = key,
        .asc = asc,
    };
}

static void
scsi_invalid_field(struct enlh_scsi_action *action)
{
    enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                     ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
}

void
enlh_scsi_sense(uint8_t key, uint16_t asc, uint8_t sense[ENL_SCSI_SENSE_LEN])
{
    memset(sense, 0, ENL_SCSI_SENSE_LEN);
    sense[0] = ENL_SCSI_SENSE_FIXED;
    sense[2] = key;
    sense[7] = ENL_SCSI_SENSE_ADDITIONAL;
    sense[12] = (uint8_t)(asc >> 8);
    sense[13] = (uint8_t)asc;
}

/* The block address and count, which sit alike in all commands of one length. */
static void
scsi_blocks(const uint8_t *cdb, uint64_t *lba, uint32_t *count)
{
    switch (cdb[0] >> 5) {
    case 0:
        *lba = (uint32_t)(cdb[1] & 0x1fu) << 16 | enlh_scsi_get16(cdb + 2);
        *count = cdb[4] ? cdb[4] : 256u;
        break;
    case 4:
        *lba = enlh_scsi_get64(cdb + 2);
        *count = enlh_scsi_get32(cdb + 10);
        break;
    case 5:
        *lba = enlh_scsi_get32(cdb + 2);
        *count = enlh_scsi_get32(cdb + 6);
        break;
    default:
        *lba = enlh_scsi_get32(cdb + 2);
        *count = enlh_scsi_get16(cdb + 7);
        break;
    }
}

/* Put the range into the action; false: beyond the medium, and refused. */
static bool
scsi_range(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
           struct enlh_scsi_action *action, uint32_t *count)
{
    uint64_t lba;

    scsi_blocks(cdb, &lba, count);
    if (!enl_within(lba, *count, unit->block_count)) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
        return false;
    }
    action->offset = lba << unit->block_shift;
    action->len = (uint64_t)*count << unit->block_shift;
    return true;
}

static void
scsi_read_write(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                struct enlh_scsi_action *action, enum enlh_scsi_verb verb)
{
    bool six = cdb[0] >> 5 == 0;
    uint32_t count;

    if (!six && (cdb[1] & ENL_SCSI_RW_PROTECT)) {
        scsi_invalid_field(action);
        return;
    }
    if (!scsi_range(unit, cdb, action, &count))
        return;
    if (count > unit->max_blocks) {
        scsi_invalid_field(action);
        return;
    }
    action->fua = !six && (cdb[1] & ENL_SCSI_RW_FUA);
    if (count)
        action->verb = verb;
}

static void
scsi_read(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
          struct enlh_scsi_action *action, uint8_t *response)
{
    (void)response;
    scsi_read_write(unit, cdb, action, ENLH_SCSI_READ);
}

static void
scsi_write(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
           struct enlh_scsi_action *action, uint8_t *response)
{
    (void)response;
    scsi_read_write(unit, cdb, action, ENLH_SCSI_WRITE);
}

/* A count of 0 means up to the end. The whole cache is flushed either way. */
static void
scsi_synchronize(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                 struct enlh_scsi_action *action, uint8_t *response)
{
    uint32_t count;

    (void)response;
    if (scsi_range(unit, cdb, action, &count))
        action->verb = ENLH_SCSI_FLUSH;
}

/*
 * Without a comparison. What is cached must be on the medium before it can be verified
 * [SBC-3 5.24]; the medium itself is the host's to check.
 */
static void
scsi_verify(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
            struct enlh_scsi_action *action, uint8_t *response)
{
    const uint8_t compare = 0x06;
    uint32_t count;

    (void)response;
    if (cdb[1] & (compare | ENL_SCSI_RW_PROTECT)) {
        scsi_invalid_field(action);
        return;
    }
    if (scsi_range(unit, cdb, action, &count) && count)
        action->verb = ENLH_SCSI_FLUSH;
}

/*
 * Policy: only zeros may be repeated. With UNMAP it is the same operation: what is freed
 * has to read as the zeros that were given.
 */
static void
scsi_write_same(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                struct enlh_scsi_action *action, uint8_t *response)
{
    uint8_t legal = ENL_SCSI_WS_UNMAP;
    uint32_t count;

    (void)response;
    if (cdb[0] == ENL_SCSI_WRITE_SAME_16)
        legal |= ENL_SCSI_WS_NDOB;
    if ((cdb[1] & ~legal) || ((cdb[1] & ENL_SCSI_WS_UNMAP) && !unit->discards)) {
        scsi_invalid_field(action);
        return;
    }
    if (!scsi_range(unit, cdb, action, &count))
        return;
    if (!count || action->len > ENLH_SCSI_WRITE_SAME_BYTES) {
        scsi_invalid_field(action);
        return;
    }
    action->verb = ENLH_SCSI_ZERO;
    action->data_len = cdb[1] & ENL_SCSI_WS_NDOB ? 0 : unit->block_len;
}

static void
scsi_unmap(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
           struct enlh_scsi_action *action, uint8_t *response)
{
    const uint8_t anchor = 0x01;
    uint32_t len = enlh_scsi_get16(cdb + 7);

    (void)response;
    if (!unit->discards) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_INVALID_OPCODE);
    } else if (cdb[1] & anchor) {
        scsi_invalid_field(action);
    } else if (len && (len < 8 || len > ENLH_SCSI_UNMAP_LIST_MAX)) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_PARAMETER_LIST_LENGTH);
    } else if (len) {
        action->verb = ENLH_SCSI_UNMAP;
        action->data_len = len;
    }
}

/* One descriptor; false: not legal for this unit, and the action says why. */
static bool
scsi_unmap_extent(const struct enlh_scsi_unit *unit, const uint8_t *descriptor,
                  struct enlh_scsi_action *action, struct enlh_scsi_extent *extent)
{
    uint64_t lba = enlh_scsi_get64(descriptor);
    uint32_t count = enlh_scsi_get32(descriptor + 8);

    if (!enl_within(lba, count, unit->block_count)) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_LBA_OUT_OF_RANGE);
        return false;
    }
    extent->offset = lba << unit->block_shift;
    extent->len = (uint64_t)count << unit->block_shift;
    return true;
}

/* A list that is shorter than its descriptors say is legal: only whole ones count. */
uint32_t
enlh_scsi_unmap_list(const struct enlh_scsi_unit *unit, const uint8_t *list, uint32_t len,
                     struct enlh_scsi_action *action, struct enlh_scsi_extent *extents)
{
    uint32_t descriptors, count = 0;
    uint64_t total = 0;

    if (len < 8 || len > ENLH_SCSI_UNMAP_LIST_MAX) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_PARAMETER_LIST_LENGTH);
        return 0;
    }
    descriptors = enlh_scsi_get16(list + 2);
    if (descriptors > len - 8)
        descriptors = len - 8;
    descriptors /= 16;

    for (uint32_t i = 0; i < descriptors; i++) {
        struct enlh_scsi_extent *extent = &extents[count];

        if (!scsi_unmap_extent(unit, list + 8 + 16 * i, action, extent))
            return 0;
        total += extent->len;
        if (total > ENLH_SCSI_UNMAP_BYTES) {
            enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                             ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);
            return 0;
        }
        if (extent->len)
            count++;
    }
    return count;
}

static void
scsi_good(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
          struct enlh_scsi_action *action, uint8_t *response)
{
    (void)unit;
    (void)cdb;
    (void)action;
    (void)response;
}

/* Stopping writes the cache back; the medium cannot be ejected. */
static void
scsi_start_stop(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                struct enlh_scsi_action *action, uint8_t *response)
{
    const uint8_t power_condition = 0xf0;

    (void)unit;
    (void)response;
    if (cdb[4] & (power_condition | ENL_SCSI_START_LOEJ))
        scsi_invalid_field(action);
    else if (!(cdb[4] & ENL_SCSI_START_START))
        action->verb = ENLH_SCSI_FLUSH;
}

/* No parameter can be changed or saved; an empty list changes nothing. [SPC-4 6.11] */
static void
scsi_mode_select(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                 struct enlh_scsi_action *action, uint8_t *response)
{
    const uint8_t save = 0x01;
    uint32_t len = cdb[0] == ENL_SCSI_MODE_SELECT_6 ? cdb[4] : enlh_scsi_get16(cdb + 7);

    (void)unit;
    (void)response;
    if (cdb[1] & save)
        scsi_invalid_field(action);
    else if (len)
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_INVALID_FIELD_IN_LIST);
}

static uint32_t
scsi_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* All sense travels with the command that caused it, so there is never any left. */
static void
scsi_request_sense(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                   struct enlh_scsi_action *action, uint8_t *response)
{
    const uint8_t descriptor = 0x01;

    (void)unit;
    if (cdb[1] & descriptor) {
        response[0] = 0x72;
        action->response_len = scsi_min(8, cdb[4]);
        return;
    }
    enlh_scsi_sense(ENL_SCSI_KEY_NO_SENSE, ENL_SCSI_ASC_NONE, response);
    action->response_len = scsi_min(ENL_SCSI_SENSE_LEN, cdb[4]);
}

static void
scsi_capacity_10(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                 struct enlh_scsi_action *action, uint8_t *response)
{
    uint64_t last = unit->block_count - 1;

    (void)cdb;
    enlh_scsi_put32(response, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
    enlh_scsi_put32(response + 4, unit->block_len);
    action->response_len = 8;
}

static void
scsi_service_in(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                struct enlh_scsi_action *action, uint8_t *response)
{
    if ((cdb[1] & ENL_SCSI_SA_MASK) != ENL_SCSI_SA_READ_CAPACITY_16) {
        scsi_invalid_field(action);
        return;
    }
    enlh_scsi_put64(response, unit->block_count - 1);
    enlh_scsi_put32(response + 8, unit->block_len);
    response[13] = unit->physical_exponent;
    response[14] = unit->discards ? ENL_SCSI_RC16_LBPME : 0;
    action->response_len = scsi_min(32, enlh_scsi_get32(cdb + 10));
}

void
enlh_scsi_report_luns(uint64_t lun_mask, const uint8_t *cdb, uint8_t cdb_len,
                      struct enlh_scsi_action *action, uint8_t *response)
{
    uint32_t len = 8;

    *action = (struct enlh_scsi_action){.verb = ENLH_SCSI_ANSWER};
    if (cdb_len < 12 || cdb[2] > 2) {
        scsi_invalid_field(action);
        return;
    }
    memset(response, 0, ENLH_SCSI_RESPONSE_MAX);
    /* 1 asks for the well-known units only, and there are none. */
    for (uint32_t lun = 0; lun < ENLH_SCSI_LUNS && cdb[2] != 1; lun++) {
        if (!(lun_mask >> lun & 1))
            continue;
        response[len + 1] = (uint8_t)lun;
        len += 8;
    }
    enlh_scsi_put32(response, len - 8);
    action->response_len = scsi_min(len, enlh_scsi_get32(cdb + 6));
}

bool
enlh_scsi_no_unit(const uint8_t *cdb, struct enlh_scsi_action *action, uint8_t *response)
{
    if (cdb[0] != ENL_SCSI_INQUIRY || (cdb[1] & ENL_SCSI_INQUIRY_EVPD) || cdb[2])
        return false;
    *action = (struct enlh_scsi_action){.verb = ENLH_SCSI_ANSWER};
    memset(response, 0, ENLH_SCSI_RESPONSE_MAX);
    response[0] = ENL_SCSI_NO_LUN;
    response[2] = 0x06;
    response[3] = 0x02;
    response[4] = 31;
    action->response_len = scsi_min(36, enlh_scsi_get16(cdb + 3));
    return true;
}

static const struct scsi_command scsi_commands[256] = {
    [ENL_SCSI_TEST_UNIT_READY] = {scsi_good, 6, 0},
    [ENL_SCSI_REQUEST_SENSE] = {scsi_request_sense, 6, SCSI_RESPONDS},
    [ENL_SCSI_READ_6] = {scsi_read, 6, 0},
    [ENL_SCSI_WRITE_6] = {scsi_write, 6, SCSI_WRITES},
    [ENL_SCSI_INQUIRY] = {enlh_scsi_inquiry, 6, SCSI_RESPONDS},
    [ENL_SCSI_MODE_SELECT_6] = {scsi_mode_select, 6, 0},
    [ENL_SCSI_MODE_SENSE_6] = {enlh_scsi_mode_sense, 6, SCSI_RESPONDS},
    [ENL_SCSI_START_STOP_UNIT] = {scsi_start_stop, 6, 0},
    [ENL_SCSI_PREVENT_ALLOW] = {scsi_good, 6, 0},
    [ENL_SCSI_READ_CAPACITY_10] = {scsi_capacity_10, 10, SCSI_RESPONDS},
    [ENL_SCSI_READ_10] = {scsi_read, 10, 0},
    [ENL_SCSI_WRITE_10] = {scsi_write, 10, SCSI_WRITES},
    [ENL_SCSI_VERIFY_10] = {scsi_verify, 10, 0},
    [ENL_SCSI_SYNCHRONIZE_CACHE_10] = {scsi_synchronize, 10, 0},
    [ENL_SCSI_WRITE_SAME_10] = {scsi_write_same, 10, SCSI_WRITES},
    [ENL_SCSI_UNMAP] = {scsi_unmap, 10, SCSI_WRITES},
    [ENL_SCSI_MODE_SELECT_10] = {scsi_mode_select, 10, 0},
    [ENL_SCSI_MODE_SENSE_10] = {enlh_scsi_mode_sense, 10, SCSI_RESPONDS},
    [ENL_SCSI_READ_16] = {scsi_read, 16, 0},
    [ENL_SCSI_WRITE_16] = {scsi_write, 16, SCSI_WRITES},
    [ENL_SCSI_VERIFY_16] = {scsi_verify, 16, 0},
    [ENL_SCSI_SYNCHRONIZE_CACHE_16] = {scsi_synchronize, 16, 0},
    [ENL_SCSI_WRITE_SAME_16] = {scsi_write_same, 16, SCSI_WRITES},
    [ENL_SCSI_SERVICE_ACTION_IN_16] = {scsi_service_in, 16, SCSI_RESPONDS},
    [ENL_SCSI_READ_12] = {scsi_read, 12, 0},
    [ENL_SCSI_WRITE_12] = {scsi_write, 12, SCSI_WRITES},
    [ENL_SCSI_VERIFY_12] = {scsi_verify, 12, 0},
};

void
enlh_scsi_decode(const struct enlh_scsi_unit *unit, const uint8_t *cdb, uint8_t cdb_len,
                 struct enlh_scsi_action *action, uint8_t *response)
{
    const struct scsi_command *command = &scsi_commands[cdb[0]];

    *action = (struct enlh_scsi_action){.verb = ENLH_SCSI_ANSWER};
    if (!command->fn) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_INVALID_OPCODE);
    } else if (cdb_len < command->cdb_len) {
        scsi_invalid_field(action);
    } else if ((command->flags & SCSI_WRITES) && unit->readonly) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_DATA_PROTECT, ENL_SCSI_ASC_WRITE_PROTECTED);
    } else {
        if (command->flags & SCSI_RESPONDS)
            memset(response, 0, ENLH_SCSI_RESPONSE_MAX);
        command->fn(unit, cdb, action, response);
    }
}
