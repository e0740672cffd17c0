/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/relay.c - "enlight relay": a socket's clients over one stream, and the way back
 *
 * Run by nested/run.sh and by the nested machine's init. A client that does not read keeps
 * up to a bound and is then cut off; while the stream is slow no client is read. An end of
 * input is passed on for each direction by itself, so that an answer still comes to who
 * has said all. The other end of the stream is ours, and its frames are checked.
 * Tests: test/unit/tool_relay.c, test/os/nested_control.sh.
 */
#define _GNU_SOURCE
#include "tool/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool/option.h"
#include "tool/socket.h"
#include "tool/status.h"
#include "tool/verb.h"

#define HEAD     4u
#define SLOW     (256u << 10) /* bytes that wait for the stream: no client is read */
#define CLIENT   (8u << 20)   /* bytes that wait for a client: it is cut off */
#define QUIET_MS 200          /* nothing moves for this long: all has been said */

enum op { OP_OPEN = 1, OP_DATA, OP_END };

/* ---- bytes that wait ---- */

static bool
append(struct enlt_relay_buffer *buffer, const void *bytes, size_t len)
{
    if (buffer->len && buffer->first)
        memmove(buffer->bytes, buffer->bytes + buffer->first, buffer->len);
    buffer->first = 0;
    if (buffer->len + len > buffer->room) {
        size_t room = 2 * (buffer->len + len);
        char *grown = realloc(buffer->bytes, room);

        if (!grown)
            return false;
        buffer->bytes = grown;
        buffer->room = room;
    }
    memcpy(buffer->bytes + buffer->len, bytes, len);
    buffer->len += len;
    return true;
}

static void
consume(struct enlt_relay_buffer *buffer, size_t len)
{
    buffer->first += len;
    buffer->len -= len;
}

/* Returns how much was written, or -1: the descriptor is dead. */
static ssize_t
drain(int fd, struct enlt_relay_buffer *buffer)
{
    ssize_t n = write(fd, buffer->bytes + buffer->first, buffer->len);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    consume(buffer, (size_t)n);
    return n;
}

/* ---- frames ---- */

static void
say(struct enlt_relay *relay, enum op op, uint32_t who, const void *bytes, size_t len)
{
    const uint8_t head[HEAD] = {(uint8_t)op, (uint8_t)who, (uint8_t)len,
                                (uint8_t)(len >> 8)};

    if (!append(&relay->out, head, HEAD) || !append(&relay->out, bytes, len))
        abort(); /* a few hundred KiB: nothing can go on without them */
}

static void
say_end(struct enlt_relay *relay, struct enlt_relay_client *client)
{
    if (!client->said_end)
        say(relay, OP_END, (uint32_t)(client - relay->clients), "", 0);
    client->said_end = true;
}

/* Nobody is there any more: what comes for it is dropped. */
static void
cut_off(struct enlt_relay *relay, struct enlt_relay_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->out.len = client->out.first = 0;
    say_end(relay, client);
}

/* Both sides have said their last word: the place is free. */
static void
settle(struct enlt_relay *relay, struct enlt_relay_client *client)
{
    if (client->fd >= 0 && client->got_end && !client->out.len) {
        if (client->said_end)
            cut_off(relay, client);
        else
            shutdown(client->fd, SHUT_WR);
    }
    if (client->in_use && client->fd < 0 && client->got_end && client->said_end)
        client->in_use = false;
}

static void
start(struct enlt_relay_client *client, int fd)
{
    client->in_use = true;
    client->said_end = client->got_end = false;
    client->out.first = client->out.len = 0;
    client->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void
open_inside(struct enlt_relay *relay, struct enlt_relay_client *client)
{
    int fd;

    enlt_capture((char[1]){0}, 1); /* who is not there is no news for anybody here */
    if (enlt_socket_connect(relay->path, &fd))
        fd = -1;
    enlt_capture(NULL, 0);
    start(client, fd);
    if (fd < 0)
        cut_off(relay, client);
}

/* Returns false when it makes no sense. */
static bool
take_frame(struct enlt_relay *relay, const uint8_t *head, const char *bytes, size_t len)
{
    struct enlt_relay_client *client;

    if (head[1] >= ENLT_RELAY_CLIENTS)
        return false;
    client = &relay->clients[head[1]];
    if (head[0] == OP_OPEN) {
        if (client->in_use || relay->listen_fd >= 0)
            return false;
        open_inside(relay, client);
    } else if (!client->in_use || client->got_end) {
        return false;
    } else if (head[0] == OP_END) {
        client->got_end = true;
    } else if (head[0] != OP_DATA) {
        return false;
    } else if (client->fd >= 0 &&
               (client->out.len > CLIENT || !append(&client->out, bytes, len))) {
        cut_off(relay, client);
    }
    settle(relay, client);
    return true;
}

static bool
take_frames(struct enlt_relay *relay)
{
    while (relay->in.len >= HEAD) {
        const uint8_t *head = (const uint8_t *)relay->in.bytes + relay->in.first;
        size_t len = (size_t)head[2] | (size_t)head[3] << 8;

        if (len > ENLT_RELAY_PIECE)
            return false;
        if (relay->in.len < HEAD + len)
            break;
        if (!take_frame(relay, head, (const char *)head + HEAD, len))
            return false;
        consume(&relay->in, HEAD + len);
    }
    return true;
}

/* ---- descriptors that are ready ---- */

/* Returns 1, 0 when nothing was there, -1 at the end. */
static int
read_stream(struct enlt_relay *relay)
{
    char bytes[ENLT_RELAY_PIECE];
    ssize_t n = read(relay->stream, bytes, sizeof(bytes));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return relay->may_be_detached ? 0 : -1;
    return append(&relay->in, bytes, (size_t)n) && take_frames(relay) ? 1 : -1;
}

static void
somebody_comes(struct enlt_relay *relay)
{
    int fd = accept4(relay->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    uint32_t i = 0;

    if (fd < 0)
        return;
    while (i < ENLT_RELAY_CLIENTS && relay->clients[i].in_use)
        i++;
    if (i == ENLT_RELAY_CLIENTS) {
        close(fd);
        return;
    }
    start(&relay->clients[i], fd);
    say(relay, OP_OPEN, i, "", 0);
}

static void
client_ready(struct enlt_relay *relay, struct enlt_relay_client *client, short events)
{
    char bytes[ENLT_RELAY_PIECE];

    if ((events & POLLOUT) && client->out.len && drain(client->fd, &client->out) < 0) {
        cut_off(relay, client);
    } else if ((events & (POLLIN | POLLHUP | POLLERR)) && !client->said_end) {
        ssize_t n = read(client->fd, bytes, sizeof(bytes));

        if (n > 0)
            say(relay, OP_DATA, (uint32_t)(client - relay->clients), bytes, (size_t)n);
        else if (n == 0)
            say_end(relay, client);
        else if (errno != EAGAIN && errno != EINTR)
            cut_off(relay, client);
    } else if (events & (POLLHUP | POLLERR)) {
        cut_off(relay, client);
    }
    settle(relay, client);
}

/* The stream has ended: what came through it still reaches who takes it soon. */
static void
say_last_words(struct enlt_relay *relay)
{
    for (uint32_t i = 0; i < ENLT_RELAY_CLIENTS; i++) {
        struct enlt_relay_client *client = &relay->clients[i];
        struct pollfd p = {.fd = client->fd, .events = POLLOUT};

        while (client->fd >= 0 && client->out.len && poll(&p, 1, QUIET_MS) == 1 &&
               drain(client->fd, &client->out) > 0)
            ;
    }
}

/* ---- a turn ---- */

static void
wanted(const struct enlt_relay *relay, struct pollfd fds[ENLT_RELAY_CLIENTS + 2])
{
    bool slow = relay->out.len > SLOW;

    fds[0] = (struct pollfd){.fd = relay->stream, .events = POLLIN};
    if (relay->out.len)
        fds[0].events |= POLLOUT;
    fds[1] = (struct pollfd){.fd = slow ? -1 : relay->listen_fd, .events = POLLIN};
    for (uint32_t i = 0; i < ENLT_RELAY_CLIENTS; i++) {
        const struct enlt_relay_client *client = &relay->clients[i];
        short events = client->out.len ? POLLOUT : 0;

        if (!slow && !client->said_end)
            events |= POLLIN;
        fds[2 + i] = (struct pollfd){.fd = events ? client->fd : -1, .events = events};
    }
}

int
enlt_relay_turn(struct enlt_relay *relay, int timeout_ms)
{
    struct pollfd fds[ENLT_RELAY_CLIENTS + 2];
    int moved = 0;

    wanted(relay, fds);
    if (poll(fds, ENLT_RELAY_CLIENTS + 2, timeout_ms) <= 0)
        return 0;
    if ((fds[0].revents & POLLOUT) && drain(relay->stream, &relay->out) > 0)
        moved = 1;
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        int result = read_stream(relay);

        if (result < 0) {
            say_last_words(relay);
            return -1;
        }
        moved |= result;
    }
    if (fds[1].revents)
        somebody_comes(relay);
    for (uint32_t i = 0; i < ENLT_RELAY_CLIENTS; i++) {
        if (fds[2 + i].revents && relay->clients[i].fd == fds[2 + i].fd)
            client_ready(relay, &relay->clients[i], fds[2 + i].revents);
        moved |= fds[2 + i].revents != 0;
    }
    return moved | (fds[1].revents != 0);
}

void
enlt_relay_init(struct enlt_relay *relay, int stream, int listen_fd, const char *path)
{
    memset(relay, 0, sizeof(*relay));
    relay->stream = stream;
    relay->listen_fd = listen_fd;
    relay->path = path;
    relay->may_be_detached = listen_fd < 0;
    for (uint32_t i = 0; i < ENLT_RELAY_CLIENTS; i++)
        relay->clients[i].fd = -1;
    fcntl(stream, F_SETFL, O_NONBLOCK);
}

void
enlt_relay_fini(struct enlt_relay *relay)
{
    for (uint32_t i = 0; i < ENLT_RELAY_CLIENTS; i++) {
        if (relay->clients[i].fd >= 0)
            close(relay->clients[i].fd);
        free(relay->clients[i].out.bytes);
    }
    free(relay->in.bytes);
    free(relay->out.bytes);
}

/* ---- the verb ---- */

static volatile sig_atomic_t ending;

static void
on_end(int number)
{
    (void)number;
    ending = 1;
}

static void
watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_end};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

/* Until the stream ends; after a signal until all that was said is through. */
static void
carry(struct enlt_relay *relay)
{
    int result;

    do {
        result = enlt_relay_turn(relay, QUIET_MS);
        /* A port without another side is ready all the time, and has nothing. */
        if (result == 0 && relay->may_be_detached)
            usleep(10000);
    } while (result > 0 || (result == 0 && !ending));
}

/* The emulator makes the stream's socket a moment after its start. */
static int
connect_patiently(const char *path, int *fd)
{
    char why[200];
    int status = ENLT_NO_INPUT;

    enlt_capture(why, sizeof(why));
    for (int i = 0; status && !ending && i < 300; i++) {
        status = enlt_socket_connect(path, fd);
        if (status)
            usleep(100000);
    }
    enlt_capture(NULL, 0);
    return status ? enlt_fail((enum enlt_status)status, "%s", why) : 0;
}

static int
relay_outside(const char *path, const char *stream_path)
{
    struct enlt_relay relay;
    int stream = -1, listen_fd;
    int status = enlt_socket_listen(path, &listen_fd);

    if (status)
        return status;
    status = connect_patiently(stream_path, &stream);
    if (!status) {
        enlt_relay_init(&relay, stream, listen_fd, NULL);
        carry(&relay);
        enlt_relay_fini(&relay);
        close(stream);
    }
    enlt_socket_remove(path);
    close(listen_fd);
    return status;
}

static int
relay_inside(const char *path, const char *port)
{
    struct enlt_relay relay;
    int stream = open(port, O_RDWR | O_CLOEXEC);

    if (stream < 0)
        return enlt_fail(ENLT_NO_INPUT, "%s: %s.", port, strerror(errno));
    enlt_relay_init(&relay, stream, -1, path);
    carry(&relay);
    enlt_relay_fini(&relay);
    close(stream);
    return 0;
}

int
enlt_relay(int argc, char **argv)
{
    watch_signals();
    if (argc == 4 && strcmp(argv[1], "outside") == 0)
        return relay_outside(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "inside") == 0)
        return relay_inside(argv[2], argv[3]);
    return enlt_fail(ENLT_USAGE, "relay takes 'outside SOCKET STREAM' or 'inside SOCKET "
                                 "PORT'; the nested machine's scripts run it.");
}
