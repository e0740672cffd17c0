/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test/loop/client.h - what the small kernel does with its disks
 */
#ifndef TEST_LOOP_CLIENT_H
#define TEST_LOOP_CLIENT_H

#include "test/loop/guest.h"

/* guest.c */
void *guest_pages(struct guest *guest, uint32_t count);
void guest_pages_free(struct guest *guest, void *pages);

/* VP 0. */
void client_bind(struct guest *guest, struct enlg_channel *channel);
void client_gone(struct guest *guest, struct enlg_channel *channel);
void clients_bus_step(struct guest *guest);
/* Have its thread let go; true when it has, or there is none. */
bool client_park(struct client *client);

/* Its own VP. */
void client_step(struct client *client);
bool client_wants(struct client *client);

#endif
