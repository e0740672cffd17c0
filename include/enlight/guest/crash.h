/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enlight/guest/crash.h - tell the host that this kernel has crashed, and why
 *
 * Five numbers, and a text where the host takes one. The call returns: what happens next
 * is the kernel's decision, unless the host ends the machine. It takes no lock, needs no
 * hypercall page, and works on any processor in any state. [TLFS guest crash enlightenment]
 */
#ifndef ENLIGHT_GUEST_CRASH_H
#define ENLIGHT_GUEST_CRASH_H

#include "enlight/abi/register.h"
#include "enlight/guest/partition.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ENLG_CRASH_TEXT_MAX 4096u

/* Linux: error code, GUEST_OS_ID, instruction pointer, first register, stack pointer. */
struct enlg_crash {
    uint64_t param[ENL_CRASH_PARAMS];
    const void *text;  /* borrowed; within one 4 KiB page; NULL: none */
    uint32_t text_len; /* up to ENLG_CRASH_TEXT_MAX */
};

/* What the host takes: ENL_CRASH_CTL_NOTIFY, ENL_CRASH_CTL_MESSAGE; 0: no reports. */
uint64_t enlg_crash_supported(const struct enlg_partition *partition);

/*
 * Report. With a text that the host takes, param[3] and param[4] do not go: its address
 * and length are there.
 * Returns 1: numbers and text went; 0: the numbers alone; or
 *   -ENL_E_NOTSUP  the host takes no reports;
 *   -ENL_E_INVAL   the text is too long or crosses a page: nothing was reported;
 *   -ENL_E_ACCESS  a register refused.
 * Thread: any processor.
 */
int enlg_crash_report(const struct enlg_partition *partition,
                      const struct enlg_crash *crash);

#ifdef __cplusplus
}
#endif
#endif
