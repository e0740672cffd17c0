/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/host/wake.h - how a backend says that a queue has something
 */
#ifndef ENLIGHT_HOST_WAKE_H
#define ENLIGHT_HOST_WAKE_H

#ifdef __cplusplus
extern "C" {
#endif

/* fd: an eventfd that does the same as fn, or -1. */
struct enlh_wake {
    void (*fn)(void *ctx); /* Thread: any */
    void *ctx;
    int fd;
};

#ifdef __cplusplus
}
#endif
#endif
