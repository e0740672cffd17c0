/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODE SENSE (6) and (10): the write cache, the control page, write protection.
 *
 * Runs: the guest, on a channel's thread. Reads a private copy of the CDB and the unit's
 * description; writes into a zeroed response of ENLH_SCSI_RESPONSE_MAX bytes.
 * No parameter can be changed: the mask of changeable values is all zeros.
 * [SPC-4 6.13, 7.5; SBC-3 6.5]
 * Tests: test/unit/storage_scsi.c.
 */
#include "host/dev/storage/scsi.h"

#include <string.h>

#define MODE_CACHING_LEN    20u
#define MODE_CONTROL_LEN    12u
#define MODE_EXCEPTIONS_LEN 12u
#define MODE_BLOCK_LEN      8u
#define MODE_REORDER        0x10u /* control page: any order of execution */

static uint32_t
mode_caching(const struct enlh_scsi_unit *unit, uint8_t *page, bool values)
{
    page[0] = ENL_SCSI_MODE_CACHING;
    page[1] = MODE_CACHING_LEN - 2;
    if (values && unit->volatile_cache)
        page[2] = ENL_SCSI_CACHING_WCE;
    return MODE_CACHING_LEN;
}

static uint32_t
mode_control(uint8_t *page, bool values)
{
    page[0] = ENL_SCSI_MODE_CONTROL;
    page[1] = MODE_CONTROL_LEN - 2;
    if (values)
        page[3] = MODE_REORDER;
    return MODE_CONTROL_LEN;
}

static uint32_t
mode_exceptions(uint8_t *page)
{
    page[0] = ENL_SCSI_MODE_EXCEPTIONS;
    page[1] = MODE_EXCEPTIONS_LEN - 2;
    return MODE_EXCEPTIONS_LEN;
}

/* The pages that were asked for. Returns their length, 0: no such page. */
static uint32_t
mode_pages(const struct enlh_scsi_unit *unit, uint8_t code, bool values, uint8_t *at)
{
    bool all = code == ENL_SCSI_MODE_ALL;
    uint32_t len = 0;

    if (all || code == ENL_SCSI_MODE_CACHING)
        len += mode_caching(unit, at + len, values);
    if (all || code == ENL_SCSI_MODE_CONTROL)
        len += mode_control(at + len, values);
    if (all || code == ENL_SCSI_MODE_EXCEPTIONS)
        len += mode_exceptions(at + len);
    return len;
}

static uint32_t
mode_block_descriptor(const struct enlh_scsi_unit *unit, uint8_t *at)
{
    bool large = unit->block_count > UINT32_MAX;

    enlh_scsi_put32(at, large ? UINT32_MAX : (uint32_t)unit->block_count);
    enlh_scsi_put32(at + 4, unit->block_len);
    return MODE_BLOCK_LEN;
}

/* The header that goes before len bytes of descriptors and pages. */
static void
mode_header(const struct enlh_scsi_unit *unit, bool six, uint32_t block_len, uint32_t len,
            uint8_t *response)
{
    uint8_t device = ENL_SCSI_MODE_DPOFUA;

    if (unit->readonly)
        device |= (uint8_t)ENL_SCSI_MODE_WP;
    if (six) {
        response[0] = (uint8_t)(len + 3);
        response[2] = device;
        response[3] = (uint8_t)block_len;
    } else {
        enlh_scsi_put16(response, (uint16_t)(len + 6));
        response[3] = device;
        enlh_scsi_put16(response + 6, (uint16_t)block_len);
    }
}

void
enlh_scsi_mode_sense(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                     struct enlh_scsi_action *action, uint8_t *response)
{
    const uint8_t all_subpages = 0xff;
    bool six = cdb[0] == ENL_SCSI_MODE_SENSE_6;
    uint8_t control = cdb[2] & ENL_SCSI_MODE_PC_MASK;
    uint32_t allocated = six ? cdb[4] : enlh_scsi_get16(cdb + 7);
    uint32_t header = six ? 4 : 8;
    uint32_t block_len = 0, pages_len;

    if (control == ENL_SCSI_MODE_PC_SAVED) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_SAVING_NOT_SUPPORTED);
        return;
    }
    if (!(cdb[1] & ENL_SCSI_MODE_DBD))
        block_len = mode_block_descriptor(unit, response + header);
    pages_len =
        mode_pages(unit, cdb[2] & ENL_SCSI_MODE_PAGE_MASK,
                   control != ENL_SCSI_MODE_PC_CHANGE, response + header + block_len);
    if (!pages_len || (cdb[3] && cdb[3] != all_subpages)) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
        return;
    }
    mode_header(unit, six, block_len, block_len + pages_len, response);
    action->response_len = header + block_len + pages_len;
    if (action->response_len > allocated)
        action->response_len = allocated;
}
