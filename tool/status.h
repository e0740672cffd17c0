/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/status.h - how the enlight command ends, and how it says why
 *
 * The numbers are documented in enlight-run(1) and never change.
 */
#ifndef ENLIGHT_TOOL_STATUS_H
#define ENLIGHT_TOOL_STATUS_H

enum enlt_status {
    ENLT_SHUTDOWN = 0,      /* the guest shut down */
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

/* Print "enlight: " and one line of progress or notice on standard error. */
void enlt_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
