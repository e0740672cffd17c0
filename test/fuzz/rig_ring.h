/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/fuzz/rig_ring.h - common/ring.c as a part of the target, and a peer that writes
 *
 * Loads and copies of the ring's code are hooked: while the spoiler is active, each of them
 * is a moment at which the peer may write any word of the shared memory. To be included
 * first, by a file that wants it.
 */
#ifndef TEST_FUZZ_RIG_RING_H
#define TEST_FUZZ_RIG_RING_H

#include <string.h>

static void spoil(void);
#define memcpy(to, from, len)         (spoil(), (memcpy)(to, from, len))
#define __atomic_load_n(field, order) (spoil(), __atomic_load_n(field, order))
#include "common/ring.c"
#undef memcpy
#undef __atomic_load_n

#include "rig.h"

static struct spoiler {
    struct rig_input *in;
    bool active;
    uint8_t wait; /* so many moments to the next write; 0: no more */
    struct enl_ring_view *view[2];
} spoiler;

static uint32_t
spoil_index(struct rig_input *in, const struct enl_ring_view *view, uint32_t now)
{
    uint8_t kind = rig_u8(in);

    if (kind < 0x80)
        return (now + (kind & 0x7fu) * 8u) % view->size;
    if (kind < 0xe0)
        return rig_u16(in) % view->size & ~7u;
    return kind < 0xf0 ? now + kind : rig_u32(in);
}

static void
spoil_header(struct rig_input *in, const struct enl_ring_view *view)
{
    struct enl_ring_header *header = view->header;

    switch (rig_below(in, 5)) {
    case 0:
        header->write_index = spoil_index(in, view, header->write_index);
        break;
    case 1:
        header->read_index = spoil_index(in, view, header->read_index);
        break;
    case 2:
        header->interrupt_mask = rig_u8(in);
        break;
    case 3:
        header->pending_send_size = rig_u16(in);
        break;
    default:
        header->feature_bits = rig_u8(in);
        break;
    }
}

/* A descriptor's word, or any, at a place where one may begin. */
static void
spoil_data(struct rig_input *in, const struct enl_ring_view *view)
{
    uint32_t at = spoil_index(in, view, view->header->read_index) % view->size & ~7u;
    uint64_t word = rig_u64(in);

    if (rig_below(in, 2))
        word = (word & 0x000f001f003f000f) | UINT64_C(0x0000000300020000);
    *word_at(view, at) = word;
}

static void
spoil_now(struct rig_input *in)
{
    uint8_t kind = rig_u8(in);
    const struct enl_ring_view *view = spoiler.view[kind & 1];

    if (kind & 2)
        spoil_header(in, view);
    else
        spoil_data(in, view);
}

static void
spoil(void)
{
    if (!spoiler.active || spoiler.wait == 0 || --spoiler.wait != 0)
        return;
    spoiler.active = false;
    spoil_now(spoiler.in);
    spoiler.wait = rig_u8(spoiler.in);
    spoiler.active = true;
}

#endif
