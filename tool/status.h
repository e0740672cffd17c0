/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/status.h - how the enlight command ends, and how it says why
 *
 * The numbers are documented in enlight-run(1) and enlight-ctl(1), and never change.
 */
#ifndef ENLIGHT_TOOL_STATUS_H
#define ENLIGHT_TOOL_STATUS_H

#include <stddef.h>

enum enlt_status {
    ENLT_SHUTDOWN = 0,      /* the guest shut down */
    ENLT_REFUSED = 1,       /* ctl: the machine refused; check: it fails */
    ENLT_TIMED_OUT = 2,     /* ctl: the time was over before an answer or the event */
    ENLT_GONE = 3,          /* ctl: the machine ended first */
    ENLT_RESET = 32,        /* the guest reset, with --no-reboot */
    ENLT_VMM_ERROR = 33,    /* this program could not go on */
    ENLT_CRASH = 34,        /* the guest crashed: a panic, or a triple fault */
    ENLT_WATCHDOG = 36,     /* a watchdog fired */
    ENLT_USAGE = 64,        /* the command line makes no sense */
    ENLT_NO_INPUT = 66,     /* a file is missing, unreadable, or not what it should be */
    ENLT_NO_HOST = 69,      /* the host lacks a capability */
    ENLT_NO_PERMISSION = 77 /* the host has it, and this user may not use it */
};

/* Print "enlight: " and one sentence on standard error; returns status. */
int enlt_fail(enum enlt_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Have the sentences of enlt_fail() written to text of len bytes, for whoever asked from
 * elsewhere; NULL: to standard error again.
 */
void enlt_capture(char *text, size_t len);

/* Print "enlight: " and one line of progress or notice on standard error. */
void enlt_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
