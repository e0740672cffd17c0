/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/check.c - "enlight check": boot a kernel on Hyper-V devices, and say what works
 *
 * Run by the user, mostly in somebody's CI. Nothing of the user's is written: the initramfs
 * is a copy with a layer in front (layer.c), the disk is read-only. What is made lies in
 * one temporary folder, which goes in the end, a signal's too. Each boot is a child
 * (boot.c), whose console is judged (judge.c) and told (report.c).
 * Tests: test/unit/tool_check.c, test/os/check.sh.
 */
#define _GNU_SOURCE
#include "tool/check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool/option.h"
#include "tool/status.h"
#include "tool/verb.h"

#define SCRATCH_LEN (8 << 20)

/* ---- options ---- */

static int
set_text(const char **to, const char *value)
{
    *to = value;
    return 0;
}

static int
set_kernel(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->kernel, v);
}
static int
set_initrd(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->initrd, v);
}
static int
set_root(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->root, v);
}
static int
set_cmdline(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->cmdline, v);
}
static int
set_junit(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->junit, v);
}
static int
set_busybox(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->busybox, v);
}
static int
set_accel(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->accel, v);
}
static int
set_engine(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->engine, v);
}
static int
set_cpus(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->cpus, v);
}
static int
set_memory(void *c, const char *v)
{
    return set_text(&((struct enlt_check *)c)->memory, v);
}

static int
set_timeout(void *config, const char *value)
{
    uint64_t *timeout = &((struct enlt_check *)config)->timeout;
    int status = enlt_parse_number("timeout", value, 86400, timeout);

    if (!status && *timeout == 0)
        return enlt_fail(ENLT_USAGE, "--timeout: no kernel boots in no time.");
    return status;
}

static int
set_matrix(void *config, const char *value)
{
    (void)value;
    ((struct enlt_check *)config)->matrix = true;
    return 0;
}

static int
set_no_nic(void *config, const char *value)
{
    (void)value;
    ((struct enlt_check *)config)->no_nic = true;
    return 0;
}

const struct enlt_option enlt_check_options[] = {
    {"kernel", NULL, 'k', "FILE", "the kernel: a bzImage, or an ELF with a PVH note",
     NULL, set_kernel},
    {"initrd", "initramfs", 'i', "FILE", "its initramfs, whose modules are tried", NULL,
     set_initrd},
    {"root", NULL, 'd', "FILE", "a raw disk with its root file system; read only", NULL,
     set_root},
    {"cmdline", "append", 0, "TEXT", "more words for the kernel command line", NULL,
     set_cmdline},
    {"no-nic", NULL, 0, NULL, "without a network: the initramfs has no driver for one",
     NULL, set_no_nic},
    {"matrix", NULL, 0, NULL, "one boot for each version of VMBus, 2.4 to 5.3", NULL,
     set_matrix},
    {"timeout", NULL, 0, "SECONDS", "for each boot (300)", NULL, set_timeout},
    {"junit", NULL, 0, "FILE", "write the verdicts there as well", NULL, set_junit},
    {"busybox", NULL, 0, "FILE", "a static busybox (/bin/busybox)", NULL, set_busybox},
    {"accel", NULL, 0, "auto|kvm|nested", "as enlight run has it", NULL, set_accel},
    {"engine", NULL, 0, "auto|kernel|user", "as enlight run has it", NULL, set_engine},
    {"cpus", NULL, 'c', "N", "as enlight run has it (1)", NULL, set_cpus},
    {"memory", NULL, 'm', "SIZE", "as enlight run has it (512M)", NULL, set_memory},
    {0},
};

/* ---- files ---- */

/* That it can be read; what is in it is for enlight run, and for the guest, to say. */
static int
check_input(const char *option, const char *path)
{
    struct stat st;

    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (!path)
        return 0;
    if (fd < 0)
        return enlt_fail(errno == EACCES ? ENLT_NO_PERMISSION : ENLT_NO_INPUT,
                         "--%s: %s cannot be read: %s.", option, path, strerror(errno));
    bool is_file = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
    close(fd);
    if (!is_file)
        return enlt_fail(ENLT_NO_INPUT, "--%s: %s is not a file.", option, path);
    return 0;
}

static int
check_inputs(const struct enlt_check *check)
{
    if (!check->kernel)
        return enlt_fail(ENLT_USAGE, "--kernel FILE is missing: what is to be checked?");
    int status = check_input("kernel", check->kernel);
    if (!status)
        status = check_input("initrd", check->initrd);
    if (!status)
        status = check_input("root", check->root);
    if (!status)
        status = check_input("busybox", check->busybox);
    return status;
}

void
enlt_check_path(const struct enlt_check *check, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", check->folder, name);
}

static int
make_folder(struct enlt_check *check)
{
    const char *where = getenv("TMPDIR");
    size_t room = sizeof(check->folder);

    if (!where || !where[0])
        where = "/tmp";
    if ((size_t)snprintf(check->folder, room, "%s/enlight-check.XXXXXX", where) < room &&
        mkdtemp(check->folder))
        return 0;
    check->folder[0] = 0;
    return enlt_fail(ENLT_VMM_ERROR, "no temporary folder in %s: %s.", where,
                     strerror(errno));
}

/* For a guest without --root, so that hv_storvsc has a disk. */
static int
make_disk(const struct enlt_check *check)
{
    char path[PATH_MAX];
    int status = 0;

    enlt_check_path(check, "disk", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, SCRATCH_LEN))
        status =
            enlt_fail(ENLT_VMM_ERROR, "%s cannot be written: %s.", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

static int
make_files(struct enlt_check *check)
{
    char path[PATH_MAX];
    int status = make_folder(check);

    if (status)
        return status;
    enlt_check_path(check, "initrd", path);
    status = enlt_check_make_initrd(path, check->busybox, check->initrd);
    return status || check->root ? status : make_disk(check);
}

static void
remove_files(const struct enlt_check *check)
{
    static const char *const names[] = {"initrd", "disk"};
    char path[PATH_MAX];

    if (!check->folder[0])
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enlt_check_path(check, names[i], path);
        unlink(path);
    }
    rmdir(check->folder);
}

/* ---- signals ---- */

static void
ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

/* From here on they are read, where a boot is waited for. */
static int
hold_signals(struct enlt_check *check)
{
    sigset_t set;

    ending_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    check->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (check->signals < 0)
        return enlt_fail(ENLT_VMM_ERROR, "no signalfd: %s.", strerror(errno));
    return 0;
}

/* End as the signal would have ended it: whoever sent it sees so. */
static void
die_of(int number)
{
    sigset_t set;

    ending_signals(&set);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- all boots ---- */

static const struct enlt_check_version versions[] = {
    {"2.4", 0x20004}, {"3.0", 0x30000}, {"4.0", 0x40000}, {"4.1", 0x40001},
    {"5.0", 0x50000}, {"5.1", 0x50001}, {"5.2", 0x50002}, {"5.3", 0x50003},
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* What the boots have shown. */
struct tally {
    FILE *junit; /* or NULL */
    size_t rows, failed;
};

static int
check_one(struct enlt_check *check, const struct enlt_check_version *version,
          struct tally *tally)
{
    static struct enlt_check_boot boot;
    struct enlt_check_row rows[ENLT_CHECK_ROWS];
    int status = enlt_check_run(check, version, &boot);

    if (status)
        return status;
    size_t count = enlt_check_judge(&boot, rows);
    tally->failed += enlt_check_tap(stdout, &boot, rows, count, &tally->rows);
    if (tally->junit)
        enlt_check_junit(tally->junit, &boot, rows, count);
    return 0;
}

static int
check_each(struct enlt_check *check, struct tally *tally)
{
    int status = 0;

    if (!check->matrix) {
        enlt_say("booting %s", check->kernel);
        return check_one(check, NULL, tally);
    }
    for (size_t i = 0; !status && i < VERSIONS; i++) {
        enlt_say("booting %s with VMBus %s, %zu of %zu", check->kernel, versions[i].name,
                 i + 1, VERSIONS);
        status = check_one(check, &versions[i], tally);
    }
    return status;
}

static int
check_all(struct enlt_check *check)
{
    struct tally tally = {.junit = check->junit ? fopen(check->junit, "we") : NULL};

    if (check->junit && !tally.junit)
        return enlt_fail(ENLT_NO_INPUT, "--junit: %s cannot be written: %s.",
                         check->junit, strerror(errno));
    if (tally.junit)
        fprintf(tally.junit,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    int status = check_each(check, &tally);
    if (tally.junit) {
        fprintf(tally.junit, "</testsuites>\n");
        if ((ferror(tally.junit) | fclose(tally.junit)) && !status)
            status =
                enlt_fail(ENLT_VMM_ERROR, "--junit: %s cannot be written.", check->junit);
    }
    if (status)
        printf("Bail out! No verdict, see standard error\n");
    else
        printf("1..%zu\n", tally.rows);
    return status ? status : tally.failed ? ENLT_REFUSED : 0;
}

int
enlt_check(int argc, char **argv)
{
    struct enlt_check check = {.busybox = "/bin/busybox", .timeout = 300};
    int status = enlt_options_parse(enlt_check_options, "check", argc, argv, &check);

    if (status)
        return status < 0 ? 0 : status;
    status = check_inputs(&check);
    if (!status)
        status = hold_signals(&check);
    if (!status)
        status = make_files(&check);
    if (!status)
        status = check_all(&check);
    remove_files(&check);
    if (check.interrupted) {
        fflush(stdout);
        die_of(check.interrupted);
    }
    return status;
}
