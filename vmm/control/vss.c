/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/vss.c - the commands that hold the guest's file systems still
 *
 * Started by the loop; what became of them comes on the channel's thread. One client waits
 * for the freeze and one for the thaw; a thaw is a success only if the guest was held until
 * then.
 * Tests: test/os (DI09).
 */
#include <stdio.h>

#include "enlight/abi/ic.h"
#include "vmm/control/machine.h"

static void
answer(struct enlm_machine *machine, _Atomic uint32_t *ticket, const char *why)
{
    uint32_t number = atomic_exchange(ticket, 0);

    if (number && machine->control)
        enlm_control_answer(machine->control, number, why ? -ENL_E_IO : 0, NULL, why);
}

void
enlm_control_vss_event(struct enlm_machine *machine, enum enlh_vss_event event,
                       uint32_t status)
{
    struct enlm_services *services = &machine->services;
    char why[ENLM_CONTROL_WHY];

    switch (event) {
    case ENLH_VSS_READY:
        break;
    case ENLH_VSS_FROZEN:
        atomic_store(&services->expired, false);
        atomic_store(&services->frozen, true);
        answer(machine, &services->freeze_ticket, NULL);
        break;
    case ENLH_VSS_FAILED:
        snprintf(why, sizeof(why), "the guest cannot be frozen: 0x%08x%s", status,
                 status == ENL_IC_STATUS_FAIL ? "; is hv_vss_daemon running?" : "");
        answer(machine, &services->freeze_ticket, why);
        break;
    case ENLH_VSS_EXPIRED:
        atomic_store(&services->frozen, false);
        atomic_store(&services->expired, true);
        break;
    case ENLH_VSS_THAWED:
        atomic_store(&services->frozen, false);
        snprintf(why, sizeof(why), "the guest may still be frozen: 0x%08x", status);
        if (atomic_load(&services->expired))
            snprintf(why, sizeof(why),
                     "the guest was held too long and went on by "
                     "itself: what was copied is not of one moment");
        else if (status == ENL_IC_STATUS_SUCCESS)
            why[0] = 0;
        answer(machine, &services->thaw_ticket, why[0] ? why : NULL);
        break;
    }
}

/* A freeze, one that is under way, or one whose end nobody has heard of yet. */
static bool
is_held(struct enlm_services *services)
{
    return atomic_load(&services->frozen) || atomic_load(&services->expired) ||
           atomic_load(&services->freeze_ticket);
}

/* Somebody waits from now on; false: somebody did. */
static bool
take(struct enlm_machine *machine, _Atomic uint32_t *ticket)
{
    uint32_t nobody = 0;

    return atomic_compare_exchange_strong(ticket, &nobody,
                                          enlm_control_ticket(machine->control));
}

static int
refuse(char why[ENLM_CONTROL_WHY], int err, const char *text)
{
    snprintf(why, ENLM_CONTROL_WHY, "%s", text);
    return err;
}

static int
refuse_start(char why[ENLM_CONTROL_WHY], int err)
{
    if (err == -ENL_E_AGAIN)
        return refuse(why, err, "no guest can be frozen now");
    if (err == -ENL_E_BUSY)
        return refuse(why, err, "a freeze is under way");
    return refuse(why, err, "a guest is held for 900 seconds at most");
}

int
enlm_control_vss_freeze(struct enlm_machine *machine, const json_t *arguments,
                        json_t **out, char why[ENLM_CONTROL_WHY])
{
    struct enlm_services *services = &machine->services;
    json_int_t hold = json_integer_value(json_object_get(arguments, "hold"));
    int err;

    (void)out;
    if (!services->vss)
        return refuse_start(why, -ENL_E_AGAIN);
    if (hold > (json_int_t)ENLH_VSS_HOLD_MAX)
        return refuse_start(why, -ENL_E_INVAL);
    if (!take(machine, &services->freeze_ticket))
        return refuse_start(why, -ENL_E_BUSY);
    err = enlh_vss_freeze(services->vss, (uint32_t)hold);
    if (!err)
        return ENLM_CONTROL_LATER;
    atomic_store(&services->freeze_ticket, 0);
    return refuse_start(why, err);
}

int
enlm_control_vss_thaw(struct enlm_machine *machine, const json_t *arguments, json_t **out,
                      char why[ENLM_CONTROL_WHY])
{
    struct enlm_services *services = &machine->services;
    int err;

    (void)arguments;
    (void)out;
    if (!services->vss)
        return refuse_start(why, -ENL_E_AGAIN);
    if (!is_held(services))
        return refuse(why, -ENL_E_INVAL, "nothing is frozen");
    if (!take(machine, &services->thaw_ticket))
        return refuse(why, -ENL_E_BUSY, "a thaw is under way");
    err = enlh_vss_thaw(services->vss);
    if (!err)
        return ENLM_CONTROL_LATER;
    atomic_store(&services->thaw_ticket, 0);
    return refuse_start(why, err);
}
