/* SPDX-License-Identifier: BSD-2-Clause */
/* A network in another process: its stream, its going away and its coming back. */
#include "net_stack.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct net_stack s;
static char folder[] = "/tmp/net_passt.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listener, peer;

static void
listen_there(void)
{
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(address.sun_path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
}

static bool
is_up(void)
{
    struct enlh_net_link link;

    s.net.ops->link(s.net.backend, &link);
    return link.up;
}

static int
start(void **state)
{
    char reason[ENLB_NET_REASON_LEN];

    (void)state;
    strcpy(folder, "/tmp/net_passt.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    listen_there();
    net_stack_begin(&s);
    assert_int_equal(enlb_passt_create(address.sun_path, 1, 1500, &s.net, reason), 0);
    net_stack_open(&s);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    while (!is_up())
        net_stack_wait(&s);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    net_stack_end(&s);
    close(peer);
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
    return 0;
}

static void
passt_frames_go_with_their_length(void **state)
{
    uint8_t bytes[200];
    uint32_t len;

    (void)state;
    assert_int_equal(net_stack_send(&s, 60, 5), 1);
    assert_int_equal(net_stack_send(&s, 100, 9), 1);
    assert_int_equal(recv(peer, bytes, 168, MSG_WAITALL), 168);
    memcpy(&len, bytes, 4);
    assert_int_equal(ntohl(len), 60);
    assert_int_equal(bytes[4], 5);
    memcpy(&len, bytes + 64, 4);
    assert_int_equal(ntohl(len), 100);
    assert_int_equal(bytes[68], 9);
}

/* A stream has no borders: frames come in any parts. */
static void
passt_frames_come_in_any_parts(void **state)
{
    uint8_t stream[2 * 104];
    struct enlh_net_received got;
    uint32_t len = htonl(100);

    (void)state;
    for (uint32_t i = 0; i < sizeof(stream); i++)
        stream[i] = (uint8_t)i;
    memcpy(stream, &len, 4);
    memcpy(stream + 104, &len, 4);
    for (uint32_t at = 0; at < sizeof(stream);) {
        uint32_t part = at % 3 ? 1 : 37;

        if (part > sizeof(stream) - at)
            part = (uint32_t)sizeof(stream) - at;
        assert_int_equal(write(peer, stream + at, part), part);
        at += part;
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(net_stack_receive(&s, true, &got), 100);
        assert_memory_equal(fake_at(&s.f, 0x10000, 100), stream + 104 * i + 4, 100);
    }
}

static void
passt_a_length_that_is_none_ends_the_stream(void **state)
{
    uint32_t len = htonl(ENLH_NET_FRAME_MAX + 1);
    char byte;

    (void)state;
    assert_int_equal(write(peer, &len, 4), 4);
    assert_int_equal(recv(peer, &byte, 1, 0), 0);
    while (is_up())
        net_stack_wait(&s);
}

/* The NIC shows no carrier meanwhile, and what is sent is lost. */
static void
passt_it_goes_away_and_comes_back(void **state)
{
    uint8_t bytes[64];

    (void)state;
    close(peer);
    close(listener);
    while (is_up())
        net_stack_wait(&s);
    assert_int_equal(net_stack_send(&s, 60, 1), 1);
    listen_there();
    peer = accept(listener, NULL, NULL);
    while (!is_up())
        net_stack_wait(&s);
    assert_int_equal(net_stack_send(&s, 60, 7), 1);
    assert_int_equal(recv(peer, bytes, 64, MSG_WAITALL), 64);
    assert_int_equal(bytes[4], 7);
}

/* Two frames from the other side: between them lies a turn of the network's thread. */
static void
let_a_turn_pass(void)
{
    uint8_t stream[64] = {[3] = 60};
    struct enlh_net_received got;

    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(write(peer, stream, sizeof(stream)), sizeof(stream));
        assert_int_equal(net_stack_receive(&s, true, &got), 60);
    }
}

/* Send until the guest has to wait. Returns how many frames were taken. */
static uint32_t
send_until_it_waits(uint32_t limit)
{
    uint32_t sent = 0;

    for (bool waits = false; sent < limit;) {
        if (net_stack_send(&s, 60, (uint8_t)sent) == 1) {
            sent++;
            waits = false;
        } else if (waits) {
            break;
        } else {
            let_a_turn_pass();
            waits = true;
        }
    }
    return sent;
}

/* One that does not read holds the guest up, and nothing is lost when it reads again. */
static void
passt_what_waits_for_it_is_bounded(void **state)
{
    const uint32_t limit = 20000;
    uint32_t sent = send_until_it_waits(limit);
    uint8_t bytes[64];

    (void)state;
    assert_true(sent < limit);
    for (uint32_t i = 0; i < sent; i++) {
        assert_int_equal(recv(peer, bytes, 64, MSG_WAITALL), 64);
        assert_int_equal(bytes[4], i & 0xff);
    }
    while (net_stack_send(&s, 60, 0x77) != 1)
        net_stack_wait(&s);
    assert_int_equal(recv(peer, bytes, 64, MSG_WAITALL), 64);
    assert_int_equal(bytes[4], 0x77);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passt_frames_go_with_their_length, start, stop),
        cmocka_unit_test_setup_teardown(passt_frames_come_in_any_parts, start, stop),
        cmocka_unit_test_setup_teardown(passt_a_length_that_is_none_ends_the_stream,
                                        start, stop),
        cmocka_unit_test_setup_teardown(passt_what_waits_for_it_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(passt_it_goes_away_and_comes_back, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
