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

/* Answers, owned; NULL: no memory. Thread: loop. */
json_t *enlm_control_vmbus(struct enlm_machine *machine);
/* The vCPUs are paused. */
json_t *enlm_control_hv(struct enlm_machine *machine);

#endif
