/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/backend/net.h - the networks that come with Enlight
 *
 * Each create function fills in a struct enlh_net (enlight/host/net.h) to give to a NIC;
 * enlb_net_destroy() is for all of them, when every queue is closed. Two kinds stand on
 * another network and own it from then on.
 */
#ifndef ENLIGHT_BACKEND_NET_H
#define ENLIGHT_BACKEND_NET_H

#include "enlight/host/net.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ENLB_NET_REASON_LEN 160u /* bytes of a sentence that says what was wrong */
#define ENLB_NET_QUEUES_MAX 64u
#define ENLB_NET_MTU        1500u
#define ENLB_NET_MTU_MAX    65521u

/*
 * A network of its own for the guest, behind this process's sockets: DHCP, DNS, a router,
 * and ports of the host that lead to the guest. Needs no privilege. It runs on a thread of
 * its own.
 */
struct enlb_user_config {
    size_t size;
    uint32_t queues; /* 1 to ENLB_NET_QUEUES_MAX */
    uint32_t mtu;
    bool isolated;               /* no way out: only what is forwarded */
    const char *hostname;        /* (optional) what DHCP gives; copied */
    const char *const *forwards; /* "tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT" */
    size_t forward_count;
};
void enlb_user_config_defaults(struct enlb_user_config *config);
/*
 * Returns 0, or with a sentence in reason (ENLB_NET_REASON_LEN bytes): -ENL_E_INVAL (a forward
 * that is none), -ENL_E_BUSY (a port is taken), -ENL_E_NOMEM. Thread: any. Allocates.
 */
ENL_MUST_CHECK int enlb_user_create(const struct enlb_user_config *config,
                                    struct enlh_net *out, char *reason);

/*
 * A tap device of the kernel: checksums and segmentation stay with it. Of several queues,
 * those behind the first are attached to it while they are open only.
 */
struct enlb_tap_config {
    size_t size;
    const char *name; /* of a tap device; made when it is not there and may be */
    const int *fds;   /* or open ones, one for each queue; all taken when it succeeds */
    uint32_t queues;  /* with a name: how many; with fds: their number */
    uint32_t mtu;     /* 0: the device's own */
};
/*
 * Returns 0, or with a sentence in reason -ENL_E_INVAL, -ENL_E_ACCESS, -ENL_E_NODEV,
 * -ENL_E_BUSY, -ENL_E_NOMEM. Thread: any. Allocates.
 */
ENL_MUST_CHECK int enlb_tap_create(const struct enlb_tap_config *config,
                                   struct enlh_net *out, char *reason);

/*
 * passt, or another that speaks QEMU's stream protocol (a 32-bit length, then the frame),
 * behind a Unix socket. While it is not there the link is down; it is tried again every
 * second. It runs on a thread of its own. Returns 0, or -ENL_E_INVAL, -ENL_E_NOMEM.
 */
ENL_MUST_CHECK int enlb_passt_create(const char *path, uint32_t queues, uint32_t mtu,
                                     struct enlh_net *out, char *reason);

/*
 * Capture what passes to and from inner, as pcap with microseconds, into fd. Takes inner
 * and fd. A frame that is still to be cut is written whole. Returns 0, or -ENL_E_NOMEM,
 * -ENL_E_IO. Thread: any. Allocates.
 */
ENL_MUST_CHECK int enlb_pcap_create(const struct enlh_net *inner, int fd,
                                    struct enlh_net *out);

/* A bad line between the NIC and inner: for tests of what a guest does with it. */
struct enlb_link_config {
    size_t size;
    double loss;       /* of a frame, 0 to 1 */
    uint32_t delay_ms; /* of each frame */
    double reorder;    /* of a frame to overtake those that wait */
    uint64_t rate;     /* bit/s in each direction; 0: no bound */
    uint64_t seed;
};
/* Takes inner. Returns 0, -ENL_E_INVAL, -ENL_E_NOMEM. Thread: any. Allocates. */
ENL_MUST_CHECK int enlb_link_create(const struct enlh_net *inner,
                                    const struct enlb_link_config *config,
                                    struct enlh_net *out);

/* Any of them, and what it stands on. Every queue is closed. Thread: any. Blocks. */
void enlb_net_destroy(struct enlh_net *net);

#ifdef __cplusplus
}
#endif
#endif
