/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine that remembers what the control socket asked of it. */
#ifndef CONTROL_RIG_H
#define CONTROL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/session.h"

struct control_rig {
    unsigned runs[ENLM_CONTROL_VERBS]; /* by verb */
    json_t *arguments;                 /* of the last one, a copy */
    int error;                         /* what the next commands return */
    const char *why;                   /* ... and say; NULL: "the rig says no" */
    size_t answer_len; /* bytes of text that query-status returns beside */
    unsigned wakes;
};
extern struct control_rig rig;
extern const struct enlm_control_ops rig_ops;

void rig_forget(void);
/* Parses line, which must be one line with a line feed; the caller frees. */
json_t *rig_parse(const char *line);

#endif
