/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/table.c - columns out of JSON
 *
 * Run by "enlight ctl" with what a machine answered. Columns are as wide as their longest
 * cell; bytes that are no printing characters are shown as dots, for a terminal obeys
 * them.
 * Tests: test/unit/tool_ctl.c.
 */
#include "tool/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL    512u
#define COLUMNS 32u

struct columns {
    const char *name[COLUMNS];
    size_t width[COLUMNS];
    size_t count;
};

static json_t *mutable(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

/* ---- cells ---- */

static void
clean(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7F)
            *text = '.';
    }
}

static void
write_list(const json_t *list, char cell[CELL])
{
    size_t at = 0;

    cell[0] = 0;
    for (size_t i = 0; i < json_array_size(list) && at < CELL; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        at += (size_t)snprintf(cell + at, CELL - at, "%s%s", i ? " " : "",
                               text ? text : "");
    }
}

/* A value that stands in one place: what is within it is JSON. */
static void
write_cell(const json_t *value, char cell[CELL])
{
    char *text;

    cell[0] = 0;
    if (json_is_string(value)) {
        snprintf(cell, CELL, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        snprintf(cell, CELL, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_array(value)) {
        write_list(value, cell);
    } else if (value) {
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        snprintf(cell, CELL, "%s", text ? text : "");
        free(text);
    }
    clean(cell);
}

/* ---- a table ---- */

static void
add_column(struct columns *columns, const char *name)
{
    for (size_t i = 0; i < columns->count; i++) {
        if (strcmp(columns->name[i], name) == 0)
            return;
    }
    if (columns->count == COLUMNS)
        return;
    columns->name[columns->count] = name;
    columns->width[columns->count++] = strlen(name);
}

/* In the order of the schema, then what it does not know. */
static void
find_columns(struct columns *columns, const struct enlm_control_member *members,
             const json_t *list)
{
    const char *name;
    json_t *value;

    for (; members && members->name; members++)
        add_column(columns, members->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_object_foreach(mutable(json_array_get(list, i)), name, value)
            add_column(columns, name);
    }
}

static void
measure(struct columns *columns, const json_t *list)
{
    char cell[CELL];

    for (size_t i = 0; i < json_array_size(list); i++) {
        for (size_t c = 0; c < columns->count; c++) {
            write_cell(json_object_get(json_array_get(list, i), columns->name[c]), cell);
            if (strlen(cell) > columns->width[c])
                columns->width[c] = strlen(cell);
        }
    }
}

/* A row of NULL is the head. */
static void
print_row(const struct columns *columns, const json_t *row)
{
    char cell[CELL];

    for (size_t c = 0; c < columns->count; c++) {
        bool last = c + 1 == columns->count;

        if (row)
            write_cell(json_object_get(row, columns->name[c]), cell);
        else
            snprintf(cell, sizeof(cell), "%s", columns->name[c]);
        printf("%-*s%s", last ? 0 : (int)columns->width[c], cell, last ? "\n" : "  ");
    }
}

static void
print_list(const struct enlm_control_member *members, const json_t *list)
{
    struct columns columns = {.count = 0};

    find_columns(&columns, members, list);
    measure(&columns, list);
    print_row(&columns, NULL);
    for (size_t i = 0; i < json_array_size(list); i++)
        print_row(&columns, json_array_get(list, i));
}

/* ---- an answer ---- */

static bool
is_table(const json_t *value)
{
    return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

static const struct enlm_control_member *
members_of(const struct enlm_control_member *members, const char *name)
{
    for (; members && members->name; members++) {
        if (strcmp(members->name, name) == 0)
            return members->of;
    }
    return NULL;
}

static void
print_object(const struct enlm_control_member *members, const json_t *object)
{
    size_t width = 0;
    const char *name;
    char cell[CELL];
    json_t *value;

    json_object_foreach(mutable(object), name, value)
    {
        if (!is_table(value) && strlen(name) > width)
            width = strlen(name);
    }
    json_object_foreach(mutable(object), name, value)
    {
        if (is_table(value))
            continue;
        write_cell(value, cell);
        printf("%-*s  %s\n", (int)width, name, cell);
    }
    json_object_foreach(mutable(object), name, value)
    {
        if (!is_table(value))
            continue;
        printf("\n%s\n", name);
        print_list(members_of(members, name), value);
    }
}

void
enlt_table_print(const struct enlm_control_member *members, const json_t *value)
{
    if (is_table(value))
        print_list(members, value);
    else if (json_is_object(value))
        print_object(members, value);
}

void
enlt_table_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    if (text)
        puts(text);
    free(text);
}
