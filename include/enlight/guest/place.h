/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/place.h - which processor a channel interrupts, and how one becomes free
 *
 * Slow devices share the connect processor; disks and networks are spread. A processor that
 * a channel interrupts may not go offline (enlg_vmbus_uses_vp()). To free it:
 *
 *     while ((left = enlg_place_evacuate(bus, vp, others, other_count)) > 0)
 *         ... enlg_vmbus_poll(), until a MOVED or an OPENED ...
 *
 * then, on that processor and before its SynIC is disabled, enlg_vmbus_events() once.
 *
 * The lists are VP indices of processors whose SynIC is enabled. Thread: bus.
 */
#ifndef ENLIGHT_GUEST_PLACE_H
#define ENLIGHT_GUEST_PLACE_H

#include "enlight/guest/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of a class that gains from several processors: a disk or a network. */
bool enlg_place_is_fast(const struct enlg_channel *channel);

/*
 * The VP for a channel that is about to be opened. For a slow device the connect VP. For a
 * fast one, of the vp_count (1 and up) given: that with the fewest channels of this device,
 * of those that with the fewest of any fast one, of those the first.
 */
uint32_t enlg_place_pick(const struct enlg_channel *channel, const uint32_t *vps,
                         uint32_t vp_count);

/* Channel number i of those that interrupt this VP or are about to; NULL beyond the last. */
struct enlg_channel *enlg_place_channel(const struct enlg_vmbus *bus, uint32_t vp,
                                        uint32_t i);

/*
 * Ask for a move of each open channel that interrupts vp to where enlg_place_pick() would
 * put it. Returns how many channels still interrupt it, because a move or an open is under
 * way or was refused: once more after a MOVED or an OPENED. 0: none; the VP may go offline.
 * -ENL_E_BUSY: it is the connect VP; -ENL_E_INVAL: vp is in the list, or the list is
 * empty; or as enlg_channel_move().
 */
ENL_MUST_CHECK int enlg_place_evacuate(struct enlg_vmbus *bus, uint32_t vp,
                                       const uint32_t *vps, uint32_t vp_count);

#ifdef __cplusplus
}
#endif
#endif
