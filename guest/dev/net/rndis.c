/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/dev/net/rndis.c - RNDIS control messages: questions, and the value of an answer
 *
 * Run by the start of a NIC. A question is written into the NIC's message, whose pages the
 * host reads; an answer is a private copy, and its offsets and lengths are the host's word.
 * Offsets within a message count from behind its header. [RNDIS: enlight/abi/rndis.h]
 * Tests: test/unit/guest_net*.c, test/loop/net.c.
 */
#include "guest/dev/net/net.h"

#define HEAD_LEN     ((uint32_t)sizeof(struct enl_rndis_header))
#define MAX_TRANSFER 0x4000u /* Seen: hosts refuse less */

static uint32_t
head_fill(struct net *n, uint32_t type, uint32_t body_len)
{
    struct enl_rndis_header *head = (void *)n->message;

    head->type = type;
    head->len = HEAD_LEN + body_len;
    n->request_id++;
    return head->len;
}

static void *
body_of(struct net *n, uint32_t len)
{
    memset(n->message, 0, HEAD_LEN + len);
    return (uint8_t *)n->message + HEAD_LEN;
}

uint32_t
enlg_rndis_initialize(struct net *n)
{
    struct enl_rndis_initialize *body = body_of(n, sizeof(*body));
    uint32_t len = head_fill(n, ENL_RNDIS_INITIALIZE, sizeof(*body));

    body->request_id = n->request_id;
    body->major = ENL_RNDIS_VERSION_MAJOR;
    body->minor = ENL_RNDIS_VERSION_MINOR;
    body->max_transfer = MAX_TRANSFER;
    return len;
}

static uint32_t
oid_fill(struct net *n, uint32_t type, uint32_t oid, uint32_t value_len)
{
    struct enl_rndis_query *body = body_of(n, (uint32_t)sizeof(*body) + value_len);
    uint32_t len = head_fill(n, type, (uint32_t)sizeof(*body) + value_len);

    body->request_id = n->request_id;
    body->oid = oid;
    body->buffer_len = value_len;
    body->buffer_offset = sizeof(*body);
    return len;
}

static void *
value_of(struct net *n)
{
    return (uint8_t *)n->message + HEAD_LEN + sizeof(struct enl_rndis_query);
}

uint32_t
enlg_rndis_query(struct net *n, uint32_t oid, const void *value, uint32_t len)
{
    uint32_t message_len = oid_fill(n, ENL_RNDIS_QUERY, oid, len);

    if (value)
        memcpy(value_of(n), value, len);
    return message_len;
}

uint32_t
enlg_rndis_set(struct net *n, uint32_t oid, const void *value, uint32_t len)
{
    uint32_t message_len = oid_fill(n, ENL_RNDIS_SET, oid, len);

    memcpy(value_of(n), value, len);
    return message_len;
}

/* Any bytes without a pattern: the host hashes with them. */
static const uint8_t spread_key[ENL_NDIS_RSS_KEY_LEN] = {
    0x9d, 0x3c, 0x51, 0xe6, 0x2b, 0x74, 0xc8, 0x0f, 0x5a, 0xb1, 0x67, 0xd9, 0x1e, 0x82,
    0x4f, 0xa3, 0x36, 0xec, 0x09, 0x7d, 0xc5, 0x58, 0xf2, 0x13, 0x8e, 0x64, 0xab, 0x40,
    0xd7, 0x2c, 0x91, 0x75, 0xba, 0x06, 0xe3, 0x5f, 0x28, 0xcd, 0x14, 0x8b};

struct spread {
    struct enl_ndis_rss_parameters parameters;
    uint32_t table[ENL_NDIS_RSS_TABLE_MAX];
    uint8_t key[ENL_NDIS_RSS_KEY_LEN];
};
ENL_STATIC_ASSERT(sizeof(struct enl_rndis_header) + sizeof(struct enl_rndis_query) +
                          sizeof(struct spread) <=
                      sizeof(((struct net *)0)->message),
                  "the longest question fits the message");

/* The table goes round over the queues whose bits are set. */
static void
table_fill(uint32_t *table, uint32_t queues)
{
    uint32_t queue = 0;

    for (uint32_t i = 0; i < ENL_NDIS_RSS_TABLE_MAX; i++, queue++) {
        while (!(queues >> queue % 32 & 1))
            queue++;
        table[i] = queue % 32;
    }
}

uint32_t
enlg_rndis_set_spread(struct net *n, uint32_t queues)
{
    uint32_t len = oid_fill(n, ENL_RNDIS_SET, ENL_OID_RSS_PARAMETERS,
                            (uint32_t)sizeof(struct spread));
    struct spread *spread = value_of(n);

    spread->parameters = (struct enl_ndis_rss_parameters){
        .head = {ENL_NDIS_OBJECT_RSS_PARAMETERS, 2, sizeof(spread->parameters)},
        .hash = ENL_NDIS_HASH_TOEPLITZ | ENL_NDIS_HASH_IPV4 | ENL_NDIS_HASH_TCP_IPV4 |
                ENL_NDIS_HASH_IPV6 | ENL_NDIS_HASH_TCP_IPV6,
        .table_len = sizeof(spread->table),
        .table_offset = offsetof(struct spread, table),
        .key_len = sizeof(spread->key),
        .key_offset = offsetof(struct spread, key),
    };
    table_fill(spread->table, queues);
    memcpy(spread->key, spread_key, sizeof(spread_key));
    return len;
}

bool
enlg_rndis_value(const uint8_t *m, uint32_t m_len, void *value, uint32_t len)
{
    struct enl_rndis_query_complete answer;
    uint32_t body_len = m_len - HEAD_LEN;

    memset(value, 0, len);
    if (m_len < HEAD_LEN + sizeof(answer))
        return false;
    memcpy(&answer, m + HEAD_LEN, sizeof(answer));
    if (answer.buffer_offset > body_len ||
        answer.buffer_len > body_len - answer.buffer_offset || answer.buffer_len == 0)
        return false;
    memcpy(value, m + HEAD_LEN + answer.buffer_offset,
           answer.buffer_len < len ? answer.buffer_len : len);
    return true;
}
