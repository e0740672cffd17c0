/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/unit/unikernel_tcp.c - connections of the unikernel: they open, talk, repair, end
 *
 * The peer is a hand: what it sends may be late, twice, forged or nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "unikernel_rig.h"

#define ECHO  7
#define HTTP  80
#define FIRST 0xFFFFFF00u /* the peer's numbers go round soon */
#define MSS   1000u       /* that the peer tells */

static struct rig rig;
static uint8_t bytes[FRAME_ROOM];
/* The connection as the peer sees it. */
static struct rig_segment peer;

uint32_t
status_page(char *to, uint32_t room)
{
    return (uint32_t)snprintf(to, room, "all is well\n");
}

static int
setup(void **state)
{
    (void)state;
    rig_init(&rig);
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    return 0;
}

/* Send from where the peer is: its numbers go on. */
static void
say(uint32_t flags, const void *data, uint32_t len)
{
    peer.flags = flags;
    peer.data = data;
    peer.len = len;
    rig_forget(&rig);
    rig_send(&rig, &peer);
    peer.seq += len + (flags & (RIG_SYN | RIG_FIN) ? 1 : 0);
}

static void
open_from(uint16_t from, uint16_t port)
{
    struct rig_segment answer;

    peer = (struct rig_segment){.from = from, .to = port, .seq = FIRST, .window = 20000};
    say(RIG_SYN, NULL, 0);
    assert_int_equal(rig.out_count, 1);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.flags, RIG_SYN | RIG_ACK);
    assert_int_equal(answer.ack, FIRST + 1);
    peer.ack = answer.seq + 1;
    say(RIG_ACK, NULL, 0);
}

static struct tcp_conn *
conn(void)
{
    return &rig.stack.conns[0];
}

/* ---- the usual ---- */

static void
connection_opens_talks_and_ends(void **state)
{
    struct rig_segment answer;

    (void)state;
    open_from(4000, ECHO);
    assert_int_equal(rig.out_count, 0);
    assert_int_equal(rig.stack.connections, 1);
    say(RIG_ACK | RIG_PSH, "hello", 5);
    assert_int_equal(rig.out_count, 1);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.flags, RIG_ACK | RIG_PSH);
    assert_int_equal(answer.seq, peer.ack);
    assert_int_equal(answer.ack, peer.seq);
    assert_int_equal(answer.len, 5);
    assert_memory_equal(answer.data, "hello", 5);
    peer.ack += 5;
    say(RIG_ACK | RIG_FIN, NULL, 0);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.flags, RIG_ACK | RIG_FIN);
    assert_int_equal(answer.ack, peer.seq);
    peer.ack++;
    say(RIG_ACK, NULL, 0);
    assert_int_equal(rig.out_count, 0);
    assert_int_equal(conn()->state, TCP_FREE);
}

static void
page_has_its_length(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r";
    struct rig_segment answer;

    (void)state;
    open_from(4000, HTTP);
    say(RIG_ACK, request, sizeof(request) - 1);
    assert_int_equal(rig_segment(&rig, 0).len, 0); /* the end is not there yet */
    say(RIG_ACK, "\n", 1);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.flags, RIG_ACK | RIG_PSH | RIG_FIN);
    assert_memory_equal(answer.data, "HTTP/1.1 200 OK\r\n", 17);
    assert_memory_equal((const char *)answer.data + answer.len - 20,
                        "0012\r\n\r\nall is well\n", 20);
}

static void
whoever_closes_first_lingers(void **state)
{
    struct rig_segment answer;

    (void)state;
    open_from(4000, HTTP);
    say(RIG_ACK, "PUT / HTTP/1.0\r\n\r\n", 18);
    answer = rig_segment(&rig, 0);
    assert_memory_equal(answer.data, "HTTP/1.1 501", 12);
    peer.ack = answer.seq + answer.len + 1;
    say(RIG_ACK, NULL, 0);
    assert_int_equal(conn()->state, TCP_OPEN);
    say(RIG_ACK | RIG_FIN, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).ack, peer.seq);
    assert_int_equal(conn()->state, TCP_TIME_WAIT);
    peer.seq--; /* the acknowledgement was lost */
    say(RIG_ACK | RIG_FIN, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).ack, peer.seq);
    peer.seq -=
        10; /* the same port again: with a number that was used, and with another */
    say(RIG_SYN, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).flags, RIG_ACK);
    peer.seq += 10;
    say(RIG_SYN, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).flags, RIG_SYN | RIG_ACK);
}

static void
port_without_service_is_reset(void **state)
{
    struct rig_segment answer;

    (void)state;
    peer = (struct rig_segment){.from = 4000, .to = 22, .seq = FIRST};
    say(RIG_SYN, NULL, 0);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.flags, RIG_RST | RIG_ACK);
    assert_int_equal(answer.ack, FIRST + 1);
    peer.to = ECHO;
    peer.ack = 123;
    say(RIG_ACK, "x", 1);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.flags, RIG_RST);
    assert_int_equal(answer.seq, 123);
    say(RIG_RST, NULL, 0);
    assert_int_equal(rig.out_count, 0);
}

/* ---- repair ---- */

static void
lost_segment_is_sent_again(void **state)
{
    struct rig_segment answer;

    (void)state;
    open_from(4000, ECHO);
    say(RIG_ACK, "hello", 5);
    rig_forget(&rig);
    rig_wait(&rig, 999);
    assert_int_equal(rig.out_count, 0);
    rig_wait(&rig, 1);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.seq, peer.ack);
    assert_memory_equal(answer.data, "hello", 5);
    assert_int_equal(rig.stack.resent, 1);
    peer.ack += 5;
    say(RIG_ACK, NULL, 0);
    rig_wait(&rig, 20000);
    assert_int_equal(rig.out_count, 0);
}

static void
silence_ends_a_connection(void **state)
{
    (void)state;
    open_from(4000, ECHO);
    say(RIG_ACK, "hello", 5);
    rig_forget(&rig);
    for (int i = 0; i < 40 && conn()->state != TCP_FREE; i++)
        rig_wait(&rig, 1000);
    assert_int_equal(conn()->state, TCP_FREE);
    assert_int_equal(rig.out_count, 6); /* after 1, 3, 7, 15, 23 s; and the end */
    assert_true(rig_segment(&rig, rig.out_count - 1).flags & RIG_RST);
}

static void
lost_handshake_is_sent_again(void **state)
{
    (void)state;
    peer = (struct rig_segment){.from = 4000, .to = ECHO, .seq = FIRST, .window = 1000};
    say(RIG_SYN, NULL, 0);
    rig_forget(&rig);
    rig_wait(&rig, 1000);
    assert_int_equal(rig_segment(&rig, 0).flags, RIG_SYN | RIG_ACK);
    peer.ack = rig_segment(&rig, 0).seq + 1;
    say(RIG_ACK, "x", 1);
    assert_int_equal(rig_segment(&rig, 0).len, 1);
}

static void
frames_wait_for_room(void **state)
{
    (void)state;
    open_from(4000, ECHO);
    rig.is_full = true;
    say(RIG_ACK, "hello", 5);
    assert_int_equal(rig.out_count, 0);
    rig.is_full = false;
    rig_wait(&rig, 1);
    assert_memory_equal(rig_segment(&rig, 0).data, "hello", 5);
}

static void
segments_out_of_order_are_asked_for_again(void **state)
{
    struct rig_segment answer;

    (void)state;
    open_from(4000, ECHO);
    peer.seq += 3;
    say(RIG_ACK, "lo", 2);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.len, 0);
    assert_int_equal(answer.ack, FIRST + 1);
    peer.seq = FIRST + 1;
    say(RIG_ACK, "hel", 3);
    assert_int_equal(rig_segment(&rig, 0).len, 3);
    peer.seq = FIRST + 2; /* the half of it is old */
    say(RIG_ACK, "ello", 4);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.len, 2);
    assert_memory_equal(answer.data, "lo", 2);
}

/* ---- windows ---- */

static void
peers_window_is_kept_and_probed(void **state)
{
    struct rig_segment answer;

    (void)state;
    open_from(4000, ECHO);
    peer.window = 3;
    say(RIG_ACK, "hello", 5);
    assert_int_equal(rig_segment(&rig, 0).len, 3);
    assert_int_equal(rig.out_count, 1);
    peer.ack += 3;
    peer.window = 0;
    say(RIG_ACK, NULL, 0);
    assert_int_equal(rig.out_count, 0);
    rig_wait(&rig, 1000);
    answer = rig_segment(&rig, 0);
    assert_int_equal(answer.len, 1);
    for (int i = 0; i < 20; i++) { /* it answers, and takes nothing: no end */
        say(RIG_ACK, NULL, 0);
        rig_wait(&rig, 5000);
    }
    assert_int_equal(conn()->state, TCP_OPEN);
    peer.window = 100;
    say(RIG_ACK, NULL, 0);
    answer = rig_segment(&rig, rig.out_count - 1);
    assert_int_equal(answer.seq + answer.len, peer.ack + 2);
}

static void
own_window_is_the_memory_that_is_free(void **state)
{
    uint32_t kept;

    (void)state;
    open_from(4000, ECHO);
    peer.window = 0; /* it takes nothing back */
    for (uint32_t i = 0; i < 20; i++)
        say(RIG_ACK, bytes, 1000);
    kept = conn()->out_len;
    assert_int_equal(kept, TCP_BUFFER);
    assert_int_equal(rig_segment(&rig, 0).window, 0);
    assert_int_equal(rig_segment(&rig, 0).ack, FIRST + 1 + TCP_BUFFER);
    peer.seq = FIRST + 1 + TCP_BUFFER;
    peer.window = 20000;
    say(RIG_ACK, NULL, 0); /* all goes out, in segments that the peer takes */
    assert_int_equal(rig.out_count, 9);
    for (uint32_t i = 0; i < 9; i++)
        assert_int_equal(rig_segment(&rig, i).len, i < 8 ? MSS : TCP_BUFFER - 8 * MSS);
    peer.ack += TCP_BUFFER;
    say(RIG_ACK, NULL, 0); /* and the window opens without anything to send */
    assert_int_equal(rig.out_count, 1);
    assert_int_equal(rig_segment(&rig, 0).window, TCP_BUFFER);
}

static void
end_needs_no_window(void **state)
{
    (void)state;
    open_from(4000, ECHO);
    peer.window = 0;
    for (uint32_t i = 0; i < 9; i++)
        say(RIG_ACK, bytes, 1000);
    peer.seq = FIRST + 1 + TCP_BUFFER;
    say(RIG_ACK | RIG_FIN, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).ack, peer.seq);
    assert_int_equal(rig_segment(&rig, 0).window, 0);
}

static void
large_segment_is_the_nics_to_cut(void **state)
{
    (void)state;
    rig.station.offload_tcp = true;
    rig.station.segment_max = 60000;
    open_from(4000, ECHO);
    peer.window = 0;
    for (uint32_t i = 0; i < 5; i++)
        say(RIG_ACK, bytes + i * 1000, 1000);
    peer.window = 20000;
    say(RIG_ACK, NULL, 0);
    assert_int_equal(rig.out_count, 1);
    assert_int_equal(rig_segment(&rig, 0).len, 5000);
    assert_memory_equal(rig_segment(&rig, 0).data, bytes, 5000);
    assert_int_equal(rig.out[0].offload.segment_len, MSS);
    assert_int_equal(rig.out[0].offload.tcp_at, FRAME_HEAD);
    assert_int_equal(get16(rig.out[0].bytes + 16), 0); /* the IPv4 length */
    assert_int_equal(get16(rig.out[0].bytes + FRAME_HEAD + 16),
                     (uint16_t)~sum_end(sum_pseudo(RIG_OWN, RIG_PEER, 6, 0)));
}

/* ---- hostile peers ---- */

static void
forged_reset_is_not_believed(void **state)
{
    (void)state;
    open_from(4000, ECHO);
    peer.seq += 10; /* a guess within the window */
    say(RIG_RST, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).ack, FIRST + 1);
    assert_int_equal(conn()->state, TCP_OPEN);
    peer.seq += 100000;
    say(RIG_RST, NULL, 0);
    assert_int_equal(rig.out_count, 0);
    peer.seq = FIRST + 1;
    say(RIG_SYN, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).flags, RIG_ACK);
    assert_int_equal(conn()->state, TCP_OPEN);
    peer.seq = FIRST + 1;
    say(RIG_RST, NULL, 0);
    assert_int_equal(conn()->state, TCP_FREE);
    assert_int_equal(rig.out_count, 0);
}

static void
acknowledgement_of_what_was_not_sent_is_dropped(void **state)
{
    (void)state;
    open_from(4000, ECHO);
    peer.ack += 1;
    say(RIG_ACK, "hello", 5);
    assert_int_equal(rig_segment(&rig, 0).ack, FIRST + 1);
    assert_int_equal(conn()->out_len, 0);
    /* And at the handshake. */
    peer = (struct rig_segment){.from = 4001, .to = ECHO, .seq = FIRST, .window = 1000};
    say(RIG_SYN, NULL, 0);
    peer.ack = rig_segment(&rig, 0).seq;
    say(RIG_ACK, NULL, 0);
    assert_int_equal(rig_segment(&rig, 0).flags, RIG_RST);
    assert_int_equal(rig.stack.connections, 1);
}

static void
flood_of_syns_leaves_connections_alone(void **state)
{
    (void)state;
    open_from(4000, ECHO);
    for (uint16_t i = 0; i < 1000; i++) {
        struct rig_segment syn = {
            .from = (uint16_t)(5000 + i), .to = ECHO, .seq = i, .flags = RIG_SYN};

        rig_forget(&rig);
        rig_send(&rig, &syn);
        assert_int_equal(rig.out_count, 1);
    }
    say(RIG_ACK, "hello", 5);
    assert_int_equal(rig_segment(&rig, 0).len, 5);
}

static void
idle_connections_make_room(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < TCP_CONNS; i++)
        open_from((uint16_t)(4000 + i), ECHO);
    peer = (struct rig_segment){.from = 6000, .to = ECHO, .seq = FIRST};
    say(RIG_SYN, NULL, 0);
    assert_int_equal(rig.out_count, 0);
    rig_wait(&rig, 30000);
    assert_int_equal(rig.out_count, TCP_CONNS); /* each is told */
    assert_true(rig_segment(&rig, 0).flags & RIG_RST);
    open_from(6000, ECHO);
}

static void
first_numbers_differ(void **state)
{
    uint32_t first;

    (void)state;
    open_from(4000, ECHO);
    first = peer.ack;
    open_from(4001, ECHO);
    assert_int_not_equal(peer.ack, first);
    rig_init(&rig);
    rig.station.secret++;
    open_from(4000, ECHO);
    assert_int_not_equal(peer.ack, first);
}

static uint32_t
next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void
check_conn(const struct tcp_conn *c)
{
    if (c->state != TCP_OPEN)
        return;
    assert_true(c->out_len <= TCP_BUFFER);
    assert_true(c->next - c->first_kept <= c->out_len + 1);
    assert_true(c->highest - c->first_kept <= c->out_len + 1);
    assert_true(c->edge - c->wanted <= TCP_BUFFER);
    assert_true(!c->service->echoes || c->out_len + (c->edge - c->wanted) <= TCP_BUFFER);
}

/* Numbers near those that matter, of few ports, in any order and at any time. */
static void
nonsense_breaks_no_promise(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (uint32_t i = 0; i < 200000; i++) {
        const struct tcp_conn *c = &rig.stack.conns[next_random(&seed) % TCP_CONNS];
        struct rig_segment m = {
            .from = c->state && next_random(&seed) % 4
                        ? c->peer.port
                        : (uint16_t)(4000 + next_random(&seed) % 10),
            .to = c->state && c->service   ? c->service->port
                  : next_random(&seed) % 2 ? ECHO
                                           : HTTP,
            .seq =
                c->wanted + (next_random(&seed) % 3 ? 0 : next_random(&seed) % 64 - 32),
            .ack =
                c->highest - (next_random(&seed) % 3 ? 0 : next_random(&seed) % 64 - 8),
            .flags = next_random(&seed) % 4 ? RIG_ACK : next_random(&seed) % 32,
            .window = next_random(&seed) % 5000,
            .data = bytes,
            .len = next_random(&seed) % 3 ? next_random(&seed) % 1460 : 0,
        };

        rig_forget(&rig);
        rig.is_full = next_random(&seed) % 16 == 0;
        rig_send(&rig, &m);
        for (uint32_t n = 0; n < rig.out_count; n++)
            (void)rig_segment(&rig, n);
        assert_true(rig.out_count <= 20);
        if (next_random(&seed) % 8 == 0)
            rig_wait(&rig, next_random(&seed) % 500);
        for (uint32_t n = 0; n < TCP_CONNS; n++)
            check_conn(&rig.stack.conns[n]);
    }
    assert_true(rig.stack.connections > 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(connection_opens_talks_and_ends, setup),
        cmocka_unit_test_setup(page_has_its_length, setup),
        cmocka_unit_test_setup(whoever_closes_first_lingers, setup),
        cmocka_unit_test_setup(port_without_service_is_reset, setup),
        cmocka_unit_test_setup(lost_segment_is_sent_again, setup),
        cmocka_unit_test_setup(silence_ends_a_connection, setup),
        cmocka_unit_test_setup(lost_handshake_is_sent_again, setup),
        cmocka_unit_test_setup(frames_wait_for_room, setup),
        cmocka_unit_test_setup(segments_out_of_order_are_asked_for_again, setup),
        cmocka_unit_test_setup(peers_window_is_kept_and_probed, setup),
        cmocka_unit_test_setup(own_window_is_the_memory_that_is_free, setup),
        cmocka_unit_test_setup(end_needs_no_window, setup),
        cmocka_unit_test_setup(large_segment_is_the_nics_to_cut, setup),
        cmocka_unit_test_setup(forged_reset_is_not_believed, setup),
        cmocka_unit_test_setup(acknowledgement_of_what_was_not_sent_is_dropped, setup),
        cmocka_unit_test_setup(flood_of_syns_leaves_connections_alone, setup),
        cmocka_unit_test_setup(idle_connections_make_room, setup),
        cmocka_unit_test_setup(first_numbers_differ, setup),
        cmocka_unit_test_setup(nonsense_breaks_no_promise, setup),
    };

    return cmocka_run_group_tests_name("unikernel_tcp", tests, NULL, NULL);
}
