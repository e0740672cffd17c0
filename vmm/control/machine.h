/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/machine.h - the commands of the control socket, on a machine
 */
#ifndef ENLIGHT_VMM_CONTROL_MACHINE_H
#define ENLIGHT_VMM_CONTROL_MACHINE_H

#include "vmm/control/control.h"
#include "vmm/internal.h"

/* The callbacks of a control socket whose ctx is a machine. */
extern const struct enlm_control_ops enlm_control_machine_ops;

typedef int (*enlm_control_verb_fn)(struct enlm_machine *machine, const json_t *arguments,
                                    json_t **out, char why[ENLM_CONTROL_WHY]);

/* kvp.c, vss.c: they answer when the guest has. */
int enlm_control_kvp_list(struct enlm_machine *machine, const json_t *arguments,
                          json_t **out, char why[ENLM_CONTROL_WHY]);
int enlm_control_kvp_get(struct enlm_machine *machine, const json_t *arguments,
                         json_t **out, char why[ENLM_CONTROL_WHY]);
int enlm_control_kvp_set(struct enlm_machine *machine, const json_t *arguments,
                         json_t **out, char why[ENLM_CONTROL_WHY]);
int enlm_control_kvp_delete(struct enlm_machine *machine, const json_t *arguments,
                            json_t **out, char why[ENLM_CONTROL_WHY]);
int enlm_control_ip_get(struct enlm_machine *machine, const json_t *arguments,
                        json_t **out, char why[ENLM_CONTROL_WHY]);
int enlm_control_ip_set(struct enlm_machine *machine, const json_t *arguments,
                        json_t **out, char why[ENLM_CONTROL_WHY]);
int enlm_control_vss_freeze(struct enlm_machine *machine, const json_t *arguments,
                            json_t **out, char why[ENLM_CONTROL_WHY]);
int enlm_control_vss_thaw(struct enlm_machine *machine, const json_t *arguments,
                          json_t **out, char why[ENLM_CONTROL_WHY]);
/* Whoever waits for a freeze or a thaw is answered. Thread: any. */
void enlm_control_vss_event(struct enlm_machine *machine, enum enlh_vss_event event,
                            uint32_t status);

/* Answers, owned; NULL: no memory. Thread: loop. */
json_t *enlm_control_vmbus(struct enlm_machine *machine);
/* The vCPUs are paused. */
json_t *enlm_control_hv(struct enlm_machine *machine);

#endif
