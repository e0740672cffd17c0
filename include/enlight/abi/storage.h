/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/storage.h - the synthetic SCSI, IDE and Fibre Channel controllers
 *
 * Data only. Every message is one struct enl_storage_packet as the payload of a packet
 * (ring.h). The guest sends an operation in an INBAND packet, or in a GPA_DIRECT one when
 * there is data to move; the host answers with a COMPLETION whose payload is as long as
 * the request, operation ENL_STORAGE_COMPLETE_IO. On its own the host sends only
 * ENUMERATE_BUS and REMOVE_DEVICE, in an INBAND packet with transaction id 0.
 *
 * On the first channel: BEGIN_INIT, QUERY_VERSION until one is accepted, QUERY_PROPERTIES,
 * END_INIT, then perhaps CREATE_SUB_CHANNELS; then requests.
 */
#ifndef ENLIGHT_ABI_STORAGE_H
#define ENLIGHT_ABI_STORAGE_H

#include "enlight/abi/base.h"

/* Versions: major 15:8, minor 7:0. */
#define ENL_STORAGE_VERSION_WIN6   0x0200u
#define ENL_STORAGE_VERSION_WIN7   0x0402u
#define ENL_STORAGE_VERSION_WIN8   0x0501u
#define ENL_STORAGE_VERSION_WIN8_1 0x0600u
#define ENL_STORAGE_VERSION_WIN10  0x0602u

/* Operations; without a tag: guest to host. */
#define ENL_STORAGE_COMPLETE_IO         1u /* host to guest */
#define ENL_STORAGE_REMOVE_DEVICE       2u /* host to guest */
#define ENL_STORAGE_EXECUTE_SRB         3u
#define ENL_STORAGE_RESET_LUN           4u
#define ENL_STORAGE_RESET_ADAPTER       5u
#define ENL_STORAGE_RESET_BUS           6u
#define ENL_STORAGE_BEGIN_INIT          7u
#define ENL_STORAGE_END_INIT            8u
#define ENL_STORAGE_QUERY_VERSION       9u
#define ENL_STORAGE_QUERY_PROPERTIES    10u
#define ENL_STORAGE_ENUMERATE_BUS       11u /* host to guest */
#define ENL_STORAGE_FC_HBA_DATA         12u
#define ENL_STORAGE_CREATE_SUB_CHANNELS 13u
#define ENL_STORAGE_EVENT_NOTIFICATION  14u

/* flags of a packet. */
#define ENL_STORAGE_FLAG_COMPLETION 0x1u

/* status of a packet: an NTSTATUS, host to guest. */
#define ENL_STORAGE_STATUS_SUCCESS                0x00000000u
#define ENL_STORAGE_STATUS_BUFFER_OVERFLOW        0x80000005u
#define ENL_STORAGE_STATUS_DEVICE_BUSY            0x80000011u
#define ENL_STORAGE_STATUS_UNSUCCESSFUL           0xC0000001u
#define ENL_STORAGE_STATUS_INVALID_PARAMETER      0xC000000Du
#define ENL_STORAGE_STATUS_INVALID_DEVICE_REQUEST 0xC0000010u
#define ENL_STORAGE_STATUS_REVISION_MISMATCH      0xC0000059u
#define ENL_STORAGE_STATUS_DEVICE_NOT_CONNECTED   0xC000009Du
#define ENL_STORAGE_STATUS_IO_TIMEOUT             0xC00000B5u
#define ENL_STORAGE_STATUS_DEVICE_NOT_THERE       0xC00000C0u
#define ENL_STORAGE_STATUS_CANCELLED              0xC0000120u
#define ENL_STORAGE_STATUS_INVALID_DEVICE_STATE   0xC0000184u
#define ENL_STORAGE_STATUS_IO_DEVICE_ERROR        0xC0000185u

/* srb_status: one of these, with flags above it. */
#define ENL_SRB_STATUS_MASK              0x3Fu
#define ENL_SRB_STATUS_QUEUE_FROZEN      0x40u
#define ENL_SRB_STATUS_AUTOSENSE_VALID   0x80u
#define ENL_SRB_STATUS_PENDING           0x00u
#define ENL_SRB_STATUS_SUCCESS           0x01u
#define ENL_SRB_STATUS_ABORTED           0x02u
#define ENL_SRB_STATUS_ABORT_FAILED      0x03u
#define ENL_SRB_STATUS_ERROR             0x04u
#define ENL_SRB_STATUS_BUSY              0x05u
#define ENL_SRB_STATUS_INVALID_REQUEST   0x06u
#define ENL_SRB_STATUS_INVALID_PATH      0x07u
#define ENL_SRB_STATUS_NO_DEVICE         0x08u
#define ENL_SRB_STATUS_TIMEOUT           0x09u
#define ENL_SRB_STATUS_SELECTION_TIMEOUT 0x0Au
#define ENL_SRB_STATUS_COMMAND_TIMEOUT   0x0Bu
#define ENL_SRB_STATUS_BUS_RESET         0x0Eu
#define ENL_SRB_STATUS_DATA_OVERRUN      0x12u
#define ENL_SRB_STATUS_REQUEST_FLUSHED   0x16u
#define ENL_SRB_STATUS_INVALID_LUN       0x20u
#define ENL_SRB_STATUS_INVALID_TARGET    0x21u
#define ENL_SRB_STATUS_INTERNAL_ERROR    0x30u

/* data_in */
#define ENL_STORAGE_DATA_WRITE 0u /* guest memory to device */
#define ENL_STORAGE_DATA_READ  1u
#define ENL_STORAGE_DATA_NONE  2u

/* srb_flags */
#define ENL_SRB_FLAG_QUEUE_ACTION_ENABLE   0x00000002u
#define ENL_SRB_FLAG_DISABLE_DISCONNECT    0x00000004u
#define ENL_SRB_FLAG_DISABLE_SYNC_TRANSFER 0x00000008u
#define ENL_SRB_FLAG_BYPASS_FROZEN_QUEUE   0x00000010u
#define ENL_SRB_FLAG_DISABLE_AUTOSENSE     0x00000020u
#define ENL_SRB_FLAG_DATA_IN               0x00000040u
#define ENL_SRB_FLAG_DATA_OUT              0x00000080u
#define ENL_SRB_FLAG_NO_QUEUE_FREEZE       0x00000100u
#define ENL_SRB_FLAG_ADAPTER_CACHE_ENABLE  0x00000200u

/* queue_action */
#define ENL_SRB_QUEUE_SIMPLE  0x20u
#define ENL_SRB_QUEUE_HEAD    0x21u
#define ENL_SRB_QUEUE_ORDERED 0x22u

#define ENL_SRB_CDB_LEN     16u
#define ENL_SRB_SENSE_LEN   18u /* of versions up to 4.2 */
#define ENL_SRB_SENSE_LEN_8 20u /* from 5.1 */

/*
 * A SCSI request; the host returns it with srb_status, scsi_status, data_transfer_len and,
 * with AUTOSENSE_VALID, sense data in place of the CDB. What is behind cdb_or_sense is
 * there from 5.1 on: shorter packets are legal before that.
 */
struct enl_srb {
    uint16_t length;     /* of this structure */
    uint8_t srb_status;  /* host; ENL_SRB_STATUS_ */
    uint8_t scsi_status; /* host; ENL_SCSI_STATUS_ (scsi.h) */
    uint8_t port;
    uint8_t path;
    uint8_t target;
    uint8_t lun;
    uint8_t cdb_len;
    uint8_t sense_len; /* guest: what it takes; host: what it got */
    uint8_t data_in;   /* ENL_STORAGE_DATA_ */
    uint8_t reserved;
    uint32_t data_transfer_len; /* guest: the buffer; host: what was moved */
    uint8_t cdb_or_sense[20];
    uint16_t reserved2;
    uint8_t queue_tag;
    uint8_t queue_action; /* ENL_SRB_QUEUE_ */
    uint32_t srb_flags;   /* ENL_SRB_FLAG_ */
    uint32_t timeout_s;
    uint32_t queue_sort_key;
};
ENL_ABI_SIZE(struct enl_srb, 52);
ENL_ABI_AT(struct enl_srb, cdb_len, 8);
ENL_ABI_AT(struct enl_srb, data_transfer_len, 12);
ENL_ABI_AT(struct enl_srb, cdb_or_sense, 16);
ENL_ABI_AT(struct enl_srb, srb_flags, 40);
#define ENL_SRB_LEN_WIN7 36u /* up to 4.2 */
#define ENL_SRB_LEN_WIN8 52u /* from 5.1 */

/* QUERY_PROPERTIES, the host's answer. */
#define ENL_STORAGE_PROPERTY_MULTI_CHANNEL 0x1u

struct enl_storage_properties {
    uint32_t reserved;
    uint16_t max_sub_channels;
    uint16_t reserved2;
    uint32_t flags; /* ENL_STORAGE_PROPERTY_ */
    uint32_t max_transfer_len;
    uint32_t reserved3[2];
};
ENL_ABI_SIZE(struct enl_storage_properties, 24);
ENL_ABI_AT(struct enl_storage_properties, flags, 8);

/* QUERY_VERSION, guest to host; a version that is not known gets REVISION_MISMATCH. */
struct enl_storage_version {
    uint16_t version; /* ENL_STORAGE_VERSION_ */
    uint16_t revision;
};
ENL_ABI_SIZE(struct enl_storage_version, 4);

/* FC_HBA_DATA, the host's answer. */
struct enl_storage_fc_hba {
    uint8_t primary_active;
    uint8_t reserved[3];
    uint8_t primary_port_wwn[8];
    uint8_t primary_node_wwn[8];
    uint8_t secondary_port_wwn[8];
    uint8_t secondary_node_wwn[8];
};
ENL_ABI_SIZE(struct enl_storage_fc_hba, 36);

/* EVENT_NOTIFICATION, guest to host. */
struct enl_storage_notification {
    uint8_t lun;
    uint8_t target;
    uint8_t path;
    uint8_t flags;
};
ENL_ABI_SIZE(struct enl_storage_notification, 4);

struct enl_storage_packet {
    uint32_t operation; /* ENL_STORAGE_ */
    uint32_t flags;     /* guest; ENL_STORAGE_FLAG_ */
    uint32_t status;    /* host; ENL_STORAGE_STATUS_ */
    union {
        struct enl_srb srb;
        struct enl_storage_properties properties;
        struct enl_storage_version version;
        struct enl_storage_fc_hba fc_hba;
        struct enl_storage_notification notification;
        uint16_t sub_channel_count; /* CREATE_SUB_CHANNELS, guest: how many more */
        uint8_t bytes[52];
    } u;
};
ENL_ABI_SIZE(struct enl_storage_packet, 64);
ENL_ABI_AT(struct enl_storage_packet, status, 8);
ENL_ABI_AT(struct enl_storage_packet, u, 12);
#define ENL_STORAGE_PACKET_LEN_WIN7 48u /* up to 4.2 */
#define ENL_STORAGE_PACKET_LEN_WIN8 64u /* from 5.1 */

/* user_defined of an IDE disk's offer (vmbus.h), host to guest. */
#define ENL_STORAGE_OFFER_IDE_DEVICE 0x2u

struct enl_storage_offer {
    uint16_t reserved;
    uint8_t path;
    uint8_t target;
    uint32_t reserved2;
    uint32_t flags; /* ENL_STORAGE_OFFER_ */
    uint32_t reserved3[3];
};
ENL_ABI_SIZE(struct enl_storage_offer, 24);

#endif
