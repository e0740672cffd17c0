/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/again.c - a seed that fails, crashes or never ends is told, as a command
 *
 * The program runs itself with cases that break on purpose, and reads what it says.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/loop/partition.h"

#define BAD_SEED 7u

static const char *program;

/* ---- what breaks ---- */

static void
breaks_a_promise(uint64_t seed)
{
    loop_check(seed != BAD_SEED);
}

static void
crashes(uint64_t seed)
{
    if (seed == BAD_SEED)
        (void)raise(SIGSEGV);
}

static void
takes_too_long(uint64_t seed)
{
    if (seed == BAD_SEED)
        (void)raise(SIGALRM); /* as its time-out does */
}

static void
leaves_early(uint64_t seed)
{
    if (seed == BAD_SEED)
        _Exit(66); /* as a sanitizer does */
}

static const struct loop_case breaking[] = {
    {"breaks_a_promise", breaks_a_promise, 20},
    {"crashes", crashes, 20},
    {"takes_too_long", takes_too_long, 20},
    {"leaves_early", leaves_early, 20},
};

/* ---- what is said ---- */

static bool
says(const char *arguments, const char *line)
{
    char command[512], got[512];
    bool found = false;
    FILE *out;

    (void)snprintf(command, sizeof(command), "BREAK=1 '%s' %s 2>/dev/null", program,
                   arguments);
    out = popen(command, "r");
    loop_check(out);
    while (fgets(got, sizeof(got), out)) {
        got[strcspn(got, "\n")] = '\0';
        found |= strcmp(got, line) == 0;
    }
    loop_check(pclose(out) != -1);
    return found;
}

static void
is_told(const char *name)
{
    char arguments[128], again[512], verdict[128];

    (void)snprintf(arguments, sizeof(arguments), "--only %s --jobs 3", name);
    (void)snprintf(again, sizeof(again), "# again: %s --only %s --seed %u", program, name,
                   BAD_SEED);
    (void)snprintf(verdict, sizeof(verdict), "not ok - %s", name);
    loop_check(says(arguments, again));
    loop_check(says(arguments, verdict));
    (void)snprintf(arguments, sizeof(arguments), "--only %s --seeds 6", name);
    (void)snprintf(verdict, sizeof(verdict), "ok - %s # 6 seeds", name);
    loop_check(says(arguments, verdict));
}

static void
failure_tells_its_seed(uint64_t seed)
{
    (void)seed;
    is_told("breaks_a_promise");
}

static void
crash_tells_its_seed(uint64_t seed)
{
    (void)seed;
    is_told("crashes");
}

static void
endless_seed_is_told(uint64_t seed)
{
    (void)seed;
    is_told("takes_too_long");
}

static void
sanitizer_tells_its_seed(uint64_t seed)
{
    (void)seed;
    is_told("leaves_early");
}

int
main(int argc, char **argv)
{
    static const struct loop_case cases[] = {
        {"failure_tells_its_seed", failure_tells_its_seed, 1},
        {"crash_tells_its_seed", crash_tells_its_seed, 1},
        {"endless_seed_is_told", endless_seed_is_told, 1},
        {"sanitizer_tells_its_seed", sanitizer_tells_its_seed, 1},
    };

    program = argv[0];
    if (getenv("BREAK"))
        return loop_main(argc, argv, breaking, sizeof(breaking) / sizeof(breaking[0]));
    return loop_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
