/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the order in which a kernel meets its hypervisor, and a report of how it went
 *
 * The command line: disk=scratch lets the end of the disk be written, until=shutdown waits
 * for the host's word before the end, end=crash ends by a fault. ip=ADDRESS[,GATEWAY] is
 * for a network without DHCP.
 */
#include "unikernel.h"

static uint32_t passed, failed, skipped;

static void
line(bool ok, const char *row, const char *format, va_list args)
{
    *(ok ? &passed : &failed) += 1;
    say("%s - %s ", ok ? "ok" : "not ok", row);
    say_list(format, args);
}

void
report(bool ok, const char *row, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line(ok, row, format, args);
    va_end(args);
    say("\n");
}

void
report_rc(int rc, const char *row, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line(rc == 0, row, format, args);
    va_end(args);
    if (rc)
        say(": error %d", rc);
    say("\n");
}

void
report_skip(const char *row, const char *what, const char *reason)
{
    skipped++;
    say("ok - %s %s # SKIP %s\n", row, what, reason);
}

static void
use_everything(void)
{
    cpus_start();
    clock_start();
    if (bus_start()) {
        disk_check();
        net_check();
        services_check();
        if (option_is("until", "shutdown"))
            services_await_shutdown();
        if (option_is("end", "crash"))
            __asm__ volatile("ud2");
        net_stop();
        disk_stop();
        bus_stop();
    }
    cpus_stop();
    platform_stop();
}

void
kernel_main(void)
{
    if (platform_start())
        use_everything();
    say("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    power_off();
}
