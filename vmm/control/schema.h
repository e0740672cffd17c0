/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/schema.h - what the control socket understands, as a table
 *
 * The one source of the parser, of "enlight ctl" and its completion, and of the manual
 * enlight-qmp(7). The names are QEMU's where QEMU has one.
 */
#ifndef ENLIGHT_VMM_CONTROL_SCHEMA_H
#define ENLIGHT_VMM_CONTROL_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum enlm_control_type {
    ENLM_CONTROL_STRING,
    ENLM_CONTROL_INT, /* 0 to 2^63 - 1 */
    ENLM_CONTROL_BOOL,
    ENLM_CONTROL_OBJECT, /* its members are in "of" */
    ENLM_CONTROL_LIST,   /* of objects with the members in "of"; of strings without it */
};

/* A member of an object, in a request, an answer or an event. */
struct enlm_control_member {
    const char *name; /* NULL ends a list of members */
    enum enlm_control_type type;
    bool optional;
    const char *help;
    const char *choices; /* of a string: "raw|vhd"; or NULL */
    const struct enlm_control_member *of;
};

enum enlm_control_verb {
    ENLM_CONTROL_BLOCK_RESIZE,
    ENLM_CONTROL_CONT,
    ENLM_CONTROL_DEVICE_ADD,
    ENLM_CONTROL_DEVICE_DEL,
    ENLM_CONTROL_IP_GET,
    ENLM_CONTROL_IP_SET,
    ENLM_CONTROL_KVP_DELETE,
    ENLM_CONTROL_KVP_GET,
    ENLM_CONTROL_KVP_LIST,
    ENLM_CONTROL_KVP_SET,
    ENLM_CONTROL_VSS_FREEZE,
    ENLM_CONTROL_VSS_THAW,
    ENLM_CONTROL_CAPABILITIES,
    ENLM_CONTROL_QUERY_COMMANDS,
    ENLM_CONTROL_QUERY_DEVICES,
    ENLM_CONTROL_QUERY_HV,
    ENLM_CONTROL_QUERY_SCHEMA,
    ENLM_CONTROL_QUERY_STATUS,
    ENLM_CONTROL_QUERY_VERSION,
    ENLM_CONTROL_QUERY_VMBUS,
    ENLM_CONTROL_QUIT,
    ENLM_CONTROL_SET_LINK,
    ENLM_CONTROL_STOP,
    ENLM_CONTROL_SYSTEM_POWERDOWN,
    ENLM_CONTROL_SYSTEM_RESET,
    ENLM_CONTROL_VERBS
};

struct enlm_control_command {
    const char *name;
    const char *help;
    const struct enlm_control_member *arguments; /* NULL: none */
    const struct enlm_control_member *returns;   /* NULL: an empty object */
    bool returns_list; /* a list of such objects, not one of them */
};

enum enlm_control_news {
    ENLM_CONTROL_DEVICE_DELETED,
    ENLM_CONTROL_GUEST_PANICKED,
    ENLM_CONTROL_HV_HEARTBEAT,
    ENLM_CONTROL_HV_KVP,
    ENLM_CONTROL_HV_VSS,
    ENLM_CONTROL_RESET,
    ENLM_CONTROL_RESUME,
    ENLM_CONTROL_SHUTDOWN,
    ENLM_CONTROL_STOPPED,
    ENLM_CONTROL_EVENTS
};

struct enlm_control_event {
    const char *name;
    const char *help;
    const struct enlm_control_member *data; /* NULL: none */
};

/* By verb and by news; in the order of their names. */
extern const struct enlm_control_command enlm_control_commands[ENLM_CONTROL_VERBS];
extern const struct enlm_control_event enlm_control_events[ENLM_CONTROL_EVENTS];

/* NULL: there is none of that name. */
const struct enlm_control_command *enlm_control_find(const char *name);

/*
 * Does this object have these members, and no others? Returns NULL, or a sentence without
 * its end in why, which is also what is returned.
 */
const char *enlm_control_check(const struct enlm_control_member *members,
                               const json_t *object, char *why, size_t len);

/* The whole table as JSON, owned; NULL: no memory. */
json_t *enlm_control_schema_json(void);

#endif
