/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/requests.h - transaction ids that the host cannot make up
 *
 * A table of requests in flight. An id is good for one answer: an id that was never given,
 * was answered already, or belonged to an earlier request of the same slot is refused.
 * Thread: channel.
 */
#ifndef ENLIGHT_GUEST_REQUESTS_H
#define ENLIGHT_GUEST_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One request in flight; the storage is the caller's. */
struct enlg_request_slot {
    uint64_t opaque[2];
};

struct enlg_requests {
    uint64_t opaque[4];
};

/* Make a table over count (1 to 65535) slots, borrowed as long as it is used. */
void enlg_requests_init(struct enlg_requests *requests, struct enlg_request_slot *slots,
                        uint32_t count);
/* An id, never 0, for cookie (not NULL). Returns 0, or -ENL_E_AGAIN: all are in flight. */
ENL_MUST_CHECK int enlg_requests_get(struct enlg_requests *requests, void *cookie,
                                     uint64_t *id);
/* The cookie of an id, whose slot is free again; NULL: no such request. */
void *enlg_requests_put(struct enlg_requests *requests, uint64_t id);
/* Any cookie still in flight, whose slot is free again; NULL: none. For a closed channel. */
void *enlg_requests_take_any(struct enlg_requests *requests);

#ifdef __cplusplus
}
#endif
#endif
