/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/user.c - a network behind this process's own sockets, by libslirp
 *
 * Runs on a thread of its own, the only one that calls libslirp; channels reach it through a
 * stage. Frames of the guest are libslirp's to check; a frame that was left whole for
 * cutting is given to it whole, because it takes a TCP segment of any length.
 * Tests: test/unit/net_user.c, test/os (DN01 and on).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/net/net.h"

#define TIMERS   8
#define POLL_MAX 1024
#define OWN_NET  0x0a000200u /* 10.0.2.0/24, as everywhere */
#define NEVER    INT64_MAX
#define WAIT_MAX 1000u /* ms */

struct user_timer {
    bool taken;
    SlirpTimerId id;
    void *ctx;
    int64_t due_ms;
};

struct user {
    struct enlb_net_base base;
    struct enlb_stage stage;
    struct enlb_merge merge;
    Slirp *slirp;
    struct user_timer timers[TIMERS];
    struct pollfd polled[POLL_MAX];
    int polled_count;
    int bell; /* eventfd: frames, or the end */
    atomic_bool stop;
    bool has_thread;
    pthread_t thread;
};

/* ---- what libslirp asks for ---- */

static int64_t
now_ns(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Give the guest what may still have grown. */
static void
let_go(struct user *user)
{
    struct enlb_packet *packet = enlb_merge_take(&user->merge);

    if (packet)
        enlb_stage_bring(&user->stage, packet);
}

static bool
may_merge(const struct user *user)
{
    const uint32_t both = ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6;

    return (atomic_load(&user->stage.offloads) & both) == both;
}

/* What it sends has whole checksums, and never left this machine on a wire. */
static ssize_t
send_packet(const void *bytes, size_t len, void *ctx)
{
    struct user *user = ctx;
    struct enlb_packet *packet;

    if (len > ENLH_NET_FRAME_MAX)
        return (ssize_t)len;
    if (enlb_merge_add(&user->merge, bytes, (uint32_t)len))
        return (ssize_t)len;
    let_go(user);
    packet = enlb_packet_make((uint32_t)len);
    if (!packet)
        return (ssize_t)len;
    memcpy(packet->bytes, bytes, len);
    packet->offload.flags = ENLH_NET_CHECKSUM_GOOD;
    if (!may_merge(user) || !enlb_merge_begin(&user->merge, packet))
        enlb_stage_bring(&user->stage, packet);
    return (ssize_t)len;
}

static void
guest_error(const char *text, void *ctx)
{
    (void)text;
    (void)ctx;
}

static void *
timer_new(SlirpTimerId id, void *timer_ctx, void *ctx)
{
    struct user *user = ctx;

    for (int i = 0; i < TIMERS; i++) {
        if (!user->timers[i].taken) {
            user->timers[i] = (struct user_timer){true, id, timer_ctx, NEVER};
            return &user->timers[i];
        }
    }
    return NULL;
}

static void
timer_free(void *timer, void *ctx)
{
    (void)ctx;
    if (timer)
        ((struct user_timer *)timer)->taken = false;
}

static void
timer_mod(void *timer, int64_t due_ms, void *ctx)
{
    (void)ctx;
    if (timer)
        ((struct user_timer *)timer)->due_ms = due_ms;
}

static void
watch_fd(int fd, void *ctx)
{
    (void)fd;
    (void)ctx;
}

static void
ring(void *ctx)
{
    struct user *user = ctx;
    uint64_t one = 1;

    (void)!write(user->bell, &one, sizeof(one));
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = now_ns,
    .timer_new_opaque = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = watch_fd,
    .unregister_poll_fd = watch_fd,
    .notify = ring,
};

/* ---- its thread ---- */

static int
add_poll(int fd, int events, void *ctx)
{
    struct user *user = ctx;
    short wanted = 0;

    if (user->polled_count == POLL_MAX)
        return -1;
    if (events & SLIRP_POLL_IN)
        wanted |= POLLIN;
    if (events & SLIRP_POLL_OUT)
        wanted |= POLLOUT;
    if (events & SLIRP_POLL_PRI)
        wanted |= POLLPRI;
    user->polled[user->polled_count] = (struct pollfd){.fd = fd, .events = wanted};
    return user->polled_count++;
}

static int
get_events(int index, void *ctx)
{
    const struct user *user = ctx;
    short got = index < 0 ? 0 : user->polled[index].revents;
    int events = 0;

    if (got & POLLIN)
        events |= SLIRP_POLL_IN;
    if (got & POLLOUT)
        events |= SLIRP_POLL_OUT;
    if (got & POLLPRI)
        events |= SLIRP_POLL_PRI;
    if (got & POLLERR)
        events |= SLIRP_POLL_ERR;
    if (got & POLLHUP)
        events |= SLIRP_POLL_HUP;
    return events;
}

static uint32_t
wait_for_timers(const struct user *user, uint32_t wait_ms)
{
    int64_t now = now_ns(NULL) / 1000000;

    for (int i = 0; i < TIMERS; i++) {
        const struct user_timer *timer = &user->timers[i];

        if (!timer->taken || timer->due_ms == NEVER)
            continue;
        if (timer->due_ms <= now)
            return 0;
        if (timer->due_ms - now < wait_ms)
            wait_ms = (uint32_t)(timer->due_ms - now);
    }
    return wait_ms;
}

static void
run_timers(struct user *user)
{
    int64_t now = now_ns(NULL) / 1000000;

    for (int i = 0; i < TIMERS; i++) {
        struct user_timer *timer = &user->timers[i];

        if (!timer->taken || timer->due_ms > now)
            continue;
        timer->due_ms = NEVER;
        slirp_handle_timer(user->slirp, timer->id, timer->ctx);
    }
}

static void
take_frames(struct user *user)
{
    struct enlb_packet_list list;
    struct enlb_packet *packet;

    enlb_stage_take(&user->stage, &list);
    while ((packet = enlb_packet_list_take(&list))) {
        slirp_input(user->slirp, packet->bytes, (int)packet->len);
        free(packet);
    }
}

static void *
run(void *ctx)
{
    struct user *user = ctx;

    while (!atomic_load(&user->stop)) {
        uint32_t wait_ms = WAIT_MAX;
        uint64_t count;
        int result;

        user->polled[0] = (struct pollfd){.fd = user->bell, .events = POLLIN};
        user->polled_count = 1;
        slirp_pollfds_fill(user->slirp, &wait_ms, add_poll, user);
        wait_ms = wait_for_timers(user, wait_ms);
        result = poll(user->polled, (nfds_t)user->polled_count, (int)wait_ms);
        if (user->polled[0].revents & POLLIN)
            (void)!read(user->bell, &count, sizeof(count));
        slirp_pollfds_poll(user->slirp, result < 0 && errno != EINTR, get_events, user);
        run_timers(user);
        take_frames(user);
        let_go(user);
        enlb_stage_show(&user->stage);
    }
    return NULL;
}

static int
start_thread(struct user *user)
{
    sigset_t all, old;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&user->thread, NULL, run, user);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    user->has_thread = !err;
    return err ? -ENL_E_NOMEM : 0;
}

/* ---- forwards ---- */

/* "ADDRESS:PORT" up to end; an empty address leaves *address as it is. */
static bool
parse_end(const char *text, const char *end, struct in_addr *address, int *port)
{
    const char *colon = memchr(text, ':', (size_t)(end - text));
    char name[INET_ADDRSTRLEN];
    char *rest;
    long number;

    if (!colon || (size_t)(colon - text) >= sizeof(name) || colon + 1 == end)
        return false;
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = 0;
    if (name[0] && inet_pton(AF_INET, name, address) != 1)
        return false;
    number = strtol(colon + 1, &rest, 10);
    *port = (int)number;
    return rest == end && number > 0 && number < 65536;
}

static int
forward(struct user *user, const char *text, char *reason)
{
    struct in_addr host = {.s_addr = htonl(INADDR_ANY)};
    struct in_addr guest = {.s_addr = htonl(OWN_NET | 15)};
    const char *dash = strchr(text, '-');
    bool udp = !strncmp(text, "udp:", 4);
    int host_port, guest_port;

    if ((!udp && strncmp(text, "tcp:", 4) != 0) || !dash ||
        !parse_end(text + 4, dash, &host, &host_port) ||
        !parse_end(dash + 1, dash + strlen(dash), &guest, &guest_port)) {
        snprintf(reason, ENLB_NET_REASON_LEN,
                 "'%.60s' is no forward: it has the form tcp::8080-:80", text);
        return -ENL_E_INVAL;
    }
    if (slirp_add_hostfwd(user->slirp, udp, host, host_port, guest, guest_port) == 0)
        return 0;
    snprintf(reason, ENLB_NET_REASON_LEN, "port %d of the host cannot be had: %s",
             host_port, strerror(errno));
    return -ENL_E_BUSY;
}

/* ---- the contract ---- */

static void
user_info(void *backend, struct enlh_net_info *out)
{
    *out = ((const struct user *)backend)->stage.info;
}

static void
user_link(void *backend, struct enlh_net_link *out)
{
    (void)backend;
    *out = (struct enlh_net_link){.up = true};
}

static void
user_setup(void *backend, const struct enlh_net_setup *setup)
{
    enlb_stage_setup(&((struct user *)backend)->stage, setup);
}

static int
user_queue_open(void *backend, uint32_t index, const struct enlh_partition *partition,
                const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    *fd = -1;
    return enlb_stage_open(&((struct user *)backend)->stage, index, partition, wake, out);
}

static void
user_queue_close(void *backend, struct enlh_net_queue *queue)
{
    enlb_stage_close(&((struct user *)backend)->stage, queue);
}

static const struct enlh_net_ops user_ops = {
    .size = sizeof(user_ops),
    .info = user_info,
    .link = user_link,
    .setup = user_setup,
    .queue_open = user_queue_open,
    .queue_close = user_queue_close,
    .transmit = enlb_stage_transmit,
    .kick = enlb_stage_kick,
    .reap = enlb_stage_reap,
    .cancel = enlb_stage_cancel,
    .receive = enlb_stage_receive,
};

/* ---- life ---- */

static void
user_destroy(void *backend)
{
    struct user *user = backend;

    if (user->has_thread) {
        atomic_store(&user->stop, true);
        ring(user);
        pthread_join(user->thread, NULL);
    }
    if (user->slirp)
        slirp_cleanup(user->slirp);
    free(enlb_merge_take(&user->merge));
    if (user->bell >= 0)
        close(user->bell);
    enlb_stage_fini(&user->stage);
    free(user);
}

void
enlb_user_config_defaults(struct enlb_user_config *config)
{
    *config = (struct enlb_user_config){
        .size = sizeof(*config), .queues = 1, .mtu = ENLB_NET_MTU};
}

static Slirp *
make_slirp(struct user *user, const struct enlb_user_config *config)
{
    SlirpConfig slirp = {
        .version = SLIRP_CONFIG_VERSION_MAX,
        .restricted = config->isolated,
        .in_enabled = true,
        .vnetwork.s_addr = htonl(OWN_NET),
        .vnetmask.s_addr = htonl(0xffffff00u),
        .vhost.s_addr = htonl(OWN_NET | 2),
        .vdhcp_start.s_addr = htonl(OWN_NET | 15),
        .vnameserver.s_addr = htonl(OWN_NET | 3),
        .in6_enabled = true,
        .vprefix_len = 64,
        .vhostname = config->hostname ? config->hostname : "enlight",
        .if_mtu = config->mtu,
        .if_mru = config->mtu,
    };

    inet_pton(AF_INET6, "fec0::", &slirp.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &slirp.vhost6);
    inet_pton(AF_INET6, "fec0::3", &slirp.vnameserver6);
    return slirp_new(&slirp, &callbacks, user);
}

static int
start(struct user *user, const struct enlb_user_config *config, char *reason)
{
    int err = 0;

    user->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    user->slirp = user->bell < 0 ? NULL : make_slirp(user, config);
    if (!user->slirp)
        return -ENL_E_NOMEM;
    for (size_t i = 0; !err && i < config->forward_count; i++)
        err = forward(user, config->forwards[i], reason);
    if (err)
        return err;
    atomic_store(&user->stage.up, true);
    return start_thread(user);
}

int
enlb_user_create(const struct enlb_user_config *config, struct enlh_net *out,
                 char *reason)
{
    const struct enlh_net_info info = {
        .offloads = ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6,
        .max_mtu = config->mtu,
        .max_queues = config->queues,
    };
    struct user *user;
    int err;

    snprintf(reason, ENLB_NET_REASON_LEN, "no memory");
    if (!config->queues || config->queues > ENLB_NET_QUEUES_MAX || config->mtu < 576 ||
        config->mtu > ENLB_NET_MTU_MAX) {
        snprintf(reason, ENLB_NET_REASON_LEN,
                 "a user-mode network has 1 to %u queues and an MTU of 576 to %u",
                 ENLB_NET_QUEUES_MAX, ENLB_NET_MTU_MAX);
        return -ENL_E_INVAL;
    }
    user = calloc(1, sizeof(*user));
    if (!user)
        return -ENL_E_NOMEM;
    user->base.destroy = user_destroy;
    user->bell = -1;
    err = enlb_stage_init(&user->stage, &info, ring, user);
    if (err) {
        free(user);
        return err;
    }
    err = start(user, config, reason);
    if (err) {
        user_destroy(user);
        return err;
    }
    *out = (struct enlh_net){.ops = &user_ops, .backend = user};
    return 0;
}
