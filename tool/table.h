/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/table.h - an answer for people, as the schema describes it; or for programs
 */
#ifndef ENLIGHT_TOOL_TABLE_H
#define ENLIGHT_TOOL_TABLE_H

#include "vmm/control/schema.h"

/*
 * Print value on standard output: an object's plain members as "name  value" lines, each
 * list of objects as a table with a title. members (optional) give order and help.
 */
void enlt_table_print(const struct enlm_control_member *members, const json_t *value);
/* One line of JSON. */
void enlt_table_json(const json_t *value);

#endif
