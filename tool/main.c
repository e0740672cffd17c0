/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/main.c - the enlight command: finds the verb and hands over
 *
 * Run by the user. It knows the verbs' names and nothing of what they do.
 */
#include <stdio.h>
#include <string.h>

#include "tool/ctl.h"
#include "tool/option.h"
#include "tool/status.h"
#include "tool/verb.h"

struct verb {
    const char *name;
    const char *help;
    int (*run)(int argc, char **argv);
    const struct enlt_option *options; /* NULL: it takes commands of the schema */
};

static const struct verb verbs[] = {
    {"run", "boot a guest", enlt_run, enlt_run_options},
    {"check", "whether a kernel runs on Hyper-V devices alone", enlt_check,
     enlt_check_options},
    {"ctl", "ask a machine that runs", enlt_ctl, NULL},
    {"replay", "a recorded disk as a power loss would have left it", enlt_replay,
     enlt_replay_options},
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *
find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static int
help(void)
{
    printf("usage: enlight VERB [options]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        printf("  %-10s %s\n", verbs[i].name, verbs[i].help);
    printf("  %-10s %s\n", "help VERB", "what a verb takes; also 'enlight VERB --help'");
    printf("  %-10s %s\n", "version", "print the version");
    printf("\nThe manual is enlight(1), and enlight-VERB(1) for a verb.\n");
    return 0;
}

/* "enlight help run" for people; "enlight help run mdoc" for the build of its manual page. */
static int
help_verb(const char *name, const char *form)
{
    const struct verb *verb = find_verb(name);

    if (!verb)
        return enlt_fail(ENLT_USAGE, "'%s' is not a verb; see 'enlight help'.", name);
    if (!verb->options)
        return enlt_ctl_help(form);
    if (form && strcmp(form, "mdoc") == 0)
        enlt_options_mdoc(verb->options);
    else
        enlt_options_help(verb->options, name);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        help();
        return ENLT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return argc > 2 ? help_verb(argv[2], argc > 3 ? argv[3] : NULL) : help();
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("enlight %s\n", ENLIGHT_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "relay") == 0) /* no verb of people's */
        return enlt_relay(argc - 1, argv + 1);
    const struct verb *verb = find_verb(argv[1]);
    if (!verb)
        return enlt_fail(ENLT_USAGE, "'%s' is not a verb; see 'enlight help'.", argv[1]);
    return verb->run(argc - 1, argv + 1);
}
