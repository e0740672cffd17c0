/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/session.c - one client's conversation
 *
 * Run by the loop for whatever a client sends. An object is parsed strictly (UTF-8, no
 * member twice, no NUL), checked against the schema, and only then carried out. Whatever
 * is wrong gets an error with the client's id, where it could be read, and changes nothing.
 * Tests: test/unit/control_session.c; fuzzed by test/fuzz/control_socket.c.
 */
#include "vmm/control/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "enlight/error.h"

#define GENERIC      "GenericError"
#define NOT_FOUND    "CommandNotFound"
#define NO_DEVICE    "DeviceNotFound"
#define COMPACT_LINE (JSON_COMPACT | JSON_ENSURE_ASCII)

/* Takes object. Returns its text and a line feed, owned. */
static char *
line_of(json_t *object)
{
    size_t len = object ? json_dumpb(object, NULL, 0, COMPACT_LINE) : 0;
    char *line = len ? malloc(len + 2) : NULL;

    if (line) {
        json_dumpb(object, line, len, COMPACT_LINE);
        line[len] = '\n';
        line[len + 1] = 0;
    }
    json_decref(object);
    return line;
}

/* ---- what is said first, and without being asked ---- */

static json_t *
version(void)
{
    int major = 0, minor = 0, micro = 0;

    if (sscanf(ENLIGHT_VERSION, "%d.%d.%d", &major, &minor, &micro) < 1)
        return NULL;
    return json_pack("{s{si, si, si}, ss}", "enlight", "major", major, "minor", minor,
                     "micro", micro, "package", "");
}

char *
enlm_control_greeting(void)
{
    return line_of(
        json_pack("{s{so, s[]}}", "QMP", "version", version(), "capabilities"));
}

char *
enlm_control_event_line(enum enlm_control_news news, json_t *data)
{
    json_t *event = json_pack("{ss}", "event", enlm_control_events[news].name);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (data)
        json_object_set_new(event, "data", data);
    json_object_set_new(event, "timestamp",
                        json_pack("{sI, sI}", "seconds", (json_int_t)now.tv_sec,
                                  "microseconds", (json_int_t)now.tv_nsec / 1000));
    return line_of(event);
}

/* ---- answers ---- */

/* A sentence that quotes may be cut within a character, and JSON takes whole ones only. */
static json_t *
sentence(const char *why)
{
    json_t *text = json_string(why);
    char plain[ENLM_CONTROL_WHY];

    if (text)
        return text;
    snprintf(plain, sizeof(plain), "%s", why);
    for (char *at = plain; *at; at++) {
        if (*at & 0x80)
            *at = '?';
    }
    return json_string(plain);
}

/* id is borrowed, or NULL. */
static char *
refusal(const char *class, const char *why, json_t *id)
{
    json_t *answer =
        json_pack("{s{ss, so}}", "error", "class", class, "desc", sentence(why));

    if (id)
        json_object_set(answer, "id", id);
    return line_of(answer);
}

char *
enlm_control_full(void)
{
    return refusal(GENERIC, "it has as many clients as it takes; try again", NULL);
}

/* Takes value, NULL: an empty object. */
static char *
success(json_t *value, json_t *id)
{
    json_t *answer = json_pack("{so}", "return", value ? value : json_object());

    if (id)
        json_object_set(answer, "id", id);
    return line_of(answer);
}

/* Takes value. */
static char *
answer(int result, json_t *value, const char *why, json_t *id)
{
    if (result)
        return refusal(result == -ENL_E_NOENT ? NO_DEVICE : GENERIC, why, id);
    return success(value, id);
}

char *
enlm_control_finish(struct enlm_control_session *session, int result, json_t *value,
                    const char *why)
{
    char *line = answer(result, value, why, session->id);

    json_decref(session->id);
    session->id = NULL;
    session->is_waiting = false;
    return line;
}

void
enlm_control_session_fini(struct enlm_control_session *session)
{
    json_decref(session->id);
    enlm_control_frame_fini(&session->frame);
}

/* ---- commands that need no machine ---- */

static json_t *
command_names(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++)
        json_array_append_new(list,
                              json_pack("{ss}", "name", enlm_control_commands[i].name));
    return list;
}

static int
carry_out(struct enlm_control_session *session, enum enlm_control_verb verb,
          const json_t *arguments, json_t **out, char why[ENLM_CONTROL_WHY])
{
    switch (verb) {
    case ENLM_CONTROL_CAPABILITIES:
        session->negotiated = true;
        return 0;
    case ENLM_CONTROL_QUERY_COMMANDS:
        *out = command_names();
        return 0;
    case ENLM_CONTROL_QUERY_SCHEMA:
        *out = enlm_control_schema_json();
        return 0;
    case ENLM_CONTROL_QUERY_VERSION:
        *out = version();
        return 0;
    default:
        return session->ops->run(session->ctx, verb, arguments, out, why);
    }
}

/* ---- requests ---- */

/* A request's members, borrowed from it. */
struct request {
    const char *name;
    json_t *arguments, *id;
};

/* Returns a sentence, or NULL: all is there, and nothing else. */
static const char *
take_apart(json_t *object, struct request *request)
{
    const char *name;
    json_t *value;

    request->id = json_object_get(object, "id");
    json_object_foreach(object, name, value)
    {
        if (strcmp(name, "execute") == 0)
            request->name = json_string_value(value);
        else if (strcmp(name, "arguments") == 0)
            request->arguments = value;
        else if (strcmp(name, "id") != 0)
            return "a request has the members 'execute', 'arguments' and 'id' only";
    }
    if (!request->name)
        return "a request has a member 'execute' with a command's name";
    if (request->arguments && !json_is_object(request->arguments))
        return "'arguments' is to be an object";
    return NULL;
}

static const char *
out_of_turn(const struct enlm_control_session *session, enum enlm_control_verb verb)
{
    bool first = verb == ENLM_CONTROL_CAPABILITIES;

    if (!session->negotiated && !first)
        return "the first command of a connection is qmp_capabilities";
    if (session->negotiated && first)
        return "qmp_capabilities was there already";
    return NULL;
}

static char *
execute(struct enlm_control_session *session, const struct request *request)
{
    const struct enlm_control_command *command = enlm_control_find(request->name);
    char why[ENLM_CONTROL_WHY] = "it failed";
    enum enlm_control_verb verb;
    json_t *out = NULL;
    const char *wrong;
    int err;

    if (!command)
        return refusal(NOT_FOUND, "there is no such command", request->id);
    verb = (enum enlm_control_verb)(command - enlm_control_commands);
    wrong = out_of_turn(session, verb);
    if (wrong)
        return refusal(NOT_FOUND, wrong, request->id);
    wrong = enlm_control_check(command->arguments, request->arguments, why, sizeof(why));
    if (wrong)
        return refusal(GENERIC, wrong, request->id);
    err = carry_out(session, verb, request->arguments, &out, why);
    session->is_waiting = err == ENLM_CONTROL_LATER;
    if (session->is_waiting) {
        session->id = json_incref(request->id);
        return NULL;
    }
    return answer(err, out, why, request->id);
}

static char *
parse(struct enlm_control_session *session)
{
    json_t *object =
        json_loadb(session->frame.text, session->frame.len, JSON_REJECT_DUPLICATES, NULL);
    struct request request = {0};
    const char *wrong;
    char *line;

    if (!object)
        return refusal(GENERIC, "this is no JSON object", NULL);
    wrong = take_apart(object, &request);
    line = wrong ? refusal(GENERIC, wrong, request.id) : execute(session, &request);
    json_decref(object);
    return line;
}

long
enlm_control_converse(struct enlm_control_session *session, const char *bytes, size_t len,
                      char **line)
{
    size_t taken = 0;

    *line = NULL;
    switch (enlm_control_frame_feed(&session->frame, bytes, len, &taken)) {
    case ENLM_CONTROL_GOT_NOTHING:
        return (long)taken;
    case ENLM_CONTROL_GOT_OBJECT:
        *line = parse(session);
        break;
    case ENLM_CONTROL_GOT_GARBAGE:
        *line = refusal(GENERIC, "a request is a JSON object", NULL);
        break;
    case ENLM_CONTROL_GOT_DEEP:
        *line = refusal(GENERIC, "a request is not as deep as this", NULL);
        break;
    case ENLM_CONTROL_GOT_LONG:
        *line = refusal(GENERIC, "a request is not as long as this", NULL);
        break;
    case ENLM_CONTROL_GOT_NO_MEMORY:
        break;
    }
    return *line || session->is_waiting ? (long)taken : -ENL_E_NOMEM;
}
