/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/ctl.c - "enlight ctl": one command of the control socket, or a wait for an event
 *
 * Run by the user and by scripts. Which commands there are, what they take and what they
 * return is the schema's to say; this is the same for all of them. What comes from the
 * socket is read as JSON and shown, and trusted no further.
 * Tests: test/unit/tool_ctl.c.
 */
#include "tool/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool/clock.h"
#include "tool/option.h"
#include "tool/socket.h"
#include "tool/status.h"
#include "tool/table.h"
#include "tool/verb.h"

#define LINE_MAX_LEN (8u << 20)

struct connection {
    int fd;
    char *line; /* what was read and not used yet */
    size_t len, room;
    int64_t deadline_ms; /* of CLOCK_MONOTONIC; 0: none */
    const char *event;   /* that is waited for, or NULL */
    json_t *found;       /* it came */
};

/* What stands before the socket. */
struct options {
    bool json;
    uint64_t timeout;
    const char *event;
};

/* ---- words into a request ---- */

static const struct enlm_control_member *
find_argument(const struct enlm_control_command *command, const char *name, size_t len)
{
    const struct enlm_control_member *member = command->arguments;

    while (member && member->name &&
           (strlen(member->name) != len || memcmp(member->name, name, len) != 0))
        member++;
    return member && member->name ? member : NULL;
}

/* Owned; NULL after a sentence. */
static json_t *
value_of(const struct enlm_control_member *member, const char *text)
{
    uint64_t number;
    bool on;

    switch (member->type) {
    case ENLM_CONTROL_INT:
        return enlt_parse_number(member->name, text, INT64_MAX, &number)
                   ? NULL
                   : json_integer((json_int_t)number);
    case ENLM_CONTROL_BOOL:
        return enlt_parse_switch(member->name, text, &on) ? NULL : json_boolean(on);
    default:
        return json_string(text);
    }
}

static int
add_argument(const struct enlm_control_command *command, const char *word, json_t *to)
{
    size_t len = strcspn(word, "=");
    const struct enlm_control_member *member = find_argument(command, word, len);

    if (!member || word[len] != '=')
        return enlt_fail(ENLT_USAGE,
                         "%s: '%.60s' is not something that it takes; see 'enlight ctl "
                         "--help'.",
                         command->name, word);
    json_t *value = value_of(member, word + len + 1);
    if (!value)
        return ENLT_USAGE;
    json_object_set_new(to, member->name, value);
    return 0;
}

int
enlt_ctl_request(int argc, char **argv, json_t **out)
{
    const struct enlm_control_command *command = enlm_control_find(argv[0]);
    char why[ENLM_CONTROL_WHY];

    *out = NULL;
    if (!command)
        return enlt_fail(ENLT_USAGE,
                         "'%.40s' is not a command; see 'enlight ctl --help'.", argv[0]);
    json_t *arguments = json_object();
    for (int i = 1; i < argc; i++) {
        if (add_argument(command, argv[i], arguments)) {
            json_decref(arguments);
            return ENLT_USAGE;
        }
    }
    if (enlm_control_check(command->arguments, arguments, why, sizeof(why))) {
        json_decref(arguments);
        return enlt_fail(ENLT_USAGE, "%s: %s.", command->name, why);
    }
    *out = json_pack("{ss, so}", "execute", command->name, "arguments", arguments);
    return 0;
}

/* ---- the conversation ---- */

/* Waits for bytes. Returns a status. */
static int
wait_for_more(const struct connection *connection)
{
    struct pollfd p = {.fd = connection->fd, .events = POLLIN};
    int64_t left = connection->deadline_ms ? connection->deadline_ms - enlt_now_ms() : -1;

    if (connection->deadline_ms && left <= 0)
        return enlt_fail(ENLT_TIMED_OUT, "the time is over.");
    int n = poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
    if (n < 0 && errno != EINTR)
        return enlt_fail(ENLT_VMM_ERROR, "poll: %s.", strerror(errno));
    return 0;
}

static int
read_more(struct connection *connection)
{
    if (connection->len == connection->room) {
        size_t room = connection->room ? 2 * connection->room : 65536;
        char *line = room > LINE_MAX_LEN ? NULL : realloc(connection->line, room);

        if (!line)
            return enlt_fail(ENLT_VMM_ERROR, "an answer is too long.");
        connection->line = line;
        connection->room = room;
    }
    int status = wait_for_more(connection);
    if (status)
        return status;
    ssize_t n = read(connection->fd, connection->line + connection->len,
                     connection->room - connection->len);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0)
        return enlt_fail(ENLT_GONE, "the machine has ended.");
    connection->len += (size_t)n;
    return 0;
}

static char *
line_end(const struct connection *connection)
{
    return connection->len ? memchr(connection->line, '\n', connection->len) : NULL;
}

/* The next object, owned. Returns a status. */
static int
receive(struct connection *connection, json_t **out)
{
    char *end;

    while (!(end = line_end(connection))) {
        int status = read_more(connection);
        if (status)
            return status;
    }
    size_t len = (size_t)(end - connection->line);
    *out = json_loadb(connection->line, len, JSON_REJECT_DUPLICATES, NULL);
    connection->len -= len + 1;
    memmove(connection->line, end + 1, connection->len);
    return *out ? 0
                : enlt_fail(ENLT_VMM_ERROR,
                            "that is no control socket: it sends no JSON.");
}

static int
send_request(const struct connection *connection, const json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0, at = 0;

    while (at < len) {
        ssize_t n = send(connection->fd, text + at, len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    free(text);
    return len && at == len ? 0 : enlt_fail(ENLT_GONE, "the machine has ended.");
}

/* Takes event, and keeps it if it is what is waited for. */
static void
take_event(struct connection *connection, json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));

    if (name && connection->event && !connection->found &&
        strcmp(name, connection->event) == 0)
        connection->found = event;
    else
        json_decref(event);
}

/* The next answer, owned. */
static int
ask(struct connection *connection, const json_t *request, json_t **answer)
{
    int status = send_request(connection, request);

    while (!status) {
        status = receive(connection, answer);
        if (status || json_object_get(*answer, "return") ||
            json_object_get(*answer, "error"))
            return status;
        take_event(connection, *answer);
        *answer = NULL;
    }
    return status;
}

static int
tell_error(const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    const char *why = json_string_value(json_object_get(error, "desc"));

    if (!error)
        return 0;
    return enlt_fail(ENLT_REFUSED, "the machine says: %.200s.", why ? why : "no");
}

/* Takes the greeting and answers it. */
static int
shake_hands(struct connection *connection)
{
    json_t *greeting = NULL, *answer = NULL;
    json_t *request = json_pack("{ss}", "execute", "qmp_capabilities");
    int status = receive(connection, &greeting);

    if (!status)
        status = tell_error(greeting);
    if (!status && !json_object_get(greeting, "QMP"))
        status =
            enlt_fail(ENLT_VMM_ERROR, "that is no control socket: it does not greet.");
    if (!status)
        status = ask(connection, request, &answer);
    if (!status)
        status = tell_error(answer);
    json_decref(greeting);
    json_decref(answer);
    json_decref(request);
    return status;
}

/* ---- the verb ---- */

static int
run_command(struct connection *connection, int argc, char **argv, bool json)
{
    json_t *request, *answer = NULL;
    int status = enlt_ctl_request(argc, argv, &request);

    if (!status)
        status = ask(connection, request, &answer);
    if (!status)
        status = tell_error(answer);
    if (!status) {
        const json_t *value = json_object_get(answer, "return");

        if (json)
            enlt_table_json(value);
        else
            enlt_table_print(enlm_control_find(argv[0])->returns, value);
    }
    json_decref(request);
    json_decref(answer);
    return status;
}

/* Prints the event that was waited for. */
static int
wait_for_event(struct connection *connection, bool json)
{
    while (!connection->found) {
        json_t *event;
        int status = receive(connection, &event);

        if (status)
            return status;
        take_event(connection, event);
    }
    if (json)
        enlt_table_json(connection->found);
    else
        enlt_table_print(NULL, json_object_get(connection->found, "data"));
    return 0;
}

static bool
is_event(const char *name)
{
    for (size_t i = 0; i < ENLM_CONTROL_EVENTS; i++) {
        if (strcmp(enlm_control_events[i].name, name) == 0)
            return true;
    }
    return false;
}

/* An option that has a value. Returns a status. */
static int
take_value(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--timeout") == 0)
        return enlt_parse_number("timeout", value, 1000000, &options->timeout);
    options->event = value;
    return 0;
}

/* Takes the options before the socket. Returns a status, or -1: help was printed. */
static int
take_options(int *argc, char ***argv, struct options *options)
{
    while (*argc && (*argv)[0][0] == '-') {
        const char *word = (*argv)[0];
        bool has_value = !strcmp(word, "--timeout") || !strcmp(word, "--wait");

        if (!strcmp(word, "--help") || !strcmp(word, "-h"))
            return enlt_ctl_help(NULL) - 1;
        if (has_value && *argc > 1) {
            int status = take_value(options, word, (*argv)[1]);
            if (status)
                return status;
            (*argc)--;
            (*argv)++;
        } else if (!strcmp(word, "--json")) {
            options->json = true;
        } else {
            return enlt_fail(ENLT_USAGE,
                             "'%.40s' is not an option of ctl; see 'enlight ctl --help'.",
                             word);
        }
        (*argc)--;
        (*argv)++;
    }
    return 0;
}

/* What can be wrong with the words is said before anything is connected to. */
static int
check_words(int argc, char **argv, struct options *options)
{
    json_t *request;
    int status = 0;

    if (argc < 2)
        return enlt_fail(ENLT_USAGE,
                         "ctl takes a socket and a command; see 'enlight ctl --help'.");
    if (strcmp(argv[1], "wait") == 0) {
        if (argc != 3)
            return enlt_fail(ENLT_USAGE, "wait takes the name of one event.");
        options->event = argv[2];
    } else {
        status = enlt_ctl_request(argc - 1, argv + 1, &request);
        json_decref(request);
    }
    if (!status && options->event && !is_event(options->event))
        return enlt_fail(ENLT_USAGE, "'%.40s' is no event; see 'enlight ctl --help'.",
                         options->event);
    return status;
}

int
enlt_ctl(int argc, char **argv)
{
    struct connection connection = {.fd = -1};
    struct options options = {0};

    argc--;
    argv++;
    int status = take_options(&argc, &argv, &options);
    if (!status)
        status = check_words(argc, argv, &options);
    if (!status)
        status = enlt_socket_connect(argv[0], &connection.fd);
    if (status)
        return status < 0 ? 0 : status;
    connection.deadline_ms =
        options.timeout ? enlt_now_ms() + (int64_t)options.timeout * 1000 : 0;
    connection.event = options.event;
    status = shake_hands(&connection);
    if (!status && strcmp(argv[1], "wait") != 0)
        status = run_command(&connection, argc - 1, argv + 1, options.json);
    if (!status && options.event)
        status = wait_for_event(&connection, options.json);
    close(connection.fd);
    free(connection.line);
    json_decref(connection.found);
    return status;
}
