/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/check.c - "enlight check": boot a kernel on Hyper-V devices, and say what works
 *
 * Run by the user, mostly in somebody's CI. Each boot is a child, "enlight run", whose
 * console is read here; so it is the machine that a user would get, nested or not. Nothing
 * of the user's is written: the initramfs is a copy with a layer in front, the disk is
 * read-only. What is made lies in one temporary folder, which goes in the end.
 * Tests: test/unit/tool_check.c.
 */
#define _GNU_SOURCE
#include "tool/check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tool/accel.h"
#include "tool/option.h"
#include "tool/status.h"
#include "tool/verb.h"

#define SCRATCH_LEN (8 << 20)
#define GRACE_MS    5000

struct check {
    const char *kernel, *initrd, *root, *cmdline, *junit, *busybox;
    const char *accel, *engine, *cpus, *memory;
    uint64_t timeout;
    bool matrix, no_nic;
    char folder[64];
};

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
    return set_text(&((struct check *)c)->kernel, v);
}
static int
set_initrd(void *c, const char *v)
{
    return set_text(&((struct check *)c)->initrd, v);
}
static int
set_root(void *c, const char *v)
{
    return set_text(&((struct check *)c)->root, v);
}
static int
set_cmdline(void *c, const char *v)
{
    return set_text(&((struct check *)c)->cmdline, v);
}
static int
set_junit(void *c, const char *v)
{
    return set_text(&((struct check *)c)->junit, v);
}
static int
set_busybox(void *c, const char *v)
{
    return set_text(&((struct check *)c)->busybox, v);
}
static int
set_accel(void *c, const char *v)
{
    return set_text(&((struct check *)c)->accel, v);
}
static int
set_engine(void *c, const char *v)
{
    return set_text(&((struct check *)c)->engine, v);
}
static int
set_cpus(void *c, const char *v)
{
    return set_text(&((struct check *)c)->cpus, v);
}
static int
set_memory(void *c, const char *v)
{
    return set_text(&((struct check *)c)->memory, v);
}

static int
set_timeout(void *config, const char *value)
{
    return enlt_parse_number("timeout", value, 86400, &((struct check *)config)->timeout);
}

static int
set_matrix(void *config, const char *value)
{
    (void)value;
    ((struct check *)config)->matrix = true;
    return 0;
}

static int
set_no_nic(void *config, const char *value)
{
    (void)value;
    ((struct check *)config)->no_nic = true;
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

static void
path_in(const struct check *check, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", check->folder, name);
}

static int
make_files(struct check *check)
{
    char path[PATH_MAX];
    const char *where = getenv("TMPDIR");

    snprintf(check->folder, sizeof(check->folder), "%s/enlight-check.XXXXXX",
             where && strlen(where) < 32 ? where : "/tmp");
    if (!mkdtemp(check->folder)) {
        check->folder[0] = 0;
        return enlt_fail(ENLT_VMM_ERROR, "no temporary folder: %s.", strerror(errno));
    }
    path_in(check, "initrd", path);
    int status = enlt_check_make_initrd(path, check->busybox, check->initrd);
    if (status || check->root)
        return status;
    path_in(check, "disk", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, SCRATCH_LEN))
        status =
            enlt_fail(ENLT_VMM_ERROR, "%s cannot be written: %s.", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

static void
remove_files(const struct check *check)
{
    static const char *const names[] = {"initrd", "disk", "stderr"};
    char path[PATH_MAX];

    if (!check->folder[0])
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_in(check, names[i], path);
        unlink(path);
    }
    rmdir(check->folder);
}

/* ---- one boot ---- */

struct version {
    const char *name;
    unsigned major, minor;
};

static void
add_option(struct enlt_words *words, const char *name, const char *value)
{
    if (!value)
        return;
    enlt_words_add(words, "--%s", name);
    enlt_words_add(words, "%s", value);
}

/* A comma in a list's value is written twice. */
static void
add_disk(struct enlt_words *words, const char *path)
{
    char list[2 * PATH_MAX] = "readonly=on,path=";
    size_t at = strlen(list);

    for (; *path && at + 3 < sizeof(list); path++) {
        if (*path == ',')
            list[at++] = ',';
        list[at++] = *path;
    }
    list[at] = 0;
    add_option(words, "disk", list);
}

static void
make_words(const struct check *check, const struct version *version,
           struct enlt_words *words)
{
    char path[PATH_MAX], line[2048], most[64] = "";

    if (version)
        snprintf(most, sizeof(most), " hv_vmbus.max_version=0x%x",
                 version->major << 16 | version->minor);
    snprintf(
        line, sizeof(line),
        "console=ttyS0 rdinit=/enlight-check/init panic=-1 enlight.check=disk%s%s%s %s",
        check->root ? ",root" : "", check->no_nic ? "" : ",nic", most,
        check->cmdline ? check->cmdline : "");
    enlt_words_add(words, "enlight");
    enlt_words_add(words, "run");
    add_option(words, "kernel", check->kernel);
    path_in(check, "initrd", path);
    add_option(words, "initrd", path);
    add_option(words, "cmdline", line);
    path_in(check, "disk", path);
    add_disk(words, check->root ? check->root : path);
    /* Nothing of the guest leaves this process. */
    add_option(words, "nic", check->no_nic ? NULL : "user,restrict=on");
    add_option(words, "accel", check->accel);
    add_option(words, "engine", check->engine);
    add_option(words, "cpus", check->cpus);
    add_option(words, "memory", check->memory);
    enlt_words_add(words, "--no-reboot");
}

/* In a process group of its own, so that what it starts ends with it. */
static pid_t
start(const struct check *check, const struct enlt_words *words, int *console)
{
    char path[PATH_MAX];
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -1;
    path_in(check, "stderr", path);
    pid_t pid = fork();
    if (pid == 0) {
        int in = open("/dev/null", O_RDONLY);
        int err = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        setpgid(0, 0);
        dup2(in, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        execv("/proc/self/exe", words->word);
        _exit(ENLT_VMM_ERROR);
    }
    close(ends[1]);
    *console = ends[0];
    return pid;
}

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Lines out of the bytes that come; what is longer than a line may be is cut. */
struct reader {
    char line[ENLT_CHECK_LINE];
    size_t len;
};

static void
read_bytes(struct reader *reader, struct enlt_check_boot *boot, const char *bytes,
           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            reader->line[reader->len] = 0;
            enlt_check_line(boot, reader->line);
            reader->len = 0;
        } else if (bytes[i] != '\r' && bytes[i] != 0 &&
                   reader->len + 1 < sizeof(reader->line)) {
            reader->line[reader->len++] = bytes[i];
        }
    }
}

/* Until the console ends or the time is over. */
static void
listen_to(int console, int64_t deadline_ms, struct enlt_check_boot *boot)
{
    struct pollfd p = {.fd = console, .events = POLLIN};
    struct reader reader = {0};
    char bytes[4096];

    for (;;) {
        int64_t left = deadline_ms - now_ms();

        if (left <= 0) {
            boot->timed_out = true;
            return;
        }
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        ssize_t n = read(console, bytes, sizeof(bytes));
        if (n <= 0)
            return;
        read_bytes(&reader, boot, bytes, (size_t)n);
    }
}

/* It ends by itself, or is asked to, or has to. */
static int
reap(pid_t pid, bool ask)
{
    int64_t deadline = now_ms() + GRACE_MS;
    int status = 0;

    if (ask)
        kill(-pid, SIGINT);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ms() > deadline) {
            kill(-pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        poll(NULL, 0, 20);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : ENLT_VMM_ERROR;
}

static void
print_stderr(const struct check *check, FILE *to, const char *prefix)
{
    char path[PATH_MAX], line[512];

    path_in(check, "stderr", path);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        fprintf(to, "%s%s", prefix, line);
    if (file)
        fclose(file);
}

/* Returns a status that is not the kernel's: the user's, or the host's. */
static int
boot_once(const struct check *check, const struct version *version,
          struct enlt_check_boot *boot)
{
    struct enlt_words words = {0};
    int64_t started = now_ms();
    int console;

    memset(boot, 0, sizeof(*boot));
    if (version)
        snprintf(boot->name, sizeof(boot->name), "VMBus %s", version->name);
    boot->vmbus = version ? version->name : NULL;
    boot->has_root = check->root;
    boot->has_nic = !check->no_nic;
    make_words(check, version, &words);
    pid_t pid = start(check, &words, &console);
    if (pid < 0)
        return enlt_fail(ENLT_VMM_ERROR, "no process: %s.", strerror(errno));
    listen_to(console, started + (int64_t)check->timeout * 1000, boot);
    close(console);
    boot->status = reap(pid, boot->timed_out);
    boot->seconds = (double)(now_ms() - started) / 1000;
    if (boot->status < ENLT_USAGE || boot->lines)
        return 0;
    print_stderr(check, stderr, "");
    return boot->status;
}

/* ---- all of them ---- */

static const struct version versions[] = {
    {"2.4", 2, 4}, {"3.0", 3, 0}, {"4.0", 4, 0}, {"4.1", 4, 1},
    {"5.0", 5, 0}, {"5.1", 5, 1}, {"5.2", 5, 2}, {"5.3", 5, 3},
};

static int
check_one(const struct check *check, const struct version *version, FILE *junit,
          size_t *number, size_t *failed)
{
    static struct enlt_check_boot boot;
    struct enlt_check_row rows[ENLT_CHECK_ROWS];
    int status = boot_once(check, version, &boot);

    if (status)
        return status;
    size_t count = enlt_check_judge(&boot, rows);
    size_t bad = enlt_check_tap(&boot, rows, count, number);
    if (bad)
        print_stderr(check, stdout, "# ");
    if (junit)
        enlt_check_junit(junit, &boot, rows, count);
    *failed += bad;
    return 0;
}

static int
check_all(const struct check *check)
{
    FILE *junit = check->junit ? fopen(check->junit, "we") : NULL;
    size_t number = 0, failed = 0;
    int status = 0;

    if (check->junit && !junit)
        return enlt_fail(ENLT_NO_INPUT, "--junit: %s cannot be written: %s.",
                         check->junit, strerror(errno));
    if (junit)
        fprintf(junit, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    if (!check->matrix)
        status = check_one(check, NULL, junit, &number, &failed);
    for (size_t i = 0;
         !status && check->matrix && i < sizeof(versions) / sizeof(versions[0]); i++)
        status = check_one(check, &versions[i], junit, &number, &failed);
    if (junit)
        fprintf(junit, "</testsuites>\n");
    if (junit && (ferror(junit) | fclose(junit)) && !status)
        status =
            enlt_fail(ENLT_VMM_ERROR, "--junit: %s cannot be written.", check->junit);
    if (status)
        return status;
    printf("1..%zu\n", number);
    return failed ? ENLT_REFUSED : 0;
}

int
enlt_check(int argc, char **argv)
{
    struct check check = {.busybox = "/bin/busybox", .timeout = 300};
    int status = enlt_options_parse(enlt_check_options, "check", argc, argv, &check);

    if (status)
        return status < 0 ? 0 : status;
    if (!check.kernel)
        return enlt_fail(ENLT_USAGE, "--kernel FILE is missing: what is to be checked?");
    status = make_files(&check);
    if (!status)
        status = check_all(&check);
    remove_files(&check);
    return status;
}
