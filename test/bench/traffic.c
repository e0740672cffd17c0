/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/bench/traffic.c - both ends of the network's rows of "make bench"
 *
 *   traffic serve PORT                     beside the guest, until it is killed
 *   traffic JOB ADDRESS PORT SECONDS       in the guest; prints "RATE COUNT"
 *
 * A static program, since the guest may have no library. Units of the jobs:
 *   tcp-send, tcp-receive   64 KiB that came to the other end
 *   tcp-rr                  a byte there and a byte back, one after the other
 *   udp-send, udp-receive   a datagram of 64 bytes that came, at most WINDOW of them under
 *                           way: what a full queue loses would measure the queue
 * The first byte of a connection says what the client wants of the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK    (128u << 10)
#define UNIT     65536.0
#define DATAGRAM 64u
#define WINDOW   128u
#define STEP     16u     /* datagrams for each word of the receiver */
#define SILENCE  100000u /* us after which what is under way is lost */

/* What a datagram says; DATAGRAM bytes, in the byte order of both ends. */
struct datagram {
    uint32_t kind;   /* KIND_ */
    uint32_t value;  /* DATA: its number; GRANT: how many; TAKEN: how many in all */
    uint32_t number; /* TAKEN: the number of the last */
    uint8_t rest[DATAGRAM - 12];
};
enum { KIND_BEGIN, KIND_DATA, KIND_TAKEN, KIND_GRANT };

static char chunk[CHUNK];

static void
fail(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double
now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int
open_socket(int type, const char *address, const char *port, struct sockaddr_in *to)
{
    int fd = socket(AF_INET, type, 0), on = 1;

    *to = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(port))};
    if (fd < 0 || inet_pton(AF_INET, address, &to->sin_addr) != 1)
        fail(address);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (type == SOCK_STREAM)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* ---- the server ---- */

static void
serve_sink(int fd)
{
    uint64_t count = 0;
    ssize_t got;

    while ((got = read(fd, chunk, sizeof(chunk))) > 0)
        count += (uint64_t)got;
    (void)!write(fd, &count, sizeof(count));
}

static void
serve_connection(int fd)
{
    char want = 0, byte;

    if (read(fd, &want, 1) != 1)
        return;
    if (want == 's')
        serve_sink(fd);
    while (want == 'r' && write(fd, chunk, sizeof(chunk)) > 0)
        ;
    while (want == 'p' && read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
        ;
}

static void
serve_tcp(const char *port)
{
    struct sockaddr_in at;
    int fd = open_socket(SOCK_STREAM, "0.0.0.0", port, &at), peer;

    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 16))
        fail("listen");
    for (;;) {
        int on = 1;

        peer = accept(fd, NULL, NULL);
        if (peer < 0)
            continue;
        (void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (!fork()) {
            serve_connection(peer);
            _exit(0);
        }
        close(peer);
    }
}

static void
serve_udp(const char *port)
{
    struct sockaddr_in at;
    struct datagram in, out = {.kind = KIND_DATA};
    int fd = open_socket(SOCK_DGRAM, "0.0.0.0", port, &at);
    uint32_t taken = 0;

    if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
        fail("bind");
    for (;;) {
        socklen_t len = sizeof(at);

        if (recvfrom(fd, &in, sizeof(in), 0, (struct sockaddr *)&at, &len) != sizeof(in))
            continue;
        if (in.kind == KIND_BEGIN)
            taken = 0;
        if (in.kind == KIND_DATA && (++taken, in.value % STEP == STEP - 1)) {
            struct datagram word = {KIND_TAKEN, taken, in.value, {0}};

            (void)sendto(fd, &word, sizeof(word), 0, (struct sockaddr *)&at, len);
        }
        for (uint32_t i = 0; in.kind == KIND_GRANT && i < in.value; i++)
            (void)sendto(fd, &out, sizeof(out), 0, (struct sockaddr *)&at, len);
    }
}

/* ---- the client ---- */

static double began, until;

static void
report(double count)
{
    printf("%.0f %.0f\n", count / (now() - began), count);
}

static int
start(int type, char **words)
{
    struct sockaddr_in to;
    int fd = open_socket(type, words[2], words[3], &to);

    if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
        fail("connect");
    began = now();
    until = began + atof(words[4]);
    return fd;
}

static void
send_stream(int fd)
{
    uint64_t count = 0;

    (void)!write(fd, "s", 1);
    while (now() < until && write(fd, chunk, sizeof(chunk)) > 0)
        ;
    shutdown(fd, SHUT_WR);
    if (read(fd, &count, sizeof(count)) != sizeof(count))
        fail("the server's count");
    report((double)count / UNIT);
}

static void
receive_stream(int fd)
{
    uint64_t count = 0;
    ssize_t got;

    (void)!write(fd, "r", 1);
    while (now() < until && (got = read(fd, chunk, sizeof(chunk))) > 0)
        count += (uint64_t)got;
    report((double)count / UNIT);
}

static void
ping_pong(int fd)
{
    uint64_t count = 0;
    char byte = 0;

    (void)!write(fd, "p", 1);
    while (now() < until && write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1)
        count++;
    report((double)count);
}

/* A socket that says nothing for SILENCE ends a wait. */
static void
be_impatient(int fd)
{
    struct timeval wait = {.tv_usec = SILENCE};

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
}

static void
send_datagrams(int fd)
{
    struct datagram out = {.kind = KIND_BEGIN}, in;
    uint32_t number = 0, seen = 0, taken = 0;

    be_impatient(fd);
    (void)!write(fd, &out, sizeof(out));
    out.kind = KIND_DATA;
    while (now() < until) {
        while (number - seen < WINDOW) {
            out.value = number++;
            (void)!write(fd, &out, sizeof(out));
        }
        if (read(fd, &in, sizeof(in)) == sizeof(in) && in.kind == KIND_TAKEN) {
            seen = in.number + 1;
            taken = in.value;
        } else {
            seen = number;
        }
    }
    report(taken);
}

static void
receive_datagrams(int fd)
{
    struct datagram out = {.kind = KIND_GRANT}, in;
    uint32_t count = 0, granted = 0;

    be_impatient(fd);
    while (now() < until) {
        out.value = WINDOW - granted;
        if (out.value >= STEP && write(fd, &out, sizeof(out)) == sizeof(out))
            granted = WINDOW;
        if (read(fd, &in, sizeof(in)) == sizeof(in)) {
            count++;
            granted--;
        } else {
            granted = 0;
        }
    }
    report(count);
}

static const struct {
    const char *name;
    int type;
    void (*run)(int fd);
} jobs[] = {
    {"tcp-send", SOCK_STREAM, send_stream},
    {"tcp-receive", SOCK_STREAM, receive_stream},
    {"tcp-rr", SOCK_STREAM, ping_pong},
    {"udp-send", SOCK_DGRAM, send_datagrams},
    {"udp-receive", SOCK_DGRAM, receive_datagrams},
};

int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    if (argc == 3 && !strcmp(argv[1], "serve")) {
        if (!fork()) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve_udp(argv[2]);
        }
        serve_tcp(argv[2]);
    }
    for (size_t i = 0; argc == 5 && i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        if (!strcmp(argv[1], jobs[i].name)) {
            jobs[i].run(start(jobs[i].type, argv));
            return 0;
        }
    }
    fprintf(stderr, "usage: traffic serve PORT | traffic JOB ADDRESS PORT SECONDS\n");
    return 64;
}
