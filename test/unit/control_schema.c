/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of commands: sorted, and what it lets through. */
#include "control_rig.h"

static const char *
check(const char *command, const char *arguments)
{
    static char why[ENLM_CONTROL_WHY];
    json_t *object = json_loads(arguments, 0, NULL);
    const char *wrong;

    assert_non_null(object);
    wrong = enlm_control_check(enlm_control_find(command)->arguments, object, why,
                               sizeof(why));
    json_decref(object);
    return wrong;
}

static void
schema_names_are_sorted_and_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        assert_ptr_equal(enlm_control_find(enlm_control_commands[i].name),
                         &enlm_control_commands[i]);
        assert_non_null(enlm_control_commands[i].help);
        if (i)
            assert_true(strcmp(enlm_control_commands[i - 1].name,
                               enlm_control_commands[i].name) < 0);
    }
    for (size_t i = 1; i < ENLM_CONTROL_EVENTS; i++)
        assert_true(strcmp(enlm_control_events[i - 1].name, enlm_control_events[i].name) <
                    0);
    assert_null(enlm_control_find("human-monitor-command"));
}

static void
schema_lets_through_what_it_has(void **state)
{
    (void)state;
    assert_null(check("stop", "{}"));
    assert_null(check("device_del", "{\"id\":\"disk1\"}"));
    assert_null(check("block_resize", "{\"device\":\"d\",\"size\":9007199254740993}"));
    assert_null(check("device_add", "{\"driver\":\"disk\",\"path\":\"/x\","
                                    "\"format\":\"vhd\",\"lun\":63,\"readonly\":true}"));
}

static void
schema_says_what_is_wrong(void **state)
{
    (void)state;
    assert_string_equal(check("stop", "{\"now\":true}"), "'now' is not known here");
    assert_string_equal(check("device_del", "{}"), "'id' is missing");
    assert_string_equal(check("device_del", "{\"id\":7}"), "'id' is to be a string");
    assert_string_equal(check("device_add", "{\"driver\":\"floppy\"}"),
                        "'driver' is to be one of disk|nic|scsi");
    assert_string_equal(check("device_add", "{\"driver\":\"dis\"}"),
                        "'driver' is to be one of disk|nic|scsi");
    assert_string_equal(check("device_add", "{\"driver\":\"disk\",\"lun\":-1}"),
                        "'lun' is to be a number from 0 on");
    assert_string_equal(check("device_add", "{\"driver\":\"disk\",\"lun\":1.5}"),
                        "'lun' is to be a number from 0 on");
    assert_string_equal(check("device_add", "{\"driver\":\"disk\",\"readonly\":\"on\"}"),
                        "'readonly' is to be true or false");
}

static void
schema_describes_itself(void **state)
{
    const struct enlm_control_command *command = enlm_control_find("query-schema");
    json_t *schema = enlm_control_schema_json();
    char why[ENLM_CONTROL_WHY];

    (void)state;
    assert_null(enlm_control_check(command->returns, schema, why, sizeof(why)));
    assert_int_equal(json_array_size(json_object_get(schema, "commands")),
                     ENLM_CONTROL_VERBS);
    assert_int_equal(json_array_size(json_object_get(schema, "events")),
                     ENLM_CONTROL_EVENTS);
    json_decref(schema);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_names_are_sorted_and_found),
        cmocka_unit_test(schema_lets_through_what_it_has),
        cmocka_unit_test(schema_says_what_is_wrong),
        cmocka_unit_test(schema_describes_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
