/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: three clients that send any bytes in any pieces, read or do not read,
 * leave and come again, while the machine tells news, answers some commands later, and time
 * passes. Users make it run.
 *
 * Promises: what is carried out is a command of the schema with arguments that the schema
 * has, after the capabilities; what a client hears are lines of JSON; nobody's bytes change
 * what another hears; all is given back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/control/control.h"

#define CLIENTS 3u

static struct enlm_loop loop;
static struct enlm_control *control;
static int fds[CLIENTS];
static char heard[CLIENTS][1u << 20]; /* since the last line feed */
static size_t heard_len[CLIENTS];
static uint32_t tickets[ENLM_CONTROL_CLIENTS]; /* to be answered later; 0: none */

static int
run(void *ctx, enum enlm_control_verb verb, const json_t *arguments, json_t **out,
    char why[ENLM_CONTROL_WHY])
{
    char wrong[ENLM_CONTROL_WHY];

    (void)ctx;
    if (verb >= ENLM_CONTROL_VERBS ||
        enlm_control_check(enlm_control_commands[verb].arguments, arguments, wrong,
                           sizeof(wrong)))
        abort();
    if (verb == ENLM_CONTROL_QUERY_STATUS)
        *out = json_pack("{ss}", "status", "running");
    snprintf(why, ENLM_CONTROL_WHY, "no");
    if (verb == ENLM_CONTROL_KVP_LIST || verb == ENLM_CONTROL_VSS_THAW) {
        tickets[enlm_control_ticket(control) % ENLM_CONTROL_CLIENTS] =
            enlm_control_ticket(control);
        return ENLM_CONTROL_LATER;
    }
    return verb == ENLM_CONTROL_DEVICE_DEL ? -ENL_E_NOENT : 0;
}

static void
wake(void *ctx)
{
    (void)ctx;
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

static const struct enlm_control_ops ops = {run, wake};

static void
turn(void)
{
    for (int i = 0; i < 4; i++)
        enlm_loop_once(&loop, 0);
}

static void
check_line(const char *line, size_t len)
{
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

    if (!object ||
        (!json_object_get(object, "QMP") && !json_object_get(object, "return") &&
         !json_object_get(object, "error") && !json_object_get(object, "event")))
        abort();
    json_decref(object);
}

static void
come(uint32_t i, const struct sockaddr_un *address, socklen_t len)
{
    fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    heard_len[i] = 0;
    if (connect(fds[i], (const struct sockaddr *)address, len))
        abort();
}

static void
hear(uint32_t i)
{
    ssize_t n = recv(fds[i], heard[i] + heard_len[i], sizeof(heard[i]) - heard_len[i], 0);
    char *end;

    if (n <= 0)
        return;
    heard_len[i] += (size_t)n;
    while ((end = memchr(heard[i], '\n', heard_len[i]))) {
        size_t len = (size_t)(end - heard[i]) + 1;

        check_line(heard[i], len - 1);
        heard_len[i] -= len;
        memmove(heard[i], heard[i] + len, heard_len[i]);
    }
}

/* In any order, to clients that may have gone. */
static void
answer_later(uint32_t which)
{
    if (tickets[which])
        enlm_control_answer(control, tickets[which], which % 4 == 3 ? -ENL_E_IO : 0,
                            which % 4 == 2 ? json_array() : NULL, "no");
    tickets[which] = 0;
    enlm_control_deliver(control);
}

/* The input's first byte says who does what; the rest of the word is for a send. */
static void
act(const uint8_t **data, size_t *size, const struct sockaddr_un *address, socklen_t len)
{
    uint8_t what = *(*data)++;
    uint32_t i = what % CLIENTS;
    size_t piece;

    (*size)--;
    switch (what / CLIENTS % 8) {
    case 0:
        hear(i);
        break;
    case 1:
        close(fds[i]);
        come(i, address, len);
        break;
    case 2:
        shutdown(fds[i], SHUT_WR);
        break;
    case 3:
        enlm_control_tell(control, what % ENLM_CONTROL_EVENTS, NULL);
        enlm_control_deliver(control);
        break;
    case 4:
        if (what / CLIENTS / 8 % 2)
            answer_later(what / CLIENTS / 16 % 8);
        enlm_control_tick(control);
        break;
    case 5:
        (void)!send(fds[i], "{\"execute\":\"qmp_capabilities\"}", 30, MSG_NOSIGNAL);
        break;
    default:
        piece = *size ? *(*data)++ : 0;
        *size -= *size != 0;
        piece = piece < *size ? piece : *size;
        (void)!send(fds[i], *data, piece, MSG_NOSIGNAL);
        *data += piece;
        *size -= piece;
    }
    turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t len;

    /* A name without a file. */
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "enlight-fuzz-%d",
             (int)getpid());
    len = (socklen_t)(sizeof(address.sun_family) + 1 + strlen(address.sun_path + 1));
    if (bind(fd, (struct sockaddr *)&address, len) || listen(fd, 8) ||
        enlm_loop_init(&loop, nothing, NULL) ||
        enlm_control_create(&loop, fd, &ops, NULL, &control))
        abort();
    for (uint32_t i = 0; i < CLIENTS; i++)
        come(i, &address, len);
    turn();
    while (size)
        act(&data, &size, &address, len);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        hear(i);
        close(fds[i]);
    }
    for (uint32_t i = 0; i < ENLM_CONTROL_CLIENTS; i++)
        answer_later(i);
    turn();
    if (enlm_control_clients(control))
        abort();
    enlm_control_destroy(control);
    enlm_loop_fini(&loop);
    return 0;
}
