/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket's clients over one stream: both relays and both ends in one thread. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool/relay.h"
#include "tool/socket.h"
#include "tool/status.h"

static struct enlt_relay outside, inside;
static char dir[64], there[80], here[80];
static int stream[2], server, listener;

static int
setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/enlight-relay-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(there, sizeof(there), "%s/there", dir);
    snprintf(here, sizeof(here), "%s/here", dir);
    assert_int_equal(enlt_socket_listen(there, &server), 0);
    assert_int_equal(enlt_socket_listen(here, &listener), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
    enlt_relay_init(&outside, stream[0], listener, NULL);
    enlt_relay_init(&inside, stream[1], -1, there);
    inside.may_be_detached = false;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlt_relay_fini(&outside);
    enlt_relay_fini(&inside);
    close(stream[0]);
    close(stream[1]);
    close(server);
    close(listener);
    unlink(there);
    unlink(here);
    rmdir(dir);
    return 0;
}

static void
turns(void)
{
    for (int quiet = 0; quiet < 2;) {
        int moved = enlt_relay_turn(&outside, 0) | enlt_relay_turn(&inside, 0);

        assert_true(moved >= 0);
        quiet = moved ? 0 : quiet + 1;
    }
}

static int
come(void)
{
    int fd;

    assert_int_equal(enlt_socket_connect(here, &fd), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    turns();
    return fd;
}

static int
take(void)
{
    return accept4(server, NULL, NULL, SOCK_NONBLOCK);
}

static void
assert_hears(int fd, const char *text)
{
    char heard[64] = "";
    ssize_t n = read(fd, heard, sizeof(heard) - 1);

    assert_int_equal(n < 0 ? 0 : n, strlen(text));
    assert_string_equal(heard, text);
}

static void
tell(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    turns();
}

static void
relay_carries_each_client_by_itself(void **state)
{
    int client[3], served[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        client[i] = come();
        served[i] = take();
        assert_true(served[i] >= 0);
    }
    tell(client[2], "two");
    tell(client[0], "none");
    tell(served[1], "answer");
    assert_hears(served[0], "none");
    assert_hears(served[1], "");
    assert_hears(served[2], "two");
    assert_hears(client[1], "answer");
    for (int i = 0; i < 3; i++) {
        close(client[i]);
        turns();
        assert_int_equal(read(served[i], &(char){0}, 1), 0);
        close(served[i]);
    }
    turns();
    for (uint32_t i = 0; i < ENLT_RELAY_CLIENTS; i++)
        assert_false(outside.clients[i].in_use || inside.clients[i].in_use);
}

static void
relay_lets_an_answer_come_to_who_has_said_all(void **state)
{
    int client = come(), served = take();

    (void)state;
    tell(client, "question");
    shutdown(client, SHUT_WR);
    turns();
    assert_hears(served, "question");
    assert_int_equal(read(served, &(char){0}, 1), 0);
    tell(served, "answer");
    close(served);
    turns();
    assert_hears(client, "answer");
    assert_int_equal(read(client, &(char){0}, 1), 0);
    close(client);
    turns();
    assert_false(outside.clients[0].in_use || inside.clients[0].in_use);
}

static void
relay_loses_no_byte_of_much(void **state)
{
    enum { LEN = 3 << 20 };
    int client = come(), served = take();
    uint8_t *bytes = malloc(LEN);
    size_t sent = 0, got = 0;

    (void)state;
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    while (got < LEN) {
        uint8_t part[5000];
        ssize_t n = sent < LEN ? write(served, bytes + sent, LEN - sent) : 0;

        sent += n > 0 ? (size_t)n : 0;
        turns();
        n = read(client, part, sizeof(part));
        if (n > 0) {
            assert_memory_equal(part, bytes + got, (size_t)n);
            got += (size_t)n;
        }
    }
    free(bytes);
    close(client);
    close(served);
}

static void
relay_ends_a_client_when_nobody_is_there(void **state)
{
    int client;

    (void)state;
    close(server);
    unlink(there);
    client = come();
    assert_int_equal(read(client, &(char){0}, 1), 0);
    close(client);
    turns();
    assert_false(outside.clients[0].in_use || inside.clients[0].in_use);
    server = -1;
}

static void
relay_cuts_off_who_never_reads(void **state)
{
    int client = come(), good = come(), served = take(), served_good = take();
    char piece[4096] = "";

    (void)state;
    for (int i = 0; i < 4096 && inside.clients[0].fd >= 0 && outside.clients[0].fd >= 0;
         i++) {
        (void)!write(served, piece, sizeof(piece));
        turns();
    }
    assert_int_equal(outside.clients[0].fd, -1);
    tell(served_good, "still here");
    assert_hears(good, "still here");
    close(client);
    close(good);
    close(served);
    close(served_good);
}

static void
relay_takes_no_frame_that_makes_no_sense(void **state)
{
    static const uint8_t bad[][4] = {{1, 16, 0, 0}, {2, 0, 0, 0},    {3, 5, 0, 0},
                                     {9, 0, 0, 0},  {2, 0, 1, 0x10}, {1, 0, 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct enlt_relay relay;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        enlt_relay_init(&relay, pair[0], listener, NULL);
        assert_int_equal(write(pair[1], bad[i], 4), 4);
        assert_int_equal(enlt_relay_turn(&relay, 0), -1);
        enlt_relay_fini(&relay);
        close(pair[0]);
        close(pair[1]);
    }
}

static void
relay_opens_a_place_once(void **state)
{
    static const uint8_t open_once[] = {1, 3, 0, 0};

    (void)state;
    assert_int_equal(write(stream[0], open_once, 4), 4);
    assert_int_equal(enlt_relay_turn(&inside, 0), 1);
    assert_int_equal(write(stream[0], open_once, 4), 4);
    assert_int_equal(enlt_relay_turn(&inside, 0), -1);
}

static void
relay_ends_with_its_stream_and_says_what_came_through(void **state)
{
    static const uint8_t word[] = {2, 0, 3, 0, 'e', 'n', 'd'};
    int client = come();

    (void)state;
    assert_int_equal(write(stream[1], word, sizeof(word)), sizeof(word));
    shutdown(stream[1], SHUT_RDWR);
    while (enlt_relay_turn(&outside, 0) >= 0)
        ;
    assert_hears(client, "end");
    close(client);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(relay_carries_each_client_by_itself),
        CASE(relay_lets_an_answer_come_to_who_has_said_all),
        CASE(relay_loses_no_byte_of_much),
        CASE(relay_ends_a_client_when_nobody_is_there),
        CASE(relay_cuts_off_who_never_reads),
        CASE(relay_takes_no_frame_that_makes_no_sense),
        CASE(relay_opens_a_place_once),
        CASE(relay_ends_with_its_stream_and_says_what_came_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
