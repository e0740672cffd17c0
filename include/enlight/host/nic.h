/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/nic.h - a synthetic network adapter
 *
 * The NIC is one VMBus offer, and up to its sub-channel count more on request of the guest.
 * It may come and go while the guest runs: create offers it, destroy takes it back.
 */
#ifndef ENLIGHT_HOST_NIC_H
#define ENLIGHT_HOST_NIC_H

#include "enlight/host/net.h"
#include "enlight/host/vmbus.h"

#ifdef __cplusplus
extern "C" {
#endif

struct enlh_nic;

struct enlh_nic_config {
    size_t size;
    struct enl_guid instance;  /* unique for each NIC */
    const char *name;          /* "net0"; copied */
    const char *friendly_name; /* (optional) what the guest shows, UTF-8; copied */
    uint8_t mac[6];            /* an address of one station */
    uint16_t max_subchannels;  /* beside the primary channel; usually VPs - 1, up to 63 */
    uint32_t mtu;         /* most that the guest may choose; 0: what the backend takes */
    uint64_t speed;       /* bit/s, where the backend says none; 0: 10 Gbit/s */
    bool link_down;       /* at the start */
    uint32_t max_version; /* ENL_NVSP_VERSION_, for tests of older hosts; 0: newest */
    struct enlh_net net;  /* borrowed until destroy is done */
    /*
     * (optional) How the backend queue of this channel wakes its worker by descriptor.
     * Returns an eventfd that the worker waits for, or -1. Thread: loop.
     */
    int (*wake_fd)(void *ctx, struct enlh_channel *channel);
    /*
     * Run the channel's worker at every edge of fd, until unwatch. Returns 0, or
     * -ENL_E_NOMEM. Both may be NULL with a backend that has no such descriptor.
     * Thread: loop.
     */
    int (*watch)(void *ctx, struct enlh_channel *channel, int fd);
    void (*unwatch)(void *ctx, struct enlh_channel *channel, int fd);
    void *wake_ctx;
};

/*
 * Offer a NIC. Copies config; borrows bus and wake_ctx until destroy is done. Returns 0
 * and an owned NIC, -ENL_E_INVAL for a bad config, or as enlh_channel_offer().
 * Thread: loop, or one before the VPs run.
 */
ENL_MUST_CHECK int enlh_nic_create(struct enlh_vmbus *bus,
                                   const struct enlh_nic_config *config,
                                   struct enlh_nic **out);
/*
 * Rescind; the memory goes when the guest has let go of every channel. done (optional) is
 * called then, on the loop thread. A guest may still be sending: pull its cable first, and
 * destroy the NIC when enlh_nic_counters() stand still. Seen: Linux 6.1 waits without end for
 * the answer to a frame that it sent between the last turn and the rescind. Thread: loop.
 */
void enlh_nic_destroy(struct enlh_nic *nic, void (*done)(void *ctx), void *ctx);

/* Plug the cable in or out; the guest sees it while the backend's link is up. Thread: loop. */
void enlh_nic_set_link(struct enlh_nic *nic, bool up);

/* What the guest sees of the link, and its address. Thread: any. */
bool enlh_nic_link(const struct enlh_nic *nic);
void enlh_nic_mac(const struct enlh_nic *nic, uint8_t mac[6]);

struct enlh_nic_counters {
    uint64_t tx_frames, tx_bytes, tx_large; /* large: left for the backend to cut */
    uint64_t rx_frames, rx_bytes, rx_large; /* large: in several pieces */
    uint64_t rx_filtered;                   /* not for this guest */
    uint64_t rx_long;                       /* longer than the guest takes */
    uint64_t rx_waits; /* times that the receive buffer was used up */
    uint64_t control;  /* RNDIS requests answered */
    uint64_t refused;  /* the guest's malformed messages */
};
/* channel: 0 the primary one, and so on; UINT32_MAX: all. Thread: any; momentary. */
void enlh_nic_counters(const struct enlh_nic *nic, uint32_t channel,
                       struct enlh_nic_counters *out);

#ifdef __cplusplus
}
#endif
#endif
