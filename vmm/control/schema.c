/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/schema.c - the table of commands and events, and what it decides
 *
 * Run by the control socket for each request, and by the tool. Nothing is known here of
 * sockets or of the machine. What a client sends is checked against the table, member by
 * member; a depth that the table does not have cannot pass.
 * Tests: test/unit/control_schema.c.
 */
#include "vmm/control/schema.h"

#include <stdio.h>
#include <string.h>

#define OPTIONAL true
#define REQUIRED false
#define END                                                                              \
    {                                                                                    \
        0                                                                                \
    }

/* ---- arguments ---- */

static const struct enlm_control_member resize_args[] = {
    {"device", ENLM_CONTROL_STRING, REQUIRED, "the disk's id", NULL, NULL},
    {"size", ENLM_CONTROL_INT, REQUIRED, "its new size in bytes", NULL, NULL},
    END,
};

static const struct enlm_control_member device_add_args[] = {
    {"driver", ENLM_CONTROL_STRING, REQUIRED, "what it is", "disk|nic|scsi", NULL},
    {"id", ENLM_CONTROL_STRING, OPTIONAL, "its name from then on", NULL, NULL},
    {"path", ENLM_CONTROL_STRING, OPTIONAL, "of a disk: a file or a block device", NULL,
     NULL},
    {"format", ENLM_CONTROL_STRING, OPTIONAL, "of a disk (raw)", "raw|vhd", NULL},
    {"readonly", ENLM_CONTROL_BOOL, OPTIONAL, "of a disk (false)", NULL, NULL},
    {"direct", ENLM_CONTROL_BOOL, OPTIONAL, "of a disk: past the page cache (false)",
     NULL, NULL},
    {"aio", ENLM_CONTROL_STRING, OPTIONAL, "of a disk (auto)", "auto|io_uring|threads",
     NULL},
    {"serial", ENLM_CONTROL_STRING, OPTIONAL, "of a disk: up to 32 characters", NULL,
     NULL},
    {"record", ENLM_CONTROL_STRING, OPTIONAL, "of a disk: where its trace goes", NULL,
     NULL},
    {"controller", ENLM_CONTROL_INT, OPTIONAL,
     "of a disk, or which one to add; 0 to 7 (of a disk 0, else the first that is free)",
     NULL, NULL},
    {"lun", ENLM_CONTROL_INT, OPTIONAL, "of a disk, 0 to 63 (the first that is free)",
     NULL, NULL},
    {"net", ENLM_CONTROL_STRING, OPTIONAL, "of a NIC: what --nic takes (user)", NULL,
     NULL},
    END,
};

#define POOLS "external|guest|auto|auto-external|auto-internal"

static const struct enlm_control_member kvp_list_args[] = {
    {"pool", ENLM_CONTROL_STRING, OPTIONAL, "whose pairs (auto: what it is)", POOLS,
     NULL},
    END,
};

static const struct enlm_control_member kvp_key_args[] = {
    {"pool", ENLM_CONTROL_STRING, REQUIRED, "whose pairs", POOLS, NULL},
    {"key", ENLM_CONTROL_STRING, REQUIRED, "up to 255 characters", NULL, NULL},
    END,
};

static const struct enlm_control_member kvp_set_args[] = {
    {"pool", ENLM_CONTROL_STRING, OPTIONAL, "whose pairs (external: the host's)", POOLS,
     NULL},
    {"key", ENLM_CONTROL_STRING, REQUIRED, "up to 255 characters", NULL, NULL},
    {"value", ENLM_CONTROL_STRING, REQUIRED, "up to 1023 characters", NULL, NULL},
    END,
};

static const struct enlm_control_member ip_get_args[] = {
    {"adapter", ENLM_CONTROL_STRING, REQUIRED, "its MAC address, 00:15:5D:...", NULL,
     NULL},
    END,
};

static const struct enlm_control_member ip_set_args[] = {
    {"adapter", ENLM_CONTROL_STRING, REQUIRED, "its instance, a GUID", NULL, NULL},
    {"dhcp", ENLM_CONTROL_BOOL, OPTIONAL, "ask for addresses by DHCP (false)", NULL,
     NULL},
    {"address", ENLM_CONTROL_STRING, OPTIONAL, "with ; between several", NULL, NULL},
    {"subnet", ENLM_CONTROL_STRING, OPTIONAL, "a mask for each address", NULL, NULL},
    {"gateway", ENLM_CONTROL_STRING, OPTIONAL, "with ; between several", NULL, NULL},
    {"dns", ENLM_CONTROL_STRING, OPTIONAL, "with ; between several", NULL, NULL},
    END,
};

static const struct enlm_control_member freeze_args[] = {
    {"hold", ENLM_CONTROL_INT, OPTIONAL,
     "seconds after which it is thawed by itself, up to 900 (30)", NULL, NULL},
    END,
};

static const struct enlm_control_member link_args[] = {
    {"name", ENLM_CONTROL_STRING, REQUIRED, "the NIC's id", NULL, NULL},
    {"up", ENLM_CONTROL_BOOL, REQUIRED, "the cable is in", NULL, NULL},
    END,
};

static const struct enlm_control_member id_args[] = {
    {"id", ENLM_CONTROL_STRING, REQUIRED, "the device's id", NULL, NULL},
    END,
};

/* ---- answers ---- */

static const struct enlm_control_member commands_returns[] = {
    {"name", ENLM_CONTROL_STRING, REQUIRED, "a command", NULL, NULL},
    END,
};

static const struct enlm_control_member devices_returns[] = {
    {"id", ENLM_CONTROL_STRING, REQUIRED, "its name", NULL, NULL},
    {"driver", ENLM_CONTROL_STRING, REQUIRED, "what it is", NULL, NULL},
    {"leaving", ENLM_CONTROL_BOOL, REQUIRED,
     "it was taken away, and the guest has not let go yet", NULL, NULL},
    END,
};

static const struct enlm_control_member kvp_returns[] = {
    {"key", ENLM_CONTROL_STRING, REQUIRED, "its name", NULL, NULL},
    {"value", ENLM_CONTROL_STRING, REQUIRED, "numbers in decimal", NULL, NULL},
    END,
};

static const struct enlm_control_member ip_returns[] = {
    {"adapter", ENLM_CONTROL_STRING, REQUIRED, NULL, NULL, NULL},
    {"ipv4", ENLM_CONTROL_BOOL, REQUIRED, "it has such addresses", NULL, NULL},
    {"ipv6", ENLM_CONTROL_BOOL, REQUIRED, "it has such addresses", NULL, NULL},
    {"dhcp", ENLM_CONTROL_BOOL, REQUIRED, "they come by DHCP", NULL, NULL},
    {"address", ENLM_CONTROL_STRING, REQUIRED, "with ; between several", NULL, NULL},
    {"subnet", ENLM_CONTROL_STRING, REQUIRED, "a mask or a length for each", NULL, NULL},
    {"gateway", ENLM_CONTROL_STRING, REQUIRED, NULL, NULL, NULL},
    {"dns", ENLM_CONTROL_STRING, REQUIRED, NULL, NULL, NULL},
    END,
};

static const struct enlm_control_member leaf_returns[] = {
    {"leaf", ENLM_CONTROL_INT, REQUIRED, "the leaf's number", NULL, NULL},
    {"eax", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"ebx", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"ecx", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"edx", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"text", ENLM_CONTROL_STRING, REQUIRED, "what it says", NULL, NULL},
    END,
};

static const struct enlm_control_member register_returns[] = {
    {"vp", ENLM_CONTROL_INT, REQUIRED, "the virtual processor", NULL, NULL},
    {"name", ENLM_CONTROL_STRING, REQUIRED, "the register's name", NULL, NULL},
    {"value", ENLM_CONTROL_STRING, REQUIRED, "hexadecimal, for it has 64 bits", NULL,
     NULL},
    {"text", ENLM_CONTROL_STRING, REQUIRED, "what it says", NULL, NULL},
    END,
};

static const struct enlm_control_member hv_returns[] = {
    {"engine", ENLM_CONTROL_STRING, REQUIRED, "who answers registers", "kernel|user",
     NULL},
    {"features", ENLM_CONTROL_LIST, REQUIRED, "enlightenments that are on", NULL, NULL},
    {"hypercalls", ENLM_CONTROL_INT, REQUIRED, "that came to us", NULL, NULL},
    {"messages", ENLM_CONTROL_INT, REQUIRED, "delivered", NULL, NULL},
    {"events", ENLM_CONTROL_INT, REQUIRED, "event flags set", NULL, NULL},
    {"timers", ENLM_CONTROL_INT, REQUIRED, "synthetic timers expired", NULL, NULL},
    {"register-faults", ENLM_CONTROL_INT, REQUIRED, "accesses answered with #GP", NULL,
     NULL},
    {"leaves", ENLM_CONTROL_LIST, REQUIRED, "CPUID", NULL, leaf_returns},
    {"registers", ENLM_CONTROL_LIST, REQUIRED, "synthetic registers", NULL,
     register_returns},
    END,
};

/* A member of an object is described by an object that may have members. */
static const struct enlm_control_member schema_member[7];

static const struct enlm_control_member schema_member[7] = {
    {"name", ENLM_CONTROL_STRING, REQUIRED, NULL, NULL, NULL},
    {"type", ENLM_CONTROL_STRING, REQUIRED, NULL, "string|int|bool|object|list", NULL},
    {"optional", ENLM_CONTROL_BOOL, REQUIRED, NULL, NULL, NULL},
    {"help", ENLM_CONTROL_STRING, OPTIONAL, "for people", NULL, NULL},
    {"choices", ENLM_CONTROL_STRING, OPTIONAL, "of a string, with | between", NULL, NULL},
    {"members", ENLM_CONTROL_LIST, OPTIONAL, "such objects again", NULL, schema_member},
    END,
};

static const struct enlm_control_member schema_command[] = {
    {"name", ENLM_CONTROL_STRING, REQUIRED, NULL, NULL, NULL},
    {"help", ENLM_CONTROL_STRING, REQUIRED, "for people", NULL, NULL},
    {"arguments", ENLM_CONTROL_LIST, REQUIRED, NULL, NULL, schema_member},
    {"returns", ENLM_CONTROL_LIST, REQUIRED, NULL, NULL, schema_member},
    {"returns-list", ENLM_CONTROL_BOOL, REQUIRED, "a list of such objects", NULL, NULL},
    END,
};

static const struct enlm_control_member schema_event[] = {
    {"name", ENLM_CONTROL_STRING, REQUIRED, NULL, NULL, NULL},
    {"help", ENLM_CONTROL_STRING, REQUIRED, "for people", NULL, NULL},
    {"data", ENLM_CONTROL_LIST, REQUIRED, NULL, NULL, schema_member},
    END,
};

static const struct enlm_control_member schema_returns[] = {
    {"commands", ENLM_CONTROL_LIST, REQUIRED, NULL, NULL, schema_command},
    {"events", ENLM_CONTROL_LIST, REQUIRED, NULL, NULL, schema_event},
    END,
};

static const struct enlm_control_member status_returns[] = {
    {"status", ENLM_CONTROL_STRING, REQUIRED, "what the machine does", "running|paused",
     NULL},
    {"running", ENLM_CONTROL_BOOL, REQUIRED, "its processors run", NULL, NULL},
    {"resets", ENLM_CONTROL_INT, REQUIRED, "so far", NULL, NULL},
    {"heartbeat", ENLM_CONTROL_STRING, REQUIRED, "of the guest", "none|ok|lost", NULL},
    END,
};

static const struct enlm_control_member version_numbers[] = {
    {"major", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"minor", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"micro", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    END,
};

static const struct enlm_control_member version_returns[] = {
    {"enlight", ENLM_CONTROL_OBJECT, REQUIRED, "the version", NULL, version_numbers},
    {"package", ENLM_CONTROL_STRING, REQUIRED, "who built it", NULL, NULL},
    END,
};

static const struct enlm_control_member channel_returns[] = {
    {"device", ENLM_CONTROL_STRING, REQUIRED, "whose it is", NULL, NULL},
    {"relid", ENLM_CONTROL_INT, REQUIRED, "its number on the bus", NULL, NULL},
    {"subchannel", ENLM_CONTROL_INT, REQUIRED, "0: the primary one", NULL, NULL},
    {"state", ENLM_CONTROL_STRING, REQUIRED, NULL, NULL, NULL},
    {"version", ENLM_CONTROL_STRING, OPTIONAL, "of the device's protocol, once agreed",
     NULL, NULL},
    {"vp", ENLM_CONTROL_INT, OPTIONAL, "that its interrupts go to", NULL, NULL},
    {"in-used", ENLM_CONTROL_INT, OPTIONAL, "bytes in the ring to the host", NULL, NULL},
    {"in-size", ENLM_CONTROL_INT, OPTIONAL, "bytes of that ring", NULL, NULL},
    {"out-used", ENLM_CONTROL_INT, OPTIONAL, "bytes in the ring to the guest", NULL,
     NULL},
    {"out-size", ENLM_CONTROL_INT, OPTIONAL, "bytes of that ring", NULL, NULL},
    {"packets-in", ENLM_CONTROL_INT, REQUIRED, "from the guest", NULL, NULL},
    {"packets-out", ENLM_CONTROL_INT, REQUIRED, "to the guest", NULL, NULL},
    {"signals-in", ENLM_CONTROL_INT, REQUIRED, "runs of its worker", NULL, NULL},
    {"signals-out", ENLM_CONTROL_INT, REQUIRED, "interrupts to the guest", NULL, NULL},
    {"ring-full", ENLM_CONTROL_INT, REQUIRED, "sends that found no room", NULL, NULL},
    {"type", ENLM_CONTROL_STRING, REQUIRED, "its class", NULL, NULL},
    {"instance", ENLM_CONTROL_STRING, REQUIRED, "its own GUID", NULL, NULL},
    END,
};

static const struct enlm_control_member gpadl_returns[] = {
    {"relid", ENLM_CONTROL_INT, REQUIRED, "the channel's", NULL, NULL},
    {"handle", ENLM_CONTROL_INT, REQUIRED, "the guest's name for it", NULL, NULL},
    {"bytes", ENLM_CONTROL_INT, REQUIRED, "of guest memory", NULL, NULL},
    {"ranges", ENLM_CONTROL_INT, REQUIRED, "pieces of it", NULL, NULL},
    {"state", ENLM_CONTROL_STRING, REQUIRED, NULL, "assembling|ready|tearing|torn", NULL},
    {"ring", ENLM_CONTROL_BOOL, REQUIRED, "the channel's rings are in it", NULL, NULL},
    END,
};

static const struct enlm_control_member vmbus_returns[] = {
    {"version", ENLM_CONTROL_STRING, OPTIONAL, "that was agreed with the guest", NULL,
     NULL},
    {"messages", ENLM_CONTROL_INT, REQUIRED, "of the guest, handled", NULL, NULL},
    {"malformed", ENLM_CONTROL_INT, REQUIRED, "of the guest, refused", NULL, NULL},
    {"offers", ENLM_CONTROL_INT, REQUIRED, "sent", NULL, NULL},
    {"rescinds", ENLM_CONTROL_INT, REQUIRED, "channels taken back", NULL, NULL},
    {"opens", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"closes", ENLM_CONTROL_INT, REQUIRED, NULL, NULL, NULL},
    {"gpadl-bytes", ENLM_CONTROL_INT, REQUIRED, "covered by all GPADLs", NULL, NULL},
    {"channels", ENLM_CONTROL_LIST, REQUIRED, NULL, NULL, channel_returns},
    {"gpadls", ENLM_CONTROL_LIST, REQUIRED, NULL, NULL, gpadl_returns},
    END,
};

/* ---- the commands ---- */

const struct enlm_control_command enlm_control_commands[ENLM_CONTROL_VERBS] = {
    [ENLM_CONTROL_BLOCK_RESIZE] = {"block_resize",
                                   "Make a disk larger or smaller; the guest is told. "
                                   "Its file takes the size, too.",
                                   resize_args, NULL, false},
    [ENLM_CONTROL_CONT] = {"cont", "Let the guest run again, its clocks as at the stop.",
                           NULL, NULL, false},
    [ENLM_CONTROL_DEVICE_ADD] = {"device_add",
                                 "Plug a device in: the guest finds it by itself.",
                                 device_add_args, NULL, false},
    [ENLM_CONTROL_DEVICE_DEL] =
        {"device_del",
         "Take a device away. DEVICE_DELETED comes when the guest has let go.", id_args,
         NULL, false},
    [ENLM_CONTROL_IP_GET] = {"hv-ip-get", "Ask the guest for an adapter's addresses.",
                             ip_get_args, ip_returns, false},
    [ENLM_CONTROL_IP_SET] = {"hv-ip-set", "Give an adapter of the guest its addresses.",
                             ip_set_args, NULL, false},
    [ENLM_CONTROL_KVP_DELETE] = {"hv-kvp-delete", "Take a pair out of a guest's pool.",
                                 kvp_key_args, NULL, false},
    [ENLM_CONTROL_KVP_GET] = {"hv-kvp-get", "Ask the guest for the value of a key.",
                              kvp_key_args, kvp_returns, false},
    [ENLM_CONTROL_KVP_LIST] = {"hv-kvp-list", "Ask the guest for all pairs of a pool.",
                               kvp_list_args, kvp_returns, true},
    [ENLM_CONTROL_KVP_SET] = {"hv-kvp-set", "Put a pair into a guest's pool.",
                              kvp_set_args, NULL, false},
    [ENLM_CONTROL_VSS_FREEZE] = {"hv-vss-freeze",
                                 "Have the guest write out its file systems and hold "
                                 "them still: its disks may be "
                                 "copied from the answer on, until the thaw.",
                                 freeze_args, NULL, false},
    [ENLM_CONTROL_VSS_THAW] = {"hv-vss-thaw",
                               "Let the guest go on. Fails when the guest was thawed by "
                               "itself before: what was copied is not of one moment.",
                               NULL, NULL, false},
    [ENLM_CONTROL_CAPABILITIES] =
        {"qmp_capabilities",
         "The first command of a connection; there are no capabilities.", NULL, NULL,
         false},
    [ENLM_CONTROL_QUERY_COMMANDS] = {"query-commands", "What commands there are.", NULL,
                                     commands_returns, true},
    [ENLM_CONTROL_QUERY_DEVICES] = {"query-devices", "What is plugged in.", NULL,
                                    devices_returns, true},
    [ENLM_CONTROL_QUERY_HV] = {"query-hv",
                               "The partition: CPUID leaves and synthetic registers. "
                               "Stops the guest for a moment.",
                               NULL, hv_returns, false},
    [ENLM_CONTROL_QUERY_SCHEMA] = {"query-schema",
                                   "All commands and events, as one table.", NULL,
                                   schema_returns, false},
    [ENLM_CONTROL_QUERY_STATUS] = {"query-status", "Whether the guest runs.", NULL,
                                   status_returns, false},
    [ENLM_CONTROL_QUERY_VERSION] = {"query-version", "Whose socket this is.", NULL,
                                    version_returns, false},
    [ENLM_CONTROL_QUERY_VMBUS] = {"query-vmbus",
                                  "The bus: its channels, their rings, its GPADLs.", NULL,
                                  vmbus_returns, false},
    [ENLM_CONTROL_QUIT] = {"quit", "End the machine at once.", NULL, NULL, false},
    [ENLM_CONTROL_SET_LINK] = {"set_link", "Plug the cable of a NIC in or out.",
                               link_args, NULL, false},
    [ENLM_CONTROL_STOP] = {"stop", "Stop the guest and its clocks.", NULL, NULL, false},
    [ENLM_CONTROL_SYSTEM_POWERDOWN] =
        {"system_powerdown", "Ask the guest to shut down, through its shutdown service.",
         NULL, NULL, false},
    [ENLM_CONTROL_SYSTEM_RESET] = {"system_reset", "Reset the guest by force.", NULL,
                                   NULL, false},
};

/* ---- the events ---- */

static const struct enlm_control_member deleted_data[] = {
    {"device", ENLM_CONTROL_STRING, REQUIRED, "its id", NULL, NULL},
    END,
};

static const struct enlm_control_member panic_info[] = {
    {"type", ENLM_CONTROL_STRING, REQUIRED, NULL, "hyper-v", NULL},
    {"arg1", ENLM_CONTROL_STRING, REQUIRED, "P0, hexadecimal", NULL, NULL},
    {"arg2", ENLM_CONTROL_STRING, REQUIRED, "P1", NULL, NULL},
    {"arg3", ENLM_CONTROL_STRING, REQUIRED, "P2", NULL, NULL},
    {"arg4", ENLM_CONTROL_STRING, REQUIRED, "P3", NULL, NULL},
    {"arg5", ENLM_CONTROL_STRING, REQUIRED, "P4", NULL, NULL},
    {"text", ENLM_CONTROL_STRING, OPTIONAL, "the last of its log", NULL, NULL},
    END,
};

static const struct enlm_control_member panic_data[] = {
    {"action", ENLM_CONTROL_STRING, REQUIRED, "what follows", "run|poweroff", NULL},
    {"info", ENLM_CONTROL_OBJECT, REQUIRED, "the report", NULL, panic_info},
    END,
};

static const struct enlm_control_member heartbeat_data[] = {
    {"state", ENLM_CONTROL_STRING, REQUIRED, NULL, "ok|lost", NULL},
    END,
};

static const struct enlm_control_member kvp_data[] = {
    {"version", ENLM_CONTROL_STRING, REQUIRED, "that was agreed with the guest", NULL,
     NULL},
    END,
};

static const struct enlm_control_member vss_data[] = {
    {"state", ENLM_CONTROL_STRING, REQUIRED, NULL, "ready|frozen|failed|expired|thawed",
     NULL},
    {"status", ENLM_CONTROL_STRING, REQUIRED, "the guest's word, hexadecimal", NULL,
     NULL},
    END,
};

static const struct enlm_control_member reset_data[] = {
    {"guest", ENLM_CONTROL_BOOL, REQUIRED, "the guest did it, not the host", NULL, NULL},
    END,
};

static const struct enlm_control_member shutdown_data[] = {
    {"guest", ENLM_CONTROL_BOOL, REQUIRED, "the guest did it, not the host", NULL, NULL},
    {"reason", ENLM_CONTROL_STRING, REQUIRED, NULL,
     "guest-shutdown|guest-reset|guest-panic|guest-triple-fault|host-quit|host-error",
     NULL},
    END,
};

const struct enlm_control_event enlm_control_events[ENLM_CONTROL_EVENTS] = {
    [ENLM_CONTROL_DEVICE_DELETED] = {"DEVICE_DELETED",
                                     "A device has gone; its id and its file are free.",
                                     deleted_data},
    [ENLM_CONTROL_GUEST_PANICKED] = {"GUEST_PANICKED", "The guest reported a crash.",
                                     panic_data},
    [ENLM_CONTROL_HV_HEARTBEAT] = {"HV_HEARTBEAT",
                                   "The guest's heartbeat came, came again, or was lost.",
                                   heartbeat_data},
    [ENLM_CONTROL_HV_KVP] = {"HV_KVP", "The guest's key-value pairs can be asked for.",
                             kvp_data},
    [ENLM_CONTROL_HV_VSS] = {"HV_VSS",
                             "What became of a freeze, or that one is possible.",
                             vss_data},
    [ENLM_CONTROL_RESET] = {"RESET", "The guest starts anew.", reset_data},
    [ENLM_CONTROL_RESUME] = {"RESUME", "The guest runs again.", NULL},
    [ENLM_CONTROL_SHUTDOWN] = {"SHUTDOWN", "The machine ends.", shutdown_data},
    [ENLM_CONTROL_STOPPED] = {"STOP", "The guest has stopped.", NULL},
};

const struct enlm_control_command *
enlm_control_find(const char *name)
{
    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        if (strcmp(enlm_control_commands[i].name, name) == 0)
            return &enlm_control_commands[i];
    }
    return NULL;
}

/* ---- checking ---- */

static const struct enlm_control_member *
find_member(const struct enlm_control_member *members, const char *name)
{
    for (; members && members->name; members++) {
        if (strcmp(members->name, name) == 0)
            return members;
    }
    return NULL;
}

static bool
is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);

    for (const char *p = choices; *p; p += p[0] == '|') {
        size_t word = strcspn(p, "|");

        if (word == len && memcmp(p, text, len) == 0)
            return true;
        p += word;
    }
    return false;
}

/* Returns what it should be, or NULL: it is. */
static const char *
wrong_type(enum enlm_control_type type, const json_t *value)
{
    switch (type) {
    case ENLM_CONTROL_STRING:
        return json_is_string(value) ? NULL : "a string";
    case ENLM_CONTROL_INT:
        return json_is_integer(value) && json_integer_value(value) >= 0
                   ? NULL
                   : "a number from 0 on";
    case ENLM_CONTROL_BOOL:
        return json_is_boolean(value) ? NULL : "true or false";
    case ENLM_CONTROL_OBJECT:
        return json_is_object(value) ? NULL : "an object";
    case ENLM_CONTROL_LIST:
        return json_is_array(value) ? NULL : "a list";
    }
    return "something else";
}

static const char *check_list(const struct enlm_control_member *member,
                              const json_t *list, char *why, size_t len);

static const char *
check_value(const struct enlm_control_member *member, const json_t *value, char *why,
            size_t len)
{
    const char *expected = wrong_type(member->type, value);

    if (expected) {
        snprintf(why, len, "'%s' is to be %s", member->name, expected);
        return why;
    }
    if (member->choices && !is_choice(member->choices, json_string_value(value))) {
        snprintf(why, len, "'%s' is to be one of %s", member->name, member->choices);
        return why;
    }
    if (member->type == ENLM_CONTROL_OBJECT)
        return enlm_control_check(member->of, value, why, len);
    return member->type == ENLM_CONTROL_LIST ? check_list(member, value, why, len) : NULL;
}

static const char *
check_list(const struct enlm_control_member *member, const json_t *list, char *why,
           size_t len)
{
    const char *wrong = NULL;

    for (size_t i = 0; !wrong && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        if (member->of && json_is_object(item)) {
            wrong = enlm_control_check(member->of, item, why, len);
        } else if (member->of || !json_is_string(item)) {
            snprintf(why, len, "an item of '%s' is to be %s", member->name,
                     member->of ? "an object" : "a string");
            wrong = why;
        }
    }
    return wrong;
}

/* jansson has no iteration for what is const. */
static json_t *mutable(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

const char *
enlm_control_check(const struct enlm_control_member *members, const json_t *object,
                   char *why, size_t len)
{
    const char *name, *wrong;
    json_t *value;

    json_object_foreach(mutable(object), name, value)
    {
        const struct enlm_control_member *member = find_member(members, name);

        if (!member) {
            snprintf(why, len, "'%.64s' is not known here", name);
            return why;
        }
        wrong = check_value(member, value, why, len);
        if (wrong)
            return wrong;
    }
    for (; members && members->name; members++) {
        if (!members->optional && !json_object_get(object, members->name)) {
            snprintf(why, len, "'%s' is missing", members->name);
            return why;
        }
    }
    return NULL;
}

/* ---- the table as JSON ---- */

/* What describes itself is described once. */
static json_t *
members_json(const struct enlm_control_member *members)
{
    static const char *const types[] = {"string", "int", "bool", "object", "list"};
    const struct enlm_control_member *first = members;
    json_t *list = json_array();

    for (; members && members->name; members++) {
        json_t *one = json_pack("{ss, ss, sb}", "name", members->name, "type",
                                types[members->type], "optional", members->optional);

        if (members->help)
            json_object_set_new(one, "help", json_string(members->help));
        if (members->choices)
            json_object_set_new(one, "choices", json_string(members->choices));
        if (members->of && members->of != first)
            json_object_set_new(one, "members", members_json(members->of));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *
commands_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        const struct enlm_control_command *command = &enlm_control_commands[i];

        json_array_append_new(
            list, json_pack("{ss, ss, so, so, sb}", "name", command->name, "help",
                            command->help, "arguments", members_json(command->arguments),
                            "returns", members_json(command->returns), "returns-list",
                            command->returns_list));
    }
    return list;
}

json_t *
enlm_control_schema_json(void)
{
    json_t *events = json_array();

    for (size_t i = 0; i < ENLM_CONTROL_EVENTS; i++) {
        const struct enlm_control_event *event = &enlm_control_events[i];

        json_array_append_new(events,
                              json_pack("{ss, ss, so}", "name", event->name, "help",
                                        event->help, "data", members_json(event->data)));
    }
    return json_pack("{so, so}", "commands", commands_json(), "events", events);
}
