/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/run.c - "enlight run": open what the user named, make the machine, tell how it ended
 *
 * Run by the user and by signals. Files are opened and locked here; the machine gets
 * descriptors. SIGTERM asks the guest to shut down, a second one ends the run. Every
 * failure is one sentence and a documented exit status, with nothing left behind.
 * Tests: test/os/command_line.sh, test/unit/tool_*.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool/guest.h"
#include "tool/socket.h"
#include "tool/status.h"
#include "tool/verb.h"

#define NESTED_CONTROL   "/run/enlight.sock" /* where the machine's own is, within */
#define NESTED_DISKS_MAX 24u
#define NESTED_TRACE_LEN (INT64_C(16) << 30)

/* A block of this length is a mapping of its own: what a device had goes back with it. */
#define MAPPED_LEN (128 << 10)

/* What is open while the guest runs. */
struct run {
    struct enlt_guest guest;
    int kernel_fd, initrd_fd, console_fd, control_fd;
    struct enlm_disk disks[ENLT_DISKS_MAX];
    size_t disk_count;
    struct enlm_nic nics[ENLT_NICS_MAX];
    size_t nic_count;
    struct enlk_caps caps;
    struct enlm_machine *machine;
};

static struct enlm_machine *signalled; /* the one machine that signals are about */
static const char *control_path;       /* of a socket that is to be removed */

static int
open_input(const char *option, const char *path, int *fd)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st))
        return enlt_fail(errno == EACCES ? ENLT_NO_PERMISSION : ENLT_NO_INPUT,
                         "--%s: %s cannot be read: %s.", option, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return enlt_fail(ENLT_NO_INPUT, "--%s: %s is not a file.", option, path);
    if (st.st_size == 0)
        return enlt_fail(ENLT_NO_INPUT, "--%s: %s is empty.", option, path);
    return 0;
}

static enum enlt_status
disk_status(int error)
{
    return error == -ENL_E_ACCESS   ? ENLT_NO_PERMISSION
           : error == -ENL_E_NOMEM  ? ENLT_VMM_ERROR
           : error == -ENL_E_NOTSUP ? ENLT_NO_HOST
                                    : ENLT_NO_INPUT;
}

static void
release_recording(struct enlh_block *block)
{
    if (enlb_record_error(block))
        enlt_say("the trace of a disk is not whole: it could not be written");
    enlb_record_destroy(block);
}

/* Have what happens to the disk's file written down. */
static int
record_disk(const struct enlt_disk *disk, struct enlm_disk *to)
{
    const struct enlh_block file = to->block;
    int fd = open(disk->record, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int error;

    if (fd < 0)
        return enlt_fail(errno == EACCES ? ENLT_NO_PERMISSION : ENLT_NO_INPUT,
                         "--disk record: %s cannot be written: %s.", disk->record,
                         strerror(errno));
    error = enlb_record_create(&file, to->release, fd, &to->block);
    if (!error) {
        to->release = release_recording;
        return 0;
    }
    close(fd);
    return enlt_fail(ENLT_NO_INPUT, "--disk record: %s cannot be written: %s.",
                     disk->record, strerror(-error));
}

static int
open_disk(const struct enlt_disk *disk, struct enlm_disk *to)
{
    char reason[ENLB_REASON_LEN] = "";
    int fd;

    int error = enlb_file_open(disk->path, &disk->file, &fd, reason);
    if (!error) {
        error = enlb_file_create(fd, &disk->file, &to->block, reason);
        if (error)
            close(fd);
    }
    if (error)
        return enlt_fail(disk_status(error), "--disk: %s: %s", disk->path,
                         reason[0] ? reason : strerror(-error));
    to->release = enlb_file_destroy;
    to->controller = (uint32_t)disk->controller;
    to->lun = (uint32_t)disk->lun;
    to->readonly = disk->file.readonly;
    to->serial = disk->serial[0] ? disk->serial : NULL;
    to->id = disk->id[0] ? disk->id : NULL;
    if (!disk->record[0])
        return 0;
    int status = record_disk(disk, to);
    if (status)
        to->release(&to->block);
    return status;
}

/* For the control socket: the sentence goes to whoever asked. */
static int
plug_disk(void *ctx, const char *list, struct enlm_disk *to, char why[ENLM_WHY])
{
    static struct enlt_disk disk; /* long, and its strings outlive the call */

    (void)ctx;
    enlt_capture(why, ENLM_WHY);
    int status = enlt_guest_disk(list, &disk);
    if (!status)
        status = open_disk(&disk, to);
    enlt_capture(NULL, 0);
    if (!status && !disk.has_lun)
        to->lun = ENLM_LUN_ANY;
    return status ? -ENL_E_INVAL : 0;
}

static int
open_disks(struct run *run)
{
    int status = 0;

    while (!status && run->disk_count < run->guest.disk_count) {
        size_t i = run->disk_count;
        status = open_disk(&run->guest.disks[i], &run->disks[i]);
        run->disk_count += !status;
    }
    return status;
}

/* For the control socket, as plug_disk(). */
static int
plug_nic(void *ctx, const char *list, struct enlm_nic *to, char why[ENLM_WHY])
{
    static struct enlt_nic nic;
    const struct run *run = ctx;

    enlt_capture(why, ENLM_WHY);
    int status = enlt_nic_parse(list, &nic);
    if (!status)
        status = enlt_nic_open(&nic, run->guest.cpus, to);
    enlt_capture(NULL, 0);
    return status ? -ENL_E_INVAL : 0;
}

static int
open_nics(struct run *run)
{
    int status = 0;

    while (!status && run->nic_count < run->guest.nic_count) {
        size_t i = run->nic_count;
        status = enlt_nic_open(&run->guest.nics[i], run->guest.cpus, &run->nics[i]);
        run->nic_count += !status;
    }
    return status;
}

static int
open_console(struct run *run)
{
    if (run->guest.console != ENLM_CONSOLE_FD)
        return 0;
    run->console_fd =
        open(run->guest.console_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (run->console_fd >= 0)
        return 0;
    return enlt_fail(errno == EACCES ? ENLT_NO_PERMISSION : ENLT_NO_INPUT,
                     "--console: %s cannot be written: %s.", run->guest.console_path,
                     strerror(errno));
}

static int
open_all(struct run *run)
{
    const struct enlt_guest *guest = &run->guest;

    if (!guest->kernel)
        return enlt_fail(ENLT_USAGE, "--kernel FILE is missing: a guest needs a kernel.");
    int status = open_input("kernel", guest->kernel, &run->kernel_fd);
    if (!status && guest->initrd)
        status = open_input("initrd", guest->initrd, &run->initrd_fd);
    if (!status)
        status = open_disks(run);
    if (!status)
        status = open_nics(run);
    return status ? status : open_console(run);
}

static void
close_all(struct run *run)
{
    for (size_t i = 0; i < run->disk_count; i++)
        run->disks[i].release(&run->disks[i].block);
    run->disk_count = 0;
    for (size_t i = 0; i < run->nic_count; i++)
        enlb_net_destroy(&run->nics[i].net);
    run->nic_count = 0;
    int *fds[] = {&run->kernel_fd, &run->initrd_fd, &run->console_fd, &run->control_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static void
print_log(void *ctx, enum enlh_log_level level, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    (void)ctx;
    enlt_say("%s: %s", names[level], text);
}

static void
print_note(void *ctx, enum enlm_note note)
{
    static const char *const texts[] = {
        [ENLM_NOTE_RESET] = "the guest resets",
        [ENLM_NOTE_CRASHED] = "the guest reported a crash and goes on",
        [ENLM_NOTE_HEARTBEAT_LOST] = "the guest's heartbeat is lost",
        [ENLM_NOTE_SHUTDOWN_REFUSED] = "the guest refused to shut down",
        [ENLM_NOTE_HEARTBEAT] = "the guest's heartbeat is there",
        [ENLM_NOTE_SHUTDOWN_ACCEPTED] = "the guest shuts down",
    };
    const struct run *run = ctx;
    bool quiet = note == ENLM_NOTE_HEARTBEAT || note == ENLM_NOTE_SHUTDOWN_ACCEPTED;

    if ((size_t)note >= sizeof(texts) / sizeof(texts[0]) || !texts[note])
        return;
    if (!quiet || run->guest.log_level >= ENLH_LOG_INFO)
        enlt_say("%s", texts[note]);
}

/* The first SIGTERM asks; what comes after it, and SIGINT or SIGHUP, ends the run. */
static void
on_signal(int number)
{
    static volatile sig_atomic_t asked;

    if (number == SIGTERM && !asked) {
        asked = 1;
        enlm_machine_powerdown(signalled);
    } else {
        enlm_machine_quit(signalled);
    }
}

static void
watch_signals(struct enlm_machine *machine)
{
    struct sigaction action = {.sa_handler = on_signal};

    signalled = machine;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static void
fill_config(struct run *run, struct enlm_machine_config *config)
{
    const struct enlt_guest *guest = &run->guest;

    enlm_machine_config_defaults(config);
    config->memory = guest->memory;
    config->cpus = (uint32_t)guest->cpus;
    config->kernel_fd = run->kernel_fd;
    config->initrd_fd = run->initrd_fd;
    config->kernel_name = guest->kernel;
    config->initrd_name = guest->initrd;
    config->cmdline = guest->cmdline;
    config->keep_packed = guest->keep_packed;
    config->disks = run->disks;
    config->disk_count = run->disk_count;
    config->controllers = (uint32_t)guest->controllers;
    config->nics = run->nics;
    config->nic_count = run->nic_count;
    config->engine = enlk_caps_choose(&run->caps, (enum enlk_kind)guest->engine);
    config->features = guest->hv.features;
    config->acpi_s4 = guest->acpi_s4;
    config->console = (enum enlm_console)guest->console;
    config->console_fd = run->console_fd;
    config->control_fd = run->control_fd;
    config->open_disk = plug_disk;
    config->open_nic = plug_nic;
    config->on_crash_continue = guest->on_crash_continue;
    config->no_reboot = guest->no_reboot;
    config->max_vmbus_version = guest->max_vmbus_version;
    config->offer_seed = guest->offer_seed;
    config->identity = &guest->hv.identity;
    config->log_level = (enum enlh_log_level)guest->log_level;
    config->log = print_log;
    config->note = print_note;
    config->ctx = run;
}

static enum enlt_status
create_status(int error)
{
    switch (error) {
    case -ENL_E_INVAL:
    case -ENL_E_EXIST:
        return ENLT_USAGE;
    case -ENL_E_PROTO:
        return ENLT_NO_INPUT;
    case -ENL_E_ACCESS:
        return ENLT_NO_PERMISSION;
    case -ENL_E_NOENT:
    case -ENL_E_NODEV:
    case -ENL_E_NOTSUP:
        return ENLT_NO_HOST;
    default:
        return ENLT_VMM_ERROR;
    }
}

static void
print_crash(const struct enlm_result *result)
{
    const uint64_t *p = result->crash;

    enlt_say("the guest crashed: P0 0x%llx, P1 0x%llx, P2 0x%llx, P3 0x%llx, P4 0x%llx",
             (unsigned long long)p[0], (unsigned long long)p[1], (unsigned long long)p[2],
             (unsigned long long)p[3], (unsigned long long)p[4]);
    for (size_t i = 0; i < result->text_len;) {
        const char *line = result->text + i;
        size_t len = 0;
        while (i + len < result->text_len && line[len] != '\n')
            len++;
        if (len)
            enlt_say("panic: %.*s", (int)len, line);
        i += len + 1;
    }
}

static int
tell_outcome(const struct enlm_result *result)
{
    if (result->crashed)
        print_crash(result);
    switch (result->outcome) {
    case ENLM_OUTCOME_SHUTDOWN:
    case ENLM_OUTCOME_QUIT:
        return ENLT_SHUTDOWN;
    case ENLM_OUTCOME_RESET:
        return ENLT_RESET;
    case ENLM_OUTCOME_CRASH:
        return ENLT_CRASH;
    case ENLM_OUTCOME_TRIPLE_FAULT:
        return enlt_fail(ENLT_CRASH, "the guest's CPU shut down after a triple fault.");
    case ENLM_OUTCOME_ERROR:
        break;
    }
    return enlt_fail(ENLT_VMM_ERROR, "%s", result->why);
}

static void
remove_control(void)
{
    enlt_socket_remove(control_path);
}

static int
run_here(struct run *run)
{
    struct enlm_machine_config config;
    static struct enlm_result result; /* 4 KiB of text: not on the stack */
    char why[ENLM_WHY] = "";

    int error = enlm_machine_probe(-1, &run->caps, why);
    if (error)
        return enlt_fail(create_status(error), "%s", why);
    const char *missing =
        enlk_caps_missing(&run->caps, (enum enlk_kind)run->guest.engine);
    if (missing)
        return enlt_fail(ENLT_NO_HOST,
                         "--engine: this KVM lacks %s; try the other engine, or "
                         "--accel nested.",
                         missing);
    enum enlk_kind engine =
        enlk_caps_choose(&run->caps, (enum enlk_kind)run->guest.engine);
    int status = enlt_hv_resolve(&run->guest.hv, &run->caps, engine);
    if (status)
        return status;
    if (run->guest.dry_run) {
        run->guest.engine = (int)engine;
        enlt_guest_print(&run->guest, "kvm");
        return 0;
    }
    if (run->guest.control) {
        status = enlt_socket_listen(run->guest.control, &run->control_fd);
        if (status)
            return status;
        control_path = run->guest.control;
        atexit(remove_control);
    }
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_LEN);
    fill_config(run, &config);
    error = enlm_machine_create(&config, &run->machine, why);
    if (error)
        return enlt_fail(create_status(error), "%s", why);
    run->disk_count = run->nic_count = 0; /* they are the machine's, */
    run->control_fd = -1;                 /* and so is this */
    watch_signals(run->machine);
    atexit(enlm_machine_restore_terminal);
    enlm_machine_run(run->machine, &result);
    status = tell_outcome(&result);
    enlm_machine_destroy(run->machine);
    return status;
}

/* A file becomes a device of the nested machine; *number counts them. */
static void
nested_disk(struct enlt_words *options, char *path, const char *suffix, unsigned *number)
{
    enlt_words_add(options, "--disk");
    enlt_words_add(options, "%s%s", path, suffix);
    snprintf(path, ENLT_PATH_LEN, "/dev/vd%c", 'a' + (*number)++);
}

/* Paths as the nested machine has them: the same, but disks are devices there. */
static void
nested_options(struct enlt_guest *guest, struct enlt_words *options)
{
    unsigned devices = 0;

    enlt_words_add(options, "--cpus");
    /* The emulated SVM does not stand kicks between CPUs: doc/nested.md. */
    enlt_words_add(options, "%d", guest->cpus > 1 ? 1 : 2);
    enlt_words_add(options, "--memory");
    enlt_words_add(options, "%llu", (unsigned long long)(guest->memory >> 20) + 768);
    enlt_words_add(options, "--file");
    enlt_words_add(options, "%s", guest->kernel);
    if (guest->initrd) {
        enlt_words_add(options, "--file");
        enlt_words_add(options, "%s", guest->initrd);
    }
    for (size_t i = 0; i < guest->disk_count; i++) {
        struct enlt_disk *disk = &guest->disks[i];
        nested_disk(options, disk->path, disk->file.readonly ? ",ro" : "", &devices);
        if (disk->record[0])
            nested_disk(options, disk->record, "", &devices);
    }
    for (size_t i = 0; i < guest->nic_count; i++)
        enlt_nic_nested(&guest->nics[i], options);
    if (guest->control) {
        enlt_words_add(options, "--socket");
        enlt_words_add(options, "%s:%s", guest->control, NESTED_CONTROL);
        guest->control = NESTED_CONTROL;
    }
    if (isatty(STDIN_FILENO) && guest->console == ENLM_CONSOLE_STDIO)
        enlt_words_add(options, "--interactive");
}

/* A trace grows; a device does not, so its file gets its size, and no blocks, before. */
static int
check_nested_disks(const struct enlt_guest *guest)
{
    size_t devices = guest->disk_count;

    for (size_t i = 0; i < guest->disk_count; i++) {
        const char *record = guest->disks[i].record;

        devices += record[0] != 0;
        if (record[0] && !guest->dry_run && truncate(record, NESTED_TRACE_LEN) != 0)
            return enlt_fail(ENLT_NO_INPUT, "--disk record: %s cannot be %llu GiB: %s.",
                             record, (unsigned long long)NESTED_TRACE_LEN >> 30,
                             strerror(errno));
    }
    if (devices > NESTED_DISKS_MAX)
        return enlt_fail(ENLT_USAGE, "--accel nested: at most %u disks and traces.",
                         NESTED_DISKS_MAX);
    return 0;
}

static int
run_nested(struct run *run, const char *why)
{
    struct enlt_guest *guest = &run->guest;
    struct enlt_words options = {0}, arguments = {0};
    char *kernel = realpath(guest->kernel, NULL);
    char *initrd = guest->initrd ? realpath(guest->initrd, NULL) : NULL;

    int status = check_nested_disks(guest);
    if (status)
        return status;
    if (guest->dry_run) {
        enlt_guest_print(guest, "nested");
        return 0;
    }
    guest->kernel = kernel;
    guest->initrd = initrd;
    nested_options(guest, &options);
    enlt_words_add(&arguments, "run");
    enlt_words_add(&arguments, "--accel");
    enlt_words_add(&arguments, "kvm");
    enlt_guest_words(guest, &arguments);
    if (run->console_fd >= 0 && dup2(run->console_fd, STDOUT_FILENO) < 0)
        return enlt_fail(ENLT_VMM_ERROR, "--console: %s.", strerror(errno));
    if (why[0])
        enlt_say("no hardware virtualization (%s): running in the nested machine", why);
    close_all(run); /* the locks go to the nested machine's emulator */
    return enlt_accel_nested(&options, &arguments);
}

/* "--hv ?", with what this machine's KVM says where it has one. */
static int
answer_hv(struct run *run, bool has_kvm)
{
    char why[ENLM_WHY];
    bool known = has_kvm && enlm_machine_probe(-1, &run->caps, why) == 0;

    enlt_hv_list(known ? &run->caps : NULL);
    return 0;
}

int
enlt_run(int argc, char **argv)
{
    static struct run run; /* 64 disk paths: not on the stack */
    char why[128] = "";

    enlt_guest_defaults(&run.guest);
    run.kernel_fd = run.initrd_fd = run.console_fd = run.control_fd = -1;
    int status = enlt_options_parse(enlt_run_options, "run", argc, argv, &run.guest);
    if (status)
        return status < 0 ? 0 : status;
    bool has_kvm = enlt_accel_has_kvm(why, sizeof(why));
    if (run.guest.hv_question)
        return answer_hv(&run, has_kvm);
    if (run.guest.accel == ENLT_ACCEL_KVM && !has_kvm)
        return enlt_fail(ENLT_NO_HOST, "--accel kvm: %s.", why);
    if (run.guest.accel == ENLT_ACCEL_NESTED)
        why[0] = 0;
    bool here = has_kvm && run.guest.accel != ENLT_ACCEL_NESTED;
    status = here ? 0 : enlt_hv_resolve(&run.guest.hv, NULL, ENLK_AUTO);
    if (!status)
        status = open_all(&run);
    if (!status)
        status = here ? run_here(&run) : run_nested(&run, why);
    close_all(&run);
    return status;
}
