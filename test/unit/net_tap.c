/* SPDX-License-Identifier: BSD-2-Clause */
/* A tap device, where this machine gives one: frames both ways, offloads, down and up. */
#include "net_stack.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct net_stack s;
static int outside; /* a packet socket on the device */

static void
set_up_device(const char *name, bool up)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    strcpy(request.ifr_name, name);
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
    request.ifr_flags =
        (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

static void
set_up(bool up)
{
    set_up_device("enltest0", up);
}

static bool
net_is_up(const struct enlh_net *net)
{
    struct enlh_net_link link;

    net->ops->link(net->backend, &link);
    return link.up;
}

static bool
is_up(void)
{
    return net_is_up(&s.net);
}

static int
start(void **state)
{
    const struct enlb_tap_config config = {
        .size = sizeof(config), .name = "enltest0", .queues = 1, .mtu = 1400};
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5)};
    char reason[ENLB_NET_REASON_LEN];
    struct enlh_net_info info;

    net_stack_begin(&s);
    *state = NULL;
    if (enlb_tap_create(&config, &s.net, reason)) {
        *state = &s; /* there is none */
        return 0;
    }
    s.net.ops->info(s.net.backend, &info);
    assert_int_equal(info.max_mtu, 1400);
    net_stack_open(&s);
    assert_true(s.fd >= 0);
    set_up(true);
    while (!is_up())
        net_stack_wait(&s);
    outside = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
    address.sll_ifindex = (int)if_nametoindex("enltest0");
    assert_int_equal(bind(outside, (struct sockaddr *)&address, sizeof(address)), 0);
    return 0;
}

static int
stop(void **state)
{
    if (*state) {
        close(s.bell);
        fake_fini(&s.f);
        return 0;
    }
    close(outside);
    net_stack_end(&s);
    return 0;
}

static void
tap_frames_go_both_ways(void **state)
{
    uint8_t frame[100], got[200];
    struct enlh_net_received received;

    if (*state)
        skip();
    memset(frame, 0x11, sizeof(frame));
    frame[12] = 0x88;
    frame[13] = 0xb5;
    assert_int_equal(send(outside, frame, sizeof(frame), 0), sizeof(frame));
    do {
        net_stack_receive(&s, true, &received);
    } while (received.len != 100); /* the kernel says hello, too */
    assert_memory_equal(fake_at(&s.f, 0x10000, 100), frame, 100);
    {
        struct enlh_net_frame out = {.len = 100, .head_len = 100};

        memcpy(out.head, frame, 100);
        assert_int_equal(s.net.ops->transmit(s.queue, &out), 1);
    }
    assert_int_equal(recv(outside, got, sizeof(got), 0), 100);
    assert_memory_equal(got, frame, 100);
}

/* Into pieces of 200 bytes, in two parts each, as many as the longest frame needs. */
static void
receive_in_parts(struct enlh_net_received *frame, uint32_t len)
{
    struct enlh_span spans[16];
    struct enlh_net_piece pieces[8];

    for (uint32_t i = 0; i < 8; i++) {
        spans[2 * i] = (struct enlh_span){.offset = 0x20000 + i * 0x1000, .len = 100};
        spans[2 * i + 1] = (struct enlh_span){.offset = 0x28000 + i * 0x1000, .len = 100};
        pieces[i] =
            (struct enlh_net_piece){.spans = &spans[2 * i], .span_count = 2, .len = 200};
    }
    do {
        while (!s.net.ops->receive(s.queue, pieces, 8, frame, 1))
            net_stack_wait(&s);
    } while (frame->len != len); /* the kernel says hello, too */
}

/* Whether a frame of one piece or one of several came before it. */
static void
tap_a_frame_fills_pieces_in_turn(void **state)
{
    static const uint32_t lens[] = {550, 550, 150, 150, 550};
    struct enlh_net_received received;
    uint8_t frame[550];

    if (*state)
        skip();
    for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (uint32_t j = 0; j < sizeof(frame); j++)
            frame[j] = (uint8_t)(i + j / 3);
        frame[0] = 0x10; /* one station's */
        frame[12] = 0x88;
        frame[13] = 0xb5;
        assert_int_equal(send(outside, frame, lens[i], 0), lens[i]);
        receive_in_parts(&received, lens[i]);
        assert_int_equal(received.piece_count, lens[i] > 200 ? 3 : 1);
        for (uint32_t at = 0; at < lens[i]; at += 50)
            assert_memory_equal(
                fake_at(&s.f,
                        (at / 100 % 2 ? 0x28000 : 0x20000) + at / 200 * 0x1000 + at % 100,
                        50),
                frame + at, 50);
    }
}

/* Set up anew as often as it can be, by another queue's thread. */
static void *
set_up_all_the_time(void *ctx)
{
    atomic_bool *end = ctx;

    for (uint32_t i = 0; !atomic_load(end); i++) {
        const struct enlh_net_setup setup = {.mtu = i % 2 ? 1400 : 300};

        s.net.ops->setup(s.net.backend, &setup);
    }
    return NULL;
}

/* The pieces were enough for the frames of the moment in which they were looked at. */
static void
tap_a_frame_takes_no_more_pieces_than_there_are(void **state)
{
    struct enlh_span spans[2] = {{.offset = 0x20000, .len = 200},
                                 {.offset = 0x21000, .len = 200}};
    /* What lies behind them is nobody's. */
    struct enlh_net_piece pieces[4] = {{.spans = &spans[0], .span_count = 1, .len = 200},
                                       {.spans = &spans[1], .span_count = 1, .len = 200},
                                       {.len = 65535}};
    struct enlh_net_received received;
    uint8_t frame[550] = {0x10, [12] = 0x88, [13] = 0xb5};
    atomic_bool end = false;
    pthread_t thread;

    if (*state)
        skip();
    assert_int_equal(pthread_create(&thread, NULL, set_up_all_the_time, &end), 0);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(send(outside, frame, sizeof(frame), 0), sizeof(frame));
        if (s.net.ops->receive(s.queue, pieces, 2, &received, 1))
            assert_in_range(received.piece_count, 1, 2);
    }
    atomic_store(&end, true);
    pthread_join(thread, NULL);
}

static void
tap_a_device_that_is_down_has_no_carrier(void **state)
{
    if (*state)
        skip();
    set_up(false);
    while (is_up())
        net_stack_wait(&s);
    assert_int_equal(net_stack_send(&s, 60, 1), 1); /* lost */
    set_up(true);
    while (!is_up())
        net_stack_wait(&s);
}

static void
tap_a_device_with_a_new_name_is_the_same(void **state)
{
    struct ifreq request = {.ifr_name = "enltest0", .ifr_newname = "enltest9"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (*state)
        skip();
    set_up(false);
    while (is_up())
        net_stack_wait(&s);
    assert_int_equal(ioctl(fd, SIOCSIFNAME, &request), 0);
    close(fd);
    set_up_device("enltest9", true);
    while (!is_up())
        net_stack_wait(&s);
}

static void
delete_device(const char *name)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
    } request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = RTM_DELLINK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(name)},
    };
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

    assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
    assert_true(recv(fd, &answer, sizeof(answer), 0) > 0);
    assert_int_equal(answer.error.error, 0);
    close(fd);
}

/* Another device has its name, and goes up and down. */
static void
tap_a_device_that_is_gone_stays_down(void **state)
{
    const struct enlb_tap_config config = {
        .size = sizeof(config), .name = "enltest0", .queues = 1};
    char reason[ENLB_NET_REASON_LEN];
    struct enlh_net other;

    if (*state)
        skip();
    delete_device("enltest0");
    while (is_up())
        net_stack_wait(&s);
    assert_int_equal(enlb_tap_create(&config, &other, reason), 0);
    for (uint32_t i = 0; i < 50; i++) {
        set_up(i % 2 == 0);
        while (net_is_up(&other) != (i % 2 == 0))
            sched_yield();
        assert_false(is_up());
    }
    enlb_net_destroy(&other);
}

static void
open_descriptors(const char *name, int fds[2])
{
    struct ifreq request = {0};

    strcpy(request.ifr_name, name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
    for (uint32_t i = 0; i < 2; i++) {
        fds[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
        assert_true(fds[i] >= 0);
        assert_int_equal(ioctl(fds[i], TUNSETIFF, &request), 0);
    }
}

/* Each descriptor of a device with several queues is one. */
static void
tap_open_descriptors_are_queues(void **state)
{
    struct enlb_tap_config config = {.size = sizeof(config), .queues = 2};
    char reason[ENLB_NET_REASON_LEN];
    struct enlh_net_info info;
    struct enlh_net net;
    int fds[2];

    if (*state)
        skip();
    open_descriptors("enltest1", fds);
    config.fds = fds;
    assert_int_equal(enlb_tap_create(&config, &net, reason), 0);
    net.ops->info(net.backend, &info);
    assert_int_equal(info.max_queues, 2);
    assert_int_equal(info.offloads,
                     ENLH_NET_CAN_CHECKSUM | ENLH_NET_CAN_TSO4 | ENLH_NET_CAN_TSO6);
    enlb_net_destroy(&net);
    assert_true(fcntl(fds[1], F_GETFD) < 0); /* they were taken */
}

enum { STREAMS = 64 };

/* The first frame of each of many streams of UDP. */
static void
send_streams(const char *name)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0800)};
    uint8_t frame[60] = {0x10,      [12] = 0x08, [14] = 0x45, [17] = 46,   [22] = 64,
                         [23] = 17, [26] = 10,   [30] = 10,   [36] = 0x12, [39] = 26};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);

    to.sll_ifindex = (int)if_nametoindex(name);
    for (uint32_t i = 0; i < STREAMS; i++) {
        frame[35] = (uint8_t)i; /* the source port */
        assert_int_equal(
            sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
            sizeof(frame));
    }
    close(fd);
}

struct reader {
    struct enlh_net_queue *queue;
    int fd;
    uint32_t got;
};

static void
open_reader(struct enlh_net *net, uint32_t index, struct reader *reader)
{
    const struct enlh_wake wake = {.fd = s.bell};

    assert_int_equal(net->ops->queue_open(net->backend, index, s.f.partition, &wake,
                                          &reader->queue, &reader->fd),
                     0);
}

static void
read_all(struct enlh_net *net, struct reader *reader)
{
    const struct enlh_span span = {.offset = 0x10000, .len = 2000};
    const struct enlh_net_piece piece = {.spans = &span, .span_count = 1, .len = 2000};
    const uint8_t *at = fake_at(&s.f, 0x10000, 60);
    struct enlh_net_received frame;

    while (net->ops->receive(reader->queue, &piece, 1, &frame, 1))
        reader->got += frame.len == 60 && at[12] == 8 && !at[13] && at[23] == 17;
}

/* Read from these queues until every stream has come. */
static void
read_streams(struct enlh_net *net, struct reader *readers, uint32_t count)
{
    struct pollfd fds[2] = {{.fd = readers[0].fd, .events = POLLIN},
                            {.fd = readers[1].fd, .events = POLLIN}};

    readers[0].got = readers[1].got = 0;
    while (readers[0].got + readers[1].got < STREAMS) {
        assert_true(poll(fds, count, 30000) > 0);
        for (uint32_t i = 0; i < count; i++)
            read_all(net, &readers[i]);
    }
}

static void
check_streams(struct enlh_net *net, const char *name)
{
    struct reader readers[2] = {{.fd = -1}, {.fd = -1}};

    set_up_device(name, true);
    open_reader(net, 0, &readers[0]);
    send_streams(name);
    read_streams(net, readers, 1);
    open_reader(net, 1, &readers[1]);
    send_streams(name);
    read_streams(net, readers, 2);
    assert_in_range(readers[0].got, 1, STREAMS - 1);
    net->ops->queue_close(net->backend, readers[1].queue);
    send_streams(name);
    read_streams(net, readers, 1);
    open_reader(net, 1, &readers[1]); /* as when a guest starts anew */
    net->ops->queue_close(net->backend, readers[1].queue);
    net->ops->queue_close(net->backend, readers[0].queue);
}

/* Or the kernel would steer frames there that nobody reads. */
static void
tap_a_queue_that_is_not_open_gets_no_frames(void **state)
{
    struct enlb_tap_config config = {
        .size = sizeof(config), .name = "enltest2", .queues = 2};
    char reason[ENLB_NET_REASON_LEN];
    struct enlh_net net;
    int fds[2];

    if (*state)
        skip();
    assert_int_equal(enlb_tap_create(&config, &net, reason), 0);
    check_streams(&net, "enltest2");
    enlb_net_destroy(&net);
    open_descriptors("enltest1", fds);
    config.fds = fds;
    assert_int_equal(enlb_tap_create(&config, &net, reason), 0);
    check_streams(&net, "enltest1");
    enlb_net_destroy(&net);
}

static void
tap_a_descriptor_of_another_kind_is_refused(void **state)
{
    int fds[3] = {-1, -1, dup(0)};
    struct enlb_tap_config config = {.size = sizeof(config), .queues = 1};
    char reason[ENLB_NET_REASON_LEN];
    struct enlh_net net;

    config.fds = &fds[2];
    assert_true(enlb_tap_create(&config, &net, reason) < 0);
    assert_non_null(strstr(reason, "tap"));
    assert_true(fcntl(fds[2], F_GETFD) >= 0); /* still the caller's */
    if (*state) {
        close(fds[2]);
        skip();
    }
    open_descriptors("enltest1", fds);
    config.fds = (const int[]){fds[0], fds[2], fds[1]};
    config.queues = 3;
    assert_true(enlb_tap_create(&config, &net, reason) < 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(close(fds[i]), 0); /* those before it and those behind it */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tap_frames_go_both_ways, start, stop),
        cmocka_unit_test_setup_teardown(tap_a_frame_fills_pieces_in_turn, start, stop),
        cmocka_unit_test_setup_teardown(tap_a_frame_takes_no_more_pieces_than_there_are,
                                        start, stop),
        cmocka_unit_test_setup_teardown(tap_a_device_that_is_down_has_no_carrier, start,
                                        stop),
        cmocka_unit_test_setup_teardown(tap_a_device_with_a_new_name_is_the_same, start,
                                        stop),
        cmocka_unit_test_setup_teardown(tap_a_device_that_is_gone_stays_down, start,
                                        stop),
        cmocka_unit_test_setup_teardown(tap_open_descriptors_are_queues, start, stop),
        cmocka_unit_test_setup_teardown(tap_a_queue_that_is_not_open_gets_no_frames,
                                        start, stop),
        cmocka_unit_test_setup_teardown(tap_a_descriptor_of_another_kind_is_refused,
                                        start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
