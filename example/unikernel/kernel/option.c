/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/option.c - words of the command line, which the VMM left at the start info
 */
#include <string.h>

#include "kernel.h"

const char *
option_find(const char *name)
{
    const char *at = (const char *)(uintptr_t)boot_info->cmdline;
    size_t len = 0;

    while (name[len])
        len++;
    while (at && *at) {
        if (memcmp(at, name, len) == 0 && at[len] == '=')
            return at + len + 1;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return NULL;
}

bool
option_is(const char *name, const char *value)
{
    const char *list = option_find(name);

    while (list && *list && *list != ' ') {
        const char *v = value;

        while (*v && *list == *v) {
            list++;
            v++;
        }
        if (!*v && (!*list || *list == ' ' || *list == ','))
            return true;
        while (*list && *list != ' ' && *list != ',')
            list++;
        list += *list == ',';
    }
    return false;
}
