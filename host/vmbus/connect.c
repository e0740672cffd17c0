/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection: which version, which VP hears us, and the end of it.
 *
 * Runs: the guest, by INITIATE_CONTACT, UNLOAD and TL_CONNECT_REQUEST on the loop. A new
 * contact in any state ends the connection before it: a kernel started by kexec or by a
 * loader says nothing else. The end is one path for all: every channel lets go, every
 * GPADL is dropped, and only then comes the answer, because with it the guest may use the
 * memory for something else. A later contact or unload replaces an answer that still
 * waits. Trusts no field. [VMBus; no chapter in the TLFS]
 * Tests: test/unit/vmbus_connect.c, vmbus_quiesce.c.
 */
#include <string.h>

#include "enlight/abi/hvsock.h"
#include "enlight/abi/register.h"
#include "host/vmbus/channel.h"

/* 6.0 and what is above gets "no", and the guest asks for an older one. */
static const uint32_t known_versions[] = {
    ENL_VMBUS_VERSION_WIN8,      ENL_VMBUS_VERSION_WIN8_1,    ENL_VMBUS_VERSION_WIN10,
    ENL_VMBUS_VERSION_WIN10_4_1, ENL_VMBUS_VERSION_WIN10_5_0, ENL_VMBUS_VERSION_WIN10_5_1,
    ENL_VMBUS_VERSION_WIN10_5_2, ENL_VMBUS_VERSION_WS2022,
};

bool
enlh_connect_known(uint32_t version)
{
    for (size_t i = 0; i < sizeof(known_versions) / sizeof(known_versions[0]); i++)
        if (known_versions[i] == version)
            return true;
    return false;
}

/* ---- INITIATE_CONTACT ---- */

static void
enlh_connect_answer(struct enlh_vmbus *bus, const struct enlh_contact *contact)
{
    struct enl_vmbus_version_response response = {
        .head = {.type = ENL_VMBUS_VERSION_RESPONSE},
        .supported = !contact->refused,
    };

    if (contact->failed)
        response.connection_state = ENL_VMBUS_CONNECTION_STATE_UNKNOWN;
    else if (!contact->refused)
        response.version_or_connection_id =
            contact->version >= ENL_VMBUS_VERSION_WIN10_5_0 ? ENL_VMBUS_CONNECTION_MESSAGE
                                                            : contact->version;
    enlh_outbox_put_to(bus, contact->vp, contact->sint, &response, sizeof(response));
}

/*
 * Through the port of 5.0 the guest says where messages go. The other port has one
 * client, on SINT 2 of VTL 0. Seen: OpenVMM reads these fields for the port of 5.0 only.
 */
static void
enlh_connect_read_target(struct enlh_contact *contact,
                         const struct enl_vmbus_initiate_contact *message)
{
    const struct enl_vmbus_target *target = &message->u.target;

    /* SINT 0 is the hypervisor's own. [TLFS 11.4] */
    if (target->vtl != 0 || target->sint == 0 || target->sint >= ENL_SINT_COUNT)
        contact->refused = true;
    else
        contact->sint = target->sint;
}

static struct enlh_contact
enlh_connect_read(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_initiate_contact message;
    struct enlh_contact contact = {.sint = ENLH_BUS_SINT};

    memcpy(&message, entry->data, sizeof(message));
    contact.version = message.version;
    contact.refused =
        !enlh_connect_known(message.version) || message.version > bus->config.max_version;
    /* Seen: before 3.0 guests leave the field as it is and listen on VP 0. */
    if (message.version >= ENL_VMBUS_VERSION_WIN8_1)
        contact.vp = message.target_vp;
    if (contact.vp >= bus->vp_count) {
        contact.vp = 0;
        contact.failed = true;
    }
    if (entry->connection_id == ENL_VMBUS_CONNECTION_MESSAGE_5 &&
        message.version >= ENL_VMBUS_VERSION_WIN10_5_0)
        enlh_connect_read_target(&contact, &message);
    return contact;
}

static void
enlh_connect_accept(struct enlh_vmbus *bus, const struct enlh_contact *contact)
{
    struct enlh_connection *conn = &bus->conn;

    enlh_connect_answer(bus, contact);
    if (contact->refused || contact->failed) {
        enlh_log(bus->partition, ENLH_LOG_INFO, "vmbus: refused version %u.%u",
                 contact->version >> 16, contact->version & 0xffff);
        return;
    }
    conn->version = contact->version;
    conn->last_version = contact->version;
    conn->vp = contact->vp;
    conn->sint = contact->sint;
    conn->state = ENLH_CONNECTED;
    enlh_log(bus->partition, ENLH_LOG_INFO, "vmbus: connected, version %u.%u, VP %u",
             conn->version >> 16, conn->version & 0xffff, conn->vp);
}

void
enlh_connect_initiate(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    bus->conn.contact = enlh_connect_read(bus, entry);
    enlh_connect_leave(bus, ENLH_NEXT_CONTACT);
}

/* ---- UNLOAD ---- */

/* Below 3.0 the guest expects no answer. */
void
enlh_connect_unload(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enlh_connection *conn = &bus->conn;
    (void)entry;

    if (!conn->last_version) {
        enlh_message_bad(bus, "UNLOAD", "never connected");
        return;
    }
    enlh_connect_leave(bus, conn->last_version >= ENL_VMBUS_VERSION_WIN8_1
                                ? ENLH_NEXT_UNLOAD
                                : ENLH_NEXT_NONE);
}

/*
 * To the VP of the connection, also when another one sent UNLOAD: a crashed kernel looks
 * into the slots of all VPs.
 */
static void
enlh_connect_unloaded(struct enlh_vmbus *bus)
{
    struct enl_vmbus_header response = {.type = ENL_VMBUS_UNLOAD_RESPONSE};

    enlh_outbox_put(bus, &response, sizeof(response));
}

/* ---- the end of a connection ---- */

/* What was said to the guest before has lost its meaning: it would hide the answer. */
void
enlh_connect_leave(struct enlh_vmbus *bus, enum enlh_connect_next next)
{
    struct enlh_connection *conn = &bus->conn;

    conn->next = next;
    conn->version = 0;
    conn->offers_requested = false;
    conn->all_offers_due = false;
    enlh_outbox_clear(bus);
    if (conn->state == ENLH_CONNECTED)
        enlh_log(bus->partition, ENLH_LOG_INFO, "vmbus: disconnected");
    if (conn->state != ENLH_DISCONNECTING) {
        conn->state = ENLH_DISCONNECTING;
        for (struct enlh_link *at = bus->channels.next; at != &bus->channels;
             at = at->next)
            (void)enlh_channel_event(ENLH_LIST_OF(at, struct enlh_channel, bus_link),
                                     ENLH_EV_DISCONNECT);
    }
    enlh_connect_settle(bus);
}

void
enlh_connect_settle(struct enlh_vmbus *bus)
{
    struct enlh_connection *conn = &bus->conn;
    enum enlh_connect_next next = conn->next;

    if (conn->state != ENLH_DISCONNECTING || bus->worker_count)
        return;
    enlh_gpadl_drop_all(bus);
    conn->state = ENLH_DISCONNECTED;
    conn->next = ENLH_NEXT_NONE;
    if (next == ENLH_NEXT_UNLOAD)
        enlh_connect_unloaded(bus);
    else if (next == ENLH_NEXT_CONTACT)
        enlh_connect_accept(bus, &conn->contact);
}

/* ---- TL_CONNECT_REQUEST ---- */

/* Nobody listens for sockets here; from 4.1 the guest can be told. */
void
enlh_connect_tl_request(struct enlh_vmbus *bus, const struct enlh_inbox_entry *entry)
{
    struct enl_vmbus_tl_connect_request request;
    struct enl_vmbus_tl_connect_result result = {
        .head = {.type = ENL_VMBUS_TL_CONNECT_RESULT},
        .status = ENL_VMBUS_STATUS_CONNECTION_REFUSED,
    };

    memcpy(&request, entry->data, sizeof(request));
    result.endpoint_id = request.endpoint_id;
    result.service_id = request.service_id;
    if (bus->conn.version >= ENL_VMBUS_VERSION_WIN10_4_1)
        enlh_outbox_put(bus, &result, sizeof(result));
}
