/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/abi/kvp.h - the key-value pair service's message bodies
 *
 * Data only. The host asks for one item of one pool of the guest at a time, or for the
 * addresses of one of its network adapters; the guest returns the message, filled in, and
 * ENL_IC_STATUS_NO_MORE_ITEMS for an item that it does not have. Text is UTF-16LE with a
 * zero at its end, and lengths are bytes that count it.
 */
#ifndef ENLIGHT_ABI_KVP_H
#define ENLIGHT_ABI_KVP_H

#include "enlight/abi/base.h"

/* Message versions: initialisers of struct enl_ic_version (ic.h). */
#define ENL_KVP_VERSION_1_0                                                              \
    {                                                                                    \
        1, 0                                                                             \
    }
#define ENL_KVP_VERSION_3_0                                                              \
    {                                                                                    \
        3, 0                                                                             \
    }
#define ENL_KVP_VERSION_4_0                                                              \
    {                                                                                    \
        4, 0                                                                             \
    }

/* operation */
#define ENL_KVP_GET       0u /* struct enl_kvp_item; key in, value out */
#define ENL_KVP_SET       1u /* struct enl_kvp_item */
#define ENL_KVP_DELETE    2u /* struct enl_kvp_delete */
#define ENL_KVP_ENUMERATE 3u /* struct enl_kvp_enumerate; index in, key and value out */
#define ENL_KVP_GET_IP    4u /* struct enl_kvp_ip; from 4.0 */
#define ENL_KVP_SET_IP    5u /* struct enl_kvp_ip; from 4.0 */

/* pool: who writes it, who reads it */
#define ENL_KVP_POOL_EXTERNAL      0u /* the host's user writes, the guest reads */
#define ENL_KVP_POOL_GUEST         1u /* the guest's user writes, the host reads */
#define ENL_KVP_POOL_AUTO          2u /* the guest tells of itself */
#define ENL_KVP_POOL_AUTO_EXTERNAL 3u /* the host tells of itself */
#define ENL_KVP_POOL_AUTO_INTERNAL 4u
#define ENL_KVP_POOLS              5u

#define ENL_KVP_KEY_LEN   512u
#define ENL_KVP_VALUE_LEN 2048u

/* value_type */
#define ENL_KVP_STRING        1u
#define ENL_KVP_EXPAND_STRING 2u
#define ENL_KVP_U32           4u
#define ENL_KVP_U64           11u

struct enl_kvp_value {
    uint32_t value_type; /* ENL_KVP_STRING, ... */
    uint32_t key_len;
    uint32_t value_len;
    uint8_t key[ENL_KVP_KEY_LEN];
    uint8_t value[ENL_KVP_VALUE_LEN];
};
ENL_ABI_SIZE(struct enl_kvp_value, 2572);
ENL_ABI_AT(struct enl_kvp_value, key, 12);
ENL_ABI_AT(struct enl_kvp_value, value, 524);

struct enl_kvp_header {
    uint8_t operation; /* ENL_KVP_GET, ... */
    uint8_t pool;      /* ENL_KVP_POOL_ */
    uint8_t reserved[2];
};
ENL_ABI_SIZE(struct enl_kvp_header, 4);
ENL_ABI_AT(struct enl_kvp_header, pool, 1);

struct enl_kvp_item {
    struct enl_kvp_header header;
    struct enl_kvp_value data;
};
ENL_ABI_SIZE(struct enl_kvp_item, 2576);
ENL_ABI_AT(struct enl_kvp_item, data, 4);

struct enl_kvp_enumerate {
    struct enl_kvp_header header;
    uint32_t index;
    struct enl_kvp_value data;
};
ENL_ABI_SIZE(struct enl_kvp_enumerate, 2580);
ENL_ABI_AT(struct enl_kvp_enumerate, index, 4);
ENL_ABI_AT(struct enl_kvp_enumerate, data, 8);

struct enl_kvp_delete {
    struct enl_kvp_header header;
    uint32_t key_len;
    uint8_t key[ENL_KVP_KEY_LEN];
};
ENL_ABI_SIZE(struct enl_kvp_delete, 520);
ENL_ABI_AT(struct enl_kvp_delete, key, 8);

/* Every message about items is as long as the longest of them. */
#define ENL_KVP_ITEM_LEN 2580u

/* families, a mask */
#define ENL_KVP_IPV4 0x1u
#define ENL_KVP_IPV6 0x2u

/*
 * Lists of addresses are parted by semicolons. adapter is the NIC's MAC address ("00:15:5D:
 * ...") in GET_IP and its instance GUID in braces in SET_IP. Unlike the others this message
 * has nothing between the pool and what follows.
 */
struct enl_kvp_ip {
    uint8_t operation; /* ENL_KVP_GET_IP, ENL_KVP_SET_IP */
    uint8_t pool;
    uint8_t adapter[256];
    uint8_t families; /* ENL_KVP_IPV4, ENL_KVP_IPV6 */
    uint8_t dhcp;     /* 1: the addresses come from DHCP */
    uint8_t address[2048];
    uint8_t subnet[2048];
    uint8_t gateway[1024];
    uint8_t dns[2048];
};
ENL_ABI_SIZE(struct enl_kvp_ip, 7428);
ENL_ABI_AT(struct enl_kvp_ip, adapter, 2);
ENL_ABI_AT(struct enl_kvp_ip, families, 258);
ENL_ABI_AT(struct enl_kvp_ip, address, 260);
ENL_ABI_AT(struct enl_kvp_ip, subnet, 2308);
ENL_ABI_AT(struct enl_kvp_ip, gateway, 4356);
ENL_ABI_AT(struct enl_kvp_ip, dns, 5380);

#endif
