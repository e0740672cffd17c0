/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INQUIRY: who the disk is, and the vital product data pages that say what it can do.
 *
 * Runs: the guest, on a channel's thread. Reads a private copy of the CDB and the unit's
 * description; writes into a zeroed response of ENLH_SCSI_RESPONSE_MAX bytes.
 * [SPC-4 6.4, 7.8; SBC-3 6.6]
 * Tests: test/unit/storage_scsi.c.
 */
#include "host/dev/storage/scsi.h"

#include <string.h>

#define INQUIRY_LEN       36u
#define INQUIRY_SPC_4     0x06u
#define INQUIRY_FORMAT    0x12u /* hierarchical LUNs, format 2 */
#define INQUIRY_CMDQUE    0x02u
#define VPD_HEADER        4u
#define VPD_LIMITS_LEN    60u
#define VPD_NO_ROTATION   1u
#define VPD_WSNZ          0x01u /* WRITE SAME with a count of 0 is refused */
#define VPD_THIN          0x02u
#define VPD_CODE_BINARY   1u
#define VPD_CODE_ASCII    2u
#define VPD_DESIGNATE_T10 1u
#define VPD_DESIGNATE_NAA 3u

static const uint8_t inquiry_pages[] = {
    ENL_SCSI_VPD_SUPPORTED,    ENL_SCSI_VPD_SERIAL,          ENL_SCSI_VPD_DEVICE_ID,
    ENL_SCSI_VPD_BLOCK_LIMITS, ENL_SCSI_VPD_CHARACTERISTICS, ENL_SCSI_VPD_PROVISIONING,
};

static uint32_t
inquiry_standard(const struct enlh_scsi_unit *unit, uint8_t *response)
{
    response[0] = ENL_SCSI_TYPE_DISK;
    response[2] = INQUIRY_SPC_4;
    response[3] = INQUIRY_FORMAT;
    response[4] = INQUIRY_LEN - 5;
    response[7] = INQUIRY_CMDQUE;
    memcpy(response + 8, unit->vendor, sizeof(unit->vendor));
    memcpy(response + 16, unit->product, sizeof(unit->product));
    memcpy(response + 32, unit->revision, sizeof(unit->revision));
    return INQUIRY_LEN;
}

/* Two designators: the NAA name, and vendor and serial number as text. */
static uint32_t
inquiry_device_id(const struct enlh_scsi_unit *unit, uint8_t *page)
{
    const uint8_t text_len = (uint8_t)(sizeof(unit->vendor) + unit->serial_len);

    page[0] = VPD_CODE_BINARY;
    page[1] = VPD_DESIGNATE_NAA;
    page[3] = sizeof(unit->naa);
    memcpy(page + 4, unit->naa, sizeof(unit->naa));
    page += 4 + sizeof(unit->naa);

    page[0] = VPD_CODE_ASCII;
    page[1] = VPD_DESIGNATE_T10;
    page[3] = text_len;
    memcpy(page + 4, unit->vendor, sizeof(unit->vendor));
    memcpy(page + 4 + sizeof(unit->vendor), unit->serial, unit->serial_len);
    return (uint32_t)(4 + sizeof(unit->naa) + 4 + text_len);
}

static uint32_t
inquiry_block_limits(const struct enlh_scsi_unit *unit, uint8_t *page)
{
    uint32_t physical = UINT32_C(1) << unit->physical_exponent;

    page[0] = VPD_WSNZ;
    enlh_scsi_put16(page + 2, (uint16_t)physical);
    enlh_scsi_put32(page + 4, unit->max_blocks);
    enlh_scsi_put64(page + 32, ENLH_SCSI_WRITE_SAME_BYTES >> unit->block_shift);
    if (unit->discards) {
        enlh_scsi_put32(page + 16,
                        (uint32_t)(ENLH_SCSI_UNMAP_BYTES >> unit->block_shift));
        enlh_scsi_put32(page + 20, ENLH_SCSI_UNMAP_DESCRIPTORS);
        enlh_scsi_put32(page + 24, physical);
    }
    return VPD_LIMITS_LEN;
}

/* What is unmapped may read as anything: the backend promises no zeros, so no LBPRZ. */
static uint32_t
inquiry_provisioning(const struct enlh_scsi_unit *unit, uint8_t *page)
{
    if (unit->discards) {
        page[1] = ENL_SCSI_VPD_PROVISION_LBPU | ENL_SCSI_VPD_PROVISION_LBPWS |
                  ENL_SCSI_VPD_PROVISION_LBPWS10;
        page[2] = VPD_THIN;
    }
    return 4;
}

/* The page's bytes behind its header. Returns how many, or 0: there is no such page. */
static uint32_t
inquiry_page(const struct enlh_scsi_unit *unit, uint8_t code, uint8_t *page)
{
    switch (code) {
    case ENL_SCSI_VPD_SUPPORTED:
        memcpy(page, inquiry_pages, sizeof(inquiry_pages));
        return sizeof(inquiry_pages);
    case ENL_SCSI_VPD_SERIAL:
        memcpy(page, unit->serial, unit->serial_len);
        return unit->serial_len;
    case ENL_SCSI_VPD_DEVICE_ID:
        return inquiry_device_id(unit, page);
    case ENL_SCSI_VPD_BLOCK_LIMITS:
        return inquiry_block_limits(unit, page);
    case ENL_SCSI_VPD_CHARACTERISTICS:
        enlh_scsi_put16(page, VPD_NO_ROTATION);
        return VPD_LIMITS_LEN;
    case ENL_SCSI_VPD_PROVISIONING:
        return inquiry_provisioning(unit, page);
    default:
        return 0;
    }
}

void
enlh_scsi_inquiry(const struct enlh_scsi_unit *unit, const uint8_t *cdb,
                  struct enlh_scsi_action *action, uint8_t *response)
{
    uint32_t allocated = enlh_scsi_get16(cdb + 3);
    uint32_t len = 0;

    if (cdb[1] == ENL_SCSI_INQUIRY_EVPD) {
        len = inquiry_page(unit, cdb[2], response + VPD_HEADER);
        if (len) {
            response[1] = cdb[2];
            enlh_scsi_put16(response + 2, (uint16_t)len);
            len += VPD_HEADER;
        }
    } else if (!cdb[1] && !cdb[2]) {
        len = inquiry_standard(unit, response);
    }
    if (!len) {
        enlh_scsi_refuse(action, ENL_SCSI_KEY_ILLEGAL_REQUEST,
                         ENL_SCSI_ASC_INVALID_FIELD_IN_CDB);
        return;
    }
    action->response_len = len < allocated ? len : allocated;
}
