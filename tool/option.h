/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/option.h - command-line options from a table
 *
 * One table of a verb drives its parser, its --help, its manual page and the shell's
 * completion. Options are GNU long options; many take a list key=value[,key=value].
 * A comma within a value is written twice.
 */
#ifndef ENLIGHT_TOOL_OPTION_H
#define ENLIGHT_TOOL_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One key of a key=value list, for people; the option's set() reads it. */
struct enlt_key {
    const char *name;   /* NULL ends the list */
    const char *values; /* "raw|vhd", "N", "FILE"; NULL for a bare word */
    const char *help;
};

struct enlt_option {
    const char *name;            /* without the dashes; NULL ends the table */
    const char *alias;           /* another accepted name, or NULL */
    char letter;                 /* a short option, or 0 */
    const char *arg;             /* what --help shows: "FILE"; NULL for a flag */
    const char *help;            /* one line */
    const struct enlt_key *keys; /* of a key=value list, or NULL */
    /*
     * Take the value (NULL for a flag). Returns 0, or an exit status after enlt_fail().
     */
    int (*set)(void *config, const char *value);
};

/*
 * Parse argv[1..argc) into config. "--" and bare words are refused. Returns 0, an exit
 * status after a sentence on standard error, or -1 when --help was printed.
 */
int enlt_options_parse(const struct enlt_option *table, const char *verb, int argc,
                       char **argv, void *config);

/* Print the table: for people, or as the OPTIONS section of a manual page (mdoc). */
void enlt_options_help(const struct enlt_option *table, const char *verb);
void enlt_options_mdoc(const struct enlt_option *table);

/* The pairs of a key=value list, one after the other. */
struct enlt_pairs {
    const char *rest;
    char key[32];
    char value[4096];
    bool has_value;
};

/* Start on text; enlt_pairs_next() returns 1 for a pair, 0 at the end, or a status. */
void enlt_pairs_start(struct enlt_pairs *pairs, const char *text);
int enlt_pairs_next(struct enlt_pairs *pairs, const char *option);
/* A value for such a list; cut at size, which is twice that of any value, and one more. */
void enlt_quote_commas(const char *from, char *to, size_t size);

/* Values. Each returns 0, or a status after a sentence that names the option. */
int enlt_parse_size(const char *option, const char *text, uint64_t *bytes);
int enlt_parse_number(const char *option, const char *text, uint64_t max, uint64_t *out);
int enlt_parse_switch(const char *option, const char *text, bool *on);
/* choices: "auto|kernel|user"; *index says which. */
int enlt_parse_choice(const char *option, const char *text, const char *choices,
                      int *index);

#endif
