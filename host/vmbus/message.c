/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: which there are, and what each needs before its room looks at it.
 *
 * Runs: the guest, by any message it posts, in the order in which it posted them, on the
 * loop. One table holds name, length, state and version; what does not meet them is
 * counted and forgotten, and the guest goes on waiting for an answer that it did not ask
 * for properly. A message may be longer than its structure. Trusts nothing.
 * [VMBus; no chapter in the TLFS] Tests: test/unit/vmbus_messages.c.
 */
#include <string.h>

#include "enlight/abi/hvsock.h"
#include "host/vmbus/channel.h"

#define IN_DISCONNECTED  (1u << ENLH_DISCONNECTED)
#define IN_DISCONNECTING (1u << ENLH_DISCONNECTING)
#define IN_CONNECTED     (1u << ENLH_CONNECTED)
#define IN_ANY           (IN_DISCONNECTED | IN_DISCONNECTING | IN_CONNECTED)

struct enlh_message_kind {
    const char *name;
    /* NULL: not from a guest, or not offered here */
    void (*handle)(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry);
    uint16_t min_len;
    uint16_t states;
    uint32_t min_version;
};

/* clang-format off */
static const struct enlh_message_kind kinds[] = {
    [ENL_VMBUS_OFFER_CHANNEL]            = {.name = "OFFER_CHANNEL"},
    [ENL_VMBUS_RESCIND_OFFER]            = {.name = "RESCIND_OFFER"},
    [ENL_VMBUS_REQUEST_OFFERS]           = {"REQUEST_OFFERS", enlh_offer_request,
        sizeof(struct enl_vmbus_header), IN_CONNECTED, 0},
    [ENL_VMBUS_ALL_OFFERS_DELIVERED]     = {.name = "ALL_OFFERS_DELIVERED"},
    [ENL_VMBUS_OPEN_CHANNEL]             = {"OPEN_CHANNEL", enlh_channel_open,
        sizeof(struct enl_vmbus_open), IN_CONNECTED, 0},
    [ENL_VMBUS_OPEN_RESULT]              = {.name = "OPEN_RESULT"},
    [ENL_VMBUS_CLOSE_CHANNEL]            = {"CLOSE_CHANNEL", enlh_channel_close,
        sizeof(struct enl_vmbus_relid), IN_CONNECTED, 0},
    [ENL_VMBUS_GPADL_HEADER]             = {"GPADL_HEADER", enlh_gpadl_header,
        sizeof(struct enl_vmbus_gpadl_header), IN_CONNECTED, 0},
    [ENL_VMBUS_GPADL_BODY]               = {"GPADL_BODY", enlh_gpadl_body,
        sizeof(struct enl_vmbus_gpadl_body), IN_CONNECTED, 0},
    [ENL_VMBUS_GPADL_CREATED]            = {.name = "GPADL_CREATED"},
    [ENL_VMBUS_GPADL_TEARDOWN]           = {"GPADL_TEARDOWN", enlh_gpadl_teardown,
        sizeof(struct enl_vmbus_gpadl_teardown), IN_CONNECTED, 0},
    [ENL_VMBUS_GPADL_TORNDOWN]           = {.name = "GPADL_TORNDOWN"},
    [ENL_VMBUS_RELID_RELEASED]           = {"RELID_RELEASED", enlh_offer_released,
        sizeof(struct enl_vmbus_relid), IN_CONNECTED, 0},
    [ENL_VMBUS_INITIATE_CONTACT]         = {"INITIATE_CONTACT", enlh_connect_initiate,
        sizeof(struct enl_vmbus_initiate_contact), IN_ANY, 0},
    [ENL_VMBUS_VERSION_RESPONSE]         = {.name = "VERSION_RESPONSE"},
    [ENL_VMBUS_UNLOAD]                   = {"UNLOAD", enlh_connect_unload,
        sizeof(struct enl_vmbus_header), IN_ANY, 0},
    [ENL_VMBUS_UNLOAD_RESPONSE]          = {.name = "UNLOAD_RESPONSE"},
    [ENL_VMBUS_OPEN_RESERVED]            = {.name = "OPEN_RESERVED"},
    [ENL_VMBUS_CLOSE_RESERVED]           = {.name = "CLOSE_RESERVED"},
    [ENL_VMBUS_CLOSE_RESERVED_RESPONSE]  = {.name = "CLOSE_RESERVED_RESPONSE"},
    [ENL_VMBUS_TL_CONNECT_REQUEST]       = {"TL_CONNECT_REQUEST", enlh_connect_tl_request,
        sizeof(struct enl_vmbus_tl_connect_request), IN_CONNECTED,
        ENL_VMBUS_VERSION_WIN10},
    [ENL_VMBUS_MODIFY_CHANNEL]           = {"MODIFY_CHANNEL", enlh_channel_modify,
        sizeof(struct enl_vmbus_modify_channel), IN_CONNECTED,
        ENL_VMBUS_VERSION_WIN10_4_1},
    [ENL_VMBUS_TL_CONNECT_RESULT]        = {.name = "TL_CONNECT_RESULT"},
    [ENL_VMBUS_MODIFY_CHANNEL_RESPONSE]  = {.name = "MODIFY_CHANNEL_RESPONSE"},
    [ENL_VMBUS_MODIFY_CONNECTION]        = {.name = "MODIFY_CONNECTION"},
    [ENL_VMBUS_MODIFY_CONNECTION_RESULT] = {.name = "MODIFY_CONNECTION_RESULT"},
    [ENL_VMBUS_PAUSE]                    = {.name = "PAUSE"},
    [ENL_VMBUS_PAUSE_RESPONSE]           = {.name = "PAUSE_RESPONSE"},
    [ENL_VMBUS_RESUME]                   = {.name = "RESUME"},
};
/* clang-format on */

static const struct enlh_message_kind *
enlh_message_kind(uint32_t type)
{
    static const struct enlh_message_kind unknown = {.name = "unknown message"};

    if (type >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[type].name)
        return &unknown;
    return &kinds[type];
}

const char *
enlh_message_name(uint32_t type)
{
    return enlh_message_kind(type)->name;
}

void
enlh_message_bad(struct enlh_vmbus *bus, const char *name, const char *why)
{
    enlh_bus_count(&bus->counts.malformed);
    enlh_log_guest(bus->partition, "vmbus: %s: %s", name, why);
}

/* Why it cannot be handled, or NULL. */
static const char *
enlh_message_fault(const struct enlh_vmbus *bus, const struct enlh_message_kind *kind,
                   uint32_t len)
{
    if (!kind->handle)
        return "is not for this host";
    if (len < kind->min_len)
        return "is too short";
    if (!(kind->states & 1u << bus->conn.state))
        return "without a connection";
    if (bus->conn.version < kind->min_version)
        return "is not of the version agreed";
    return NULL;
}

void
enlh_message_handle(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    const struct enlh_message_kind *kind;
    struct enl_vmbus_header head;
    const char *fault;

    enlh_bus_count(&bus->counts.messages);
    if (entry->len < sizeof(head)) {
        enlh_message_bad(bus, "message", "has no header");
        return;
    }
    memcpy(&head, entry->data, sizeof(head));
    kind = enlh_message_kind(head.type);
    fault = enlh_message_fault(bus, kind, entry->len);
    if (fault) {
        enlh_message_bad(bus, kind->name, fault);
        return;
    }
    enlh_log(bus->partition, ENLH_LOG_DEBUG, "vmbus: from guest: %s", kind->name);
    kind->handle(bus, entry);
}
