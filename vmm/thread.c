/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/thread.c - how the machine's threads start
 *
 * Run by the loop, for vCPUs and channels. Signals belong to the main thread. The usual
 * stack of 8 MiB would do harm: a host that gives large pages to private memory makes its
 * first touch cost 2 MiB, as much as the whole VMM takes beside.
 * Tests: test/unit/vmm_worker.c.
 */
#include "vmm/thread.h"

#include <signal.h>

#define STACK_LEN (256u * 1024u)

int
enlm_thread_start(pthread_t *thread, void *(*fn)(void *ctx), void *ctx, int signal)
{
    pthread_attr_t attr;
    sigset_t mask, old;
    int err;

    if (pthread_attr_init(&attr) != 0)
        return -ENL_E_NOMEM;
    sigfillset(&mask);
    if (signal)
        sigdelset(&mask, signal);
    err = pthread_attr_setstacksize(&attr, STACK_LEN);
    pthread_sigmask(SIG_SETMASK, &mask, &old);
    if (!err)
        err = pthread_create(thread, &attr, fn, ctx);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return err ? -ENL_E_NOMEM : 0;
}
