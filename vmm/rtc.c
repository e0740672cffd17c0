/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/rtc.c - a minimal CMOS clock: the time, the format, and 114 bytes of memory
 *
 * Run by the guest's accesses to ports 0x70 and 0x71. No alarm and no periodic interrupt.
 * The update flag is never set, and each read of the seconds is of this moment. Seen: Linux
 * 6.1 reads an absent clock 40,000 times, whatever the FADT says. [Motorola MC146818]
 * Tests: test/unit/vmm_rtc.c.
 */
#include "vmm/rtc.h"

#include <string.h>

enum {
    REG_SECONDS = 0,
    REG_MINUTES = 2,
    REG_HOURS = 4,
    REG_WEEKDAY = 6,
    REG_DAY = 7,
    REG_MONTH = 8,
    REG_YEAR = 9,
    REG_A = 0xA,
    REG_B = 0xB,
    REG_C = 0xC,
    REG_D = 0xD,
    REG_CENTURY = 0x32
};

#define A_OSCILLATOR 0x26u /* 32,768 Hz, no update under way */
#define B_24_HOURS   0x02u
#define B_BINARY     0x04u
#define B_FORMAT     (B_24_HOURS | B_BINARY)
#define D_VALID      0x80u
#define PM           0x80u
#define INDEX_MASK   0x7Fu

void
enlm_rtc_init(struct enlm_rtc *rtc, time_t (*now)(void *ctx), void *ctx)
{
    memset(rtc, 0, sizeof(*rtc));
    rtc->control = B_24_HOURS;
    rtc->now = now;
    rtc->ctx = ctx;
}

static uint8_t
format(uint8_t control, int value)
{
    if (control & B_BINARY)
        return (uint8_t)value;
    return (uint8_t)(value / 10 << 4 | value % 10);
}

static uint8_t
format_hour(uint8_t control, int hour)
{
    int twelve = hour % 12 ? hour % 12 : 12;

    if (control & B_24_HOURS)
        return format(control, hour);
    return (uint8_t)(format(control, twelve) | (hour >= 12 ? PM : 0u));
}

static int
field(const struct tm *tm, uint8_t index)
{
    switch (index) {
    case REG_SECONDS:
        return tm->tm_sec > 59 ? 59 : tm->tm_sec;
    case REG_MINUTES:
        return tm->tm_min;
    case REG_WEEKDAY:
        return tm->tm_wday + 1;
    case REG_DAY:
        return tm->tm_mday;
    case REG_MONTH:
        return tm->tm_mon + 1;
    case REG_YEAR:
        return tm->tm_year % 100;
    default:
        return 19 + tm->tm_year / 100;
    }
}

static uint8_t
read_time(struct enlm_rtc *rtc, uint8_t index)
{
    time_t now = rtc->now(rtc->ctx);
    struct tm tm;

    memset(&tm, 0, sizeof(tm));
    gmtime_r(&now, &tm);
    if (index == REG_HOURS)
        return format_hour(rtc->control, tm.tm_hour);
    return format(rtc->control, field(&tm, index));
}

uint8_t
enlm_rtc_read(void *ctx, uint16_t offset)
{
    struct enlm_rtc *rtc = ctx;
    uint8_t index = rtc->index;

    if (offset == 0)
        return 0xFF;
    switch (index) {
    case REG_SECONDS:
    case REG_MINUTES:
    case REG_HOURS:
    case REG_WEEKDAY:
    case REG_DAY:
    case REG_MONTH:
    case REG_YEAR:
    case REG_CENTURY:
        return read_time(rtc, index);
    case REG_A:
        return A_OSCILLATOR;
    case REG_B:
        return rtc->control;
    case REG_C:
        return 0;
    case REG_D:
        return D_VALID;
    default:
        return rtc->ram[index];
    }
}

void
enlm_rtc_write(void *ctx, uint16_t offset, uint8_t value)
{
    struct enlm_rtc *rtc = ctx;
    uint8_t index = rtc->index;

    if (offset == 0)
        rtc->index = value & INDEX_MASK;
    else if (index == REG_B)
        rtc->control = value & B_FORMAT;
    else if (index > REG_D && index != REG_CENTURY)
        rtc->ram[index] = value;
    else if (index == REG_SECONDS + 1 || index == REG_MINUTES + 1 ||
             index == REG_HOURS + 1)
        rtc->ram[index] = value; /* the alarm, which never rings */
}
