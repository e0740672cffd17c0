/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/console.h - where the serial line goes: the terminal, a file, nowhere
 */
#ifndef ENLIGHT_VMM_CONSOLE_H
#define ENLIGHT_VMM_CONSOLE_H

#include <pthread.h>

#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/serial.h"

#define ENLM_CONSOLE_BUFFER 16384u

struct enlm_console_port {
    enum enlm_console kind;
    struct enlm_loop *loop;
    struct enlm_serial *serial;
    void (*quit)(void *ctx); /* Ctrl-a x */
    void *ctx;
    int in_fd, out_fd; /* or -1 */
    bool in_ended, escaped;
    /* what the guest sent and the sink has not taken */
    pthread_mutex_t lock;
    bool polled;    /* the loop can wait for out_fd */
    uint32_t piece; /* bytes that out_fd takes at once when it is writable */
    uint8_t buffer[ENLM_CONSOLE_BUFFER];
    uint32_t first, count;
    bool starved; /* a byte was refused */
    /* what was typed and the guest has not taken */
    uint8_t input[256];
    uint32_t input_len;
};

/* Join serial and loop. Borrows both. Returns 0, -ENL_E_IO, -ENL_E_NOSPC. Thread: loop. */
ENL_MUST_CHECK int enlm_console_init(struct enlm_console_port *console,
                                     const struct enlm_machine_config *config,
                                     struct enlm_loop *loop, struct enlm_serial *serial);
void enlm_console_fini(struct enlm_console_port *console);

/* One byte from the guest: see struct enlm_serial_ops. Thread: any. */
bool enlm_console_send(struct enlm_console_port *console, uint8_t byte);
/* The guest took what waited. Thread: loop. */
void enlm_console_more(struct enlm_console_port *console);

/* Raw mode while the machine runs, where standard input is a terminal. Thread: loop. */
void enlm_console_raw(const struct enlm_console_port *console);
/* Write what is left, wherever it still can be written. Thread: loop. */
void enlm_console_flush(struct enlm_console_port *console);

#endif
