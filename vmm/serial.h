/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/serial.h - a 16550 as the guest's console
 *
 * Bytes that the guest sends go to a sink at once; bytes for the guest wait in a queue of
 * ENLM_SERIAL_QUEUE until it takes them. The interrupt line is told when it changes.
 */
#ifndef ENLIGHT_VMM_SERIAL_H
#define ENLIGHT_VMM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enlight/error.h"

#define ENLM_SERIAL_QUEUE 256u
#define ENLM_SERIAL_FIFO  16u
#define ENLM_SERIAL_PORTS 8u

struct enlm_serial_ops {
    /* The line changed. Called with the device's lock held. Thread: any. */
    void (*line)(void *ctx, bool high);
    /* The guest sent a byte. Returns false when there is no room: then it is sent again. */
    bool (*send)(void *ctx, uint8_t byte);
    /* The queue has room again, after enlm_serial_receive() took less than all. Thread: any. */
    void (*drained)(void *ctx);
};

struct enlm_serial {
    pthread_mutex_t lock;
    struct enlm_serial_ops ops;
    void *ctx;
    uint8_t ier, lcr, mcr, scr, dll, dlm;
    bool fifo, line, sent_pending, full;
    uint32_t trigger; /* bytes that raise the interrupt, 1 without a FIFO */
    bool held;        /* a byte that the sink had no room for */
    uint8_t held_byte;
    uint8_t queue[ENLM_SERIAL_QUEUE];
    uint32_t first, count;
};

/* Borrows ctx. Returns 0, or -ENL_E_NOMEM. */
ENL_MUST_CHECK int enlm_serial_init(struct enlm_serial *serial,
                                    const struct enlm_serial_ops *ops, void *ctx);
void enlm_serial_fini(struct enlm_serial *serial);
/* As after power-on; the queue is emptied. Thread: any. */
void enlm_serial_reset(struct enlm_serial *serial);

/* The registers, offset 0 to 7; serial is a struct enlm_serial. Thread: any. */
uint8_t enlm_serial_read(void *serial, uint16_t offset);
void enlm_serial_write(void *serial, uint16_t offset, uint8_t value);

/* Bytes for the guest. Returns how many were taken. Thread: any. */
size_t enlm_serial_receive(struct enlm_serial *serial, const uint8_t *bytes, size_t len);
/* The sink has room again. Thread: any. */
void enlm_serial_ready(struct enlm_serial *serial);

#endif
