/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/scsi.h - the SCSI commands, statuses and sense data that disks use
 *
 * Data only. [SPC-4, SBC-3] Fields of commands and of their data are big-endian, and are
 * described by their offsets; there are no structures here.
 */
#ifndef ENLIGHT_ABI_SCSI_H
#define ENLIGHT_ABI_SCSI_H

#include "enlight/abi/base.h"

/* Operation codes, the first byte of a CDB. */
#define ENL_SCSI_TEST_UNIT_READY      0x00u
#define ENL_SCSI_REQUEST_SENSE        0x03u
#define ENL_SCSI_READ_6               0x08u
#define ENL_SCSI_WRITE_6              0x0Au
#define ENL_SCSI_INQUIRY              0x12u
#define ENL_SCSI_MODE_SELECT_6        0x15u
#define ENL_SCSI_RESERVE_6            0x16u
#define ENL_SCSI_RELEASE_6            0x17u
#define ENL_SCSI_MODE_SENSE_6         0x1Au
#define ENL_SCSI_START_STOP_UNIT      0x1Bu
#define ENL_SCSI_PREVENT_ALLOW        0x1Eu
#define ENL_SCSI_READ_CAPACITY_10     0x25u
#define ENL_SCSI_READ_10              0x28u
#define ENL_SCSI_WRITE_10             0x2Au
#define ENL_SCSI_WRITE_VERIFY_10      0x2Eu
#define ENL_SCSI_VERIFY_10            0x2Fu
#define ENL_SCSI_SYNCHRONIZE_CACHE_10 0x35u
#define ENL_SCSI_WRITE_SAME_10        0x41u
#define ENL_SCSI_UNMAP                0x42u
#define ENL_SCSI_MODE_SELECT_10       0x55u
#define ENL_SCSI_MODE_SENSE_10        0x5Au
#define ENL_SCSI_PERSISTENT_IN        0x5Eu
#define ENL_SCSI_PERSISTENT_OUT       0x5Fu
#define ENL_SCSI_ATA_PASS_THROUGH_16  0x85u
#define ENL_SCSI_READ_16              0x88u
#define ENL_SCSI_WRITE_16             0x8Au
#define ENL_SCSI_VERIFY_16            0x8Fu
#define ENL_SCSI_SYNCHRONIZE_CACHE_16 0x91u
#define ENL_SCSI_WRITE_SAME_16        0x93u
#define ENL_SCSI_SERVICE_ACTION_IN_16 0x9Eu
#define ENL_SCSI_REPORT_LUNS          0xA0u
#define ENL_SCSI_MAINTENANCE_IN       0xA3u
#define ENL_SCSI_READ_12              0xA8u
#define ENL_SCSI_WRITE_12             0xAAu
#define ENL_SCSI_VERIFY_12            0xAFu

/* Service actions, bits 4:0 of byte 1. */
#define ENL_SCSI_SA_READ_CAPACITY_16         0x10u /* of SERVICE_ACTION_IN_16 */
#define ENL_SCSI_SA_GET_LBA_STATUS           0x12u /* of SERVICE_ACTION_IN_16 */
#define ENL_SCSI_SA_REPORT_SUPPORTED_OPCODES 0x0Cu /* of MAINTENANCE_IN */
#define ENL_SCSI_SA_MASK                     0x1Fu

/* Byte 1 of READ and WRITE (10, 12, 16). */
#define ENL_SCSI_RW_FUA     0x08u
#define ENL_SCSI_RW_DPO     0x10u
#define ENL_SCSI_RW_PROTECT 0xE0u

/* Byte 1 of WRITE SAME. */
#define ENL_SCSI_WS_NDOB   0x01u
#define ENL_SCSI_WS_UNMAP  0x08u
#define ENL_SCSI_WS_ANCHOR 0x10u

/* Byte 1 of INQUIRY; pages when it is set. */
#define ENL_SCSI_INQUIRY_EVPD          0x01u
#define ENL_SCSI_VPD_SUPPORTED         0x00u
#define ENL_SCSI_VPD_SERIAL            0x80u
#define ENL_SCSI_VPD_DEVICE_ID         0x83u
#define ENL_SCSI_VPD_BLOCK_LIMITS      0xB0u
#define ENL_SCSI_VPD_CHARACTERISTICS   0xB1u
#define ENL_SCSI_VPD_PROVISIONING      0xB2u
#define ENL_SCSI_VPD_PROVISION_LBPU    0x80u /* byte 5 of B2: UNMAP */
#define ENL_SCSI_VPD_PROVISION_LBPWS   0x40u /* WRITE SAME (16) with UNMAP */
#define ENL_SCSI_VPD_PROVISION_LBPWS10 0x20u
#define ENL_SCSI_VPD_PROVISION_LBPRZ   0x04u /* what is unmapped reads as zeros */

/* Byte 0 of INQUIRY data: bits 7:5 qualifier, bits 4:0 device type. */
#define ENL_SCSI_TYPE_DISK 0x00u
#define ENL_SCSI_TYPE_CD   0x05u
#define ENL_SCSI_NO_LUN    0x7Fu /* there is nothing here, nor can there be */

/* Bytes 12 and 14 of READ CAPACITY (16) data. */
#define ENL_SCSI_RC16_LBPME 0x80u /* byte 14: thinly provisioned */
#define ENL_SCSI_RC16_LBPRZ 0x40u

/* Bits 5:0 of byte 2 of MODE SENSE: pages. */
#define ENL_SCSI_MODE_PAGE_MASK  0x3Fu
#define ENL_SCSI_MODE_CACHING    0x08u
#define ENL_SCSI_MODE_CONTROL    0x0Au
#define ENL_SCSI_MODE_EXCEPTIONS 0x1Cu
#define ENL_SCSI_MODE_ALL        0x3Fu
#define ENL_SCSI_MODE_DBD        0x08u /* byte 1: no block descriptors */
#define ENL_SCSI_MODE_PC_MASK    0xC0u /* byte 2: current, changeable, default, saved */
#define ENL_SCSI_MODE_PC_CHANGE  0x40u
#define ENL_SCSI_MODE_PC_SAVED   0xC0u
#define ENL_SCSI_MODE_WP         0x80u /* device-specific byte: write protected */
#define ENL_SCSI_MODE_DPOFUA     0x10u /* device-specific byte: FUA is understood */
#define ENL_SCSI_CACHING_WCE     0x04u /* byte 2 of the caching page: write cache on */

/* Byte 4 of START STOP UNIT. */
#define ENL_SCSI_START_START 0x01u
#define ENL_SCSI_START_LOEJ  0x02u

/* Statuses. */
#define ENL_SCSI_STATUS_GOOD                 0x00u
#define ENL_SCSI_STATUS_CHECK_CONDITION      0x02u
#define ENL_SCSI_STATUS_BUSY                 0x08u
#define ENL_SCSI_STATUS_RESERVATION_CONFLICT 0x18u
#define ENL_SCSI_STATUS_TASK_SET_FULL        0x28u
#define ENL_SCSI_STATUS_TASK_ABORTED         0x40u

/* Fixed-format sense data: byte 0 code, 2 key, 7 bytes that follow it, 12 ASC, 13 ASCQ. */
#define ENL_SCSI_SENSE_FIXED      0x70u
#define ENL_SCSI_SENSE_LEN        18u
#define ENL_SCSI_SENSE_ADDITIONAL 10u

/* Sense keys. */
#define ENL_SCSI_KEY_NO_SENSE        0x0u
#define ENL_SCSI_KEY_RECOVERED       0x1u
#define ENL_SCSI_KEY_NOT_READY       0x2u
#define ENL_SCSI_KEY_MEDIUM_ERROR    0x3u
#define ENL_SCSI_KEY_HARDWARE_ERROR  0x4u
#define ENL_SCSI_KEY_ILLEGAL_REQUEST 0x5u
#define ENL_SCSI_KEY_UNIT_ATTENTION  0x6u
#define ENL_SCSI_KEY_DATA_PROTECT    0x7u
#define ENL_SCSI_KEY_ABORTED_COMMAND 0xBu
#define ENL_SCSI_KEY_MISCOMPARE      0xEu

/* Additional sense: code 15:8, qualifier 7:0. */
#define ENL_SCSI_ASC_NONE                  0x0000u
#define ENL_SCSI_ASC_NOT_READY             0x0400u
#define ENL_SCSI_ASC_WRITE_ERROR           0x0C00u
#define ENL_SCSI_ASC_READ_ERROR            0x1100u
#define ENL_SCSI_ASC_PARAMETER_LIST_LENGTH 0x1A00u
#define ENL_SCSI_ASC_MISCOMPARE            0x1D00u
#define ENL_SCSI_ASC_INVALID_OPCODE        0x2000u
#define ENL_SCSI_ASC_LBA_OUT_OF_RANGE      0x2100u
#define ENL_SCSI_ASC_INVALID_FIELD_IN_CDB  0x2400u
#define ENL_SCSI_ASC_LUN_NOT_SUPPORTED     0x2500u
#define ENL_SCSI_ASC_INVALID_FIELD_IN_LIST 0x2600u
#define ENL_SCSI_ASC_WRITE_PROTECTED       0x2700u
#define ENL_SCSI_ASC_SPACE_ALLOCATION      0x2707u
#define ENL_SCSI_ASC_MEDIUM_CHANGED        0x2800u
#define ENL_SCSI_ASC_POWER_ON_RESET        0x2900u
#define ENL_SCSI_ASC_PARAMETERS_CHANGED    0x2A01u
#define ENL_SCSI_ASC_CAPACITY_CHANGED      0x2A09u
#define ENL_SCSI_ASC_SAVING_NOT_SUPPORTED  0x3900u
#define ENL_SCSI_ASC_MEDIUM_NOT_PRESENT    0x3A00u
#define ENL_SCSI_ASC_LUNS_CHANGED          0x3F0Eu
#define ENL_SCSI_ASC_INTERNAL_FAILURE      0x4400u

#endif
