/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket's clients: several, slow ones, ones that never read, and news for all. */
#include "control_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct enlm_loop loop;
static struct enlm_control *control;
static struct sockaddr_un address;
static socklen_t address_len;

static void
nothing(void *ctx)
{
    (void)ctx;
}

static int
setup(void **state)
{
    static unsigned round;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)state;
    rig_forget();
    address.sun_family = AF_UNIX;
    /* A name without a file. */
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "enlight-control-%d-%u",
             (int)getpid(), round++);
    address_len =
        (socklen_t)(sizeof(address.sun_family) + 1 + strlen(address.sun_path + 1));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, address_len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(enlm_loop_init(&loop, nothing, NULL), 0);
    assert_int_equal(enlm_control_create(&loop, fd, &rig_ops, NULL, &control), 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlm_control_destroy(control);
    enlm_loop_fini(&loop);
    rig_forget();
    return 0;
}

static void
turn(void)
{
    for (int i = 0; i < 20; i++)
        enlm_loop_once(&loop, 0);
}

/* Connects, and takes the greeting. */
static int
come(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char line[256];

    assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
    turn();
    assert_true(recv(fd, line, sizeof(line), 0) > 0);
    assert_memory_equal(line, "{\"QMP\"", 6);
    return fd;
}

static void
tell(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    turn();
}

/* What the client can read now: "" for nothing, NULL when it was dropped. */
static const char *
hear(int fd)
{
    static char text[65536];
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

    if (n == 0)
        return NULL;
    text[n > 0 ? n : 0] = 0;
    return text;
}

static int
come_and_negotiate(void)
{
    int fd = come();

    tell(fd, "{\"execute\":\"qmp_capabilities\"}\n");
    assert_string_equal(hear(fd), "{\"return\":{}}\n");
    return fd;
}

static void
server_serves_several_clients_at_once(void **state)
{
    int fds[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        fds[i] = come_and_negotiate();
    assert_int_equal(enlm_control_clients(control), 3);
    tell(fds[2], "{\"execute\":\"stop\",\"id\":2}");
    tell(fds[0], "{\"execute\":\"cont\",\"id\":0}");
    assert_string_equal(hear(fds[0]), "{\"return\":{},\"id\":0}\n");
    assert_string_equal(hear(fds[1]), "");
    assert_string_equal(hear(fds[2]), "{\"return\":{},\"id\":2}\n");
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    turn();
    assert_int_equal(enlm_control_clients(control), 0);
}

static void
server_tells_news_to_all_that_have_negotiated(void **state)
{
    int one = come_and_negotiate(), other = come_and_negotiate(), new = come();

    (void)state;
    enlm_control_tell(control, ENLM_CONTROL_STOPPED, NULL);
    assert_int_equal(rig.wakes, 1);
    enlm_control_deliver(control);
    assert_memory_equal(hear(one), "{\"event\":\"STOP\",", 16);
    assert_memory_equal(hear(other), "{\"event\":\"STOP\",", 16);
    assert_string_equal(hear(new), "");
    close(one);
    close(other);
    close(new);
}

static void
server_takes_no_more_clients_than_it_has_places(void **state)
{
    int fds[ENLM_CONTROL_CLIENTS + 1];

    (void)state;
    for (unsigned i = 0; i < ENLM_CONTROL_CLIENTS; i++)
        fds[i] = come();
    fds[ENLM_CONTROL_CLIENTS] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(
        connect(fds[ENLM_CONTROL_CLIENTS], (struct sockaddr *)&address, address_len), 0);
    turn();
    assert_non_null(strstr(hear(fds[ENLM_CONTROL_CLIENTS]),
                           "\"desc\":\"it has as many clients as it takes"));
    assert_null(hear(fds[ENLM_CONTROL_CLIENTS]));
    close(fds[0]);
    turn();
    fds[0] = come();
    for (unsigned i = 0; i <= ENLM_CONTROL_CLIENTS; i++)
        close(fds[i]);
}

static void
server_answers_what_was_asked_before_the_client_shut_its_side(void **state)
{
    int fd = come_and_negotiate();

    (void)state;
    assert_int_equal(send(fd, "{\"execute\":\"stop\"}", 18, 0), 18);
    shutdown(fd, SHUT_WR);
    turn();
    assert_string_equal(hear(fd), "{\"return\":{}}\n");
    assert_null(hear(fd));
    assert_int_equal(enlm_control_clients(control), 0);
    close(fd);
}

static void
server_says_all_before_it_lets_a_client_go(void **state)
{
    int fd = come_and_negotiate();
    unsigned answers = 0;
    const char *text;

    (void)state;
    rig.answer_len = 10000;
    for (int i = 0; i < 40; i++)
        assert_int_equal(send(fd, "{\"execute\":\"query-status\"}", 26, 0), 26);
    shutdown(fd, SHUT_WR);
    turn();
    while ((text = hear(fd))) {
        for (const char *at = text; (at = strchr(at, '\n')); at++)
            answers++;
        turn();
    }
    assert_int_equal(answers, 40);
    close(fd);
}

/* Sends requests without reading until the socket takes no more. */
static void
flood(int fd)
{
    static const char text[] = "{\"execute\":\"query-status\"}";

    for (;;) {
        ssize_t n = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);

        turn();
        if (n != (ssize_t)sizeof(text) - 1)
            return;
    }
}

static void
server_stops_listening_to_a_client_that_does_not_read(void **state)
{
    int fd = come_and_negotiate();
    unsigned runs;

    (void)state;
    rig.answer_len = 10000;
    flood(fd);
    runs = rig.runs[ENLM_CONTROL_QUERY_STATUS];
    turn();
    assert_int_equal(rig.runs[ENLM_CONTROL_QUERY_STATUS], runs);
    assert_int_equal(enlm_control_clients(control), 1);
    /* It reads again, and everything that was sent is answered. */
    for (int quiet = 0; quiet < 3;) {
        const char *text = hear(fd);

        assert_non_null(text);
        quiet = *text ? 0 : quiet + 1;
        turn();
    }
    assert_true(rig.runs[ENLM_CONTROL_QUERY_STATUS] > runs);
    close(fd);
}

static void
server_drops_a_client_that_never_reads(void **state)
{
    int fd = come_and_negotiate(), good = come_and_negotiate();

    (void)state;
    rig.answer_len = 10000;
    flood(fd);
    assert_int_equal(enlm_control_clients(control), 2);
    for (int i = 0; i < 3; i++)
        enlm_control_tick(control);
    assert_int_equal(enlm_control_clients(control), 1);
    rig.answer_len = 0;
    tell(good, "{\"execute\":\"stop\"}");
    assert_string_equal(hear(good), "{\"return\":{}}\n");
    close(fd);
    close(good);
}

static void
server_bounds_what_waits_for_a_client(void **state)
{
    int fd = come_and_negotiate();

    (void)state;
    rig.answer_len = ENLM_CONTROL_OUTPUT + 1;
    tell(fd, "{\"execute\":\"query-status\"}");
    assert_int_equal(enlm_control_clients(control), 0);
    close(fd);
}

static void
server_that_is_closed_has_no_clients_and_bears_news(void **state)
{
    int fd = come_and_negotiate();

    (void)state;
    enlm_control_tell(control, ENLM_CONTROL_STOPPED, NULL);
    enlm_control_close(control);
    assert_memory_equal(hear(fd), "{\"event\":\"STOP\",", 16);
    assert_null(hear(fd));
    enlm_control_tell(control, ENLM_CONTROL_DEVICE_DELETED,
                      json_pack("{ss}", "device", "x"));
    enlm_control_deliver(control);
    enlm_control_tell(control, ENLM_CONTROL_RESUME, NULL);
    assert_int_equal(enlm_control_clients(control), 0);
    close(fd);
}

static void *
teller(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 1000; i++)
        enlm_control_tell(control, ENLM_CONTROL_RESUME, NULL);
    return NULL;
}

static void
server_hears_news_from_any_thread_and_bounds_them(void **state)
{
    pthread_t threads[2];
    int fd = come_and_negotiate();

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, teller, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(rig.wakes, ENLM_CONTROL_NEWS);
    enlm_control_deliver(control);
    turn();
    assert_memory_equal(hear(fd), "{\"event\":\"RESUME\",", 18);
    close(fd);
}

/* A command whose answer comes later; the next one of this client waits for it. */
static uint32_t
ask_for_later(int fd)
{
    rig.error = ENLM_CONTROL_LATER;
    tell(fd, "{\"execute\":\"hv-vss-thaw\",\"id\":7}{\"execute\":\"cont\",\"id\":8}");
    rig.error = 0;
    assert_string_equal(hear(fd), "");
    return enlm_control_ticket(control);
}

static void
server_answers_later_and_in_order(void **state)
{
    int fd = come_and_negotiate(), other = come_and_negotiate();
    uint32_t ticket;

    (void)state;
    ticket = ask_for_later(fd);
    tell(other, "{\"execute\":\"stop\"}");
    assert_string_equal(hear(other), "{\"return\":{}}\n");
    assert_int_equal(rig.runs[ENLM_CONTROL_CONT], 0);
    enlm_control_answer(control, ticket, 0, json_pack("{sb}", "late", true), NULL);
    assert_int_equal(rig.wakes, 1);
    enlm_control_deliver(control);
    assert_string_equal(hear(fd), "{\"return\":{\"late\":true},\"id\":7}\n"
                                  "{\"return\":{},\"id\":8}\n");
    ticket = ask_for_later(fd);
    enlm_control_answer(control, ticket, -ENL_E_IO, NULL, "the guest says no");
    enlm_control_deliver(control);
    assert_non_null(strstr(hear(fd), "\"desc\":\"the guest says no\"},\"id\":7}"));
    close(fd);
    close(other);
}

static void
server_answers_later_who_has_shut_its_side(void **state)
{
    int fd = come_and_negotiate();
    uint32_t ticket = ask_for_later(fd);

    (void)state;
    shutdown(fd, SHUT_WR);
    turn();
    enlm_control_answer(control, ticket, 0, NULL, NULL);
    enlm_control_deliver(control);
    assert_memory_equal(hear(fd), "{\"return\":{},\"id\":7}", 20);
    turn();
    close(fd);
}

/*
 * Its place is free when something could not be sent to it. The answer must not be taken for
 * that to who came in its place, nor push that out.
 */
static void
server_drops_the_answer_of_who_has_gone(void **state)
{
    int fd = come_and_negotiate();
    uint32_t ticket = ask_for_later(fd), next;

    (void)state;
    close(fd);
    turn();
    assert_int_equal(enlm_control_clients(control), 1);
    enlm_control_tell(control, ENLM_CONTROL_STOPPED, NULL);
    enlm_control_deliver(control);
    assert_int_equal(enlm_control_clients(control), 0);
    fd = come_and_negotiate();
    next = ask_for_later(fd);
    assert_int_not_equal(next, ticket);
    enlm_control_answer(control, ticket, 0, json_true(), NULL);
    enlm_control_deliver(control);
    assert_string_equal(hear(fd), "");
    enlm_control_answer(control, next, 0, NULL, NULL);
    enlm_control_answer(control, ticket, 0, json_true(), NULL);
    enlm_control_deliver(control);
    assert_memory_equal(hear(fd), "{\"return\":{},\"id\":7}", 20);
    close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(server_serves_several_clients_at_once),
        CASE(server_tells_news_to_all_that_have_negotiated),
        CASE(server_takes_no_more_clients_than_it_has_places),
        CASE(server_answers_what_was_asked_before_the_client_shut_its_side),
        CASE(server_says_all_before_it_lets_a_client_go),
        CASE(server_stops_listening_to_a_client_that_does_not_read),
        CASE(server_drops_a_client_that_never_reads),
        CASE(server_bounds_what_waits_for_a_client),
        CASE(server_that_is_closed_has_no_clients_and_bears_news),
        CASE(server_hears_news_from_any_thread_and_bounds_them),
        CASE(server_answers_later_and_in_order),
        CASE(server_answers_later_who_has_shut_its_side),
        CASE(server_drops_the_answer_of_who_has_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
