/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/ring_rig.h - a ring with both of its ends, in each kind of memory
 */
#ifndef TEST_UNIT_RING_RIG_H
#define TEST_UNIT_RING_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/ring.h"

enum ring_rig_kind { RIG_FLAT, RIG_DOUBLED, RIG_PAGES, RIG_KINDS };

enum { RIG_PAGES_MAX = 8 };

struct ring_rig {
    struct enl_ring_header *header;
    struct enl_ring_view view;
    struct enl_ring_producer p;
    struct enl_ring_consumer c;
    uint8_t *map;
    size_t map_len;
    uint8_t *pages[RIG_PAGES_MAX];
};

/* A new ring; of scattered pages, every second one in reverse order, when kind says so. */
void ring_rig_start(struct ring_rig *rig, enum ring_rig_kind kind, uint32_t pages);
void ring_rig_stop(struct ring_rig *rig);

/* Both ends anew, with both indices at this place. */
void ring_rig_at(struct ring_rig *rig, uint32_t index);

/* Put one inband packet of payload_len bytes that depend on seed. */
int ring_rig_put(struct ring_rig *rig, uint32_t payload_len, uint32_t seed);

/* Get one packet and see that it is the one which that put made. */
void ring_rig_expect(struct ring_rig *rig, uint32_t payload_len, uint32_t seed);

/* Write a packet's first word, as a hostile producer would, and show end bytes of it. */
void ring_rig_forge(struct ring_rig *rig, uint16_t offset8, uint16_t len8, uint32_t end);

/* Read a word of the data area. */
uint64_t ring_rig_word(const struct ring_rig *rig, uint32_t at);

#endif
