/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/console.c - the serial line's other end
 *
 * Output: run by vCPU threads; a byte goes out at once when the sink can take it, else it
 * waits in a bounded buffer that the loop empties; when that is full the line is slow.
 * Input: run by the loop; Ctrl-a x ends the machine, Ctrl-a Ctrl-a sends Ctrl-a. The
 * terminal's mode is put back by enlm_machine_restore_terminal(), on every way out.
 * Tests: test/unit/vmm_console.c.
 */
#include "vmm/console.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_A 0x01u
#define PIECE  512u /* a pipe that is writable takes this much without blocking; */
#define TTY    1u   /* a terminal may have room for one byte */

static struct termios saved_mode;
static _Atomic bool is_raw;

/* ---- output ---- */

static bool
is_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLOUT | POLLERR | POLLHUP));
}

/* What cannot be written to a sink that is gone is dropped. The lock is held. */
static void
write_some(struct enlm_console_port *c)
{
    while (c->count && is_writable(c->out_fd)) {
        uint32_t len = ENLM_CONSOLE_BUFFER - c->first;
        ssize_t n;

        len = len < c->count ? len : c->count;
        len = len < c->piece ? len : c->piece;
        n = write(c->out_fd, c->buffer + c->first, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        n = n > 0 ? n : (ssize_t)len;
        c->first = (c->first + (uint32_t)n) % ENLM_CONSOLE_BUFFER;
        c->count -= (uint32_t)n;
    }
}

bool
enlm_console_send(struct enlm_console_port *c, uint8_t byte)
{
    bool taken, wait;

    if (c->out_fd < 0)
        return true;
    pthread_mutex_lock(&c->lock);
    taken = c->count < ENLM_CONSOLE_BUFFER;
    if (taken)
        c->buffer[(c->first + c->count++) % ENLM_CONSOLE_BUFFER] = byte;
    else
        c->starved = true;
    write_some(c);
    wait = c->count && c->polled;
    pthread_mutex_unlock(&c->lock);
    if (wait)
        enlm_loop_listen(c->loop, c->out_fd, false, true);
    return taken;
}

/* Thread: loop. The sink takes bytes again. */
static void
output_ready(void *ctx)
{
    struct enlm_console_port *c = ctx;
    bool fed = false;

    pthread_mutex_lock(&c->lock);
    write_some(c);
    if (!c->count)
        enlm_loop_listen(c->loop, c->out_fd, false, false);
    if (c->starved && c->count < ENLM_CONSOLE_BUFFER / 2) {
        c->starved = false;
        fed = true;
    }
    pthread_mutex_unlock(&c->lock);
    if (fed)
        enlm_serial_ready(c->serial);
}

void
enlm_console_flush(struct enlm_console_port *c)
{
    if (c->out_fd < 0)
        return;
    pthread_mutex_lock(&c->lock);
    write_some(c);
    pthread_mutex_unlock(&c->lock);
}

/* ---- input ---- */

/* Takes the escape sequences out. Returns how many bytes are left. */
static uint32_t
filter_escapes(struct enlm_console_port *c, uint8_t *bytes, uint32_t len)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < len; i++) {
        bool escaped = c->escaped;

        c->escaped = !escaped && bytes[i] == CTRL_A;
        if (c->escaped)
            continue;
        if (escaped && (bytes[i] == 'x' || bytes[i] == 'X'))
            c->quit(c->ctx);
        else
            bytes[kept++] = bytes[i];
    }
    return kept;
}

void
enlm_console_more(struct enlm_console_port *c)
{
    size_t taken = enlm_serial_receive(c->serial, c->input, c->input_len);

    c->input_len -= (uint32_t)taken;
    memmove(c->input, c->input + taken, c->input_len);
    if (c->in_fd >= 0 && !c->in_ended)
        enlm_loop_listen(c->loop, c->in_fd, c->input_len == 0, false);
}

static void
input_ready(void *ctx)
{
    struct enlm_console_port *c = ctx;
    ssize_t n;

    n = read(c->in_fd, c->input + c->input_len, sizeof(c->input) - c->input_len);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        c->in_ended = true;
        enlm_loop_listen(c->loop, c->in_fd, false, false);
        return;
    }
    c->input_len += filter_escapes(c, c->input + c->input_len, (uint32_t)n);
    enlm_console_more(c);
}

/* ---- the terminal ---- */

void
enlm_console_raw(const struct enlm_console_port *c)
{
    struct termios mode;

    if (c->kind != ENLM_CONSOLE_STDIO || !isatty(STDIN_FILENO) || atomic_load(&is_raw) ||
        tcgetattr(STDIN_FILENO, &saved_mode) < 0)
        return;
    mode = saved_mode;
    cfmakeraw(&mode);
    /* A line feed of the VMM's own messages shall still begin a new line. */
    mode.c_oflag |= OPOST;
    atomic_store(&is_raw, true);
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

void
enlm_machine_restore_terminal(void)
{
    if (atomic_exchange(&is_raw, false))
        tcsetattr(STDIN_FILENO, TCSANOW, &saved_mode);
}

/* ---- life ---- */

/* A regular file is always ready, and no epoll takes it. */
static int
add_output(struct enlm_console_port *c)
{
    int err;

    if (c->out_fd < 0)
        return 0;
    err = enlm_loop_add(c->loop, c->out_fd, output_ready, c);
    c->polled = !err;
    if (!err)
        enlm_loop_listen(c->loop, c->out_fd, false, false);
    return err == -ENL_E_NOSPC ? err : 0;
}

static int
add_input(struct enlm_console_port *c)
{
    int err;

    if (c->in_fd < 0)
        return 0;
    err = enlm_loop_add(c->loop, c->in_fd, input_ready, c);
    if (err)
        c->in_fd = -1; /* a regular file: nothing is typed there */
    return err == -ENL_E_NOSPC ? err : 0;
}

int
enlm_console_init(struct enlm_console_port *console,
                  const struct enlm_machine_config *config, struct enlm_loop *loop,
                  struct enlm_serial *serial)
{
    int err;

    console->kind = config->console;
    console->loop = loop;
    console->serial = serial;
    console->in_fd = config->console == ENLM_CONSOLE_STDIO ? STDIN_FILENO : -1;
    console->out_fd = config->console == ENLM_CONSOLE_STDIO ? STDOUT_FILENO
                      : config->console == ENLM_CONSOLE_FD  ? config->console_fd
                                                            : -1;
    console->piece = console->out_fd >= 0 && isatty(console->out_fd) ? TTY : PIECE;
    if (pthread_mutex_init(&console->lock, NULL))
        return -ENL_E_NOMEM;
    err = add_output(console);
    if (!err)
        err = add_input(console);
    return err;
}

void
enlm_console_fini(struct enlm_console_port *console)
{
    enlm_console_flush(console);
    pthread_mutex_destroy(&console->lock);
}
