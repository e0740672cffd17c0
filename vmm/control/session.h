/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/session.h - one client's conversation: bytes in, lines out
 */
#ifndef ENLIGHT_VMM_CONTROL_SESSION_H
#define ENLIGHT_VMM_CONTROL_SESSION_H

#include "vmm/control/control.h"
#include "vmm/control/frame.h"

struct enlm_control_session {
    const struct enlm_control_ops *ops;
    void *ctx;
    struct enlm_control_frame frame;
    bool negotiated;
    bool is_waiting; /* for the answer of a command: the next one is not read yet */
    json_t *id;      /* of that command, or NULL */
};

/* The first line, owned; NULL: no memory. */
char *enlm_control_greeting(void);
/* For one who comes when there is no room. */
char *enlm_control_full(void);
/* The line of an event that happens now, owned. Takes data. Thread: any. */
char *enlm_control_event_line(enum enlm_control_news news, json_t *data);
/* The line of that answer, owned; NULL: no memory. Takes value. */
char *enlm_control_finish(struct enlm_control_session *session, int result, json_t *value,
                          const char *why);
void enlm_control_session_fini(struct enlm_control_session *session);
/*
 * Take bytes, at most up to the end of one object. *line is what to answer, owned, or
 * NULL; nothing may be fed while the session waits. Returns how many bytes were taken, or -ENL_E_NOMEM.
 */
ENL_MUST_CHECK long enlm_control_converse(struct enlm_control_session *session,
                                          const char *bytes, size_t len, char **line);

#endif
