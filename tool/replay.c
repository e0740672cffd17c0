/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/replay.c - "enlight replay": a recorded disk as a power loss would have left it
 *
 * Run by the user, and by test scripts once for each image. Lists a trace, or makes a new
 * image of the disk's old one and the trace up to a point. The trace and the old image are
 * only read. What may be lost is backend/block/trace.c's to know.
 * Tests: test/os/journal.sh, test/os/command_line.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enlight/backend/trace.h"
#include "tool/option.h"
#include "tool/status.h"
#include "tool/verb.h"

enum { CHUNK = 64 * 1024 };

struct replay {
    const char *trace, *base, *out;
    uint64_t point, seed;
    bool list;
};

static int
set_trace(void *to, const char *value)
{
    ((struct replay *)to)->trace = value;
    return 0;
}

static int
set_base(void *to, const char *value)
{
    ((struct replay *)to)->base = value;
    return 0;
}

static int
set_out(void *to, const char *value)
{
    ((struct replay *)to)->out = value;
    return 0;
}

static int
set_point(void *to, const char *value)
{
    return enlt_parse_number("point", value, UINT64_MAX - 1,
                             &((struct replay *)to)->point);
}

static int
set_seed(void *to, const char *value)
{
    return enlt_parse_number("seed", value, UINT64_MAX, &((struct replay *)to)->seed);
}

static int
set_list(void *to, const char *value)
{
    (void)value;
    ((struct replay *)to)->list = true;
    return 0;
}

const struct enlt_option enlt_replay_options[] = {
    {"trace", NULL, 0, "FILE", "what --disk record= has written", NULL, set_trace},
    {"list", NULL, 0, NULL, "print the trace's events, one a line, and end", NULL,
     set_list},
    {"base", NULL, 0, "FILE", "the disk's image as it was before the recording", NULL,
     set_base},
    {"out", NULL, 0, "FILE", "the new image; replaced if it is there", NULL, set_out},
    {"point", NULL, 0, "N", "the power goes after N events (all of them)", NULL,
     set_point},
    {"seed", NULL, 0, "N",
     "which blocks that were not safe are there all the same; 0: none (0)", NULL,
     set_seed},
    {0},
};

/* ---- the list ---- */

static void
print_event(uint64_t i, const struct enlb_trace_event *event)
{
    static const char *const names[] = {"read", "write", "flush", "discard", "zero"};

    if (event->done)
        printf("%" PRIu64 " done %" PRIu64 " %s %d\n", i, event->number, names[event->op],
               event->result);
    else
        printf("%" PRIu64 " begin %" PRIu64 " %s %" PRIu64 " %" PRIu64 "%s\n", i,
               event->number, names[event->op], event->offset, event->len,
               event->fua ? " fua" : "");
}

static int
list(const struct enlb_trace *trace)
{
    for (uint64_t i = 0; i < enlb_trace_count(trace); i++) {
        struct enlb_trace_event event = enlb_trace_event(trace, i);

        print_event(i, &event);
    }
    return 0;
}

/* ---- the image ---- */

static bool
is_zero(const uint8_t *data, size_t len)
{
    return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* Zeros stay holes. */
static int
copy(int from, int to)
{
    uint8_t data[CHUNK];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(from, data, sizeof(data), at)) > 0) {
        if (!is_zero(data, (size_t)n) && pwrite(to, data, (size_t)n, at) != n)
            return -1;
        at += n;
    }
    return n < 0 ? -1 : ftruncate(to, at);
}

static int
open_base(const struct replay *replay, const struct enlb_trace *trace, int *fd)
{
    struct stat st;

    *fd = open(replay->base, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return enlt_fail(ENLT_NO_INPUT, "--base: %s cannot be read: %s.", replay->base,
                         strerror(errno));
    if ((uint64_t)st.st_size >= enlb_trace_disk_size(trace))
        return 0;
    close(*fd);
    return enlt_fail(ENLT_NO_INPUT,
                     "--base: %s has %lld bytes; the disk that was recorded has %" PRIu64
                     ".",
                     replay->base, (long long)st.st_size, enlb_trace_disk_size(trace));
}

static int
make_image(const struct replay *replay, const struct enlb_trace *trace)
{
    int base, out, error = 0;
    int status = open_base(replay, trace, &base);

    if (status)
        return status;
    out = open(replay->out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out < 0 || copy(base, out) != 0)
        error = errno;
    close(base);
    if (!error)
        error = -enlb_trace_replay(trace, replay->point, replay->seed, out);
    if (out >= 0 && close(out) != 0 && !error)
        error = errno;
    if (!error)
        return 0;
    return enlt_fail(ENLT_NO_INPUT, "--out: %s cannot be written: %s.", replay->out,
                     strerror(error));
}

/* ---- the verb ---- */

static int
check(const struct replay *replay)
{
    if (!replay->trace)
        return enlt_fail(ENLT_USAGE, "--trace FILE is missing: what is to be replayed?");
    if (!replay->list && (!replay->base || !replay->out))
        return enlt_fail(ENLT_USAGE, "--base FILE and --out FILE, or --list.");
    if (!replay->list && strcmp(replay->base, replay->out) == 0)
        return enlt_fail(ENLT_USAGE, "--out: the image is to be another file than %s.",
                         replay->base);
    return 0;
}

int
enlt_replay(int argc, char **argv)
{
    struct replay replay = {.point = UINT64_MAX - 1};
    struct enlb_trace *trace;
    uint64_t at;
    int fd, error;

    int status = enlt_options_parse(enlt_replay_options, "replay", argc, argv, &replay);
    if (status)
        return status < 0 ? 0 : status;
    status = check(&replay);
    if (status)
        return status;
    fd = open(replay.trace, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return enlt_fail(ENLT_NO_INPUT, "--trace: %s cannot be read: %s.", replay.trace,
                         strerror(errno));
    error = enlb_trace_open(fd, &trace, &at);
    if (error) {
        status = enlt_fail(ENLT_NO_INPUT,
                           "--trace: %s is no trace, or damaged at byte %" PRIu64 ".",
                           replay.trace, at);
    } else {
        status = replay.list ? list(trace) : make_image(&replay, trace);
        enlb_trace_close(trace);
    }
    close(fd);
    return status;
}
