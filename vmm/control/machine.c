/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/machine.c - what the commands do to a machine
 *
 * Run by the loop, with arguments that the schema has let through. Nothing here waits for
 * the guest: what takes its time ends with an event.
 * Tests: test/unit/control_machine.c, test/os/control.sh.
 */
#include "vmm/control/machine.h"

#include <stdio.h>
#include <string.h>

#define LIST 17000u /* bytes: two paths with every comma doubled, and the rest */

/* ---- whether it runs ---- */

static int
query_status(struct enlm_machine *machine, const json_t *arguments, json_t **out,
             char why[ENLM_CONTROL_WHY])
{
    static const char *const heartbeats[] = {"none", "ok", "lost"};

    (void)arguments;
    (void)why;
    *out =
        json_pack("{ss, sb, sI, ss}", "status", machine->stopped ? "paused" : "running",
                  "running", !machine->stopped, "resets", (json_int_t)machine->resets,
                  "heartbeat", heartbeats[atomic_load(&machine->heartbeat)]);
    return 0;
}

static int
stop(struct enlm_machine *machine, const json_t *arguments, json_t **out,
     char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    (void)out;
    (void)why;
    enlm_machine_stop(machine);
    return 0;
}

static int
cont(struct enlm_machine *machine, const json_t *arguments, json_t **out,
     char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    (void)out;
    (void)why;
    enlm_machine_cont(machine);
    return 0;
}

static int
quit(struct enlm_machine *machine, const json_t *arguments, json_t **out,
     char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    (void)out;
    (void)why;
    enlm_machine_quit(machine);
    return 0;
}

static int
powerdown(struct enlm_machine *machine, const json_t *arguments, json_t **out,
          char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    (void)out;
    if (!machine->services.shutdown) {
        snprintf(why, ENLM_CONTROL_WHY, "this machine has no VMBus");
        return -ENL_E_NOTSUP;
    }
    enlm_machine_powerdown(machine);
    return 0;
}

static int
reset(struct enlm_machine *machine, const json_t *arguments, json_t **out,
      char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    (void)out;
    (void)why;
    enlm_machine_force_reset(machine);
    return 0;
}

/* ---- what there is ---- */

static int
query_devices(struct enlm_machine *machine, const json_t *arguments, json_t **out,
              char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    (void)why;
    *out = json_array();
    for (const struct enlm_device *at = machine->devices.first; at; at = at->next)
        json_array_append_new(*out, json_pack("{ss, ss, sb}", "id", at->id, "driver",
                                              at->ops->kind, "leaving", at->is_leaving));
    return 0;
}

static int
query_vmbus(struct enlm_machine *machine, const json_t *arguments, json_t **out,
            char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    if (!machine->bus) {
        snprintf(why, ENLM_CONTROL_WHY, "this machine has no VMBus");
        return -ENL_E_NOTSUP;
    }
    *out = enlm_control_vmbus(machine);
    return 0;
}

static int
query_hv(struct enlm_machine *machine, const json_t *arguments, json_t **out,
         char why[ENLM_CONTROL_WHY])
{
    (void)arguments;
    (void)why;
    enlm_vcpu_pause_all(machine);
    *out = enlm_control_hv(machine);
    enlm_vcpu_resume_all(machine);
    return 0;
}

/* ---- plugging ---- */

/* One more pair of a list; a comma within the value is written twice. */
static void
add_pair(char *list, size_t size, const char *name, const char *value)
{
    size_t at = strlen(list);

    at += (size_t)snprintf(list + at, size - at, "%s%s=", at ? "," : "", name);
    for (; *value && at + 2 < size; value++) {
        if (*value == ',')
            list[at++] = ',';
        list[at++] = *value;
    }
    list[at < size ? at : size - 1] = 0;
}

/* The arguments as --disk has them. */
static void
disk_list(const json_t *arguments, char *list, size_t size)
{
    static const char *const texts[] = {"path", "format", "aio", "serial", "record"};
    static const char *const switches[] = {"readonly", "direct"};
    static const char *const numbers[] = {"controller", "lun"};

    list[0] = 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = json_string_value(json_object_get(arguments, texts[i]));

        if (text)
            add_pair(list, size, texts[i], text);
    }
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        const json_t *value = json_object_get(arguments, switches[i]);

        if (value)
            add_pair(list, size, switches[i], json_is_true(value) ? "on" : "off");
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const json_t *value = json_object_get(arguments, numbers[i]);
        char number[24];

        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(value));
        if (value)
            add_pair(list, size, numbers[i], number);
    }
}

static int
add_disk(struct enlm_machine *machine, const json_t *arguments, const char *id,
         char why[ENLM_CONTROL_WHY])
{
    const struct enlm_machine_config *config = &machine->config;
    struct enlm_disk disk = {0};
    char list[LIST];
    int err;

    if (!config->open_disk) {
        snprintf(why, ENLM_CONTROL_WHY, "disks cannot be added to this machine");
        return -ENL_E_NOTSUP;
    }
    disk_list(arguments, list, sizeof(list));
    err = config->open_disk(config->ctx, list, &disk, why);
    if (err)
        return err == -ENL_E_NOENT ? -ENL_E_IO : err;
    disk.id = id;
    err = enlm_disk_add(machine, &disk, why);
    if (err && disk.release)
        disk.release(&disk.block);
    return err;
}

static int
add_nic(struct enlm_machine *machine, const json_t *arguments, const char *id,
        char why[ENLM_CONTROL_WHY])
{
    const struct enlm_machine_config *config = &machine->config;
    const char *list = json_string_value(json_object_get(arguments, "net"));
    struct enlm_nic nic = {0};
    int err;

    if (!config->open_nic) {
        snprintf(why, ENLM_CONTROL_WHY, "NICs cannot be added to this machine");
        return -ENL_E_NOTSUP;
    }
    err = config->open_nic(config->ctx, list ? list : "user", &nic, why);
    if (err)
        return err == -ENL_E_NOENT ? -ENL_E_IO : err;
    nic.id = id ? id : nic.id;
    err = enlm_nic_add(machine, &nic, why);
    if (err && nic.release)
        nic.release(&nic.net);
    return err;
}

static int
set_link(struct enlm_machine *machine, const json_t *arguments, json_t **out,
         char why[ENLM_CONTROL_WHY])
{
    const char *id = json_string_value(json_object_get(arguments, "name"));
    int err =
        enlm_nic_set_link(machine, id, json_is_true(json_object_get(arguments, "up")));

    (void)out;
    if (err)
        snprintf(why, ENLM_CONTROL_WHY, "there is no NIC '%.40s'", id);
    return err;
}

static int
add_scsi(struct enlm_machine *machine, const json_t *arguments, const char *id,
         char why[ENLM_CONTROL_WHY])
{
    const json_t *number = json_object_get(arguments, "controller");
    json_int_t index = json_integer_value(number);

    while (!number && index < (json_int_t)ENLM_CONTROLLERS && machine->scsi[index])
        index++;
    if (index >= (json_int_t)ENLM_CONTROLLERS) {
        snprintf(why, ENLM_CONTROL_WHY, "SCSI controllers are 0 to %u",
                 ENLM_CONTROLLERS - 1);
        return -ENL_E_RANGE;
    }
    return enlm_scsi_add(machine, (uint32_t)index, id, why);
}

static int
device_add(struct enlm_machine *machine, const json_t *arguments, json_t **out,
           char why[ENLM_CONTROL_WHY])
{
    const char *driver = json_string_value(json_object_get(arguments, "driver"));
    const char *id = json_string_value(json_object_get(arguments, "id"));

    (void)out;
    if (!machine->bus) {
        snprintf(why, ENLM_CONTROL_WHY, "this machine has no VMBus");
        return -ENL_E_NOTSUP;
    }
    if (strcmp(driver, "scsi") == 0)
        return add_scsi(machine, arguments, id, why);
    if (strcmp(driver, "nic") == 0)
        return add_nic(machine, arguments, id, why);
    return add_disk(machine, arguments, id, why);
}

static int
device_del(struct enlm_machine *machine, const json_t *arguments, json_t **out,
           char why[ENLM_CONTROL_WHY])
{
    const char *id = json_string_value(json_object_get(arguments, "id"));
    struct enlm_device *device = enlm_device_find(machine, id);

    (void)out;
    if (!device) {
        snprintf(why, ENLM_CONTROL_WHY, "there is no device '%.40s'", id);
        return -ENL_E_NOENT;
    }
    if (device->is_leaving) {
        snprintf(why, ENLM_CONTROL_WHY, "'%s' is leaving already", id);
        return -ENL_E_BUSY;
    }
    enlm_device_unplug(device);
    return 0;
}

static int
block_resize(struct enlm_machine *machine, const json_t *arguments, json_t **out,
             char why[ENLM_CONTROL_WHY])
{
    const char *id = json_string_value(json_object_get(arguments, "device"));
    json_int_t size = json_integer_value(json_object_get(arguments, "size"));

    (void)out;
    return enlm_disk_resize(machine, id, (uint64_t)size, why);
}

/* ---- all of them ---- */

static const enlm_control_verb_fn verbs[ENLM_CONTROL_VERBS] = {
    [ENLM_CONTROL_BLOCK_RESIZE] = block_resize,
    [ENLM_CONTROL_CONT] = cont,
    [ENLM_CONTROL_DEVICE_ADD] = device_add,
    [ENLM_CONTROL_DEVICE_DEL] = device_del,
    [ENLM_CONTROL_IP_GET] = enlm_control_ip_get,
    [ENLM_CONTROL_IP_SET] = enlm_control_ip_set,
    [ENLM_CONTROL_KVP_DELETE] = enlm_control_kvp_delete,
    [ENLM_CONTROL_KVP_GET] = enlm_control_kvp_get,
    [ENLM_CONTROL_KVP_LIST] = enlm_control_kvp_list,
    [ENLM_CONTROL_KVP_SET] = enlm_control_kvp_set,
    [ENLM_CONTROL_VSS_FREEZE] = enlm_control_vss_freeze,
    [ENLM_CONTROL_VSS_THAW] = enlm_control_vss_thaw,
    [ENLM_CONTROL_QUERY_DEVICES] = query_devices,
    [ENLM_CONTROL_QUERY_HV] = query_hv,
    [ENLM_CONTROL_QUERY_STATUS] = query_status,
    [ENLM_CONTROL_QUERY_VMBUS] = query_vmbus,
    [ENLM_CONTROL_QUIT] = quit,
    [ENLM_CONTROL_SET_LINK] = set_link,
    [ENLM_CONTROL_STOP] = stop,
    [ENLM_CONTROL_SYSTEM_POWERDOWN] = powerdown,
    [ENLM_CONTROL_SYSTEM_RESET] = reset,
};

static int
run(void *ctx, enum enlm_control_verb verb, const json_t *arguments, json_t **out,
    char why[ENLM_CONTROL_WHY])
{
    if (!verbs[verb])
        return -ENL_E_NOTSUP;
    return verbs[verb](ctx, arguments, out, why);
}

static void
wake(void *ctx)
{
    enlm_machine_ask(ctx, ENLM_ASK_CONTROL);
}

const struct enlm_control_ops enlm_control_machine_ops = {run, wake};
