/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tool/socket.c - the control socket's file: made, connected to, taken away
 *
 * Run by the user. The file's mode is what keeps others out, so it is 0600 from the moment
 * that it exists.
 * Tests: test/unit/tool_ctl.c.
 */
#include "tool/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tool/status.h"

#define BACKLOG 16

/* The file that was made: another may stand in its place by the time it is taken away. */
static dev_t made_device;
static ino_t made_inode;

static int
make_address(const char *path, struct sockaddr_un *address)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (!*path || strlen(path) >= sizeof(address->sun_path))
        return enlt_fail(ENLT_USAGE,
                         "'%.40s' is no path for a socket: 1 to %zu characters.", path,
                         sizeof(address->sun_path) - 1);
    strcpy(address->sun_path, path);
    return 0;
}

static int
connect_to(const struct sockaddr_un *address, int *fd)
{
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return errno;
    if (connect(*fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return 0;
    int error = errno;
    close(*fd);
    *fd = -1;
    return error;
}

int
enlt_socket_connect(const char *path, int *fd)
{
    struct sockaddr_un address;
    int status = make_address(path, &address);

    if (status)
        return status;
    int error = connect_to(&address, fd);
    if (!error)
        return 0;
    return enlt_fail(error == EACCES ? ENLT_NO_PERMISSION : ENLT_NO_INPUT,
                     "%s cannot be connected to: %s.", path, strerror(error));
}

/* A socket of a program that has gone refuses connections. */
static void
remove_if_dead(const struct sockaddr_un *address)
{
    struct stat st;
    int fd;

    if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
        return;
    if (connect_to(address, &fd) == ECONNREFUSED)
        unlink(address->sun_path);
    else if (fd >= 0)
        close(fd);
}

static int
bind_private(int fd, const struct sockaddr_un *address)
{
    /* The file gets the mode of the socket. */
    if (fchmod(fd, 0600) < 0)
        return -1;
    return bind(fd, (const struct sockaddr *)address, sizeof(*address));
}

int
enlt_socket_listen(const char *path, int *fd)
{
    struct sockaddr_un address;
    struct stat st;
    int status = make_address(path, &address);

    *fd = -1;
    if (status)
        return status;
    remove_if_dead(&address);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd >= 0 && bind_private(*fd, &address) == 0 && listen(*fd, BACKLOG) == 0 &&
        lstat(path, &st) == 0) {
        made_device = st.st_dev;
        made_inode = st.st_ino;
        return 0;
    }
    int error = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return enlt_fail(error == EACCES ? ENLT_NO_PERMISSION : ENLT_NO_INPUT,
                     "the socket %s cannot be made: %s.", path, strerror(error));
}

void
enlt_socket_remove(const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && st.st_dev == made_device && st.st_ino == made_inode)
        unlink(path);
}
