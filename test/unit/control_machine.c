/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands on a machine that has a bus and a partition and nothing below them. */
#include <stdio.h>
#include <string.h>

#include "vmbus_rig.h"
#include "vmm/control/machine.h"

static struct rig r;
static struct enlm_machine *machine;
static struct enlm_vcpu vcpu; /* that was never started */
static char asked[512];       /* what open_disk() was given */

static int
open_disk(void *ctx, const char *list, struct enlm_disk *disk, char why[ENLM_WHY])
{
    (void)ctx;
    (void)disk;
    snprintf(asked, sizeof(asked), "%s", list);
    snprintf(why, ENLM_WHY, "the rig has no disks");
    return -ENL_E_NOENT;
}

static int
open_nic(void *ctx, const char *list, struct enlm_nic *nic, char why[ENLM_WHY])
{
    (void)ctx;
    (void)nic;
    snprintf(asked, sizeof(asked), "%s", list);
    snprintf(why, ENLM_WHY, "the rig has no networks");
    return -ENL_E_NOENT;
}

static int
setup(void **state)
{
    (void)state;
    machine = calloc(1, sizeof(*machine));
    rig_init(&r);
    return machine ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    free(machine);
    return 0;
}

static void
use_rig(void)
{
    machine->bus = r.bus;
    machine->partition = r.f.partition;
    machine->kind = ENLK_USER;
    machine->config.cpus = 1;
    machine->vcpus = &vcpu;
    machine->config.open_disk = open_disk;
    machine->config.open_nic = open_nic;
    asked[0] = 0;
}

/* The answer, which must be what the schema says; the caller frees. */
static json_t *
answer_to(enum enlm_control_verb verb, const char *arguments, int *err, char *why)
{
    const struct enlm_control_command *command = &enlm_control_commands[verb];
    json_t *object = json_loads(arguments, 0, NULL), *answer = NULL;
    char wrong[ENLM_CONTROL_WHY];

    assert_null(enlm_control_check(command->arguments, object, wrong, sizeof(wrong)));
    *err = enlm_control_machine_ops.run(machine, verb, object, &answer, why);
    json_decref(object);
    if (answer && !command->returns_list)
        assert_null(enlm_control_check(command->returns, answer, wrong, sizeof(wrong)));
    return answer;
}

static json_t *
answer(enum enlm_control_verb verb)
{
    char why[ENLM_CONTROL_WHY];
    int err;
    json_t *value = answer_to(verb, "{}", &err, why);

    assert_int_equal(err, 0);
    assert_non_null(value);
    return value;
}

static void
machine_tells_its_bus_as_the_schema_says(void **state)
{
    struct rig_guest guest;
    struct enlh_channel *channel = rig_open_one(&r, &guest);
    json_t *value, *first;

    (void)state;
    enlh_channel_set_protocol(channel, 0x60002);
    use_rig();
    value = answer(ENLM_CONTROL_QUERY_VMBUS);
    assert_string_equal(json_string_value(json_object_get(value, "version")), "5.3");
    assert_int_equal(json_array_size(json_object_get(value, "gpadls")), 1);
    first = json_array_get(json_object_get(value, "channels"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "version")), "6.2");
    assert_string_equal(json_string_value(json_object_get(first, "state")), "open");
    assert_int_equal(json_integer_value(json_object_get(first, "in-size")), 12288);
    json_decref(value);
    rig_stop(&r);
}

static void
machine_tells_its_partition_as_the_schema_says(void **state)
{
    json_t *value, *registers;
    bool found = false;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    use_rig();
    value = answer(ENLM_CONTROL_QUERY_HV);
    registers = json_object_get(value, "registers");
    for (size_t i = 0; i < json_array_size(registers); i++) {
        const json_t *one = json_array_get(registers, i);

        if (strcmp(json_string_value(json_object_get(one, "name")), "SINT2") == 0) {
            const char *text = json_string_value(json_object_get(one, "text"));

            found = strncmp(text, "vector 0x", 9) == 0;
        }
    }
    assert_true(found);
    assert_int_equal(json_integer_value(json_object_get(value, "register-faults")), 0);
    json_decref(value);
    rig_stop(&r);
}

static void
machine_tells_whether_it_runs(void **state)
{
    json_t *value;

    (void)state;
    value = answer(ENLM_CONTROL_QUERY_STATUS);
    assert_true(json_is_true(json_object_get(value, "running")));
    json_decref(value);
    machine->stopped = true;
    atomic_store(&machine->heartbeat, ENLM_HEARTBEAT_LOST);
    value = answer(ENLM_CONTROL_QUERY_STATUS);
    assert_string_equal(json_string_value(json_object_get(value, "status")), "paused");
    assert_string_equal(json_string_value(json_object_get(value, "heartbeat")), "lost");
    json_decref(value);
}

static void
machine_asks_for_a_disk_in_the_words_of_the_command_line(void **state)
{
    char why[ENLM_CONTROL_WHY];
    int err;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    use_rig();
    assert_null(answer_to(ENLM_CONTROL_DEVICE_ADD,
                          "{\"driver\":\"disk\",\"path\":\"/a,b\",\"readonly\":true,"
                          "\"direct\":false,\"lun\":7,\"id\":\"x\"}",
                          &err, why));
    /* The file is not there; that is no missing device. */
    assert_int_equal(err, -ENL_E_IO);
    assert_string_equal(why, "the rig has no disks");
    assert_string_equal(asked, "path=/a,,b,readonly=on,direct=off,lun=7");
    rig_stop(&r);
}

static void
machine_asks_for_a_nic_in_the_words_of_the_command_line(void **state)
{
    char why[ENLM_CONTROL_WHY];
    int err;

    (void)state;
    rig_boot(&r, ENL_VMBUS_VERSION_WS2022);
    use_rig();
    assert_null(answer_to(ENLM_CONTROL_DEVICE_ADD,
                          "{\"driver\":\"nic\",\"net\":\"user,mtu=1400\"}", &err, why));
    assert_int_equal(err, -ENL_E_IO);
    assert_string_equal(asked, "user,mtu=1400");
    assert_null(answer_to(ENLM_CONTROL_DEVICE_ADD, "{\"driver\":\"nic\"}", &err, why));
    assert_string_equal(asked, "user");
    assert_null(
        answer_to(ENLM_CONTROL_SET_LINK, "{\"name\":\"x\",\"up\":true}", &err, why));
    assert_int_equal(err, -ENL_E_NOENT);
    assert_string_equal(why, "there is no NIC 'x'");
    rig_stop(&r);
}

static void
machine_goes_on_when_nobody_wants_it_paused_any_more(void **state)
{
    (void)state;
    enlm_vcpu_pause_all(machine); /* a reset */
    enlm_vcpu_pause_all(machine); /* a command meanwhile */
    enlm_vcpu_resume_all(machine);
    assert_true(atomic_load(&machine->pause));
    enlm_vcpu_resume_all(machine);
    assert_false(atomic_load(&machine->pause));
}

static void
machine_without_vmbus_says_so(void **state)
{
    static const enum enlm_control_verb verbs[] = {ENLM_CONTROL_QUERY_VMBUS,
                                                   ENLM_CONTROL_SYSTEM_POWERDOWN};
    char why[ENLM_CONTROL_WHY];
    int err;

    (void)state;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        assert_null(answer_to(verbs[i], "{}", &err, why));
        assert_int_equal(err, -ENL_E_NOTSUP);
        assert_string_equal(why, "this machine has no VMBus");
    }
    assert_null(answer_to(ENLM_CONTROL_DEVICE_ADD, "{\"driver\":\"scsi\"}", &err, why));
    assert_int_equal(err, -ENL_E_NOTSUP);
}

static void
machine_knows_a_device_that_is_not_there(void **state)
{
    char why[ENLM_CONTROL_WHY];
    int err;

    (void)state;
    assert_null(answer_to(ENLM_CONTROL_DEVICE_DEL, "{\"id\":\"x\"}", &err, why));
    assert_int_equal(err, -ENL_E_NOENT);
    assert_string_equal(why, "there is no device 'x'");
    assert_null(answer_to(ENLM_CONTROL_BLOCK_RESIZE, "{\"device\":\"x\",\"size\":512}",
                          &err, why));
    assert_int_equal(err, -ENL_E_NOENT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(machine_tells_its_bus_as_the_schema_says),
        CASE(machine_tells_its_partition_as_the_schema_says),
        CASE(machine_tells_whether_it_runs),
        CASE(machine_asks_for_a_disk_in_the_words_of_the_command_line),
        CASE(machine_asks_for_a_nic_in_the_words_of_the_command_line),
        CASE(machine_goes_on_when_nobody_wants_it_paused_any_more),
        CASE(machine_without_vmbus_says_so),
        CASE(machine_knows_a_device_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
