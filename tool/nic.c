/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/nic.c - the words of --nic, and opening the network that they name
 *
 * Run by the user's words, at the start or over the control socket. The first word says what
 * the NIC stands on; a capture or a bad line goes between the two.
 * Tests: test/unit/tool_nic.c.
 */
#include "tool/nic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/status.h"

#define USER_QUEUES 8u /* of one thread: more channels than that gain nothing */

const struct enlt_key enlt_nic_keys[] = {
    {"user", NULL, "a network behind this process: DHCP, DNS, a way out (the default)"},
    {"hostfwd", "tcp::8080-:80", "of user: a port of the host that leads to the guest"},
    {"restrict", "on|off", "of user: no way out (off)"},
    {"hostname", "NAME", "of user: what DHCP tells the guest"},
    {"tap", "NAME", "a tap device, which is made if it is not there"},
    {"fd", "N", "a tap device open as descriptor N; again for another queue"},
    {"passt", "SOCKET", "passt, or another with QEMU's stream protocol"},
    {"mac", "XX:XX:XX:XX:XX:XX", "the address (00:15:5d:e1:16:00 and on)"},
    {"queues", "N", "channels of the guest at most (user: one for each CPU; tap: 1)"},
    {"mtu", "N", "the largest that the guest may choose (1500; tap: the device's)"},
    {"link", "on|off", "the cable at the start (on)"},
    {"id", "NAME", "its name on the control socket (net0 and so on)"},
    {"pcap", "FILE", "write what passes to a capture"},
    {"loss", "PERCENT", "lose that many frames"},
    {"delay", "MS", "hold each frame so long"},
    {"reorder", "PERCENT", "let that many frames overtake"},
    {"rate", "BITS", "bits in a second, each way"},
    {"seed", "N", "of what is lost and overtakes (1)"},
    {0},
};

static int
parse_mac(const char *value, uint8_t mac[6])
{
    unsigned byte[6];
    char end;

    if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3],
               &byte[4], &byte[5], &end) != 6 ||
        strlen(value) != 17 || (byte[0] & 1))
        return enlt_fail(ENLT_USAGE,
                         "--nic: '%.40s' is no address of one station, such as "
                         "00:15:5d:e1:16:00.",
                         value);
    for (int i = 0; i < 6; i++)
        mac[i] = (uint8_t)byte[i];
    return 0;
}

static int
parse_share(const char *key, const char *value, double *share)
{
    char *end;
    double percent = strtod(value, &end);

    if (end == value || *end || !(percent >= 0 && percent <= 100))
        return enlt_fail(ENLT_USAGE,
                         "--nic: %s takes 0 to 100 per cent, and got '%.40s'.", key,
                         value);
    *share = percent / 100;
    return 0;
}

static int
copy_text(const char *key, const char *value, char *to, size_t size)
{
    if (!*value || strlen(value) >= size)
        return enlt_fail(ENLT_USAGE, "--nic: %s needs a text of 1 to %zu characters.",
                         key, size - 1);
    snprintf(to, size, "%s", value);
    return 0;
}

static int
set_fd(struct enlt_nic *nic, const char *value)
{
    uint64_t fd;
    int status;

    if (nic->fd_count == ENLB_NET_QUEUES_MAX)
        return enlt_fail(ENLT_USAGE, "--nic: at most %u times fd.", ENLB_NET_QUEUES_MAX);
    nic->kind = ENLT_NIC_FD;
    status = enlt_parse_number("nic fd", value, INT32_MAX, &fd);
    if (!status)
        nic->fds[nic->fd_count++] = (int)fd;
    return status;
}

static int
set_place(struct enlt_nic *nic, enum enlt_nic_kind kind, const struct enlt_pairs *pair)
{
    nic->kind = kind;
    return copy_text(pair->key, pair->value, nic->place, sizeof(nic->place));
}

static int
set_forward(struct enlt_nic *nic, const char *value)
{
    if (nic->forward_count == ENLT_FORWARDS_MAX)
        return enlt_fail(ENLT_USAGE, "--nic: at most %u times hostfwd.",
                         ENLT_FORWARDS_MAX);
    return copy_text("hostfwd", value, nic->forwards[nic->forward_count++],
                     sizeof(nic->forwards[0]));
}

/* A line that is not bad has no words about it. */
static int
set_link_key(struct enlt_nic *nic, const char *key, const char *value)
{
    uint64_t number;
    int status;

    nic->has_link = true;
    if (!strcmp(key, "loss"))
        return parse_share(key, value, &nic->link.loss);
    if (!strcmp(key, "reorder"))
        return parse_share(key, value, &nic->link.reorder);
    if (!strcmp(key, "rate"))
        return enlt_parse_size("nic rate", value, &nic->link.rate);
    if (!strcmp(key, "seed"))
        return enlt_parse_number("nic seed", value, UINT64_MAX, &nic->link.seed);
    status = enlt_parse_number("nic delay", value, 60000, &number);
    nic->link.delay_ms = (uint32_t)number;
    return status;
}

static int
set_switch(const char *key, const char *value, bool *on)
{
    char name[48];

    snprintf(name, sizeof(name), "nic %s", key);
    return enlt_parse_switch(name, value, on);
}

static int
set_key(struct enlt_nic *nic, const struct enlt_pairs *pair)
{
    static const char *const link_keys = " loss delay reorder rate seed ";
    const char *key = pair->key, *value = pair->value;
    char word[48];
    bool on = true;
    int status;

    if (!strcmp(key, "user") && !pair->has_value)
        return 0;
    if (!strcmp(key, "tap"))
        return set_place(nic, ENLT_NIC_TAP, pair);
    if (!strcmp(key, "fd"))
        return set_fd(nic, value);
    if (!strcmp(key, "passt"))
        return set_place(nic, ENLT_NIC_PASST, pair);
    if (!strcmp(key, "hostfwd"))
        return set_forward(nic, value);
    if (!strcmp(key, "hostname"))
        return copy_text(key, value, nic->hostname, sizeof(nic->hostname));
    if (!strcmp(key, "restrict"))
        return set_switch(key, value, &nic->isolated);
    if (!strcmp(key, "mac"))
        return parse_mac(value, nic->mac);
    if (!strcmp(key, "queues"))
        return enlt_parse_number("nic queues", value, ENLB_NET_QUEUES_MAX, &nic->queues);
    if (!strcmp(key, "mtu"))
        return enlt_parse_number("nic mtu", value, ENLB_NET_MTU_MAX, &nic->mtu);
    if (!strcmp(key, "id"))
        return copy_text(key, value, nic->id, sizeof(nic->id));
    if (!strcmp(key, "pcap"))
        return copy_text(key, value, nic->pcap, sizeof(nic->pcap));
    if (!strcmp(key, "link")) {
        status = set_switch(key, value, &on);
        nic->link_down = !on;
        return status;
    }
    snprintf(word, sizeof(word), " %s ", key);
    if (strstr(link_keys, word))
        return set_link_key(nic, key, value);
    return enlt_fail(ENLT_USAGE,
                     "--nic: '%s=%.40s' is not something a NIC has; see "
                     "'enlight run --help'.",
                     key, value);
}

int
enlt_nic_parse(const char *list, struct enlt_nic *nic)
{
    struct enlt_pairs pair;
    int more;

    memset(nic, 0, sizeof(*nic));
    nic->link = (struct enlb_link_config){.size = sizeof(nic->link), .seed = 1};
    if (strlen(list) >= sizeof(nic->list))
        return enlt_fail(ENLT_USAGE, "--nic: the list is too long.");
    snprintf(nic->list, sizeof(nic->list), "%s", list);
    enlt_pairs_start(&pair, list);
    while ((more = enlt_pairs_next(&pair, "nic")) == 1) {
        int status = set_key(nic, &pair);

        if (status)
            return status;
    }
    if (!more && nic->kind != ENLT_NIC_USER &&
        (nic->forward_count || nic->isolated || nic->hostname[0]))
        return enlt_fail(ENLT_USAGE,
                         "--nic: hostfwd, restrict and hostname belong to user.");
    return more;
}

void
enlt_nic_words(const struct enlt_nic *nic, struct enlt_words *words)
{
    enlt_words_add(words, "--nic");
    enlt_words_add(words, "%s", nic->list[0] ? nic->list : "user");
}

/* From "tcp:ADDRESS:PORT-..." on, the address goes. */
static void
forget_address(char *forward)
{
    char *address = forward + strcspn(forward, ":");
    char *port;

    if (!*address)
        return;
    address++;
    port = address + strcspn(address, ":,");
    if (*port == ':')
        memmove(address, port, strlen(port) + 1);
}

void
enlt_nic_nested(struct enlt_nic *nic, struct enlt_words *options)
{
    static const char key[] = "hostfwd=";
    char *at = nic->list;

    for (size_t i = 0; i < nic->forward_count; i++) {
        enlt_words_add(options, "--forward");
        enlt_words_add(options, "%.*s", (int)strcspn(nic->forwards[i], "-"),
                       nic->forwards[i]);
    }
    while ((at = strstr(at, key)) != NULL) {
        at += sizeof(key) - 1;
        forget_address(at);
    }
}

/* ---- opening ---- */

static enum enlt_status
net_status(int error)
{
    return error == -ENL_E_ACCESS  ? ENLT_NO_PERMISSION
           : error == -ENL_E_INVAL ? ENLT_USAGE
           : error == -ENL_E_NOMEM ? ENLT_VMM_ERROR
                                   : ENLT_NO_HOST;
}

static int
open_user(const struct enlt_nic *nic, uint64_t cpus, struct enlh_net *net, char *reason)
{
    const char *forwards[ENLT_FORWARDS_MAX];
    struct enlb_user_config config;

    enlb_user_config_defaults(&config);
    for (size_t i = 0; i < nic->forward_count; i++)
        forwards[i] = nic->forwards[i];
    config.queues = (uint32_t)(cpus < USER_QUEUES ? cpus : USER_QUEUES);
    if (nic->queues)
        config.queues = (uint32_t)nic->queues;
    if (nic->mtu)
        config.mtu = (uint32_t)nic->mtu;
    config.isolated = nic->isolated;
    config.hostname = nic->hostname[0] ? nic->hostname : NULL;
    config.forwards = forwards;
    config.forward_count = nic->forward_count;
    return enlb_user_create(&config, net, reason);
}

static int
open_tap(const struct enlt_nic *nic, struct enlh_net *net, char *reason)
{
    struct enlb_tap_config config = {.size = sizeof(config), .mtu = (uint32_t)nic->mtu};

    if (nic->kind == ENLT_NIC_FD) {
        config.fds = nic->fds;
        config.queues = (uint32_t)nic->fd_count;
    } else {
        config.name = nic->place;
        config.queues = nic->queues ? (uint32_t)nic->queues : 1;
    }
    return enlb_tap_create(&config, net, reason);
}

static int
open_network(const struct enlt_nic *nic, uint64_t cpus, struct enlh_net *net,
             char *reason)
{
    uint32_t queues = (uint32_t)(cpus < USER_QUEUES ? cpus : USER_QUEUES);

    if (nic->kind == ENLT_NIC_USER)
        return open_user(nic, cpus, net, reason);
    if (nic->kind != ENLT_NIC_PASST)
        return open_tap(nic, net, reason);
    return enlb_passt_create(nic->place, nic->queues ? (uint32_t)nic->queues : queues,
                             nic->mtu ? (uint32_t)nic->mtu : ENLB_NET_MTU, net, reason);
}

/* What is stacked takes what is below it, and gives it back when it fails. */
static int
stack_pcap(const struct enlt_nic *nic, struct enlh_net *net, char *reason)
{
    /* The open of a pipe without a reader would wait for one; later writes do wait. */
    int fd = open(nic->pcap, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644);
    int error;

    if (fd < 0) {
        snprintf(reason, ENLB_NET_REASON_LEN, "%.60s cannot be written: %s", nic->pcap,
                 strerror(errno));
        return errno == EACCES ? -ENL_E_ACCESS : -ENL_E_NOENT;
    }
    (void)fcntl(fd, F_SETFL, 0);
    error = enlb_pcap_create(net, fd, net);
    if (error)
        close(fd);
    return error;
}

static int
stack(const struct enlt_nic *nic, struct enlh_net *net, char *reason)
{
    int error = 0;

    if (nic->has_link)
        error = enlb_link_create(net, &nic->link, net);
    if (!error && nic->pcap[0])
        error = stack_pcap(nic, net, reason);
    if (error)
        enlb_net_destroy(net);
    return error;
}

int
enlt_nic_open(const struct enlt_nic *nic, uint64_t cpus, struct enlm_nic *to)
{
    char reason[ENLB_NET_REASON_LEN] = "";
    int error;

    memset(to, 0, sizeof(*to));
    error = open_network(nic, cpus, &to->net, reason);
    if (!error) {
        reason[0] = 0;
        error = stack(nic, &to->net, reason);
    }
    if (error)
        return enlt_fail(net_status(error), "--nic: %s.",
                         reason[0] ? reason : strerror(-error));
    to->release = enlb_net_destroy;
    memcpy(to->mac, nic->mac, sizeof(to->mac));
    to->queues = (uint32_t)nic->queues;
    to->mtu = (uint32_t)nic->mtu;
    to->link_down = nic->link_down;
    to->id = nic->id[0] ? nic->id : NULL;
    return 0;
}
