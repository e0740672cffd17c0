/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/main.c - cases over seeds, as TAP; a seed that fails says how to see it again
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/loop/partition.h"

/* The thread sanitizer is slow, and a schedule that follows from a seed has no race. */
#if defined(__SANITIZE_THREAD__)
#define SEEDS_MAX 50u
#else
#define SEEDS_MAX UINT32_MAX
#endif

static struct {
    const char *program;
    const char *name; /* of the case that runs */
    uint64_t seed;
    uint32_t seeds; /* 0: as the case says */
    const char *only;
} run;

_Noreturn void
loop_fail(const char *format, ...)
{
    va_list args;

    printf("# ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n# again: %s --only %s --seed %llu\n", run.program, run.name,
           (unsigned long long)run.seed);
    printf("not ok - %s\n", run.name);
    fflush(stdout);
    _Exit(1);
}

static uint64_t
number_of(const char *text)
{
    char *end;
    unsigned long long value = text ? strtoull(text, &end, 0) : 0;

    if (!text || end == text || *end != '\0') {
        fprintf(stderr, "usage: %s [--only CASE] [--seeds COUNT] [--seed SEED]\n",
                run.program);
        exit(64);
    }
    return value;
}

int
loop_main(int argc, char **argv, const struct loop_case *cases, uint32_t count)
{
    bool one = false;
    uint64_t first = 1;

    run.program = argv[0];
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--seeds") == 0) {
            run.seeds = (uint32_t)number_of(argv[i + 1]);
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = number_of(argv[i + 1]);
            one = true;
        } else if (strcmp(argv[i], "--only") == 0 && argv[i + 1]) {
            run.only = argv[i + 1];
        } else {
            (void)number_of(NULL);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t usual = cases[i].seeds < SEEDS_MAX ? cases[i].seeds : SEEDS_MAX;
        uint32_t seeds = one ? 1 : run.seeds && usual > 1 ? run.seeds : usual;

        run.name = cases[i].name;
        if (run.only && strcmp(run.only, run.name) != 0)
            continue;
        for (run.seed = first; run.seed < first + seeds; run.seed++)
            cases[i].run(run.seed);
        printf("ok - %s # %u seeds\n", run.name, seeds);
        fflush(stdout);
    }
    return 0;
}
