/* SPDX-License-Identifier: BSD-2-Clause */
/* One client's conversation: framing, turns, ids, and what is refused. */
#include "control_rig.h"

static struct enlm_control_session session;

static int
setup(void **state)
{
    (void)state;
    memset(&session, 0, sizeof(session));
    session.ops = &rig_ops;
    rig_forget();
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    enlm_control_frame_fini(&session.frame);
    rig_forget();
    return 0;
}

/* Feeds all of text; the first answer, parsed, or NULL. */
static json_t *
ask(const char *text)
{
    size_t len = strlen(text);
    json_t *answer = NULL;

    while (len) {
        char *line;
        long taken = enlm_control_converse(&session, text, len, &line);

        assert_true(taken > 0);
        text += taken;
        len -= (size_t)taken;
        if (line && !answer)
            answer = rig_parse(line);
        free(line);
    }
    return answer;
}

static void
negotiate(void)
{
    json_decref(ask("{\"execute\":\"qmp_capabilities\"}"));
    assert_true(session.negotiated);
}

/* The answer to text is an error of this class. */
static void
assert_refused(const char *text, const char *class)
{
    json_t *answer = ask(text), *error = json_object_get(answer, "error");

    assert_non_null(error);
    assert_string_equal(json_string_value(json_object_get(error, "class")), class);
    assert_true(json_string_length(json_object_get(error, "desc")) > 0);
    json_decref(answer);
}

static void
session_greets_with_version_and_capabilities(void **state)
{
    char *line = enlm_control_greeting();
    json_t *greeting = rig_parse(line), *qmp = json_object_get(greeting, "QMP");
    json_t *version = json_object_get(qmp, "version");
    char why[ENLM_CONTROL_WHY];

    (void)state;
    assert_null(enlm_control_check(enlm_control_find("query-version")->returns, version,
                                   why, sizeof(why)));
    assert_int_equal(json_array_size(json_object_get(qmp, "capabilities")), 0);
    assert_true(json_is_array(json_object_get(qmp, "capabilities")));
    json_decref(greeting);
    free(line);
}

static void
session_begins_with_capabilities_and_has_them_once(void **state)
{
    (void)state;
    assert_refused("{\"execute\":\"stop\"}", "CommandNotFound");
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 0);
    negotiate();
    assert_refused("{\"execute\":\"qmp_capabilities\"}", "CommandNotFound");
    json_decref(ask("{\"execute\":\"stop\"}"));
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 1);
}

static void
session_answers_with_the_id_whatever_it_is(void **state)
{
    json_t *answer, *id;

    (void)state;
    negotiate();
    answer = ask("{\"execute\":\"query-status\",\"id\":{\"n\":[1,null]}}");
    id = json_loads("{\"n\":[1,null]}", 0, NULL);
    assert_true(json_equal(json_object_get(answer, "id"), id));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(answer, "return"), "status")),
        "running");
    json_decref(answer);
    answer = ask("{\"execute\":\"nonsense\",\"id\":{\"n\":[1,null]}}");
    assert_true(json_equal(json_object_get(answer, "id"), id));
    json_decref(answer);
    json_decref(id);
}

static void
session_takes_objects_in_any_pieces(void **state)
{
    static const char text[] = " \r\n{\"execute\":\"stop\"}{\"execute\" : \"cont\"}\n"
                               "{\"execute\":\"device_del\","
                               "\"arguments\":{\"id\":\"a\\\"}{\\\\\"}}";

    (void)state;
    negotiate();
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        char one[2] = {text[i], 0};

        json_decref(ask(one));
    }
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 1);
    assert_int_equal(rig.runs[ENLM_CONTROL_CONT], 1);
    assert_int_equal(rig.runs[ENLM_CONTROL_DEVICE_DEL], 1);
    assert_string_equal(json_string_value(json_object_get(rig.arguments, "id")),
                        "a\"}{\\");
}

/* A sentence that quotes a name may end within one of its characters, or go on after it. */
static void
session_refuses_also_with_half_a_character(void **state)
{
    json_t *answer;

    (void)state;
    negotiate();
    rig.error = -ENL_E_NOENT;
    rig.why = "there is no device '\xe6\x97\xa5\xe6'";
    answer = ask("{\"execute\":\"stop\"}");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(answer, "error"), "desc")),
        "there is no device '\?\?\?\?'");
    json_decref(answer);
}

static void
session_refuses_what_is_no_request(void **state)
{
    static const char *const bad[] = {
        "[]\n",
        "7\n",
        "\"execute\"\n",
        "}\n",
        "{\"execute\":}\n",
        "{]\n",
        "{}",
        "{\"id\":1}",
        "{\"execute\":7}",
        "{\"execute\":\"stop\",\"arguments\":[]}",
        "{\"execute\":\"stop\",\"arguments\":null}",
        "{\"execute\":\"stop\",\"extra\":1}",
        "{\"execute\":\"stop\",\"execute\":\"cont\"}",
        "{\"execute\":\"stop\xff\"}",
        "{\"execute\":\"stop\\u0000\"}",
        "{\"exec-oob\":\"stop\"}",
        "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"a\",\"force\":true}}",
        "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"a\",\"id\":\"b\"}}",
    };

    (void)state;
    negotiate();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(bad[i], "GenericError");
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 0);
    assert_int_equal(rig.runs[ENLM_CONTROL_DEVICE_DEL], 0);
    json_decref(ask("{\"execute\":\"stop\"}"));
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 1);
}

static void
session_says_garbage_once_and_goes_on_with_the_next_line(void **state)
{
    (void)state;
    negotiate();
    assert_refused("GET / HTTP/1.0 {\"execute\":\"stop\"}", "GenericError");
    assert_null(ask(" and more of it {\"execute\":\"stop\"}"));
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 0);
    json_decref(ask("\n{\"execute\":\"stop\"}"));
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 1);
}

static void
session_depth_is_bounded(void **state)
{
    char text[3 * ENLM_CONTROL_DEPTH + 64] = "{\"execute\":\"query-status\",\"id\":";
    size_t at = strlen(text);

    (void)state;
    negotiate();
    memset(text + at, '[', ENLM_CONTROL_DEPTH - 1);
    memset(text + at + ENLM_CONTROL_DEPTH - 1, ']', ENLM_CONTROL_DEPTH - 1);
    strcat(text, "}\n");
    json_decref(ask(text));
    assert_int_equal(rig.runs[ENLM_CONTROL_QUERY_STATUS], 1);
    text[at] = 0;
    memset(text + at, '[', ENLM_CONTROL_DEPTH);
    memset(text + at + ENLM_CONTROL_DEPTH, ']', ENLM_CONTROL_DEPTH);
    text[at + 2 * ENLM_CONTROL_DEPTH] = 0;
    strcat(text, "}\n");
    assert_refused(text, "GenericError");
    assert_int_equal(rig.runs[ENLM_CONTROL_QUERY_STATUS], 1);
}

static void
session_length_is_bounded(void **state)
{
    size_t len = ENLM_CONTROL_MESSAGE + 100;
    char *text = calloc(1, len + 1);

    (void)state;
    negotiate();
    memset(text, ' ', len);
    memcpy(text, "{", 1);
    text[len - 2] = '}';
    text[len - 1] = '\n';
    assert_refused(text, "GenericError");
    json_decref(ask("{\"execute\":\"stop\"}"));
    assert_int_equal(rig.runs[ENLM_CONTROL_STOP], 1);
    free(text);
}

static void
session_tells_a_missing_device_from_other_failures(void **state)
{
    (void)state;
    negotiate();
    rig.error = -ENL_E_NOENT;
    assert_refused("{\"execute\":\"device_del\",\"arguments\":{\"id\":\"a\"}}",
                   "DeviceNotFound");
    rig.error = -ENL_E_BUSY;
    assert_refused("{\"execute\":\"device_del\",\"arguments\":{\"id\":\"a\"}}",
                   "GenericError");
}

static void
session_lists_its_commands(void **state)
{
    json_t *answer, *list;

    (void)state;
    negotiate();
    answer = ask("{\"execute\":\"query-commands\"}");
    list = json_object_get(answer, "return");
    assert_int_equal(json_array_size(list), ENLM_CONTROL_VERBS);
    json_decref(answer);
}

static void
session_events_have_data_and_a_time(void **state)
{
    char *line = enlm_control_event_line(ENLM_CONTROL_DEVICE_DELETED,
                                         json_pack("{ss}", "device", "disk1"));
    json_t *event = rig_parse(line), *time = json_object_get(event, "timestamp");
    char why[ENLM_CONTROL_WHY];

    (void)state;
    assert_string_equal(json_string_value(json_object_get(event, "event")),
                        "DEVICE_DELETED");
    assert_null(enlm_control_check(enlm_control_events[ENLM_CONTROL_DEVICE_DELETED].data,
                                   json_object_get(event, "data"), why, sizeof(why)));
    assert_true(json_integer_value(json_object_get(time, "seconds")) > 0);
    assert_in_range(json_integer_value(json_object_get(time, "microseconds")), 0, 999999);
    json_decref(event);
    free(line);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(session_greets_with_version_and_capabilities),
        CASE(session_begins_with_capabilities_and_has_them_once),
        CASE(session_answers_with_the_id_whatever_it_is),
        CASE(session_takes_objects_in_any_pieces),
        CASE(session_refuses_also_with_half_a_character),
        CASE(session_refuses_what_is_no_request),
        CASE(session_says_garbage_once_and_goes_on_with_the_next_line),
        CASE(session_depth_is_bounded),
        CASE(session_length_is_bounded),
        CASE(session_tells_a_missing_device_from_other_failures),
        CASE(session_lists_its_commands),
        CASE(session_events_have_data_and_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
