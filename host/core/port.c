/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports: what a guest reaches with HvCallPostMessage and HvCallSignalEvent. VMBus connects
 * them on the loop thread; any VP calls them, with connection ids of the guest's choice.
 * The input was copied before it came here and every field of it is checked here.
 * [TLFS 11.6, HvCallPostMessage, HvCallSignalEvent]
 *
 * A port that is taken away waits for the calls inside it: no lock is held over a call,
 * so each port counts them. The wait is as long as a port function, which copies a message
 * or wakes a thread.
 * Tests: port_calls, port_threads.
 */
#include "host/core/port.h"

#include <string.h>

#include "enlight/abi/hypercall.h"
#include "enlight/abi/synic.h"
#include "host/core/hypercall.h"
#include "host/core/ops.h"

/* ---- the table ---- */

/* Where the first port with first >= id is, or would be. The lock is held. */
static uint32_t
port_lower_bound(const struct enlh_ports *ports, uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = ports->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (ports->port[middle]->first < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The port that holds id, or NULL. The lock is held. */
static struct enlh_port *
port_find(const struct enlh_ports *ports, uint32_t id)
{
    uint32_t at = port_lower_bound(ports, id);

    if (at < ports->count && ports->port[at]->first == id)
        return ports->port[at];
    if (at == 0 || id - ports->port[at - 1]->first >= ports->port[at - 1]->count)
        return NULL;
    return ports->port[at - 1];
}

static bool
port_overlaps(const struct enlh_ports *ports, const struct enlh_port *port)
{
    uint32_t at = port_lower_bound(ports, port->first);

    if (at < ports->count && ports->port[at]->first < port->first + port->count)
        return true;
    return port_find(ports, port->first) != NULL;
}

/* Make room for one more. Only the loop thread writes the table, so it may read it bare. */
static int
port_grow(struct enlh_partition *partition)
{
    struct enlh_ports *ports = &partition->ports;
    uint32_t room = ports->room == 0 ? 16 : ports->room * 2;
    struct enlh_port **old = ports->port;
    struct enlh_port **port;
    uint32_t old_room = ports->room;

    if (ports->count < ports->room)
        return 0;
    if (room > ENLH_PORT_MAX)
        return -ENL_E_NOSPC;
    port = enlh_ops_alloc(partition, room * sizeof(struct enlh_port *));
    if (port == NULL)
        return -ENL_E_NOSPC;
    enlh_ops_lock(partition, partition->lock);
    for (uint32_t i = 0; i < ports->count; i++)
        port[i] = old[i];
    ports->port = port;
    ports->room = room;
    enlh_ops_unlock(partition, partition->lock);
    enlh_ops_free(partition, old, old_room * sizeof(struct enlh_port *));
    return 0;
}

static void
port_insert(struct enlh_partition *partition, struct enlh_port *port)
{
    struct enlh_ports *ports = &partition->ports;
    uint32_t at;

    enlh_ops_lock(partition, partition->lock);
    at = port_lower_bound(ports, port->first);
    for (uint32_t i = ports->count; i > at; i--)
        ports->port[i] = ports->port[i - 1];
    ports->port[at] = port;
    ports->count++;
    enlh_ops_unlock(partition, partition->lock);
}

static int
port_connect(struct enlh_partition *partition, const struct enlh_port *template)
{
    struct enlh_port *port;
    int err;

    if (port_overlaps(&partition->ports, template))
        return -ENL_E_EXIST;
    err = port_grow(partition);
    if (err != 0)
        return err;
    port = enlh_ops_alloc(partition, sizeof(*port));
    if (port == NULL)
        return -ENL_E_NOSPC;
    port->first = template->first;
    port->count = template->count;
    port->is_event = template->is_event;
    port->message = template->message;
    port->event = template->event;
    port->ctx = template->ctx;
    port_insert(partition, port);
    return 0;
}

/*
 * No lock and nothing to sleep on, so it spins. Where the embedder has no locks it has one
 * thread, and a call that is inside is our own caller: it would wait for itself.
 */
static void
port_wait(const struct enlh_partition *partition, struct enlh_port *port)
{
    while (atomic_load_explicit(&port->inside, memory_order_acquire) != 0)
        ENLH_BUG_ON(partition, partition->lock == NULL);
}

/* Take the port of exactly this range away. One that is not there is gone already. */
static int
port_disconnect(struct enlh_partition *partition, const struct enlh_port *template)
{
    struct enlh_ports *ports = &partition->ports;
    struct enlh_port *port = port_find(ports, template->first);
    uint32_t at;

    if (port == NULL)
        return 0;
    if (port->first != template->first || port->count != template->count ||
        port->is_event != template->is_event)
        return -ENL_E_INVAL;
    enlh_ops_lock(partition, partition->lock);
    at = port_lower_bound(ports, port->first);
    ports->count--;
    for (uint32_t i = at; i < ports->count; i++)
        ports->port[i] = ports->port[i + 1];
    enlh_ops_unlock(partition, partition->lock);
    port_wait(partition, port);
    enlh_ops_free(partition, port, sizeof(*port));
    return 0;
}

int
enlh_port_message(struct enlh_partition *partition, uint32_t connection_id,
                  enlh_port_message_fn fn, void *ctx)
{
    struct enlh_port port = {
        .first = connection_id, .count = 1, .message = fn, .ctx = ctx};

    if ((connection_id & ~ENL_CONNECTION_ID_MASK) != 0)
        return -ENL_E_INVAL;
    return fn != NULL ? port_connect(partition, &port)
                      : port_disconnect(partition, &port);
}

int
enlh_port_events(struct enlh_partition *partition, uint32_t first_id, uint32_t count,
                 enlh_port_event_fn fn, void *ctx)
{
    struct enlh_port port = {
        .first = first_id, .count = count, .is_event = true, .event = fn, .ctx = ctx};

    if (count == 0 || (first_id & ~ENL_CONNECTION_ID_MASK) != 0 ||
        count - 1 > ENL_CONNECTION_ID_MASK - first_id)
        return -ENL_E_INVAL;
    return fn != NULL ? port_connect(partition, &port)
                      : port_disconnect(partition, &port);
}

void
enlh_port_fini(struct enlh_partition *partition)
{
    struct enlh_ports *ports = &partition->ports;

    for (uint32_t i = 0; i < ports->count; i++)
        enlh_ops_free(partition, ports->port[i], sizeof(*ports->port[i]));
    enlh_ops_free(partition, ports->port, ports->room * sizeof(struct enlh_port *));
    memset(ports, 0, sizeof(*ports));
}

/* ---- the calls ---- */

/* Find a port and enter it: it stays until port_leave(). */
static uint16_t
port_enter(struct enlh_partition *partition, uint32_t id, bool is_event,
           struct enlh_port **out)
{
    struct enlh_port *port = NULL;
    uint16_t status = ENL_HV_STATUS_SUCCESS;

    enlh_ops_lock(partition, partition->lock);
    if ((id & ~ENL_CONNECTION_ID_MASK) == 0)
        port = port_find(&partition->ports, id);
    if (port == NULL)
        status = ENL_HV_STATUS_INVALID_CONNECTION_ID;
    else if (port->is_event != is_event)
        status = ENL_HV_STATUS_INVALID_PORT_ID;
    else
        atomic_fetch_add_explicit(&port->inside, 1, memory_order_relaxed);
    enlh_ops_unlock(partition, partition->lock);
    *out = port;
    return status;
}

/* The last look at the port: port_wait() frees it after this. */
static void
port_leave(struct enlh_port *port)
{
    atomic_fetch_sub_explicit(&port->inside, 1, memory_order_release);
}

uint16_t
enlh_port_post_call(struct enlh_vp *vp, struct enlh_call *call)
{
    struct enl_hv_post_message input;
    struct enlh_port *port;
    uint16_t status;

    memcpy(&input, call->input, sizeof(input));
    if (input.message_type == ENL_MESSAGE_NONE ||
        (input.message_type & ENL_MESSAGE_HYPERVISOR) != 0 ||
        input.payload_len > sizeof(input.payload))
        return ENL_HV_STATUS_INVALID_PARAMETER;
    status = port_enter(vp->partition, input.connection_id, false, &port);
    if (status != ENL_HV_STATUS_SUCCESS)
        return status;
    status = port->message(port->ctx, vp, input.message_type, input.payload,
                           input.payload_len);
    port_leave(port);
    return status;
}

uint16_t
enlh_port_signal_call(struct enlh_vp *vp, struct enlh_call *call)
{
    struct enl_hv_signal_event input;
    struct enlh_port *port;
    uint16_t status;

    memcpy(&input, call->input, sizeof(input));
    status = port_enter(vp->partition, input.connection_id, true, &port);
    if (status != ENL_HV_STATUS_SUCCESS)
        return status;
    status = port->event(port->ctx, input.connection_id, input.flag_number);
    port_leave(port);
    return status;
}
