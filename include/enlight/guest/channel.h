/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/channel.h - one channel: open, close, move; memory that is shared with it
 *
 * A channel comes with an OFFER and goes with GONE (enlight/guest/vmbus.h). In between it
 * can be opened, closed and opened again. The host may rescind it at any moment.
 *
 *   open() ... OPENED 0         send and receive (enlight/guest/packet.h)
 *          ... OPENED -error    did not work; CLOSED follows
 *   RESCINDED                   stop, then close()
 *   close() ... CLOSED          the ring's memory is yours again; GONE follows a rescind
 */
#ifndef ENLIGHT_GUEST_CHANNEL_H
#define ENLIGHT_GUEST_CHANNEL_H

#include "enlight/guest/vmbus.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_channel {
    uint64_t opaque[72];
};

/* What the offer said: copied, and checked as far as it can be. */
struct enlg_channel_info {
    struct enl_guid type;
    struct enl_guid instance;
    uint32_t relid;         /* 1 to 2047 */
    uint32_t connection_id; /* where to signal */
    uint16_t subchannel;    /* 0: the first channel of its device */
    uint16_t flags;         /* ENL_OFFER_* */
    uint16_t mmio_mib;
    uint16_t mmio_optional_mib;
    bool dedicated; /* signalled through connection_id alone */
    uint8_t user_defined[ENL_VMBUS_USER_DEFINED_LEN];
};

enum enlg_channel_event {
    ENLG_CHANNEL_OPENED,    /* status 0, or why not */
    ENLG_CHANNEL_MOVED,     /* status 0, or why not */
    ENLG_CHANNEL_RESCINDED, /* the host took it away; call enlg_channel_close() */
    /* The last event: the memory is the guest's again, save with -ENL_E_TIMEDOUT. */
    ENLG_CHANNEL_CLOSED,
};
/* status: 0 or a failure. Thread: bus. */
typedef void (*enlg_channel_event_fn)(void *ctx, struct enlg_channel *channel,
                                      enum enlg_channel_event event, int status);

struct enlg_channel_config {
    size_t size;
    /* The ring to the host, then the ring from it: whole 4096-byte pages, aligned. */
    void *ring;
    uint32_t send_len; /* bytes, header page included: a multiple of 4096, 8192 and up */
    uint32_t recv_len; /* the same */
    uint32_t vp;       /* VP index to interrupt, or ENL_VMBUS_VP_NO_INTERRUPT */
    const void *user_data;  /* (optional) for the device, copied */
    uint32_t user_data_len; /* up to 120 */
    enlg_channel_event_fn event;
    /*
     * (optional) The host signalled: there are packets, or there is room. May come once
     * more than needed, once after a close, and on the processor before a move: reuse ctx
     * only when each processor's enlg_vmbus_events() has returned once after CLOSED.
     * Thread: any, from enlg_vmbus_events().
     */
    void (*signal)(void *ctx, struct enlg_channel *channel);
    void *ctx;
};

/*
 * Open the channel: share the rings, then ask the host. Copies config; the ring is the
 * library's until CLOSED. OPENED follows.
 * Returns 0, or -ENL_E_INVAL; -ENL_E_BUSY (not closed); -ENL_E_CONNRESET (rescinded, or the
 * bus is not connected); or as enlg_port_post(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_channel_open(struct enlg_channel *channel,
                                     const struct enlg_channel_config *config);
/*
 * Close it: nobody sends or receives any more. CLOSED follows, from here or later. Tear
 * down the GPADLs made with it first.
 * Returns 0, or -ENL_E_INVAL (not open), -ENL_E_BUSY (a GPADL is left), -ENL_E_CONNRESET
 * (unloading: CLOSED comes with its end), or as enlg_port_post(): then the memory stays
 * shared until the connection ends. Thread: bus.
 */
ENL_MUST_CHECK int enlg_channel_close(struct enlg_channel *channel);

/*
 * Have the host interrupt another VP from now on; MOVED follows, and one signal, as one may
 * have been lost on the way. One that is under way may still arrive at the old VP: it is
 * passed on from there. Returns 0, or -ENL_E_NOTSUP (below 4.1),
 * -ENL_E_INVAL (not open), -ENL_E_BUSY (moving), or as enlg_port_post(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_channel_move(struct enlg_channel *channel, uint32_t vp);

bool enlg_channel_is_open(const struct enlg_channel *channel);
bool enlg_channel_is_rescinded(const struct enlg_channel *channel);
/* The VP that the host interrupts. Thread: bus. */
uint32_t enlg_channel_vp(const struct enlg_channel *channel);
/* Lives until GONE. Thread: any. */
const struct enlg_channel_info *enlg_channel_info(const struct enlg_channel *channel);
struct enlg_vmbus *enlg_channel_bus(const struct enlg_channel *channel);
/*
 * The first channel of a sub-channel's device; NULL: it is not there, or was rescinded. Of
 * a first channel, itself. Thread: bus.
 */
struct enlg_channel *enlg_channel_first(const struct enlg_channel *channel);
/* A pointer of the driver's. Thread: bus. */
void enlg_channel_set_data(struct enlg_channel *channel, void *data);
void *enlg_channel_data(const struct enlg_channel *channel);

/* ---- memory shared for a channel's device ---- */

struct enlg_gpadl {
    uint64_t opaque[16];
};

/*
 * 4 KiB pages that one GPADL can have: the list of their numbers has a length of 16 bits on
 * the wire. More memory is several GPADLs, each with a handle of its own: share
 * enlg_gpadl_fit() bytes, then the rest in the same way. A host has a limit for all of a
 * guest's together (Seen: 1280 MiB, 384 MiB on older ones), and refuses what is beyond.
 */
#define ENLG_GPADL_PAGES 8190u

/* Bytes from base on, of len, that one GPADL of one range can have. Thread: any. */
uint64_t enlg_gpadl_fit(const void *base, uint64_t len);

enum enlg_gpadl_event {
    ENLG_GPADL_CREATED, /* status 0: shared; else not, and the object is free */
    /* The object is free, and the memory the guest's again, save with -ENL_E_TIMEDOUT. */
    ENLG_GPADL_TORNDOWN,
};
typedef void (*enlg_gpadl_event_fn)(void *ctx, struct enlg_gpadl *gpadl,
                                    enum enlg_gpadl_event event, int status);

struct enlg_gpadl_range {
    void *base;   /* any address */
    uint64_t len; /* bytes, not 0 */
};

/* One range, or several that are one behind the other for the device. */
struct enlg_gpadl_config {
    void *base;   /* any address */
    uint64_t len; /* bytes; at most ENLG_GPADL_PAGES pages touched */
    enlg_gpadl_event_fn event;
    void *ctx;
    /*
     * (optional) In place of base and len. Borrowed for the call. Each range costs as much
     * of the list as a page: ranges and pages are at most ENLG_GPADL_PAGES + 1.
     */
    const struct enlg_gpadl_range *ranges;
    uint32_t range_count;
};

/*
 * Share memory with the device of an open channel. Copies config; gpadl and the memory
 * are the library's until TORNDOWN or a failed CREATED.
 * Returns 0; -ENL_E_RANGE (too long); -ENL_E_INVAL; -ENL_E_CONNRESET; or as
 * enlg_port_post(). Thread: bus. Makes a post for every 28 pages.
 */
ENL_MUST_CHECK int enlg_gpadl_create(struct enlg_gpadl *gpadl,
                                     struct enlg_channel *channel,
                                     const struct enlg_gpadl_config *config);
/* Stop sharing; TORNDOWN follows. Returns 0, or -ENL_E_INVAL, or as enlg_port_post(). */
ENL_MUST_CHECK int enlg_gpadl_teardown(struct enlg_gpadl *gpadl);
/* What the device is told. */
uint32_t enlg_gpadl_handle(const struct enlg_gpadl *gpadl);

#ifdef __cplusplus
}
#endif
#endif
