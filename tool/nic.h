/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/nic.h - what --nic takes, and the network that it opens
 */
#ifndef ENLIGHT_TOOL_NIC_H
#define ENLIGHT_TOOL_NIC_H

#include "enlight/backend/net.h"
#include "tool/accel.h"
#include "tool/option.h"
#include "vmm/machine.h"

#define ENLT_FORWARDS_MAX 16u

enum enlt_nic_kind {
    ENLT_NIC_USER,
    ENLT_NIC_TAP,
    ENLT_NIC_FD,
    ENLT_NIC_PASST,
};

struct enlt_nic {
    enum enlt_nic_kind kind;
    char list[4096];              /* as given, for the nested machine */
    char place[256];              /* the tap's name, or the socket's path */
    int fds[ENLB_NET_QUEUES_MAX]; /* of a tap, one for each queue */
    size_t fd_count;
    char forwards[ENLT_FORWARDS_MAX][64];
    size_t forward_count;
    bool isolated;
    char hostname[64];
    uint8_t mac[6];
    uint64_t queues, mtu;
    bool link_down;
    char id[ENLM_ID_LEN]; /* "": the machine gives one */
    char pcap[4096];      /* "": no capture */
    struct enlb_link_config link;
    bool has_link;
};

extern const struct enlt_key enlt_nic_keys[];

/* Read what --nic takes into nic. Returns 0, or a status after a sentence. */
int enlt_nic_parse(const char *list, struct enlt_nic *nic);
/* Open what it stands on, for a guest of so many CPUs. Returns as parse. */
int enlt_nic_open(const struct enlt_nic *nic, uint64_t cpus, struct enlm_nic *to);
/*
 * Options of the nested machine, so that a port of this machine leads to the same port of that
 * one; in nic's words the addresses of this machine are left out, which that one has not.
 */
void enlt_nic_nested(struct enlt_nic *nic, struct enlt_words *options);
void enlt_nic_words(const struct enlt_nic *nic, struct enlt_words *words);

#endif
