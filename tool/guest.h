/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/guest.h - what "enlight run" was asked for, and its options
 *
 * The option table fills in a struct enlt_guest and opens nothing; run.c makes a machine of
 * it, or accel.c's nested machine does.
 */
#ifndef ENLIGHT_TOOL_GUEST_H
#define ENLIGHT_TOOL_GUEST_H

#include "enlight/backend/block.h"
#include "tool/accel.h"
#include "tool/hv.h"
#include "tool/nic.h"
#include "tool/option.h"
#include "vmm/machine.h"

#define ENLT_DISKS_MAX 64u
#define ENLT_PATH_LEN  4096u
#define ENLT_NICS_MAX  8u

struct enlt_disk {
    char path[ENLT_PATH_LEN];
    char record[ENLT_PATH_LEN]; /* where its trace goes; "": nowhere */
    struct enlb_file_config file;
    uint64_t controller, lun;
    bool has_lun;
    char serial[33];
    char id[ENLM_ID_LEN]; /* "": the machine gives one */
};

struct enlt_guest {
    const char *kernel, *initrd, *cmdline;
    const char *control; /* the socket's path, or NULL */
    size_t disk_count;
    uint64_t controllers; /* at least so many */
    size_t nic_count;
    uint64_t memory, cpus;
    int engine; /* enum enlk_kind */
    struct enlt_hv hv;
    const char *hv_list[16]; /* as given, for the nested machine */
    size_t hv_list_count;
    bool hv_question;
    bool acpi_s4, on_crash_continue, no_reboot, keep_packed, dry_run;
    int console; /* enum enlm_console; FD: the file below */
    char console_path[ENLT_PATH_LEN];
    uint32_t max_vmbus_version;
    uint64_t offer_seed;
    int accel;     /* enum enlt_accel */
    int log_level; /* enum enlh_log_level */
    /* Last, as only those in use are ever touched: a process should be small. */
    struct enlt_nic nics[ENLT_NICS_MAX];
    struct enlt_disk disks[ENLT_DISKS_MAX];
};

void enlt_guest_defaults(struct enlt_guest *guest);

/* Read what --disk takes into disk. Returns 0, or a status after a sentence. */
int enlt_guest_disk(const char *list, struct enlt_disk *disk);

/* The words of an option list that asks for the same guest, files as they are. */
void enlt_guest_words(const struct enlt_guest *guest, struct enlt_words *words);

/* "--dry-run": the configuration as it was resolved, one "name: value" a line. */
void enlt_guest_print(const struct enlt_guest *guest, const char *accel);

#endif
