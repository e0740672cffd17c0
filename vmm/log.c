/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/log.c - lines for people, and sentences of refusal
 *
 * Run by every room of the machine, on any thread. The configuration's level decides what
 * is passed on; the machine itself prints nothing.
 * Tests: none of its own.
 */
#include <stdarg.h>
#include <stdio.h>

#include "vmm/internal.h"

#define LINE 512

void
enlm_log(struct enlm_machine *machine, enum enlh_log_level level, const char *format, ...)
{
    char line[LINE];
    va_list args;

    if (!machine->config.log || level > machine->config.log_level)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    machine->config.log(machine->config.ctx, level, line);
}

void
enlm_note(struct enlm_machine *machine, enum enlm_note note)
{
    if (machine->config.note)
        machine->config.note(machine->config.ctx, note);
}

void
enlm_tell(struct enlm_machine *machine, enum enlm_control_news news, json_t *data)
{
    if (machine->control)
        enlm_control_tell(machine->control, news, data);
    else
        json_decref(data);
}

int
enlm_refuse(char why[ENLM_WHY], int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, ENLM_WHY, format, args);
    va_end(args);
    return err;
}
