/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/accel.h - where a guest runs: on this machine's KVM, or in the nested machine
 *
 * A /dev/kvm alone proves nothing: a paravirtual one has neither vmx nor svm and cannot
 * run an unmodified kernel. So the CPU flags decide.
 */
#ifndef ENLIGHT_TOOL_ACCEL_H
#define ENLIGHT_TOOL_ACCEL_H

#include <stdbool.h>
#include <stddef.h>

enum enlt_accel { ENLT_ACCEL_AUTO, ENLT_ACCEL_KVM, ENLT_ACCEL_NESTED };

/* The CPU has vmx or svm and /dev/kvm opens; if not, why says what is missing. */
bool enlt_accel_has_kvm(char *why, size_t len);

/* A command line in the making; words are copied. Aborts when there is no memory. */
struct enlt_words {
    char **word;
    size_t count, room;
};
void enlt_words_add(struct enlt_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "--option value", or nothing for NULL. */
void enlt_words_add_option(struct enlt_words *words, const char *option,
                           const char *value);
void enlt_words_free(struct enlt_words *words);

/*
 * Replace this process by nested/run.sh with these options, then "--", then this program
 * with these arguments. Returns only on failure: a status after a sentence.
 */
int enlt_accel_nested(const struct enlt_words *options,
                      const struct enlt_words *arguments);

#endif
