/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/machine.h - the machine: a generation 2 Hyper-V guest on KVM
 *
 * Create it from a configuration, run it on the calling thread (which becomes the loop),
 * destroy it. The vCPU and channel threads are the machine's own.
 */
#ifndef ENLIGHT_VMM_MACHINE_H
#define ENLIGHT_VMM_MACHINE_H

#include "enlight/host/block.h"
#include "enlight/host/feature.h"
#include "enlight/host/net.h"
#include "enlight/host/partition.h"
#include "enlight/kvm/engine.h"

#define ENLM_WHY         160u /* bytes of a sentence that says what was wrong */
#define ENLM_CPUS_MAX    255u
#define ENLM_CONTROLLERS 8u
#define ENLM_LUNS        64u
#define ENLM_LUN_ANY     UINT32_MAX
#define ENLM_ID_LEN      32u /* bytes of an id, with its end */
#define ENLM_MEMORY_MIN  (UINT64_C(16) << 20)

struct enlm_machine;

struct enlm_disk {
    struct enlh_block block; /* the machine's, once it takes the disk, until release() */
    /* (optional) The disk has gone: close what it stood on. Thread: loop. */
    void (*release)(struct enlh_block *block);
    uint32_t controller; /* below ENLM_CONTROLLERS */
    uint32_t lun;        /* below ENLM_LUNS; or ENLM_LUN_ANY: the first that is free */
    bool readonly;
    const char *id;     /* (optional) else "disk0" and so on; copied */
    const char *serial; /* (optional) up to 32 ASCII characters; copied */
};

struct enlm_nic {
    struct enlh_net net; /* the machine's, once it takes the NIC, until release() */
    /* (optional) The NIC has gone: end what it stood on. Thread: loop. */
    void (*release)(struct enlh_net *net);
    uint8_t mac[6];  /* all zero: the machine makes one */
    uint32_t queues; /* most channels that the guest may have; 0: one for each CPU */
    uint32_t mtu;    /* most that the guest may choose; 0: what the network takes */
    bool link_down;
    const char *id; /* (optional) else "net0" and so on; copied */
};

enum enlm_console {
    ENLM_CONSOLE_NONE,  /* output is dropped */
    ENLM_CONSOLE_STDIO, /* in from 0, raw while a terminal; out to 1; Ctrl-a x quits */
    ENLM_CONSOLE_FD,    /* out to console_fd, borrowed; no input */
};

/* How an event within the machine that its owner may want to know is told. Thread: any. */
enum enlm_note {
    ENLM_NOTE_STARTED,   /* the vCPUs run */
    ENLM_NOTE_RESET,     /* the guest starts anew */
    ENLM_NOTE_CRASHED,   /* and goes on, with on_crash_continue */
    ENLM_NOTE_HEARTBEAT, /* the first answer, or the first after a loss */
    ENLM_NOTE_HEARTBEAT_LOST,
    ENLM_NOTE_SHUTDOWN_ACCEPTED,
    ENLM_NOTE_SHUTDOWN_REFUSED,
};

struct enlm_machine_config {
    size_t size;
    int kvm_fd;              /* /dev/kvm, borrowed; -1: the machine opens it */
    uint64_t memory;         /* bytes, a multiple of 2 MiB */
    bool shared_memory;      /* RAM is a memfd even where that costs large pages */
    uint32_t cpus;           /* 1 to ENLM_CPUS_MAX */
    int kernel_fd;           /* bzImage, or ELF with a PVH note; borrowed until destroy */
    int initrd_fd;           /* or -1; borrowed until destroy */
    const char *kernel_name; /* (optional) for messages */
    const char *initrd_name; /* (optional) for messages */
    const char *cmdline;     /* (optional) */
    bool keep_packed;        /* let a bzImage unpack itself within the guest */
    const struct enlm_disk *disks;
    size_t disk_count;
    uint32_t controllers; /* at least this many SCSI controllers, with disks or without */
    const struct enlm_nic *nics;
    size_t nic_count;
    enum enlk_kind engine;
    struct enlh_features
        features; /* within enlk_caps_features() of the engine, or refused */
    /* (optional) What else the partition shows: vendor, version, leaf 5. Copied. */
    const struct enlh_config *identity;
    bool acpi_s4;
    enum enlm_console console;
    int console_fd;         /* with ENLM_CONSOLE_FD */
    bool on_crash_continue; /* a crash report does not end the run (kdump) */
    bool no_reboot;         /* a reset ends the run */
    int control_fd;     /* a listening socket for QMP, the machine's from now on; or -1 */
    uint64_t mmio_low;  /* bytes of the window below 4 GiB; 0: from 0xF8000000 on */
    uint64_t mmio_high; /* bytes of the window above RAM; 0: 4 GiB */
    uint32_t max_vmbus_version; /* 0: newest */
    uint64_t offer_seed;        /* not 0: offers come in a random order from this seed */
    enum enlh_log_level log_level;
    /* (optional, both) Thread: any. */
    void (*log)(void *ctx, enum enlh_log_level level, const char *text);
    void (*note)(void *ctx, enum enlm_note note);
    /*
     * (optional) A disk is plugged in at run time: open what list describes, in the words
     * of --disk ("path=FILE,format=raw"). Fills in all of disk but its id; its strings are
     * borrowed until the next call. Returns 0, or an error with a sentence in why.
     * Thread: loop.
     */
    int (*open_disk)(void *ctx, const char *list, struct enlm_disk *disk,
                     char why[ENLM_WHY]);
    /* (optional) The same for a NIC, in the words of --nic ("user,mtu=1400"). */
    int (*open_nic)(void *ctx, const char *list, struct enlm_nic *nic,
                    char why[ENLM_WHY]);
    void *ctx;
};

/* 512 MiB, one CPU, the preset "linux", engine auto, console none; no kernel. */
void enlm_machine_config_defaults(struct enlm_machine_config *config);

/*
 * What the host can do, before a machine is made: opens /dev/kvm when kvm_fd is -1.
 * Returns 0, or a negative errno with a sentence in why.
 */
ENL_MUST_CHECK int enlm_machine_probe(int kvm_fd, struct enlk_caps *caps,
                                      char why[ENLM_WHY]);

/*
 * Check config and the files and make the machine: nothing runs yet, the terminal is
 * untouched. Strings are copied; the disks are the machine's from now on. Returns 0 and an
 * owned machine, or with a sentence in why, and the disks still the caller's,
 *   -ENL_E_INVAL   the configuration, a feature that the engine cannot serve;
 *   -ENL_E_EXIST   two devices have one id or one place;
 *   -ENL_E_PROTO   the kernel is neither format, or is damaged;
 *   -ENL_E_NOTSUP  this KVM lacks a capability;
 *   -ENL_E_NOENT, -ENL_E_ACCESS, -ENL_E_NODEV  /dev/kvm cannot be opened;
 *   -ENL_E_NOMEM, -ENL_E_IO  the kernel refused.
 */
ENL_MUST_CHECK int enlm_machine_create(const struct enlm_machine_config *config,
                                       struct enlm_machine **out, char why[ENLM_WHY]);

enum enlm_outcome {
    ENLM_OUTCOME_SHUTDOWN, /* the guest powered itself off */
    ENLM_OUTCOME_RESET,    /* the guest asked for a reset, with no_reboot */
    ENLM_OUTCOME_CRASH,    /* the guest reported a crash, without on_crash_continue */
    ENLM_OUTCOME_TRIPLE_FAULT,
    ENLM_OUTCOME_QUIT,  /* enlm_machine_quit(), or Ctrl-a x */
    ENLM_OUTCOME_ERROR, /* why says what */
};

struct enlm_result {
    enum enlm_outcome outcome;
    bool crashed; /* the fields below hold the last crash report */
    uint64_t crash[5];
    char text[4096]; /* the panic text */
    size_t text_len;
    uint32_t resets; /* that the guest went through */
    char why[ENLM_WHY];
};

/*
 * Run until the guest ends. The terminal is raw meanwhile, and as before on return.
 * Thread: one, once. Blocks.
 */
void enlm_machine_run(struct enlm_machine *machine, struct enlm_result *result);

/*
 * From any thread, or from a signal handler: ask the guest to shut down, or (again, or when
 * it does not answer) nothing; reset it by force; end the run now.
 */
void enlm_machine_powerdown(struct enlm_machine *machine);
void enlm_machine_force_reset(struct enlm_machine *machine);
void enlm_machine_quit(struct enlm_machine *machine);

/* Also puts the terminal back when run() was left by force: for an atexit handler. */
void enlm_machine_restore_terminal(void);

/* Which engine it is. */
enum enlk_kind enlm_machine_engine(const struct enlm_machine *machine);
/* The partition, for its counters. */
struct enlh_partition *enlm_machine_partition(const struct enlm_machine *machine);

void enlm_machine_destroy(struct enlm_machine *machine);

#endif
