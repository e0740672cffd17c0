/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/frame.c - a stream of bytes into JSON objects
 *
 * Run by the loop for whatever a client sends. It counts braces and knows strings, no more:
 * whether the object is JSON is the parser's to say. Memory is bounded by one message.
 * Tests: test/unit/control_server.c; fuzzed by test/fuzz/control_socket.c.
 */
#include "vmm/control/frame.h"

#include <stdlib.h>

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
start(struct enlm_control_frame *frame)
{
    frame->len = 0;
    frame->depth = 0;
    frame->in_string = frame->escaped = false;
}

/* Follows one byte of a string, behind its first quote. */
static void
string_byte(struct enlm_control_frame *frame, char c)
{
    if (frame->escaped)
        frame->escaped = false;
    else if (c == '\\')
        frame->escaped = true;
    else if (c == '"')
        frame->in_string = false;
}

/* One byte that belongs to an object. */
static enum enlm_control_got
object_byte(struct enlm_control_frame *frame, char c)
{
    if (frame->len == ENLM_CONTROL_MESSAGE)
        return ENLM_CONTROL_GOT_LONG;
    frame->text[frame->len++] = c;
    if (frame->in_string) {
        string_byte(frame, c);
    } else if (c == '"') {
        frame->in_string = true;
    } else if (c == '{' || c == '[') {
        if (++frame->depth > ENLM_CONTROL_DEPTH)
            return ENLM_CONTROL_GOT_DEEP;
    } else if (c == '}' || c == ']') {
        frame->depth--;
    }
    return frame->depth ? ENLM_CONTROL_GOT_NOTHING : ENLM_CONTROL_GOT_OBJECT;
}

static enum enlm_control_got
first_byte(struct enlm_control_frame *frame, char c)
{
    start(frame);
    if (is_space(c))
        return ENLM_CONTROL_GOT_NOTHING;
    if (c != '{')
        return ENLM_CONTROL_GOT_GARBAGE;
    if (!frame->text)
        frame->text = malloc(ENLM_CONTROL_MESSAGE);
    if (!frame->text)
        return ENLM_CONTROL_GOT_NO_MEMORY;
    return object_byte(frame, c);
}

enum enlm_control_got
enlm_control_frame_feed(struct enlm_control_frame *frame, const char *bytes, size_t len,
                        size_t *taken)
{
    for (size_t i = 0; i < len; i++) {
        enum enlm_control_got got;

        if (frame->skipping) {
            frame->skipping = bytes[i] != '\n';
            continue;
        }
        got = frame->depth ? object_byte(frame, bytes[i]) : first_byte(frame, bytes[i]);
        if (got == ENLM_CONTROL_GOT_NOTHING)
            continue;
        frame->depth = 0;
        frame->skipping = got != ENLM_CONTROL_GOT_OBJECT && bytes[i] != '\n';
        *taken = i + 1;
        return got;
    }
    *taken = len;
    return ENLM_CONTROL_GOT_NOTHING;
}

void
enlm_control_frame_fini(struct enlm_control_frame *frame)
{
    free(frame->text);
    frame->text = NULL;
    frame->depth = 0;
}
