/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/server.c - the socket's clients
 *
 * Run by the loop; enlm_control_tell() by any thread. A client's bytes are read in bounded
 * pieces, and not at all while it has not read its answers: then it is its own work that
 * waits. One that takes nothing for two ticks, or leaves more than a bound unread, is
 * dropped. Who may connect is the socket file's mode; a client is trusted with the machine,
 * but not to be sane.
 * Tests: test/unit/control_server.c; fuzzed by test/fuzz/control_socket.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/control/session.h"

#define PIECE       4096u
#define BUSY        (64u * 1024u) /* bytes that wait: no more requests meanwhile */
#define STALL_TICKS 2u

struct client {
    struct enlm_control *control;
    int fd; /* -1: none */
    struct enlm_control_session session;
    char input[PIECE];
    size_t input_first, input_len;
    char *output; /* output[first .. len) waits */
    size_t output_first, output_len, output_room;
    bool ended; /* sends nothing any more */
    uint32_t stalled;
    uint32_t ticket; /* of its last command */
};

/* An answer that was made on some thread, for the loop. */
struct answer {
    uint32_t ticket; /* 0: none */
    int result;
    json_t *value;
    char why[ENLM_CONTROL_WHY];
};

struct enlm_control {
    struct enlm_loop *loop;
    int listen_fd;
    const struct enlm_control_ops *ops;
    void *ctx;
    struct client clients[ENLM_CONTROL_CLIENTS];
    uint32_t tickets;     /* given so far; the remainder of CLIENTS is the client's */
    uint32_t ticket;      /* of the command that is being carried out */
    pthread_mutex_t lock; /* of the news and the answers */
    char *news[ENLM_CONTROL_NEWS];
    uint32_t news_count;
    struct answer answers[ENLM_CONTROL_CLIENTS]; /* each client waits for one at most */
};

/* ---- output ---- */

static void
drop(struct client *client)
{
    enlm_loop_remove(client->control->loop, client->fd);
    close(client->fd);
    client->fd = -1;
    enlm_control_session_fini(&client->session);
    free(client->output);
    client->output = NULL;
}

static size_t
waiting(const struct client *client)
{
    return client->output_len - client->output_first;
}

/* Moves the rest to the front, and makes room for len bytes more. */
static bool
make_room(struct client *client, size_t len)
{
    size_t rest = waiting(client), room = rest + len;
    char *output;

    if (rest && client->output_first)
        memmove(client->output, client->output + client->output_first, rest);
    client->output_first = 0;
    client->output_len = rest;
    if (room <= client->output_room)
        return true;
    if (room > ENLM_CONTROL_OUTPUT)
        return false;
    output = realloc(client->output, room);
    if (!output)
        return false;
    client->output = output;
    client->output_room = room;
    return true;
}

/* Returns false when the client has gone. */
static bool
write_some(struct client *client)
{
    while (waiting(client)) {
        ssize_t n = send(client->fd, client->output + client->output_first,
                         waiting(client), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            drop(client);
            return false;
        }
        client->output_first += (size_t)n;
        client->stalled = 0;
    }
    return true;
}

/* A client that has said all and heard all is gone; else it is listened to as it needs. */
static void
settle(struct client *client)
{
    if (client->ended && !waiting(client) && !client->session.is_waiting) {
        drop(client);
        return;
    }
    enlm_loop_listen(client->control->loop, client->fd,
                     !client->ended && !client->input_len && waiting(client) < BUSY,
                     waiting(client) != 0);
}

/* Takes line. Returns false when the client has gone. */
static bool
say(struct client *client, char *line)
{
    size_t len = line ? strlen(line) : 0;

    if (!line || !make_room(client, len)) {
        free(line);
        drop(client);
        return false;
    }
    memcpy(client->output + client->output_len, line, len);
    client->output_len += len;
    free(line);
    return write_some(client);
}

/* ---- input ---- */

/* The number of its next command: not one that somebody may still answer. */
static uint32_t
next_ticket(struct client *client)
{
    struct enlm_control *control = client->control;

    control->tickets += ENLM_CONTROL_CLIENTS;
    client->ticket = control->tickets + (uint32_t)(client - control->clients);
    return client->ticket;
}

/* Handles what was read. Returns false when the client has gone. */
static bool
converse(struct client *client)
{
    while (client->input_len && !client->session.is_waiting && waiting(client) < BUSY) {
        char *line;
        long taken;

        client->control->ticket = next_ticket(client);
        taken =
            enlm_control_converse(&client->session, client->input + client->input_first,
                                  client->input_len, &line);

        if (taken < 0) {
            drop(client);
            return false;
        }
        client->input_first += (size_t)taken;
        client->input_len -= (size_t)taken;
        if (line && !say(client, line))
            return false;
    }
    return true;
}

/* Returns false when the client has gone. */
static bool
read_some(struct client *client)
{
    ssize_t n;

    if (client->input_len || client->ended)
        return true;
    n = recv(client->fd, client->input, sizeof(client->input), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0) {
        drop(client);
        return false;
    }
    client->ended = n == 0;
    client->input_first = 0;
    client->input_len = (size_t)n;
    return true;
}

static void
client_ready(void *ctx)
{
    struct client *client = ctx;

    if (client->fd < 0 || !write_some(client))
        return;
    if (waiting(client) < BUSY && !read_some(client))
        return;
    if (converse(client))
        settle(client);
}

/* ---- coming ---- */

static struct client *
free_client(struct enlm_control *control)
{
    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++) {
        if (control->clients[i].fd < 0)
            return &control->clients[i];
    }
    return NULL;
}

static void
welcome(struct enlm_control *control, struct client *client, int fd)
{
    memset(client, 0, sizeof(*client));
    client->control = control;
    client->session.ops = control->ops;
    client->session.ctx = control->ctx;
    client->fd = fd;
    if (enlm_loop_add(control->loop, fd, client_ready, client)) {
        close(fd);
        client->fd = -1;
        return;
    }
    if (say(client, enlm_control_greeting()))
        settle(client);
}

/* It gets a word instead of the greeting. */
static void
turn_away(int fd)
{
    char *line = enlm_control_full();

    if (line)
        (void)!send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
    free(line);
    close(fd);
}

static void
somebody_comes(void *ctx)
{
    struct enlm_control *control = ctx;
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *client = free_client(control);

    if (fd < 0)
        return;
    if (client)
        welcome(control, client, fd);
    else
        turn_away(fd);
}

/* ---- news ---- */

void
enlm_control_tell(struct enlm_control *control, enum enlm_control_news news, json_t *data)
{
    char *line = enlm_control_event_line(news, data);
    bool taken;

    pthread_mutex_lock(&control->lock);
    taken = line && control->news_count < ENLM_CONTROL_NEWS;
    if (taken)
        control->news[control->news_count++] = line;
    pthread_mutex_unlock(&control->lock);
    if (taken)
        control->ops->wake(control->ctx);
    else
        free(line);
}

static void
spread(struct enlm_control *control, const char *line)
{
    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];

        if (client->fd >= 0 && client->session.negotiated && say(client, strdup(line)))
            settle(client);
    }
}

/* ---- answers that come later ---- */

uint32_t
enlm_control_ticket(const struct enlm_control *control)
{
    return control->ticket;
}

void
enlm_control_answer(struct enlm_control *control, uint32_t ticket, int result,
                    json_t *value, const char *why)
{
    struct answer *answer = &control->answers[ticket % ENLM_CONTROL_CLIENTS];
    json_t *old = value;

    pthread_mutex_lock(&control->lock);
    /* The older of two is for a client that has gone. */
    if (!answer->ticket || (int32_t)(ticket - answer->ticket) > 0) {
        old = answer->value;
        answer->ticket = ticket;
        answer->result = result;
        answer->value = value;
        snprintf(answer->why, sizeof(answer->why), "%s", why ? why : "it failed");
    }
    pthread_mutex_unlock(&control->lock);
    json_decref(old);
    control->ops->wake(control->ctx);
}

static void
deliver_answer(struct client *client, const struct answer *answer)
{
    bool wanted =
        client->fd >= 0 && client->session.is_waiting && client->ticket == answer->ticket;

    if (!wanted) {
        json_decref(answer->value);
        return;
    }
    if (say(client, enlm_control_finish(&client->session, answer->result, answer->value,
                                        answer->why)) &&
        converse(client))
        settle(client);
}

static void
deliver_answers(struct enlm_control *control)
{
    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++) {
        struct answer answer;

        pthread_mutex_lock(&control->lock);
        answer = control->answers[i];
        control->answers[i].ticket = 0;
        control->answers[i].value = NULL;
        pthread_mutex_unlock(&control->lock);
        if (answer.ticket)
            deliver_answer(&control->clients[i], &answer);
    }
}

void
enlm_control_deliver(struct enlm_control *control)
{
    char *news[ENLM_CONTROL_NEWS];
    uint32_t count;

    pthread_mutex_lock(&control->lock);
    count = control->news_count;
    memcpy(news, control->news, count * sizeof(news[0]));
    control->news_count = 0;
    pthread_mutex_unlock(&control->lock);
    for (uint32_t i = 0; i < count; i++) {
        spread(control, news[i]);
        free(news[i]);
    }
    deliver_answers(control);
}

void
enlm_control_tick(struct enlm_control *control)
{
    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];

        if (client->fd >= 0 && waiting(client) && ++client->stalled > STALL_TICKS)
            drop(client);
    }
}

/* ---- life ---- */

int
enlm_control_create(struct enlm_loop *loop, int listen_fd,
                    const struct enlm_control_ops *ops, void *ctx,
                    struct enlm_control **out)
{
    struct enlm_control *control = calloc(1, sizeof(*control));
    int err;

    if (!control)
        return -ENL_E_NOMEM;
    control->loop = loop;
    control->listen_fd = listen_fd;
    control->ops = ops;
    control->ctx = ctx;
    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++)
        control->clients[i].fd = -1;
    err = pthread_mutex_init(&control->lock, NULL) ? -ENL_E_NOMEM : 0;
    if (!err)
        err = enlm_loop_add(loop, listen_fd, somebody_comes, control);
    if (err) {
        free(control);
        return err;
    }
    *out = control;
    return 0;
}

void
enlm_control_close(struct enlm_control *control)
{
    if (!control || control->listen_fd < 0)
        return;
    enlm_control_deliver(control);
    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++) {
        if (control->clients[i].fd >= 0)
            drop(&control->clients[i]);
    }
    enlm_loop_remove(control->loop, control->listen_fd);
    close(control->listen_fd);
    control->listen_fd = -1;
}

/* What was told since the close has nobody to hear it. */
void
enlm_control_destroy(struct enlm_control *control)
{
    if (!control)
        return;
    enlm_control_close(control);
    enlm_control_deliver(control);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

uint32_t
enlm_control_clients(const struct enlm_control *control)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++)
        count += control->clients[i].fd >= 0;
    return count;
}
