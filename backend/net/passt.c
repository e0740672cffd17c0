/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/passt.c - a network in another process, behind a stream socket
 *
 * Runs on a thread of its own; channels reach it through a stage. The other process may
 * go away and come back: meanwhile the link is down. Lengths in its stream are checked; a
 * stream that has lost its rhythm is closed and begun anew. It computes no checksums, so
 * every frame has a whole one.
 * Tests: test/unit/net_passt.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/net/net.h"

#define RETRY_MS 1000
#define HEAD     4u /* bytes of a length */
#define READS    512u

struct passt {
    struct enlb_net_base base;
    struct enlb_stage stage;
    struct sockaddr_un address;
    int fd; /* -1: not connected */
    int bell;
    atomic_bool stop;
    bool has_thread;
    pthread_t thread;

    struct enlb_packet_list going; /* of the thread */
    uint32_t sent;                 /* bytes of the first of them, its length included */
    struct enlb_packet *coming;    /* a frame in the making */
    uint8_t head[HEAD];
    uint32_t got; /* bytes of it, its length included */
};

static void
ring(void *ctx)
{
    struct passt *passt = ctx;
    uint64_t one = 1;

    (void)!write(passt->bell, &one, sizeof(one));
}

static void
hang_up(struct passt *passt)
{
    if (passt->fd >= 0)
        close(passt->fd);
    passt->fd = -1;
    free(passt->coming);
    passt->coming = NULL;
    passt->got = passt->sent = 0;
    enlb_packet_list_clear(&passt->going);
    enlb_stage_set_link(&passt->stage, false);
}

static void
dial(struct passt *passt)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&passt->address, sizeof(passt->address))) {
        close(fd);
        return;
    }
    passt->fd = fd;
    enlb_stage_set_link(&passt->stage, true);
}

/* ---- towards it ---- */

static void
lose_frames(struct passt *passt)
{
    struct enlb_packet_list list;

    enlb_stage_take(&passt->stage, &list);
    enlb_packet_list_clear(&list);
}

/* As much of going as the stream takes. Returns false when it is at its end. */
static bool
send_going(struct passt *passt)
{
    while (passt->going.first) {
        struct enlb_packet *packet = passt->going.first;
        uint32_t len = htonl(packet->len), sent = passt->sent;
        uint32_t head = sent < HEAD ? HEAD - sent : 0;
        uint32_t body = sent < HEAD ? 0 : sent - HEAD;
        struct iovec iov[2] = {{(uint8_t *)&len + HEAD - head, head},
                               {packet->bytes + body, packet->len - body}};
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t result = sendmsg(passt->fd, &message, MSG_NOSIGNAL);

        if (result < 0)
            return errno == EAGAIN || errno == EINTR;
        passt->sent += (uint32_t)result;
        if (passt->sent < HEAD + packet->len)
            return true;
        passt->sent = 0;
        free(enlb_packet_list_take(&passt->going));
    }
    return true;
}

/*
 * The stage is emptied only when nothing of ours is left, so that a guest waits for a
 * stream that does not move. In the turn in which that comes true, it must be: the bell
 * rings for the first frame in it, and that may have been long ago.
 */
static bool
send_frames(struct passt *passt)
{
    if (!send_going(passt))
        return false;
    if (passt->going.first)
        return true;
    enlb_stage_take(&passt->stage, &passt->going);
    return send_going(passt);
}

/* ---- from it ---- */

static ssize_t
read_part(struct passt *passt)
{
    if (passt->got < HEAD)
        return recv(passt->fd, passt->head + passt->got, HEAD - passt->got, 0);
    return recv(passt->fd, passt->coming->bytes + passt->got - HEAD,
                passt->coming->len + HEAD - passt->got, 0);
}

/* A length has come. Returns false for one that no frame has. */
static bool
begin_frame(struct passt *passt)
{
    uint32_t len;

    memcpy(&len, passt->head, sizeof(len));
    len = ntohl(len);
    if (!len || len > ENLH_NET_FRAME_MAX)
        return false;
    passt->coming = enlb_packet_make(len);
    return passt->coming != NULL;
}

/* As many reads as may be in one turn. */
static bool
read_frames(struct passt *passt)
{
    for (uint32_t i = 0; i < READS; i++) {
        ssize_t result = read_part(passt);

        if (result < 0)
            return errno == EAGAIN || errno == EINTR;
        if (result == 0)
            return false;
        passt->got += (uint32_t)result;
        if (passt->got < HEAD)
            continue;
        if (!passt->coming && !begin_frame(passt))
            return false;
        if (passt->got < HEAD + passt->coming->len)
            continue;
        passt->coming->offload.flags = ENLH_NET_CHECKSUM_GOOD;
        enlb_stage_bring(&passt->stage, passt->coming);
        passt->coming = NULL;
        passt->got = 0;
    }
    return true;
}

static void *
run(void *ctx)
{
    struct passt *passt = ctx;
    uint64_t count;

    while (!atomic_load(&passt->stop)) {
        struct pollfd fds[2] = {{.fd = passt->bell, .events = POLLIN},
                                {.fd = passt->fd, .events = POLLIN}};

        if (passt->going.first)
            fds[1].events |= POLLOUT;
        (void)poll(fds, 2, passt->fd < 0 ? RETRY_MS : -1);
        if (fds[0].revents & POLLIN)
            (void)!read(passt->bell, &count, sizeof(count));
        if (passt->fd < 0)
            dial(passt);
        if (passt->fd < 0)
            lose_frames(passt);
        else if (!read_frames(passt) || !send_frames(passt))
            hang_up(passt);
        enlb_stage_show(&passt->stage);
    }
    return NULL;
}

/* ---- the contract ---- */

static void
passt_info(void *backend, struct enlh_net_info *out)
{
    *out = ((const struct passt *)backend)->stage.info;
}

static void
passt_link(void *backend, struct enlh_net_link *out)
{
    struct passt *passt = backend;

    *out = (struct enlh_net_link){.up = atomic_load(&passt->stage.up)};
}

static void
passt_setup(void *backend, const struct enlh_net_setup *setup)
{
    enlb_stage_setup(&((struct passt *)backend)->stage, setup);
}

static int
passt_queue_open(void *backend, uint32_t index, const struct enlh_partition *partition,
                 const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    *fd = -1;
    return enlb_stage_open(&((struct passt *)backend)->stage, index, partition, wake,
                           out);
}

static void
passt_queue_close(void *backend, struct enlh_net_queue *queue)
{
    enlb_stage_close(&((struct passt *)backend)->stage, queue);
}

static const struct enlh_net_ops passt_ops = {
    .size = sizeof(passt_ops),
    .info = passt_info,
    .link = passt_link,
    .setup = passt_setup,
    .queue_open = passt_queue_open,
    .queue_close = passt_queue_close,
    .transmit = enlb_stage_transmit,
    .kick = enlb_stage_kick,
    .reap = enlb_stage_reap,
    .cancel = enlb_stage_cancel,
    .receive = enlb_stage_receive,
};

static void
passt_destroy(void *backend)
{
    struct passt *passt = backend;

    if (passt->has_thread) {
        atomic_store(&passt->stop, true);
        ring(passt);
        pthread_join(passt->thread, NULL);
    }
    hang_up(passt);
    if (passt->bell >= 0)
        close(passt->bell);
    enlb_stage_fini(&passt->stage);
    free(passt);
}

static int
start(struct passt *passt)
{
    sigset_t all, old;
    int err;

    passt->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (passt->bell < 0)
        return -ENL_E_NOMEM;
    dial(passt);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&passt->thread, NULL, run, passt);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    passt->has_thread = !err;
    return err ? -ENL_E_NOMEM : 0;
}

int
enlb_passt_create(const char *path, uint32_t queues, uint32_t mtu, struct enlh_net *out,
                  char *reason)
{
    const struct enlh_net_info info = {
        .offloads = ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6,
        .max_mtu = mtu,
        .max_queues = queues,
    };
    struct passt *passt;
    int err;

    snprintf(reason, ENLB_NET_REASON_LEN, "no memory");
    if (!queues || queues > ENLB_NET_QUEUES_MAX || mtu < 68 || mtu > ENLB_NET_MTU_MAX ||
        strlen(path) >= sizeof(passt->address.sun_path)) {
        snprintf(reason, ENLB_NET_REASON_LEN,
                 "'%.60s' is too long for a socket's path, "
                 "or MTU and queues are out of range",
                 path);
        return -ENL_E_INVAL;
    }
    passt = calloc(1, sizeof(*passt));
    if (!passt)
        return -ENL_E_NOMEM;
    passt->base.destroy = passt_destroy;
    passt->fd = passt->bell = -1;
    passt->address.sun_family = AF_UNIX;
    memcpy(passt->address.sun_path, path, strlen(path) + 1);
    enlb_packet_list_init(&passt->going);
    err = enlb_stage_init(&passt->stage, &info, ring, passt);
    if (err) {
        free(passt);
        return err;
    }
    err = start(passt);
    if (err) {
        passt_destroy(passt);
        return err;
    }
    *out = (struct enlh_net){.ops = &passt_ops, .backend = passt};
    return 0;
}
