/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/thread.h - a thread of the machine: a small stack, and no signals
 */
#ifndef ENLIGHT_VMM_THREAD_H
#define ENLIGHT_VMM_THREAD_H

#include <pthread.h>

#include "enlight/error.h"

/*
 * Start a thread that hears no signal but this one; 0: none at all. Its stack is 256 KiB.
 * Returns 0, or -ENL_E_NOMEM. Thread: any.
 */
ENL_MUST_CHECK int enlm_thread_start(pthread_t *thread, void *(*fn)(void *ctx), void *ctx,
                                     int signal);

#endif
