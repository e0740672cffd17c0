/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/check/boot.c - one boot of "enlight check": a child, its console, its end
 *
 * Run for each boot. The child is "enlight run", so that it is the machine that a user
 * would get, nested or not; the console and what enlight says come through one pipe, as
 * they do out of the nested machine. The console may say anything, for ever, or nothing:
 * the time is bounded here, and a line's length. SIGHUP is what ends a child: enlight run
 * and the nested machine's launcher both go at once then, and leave nothing behind.
 * Tests: test/os/check.sh.
 */
#define _GNU_SOURCE
#include "tool/check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool/accel.h"
#include "tool/clock.h"
#include "tool/option.h"
#include "tool/status.h"

#define GRACE_MS    10000
#define NESTED_DIED 125 /* nested/run.sh: it ended without a status */

/* ---- the command line ---- */

static void
add_disk(struct enlt_words *words, const char *path)
{
    char quoted[2 * PATH_MAX + 1];

    enlt_quote_commas(path, quoted, sizeof(quoted));
    enlt_words_add(words, "--disk");
    enlt_words_add(words, "readonly=on,path=%s", quoted);
}

/* The user's own words come last: the kernel takes the last of two. */
static void
add_cmdline(struct enlt_words *words, const struct enlt_check *check,
            const struct enlt_check_version *version)
{
    char most[48] = "";

    if (version)
        snprintf(most, sizeof(most), " hv_vmbus.max_version=0x%x", version->number);
    enlt_words_add(words, "--cmdline");
    enlt_words_add(words,
                   "console=ttyS0 rdinit=/enlight-check/init panic=-1 "
                   "enlight.check=disk%s%s%s %s",
                   check->root ? ",root" : "", check->no_nic ? "" : ",nic", most,
                   check->cmdline ? check->cmdline : "");
}

static void
make_words(const struct enlt_check *check, const struct enlt_check_version *version,
           struct enlt_words *words)
{
    char path[PATH_MAX];

    enlt_words_add(words, "enlight");
    enlt_words_add(words, "run");
    enlt_words_add_option(words, "kernel", check->kernel);
    enlt_check_path(check, "initrd", path);
    enlt_words_add_option(words, "initrd", path);
    add_cmdline(words, check, version);
    enlt_check_path(check, "disk", path);
    add_disk(words, check->root ? check->root : path);
    /* Nothing of the guest leaves this process. */
    enlt_words_add_option(words, "nic", check->no_nic ? NULL : "user,restrict=on");
    enlt_words_add_option(words, "accel", check->accel);
    enlt_words_add_option(words, "engine", check->engine);
    enlt_words_add_option(words, "cpus", check->cpus);
    enlt_words_add_option(words, "memory", check->memory);
    enlt_words_add_option(words, "log-level", "info"); /* the versions of the protocols */
    enlt_words_add(words, "--no-reboot");
}

/* ---- the child ---- */

/* It goes when this process goes, even by SIGKILL, and no signal is held back in it. */
static void
become(const struct enlt_words *words, int console)
{
    sigset_t none;
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);

    setpgid(0, 0);
    signal(SIGHUP, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    dup2(in, STDIN_FILENO);
    dup2(console, STDOUT_FILENO);
    dup2(console, STDERR_FILENO);
    execv("/proc/self/exe", words->word);
    _exit(ENLT_VMM_ERROR);
}

/* In a process group of its own, so that what it starts ends with it. */
static pid_t
start(const struct enlt_words *words, int *console)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        become(words, ends[1]);
    if (pid > 0)
        setpgid(pid, pid);
    close(ends[1]);
    if (pid < 0)
        close(ends[0]);
    *console = ends[0];
    return pid;
}

/* It ends by itself, or is asked to, or has to. */
static int
reap(pid_t pid, bool ask)
{
    int64_t deadline = enlt_now_ms() + GRACE_MS;
    int status = 0;

    if (ask)
        kill(-pid, SIGHUP);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (enlt_now_ms() > deadline) {
            kill(-pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        poll(NULL, 0, 20);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : ENLT_VMM_ERROR;
}

/* ---- the console ---- */

/* Lines out of the bytes that come; what is longer than a line may be is cut. */
struct reader {
    char line[ENLT_CHECK_LINE];
    size_t len;
};

static void
end_line(struct reader *reader, struct enlt_check_boot *boot)
{
    reader->line[reader->len] = 0;
    enlt_check_line(boot, reader->line);
    reader->len = 0;
}

static void
read_bytes(struct reader *reader, struct enlt_check_boot *boot, const char *bytes,
           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            end_line(reader, boot);
        else if (bytes[i] != '\r' && bytes[i] != 0 &&
                 reader->len + 1 < sizeof(reader->line))
            reader->line[reader->len++] = bytes[i];
    }
}

/* Waits for bytes. Returns false at the deadline, or for a signal. */
static bool
wait_for_bytes(struct enlt_check *check, int console, int64_t deadline_ms)
{
    struct pollfd fds[] = {{.fd = console, .events = POLLIN},
                           {.fd = check->signals, .events = POLLIN}};
    struct signalfd_siginfo info;

    for (;;) {
        int64_t left = deadline_ms - enlt_now_ms();

        if (left <= 0)
            return false;
        if (poll(fds, 2, left < INT_MAX ? (int)left : INT_MAX) <= 0)
            continue;
        if (fds[1].revents && read(check->signals, &info, sizeof(info)) > 0) {
            check->interrupted = (int)info.ssi_signo;
            return false;
        }
        if (fds[0].revents)
            return true;
    }
}

/* Until the console ends, the time is over, or a signal comes. Returns true for the first. */
static bool
listen_to(struct enlt_check *check, int console, int64_t deadline_ms,
          struct enlt_check_boot *boot)
{
    struct reader reader = {0};
    char bytes[4096];
    ssize_t n = 1;

    while (n > 0 && wait_for_bytes(check, console, deadline_ms)) {
        n = read(console, bytes, sizeof(bytes));
        if (n > 0)
            read_bytes(&reader, boot, bytes, (size_t)n);
    }
    if (reader.len)
        end_line(&reader, boot);
    return n <= 0;
}

/* ---- one boot ---- */

static int
run_once(struct enlt_check *check, const struct enlt_check_version *version,
         struct enlt_check_boot *boot)
{
    struct enlt_words words = {0};
    int64_t started = enlt_now_ms();
    int console;

    memset(boot, 0, sizeof(*boot));
    boot->vmbus = version ? version->name : NULL;
    boot->has_root = check->root;
    boot->has_nic = !check->no_nic;
    make_words(check, version, &words);
    pid_t pid = start(&words, &console);
    enlt_words_free(&words);
    if (pid < 0)
        return enlt_fail(ENLT_VMM_ERROR, "no process: %s.", strerror(errno));
    bool ended =
        listen_to(check, console, started + (int64_t)check->timeout * 1000, boot);
    close(console);
    boot->status = reap(pid, !ended);
    boot->timed_out = !ended && !check->interrupted;
    boot->seconds = (double)(enlt_now_ms() - started) / 1000;
    return 0;
}

int
enlt_check_run(struct enlt_check *check, const struct enlt_check_version *version,
               struct enlt_check_boot *boot)
{
    int status = run_once(check, version, boot);

    /* The emulator's fault, and seldom: doc/nested.md. */
    if (!status && !boot->timed_out && boot->status == NESTED_DIED) {
        enlt_say("the nested machine broke; once more");
        status = run_once(check, version, boot);
    }
    if (status)
        return status;
    if (check->interrupted)
        return ENLT_VMM_ERROR;
    bool silent = boot->status == ENLT_VMM_ERROR && boot->fact_count == 0;
    if (boot->timed_out || (boot->status < ENLT_USAGE && !silent))
        return 0;
    enlt_check_tail(stderr, boot, "");
    return boot->status < NESTED_DIED - 1 ? boot->status : ENLT_VMM_ERROR;
}
