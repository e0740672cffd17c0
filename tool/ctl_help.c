/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/ctl_help.c - what is made of the schema: help, manual pages, completion
 *
 * Run by the user and by the build. Everything that is said about a command comes from its
 * row in the table.
 * Tests: test/install/run.sh.
 */
#include <stdio.h>
#include <string.h>

#include "tool/ctl.h"
#include "tool/status.h"

/* What stands behind "name=" for people. */
static const char *
placeholder(const struct enlm_control_member *member)
{
    if (member->choices)
        return member->choices;
    switch (member->type) {
    case ENLM_CONTROL_INT:
        return "N";
    case ENLM_CONTROL_BOOL:
        return "on|off";
    default:
        return "TEXT";
    }
}

static int
help(void)
{
    printf("usage: enlight ctl [options] SOCKET COMMAND [NAME=VALUE...]\n"
           "       enlight ctl [options] SOCKET wait EVENT\n\n"
           "  --json               one line of JSON, for programs\n"
           "  --timeout SECONDS    no longer than this\n"
           "  --wait EVENT         after the command, wait for what comes of it\n\n");
    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        const struct enlm_control_command *command = &enlm_control_commands[i];

        if (i == ENLM_CONTROL_CAPABILITIES)
            continue;
        printf("  %-20s %s\n", command->name, command->help);
        for (const struct enlm_control_member *member = command->arguments;
             member && member->name; member++)
            printf("      %s=%-*s %s\n", member->name, (int)(19 - strlen(member->name)),
                   placeholder(member), member->help);
    }
    printf("\nevents:");
    for (size_t i = 0; i < ENLM_CONTROL_EVENTS; i++)
        printf(" %s", enlm_control_events[i].name);
    printf("\n");
    return 0;
}

/* Lines of a manual page: none is long, and each sentence begins one. */
static void
text_mdoc(const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t len = strcspn(text, " ");
        bool ends = text[len - 1] == '.';

        if (column + len > 76) {
            printf("\n");
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column ? " " : "", (int)len, text);
        text += len + (text[len] == ' ');
        if (ends && *text) {
            printf("\n");
            column = 0;
        }
    }
    printf("\n");
}

static void
members_mdoc(const struct enlm_control_member *members)
{
    static const char *const types[] = {"string", "number", "boolean", "object", "list"};
    const struct enlm_control_member *first = members;

    printf(".Bl -tag -width Ds -compact\n");
    for (; members->name; members++) {
        printf(".It Va %s : %s%s\n", members->name, types[members->type],
               members->optional ? ", optional" : "");
        if (members->help)
            text_mdoc(members->help);
        if (members->choices)
            printf("(%s)\n", members->choices);
        if (members->of && members->of != first)
            members_mdoc(members->of);
    }
    printf(".El\n");
}

/* For enlight-qmp(7). */
static void
commands_mdoc(void)
{
    printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        const struct enlm_control_command *command = &enlm_control_commands[i];

        printf(".It Ic %s\n", command->name);
        text_mdoc(command->help);
        if (command->arguments) {
            printf("Takes:\n");
            members_mdoc(command->arguments);
        }
        if (command->returns) {
            printf("Returns%s:\n", command->returns_list ? " a list of" : "");
            members_mdoc(command->returns);
        }
    }
    printf(".El\n");
}

static void
events_mdoc(void)
{
    printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; i < ENLM_CONTROL_EVENTS; i++) {
        const struct enlm_control_event *event = &enlm_control_events[i];

        printf(".It Ic %s\n", event->name);
        text_mdoc(event->help);
        if (event->data)
            members_mdoc(event->data);
    }
    printf(".El\n");
}

/* For enlight-ctl(1): the same, as words. */
static void
words_mdoc(void)
{
    printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        const struct enlm_control_command *command = &enlm_control_commands[i];

        if (i == ENLM_CONTROL_CAPABILITIES)
            continue;
        printf(".It Ic %s", command->name);
        for (const struct enlm_control_member *member = command->arguments;
             member && member->name; member++)
            printf(" %s %s Ns = Ns Ar %s%s", member->optional ? "Oo Cm" : "Cm",
                   member->name, placeholder(member), member->optional ? " Oc" : "");
        printf("\n");
        text_mdoc(command->help);
    }
    printf(".El\n");
}

/* For the shell: which commands and events there are, and what a command takes. */
static void
completion(void)
{
    printf("_enlight_ctl_commands='");
    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        if (i != ENLM_CONTROL_CAPABILITIES)
            printf("%s ", enlm_control_commands[i].name);
    }
    printf("'\n_enlight_ctl_events='");
    for (size_t i = 0; i < ENLM_CONTROL_EVENTS; i++)
        printf("%s ", enlm_control_events[i].name);
    printf("'\n_enlight_ctl_words()\n{\n    case $1 in\n");
    for (size_t i = 0; i < ENLM_CONTROL_VERBS; i++) {
        const struct enlm_control_member *member = enlm_control_commands[i].arguments;

        if (!member)
            continue;
        printf("    %s) echo", enlm_control_commands[i].name);
        for (; member->name; member++)
            printf(" %s=", member->name);
        printf(" ;;\n");
    }
    printf("    esac\n}\n");
}

int
enlt_ctl_help(const char *form)
{
    if (!form)
        return help();
    if (!strcmp(form, "mdoc"))
        words_mdoc();
    else if (!strcmp(form, "commands"))
        commands_mdoc();
    else if (!strcmp(form, "events"))
        events_mdoc();
    else if (!strcmp(form, "completion"))
        completion();
    return 0;
}
