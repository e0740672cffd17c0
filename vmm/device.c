/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/device.c - the list of what is plugged in
 *
 * Run by the loop and by the machine's maker. It knows ids and nothing of any kind. An id
 * comes from the user; it is checked here, because it is printed and looked up later.
 * Tests: test/unit/vmm_device.c.
 */
#include "vmm/device.h"

#include <stdio.h>
#include <string.h>

#include "vmm/internal.h"

static bool
is_good_id(const char *id)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789-_.";
    size_t len = strspn(id, good);

    return len && len < ENLM_ID_LEN && !id[len];
}

int
enlm_device_add(struct enlm_device *device, const char *id)
{
    struct enlm_device **at = &device->machine->devices.first;

    if (!is_good_id(id))
        return -ENL_E_INVAL;
    for (; *at; at = &(*at)->next) {
        if (strcmp((*at)->id, id) == 0)
            return -ENL_E_EXIST;
    }
    snprintf(device->id, sizeof(device->id), "%s", id);
    device->next = NULL;
    device->is_leaving = false;
    *at = device;
    return 0;
}

const char *
enlm_device_why(int error)
{
    switch (error) {
    case -ENL_E_EXIST:
        return "its id or its place is taken";
    case -ENL_E_INVAL:
        return "its id, a name or a size is not one that it can have";
    default:
        return strerror(-error);
    }
}

struct enlm_device *
enlm_device_find(const struct enlm_machine *machine, const char *id)
{
    struct enlm_device *device = machine->devices.first;

    while (device && strcmp(device->id, id) != 0)
        device = device->next;
    return device;
}

void
enlm_device_unplug(struct enlm_device *device)
{
    if (device->is_leaving)
        return;
    device->is_leaving = true;
    device->ops->unplug(device);
}

void
enlm_device_gone(struct enlm_device *device)
{
    struct enlm_device **at = &device->machine->devices.first;

    while (*at != device)
        at = &(*at)->next;
    *at = device->next;
    if (device->is_leaving)
        enlm_tell(device->machine, ENLM_CONTROL_DEVICE_DELETED,
                  json_pack("{ss}", "device", device->id));
    device->ops->free(device);
}
