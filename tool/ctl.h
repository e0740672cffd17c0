/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/ctl.h - the client of the control socket, from the schema
 */
#ifndef ENLIGHT_TOOL_CTL_H
#define ENLIGHT_TOOL_CTL_H

#include "vmm/control/control.h"

/*
 * Make a request of words: a command's name, then NAME=VALUE. Returns 0 and an owned
 * object, or a status after a sentence.
 */
int enlt_ctl_request(int argc, char **argv, json_t **out);

/*
 * Print what there is: NULL for people; "mdoc", "commands" and "events" for the manual
 * pages, "completion" for the shell. Returns a status.
 */
int enlt_ctl_help(const char *form);

#endif
