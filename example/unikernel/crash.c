/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash.c - a fault is the end: the host is told, with numbers and a text
 */
#include <enlight/guest/crash.h>

#include "unikernel.h"

void
kernel_fault(struct frame *frame)
{
    static const char text[] __attribute__((aligned(64))) =
        "unikernel: a fault that nobody expected";
    struct enlg_crash crash = {
        .param = {frame->vector, frame->error, frame->rip, frame->rsp, frame->rflags},
        .text = text,
        .text_len = sizeof(text) - 1,
    };
    int rc;

    say("# vector %lu, error 0x%lx at 0x%lx\n", (unsigned long)frame->vector,
        (unsigned long)frame->error, (unsigned long)frame->rip);
    rc = enlg_crash_report(&partition, &crash);
    say("# the host was told (%d)\n", rc); /* unless it has ended the machine */
    power_off();
}
