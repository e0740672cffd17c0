/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host/vmbus/list.h - a ring of links, for the lists of the bus
 *
 * A link that is on no list points at itself, so taking it off twice does no harm.
 * Thread: the list's owner.
 */
#ifndef ENLH_VMBUS_LIST_H
#define ENLH_VMBUS_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct enlh_link {
    struct enlh_link *next, *prev;
};

/* The object that holds this link as its member. */
#define ENLH_LIST_OF(link, type, member)                                                 \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void
enlh_list_init(struct enlh_link *link)
{
    link->next = link;
    link->prev = link;
}

static inline bool
enlh_list_empty(const struct enlh_link *head)
{
    return head->next == head;
}

static inline void
enlh_list_remove(struct enlh_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    enlh_list_init(link);
}

static inline void
enlh_list_append(struct enlh_link *head, struct enlh_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

#endif
