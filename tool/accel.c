/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/accel.c - the choice of the machine, and the way into the nested one
 *
 * Run by the user. Reads /proc/cpuinfo; looks for nested/run.sh beside the build tree and
 * in the installed data folder. Tests: test/os/command_line.sh, and every run in CI.
 */
#define _GNU_SOURCE
#include "tool/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/status.h"

static bool
flags_have_virtualization(const char *line)
{
    for (const char *p = line; *p; p += strcspn(p, " \n")) {
        p += strspn(p, " \n\t");
        size_t len = strcspn(p, " \n");
        if (len == 3 && (memcmp(p, "vmx", 3) == 0 || memcmp(p, "svm", 3) == 0))
            return true;
    }
    return false;
}

static bool
cpu_has_virtualization(void)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t room = 0;
    bool found = false;

    while (file && !found && getline(&line, &room, file) > 0)
        found = strncmp(line, "flags", 5) == 0 && flags_have_virtualization(line);
    free(line);
    if (file)
        fclose(file);
    return found;
}

bool
enlt_accel_has_kvm(char *why, size_t len)
{
    if (!cpu_has_virtualization()) {
        snprintf(why, len, "the CPU flags show neither vmx nor svm");
        return false;
    }
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        snprintf(why, len, "/dev/kvm does not open: %s", strerror(errno));
        return false;
    }
    close(fd);
    return true;
}

void
enlt_words_add(struct enlt_words *words, const char *format, ...)
{
    char *word = NULL;
    va_list args;

    va_start(args, format);
    int len = vasprintf(&word, format, args);
    va_end(args);
    if (words->count + 2 > words->room) {
        words->room = words->room ? 2 * words->room : 32;
        words->word = realloc(words->word, words->room * sizeof(*words->word));
    }
    if (len < 0 || !words->word)
        abort(); /* a few hundred bytes at start: nothing can go on without them */
    words->word[words->count++] = word;
    words->word[words->count] = NULL;
}

void
enlt_words_add_option(struct enlt_words *words, const char *option, const char *value)
{
    if (!value)
        return;
    enlt_words_add(words, "--%s", option);
    enlt_words_add(words, "%s", value);
}

void
enlt_words_free(struct enlt_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->word[i]);
    free(words->word);
    memset(words, 0, sizeof(*words));
}

/* nested/run.sh lies above the program in the source tree, or where it was installed. */
static bool
find_launcher(char *path, size_t len, const char *self)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof(dir), "%s", self);
    for (int up = 0; up < 4; up++) {
        char *slash = strrchr(dir, '/');
        if (!slash)
            break;
        *slash = 0;
        snprintf(path, len, "%s/nested/run.sh", dir);
        if (access(path, X_OK) == 0)
            return true;
    }
    snprintf(path, len, "%s/nested/run.sh", ENLIGHT_DATADIR);
    return access(path, X_OK) == 0;
}

int
enlt_accel_nested(const struct enlt_words *options, const struct enlt_words *arguments)
{
    char self[PATH_MAX], launcher[PATH_MAX + 16];
    struct enlt_words words = {0};
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len <= 0)
        return enlt_fail(ENLT_VMM_ERROR, "/proc/self/exe cannot be read: mount /proc.");
    self[len] = 0;
    if (!find_launcher(launcher, sizeof(launcher), self))
        return enlt_fail(
            ENLT_NO_HOST,
            "the nested machine's launcher (nested/run.sh) is neither beside "
            "this program nor in %s: run 'make install'.",
            ENLIGHT_DATADIR);
    enlt_words_add(&words, "%s", launcher);
    for (size_t i = 0; i < options->count; i++)
        enlt_words_add(&words, "%s", options->word[i]);
    enlt_words_add(&words, "--share");
    enlt_words_add(&words, "%.*s", (int)(strrchr(self, '/') - self), self);
    enlt_words_add(&words, "--");
    enlt_words_add(&words, "%s", self);
    for (size_t i = 0; i < arguments->count; i++)
        enlt_words_add(&words, "%s", arguments->word[i]);
    execv(launcher, words.word);
    return enlt_fail(ENLT_NO_HOST, "%s cannot be started: %s.", launcher,
                     strerror(errno));
}
