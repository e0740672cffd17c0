/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unikernel.h - what the files of the port share; each says at its top what it shows
 *
 * The boot processor is the library's bus thread. Interrupts only note that there is
 * something, and wake the processor whose work it is.
 */
#ifndef UNIKERNEL_H
#define UNIKERNEL_H

#include <enlight/guest/channel.h>
#include <enlight/guest/partition.h>
#include <enlight/guest/synic.h>

#include "kernel/kernel.h"

/* ---- main.c: the report, a line for each row of the project's list of features ---- */

void report(bool ok, const char *row, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what a function returned: 0 is good. */
void report_rc(int rc, const char *row, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What this host does not have; reason must be what was found. */
void report_skip(const char *row, const char *what, const char *reason);

/* ---- platform.c ---- */

extern struct enlg_partition partition;
/* Find the hypervisor, say what it announces, make a hypercall. False: no Hyper-V here. */
bool platform_start(void);
/* The last call: nothing is shared any more. */
void platform_stop(void);

/* ---- cpus.c ---- */

/* Free for the kernel to choose, above 31. The higher, the more urgent. */
#define VECTOR_VMBUS         0xF3u
#define VECTOR_TIMER         0xEDu
#define VECTOR_TIMER_MESSAGE 0xECu
#define SINT_TIMER           3u

extern uint32_t cpu_count;
extern struct enlg_synic synics[CPUS_MAX];

void cpus_start(void);
/* Give the hypervisor's pages back, on every processor. */
void cpus_stop(void);
/* On every processor, one after the other. */
void cpus_each(void (*fn)(void *arg), void *arg);
/* Have work looked for. Thread: any, also an interrupt. */
void cpus_wake(uint32_t cpu);
/* Sleep until somebody called cpus_wake() since the last sleep, or an interrupt comes. */
void cpus_rest(void);

/* ---- clock.c ---- */

void clock_start(void);
/* 100 ns since the partition was made. */
uint64_t clock_now(void);
#define MS_100NS 10000u

/* ---- bus.c ---- */

/* False: no connection. */
bool bus_start(void);
void bus_stop(void);
/* On the boot processor: do what there is to do, and rest. */
void bus_step(void);
void bus_status(struct text *to);
/* An interrupt of the bus, on any processor. */
void bus_interrupt(struct frame *frame);

/* bus_step() until the condition is so; false after ten seconds. */
#define BUS_UNTIL(condition)                                                             \
    ({                                                                                   \
        uint64_t bus_end = time_us() + 10000000;                                         \
        bool bus_ok;                                                                     \
        while (!(bus_ok = (condition)) && time_us() < bus_end)                           \
            bus_step();                                                                  \
        bus_ok;                                                                          \
    })

/* ---- services.c: heartbeat, shutdown, time ---- */

int heartbeat_probe(void *ctx, struct enlg_channel *channel);
int shutdown_probe(void *ctx, struct enlg_channel *channel);
int timesync_probe(void *ctx, struct enlg_channel *channel);
void services_poll(void);
void services_status(struct text *to);
void services_check(void);
/* Until the host asks for it. */
void services_await_shutdown(void);

/* ---- disk.c ---- */

int disk_probe(void *ctx, struct enlg_channel *channel);
void disk_check(void);
void disk_stop(void);
void disk_status(struct text *to);

/* ---- net.c; stack.h has what is above it ---- */

int net_probe(void *ctx, struct enlg_channel *channel);
int net_probe_sub(void *ctx, struct enlg_channel *channel, struct enlg_channel *first);
void net_poll(void);
void net_check(void);
void net_stop(void);
void net_status(struct text *to);

#endif
