/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/option.c - the parser behind every verb's table
 *
 * Run by the user's words alone; it reads nothing but argv and prints nothing but what the
 * user asked for or did wrong. A sentence names the option, what it got and what it takes.
 * Tests: test/unit/tool_options.c.
 */
#include "tool/option.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/status.h"

static bool
named(const char *name, const char *text, size_t len)
{
    return name && strlen(name) == len && memcmp(name, text, len) == 0;
}

static const struct enlt_option *
find_long(const struct enlt_option *table, const char *text, size_t len)
{
    for (; table->name; table++) {
        if (named(table->name, text, len) || named(table->alias, text, len))
            return table;
    }
    return NULL;
}

static const struct enlt_option *
find_letter(const struct enlt_option *table, char letter)
{
    for (; table->name; table++) {
        if (table->letter == letter)
            return table;
    }
    return NULL;
}

/* Splits "--name=value" and "-kvalue"; *value is what stands in the same word, or NULL. */
static const struct enlt_option *
match(const struct enlt_option *table, const char *word, const char **value)
{
    *value = NULL;
    if (word[0] == '-' && word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t len = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        if (equals)
            *value = equals + 1;
        return find_long(table, word + 2, len);
    }
    if (word[0] == '-' && word[1]) {
        if (word[2])
            *value = word + 2;
        return find_letter(table, word[1]);
    }
    return NULL;
}

static int
apply(const struct enlt_option *option, const char *value, void *config)
{
    if (!option->arg && value)
        return enlt_fail(ENLT_USAGE, "--%s takes no value, and got '%s'.", option->name,
                         value);
    if (option->arg && !value)
        return enlt_fail(ENLT_USAGE, "--%s needs a value: --%s %s.", option->name,
                         option->name, option->arg);
    return option->set(config, value);
}

int
enlt_options_parse(const struct enlt_option *table, const char *verb, int argc,
                   char **argv, void *config)
{
    for (int i = 1; i < argc; i++) {
        const char *value;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            enlt_options_help(table, verb);
            return -1;
        }
        const struct enlt_option *option = match(table, argv[i], &value);
        if (!option)
            return enlt_fail(ENLT_USAGE,
                             "'%s' is not an option of %s; see 'enlight %s --help'.",
                             argv[i], verb, verb);
        if (option->arg && !value && i + 1 < argc)
            value = argv[++i];
        int status = apply(option, value, config);
        if (status)
            return status;
    }
    return 0;
}

void
enlt_options_help(const struct enlt_option *table, const char *verb)
{
    printf("usage: enlight %s [options]\n\n", verb);
    for (; table->name; table++) {
        char left[64], dash[8] = "    ";

        if (table->letter)
            snprintf(dash, sizeof(dash), "-%c, ", table->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", dash, table->name,
                 table->arg ? " " : "", table->arg ? table->arg : "");
        printf("  %-34s %s\n", left, table->help);
        for (const struct enlt_key *key = table->keys; key && key->name; key++) {
            snprintf(left, sizeof(left), "%s%s%s", key->name, key->values ? "=" : "",
                     key->values ? key->values : "");
            printf("          %-26s %s\n", left, key->help);
        }
    }
}

void
enlt_options_mdoc(const struct enlt_option *table)
{
    for (; table->name; table++) {
        if (table->letter)
            printf(".It Fl %c , Fl -%s", table->letter, table->name);
        else
            printf(".It Fl -%s", table->name);
        if (table->arg)
            printf(" Ar %s", table->arg);
        printf("\n%s\n", table->help);
        if (!table->keys)
            continue;
        printf(".Bl -tag -width Ds -compact\n");
        for (const struct enlt_key *key = table->keys; key->name; key++) {
            printf(".It Cm %s", key->name);
            if (key->values)
                printf(" Ns = Ns Ar %s", key->values);
            printf("\n%s\n", key->help);
        }
        printf(".El\n");
    }
}

void
enlt_pairs_start(struct enlt_pairs *pairs, const char *text)
{
    memset(pairs, 0, sizeof(*pairs));
    pairs->rest = text;
}

/* Copies up to a lone comma; ",," stands for one. Returns false when it does not fit. */
static bool
take_item(struct enlt_pairs *pairs, char *to, size_t size)
{
    const char *p = pairs->rest;
    size_t len = 0;

    while (*p && !(p[0] == ',' && p[1] != ',')) {
        if (p[0] == ',')
            p++;
        if (len + 1 >= size)
            return false;
        to[len++] = *p++;
    }
    to[len] = 0;
    pairs->rest = *p ? p + 1 : p;
    return true;
}

void
enlt_quote_commas(const char *from, char *to, size_t size)
{
    size_t len = 0;

    for (; *from && len + 3 <= size; from++) {
        if (*from == ',')
            to[len++] = ',';
        to[len++] = *from;
    }
    to[len] = 0;
}

int
enlt_pairs_next(struct enlt_pairs *pairs, const char *option)
{
    char item[sizeof(pairs->value) + sizeof(pairs->key)];

    if (!*pairs->rest)
        return 0;
    if (!take_item(pairs, item, sizeof(item)))
        return enlt_fail(ENLT_USAGE, "--%s: a value is longer than 4095 characters.",
                         option);
    char *equals = strchr(item, '=');
    size_t key_len = equals ? (size_t)(equals - item) : strlen(item);
    const char *value = equals ? equals + 1 : "";

    pairs->has_value = equals != NULL;
    if (strlen(value) >= sizeof(pairs->value))
        return enlt_fail(ENLT_USAGE, "--%s: a value is longer than 4095 characters.",
                         option);
    snprintf(pairs->value, sizeof(pairs->value), "%s", value);
    if (key_len >= sizeof(pairs->key)) {
        /* A bare word, such as a path, is no key: the option's set() decides. */
        if (equals || key_len >= sizeof(pairs->value))
            return enlt_fail(ENLT_USAGE, "--%s: '%.*s' is not a key.", option, 40, item);
        memcpy(pairs->value, item, key_len + 1);
        pairs->key[0] = 0;
        return 1;
    }
    memcpy(pairs->key, item, key_len);
    pairs->key[key_len] = 0;
    return 1;
}

int
enlt_parse_number(const char *option, const char *text, uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    unsigned long long n = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)text[0]) || *end || errno || n > max)
        return enlt_fail(ENLT_USAGE, "--%s: '%s' is not a number from 0 to %llu.", option,
                         text, (unsigned long long)max);
    *out = n;
    return 0;
}

int
enlt_parse_size(const char *option, const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned shift = 20; /* a bare number is MiB, as in other VMMs */

    errno = 0;
    unsigned long long n = strtoull(text, &end, 0);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit) {
        shift = 10u * (unsigned)(unit - units + 1);
        end++;
    }
    if (!isdigit((unsigned char)text[0]) || *end || errno || n > UINT64_MAX >> shift)
        return enlt_fail(
            ENLT_USAGE,
            "--%s: '%s' is not a size; write 512M or 2G (a bare number is MiB).", option,
            text);
    *bytes = (uint64_t)n << shift;
    return 0;
}

int
enlt_parse_choice(const char *option, const char *text, const char *choices, int *index)
{
    const char *p = choices;
    size_t len = strlen(text);

    for (int i = 0; *p; i++) {
        size_t word = strcspn(p, "|");
        if (word == len && memcmp(p, text, len) == 0) {
            *index = i;
            return 0;
        }
        p += word + (p[word] == '|');
    }
    return enlt_fail(ENLT_USAGE, "--%s: '%s' is not one of %s.", option, text, choices);
}

int
enlt_parse_switch(const char *option, const char *text, bool *on)
{
    int index;
    int status = enlt_parse_choice(option, text, "off|on", &index);

    if (!status)
        *on = index == 1;
    return status;
}
