/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/vmbus.c - the answer to query-vmbus
 *
 * Run by the loop. It reads what the bus tells and puts names to it; the numbers are
 * momentary.
 * Tests: test/unit/control_machine.c, test/unit/vmbus_inspect.c for what is told.
 */
#include <stdio.h>

#include "enlight/abi/vmbus.h"
#include "vmm/control/machine.h"

#define VERSION_LEN 16u
#define GUID_LEN    37u

static void
write_version(uint32_t version, char text[VERSION_LEN])
{
    snprintf(text, VERSION_LEN, "%u.%u", version >> 16, version & 0xFFFFu);
}

/* The first three fields are little-endian. */
static void
write_guid(const struct enl_guid *guid, char text[GUID_LEN])
{
    static const uint8_t order[16] = {3, 2, 1,  0,  5,  4,  7,  6,
                                      8, 9, 10, 11, 12, 13, 14, 15};
    char *at = text;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += snprintf(at, 3, "%02x", guid->b[order[i]]);
    }
}

static void
add_rings(json_t *one, const struct enlh_channel_info *info)
{
    json_t *rings;

    if (!info->in_size)
        return;
    rings = json_pack("{sI, sI, sI, sI}", "in-used", (json_int_t)info->in_used, "in-size",
                      (json_int_t)info->in_size, "out-used", (json_int_t)info->out_used,
                      "out-size", (json_int_t)info->out_size);
    json_object_update(one, rings);
    json_decref(rings);
    if (info->target_vp != ENL_VMBUS_VP_NO_INTERRUPT)
        json_object_set_new(one, "vp", json_integer(info->target_vp));
}

static json_t *
identity(const struct enlh_channel_info *info)
{
    char type[GUID_LEN], instance[GUID_LEN];

    write_guid(&info->type, type);
    write_guid(&info->instance, instance);
    return json_pack("{ss, sI, sI, ss, ss, ss}", "device", info->name, "relid",
                     (json_int_t)info->relid, "subchannel", (json_int_t)info->subchannel,
                     "state", info->state, "type", type, "instance", instance);
}

static void
add_channel(void *ctx, const struct enlh_channel *channel,
            const struct enlh_channel_info *info)
{
    json_t *list = ctx, *one = identity(info), *counts;
    struct enlh_channel_counters n;
    char version[VERSION_LEN];

    enlh_channel_counters(channel, &n);
    counts = json_pack("{sI, sI, sI, sI, sI}", "packets-in", (json_int_t)n.packets_in,
                       "packets-out", (json_int_t)n.packets_out, "signals-in",
                       (json_int_t)n.signals_in, "signals-out", (json_int_t)n.signals_out,
                       "ring-full", (json_int_t)n.ring_full);
    json_object_update(one, counts);
    json_decref(counts);
    add_rings(one, info);
    if (info->protocol) {
        write_version(info->protocol, version);
        json_object_set_new(one, "version", json_string(version));
    }
    json_array_append_new(list, one);
}

static void
add_gpadl(void *ctx, const struct enlh_gpadl_info *info)
{
    json_t *list = ctx;

    json_array_append_new(
        list,
        json_pack("{sI, sI, sI, sI, ss, sb}", "relid", (json_int_t)info->relid, "handle",
                  (json_int_t)info->handle, "bytes", (json_int_t)info->bytes, "ranges",
                  (json_int_t)info->spans, "state", info->state, "ring", info->is_ring));
}

json_t *
enlm_control_vmbus(struct enlm_machine *machine)
{
    uint32_t version = enlh_vmbus_version(machine->bus);
    json_t *channels = json_array(), *gpadls = json_array(), *answer;
    struct enlh_vmbus_counters n;
    char text[VERSION_LEN];

    enlh_vmbus_counters(machine->bus, &n);
    enlh_vmbus_each_channel(machine->bus, add_channel, channels);
    enlh_vmbus_each_gpadl(machine->bus, add_gpadl, gpadls);
    answer = json_pack("{sI, sI, sI, sI, sI, sI, sI, so, so}", "messages",
                       (json_int_t)n.messages, "malformed",
                       (json_int_t)n.messages_malformed, "offers", (json_int_t)n.offers,
                       "rescinds", (json_int_t)n.rescinds, "opens", (json_int_t)n.opens,
                       "closes", (json_int_t)n.closes, "gpadl-bytes",
                       (json_int_t)n.gpadl_bytes, "channels", channels, "gpadls", gpadls);
    if (version) {
        write_version(version, text);
        json_object_set_new(answer, "version", json_string(text));
    }
    return answer;
}
