/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/main.c - cases over seeds, as TAP; a seed that fails says how to see it again
 *
 * Each case shares its seeds out over processes, one for each processor. A process says in
 * shared memory which seed it is at, so that one that crashed, was stopped by a sanitizer
 * or never came to an end is known by its seed as well. --seed runs one in this process.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/loop/partition.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#elif __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__
#endif
#endif

/*
 * Of a case, unless --seeds says how many. The thread sanitizer is slow, and a schedule
 * that follows from a seed has no race.
 */
#if defined(__SANITIZE_THREAD__)
#define SEEDS_MAX 50u
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS_MAX 400u
#else
#define SEEDS_MAX UINT64_MAX
#endif

#define JOBS_MAX   64u
#define SEED_LIMIT 120u /* seconds; the longest takes some 0.1 */
#define TOLD       3    /* the exit status of a process that has said what went wrong */

struct job {
    pid_t pid;
    volatile uint64_t seed; /* where it is */
    volatile uint64_t done;
};

static struct {
    const char *program;
    const char *name; /* of the case that runs */
    uint64_t seed;
    uint64_t seeds; /* of all cases together; 0: as the cases say */
    uint64_t only_seed;
    uint32_t jobs;
    bool one, progress;
    const char *only;
    struct job *job; /* shared with the processes */
} run;

/* One write, since other processes print as well. */
static void
tell_failure(const char *why, uint64_t seed)
{
    printf("# %s\n# again: %s --only %s --seed %llu\nnot ok - %s\n", why, run.program,
           run.name, (unsigned long long)seed, run.name);
    fflush(stdout);
}

_Noreturn void
loop_fail(const char *format, ...)
{
    char why[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    tell_failure(why, run.seed);
    _Exit(TOLD);
}

/* ---- the command line ---- */

static _Noreturn void
usage(void)
{
    fprintf(stderr,
            "usage: %s [--only CASE] [--seed SEED | [--seeds COUNT] [--jobs COUNT] "
            "[--progress]]\n",
            run.program);
    exit(64);
}

static uint64_t
number_of(const char *text)
{
    char *end;
    unsigned long long value = text ? strtoull(text, &end, 0) : 0;

    if (!text || end == text || *end != '\0')
        usage();
    return value;
}

/* Takes the option at argv[0]; returns how many words it has. */
static int
option_take(char **argv)
{
    if (strcmp(argv[0], "--progress") == 0) {
        run.progress = true;
        return 1;
    }
    if (strcmp(argv[0], "--seeds") == 0) {
        run.seeds = number_of(argv[1]);
    } else if (strcmp(argv[0], "--jobs") == 0) {
        run.jobs = (uint32_t)number_of(argv[1]);
    } else if (strcmp(argv[0], "--seed") == 0) {
        run.only_seed = number_of(argv[1]);
        run.one = true;
    } else if (strcmp(argv[0], "--only") == 0 && argv[1]) {
        run.only = argv[1];
    } else {
        usage();
    }
    return 2;
}

static uint32_t
processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static bool
is_wanted(const struct loop_case *c)
{
    return !run.only || strcmp(run.only, c->name) == 0;
}

/* What is asked for is shared out as the cases' own numbers are. */
static uint64_t
seeds_of(const struct loop_case *c, uint64_t usual)
{
    if (run.seeds)
        return (run.seeds * c->seeds + usual - 1) / usual;
    return c->seeds < SEEDS_MAX ? c->seeds : SEEDS_MAX;
}

/* ---- processes ---- */

/* The seeds of one process: every so many from its own on. */
static void
job_main(const struct loop_case *c, uint64_t seeds, uint32_t which)
{
    struct job *job = &run.job[which];

    for (run.seed = 1 + which; run.seed <= seeds; run.seed += run.jobs) {
        job->seed = run.seed;
        alarm(SEED_LIMIT);
        c->run(run.seed);
        job->done++;
    }
    alarm(0);
}

static void
jobs_start(const struct loop_case *c, uint64_t seeds)
{
    fflush(stdout);
    memset(run.job, 0, JOBS_MAX * sizeof(*run.job));
    for (uint32_t i = 0; i < run.jobs; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            sigset_t none;

            sigemptyset(&none);
            (void)sigprocmask(SIG_SETMASK, &none, NULL);
            job_main(c, seeds, i);
            exit(0);
        }
        if (pid < 0) {
            perror(run.program);
            exit(1);
        }
        run.job[i].pid = pid;
    }
}

static void
progress_show(uint64_t seeds)
{
    uint64_t done = 0;

    for (uint32_t i = 0; i < run.jobs; i++)
        done += run.job[i].done;
    fprintf(stderr, "\r%s: %llu of %llu seeds ", run.name, (unsigned long long)done,
            (unsigned long long)seeds);
}

static struct job *
job_of(pid_t pid)
{
    for (uint32_t i = 0; i < run.jobs; i++) {
        if (run.job[i].pid == pid)
            return &run.job[i];
    }
    return NULL;
}

static _Noreturn void
jobs_give_up(void)
{
    for (uint32_t i = 0; i < run.jobs; i++) {
        if (run.job[i].pid)
            (void)kill(run.job[i].pid, SIGKILL);
    }
    exit(1);
}

/* A process has ended: not as it should have, if it did not say so by itself. */
static void
job_end(struct job *job, int status)
{
    char why[64] = "it took too long";

    job->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (WIFEXITED(status))
        (void)snprintf(why, sizeof(why), "it ended with status %d", WEXITSTATUS(status));
    else if (WTERMSIG(status) != SIGALRM)
        (void)snprintf(why, sizeof(why), "signal %d ended it", WTERMSIG(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != TOLD)
        tell_failure(why, job->seed);
    jobs_give_up();
}

static void
jobs_wait(uint64_t seeds)
{
    const struct timespec second = {.tv_sec = 1};
    uint32_t running = run.jobs;
    sigset_t child;
    int status;
    pid_t pid;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (running) {
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
            job_end(job_of(pid), status);
            running--;
        }
        if (run.progress)
            progress_show(seeds);
        if (running)
            (void)sigtimedwait(&child, NULL, &second);
    }
    if (run.progress)
        fprintf(stderr, "\n");
}

static void
case_run(const struct loop_case *c, uint64_t seeds)
{
    run.name = c->name;
    if (run.one) {
        run.seed = run.only_seed;
        c->run(run.seed);
        seeds = 1;
    } else {
        jobs_start(c, seeds);
        jobs_wait(seeds);
    }
    printf("ok - %s # %llu seeds\n", run.name, (unsigned long long)seeds);
    fflush(stdout);
}

static void
processes_prepare(void)
{
    sigset_t child;

    run.job = mmap(NULL, JOBS_MAX * sizeof(*run.job), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.job == MAP_FAILED) {
        perror(run.program);
        exit(1);
    }
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    if (run.jobs == 0)
        run.jobs = processors();
    if (run.jobs > JOBS_MAX)
        run.jobs = JOBS_MAX;
}

int
loop_main(int argc, char **argv, const struct loop_case *cases, uint32_t count)
{
    uint64_t usual = 0;
    uint32_t found = 0;

    run.program = argv[0];
    for (int i = 1; i < argc;)
        i += option_take(argv + i);
    processes_prepare();
    for (uint32_t i = 0; i < count; i++)
        usual += is_wanted(&cases[i]) ? cases[i].seeds : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_wanted(&cases[i]))
            continue;
        case_run(&cases[i], seeds_of(&cases[i], usual));
        found++;
    }
    if (!found)
        usage();
    return 0;
}
