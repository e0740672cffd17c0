/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/rtc.h - the clock of a PC at ports 0x70 and 0x71
 *
 * The time is the host's, in UTC. Writes to the time are remembered by nobody: a guest
 * that wants another time keeps its own.
 */
#ifndef ENLIGHT_VMM_RTC_H
#define ENLIGHT_VMM_RTC_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define ENLM_RTC_PORT  0x70u
#define ENLM_RTC_PORTS 2u
#define ENLM_RTC_IRQ   8u

struct enlm_rtc {
    _Atomic uint8_t index;
    _Atomic uint8_t control; /* register B: format bits only */
    _Atomic uint8_t ram[128];
    time_t (*now)(void *ctx); /* UTC */
    void *ctx;
};

void enlm_rtc_init(struct enlm_rtc *rtc, time_t (*now)(void *ctx), void *ctx);
/* The ports; rtc is a struct enlm_rtc. Thread: any. */
uint8_t enlm_rtc_read(void *rtc, uint16_t offset);
void enlm_rtc_write(void *rtc, uint16_t offset, uint8_t value);

#endif
