/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/guids.h - the classes of synthetic devices, and the instances that are fixed
 *
 * Data only: initialisers of struct enl_guid in wire order. All other instances are the
 * host's choice, and stay the same over a reboot, a hibernation and a migration.
 */
#ifndef ENLIGHT_ABI_GUIDS_H
#define ENLIGHT_ABI_GUIDS_H

#include "enlight/abi/base.h"

/* As a GUID is written: three groups as numbers, the last two as bytes. */
#define ENL_GUID_INIT(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                           \
    {                                                                                    \
        {                                                                                \
            (uint8_t)((a)&0xFFu), (uint8_t)((a) >> 8 & 0xFFu),                           \
                (uint8_t)((a) >> 16 & 0xFFu), (uint8_t)((a) >> 24 & 0xFFu),              \
                (uint8_t)((b)&0xFFu), (uint8_t)((b) >> 8 & 0xFFu), (uint8_t)((c)&0xFFu), \
                (uint8_t)((c) >> 8 & 0xFFu), d0, d1, d2, d3, d4, d5, d6, d7              \
        }                                                                                \
    }

/* Classes. */
/* f8615163-df3e-46c5-913f-f2d2f965ed0e */
#define ENL_GUID_NET                                                                     \
    ENL_GUID_INIT(0xf8615163u, 0xdf3eu, 0x46c5u, 0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65,     \
                  0xed, 0x0e)
/* ba6163d9-04a1-4d29-b605-72e2ffb1dc7f */
#define ENL_GUID_SCSI                                                                    \
    ENL_GUID_INIT(0xba6163d9u, 0x04a1u, 0x4d29u, 0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1,     \
                  0xdc, 0x7f)
/* 32412632-86cb-44a2-9b5c-50d1417354f5 */
#define ENL_GUID_IDE                                                                     \
    ENL_GUID_INIT(0x32412632u, 0x86cbu, 0x44a2u, 0x9b, 0x5c, 0x50, 0xd1, 0x41, 0x73,     \
                  0x54, 0xf5)
/* 2f9bcc4a-0069-4af3-b76b-6fd0be528cda */
#define ENL_GUID_FIBRE_CHANNEL                                                           \
    ENL_GUID_INIT(0x2f9bcc4au, 0x0069u, 0x4af3u, 0xb7, 0x6b, 0x6f, 0xd0, 0xbe, 0x52,     \
                  0x8c, 0xda)
/* f912ad6d-2b17-48ea-bd65-f927a61c7684 */
#define ENL_GUID_KEYBOARD                                                                \
    ENL_GUID_INIT(0xf912ad6du, 0x2b17u, 0x48eau, 0xbd, 0x65, 0xf9, 0x27, 0xa6, 0x1c,     \
                  0x76, 0x84)
/* cfa8b69e-5b4a-4cc0-b98b-8ba1a1f3f95a */
#define ENL_GUID_MOUSE                                                                   \
    ENL_GUID_INIT(0xcfa8b69eu, 0x5b4au, 0x4cc0u, 0xb9, 0x8b, 0x8b, 0xa1, 0xa1, 0xf3,     \
                  0xf9, 0x5a)
/* da0a7802-e377-4aac-8e77-0558eb1073f8 */
#define ENL_GUID_VIDEO                                                                   \
    ENL_GUID_INIT(0xda0a7802u, 0xe377u, 0x4aacu, 0x8e, 0x77, 0x05, 0x58, 0xeb, 0x10,     \
                  0x73, 0xf8)
/* 44c4f61d-4444-4400-9d52-802e27ede19f */
#define ENL_GUID_VPCI                                                                    \
    ENL_GUID_INIT(0x44c4f61du, 0x4444u, 0x4400u, 0x9d, 0x52, 0x80, 0x2e, 0x27, 0xed,     \
                  0xe1, 0x9f)
/* 8c2eaf3d-32a7-4b09-ab99-bd1f1c86b501 */
#define ENL_GUID_NETWORK_DIRECT                                                          \
    ENL_GUID_INIT(0x8c2eaf3du, 0x32a7u, 0x4b09u, 0xab, 0x99, 0xbd, 0x1f, 0x1c, 0x86,     \
                  0xb5, 0x01)
/* 525074dc-8985-46e2-8057-a307dc18a502 */
#define ENL_GUID_DYNAMIC_MEMORY                                                          \
    ENL_GUID_INIT(0x525074dcu, 0x8985u, 0x46e2u, 0x80, 0x57, 0xa3, 0x07, 0xdc, 0x18,     \
                  0xa5, 0x02)
/* 57164f39-9115-4e78-ab55-382f3bd5422d */
#define ENL_GUID_HEARTBEAT                                                               \
    ENL_GUID_INIT(0x57164f39u, 0x9115u, 0x4e78u, 0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5,     \
                  0x42, 0x2d)
/* 9527e630-d0ae-497b-adce-e80ab0175caf */
#define ENL_GUID_TIMESYNC                                                                \
    ENL_GUID_INIT(0x9527e630u, 0xd0aeu, 0x497bu, 0xad, 0xce, 0xe8, 0x0a, 0xb0, 0x17,     \
                  0x5c, 0xaf)
/* 0e0b6031-5213-4934-818b-38d90ced39db */
#define ENL_GUID_SHUTDOWN                                                                \
    ENL_GUID_INIT(0x0e0b6031u, 0x5213u, 0x4934u, 0x81, 0x8b, 0x38, 0xd9, 0x0c, 0xed,     \
                  0x39, 0xdb)
/* a9a0f4e7-5a45-4d96-b827-8a841e8c03e6 */
#define ENL_GUID_KVP                                                                     \
    ENL_GUID_INIT(0xa9a0f4e7u, 0x5a45u, 0x4d96u, 0xb8, 0x27, 0x8a, 0x84, 0x1e, 0x8c,     \
                  0x03, 0xe6)
/* 35fa2e29-ea23-4236-96ae-3a6ebacba440 */
#define ENL_GUID_VSS                                                                     \
    ENL_GUID_INIT(0x35fa2e29u, 0xea23u, 0x4236u, 0x96, 0xae, 0x3a, 0x6e, 0xba, 0xcb,     \
                  0xa4, 0x40)
/* 34d14be3-dee4-41c8-9ae7-6b174977c192 */
#define ENL_GUID_FCOPY                                                                   \
    ENL_GUID_INIT(0x34d14be3u, 0xdee4u, 0x41c8u, 0x9a, 0xe7, 0x6b, 0x17, 0x49, 0x77,     \
                  0xc1, 0x92)
/* 276aacf4-ac15-426c-98dd-7521ad3f01fe */
#define ENL_GUID_RDV                                                                     \
    ENL_GUID_INIT(0x276aacf4u, 0xac15u, 0x426cu, 0x98, 0xdd, 0x75, 0x21, 0xad, 0x3f,     \
                  0x01, 0xfe)
/* f8e65716-3cb3-4a06-9a60-1889c5cccab5 */
#define ENL_GUID_RDV_CONTROL                                                             \
    ENL_GUID_INIT(0xf8e65716u, 0x3cb3u, 0x4a06u, 0x9a, 0x60, 0x18, 0x89, 0xc5, 0xcc,     \
                  0xca, 0xb5)
/* 3375baf4-9e15-4b30-b765-67acb10d607b */
#define ENL_GUID_AVMA                                                                    \
    ENL_GUID_INIT(0x3375baf4u, 0x9e15u, 0x4b30u, 0xb7, 0x65, 0x67, 0xac, 0xb1, 0x0d,     \
                  0x60, 0x7b)
/* c376c1c3-d276-48d2-90a9-c04748072c60 */
#define ENL_GUID_VMBFS                                                                   \
    ENL_GUID_INIT(0xc376c1c3u, 0xd276u, 0x48d2u, 0x90, 0xa9, 0xc0, 0x47, 0x48, 0x07,     \
                  0x2c, 0x60)
/* 8dedd1aa-9056-49e4-bfd6-1bf90dc38ef0 */
#define ENL_GUID_GET                                                                     \
    ENL_GUID_INIT(0x8dedd1aau, 0x9056u, 0x49e4u, 0xbf, 0xd6, 0x1b, 0xf9, 0x0d, 0xc3,     \
                  0x8e, 0xf0)
/* aa5de534-d149-487a-9053-05972ba20a7c */
#define ENL_GUID_GET_LOG                                                                 \
    ENL_GUID_INIT(0xaa5de534u, 0xd149u, 0x487au, 0x90, 0x53, 0x05, 0x97, 0x2b, 0xa2,     \
                  0x0a, 0x7c)
/* 427b03e7-4ceb-4286-b5fc-486f4a1dd439 */
#define ENL_GUID_GUEST_CRASH                                                             \
    ENL_GUID_INIT(0x427b03e7u, 0x4cebu, 0x4286u, 0xb5, 0xfc, 0x48, 0x6f, 0x4a, 0x1d,     \
                  0xd4, 0x39)
/* 8b60ccf6-709f-4c11-90b5-229c959a9e6a */
#define ENL_GUID_UART                                                                    \
    ENL_GUID_INIT(0x8b60ccf6u, 0x709fu, 0x4c11u, 0x90, 0xb5, 0x22, 0x9c, 0x95, 0x9a,     \
                  0x9e, 0x6a)
/* dde9cbc0-5060-4436-9448-ea1254a5d177 */
#define ENL_GUID_DXG_GLOBAL                                                              \
    ENL_GUID_INIT(0xdde9cbc0u, 0x5060u, 0x4436u, 0x94, 0x48, 0xea, 0x12, 0x54, 0xa5,     \
                  0xd1, 0x77)
/* 6e382d18-3336-4f4b-acc4-2b7703d4df4a */
#define ENL_GUID_DXG_VGPU                                                                \
    ENL_GUID_INIT(0x6e382d18u, 0x3336u, 0x4f4bu, 0xac, 0xc4, 0x2b, 0x77, 0x03, 0xd4,     \
                  0xdf, 0x4a)

/* Instances. */
/* d34b2567-b9b6-42b9-8778-0a4ec0b955bf */
#define ENL_GUID_KEYBOARD_INSTANCE                                                       \
    ENL_GUID_INIT(0xd34b2567u, 0xb9b6u, 0x42b9u, 0x87, 0x78, 0x0a, 0x4e, 0xc0, 0xb9,     \
                  0x55, 0xbf)
/* 58f75a6d-d949-4320-99e1-a2a2576d581c */
#define ENL_GUID_MOUSE_INSTANCE                                                          \
    ENL_GUID_INIT(0x58f75a6du, 0xd949u, 0x4320u, 0x99, 0xe1, 0xa2, 0xa2, 0x57, 0x6d,     \
                  0x58, 0x1c)
/* 5620e0c7-8062-4dce-aeb7-520c7ef76171 */
#define ENL_GUID_VIDEO_INSTANCE                                                          \
    ENL_GUID_INIT(0x5620e0c7u, 0x8062u, 0x4dceu, 0xae, 0xb7, 0x52, 0x0c, 0x7e, 0xf7,     \
                  0x61, 0x71)
/* 2dd1ce17-079e-403c-b352-a1921ee207ee */
#define ENL_GUID_TIMESYNC_INSTANCE                                                       \
    ENL_GUID_INIT(0x2dd1ce17u, 0x079eu, 0x403cu, 0xb3, 0x52, 0xa1, 0x92, 0x1e, 0xe2,     \
                  0x07, 0xee)
/* b6650ff7-33bc-4840-8048-e0676786f393 */
#define ENL_GUID_SHUTDOWN_INSTANCE                                                       \
    ENL_GUID_INIT(0xb6650ff7u, 0x33bcu, 0x4840u, 0x80, 0x48, 0xe0, 0x67, 0x67, 0x86,     \
                  0xf3, 0x93)
/* 242ff919-07db-4180-9c2e-b86cb68c8c55 */
#define ENL_GUID_KVP_INSTANCE                                                            \
    ENL_GUID_INIT(0x242ff919u, 0x07dbu, 0x4180u, 0x9c, 0x2e, 0xb8, 0x6c, 0xb6, 0x8c,     \
                  0x8c, 0x55)
/* eb765408-105f-49b6-b4aa-c123b64d17d4 */
#define ENL_GUID_FCOPY_INSTANCE                                                          \
    ENL_GUID_INIT(0xeb765408u, 0x105fu, 0x49b6u, 0xb4, 0xaa, 0xc1, 0x23, 0xb6, 0x4d,     \
                  0x17, 0xd4)
/* c4e5e7d1-d748-4afc-979d-683167910a55 */
#define ENL_GUID_VMBFS_IMC_INSTANCE                                                      \
    ENL_GUID_INIT(0xc4e5e7d1u, 0xd748u, 0x4afcu, 0x97, 0x9d, 0x68, 0x31, 0x67, 0x91,     \
                  0x0a, 0x55)
/* c63c9bdf-5fa5-4208-b03f-6b458b365592 */
#define ENL_GUID_VMBFS_BOOT_INSTANCE                                                     \
    ENL_GUID_INIT(0xc63c9bdfu, 0x5fa5u, 0x4208u, 0xb0, 0x3f, 0x6b, 0x45, 0x8b, 0x36,     \
                  0x55, 0x92)

/* A service of hvsock: the first group is the port, in 32 bits. */
#define ENL_GUID_HVSOCK_PORT(port)                                                       \
    ENL_GUID_INIT((uint32_t)(port), 0xfacbu, 0x11e6u, 0xbd, 0x58, 0x64, 0x00, 0x6a,      \
                  0x79, 0x86, 0xd3)

#endif
