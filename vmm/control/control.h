/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/control.h - the control socket: QMP's wire format, for several clients
 *
 * It owns a listening socket and what connects to it, and lives on the loop; it has no
 * thread. What the commands do is its owner's, behind one struct of callbacks, so it runs
 * without a machine as well.
 */
#ifndef ENLIGHT_VMM_CONTROL_CONTROL_H
#define ENLIGHT_VMM_CONTROL_CONTROL_H

#include "vmm/control/schema.h"
#include "vmm/loop.h"

#define ENLM_CONTROL_CLIENTS 16u
#define ENLM_CONTROL_WHY     200u       /* bytes of a sentence */
#define ENLM_CONTROL_OUTPUT  (4u << 20) /* bytes that may wait for one client */
#define ENLM_CONTROL_NEWS    256u       /* events that wait for the loop */

struct enlm_control;

#define ENLM_CONTROL_LATER 1 /* enlm_control_answer() comes */

struct enlm_control_ops {
    /*
     * Carry out a command. arguments (borrowed) are as the schema has them, NULL: none.
     * Returns 0, and an owned answer in *out or NULL for an empty one; ENLM_CONTROL_LATER
     * to answer enlm_control_ticket() when the guest has done its part, until when the
     * client's next command waits; or with a sentence in why -ENL_E_NOENT: no such device;
     * any other: it failed. Thread: loop.
     */
    int (*run)(void *ctx, enum enlm_control_verb verb, const json_t *arguments,
               json_t **out, char why[ENLM_CONTROL_WHY]);
    /* Have the loop call enlm_control_deliver() soon. Thread: any. */
    void (*wake)(void *ctx);
};

/*
 * Serve the clients of a listening stream socket. Takes listen_fd when it succeeds;
 * borrows loop, ops and ctx. Returns 0, or -ENL_E_NOMEM, or as enlm_loop_add().
 */
ENL_MUST_CHECK int enlm_control_create(struct enlm_loop *loop, int listen_fd,
                                       const struct enlm_control_ops *ops, void *ctx,
                                       struct enlm_control **out);
/*
 * What was said goes out as far as the clients take it now, and they are gone; no other
 * comes. Others may still tell and answer, and nobody hears. Thread: loop.
 */
void enlm_control_close(struct enlm_control *control);
/* Closed or not. Nobody else is inside. Thread: loop. */
void enlm_control_destroy(struct enlm_control *control);

/*
 * Tell every client. Takes data (NULL: none). Beyond ENLM_CONTROL_NEWS that wait, the
 * newest is dropped. Thread: any.
 */
void enlm_control_tell(struct enlm_control *control, enum enlm_control_news news,
                       json_t *data);
/* Send what was told and answered. Thread: loop. */
void enlm_control_deliver(struct enlm_control *control);
/* Within run(): the number of the command, not 0. Thread: loop. */
uint32_t enlm_control_ticket(const struct enlm_control *control);
/*
 * The answer to a command that was to be answered later, once: as run() returns it. Takes
 * value; why is borrowed. A client that has gone hears nothing. Thread: any.
 */
void enlm_control_answer(struct enlm_control *control, uint32_t ticket, int result,
                         json_t *value, const char *why);
/* Some time has passed: a client that took nothing in two of them is dropped. Thread: loop. */
void enlm_control_tick(struct enlm_control *control);

/* For tests: how many are connected. */
uint32_t enlm_control_clients(const struct enlm_control *control);

#endif
