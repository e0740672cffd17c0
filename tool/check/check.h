/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/check.h - "enlight check": does this kernel run on Hyper-V devices alone?
 */
#ifndef ENLIGHT_TOOL_CHECK_CHECK_H
#define ENLIGHT_TOOL_CHECK_CHECK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What the user asks for, and what the boots share. */
struct enlt_check {
    const char *kernel, *initrd, *root, *cmdline, *junit, *busybox;
    const char *accel, *engine, *cpus, *memory; /* as enlight run has them, or NULL */
    uint64_t timeout;                           /* of a boot, seconds */
    bool matrix, no_nic;
    char folder[PATH_MAX - 16]; /* for "initrd" and "disk", or "" */
    int signals;                /* a signalfd */
    int interrupted;            /* the signal that ended it, or 0 */
};

/* The path of a file in the folder. */
void enlt_check_path(const struct enlt_check *check, const char *name,
                     char path[PATH_MAX]);

/* ---- layer.c ---- */

/* Write our archive and the user's behind it (NULL: none) to a file. Returns a status. */
int enlt_check_make_initrd(const char *to, const char *busybox, const char *initrd);
void enlt_check_write_layer(FILE *file, const char *busybox, size_t len);
/* A 64-bit ELF program that needs no loader. */
bool enlt_check_is_static(const char *elf, size_t len);

/* ---- boot.c ---- */

/* A version of VMBus that the kernel may not exceed. */
struct enlt_check_version {
    const char *name;
    uint32_t number; /* as hv_vmbus.max_version has it */
};

#define ENLT_CHECK_FACTS 128u
#define ENLT_CHECK_LINE  256u
#define ENLT_CHECK_TAIL  40u

/* What one boot showed. */
struct enlt_check_boot {
    const char *vmbus;      /* the version that it must take, or NULL: any */
    bool has_root, has_nic; /* it was given one */
    bool timed_out;
    int status; /* of enlight run */
    double seconds;
    char facts[ENLT_CHECK_FACTS][ENLT_CHECK_LINE]; /* "FACT VALUE..." */
    size_t fact_count;
    char panic[ENLT_CHECK_LINE];                 /* the kernel's last words, or "" */
    char tail[ENLT_CHECK_TAIL][ENLT_CHECK_LINE]; /* of the console, a ring */
    size_t lines;
};

/*
 * One boot, to its end or for the time that it has. Returns 0 when it says something about
 * the kernel; else a status that is the user's or the host's, after the reason.
 */
int enlt_check_run(struct enlt_check *check, const struct enlt_check_version *version,
                   struct enlt_check_boot *boot);

/* ---- judge.c ---- */

/* One line of the console, without its end. */
void enlt_check_line(struct enlt_check_boot *boot, const char *line);

struct enlt_check_row {
    char what[128];
    char detail[ENLT_CHECK_LINE]; /* why not, or what was seen */
    enum { ENLT_CHECK_PASSED, ENLT_CHECK_FAILED, ENLT_CHECK_SKIPPED } verdict;
};
#define ENLT_CHECK_ROWS 16u

/* What follows from it: at most ENLT_CHECK_ROWS rows. Returns how many. */
size_t enlt_check_judge(const struct enlt_check_boot *boot, struct enlt_check_row *rows);

/* ---- report.c ---- */

/* The end of the console, each line behind a prefix. */
void enlt_check_tail(FILE *file, const struct enlt_check_boot *boot, const char *prefix);
/* TAP; number counts over all boots. Returns how many rows failed. */
size_t enlt_check_tap(FILE *file, const struct enlt_check_boot *boot,
                      const struct enlt_check_row *rows, size_t count, size_t *number);
/* One <testsuite> of a JUnit file. */
void enlt_check_junit(FILE *file, const struct enlt_check_boot *boot,
                      const struct enlt_check_row *rows, size_t count);

#endif
