/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/vmbus.h - the bus as a guest sees it: connection, offers, rescinds, unload
 *
 * Nothing here waits for an answer: a function posts a message, and enlg_vmbus_poll()
 * takes the answers out of the message slot and makes the callbacks. So the same bus works
 * from an interrupt's lower half, a thread, or a loop of a boot loader.
 *
 * Two kinds of thread:
 *   bus      the one that calls enlg_vmbus_poll(), on the connect processor; also every
 *            function that opens, closes or changes something;
 *   channel  the one that sends and receives on a channel at this time.
 * One thread may be all of them. Callbacks come on the thread of the function that makes
 * them, and may call in again, save where it says not.
 *
 * A boot loader with interrupts off and one stack unmasks the SINT with ENLG_SINT_POLL, opens
 * channels with ENL_VMBUS_VP_NO_INTERRUPT, leaves out every signal callback, and goes round
 * in enlg_vmbus_poll() and the polls of its drivers. Nothing allocates, and no frame is
 * longer than 512 bytes.
 *
 * The host may be hostile: a message that breaks the protocol is counted and dropped. It may
 * also answer nothing: who waits bounds the wait, and ends every one with
 * enlg_vmbus_abandon().
 */
#ifndef ENLIGHT_GUEST_VMBUS_H
#define ENLIGHT_GUEST_VMBUS_H

#include "enlight/abi/vmbus.h"
#include "enlight/guest/port.h"
#include "enlight/guest/synic.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlg_channel;
struct enlg_driver;

struct enlg_vmbus {
    uint64_t opaque[640];
};

enum enlg_vmbus_state {
    ENLG_VMBUS_IDLE,       /* no connection */
    ENLG_VMBUS_CONTACTING, /* a version was asked for */
    ENLG_VMBUS_CONNECTED,  /* agreed; offers come and go */
    ENLG_VMBUS_UNLOADING,  /* leaving */
    ENLG_VMBUS_FAILED,     /* given up: by the host, which refuses, or by the kernel */
};

enum enlg_vmbus_event {
    ENLG_VMBUS_EVENT_CONNECTED,  /* offers have been asked for */
    ENLG_VMBUS_EVENT_OFFER,      /* a channel that no driver took: open it, or leave it */
    ENLG_VMBUS_EVENT_ALL_OFFERS, /* those that existed at the connect have been shown */
    ENLG_VMBUS_EVENT_GONE,     /* the channel is not there any more: forget the pointer */
    ENLG_VMBUS_EVENT_UNLOADED, /* disconnected; every shared page is the guest's again */
    ENLG_VMBUS_EVENT_FAILED,   /* no connection: see the state */
};

/* channel: the one that appeared or went; else NULL. Thread: bus. */
typedef void (*enlg_vmbus_event_fn)(void *ctx, struct enlg_vmbus *bus,
                                    enum enlg_vmbus_event event,
                                    struct enlg_channel *channel);

struct enlg_vmbus_config {
    size_t size;
    struct enlg_synic *synic;      /* of the connect processor; its SINT is unmasked */
    uint32_t sint;                 /* for messages and events; below 5.0 always 2 */
    uint32_t max_version;          /* ENL_VMBUS_VERSION_*, first to be asked for */
    uint32_t min_version;          /* last to be asked for */
    struct enlg_channel *channels; /* borrowed; at most this many offers are kept */
    uint32_t channel_count;        /* 1 to 2047 */
    /* Below 5.0: a page of interrupt bits, 4096 bytes, aligned. NULL: do not go below 5.0. */
    void *interrupt_page;
    /* (optional) Monitor pages, host to guest and guest to host: as interrupt_page. */
    void *monitor_pages[2];
    enlg_vmbus_event_fn event;
    /* (optional) A message of another type in the same slot, such as a timer's. */
    void (*message)(void *ctx, const struct enl_message *message);
    void *ctx;
    /* (optional) Who gets which channel (enlight/guest/driver.h). Borrowed. */
    const struct enlg_driver *drivers;
    uint32_t driver_count;
};
/* SINT 2, versions 5.3 down to 2.4; the rest is zero. */
void enlg_vmbus_config_defaults(struct enlg_vmbus_config *config);

/*
 * Make a bus, not connected. Borrows partition; copies config.
 * Returns 0, or -ENL_E_INVAL; -ENL_E_ACCESS: the hypervisor announces no messages or no
 * events. Thread: bus.
 */
ENL_MUST_CHECK int enlg_vmbus_init(struct enlg_vmbus *bus,
                                   const struct enlg_partition *partition,
                                   const struct enlg_vmbus_config *config);

/*
 * Ask for a connection. CONNECTED or FAILED follows. The host forgets what an earlier
 * kernel had; but an answer meant for that kernel may be taken for ours, so a kernel that
 * follows another without its unload asks once more after FAILED, and may hear CONNECTED
 * twice. Returns 0, or -ENL_E_BUSY (connected, or about to be), or as
 * enlg_port_post(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_vmbus_connect(struct enlg_vmbus *bus);

/*
 * Leave: the host closes every channel and lets go of every page; UNLOADED follows, and
 * each channel is GONE before it, with CLOSED to who had it open. Nobody may be inside a
 * channel. Below 3.0 the host does not answer: close every channel first, and UNLOADED
 * comes at once.
 * Returns 0, or -ENL_E_INVAL (not connected), -ENL_E_BUSY (below 3.0, and a channel is not
 * closed), or as enlg_port_post(). Thread: bus.
 */
ENL_MUST_CHECK int enlg_vmbus_unload(struct enlg_vmbus *bus);

/*
 * Wait no longer, and tell the host nothing: each channel ends with -ENL_E_TIMEDOUT and is
 * GONE, then FAILED follows, and connect() may try again. The host may still use every page
 * that it was given, the requests' among them: leave those alone until it is CONNECTED
 * again, when it has forgotten them, or for ever. Nothing happens without a connection.
 * Thread: bus, with nobody inside a channel.
 */
void enlg_vmbus_abandon(struct enlg_vmbus *bus);

/*
 * Handle what the slot has, at most 64 messages. Returns how many. Call it after the
 * SINT's interrupt, or as often as you like. Thread: bus.
 */
uint32_t enlg_vmbus_poll(struct enlg_vmbus *bus);
/* The same with the slot of another processor: where a host may send UNLOAD's answer. */
uint32_t enlg_vmbus_poll_synic(struct enlg_vmbus *bus, struct enlg_synic *synic);

/*
 * Take the event flags of a processor, and make the signal callback of each open channel
 * that has one. Returns how many. Thread: any, on that processor, with no other call for
 * this synic inside.
 */
uint32_t enlg_vmbus_events(struct enlg_vmbus *bus, struct enlg_synic *synic);

enum enlg_vmbus_state enlg_vmbus_state(const struct enlg_vmbus *bus);
/* The version agreed on, 0 while there is none. Thread: bus. */
uint32_t enlg_vmbus_version(const struct enlg_vmbus *bus);

/* What it was made on. Thread: any. */
const struct enlg_partition *enlg_vmbus_partition(const struct enlg_vmbus *bus);

/* Channel i of those in use, or NULL beyond the last. Thread: bus. */
struct enlg_channel *enlg_vmbus_channel(struct enlg_vmbus *bus, uint32_t i);
/*
 * This VP may not go offline: a channel interrupts it (enlight/guest/place.h moves it away),
 * or it is the connect processor, which stays. Thread: bus.
 */
bool enlg_vmbus_uses_vp(const struct enlg_vmbus *bus, uint32_t vp);

struct enlg_vmbus_counters {
    uint64_t messages;           /* from the host, of VMBus */
    uint64_t messages_malformed; /* of these: short, unknown, or never asked for */
    uint64_t offers_refused; /* no place, or a relid or instance that is there already */
};
/* Thread: bus. */
void enlg_vmbus_counters(const struct enlg_vmbus *bus, struct enlg_vmbus_counters *out);

#ifdef __cplusplus
}
#endif
#endif
