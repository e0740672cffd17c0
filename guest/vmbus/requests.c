/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/vmbus/requests.c - transaction ids of requests in flight
 *
 * Run by a driver, with ids that the host sent back. An id is a slot's number and how often
 * the slot was used: one that was answered, or never given, finds no request.
 * Tests: test/unit/guest_packet.c.
 */
#include <string.h>

#include "enlight/abi/base.h"
#include "enlight/guest/requests.h"

#define SLOT_NONE 0xFFFFFFFFu
#define SLOT_BITS 16u

struct slot {
    void *cookie; /* NULL: free */
    uint32_t generation;
    uint32_t next; /* while free */
};
ENL_STATIC_ASSERT(sizeof(struct slot) <= sizeof(struct enlg_request_slot), "slot fits");

struct table {
    struct slot *slots;
    uint32_t count;
    uint32_t free;
};
ENL_STATIC_ASSERT(sizeof(struct table) <= sizeof(struct enlg_requests), "table fits");

static struct table *
table_of(struct enlg_requests *requests)
{
    return (struct table *)requests;
}

void
enlg_requests_init(struct enlg_requests *requests, struct enlg_request_slot *slots,
                   uint32_t count)
{
    struct table *table = table_of(requests);

    memset(requests, 0, sizeof(*requests));
    memset(slots, 0, count * sizeof(*slots));
    table->slots = (struct slot *)slots;
    table->count = count;
    table->free = 0;
    for (uint32_t i = 0; i < count; i++)
        table->slots[i].next = i + 1 < count ? i + 1 : SLOT_NONE;
}

int
enlg_requests_get(struct enlg_requests *requests, void *cookie, uint64_t *id)
{
    struct table *table = table_of(requests);
    uint32_t i = table->free;
    struct slot *slot;

    if (i == SLOT_NONE)
        return -ENL_E_AGAIN;
    slot = &table->slots[i];
    table->free = slot->next;
    slot->cookie = cookie;
    slot->generation++;
    *id = (uint64_t)slot->generation << SLOT_BITS | (i + 1);
    return 0;
}

static void *
slot_free(struct table *table, uint32_t i)
{
    struct slot *slot = &table->slots[i];
    void *cookie = slot->cookie;

    slot->cookie = NULL;
    slot->next = table->free;
    table->free = i;
    return cookie;
}

void *
enlg_requests_put(struct enlg_requests *requests, uint64_t id)
{
    struct table *table = table_of(requests);
    uint64_t number = id & ((UINT64_C(1) << SLOT_BITS) - 1);
    struct slot *slot;

    if (number == 0 || number > table->count)
        return NULL;
    slot = &table->slots[number - 1];
    if (!slot->cookie || id >> SLOT_BITS != slot->generation)
        return NULL;
    return slot_free(table, (uint32_t)number - 1);
}

void *
enlg_requests_take_any(struct enlg_requests *requests)
{
    struct table *table = table_of(requests);

    for (uint32_t i = 0; i < table->count; i++) {
        if (table->slots[i].cookie)
            return slot_free(table, i);
    }
    return NULL;
}
