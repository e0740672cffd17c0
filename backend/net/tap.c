/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend/net/tap.c - a tap device: frames go to the kernel as they are
 *
 * Run by channels' threads, each with a descriptor of its own; a thread of its own watches
 * the device for going down and up. What a frame leaves to be done is said in a
 * virtio_net_hdr, so that the kernel sums and cuts only where it must. The kernel checks
 * these headers; what it brings is checked against what the guest takes.
 * Tests: test/unit/net_tap.c, test/os (DN27).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/net/net.h"

#define IOV_LEN 256

struct tap;

struct tap_queue {
    struct tap *tap;
    uint8_t *spill; /* what of an unexpectedly long frame has no room in one piece */
    bool is_wide;   /* the last frame took several pieces: the next one may, too */
    int fd;
    const struct enlh_partition *partition;
    struct enlh_wake wake; /* tap->lock */
    bool is_open;          /* tap->lock */
};

struct tap {
    struct enlb_net_base base;
    char name[IFNAMSIZ];
    struct enlh_net_info info;
    bool has_header; /* virtio_net_hdr before each frame */
    atomic_uint offloads, frame_max;
    atomic_bool up;
    pthread_mutex_t lock;
    struct tap_queue queues[ENLB_NET_QUEUES_MAX];
    int watch_fd, stop_fd;
    bool has_thread;
    pthread_t thread;
};

static struct tap_queue *
of(struct enlh_net_queue *queue)
{
    return (struct tap_queue *)(void *)queue;
}

/* ---- the device ---- */

/* A device can be renamed, or go, and another can have its name then. */
static int
tap_ask(const struct tap *tap, unsigned long what, struct ifreq *request)
{
    struct ifreq now = {0};
    int fd, result;

    if (ioctl(tap->queues[0].fd, TUNGETIFF, &now))
        return -1;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    memcpy(request->ifr_name, now.ifr_name, sizeof(request->ifr_name));
    result = ioctl(fd, what, request);
    close(fd);
    return result;
}

static bool
tap_is_up(const struct tap *tap)
{
    struct ifreq request = {0};

    return tap_ask(tap, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}

static void
tap_look(struct tap *tap)
{
    bool up = tap_is_up(tap);

    if (atomic_exchange(&tap->up, up) == up)
        return;
    pthread_mutex_lock(&tap->lock);
    for (uint32_t i = 0; i < tap->info.max_queues; i++) {
        if (tap->queues[i].is_open)
            enlb_net_wake(&tap->queues[i].wake);
    }
    pthread_mutex_unlock(&tap->lock);
}

/* Any news of any device is a reason to look at ours. */
static void *
tap_watch(void *ctx)
{
    struct tap *tap = ctx;
    struct pollfd fds[2] = {{.fd = tap->watch_fd, .events = POLLIN},
                            {.fd = tap->stop_fd, .events = POLLIN}};
    char news[8192];

    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        while (recv(tap->watch_fd, news, sizeof(news), MSG_DONTWAIT) > 0)
            ;
        tap_look(tap);
    }
}

static int
tap_start_watch(struct tap *tap)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    sigset_t all, old;
    int err;

    tap->stop_fd = eventfd(0, EFD_CLOEXEC);
    tap->watch_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (tap->stop_fd < 0 || tap->watch_fd < 0 ||
        bind(tap->watch_fd, (struct sockaddr *)&address, sizeof(address)))
        return -ENL_E_NOMEM;
    atomic_store(&tap->up, tap_is_up(tap));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&tap->thread, NULL, tap_watch, tap);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    tap->has_thread = !err;
    return err ? -ENL_E_NOMEM : 0;
}

/* ---- the contract ---- */

static void
tap_info(void *backend, struct enlh_net_info *out)
{
    *out = ((const struct tap *)backend)->info;
}

static void
tap_link(void *backend, struct enlh_net_link *out)
{
    *out = (struct enlh_net_link){.up = atomic_load(&((struct tap *)backend)->up)};
}

static unsigned
tap_kernel_offloads(uint32_t offloads)
{
    unsigned flags = 0;

    if (offloads & ENLH_NET_CAN_CHECKSUM)
        flags |= TUN_F_CSUM;
    if (offloads & ENLH_NET_CAN_TSO4)
        flags |= TUN_F_TSO4 | TUN_F_TSO_ECN;
    if (offloads & ENLH_NET_CAN_TSO6)
        flags |= TUN_F_TSO6 | TUN_F_TSO_ECN;
    return flags;
}

static void
tap_setup(void *backend, const struct enlh_net_setup *setup)
{
    struct tap *tap = backend;

    atomic_store(&tap->offloads, setup->offloads);
    atomic_store(&tap->frame_max, enlh_net_frame_max(setup));
    if (tap->has_header)
        (void)ioctl(tap->queues[0].fd, TUNSETOFFLOAD,
                    tap_kernel_offloads(setup->offloads));
}

/*
 * The kernel gives frames to every queue that is attached, whether anybody reads it or
 * not. EINVAL: it is as it should be, or the device has one queue only, or is gone.
 */
static int
tap_attach(const struct tap_queue *queue, bool on)
{
    struct ifreq request = {.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

    return ioctl(queue->fd, TUNSETQUEUE, &request) && errno != EINVAL ? -ENL_E_IO : 0;
}

static int
tap_queue_open(void *backend, uint32_t index, const struct enlh_partition *partition,
               const struct enlh_wake *wake, struct enlh_net_queue **out, int *fd)
{
    struct tap *tap = backend;
    struct tap_queue *queue = &tap->queues[index];

    if (index >= tap->info.max_queues)
        return -ENL_E_INVAL;
    queue->spill = malloc(ENLH_NET_FRAME_MAX);
    if (!queue->spill)
        return -ENL_E_NOMEM;
    if (tap_attach(queue, true)) {
        free(queue->spill);
        queue->spill = NULL;
        return -ENL_E_IO;
    }
    queue->is_wide = false;
    pthread_mutex_lock(&tap->lock);
    queue->wake = *wake;
    queue->partition = partition;
    queue->is_open = true;
    pthread_mutex_unlock(&tap->lock);
    *out = (struct enlh_net_queue *)(void *)queue;
    *fd = queue->fd;
    return 0;
}

static void
tap_queue_close(void *backend, struct enlh_net_queue *queue)
{
    struct tap *tap = backend;

    pthread_mutex_lock(&tap->lock);
    of(queue)->is_open = false;
    pthread_mutex_unlock(&tap->lock);
    /* The first one stays: what comes while a guest starts anew waits there. */
    if (of(queue) != &tap->queues[0])
        (void)tap_attach(of(queue), false);
    free(of(queue)->spill);
    of(queue)->spill = NULL;
}

static void
tap_header(const struct enlh_net_offload *offload, struct virtio_net_hdr *header)
{
    static const uint8_t types[] = {VIRTIO_NET_HDR_GSO_NONE, VIRTIO_NET_HDR_GSO_TCPV4,
                                    VIRTIO_NET_HDR_GSO_TCPV6};

    *header = (struct virtio_net_hdr){.gso_type = types[offload->gso]};
    if (offload->ecn)
        header->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    header->hdr_len = offload->header_len;
    header->gso_size = offload->segment_len;
    if (!(offload->flags & ENLH_NET_CHECKSUM_PARTIAL))
        return;
    header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header->csum_start = offload->checksum_start;
    header->csum_offset = offload->checksum_offset;
}

static int
tap_transmit(struct enlh_net_queue *base, struct enlh_net_frame *frame)
{
    struct tap_queue *queue = of(base);
    struct virtio_net_hdr header;
    struct iovec iov[IOV_LEN];
    int count = 0;

    if (!atomic_load(&queue->tap->up) || frame->span_count > IOV_LEN - 2)
        return 1;
    tap_header(&frame->offload, &header);
    if (queue->tap->has_header)
        iov[count++] = (struct iovec){&header, sizeof(header)};
    if (frame->head_len)
        iov[count++] = (struct iovec){frame->head, frame->head_len};
    for (uint32_t i = 0; i < frame->span_count; i++)
        iov[count++] = (struct iovec){
            enlh_mem_span_host(queue->partition, &frame->spans[i]), frame->spans[i].len};
    if (writev(queue->fd, iov, count) < 0 && errno == EAGAIN)
        return -ENL_E_AGAIN;
    return 1; /* sent, or lost as on any wire */
}

static void
tap_nothing(struct enlh_net_queue *base)
{
    (void)base;
}

static uint32_t
tap_reap(struct enlh_net_queue *base)
{
    (void)base;
    return 0;
}

/* false: what the kernel leaves to be done is more than the guest takes. */
static bool
tap_offload(const struct tap *tap, const struct virtio_net_hdr *header,
            struct enlh_net_offload *out)
{
    uint32_t offloads = atomic_load(&tap->offloads);

    *out = (struct enlh_net_offload){0};
    if (header->flags & VIRTIO_NET_HDR_F_DATA_VALID)
        out->flags |= ENLH_NET_CHECKSUM_GOOD;
    if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        out->flags |= ENLH_NET_CHECKSUM_PARTIAL;
        out->checksum_start = header->csum_start;
        out->checksum_offset = header->csum_offset;
    }
    out->header_len = header->hdr_len;
    out->segment_len = header->gso_size;
    switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        out->gso = ENLH_NET_GSO_TCP4;
        return (offloads & ENLH_NET_CAN_TSO4) != 0;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        out->gso = ENLH_NET_GSO_TCP6;
        return (offloads & ENLH_NET_CAN_TSO6) != 0;
    default:
        return false;
    }
}

/* Returns false when there is no room for a piece more. */
static bool
tap_add_piece(const struct tap_queue *queue, const struct enlh_net_piece *piece,
              struct iovec *iov, int *iov_count)
{
    for (uint32_t i = 0; i < piece->span_count; i++) {
        if (*iov_count == IOV_LEN)
            return false;
        iov[(*iov_count)++] = (struct iovec){
            enlh_mem_span_host(queue->partition, &piece->spans[i]), piece->spans[i].len};
    }
    return true;
}

/*
 * Vectors behind the header for a frame of most bytes. Most frames fit into the
 * first piece: as long as they do, the vectors of the others are left out and one of our
 * own takes their place, since the kernel looks at each of them for each frame. Returns
 * false when the pieces are too few.
 */
static bool
tap_vectors(const struct tap_queue *queue, uint32_t most,
            const struct enlh_net_piece *pieces, uint32_t piece_count, struct iovec *iov,
            int *iov_count)
{
    uint32_t room = 0;

    for (uint32_t i = 0; i < piece_count && room < most; i++) {
        if ((queue->is_wide || !i) && !tap_add_piece(queue, &pieces[i], iov, iov_count))
            return false;
        room += pieces[i].len;
    }
    if (room < most || queue->is_wide)
        return room >= most;
    if (*iov_count == IOV_LEN)
        return false;
    iov[(*iov_count)++] = (struct iovec){queue->spill, ENLH_NET_FRAME_MAX};
    return true;
}

/* Bring len bytes that came unexpectedly into the pieces that they belong to. */
static void
tap_unspill(const struct tap_queue *queue, const struct enlh_net_piece *piece,
            uint32_t len)
{
    const uint8_t *from = queue->spill;

    for (; len; piece++) {
        for (uint32_t i = 0; i < piece->span_count && len; i++) {
            uint32_t part =
                piece->spans[i].len < len ? (uint32_t)piece->spans[i].len : len;

            memcpy(enlh_mem_span_host(queue->partition, &piece->spans[i]), from, part);
            from += part;
            len -= part;
        }
    }
}

static uint32_t
pieces_of(const struct enlh_net_piece *pieces, uint32_t len)
{
    uint32_t used = 0, room = 0;

    while (room < len)
        room += pieces[used++].len;
    return used;
}

/* Returns 1 for a frame, 0 for one that is lost, -1: there is no more, or no room. */
static int
tap_read(struct tap_queue *queue, const struct enlh_net_piece *pieces,
         uint32_t piece_count, struct enlh_net_received *frame)
{
    struct virtio_net_hdr header = {0};
    struct iovec iov[IOV_LEN] = {{&header, sizeof(header)}};
    int count = queue->tap->has_header ? 1 : 0;
    /* Once: another queue's thread may set up a longer one, and the pieces are for this. */
    uint32_t most = atomic_load(&queue->tap->frame_max);
    ssize_t len;

    if (!tap_vectors(queue, most, pieces, piece_count, iov, &count))
        return -1;
    len = readv(queue->fd, iov, count);
    if (len < 0)
        return -1;
    if (queue->tap->has_header)
        len -= (ssize_t)sizeof(header);
    if (len <= 0 || (uint32_t)len > most ||
        !tap_offload(queue->tap, &header, &frame->offload))
        return 0;
    frame->len = (uint32_t)len;
    frame->piece_count = pieces_of(pieces, frame->len);
    if (!queue->is_wide && frame->piece_count > 1)
        tap_unspill(queue, pieces + 1, frame->len - pieces[0].len);
    queue->is_wide = frame->piece_count > 1;
    return 1;
}

static uint32_t
tap_receive(struct enlh_net_queue *base, const struct enlh_net_piece *pieces,
            uint32_t piece_count, struct enlh_net_received *frames, uint32_t frame_count)
{
    struct tap_queue *queue = of(base);
    uint32_t count = 0, used = 0;

    while (count < frame_count) {
        int result = tap_read(queue, pieces + used, piece_count - used, &frames[count]);

        if (result < 0)
            break;
        if (result > 0)
            used += frames[count++].piece_count;
    }
    return count;
}

static const struct enlh_net_ops tap_ops = {
    .size = sizeof(tap_ops),
    .info = tap_info,
    .link = tap_link,
    .setup = tap_setup,
    .queue_open = tap_queue_open,
    .queue_close = tap_queue_close,
    .transmit = tap_transmit,
    .kick = tap_nothing,
    .reap = tap_reap,
    .cancel = tap_nothing,
    .receive = tap_receive,
};

/* ---- life ---- */

static void
tap_destroy(void *backend)
{
    struct tap *tap = backend;
    uint64_t one = 1;

    if (tap->has_thread) {
        (void)!write(tap->stop_fd, &one, sizeof(one));
        pthread_join(tap->thread, NULL);
    }
    for (uint32_t i = 0; i < tap->info.max_queues; i++) {
        if (tap->queues[i].fd >= 0)
            close(tap->queues[i].fd);
        free(tap->queues[i].spill);
    }
    if (tap->watch_fd >= 0)
        close(tap->watch_fd);
    if (tap->stop_fd >= 0)
        close(tap->stop_fd);
    pthread_mutex_destroy(&tap->lock);
    free(tap);
}

static int
tap_refuse(char *reason, const char *name, const char *what)
{
    int err = errno;

    snprintf(reason, ENLB_NET_REASON_LEN, "tap %s: %s: %s", name, what, strerror(err));
    return err == EPERM || err == EACCES                     ? -ENL_E_ACCESS
           : err == EBUSY                                    ? -ENL_E_BUSY
           : err == ENOENT || err == ENODEV || err == EBADFD ? -ENL_E_NODEV
                                                             : -ENL_E_INVAL;
}

static int
tap_open_queue(struct tap *tap, uint32_t index, char *reason)
{
    struct ifreq request = {0};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return tap_refuse(reason, tap->name, "/dev/net/tun cannot be opened");
    tap->queues[index].fd = fd;
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (tap->info.max_queues > 1)
        request.ifr_flags |= IFF_MULTI_QUEUE;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", tap->name);
    if (ioctl(fd, TUNSETIFF, &request))
        return tap_refuse(reason, tap->name, "no queue of it can be had");
    snprintf(tap->name, sizeof(tap->name), "%s", request.ifr_name);
    return 0;
}

static int
tap_take_fd(struct tap *tap, uint32_t index, int fd, char *reason)
{
    struct ifreq request = {0};

    tap->queues[index].fd = fd;
    if (ioctl(fd, TUNGETIFF, &request) || !(request.ifr_flags & IFF_TAP) ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
        return tap_refuse(reason, "descriptor", "it is none of a tap device");
    tap->has_header = (request.ifr_flags & IFF_VNET_HDR) != 0;
    snprintf(tap->name, sizeof(tap->name), "%s", request.ifr_name);
    return 0;
}

static int
tap_measure(struct tap *tap, uint32_t mtu, char *reason)
{
    int header_len = sizeof(struct virtio_net_hdr);
    struct ifreq request = {0};

    if (tap->has_header && ioctl(tap->queues[0].fd, TUNSETVNETHDRSZ, &header_len))
        return tap_refuse(reason, tap->name, "it has no headers of ours");
    if (tap_ask(tap, SIOCGIFMTU, &request))
        return tap_refuse(reason, tap->name, "it cannot be asked");
    if (mtu && mtu != (uint32_t)request.ifr_mtu) {
        request.ifr_mtu = (int)mtu;
        if (tap_ask(tap, SIOCSIFMTU, &request))
            return tap_refuse(reason, tap->name, "its MTU cannot be changed");
    }
    tap->info.max_mtu = mtu ? mtu : (uint32_t)request.ifr_mtu;
    if (tap->info.max_mtu > ENLB_NET_MTU_MAX)
        tap->info.max_mtu = ENLB_NET_MTU_MAX;
    if (tap->has_header)
        tap->info.offloads =
            ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6;
    return 0;
}

static int
tap_open_all(struct tap *tap, const struct enlb_tap_config *config, char *reason)
{
    const struct enlh_net_setup none = {.mtu = ENLB_NET_MTU};
    int err = 0;

    tap->has_header = true;
    for (uint32_t i = 0; !err && i < config->queues; i++)
        err = config->fds ? tap_take_fd(tap, i, config->fds[i], reason)
                          : tap_open_queue(tap, i, reason);
    if (!err)
        err = tap_measure(tap, config->mtu, reason);
    if (!err) {
        tap_setup(tap, &none);
        err = tap_start_watch(tap);
    }
    for (uint32_t i = 0; !err && i < config->queues; i++)
        err = tap_attach(&tap->queues[i], i == 0);
    return err;
}

int
enlb_tap_create(const struct enlb_tap_config *config, struct enlh_net *out, char *reason)
{
    struct tap *tap;
    int err;

    snprintf(reason, ENLB_NET_REASON_LEN, "no memory");
    if (!config->queues || config->queues > ENLB_NET_QUEUES_MAX ||
        (!config->fds && strlen(config->name) >= IFNAMSIZ)) {
        snprintf(reason, ENLB_NET_REASON_LEN,
                 "a tap has a name below %d characters and 1 to %u queues", IFNAMSIZ,
                 ENLB_NET_QUEUES_MAX);
        return -ENL_E_INVAL;
    }
    tap = calloc(1, sizeof(*tap));
    if (!tap)
        return -ENL_E_NOMEM;
    tap->base.destroy = tap_destroy;
    tap->watch_fd = tap->stop_fd = -1;
    tap->info.max_queues = config->queues;
    pthread_mutex_init(&tap->lock, NULL);
    for (uint32_t i = 0; i < config->queues; i++)
        tap->queues[i] = (struct tap_queue){.tap = tap, .fd = -1};
    if (config->name)
        snprintf(tap->name, sizeof(tap->name), "%s", config->name);
    err = tap_open_all(tap, config, reason);
    if (err) {
        for (uint32_t i = 0; config->fds && i < config->queues; i++)
            tap->queues[i].fd = -1; /* still the caller's, all of them */
        tap_destroy(tap);
        return err;
    }
    *out = (struct enlh_net){.ops = &tap_ops, .backend = tap};
    return 0;
}
