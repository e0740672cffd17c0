/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/device.h - what the machine has plugged in, by name
 *
 * A kind (a controller, a disk, a NIC) embeds a struct enlm_device, adds it, and from then
 * on the list is where others find it by its id. Taking one away may last as long as the
 * guest takes to let go; its id is free again only then. All of it runs on the loop, or
 * before the first vCPU and after the last one.
 */
#ifndef ENLIGHT_VMM_DEVICE_H
#define ENLIGHT_VMM_DEVICE_H

#include <stdbool.h>

#include "enlight/error.h"
#include "vmm/machine.h"

struct enlm_device;
struct enlm_machine;

struct enlm_device_ops {
    const char *kind; /* for people: "disk" */
    /*
     * Start to take it away, once; enlm_device_gone() is called when nobody uses it any
     * more: within this call, or later on the loop.
     */
    void (*unplug)(struct enlm_device *device);
    /* It is in no list any more: free it. */
    void (*free)(struct enlm_device *device);
};

struct enlm_device {
    const struct enlm_device_ops *ops;
    struct enlm_machine *machine;
    struct enlm_device *next;
    char id[ENLM_ID_LEN];
    bool is_leaving; /* unplug() was called */
};

/* The list of a machine, in the order of plugging. */
struct enlm_device_list {
    struct enlm_device *first;
};

/*
 * Put device, its ops and machine filled in, into the machine's list under this id.
 * Returns 0, -ENL_E_EXIST (the id is taken), or -ENL_E_INVAL (it is empty, too long, or has
 * other characters than letters, digits, '-', '_' and '.').
 */
ENL_MUST_CHECK int enlm_device_add(struct enlm_device *device, const char *id);
/* The reason why an id, a place or a device was refused, for people. Static. */
const char *enlm_device_why(int error);
/* NULL: there is none. */
struct enlm_device *enlm_device_find(const struct enlm_machine *machine, const char *id);
/* Take it away. Leaving already: nothing happens. */
void enlm_device_unplug(struct enlm_device *device);
/* Nobody uses it any more: out of the list, tell the owner if it was unplugged, free it. */
void enlm_device_gone(struct enlm_device *device);

#endif
