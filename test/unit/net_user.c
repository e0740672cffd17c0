/* SPDX-License-Identifier: BSD-2-Clause */
/* The user-mode network: ARP and DHCP answers, forwards, and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "enlight/backend/net.h"
#include "fake_partition.h"

static struct fake f;
static struct enlh_net net;
static struct enlh_net_queue *queue;
static int bell;

static void
begin(const char *const *forwards, size_t count)
{
    struct enlb_user_config config;
    struct enlh_wake wake = {.fd = -1};
    char reason[ENLB_NET_REASON_LEN];
    int fd;

    fake_boot(&f, 1);
    enlb_user_config_defaults(&config);
    config.forwards = forwards;
    config.forward_count = count;
    assert_int_equal(enlb_user_create(&config, &net, reason), 0);
    bell = eventfd(0, 0);
    wake.fd = bell;
    assert_int_equal(net.ops->queue_open(net.backend, 0, f.partition, &wake, &queue, &fd),
                     0);
    assert_int_equal(fd, -1);
}

static void
end(void)
{
    net.ops->queue_close(net.backend, queue);
    enlb_net_destroy(&net);
    assert_null(net.backend);
    close(bell);
    fake_fini(&f);
}

static void
send(const uint8_t *bytes, uint32_t len)
{
    struct enlh_net_frame frame = {.len = len, .head_len = len};

    memcpy(frame.head, bytes, len);
    assert_int_equal(net.ops->transmit(queue, &frame), 1);
    net.ops->kick(queue);
}

/* The next frame that comes, at GPA 0x10000; waits for it. */
static uint32_t
receive(void)
{
    const struct enlh_span span = {.offset = 0x10000, .len = 2048};
    const struct enlh_net_piece piece = {.spans = &span, .span_count = 1, .len = 2048};
    struct enlh_net_received frame;
    struct pollfd wait = {.fd = bell, .events = POLLIN};
    uint64_t count;

    while (!net.ops->receive(queue, &piece, 1, &frame, 1)) {
        assert_int_equal(poll(&wait, 1, 30000), 1);
        assert_int_equal(read(bell, &count, sizeof(count)), sizeof(count));
    }
    return frame.len;
}

static void
user_the_router_answers_arp(void **state)
{
    static const uint8_t request[42] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  1, 8, 6,
        0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,  0, 0, 1,
        10,   0,    2,    15,   0,    0,    0, 0, 0, 0, 10, 0, 2, 2};
    const uint8_t *answer;

    (void)state;
    begin(NULL, 0);
    send(request, sizeof(request));
    assert_true(receive() >= 42);
    answer = fake_at(&f, 0x10000, 64);
    assert_memory_equal(answer, request + 6, 6);
    assert_int_equal(answer[21], 2); /* a reply */
    assert_memory_equal(answer + 28, "\x0a\x00\x02\x02", 4);
    end();
}

static void
user_a_forward_is_checked_and_bound(void **state)
{
    static const char *const wrong[] = {"tcp:8080",        "icmp::1-:2",
                                        "tcp::0-:80",      "tcp::70000-:80",
                                        "tcp:host:80-:80", "tcp::80-80"};
    struct enlb_user_config config;
    char reason[ENLB_NET_REASON_LEN];
    const char *one = "tcp:127.0.0.1:39123-:80";

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        enlb_user_config_defaults(&config);
        config.forwards = &wrong[i];
        config.forward_count = 1;
        assert_int_equal(enlb_user_create(&config, &net, reason), -ENL_E_INVAL);
        assert_non_null(strstr(reason, "forward"));
    }
    begin(&one, 1);
    {
        struct enlh_net other = {0};

        enlb_user_config_defaults(&config);
        config.forwards = &one;
        config.forward_count = 1;
        assert_int_equal(enlb_user_create(&config, &other, reason), -ENL_E_BUSY);
        assert_non_null(strstr(reason, "39123"));
    }
    end();
}

/* Frames of any bytes: libslirp looks, and the network goes on. */
static void
user_garbage_is_ignored(void **state)
{
    uint8_t bytes[ENLH_NET_HEAD_MAX];

    (void)state;
    begin(NULL, 0);
    for (uint32_t i = 0; i < 200; i++) {
        for (uint32_t j = 0; j < sizeof(bytes); j++)
            bytes[j] = (uint8_t)(i * 31 + j * 7 + (i * j >> 3));
        bytes[12] = 8;
        bytes[13] = i % 3 ? 0 : 6;
        send(bytes, 14 + i % 170);
    }
    end();
    user_the_router_answers_arp(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_the_router_answers_arp),
        cmocka_unit_test(user_a_forward_is_checked_and_bound),
        cmocka_unit_test(user_garbage_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
