/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/driver.h - which driver gets which channel
 *
 * A table of drivers is part of the bus's config. A channel that appears goes to the first
 * driver of its class that takes it; a sub-channel goes to the driver that has the first
 * channel of its device, whichever of the two the host shows first. A channel that nobody
 * takes is an OFFER event of the bus, and at its end a GONE event.
 *
 *   probe() says 0    the channel is the driver's: it opens it, now or later
 *   remove()          the channel is not there any more: forget the pointer
 *
 * A rescind of an open channel comes to whoever opened it (enlight/guest/channel.h), and
 * remove() after its close.
 *
 * Thread: bus, for every function and callback. A callback may open or close channels, but
 * not poll the bus.
 */
#ifndef ENLIGHT_GUEST_DRIVER_H
#define ENLIGHT_GUEST_DRIVER_H

#include "enlight/guest/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_driver {
    struct enl_guid type; /* ENL_GUID_* (enlight/abi/guids.h) */
    /* A first channel. Say 0 to take it, or a failure. */
    int (*probe)(void *ctx, struct enlg_channel *channel);
    /* (optional) A sub-channel of a channel that was taken. Say the same. */
    int (*probe_sub)(void *ctx, struct enlg_channel *channel, struct enlg_channel *first);
    /* (optional) A channel that was taken is gone, or was unbound. */
    void (*remove)(void *ctx, struct enlg_channel *channel);
    void *ctx;
};

/*
 * Offer a channel to the drivers once more: one that was unbound, or that nobody wanted.
 * Returns 0; -ENL_E_BUSY: a driver has it, or it is not closed; -ENL_E_NODEV: nobody takes
 * it; -ENL_E_CONNRESET: rescinded.
 */
ENL_MUST_CHECK int enlg_driver_bind(struct enlg_channel *channel);
/*
 * Take a channel away from its driver, which has closed it; remove() is called. Returns 0;
 * -ENL_E_INVAL: no driver has it; -ENL_E_BUSY: it is not closed.
 */
ENL_MUST_CHECK int enlg_driver_unbind(struct enlg_channel *channel);
/* The driver that has it, or NULL. */
const struct enlg_driver *enlg_driver_of(const struct enlg_channel *channel);

#ifdef __cplusplus
}
#endif
#endif
