/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/socket.h - the control socket's file
 */
#ifndef ENLIGHT_TOOL_SOCKET_H
#define ENLIGHT_TOOL_SOCKET_H

/*
 * Make a socket at path that only this user may connect to, and listen. What a dead
 * program left there is replaced; a socket that somebody listens to is not, and neither is
 * a file of another kind. Returns a status, with an owned descriptor in *fd.
 */
int enlt_socket_listen(const char *path, int *fd);
/* Take the file away that enlt_socket_listen() made, if it is still that one. */
void enlt_socket_remove(const char *path);
/* Connect. Returns a status, with an owned descriptor in *fd. */
int enlt_socket_connect(const char *path, int *fd);

#endif
