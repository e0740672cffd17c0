/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/control/frame.h - where one JSON object ends and the next begins
 *
 * Objects come in a stream of bytes, with white space between them or nothing. What is no
 * object, too deep or too long is reported once and skipped up to the end of its line.
 */
#ifndef ENLIGHT_VMM_CONTROL_FRAME_H
#define ENLIGHT_VMM_CONTROL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENLM_CONTROL_DEPTH   16u           /* of braces and brackets */
#define ENLM_CONTROL_MESSAGE (64u * 1024u) /* bytes of one object */

struct enlm_control_frame {
    char *text; /* ENLM_CONTROL_MESSAGE bytes, made at the first need */
    size_t len;
    uint32_t depth;
    bool in_string, escaped, skipping;
};

enum enlm_control_got {
    ENLM_CONTROL_GOT_NOTHING, /* all bytes were taken, and more are needed */
    ENLM_CONTROL_GOT_OBJECT,  /* in text and len, until the next call */
    ENLM_CONTROL_GOT_GARBAGE, /* no object */
    ENLM_CONTROL_GOT_DEEP,    /* more than ENLM_CONTROL_DEPTH */
    ENLM_CONTROL_GOT_LONG,    /* more than ENLM_CONTROL_MESSAGE */
    ENLM_CONTROL_GOT_NO_MEMORY,
};

/* Zeroed storage is a new frame. Take bytes, at most up to the end of one object. */
enum enlm_control_got enlm_control_frame_feed(struct enlm_control_frame *frame,
                                              const char *bytes, size_t len,
                                              size_t *taken);
void enlm_control_frame_fini(struct enlm_control_frame *frame);

#endif
